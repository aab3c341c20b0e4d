package dct_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/internal/servicetest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// served is a world whose trust data a server has.
type served struct {
	*world
	server *dcttest.Server
	client *registry.Client
}

func serve(t *testing.T, o dcttest.ServerOptions, config authn.AuthConfig) served {
	t.Helper()
	w := newWorld(t, dcttest.Options{})
	s, err := dcttest.Serve(o, w.c)
	must(t, err)
	t.Cleanup(s.Down)
	out := served{world: w, server: s, client: client(s, config)}
	if s.CA == nil {
		w.config.Server, err = registry.ParseTrustServer(s.URL())
	} else {
		w.config.Server, err = registry.ParseTrustServer(s.URL(), s.CA)
	}
	must(t, err)
	return out
}

// client is one that has asked nothing yet.
func client(s *dcttest.Server, config authn.AuthConfig) *registry.Client {
	return registry.New(registry.Options{
		Keychain: keychain{s.Host(), config},
		Sleep:    func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
}

// A keychain knows one host.
type keychain struct {
	host   string
	config authn.AuthConfig
}

func (k keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if r.RegistryStr() != k.host || k.config == (authn.AuthConfig{}) {
		return authn.Anonymous, nil
	}
	return authn.FromConfig(k.config), nil
}

// asked returns what the server was asked since last time, in order: files of
// trust data without their digests, and other paths as they are.
func (s served) asked() []string {
	var out []string
	for _, r := range s.server.Requests() {
		path, _, _ := strings.Cut(r.Path, "?")
		if _, file, ok := strings.Cut(path, "/_trust/tuf/"); ok {
			path, _, _ = strings.Cut(file, ".")
		}
		out = append(out, path)
	}
	s.server.Reset()
	return out
}

// run verifies images in one run, all at once, and returns how many requests the
// client says that it took.
func (s served) run(t *testing.T, images ...image.Pinned) int {
	t.Helper()
	before := s.client.Requests()
	v, err := dct.NewSession(s.client, s.cache).Require(s.config)
	must(t, err)
	var wg sync.WaitGroup
	for _, img := range images {
		wg.Go(func() {
			if got := v.Verify(t.Context(), img); !got.Passed() {
				t.Errorf("%s: %s: %v", img, got.Reason(), got.Err())
			}
		})
	}
	wg.Wait()
	return s.client.Requests() - before
}

// TestRequests counts them: four files and one for each delegation that has
// signed something, and the timestamp alone where all else is remembered.
func TestRequests(t *testing.T) {
	t.Parallel()
	cold := []string{"root", "timestamp", "snapshot", "targets", "targets/releases", "targets/alice"}
	warm := []string{"timestamp"}
	for _, row := range []struct {
		name       string
		server     dcttest.ServerOptions
		config     authn.AuthConfig
		cold, warm []string
	}{
		{name: "anybody", cold: cold, warm: warm},
		{name: "https", server: dcttest.ServerOptions{TLS: true}, cold: cold, warm: warm},
		{
			name: "token for anybody", server: dcttest.ServerOptions{Tokens: true},
			// The first answer says where tokens are.
			cold: append([]string{"root", "/token"}, cold...), warm: append([]string{"timestamp", "/token"}, warm...),
		},
		{
			name: "token for a user", server: dcttest.ServerOptions{TLS: true, Tokens: true, User: "eve", Password: "secret"},
			config: authn.AuthConfig{Username: "eve", Password: "secret"},
			cold:   append([]string{"/v2/", "/token"}, cold...), warm: append([]string{"/v2/", "/token"}, warm...),
		},
		{
			name: "password", server: dcttest.ServerOptions{TLS: true, User: "eve", Password: "secret"},
			config: authn.AuthConfig{Username: "eve", Password: "secret"},
			cold:   append([]string{"/v2/"}, cold...), warm: append([]string{"/v2/"}, warm...),
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, row.server, row.config)
			must(t, s.c.Sign("2.0", digestOf("2.0"), "alice"))
			images := []image.Pinned{s.img, pinAt(t, appGUN+":2.0", digestOf("2.0")), pinAt(t, appGUN+"@"+digestOf("1.0"), digestOf("1.0"))}
			expect := func(when string, n int, want []string) {
				t.Helper()
				if got := s.asked(); !sameSet(got, want) || n != len(want) {
					t.Errorf("%s: asked for %q, want %q; the client says %d", when, got, want, n)
				}
			}
			expect("cold", s.run(t, s.img), row.cold)
			s.client = client(s.server, row.config)
			expect("several images of one repository", s.run(t, images...), row.cold)
			s.cache, s.client = t.TempDir(), client(s.server, row.config)
			expect("cold, with a cache", s.run(t, images...), row.cold)
			s.client = client(s.server, row.config)
			expect("warm", s.run(t, images...), row.warm)

			// One more tag costs what has changed.
			must(t, s.c.AddTarget("targets/alice", "3.0", digestOf("3.0"), 512))
			s.client = client(s.server, row.config)
			n := s.run(t, s.img)
			expect("warm, one role has signed", n, append(slices.Clone(row.warm), "snapshot", "targets/alice"))
		})
	}
}

