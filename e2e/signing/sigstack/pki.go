package sigstack

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"time"
)

// A certified key is one with the certificate of it.
type certified struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// certify makes a key and its certificate, by parent or, without one, by itself.
func certify(template *x509.Certificate, parent *certified) (*certified, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = template.NotBefore.AddDate(5, 0, 0)
	template.BasicConstraintsValid = true
	if parent == nil {
		parent = &certified{certificate: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.certificate, key.Public(), parent.key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &certified{certificate: certificate, key: key}, err
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func newAuthority(name string, parent *certified, usage ...x509.ExtKeyUsage) (*certified, error) {
	return certify(&x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: []string{"sigstack"}},
		IsCA:        true,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage: usage,
	}, parent)
}

// serverTLS returns the configuration of a server with that name.
func serverTLS(authority *certified, name string) (*tls.Config, error) {
	c, err := certify(&x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		DNSNames:    []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, authority)
	if err != nil {
		return nil, err
	}
	chain := [][]byte{c.certificate.Raw, authority.certificate.Raw}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: c.key}},
		MinVersion:   tls.VersionTLS12,
	}, nil
}

// logID is the name of a log: the SHA-256 of its key, as SubjectPublicKeyInfo
// (RFC 6962, section 3.2).
func logID(key crypto.PublicKey) ([sha256.Size]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	return sha256.Sum256(der), err
}
