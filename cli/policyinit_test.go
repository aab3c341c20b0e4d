package cli_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// in runs boltseal in a workspace.
func in(t *testing.T, dir string, args ...string) result {
	t.Helper()
	return inWith(t, dir, env, args...)
}

func inWith(t *testing.T, dir string, getenv func(string) string, args ...string) result {
	t.Helper()
	return inAt(t, dir, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), getenv, args...)
}

// inAt runs it at a time.
func inAt(t *testing.T, dir string, now time.Time, getenv func(string) string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	noWait := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	c := cli.Command{
		Dir: dir, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, LookupEnv: lookup(getenv), Sleep: noWait,
		Now: func() time.Time { return now },
	}
	code := c.Main(t.Context(), append([]string{"boltseal"}, args...))
	return result{code: code, stdout: out.String(), stderr: errs.String()}
}

// initIn writes a policy into a workspace.
func (w *world) initIn(dir string, code int, more ...string) (text, said string) {
	w.t.Helper()
	r := in(w.t, dir, append([]string{"policy", "init", "-o", ".boltseal.yaml", "--trusted-root", w.root}, more...)...)
	if r.code != code || r.stdout != "" {
		w.t.Fatalf("exit %d, want %d\n%s%s", r.code, code, r.stdout, r.stderr)
	}
	body, err := os.ReadFile(filepath.Join(dir, ".boltseal.yaml"))
	if err != nil {
		w.t.Fatalf("%v\n%s", err, r.stderr)
	}
	return string(body), r.stderr
}

// judged runs boltseal verify by the policy of a workspace.
func (w *world) judged(dir string, args ...string) result {
	w.t.Helper()
	r := in(w.t, dir, append([]string{"verify", "--output", "json", "--trusted-root", w.root}, args...)...)
	if err := json.Unmarshal([]byte(r.stdout), &r.doc); err != nil {
		w.t.Fatalf("%v\n%s%s", err, r.stdout, r.stderr)
	}
	return r
}

// The policy that is written lets the same run pass, and refuses what attackers
// do to the same repositories later.
func TestPolicyInitHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy("team/legacy", w.image("team/legacy"), by())
	good := w.image("team/bundle")
	w.signBundle("team/bundle", good, signType, by())
	v2 := w.image("team/rekor-v2")
	w.signBundle("team/rekor-v2", v2, signType, by(func(o *sigstoretest.Options) { o.RekorV2 = true }))
	host := w.reg.Host()
	dir := workspaceOf(t, map[string]string{
		"Dockerfile":   "FROM " + host + "/team/legacy:v1 AS a\nFROM " + host + "/team/bundle:v1\nCOPY --from=a / /\n",
		"compose.yaml": "services:\n  db: {image: '" + host + "/team/rekor-v2:v1'}\n",
	})
	w.reg.Reset(0)
	text, said := w.initIn(dir, cli.ExitPassed)
	resolved := 0
	for _, r := range w.reg.Requests() {
		if strings.HasSuffix(r.URI, "/manifests/v1") {
			resolved++
		}
	}
	if resolved != 3 {
		t.Errorf("%d tags were resolved, want each of 3 once", resolved)
	}
	if strings.Contains(text, "*") || strings.Count(text, identity) != 6 || strings.Contains(said, "[") {
		t.Errorf("the identities are not exact, or doubtful:\n%s%s", text, said)
	}
	again := in(t, dir, "policy", "init", "--trusted-root", w.root)
	if again.stdout != text || again.code != 0 {
		t.Errorf("another run writes another policy:\n%s", again.stdout)
	}
	if r := in(t, dir, "policy", "check"); r.code != 0 {
		t.Errorf("check: exit %d\n%s%s\n%s", r.code, r.stdout, r.stderr, text)
	}
	if r := w.judged(dir); r.code != 0 || !r.doc.Passed || len(r.doc.Images) != 3 {
		t.Fatalf("the same run does not pass: exit %d\n%s%s\n%s", r.code, r.stdout, r.stderr, text)
	}

	// The attacks, each on a tag of a repository that the policy knows.
	attack := func(tag string) string { return host + "/team/bundle:" + tag }
	evil := by(func(o *sigstoretest.Options) { o.Identity = strings.Replace(identity, "acme", "acme-evil", 1) })
	late := by(func(o *sigstoretest.Options) { o.LogAt = time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC) })
	branch := by(func(o *sigstoretest.Options) { o.Identity = strings.Replace(identity, "heads/main", "heads/pwn", 1) })
	foreign := by(func(o *sigstoretest.Options) { o.Issuer = "https://issuer.evil.example" })
	w.must(w.reg.PutImage("team/bundle", "unsigned", "unsigned"))
	d := w.must(w.reg.PutImage("team/bundle", "stranger", "stranger"))
	w.signLegacy("team/bundle", d, evil)
	d = w.must(w.reg.PutImage("team/bundle", "branch", "branch"))
	w.signBundle("team/bundle", d, signType, branch)
	d = w.must(w.reg.PutImage("team/bundle", "issuer", "issuer"))
	w.signBundle("team/bundle", d, signType, foreign)
	d = w.must(w.reg.PutImage("team/bundle", "attested", "attested"))
	w.signBundle("team/bundle", d, slsaType, by())
	d = w.must(w.reg.PutImage("team/bundle", "copied", "copied"))
	w.must(w.reg.PutBundle("team/bundle", d, w.bundle(good, signType, by())))
	d = w.must(w.reg.PutImage("team/bundle", "expired", "expired"))
	w.signLegacy("team/bundle", d, late)
	d = w.must(w.reg.PutImage("team/bundle", "down", "down"))
	w.signLegacy("team/bundle", d, by())
	w.reg.Break(registrytest.Fault{Path: "/v2/team/bundle/manifests/" + strings.Replace(d.Digest.String(), ":", "-", 1), Status: 403})
	for tag, want := range map[string]struct {
		reason string
		code   int
	}{
		"v1":       {"verified", 0},
		"unsigned": {"unsigned", 1},
		"stranger": {"wrong-signer", 1},
		"branch":   {"wrong-signer", 1},
		"issuer":   {"wrong-signer", 1},
		"attested": {"wrong-type", 1},
		"copied":   {"bad-signature", 1},
		"expired":  {"expired", 1},
		"down":     {"denied", 3},
	} {
		w.judged(dir, attack(tag)).want(t, want.code, want.reason)
	}
	w.must(w.reg.PutImage("other/app", "v1", "other"))
	w.judged(dir, host+"/other/app:v1").want(t, 1, "no-rule")
}

