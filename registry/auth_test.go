package registry_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

// A registry without authentication is asked nothing but what is wanted.
func TestAnonymous(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{})
	d := put(t)(r.PutImage("a", "v1", "seed"))
	put(t)(r.PutImage("b", "v1", "seed"))
	c, _ := client(registry.Options{})
	for _, text := range []string{"/a:v1", "/a:v1", "/b:v1"} {
		if _, err := c.Resolve(t.Context(), ref(t, r.Host()+text)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Referrers(t.Context(), ref(t, r.Host()+"/a"), d.Digest.String()); err != nil {
		t.Fatal(err)
	}
	wantLog(t, r, "GET /v2/a/manifests/v1 200", "GET /v2/a/manifests/v1 200", "GET /v2/b/manifests/v1 200",
		"GET /v2/a/referrers/"+d.Digest.String()+" 200")
}

func TestAnonymousTokens(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{Tokens: true})
	d := put(t)(r.PutImage("team/a", "v1", "seed"))
	put(t)(r.PutImage("b", "v1", "seed"))
	c, _ := client(registry.Options{})
	if _, err := c.Resolve(t.Context(), ref(t, r.Host()+"/team/a:v1")); err != nil {
		t.Fatal(err)
	}
	want := []string{"GET /v2/team/a/manifests/v1 401", "GET " + tokenURI("team/a") + " 200", "GET /v2/team/a/manifests/v1 200"}
	wantLog(t, r, want...)
	if _, err := c.Manifest(t.Context(), ref(t, r.Host()+"/team/a"), d.Digest.String()); err != nil {
		t.Fatal(err)
	}
	want = append(want, "GET /v2/team/a/manifests/"+d.Digest.String()+" 200")
	wantLog(t, r, want...)
	if _, err := c.Resolve(t.Context(), ref(t, r.Host()+"/b:v1")); err != nil {
		t.Fatal(err)
	}
	wantLog(t, r, append(want, "GET "+tokenURI("b")+" 200", "GET /v2/b/manifests/v1 200")...)
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{Tokens: true, User: user, Password: password})
	put(t)(r.PutImage("a", "v1", "seed"))
	put(t)(r.PutImage("b", "v1", "seed"))
	c, _ := client(registry.Options{Keychain: login(r.Host())})
	for _, text := range []string{"/a:v1", "/a:v1", "/b:v1"} {
		if _, err := c.Resolve(t.Context(), ref(t, r.Host()+text)); err != nil {
			t.Fatal(err)
		}
	}
	wantLog(t, r, "GET /v2/ 401", "GET "+tokenURI("a")+" 200", "GET /v2/a/manifests/v1 200", "GET /v2/a/manifests/v1 200",
		"GET "+tokenURI("b")+" 200", "GET /v2/b/manifests/v1 200")
	// The password goes to the token service only, and the token to the registry.
	for _, q := range r.Requests() {
		switch {
		case q.URI == "/v2/" && q.Authorization != "",
			strings.HasPrefix(q.URI, "/token") && !strings.HasPrefix(q.Authorization, "Basic "),
			strings.Contains(q.URI, "/manifests/") && !strings.HasPrefix(q.Authorization, "Bearer for repository:"):
			t.Errorf("%s was sent with %q", q, q.Authorization)
		}
	}
}

