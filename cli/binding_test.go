package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/runnertest"
)

const policyVariable = "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"

// bound returns the policy that the steps after s build with; "" where there is
// none. Fails unless it is where it should be, and output source-policy names it.
func (s stepResult) bound(t *testing.T, j *job) string {
	t.Helper()
	file := s.env[policyVariable]
	if file == "" {
		if len(s.env) > 0 {
			t.Errorf("the steps that follow get %q", s.env)
		}
		return ""
	}
	info, err := os.Stat(file)
	dir, _ := filepath.Split(file)
	if match, bad := filepath.Match(filepath.Join(j.dir, "boltseal-*"), filepath.Clean(dir)); err != nil || bad != nil || !match || filepath.Base(file) != "boltseal-source-policy.json" || info.Mode() != 0o600 {
		t.Errorf("the policy is %s, %v (%v)", file, info, err)
	}
	if s.outputs["source-policy"] != file || len(s.env) != 1 {
		t.Errorf("output source-policy is %q, the steps that follow get %q", s.outputs["source-policy"], s.env)
	}
	return content(t, file)
}

// However the step ends, the builds that follow are bound to what it verified,
// or get no image; only where that is asked for they are left alone.
func TestActionBinds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	host := w.reg.Host()
	good := w.image("team/good").Digest.String()
	w.signLegacy("team/good", w.image("team/good"), by())
	old := w.image("team/old").Digest.String()
	w.image("team/unsigned")
	w.image("team/down")
	w.reg.Break(registrytest.Fault{Path: "/v2/team/down/", Status: 503})
	img, context := host+"/team/good:v1", host+"/team/good:v1=docker-image://"+host+"/team/good:v1@"+good
	exempt := func(in map[string]string) {
		delete(in, "certificate-identity")
		delete(in, "certificate-oidc-issuer")
		in["policy"] = "version: 1\nrules:\n- {images: ['" + host + "/team/good'], require: [{sigstore: {identities: [{subject: '" + identity + "', issuer: '" + issuer + "'}]}}]}\n" +
			"- {images: ['" + host + "/team/old'], allow-unsigned: {reason: upstream does not sign, require-digest: false}}\n"
	}
	const (
		none   = ""
		closed = "source-policy"
		shut   = "source-policy-strict"
		open   = "open"
	)
	const follow = "buildx builds of the steps that follow "
	for _, tc := range []struct {
		name     string
		inputs   map[string]string
		code     int
		policy   string // what builds are bound by
		has      []string
		contexts string
		says     string // in the log and the summary
		warns    int
	}{
		{"passed", w.inputs(img), 0, open, []string{good, `"^(git|https?|local)://"`}, context, follow + "use 1 image by digest, and no other image (" + policyVariable + "=", 0},
		{"asked for", w.inputs(img, with("handover", "env")), 0, open, []string{good}, context, follow + "use 1 image", 0},
		{"an expression that is empty", w.inputs(img, with("handover", " \n# none\n")), 0, open, []string{good}, context, follow + "use 1 image", 0},
		{"strict", w.inputs(img, with("handover", "env-strict")), 0, open, []string{good, `"^local://"`}, context, follow + "use 1 image by digest, and nothing else but local files (", 0},
		{"off", w.inputs(img, with("handover", "off")), 0, none, nil, context, "", 0},
		{"off, refused", w.inputs(host+"/team/unsigned:v1", with("handover", "off")), 1, none, nil, "", "", 0},
		{"off, bad input", w.inputs(img, with("handover", "off"), with("jobs", "0")), 2, none, nil, "", "", 0},
		{"refused", w.inputs(img + "\n" + host + "/team/unsigned:v1"), 1, closed, nil, "", follow + "are denied every image, since not every image passed (" + policyVariable + "=", 0},
		{"strict, refused", w.inputs(host+"/team/unsigned:v1", with("handover", "env-strict")), 1, shut, nil, "", follow + "are denied every image", 0},
		{"no answer", w.inputs(host + "/team/down:v1"), 3, closed, nil, "", follow + "are denied every image", 0},
		{"no image", w.inputs("", with("exclude", "**")), 1, closed, nil, "", follow + "are denied every image", 1},
		{"no image, which is allowed", w.inputs("", with("exclude", "**"), with("allow-empty", "true")), 0, closed, nil, "", follow + "are denied every image", 1},
		{"warn mode, passed", w.inputs(img, with("mode", "warn")), 0, open, []string{good}, context, follow + "use 1 image", 0},
		{"warn mode, refused", w.inputs(host+"/team/unsigned:v1", with("mode", " warn\n")), 0, none, nil, "", follow + "are not bound: mode is warn, and not every image passed", 3},
		{"exempt", w.inputs(img+"\n"+host+"/team/old:v1", exempt), 0, open, []string{good, old, "exempt, unsigned by its publisher, not verified"}, context + "\n" + host + "/team/old:v1=docker-image://" + host + "/team/old:v1@" + old, follow + "use 2 images (1 exempt, not verified) by digest", 1},
		{"misspelt input", w.inputs(img, with("handovr", "off")), 2, closed, nil, "", follow + "are denied every image, since no image was verified (", 0},
		{"misspelt word", w.inputs(img, with("handover", "of")), 2, closed, nil, "", follow + "are denied every image, since no image was verified (", 0},
		{"two words", w.inputs(img, with("handover", "off\nenv")), 2, closed, nil, "", follow + "are denied every image, since no image was verified (", 0},
		{"off and on, in upper and lower case", w.inputs(img, with("handover", "off"), with("Handover", "env")), 2, closed, nil, "", follow + "are denied every image, since no image was verified (", 0},
		{"off in upper case", w.inputs(img, with("Handover", "off"), with("jobs", "0")), 2, none, nil, "", "", 0},
		{"misspelt mode", w.inputs(img, with("mode", "wran")), 2, closed, nil, "", follow + "are denied every image, since no image was verified (", 0},
		{"warn mode twice", w.inputs(img, with("Mode", "warn"), with("mode", "enforce")), 2, closed, nil, "", follow + "are denied every image, since no image was verified (", 0},
		{"no policy", map[string]string{"images": img, "policy": "none.yaml"}, 2, closed, nil, "", follow + "are denied every image, since no image was verified (", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			j := newJob(t)
			s := j.run(tc.inputs)
			if s.code != tc.code {
				t.Errorf("exit %d, want %d:\n%s", s.code, tc.code, s.log)
			}
			written := s.bound(t, j)
			switch tc.policy {
			case none:
				if written != "" || s.outputs["source-policy"] != "" {
					t.Errorf("builds are bound by %s: %s", s.outputs["source-policy"], written)
				}
			case open:
				for _, part := range append(tc.has, `"action":"DENY"`) {
					if !strings.Contains(written, part) {
						t.Errorf("the policy lacks %s: %s", part, written)
					}
				}
			default:
				if written != closedPolicy(t, tc.policy) {
					t.Errorf("builds are bound by %s", written)
				}
			}
			if tc.contexts == "" && !strings.Contains(tc.says, "mode is warn") {
				tc.contexts = "boltseal-gate-closed" // buildx takes NAME=VALUE only: no build goes back to tags
			}
			if got := s.outputs["build-contexts"]; got != tc.contexts {
				t.Errorf("build-contexts is %q, want %q", got, tc.contexts)
			}
			if !strings.Contains(s.log, "\n"+tc.says) || tc.says == "" && strings.Contains(s.log, follow) {
				t.Errorf("the log lacks %q:\n%s", tc.says, s.log)
			}
			begins, _, _ := strings.Cut(strings.TrimPrefix(tc.says, follow), " (")
			if escaped := strings.NewReplacer(":", "&#58;", ",", "&#44;").Replace(begins); !strings.Contains(s.summary, escaped) {
				t.Errorf("the summary lacks %q:\n%s", escaped, s.summary)
			}
			if got := s.titles("warning"); len(got) != tc.warns {
				t.Errorf("%d warnings, want %d: %q\n%s", len(got), tc.warns, got, s.log)
			}
		})
	}
}

