package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/e2e/internal/stage"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// What passed reaches the steps and the jobs that come after it, in the way
// that docs/action.md shows.
func TestPassed(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	reg := r.registry(registrytest.Options{})
	legacy, bundle := r.push(reg, "team/legacy", stage.Legacy), r.push(reg, "team/bundle", stage.Bundle)
	got := r.run("push", `
on: push
jobs:
  gate:
    runs-on: ubuntu-latest
    outputs:
      passed: ${{ steps.gate.outputs.passed }}
      verdict: ${{ steps.gate.outputs.verdict }}
      images: ${{ steps.gate.outputs.images }}
      pinned: ${{ steps.gate.outputs.pinned }}
      report: ${{ steps.gate.outputs.report }}
    steps:
      - uses: actions/checkout@v5
      - uses: boltseal/boltseal@v1
        id: gate
        with:
          images: |
            # what the Dockerfile is built from
            REGISTRY/team/legacy:v1

            REGISTRY/team/bundle:v1
          certificate-identity: IDENTITY
          certificate-oidc-issuer: ISSUER
          trusted-root: TRUSTED_ROOT
          download-base: MIRROR
      - env:
          PASSED: ${{ steps.gate.outputs.passed }}
          VERDICT: ${{ steps.gate.outputs.verdict }}
          IMAGES: ${{ steps.gate.outputs.images }}
          PINNED: ${{ steps.gate.outputs.pinned }}
          REPORT: ${{ steps.gate.outputs.report }}
          POLICY: ${{ steps.gate.outputs.source-policy }}
          CONTEXTS: ${{ steps.gate.outputs.build-contexts }}
        run: |
          printf '%s\n' "$PASSED" "$VERDICT" "$PINNED" >"$KEEP/outputs"
          printf '%s\n' "$CONTEXTS" >"$KEEP/contexts"
          [[ $POLICY = /* && $EXPERIMENTAL_BUILDKIT_SOURCE_POLICY = "$POLICY" ]]
          cp "$EXPERIMENTAL_BUILDKIT_SOURCE_POLICY" "$KEEP/policy.json"
          printf '%s' "$IMAGES" >"$KEEP/images.json"
          cp "$REPORT" "$KEEP/report.json"
  build:
    needs: gate
    if: needs.gate.outputs.passed == 'true'
    runs-on: ubuntu-latest
    steps:
      - env:
          NEEDS: ${{ toJSON(needs) }}
        run: printf '%s' "$NEEDS" >"$KEEP/needs.json"
  never:
    needs: gate
    if: needs.gate.outputs.passed != 'true'
    runs-on: ubuntu-latest
    steps:
      - run: touch "$KEEP/never"
`)
	if !got.ok || got.code("gate") != 0 || exists(r.kept("never")) {
		t.Fatalf("passed: %v, exit code %d, the other job ran: %v\n%s", got.ok, got.code("gate"), exists(r.kept("never")), got.log)
	}
	got.asked(r, 1)
	got.says("gate", "error", 0)
	got.says("gate", "warning", 0)
	if n := len(got.declared("gate")); n != outputs {
		t.Errorf("action.yml declares %d outputs", n)
	}
	pinned := legacy + "\n" + bundle
	if text := r.read("outputs"); text != "true\nverified\n"+pinned+"\n" {
		t.Errorf("outputs in the next step: %q", text)
	}
	var contexts string
	for _, image := range []string{bundle, legacy} { // by name
		name, digest, _ := strings.Cut(image, "@")
		contexts += name + ":v1=docker-image://" + name + ":v1@" + digest + "\n"
		if policy := r.read("policy.json"); !strings.Contains(policy, name+":v1@"+digest) || !strings.Contains(policy, `"DENY"`) {
			t.Errorf("the next step builds by %s", policy)
		}
	}
	if text := r.read("contexts"); text != contexts {
		t.Errorf("build contexts in the next step: %q, want %q", text, contexts)
	}

	var doc document
	check(t, json.Unmarshal([]byte(r.read("report.json")), &doc))
	var images []struct {
		Reference, Pinned, Reason, Signer, Issuer string
		Passed                                    bool
	}
	check(t, json.Unmarshal([]byte(r.read("images.json")), &images))
	if !doc.Passed || len(doc.Images) != 2 || len(images) != 2 {
		t.Fatalf("report %+v, images %+v", doc, images)
	}
	for i, want := range []string{legacy, bundle} {
		if d := doc.Images[i]; d.Pinned != want || d.Reason != "verified" {
			t.Errorf("image %d in the report: %+v", i, d)
		}
		if o := images[i]; o.Pinned != want || !o.Passed || o.Reason != "verified" || o.Signer != stage.Identity || o.Issuer != stage.Issuer {
			t.Errorf("image %d in the output: %+v", i, o)
		}
		_, digest, _ := strings.Cut(want, "@sha256:")
		if summary := got.summary("gate"); !strings.Contains(summary, "PASSED") || !strings.Contains(summary, digest[:12]) {
			t.Errorf("the summary lacks PASSED or %s:\n%s", digest[:12], summary)
		}
	}

	var needs struct {
		Gate struct {
			Result  string
			Outputs map[string]string
		}
	}
	check(t, json.Unmarshal([]byte(r.read("needs.json")), &needs))
	out := needs.Gate.Outputs
	if needs.Gate.Result != "success" || out["passed"] != "true" || out["verdict"] != "verified" || out["pinned"] != pinned ||
		out["images"] != r.read("images.json") || filepath.Base(out["report"]) != "report.json" {
		t.Errorf("the next job has %+v", needs.Gate)
	}
}

