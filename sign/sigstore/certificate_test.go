package sigstore

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/verify"
)

func TestIssue(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	for _, c := range []struct {
		claims          map[string]any
		subject, issuer string
	}{
		{nil, sigstoretest.Identity, sigstoretest.GitHubIssuer},
		{map[string]any{"iss": sigstoretest.EmailIssuer, "sub": "1", "email": "dev@example.com", "email_verified": true}, "dev@example.com", sigstoretest.EmailIssuer},
		{map[string]any{"iss": sigstoretest.UsernameIssuer, "sub": "dev"}, "dev!users.localhost", sigstoretest.UsernameIssuer},
	} {
		key, err := ephemeral()
		must(t, err)
		cert, err := s.client.issue(t.Context(), s.both(t, 2), key, s.token(t, c.claims))
		must(t, err)
		if cert.subject != c.subject || cert.issuer != c.issuer {
			t.Errorf("for %q of %q", cert.subject, cert.issuer)
		}
		if !cert.leaf.NotBefore.Equal(s.now) || !cert.leaf.NotAfter.Equal(s.now.Add(10*time.Minute)) {
			t.Errorf("valid from %s to %s", cert.leaf.NotBefore, cert.leaf.NotAfter)
		}
	}
}

// What cannot work is not asked for.
func TestIssueNothing(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	services := s.both(t, 2)
	key, err := ephemeral()
	must(t, err)
	if _, err := s.client.issue(t.Context(), services, key, Token{}); err == nil || !strings.Contains(err.Error(), "no identity token") {
		t.Errorf("without a token: %v", err)
	}
	token := s.token(t, nil)
	for name, key := range map[string]*Key{"nil": nil, "zero": {}} {
		if _, err := s.client.issue(t.Context(), services, key, token); err == nil || strings.Contains(err.Error(), "Fulcio") {
			t.Errorf("%s key: %v", name, err)
		}
		if _, err := s.client.seal(t.Context(), message(), key, nil, services); err == nil || strings.Contains(err.Error(), " at ") {
			t.Errorf("%s key: %v", name, err)
		}
	}
	// The library refuses it, and Fulcio was not asked.
	_, err = s.client.issue(t.Context(), services, key, s.token(t, map[string]any{"iss": sigstoretest.EmailIssuer, "sub": "1", "email": "a@b", "email_verified": false}))
	if e := (*ServiceError)(nil); err == nil || errors.As(err, &e) || !strings.Contains(err.Error(), "not verified") {
		t.Errorf("an address that nobody has verified: %v", err)
	}
	if n := s.Requests(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// What Fulcio answers must be a certificate for this key, of one name, an issuer
// and a short life.
func TestReadCertificate(t *testing.T) {
	t.Parallel()
	key, err := ephemeral()
	must(t, err)
	ca, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	now := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	text := func(s string) []byte {
		b, err := asn1.MarshalWithParams(s, "utf8")
		must(t, err)
		return b
	}
	ext := func(last int, value []byte) pkix.Extension {
		return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, last}, Value: value}
	}
	uri := func(s string) []*url.URL {
		u, err := url.Parse(s)
		must(t, err)
		return []*url.URL{u}
	}
	other, err := cryptoutils.MarshalOtherNameSAN("dev!example.com", true)
	must(t, err)
	for _, c := range []struct {
		name            string
		change          func(*x509.Certificate)
		subject, issuer string
		err             string
	}{
		{"as it should be", func(*x509.Certificate) {}, "https://a.example/w", "https://issuer.example", ""},
		{"older issuer", func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{ext(1, []byte("https://old.example"))} }, "https://a.example/w", "https://old.example", ""},
		{"both issuers", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{ext(1, []byte("https://old.example")), ext(8, text("https://new.example"))}
		}, "https://a.example/w", "https://new.example", ""},
		{"e-mail", func(c *x509.Certificate) { c.URIs, c.EmailAddresses = nil, []string{"a@b.example"} }, "a@b.example", "https://issuer.example", ""},
		{"otherName", func(c *x509.Certificate) { c.URIs, c.ExtraExtensions = nil, append(c.ExtraExtensions, *other) }, "dev!example.com", "https://issuer.example", ""},
		{"no name", func(c *x509.Certificate) { c.URIs = nil }, "", "", "is for 0 names"},
		{"two names", func(c *x509.Certificate) { c.URIs = append(c.URIs, uri("https://b.example")...) }, "", "", "is for 2 names"},
		{"name and address", func(c *x509.Certificate) { c.EmailAddresses = []string{"a@b.example"} }, "", "", "is for 2 names"},
		{"name and host", func(c *x509.Certificate) { c.DNSNames = []string{"b.example"} }, "", "", "not for one"},
		{"host", func(c *x509.Certificate) { c.URIs, c.DNSNames = nil, []string{"b.example"} }, "", "", "not for one"},
		{"IP", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(1, 2, 3, 4)} }, "", "", "not for one"},
		{"long name", func(c *x509.Certificate) { c.URIs = uri("https://a.example/" + strings.Repeat("a", maxName)) }, "", "", "more than 2048 bytes"},
		{"no issuer", func(c *x509.Certificate) { c.ExtraExtensions = nil }, "", "", "does not say who issued"},
		{"empty issuer", func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{ext(8, text(""))} }, "", "", "does not say who issued"},
		{"bare issuer", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{ext(8, []byte("https://issuer.example"))}
		}, "", "", "malformed"},
		{"issuer and more", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{ext(8, append(text("https://issuer.example"), 0))}
		}, "", "", "malformed"},
		{"long issuer", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{ext(8, text(strings.Repeat("a", maxName+1)))}
		}, "", "", "does not say who issued"},
		{"authority", func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }, "", "", "an authority"},
		{"years", func(c *x509.Certificate) { c.NotAfter = now.AddDate(1, 0, 0) }, "", "", "no short life"},
		{"no life", func(c *x509.Certificate) { c.NotAfter = c.NotBefore }, "", "", "no short life"},
		{"large", func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, ext(99, bytes.Repeat([]byte("x"), maxCertificate)))
		}, "", "", "more than 65536 bytes"},
	} {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now, NotAfter: now.Add(10 * time.Minute), URIs: uri("https://a.example/w"),
			ExtraExtensions: []pkix.Extension{ext(8, text("https://issuer.example"))}}
		c.change(template)
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.GetPublicKey(), ca)
		must(t, err)
		cert, err := readCertificate(der, key)
		if c.err != "" {
			if err == nil || cert != nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil || cert.subject != c.subject || cert.issuer != c.issuer {
			t.Errorf("%s: %+v, %v", c.name, cert, err)
		}
	}
	if _, err := readCertificate([]byte("x"), key); err == nil || !strings.Contains(err.Error(), "holds no certificate") {
		t.Errorf("no certificate: %v", err)
	}
}

