package notation

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/notaryproject/notation-go/verifier/truststore"

	"github.com/boltseal/boltseal/verify"
)

const (
	// maxCertificateFile bounds a file of certificates, in bytes.
	maxCertificateFile = 1 << 20
	// maxCertificates bounds the certificates of one file.
	maxCertificates = 64
)

// ParseCertificates reads the certificates of a trust store of the types "ca" and
// "signingAuthority": PEM, one or several, or DER. Each must be a CA's or
// self-signed (Notary Project, trust-store-trust-policy.md, "Trust Store"); one
// that has expired is not refused, since a countersignature may prove that it was
// used before. name says where text came from. There are at most 64 of them, in
// at most 1 MiB, and at least one. The error is a [*verify.Error].
func ParseCertificates(name string, text []byte) ([]*x509.Certificate, error) {
	return parseTrusted(name, text, selfOrAuthority)
}

// ParseTSACertificates reads the certificates of a trust store of the type "tsa"
// as [ParseCertificates] does. Each must be a self-signed root.
func ParseTSACertificates(name string, text []byte) ([]*x509.Certificate, error) {
	return parseTrusted(name, text, root)
}

func parseTrusted(name string, text []byte, sound func(*x509.Certificate) error) ([]*x509.Certificate, error) {
	certs, err := parseCertificates(text)
	for i := 0; err == nil && i < len(certs); i++ {
		err = sound(certs[i])
	}
	if err != nil {
		hint := verify.Hint(err)
		if fault := (*certificateFault)(nil); errors.As(err, &fault) {
			hint = fault.next
		}
		return nil, &verify.Error{Op: "read certificates of " + name, Hint: hint, Err: err}
	}
	return certs, nil
}

// A certificateFault is what is wrong with a text, and what to do.
type certificateFault struct {
	next string
	err  error
}

func (f *certificateFault) Error() string { return f.err.Error() }
func (f *certificateFault) Unwrap() error { return f.err }

func certificateFaultf(next, format string, args ...any) error {
	return &certificateFault{next, fmt.Errorf(format, args...)}
}

func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	const give = "give the certificate, as PEM or DER"
	switch {
	case len(text) > maxCertificateFile:
		return nil, certificateFaultf("give only those that are to be trusted", "it is larger than %d bytes", maxCertificateFile)
	case len(bytes.TrimSpace(text)) == 0:
		return nil, certificateFaultf(give, "it is empty")
	}
	// pem.Decode passes over what it cannot read, and a list of which something is
	// missing must not look whole.
	blocks := bytes.Count(text, []byte("-----BEGIN "))
	switch {
	case blocks > maxCertificates:
		return nil, certificateFaultf("give only those that are to be trusted", "it holds more than %d certificates", maxCertificates)
	case blocks == 0:
		certs, err := x509.ParseCertificates(text)
		if err == nil && len(certs) > maxCertificates {
			return nil, certificateFaultf("give only those that are to be trusted", "it holds more than %d certificates", maxCertificates)
		}
		if err != nil || len(certs) == 0 {
			return nil, certificateFaultf(give, "it is neither PEM nor DER: %w", errors.Join(err))
		}
		return certs, nil
	}
	var certs []*x509.Certificate
	for i := range blocks {
		block, rest := pem.Decode(text)
		switch {
		case block == nil:
			return nil, certificateFaultf("copy it again, whole", "PEM block %d of %d is damaged", i+1, blocks)
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil, certificateFaultf("give the certificate alone, and keep the key where nobody else reads it", "it holds a private key")
		case block.Type == "PKCS7":
			return nil, certificateFaultf("convert it with openssl pkcs7 -print_certs", "it is PKCS #7")
		case block.Type != "CERTIFICATE":
			return nil, certificateFaultf(give, "PEM block %d is a %.40q, not a CERTIFICATE", i+1, block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, certificateFaultf("copy it again, whole", "certificate %d: %w", i+1, err)
		}
		certs, text = append(certs, cert), rest
	}
	return certs, nil
}

// selfOrAuthority is the rule for the stores ca and signingAuthority.
func selfOrAuthority(cert *x509.Certificate) error {
	if truststore.ValidateCertificates([]*x509.Certificate{cert}) == nil {
		return nil
	}
	return certificateFaultf("give the certificate of the authority that issued it, at best the root", "%s is neither a CA's nor self-signed", titled(cert))
}

// root is the rule for the store tsa, which notation-go has in its own reader of
// trust stores only (isRootCACertificate).
func root(cert *x509.Certificate) error {
	if err := selfOrAuthority(cert); err != nil {
		return err
	}
	if err := cert.CheckSignatureFrom(cert); err != nil || !bytes.Equal(cert.RawSubject, cert.RawIssuer) {
		return certificateFaultf("give the root certificate of the time stamp authority", "%s is no root, as those of a time stamp authority have to be: %s issued it", titled(cert), quoted(cert.Issuer.String()))
	}
	return nil
}

// titled is how messages name a certificate.
func titled(cert *x509.Certificate) string {
	return fmt.Sprintf("certificate %s (SHA-256 %.16s…)", quoted(cert.Subject.String()), sum(cert))
}

// sum returns the hex SHA-256 of a certificate's DER.
func sum(cert *x509.Certificate) string {
	s := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(s[:])
}

// maxQuoted bounds what messages repeat of a text, in bytes.
const maxQuoted = 200

// quoted returns s for a message: in quotes, on one line and not too long.
func quoted(s string) string {
	if len(s) > maxQuoted {
		s = strings.ToValidUTF8(s[:maxQuoted], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}

// with returns certs and those of more that are not among them.
func with(certs []*x509.Certificate, more ...*x509.Certificate) []*x509.Certificate {
	for _, m := range more {
		if !slices.ContainsFunc(certs, m.Equal) {
			certs = append(certs, m)
		}
	}
	return certs
}
