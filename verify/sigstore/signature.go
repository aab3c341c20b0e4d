package sigstore

import (
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/boltseal/boltseal/internal/strictjson"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// Media types and annotations of cosign's storage formats
// (https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md).
const (
	simpleSigningType = "application/vnd.dev.cosign.simplesigning.v1+json"
	envelopeType      = "application/vnd.dsse.envelope.v1+json"
	bundleTypePrefix  = "application/vnd.dev.sigstore.bundle"

	annotationSignature   = "dev.cosignproject.cosign/signature"
	annotationCertificate = "dev.sigstore.cosign/certificate"
	annotationBundle      = "dev.sigstore.cosign/bundle"
	annotationTimestamp   = "dev.sigstore.cosign/rfc3161timestamp"
)

// A signature is one signature as it was found, in the terms of sigstore-go
// whatever its storage format: the older formats are rebuilt as v0.1 bundles,
// so that one verification serves all.
type signature struct {
	format, storage, source string

	notation bool // it is one of Notation's, and so none here; the rest is not set

	layer  ocispec.Descriptor // as the manifest describes it
	beside int                // how many other layers the manifest has
	blob   []byte             // what the layer holds, not parsed yet

	entity  *bundle.Bundle
	payload []byte // what a simple-signing signature was made over; nil for a DSSE envelope

	// reason and err are set, and entity is nil, where it could not be read.
	reason verify.Reason
	err    error
}

// parsed returns s with its entity. Parsed, a signature takes several times the
// memory of its bytes; one at a time is enough.
func (s signature) parsed() signature {
	switch {
	case s.err != nil || s.entity != nil:
		return s
	case isBundle(s.layer):
		return parseBundle(s, s.blob)
	}
	return parseLayer(s, s.layer, s.blob)
}

func unreadable(s signature, reason verify.Reason, err error) signature {
	s.entity, s.reason, s.err = nil, reason, err
	if s.format == "" {
		s.format = "unknown"
	}
	return s
}

// parseBundle reads the JSON of a Sigstore bundle, v0.1 to v0.3.
func parseBundle(s signature, body []byte) signature {
	s.format = "bundle"
	b := &bundle.Bundle{}
	err := hostile.Safely(func() error { return b.UnmarshalJSON(body) })
	if b.Bundle != nil {
		if v, err := b.Version(); err == nil {
			s.format = "bundle-" + v
		}
	}
	switch {
	case errors.Is(err, bundle.ErrUnsupportedMediaType):
		return unreadable(s, verify.Unsupported, fmt.Errorf("read bundle: %w", err))
	case err != nil:
		return unreadable(s, verify.BadSignature, fmt.Errorf("read bundle: %w", err))
	}
	s.entity = b
	return s
}

// parseLayer reads one layer of an older signature or attestation manifest:
// what was signed is in the blob, all the rest in the layer's annotations.
func parseLayer(s signature, layer ocispec.Descriptor, blob []byte) signature {
	s.format = "cosign-legacy"
	if layer.MediaType == simpleSigningType {
		s.payload = blob
	}
	err := hostile.Safely(func() error {
		b, err := legacyBundle(layer, blob)
		s.entity = b
		return err
	})
	if err != nil {
		return unreadable(s, verify.BadSignature, fmt.Errorf("read signature layer %s: %w", layer.Digest, err))
	}
	return s
}

func legacyBundle(layer ocispec.Descriptor, blob []byte) (*bundle.Bundle, error) {
	pb := &protobundle.Bundle{
		MediaType:            "application/vnd.dev.sigstore.bundle+json;version=0.1",
		VerificationMaterial: &protobundle.VerificationMaterial{},
	}
	var err error
	switch layer.MediaType {
	case simpleSigningType:
		pb.Content, err = messageSignature(layer)
	case envelopeType:
		pb.Content, err = envelope(blob)
	default:
		err = fmt.Errorf("media type %q is not one of cosign's", layer.MediaType)
	}
	if err != nil {
		return nil, err
	}
	material := pb.VerificationMaterial
	if text := layer.Annotations[annotationCertificate]; text != "" {
		block, _ := pem.Decode([]byte(text))
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, errors.New("certificate annotation is no PEM certificate")
		}
		// The chain annotation is left unread: a certificate has to lead to the
		// trust root, and what the signer adds to the way proves nothing.
		material.Content = &protobundle.VerificationMaterial_X509CertificateChain{X509CertificateChain: &protocommon.X509CertificateChain{
			Certificates: []*protocommon.X509Certificate{{RawBytes: block.Bytes}},
		}}
	} else {
		material.Content = &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{}}
	}
	if text := layer.Annotations[annotationBundle]; text != "" {
		entry, err := logEntry(text)
		if err != nil {
			return nil, fmt.Errorf("log entry annotation: %w", err)
		}
		material.TlogEntries = []*protorekor.TransparencyLogEntry{entry}
		if m, ok := pb.Content.(*protobundle.Bundle_MessageSignature); ok {
			switch loggedHash(entry) {
			case "sha384":
				sum := sha512.Sum384(blob)
				m.MessageSignature.MessageDigest = &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_384, Digest: sum[:]}
			case "sha512":
				sum := sha512.Sum512(blob)
				m.MessageSignature.MessageDigest = &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_512, Digest: sum[:]}
			}
		}
	}
	if text := layer.Annotations[annotationTimestamp]; text != "" {
		var doc struct{ SignedRFC3161Timestamp []byte }
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			return nil, fmt.Errorf("timestamp annotation: %w", err)
		}
		material.TimestampVerificationData = &protobundle.TimestampVerificationData{
			Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: doc.SignedRFC3161Timestamp}},
		}
	}
	return bundle.NewBundle(pb)
}

