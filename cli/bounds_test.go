package cli_test

import (
	"fmt"
	"testing"

	"github.com/boltseal/boltseal/internal/registrytest"
)

// Who may push to a repository may add any number of signatures to an image.
// That costs the gate a bounded number of requests, and never comes out as
// unsigned or as a pass.
func TestFloodOfSignatures(t *testing.T) {
	t.Parallel()
	t.Run("layers", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, registrytest.Options{})
		d := w.image(repo)
		var layers []registrytest.Layer
		for i := range 300 {
			layers = append(layers, registrytest.Layer{MediaType: registrytest.SimpleSigning, Blob: fmt.Appendf(nil, "%d", i)})
		}
		w.must(w.reg.PutTagged(repo, d.Digest.String(), ".sig", layers...))
		w.verify(repo+":v1").want(t, 3, "unavailable")
		if n := len(w.reg.Requests()); n > 4 {
			t.Errorf("%d requests", n)
		}
	})
	t.Run("referrers with layers", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, registrytest.Options{})
		d := w.image(repo)
		for i := range 20 {
			var layers []registrytest.Layer
			for j := range 20 {
				layers = append(layers, registrytest.Layer{MediaType: registrytest.BundleV03, Blob: fmt.Appendf(nil, "%d %d", i, j)})
			}
			w.must(w.reg.PutReferrer(repo, d, registrytest.BundleV03, layers...))
		}
		w.verify(repo+":v1").want(t, 3, "unavailable")
		if n := len(w.reg.Requests()); n > 3+20+256 {
			t.Errorf("%d requests", n)
		}
	})
	t.Run("the good one beside them still counts", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, registrytest.Options{})
		d := w.image(repo)
		w.signLegacy(repo, d, by())
		for i := range 260 {
			w.must(w.reg.PutReferrer(repo, d, "application/spdx+json", registrytest.Layer{MediaType: "text/plain", Blob: fmt.Appendf(nil, "%d", i)}))
		}
		w.verify(repo+":v1").want(t, 0, "verified")
	})
}
