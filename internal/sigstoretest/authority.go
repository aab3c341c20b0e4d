package sigstoretest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"
)

// authority is a certificate authority: a root and an intermediate that issues.
type authority struct {
	root, intermediate *x509.Certificate
	key                *ecdsa.PrivateKey // of the intermediate
	leaf               *x509.Certificate // of the timestamp authority only
}

// newAuthority makes an authority for certificates of one usage.
func newAuthority(name string, usage x509.ExtKeyUsage, start, end time.Time) (*authority, error) {
	rootKey, err := newKey()
	if err != nil {
		return nil, err
	}
	template := func(cn string) *x509.Certificate {
		return &x509.Certificate{
			Subject:               pkix.Name{CommonName: cn, Organization: []string{"sigstore.localhost"}},
			NotBefore:             start,
			NotAfter:              end,
			KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
			BasicConstraintsValid: true,
			IsCA:                  true,
		}
	}
	t := template(name)
	a := &authority{}
	if a.root, err = issue(t, t, rootKey.Public(), rootKey); err != nil {
		return nil, err
	}
	if a.key, err = newKey(); err != nil {
		return nil, err
	}
	t = template(name + "-intermediate")
	t.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	t.MaxPathLenZero = true
	a.intermediate, err = issue(t, a.root, a.key.Public(), rootKey)
	return a, err
}

// issue signs the template. It gives it a random serial number unless it has
// one, as it must have when the same certificate is issued twice.
func issue(template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
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
