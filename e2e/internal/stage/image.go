package stage

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/registrytest"
)

// Files are the files of an image, by their path without the first slash. All
// of them may be run.
type Files map[string]string

// PushFiles pushes an image of one layer with files for a platform such as
// "linux/amd64" as repo:tag; where tag is "", it has none. The keys of config
// are those of Docker's.
func PushFiles(reg *registrytest.Registry, repo, tag, platform string, files Files, config map[string]any) (ocispec.Descriptor, error) {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(files[name]))}); err != nil {
			return ocispec.Descriptor{}, err
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			return ocispec.Descriptor{}, err
		}
	}
	if err := w.Close(); err != nil {
		return ocispec.Descriptor{}, err
	}
	blob, err := reg.PutBlob(repo, ocispec.MediaTypeImageLayer, layer.Bytes())
	if err != nil {
		return blob, err
	}
	goos, arch, _ := strings.Cut(platform, "/")
	p := ocispec.Platform{OS: goos, Architecture: arch}
	text, err := json.Marshal(map[string]any{
		"os": goos, "architecture": arch, "config": config,
		"rootfs": ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{blob.Digest}},
	})
	if err != nil {
		return blob, err
	}
	image, err := reg.PutBlob(repo, ocispec.MediaTypeImageConfig, text)
	if err != nil {
		return image, err
	}
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: image, Layers: []ocispec.Descriptor{blob}}
	m.SchemaVersion = 2
	d, err := reg.PutJSON(repo, tag, ocispec.MediaTypeImageManifest, m)
	d.Platform = &p
	return d, err
}
