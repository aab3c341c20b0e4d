package builders_test

import (
	"os/exec"
	"strings"
	"testing"
)

// buildx asks its own policy, which lies beside the Dockerfile or is named.
func TestRego(t *testing.T) {
	named := func(c client, option string) client {
		return client{c.name + ", named", func(w *world, b build, dir, out string) *exec.Cmd {
			cmd := c.run(w, b, dir, out)
			cmd.Args = append(cmd.Args, option+"filename=verified.rego")
			cmd.Dir = dir
			return cmd
		}}
	}
	buildx, bake := clients()[1], clients()[2]
	for _, c := range []client{buildx, bake, named(buildx, "--policy="), named(bake, "--set=*.policy=")} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			good := w.put("team/base", "v1", "good")
			file := w.handOver("rego", "REGISTRY/team/base:v1")
			evil := w.put("team/base", "v1", "evil")
			w.put("team/other", "v1", "other")
			w.extra = []string{"GOOD", good, "EVIL", evil}
			name := "Dockerfile.rego"
			if strings.HasSuffix(c.name, ", named") {
				name = "verified.rego"
			}
			files := map[string]string{name: w.program(file), "verified.rego.json": w.program(file + ".json")}
			for _, tc := range []struct{ dockerfile, has, refused string }{
				{"FROM REGISTRY/team/base:v1\n", "good", ""},
				{"FROM REGISTRY/team/base@GOOD\n", "good", ""},
				{"FROM REGISTRY/team/base:v1@GOOD\n", "good", ""},
				{"FROM REGISTRY/team/base@EVIL\n", "", "REGISTRY/team/base@EVIL"},
				{"FROM REGISTRY/team/other:v1\n", "", "REGISTRY/team/other:v1"},
				{"FROM ALIAS/team/base@GOOD\n", "", "ALIAS/team/base@GOOD"},
				{"FROM scratch\nCOPY --from=REGISTRY/team/other:v1 /marker /marker\n", "", "REGISTRY/team/other:v1"},
			} {
				got := w.build(c, build{dockerfile: tc.dockerfile, files: files})
				if tc.has != "" {
					got.has("marker", tc.has)
					continue
				}
				ref := w.words(tc.refused)
				got.refused("boltseal: "+ref+" is none of the images that were admitted", `source "docker-image://`+ref+`" not allowed by policy: action DENY`)
			}
		})
	}
}
