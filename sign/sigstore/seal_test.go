package sigstore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	sgsign "github.com/sigstore/sigstore-go/pkg/sign"

	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// What is sealed verifies: each kind of log, of content and of key.
func TestSeal(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	key, cert := s.certified(t)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	for name, w := range map[string]sigstoretest.Without{"v2": {}, "v1": {Rekor2: true}, "v1 without a TSA": {Rekor2: true, TSA: true}} {
		services := s.services(t, w, 1, 2)
		for kind, content := range map[string]sgsign.Content{"message": message(), "envelope": envelope()} {
			t.Run(name+" "+kind, func(t *testing.T) {
				b, err := s.client.seal(t.Context(), content, key, cert, services)
				must(t, err)
				s.verifies(t, b, nil, cert)
				if n := len(b.VerificationMaterial.GetTimestampVerificationData().GetRfc3161Timestamps()); n == 1 == w.TSA {
					t.Errorf("%d timestamps", n)
				}
				for _, private := range []crypto.PrivateKey{p256, r, ed} {
					key := pemKey(t, private)
					b, err := s.client.seal(t.Context(), content, key, nil, services)
					if err != nil {
						t.Errorf("%T: %v", private, err)
						continue
					}
					s.verifies(t, b, key, nil)
				}
			})
		}
	}
}
