//go:build unix

package cli_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	framework "github.com/notaryproject/notation-plugin-framework-go/plugin"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// pluginKey names, in the environment of this binary, the files of the key that it
// keeps as a Notation plugin; without it, it runs the tests.
const pluginKey = "BOLTSEAL_TEST_PLUGIN"

// pluginSecret is what the plugin is to be told.
const pluginSecret = "open-sesame-0123456789/+"

func TestMain(m *testing.M) {
	files := os.Getenv(pluginKey)
	if files == "" {
		os.Exit(m.Run())
	}
	answer, err := pluginAnswer(files, framework.Command(os.Args[1]))
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answer)
	}
	if err != nil { // with all that it knows, as careless programs do
		if json.NewEncoder(os.Stderr).Encode(framework.Error{ErrCode: framework.ErrorCodeGeneric, Message: err.Error() + " " + pluginSecret}) != nil {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// pluginAnswer is the answer to a command of the plugin protocol
// (https://github.com/notaryproject/specifications/blob/main/specs/plugin-extensibility.md).
func pluginAnswer(files string, command framework.Command) (any, error) {
	if command == framework.CommandGetMetadata {
		return framework.GetMetadataResponse{
			Name: filepath.Base(files), Description: "keeps a key", Version: "1.0.0", URL: "https://acme.example",
			SupportedContractVersions: []string{"1.0"}, Capabilities: []framework.Capability{framework.CapabilitySignatureGenerator},
		}, nil
	}
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		return nil, err
	}
	var req struct {
		KeyID   string            `json:"keyId"`
		Config  map[string]string `json:"pluginConfig"`
		Payload []byte
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, err
	}
	if req.KeyID != "release" || req.Config["password"] != pluginSecret || req.Config["user"] != "me" {
		return nil, fmt.Errorf("it does not know %s", body)
	}
	if command == framework.CommandDescribeKey {
		return framework.DescribeKeyResponse{KeyID: req.KeyID, KeySpec: framework.KeySpecEC256}, nil
	}
	key, err := os.ReadFile(files + ".key") //nolint:gosec // the test's
	if err != nil {
		return nil, err
	}
	chain, err := os.ReadFile(files + ".pem") //nolint:gosec // the test's
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(key)
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(req.Payload)
	r, s, err := ecdsa.Sign(rand.Reader, private.(*ecdsa.PrivateKey), sum[:])
	if err != nil {
		return nil, err
	}
	a := framework.GenerateSignatureResponse{KeyID: req.KeyID, Signature: make([]byte, 64), SigningAlgorithm: framework.SignatureAlgorithmECDSA_SHA256}
	r.FillBytes(a.Signature[:32])
	s.FillBytes(a.Signature[32:])
	for block, rest := pem.Decode(chain); block != nil; block, rest = pem.Decode(rest) {
		a.CertificateChain = append(a.CertificateChain, block.Bytes)
	}
	return a, nil
}

// plugin writes a plugin that keeps NAME.key, and returns the flags for it.
func (w *notaryWorld) plugin(name string) []string {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	body := []byte(fmt.Sprintf("#!/bin/sh\nGORACE=atexit_sleep_ms=0 %s='%s' exec '%s' \"$1\"\n", pluginKey, filepath.Join(w.dir, name), self))
	w.file("notation-"+name, body)
	sum := sha256.Sum256(body)
	return []string{"--plugin", "notation-" + name, "--plugin-sha256", hex.EncodeToString(sum[:]), "--key-id", "release", "--plugin-config", "user=me", "--plugin-config", "password=" + pluginSecret}
}

// A plugin signs as it is told to, and what it knows is not shown.
func TestSignNotationPlugin(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	w := newNotaryWorld(t, registrytest.Options{})
	plugin := w.plugin("release")
	w.env["PASSWORD"] = pluginSecret
	w.authority("expired", notationtest.AuthorityOptions{NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	change := func(of, to string) []string {
		args := slices.Clone(plugin)
		args[slices.Index(args, of)] = to
		return args
	}
	upper := slices.Clone(plugin)
	upper[3] = "sha256:" + strings.ToUpper(upper[3])
	for _, tc := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"signs", plugin, 0, notationtest.Fingerprint(w.by.Leaf())},
		{"COSE", append(slices.Clone(plugin), "--format", "cose"), 0, `"format": "cose"`},
		{"with the chain", append(slices.Clone(plugin), "--certificate-chain", "release.pem"), 0, releaser},
		{"sum in capitals", upper, 0, releaser},
		{"secret of a variable", change("password="+pluginSecret, "password=env://PASSWORD"), 0, releaser},
		{"another key", change("release", "other"), 3, "it does not know"},
		{"a certificate that has ended", append(w.plugin("expired"), "--certificate-chain", "expired.pem"), 2, "--certificate-chain: "},
		{"another user", change("user=me", "user=you"), 3, "it does not know"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			at := w.at("team/" + strings.ReplaceAll(strings.ToLower(tc.name), " ", "-"))
			w.reset()
			r := w.run(w.env, append([]string{"sign", at, "--system", "notation", "--output", "json"}, tc.args...)...)
			if r.code != tc.code || !strings.Contains(r.stdout+r.stderr, tc.says) {
				t.Errorf("exit %d, want %d and %q: %s%s", r.code, tc.code, tc.says, r.stdout, r.stderr)
			}
			if strings.Contains(r.stdout+r.stderr, pluginSecret) {
				t.Errorf("the plugin's secret: %s%s", r.stdout, r.stderr)
			}
			if _, writes := w.asked(); (writes > 0) != (tc.code == 0) {
				t.Errorf("%d writes", writes)
			}
		})
	}
	left, err := os.ReadDir(temp)
	if err != nil || len(left) > 0 {
		t.Errorf("left: %q (%v)", left, err)
	}
}

// So it does in the Action, where masks hide what looks like a secret.
func TestActionSignPlugin(t *testing.T) {
	t.Parallel()
	w := newNotaryWorld(t, registrytest.Options{})
	args := w.plugin("release")
	in := func(password string) map[string]string {
		return w.notationInputs(w.at("team/app"), with("key", ""), with("certificate-chain", ""), with("plugin", args[1]), with("plugin-sha256", args[3]), with("key-id", args[5]),
			with("plugin-config", "# of the vault\nuser=me\n\npassword="+password+"\n"))
	}
	j := w.job()
	j.vars["RUNNER_DEBUG"] = "1"
	s := j.run(in(pluginSecret))
	s.wantSign(t, 0, 1)
	const long = "c2VjcmV0LXRva2VuLTAxMjM0NTY3ODljMmVqY21WMExYUnZhMlZ1TFRBeE1qTTBO"
	failed := w.job().run(in(long))
	failed.wantSign(t, 3, 0)
	if !strings.Contains(failed.log, "::add-mask::"+long+"\n") {
		t.Errorf("not masked:\n%s", failed.log)
	}
	for secret, s := range map[string]stepResult{pluginSecret: s, long: failed} {
		if all := shown(s.log) + s.summary + s.outputs["signed"]; strings.Contains(all, secret) {
			t.Errorf("a secret:\n%s", all)
		}
	}
	if !strings.Contains(s.log, `::debug::input plugin-config: "user=…\npassword=…"`) {
		t.Errorf("%s", s.log)
	}
}