// A Fulcio that gives somebody else's certificate, or none.
func TestIssueWrong(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	_, other := s.certified(t)
	answer := func(certificates ...string) []byte {
		b, err := json.Marshal(map[string]any{"signedCertificateEmbeddedSct": map[string]any{"chain": map[string]any{"certificates": certificates}}})
		must(t, err)
		return b
	}
	for words, body := range map[string][]byte{
		"for another key":       answer(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.leaf.Raw}))),
		"no certificates":       answer(),
		"unable to parse":       answer("x"),
		"holds no certificate":  answer(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}))),
		"more than 65536 bytes": answer(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: make([]byte, maxCertificate+1)}))),
	} {
		s.Fulcio.Reset()
		s.Fulcio.Inject(sigstoretest.Fault{Body: body})
		key, err := ephemeral()
		must(t, err)
		_, err = s.client.issue(t.Context(), s.both(t, 2), key, s.token(t, nil))
		checkRefusal(t, steps()[0], s.Fulcio, err, verify.Unavailable, words, "")
	}
}

// Of which tokens it is known whom Fulcio certifies.
func TestTokenCertified(t *testing.T) {
	t.Parallel()
	const (
		github, gitlab = "https://token.actions.githubusercontent.com", "https://gitlab.com"
		workflow       = "acme/app/.github/workflows/release.yml@refs/heads/main"
	)
	for _, tc := range []struct {
		token           Token
		subject, issuer string
		ok              bool
	}{
		{Token{issuer: github, workflow: workflow}, "https://github.com/" + workflow, github, true},
		{Token{issuer: github, workflow: workflow}, "https://github.com/" + workflow + "x", github, false},
		{Token{issuer: github, workflow: workflow}, "https://github.com/" + workflow, gitlab, false},
		{Token{issuer: github}, "https://github.com/" + workflow, github, false},
		{Token{issuer: gitlab}, "https://gitlab.com/a//.gitlab-ci.yml@refs/heads/main", gitlab, true},
		{Token{issuer: gitlab}, "https://gitlab.com/a//.gitlab-ci.yml@refs/heads/main", github, false},
		{Token{issuer: "https://oauth2.sigstore.dev/auth"}, "a@example.com", "https://accounts.google.com", true},
	} {
		if err := tc.token.certified(&certificate{subject: tc.subject, issuer: tc.issuer}); (err == nil) != tc.ok {
			t.Errorf("%s %s: %s (%s): %v", tc.token.issuer, tc.token.workflow, tc.subject, tc.issuer, err)
		}
	}
}
