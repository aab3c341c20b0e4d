package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/notationtest"
)

// releaseDigest is of the image that the examples sign.
const releaseDigest = "sha256:749454f7de71939c56ec0421cb1d6facfda71ac1b8561f990e71ec8ce8c1eb61"

// deadServices is a signing config of services that do not answer.
const deadServices = `{"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
	"caUrls": [{"url": "http://127.0.0.1:1", "majorApiVersion": 1, "validFor": {"start": "2020-01-01T00:00:00Z"}, "operator": "nobody"}],
	"rekorTlogUrls": [{"url": "http://127.0.0.1:1", "majorApiVersion": 1, "validFor": {"start": "2020-01-01T00:00:00Z"}, "operator": "nobody"}],
	"rekorTlogConfig": {"selector": "ANY"}, "tsaConfig": {"selector": "ANY"}}`

// releaseJob returns a folder with the files of a release job, when it runs, and
// the environment, in which a gate step has passed.
func releaseJob(t *testing.T, f files) (dir string, now func() time.Time, env map[string]string) {
	t.Helper()
	dir = t.TempDir()
	gate, err := os.ReadFile("report/testdata/colour-passed.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Started time.Time }
	if err := json.Unmarshal(gate, &doc); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(f.private)
	if err != nil {
		t.Fatal(err)
	}
	by, err := notationtest.NewAuthority(notationtest.AuthorityOptions{NotBefore: doc.Started})
	if err != nil {
		t.Fatal(err)
	}
	release, err := by.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	tsa, err := notationtest.NewTSA(notationtest.TSAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"release.key": string(release), "alice.key": string(release), "release.pem": string(notationtest.PEM(by.Chain...)), "tsa-root.pem": string(notationtest.PEM(tsa.Root())),
		"runner/boltseal-1/report.json": string(gate), "gate.json": string(gate), "cosign.key": string(key),
		"trivy.json": `{"SchemaVersion": 2, "ArtifactName": "` + dead + "/acme/app@" + releaseDigest + `", "ArtifactType": "container_image", "Metadata": {"RepoDigests": ["` + dead + "/acme/app@" + releaseDigest + `"]},
			"Results": [{"Target": "app", "Class": "os-pkgs", "Type": "debian"}]}`,
		"sbom.spdx.json": `{"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "app", "documentNamespace": "https://acme.example/app", "creationInfo": {"created": "2026-03-01T10:30:00Z", "creators": ["Tool: none"]}, "packages": []}`,
	} {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, func() time.Time { return doc.Started.Add(time.Hour) }, map[string]string{
		"RUNNER_TEMP": filepath.Join(dir, "runner"), "GITHUB_ACTIONS": "true", "NOTATION_KEY": string(release),
		"ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:1/token", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "secret",
	}
}

// trySign runs an example, the arguments from sign on, as far as it gets without
// a network.
func trySign(t *testing.T, where string, example []string, f files) {
	t.Helper()
	dir, now, env := releaseJob(t, f)
	var args []string
	for i, arg := range example {
		ref, err := image.Parse(arg)
		switch {
		case i > 0 && err == nil && strings.Contains(arg, "/") && strings.Contains(arg, "acme"):
			arg = strings.Replace(ref.String(), ref.Registry(), dead, 1)
		case strings.HasPrefix(arg, "/tmp/gate/"):
			arg = "gate.json"
		}
		args = append(args, arg)
	}
	if !slices.Contains(args, "notation") && !slices.Contains(args, "dct") {
		args = append(args, "--trusted-root", f.root, "--signing-config", f.config)
	}
	code, out, errs := boltsealAt(t, now, dir, func(name string) string { return env[name] }, args...)
	if code != 3 || !strings.Contains(out, "unavailable") || strings.Contains(errs, "boltseal:") {
		t.Errorf("%s: %q: exit %d\n%s%s", where, args, code, out, errs)
	}
}

// Every flag of sign is in the table, the page shows a document of the program's,
// and explains each field.
func TestDocsSign(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("docs/sign.md")
	if err != nil {
		t.Fatal(err)
	}
	p := parsePage("docs/sign.md", string(body))
	for name := range flags(t, "sign") {
		if name != "help" && !regexp.MustCompile("(?m)^\\| [^|]*`--"+name+"`").MatchString(p.text) {
			t.Errorf("there is no row for --%s", name)
		}
	}
	example, err := os.ReadFile("report/testdata/signed/one.json")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(p.fences, func(f fence) bool { return f.lang == "json" && f.text == string(example) }) {
		t.Error("the page does not show report/testdata/signed/one.json as it is")
	}
	schema, err := os.ReadFile("docs/sign.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(schema, &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(x any) {
		o, ok := x.(map[string]any)
		if !ok {
			return
		}
		if properties, ok := o["properties"].(map[string]any); ok {
			for name := range properties {
				if name != "name" && name != "tool" && name != "version" && !strings.Contains(p.prose, "`"+name+"`") {
					t.Errorf("the page does not explain %s", name)
				}
			}
		}
		for _, v := range o {
			walk(v)
		}
	}
	walk(doc)
}

// Every flag of cosign's that the page lists is a flag of ours, or refused with
// what to write.
func TestDocsSignFromCosign(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("docs/sign.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(body), "\n## Coming from cosign\n")
	text, _, _ = strings.Cut(text, "\n## ")
	ours, seen := flags(t, "sign"), 0
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]+)\\|").FindAllStringSubmatch(text, -1) {
		for _, span := range regexp.MustCompile("`cosign (?:sign|attest) ([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			for _, flag := range regexp.MustCompile(`(?:^| )(--?[a-z][a-z0-9-]*)`).FindAllStringSubmatch(span[1], -1) {
				seen++
				if _, there := ours[strings.TrimPrefix(flag[1], "--")]; there || flag[1] == "-a" {
					continue
				}
				code, _, errs := boltseal(t, noEnv, "sign", "ghcr.io/acme/app:v1", flag[1])
				if code != 2 || !strings.HasPrefix(errs, "boltseal: unknown ") || strings.Contains(errs, "lists the flags") {
					t.Errorf("%s: exit %d: %s", flag[1], code, errs)
				}
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d flags were found", seen)
	}
}
