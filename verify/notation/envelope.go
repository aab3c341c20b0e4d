package notation

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	coresig "github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/notation-core-go/signature/cose"
	"github.com/notaryproject/notation-core-go/signature/jws"
	"github.com/notaryproject/tspclient-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	gocose "github.com/veraison/go-cose"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/strictjson"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/certfile"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// Media types of envelopes, and names in them (Notary Project,
// signature-envelope-jws.md and signature-envelope-cose.md).
const (
	jwsType     = jws.MediaTypeEnvelope
	coseType    = cose.MediaTypeEnvelope
	payloadType = "application/vnd.cncf.notary.payload.v1+json"

	headerScheme    = "io.cncf.notary.signingScheme"
	headerExpiry    = "io.cncf.notary.expiry"
	headerTime      = "io.cncf.notary.signingTime"
	headerAuthentic = "io.cncf.notary.authenticSigningTime"
	headerAgent     = "io.cncf.notary.signingAgent"
	headerStamp     = "io.cncf.notary.timestampSignature"
	headerPlugin    = "io.cncf.notary.verificationPlugin"
)

const (
	// maxChain bounds the certificates of one envelope; real ones have four.
	maxChain = 16
	// maxCertificate bounds one of them, in bytes of DER.
	maxCertificate = 16 << 10
	// maxToken bounds a countersignature, in bytes; real ones have six thousand.
	maxToken = 64 << 10
	// maxRSA bounds an RSA key, in bits. Checking takes time that grows with the
	// square of it, and whoever may push chooses the certificates.
	maxRSA = 8192
)

// schemes are the signing schemes (Notary Project, signing-scheme.md).
func schemes() []string {
	return []string{string(coresig.SigningSchemeX509), string(coresig.SigningSchemeX509SigningAuthority)}
}

