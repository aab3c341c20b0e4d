package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/boltseal/boltseal/action"
	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/runnertest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// job returns one with the permission id-token: write.
func (w *signWorld) job() *job {
	w.t.Helper()
	j := newJob(w.t)
	maps.Copy(j.vars, w.env)
	j.workspace, j.now = w.dir, w.time
	return j
}

// signInputs are those of a step that signs images, as the runner gives all of
// them, changed by change.
func (w *signWorld) signInputs(images string, change ...func(map[string]string)) map[string]string {
	in := map[string]string{
		"sign": images, "trusted-root": w.root, "signing-config": w.config,
		"mode": "enforce", "jobs": "16", "timeout": "3m0s", "sigstore": "public-good", "signature-on": "image", "require-signature": "false",
		"handover": "env", "images": "", "require-gate": "auto", "scan-report": "off", "tlog-upload": "true", "recursive": "false", "fail-on": "high", "oidc-client-id": "sigstore",
	}
	for _, c := range change {
		c(in)
	}
	return in
}

// A signedOutput is an element of output signed.
type signedOutput struct {
	Reference, Digest, Format, Storage, Identity, Issuer, Bundle string
	PredicateType                                                string `json:"predicate_type"`
	LogIndex                                                     *int64 `json:"log_index"`
	Existed                                                      bool
}

// wantSign checks what a step that signs says in every way it has, and returns
// what it has signed.
func (s stepResult) wantSign(t *testing.T, code, signed int) []signedOutput {
	t.Helper()
	s.want(t, code, "false", "undecided")
	for name, no := range map[string]string{"images": "[]", "pinned": "", "source-policy": "", "report": "", "sarif": "", "junit": ""} {
		if s.outputs[name] != no {
			t.Errorf("output %s is %q", name, s.outputs[name])
		}
	}
	if len(s.env) != 0 {
		t.Errorf("variables %q", s.env)
	}
	var list []signedOutput
	if err := json.Unmarshal([]byte(s.outputs["signed"]), &list); err != nil || len(list) != signed {
		t.Errorf("output signed (%v): %s\n%s", err, s.outputs["signed"], s.log)
	}
	if (code == 0) == (len(s.titles("error")) > 0) {
		t.Errorf("exit %d with the errors %q", code, s.titles("error"))
	}
	return list
}

func TestActionSign(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	w.file("sbom.json", []byte(spdx))
	a, b := w.at("team/a"), w.at("team/b")
	j := w.job()
	s := j.run(w.signInputs("\n# both\n"+a+"\n  "+b+"\n", with("annotations", "run=1\nby=acme"), with("attest", "spdx=sbom.json"), with("format", "bundle\nlegacy")))
	list := s.wantSign(t, 0, 6)
	for _, x := range list {
		if x.Reference != a && x.Reference != b || !strings.HasSuffix(x.Reference, x.Digest) || x.Identity != identity || x.Issuer != issuer || x.LogIndex == nil || x.Existed {
			t.Errorf("%+v", x)
		}
		dir := filepath.Dir(x.Bundle)
		if body, err := os.ReadFile(x.Bundle); x.Format == "bundle" && (err != nil || !json.Valid(body) || filepath.Dir(dir) != j.dir || !strings.HasPrefix(filepath.Base(dir), "signed-by-boltseal-")) {
			t.Errorf("bundle %s (%v)", x.Bundle, err)
		}
	}
	if !strings.HasPrefix(s.summary, "### Image signing: SIGNED — 2 images\n") || !strings.Contains(s.summary, "<pre>cosign verify ") || len(s.titles("notice"))+len(s.titles("warning")) != 0 {
		t.Errorf("notices %q, summary\n%s", s.titles("notice"), s.summary)
	}
	for _, x := range w.job().run(w.signInputs(a, with("format", "legacy"), with("annotations", "run=1\nby=acme"))).wantSign(t, 0, 1) {
		if !x.Existed {
			t.Errorf("%+v", x)
		}
	}

	// A tag, by leave.
	s = w.job().run(w.signInputs(w.reg.Host()+"/team/a:v1", with("sign-tags", "true"), with("bundle-dir", "here")))
	if list = s.wantSign(t, 0, 1); len(list) == 1 && list[0].Bundle != filepath.Join(w.dir, "here", filepath.Base(list[0].Bundle)) {
		t.Errorf("%+v", list[0])
	}

	// Some of it.
	s = w.job().run(w.signInputs(a + "\n" + w.reg.Host() + "/team/none@sha256:" + strings.Repeat("a", 64)))
	s.wantSign(t, 1, 1)
	if errs := s.titles("error"); len(errs) != 2 || !strings.Contains(errs[0], "not all signed: 1 of 2 images failed") || !strings.Contains(errs[1], "not-found") || !strings.Contains(s.summary, "FAILED — 1 of 2 images signed") {
		t.Errorf("errors %q, summary\n%s", errs, s.summary)
	}
}

