package sigstoretest

import (
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"time"

	"github.com/boltseal/boltseal/internal/pkitest"
)

// authority is a certificate authority: a root and an intermediate that issues.
type authority struct {
	root, intermediate *x509.Certificate
	key                *ecdsa.PrivateKey // of the intermediate
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
	if a.root, err = pkitest.Issue(t, t, rootKey.Public(), rootKey); err != nil {
		return nil, err
	}
	if a.key, err = newKey(); err != nil {
		return nil, err
	}
	t = template(name + "-intermediate")
	t.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	t.MaxPathLenZero = true
	a.intermediate, err = pkitest.Issue(t, a.root, a.key.Public(), rootKey)
	return a, err
}
