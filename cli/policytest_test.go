package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// A tested is what boltseal policy test --output json writes.
type tested struct {
	Version int
	Passed  bool
	Cases   []struct {
		Name, Image, File, Expected, Reason, Result, Message, Next, Note, Detail string
		Line, Column                                                             int
		Signers                                                                  []string
	}
}

func runPolicyTest(t *testing.T, dir string, args ...string) (tested, result) {
	t.Helper()
	r := in(t, dir, append([]string{"policy", "test", "cases.yaml", "--output", "json"}, args...)...)
	var doc tested
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil {
		t.Fatalf("exit %d: %v\n%s%s", r.code, err, r.stdout, r.stderr)
	}
	return doc, r
}

// suite is a world with a policy and a file of cases about it.
func suite(t *testing.T, cases string) (*world, string) {
	t.Helper()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy("team/app", w.image("team/app"), by())
	w.signLegacy("team/evil", w.image("team/evil"), by())
	w.image("team/bare")
	w.image("team/old")
	d := w.image("team/attested")
	w.signBundle("team/attested", d, slsaType, by())
	root, err := os.ReadFile(w.root)
	if err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("REGISTRY", w.reg.Host(), "IDENTITY", identity, "ISSUER", issuer)
	dir := workspaceOf(t, map[string]string{
		"trusted_root.json": string(root),
		".boltseal.yaml": fill.Replace(`version: 1
rules:
  - images: [REGISTRY/team/**]
    require:
      - sigstore: {identities: [{issuer: ISSUER, subject: "IDENTITY"}]}
  - images: [REGISTRY/team/evil]
    require:
      - sigstore: {identities: [{issuer: ISSUER, subject: "https://github.com/acme/other/.github/workflows/release.yml@refs/heads/main"}]}
exceptions:
  - {images: [REGISTRY/team/old], until: 2026-06-30, owner: me, reason: it is old}
`),
		"cases.yaml": fill.Replace("version: 1\ntrusted-root: trusted_root.json\nnow: 2026-06-30\ncases:\n" + cases),
	})
	return w, dir
}

const allCases = `  - {image: REGISTRY/team/app:v1, expect: verified, signer: "IDENTITY", evidence: evidence/app.json}
  - {image: REGISTRY/team/evil:v1, expect: wrong-signer, signer: "IDENTITY", evidence: evidence/evil.json}
  - {image: REGISTRY/team/bare:v1, expect: unsigned, evidence: evidence/others.json, name: nobody}
  - {image: REGISTRY/team/attested:v1, expect: wrong-type, evidence: evidence/others.json}
  - {image: REGISTRY/team/old:v1, expect: exempt, evidence: evidence/others.json}
  - {image: REGISTRY/team/gone:v1, expect: not-found, evidence: evidence/others.json}
  - {image: registry.example/other, expect: no-rule}
`

