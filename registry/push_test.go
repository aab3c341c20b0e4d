package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

const (
	blob     = "a blob"
	manifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}`

	uploads = "/v2/a/blobs/uploads/"
)

func pushTokenURI(repo string) string {
	return "/token?" + url.Values{"scope": {"repository:" + repo + ":pull,push"}, "service": {"test"}}.Encode()
}

func blobURI(body string) string { return "/v2/a/blobs/" + registrytest.Digest([]byte(body)) }

func uploadURI(body string) string {
	return uploads + "N?digest=" + url.QueryEscape(registrytest.Digest([]byte(body)))
}

func manifestURI() string { return "/v2/a/manifests/" + registrytest.Digest([]byte(manifest)) }

var uploadNumber = regexp.MustCompile(`/uploads/[0-9]+`)

// wantPushes is wantLog, with "N" for the number of an upload.
func wantPushes(t *testing.T, r *registrytest.Registry, want ...string) {
	t.Helper()
	var got []string
	for _, q := range r.Requests() {
		got = append(got, uploadNumber.ReplaceAllString(q.String(), "/uploads/N"))
	}
	if !slices.Equal(got, want) {
		t.Errorf("requests\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func pushBlob(t *testing.T, c *registry.Client, repo image.Ref, body string) error {
	t.Helper()
	d, err := c.PushBlob(t.Context(), repo, registrytest.BundleV03, []byte(body))
	if want := registrytest.Describe(registrytest.BundleV03, []byte(body)); err == nil && !same(d, want) || err != nil && !same(d, ocispec.Descriptor{}) {
		t.Errorf("descriptor %+v, %v", d, err)
	}
	return err
}

func same(a, b ocispec.Descriptor) bool {
	return a.MediaType == b.MediaType && a.Digest == b.Digest && a.Size == b.Size
}

func pushManifest(t *testing.T, c *registry.Client, repo image.Ref, reference string) error {
	t.Helper()
	p, err := c.PushManifest(t.Context(), repo, reference, ocispec.MediaTypeImageManifest, []byte(manifest))
	want := registry.Pushed{Digest: registrytest.Digest([]byte(manifest))}
	if err != nil {
		want = registry.Pushed{}
	}
	if p != want {
		t.Errorf("pushed %+v, %v", p, err)
	}
	return err
}

// What is written costs this many requests and no more: a challenge and a token
// once, three for a blob, one for a manifest.
func TestPush(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options registrytest.Options
		login   bool
		before  []string
		first   []string // of the first blob
	}{
		"public": {
			first: []string{"HEAD " + blobURI(blob) + " 404", "POST " + uploads + " 202", "PUT " + uploadURI(blob) + " 201"},
		},
		"anonymous tokens": {
			options: registrytest.Options{Tokens: true},
			first: []string{
				"HEAD " + blobURI(blob) + " 401", "GET " + pushTokenURI("a") + " 200",
				"HEAD " + blobURI(blob) + " 404", "POST " + uploads + " 202", "PUT " + uploadURI(blob) + " 201",
			},
		},
		"tokens": {
			options: registrytest.Options{Tokens: true, User: user, Password: password}, login: true,
			first: []string{
				"GET /v2/ 401", "GET " + pushTokenURI("a") + " 200",
				"HEAD " + blobURI(blob) + " 404", "POST " + uploads + " 202", "PUT " + uploadURI(blob) + " 201",
			},
		},
		"basic": {
			options: registrytest.Options{User: user, Password: password}, login: true,
			first: []string{
				"GET /v2/ 401",
				"HEAD " + blobURI(blob) + " 404", "POST " + uploads + " 202", "PUT " + uploadURI(blob) + " 201",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, tc.options)
			var o registry.Options
			if tc.login {
				o.Keychain = login(r.Host())
			}
			c, sleeps := client(o)
			repo := ref(t, r.Host()+"/a")
			for _, body := range []string{blob, "second", blob} { // the last costs nothing
				if err := pushBlob(t, c, repo, body); err != nil {
					t.Fatal(err)
				}
			}
			for _, reference := range []string{registrytest.Digest([]byte(manifest)), "v1"} {
				if err := pushManifest(t, c, repo, reference); err != nil {
					t.Fatal(err)
				}
			}
			wantPushes(t, r, append(tc.first,
				"HEAD "+blobURI("second")+" 404", "POST "+uploads+" 202", "PUT "+uploadURI("second")+" 201",
				"PUT "+manifestURI()+" 201", "PUT /v2/a/manifests/v1 201")...)
			if len(sleeps.all()) != 0 {
				t.Errorf("waits %v", sleeps.all())
			}

			// Another Client finds it there, with a token for pulling what it reads.
			r.Reset(0)
			c, _ = client(o)
			got, err := c.Blob(t.Context(), repo, registrytest.Describe("", []byte(blob)))
			if err != nil || string(got) != blob {
				t.Errorf("read %q, %v", got, err)
			}
			m, err := c.Manifest(t.Context(), repo, "v1")
			if err != nil || string(m.Body) != manifest || m.MediaType != ocispec.MediaTypeImageManifest {
				t.Errorf("read %+v, %v", m, err)
			}
			for _, q := range r.Requests() {
				if strings.Contains(q.URI, "push") || strings.Contains(q.Authorization, "push") {
					t.Errorf("%s asked for more than pulling: %q", q, q.Authorization)
				}
			}
			r.Reset(0)
			if err := pushBlob(t, c, repo, blob); err != nil {
				t.Fatal(err)
			}
			want := []string{"HEAD " + blobURI(blob) + " 200"}
			if tc.options.Tokens {
				want = slices.Insert(want, 0, "GET "+pushTokenURI("a")+" 200")
			}
			wantPushes(t, r, want...)
		})
	}
}

// A token is good for pushing only where something is pushed.
func TestPushScope(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{Tokens: true, User: user, Password: password})
	put(t)(r.PutImage("a", "v1", "seed"))
	put(t)(r.PutImage("b", "v1", "seed"))
	c, _ := client(registry.Options{Keychain: login(r.Host())})
	read := func(name string) {
		t.Helper()
		if _, err := c.Resolve(t.Context(), ref(t, r.Host()+"/"+name+":v1")); err != nil {
			t.Fatal(err)
		}
	}
	read("a")
	if err := pushManifest(t, c, ref(t, r.Host()+"/a"), "v2"); err != nil {
		t.Fatal(err)
	}
	read("b")
	read("a")
	if err := pushManifest(t, c, ref(t, r.Host()+"/a"), "v3"); err != nil {
		t.Fatal(err)
	}
	wantLog(t, r, "GET /v2/ 401", "GET "+tokenURI("a")+" 200", "GET /v2/a/manifests/v1 200",
		"GET "+pushTokenURI("a")+" 200", "PUT /v2/a/manifests/v2 201",
		"GET "+tokenURI("b")+" 200", "GET /v2/b/manifests/v1 200",
		"GET /v2/a/manifests/v1 200", "PUT /v2/a/manifests/v3 201")
}

// However many push and read at once, there is one token for pushing, and one for
// pulling at most.
func TestPushConcurrently(t *testing.T) {
	t.Parallel()
	for _, anonymous := range []bool{true, false} {
		o := registrytest.Options{Tokens: true}
		if !anonymous {
			o.User, o.Password = user, password
		}
		r := start(t, o)
		d := put(t)(r.PutImage("a", "v1", "seed"))
		c, _ := client(registry.Options{Keychain: login(r.Host())})
		if anonymous {
			c, _ = client(registry.Options{})
		}
		repo := ref(t, r.Host()+"/a")
		parallel(30, func(i int) {
			var err error
			if i%2 == 0 {
				err = pushManifest(t, c, repo, "v2")
			} else {
				_, err = c.Manifest(t.Context(), repo, d.Digest.String())
			}
			if err != nil {
				t.Error(err)
			}
		})
		if n := count(r); n["token 200"] > 2 || n["manifests 200"] != 15 || n["manifests 201"] != 15 || n["manifests 401"] > 1 || n["ping 401"] > 1 {
			t.Errorf("anonymous %t: requests %v", anonymous, n)
		}
	}
}

// That a blob is there, or that there is a token, says nothing of pushing.
func TestCheckPush(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{Tokens: true})
	repo := ref(t, r.Host()+"/a")
	for range 2 {
		r.Reset(0)
		c, _ := client(registry.Options{})
		parallel(5, func(int) {
			if err := c.CheckPush(t.Context(), repo); err != nil {
				t.Error(err)
			}
		})
		if err := pushBlob(t, c, repo, "{}"); err != nil {
			t.Fatal(err)
		}
		wantPushes(t, r, "POST "+uploads+" 401", "GET "+pushTokenURI("a")+" 200", "POST "+uploads+" 202", "PUT "+uploadURI("{}")+" 201")
	}
	r = start(t, registrytest.Options{Tokens: true, NoPush: true})
	put(t)(r.PutBlob("a", "", []byte("{}")))
	c, _ := client(registry.Options{})
	for range 2 {
		err := c.CheckPush(t.Context(), ref(t, r.Host()+"/a"))
		wantErr(t, err, verify.Denied, registry.ErrDenied)
	}
}

func TestPushDenied(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options registrytest.Options
		login   bool
	}{
		"tokens for pulling only":         {registrytest.Options{Tokens: true, NoPush: true}, false},
		"tokens for pulling only, by us":  {registrytest.Options{Tokens: true, NoPush: true, User: user, Password: password}, true},
		"account for pulling only, basic": {registrytest.Options{NoPush: true, User: user, Password: password}, true},
		"nobody":                          {registrytest.Options{Tokens: true, User: user, Password: password}, false},
		"nobody, basic":                   {registrytest.Options{User: user, Password: password}, false},
		"wrong password":                  {registrytest.Options{Tokens: true, User: user, Password: "other"}, true},
		"wrong password, basic":           {registrytest.Options{User: user, Password: "other"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, tc.options)
			var o registry.Options
			if tc.login {
				o.Keychain = login(r.Host())
			}
			c, sleeps := client(o)
			repo := ref(t, r.Host()+"/a")
			for what, err := range map[string]error{
				"blob": pushBlob(t, c, repo, blob), "manifest": pushManifest(t, c, repo, "v1"), "check": c.CheckPush(t.Context(), repo),
			} {
				wantErr(t, err, verify.Denied, registry.ErrDenied)
				if hint := hintOf(t, err, r.Host()); !strings.Contains(hint, "repository:pull,push") {
					t.Errorf("%s: hint %q", what, hint)
				}
			}
			if len(sleeps.all()) != 0 || count(r)["manifests 201"] != 0 {
				t.Errorf("waits %v, requests %v", sleeps.all(), r.Requests())
			}
			// Whoever may not push may still read.
			if tc.options.NoPush {
				d := put(t)(r.PutImage("a", "v2", "seed"))
				if _, err := c.Manifest(t.Context(), repo, d.Digest.String()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func hintOf(t *testing.T, err error, host string) string {
	t.Helper()
	e := explained(t, registry.Explain("sign", host, err))
	return e.Hint
}

func explained(t *testing.T, err error) *verify.Error {
	t.Helper()
	e, ok := err.(*verify.Error) //nolint:errorlint // it is what Explain makes
	if !ok {
		t.Fatalf("%T", err)
	}
	return e
}

// A writes is one kind of write and the requests it consists of.
type writes struct {
	name  string
	write func(t *testing.T, c *registry.Client, repo image.Ref) error
	parts []registrytest.Fault // which request of it
}

func allWrites() []writes {
	const head, post, putBlob, putManifest = "/blobs/sha256:", "/blobs/uploads/", "/blobs/uploads/", "/manifests/"
	return []writes{
		{
			"blob", func(t *testing.T, c *registry.Client, repo image.Ref) error { return pushBlob(t, c, repo, blob) },
			[]registrytest.Fault{{Method: "HEAD", Path: head}, {Method: "POST", Path: post}, {Method: "PUT", Path: putBlob}},
		},
		{
			"manifest", func(t *testing.T, c *registry.Client, repo image.Ref) error {
				return pushManifest(t, c, repo, registrytest.Digest([]byte(manifest)))
			}, []registrytest.Fault{{Method: "PUT", Path: putManifest}},
		},
		{
			"tag", func(t *testing.T, c *registry.Client, repo image.Ref) error { return pushManifest(t, c, repo, "v1") },
			[]registrytest.Fault{{Method: "PUT", Path: putManifest}},
		},
		{
			"check", func(t *testing.T, c *registry.Client, repo image.Ref) error { return c.CheckPush(t.Context(), repo) },
			[]registrytest.Fault{{Method: "POST", Path: post}, {Method: "PUT", Path: putBlob}},
		},
		{
			"update", func(t *testing.T, c *registry.Client, repo image.Ref) error {
				return c.Update(t.Context(), repo, "v1", func(*registry.Manifest) ([]byte, string, func(registry.Manifest) bool, error) {
					return []byte(manifest), ocispec.MediaTypeImageManifest, func(m registry.Manifest) bool { return string(m.Body) == manifest }, nil
				})
			}, []registrytest.Fault{{Method: "GET", Path: putManifest}, {Method: "PUT", Path: putManifest}},
		},
	}
}

// Each request of each write is repeated where that may help, and where it does
// not, the error says what was asked of whom.
func TestPushFaults(t *testing.T) {
	t.Parallel()
	for _, w := range allWrites() {
		for _, part := range w.parts {
			for name, tc := range map[string]struct {
				fault registrytest.Fault
				kinds []error // nil: it is done in the end
				waits int     // between attempts
				says  string
			}{
				"500 once":           {fault: registrytest.Fault{Status: 500, Times: 1}, waits: 1},
				"502 three times":    {fault: registrytest.Fault{Status: 502, Times: 3}, waits: 3},
				"425 once":           {fault: registrytest.Fault{Status: 425, Times: 1}, waits: 1},
				"connection reset":   {fault: registrytest.Fault{Reset: true, Times: 1}, waits: 1},
				"503 for good":       {registrytest.Fault{Status: 503}, []error{registry.ErrUnavailable}, 3, "503 Service Unavailable"},
				"always reset":       {registrytest.Fault{Reset: true}, []error{registry.ErrUnavailable}, 3, "EOF"},
				"no answer at all":   {registrytest.Fault{Hang: time.Hour, Times: 1}, nil, 1, ""},
				"denied":             {registrytest.Fault{Status: 403}, []error{registry.ErrDenied}, 0, "403 Forbidden"},
				"not known":          {registrytest.Fault{Status: 501}, []error{registry.ErrUnavailable}, 0, "501 Not Implemented"},
				"bad request":        {registrytest.Fault{Status: 400, Detail: `{"errors":[{"code":"NAME_INVALID","message":"in its words"}]}`}, []error{registry.ErrUnavailable}, 0, "400 Bad Request"},
				"redirect in circle": {registrytest.Fault{Redirect: "="}, []error{registry.ErrUnavailable}, 0, "more than 5 redirects"},
			} {
				t.Run(w.name+" "+part.Method+" "+name, func(t *testing.T) {
					t.Parallel()
					r := start(t, registrytest.Options{Tokens: true})
					f := tc.fault
					f.Method, f.Path = part.Method, part.Path
					r.Break(f)
					o := registry.Options{}
					if f.Hang > 0 {
						o.Attempt = attempt
					}
					c, sleeps := client(o)
					err := w.write(t, c, ref(t, r.Host()+"/a"))
					waits := sleeps.all()
					if w.name == "update" && err == nil {
						waits = waits[:len(waits)-1] // before looking again
					}
					if len(waits) != tc.waits {
						t.Errorf("waits %v, want %d", waits, tc.waits)
					}
					if tc.kinds == nil {
						if err != nil {
							t.Error(err)
						}
						return
					}
					wantErr(t, err, registry.Reason(tc.kinds[0]), tc.kinds...)
					if err == nil || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), r.Host()+"/a") {
						t.Errorf("%q does not say %q and who", err, tc.says)
					}
					if f.Detail != "" && part.Method != "HEAD" && !strings.Contains(err.Error(), "in its words") {
						t.Errorf("%q does not say what the registry said", err)
					}
				})
			}
		}
	}
}

// How long to wait is the registry's to say, within --timeout.
func TestPushRetryAfter(t *testing.T) {
	t.Parallel()
	for _, w := range allWrites() {
		for _, part := range w.parts {
			t.Run(w.name+" "+part.Method, func(t *testing.T) {
				t.Parallel()
				r := start(t, registrytest.Options{})
				part.Status, part.RetryAfter, part.Times = 429, "7", 1
				r.Break(part)
				c, sleeps := client(registry.Options{})
				if err := w.write(t, c, ref(t, r.Host()+"/a")); err != nil {
					t.Fatal(err)
				}
				if all := sleeps.all(); all[0] != 7*time.Second {
					t.Errorf("waits %v", all)
				}
			})
		}
	}
	// Where it is too long, or all of them are, it is not waited for.
	for _, tc := range []struct {
		after   string
		timeout time.Duration
		waits   int
		says    string
	}{
		{"15", 10 * time.Second, 0, "longer than --timeout leaves"},
		{"21", time.Hour, 0, "the wait of 21s that it asks for is too long"},
		{"3600", time.Hour, 0, "the wait of 1h0m0s that it asks for is too long"},
		{"9", time.Hour, 2, "the wait of 9s that it asks for is too long"},
	} {
		r := start(t, registrytest.Options{})
		r.Break(registrytest.Fault{Method: "PUT", Status: 429, RetryAfter: tc.after})
		ctx, cancel := context.WithTimeout(t.Context(), tc.timeout)
		c, sleeps := client(registry.Options{})
		_, err := c.PushManifest(ctx, ref(t, r.Host()+"/a"), "v1", "m", []byte(manifest))
		cancel()
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
		if len(sleeps.all()) != tc.waits || err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("Retry-After %s: waits %v: %v", tc.after, sleeps.all(), err)
		}
	}
}

// An upload that the registry has lost is begun anew, whole.
func TestUploadLost(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{})
	r.Break(registrytest.Fault{Method: "PUT", Path: uploads, Status: 404, Times: 1, Detail: `{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}`})
	c, sleeps := client(registry.Options{})
	if err := pushBlob(t, c, ref(t, r.Host()+"/a"), blob); err != nil {
		t.Fatal(err)
	}
	wantPushes(t, r, "HEAD "+blobURI(blob)+" 404", "POST "+uploads+" 202", "PUT "+uploadURI(blob)+" 404",
		"POST "+uploads+" 202", "PUT "+uploadURI(blob)+" 201")
	if len(sleeps.all()) != 1 {
		t.Errorf("waits %v", sleeps.all())
	}
	r.Break(registrytest.Fault{Method: "PUT", Path: uploads, Status: 404})
	err := pushBlob(t, c, ref(t, r.Host()+"/a"), "other")
	wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
}

// A token that is no longer good costs a new one; what is sent with the new one is
// the whole body again.
func TestPushTokenExpires(t *testing.T) {
	t.Parallel()
	for _, w := range allWrites() {
		part := w.parts[len(w.parts)-1]
		r := start(t, registrytest.Options{Tokens: true})
		part.Status, part.Times = 401, 1
		part.Detail = strings.Repeat("x", 100<<10)
		c, sleeps := client(registry.Options{})
		repo := ref(t, r.Host()+"/a")
		if err := pushManifest(t, c, repo, "other"); err != nil {
			t.Fatal(err)
		}
		part.Header = map[string]string{"WWW-Authenticate": `Bearer realm="http://` + r.Host() + `/token",service="test",scope="repository:a:pull,push"`}
		r.Reset(0)
		r.Break(part)
		if err := w.write(t, c, repo); err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
		waits := len(sleeps.all())
		if w.name == "update" {
			waits-- // before looking again
		}
		if n := count(r); n["token 200"] != 1 || waits != 0 {
			t.Errorf("%s: requests %v, waits %v", w.name, n, sleeps.all())
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// What sends one request twice sends the same twice. net/http recovers from less
// over HTTP/1, if nothing was written yet, and not over HTTP/2.
func TestRewinding(t *testing.T) {
	t.Parallel()
	var got []string
	rt := registry.Rewinding(roundTripper(func(req *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(req.Body)
		got = append(got, string(body))
		return &http.Response{Body: http.NoBody}, err
	}))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://registry.test/", strings.NewReader(blob))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if !slices.Equal(got, []string{blob, blob}) {
		t.Errorf("sent %q", got)
	}
}

// Some registries are open to readers, and speak of credentials only to those who
// push.
func TestPushMixed(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{true, false} {
		var (
			mu     sync.Mutex
			log    []string
			server *httptest.Server
		)
		server = serve(t, func(w http.ResponseWriter, req *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			body, _ := io.ReadAll(req.Body)
			sent := req.Header.Get("Authorization")
			switch {
			case req.URL.Path == "/token":
				log = append(log, "token "+req.URL.Query().Get("scope")+" "+strings.Fields(sent + " -")[0])
				_, _ = io.WriteString(w, `{"token":"t"}`)
			case req.Method == http.MethodPut && sent != "Bearer t":
				log = append(log, "refused "+strings.Fields(sent + " -")[0])
				w.Header().Set("WWW-Authenticate", `Bearer realm="`+server.URL+`/token",service="test"`)
				w.WriteHeader(http.StatusUnauthorized)
			case req.Method == http.MethodPut:
				log = append(log, "put "+string(body))
				w.WriteHeader(http.StatusCreated)
			default:
				log = append(log, "read")
				_, _ = io.WriteString(w, manifest)
			}
		})
		c, sleeps := client(registry.Options{})
		want := []string{"read", "refused -", "token repository:a:pull,push -", "put " + manifest, "put " + manifest}
		if known {
			c, sleeps = client(registry.Options{Keychain: login(hostOf(server))})
			want = []string{"read", "read", "refused Basic", "token repository:a:pull,push Basic", "put " + manifest, "put " + manifest} // GET /v2/ is the first
		}
		repo := ref(t, hostOf(server)+"/a")
		if _, err := c.Manifest(t.Context(), repo, "v1"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := pushManifest(t, c, repo, "v1"); err != nil {
				t.Fatal(err)
			}
		}
		mu.Lock()
		if !slices.Equal(log, want) || len(sleeps.all()) != 0 {
			t.Errorf("waits %v, requests\n%s\nwant\n%s", sleeps.all(), strings.Join(log, "\n"), strings.Join(want, "\n"))
		}
		mu.Unlock()
	}
}

// Where only some repositories want credentials, one of those is pushed to with
// another token than it was read with.
func TestPushMixedRepositories(t *testing.T) {
	t.Parallel()
	var server *httptest.Server
	server = serve(t, func(w http.ResponseWriter, req *http.Request) {
		scope := "repository:b:pull"
		if req.Method == http.MethodPut {
			scope += ",push"
		}
		switch {
		case req.URL.Path == "/token":
			_, _ = fmt.Fprintf(w, `{"token":%q}`, req.URL.Query().Get("scope"))
		case strings.HasPrefix(req.URL.Path, "/v2/b/") && req.Header.Get("Authorization") != "Bearer "+scope:
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+server.URL+`/token",service="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		case req.Method == http.MethodPut:
			w.WriteHeader(http.StatusCreated)
		default:
			_, _ = io.WriteString(w, manifest)
		}
	})
	c, _ := client(registry.Options{})
	for _, repo := range []string{"/open", "/b"} {
		if _, err := c.Manifest(t.Context(), ref(t, hostOf(server)+repo), "v1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := pushManifest(t, c, ref(t, hostOf(server)+"/b"), "v1"); err != nil {
		t.Fatal(err)
	}
	if c.Requests() != 1+3+2 {
		t.Errorf("%d requests", c.Requests())
	}
}

