package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// mayWrite are the permissions beyond reading that a job has, and no other job.
var mayWrite = map[string][]string{
	"release.yml build":   {"attestations", "id-token"},
	"release.yml draft":   {"contents"},
	"release.yml image":   {"id-token", "packages"},
	"release.yml publish": {"contents", "packages"},
}

// A pipeline is a workflow, or an action.yml, as far as rules speak of it.
type pipeline struct {
	On          yaml.Node `yaml:"on"`
	Permissions *grants   `yaml:"permissions"`
	Jobs        map[string]struct {
		Permissions *grants        `yaml:"permissions"`
		Timeout     int            `yaml:"timeout-minutes"`
		Steps       []pipelineStep `yaml:"steps"`
	} `yaml:"jobs"`
	Runs struct {
		Using string         `yaml:"using"`
		Steps []pipelineStep `yaml:"steps"`
	} `yaml:"runs"`
}

type pipelineStep struct {
	Uses  yaml.Node         `yaml:"uses"`
	Run   string            `yaml:"run"`
	Shell string            `yaml:"shell"`
	With  map[string]string `yaml:"with"`
}

// grants are permissions: a map, or one word for all.
type grants map[string]string

func (g *grants) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*g = grants{"all": n.Value}
		return nil
	}
	m := map[string]string{}
	err := n.Decode(&m)
	*g = m
	return err
}

