package sigstoretest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"time"

	"github.com/digitorus/timestamp"
)

func newTSA(start, end time.Time) (*authority, *ecdsa.PrivateKey, error) {
	a, err := newAuthority("tsa.localhost", x509.ExtKeyUsageTimeStamping, start, end)
	if err != nil {
		return nil, nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	if err != nil {
		return nil, nil, err
	}
	a.leaf, err = issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "tsa.localhost-signer", Organization: []string{"sigstore.localhost"}},
		// The library that writes timestamps adds a signing-time attribute
		// from the wall clock, and verifiers refuse one outside of this
		// certificate's life. It must therefore hold whatever now is; the
		// issuers and the trusted root still limit the times vouched for.
		NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:  time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:  x509.KeyUsageDigitalSignature,
		// RFC 3161 wants the usage critical, which ExtKeyUsage cannot say.
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}},
	}, a.intermediate, key.Public(), a.key)
	return a, key, err
}

// timestamp answers an RFC 3161 request for message with a DER TimeStampResp.
func (in *Instance) timestamp(message []byte, at time.Time) ([]byte, error) {
	digest := sha256.Sum256(message)
	t := timestamp.Timestamp{
		HashAlgorithm:     crypto.SHA256,
		HashedMessage:     digest[:],
		Time:              at.UTC().Truncate(time.Second),
		Policy:            tsaPolicy(),
		AddTSACertificate: true,
	}
	return t.CreateResponseWithOpts(in.tsa.leaf, in.tsaKey, crypto.SHA256)
}

// tsaPolicy is the one that Sigstore's authorities state.
func tsaPolicy() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2} }
