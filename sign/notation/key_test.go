package notation_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/notation"
	"github.com/boltseal/boltseal/verify"
)

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func authority(t testing.TB, o notationtest.AuthorityOptions) *notationtest.Authority {
	t.Helper()
	return must[*notationtest.Authority](t)(notationtest.NewAuthority(o))
}

func keyPEM(t testing.TB, a *notationtest.Authority) []byte {
	t.Helper()
	return must[[]byte](t)(a.KeyPEM())
}

// keyOf returns the key of an authority.
func keyOf(t testing.TB, a *notationtest.Authority) *notation.Key {
	t.Helper()
	return must[*notation.Key](t)(notation.ReadKey("a.key", keyPEM(t, a), notationtest.PEM(a.Chain...)))
}

// told checks an error for people: what was done, why it failed, a next step.
func told(t testing.TB, err error, reason verify.Reason, op, why, hint string) {
	t.Helper()
	e := (*verify.Error)(nil)
	if !errors.As(err, &e) {
		t.Fatalf("%v is no error for people", err)
	}
	if !strings.Contains(err.Error(), op) || !strings.Contains(err.Error(), why) || !strings.Contains(verify.Hint(err), hint) || verify.Hint(err) == "" {
		t.Errorf("error %q\n hint %q\nwant %q, %q, %q", err, verify.Hint(err), op, why, hint)
	}
	if got := sign.Reason(err); got != reason {
		t.Errorf("reason %q, want %q: %v", got, reason, err)
	}
}

// A key in every form that openssl writes is read.
func TestReadKeyForms(t *testing.T) {
	t.Parallel()
	for _, kind := range []notationtest.KeyKind{notationtest.EC256, notationtest.RSA2048} {
		a := authority(t, notationtest.AuthorityOptions{Key: kind})
		pkcs8, _ := pem.Decode(keyPEM(t, a))
		texts := [][]byte{pem.EncodeToMemory(pkcs8)}
		switch k := a.Key.(type) {
		case *rsa.PrivateKey:
			texts = append(texts, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}))
		case *ecdsa.PrivateKey:
			sec1 := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: must[[]byte](t)(x509.MarshalECPrivateKey(k))})
			texts = append(texts, sec1, append([]byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"), sec1...))
		}
		for _, text := range texts {
			k, err := notation.ReadKey("a.key", text, notationtest.PEM(a.Chain...))
			if err != nil {
				t.Error(err)
				continue
			}
			if got := k.Certificates(); len(got) != 2 || !got[0].Equal(a.Leaf()) || !got[1].Equal(a.Root()) {
				t.Errorf("chain %v", got)
			}
			if err := errors.Join(k.Close(), k.Close()); err != nil {
				t.Error(err)
			}
		}
	}
}

