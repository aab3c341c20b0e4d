package notation

import (
	"context"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/manifests"
)

// platforms checks the platform manifests of an index that carries no signature
// itself, each with its own. index is what was found about the index.
func (r *requirement) platforms(ctx context.Context, img image.Pinned, index manifests.Outcome) verify.Verdict {
	wanted, err := manifests.Choose(img, r.Platforms)
	if err != nil {
		return verify.Fail(img, manifests.Unchosen(err), err).With(index.Candidates)
	}
	return manifests.Each(img, wanted, 1, index.Candidates, func(c image.Child) manifests.Outcome {
		child, err := img.At(c.Digest)
		if err != nil {
			return manifests.Outcome{Reason: verify.BadSignature, Err: err}
		}
		_, o := r.manifest(ctx, child, verify.SignedPlatform, c.Platform)
		return o
	})
}
