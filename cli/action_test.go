package cli_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/runnertest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// A job is a runner that runs the Action's step.
type job struct {
	t    *testing.T
	dir  string
	vars map[string]string

	workspace string // "": this package's folder
	now       func() time.Time
}

// lookup is the environment of the step.
func (j *job) lookup(name string) (string, bool) {
	value, ok := j.vars[name]
	return value, ok
}

func newJob(t *testing.T) *job {
	t.Helper()
	j := &job{t: t, dir: t.TempDir(), vars: map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "XDG_CACHE_HOME": t.TempDir(),
		"GITHUB_WORKFLOW_REF": "acme/app/.github/workflows/ci.yml@refs/heads/main",
	}}
	for variable, name := range map[string]string{"GITHUB_OUTPUT": "output", "GITHUB_ENV": "env", "GITHUB_STEP_SUMMARY": "summary"} {
		j.vars[variable] = filepath.Join(j.dir, name)
		if err := os.WriteFile(j.vars[variable], nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	j.vars["RUNNER_TEMP"] = j.dir
	return j
}

// A stepResult is what the runner has after the step.
type stepResult struct {
	code     int
	log      string // standard output and error
	outputs  map[string]string
	env      map[string]string // of the steps that follow
	summary  string
	commands []runnertest.Command
}

// run runs the step with inputs.
func (j *job) run(inputs map[string]string) stepResult {
	j.t.Helper()
	text, err := json.Marshal(inputs)
	if err != nil {
		j.t.Fatal(err)
	}
	j.vars["BOLTSEAL_INPUTS"] = string(text)
	return j.runIn(j.t.Context())
}

func (j *job) runIn(ctx context.Context) stepResult {
	j.t.Helper()
	var log bytes.Buffer
	noWait := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	c := cli.Command{Stdin: strings.NewReader(""), Stdout: &log, Stderr: &log, LookupEnv: j.lookup, Sleep: noWait, Dir: j.workspace, Now: j.now}
	s := stepResult{code: c.Main(ctx, []string{"boltseal", "action"}), log: log.String(), commands: runnertest.Commands(log.String())}
	read := func(variable string) string {
		body, err := os.ReadFile(j.vars[variable])
		if err != nil && !os.IsNotExist(err) {
			j.t.Fatal(err)
		}
		return string(body)
	}
	var err error
	if s.outputs, err = runnertest.File(read("GITHUB_OUTPUT")); err != nil {
		j.t.Errorf("GITHUB_OUTPUT: %v", err)
	}
	if s.env, err = runnertest.File(read("GITHUB_ENV")); err != nil {
		j.t.Errorf("GITHUB_ENV: %v", err)
	}
	s.summary = read("GITHUB_STEP_SUMMARY")
	return s
}

// want checks what the step says in every way it has.
func (s stepResult) want(t *testing.T, code int, passed, verdict string) {
	t.Helper()
	if s.code != code || s.outputs["passed"] != passed || s.outputs["verdict"] != verdict {
		t.Errorf("exit %d, passed=%s, verdict=%s; want exit %d, passed=%s, verdict=%s\n%s", s.code, s.outputs["passed"], s.outputs["verdict"], code, passed, verdict, s.log)
	}
	names := slices.Sorted(maps.Keys(s.outputs))
	if want := []string{"build-contexts", "images", "junit", "passed", "pinned", "report", "sarif", "signed", "source-policy", "verdict"}; !slices.Equal(names, want) {
		t.Errorf("outputs %q, want %q", names, want)
	}
	if s.summary == "" {
		t.Error("there is no summary")
	}
	for _, c := range s.commands {
		if !slices.Contains([]string{"error", "warning", "notice", "debug", "group", "endgroup", "add-mask"}, c.Name) || c.Syntax != 2 {
			t.Errorf("the runner obeys %+v", c)
		}
	}
}

// titles returns those of the annotations of a level.
func (s stepResult) titles(level string) []string {
	var out []string
	for _, c := range s.commands {
		if c.Name == level {
			out = append(out, c.Properties["title"])
		}
	}
	return out
}

// inputs are those of a step that verifies images, changed by change.
func (w *world) inputs(images string, change ...func(map[string]string)) map[string]string {
	in := map[string]string{
		"images": images, "certificate-identity": identity, "certificate-oidc-issuer": issuer, "trusted-root": w.root,
		"mode": "enforce", "jobs": "16", "timeout": "3m0s", "sigstore": "public-good", "signature-on": "image", "require-signature": "false", "platforms": "",
	}
	for _, c := range change {
		c(in)
	}
	return in
}

func with(name, value string) func(map[string]string) {
	return func(in map[string]string) { in[name] = value }
}

// Every way for the step to end says what it found in the exit code, in every
// output, in annotations and in the summary.
func TestAction(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	at := func(repo string) string { return w.reg.Host() + "/" + repo + ":v1" }
	good := w.image("team/good")
	w.signLegacy("team/good", good, by())
	pinned := w.reg.Host() + "/team/good@" + good.Digest.String()
	w.image("team/unsigned")
	w.signLegacy("team/stranger", w.image("team/stranger"), by(func(o *sigstoretest.Options) { o.Identity = strings.Replace(identity, "acme", "evil", 1) }))
	w.image("team/down")
	w.reg.Break(registrytest.Fault{Path: "/v2/team/down/", Status: 503})

	for _, tc := range []struct {
		name    string
		inputs  map[string]string
		code    int
		passed  string
		verdict string
		pinned  string
		errors  []string // titles of annotations
		warns   []string
		summary string
	}{
		{
			name: "passed", inputs: w.inputs(at("team/good") + "\n\n# twice:\n  " + at("team/good") + "\n"),
			code: 0, passed: "true", verdict: "verified", pinned: pinned, summary: "PASSED",
		},
		{
			name: "unsigned", inputs: w.inputs(at("team/good") + "\n" + at("team/unsigned")),
			code: 1, passed: "false", verdict: "unsigned", errors: []string{"gate closed", "unsigned"}, summary: "BLOCKED",
		},
		{
			name: "a refusal counts more than an outage", inputs: w.inputs(at("team/down") + "\n" + at("team/stranger")),
			code: 1, passed: "false", verdict: "wrong-signer", errors: []string{"gate closed", "unavailable", "wrong-signer"}, summary: "BLOCKED",
		},
		{
			name: "no answer", inputs: w.inputs(at("team/good") + "\n" + at("team/down")),
			code: 3, passed: "false", verdict: "unavailable", errors: []string{"gate closed", "unavailable"}, summary: "NO ANSWER",
		},
		{
			name: "warn mode goes on, and hands over nothing", inputs: w.inputs(at("team/good")+"\n"+at("team/unsigned"), with("mode", "warn")),
			code: 0, passed: "false", verdict: "unsigned", warns: []string{"gate closed", "unsigned", "image signature gate"}, summary: "not enforced",
		},
		{
			name: "warn mode with an outage", inputs: w.inputs(at("team/down"), with("mode", "warn")),
			code: 0, passed: "false", verdict: "unavailable", warns: []string{"gate closed", "unavailable", "image signature gate"}, summary: "not enforced",
		},
		{
			name: "a pattern for anybody passes with a warning", inputs: w.inputs(at("team/good"), with("certificate-identity", "**")),
			code: 0, passed: "true", verdict: "verified", pinned: pinned, warns: []string{""}, summary: "PASSED",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newJob(t).run(tc.inputs)
			s.want(t, tc.code, tc.passed, tc.verdict)
			if s.outputs["pinned"] != tc.pinned {
				t.Errorf("pinned %q, want %q", s.outputs["pinned"], tc.pinned)
			}
			if !strings.Contains(s.summary, tc.summary) {
				t.Errorf("the summary lacks %q:\n%s", tc.summary, s.summary)
			}
			for level, want := range map[string][]string{"error": tc.errors, "warning": tc.warns} {
				got := s.titles(level)
				if len(got) != len(want) {
					t.Errorf("%d annotations of level %s, want %d: %q", len(got), level, len(want), got)
					continue
				}
				for i := range want {
					if !strings.Contains(got[i], want[i]) {
						t.Errorf("%s %d is %q, want %q in it", level, i, got[i], want[i])
					}
				}
			}
			body, err := os.ReadFile(s.outputs["report"])
			if err != nil {
				t.Fatal(err)
			}
			var doc struct {
				Passed bool
				Images []struct{ Reason string }
			}
			if err := json.Unmarshal(body, &doc); err != nil || fmt.Sprint(doc.Passed) != tc.passed {
				t.Errorf("the report says passed=%v (%v), want %s", doc.Passed, err, tc.passed)
			}
			checkReaders(t, s.outputs, tc.passed == "true")
			var images []struct{ Reason string }
			if err := json.Unmarshal([]byte(s.outputs["images"]), &images); err != nil || len(images) != len(doc.Images) {
				t.Errorf("output images has %d, the report %d (%v)", len(images), len(doc.Images), err)
			}
		})
	}
}

