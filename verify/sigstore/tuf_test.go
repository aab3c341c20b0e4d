package sigstore

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/tuf"
	sgsignature "github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// A mirror is a TUF repository that is served, and a cache of it.
type mirror struct {
	*sigstoretest.TUFRepository
	t    *testing.T
	opts TUFOptions
}

func newMirror(t *testing.T) *mirror {
	t.Helper()
	repo, err := sigstoretest.NewTUFRepository(time.Now(), trustedRoot(t))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(repo)
	t.Cleanup(server.Close)
	return &mirror{repo, t, TUFOptions{
		Mirror: server.URL, Root: repo.Root(), CacheDir: filepath.Join(t.TempDir(), "cache"), Rules: PublicRules(),
		sleep: func(context.Context, time.Duration) {},
	}}
}

// A package variable: making an instance takes longer than the tests do.
var anyTrustedRoot = sync.OnceValues(func() ([]byte, error) {
	in, err := sigstoretest.New(time.Now())
	if err != nil {
		return nil, err
	}
	return in.TrustedRoot()
})

func trustedRoot(t *testing.T) []byte {
	t.Helper()
	body, err := anyTrustedRoot()
	must(t, err)
	return slices.Clone(body)
}

// newer is another text of it.
func newer(t *testing.T) []byte {
	t.Helper()
	return append(trustedRoot(t), '\n')
}

// fetch is one run: it returns the warning, or the error, and what was asked.
func (m *mirror) fetch() (string, []string, error) {
	m.t.Helper()
	trust := TrustTUF(m.opts)
	material, err := trust.wait(m.t.Context())
	if err == nil && len(material.RekorLogs()) != 2 {
		m.t.Errorf("material of another trust root: %d logs", len(material.RekorLogs()))
	}
	asked := m.Requests()
	for i, p := range asked {
		asked[i] = regexp.MustCompile(`/[0-9a-f]{64}\.`).ReplaceAllString(p, "/HASH.")
	}
	m.Reset()
	return trust.Warning(), asked, err
}

// works checks that a run succeeds without a warning and asks for the paths.
func (m *mirror) works(paths ...string) {
	m.t.Helper()
	warning, asked, err := m.fetch()
	if err != nil || warning != "" || !slices.Equal(asked, paths) {
		m.t.Errorf("asked for %q, want %q; warning %q, error %v", asked, paths, warning, err)
	}
}

