package sigstore

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	sgsign "github.com/sigstore/sigstore-go/pkg/sign"
	sgsignature "github.com/sigstore/sigstore/pkg/signature"

	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/internal/privatekey"
	"github.com/boltseal/boltseal/verify"
)

const testPassword = "correct-horse-battery"

// testKeys are private keys of each kind, made once.
type testKeys struct {
	p256, p384, p521 *ecdsa.PrivateKey
	rsa              *rsa.PrivateKey
	ed               ed25519.PrivateKey
}

func (k testKeys) all() map[string]crypto.Signer {
	return map[string]crypto.Signer{"P-256": k.p256, "P-384": k.p384, "P-521": k.p521, "RSA": k.rsa, "Ed25519": k.ed}
}

var madeKeys = sync.OnceValue(func() (k testKeys) {
	var errs [5]error
	k.p256, errs[0] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.p384, errs[1] = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	k.p521, errs[2] = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	k.rsa, errs[3] = rsa.GenerateKey(rand.Reader, 2048)
	_, k.ed, errs[4] = ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(errs[:]...); err != nil {
		panic(err)
	}
	return k
})

func pemOf(kind string, der []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pkcs8(key any) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pemOf("PRIVATE KEY", der, err)
}

// lockedBox is der as cosign encrypts it, with the least work.
var lockedBox = sync.OnceValue(func() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(madeKeys().p256)
	if err != nil {
		panic(err)
	}
	box, err := encrypted.EncryptWithCustomKDFParameters(der, []byte(testPassword), encrypted.Legacy)
	if err != nil {
		panic(err)
	}
	return box
})

func TestReadKey(t *testing.T) {
	t.Parallel()
	k := madeKeys()
	ec := func(key *ecdsa.PrivateKey) []byte {
		der, err := x509.MarshalECPrivateKey(key)
		return pemOf("EC PRIVATE KEY", der, err)
	}
	curve := pemOf("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7}, nil)
	for _, tc := range []struct {
		name     string
		text     []byte
		password []byte
		public   crypto.PublicKey
	}{
		{"P-256", pkcs8(k.p256), nil, k.p256.Public()},
		{"P-384", pkcs8(k.p384), nil, k.p384.Public()},
		{"P-521", pkcs8(k.p521), nil, k.p521.Public()},
		{"RSA", pkcs8(k.rsa), nil, k.rsa.Public()},
		{"Ed25519", pkcs8(k.ed), nil, k.ed.Public()},
		{"openssl ec", ec(k.p384), nil, k.p384.Public()},
		{"openssl ecparam", append(curve, ec(k.p256)...), nil, k.p256.Public()},
		{"openssl rsa", pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k.rsa), nil), nil, k.rsa.Public()},
		{"a password that is not needed", pkcs8(k.p256), []byte("x"), k.p256.Public()},
		{"text before, space after", append([]byte("Bag Attributes\n"), append(pkcs8(k.p256), "\r\n \n"...)...), nil, k.p256.Public()},
		{"cosign", pemOf("ENCRYPTED SIGSTORE PRIVATE KEY", lockedBox(), nil), []byte(testPassword), k.p256.Public()},
		{"cosign before 2", pemOf("ENCRYPTED COSIGN PRIVATE KEY", lockedBox(), nil), []byte(testPassword), k.p256.Public()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			key, err := ReadKey("k.key", tc.text, tc.password)
			if err != nil {
				t.Fatal(err)
			}
			der, err := x509.MarshalPKIXPublicKey(tc.public)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(der)
			if got, want := key.Verifying().Fingerprint(), hex.EncodeToString(sum[:]); got != want {
				t.Errorf("fingerprint %s, want %s", got, want)
			}
			if got, want := string(key.GetHint()), base64.StdEncoding.EncodeToString(sum[:]); got != want {
				t.Errorf("hint %s, want %s", got, want)
			}
			text, err := key.GetPublicKeyPem()
			if want := string(pemOf("PUBLIC KEY", der, nil)); err != nil || text != want {
				t.Errorf("public key %q, %v; want %q", text, err, want)
			}
			sig, _, err := key.SignData(t.Context(), []byte("data"))
			if err != nil {
				t.Fatal(err)
			}
			// cosign verify --key: SHA-256 whatever the curve, plain Ed25519.
			v, err := sgsignature.LoadVerifier(tc.public, crypto.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			if err := v.VerifySignature(bytes.NewReader(sig), strings.NewReader("data")); err != nil {
				t.Error(err)
			}
			if v.VerifySignature(bytes.NewReader(sig), strings.NewReader("other")) == nil {
				t.Error("the signature is one of other data")
			}
		})
	}
}

