package notation

import (
	"context"
	"errors"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// Look returns every signature of img, whoever made it. It decides nothing, and
// asks no server whether a certificate was revoked.
//
// Nobody is expected, so that a sound one has the Reason WrongSigner, with its
// signer and the line that would accept it. No signatures and no error mean that
// there are none. [registry.Reason] of an error is why there was no answer.
func (s *Session) Look(ctx context.Context, img image.Pinned) ([]verify.Candidate, error) {
	return nil, errors.New("verification of Notation signatures is not there yet")
}