// What cannot be read at all leaves builds without images as well.
func TestActionBindsUnread(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "null", "[]", "{", `{"handover":1}`, `{"handover":["off"]}`, `{"mode":"warn","images":1`} {
		j := newJob(t)
		j.vars["BOLTSEAL_INPUTS"] = text
		s := j.runIn(t.Context())
		s.want(t, 2, "false", "undecided")
		if got := s.bound(t, j); got != closedPolicy(t, "source-policy") {
			t.Errorf("with %q builds are bound by %q", text, got)
		}
	}
}

// Builds are denied every image before anybody is asked, so that a step that is
// killed leaves them so; one that is called off does.
func TestActionBindsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	j := newJob(t)
	text, err := json.Marshal(w.inputs(w.reg.Host() + "/" + repo + ":v1"))
	if err != nil {
		t.Fatal(err)
	}
	j.vars["BOLTSEAL_INPUTS"] = string(text)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	looked := false
	w.reg.Break(registrytest.Fault{Path: "/v2/", Body: func(body []byte) []byte {
		looked = true
		vars, err := runnertest.File(content(t, j.vars["GITHUB_ENV"]))
		outputs, outErr := runnertest.File(content(t, j.vars["GITHUB_OUTPUT"]))
		if err != nil || outErr != nil || vars[policyVariable] == "" || outputs["source-policy"] != vars[policyVariable] || content(t, vars[policyVariable]) != closedPolicy(t, "source-policy") {
			t.Errorf("while it runs: variables %q, outputs %q (%v, %v)", vars, outputs, err, outErr)
		}
		cancel()
		return body
	}})
	s := j.runIn(ctx)
	s.want(t, 3, "false", "undecided")
	if got := s.bound(t, j); got != closedPolicy(t, "source-policy") || !looked {
		t.Errorf("asked %v, bound by %s", looked, got)
	}
}

