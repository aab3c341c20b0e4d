package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/boltseal/boltseal/e2e/internal/builder"
	"github.com/boltseal/boltseal/e2e/internal/stage"
	"github.com/boltseal/boltseal/internal/programtest"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// A site is where all tests build. It is closed after them.
type site struct {
	programs builder.Programs
	daemon   *builder.Daemon
}

// building is the site, made when the first test asks for it.
var building = sync.OnceValues(func() (site, error) {
	p, err := builder.Find(os.Getenv)
	if err != nil {
		return site{}, err
	}
	d, err := builder.Start(context.Background(), p, filepath.Join(scratch, "buildkit"), "127.0.0.1:1")
	if err == nil {
		atEnd = append(atEnd, d.Close)
	}
	return site{p, d}, err
})

// A jobsite is a runner whose jobs can build, and a registry with images that
// have the file /marker: team/base:v1 with "good", which is signed, and
// team/unsigned:v1. In workflows BUILDX is the program.
type jobsite struct {
	*runner
	reg    *registrytest.Registry
	pinned string // team/base:v1 at first
	env    []string
}

func newJobsite(t *testing.T) *jobsite {
	t.Helper()
	if _, err := builder.Find(os.Getenv); err != nil {
		programtest.NotChecked(t, err)
	}
	j := &jobsite{runner: newRunner(t)}
	b, err := building()
	check(t, err)
	j.reg = j.registry(registrytest.Options{})
	for repo, tags := range map[string][]string{"team/base": {"evil", "v1"}, "team/unsigned": {"v1"}} {
		for _, tag := range tags {
			text := map[string]string{"team/base:evil": "evil", "team/base:v1": "good"}[repo+":"+tag]
			d, err := stage.PushFiles(j.reg, repo, tag, "linux/amd64", stage.Files{"marker": text}, nil)
			check(t, err)
			if text == "good" {
				j.pinned, err = j.sig.Sign(j.reg, repo, d, stage.Legacy, stage.Identity)
				check(t, err)
			}
		}
	}
	j.words = append(j.words, "BUILDX", b.programs.Buildx)
	for _, e := range b.daemon.Env() {
		j.env = append(j.env, "--env", e)
	}
	return j
}

// swap is a step that moves the tag of the signed image to another.
const swap = `- run: |
    accept='application/vnd.oci.image.manifest.v1+json'
    curl -sSf -H "Accept: $accept" -o evil.json http://REGISTRY/v2/team/base/manifests/evil
    curl -sSf -X PUT -H "Content-Type: $accept" --data-binary @evil.json http://REGISTRY/v2/team/base/manifests/v1
`

// plain returns a step that builds as if there were no gate before it: FROM the
// image, in the job's environment. $KEEP/ID has the file /marker of the result.
func plain(id, image string, more ...string) string {
	return fmt.Sprintf(`- id: %[1]s
  run: |
    mkdir %[1]s
    echo 'FROM %[2]s' >%[1]s/Dockerfile
    BUILDX build --progress=plain --output=type=local,dest=%[1]s/out --metadata-file=%[1]s.json %[1]s
    cp %[1]s/out/marker "$KEEP/%[1]s"
`, id, image) + strings.Join(more, "")
}

const (
	goesOn = "  continue-on-error: true\n"
	always = "  if: always()\n"
)

// built checks what a step has built; "" is nothing, for the policy denied it.
func (j *jobsite) built(got ran, id, text, image string) {
	j.t.Helper()
	if text != "" {
		if !exists(j.kept(id)) || j.read(id) != text {
			j.t.Errorf("%s has not built %q\n%s", id, text, got.log)
		}
		return
	}
	image = strings.ReplaceAll(image, "REGISTRY", j.reg.Host())
	denied := fmt.Sprintf("%s\t", id)
	for line := range strings.Lines(got.log) {
		if strings.HasPrefix(line, denied) && strings.Contains(line, `source "docker-image://`+image+`" denied by policy`) && !exists(j.kept(id)) {
			return
		}
	}
	j.t.Errorf("%s was not denied %s\n%s", id, image, got.log)
}

