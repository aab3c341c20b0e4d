package scanreport_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/scanreport"
)

func TestReadAllow(t *testing.T) {
	t.Parallel()
	const text = `version: 1
allow:
  - id: CVE-2026-1001
    package: openssl*
    until: 2026-12-31
    reason: no TLS server runs in it, see issue 12
  - {id: GHSA-aaaa-bbbb-cccc, until: '2020-01-31', reason: "ended: that is no mistake of the file"}
`
	const asJSON = "{\n\t\"version\": 1,\n\t\"allow\": [{\"id\": \"CVE-2026-1001\", \"until\": \"2026-12-31\", \"reason\": \"r\", \"package\": \"@acme/*\"}]\n}\n"
	for _, tc := range []struct {
		name, text string
		want       []scanreport.Allowed
	}{
		{"YAML", text, []scanreport.Allowed{
			{ID: "CVE-2026-1001", Package: "openssl*", Until: day("2026-12-31"), Reason: "no TLS server runs in it, see issue 12", At: image.Position{File: "f", Line: 3, Col: 5}},
			{ID: "GHSA-aaaa-bbbb-cccc", Until: day("2020-01-31"), Reason: "ended: that is no mistake of the file", At: image.Position{File: "f", Line: 7, Col: 5}},
		}},
		{"JSON", asJSON, []scanreport.Allowed{{ID: "CVE-2026-1001", Package: "@acme/*", Until: day("2026-12-31"), Reason: "r", At: image.Position{File: "f", Line: 3, Col: 12}}}},
		{"none", "version: 1\n", []scanreport.Allowed{}},
		{"one for each package", "version: 1\nallow: [{id: a-1, package: p, until: 2026-12-31, reason: r1}, {id: a-1, package: q, until: 2026-12-31, reason: r1}]", []scanreport.Allowed{
			{ID: "a-1", Package: "p", Until: day("2026-12-31"), Reason: "r1", At: image.Position{File: "f", Line: 2, Col: 9}},
			{ID: "a-1", Package: "q", Until: day("2026-12-31"), Reason: "r1", At: image.Position{File: "f", Line: 2, Col: 63}},
		}},
	} {
		if got, err := scanreport.ReadAllow("f", []byte(tc.text)); err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %+v (%v)", tc.name, got, err)
		}
	}
}

func TestReadAllowRefuses(t *testing.T) {
	t.Parallel()
	entry := func(s string) string { return "version: 1\nallow:\n- " + s + "\n" }
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", "f:1:1: the file is empty"},
		{"blank", "# nothing yet\n", "f:1:1: the file is empty"},
		{"list", "- id: a-1\n", "f:1:1: the file must be a mapping"},
		{"no version", "allow: []\n", "lacks the key version"},
		{"version 2", "version: 2\n", "f:1:10: version is \"2\", and must be 1"},
		{"unknown key", "version: 1\nignore: []\n", "f:2:1: the file has no key ignore; the keys here are version, allow"},
		{"misspelt key", entry("{id: a-1, untill: 2026-12-31, reason: r}"), "f:3:13: an item of allow has no key untill; did you mean until?"},
		{"empty list", "version: 1\nallow: []\n", "allow is an empty list; write allow: [{id: CVE-2026-1234, until: 2026-12-31, reason: …}], or leave it out"},
		{"null", "version: 1\nallow:\n", "allow has no value"},
		{"no until", entry("{id: a-1, reason: r}"), "f:3:3: an item of allow lacks the key until; write until: 2026-12-31"},
		{"no reason", entry("{id: a-1, until: 2026-12-31}"), "lacks the key reason"},
		{"empty reason", entry("{id: a-1, until: 2026-12-31, reason: ''}"), "f:3:41: reason is an empty text"},
		{"no ID", entry("{until: 2026-12-31, reason: r}"), "lacks the key id"},
		{"date", entry("{id: a-1, until: 31.12.2026, reason: r}"), "f:3:20: until is \"31.12.2026\", which is no date; write year, month and day"},
		{"no day", entry("{id: a-1, until: 2026-02-30, reason: r}"), "which is no date"},
		{"time", entry("{id: a-1, until: 2026-12-31T00:00:00Z, reason: r}"), "which is no date"},
		{"pattern", entry("{id: CVE-2026-*, until: 2026-12-31, reason: r}"), `f:3:8: id is "CVE-2026-*", and an ID is no pattern; write an entry for each vulnerability`},
		{"several IDs", entry("{id: 'CVE-2026-1, CVE-2026-2', until: 2026-12-31, reason: r}"), "which is no ID of a vulnerability; write one such as CVE-2026-1234"},
		{"ID is a list", entry("{id: [a-1], until: 2026-12-31, reason: r}"), "id must be a text"},
		{"twice", entry("{id: CVE-2026-1, until: 2026-12-31, reason: r}\n- {id: cve-2026-1, until: 2027-12-31, reason: r}"), "f:4:8: cve-2026-1 stands twice, first in line 3; keep one of them"},
		{"key twice", entry("{id: a-1, id: a-2, until: 2026-12-31, reason: r}"), `f:3:13: the key "id" is there twice`},
		{"key twice in JSON", `{"version": 1, "version": 1}`, `f:1:16: the key "version" is there twice`},
		{"second document", "version: 1\n---\nversion: 1\n", "a second document begins here"},
		{"long package", entry("{id: a-1, package: " + strings.Repeat("p", 301) + ", until: 2026-12-31, reason: r}"), "package has 301 bytes"},
		{"many stars", entry("{id: a-1, package: 'a" + strings.Repeat("*a", 9) + "', until: 2026-12-31, reason: r}"), "9 *, and may have at most 300 and 8"},
		{"long reason", entry("{id: a-1, until: 2026-12-31, reason: " + strings.Repeat("r", 1001) + "}"), "reason has 1001 bytes"},
		{"many", "version: 1\nallow:\n" + strings.Repeat("- {id: a-1, until: 2026-12-31, reason: r}\n", 2001), "allow has 2001 items, and may have at most 2000"},
		{"large", "version: 1 #" + strings.Repeat("x", 5<<20), "f:1:1: "},
		{"bomb", "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nversion: 1\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f]\n", "aliases stand for more than"},
	} {
		if raced && len(tc.text) > 1<<20 {
			continue
		}
		got, err := scanreport.ReadAllow("f", []byte(tc.text))
		var all *scanreport.AllowError
		if got != nil || !errors.As(err, &all) || len(all.Faults()) == 0 || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %+v (%v)", tc.name, got, err)
			continue
		}
		for _, f := range all.Faults() {
			var fault *yamlshape.Fault
			if f.At.File != "f" || f.At.Line < 1 || f.At.Col < 1 || !errors.As(err, &fault) {
				t.Errorf("%s: %+v", tc.name, f)
			}
		}
	}
}

