package registry_test

import (
	"net/url"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/registry"
)

func pushTokenURI(repo string) string {
	return "/token?" + url.Values{"scope": {"repository:" + repo + ":pull,push"}, "service": {"test"}}.Encode()
}

const (
	blobA     = "a blob"
	blobB     = "another"
	emptyJSON = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
)

// steps hides the numbers of uploads.
func steps(r *registrytest.Registry) []string {
	var all []string
	for _, q := range r.Requests() {
		u, _ := url.Parse(q.URI)
		all = append(all, q.Method+" "+u.Path)
	}
	return all
}

func TestPushSmoke(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{NoReferrers: true, Tokens: true})
	subject := put(t)(r.PutImage("a", "v1", "seed"))
	c, _ := client(registry.Options{})
	repo := ref(t, r.Host()+"/a")
	for range 2 {
		digest, storage, err := c.Attach(t.Context(), repo, subject, registry.Attachment{
			ArtifactType: registrytest.BundleV03, Layers: []registry.Layer{{MediaType: registrytest.BundleV03, Body: []byte(blobA)}},
		})
		t.Log(digest, storage, err)
	}
	for _, s := range r.Requests() {
		t.Log(s, s.Authorization)
	}
	_ = ocispec.MediaTypeImageManifest
}
