package main_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/internal/programtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/servicetest"
)

func contentTrustPage(t *testing.T) page {
	t.Helper()
	body, err := os.ReadFile("docs/dct.md")
	if err != nil {
		t.Fatal(err)
	}
	return parsePage("docs/dct.md", string(body))
}

// A trusted is what the examples of docs/dct.md speak of: a registry with the
// image app:v1, a Notary server on which alice has signed it, and the files that
// the page names.
type trusted struct {
	registry *registrytest.Registry
	server   *dcttest.Server
	c        *dcttest.Collection
	image    string // with the registry's host
	digest   string
	dir      string
}

func newTrusted(t *testing.T, o dcttest.Options) *trusted {
	t.Helper()
	w := &trusted{registry: registrytest.Start(registrytest.Options{}), dir: t.TempDir()}
	t.Cleanup(w.registry.Close)
	repository := w.registry.Host() + "/app"
	w.image = repository + ":v1"
	pushed, err := w.registry.PutImage("app", "v1", "signed")
	c, made := dcttest.NewCollection(repository, o)
	if err = errors.Join(err, made); err != nil {
		t.Fatal(err)
	}
	w.c, w.digest = c, pushed.Digest.String()
	w.server, err = dcttest.Serve(dcttest.ServerOptions{}, c)
	if err = errors.Join(err, c.Sign("v1", w.digest, "alice")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.server.Down)
	return w
}

// here puts the registry, the server and the root in the place of those of the
// page.
func (w *trusted) here(text string) string {
	return strings.NewReplacer(
		"registry.acme.example", w.registry.Host(), "https://notary.acme.example", w.server.URL(), pageRoot, w.c.RootID(),
	).Replace(text)
}

// pageRoot is the root's key ID on the page.
const pageRoot = "9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a"

