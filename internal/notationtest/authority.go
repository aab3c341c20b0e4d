// Package notationtest signs as Notation does: certificate authorities, JWS and
// COSE envelopes, a time-stamping authority, a server that tells what has been
// revoked, and signatures in a registry. What it makes verifies with
// notation-go, and can be wrong in all the ways that a test asks for.
package notationtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"embed"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/boltseal/boltseal/internal/pkitest"
)

// A KeyKind is what a signing key is. The zero KeyKind is EC256, the cheapest.
type KeyKind int

// The kinds of keys that Notation signs with.
const (
	EC256 KeyKind = iota
	EC384
	EC521
	RSA2048
	RSA3072
	RSA4096
)

// AuthorityOptions say what an Authority is like. The zero AuthorityOptions
// make a root and a leaf with EC keys, valid from an hour before now on for a
// day, that name no revocation server.
type AuthorityOptions struct {
	// Subject is the leaf's; the zero Name stands for C=US, ST=WA, L=Seattle,
	// O=Acme, OU=Builds, CN=release.
	Subject pkix.Name
	// CA is the common name of the root; "" stands for "Acme CA".
	CA string
	// Key is the kind of the leaf's key. Those of the authorities are EC256.
	Key KeyKind
	// Intermediates is how many authorities stand between root and leaf.
	Intermediates int
	// SelfSigned makes the leaf its own root.
	SelfSigned bool
	// NotBefore and NotAfter are the leaf's; zero is an hour before now, and a
	// day after.
	NotBefore, NotAfter time.Time
	// CANotBefore and CANotAfter are those of root and intermediates; zero is
	// ten years before the leaf, and ten years after it.
	CANotBefore, CANotAfter time.Time
	// Revocation is the server that leaf and intermediates name, and which
	// knows what to answer for them; OCSP and CRL say how. Nil names none.
	Revocation *Revocation
	OCSP, CRL  bool
	// OCSPServers and CRLServers are further addresses that the leaf names.
	OCSPServers, CRLServers []string
	// Leaf may change the leaf's certificate before it is signed.
	Leaf func(*x509.Certificate)
}

// An Authority is a certificate authority and one who signs with its
// certificate. It may be used from several goroutines at once.
type Authority struct {
	// Chain is the leaf, the intermediates and the root, in this order.
	Chain []*x509.Certificate
	// Key is the leaf's: *ecdsa.PrivateKey or *rsa.PrivateKey.
	Key crypto.Signer

	issuers []issuer // the leaf's first
}

// issuer is an authority with its key.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes an Authority.
func NewAuthority(o AuthorityOptions) (*Authority, error) {
	o = o.resolve(time.Now())
	a := &Authority{}
	if !o.SelfSigned {
		for i := range o.Intermediates + 1 {
			if err := a.certify(o, i); err != nil {
				return nil, fmt.Errorf("notationtest: %w", err)
			}
		}
	}
	return a, a.sign(o)
}

// Another makes an Authority with the same root and intermediates, and a leaf
// of its own: what o says of authorities counts for nothing.
func (a *Authority) Another(o AuthorityOptions) (*Authority, error) {
	if len(a.issuers) == 0 {
		return nil, errors.New("notationtest: one who signs for himself issues nothing")
	}
	b := &Authority{issuers: a.issuers}
	return b, b.sign(o.resolve(time.Now()))
}

func (o AuthorityOptions) resolve(now time.Time) AuthorityOptions {
	if o.Subject.String() == "" {
		o.Subject = pkix.Name{
			Country: []string{"US"}, Province: []string{"WA"}, Locality: []string{"Seattle"},
			Organization: []string{"Acme"}, OrganizationalUnit: []string{"Builds"}, CommonName: "release",
		}
	}
	if o.CA == "" {
		o.CA = "Acme CA"
	}
	for _, d := range []struct {
		to *time.Time
		by time.Time
	}{
		{&o.NotBefore, now.Add(-time.Hour)}, {&o.NotAfter, now.Add(24 * time.Hour)},
	} {
		if d.to.IsZero() {
			*d.to = d.by
		}
	}
	if o.CANotBefore.IsZero() {
		o.CANotBefore = o.NotBefore.AddDate(-10, 0, 0)
	}
	if o.CANotAfter.IsZero() {
		o.CANotAfter = o.NotAfter.AddDate(10, 0, 0)
	}
	return o
}

