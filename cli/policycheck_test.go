package cli_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/policy"
)

// What a policy extends is checked with it, and who gives no answer has not
// said that anything is wrong.
func TestPolicyCheckExtends(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("a", 64)
	dir := workspaceOf(t, map[string]string{
		"good.yaml":     "version: 1\nextends: [{file: base/policy.yaml}]\n",
		"bad.yaml":      "version: 1\nextends: [{file: base/broken.yaml}]\n",
		"doubtful.yaml": "version: 1\nextends: [{file: base/doubtful.yaml}]\n",
		"silent.yaml":   "version: 1\nextends: [{url: 'https://127.0.0.1:1/p.yaml', sha256: " + sum + "}]\n",

		"base/policy.yaml":   "version: 1\npublishers: [distroless]\n",
		"base/broken.yaml":   "version: 1\nrule: 1\n",
		"base/doubtful.yaml": "version: 1\npublishers: [distroless]\nexceptions:\n  - {images: [ghcr.io/acme/app], until: 2026-11-21, owner: me, reason: b}\n",
	})
	for _, tc := range []struct {
		files string
		code  int
		says  string
	}{
		{"good.yaml", cli.ExitPassed, "good.yaml has nothing wrong"},
		{"bad.yaml", cli.ExitUsage, "base/broken.yaml:2:1: the file has no key rule"},
		{"doubtful.yaml", cli.ExitClosed, "base/doubtful.yaml:4:41: [expired-exception]"},
		{"silent.yaml", cli.ExitNoAnswer, "silent.yaml:2:11: no answer"},
		{"silent.yaml", cli.ExitNoAnswer, "\nsilent.yaml could not be looked at as a whole: no answer\n"},
		{"silent.yaml doubtful.yaml", cli.ExitNoAnswer, "expired-exception"},
		{"silent.yaml bad.yaml", cli.ExitUsage, "bad.yaml cannot be used: "},
	} {
		r := in(t, dir, append([]string{"policy", "check"}, strings.Fields(tc.files)...)...)
		if r.code != tc.code || !strings.Contains(r.stdout, tc.says) || r.stderr != "" {
			t.Errorf("%s: exit %d, want %d and %q\n%s%s", tc.files, r.code, tc.code, tc.says, r.stdout, r.stderr)
		}
	}
}

