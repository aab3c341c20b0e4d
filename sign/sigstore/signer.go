// Package sigstore signs container images with Sigstore: keyless or by key, as
// bundles and in the format of cosign 2, with attestations. What it has written
// it reads back and verifies before it says so.
package sigstore

import (
	"context"
	"errors"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/sign"
	vsig "github.com/boltseal/boltseal/verify/sigstore"
)

// A Store is where signatures are written and read. *registry.Client is one.
type Store interface {
	vsig.Store
}

// Options say who signs, and with which services.
type Options struct {
	Store Store
	// Trust is what signatures are verified against before and after they are
	// written; nil only for a Key with IgnoreLog.
	Trust *vsig.Trust
	// Services are those for bundles and attestations.
	Services Services
	// Legacy are those for signatures in the legacy format, which needs a Rekor v1
	// log; zero where none are made.
	Legacy Services
	Client *Client
	// Key and Token are who signs, one of them.
	Key   *Key
	Token func(context.Context) (Token, error)
	// Repository is where signatures are stored, if not beside each image; zero
	// for that.
	Repository image.Ref
	// IgnoreLog makes a Key's signatures without a log entry. A Token cannot.
	IgnoreLog bool
	Now       func() time.Time
	// Jobs bounds how many manifests are worked on at once; 0 means 16.
	Jobs int
	// Done, if set, is told how many of the Order's images are finished. It is
	// called by one goroutine at a time.
	Done func(done, of int)
}

// A Signer signs for one run.
type Signer struct{ opts Options }

// New returns a Signer. It refuses Options with which nothing could be signed.
func New(o Options) (*Signer, error) {
	return nil, errors.New("nothing can be signed yet")
}

// Sign does what is ordered. What the Result does not record is not signed, or
// was not found to be; each such image is among its Failures.
func (s *Signer) Sign(ctx context.Context, o sign.Order) sign.Result {
	return sign.Result{}
}

// SignBlob returns a bundle that signs content: the content itself, or, where
// inToto says so, the in-toto statement that it is.
func (s *Signer) SignBlob(ctx context.Context, content []byte, inToto bool) (bundle []byte, err error) {
	return nil, errors.New("nothing can be signed yet")
}