// A result that nobody was told of is not handed over either.
func TestActionBindsUntold(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{"GITHUB_OUTPUT", "GITHUB_ENV", "log"} {
		w := newWorld(t, registrytest.Options{})
		w.signLegacy(repo, w.image(repo), by())
		j := newJob(t)
		inputs := w.inputs(w.reg.Host() + "/" + repo + ":v1")
		if broken == "GITHUB_ENV" {
			inputs["mode"] = "warn" // which exports it in the end
		}
		text, err := json.Marshal(inputs)
		if err != nil {
			t.Fatal(err)
		}
		j.vars["BOLTSEAL_INPUTS"] = string(text)
		w.reg.Break(registrytest.Fault{Path: ".sig", Body: func(body []byte) []byte {
			if name := j.vars[broken]; name != "" {
				if err := os.Remove(name); err != nil {
					t.Error(err)
				}
				if err := os.Mkdir(name, 0o700); err != nil {
					t.Error(err)
				}
			}
			return body
		}})
		var log bytes.Buffer
		c := cli.Command{Stdin: strings.NewReader(""), Stdout: &log, Stderr: &log, LookupEnv: j.lookup}
		if broken == "log" {
			c.Stdout = full{}
		}
		if code := c.Main(t.Context(), []string{"boltseal", "action"}); code != 3 || broken != "log" && !strings.Contains(log.String(), "boltseal%3A write the result::") {
			t.Errorf("%s: exit %d: %s", broken, code, log.String())
		}
		files, err := filepath.Glob(filepath.Join(j.dir, "boltseal-*", "boltseal-source-policy.json"))
		if err != nil || len(files) != 1 || content(t, files[0]) != closedPolicy(t, "source-policy") {
			t.Errorf("%s: %q (%v) is not closed", broken, files, err)
		}
	}
}

