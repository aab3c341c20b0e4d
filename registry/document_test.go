package registry_test

import (
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

// secure serves https, and returns a Client that trusts it and has credentials
// for it that must not be sent.
func secure(t *testing.T, h http.HandlerFunc) (*httptest.Server, *registry.Client, *clock) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c, waits := client(registry.Options{Roots: roots, Attempt: attempt, Keychain: registry.Keychain(map[string]authn.AuthConfig{hostOf(s): {Username: user, Password: password}})})
	return s, c, waits
}

func TestGet(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	s, c, waits := secure(t, func(w http.ResponseWriter, req *http.Request) {
		n := requests.Add(1)
		for _, name := range []string{"Authorization", "Cookie", "Referer", "Accept-Encoding"} {
			if v := req.Header.Get(name); v != "" {
				t.Errorf("%s: %s", name, v)
			}
		}
		switch req.URL.Path {
		case "/flaky":
			if n == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			http.Redirect(w, req, "/text", http.StatusFound)
		case "/text":
			_, _ = w.Write([]byte("version: 1\n"))
		}
	})
	body, err := c.Get(t.Context(), s.URL+"/flaky?token=x", 11)
	if err != nil || string(body) != "version: 1\n" || requests.Load() != 3 || len(waits.all()) != 1 || c.Requests() != 3 {
		t.Errorf("%q, %v, %d requests", body, err, requests.Load())
	}
}

func TestGetRefused(t *testing.T) {
	t.Parallel()
	plain := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		t.Error("a server was asked over http")
		_, _ = w.Write([]byte("version: 1\n"))
	})
	s, c, _ := secure(t, func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/to-http":
			http.Redirect(w, req, plain.URL+"/x", http.StatusFound)
		case "/to-user":
			http.Redirect(w, req, "https://robot:hunter2-secret@"+req.Host+"/text", http.StatusFound)
		case "/loop":
			http.Redirect(w, req, "/loop", http.StatusFound)
		case "/huge":
			_, _ = w.Write([]byte(strings.Repeat("x", 101)))
		case "/huge-unannounced":
			for range 30 {
				_, _ = w.Write([]byte(strings.Repeat("x", 10)))
				w.(http.Flusher).Flush()
			}
		case "/cut":
			w.Header().Set("Content-Length", "50")
			_, _ = w.Write([]byte("x"))
		case "/basic":
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			if req.Header.Get("Authorization") != "" {
				t.Error("credentials were sent")
			}
		case "/500":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			http.NotFound(w, req)
		}
	})
	other, _ := client(registry.Options{Attempt: attempt})
	for _, tc := range []struct {
		c       *registry.Client
		address string
		reason  verify.Reason
		kinds   []error
		text    string
	}{
		{c, plain.URL + "/x", verify.Unsupported, []error{registry.ErrMalformed}, "only https"},
		{c, "file:///etc/passwd", verify.Unsupported, []error{registry.ErrMalformed}, "only https"},
		{c, "https:///x", verify.Unsupported, []error{registry.ErrMalformed}, "only https"},
		{c, strings.Replace(s.URL, "https://", "https://robot:hunter2-secret@", 1), verify.Unsupported, []error{registry.ErrMalformed}, "only https"},
		{c, "https://robot:hunter2-secret@x:y/", verify.Unsupported, []error{registry.ErrMalformed}, "no address"},
		{c, s.URL + "/to-http", verify.Unavailable, []error{registry.ErrUnavailable}, "not https"},
		{c, s.URL + "/to-user", verify.Unavailable, []error{registry.ErrUnavailable}, "has a user name"},
		{c, s.URL + "/loop", verify.Unavailable, []error{registry.ErrUnavailable}, "more than 5 redirects"},
		{c, s.URL + "/huge", verify.Unsupported, []error{registry.ErrUnavailable, registry.ErrTooLarge, registry.ErrMalformed}, "101 bytes"},
		{c, s.URL + "/huge-unannounced", verify.Unsupported, []error{registry.ErrUnavailable, registry.ErrTooLarge, registry.ErrMalformed}, "more than 100 bytes"},
		{c, s.URL + "/cut", verify.Unavailable, []error{registry.ErrUnavailable}, "cut off"},
		{c, s.URL + "/basic", verify.Denied, []error{registry.ErrDenied}, "server answered 401"},
		{c, s.URL + "/500", verify.Unavailable, []error{registry.ErrUnavailable}, "server answered 500"},
		{c, s.URL + "/none?token=hunter2-secret", verify.NotFound, []error{registry.ErrNotFound}, "server answered 404"},
		{c, "https://" + closed(t) + "/x", verify.Unavailable, []error{registry.ErrUnavailable}, ""},
		{other, s.URL + "/text", verify.Unavailable, []error{registry.ErrUnavailable}, "certificate"},
	} {
		body, err := tc.c.Get(t.Context(), tc.address, 100)
		wantErr(t, err, tc.reason, tc.kinds...)
		if body != nil || err == nil || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: %q, %v", tc.address, body, err)
		}
	}
}

