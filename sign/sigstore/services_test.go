package sigstore

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"sync"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	sgsign "github.com/sigstore/sigstore-go/pkg/sign"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"
	sgsignature "github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/boltseal/boltseal/internal/sigstoretest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A sigstack is the services of an instance, and a Client that knows no time.
type sigstack struct {
	*sigstoretest.Services
	now      time.Time
	material *root.TrustedRoot
	client   *Client

	mu     sync.Mutex
	sleeps []time.Duration
}

func newSigstack(t *testing.T) *sigstack {
	t.Helper()
	// Far from the wall clock, to notice whatever depends on it.
	s := &sigstack{now: time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)}
	in, err := sigstoretest.New(s.now)
	must(t, err)
	s.Services, err = in.Serve(sigstoretest.ServeOptions{})
	must(t, err)
	t.Cleanup(s.Close)
	text, err := in.TrustedRoot()
	must(t, err)
	s.material, err = root.NewTrustedRootFromJSON(text)
	must(t, err)
	s.client = NewClient(ClientOptions{UserAgent: "boltseal/test", Sleep: func(ctx context.Context, d time.Duration) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sleeps = append(s.sleeps, d)
		return ctx.Err()
	}})
	s.client.after = func(time.Duration, func()) func() bool { return func() bool { return true } }
	return s
}

// slept returns how long the client has waited, each time.
func (s *sigstack) slept() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sleeps)
}

// services are those of a signing config.
func (s *sigstack) services(t *testing.T, w sigstoretest.Without, versions ...uint32) Services {
	t.Helper()
	text, err := s.SigningConfig(w)
	must(t, err)
	c, err := ParseSigningConfig(text)
	must(t, err)
	services, err := c.Services(s.now, versions...)
	must(t, err)
	return services.trusting(s.material)
}

// both are services with a log of the version, timestamps and certificates.
func (s *sigstack) both(t *testing.T, version uint32) Services {
	t.Helper()
	return s.services(t, sigstoretest.Without{}, version)
}

func (s *sigstack) token(t *testing.T, claims map[string]any) Token {
	t.Helper()
	text, err := s.Token(claims)
	must(t, err)
	token, err := ParseToken(text, "sigstore", s.now)
	must(t, err)
	return token
}

// certified returns a key and its certificate.
func (s *sigstack) certified(t *testing.T) (*Key, *certificate) {
	t.Helper()
	key, err := ephemeral()
	must(t, err)
	cert, err := s.client.issue(t.Context(), s.both(t, 2), key, s.token(t, nil))
	must(t, err)
	return key, cert
}

func message() sgsign.Content { return &sgsign.PlainData{Data: []byte("message")} }

func envelope() sgsign.Content {
	return &sgsign.DSSEData{PayloadType: "application/vnd.in-toto+json", Data: []byte(`{"_type":"https://in-toto.io/Statement/v1",` +
		`"subject":[{"digest":{"sha256":"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"}}],"predicateType":"https://example.com/p","predicate":{}}`)}
}

// verifies checks a bundle as strictly as the library can.
func (s *sigstack) verifies(t *testing.T, pb *protobundle.Bundle, key *Key, cert *certificate) {
	t.Helper()
	b, err := bundle.NewBundle(pb)
	must(t, err)
	opts := []sgverify.VerifierOption{sgverify.WithTransparencyLog(1), sgverify.WithObserverTimestamps(1)}
	material := root.TrustedMaterialCollection{s.material}
	policy := sgverify.WithKey()
	if cert != nil {
		opts = append(opts, sgverify.WithSignedCertificateTimestamps(1))
		id, err := sgverify.NewShortCertificateIdentity(cert.issuer, "", cert.subject, "")
		must(t, err)
		policy = sgverify.WithCertificateIdentity(id)
	} else {
		var load []sgsignature.LoadOption
		if pb.GetMessageSignature() != nil || pb.VerificationMaterial.TlogEntries[0].KindVersion.Version == "0.0.2" {
			load = append(load, options.WithED25519ph())
		}
		v, err := sgsignature.LoadDefaultVerifier(key.GetPublicKey(), load...)
		must(t, err)
		ek := root.NewExpiringKey(v, time.Time{}, time.Time{})
		material = append(material, root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) { return ek, nil }))
	}
	v, err := sgverify.NewVerifier(material, opts...)
	must(t, err)
	artifact := sgverify.WithoutArtifactUnsafe()
	if pb.GetMessageSignature() != nil {
		artifact = sgverify.WithArtifact(bytes.NewReader([]byte("message")))
	}
	if _, err := v.Verify(b, sgverify.NewPolicy(artifact, policy)); err != nil {
		t.Error(err)
	}
}

// pemKey is ReadKey of a key in memory.
func pemKey(t *testing.T, private crypto.PrivateKey) *Key {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	key, err := ReadKey("a key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil)
	must(t, err)
	return key
}
