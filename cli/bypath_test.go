package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/cli"
)

// A file that is an argument is not told as one of --file.
func TestFilesByPath(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args []string
		flag bool
	}{
		{[]string{"scan", "nope"}, false},
		{[]string{"scan", "../nope/x"}, false},
		{[]string{"scan", "-"}, false},
		{[]string{"scan", "--file", "nope"}, true},
		{[]string{"pin", "nope"}, false},
		{[]string{"pin", "--file", "nope"}, true},
		{[]string{"policy", "init", "nope"}, false},
		{[]string{"policy", "init", "--file", "nope"}, true},
		{[]string{"verify", "--file", "nope"}, true},
	} {
		var stderr bytes.Buffer
		code := cli.Command{Stdout: &stderr, Stderr: &stderr, Dir: t.TempDir(), LookupEnv: func(string) (string, bool) { return "", false }}.
			Main(t.Context(), append([]string{"boltseal"}, tc.args...))
		if code != cli.ExitUsage || strings.Contains(stderr.String(), "--file") != tc.flag || !strings.Contains(stderr.String(), "next: ") {
			t.Errorf("%q: exit %d, %s", tc.args, code, &stderr)
		}
	}
}
