package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/runnertest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// A pinResult is what one run of boltseal pin did.
type pinResult struct {
	code           int
	stdout, stderr string
	doc            struct {
		Version               int
		Check, Update, Passed bool
		Pins                  []struct {
			File, Old, New string
			Line, Column   int
			Exempt         bool
		}
		Kept, Refused []struct {
			Image, Text, Kind, File, Message, Hint string
			Line, Column                           int
		}
		Report judged
	}
}

// A pinner runs boltseal pin in a workspace.
type pinner struct {
	*world
	dir     string
	command func(cli.Command) cli.Command
}

// pinner makes a workspace; REGISTRY in the files is the world's.
func (w *world) pinner(t *testing.T, files map[string]string) *pinner {
	t.Helper()
	filled := map[string]string{}
	for name, text := range files {
		filled[name] = w.policy(text)
	}
	return &pinner{world: w, dir: workspaceOf(t, filled)}
}

// plain runs it with the usual signer, unless the workspace has a policy.
func (p *pinner) plain(t *testing.T, args ...string) pinResult {
	t.Helper()
	all := []string{"boltseal", "pin", "--trusted-root", p.root}
	if _, err := os.Stat(filepath.Join(p.dir, ".boltseal.yaml")); err != nil {
		all = append(all, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer)
	}
	for _, a := range args {
		all = append(all, strings.ReplaceAll(a, "REGISTRY", p.reg.Host()))
	}
	var out, errs bytes.Buffer
	noWait := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	c := cli.Command{Sleep: noWait, Dir: p.dir, Stdin: strings.NewReader("s3cr3t\n"), Stdout: &out, Stderr: &errs, LookupEnv: lookup(env), Now: func() time.Time { return today }}
	if p.command != nil {
		c = p.command(c)
	}
	code := c.Main(t.Context(), all)
	return pinResult{code: code, stdout: out.String(), stderr: errs.String()}
}

// json runs it with --output json.
func (p *pinner) json(t *testing.T, args ...string) pinResult {
	t.Helper()
	r := p.plain(t, append(args, "--output", "json")...)
	if r.stdout != "" || r.code < 2 {
		if err := json.Unmarshal([]byte(r.stdout), &r.doc); err != nil {
			t.Fatalf("%v\n%s%s", err, r.stdout, r.stderr)
		}
		if r.doc.Passed != (r.code == 0) {
			t.Errorf("exit %d, passed %v", r.code, r.doc.Passed)
		}
	}
	return r
}

// reasons are those of the images.
func (r pinResult) reasons() []string {
	var all []string
	for _, img := range r.doc.Report.Images {
		all = append(all, img.Reason)
	}
	return all
}