// written returns what may be written, sorted.
func (g *grants) written() []string {
	var names []string
	if g != nil {
		for name, level := range *g {
			if level != "read" && level != "none" && level != "read-all" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

var (
	pinnedAction = regexp.MustCompile(`^[0-9A-Za-z_.-]+(/[0-9A-Za-z_.-]+)+@[0-9a-f]{40}$`)
	pinnedImage  = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)
	madeVersion  = regexp.MustCompile(`^# v[0-9]+\.[0-9]+\.[0-9]+$`)
)

// faults returns what is wrong with a workflow or an action.yml.
func faults(name string, body []byte) []string {
	var p pipeline
	if err := yaml.Unmarshal(body, &p); err != nil {
		return []string{err.Error()}
	}
	var found []string
	fault := func(where, format string, args ...any) {
		found = append(found, where+": "+fmt.Sprintf(format, args...))
	}
	steps := func(where string, list []pipelineStep, composite bool) {
		if len(list) == 0 {
			fault(where, "no steps")
		}
		for _, s := range list {
			switch uses, comment := s.Uses.Value, s.Uses.LineComment; {
			case strings.Contains(s.Run, "${{"):
				fault(where, "an expression in a script is shell text of whoever chose its value: %s", s.Run)
			case composite && uses != "":
				fault(where, "uses %s, which nobody pins who pins this action", uses)
			case composite && s.Shell == "":
				fault(where, "a step without a shell")
			case uses == "" || strings.HasPrefix(uses, "./"):
			case !pinnedAction.MatchString(uses):
				fault(where, "%s is not pinned by a commit", uses)
			case !madeVersion.MatchString(comment):
				fault(where, "%s does not say its version", uses)
			case strings.HasPrefix(uses, "actions/checkout@") && s.With["persist-credentials"] != "false":
				fault(where, "checkout leaves the token behind")
			}
			for key, value := range s.With {
				if strings.Contains(value, "image=") && !pinnedImage.MatchString(value) {
					fault(where, "%s: %s is not pinned by a digest", key, value)
				}
			}
		}
	}
	if p.Runs.Using != "" {
		if p.Runs.Using != "composite" {
			fault(name, "runs %s", p.Runs.Using)
		}
		steps(name, p.Runs.Steps, true)
		return found
	}
	if w := p.Permissions.written(); p.Permissions == nil || w != nil {
		fault(name, "permissions for all jobs: %q", w)
	}
	if on := fmt.Sprint(triggers(p.On)); strings.Contains(on, "pull_request_target") || strings.Contains(on, "workflow_run") {
		fault(name, "strangers' proposals run with this repository's secrets: %s", on)
	}
	if len(p.Jobs) == 0 {
		fault(name, "no jobs")
	}
	for id, job := range p.Jobs {
		where := name + " " + id
		if p.Permissions != nil && len(*p.Permissions) == 0 && job.Permissions == nil {
			fault(where, "no permissions, not even none")
		}
		if w := job.Permissions.written(); !slices.Equal(w, mayWrite[where]) {
			fault(where, "may write %q, not %q", w, mayWrite[where])
		}
		if job.Timeout == 0 {
			fault(where, "no timeout-minutes")
		}
		steps(where, job.Steps, false)
	}
	return found
}

// triggers returns the events of on, in any of its three forms.
func triggers(on yaml.Node) []string {
	var names []string
	switch on.Kind {
	case yaml.ScalarNode:
		names = append(names, on.Value)
	case yaml.SequenceNode:
		for _, n := range on.Content {
			names = append(names, n.Value)
		}
	case yaml.MappingNode:
		for i := 0; i < len(on.Content); i += 2 {
			names = append(names, on.Content[i].Value)
		}
	default:
	}
	return names
}

// Workflows and the Action keep to the rules, and all workflows to the same
// commit of an action.
func TestWorkflows(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob(".github/workflows/*.y*ml")
	if err != nil || len(names) < 2 {
		t.Fatalf("%q (%v)", names, err)
	}
	pins := map[string]string{}
	for _, name := range append(names, "action.yml") {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range faults(filepath.Base(name), body) {
			t.Error(f)
		}
		for _, m := range regexp.MustCompile(`(?m)uses: ([^@\s]+)(@.*)$`).FindAllStringSubmatch(string(body), -1) {
			if before := pins[m[1]]; before != "" && before != m[2] {
				t.Errorf("%s is used as %s and as %s", m[1], before, m[2])
			}
			pins[m[1]] = m[2]
		}
	}
	for where := range mayWrite {
		file, job, _ := strings.Cut(where, " ")
		body, err := os.ReadFile(filepath.Join(".github/workflows", file))
		if err != nil || !strings.Contains(string(body), "\n  "+job+":\n") {
			t.Errorf("there is no job %s (%v)", where, err)
		}
	}
}

// The release is built by the Go whose bytes checksums.txt has, with nothing
// that another run left behind.
func TestReleaseGo(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("scripts/release.sh")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`go_version=go([0-9.]+)`).FindSubmatch(script)
	if m == nil {
		t.Fatal("scripts/release.sh names no Go")
	}
	for _, name := range []string{"ci.yml", "release.yml"} {
		body, err := os.ReadFile(filepath.Join(".github/workflows", name))
		if err != nil {
			t.Fatal(err)
		}
		var p pipeline
		if err := yaml.Unmarshal(body, &p); err != nil {
			t.Fatal(err)
		}
		for id, job := range p.Jobs {
			for _, s := range job.Steps {
				if !strings.HasPrefix(s.Uses.Value, "actions/setup-go@") {
					continue
				}
				if s.With["go-version"] != string(m[1]) || name == "release.yml" && s.With["cache"] != "false" {
					t.Errorf("%s %s: setup-go with %q, wanted is %s", name, id, s.With, m[1])
				}
			}
		}
	}
}

// The release's image is signed by the program that is released, where it was
// pushed, and the job that names it waits for that.
func TestReleaseSigns(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(".github/workflows/release.yml")
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		Jobs map[string]struct {
			Needs string
			Steps []struct {
				ID, Uses, Run string
				Env           map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(body, &p); err != nil {
		t.Fatal(err)
	}
	built, pushed, signed := false, false, false
	for _, s := range p.Jobs["image"].Steps {
		built = built || strings.HasPrefix(s.Run, "scripts/release.sh dist --check")
		pushed = pushed || s.ID == "push"
		line, signs := strings.CutPrefix(strings.TrimSpace(s.Run), "dist/boltseal_linux_amd64 ")
		if !signs {
			continue
		}
		signed = built && pushed && s.Env["DIGEST"] == "${{ steps.push.outputs.digest }}" && strings.HasPrefix(line, `sign "$IMAGE@$DIGEST" `)
		line = strings.Replace(line, "$IMAGE@$DIGEST", "ghcr.io/acme/boltseal@"+releaseDigest, 1)
		trySign(t, "release.yml", words(t, line)[0], newFiles(t))
	}
	if !signed || p.Jobs["publish"].Needs != "image" {
		t.Error("the image gets a name, and nobody has signed it")
	}
}

// Every rule can be broken, and is then spoken of.
func TestWorkflowRulesBite(t *testing.T) {
	t.Parallel()
	const sha = "08c6903cd8c0fde910a37f88322edcfb5dd907a8"
	workflow := func(top, job, steps string) string {
		return top + "\njobs:\n  build:\n    " + job + "\n    steps:\n" + steps
	}
	const top, job = "on: push\npermissions: {contents: read}", "timeout-minutes: 5"
	const good = "      - uses: ./\n      - uses: a/b/c@" + sha + " # v1.2.3\n      - run: make\n"
	for _, tc := range []struct{ name, text, want string }{
		{"good", workflow(top, job, good), ""},
		{"good without any", workflow("permissions: {}", job+"\n    permissions: {contents: read}", good), ""},
		{"tag", workflow(top, job, "      - uses: a/b@v1.2.3 # v1.2.3\n"), "not pinned"},
		{"short commit", workflow(top, job, "      - uses: a/b@"+sha[:39]+" # v1.2.3\n"), "not pinned"},
		{"no version", workflow(top, job, "      - uses: a/b@"+sha+"\n"), "its version"},
		{"vague version", workflow(top, job, "      - uses: a/b@"+sha+" # v1\n"), "its version"},
		{"image by tag", workflow(top, job, "      - uses: docker://alpine:3\n"), "not pinned"},
		{"builder by tag", workflow(top, job, "      - uses: a/b@"+sha+" # v1.2.3\n        with: {driver-opts: image=moby/buildkit:v0.32.2}\n"), "by a digest"},
		{"expression", workflow(top, job, "      - run: echo ${{ github.head_ref }}\n"), "expression in a script"},
		{"expression in env", workflow(top, job, "      - run: echo $X\n        env: {X: \"${{ github.head_ref }}\"}\n"), ""},
		{"token", workflow(top, job, "      - uses: actions/checkout@"+sha+" # v5.0.0\n"), "leaves the token"},
		{"no permissions", workflow("on: push", job, good), "permissions for all jobs"},
		{"write for all", workflow("permissions: {contents: write}", job, good), "permissions for all jobs"},
		{"write-all", workflow("permissions: write-all", job, good), "permissions for all jobs"},
		{"none for the job", workflow("permissions: {}", job, good), "not even none"},
		{"write", workflow(top, job+"\n    permissions: {packages: write}", good), `may write ["packages"]`},
		{"no timeout", workflow(top, "runs-on: x", good), "no timeout"},
		{"target", workflow("on: [push, pull_request_target]\npermissions: {}", job+"\n    permissions: {}", good), "strangers"},
		{"target, alone", workflow("on: workflow_run\npermissions: {}", job+"\n    permissions: {}", good), "strangers"},
		{"target, with options", workflow("on: {pull_request_target: {types: [opened]}}\npermissions: {}", job+"\n    permissions: {}", good), "strangers"},
		{"no jobs", top, "no jobs"},
		{"no steps", workflow(top, job, ""), "no steps"},
		{"not YAML", "jobs: [", "yaml"},
		{"good action", "runs:\n  using: composite\n  steps: [{run: make, shell: bash}]", ""},
		{"nested", "runs:\n  using: composite\n  steps:\n    - uses: a/b@" + sha + " # v1.2.3\n", "nobody pins"},
		{"input in a script", "runs:\n  using: composite\n  steps: [{run: \"echo ${{ inputs.x }}\", shell: bash}]", "expression in a script"},
		{"no shell", "runs:\n  using: composite\n  steps: [{run: make}]", "without a shell"},
		{"docker", "runs:\n  using: docker\n  steps: [{run: make, shell: bash}]", "runs docker"},
	} {
		got := strings.Join(faults("x.yml", []byte(tc.text)), "\n")
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// The image has bases by digest only, and what is in it is what was copied.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	args := map[string]string{}
	user, bases := "", 0
	text := strings.ReplaceAll(string(body), "\\\n", " ")
	for _, line := range strings.Split(text, "\n") {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch rest = strings.TrimSpace(rest); strings.ToUpper(word) {
		case "ARG":
			name, value, _ := strings.Cut(rest, "=")
			args[name] = value
		case "FROM":
			bases++
			base := os.Expand(rest, func(name string) string { return args[name] })
			if !pinnedImage.MatchString(base) {
				t.Errorf("the base %q is not pinned by a digest", base)
			}
		case "USER":
			user = rest
		case "RUN", "ADD":
			t.Errorf("nothing may run or come from elsewhere: %s", line)
		}
	}
	if bases == 0 || !regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*$`).MatchString(user) {
		t.Errorf("%d bases, user %q", bases, user)
	}
}

// A gitlabJob is what ci/gitlab.yml may say of a job.
type gitlabJob struct {
	Extends, Stage, Timeout string
	Script                  []string
	Image                   struct {
		Name       string
		Entrypoint []string
	}
	Retry struct {
		Max       int
		ExitCodes int `yaml:"exit_codes"`
	}
	Artifacts struct {
		When  string
		Paths []string
	}
}

// GitLab's example has an image by digest with a shell, keeps the reports that
// its commands write, and its commands run.
func TestCIExamplesGitLab(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("ci/gitlab.yml")
	if err != nil {
		t.Fatal(err)
	}
	top := map[string]yaml.Node{}
	if err := yaml.Unmarshal(body, &top); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{}
	node := top["variables"]
	if err := node.Decode(&variables); err != nil {
		t.Fatal(err)
	}
	delete(top, "variables")
	jobs := map[string]gitlabJob{}
	for name, node := range top {
		text, err := yaml.Marshal(&node)
		if err != nil {
			t.Fatal(err)
		}
		var job gitlabJob
		dec := yaml.NewDecoder(strings.NewReader(string(text)))
		dec.KnownFields(true)
		if err := dec.Decode(&job); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		jobs[name] = job
	}
	base := jobs[".boltseal"]
	if image := variables["BOLTSEAL_IMAGE"]; base.Image.Name != "$BOLTSEAL_IMAGE" || !pinnedImage.MatchString(image) {
		t.Errorf("image %q, %q", base.Image.Name, image)
	}
	if !slices.Equal(base.Image.Entrypoint, []string{""}) || base.Artifacts.When != "always" || base.Retry.ExitCodes != 3 || base.Retry.Max == 0 {
		t.Errorf("%+v", base)
	}
	delete(jobs, ".boltseal")

	// What GitLab sets.
	variables["CI_REGISTRY_IMAGE"], variables["CI_REGISTRY_USER"] = "registry.gitlab.com/acme/app", "gitlab-ci-token"
	f, takesValue := newFiles(t), flags(t, "verify")
	for name, job := range jobs {
		if job.Extends != ".boltseal" || len(job.Script) == 0 {
			t.Errorf("%s extends %q, runs %q", name, job.Extends, job.Script)
		}
		for _, script := range job.Script {
			script = regexp.MustCompile(`\$[A-Z_]+`).ReplaceAllStringFunc(script, func(v string) string {
				value, ok := variables[v[1:]]
				if !ok {
					t.Errorf("%s: nobody sets %s", name, v)
				}
				return value
			})
			ran := verifications(t, script)
			for _, args := range ran {
				try(t, "ci/gitlab.yml "+name, args, f, takesValue)
				for _, flag := range []string{"--summary-file", "--report-file"} {
					at := slices.Index(args, flag)
					if at < 0 || !slices.Contains(base.Artifacts.Paths, args[at+1]) {
						t.Errorf("%s: what %s names is not kept", name, flag)
					}
				}
			}
			if len(ran) != 1 {
				t.Errorf("%s: %d commands", name, len(ran))
			}
		}
	}
	if len(jobs) < 2 {
		t.Errorf("%d jobs", len(jobs))
	}
}

// verifications returns the arguments of each boltseal verify in a script.
func verifications(t *testing.T, script string) [][]string {
	t.Helper()
	var found [][]string
	for _, line := range (fence{text: script}).commands() {
		if !strings.Contains(line, "boltseal verify ") {
			continue
		}
		for _, args := range words(t, line) {
			if len(args) > 2 && args[0] == "boltseal" && args[1] == "verify" {
				found = append(found, args[2:])
			}
		}
	}
	return found
}

// The YAML of docs/ci.md is YAML, and the commands in it are those that its
// system would run: scripts, and lists of arguments.
func TestCIExamples(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	f, takesValue := newFiles(t), flags(t, "verify")
	tekton := strings.NewReplacer("$(params.identity)", "ci@acme.example", "$(params.issuer)", "https://accounts.google.com",
		"$(workspaces.reports.path)", "/workspace/reports", "$(params.images[*])", "ghcr.io/acme/base:v3")
	ran, lists := 0, 0
	for _, fence := range parsePage("docs/ci.md", string(body)).fences {
		if fence.lang != "yaml" {
			continue
		}
		where := fmt.Sprintf("docs/ci.md:%d", fence.line)
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(fence.text), &doc); err != nil {
			t.Errorf("%s: %v", where, err)
		}
		var walk func(n *yaml.Node)
		walk = func(n *yaml.Node) {
			for _, child := range n.Content {
				walk(child)
			}
			if n.Kind == yaml.ScalarNode {
				for _, args := range verifications(t, n.Value) {
					try(t, where, args, f, takesValue)
					ran++
				}
			}
			var step struct{ Command, Args []string }
			if n.Kind != yaml.MappingNode || n.Decode(&step) != nil || !slices.Equal(step.Command, []string{"boltseal", "verify"}) {
				return
			}
			lists++
			if at := slices.Index(step.Args, "--"); at < 0 || at != len(step.Args)-2 {
				t.Errorf("%s: an image may be taken for a flag", where)
			}
			for i := range step.Args {
				if step.Args[i] = tekton.Replace(step.Args[i]); strings.Contains(step.Args[i], "$") {
					t.Errorf("%s: nobody sets %s", where, step.Args[i])
				}
			}
			try(t, where, step.Args, f, takesValue)
		}
		walk(&doc)
	}
	if ran < 3 || lists != 1 {
		t.Errorf("%d scripts and %d lists were run", ran, lists)
	}
}

// The loop of docs/ci.md asks again after exit 3, and after nothing else.
func TestCIExamplesRetry(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("not checked: it is a script for a POSIX shell")
	}
	body, err := os.ReadFile("docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	loop := ""
	for _, fence := range parsePage("docs/ci.md", string(body)).fences {
		if strings.Contains(fence.text, "gate() {") {
			loop += fence.text
		}
	}
	for _, tc := range []struct {
		codes string // of the runs, one after the other
		code  int
		log   string
	}{
		{"0", 0, "verify\n"},
		{"1", 1, "verify\n"},
		{"2", 2, "verify\n"},
		{"3 0", 0, "verify\nsleep 60\nverify\n"},
		{"3 1", 1, "verify\nsleep 60\nverify\n"},
		{"3 3 0", 0, "verify\nsleep 60\nverify\nsleep 300\nverify\n"},
		{"3 3 3", 3, "verify\nsleep 60\nverify\nsleep 300\nverify\n"},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"boltseal": "echo $1 >>log; read -r code <codes; tail -n +2 codes >rest; mv rest codes; exit $code",
			"sleep":    "echo sleep $1 >>log",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "codes"), []byte(strings.ReplaceAll(tc.codes, " ", "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-euc", loop)
		cmd.Dir = dir
		cmd.Env = []string{"PATH=" + dir + string(filepath.ListSeparator) + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		if code := cmd.ProcessState.ExitCode(); code != tc.code || string(log) != tc.log {
			t.Errorf("%s: exit %d, want %d; %q (%v, %s)", tc.codes, code, tc.code, log, err, out)
		}
	}
}
