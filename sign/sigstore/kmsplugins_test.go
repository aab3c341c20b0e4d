//go:build !race

// These start the test binary many times, which takes long with the race
// detector; nothing in them is concurrent but os/exec.

package sigstore

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/verify"
)

func TestKMSKeyRefuses(t *testing.T) {
	installPlugin(t)
	good := keyFile(t, madeKeys().p256)
	weak, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // to be refused
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ uri, want, hint string }{
		{"", "it is not a name, ://", "NAME://KEY"},
		{"test:" + good, "it is not a name, ://", "NAME://KEY"},
		{"test://", "it is not a name, ://", "NAME://KEY"},
		{"Test://x", "it is not a name, ://", "NAME://KEY"},
		{"../evil://x", "it is not a name, ://", "NAME://KEY"},
		{"/bin/sh://x", "it is not a name, ://", "NAME://KEY"},
		{"test://a b", "it is not a name, ://", "NAME://KEY"},
		{"test://a\x00b", "it is not a name, ://", "NAME://KEY"},
		{"test://a\nb", "it is not a name, ://", "NAME://KEY"},
		{"test://" + strings.Repeat("a", maxKeyURI), "longer than 2048 bytes", "NAME://KEY"},
		{"https://example.com/cosign.key", "not fetched from URLs", "save the key in a file"},
		{"k8s://ns/cosign", "there is no program sigstore-kms-k8s on PATH", "put the secret into a variable, and give the key as env://NAME"},
		{"gitlab://acme/app", "there is no program sigstore-kms-gitlab on PATH", "put the secret into a variable, and give the key as env://NAME"},
		{"awskms:///alias/x", "there is no program sigstore-kms-awskms on PATH", "install the program sigstore-kms-awskms in a folder on PATH; no KMS is built in"},
		{"test://garbage", "what sigstore-kms-test writes is not what the protocol has: ::error::?[31mno key here", "speaks v1 of Sigstore's KMS plugin protocol"},
		{"test://empty", "there is no public key in it", "by itself"},
		{"test://nokey", "is no PEM PUBLIC KEY", "by itself"},
		{"test://says", "sigstore-kms-test says: ::warning::?[1mthe key is locked ask the owner xxx", "by itself"},
		{"test://flood", "writes more than 64 KiB", "by itself"},
		{"test://ok:" + keyFile(t, weak), "1024 bits, which is too weak", "another kind"},
	} {
		key, err := KMSKey(t.Context(), tc.uri)
		e := (*verify.Error)(nil)
		if key != nil || !errors.As(err, &e) {
			t.Errorf("%q: %v, %v", tc.uri, key, err)
			continue
		}
		if !strings.HasPrefix(e.Op, "read the key ") || !strings.Contains(err.Error(), tc.want) || !strings.Contains(e.Hint, tc.hint) {
			t.Errorf("%q: error %q, hint %q; want %q, %q", tc.uri, err, e.Hint, tc.want, tc.hint)
		}
		// Only what ran can have failed.
		service := strings.HasPrefix(tc.uri, "test://") && strings.Contains(tc.hint, "by itself") || strings.Contains(tc.hint, "speaks")
		if errors.Is(err, ErrKeyService) != service || sign.Reason(err).NoAnswer() != service {
			t.Errorf("%q: %v is of ErrKeyService: %v, of reason %s", tc.uri, err, errors.Is(err, ErrKeyService), sign.Reason(err))
		}
		if len(err.Error()) > 700 || strings.ContainsAny(err.Error(), "\n\x1b\x00") {
			t.Errorf("%q: error %q", tc.uri, err)
		}
	}
	for _, behaviour := range []string{"otherkey", "otherdata"} {
		key, err := KMSKey(t.Context(), "test://"+behaviour+":"+good)
		if err != nil {
			t.Fatal(err)
		}
		sig, _, err := key.SignData(t.Context(), []byte("data"))
		if sig != nil || err == nil || !strings.Contains(err.Error(), "sign with sigstore-kms-test: the key service gave no usable answer: it is not the signature asked for") {
			t.Errorf("%s: %v", behaviour, err)
		}
	}
}

// A plugin's answer counts when the plugin has ended, and what it leaves behind
// ends, too.
func TestKMSKeyLeavesNothingBehind(t *testing.T) {
	installPlugin(t)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	left := make(chan net.Conn, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		left <- conn
	}()
	if _, err := KMSKey(t.Context(), "test://orphan:"+l.Addr().String()+","+keyFile(t, madeKeys().p256)); err != nil {
		t.Error(err)
	}
	conn := <-left
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) { // open as long as it lives
		t.Errorf("what it left behind is still there: %v", err)
	}
	if err := conn.Close(); err != nil { // which ends it
		t.Error(err)
	}
}
