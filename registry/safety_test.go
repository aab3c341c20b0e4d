package registry_test

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

// A store is the kind of host that registries redirect to.
type store struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string // URI and Authorization
}

func newStore(t *testing.T, h http.HandlerFunc) *store {
	t.Helper()
	s := &store{}
	s.Server = serve(t, func(w http.ResponseWriter, req *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, req.URL.RequestURI()+" "+strings.Join(req.Header["Authorization"], ","))
		s.mu.Unlock()
		h(w, req)
	})
	return s
}

func (s *store) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// Both hosts are 127.0.0.1, which net/http alone would take for the same.
func TestRedirectCarriesNoCredentials(t *testing.T) {
	t.Parallel()
	blob := []byte("what was signed")
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	for name, o := range map[string]registrytest.Options{
		"public": {}, "anonymous tokens": {Tokens: true},
		"tokens": {Tokens: true, User: user, Password: password}, "basic": {User: user, Password: password},
	} {
		for _, demand := range []string{"", "Basic", "Bearer"} {
			t.Run(name+" "+demand, func(t *testing.T) {
				t.Parallel()
				var s *store
				s = newStore(t, func(w http.ResponseWriter, req *http.Request) {
					switch {
					case req.URL.Path == "/token":
						_, _ = io.WriteString(w, `{"token":"of the store"}`)
						return
					case demand == "Basic":
						w.Header().Set("WWW-Authenticate", `Basic realm="store"`)
						w.WriteHeader(http.StatusUnauthorized)
						return
					case demand == "Bearer":
						w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.URL+`/token",service="store"`)
						w.WriteHeader(http.StatusUnauthorized)
						return
					}
					_, _ = w.Write(blob)
				})
				r := start(t, o)
				d := put(t)(r.PutBlob("app", "text/plain", blob))
				put(t)(r.PutImage("app", "v1", "seed"))
				opts := registry.Options{}
				if o.User != "" {
					opts.Keychain = login(r.Host())
				}
				c, _ := client(opts)
				r.Break(registrytest.Fault{Path: "/blobs/", Redirect: s.URL + "/store?X-Amz-Signature=secret"})
				for range 2 { // the first settles how to ask, the second knows
					if _, err := c.Resolve(t.Context(), ref(t, r.Host()+"/app:v1")); err != nil {
						t.Fatal(err)
					}
					got, err := c.Blob(t.Context(), ref(t, r.Host()+"/app"), d)
					if demand != "" {
						wantErr(t, err, verify.Denied, registry.ErrDenied)
					} else if err != nil || string(got) != string(blob) {
						t.Errorf("got %q, %v", got, err)
					}
				}
				if len(s.requests()) < 2 {
					t.Errorf("the store was asked %q", s.requests())
				}
				for _, q := range s.requests() {
					_, auth, _ := strings.Cut(q, " ")
					if auth != "" && (demand != "Bearer" || auth != "Bearer of the store") {
						t.Errorf("the store was sent %q", q)
					}
					if strings.Contains(q, basic) || strings.Contains(q, "for repository") {
						t.Errorf("credentials have left: %q", q)
					}
				}
			})
		}
	}
}

// The very first request may be the one that is redirected.
func TestFirstRequestRedirected(t *testing.T) {
	t.Parallel()
	s := newStore(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="store"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	r := start(t, registrytest.Options{})
	put(t)(r.PutImage("app", "v1", "seed"))
	r.Break(registrytest.Fault{Path: "/manifests/", Redirect: s.URL + "/store", Times: 1})
	c, _ := client(registry.Options{})
	_, err := c.Resolve(t.Context(), ref(t, r.Host()+"/app:v1"))
	wantErr(t, err, verify.Denied, registry.ErrDenied)
	if _, err := c.Resolve(t.Context(), ref(t, r.Host()+"/app:v1")); err != nil {
		t.Error(err)
	}
	if len(s.requests()) != 1 || len(r.Requests()) != 2 {
		t.Errorf("store %q, registry %v", s.requests(), r.Requests())
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		hops, requests int
		good           bool
	}{{0, 1, true}, {1, 2, true}, {5, 6, true}, {6, 6, false}, {1000, 6, false}} {
		s := newStore(t, func(w http.ResponseWriter, req *http.Request) {
			n := 0
			if _, err := fmt.Sscanf(req.URL.RawQuery, "secret=%d", &n); err != nil {
				n = 0
			}
			if n < tc.hops {
				http.Redirect(w, req, fmt.Sprintf("/hop?secret=%d", n+1), http.StatusTemporaryRedirect)
				return
			}
			_, _ = io.WriteString(w, "{}")
		})
		c, sleeps := client(registry.Options{})
		_, err := c.Manifest(t.Context(), ref(t, hostOf(s.Server)+"/app"), "v1")
		if tc.good {
			if err != nil {
				t.Error(err)
			}
		} else {
			wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
			if err != nil && !strings.Contains(err.Error(), "more than 5 redirects") {
				t.Errorf("%q does not say why", err)
			}
		}
		if len(s.requests()) != tc.requests || c.Requests() != tc.requests || len(sleeps.all()) != 0 {
			t.Errorf("%d hops: %d requests, %d counted, waits %v", tc.hops, len(s.requests()), c.Requests(), sleeps.all())
		}
	}
}

// serveTLS serves example.com over https, and returns Options that reach it
// there and trust it.
func serveTLS(t *testing.T, h http.HandlerFunc) (registry.Options, *tunnel) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	p := newTunnel(t, hostOf(s))
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return registry.Options{Roots: roots, Proxy: p.proxy}, p
}