// sameSet reports whether two lists are the same but for the order.
func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// TestRequestsOfTwo shows that requirements which trust different roots do not
// share what they found, and those which trust the same do.
func TestRequestsOfTwo(t *testing.T) {
	t.Parallel()
	s := serve(t, dcttest.ServerOptions{}, authn.AuthConfig{})
	session := dct.NewSession(s.client, "")
	verdict := func(c dct.Config) verify.Verdict {
		v, err := session.Require(c)
		must(t, err)
		return v.Verify(t.Context(), s.img)
	}
	check(t, verdict(s.config), verify.Verified)
	anybody := s.config
	anybody.Signers = nil
	check(t, verdict(anybody), verify.Verified)
	if got := s.asked(); len(got) != 6 {
		t.Errorf("asked for %q", got)
	}
	stranger := s.config
	stranger.RootKeyIDs = []string{strings.Repeat("ab", 32)}
	check(t, verdict(stranger), verify.WrongSigner)
	check(t, verdict(stranger), verify.WrongSigner)
	if got := s.asked(); len(got) != 1 {
		t.Errorf("asked for %q", got)
	}
}

// TestRefusedByServer is what the real client says of a server that does not
// answer as it should, with trust data in the cache that still count.
func TestRefusedByServer(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		server dcttest.ServerOptions
		make   func(*testing.T, *served)
		want   verify.Reason
		says   []string
	}{
		{"no credentials", dcttest.ServerOptions{TLS: true, Tokens: true, User: "eve", Password: "secret"}, func(*testing.T, *served) {}, verify.Denied, []string{"401"}},
		{"down", dcttest.ServerOptions{}, func(_ *testing.T, s *served) { s.server.Down() }, verify.Unavailable, []string{"127.0.0.1:"}},
		{"503", dcttest.ServerOptions{}, func(_ *testing.T, s *served) { s.fault(503) }, verify.Unavailable, []string{"503"}},
		{"429", dcttest.ServerOptions{}, func(_ *testing.T, s *served) { s.fault(429) }, verify.Unavailable, []string{"429"}},
		{"403", dcttest.ServerOptions{}, func(_ *testing.T, s *served) { s.fault(403) }, verify.Denied, []string{"403"}},
		{"404", dcttest.ServerOptions{}, func(_ *testing.T, s *served) { s.fault(404) }, verify.Unsigned, []string{"remote trust data does not exist for " + appGUN}},
		{"a certificate of nobody", dcttest.ServerOptions{TLS: true}, func(t *testing.T, s *served) {
			server, err := registry.ParseTrustServer(s.server.URL())
			must(t, err)
			s.config.Server = server
		}, verify.Unavailable, []string{"certificate"}},
		{"a page", dcttest.ServerOptions{}, func(_ *testing.T, s *served) {
			s.server.Inject(faultOf([]byte("<html>Sign in</html>"), 0))
		}, verify.Unavailable, []string{"no trust data"}},
		{"cut off", dcttest.ServerOptions{}, func(_ *testing.T, s *served) {
			f := faultOf(nil, 0)
			f.Change = func(b []byte) []byte { return b[:len(b)/2] }
			s.server.Inject(f)
		}, verify.Unavailable, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, row.server, authn.AuthConfig{})
			good := s.config
			if row.server.User == "" {
				s.cache = t.TempDir()
				s.run(t, s.img)
			}
			row.make(t, &s)
			v, err := dct.NewSession(s.client, s.cache).Require(s.config)
			must(t, err)
			got := v.Verify(t.Context(), s.img)
			check(t, got, row.want, row.says...)
			if next := "docker login " + s.server.Host(); row.want == verify.Denied && !strings.Contains(verify.Hint(got.Err()), next) {
				t.Errorf("the next step is %q, not %s", verify.Hint(got.Err()), next)
			}
			if row.server.User != "" || row.name == "down" {
				return
			}
			s.server.Reset()
			s.config = good
			s.run(t, s.img) // as before, once it answers
		})
	}
}

// faultOf is a fault of everything that is asked.
func faultOf(body []byte, status int) servicetest.Fault {
	return servicetest.Fault{Body: body, Status: status}
}

func (s *served) fault(status int) { s.server.Inject(faultOf(nil, status)) }