// A registry that says to have stored something else has not stored this.
func TestPushWrongDigest(t *testing.T) {
	t.Parallel()
	for _, w := range allWrites() {
		part := w.parts[len(w.parts)-1]
		for _, says := range []string{anyDigest, "sha256:x", `<script>`} {
			r := start(t, registrytest.Options{})
			part.Header = map[string]string{"Docker-Content-Digest": says}
			r.Break(part)
			c, sleeps := client(registry.Options{})
			err := w.write(t, c, ref(t, r.Host()+"/a"))
			wantErr(t, err, verify.Unavailable, registry.ErrUnavailable, registry.ErrCorrupt)
			if len(sleeps.all()) != 0 {
				t.Errorf("%s: waits %v", w.name, sleeps.all())
			}
		}
	}
}

// What a registry says to have done, other than by 201, it has to name.
func TestPushStored(t *testing.T) {
	t.Parallel()
	digest := registrytest.Digest([]byte(manifest))
	for _, tc := range []struct {
		status int
		says   string
		ok     bool
	}{
		{201, "", true},
		{201, digest, true},
		{200, digest, true},
		{202, digest, true},
		{204, digest, true},
		{200, "", false}, // a page of somebody else
		{202, "", false},
		{204, "", false},
		{206, "", false},
		{201, anyDigest, false},
		{200, anyDigest, false},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if tc.says != "" {
				w.Header().Set("Docker-Content-Digest", tc.says)
			}
			w.WriteHeader(tc.status)
		})
		c, _ := client(registry.Options{})
		err := pushManifest(t, c, ref(t, hostOf(s)+"/a"), "v1")
		if (err == nil) != tc.ok {
			t.Errorf("%d %q: %v", tc.status, tc.says, err)
		}
		if err != nil {
			wantErr(t, err, verify.Unavailable, registry.ErrUnavailable, registry.ErrCorrupt)
		}
	}
}

