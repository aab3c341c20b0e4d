package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/runnertest"
)

// auditFiles are the files that an audit reads: a gate that let in one image, and
// metadata of builds.
type auditFiles struct{ dir string }

func newAudit(t *testing.T) auditFiles {
	t.Helper()
	hex := strings.Repeat("a", 64)
	gate := `{"version":1,"tool":{"name":"boltseal","version":"1"},"passed":true,"complete":true,"mode":"enforce","started":"2026-03-01T11:00:00Z","images":[` +
		`{"reference":"docker.io/library/alpine:3","digest":"sha256:` + hex + `","pinned":"docker.io/library/alpine@sha256:` + hex + `","passed":true,"verified":true,"reason":"verified",` +
		`"checks":[{"passed":true,"reason":"verified","evidence":[{"signed":"image","digest":"sha256:` + hex + `"}]}]}]}`
	a := auditFiles{t.TempDir()}
	for name, text := range map[string]string{
		"gate.json":   gate,
		"closed.json": strings.Replace(gate, `"passed":true,"complete"`, `"passed":false,"complete"`, 1),
		"twice.json":  strings.Replace(gate, `"passed":true,"complete"`, `"passed":false,"passed":true,"complete"`, 1),
		"good.json":   buildOf("pkg:docker/alpine@3", "a"),
		"bad.json":    buildOf("pkg:docker/alpine@3", "b"),
		"list.json":   "[]",
		"empty.json":  "",
	} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// buildOf is the metadata of a build that used one thing.
func buildOf(uri, hex string) string {
	text, err := json.Marshal(uri)
	if err != nil {
		panic(err)
	}
	return `{"buildx.build.provenance":{"buildType":"https://mobyproject.org/buildkit@v1","materials":[{"uri":` + string(text) + `,"digest":{"sha256":"` + strings.Repeat(hex, 64) + `"}}]}}`
}

// run runs boltseal audit; names of files are those in the folder.
func (a auditFiles) run(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	entries, err := os.ReadDir(a.dir)
	if err != nil {
		t.Fatal(err)
	}
	args = slices.Clone(args)
	for i, arg := range args {
		if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == arg }) {
			args[i] = filepath.Join(a.dir, arg)
		}
	}
	return runIn(t, context.Background(), stdin, env, append([]string{"audit"}, args...)...)
}

// Bad input is exit 2, names the flag, says what to write instead, and gives no
// verdict.
func TestAuditBadInput(t *testing.T) {
	t.Parallel()
	a := newAudit(t)
	for _, tc := range []struct {
		name string
		args []string
		says []string
	}{
		{"no report", []string{"--metadata", "good.json"}, []string{"--report: it is not given", "next: give the file that boltseal verify wrote"}},
		{"no such report", []string{"--metadata", "good.json", "--report", "none.json"}, []string{"--report: ", "none.json"}},
		{"a report that is empty", []string{"--metadata", "good.json", "--report", "empty.json"}, []string{"--report ", "it is empty: the run that was to write it did not come to its end", "next: give the file that boltseal verify wrote"}},
		{"a report that can be read in two ways", []string{"--metadata", "good.json", "--report", "twice.json"}, []string{`the name "passed" stands twice`}},
		{"metadata for a report", []string{"--metadata", "good.json", "--report", "good.json"}, []string{"no JSON report of boltseal verify"}},
		{"a report for metadata that is a list", []string{"--metadata", "list.json", "--report", "gate.json"}, []string{"--metadata ", "no JSON object", "next: give the file that docker buildx wrote"}},
		{"nothing to audit", []string{"--report", "gate.json"}, []string{"there is nothing to audit", "next: give --metadata FILE"}},
		{"no such metadata", []string{"--metadata", "none.json", "--report", "gate.json"}, []string{"--metadata: ", "none.json"}},
		{"empty metadata", []string{"--metadata", "empty.json", "--report", "gate.json"}, []string{"it is empty"}},
		{"target without metadata", []string{"alpine", "--target", "app", "--report", "gate.json"}, []string{"--target: ", "add --metadata FILE"}},
		{"standard input twice", []string{"--metadata", "-", "--metadata", "-", "--report", "gate.json"}, []string{"--metadata: standard input can be read once only"}},
		{"standard input for a password as well", []string{"alpine", "--metadata", "-", "--registry-username", "me", "--registry-password-stdin", "--report", "gate.json"}, []string{"--metadata: standard input", "--registry-password-stdin reads it"}},
		{"unknown output", []string{"--metadata", "good.json", "--report", "gate.json", "--output", "sarif"}, []string{"--output: "}},
		{"no time", []string{"--metadata", "good.json", "--report", "gate.json", "--timeout", "0s"}, []string{"--timeout: "}},
		{"no image", []string{"A B", "--report", "gate.json"}, []string{"IMAGE: ", "registry/repository@sha256:"}},
		{"no certificate authority", []string{"alpine", "--registry-cacert", "good.json", "--report", "gate.json"}, []string{"--registry-cacert"}},
	} {
		r := a.run(t, "", tc.args...)
		if r.code != 2 || r.stdout != "" {
			t.Errorf("%s: exit %d, %s", tc.name, r.code, r.stdout)
		}
		for _, s := range append(tc.says, "next: ") {
			if !strings.Contains(r.stderr, s) {
				t.Errorf("%s: does not say %q:\n%s", tc.name, s, r.stderr)
			}
		}
	}
}