// files returns all files of the workspace, with what is in them.
func (p *pinner) files() map[string]string {
	p.t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(p.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(p.dir, name)
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(name)
			all[rel] = "-> " + target
			return err
		}
		body, err := os.ReadFile(name) //nolint:gosec // a folder of the test's own
		all[rel] = string(body)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

// wants checks that the files are those of before, with the texts of want.
func (p *pinner) wants(t *testing.T, before, want map[string]string) {
	t.Helper()
	all := map[string]string{}
	maps.Copy(all, before)
	for name, text := range want {
		all[name] = p.policy(text)
	}
	if got := p.files(); !maps.Equal(got, all) {
		t.Errorf("files\n%q\nwant\n%q", got, all)
	}
}

// A pinWorld has images of all kinds.
func newPinWorld(t *testing.T) (*world, map[string]string) {
	t.Helper()
	w := newWorld(t, registrytest.Options{})
	digests := map[string]string{}
	for _, name := range []string{"legacy", "bundle", "stranger", "unsigned", "down"} {
		d := w.image("team/" + name)
		digests[name] = d.Digest.String()
		switch name {
		case "legacy", "down":
			w.signLegacy("team/"+name, d, by())
		case "bundle":
			w.signBundle("team/"+name, d, signType, by())
		case "stranger":
			w.signLegacy("team/"+name, d, by(func(o *sigstoretest.Options) { o.Identity = strings.Replace(identity, "acme", "acme-evil", 1) }))
		}
	}
	w.reg.Break(registrytest.Fault{Path: "/v2/team/down/", Status: 503})
	return w, digests
}

// What does not pass is not pinned, and neither is anything beside it.
func TestPinClosed(t *testing.T) {
	t.Parallel()
	w, _ := newPinWorld(t)
	const good = "FROM REGISTRY/team/legacy:v1\n"
	signed := "version: 1\nrules: [{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME]}]}]\n"
	for _, tc := range []struct {
		name, file string
		policy     string
		args       []string
		code       int
		reason     string
		says       string
	}{
		{name: "not signed", file: "FROM REGISTRY/team/unsigned:v1\n", code: 1, reason: "unsigned", says: "there are no Sigstore signatures"},
		{name: "wrong signer", file: "FROM REGISTRY/team/stranger:v1\n", code: 1, reason: "wrong-signer", says: "acme-evil"},
		{name: "no such tag", file: "FROM REGISTRY/team/legacy:v9\n", code: 1, reason: "not-found"},
		{name: "no answer", file: "FROM REGISTRY/team/down:v1\n", code: 3, reason: "unavailable", says: "503"},
		{name: "nobody there", file: "FROM 127.0.0.1:1/team/app:v1\n", code: 3, reason: "unavailable"},
		{name: "no rule", file: "FROM REGISTRY/team/legacy:v1 AS a\nFROM REGISTRY/other/app:v1\nCOPY --from=a / /\n", policy: signed, code: 1, reason: "no-rule"},
		{name: "unresolved", file: "ARG X\nFROM ${X}\n", code: 1, reason: "unresolved", says: "--build-arg"},
		{name: "only by digest", file: "FROM REGISTRY/team/unsigned:v1\n", policy: "version: 1\nrules: [{images: ['REGISTRY/team/legacy'], require: [sigstore: {identities: [ACME]}]}, {images: ['REGISTRY/team/unsigned'], allow-unsigned: {reason: upstream does not sign}}]\n", code: 1, reason: "unsigned", says: "by digest only"},
		{name: "strict", file: "FROM REGISTRY/team/legacy:v1\n", args: []string{"--strict", "--exclude", "none"}, code: 1, reason: "unresolved", says: "--strict"},
	} {
		for _, mode := range [][]string{nil, {"--check"}, {"--update"}} {
			p := w.pinner(t, map[string]string{"good/Dockerfile": good, "Dockerfile": tc.file})
			if tc.policy != "" {
				p = w.pinner(t, map[string]string{"good/Dockerfile": good, "Dockerfile": tc.file, ".boltseal.yaml": tc.policy})
			}
			before := p.files()
			args := slices.Concat(tc.args, mode)
			r := p.plain(t, args...)
			word := fmt.Sprintf("%-14s ", tc.reason)
			if r.code != tc.code || !strings.Contains("\n"+r.stdout, "\n"+word) || !strings.Contains(r.stdout, tc.says) || !strings.Contains(r.stdout, "gate closed") || !strings.HasSuffix(r.stdout, "\nnothing was pinned\n") {
				t.Errorf("%s %q: exit %d, want %d\n%s%s", tc.name, mode, r.code, tc.code, r.stdout, r.stderr)
			}
			j := p.json(t, args...)
			if j.code != tc.code || j.doc.Passed || j.doc.Report.Passed || len(j.doc.Pins) > 0 || !slices.Contains(j.reasons(), tc.reason) {
				t.Errorf("%s %q: exit %d, %+v", tc.name, mode, j.code, j.doc)
			}
			p.wants(t, before, nil)
		}
	}
}

// What passes is pinned, in every file, and nothing else changes.
func TestPin(t *testing.T) {
	t.Parallel()
	w, digests := newPinWorld(t)
	legacy, bundle, unsigned := digests["legacy"], digests["bundle"], digests["unsigned"]
	other := "sha256:" + strings.Repeat("0", 64)
	signed := "{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME]}]}"
	type files = map[string]string
	for _, tc := range []struct {
		name   string
		files  files
		args   []string
		want   files // those that change
		code   int
		says   []string
		exempt int
	}{
		{
			name:  "two files",
			files: files{"Dockerfile": "# a comment\r\nFROM   REGISTRY/team/legacy:v1   AS a\r\n\r\nRUN true", "compose.yaml": "services:\n  a: {image: REGISTRY/team/bundle:v1}   # here\n", "other.yaml": "image: REGISTRY/team/legacy:v1\n"},
			want:  files{"Dockerfile": "# a comment\r\nFROM   REGISTRY/team/legacy:v1@" + legacy + "   AS a\r\n\r\nRUN true", "compose.yaml": "services:\n  a: {image: REGISTRY/team/bundle:v1@" + bundle + "}   # here\n"},
			says:  []string{"pinned   Dockerfile:2:8 REGISTRY/team/legacy:v1 → REGISTRY/team/legacy:v1@" + legacy + "\n", "pinned   compose.yaml:2:14 ", "\n\n2 references in 2 files pinned\n"},
		},
		{
			name:  "a digest stays",
			files: files{"Dockerfile": "FROM REGISTRY/team/legacy:v1@" + legacy + " AS a\nFROM REGISTRY/team/bundle:v1\nCOPY --from=a / /\n"},
			want:  files{"Dockerfile": "FROM REGISTRY/team/legacy:v1@" + legacy + " AS a\nFROM REGISTRY/team/bundle:v1@" + bundle + "\nCOPY --from=a / /\n"},
			says:  []string{"1 reference in 1 file pinned; 1 place with the digest already\n"},
		},
		{
			name:  "the default of an argument",
			files: files{"Dockerfile": "ARG BASE=REGISTRY/team/legacy:v1\nFROM ${BASE}\n"},
			want:  files{"Dockerfile": "ARG BASE=REGISTRY/team/legacy:v1@" + legacy + "\nFROM ${BASE}\n"},
			says:  []string{"pinned   Dockerfile:1:10 "},
		},
		{
			name:  "an argument that is given",
			files: files{"Dockerfile": "ARG BASE=REGISTRY/team/legacy:v1\nFROM ${BASE} AS a\nFROM REGISTRY/team/legacy:v1\nCOPY --from=a / /\n"},
			args:  []string{"--build-arg", "BASE=REGISTRY/team/bundle:v1"},
			want:  files{"Dockerfile": "ARG BASE=REGISTRY/team/legacy:v1\nFROM ${BASE} AS a\nFROM REGISTRY/team/legacy:v1@" + legacy + "\nCOPY --from=a / /\n"},
			code:  1,
			says:  []string{"refused  Dockerfile:2:6 pin ", "\n         next: write REGISTRY/team/bundle:v1@" + bundle + " ", "1 reference in 1 file pinned; 1 place that boltseal cannot rewrite\n"},
		},
		{
			name:   "exempt",
			files:  files{"Dockerfile": "FROM REGISTRY/team/unsigned:v1\n", "api/Dockerfile": "FROM REGISTRY/team/legacy:v1\n", ".boltseal.yaml": "version: 1\nrules: [" + signed + "]\nexceptions: [{images: ['REGISTRY/team/unsigned'], until: 2026-12-31, owner: platform, reason: until upstream signs}]\n"},
			want:   files{"Dockerfile": "FROM REGISTRY/team/unsigned:v1@" + unsigned + "\n", "api/Dockerfile": "FROM REGISTRY/team/legacy:v1@" + legacy + "\n"},
			says:   []string{"exempt   Dockerfile:1:6 REGISTRY/team/unsigned:v1 → REGISTRY/team/unsigned:v1@" + unsigned + " (not verified)\n", "2 references in 2 files pinned; 1 of them exempt, not verified\n"},
			exempt: 1,
		},
		{
			name:  "a rule for the tag only",
			files: files{"Dockerfile": "FROM REGISTRY/team/unsigned:v1\n", ".boltseal.yaml": "version: 1\nrules: [{images: ['REGISTRY/team/unsigned:v1'], allow-unsigned: {reason: none, require-digest: false}}]\n"},
			code:  1,
			says:  []string{"refused  Dockerfile:1:6 pin REGISTRY/team/unsigned:v1: REGISTRY/team/unsigned:v1 is let through by the rule for REGISTRY/team/unsigned:v1, and with its digest that is not the rule for it\n", "next: have the rule name the repository, without a tag"},
		},
		{
			name:  "a rule for the tag, beside one for the repository",
			files: files{"Dockerfile": "FROM REGISTRY/team/legacy:v1\n", ".boltseal.yaml": "version: 1\nrules: [" + signed + ", {images: ['REGISTRY/team/legacy:v1'], require: [sigstore: {identities: [ACME]}]}]\n"},
			code:  1,
			says:  []string{"refused  Dockerfile:1:6 ", "let through by the rule for REGISTRY/team/legacy:v1, "},
		},
		{
			name:  "another platform",
			files: files{"Dockerfile": "FROM --platform=linux/s390x REGISTRY/team/legacy:v1 AS a\nFROM REGISTRY/team/legacy:v1\nCOPY --from=a / /\n"},
			args:  []string{"--platform", "linux/amd64"},
			want:  files{"Dockerfile": "FROM --platform=linux/s390x REGISTRY/team/legacy:v1@" + legacy + " AS a\nFROM REGISTRY/team/legacy:v1@" + legacy + "\nCOPY --from=a / /\n"},
		},
		{
			name:  "only what is asked for",
			files: files{"a/Dockerfile": "FROM REGISTRY/team/legacy:v1\n", "b/Dockerfile": "FROM REGISTRY/team/legacy:v1\n"},
			args:  []string{"b"},
			want:  files{"b/Dockerfile": "FROM REGISTRY/team/legacy:v1@" + legacy + "\n"},
		},
		{
			name:  "names that differ by case",
			files: files{"Dockerfile": "FROM REGISTRY/team/legacy:v1\n", "dockerfile": "from REGISTRY/team/bundle:v1\n"},
			want:  files{"Dockerfile": "FROM REGISTRY/team/legacy:v1@" + legacy + "\n", "dockerfile": "from REGISTRY/team/bundle:v1@" + bundle + "\n"},
		},
		{
			name:  "manifests that are asked for",
			files: files{"deploy/pod.yaml": "kind: Pod\nspec: {containers: [{image: 'REGISTRY/team/legacy:v1'}]}\n"},
			args:  []string{"kubernetes:deploy"},
			want:  files{"deploy/pod.yaml": "kind: Pod\nspec: {containers: [{image: 'REGISTRY/team/legacy:v1@" + legacy + "'}]}\n"},
		},
		{
			name:  "a file that a build leads to",
			files: files{"compose.yaml": "services: {a: {build: sub}}\n", "sub/Dockerfile": "FROM REGISTRY/team/legacy:v1\n"},
			args:  []string{"compose.yaml"},
			want:  files{"sub/Dockerfile": "FROM REGISTRY/team/legacy:v1@" + legacy + "\n"},
		},
		{
			name:  "an expression",
			files: files{"Dockerfile": "FROM REGISTRY/team/legacy:v1@" + legacy + "\n", ".github/workflows/ci.yml": "on: push\njobs: {a: {runs-on: x, container: '${{ inputs.image }}'}}\n"},
			says:  []string{"1 place with the digest already; 1 place whose image is not known, not looked at\n"},
		},
		{
			name:  "an expression, strictly",
			files: files{"Dockerfile": "FROM REGISTRY/team/legacy:v1@" + legacy + "\n", ".github/workflows/ci.yml": "on: push\njobs: {a: {runs-on: x, container: '${{ inputs.image }}'}}\n"},
			args:  []string{"--strict"},
			code:  1,
		},
		{
			name: "a target that stands in for the name",
			files: files{
				"Dockerfile":      "FROM REGISTRY/team/legacy:v1\n",
				"docker-bake.hcl": "target \"default\" {\n  contexts = {\"REGISTRY/team/legacy:v1\" = \"target:hard\"}\n}\ntarget \"hard\" {\n  dockerfile = \"hard.txt\"\n}\n",
				"hard.txt":        "FROM REGISTRY/team/bundle:v1\n",
			},
			want: files{"hard.txt": "FROM REGISTRY/team/bundle:v1@" + bundle + "\n"},
			code: 1,
			says: []string{"refused  Dockerfile:1:6 pin REGISTRY/team/legacy:v1: a build puts a named context in its place, ", "\n         next: write REGISTRY/team/legacy:v1@" + legacy + " there and call the context so, too"},
		},
		{
			name: "a folder that stands in for the name",
			files: files{
				"Dockerfile":      "ARG BASE=REGISTRY/team/legacy:v1\nFROM $BASE\n",
				"docker-bake.hcl": "target \"default\" {\n  contexts = {\"REGISTRY/team/legacy:v1\" = \"./local\"}\n}\n",
			},
			code: 1,
			says: []string{"refused  Dockerfile:2:6 ", "a build puts a named context in its place, "},
		},
		{
			name: "a service that stands in for the name",
			files: files{
				"Dockerfile":   "FROM REGISTRY/team/legacy:v1\n",
				"compose.yaml": "services:\n  a: {build: {context: ., additional_contexts: {'REGISTRY/team/legacy:v1': 'service:base'}}}\n  base: {build: {dockerfile_inline: FROM REGISTRY/team/bundle:v1}}\n",
			},
			want: files{"compose.yaml": "services:\n  a: {build: {context: ., additional_contexts: {'REGISTRY/team/legacy:v1': 'service:base'}}}\n  base: {build: {dockerfile_inline: FROM REGISTRY/team/bundle:v1@" + bundle + "}}\n"},
			code: 1,
			says: []string{"refused  Dockerfile:1:6 ", "a build puts a named context in its place, "},
		},
		{
			name:  "a context of the command line",
			files: files{"a/Dockerfile": "FROM REGISTRY/team/bundle:v1\n", "b/Dockerfile": "FROM REGISTRY/team/legacy:v1 AS a\nFROM REGISTRY/team/bundle:v1\nCOPY --from=a / /\n"},
			args:  []string{"--build-context", "REGISTRY/team/legacy:v1=./local", "--build-context", "unused=docker-image://REGISTRY/team/legacy:v1"},
			want:  files{"a/Dockerfile": "FROM REGISTRY/team/bundle:v1@" + bundle + "\n", "b/Dockerfile": "FROM REGISTRY/team/legacy:v1 AS a\nFROM REGISTRY/team/bundle:v1@" + bundle + "\nCOPY --from=a / /\n"},
		},
		{
			name: "a context of the name with the digest",
			files: files{
				"Dockerfile":      "FROM REGISTRY/team/legacy:v1\n",
				"docker-bake.hcl": "target \"default\" {\n  contexts = {\"REGISTRY/team/legacy:v1@" + legacy + "\" = \"./local\"}\n}\n",
			},
			code: 1,
			says: []string{"refused  Dockerfile:1:6 ", "with it, there would be \"a named context\" at Dockerfile:1:6", "next: look at what else uses this text"},
		},
		{
			// The context's own use stays, whichever of the two is written.
			name: "an image that stands in for the name in two files",
			files: files{
				"a/Dockerfile":    "FROM REGISTRY/team/legacy:v1\n",
				"b/Dockerfile":    "FROM REGISTRY/team/legacy:v1\n",
				"docker-bake.hcl": "group \"default\" {\n  targets = [\"a\", \"b\"]\n}\ntarget \"a\" {\n  context = \"a\"\n  contexts = {\"REGISTRY/team/legacy:v1\" = \"docker-image://REGISTRY/team/bundle:v1\"}\n}\ntarget \"b\" {\n  inherits = [\"a\"]\n  context = \"b\"\n}\n",
			},
			want: files{"docker-bake.hcl": "group \"default\" {\n  targets = [\"a\", \"b\"]\n}\ntarget \"a\" {\n  context = \"a\"\n  contexts = {\"REGISTRY/team/legacy:v1\" = \"docker-image://REGISTRY/team/bundle:v1@" + bundle + "\"}\n}\ntarget \"b\" {\n  inherits = [\"a\"]\n  context = \"b\"\n}\n"},
			code: 1,
			says: []string{"refused  a/Dockerfile:1:6 ", "refused  b/Dockerfile:1:6 ", "a build puts a named context in its place, "},
		},
		{
			name:  "nothing to do",
			files: files{"Dockerfile": "FROM REGISTRY/team/legacy:v1@" + legacy + "\n"},
			says:  []string{"1 place with the digest already\n"},
		},
		{
			name:  "nothing at all, which is allowed",
			files: files{"Dockerfile": "FROM scratch\n"},
			args:  []string{"--allow-empty"},
			says:  []string{"there was no image to verify"},
		},
		{
			name:  "nothing at all",
			files: files{"Dockerfile": "FROM scratch\n"},
			code:  1,
			says:  []string{"there was no image to verify"},
		},
		{
			name:  "a digest that nobody signed",
			files: files{"Dockerfile": "FROM REGISTRY/team/legacy:v1@" + other + " AS a\nFROM REGISTRY/team/legacy:v1\nCOPY --from=a / /\n"},
			code:  1,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p, q := w.pinner(t, tc.files), w.pinner(t, tc.files)
			before := p.files()
			if len(before) != len(tc.files) {
				t.Skip("names that differ by case are one file here")
			}
			checked := p.json(t, append([]string{"--check"}, tc.args...)...)
			p.wants(t, before, nil)
			if wrong := tc.code != 0 || len(tc.want) > 0; (checked.code != 0) != wrong {
				t.Errorf("--check: exit %d\n%s", checked.code, checked.stdout)
			}
			r := p.plain(t, tc.args...)
			p.wants(t, before, tc.want)
			if r.code != tc.code {
				t.Errorf("exit %d, want %d\n%s%s", r.code, tc.code, r.stdout, r.stderr)
			}
			for _, s := range tc.says {
				if s = w.policy(s); !strings.Contains(r.stdout, s) {
					t.Errorf("does not say %q:\n%s%s", s, r.stdout, r.stderr)
				}
			}
			doc := q.json(t, tc.args...)
			q.wants(t, before, tc.want)
			exempt := 0
			for i, x := range doc.doc.Pins {
				if x.Exempt {
					exempt++
				}
				if c := checked.doc.Pins; i >= len(c) || c[i] != x {
					t.Errorf("--check has not %+v, but %+v", x, c)
				}
				if !strings.Contains(p.files()[x.File], x.New) || !strings.HasPrefix(x.New, x.Old+"@sha256:") {
					t.Errorf("%+v", x)
				}
			}
			if exempt != tc.exempt || doc.code != tc.code {
				t.Errorf("exit %d, %d exempt\n%s", doc.code, exempt, doc.stdout)
			}
			// Pinned once more, nothing changes.
			after := p.files()
			if again := p.plain(t, tc.args...); again.code != tc.code {
				t.Errorf("again: exit %d\n%s", again.code, again.stdout)
			}
			p.wants(t, after, nil)
		})
	}
}