func TestReadKeyRefuses(t *testing.T) {
	t.Parallel()
	k := madeKeys()
	good := pkcs8(k.p256)
	box := func(change func(doc map[string]any)) []byte {
		var doc map[string]any
		if err := json.Unmarshal(lockedBox(), &doc); err != nil {
			t.Fatal(err)
		}
		change(doc)
		text, err := json.Marshal(doc)
		return pemOf("ENCRYPTED SIGSTORE PRIVATE KEY", text, err)
	}
	params := func(n, r, p int64) []byte {
		return box(func(doc map[string]any) {
			doc["kdf"].(map[string]any)["params"] = map[string]any{"N": n, "r": r, "p": p}
		})
	}
	der, err := x509.MarshalPKIXPublicKey(k.p256.Public())
	public := pemOf("PUBLIC KEY", der, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	locked := pemOf("ENCRYPTED SIGSTORE PRIVATE KEY", lockedBox(), nil)
	for _, tc := range []struct {
		name     string
		text     []byte
		password string // "-" for none
		is       error
		want     string
		hint     string
	}{
		{"no password", locked, "-", ErrNoPassword, "it is encrypted, and no password is given", "COSIGN_PASSWORD"},
		{"wrong password", locked, "wrong-" + testPassword, ErrPassword, "the password does not open it", "COSIGN_PASSWORD"},
		{"empty password", locked, "", ErrPassword, "the password does not open it", "COSIGN_PASSWORD"},
		{"empty", nil, "-", nil, "it is empty", "cosign generate-key-pair"},
		{"spaces", []byte(" \n"), "-", nil, "it is empty", "cosign generate-key-pair"},
		{"no PEM", []byte("correct-horse-battery"), "-", nil, "it holds no PEM block", "cosign generate-key-pair"},
		{"too large", bytes.Repeat([]byte("a"), privatekey.MaxFile+1), "-", nil, "larger than 64 KiB", "cosign generate-key-pair"},
		{"base64 of PEM", []byte(base64.StdEncoding.EncodeToString(good) + "\n"), "-", nil, "it is the base64 of a PEM file", "base64 -d"},
		{"line breaks as text", bytes.ReplaceAll(good, []byte("\n"), []byte(`\n`)), "-", nil, `its line breaks are written as \n`, "real line breaks"},
		{"byte order mark", append([]byte("\xef\xbb\xbf"), good...), "-", nil, "it begins with a byte order mark", "without a byte order mark"},
		{"cut off", good[:len(good)-30], "-", nil, "damaged or cut off", "cosign generate-key-pair"},
		{"public", public, "-", nil, "it is a PEM PUBLIC KEY, which cannot sign", "cosign.key"},
		{"certificate", pemOf("CERTIFICATE", []byte{1}, nil), "-", nil, "it is a PEM CERTIFICATE, which cannot sign", "cosign.key"},
		{"two keys", append(bytes.Clone(good), good...), "-", nil, "it holds 2 PEM blocks", "file of its own"},
		{"key and public key", append(bytes.Clone(good), public...), "-", nil, "it holds 2 PEM blocks", "file of its own"},
		{"damaged, then good", append(bytes.Replace(bytes.Clone(good), []byte("-----END"), []byte("----END"), 1), good...), "-", nil, "it holds 2 PEM blocks", "file of its own"},
		{"text after", append(bytes.Clone(good), "hunter2-hunter2"...), "-", nil, "something follows the key", "remove"},
		{"encrypted PKCS #8", pemOf("ENCRYPTED PRIVATE KEY", []byte{1}, nil), "pw", nil, "it is an encrypted PKCS #8 key", "cosign import-key-pair"},
		{"old encryption", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}, Bytes: []byte{1}}), "pw", nil, "as OpenSSL did before PKCS #8", "cosign import-key-pair"},
		{"old encryption without its mark", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES-256-CBC,00"}, Bytes: []byte{1}}), "pw", nil, "as OpenSSL did before PKCS #8", "cosign import-key-pair"},
		{"OpenSSH", pemOf("OPENSSH PRIVATE KEY", []byte{1}, nil), "-", nil, "it is a key of OpenSSH", "ssh-keygen"},
		{"DSA", pemOf("DSA PRIVATE KEY", []byte{1}, nil), "-", nil, `it is a PEM "DSA PRIVATE KEY"`, "cosign generate-key-pair"},
		{"garbage as PKCS #8", pemOf("PRIVATE KEY", []byte("hunter2-hunter2"), nil), "-", nil, "its PEM PRIVATE KEY is damaged", "cosign generate-key-pair"},
		{"garbage as EC", pemOf("EC PRIVATE KEY", []byte("hunter2-hunter2"), nil), "-", nil, "its PEM EC PRIVATE KEY is damaged", "cosign generate-key-pair"},
		{"garbage as RSA", pemOf("RSA PRIVATE KEY", []byte("hunter2-hunter2"), nil), "-", nil, "its PEM RSA PRIVATE KEY is damaged", "cosign generate-key-pair"},
		{"P-224", pkcs8(p224), "-", nil, "the curve P-224", "cosign generate-key-pair"},
		{"no JSON encrypted", pemOf("ENCRYPTED SIGSTORE PRIVATE KEY", []byte("hunter2-hunter2"), nil), "pw", nil, "not how cosign encrypts", "cosign generate-key-pair"},
		{"other KDF", box(func(d map[string]any) { d["kdf"].(map[string]any)["name"] = "argon2" }), "pw", nil, `encrypted with "argon2"`, "cosign generate-key-pair"},
		{"other cipher", box(func(d map[string]any) { d["cipher"].(map[string]any)["name"] = "rot13\x1b" }), "pw", nil, `and "rot13?"`, "cosign generate-key-pair"},
		{"short nonce", box(func(d map[string]any) { d["cipher"].(map[string]any)["nonce"] = "AAAA" }), "pw", nil, "damaged or cut off", "cosign generate-key-pair"},
		{"no ciphertext", box(func(d map[string]any) { delete(d, "ciphertext") }), "pw", nil, "damaged or cut off", "cosign generate-key-pair"},
		{"all memory", params(1<<40, 8, 1), "pw", nil, "scrypt with N=1099511627776, r=8, p=1, which cosign does not", "cosign generate-key-pair"},
		{"all memory by r", params(1<<15, 1<<30, 1), "pw", nil, "r=1073741824", "cosign generate-key-pair"},
		{"all time", params(1<<15, 8, 1<<20), "pw", nil, "p=1048576", "cosign generate-key-pair"},
		{"next power of two", params(1<<18, 8, 1), "pw", nil, "N=262144", "cosign generate-key-pair"},
		{"no work", params(2, 8, 1), "pw", nil, "N=2,", "cosign generate-key-pair"},
		{"nothing asked for", box(func(d map[string]any) { delete(d["kdf"].(map[string]any), "params") }), "pw", nil, "N=0,", "cosign generate-key-pair"},
		{"parameters twice", pemOf("ENCRYPTED SIGSTORE PRIVATE KEY", bytes.Replace(lockedBox(), []byte(`"params":`), []byte(`"Params":{"N":1099511627776,"r":8,"p":1},"params":`), 1), nil), "pw", nil, "not how cosign encrypts", "cosign generate-key-pair"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var password []byte
			if tc.password != "-" {
				password = []byte(tc.password)
			}
			key, err := ReadKey("k.key", tc.text, password)
			if key != nil || err == nil {
				t.Fatalf("read as %v, %v", key, err)
			}
			e := (*verify.Error)(nil)
			if !errors.As(err, &e) || e.Op != "read the private key k.key" || !strings.Contains(e.Err.Error(), tc.want) || !strings.Contains(e.Hint, tc.hint) {
				t.Errorf("error %q, hint %q; want %q, %q", err, verify.Hint(err), tc.want, tc.hint)
			}
			if sign.Reason(err) != verify.Unsupported {
				t.Errorf("reason %s: nobody was asked", sign.Reason(err))
			}
			for _, is := range []error{ErrPassword, ErrNoPassword} {
				if errors.Is(err, is) != errors.Is(tc.is, is) {
					t.Errorf("errors.Is(%v, %v) = %v", err, is, errors.Is(err, is))
				}
			}
			discreet(t, err.Error()+verify.Hint(err), tc.text, password)
			discreet(t, fmt.Sprintf("%+v %#v", err, e), tc.text, password)
		})
	}
}

