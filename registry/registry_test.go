package registry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

const (
	user     = "robot"
	password = "hunter2-secret"

	attempt = 300 * time.Millisecond // Options.Attempt where something hangs
)

// A clock stands in for Options.Sleep: it does not wait, and remembers for how
// long it should have.
type clock struct {
	mu    sync.Mutex
	waits []time.Duration
}

func (c *clock) sleep(_ context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = append(c.waits, d)
	return nil
}

func (c *clock) all() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.waits)
}

// client returns a Client that never sleeps.
func client(o registry.Options) (*registry.Client, *clock) {
	c := &clock{}
	if o.Sleep == nil {
		o.Sleep = c.sleep
	}
	return registry.New(o), c
}

func start(t *testing.T, o registrytest.Options) *registrytest.Registry {
	t.Helper()
	r := registrytest.Start(o)
	t.Cleanup(r.Close)
	return r
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func hostOf(s *httptest.Server) string {
	_, host, _ := strings.Cut(s.URL, "://")
	return host
}

func ref(t *testing.T, text string) image.Ref {
	t.Helper()
	r, err := image.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// put returns a function that fails the test where a push failed.
func put(t *testing.T) func(ocispec.Descriptor, error) ocispec.Descriptor {
	t.Helper()
	return func(d ocispec.Descriptor, err error) ocispec.Descriptor {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
}

// closed returns the address of a port that nothing listens on.
func closed(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the address is what is wanted
	return l.Addr().String()
}

// wantErr checks that err is of exactly these kinds, and of the Reason that
// goes with them.
func wantErr(t *testing.T, err error, reason verify.Reason, kinds ...error) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	for _, k := range []error{registry.ErrNotFound, registry.ErrDenied, registry.ErrUnavailable, registry.ErrTooLarge, registry.ErrCorrupt, registry.ErrMalformed, registry.ErrTooMany} {
		if got, want := errors.Is(err, k), slices.Contains(kinds, k); got != want {
			t.Errorf("errors.Is(%q, %q) = %t, want %t", err, k, got, want)
		}
	}
	if got := registry.Reason(err); got != reason {
		t.Errorf("Reason(%q) = %q, want %q", err, got, reason)
	}
	if errors.Is(err, registry.ErrNoReferrersAPI) {
		t.Errorf("%q is ErrNoReferrersAPI", err)
	}
	wantNoSecret(t, err)
}

// wantNoSecret checks the text of err and of whatever it wraps.
func wantNoSecret(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, s := range []string{password, "secret", "Signature", "scope=", "refresh_token", "Bearer "} {
		if strings.Contains(err.Error(), s) {
			t.Errorf("%T says %q: %q", err, s, err)
		}
	}
	switch e := err.(type) { //nolint:errorlint // each error of the chain is looked at by itself
	case interface{ Unwrap() error }:
		wantNoSecret(t, e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			wantNoSecret(t, err)
		}
	}
}

// wantLog checks the requests that r answered, each as "METHOD URI STATUS".
func wantLog(t *testing.T, r *registrytest.Registry, want ...string) {
	t.Helper()
	var got []string
	for _, q := range r.Requests() {
		got = append(got, q.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("requests\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// count returns how many requests r answered, by kind and status.
func count(r *registrytest.Registry) map[string]int {
	n := map[string]int{}
	for _, q := range r.Requests() {
		kind := "other"
		for _, k := range []string{"/token", "/manifests/", "/blobs/", "/referrers/"} {
			if strings.Contains(q.URI, k) {
				kind = strings.Trim(k, "/")
				break
			}
		}
		if q.URI == "/v2/" {
			kind = "ping"
		}
		n[fmt.Sprintf("%s %d", kind, q.Status)]++
	}
	return n
}

func tokenURI(repo string) string {
	return "/token?" + url.Values{"scope": {"repository:" + repo + ":pull"}, "service": {"test"}}.Encode()
}

// A keychain knows one user name and password for each of its hosts.
type keychain map[string]authn.AuthConfig

func (k keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if cfg, ok := k[r.RegistryStr()]; ok {
		return authn.FromConfig(cfg), nil
	}
	return authn.Anonymous, nil
}

func login(host string) keychain {
	return keychain{host: {Username: user, Password: password}}
}

// parallel runs f n times at once.
func parallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-begin
			f(i)
		})
	}
	close(begin)
	wg.Wait()
}

// A tunnel is an HTTP proxy through which every https address leads to one
// server. It logs what it is asked.
type tunnel struct {
	server *httptest.Server
	to     string

	mu  sync.Mutex
	log []string
}

func newTunnel(t *testing.T, to string) *tunnel {
	t.Helper()
	p := &tunnel{to: to}
	p.server = httptest.NewServer(p)
	t.Cleanup(p.server.Close)
	return p
}

func (p *tunnel) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	p.mu.Lock()
	p.log = append(p.log, strings.TrimSpace(req.Method+" "+req.RequestURI+" "+req.Header.Get("Authorization")))
	p.mu.Unlock()
	if req.Method != http.MethodConnect {
		w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
		_, _ = io.WriteString(w, "{}")
		return
	}
	in, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	out, err := new(net.Dialer).DialContext(req.Context(), "tcp", p.to)
	if err != nil {
		_ = in.Close()
		return
	}
	_, _ = io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		_, _ = io.Copy(out, in)
		_ = out.Close()
	}()
	_, _ = io.Copy(in, out)
	_ = in.Close()
}

func (p *tunnel) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.log)
}

// proxy sends every host but loopback ones through p.
func (p *tunnel) proxy(u *url.URL) (*url.URL, error) {
	if u.Hostname() == "127.0.0.1" {
		return nil, nil
	}
	return url.Parse(p.server.URL)
}
