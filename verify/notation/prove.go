package notation

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/notaryproject/notation-core-go/revocation/purpose"
	coresig "github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// A refusal is a Reason with its cause.
type refusal struct {
	reason  verify.Reason
	err     error
	differs *verify.Difference // nil where it is not a matter of who signed or what
	lacks   lack
}

// A lack is something particular that a signature needs, for the next step.
type lack int

const (
	nothing       lack = iota
	aTimestamp         // a countersignature
	aClock             // whoever made the countersignature is not trusted, or nobody is
	aRoot              // nobody who is trusted issued the certificate
	anAuthority        // the same, where that is a signing authority
	anEnforcement      // the trust policy enforces nothing
	aPlugin            // it cannot be checked without
	aPlace             // other signatures are in its way
	anEnd              // that its signer gave it is over
)

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// Reason returns what r refuses for.
func (r *refusal) Reason() verify.Reason { return r.reason }

func refuse(reason verify.Reason, format string, args ...any) error {
	return &refusal{reason: reason, err: fmt.Errorf(format, args...)}
}

// Facts are what a sound signature proves.
type facts struct {
	payload
	scheme coresig.SigningScheme
	chain  []*x509.Certificate // leaf first; nil where nothing is proven
	// anchor is the trusted certificate in chain; nil where there is none.
	anchor   *x509.Certificate
	expiry   time.Time // zero for never
	signedAt time.Time // what somebody trusted vouches for; zero for nothing
	claimed  time.Time // when it was signed, as it says itself
	// revocation is what is known of it, as evidence says it; "" where nobody was
	// to be asked.
	revocation string
	raw        []byte // the signature in the envelope, which is countersigned
	token      []byte // the countersignature; nil for none. It is not checked
}

// signer names who signed, and who vouches for that.
func (f facts) signer() (signer, issuer string) {
	if len(f.chain) == 0 {
		return "", ""
	}
	return subjectPrefix + ": " + f.chain[0].Subject.String(), f.root().Subject.String()
}

// root is the trusted certificate, or the end of the chain where there is none.
func (f facts) root() *x509.Certificate {
	if f.anchor != nil {
		return f.anchor
	}
	return f.chain[len(f.chain)-1]
}

// A prover checks signatures against one requirement.
type prover struct {
	config Config
	asker  *Asker
	policy *trustpolicy.Document
	stores stores
}

// Stores are the trust stores of one requirement, by type. Each has one name.
type stores map[truststore.Type][]*x509.Certificate

const storeName = "boltseal"

// GetCertificates implements truststore.X509TrustStore.
func (s stores) GetCertificates(_ context.Context, t truststore.Type, name string) ([]*x509.Certificate, error) {
	if name != storeName || len(s[t]) == 0 {
		return nil, fmt.Errorf("there is no trust store %s:%s", t, name)
	}
	return s[t], nil
}

// of returns the certificates that count for a signing scheme, and what notation
// calls their store.
func (s stores) of(scheme coresig.SigningScheme) ([]*x509.Certificate, truststore.Type) {
	t := truststore.TypeCA
	if scheme == coresig.SigningSchemeX509SigningAuthority {
		t = truststore.TypeSigningAuthority
	}
	return s[t], t
}

// anchor returns the certificate of chain that is trusted for the scheme, the
// first of several; nil if none is.
func (s stores) anchor(scheme coresig.SigningScheme, chain []*x509.Certificate) *x509.Certificate {
	trusted, _ := s.of(scheme)
	for _, cert := range chain {
		if slices.ContainsFunc(trusted, cert.Equal) {
			return cert
		}
	}
	return nil
}

// newProver returns the prover of c: a trust policy of one statement, which is
// for every image.
func newProver(c Config, asker *Asker) (*prover, error) {
	p := &prover{config: c, asker: asker, stores: stores{
		truststore.TypeCA: c.Certificates, truststore.TypeSigningAuthority: c.SigningAuthority, truststore.TypeTSA: c.TSA,
	}}
	statement := trustpolicy.TrustPolicy{
		Name: storeName, RegistryScopes: []string{"*"},
		SignatureVerification: trustpolicy.SignatureVerification{
			VerificationLevel: string(c.level()), Override: map[trustpolicy.ValidationType]trustpolicy.ValidationAction{}, VerifyTimestamp: trustpolicy.OptionAlways,
		},
	}
	for _, t := range truststore.Types {
		if len(p.stores[t]) > 0 {
			statement.TrustStores = append(statement.TrustStores, string(t)+":"+storeName)
		}
	}
	for _, id := range c.Identities {
		statement.TrustedIdentities = append(statement.TrustedIdentities, id.String())
	}
	for what, action := range c.Override {
		statement.SignatureVerification.Override[trustpolicy.ValidationType(what)] = trustpolicy.ValidationAction(action)
	}
	if c.Revocation == Skip {
		statement.SignatureVerification.Override[trustpolicy.TypeRevocation] = trustpolicy.ActionSkip
	}
	if c.Timestamp == AfterExpiry {
		statement.SignatureVerification.VerifyTimestamp = trustpolicy.OptionAfterCertExpiry
	}
	p.policy = &trustpolicy.Document{Version: "1.0", TrustPolicies: []trustpolicy.TrustPolicy{statement}}
	if err := p.policy.Validate(); err != nil {
		return nil, fmt.Errorf("trust policy: %w", err)
	}
	return p, nil
}

