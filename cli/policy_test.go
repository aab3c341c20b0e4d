package cli_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// judged is what a run by a policy says of its images.
type judged struct {
	Passed   bool
	Warnings []string
	Requests int
	Images   []struct {
		Reference, Reason string
		Passed, Verified  bool
		Requests          int
		Rule              struct {
			Name, Origin, File, Why string
			Line                    int
			Notes                   []string
		}
		Exemption *struct {
			Owner, Reason string
			Unsigned      bool
		}
		Checks []struct {
			Requirement, Reason, Message, Hint string
			Evidence                           []struct{ Signer string }
			Candidates                         []struct {
				Reason, Signer string
				Difference     *struct{ What, Found, Expected string }
				Accept         *struct{ List, Line, In, Unwise, Later string }
			}
		}
	}
}

// today is the day of the runs by a policy.
var today = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// judge runs boltseal verify in a workspace, by its policy.
func (w *world) judge(dir string, getenv func(string) string, args ...string) (int, judged, string) {
	w.t.Helper()
	var out, errs bytes.Buffer
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "REGISTRY", w.reg.Host())
	}
	noWait := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	c := cli.Command{Sleep: noWait, Dir: dir, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, LookupEnv: lookup(getenv), Now: func() time.Time { return today }}
	code := c.Main(w.t.Context(), append([]string{"boltseal", "verify", "--output", "json", "--trusted-root", w.root}, args...))
	var got judged
	if code != 2 && out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			w.t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
		}
	}
	return code, got, errs.String()
}

// A policy for REGISTRY; identities are filled in.
func (w *world) policy(text string) string {
	actions := `{issuer: "` + issuer + `", subject: "` + identity + `"}`
	evil := `{issuer: "` + issuer + `", subject: "` + strings.Replace(identity, "acme", "acme-evil", 1) + `"}`
	return strings.NewReplacer("REGISTRY", w.reg.Host(), "ACME", actions, "EVIL", evil).Replace(text)
}

