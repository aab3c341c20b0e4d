package notation

import (
	"bytes"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/notaryproject/notation-core-go/revocation/purpose"
	"golang.org/x/crypto/ocsp"

	"github.com/boltseal/boltseal/internal/notationtest"
)

// Besides the issuer, only those answer for what it issued whose certificate it
// has made for that. Above all nobody answers for himself.
func TestResponders(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a, err := notationtest.NewAuthority(notationtest.AuthorityOptions{OCSPServers: []string{"http://ocsp.test/"}, Intermediates: 1})
	if err != nil {
		t.Fatal(err)
	}
	made := func(o notationtest.AuthorityOptions, usages ...x509.ExtKeyUsage) *notationtest.Authority {
		o.Leaf = func(c *x509.Certificate) { c.ExtKeyUsage = usages }
		b, err := a.Another(o)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	stranger, err := notationtest.NewAuthority(notationtest.AuthorityOptions{Leaf: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning} }})
	if err != nil {
		t.Fatal(err)
	}
	responder := made(notationtest.AuthorityOptions{}, x509.ExtKeyUsageOCSPSigning)
	for _, tc := range []struct {
		name string
		by   *notationtest.Authority
		next time.Time
		tail int // bytes after the answer
		want string
	}{
		{"for that", responder, now.Add(time.Hour), 0, "OK"},
		{"itself", a, now.Add(time.Hour), 0, "OCSPSigning"},
		{"another signer", made(notationtest.AuthorityOptions{}, x509.ExtKeyUsageCodeSigning), now.Add(time.Hour), 0, "OCSPSigning"},
		{"for anything", made(notationtest.AuthorityOptions{}, x509.ExtKeyUsageAny), now.Add(time.Hour), 0, "OCSPSigning"},
		{"for nothing", made(notationtest.AuthorityOptions{}), now.Add(time.Hour), 0, "OCSPSigning"},
		{"expired", made(notationtest.AuthorityOptions{NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour)}, x509.ExtKeyUsageOCSPSigning), now.Add(time.Hour), 0, "is valid from"},
		{"not valid yet", made(notationtest.AuthorityOptions{NotBefore: now.Add(time.Hour)}, x509.ExtKeyUsageOCSPSigning), now.Add(time.Hour), 0, "is valid from"},
		{"another authority's", stranger, now.Add(time.Hour), 0, "bad OCSP signature"},
		{"old answer", responder, now.Add(-time.Minute), 0, "expired OCSP response"},
		{"answer without an end", responder, time.Time{}, 0, "expired OCSP response"},
		{"something after it", responder, now.Add(time.Hour), 30 << 10, "trailing data"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			der, err := ocsp.CreateResponse(a.Chain[1], tc.by.Leaf(), ocsp.Response{
				SerialNumber: a.Leaf().SerialNumber, ThisUpdate: now.Add(-time.Hour), NextUpdate: tc.next, Status: ocsp.Good, Certificate: tc.by.Leaf(),
			}, tc.by.Key)
			if err != nil {
				t.Fatal(err)
			}
			der = append(der, make([]byte, tc.tail)...)
			results, err := newAsker(roundTrip(func(*http.Request) (*http.Response, error) {
				return respond(http.StatusOK, bytes.NewReader(der), ""), nil
			}), "x").ask(t.Context(), purpose.CodeSigning, a.Chain, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if tc.want == "OK" {
				if results[0].Result.String() != "OK" {
					t.Errorf("%s: %s", statuses(results), whyUnknown(results))
				}
			} else if results[0].Result.String() != "Unknown" || !strings.Contains(whyUnknown(results), tc.want) {
				t.Errorf("%s: %s, want %q", statuses(results), whyUnknown(results), tc.want)
			}
		})
	}
}
