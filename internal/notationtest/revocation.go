package notationtest

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/boltseal/boltseal/internal/servicetest"
)

// A Status is what a Revocation server says of a certificate.
type Status int

// What there is to say. A CRL can say Good and Revoked only: for an issuer of
// which any certificate is Unknown there is none.
const (
	Good Status = iota
	Revoked
	Unknown
)

// A Revocation is a server of OCSP (RFC 6960) and of CRLs (RFC 5280) for the
// authorities that name it. Its Service keeps the requests and takes faults: a
// Hold that is never closed hangs until the client gives up.
type Revocation struct {
	*servicetest.Service

	mu      sync.Mutex
	issuers []issuer
	said    map[string]Status // by serial number
}

// NewRevocation starts a server on a free loopback port. Down ends it.
func NewRevocation() (*Revocation, error) {
	r := &Revocation{said: map[string]Status{}}
	var err error
	// No ServeMux: it would redirect what has two slashes in a row, as base64 may.
	r.Service, err = servicetest.Start(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		path := req.URL.EscapedPath()
		if rest, ok := strings.CutPrefix(path, "/ocsp/"); ok {
			r.ocsp(w, req, rest)
			return
		}
		r.crl(w, req, strings.TrimPrefix(path, "/crl/"))
	}))
	if err != nil {
		return nil, fmt.Errorf("notationtest: %w", err)
	}
	return r, nil
}

// Say sets what the server says of a certificate that names it; else it is Good.
func (r *Revocation) Say(c *x509.Certificate, s Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said[c.SerialNumber.String()] = s
}

// add makes the server answer for what by issues, and returns its addresses.
func (r *Revocation) add(by issuer) (ocsp, crl string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := slices.IndexFunc(r.issuers, func(i issuer) bool { return i.cert.Equal(by.cert) })
	if n < 0 {
		n = len(r.issuers)
		r.issuers = append(r.issuers, by)
	}
	return fmt.Sprintf("%s/ocsp/%d", r.URL(), n), fmt.Sprintf("%s/crl/%d", r.URL(), n)
}

func (r *Revocation) issuer(number string) (issuer, map[string]Status, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n >= len(r.issuers) {
		return issuer{}, nil, false
	}
	said := map[string]Status{}
	for k, v := range r.said {
		said[k] = v
	}
	return r.issuers[n], said, true
}

// ocsp answers GET /ocsp/ISSUER/BASE64 and POST /ocsp/ISSUER.
func (r *Revocation) ocsp(w http.ResponseWriter, req *http.Request, path string) {
	number, encoded, _ := strings.Cut(path, "/")
	by, said, ok := r.issuer(number)
	if !ok {
		http.NotFound(w, req)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<16))
	if err == nil && req.Method == http.MethodGet {
		if encoded, err = url.PathUnescape(encoded); err == nil {
			body, err = base64.StdEncoding.DecodeString(encoded)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	q, err := ocsp.ParseRequest(body)
	if err != nil {
		_, _ = w.Write(ocsp.MalformedRequestErrorResponse)
		return
	}
	now := time.Now()
	answer := ocsp.Response{
		SerialNumber: q.SerialNumber, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour),
		Status: []int{ocsp.Good, ocsp.Revoked, ocsp.Unknown}[said[q.SerialNumber.String()]],
	}
	if answer.Status == ocsp.Revoked {
		answer.RevokedAt, answer.RevocationReason = now.Add(-2*time.Hour), ocsp.KeyCompromise
	}
	der, err := ocsp.CreateResponse(by.cert, by.cert, answer, by.key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/ocsp-response")
	_, _ = w.Write(der)
}

// crl answers GET /crl/ISSUER.
func (r *Revocation) crl(w http.ResponseWriter, req *http.Request, number string) {
	by, said, ok := r.issuer(number)
	now := time.Now()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour)}
	for serial, s := range said {
		if n, is := new(big.Int).SetString(serial, 10); is && s == Revoked {
			list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
				x509.RevocationListEntry{SerialNumber: n, RevocationTime: now.Add(-2 * time.Hour), ReasonCode: ocsp.KeyCompromise})
		}
		ok = ok && s != Unknown
	}
	if !ok {
		http.NotFound(w, req)
		return
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, by.cert, by.key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/pkix-crl")
	_, _ = w.Write(der)
}