func messageSignature(layer ocispec.Descriptor) (*protobundle.Bundle_MessageSignature, error) {
	sig, err := base64.StdEncoding.DecodeString(layer.Annotations[annotationSignature])
	if err != nil || len(sig) == 0 {
		return nil, errors.New("signature annotation is missing or no base64")
	}
	digest, err := hex.DecodeString(layer.Digest.Encoded())
	if err != nil {
		return nil, err
	}
	return &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
		MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: digest},
		Signature:     sig,
	}}, nil
}

func envelope(blob []byte) (*protobundle.Bundle_DsseEnvelope, error) {
	var doc struct {
		PayloadType string
		Payload     []byte
		Signatures  []struct {
			KeyID string
			Sig   []byte
		}
	}
	if err := json.Unmarshal(blob, &doc); err != nil {
		return nil, fmt.Errorf("DSSE envelope: %w", err)
	}
	env := &protodsse.Envelope{Payload: doc.Payload, PayloadType: doc.PayloadType}
	for _, s := range doc.Signatures {
		env.Signatures = append(env.Signatures, &protodsse.Signature{Sig: s.Sig, Keyid: s.KeyID})
	}
	if len(env.Signatures) != 1 {
		return nil, fmt.Errorf("DSSE envelope has %d signatures, not one", len(env.Signatures))
	}
	return &protobundle.Bundle_DsseEnvelope{DsseEnvelope: env}, nil
}

// logEntry reads cosign's annotation for a Rekor v1 entry with its signed entry
// timestamp.
func logEntry(text string) (*protorekor.TransparencyLogEntry, error) {
	var doc struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body           []byte
			IntegratedTime int64
			LogIndex       int64
			LogID          string
		}
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, err
	}
	id, err := hex.DecodeString(doc.Payload.LogID)
	if err != nil {
		return nil, fmt.Errorf("log ID: %w", err)
	}
	var kind struct{ APIVersion, Kind string }
	if err := json.Unmarshal(doc.Payload.Body, &kind); err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return &protorekor.TransparencyLogEntry{
		LogIndex:          doc.Payload.LogIndex,
		LogId:             &protocommon.LogId{KeyId: id},
		KindVersion:       &protorekor.KindVersion{Kind: kind.Kind, Version: kind.APIVersion},
		IntegratedTime:    doc.Payload.IntegratedTime,
		InclusionPromise:  &protorekor.InclusionPromise{SignedEntryTimestamp: doc.SignedEntryTimestamp},
		CanonicalizedBody: doc.Payload.Body,
	}, nil
}

// loggedHash returns the name of the hash by which a hashedrekord entry knows
// what was signed: sha512 for Ed25519 keys.
func loggedHash(entry *protorekor.TransparencyLogEntry) string {
	var body struct {
		Spec struct {
			Data struct {
				Hash struct{ Algorithm string }
			}
		}
	}
	_ = json.Unmarshal(entry.CanonicalizedBody, &body) // the log entry is checked by sigstore-go
	return body.Spec.Data.Hash.Algorithm
}

// A simpleSigning payload is cosign's simple-signing claim
// (https://github.com/containers/image/blob/main/docs/containers-signature.5.md).
type simpleSigning struct {
	Critical struct {
		Identity struct {
			Reference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			Digest string `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
}

func parsePayload(body []byte) (simpleSigning, error) {
	var p simpleSigning
	shape := strictjson.Shape{Names: []string{"critical", "identity", "docker-reference", "image", "docker-manifest-digest", "type", "optional"}, Opaque: []string{"optional"}}
	if err := shape.Check(body); err != nil {
		return simpleSigning{}, fmt.Errorf("signed payload: %w", err)
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return simpleSigning{}, fmt.Errorf("signed payload: %w", err)
	}
	if p.Critical.Type != "cosign container image signature" {
		return simpleSigning{}, fmt.Errorf("signed payload is a %q, not a cosign image signature", hostile.Clip(p.Critical.Type))
	}
	return p, nil
}

// checkStatement refuses an in-toto statement that another reader may read
// differently, or that is none of the versions known.
func checkStatement(body []byte) error {
	shape := strictjson.Shape{Names: []string{"_type", "subject", "name", "digest", "sha256", "predicateType", "predicate"}, Opaque: []string{"predicate"}}
	if err := shape.Check(body); err != nil {
		return fmt.Errorf("signed statement: %w", err)
	}
	var s struct {
		Type string `json:"_type"`
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return fmt.Errorf("signed statement: %w", err)
	}
	if s.Type != "https://in-toto.io/Statement/v1" && s.Type != "https://in-toto.io/Statement/v0.1" {
		return fmt.Errorf("signed statement is a %q, not an in-toto statement", hostile.Clip(s.Type))
	}
	return nil
}
