package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// signedAs signs as somebody else.
func signedAs(subject string, claims map[string]string) sigstoretest.Options {
	return by(func(o *sigstoretest.Options) { o.Identity, o.Claims = subject, claims })
}

// A rule for many images is not widened for one of them: what is to be pasted is
// a rule of its own, with which that image passes, and none besides.
func TestPolicyAcceptAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	forked := strings.Replace(identity, "/app/", "/forked/", 1)
	hosted := map[string]string{"1.11": "github-hosted"}
	w.signBundle("team/app", w.image("team/app"), signType, signedAs(identity, hosted))
	for _, repo := range []string{"team/forked", "team/third", "team/forked/sub"} {
		w.signBundle(repo, w.image(repo), signType, signedAs(forked, hosted))
	}
	root, err := os.ReadFile(w.root)
	if err != nil {
		t.Fatal(err)
	}
	const rule = "  - images: [\"REGISTRY/team/**\"]\n    require:\n      - sigstore: {identities: [ACME], trusted-root: root.json, claims: {runner-environment: github-hosted}}\n"
	run := func(rules string, args ...string) (int, judged, string) {
		dir := workspaceOf(t, map[string]string{".boltseal.yaml": w.policy("version: 1\nrules:\n" + rules), "root.json": string(root)})
		return w.judge(dir, env, args...)
	}
	code, got, errs := run(rule, "REGISTRY/team/forked:v1")
	if code != 1 || len(got.Images) != 1 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	a := got.Images[0].Checks[0].Candidates[0].Accept
	if a == nil || a.List != "rules" || a.In != "rules of .boltseal.yaml, as a rule of its own" || !strings.HasPrefix(a.Line, `{images: ["`+w.reg.Host()+`/team/forked"], require: [`) ||
		!strings.Contains(a.Line, `trusted-root: "root.json"`) || !strings.Contains(a.Line, `runner-environment: "github-hosted"`) || a.Unwise != "" {
		t.Fatalf("accept %+v", a)
	}
	for repo, want := range map[string]string{"team/app": "verified", "team/forked": "verified", "team/third": "wrong-signer", "team/forked/sub": "wrong-signer"} {
		_, got, errs := run(rule+"  - "+a.Line+"\n", "REGISTRY/"+repo+":v1")
		if len(got.Images) != 1 || got.Images[0].Reason != want {
			t.Errorf("%s: %+v %s", repo, got.Images, errs)
		}
	}
	// What the rule asks for besides is not in the line, which says so.
	both := strings.Replace(rule, "- sigstore", "- attestation: {type: slsaprovenance1, identities: [ACME]}\n      - sigstore", 1)
	_, got, _ = run(both, "REGISTRY/team/forked:v1")
	if a := got.Images[0].Checks[1].Candidates[0].Accept; a == nil || !strings.Contains(a.Unwise, "more than this is required now") {
		t.Errorf("two requirements: %+v", a)
	}
	group := strings.Replace(rule, "- sigstore: {", "- all-of: [sigstore: {identities: [EVIL]}, sigstore: {", 1)
	_, got, _ = run(strings.TrimSuffix(group, "\n")+"]\n", "REGISTRY/team/forked:v1")
	for _, c := range got.Images[0].Checks[0].Candidates {
		if c.Accept == nil || !strings.Contains(c.Accept.Unwise, "more than this is required now") {
			t.Errorf("a group: %+v", c.Accept)
		}
	}
	// A rule of several repositories cannot have one of them in a second rule.
	several := strings.Replace(rule, "/team/**\"", "/team/forked\", \"REGISTRY/team/third\"", 1)
	_, got, _ = run(several, "REGISTRY/team/forked:v1")
	if a := got.Images[0].Checks[0].Candidates[0].Accept; a == nil || a.List != "identities" || !strings.HasPrefix(a.In, "identities, beside what is at .boltseal.yaml:5:") || !strings.Contains(a.Unwise, "the rule is for other images, too") {
		t.Errorf("several: %+v", a)
	}
}

// A key that its log entry proves has a line, too, where the rule has none.
func TestPolicyAcceptKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.signBundle("team/app", w.image("team/app"), signType, sigstoretest.Options{Key: k})
	w.signBundle("team/other", w.image("team/other"), signType, sigstoretest.Options{Key: k})
	policy := func(more string) string {
		return w.policy("version: 1\nrules:\n  - images: [REGISTRY/team/app]\n    require:\n      - sigstore:\n          identities: [ACME]\n" + more +
			"  - images: [\"REGISTRY/**\"]\n    require: [sigstore: {identities: [ACME]}]\n")
	}
	dir := workspaceOf(t, map[string]string{".boltseal.yaml": policy("")})
	_, got, _ := w.judge(dir, env, "REGISTRY/team/app:v1")
	c := got.Images[0].Checks[0].Candidates[0]
	if c.Accept == nil || c.Accept.List != "keys" || !strings.Contains(c.Accept.In, "the requirement at .boltseal.yaml:6:11") || !strings.Contains(c.Accept.Unwise, "get the key from its publisher") {
		t.Fatalf("accept %+v", c.Accept)
	}
	text, _ := w.output(dir, "REGISTRY/team/app:v1")
	if !strings.Contains(text, "\n                         keys: ["+c.Accept.Line+"]\n") {
		t.Errorf("the line does not stand alone: %s", text)
	}
	dir = workspaceOf(t, map[string]string{".boltseal.yaml": policy("          keys: [" + c.Accept.Line + "]\n")})
	for repo, want := range map[string]string{"team/app": "verified", "team/other": "wrong-signer"} {
		if _, got, errs := w.judge(dir, env, "REGISTRY/"+repo+":v1"); len(got.Images) != 1 || got.Images[0].Reason != want {
			t.Errorf("%s: %+v %s", repo, got.Images, errs)
		}
	}
}

// What lets an image through is told with its rule; what ceased to, with the
// place to mend.
func TestPolicyExemptNext(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.image("team/app")
	dir := workspaceOf(t, map[string]string{".boltseal.yaml": w.policy("version: 1\nrules: [{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [ACME]}]}]\nexceptions:\n  - {images: ['REGISTRY/team/*'], until: UNTIL, owner: platform, reason: because}\n")})
	mend := func(until string) string {
		body, err := os.ReadFile(dir + "/.boltseal.yaml")
		if err != nil {
			t.Fatal(err)
		}
		return workspaceOf(t, map[string]string{".boltseal.yaml": strings.Replace(string(body), "UNTIL", until, 1)})
	}
	if text, code := w.output(mend("2026-06-01"), "REGISTRY/team/app:v1"); code != 0 || !strings.Contains(text, "by        "+w.reg.Host()+"/team/* (policy, .boltseal.yaml:4:5)\n") {
		t.Errorf("exit %d: %s", code, text)
	}
	if text, code := w.output(mend("2026-02-01"), "REGISTRY/team/app:v1"); code != 1 || strings.Contains(text, "--signature-repository") ||
		!strings.Contains(text, "next      set until anew in the exception at .boltseal.yaml:4:5 if its owner (platform) agrees, or take it out; or sign the image") {
		t.Errorf("exit %d: %s", code, text)
	}
}

// output runs boltseal verify in a workspace, and returns its text report.
func (w *world) output(dir string, args ...string) (string, int) {
	w.t.Helper()
	file := dir + "/report.txt"
	code, _, errs := w.judge(dir, env, append([]string{"--report", "text=" + file}, args...)...)
	body, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err, errs)
	}
	return string(body), code
}
