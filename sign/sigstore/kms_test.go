package sigstore

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	sgsign "github.com/sigstore/sigstore-go/pkg/sign"
	sgsignature "github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin/common"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin/handler"

	"github.com/boltseal/boltseal/verify"
)

// pluginMark is the last argument before those of the protocol, where this test
// binary is run as a plugin.
const pluginMark = "boltseal-kms-plugin"

// TestPluginProcess is no test: run by the script that installPlugin writes, it
// is the plugin, made with what Sigstore gives to authors of plugins.
func TestPluginProcess(t *testing.T) {
	for i, arg := range os.Args {
		if arg == pluginMark {
			os.Exit(runPlugin(os.Args[i:]))
		}
	}
	t.Skip("run by the tests of KMSKey")
}

// runPlugin behaves as the key's name says: a file with a private key, after
// what to do about it.
func runPlugin(osArgs []string) int {
	args, err := handler.GetPluginArgs(osArgs)
	if err != nil {
		fmt.Println(err)
		return 9
	}
	behaviour, rest, _ := strings.Cut(args.InitOptions.KeyResourceID, ":")
	signing := args.MethodName == common.SignMessageMethodName
	var out bytes.Buffer
	switch behaviour {
	case "garbage":
		fmt.Fprint(os.Stderr, "::error::\x1b[31mno\tkey\nhere")
		fmt.Print("hello")
		return 0
	case "empty":
		fmt.Print("{}")
		return 0
	case "says":
		fmt.Print(`{"errorMessage":"::warning::\u001b[1mthe key is locked\nask the owner ` + strings.Repeat("x", 1000) + `"}`)
		return 1
	case "secrets":
		var words []string
		for _, name := range []string{"COSIGN_PASSWORD", "COSIGN_PRIVATE_KEY", "SIGSTORE_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "INPUT_KEY-PASSWORD", "BOLTSEAL_INPUTS", "VAULT_TOKEN", "AWS_SECRET_ACCESS_KEY", "VAULT_ADDR"} {
			words = append(words, name+"="+os.Getenv(name))
		}
		text, err := json.Marshal(strings.Join(append(words, "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", args.InitOptions.KeyResourceID), " "))
		if err != nil {
			return 9
		}
		fmt.Printf(`{"errorMessage":%s}`, text)
		return 0
	case "noise": // all that is kept of it is cut off within the secret
		_, secret, _ := strings.Cut(args.InitOptions.KeyResourceID, "?")
		fmt.Fprint(os.Stderr, strings.Repeat(secret, maxKMSNoise/len(secret)+1))
		return 0
	case "quotes":
		fmt.Fprint(os.Stderr, `{"token":"w\u00f6rd\"1<2"}, b3BlbnNlc2FtZQ== opensesame`)
		return 0
	case "flood":
		_, _ = os.Stdout.Write(bytes.Repeat([]byte(" "), 1<<20))
		return 0
	case "hang":
		conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", rest)
		if err != nil {
			return 9
		}
		_, _ = io.Copy(io.Discard, conn)
		return 0
	case "nokey":
		fmt.Print(`{"publicKey":{"publicKeyPEM":"aGVsbG8="}}`)
		return 0
	}
	if behaviour == "orphan" { // what it leaves behind holds its output, and a connection
		addr, file, _ := strings.Cut(rest, ",")
		conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", addr)
		if err != nil {
			return 9
		}
		held, err := conn.(*net.TCPConn).File()
		if err != nil {
			return 9
		}
		child := exec.Command("/bin/sh", "-c", "read line <&3") //nolint:noctx // it is to stay
		child.Stdout, child.Stderr, child.ExtraFiles = os.Stdout, os.Stderr, []*os.File{held}
		if err := child.Start(); err != nil {
			return 9
		}
		rest = file
	}
	private, err := os.ReadFile(rest) //nolint:gosec // of the test
	if err != nil {
		fmt.Println(err)
		return 9
	}
	signer, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		fmt.Println(err)
		return 9
	}
	if signing && behaviour == "otherkey" {
		if signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return 9
		}
	}
	if !args.InitOptions.HashFunc.Available() { // which a plugin may look at whatever the key
		fmt.Println("no such hash")
		return 9
	}
	sv, err := sgsignature.LoadSignerVerifier(signer, args.InitOptions.HashFunc)
	if err != nil {
		fmt.Println(err)
		return 9
	}
	stdin := io.Reader(os.Stdin)
	if signing && behaviour == "otherdata" {
		stdin = strings.NewReader("other")
		empty := []byte(nil)
		args.SignMessage.SignOptions.MessageOptions.Digest = &empty
	}
	if _, err := handler.Dispatch(&out, stdin, args, testKMS{sv}); err != nil {
		return 9
	}
	fmt.Print(out.String())
	if behaviour == "status" {
		return 3
	}
	return 0
}

// testKMS adds what a plugin has and does not need here.
type testKMS struct{ sgsignature.SignerVerifier }

func (testKMS) DefaultAlgorithm() string      { return "" }
func (testKMS) SupportedAlgorithms() []string { return nil }
func (testKMS) CreateKey(context.Context, string) (crypto.PublicKey, error) {
	return nil, errors.New("no")
}
func (testKMS) CryptoSigner(context.Context, func(error)) (crypto.Signer, crypto.SignerOpts, error) {
	return nil, nil, errors.New("no")
}

// installPlugin makes this test binary the only program on PATH: sigstore-kms-test.
func installPlugin(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the plugin is a shell script")
	}
	self, err := os.Executable()
	if err != nil {
		t.Skip("this test binary does not know where it is: ", err)
	}
	dir := t.TempDir()
	script := "#!/bin/sh\nexec '" + self + "' -test.run='^TestPluginProcess$' " + pluginMark + ` "$@"` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "sigstore-kms-test"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