// discreet fails if shown holds the password, a secret word of the tests, or a
// line of base64 of the file.
func discreet(t *testing.T, shown string, text, password []byte) {
	t.Helper()
	secrets := []string{"hunter2", "battery"}
	if len(password) > 2 {
		secrets = append(secrets, string(password))
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); len(line) >= 16 && !strings.HasPrefix(line, "-----") {
			secrets = append(secrets, line, line[:16])
		}
	}
	for _, s := range secrets {
		if strings.Contains(shown, s) {
			t.Errorf("%q shows %q", shown, s)
		}
	}
}

// A key of a kind that no log or verifier of Sigstore knows is not used, however
// it got here.
func TestKnownKind(t *testing.T) {
	t.Parallel()
	bits := func(n uint) *rsa.PublicKey {
		return &rsa.PublicKey{N: new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), n), big.NewInt(1)), E: 65537}
	}
	for _, tc := range []struct {
		public crypto.PublicKey
		want   string
	}{
		{bits(512), "512 bits, which is too weak"},
		{bits(1024), "1024 bits, which is too weak"},
		{bits(2047), "2047 bits, which is too weak"},
		{bits(2048), ""},
		{bits(2049), "knows those of 2048, 3072 and 4096"},
		{bits(3072), ""},
		{bits(4096), ""},
		{bits(8192), "knows those of 2048, 3072 and 4096"},
		{madeKeys().p521.Public(), ""},
		{&ecdsa.PublicKey{Curve: elliptic.P224()}, "P-224"},
		{madeKeys().ed.Public(), ""},
		{"a key", "neither an ECDSA"},
		{nil, "neither an ECDSA"},
	} {
		err := knownKind(tc.public)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%T: %v, want %q", tc.public, err, tc.want)
		}
	}
}

