package registry_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

const (
	hex64     = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	anyDigest = "sha256:" + hex64
)

func TestResolveTag(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{})
	d := put(t)(r.PutImage("team/app", "v1", "seed"))
	c, _ := client(registry.Options{})
	got, err := c.Resolve(t.Context(), ref(t, r.Host()+"/team/app:v1"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest() != d.Digest.String() || got.MediaType() != ocispec.MediaTypeImageManifest || got.Children() != nil {
		t.Errorf("got %s %s %v", got, got.MediaType(), got.Children())
	}
	if got.Ref().Tag() != "v1" {
		t.Errorf("tag %q is lost", got.Ref().Tag())
	}
	if got.Size() != d.Size {
		t.Errorf("size %d, want %d", got.Size(), d.Size)
	}
	wantLog(t, r, "GET /v2/team/app/manifests/v1 200")
}

// The digest is that of the body where the registry sends none.
func TestResolveWithoutDigestHeader(t *testing.T) {
	t.Parallel()
	const body = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}`
	for _, tc := range []struct{ contentType, want string }{
		{"application/vnd.oci.image.manifest.v1+json; charset=utf-8", ocispec.MediaTypeImageManifest},
		{"application/json", ocispec.MediaTypeImageManifest},
		{"text/plain; charset=utf-8", ocispec.MediaTypeImageManifest},
		{"", ocispec.MediaTypeImageManifest},
		{"application/vnd.other", "application/vnd.other"},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			if tc.contentType != "" {
				w.Header().Set("Content-Type", tc.contentType)
			}
			_, _ = w.Write([]byte(body))
		})
		c, _ := client(registry.Options{})
		got, err := c.Resolve(t.Context(), ref(t, hostOf(s)+"/app:v1"))
		if err != nil || got.Digest() != registrytest.Digest([]byte(body)) || got.MediaType() != tc.want {
			t.Errorf("Content-Type %q: got %s %q, %v", tc.contentType, got, got.MediaType(), err)
		}
		if c.Requests() != 1 {
			t.Errorf("%d requests", c.Requests())
		}
	}
}

func TestResolveDigest(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{})
	c, _ := client(registry.Options{})
	for _, text := range []string{"/app@" + anyDigest, "/app:v1@" + anyDigest} {
		got, err := c.Resolve(t.Context(), ref(t, r.Host()+text))
		if err != nil || got.Digest() != anyDigest || got.MediaType() != "" || got.Size() != 0 || got.Children() != nil {
			t.Errorf("Resolve(%s) = %s, %v", text, got, err)
		}
	}
	wantLog(t, r)
	if c.Requests() != 0 {
		t.Errorf("%d requests", c.Requests())
	}
}

func TestResolveIndex(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{})
	var all []ocispec.Descriptor
	var digests []string
	for _, seed := range []string{"amd64", "arm", "none", "attestation", "disguised", "bare", "other"} {
		d := put(t)(r.PutImage("app", "", seed))
		all, digests = append(all, d), append(digests, d.Digest.String())
	}
	attests := map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digests[0]}
	unknown := &ocispec.Platform{OS: "unknown", Architecture: "unknown"}
	all[0].Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}
	all[1].Platform = &ocispec.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}
	all[3].Platform, all[3].Annotations = unknown, attests
	// What clients may run as an image is no attestation, whatever it says.
	all[4].Platform, all[4].Annotations = all[0].Platform, attests
	all[5].Annotations = attests
	all[6].Platform, all[6].Annotations = unknown, map[string]string{"vnd.docker.reference.type": "other", "vnd.docker.reference.digest": digests[0]}
	d := put(t)(r.PutIndex("app", "v1", all...))

	const m = ocispec.MediaTypeImageManifest
	want := []image.Child{
		{Digest: digests[0], MediaType: m, Platform: "linux/amd64"},
		{Digest: digests[1], MediaType: m, Platform: "linux/arm/v7"},
		{Digest: digests[2], MediaType: m},
		{Digest: digests[3], MediaType: m, Attests: digests[0]},
		{Digest: digests[4], MediaType: m, Platform: "linux/amd64"},
		{Digest: digests[5], MediaType: m},
		{Digest: digests[6], MediaType: m, Platform: "unknown/unknown"},
	}
	c, _ := client(registry.Options{})
	got, err := c.Resolve(t.Context(), ref(t, r.Host()+"/app:v1"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest() != d.Digest.String() || got.MediaType() != ocispec.MediaTypeImageIndex || got.Size() != d.Size || !reflect.DeepEqual(got.Children(), want) {
		t.Errorf("got %s %s\n%+v\nwant\n%+v", got, got.MediaType(), got.Children(), want)
	}
	wantLog(t, r, "GET /v2/app/manifests/v1 200")

	pinned, err := c.Resolve(t.Context(), ref(t, r.Host()+"/app@"+d.Digest.String()))
	if err != nil {
		t.Fatal(err)
	}
	described, err := c.Describe(t.Context(), pinned)
	if err != nil || !reflect.DeepEqual(described.Children(), want) {
		t.Errorf("Describe: %+v, %v", described.Children(), err)
	}
	wantLog(t, r, "GET /v2/app/manifests/v1 200", "GET /v2/app/manifests/"+d.Digest.String()+" 200")
}

func TestResolveEmptyIndex(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{})
	put(t)(r.PutManifest("app", "v1", ocispec.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"manifests":[]}`)))
	c, _ := client(registry.Options{})
	got, err := c.Resolve(t.Context(), ref(t, r.Host()+"/app:v1"))
	if err != nil || len(got.Children()) != 0 || got.MediaType() != ocispec.MediaTypeImageIndex {
		t.Errorf("got %s %v, %v", got.MediaType(), got.Children(), err)
	}
}

