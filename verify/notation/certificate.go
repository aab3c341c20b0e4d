package notation

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"

	"github.com/notaryproject/notation-go/verifier/truststore"

	"github.com/boltseal/boltseal/verify/internal/certfile"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// ParseCertificates reads the certificates of a trust store of the types "ca" and
// "signingAuthority": PEM, one or several, or DER. Each must be a CA's or
// self-signed (Notary Project, trust-store-trust-policy.md, "Trust Store"); one
// that has expired is not refused, since a countersignature may prove that it was
// used before. name says where text came from. There are at most 64 of them, in
// at most 1 MiB, and at least one. The error is a [*verify.Error].
func ParseCertificates(name string, text []byte) ([]*x509.Certificate, error) {
	return certfile.Read(name, text, selfOrAuthority)
}

// ParseTSACertificates reads the certificates of a trust store of the type "tsa"
// as [ParseCertificates] does. Each must be a self-signed root.
func ParseTSACertificates(name string, text []byte) ([]*x509.Certificate, error) {
	return certfile.Read(name, text, root)
}

// selfOrAuthority is the rule for the stores ca and signingAuthority.
func selfOrAuthority(cert *x509.Certificate) error {
	if truststore.ValidateCertificates([]*x509.Certificate{cert}) == nil {
		return nil
	}
	return certfile.Faultf("give the certificate of the authority that issued it, at best the root", "%s is neither a CA's nor self-signed", certfile.Title(cert))
}

// root is the rule for the store tsa, which notation-go has in its own reader of
// trust stores only (isRootCACertificate).
func root(cert *x509.Certificate) error {
	if err := selfOrAuthority(cert); err != nil {
		return err
	}
	if err := cert.CheckSignatureFrom(cert); err != nil || !bytes.Equal(cert.RawSubject, cert.RawIssuer) {
		return certfile.Faultf("give the root certificate of the time stamp authority", "%s is no root, as those of a time stamp authority have to be: %s issued it", certfile.Title(cert), quoted(cert.Issuer.String()))
	}
	return nil
}

// sum returns the hex SHA-256 of a certificate's DER.
func sum(cert *x509.Certificate) string {
	s := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(s[:])
}

// quoted returns s for a message.
func quoted(s string) string { return hostile.Quoted(s) }
