package bake_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/boltseal/boltseal/scan"
)

// What is built is told by the names that bake has for it: groups and patterns
// resolved, matrices expanded, and what contexts name as well. Their contexts are
// those that reach the builder.
func TestTargets(t *testing.T) {
	t.Parallel()
	const file = `
variable "BASE" {}
group "default" { targets = ["app", "tools"] }
group "tools" { targets = ["tool", "app"] }
target "_common" { contexts = { "node:22" = "docker-image://mirror/node:22", gone = "./gone" } }
target "app" {
  inherits = ["_common"]
  contexts = { lib = "target:lib", gone = "", doubtful = "docker-image://${BASE}" }
}
target "lib" {}
target "other" {}
target "tool" {
  name = "tool-${replace(v, ".", "-")}"
  matrix = { v = ["1.0", "2"] }
}
`
	const app = `map["doubtful":"" "lib":"target:lib" "node:22":"docker-image://mirror/node:22"]`
	for _, tc := range []struct {
		name  string
		build scan.Build
		want  string
	}{
		{"default", scan.Build{}, "lib; app; tool-1-0; tool-2"},
		{"one", scan.Build{Targets: []string{"other"}}, "other"},
		{"pattern", scan.Build{Targets: []string{"tool-*"}}, "tool-1-0; tool-2"},
		{"matrix", scan.Build{Targets: []string{"tool"}}, "tool-1-0; tool-2"},
		{"twice", scan.Build{Targets: []string{"lib", "app"}}, "lib; app"},
		{"none", scan.Build{Targets: []string{"absent"}}, ""},
		{"all", scan.Build{AllStages: true}, "_common; lib; app; other; tool-1-0; tool-2"},
	} {
		source := scan.Source{FS: fstest.MapFS{"docker-bake.hcl": {Data: []byte(file)}, "Dockerfile": {Data: []byte("FROM node:22\n")}}, Build: tc.build}
		var names []string
		for _, target := range format().Scan(source, "docker-bake.hcl").Targets {
			names = append(names, target.Name)
			if target.At.File != "docker-bake.hcl" {
				t.Errorf("%s: %s is at %v", tc.name, target.Name, target.At)
			}
			if got := fmt.Sprintf("%q", target.Contexts); target.Name == "app" && got != app {
				t.Errorf("%s: contexts %s", tc.name, got)
			}
		}
		if got := strings.Join(names, "; "); got != tc.want {
			t.Errorf("%s: built are %q, want %q", tc.name, got, tc.want)
		}
	}
}

// What reads the attributes of a target is found wherever it stands, in files
// that are JSON as well.
func TestTargetsMentioned(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, want string }{
		{`target "a" {}`, ""},
		{`target "a" { tags = ["target.b"] }`, ""},
		{`target "a" { inherits = ["b"], contexts = { x = "target:b" } }`, ""},
		{`target "a" { tags = target.b.tags }`, "b"},
		{`target "a" { labels = { x = "${upper(target.b.args.X)}" } }`, "b"},
		{`target "a" { args = { x = target.b } }`, "b"},
		{`group "g" { targets = target.b.inherits }`, "b"},
		{`v = target.b.dockerfile`, "b"},
		{`variable "v" { default = target.b.dockerfile }`, "b"},
		{"function \"f\" {\n  params = []\n  result = target.b.dockerfile\n}", "b"},
		{`target "a" { tags = target["b"].tags }`, "abm-1"},
		{`target "a" { tags = [for target in ["x"] : target] }`, ""},
		{`target "x" { tags = target.m-1.tags }`, "m-1"},
	} {
		text := strings.ReplaceAll(tc.text, ", contexts", "\n  contexts")
		if !strings.Contains(text, `"b" {`) {
			text += "\ntarget \"b\" {}\n"
		}
		if !strings.Contains(text, `"a" {`) {
			text += "\ntarget \"a\" {}\n"
		}
		text += "\ntarget \"m\" {\n  name = \"m-${n}\"\n  matrix = { n = [1] }\n}\n"
		source := scan.Source{FS: fstest.MapFS{"docker-bake.hcl": {Data: []byte(text)}}, Build: scan.Build{Targets: []string{"a", "b", "m"}}}
		got := ""
		for _, target := range format().Scan(source, "docker-bake.hcl").Targets {
			if target.Mentioned {
				got += target.Name
			}
		}
		if got != tc.want {
			t.Errorf("%s: mentioned are %q, want %q", tc.text, got, tc.want)
		}
	}
	source := scan.Source{FS: fstest.MapFS{"docker-bake.json": {Data: []byte(`{"target": {"a": {"tags": ["x${target.b.context}"]}, "b": {}}}`)}}, Build: scan.Build{AllStages: true}}
	if got := format().Scan(source, "docker-bake.json").Targets; len(got) != 2 || got[0].Mentioned || !got[1].Mentioned {
		t.Errorf("JSON: %+v", got)
	}
}
