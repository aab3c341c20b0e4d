package notation

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/notaryproject/notation-core-go/revocation/purpose"

	"github.com/boltseal/boltseal/internal/notationtest"
)

// A list that anybody may have written leads to a handful of requests, however
// many addresses of changes it names.
func TestFreshest(t *testing.T) {
	t.Parallel()
	a, err := notationtest.NewAuthority(notationtest.AuthorityOptions{CRLServers: []string{"http://crl.test/"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		named, asked int32
		want         string
	}{
		{2, 2, "status code: 404"},
		{50, maxListRequests - 1, "more than 8 requests"},
		{20000, 0, "at most 4096 are read"},
	} {
		t.Run(fmt.Sprint(tc.named), func(t *testing.T) {
			t.Parallel()
			list := listWith(t, a, tc.named)
			var asked atomic.Int32
			results, err := newAsker(roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Host == "crl.test" {
					return respond(http.StatusOK, bytes.NewReader(list), ""), nil
				}
				asked.Add(1)
				return respond(http.StatusNotFound, strings.NewReader(""), ""), nil
			}), "x").ask(t.Context(), purpose.CodeSigning, a.Chain, time.Time{})
			if err != nil || statuses(results) != "Unknown NonRevokable" || !strings.Contains(whyUnknown(results), tc.want) {
				t.Errorf("%s, %v: %s", statuses(results), err, whyUnknown(results))
			}
			if asked.Load() != tc.asked {
				t.Errorf("%d requests elsewhere, want %d", asked.Load(), tc.asked)
			}
		})
	}
}

// listWith returns a list that names n addresses of changes to it. It is by one
// who has no say.
func listWith(t *testing.T, a *notationtest.Authority, n int32) []byte {
	t.Helper()
	type name struct {
		Full []asn1.RawValue `asn1:"optional,tag:0"`
	}
	type point struct {
		Name name `asn1:"optional,tag:0"`
	}
	var points []point
	for i := range n {
		points = append(points, point{name{[]asn1.RawValue{{Tag: 6, Class: asn1.ClassContextSpecific, Bytes: fmt.Appendf(nil, "http://victim.test/%d", i)}}}})
	}
	value, err := asn1.Marshal(points)
	if err != nil {
		t.Fatal(err)
	}
	issuer := *a.Leaf()
	issuer.KeyUsage, issuer.SubjectKeyId = x509.KeyUsageCRLSign, []byte{1}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour),
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 46}, Value: value}},
	}, &issuer, a.Key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