// fails checks that a run fails, with an error that names the mirror, and
// returns what was asked.
func (m *mirror) fails() []string {
	m.t.Helper()
	_, asked, err := m.fetch()
	if err == nil || !strings.Contains(err.Error(), m.opts.Mirror) {
		m.t.Errorf("error %v", err)
	}
	return asked
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// file is a file of the cache.
func (m *mirror) file(name string) string {
	return filepath.Join(m.opts.CacheDir, tuf.URLToPath(m.opts.Mirror), name)
}

// age makes the cache two days old.
func (m *mirror) age() {
	m.t.Helper()
	name := filepath.Join(m.opts.CacheDir, tuf.URLToPath(m.opts.Mirror)+".json")
	c, err := tuf.LoadConfig(name)
	must(m.t, err)
	c.LastTimestamp = time.Now().AddDate(0, 0, -2)
	must(m.t, c.Persist(name))
}

// What a run asks of the repository.
const (
	root2     = "2.root.json"
	root3     = "3.root.json"
	stamp     = "timestamp.json"
	snapshot1 = "1.snapshot.json"
	snapshot2 = "2.snapshot.json"
	targets1  = "1.targets.json"
	targets2  = "2.targets.json"
	target    = "targets/HASH.trusted_root.json"
)

func TestTUFRequests(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	m.works(root2, stamp, snapshot1, targets1, target) // cold
	m.works()                                          // warm
	m.Down(true)
	m.works()
	m.age()
	m.works(root2, stamp) // stale, nothing new
	m.works()
	must(t, m.SetTrustedRoot(newer(t)))
	m.works() // not asked for a day
	m.age()
	m.works(root2, stamp, snapshot2, targets2, target)
	m.works()
}

func TestTUFWithoutCache(t *testing.T) {
	// The working directory may hold anything; it is no cache.
	t.Chdir(t.TempDir())
	m := newMirror(t)
	m.opts.CacheDir = ""
	for _, name := range []string{stamp, "snapshot.json", "targets.json"} {
		must(t, os.MkdirAll(tuf.URLToPath(m.opts.Mirror), 0o700))
		must(t, os.WriteFile(filepath.Join(tuf.URLToPath(m.opts.Mirror), name), []byte("{"), 0o600))
	}
	for range 2 {
		m.works(root2, stamp, snapshot1, targets1, target)
	}
	m.Down(true)
	if asked := m.fails(); len(asked) != 3 {
		t.Errorf("asked for %q", asked)
	}
}

// A cache directory that cannot be used costs requests and nothing else.
func TestTUFUnusableCache(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	m.opts.CacheDir = filepath.Join(file, "cache")
	for range 2 {
		warning, asked, err := m.fetch()
		if err != nil || len(asked) != 5 || !strings.Contains(warning, m.opts.CacheDir) {
			t.Errorf("asked for %q; warning %q, error %v", asked, warning, err)
		}
	}
}

// The mirror is down: the cache serves until its metadata expire.
func TestTUFDown(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		down func(m *mirror)
		asks int
	}{
		{"503", func(m *mirror) { m.Down(true) }, 3},
		{"unreachable", func(m *mirror) {
			m.opts.Proxy = func(u *url.URL) (*url.URL, error) { return nil, errors.New("no route to " + u.Host) }
		}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := newMirror(t)
			m.works(root2, stamp, snapshot1, targets1, target)
			m.age()
			tc.down(m)
			warning, asked, err := m.fetch()
			if err != nil || len(asked) != tc.asks || !strings.Contains(warning, m.opts.Mirror) {
				t.Errorf("asked for %q; warning %q, error %v", asked, warning, err)
			}
			// Expired: of the right keys, but too old.
			must(t, m.Expire("timestamp"))
			must(t, os.WriteFile(m.file(stamp), m.File(stamp), 0o600))
			tc.down(m)
			if asked := m.fails(); len(asked) != tc.asks {
				t.Errorf("asked for %q", asked)
			}
			m.opts.CacheDir = filepath.Join(t.TempDir(), "another")
			tc.down(m)
			if asked := m.fails(); len(asked) != tc.asks {
				t.Errorf("asked for %q", asked)
			}
		})
	}
}

// It goes down in the middle: what was fetched before cannot be completed.
func TestTUFDownHalfway(t *testing.T) {
	t.Parallel()
	for _, path := range []string{stamp, snapshot2, targets2, "trusted_root.json"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			m := newMirror(t)
			m.works(root2, stamp, snapshot1, targets1, target)
			m.age()
			must(t, m.SetTrustedRoot(newer(t)))
			m.Tamper(path, func([]byte) []byte { return nil })
			warning, _, err := m.fetch()
			if path == stamp { // nothing newer is known yet
				if err != nil || warning == "" {
					t.Errorf("warning %q, error %v", warning, err)
				}
			} else if err == nil {
				t.Error("an older trust root was used than the mirror has announced")
			}
		})
	}
}