// Each image gets the Reason that the rule for it gives it, and the rule is
// named.
func TestPolicyReasons(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	evil := by(func(o *sigstoretest.Options) { o.Identity = strings.Replace(identity, "acme", "acme-evil", 1) })
	w.signLegacy("team/legacy", w.image("team/legacy"), by())
	d := w.image("team/bundle")
	w.signBundle("team/bundle", d, signType, by())
	w.signLegacy("team/stranger", w.image("team/stranger"), evil)
	d = w.image("team/both")
	w.signLegacy("team/both", d, by())
	w.signBundle("team/both", d, signType, evil)
	w.image("team/unsigned")
	d = w.image("team/proven")
	w.signLegacy("team/proven", d, by())
	built, err := w.sig.Bundle(slsaType, d.Digest.Encoded(), []byte(`{"buildDefinition":{"buildType":"good","level":3}}`), by())
	if err != nil {
		t.Fatal(err)
	}
	w.must(w.reg.PutBundle("team/proven", d, built))
	w.signLegacy("team/down", w.image("team/down"), by())
	w.reg.Break(registrytest.Fault{Path: "/v2/team/down/manifests/sha256-", Status: 500})
	unsignedDigest := w.image("team/unsigned").Digest.String()

	const signed = "{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME]}]}"
	provenance := func(where string) string {
		return "{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME]}, attestation: {type: slsaprovenance1, identities: [ACME], where: '" + where + "'}]}"
	}
	const exception = "exceptions: [{images: ['REGISTRY/team/unsigned'], until: UNTIL, owner: platform, reason: until upstream signs}]\n"
	for _, tc := range []struct {
		name, rules, more, ref string
		reason                 string
		code                   int
		says                   string // in the message, the hint, the notes or a warning
	}{
		{"signed, older format", signed, "", "team/legacy:v1", "verified", 0, ""},
		{"signed, bundle", signed, "", "team/bundle:v1", "verified", 0, ""},
		{"by a stranger", signed, "", "team/stranger:v1", "wrong-signer", 1, "acme-evil"},
		{"unsigned", signed, "", "team/unsigned:v1", "unsigned", 1, "there are no Sigstore signatures"},
		{"no answer", signed, "", "team/down:v1", "unavailable", 3, "500"},
		{"no rule", signed, "", "other/app:v1", "no-rule", 1, "- {images: [REGISTRY/other/app],"},
		{"no such image", signed, "", "team/none:v1", "not-found", 1, ""},
		{"excluded", "{images: ['REGISTRY/team/**', '!REGISTRY/team/leg*'], require: [sigstore: {identities: [ACME]}]}", "", "team/legacy:v1", "no-rule", 1, "a ! in its list excludes the image"},
		{"the more specific rule decides", signed + ", {images: ['REGISTRY/team/legacy'], require: [sigstore: {identities: [EVIL]}]}", "", "team/legacy:v1", "wrong-signer", 1, ""},
		{"the more specific rule decides for it only", signed + ", {images: ['REGISTRY/team/legacy'], require: [sigstore: {identities: [EVIL]}]}", "", "team/bundle:v1", "verified", 0, ""},
		{"a rule for the tag", "{images: ['REGISTRY/team/legacy:v1'], require: [sigstore: {identities: [ACME]}]}", "", "team/legacy:v1", "verified", 0, ""},
		{"a tag beside a digest is a claim", "{images: ['REGISTRY/team/unsigned:v1'], allow-unsigned: {reason: none, require-digest: false}}", "", "team/unsigned:v1@" + unsignedDigest, "no-rule", 1, "not for references with a digest"},
		{"any of", "{images: ['REGISTRY/team/**'], require: [any-of: [sigstore: {identities: [EVIL]}, sigstore: {identities: [ACME]}]]}", "", "team/legacy:v1", "verified", 0, ""},
		{"none of", "{images: ['REGISTRY/team/**'], require: [any-of: [sigstore: {identities: [EVIL]}, attestation: {type: spdx, identities: [ACME]}]]}", "", "team/legacy:v1", "wrong-signer", 1, "none of 2 alternatives passed"},
		{"all of", "{images: ['REGISTRY/team/**'], require: [all-of: [sigstore: {identities: [ACME]}, sigstore: {identities: [EVIL]}]]}", "", "team/both:v1", "verified", 0, ""},
		{"not all of", "{images: ['REGISTRY/team/**'], require: [all-of: [sigstore: {identities: [ACME]}, sigstore: {identities: [EVIL]}]]}", "", "team/legacy:v1", "wrong-signer", 1, ""},
		{"two signers", "{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME, EVIL], at-least: 2}]}", "", "team/both:v1", "verified", 0, ""},
		{"one signer for two", "{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME, EVIL], at-least: 2}]}", "", "team/legacy:v1", "wrong-signer", 1, "2"},
		{"claims of the certificate", "{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME], claims: {runner-environment: github-hosted}}]}", "", "team/legacy:v1", "wrong-signer", 1, "runner-environment"},
		{"provenance", provenance(`predicate.buildDefinition.level >= 3 && signer.startsWith("https://github.com/acme/")`), "", "team/proven:v1", "verified", 0, ""},
		{"another provenance", provenance(`predicate.buildDefinition.buildType == "other"`), "", "team/proven:v1", "wrong-type", 1, `"other"`},
		{"provenance without the field", provenance(`predicate.buildDefinition.builder == "good"`), "", "team/proven:v1", "wrong-type", 1, "no such key"},
		{"no provenance", provenance("true"), "", "team/legacy:v1", "wrong-type", 1, ""},
		{"allowed unsigned, by tag", "{images: ['REGISTRY/team/**'], allow-unsigned: {reason: upstream does not sign}}", "", "team/unsigned:v1", "unsigned", 1, "write REGISTRY/team/unsigned:v1@sha256:"},
		{"allowed unsigned, by digest", "{images: ['REGISTRY/team/**'], allow-unsigned: {reason: upstream does not sign}}", "", "team/unsigned@" + unsignedDigest, "exempt", 0, ""},
		{"allowed unsigned at any tag", "{images: ['REGISTRY/team/**'], allow-unsigned: {reason: upstream does not sign, require-digest: false}}", "", "team/unsigned:v1", "exempt", 0, ""},
		{"excepted", signed, strings.ReplaceAll(exception, "UNTIL", "2026-12-31"), "team/unsigned:v1", "exempt", 0, ""},
		{"excepted for today only", signed, strings.ReplaceAll(exception, "UNTIL", "2026-03-01"), "team/unsigned:v1", "exempt", 0, "today"},
		{"excepted until yesterday", signed, strings.ReplaceAll(exception, "UNTIL", "2026-02-28"), "team/unsigned:v1", "unsigned", 1, "ended with 2026-02-28"},
		{"excepted until yesterday, without a rule", "{images: [other], require: [sigstore: {identities: [ACME]}]}", strings.ReplaceAll(exception, "UNTIL", "2026-02-28"), "team/unsigned:v1", "no-rule", 1, "ended with 2026-02-28"},
		{"the exception of another image", signed, strings.ReplaceAll(exception, "UNTIL", "2026-12-31"), "team/stranger:v1", "wrong-signer", 1, ""},
		{"excepted, and not there", signed, strings.ReplaceAll(strings.ReplaceAll(exception, "UNTIL", "2026-12-31"), "team/unsigned", "team/none"), "team/none:v1", "not-found", 1, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := *w
			w.t = t
			dir := workspaceOf(t, map[string]string{".boltseal.yaml": w.policy("version: 1\nrules: [" + tc.rules + "]\n" + tc.more)})
			code, got, errs := w.judge(dir, env, "REGISTRY/"+tc.ref)
			if code != tc.code || len(got.Images) != 1 {
				t.Fatalf("exit %d, want %d, %d images\n%s", code, tc.code, len(got.Images), errs)
			}
			img := got.Images[0]
			exempt := tc.reason == "exempt"
			if img.Reason != tc.reason || img.Passed != (tc.code == 0) || img.Verified != (tc.reason == "verified") || got.Passed != img.Passed || (img.Exemption != nil) != exempt {
				t.Errorf("%+v", img)
			}
			if tc.reason != "no-rule" && (img.Rule.File != ".boltseal.yaml" || img.Rule.Line < 2 || img.Rule.Why == "") {
				t.Errorf("rule %+v", img.Rule)
			}
			said := strings.Join(append(img.Rule.Notes, got.Warnings...), " ")
			for _, c := range img.Checks {
				said += c.Message + " " + c.Hint + " "
			}
			if want := strings.ReplaceAll(tc.says, "REGISTRY", w.reg.Host()); !strings.Contains(said, want) {
				t.Errorf("does not say %q: %s", want, said)
			}
			if exempt && img.Requests != 1 && img.Requests != 0 {
				t.Errorf("%d requests for an exempt image", img.Requests)
			}
		})
	}
}