// However many ask at once, a registry is asked for its challenge once and for
// a token once per repository.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	const n = 50
	for name, tc := range map[string]struct {
		options registrytest.Options
		login   bool
		repos   int
		want    map[string]int
	}{
		"public": {registrytest.Options{}, false, n, map[string]int{"manifests 200": n}},
		"anonymous tokens, many repositories": {
			registrytest.Options{Tokens: true}, false, n,
			map[string]int{"manifests 401": 1, "token 200": n, "manifests 200": n},
		},
		"anonymous tokens, one repository": {
			registrytest.Options{Tokens: true}, false, 1,
			map[string]int{"manifests 401": 1, "token 200": 1, "manifests 200": n},
		},
		"credentials, many repositories": {
			registrytest.Options{Tokens: true, User: user, Password: password}, true, n,
			map[string]int{"ping 401": 1, "token 200": n, "manifests 200": n},
		},
		"credentials, one repository": {
			registrytest.Options{Tokens: true, User: user, Password: password}, true, 1,
			map[string]int{"ping 401": 1, "token 200": 1, "manifests 200": n},
		},
		"basic, many repositories": {
			registrytest.Options{User: user, Password: password}, true, n,
			map[string]int{"ping 401": 1, "manifests 200": n},
		},
		"credentials that nobody asks for": {registrytest.Options{}, true, n, map[string]int{"ping 200": 1, "manifests 200": n}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, tc.options)
			digests := make([]string, tc.repos)
			for i := range tc.repos {
				digests[i] = put(t)(r.PutImage(fmt.Sprintf("app%d", i), "v1", "seed")).Digest.String()
			}
			var o registry.Options
			if tc.login {
				o.Keychain = login(r.Host())
			}
			c, _ := client(o)
			var counter registry.Counter
			ctx := registry.WithCounter(t.Context(), &counter)
			refs := make([]string, n)
			for i := range n {
				refs[i] = fmt.Sprintf("%s/app%d", r.Host(), i%tc.repos)
			}
			parallel(n, func(i int) {
				if _, err := c.Manifest(ctx, ref(t, refs[i]), digests[i%tc.repos]); err != nil {
					t.Error(err)
				}
			})
			total := 0
			for _, v := range tc.want {
				total += v
			}
			if got := count(r); !maps.Equal(got, tc.want) {
				t.Errorf("requests %v, want %v", got, tc.want)
			}
			if c.Requests() != total || counter.Requests() != total {
				t.Errorf("%d requests, %d counted, want %d", c.Requests(), counter.Requests(), total)
			}
		})
	}
}

func TestBasic(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{User: user, Password: password})
	put(t)(r.PutImage("a", "v1", "seed"))
	c, _ := client(registry.Options{Keychain: login(r.Host())})
	if _, err := c.Resolve(t.Context(), ref(t, r.Host()+"/a:v1")); err != nil {
		t.Fatal(err)
	}
	wantLog(t, r, "GET /v2/ 401", "GET /v2/a/manifests/v1 200")
}

func TestDenied(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options  registrytest.Options
		keychain func(host string) keychain
		want     []string // of each of two tries
	}{
		"wrong password, tokens": {
			registrytest.Options{Tokens: true, User: user, Password: password + "!"}, login,
			[]string{"GET /v2/ 401", "GET " + tokenURI("a") + " 401", "GET " + tokenURI("a") + " 401"},
		},
		"wrong password, basic": {
			registrytest.Options{User: user, Password: password + "!"}, login,
			[]string{"GET /v2/ 401", "GET /v2/a/manifests/v1 401", "GET /v2/a/manifests/v1 401"},
		},
		"no password, tokens": {
			registrytest.Options{Tokens: true, User: user, Password: password}, nil,
			[]string{"GET /v2/a/manifests/v1 401", "GET " + tokenURI("a") + " 401", "GET " + tokenURI("a") + " 401"},
		},
		"no password, basic": {
			registrytest.Options{User: user, Password: password}, nil,
			[]string{"GET /v2/a/manifests/v1 401", "GET /v2/a/manifests/v1 401", "GET /v2/a/manifests/v1 401"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, tc.options)
			put(t)(r.PutImage("a", "v1", "seed"))
			var o registry.Options
			if tc.keychain != nil {
				o.Keychain = tc.keychain(r.Host())
			}
			c, sleeps := client(o)
			for range 2 {
				_, err := c.Resolve(t.Context(), ref(t, r.Host()+"/a:v1"))
				wantErr(t, err, verify.Denied, registry.ErrDenied)
			}
			wantLog(t, r, tc.want...)
			if len(sleeps.all()) != 0 {
				t.Errorf("waits %v", sleeps.all())
			}
		})
	}
}

