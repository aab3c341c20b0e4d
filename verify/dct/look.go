package dct

import (
	"context"
	"errors"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// Look returns what the trust data of img's repository say of it, whoever signed.
// It decides nothing. The server is asked without a pin; whoever could show other
// trust data could show what they like.
func (s *Session) Look(ctx context.Context, c Config, img image.Pinned) ([]verify.Candidate, error) {
	c = Config{Server: c.Server, ServerCA: c.ServerCA, TOFU: true}
	l, err := s.loadFor(ctx, c, img.Ref(), "") // what nobody vouches for is not remembered
	switch {
	case Reason(err) == verify.Unsigned:
		return nil, nil
	case err != nil:
		return nil, err
	}
	all := l.candidates(c, img, img.Ref().Tag())
	for i := range all {
		if all[i].Reason == verify.Verified {
			all[i].Reason, all[i].Err = verify.WrongSigner, errors.New("nobody is expected to sign it")
		}
	}
	return all, nil
}
