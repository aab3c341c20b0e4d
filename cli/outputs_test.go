package cli

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// lenient lets every image through.
type lenient struct{}

func (l lenient) For(image.Use) gate.Terms { return gate.Terms{Require: []verify.Verifier{l}} }

func (lenient) Resolve(_ context.Context, r image.Ref) (image.Pinned, error) {
	return r.Pin("sha256:" + strings.Repeat("a", 64))
}

func (lenient) Verify(_ context.Context, img image.Pinned) verify.Verdict {
	return verify.Pass(img, verify.Evidence{
		System: "sigstore", Format: "bundle-v0.3", Storage: "referrer", Digest: img.Digest(), Signed: verify.SignedImage, Signer: "a@b.example", Issuer: "https://b.example",
	})
}

// A list of verified images that is too long for an output is not cut: half of
// it would look like all of it.
func TestOutputsPinnedTooLong(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		images int
		lines  int
		says   string
	}{{300, 300, ""}, {600, 0, "output pinned is empty"}} {
		var uses []image.Use
		for i := range tc.images {
			text := fmt.Sprintf("registry.example/%s%d:v1", strings.Repeat("x", 230), i)
			ref, err := image.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			uses = append(uses, image.Use{Text: text, Ref: ref})
		}
		r := gate.Check(t.Context(), uses, lenient{}, lenient{}, gate.Options{})
		pairs, leftOut := step{}.outputs(r, "folder", &handovers{})
		got := map[string]string{}
		for _, p := range pairs {
			got[p.Name] = p.Value
		}
		if lines := len(strings.Fields(got["pinned"])); got["passed"] != "true" || lines != tc.lines || len(got["pinned"]) > maxPinnedOutput {
			t.Errorf("%d images: passed=%s, %d lines pinned, want %d", tc.images, got["passed"], lines, tc.lines)
		}
		if said := strings.Join(leftOut, "; "); tc.says == "" && strings.Contains(said, "pinned") || !strings.Contains(said, tc.says) {
			t.Errorf("%d images: %q", tc.images, said)
		}
	}
}