var (
	commentBlock = regexp.MustCompile(`(?m)(?:^ *#.*\n)+`)
	commentMark  = regexp.MustCompile(`(?m)^( *)# ?`)
)

// toggled takes the comments of all suggestions away as editors do: of each line
// of a block the first # and the blank behind it.
func toggled(text string) string {
	return commentBlock.ReplaceAllStringFunc(text, func(block string) string {
		if !strings.Contains(block, "## ") {
			return block
		}
		return commentMark.ReplaceAllString(block, "$1")
	})
}

// What nobody has signed, or not with a certificate, is never let through
// without somebody's decision.
func TestPolicyInitOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	host := w.reg.Host()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.signLegacy("team/signed", w.image("team/signed"), by())
	bare := w.image("team/bare")
	w.signLegacy("team/keyed", w.image("team/keyed"), sigstoretest.Options{Key: key})
	d := w.image("team/attested")
	w.signBundle("team/attested", d, slsaType, by())
	w.signLegacy("team/pull", w.image("team/pull"), by(func(o *sigstoretest.Options) {
		o.Identity = strings.Replace(identity, "heads/main", "pull/7/merge", 1)
	}))
	w.signLegacy("team/expired", w.image("team/expired"), by(func(o *sigstoretest.Options) { o.LogAt = time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC) }))
	w.signLegacy("team/down", w.image("team/down"), by())
	w.reg.Break(registrytest.Fault{Path: "/v2/team/down/manifests/sha256-", Status: 403})
	dir := workspaceOf(t, nil)
	args := []string{"--image", host + "/team/gone:v1"}
	for _, name := range []string{"signed", "bare", "keyed", "attested", "pull", "expired", "down"} {
		args = append(args, "--image", host+"/team/"+name+":v1")
	}
	text, said := w.initIn(dir, cli.ExitNoAnswer, args...)
	for _, want := range []string{
		"# " + host + "/team/bare:v1 was " + bare.Digest.String(),
		"Nobody has signed it", `# - images: ["` + host + "/team/bare@" + bare.Digest.String() + `"]`, `until: "", owner: "", reason: ""`,
		"It is signed with a key", "It is attested, and not signed", "It signed for a proposed change",
		"A signature does not hold: expired", "/team/down:v1 was sha256:", "could not be looked at: denied", "/team/gone:v1 was not looked at: not-found",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for _, want := range []string{"boltseal: " + host + "/team/down:v1 was sha256:", "could not be looked at: denied, ", "boltseal: " + host + "/team/gone:v1 was not looked at: not-found, "} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said at once:\n%s", want, said)
		}
	}
	if !strings.Contains(said, "1 image with rules of their own, 7 images to decide on") {
		t.Errorf("summary: %s", said)
	}
	if r := in(t, dir, "policy", "check"); r.code != 0 {
		t.Errorf("check: exit %d\n%s\n%s", r.code, r.stdout, text)
	}
	for name, reason := range map[string]string{"signed": "verified", "bare": "no-rule", "keyed": "no-rule", "attested": "no-rule", "pull": "no-rule", "expired": "no-rule"} {
		if r := w.judged(dir, host+"/team/"+name+":v1"); len(r.doc.Images) != 1 || r.doc.Images[0].Reason != reason {
			t.Errorf("%s: %s", name, r.stdout)
		}
	}
	// With the comments taken away it says what is to be filled in, and passes
	// nothing before.
	all := toggled(text)
	if err := os.WriteFile(filepath.Join(dir, "all.yaml"), []byte(all), 0o600); err != nil {
		t.Fatal(err)
	}
	r := in(t, dir, "policy", "check", "all.yaml")
	if r.code != cli.ExitUsage || strings.Count(r.stdout, "all.yaml:") != 4 || strings.Count(r.stdout, "empty text") != 3 {
		t.Errorf("exit %d\n%s\n%s", r.code, r.stdout, all)
	}
	filled := strings.NewReplacer(`until: ""`, `until: 2026-12-31`, `owner: ""`, `owner: "me"`, `reason: ""`, `reason: "because"`).Replace(all)
	if err := os.WriteFile(filepath.Join(dir, "all.yaml"), []byte(filled), 0o600); err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cosign.pub"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	// That of a proposed change stays doubtful.
	if r := in(t, dir, "policy", "check", "all.yaml"); r.code != cli.ExitClosed || strings.Count(r.stdout, "[pull-request]") != 1 || !strings.Contains(r.stdout, "with 1 doubt\n") {
		t.Errorf("exit %d\n%s\n%s", r.code, r.stdout, filled)
	}
}

