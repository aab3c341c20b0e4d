package sigstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify/sigstore"
)

const exact = `{issuer: ` + actions + `, subject: "` + release + `"}`

// Every fault of a requirement is found where it stands, and says what to do.
func TestFormFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.key("a.pub")
	pem := quoted(string(w.keys["a.pub"]))
	for _, tc := range []struct{ text, want string }{ // want is LINE:COL and a part of the message
		{`signature-on: image`, `1:1 nothing says who`},
		{`ids: []`, `1:1 ids`},
		{`identities: []`, `1:13 empty list`},
		{`identities: [{subject: a}]`, `1:14 no issuer: anybody`},
		{`identities: [{issuer: "https://a"}]`, `1:14 no subject: an issuer alone`},
		{`identities: [{issuer: "https://a", issuer-regexp: b, subject: c}]`, `1:51 both issuer and issuer-regexp`},
		{`identities: [{issuer: "https://a", subject: b, subject-regexp: c}]`, `1:64 both subject and subject-regexp`},
		{`identities: [{issuer: "https://a", subject-regexp: "a)(b"}]`, `1:53 subject-regexp: error parsing`},
		{`identities: [{issuer: "https://a", subject: ""}]`, `1:46 empty`},
		{`identities: [{issuer: "https://a", subject: "` + strings.Repeat("x", 3000) + `"}]`, `1:46 longer than 2048`},
		{`identities: [` + exact + `, ` + exact + `]`, `1:155 the same identity stands twice`},
		{"identities: [" + exact + "]\nclaims: {source-repositry-uri: x}", `2:32 no claim "source-repositry-uri"`},
		{"identities: [" + exact + "]\nclaims: {source-repository: x, source-repository-uri: z1}", `2:55 under two names`},
		{`identities: [{issuer: "https://a", subject: b, claims: {build-trigger: push}}]` + "\nclaims: {build-trigger: schedule}", `1:72 both would have to be true`},
		{"keys: [{file: a.pub}]\nclaims: {build-trigger: push}", `2:25 claims narrow identities`},
		{`keys: [{name: x}]`, `1:8 there is no key`},
		{`keys: [{file: a.pub, pem: ` + pem + `}]`, `1:28 both file and pem`},
		{`keys: [{pem: "x"}]`, `1:15 no PEM block`},
		{`keys: [{file: "https://example.com/cosign.pub"}]`, `1:16 whoever answers there could exchange it`},
		{`keys: [{file: "http://example.com/cosign.pub"}]`, `1:16 whoever answers there could exchange it`},
		{`keys: [{file: "awskms:///alias/x"}]`, `1:16 key services`},
		{`keys: [{file: "-----BEGIN PUBLIC KEY-----"}]`, `1:16 this is a key`},
		{`keys: [{file: a.pub}, {file: a.pub}]`, `1:23 the same key stands twice`},
		{`keys: [{pem: ` + pem + `}, {pem: ` + pem + `, name: other}]`, fmt.Sprintf("1:%d the same key stands twice", 17+len(pem))},
		{`keys: [{pem: ` + pem + `, sha256: ` + strings.Repeat("ab", 32) + `}]`, fmt.Sprintf("1:%d the key has the SHA-256 %s", 24+len(pem), w.fingerprint("a.pub"))},
		{`keys: [{pem: ` + pem + `, sha256: abc}]`, fmt.Sprintf("1:%d no such sum", 24+len(pem))},
		{`keys: [{pem: ` + pem + `, from: 2026-02-02, until: 2026-02-01}]`, fmt.Sprintf("1:%d from is after until", 22+len(pem))},
		{"keys: [{file: a.pub}]\nat-least: 2", `2:11 at-least is 2, but there is only 1 identity or key`},
		{"keys: [{file: a.pub}, {file: b.pub}]\nat-least: 3", `2:11 at-least is 3, but there are only 2 identities and keys`},
		{"keys: [{file: a.pub}]\nat-least: 0", `2:11 at-least`},
		{"identities: [" + exact + "]\nignore-tlog: true", `2:14 proves nothing without a log entry`},
		{"identities: [" + exact + "]\nsignature-on: layer", `2:15 signature-on`},
		{"identities: [" + exact + "]\nsignature-repository: \"a b\"", `2:24 signature-repository`},
		{"identities: [" + exact + "]\ninstance: mine", `2:11 instance`},
		{"identities: [" + exact + "]\ntrusted-root: https://example.com/root.json", `2:15 decide whom to trust`},
		{"type: slsa\nidentities: [" + exact + "]", `1:7 "slsa" is neither`},
		{"type: " + sigstore.SignPredicate + "\nidentities: [" + exact + "]", `1:7 is a signature`},
		{"type: spdx\nwhere: predicate.x\nidentities: [" + exact + "]", `2:8 not true or false`},
		{"type: spdx\nwhere: 'signer == 1'\nidentities: [" + exact + "]", `2:16 no matching overload`},
		{"type: spdx\nwhere: '\"é\" + signer = \"a\"'\nidentities: [" + exact + "]", `2:23 equality is written ==`},
		{"type: spdx\nwhere: 'image.nme == \"a\"'\nidentities: [" + exact + "]", `2:9 image has no field "nme"`},
		{"where: 'true'\nidentities: [" + exact + "]", `1:1 where`},
	} {
		_, faults := read(t, tc.text)
		place, message, _ := strings.Cut(tc.want, " ")
		switch {
		case len(faults) != 1:
			t.Errorf("%.80s: %d faults, want %s: %v", tc.text, len(faults), tc.want, faults)
		case fmt.Sprintf("%d:%d", faults[0].At.Line, faults[0].At.Col) != place || !strings.Contains(faults[0].Err.Error(), message):
			t.Errorf("%.80s:\n%s, want %s", tc.text, faults[0], tc.want)
		}
	}
}

