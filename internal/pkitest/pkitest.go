// Package pkitest issues certificates and timestamps for tests, as the kits of
// the signing systems need them.
package pkitest

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"

	"github.com/digitorus/timestamp"
)

// Issue signs the template. It gives it a random serial number unless it has
// one, as it must have when the same certificate is issued twice. A root is its
// own parent.
func Issue(template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	if template.SerialNumber == nil {
		n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 158))
		if err != nil {
			return nil, err
		}
		template.SerialNumber = n.Add(n, big.NewInt(1))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// A TSA is what a time-stamping authority of RFC 3161 signs with.
type TSA struct {
	// Chain is the certificates that a token carries where it is asked for
	// them, the signing one first.
	Chain []*x509.Certificate
	// Key is that of the first certificate: RSA or ECDSA.
	Key crypto.Signer
	// Policy is what tokens say they were made under.
	Policy asn1.ObjectIdentifier
	// Accuracy is what tokens say about their time; 0 says nothing.
	Accuracy time.Duration
}

// TSALeaf returns the template of a certificate that signs timestamps.
//
// The library that writes timestamps adds a signing-time attribute from the
// wall clock, and verifiers refuse one outside of this certificate's life. It
// therefore holds whatever now is; issuers and roots still limit the times
// vouched for.
func TSALeaf(subject pkix.Name) (*x509.Certificate, error) {
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	if err != nil {
		return nil, fmt.Errorf("pkitest: %w", err)
	}
	return &x509.Certificate{
		Subject:   subject,
		NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:  time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:  x509.KeyUsageDigitalSignature,
		// RFC 3161 wants the usage critical, which ExtKeyUsage cannot say.
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}},
	}, nil
}

// Answer returns the DER TimeStampResp for a request, at a time that it rounds
// down to a second.
func (t *TSA) Answer(req *timestamp.Request, at time.Time) ([]byte, error) {
	if !req.HashAlgorithm.Available() || len(req.HashedMessage) != req.HashAlgorithm.Size() {
		return nil, fmt.Errorf("pkitest: a digest of %d bytes for hash %d", len(req.HashedMessage), req.HashAlgorithm)
	}
	stamp := timestamp.Timestamp{
		HashAlgorithm: req.HashAlgorithm, HashedMessage: req.HashedMessage, Nonce: req.Nonce,
		Time: at.UTC().Truncate(time.Second), Policy: t.Policy, Accuracy: t.Accuracy,
		AddTSACertificate: req.Certificates, Certificates: t.Chain[1:],
	}
	return stamp.CreateResponseWithOpts(t.Chain[0], t.Key, crypto.SHA256)
}