// A build step behind the gate step is bound by it, and knows nothing of it.
func TestBuildIsBound(t *testing.T) {
	t.Parallel()
	j := newJobsite(t)
	got := j.run("push", job(
		gate("gate", "REGISTRY/team/base:v1"), swap,
		plain("base", "REGISTRY/team/base:v1"),
		plain("unsigned", "REGISTRY/team/unsigned:v1", goesOn),
		`- id: bake
  run: |
    mkdir bake
    echo 'FROM REGISTRY/team/base:v1' >bake/Dockerfile
    echo '{"target":{"default":{"output":["type=local,dest=out"]}}}' >bake/docker-bake.json
    cd bake
    BUILDX bake --progress=plain
    cp out/marker "$KEEP/bake"
`,
		// What a later step may do: docs/handover.md says so.
		plain("unset", "REGISTRY/team/base:v1", "  env:\n    EXPERIMENTAL_BUILDKIT_SOURCE_POLICY: ''\n"),
		`- id: audit
  env:
    BOLTSEAL: ${{ steps.gate.outputs.binary }}
    REPORT: ${{ steps.gate.outputs.report }}
  run: |
    "$BOLTSEAL" audit --metadata base.json --report "$REPORT"
    code=0
    "$BOLTSEAL" audit --metadata unset.json --report "$REPORT" || code=$?
    echo "$code" >"$KEEP/audit"
`,
		"- run: stat -c '%a %n' \"$EXPERIMENTAL_BUILDKIT_SOURCE_POLICY\" >\"$KEEP/file\"\n",
		goOn, keep), j.env...)
	got.ends(true, true)
	got.want("gate", 0, "true", "verified", j.pinned)
	j.built(got, "base", "good", "")
	j.built(got, "bake", "good", "")
	j.built(got, "unsigned", "", "REGISTRY/team/unsigned:v1")
	j.built(got, "unset", "evil", "")
	if !strings.Contains(got.log, "audit passed: 1 image in 1 build, all admitted") || j.read("audit") != "1\n" {
		t.Errorf("the audits of what was bound and of what was not\n%s", got.log)
	}
	if file := strings.TrimSpace(j.read("file")); file != "600 "+got.steps["gate"].Outputs["source-policy"] {
		t.Errorf("the policy is %q, the output %q", file, got.steps["gate"].Outputs["source-policy"])
	}
}

// Where the gate has not passed, builds that come all the same get no image: not
// those that are signed either.
func TestBuildIsClosed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		gate   string // what its step has besides
		inputs []string
		code   int
	}{
		{"continue-on-error", goesOn, nil, 1},
		{"always", "", nil, 1},
		{"bad input", goesOn, []string{"jobs: many"}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			j := newJobsite(t)
			got := j.run("push", job(
				gate("gate", "|\n      REGISTRY/team/base:v1\n      REGISTRY/team/unsigned:v1", tc.inputs...)+tc.gate,
				plain("base", "REGISTRY/team/base:v1", always, goesOn),
				plain("unsigned", "REGISTRY/team/unsigned:v1", always, goesOn),
				keep), j.env...)
			if got.code("gate") != tc.code {
				t.Errorf("exit code %d, want %d\n%s", got.code("gate"), tc.code, got.log)
			}
			j.built(got, "base", "", "REGISTRY/team/base:v1")
			j.built(got, "unsigned", "", "REGISTRY/team/unsigned:v1")
		})
	}
}

// With mode warn a gate that does not pass binds nobody, and says so; one that
// passes binds.
func TestBuildWarned(t *testing.T) {
	t.Parallel()
	j := newJobsite(t)
	got := j.run("push", job(
		gate("gate", "|\n      REGISTRY/team/base:v1\n      REGISTRY/team/unsigned:v1", "mode: warn"), swap,
		plain("base", "REGISTRY/team/base:v1"), plain("unsigned", "REGISTRY/team/unsigned:v1"),
		goOn, keep), j.env...)
	got.ends(true, true)
	j.built(got, "base", "evil", "")
	if !exists(j.kept("unsigned")) || got.steps["gate"].Outputs["source-policy"] != "" {
		t.Errorf("outputs %q\n%s", got.steps["gate"].Outputs, got.log)
	}
	if warnings := strings.Join(got.annotations("gate", "warning"), "\n"); !strings.Contains(warnings, "not bound") {
		t.Errorf("the warnings do not say that the build is not bound:\n%s", warnings)
	}

	j = newJobsite(t)
	got = j.run("push", job(
		gate("gate", "REGISTRY/team/base:v1", "mode: warn"), swap,
		plain("base", "REGISTRY/team/base:v1"), plain("unsigned", "REGISTRY/team/unsigned:v1", goesOn),
		goOn, keep), j.env...)
	got.ends(true, true)
	j.built(got, "base", "good", "")
	j.built(got, "unsigned", "", "REGISTRY/team/unsigned:v1")
}