// A gate that does not open ends the job, and every output says no; a step
// with if: always() can read them.
func TestClosed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		images  string
		inputs  []string
		code    int
		verdict string
		level   string   // of the annotations,
		notes   int      // how many,
		words   []string // and what the first says
		summary string
		checked int // images in the report; 0: there is none
	}{
		{
			name: "unsigned", images: "|\n      REGISTRY/team/signed:v1\n      REGISTRY/team/unsigned:v1",
			code: 1, verdict: "unsigned", level: "error", notes: 2, words: []string{"gate closed", "team/unsigned:v1"}, summary: "BLOCKED", checked: 2,
		},
		{
			name: "stranger", images: "REGISTRY/team/stranger:v1",
			code: 1, verdict: "wrong-signer", level: "error", notes: 2, words: []string{"gate closed", "team/stranger:v1"}, summary: "BLOCKED", checked: 1,
		},
		{
			name: "no answer", images: "REGISTRY/team/down:v1",
			code: 3, verdict: "unavailable", level: "error", notes: 2, words: []string{"gate closed", "team/down:v1"}, summary: "NO ANSWER", checked: 1,
		},
		{
			name: "warn", images: "REGISTRY/team/unsigned:v1", inputs: []string{"mode: warn"},
			code: 0, verdict: "unsigned", level: "warning", notes: 3, words: []string{"gate closed", "team/unsigned:v1"}, summary: "WARNING (not enforced)", checked: 1,
		},
		// A misspelt name is refused, too, but cannot be tested here: GitHub's
		// runner warns and passes it on, act leaves it out.
		{
			name: "bad input", images: "REGISTRY/team/signed:v1", inputs: []string{"jobs: many"},
			code: 2, verdict: "undecided", level: "error", notes: 1, words: []string{"boltseal: input jobs: ", `"many" cannot be read`}, summary: "NOT RUN",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t)
			reg := r.registry(registrytest.Options{})
			r.push(reg, "team/signed", stage.Legacy)
			r.push(reg, "team/unsigned", stage.Unsigned)
			r.push(reg, "team/stranger", stage.Bundle, strings.Replace(stage.Identity, "acme", "acme-evil", 1))
			reg.Break(registrytest.Fault{Path: "/v2/team/down/", Status: 503})
			workflow := strings.Replace(job(gate("gate", tc.images, tc.inputs...), goOn, keep), "    runs-on: ubuntu-latest\n", `    runs-on: ubuntu-latest
    outputs:
      passed: ${{ steps.gate.outputs.passed }}
      pinned: ${{ steps.gate.outputs.pinned }}
`, 1) + `
  next:
    needs: build
    if: always()
    runs-on: ubuntu-latest
    steps:
      - env:
          BUILD: ${{ toJSON(needs.build) }}
        run: printf '%s' "$BUILD" >"$KEEP/build.json"
`
			got := r.run("push", workflow)
			passes := tc.code == 0
			got.ends(passes, passes)
			var build struct {
				Result  string
				Outputs map[string]string
			}
			check(t, json.Unmarshal([]byte(r.read("build.json")), &build))
			if (build.Result == "success") != passes || build.Outputs["passed"] != "false" || build.Outputs["pinned"] != "" {
				t.Errorf("the next job has %+v", build)
			}
			got.want("gate", tc.code, "false", tc.verdict, "")
			got.says("gate", tc.level, tc.notes, tc.words...)
			got.harmless("gate")
			got.asked(r, 1)
			if !strings.HasPrefix(got.summary("gate"), "### Image signature gate: "+tc.summary) {
				t.Errorf("the summary does not begin with %q:\n%s", tc.summary, got.summary("gate"))
			}
			if tc.checked == 0 {
				if path := got.steps["gate"].Outputs["report"]; path != "" {
					t.Errorf("report %s", path)
				}
				if n := len(reg.Requests()); n > 0 {
					t.Errorf("%d requests", n)
				}
				return
			}
			if doc := got.report("gate"); doc.Passed || len(doc.Images) != tc.checked || doc.Images[tc.checked-1].Reason != tc.verdict {
				t.Errorf("report %+v", doc)
			}
		})
	}
}