func TestTLS(t *testing.T) {
	t.Parallel()
	o, p := serveTLS(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	c, _ := client(o)
	if _, err := c.Manifest(t.Context(), ref(t, "example.com/app"), "v1"); err != nil {
		t.Error(err)
	}
	if got := p.requests(); !slices.Equal(got, []string{"CONNECT example.com:443"}) {
		t.Errorf("the proxy was asked %q", got)
	}

	o.Roots = nil
	c, sleeps := client(o)
	_, err := c.Manifest(t.Context(), ref(t, "example.com/app"), "v1")
	wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) || len(sleeps.all()) != 0 { // it would be the same again
		t.Errorf("%v, waits %v", err, sleeps.all())
	}

	// A certificate for another name.
	o, _ = serveTLS(t, func(http.ResponseWriter, *http.Request) { t.Error("asked") })
	c, _ = client(o)
	_, err = c.Manifest(t.Context(), ref(t, "registry.test/app"), "v1")
	wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
}

func TestInsecure(t *testing.T) {
	t.Parallel()
	p := newTunnel(t, closed(t))
	c, _ := client(registry.Options{Proxy: p.proxy, Insecure: []string{"plain.test", "port.test:5000"}})
	for _, tc := range []struct {
		text string
		want []string
		good bool
	}{
		{"plain.test/app", []string{"GET http://plain.test/v2/app/manifests/v1"}, true},
		{"port.test:5000/app", []string{"GET http://port.test:5000/v2/app/manifests/v1"}, true},
		{"port.test/app", slices.Repeat([]string{"CONNECT port.test:443"}, 4), false},
		{"plain.test:5000/app", slices.Repeat([]string{"CONNECT plain.test:5000"}, 4), false},
	} {
		before := len(p.requests())
		_, err := c.Manifest(t.Context(), ref(t, tc.text), "v1")
		if (err == nil) != tc.good {
			t.Errorf("%s: %v", tc.text, err)
		}
		if got := p.requests()[before:]; !slices.Equal(got, tc.want) {
			t.Errorf("%s: the proxy was asked %q, want %q", tc.text, got, tc.want)
		}
	}
}

func TestProxyFails(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(*url.URL) (*url.URL, error){
		"refuses to say": func(*url.URL) (*url.URL, error) { return nil, errors.New("no such proxy") },
		"is not there":   func(*url.URL) (*url.URL, error) { return url.Parse("http://me:" + password + "@" + closed(t)) },
	} {
		c, _ := client(registry.Options{Proxy: f})
		_, err := c.Manifest(t.Context(), ref(t, "registry.test/app"), "v1")
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
	}
}

// Nothing that begins in https goes on in plain http: not an answer, and even
// less a password.
func TestNoWayOutOfHTTPS(t *testing.T) {
	t.Parallel()
	plain := newStore(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="store"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	challenge := func(w http.ResponseWriter, value string) {
		w.Header().Set("WWW-Authenticate", value)
		w.WriteHeader(http.StatusUnauthorized)
	}
	for name, tc := range map[string]struct {
		keychain keychain
		handler  http.HandlerFunc
	}{
		"a redirected request": {nil, func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, plain.URL+"/store?X-Amz-Signature=secret", http.StatusTemporaryRedirect)
		}},
		"a redirect to itself": {nil, func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, "http://example.com"+req.URL.Path, http.StatusTemporaryRedirect)
		}},
		"a redirected request with credentials": {login("example.com"), func(w http.ResponseWriter, req *http.Request) {
			if req.Header.Get("Authorization") == "" {
				challenge(w, `Basic realm="test"`)
				return
			}
			http.Redirect(w, req, plain.URL+"/store?X-Amz-Signature=secret", http.StatusTemporaryRedirect)
		}},
		"a redirected ping": {login("example.com"), func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, plain.URL+"/v2/", http.StatusTemporaryRedirect)
		}},
		"a realm": {login("example.com"), func(w http.ResponseWriter, _ *http.Request) {
			challenge(w, `Bearer realm="`+plain.URL+`/token",service="test"`)
		}},
		"a realm of its own": {login("example.com"), func(w http.ResponseWriter, _ *http.Request) {
			challenge(w, `Bearer realm="http://example.com/token",service="test"`)
		}},
		"a redirected token": {login("example.com"), func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == "/token" {
				http.Redirect(w, req, plain.URL+"/token?secret=1", http.StatusTemporaryRedirect)
				return
			}
			challenge(w, `Bearer realm="https://example.com/token",service="test"`)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, p := serveTLS(t, tc.handler)
			if tc.keychain != nil {
				o.Keychain = tc.keychain
			}
			c, _ := client(o)
			_, err := c.Manifest(t.Context(), ref(t, "example.com/app"), "v1")
			wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
			for _, q := range p.requests() {
				if q != "CONNECT example.com:443" {
					t.Errorf("sent %q", q)
				}
			}
		})
	}
	t.Cleanup(func() {
		if q := plain.requests(); len(q) != 0 {
			t.Errorf("the plain host was sent %q", q)
		}
	})
}