// claims are Fulcio's by their object identifiers.
func claims(pairs ...string) map[string]string {
	oid := map[string]string{"runner-environment": "1.11", "source-repository-uri": "1.12", "source-repository-ref": "1.14", "github-workflow-repository": "1.5", "github-workflow-ref": "1.6"}
	out := map[string]string{}
	for pair := range slices.Chunk(pairs, 2) {
		out[oid[pair[0]]] = pair[1]
	}
	return out
}

// Identities are as narrow as the next release allows.
func TestPolicyInitIdentities(t *testing.T) {
	t.Parallel()
	const workflow = "https://github.com/acme/app/.github/workflows/release.yml@"
	for _, tc := range []struct {
		name, subject string
		claims        map[string]string
		want          []string // lines of the rule
		not           string
	}{
		{"a branch", workflow + "refs/heads/main", nil, []string{`subject: "` + workflow + `refs/heads/main"`}, "*"},
		{"a release", workflow + "refs/tags/v1.2.3", nil, []string{`subject: "` + workflow + `refs/tags/v*"`}, ""},
		{"a release of a part", workflow + "refs/tags/cli/v1.2.3", nil, []string{`subject: "` + workflow + `refs/tags/cli/v*"`}, ""},
		{"a number", workflow + "refs/tags/1.2.3", nil, []string{`subject-regexp: "https://github\\.com/acme/app/\\.github/workflows/release\\.yml@refs/tags/[0-9][0-9A-Za-z._+-]*"`}, ""},
		{"a tag without a number", workflow + "refs/tags/latest", nil, []string{`subject: "` + workflow + `refs/tags/latest"`}, "*"},
		{"a branch called like a tag", workflow + "refs/heads/x@refs/tags/v1", nil, []string{`subject: "` + workflow + `refs/heads/x@refs/tags/v1"`}, "*"},
		{"a star", "https://github.com/acme/app/.github/workflows/*@refs/heads/main", nil, []string{`subject-regexp: "https://github\\.com/acme/app/\\.github/workflows/\\*@refs/heads/main"`}, `subject: `},
		{"a star for an owner", "*@acme.example", nil, []string{`subject-regexp: "\\*@acme\\.example"`}, `subject: `},
		{"a commit", workflow + strings.Repeat("0a", 20), nil, []string{`subject: "` + workflow + strings.Repeat("0a", 20) + `"`, "# The workflow is called at a commit"}, "*"},
		{"GitLab", "https://gitlab.com/acme/app//.gitlab-ci.yml@refs/tags/v1", nil, []string{`subject: "https://gitlab.com/acme/app//.gitlab-ci.yml@refs/tags/v*"`}, ""},
		{"a hosted runner", workflow + "refs/heads/main", claims("runner-environment", "github-hosted"), []string{"claims:", `"runner-environment": "github-hosted"`}, ""},
		{"its own source", workflow + "refs/heads/main", claims("source-repository-uri", "https://github.com/acme/app"), nil, "claims:"},
		{"a look-alike source", workflow + "refs/heads/main", claims("source-repository-uri", "https://github.com/acme/ap"), []string{`"source-repository-uri": "https://github.com/acme/ap"`}, ""},
		{
			"a workflow that others call", "https://github.com/builders/all/.github/workflows/build.yml@refs/tags/v2",
			claims("source-repository-uri", "https://github.com/acme/app", "source-repository-ref", "refs/heads/main"),
			[]string{`subject: "https://github.com/builders/all/.github/workflows/build.yml@refs/tags/v*"`, `"source-repository-ref": "refs/heads/main"`, `"source-repository-uri": "https://github.com/acme/app"`}, "",
		},
		{
			"a workflow that others call, of an old certificate", "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml@refs/tags/v2.0.0",
			claims("github-workflow-repository", "acme/app", "github-workflow-ref", "refs/tags/v1"),
			[]string{`subject: "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml@refs/tags/v*"`, `"github-workflow-repository": "acme/app"`}, "workflow-ref",
		},
		{"its own source, of an old certificate", workflow + "refs/heads/main", claims("github-workflow-repository", "acme/app"), nil, "claims:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registrytest.Options{})
			w.signBundle("team/app", w.image("team/app"), signType, by(func(o *sigstoretest.Options) {
				o.Identity, o.Claims = tc.subject, tc.claims
				if strings.Contains(tc.subject, "gitlab") {
					o.Issuer = "https://gitlab.com"
				} else if !strings.Contains(tc.subject, "://") {
					o.Issuer = "https://accounts.google.com"
				}
			}))
			dir := workspaceOf(t, nil)
			text, said := w.initIn(dir, 0, "--image", w.reg.Host()+"/team/app:v1")
			_, rule, _ := strings.Cut(text, "\nrules:\n")
			var lines []string
			for line := range strings.Lines(rule) {
				if line = strings.TrimSpace(line); !strings.HasPrefix(line, "# ") || strings.Contains(line, "at a commit") {
					lines = append(lines, line)
				}
			}
			for _, want := range tc.want {
				found := false
				for _, line := range lines {
					found = found || strings.HasPrefix(strings.TrimPrefix(line, "- "), want)
				}
				if !found {
					t.Errorf("no line %s in\n%s", want, text)
				}
			}
			if tc.not != "" && strings.Contains(strings.Join(lines, "\n"), tc.not) {
				t.Errorf("%q is in\n%s", tc.not, text)
			}
			if strings.Contains(said, "[") {
				t.Errorf("it is doubtful: %s", said)
			}
			w.judged(dir, w.reg.Host()+"/team/app:v1").want(t, 0, "verified")
		})
	}
}

