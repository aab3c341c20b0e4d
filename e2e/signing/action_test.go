package signing_test

import (
	"encoding/json"
	"fmt"
	"html"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/e2e/signing/sigstack"
)

// A step is one of a job, as the Action runs it: a process with the variables of
// the runner.
type step struct {
	outcome
	outputs map[string]string
	summary string
}

// A job is what its steps have in common.
type job struct {
	*workplace
	config string
	env    []string // more, or other, than a job of a push has
	steps  int
}

func newJob(t *testing.T) *job {
	t.Helper()
	w := newWorkplace(t)
	for _, folder := range []string{"temp", "workspace"} {
		check(t, os.Mkdir(w.path(folder), 0o700))
	}
	return &job{workplace: w, config: w.newest()}
}

// step runs the Action with those inputs, besides the trusted root.
func (j *job) step(inputs map[string]string) step {
	j.t.Helper()
	j.steps++
	all := map[string]string{"trusted-root": stack.TrustedRoot}
	maps.Copy(all, inputs)
	text, err := json.Marshal(all)
	check(j.t, err)
	files := map[string]string{}
	env := []string{
		"BOLTSEAL_INPUTS=" + string(text), "GITHUB_ACTIONS=true", "GITHUB_WORKSPACE=" + j.path("workspace"), "RUNNER_TEMP=" + j.path("temp"),
		"RUNNER_OS=Linux", "GITHUB_EVENT_NAME=push", "GITHUB_REPOSITORY=acme/app", "GITHUB_SERVER_URL=https://github.com", "GITHUB_RUN_ID=4242",
	}
	for _, name := range []string{"GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_STATE", "GITHUB_PATH"} {
		files[name] = j.write(fmt.Sprintf("%s-%d", name, j.steps), nil)
		env = append(env, name+"="+files[name])
	}
	s := step{outcome: j.boltsealWith(append(env, j.env...), "action"), outputs: map[string]string{}}
	for name, file := range files {
		body, err := os.ReadFile(file)
		check(j.t, err)
		j.secretless(name, string(body))
		switch name {
		case "GITHUB_OUTPUT":
			s.outputs = j.outputs(string(body))
		case "GITHUB_STEP_SUMMARY":
			s.summary = string(body)
		}
	}
	check(j.t, fs.WalkDir(os.DirFS(j.path("temp")), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		body, err := os.ReadFile(filepath.Join(j.path("temp"), name))
		j.secretless(name, string(body))
		return err
	}))
	return s
}

// outputs reads the file of a step's outputs, in which each is name<<DELIMITER,
// the value, and the delimiter again. The last of a name counts.
func (j *job) outputs(text string) map[string]string {
	j.t.Helper()
	found := map[string]string{}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines)-1; i++ {
		name, delimiter, ok := strings.Cut(lines[i], "<<")
		end := slices.Index(lines[i+1:], delimiter)
		if !ok || end < 0 {
			j.t.Fatalf("line %d of the outputs:\n%s", i+1, text)
		}
		found[name] = strings.Join(lines[i+1:i+1+end], "\n")
		i += end + 1
	}
	return found
}

// gate returns the inputs of a step that verifies an image by the workflow.
func (j *job) gate(img image) map[string]string {
	return map[string]string{
		"images": img.pinned(), "certificate-identity": sigstack.Identity, "certificate-oidc-issuer": sigstack.GitHubIssuer, "handover": "off",
	}
}

// sign returns the inputs of a step that signs, and more.
func (j *job) sign(images string, more map[string]string) map[string]string {
	inputs := map[string]string{"sign": images, "signing-config": j.config}
	maps.Copy(inputs, more)
	return inputs
}

// signed returns the output of that name.
func (s step) signed(t *testing.T) []map[string]any {
	t.Helper()
	var all []map[string]any
	check(t, json.Unmarshal([]byte(s.outputs["signed"]), &all))
	return all
}

