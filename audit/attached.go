package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/strictjson"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

const (
	// jobs is how many platforms of an image are asked for at a time.
	jobs = 8
	// maxLayers bounds what an attestation manifest lists. BuildKit's have one
	// for the provenance and one for each SBOM.
	maxLayers = 64

	statementType  = "application/vnd.in-toto+json"
	predicateKey   = "in-toto.io/predicate-type"
	provenanceType = "https://slsa.dev/provenance/" // v0.2 and v1 follow
)

// A Registry gives the manifests of images, and their attestations.
// *registry.Client is one.
type Registry interface {
	Resolve(context.Context, image.Ref) (image.Pinned, error)
	Describe(context.Context, image.Pinned) (image.Pinned, error)
	Manifest(ctx context.Context, repo image.Ref, reference string) (registry.Manifest, error)
	Blob(ctx context.Context, repo image.Ref, d ocispec.Descriptor) ([]byte, error)
}

// Attached fetches the provenance that BuildKit attached to an image that was
// pushed: one request for the index, and for each platform one for its
// attestation manifest and one for each provenance in it. It returns a Build for
// each provenance, and one for each platform that has none; there is at least
// one. Nobody has signed it, as far as this looks.
func Attached(ctx context.Context, from Registry, ref image.Ref) []Build {
	b := Build{Source: ref.String()}
	img, err := from.Resolve(ctx, ref)
	if err == nil && img.MediaType() == "" { // by digest nothing was read yet
		img, err = from.Describe(ctx, img)
	}
	if err != nil {
		return []Build{b.with(nil, unanswered(err))}
	}
	b.Source = img.String()
	var platforms []image.Child
	seen := map[string]bool{} // a hostile index could have each asked for many times
	for _, c := range img.Children() {
		if c.Attests == "" && !seen[c.Digest] {
			platforms = append(platforms, c)
			seen[c.Digest] = true
		}
	}
	if len(platforms) == 0 {
		return []Build{b.with(nil, flawed(NoProvenance, "build with provenance (mode=max), and push from the build itself (--push)",
			"the image is no index of BuildKit, so no provenance is attached to it"))}
	}
	found := make([][]Build, len(platforms))
	var group errgroup.Group
	group.SetLimit(jobs)
	left := &atomic.Int64{}
	left.Store(MaxBytes)
	for i, c := range platforms {
		group.Go(func() error {
			build := b
			build.Platform = c.Platform
			found[i] = platform(ctx, from, img, c, build, left)
			return nil
		})
	}
	_ = group.Wait() // failures are findings
	builds := slices.Concat(found...)
	if parts(builds) > maxAll {
		return []Build{b.with(nil, flawed(Malformed, again, "what is attached: %w", tooMany()))}
	}
	return builds
}

// unanswered is why a registry gave no provenance.
func unanswered(err error) error {
	e := &verify.Error{Op: "read provenance", Err: err, Hint: verify.Hint(err)}
	return &flaw{Reason(registry.Reason(err)), e}
}

// platform returns a Build for each provenance of one platform. It takes their
// bytes of left, and asks for no more when nothing is left.
func platform(ctx context.Context, from Registry, img image.Pinned, c image.Child, b Build, left *atomic.Int64) []Build {
	var builds []Build
	seen := map[string]bool{}
	for _, a := range img.Children() {
		if a.Attests != c.Digest || seen[a.Digest] {
			continue
		}
		seen[a.Digest] = true
		layers, err := attestation(ctx, from, img, a)
		if err != nil {
			return []Build{b.with(nil, err)}
		}
		for _, layer := range layers {
			if layer.Size < 0 || left.Add(-layer.Size) < 0 {
				return []Build{b.with(nil, flawed(Malformed, again, "the provenance attached to the image has more than %d bytes, and no more are read", MaxBytes))}
			}
			body, err := from.Blob(ctx, img.Ref(), layer)
			if err != nil {
				err = registry.Explain("fetch the provenance of "+img.String(), img.Ref().Registry(), err)
				return []Build{b.with(nil, unanswered(err))}
			}
			builds = append(builds, b.with(readStatement(body, layer.Annotations[predicateKey], c.Digest)))
		}
	}
	if len(builds) == 0 {
		builds = []Build{b.with(nil, flawed(NoProvenance, "build every platform with provenance (mode=max)", "no provenance is attached to the platform manifest %s", c.Digest))}
	}
	return builds
}

// attestation returns the layers of an attestation manifest that are called
// provenance.
func attestation(ctx context.Context, from Registry, img image.Pinned, a image.Child) ([]ocispec.Descriptor, error) {
	m, err := from.Manifest(ctx, img.Ref(), a.Digest)
	if err != nil {
		return nil, unanswered(registry.Explain("fetch the attestation manifest of "+img.String(), img.Ref().Registry(), err))
	}
	bad := func(err error) ([]ocispec.Descriptor, error) {
		return nil, flawed(Malformed, again, "attestation manifest %s: %w", a.Digest, err)
	}
	shape := strictjson.Shape{Names: []string{"mediaType", "layers", "digest", "size", "annotations", "config", "subject", "artifactType", "manifests"}}
	if err := shape.Check(m.Body); err != nil {
		return bad(err)
	}
	var doc ocispec.Manifest
	if err := json.Unmarshal(m.Body, &doc); err != nil {
		return bad(err)
	}
	switch {
	case m.MediaType != ocispec.MediaTypeImageManifest:
		return bad(fmt.Errorf("its media type is %.100q", m.MediaType))
	case len(doc.Layers) > maxLayers:
		return bad(fmt.Errorf("it has %d layers, and at most %d are read", len(doc.Layers), maxLayers))
	case doc.Subject != nil && doc.Subject.Digest.String() != a.Attests:
		return bad(fmt.Errorf("it is about %.100q, and the index says that it is about %s", doc.Subject.Digest, a.Attests))
	}
	var layers []ocispec.Descriptor
	for _, l := range doc.Layers {
		if l.MediaType == statementType && strings.HasPrefix(l.Annotations[predicateKey], provenanceType) {
			layers = append(layers, l)
		}
	}
	return layers, nil
}

// readStatement reads an in-toto statement about the manifest with the given
// digest, whose predicate is to be of the given type.
func readStatement(body []byte, predicateType, digest string) (*Provenance, error) {
	bad := func(err error) (*Provenance, error) {
		return nil, flawed(Malformed, again, "the statement: %w", err)
	}
	if err := names().Check(body); err != nil {
		return bad(err)
	}
	o, err := objectOf(json.RawMessage(body))
	if err != nil {
		return bad(err)
	}
	var kind string
	subjects, err := o.list("subject")
	if err := errors.Join(o.decode("predicateType", &kind), err); err != nil {
		return bad(err)
	}
	if kind != predicateType {
		return bad(fmt.Errorf("its predicate type is %.200q, and the manifest says %.200q", kind, predicateType))
	}
	about := false
	for _, raw := range subjects {
		s, err := objectOf(raw)
		if err != nil {
			return bad(err)
		}
		digests, err := s.at("digest")
		if err != nil {
			return bad(err)
		}
		var hex string
		if err := digests.decode("sha256", &hex); err != nil {
			return bad(err)
		}
		about = about || "sha256:"+hex == digest
	}
	if !about {
		return bad(fmt.Errorf("it is not about %s", digest))
	}
	return readProvenance(o["predicate"])
}
