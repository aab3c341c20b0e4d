package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// fromDCT writes a policy for images that Docker Content Trust vouched for.
func (w *trustWorld) fromDCT(dir string, code int, more ...string) (text, said string) {
	w.t.Helper()
	r := in(w.t, dir, append([]string{"policy", "init", "--from-dct", "-o", ".boltseal.yaml", "--trusted-root", w.world.root, "--dct-server", w.server.URL()}, more...)...)
	if r.code != code || r.stdout != "" {
		w.t.Fatalf("exit %d, want %d\n%s%s", r.code, code, r.stdout, r.stderr)
	}
	body, err := os.ReadFile(filepath.Join(dir, ".boltseal.yaml"))
	if err != nil && code == 0 {
		w.t.Fatalf("%v\n%s", err, r.stderr)
	}
	return string(body), r.stderr
}

// Images that carry a Sigstore signature get a rule, by which they pass. Of those
// that do not, it is said who vouches for them and for how long, and the rule for
// that holds once somebody has taken it.
func TestPolicyInitFromDCT(t *testing.T) {
	t.Parallel()
	w := newTrustWorld(t)
	for _, ref := range []string{"team/app:v1", "team/app:v2"} {
		w.signBundle("team/app", w.put(ref, "alice"), signType, by())
	}
	old := w.collection("team/old", dcttest.Options{})
	w.server.Put(old.GUN(), old)
	for _, tag := range []string{"v1", "v2", "v10"} {
		d := w.must(w.reg.PutImage("team/old", tag, tag))
		w.check(old.Sign(tag, d.Digest.String(), "alice"))
		if tag != "v1" {
			w.check(old.AddTarget("targets/bob", tag, d.Digest.String(), 512))
		}
	}
	notation := w.collection("team/notation", dcttest.Options{})
	w.server.Put(notation.GUN(), notation)
	d := w.must(w.reg.PutImage("team/notation", "v1", "notation"))
	w.check(notation.Sign("v1", d.Digest.String(), "alice"))
	w.notary.sign("team/notation", d, w.acme)
	w.put("team/none:v1")
	dir := workspaceOf(t, nil)
	w.reg.Reset(0)
	w.server.Reset()
	text, said := w.fromDCT(dir, 0, w.at("team/app"), w.at("team/old"), w.at("team/notation:v1"), w.at("team/none:v1"))

	// The rule is that of any other image.
	if strings.Count(text, "\n  - images:") != 1 || !strings.Contains(text, `- images: ["`+w.at("team/app")+`"]`) || !strings.Contains(text, "# Docker Content Trust has signed it for the tag v1, by alice.") {
		t.Errorf("the rule:\n%s", text)
	}
	for _, want := range []string{
		"## Nobody has signed them with Sigstore or Notation. Docker Content Trust has: the tags v1, v2, v10, by alice.",
		"## Nobody has checked its root. Compare the key ID with its publisher's before you use this:\n" +
			`  # - images: ["` + w.at("team/old") + "\"]\n  #   require:\n  #     - dct:\n  #         server: \"" + w.server.URL() + "\"\n  #         roots:\n  #           - \"" + old.RootID() + "\"\n  #         signers: [\"alice\"]\n",
		"## It is signed with Notation by", "## Docker Content Trust has signed it for the tag v1, by alice.",
		"Docker Content Trust does not vouch for it: unsigned, ", "## Nobody has signed it. To let it through",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for _, want := range []string{
		w.at("team/old") + " has no signature of Sigstore or Notation: Docker Content Trust alone vouches for the tags v1, v2, v10 (" + w.server.URL() + ")",
		"nobody said which root key of " + w.at("team/old") + " to trust", "2 images with rules of their own, 5 images to decide on",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said:\n%s", want, said)
		}
	}
	// Each collection is asked for once, and each tag is resolved once.
	resolved := 0
	for _, r := range w.reg.Requests() {
		if strings.Contains(r.URI, "/manifests/v") {
			resolved++
		}
	}
	if asked := len(w.server.Requests()); asked != 6+7+6+1 || resolved != 7 {
		t.Errorf("%d requests of the notary server, %d tags resolved", asked, resolved)
	}

	if r := in(t, dir, "policy", "check"); r.code != 0 {
		t.Errorf("check: exit %d\n%s%s\n%s", r.code, r.stdout, r.stderr, text)
	}
	if r := w.judged(dir, w.at("team/app:v1"), w.at("team/app:v2")); r.code != 0 || !r.doc.Passed {
		t.Errorf("the images do not pass: exit %d\n%s\n%s", r.code, r.stdout, text)
	}
	w.judged(dir, w.at("team/old:v1")).want(t, cli.ExitClosed, "no-rule")

	// The suggestion for team/old, taken.
	only := "  ## " + w.at("team/old")
	at := strings.Index(text, only)
	if at < 0 {
		t.Fatalf("no suggestion:\n%s", text)
	}
	block, _, _ := strings.Cut(text[at:], "\n\n")
	taken := "version: 1\nrules:\n" + toggled(block+"\n")
	if err := os.WriteFile(filepath.Join(dir, ".boltseal.yaml"), []byte(taken), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := w.judged(dir, w.at("team/old:v1"), w.at("team/old:v10")); r.code != 0 || !r.doc.Passed {
		t.Errorf("the suggestion does not hold: exit %d\n%s%s\n%s", r.code, r.stdout, r.stderr, taken)
	}
	w.must(w.reg.PutImage("team/old", "v1", "evil"))
	w.judged(dir, w.at("team/old:v1")).want(t, cli.ExitClosed, "bad-signature")
}

// What is wrong with the trust data is told apart, and nothing follows from it.
func TestPolicyInitFromDCTRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		prepare func(w *trustWorld)
		image   string
		flags   []string
		code    int
		says    []string
		never   []string
	}{
		{name: "moved", prepare: func(w *trustWorld) {
			w.signBundle("team/app", w.must(w.reg.PutImage("team/app", "v1", "evil")), signType, by())
		}, code: 1, says: []string{"team/app:v1 was sha256:", "was not looked at: bad-signature", "was signed for the tag: it was moved after that", "none of the images could be looked at"}, never: []string{"- dct:", identity, "allow-unsigned"}},
		{name: "server down, signed by another system", prepare: func(w *trustWorld) {
			w.signBundle("team/app", w.must(w.reg.PutImage("team/app", "v1", "team/app:v1")), signType, by())
			w.server.Down()
		}, image: "team/app:v1", code: 3, says: []string{"could not be asked what Docker Content Trust has of"}, never: []string{"- dct:"}},
		{name: "wrong root", flags: []string{"--dct-root-key-ids", strings.Repeat("0", 64)}, image: "team/app:v1", code: 1, says: []string{"Docker Content Trust does not vouch for it: wrong-signer"}, never: []string{"- dct:"}},
		{name: "wrong root of a repository without latest", flags: []string{"--dct-root-key-ids", strings.Repeat("0", 64)}, code: 1, says: []string{"does not say what Docker Content Trust has of", ": wrong-signer, ", "; next: find out from its owner"}, never: []string{"- dct:"}},
		{name: "altered, of a repository without latest", prepare: func(w *trustWorld) { w.check(w.data.SignByAnother("targets")) }, code: 1, says: []string{"does not say what Docker Content Trust has of", ": bad-signature, ", "; next: "}, never: []string{"- dct:"}},
		{name: "expired", prepare: func(w *trustWorld) { w.check(w.data.Expire("snapshot", time.Now().Add(-time.Hour))) }, image: "team/app:v1", code: 1, says: []string{"Docker Content Trust does not vouch for it: expired"}, never: []string{"- dct:"}},
		{name: "releases do not count", prepare: func(w *trustWorld) {
			w.check(w.data.AddTarget("targets", "v1", w.must(w.reg.PutImage("team/app", "v1", "team/app:v1")).Digest.String(), 512))
			w.check(w.data.SignByAnother("targets/releases"))
		}, image: "team/app:v1", code: 1, says: []string{"targets/releases does not count"}, never: []string{"- dct:"}},
		{name: "only content trust", code: 1, says: []string{"there is nobody whom it could name as a signer", "- dct:", "Nobody has checked its root"}},
		{name: "another tag", prepare: func(w *trustWorld) { w.put("team/app:v2") }, image: "team/app:v2", code: 1, says: []string{"Docker Content Trust has not signed it."}, never: []string{"- dct:"}},
		{name: "registry down", prepare: func(w *trustWorld) { w.reg.Break(registrytest.Fault{Path: "/v2/team/app/", Status: 503}) }, code: 3, says: []string{"could not be looked at: unavailable"}, never: []string{"- dct:"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newTrustWorld(t)
			w.t = t
			w.put("team/app:v1", "alice")
			if tc.prepare != nil {
				tc.prepare(w)
			}
			if tc.image == "" {
				tc.image = "team/app"
			}
			text, said := w.fromDCT(workspaceOf(t, nil), tc.code, append([]string{w.at(tc.image)}, tc.flags...)...)
			for _, want := range tc.says {
				if !strings.Contains(text+said, want) {
					t.Errorf("%q is missing:\n%s%s", want, text, said)
				}
			}
			for _, bad := range tc.never {
				if strings.Contains(text+said, bad) {
					t.Errorf("%q is there:\n%s%s", bad, text, said)
				}
			}
		})
	}
}