// checkReaders fails unless the reports for other programs are there, and say
// whether the run passed.
func checkReaders(t *testing.T, outputs map[string]string, passed bool) {
	t.Helper()
	sarif, err := os.ReadFile(outputs["sarif"])
	if err != nil {
		t.Fatal(err)
	}
	junit, err := os.ReadFile(outputs["junit"])
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Runs []struct {
			Results []struct {
				Locations []struct {
					PhysicalLocation struct{ ArtifactLocation struct{ URI string } }
				}
			}
		}
	}
	if err := json.Unmarshal(sarif, &doc); err != nil || (len(doc.Runs[0].Results) == 0) != passed {
		t.Errorf("SARIF (%v), passed = %v: %s", err, passed, sarif)
	}
	for _, x := range doc.Runs[0].Results {
		if at := x.Locations[0].PhysicalLocation.ArtifactLocation.URI; at != ".github/workflows/ci.yml" {
			t.Errorf("an image of the workflow is shown at %s", at)
		}
	}
	if wrong := strings.Contains(string(junit), "<failure ") || strings.Contains(string(junit), "<error "); wrong == passed {
		t.Errorf("JUnit, passed = %v: %s", passed, junit)
	}
}

// Bad input is exit 2, names the input as action.yml has it, says what to write
// instead, sets every output, and asks nothing of anybody.
func TestActionBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	img := w.reg.Host() + "/" + repo + ":v1"
	for _, tc := range []struct {
		name   string
		inputs map[string]string
		title  string
		says   []string
	}{
		{"misspelt", w.inputs(img, with("certificate-identiy", identity)), "input certificate-identiy", []string{"input certificate-identiy: there is no such input", "did you mean certificate-identity?"}},
		{"of nobody", w.inputs(img, with("frobnicate", "x")), "input frobnicate", []string{"no such input", "docs/action.md"}},
		{"of another Action", w.inputs(img, with("cosign-release", "v3")), "input cosign-release", []string{"no such input", "next: leave it out: nothing has to be installed before"}},
		{"of cosign's command line", w.inputs(img, with("verbose", "true")), "input verbose", []string{"no such input", "next: leave it out: the job summary says"}},
		{"of Notation's Action", w.inputs(img, with("trust_policy", "x.json")), "input trust_policy", []string{"no such input", "next: write notation-trust-policy"}},
		{"another of Notation's Action", w.inputs(img, with("plugin_config", "a=b")), "input plugin_config", []string{"no such input", "next: did you mean plugin-config?"}},
		{"of cosign verify", w.inputs(img, with("insecure-ignore-sct", "true")), "input insecure-ignore-sct", []string{"no such input", "next: describe the instance in a trusted_root.json, and name that with trusted-root"}},
		{"images in a row", w.inputs(img + ", " + img), "input images", []string{"is a list", "on a line of its own"}},
		{"platform", w.inputs(img, with("platforms", "linux/amd64\nlinux")), "input platforms", []string{`"linux" is no platform`}},
		{"name of the flag", w.inputs(img, with("platform", "linux/amd64")), "input platform", []string{"no such input", "did you mean platforms?"}},
		{"no such file", w.inputs("", with("files", "no-such-file")), "input files", []string{`"no-such-file"`}},
		{"glob that is none", w.inputs("", with("exclude", "a[")), "input exclude", []string{`"a["`}},
		{"build argument", w.inputs("", with("build-args", "A B=c")), "input build-args", []string{"no build argument"}},
		{"build context", w.inputs("", with("build-contexts", "base")), "input build-contexts", []string{"no build context"}},
		{"target, and all", w.inputs("", with("target", "a"), with("all-stages", "true")), "input all-stages", []string{"contradicts target"}},
		{"key by address", w.inputs(img, with("key", "https://a.example/cosign.pub")), "input key", []string{"not fetched", "keep it with the project"}},
		{"key that is not checked out", w.inputs(img, with("key", "none/cosign.pub")), "input key", []string{"check out the repository"}},
		{"both cases", w.inputs(img, with("Images", img)), "input", []string{"given twice"}},
		{"no images", w.inputs(" \n# nothing\n"), "input images", []string{"never passes"}},
		{"no image", w.inputs("Not An Image"), "input images", []string{"Not An Image", "registry/repository:tag"}},
		{"an option", w.inputs("--mode=warn"), "input images", []string{"--mode=warn", "registry/repository:tag"}},
		{"a claim of nobody", map[string]string{"images": img, "attestation-type": "spdx"}, "input attestation-type", []string{"add certificate-identity with certificate-oidc-issuer, or key"}},
		{"policy with a mistake", map[string]string{"images": img, "policy": "version: 1\nrules: []\nrule: 1\n"}, "input policy", []string{"policy:3:1", "did you mean rules?"}},
		{"policy of blanks", map[string]string{"images": img, "policy": " \n"}, "input policy", []string{"it is there, and has nothing but blanks"}},
		{"policy and key", map[string]string{"images": img, "policy": "p.yaml", "key": "k.pub"}, "input policy", []string{"with it, the policy says who must have signed"}},
		{"identity without issuer", w.inputs(img, with("certificate-oidc-issuer", "")), "input certificate-identity", []string{"add certificate-oidc-issuer"}},
		{"issuers in no order", w.inputs(img, with("certificate-identity-regexp", "a@b"), with("certificate-oidc-issuer", "https://a.example\nhttps://b.example")), "input certificate-identity-regexp", []string{"nothing says which issuer goes with which identity"}},
		{"issuers of two kinds", w.inputs(img, with("certificate-oidc-issuer-regexp", "https://a")), "input certificate-oidc-issuer-regexp", []string{"nothing says which issuer goes with which identity"}},
		{"a host that only looks right", w.inputs("\ufeff" + img), "input images", []string{"characters beyond ASCII"}},
		{"password of two lines", w.inputs(img, with("registry-username", "me"), with("registry-password", "a\nb")), "input registry-password", []string{"several lines"}},
		{"secret in an address", w.inputs(img, with("trusted-root", ""), with("tuf-root", "x"), with("tuf-mirror", "http://u:p@a.example/?q=s")), "input tuf-mirror", []string{`"http://***@a.example/" is not one`}},
		{"no switch", w.inputs(img, with("require-signature", "yes")), "input require-signature", []string{`"yes" is neither true nor false`, "write true or false"}},
		{"no number", w.inputs(img, with("jobs", "many")), "input jobs", []string{`"many" cannot be read`, "from 1 to 256"}},
		{"number out of range", w.inputs(img, with("jobs", "0")), "input jobs", []string{"from 1 to 256"}},
		{"no duration", w.inputs(img, with("timeout", "soon")), "input timeout", []string{`"soon" cannot be read`, "such as 90s"}},
		{"mode", w.inputs(img, with("mode", "off")), "input mode", []string{"write enforce or warn"}},
		{"two lines", w.inputs(img, with("mode", "warn\nenforce")), "input mode", []string{"there are several lines"}},
		{"key that is none", w.inputs(img, with("key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----")), "input key", []string{"PEM"}},
		{"password without user", w.inputs(img, with("registry-password", "pass")), "input registry-password", []string{"add registry-username"}},
		{"user without password", w.inputs(img, with("registry-username", "me")), "input registry-username", []string{"registry-password"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newJob(t).run(tc.inputs)
			s.want(t, 2, "false", "undecided")
			if got := s.titles("error"); len(got) != 1 || got[0] != "boltseal: "+tc.title && (tc.name != "both cases" || !strings.HasPrefix(got[0], "boltseal: input ")) {
				t.Errorf("titles %q, want %q", got, "boltseal: "+tc.title)
			}
			for _, say := range tc.says {
				if !strings.Contains(s.commands[len(s.commands)-1].Data, say) {
					t.Errorf("%q is not said: %s", say, s.log)
				}
			}
			if s.outputs["images"] != "[]" || s.outputs["pinned"]+s.outputs["report"]+s.outputs["sarif"]+s.outputs["junit"] != "" {
				t.Errorf("outputs %q", s.outputs)
			}
		})
	}
	t.Cleanup(func() {
		if n := len(w.reg.Requests()); n > 0 {
			t.Errorf("%d requests", n)
		}
	})
}