// A HEAD that does not show the blob is no reason not to send it.
func TestPushBlobThere(t *testing.T) {
	t.Parallel()
	elsewhere := serve(t, func(w http.ResponseWriter, req *http.Request) { w.WriteHeader(http.StatusForbidden) })
	for name, tc := range map[string]struct {
		fault registrytest.Fault
		sent  bool
	}{
		"there":              {registrytest.Fault{}, false},
		"other size":         {registrytest.Fault{Header: map[string]string{"Content-Length": "1"}}, true},
		"other digest":       {registrytest.Fault{Header: map[string]string{"Docker-Content-Digest": anyDigest}}, true},
		"store refuses HEAD": {registrytest.Fault{Redirect: elsewhere.URL + "/store"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, registrytest.Options{})
			put(t)(r.PutBlob("a", "", []byte(blob)))
			tc.fault.Method = "HEAD"
			r.Break(tc.fault)
			c, _ := client(registry.Options{})
			if err := pushBlob(t, c, ref(t, r.Host()+"/a"), blob); err != nil {
				t.Fatal(err)
			}
			if got := len(r.Requests()) == 3; got != tc.sent {
				t.Errorf("requests %v", r.Requests())
			}
		})
	}
}

// A strange is a server that is not the registry. It remembers what it got.
type strange struct {
	server *httptest.Server
	mu     sync.Mutex
	log    []string
	bodies []string
}