// What was found, how it differs, and the line that would accept it: with that
// line in the policy, and only then, the image passes.
func TestPolicyAcceptLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	evil := strings.Replace(identity, "acme", "acme-evil", 1)
	w.signBundle("team/app", w.image("team/app"), signType, by(func(o *sigstoretest.Options) { o.Identity = evil }))
	policy := func(line string) string {
		return w.policy("version: 1\nrules:\n  - images: [REGISTRY/team/app]\n    require:\n      - sigstore:\n          identities:\n            - ACME\n" + line)
	}
	code, got, _ := w.judge(workspaceOf(t, map[string]string{".boltseal.yaml": policy("")}), env, "REGISTRY/team/app:v1")
	if code != 1 || len(got.Images[0].Checks[0].Candidates) != 1 {
		t.Fatalf("exit %d: %+v", code, got)
	}
	c := got.Images[0].Checks[0].Candidates[0]
	if c.Reason != "wrong-signer" || c.Difference == nil || c.Difference.What != "identity" || c.Difference.Found != evil || c.Difference.Expected != identity {
		t.Errorf("difference %+v", c.Difference)
	}
	if c.Accept == nil || c.Accept.List != "identities" || !strings.Contains(c.Accept.Unwise, "acme-evil") {
		t.Fatalf("accept %+v", c.Accept)
	}
	code, got, errs := w.judge(workspaceOf(t, map[string]string{".boltseal.yaml": policy("            - " + c.Accept.Line + "\n")}), env, "REGISTRY/team/app:v1")
	if code != 0 || got.Images[0].Reason != "verified" {
		t.Errorf("exit %d: %+v %s", code, got.Images, errs)
	}
}