// An update replaces a digest by the one that the tag has now, once that is
// verified.
func TestPinUpdate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		newer  func(w *world, t *testing.T) // what happens after the first digest was pinned
		file   string                       // OLD is that digest
		code   int
		reason string // of a gate that is closed
		want   string // NEW is the tag's digest; "" is that nothing changes
		says   string
	}{
		{
			name:  "newer, signed",
			newer: func(w *world, t *testing.T) { w.signBundle("team/app", w.newer(), signType, by()) },
			file:  "FROM REGISTRY/team/app:v1@OLD\n", want: "FROM REGISTRY/team/app:v1@NEW\n",
			says: "pinned   Dockerfile:1:6 REGISTRY/team/app:v1@OLD → REGISTRY/team/app:v1@NEW\n\n1 reference in 1 file pinned\n",
		},
		{
			name:  "newer, not signed",
			newer: func(w *world, t *testing.T) { w.newer() },
			file:  "FROM REGISTRY/team/app:v1@OLD\n", code: 1, reason: "unsigned",
		},
		{
			name: "newer, by a stranger",
			newer: func(w *world, t *testing.T) {
				w.signBundle("team/app", w.newer(), signType, by(func(o *sigstoretest.Options) { o.Identity = "someone@else.example" }))
			},
			file: "FROM REGISTRY/team/app:v1@OLD\n", code: 1, reason: "wrong-signer",
		},
		{
			name: "no answer",
			newer: func(w *world, t *testing.T) {
				w.reg.Break(registrytest.Fault{Path: "/manifests/v1", Status: 500})
			},
			file: "FROM REGISTRY/team/app:v1@OLD\n", code: 3, reason: "unavailable",
		},
		{
			name:  "the tag is gone",
			newer: func(w *world, t *testing.T) { w.reg.Break(registrytest.Fault{Path: "/manifests/v1", Status: 404}) },
			file:  "FROM REGISTRY/team/app:v1@OLD\n", code: 1, reason: "not-found",
		},
		{
			name: "the same",
			file: "FROM REGISTRY/team/app:v1@OLD\n", says: "1 place with the digest that the tag has now\n",
		},
		{
			name:  "without a tag",
			newer: func(w *world, t *testing.T) { w.signBundle("team/app", w.newer(), signType, by()) },
			file:  "FROM REGISTRY/team/app@OLD\n",
			says:  "kept     Dockerfile:1:6 update REGISTRY/team/app@OLD: it has no tag that could have another digest now\n\n1 place not updated\n",
		},
		{
			name:  "beside one without a digest",
			newer: func(w *world, t *testing.T) { w.signBundle("team/app", w.newer(), signType, by()) },
			file:  "FROM REGISTRY/team/app:v1@OLD AS a\nFROM REGISTRY/team/app:v1\nCOPY --from=a / /\n",
			want:  "FROM REGISTRY/team/app:v1@NEW AS a\nFROM REGISTRY/team/app:v1@NEW\nCOPY --from=a / /\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registrytest.Options{})
			first := w.image("team/app")
			w.signLegacy("team/app", first, by())
			if tc.newer != nil {
				tc.newer(w, t)
			}
			digest := func(s string) string {
				newer := "none"
				if body, err := w.reg.Manifest("team/app", "v1"); err == nil {
					newer = registrytest.Describe(ocispec.MediaTypeImageManifest, body).Digest.String()
				}
				return strings.NewReplacer("OLD", first.Digest.String(), "NEW", newer, "REGISTRY", w.reg.Host()).Replace(s)
			}
			p := w.pinner(t, map[string]string{"Dockerfile": digest(tc.file)})
			before := p.files()
			// Without --update, a digest stays, whatever the tag is now.
			if r := p.plain(t, "--check"); tc.name != "beside one without a digest" && r.code != 0 {
				t.Errorf("--check: exit %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			dirty := 0
			if tc.want != "" {
				dirty = 1
			}
			if r := p.plain(t, "--check", "--update"); r.code != max(dirty, tc.code) {
				t.Errorf("--check --update: exit %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			p.wants(t, before, nil)
			for range 2 { // of which the second has nothing to do
				r := p.plain(t, "--update")
				if r.code != tc.code {
					t.Errorf("exit %d, want %d\n%s%s", r.code, tc.code, r.stdout, r.stderr)
				}
				if tc.reason != "" && !strings.HasPrefix(r.stdout, tc.reason+" ") {
					t.Errorf("not %s:\n%s", tc.reason, r.stdout)
				}
				if says := digest(tc.says); !strings.Contains(r.stdout, says) {
					t.Errorf("does not say %q:\n%s%s", says, r.stdout, r.stderr)
				}
				if tc.want == "" {
					p.wants(t, before, nil)
				} else {
					p.wants(t, nil, map[string]string{"Dockerfile": digest(tc.want)})
					tc.says = "with the digest that the tag has now\n"
				}
			}
		})
	}
}

// newer moves the tag to another image.
func (w *world) newer() ocispec.Descriptor {
	w.t.Helper()
	return w.must(w.reg.PutImage("team/app", "v1", "newer"))
}

// What is let through by digest only is nobody's word but the reader's: an update
// leaves it alone, and what is decided otherwise without the digest, too.
func TestPinUpdateByRule(t *testing.T) {
	t.Parallel()
	signed := "{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME]}]}"
	for name, tc := range map[string]struct{ rules, more, says string }{
		"by digest only":       {rules: signed + ", {images: ['REGISTRY/team/app'], allow-unsigned: {reason: upstream does not sign}}", says: "nobody signs it, and its rule lets it through by digest only"},
		"this digest":          {rules: signed + ", {images: ['REGISTRY/team/app@OLD'], allow-unsigned: {reason: looked at it}}", says: "nobody signs it, and its rule lets it through by digest only"},
		"this digest, for now": {rules: signed, more: "exceptions: [{images: ['REGISTRY/team/app@OLD'], until: 2026-12-31, owner: me, reason: looked at it}]\n", says: "the rule that decides about it is another one without the digest"},
		"let through by tag":   {rules: "{images: ['REGISTRY/team/app'], allow-unsigned: {reason: none, require-digest: false}}", says: "nobody verifies what its tag has now: its rule lets it through as it is"},
		"another rule by tag":  {rules: "{images: ['REGISTRY/team/app'], allow-unsigned: {reason: none, require-digest: false}}, {images: ['REGISTRY/team/app:v1'], require: [sigstore: {identities: [ACME]}]}", says: "the rule that decides about it is another one without the digest"},
	} {
		w := newWorld(t, registrytest.Options{})
		first := w.image("team/app")
		w.newer()
		digest := strings.NewReplacer("OLD", first.Digest.String())
		p := w.pinner(t, map[string]string{
			"Dockerfile":     digest.Replace("FROM REGISTRY/team/app:v1@OLD\n"),
			".boltseal.yaml": digest.Replace("version: 1\nrules: [" + tc.rules + "]\n" + tc.more),
		})
		before := p.files()
		r := p.plain(t, "--update")
		if r.code != 0 || !strings.Contains(r.stdout, "kept     Dockerfile:1:6 ") || !strings.Contains(r.stdout, tc.says) {
			t.Errorf("%s: exit %d\n%s%s", name, r.code, r.stdout, r.stderr)
		}
		if j := p.json(t, "--update"); len(j.doc.Kept) != 1 || !strings.Contains(j.doc.Kept[0].Message, tc.says) || j.doc.Kept[0].Hint == "" || !slices.Equal(j.reasons(), []string{"exempt"}) {
			t.Errorf("%s: %+v", name, j.doc)
		}
		p.wants(t, before, nil)
	}
}

// A tag that moves during the run was resolved once: every place gets the digest
// that was verified.
func TestPinMovingTag(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	d := w.image("team/app")
	w.signLegacy("team/app", d, by())
	evil := w.must(w.reg.PutImage("team/app", "evil", "evil"))
	body, err := w.reg.Manifest("team/app", evil.Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	moved := false
	p := w.pinner(t, map[string]string{"Dockerfile": "FROM REGISTRY/team/app:v1\n", "b/Dockerfile": "FROM REGISTRY/team/app:v1\n", "compose.yaml": "services: {a: {image: 'REGISTRY/team/app:v1'}}\n"})
	w.reg.Reset(0)
	w.reg.Break(registrytest.Fault{Path: ".sig", Body: func(b []byte) []byte {
		if !moved {
			moved = true
			w.must(w.reg.PutManifest("team/app", "v1", ocispec.MediaTypeImageManifest, body))
		}
		return b
	}})
	r := p.plain(t)
	asked := kinds(w.reg.Requests())
	if r.code != 0 || !moved || asked != "1 tag, 1 sig, 1 referrers, 1 blob" {
		t.Errorf("exit %d, moved %v, %s\n%s%s", r.code, moved, asked, r.stdout, r.stderr)
	}
	pinned := "REGISTRY/team/app:v1@" + d.Digest.String()
	p.wants(t, nil, map[string]string{"Dockerfile": "FROM " + pinned + "\n", "b/Dockerfile": "FROM " + pinned + "\n", "compose.yaml": "services: {a: {image: '" + pinned + "'}}\n"})
}

// A tag that moves between two looks at it, one of which is for another platform,
// has no digest that could be written.
func TestPinTagMovesBetween(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy("team/app", w.image("team/app"), by())
	evil := w.must(w.reg.PutImage("team/app", "evil", "evil"))
	w.signLegacy("team/app", evil, by())
	body, err := w.reg.Manifest("team/app", evil.Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	w.reg.Break(registrytest.Fault{Path: "/blobs/", Body: func(b []byte) []byte {
		if n++; n == 1 {
			w.must(w.reg.PutManifest("team/app", "v1", ocispec.MediaTypeImageManifest, body))
		}
		return b
	}})
	p := w.pinner(t, map[string]string{"Dockerfile": "FROM --platform=linux/s390x REGISTRY/team/app:v1 AS a\nFROM REGISTRY/team/app:v1\nCOPY --from=a / /\n"})
	before := p.files()
	r := p.plain(t, "--platform", "linux/amd64", "--jobs", "1")
	if r.code != 3 || !strings.Contains(r.stderr, "within one run, so that nothing was written\n  next: run it again\n") || r.stdout != "" {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	p.wants(t, before, nil)
}

// Pinning asks what verifying asks, and nothing more.
func TestPinRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	files := map[string]string{}
	for i := range 10 {
		repo := fmt.Sprintf("team/app%d", i)
		d := w.image(repo)
		if i%2 == 0 {
			w.signLegacy(repo, d, by())
		} else {
			w.signBundle(repo, d, signType, by())
		}
		at := ""
		if i < 4 {
			at = "@" + d.Digest.String()
		}
		files[fmt.Sprintf("%d/Dockerfile", i)] = "FROM REGISTRY/" + repo + ":v1" + at + "\nCOPY --from=REGISTRY/" + repo + ":v1" + at + " / /\n"
	}
	p := w.pinner(t, files)
	count := func(want string, args ...string) {
		t.Helper()
		w.reg.Reset(0)
		if args[0] == "verify" {
			var out, errs bytes.Buffer
			c := cli.Command{Dir: p.dir, Stdout: &out, Stderr: &errs, LookupEnv: lookup(env)}
			if code := c.Main(t.Context(), append([]string{"boltseal"}, append(args, "--trusted-root", w.root, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer)...)); code != 0 {
				t.Fatalf("exit %d: %s%s", code, out.String(), errs.String())
			}
		} else if r := p.json(t, args[1:]...); r.code > 1 || r.doc.Report.Requests != len(w.reg.Requests()) {
			t.Errorf("%q: exit %d, %d requests of %d", args, r.code, r.doc.Report.Requests, len(w.reg.Requests()))
		}
		if got := kinds(w.reg.Requests()); got != want {
			t.Errorf("%q: %s, want %s", args, got, want)
		}
	}
	const before = "6 tag, 10 sig, 10 referrers, 5 manifest, 10 blob"
	count(before, "verify")
	count(before, "pin", "--check")
	count("10 tag, 10 sig, 10 referrers, 5 manifest, 10 blob", "pin", "--check", "--update")
	count(before, "pin")
	const after = "10 sig, 10 referrers, 5 manifest, 10 blob"
	count(after, "pin")
	count(after, "verify")
	count("10 tag, 10 sig, 10 referrers, 5 manifest, 10 blob", "pin", "--update")
}

// What would be written is shown as a diff, and the rest goes elsewhere.
func TestPinCheck(t *testing.T) {
	t.Parallel()
	w, digests := newPinWorld(t)
	p := w.pinner(t, map[string]string{
		"Dockerfile":   "# one\n# two\nFROM REGISTRY/team/legacy:v1 AS a\nRUN a \\\n\tb\nCOPY --from=REGISTRY/team/bundle:v1 / /\nFROM a\n",
		"compose.yaml": "services:\r\n  a: {image: REGISTRY/team/legacy:v1}\r\n",
	})
	before := p.files()
	r := p.plain(t, "--check")
	diff := w.policy("--- a/Dockerfile\n+++ b/Dockerfile\n@@ -1,7 +1,7 @@\n # one\n # two\n" +
		"-FROM REGISTRY/team/legacy:v1 AS a\n+FROM REGISTRY/team/legacy:v1@" + digests["legacy"] + " AS a\n RUN a \\\n \tb\n" +
		"-COPY --from=REGISTRY/team/bundle:v1 / /\n+COPY --from=REGISTRY/team/bundle:v1@" + digests["bundle"] + " / /\n FROM a\n" +
		"--- a/compose.yaml\n+++ b/compose.yaml\n@@ -1,2 +1,2 @@\n services:\r\n-  a: {image: REGISTRY/team/legacy:v1}\r\n+  a: {image: REGISTRY/team/legacy:v1@" + digests["legacy"] + "}\r\n")
	if r.code != 1 || r.stdout != diff || r.stderr != "3 references in 2 files to pin: run boltseal pin without --check\n" {
		t.Errorf("exit %d\n%q\nwant\n%q\n%s", r.code, r.stdout, diff, r.stderr)
	}
	p.wants(t, before, nil)
	p.plain(t)
	if r = p.plain(t, "--check", "--exclude", "none"); r.code != 0 || r.stdout != "3 places with the digest already\n" || r.stderr != "warning: --exclude left nothing out: no file or folder matches\n" {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r = p.plain(t, "--check"); r.code != 0 || r.stdout != "3 places with the digest already\n" || r.stderr != "" {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r = p.plain(t, "--check", "--update"); r.code != 0 || r.stdout != "3 places with the digest that the tag has now\n" || r.stderr != "" {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// Files that are not the workspace's own, or not only themselves, are left alone.
func TestPinLinks(t *testing.T) {
	t.Parallel()
	w, digests := newPinWorld(t)
	const from = "FROM REGISTRY/team/legacy:v1\n"
	pinned := "FROM REGISTRY/team/legacy:v1@" + digests["legacy"] + "\n"
	for _, tc := range []struct {
		name  string
		files map[string]string
		links map[string]string
		args  []string
		code  int
		want  []string // files that are pinned
		says  string
	}{
		{"a link to a file that is not pinned", map[string]string{"real/base": from}, map[string]string{"Dockerfile": "real/base"}, nil, 1, nil, "refused  Dockerfile:1:6 pin REGISTRY/team/legacy:v1: rewrite the file: it is reached by a link, to real/base\n         next: run boltseal pin on real/base"},
		{"a link to a file that is pinned", map[string]string{"real/Dockerfile": from}, map[string]string{"Dockerfile": "real/Dockerfile"}, nil, 0, []string{"real/Dockerfile"}, "1 reference in 1 file pinned\n"},
		{"a link to a folder", map[string]string{"vendor/a/Dockerfile": from}, map[string]string{"lib": "vendor/a"}, nil, 1, nil, "refused  lib/Dockerfile:1:6 "},
		{"a link to a folder that is asked for", map[string]string{"vendor/a/Dockerfile": from}, map[string]string{"lib": "vendor/a"}, []string{"lib", "vendor/a/Dockerfile"}, 0, []string{"vendor/a/Dockerfile"}, "1 reference in 1 file pinned\n"},
		{"a repository in the workspace", map[string]string{"Dockerfile": from, "sub/.git": "gitdir: x\n", "sub/a/Dockerfile": from}, nil, nil, 1, []string{"Dockerfile"}, "refused  sub/a/Dockerfile:1:6 pin REGISTRY/team/legacy:v1: rewrite the file: it is in a repository of its own, sub\n         next: run boltseal pin in that repository\n"},
		{"a file of git", map[string]string{".git/Dockerfile": from}, nil, []string{".git/Dockerfile"}, 1, nil, "it is in a folder of git"},
		{"out of the workspace", map[string]string{"Dockerfile": "FROM scratch\n"}, map[string]string{"api.Dockerfile": "../../x"}, nil, 1, nil, "unresolved "},
	} {
		p := w.pinner(t, tc.files)
		for link, target := range tc.links {
			if err := os.Symlink(target, filepath.Join(p.dir, link)); err != nil {
				t.Skip(err)
			}
		}
		before := p.files()
		want := map[string]string{}
		for _, name := range tc.want {
			want[name] = pinned
		}
		r := p.plain(t, tc.args...)
		if r.code != tc.code || !strings.Contains(r.stdout, w.policy(tc.says)) {
			t.Errorf("%s: exit %d\n%s%s", tc.name, r.code, r.stdout, r.stderr)
		}
		p.wants(t, before, want)
		if tc.code == 0 {
			if again := p.plain(t, append(tc.args, "--check")...); again.code != 0 {
				t.Errorf("%s, again: exit %d\n%s%s", tc.name, again.code, again.stdout, again.stderr)
			}
		}
	}
}

// A file that its owner has made read-only stays as it is.
func TestPinReadOnly(t *testing.T) {
	t.Parallel()
	w, digests := newPinWorld(t)
	const from = "FROM REGISTRY/team/legacy:v1\n"
	p := w.pinner(t, map[string]string{"Dockerfile": from, "sub/Dockerfile": from})
	if err := os.Chmod(filepath.Join(p.dir, "Dockerfile"), 0o400); err != nil {
		t.Fatal(err)
	}
	before := p.files()
	r := p.plain(t)
	if r.code != 1 || !strings.Contains(r.stdout, "it is read-only\n         next: make it writable") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	p.wants(t, before, map[string]string{"sub/Dockerfile": "FROM REGISTRY/team/legacy:v1@" + digests["legacy"] + "\n"})
}

// The mode of a file stays.
func TestPinMode(t *testing.T) {
	t.Parallel()
	w, _ := newPinWorld(t)
	p := w.pinner(t, map[string]string{"Dockerfile": "FROM REGISTRY/team/legacy:v1\n"})
	file := filepath.Join(p.dir, "Dockerfile")
	if err := os.Chmod(file, 0o755); err != nil { //nolint:gosec // it is what is looked for
		t.Fatal(err)
	}
	if r := p.plain(t); r.code != 0 {
		t.Fatalf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o755 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// Whatever fails while files are written, none of them has changed.
func TestPinWriteFails(t *testing.T) {
	t.Parallel()
	w, _ := newPinWorld(t)
	for at := 1; ; at++ {
		p := w.pinner(t, map[string]string{"Dockerfile": "FROM REGISTRY/team/legacy:v1\n", "b/Dockerfile": "FROM REGISTRY/team/legacy:v1\n"})
		failed := false
		p.command = func(c cli.Command) cli.Command { return c.FailingAt(at, &failed) }
		before := p.files()
		r := p.plain(t)
		if !failed {
			if at < 20 || r.code != 0 {
				t.Errorf("%d operations, exit %d\n%s", at, r.code, r.stderr)
			}
			return
		}
		switch {
		case r.code == 3:
			if !strings.HasPrefix(r.stderr, "boltseal: pin: write ") || !strings.Contains(r.stderr, "all files are as they were\n  next: ") || r.stdout != "" {
				t.Errorf("operation %d: %s%s", at, r.stdout, r.stderr)
			}
			p.wants(t, before, nil)
		case r.code == 0 && strings.Contains(r.stderr, "could not be removed"): // the last step
		case r.code == 0 && r.stderr == "": // a link, instead of which there is a copy
		default:
			t.Errorf("operation %d: exit %d\n%s%s", at, r.code, r.stdout, r.stderr)
		}
	}
}

// What changes while the images are verified is not written over.
func TestPinChangedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		file, text string
		code       int
		says       string
	}{
		"another reference":                       {"Dockerfile", "FROM REGISTRY/team/other:v1\n", 1, "the file was changed meanwhile"},
		"another reference, in a file that stays": {"b/Dockerfile", "FROM REGISTRY/team/app:v2\n", 3, "somebody changes it meanwhile, so that nothing was written"},
		"another file":                            {"c/Dockerfile", "FROM REGISTRY/team/app:v2\n", 3, "somebody changes it meanwhile, so that nothing was written"},
	} {
		w := newWorld(t, registrytest.Options{})
		d := w.image("team/app")
		w.signLegacy("team/app", d, by())
		p := w.pinner(t, map[string]string{"Dockerfile": "FROM REGISTRY/team/app:v1\n", "b/Dockerfile": "FROM REGISTRY/team/app:v1@" + d.Digest.String() + "\n"})
		w.reg.Break(registrytest.Fault{Path: ".sig", Body: func(b []byte) []byte {
			full := filepath.Join(p.dir, tc.file)
			if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(full, []byte(w.policy(tc.text)), 0o600); err != nil {
				t.Error(err)
			}
			return b
		}})
		before := p.files()
		r := p.plain(t)
		if r.code != tc.code || !strings.Contains(r.stdout+r.stderr, tc.says) {
			t.Errorf("%s: exit %d\n%s%s", name, r.code, r.stdout, r.stderr)
		}
		p.wants(t, before, map[string]string{tc.file: tc.text})
	}
}

// Bad input is found before anybody is asked.
func TestPinBadInput(t *testing.T) {
	t.Parallel()
	w, _ := newPinWorld(t)
	p := w.pinner(t, map[string]string{"repo/.git/HEAD": "", "repo/Dockerfile": "FROM REGISTRY/team/legacy:v1\n", "other/Dockerfile": "FROM REGISTRY/team/legacy:v1\n"})
	all := p.files()
	p.dir = filepath.Join(p.dir, "repo")
	w.reg.Reset(0)
	for _, tc := range []struct {
		args []string
		says []string
	}{
		{[]string{"../other/Dockerfile"}, []string{"PATH: ../other/Dockerfile is outside of ", "next: change to the folder that it is in"}},
		{[]string{"../other"}, []string{"PATH: ", "is outside of "}},
		{[]string{"none"}, []string{"PATH: ", `"none"`}},
		{[]string{"--output", "xml"}, []string{"--output", "json"}},
		{[]string{"--mode", "warn"}, []string{"unknown flag: --mode", "boltseal pin --help"}},
		{[]string{"--report", "json=x"}, []string{"unknown flag: --report"}},
		{[]string{"--update-lock"}, []string{"unknown flag: --update-lock"}},
		{[]string{"--handover", "source-policy=x"}, []string{"unknown flag: --handover"}},
		{[]string{"--lock", "none.lock"}, []string{"--lock: there is no lock none.lock", "next: write it with boltseal verify --lock"}},
		{[]string{"--policy", "none.yaml"}, []string{"--policy"}},
		{[]string{"--jobs", "0"}, []string{"--jobs"}},
		{[]string{"REGISTRY/team/legacy:v1"}, []string{"PATH: "}},
	} {
		r := p.plain(t, tc.args...)
		if r.code != 2 || r.stdout != "" {
			t.Errorf("%q: exit %d\n%s%s", tc.args, r.code, r.stdout, r.stderr)
		}
		for _, s := range append(tc.says, "next: ") {
			if !strings.Contains(r.stderr, s) {
				t.Errorf("%q does not say %q:\n%s", tc.args, s, r.stderr)
			}
		}
	}
	if asked := w.reg.Requests(); len(asked) > 0 {
		t.Errorf("%v", asked)
	}
	p.dir = filepath.Dir(p.dir)
	p.wants(t, all, nil)
}

// The lock holds, and is not written.
func TestPinLock(t *testing.T) {
	t.Parallel()
	w, digests := newPinWorld(t)
	either := "version: 1\nrules: [{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME, EVIL]}]}]\n"
	p := w.pinner(t, map[string]string{"Dockerfile": "FROM REGISTRY/team/legacy:v1\n", ".boltseal.yaml": either})
	lock := func(ref, signer string) string {
		return `{"version": 1, "images": {"` + ref + `": [{"system": "sigstore", "signer": "` + signer + `", "issuer": "` + issuer + `"}]}}`
	}
	for _, tc := range []struct {
		name, text string
		code       int
	}{
		{"another signer", lock(w.reg.Host()+"/team/legacy:v1", "https://github.com/acme-evil/app/.github/workflows/release.yml@refs/heads/main"), 1},
		{"not in it", lock(w.reg.Host()+"/team/other:v1", identity), 0},
	} {
		if err := os.WriteFile(filepath.Join(p.dir, "boltseal.lock"), []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		before := p.files()
		r := p.plain(t, "--lock", "boltseal.lock")
		want := map[string]string{}
		if tc.code == 0 {
			want["Dockerfile"] = "FROM REGISTRY/team/legacy:v1@" + digests["legacy"] + "\n"
		} else if !strings.Contains(r.stdout, "wrong-signer ") || !strings.Contains(r.stdout, "changed: ") {
			t.Errorf("%s: %s", tc.name, r.stdout)
		}
		if r.code != tc.code {
			t.Errorf("%s: exit %d\n%s%s", tc.name, r.code, r.stdout, r.stderr)
		}
		p.wants(t, before, want)
	}
}

// Files are hostile: nothing that they have in them is obeyed by the runner, or
// moves the cursor. A password is not printed.
func TestPinHostile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{User: "user", Password: "s3cr3t"})
	d := w.image("team/app")
	w.signLegacy("team/app", d, by())
	for _, evil := range hostile {
		evil = strings.NewReplacer("\n", "\n", "\x00", "").Replace(evil)
		p := w.pinner(t, map[string]string{
			"Dockerfile":   "# " + strings.ReplaceAll(evil, "\n", "\n# ") + "\nFROM REGISTRY/team/app:v1\nRUN <<THERE\n" + evil + "\n\t " + evil + "\nTHERE\n",
			"compose.yaml": "services: {a: {image: 'REGISTRY/team/app:v1'}}\n",
		})
		name := strings.NewReplacer("/", "_", "\x00", "").Replace(evil)
		if err := os.WriteFile(filepath.Join(p.dir, name+".Dockerfile"), []byte("FROM "+w.reg.Host()+"/team/app:v1\n"), 0o600); err != nil {
			t.Log(err)
		}
		for i, args := range [][]string{{"--check"}, {"--check", "--output", "json"}, {"--build-arg", "A=b"}, {"--check"}} {
			r := p.plain(t, append(args, "--registry-username", "user", "--registry-password-stdin")...)
			both := r.stdout + "\n" + r.stderr
			if found := runnertest.Commands(both); len(found) > 0 {
				t.Errorf("%q %q: the runner obeys %+v in\n%s", evil, args, found, both)
			}
			if strings.ContainsAny(strings.ReplaceAll(both, "\r\n", "\n"), "\x1b\r\x00\u202e") || strings.Contains(both, "s3cr3t") {
				t.Errorf("%q %q:\n%q", evil, args, both)
			}
			if r.code != []int{1, 1, 0, 0}[i] {
				t.Errorf("%q %q: exit %d\n%s", evil, args, r.code, both)
			}
		}
	}
}

// A broken writer takes nothing.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, fs.ErrClosed }

// Where nobody can be told, the exit code says so, and standard error what has
// become of the files.
func TestPinNobodyToTell(t *testing.T) {
	t.Parallel()
	w, digests := newPinWorld(t)
	pinned := map[string]string{"Dockerfile": "FROM REGISTRY/team/legacy:v1@" + digests["legacy"] + "\n"}
	for _, tc := range []struct {
		file string
		args []string
		want map[string]string
		says string
	}{
		{"FROM REGISTRY/team/legacy:v1\n", nil, pinned, "boltseal: say what was pinned, though it was: "},
		{"FROM REGISTRY/team/legacy:v1\n", []string{"--output", "json"}, pinned, "boltseal: say what was pinned, though it was: "},
		{"FROM REGISTRY/team/legacy:v1\n", []string{"--check"}, nil, "boltseal: say what is to be pinned: "},
		{"FROM REGISTRY/team/unsigned:v1\n", nil, nil, "boltseal: write the report: "},
		{"FROM REGISTRY/team/unsigned:v1\n", []string{"--output", "json"}, nil, "boltseal: write the report: "},
	} {
		p := w.pinner(t, map[string]string{"Dockerfile": tc.file})
		p.command = func(c cli.Command) cli.Command { c.Stdout = broken{}; return c }
		before := p.files()
		r := p.plain(t, tc.args...)
		if r.code != 3 || !strings.HasPrefix(r.stderr, tc.says) {
			t.Errorf("%q: exit %d\n%s", tc.args, r.code, r.stderr)
		}
		p.wants(t, before, tc.want)
	}
}

// Whose a file is stays, where that is allowed.
func TestPinOwner(t *testing.T) {
	t.Parallel()
	w, _ := newPinWorld(t)
	p := w.pinner(t, map[string]string{"Dockerfile": "FROM REGISTRY/team/legacy:v1\n"})
	file := filepath.Join(p.dir, "Dockerfile")
	if err := os.Chown(file, 12345, 23456); err != nil {
		t.Skip(err)
	}
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if r := p.plain(t); r.code != 0 {
		t.Fatalf("exit %d\n%s", r.code, r.stderr)
	}
	after, err := os.Stat(file)
	if err != nil || os.SameFile(before, after) || cli.Owner(after) != cli.Owner(before) || cli.Owner(after) != [2]int{12345, 23456} {
		t.Errorf("%v, %v, %v", err, cli.Owner(before), cli.Owner(after))
	}
}

// A run that is ended writes nothing.
func TestPinInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy("team/app", w.image("team/app"), by())
	p := w.pinner(t, map[string]string{"Dockerfile": "FROM REGISTRY/team/app:v1\n"})
	ctx, cancel := context.WithCancel(t.Context())
	w.reg.Break(registrytest.Fault{Path: "/blobs/", Body: func(b []byte) []byte { cancel(); return b }})
	before := p.files()
	var out, errs bytes.Buffer
	c := cli.Command{Dir: p.dir, Stdout: &out, Stderr: &errs, LookupEnv: lookup(env)}
	code := c.Main(ctx, []string{"boltseal", "pin", "--trusted-root", w.root, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer})
	if code != 3 || !strings.Contains(out.String(), "interrupted") {
		t.Errorf("exit %d\n%s%s", code, out.String(), errs.String())
	}
	p.wants(t, before, nil)
}

// By a policy, a digest is updated where one rule decides with it and without.
func TestPinUpdateByPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	first := w.image("team/app")
	second := w.newer()
	w.signBundle("team/app", second, signType, by())
	p := w.pinner(t, map[string]string{
		"Dockerfile":     "FROM REGISTRY/team/app:v1@" + first.Digest.String() + "\n",
		".boltseal.yaml": "version: 1\nrules: [{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME]}]}]\n",
	})
	if r := p.plain(t, "--update"); r.code != 0 || !strings.HasPrefix(r.stdout, "pinned ") || r.stderr != "" {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if got := p.files()["Dockerfile"]; got != p.policy("FROM REGISTRY/team/app:v1@"+second.Digest.String()+"\n") {
		t.Error(got)
	}
}

// Files are named as they are seen from the current folder, wherever the
// repository begins.
func TestPinBelow(t *testing.T) {
	t.Parallel()
	w, digests := newPinWorld(t)
	const from = "FROM REGISTRY/team/legacy:v1\n"
	p := w.pinner(t, map[string]string{".git/HEAD": "", "api/Dockerfile": "ARG BASE=REGISTRY/team/legacy:v1\nFROM ${BASE}\n", "Dockerfile": from, "web/Dockerfile": from})
	top, before := p.dir, p.files()
	p.dir = filepath.Join(top, "api")
	r := p.plain(t, ".", "../web/Dockerfile")
	p.dir = top
	p.wants(t, before, map[string]string{"api/Dockerfile": "ARG BASE=REGISTRY/team/legacy:v1@" + digests["legacy"] + "\nFROM ${BASE}\n", "web/Dockerfile": "FROM REGISTRY/team/legacy:v1@" + digests["legacy"] + "\n"})
	if r.code != 0 || !strings.Contains(r.stdout, "pinned   Dockerfile:1:10 ") || !strings.Contains(r.stdout, "pinned   ../web/Dockerfile:1:6 ") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
