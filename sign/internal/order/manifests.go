package order

import (
	"context"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

const (
	// maxManifests bounds the manifests that are signed for one image. Real
	// indexes list a few dozen.
	maxManifests = 256
	// maxDepth bounds how deep indexes may list indexes.
	maxDepth = 4
)

// Docker's own media types; those of OCI come with ocispec.
const (
	// DockerManifest is that of an image manifest.
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
)

func isIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == dockerIndex
}

// A Manifest is one that is to be signed.
type Manifest struct {
	Image   image.Pinned
	Subject ocispec.Descriptor // media type, digest and size, as its signatures refer to it

	platform string
	listed   bool // by an index of the Order
}

// manifests returns what is to be signed of img: itself, and where the Order
// says so all that it lists, each once. They are read, by digest, so that nothing
// is signed that is not there.
func (r *Run) manifests(ctx context.Context, img image.Pinned) ([]Manifest, error) {
	level := []Manifest{{Image: img}}
	seen := map[string]bool{img.Digest(): true}
	var all []Manifest
	for depth := 0; len(level) > 0; depth++ {
		if depth == maxDepth {
			return nil, &verify.Error{Op: "read index " + img.String(), Err: Refused(verify.Unsupported, "indexes are nested deeper than %d", maxDepth), Hint: "sign without --recursive, or sign the inner indexes by themselves"}
		}
		if len(all)+len(level) > maxManifests {
			return nil, &verify.Error{Op: "read index " + img.String(), Err: Refused(verify.Unsupported, "it lists more than %d manifests", maxManifests), Hint: "sign without --recursive"}
		}
		lists, err := r.readLevel(ctx, level)
		if err != nil {
			return nil, err
		}
		all = append(all, level...)
		var next []Manifest
		for i, m := range level {
			for _, c := range lists[i] {
				if seen[c.Digest] {
					continue
				}
				seen[c.Digest] = true
				at, err := m.Image.At(c.Digest)
				if err != nil {
					return nil, err
				}
				next = append(next, Manifest{Image: at, platform: c.Platform, listed: true})
			}
		}
		level = next
	}
	return all, nil
}

// readLevel reads each manifest of a level, and returns what each lists.
func (r *Run) readLevel(ctx context.Context, level []Manifest) ([][]image.Child, error) {
	lists := make([][]image.Child, len(level))
	errs := make([]error, len(level))
	var wg sync.WaitGroup
	for i := range level {
		wg.Go(func() {
			errs[i] = r.Slot(ctx, func() (err error) {
				lists[i], err = r.read(ctx, &level[i])
				return err
			})
		})
	}
	wg.Wait()
	for _, err := range errs { // one is enough to say: most often they are all alike
		if err != nil {
			return nil, err
		}
	}
	return lists, nil
}

// read reads m, says what its signatures refer to, and returns what it lists if
// that is to be signed too.
func (r *Run) read(ctx context.Context, m *Manifest) ([]image.Child, error) {
	what := m.Image.String()
	if !image.ValidDigest(m.Image.Digest()) {
		return nil, Refused(verify.Unsupported, "there is no digest to sign")
	}
	doc, err := r.Store.Manifest(ctx, m.Image.Ref(), m.Image.Digest())
	if err != nil {
		return nil, registry.Explain("read manifest of "+what, m.Image.Ref().Registry(), err)
	}
	switch doc.MediaType {
	case ocispec.MediaTypeImageIndex, ocispec.MediaTypeImageManifest, dockerIndex, DockerManifest:
	default:
		return nil, &verify.Error{
			Op: "read manifest of " + what, Err: Refused(verify.Unsupported, "its media type is %.100q, which is neither an image nor an index", doc.MediaType),
			Hint: "push it as an OCI or Docker schema 2 image",
		}
	}
	if doc.Digest != m.Image.Digest() { // the Store has checked it; everything hangs on it
		return nil, Refused(verify.BadSignature, "the registry has %.100q in the place of %s", doc.Digest, what)
	}
	m.Subject = ocispec.Descriptor{MediaType: doc.MediaType, Digest: digest.Digest(doc.Digest), Size: int64(len(doc.Body))}
	if !r.Order.Recursive || !isIndex(doc.MediaType) {
		return nil, nil
	}
	described, err := r.Store.Describe(ctx, m.Image)
	if err != nil {
		return nil, err
	}
	return described.Children(), nil
}