func TestKMSKey(t *testing.T) {
	installPlugin(t)
	for name, want := range map[string][2]protocommon.PublicKeyDetails{
		"P-256":   {protocommon.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256, protocommon.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256},
		"P-384":   {protocommon.PublicKeyDetails_PKIX_ECDSA_P384_SHA_384, protocommon.PublicKeyDetails_PKIX_ECDSA_P384_SHA_384},
		"RSA":     {protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_2048_SHA256, protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_2048_SHA256},
		"Ed25519": {protocommon.PublicKeyDetails_PKIX_ED25519, protocommon.PublicKeyDetails_PKIX_ED25519_PH},
	} {
		private := madeKeys().all()[name]
		uri := "test://status:" + keyFile(t, private) // the status is not looked at, says the protocol
		key, err := KMSKey(t.Context(), uri)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		der, err := x509.MarshalPKIXPublicKey(private.Public())
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(der); key.Verifying().Fingerprint() != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: another key", name)
		}
		for i, log := range []uint32{0, 2} {
			fitted := fit(key, &sgsign.DSSEData{}, log)
			if fitted.GetSigningAlgorithm() != want[i] {
				t.Errorf("%s, log %d: %v, want %v", name, log, fitted.GetSigningAlgorithm(), want[i])
			}
			sig, _, err := fitted.SignData(t.Context(), []byte("data"))
			if want[i] == protocommon.PublicKeyDetails_PKIX_ED25519_PH {
				// This plugin knows plain Ed25519 only, and signs with that.
				if err == nil || sig != nil || !strings.Contains(err.Error(), "not the signature asked for, which is one with PKIX_ED25519_PH") {
					t.Errorf("%s, log %d: %v", name, log, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s, log %d: %v", name, log, err)
			}
			how, err := sgsignature.GetAlgorithmDetails(want[i])
			if err != nil {
				t.Fatal(err)
			}
			if err := checkSignature(private.Public(), how, []byte("data"), sig); err != nil {
				t.Errorf("%s, log %d: %v", name, log, err)
			}
		}
	}
	// Rekor v1 takes of an envelope SHA-256 only, and such a KMS has nothing else.
	key, err := KMSKey(t.Context(), "test://ok:"+keyFile(t, madeKeys().p384))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = fit(key, &sgsign.DSSEData{}, 1).SignData(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "SHA-256 only") || !strings.Contains(verify.Hint(err), "P-256") {
		t.Errorf("an envelope for Rekor v1: %v", err)
	}
}

// A plugin gets no secrets but those of its own service, and neither they are
// repeated where it tells them, nor what may be secret of a URI.
func TestKMSSecrets(t *testing.T) {
	installPlugin(t)
	for _, name := range []string{"COSIGN_PASSWORD", "COSIGN_PRIVATE_KEY", "SIGSTORE_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "INPUT_KEY-PASSWORD", "BOLTSEAL_INPUTS"} {
		t.Setenv(name, "for-us-only")
	}
	t.Setenv("VAULT_TOKEN", "hvs.its-own-0123456789")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "/its+own/0123456789")
	t.Setenv("VAULT_ADDR", "https://vault.example")
	_, err := KMSKey(t.Context(), "test://secrets:pass@host/key?token=query")
	if err == nil {
		t.Fatal("there is a key")
	}
	for _, secret := range []string{"for-us-only", "eyJ", "secrets:pass", "query", "its-own", "its+own"} {
		if text := fmt.Sprintf("%v %+v %s", err, err, verify.Hint(err)); strings.Contains(text, secret) {
			t.Errorf("it tells %q: %s", secret, text)
		}
	}
	for _, want := range []string{"test://***@host/key?***", "COSIGN_PASSWORD= ", "VAULT_TOKEN=*** ", "AWS_SECRET_ACCESS_KEY=*** ", "VAULT_ADDR=https://vault.example "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}

// What is secret of a URI is not shown where a plugin quotes it, or where what it
// writes is cut off.
func TestKMSNoise(t *testing.T) {
	installPlugin(t)
	long := strings.Repeat("0123456789", 100)
	for uri, secrets := range map[string][]string{
		"test://noise:?token=" + long:                      {"token", "012"},
		"test://quotes:opensesame@h?token=w%C3%B6rd%221<2": {"w\\u00f6rd", "1<2", "b3Bl", "opensesame"},
	} {
		_, err := KMSKey(t.Context(), uri)
		if err == nil || !strings.Contains(err.Error(), "is not what the protocol has") {
			t.Errorf("%s: %v", uri, err)
			continue
		}
		for _, secret := range secrets {
			if _, said, _ := strings.Cut(err.Error(), "the protocol has"); strings.Contains(said, secret) {
				t.Errorf("%s: it tells %q: %v", uri, secret, err)
			}
		}
	}
}

func keyFile(t *testing.T, private crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, der, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The end of the run ends a plugin that hangs.
func TestKMSKeyIsBounded(t *testing.T) {
	installPlugin(t)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	gone := make(chan error, 1)
	go func() {
		conn, err := l.Accept() // the plugin runs
		if err != nil {
			gone <- err
			return
		}
		cancel()
		_, err = conn.Read(make([]byte, 1)) // until it is killed
		gone <- err
	}()
	_, err = KMSKey(ctx, "test://hang:"+l.Addr().String())
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "sigstore-kms-test was stopped") {
		t.Errorf("error %v", err)
	}
	if err := <-gone; err == nil {
		t.Error("the plugin says something")
	}
	if _, err := KMSKey(ctx, "test://ok:x"); !errors.Is(err, context.Canceled) {
		t.Errorf("after the run has ended: %v", err)
	}
}