// Nobody can write into the policy by what they call themselves.
func TestPolicyInitHostile(t *testing.T) {
	t.Parallel()
	const allow = "\n  - images: ['**']\n    allow-unsigned: {require-digest: false, reason: x}\n"
	w := newWorld(t, registrytest.Options{})
	host := w.reg.Host()
	w.signLegacy("team/good", w.image("team/good"), by())
	for i, o := range []sigstoretest.Options{
		by(func(o *sigstoretest.Options) { o.Identity = "x" + allow + "@evil.example" }),
		by(func(o *sigstoretest.Options) { o.Identity = `x"` + "\r" + allow + "@evil.example" }),
		by(func(o *sigstoretest.Options) { o.Identity = `\" # '{[&*!|>%` + "`" + `@evil.example` }),
		by(func(o *sigstoretest.Options) { o.Issuer = "https://evil.example/" + allow }),
		by(func(o *sigstoretest.Options) { o.Issuer = "https://*.evil.example/**" }),
		by(func(o *sigstoretest.Options) { o.Issuer = "https://evil.example/\u2028\u0085\u202e" + allow }),
		by(func(o *sigstoretest.Options) { o.Claims = claims("runner-environment", "x"+allow) }),
		by(func(o *sigstoretest.Options) { o.Identity = "##vso[task.setvariable variable=x]@evil.example" }),
	} {
		repo := "team/bad" + string(rune('a'+i))
		w.signBundle(repo, w.image(repo), signType, o)
	}
	d := w.image("team/badtype")
	w.signBundle("team/badtype", d, "https://evil.example"+allow, by())
	w.signBundle("team/badtype", d, signType, by())
	files := map[string]string{"Dockerfile": "FROM " + host + "/team/good:v1\n", "b\n  - x.Dockerfile": "FROM " + host + "/team/badtype:v1\nFROM " + host + "/team/badtype:v1\n"}
	for i := range 8 {
		files["d"+string(rune('a'+i))+"/Dockerfile"] = "FROM " + host + "/team/bad" + string(rune('a'+i)) + ":v1\n"
	}
	dir := workspaceOf(t, files)
	text, said := w.initIn(dir, 0)
	if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) || strings.Contains(text+said, "##vso") {
		t.Errorf("it is not inert:\n%s%s", text, said)
	}
	for line := range strings.Lines(text) {
		if code, _, _ := strings.Cut(strings.TrimLeft(line, " "), "#"); strings.Contains(code, "allow-unsigned") || strings.Contains(code, "**") && !strings.Contains(code, "regexp") {
			t.Errorf("it counts: %s", line)
		}
	}
	if strings.Count(text, "# - images") > 0 || strings.Count(text, "A signer cannot be written") != 6 {
		t.Errorf("what cannot be written is suggested:\n%s", text)
	}
	if r := in(t, dir, "policy", "check"); r.code != cli.ExitClosed { // two names do not fit their issuer
		t.Errorf("check: exit %d\n%s\n%s", r.code, r.stdout, text)
	}
	w.judged(dir, host+"/team/good:v1").want(t, 0, "verified")
	w.must(w.reg.PutImage("other/app", "v1", "other"))
	w.judged(dir, host+"/other/app:v1").want(t, 1, "no-rule")
	// What can be written passes as it is; what cannot is a comment.
	for i, reason := range []string{"no-rule", "no-rule", "verified", "no-rule", "no-rule", "no-rule", "no-rule", "verified"} {
		if r := w.judged(dir, host+"/team/bad"+string(rune('a'+i))+":v1"); len(r.doc.Images) != 1 || r.doc.Images[0].Reason != reason {
			t.Errorf("%d is %q, want %q\n%s", i, r.doc.Images[0].Reason, reason, text)
		}
	}
}

