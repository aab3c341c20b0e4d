package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// verify-bundle speaks the client protocol of sigstore-conformance: exit code 0
// only if the bundle verifies for the file or digest.
func TestVerifyBundle(t *testing.T) {
	t.Parallel()
	sig, root := newInstance(t)
	_, otherRoot := newInstance(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	otherKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, body []byte, err error) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err == nil {
			err = os.WriteFile(file, body, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	content := []byte("hello\n")
	sum := sha256.Sum256(content)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	file, changed := write("a.txt", content, nil), write("b.txt", []byte("hellO\n"), nil)
	withKey := func(o *options) { o.Key, o.Identity, o.Issuer = key, "", "" }
	bundle := func(name string, change ...func(*options)) string {
		b, err := sig.BlobBundle(content, by(change...))
		return write(name, b, err)
	}
	blob, v2, keyed, old, late := bundle("blob"), bundle("v2", rekorV2), bundle("keyed", withKey), bundle("old", version("0.1")), bundle("late", expired)
	statement, err := sig.Bundle(slsaType, digest[7:], nil, by())
	dsse := write("dsse", statement, err)
	who := []string{"--certificate-identity", identity, "--certificate-oidc-issuer", issuer}
	for _, tc := range []struct {
		name   string
		bundle string
		args   []string
		about  string
		root   string
		code   int
	}{
		{"file", blob, who, file, root, 0},
		{"digest", blob, who, digest, root, 0},
		{"Rekor v2", v2, who, file, root, 0},
		{"v0.1", old, who, file, root, 0},
		{"attestation, file", dsse, who, file, root, 0},
		{"attestation, digest", dsse, who, digest, root, 0},
		{"key", keyed, []string{"--key", keyFile(t, key)}, file, root, 0},
		{"several keys", keyed, []string{"--key", keyFile(t, otherKey), "--key", keyFile(t, key)}, file, root, 0},
		{"another key", keyed, []string{"--key", keyFile(t, otherKey)}, file, root, 1},
		{"another file", blob, who, changed, root, 1},
		{"attestation, another file", dsse, who, changed, root, 1},
		{"another digest", blob, who, "sha256:" + strings.Repeat("0", 64), root, 1},
		{"another identity", blob, []string{"--certificate-identity", "x@y.example", "--certificate-oidc-issuer", issuer}, file, root, 1},
		{"another issuer", blob, []string{"--certificate-identity", identity, "--certificate-oidc-issuer", "https://y.example"}, file, root, 1},
		{"another root", blob, who, file, otherRoot, 1},
		{"expired", late, who, file, root, 1},
		{"no bundle", file, who, file, root, 1},
		{"nobody", blob, nil, file, root, 2},
		{"bundle that is not there", filepath.Join(dir, "none"), who, file, root, 2},
		{"file that is not there", blob, who, filepath.Join(dir, "none"), root, 2},
		{"no trust root", blob, who, file, filepath.Join(dir, "none"), 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"verify-bundle", "--bundle", tc.bundle, "--trusted-root", tc.root}, tc.args...)
			code, out := plain(t, append(args, tc.about)...)
			if code != tc.code || strings.HasPrefix(out, "verified: ") != (tc.code == 0) {
				t.Errorf("exit %d, want %d: %s", code, tc.code, out)
			}
		})
	}
}
