package notation

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/notaryproject/notation-core-go/signature"
	nx509 "github.com/notaryproject/notation-core-go/x509"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/signer"

	"github.com/boltseal/boltseal/internal/legible"
	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/sign/internal/privatekey"
	"github.com/boltseal/boltseal/verify"
)

const (
	// maxChainFile bounds what is read as a certificate chain, in bytes.
	maxChainFile = 256 << 10
	// maxChain bounds the certificates of a chain. Real ones have three.
	maxChain = 16
	// maxDetail bounds what is kept of a library's, a plugin's or a service's own
	// words, in bytes.
	maxDetail = 300
)

// ErrChain is in the error of a certificate chain that cannot be used: it does not
// go with the key, is not fit for signing, or not valid now.
var ErrChain = errors.New("the certificate chain cannot be used")

// A Key signs, and has the certificates that say whose signatures they are. The
// zero Key cannot be used. It is safe for concurrent use.
type Key struct {
	chain []*x509.Certificate // signing certificate first
	// signing returns who makes one envelope. What goes wrong in a plugin is told
	// to trouble, since the library passes on no more than text.
	signing func(trouble *error) (notation.Signer, error)
	plugin  *plugin // nil for a key in memory
}

// ReadKey reads an unencrypted private key (PEM: PKCS #8, and those of openssl ec
// and openssl rsa; ECDSA on P-256, P-384 or P-521, RSA of 2048, 3072 or 4096
// bits) and its certificate chain: PEM, at most 16 certificates, signing
// certificate first and self-signed root last, fit for signing by the Notary
// Project's signature-specification.md, "Certificate Requirements". name says
// where the key came from. The error is a *verify.Error in which nothing of the
// key is quoted.
func ReadKey(name string, key, chain []byte) (*Key, error) {
	private, err := privatekey.Parse(key, privatekey.Advice{
		Give:    "give the private key as PEM, PKCS #8 unencrypted",
		Make:    "make a key that Notation signs with: RSA of 2048 bits or more, or ECDSA on P-256, P-384 or P-521, with a certificate",
		Decrypt: "decrypt it with openssl pkey, and keep the result in a secret (--key env://NAME) or in a key service (--plugin)",
	}, nil)
	if e := (*privatekey.Error)(nil); errors.As(err, &e) {
		return nil, &verify.Error{Op: "read the private key " + name, Err: order.Refused(verify.Unsupported, "%w", e.Err), Hint: e.Hint}
	}
	if err != nil {
		return nil, &verify.Error{Op: "read the private key " + name, Err: err}
	}
	certs, err := readChain(chain)
	if err == nil {
		err = fits(private.Public(), certs)
	}
	if err == nil {
		err = checkChain(certs)
	}
	if err != nil {
		return nil, chainError("of the private key "+name, err)
	}
	by, err := signer.NewGenericSigner(private, certs)
	if err != nil { // all that it refuses was looked at above
		return nil, chainError("of the private key "+name, refusedChain(oneForNotation, "%s", legible.Text(err.Error(), maxDetail)))
	}
	return &Key{chain: certs, signing: func(*error) (notation.Signer, error) { return by, nil }}, nil
}

// Certificates returns the chain, signing certificate first.
func (k *Key) Certificates() []*x509.Certificate { return slices.Clone(k.chain) }

// Close removes the copy that a plugin was run from. It is called when all is
// signed; a second call does nothing.
func (k *Key) Close() error {
	if k == nil || k.plugin == nil {
		return nil
	}
	return k.plugin.close()
}

// leaf returns the signing certificate, nil where there is none.
func (k *Key) leaf() *x509.Certificate {
	if k == nil || len(k.chain) == 0 {
		return nil
	}
	return k.chain[0]
}