// The policy of the current folder comes first, then that of the repository
// around it; flags that name a signer come before both, and say so.
func TestPolicyFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy("team/app", w.image("team/app"), by())
	const rule = "version: 1\nrules: [{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [WHO]}]}]\n"
	good, bad := w.policy(strings.Replace(rule, "WHO", "ACME", 1)), w.policy(strings.Replace(rule, "WHO", "EVIL", 1))
	dir := workspaceOf(t, map[string]string{
		".git/HEAD": "ref: refs/heads/main\n", ".boltseal.yaml": good, "a/x": "", "b/.boltseal.yaml": bad, "other.yaml": good,
		"broken/.boltseal.yaml": "version: 1\nrules: 1\nrule: 2\n", "misnamed/.boltseal.yml": good,
		"keyed/policy.yaml": w.policy("version: 1\nrules: [{images: ['REGISTRY/team/**'], require: [sigstore: {keys: [{file: keys/cosign.pub}], trusted-root: none.json}]}]\n"),
	})
	flags := []string{"--certificate-identity", identity, "--certificate-oidc-issuer", issuer}
	target := func(name string) string {
		if name == "GITHUB_EVENT_NAME" {
			return "pull_request_target"
		}
		return ""
	}
	for _, tc := range []struct {
		name, dir string
		env       func(string) string
		args      []string
		code      int
		says      string // by a warning, or standard error
	}{
		{"in the current folder", ".", env, nil, 0, ""},
		{"in the repository", "a", env, nil, 0, ""},
		{"the nearer one", "b", env, nil, 1, ""},
		{"named", "b", env, []string{"--policy", "../other.yaml"}, 0, ""},
		{"written out", "b", env, []string{"--policy", good}, 0, ""},
		{"flags", "b", env, flags, 0, ".boltseal.yaml does not count"},
		{"publishers named", ".", env, []string{"--publisher", "distroless"}, 1, ".boltseal.yaml does not count"},
		{"of a proposal", ".", target, nil, 0, "that of whatever was checked out"},
		{"named, of a proposal", ".", target, []string{"--policy", "other.yaml"}, 0, "that of whatever was checked out"},
		{"written out, beside a proposal", ".", target, []string{"--policy", good}, 0, ""},
		{"nothing", ".", env, []string{"--policy", " \n"}, 2, "nothing but blanks"},
		{"broken", "broken", env, nil, 2, ".boltseal.yaml:2:8"},
		{"all that is wrong", "broken", env, nil, 2, ".boltseal.yaml:3:1"},
		{"misnamed", "misnamed", env, nil, 2, "rename it to .boltseal.yaml"},
		{"a key that is not there", "keyed", env, []string{"--policy", "policy.yaml"}, 2, "policy.yaml:2:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := *w
			w.t = t
			code, got, errs := w.judge(filepath.Join(dir, tc.dir), tc.env, append([]string{"REGISTRY/team/app:v1"}, tc.args...)...)
			said := strings.Join(got.Warnings, " ") + errs
			if code != tc.code || !strings.Contains(said, tc.says) {
				t.Errorf("exit %d, want %d: %s", code, tc.code, said)
			}
			if tc.says == "" && strings.Contains(said, "boltseal.yaml") {
				t.Errorf("says %s", said)
			}
		})
	}
}

// A key of a policy is a file beside it, and its fingerprint has to fit.
func TestPolicyKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.signLegacy("team/app", w.image("team/app"), sigstoretest.Options{Key: key})
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	otherDER, err := x509.MarshalPKIXPublicKey(other.Public())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	for _, tc := range []struct {
		name, key string
		code      int
		reason    string
		says      string
	}{
		{"file", "file: keys/cosign.pub", 0, "verified", ""},
		{"file with its fingerprint", "file: keys/cosign.pub, sha256: " + hex.EncodeToString(sum[:]), 0, "verified", ""},
		{"exchanged file", "file: keys/other.pub, sha256: " + hex.EncodeToString(sum[:]), 2, "", "deploy/policy.yaml:"},
		{"another's", "file: keys/other.pub", 1, "wrong-signer", ""},
		{"not yet", "file: keys/cosign.pub, from: 2026-03-02", 1, "expired", ""},
		{"no longer", "file: keys/cosign.pub, until: 2026-02-28", 1, "expired", ""},
		{"that day", "file: keys/cosign.pub, from: 2026-03-01, until: 2026-03-01", 0, "verified", ""},
		{"not there, in a rule that no image needs", "file: keys/cosign.pub}]}]}, {images: [other], require: [sigstore: {keys: [{file: keys/none.pub", 2, "", "deploy/policy.yaml:2:"},
		{"an address", "file: 'https://example.com/cosign.pub'", 2, "", "deploy/policy.yaml:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := *w
			w.t = t
			dir := workspaceOf(t, map[string]string{
				"deploy/policy.yaml":     w.policy("version: 1\nrules: [{images: ['REGISTRY/team/**'], require: [sigstore: {keys: [{" + tc.key + "}]}]}]\n"),
				"deploy/keys/cosign.pub": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
				"deploy/keys/other.pub":  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: otherDER})),
			})
			code, got, errs := w.judge(dir, env, "REGISTRY/team/app:v1", "--policy", "deploy/policy.yaml")
			if code != tc.code || !strings.Contains(errs, tc.says) {
				t.Fatalf("exit %d, want %d: %s", code, tc.code, errs)
			}
			if tc.reason != "" && got.Images[0].Reason != tc.reason {
				t.Errorf("%+v", got.Images[0])
			}
		})
	}
}

