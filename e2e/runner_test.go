// Package e2e_test runs the whole Action as workflows use it.
package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/boltseal/boltseal/e2e/internal/stage"
	"github.com/boltseal/boltseal/internal/programtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/runnertest"
)

// What all tests share, made when the first one asks for it.
var (
	scratch string // a folder that goes after the tests
	release = sync.OnceValues(func() (stage.Release, error) {
		return stage.Build(context.Background(), "..", filepath.Join(scratch, "dist"))
	})
	sigstore = sync.OnceValues(func() (stage.Sigstore, error) { return stage.NewSigstore(scratch) })
	atEnd    []func() error // what is to be done then
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "boltseal-e2e-")
	if err != nil {
		panic(err)
	}
	scratch = dir
	code := m.Run()
	for _, end := range atEnd {
		if err := end(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := os.RemoveAll(scratch); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// check ends the test on an error of what it only prepares or reads.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(name), 0o750))
	check(t, os.WriteFile(name, []byte(text), mode)) //nolint:gosec // the tests' own folders
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// A runner is a self-hosted one, as act plays it, with a home of its own, the
// Action at its release, and a mirror that serves the program of it.
type runner struct {
	t       *testing.T
	act     string // path of the program
	dir     string
	work    string // for act's jobs; their shells do not take a path with spaces
	release stage.Release
	sig     stage.Sigstore
	mirror  *stage.Mirror
	words   []string // pairs of a word in a workflow, and what it stands for
}

func newRunner(t *testing.T) *runner { return newRunnerIn(t, t.TempDir()) }

// newRunnerIn has whatever the runner's user keeps in dir.
func newRunnerIn(t *testing.T, dir string) *runner {
	t.Helper()
	r := &runner{t: t, act: programtest.Named(t, "BOLTSEAL_ACT", "a github.com/nektos/act program"), dir: dir, work: t.TempDir()}
	var err error
	r.release, err = release()
	check(t, err)
	r.sig, err = sigstore()
	check(t, err)
	r.mirror = stage.NewMirror(r.release)
	t.Cleanup(r.mirror.Close)
	check(t, r.release.Checkout(r.action()))
	check(t, os.MkdirAll(r.home(), 0o750))
	bash, err := exec.LookPath("bash")
	check(t, err)
	write(t, r.path("shell", "bash"), strings.ReplaceAll(shell, "BASH", bash), 0o700)
	r.words = []string{
		"IDENTITY", stage.Identity, "ISSUER", stage.Issuer, "TRUSTED_ROOT", r.sig.TrustedRoot, "MIRROR", r.mirror.URL(), "BINARY", r.release.Path,
	}
	return r
}

// path returns the path of one of the runner's own files.
func (r *runner) path(name ...string) string {
	return filepath.Join(append([]string{r.dir}, name...)...)
}

func (r *runner) action() string { return r.path("action") }
func (r *runner) home() string   { return r.path("home") }

// kept returns the path of what a step wrote as $KEEP/name.
func (r *runner) kept(name string) string { return r.path("keep", name) }

// read returns what a step wrote as $KEEP/name.
func (r *runner) read(name string) string {
	r.t.Helper()
	body, err := os.ReadFile(r.kept(name))
	check(r.t, err)
	return string(body)
}

// toolCache is where act keeps it.
func (r *runner) toolCache() string { return filepath.Join(r.work, "tool_cache") }

// registry starts a registry, which workflows call REGISTRY.
func (r *runner) registry(o registrytest.Options) *registrytest.Registry {
	reg := registrytest.Start(o)
	r.t.Cleanup(reg.Close)
	r.words = append(r.words, "REGISTRY", reg.Host())
	return reg
}

// push pushes an image as repo:v1, signed by the usual signer or another one,
// and returns its pinned reference.
func (r *runner) push(reg *registrytest.Registry, repo string, format stage.Format, identity ...string) string {
	r.t.Helper()
	pinned, err := r.sig.Push(reg, repo, format, append(identity, stage.Identity)[0])
	check(r.t, err)
	return pinned
}

// shell is the bash of the steps. act gives them a terminal, and may lose what
// a failing one writes last; GitHub's runner gives a pipe. So here, and what the
// steps in the Action write is kept in $KEEP/ID.log.
const shell = `#!BASH
[[ -n $GITHUB_ACTION_PATH && -z $LOGGED ]] || exec BASH "$@"
set -o pipefail
LOGGED=1 BASH "$@" 2>&1 | tee -a "$KEEP/${ID:-gate}.log"
`

const (
	checkout = "- uses: actions/checkout@v5\n" // act copies the repository
	// goOn shows whether a job goes on.
	goOn = `- run: touch "$KEEP/went-on"` + "\n"
	// keep writes what the steps before it have put out, to where it outlives
	// the job.
	keep = `- if: always()
  env:
    STEPS: ${{ toJSON(steps) }}
  run: |
    printf '%s' "$STEPS" >"$KEEP/steps.json"
    cp -R "$RUNNER_TEMP" "$KEEP/temp"
`
)

// gate returns a step that runs the Action on images (indented lines, or one),
// with the usual inputs and those that more gives.
func gate(id, images string, more ...string) string {
	inputs := append([]string{
		"images: " + images, "certificate-identity: IDENTITY", "certificate-oidc-issuer: ISSUER", "trusted-root: TRUSTED_ROOT", "download-base: MIRROR",
	}, more...)
	return "- uses: boltseal/boltseal@v1\n  id: " + id + "\n  with:\n    " + strings.Join(inputs, "\n    ") + "\n  env:\n    ID: " + id + "\n"
}

// job returns a workflow with a job of these steps.
func job(steps ...string) string {
	return "on: [push, pull_request, pull_request_target]\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n" +
		strings.ReplaceAll("\n"+checkout+strings.Join(steps, ""), "\n", "\n      ") + "\n"
}

// outputs is how many action.yml declares.
const outputs = 11

// A step is what the workflow's expressions say of one.
type step struct {
	Outputs             map[string]string
	Outcome, Conclusion string
}

// An entry is a line of act's log. Command is what act obeyed in what a step
// wrote, to its log or to the runner's files.
type entry struct {
	Msg       string
	StepID    []string // of a step, and of that in the Action
	RawOutput bool     `json:"raw_output"` // Msg is a line of the step's own

	Stage, StepResult string // at its end

	Command   string
	Name, Arg string // of an output
	Content   string // of the summary
}

// A ran is what one run of a workflow did.
type ran struct {
	t        *testing.T
	ok       bool   // act's exit code was 0
	log      string // all that act wrote
	entries  []entry
	steps    map[string]step // before the step keep
	wentOn   bool            // the step goOn ran
	requests []string        // of the mirror
	keep     string          // the folder KEEP
}

// run runs the workflow on an event, as act does with --json.
func (r *runner) run(event, workflow string, options ...string) ran {
	r.t.Helper()
	got := r.start(event, workflow, append(options, "--json")...)
	var log strings.Builder
	for line := range strings.Lines(got.log) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			e = entry{Msg: line} // the last word of act itself
		}
		got.entries = append(got.entries, e)
		log.WriteString(strings.Join(e.StepID, ".") + "\t" + strings.TrimSuffix(e.Msg, "\n") + "\n")
	}
	got.log = log.String()
	return got
}

