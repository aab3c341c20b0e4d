package registrytest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types of what is pushed here.
const (
	SimpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
	Envelope      = "application/vnd.dsse.envelope.v1+json"
	BundleV03     = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Digest returns the sha256 digest of b.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Describe returns the descriptor of b.
func Describe(mediaType string, b []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.Digest(Digest(b)), Size: int64(len(b))}
}

// do asks the store itself, past authentication, faults and log.
func (r *Registry) do(method, path, contentType string, body []byte) (*httptest.ResponseRecorder, error) {
	req := httptest.NewRequestWithContext(context.Background(), method, path, bytes.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	rec := httptest.NewRecorder()
	r.store.ServeHTTP(rec, req)
	if rec.Code/100 != 2 {
		return rec, fmt.Errorf("%s %s: %d %s", method, path, rec.Code, rec.Body)
	}
	return rec, nil
}

// PutBlob pushes a blob and returns its descriptor.
func (r *Registry) PutBlob(repo, mediaType string, b []byte) (ocispec.Descriptor, error) {
	d := Describe(mediaType, b)
	_, err := r.do(http.MethodPost, "/v2/"+repo+"/blobs/uploads/?digest="+d.Digest.String(), "application/octet-stream", b)
	return d, err
}

// PutManifest pushes a manifest under a tag or its digest ("" means that).
func (r *Registry) PutManifest(repo, reference, mediaType string, b []byte) (ocispec.Descriptor, error) {
	d := Describe(mediaType, b)
	if reference == "" {
		reference = d.Digest.String()
	}
	_, err := r.do(http.MethodPut, "/v2/"+repo+"/manifests/"+reference, mediaType, b)
	return d, err
}

// Manifest returns the manifest that the store has under a tag or digest.
func (r *Registry) Manifest(repo, reference string) ([]byte, error) {
	rec, err := r.do(http.MethodGet, "/v2/"+repo+"/manifests/"+reference, "", nil)
	if err != nil {
		return nil, err
	}
	return rec.Body.Bytes(), nil
}

// Delete removes a tag or a manifest; it need not be there.
func (r *Registry) Delete(repo, reference string) error {
	rec, err := r.do(http.MethodDelete, "/v2/"+repo+"/manifests/"+reference, "", nil)
	if rec.Code == http.StatusNotFound {
		return nil
	}
	return err
}

// PutImage pushes an image whose content follows from seed and returns its descriptor.
func (r *Registry) PutImage(repo, tag, seed string) (ocispec.Descriptor, error) {
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"author":%q}`, seed)
	c, err := r.PutBlob(repo, ocispec.MediaTypeImageConfig, config)
	if err != nil {
		return c, err
	}
	return r.PutJSON(repo, tag, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: versioned(), MediaType: ocispec.MediaTypeImageManifest, Config: c, Layers: []ocispec.Descriptor{},
	})
}

// PutIndex pushes an index of manifests that are already there.
func (r *Registry) PutIndex(repo, tag string, children ...ocispec.Descriptor) (ocispec.Descriptor, error) {
	return r.PutJSON(repo, tag, ocispec.MediaTypeImageIndex, ocispec.Index{
		Versioned: versioned(), MediaType: ocispec.MediaTypeImageIndex, Manifests: append([]ocispec.Descriptor{}, children...),
	})
}

// PutJSON pushes doc as a manifest.
func (r *Registry) PutJSON(repo, reference, mediaType string, doc any) (ocispec.Descriptor, error) {
	b, err := json.Marshal(doc)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return r.PutManifest(repo, reference, mediaType, b)
}

// A Layer is a signature in cosign's older format: a blob with annotations.
type Layer struct {
	MediaType   string
	Blob        []byte
	Annotations map[string]string
}

// PutTagged pushes layers as the manifest that cosign keeps beside the manifest
// with the given digest; suffix is ".sig" or ".att".
func (r *Registry) PutTagged(repo, digest, suffix string, layers ...Layer) (ocispec.Descriptor, error) {
	return r.PutLayers(repo, strings.Replace(digest, ":", "-", 1)+suffix, nil, "", layers...)
}

// PutLayers pushes a manifest of layers under a reference; subject may be nil.
func (r *Registry) PutLayers(repo, reference string, subject *ocispec.Descriptor, artifactType string, layers ...Layer) (ocispec.Descriptor, error) {
	configType := ocispec.MediaTypeImageConfig
	if artifactType != "" {
		configType = ocispec.MediaTypeEmptyJSON
	}
	config, err := r.PutBlob(repo, configType, []byte("{}"))
	if err != nil {
		return config, err
	}
	m := ocispec.Manifest{
		Versioned: versioned(), MediaType: ocispec.MediaTypeImageManifest, ArtifactType: artifactType,
		Config: config, Subject: subject, Layers: []ocispec.Descriptor{},
	}
	for _, l := range layers {
		d, err := r.PutBlob(repo, l.MediaType, l.Blob)
		if err != nil {
			return d, err
		}
		d.Annotations = l.Annotations
		m.Layers = append(m.Layers, d)
	}
	return r.PutJSON(repo, reference, ocispec.MediaTypeImageManifest, m)
}

// PutReferrer pushes layers as a manifest that refers to subject: found through
// the referrers API, or through the fallback tag where the registry has none.
func (r *Registry) PutReferrer(repo string, subject ocispec.Descriptor, artifactType string, layers ...Layer) (ocispec.Descriptor, error) {
	subject.Annotations, subject.Platform = nil, nil
	d, err := r.PutLayers(repo, "", &subject, artifactType, layers...)
	entry := d
	entry.ArtifactType = ocispec.MediaTypeEmptyJSON // what GHCR's list says of cosign's bundles
	if err != nil {
		return d, err
	}
	return d, r.List(repo, subject.Digest, entry)
}

// List adds entry to the fallback tag of the manifest with the given digest; a
// registry that has the referrers API needs none.
func (r *Registry) List(repo string, subject digest.Digest, entry ocispec.Descriptor) error {
	if !r.opts.NoReferrers {
		return nil
	}
	tag := strings.Replace(subject.String(), ":", "-", 1)
	var index ocispec.Index
	if b, err := r.Manifest(repo, tag); err == nil {
		if err := json.Unmarshal(b, &index); err != nil {
			return err
		}
	}
	_, err := r.PutIndex(repo, tag, append(index.Manifests, entry)...)
	return err
}

// PutBundle pushes a Sigstore bundle as a referrer of subject.
func (r *Registry) PutBundle(repo string, subject ocispec.Descriptor, bundle []byte) (ocispec.Descriptor, error) {
	var doc struct{ MediaType string }
	if err := json.Unmarshal(bundle, &doc); err != nil || doc.MediaType == "" {
		doc.MediaType = BundleV03
	}
	return r.PutReferrer(repo, subject, doc.MediaType, Layer{MediaType: doc.MediaType, Blob: bundle})
}

// Retype makes the referrers API report artifactType for the manifest with the
// given digest, whatever the manifest says.
func (r *Registry) Retype(digest, artifactType string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.types[digest] = artifactType
}

func (r *Registry) retype(rec *httptest.ResponseRecorder, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.types) == 0 || !strings.Contains(req.URL.Path, "/referrers/") || rec.Code != http.StatusOK {
		return
	}
	var index ocispec.Index
	if json.Unmarshal(rec.Body.Bytes(), &index) != nil {
		return
	}
	for i, m := range index.Manifests {
		if t, ok := r.types[m.Digest.String()]; ok {
			index.Manifests[i].ArtifactType = t
		}
	}
	rec.Body.Reset()
	_ = json.NewEncoder(rec.Body).Encode(index)
	rec.Header().Del("Content-Length")
}

func versioned() specs.Versioned { return specs.Versioned{SchemaVersion: 2} }
