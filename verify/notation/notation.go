// Package notation verifies signatures of the Notary Project (Notary v2): JWS and
// COSE envelopes that refer to an image.
//
// Each manifest goes three steps: gather finds every signature there is, prove
// says what each of them proves, and explain what would have accepted it.
package notation

import (
	"context"
	"crypto/x509"
	"errors"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

// System is the name of this system in evidence and reports.
const System = "notation"

// A Store is where signatures lie. *registry.Client is one.
type Store interface {
	Manifest(ctx context.Context, repo image.Ref, reference string) (registry.Manifest, error)
	Referrers(ctx context.Context, repo image.Ref, digest string) ([]ocispec.Descriptor, error)
	Blob(ctx context.Context, repo image.Ref, d ocispec.Descriptor) ([]byte, error)
	Describe(ctx context.Context, img image.Pinned) (image.Pinned, error)
}

// A Config is one requirement: a statement of a trust policy with the trust
// stores that it names. An image satisfies it with one signature.
type Config struct {
	// Certificates, SigningAuthority and TSA are the trust stores "ca",
	// "signingAuthority" and "tsa" (Notary Project, trust-store-trust-policy.md).
	Certificates, SigningAuthority, TSA []*x509.Certificate
	// Identities are who may sign, any of them.
	Identities []Identity
	// Timestamp says when a signature needs a countersignature of one of TSA;
	// "" is Always. It has no effect without TSA.
	Timestamp Timestamp
	// Revocation says what becomes of a certificate of which it is not known
	// whether it was revoked; "" is Strict.
	Revocation Revocation
	// Metadata is user metadata that must be in the signature.
	Metadata map[string]string
	// MaxSignatures is how many signatures of one manifest are examined; 0 is
	// 100. More than 256 are refused.
	MaxSignatures int
	// Platforms are the platforms ("os/arch[/variant]") whose manifests may
	// vouch, all of them, for an index that carries no signature itself.
	Platforms []string
	// Repository is where the signatures lie, instead of where the Session looks;
	// zero for that.
	Repository image.Ref
	// Flags says that the requirement was made by flags, so that hints speak of
	// them; otherwise they speak of the keys of a policy.
	Flags bool

	// Statement is the name of the trust policy statement that it was made of, ""
	// where it was made of none.
	Statement string
	// Level is the verification level of the statement; "" is strict. Of audit and
	// permissive nothing is ever accepted.
	Level Level
	// Override are the actions that the statement has instead of those of its
	// level, by type of validation.
	Override map[string]string
}

// A Session makes Verifiers that share what they find in one run. It may be used
// by several goroutines.
type Session struct {
	store     Store
	elsewhere image.Ref
	asker     *Asker
}

// NewSession returns a Session that reads signatures from store: beside each
// image, or all from the repository elsewhere if that is not zero. Servers that
// know of revoked certificates are asked through asker.
func NewSession(store Store, elsewhere image.Ref, asker *Asker) *Session {
	return &Session{store: store, elsewhere: elsewhere, asker: asker}
}

// Require returns the Verifier of c. It refuses a Config that could be
// satisfied by nobody or by anybody.
func (s *Session) Require(c Config) (verify.Verifier, error) {
	return nil, errors.New("verification of Notation signatures is not there yet")
}

// RequirePolicy returns a Verifier that holds each image to the statement of p
// that speaks of it.
func (s *Session) RequirePolicy(p *TrustPolicy, platforms []string) (verify.Verifier, error) {
	return nil, errors.New("verification of Notation signatures is not there yet")
}

// String returns the requirement in words.
func (c Config) String() string { return "a Notation signature" }