// What is found only once files are read has its place too.
func TestFormConfigFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.key("a.pub")
	w.keys["copy.pub"] = w.keys["a.pub"]
	for _, tc := range []struct{ text, want, next string }{
		{`keys: [{file: b.pub}]`, `1:15 no such file`, "give the public key"},
		{`keys: [{file: a.pub, sha256: ` + strings.Repeat("ab", 32) + `}]`, `1:30 the key has the SHA-256`, "find out"},
		{`keys: [{file: a.pub}, {file: copy.pub}]`, `1:23 the same key stands twice`, "leave one"},
		{"keys: [{file: a.pub}]\ntrusted-root: mine.json", `2:15 trust root: read mine.json: no such file`, "look for it"},
		{"keys: [{file: a.pub}]\ninstance: github", `2:11 trust root`, "look for it"},
	} {
		f, faults := read(t, tc.text)
		if len(faults) > 0 {
			t.Errorf("%s: %v", tc.text, faults)
			continue
		}
		_, err := f.Config(w.env())
		fault := (*yamlshape.Fault)(nil)
		ok := errors.As(err, &fault)
		place, message, _ := strings.Cut(tc.want, " ")
		if !ok || fmt.Sprintf("%d:%d", fault.At.Line, fault.At.Col) != place || !strings.Contains(fault.Error(), message) || !strings.HasPrefix(fault.Next, tc.next) {
			t.Errorf("%s: %v, want %s", tc.text, err, tc.want)
		}
	}
	// A form that nobody has checked, or that is not sound, makes nothing.
	for name, f := range map[string]form{"zero signature": &sigstore.SignatureForm{}, "zero attestation": &sigstore.AttestationForm{}} {
		if _, err := f.Config(w.env()); err == nil {
			t.Errorf("%s: made a requirement", name)
		}
	}
	if f, faults := read(t, `signature-on: image`); len(faults) == 0 {
		t.Error("no fault")
	} else if _, err := f.Config(w.env()); err == nil {
		t.Error("a faulty form made a requirement")
	}
}

