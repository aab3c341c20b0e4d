package sigstoretest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
)

const (
	testIssuer   = "https://token.actions.githubusercontent.com"
	testIdentity = "https://github.com/o/r/.github/workflows/release.yml@refs/heads/main"
	testType     = "https://sigstore.dev/cosign/sign/v1"
	testHex      = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
)

func newInstance(t *testing.T) *Instance {
	t.Helper()
	// Far from the wall clock, to notice whatever depends on it.
	in, err := New(time.Date(2024, 2, 29, 12, 0, 0, 123456, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func keyless() Options { return Options{Identity: testIdentity, Issuer: testIssuer} }

func newKeys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"ecdsa": ec, "rsa": r, "ed25519": ed}
}

// check verifies b as strictly as sigstore-go can.
func check(t *testing.T, in *Instance, b *bundle.Bundle, art verify.ArtifactPolicyOption, o Options, load ...signature.LoadOption) (*verify.VerificationResult, error) {
	t.Helper()
	j, err := in.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	tr, err := root.NewTrustedRootFromJSON(j)
	if err != nil {
		t.Fatal(err)
	}
	trusted := root.TrustedMaterialCollection{tr}
	opts := []verify.VerifierOption{verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1)}
	var policy verify.PolicyOption
	if o.Key == nil {
		opts = append(opts, verify.WithSignedCertificateTimestamps(1))
		id, err := verify.NewShortCertificateIdentity(o.Issuer, "", o.Identity, "")
		if err != nil {
			t.Fatal(err)
		}
		policy = verify.WithCertificateIdentity(id)
	} else {
		k, err := signature.LoadDefaultVerifier(o.Key.Public(), load...)
		if err != nil {
			t.Fatal(err)
		}
		ek := root.NewExpiringKey(k, time.Time{}, time.Time{})
		trusted = append(trusted, root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) { return ek, nil }))
		policy = verify.WithKey()
	}
	v, err := verify.NewVerifier(trusted, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return v.Verify(b, verify.NewPolicy(art, policy))
}

func parse(t *testing.T, raw []byte, err error) *bundle.Bundle {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle.Bundle{}
	if err := b.UnmarshalJSON(raw); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return b
}

func digestOption(t *testing.T) verify.ArtifactPolicyOption {
	t.Helper()
	d, err := hex.DecodeString(testHex)
	if err != nil {
		t.Fatal(err)
	}
	return verify.WithArtifactDigest("sha256", d)
}

// rebuild makes a v0.1 bundle of a legacy layer and its annotations.
func rebuild(t *testing.T, layer []byte, a map[string]string) *bundle.Bundle {
	t.Helper()
	m := &protobundle.VerificationMaterial{}
	if blk, _ := pem.Decode([]byte(a[annotationCertificate])); blk != nil {
		m.Content = &protobundle.VerificationMaterial_X509CertificateChain{X509CertificateChain: &protocommon.X509CertificateChain{
			Certificates: []*protocommon.X509Certificate{{RawBytes: blk.Bytes}},
		}}
	} else {
		m.Content = &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{}}
	}
	if a[annotationBundle] != "" {
		var rb struct {
			SignedEntryTimestamp []byte
			Payload              setPayload
		}
		unmarshal(t, a[annotationBundle], &rb)
		var kv struct{ APIVersion, Kind string }
		unmarshal(t, string(rb.Payload.Body), &kv)
		id, err := hex.DecodeString(rb.Payload.LogID)
		if err != nil {
			t.Fatal(err)
		}
		m.TlogEntries = []*protorekor.TransparencyLogEntry{{
			LogIndex:          rb.Payload.LogIndex,
			LogId:             &protocommon.LogId{KeyId: id},
			KindVersion:       &protorekor.KindVersion{Kind: kv.Kind, Version: kv.APIVersion},
			IntegratedTime:    rb.Payload.IntegratedTime,
			InclusionPromise:  &protorekor.InclusionPromise{SignedEntryTimestamp: rb.SignedEntryTimestamp},
			CanonicalizedBody: rb.Payload.Body,
		}}
	}
	if a[annotationTimestamp] != "" {
		var ts struct{ SignedRFC3161Timestamp []byte }
		unmarshal(t, a[annotationTimestamp], &ts)
		m.TimestampVerificationData = &protobundle.TimestampVerificationData{
			Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: ts.SignedRFC3161Timestamp}},
		}
	}
	pb := &protobundle.Bundle{MediaType: "application/vnd.dev.sigstore.bundle+json;version=0.1", VerificationMaterial: m}
	if s := a[annotationSignature]; s != "" {
		sig, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		d := sha256.Sum256(layer)
		md := &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: d[:]}
		// Ed25519ph is logged with SHA-512, and the bundle must say the same.
		if len(m.TlogEntries) > 0 && bytes.Contains(m.TlogEntries[0].CanonicalizedBody, []byte(`"sha512"`)) {
			d := sha512.Sum512(layer)
			md = &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_512, Digest: d[:]}
		}
		pb.Content = &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
			MessageDigest: md,
			Signature:     sig,
		}}
	} else {
		var env struct {
			PayloadType string
			Payload     []byte
			Signatures  []struct{ Sig []byte }
		}
		unmarshal(t, string(layer), &env)
		pb.Content = &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			Payload: env.Payload, PayloadType: env.PayloadType, Signatures: []*protodsse.Signature{{Sig: env.Signatures[0].Sig}},
		}}
	}
	b, err := bundle.NewBundle(pb)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unmarshal(t *testing.T, s string, to any) {
	t.Helper()
	if err := json.Unmarshal([]byte(s), to); err != nil {
		t.Fatal(err)
	}
}
