package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/policy"
)

// The policies that documentation shows are read without a fault or a doubt. For
// those that extend others there are others.
func TestDocsPolicies(t *testing.T) {
	t.Parallel()
	checked := 0
	named := newFiles(t)
	certificate, err := os.ReadFile(named.notationRoot)
	if err != nil {
		t.Fatal(err)
	}
	key, root := named.keyText, string(certificate)
	for _, p := range pages(t) {
		if p.name == "docs/policy-commands.md" || p.name == "docs/identities.md" || p.name == "docs/publishers.md" {
			continue // they have tests of their own, and doubtful ones
		}
		for _, f := range p.fences {
			if f.lang != "yaml" || !strings.HasPrefix(f.text, "version: 1\n") {
				continue
			}
			checked++
			dir := t.TempDir()
			text := f.text
			// Whatever is fetched has a digest that nothing here has.
			if extends := regexp.MustCompile(`(?s)extends:\n.*?\n(rules:)`); extends.MatchString(text) {
				text = extends.ReplaceAllString(text, "extends: [{file: platform.yaml}]\n$1")
			}
			for name, body := range map[string]string{
				".boltseal.yaml": text, "platform.yaml": "version: 1\npublishers: [distroless]\n",
				"acme-root.crt": root, "tsa-root.crt": root, "cosign.pub": key, "acme-root.pub": key,
			} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			code, out, errs := boltsealIn(t, dir, noEnv, "policy", "check")
			if (code != 0 && !strings.Contains(text, "2027-01-31")) || strings.Contains(errs, "boltseal:") {
				t.Errorf("%s:%d: exit %d\n%s%s", p.name, f.line, code, out, errs)
			}
		}
	}
	if checked < 6 {
		t.Errorf("only %d policies were found", checked)
	}
}

// docs/policy.md speaks of every key that a policy may have, and of every lint.
func TestDocsPolicyKeys(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile("docs/policy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(body, &schema); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	properties(schema, keys)
	if len(keys) < 30 {
		t.Errorf("only %d keys were found", len(keys))
	}
	for key := range keys {
		if !regexp.MustCompile("(^|[^a-z-])" + regexp.QuoteMeta(key) + "($|[^a-z-])").Match(page) {
			t.Errorf("docs/policy.md does not speak of %s", key)
		}
	}
	for _, l := range policy.Lints() {
		if !strings.Contains(string(page), "| `"+l.Name+"` | ") {
			t.Errorf("docs/policy.md has no row for the lint %s: %s", l.Name, l.Doc)
		}
	}
}

// properties collects the names of all properties of a schema.
func properties(schema any, names map[string]bool) {
	switch s := schema.(type) {
	case map[string]any:
		for key, value := range s {
			if all, ok := value.(map[string]any); ok && key == "properties" {
				for name := range all {
					names[name] = true
				}
			}
			properties(value, names)
		}
	case []any:
		for _, value := range s {
			properties(value, names)
		}
	}
}