func stranger(t *testing.T, answer http.HandlerFunc) *strange {
	t.Helper()
	s := &strange{}
	s.server = serve(t, func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		s.mu.Lock()
		s.log = append(s.log, strings.TrimSpace(req.Method+" "+req.URL.Path+" "+req.Header.Get("Authorization")))
		s.bodies = append(s.bodies, string(body))
		s.mu.Unlock()
		answer(w, req)
	})
	return s
}

func (s *strange) all() (log, bodies []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log), slices.Clone(s.bodies)
}

// Where a registry redirects to gets what was to be stored, and no credentials.
func TestPushRedirected(t *testing.T) {
	t.Parallel()
	for _, tokens := range []bool{true, false} {
		other := stranger(t, func(w http.ResponseWriter, req *http.Request) { w.WriteHeader(http.StatusCreated) })
		r := start(t, registrytest.Options{Tokens: tokens, User: user, Password: password})
		r.Break(registrytest.Fault{Method: "PUT", Redirect: other.server.URL + "/store"})
		c, _ := client(registry.Options{Keychain: login(r.Host())})
		repo := ref(t, r.Host()+"/a")
		if err := pushBlob(t, c, repo, blob); err != nil {
			t.Fatal(err)
		}
		if err := pushManifest(t, c, repo, "v1"); err != nil {
			t.Fatal(err)
		}
		log, bodies := other.all()
		if !slices.Equal(log, []string{"PUT /store", "PUT /store"}) || !slices.Equal(bodies, []string{blob, manifest}) {
			t.Errorf("tokens %t: the other host got %q with %q", tokens, log, bodies)
		}
	}
}

