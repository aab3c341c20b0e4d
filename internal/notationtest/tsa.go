package notationtest

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/notaryproject/tspclient-go"

	"github.com/boltseal/boltseal/internal/pkitest"
)

// TSAOptions say what a TSA is like. The zero TSAOptions make a root and a leaf
// that are valid now.
type TSAOptions struct {
	// CANotBefore and CANotAfter are the root's; zero is ten years before and
	// after now. The signing certificate is always valid: see pkitest.TSALeaf.
	CANotBefore, CANotAfter time.Time
	// Accuracy is what tokens say about their time; 0 is a second.
	Accuracy time.Duration
	// Now is the clock; nil is the wall's.
	Now func() time.Time
	// Revocation, OCSP and CRL are as in AuthorityOptions.
	Revocation *Revocation
	OCSP, CRL  bool
	// Leaf may change the signing certificate before it is signed.
	Leaf func(*x509.Certificate)
}

// A TSA is a time-stamping authority of RFC 3161, in process and over HTTP. It
// may be used from several goroutines at once.
type TSA struct {
	// Chain is the certificate that signs and the root, in this order.
	Chain []*x509.Certificate

	tsa pkitest.TSA
	now func() time.Time
}

var (
	_ tspclient.Timestamper = (*TSA)(nil)
	_ http.Handler          = (*TSA)(nil)
)

// NewTSA makes a TSA.
func NewTSA(o TSAOptions) (*TSA, error) {
	now := time.Now()
	if o.CANotBefore.IsZero() {
		o.CANotBefore = now.AddDate(-10, 0, 0)
	}
	if o.CANotAfter.IsZero() {
		o.CANotAfter = now.AddDate(10, 0, 0)
	}
	if o.Accuracy == 0 {
		o.Accuracy = time.Second
	}
	template, err := pkitest.TSALeaf(pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{"Clock"}, CommonName: "clock"})
	if err != nil {
		return nil, err
	}
	a, err := NewAuthority(AuthorityOptions{
		CA: "Clock CA", CANotBefore: o.CANotBefore, CANotAfter: o.CANotAfter,
		Revocation: o.Revocation, OCSP: o.OCSP, CRL: o.CRL,
		Leaf: func(c *x509.Certificate) {
			template.OCSPServer, template.CRLDistributionPoints = c.OCSPServer, c.CRLDistributionPoints
			*c = *template
			if o.Leaf != nil {
				o.Leaf(c)
			}
		},
	})
	if err != nil {
		return nil, err
	}
	t := &TSA{Chain: a.Chain, now: o.Now, tsa: pkitest.TSA{
		Chain: a.Chain, Key: a.Key, Policy: asn1.ObjectIdentifier{1, 2, 3, 4, 1}, Accuracy: o.Accuracy,
	}}
	if t.now == nil {
		t.now = time.Now
	}
	return t, nil
}

// Root returns the certificate that a trust store of type tsa holds.
func (t *TSA) Root() *x509.Certificate { return t.Chain[len(t.Chain)-1] }

// Token returns a timestamp token for content, made at the given time; zero is
// the TSA's now.
func (t *TSA) Token(content []byte, hash crypto.Hash, at time.Time) ([]byte, error) {
	req, err := tspclient.NewRequest(tspclient.RequestOptions{Content: content, HashAlgorithm: hash})
	if err != nil {
		return nil, fmt.Errorf("notationtest: %w", err)
	}
	der, err := req.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("notationtest: %w", err)
	}
	answer, err := t.answer(der, at)
	if err != nil {
		return nil, err
	}
	var r tspclient.Response
	if err := r.UnmarshalBinary(answer); err != nil {
		return nil, fmt.Errorf("notationtest: %w", err)
	}
	return r.TimestampToken.FullBytes, nil
}

// errRequest is the mistake of one who asks a TSA.
var errRequest = errors.New("notationtest: no timestamp request")

func (t *TSA) answer(der []byte, at time.Time) ([]byte, error) {
	req, err := timestamp.ParseRequest(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRequest, err)
	}
	if at.IsZero() {
		at = t.now()
	}
	return t.tsa.Answer(req, at)
}

// ServeHTTP implements http.Handler, as RFC 3161 section 3.4 has it.
func (t *TSA) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		return
	}
	answer, err := t.answer(body, time.Time{})
	switch {
	case r.Method != http.MethodPost || r.Header.Get("Content-Type") != tspclient.MediaTypeTimestampQuery || errors.Is(err, errRequest):
		http.Error(w, "no timestamp request", http.StatusBadRequest)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", tspclient.MediaTypeTimestampReply)
		_, _ = w.Write(answer)
	}
}