// What cannot sign is refused with what is wrong with it, and nothing of the key.
func TestReadKeyRefuses(t *testing.T) {
	t.Parallel()
	a := authority(t, notationtest.AuthorityOptions{Intermediates: 1})
	other := authority(t, notationtest.AuthorityOptions{CA: "Other CA"})
	leafWith := func(f func(*x509.Certificate)) *notationtest.Authority {
		return authority(t, notationtest.AuthorityOptions{Leaf: f})
	}
	pair := func(a *notationtest.Authority) (key, chain []byte) { return keyPEM(t, a), notationtest.PEM(a.Chain...) }
	weakKey, weakChain := weakRSA(t)
	key, chain := pair(a)
	block, _ := pem.Decode(key)
	const keyOp, chainOp = "read the private key a.key", "read the certificate chain of the private key a.key"
	for _, tc := range []struct {
		name          string
		key, chain    []byte
		op, why, hint string
	}{
		{"no key", nil, chain, keyOp, "it is empty", "PKCS #8"},
		{"no PEM", []byte("key"), chain, keyOp, "it holds no PEM block", "PKCS #8"},
		{"certificate", notationtest.PEM(a.Leaf()), chain, keyOp, "it is a PEM CERTIFICATE, which cannot sign", "PKCS #8"},
		{"encrypted", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: block.Bytes}), chain, keyOp, "it is an encrypted PKCS #8 key, which is not read", "decrypt it with openssl pkey"},
		{"of cosign", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED SIGSTORE PRIVATE KEY", Bytes: []byte("{}")}), chain, keyOp, "it is encrypted by cosign, which is not read here", "decrypt it"},
		{"damaged", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: block.Bytes[:60]}), chain, keyOp, "is damaged", "PKCS #8"},
		{"two keys", append(bytes.Clone(key), key...), chain, keyOp, "it holds 2 PEM blocks", "file of its own"},
		{"too large", bytes.Repeat([]byte("x"), 65<<10), chain, keyOp, "larger than 64 KiB", "PKCS #8"},

		{"no chain", key, nil, chainOp, "it is empty", "signing certificate first"},
		{"chain of text", key, []byte("certificate"), chainOp, "it holds no PEM block", "as PEM"},
		{"text after it", key, append(bytes.Clone(chain), "rest"...), chainOp, "something that is no PEM block follows certificate 3", "as PEM"},
		{"key as chain", key, key, chainOp, `it holds a PEM "PRIVATE KEY"`, "as PEM"},
		{"damaged certificate", key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Leaf().Raw[:100]}), chainOp, "certificate 1 cannot be read", "as PEM"},
		{"huge", key, bytes.Repeat([]byte("x"), 257<<10), chainOp, "larger than 256 KiB", "as PEM"},
		{"many", key, bytes.Repeat(notationtest.PEM(a.Root()), 17), chainOp, "more than 16 certificates", "as PEM"},
		{"of another key", key, notationtest.PEM(other.Chain...), chainOp, "the key is not that of the signing certificate", "issued for it"},
		{"root first", key, notationtest.PEM(a.Chain[2], a.Chain[1], a.Chain[0]), chainOp, "the key is that of certificate 3", "signing certificate first"},
		{"order", key, notationtest.PEM(a.Chain[0], a.Chain[2], a.Chain[1]), chainOp, "was not issued by certificate 2", "signing certificate first"},
		{"no root", key, notationtest.PEM(a.Chain[:2]...), chainOp, "the root is missing", "the root last"},
		{"leaf alone", key, notationtest.PEM(a.Leaf()), chainOp, "the root is missing", "the root last"},
		{"another root of that name", key, notationtest.PEM(append(a.Chain[:2:2], authority(t, notationtest.AuthorityOptions{Intermediates: 1}).Root())...), chainOp, "was not issued by certificate 3", "signing certificate first"},
		{"RSA 1024", weakKey, weakChain, chainOp, "rsa key size 1024 bits is not supported", "RSA of 2048"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			k, err := notation.ReadKey("a.key", tc.key, tc.chain)
			if k != nil {
				t.Error("a key, in spite of the error")
			}
			told(t, err, verify.Unsupported, tc.op, tc.why, tc.hint)
			if got := errors.Is(err, notation.ErrChain); got != (tc.op == chainOp) {
				t.Errorf("about the chain: %v", got)
			}
			secret := strings.Split(string(key), "\n")[2]
			if err != nil && strings.Contains(err.Error()+verify.Hint(err), secret[:20]) {
				t.Errorf("it quotes the key: %v", err)
			}
		})
	}
	for name, tc := range map[string]struct {
		a   *notationtest.Authority
		why string
	}{
		"no key usage":     {leafWith(func(c *x509.Certificate) { c.KeyUsage = 0 }), "key usage extension must be present"},
		"no signing":       {leafWith(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageContentCommitment }), `"Digital Signature"`},
		"and encipherment": {leafWith(func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyEncipherment }), "KeyEncipherment"},
		"for servers":      {leafWith(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "must not contain ServerAuth"},
		"for something": {leafWith(func(c *x509.Certificate) {
			c.ExtKeyUsage = nil
			c.UnknownExtKeyUsage = append(c.UnknownExtKeyUsage, []int{1, 2, 3, 4})
		}), "codeSigning is not among them"},
		"code and servers":  {leafWith(func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) }), "must not contain ServerAuth"},
		"an authority":      {leafWith(func(c *x509.Certificate) { c.IsCA = true }), "ca field must be set to false"},
		"curve P-224":       {nil, "not supported"},
		"self-signed alone": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var key, chain []byte
			switch name {
			case "curve P-224":
				key, chain = selfSigned(t, must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)))
			case "self-signed alone":
				key, chain = pair(authority(t, notationtest.AuthorityOptions{SelfSigned: true}))
			default:
				key, chain = pair(tc.a)
			}
			_, err := notation.ReadKey("a.key", key, chain)
			if tc.why == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			told(t, err, verify.Unsupported, chainOp, tc.why, "for signing code")
		})
	}
	if _, err := notation.ReadKey("a.key", key, chain); err != nil {
		t.Error(err)
	}
}