// No error repeats what would let its reader ask in our name.
func TestErrorsKeepSecrets(t *testing.T) {
	t.Parallel()
	nowhere := closed(t)
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	}
	bearer := func(realm, token string) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == "/token" {
				if strings.HasPrefix(token, "http") {
					redirect(token)(w, req)
					return
				}
				_, _ = io.WriteString(w, token)
				return
			}
			if realm == "" {
				realm = "http://" + req.Host + "/token?account=secret"
			}
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+realm+`",service="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
	for name, h := range map[string]http.HandlerFunc{
		"redirect to nowhere":         redirect("http://" + nowhere + "/b?X-Amz-Signature=secret"),
		"redirect with a fragment":    redirect("http://" + nowhere + "/b#access_token=secret"),
		"redirect with a user":        redirect("http://user:secret@" + nowhere + "/b"),
		"redirect with only a user":   redirect("http://secret@" + nowhere + "/b"),
		"redirect that is no URL":     redirect("http://" + nowhere + "/%zz?X-Amz-Signature=secret"),
		"redirect with quotes":        redirect(`http://` + nowhere + `/%zz?X-Amz="quoted secret"`),
		"redirect with spaces":        redirect("http://" + nowhere + "/%zz?X-Amz= spaced secret"),
		"redirect with a backslash":   redirect(`http://` + nowhere + `/%zz?X-Amz=\" secret`),
		"refused redirect":            redirect("ftp://user:secret@" + nowhere + "/b?X-Amz-Signature=secret"),
		"redirect that hangs up":      redirect("http://" + nowhere + "/b?" + strings.Repeat("secret", 1000)),
		"redirect to a bad port":      redirect("http://127.0.0.1:99999/b?X-Amz-Signature=secret"),
		"realm that is nowhere":       bearer("http://"+nowhere+"/token?account=secret", ""),
		"realm that is no URL":        bearer("http://%zz/token?account=secret", ""),
		"realm of another scheme":     bearer("ftp://user:secret@"+nowhere+"/token?account=secret", ""),
		"token service without token": bearer("", `{"refresh_token":"secret"}`),
		"token service without JSON":  bearer("", `secret`),
		"token service redirects":     bearer("", "http://127.0.0.1:1/token?code=secret"),
		"token service redirects far": bearer("", "ftp://user:secret@store.test/token?code=secret"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, k := range []bool{false, true} {
				s := serve(t, h)
				o := registry.Options{}
				if k {
					o.Keychain = login(hostOf(s))
				}
				c, _ := client(o)
				img := ref(t, hostOf(s)+"/app:v1")
				_, err := c.Resolve(t.Context(), img)
				wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
				if err != nil && (len(err.Error()) > 1500 || !strings.Contains(err.Error(), hostOf(s))) {
					t.Errorf("%q is of no use", err)
				}
				_, err = c.Referrers(t.Context(), img, anyDigest)
				wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
				if ue := (*url.Error)(nil); errors.As(err, &ue) {
					t.Errorf("%v still holds the URL", err)
				}
			}
		})
	}
}

func TestHints(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, tc := range []struct {
		registry string
		err      *registry.Error
		want     string
	}{
		{"quay.io", &registry.Error{Kind: registry.ErrNotFound, Status: 404}, "log in to quay.io"},
		{"quay.io", &registry.Error{Kind: registry.ErrDenied, Status: 401}, "log in to quay.io with"},
		{"ghcr.io", &registry.Error{Kind: registry.ErrDenied, Status: 403}, "packages: read"},
		{"docker.io", &registry.Error{Kind: registry.ErrDenied, Status: 401}, "do not exist"},
		{"quay.io", &registry.Error{Kind: registry.ErrUnavailable, Err: registry.ErrCorrupt}, "without a mirror"},
		{"quay.io", &registry.Error{Kind: registry.ErrUnavailable, Status: 429}, "rate limit"},
		{"quay.io", &registry.Error{Kind: registry.ErrUnavailable, Status: 503}, "run it again"},
	} {
		err := registry.Explain("resolve x", tc.registry, tc.err)
		var v *verify.Error
		if !errors.As(err, &v) || !strings.Contains(v.Hint, tc.want) || seen[v.Hint] || !errors.Is(err, tc.err.Kind) {
			t.Errorf("%v: hint %q", tc.err, v.Hint)
		}
		seen[v.Hint] = true
	}
	if got := registry.Reason(errors.New("other")); got != verify.Unavailable {
		t.Errorf("Reason of another error is %q", got)
	}
}