// Somebody's own policy is not put out of force, an earlier step's is, and where
// the runner takes no variables that is said.
func TestActionBindsOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	w.image("team/unsigned")
	img := w.reg.Host() + "/" + repo + ":v1"

	// The user's.
	w.reg.Reset(0)
	for _, own := range []string{"policy.json", "/elsewhere/boltseal-1/boltseal-source-policy.json", "TEMP/boltseal-1/policy.json", "TEMP/other/boltseal-source-policy.json", "TEMP/boltseal-1/../x/boltseal-source-policy.json", "TEMP/boltseal-1/x/boltseal-source-policy.json"} {
		for _, mode := range []string{"enforce", "warn"} {
			j := newJob(t)
			j.vars[policyVariable] = strings.Replace(own, "TEMP", j.dir, 1)
			s := j.run(w.inputs(img, with("mode", mode)))
			s.want(t, 2, "false", "undecided")
			if got := s.titles("error"); len(got) != 1 || got[0] != "boltseal: input handover" || !strings.Contains(s.log, policyVariable+" is set to") || !strings.Contains(s.log, "what that denies would be allowed again") || !strings.Contains(s.log, "next: put it together") {
				t.Errorf("%q: %s", got, s.log)
			}
			if len(s.env) > 0 || s.outputs["source-policy"] != "" || strings.Contains(s.log, "buildx builds of the steps") {
				t.Errorf("the steps that follow get %q, output %q", s.env, s.outputs["source-policy"])
			}
		}
		j := newJob(t)
		j.vars[policyVariable] = own
		if s := j.run(w.inputs(img, with("handover", "off"), with("jobs", "0"))); s.code != 2 || !strings.Contains(s.log, "jobs") || len(s.env) > 0 {
			t.Errorf("off: exit %d, %q: %s", s.code, s.env, s.log)
		}
	}
	if n := len(w.reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}

	// An earlier step's.
	j := newJob(t)
	first := j.run(w.inputs(img))
	j.vars[policyVariable] = first.env[policyVariable]
	for _, tc := range []struct {
		name    string
		inputs  map[string]string
		code    int
		notices int
		says    string
	}{
		{"warn mode, refused", w.inputs(w.reg.Host()+"/team/unsigned:v1", with("mode", "warn")), 0, 0, "are still bound by the policy of an earlier step (" + policyVariable + "=" + first.env[policyVariable] + ")"},
		{"refused", w.inputs(w.reg.Host() + "/team/unsigned:v1"), 1, 1, "the policy of an earlier step no longer holds"},
		{"passed", w.inputs(img), 0, 1, "the policy of an earlier step no longer holds"},
		{"warn mode, passed", w.inputs(img, with("mode", "warn")), 0, 1, "the policy of an earlier step no longer holds"},
		{"off", w.inputs(img, with("handover", "off")), 0, 0, ""},
	} {
		before := len(j.run(w.inputs(img, with("jobs", "0"), with("handover", "off"))).env)
		s := j.run(tc.inputs)
		if s.code != tc.code || len(s.titles("notice")) != tc.notices || !strings.Contains(s.log, tc.says) {
			t.Errorf("%s: exit %d, notices %q: %s", tc.name, s.code, s.titles("notice"), s.log)
		}
		if replaced := s.env[policyVariable] != first.env[policyVariable]; before != 1 || tc.notices == 1 && !replaced {
			t.Errorf("%s: the variable is %s", tc.name, s.env[policyVariable])
		}
	}

	// No file for variables: builds could not be bound, so nobody is told that
	// they are, but in warn mode.
	for _, lost := range []string{"", "none"} {
		for _, mode := range []string{"enforce", "warn"} {
			j := newJob(t)
			j.vars["GITHUB_ENV"] = lost
			j.vars[policyVariable] = filepath.Join(j.dir, "boltseal-1", "boltseal-source-policy.json")
			if lost != "" {
				j.vars["GITHUB_ENV"] = filepath.Join(j.dir, lost)
			}
			text, err := json.Marshal(w.inputs(img, with("mode", mode)))
			if err != nil {
				t.Fatal(err)
			}
			j.vars["BOLTSEAL_INPUTS"] = string(text)
			var log bytes.Buffer
			code := cli.Command{Stdin: strings.NewReader(""), Stdout: &log, Stderr: &log, LookupEnv: j.lookup}.Main(t.Context(), []string{"boltseal", "action"})
			outputs, err := runnertest.File(content(t, j.vars["GITHUB_OUTPUT"]))
			want, says := 3, "the builds that follow cannot be bound: the runner's file for variables, GITHUB_ENV, is not there%0Anext: mount the runner's files into the container"
			if mode == "warn" {
				want, says = 0, "::warning title=image signature gate::buildx builds of the steps that follow are NOT bound: the runner's file for variables is not there; set "+policyVariable+" to "+outputs["source-policy"]
			}
			if code != want || err != nil || strings.Contains(log.String(), "no longer holds") || !strings.Contains(log.String(), says) || (outputs["passed"] == "true") != (mode == "warn") {
				t.Errorf("exit %d (%v): %s", code, err, log.String())
			}
		}
	}
}