// prove returns what s proves about img, which has been described, or a *refusal.
// With a refusal it returns whom it found, where that is proven.
func (p *prover) prove(ctx context.Context, s signature, img image.Pinned) (f facts, err error) {
	// Whatever goes wrong inside is the signature's fault.
	panicked := hostile.Safely(func() error {
		f, err = p.check(ctx, s, img)
		return nil
	})
	if panicked != nil {
		return facts{}, refuse(verify.BadSignature, "%w", panicked)
	}
	return f, err
}

func (p *prover) check(ctx context.Context, s signature, img image.Pinned) (facts, error) {
	f, err := read(s, img)
	if err != nil {
		return f, err
	}
	f.anchor = p.stores.anchor(f.scheme, f.chain)
	return p.hold(ctx, s, img, f)
}

// read returns what s says, where it is whole and about img. Who made it is
// another question, and so is whether it is still valid.
func read(s signature, img image.Pinned) (facts, error) {
	if s.err != nil {
		return facts{}, &refusal{reason: s.reason, err: s.err, lacks: s.lacks}
	}
	if err := peek(s.mediaType, s.envelope); err != nil {
		return facts{}, err
	}
	envelope, err := coresig.ParseEnvelope(s.mediaType, s.envelope)
	if err != nil {
		return facts{}, refuse(verify.BadSignature, "read the envelope: %w", short(err))
	}
	content, err := envelope.Verify()
	if err != nil {
		return facts{}, refuse(verify.BadSignature, "the envelope does not hold: %w", short(err))
	}
	info := content.SignerInfo
	f := facts{
		scheme: info.SignedAttributes.SigningScheme, chain: info.CertificateChain,
		expiry: info.SignedAttributes.Expiry, claimed: info.SignedAttributes.SigningTime,
		raw: info.Signature, token: info.UnsignedAttributes.TimestampSignature,
	}
	if err := unknown(content); err != nil {
		return facts{}, err
	}
	if f.payload, err = readPayload(content); err != nil {
		return facts{}, err
	}
	if err := f.about(img); err != nil {
		return facts{}, err
	}
	if f.scheme == coresig.SigningSchemeX509 && len(f.token) > 0 {
		if _, err := parseToken(f.token); err != nil {
			return facts{}, err
		}
	}
	return f, nil
}

// hold has notation-go verify s, of which f was read, and says what came of it.
func (p *prover) hold(ctx context.Context, s signature, img image.Pinned, f facts) (facts, error) {
	signing := &witness{prover: p, purpose: purpose.CodeSigning}
	stamping := &witness{prover: p, purpose: purpose.Timestamping}
	v, err := verifier.NewWithOptions(p.policy, p.stores, nil, verifier.VerifierOptions{
		RevocationCodeSigningValidator: signing, RevocationTimestampingValidator: stamping,
	})
	if err != nil {
		return facts{}, refuse(verify.Undecided, "%w", err)
	}
	now := time.Now()
	about := ocispec.Descriptor{MediaType: img.MediaType(), Digest: f.artifact.Digest, Size: img.Size()}
	// The reference is looked up among the scopes, of which "*" is the only one.
	outcome, err := v.Verify(ctx, about, s.envelope, notation.VerifierVerifyOptions{
		ArtifactReference: "registry.invalid/image@" + img.Digest(), SignatureMediaType: s.mediaType,
	})
	if ctx.Err() != nil { // it ended in the middle of a question
		return facts{}, refuse(verify.Undecided, "%w", context.Cause(ctx))
	}
	if outcome == nil {
		return facts{}, refuse(verify.BadSignature, "it was not verified: %w", short(err))
	}
	j := judge{prover: p, facts: f, now: now, signing: signing, stamping: stamping}
	for _, r := range outcome.VerificationResults {
		if r != nil && r.Error != nil {
			j.failed = append(j.failed, j.diagnose(ctx, r.Type, r.Error))
			if r.Type == trustpolicy.TypeAuthenticity && r.Action == trustpolicy.ActionLog {
				j.failed = append(j.failed, j.stranger()...)
			}
		}
	}
	return j.conclude(ctx, outcome, err)
}

// short bounds what a library says, since it may repeat what strangers wrote.
func short(err error) error {
	if err == nil {
		return errors.New("nothing is said of why")
	}
	return errors.New(hostile.Clip(err.Error()))
}
