package cli

import (
	"strings"
	"testing"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
)

// An image whose name may be a stage's has no build context, and then there are
// none at all: half of them would look like all of them. That is said. Where
// there is no list, buildx refuses what the output has, so that no build goes
// back to tags; in warn mode it is empty.
func TestOutputsContexts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ images, want, says string }{
		{"alpine:3 registry.example/app:v1", "alpine:3=docker-image://docker.io/library/alpine:3@DIGEST\nregistry.example/app:v1=docker-image://registry.example/app:v1@DIGEST", ""},
		{"alpine:3 node", closedContexts, "output build-contexts has no list: docker.io/library/node:latest: "},
		{"", closedContexts, ""},
	} {
		var uses []image.Use
		for text := range strings.FieldsSeq(tc.images) {
			ref, err := image.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			uses = append(uses, image.Use{Text: text, Ref: ref})
		}
		r := gate.Check(t.Context(), uses, lenient{}, lenient{}, gate.Options{})
		got, why := step{}.contexts(r, &handovers{})
		if want := strings.ReplaceAll(tc.want, "DIGEST", "sha256:"+strings.Repeat("a", 64)); got != want || !strings.HasPrefix(why, tc.says) || (why == "") != (tc.says == "") {
			t.Errorf("%s: %q, %q", tc.images, got, why)
		}
		if got, _ := (step{}).contexts(r, &handovers{binding: binding{lenient: true}}); tc.want == closedContexts && got != "" {
			t.Errorf("%s: %q in warn mode", tc.images, got)
		}
	}
}