// The Action signs what was built once the gate of its job has passed.
func TestAction(t *testing.T) {
	t.Parallel()
	j := newJob(t)
	base, app := j.push(j.Registry, "acme/base"), j.push(j.Legacy, "acme/app")
	j.workplace.signed(base.pinned(), "--signing-config", j.config)
	if s := j.step(j.gate(base)); s.code != 0 || s.outputs["passed"] != "true" {
		t.Fatalf("the gate: %s", s)
	}
	bom := j.write("workspace/bom.json", []byte(predicates["cyclonedx"].text))
	inputs := j.sign(app.pinned(), map[string]string{
		"format": "bundle\nlegacy", "require-gate": "true", "attest": "cyclonedx=" + bom, "vsa": "true", "annotations": "run=7",
	})
	s := j.step(inputs)
	if s.code != 0 {
		t.Fatal(s)
	}
	all := s.signed(t)
	if len(all) != 4 {
		t.Errorf("signed: %s", s.outputs["signed"])
	}
	for _, r := range all {
		if r["digest"] != app.digest || r["identity"] != sigstack.Identity || r["existed"] != false || r["log_index"] == nil {
			t.Errorf("signed: %v", r)
		}
		if name, ok := r["bundle"].(string); r["format"] == "bundle" && (!ok || !exists(name)) {
			t.Errorf("there is no bundle: %v", r)
		}
	}
	summary := html.UnescapeString(s.summary)
	for _, word := range []string{app.digest, sigstack.Identity} {
		if !strings.Contains(summary, word) {
			t.Errorf("the summary does not say %q:\n%s", word, s.summary)
		}
	}
	_, rest, _ := strings.Cut(summary, "<pre>")
	commands, _, _ := strings.Cut(rest, "</pre>")
	j.consume(strings.Split(strings.TrimSpace(commands), "\n"))
	j.verified(app.pinned(), byWorkflow()...)
	j.must(j.cosign(3)(slices.Concat([]string{"verify"}, byWorkflow(), []string{"-a", "run=7", app.pinned()})...))
	j.must(j.cosign(2)(slices.Concat([]string{"verify"}, byWorkflow(), []string{app.pinned()})...))
	for _, kind := range []string{"cyclonedx", "https://slsa.dev/verification_summary/v1"} {
		j.must(j.cosign(3)(slices.Concat([]string{"verify-attestation", "--type", kind}, byWorkflow(), []string{app.pinned()})...))
	}

	j.Forget()
	s = j.step(inputs)
	for _, r := range s.signed(t) {
		if r["existed"] != true {
			t.Errorf("signed again: %v", r)
		}
	}
	j.nothingMade()
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// What keeps the Action from signing leaves no output and nothing in registry or
// log.
func TestActionDoesNotSign(t *testing.T) {
	t.Parallel()
	noToken := []string{"ACTIONS_ID_TOKEN_REQUEST_URL=", "ACTIONS_ID_TOKEN_REQUEST_TOKEN="}
	fork := `{"pull_request": {"head": {"repo": {"full_name": "someone/app", "fork": true}}, "base": {"repo": {"full_name": "acme/app"}}}}`
	for _, test := range []struct {
		name    string
		prepare func(j *job)
		images  func(i image) string // nil is by digest
		inputs  map[string]string
		code    int
		says    string
		logged  bool // it is found out too late for the log
	}{
		{
			name: "the gate is closed", code: 1, says: "the run did not pass: 1 of its 1 image did not pass",
			prepare: func(j *job) {
				if s := j.step(j.gate(j.push(j.Registry, "acme/base"))); s.code != 1 {
					t.Errorf("the gate: %s", s)
				}
			},
		},
		{name: "no gate", inputs: map[string]string{"require-gate": "true"}, code: 2, says: "no step of this job"},
		{name: "a tag", images: image.tagged, code: 2, says: "sign-tags"},
		{name: "no token", prepare: func(j *job) { j.env = noToken }, code: 2, says: "id-token: write"},
		{
			name: "no token, from a fork", code: 0, says: "::notice", inputs: map[string]string{"sign-if-possible": "true"},
			prepare: func(j *job) {
				j.env = append(noToken, "GITHUB_EVENT_NAME=pull_request", "GITHUB_EVENT_PATH="+j.write("event.json", []byte(fork)))
			},
		},
		{name: "no token, and no fork", inputs: map[string]string{"sign-if-possible": "true"}, prepare: func(j *job) { j.env = noToken }, code: 2, says: "id-token: write"},
		{
			name: "the log refuses", code: 3, says: "Rekor at 127.0.0.1", logged: true, // the timestamp comes first
			prepare: func(j *job) { j.RekorV1.Inject(sigstack.Fault{Method: "POST", Status: http.StatusBadRequest}) },
			inputs:  map[string]string{"format": "legacy"},
		},
		{
			name: "the registry keeps nothing", code: 3, says: "127.0.0.1", logged: true,
			prepare: func(j *job) {
				j.Registry.Inject(sigstack.Fault{Method: "PUT", Path: regexp.MustCompile("/manifests/"), Status: http.StatusCreated})
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			j := newJob(t)
			img := j.push(j.Registry, "acme/app")
			if test.prepare != nil {
				test.prepare(j)
			}
			named := img.pinned()
			if test.images != nil {
				named = test.images(img)
			}
			j.Forget()
			s := j.step(j.sign(named, test.inputs))
			if s.code != test.code || !strings.Contains(s.said(), test.says) || s.outputs["signed"] != "[]" {
				t.Errorf("want exit %d, and %q said; signed is %s:\n%s", test.code, test.says, s.outputs["signed"], s)
			}
			if !test.logged {
				j.nothingMade()
			}
			j.Registry.Clear()
			check(t, fs.WalkDir(os.DirFS(j.path("temp")), ".", func(name string, entry fs.DirEntry, err error) error {
				if err == nil && strings.HasSuffix(name, ".sigstore.json") {
					t.Errorf("there is a bundle: %s", name)
				}
				return err
			}))
			j.refused("unsigned", img.pinned(), byWorkflow()...)
		})
	}
}