// A mirror that lies is not a mirror that is down: the cache does not help it.
func TestTUFLies(t *testing.T) {
	t.Parallel()
	flip := func(b []byte) []byte {
		i := bytes.LastIndexByte(b, '1')
		b[i] = '2'
		return b
	}
	html := func([]byte) []byte { return []byte("<html>") }
	empty := func([]byte) []byte { return []byte{} }
	huge := func([]byte) []byte { return bytes.Repeat([]byte(" "), 6<<20) }
	instead := func(body []byte) func([]byte) []byte { return func([]byte) []byte { return body } }
	type lie struct {
		name string
		tell func(m *mirror)
		cold bool // whether to tell it to a client that never saw the repository, too
	}
	lies := []lie{
		{"rolled back timestamp", func(m *mirror) {
			old := m.File(stamp)
			must(m.t, m.SetTrustedRoot(newer(m.t)))
			m.works(root2, stamp, snapshot2, targets2, target)
			m.age()
			m.Tamper(stamp, instead(old))
		}, false},
		{"rolled back snapshot", func(m *mirror) {
			must(m.t, m.SetTrustedRoot(newer(m.t)))
			m.Tamper(snapshot2, instead(m.File(snapshot1)))
		}, true},
		{"rolled back targets", func(m *mirror) {
			must(m.t, m.SetTrustedRoot(newer(m.t)))
			m.Tamper(targets2, instead(m.File(targets1)))
		}, true},
		{"another repository's timestamp", func(m *mirror) { m.Tamper(stamp, instead(newMirror(m.t).File(stamp))) }, true},
		{"another repository's root", func(m *mirror) { m.Tamper(root2, instead(newMirror(m.t).File("1.root.json"))) }, true},
		{"root again", func(m *mirror) { m.Tamper(root2, instead(m.File("1.root.json"))) }, true},
		{"no timestamp", func(m *mirror) { m.Tamper(stamp, instead(m.File(snapshot1))) }, true},
	}
	for _, role := range []string{"timestamp", "snapshot", "targets", "root"} {
		lies = append(lies, lie{"expired " + role, func(m *mirror) { must(m.t, m.Expire(role)) }, true})
	}
	for _, path := range []string{stamp, snapshot2, targets2, "trusted_root.json", root2} {
		for name, change := range map[string]func([]byte) []byte{"altered": flip, "html": html, "empty": empty, "huge": huge} {
			if path == root2 && name == "altered" || path != stamp && (name == "empty" || name == "huge") {
				continue // there is none; one of them stands for the others
			}
			lies = append(lies, lie{name + " " + path, func(m *mirror) {
				must(m.t, m.SetTrustedRoot(newer(m.t)))
				m.Tamper(path, change)
			}, name == "altered"})
		}
	}
	for _, l := range lies {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			m := newMirror(t)
			m.works(root2, stamp, snapshot1, targets1, target)
			m.age()
			l.tell(m)
			if asked := m.fails(); len(asked) > 5 {
				t.Errorf("asked for %q", asked)
			}
			if !l.cold {
				return
			}
			m = newMirror(t)
			l.tell(m)
			m.fails()
		})
	}
}

func TestTUFOversized(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	m.Tamper("trusted_root.json", func(b []byte) []byte { return append(b, ' ') })
	_, asked, err := m.fetch()
	if err == nil || !strings.Contains(err.Error(), "longer than allowed") || len(asked) != 5 {
		t.Errorf("asked for %q: %v", asked, err)
	}
	f := &fetcher{ctx: t.Context(), client: http.DefaultClient}
	m.Tamper(stamp, func([]byte) []byte { return make([]byte, maxTUF+1) })
	if _, err := f.DownloadFile(m.opts.Mirror+"/"+stamp, 1<<40, 0); err == nil || f.silent.Load() {
		t.Errorf("a file of any length is read: %v", err)
	}
}

// What is on disk is checked like what comes over the network.
func TestTUFDamagedCache(t *testing.T) {
	t.Parallel()
	flip := func(b []byte) []byte {
		b[bytes.LastIndexByte(b, '1')] = '2'
		return b
	}
	for _, tc := range []struct {
		file  string
		asks  []string // to mend it
		other string   // of another repository
	}{
		{stamp, []string{root2, stamp}, stamp},
		{"snapshot.json", []string{root2, stamp, snapshot1}, snapshot1},
		{"targets.json", []string{root2, stamp, targets1}, targets1},
		{"targets/trusted_root.json", []string{target}, snapshot1},
		{"root.json", nil, "1.root.json"},
	} {
		for name, change := range map[string]func(t *testing.T, b []byte) []byte{
			"altered":   func(_ *testing.T, b []byte) []byte { return flip(b) },
			"cut short": func(_ *testing.T, b []byte) []byte { return b[:len(b)/2] },
			"not it":    func(*testing.T, []byte) []byte { return []byte(`{"signed":{"_type":"other"}}`) },
			"another's": func(t *testing.T, _ []byte) []byte { return newMirror(t).File(tc.other) },
		} {
			t.Run(tc.file+" "+name, func(t *testing.T) {
				t.Parallel()
				m := newMirror(t)
				damage := func() {
					t.Helper()
					b, err := os.ReadFile(m.file(tc.file))
					must(t, err)
					must(t, os.WriteFile(m.file(tc.file), change(t, b), 0o600))
				}
				m.works(root2, stamp, snapshot1, targets1, target)
				damage()
				m.works(tc.asks...)
				m.works()
				damage()
				m.Down(true)
				if tc.asks == nil { // nothing depends on it
					m.works()
					return
				}
				if asked := m.fails(); len(asked) != 3 {
					t.Errorf("asked for %q", asked)
				}
			})
		}
	}
	t.Run("date", func(t *testing.T) {
		t.Parallel()
		m := newMirror(t)
		m.works(root2, stamp, snapshot1, targets1, target)
		must(t, os.WriteFile(filepath.Join(m.opts.CacheDir, tuf.URLToPath(m.opts.Mirror)+".json"), []byte("{"), 0o600))
		m.works(root2, stamp)
		m.works()
	})
}