// Publishers that are known are listed where their rules hold, and whoever else
// has signed their images is nobody whom a policy should name by itself.
func TestPolicyInitPublishers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	proxy := func(name string) string {
		if name == "HTTP_PROXY" {
			return "http://" + w.reg.Host() // which is asked for all hosts, and so is each of them
		}
		return ""
	}
	google := by(func(o *sigstoretest.Options) {
		o.Identity, o.Issuer = "keyless@distroless.iam.gserviceaccount.com", "https://accounts.google.com"
	})
	w.signLegacy("distroless/static", w.image("distroless/static"), google)
	w.signLegacy("distroless/evil", w.image("distroless/evil"), by(func(o *sigstoretest.Options) {
		o.Identity, o.Issuer = "keyless@distroless-evil.iam.gserviceaccount.com", "https://accounts.google.com"
	}))
	bare := w.image("distroless/bare")
	alpine := w.must(w.reg.PutImage("library/alpine", "3.22", "alpine"))
	dir := workspaceOf(t, map[string]string{"Dockerfile": "FROM gcr.io/distroless/static:v1 AS a\nFROM gcr.io/distroless/evil:v1 AS b\nFROM gcr.io/distroless/bare:v1 AS c\nFROM alpine:3.22\nCOPY --from=a / /\nCOPY --from=b / /\nCOPY --from=c / /\n"})
	how := []string{"--trusted-root", w.root, "--insecure-registry", "gcr.io", "--insecure-registry", "docker.io", "--insecure-registry", "index.docker.io"}
	r := inWith(t, dir, proxy, append([]string{"policy", "init", "-o", ".boltseal.yaml"}, how...)...)
	if r.code != 0 {
		t.Fatalf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	body, err := os.ReadFile(filepath.Join(dir, ".boltseal.yaml"))
	text := string(body)
	if err != nil || strings.Contains(text, "\n  - images") {
		t.Errorf("a rule counts:\n%s", text)
	}
	for _, want := range []string{
		"\npublishers:\n  # gcr.io/distroless/static:v1 (Dockerfile:1:6) was sha256:", `- "distroless"`,
		"The built-in publisher distroless knows it, and what it asks for was not found", `  #             subject: "keyless@distroless-evil.iam.gserviceaccount.com"`,
		`# - images: ["gcr.io/distroless/bare@` + bare.Digest.String(), "The built-in publisher docker-official does not sign.",
		"# docker.io/library/alpine:3.22 (Dockerfile:4:6) was " + alpine.Digest.String(),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	r = inWith(t, dir, proxy, append([]string{"verify", "--output", "json"}, how...)...)
	if err := json.Unmarshal([]byte(r.stdout), &r.doc); err != nil || len(r.doc.Images) != 4 {
		t.Fatalf("%v\n%s%s", err, r.stdout, r.stderr)
	}
	for _, i := range r.doc.Images {
		want := map[string]string{"gcr.io/distroless/static:v1": "verified", "gcr.io/distroless/evil:v1": "wrong-signer", "gcr.io/distroless/bare:v1": "unsigned", "docker.io/library/alpine:3.22": "no-rule"}[i.Reference]
		if i.Reason != want {
			t.Errorf("%s is %s, want %s", i.Reference, i.Reason, want)
		}
	}
}

// What speaks against a signer stands beside it, and whom anybody can be is
// left to somebody's decision.
func TestPolicyInitLookTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	host := w.reg.Host()
	const shared = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml@refs/tags/v2.0.0"
	for repo, o := range map[string]sigstoretest.Options{
		"team/shared": by(func(o *sigstoretest.Options) { o.Identity = shared }),
		"team/mail": by(func(o *sigstoretest.Options) {
			o.Identity, o.Issuer = "somebody@gmail.com", "https://github.com/login/oauth"
		}),
		"team/issuer": by(func(o *sigstoretest.Options) { o.Identity, o.Issuer = "release@acme.com", "https://evil.example" }),
		"team/runner": by(func(o *sigstoretest.Options) { o.Claims = claims("runner-environment", "self-hosted") }),
	} {
		w.signBundle(repo, w.image(repo), signType, o)
	}
	text, _ := w.initIn(workspaceOf(t, nil), 0, "--image", host+"/team/shared:v1", "--image", host+"/team/mail:v1", "--image", host+"/team/issuer:v1", "--image", host+"/team/runner:v1")
	for _, want := range []string{
		"\n  # - images: [\"" + host + "/team/shared:v1\"]\n", "## Anybody may call this workflow, and nothing in the certificate says who did.",
		"\n            # Look twice: anybody can have an address at gmail.com", "\n            # Look twice: the issuer https://evil.example is not one that is known here",
		"\n            # Look twice: it was signed on a runner of its own (self-hosted)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// Of a publisher that is known and not built in it is said why: without a
// signature that can be seen, nobody has to conclude that there is none.
func TestPolicyInitOmitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	proxy := func(name string) string {
		if name == "HTTP_PROXY" {
			return "http://" + w.reg.Host()
		}
		return ""
	}
	d := w.image("openjdk/jdk")
	w.image("kibana/kibana")
	r := inWith(t, t.TempDir(), proxy, "policy", "init", "--image", "mcr.microsoft.com/openjdk/jdk:v1", "--image", "docker.elastic.co/kibana/kibana:v1", "--trusted-root", w.root,
		"--insecure-registry", "mcr.microsoft.com", "--insecure-registry", "docker.elastic.co")
	for _, want := range []string{
		"no policy was written: there is nobody whom it could name as a signer",
		"  ## Its publisher is known, and not built in: Microsoft: but for .NET, not all of it is signed, and by whom is not documented.\n  ## Nobody has signed it.",
		`  # - images: ["mcr.microsoft.com/openjdk/jdk@` + d.Digest.String() + "\"]\n  #   allow-unsigned: ",
		"  ## Its publisher is known, and not built in: Elastic: signs with a key (https://artifacts.elastic.co/cosign.pub) whose text could not be obtained from two sources.\n  ## Nobody has signed it.",
	} {
		if !strings.Contains(r.stderr, want) || r.code != cli.ExitClosed || r.stdout != "" {
			t.Errorf("exit %d, no %q in\n%s%s", r.code, want, r.stdout, r.stderr)
		}
	}
}

// Images of one repository share a rule where they share their signers. With
// several signers the rule says so.
func TestPolicyInitGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	host := w.reg.Host()
	at := func(ref string) sigstoretest.Options {
		return by(func(o *sigstoretest.Options) { o.Identity = strings.Replace(identity, "refs/heads/main", ref, 1) })
	}
	put := func(repo, tag, ref string) {
		d := w.must(w.reg.PutImage(repo, tag, repo+tag))
		w.signBundle(repo, d, signType, at(ref))
		w.signBundle(repo, d, slsaType, at(ref))
	}
	put("team/same", "v1.0", "refs/tags/v1.0")
	put("team/same", "v1.1", "refs/tags/v1.1")
	put("team/split", "v1", "refs/tags/v1")
	put("team/split", "edge", "refs/heads/main")
	put("team/both", "v1", "refs/tags/v1")
	both := w.must(w.reg.PutImage("team/both", "v1", "team/bothv1"))
	w.signLegacy("team/both", both, by(func(o *sigstoretest.Options) {
		o.Identity, o.Issuer = "me@acme.example", "https://accounts.google.com"
	}))
	dir := workspaceOf(t, nil)
	var args []string
	for _, ref := range []string{"same:v1.1", "same:v1.0", "split:v1", "split:edge", "both:v1", "both:v1@" + both.Digest.String()} {
		args = append(args, "--image", host+"/team/"+ref)
	}
	text, said := w.initIn(dir, 0, args...)
	for want, n := range map[string]int{
		`- images: ["` + host + `/team/same"]`:       1,
		`- images: ["` + host + `/team/split:v1"]`:   1,
		`- images: ["` + host + `/team/split:edge"]`: 1,
		`- images: ["` + host + `/team/both"]`:       1,
		"# Other images of this repository":          2,
		"# It has 2 signers, any of whom will do.":   1,
		"- images": 4,
		"# It is attested too. This would require it:\n":  4,
		"\n      # - attestation:\n":                      4,
		`/.github/workflows/release.yml@refs/tags/v*"`:    6,
		`/.github/workflows/release.yml@refs/heads/main"`: 2,
		`subject: "me@acme.example"`:                      1,
	} {
		if got := strings.Count(text, want); got != n {
			t.Errorf("%q is there %d times, want %d, in\n%s", want, got, n, text)
		}
	}
	if strings.Contains(said, "[") {
		t.Errorf("it is doubtful: %s", said)
	}
	for _, want := range []string{"/team/both has 2 signers, any of whom will do", "/team/split has images of different signers"} {
		if strings.Count(said, want) != 1 {
			t.Errorf("no %q in %s", want, said)
		}
	}
	if r := w.judged(dir, host+"/team/same:v1.0", host+"/team/same:v1.1", host+"/team/split:v1", host+"/team/split:edge", host+"/team/both:v1"); r.code != 0 {
		t.Errorf("exit %d\n%s", r.code, r.stdout)
	}
	w.judged(dir, host+"/team/split:edge").want(t, 0, "verified")
	// The signer of one tag is none of the other's.
	d := w.must(w.reg.PutImage("team/split", "edge", "moved"))
	w.signBundle("team/split", d, signType, at("refs/tags/v2"))
	w.judged(dir, host+"/team/split:edge").want(t, 1, "wrong-signer")
	// With the attestations required too, all pass still.
	all := toggled(text)
	if err := os.WriteFile(filepath.Join(dir, ".boltseal.yaml"), []byte(all), 0o600); err != nil {
		t.Fatal(err)
	}
	w.judged(dir, host+"/team/same:v1.0").want(t, 0, "verified")
}

