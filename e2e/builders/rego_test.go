package builders_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// regoNamed is how docs/handover.md names a policy.
const regoNamed = "filename=cwd://verified.rego,strict=true"

// boundBy has buildx, or bake, use the policy that lies in the folder in which it
// runs. Bake has to run where its file is, so the policy is in its context, too.
func boundBy(c client) client {
	return client{c.name + ", named", func(w *world, b build, dir, out string) *exec.Cmd {
		cmd := c.run(w, b, dir, out)
		if c.name == "bake" {
			cmd.Args = append(cmd.Args, "--set=*.policy="+regoNamed)
			return cmd
		}
		cmd.Args = append(cmd.Args, "--policy="+regoNamed)
		cmd.Dir = w.dir
		return cmd
	}}
}

// buildx asks its own policy, which lies beside the Dockerfile or is named.
func TestRego(t *testing.T) {
	buildx, bake := clients()[1], clients()[2]
	for _, c := range []client{buildx, bake, boundBy(buildx), boundBy(bake)} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			good := w.put("team/base", "v1", "good")
			file := w.handOver("rego", "REGISTRY/team/base:v1")
			evil := w.put("team/base", "v1", "evil")
			w.put("team/other", "v1", "other")
			w.extra = []string{"GOOD", good, "EVIL", evil}
			files := map[string]string{"verified.rego.json": w.program(file + ".json")}
			switch c.name {
			case "bake, named":
				files["verified.rego"] = w.program(file)
			case "buildx, named":
				files = nil
			default:
				files["Dockerfile.rego"] = w.program(file)
			}
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
				got.notAdmitted(w.words(tc.refused))
			}
		})
	}
}

// notAdmitted checks that the policy refused an image.
func (r result) notAdmitted(ref string) {
	r.t.Helper()
	r.refused("boltseal: "+ref+" is none of the images that were admitted", `source "docker-image://`+ref+`" not allowed by policy: action DENY`)
}

// Dockerfile.rego binds builds from the Dockerfile beside it, and no others:
// docs/handover.md says so. A policy that is named binds them all.
func TestRegoNames(t *testing.T) {
	// with returns c with other options, the context last.
	with := func(c client, stdin string, options ...string) client {
		return client{c.name, func(w *world, b build, dir, out string) *exec.Cmd {
			cmd := c.run(w, b, dir, out)
			for i, arg := range cmd.Args {
				if arg == dir {
					cmd.Args = append(cmd.Args[:i], cmd.Args[i+1:]...)
					break
				}
			}
			for _, o := range options {
				cmd.Args = append(cmd.Args, strings.ReplaceAll(o, "CONTEXT", dir))
			}
			cmd.Stdin = strings.NewReader(w.words(stdin))
			return cmd
		}}
	}
	const other = "FROM REGISTRY/team/other:v1\n"
	buildx, bake := clients()[1], clients()[2]
	for _, tc := range []struct {
		name   string
		client client
		alone  bool // bound by Dockerfile.rego alone
	}{
		{"Dockerfile", buildx, true},
		{"file", with(buildx, "", "--file=CONTEXT/app.Dockerfile", "CONTEXT"), false},
		{"folder", with(buildx, "", "--file=CONTEXT/sub/Dockerfile", "CONTEXT"), false},
		{"file from standard input", with(buildx, other, "--file=-", "CONTEXT"), false},
		{"standard input", with(buildx, other, "-"), false},
		{"bake Dockerfile", bake, true},
		{"bake file", with(bake, "", "--set=default.dockerfile=app.Dockerfile"), false},
		{"bake inline", with(bake, "", "--file=docker-bake.json", "--file=inline.json"), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.put("team/base", "v1", "good")
			w.put("team/other", "v1", "other")
			file := w.handOver("rego", "REGISTRY/team/base:v1")
			other := w.words(other)
			b := build{dockerfile: other, files: map[string]string{
				"Dockerfile.rego": w.program(file), "verified.rego.json": w.program(file + ".json"),
				"app.Dockerfile": other, filepath.Join("sub", "Dockerfile"): other,
				"inline.json": fmt.Sprintf(`{"target": {"default": {"dockerfile-inline": %q}}}`, other),
			}}
			if got := w.build(tc.client, b); tc.alone {
				got.notAdmitted(w.words("REGISTRY/team/other:v1"))
			} else {
				got.has("marker", "other")
			}
			delete(b.files, "Dockerfile.rego")
			b.files["verified.rego"] = w.program(file)
			w.build(boundBy(tc.client), b).notAdmitted(w.words("REGISTRY/team/other:v1"))
		})
	}
}

// A policy that is named and is not there ends the build.
func TestRegoMissing(t *testing.T) {
	w := newWorld(t)
	w.put("team/base", "v1", "good")
	for _, c := range clients()[1:] {
		w.build(boundBy(c), build{dockerfile: "FROM REGISTRY/team/base:v1\n"}).refused("policy file cwd://verified.rego not found")
	}
}
