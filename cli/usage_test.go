package cli_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/runnertest"
)

// Bad input is exit 2, names the flag, says what to write instead, and asks
// nothing of anybody.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	img := w.reg.Host() + "/" + repo + ":v1"
	dir := t.TempDir()
	file := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	noKey := file("nokey.pub", "hello")
	private := file("cosign.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	noRoot := file("root.json", "{}")
	id := []string{"--certificate-identity", identity, "--certificate-oidc-issuer", issuer}
	with := func(more ...string) []string { return append(append([]string{"verify", img}, id...), more...) }
	for _, tc := range []struct {
		name  string
		args  []string
		stdin string
		says  []string // parts of what is written
	}{
		{"no command", nil, "", []string{"no command"}},
		{"unknown command", []string{"frobnicate"}, "", []string{"frobnicate"}},
		{"unknown flag", with("--frobnicate"), "", []string{"--frobnicate", "boltseal verify --help"}},
		{"empty image", append([]string{"verify", ""}, id...), "", []string{"IMAGE", "registry/repository:tag"}},
		{"no such file", with("--file", "no-such-file"), "", []string{"--file", `"no-such-file"`}},
		{"glob that matches nothing", with("-f", "none/*.Dockerfile"), "", []string{"--file", `"none/*.Dockerfile"`}},
		{"exclude that is no glob", with("-f", ".", "--exclude", "{a"), "", []string{"--exclude", `"{a"`}},
		{"empty file", with("--file", ""), "", []string{"--file", "names no file"}},
		{"empty target", with("-f", ".", "--target", ""), "", []string{"--target", "empty"}},
		{"target, and all", with("-f", ".", "--target", "a", "--all-stages"), "", []string{"--all-stages", "contradicts --target"}},
		{"build argument", with("-f", ".", "--build-arg", "A B=c"), "", []string{"--build-arg", "no build argument"}},
		{"standard input", with("-f", "-"), "", []string{"--file", "standard input is not read"}},
		{"build context", with("-f", ".", "--build-context", "base"), "", []string{"--build-context", "no build context"}},
		{"name of a build context", with("-f", ".", "--build-context", "Not A Name=lib"), "", []string{"--build-context", "Not A Name"}},
		{"invalid reference", append([]string{"verify", "Not An Image"}, id...), "", []string{"IMAGE", "Not An Image", "registry/repository:tag"}},
		{"variable left in the reference", append([]string{"verify", "alpine:${TAG}"}, id...), "", []string{"IMAGE", "${TAG}"}},
		{"a command in an address", append([]string{"verify", "x\n::set-output name=passed::true\r##[add-mask]x://y"}, id...), "", []string{"IMAGE", "leave out x; ::set-output"}},
		{"a command in a key", []string{"verify", img, "--key", "a\n::error::x\n##[set-output name=a]b://k"}, "", []string{"--key", "export the public key"}},
		{"short digest", append([]string{"verify", "alpine@sha256:abc"}, id...), "", []string{"IMAGE", "64"}},
		{"attestation of nobody", []string{"verify", img, "--attestation-type", "spdx"}, "", []string{"--attestation-type", "they name none"}},
		{"signature of nobody", []string{"verify", img, "--require-signature"}, "", []string{"--require-signature", "they name none"}},
		{"on the attestation manifest, by nobody", []string{"verify", img, "--signature-on", "attestation-manifest"}, "", []string{"--signature-on", "they name none"}},
		{"signatures of nobody elsewhere", []string{"verify", img, "--signature-repository", "a/b"}, "", []string{"--signature-repository", "they name none"}},
		{"no log, by nobody", []string{"verify", img, "--insecure-ignore-tlog"}, "", []string{"--insecure-ignore-tlog", "they name none"}},
		{"policy and identity", append([]string{"verify", img, "--policy", "p.yaml"}, id...), "", []string{"--policy", "write the identity or key into the policy"}},
		{"policy and publisher", []string{"verify", img, "--policy", "p.yaml", "--publisher", "distroless"}, "", []string{"--publisher", "publishers: [NAME]"}},
		{"publisher and identity", append([]string{"verify", img, "--publisher", "distroless"}, id...), "", []string{"--publisher", "policy init"}},
		{"no such publisher", []string{"verify", img, "--publisher", "distrolss"}, "", []string{"distrolss", "did you mean distroless"}},
		{"policy that is not there", []string{"verify", img, "--policy", "none.yaml"}, "", []string{"--policy", "policy init"}},
		{"policy that is a folder", []string{"verify", img, "--policy", "."}, "", []string{"--policy", "not a file"}},
		{"policy with a mistake", []string{"verify", img, "--policy", "version: 1\nrules: []\nrule: 1\n"}, "", []string{"policy:3:1", "did you mean rules?"}},
		{"lock to update without a lock", append([]string{"verify", img, "--update-lock"}, id...), "", []string{"--update-lock", "--lock FILE"}},
		{"empty identity", []string{"verify", img, "--certificate-identity", "", "--certificate-oidc-issuer", issuer}, "", []string{"--certificate-identity", "empty"}},
		{"blank identity", []string{"verify", img, "--certificate-identity", "  ", "--certificate-oidc-issuer", issuer}, "", []string{"--certificate-identity", "empty"}},
		{"empty issuer", []string{"verify", img, "--certificate-identity", identity, "--certificate-oidc-issuer", ""}, "", []string{"--certificate-oidc-issuer", "empty"}},
		{"empty regexp", []string{"verify", img, "--certificate-identity-regexp", "", "--certificate-oidc-issuer", issuer}, "", []string{"--certificate-identity-regexp", "empty"}},
		{"identity without issuer", []string{"verify", img, "--certificate-identity", identity}, "", []string{"--certificate-identity", "--certificate-oidc-issuer"}},
		{"issuer without identity", []string{"verify", img, "--certificate-oidc-issuer", issuer}, "", []string{"--certificate-oidc-issuer", "--certificate-identity"}},
		{"two issuers for three identities", with("--certificate-identity", "a@b.c", "--certificate-identity", "d@e.f", "--certificate-oidc-issuer", "https://x.example"), "", []string{"--certificate-oidc-issuer", "2 issuers for 3 identities"}},
		{"regexp that does not compile", []string{"verify", img, "--certificate-identity-regexp", "a(b", "--certificate-oidc-issuer", issuer}, "", []string{"--certificate-identity-regexp", "missing closing )", "RE2"}},
		{"regexp that escapes its anchors", []string{"verify", img, "--certificate-identity-regexp", "a)|(?:b", "--certificate-oidc-issuer", issuer}, "", []string{"--certificate-identity-regexp", "unexpected )"}},
		{"claim without identity", []string{"verify", img, "--key", noKey, "--certificate-github-workflow-ref", "refs/heads/main"}, "", []string{"--certificate-github-workflow"}},
		{"key that is not there", []string{"verify", img, "--key", filepath.Join(dir, "none")}, "", []string{"--key", "PEM"}},
		{"key that is too long", []string{"verify", img, "--key", file("long.pub", strings.Repeat("x", 5<<20))}, "", []string{"--key", "larger than"}},
		{"key that is none", []string{"verify", img, "--key", noKey}, "", []string{"--key", "no PEM block", "cosign.pub"}},
		{"private key", []string{"verify", img, "--key", private}, "", []string{"--key", "PRIVATE KEY", "cosign.pub"}},
		{"key variable that is not set", []string{"verify", img, "--key", "env://NOPE"}, "", []string{"--key", "NOPE"}},
		{"no log for certificates", with("--insecure-ignore-tlog"), "", []string{"--insecure-ignore-tlog"}},
		{"trust root that is none", with("--trusted-root", noRoot), "", []string{"--trusted-root", "trusted_root.json"}},
		{"trust root that is not there", with("--trusted-root", filepath.Join(dir, "none")), "", []string{"--trusted-root"}},
		{"two trust roots", with("--trusted-root", w.root, "--tuf-mirror", "https://x.example", "--tuf-root", noRoot), "", []string{"--trusted-root", "--tuf-mirror"}},
		{"mirror without root", with("--tuf-mirror", "https://x.example"), "", []string{"--tuf-mirror", "--tuf-root"}},
		{"root without mirror", with("--tuf-root", noRoot), "", []string{"--tuf-root", "--tuf-mirror"}},
		{"root that is none", with("--tuf-mirror", "https://x.example", "--tuf-root", noRoot), "", []string{"--tuf-root"}},
		{"mirror in plain http", with("--tuf-mirror", "http://x.example", "--tuf-root", noRoot), "", []string{"--tuf-mirror", "https"}},
		{"unknown instance", with("--sigstore", "mine"), "", []string{"--sigstore", "public-good"}},
		{"unknown mode", with("--mode", "maybe"), "", []string{"--mode", "enforce"}},
		{"unknown output", with("--output", "xml"), "", []string{"--output", "json"}},
		{"registry with a scheme", with("--insecure-registry", "http://reg.example:5000"), "", []string{"--insecure-registry", "HOST"}},
		{"key service", []string{"verify", img, "--key", "awskms:///alias/x"}, "", []string{"--key", "key services", "cosign public-key"}},
		{"empty key", []string{"verify", img, "--key", ""}, "", []string{"--key", "empty"}},
		{"address for a reference", append([]string{"verify", "https://ghcr.io/acme/app:v1"}, id...), "", []string{"IMAGE", "leave out https://"}},
		{"no jobs", with("--jobs", "0"), "", []string{"--jobs"}},
		{"no time", with("--timeout", "0s"), "", []string{"--timeout"}},
		{"unknown predicate type", with("--attestation-type", "bom"), "", []string{"--attestation-type", "cyclonedx"}},
		{"signature as attestation", with("--attestation-type", signType), "", []string{"--attestation-type", "not an attestation"}},
		{"no platform", with("--platform", "arm64"), "", []string{"--platform", "linux/arm64"}},
		{"unknown place", with("--signature-on", "layer"), "", []string{"--signature-on", "attestation-manifest"}},
		{"signature repository with a tag", with("--signature-repository", "ghcr.io/a/b:c"), "", []string{"--signature-repository", "without a tag"}},
		{"user without password", with("--registry-username", "me"), "", []string{"--registry-username", "--registry-password-stdin"}},
		{"password without user", with("--registry-password-stdin"), "x", []string{"--registry-password-stdin", "--registry-username"}},
		{"empty password", with("--registry-username", "me", "--registry-password-stdin"), "", []string{"--registry-password-stdin", "empty"}},
		{"password for two registries", with("ghcr.io/acme/app", "--registry-username", "me", "--registry-password-stdin"), "x", []string{"--registry-username", "ghcr.io"}},
		{"certificate authority that is none", with("--registry-cacert", noKey), "", []string{"--registry-cacert", "PEM"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := runIn(t, context.Background(), tc.stdin, env, append([]string{}, tc.args...)...)
			if r.code != 2 || r.stdout != "" {
				t.Errorf("exit %d, output %q, want exit 2 and none", r.code, r.stdout)
			}
			if found := runnertest.Commands(r.stderr); len(found) > 0 {
				t.Errorf("the runner obeys %+v in\n%s", found, r.stderr)
			}
			for _, s := range append(tc.says, "next: ") {
				if !strings.Contains(r.stderr, s) {
					t.Errorf("does not say %q:\n%s", s, r.stderr)
				}
			}
		})
	}
	if asked := w.reg.Requests(); len(asked) != 0 {
		t.Errorf("bad input led to requests: %v", asked)
	}
}

