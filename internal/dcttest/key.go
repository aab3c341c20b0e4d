package dcttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"slices"
	"time"

	"github.com/theupdateframework/notary/tuf/data"
	"github.com/theupdateframework/notary/tuf/utils"

	"github.com/boltseal/boltseal/internal/pkitest"
)

// CertificateOptions say what the certificate of a root key is like. The zero
// CertificateOptions make one as notary does: for the collection's name, by its
// own key, from yesterday on for ten years.
type CertificateOptions struct {
	// Name is the common name; "" stands for the collection's.
	Name string
	// From and To are when it is valid.
	From, To time.Time
	// Issued has the certificate be issued by an authority of the collection's
	// own, through an intermediate that the root carries; see Collection.RootCA.
	Issued bool
	// Template may change the certificate before it is signed.
	Template func(*x509.Certificate)
}

// A Key is one that signs, with the public key as the metadata name it: bare, or
// within a certificate.
type Key struct {
	Public  data.PublicKey
	Private data.PrivateKey
}

// NewKey returns the key of a signer: *ecdsa.PrivateKey, *rsa.PrivateKey or
// ed25519.PrivateKey. Nil stands for a new ECDSA key.
func NewKey(signer crypto.Signer) (Key, error) {
	if signer == nil {
		var err error
		if signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return Key{}, err
		}
	}
	var k data.PrivateKey
	var err error
	switch s := signer.(type) {
	case *ecdsa.PrivateKey:
		k, err = utils.ECDSAToPrivateKey(s)
	case *rsa.PrivateKey:
		k, err = utils.RSAToPrivateKey(s)
	case ed25519.PrivateKey:
		// The library keeps the public key before the private one.
		k, err = utils.ED25519ToPrivateKey(append(slices.Clone(s[ed25519.PrivateKeySize-ed25519.PublicKeySize:]), s...))
	default:
		return Key{}, fmt.Errorf("dcttest: nothing is signed with a %T", signer)
	}
	if err != nil {
		return Key{}, err
	}
	return Key{Public: data.PublicKeyFromPrivate(k), Private: k}, nil
}

// PEM returns the private key as docker trust key generate writes it, for a role
// such as alice: in PKCS #8, encrypted with the password unless that is "".
func (k Key) PEM(role, password string) ([]byte, error) {
	return utils.ConvertPrivateKeyToPKCS8(k.Private, data.RoleName(role), "", password)
}

// authority issues root certificates.
type authority struct {
	root, intermediate *x509.Certificate
	key                crypto.Signer // of the intermediate
}

func newAuthority() (*authority, error) {
	a := &authority{}
	var parentKey crypto.Signer
	for _, to := range []**x509.Certificate{&a.root, &a.intermediate} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		now := time.Now()
		t := &x509.Certificate{
			Subject:   pkix.Name{Organization: []string{"Acme"}, CommonName: "Acme root CA"},
			NotBefore: now.AddDate(-10, 0, 0), NotAfter: now.AddDate(20, 0, 0),
			KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
		}
		above := t
		if a.root != nil {
			t.Subject.CommonName, above = "Acme intermediate CA", a.root
		} else {
			parentKey = key
		}
		if *to, err = pkitest.Issue(t, above, key.Public(), parentKey); err != nil {
			return nil, err
		}
		a.key = key
	}
	return a, nil
}

// certify returns the key k within a certificate, and notes the certificate.
func (c *Collection) certify(k Key, o CertificateOptions) (Key, error) {
	if o.Name == "" {
		o.Name = c.gun
	}
	if o.From.IsZero() {
		o.From = time.Now().AddDate(0, 0, -1)
	}
	if o.To.IsZero() {
		o.To = o.From.AddDate(10, 0, 0)
	}
	t, err := utils.NewCertificate(o.Name, o.From, o.To)
	if err != nil {
		return Key{}, err
	}
	if o.Template != nil {
		o.Template(t)
	}
	by, above, carried := k.Private.CryptoSigner(), t, []*x509.Certificate(nil)
	if o.Issued {
		if c.ca == nil {
			if c.ca, err = newAuthority(); err != nil {
				return Key{}, err
			}
		}
		by, above, carried = c.ca.key, c.ca.intermediate, []*x509.Certificate{c.ca.intermediate}
	}
	if c.root, err = pkitest.Issue(t, above, k.Private.CryptoSigner().Public(), by); err != nil {
		return Key{}, err
	}
	public, err := utils.CertBundleToKey(c.root, carried)
	return Key{Public: public, Private: k.Private}, err
}

// Key returns the first key of a role.
func (c *Collection) Key(role string) Key {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.roles[role].Keys[0]
}

// RootID returns the key ID of the root certificate, which docker trust inspect
// prints.
func (c *Collection) RootID() string { return c.Key(Root).Public.ID() }

// CanonicalRootID returns the key ID of the root key without its certificate,
// which notary key list prints.
func (c *Collection) CanonicalRootID() string { return c.Key(Root).Private.ID() }

// RootKey returns the public root key (DER, PKIX).
func (c *Collection) RootKey() []byte {
	der, err := x509.MarshalPKIXPublicKey(c.Root().PublicKey)
	if err != nil {
		panic(err) // it has been in a certificate
	}
	return der
}

// RootKeyPEM returns the public root key in a PUBLIC KEY block.
func (c *Collection) RootKeyPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: c.RootKey()})
}

// Root returns the root certificate.
func (c *Collection) Root() *x509.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.root
}

// RootCA returns the authority that root certificates lead to which are Issued:
// its own root, not the intermediate. Nil is none.
func (c *Collection) RootCA() *x509.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ca == nil {
		return nil
	}
	return c.ca.root
}