// With continue-on-error the job goes on, and knows.
func TestContinueOnError(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	r.push(r.registry(registrytest.Options{}), "team/unsigned", stage.Unsigned)
	got := r.run("push", job(
		gate("gate", "REGISTRY/team/unsigned:v1")+"  continue-on-error: true\n",
		"- if: steps.gate.outcome == 'failure' && steps.gate.outputs.passed != 'true'\n  run: touch \"$KEEP/known\"\n",
		"- run: cp \"$EXPERIMENTAL_BUILDKIT_SOURCE_POLICY\" \"$KEEP/policy.json\"\n",
		goOn, keep))
	got.ends(true, true)
	got.want("gate", 1, "false", "unsigned", "")
	if policy := r.read("policy.json"); !strings.Contains(policy, `"DENY"`) || strings.Contains(policy, "docker-image://") {
		t.Errorf("the next step builds by %s", policy)
	}
	if s := got.steps["gate"]; s.Conclusion != "success" || !exists(r.kept("known")) {
		t.Errorf("conclusion %s, known to the next step: %v", s.Conclusion, exists(r.kept("known")))
	}
}

// Images come as text to the program, never to a shell.
func TestHostileImages(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	r.push(r.registry(registrytest.Options{}), "team/signed", stage.Legacy)
	lines := []string{
		"; touch $KEEP/pwned",
		"$(touch $KEEP/pwned)",
		"`touch $KEEP/pwned`",
		`"; touch $KEEP/pwned; "`,
		"'; touch $KEEP/pwned; '",
		"x | touch $KEEP/pwned",
		"EOF; touch $KEEP/pwned",
		"${{ github.event_name }}$(touch $KEEP/pwned)", // the runner expands it, and what it gives is text
		"--mode=warn",
	}
	var steps []string
	for i, line := range lines {
		steps = append(steps, gate(fmt.Sprintf("gate%d", i), "|\n      REGISTRY/team/signed:v1\n      "+line, "binary: BINARY")+"  continue-on-error: true\n")
	}
	got := r.run("push", job(append(steps, goOn, keep)...))
	got.ends(true, true)
	for i, line := range lines {
		id := fmt.Sprintf("gate%d", i)
		got.want(id, 2, "false", "undecided", "")
		line = strings.ReplaceAll(line, "${{ github.event_name }}", "push")
		got.says(id, "error", 1, "boltseal: input images: ", strings.ReplaceAll(line, `"`, `\"`))
	}
	if exists(r.kept("pwned")) {
		t.Error("a line was run")
	}
}