// The step that signs looks at those that verified before, in its job.
func TestActionSignGate(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	w.signLegacy("team/base", w.image("team/base"), by())
	w.image("team/unsigned")
	img := w.at("team/app")
	base, unsigned := w.reg.Host()+"/team/base:v1", w.reg.Host()+"/team/unsigned:v1"
	passed, failed, bad := w.inputs(base, with("scan-report", "off")), w.inputs(unsigned), w.inputs(base, with("jobs", "none"))
	warned := w.inputs(unsigned, with("mode", "warn"))
	elsewhere := w.gate()
	broken := func(j *job) { j.vars["GITHUB_OUTPUT"] = j.dir } // nobody can be told
	full := func(j *job) {                                     // of the end
		if err := os.WriteFile(j.vars["GITHUB_OUTPUT"], []byte("a="+strings.Repeat("x", action.MaxOutputs-2000)+"\n"), 0o600); err != nil {
			j.t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name    string
		before  []map[string]string
		prepare func(*job)
		gate    string
		code    int
		says    string
	}{
		{"no gate", nil, nil, "auto", 0, ""},
		{"a gate that passed", []map[string]string{passed}, nil, "auto", 0, "passed at 2026-03-01T12:00:00Z, 1 image"},
		{"two that passed", []map[string]string{passed, passed}, nil, " true\n", 0, "passed at "},
		{"one that did not", []map[string]string{failed}, nil, "auto", 1, "the run did not pass"},
		{"nothing in it", []map[string]string{passed}, nil, " ", 2, "input require-gate: it is empty: an expression in it may have come to nothing"},
		{"a comment in it", []map[string]string{passed}, nil, "# report", 2, "write auto for the gates of this job, or false"},
		{"one of two", []map[string]string{failed, passed}, nil, "auto", 1, "the run did not pass"},
		{"one that only warned", []map[string]string{warned}, nil, "auto", 1, "mode warn let the job go on, and admitted nothing"},
		{"one of bad input", []map[string]string{bad}, nil, "auto", 1, "did not come to its end"},
		{"what to do about it", []map[string]string{bad}, nil, "auto", 1, "see the log and the summary of the step of this job that verified base images: it did not pass, or did not end"},
		{"one that nobody was told of", []map[string]string{passed}, broken, "auto", 1, "did not come to its end"},
		{"one of whose end nobody was told", []map[string]string{passed}, full, "auto", 1, "did not come to its end"},
		{"one without a report", nil, func(j *job) {
			if err := os.Mkdir(filepath.Join(j.dir, "boltseal-1"), 0o700); err != nil {
				j.t.Fatal(err)
			}
		}, "auto", 2, "report.json: no such file or directory"},
		{"one whose report is a folder", nil, func(j *job) {
			if err := os.MkdirAll(filepath.Join(j.dir, "boltseal-1", "report.json"), 0o700); err != nil {
				j.t.Fatal(err)
			}
		}, "auto", 2, "report.json is no regular file"},
		{"one whose report is a pipe", nil, func(j *job) {
			if runtime.GOOS == "windows" {
				j.t.Skip("no pipes among files")
			}
			if err := os.Mkdir(filepath.Join(j.dir, "boltseal-1"), 0o700); err != nil {
				j.t.Fatal(err)
			}
			mkfifo(j.t, filepath.Join(j.dir, "boltseal-1", "report.json"))
		}, "auto", 2, "report.json is no regular file"},
		{"one behind a link", []map[string]string{failed}, func(j *job) {
			if err := os.Symlink(j.t.TempDir(), filepath.Join(j.dir, "boltseal-1")); err != nil {
				j.t.Skip(err)
			}
		}, "auto", 2, "boltseal-1 is no folder of a step that verified"},
		{"a file of that name", nil, func(j *job) {
			if err := os.WriteFile(filepath.Join(j.dir, "boltseal-1"), nil, 0o600); err != nil {
				j.t.Fatal(err)
			}
		}, "True", 2, "boltseal-1 is no folder of a step that verified"},
		{"nowhere", nil, func(j *job) { delete(j.vars, "RUNNER_TEMP") }, "auto", 2, "RUNNER_TEMP is not set, and nothing says where"},
		{"nowhere, where it does not matter", nil, func(j *job) { delete(j.vars, "RUNNER_TEMP") }, "False", 0, ""},
		{"all, in capitals", []map[string]string{passed}, nil, "TRUE", 0, "passed at "},
		{"another word", []map[string]string{passed}, nil, "yes", 2, `"yes" is none of them, and no file`},
		{"a step that signs is no gate", []map[string]string{w.signInputs(img)}, nil, "auto", 0, ""},
		{"none, where there must be one", nil, nil, "true", 2, "no step of this job has verified anything"},
		{"none is looked at", []map[string]string{failed}, nil, "false", 0, ""},
		{"another job's", []map[string]string{failed}, nil, elsewhere, 0, "passed at "},
		{"others', of which one is not there", nil, nil, elsewhere + "\nnone.json", 2, "none.json"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			j := w.job()
			if tc.prepare != nil {
				tc.prepare(j)
			}
			for _, in := range tc.before {
				j.runOnly(in)
			}
			for variable, name := range map[string]string{"GITHUB_OUTPUT": "output", "GITHUB_ENV": "env", "GITHUB_STEP_SUMMARY": "summary"} { // each step has its own
				j.vars[variable] = filepath.Join(t.TempDir(), name)
				if err := os.WriteFile(j.vars[variable], nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			w.reset()
			s := j.run(w.signInputs(img, with("require-gate", tc.gate)))
			signed := 0
			if tc.code == 0 {
				signed = 1
			}
			s.wantSign(t, tc.code, signed)
			if !strings.Contains(s.log, tc.says) {
				t.Errorf("the log does not say %q:\n%s", tc.says, s.log)
			}
			if services, writes := w.asked(); tc.code != 0 && services+writes+len(w.reg.Requests()) != 0 {
				t.Errorf("%d requests to services, %d writes", services, writes)
			}
		})
	}
}

// runOnly runs a step and reads nothing of what it wrote.
func (j *job) runOnly(inputs map[string]string) {
	j.t.Helper()
	quiet := &job{t: j.t, dir: j.dir, vars: maps.Clone(j.vars), workspace: j.workspace, now: j.now}
	if info, err := os.Stat(quiet.vars["GITHUB_OUTPUT"]); err == nil && info.IsDir() {
		text, err := json.Marshal(inputs)
		if err != nil {
			j.t.Fatal(err)
		}
		quiet.vars["BOLTSEAL_INPUTS"] = string(text)
		quiet.blind()
		return
	}
	quiet.run(inputs)
}

// What a gate says of itself before it says passed is not that it has.
func TestActionGateUnfinished(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	w.signLegacy("team/base", w.image("team/base"), by())
	j := w.job()
	var seen atomic.Int32 // requests come at the same time
	w.reg.Break(registrytest.Fault{Path: "/v2/", Body: func(b []byte) []byte {
		files, err := filepath.Glob(filepath.Join(j.dir, "boltseal-*", "report.json"))
		if err == nil && len(files) == 1 {
			if info, err := os.Stat(files[0]); err == nil && info.Size() == 0 && info.Mode().Perm() == 0o600 {
				seen.Add(1)
			}
		}
		return b
	}})
	s := j.run(w.inputs(w.reg.Host() + "/team/base:v1"))
	s.want(t, 0, "true", "verified")
	if info, err := os.Stat(s.outputs["report"]); err != nil || info.Size() == 0 || seen.Load() == 0 {
		t.Errorf("seen %d times, then %v", seen.Load(), err)
	}
}

func TestActionSignBadInput(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	img := w.at("team/app")
	tag := w.reg.Host() + "/team/app:v1"
	locked, _ := w.private("locked", "open sesame")
	fork := w.file("event.json", []byte(`{"pull_request": {"head": {"repo": {"full_name": "evil/app"}}, "base": {"repo": {"full_name": "acme/app"}}}}`))
	in := func(change ...func(map[string]string)) map[string]string { return w.signInputs(img, change...) }
	gate := func(change ...func(map[string]string)) map[string]string { return w.inputs(tag, change...) }
	for _, tc := range []struct {
		name   string
		inputs map[string]string
		vars   map[string]string
		title  string
		says   []string
	}{
		{"a tag", w.signInputs(tag), nil, "boltseal: input sign", []string{"names a tag, and somebody may have moved it since the push", "${{ steps.build.outputs.digest }}", "sign-tags: true"}},
		{"an expression that came to nothing", w.signInputs(w.reg.Host() + "/team/app@"), nil, "boltseal: input sign", []string{"has no digest behind its @", "next: see what the expression behind @ gives: a step with that id must have run before in this job"}},
		{"true", w.signInputs("true"), nil, "boltseal: input sign", []string{`"true" is no image, and this input has the images to sign`, "next: write the image that was pushed, such as ghcr.io/acme/app@${{ steps.build.outputs.digest }}"}},
		{"both formats on one line", in(with("format", "bundle,legacy")), nil, "boltseal: input format", []string{"neither bundle nor legacy", "in the Action give each a line"}},
		{"input of cosign-installer", in(with("cosign-release", "v3.1.3")), nil, "boltseal: input cosign-release", []string{"there is no such input", "next: leave it out: nothing has to be installed before"}},
		{"flag of cosign", in(with("yes", "true")), nil, "boltseal: input yes", []string{"there is no such input", "next: leave it out: nothing is asked"}},
		{"input of Notation's Action", in(with("signature_format", "cose")), nil, "boltseal: input signature_format", []string{"there is no such input", "next: write format"}},
		{"nothing in it", w.signInputs("\n# all\n"), nil, "boltseal: input sign", []string{"there is nothing to sign"}},
		{"inputs of the gate", in(with("policy", "x"), with("mode", "warn"), with("images", "alpine"), with("handover", "off"), with("certificate-identity", "a")), nil, "boltseal: input images",
			[]string{"takes no images, policy, certificate-identity, handover, mode", "give them to a step without input sign"}},
		{"a switch of the gate", in(with("strict", "TRUE")), nil, "boltseal: input strict", []string{"takes no strict"}},
		{"inputs of signing, at the gate", gate(with("format", "legacy"), with("require-gate", "true"), with("key-password", "open sesame"), with("tlog-upload", "False")), nil, "boltseal: input key-password",
			[]string{"takes no key-password, format, require-gate, tlog-upload", "add input sign"}},
		{"misspelt", in(with("sign-tag", "true")), nil, "boltseal: input sign-tag", []string{"did you mean sign-tags?"}},
		{"two keys", in(with("key", "a.key\nb.key")), nil, "boltseal: input key", []string{"there are several, and one signs"}},
		{"key and token", in(with("key", "a.key"), with("identity-token", "file")), nil, "boltseal: input key", []string{"leave one of key and identity-token out"}},
		{"a key that is not there", in(with("key", "none.key")), nil, "boltseal: input key", []string{"none.key: no such file"}},
		{"nothing at all", w.signInputs(""), nil, "boltseal: input sign", []string{"it names nothing: there is nothing to sign", "an expression in it may have come to nothing"}},
		{"a password without a key", in(with("key-password", "open sesame")), nil, "boltseal: input key", []string{"it is empty, and there is a password for it", "see whether its secret has that name"}},
		{"a key without a password", in(with("key", locked)), nil, "boltseal: input key", []string{"no password is given", "next: set key-password to its password"}},
		{"another password", in(with("key", locked), with("key-password", "wrong")), nil, "boltseal: input key", []string{"next: set key-password to the password that the key was made with"}},
		{"a limit without a scan", in(with("fail-on", "low")), nil, "boltseal: input fail-on", []string{"there is no scan report that it could be about", "add scan-report"}},
		{"an empty scan report", in(with("scan-report", "\n# trivy.json\n")), nil, "boltseal: input scan-report", []string{"it is empty: an expression in it may have come to nothing", "write off where there is none"}},
		{"an empty limit", in(with("scan-report", "trivy.json"), with("fail-on", " ")), nil, "boltseal: input fail-on", []string{"it is empty", "write high, or another severity"}},
		{"a scan report, at the gate", gate(with("scan-report", "trivy.json")), nil, "boltseal: input scan-report", []string{"takes no scan-report"}},
		{"a switch", in(with("recursive", "yes")), nil, "boltseal: input recursive", []string{"neither true nor false"}},
		{"annotation", in(with("annotations", "x")), nil, "boltseal: input annotations", []string{"write KEY=VALUE"}},
		{"no permission", in(), map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": ""}, "boltseal: input identity-token", []string{"the runner gives this job no identity token", "permissions: id-token: write"}},
		{"a fork", in(), map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": "", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": fork}, "boltseal: input identity-token", []string{"from a fork gets no identity token", "sign-if-possible"}},
		{"pull_request_target", in(), map[string]string{"GITHUB_EVENT_NAME": "pull_request_target"}, "boltseal: input sign", []string{"nothing is signed on pull_request_target", "no key and no token was read"}},
		{"pull_request_target, if possible", in(with("sign-if-possible", "true"), with("key", "cosign.key")), map[string]string{"GITHUB_EVENT_NAME": "pull_request_target"}, "boltseal: input sign", []string{"nothing is signed on pull_request_target"}},
		{"password without a user", in(with("registry-username", "ci")), nil, "boltseal: input registry-username", []string{"add registry-password"}},
		{"summary of nothing", in(with("vsa", "true")), nil, "boltseal: input vsa", []string{"add require-gate or scan-report"}},
		{"allow list", in(with("scan-allow", "x.yaml")), nil, "boltseal: input scan-allow", []string{"add scan-report"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if raced && tc.inputs["key"] == locked {
				t.Skip("keys are not encrypted with the race detector")
			}
			w.reset()
			j := w.job()
			maps.Copy(j.vars, tc.vars)
			s := j.run(tc.inputs)
			if _, signs := tc.inputs["sign"]; signs {
				s.wantSign(t, 2, 0)
				if !strings.HasPrefix(s.summary, "### Image signing: NOT RUN — the input is wrong\n") {
					t.Errorf("summary %s", s.summary)
				}
			} else if s.want(t, 2, "false", "undecided"); s.outputs["signed"] != "[]" {
				t.Errorf("signed %s", s.outputs["signed"])
			}
			if errs := s.titles("error"); len(errs) != 1 || errs[0] != tc.title {
				t.Errorf("errors %q, want %q", errs, tc.title)
			}
			for _, want := range tc.says {
				if !strings.Contains(s.log, want) {
					t.Errorf("nothing says %q:\n%s", want, s.log)
				}
			}
			if asked := w.services.Requests() + len(w.reg.Requests()); asked != 0 {
				t.Errorf("%d requests", asked)
			}
		})
	}
}

// In a pull request from a fork the job goes on, where it may, whatever was not
// made there.
func TestActionSignFork(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	img := w.at("team/app")
	event := w.file("event.json", []byte(`{"pull_request": {"head": {"repo": {"full_name": "evil/app"}}, "base": {"repo": {"full_name": "acme/app"}}}}`))
	possible := func(images string, change ...func(map[string]string)) map[string]string {
		return w.signInputs(images, append(change, with("sign-if-possible", "true"))...)
	}
	w.private("cosign", "")
	for _, tc := range []struct {
		name   string
		inputs map[string]string
		vars   map[string]string
		title  string // of the error, "" for none
	}{
		{"all there", possible(img), nil, ""},
		{"no digest", possible(w.reg.Host() + "/team/app@"), nil, ""},
		{"nothing to sign", possible(""), nil, ""},
		{"no scan report", possible(img, with("scan-report", "trivy.json")), nil, ""},
		{"no scan report to name", possible(img, with("scan-report", "")), nil, ""},
		{"no predicate", possible(img, with("attest", "spdx=")), nil, ""},
		{"no password", possible(img, with("registry-username", "ci"), with("registry-password", "")), nil, ""},
		{"no gate where there must be one", possible(img, with("require-gate", "true")), nil, "boltseal: input require-gate"},
		{"not by leave", w.signInputs(img), nil, "boltseal: input identity-token"},
		{"a branch", possible(img), map[string]string{"GITHUB_EVENT_NAME": "push"}, "boltseal: input identity-token"},
		{"a branch without a digest", possible(w.reg.Host() + "/team/app@"), map[string]string{"GITHUB_EVENT_NAME": "push"}, "boltseal: input sign"},
		{"an input that is none", possible(img, with("sign-tag", "true")), nil, "boltseal: input sign-tag"},
		{"inputs of the gate", possible(img, with("policy", "x")), nil, "boltseal: input policy"},
		{"another system", possible(img, with("system", "notation"), with("trusted-root", ""), with("signing-config", "")), nil, "boltseal: input sign-if-possible"},
		{"a key, and no digest", possible(w.reg.Host()+"/team/app@", with("key", "cosign.key")), nil, "boltseal: input sign"},
		{"a token, and no digest", possible(w.reg.Host() + "/team/app@"), map[string]string{"SIGSTORE_ID_TOKEN": "x"}, "boltseal: input sign"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.reset()
			j := w.job()
			maps.Copy(j.vars, map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": "", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": event})
			maps.Copy(j.vars, tc.vars)
			s := j.run(tc.inputs)
			if asked := w.services.Requests() + len(w.reg.Requests()); asked != 0 {
				t.Errorf("%d requests", asked)
			}
			if tc.title != "" {
				s.wantSign(t, 2, 0)
				if errs := s.titles("error"); len(errs) != 1 || errs[0] != tc.title {
					t.Errorf("errors %q, want %q", errs, tc.title)
				}
				return
			}
			s.wantSign(t, 0, 0)
			if got := s.titles("notice"); len(got) != 1 || got[0] != "nothing was signed" || !strings.Contains(s.summary, "SKIPPED") || !strings.Contains(s.log, "a pull request from a fork gets no identity token") {
				t.Errorf("notices %q, summary %s\n%s", got, s.summary, s.log)
			}
		})
	}
}

