package sigstore

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	sgsign "github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/boltseal/boltseal/internal/legible"
	"github.com/boltseal/boltseal/verify"
	vsig "github.com/boltseal/boltseal/verify/sigstore"
)

// A certificate says for some minutes who has a key. What it says is to be
// believed once it verifies: it is an answer from outside.
type certificate struct {
	leaf    *x509.Certificate
	subject string            // the subject alternative name: a URI, an e-mail address, or Fulcio's otherName
	issuer  string            // of the token
	claims  map[string]string // what else it says of who asked, by the names of [verify.Evidence]
}

// GetCertificate implements the library's CertificateProvider: it gives the
// certificate that was issued once for the run.
func (c *certificate) GetCertificate(context.Context, sgsign.Keypair, *sgsign.CertificateProviderOptions) ([]byte, error) {
	return c.leaf.Raw, nil
}

const (
	// maxCertificate bounds a certificate, in bytes of DER.
	maxCertificate = 64 << 10
	// maxName bounds a subject and an issuer, in bytes.
	maxName = 2048
	// maxLife bounds for how long a certificate is valid. Fulcio gives ten
	// minutes; who gives years has not understood what they are for.
	maxLife = 24 * time.Hour
)

// issue asks the certificate authority of s for a certificate of key. It checks
// that the answer is one: for this key, with one subject and an issuer, and of a
// short life.
func (c *Client) issue(ctx context.Context, s Services, key sgsign.Keypair, token Token) (*certificate, error) {
	const op = "get a certificate"
	if err := s.issues(); err != nil {
		return nil, err
	}
	if token.secret() == "" {
		return nil, &verify.Error{Op: op, Hint: "give an identity token", Err: errors.New("there is no identity token")}
	}
	if key == nil || key.GetPublicKey() == nil {
		return nil, &verify.Error{Op: op, Err: errNoKey}
	}
	asking := &binding{c: c, ctx: ctx, service: fulcio}
	der, err := sgsign.NewFulcio(&sgsign.FulcioOptions{
		BaseURL: strings.TrimRight(s.ca.URL, "/"), Timeout: -1, Transport: asking, // which has a time-out
	}).GetCertificate(ctx, key, &sgsign.CertificateProviderOptions{IDToken: token.secret()})
	if err != nil {
		if e := (*ServiceError)(nil); errors.As(err, &e) && (e.Status == http.StatusBadRequest || e.Status == http.StatusUnauthorized) {
			// Fulcio says the same of whatever is wrong with a token.
			e.hint = fmt.Sprintf("look into the identity token, which is from %q and valid until %s: it may be too old, for another audience than the one %s wants (--oidc-client-id), or from an issuer that %[3]s does not know",
				legible.Text(token.Issuer(), maxClaim), token.Expires().UTC().Format(time.RFC3339), e.Host)
		}
		return nil, blame(op, asking, token.secret(), err)
	}
	cert, err := readCertificate(der, key)
	if err != nil {
		return nil, blame(op, asking, token.secret(), err)
	}
	return cert, nil
}