// What registries and signers write sets no output.
func TestHostileRegistry(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	reg := r.registry(registrytest.Options{})
	const evil = "x\n::set-output name=passed::true\n::set-output name=evil::true\n##[set-output name=evil]true\r::add-path::evil\n::stop-commands::x"
	r.push(reg, "team/signer", stage.Legacy, evil)
	r.push(reg, "team/signer2", stage.Bundle, evil)
	reg.Break(registrytest.Fault{Path: "/v2/team/text/", Status: 418, Detail: evil})
	body, err := json.Marshal(map[string]any{"errors": []map[string]string{{"code": evil, "message": evil, "detail": evil}}})
	check(t, err)
	reg.Break(registrytest.Fault{Path: "/v2/team/json/", Status: 403, Detail: string(body)})
	got := r.run("push", job(
		gate("signer", "|\n      REGISTRY/team/signer:v1\n      REGISTRY/team/signer2:v1")+"  continue-on-error: true\n",
		gate("registry", "|\n      REGISTRY/team/text:v1\n      REGISTRY/team/json:v1")+"  continue-on-error: true\n",
		goOn, keep))
	got.ends(true, true)
	got.want("signer", 1, "false", "wrong-signer", "")
	got.want("registry", 3, "false", "unavailable", "")
	for _, id := range []string{"signer", "registry"} {
		got.says(id, "error", 3, "gate closed")
		if strings.Contains(got.steps[id].Outputs["images"], `"passed":true`) {
			t.Errorf("%s: images %s", id, got.steps[id].Outputs["images"])
		}
	}
	got.harmless("signer", "registry")
	// The texts are shown, so there was something to obey.
	if !strings.Contains(got.log, "set-output name=evil") {
		t.Errorf("nothing hostile was written:\n%s", got.log)
	}
}

// script returns a program that leaves a file, to be found where it was run.
func script(r *runner) string { return "#!/bin/sh\ntouch '" + r.path("ran") + "'\n" }

// notRun checks that script was not.
func (r *runner) notRun() {
	r.t.Helper()
	if exists(r.path("ran")) {
		r.t.Error("the wrong program was run")
	}
}

// inToolCache returns the files in the tool cache.
func (r *runner) inToolCache() []string {
	r.t.Helper()
	var files []string
	err := filepath.WalkDir(r.toolCache(), func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, name)
		}
		return err
	})
	check(r.t, err)
	return files
}

// refused checks that the step ended before the program ran, because of the
// bytes at the mirror.
func (got ran) refused(r *runner) {
	got.t.Helper()
	got.ends(false, false)
	got.want("gate", 2, "false", "undecided", "")
	got.says("gate", "error", 1, "boltseal install: check "+r.release.Name, "its sha256 is ", ", pinned is ")
	summary := got.summary("gate")
	if out := got.steps["gate"].Outputs; out["images"] != "[]" || out["report"] != "" || !strings.HasPrefix(summary, "### Image signature gate: NOT RUN, ") || !strings.Contains(summary, "its sha256 is ") {
		got.t.Errorf("outputs %q, summary %q", out, summary)
	}
	if files := r.inToolCache(); len(files) > 0 {
		got.t.Errorf("left in the tool cache: %q", files)
	}
	r.notRun()
}

// A mirror with another program than the Action pins gets nothing run.
func TestTamperedDownload(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	r.push(r.registry(registrytest.Options{}), "team/signed", stage.Legacy)
	r.mirror.Serve([]byte(script(r)))
	got := r.run("push", job(gate("gate", "REGISTRY/team/signed:v1"), goOn, keep))
	got.refused(r)
	got.asked(r, 1)
}

