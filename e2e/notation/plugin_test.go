package notation_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/registrytest"
)

// One plugin signs for notation, which finds it in its folder, and for boltseal,
// which is told the file and its SHA-256. Both verify both.
func TestPlugin(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t, registrytest.Options{})
	key, certificate, _ := w.testKey()
	plugin, err := builtPlugin()
	check(t, err)
	program, err := os.ReadFile(plugin)
	check(t, err)
	installed := w.config("plugins", "e2e", "notation-e2e")
	check(t, w.write(installed, program))
	check(t, os.Chmod(installed, 0o700)) //nolint:gosec // it is run
	sum := sha256.Sum256(program)
	hash := hex.EncodeToString(sum[:])
	log := w.path("plugin.log")

	for _, format := range []string{"jws", "cose"} {
		theirs, ours := w.push("team/theirs-"+format), w.push("team/ours-"+format)
		must(t, w.notation("sign", "--signature-format", format, "--plugin", "e2e", "--id", key, "--plugin-config", "chain="+certificate, theirs.pinned()))
		must(t, w.boltseal("sign", "--system", "notation", "--format", format, "--plugin", plugin, "--plugin-sha256", hash, "--key-id", key,
			"--plugin-config", "chain="+certificate, "--plugin-config", "log="+log, ours.pinned()))
		for _, image := range []image{theirs, ours} {
			must(t, w.notation("verify", image.pinned()))
			if v := w.verify(image.pinned(), w.byPolicy()...); !v.Passed {
				t.Error(v)
			}
		}
	}
	commands, err := os.ReadFile(log)
	check(t, err)
	if !strings.Contains(string(commands), "generate-signature\n") {
		t.Errorf("the plugin was asked for\n%s", commands)
	}

	// What was not said to be the plugin does not run, and nothing is written.
	check(t, os.Remove(log))
	refused := w.push("team/refused")
	for name, tc := range map[string]struct {
		code int
		args []string
		says string
	}{
		"other program": {2, []string{"--plugin-sha256", strings.Repeat("0", 64), "--plugin-config", "log=" + log}, "was not run"},
		"no sum":        {2, []string{"--plugin-config", "log=" + log}, "--plugin-sha256"},
		"refuses":       {3, []string{"--plugin-sha256", hash, "--plugin-config", "fail=sealed"}, "the vault is not open"},
	} {
		w.reg.Reset(0)
		o := w.boltseal(append([]string{
			"sign", "--system", "notation", "--plugin", plugin, "--key-id", key, "--plugin-config", "chain=" + certificate, refused.pinned(),
		}, tc.args...)...)
		if o.code != tc.code || !strings.Contains(strings.ToLower(o.stdout+o.stderr), tc.says) {
			t.Errorf("%s: want exit %d and %q: %s", name, tc.code, tc.says, o)
		}
		for _, r := range w.reg.Requests() {
			if r.Method != "GET" && r.Method != "HEAD" {
				t.Errorf("%s: %s", name, r)
			}
		}
	}
	if _, err := os.Stat(log); err == nil {
		t.Error("a plugin that is not the one that was named has run")
	}
}
