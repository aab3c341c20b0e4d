package main_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// Where the pages' trust data are.
const (
	trustHost  = "registry.acme.example"
	notaryHost = "notary.acme.example"
)

// A trustPage is what pages about Docker Content Trust say that there is: images,
// trust data, and a proxy before both. Keys and times are new in each run, and
// shown as the pages have them.
type trustPage struct {
	dir   string
	proxy func(string) string
	shown *strings.Replacer
	root  string // the key ID of team/app
}

// trustedWorld has team/app with the tags v1, which is signed with Sigstore too,
// and v2, and team/old with v1 and v2, which Docker Content Trust alone has
// signed.
func trustedWorld(t *testing.T) trustPage {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	sig, err := sigstoretest.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	must(err)
	root, err := sig.TrustedRoot()
	must(err)
	reg := registrytest.Start(registrytest.Options{})
	t.Cleanup(reg.Close)
	dir := t.TempDir()
	must(os.WriteFile(filepath.Join(dir, "trusted_root.json"), root, 0o600))
	var pairs []string
	var all []*dcttest.Collection
	for i, repo := range []string{"team/app", "team/old"} {
		expires := map[string]time.Time{}
		year := func(role string, n int) {
			expires[role] = time.Now().Add(time.Duration(24*(300+n)) * time.Hour).UTC().Truncate(time.Second)
			pairs = append(pairs, expires[role].Format(time.RFC3339), map[int]string{0: "2036-11-20T12:00:00Z", 1: "2029-11-22T12:00:00Z", 2: "2029-11-22T12:00:00Z", 3: "2026-12-06T12:00:00Z"}[n])
		}
		for n, role := range []string{"root", "targets", "snapshot", "timestamp"} {
			year(role, n)
		}
		expires["targets/releases"], expires["targets/alice"], expires["targets/bob"] = expires["targets"], expires["targets"], expires["targets"]
		c, err := dcttest.NewCollection(trustHost+"/"+repo, dcttest.Options{Expires: expires})
		must(err)
		all = append(all, c)
		if i == 0 {
			pairs = append(pairs, c.RootID(), fakeID("2d4f5c1e"))
		} else {
			pairs = append(pairs, c.RootID(), fakeID("7e1f0a9b"))
		}
		pairs = append(pairs, c.Key("targets").Public.ID(), fakeID("5a3b2c1d"), c.Key("snapshot").Public.ID(), fakeID("1c0d9e8f"), c.Key("timestamp").Public.ID(), fakeID("6b5c4d3e"),
			c.Key("targets/alice").Private.ID(), fakeID("a1b2c3d4"), c.Key("targets/bob").Private.ID(), fakeID("b0b1b2b3"), c.Key("targets/releases").Private.ID(), fakeID("e5e6e7e8"))
		for _, tag := range []string{"v1", "v2"} {
			d, err := reg.PutImage(repo, tag, repo+tag)
			must(err)
			must(c.Sign(tag, d.Digest.String(), "alice"))
			if tag == "v2" {
				must(c.AddTarget("targets/bob", tag, d.Digest.String(), 512))
			}
			if i > 0 || tag != "v1" {
				continue
			}
			bundle, err := sig.Bundle("https://sigstore.dev/cosign/sign/v1", d.Digest.Encoded(), nil, sigstoretest.Options{
				Identity: "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1", Issuer: "https://token.actions.githubusercontent.com",
				Claims: map[string]string{"1.11": "github-hosted"},
			})
			must(err)
			b, err := reg.PutBundle(repo, d, bundle)
			must(err)
			pairs = append(pairs, b.Digest.Encoded(), strings.Repeat("c", 64)) // its bytes are of this run
		}
		// Somebody moves v2.
		if i == 0 {
			_, err := reg.PutImage(repo, "v2", "theirs")
			must(err)
		}
	}
	server, err := dcttest.Serve(dcttest.ServerOptions{}, all...)
	must(err)
	t.Cleanup(server.Down)
	to := func(host string) *httputil.ReverseProxy {
		return httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: host})
	}
	registry, notary := to(reg.Host()), to(server.Host())
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == notaryHost {
			notary.ServeHTTP(w, r)
			return
		}
		registry.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	pairs = append(pairs, "http://"+notaryHost, "https://"+notaryHost)
	return trustPage{dir: dir, root: all[0].RootID(), shown: strings.NewReplacer(pairs...), proxy: func(name string) string {
		if name == "HTTP_PROXY" {
			return front.URL
		}
		return ""
	}}
}

