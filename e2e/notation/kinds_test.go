package notation_test

import (
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Docker's media types.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// What is signed is a descriptor with its media type, and there are more than
// that of an OCI manifest: both sign, and verify, all of them.
func TestKindsOfManifests(t *testing.T) {
	t.Parallel()
	for _, kind := range registries {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t, kind.options)
			key, certificate, _ := w.testKey()
			sign := func(args ...string) outcome {
				return w.boltseal(append([]string{"sign", "--system", "notation", "--key", key, "--certificate-chain", certificate}, args...)...)
			}
			for name, put := range map[string]func(repo string) (ocispec.Descriptor, error){
				"index":           w.putIndex,
				"docker manifest": w.putDocker,
				"docker list": func(repo string) (ocispec.Descriptor, error) {
					d, err := w.putDocker(repo)
					if err != nil {
						return d, err
					}
					return w.reg.PutJSON(repo, "v1", dockerList, ocispec.Index{Versioned: versioned(), MediaType: dockerList, Manifests: []ocispec.Descriptor{d}})
				},
			} {
				for _, by := range []string{"notation", "boltseal"} {
					repo := "team/" + by
					d, err := put(repo)
					check(t, err)
					i := image{repo, "v1", d, w.reg.Host()}
					if by == "notation" {
						must(t, w.notation("sign", i.pinned()))
					} else {
						must(t, sign(i.pinned()))
					}
					must(t, w.notation("verify", i.pinned()))
					if v := w.verify(i.pinned(), w.byPolicy()...); !v.Passed {
						t.Errorf("%s, signed by %s: %s", name, by, v)
					}
				}
			}

			// Each manifest that an index lists is signed, and is found by both.
			d, err := w.putIndex("team/recursive")
			check(t, err)
			index := image{"team/recursive", "v1", d, w.reg.Host()}
			must(t, sign("--recursive", index.pinned()))
			for _, child := range w.children(index) {
				must(t, w.notation("verify", child.pinned()))
				if v := w.verify(child.pinned(), w.byPolicy()...); !v.Passed {
					t.Error(v)
				}
			}
		})
	}
}

// putIndex pushes an index of two images as repo:v1.
func (w *workplace) putIndex(repo string) (ocispec.Descriptor, error) {
	var children []ocispec.Descriptor
	for _, arch := range []string{"amd64", "arm64"} {
		d, err := w.reg.PutImage(repo, "", repo+arch)
		if err != nil {
			return d, err
		}
		d.Platform = &ocispec.Platform{OS: "linux", Architecture: arch}
		children = append(children, d)
	}
	return w.reg.PutIndex(repo, "v1", children...)
}

// putDocker pushes an image of Docker's kind as repo:v1.
func (w *workplace) putDocker(repo string) (ocispec.Descriptor, error) {
	config, err := w.reg.PutBlob(repo, dockerConfig, []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`))
	if err != nil {
		return config, err
	}
	d, err := w.reg.PutJSON(repo, "v1", dockerManifest, ocispec.Manifest{
		Versioned: versioned(), MediaType: dockerManifest, Config: config, Layers: []ocispec.Descriptor{},
	})
	d.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}
	return d, err
}