// What a requirement reads from files is read, and each fault stands where the
// file is named, whether or not it would ever be chosen.
func TestPolicyCheckFiles(t *testing.T) {
	t.Parallel()
	_, root := newInstance(t)
	trusted, err := os.ReadFile(root)
	if err != nil {
		t.Fatal(err)
	}
	const key = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEKdROmntRJFBrOJOQF5ww6gDBJqGm\nFxa4333s1KsL9ISjtmRzGNih9lNRsqfRVjgFgJIdL6EQ9dohdanvn7r2cg==\n-----END PUBLIC KEY-----\n"
	rule := func(require string) string {
		return "version: 1\nrules:\n  - images: [ghcr.io/acme/app]\n    require:\n      - " + require + "\n"
	}
	dir := workspaceOf(t, map[string]string{
		"keys/good.pub": key, "keys/same.pub": key, "keys/bad.pub": "hunter2", "root.json": string(trusted), "bad.json": "{",
		"team/policy.yaml": rule("sigstore: {keys: [{file: ../keys/good.pub}], trusted-root: ../root.json}"),
		"good.yaml":        rule("any-of: [sigstore: {keys: [{file: keys/good.pub}]}, attestation: {type: spdx, keys: [{file: keys/good.pub}]}]"),
		"gone.yaml":        rule("any-of: [sigstore: {keys: [{file: gone.pub}]}, sigstore: {keys: [{file: keys/bad.pub}]}]"),
		"twice.yaml":       rule("sigstore: {keys: [{file: keys/good.pub}, {file: keys/same.pub}]}"),
		"folder.yaml":      rule("sigstore: {keys: [{file: keys}]}"),
		"noroot.yaml":      rule("sigstore: {keys: [{file: keys/good.pub}], trusted-root: gone.json}"),
		"badroot.yaml":     rule("sigstore: {keys: [{file: keys/good.pub}], trusted-root: bad.json}"),
		"extends.yaml":     "version: 1\nextends: [{file: gone.yaml}]\n",
		"both.yaml":        rule("sigstore: {keys: [{file: gone.pub}], ignore-tlog: true}"),
	})
	for _, tc := range []struct {
		file string
		code int
		says []string
	}{
		{"team/policy.yaml", cli.ExitPassed, []string{"has nothing wrong"}},
		{"good.yaml", cli.ExitPassed, []string{"has nothing wrong"}},
		{"gone.yaml", cli.ExitUsage, []string{"\ngone.yaml:5:43: ", "\ngone.yaml:5:81: ", "gone.yaml cannot be used: 2 faults"}},
		{"twice.yaml", cli.ExitUsage, []string{"twice.yaml:5:50: "}},
		{"folder.yaml", cli.ExitUsage, []string{"folder.yaml:5:34: ", "is not a file"}},
		{"noroot.yaml", cli.ExitUsage, []string{"noroot.yaml:5:65: trust root: "}},
		{"badroot.yaml", cli.ExitUsage, []string{"badroot.yaml:5:65: trust root: "}},
		{"extends.yaml", cli.ExitUsage, []string{"gone.yaml:5:43: ", "extends.yaml cannot be used: 2 faults"}},
		{"both.yaml", cli.ExitUsage, []string{"both.yaml:5:34: ", "[ignore-tlog]", "both.yaml cannot be used: 1 fault"}},
	} {
		r := in(t, dir, "policy", "check", tc.file)
		for _, want := range tc.says {
			if r.code != tc.code || !strings.Contains("\n"+r.stdout, want) || r.stderr != "" || strings.Contains(r.stdout, "hunter2") {
				t.Errorf("%s: exit %d, want %d and %q\n%s%s", tc.file, r.code, tc.code, want, r.stdout, r.stderr)
			}
		}
	}
}

// The list has every lint: those about a policy, and those that
// docs/identities.md, docs/notation.md and docs/dct.md have of signers.
func TestPolicyCheckList(t *testing.T) {
	t.Parallel()
	r := in(t, t.TempDir(), "policy", "check", "--list", "--output", "json")
	var doc struct{ Lints []struct{ Name, Doc string } }
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil {
		t.Fatal(err)
	}
	var want []string
	for file, heading := range map[string]string{"identities.md": "| lint |", "notation.md": "| lint |", "dct.md": "| lint |"} {
		page, err := os.ReadFile("../docs/" + file)
		if err != nil {
			t.Fatal(err)
		}
		_, table, _ := strings.Cut(string(page), heading)
		table, _, _ = strings.Cut(table, "\n\n")
		for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(table, -1) {
			want = append(want, m[1])
		}
	}
	for _, l := range policy.Lints() {
		want = append(want, l.Name)
	}
	var got []string
	for _, l := range doc.Lints {
		got = append(got, l.Name)
		if !strings.HasSuffix(l.Doc, ".") {
			t.Errorf("%s: %q is no sentence", l.Name, l.Doc)
		}
	}
	slices.Sort(want)
	want = slices.Compact(want) // some are of two systems
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("listed: %v\nwant    %v", got, want)
	}
}

// What a policy says is shown as text, whatever it is.
func TestPolicyCheckHostile(t *testing.T) {
	t.Parallel()
	dir := workspaceOf(t, map[string]string{"p.yaml": "version: 1\n\"\\e[31m##vso[x]\": 1\nexceptions:\n  - {images: [a/b], until: 2020-01-01, owner: \"\\e[2J##vso[x]\\n::error::\", reason: b}\npublishers: [\"##vso[y]\"]\n"})
	for _, output := range []string{"text", "json"} {
		r := in(t, dir, "policy", "check", "p.yaml", "--output", output)
		if r.code != cli.ExitUsage || strings.ContainsAny(r.stdout, "\x1b") || strings.Contains(r.stdout, "##vso") || strings.Contains(r.stdout, "\n::") {
			t.Errorf("exit %d\n%q", r.code, r.stdout)
		}
	}
}