// A gate that closed let nothing in: that is no bad input.
func TestAuditClosedGate(t *testing.T) {
	t.Parallel()
	a := newAudit(t)
	r := a.run(t, "", "--metadata", "good.json", "--report", "closed.json")
	if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "the run did not pass") || !strings.Contains(r.stderr, "next: look at that run first") {
		t.Errorf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

// Exit codes are those of what was found: one refusal outweighs all silence.
func TestAuditExitCodes(t *testing.T) {
	t.Parallel()
	a := newAudit(t)
	const down = "127.0.0.1:1/team/app:v1"
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--metadata", "good.json"}, 0, "audit passed: 1 image in 1 build, all admitted"},
		{[]string{"--metadata", "bad.json"}, 1, "audit failed: 1 of 1 build did not pass"},
		{[]string{down}, 3, "audit failed, no answer: 1 of 1 build could not be audited"},
		{[]string{"--metadata", "good.json", down}, 3, "audit failed, no answer: 1 of 2 builds"},
		{[]string{"--metadata", "bad.json", down}, 1, "audit failed: 2 of 2 builds did not pass"},
	} {
		r := a.run(t, "", append(tc.args, "--report", "gate.json")...)
		if r.code != tc.code || !strings.Contains(r.stdout, "\n"+tc.says) || r.stderr != "" {
			t.Errorf("%q: exit %d, want %d\n%s%s", tc.args, r.code, tc.code, r.stdout, r.stderr)
		}
	}
	body, err := os.ReadFile(filepath.Join(a.dir, "bad.json"))
	if err != nil {
		t.Fatal(err)
	}
	if r := a.run(t, string(body), "--metadata", "-", "--report", "gate.json"); r.code != 1 || !strings.HasPrefix(r.stdout, "not-admitted   -\n") {
		t.Errorf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

// Text from files and registries can neither move the cursor nor tell the runner
// what to do, in any output.
func TestAuditHostileText(t *testing.T) {
	t.Parallel()
	a := newAudit(t)
	const evil = "\n::set-output name=x::y\r\x1b[2J##[add-mask]z\u202e"
	quoted, err := json.Marshal(evil)
	if err != nil {
		t.Fatal(err)
	}
	provenance := strings.TrimSuffix(strings.TrimPrefix(buildOf("https://x/"+evil, "a"), `{"buildx.build.provenance":`), "}")
	step := `{"id":` + string(quoted) + `,"op":{"Op":{` + string(quoted) + `:{}}}}`
	for name, text := range map[string]string{
		"evil1.json": buildOf("pkg:docker/x@1?platform="+strings.ReplaceAll(strings.ReplaceAll(evil, "\n", "%0A"), "#", "%23"), "a"),
		"evil2.json": buildOf("https://x/"+evil, "a"),
		"evil3.json": buildOf(evil, "a"),
		"evil4.json": `{` + string(quoted) + `:{"buildx.build.provenance":` + provenance + `}}`,
		"evil5.json": `{"buildx.build.provenance/` + strings.Trim(string(quoted), `"`) + `":` + provenance + `}`,
		"evil6.json": `{"buildx.build.provenance":{"buildType":` + string(quoted) + `}}`,
		"evil7.json": `{"buildx.build.provenance":{"buildType":"https://mobyproject.org/buildkit@v1","buildConfig":{"llbDefinition":[` + step + `]}}}`,
		"evil8.json": `{"buildx.build.provenance":{"buildType":"https://mobyproject.org/buildkit@v1","invocation":{"parameters":{"frontend":` + string(quoted) + `}}}}`,
		"evil9.json": `{` + string(quoted) + `:1,` + string(quoted) + `:2}`,
	} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, output := range []string{"text", "json"} {
			r := a.run(t, "", "--metadata", name, "--report", "gate.json", "--output", output, "--target", evil)
			all := r.stdout + r.stderr
			if r.code == 0 || len(all) == 0 || strings.ContainsAny(all, "\r\x1b\u202e") || strings.Contains(all, "##") || len(runnertest.Commands(all)) > 0 {
				t.Errorf("%s as %s: exit %d\n%q", name, output, r.code, all)
			}
		}
	}
}

// A registry that asks for credentials gets them, and nobody else does.
func TestAuditCredentials(t *testing.T) {
	t.Parallel()
	a := newAudit(t)
	w := newWorld(t, registrytest.Options{User: "me", Password: "secret"})
	w.image(repo)
	img := w.reg.Host() + "/" + repo + ":v1"
	if r := a.run(t, "", img, "--report", "gate.json"); r.code != 3 || !strings.HasPrefix(r.stdout, "denied         ") {
		t.Errorf("without: exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	if r := a.run(t, "secret\n", img, "--report", "gate.json", "--registry-username", "me", "--registry-password-stdin"); r.code != 1 || !strings.HasPrefix(r.stdout, "no-provenance  ") {
		t.Errorf("with: exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

// A big file takes no longer than reading it should, and one that is too big is
// refused before it is.
func TestAuditBounds(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("much data: looked at without the race detector")
	}
	a := newAudit(t)
	var all []string
	for i := range 9_000 {
		all = append(all, fmt.Sprintf(`{"uri":"pkg:docker/acme/x%d@1","digest":{"sha256":"%064x"}}`, i, i))
	}
	big := `{"buildx.build.provenance":{"buildType":"https://mobyproject.org/buildkit@v1","materials":[` + strings.Join(all, ",") + `]}}`
	huge := strings.Repeat(" ", 32<<20) + "{}"
	if err := errors.Join(os.WriteFile(filepath.Join(a.dir, "big.json"), []byte(big), 0o600), os.WriteFile(filepath.Join(a.dir, "huge.json"), []byte(huge), 0o600)); err != nil {
		t.Fatal(err)
	}
	if r := a.run(t, "", "--metadata", "big.json", "--report", "gate.json"); r.code != 1 || strings.Count(r.stdout, "refused ") != 101 || !strings.Contains(r.stdout, "refused   … and 8900 more, listed by --output json") {
		t.Errorf("exit %d, %d refused %s", r.code, strings.Count(r.stdout, "refused "), r.stderr)
	}
	if r := a.run(t, "", "--metadata", "big.json", "--report", "gate.json", "--output", "json"); r.code != 1 || strings.Count(r.stdout, `"not-admitted",`) != 9_001 {
		t.Errorf("exit %d, %d refused %s", r.code, strings.Count(r.stdout, `"not-admitted",`), r.stderr)
	}
	if r := a.run(t, "", "--metadata", "huge.json", "--report", "gate.json"); r.code != 2 || !strings.Contains(r.stderr, "larger than 33554432 bytes") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
	if r := a.run(t, huge, "--metadata", "-", "--report", "gate.json"); r.code != 2 || !strings.Contains(r.stderr, "at most 33554432 are read") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
	if r := a.run(t, "", "--metadata", "good.json", "--report", "huge.json"); r.code != 2 || !strings.Contains(r.stderr, "larger than 33554432 bytes") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}

// --timeout is over while files are read as well: nobody waits for a pipe that
// does not end, and there is no verdict.
func TestAuditTimeout(t *testing.T) {
	t.Parallel()
	a := newAudit(t)
	never, end := io.Pipe()
	defer end.Close() //nolint:errcheck // it never fails
	for metadata, timeout := range map[string]string{"-": "10ms", filepath.Join(a.dir, "good.json"): "1ns"} {
		var out, errs bytes.Buffer
		c := cli.Command{Stdin: never, Stdout: &out, Stderr: &errs, LookupEnv: lookup(env)}
		code := c.Main(t.Context(), []string{"boltseal", "audit", "--metadata", metadata, "--report", filepath.Join(a.dir, "gate.json"), "--timeout", timeout})
		if code != cli.ExitNoAnswer || out.Len() > 0 || !strings.Contains(errs.String(), "audit failed, no answer: read --report and --metadata: --timeout "+timeout+" ran out\n  next: ") {
			t.Errorf("%s: exit %d, %s%s", metadata, code, out.String(), errs.String())
		}
	}
}

// Two tags of one repository that were let in do not stand for each other.
func TestAuditTagSwapped(t *testing.T) {
	t.Parallel()
	a := newAudit(t)
	gate, err := os.ReadFile(filepath.Join(a.dir, "gate.json"))
	if err != nil {
		t.Fatal(err)
	}
	_, image, _ := strings.Cut(string(gate), `"images":[`)
	second := strings.ReplaceAll(strings.Replace(strings.TrimSuffix(image, "]}"), "alpine:3", "alpine:4", 1), strings.Repeat("a", 64), strings.Repeat("b", 64))
	two := strings.TrimSuffix(string(gate), "]}") + "," + second + "]}"
	for name, text := range map[string]string{"two.json": two, "rolled.json": buildOf("pkg:docker/alpine@4", "a"), "four.json": buildOf("pkg:docker/alpine@4", "b")} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r := a.run(t, "", "--metadata", "four.json", "--metadata", "good.json", "--report", "two.json"); r.code != cli.ExitPassed {
		t.Errorf("exit %d, %s%s", r.code, r.stdout, r.stderr)
	}
	r := a.run(t, "", "--metadata", "rolled.json", "--report", "two.json")
	because := "the gate let in docker.io/library/alpine:4 as sha256:" + strings.Repeat("b", 64) + ", and the build used the digest of docker.io/library/alpine:3\n"
	if r.code != cli.ExitClosed || !strings.Contains(r.stdout, "not-admitted") || !strings.Contains(r.stdout, because) {
		t.Errorf("exit %d, %s%s", r.code, r.stdout, r.stderr)
	}
}