// What is recorded is judged as what was recorded, without a request, whatever
// has become of the registry.
func TestPolicyTestRecords(t *testing.T) {
	t.Parallel()
	w, dir := suite(t, allCases)
	first, r := runPolicyTest(t, dir, "--record")
	if r.code != cli.ExitPassed || !first.Passed || len(first.Cases) != 7 || first.Cases[2].Name != "nobody" {
		t.Fatalf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	evidence, err := filepath.Glob(filepath.Join(dir, "evidence", "*"))
	if err != nil || len(evidence) != 3 {
		t.Fatalf("%v (%v)", evidence, err)
	}
	w.reg.Reset(0)
	again, r := runPolicyTest(t, dir)
	if r.code != cli.ExitPassed || !again.Passed || len(w.reg.Requests()) != 0 {
		t.Fatalf("exit %d, %d requests\n%s%s", r.code, len(w.reg.Requests()), r.stdout, r.stderr)
	}
	for i, c := range again.Cases {
		if c.Result != "ok" || c.Reason != c.Expected || c.Reason != first.Cases[i].Reason || c.Line != i+5 || c.Column != 5 || c.File != "cases.yaml" || c.Message != "" {
			t.Errorf("%+v", c)
		}
	}
	if s := again.Cases[1].Signers; len(s) != 1 || s[0] != identity {
		t.Errorf("signers: %v", s)
	}
	w.reg.Close()
	if _, r := runPolicyTest(t, dir); r.code != cli.ExitPassed {
		t.Errorf("without the registry: exit %d\n%s", r.code, r.stdout)
	}
	// A refused registry does not take good evidence away.
	before, _ := os.ReadFile(evidence[0])
	if _, r := runPolicyTest(t, dir, "--record"); r.code != cli.ExitNoAnswer {
		t.Errorf("recording nothing: exit %d\n%s", r.code, r.stdout)
	}
	if after, _ := os.ReadFile(evidence[0]); string(after) != string(before) || len(before) == 0 {
		t.Error("the evidence was overwritten by what gave no answer")
	}
}

// A policy that becomes another one is noticed.
func TestPolicyTestDiffers(t *testing.T) {
	t.Parallel()
	_, dir := suite(t, allCases)
	if _, r := runPolicyTest(t, dir, "--record"); r.code != cli.ExitPassed {
		t.Fatalf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	edit := func(name, from, to string) {
		t.Helper()
		file := filepath.Join(dir, name)
		body, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(body), from) {
			t.Fatalf("%s: no %q (%v)", name, from, err)
		}
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(body), from, to)), 0o600); err != nil { //nolint:gosec // of the test itself
			t.Fatal(err)
		}
	}
	results := func(code int) string {
		t.Helper()
		doc, r := runPolicyTest(t, dir)
		var all []string
		for _, c := range doc.Cases {
			all = append(all, c.Result+":"+c.Reason)
		}
		if r.code != code || doc.Passed {
			t.Errorf("exit %d, want %d\n%s", r.code, code, r.stdout)
		}
		return strings.Join(all, " ")
	}
	const same = " ok:wrong-signer ok:unsigned ok:wrong-type ok:exempt ok:not-found ok:no-rule"
	edit("cases.yaml", "signer: \""+identity, "signer: \"x"+identity)
	if got := results(cli.ExitClosed); !strings.HasPrefix(got, "differs:verified differs:wrong-signer ok:unsigned") {
		t.Error(got)
	}
	edit("cases.yaml", "signer: \"x", "signer: \"")
	edit("cases.yaml", "now: 2026-06-30", "now: 2026-07-01")
	if got, want := results(cli.ExitClosed), strings.Replace("ok:verified"+same, "ok:exempt", "differs:unsigned", 1); got != want {
		t.Errorf("a day later: %s", got)
	}
	edit("cases.yaml", "now: 2026-07-01", "now: 2026-06-30")
	edit(".boltseal.yaml", "release.yml@refs/heads/main", "nobody.yml@refs/heads/main")
	if got := results(cli.ExitClosed); got != "differs:wrong-signer"+strings.Replace(same, "ok:wrong-type", "differs:wrong-signer", 1) {
		t.Errorf("another policy: %s", got)
	}
	edit(".boltseal.yaml", "nobody.yml@refs/heads/main", "release.yml@refs/heads/main")
	edit("cases.yaml", "expect: wrong-type, evidence: evidence/others.json", "expect: wrong-type, evidence: evidence/app.json")
	if got, want := results(cli.ExitNoAnswer), "ok:verified"+strings.Replace(same, "ok:wrong-type", "no-answer:unavailable", 1); got != want {
		t.Errorf("evidence without the image: %s", got)
	}
	// Nor is it a success where no answer is what was expected.
	edit("cases.yaml", "expect: wrong-type, evidence: evidence/app.json", "expect: unavailable, evidence: evidence/app.json")
	if got, want := results(cli.ExitNoAnswer), "ok:verified"+strings.Replace(same, "ok:wrong-type", "no-answer:unavailable", 1); got != want {
		t.Errorf("evidence without the image: %s", got)
	}
}