// certify puts another authority before the issuers: number 0 is the root.
func (a *Authority) certify(o AuthorityOptions, number int) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	name := o.CA
	if number > 0 {
		name = fmt.Sprintf("%s %d", o.CA, number)
	}
	t := &x509.Certificate{
		Subject:   pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{"Acme"}, CommonName: name},
		NotBefore: o.CANotBefore, NotAfter: o.CANotAfter,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true,
	}
	by := issuer{t, key} // itself
	if number > 0 {
		by = a.issuers[0]
		o.name(t, by)
	}
	cert, err := pkitest.Issue(t, by.cert, key.Public(), by.key)
	if err != nil {
		return err
	}
	a.issuers = slices.Insert(a.issuers, 0, issuer{cert, key})
	return nil
}

// name writes the addresses of the revocation server into a certificate that
// by is going to issue.
func (o AuthorityOptions) name(t *x509.Certificate, by issuer) {
	if o.Revocation == nil {
		return
	}
	ocsp, crl := o.Revocation.add(by)
	if o.OCSP {
		t.OCSPServer = append(t.OCSPServer, ocsp)
	}
	if o.CRL {
		t.CRLDistributionPoints = append(t.CRLDistributionPoints, crl)
	}
}

// sign makes the leaf.
func (a *Authority) sign(o AuthorityOptions) error {
	var err error
	if a.Key, err = newKey(o.Key); err != nil {
		return fmt.Errorf("notationtest: %w", err)
	}
	t := &x509.Certificate{
		Subject: o.Subject, NotBefore: o.NotBefore, NotAfter: o.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		BasicConstraintsValid: true,
		OCSPServer:            slices.Clone(o.OCSPServers), CRLDistributionPoints: slices.Clone(o.CRLServers),
	}
	parent, key := t, a.Key
	if len(a.issuers) > 0 {
		o.name(t, a.issuers[0])
		parent, key = a.issuers[0].cert, a.issuers[0].key
	}
	if o.Leaf != nil {
		o.Leaf(t)
	}
	leaf, err := pkitest.Issue(t, parent, a.Key.Public(), key)
	if err != nil {
		return fmt.Errorf("notationtest: %w", err)
	}
	a.Chain = []*x509.Certificate{leaf}
	for _, i := range a.issuers {
		a.Chain = append(a.Chain, i.cert)
	}
	return nil
}

// The RSA keys are the same for all, as making one takes up to a second. They
// sign for tests only.
//
//go:embed keys/*.pem
var keys embed.FS

func newKey(kind KeyKind) (crypto.Signer, error) {
	name := ""
	switch kind {
	case EC256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EC384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case EC521:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case RSA2048:
		name = "rsa2048"
	case RSA3072:
		name = "rsa3072"
	case RSA4096:
		name = "rsa4096"
	default:
		return nil, fmt.Errorf("no key is of kind %d", kind)
	}
	text, err := keys.ReadFile("keys/" + name + ".pem")
	if err != nil {
		return nil, err
	}
	b, _ := pem.Decode(text)
	if b == nil {
		return nil, fmt.Errorf("%s is no PEM", name)
	}
	key, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		return nil, err
	}
	k, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a %T", name, key)
	}
	return k, nil
}

// Leaf returns the certificate that signs.
func (a *Authority) Leaf() *x509.Certificate { return a.Chain[0] }

// Root returns the certificate that a trust store holds.
func (a *Authority) Root() *x509.Certificate { return a.Chain[len(a.Chain)-1] }

// KeyPEM returns the leaf's key as PKCS #8.
func (a *Authority) KeyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(a.Key)
	if err != nil {
		return nil, fmt.Errorf("notationtest: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// PEM returns certificates as PEM, in their order.
func PEM(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// Fingerprint returns the SHA-256 of a certificate's DER in hex.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}