// Where the step cannot even make its folder, or tell its outputs, builds are
// given a policy that is not there: buildx builds nothing with it. What the job
// has then is no policy of its own for the next step to keep.
func TestActionBindsWithoutFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	for name, tc := range map[string]struct {
		set    func(*job)
		inputs map[string]string
		bound  bool
		says   string
	}{
		"no folder":            {func(j *job) { j.vars["RUNNER_TEMP"] = filepath.Join(j.dir, "none") }, w.inputs("x.example/a"), true, "next: see that RUNNER_TEMP names a folder that may be written"},
		"no folder, off":       {func(j *job) { j.vars["RUNNER_TEMP"] = filepath.Join(j.dir, "none") }, w.inputs("x.example/a", with("handover", "off")), false, "make a folder in RUNNER_TEMP"},
		"no folder, warn mode": {func(j *job) { j.vars["RUNNER_TEMP"] = filepath.Join(j.dir, "none") }, w.inputs("x.example/a", with("mode", "warn")), false, "make a folder in RUNNER_TEMP"},
		"no outputs":           {func(j *job) { j.vars["GITHUB_OUTPUT"] = j.dir }, w.inputs("x.example/a"), true, "write GITHUB_OUTPUT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJob(t)
			tc.set(j)
			text, err := json.Marshal(tc.inputs)
			if err != nil {
				t.Fatal(err)
			}
			j.vars["BOLTSEAL_INPUTS"] = string(text)
			var log bytes.Buffer
			code := cli.Command{Stdin: strings.NewReader(""), Stdout: &log, Stderr: &log, LookupEnv: j.lookup}.Main(t.Context(), []string{"boltseal", "action"})
			env, err := runnertest.File(content(t, j.vars["GITHUB_ENV"]))
			file := env[policyVariable]
			if code != 3 || err != nil || (file != "") != tc.bound || !strings.Contains(log.String(), tc.says) {
				t.Errorf("exit %d (%v), builds are bound by %q: %s", code, err, file, log.String())
			}
			if body, err := os.ReadFile(file); tc.bound && err == nil && string(body) != closedPolicy(t, "source-policy") {
				t.Errorf("%s is %s", file, body)
			}
		})
	}
}