// A lock holds images to who signed them, until it is updated on purpose.
func TestLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	evil := by(func(o *sigstoretest.Options) { o.Identity = strings.Replace(identity, "release", "other", 1) })
	w.signLegacy("team/app", w.image("team/app"), by())
	w.signLegacy("team/more", w.image("team/more"), by())
	dir := workspaceOf(t, map[string]string{".boltseal.yaml": w.policy(
		"version: 1\nrules: [{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [{issuer: '" + issuer + "', subject: 'https://github.com/acme/app/.github/workflows/*@refs/heads/main'}]}]}]\n")})
	lock := filepath.Join(dir, "boltseal.lock")
	text := func() string {
		body, err := os.ReadFile(lock)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	step := func(name string, code int, reason, says string, args ...string) {
		t.Helper()
		got, doc, errs := w.judge(dir, env, append([]string{"--lock", "boltseal.lock"}, args...)...)
		said := strings.Join(doc.Warnings, " ") + errs
		if got != code || reason != "" && doc.Images[0].Reason != reason || !strings.Contains(said, says) {
			t.Fatalf("%s: exit %d, want %d, %q: %+v %s", name, got, code, says, doc.Images, said)
		}
	}
	const app, more = "REGISTRY/team/app:v1", "REGISTRY/team/more:v1"
	step("a run that does not pass locks nothing", 1, "no-rule", "", "REGISTRY/other/app:v1")
	if _, err := os.Stat(lock); err == nil {
		t.Fatal("a refused image was locked")
	}
	step("the first run", 0, "verified", "the lock boltseal.lock is new", app)
	first := text()
	step("the same", 0, "verified", "", app)
	if text() != first || !strings.Contains(first, identity) {
		t.Errorf("the lock says\n%s", text())
	}
	step("another image", 0, "verified", "1 added", app, more)

	// The signer changes to another one that the pattern accepts.
	w.signLegacy("team/app", w.must(w.reg.PutImage("team/app", "v1", "changed")), evil)
	before := text()
	step("changed", 1, "wrong-signer", "", app)
	step("changed, in warn mode", 0, "wrong-signer", "", app, "--mode", "warn")
	if text() != before {
		t.Error("a run that was refused changed the lock")
	}
	_, doc, _ := w.judge(dir, env, "--lock", "boltseal.lock", app)
	if c := doc.Images[0].Checks[0]; !strings.HasPrefix(c.Message, "changed:") || !strings.Contains(c.Hint, "--update-lock") || doc.Images[0].Verified {
		t.Errorf("%+v", c)
	}
	step("without the lock's word", 0, "verified", "1 changed, 0 removed", app, "--update-lock")
	step("afterwards", 0, "verified", "", app, more)
	if !strings.Contains(text(), evil.Identity) {
		t.Errorf("the lock says\n%s", text())
	}

	for name, damage := range map[string]func() error{
		"no JSON":    func() error { return os.WriteFile(lock, []byte("{"), 0o600) },
		"a folder":   func() error { return os.Mkdir(lock, 0o700) },
		"link":       func() error { return os.Symlink("elsewhere", lock) },
		"other keys": func() error { return os.WriteFile(lock, []byte(`{"version":1,"images":{},"more":1}`), 0o600) },
	} {
		if err := os.RemoveAll(lock); err != nil {
			t.Fatal(err)
		}
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		step(name, 2, "", "--lock", app)
	}
	if err := os.RemoveAll(lock); err != nil {
		t.Fatal(err)
	}
	step("a report that is the lock", 2, "", "is a file that this run reads", "--report", "json="+lock, app)
	if _, err := os.Lstat(lock); err == nil {
		t.Error("an empty lock was left behind")
	}
	step("no folder", 2, "", "there is no folder", "--lock", "none/boltseal.lock", app)
}

