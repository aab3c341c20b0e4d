package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// What docs/pin.md shows is what the program does, in a workspace of the files
// that the page has, one after the other.
func TestDocsPin(t *testing.T) {
	t.Parallel()
	const name = "docs/pin.md"
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	reg, root := published(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(file("trusted_root.json"), []byte(root), 0o600); err != nil {
		t.Fatal(err)
	}
	proxy := func(name string) string {
		if name == "HTTP_PROXY" {
			return "http://" + reg.Host() // which is asked for all hosts, and so is each of them
		}
		return ""
	}
	run := func(args ...string) (int, string) {
		code, out, errs := boltsealIn(t, dir, proxy, append(args, "--trusted-root", file("trusted_root.json"), "--insecure-registry", "ghcr.io")...)
		return code, out + errs
	}
	runs, compared := 0, 0
	lines := strings.Split(string(body), "\n")
	for _, f := range parsePage(name, string(body)).fences {
		above := ""
		for i := f.line - 2; above == "" && i >= 0; i-- {
			above = strings.TrimSpace(lines[i])
		}
		if m := regexp.MustCompile("`([a-zA-Z.-]+)`( is now)?:$").FindStringSubmatch(above); m != nil && f.lang != "console" {
			if m[2] != "" {
				compared++
				if got, err := os.ReadFile(file(m[1])); err != nil || string(got) != f.text {
					t.Errorf("line %d: %s is now (%v)\n%s", f.line, m[1], err, got)
				}
				continue
			}
			if err := os.WriteFile(file(m[1]), []byte(f.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, part := range strings.Split(f.text, "$ ")[1:] {
			command, want, _ := strings.Cut(part, "\n")
			if f.lang != "console" {
				break
			}
			args := words(t, command)[0]
			runs++
			if code, got := run(args[1:]...); got != want {
				t.Errorf("line %d: %s: exit %d\n%s\nwant\n%s", f.line, command, code, got, want)
			}
		}
	}
	if runs < 2 || compared < 1 {
		t.Errorf("%d runs and %d files were compared", runs, compared)
	}
}

// Every flag of pin that is its own is in the table, and the page's document is
// one by the schema.
func TestDocsPinReference(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("docs/pin.md")
	if err != nil {
		t.Fatal(err)
	}
	verify := flags(t, "verify")
	for name := range flags(t, "pin") {
		if _, shared := verify[name]; !shared && !regexp.MustCompile("(?m)^\\| `--"+name+"[ `]").Match(body) {
			t.Errorf("docs/pin.md has no row for --%s", name)
		}
	}
	schemaText, err := os.ReadFile("docs/pin.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	schemaDoc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaText))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("pin.json", schemaDoc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("pin.json")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, f := range parsePage("docs/pin.md", string(body)).fences {
		var doc any
		if f.lang != "json" {
			continue
		}
		shown++
		if err := json.Unmarshal([]byte(f.text), &doc); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("line %d: %v", f.line, err)
		}
		for key := range doc.(map[string]any) {
			if !strings.Contains(string(body), "`"+key+"`") {
				t.Errorf("docs/pin.md does not explain %s", key)
			}
		}
	}
	if shown != 1 {
		t.Errorf("%d documents", shown)
	}
}