// A redirect that turns a write into a question writes nothing.
func TestPushRedirectedAsGet(t *testing.T) {
	t.Parallel()
	other := stranger(t, func(w http.ResponseWriter, req *http.Request) { w.WriteHeader(http.StatusCreated) })
	for _, status := range []int{301, 302, 303} {
		for _, method := range []string{"POST", "PUT"} {
			s := serve(t, func(w http.ResponseWriter, req *http.Request) {
				switch req.Method {
				case method:
					w.Header().Set("Location", other.server.URL+"/page?X-Signature=secret")
					w.WriteHeader(status)
				case http.MethodPost:
					w.Header().Set("Location", uploads+"1")
					w.WriteHeader(http.StatusAccepted)
				default:
					w.WriteHeader(http.StatusNotFound)
				}
			})
			c, sleeps := client(registry.Options{})
			err := pushBlob(t, c, ref(t, hostOf(s)+"/a"), blob)
			wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
			if len(sleeps.all()) != 0 {
				t.Errorf("waits %v", sleeps.all())
			}
		}
	}
	if log, _ := other.all(); len(log) != 0 {
		t.Errorf("the other host was asked %q", log)
	}
}

// An upload goes on where it began: neither bytes nor credentials go to a host
// that the registry only names.
func TestUploadLocation(t *testing.T) {
	t.Parallel()
	other := stranger(t, func(w http.ResponseWriter, req *http.Request) { w.WriteHeader(http.StatusCreated) })
	digest := url.QueryEscape(registrytest.Digest([]byte(blob)))
	for name, tc := range map[string]struct {
		location string // HOST is the registry
		want     string // "" is an error
	}{
		"path":            {uploads + "1", uploads + "1?digest=" + digest},
		"relative":        {"7", uploads + "7?digest=" + digest},
		"absolute":        {"http://HOST/up/1", "/up/1?digest=" + digest},
		"query":           {"/up/1?_state=a%2Bb%3D%3D", "/up/1?_state=a%2Bb%3D%3D&digest=" + digest},
		"fragment":        {"/up/1#x", "/up/1?digest=" + digest},
		"their digest":    {"/up/1?digest=sha256:x", "/up/1?digest=" + digest},
		"none":            {"", ""},
		"no address":      {"http://%zz/", ""},
		"other host":      {other.server.URL + "/up/1?X-Signature=secret", ""},
		"without scheme":  {"//" + hostOf(other.server) + "/up/1", ""},
		"other port":      {"http://127.0.0.1:1/up/1", ""},
		"other scheme":    {"https://HOST/up/1", ""},
		"no host":         {"file:///etc/passwd", ""},
		"opaque":          {"mailto:a@b", ""},
		"somebody's name": {"http://robot:" + password + "@HOST/up/1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var got string
			var server *httptest.Server
			server = serve(t, func(w http.ResponseWriter, req *http.Request) {
				switch {
				case req.URL.Path == "/v2/" || req.Header.Get("Authorization") == "":
					w.Header().Set("WWW-Authenticate", "Basic")
					w.WriteHeader(http.StatusUnauthorized)
				case req.Method == http.MethodPost:
					if tc.location != "" {
						w.Header().Set("Location", strings.ReplaceAll(tc.location, "HOST", hostOf(server)))
					}
					w.WriteHeader(http.StatusAccepted)
				case req.Method == http.MethodPut:
					body, _ := io.ReadAll(req.Body)
					mu.Lock()
					got = req.URL.RequestURI()
					mu.Unlock()
					if string(body) != blob || req.Header.Get("Content-Type") != "application/octet-stream" || req.ContentLength != int64(len(blob)) {
						t.Errorf("%q, %v", body, req.Header)
					}
					w.WriteHeader(http.StatusCreated)
				default:
					w.WriteHeader(http.StatusNotFound)
				}
			})
			c, sleeps := client(registry.Options{Keychain: login(hostOf(server))})
			err := pushBlob(t, c, ref(t, hostOf(server)+"/a"), blob)
			mu.Lock()
			defer mu.Unlock()
			if got != tc.want || (err == nil) != (tc.want != "") || len(sleeps.all()) != 0 {
				t.Errorf("put to %q, %v, waits %v; want %q", got, err, sleeps.all(), tc.want)
			}
			if err != nil && tc.location != "" {
				if tc.want == "" && !strings.Contains(err.Error(), "push blob "+hostOf(server)) {
					t.Errorf("%q does not name the registry", err)
				}
				wantNoSecret(t, err)
			}
		})
	}
	t.Cleanup(func() {
		if log, _ := other.all(); len(log) != 0 {
			t.Errorf("the other host was asked %q", log)
		}
	})
}