const policyType = "application/vnd.example.policy.v1+yaml"

func TestArtifact(t *testing.T) {
	t.Parallel()
	reg := start(t, registrytest.Options{Tokens: true})
	c, _ := client(registry.Options{})
	text := []byte("version: 1\n")
	layer := func(mediaType string, body []byte) ocispec.Descriptor {
		return put(t)(reg.PutBlob("policies", mediaType, body))
	}
	push := func(change func(m map[string]any)) ocispec.Descriptor {
		m := map[string]any{
			"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageManifest, "artifactType": policyType,
			"config": layer("application/vnd.oci.empty.v1+json", []byte("{}")),
			"layers": []any{layer(policyType, text)},
		}
		change(m)
		mediaType, _ := m["mediaType"].(string)
		return put(t)(reg.PutJSON("policies", "x", mediaType, m))
	}
	get := func(d ocispec.Descriptor) ([]byte, error) {
		img, err := ref(t, reg.Host()+"/policies@"+d.Digest.String()).Pin(d.Digest.String())
		if err != nil {
			t.Fatal(err)
		}
		return c.Artifact(t.Context(), img, 100, policyType, "text/yaml")
	}
	good := push(func(map[string]any) {})
	before := c.Requests()
	if body, err := get(good); err != nil || string(body) != string(text) {
		t.Errorf("%q, %v", body, err)
	}
	t.Logf("%d requests", c.Requests()-before)
	if body, err := get(push(func(m map[string]any) { m["layers"] = []any{layer("text/yaml", text)} })); err != nil || string(body) != string(text) {
		t.Errorf("text/yaml: %q, %v", body, err)
	}
	for _, tc := range []struct {
		name   string
		change func(m map[string]any)
		want   string
	}{
		{"no layer", func(m map[string]any) { m["layers"] = []any{} }, "0 layers"},
		{"two layers", func(m map[string]any) { m["layers"] = []any{layer(policyType, text), layer("text/yaml", text)} }, "2 layers"},
		{"an image", func(m map[string]any) { m["layers"] = []any{layer(ocispec.MediaTypeImageLayerGzip, text)} }, "media type of its layer"},
		{"too large", func(m map[string]any) { m["layers"] = []any{layer(policyType, make([]byte, 101))} }, "101 bytes"},
		{"an index", func(m map[string]any) {
			m["mediaType"] = ocispec.MediaTypeImageIndex
			delete(m, "layers")
			delete(m, "config")
			m["manifests"] = []any{good}
		}, "its media type is"},
		{"an index besides", func(m map[string]any) { m["manifests"] = []any{good} }, "its media type is"},
		{"two names in other case", func(m map[string]any) { m["Layers"] = []any{} }, "ayers"},
	} {
		body, err := get(push(tc.change))
		wantErr(t, err, verify.Unsupported, append([]error{registry.ErrMalformed}, also(err, registry.ErrTooLarge)...)...)
		if body != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %q, %v", tc.name, body, err)
		}
	}
	// A mirror that serves other bytes, of the manifest or of the layer.
	for _, path := range []string{"/manifests/" + good.Digest.String(), "/blobs/" + digest.FromBytes(text).String()} {
		mirror := reg.Mirror()
		t.Cleanup(mirror.Close)
		mirror.Break(registrytest.Fault{Path: path, Body: func(body []byte) []byte {
			return []byte(strings.Replace(strings.Replace(string(body), "version: 1", "version: 2", 1), `"schemaVersion":2`, `"schemaVersion":3`, 1))
		}})
		img, err := ref(t, mirror.Host()+"/policies@"+good.Digest.String()).Pin(good.Digest.String())
		if err != nil {
			t.Fatal(err)
		}
		body, err := c.Artifact(t.Context(), img, 100, policyType)
		if body != nil || !errors.Is(err, registry.ErrCorrupt) || registry.Reason(err) != verify.Unsupported {
			t.Errorf("%s: %q, %v (%s)", path, body, err, registry.Reason(err))
		}
	}
	reg.Break(registrytest.Fault{Path: "/blobs/", Status: 500})
	if _, err := get(good); registry.Reason(err) != verify.Unavailable {
		t.Errorf("no answer: %v", err)
	}
	if _, err := get(ocispec.Descriptor{Digest: digest.FromString("none")}); registry.Reason(err) != verify.NotFound {
		t.Errorf("not there: %v", err)
	}
}

// also returns kind if err is it.
func also(err, kind error) []error {
	if errors.Is(err, kind) {
		return []error{kind}
	}
	return nil
}