// The tool cache, which any job of the runner may write, saves the download
// and is believed only for its checksum.
func TestToolCache(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	pinned := r.push(r.registry(registrytest.Options{}), "team/signed", stage.Legacy)
	cached := r.release.Cached(r.toolCache())
	run := func() ran { return r.run("push", job(gate("gate", "REGISTRY/team/signed:v1"), goOn, keep)) }
	passes := func(got ran, downloads, warnings int) {
		t.Helper()
		got.ends(true, true)
		got.want("gate", 0, "true", "verified", pinned)
		got.asked(r, downloads)
		got.says("gate", "error", 0)
		got.says("gate", "warning", warnings)
		if files := r.inToolCache(); len(files) != 1 || files[0] != cached {
			t.Errorf("the tool cache has %q, want %s", files, cached)
		}
		r.notRun()
	}
	passes(run(), 1, 0)
	passes(run(), 0, 0)

	check(t, os.WriteFile(cached, []byte(script(r)), 0o700))
	got := run()
	passes(got, 1, 1)
	got.says("gate", "warning", 1, "boltseal tool cache: ", cached, "thrown away")
	passes(run(), 0, 0)

	check(t, os.WriteFile(cached, []byte(script(r)), 0o700))
	r.mirror.Serve([]byte(script(r)))
	got = run()
	got.refused(r)
	got.asked(r, 1)
}

// The input binary is run as it is, and nothing is downloaded.
func TestBinary(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	pinned := r.push(r.registry(registrytest.Options{}), "team/signed", stage.Legacy)
	got := r.run("push", job(gate("gate", "REGISTRY/team/signed:v1", "binary: BINARY"), goOn, keep))
	got.ends(true, true)
	got.want("gate", 0, "true", "verified", pinned)
	got.asked(r, 0)
	if exists(r.release.Cached(r.toolCache())) {
		t.Error("it was put in the tool cache")
	}
}

// A program of the name that a step before has put in PATH is not run.
func TestPath(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	pinned := r.push(r.registry(registrytest.Options{}), "team/signed", stage.Legacy)
	planted := r.path("planted")
	for _, name := range []string{"boltseal", r.release.Name} {
		write(t, filepath.Join(planted, name), script(r), 0o700)
	}
	got := r.run("push", job(
		"- run: echo '"+planted+"' >>\"$GITHUB_PATH\"\n",
		"- run: command -v boltseal >\"$KEEP/found\"\n",
		gate("gate", "REGISTRY/team/signed:v1"), goOn, keep))
	got.ends(true, true)
	got.want("gate", 0, "true", "verified", pinned)
	got.asked(r, 1)
	r.notRun()
	if found := strings.TrimSpace(r.read("found")); found != filepath.Join(planted, "boltseal") {
		t.Errorf("PATH leads to %s", found)
	}
}

// Steps of one job have outputs, reports and parts of the summary of their own.
func TestTwice(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	reg := r.registry(registrytest.Options{})
	pinned := r.push(reg, "team/signed", stage.Legacy)
	r.push(reg, "team/unsigned", stage.Unsigned)
	const goesOn = "  continue-on-error: true\n"
	got := r.run("push", job(
		gate("first", "REGISTRY/team/signed:v1"),
		gate("second", "REGISTRY/team/unsigned:v1")+goesOn,
		gate("third", "REGISTRY/team/signed:v1"), goOn, keep))
	got.ends(true, true)
	got.asked(r, 1)
	reports := map[string]bool{}
	for id, passed := range map[string]bool{"first": true, "second": false, "third": true} {
		if passed {
			got.want(id, 0, "true", "verified", pinned)
		} else {
			got.want(id, 1, "false", "unsigned", "")
		}
		reports[got.steps[id].Outputs["report"]] = true
		if summary := got.summary(id); strings.Contains(summary, "PASSED") != passed {
			t.Errorf("%s: summary\n%s", id, summary)
		}
		if doc := got.report(id); doc.Passed != passed || len(doc.Images) != 1 {
			t.Errorf("%s: report %+v", id, doc)
		}
	}
	if len(reports) != 3 {
		t.Errorf("reports %v", reports)
	}
}

