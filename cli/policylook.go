package cli

import (
	"context"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// look returns a verdict that never passes, with every signature of the image.
func (s seeker) look(ctx context.Context, img image.Pinned) verify.Verdict {
	m, err := sigstore.Pattern("nobody")
	if err != nil {
		return verify.Fail(img, verify.Undecided, err)
	}
	id, err := sigstore.NewIdentity(m, m, nil)
	if err != nil {
		return verify.Fail(img, verify.Undecided, err)
	}
	v, err := s.session.Require(sigstore.Config{Trust: s.trust, Identities: []sigstore.Identity{id}, Platforms: s.platforms})
	if err != nil {
		return verify.Fail(img, verify.Undecided, err)
	}
	verdict := v.Verify(ctx, img)
	all := verdict.Candidates()
	for i := range all {
		if all[i].Reason == verify.WrongSigner && all[i].Signer != "" {
			all[i].Reason, all[i].Err = verify.Verified, nil
		}
	}
	return verdict.With(all)
}
