package cli_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/cli"
)

// flagsOf returns the names of the flags of a command, of one letter too, as its
// help lists them.
func flagsOf(t *testing.T, command string) []string {
	t.Helper()
	code, help := plain(t, command, "--help")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, help)
	}
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^ +(?:-(\w), )?--([a-z0-9-]+)`).FindAllStringSubmatch(help, -1) {
		names = append(names, m[1:]...)
	}
	if len(names) < 40 {
		t.Fatalf("%q has the flags %q", command, names)
	}
	return names
}

// Who writes a flag of cosign's, notation's or a scanner's is told what to write
// here, and that is there.
func TestFlagsFromElsewhere(t *testing.T) {
	t.Parallel()
	ours := map[string][]string{}
	for command := range cli.Elsewhere() {
		ours[command] = flagsOf(t, command)
	}
	for command, flags := range cli.Elsewhere() {
		for name, next := range flags {
			if slices.Contains(ours[command], name) {
				t.Errorf("boltseal %s has --%s itself", command, name)
			}
			for _, m := range regexp.MustCompile(`--([a-z][a-z0-9-]*)`).FindAllStringSubmatch(next, -1) {
				if !slices.Contains(ours[command], m[1]) {
					t.Errorf("boltseal %s --%s: next: %s: there is no --%s", command, name, next, m[1])
				}
			}
			flag := "--" + name
			if len(name) == 1 {
				flag = "-" + name
			}
			code, said := plain(t, command, "ghcr.io/acme/app:v1", flag, "x")
			if code != 2 || !strings.HasPrefix(said, "boltseal: unknown ") || !strings.HasSuffix(said, "\n  next: "+next+"\n") {
				t.Errorf("boltseal %s %s: exit %d:\n%s", command, flag, code, said)
			}
		}
	}
}

// What cannot be read of a command line is said in words, with what to write.
func TestFlagErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"sign", "--formt", "legacy"}, "unknown flag: --formt\n  next: did you mean --format? boltseal sign --help lists the flags\n"},
		{[]string{"sign", "--tlog-uplaod=false"}, "unknown flag: --tlog-uplaod\n  next: did you mean --tlog-upload? boltseal sign --help lists the flags\n"},
		{[]string{"verify", "--certificate-oidc-isuer", "x"}, "unknown flag: --certificate-oidc-isuer\n  next: did you mean --certificate-oidc-issuer? boltseal verify --help lists the flags\n"},
		{[]string{"scan", "--frobnicate"}, "unknown flag: --frobnicate\n  next: boltseal scan --help lists the flags\n"},
		{[]string{"scan", "--yes"}, "unknown flag: --yes\n  next: boltseal scan --help lists the flags\n"},
		{[]string{"sign", "-x"}, "unknown flag: -x\n  next: boltseal sign --help lists the flags\n"},
		{[]string{"sign", "-popen sesame"}, "unknown flag: -p\n  next: boltseal sign --help lists the flags\n"},
		{[]string{"sign", "--force=maybe"}, "--force: what it is given is neither true nor false\n  next: write --force, or --force=false\n"},
		{[]string{"sign", "--registry-password-stdin=open sesame"}, "--registry-password-stdin: what it is given is neither true nor false\n  next: write --registry-password-stdin, or --registry-password-stdin=false\n"},
		{[]string{"sign", "--registry-password=open sesame"}, "unknown flag: --registry-password\n  next: write --registry-password-stdin, and pipe it in: a command line is no place for secrets\n"},
		{[]string{"sign", "--registry-token", "open sesame"}, "unknown flag: --registry-token\n"},
		{[]string{"sign", "--timeout", "5"}, "--timeout: \"5\" is no duration\n  next: write a number with its unit, such as 90s or 3m\n"},
		{[]string{"sign", "--jobs", "many"}, "--jobs: \"many\" is no number\n  next: write a whole number, such as 16\n"},
		{[]string{"sign", "x", "--key"}, "flag needs an argument: --key\n  next: write --key FILE; is a variable not set?\n"},
		{[]string{"sign", "x", "-a"}, "flag needs an argument: 'a' in -a\n  next: write --annotation KEY=VALUE; is a variable not set?\n"},

		{[]string{"attest", "x", "--type", "spdx", "--predicate", "sbom.json"}, "unknown command \"attest\" for \"boltseal\"\n  next: write boltseal sign IMAGE --attest TYPE=FILE --attest-only\n"},
		{[]string{"verify-attestation", "--type", "spdx", "x"}, "unknown command \"verify-attestation\" for \"boltseal\"\n  next: write boltseal verify IMAGE --attestation-type TYPE\n"},
		{[]string{"generate-key-pair"}, "unknown command \"generate-key-pair\" for \"boltseal\"\n  next: make the key with cosign generate-key-pair, or with openssl "},
		{[]string{"sgin", "--key", "x"}, "unknown command \"sgin\" for \"boltseal\"\n  next: did you mean boltseal sign?\n"},
		{[]string{"frobnicate", "-x"}, "unknown command \"frobnicate\" for \"boltseal\"\n  next: boltseal --help lists the commands\n"},
		{[]string{"verify-bundel"}, "unknown command \"verify-bundel\" for \"boltseal\"\n  next: boltseal --help lists the commands\n"}, // nobody is led to what is hidden
		{[]string{"--frobnicate", "sign"}, "unknown flag: --frobnicate\n  next: write the command first, and its flags behind it; boltseal --help lists the commands\n"},
		{[]string{"--yes", "sign", "x"}, "unknown flag: --yes\n  next: write the command first, and its flags behind it; boltseal --help lists the commands\n"},
		{[]string{"trust", "--dct-tofu", "inspect", "x"}, "unknown flag: --dct-tofu\n  next: write the command first, and its flags behind it; boltseal trust --help lists the commands\n"},
	} {
		if code, said := plain(t, tc.args...); code != 2 || !strings.HasPrefix(said, "boltseal: "+tc.want) {
			t.Errorf("%q: exit %d, want:\n%s\ngot:\n%s", tc.args, code, tc.want, said)
		} else if strings.Contains(said, "open sesame") {
			t.Errorf("%q: the password is said:\n%s", tc.args, said)
		}
	}
}