// start runs the workflow on an event.
func (r *runner) start(event, workflow string, options ...string) ran {
	r.t.Helper()
	repository := r.path("repository")
	write(r.t, filepath.Join(repository, ".github", "workflows", "build.yml"), strings.NewReplacer(r.words...).Replace(workflow), 0o600)
	for _, args := range [][]string{{"init", "--quiet"}, {"add", "--all"}, {"commit", "--quiet", "--allow-empty", "--message", "x"}} {
		args = append([]string{"-C", repository, "-c", "user.name=x", "-c", "user.email=x@y.example"}, args...)
		if out, err := r.command("git", args...).CombinedOutput(); err != nil {
			r.t.Fatalf("git: %v\n%s", err, out)
		}
	}
	check(r.t, os.RemoveAll(r.kept("")))
	check(r.t, os.Mkdir(r.kept(""), 0o750))
	cmd := r.command(r.act, append([]string{
		event, "--directory", repository, "--platform", "ubuntu-latest=-self-hosted", "--use-gitignore=false", "--env", "KEEP=" + r.kept(""),
		"--local-repository", "boltseal/boltseal@v1=" + r.action(), "--action-cache-path", r.work, "--action-offline-mode", "--no-cache-server",
	}, options...)...)
	cmd.Env = append(cmd.Env, "PATH="+r.path("shell")+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		r.t.Fatalf("act: %v\n%s", err, out)
	}
	got := ran{t: r.t, ok: err == nil, log: string(out), wentOn: exists(r.kept("went-on")), requests: r.mirror.Requests(), keep: r.kept("")}
	if exists(r.kept("steps.json")) {
		check(r.t, json.Unmarshal([]byte(r.read("steps.json")), &got.steps))
	}
	return got
}