// Without the object of all inputs there is nothing to verify, and outside of a
// runner nobody to tell.
func TestActionWithoutRunner(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "null", "[]", "{", `{"images":1}`} {
		j := newJob(t)
		j.vars["BOLTSEAL_INPUTS"] = text
		j.runIn(t.Context()).want(t, 2, "false", "undecided")
	}
	j := newJob(t)
	j.vars["GITHUB_ACTIONS"] = ""
	if s := j.run(nil); s.code != 2 || len(s.outputs) != 0 || !strings.Contains(s.log, "use boltseal verify") {
		t.Errorf("exit %d, outputs %q: %s", s.code, s.outputs, s.log)
	}
}

// A run that is called off says so in the outputs; so do those that a killed
// run has left, since they are written before anything is asked.
func TestActionInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	j := newJob(t)
	text, err := json.Marshal(w.inputs(w.reg.Host()+"/"+repo+":v1", with("mode", "warn")))
	if err != nil {
		t.Fatal(err)
	}
	j.vars["BOLTSEAL_INPUTS"] = string(text)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := j.runIn(ctx)
	s.want(t, 3, "false", "undecided")

	var atFirst string
	j = newJob(t)
	j.vars["BOLTSEAL_INPUTS"] = string(text)
	getenv := func(name string) string {
		if name == "BOLTSEAL_INPUTS" {
			body, err := os.ReadFile(j.vars["GITHUB_OUTPUT"])
			if err != nil {
				t.Error(err)
			}
			atFirst = string(body)
		}
		return j.vars[name]
	}
	cli.Command{Stdin: strings.NewReader(""), Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, LookupEnv: lookup(getenv)}.Main(t.Context(), []string{"boltseal", "action"})
	if got, err := runnertest.File(atFirst); err != nil || got["passed"] != "false" || got["verdict"] != "undecided" || got["images"] != "[]" || len(got) != 10 {
		t.Errorf("before anything is asked the outputs are %q (%v)", got, err)
	}
}