// A certificate that is not valid now is found out before anything is asked.
func TestNewValidity(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tc := range map[string]struct {
		o         notationtest.AuthorityOptions
		why, hint string
	}{
		"expired":     {notationtest.AuthorityOptions{NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(-time.Hour)}, `the certificate of "CN=release,`, "renew the certificate"},
		"not yet":     {notationtest.AuthorityOptions{NotBefore: now.Add(time.Hour), NotAfter: now.Add(48 * time.Hour)}, `the certificate of "CN=release,`, "clock"},
		"root is not": {notationtest.AuthorityOptions{CANotBefore: now.Add(-48 * time.Hour), CANotAfter: now.Add(-time.Hour)}, `the certificate of "CN=Acme CA,`, "renew the certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := notation.New(notation.Options{
				Store: registry.New(registry.Options{}), Key: keyOf(t, authority(t, tc.o)), Now: time.Now,
			})
			told(t, err, verify.Expired, "sign with the certificate of", tc.why, tc.hint)
			if !errors.Is(err, notation.ErrChain) {
				t.Error("it does not say that it is about the chain")
			}
		})
	}
}

// Options that could sign nothing are refused.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	a := authority(t, notationtest.AuthorityOptions{})
	good := notation.Options{Store: registry.New(registry.Options{}), Key: keyOf(t, a), Now: time.Now}
	if _, err := notation.New(good); err != nil {
		t.Fatal(err)
	}
	roots := []*x509.Certificate{a.Root()}
	for name, change := range map[string]func(*notation.Options){
		"no registry":              func(o *notation.Options) { o.Store = nil },
		"nobody signs":             func(o *notation.Options) { o.Key = nil },
		"nobody signs ":            func(o *notation.Options) { o.Key = &notation.Key{} },
		"no clock":                 func(o *notation.Options) { o.Now = nil },
		"-1 jobs":                  func(o *notation.Options) { o.Jobs = -1 },
		"-1h0m0s is not":           func(o *notation.Options) { o.Expiry = -time.Hour },
		"1.5s is not":              func(o *notation.Options) { o.Expiry = 1500 * time.Millisecond },
		"which timestamps of":      func(o *notation.Options) { o.TSA = &notation.TSA{URL: "http://tsa.test"} },
		`"" is no http`:            func(o *notation.Options) { o.TSA = &notation.TSA{Roots: roots} },
		`"ftp://a" is no http`:     func(o *notation.Options) { o.TSA = &notation.TSA{URL: "ftp://a", Roots: roots} },
		`"http://:80/" is no http`: func(o *notation.Options) { o.TSA = &notation.TSA{URL: "http://:80/", Roots: roots} },
		"has a user":               func(o *notation.Options) { o.TSA = &notation.TSA{URL: "http://me:secret@a", Roots: roots} },
	} {
		o := good
		change(&o)
		s, err := notation.New(o)
		if err == nil || s != nil || !strings.Contains(err.Error(), strings.TrimSpace(name)) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckMetadata(t *testing.T) {
	t.Parallel()
	many := map[string]string{}
	for i := range 65 {
		many[strings.Repeat("k", i+1)] = ""
	}
	for name, tc := range map[string]struct {
		m         map[string]string
		why, hint string
	}{
		"none":      {nil, "", ""},
		"good":      {map[string]string{"io.cncf": "1", "IO.CNCF.NOTARY": "", "ü": "x\ny"}, "", ""},
		"no key":    {map[string]string{"": "v"}, "a key is empty", "KEY=VALUE"},
		"reserved":  {map[string]string{"io.cncf.notary.x": "v"}, `the key "io.cncf.notary.x" begins with "io.cncf.notary", which is reserved`, "another key"},
		"reserved ": {map[string]string{"io.cncf.notaryfoo": "v"}, "is reserved", "another key"},
		"key":       {map[string]string{"a\xff": "v"}, "is not UTF-8", "UTF-8"},
		"value":     {map[string]string{"a": "\xff"}, "is not UTF-8", "UTF-8"},
		"many":      {many, "more than 64 values", "less"},
		"long":      {map[string]string{"a": strings.Repeat("v", 32<<10)}, "more than 32 KiB", "less"},
	} {
		err := notation.CheckMetadata(tc.m)
		if tc.why == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		told(t, err, verify.Unsupported, "sign user metadata", tc.why, tc.hint)
	}
}

// weakRSA returns a key of 1024 bits, which takes no time to make.
func weakRSA(t testing.TB) (key, chain []byte) {
	t.Helper()
	return selfSigned(t, must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 1024))) //nolint:gosec // to be refused
}

// selfSigned returns the key and its own certificate as PEM.
func selfSigned(t testing.TB, key crypto.Signer) (keyText, chain []byte) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{"Acme"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must[[]byte](t)(x509.MarshalPKCS8PrivateKey(key))}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
