// Package dct verifies images by Docker Content Trust: the metadata of a Notary
// (v1) server, which bind tags to digests by the rules of The Update Framework.
//
// Each collection of trust data goes three steps, once for all images of it. Its
// root is compared with what is pinned, before anything is believed. Notary's own
// client then loads the rest, through a store that bounds and checks what the
// server says before the client reads it. What was loaded is judged by docker's
// rule, which image a tag means, and by who has to have signed.
//
// The server is hostile, though it holds the keys of timestamp and mostly of
// snapshot: it can show what was signed before, as long as that has not expired, or
// nothing of a delegation, and what nobody has signed does not count. The folder of the cache is hostile, too:
// it can refuse and be deleted, and nothing passes by it.
package dct

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/theupdateframework/notary/tuf"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// System is the name of this system in evidence and reports. The claims of its
// evidence are
//
//   - "gun", "tag" and "server": where it was found,
//   - "key-ids": of the role that signed, as docker trust inspect prints them,
//   - "pin": what spoke for the root, such as [PinKeyID],
//   - "timestamp": when the server's timestamp expires (RFC 3339),
//   - "expires": when the first of all other roles that were relied on does (RFC
//     3339), a space, and its name,
//   - "rollback": "checked since version N" of the timestamp, or "not checked: " and
//     why,
//   - "cache": the name of the file of the cache that is of another root, if it is,
//   - "releases": [NothingSigned], where targets decide although they delegate that,
//   - "ignored": delegations that do not count with the Reason of each, if any.
const System = "dct"

// NothingSigned is the claim "releases" of evidence by targets, where
// targets/releases is delegated and the snapshot announces no file of it: nobody
// has signed into it yet, or who has the key of the snapshot has left it out.
const NothingSigned = "delegated, nothing signed"

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
}

// GUN returns the name of the collection that has the trust data of ref, such as
// docker.io/library/alpine.
func GUN(ref image.Ref) string { return ref.Name() }

// A Target is a tag with the digest that a role has signed for it. Which of several
// roles decides says [Collection.Released].
type Target struct {
	Tag    string // whatever the role calls one: text of a stranger
	Digest string // sha256:<hex>, "" where the role has signed no SHA-256
	Size   int64  // of the manifest, in bytes
	Role   string // "targets", "targets/releases", "targets/alice"
}

// A Role is who may sign, and until when what they have signed counts.
type Role struct {
	Name      string
	KeyIDs    []string // as docker trust inspect prints them: of root those of its certificates
	Threshold int      // how many of the keys have to sign
	Version   int      // of its file; 0 for a delegation that has signed nothing yet
	Expires   time.Time
	Err       error // why what it signed does not count, with a [Reason]; nil if it does
}

// A Collection is what the trust data of one repository say, once they have been
// found to be sound.
type Collection struct {
	GUN     string
	Server  string   // its address
	Pin     string   // what spoke for its root, such as PinKeyID
	Targets []Target // of roles that count, by tag, then role
	Roles   []Role   // root, targets, snapshot, timestamp, delegations by name
}

// A Session makes Verifiers that share what they find in one run. It may be used
// by several goroutines.
type Session struct {
	store Store
	cache string

	mu      sync.Mutex
	updates map[question]*update
}

// NewSession returns a Session that reads trust data from store, and remembers
// in the folder cache what it has seen, if that is not "".
func NewSession(store Store, cache string) *Session {
	return &Session{store: store, cache: cache, updates: map[question]*update{}}
}

// Require returns the Verifier of c. It refuses a Config that could be satisfied
// by nobody or by anybody.
func (s *Session) Require(c Config) (verify.Verifier, error) {
	if err := c.sound(); err != nil {
		return nil, err
	}
	return &requirement{Config: c, session: s}, nil
}

// Collection returns the trust data of the repository of ref, by the roots of c.
// Nothing says that its tags count: see [Collection.Released]. The error tells its
// [Reason].
func (s *Session) Collection(ctx context.Context, c Config, ref image.Ref) (*Collection, error) {
	if err := c.sound(); err != nil {
		return nil, err
	}
	l, err := s.loadFor(ctx, c, ref, s.cache)
	if err != nil {
		return nil, err
	}
	out := l.Collection
	out.Targets, out.Roles = slices.Clone(out.Targets), slices.Clone(out.Roles)
	return &out, nil
}