// A policy that builds on others is read with them, and what cannot be had is
// told from what is wrong.
func TestPolicyExtends(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy("team/app", w.image("team/app"), by())
	const rule = "rules: [{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME]}]}]\n"
	text := []byte(w.policy("version: 1\n" + rule))
	layer, err := w.reg.PutBlob("team/policy", "application/vnd.boltseal.policy.v1+yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	config, err := w.reg.PutBlob("team/policy", ocispec.MediaTypeEmptyJSON, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	artifact := w.must(w.reg.PutJSON("team/policy", "v1", ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "application/vnd.boltseal.policy.v1+yaml",
		Config: config, Layers: []ocispec.Descriptor{layer},
	}))
	const guard = "rules: [{images: [REGISTRY/team/policy], require: [sigstore: {identities: [WHO]}]}]\n"
	extend := "extends: [{artifact: 'REGISTRY/team/policy@" + artifact.Digest.String() + "'}]\n"
	w.signLegacy("team/policy", artifact, by())
	keyed, err := w.reg.PutBlob("team/keyed", "text/yaml", []byte(w.policy("version: 1\nrules: [{images: ['REGISTRY/team/**'], require: [sigstore: {keys: [{file: cosign.pub}]}]}]\n")))
	if err != nil {
		t.Fatal(err)
	}
	w.must(w.reg.PutBlob("team/keyed", ocispec.MediaTypeEmptyJSON, []byte("{}")))
	beside := w.must(w.reg.PutJSON("team/keyed", "v1", ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{keyed},
	}))
	w.signLegacy("team/keyed", beside, by())
	sum := strings.Repeat("a", 64)
	for _, tc := range []struct {
		name, policy string
		code         int
		says         string
	}{
		{"file", "extends: [{file: base/policy.yaml}]\n", 0, ""},
		{"two that list one publisher", "extends: [{file: base/a.yaml}, {file: base/b.yaml}]\n" + rule, 0, ""},
		{"file that is not there", "extends: [{file: base/none.yaml}]\n", 2, ".boltseal.yaml:2:"},
		{"file with a mistake", "extends: [{file: base/broken.yaml}]\n", 2, "base/broken.yaml:2:1"},
		{"nobody answers", "extends: [{url: 'https://127.0.0.1:1/p.yaml', sha256: " + sum + "}]\n", 3, ".boltseal.yaml:2:"},
		{"a mistake is worse than no answer", "rule: 1\nextends: [{url: 'https://127.0.0.1:1/p.yaml', sha256: " + sum + "}]\n", 2, ".boltseal.yaml:2:1"},
		{"no https", "extends: [{url: 'http://127.0.0.1:1/p.yaml', sha256: " + sum + "}]\n", 2, ".boltseal.yaml:2:"},
		{"artifact", extend + strings.Replace(guard, "WHO", "ACME", 1), 0, ""},
		{"artifact that names a file", "extends: [{artifact: 'REGISTRY/team/keyed@" + beside.Digest.String() + "'}]\n" + strings.ReplaceAll(strings.Replace(guard, "WHO", "ACME", 1), "team/policy", "team/keyed"), 2, "has no files beside it"},
		{"artifact of somebody else", extend + strings.Replace(guard, "WHO", "EVIL", 1), 2, "wrong-signer"},
		{"artifact without a rule", extend + "publishers: [distroless]\n", 2, "no rule of a local file requires a signature"},
		{"excepted artifact", extend + "publishers: [distroless]\nexceptions: [{images: [REGISTRY/team/policy], until: 2026-12-31, owner: a, reason: b}]\n", 2, ".boltseal.yaml:2:"},
		{"artifact that may be unsigned", extend + "rules: [{images: [REGISTRY/team/policy], allow-unsigned: {reason: b}}]\n", 2, ".boltseal.yaml:2:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := *w
			w.t = t
			dir := workspaceOf(t, map[string]string{
				".boltseal.yaml":   w.policy("version: 1\n" + tc.policy),
				"base/policy.yaml": w.policy("version: 1\n" + rule), "base/broken.yaml": "version: 1\nrule: 1\n",
				"base/a.yaml": "version: 1\npublishers: [docker-official]\n", "base/b.yaml": "version: 1\npublishers: [docker-official, distroless]\n",
			})
			code, got, errs := w.judge(dir, env, "REGISTRY/team/app:v1")
			if code != tc.code || !strings.Contains(errs, tc.says) {
				t.Fatalf("exit %d, want %d and %q: %s", code, tc.code, tc.says, errs)
			}
			if code != 0 && len(got.Images) > 0 {
				t.Error("an image was looked at")
			}
			if code == 0 && (!got.Images[0].Verified || got.Images[0].Reason != "verified") {
				t.Errorf("%+v", got.Images[0])
			}
		})
	}
}