// A form of which a part is missing makes nothing, however sound the rest is, and
// what is wrong with the rest is said all the same.
func TestWrongForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for text, want := range map[string]string{
		"keys: [{file: a.pub}, b.pub]":                              "",
		"keys: [b.pub]\nat-least: 2":                                "",
		"keys: [b.pub]\nclaims: {build-trigger: push}":              "",
		"keys: [b.pub, {file: https://example.com/c}]\nat-least: 3": "file: a key is not fetched: whoever answers there could exchange it",
		"identities: [{isuer: a}]\ninstance: github":                "",
	} {
		f := &sigstore.SignatureForm{}
		if faults := yamlshape.Read("policy.yaml", []byte(text), f); len(faults) == 0 {
			t.Errorf("%s: no fault", text)
		}
		faults := f.Check()
		if want == "" && len(faults) > 0 || want != "" && (len(faults) != 1 || !strings.Contains(faults[0].Err.Error(), want)) {
			t.Errorf("%s: %v", text, faults)
		}
		if _, err := f.Config(w.env()); err == nil {
			t.Errorf("%s: made a requirement", text)
		}
	}
}

func TestDoubts(t *testing.T) {
	t.Parallel()
	identity := func(issuer, subject string) string {
		return fmt.Sprintf("identities: [{issuer: %s, subject: %s}]", quoted(issuer), quoted(subject))
	}
	regexps := func(issuer, subject string) string {
		return fmt.Sprintf("identities: [{issuer: %s, subject-regexp: %s}]", quoted(issuer), quoted(subject))
	}
	w := newWorld(t)
	w.key("a.pub")
	for _, tc := range []struct{ text, want string }{
		{identity(actions, release), ""},
		{identity(actions, "https://github.com/acme/*/.github/workflows/release.yml@refs/tags/v*"), ""},
		{identity("https://gitlab.com", "https://gitlab.com/acme/app//.gitlab-ci.yml@refs/tags/v1"), ""},
		{identity("https://accounts.google.com", "keyless@distroless.iam.gserviceaccount.com"), ""},
		{identity("https://github.com/login/oauth", "me@example.com"), ""},
		{identity(actions+"/my-enterprise", release), ""},
		{identity("https://**", release), "any-issuer"},
		{identity(actions, "**"), "any-identity"},
		{identity("https://accounts.google.com", "*@gmail.com"), "email-domain"},
		{identity("https://accounts.google.com", "*@acme.example"), "email-domain"},
		{identity("https://accounts.google.com", "**@*.acme.example"), "email-domain"},
		{identity("https://accounts.google.com", "release-*@acme.example"), ""},
		{identity("https://accounts.google.com", "release-*@gmail.com"), "email-domain"},
		{identity("https://accounts.google.com", "*@*.iam.gserviceaccount.com"), "email-domain"},
		{identity("https://accounts.google.com", "*@acme.iam.gserviceaccount.com"), "email-domain"},
		{identity("https://accounts.google.com", "**acme.example"), "any-identity"},
		{identity("https://oidc.example", "https://kubernetes.io/namespaces/*/serviceaccounts/*"), "any-identity"},
		{identity("https://oidc.example", "https://kubernetes.io/namespaces/ci/serviceaccounts/*"), ""},
		{identity("https://*google.com", "me@example.com"), "any-issuer"},
		{identity(actions, "https://github.com/acme/app/.github/workflows/release.yml@refs/*/v1"), "any-ref"},
		{identity(actions, "https://github.com/acme**@refs/tags/v1"), "other-owners any-workflow"},
		{identity(actions, "https://github.com/acme/app/.github/workflows/*@refs/tags/v1"), "any-workflow"},
		{identity(actions, "https://github.com/acme/app/.github/workflows/release.yml@**"), "any-ref"},
		{identity(actions, "https://github.com/acme/app/.github/workflows/release.yml"), "no-ref"},
		{identity(actions, "https://github.com/acme/app/.github/workflows/release.yml@main"), "no-ref"},
		{identity(actions, "https://github.com/acme/app/.github/workflows/release.yml@v1.2.3"), "no-ref"},
		{identity(actions, "https://github.com/acme/app/.github/workflows/release.yml@*"), "no-ref"},
		{identity(actions, "https://github.com/acme/app/.github/workflows/release.yml@refs/*"), "no-ref"},
		{identity(actions, "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*"), ""},
		{identity(actions, "https://github.com/acme/*/.github/workflows/*.yml@refs/heads/release/v*"), ""},
		{identity(actions, "https://github.com/acme/app/.github/workflows/release.yml@0123456789012345678901234567890123456789"), ""},
		{identity(actions, "https://github.com/acme/*"), "no-ref"},
		{identity(actions, "repo:acme/app:ref:refs/heads/main"), "no-ref"},
		{identity(actions, "https://github.com/acme/app/.github/workflows/release.yml@refs/pull/12/merge"), "pull-request"},
		{identity("https://gitlab.com", "https://gitlab.com/**"), "other-owners"},
		{identity("https://gitlab.com", "https://gitlab.com/acme/**"), "any-workflow any-ref"},
		{identity("https://gitlab.com", "https://gitlab.com/acme/app//.gitlab-ci.yml@**"), "any-ref"},
		{identity("https://gitlab.com", "https://gitlab.com/acme/app//.gitlab-ci.yml@refs/tags/v*"), ""},
		{identity("https://agent.buildkite.com", "https://buildkite.com/**"), "other-owners"},
		{identity("https://agent.buildkite.com", "https://buildkite.com/acme/release"), ""},
		{identity("token.actions.githubusercontent.com", release), "issuer-no-url issuer-misfit"},
		{identity("https://accounts.google.com", release), "issuer-misfit"},
		{identity(actions+"/", release), "issuer-misfit"},
		{identity("https://gitlab.com", release), "issuer-misfit"},
		{identity(actions, "me@example.com"), "issuer-misfit"},
		{identity("https://gitlab.com", "me@example.com"), "issuer-misfit"},
		{identity(actions, "https://gitlab.com/acme/app//.gitlab-ci.yml@refs/tags/v1"), "issuer-misfit"},
		{identity("https://accounts.google.com", "https://example.com/x"), "issuer-misfit"},
		{identity(actions, "https://github.com/acme*"), "no-ref owner-prefix"},
		{identity("https://gitlab.com", "https://gitlab.com/acme*/app//.gitlab-ci.yml@refs/tags/v1"), "other-owners"},
		{identity(actions, `^https://github\.com/acme/.*$`), "looks-like-regexp"},
		{regexps(actions, `https://github.com/acme/app/\.github/workflows/release\.yml@refs/tags/v1`), "loose-dot"},
		{regexps(actions, `https://github\.com/acme/app/\.github/workflows/release\.yml@refs/tags/v1`), ""},
		{identity(actions, release) + "\nclaims: {source-repository-owner: acme}", "claim-no-url"},
		{identity(actions, release) + "\nclaims: {source-repository-ref: refs/tags/*}", "claim-pattern"},
		{identity(actions, release) + "\nclaims: {source-repository-owner: https://github.com/acme, runner-environment: github-hosted}", ""},
		{identity(actions, "https://github.com/docker/github-builder/.github/workflows/build.yml@refs/tags/v1.2.3"), "shared-workflow"},
		{identity(actions, "https://github.com/docker/github-builder/.github/workflows/build.yml@refs/tags/v1.2.3") + "\nclaims: {source-repository: https://github.com/moby/buildkit}", ""},
		{identity(actions, "https://github.com/docker/github-builder/.github/workflows/build.yml@refs/tags/v1.2.3") + "\nclaims: {runner-environment: github-hosted}", "shared-workflow"},
		{"keys: [{file: a.pub}]\nignore-tlog: true", "ignore-tlog"},
		{"keys: [{file: a.pub}]", ""},
	} {
		f, faults := read(t, tc.text)
		if len(faults) > 0 {
			t.Errorf("%s: %v", tc.text, faults)
			continue
		}
		var lints []string
		for _, d := range f.Doubts() {
			lints = append(lints, d.Lint)
			if d.At.Line == 0 || d.Err == nil || d.Next == "" {
				t.Errorf("%s: %s has no place, text or next step", tc.text, d.Lint)
			}
		}
		if got := strings.Join(lints, " "); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.text, got, tc.want)
		}
	}
}
