package notation

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// A Made is one sound signature, with what it says besides: the word of whoever
// signed it.
type Made struct {
	Evidence verify.Evidence
	// Metadata is the user metadata; nil for none.
	Metadata map[string]string
	// Expiry is when the signature expires; zero for never.
	Expiry time.Time
	// Envelope is the envelope as it is stored.
	Envelope []byte
	// Leaf is the signing certificate.
	Leaf *x509.Certificate
}

// Made returns every sound signature of img itself that satisfies c, and what it
// says. It is for those who sign: it decides no gate, and an empty list is no
// verdict. An error says that a question was not answered, so that what is
// returned with it may not be all.
func (s *Session) Made(ctx context.Context, c Config, img image.Pinned) ([]Made, error) {
	return nil, errors.New("verification of Notation signatures is not there yet")
}