// Where the outputs cannot be written nobody is told, so nothing passes.
func TestActionCannotTell(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	inputs := w.inputs(w.reg.Host() + "/" + repo + ":v1")
	j := newJob(t)
	j.vars["GITHUB_OUTPUT"] = j.dir // a directory
	var log bytes.Buffer
	text, err := json.Marshal(inputs)
	if err != nil {
		t.Fatal(err)
	}
	j.vars["BOLTSEAL_INPUTS"] = string(text)
	c := cli.Command{Stdin: strings.NewReader(""), Stdout: &log, Stderr: &log, LookupEnv: j.lookup}
	if code := c.Main(t.Context(), []string{"boltseal", "action"}); code != cli.ExitNoAnswer || !strings.Contains(log.String(), "write the result") {
		t.Errorf("exit %d: %s", code, log.String())
	}

	j = newJob(t)
	j.vars["RUNNER_TEMP"] = filepath.Join(j.dir, "none")
	s := j.run(inputs)
	if s.code != cli.ExitNoAnswer || s.outputs["passed"] != "false" || len(s.outputs) != 10 {
		t.Errorf("exit %d, outputs %q", s.code, s.outputs)
	}

	// The summary is for people; who cannot read it still has the log.
	j = newJob(t)
	j.vars["GITHUB_STEP_SUMMARY"] = j.dir
	if code := func() int {
		j.vars["BOLTSEAL_INPUTS"] = string(text)
		return cli.Command{Stdin: strings.NewReader(""), Stdout: &log, Stderr: &log, LookupEnv: j.lookup}.Main(t.Context(), []string{"boltseal", "action"})
	}(); code != 0 || !strings.Contains(log.String(), "job summary") {
		t.Errorf("exit %d: %s", code, log.String())
	}
}

