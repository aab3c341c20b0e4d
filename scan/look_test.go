package scan_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/boltseal/boltseal/scan"
)

// What a file is, its keys tell, if they tell one thing, and nothing is hidden
// from whoever looks.
func TestLook(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{ // want: the format, or what the error says
		{"x.yaml", "apiVersion: v1\nkind: Pod\n", "kubernetes"},
		{"x.yaml", "kind: Pod", "kubernetes"},
		{"x.yml", "# a file\n\n---\n\"services\": {}\n", "compose"},
		{"x.YAML", "'services' :\n  a: {}\n", "compose"},
		{"x.yaml", "name: x\non: push\njobs:\n- a\n-\n  b\n", "workflow"},
		{"x.yaml", "name: x\nruns: {using: docker}\n", "workflow"},
		{"x.yaml", "\ufeffservices:\r\n  a: b\r\n", "compose"},
		{"x.yaml", "x-a: |\n  kind: x\nservices: {}\n...\n", "compose"},
		{"x.yaml", "kind: a\n---\nkind: b\n--- # third\n# c\n\nkind: c\n", "kubernetes"},
		{"x.yaml", "{\"services\": {}}", "compose"},
		{"x.json", "{\"kind\": \"Pod\", \"spec\": {\"services\": 1}}", "kubernetes"},
		{"x.json", "{\"target\": {}}", "bake"},
		{"x.json", "{\"group\": {}}", "bake"},
		{"x.json", "{\"variable\": {}}", "bake"},
		{"x.json", "{\"k\\u0069nd\": 1}", "kubernetes"},
		{"x.hcl", "anything", "bake"},

		{"x.yaml", "", "no key at its top that tells"},
		{"x.yaml", "target: {}\n", "no key at its top that tells"},
		{"x.yaml", "kinds: {}\nspec:\n  kind: x\n", "no key at its top that tells"},
		{"x.yaml", "services: {}\njobs: {}\non: push\n", "by its keys it may be compose or workflow"},
		{"x.yaml", "version: 2.1\njobs: {}\n", "seems to be for another CI system"},
		{"kustomization.yaml", "resources: [x.yaml]\n", "kubernetes"},
		{"kustomization.yml", "services: {}\n", "kubernetes"},
		{"Kustomization", "images: []\n", "kubernetes"},
		{"x.yaml", "kind: a\n---\nservices: {}\n", "by its keys it may be compose or kubernetes"},
		{"x.yaml", "x-a: \"\nkind: x\n\"\nservices: {}\n", "a line at its top is no simple key"},
		{"x.yaml", "x-a: \"\nkind: x\n  \"\nservices: {}\n", "by its keys it may be compose or kubernetes"},
		{"x.yaml", "kind: \"\n  \"\n\"serv\\u0069ces\": {}\n", "a line at its top is no simple key"},
		{"x.yaml", "x-a: \"\nkind: x\n  \"\n? services\n: {}\n", "a line at its top is no simple key"},
		{"x.yaml", "kind: x\n!!str services: {}\n", "a line at its top is no simple key"},
		{"x.yaml", "kind: x\n&a services: {}\n", "a line at its top is no simple key"},
		{"x.yaml", "kind: x\n<<: *a\n", "a line at its top is no simple key"},
		{"x.yaml", "  services: {}\n  x: \"\nkind: x\n\"\n", "a line at its top is no simple key"},
		{"x.yaml", "kind: x\n---\n  services: {}\n", "a line at its top is no simple key"},
		{"x.yaml", "kind: x\n--- {services: {}}\n", "a line at its top is no simple key"},
		{"x.yaml", "kind: x\n# \rservices: {}\n", "by its keys it may be compose or kubernetes"},
		{"x.yaml", "kind: x\n# \u2028services: {}\n", "by its keys it may be compose or kubernetes"},
		{"x.yaml", "kind: x\n# \u2029services: {}\n", "by its keys it may be compose or kubernetes"},
		{"x.yaml", "kind: x\n# \u0085services: {}\n", "by its keys it may be compose or kubernetes"},
		{"x.yaml", "kind: x\n" + strings.Repeat("# padding\n", 1<<15) + "services: {}\n", "by its keys it may be compose or kubernetes"},
		{"x.yaml", "{{ if .Values }}\nkind: Pod\n{{ end }}\n", "invalid character"},
		{"x.yaml", "kind: Pod\n{{ end }}\n", "a line at its top is no simple key"},
		{"x.yaml", "- kind: Pod\n", "a line at its top is no simple key"},
		{"x.yaml", "kind:Pod\n", "a line at its top is no simple key"},
		{"x.yaml", "\"kind\n", "a line at its top is no simple key"},
		{"x.yaml", "\"kind\"x: 1\n", "a line at its top is no simple key"},
		{"x.yaml", "k\x00i\x00n\x00d\x00:\x00", "it is not UTF-8"},
		{"x.yaml", "kind: \xff", "it is not UTF-8"},
		{"x.yaml", "kind: Pod" + strings.Repeat(" ", scan.MaxFile), "larger than 4 MiB"},
		{"x.json", "[]", "it is no JSON object"},
		{"x.json", "", "it is no JSON object"},
		{"x.json", "{\"kind\": 1} {\"services\": 1}", "something comes after the JSON object"},
		{"x.json", "{\"kind\": 1, \"target\": {}}", "by its keys it may be bake or kubernetes"},
		{"x.json", "{\"kind\": 1", "cannot be told"},
		{"x.json", "{\"kind\": tru}", "invalid character"},
		{"x.json", "{\"kind\": 1,}", "invalid character"},
		{"x.json", "{\"kind\" 1}", "expected colon"},
	} {
		fsys := fstest.MapFS{tc.name: {Data: []byte(tc.text)}}
		got, err := scan.Search{Formats: formats(), Files: []string{tc.name}}.Find(fsys)
		switch {
		case err != nil && !strings.Contains(err.Error(), tc.want), err == nil && len(got.Files) != 1:
			t.Errorf("%s of %.60q: %v, want %s", tc.name, tc.text, err, tc.want)
		case err == nil && got.Files[0].Format.Name != tc.want:
			t.Errorf("%s of %.60q: %s, want %s", tc.name, tc.text, got.Files[0].Format.Name, tc.want)
		}
	}
}
