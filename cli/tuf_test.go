package cli_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// A tufWorld is a world with a signed image, whose trust root a TUF repository
// distributes.
type tufWorld struct {
	*world
	tuf   *sigstoretest.TUFRepository
	url   string
	first string // file of the first root
	cache string
}

func newTUFWorld(t *testing.T) *tufWorld {
	t.Helper()
	w := newWorld(t, registrytest.Options{})
	w.signBundle(repo, w.image(repo), signType, by())
	repository, err := sigstoretest.NewTUFRepository(time.Now(), read(t, w.root))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(repository)
	t.Cleanup(server.Close)
	return &tufWorld{w, repository, server.URL, write(t, repository.Root()), filepath.Join(t.TempDir(), "cache")}
}

func write(t *testing.T, body []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "root.json")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (w *tufWorld) args(more ...string) []string {
	args := []string{"verify", w.reg.Host() + "/" + repo + ":v1", "--tuf-mirror", w.url, "--tuf-root", w.first,
		"--certificate-identity", identity, "--certificate-oidc-issuer", issuer}
	if w.cache != "" {
		args = append(args, "--cache-dir", w.cache)
	}
	return append(args, more...)
}

// check runs boltseal verify. It wants so many requests to the TUF repository,
// a warning or none, and otherwise nothing but the exit code and the Reason.
func (w *tufWorld) check(code int, reason string, requests int, warned bool) result {
	w.t.Helper()
	w.reg.Reset(0)
	r := run(w.t, w.args()...)
	r.want(w.t, code, reason)
	if asked := w.tuf.Requests(); len(asked) != requests {
		w.t.Errorf("%d TUF requests, want %d: %q", len(asked), requests, asked)
	}
	if warned != (len(r.doc.Warnings) == 1 && strings.Contains(r.doc.Warnings[0], w.url)) {
		w.t.Errorf("warnings %q", r.doc.Warnings)
	}
	if len(w.reg.Requests()) < 3 || r.doc.Requests != len(w.reg.Requests()) {
		w.t.Errorf("%d registry requests, %d reported: the trust root is fetched beside them", len(w.reg.Requests()), r.doc.Requests)
	}
	if reason == "unavailable" {
		c := r.doc.Images[0].Checks[0]
		if !strings.Contains(c.Message, w.url) || !strings.Contains(c.Hint, "--trusted-root") || len(c.Evidence) != 0 {
			w.t.Errorf("not a helpful check: %+v", c)
		}
	}
	w.tuf.Reset()
	return r
}

// age makes the cache two days old.
func (w *tufWorld) age() {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.cache, "*.json"))
	if err != nil || len(files) != 1 {
		w.t.Fatalf("the cache is not dated: %q (%v)", files, err)
	}
	old := `{"lastTimestamp":"` + time.Now().AddDate(0, 0, -2).Format(time.RFC3339) + `"}`
	if err := os.WriteFile(files[0], []byte(old), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// cached is a file of the cache.
func (w *tufWorld) cached(name string) string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.cache, "*", name))
	if err != nil || len(files) != 1 {
		w.t.Fatalf("%s in the cache: %q (%v)", name, files, err)
	}
	return files[0]
}

func TestTUFCache(t *testing.T) {
	t.Parallel()
	w := newTUFWorld(t)
	w.check(0, "verified", 5, false) // cold
	w.check(0, "verified", 0, false) // warm
	w.age()
	w.check(0, "verified", 2, false) // stale: any newer root, the timestamp
	w.check(0, "verified", 0, false)

	// Without a cache, as where the environment names no home.
	w.cache = ""
	w.check(0, "verified", 5, false)
	w.check(0, "verified", 5, false)
}

// The cache is where the environment says.
func TestTUFCacheDir(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"XDG_CACHE_HOME", "HOME"} {
		w := newTUFWorld(t)
		w.cache = ""
		home := t.TempDir()
		getenv := func(n string) string {
			if n == name {
				return home
			}
			return ""
		}
		for _, want := range []int{5, 0} {
			if r := runIn(t, t.Context(), "", getenv, w.args()...); r.code != 0 || len(w.tuf.Requests()) != want {
				t.Errorf("exit %d after %q\n%s%s", r.code, w.tuf.Requests(), r.stdout, r.stderr)
			}
			w.tuf.Reset()
		}
		if found, err := os.ReadDir(home); err != nil || len(found) != 1 {
			t.Errorf("%s holds %v (%v)", name, found, err)
		}
	}
}