// An interrupted run ends promptly, and has not passed.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	ctx, cancel := context.WithCancel(context.Background())
	w.reg.Break(registrytest.Fault{Path: ".sig", Hang: time.Minute})
	go func() {
		for len(w.reg.Requests()) == 0 { // the tag has been resolved
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	start := time.Now()
	r := runIn(t, ctx, "", env, "verify", w.reg.Host()+"/"+repo+":v1", w.reg.Host()+"/team/never:v1", "--jobs", "1",
		"--trusted-root", w.root, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer)
	if r.code != 3 || !strings.Contains(r.stdout, "interrupted") || strings.Contains(r.stdout, "gate passed") {
		t.Errorf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	if time.Since(start) > 30*time.Second {
		t.Error("it did not end promptly")
	}
	if !strings.Contains(r.stdout, "undecided ") || strings.Contains(r.stdout, "unavailable") {
		t.Errorf("a server is blamed for the interruption:\n%s", r.stdout)
	}
	// Nor does warn mode let a run pass that was called off.
	r = runIn(t, ctx, "", env, "verify", w.reg.Host()+"/"+repo+":v1", "--mode", "warn", "--trusted-root", w.root, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer)
	if r.code != 3 {
		t.Errorf("interrupted in warn mode: exit %d", r.code)
	}
}

// Time that runs out is said to have run out, and nobody is said to have
// interrupted anything.
func TestTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.image(repo)
	w.reg.Break(registrytest.Fault{Path: "/manifests/", Hang: time.Minute})
	text, code := plainText(t, w, "--timeout", "200ms")
	if code != 3 || !strings.Contains(text, "gate closed: --timeout 200ms ran out") || strings.Contains(text, "interrupted") {
		t.Errorf("exit %d: %s", code, text)
	}
	if _, code := plainText(t, w, "--timeout", "200ms", "--mode", "warn"); code != 0 {
		t.Errorf("warn mode: exit %d", code)
	}
}

// Warn mode reports the same and exits 0.
func TestWarnMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.image(repo)
	r := w.verify(repo+":v1", "--mode", "warn")
	if r.code != 0 || r.doc.Passed || r.doc.Images[0].Reason != "unsigned" {
		t.Errorf("exit %d: %s", r.code, r.stdout)
	}
	text, code := plainText(t, w, "--mode", "warn")
	if code != 0 || !strings.Contains(text, "not enforced") || !strings.Contains(text, "gate closed") {
		t.Errorf("exit %d: %s", code, text)
	}
}

