package cli_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/boltseal/boltseal/internal/registrytest"
)

// Every kind of key that can sign images verifies, in every format it can be
// used in.
func TestKeyKinds(t *testing.T) {
	t.Parallel()
	must := func(key crypto.Signer, err error) crypto.Signer {
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, err2 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p521, err3 := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	rsa2048, err4 := rsa.GenerateKey(rand.Reader, 2048)
	for name, key := range map[string]crypto.Signer{"P-256": must(p256, err), "P-384": must(p384, err2), "P-521": must(p521, err3), "RSA": must(rsa2048, err4), "Ed25519": ed} {
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "key.pub")
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		o := by(func(o *options) { o.Key = key })
		for _, tc := range []struct {
			name string
			sign func(w *world)
		}{
			{"legacy", func(w *world) { w.signLegacy(repo, w.image(repo), o) }},
			{"bundle", func(w *world) { w.signBundle(repo, w.image(repo), signType, o) }},
			{"bundle, Rekor v2", func(w *world) {
				w.signBundle(repo, w.image(repo), signType, by(func(x *options) { *x = o; x.RekorV2 = true }))
			}},
		} {
			t.Run(name+" "+tc.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, registrytest.Options{})
				tc.sign(w)
				run(t, "verify", w.reg.Host()+"/"+repo+":v1", "--trusted-root", w.root, "--key", file).want(t, 0, "verified")
			})
		}
	}
}
