// Package notation signs container images as the Notary Project (Notation) does:
// with a key and its certificate chain, or a plugin that keeps them, as JWS or
// COSE envelopes that refer to the image.
//
// A run asks first what is there already, shows that it may push before anything
// is signed, checks what it has made before it is pushed, and records only what it
// has read back from the registry and verified.
package notation

import (
	"context"
	"crypto/x509"
	"errors"
	"net/url"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/sign"
	vnot "github.com/boltseal/boltseal/verify/notation"
)

// A Store is where signatures are written and read. *registry.Client is one.
type Store interface {
	vnot.Store
	CheckPush(ctx context.Context, repo image.Ref) error
	CheckAttach(ctx context.Context, repo image.Ref, subject string, n int) error
	Attach(ctx context.Context, repo image.Ref, subject ocispec.Descriptor, a registry.Attachment) (digest, storage string, err error)
}

var _ Store = (*registry.Client)(nil)

// A TSA is a timestamp authority (RFC 3161).
type TSA struct {
	URL string // http or https: what it answers is signed
	// Roots are its root certificates, at least one: what it answers counts only
	// if it ends in one of them.
	Roots     []*x509.Certificate
	Proxy     func(*url.URL) (*url.URL, error) // which proxy to use for an address; nil: none
	UserAgent string
}

// Options say who signs, and how.
type Options struct {
	Store Store
	Key   *Key
	// Expiry is how long a signature is valid, in whole seconds; 0 is for as long
	// as its certificate is, or its timestamp shows that it was.
	Expiry time.Duration
	// TSA countersigns each signature; nil for none.
	TSA *TSA
	// Repository is where signatures are stored, if not beside each image; zero
	// for that.
	Repository image.Ref
	// Asker asks whether certificates were revoked: with one that is, nothing is
	// signed. What it is not told does not keep from signing. nil asks nobody.
	Asker *vnot.Asker
	Now   func() time.Time
	// Sleep waits before a second look; nil means until d has passed or ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
	// Jobs bounds how many manifests are worked on at once; 0 means 16.
	Jobs int
	// Done, if set, is told how many of the Order's images are finished. It is
	// called by one goroutine at a time.
	Done func(done, of int)
}

// A Signer signs as its Options say.
type Signer struct{ opts Options }

// New returns a Signer. It refuses Options that could sign nothing, or what
// nobody would accept.
func New(o Options) (*Signer, error) {
	return nil, errors.New("signing with Notation is not there yet")
}

// Sign does what is ordered: a signature of each manifest in each of the Formats
// JWS and COSE that the Order has, with its Annotations as user metadata.
// Attestations are refused.
func (s *Signer) Sign(ctx context.Context, o sign.Order) sign.Result { return sign.Result{} }
