package sigstoretest

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"
)

const inTotoType = "application/vnd.in-toto+json"

// signed is a signature and what is needed to log and to verify it.
type signed struct {
	sig     []byte
	cert    *x509.Certificate // nil if a long-lived key signed
	spki    []byte            // that key
	details signature.AlgorithmDetails
	digest  []byte // of the message, or of the envelope's pre-authentication encoding

	payload, envelope []byte // of a DSSE signature; the envelope is JSON
}

// signMessage signs the bytes of a blob.
func (in *Instance) signMessage(message []byte, o Options) (*signed, error) {
	return in.sign(message, true, o)
}

// signStatement signs an in-toto statement in a DSSE envelope.
func (in *Instance) signStatement(statement []byte, o Options) (*signed, error) {
	pae := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(inTotoType), inTotoType, len(statement), statement)
	s, err := in.sign(pae, o.RekorV2, o)
	if err != nil {
		return nil, err
	}
	type sig struct {
		KeyID string `json:"keyid"`
		Sig   []byte `json:"sig"`
	}
	s.payload = statement
	s.envelope, err = json.Marshal(struct {
		PayloadType string `json:"payloadType"`
		Payload     []byte `json:"payload"`
		Signatures  []sig  `json:"signatures"`
	}{inTotoType, statement, []sig{{Sig: s.sig}}})
	return s, err
}

// sign signs message with o.Key or with an ephemeral key that it certifies.
// prehash asks for Ed25519ph where the key is Ed25519: a hashedrekord holds
// nothing but a digest, so that a log could not check plain Ed25519.
func (in *Instance) sign(message []byte, prehash bool, o Options) (*signed, error) {
	s := &signed{}
	key := o.Key
	if key == nil {
		k, err := newKey()
		if err != nil {
			return nil, err
		}
		key = k
		if s.cert, err = in.certify(k.Public(), o); err != nil {
			return nil, err
		}
	}
	var load []signature.LoadOption
	if prehash {
		load = append(load, options.WithED25519ph())
	}
	var err error
	if s.spki, err = x509.MarshalPKIXPublicKey(key.Public()); err != nil {
		return nil, fmt.Errorf("sigstoretest: key: %w", err)
	}
	if s.details, err = signature.GetDefaultAlgorithmDetails(key.Public(), load...); err != nil {
		return nil, fmt.Errorf("sigstoretest: key: %w", err)
	}
	toSign, opts := message, crypto.SignerOpts(crypto.Hash(0))
	if h := s.hash(); h != 0 {
		d := h.New()
		d.Write(message)
		s.digest = d.Sum(nil)
		toSign, opts = s.digest, h
		if _, ok := key.Public().(ed25519.PublicKey); ok {
			opts = &ed25519.Options{Hash: h}
		}
	}
	if s.sig, err = key.Sign(rand.Reader, toSign, opts); err != nil {
		return nil, fmt.Errorf("sigstoretest: sign: %w", err)
	}
	return s, nil
}

func (s *signed) hash() crypto.Hash { return s.details.GetHashType() }

// hashName is h as Rekor v1 writes it, such as "sha256".
func hashName(h crypto.Hash) string {
	return strings.ToLower(strings.ReplaceAll(h.String(), "-", ""))
}

// verifierPEM is the certificate or else the key that the signature needs.
func (s *signed) verifierPEM() []byte {
	if s.cert != nil {
		return certPEM(s.cert)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: s.spki})
}

// keyHint names a key in a bundle as cosign does.
func (s *signed) keyHint() string {
	d := sha256.Sum256(s.spki)
	return base64.StdEncoding.EncodeToString(d[:])
}

func certPEM(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}
