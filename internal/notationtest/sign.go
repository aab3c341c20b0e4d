package notationtest

import (
	"context"
	"crypto"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/notation-core-go/signature/cose"
	"github.com/notaryproject/notation-core-go/signature/jws"
	"github.com/notaryproject/tspclient-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	gocose "github.com/veraison/go-cose"
)

// Media types of envelopes.
const (
	JWS  = jws.MediaTypeEnvelope
	COSE = cose.MediaTypeEnvelope
)

// PayloadType is the media type of what is signed.
const PayloadType = "application/vnd.cncf.notary.payload.v1+json"

// Signing schemes.
const (
	X509             = string(signature.SigningSchemeX509)
	SigningAuthority = string(signature.SigningSchemeX509SigningAuthority)
)

// headers of envelopes that are written here and not by the library.
const (
	headerPlugin        = "io.cncf.notary.verificationPlugin"
	headerPluginVersion = "io.cncf.notary.verificationPluginMinVersion"
	headerTimestamp     = "io.cncf.notary.timestampSignature"
)

// An Attribute is an extended signed attribute. Key is a string; in COSE it may
// be an int64 as well.
type Attribute struct {
	Key      any
	Critical bool
	Value    any
}

// SignOptions say how to sign. The zero SignOptions give a JWS envelope of now,
// as `notation sign` does.
type SignOptions struct {
	Envelope string // JWS or COSE; "" is JWS
	Scheme   string // X509 or SigningAuthority; "" is X509
	// Time is the signing time; zero is now. The chain must be valid at it.
	Time time.Time
	// Expiry is how long after Time the signature expires; 0 is never.
	Expiry time.Duration
	// Metadata is the user metadata: annotations of the signed descriptor.
	Metadata   map[string]string
	Attributes []Attribute
	// Plugin names the verification plugin that must be asked, and
	// PluginVersion its least version.
	Plugin, PluginVersion string
	Agent                 string // "" is that of notation-go 1.3.2
	// TSA countersigns at StampTime; zero is now. Whether it is trusted is not
	// looked at.
	TSA       *TSA
	StampTime time.Time
	// Token gives the countersignature of the signature's bytes, in place of TSA.
	Token func(sig []byte) ([]byte, error)
	// Payload and ContentType are what to sign instead of the descriptor; JWS
	// needs a JSON object. Nil and "" are what Notation writes.
	Payload     []byte
	ContentType string
}

// Sign returns the envelope that signs desc.
func (a *Authority) Sign(desc ocispec.Descriptor, o SignOptions) ([]byte, error) {
	raw, err := a.sealed(desc, o)
	if err != nil {
		return nil, fmt.Errorf("notationtest: sign: %w", err)
	}
	return raw, nil
}

func (a *Authority) sealed(desc ocispec.Descriptor, o SignOptions) ([]byte, error) {
	if o.Envelope == "" {
		o.Envelope = JWS
	}
	req, err := a.request(desc, o)
	if err != nil {
		return nil, err
	}
	env, err := signature.NewEnvelope(o.Envelope)
	if err != nil {
		return nil, err
	}
	raw, err := env.Sign(req)
	if err != nil {
		return nil, err
	}
	stamp := o.Token
	if stamp == nil && o.TSA != nil {
		hash, err := a.hash()
		if err != nil {
			return nil, err
		}
		stamp = func(sig []byte) ([]byte, error) { return o.TSA.Token(sig, hash, o.StampTime) }
	}
	if stamp == nil {
		return raw, nil
	}
	content, err := env.Content()
	if err != nil {
		return nil, err
	}
	token, err := stamp(content.SignerInfo.Signature)
	if err != nil {
		return nil, err
	}
	return countersign(raw, o.Envelope, token)
}

func (a *Authority) request(desc ocispec.Descriptor, o SignOptions) (*signature.SignRequest, error) {
	signer, err := signature.NewLocalSigner(a.Chain, a.Key)
	if err != nil {
		return nil, err
	}
	req := &signature.SignRequest{
		Payload: signature.Payload{ContentType: o.ContentType, Content: o.Payload},
		Signer:  signer, SigningTime: o.Time, SigningScheme: signature.SigningScheme(o.Scheme), SigningAgent: o.Agent,
	}
	if req.Payload.Content == nil {
		var annotations map[string]string
		if len(o.Metadata) > 0 {
			annotations = o.Metadata
		}
		req.Payload.Content, err = json.Marshal(struct {
			TargetArtifact ocispec.Descriptor `json:"targetArtifact"`
		}{ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size, Annotations: annotations}})
		if err != nil {
			return nil, err
		}
	}
	if req.Payload.ContentType == "" {
		req.Payload.ContentType = PayloadType
	}
	if req.SigningTime.IsZero() {
		req.SigningTime = time.Now()
	}
	if o.Expiry != 0 {
		req.Expiry = req.SigningTime.Add(o.Expiry)
	}
	if req.SigningScheme == "" {
		req.SigningScheme = signature.SigningSchemeX509
	}
	if req.SigningAgent == "" {
		req.SigningAgent = "notation-go/1.3.2"
	}
	attributes := slices.Clone(o.Attributes)
	if o.Plugin != "" {
		attributes = append(attributes, Attribute{headerPlugin, true, o.Plugin})
	}
	if o.PluginVersion != "" {
		attributes = append(attributes, Attribute{headerPluginVersion, true, o.PluginVersion})
	}
	for _, at := range attributes {
		req.ExtendedSignedAttributes = append(req.ExtendedSignedAttributes, signature.Attribute(at))
	}
	return req, nil
}

// hash is that of the signature, which its timestamp is made with, too.
func (a *Authority) hash() (crypto.Hash, error) {
	spec, err := signature.ExtractKeySpec(a.Leaf())
	return spec.SignatureAlgorithm().Hash(), err
}

// countersign writes a timestamp token into an envelope, where it is not signed.
func countersign(raw []byte, mediaType string, token []byte) ([]byte, error) {
	if mediaType == COSE {
		var m gocose.Sign1Message
		if err := m.UnmarshalCBOR(raw); err != nil {
			return nil, err
		}
		m.Headers.Unprotected[headerTimestamp] = token
		m.Headers.RawUnprotected = nil // would be written as it was
		return m.MarshalCBOR()
	}
	var doc, header map[string]json.RawMessage
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(doc["header"], &header); err != nil {
		return nil, err
	}
	var err error
	if header[headerTimestamp], err = json.Marshal(token); err != nil {
		return nil, err
	}
	if doc["header"], err = json.Marshal(header); err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

// Timestamp implements tspclient.Timestamper.
func (t *TSA) Timestamp(_ context.Context, req *tspclient.Request) (*tspclient.Response, error) {
	der, err := req.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("notationtest: %w", err)
	}
	answer, err := t.answer(der, time.Time{})
	if err != nil {
		return nil, err
	}
	r := &tspclient.Response{}
	return r, r.UnmarshalBinary(answer)
}