// The outputs say no before anything is read, and until all is verified.
func TestActionSignOutputsFirst(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	j := w.job()
	var first map[string]string
	w.reg.Break(registrytest.Fault{Path: "/v2/", Body: func(b []byte) []byte {
		body, err := os.ReadFile(j.vars["GITHUB_OUTPUT"])
		if err == nil {
			first, err = runnertest.File(string(body))
		}
		if err != nil || first["signed"] != "[]" || len(first) != 10 {
			t.Errorf("while the registry is asked the outputs are %q (%v)", first, err)
		}
		return b
	}})
	j.run(w.signInputs(w.at("team/app"))).wantSign(t, 0, 1)
	if first == nil {
		t.Error("nobody looked")
	}

	// Where nobody can be told, the step fails.
	for name, change := range map[string]func(*job){
		"outputs": func(j *job) { j.vars["GITHUB_OUTPUT"] = j.dir },
		"folder":  func(j *job) { j.vars["RUNNER_TEMP"] = filepath.Join(j.dir, "none") },
	} {
		w.reset()
		j := w.job()
		change(j)
		text, err := json.Marshal(w.signInputs(w.at("team/app")))
		if err != nil {
			t.Fatal(err)
		}
		j.vars["BOLTSEAL_INPUTS"] = string(text)
		if code, log := j.blind(); code != 3 || !strings.Contains(log, "boltseal%3A write the result") || w.services.Requests() != 0 {
			t.Errorf("%s: exit %d: %s", name, code, log)
		}
	}
}

// blind runs a step whose files cannot be read.
func (j *job) blind() (code int, log string) {
	j.t.Helper()
	var out bytes.Buffer
	noWait := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	c := cli.Command{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, LookupEnv: j.lookup, Sleep: noWait, Dir: j.workspace, Now: j.now}
	code = c.Main(j.t.Context(), []string{"boltseal", "action"})
	return code, out.String()
}