// An index whose platforms are signed one by one gets a rule with which it
// passes for them, and only for them.
func TestPolicyInitPlatforms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	host := w.reg.Host()
	amd64, arm64 := w.must(w.reg.PutImage("team/multi", "", "amd64")), w.must(w.reg.PutImage("team/multi", "", "arm64"))
	amd64.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}
	arm64.Platform = &ocispec.Platform{OS: "linux", Architecture: "arm64"}
	w.must(w.reg.PutIndex("team/multi", "v1", amd64, arm64))
	w.signLegacy("team/multi", amd64, by())
	w.signBundle("team/multi", arm64, signType, by(func(o *sigstoretest.Options) {
		o.Identity = "me@acme.example"
		o.Issuer = "https://accounts.google.com"
	}))
	dir := workspaceOf(t, nil)
	text, _ := w.initIn(dir, 0, "--image", host+"/team/multi:v1", "--platform", "linux/amd64")
	if !strings.Contains(text, "# on platform linux/amd64: cosign-legacy in ") || strings.Contains(text, "me@acme.example") {
		t.Error(text)
	}
	w.judged(dir, host+"/team/multi:v1", "--platform", "linux/amd64").want(t, 0, "verified")
	w.judged(dir, host+"/team/multi:v1", "--platform", "linux/amd64", "--platform", "linux/arm64").want(t, 1, "wrong-signer")
	w.judged(dir, host+"/team/multi:v1").want(t, 1, "unsigned")
}

