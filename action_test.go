package main_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/programtest"
)

// actionFile is action.yml, as far as the tests read it.
type actionFile struct {
	Inputs map[string]struct {
		Description string
		Default     *string
		Required    bool
	}
	Outputs map[string]struct{ Description, Value string }
	Runs    struct {
		Using string
		Steps []struct {
			ID, Uses, Run, Shell string
			Env                  map[string]string
		}
	}
}

func readAction(t *testing.T) actionFile {
	t.Helper()
	body, err := os.ReadFile("action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var a actionFile
	if err := yaml.Unmarshal(body, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// notInputs are flags that the Action decides itself: the log is text, the
// summary is the job's, the reports are outputs (of which one has the name of a
// flag), and a password comes from an input.
var notInputs = []string{"help", "output", "summary-file", "report-file", "report", "registry-password-stdin"}

// notFlags are inputs for which there is no flag: images are arguments, secrets
// do not belong on a command line, and the installer's are nobody else's
// business.
var notFlags = []string{"images", "sign", "registry-password", "github-token", "key-password", "binary", "download-base"}

// inputOf returns the input that stands for a flag.
func inputOf(flag string) string {
	switch flag {
	case "file", "build-arg", "build-context", "platform", "publisher", "implicit-image", "annotation":
		return flag + "s" // as docker/build-push-action calls them; the flag knows both names
	}
	return flag
}

// Every flag of boltseal verify and boltseal sign is an input of the Action with
// the same default, and the other way round.
func TestActionInputs(t *testing.T) {
	t.Parallel()
	a := readAction(t)
	takesValue := map[string]bool{}
	help := ""
	for _, command := range []string{"verify", "sign"} {
		for name, value := range flags(t, command) {
			takesValue[inputOf(name)] = value
		}
		_, text, _ := boltseal(t, noEnv, command, "--help")
		help += text
	}
	for name := range takesValue {
		if _, ok := a.Inputs[name]; ok == slices.Contains(notInputs, name) {
			t.Errorf("flag --%s: is it an input? %v", name, ok)
		}
	}
	for name, in := range a.Inputs {
		value, isFlag := takesValue[name]
		if isFlag == slices.Contains(notFlags, name) {
			t.Errorf("input %s: is it a flag? %v", name, isFlag)
		}
		if in.Description == "" || in.Default == nil || in.Required {
			t.Errorf("input %s: every input has a description and a default, and none is required by the runner, which does not check", name)
			continue
		}
		want := ""
		if isFlag && !value {
			want = "false"
		}
		if name == "handover" { // the Action's own word, besides the flag's KIND=PATH
			want = "env"
		}
		if name == "require-gate" { // which finds the reports of the job by itself
			want = "auto"
		}
		if name == "sign" || name == "scan-report" { // an empty one is an expression that came to nothing
			want = "off"
		}
		// cache-dir's is made of the environment, and told in words.
		if m := regexp.MustCompile(`(?m)^ +--` + name + ` .*\(default "?([^"\n]*?)"?\)$`).FindStringSubmatch(help); m != nil && name != "cache-dir" {
			want = m[1]
		}
		if *in.Default != want {
			t.Errorf("input %s: the default is %q, that of the flag %q", name, *in.Default, want)
		}
	}
}

// Nothing that somebody else may have written becomes part of a script; no
// other action takes part; outputs say no where the step did not run.
func TestActionSteps(t *testing.T) {
	t.Parallel()
	a := readAction(t)
	if a.Runs.Using != "composite" || len(a.Runs.Steps) != 2 {
		t.Errorf("%s with %d steps", a.Runs.Using, len(a.Runs.Steps))
	}
	for _, s := range a.Runs.Steps {
		// Without exec the runner's signals would end the shell, and not reach
		// the program.
		run := map[string]string{"install": `bash "$GITHUB_ACTION_PATH/scripts/install.sh"`, "gate": `exec "$BOLTSEAL" action`}[s.ID]
		if s.Uses != "" || s.Shell != "bash" || strings.TrimSpace(s.Run) != run {
			t.Errorf("step %s: uses %q, shell %q, run %q, want %q", s.ID, s.Uses, s.Shell, s.Run, run)
		}
	}
	for name, o := range a.Outputs {
		step := "gate"
		if name == "binary" {
			step = "install"
		}
		value := "${{ steps." + step + ".outputs." + name
		if no := map[string]string{"passed": "'false'", "verdict": "'undecided'", "images": "'[]'", "signed": "'[]'"}[name]; no != "" {
			value += " || " + no
		}
		if o.Value != value+" }}" || o.Description == "" {
			t.Errorf("output %s: %q, want %q", name, o.Value, value+" }}")
		}
	}
}

// rows returns the first cells of the tables under a heading, by name, with the
// rest of the row.
func rows(p page, heading string) map[string]string {
	_, text, _ := strings.Cut(p.text, "\n## "+heading+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	found := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\|(.*)\\|$").FindAllStringSubmatch(text, -1) {
		found[m[1]] = m[2]
	}
	return found
}

// docs/action.md has a row for each input, with its default, and each output,
// and no others.
func TestActionDocs(t *testing.T) {
	t.Parallel()
	a := readAction(t)
	body, err := os.ReadFile("docs/action.md")
	if err != nil {
		t.Fatal(err)
	}
	p := parsePage("docs/action.md", string(body))
	inputs, outputs := rows(p, "Inputs"), rows(p, "Outputs")
	if got, want := slices.Sorted(maps.Keys(inputs)), slices.Sorted(maps.Keys(a.Inputs)); !slices.Equal(got, want) {
		t.Errorf("inputs %q, in action.yml %q", got, want)
	}
	if got, want := slices.Sorted(maps.Keys(outputs)), slices.Sorted(maps.Keys(a.Outputs)); !slices.Equal(got, want) {
		t.Errorf("outputs %q, in action.yml %q", got, want)
	}
	for name, in := range a.Inputs {
		shown, _, _ := strings.Cut(inputs[name], "|")
		want := ""
		if in.Default != nil && *in.Default != "" {
			want = "`" + *in.Default + "`"
		}
		if strings.TrimSpace(shown) != want {
			t.Errorf("input %s: the default is shown as %q, want %q", name, strings.TrimSpace(shown), want)
		}
	}
}

// A workflow is one of the documentation's examples, whole or in part.
type workflow struct {
	Permissions any
	Jobs        map[string]struct {
		Steps []workflowStep
	}
	Steps []workflowStep
}

type workflowStep struct {
	Uses, Run string
	With, Env map[string]string
}

// parseSteps returns the steps of an example, of all its jobs.
func parseSteps(text string) ([]workflowStep, error) {
	var w workflow
	var list []workflowStep
	if err := yaml.Unmarshal([]byte(text), &w); err != nil {
		return list, yaml.Unmarshal([]byte(text), &list)
	}
	for _, j := range w.Jobs {
		list = append(list, j.Steps...)
	}
	return append(list, w.Steps...), nil
}

// usesOfAction calls f with the steps of each example that uses the Action, and
// the place of the example.
func usesOfAction(t *testing.T, f func(where string, steps []workflowStep)) {
	t.Helper()
	for _, p := range pages(t) {
		for _, fence := range p.fences {
			if fence.lang != "yaml" || !strings.Contains(fence.text, "uses: boltseal/boltseal@") {
				continue
			}
			where := fmt.Sprintf("%s:%d", p.name, fence.line)
			steps, err := parseSteps(fence.text)
			if err != nil {
				t.Errorf("%s: %v", where, err)
			}
			f(where, steps)
		}
	}
}

// Every use of the Action in the documentation gives inputs that it has, and is
// taken by it as it is: what comes out is a verdict, or no answer where the
// example's registry is out of reach, but not bad input.
func TestActionExamples(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	a := readAction(t)
	seen := 0
	usesOfAction(t, func(where string, steps []workflowStep) {
		for _, step := range steps {
			if strings.HasPrefix(step.Uses, "boltseal/boltseal@") {
				seen++
				runExample(t, where, a, step.With, f)
			}
		}
	})
	if seen < 6 {
		t.Errorf("only %d examples were found", seen)
	}
}

// runExample runs the Action's command with an example's inputs.
func runExample(t *testing.T, where string, a actionFile, with map[string]string, f files) {
	t.Helper()
	inputs := map[string]string{"trusted-root": f.root, "cache-dir": f.dir}
	for input, in := range a.Inputs {
		if inputs[input] == "" && in.Default != nil {
			inputs[input] = *in.Default
		}
	}
	for input, value := range with {
		switch input {
		case "images", "implicit-images":
			var at []string
			for text := range strings.FieldsSeq(value) {
				ref, err := image.Parse(text)
				if err != nil {
					t.Errorf("%s: %v", where, err)
				}
				at = append(at, strings.Replace(ref.String(), ref.Registry(), dead, 1))
			}
			value = strings.Join(at, "\n")
		case "policy":
			value = strings.ReplaceAll(value, "ghcr.io/acme/", dead+"/acme/")
		case "cache-dir":
			value = f.dir
		case "dct-cache-dir":
			value = filepath.Join(f.dir, "dct")
		case "key", "dct-root-public-key":
			value = regexp.MustCompile(`\S+\.pub\b`).ReplaceAllString(value, f.key)
		}
		if input == "sign" { // the digest that a build put out
			value = regexp.MustCompile(`[a-z.]+/([a-z/]+(?::v1)?)@\$\{\{[^}]*\}\}`).ReplaceAllString(value, dead+"/${1}@"+releaseDigest)
		}
		inputs[input] = regexp.MustCompile(`\$\{\{[^}]*\}\}`).ReplaceAllString(value, "secret")
	}
	dir, now := f.workspace, (func() time.Time)(nil)
	env := map[string]string{}
	if inputs["sign"] != "off" {
		dir, now, env = releaseJob(t, f)
		inputs["signing-config"] = f.config
	}
	if inputs["dct-root-public-key"] != "" { // trusts no root of Sigstore
		inputs["trusted-root"], inputs["cache-dir"] = "", ""
	}
	switch inputs["system"] {
	case "notation": // which has no services
		inputs["trusted-root"], inputs["cache-dir"], inputs["signing-config"], inputs["key"] = "", "", "", "release.key"
	case "dct": // nor has this, and its key has no password here
		inputs["signing-config"], inputs["key"], inputs["key-password"] = "", "alice.key", ""
	}
	text, err := json.Marshal(inputs)
	if err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	maps.Copy(env, map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_ENV": filepath.Join(temp, "env"), "BOLTSEAL_INPUTS": string(text)})
	if env["RUNNER_TEMP"] == "" {
		env["RUNNER_TEMP"] = temp
	}
	if err := os.WriteFile(env["GITHUB_ENV"], nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := 3
	if inputs["mode"] == "warn" {
		want = 0
	}
	code, out, _ := boltsealAt(t, now, dir, func(name string) string { return env[name] }, "action")
	if code != want || !strings.Contains(out, "unavailable") {
		t.Errorf("%s: exit %d: %s", where, code, out)
	}
}

// The examples' scripts take nothing but variables, and build from the digests
// that the outputs name; without those they fail.
func TestActionBuildExamples(t *testing.T) {
	t.Parallel()
	programtest.Found(t, "jq")
	const base, node = "gcr.io/distroless/static-debian12:nonroot", "gcr.io/distroless/nodejs22-debian12:latest"
	verified := func(reference, pinned string) string {
		return `{"reference":"` + reference + `","pinned":"` + pinned + `","passed":true}`
	}
	refused := `{"reference":"` + node + `","pinned":"b@sha256:2","passed":false}`
	ran := 0
	usesOfAction(t, func(where string, steps []workflowStep) {
		for _, step := range steps {
			if strings.Contains(step.Run, "${{") {
				t.Errorf("%s: an expression in a script: %s", where, step.Run)
			}
			// Without outputs a build is bound by the exported policy, which
			// e2e/builders sees at work.
			if !strings.Contains(step.Run, "docker build") || step.Env["PINNED"]+step.Env["IMAGES"] == "" {
				continue
			}
			ran++
			for images, want := range map[string]string{
				"[" + verified(base, "a@sha256:1") + "," + verified(node, "b@sha256:2") + "]": "build --build-arg BASE=a@sha256:1 --build-arg NODE=b@sha256:2 .\n",
				"[" + verified(base, "a@sha256:1") + "," + refused + "]":                      "",
				"[" + verified(base, "a@sha256:1") + `,{"omitted":1}]`:                        "",
				"[]": "",
			} {
				if step.Env["PINNED"] != "" {
					want = "build --build-arg BASE=a@sha256:1 .\n"
				}
				cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail")
				cmd.Stdin = strings.NewReader("docker() { echo \"$@\"; }\n" + step.Run)
				cmd.Env = append(os.Environ(), "PINNED=a@sha256:1", "IMAGES="+images)
				out, err := cmd.Output()
				if string(out) != want || (err == nil) != (want != "") {
					t.Errorf("%s: with %s: %q (%v), want %q", where, images, out, err, want)
				}
			}
		}
	})
	if ran < 2 {
		t.Errorf("only %d scripts were run", ran)
	}
}

// What the troubleshooting table quotes are the program's own words, or the
// system's.
func TestActionTroubleshooting(t *testing.T) {
	t.Parallel()
	root, source := os.DirFS("."), syscall.ENOENT.Error()
	for _, dir := range []string{"cli", "registry", "report", "scan", "scripts", "verify"} {
		err := fs.WalkDir(root, dir, func(name string, _ fs.DirEntry, err error) error {
			if err != nil || strings.HasSuffix(name, "_test.go") || !slices.Contains([]string{".go", ".sh"}, path.Ext(name)) {
				return err
			}
			body, err := fs.ReadFile(root, name)
			source += string(body)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	body, err := os.ReadFile("docs/action.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(body), "\n## Troubleshooting\n")
	text, _, _ = strings.Cut(text, "\n## ")
	lines := regexp.MustCompile("(?m)^\\| (`[^|]+)\\|").FindAllStringSubmatch(text, -1)
	for _, m := range lines {
		for _, quoted := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[1], -1) {
			for part := range strings.SplitSeq(quoted[1], "…") {
				if part = strings.Trim(part, ": "); !strings.Contains(source, part) && part != "input key" {
					t.Errorf("nothing says %q", part)
				}
			}
		}
	}
	if len(lines) < 8 {
		t.Errorf("%d rows", len(lines))
	}
}
