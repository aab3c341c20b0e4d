// Package certfile reads the certificates that users name, and says what is wrong
// with them.
package certfile

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

const (
	// MaxBytes bounds a file of certificates, in bytes.
	MaxBytes = 1 << 20
	// maxCertificates bounds the certificates of one file.
	maxCertificates = 64
)

// Read returns the certificates of a text: PEM, one or several, or DER. Each has
// to be sound, unless that is nil. name says where the text came from. There are
// at most 64 of them, in at most [MaxBytes], and at least one. The error is a
// [*verify.Error].
func Read(name string, text []byte, sound func(*x509.Certificate) error) ([]*x509.Certificate, error) {
	certs, err := parse(text)
	for i := 0; err == nil && sound != nil && i < len(certs); i++ {
		err = sound(certs[i])
	}
	if err != nil {
		hint := verify.Hint(err)
		if fault := (*Fault)(nil); errors.As(err, &fault) {
			hint = fault.Next
		}
		return nil, &verify.Error{Op: "read certificates of " + name, Hint: hint, Err: err}
	}
	return certs, nil
}

// A Fault is what is wrong with a text, and what to do.
type Fault struct {
	Next string // one imperative sentence
	err  error
}

func (f *Fault) Error() string { return f.err.Error() }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.err }

// Faultf returns a [*Fault].
func Faultf(next, format string, args ...any) error {
	return &Fault{next, fmt.Errorf(format, args...)}
}

func parse(text []byte) ([]*x509.Certificate, error) {
	const give = "give the certificate, as PEM or DER"
	switch {
	case len(text) > MaxBytes:
		return nil, Faultf("give only those that are to be trusted", "it is larger than %d bytes", MaxBytes)
	case len(bytes.TrimSpace(text)) == 0:
		return nil, Faultf(give, "it is empty")
	}
	// pem.Decode passes over what it cannot read, and a list of which something is
	// missing must not look whole.
	blocks := bytes.Count(text, []byte("-----BEGIN "))
	switch {
	case blocks > maxCertificates:
		return nil, Faultf("give only those that are to be trusted", "it holds more than %d certificates", maxCertificates)
	case blocks == 0:
		certs, err := x509.ParseCertificates(text)
		if err == nil && len(certs) > maxCertificates {
			return nil, Faultf("give only those that are to be trusted", "it holds more than %d certificates", maxCertificates)
		}
		if err != nil || len(certs) == 0 {
			return nil, Faultf(give, "it is neither PEM nor DER: %w", errors.Join(err))
		}
		return certs, nil
	}
	var certs []*x509.Certificate
	for i := range blocks {
		block, rest := pem.Decode(text)
		switch {
		case block == nil:
			return nil, Faultf("copy it again, whole", "PEM block %d of %d is damaged", i+1, blocks)
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil, Faultf("give the certificate alone, and keep the key where nobody else reads it", "it holds a private key")
		case block.Type == "PKCS7":
			return nil, Faultf("convert it with openssl pkcs7 -print_certs", "it is PKCS #7")
		case block.Type != "CERTIFICATE":
			return nil, Faultf(give, "PEM block %d is a %.40q, not a CERTIFICATE", i+1, block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, Faultf("copy it again, whole", "certificate %d: %w", i+1, err)
		}
		certs, text = append(certs, cert), rest
	}
	return certs, nil
}

// Title is how messages name a certificate.
func Title(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return fmt.Sprintf("certificate %s (SHA-256 %.16s…)", hostile.Quoted(cert.Subject.String()), fmt.Sprintf("%x", sum))
}