// On pull_request_target the step takes no secrets and reads none; on
// pull_request it needs none.
func TestPullRequest(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	reg := r.registry(registrytest.Options{})
	pinned := r.push(reg, "team/signed", stage.Legacy)
	login := fmt.Sprintf(`{"auths":{%q:{"username":"me","password":"of-docker-login"}}}`, reg.Host())
	write(t, filepath.Join(r.home(), ".docker", "config.json"), login, 0o600)
	plain := job(gate("gate", "REGISTRY/team/signed:v1"), goOn, keep)
	secret := job(gate("gate", "REGISTRY/team/signed:v1", "registry-username: me", "registry-password: ${{ secrets.PASSWORD }}"), goOn, keep)
	authorized := func() int {
		n := 0
		for _, req := range reg.Requests() {
			if req.Authorization != "" {
				n++
			}
		}
		reg.Reset(0)
		return n
	}

	got := r.run("pull_request_target", secret, "--secret", "PASSWORD=of-a-secret")
	got.ends(false, false)
	got.want("gate", 2, "false", "undecided", "")
	got.says("gate", "error", 1, "boltseal: input registry-password: ", "reads no secrets on pull_request_target", "use the pull_request event")
	if n := len(reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}

	got = r.run("pull_request_target", plain)
	got.ends(true, true)
	got.want("gate", 0, "true", "verified", pinned)
	got.says("gate", "warning", 1, "no credentials are read")
	if n := authorized(); n != 0 {
		t.Errorf("%d requests with credentials", n)
	}

	// A pull request from a fork sees no secret, and the input is empty then.
	got = r.run("pull_request", strings.Replace(secret, "registry-username: me", "registry-username: ''", 1))
	got.ends(true, true)
	got.want("gate", 0, "true", "verified", pinned)
	if authorized() == 0 {
		t.Error("docker login's credentials are not used on pull_request, so that they were not on pull_request_target says nothing")
	}
}

// A password is in no text that leaves the step, whoever keeps it.
func TestSecrets(t *testing.T) {
	t.Parallel()
	const password = "s3cr3t-passw0rd"
	const encoded = "bWU6czNjcjN0LXBhc3N3MHJk" // me:s3cr3t-passw0rd, as it is sent
	for _, tc := range []struct {
		name, password string
		passed         bool
	}{
		{"accepted", password, true},
		{"refused", "another", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t)
			reg := r.registry(registrytest.Options{User: "me", Password: tc.password})
			r.push(reg, "team/signed", stage.Legacy)
			workflow := job(gate("gate", "REGISTRY/team/signed:v1", "registry-username: me", "registry-password: ${{ secrets.PASSWORD }}"), goOn, keep)
			// With --insecure-secrets act itself hides nothing. Its JSON would
			// show what it is told to mask.
			got := r.start("push", workflow, "--secret", "PASSWORD="+password, "--insecure-secrets")
			got.ends(tc.passed, tc.passed)
			out := got.steps["gate"].Outputs
			if out["passed"] != fmt.Sprint(tc.passed) || (out["verdict"] == "denied") == tc.passed {
				t.Errorf("outputs %q", out)
			}
			sent := 0
			for _, req := range reg.Requests() {
				if req.Authorization == "Basic "+encoded {
					sent++
				}
			}
			if sent == 0 {
				t.Error("the password was not sent, so that it is not shown says nothing")
			}
			texts := map[string]string{"act's output": got.log}
			check(t, filepath.WalkDir(got.keep, func(name string, d os.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				body, err := os.ReadFile(name) //nolint:gosec // what the job left
				texts[filepath.Base(name)] = string(body)
				return err
			}))
			const mask = "::add-mask::" + password + "\n"
			if n := strings.Count(texts["gate.log"], mask); n != 1 {
				t.Errorf("the runner was told %d times to mask the password", n)
			}
			texts["gate.log"] = strings.ReplaceAll(texts["gate.log"], mask, "")
			for _, where := range []string{"gate.log", "steps.json", "report.json"} {
				if texts[where] == "" {
					t.Errorf("there is no %s", where)
				}
			}
			if !strings.Contains(got.log, "### Image signature gate: ") {
				t.Errorf("act shows no summary:\n%s", got.log)
			}
			for where, text := range texts {
				if strings.Contains(text, password) || strings.Contains(text, encoded) {
					t.Errorf("the password is in %s:\n%s", where, text)
				}
			}
		})
	}
}

