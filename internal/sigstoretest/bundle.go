package sigstoretest

import (
	"encoding/json"
	"fmt"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// Bundle signs an in-toto v1 statement about the SHA-256 digest and returns the
// JSON of a Sigstore bundle. A nil predicate stands for {}.
func (in *Instance) Bundle(predicateType, digestHex string, predicate []byte, o Options) ([]byte, error) {
	st, err := statement("https://in-toto.io/Statement/v1", predicateType, map[string]any{
		"digest": map[string]string{"sha256": digestHex},
	}, predicate)
	if err != nil {
		return nil, err
	}
	return in.BundleOf(st, o)
}

// BundleOf is Bundle for a statement that the caller wrote; it is signed as it is.
func (in *Instance) BundleOf(statement []byte, o Options) ([]byte, error) {
	o, err := o.resolve(in.now)
	if err != nil {
		return nil, err
	}
	s, err := in.signStatement(statement, o)
	if err != nil {
		return nil, err
	}
	return in.bundle(s, &protobundle.Bundle{Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
		Payload:     s.payload,
		PayloadType: inTotoType,
		Signatures:  []*protodsse.Signature{{Sig: s.sig}},
	}}}, o)
}

// BlobBundle signs the artifact itself and returns the JSON of a Sigstore
// bundle with a message signature.
func (in *Instance) BlobBundle(artifact []byte, o Options) ([]byte, error) {
	o, err := o.resolve(in.now)
	if err != nil {
		return nil, err
	}
	s, err := in.signMessage(artifact, o)
	if err != nil {
		return nil, err
	}
	return in.bundle(s, &protobundle.Bundle{Content: &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
		MessageDigest: &protocommon.HashOutput{Algorithm: s.details.GetProtoHashType(), Digest: s.digest},
		Signature:     s.sig,
	}}}, o)
}

// bundle completes b by the verification material of s.
func (in *Instance) bundle(s *signed, b *protobundle.Bundle, o Options) ([]byte, error) {
	m := &protobundle.VerificationMaterial{}
	switch {
	case s.cert == nil:
		m.Content = &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{Hint: s.keyHint()}}
	case o.Version == "0.3":
		m.Content = &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: s.cert.Raw}}
	default:
		// The root stays out: a verifier must have it from elsewhere.
		m.Content = &protobundle.VerificationMaterial_X509CertificateChain{X509CertificateChain: &protocommon.X509CertificateChain{
			Certificates: []*protocommon.X509Certificate{{RawBytes: s.cert.Raw}, {RawBytes: in.fulcio.intermediate.Raw}},
		}}
	}
	if !o.NoLog {
		e, err := in.logEntry(s, o)
		if err != nil {
			return nil, fmt.Errorf("sigstoretest: log: %w", err)
		}
		m.TlogEntries = []*protorekor.TransparencyLogEntry{e}
	}
	if o.Timestamp {
		t, err := in.timestamp(s.sig, o.LogAt)
		if err != nil {
			return nil, fmt.Errorf("sigstoretest: timestamp: %w", err)
		}
		m.TimestampVerificationData = &protobundle.TimestampVerificationData{
			Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: t}},
		}
	}
	b.MediaType, b.VerificationMaterial = o.mediaType(), m
	return protojson.Marshal(b)
}

func (in *Instance) logEntry(s *signed, o Options) (*protorekor.TransparencyLogEntry, error) {
	if o.RekorV2 {
		return in.log2(s)
	}
	e, err := in.log1(s, o.LogAt)
	if err == nil && o.Version == "0.1" {
		// Clients of that version stored the promise only.
		e.InclusionProof = nil
	}
	return e, err
}

// statement writes an in-toto statement about one subject.
func statement(typ, predicateType string, subject map[string]any, predicate []byte) ([]byte, error) {
	if predicate == nil {
		predicate = []byte("{}")
	}
	b, err := json.Marshal(struct {
		Type          string           `json:"_type"`
		Subject       []map[string]any `json:"subject"`
		PredicateType string           `json:"predicateType"`
		Predicate     json.RawMessage  `json:"predicate"`
	}{typ, []map[string]any{subject}, predicateType, predicate})
	if err != nil {
		return nil, fmt.Errorf("sigstoretest: statement: %w", err)
	}
	return b, nil
}