// peek looks into an envelope before anything in it is computed with: it refuses
// what two readers may read differently, what is not known, and what takes long.
// What it lets through proves nothing.
func peek(mediaType string, body []byte) error {
	var chain [][]byte
	var alg, scheme string
	var token []byte
	var err error
	switch mediaType {
	case jwsType:
		chain, token, alg, scheme, err = peekJWS(body)
	case coseType:
		chain, token, alg, scheme, err = peekCOSE(body)
	default:
		return refuse(verify.Unsupported, "the envelope's media type is %s; known are %s and %s", quoted(mediaType), jwsType, coseType)
	}
	switch {
	case err != nil:
		return refuse(verify.BadSignature, "read the envelope: %w", short(err))
	case len(token) > maxToken:
		return refuse(verify.BadSignature, "its countersignature has %d bytes, at most %d are read", len(token), maxToken)
	case !slices.Contains([]string{"PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}, alg):
		return refuse(verify.Unsupported, "it is signed with the algorithm %s, which Notation does not have", quoted(alg))
	case !slices.Contains(schemes(), scheme):
		return refuse(verify.Unsupported, "its signing scheme is %s, which is not known", quoted(scheme))
	}
	return peekChain(chain)
}

// peekChain bounds the certificates of an envelope.
func peekChain(chain [][]byte) error {
	if len(chain) == 0 || len(chain) > maxChain {
		return refuse(verify.BadSignature, "it has %d certificates; 1 to %d are read", len(chain), maxChain)
	}
	for i, der := range chain {
		if len(der) > maxCertificate {
			return refuse(verify.BadSignature, "its certificate %d has %d bytes, at most %d are read", i+1, len(der), maxCertificate)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return refuse(verify.BadSignature, "its certificate %d: %w", i+1, short(err))
		}
		if err := computable(cert); err != nil {
			return err
		}
		if i > 0 {
			continue
		}
		if _, err := coresig.ExtractKeySpec(cert); err != nil {
			return refuse(verify.Unsupported, "%s: Notation has no signatures by such keys: %w", certfile.Title(cert), err)
		}
	}
	return nil
}

// computable refuses a certificate whose key would keep this program busy.
func computable(cert *x509.Certificate) error {
	if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSA {
		return refuse(verify.Unsupported, "%s has an RSA key of %d bits, at most %d are computed with", certfile.Title(cert), key.N.BitLen(), maxRSA)
	}
	return nil
}

func peekJWS(body []byte) (chain [][]byte, token []byte, alg, scheme string, err error) {
	outer := strictjson.Shape{Names: []string{"payload", "protected", "header", "signature", "x5c", headerStamp, headerAgent}}
	if err := outer.Check(body); err != nil {
		return nil, nil, "", "", err
	}
	var e struct {
		Protected string
		Header    struct {
			Chain [][]byte `json:"x5c"`
			Token []byte   `json:"io.cncf.notary.timestampSignature"`
		}
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, nil, "", "", err
	}
	protected, err := base64.RawURLEncoding.DecodeString(e.Protected)
	if err != nil {
		return nil, nil, "", "", fmt.Errorf("protected header: %w", err)
	}
	// The values of extended attributes are the signer's own, and are not read.
	inner := strictjson.Shape{Names: []string{"alg", "cty", "crit", headerScheme, headerExpiry, headerTime, headerAuthentic, headerPlugin}}
	if err := inner.Check(protected); err != nil {
		return nil, nil, "", "", fmt.Errorf("protected header: %w", err)
	}
	var h struct {
		Alg    string
		Scheme string `json:"io.cncf.notary.signingScheme"`
	}
	if err := json.Unmarshal(protected, &h); err != nil {
		return nil, nil, "", "", fmt.Errorf("protected header: %w", err)
	}
	return e.Header.Chain, e.Header.Token, h.Alg, h.Scheme, nil
}

func peekCOSE(body []byte) (chain [][]byte, token []byte, alg, scheme string, err error) {
	var msg gocose.Sign1Message
	if err := msg.UnmarshalCBOR(body); err != nil {
		return nil, nil, "", "", err
	}
	certs, _ := msg.Headers.Unprotected[gocose.HeaderLabelX5Chain].([]any)
	for _, c := range certs {
		der, ok := c.([]byte)
		if !ok {
			return nil, nil, "", "", errors.New("its certificate chain is no list of certificates")
		}
		chain = append(chain, der)
	}
	token, _ = msg.Headers.Unprotected[headerStamp].([]byte)
	scheme, _ = msg.Headers.Protected[headerScheme].(string)
	a, err := msg.Headers.Protected.Algorithm()
	if err != nil {
		return nil, nil, "", "", err
	}
	return chain, token, a.String(), scheme, nil
}

// unknown refuses a signature that asks for what this program does not do. The
// content must have been verified.
func unknown(content *coresig.EnvelopeContent) error {
	attributes := content.SignerInfo.SignedAttributes.ExtendedAttributes
	for _, a := range attributes {
		if a.Key == headerPlugin { // whether it is marked as critical or not
			return &refusal{reason: verify.Unsupported, err: fmt.Errorf("the signature needs the verification plugin %s, and no plugins are run here", quoted(fmt.Sprint(a.Value))), lacks: aPlugin}
		}
	}
	var names []string
	for _, a := range attributes {
		if a.Critical { // of whatever type its key is: COSE has numbers, too
			names = append(names, hostile.Clip(fmt.Sprintf("%#v", a.Key)))
		}
	}
	slices.Sort(names)
	if n := len(names); n > 0 {
		const most = 5
		return refuse(verify.Unsupported, "the signature has critical attributes that are not known here, and must not be passed over: %v", names[:min(n, most)])
	}
	return nil
}

// A payload is what was signed (Notary Project, signature-specification.md,
// "Payload").
type payload struct {
	artifact ocispec.Descriptor // its media type, digest and size
	metadata map[string]string  // user metadata; nil for none
}

// readPayload reads what content says was signed.
func readPayload(content *coresig.EnvelopeContent) (payload, error) {
	if t := content.Payload.ContentType; t != payloadType {
		return payload{}, refuse(verify.Unsupported, "what was signed is a %s; known is %s", quoted(t), payloadType)
	}
	body := content.Payload.Content
	shape := strictjson.Shape{Names: []string{"targetArtifact", "mediaType", "digest", "size", "annotations"}, Opaque: []string{"annotations"}}
	if err := shape.Check(body); err != nil {
		return payload{}, refuse(verify.BadSignature, "signed payload: %w", short(err))
	}
	var doc struct {
		Artifact *struct {
			ocispec.Descriptor
			Annotations json.RawMessage `json:"annotations"`
		} `json:"targetArtifact"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return payload{}, refuse(verify.BadSignature, "signed payload: %w", short(err))
	}
	if doc.Artifact == nil || !image.ValidDigest(doc.Artifact.Digest.String()) {
		return payload{}, refuse(verify.BadSignature, "signed payload: it names no artifact by a sha256 digest")
	}
	metadata, err := texts(doc.Artifact.Annotations)
	if err != nil {
		return payload{}, refuse(verify.BadSignature, "signed payload: annotations: %w", err)
	}
	return payload{artifact: doc.Artifact.Descriptor, metadata: metadata}, nil
}

// texts reads an object of strings. Names may differ in case only, but none may
// stand twice.
func texts(body json.RawMessage) (map[string]string, error) {
	if len(body) == 0 || bytes.Equal(body, []byte("null")) {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, errors.New("they are no object")
	}
	var out map[string]string
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		value, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := name.(string)
		text, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("the value of %s is no text", quoted(key))
		}
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("%s stands twice", quoted(key))
		}
		if out == nil {
			out = map[string]string{}
		}
		out[key] = text
	}
	if _, err := dec.Token(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return out, nil
}

// about refuses p unless it is about img, which has been read.
func (p payload) about(img image.Pinned) error {
	switch a := p.artifact; {
	case a.Digest.String() != img.Digest():
		return refuse(verify.BadSignature, "the signature is for %s", a.Digest)
	case a.Size != img.Size():
		return refuse(verify.BadSignature, "the signature is for a manifest of %d bytes, and this one has %d", a.Size, img.Size())
	case a.MediaType != img.MediaType() || a.MediaType == "":
		return refuse(verify.BadSignature, "the signature is for a %s, and the registry serves a %s", quoted(a.MediaType), quoted(img.MediaType()))
	}
	return nil
}

// parseToken reads a countersignature (RFC 3161) without checking it.
func parseToken(body []byte) (*tspclient.SignedToken, error) {
	token, err := tspclient.ParseSignedToken(body)
	if err != nil {
		return nil, refuse(verify.BadSignature, "its countersignature cannot be read: %w", short(err))
	}
	if n := len(token.Certificates); n > maxChain {
		return nil, refuse(verify.BadSignature, "its countersignature has %d certificates, at most %d are read", n, maxChain)
	}
	for _, cert := range token.Certificates {
		if err := computable(cert); err != nil {
			return nil, err
		}
	}
	return token, nil
}