func TestResolveRefusesIndex(t *testing.T) {
	t.Parallel()
	const docker = "application/vnd.docker.distribution.manifest.list.v2+json"
	entry := `{"mediaType":"m","size":1,"digest":"` + anyDigest + `"}`
	for name, tc := range map[string]struct{ contentType, body string }{
		"config":         {ocispec.MediaTypeImageIndex, `{"schemaVersion":2,"manifests":[],"config":{}}`},
		"layers":         {ocispec.MediaTypeImageIndex, `{"schemaVersion":2,"manifests":[],"layers":[]}`},
		"null layers":    {ocispec.MediaTypeImageIndex, `{"schemaVersion":2,"manifests":[],"layers":null}`},
		"other case":     {ocispec.MediaTypeImageIndex, `{"schemaVersion":2,"manifests":[],"Layers":[]}`},
		"fsLayers":       {docker, `{"schemaVersion":2,"manifests":[],"fsLayers":[]}`},
		"other type":     {docker, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":[]}`},
		"no JSON":        {ocispec.MediaTypeImageIndex, `<html>`},
		"two documents":  {ocispec.MediaTypeImageIndex, `{"manifests":[]}{}`},
		"array":          {ocispec.MediaTypeImageIndex, `[]`},
		"no list":        {ocispec.MediaTypeImageIndex, `{"schemaVersion":2}`},
		"null":           {ocispec.MediaTypeImageIndex, `null`},
		"null entry":     {ocispec.MediaTypeImageIndex, `{"manifests":[null]}`},
		"short digest":   {ocispec.MediaTypeImageIndex, `{"manifests":[` + entry + `,{"digest":"sha256:abc"}]}`},
		"other digest":   {ocispec.MediaTypeImageIndex, `{"manifests":[{"digest":"sha512:` + hex64 + hex64 + `"}]}`},
		"traversal":      {ocispec.MediaTypeImageIndex, `{"manifests":[{"digest":"../../../v2/"}]}`},
		"long digest":    {ocispec.MediaTypeImageIndex, `{"manifests":[{"digest":"` + strings.Repeat("x", 1<<20) + `"}]}`},
		"long type":      {ocispec.MediaTypeImageIndex, `{"mediaType":"` + strings.Repeat("x", 1<<20) + `"}`},
		"two lists":      {ocispec.MediaTypeImageIndex, `{"manifests":[` + entry + `],"manifests":[]}`},
		"two platforms":  {ocispec.MediaTypeImageIndex, `{"manifests":[{"digest":"` + anyDigest + `","platform":{"os":"linux"},"Platform":{}}]}`},
		"long number":    {ocispec.MediaTypeImageIndex, `{"schemaVersion":` + strings.Repeat("1", 1<<20) + `}`},
		"digest as list": {ocispec.MediaTypeImageIndex, `{"manifests":[{"digest":["` + anyDigest + `"]}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, registrytest.Options{})
			put(t)(r.PutIndex("app", "v1"))
			r.Break(registrytest.Fault{
				Path: "/manifests/", Body: func([]byte) []byte { return []byte(tc.body) },
				Header: map[string]string{"Content-Type": tc.contentType, "Docker-Content-Digest": registrytest.Digest([]byte(tc.body))},
			})
			c, _ := client(registry.Options{})
			_, err := c.Resolve(t.Context(), ref(t, r.Host()+"/app:v1"))
			// The bytes are those that the registry has: asking again changes nothing.
			wantErr(t, err, verify.Unsupported, registry.ErrMalformed)
			if err != nil && len(err.Error()) > 2000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			wantLog(t, r, "GET /v2/app/manifests/v1 200")
		})
	}
}

func TestResolveDigestHeader(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{})
	d := put(t)(r.PutImage("app", "v1", "seed"))
	for _, tc := range []struct {
		header string
		good   bool
	}{
		{d.Digest.String(), true},
		{anyDigest, false},
		{"sha512:" + hex64 + hex64, false},
		{strings.ToUpper(d.Digest.String()), false},
		{strings.Repeat("x", 10_000), false},
	} {
		r.Reset(0)
		r.Break(registrytest.Fault{Header: map[string]string{"Docker-Content-Digest": tc.header}})
		c, _ := client(registry.Options{})
		_, err := c.Resolve(t.Context(), ref(t, r.Host()+"/app:v1"))
		if tc.good {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable, registry.ErrCorrupt)
		if err != nil && len(err.Error()) > 2000 {
			t.Errorf("the error has %d bytes", len(err.Error()))
		}
		wantLog(t, r, "GET /v2/app/manifests/v1 200")
	}
}

func TestResolveStatus(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status, requests int
		reason           verify.Reason
		kind             error
	}{
		{404, 1, verify.NotFound, registry.ErrNotFound},
		{401, 1, verify.Denied, registry.ErrDenied},
		{403, 1, verify.Denied, registry.ErrDenied},
		{500, 4, verify.Unavailable, registry.ErrUnavailable},
		{204, 1, verify.Unavailable, registry.ErrUnavailable},
		{418, 1, verify.Unavailable, registry.ErrUnavailable},
	} {
		r := start(t, registrytest.Options{})
		r.Break(registrytest.Fault{Status: tc.status, Detail: `{"errors":[{"code":"CODE","message":"in its own words"},{"code":"MORE"}]}`})
		c, _ := client(registry.Options{})
		_, err := c.Resolve(t.Context(), ref(t, r.Host()+"/app:v1"))
		wantErr(t, err, tc.reason, tc.kind)
		var e *registry.Error
		if !errors.As(err, &e) || e.Status != tc.status {
			t.Errorf("%d: %#v", tc.status, e)
		}
		if tc.status != 204 && e.Detail != "CODE: in its own words" {
			t.Errorf("%d: detail %q", tc.status, e.Detail)
		}
		var v *verify.Error
		if !errors.As(err, &v) || v.Hint == "" || !strings.Contains(v.Op, r.Host()+"/app:v1") {
			t.Errorf("%d: no hint: %#v", tc.status, v)
		}
		if n := len(r.Requests()); n != tc.requests {
			t.Errorf("%d: %d requests, want %d", tc.status, n, tc.requests)
		}
	}
}

func TestDescribeMissing(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{})
	put(t)(r.PutImage("app", "v1", "seed"))
	c, _ := client(registry.Options{})
	img, err := ref(t, r.Host()+"/app").Pin(anyDigest)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Describe(t.Context(), img)
	wantErr(t, err, verify.NotFound, registry.ErrNotFound)
}

// A registry's own words are bounded.
func TestDetailIsBounded(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"errors":[{"code":"X","message":"` + strings.Repeat("é", 10_000) + `"}]}`,
		strings.Repeat("x", 1<<20),
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(body))
		})
		c, _ := client(registry.Options{})
		_, err := c.Manifest(t.Context(), ref(t, hostOf(s)+"/app"), "v1")
		wantErr(t, err, verify.NotFound, registry.ErrNotFound)
		if err != nil && len(err.Error()) > 600 {
			t.Errorf("the error has %d bytes", len(err.Error()))
		}
	}
}