// With handover off nothing is bound. The output build-contexts pins; what it
// has where there is no list builds nothing.
func TestBuildHandoverOff(t *testing.T) {
	t.Parallel()
	j := newJobsite(t)
	got := j.run("push", job(
		gate("gate", "REGISTRY/team/base:v1", "handover: |\n      off\n      bake=verified.json"), swap,
		plain("base", "REGISTRY/team/base:v1"),
		`- id: contexts
  env:
    CONTEXTS: ${{ steps.gate.outputs.build-contexts }}
  run: |
    mkdir contexts
    echo 'FROM REGISTRY/team/base:v1' >contexts/Dockerfile
    BUILDX build --progress=plain --build-context "$CONTEXTS" --output=type=local,dest=contexts/out contexts
    cp contexts/out/marker "$KEEP/contexts"
    if BUILDX build --build-context boltseal-gate-closed contexts 2>"$KEEP/closed"; then exit 9; fi
- id: bake
  run: |
    echo 'FROM REGISTRY/team/base:v1' >Dockerfile
    echo '{"target":{"default":{"output":["type=local,dest=out"]}}}' >docker-bake.json
    BUILDX bake --progress=plain -f docker-bake.json -f verified.json
    cp out/marker "$KEEP/bake"
`,
		goOn, keep), j.env...)
	got.ends(true, true)
	if path := got.steps["gate"].Outputs["source-policy"]; path != "" {
		t.Errorf("source-policy is %s", path)
	}
	j.built(got, "base", "evil", "")
	j.built(got, "contexts", "good", "")
	if said := j.read("closed"); !strings.Contains(said, "invalid context value: boltseal-gate-closed, expected key=value") {
		t.Errorf("a closed list of contexts: %s", said)
	}
	j.built(got, "bake", "good", "")
}

// The last gate of a job decides what its builds get.
func TestBuildGatedTwice(t *testing.T) {
	t.Parallel()
	j := newJobsite(t)
	d, err := stage.PushFiles(j.reg, "team/second", "v1", "linux/amd64", stage.Files{"marker": "second"}, nil)
	check(t, err)
	_, err = j.sig.Sign(j.reg, "team/second", d, stage.Bundle, stage.Identity)
	check(t, err)
	const server = "http://REGISTRY/v2/"
	got := j.run("push", job(
		gate("first", "REGISTRY/team/base:v1"),
		plain("base", "REGISTRY/team/base:v1\n    ADD "+server+" /x"),
		gate("second", "REGISTRY/team/second:v1", "handover: env-strict"),
		plain("gone", "REGISTRY/team/base:v1", goesOn),
		plain("other", "REGISTRY/team/second:v1"),
		`- id: strict
  continue-on-error: true
  run: |
    mkdir strict
    printf 'FROM REGISTRY/team/second:v1\nADD `+server+` /x\n' >strict/Dockerfile
    BUILDX build --progress=plain strict
`,
		goOn, keep), j.env...)
	got.ends(true, true)
	j.built(got, "base", "good", "")
	j.built(got, "gone", "", "REGISTRY/team/base:v1")
	j.built(got, "other", "second", "")
	if want := `source "http://` + j.reg.Host() + `/v2/" denied by policy`; !strings.Contains(got.log, want) {
		t.Errorf("the log lacks %s\n%s", want, got.log)
	}
}

// A policy that the workflow has already is not replaced: it may deny more.
func TestBuildOwnPolicy(t *testing.T) {
	t.Parallel()
	j := newJobsite(t)
	got := j.run("push", job(
		"- run: echo \"EXPERIMENTAL_BUILDKIT_SOURCE_POLICY=$PWD/mine.json\" >>\"$GITHUB_ENV\"\n",
		gate("gate", "REGISTRY/team/base:v1"), goOn, keep), j.env...)
	got.ends(false, false)
	got.want("gate", 2, "false", "undecided", "")
	got.says("gate", "error", 1, "boltseal: input handover: ", "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY")
}
