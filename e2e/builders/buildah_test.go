package builders_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/e2e/internal/builder"
)

// buildah builds a Dockerfile under a policy.json, or without one, in a storage
// of its own, and writes the result to a tar archive.
func (w *world) buildah(policy, dockerfile string, options ...string) result {
	w.t.Helper()
	dir, err := os.MkdirTemp(w.dir, "build-")
	check(w.t, err)
	write(w.t, filepath.Join(dir, "context", "Dockerfile"), w.words(dockerfile))
	if policy == "" {
		policy = w.anything(dir)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	got := w.buildahIn(ctx, dir, policy, options...)
	check(w.t, builder.CloseBuildah(ctx, dir))
	return got
}

// anything writes a policy.json that refuses nothing into dir.
func (w *world) anything(dir string) string {
	w.t.Helper()
	policy := filepath.Join(dir, "anything.json")
	write(w.t, policy, `{"default":[{"type":"insecureAcceptAnything"}]}`)
	return policy
}

// buildahIn builds dir/context under a policy.json, in the storage in dir.
func (w *world) buildahIn(ctx context.Context, dir, policy string, options ...string) result {
	w.t.Helper()
	out := filepath.Join(dir, "out")
	check(w.t, os.RemoveAll(out))
	args := append([]string{
		"build", "--isolation=chroot", "--tls-verify=false", "--signature-policy=" + policy, "--output=type=local,dest=" + out,
	}, options...)
	cmd, err := w.tools.BuildahIn(ctx, dir, append(args, filepath.Join(dir, "context"))...)
	check(w.t, err)
	cmd.Stdin = strings.NewReader(w.words("FROM REGISTRY/team/other:v1\n")) // for -f -
	log, err := cmd.CombinedOutput()
	return result{t: w.t, ok: err == nil, log: string(log), out: out}
}

// buildah pulls what was verified by its digest, and nothing else.
func TestBuildah(t *testing.T) {
	w := newWorld(t)
	good := w.put("team/base", "v1", "good")
	policy := w.handOver("containers-policy", "REGISTRY/team/base:v1")
	contexts := w.contexts(w.handOver("build-contexts", "REGISTRY/team/base:v1"))
	evil := w.put("team/base", "v1", "evil")
	w.put("team/other", "v1", "other")
	w.extra = []string{"GOOD", good, "EVIL", evil}
	var options []string
	for name, value := range contexts {
		options = append(options, "--build-context="+name+"="+value)
	}
	const base = "FROM REGISTRY/team/base:v1\n"
	for _, tc := range []struct {
		name, dockerfile string
		options          []string
		without, with    string // what /marker is without the policy, and with it; "": refused
		refused          string // in what words
	}{
		{name: "digest", dockerfile: "FROM REGISTRY/team/base@GOOD\n", without: "good", with: "good"},
		{name: "tag", dockerfile: base, without: "evil", refused: "Running image docker://REGISTRY/team/base:v1 is rejected by policy"},
		{name: "tag and context", dockerfile: base, options: options, without: "good", with: "good"},
		{name: "another digest", dockerfile: "FROM REGISTRY/team/base@EVIL\n", without: "evil", refused: "Running image docker://REGISTRY/team/base@EVIL is rejected by policy"},
		{name: "another image", dockerfile: "FROM REGISTRY/team/other:v1\n", without: "other", refused: "Running image docker://REGISTRY/team/other:v1 is rejected by policy"},
		{name: "another image and contexts", dockerfile: "FROM REGISTRY/team/other:v1\n", options: options, without: "other", refused: "Running image docker://REGISTRY/team/other:v1 is rejected by policy"},
		{name: "another name of the host", dockerfile: "FROM ALIAS/team/base@GOOD\n", without: "good", refused: "Running image docker://ALIAS/team/base@GOOD is rejected by policy"},
		{name: "COPY --from", dockerfile: "FROM REGISTRY/team/base@GOOD\nCOPY --from=REGISTRY/team/other:v1 /marker /marker\n", without: "other", refused: "COPY --from=REGISTRY/team/other:v1: no stage or image found with that name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := *w
			w.t = t
			w.buildah("", tc.dockerfile, tc.options...).has("marker", tc.without)
			got := w.buildah(policy, tc.dockerfile, tc.options...)
			if tc.with != "" {
				got.has("marker", tc.with)
			} else {
				got.refused(w.words(tc.refused))
			}
		})
	}
}

// A storage that has an image already is not asked about: docs/handover.md says
// so, and that --pull-always has the policy asked.
func TestBuildahStorage(t *testing.T) {
	w := newWorld(t)
	w.put("team/base", "v1", "good")
	policy := w.handOver("containers-policy", "REGISTRY/team/base:v1")
	var contexts []string
	for name, value := range w.contexts(w.handOver("build-contexts", "REGISTRY/team/base:v1")) {
		contexts = append(contexts, "--build-context="+name+"="+value)
	}
	w.put("team/base", "v1", "evil")
	w.put("team/other", "v1", "other")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir := w.path("storage")
	write(t, filepath.Join(dir, "context", "Dockerfile"), w.words("FROM REGISTRY/team/base:v1\n"))
	w.buildahIn(ctx, dir, w.anything(dir)).has("marker", "evil") // fills the storage
	w.buildahIn(ctx, dir, policy).has("marker", "evil")
	w.buildahIn(ctx, dir, policy, "--pull-always").refused(w.words("Running image docker://REGISTRY/team/base:v1 is rejected by policy"))
	w.buildahIn(ctx, dir, policy, append(contexts, "--pull-always")...).has("marker", "good")
	// How to see that it is bound.
	w.buildahIn(ctx, dir, policy, "--pull-always", "--file=-").refused(w.words("Running image docker://REGISTRY/team/other:v1 is rejected by policy"))
	w.buildahIn(ctx, dir, w.anything(dir), "--pull-always", "--file=-").has("marker", "other")
	check(t, builder.CloseBuildah(ctx, dir))
}
