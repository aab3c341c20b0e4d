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
	all := maps.Clone(before)
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
		{name: "not signed", file: "FROM REGISTRY/team/unsigned:v1\n", code: 1, reason: "unsigned", says: "there are no signatures"},
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
			if r.code != tc.code || !strings.Contains("\n"+r.stdout, "\n"+word) || !strings.Contains(r.stdout, tc.says) || !strings.Contains(r.stdout, "gate closed") {
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

var (
	_ = ocispec.MediaTypeImageIndex
	_ = runnertest.Commands
)