// What flags say of a trust root is not taken for that of an instance that the
// policy names, and a file stands for the instance beside it.
func TestPolicyTrust(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy("team/app", w.image("team/app"), by())
	private, err := os.ReadFile(w.root)
	if err != nil {
		t.Fatal(err)
	}
	_, foreign := newInstance(t)
	for _, tc := range []struct {
		name, trust, root string
		code              int
		reason            string
	}{
		{"that of the flags", "", w.root, 0, "verified"},
		{"another one in the flags", "", foreign, 1, "bad-signature"},
		{"a file of the policy", ", trusted-root: keys/root.json", foreign, 0, "verified"},
		{"an instance of the policy", ", instance: public-good", w.root, 3, "unavailable"},
		{"a file of the policy, where flags name another kind of instance", ", trusted-root: keys/root.json", "github", 0, "verified"},
		{"a file for another kind of instance", ", instance: github, trusted-root: keys/root.json", foreign, 1, "bad-signature"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := *w
			w.t, w.root = t, tc.root
			var args []string
			if tc.root == "github" {
				w.root, args = foreign, []string{"--sigstore", "github"}
			}
			dir := workspaceOf(t, map[string]string{
				".boltseal.yaml": w.policy("version: 1\nrules: [{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME]" + tc.trust + "}]}]\n"),
				"keys/root.json": string(private),
			})
			nowhere := func(name string) string {
				return map[string]string{"HTTPS_PROXY": "http://127.0.0.1:1", "HOME": t.TempDir()}[name]
			}
			code, got, errs := w.judge(dir, nowhere, append([]string{"REGISTRY/team/app:v1"}, args...)...)
			if code != tc.code || got.Images[0].Reason != tc.reason {
				t.Errorf("exit %d, want %d: %+v %s", code, tc.code, got.Images, errs)
			}
		})
	}
}

// Where anybody may have written the policy, no file of the runner is read for
// it: messages would quote it.
func TestPolicyOfAnybody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy("team/app", w.image("team/app"), by())
	outside := workspaceOf(t, map[string]string{"secret": "machine github.com password hunter2\n", "policy.yaml": w.policy("version: 1\nrules: [{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME]}]}]\n")})
	secret := filepath.ToSlash(filepath.Join(outside, "secret"))
	const rule = "rules: [{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME]MORE}]}]\n"
	for _, tc := range []struct {
		name, policy string
		args         []string
		code         int
	}{
		{"its own", strings.Replace(rule, "MORE", "", 1), nil, 0},
		{"a link", "", nil, 2},
		{"a link that is named", "", []string{"--policy", ".boltseal.yaml"}, 2},
		{"extends an absolute path", "extends: [{file: '" + secret + "'}]\n", nil, 2},
		{"extends beyond the repository", "extends: [{file: '../../../../../../../../../../../.." + secret + "'}]\n", nil, 2},
		{"extends a link", "extends: [{file: link}]\n", nil, 2},
		{"trust root elsewhere", strings.Replace(rule, "MORE", ", trusted-root: '"+secret+"'", 1), nil, 2},
		{"trust root that never ends", strings.Replace(rule, "MORE", ", trusted-root: /dev/zero", 1), nil, 2},
		{"key elsewhere", strings.Replace(rule, "MORE", ", keys: [{file: '"+secret+"'}]", 1), nil, 2},
		{"named by the job", "", []string{"--policy", filepath.Join(outside, "policy.yaml")}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := *w
			w.t = t
			files := map[string]string{".git/HEAD": "ref: refs/heads/main\n", "deep/x": ""}
			if tc.policy != "" {
				files["deep/.boltseal.yaml"] = w.policy("version: 1\n" + tc.policy)
			}
			dir := workspaceOf(t, files)
			for _, link := range []string{"deep/.boltseal.yaml", "deep/link"} {
				if err := os.Symlink(secret, filepath.Join(dir, link)); err != nil && !errors.Is(err, fs.ErrExist) {
					t.Fatal(err)
				}
			}
			target := func(name string) string { return map[string]string{"GITHUB_EVENT_NAME": "pull_request_target"}[name] }
			code, _, errs := w.judge(filepath.Join(dir, "deep"), target, append([]string{"REGISTRY/team/app:v1"}, tc.args...)...)
			if code != tc.code || strings.Contains(errs, "hunter2") || strings.Contains(errs, "machine") {
				t.Errorf("exit %d, want %d: %s", code, tc.code, errs)
			}
		})
	}
}