func TestTUFForeignRoot(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	m.opts.Root = newMirror(t).Root()
	m.fails()
	m.opts.Root = []byte("{}")
	if asked := m.fails(); len(asked) != 0 {
		t.Errorf("asked for %q", asked)
	}
}

// New keys for all roles. A cache of the old ones and one of the new ones both
// serve, although every run begins at the first root.
func TestTUFRotation(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	m.works(root2, stamp, snapshot1, targets1, target)
	must(t, m.RotateRoot())
	m.works()
	m.age()
	m.works(root2, root3, stamp, snapshot2, targets2)
	m.works()
	m.age()
	m.works(root3, stamp)
	m.age()
	m.Down(true)
	if warning, _, err := m.fetch(); err != nil || warning == "" {
		t.Errorf("warning %q, error %v", warning, err)
	}
	// A chain on disk is believed as far as it holds.
	must(t, os.WriteFile(m.file(root2), newMirror(t).Root(), 0o600))
	m.works(root2, root3, stamp)
	m.works()

	m.opts.CacheDir = filepath.Join(t.TempDir(), "another") // cold
	m.works(root2, root3, stamp, snapshot2, targets2, target)
	m.works()
}

// The first root of an instance expires long before it is replaced in the
// program. Once there is a newer one, that is not a reason to ask each time.
func TestTUFExpiredFirstRoot(t *testing.T) {
	t.Parallel()
	repo, err := sigstoretest.NewTUFRepository(time.Now().AddDate(-1, 0, 0), trustedRoot(t))
	must(t, err)
	server := httptest.NewServer(repo)
	t.Cleanup(server.Close)
	m := &mirror{repo, t, TUFOptions{
		Mirror: server.URL, Root: repo.Root(), CacheDir: t.TempDir(), sleep: func(context.Context, time.Duration) {},
	}}
	m.fails()
	must(t, m.Renew(time.Now()))
	m.works(root2, root3, stamp, snapshot2, targets2, target)
	m.works()
	m.age()
	m.Down(true)
	if warning, _, err := m.fetch(); err != nil || warning == "" {
		t.Errorf("warning %q, error %v", warning, err)
	}
}

// How long a mirror that is down is waited for: it is asked three times.
func TestTUFWaits(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	m.Down(true)
	var slept []time.Duration
	m.opts.sleep = func(_ context.Context, d time.Duration) { slept = append(slept, d) }
	asked := m.fails()
	if !slices.Equal(asked, []string{root2, root2, root2}) || !slices.Equal(slept, []time.Duration{200 * time.Millisecond, 400 * time.Millisecond}) {
		t.Errorf("asked for %q, waited %v", asked, slept)
	}
	// One that takes every request and never answers: a job that signs is to end in
	// half a minute.
	total := time.Duration(len(asked)) * tufAttempt
	for _, d := range slept {
		total += d
	}
	if total > 25*time.Second {
		t.Errorf("one that does not answer is waited for %s", total)
	}
}

// Interrupted, a run neither goes on nor falls back.
func TestTUFCancelled(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	m.works(root2, stamp, snapshot1, targets1, target)
	m.age()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	trust := TrustTUF(m.opts)
	if _, err := trust.wait(ctx); err == nil {
		t.Error("no error")
	}
	<-trust.ready // nobody else waits for it, and it writes to the cache
	if trust.err == nil || len(m.Requests()) != 0 {
		t.Errorf("asked for %q: %v", m.Requests(), trust.err)
	}
}

