package builders_test

import (
	"os/exec"
	"strings"
	"testing"
)

// An audit of what buildx says of a build sees whether the build was bound.
func TestAudit(t *testing.T) {
	// withMetadata has what buildx says written to build.json.
	withMetadata := func(c client, mode string) client {
		return client{c.name + ", " + mode, func(w *world, b build, dir, out string) *exec.Cmd {
			cmd := c.run(w, b, dir, out)
			cmd.Args = append(cmd.Args, "--metadata-file="+w.path("build.json"))
			cmd.Env = append(cmd.Env, "BUILDX_METADATA_PROVENANCE="+mode)
			return cmd
		}}
	}
	buildx, bake := clients()[1], clients()[2]
	for _, c := range []client{withMetadata(buildx, "max"), withMetadata(buildx, "min"), withMetadata(bake, "max"), withMetadata(bake, "min")} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			good := w.put("team/base", "v1", "good")
			w.put("team/other", "v1", "other")
			w.sign("REGISTRY/team/base:v1")
			args := append([]string{"verify", w.words("REGISTRY/team/base:v1"), "--report", "json=gate.json", "--handover", "source-policy=policy.json"}, w.signer()...)
			if code, log := w.boltseal(w.dir, args...); code != 0 {
				t.Fatalf("verify: exit code %d\n%s", code, log)
			}
			evil := w.put("team/base", "v1", "evil")
			for _, tc := range []struct {
				name  string
				build build
				has   string
				code  int
				words []string
			}{
				{"bound", build{dockerfile: "FROM REGISTRY/team/base:v1\n", policy: w.path("policy.json")}, "good", 0, []string{good}},
				{"not bound", build{dockerfile: "FROM REGISTRY/team/base:v1\n"}, "evil", 1, []string{"not-admitted", evil, "another digest of this repository"}},
				{"another image", build{dockerfile: "FROM REGISTRY/team/base@" + good + "\nCOPY --from=REGISTRY/team/other:v1 /marker /\n"}, "other", 1, []string{"not-admitted", "team/other"}},
			} {
				w.build(c, tc.build).has("marker", tc.has)
				code, log := w.boltseal(w.dir, "audit", "--metadata", "build.json", "--report", "gate.json")
				if code != tc.code {
					t.Errorf("%s: exit code %d, want %d\n%s", tc.name, code, tc.code, log)
				}
				for _, text := range tc.words {
					if !strings.Contains(log, text) {
						t.Errorf("%s: the audit lacks %q\n%s", tc.name, text, log)
					}
				}
			}
		})
	}
}

// What is attached to an image that was pushed says the same.
func TestAuditPushed(t *testing.T) {
	w := newWorld(t)
	w.put("team/base", "v1", "good")
	w.sign("REGISTRY/team/base:v1")
	args := append([]string{"verify", w.words("REGISTRY/team/base:v1"), "--report", "json=gate.json", "--handover", "source-policy=policy.json"}, w.signer()...)
	if code, log := w.boltseal(w.dir, args...); code != 0 {
		t.Fatalf("verify: exit code %d\n%s", code, log)
	}
	w.put("team/base", "v1", "evil")
	for _, tc := range []struct {
		policy string
		code   int
		word   string
	}{
		{w.path("policy.json"), 0, "admitted"},
		{"", 1, "not-admitted"},
	} {
		pushed := w.words("REGISTRY/team/out:v1")
		pushing := client{"buildx", func(w *world, b build, dir, out string) *exec.Cmd {
			cmd := buildx(w, b, dir, out)
			cmd.Args = append(cmd.Args, "--output=type=image,push=true,name="+pushed, "--provenance=mode=max")
			return cmd
		}}
		if got := w.build(pushing, build{dockerfile: "FROM REGISTRY/team/base:v1\n", policy: tc.policy}); !got.ok {
			t.Fatal(got.log)
		}
		code, log := w.boltseal(w.dir, "audit", pushed, "--report", "gate.json")
		if code != tc.code || !strings.Contains(log, tc.word) {
			t.Errorf("exit code %d, want %d and %s\n%s", code, tc.code, tc.word, log)
		}
	}
}
