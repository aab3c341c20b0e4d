package dct_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificates are an authority, and a certificate of it for every server and
// client on this machine, in files and as Go has them.
type certificates struct {
	ca, certificate, key string // paths of PEM files
	pool                 *x509.CertPool
	pair                 tls.Certificate
}

func newCertificates(dir string) (*certificates, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c := &certificates{filepath.Join(dir, "ca.crt"), filepath.Join(dir, "host.crt"), filepath.Join(dir, "host.key"), x509.NewCertPool(), tls.Certificate{}}
	root, err := newIssuer("e2e")
	if err != nil {
		return nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	host, err := root.issue(key.Public(), &x509.Certificate{
		Subject:     pkix.Name{CommonName: "127.0.0.1"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, err
	}
	private, err := privatePEM(key)
	if err != nil {
		return nil, err
	}
	for name, text := range map[string][]byte{c.ca: certificatePEM(root.certificate), c.certificate: certificatePEM(host), c.key: private} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			return nil, err
		}
	}
	c.pool.AddCert(root.certificate)
	c.pair, err = tls.LoadX509KeyPair(c.certificate, c.key)
	return c, err
}

// client returns how a client of these servers speaks TLS.
func (c *certificates) client() *tls.Config {
	return &tls.Config{RootCAs: c.pool, Certificates: []tls.Certificate{c.pair}, MinVersion: tls.VersionTLS12}
}

// serverConfig returns how a server here speaks it.
func (c *certificates) serverConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.pair}, MinVersion: tls.VersionTLS12}
}

// An issuer is a certificate authority.
type issuer struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newIssuer(name string) (*issuer, error) {
	var i issuer
	var err error
	if i.key, err = newKey(); err != nil {
		return nil, err
	}
	i.certificate, err = i.issue(i.key.Public(), &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return &i, err
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// issue certifies a key, for ten years where the template does not say
// otherwise. An issuer that has no certificate yet signs its own.
func (i *issuer) issue(key crypto.PublicKey, template *x509.Certificate) (*x509.Certificate, error) {
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().AddDate(10, 0, 0)
	}
	template.KeyUsage |= x509.KeyUsageDigitalSignature
	parent := i.certificate
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, i.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// keyID returns the ID that notary knows a public key by, with or without a
// certificate: the SHA-256 of its canonical JSON.
func keyID(key *ecdsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	sum := sha256.Sum256(fmt.Appendf(nil, `{"keytype":"ecdsa","keyval":{"private":null,"public":"%s"}}`, base64.StdEncoding.EncodeToString(der)))
	return hex.EncodeToString(sum[:]), err
}

// rootCertificate returns what notary wants of the certificate of a root key.
func rootCertificate(gun string) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: gun}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}}
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func privatePEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), err
}