// readCertificate reads the DER of a certificate that must be for key.
func readCertificate(der []byte, key sgsign.Keypair) (*certificate, error) {
	if len(der) > maxCertificate {
		return nil, fmt.Errorf("the certificate has more than %d bytes", maxCertificate)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("the answer holds no certificate: %w", err)
	}
	c := &certificate{leaf: leaf}
	own, err := x509.MarshalPKIXPublicKey(key.GetPublicKey())
	if err != nil {
		return nil, err
	}
	got, err := x509.MarshalPKIXPublicKey(leaf.PublicKey)
	switch {
	case err != nil || !bytes.Equal(own, got):
		return nil, errors.New("the certificate is for another key")
	case leaf.IsCA:
		return nil, errors.New("the certificate is that of an authority")
	case !leaf.NotBefore.Before(leaf.NotAfter), leaf.NotAfter.Sub(leaf.NotBefore) > maxLife:
		return nil, fmt.Errorf("the certificate is valid from %s to %s, which is no short life", leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	if c.subject, err = subjectOf(leaf); err != nil {
		return nil, err
	}
	if c.issuer, err = issuerOf(leaf); err != nil {
		return nil, err
	}
	if c.claims, err = vsig.CertificateClaims(leaf); err != nil {
		return nil, fmt.Errorf("the certificate's extensions: %w", err)
	}
	return c, nil
}

// lasting are the claims that are alike in all runs of one job: where it comes from
// and what it runs on, and not its commit or its number. A workflow that several
// repositories call has one subject for all of them, and consumers can tell them
// apart by these only.
func lasting() []string {
	return []string{
		"source-repository-uri", "source-repository-identifier", "source-repository-owner-uri", "source-repository-owner-identifier",
		"source-repository-ref", "build-config-uri", "runner-environment", "github-workflow-repository", "github-workflow-ref",
	}
}

// unlike returns the first claim by which a signature is by somebody else than c is
// for, with what it says; "" where it is by the same, to the letter.
func (c *certificate) unlike(subject, issuer string, claims map[string]string) (claim, says string) {
	switch {
	case c.subject != subject:
		return "subject", subject
	case c.issuer != issuer:
		return "issuer", issuer
	}
	for _, name := range lasting() {
		if c.claims[name] != claims[name] {
			return name, claims[name]
		}
	}
	return "", ""
}

// subjectOf returns the one name that a certificate is for.
func subjectOf(leaf *x509.Certificate) (string, error) {
	var names []string
	for _, u := range leaf.URIs {
		names = append(names, u.String())
	}
	names = append(names, leaf.EmailAddresses...)
	if len(names) == 0 {
		if other, err := cryptoutils.UnmarshalOtherNameSAN(leaf.Extensions); err == nil {
			names = append(names, other)
		}
	}
	if len(names) != 1 || names[0] == "" || len(leaf.DNSNames)+len(leaf.IPAddresses) > 0 {
		return "", fmt.Errorf("the certificate is for %d names that Fulcio gives, not for one", len(names))
	}
	if len(names[0]) > maxName {
		return "", fmt.Errorf("the certificate's name has more than %d bytes", maxName)
	}
	return names[0], nil
}

// issuerOf returns who issued the token that a certificate is for: extension
// 1.3.6.1.4.1.57264.1.8, or the older 1.3.6.1.4.1.57264.1.1 whose value is the
// bare text.
func issuerOf(leaf *x509.Certificate) (string, error) {
	var text, old string
	for _, e := range leaf.Extensions {
		switch {
		case e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}):
			if rest, err := asn1.UnmarshalWithParams(e.Value, &text, "utf8"); err != nil || len(rest) > 0 {
				return "", errors.New("the certificate's issuer extension is malformed")
			}
		case e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}):
			old = string(e.Value)
		}
	}
	if text == "" {
		text = old
	}
	if text == "" || len(text) > maxName {
		return "", errors.New("the certificate does not say who issued the token (1.3.6.1.4.1.57264.1.8)")
	}
	return text, nil
}

// blame returns err for people. Where it is no *ServiceError although by has
// asked, the service has answered what cannot be used.
func blame(op string, by *binding, secret string, err error) error {
	e := (*ServiceError)(nil)
	if known := (*verify.Error)(nil); errors.As(err, &known) {
		return known // of a log, or of the key
	}
	if !errors.As(err, &e) {
		// The library quotes what it could not read.
		q := call{header: http.Header{"Authorization": {"Bearer " + secret}}}
		shown := &cause{q.clean(err.Error()), err}
		switch {
		case by.ctx != nil && by.ctx.Err() != nil:
			return &verify.Error{Op: op, Hint: runAgain, Err: context.Cause(by.ctx)}
		case by.asked == "":
			return &verify.Error{Op: op, Err: shown}
		}
		e = &ServiceError{Service: string(by.service), Attempts: 1, Err: shown}
		if u, err := url.Parse(by.asked); err == nil {
			e.Host = u.Host
		}
	}
	return &verify.Error{Op: op, Hint: e.Hint(), Err: e}
}