// verify verifies the image with more flags.
func (w *trusted) verify(t *testing.T, more ...string) (code int, out string) {
	t.Helper()
	args := append([]string{"verify", w.image, "--dct-server", w.server.URL()}, more...)
	if !slices.ContainsFunc(more, func(s string) bool { return strings.HasPrefix(s, "--dct-root") || s == "--dct-tofu" || s == "--policy" }) {
		args = append(args, "--dct-root-key-ids", w.c.RootID())
	}
	code, out, errs := boltsealIn(t, w.dir, noEnv, args...)
	return code, out + errs
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// TestTrustDataMessages shows that what docs/dct.md says of refusals is what the
// program says: each row of its table comes of what the row tells.
func TestTrustDataMessages(t *testing.T) {
	t.Parallel()
	past := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	type scene struct {
		options dcttest.Options
		make    func(t *testing.T, w *trusted) []string // more flags
	}
	do := func(f func(w *trusted) error, more ...string) scene {
		return scene{make: func(t *testing.T, w *trusted) []string {
			t.Helper()
			if err := f(w); err != nil {
				t.Fatal(err)
			}
			return more
		}}
	}
	nothing := func(*trusted) error { return nil }
	scenes := map[string]scene{
		"remote trust data does not exist for": do(func(w *trusted) error { w.server.Put(w.c.GUN(), nil); return nil }),
		"nobody has signed this tag": do(func(w *trusted) error {
			return errors.Join(w.c.Remove(dcttest.Releases, "v1"), w.c.Remove("targets/alice", "v1"))
		}),
		"which decide what tags mean": do(func(w *trusted) error { return w.c.Remove(dcttest.Releases, "v1") }),
		"has not signed":              do(nothing, "--dct-signers", "alice,bob"),
		"is no delegation of":         do(nothing, "--dct-signers", "carol"),
		"the required signer": do(func(w *trusted) error {
			return w.c.AddTarget("targets/bob", "v1", digestOf("other"), 512)
		}, "--dct-signers", "bob"),
		"its root keys are": do(nothing, "--dct-root-key-ids", strings.Repeat("ab", 32)),
		"is the ID of the root key itself": {make: func(_ *testing.T, w *trusted) []string {
			return []string{"--dct-root-key-ids", w.c.CanonicalRootID()}
		}},
		"could not rotate trust to a new trusted root": {make: func(t *testing.T, w *trusted) []string {
			t.Helper()
			old, cache := w.c.RootID(), filepath.Join(w.dir, "cache")
			if code, out := w.verify(t, "--dct-cache-dir", cache); code != 0 {
				t.Fatal(out)
			}
			if err := w.c.RotateRoot(dcttest.CertificateOptions{}, false); err != nil {
				t.Fatal(err)
			}
			return []string{"--dct-cache-dir", cache, "--dct-root-key-ids", old + "," + w.c.RootID()}
		}},
		"the tag was moved after it was signed": do(func(w *trusted) error {
			_, err := w.registry.PutImage("app", "v1", "another")
			return err
		}),
		"rollback": {make: func(t *testing.T, w *trusted) []string {
			t.Helper()
			before, cache := w.c.Clone(), filepath.Join(w.dir, "cache")
			if err := w.c.Sign("v2", digestOf("v2"), "alice"); err != nil {
				t.Fatal(err)
			}
			if code, out := w.verify(t, "--dct-cache-dir", cache); code != 0 {
				t.Fatal(out)
			}
			w.server.Put(w.c.GUN(), before)
			return []string{"--dct-cache-dir", cache}
		}},
		"did not meet threshold": do(func(w *trusted) error { return w.c.SignByAnother(dcttest.Targets) }),
		"checksum for": do(func(w *trusted) error {
			w.server.Inject(servicetest.Fault{Path: "/v2/" + w.c.GUN() + "/_trust/tuf/targets.", Change: func(b []byte) []byte {
				return []byte(strings.Replace(string(b), `"version":`, `"versiom":`, 1))
			}})
			return nil
		}),
		"expired on": do(func(w *trusted) error { return w.c.Expire(dcttest.Releases, past) }),
		"counts from": {
			options: dcttest.Options{Certificate: dcttest.CertificateOptions{From: past.AddDate(-1, 0, 0), To: past}},
			make:    func(*testing.T, *trusted) []string { return nil },
		},
		"docker login": do(func(w *trusted) error { w.server.Inject(servicetest.Fault{Status: http.StatusForbidden}); return nil }),
		"is no trust data": do(func(w *trusted) error {
			w.server.Inject(servicetest.Fault{Body: []byte("<html>Sign in</html>")})
			return nil
		}),
		"503": do(func(w *trusted) error {
			w.server.Inject(servicetest.Fault{Status: http.StatusServiceUnavailable})
			return nil
		}),
		"delete it": {make: func(t *testing.T, w *trusted) []string {
			t.Helper()
			cache := filepath.Join(w.dir, "cache")
			if code, out := w.verify(t, "--dct-cache-dir", cache); code != 0 {
				t.Fatal(out)
			}
			names, err := filepath.Glob(filepath.Join(cache, "dct-*.json"))
			if err != nil || len(names) != 1 {
				t.Fatal(names, err)
			}
			if err := os.WriteFile(names[0], []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
			return []string{"--dct-cache-dir", cache}
		}},
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| `([^`|]+)` \\|")
	_, section, _ := strings.Cut(contentTrustPage(t).prose, "\n## What a refusal means\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := row.FindAllStringSubmatch(section, -1)
	if len(rows) != len(scenes) {
		t.Errorf("%d rows, and %d scenes", len(rows), len(scenes))
	}
	for _, m := range rows {
		s, ok := scenes[m[2]]
		if !ok {
			t.Errorf("nothing is said to lead to %q", m[2])
			continue
		}
		t.Run(m[2], func(t *testing.T) {
			t.Parallel()
			w := newTrusted(t, s.options)
			code, out := w.verify(t, s.make(t, w)...)
			if !strings.Contains(out, m[1]) || !strings.Contains(out, m[2]) || code == 0 || code == 2 {
				t.Errorf("exit %d, want %q with %q:\n%s", code, m[1], m[2], out)
			}
		})
	}
}

// TestTrustDataExamples runs the examples of docs/dct.md that verify and inspect,
// to their end, and its policy.
func TestTrustDataExamples(t *testing.T) {
	t.Parallel()
	w := newTrusted(t, dcttest.Options{})
	p := contentTrustPage(t)
	if err := os.WriteFile(filepath.Join(w.dir, "acme-root.pub"), w.c.RootKeyPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		code, out, errs := boltsealIn(t, w.dir, noEnv, args...)
		if code != 0 || strings.Contains(errs, "boltseal: ") { // else it warns
			t.Errorf("%q: exit %d\n%s%s", args, code, out, errs)
		}
		return out
	}
	seen := map[string]int{}
	for _, f := range p.fences {
		if f.lang != "sh" {
			continue
		}
		for _, line := range f.commands() {
			if !strings.HasPrefix(line, "boltseal ") {
				continue
			}
			args := words(t, w.here(line))[0][1:]
			switch seen[args[0]]++; {
			case args[0] == "verify":
				if out := run(args...); !strings.Contains(out, "verified") || !strings.Contains(out, "targets/alice") {
					t.Errorf("%q:\n%s", args, out)
				}
			case args[0] == "trust" && args[1] == "inspect":
				if out := run(args...); !strings.Contains(out, w.c.RootID()) || !strings.Contains(out, strings.TrimPrefix(w.digest, "sha256:")) {
					t.Errorf("%q:\n%s", args, out)
				}
			}
		}
	}
	if seen["verify"] == 0 || seen["trust"] == 0 {
		t.Errorf("examples that were found: %v", seen)
	}
	policies := 0
	for _, f := range p.fences {
		if f.lang != "yaml" {
			continue
		}
		policies++
		policy := filepath.Join(w.dir, "policy.yaml")
		if err := os.WriteFile(policy, []byte(w.here(f.text)), 0o600); err != nil {
			t.Fatal(err)
		}
		if out := run("verify", w.image, "--policy", policy); !strings.Contains(out, "verified") {
			t.Errorf("line %d: %s", f.line, out)
		}
	}
	if policies != 2 {
		t.Errorf("%d policies were found", policies)
	}
}

// TestTrustDataOwner runs what docs/dct.md tells owners to run, on the root that
// docker would have kept, and what it makes of boltseal's own answer: each says
// the ID and the public key that are to be pinned.
func TestTrustDataOwner(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"sh", "jq", "base64", "openssl"} {
		programtest.Found(t, program)
	}
	w := newTrusted(t, dcttest.Options{})
	kept := filepath.Join(w.dir, ".docker/trust/tuf/registry.acme.example/app/metadata")
	if err := errors.Join(os.MkdirAll(kept, 0o700), os.WriteFile(filepath.Join(kept, "root.json"), w.c.File("root"), 0o600)); err != nil {
		t.Fatal(err)
	}
	p := contentTrustPage(t)
	sh := func(script, input string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-euc", script) //nolint:gosec // our own documentation
		cmd.Dir, cmd.Env, cmd.Stdin = w.dir, append(os.Environ(), "HOME="+w.dir), strings.NewReader(input)
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v", script, err)
		}
		return string(out)
	}
	if id := sh(p.fenceOf(t, "sh", "root=~/.docker"), ""); id != w.c.RootID()+"\n" {
		t.Errorf("the ID is %q, want %s", id, w.c.RootID())
	}
	if code, out := w.verify(t, "--dct-root-public-key", "acme-root.pub"); code != 0 {
		t.Errorf("with the public key: exit %d\n%s", code, out)
	}
	_, filter, _ := strings.Cut(p.fenceOf(t, "sh", "AdministrativeKeys"), "\n  | ")
	_, shown, _ := boltsealIn(t, w.dir, noEnv, "trust", "inspect", w.registry.Host()+"/app", "--dct-server", w.server.URL(), "--output", "json")
	if id := sh(filter, shown); id != w.c.RootID()+"\n" {
		t.Errorf("the ID that is shown is %q, want %s", id, w.c.RootID())
	}
}
