package signing_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Bad input is found before anybody is asked anything that leaves a trace.
func TestBadInput(t *testing.T) {
	t.Parallel()
	const foreign = `{"SchemaVersion": 2, "ArtifactName": "ghcr.io/acme/other:v1", "ArtifactType": "container_image",
		"Metadata": {"RepoDigests": ["ghcr.io/acme/other@sha256:0000000000000000000000000000000000000000000000000000000000000000"],
		"ImageID": "sha256:0000000000000000000000000000000000000000000000000000000000000000"},
		"Results": [{"Target": "other", "Class": "os-pkgs", "Type": "debian", "Vulnerabilities": []}]}`
	tests := []struct {
		name  string
		flags func(w *workplace) []string
		env   []string
		unset string // a variable
		code  int
		says  string
	}{
		{name: "no key there", code: 2, says: "no such file", flags: func(w *workplace) []string { return w.keyed() }},
		{
			name: "no key in it", code: 2, says: "it holds no PEM block",
			flags: func(w *workplace) []string { return []string{"--key", w.write("cosign.key", []byte("hello"))} },
		},
		{
			name: "wrong password", code: 2, says: "the password does not open it", env: []string{"COSIGN_PASSWORD=something else"},
			flags: func(w *workplace) []string { w.copyKey(); return w.keyed() },
		},
		{
			name: "empty password", code: 2, says: "COSIGN_PASSWORD to the password that the key was made with; the one that is there is empty", env: []string{"COSIGN_PASSWORD="},
			flags: func(w *workplace) []string { w.copyKey(); return w.keyed() },
		},
		{
			name: "no password", code: 2, says: "it is encrypted, and no password is given", unset: "COSIGN_PASSWORD",
			flags: func(w *workplace) []string { w.copyKey(); return w.keyed() },
		},
		{
			name: "no JSON", code: 2, says: "it is not JSON: byte 1",
			flags: func(w *workplace) []string { return []string{"--attest", "spdxjson=" + w.write("p.json", []byte("{"))} },
		},
		{
			name: "predicate of another type", code: 2, says: "it is CycloneDX 1.6, not an SPDX document",
			flags: func(w *workplace) []string {
				return []string{"--attest", "spdxjson=" + w.write("p.json", []byte(predicates["cyclonedx"].text))}
			},
		},
		{
			name: "expired token", code: 2, says: "expired at ",
			flags: func(w *workplace) []string {
				return w.token(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()})
			},
		},
		{
			name: "token for others", code: 2, says: `is for the audience "others", not for "sigstore"`,
			flags: func(w *workplace) []string { return w.token(map[string]any{"aud": "others"}) },
		},
		{
			name: "legacy without a log for it", code: 2, says: "of version 1, which the legacy format needs",
			flags: func(w *workplace) []string {
				return []string{"--format", "legacy", "--signing-config", w.signingConfig(w.Rekor, w.TSA)}
			},
		},
		{
			name: "scan report for another image", code: 1, says: "it is about another image",
			flags: func(w *workplace) []string { return []string{"--scan-report", w.write("trivy.json", []byte(foreign))} },
		},
		{
			name: "findings", code: 1, says: "refused: critical CVE-2026-0001 in openssl 1",
			flags: func(w *workplace) []string { return []string{"--scan-report", w.write("trivy.json", nil)} },
		},
		{
			name: "gate that did not pass", code: 1, says: "the run did not pass: 1 of its 1 image did not pass",
			flags: func(w *workplace) []string {
				o := w.boltseal("verify", w.push(w.Registry, "acme/base").pinned(), "--trusted-root", byWorkflow()[1],
					"--certificate-identity", "x", "--certificate-oidc-issuer", "y", "--report-file", w.path("gate.json"))
				if o.code != 1 {
					w.t.Errorf("the gate: %s", o)
				}
				return []string{"--require-gate", w.path("gate.json")}
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t)
			img := w.push(w.Registry, "acme/app")
			flags := test.flags(w)
			if test.name == "findings" {
				w.write("trivy.json", findings(t, img))
			}
			if !strings.Contains(fmt.Sprint(flags), "--signing-config") {
				flags = append(flags, "--signing-config", w.newest())
			}
			w.Forget()
			w.unset = test.unset
			s := w.signWith(test.env, append(flags, img.pinned())...)
			if s.code != test.code || !strings.Contains(s.said(), test.says) || len(s.Signed) > 0 {
				t.Errorf("want exit %d, and %q said:\n%s", test.code, test.says, s)
			}
			if next := strings.Contains(s.stderr, "next:"); next != (test.code == 2) || !next && !strings.Contains(s.stdout, `"hint": "`) {
				t.Errorf("it does not say what to do:\n%s", s)
			}
			if made := w.writes(); len(made) > 0 {
				t.Errorf("it has asked for %v", made)
			}
		})
	}
}

// token returns the flags that sign with a token of those claims.
func (w *workplace) token(claims map[string]any) []string {
	w.t.Helper()
	w.Tokens.Claim(claims)
	token, err := w.Tokens.Token("sigstore")
	check(w.t, err)
	return []string{"--identity-token", w.write("token", []byte(token))}
}

// findings is a report of Trivy about the image, with one that is critical.
func findings(t *testing.T, img image) []byte {
	t.Helper()
	type object = map[string]any
	body, err := json.Marshal(object{
		"SchemaVersion": 2, "ArtifactName": img.pinned(), "ArtifactType": "container_image",
		"Metadata": object{"RepoDigests": []string{img.pinned()}},
		"Results": []object{{"Target": "app", "Class": "os-pkgs", "Type": "debian", "Vulnerabilities": []object{{
			"VulnerabilityID": "CVE-2026-0001", "PkgName": "openssl", "InstalledVersion": "1", "FixedVersion": "2", "Severity": "CRITICAL",
		}}}},
	})
	check(t, err)
	return body
}
