package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/programtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/sign/predicate"
)

func attestationPage(t *testing.T) page {
	t.Helper()
	body, err := os.ReadFile("docs/attestations.md")
	if err != nil {
		t.Fatal(err)
	}
	return parsePage("docs/attestations.md", string(body))
}

// fenceOf returns the text of the page's only fence in lang that has a word.
func (p page) fenceOf(t *testing.T, lang, word string) string {
	t.Helper()
	found := ""
	for _, f := range p.fences {
		if f.lang == lang && strings.Contains(f.text, word) {
			if found != "" {
				t.Fatalf("%s has two fences with %s", p.name, word)
			}
			found = f.text
		}
	}
	if found == "" {
		t.Fatalf("%s has no fence with %s", p.name, word)
	}
	return found
}

// shownSummary is the summary that docs/attestations.md shows, of an image.
func shownSummary(t *testing.T, resource string) json.RawMessage {
	t.Helper()
	at := time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)
	body, _, err := predicate.Summary(predicate.VSA{
		Resource: resource, Version: "0.7.0", Scanned: true,
		Gates:  []predicate.Checked{{Name: "report.json", Body: []byte("report\n"), Time: at}},
		Scans:  []predicate.Checked{{Name: "trivy.json", Body: []byte("findings\n"), Time: at.Add(time.Minute), About: "sha256:" + strings.Repeat("c", 64)}},
		Limits: predicate.Limits{FailOn: "high", Allow: []byte("allowed\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// The types that docs/attestations.md has are those of the flags.
func TestDocsAttestationTypes(t *testing.T) {
	t.Parallel()
	p := attestationPage(t)
	rows := regexp.MustCompile("(?m)^\\| ((?:`[a-z0-9]+`(?:, )?)+) \\| `(https://[^`]+)` \\| ").FindAllStringSubmatch(p.text, -1)
	names := 0
	for _, row := range rows {
		for _, name := range regexp.MustCompile("[a-z0-9]+").FindAllString(row[1], -1) {
			names++
			if uri, err := predicate.Type(name); err != nil || uri != row[2] {
				t.Errorf("%s is %s (%v), not %s", name, uri, err, row[2])
			}
		}
		// A type that is known refuses what is not of it.
		if _, err := predicate.Check(row[2], []byte(`{}`)); (err == nil) != strings.Contains(row[1], "custom") {
			t.Errorf("{} as %s: %v", row[2], err)
		}
	}
	if _, err := predicate.Type("nonsense"); err == nil || names != strings.Count(err.Error(), ",")+3 { // and spdxjson, slsaprovenance02
		t.Errorf("%d names are shown; %v", names, err)
	}
	for _, uri := range []string{"https://slsa.dev/verification_summary/v1", "https://in-toto.io/attestation/test-result/v0.1", "https://slsa.dev/provenance/v0.1", "https://spdx.dev/Document/v2.3"} {
		if _, err := predicate.Check(uri, []byte(`{}`)); err == nil || !strings.Contains(p.prose, "`"+uri+"`") {
			t.Errorf("{} as %s: %v", uri, err)
		}
	}
	custom, err := predicate.Check("custom", []byte("{\"coverage\": 81}\n"))
	if want := p.fenceOf(t, "json", "coverage"); err != nil || string(custom)+"\n" != want {
		t.Errorf("%s, %v; the page has %s", custom, err, want)
	}
}

// The summary of docs/attestations.md is what --vsa makes, and its digest of the
// policy is what the command there gives.
func TestDocsSummary(t *testing.T) {
	t.Parallel()
	p := attestationPage(t)
	body := shownSummary(t, "ghcr.io/acme/app@sha256:"+strings.Repeat("a", 64))
	var shown bytes.Buffer
	if err := json.Indent(&shown, body, "", "  "); err != nil {
		t.Fatal(err)
	}
	if want := p.fenceOf(t, "json", "verifier"); shown.String()+"\n" != want {
		t.Errorf("%s\nthe page has\n%s", shown.String(), want)
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	for member := range doc {
		if !strings.Contains(p.text, "\n| `"+member+"` | ") {
			t.Errorf("the page does not explain %s", member)
		}
	}
	programtest.Found(t, "jq")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "vsa.json"), body, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", p.fenceOf(t, "sh", "sha256sum")) //nolint:gosec // our own documentation
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sum, _, _ := strings.Cut(string(out), " ")
	if !strings.Contains(string(doc["policy"]), `"digest":{"sha256":"`+sum+`"}`) {
		t.Errorf("the command gives %s; %s", sum, doc["policy"])
	}
}

// A summary is read by verify: by its type, and by the policy of the page.
func TestDocsSummaryIsVerified(t *testing.T) {
	t.Parallel()
	p := attestationPage(t)
	reg := registrytest.Start(registrytest.Options{})
	t.Cleanup(reg.Close)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	sig, err := sigstoretest.New(now)
	if err != nil {
		t.Fatal(err)
	}
	root, err := sig.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	policy := strings.ReplaceAll(p.fenceOf(t, "yaml", "where:"), "ghcr.io/", reg.Host()+"/")
	for name, text := range map[string]string{".boltseal.yaml": policy, "root.json": string(root)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rootFile := filepath.Join(dir, "root.json")
	var flags []string
	for _, f := range p.fences {
		for _, line := range f.commands() {
			if strings.HasPrefix(line, "boltseal verify ") {
				flags = words(t, line)[0][3:]
			}
		}
	}
	for _, tc := range []struct {
		name, tag         string
		attest            func(ref string) []byte
		byPolicy, byFlags int
		reason            string
	}{
		{"as it is made", "v1", func(ref string) []byte { return shownSummary(t, ref) }, 0, 0, "verified"},
		{"of another image", "v2", func(string) []byte { return shownSummary(t, reg.Host()+"/acme/app@sha256:"+strings.Repeat("b", 64)) }, 1, 0, "wrong-type"},
		{"of a scan only", "v3", func(ref string) []byte {
			return bytes.Replace(shownSummary(t, ref), []byte(`"BOLTSEAL_BASES_VERIFIED",`), nil, 1)
		}, 1, 0, "wrong-type"},
		{"of what failed", "v4", func(ref string) []byte {
			return bytes.Replace(shownSummary(t, ref), []byte(`"PASSED"`), []byte(`"FAILED"`), 1)
		}, 1, 0, "wrong-type"},
	} {
		d, err := reg.PutImage("acme/app", tc.tag, tc.tag)
		if err != nil {
			t.Fatal(err)
		}
		b, err := sig.Bundle(predicate.SummaryType, d.Digest.Encoded(), tc.attest(reg.Host()+"/acme/app@"+d.Digest.String()), sigstoretest.Options{
			Identity: "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main", Issuer: "https://token.actions.githubusercontent.com",
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := reg.PutBundle("acme/app", d, b); err != nil {
			t.Fatal(err)
		}
		ref := reg.Host() + "/acme/app:" + tc.tag
		for _, run := range []struct {
			args []string
			code int
		}{
			{[]string{"verify", ref, "--trusted-root", rootFile, "--policy", filepath.Join(dir, ".boltseal.yaml")}, tc.byPolicy},
			{append([]string{"verify", ref, "--trusted-root", rootFile}, flags...), tc.byFlags},
		} {
			code, out, errs := boltsealAt(t, func() time.Time { return now }, dir, noEnv, run.args...)
			if code != run.code || code != 0 && !strings.Contains(out, tc.reason) {
				t.Errorf("%s: %q: exit %d, want %d\n%s%s", tc.name, run.args, code, run.code, out, errs)
			}
		}
	}
}