// command prepares a program that knows nothing of this process's environment,
// which may itself be that of a workflow.
func (r *runner) command(name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Minute)
	r.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // git, or what BOLTSEAL_ACT names
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.home(), "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1"}
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// want checks what a step that ran the Action leaves. The job goes on if it
// did not fail.
func (got ran) want(id string, code int, passed, verdict, pinned string) {
	got.t.Helper()
	s := got.steps[id]
	if got.code(id) != code || s.Outputs["passed"] != passed || s.Outputs["verdict"] != verdict || s.Outputs["pinned"] != pinned {
		got.t.Errorf("%s: exit code %d, passed=%s, verdict=%s, pinned=%q; want %d, %s, %s, %q\n%s", id,
			got.code(id), s.Outputs["passed"], s.Outputs["verdict"], s.Outputs["pinned"], code, passed, verdict, pinned, got.log)
	}
	if declared := got.declared(id); len(declared) != outputs || !maps.Equal(declared, s.Outputs) {
		got.t.Errorf("%s: outputs as action.yml declares them %q, all %q", id, declared, s.Outputs)
	}
	outcome := "success"
	if code != 0 {
		outcome = "failure"
	}
	if s.Outcome != outcome {
		got.t.Errorf("%s: outcome %s, want %s", id, s.Outcome, outcome)
	}
}

// ends checks whether the job passed, and whether it went on behind the Action.
func (got ran) ends(passes, goesOn bool) {
	got.t.Helper()
	if got.ok != passes || got.wentOn != goesOn {
		got.t.Errorf("the job passed: %v, went on: %v; want %v, %v\n%s", got.ok, got.wentOn, passes, goesOn, got.log)
	}
}

// asked checks how often the program was downloaded.
func (got ran) asked(r *runner, times int) {
	got.t.Helper()
	if want := slices.Repeat([]string{"GET /" + r.release.Name}, times); !slices.Equal(got.requests, want) {
		got.t.Errorf("requests to the mirror %q, want %q", got.requests, want)
	}
}

// of returns the entries of a step that ran the Action, of both steps in it.
func (got ran) of(id string) []entry {
	var out []entry
	for _, e := range got.entries {
		if len(e.StepID) > 1 && e.StepID[0] == id {
			out = append(out, e)
		}
	}
	return out
}

// declared returns the outputs that action.yml makes of those of its steps. act
// reads the file of the last of them once more for the whole, and so gives the
// workflow others, too.
func (got ran) declared(id string) map[string]string {
	outputs := map[string]string{}
	for _, e := range got.entries {
		switch {
		case len(e.StepID) != 1 || e.StepID[0] != id || e.Stage != "Main":
		case e.StepResult != "":
			return outputs
		case e.Command == "set-output":
			outputs[e.Name] = e.Arg
		}
	}
	return outputs
}