// A gate that is closed and could not say so is not taken for one that could.
func TestActionLostLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.image(repo)
	j := newJob(t)
	text, err := json.Marshal(w.inputs(w.reg.Host() + "/" + repo + ":v1"))
	if err != nil {
		t.Fatal(err)
	}
	j.vars["BOLTSEAL_INPUTS"] = string(text)
	for _, mode := range []string{"enforce", "warn"} {
		j.vars["BOLTSEAL_INPUTS"] = strings.Replace(string(text), "enforce", mode, 1)
		c := cli.Command{Stdin: strings.NewReader(""), Stdout: full{}, Stderr: full{}, LookupEnv: j.lookup}
		if code := c.Main(t.Context(), []string{"boltseal", "action"}); code != cli.ExitNoAnswer {
			t.Errorf("mode %s: exit %d, want %d", mode, code, cli.ExitNoAnswer)
		}
	}
}

// full is a disk that is.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// What looks like the line of a comment is not one for some readers only: no
// image hides behind it.
func TestActionHiddenImage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	w.image("team/unsigned")
	for _, end := range []string{"\n", "\r", "\r\n", "\v", "\f", "\u0085", "\u2028", "\u2029"} {
		images := "# " + end + w.reg.Host() + "/team/unsigned:v1" + end + w.reg.Host() + "/" + repo + ":v1"
		newJob(t).run(w.inputs(images)).want(t, 1, "false", "unsigned")
	}
}