// A case that differs is shown as boltseal verify shows the image: by which
// rule, what it said of exceptions, where the signer differs, and what would
// accept it.
func TestPolicyTestShows(t *testing.T) {
	t.Parallel()
	w, dir := suite(t, `  - {image: REGISTRY/team/evil:v1, expect: verified}
  - {image: REGISTRY/team/old:v1, expect: exempt}
  - {image: REGISTRY/team/app:v1, expect: wrong-signer}
`)
	cases, err := os.ReadFile(filepath.Join(dir, "cases.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	later := strings.Replace(string(cases), "now: 2026-06-30", "now: 2026-07-01", 1)
	if err := os.WriteFile(filepath.Join(dir, "policy-test.yaml"), []byte(later), 0o600); err != nil { //nolint:gosec // of the test itself
		t.Fatal(err)
	}
	r := in(t, dir, "policy", "test") // which looks beside the policy
	host := w.reg.Host()
	for _, want := range []string{
		"FAIL       " + host + "/team/evil:v1: expected verified, got wrong-signer\n           at   policy-test.yaml:5:5\n           wrong-signer   " + host + "/team/evil:v1\n",
		"rule      " + host + "/team/evil (policy, .boltseal.yaml:6:5)",
		"differs   in ", "to accept", "wanted ",
		"rule      " + host + "/team/** (policy, .boltseal.yaml:3:5)", "note      the exception for it at .boltseal.yaml:10:5 (owner: me) ended with 2026-06-30\n",
		"got verified\n           at   policy-test.yaml:7:5\n           by the rule " + host + "/team/** (policy, .boltseal.yaml:3:5): ",
		"3 cases: 0 as expected, 3 not, 0 without an answer",
	} {
		if !strings.Contains(r.stdout, want) || r.code != cli.ExitClosed {
			t.Errorf("exit %d, no %q in\n%s%s", r.code, want, r.stdout, r.stderr)
		}
	}
	doc, _ := runPolicyTest(t, dir)
	if d := doc.Cases[0].Detail; !strings.Contains(d, "to accept") || doc.Cases[1].Detail != "" {
		t.Errorf("detail: %q and %q", d, doc.Cases[1].Detail)
	}
}

// Without evidence the registry is asked, and its refusal is no judgement.
func TestPolicyTestOnline(t *testing.T) {
	t.Parallel()
	w, dir := suite(t, "  - {image: REGISTRY/team/app:v1, expect: verified}\n")
	if doc, r := runPolicyTest(t, dir); r.code != 0 || !doc.Passed || len(w.reg.Requests()) == 0 {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	w.reg.Break(registrytest.Fault{Path: "/v2/team/app/manifests/sha256-", Status: 403})
	doc, r := runPolicyTest(t, dir)
	if r.code != cli.ExitNoAnswer || doc.Passed || doc.Cases[0].Result != "no-answer" || doc.Cases[0].Reason != "denied" {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	text := in(t, dir, "policy", "test", "cases.yaml")
	for _, want := range []string{"no answer  ", "expected verified, got denied", "at   cases.yaml:5:5", "1 case: 0 as expected, 0 not, 1 without an answer"} {
		if !strings.Contains(text.stdout, want) || text.code != 3 {
			t.Errorf("exit %d, no %q in\n%s", text.code, want, text.stdout)
		}
	}
}

// Whatever is wrong with a file of cases is bad input at its place, and nobody
// is asked.
func TestPolicyTestBadInput(t *testing.T) {
	t.Parallel()
	w, dir := suite(t, "  - {image: REGISTRY/team/app:v1, expect: verified}\n")
	host := w.reg.Host()
	for _, tc := range []struct{ text, want string }{
		{"", "bad.yaml:1:1: the file is empty"},
		{"version: 1\n", "bad.yaml:1:1: the file lacks the key cases"},
		{"version: 1\ncases: []\n", "bad.yaml:2:8: cases is an empty list"},
		{"version: 2\ncases: [{image: a, expect: verified}]\n", "bad.yaml:1:10: version is"},
		{"version: 1\ncases: [{image: a, expect: unsinged}]\n", "bad.yaml:2:28: expect is \"unsinged\""},
		{"version: 1\ncases: [{image: a, expect: unsinged}]\n", "did you mean unsigned?"},
		{"version: 1\ncases: [{image: a}]\n", "bad.yaml:2:9: an item of cases lacks the key expect"},
		{"version: 1\ncases: [{image: A, expect: verified}]\n", "bad.yaml:2:17: reference"},
		{"version: 1\ncases: [{image: a, expect: unsigned, signer: me}]\n", "bad.yaml:2:46: signer: nobody is found"},
		{"version: 1\ncases: [{image: a, expect: unsigned, evidence: ../x}]\n", "bad.yaml:2:48: evidence: \"../x\" leads elsewhere"},
		{"version: 1\ncases: [{image: a, expect: unsigned, evidence: /etc/passwd}]\n", "leads elsewhere"},
		{"version: 1\ncases: [{image: a, expect: unsigned, evidence: gone.json}]\n", "bad.yaml:2:48: there is no file gone.json\n  next: write it with --record\n"},
		{"version: 1\ncases: [{image: a, expect: unsigned, evidence: cases.yaml/x}]\n", "bad.yaml:2:48: "},
		{"version: 1\ncases: [{image: a, expect: unsigned, evidence: cases.yaml}]\n", "bad.yaml:2:48: recording"},
		{"version: 1\nplatforms: [x]\ncases: [{image: a, expect: unsigned}]\n", "bad.yaml:2:13: --platform"},
		{"version: 1\npolicy: gone.yaml\ncases: [{image: a, expect: unsigned}]\n", "bad.yaml:2:9: "},
		{"version: 1\npolicy: cases.yaml\ncases: [{image: a, expect: unsigned}]\n", "cases.yaml:4:1: the file has no key cases"},
		{"version: 1\ntrusted-root: cases.yaml\ncases: [{image: '" + host + "/team/app', expect: unsigned}]\n", "bad.yaml:2:15: trusted-root: "},
		{"version: 1\ntrusted-root: .\ncases: [{image: a, expect: unsigned}]\n", "bad.yaml:2:15: trusted-root: "},
		{"version: 1\ncases: [{image: A, expect: unsinged}, {image: a}]\n", "boltseal: bad.yaml:2:28: expect is \"unsinged\", and must be verified or exempt"},
		{"version: 1\ncases: [{image: A, expect: unsinged}, {image: a}]\n", "\n  next: did you mean unsigned?\nboltseal: bad.yaml:2:39: an item of cases lacks the key expect\n"},
	} {
		if err := os.WriteFile(filepath.Join(dir, "bad.yaml"), []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.reg.Reset(0)
		r := in(t, dir, "policy", "test", "bad.yaml")
		if r.code != cli.ExitUsage || r.stdout != "" || !strings.Contains(r.stderr, tc.want) || len(w.reg.Requests()) != 0 {
			t.Errorf("%q: exit %d, %d requests, no %q in\n%s%s", tc.text, r.code, len(w.reg.Requests()), tc.want, r.stdout, r.stderr)
		}
	}
}

// Evidence stays in its folder, and takes the place of nothing else.
func TestPolicyTestRecordsNowhereElse(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]string{"a link out of the folder": "../secret", "something else": ""} {
		w, dir := suite(t, "  - {image: REGISTRY/team/app:v1, expect: verified, evidence: app.json}\n")
		if link != "" {
			if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "secret"), []byte("kept"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(link, filepath.Join(dir, "app.json")); err != nil {
				t.Skip(err)
			}
		} else if err := os.WriteFile(filepath.Join(dir, "app.json"), []byte("kept"), 0o600); err != nil {
			t.Fatal(err)
		}
		w.reg.Reset(0)
		r := in(t, dir, "policy", "test", "cases.yaml", "--record")
		body, err := os.ReadFile(filepath.Join(dir, "app.json"))
		if r.code != cli.ExitUsage || string(body) != "kept" || err != nil || len(w.reg.Requests()) != 0 {
			t.Errorf("%s: exit %d, %q (%v)\n%s%s", name, r.code, body, err, r.stdout, r.stderr)
		}
	}
}

// Trust data are recorded and replayed as all else is, with requirements that
// ask for them.
func TestPolicyTestTrustData(t *testing.T) {
	t.Parallel()
	w := newTrustWorld(t)
	w.put("team/app:v1", "alice")
	w.put("team/app:bobs", "bob")
	w.put("team/app:moved", "alice")
	w.must(w.reg.PutImage("team/app", "moved", "other"))
	w.put("team/app:bare")
	w.put("team/none:v1")
	fill := strings.NewReplacer("REGISTRY", w.reg.Host(), "SERVER", w.server.URL(), "ROOT", w.data.RootID())
	const rules = `version: 1
rules:
  - images: [REGISTRY/team/**]
    require:
      - dct: {server: "SERVER", roots: [ROOT], signers: [alice]}
`
	dir := workspaceOf(t, map[string]string{
		".boltseal.yaml": fill.Replace(rules),
		"other.yaml":     fill.Replace(strings.Replace(rules, "SERVER", "https://notary.example", 1)),
		"elsewhere.yaml": fill.Replace("version: 1\npolicy: other.yaml\ncases: [{image: REGISTRY/team/app:v1, expect: verified, evidence: dct.json}]\n"),
		"cases.yaml": fill.Replace(`version: 1
cases:
  - {image: REGISTRY/team/app:v1, expect: verified, signer: targets/alice, evidence: dct.json}
  - {image: REGISTRY/team/app:bobs, expect: wrong-signer, evidence: dct.json}
  - {image: REGISTRY/team/app:moved, expect: bad-signature, evidence: dct.json}
  - {image: REGISTRY/team/app:bare, expect: unsigned, evidence: dct.json}
  - {image: REGISTRY/team/none:v1, expect: unsigned, evidence: none.json}
`),
	})
	if doc, r := runPolicyTest(t, dir, "--record"); r.code != cli.ExitPassed || !doc.Passed || len(doc.Cases) != 5 {
		t.Fatalf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	w.server.Down()
	w.reg.Close()
	if doc, r := runPolicyTest(t, dir); r.code != cli.ExitPassed || !doc.Passed {
		t.Fatalf("without servers: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	// Another server's trust data are not in it, and nothing can be said.
	r := in(t, dir, "policy", "test", "elsewhere.yaml")
	for _, want := range []string{"expected verified, got unavailable", "next record the evidence anew, with --record", "1 case: 0 as expected, 0 not, 1 without an answer"} {
		if r.code != cli.ExitNoAnswer || !strings.Contains(r.stdout, want) {
			t.Errorf("exit %d, no %q in\n%s%s", r.code, want, r.stdout, r.stderr)
		}
	}
}