// valid returns an error unless each certificate of the chain is valid at the
// given time: the signature would be refused by whoever verifies it.
func (k *Key) valid(now time.Time) error {
	for _, c := range k.chain {
		next := "renew the certificate, and give the new chain"
		switch {
		case now.After(c.NotAfter):
		case now.Before(c.NotBefore):
			next = "wait until it is valid, and look whether the clock is right"
		default:
			continue
		}
		return &verify.Error{
			Op: "sign with the certificate of " + titled(k.leaf()), Hint: next,
			Err: &chainFault{fmt.Errorf("the certificate of %s is valid from %s to %s", titled(c), day(c.NotBefore), day(c.NotAfter)), next, verify.Expired},
		}
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// titled is what a certificate is called in messages.
func titled(c *x509.Certificate) string {
	return fmt.Sprintf("%q", legible.Text(c.Subject.String(), maxDetail))
}

// The next steps for those whose chain cannot be used.
const (
	giveChain      = "give the certificate chain as PEM: the signing certificate first, what issued it next, the root last"
	oneForNotation = "have a certificate issued that is for signing code: key usage digitalSignature alone and critical, extended key usage codeSigning or none, RSA of 2048, 3072 or 4096 bits or ECDSA"
)

// A chainFault says what is wrong with a chain, and what to do about it.
type chainFault struct {
	err    error
	hint   string
	reason verify.Reason
}

func (f *chainFault) Error() string         { return f.err.Error() }
func (f *chainFault) Reason() verify.Reason { return f.reason }
func (f *chainFault) Is(target error) bool  { return target == ErrChain }

func refusedChain(hint, format string, a ...any) error {
	return &chainFault{fmt.Errorf(format, a...), hint, verify.Unsupported}
}

func chainError(of string, err error) error {
	e := &verify.Error{Op: "read the certificate chain " + of, Err: err}
	if f := (*chainFault)(nil); errors.As(err, &f) {
		e.Hint = f.hint
	}
	return e
}

// readChain reads certificates from PEM, in their order.
func readChain(text []byte) ([]*x509.Certificate, error) {
	if len(text) > maxChainFile {
		return nil, refusedChain(giveChain, "it is larger than %d KiB", maxChainFile>>10)
	}
	var chain []*x509.Certificate
	rest := text
	for len(bytes.TrimSpace(rest)) > 0 {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		switch {
		case block == nil && len(chain) == 0:
			return nil, refusedChain(giveChain, "it holds no PEM block")
		case block == nil:
			return nil, refusedChain(giveChain, "something that is no PEM block follows certificate %d", len(chain))
		case block.Type != "CERTIFICATE":
			return nil, refusedChain(giveChain, "it holds a PEM %q", legible.Text(block.Type, 40))
		case len(chain) == maxChain:
			return nil, refusedChain(giveChain, "it holds more than %d certificates", maxChain)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, refusedChain(giveChain, "certificate %d cannot be read: %s", len(chain)+1, legible.Text(err.Error(), maxDetail))
		}
		chain = append(chain, cert)
	}
	if len(chain) == 0 {
		return nil, refusedChain(giveChain, "it is empty")
	}
	return chain, nil
}

// fits returns an error unless the first certificate is that of the key.
func fits(public crypto.PublicKey, chain []*x509.Certificate) error {
	key, ok := public.(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return refusedChain(oneForNotation, "the key is of a kind that is not known")
	}
	switch at := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return key.Equal(c.PublicKey) }); at {
	case 0:
		return nil
	case -1:
		return refusedChain("give the key and the certificate that was issued for it", "the key is not that of the signing certificate, %s", titled(chain[0]))
	default:
		return refusedChain(giveChain, "the key is that of certificate %d, %s, and the signing certificate has to come first", at+1, titled(chain[at]))
	}
}

// checkChain returns an error unless signatures with the chain are fit to be
// verified, whatever the time.
func checkChain(chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return refusedChain(giveChain, "there is no certificate")
	}
	if len(chain) > maxChain {
		return refusedChain(giveChain, "there are more than %d certificates", maxChain)
	}
	leaf, last := chain[0], chain[len(chain)-1]
	if _, err := signature.ExtractKeySpec(leaf); err != nil {
		return refusedChain(oneForNotation, "the signing certificate, %s: %s", titled(leaf), legible.Text(err.Error(), maxDetail))
	}
	for i, c := range chain[:len(chain)-1] {
		by := chain[i+1]
		if !bytes.Equal(c.RawIssuer, by.RawSubject) || by.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) != nil {
			return refusedChain(giveChain, "certificate %d, %s, was not issued by certificate %d, %s", i+1, titled(c), i+2, titled(by))
		}
	}
	if !bytes.Equal(last.RawIssuer, last.RawSubject) {
		return refusedChain(giveChain, "it ends with %s, which %q issued: the root is missing", titled(last), legible.Text(last.Issuer.String(), maxDetail))
	}
	if err := nx509.ValidateCodeSigningCertChain(chain, nil); err != nil {
		return refusedChain(oneForNotation, "%s", legible.Text(err.Error(), maxDetail))
	}
	// The library does not ask for it; the specification does, "Certificate
	// Requirements".
	if len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) > 0 && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageCodeSigning) {
		return refusedChain(oneForNotation, "the signing certificate, %s, has extended key usages, and codeSigning is not among them", titled(leaf))
	}
	return nil
}

// seal returns an envelope that signs what o says, and what is in it.
func (k *Key) seal(ctx context.Context, what target, o notation.SignerSignOptions) (sealed, error) {
	var trouble error
	if s, ok := o.Timestamper.(*stamping); ok {
		s.trouble = &trouble
	}
	by, err := k.signing(&trouble)
	if err != nil {
		return sealed{}, err
	}
	raw, info, err := by.Sign(ctx, what.descriptor(), o)
	stamp := (*signature.TimestampError)(nil)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return sealed{}, context.Cause(ctx)
	case trouble != nil:
		return sealed{}, trouble
	case errors.As(err, &stamp):
		return sealed{}, unstamped(stamp)
	default:
		return sealed{}, &verify.Error{
			Op: "make the signature", Err: order.Refused(verify.BadSignature, "%s", k.clean(err.Error())),
			Hint: k.advice("look whether key and certificate chain go together"),
		}
	}
	s := sealed{envelope: raw, mediaType: o.SignatureMediaType, chain: info.CertificateChain, signedAt: info.SignedAttributes.SigningTime}
	if by, ok := by.(interface{ PluginAnnotations() map[string]string }); ok {
		s.annotations, err = pluginAnnotations(by.PluginAnnotations())
	}
	return s, err
}

// clean returns the words of the library, which may be a plugin's.
func (k *Key) clean(words string) string {
	if k.plugin != nil {
		return k.plugin.clean(words)
	}
	return legible.Text(words, maxDetail)
}

// advice returns the next step after a signature that is no good.
func (k *Key) advice(next string) string {
	if k.plugin != nil {
		return "look whether the plugin works with notation itself, and ask who makes it"
	}
	return next
}
