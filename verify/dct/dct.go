// Package dct verifies images by Docker Content Trust: the metadata of a Notary
// (v1) server, which bind tags to digests by the rules of The Update Framework.
package dct

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

// System is the name of this system in evidence and reports.
const System = "dct"

// A Store is where trust data are. *registry.Client is one.
type Store interface {
	TrustData(ctx context.Context, server registry.TrustServer, gun, file string, limit int64) ([]byte, error)
}

// A Config is one requirement.
type Config struct {
	// Server has the trust data; zero is the one that docker would ask for the
	// image.
	Server registry.TrustServer
	// ServerCA are the certificate authorities of the servers that docker would
	// ask, where they are not the system's.
	ServerCA []*x509.Certificate
	// RootKeyIDs are key IDs of root certificates, any of which may vouch for the
	// collection: 64 lower-case hexadecimal digits each, as docker trust inspect
	// prints them under "Root".
	RootKeyIDs []string
	// RootKeys are public keys, one of which a root certificate has to be for
	// (DER, PKIX).
	RootKeys [][]byte
	// RootCA are authorities, one of which a root certificate has to lead to.
	RootCA []*x509.Certificate
	// TOFU trusts whatever the server shows first. It stands alone.
	TOFU bool
	// Signers are delegations ("alice" for targets/alice) all of which must have
	// signed the same digest.
	Signers []string
	// Flags says that the requirement was made by flags, so that hints speak of
	// them; otherwise they speak of the keys of a policy.
	Flags bool

	written written // where a policy says it; zero otherwise
}

// GUN returns the name of the collection that has the trust data of ref, such as
// docker.io/library/alpine.
func GUN(ref image.Ref) string { return ref.Name() }

// A Target is a tag with the digest that a role has signed for it.
type Target struct {
	Tag    string
	Digest string // sha256:<hex>
	Size   int64  // of the manifest, in bytes
	Role   string // "targets", "targets/releases", "targets/alice"
}

// A Role is who may sign, and until when what they have signed counts.
type Role struct {
	Name      string
	KeyIDs    []string // as docker trust inspect prints them
	Threshold int
	Version   int
	Expires   time.Time
	Err       error // why what it signed does not count; nil if it does
}

// A Collection is what the trust data of one repository say, once they have been
// found to be sound.
type Collection struct {
	GUN     string
	Server  string
	Pin     string   // what spoke for its root
	Targets []Target // by tag, then role
	Roles   []Role   // root, targets, snapshot, timestamp, delegations by name
}

// A Session makes Verifiers that share what they find in one run. It may be used
// by several goroutines.
type Session struct {
	store Store
	cache string
}

// NewSession returns a Session that reads trust data from store, and remembers
// in the folder cache what it has seen, if that is not "".
func NewSession(store Store, cache string) *Session { return &Session{store: store, cache: cache} }

// Require returns the Verifier of c. It refuses a Config that could be satisfied
// by nobody or by anybody.
func (s *Session) Require(Config) (verify.Verifier, error) {
	return nil, errors.New("docker content trust is not verified yet")
}

// Collection returns the trust data of the repository of ref, by the roots of c.
// The error tells its [Reason].
func (s *Session) Collection(context.Context, Config, image.Ref) (*Collection, error) {
	return nil, errors.New("docker content trust is not verified yet")
}

// Look returns what the trust data of img's repository say of it, whoever signed.
// It decides nothing. The server is asked without a pin; whoever could show other
// trust data could show what they like.
func (s *Session) Look(context.Context, Config, image.Pinned) ([]verify.Candidate, error) {
	return nil, errors.New("docker content trust is not verified yet")
}

// Reason returns what an error of [Session.Collection] means.
func Reason(error) verify.Reason { return verify.Undecided }