// The mirror is down. The cache serves, and says so, until it expires.
func TestTUFMirrorDown(t *testing.T) {
	t.Parallel()
	w := newTUFWorld(t)
	w.check(0, "verified", 5, false)
	w.age()
	w.tuf.Down(true)
	w.check(0, "verified", 3, true)
	w.tuf.Down(true)
	r := runIn(t, t.Context(), "", env, w.args()...)
	if r.code != 0 || !strings.Contains(r.stderr, "warning: ") || !strings.Contains(r.stderr, w.url) || strings.Contains(r.stdout, "warning") {
		t.Errorf("exit %d\n%s\n%s", r.code, r.stdout, r.stderr)
	}

	// A timestamp of the right key that has expired.
	w.tuf.Reset()
	if err := w.tuf.Expire("timestamp"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.cached("timestamp.json"), w.tuf.File("timestamp.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.tuf.Down(true)
	w.check(3, "unavailable", 3, false)
}

func TestTUFMirrorUnreachable(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, cache := range []string{"", t.TempDir()} {
		w := newTUFWorld(t)
		w.url, w.cache = closed, cache
		start := time.Now()
		w.check(3, "unavailable", 0, false)
		if time.Since(start) > 20*time.Second { // it waits for 0.6 s; a test machine for more
			t.Errorf("it took %s", time.Since(start))
		}
	}
}

// A mirror that lies is not a mirror that is down: neither it nor the cache is
// believed.
func TestTUFMirrorLies(t *testing.T) {
	t.Parallel()
	alter := func(b []byte) []byte {
		b[strings.LastIndexByte(string(b), '1')] = '2'
		return b
	}
	huge := func([]byte) []byte { return make([]byte, 6<<20) }
	fresh := func(w *tufWorld) {
		if err := w.tuf.SetTrustedRoot(append(read(w.t, w.root), '\n')); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name string
		lie  func(w *tufWorld)
		asks int // with a cache that is stale
		cold bool
	}{
		{"timestamp", func(w *tufWorld) { fresh(w); w.tuf.Tamper("timestamp.json", alter) }, 2, true},
		{"snapshot", func(w *tufWorld) { fresh(w); w.tuf.Tamper("snapshot.json", alter) }, 3, true},
		{"targets", func(w *tufWorld) { fresh(w); w.tuf.Tamper("targets.json", alter) }, 4, true},
		{"target", func(w *tufWorld) { fresh(w); w.tuf.Tamper("trusted_root.json", alter) }, 5, true},
		{"another Sigstore", func(w *tufWorld) {
			_, root := newInstance(w.t)
			fresh(w)
			w.tuf.Tamper("trusted_root.json", func([]byte) []byte { return read(w.t, root) })
		}, 5, true},
		{"rolled back", func(w *tufWorld) {
			old := w.tuf.File("timestamp.json")
			fresh(w)
			w.check(0, "verified", 5, false)
			w.age()
			w.tuf.Tamper("timestamp.json", func([]byte) []byte { return old })
		}, 2, false},
		{"expired", func(w *tufWorld) {
			if err := w.tuf.Expire("timestamp"); err != nil {
				w.t.Fatal(err)
			}
		}, 2, true},
		{"oversized", func(w *tufWorld) { w.tuf.Tamper("timestamp.json", huge) }, 2, true},
		{"oversized target", func(w *tufWorld) { fresh(w); w.tuf.Tamper("trusted_root.json", huge) }, 5, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newTUFWorld(t)
			w.check(0, "verified", 5, false)
			w.age()
			tc.lie(w)
			w.check(3, "unavailable", tc.asks, false)
			if !tc.cold {
				return
			}
			w.cache = filepath.Join(t.TempDir(), "another")
			tc.lie(w)
			r := run(t, w.args()...)
			r.want(t, 3, "unavailable")
		})
	}
}

// What lies in the cache is checked like what comes from the mirror.
func TestTUFCacheTampered(t *testing.T) {
	t.Parallel()
	for name, asks := range map[string]int{"timestamp.json": 2, "snapshot.json": 3, "targets.json": 3, "targets/trusted_root.json": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTUFWorld(t)
			w.check(0, "verified", 5, false)
			sig, _ := newInstance(t)
			forged, err := sig.TrustedRoot()
			if err != nil {
				t.Fatal(err)
			}
			tamper := func() {
				body := []byte(strings.Replace(string(read(t, w.cached(name))), `"version":1`, `"version":7`, 1))
				if strings.HasSuffix(name, "trusted_root.json") {
					body = forged
				}
				if err := os.WriteFile(w.cached(name), body, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			tamper()
			w.check(0, "verified", asks, false)
			w.check(0, "verified", 0, false)
			tamper()
			w.tuf.Down(true)
			w.check(3, "unavailable", 3, false)
		})
	}
}

func TestTUFRootOfOtherKeys(t *testing.T) {
	t.Parallel()
	w := newTUFWorld(t)
	w.first = newTUFWorld(t).first
	w.check(3, "unavailable", 2, false)
}

// Mistakes in the flags are told before anything is asked.
func TestTUFUsage(t *testing.T) {
	t.Parallel()
	w := newTUFWorld(t)
	w.reg.Reset(0)
	for name, tc := range map[string]struct {
		url, root string
		want      string
	}{
		"no TUF root":        {w.url, w.root, "--tuf-root"},
		"empty":              {w.url, write(t, nil), "--tuf-root"},
		"unsigned":           {w.url, write(t, []byte(`{"signed":{"_type":"root"},"signatures":[]}`)), "--tuf-root"},
		"null key":           {w.url, write(t, []byte(`{"signed":{"_type":"root","keys":{"a":null},"roles":{"root":{"keyids":["a"],"threshold":1}}}}`)), "--tuf-root"},
		"altered":            {w.url, write(t, []byte(strings.Replace(string(w.tuf.Root()), `"threshold":2`, `"threshold":1`, 1))), "--tuf-root"},
		"no such file":       {w.url, filepath.Join(t.TempDir(), "none"), "--tuf-root"},
		"no mirror":          {"", w.first, "--tuf-root"},
		"no root":            {w.url, "", "--tuf-mirror"},
		"http":               {"http://tuf.example.com", w.first, "--tuf-mirror"},
		"http, like a local": {"http://127.0.0.1.example.com", w.first, "--tuf-mirror"},
		"http, local user":   {"http://localhost@tuf.example.com", w.first, "--tuf-mirror"},
		"file":               {"file:///tuf", w.first, "--tuf-mirror"},
		"no scheme":          {"tuf.example.com", w.first, "--tuf-mirror"},
	} {
		code, text := plain(t, "verify", w.reg.Host()+"/"+repo+":v1", "--tuf-mirror", tc.url, "--tuf-root", tc.root, "--cache-dir", w.cache,
			"--certificate-identity", identity, "--certificate-oidc-issuer", issuer)
		if code != 2 || !strings.Contains(text, tc.want) || !strings.Contains(text, "next:") {
			t.Errorf("%s: exit %d: %s", name, code, text)
		}
	}
	code, text := plain(t, w.args("--trusted-root", w.root)...)
	if code != 2 || !strings.Contains(text, "--trusted-root") {
		t.Errorf("both: exit %d: %s", code, text)
	}
	if len(w.tuf.Requests())+len(w.reg.Requests()) != 0 {
		t.Errorf("asked for %q and %q", w.tuf.Requests(), w.reg.Requests())
	}
}

func TestTUFRootRotation(t *testing.T) {
	t.Parallel()
	w := newTUFWorld(t)
	w.check(0, "verified", 5, false)
	if err := w.tuf.RotateRoot(); err != nil {
		t.Fatal(err)
	}
	w.check(0, "verified", 0, false)
	w.age()
	w.check(0, "verified", 5, false) // 2.root, no 3.root, timestamp, snapshot, targets
	w.check(0, "verified", 0, false)
	w.age()
	w.tuf.Down(true)
	w.check(0, "verified", 3, true)
	w.cache = ""
	w.check(0, "verified", 6, false)
}

// The trust root is fetched beside the registry's requests. Each side holds back
// its first answer until the other has been asked, so that one after the other
// would never end.
func TestTUFBesideRegistry(t *testing.T) {
	t.Parallel()
	w := newTUFWorld(t)
	w.reg.Reset(0)
	registry, mirror := make(chan struct{}), make(chan struct{})
	var once [2]sync.Once
	w.reg.Break(registrytest.Fault{Path: "/manifests/v1", Body: func(b []byte) []byte {
		once[0].Do(func() { close(registry) })
		wait(t, mirror)
		return b
	}})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		once[1].Do(func() { close(mirror) })
		wait(t, registry)
		w.tuf.ServeHTTP(rw, req)
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	run(t, w.args()...).want(t, 0, "verified")
	if len(w.tuf.Requests()) != 5 {
		t.Errorf("asked for %q", w.tuf.Requests())
	}
}

func wait(t *testing.T, c <-chan struct{}) {
	select {
	case <-c:
	case <-t.Context().Done():
	case <-time.After(time.Minute):
		t.Error("one waits for the other")
	}
}

// GitHub's own instance has no log and no certificate timestamps. What it has
// instead is asked for, and asked for nowhere else.
func TestGitHubRules(t *testing.T) {
	t.Parallel()
	github := []string{"--sigstore", "github"}
	for _, tc := range []struct {
		name   string
		signer sigstoretest.Options
		args   []string
		code   int
		reason string
	}{
		{"timestamp", by(noLog, noSCT, timestamp), github, 0, "verified"},
		{"timestamp, default rules", by(noLog, noSCT, timestamp), nil, 1, "bad-signature"},
		{"timestamp, staging", by(noLog, noSCT, timestamp), []string{"--sigstore", "staging"}, 1, "bad-signature"},
		{"log and certificate timestamp only", by(), github, 1, "bad-signature"},
		{"log only", by(noSCT), github, 1, "bad-signature"},
		{"nothing", by(noLog, noSCT), github, 1, "bad-signature"},
		{"nothing, default rules", by(noLog, noSCT), nil, 1, "bad-signature"},
		{"expired", by(noLog, noSCT, timestamp, expired), github, 1, "expired"},
		{"stranger", by(noLog, noSCT, timestamp, stranger), github, 1, "wrong-signer"},
		{"everything", by(timestamp), github, 0, "verified"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registrytest.Options{})
			w.signBundle(repo, w.image(repo), signType, tc.signer)
			w.verify(repo+":v1", tc.args...).want(t, tc.code, tc.reason)
		})
	}
}
