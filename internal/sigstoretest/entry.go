package sigstoretest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
)

// setPayload is what a Rekor v1 signs at once, before the entry is in its tree.
// The fields stand in the order of their names, as canonical JSON has them.
type setPayload struct {
	Body           []byte `json:"body"`
	IntegratedTime int64  `json:"integratedTime"`
	LogID          string `json:"logID"`
	LogIndex       int64  `json:"logIndex"`
}

// log1 enters s in Rekor v1: a message as hashedrekord, an envelope as dsse.
func (in *Instance) log1(s *signed, at time.Time) (*protorekor.TransparencyLogEntry, error) {
	kind, spec := "hashedrekord", s.hashedrekord1()
	if s.envelope != nil {
		kind, spec = "dsse", s.dsse1()
	}
	e, err := in.rekor1.enter(kind, "0.0.1", spec)
	if err != nil {
		return nil, err
	}
	return e, in.promise(e, at)
}

// log2 enters s in Rekor v2, which knows hashedrekord only.
func (in *Instance) log2(s *signed) (*protorekor.TransparencyLogEntry, error) {
	return in.rekor2.enter("hashedrekord", "0.0.2", s.hashedrekord2())
}

// promised is the payload of e's signed entry timestamp.
func promised(e *protorekor.TransparencyLogEntry) setPayload {
	return setPayload{
		Body:           e.CanonicalizedBody,
		IntegratedTime: e.IntegratedTime,
		LogID:          hex.EncodeToString(e.LogId.KeyId),
		LogIndex:       e.LogIndex,
	}
}

// enter appends an entry. Marshalling maps gives canonical JSON: the keys are
// sorted, and no value holds a character that encoding/json would escape.
func (l *rekorLog) enter(kind, version string, spec map[string]any) (*protorekor.TransparencyLogEntry, error) {
	body, err := json.Marshal(map[string]any{"apiVersion": version, "kind": kind, "spec": spec})
	if err != nil {
		return nil, err
	}
	return l.append(kind, version, body)
}

// append appends an entry whose canonical JSON is body.
func (l *rekorLog) append(kind, version string, body []byte) (*protorekor.TransparencyLogEntry, error) {
	proof, err := l.include(body)
	if err != nil {
		return nil, err
	}
	return &protorekor.TransparencyLogEntry{
		LogIndex:          l.offset + proof.LogIndex,
		LogId:             &protocommon.LogId{KeyId: l.id},
		KindVersion:       &protorekor.KindVersion{Kind: kind, Version: version},
		InclusionProof:    proof,
		CanonicalizedBody: body,
	}, nil
}

func (s *signed) hashedrekord1() map[string]any {
	return map[string]any{
		"data": map[string]any{"hash": map[string]any{
			"algorithm": hashName(s.hash()), "value": hex.EncodeToString(s.digest),
		}},
		"signature": map[string]any{
			"content": s.sig, "publicKey": map[string]any{"content": s.verifierPEM()},
		},
	}
}

func (s *signed) dsse1() map[string]any {
	sum := func(b []byte) map[string]any {
		d := sha256.Sum256(b)
		return map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(d[:])}
	}
	return map[string]any{
		"envelopeHash": sum(s.envelope),
		"payloadHash":  sum(s.payload),
		"signatures":   []any{map[string]any{"signature": s.sig, "verifier": s.verifierPEM()}},
	}
}

func (s *signed) hashedrekord2() map[string]any {
	verifier := map[string]any{"keyDetails": s.details.GetSignatureAlgorithm().String()}
	if s.cert != nil {
		verifier["x509Certificate"] = map[string]any{"rawBytes": s.cert.Raw}
	} else {
		verifier["publicKey"] = map[string]any{"rawBytes": s.spki}
	}
	return map[string]any{"hashedRekordV002": map[string]any{
		"data":      map[string]any{"algorithm": s.details.GetProtoHashType().String(), "digest": s.digest},
		"signature": map[string]any{"content": s.sig, "verifier": verifier},
	}}
}