// Nothing is written where it was not asked for, nor after somebody ended the
// run, nor over what is there.
func TestPolicyInitFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy("team/app", w.image("team/app"), by())
	dir := workspaceOf(t, map[string]string{"there.yaml": "kept"})
	if err := os.Symlink("there.yaml", filepath.Join(dir, "link.yaml")); err != nil {
		t.Skip(err)
	}
	w.reg.Reset(0)
	for _, tc := range []struct {
		args []string
		says string
	}{
		{[]string{"--force"}, "--force: there is no file to write over"},
		{[]string{"-o", "there.yaml"}, "there.yaml is there already"},
		{[]string{"-o", "link.yaml", "--force"}, "link.yaml is a link"},
		{[]string{"-o", "gone/p.yaml", "no-such-file"}, "no-such-file"},
		{[]string{"--jobs", "0"}, "--jobs: 0 is out of range"},
		{[]string{"--image", "A"}, "IMAGE: "},
		{[]string{"--trusted-root", "gone.json"}, "--trusted-root"},
	} {
		r := in(t, dir, append([]string{"policy", "init", "--image", w.reg.Host() + "/team/app:v1", "--trusted-root", w.root}, tc.args...)...)
		if r.code != cli.ExitUsage || r.stdout != "" || !strings.Contains(r.stderr, tc.says) {
			t.Errorf("%q: exit %d\n%s%s", tc.args, r.code, r.stdout, r.stderr)
		}
	}
	if n := len(w.reg.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := runIn(t, ctx, "", env, "policy", "init", "-o", filepath.Join(dir, "new.yaml"), "--image", w.reg.Host()+"/team/app:v1", "--trusted-root", w.root)
	if _, err := os.Stat(filepath.Join(dir, "new.yaml")); err == nil || r.code != cli.ExitNoAnswer || !strings.Contains(r.stderr, "nothing was written") {
		t.Errorf("interrupted: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	// Neither is what was found until then.
	w.image("team/other")
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	w.reg.Break(registrytest.Fault{Path: "/v2/team/other/manifests/v1", Body: func(b []byte) []byte {
		cancel()
		return b
	}})
	r = runIn(t, ctx, "", env, "policy", "init", "--jobs", "1", "-o", filepath.Join(dir, "new.yaml"), "--image", w.reg.Host()+"/team/app:v1", "--image", w.reg.Host()+"/team/other:v1", "--trusted-root", w.root)
	if _, err := os.Stat(filepath.Join(dir, "new.yaml")); err == nil || r.code != cli.ExitNoAnswer || !strings.Contains(r.stderr, "nothing was written") {
		t.Errorf("interrupted in the middle: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	body, err := os.ReadFile(filepath.Join(dir, "there.yaml"))
	if string(body) != "kept" || err != nil {
		t.Errorf("%q (%v)", body, err)
	}
	if text, _ := w.initIn(dir, 0, "--image", w.reg.Host()+"/team/app:v1"); !strings.Contains(text, identity) {
		t.Error(text)
	}
}
