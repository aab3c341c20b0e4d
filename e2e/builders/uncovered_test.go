package builders_test

import (
	"os/exec"
	"strings"
	"testing"
)

// What docs/handover.md says is not covered is not: whoever changes one of these
// has to change the other.

// A cache is imported from an image that nobody has admitted.
func TestUncoveredCache(t *testing.T) {
	for _, tc := range []struct {
		client   client
		to, from string
	}{
		{clients()[0], "--export-cache=type=registry,ref=REGISTRY/team/cache:v1,mode=max", "--import-cache=type=registry,ref=REGISTRY/team/cache:v1"},
		{clients()[1], "--cache-to=type=registry,ref=REGISTRY/team/cache:v1,mode=max", "--cache-from=type=registry,ref=REGISTRY/team/cache:v1"},
	} {
		t.Run(tc.client.name, func(t *testing.T) {
			w := newWorld(t)
			w.putShell("team/base", "v1", "good")
			b := build{dockerfile: "FROM REGISTRY/team/base:v1\nRUN cat marker >copy\n"}
			with := func(option string) client {
				return client{tc.client.name, func(w *world, b build, dir, out string) *exec.Cmd {
					cmd := tc.client.run(w, b, dir, out)
					cmd.Args = append(cmd.Args, w.words(option))
					return cmd
				}}
			}
			w.build(with(tc.to), b).has("copy", "good")
			b.policy = w.handOver("source-policy-strict", "REGISTRY/team/base:v1")
			w.reg.Reset(0)
			got := w.build(with(tc.from), b)
			got.has("copy", "good")
			asked := false
			for _, r := range w.reg.Requests() {
				asked = asked || strings.HasPrefix(r.URI, "/v2/team/cache/manifests/") && r.Status == 200
			}
			if !asked || !strings.Contains(got.log, "importing cache manifest from "+w.words("REGISTRY/team/cache:v1")) {
				t.Errorf("the cache was not imported:\n%s", got.log)
			}
		})
	}
}

// A later step may build without the policy.
func TestUncoveredUnset(t *testing.T) {
	w := newWorld(t)
	w.put("team/base", "v1", "good")
	policy := w.handOver("source-policy", "REGISTRY/team/base:v1")
	w.put("team/base", "v1", "evil")
	unset := client{"buildx", func(w *world, b build, dir, out string) *exec.Cmd {
		cmd := buildx(w, b, dir, out)
		cmd.Env = append(cmd.Env, "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY=")
		return cmd
	}}
	b := build{dockerfile: "FROM REGISTRY/team/base:v1\n", policy: policy}
	w.build(clients()[1], b).has("marker", "good")
	w.build(unset, b).has("marker", "evil")
}

// A named context that is no image takes the place of one that was verified. The
// strict policy refuses those that are fetched.
func TestUncoveredContext(t *testing.T) {
	for _, c := range clients()[1:] {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.put("team/base", "v1", "good")
			b := build{dockerfile: "FROM REGISTRY/team/base:v1\n", policy: w.handOver("source-policy", "REGISTRY/team/base:v1")}
			strict := w.handOver("source-policy-strict", "REGISTRY/team/base:v1")
			write(t, w.path("folder", "marker"), "mine")
			for from, has := range map[string]string{w.server() + "/x.git": "served", w.path("folder"): "mine"} {
				b := b
				b.contexts = map[string]string{"REGISTRY/team/base:v1": from}
				w.build(c, b).has("marker", has)
				b.policy = strict
				if got := w.build(c, b); has == "served" {
					got.denied(`source "git://`)
				} else {
					got.has("marker", has)
				}
			}
		})
	}
}

// A policy that is gone, or is not all there, ends the build. One without a rule
// is none, and so is an empty file to buildx: that must never be handed over.
func TestBrokenPolicy(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.put("team/base", "v1", "good")
			write(t, w.path("half.json"), `{"rules":[{"action":"DENY"`)
			write(t, w.path("empty"), "")
			write(t, w.path("none.json"), "{}")
			for name, words := range map[string]string{"missing.json": "no such file", "half.json": "unexpected", "empty": "unexpected end of JSON input", "none.json": ""} {
				if c.name != "buildctl" && name == "empty" {
					words = ""
				}
				got := w.build(c, build{dockerfile: "FROM REGISTRY/team/base:v1\n", policy: w.path(name)})
				if got.ok != (words == "") || !strings.Contains(got.log, words) {
					t.Errorf("%s: built %v, want the words %q:\n%s", name, got.ok, words, got.log)
				}
			}
		})
	}
}