// What the token service or GET /v2/ answers says nothing of the image, nor of
// the referrers API.
func TestTokenServiceFails(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		path     string
		status   int
		reason   verify.Reason
		kind     error
		attempts int
	}{
		{"/token", 401, verify.Denied, registry.ErrDenied, 1},
		{"/token", 403, verify.Denied, registry.ErrDenied, 1},
		{"/token", 404, verify.Unavailable, registry.ErrUnavailable, 1},
		{"/token", 405, verify.Unavailable, registry.ErrUnavailable, 1},
		{"/token", 400, verify.Unavailable, registry.ErrUnavailable, 1},
		{"/token", 501, verify.Unavailable, registry.ErrUnavailable, 1},
		{"/token", 429, verify.Unavailable, registry.ErrUnavailable, 4},
		{"/token", 503, verify.Unavailable, registry.ErrUnavailable, 4},
		{"/v2/", 403, verify.Denied, registry.ErrDenied, 1},
		{"/v2/", 404, verify.Unavailable, registry.ErrUnavailable, 1},
		{"/v2/", 500, verify.Unavailable, registry.ErrUnavailable, 4},
	} {
		t.Run(fmt.Sprint(tc.path[1:], tc.status), func(t *testing.T) {
			t.Parallel()
			r := start(t, registrytest.Options{Tokens: true, User: user, Password: password})
			put(t)(r.PutImage("a", "v1", "seed"))
			r.Break(registrytest.Fault{
				Path: tc.path, Status: tc.status,
				Detail: `{"errors":[{"code":"UNSUPPORTED","message":"in its own words"}]}`,
			})
			c, sleeps := client(registry.Options{Keychain: login(r.Host())})
			_, err := c.Resolve(t.Context(), ref(t, r.Host()+"/a:v1"))
			wantErr(t, err, tc.reason, tc.kind)
			if len(sleeps.all()) != tc.attempts-1 {
				t.Errorf("waits %v", sleeps.all())
			}
			if err != nil && (!strings.Contains(err.Error(), fmt.Sprint(tc.status)) || !strings.Contains(err.Error(), "in its own words")) {
				t.Errorf("%q does not say what was answered", err)
			}
			_, err = c.Referrers(t.Context(), ref(t, r.Host()+"/a"), anyDigest)
			wantErr(t, err, tc.reason, tc.kind)
			if n := count(r)["manifests 200"]; n != 0 {
				t.Errorf("%d manifests were served", n)
			}
		})
	}
}

// A token service that fails once is asked again, the registry is not.
func TestTokenServiceRecovers(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{Tokens: true, User: user, Password: password})
	put(t)(r.PutImage("a", "v1", "seed"))
	r.Break(registrytest.Fault{Path: "/token", Status: 503, Times: 1})
	c, _ := client(registry.Options{Keychain: login(r.Host())})
	if _, err := c.Resolve(t.Context(), ref(t, r.Host()+"/a:v1")); err != nil {
		t.Fatal(err)
	}
	wantLog(t, r, "GET /v2/ 401", "GET "+tokenURI("a")+" 503", "GET "+tokenURI("a")+" 200", "GET /v2/a/manifests/v1 200")
}

// A first request that fails settles nothing.
func TestFirstRequestFails(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]registrytest.Fault{
		"status": {Status: 503, Times: 1}, "hang": {Hang: 1 << 40, Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, registrytest.Options{Tokens: true})
			put(t)(r.PutImage("a", "v1", "seed"))
			r.Break(f)
			c, sleeps := client(registry.Options{Attempt: attempt})
			if _, err := c.Resolve(t.Context(), ref(t, r.Host()+"/a:v1")); err != nil {
				t.Fatal(err)
			}
			if c.Requests() != 4 || len(sleeps.all()) != 1 {
				t.Errorf("%d requests, waits %v", c.Requests(), sleeps.all())
			}
			// What was then learned of the registry serves its other repositories.
			put(t)(r.PutImage("b", "v1", "seed"))
			if _, err := c.Resolve(t.Context(), ref(t, r.Host()+"/b:v1")); err != nil {
				t.Fatal(err)
			}
			if c.Requests() != 6 {
				t.Errorf("%d requests", c.Requests())
			}
		})
	}
}