// Files for other builders come besides, and are closed and opened with it.
func TestActionHandsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	d := w.image(repo)
	w.signLegacy(repo, d, by())
	img := w.reg.Host() + "/" + repo + ":v1"
	dir := t.TempDir()
	old(t, dir, "bake.json", "p.json")
	handed := with("handover", "# for bake\nbake="+filepath.Join(dir, "bake.json")+"\nsource-policy=p.json")
	for _, tc := range []struct {
		images string
		change func(map[string]string)
		code   int
		open   bool
		files  []string
		says   []string
	}{
		{img, with("jobs", "0"), 2, false, []string{"bake.json", "p.json"}, nil},
		{"", func(in map[string]string) { handed(in); in["files"] = "no-such-file" }, 2, false, []string{"bake.json", "p.json"}, []string{"no-such-file"}},
		{img, with("handover", "bake=none/b.json"), 2, false, []string{"bake.json", "p.json"}, []string{"input handover: there is no folder for none/b.json"}},
		{img, with("handover", "bakee=b.json"), 2, false, []string{"bake.json", "p.json"}, []string{`input handover: "bakee" is nothing that can be handed over`, "did you mean bake?"}},
		{img, with("handover", "bake"), 2, false, []string{"bake.json", "p.json"}, []string{`input handover: "bake" is none of env, env-strict, off and KIND=PATH`, "write bake=PATH"}},
		{img + "x", handed, 1, false, []string{"p.json"}, []string{"not handed over: source-policy, since not every image passed; p.json denies every image"}},
		{img, handed, 0, true, []string{"bake.json", "p.json"}, []string{"handed over: bake in ", "handed over: source-policy in p.json, 1 image\n"}},
	} {
		j := newJob(t)
		j.workspace = dir
		s := j.run(w.inputs(tc.images, tc.change))
		if s.code != tc.code {
			t.Errorf("exit %d, want %d: %s", s.code, tc.code, s.log)
		}
		for _, words := range tc.says {
			if !strings.Contains(s.log, words) {
				t.Errorf("the log lacks %q: %s", words, s.log)
			}
		}
		if tc.code == 2 && strings.Contains(s.log, "handed over: ") {
			t.Errorf("of bad input it is not known what is there: %s", s.log)
		}
		only(t, dir, tc.files...)
		written := s.bound(t, j)
		if open := strings.Contains(written, d.Digest.String()); open != tc.open || !open && written != closedPolicy(t, "source-policy") {
			t.Errorf("builds are bound by %s", written)
		}
		if tc.open && (content(t, filepath.Join(dir, "p.json")) != written || !strings.Contains(content(t, filepath.Join(dir, "bake.json")), d.Digest.String())) {
			t.Errorf("handed over are %s and %s", content(t, filepath.Join(dir, "p.json")), content(t, filepath.Join(dir, "bake.json")))
		}
	}
}

// Build contexts that are too many for an output are left out, all of them; the
// policy binds builds all the same.
func TestActionWithoutContexts(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("much data: looked at without the race detector")
	}
	w := newWorld(t, registrytest.Options{})
	long := w.reg.Host() + "/team/" + strings.Repeat("x", 120)
	var images strings.Builder
	for i := range 400 {
		name := long + strings.Repeat("y", i%60) + strings.Repeat("z", i/60)
		w.signLegacy(strings.TrimPrefix(name, w.reg.Host()+"/"), w.image(strings.TrimPrefix(name, w.reg.Host()+"/")), by())
		images.WriteString(name + ":v1\n")
	}
	j := newJob(t)
	s := j.run(w.inputs(images.String()))
	s.want(t, 0, "true", "verified")
	if s.outputs["build-contexts"] != "boltseal-gate-closed" || !strings.Contains(s.log, "output build-contexts has no list: the list is larger than 98304 bytes; hand it over to a file with handover: build-contexts=PATH") {
		t.Errorf("build-contexts has %d bytes: %s", len(s.outputs["build-contexts"]), s.log)
	}
	if written := s.bound(t, j); strings.Count(written, `"CONVERT"`) != 400 {
		t.Errorf("%d tags are converted", strings.Count(written, `"CONVERT"`))
	}
}

// secretFree fails if a file below dir has one of the secrets.
func secretFree(t *testing.T, dir string, secrets ...string) {
	t.Helper()
	seen := map[string]bool{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		seen[filepath.Base(name)] = true
		for _, secret := range secrets {
			if strings.Contains(content(t, name), secret) {
				t.Errorf("%s has a secret", name)
			}
		}
		return nil
	})
	if err != nil || !seen["boltseal-source-policy.json"] {
		t.Errorf("files %q (%v)", slices.Sorted(maps.Keys(seen)), err)
	}
}
