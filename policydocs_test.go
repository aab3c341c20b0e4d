package main_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// The schemas beside the documentation are those that the program prints.
func TestDocsPolicySchemas(t *testing.T) {
	t.Parallel()
	for file, args := range map[string][]string{"policy.schema.json": {"policy", "schema"}, "policy-test.schema.json": {"policy", "schema", "--cases"}} {
		code, out, errs := boltseal(t, noEnv, args...)
		if code != 0 || errs != "" {
			t.Fatalf("%q: exit %d\n%s", args, code, errs)
		}
		golden.Equal(t, filepath.Join("docs", file), out)
	}
}

// The schema of files of cases follows the reader, as far as a schema can.
func TestPolicyTestSchema(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("docs/policy-test.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("cases.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("cases.json")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := map[string]string{".boltseal.yaml": "version: 1\npublishers: [distroless]\n"}
	const one = "cases: [{image: quay.io/acme/app, expect: no-rule}]\n"
	for _, tc := range []struct {
		body  string
		sound bool
	}{
		{"version: 1\n" + one, true},
		{"version: 1\nnow: 2026-11-22\nplatforms: [linux/amd64]\ncases: [{image: quay.io/a/b, expect: no-rule, name: a}, {image: quay.io/a/b, expect: no-rule}]\n", true},
		{one, false},
		{"version: 2\n" + one, false},
		{"version: 1\ncases: []\n", false},
		{"version: 1\n", false},
		{"version: 1\nnow: tomorrow\n" + one, false},
		{"version: 1\ncases: [{image: quay.io/a/b, expect: passed}]\n", false},
		{"version: 1\ncases: [{image: quay.io/a/b, expect: no-rule, sign: me}]\n", false},
		{"version: 1\ncases: [{expect: no-rule}]\n", false},
	} {
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(tc.body), &n); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(asJSON(n.Content[0])); (err == nil) != tc.sound {
			t.Errorf("%s: the schema says %v", tc.body, err)
		}
		files["cases.yaml"] = tc.body
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if code, _, errs := boltsealIn(t, dir, noEnv, "policy", "test", "cases.yaml"); (code == 0) != tc.sound || !tc.sound && code != 2 {
			t.Errorf("%s: exit %d\n%s", tc.body, code, errs)
		}
	}
}

// What docs/policy-commands.md shows is what the program says, in a workspace of
// the files that the page has.
func TestDocsPolicyCommands(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("docs/policy-commands.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil { //nolint:gosec // our own documentation
			t.Fatal(err)
		}
	}
	reg, root := published(t)
	write("trusted_root.json", root)
	proxy := func(name string) string {
		if name == "HTTP_PROXY" {
			return "http://" + reg.Host() // which is asked for all hosts, and so is each of them
		}
		return ""
	}
	runs := 0
	// A file's name stands as code at the end of the line above it.
	page := parsePage("docs/policy-commands.md", string(body))
	lines := strings.Split(string(body), "\n")
	for _, f := range page.fences {
		above := ""
		for i := f.line - 2; above == "" && i >= 0; i-- {
			above = strings.TrimSpace(lines[i])
		}
		if above == "It wrote:" {
			if got, err := os.ReadFile(filepath.Join(dir, ".boltseal.yaml")); err != nil || string(got) != f.text {
				t.Errorf("line %d: it wrote (%v)\n%s", f.line, err, got)
			}
		}
		if m := regexp.MustCompile("`([a-zA-Z.-]+)`:$").FindStringSubmatch(above); m != nil && f.lang != "console" {
			write(m[1], f.text)
		}
		if f.lang != "console" {
			continue
		}
		for _, part := range strings.Split(f.text, "$ ")[1:] {
			command, want, _ := strings.Cut(part, "\n")
			args := words(t, command)[0]
			if slices.Contains(args, "--from-dct") { // which TestDocsPolicyFromDCT runs
				continue
			}
			if len(args) < 3 || args[0] != "boltseal" || args[1] != "policy" {
				t.Errorf("line %d: %s is not run", f.line, command)
				continue
			}
			if args[2] == "init" || args[2] == "test" {
				args = append(args, "--trusted-root", filepath.Join(dir, "trusted_root.json"), "--insecure-registry", "ghcr.io")
			}
			code, out, errs := boltsealIn(t, dir, proxy, args[1:]...)
			runs++
			got := out + errs
			if before, _, cut := strings.Cut(want, "…\n"); cut {
				got, want = got[:min(len(got), len(before))], before
			}
			if got != want {
				t.Errorf("line %d: %s: exit %d\n%s\nwant\n%s", f.line, command, code, got, want)
			}
		}
	}
	if runs < 6 {
		t.Errorf("%d runs were found", runs)
	}
}

// published returns a registry with what the page's images are, and the trust
// root of who signed them.
func published(t *testing.T) (*registrytest.Registry, string) {
	t.Helper()
	sig, err := sigstoretest.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	root, err := sig.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	reg := registrytest.Start(registrytest.Options{})
	t.Cleanup(reg.Close)
	if _, err := reg.PutImage("acme/base", "v3", "base"); err != nil {
		t.Fatal(err)
	}
	d, err := reg.PutImage("acme/app", "v1.4.0", "app")
	if err != nil {
		t.Fatal(err)
	}
	payload := sigstoretest.Payload("ghcr.io/acme/app", d.Digest.String())
	annotations, err := sig.Legacy(payload, sigstoretest.Options{
		Identity: "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.4.0", Issuer: "https://token.actions.githubusercontent.com",
		Claims: map[string]string{"1.11": "github-hosted"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reg.PutTagged("acme/app", d.Digest.String(), ".sig", registrytest.Layer{MediaType: registrytest.SimpleSigning, Blob: payload, Annotations: annotations}); err != nil {
		t.Fatal(err)
	}
	return reg, string(root)
}