// Some registries want a token for private repositories only.
func TestMixed(t *testing.T) {
	t.Parallel()
	var (
		mu  sync.Mutex
		log []string
	)
	var server string
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, req *http.Request, status int) {
		mu.Lock()
		log = append(log, strings.TrimSpace(fmt.Sprint(req.URL.RequestURI(), " ", status, " ", req.Header.Get("Authorization"))))
		mu.Unlock()
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+server+`/token",service="test",scope="repository:b:pull"`)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"token":"t"}`)) // as good a manifest as any
	}
	mux.HandleFunc("/v2/a/", func(w http.ResponseWriter, req *http.Request) { answer(w, req, http.StatusOK) })
	mux.HandleFunc("/v2/b/", func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "Bearer t" {
			answer(w, req, http.StatusUnauthorized)
			return
		}
		answer(w, req, http.StatusOK)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, req *http.Request) { answer(w, req, http.StatusOK) })
	s := serve(t, mux.ServeHTTP)
	server = s.URL
	c, _ := client(registry.Options{})
	for _, repo := range []string{"a", "b", "a", "b"} {
		if _, err := c.Manifest(t.Context(), ref(t, hostOf(s)+"/"+repo), "v1"); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"/v2/a/manifests/v1 200",
		"/v2/b/manifests/v1 401", tokenURI("b") + " 200", "/v2/b/manifests/v1 200 Bearer t",
		"/v2/a/manifests/v1 200",
		"/v2/b/manifests/v1 200 Bearer t",
	}
	mu.Lock()
	got := strings.Join(log, "\n")
	log = nil
	mu.Unlock()
	if got != strings.Join(want, "\n") {
		t.Errorf("requests\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}

	// At once: everybody may be refused first, but one token serves.
	c, _ = client(registry.Options{})
	if _, err := c.Manifest(t.Context(), ref(t, hostOf(s)+"/a"), "v1"); err != nil {
		t.Fatal(err)
	}
	parallel(20, func(int) {
		if _, err := c.Manifest(t.Context(), ref(t, hostOf(s)+"/b"), "v1"); err != nil {
			t.Error(err)
		}
	})
	mu.Lock()
	defer mu.Unlock()
	tokens, served := 0, 0
	for _, l := range log {
		if strings.HasPrefix(l, "/token") {
			tokens++
		}
		if l == "/v2/b/manifests/v1 200 Bearer t" {
			served++
		}
	}
	if tokens != 1 || served != 20 {
		t.Errorf("%d tokens, %d served:\n%s", tokens, served, strings.Join(log, "\n"))
	}
}

// A token that was good is asked for again when the registry says it no longer is.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{Tokens: true})
	put(t)(r.PutImage("a", "v1", "seed"))
	r.Break(registrytest.Fault{
		Path: "/manifests/", Skip: 2, Times: 1, Status: 401,
		Header: map[string]string{"WWW-Authenticate": `Bearer realm="http://` + r.Host() + `/token",service="test",scope="repository:a:pull"`},
	})
	c, _ := client(registry.Options{})
	for range 2 {
		if _, err := c.Resolve(t.Context(), ref(t, r.Host()+"/a:v1")); err != nil {
			t.Fatal(err)
		}
	}
	wantLog(t, r, "GET /v2/a/manifests/v1 401", "GET "+tokenURI("a")+" 200", "GET /v2/a/manifests/v1 200",
		"GET /v2/a/manifests/v1 401", "GET "+tokenURI("a")+" 200", "GET /v2/a/manifests/v1 200")
}

type brokenKeychain struct{}

func (brokenKeychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	return nil, os.ErrPermission
}

func TestKeychainFails(t *testing.T) {
	t.Parallel()
	c, sleeps := client(registry.Options{Keychain: brokenKeychain{}})
	_, err := c.Resolve(t.Context(), ref(t, "registry.example/app:v1"))
	wantErr(t, err, verify.Denied, registry.ErrDenied)
	if c.Requests() != 0 || len(sleeps.all()) != 0 {
		t.Errorf("%d requests, waits %v", c.Requests(), sleeps.all())
	}
}

//nolint:paralleltest // sets the environment
func TestKeychain(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("REGISTRY_AUTH_FILE", "")
	t.Setenv("XDG_RUNTIME_DIR", dir)
	// "docker:configured" for quay.io and ghcr.io
	config := `{"auths":{"quay.io":{"auth":"ZG9ja2VyOmNvbmZpZ3VyZWQ="},"ghcr.io":{"auth":"ZG9ja2VyOmNvbmZpZ3VyZWQ="}}}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	fixed := map[string]authn.AuthConfig{
		"ghcr.io": {Username: "fixed", Password: "g"}, "docker.io": {Username: "fixed", Password: "d"},
	}
	for _, tc := range []struct {
		name string
		k    authn.Keychain
		want map[string]string
	}{
		{"Keychain", registry.Keychain(fixed), map[string]string{
			"ghcr.io": "fixed", "docker.io": "fixed", "quay.io": "docker", "registry.example": "", "sub.ghcr.io": "",
		}},
		{"Fallback", registry.Fallback(registry.Keychain(nil), fixed), map[string]string{
			"ghcr.io": "docker", "docker.io": "fixed", "quay.io": "docker", "registry.example": "",
		}},
	} {
		for host, want := range tc.want {
			reg, err := name.NewRegistry(host)
			if err != nil {
				t.Fatal(err)
			}
			a, err := authn.Resolve(t.Context(), tc.k, reg)
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := authn.Authorization(t.Context(), a)
			if err != nil || cfg.Username != want || (want == "") != (a == authn.Anonymous) {
				t.Errorf("%s of %s: %q, %v; want %q", tc.name, host, cfg.Username, err, want)
			}
		}
	}
}