// Credentials of flags are for the registry of the images, and what stands on
// standard input is read once: not for whoever serves a policy.
func TestPolicyCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy("team/app", w.image("team/app"), by())
	dir := workspaceOf(t, map[string]string{
		".boltseal.yaml": "version: 1\nextends: [{file: base.yaml}]\n",
		"base.yaml":      w.policy("version: 1\nrules: [{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME]}]}]\n"),
	})
	var out, errs bytes.Buffer
	c := cli.Command{Dir: dir, Stdin: strings.NewReader("secret\n"), Stdout: &out, Stderr: &errs, LookupEnv: lookup(env), Now: func() time.Time { return today }}
	code := c.Main(t.Context(), []string{"boltseal", "verify", w.reg.Host() + "/team/app:v1", "--trusted-root", w.root, "--registry-username", "ci", "--registry-password-stdin"})
	if code != 0 {
		t.Errorf("exit %d: %s%s", code, out.String(), errs.String())
	}
}

// For a platform that is not built for, no platform vouches, by a policy neither.
func TestPolicyForeign(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	var children []ocispec.Descriptor
	for _, arch := range []string{"amd64", "s390x"} {
		child := w.must(w.reg.PutImage("team/multi", "", arch))
		child.Platform = &ocispec.Platform{OS: "linux", Architecture: arch}
		children = append(children, child)
	}
	w.must(w.reg.PutIndex("team/multi", "v1", children...))
	w.signLegacy("team/multi", children[0], by())
	for from, want := range map[string]string{"": "verified", "--platform=linux/s390x ": "unsigned"} {
		dir := workspaceOf(t, map[string]string{
			".boltseal.yaml": w.policy("version: 1\nrules: [{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME]}]}]\n"),
			"Dockerfile":     "FROM " + from + w.reg.Host() + "/team/multi:v1\n",
		})
		_, got, errs := w.judge(dir, env, "--file", "Dockerfile", "--platform", "linux/amd64")
		if len(got.Images) != 1 || got.Images[0].Reason != want {
			t.Errorf("%q: %+v, want %s: %s", from, got.Images, want, errs)
		}
	}
}

// A policy costs no request: the same image by flags and by a policy with many
// rules takes the same.
func TestPolicyRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy("team/app", w.image("team/app"), by())
	rules := ""
	for i := range 200 {
		rules += fmt.Sprintf("  - {images: ['REGISTRY/other%d/**'], require: [sigstore: {identities: [ACME, EVIL]}, attestation: {type: spdx, identities: [ACME]}]}\n", i)
	}
	bare := workspaceOf(t, nil)
	ruled := workspaceOf(t, map[string]string{".boltseal.yaml": w.policy("version: 1\npublishers: [distroless, docker-official]\nrules:\n  - {images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME]}]}\n" + rules)})
	requests := map[string]int{}
	for name, args := range map[string][]string{bare: {"--certificate-identity", identity, "--certificate-oidc-issuer", issuer}, ruled: nil} {
		code, got, errs := w.judge(name, env, append([]string{"REGISTRY/team/app:v1"}, args...)...)
		if code != 0 {
			t.Fatalf("exit %d: %s", code, errs)
		}
		requests[name] = got.Requests
	}
	if requests[bare] != requests[ruled] || requests[bare] == 0 {
		t.Errorf("%d requests by flags, %d by a policy", requests[bare], requests[ruled])
	}
}

// Certificate authorities that come through a pipe are there to be read once,
// with a policy as without.
func TestPolicyAuthorities(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy("team/app", w.image("team/app"), by())
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	dir := workspaceOf(t, map[string]string{".boltseal.yaml": w.policy("version: 1\nrules: [{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME]}]}]\n")})
	pipe := filepath.Join(dir, "pipe")
	mkfifo(t, pipe)
	written := make(chan error)
	go func() {
		written <- os.WriteFile(pipe, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	}()
	code, _, errs := w.judge(dir, env, "REGISTRY/team/app:v1", "--registry-cacert", pipe)
	if err := <-written; err != nil || code != 0 {
		t.Errorf("exit %d: %v %s", code, err, errs)
	}
}
