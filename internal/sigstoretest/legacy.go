package sigstoretest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// Annotations on the layers of cosign's .sig and .att images.
const (
	annotationSignature   = "dev.cosignproject.cosign/signature"
	annotationCertificate = "dev.sigstore.cosign/certificate"
	annotationChain       = "dev.sigstore.cosign/chain"
	annotationBundle      = "dev.sigstore.cosign/bundle"
	annotationTimestamp   = "dev.sigstore.cosign/rfc3161timestamp"
	annotationPredicate   = "predicateType"
)

// Payload returns the simple signing document that cosign signs: the image
// reference, and the manifest digest with its algorithm, such as "sha256:…".
func Payload(reference, digest string) []byte {
	type identity struct {
		Reference string `json:"docker-reference"`
	}
	type image struct {
		Digest string `json:"docker-manifest-digest"`
	}
	type critical struct {
		Identity identity `json:"identity"`
		Image    image    `json:"image"`
		Type     string   `json:"type"`
	}
	// Strings in structs: there is nothing in it that could fail to marshal.
	b, _ := json.Marshal(struct {
		Critical critical `json:"critical"`
		Optional any      `json:"optional"`
	}{Critical: critical{identity{reference}, image{digest}, "cosign container image signature"}})
	return b
}

// Legacy signs payload and returns the annotations of the layer that holds it
// in a .sig image.
func (in *Instance) Legacy(payload []byte, o Options) (map[string]string, error) {
	o, err := in.resolveLegacy(o)
	if err != nil {
		return nil, err
	}
	s, err := in.signMessage(payload, o)
	if err != nil {
		return nil, err
	}
	a, err := in.annotations(s, s.sig, o)
	if err != nil {
		return nil, err
	}
	a[annotationSignature] = base64.StdEncoding.EncodeToString(s.sig)
	return a, nil
}

// LegacyAttestation signs an in-toto statement as cosign attest does and
// returns the DSSE envelope, which is the layer of an .att image, and the
// layer's annotations. A nil predicate stands for {}. As with cosign, a
// timestamp is over the whole envelope and not over the signature.
func (in *Instance) LegacyAttestation(predicateType, digestHex string, predicate []byte, o Options) (envelope []byte, annotations map[string]string, err error) {
	if o, err = in.resolveLegacy(o); err != nil {
		return nil, nil, err
	}
	st, err := statement("https://in-toto.io/Statement/v0.1", predicateType, map[string]any{
		"name": "", "digest": map[string]string{"sha256": digestHex},
	}, predicate)
	if err != nil {
		return nil, nil, err
	}
	s, err := in.signStatement(st, o)
	if err != nil {
		return nil, nil, err
	}
	a, err := in.annotations(s, s.envelope, o)
	if err != nil {
		return nil, nil, err
	}
	a[annotationSignature], a[annotationPredicate] = "", predicateType
	return s.envelope, a, nil
}

func (in *Instance) resolveLegacy(o Options) (Options, error) {
	if o.RekorV2 {
		return o, errors.New("sigstoretest: cosign's legacy format cannot hold a Rekor v2 entry")
	}
	return o.resolve(in.now)
}

// annotations are those that signatures and attestations share.
func (in *Instance) annotations(s *signed, timestamped []byte, o Options) (map[string]string, error) {
	a := map[string]string{}
	if s.cert != nil {
		a[annotationCertificate] = string(certPEM(s.cert))
		a[annotationChain] = string(certPEM(in.fulcio.intermediate, in.fulcio.root))
	}
	if !o.NoLog {
		e, err := in.log1(s, o.LogAt)
		if err != nil {
			return nil, fmt.Errorf("sigstoretest: log: %w", err)
		}
		b, err := json.Marshal(struct {
			SignedEntryTimestamp []byte
			Payload              setPayload
		}{e.InclusionPromise.SignedEntryTimestamp, promised(e)})
		if err != nil {
			return nil, fmt.Errorf("sigstoretest: log: %w", err)
		}
		a[annotationBundle] = string(b)
	}
	if o.Timestamp {
		t, err := in.timestamp(timestamped, o.LogAt)
		if err != nil {
			return nil, fmt.Errorf("sigstoretest: timestamp: %w", err)
		}
		b, err := json.Marshal(struct{ SignedRFC3161Timestamp []byte }{t})
		if err != nil {
			return nil, fmt.Errorf("sigstoretest: timestamp: %w", err)
		}
		a[annotationTimestamp] = string(b)
	}
	return a, nil
}