// run runs an example of a page, and returns what is shown of it.
func (p trustPage) run(t *testing.T, args []string) (code int, shown string) {
	t.Helper()
	var given []string
	for _, arg := range args {
		given = append(given, strings.Replace(arg, "https://"+notaryHost, "http://"+notaryHost, 1))
	}
	given = append(given, "--trusted-root", filepath.Join(p.dir, "trusted_root.json"), "--insecure-registry", trustHost, "--insecure-registry", notaryHost)
	for i, arg := range given {
		if arg == fakeID("2d4f5c1e") {
			given[i] = p.root
		}
	}
	code, out, errs := boltsealIn(t, p.dir, p.proxy, given...)
	return code, p.shown.Replace(out + errs)
}

// What docs/trust-inspect.md shows is what the program says; it names every flag
// and explains every field.
func TestDocsTrustInspect(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("docs/trust-inspect.md")
	if err != nil {
		t.Fatal(err)
	}
	world := trustedWorld(t)
	p := parsePage("docs/trust-inspect.md", string(body))
	runs, last := 0, ""
	for _, f := range p.fences {
		if f.lang == "json" { // of the command above it
			if f.text != last {
				t.Errorf("line %d: the page has\n%s\nwant\n%s", f.line, f.text, last)
			}
			continue
		}
		if f.lang != "console" {
			continue
		}
		for _, part := range strings.Split(f.text, "$ ")[1:] {
			command, want, _ := strings.Cut(strings.ReplaceAll(part, "\\\n", " "), "\n")
			args := words(t, command)[0]
			runs++
			_, last = world.run(t, args[1:])
			last = withoutWarnings(last)
			if want != "" && last != want {
				t.Errorf("line %d: %s\n%s\nwant\n%s", f.line, command, last, want)
			}
		}
	}
	if runs < 3 {
		t.Errorf("%d runs were found", runs)
	}
	for name := range flags(t, "trust", "inspect") {
		if name != "help" && !strings.Contains(p.text, "`--"+name) {
			t.Errorf("the page does not name --%s", name)
		}
	}
	schema, err := os.ReadFile("docs/trust-inspect.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(schema, &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(x any) {
		o, ok := x.(map[string]any)
		if !ok {
			return
		}
		if properties, ok := o["properties"].(map[string]any); ok {
			for name := range properties {
				if !strings.Contains(p.prose, "`"+name+"`") {
					t.Errorf("the page does not explain %s", name)
				}
			}
		}
		for _, v := range o {
			walk(v)
		}
	}
	walk(doc)
}

// What docs/policy-commands.md shows of policy init --from-dct is what it says.
func TestDocsPolicyFromDCT(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("docs/policy-commands.md")
	if err != nil {
		t.Fatal(err)
	}
	world := trustedWorld(t)
	runs := 0
	for _, f := range parsePage("docs/policy-commands.md", string(body)).fences {
		command, want, _ := strings.Cut(strings.TrimPrefix(f.text, "$ "), "\n")
		if f.lang != "console" || !strings.Contains(command, "--from-dct") {
			continue
		}
		runs++
		code, got := world.run(t, words(t, command)[0][1:])
		if got = withoutWarnings(got); code != 0 || got != want {
			t.Errorf("line %d: exit %d\n%s\nwant\n%s", f.line, code, got, want)
		}
	}
	if runs != 1 {
		t.Errorf("%d runs were found", runs)
	}
}

// withoutWarnings leaves out what is the same for every example.
func withoutWarnings(out string) string {
	return regexp.MustCompile(`(?m)^warning: .*\n`).ReplaceAllString(out, "")
}

// fakeID is a key ID of the pages.
func fakeID(begin string) string { return strings.Repeat(begin, 8) }
