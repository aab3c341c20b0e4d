package notation_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"testing"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/pkitest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/verify"
)

// What stands in the chain above the certificate that is trusted is anybody's:
// a stranger's certificate for the true root's key sends nobody anywhere.
func TestAboveTheAnchor(t *testing.T) {
	t.Parallel()
	k := revocationOf(t)
	a := certified(t, notationtest.AuthorityOptions{Intermediates: 1, Revocation: k, OCSP: true})
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	root := a.Root()
	authority := func(c *x509.Certificate) *x509.Certificate {
		c.NotBefore, c.NotAfter, c.KeyUsage = root.NotBefore, root.NotAfter, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
		c.BasicConstraintsValid, c.IsCA = true, true
		return c
	}
	template := authority(&x509.Certificate{Subject: pkix.Name{CommonName: "Evil"}})
	evil := must[*x509.Certificate](t)(pkitest.Issue(template, template, key.Public(), key))
	cross := must[*x509.Certificate](t)(pkitest.Issue(authority(&x509.Certificate{
		RawSubject: root.RawSubject, SubjectKeyId: root.SubjectKeyId, OCSPServer: []string{k.URL() + "/stranger"}, CRLDistributionPoints: []string{k.URL() + "/stranger.crl"},
	}), evil, root.PublicKey, key))

	w := newWorld(t, registrytest.Options{})
	var envelope, header map[string]json.RawMessage
	body := must[[]byte](t)(a.Sign(w.desc, notationtest.SignOptions{}))
	for _, step := range []error{json.Unmarshal(body, &envelope), json.Unmarshal(envelope["header"], &header)} {
		if step != nil {
			t.Fatal(step)
		}
	}
	header["x5c"] = must[[]byte](t)(json.Marshal([][]byte{a.Chain[0].Raw, a.Chain[1].Raw, cross.Raw, evil.Raw}))
	envelope["header"] = must[[]byte](t)(json.Marshal(header))
	if _, err := notationtest.Push(w.reg, "team/app", w.desc, must[[]byte](t)(json.Marshal(envelope)), notationtest.JWS); err != nil {
		t.Fatal(err)
	}
	c := trusting(t, a)
	c.Certificates = a.Chain[1:2]
	wantVerdict(t, w.verify(c), verify.Verified, "revocation:checked")
	seen := k.Requests()
	for _, r := range seen {
		if len(r.Path) > 9 && r.Path[:9] == "/stranger" {
			t.Errorf("%s %s was asked", r.Method, r.Path)
		}
	}
	if len(seen) != 2 {
		t.Errorf("%d requests, for the leaf and for whom is trusted", len(seen))
	}
}