// An upload that the registry redirects goes on at the other host, without
// credentials, whatever that host asks for.
func TestUploadRedirected(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		location string // OTHER is the other host, HOST the registry
		status   int    // of the other host to the bytes
		ok       bool
		log      []string
	}{
		"goes on there":          {"/up/1", 201, true, []string{"POST /begin", "PUT /up/1"}},
		"by its name":            {"http://OTHER/up/1", 201, true, []string{"POST /begin", "PUT /up/1"}},
		"wants credentials":      {"/up/1", 401, false, []string{"POST /begin", "PUT /up/1"}},
		"sends back":             {"http://HOST/v2/b/blobs/uploads/1", 201, false, []string{"POST /begin"}},
		"sends to somebody else": {"http://127.0.0.1:1/", 201, false, []string{"POST /begin"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, tokens := range []bool{true, false} {
				var other *strange
				r := start(t, registrytest.Options{Tokens: tokens, User: user, Password: password})
				other = stranger(t, func(w http.ResponseWriter, req *http.Request) {
					if req.Method == http.MethodPost {
						w.Header().Set("Location", strings.NewReplacer("OTHER", req.Host, "HOST", r.Host()).Replace(tc.location))
						w.WriteHeader(http.StatusAccepted)
						return
					}
					w.Header().Set("WWW-Authenticate", `Basic realm="give"`)
					if tokens {
						w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+req.Host+`/token",service="give"`)
					}
					w.WriteHeader(tc.status)
				})
				r.Break(registrytest.Fault{Method: "POST", Redirect: other.server.URL + "/begin"})
				c, _ := client(registry.Options{Keychain: login(r.Host())})
				err := pushBlob(t, c, ref(t, r.Host()+"/a"), blob)
				if (err == nil) != tc.ok {
					t.Error(err)
				}
				wantNoSecret(t, err)
				if log, _ := other.all(); !slices.Equal(log, tc.log) {
					t.Errorf("tokens %t: the other host got %q, want %q", tokens, log, tc.log)
				}
				for _, q := range r.Requests() {
					if strings.HasPrefix(q.URI, "/v2/b/") {
						t.Errorf("%s is of the other host's making", q)
					}
				}
			}
		})
	}
}