// What each log takes, and what cosign verify takes without a log.
func TestFit(t *testing.T) {
	t.Parallel()
	const (
		p256sha256 = protocommon.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256
		//lint:ignore SA1019 deprecated, and what cosign verify takes
		p384sha256 = protocommon.PublicKeyDetails_PKIX_ECDSA_P384_SHA_256 //nolint:staticcheck // what cosign verify takes
		p384sha384 = protocommon.PublicKeyDetails_PKIX_ECDSA_P384_SHA_384
		//lint:ignore SA1019 deprecated, and what cosign verify takes
		p521sha256 = protocommon.PublicKeyDetails_PKIX_ECDSA_P521_SHA_256 //nolint:staticcheck // what cosign verify takes
		p521sha512 = protocommon.PublicKeyDetails_PKIX_ECDSA_P521_SHA_512
		rsa2048    = protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_2048_SHA256
		ed         = protocommon.PublicKeyDetails_PKIX_ED25519
		edph       = protocommon.PublicKeyDetails_PKIX_ED25519_PH
	)
	type row = [6]protocommon.PublicKeyDetails
	envelope, message := sgsign.Content(&sgsign.DSSEData{}), sgsign.Content(&sgsign.PlainData{})
	for name, want := range map[string]row{
		"P-256":   {p256sha256, p256sha256, p256sha256, p256sha256, p256sha256, p256sha256},
		"P-384":   {p384sha256, p384sha256, p384sha256, p384sha384, p384sha384, p384sha256},
		"P-521":   {p521sha256, p521sha256, p521sha256, p521sha512, p521sha512, p521sha256},
		"RSA":     {rsa2048, rsa2048, rsa2048, rsa2048, rsa2048, rsa2048},
		"Ed25519": {ed, ed, edph, edph, edph, edph},
	} {
		private := madeKeys().all()[name]
		key, err := newKey(name, private.Public(), inMemory(private), false)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range []struct {
			content sgsign.Content
			log     uint32
		}{{envelope, 0}, {envelope, 1}, {message, 1}, {envelope, 2}, {message, 2}, {message, 0}} {
			fitted := fit(key, c.content, c.log)
			if got := fitted.GetSigningAlgorithm(); got != want[i] {
				t.Errorf("%s, %T, log %d: %v, want %v", name, c.content, c.log, got, want[i])
			}
			how, err := sgsignature.GetAlgorithmDetails(want[i])
			if err != nil {
				t.Fatal(err)
			}
			if got := fitted.GetHashAlgorithm(); got != how.GetProtoHashType() {
				t.Errorf("%s, %T, log %d: hash %v", name, c.content, c.log, got)
			}
			sig, signed, err := fitted.SignData(t.Context(), []byte("data"))
			if i == 2 && (want[i] == p384sha256 || want[i] == p521sha256) { // Rekor v1 refuses it
				if sign.Reason(err) != verify.Unsupported || !strings.Contains(verify.Hint(err), "use a P-256 key, or the format bundle") || sig != nil {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := checkSignature(private.Public(), how, []byte("data"), sig); err != nil {
				t.Errorf("%s, %T, log %d: %v", name, c.content, c.log, err)
			}
			if h := how.GetHashType(); h != 0 && len(signed) != h.Size() || h == 0 && string(signed) != "data" {
				t.Errorf("%s, %T, log %d: signed %d bytes", name, c.content, c.log, len(signed))
			}
		}
		if key.GetSigningAlgorithm() != want[0] {
			t.Errorf("%s: fit changed the key it was given", name)
		}
	}
	other, err := sgsign.NewEphemeralKeypair(nil)
	if err != nil {
		t.Fatal(err)
	}
	if fit(other, envelope, 2) != sgsign.Keypair(other) {
		t.Error("another keypair is changed")
	}
	zero := &Key{}
	if fit(zero, envelope, 2) != sgsign.Keypair(zero) {
		t.Error("the zero Key is changed")
	}
}

func TestZeroKey(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]*Key{"zero": {}, "nil": nil} {
		if sig, _, err := k.SignData(t.Context(), []byte("data")); err == nil || sig != nil {
			t.Errorf("%s: signs", name)
		}
		if _, err := k.GetPublicKeyPem(); err == nil {
			t.Errorf("%s: has a public key", name)
		}
		if k.GetHint() != nil || k.GetPublicKey() != nil || k.GetKeyAlgorithm() != "" ||
			k.GetHashAlgorithm() != 0 || k.GetSigningAlgorithm() != 0 || k.Verifying().Fingerprint() != "" {
			t.Errorf("%s: is something", name)
		}
	}
}

func TestSignDataStops(t *testing.T) {
	t.Parallel()
	key, err := ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	if key.GetSigningAlgorithm() != protocommon.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256 || key.GetKeyAlgorithm() != "ECDSA" {
		t.Errorf("an ephemeral key is %v", key.GetSigningAlgorithm())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := key.SignData(ctx, nil); !errors.Is(err, ctx.Err()) || err == nil {
		t.Errorf("after the run has ended: %v", err)
	}
}

// However a key is printed, its private half is not there.
func TestKeyIsNotShown(t *testing.T) {
	t.Parallel()
	for name, private := range madeKeys().all() {
		key, err := newKey(name, private.Public(), inMemory(private), false)
		if err != nil {
			t.Fatal(err)
		}
		type exported struct{ K Key }
		type unexported struct{ k Key }
		type pointers struct{ k *Key }
		var shown strings.Builder
		for _, v := range []any{key, *key, exported{*key}, unexported{*key}, pointers{key}, &unexported{*key}, []Key{*key}, []any{key}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
				fmt.Fprintf(&shown, verb+"\n", v)
			}
			text, err := json.Marshal(v)
			fmt.Fprintf(&shown, "%s %v\n", text, err)
		}
		for _, secret := range secretsOf(t, private) {
			if strings.Contains(strings.ToLower(shown.String()), strings.ToLower(secret)) {
				t.Errorf("%s: %q is shown", name, secret)
			}
		}
		if !strings.Contains(fmt.Sprintf("%#v", key), "key "+name+" (sha256:") {
			t.Errorf("%s: shown as %#v", name, key)
		}
	}
	if s := fmt.Sprint(Key{}); s != "no key" {
		t.Errorf("the zero Key is shown as %q", s)
	}
}

// secretsOf returns the private half of a key as one might find it.
func secretsOf(t *testing.T, private crypto.Signer) (secrets []string) {
	t.Helper()
	add := func(b []byte) {
		b = b[:8]
		list := strings.Trim(fmt.Sprint(b), "[]")
		secrets = append(secrets, hex.EncodeToString(b), list, strings.ReplaceAll(list, " ", ", "), fmt.Sprintf("%#v", b)[len("[]byte{"):][:20])
	}
	switch k := private.(type) {
	case ed25519.PrivateKey:
		add(k)
	case *ecdsa.PrivateKey:
		raw, err := k.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		add(raw)
		secrets = append(secrets, new(big.Int).SetBytes(raw).String()[:16])
	case *rsa.PrivateKey:
		add(k.D.Bytes())
		add(k.Primes[0].Bytes())
		secrets = append(secrets, k.D.String()[:16], k.Primes[0].String()[:16])
	}
	return secrets
}

// No text makes ReadKey panic, take long, or tell what it read.
func FuzzReadKey(f *testing.F) {
	f.Add(pkcs8(madeKeys().p256))
	f.Add(pkcs8(madeKeys().ed))
	f.Add(pemOf("ENCRYPTED COSIGN PRIVATE KEY", lockedBox(), nil))
	f.Add([]byte("-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := ReadKey("k.key", text, nil) // without a password nothing is derived
		switch {
		case (key == nil) == (err == nil):
			t.Fatalf("%v, %v", key, err)
		case err != nil:
			if verify.Hint(err) == "" {
				t.Errorf("%v has no next step", err)
			}
		default:
			if _, _, err := key.SignData(t.Context(), text); err != nil {
				t.Error(err)
			}
		}
	})
}
