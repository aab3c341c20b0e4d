package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// The command lines are those of sigstore-conformance, in its order; what
// sign-bundle writes, verify-bundle verifies.
func TestSignBundle(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	token := func(claims map[string]any) string {
		text, err := w.services.Token(claims)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good, expired := token(nil), token(map[string]any{"exp": now.Unix() - 1})
	file := w.file("artifact", []byte("content to be signed"))
	const digest = "sha256:58b7f4ae5b2b5a1b4e1b0c1d1c6ef5bc9d1dd6ac4bb7e1d8b6b8d3c5a3e6f7a1"
	statement := w.file("statement", []byte(`{"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "a", "digest": {"sha256": "`+strings.TrimPrefix(digest, "sha256:")+`"}}], "predicateType": "https://acme.example/x", "predicate": {}}`))
	more := []string{"--trusted-root", w.root, "--signing-config", w.config}
	for _, tc := range []struct {
		name  string
		args  []string
		fault func()
		code  int
		says  string
		about string // what verify-bundle is asked about
	}{
		{"a file", []string{"--identity-token", good, file}, nil, 0, "", file},
		{"a statement", []string{"--in-toto", "--identity-token", good, statement}, nil, 0, "", digest},
		{"a file that is no statement", []string{"--in-toto", "--identity-token", good, file}, nil, 2, "give an in-toto statement", ""},
		{"expired token", []string{"--identity-token", expired, file}, nil, 2, "expired at 2026-03-01 11:59:59", ""},
		{"no token", []string{file}, nil, 2, "--identity-token: it is missing", ""},
		{"no file", []string{"--identity-token", good, filepath.Join(w.dir, "none")}, nil, 2, "name the file to sign", ""},
		{"Rekor is down", []string{"--identity-token", good, file}, w.services.Rekor2.Down, 3, "Rekor at " + w.services.Rekor2.Host(), ""},
	} {
		bundle := filepath.Join(w.dir, strings.ReplaceAll(tc.name, " ", "-")+".json")
		if tc.fault != nil {
			tc.fault()
		}
		r := w.run(nil, append(append([]string{"sign-bundle", "--bundle", bundle}, more...), tc.args...)...)
		if r.code != tc.code || !strings.Contains(r.stderr, tc.says) || strings.Contains(r.stdout+r.stderr, good) {
			t.Errorf("%s: exit %d: %s%s", tc.name, r.code, r.stdout, r.stderr)
		}
		if _, err := os.Stat(bundle); (err == nil) != (tc.code == 0) {
			t.Errorf("%s: the bundle: %v", tc.name, err)
		}
		if tc.about == "" {
			continue
		}
		if v := w.run(nil, "verify-bundle", "--bundle", bundle, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer, "--trusted-root", w.root, tc.about); v.code != 0 {
			t.Errorf("%s: verify-bundle: exit %d: %s%s", tc.name, v.code, v.stdout, v.stderr)
		}
	}
	if r := w.run(nil, append([]string{"sign-bundle", "--identity-token", good, file}, more...)...); r.code != 2 || !strings.Contains(r.stderr, "--bundle: it is missing") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
	// Whatever cannot be written is not logged.
	asked := w.services.Requests()
	if r := w.run(nil, append([]string{"sign-bundle", "--identity-token", good, "--bundle", filepath.Join(w.dir, "none", "b.json"), file}, more...)...); r.code != 2 || !strings.Contains(r.stderr, "--bundle: ") || !strings.Contains(r.stderr, "name a file in a folder that may be written") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
	if n := w.services.Requests() - asked; n > 0 {
		t.Errorf("%d requests", n)
	}
	if r := w.run(nil, "--help"); strings.Contains(r.stdout, "sign-bundle") {
		t.Error("sign-bundle is in the help")
	}
}