// Paths are one word, whatever is in them.
func TestSpaces(t *testing.T) {
	t.Parallel()
	r := newRunnerIn(t, filepath.Join(t.TempDir(), "my home's $HOME, 100% (x86)"))
	pinned := r.push(r.registry(registrytest.Options{}), "team/signed", stage.Legacy)
	tools, temp := r.path("tool cache"), r.path("runner's temp")
	check(t, os.MkdirAll(temp, 0o750))
	root, binary := r.path("trusted root.json"), r.path("my boltseal")
	body, err := os.ReadFile(r.sig.TrustedRoot)
	check(t, err)
	write(t, root, string(body), 0o600)
	write(t, binary, string(r.release.Program), 0o700)
	r.words = append([]string{"TRUSTED_ROOT", root, "BINARY", binary}, r.words...)
	// GitHub's runner does not let a workflow say where they are; act does, and
	// cannot itself be told.
	env := fmt.Sprintf("    RUNNER_TOOL_CACHE: %q\n    RUNNER_TEMP: %q\n", tools, temp)
	workflow := job(gate("gate", "REGISTRY/team/signed:v1")+env, gate("own", "REGISTRY/team/signed:v1", "binary: BINARY")+env, goOn, keep)
	for _, downloads := range []int{1, 0} {
		got := r.run("push", workflow)
		got.ends(true, true)
		got.asked(r, downloads)
		for _, id := range []string{"gate", "own"} {
			got.want(id, 0, "true", "verified", pinned)
			report := got.steps[id].Outputs["report"]
			if !strings.HasPrefix(report, temp) || !exists(report) {
				t.Errorf("%s: report %s", id, report)
			}
		}
		if kept := r.release.Cached(tools); !exists(kept) {
			t.Errorf("%s is not there", kept)
		}
	}
}

// The step finds the files of the workspace, which the job checked out, wherever
// the runner runs the Action; the annotations are at their lines.
func TestFiles(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	reg := r.registry(registrytest.Options{})
	base := r.push(reg, "team/base", stage.Legacy)
	r.push(reg, "team/unsigned", stage.Unsigned)
	got := r.run("push", `
on: push
jobs:
  gate:
    runs-on: ubuntu-latest
    steps:
      - run: |
          printf 'ARG TAG\nFROM REGISTRY/team/base:${TAG}\nFROM REGISTRY/team/unsigned:v1 AS debug\nFROM REGISTRY/team/base:${TAG}\n' >Dockerfile
      - uses: boltseal/boltseal@v1
        id: files
        env: {ID: files}
        with:
          files: Dockerfile
          build-args: TAG=v1
          certificate-identity: IDENTITY
          certificate-oidc-issuer: ISSUER
          trusted-root: TRUSTED_ROOT
          download-base: MIRROR
      - env:
          PINNED: ${{ steps.files.outputs.pinned }}
        run: printf '%s\n' "$PINNED" >"$KEEP/pinned"
      - uses: boltseal/boltseal@v1
        id: workspace
        env: {ID: workspace}
        with:
          all-stages: true
          build-args: TAG=v1
          certificate-identity: IDENTITY
          certificate-oidc-issuer: ISSUER
          trusted-root: TRUSTED_ROOT
          download-base: MIRROR
`)
	if got.ok || got.code("files") != 0 || got.code("workspace") != 1 {
		t.Fatalf("passed: %v, exit codes %d and %d\n%s", got.ok, got.code("files"), got.code("workspace"), got.log)
	}
	if text := r.read("pinned"); text != base+"\n" {
		t.Errorf("pinned %q, want %q", text, base)
	}
	got.says("files", "error", 0)
	got.says("workspace", "error", 2, "(Dockerfile:3)", "unsigned")
	for _, c := range got.commands("workspace") {
		if p := c.Properties; c.Name == "error" && p["file"] != "" && (p["file"] != "Dockerfile" || p["line"] != "3" || p["col"] != "6") {
			t.Errorf("annotation at %v", p)
		}
	}
}
