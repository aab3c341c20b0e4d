package dct_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/sign/dct"
	"github.com/boltseal/boltseal/verify"
)

const secret = "correct horse"

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// made returns what der says, or fails.
func made(t *testing.T, der []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestReadKey(t *testing.T) {
	t.Parallel()
	p256 := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t)
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))(t)
	big := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec := must(x509.MarshalECPrivateKey(p256))(t)
	pkcs8 := must(x509.MarshalPKCS8PrivateKey(p256))(t)
	key := must(dcttest.NewKey(p256))(t)
	sealed := must(key.PEM("alice", secret))(t)
	plain := must(key.PEM("alice", ""))(t)
	//lint:ignore SA1019 docker once wrote keys this way
	old, err := x509.EncryptPEMBlock(rand.Reader, "EC PRIVATE KEY", ec, []byte(secret), x509.PEMCipherAES256) //nolint:staticcheck // the same, for golangci-lint
	if err != nil {
		t.Fatal(err)
	}
	old.Headers["role"] = "alice"
	oldest := pem.EncodeToMemory(old)
	der, _ := pem.Decode(sealed)
	for name, tc := range map[string]struct {
		text     []byte
		password string
		id       string // of the key; "" for a refusal
		is       error
		says     string
	}{
		"notary":               {text: sealed, password: secret, id: key.Public.ID()},
		"docker, before":       {text: oldest, password: secret, id: key.Public.ID()},
		"notary, unencrypted":  {text: plain, id: key.Public.ID()},
		"PKCS #8":              {text: block("PRIVATE KEY", pkcs8), id: key.Public.ID()},
		"password for nothing": {text: block("PRIVATE KEY", pkcs8), password: secret, id: key.Public.ID()},
		"openssl ec":           {text: block("EC PRIVATE KEY", ec), password: secret, id: key.Public.ID()},
		"openssl ecparam":      {text: append(block("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7}), block("EC PRIVATE KEY", ec)...), id: key.Public.ID()},
		"P-384":                {text: block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(p384))(t)), id: must(dcttest.NewKey(p384))(t).Public.ID()},
		"RSA":                  {text: block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(big)), id: must(dcttest.NewKey(big))(t).Public.ID()},

		"no password":         {text: sealed, is: dct.ErrNoPassword, says: "it is encrypted"},
		"wrong password":      {text: sealed, password: "wrong", is: dct.ErrPassword, says: "does not open"},
		"no password, before": {text: oldest, is: dct.ErrNoPassword},
		"wrong, before":       {text: oldest, password: "wrong", is: dct.ErrPassword},
		"nothing":             {says: "it is empty"},
		"no PEM":              {text: []byte("hello"), says: "holds no PEM block"},
		"two keys":            {text: append(bytes.Clone(plain), plain...), says: "holds 2 PEM blocks"},
		"too large":           {text: bytes.Repeat([]byte("x"), 1<<20), says: "larger than"},
		"a public key":        {text: block("PUBLIC KEY", made(t, must(x509.MarshalPKIXPublicKey(p256.Public()))(t), nil)), says: "cannot sign"},
		"OpenSSH":             {text: block("OPENSSH PRIVATE KEY", []byte("x")), says: "OpenSSH"},
		"cosign":              {text: block("ENCRYPTED SIGSTORE PRIVATE KEY", []byte("x")), password: secret, says: "encrypted by cosign"},
		"P-224":               {text: block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(p224))(t)), says: "P-224"},
		"Ed25519":             {text: block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(edwards))(t)), says: "of a kind that is not known"},
		"damaged":             {text: block("PRIVATE KEY", pkcs8[:40]), says: "damaged"},
		"cut off":             {text: block("ENCRYPTED PRIVATE KEY", der.Bytes[:len(der.Bytes)-8]), password: secret, says: "damaged"},
		"scrypt":              {text: block("ENCRYPTED PRIVATE KEY", sealedBy(t, 11591, 2048, 16, nil)), password: secret, says: "not as notary does it"},
		"SHA-256":             {text: block("ENCRYPTED PRIVATE KEY", sealedBy(t, 0, 2048, 16, asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9})), password: secret, says: "not as notary does it"},
		"for ever":            {text: block("ENCRYPTED PRIVATE KEY", sealedBy(t, 0, 1<<31-1, 16, nil)), password: secret, says: "iterations"},
		"no iteration":        {text: block("ENCRYPTED PRIVATE KEY", sealedBy(t, 0, 0, 16, nil)), password: secret, says: "damaged"},
		"short vector":        {text: block("ENCRYPTED PRIVATE KEY", sealedBy(t, 0, 2048, 8, nil)), password: secret, says: "damaged"},
		"not sealed at all":   {text: block("ENCRYPTED PRIVATE KEY", pkcs8), password: secret, says: "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var password []byte
			if tc.password != "" {
				password = []byte(tc.password)
			}
			k, err := dct.ReadKey("the file", tc.text, password)
			if k.ID() != tc.id || (err == nil) != (tc.id != "") {
				t.Fatalf("%q, %v", k.ID(), err)
			}
			if err == nil {
				return
			}
			var e *verify.Error
			if !errors.As(err, &e) || e.Hint == "" || !strings.Contains(err.Error(), "read the private key the file: ") || !strings.Contains(err.Error(), tc.says) || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("%v\nnext: %s", err, verify.Hint(err))
			}
			if strings.Contains(err.Error(), secret) {
				t.Error("the password is shown")
			}
		})
	}
	if (&dct.Key{}).ID() != "" || (*dct.Key)(nil).ID() != "" {
		t.Error("the zero Key has an ID")
	}
}

// must is for calls with an error.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// sealedBy is encrypted PKCS #8 of which the parameters are chosen: another
// derivation than PBKDF2, its iterations, the length of the vector, and its hash.
func sealedBy(t *testing.T, derivation, iterations, vector int, hash asn1.ObjectIdentifier) []byte {
	t.Helper()
	type params struct {
		Salt       []byte
		Iterations int
		Hash       pkix.AlgorithmIdentifier `asn1:"optional"`
	}
	p := params{Salt: []byte("12345678"), Iterations: iterations}
	if hash != nil {
		p.Hash = pkix.AlgorithmIdentifier{Algorithm: hash}
	}
	kdf := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	if derivation != 0 {
		kdf = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, derivation, 4, 11}
	}
	raw := func(v any) asn1.RawValue { return asn1.RawValue{FullBytes: must(asn1.Marshal(v))(t)} }
	scheme := struct{ Derivation, Cipher pkix.AlgorithmIdentifier }{
		pkix.AlgorithmIdentifier{Algorithm: kdf, Parameters: raw(p)},
		pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, Parameters: raw(make([]byte, vector))},
	}
	return must(asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}{pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}, Parameters: raw(scheme)}, make([]byte, 48)}))(t)
}

// No file makes the library panic, or takes for ever.
func FuzzReadKey(f *testing.F) {
	key, err := dcttest.NewKey(nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, password := range []string{"", secret} {
		text, err := key.PEM("alice", password)
		if err != nil {
			f.Fatal(err)
		}
		b, _ := pem.Decode(text)
		f.Add(b.Type, b.Bytes, secret)
	}
	f.Fuzz(func(t *testing.T, kind string, der []byte, password string) {
		k, err := dct.ReadKey("k", block(kind, der), []byte(password))
		if (err == nil) != (len(k.ID()) == 64) {
			t.Errorf("%q, %v", k.ID(), err)
		}
	})
}