// Why something was not taken is said in words, and so is what to do.
func TestPushRefused(t *testing.T) {
	t.Parallel()
	body := func(code, message string) string {
		return fmt.Sprintf(`{"errors":[{"code":%q,"message":%q}]}`, code, message)
	}
	for name, tc := range map[string]struct {
		status int
		body   string
		kinds  []error
		says   string
		hint   string
	}{
		"read-only: distribution":  {405, body("UNSUPPORTED", "The operation is unsupported."), []error{registry.ErrUnavailable, registry.ErrReadOnly}, "nothing can be pushed there", "--signature-repository"},
		"read-only: code":          {400, body("UNSUPPORTED", ""), []error{registry.ErrUnavailable, registry.ErrReadOnly}, "nothing can be pushed there", "--signature-repository"},
		"read-only: Harbor":        {403, body("DENIED", "The system is in read only mode. Any modification is prohibited."), []error{registry.ErrDenied, registry.ErrReadOnly}, "nothing can be pushed there", "--signature-repository"},
		"immutable: ECR":           {400, body("TAG_INVALID", "The image tag 'v1' already exists in the 'a' repository and cannot be overwritten because the repository is immutable."), []error{registry.ErrUnavailable, registry.ErrImmutable}, "the tag must not be changed", "begin with sha256-"},
		"immutable: Harbor":        {412, body("PRECONDITION", "Failed to process request due to 'a:v1' configured as immutable."), []error{registry.ErrUnavailable, registry.ErrImmutable}, "the tag must not be changed", "begin with sha256-"},
		"immutable: 409":           {409, "", []error{registry.ErrUnavailable, registry.ErrImmutable}, "409 Conflict", "begin with sha256-"},
		"quota: Harbor":            {403, body("DENIED", "Quota exceeded when processing the request of adding 1 MiB"), []error{registry.ErrDenied, registry.ErrQuota}, "no room left", "quota"},
		"quota: 507":               {507, "", []error{registry.ErrUnavailable, registry.ErrQuota}, "no room left", "quota"},
		"too large":                {413, "<html>nginx</html>", []error{registry.ErrUnavailable, registry.ErrTooLarge}, "413 Request Entity Too Large", "take larger uploads"},
		"no such repository":       {404, body("NAME_UNKNOWN", "The repository with name 'a' does not exist"), []error{registry.ErrNotFound}, "404 Not Found", "create the repository first"},
		"incomplete":               {404, body("MANIFEST_UNKNOWN", "Sub-manifest not found"), []error{registry.ErrUnavailable, registry.ErrIncomplete}, "lists what the registry does not have", "look at what the tag leads to"},
		"incomplete: distribution": {400, body("MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"), []error{registry.ErrUnavailable, registry.ErrIncomplete}, "lists what the registry does not have", "look at what the tag leads to"},
		"no permission":            {403, body("DENIED", "permission_denied: write_package"), []error{registry.ErrDenied}, "write_package", "repository:pull,push"},
		"quotes the request":       {403, body("DENIED", "Authorization: Basic cm9ib3Q6c2VjcmV0"), []error{registry.ErrDenied}, "***", "repository:pull,push"},
		"manifest is not to taste": {400, body("MANIFEST_INVALID", "manifest invalid"), []error{registry.ErrUnavailable}, "MANIFEST_INVALID", "run it again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, registrytest.Options{})
			r.Break(registrytest.Fault{Method: "PUT", Path: "/manifests/", Status: tc.status, Detail: tc.body})
			c, sleeps := client(registry.Options{})
			err := pushManifest(t, c, ref(t, r.Host()+"/a"), "v1")
			kinds := []error{registry.ErrReadOnly, registry.ErrImmutable, registry.ErrQuota, registry.ErrIncomplete}
			for _, k := range kinds {
				if got, want := errors.Is(err, k), slices.Contains(tc.kinds, k); got != want {
					t.Errorf("errors.Is(%q, %q) = %t", err, k, got)
				}
			}
			wantErr(t, err, registry.Reason(tc.kinds[0]), slices.DeleteFunc(slices.Clone(tc.kinds), func(k error) bool { return slices.Contains(kinds, k) })...)
			if err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%q does not say %q", err, tc.says)
			}
			if hint := hintOf(t, err, r.Host()); !strings.Contains(hint, tc.hint) {
				t.Errorf("hint %q does not say %q", hint, tc.hint)
			}
			if len(sleeps.all()) != 0 {
				t.Errorf("waits %v", sleeps.all())
			}
		})
	}
	// What may pass is no refusal, whatever it is called.
	r := start(t, registrytest.Options{})
	r.Break(registrytest.Fault{Method: "PUT", Status: 429, Detail: body("TOOMANYREQUESTS", "rate limit exceeded")})
	c, _ := client(registry.Options{})
	err := pushManifest(t, c, ref(t, r.Host()+"/a"), "v1")
	if hint := hintOf(t, err, r.Host()); errors.Is(err, registry.ErrQuota) || !strings.Contains(hint, "rate limit") {
		t.Errorf("%v: hint %q", err, hint)
	}
	if hint := hintOf(t, registry.Pushing(&registry.Error{Kind: registry.ErrDenied}), "ghcr.io"); !strings.Contains(hint, "`packages: write`") || !strings.Contains(hint, "pull,push") {
		t.Errorf("hint for ghcr.io: %q", hint)
	}
	if hint := hintOf(t, &registry.Error{Kind: registry.ErrDenied}, "ghcr.io"); !strings.Contains(hint, "`packages: read`") {
		t.Errorf("hint for reading ghcr.io: %q", hint)
	}
}