// Repo returns what the client has of the repository of ref, by the roots of c,
// and what it has of delegations that do not count. It is shared, and only to be
// read. The error tells its [Reason].
func (s *Session) Repo(ctx context.Context, c Config, ref image.Ref) (repo, invalid *tuf.Repo, err error) {
	if err := c.sound(); err != nil {
		return nil, nil, err
	}
	l, err := s.loadFor(ctx, c, ref, s.cache)
	if err != nil {
		return nil, nil, err
	}
	return l.repo, l.invalid, nil
}

// loadFor loads the collection of ref, with the folder dir for a cache.
func (s *Session) loadFor(ctx context.Context, c Config, ref image.Ref, dir string) (*loaded, error) {
	server, err := c.ServerOf(ref)
	if err != nil {
		return nil, err
	}
	return s.load(ctx, c, server, GUN(ref), dir)
}

// DefaultServer returns the address of the server that docker asks for the trust
// data of ref: https://notary.docker.io for images of Docker Hub, else the host of
// the registry.
func DefaultServer(ref image.Ref) string {
	return defaultServer(ref.Registry())
}

func defaultServer(registry string) string {
	if registry == "docker.io" {
		return "https://notary.docker.io"
	}
	return "https://" + registry
}

// ServerOf returns the server that has the trust data of ref by c. The error tells
// its [Reason].
func (c Config) ServerOf(ref image.Ref) (registry.TrustServer, error) {
	if !c.Server.IsZero() {
		return c.Server, nil
	}
	server, err := registry.ParseTrustServer(DefaultServer(ref), c.ServerCA...)
	if err != nil {
		return server, &refusal{reason: verify.Unsupported, err: &verify.Error{
			Op: "find the server that has the trust data of " + ref.Name(), Err: err, Hint: "name it with " + c.called("server"),
		}}
	}
	return server, nil
}

// String returns the requirement in words.
func (c Config) String() string {
	required := "Docker Content Trust"
	switch {
	case len(c.Signers) > 0:
		var names []string
		for _, s := range c.Signers {
			names = append(names, "targets/"+s)
		}
		required += " signature by " + strings.Join(names, " and ")
	default:
		required += " signature"
	}
	if c.TOFU {
		return required + ", whoever the root is"
	}
	return required + ", of a root that is " + c.expected()
}

// pins tells the pins of c from all others.
func (c Config) pins() string {
	h := sha256.New()
	add := func(kind string, parts ...[]byte) {
		for _, p := range parts {
			h.Write(append(fmt.Appendf(nil, "%s %d ", kind, len(p)), p...))
		}
	}
	for _, id := range c.RootKeyIDs {
		add("id", []byte(id))
	}
	add("key", c.RootKeys...)
	for _, cert := range c.RootCA {
		add("ca", cert.Raw)
	}
	return fmt.Sprintf("%x %v", h.Sum(nil), c.TOFU)
}

// sound checks what c is made of.
func (c Config) sound() error {
	pinned := len(c.RootKeyIDs) + len(c.RootKeys) + len(c.RootCA)
	switch {
	case c.TOFU && pinned > 0:
		return errors.New("trust on first use believes what roots are there to tell apart")
	case !c.TOFU && pinned == 0:
		return errors.New("no root: say whose collections count")
	case pinned > maxPins || len(c.Signers) > maxSigners:
		return fmt.Errorf("more than %d roots or %d signers", maxPins, maxSigners)
	}
	for _, id := range c.RootKeyIDs {
		if got, err := ParseRootKeyID(id); err != nil || got != id {
			return fmt.Errorf("%s is no key ID", hostile.Quoted(id))
		}
	}
	for _, key := range c.RootKeys {
		if _, err := x509.ParsePKIXPublicKey(key); err != nil {
			return fmt.Errorf("a root key that is none: %w", err)
		}
	}
	for _, cert := range c.RootCA {
		if cert == nil || !cert.BasicConstraintsValid || !cert.IsCA {
			return errors.New("an authority of roots that is none")
		}
	}
	seen := map[string]bool{}
	for _, s := range c.Signers {
		if got, err := ParseSigner(s); err != nil || got != s || seen[s] {
			return fmt.Errorf("%s is no signer, or stands twice", hostile.Quoted(s))
		}
		seen[s] = true
	}
	return nil
}
