package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/strictjson"
	"github.com/boltseal/boltseal/verify"
)

// Docker's own media types; those of OCI come with ocispec.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// maxChildren bounds what an index may list. Real ones list a few dozen.
const maxChildren = 1024

// A Manifest is a manifest or an index as the registry served it. Body has
// Digest, and is at most 4 MiB.
type Manifest struct {
	Digest    string
	MediaType string
	Body      []byte
}

// Resolve binds ref to the digest it has now, which is computed from the
// manifest itself rather than taken from a header. A reference that was written
// with a digest is not asked about: the digest is known, and whether the image
// exists shows when its signatures are read.
func (c *Client) Resolve(ctx context.Context, ref image.Ref) (image.Pinned, error) {
	return resolve(ctx, c, ref)
}

func resolve(ctx context.Context, from Asker, ref image.Ref) (image.Pinned, error) {
	if ref.Digest() != "" {
		return ref.Pin(ref.Digest())
	}
	m, err := from.Manifest(ctx, ref, ref.Tag())
	if err != nil {
		return image.Pinned{}, Explain("resolve "+ref.String(), ref.Registry(), err)
	}
	img, err := ref.Pin(m.Digest)
	if err != nil {
		return image.Pinned{}, err
	}
	return describe(img, m)
}

// Describe returns img with its media type, size and children, reading its
// manifest.
func (c *Client) Describe(ctx context.Context, img image.Pinned) (image.Pinned, error) {
	return described(ctx, c, img)
}

func described(ctx context.Context, from Asker, img image.Pinned) (image.Pinned, error) {
	m, err := from.Manifest(ctx, img.Ref(), img.Digest())
	if err != nil {
		return img, Explain("read manifest of "+img.String(), img.Ref().Registry(), err)
	}
	return describe(img, m)
}

// IsIndex reports whether a manifest of a media type lists others: OCI's, or
// docker's.
func IsIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == dockerIndex
}

func describe(img image.Pinned, m Manifest) (image.Pinned, error) {
	sized := img.Sized(int64(len(m.Body)))
	if !IsIndex(m.MediaType) {
		return sized.Described(m.MediaType, nil), nil
	}
	index, err := parseIndex(m.Body)
	if err != nil {
		return img, &verify.Error{
			Op: "read index " + img.String(), Err: &Error{Op: "parse", Kind: ErrMalformed, Err: err},
			Hint: "do not build from this index: tools may disagree about what it holds",
		}
	}
	children := make([]image.Child, 0, len(index.Manifests))
	for _, d := range index.Manifests {
		children = append(children, child(d))
	}
	return sized.Described(m.MediaType, children), nil
}

func child(d ocispec.Descriptor) image.Child {
	c := image.Child{Digest: d.Digest.String(), MediaType: d.MediaType}
	p := d.Platform
	switch {
	case p == nil:
	case p.OS == "unknown" && p.Architecture == "unknown" && d.Annotations["vnd.docker.reference.type"] == "attestation-manifest":
		// Only so: with a real platform or none, clients may run it as an
		// image, whatever its annotations call it.
		c.Attests = d.Annotations["vnd.docker.reference.digest"]
	case p.OS != "" && p.Architecture != "":
		c.Platform = image.Platform(p.OS, p.Architecture, p.Variant)
	}
	return c
}