// Nothing is sent that would not be read, or is not what it is called.
func TestPushBounds(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{})
	c, _ := client(registry.Options{})
	repo := ref(t, r.Host()+"/a")
	if !raced {
		_, err := c.PushBlob(t.Context(), repo, "x", make([]byte, registry.MaxBlob+1))
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable, registry.ErrTooLarge)
		if hint := hintOf(t, err, r.Host()); !strings.Contains(hint, "32 MiB") {
			t.Errorf("hint %q", hint)
		}
	}
	_, err := c.PushManifest(t.Context(), repo, "v1", "x", bytes.Repeat([]byte(" "), 4<<20+1))
	wantErr(t, err, verify.Unavailable, registry.ErrUnavailable, registry.ErrTooLarge)
	_, err = c.PushManifest(t.Context(), repo, anyDigest, "x", []byte(manifest))
	wantErr(t, err, verify.Unavailable, registry.ErrUnavailable, registry.ErrCorrupt)
	for _, tag := range []string{"", "..", "../b/manifests/v1", "a/b", "a b", ".a", "-a", "v1?x=y", "v1#", strings.Repeat("a", 129), "ü", "sha256:x", "a:b"} {
		if _, err := c.PushManifest(t.Context(), repo, tag, "x", []byte(manifest)); err == nil {
			t.Errorf("pushed to tag %q", tag)
		}
		err := c.Update(t.Context(), repo, tag, func(*registry.Manifest) ([]byte, string, func(registry.Manifest) bool, error) {
			return []byte(manifest), "x", func(registry.Manifest) bool { return true }, nil
		})
		if err == nil {
			t.Errorf("changed tag %q", tag)
		}
	}
	wantLog(t, r)
}