// All faults are told, by place, and not too many of them.
func TestReadAllowFaults(t *testing.T) {
	t.Parallel()
	_, err := scanreport.ReadAllow("f", []byte("version: 3\nallow:\n- {id: 'a b', until: 2026-12-31, reason: r}\n- {id: a-1}\n"))
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 4 || !strings.HasPrefix(lines[0], "f:1:") || !strings.HasPrefix(lines[1], "f:3:") {
		t.Error(err)
	}
	_, err = scanreport.ReadAllow("f", []byte("version: 1\nallow:\n"+strings.Repeat("- {id: a-1}\n", 30)))
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 21 || lines[20] != "… and 40 more" {
		t.Error(err)
	}
}

// The schema beside the documentation is that of the reader, and follows it as
// far as a schema can.
func TestAllowSchema(t *testing.T) {
	t.Parallel()
	body, err := json.MarshalIndent(scanreport.AllowSchema(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Equal(t, filepath.Join("..", "docs", "scan-allow.schema.json"), string(body)+"\n")
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("allow.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("allow.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"version: 1\n",
		"version: 1\nallow: [{id: CVE-2026-1, package: p, until: '2026-12-31', reason: r}]\n",
		"version: 1\nallow: []\n",
		"version: 2\n",
		"{}\n",
		"version: 1\nallow: [{id: CVE-2026-1, until: '2026-12-31'}]\n",
		"version: 1\nallow: [{id: CVE-2026-*, until: '2026-12-31', reason: r}]\n",
		"version: 1\nallow: [{id: CVE-2026-1, until: soon, reason: r}]\n",
		"version: 1\nallow: [{id: CVE-2026-1, until: '2026-12-31', reason: r, owner: a}]\n",
	} {
		_, err := scanreport.ReadAllow("f", []byte(text))
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		asJSON, _ := json.Marshal(v)
		inst, _ := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		if wrong := schema.Validate(inst); (wrong == nil) != (err == nil) {
			t.Errorf("%s: the reader says %v, the schema %v", text, err, wrong)
		}
	}
}

func FuzzReadAllow(f *testing.F) {
	f.Add([]byte("version: 1\nallow:\n- {id: CVE-2026-1, package: 'a*', until: 2026-12-31, reason: r}\n"))
	f.Add([]byte(`{"version": 1, "allow": [{"id": "a", "until": "2026-12-31", "reason": "x"}]}`))
	f.Add([]byte("version: 1\nallow: [{id: a b}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := scanreport.ReadAllow("f", text)
		var faults *scanreport.AllowError
		if err != nil && (!errors.As(err, &faults) || len(faults.Faults()) == 0 || all != nil) {
			t.Fatalf("%+v (%v)", all, err)
		}
		for _, a := range all {
			if a.ID == "" || a.Reason == "" || a.Until.IsZero() || strings.ContainsAny(a.ID, "* \n") || a.At.Line < 1 {
				t.Fatalf("%+v", a)
			}
		}
	})
}
