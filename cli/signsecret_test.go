package cli_test

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// leaks returns which of the secrets, or of the pieces of them, stand in text.
func leaks(text string, secrets map[string][]string) []string {
	var found []string
	for name, pieces := range secrets {
		for _, piece := range pieces {
			if strings.Contains(text, piece) {
				found = append(found, name)
				break
			}
		}
	}
	return found
}

// shown removes what the runner takes out of the log.
func shown(log string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, "::add-mask::") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// No secret is in anything that is written, whatever goes well or wrong.
func TestSignSecrets(t *testing.T) {
	t.Parallel()
	const registryToken = "registry-token-0123456789"
	w := newSignWorld(t, registrytest.Options{Tokens: true, TokenSecret: registryToken, User: "ci", Password: "registry-password-0123456789"}, sigstoretest.Without{})
	img := w.at("team/app")
	w.file("text", []byte("no JSON"))
	private, _ := w.private("plain", "")
	locked, _ := w.private("locked", "key-password-0123456789")
	text := func(file string) string {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	// What precedes in a key of P-256 is the same in all of them.
	piecesOf := func(file string) []string {
		l := strings.Split(text(file), "\n")
		return []string{l[1][48:], l[2][:20]}
	}
	token, err := w.services.Token(nil)
	if err != nil {
		t.Fatal(err)
	}
	expired, err := w.services.Token(map[string]any{"exp": now.Unix() - 10})
	if err != nil {
		t.Fatal(err)
	}
	joined := strings.Join(strings.Split(text(private), "\n")[1:4], "")
	login := base64.StdEncoding.EncodeToString([]byte("ci:registry-password-0123456789"))
	const unsigned = "eyJhbGciOiJub25lIn0.c2VjcmV0LXRva2VuLTAxMjM0NTY3ODk."
	secrets := map[string][]string{
		"request token": {sigstoretest.RequestToken}, "registry password": {"registry-password-0123456789"}, "key password": {"key-password-0123456789"},
		"wrong password": {"wrong-password-0123456789"}, "token": {signature(token)}, "expired token": {signature(expired)}, "github token": {"ghs_0123456789abcdefghij"},
		"private key": piecesOf(private), "locked key": piecesOf(locked), "no token": {"c2VjcmV0LXRva2VuLTAxMjM0NTY3ODk"},
		"registry token": {registryToken}, "registry login": {login, base64.StdEncoding.EncodeToString([]byte("registry-password-0123456789"))},
		"opened key": opened(t, private, ""), "opened locked key": opened(t, locked, "key-password-0123456789"),
		"key in base64": {base64.StdEncoding.EncodeToString([]byte(text(private)))[60:100]}, "key in an address": {"open-sesame-0123456789", "vault-token-0123456789"},
	}
	inBase64 := base64.StdEncoding.EncodeToString([]byte(text(private)))
	oneLine := strings.ReplaceAll(text(private), "\n", " ")
	escaped := `"` + strings.ReplaceAll(text(private), "\n", `\n`) + `"`
	const service = "none://user:open-sesame-0123456789@vault.example/key?token=vault-token-0123456789"
	w.file("token", []byte(token))
	w.file("cut.key", []byte(text(private)[:140]))
	// A service may quote what it is sent.
	quoting := func(s *sigstoretest.Service, status int) func() {
		return func() {
			knows := token
			if s == w.services.Runner {
				knows += " " + sigstoretest.RequestToken
			}
			s.Inject(sigstoretest.Fault{Status: status, Body: []byte(`{"message": "bad credential ` + knows + `", "code": 3}`), Header: http.Header{"X-Token": {token}}})
		}
	}
	for i, tc := range []struct {
		name  string
		in    map[string]string // of the Action
		args  []string          // of the command line, which has the same and no Action
		env   map[string]string
		fault func()
	}{
		{name: "runner's token"},
		{name: "token as input", in: map[string]string{"identity-token": token}, args: []string{"--identity-token", "env://MY_TOKEN"}},
		{name: "token as file", in: map[string]string{"identity-token": "token"}, args: []string{"--identity-token", "token"}},
		{name: "token as variable", env: map[string]string{"SIGSTORE_ID_TOKEN": token}},
		{name: "token on the command line", in: map[string]string{"identity-token": token + "x"}, args: []string{"--identity-token", token}},
		{name: "expired token", in: map[string]string{"identity-token": expired}, env: map[string]string{"SIGSTORE_ID_TOKEN": expired}},
		{name: "no token at all", in: map[string]string{"identity-token": unsigned}, env: map[string]string{"SIGSTORE_ID_TOKEN": unsigned}},
		{name: "token for others", in: map[string]string{"identity-token": token, "oidc-client-id": "other"}, args: []string{"--oidc-client-id", "other"}},
		{name: "key as text", in: map[string]string{"key": text(private)}, args: []string{"--key", text(private)}},
		{name: "key as text, indented", in: map[string]string{"key": strings.ReplaceAll(text(private), "\n", "\n  ")}, args: []string{"--key", "env://KEY"}, env: map[string]string{"KEY": text(private)}},
		{name: "key as text that is cut off", in: map[string]string{"key": text(private)[:140]}, args: []string{"--key", text(private)[:140]}},
		{name: "key without its first line", in: map[string]string{"key": text(private)[28:]}, args: []string{"--key", text(private)[28:]}},
		{name: "key as one line", in: map[string]string{"key": joined}, args: []string{"--key", joined}},
		{name: "a key for a token", in: map[string]string{"identity-token": joined[20:]}, args: []string{"--identity-token", joined[20:]}},
		{name: "key file that is cut off", in: map[string]string{"key": "cut.key"}, args: []string{"--key", "cut.key"}},
		{name: "key in base64", in: map[string]string{"key": inBase64}, args: []string{"--key", inBase64}},
		{name: "quoted key in base64", in: map[string]string{"key": "'" + inBase64 + "'"}, args: []string{"--key", "'" + inBase64 + "'"}},
		{name: "quoted key", in: map[string]string{"key": escaped}, args: []string{"--key", escaped}},
		{name: "key on one line", in: map[string]string{"key": "key: " + oneLine}, args: []string{"--key", " x" + oneLine}},
		{name: "quoted key as one line", in: map[string]string{"key": `"` + joined + `"`}, args: []string{"--key", `"` + joined + `"`}},
		{name: "key for a variable", in: map[string]string{"key": "env://" + joined}, args: []string{"--key", "env://" + joined}},
		{name: "token for a variable", in: map[string]string{"identity-token": "env://" + token}, args: []string{"--identity-token", "env://ghs_0123456789abcdefghij"}},
		{name: "access token", in: map[string]string{"identity-token": "ghs_0123456789abcdefghij"}, args: []string{"--identity-token", "ghs_0123456789abcdefghij"}},
		{name: "key service", in: map[string]string{"key": service}, args: []string{"--key", service}},
		{name: "private key at the gate", in: map[string]string{"sign": "off", "images": img, "key": inBase64, "force": "", "bundle-dir": "", "signing-config": ""}, args: []string{"--key", inBase64}},
		{name: "locked key", in: map[string]string{"key": text(locked), "key-password": "key-password-0123456789\n"}, args: []string{"--key", "locked.key"}, env: map[string]string{"COSIGN_PASSWORD": "key-password-0123456789"}},
		{name: "wrong password", in: map[string]string{"key": "locked.key", "key-password": "wrong-password-0123456789"}, args: []string{"--key", "locked.key"}, env: map[string]string{"COSIGN_PASSWORD": "wrong-password-0123456789"}},
		{name: "bad predicate", in: map[string]string{"attest": "spdx=text", "identity-token": token}, args: []string{"--attest", "spdx=text"}},
		{name: "inputs of the gate", in: map[string]string{"mode": "warn", "key": text(private), "identity-token": token, "key-password": "key-password-0123456789"}},
		{name: "misspelt", in: map[string]string{"sing": "x", "key": text(private), "identity-token": token}},
		{name: "pull_request_target", in: map[string]string{"key": text(private), "identity-token": token}, env: map[string]string{"GITHUB_EVENT_NAME": "pull_request_target"}},
		{name: "Fulcio refuses", fault: quoting(w.services.Fulcio, 400)},
		{name: "Fulcio is down", fault: quoting(w.services.Fulcio, 503)},
		{name: "the runner refuses", fault: quoting(w.services.Runner, 403)},
		{name: "the runner is down", fault: quoting(w.services.Runner, 500)},
		{name: "the runner answers nonsense", fault: func() { w.services.Runner.Inject(sigstoretest.Fault{Body: []byte(`{"value": "` + token + ` "}`)}) }},
		{name: "the runner redirects", fault: func() {
			w.services.Runner.Inject(sigstoretest.Fault{Status: 302, Header: http.Header{"Location": {"https://evil.example/?" + token}}})
		}},
		{name: "Rekor is down", fault: quoting(w.services.Rekor2, 503)},
		{name: "the timestamp authority is down", fault: quoting(w.services.TSA, 500)},
		{name: "the registry refuses", fault: func() {
			w.reg.Break(registrytest.Fault{Method: "POST", Status: 403, Detail: `{"errors": [{"code": "DENIED", "message": "no"}]}`})
		}},
		{name: "the registry repeats its token", fault: func() {
			w.reg.Break(registrytest.Fault{Method: "POST", Status: 403, Detail: `{"errors": [{"code": "DENIED", "message": "not with for repository:team/app:pull,push` + registryToken + `"}]}`})
		}},
		{name: "the token service repeats the login", fault: func() {
			w.reg.Break(registrytest.Fault{Path: "/token", Status: 403, Detail: `{"errors": [{"code": "DENIED", "message": "no ` + login + `, which is ci:registry-password-0123456789"}]}`})
		}},
	} {
		for _, action := range []bool{true, false} {
			if raced && i%4 != 0 {
				continue
			}
			w.reset()
			if tc.fault != nil {
				tc.fault()
			}
			var out string
			dirs := []string{}
			env := maps.Clone(w.env)
			maps.Copy(env, tc.env)
			env["GITHUB_TOKEN"], env["MY_TOKEN"], env["RUNNER_DEBUG"] = "ghs_0123456789abcdefghij", token, "1"
			if action {
				j := w.job()
				maps.Copy(j.vars, env)
				in := w.signInputs(img, with("registry-username", "ci"), with("registry-password", "registry-password-0123456789"), with("github-token", "ghs_0123456789abcdefghij"), with("bundle-dir", filepath.Join(j.dir, "bundles")), with("force", "true"))
				maps.Copy(in, tc.in)
				s := j.run(in)
				outputs, err := json.Marshal(s.outputs)
				if err != nil {
					t.Fatal(err)
				}
				out = shown(s.log) + string(outputs) + s.summary
				dirs = append(dirs, j.dir)
				for _, name := range []string{"key", "identity-token", "key-password"} {
					for line := range strings.Lines(tc.in[name]) {
						secret := name == "key-password" || name == "identity-token" && len(line) > 30 || name == "key" && (strings.Contains(tc.in[name], "PRIVATE KEY") || tc.in[name] == joined || tc.in[name] == inBase64)
						if line = strings.TrimSpace(line); line != "" && secret && !masks(s.log, line) {
							t.Errorf("%s: %s is not masked", tc.name, name)
						}
					}
				}
			} else {
				bundles := filepath.Join(t.TempDir(), "bundles")
				dirs = append(dirs, bundles)
				if err := os.MkdirAll(bundles, 0o750); err != nil {
					t.Fatal(err)
				}
				format := []string{"text", "json"}[i%2]
				args := append([]string{"sign", img, "--registry-username", "ci", "--registry-password-stdin", "--bundle-dir", bundles, "--output", format, "--force"}, append(tc.args, w.flags()...)...)
				r := w.runWith("registry-password-0123456789\n", env, args...)
				out += r.stdout + r.stderr
				if strings.Contains(out, "add-mask") {
					t.Errorf("%s: a mask, which shows what it hides where no runner reads it", tc.name)
				}
			}
			for _, dir := range dirs {
				root := os.DirFS(dir)
				err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
					if err != nil || d.IsDir() {
						return err
					}
					body, err := fs.ReadFile(root, path)
					out += string(body)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if len(out) < 60 {
				t.Errorf("%s: only %q was looked at", tc.name, out)
			}
			secrets["runner's token"] = nil
			for _, token := range w.services.Issued() {
				secrets["runner's token"] = append(secrets["runner's token"], signature(token))
			}
			if found := leaks(out, secrets); len(found) > 0 {
				t.Errorf("%s (Action: %v): %q leaked:\n%s", tc.name, action, found, out)
			}
		}
	}
}

// opened returns pieces of the private key in a file, as it is once it was read:
// encoded, and as fmt prints the number that is secret.
func opened(t *testing.T, file, password string) []string {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(body)
	der := block.Bytes
	if block.Type != "PRIVATE KEY" {
		if der, err = encrypted.Decrypt(der, []byte(password)); err != nil {
			t.Fatal(err)
		}
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("a key of type %T", key)
	}
	number, err := private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Split(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "\n")
	return []string{
		text[1][48:], text[2][:20], base64.StdEncoding.EncodeToString(der)[60:100], fmt.Sprintf("%x", number)[2:], fmt.Sprintf("%X", number)[2:],
		base64.RawURLEncoding.EncodeToString(number)[2:], strings.Trim(fmt.Sprint(number), "[]"), new(big.Int).SetBytes(number).String(),
	}
}

// masks reports whether the runner was told to hide a line.
func masks(log, secret string) bool {
	return strings.Contains(log, "::add-mask::"+secret+"\n") || strings.Contains(log, "::add-mask::  "+secret+"\n")
}

// signature is a piece of the part of a token that is secret: what is before it is
// in the certificate, or known.
func signature(token string) string { return token[strings.LastIndex(token, ".")+1:][:20] }

// Nor is one of those that Notation is given, wherever they are written by mistake.
func TestSignNotationSecrets(t *testing.T) {
	t.Parallel()
	w := newNotaryWorld(t, registrytest.Options{})
	img := w.at("team/app")
	body, err := os.ReadFile(filepath.Join(w.dir, "release.key"))
	if err != nil {
		t.Fatal(err)
	}
	key := string(body)
	lines := strings.Split(key, "\n")
	joined := strings.Join(lines[1:4], "")
	inBase64 := base64.StdEncoding.EncodeToString(body)
	locked, _ := w.private("locked", "key-password-0123456789")
	text, err := os.ReadFile(locked)
	if err != nil {
		t.Fatal(err)
	}
	w.file("cut.key", body[:140])
	secrets := map[string][]string{
		"key": {lines[1][48:], lines[2][:20]}, "key in base64": {inBase64[60:100]}, "locked key": {strings.Split(string(text), "\n")[1][48:]},
		"password": {"key-password-0123456789"}, "token in an address": {"tsa-token-0123456789"}, "plugin's": {"plugin-secret-0123456789"},
	}
	zeros := strings.Repeat("0", 64)
	plugin := func(config string) map[string]string {
		return map[string]string{"key": "", "certificate-chain": "", "plugin": "./notation-none", "plugin-sha256": zeros, "key-id": "release", "plugin-config": config}
	}
	for i, tc := range []struct {
		name string
		in   map[string]string // flags, and inputs of the Action
		env  map[string]string
	}{
		{name: "key as file"},
		{name: "key as text", in: map[string]string{"key": key}},
		{name: "key as variable", in: map[string]string{"key": "env://KEY"}, env: map[string]string{"KEY": key}},
		{name: "key as text, indented", in: map[string]string{"key": strings.ReplaceAll(key, "\n", "\n  ")}},
		{name: "key as text that is cut off", in: map[string]string{"key": key[:140]}},
		{name: "key file that is cut off", in: map[string]string{"key": "cut.key"}},
		{name: "key without its first line", in: map[string]string{"key": key[28:]}},
		{name: "key as one line", in: map[string]string{"key": joined}},
		{name: "key in base64", in: map[string]string{"key": inBase64}},
		{name: "quoted key", in: map[string]string{"key": `"` + strings.ReplaceAll(key, "\n", `\n`) + `"`}},
		{name: "key for a variable", in: map[string]string{"key": "env://" + joined}},
		{name: "locked key", in: map[string]string{"key": string(text)}, env: map[string]string{"COSIGN_PASSWORD": "key-password-0123456789"}},
		{name: "key of another chain", in: map[string]string{"key": key, "certificate-chain": "tsa-root.pem"}},
		{name: "key for the chain", in: map[string]string{"certificate-chain": key}},
		{name: "key for the chain, as one line", in: map[string]string{"certificate-chain": joined}},
		{name: "key with the chain", in: map[string]string{"certificate-chain": string(notationtest.PEM(w.by.Chain...)) + key}},
		{name: "key for the root", in: map[string]string{"timestamp-url": w.tsa, "timestamp-root-cert": key}},
		{name: "key for the root, as one line", in: map[string]string{"timestamp-url": w.tsa, "timestamp-root-cert": joined}},
		{name: "key for a sum", in: map[string]string{"key": "", "certificate-chain": "", "plugin": "./notation-none", "plugin-sha256": joined, "key-id": "x"}},
		{name: "token of an authority that is down", in: map[string]string{"timestamp-url": "http://127.0.0.1:1/?token=tsa-token-0123456789", "timestamp-root-cert": "tsa-root.pem"}},
		{name: "token of an authority", in: map[string]string{"timestamp-url": w.tsa + "/?token=tsa-token-0123456789", "timestamp-root-cert": "tsa-root.pem"}},
		{name: "token in a bad address", in: map[string]string{"timestamp-url": "ftp://tsa-token-0123456789@tsa.example", "timestamp-root-cert": "tsa-root.pem"}},
		{name: "user of an authority", in: map[string]string{"timestamp-url": "https://me:tsa-token-0123456789@tsa.example", "timestamp-root-cert": "tsa-root.pem"}},
		{name: "plugin's secret", in: plugin("password=plugin-secret-0123456789")},
		{name: "plugin's secret alone", in: plugin("plugin-secret-0123456789")},
		{name: "plugin's secret without a name", in: plugin("=plugin-secret-0123456789")},
		{name: "plugin's secret without a plugin", in: map[string]string{"plugin-config": "password=plugin-secret-0123456789"}},
		{name: "secrets with Sigstore", in: map[string]string{"system": "sigstore", "key": key, "plugin-config": "password=plugin-secret-0123456789"}},
	} {
		if raced && i%4 != 0 {
			continue
		}
		flags := map[string]string{"system": "notation", "key": "release.key", "certificate-chain": "release.pem", "force": "true"}
		maps.Copy(flags, tc.in)
		args := []string{"sign", img, "--output", []string{"text", "json"}[i%2]}
		for name, value := range flags {
			if value != "" {
				args = append(args, "--"+name+"="+value)
			}
		}
		r := w.run(tc.env, args...)
		j := w.job()
		maps.Copy(j.vars, tc.env)
		j.vars["RUNNER_DEBUG"] = "1"
		in := w.notationInputs(img)
		maps.Copy(in, flags)
		s := j.run(in)
		outputs, err := json.Marshal(s.outputs)
		if err != nil {
			t.Fatal(err)
		}
		if private := tc.in["key"] + tc.in["certificate-chain"]; strings.Contains(private, lines[2]) && !strings.Contains(s.log, lines[2]) {
			t.Errorf("%s: the key is not masked", tc.name)
		}
		for where, out := range map[string]string{"command line": r.stdout + r.stderr, "Action": shown(s.log) + string(outputs) + s.summary} {
			if found := leaks(out, secrets); len(found) > 0 || len(out) < 60 {
				t.Errorf("%s (%s): %q leaked:\n%s", tc.name, where, found, out)
			}
		}
	}
}
