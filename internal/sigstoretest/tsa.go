package sigstoretest

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"time"

	"github.com/digitorus/timestamp"

	"github.com/boltseal/boltseal/internal/pkitest"
)

// newTSA returns a timestamp authority and the authority that certifies it.
// Its tokens carry its own certificate only, as those of Sigstore's do.
func newTSA(start, end time.Time) (*authority, *pkitest.TSA, error) {
	a, err := newAuthority("tsa.localhost", x509.ExtKeyUsageTimeStamping, start, end)
	if err != nil {
		return nil, nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	template, err := pkitest.TSALeaf(pkix.Name{CommonName: "tsa.localhost-signer", Organization: []string{"sigstore.localhost"}})
	if err != nil {
		return nil, nil, err
	}
	leaf, err := pkitest.Issue(template, a.intermediate, key.Public(), a.key)
	// The policy is the one that Sigstore's authorities state.
	return a, &pkitest.TSA{Chain: []*x509.Certificate{leaf}, Key: key, Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}}, err
}

// timestamp answers an RFC 3161 request for message with a DER TimeStampResp.
func (in *Instance) timestamp(message []byte, at time.Time) ([]byte, error) {
	digest := sha256.Sum256(message)
	return in.tsa.Answer(&timestamp.Request{HashAlgorithm: crypto.SHA256, HashedMessage: digest[:], Certificates: true}, at)
}