// parseIndex reads an index. A document that could also be read as a single
// manifest is refused: another client might pull what was not looked at here
// (CVE-2021-41190).
func parseIndex(body []byte) (ocispec.Index, error) {
	shape := strictjson.Shape{Names: []string{
		"schemaVersion", "mediaType", "manifests", "digest", "size", "platform", "os", "architecture", "variant",
		"annotations", "artifactType", "subject", "config", "layers", "fsLayers",
	}}
	if err := shape.Check(body); err != nil {
		return ocispec.Index{}, errors.New(clip(err.Error()))
	}
	var doc struct {
		ocispec.Index
		Listed   json.RawMessage `json:"manifests"`
		Config   json.RawMessage `json:"config"`
		Layers   json.RawMessage `json:"layers"`
		FSLayers json.RawMessage `json:"fsLayers"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return ocispec.Index{}, errors.New(clip(err.Error()))
	}
	if doc.Config != nil || doc.Layers != nil || doc.FSLayers != nil {
		return ocispec.Index{}, fmt.Errorf("index also has the fields of a manifest")
	}
	switch doc.MediaType {
	case "", ocispec.MediaTypeImageIndex, dockerIndex:
	default:
		return ocispec.Index{}, fmt.Errorf("index calls itself %q", clip(doc.MediaType))
	}
	// An empty list is an answer, and some registries write null for it. None at
	// all is not.
	if doc.Listed == nil {
		return ocispec.Index{}, errors.New("index has no list of manifests")
	}
	if err := json.Unmarshal(doc.Listed, &doc.Index.Manifests); err != nil {
		return ocispec.Index{}, errors.New(clip(err.Error()))
	}
	if n := len(doc.Index.Manifests); n > maxChildren {
		return ocispec.Index{}, fmt.Errorf("%w: index lists %d manifests, at most %d are read", ErrTooMany, n, maxChildren)
	}
	for _, d := range doc.Index.Manifests {
		if !image.ValidDigest(d.Digest.String()) {
			return ocispec.Index{}, fmt.Errorf("index lists the digest %q", clip(d.Digest.String()))
		}
	}
	return doc.Index, nil
}

// Manifest fetches a manifest of repo by tag or digest. By digest the body is
// checked against it; by tag the digest is that of the body.
func (c *Client) Manifest(ctx context.Context, repo image.Ref, reference string) (Manifest, error) {
	byDigest := image.ValidDigest(reference)
	q := query{
		op: manifestOp(repo, reference), at: placeOf(repo), path: "manifests/" + reference, limit: maxManifest,
		accept: []string{ocispec.MediaTypeImageIndex, ocispec.MediaTypeImageManifest, dockerIndex, dockerManifest},
	}
	a, err := c.get(ctx, q)
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{Digest: digestOf(a.body), MediaType: mediaType(a), Body: a.body}
	if m.MediaType != "" && !slices.Contains(q.accept, m.MediaType) && !bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("{")) {
		// A login page, say, which would otherwise be an image that nobody signed.
		return Manifest{}, q.corrupt(fmt.Errorf("%w: the answer is %q, not a manifest; is there a proxy or a login page in between?", ErrCorrupt, clip(m.MediaType)))
	}
	want := a.header.Get("Docker-Content-Digest")
	if byDigest {
		want = reference
	}
	if want != "" && m.Digest != want {
		return Manifest{}, q.corrupt(fmt.Errorf("%w: digest is %s, not %s", ErrCorrupt, m.Digest, clip(want)))
	}
	return m, nil
}

func manifestOp(repo image.Ref, reference string) string {
	sep := ":"
	if image.ValidDigest(reference) {
		sep = "@"
	}
	return "fetch manifest " + repo.Name() + sep + reference
}

// Blob fetches the blob that d describes, at most 32 MiB, and checks its size
// and digest.
func (c *Client) Blob(ctx context.Context, repo image.Ref, d ocispec.Descriptor) ([]byte, error) {
	digest := d.Digest.String()
	q := query{op: blobOp(repo, digest), at: placeOf(repo), path: "blobs/" + digest, limit: d.Size, accept: []string{"*/*"}}
	if err := plausible(d); err != nil {
		return nil, q.corrupt(err)
	}
	a, err := c.get(ctx, q)
	if err != nil {
		return nil, err
	}
	if err := matches(a.body, d); err != nil {
		return nil, q.corrupt(err)
	}
	return a.body, nil
}

func blobOp(repo image.Ref, digest string) string {
	return "fetch blob " + repo.Name() + "@" + clip(digest)
}

// plausible says why no blob that d could describe is read.
func plausible(d ocispec.Descriptor) error {
	switch digest := d.Digest.String(); {
	case !image.ValidDigest(digest):
		return fmt.Errorf("%w: %q is not a sha256 digest", ErrCorrupt, clip(digest))
	case d.Size < 0 || d.Size > MaxBlob:
		return fmt.Errorf("%w: %d bytes, at most %d allowed", ErrTooLarge, d.Size, MaxBlob)
	}
	return nil
}

// matches says why body is not the blob that d describes.
func matches(body []byte, d ocispec.Descriptor) error {
	switch got := digestOf(body); {
	case int64(len(body)) != d.Size:
		return fmt.Errorf("%w: %d bytes, not %d", ErrCorrupt, len(body), d.Size)
	case got != d.Digest.String():
		return fmt.Errorf("%w: digest is %s", ErrCorrupt, got)
	}
	return nil
}

// corrupt is the error for an answer that cannot be what was asked for.
func (q query) corrupt(err error) *Error {
	return &Error{Op: q.op, Kind: ErrUnavailable, Err: err, page: q.page, trust: q.trust, push: q.push}
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// mediaType returns the Content-Type without parameters, or what the body calls
// itself where the registry sent none.
func mediaType(a answer) string {
	if t, _, err := mime.ParseMediaType(a.header.Get("Content-Type")); err == nil && t != "application/json" && t != "text/plain" {
		return t
	}
	var doc struct{ MediaType string }
	_ = json.Unmarshal(a.body, &doc) // "" is an answer too
	return doc.MediaType
}

// detail returns the first error that the registry gave in its answer, as it came.
func detail(a answer) string {
	var doc struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(a.body, &doc) != nil || len(doc.Errors) == 0 {
		return ""
	}
	return strings.TrimSuffix(doc.Errors[0].Code+": "+doc.Errors[0].Message, ": ")
}

// sameOrigin reports whether next stays on the registry that was asked. Some
// name the port that the scheme has anyway.
func sameOrigin(a, next *url.URL) bool {
	return a.Scheme == next.Scheme && strings.EqualFold(a.Hostname(), next.Hostname()) && port(a) == port(next)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}