// Secrets are masked, go to their registry only, and appear nowhere else.
func TestActionSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{User: "me", Password: "s3cr3t-passw0rd"})
	w.signLegacy(repo, w.image(repo), by())
	img, login := w.reg.Host()+"/"+repo+":v1", base64.StdEncoding.EncodeToString([]byte("me:s3cr3t-passw0rd"))
	j := newJob(t)
	j.vars["RUNNER_DEBUG"] = "1"
	secrets := []func(map[string]string){with("download-base", "https://u:s3cr3t@a.example/x?sig=s3cr3t"), with("registry-username", "me"), with("registry-password", "s3cr3t-passw0rd"), with("github-token", "t0ken-of-github")}
	s := j.run(w.inputs(img, secrets...))
	s.want(t, 0, "true", "verified")
	masked := 0
	for _, c := range s.commands {
		if c.Name == "add-mask" {
			masked++
		}
	}
	rest := strings.NewReplacer("::add-mask::s3cr3t-passw0rd\n", "", "::add-mask::t0ken-of-github\n", "").Replace(s.log)
	shown := []string{rest, s.summary, fmt.Sprint(s.outputs)}
	for _, output := range []string{"report", "sarif", "junit"} {
		body, err := os.ReadFile(s.outputs[output])
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, string(body))
	}
	for _, text := range shown {
		if strings.Contains(text, "s3cr3t") || strings.Contains(text, "t0ken") || strings.Contains(text, login) {
			t.Errorf("a secret is shown: %s", text)
		}
	}
	if !strings.Contains(s.log, `input download-base: "https://***@a.example/x"`) {
		t.Errorf("the debug log does not say what it was given: %s", s.log)
	}
	secretFree(t, j.dir, "s3cr3t", "t0ken", login)
	if masked != 2 {
		t.Errorf("%d masks, want 2: %s", masked, s.log)
	}

	// On pull_request_target neither is read.
	for _, name := range []string{"registry-password", "github-token"} {
		w.reg.Reset(0)
		j := newJob(t)
		j.vars["GITHUB_EVENT_NAME"] = "pull_request_target"
		s := j.run(w.inputs(img, with("registry-username", "me"), with(name, "s3cr3t")))
		s.want(t, 2, "false", "undecided")
		if got := s.titles("error"); len(got) != 1 || got[0] != "boltseal: input "+name || !strings.Contains(s.log, "reads no secrets on pull_request_target") {
			t.Errorf("%q: %s", got, s.log)
		}
		if n := len(w.reg.Requests()); n > 0 {
			t.Errorf("%d requests", n)
		}
	}
}

