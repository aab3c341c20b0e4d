package builders_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// contexts reads the lines of a file of build contexts.
func (w *world) contexts(file string) map[string]string {
	w.t.Helper()
	body, err := os.ReadFile(file)
	check(w.t, err)
	of := map[string]string{}
	for line := range strings.Lines(string(body)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		of[name] = value
	}
	return of
}

// Build contexts pin what was verified. They refuse nothing.
func TestBuildContexts(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.put("team/base", "v1", "good")
			contexts := w.contexts(w.handOver("build-contexts", "REGISTRY/team/base:v1"))
			w.put("team/base", "v1", "evil")
			w.put("team/other", "v1", "other")
			b := build{dockerfile: "FROM REGISTRY/team/base:v1\n"}
			w.build(c, b).has("marker", "evil")
			b.contexts = contexts
			w.build(c, b).has("marker", "good")
			b.dockerfile = "FROM scratch\nCOPY --from=REGISTRY/team/base:v1 /marker /marker\n"
			w.build(c, b).has("marker", "good")
			b.dockerfile = "FROM REGISTRY/team/other:v1\n"
			w.build(c, b).has("marker", "other")
		})
	}
}

// The same is in a further file for bake.
func TestBakeOverride(t *testing.T) {
	w := newWorld(t)
	w.put("team/base", "v1", "good")
	file := w.handOver("bake", "REGISTRY/team/base:v1")
	w.put("team/base", "v1", "evil")
	w.put("team/other", "v1", "other")
	overridden := client{"bake -f", func(w *world, b build, dir, out string) *exec.Cmd {
		cmd := bake(w, b, dir, out)
		cmd.Args = append(cmd.Args, "-f", "docker-bake.json", "-f", file)
		return cmd
	}}
	b := build{dockerfile: "FROM REGISTRY/team/base:v1\n"}
	w.build(clients()[2], b).has("marker", "evil")
	w.build(overridden, b).has("marker", "good")
	b.dockerfile = "FROM REGISTRY/team/other:v1\n"
	w.build(overridden, b).has("marker", "other")
}