// code returns the exit code of a step that ran the Action.
func (got ran) code(id string) int {
	code := 0
	for _, e := range got.of(id) {
		if text, ok := strings.CutPrefix(e.Msg, "exit status "); ok && !e.RawOutput {
			var err error
			code, err = strconv.Atoi(text)
			check(got.t, err)
		}
	}
	return code
}

// summary returns what a step that ran the Action adds to that of the job.
func (got ran) summary(id string) string {
	var b strings.Builder
	for _, e := range got.of(id) {
		if e.Command == "summary" {
			b.WriteString(e.Content)
		}
	}
	return b.String()
}

// commands returns what GitHub's runner obeys in what a step that ran the
// Action wrote. act's grammar is another: it misses some, and takes others to
// end elsewhere.
func (got ran) commands(id string) []runnertest.Command {
	got.t.Helper()
	body, err := os.ReadFile(filepath.Join(got.keep, id+".log"))
	check(got.t, err)
	return runnertest.Commands(string(body))
}

// annotations returns titles and texts of a level.
func (got ran) annotations(id, level string) []string {
	got.t.Helper()
	var out []string
	for _, c := range got.commands(id) {
		if c.Name == level {
			out = append(out, c.Properties["title"]+": "+c.Data)
		}
	}
	return out
}

// says checks that the step has that many annotations of a level, and that the
// first has these words.
func (got ran) says(id, level string, times int, words ...string) {
	got.t.Helper()
	all := got.annotations(id, level)
	if len(all) != times {
		got.t.Errorf("%s: annotations of level %s %q, want %d\n%s", id, level, all, times, got.log)
		return
	}
	for _, w := range words {
		if !strings.Contains(all[0], w) {
			got.t.Errorf("%s: %s %q lacks %q", id, level, all[0], w)
		}
	}
}

// harmless checks that neither act nor GitHub's runner takes a command from
// these steps, none of which passed, but their own.
func (got ran) harmless(ids ...string) {
	got.t.Helper()
	own := []string{"error", "warning", "notice", "group", "endgroup", "add-mask"}
	outputs := []string{"binary", "passed", "verdict", "images", "pinned", "source-policy", "build-contexts", "report", "sarif", "junit", "signed"}
	policy := func(name string) bool {
		return strings.HasPrefix(name, "/") && filepath.Base(name) == "boltseal-source-policy.json"
	}
	for _, e := range got.entries {
		switch {
		case e.Command == "", e.Command == "summary", slices.Contains(own, e.Command):
		case e.Command == "set-env" && e.Name == "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY" && policy(e.Arg):
		case e.Command == "set-output" && slices.Contains(outputs, e.Name) && (e.Name != "passed" || e.Arg == "false") && (e.Name != "signed" || e.Arg == "[]") &&
			(e.Name != "build-contexts" || e.Arg == "" || e.Arg == "boltseal-gate-closed") && (e.Name != "source-policy" || e.Arg == "" || policy(e.Arg)):
		default:
			got.t.Errorf("act obeys %+v", e)
		}
	}
	for _, id := range ids {
		for _, c := range got.commands(id) {
			if !slices.Contains(own, c.Name) {
				got.t.Errorf("%s: the runner obeys %+v", id, c)
			}
		}
	}
}

// A document is the JSON report, as far as the tests read it.
type document struct {
	Passed bool
	Images []struct{ Reference, Pinned, Reason string }
}

// report returns the report that the step's output names, from the copy of
// the runner's temporary folder.
func (got ran) report(id string) document {
	got.t.Helper()
	path := got.steps[id].Outputs["report"]
	name := filepath.Join(got.keep, "temp", filepath.Base(filepath.Dir(path)), filepath.Base(path))
	body, err := os.ReadFile(name)
	check(got.t, err)
	var doc document
	check(got.t, json.Unmarshal(body, &doc))
	return doc
}