// On pull_request_target the credentials of docker login and of the
// environment stay where they are, too; public images need none.
func TestActionAnonymous(t *testing.T) { //nolint:paralleltest // go-containerregistry reads the process's environment
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	dir := t.TempDir()
	config := fmt.Sprintf(`{"auths":{%q:{"username":"me","password":"pass"}}}`, w.reg.Host())
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
	authorized := func(event, token string) int {
		w.reg.Reset(0)
		j := newJob(t)
		j.vars["GITHUB_EVENT_NAME"] = event
		j.vars["GITHUB_TOKEN"] = token
		j.run(w.inputs(w.reg.Host()+"/"+repo+":v1")).want(t, 0, "true", "verified")
		n := 0
		for _, r := range w.reg.Requests() {
			if r.Authorization != "" {
				n++
			}
		}
		return n
	}
	for _, token := range []string{"", "token"} {
		if n := authorized("pull_request", token); n == 0 {
			t.Error("docker login's credentials are not used on pull_request")
		}
		if n := authorized("pull_request_target", token); n != 0 {
			t.Errorf("%d requests carry credentials on pull_request_target", n)
		}
	}
}

// A key may be written into the workflow itself, next to others.
func TestActionInlineKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	newKey := func() (*ecdsa.PrivateKey, string) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		return key, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	private, text := newKey()
	_, otherText := newKey()
	w.signLegacy(repo, w.image(repo), sigstoretest.Options{Key: private})
	file := filepath.Join(t.TempDir(), "other.pub")
	if err := os.WriteFile(file, []byte(otherText), 0o600); err != nil {
		t.Fatal(err)
	}
	key := func(in map[string]string) {
		delete(in, "certificate-identity")
		delete(in, "certificate-oidc-issuer")
		in["key"] = file + "\n# release key\n" + text
	}
	img := w.reg.Host() + "/" + repo + ":v1"
	newJob(t).run(w.inputs(img, key)).want(t, 0, "true", "verified")
	newJob(t).run(w.inputs(img, key, with("key", otherText))).want(t, 1, "false", "wrong-signer")
}

// hostile texts try to be obeyed by the runner wherever they are written.
var hostile = []string{
	"x\n::set-output name=passed::true",
	"x\r::add-mask::sha256",
	"x ##[set-output name=passed]true",
	"#\u034f#[add-mask]sha256",
	"x\u2028::stop-commands::y",
	"%0A::error::z",
	"passed=true\npassed<<EOF\ntrue\nEOF",
	"_GitHubActionsFileCommandDelimeter_\npassed<<_GitHubActionsFileCommandDelimeter_\ntrue\n_GitHubActionsFileCommandDelimeter_",
	"</code></pre></details>| x |\n\n# PASSED\n<img src=x onerror=1>![a](http://e.example)[b](http://e.example) @me",
	"```\n\n### PASSED",
	"\x1b[2K\x1b[1A\u202e",
}

// address returns what of s can be an e-mail address in a certificate.
func address(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0x80 || r == '/' {
			return '?'
		}
		return r
	}, s)
}