// Some gateways quote the request in their errors, and logs are read by many.
func TestDetailHoldsNoCredentials(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"you sent Basic dTpodW50ZXIyc2VjcmV0 to me":          "you sent Basic *** to me",
		"Authorization: bearer abc.DEF-_~+/123==, not valid": "Authorization: bearer ***, not valid",
		"basic authentication":                               "basic ***",
		"no credentials":                                     "no credentials",
	} {
		r := start(t, registrytest.Options{})
		r.Break(registrytest.Fault{Status: 403, Detail: `{"errors":[{"code":"DENIED","message":"` + said + `"}]}`})
		c, _ := client(registry.Options{})
		_, err := c.Resolve(t.Context(), ref(t, r.Host()+"/app:v1"))
		wantErr(t, err, verify.Denied, registry.ErrDenied)
		var e *registry.Error
		if !errors.As(err, &e) || e.Detail != "DENIED: "+want || strings.Contains(err.Error(), "dTpo") || strings.Contains(err.Error(), "abc.DEF") {
			t.Errorf("%q: %v", said, err)
		}
	}
}

func TestParseFallback(t *testing.T) {
	t.Parallel()
	index := func(n int) registry.Manifest {
		doc := ocispec.Index{Manifests: []ocispec.Descriptor{}}
		for range n {
			doc.Manifests = append(doc.Manifests, ocispec.Descriptor{Digest: digest.Digest(anyDigest), Size: 2, MediaType: "m"})
		}
		b, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		return registry.Manifest{Body: b}
	}
	for _, n := range []int{0, 1, 256} {
		got, err := registry.ParseFallback(index(n))
		if err != nil || len(got) != n {
			t.Errorf("%d entries: got %d, %v", n, len(got), err)
		}
	}
	for _, tc := range []struct {
		m    registry.Manifest
		kind error
	}{
		{index(257), registry.ErrTooMany},
		{registry.Manifest{}, registry.ErrCorrupt},
		{registry.Manifest{Body: []byte(`{"manifests":[{"digest":"sha256:zz"}]}`)}, registry.ErrCorrupt},
		{registry.Manifest{Body: []byte(`{"manifests":[],"layers":[]}`)}, registry.ErrCorrupt},
	} {
		got, err := registry.ParseFallback(tc.m)
		if got != nil || !errors.Is(err, tc.kind) || registry.Reason(err) != verify.Unavailable {
			t.Errorf("got %v, %v; want %v", got, err, tc.kind)
		}
	}
}
