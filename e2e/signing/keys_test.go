package signing_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"sync"
	"testing"
)

func newRSA(t *testing.T, bits int) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	check(t, err)
	return key
}

func newEC(t *testing.T, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	check(t, err)
	return key
}

func newEd25519(t *testing.T) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	return key
}

// plainKey writes a key that is not encrypted, and cosign.pub. It returns the
// path of the key.
func (w *workplace) plainKey(key crypto.Signer) string {
	w.t.Helper()
	private, err := x509.MarshalPKCS8PrivateKey(key)
	check(w.t, err)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	check(w.t, err)
	w.write("cosign.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	w.secrets = append(w.secrets, string(text))
	return w.write("key.pem", text)
}

// Keys of every kind that Sigstore knows sign in every way. What boltseal signs by
// them it verifies; cosign 3 does as far as it can read such signatures at all.
func TestKindsOfKeys(t *testing.T) {
	t.Parallel()
	const (
		unreadable = "unreadable" // to cosign 3, also those of its own
		refused    = "refused"    // by the log with the one hash, by cosign 3 with the other
	)
	kinds := []struct {
		name string
		key  func(t *testing.T) crypto.Signer
		// What cosign 3 wants to be told of the hash, or one of those.
		v2, v1, legacy, unlogged, old string
	}{
		{name: "P-256", key: func(t *testing.T) crypto.Signer { return newEC(t, elliptic.P256()) }},
		{name: "P-384", key: func(t *testing.T) crypto.Signer { return newEC(t, elliptic.P384()) }, v2: "sha384", legacy: refused},
		{name: "P-521", key: func(t *testing.T) crypto.Signer { return newEC(t, elliptic.P521()) }, v2: "sha512", legacy: refused},
		{name: "RSA 2048", key: func(t *testing.T) crypto.Signer { return newRSA(t, 2048) }},
		{name: "RSA 3072", key: func(t *testing.T) crypto.Signer { return newRSA(t, 3072) }},
		{name: "Ed25519", key: newEd25519, v2: unreadable, legacy: unreadable, old: unreadable},
	}
	for _, kind := range kinds {
		// One of each kind: to find a large prime takes long.
		key := sync.OnceValue(func() crypto.Signer { return kind.key(t) })
		for _, way := range []struct {
			name  string
			hash  string
			flags func(w *workplace) []string
			check []string
			old   bool
		}{
			{name: "Rekor v2", hash: kind.v2, flags: func(w *workplace) []string { return []string{"--signing-config", w.signingConfig(w.Rekor, w.TSA)} }},
			{name: "Rekor v1", hash: kind.v1, flags: func(w *workplace) []string { return []string{"--signing-config", w.signingConfig(w.RekorV1)} }},
			{
				name: "legacy", hash: kind.legacy, old: true,
				flags: func(w *workplace) []string {
					return []string{"--format", "legacy", "--signing-config", w.signingConfig(w.RekorV1)}
				},
			},
			{
				name: "no log", hash: kind.unlogged, check: []string{"--insecure-ignore-tlog"},
				flags: func(*workplace) []string { return []string{"--tlog-upload=false"} },
			},
			{
				name: "legacy, no log", hash: kind.old, check: []string{"--insecure-ignore-tlog"}, old: true,
				flags: func(*workplace) []string { return []string{"--format", "legacy", "--tlog-upload=false"} },
			},
		} {
			t.Run(kind.name+", "+way.name, func(t *testing.T) {
				t.Parallel()
				w := newWorkplace(t)
				img := w.push(w.Legacy, "acme/app")
				flags := slices.Concat([]string{img.pinned(), "--key", w.plainKey(key())}, way.flags(w))
				check := w.byKey(way.check...)
				if way.hash == refused {
					w.Forget()
					s := w.sign(flags...)
					if s.code != 1 || len(s.Signed) > 0 || len(s.Failed) != 1 || s.Failed[0].Reason != "unsupported" || !strings.Contains(s.Failed[0].Message, "by a key on this curve that cosign could read") {
						t.Errorf("want a refusal: %s", s)
					}
					for _, r := range w.writes() {
						if r.Service == w.RekorV1.Name {
							t.Errorf("something got into the log: %s", r)
						}
					}
					w.refused("unsigned", img.pinned(), check...)
					return
				}
				w.signed(flags...)
				w.signatures(img, 1, check)
				if there, _ := w.signed(flags...).existed(); there != 1 {
					t.Error("it is signed twice")
				}
				args := slices.Concat([]string{"verify"}, check, []string{img.pinned()})
				if way.old {
					args = append(args, "--new-bundle-format=false")
				}
				if way.hash != "" && way.hash != unreadable {
					args = append(args, "--signature-digest-algorithm", way.hash)
				}
				o := w.cosign(3)(args...)
				if readable := way.hash != unreadable; (o.code == 0) != readable {
					t.Errorf("cosign 3 verifies it: %t, %s", !readable, o)
				}
			})
		}
	}
}