func TestCheckTUFRoot(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	if err := CheckTUFRoot(m.Root()); err != nil {
		t.Error(err)
	}
	for _, body := range [][]byte{PublicRoot(), StagingRoot()} {
		if err := CheckTUFRoot(body); err != nil {
			t.Error(err)
		}
	}
	for name, body := range map[string][]byte{
		"nothing": nil, "text": []byte("root"), "object": []byte("{}"), "timestamp": m.File(stamp),
		"trusted root": trustedRoot(t), "altered": bytes.Replace(m.Root(), []byte(`"threshold":2`), []byte(`"threshold":1`), 1),
		"null key":  []byte(`{"signed":{"_type":"root","keys":{"a":null},"roles":{"root":{"keyids":["a"],"threshold":1}}},"signatures":[]}`),
		"null role": []byte(`{"signed":{"_type":"root","keys":{},"roles":{"root":null}},"signatures":[]}`),
		"short key": []byte(`{"signed":{"_type":"root","keys":{"a":{"keytype":"ed25519","scheme":"ed25519","keyval":{"public":"00"}}},"roles":{"root":{"keyids":["a"],"threshold":1}}},"signatures":[{"keyid":"a","sig":"00"}]}`),
	} {
		if CheckTUFRoot(body) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestGitHubRootKeys(t *testing.T) {
	t.Parallel()
	keys := githubRootKeys()
	if len(keys) != 8 || !slices.IsSorted(keys) || len(slices.Compact(slices.Clone(keys))) != 8 || githubRootThreshold != 3 {
		t.Errorf("%d of %q", githubRootThreshold, keys)
	}
	for _, k := range keys {
		if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(k) {
			t.Errorf("%q is no fingerprint", k)
		}
	}
	if GitHubTrust(TUFOptions{}).rules != GitHubRules() || GitHubRules() == PublicRules() {
		t.Error("GitHub's instance has rules of its own")
	}
}

func TestGitHubCheckRootKeys(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	keys, threshold, err := m.RootKeys()
	must(t, err)
	if err := checkRootKeys(m.Root(), keys, threshold); err != nil {
		t.Error(err)
	}
	others, _, err := newMirror(t).RootKeys()
	must(t, err)
	swapped := slices.Sorted(slices.Values(append([]string{others[0]}, keys[1:]...)))
	for name, tc := range map[string]struct {
		body      []byte
		keys      []string
		threshold int
	}{
		"other keys":     {m.Root(), others, threshold},
		"one other key":  {m.Root(), swapped, threshold},
		"one key less":   {m.Root(), keys[1:], threshold},
		"one key more":   {m.Root(), append(slices.Clone(keys), "ff"), threshold},
		"no keys":        {m.Root(), nil, threshold},
		"threshold":      {m.Root(), keys, threshold + 1},
		"low threshold":  {m.Root(), keys, threshold - 1},
		"no root":        {m.File(stamp), keys, threshold},
		"nothing":        {nil, keys, threshold},
		"empty":          {[]byte("{}"), nil, 0},
		"missing key":    {bytes.ReplaceAll(m.Root(), []byte(`"keys":{`), []byte(`"keys":{},"kept":{`)), keys, threshold},
		"missing role":   {bytes.Replace(m.Root(), []byte(`"root":{`), []byte(`"toor":{`), 1), keys, threshold},
		"altered":        {bytes.Replace(m.Root(), []byte(`"version":1`), []byte(`"a":0,"version":1`), 1), keys, threshold},
		"null key":       {[]byte(`{"signed":{"_type":"root","version":1,"keys":{"a":null},"roles":{"root":{"keyids":["a"],"threshold":2}}},"signatures":[]}`), keys, threshold},
		"short key":      {[]byte(`{"signed":{"_type":"root","version":1,"keys":{"a":{"keytype":"ed25519","scheme":"ed25519","keyval":{"public":"00"}}},"roles":{"root":{"keyids":["a"],"threshold":2}}},"signatures":[]}`), keys, threshold},
		"two of a name":  {impostor(t, m), keys, threshold},
		"threshold zero": {m.Root(), keys, 0},
	} {
		if checkRootKeys(tc.body, tc.keys, tc.threshold) == nil {
			t.Errorf("%s: no error", name)
		}
	}
	must(t, m.RotateRoot())
	if keys, threshold, err = m.RootKeys(); err != nil || checkRootKeys(m.File(root2), keys, threshold) == nil {
		t.Errorf("version 2 was accepted as the first (%v)", err)
	}
}

// impostor is a root of another key that carries m's root role beside its own,
// under a name that differs in case. Readers of JSON do not agree on which of
// them counts.
func impostor(t *testing.T, m *mirror) []byte {
	t.Helper()
	genuine, err := metadata.Root().FromBytes(m.Root())
	must(t, err)
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	key, err := metadata.KeyFromPublicKey(priv.Public())
	must(t, err)
	evil := metadata.Root(time.Now().AddDate(0, 1, 0))
	for _, role := range metadata.TOP_LEVEL_ROLE_NAMES {
		must(t, evil.Signed.AddKey(key, role))
	}
	for id, k := range genuine.Signed.Keys {
		evil.Signed.Keys[id] = k
	}
	evil.Signed.Roles["ROOT"] = genuine.Signed.Roles["root"]
	signer, err := sgsignature.LoadSigner(priv, crypto.SHA256)
	must(t, err)
	_, err = evil.Sign(signer)
	must(t, err)
	body, err := evil.ToBytes(false)
	must(t, err)
	role, err := json.Marshal(genuine.Signed.Roles["root"])
	must(t, err)
	// Another order of the same document, to have the last word.
	entry := `"ROOT":` + string(role) + `,`
	doc := strings.Replace(string(body), entry, "", 1)
	doc = strings.Replace(doc, `"snapshot":{"keyids"`, entry+`"snapshot":{"keyids"`, 1)
	if err := CheckTUFRoot([]byte(doc)); err != nil || strings.Index(doc, `"ROOT"`) < strings.Index(doc, `"root":`) {
		t.Fatalf("the impostor is no root: %v\n%s", err, doc)
	}
	return []byte(doc)
}

// github makes the mirror one whose first root is known by its keys only.
func (m *mirror) github() {
	m.t.Helper()
	keys, threshold, err := m.RootKeys()
	must(m.t, err)
	m.opts.Root, m.opts.Rules = nil, GitHubRules()
	m.opts.pin = func(f *fetcher) ([]byte, error) { return pinnedRoot(f, m.opts.Mirror, keys, threshold) }
}

func TestGitHubPinnedRoot(t *testing.T) {
	t.Parallel()
	const root1 = "1.root.json"
	m := newMirror(t)
	m.github()
	m.works(root1, root2, stamp, snapshot1, targets1, target)
	m.works()
	m.age()
	m.works(root2, stamp)
	for name, body := range map[string][]byte{
		"another's": newMirror(t).Root(), "altered": bytes.Replace(m.Root(), []byte(`"consistent_snapshot":true`), []byte(`"consistent_snapshot":false`), 1),
		"cut short": m.Root()[:100], "empty": {}, "impostor": impostor(t, m),
	} {
		t.Run(name, func(t *testing.T) {
			m.t = t
			must(t, os.WriteFile(m.file(root1), body, 0o600))
			m.works(root1)
			m.works()
			must(t, os.WriteFile(m.file(root1), body, 0o600))
			m.Down(true)
			m.fails()
			m.Tamper(root1, func([]byte) []byte { return body })
			m.fails()
			m.works(root1)
		})
	}
	m.t = t
	m.age()
	m.Down(true)
	if warning, _, err := m.fetch(); err != nil || warning == "" {
		t.Errorf("warning %q, error %v", warning, err)
	}
	must(t, m.RotateRoot())
	m.age()
	m.works(root2, root3, stamp, snapshot2, targets2)
	m.works()

	m.opts.CacheDir = ""
	m.works(root1, root2, root3, stamp, snapshot2, targets2, target)
	for name, body := range map[string][]byte{"another's": newMirror(t).Root(), "impostor": impostor(t, m)} {
		m.Tamper(root1, func([]byte) []byte { return body })
		if asked := m.fails(); len(asked) != 1 {
			t.Errorf("%s: asked for %q", name, asked)
		}
	}
}