// One closed image decides the exit code, whatever was not answered besides.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	w.image("team/unsigned")
	down := "127.0.0.1:1/team/down:v1"
	if r := w.verify(repo+":v1", down); r.code != 3 || r.doc.Images[1].Reason != "unavailable" {
		t.Errorf("one without an answer: exit %d", r.code)
	}
	if r := w.verify(repo+":v1", down, w.reg.Host()+"/team/unsigned:v1"); r.code != 1 {
		t.Errorf("one without an answer, one unsigned: exit %d", r.code)
	}
}

// Patterns that accept more than was meant are warned about, in both outputs.
func TestWarnings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	args := []string{"verify", w.reg.Host() + "/" + repo + ":v1", "--trusted-root", w.root, "--certificate-identity", "https://github.com/acme/**", "--certificate-oidc-issuer", issuer}
	r := run(t, args...)
	r.want(t, 0, "verified")
	if len(r.doc.Warnings) != 2 || !strings.Contains(r.doc.Warnings[0], "any workflow") || !strings.Contains(r.doc.Warnings[1], "any ref") {
		t.Errorf("warnings %q", r.doc.Warnings)
	}
	_, text := plain(t, args...)
	if !strings.Contains(text, "warning: ") {
		t.Errorf("no warning: %s", text)
	}
}