// With a root that was given, nobody has to compare it; the highest tags are
// looked at; the server's own authority has its place.
func TestPolicyInitFromDCTPinned(t *testing.T) {
	t.Parallel()
	w := newTrustWorld(t)
	for _, tag := range []string{"v1", "v2", "v10"} {
		w.put("team/app:"+tag, "alice")
	}
	_, said := w.fromDCT(workspaceOf(t, nil), 1, w.at("team/app"), "--dct-root-key-ids", w.data.RootID(), "--max-tags", "2")
	for _, want := range []string{"the tags v2, v10, by alice.", "It has signed 1 more, which were not looked at.", "Its root is one that was given. This would hold them to it:"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing in\n%s", want, said)
		}
	}
	if strings.Contains(said, "NOT VERIFIED") {
		t.Errorf("it was verified:\n%s", said)
	}
}

// Flags that do not go together are bad input.
func TestPolicyInitFromDCTInput(t *testing.T) {
	t.Parallel()
	dir := workspaceOf(t, map[string]string{"Dockerfile": "FROM scratch\n"})
	for _, tc := range []struct {
		args []string
		says string
	}{
		{[]string{"--from-dct"}, "no image was given"},
		{[]string{"--from-dct", "Dockerfile"}, "is a file here"},
		{[]string{"--from-dct", "a/b", "--max-tags", "0"}, "--max-tags"},
		{[]string{"--from-dct", "a/b", "--dct-root-key-ids", "x"}, "--dct-root-key-ids"},
		{[]string{"--dct-root-key-ids", "x"}, "--dct-root-key-ids: Docker Content Trust is not asked without --from-dct"},
		{[]string{"--dct-server", "https://x"}, "--dct-server: "},
		{[]string{"--dct-cache-dir", "x"}, "--dct-cache-dir: "},
	} {
		r := in(t, dir, append([]string{"policy", "init"}, tc.args...)...)
		if r.code != 2 || r.stdout != "" || !strings.Contains(r.stderr, tc.says) || !strings.Contains(r.stderr, "  next: ") {
			t.Errorf("%q: exit %d\n%s%s", tc.args, r.code, r.stdout, r.stderr)
		}
	}
}
