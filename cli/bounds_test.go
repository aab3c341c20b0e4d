package cli_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// raced is what race_test.go says, for the tests of this package.
const raced = cli.Raced

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
		w.verify(repo+":v1").want(t, 1, "unsupported")
		if n := len(w.reg.Requests()); n > 4+256 {
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
		w.verify(repo+":v1").want(t, 1, "unsupported")
		if n := len(w.reg.Requests()); n > 3+20+256 {
			t.Errorf("%d requests", n)
		}
	})
	t.Run("one large blob in many layers", func(t *testing.T) {
		t.Parallel()
		if raced {
			t.Skip("much data: looked at without the race detector")
		}
		w := newWorld(t, registrytest.Options{})
		d := w.image(repo)
		layer := registrytest.Layer{MediaType: registrytest.BundleV03, Blob: bytes.Repeat([]byte(" "), 1<<20)}
		w.must(w.reg.PutReferrer(repo, d, registrytest.BundleV03, slices.Repeat([]registrytest.Layer{layer}, 200)...))
		w.verify(repo+":v1").want(t, 1, "unsupported")
		if n := len(w.reg.Requests()); n != 5 {
			t.Errorf("%d requests", n)
		}
	})
	t.Run("referrers beyond count", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, registrytest.Options{})
		d := w.image(repo)
		for i := range 260 {
			w.must(w.reg.PutReferrer(repo, d, "application/spdx+json", registrytest.Layer{MediaType: "text/plain", Blob: fmt.Appendf(nil, "%d", i)}))
		}
		w.verify(repo+":v1").want(t, 1, "unsupported")
	})
	t.Run("layers that cannot be read", func(t *testing.T) {
		t.Parallel()
		for _, change := range []func(*ocispec.Descriptor){
			func(d *ocispec.Descriptor) { d.Size = 40 << 20 },
			func(d *ocispec.Descriptor) { d.Size = -1 },
			func(d *ocispec.Descriptor) { d.Digest = digest.SHA512.FromString("x") },
		} {
			w := newWorld(t, registrytest.Options{})
			d := w.image(repo)
			l := registrytest.Describe(registrytest.SimpleSigning, []byte("x"))
			change(&l)
			w.must(w.reg.PutJSON(repo, strings.Replace(d.Digest.String(), ":", "-", 1)+".sig", ocispec.MediaTypeImageManifest, ocispec.Manifest{
				MediaType: ocispec.MediaTypeImageManifest, Config: registrytest.Describe(ocispec.MediaTypeImageConfig, nil), Layers: []ocispec.Descriptor{l},
			}))
			w.verify(repo+":v1").want(t, 1, "bad-signature")
		}
	})
	t.Run("an index of very many platforms", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, registrytest.Options{})
		child := w.child("amd64", "")
		w.must(w.reg.PutIndex(repo, "v1", slices.Repeat([]ocispec.Descriptor{child}, 100)...))
		w.verify(repo+":v1", "--platform", "linux/amd64").want(t, 1, "unsupported")
		if n := len(w.reg.Requests()); n > 8 {
			t.Errorf("%d requests", n)
		}
		w.must(w.reg.PutIndex(repo, "v1", slices.Repeat([]ocispec.Descriptor{child}, 1025)...))
		w.verify(repo+":v1", "--platform", "linux/amd64").want(t, 1, "unsupported")
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
