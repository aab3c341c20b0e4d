package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/audit"
	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/report"
)

func auditPage(t *testing.T) page {
	t.Helper()
	for _, p := range pages(t) {
		if p.name == filepath.Join("docs", "audit.md") {
			return p
		}
	}
	t.Fatal("there is no docs/audit.md")
	return page{}
}

// digests of the page's examples.
var (
	auditA = strings.Repeat("a", 64)
	auditB = strings.Repeat("b", 64)
	auditC = strings.Repeat("c", 64)
)

// audited writes the report of a gate that let in alpine and acme/base, and the
// metadata of a build that used alpine and acme/base with a digest of its own.
func audited(t *testing.T, base string) (dir string) {
	t.Helper()
	image := func(ref, name, hex string) string {
		return `{"reference":"` + ref + `","digest":"sha256:` + hex + `","pinned":"` + name + `@sha256:` + hex + `","passed":true,"verified":true,"reason":"verified",` +
			`"checks":[{"passed":true,"reason":"verified","evidence":[{"signed":"image","digest":"sha256:` + hex + `"}]}]}`
	}
	gate := `{"version":1,"tool":{"name":"boltseal","version":"1.2.3"},"passed":true,"complete":true,"mode":"enforce","started":"2026-03-01T11:00:00Z","images":[` +
		image("docker.io/library/alpine:3.20", "docker.io/library/alpine", auditA) + "," + image("ghcr.io/acme/base:v3", "ghcr.io/acme/base", auditB) + `]}`
	build := `{"buildx.build.provenance":{"buildType":"https://mobyproject.org/buildkit@v1","materials":[` +
		`{"uri":"pkg:docker/alpine@3.20?platform=linux%2Famd64","digest":{"sha256":"` + auditA + `"}},` +
		`{"uri":"pkg:docker/ghcr.io/acme/base@v3?platform=linux%2Famd64","digest":{"sha256":"` + base + `"}}],` +
		`"buildConfig":{"llbDefinition":[{"op":{"Op":{"source":{"identifier":"docker-image://docker.io/library/alpine:3.20@sha256:` + auditA + `"}}}},{"op":{"Op":{}}}]}}}`
	dir = t.TempDir()
	for name, text := range map[string]string{"gate.json": gate, "build.json": build} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// auditIn runs boltseal audit on what audited wrote.
func auditIn(t *testing.T, dir, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	for i, arg := range args {
		if slices.Contains([]string{"gate.json", "build.json"}, arg) {
			args[i] = filepath.Join(dir, arg)
		}
	}
	var out, errs bytes.Buffer
	c := cli.Command{Dir: dir, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs, LookupEnv: func(string) (string, bool) { return "", false }}
	code = c.Main(t.Context(), append([]string{"boltseal"}, args...))
	return code, strings.ReplaceAll(out.String(), dir+string(filepath.Separator), ""), errs.String()
}

// The page's examples are what the program writes, it names every flag and
// every field, and every Reason has a row.
func TestDocsAudit(t *testing.T) {
	t.Parallel()
	p := auditPage(t)
	dir := audited(t, auditC)
	shown := map[string]string{}
	for _, f := range p.fences {
		shown[f.lang] = f.text
	}
	for lang, output := range map[string]string{"console": "text", "json": "json"} {
		code, out, errs := auditIn(t, dir, "", "audit", "--metadata", "build.json", "--report", "gate.json", "--output", output)
		want := shown[lang]
		if output == "text" {
			want = strings.TrimPrefix(want, "$ boltseal audit --metadata build.json --report gate.json\n")
		} else {
			version := regexp.MustCompile(`("name": "boltseal",\s+"version": )"[^"]*"`)
			out = version.ReplaceAllString(out, `$1"1.2.3"`)
		}
		if code != 1 || errs != "" || out != want {
			t.Errorf("exit %d, %s\n%s\nthe page has\n%s", code, errs, out, want)
		}
	}
	for name := range flags(t, "audit") {
		if name != "help" && !strings.Contains(p.text, "`--"+name) {
			t.Errorf("the page does not name --%s", name)
		}
	}
	reasons := rows(p, "Reasons")
	for _, r := range []audit.Reason{audit.Admitted, audit.Exempt, audit.Unjudged, audit.NotAdmitted, audit.NoProvenance, audit.Incomplete, audit.Malformed} {
		if reasons[string(r)] == "" {
			t.Errorf("the page has no row for %s", r)
		}
	}
	var doc any
	if err := json.Unmarshal([]byte(shown["json"]), &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(x any) {
		switch x := x.(type) {
		case []any:
			for _, v := range x {
				walk(v)
			}
		case map[string]any:
			for name, v := range x {
				if !strings.Contains(p.prose, "`"+name+"`") {
					t.Errorf("the page does not explain %s", name)
				}
				walk(v)
			}
		}
	}
	walk(doc)
	if report.AuditVersion != 1 || !reflect.DeepEqual(doc.(map[string]any)["version"], 1.0) {
		t.Error("the page shows another version")
	}
}

// The workflow's audit steps run the program as they should: it passes where the
// build used what was let in, and fails where it did not.
func TestDocsAuditWorkflow(t *testing.T) {
	t.Parallel()
	ran := 0
	for _, f := range auditPage(t).fences {
		if f.lang != "yaml" {
			continue
		}
		steps, err := parseSteps(f.text)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range steps {
			if !strings.Contains(step.Run, "audit") {
				continue
			}
			ran++
			for base, want := range map[string]int{auditB: 0, auditC: 1} {
				dir := audited(t, base)
				body, err := os.ReadFile(filepath.Join(dir, "build.json"))
				if err != nil {
					t.Fatal(err)
				}
				// What the step runs tells how it was run.
				stub := filepath.Join(dir, "stub")
				script := "#!/bin/sh\ncat > '" + dir + "/stdin'\nprintf '%s\\n' \"$@\" > '" + dir + "/args'\n"
				if err := errors.Join(os.WriteFile(stub, []byte(script), 0o600), os.Chmod(stub, 0o700)); err != nil { //nolint:gosec // it is run
					t.Fatal(err)
				}
				if step.Env["BOLTSEAL"] != "${{ steps.gate.outputs.binary }}" || step.Env["REPORT"] != "${{ steps.gate.outputs.report }}" {
					t.Errorf("%v", step.Env)
				}
				cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail")
				cmd.Stdin = strings.NewReader(step.Run)
				cmd.Env = append(os.Environ(), "BOLTSEAL="+stub, "REPORT=gate.json", "METADATA="+string(body), "IMAGE="+dead+"/acme/app@sha256:"+auditA)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", step.Run, err, out)
				}
				args, err := os.ReadFile(filepath.Join(dir, "args"))
				stdin, err2 := os.ReadFile(filepath.Join(dir, "stdin"))
				if err := errors.Join(err, err2); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(args), dead) {
					want = 3 // whom nobody answers
				}
				code, out, errs := auditIn(t, dir, string(stdin), strings.Fields(string(args))...)
				if code != want || errs != "" {
					t.Errorf("%s: exit %d, want %d\n%s%s", step.Run, code, want, out, errs)
				}
			}
		}
	}
	if ran != 2 {
		t.Errorf("%d steps were run", ran)
	}
}
