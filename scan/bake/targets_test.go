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