// What registries, certificates and signatures say is only ever text.
func TestActionHostile(t *testing.T) {
	t.Parallel()
	for i, evil := range hostile {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registrytest.Options{})
			at := func(repo string) string { return w.reg.Host() + "/" + repo + ":v1\n" }
			// A signer may call itself anything, and the image anything.
			w.signLegacy("team/signer", w.image("team/signer"), by(func(o *sigstoretest.Options) { o.Identity = address(evil) }))
			d := w.image("team/type")
			w.signBundle("team/type", d, "https://e.example/"+evil, by())
			d = w.image("team/name")
			payload := sigstoretest.Payload(evil, d.Digest.String())
			annotations, err := w.sig.Legacy(payload, by())
			if err != nil {
				t.Fatal(err)
			}
			w.must(w.reg.PutTagged("team/name", d.Digest.String(), ".sig", registrytest.Layer{MediaType: registrytest.SimpleSigning, Blob: payload, Annotations: annotations}))
			d = w.image("team/annotation")
			l := w.layer("team/annotation", d.Digest.String(), by())
			l.Annotations["dev.sigstore.cosign/bundle"] = evil
			w.must(w.reg.PutTagged("team/annotation", d.Digest.String(), ".sig", l))
			w.image("team/error")
			w.reg.Break(registrytest.Fault{Path: "/v2/team/error/", Status: 418, Detail: evil})
			w.image("team/json")
			body, err := json.Marshal(map[string]any{"errors": []map[string]any{{"code": evil, "message": evil, "detail": evil}}})
			if err != nil {
				t.Fatal(err)
			}
			w.reg.Break(registrytest.Fault{Path: "/v2/team/json/", Status: 403, Detail: string(body)})
			j := newJob(t)
			j.vars["RUNNER_DEBUG"] = "1" // says the same, and more
			images := at("team/signer") + at("team/type") + at("team/name") + at("team/annotation") + at("team/error") + at("team/json")
			s := j.run(w.inputs(images))
			s.want(t, 1, "false", "wrong-signer")
			s.harmless(t)
			// In inputs, too: a workflow may take them from a pull request.
			for _, name := range []string{"images", "certificate-identity", "key", "mode", "jobs", "platforms", "files", "build-args", "build-contexts", "signature-on", evil} {
				s := newJob(t).run(w.inputs(at("team/signer"), with(name, evil)))
				if name != "certificate-identity" && s.outputs["passed"] != "false" || len(s.outputs) != 10 {
					t.Errorf("input %q: exit %d, outputs %q", name, s.code, s.outputs)
				}
				s.harmless(t)
			}
		})
	}
}

// harmless checks that the runner obeys only what the step itself writes, and
// that the summary is text.
func (s stepResult) harmless(t *testing.T) {
	t.Helper()
	for _, c := range s.commands {
		if !slices.Contains([]string{"error", "warning", "debug", "group", "endgroup"}, c.Name) || c.Syntax != 2 {
			t.Errorf("the runner obeys %+v in\n%s", c, s.log)
		}
	}
	if found := runnertest.Commands(s.summary); len(found) > 0 {
		t.Errorf("the runner would obey %+v in the summary", found)
	}
	for _, raw := range []string{"<img", "![a]", "[b](", "\n# PASSED", "### PASSED", "\x1b", "\u202e", "onerror=1>"} {
		if strings.Contains(s.summary, raw) {
			t.Errorf("the summary has %q:\n%s", raw, s.summary)
		}
	}
	if strings.ContainsAny(s.log, "\x1b\u202e\u2028\r") {
		t.Errorf("the log has control characters: %q", s.log)
	}
}

// A thousand images with names as long as names can be stay within what the
// runner takes, and what is left out is said.
func TestActionLimits(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("much data: looked at without the race detector")
	}
	w := newWorld(t, registrytest.Options{})
	w.reg.Break(registrytest.Fault{Path: "/v2/team/long", Status: 404})
	var images strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&images, "%s/team/long/%s%d:v1\n", w.reg.Host(), strings.Repeat("x/", 110), i)
	}
	s := newJob(t).run(w.inputs(images.String(), with("jobs", "64")))
	s.want(t, 1, "false", "not-found")
	if n := len(s.titles("error")); n != 10 {
		t.Errorf("%d errors, want the runner's 10", n)
	}
	for _, c := range s.commands {
		if n := len(utf16.Encode([]rune(c.Data))); n > 4096 {
			t.Errorf("a message of %d characters", n)
		}
	}
	if n := len(s.summary); n > 900<<10 {
		t.Errorf("a summary of %d bytes", n)
	}
	total := 0
	for _, v := range s.outputs {
		total += 2 * len(utf16.Encode([]rune(v)))
	}
	if total > 1<<20 {
		t.Errorf("outputs of %d bytes", total)
	}
	var list []map[string]any
	if err := json.Unmarshal([]byte(s.outputs["images"]), &list); err != nil || len(list) == 0 {
		t.Fatal(err)
	}
	omitted, ok := list[len(list)-1]["omitted"].(float64)
	if !ok || int(omitted)+len(list)-1 != 1000 {
		t.Errorf("%d images listed, %v left out", len(list)-1, omitted)
	}
	if got := s.titles("warning"); len(got) != 1 || !strings.Contains(s.log, "output images leaves out") {
		t.Errorf("nothing says that images were left out: %q", got)
	}
}
