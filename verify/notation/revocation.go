package notation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/notaryproject/notation-core-go/revocation"
	"github.com/notaryproject/notation-core-go/revocation/crl"
	"github.com/notaryproject/notation-core-go/revocation/purpose"
	"github.com/notaryproject/notation-core-go/revocation/result"
	"golang.org/x/crypto/ocsp"

	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/certfile"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// A Revocation says what becomes of a signature when no server says whether a
// certificate was revoked. What was revoked is refused by Strict and Soft.
type Revocation string

// The Revocations; "" is Strict.
const (
	Strict Revocation = "strict" // it is refused: verify.Unavailable
	Soft   Revocation = "soft"   // it counts, and the evidence says so
	Skip   Revocation = "skip"   // nobody is asked
)

// ParseRevocation reads a Revocation; "" is Strict.
func ParseRevocation(s string) (Revocation, error) {
	switch r := Revocation(s); r {
	case "":
		return Strict, nil
	case Strict, Soft, Skip:
		return r, nil
	}
	return "", &verify.Error{Op: "read revocation", Hint: "write strict, soft or skip", Err: fmt.Errorf("there is no %s", quoted(s))}
}

// A Timestamp says when a signature needs a time stamp authority's
// countersignature. It has no effect where none is trusted.
type Timestamp string

// The Timestamps; "" is Always.
const (
	Always      Timestamp = "always"
	AfterExpiry Timestamp = "after-expiry" // once a certificate has expired
)

// ParseTimestamp reads a Timestamp; "" is Always.
func ParseTimestamp(s string) (Timestamp, error) {
	switch t := Timestamp(s); t {
	case "":
		return Always, nil
	case Always, AfterExpiry:
		return t, nil
	}
	return "", &verify.Error{Op: "read timestamp", Hint: "write always or after-expiry", Err: fmt.Errorf("there is no %s", quoted(s))}
}

const (
	// revocationTimeout bounds one question to a server, with all redirects and
	// the whole answer.
	revocationTimeout = 10 * time.Second
	// maxPatience bounds how long servers are waited for in all, for the signatures
	// of one manifest.
	maxPatience = 30 * time.Second
	// maxRedirects bounds how often a server may send elsewhere.
	maxRedirects = 3
	// maxOCSP bounds the answer to an OCSP request, in bytes.
	maxOCSP = 64 << 10
	// maxCRL bounds a revocation list, in bytes.
	maxCRL = 32 << 20
	// maxListRequests bounds the requests for a list, with all redirects, and the
	// list of changes that it names.
	maxListRequests = 8
	// maxFreshest bounds the addresses of such lists of changes, in bytes of DER.
	maxFreshest = 4 << 10
	// maxOCSPKept and maxCRLKept bound how many answers are remembered. Whatever
	// is beyond them is asked again each time.
	maxOCSPKept = 4096
	maxCRLKept  = 64
)

// An Asker asks servers whether certificates were revoked: OCSP responders (RFC
// 6960) and those that have revocation lists (RFC 5280). Each address is asked
// once for the same thing, whatever it answers, so that an Asker is for one run.
// It may be used by several goroutines. A nil Asker asks nobody.
//
// The addresses stand in certificates. Whoever uses an Asker must have found that
// somebody trusted issued them.
type Asker struct {
	signing, stamping revocation.Validator
}

// NewAsker returns an Asker whose requests go through the proxy that it names for
// an address (nil: none) and carry userAgent. A question takes at most 11 s and
// three redirects, an answer at most 64 KiB from a responder and 32 MiB of a list.
func NewAsker(proxy func(*url.URL) (*url.URL, error), userAgent string) *Asker {
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12}, // after a redirect
		TLSHandshakeTimeout: revocationTimeout,
		DisableKeepAlives:   true, // a server is asked once, or a few times
	}
	if proxy != nil {
		transport.Proxy = func(req *http.Request) (*url.URL, error) { return proxy(req.URL) }
	}
	return newAsker(transport, userAgent)
}

func newAsker(transport http.RoundTripper, userAgent string) *Asker {
	client := func(t http.RoundTripper) *http.Client {
		return &http.Client{Transport: t, Timeout: revocationTimeout, CheckRedirect: redirect}
	}
	silent := &silence{}
	lists := client(&bounded{next: transport, userAgent: userAgent, max: maxCRL, silent: silent})
	responders := client(&remembered{next: &bounded{next: transport, userAgent: userAgent, max: maxOCSP, silent: silent}, memo: memo[reply]{max: maxOCSPKept}})
	// The memo has the same limit for one address, and takes note of a silence
	// before it hands that on: it must be the first to end.
	responders.Timeout += time.Second
	fetcher := &listFetcher{client: lists, memo: memo[*crl.Bundle]{max: maxCRLKept}}
	return &Asker{signing: validator(purpose.CodeSigning, responders, fetcher), stamping: validator(purpose.Timestamping, responders, fetcher)}
}

// validator returns notation-core-go's check for chains of one purpose; nil,
// which asks nobody, where that refuses its options.
func validator(what purpose.Purpose, responders *http.Client, lists crl.Fetcher) revocation.Validator {
	v, err := revocation.NewWithOptions(revocation.Options{OCSPHTTPClient: responders, CRLFetcher: lists, CertChainPurpose: what})
	if err != nil {
		return nil
	}
	return v
}

// redirect bounds redirects, and where they lead.
func redirect(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("redirected more than %d times", maxRedirects)
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return fmt.Errorf("redirected to %s", quoted(req.URL.Scheme+"://"))
	}
	return nil
}

// ask returns what is known of each certificate of chain, which goes from the
// leaf to the root, the same in number and order. An error says that nothing is
// known of any. signedAt is when the signature was made, if somebody trusted says
// so, else zero: what was revoked later may count (RFC 5280, 5.3.2).
func (a *Asker) ask(ctx context.Context, what purpose.Purpose, chain []*x509.Certificate, signedAt time.Time) (results []*result.CertRevocationResult, err error) {
	var v revocation.Validator
	if a != nil {
		v = map[purpose.Purpose]revocation.Validator{purpose.CodeSigning: a.signing, purpose.Timestamping: a.stamping}[what]
	}
	if v == nil {
		return nil, errors.New("nobody is asked whether certificates were revoked")
	}
	// notation-core-go panics where an address cannot be parsed
	// (checkStatusFromServer), and where a revocation list has no number.
	ctx = context.WithValue(ctx, chainKey{}, chain)
	if p, ok := ctx.Value(patienceKey{}).(*patience); ok {
		var stop func()
		ctx, stop = p.start(ctx)
		defer stop()
	}
	err = hostile.Safely(func() (err error) {
		results, err = v.ValidateContext(ctx, revocation.ValidateContextOptions{CertChain: chain, AuthenticSigningTime: signedAt})
		return err
	})
	if err == nil && len(results) != len(chain) {
		err = fmt.Errorf("something is known of %d certificates, where %d are asked for", len(results), len(chain))
	}
	if err != nil {
		return nil, err
	}
	return results, nil
}

// A patience is how long servers are still waited for. It is for one goroutine.
type patience struct{ left time.Duration }

// A patienceKey is the key of a *patience in a context.
type patienceKey struct{}

// patient returns ctx with all the patience that one manifest gets.
func patient(ctx context.Context) context.Context {
	return context.WithValue(ctx, patienceKey{}, &patience{left: maxPatience})
}

var errPatience = fmt.Errorf("servers were waited for %v, for the signatures of one manifest", maxPatience)

// start returns a context that ends when there is no patience left.
func (p *patience) start(ctx context.Context) (context.Context, func()) {
	began := time.Now()
	ctx, stop := context.WithTimeoutCause(ctx, p.left, errPatience)
	return ctx, func() {
		stop()
		p.left -= time.Since(began)
	}
}

// A chainKey is the key of the chain that is asked about, in a context: whoever
// judges an answer needs it.
type chainKey struct{}

// answered refuses the answer of an OCSP responder that must not be believed.
// What notation-core-go leaves out is who may answer for an issuer (RFC 6960,
// 4.2.2.2): with nothing but a signature of the issuer on the responder's
// certificate, whoever stole a key could vouch for it. An answer that cannot be read
// goes no further, so that nobody reads another part of it than this has.
func answered(body []byte, chain []*x509.Certificate, now time.Time) error {
	why := errors.New("nobody is asked about")
	known := false
	for i := 1; i < len(chain); i++ {
		cert, issuer := chain[i-1], chain[i]
		answer, err := ocsp.ParseResponseForCert(body, cert, issuer)
		if err != nil {
			// Of several reasons, that of the certificate that it is about.
			if _, other := ocsp.ParseResponseForCert(body, cert, nil); i == 1 || other == nil {
				why = err
			}
			continue
		}
		if err := mayAnswer(answer.Certificate, issuer, now); err != nil {
			return err
		}
		known = true
	}
	if !known {
		return fmt.Errorf("the answer cannot be read: %w", why)
	}
	return nil
}

// mayAnswer refuses a responder's certificate, which issuer has signed, if issuer
// has not made it for that. With nil the issuer itself has answered.
func mayAnswer(responder, issuer *x509.Certificate, now time.Time) error {
	switch {
	case responder == nil, bytes.Equal(responder.RawSubjectPublicKeyInfo, issuer.RawSubjectPublicKeyInfo):
		return nil
	case !slices.Contains(responder.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return fmt.Errorf("the answer is by %s, which its issuer has not made for that (extended key usage OCSPSigning)", certfile.Title(responder))
	case now.Before(responder.NotBefore) || now.After(responder.NotAfter):
		return fmt.Errorf("the answer is by %s, which is valid from %s to %s", certfile.Title(responder), responder.NotBefore.UTC().Format(time.RFC3339), responder.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// A silence keeps the servers that have let a question time out, which are not
// asked again: each would be waited for, for every certificate that names it.
type silence struct {
	mu    sync.Mutex
	hosts map[string]bool
}

func (s *silence) of(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hosts[host]
}

// heard takes note of err, with which a question to host has ended.
func (s *silence) heard(host string, err error) {
	if timeout := net.Error(nil); !errors.As(err, &timeout) || !timeout.Timeout() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hosts == nil {
		s.hosts = map[string]bool{}
	}
	if len(s.hosts) < maxOCSPKept {
		s.hosts[host] = true
	}
}

// bounded sends requests in this program's name, and ends an answer that is too
// long with an error.
type bounded struct {
	next      http.RoundTripper
	userAgent string
	max       int64
	silent    *silence
}

// RoundTrip implements http.RoundTripper.
func (b *bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	host := req.URL.Host
	if b.silent.of(host) {
		return nil, fmt.Errorf("%s has not answered in %v before, and is not asked again", quoted(host), revocationTimeout)
	}
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", b.userAgent)
	resp, err := b.next.RoundTrip(req)
	if err != nil {
		b.silent.heard(host, err)
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: b.max, max: b.max, ended: func(err error) { b.silent.heard(host, err) }}
	return resp, nil
}

type boundedBody struct {
	io.ReadCloser
	left, max int64
	ended     func(error) // is told why it ended early
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("the answer is longer than %d bytes", b.max)
	}
	if err != nil {
		b.ended(err)
	}
	return n, err
}

// remembered asks each question once, and hands on what may be believed.
type remembered struct {
	next http.RoundTripper
	memo memo[reply]
}

// A reply is an answer that can be given again.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// RoundTrip implements http.RoundTripper.
func (r *remembered) RoundTrip(req *http.Request) (*http.Response, error) {
	var question []byte
	if req.Body != nil {
		var err error
		question, err = io.ReadAll(io.LimitReader(req.Body, maxOCSP))
		if closed := req.Body.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return nil, err
		}
	}
	sum := sha256.Sum256(question)
	got, err := r.memo.get(req.Context(), req.Method+" "+req.URL.String()+" "+hex.EncodeToString(sum[:]), func(ctx context.Context) (reply, error) {
		req := req.Clone(ctx)
		if question != nil {
			req.Body = io.NopCloser(bytes.NewReader(question))
		}
		resp, err := r.next.RoundTrip(req)
		if err != nil {
			return reply{}, err
		}
		defer resp.Body.Close() //nolint:errcheck // it was only read
		body, err := io.ReadAll(resp.Body)
		return reply{resp.StatusCode, resp.Header, body}, err
	})
	if err != nil {
		return nil, err
	}
	if got.status == http.StatusOK {
		chain, _ := req.Context().Value(chainKey{}).([]*x509.Certificate)
		if err := answered(got.body, chain, time.Now()); err != nil {
			return nil, err
		}
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", got.status, http.StatusText(got.status)), StatusCode: got.status, Header: got.header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(got.body)), Body: io.NopCloser(bytes.NewReader(got.body)), Request: req,
	}, nil
}

// listFetcher fetches each revocation list once.
type listFetcher struct {
	client *http.Client
	memo   memo[*crl.Bundle]
}

// Fetch implements crl.Fetcher.
func (f *listFetcher) Fetch(ctx context.Context, address string) (*crl.Bundle, error) {
	return f.memo.get(ctx, address, func(ctx context.Context) (*crl.Bundle, error) {
		client := *f.client
		client.Transport = &oneList{next: f.client.Transport, left: maxListRequests}
		fetcher, err := crl.NewHTTPFetcher(&client)
		if err != nil {
			return nil, err
		}
		return fetcher.Fetch(ctx, address)
	})
}

// oneList bounds what one list leads to: notation-core-go asks every address of
// changes that a list names (RFC 5280, 5.2.6) before anybody looks at who signed
// it, and a list goes over plain http. It is for one goroutine.
type oneList struct {
	next http.RoundTripper
	left int // requests
}

// RoundTrip implements http.RoundTripper.
func (l *oneList) RoundTrip(req *http.Request) (*http.Response, error) {
	if l.left--; l.left < 0 {
		return nil, fmt.Errorf("the list leads to more than %d requests", maxListRequests)
	}
	resp, err := l.next.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	list, err := x509.ParseRevocationList(body)
	if err != nil {
		return nil, err
	}
	for _, e := range list.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 46}) && len(e.Value) > maxFreshest { // id-ce-freshestCRL
			return nil, fmt.Errorf("the addresses of changes to the list have %d bytes, at most %d are read", len(e.Value), maxFreshest)
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// A memo remembers answers, bad ones too: a server that does not answer is not
// waited for again.
type memo[T any] struct {
	max int // answers that are remembered

	mu      sync.Mutex
	answers map[string]*answer[T]
}

type answer[T any] struct {
	ready chan struct{} // closed once the rest is there
	value T
	err   error
}

// get returns the answer to the question key, and lets ask find it where nobody
// has asked before. Several who ask at once get one answer; when one of them is
// told to stop, the others still get it.
func (m *memo[T]) get(ctx context.Context, key string, ask func(context.Context) (T, error)) (T, error) {
	m.mu.Lock()
	a := m.answers[key]
	if a == nil {
		a = &answer[T]{ready: make(chan struct{})}
		if m.answers == nil {
			m.answers = map[string]*answer[T]{}
		}
		if len(m.answers) < m.max {
			m.answers[key] = a
		}
		go a.find(context.WithoutCancel(ctx), ask)
	}
	m.mu.Unlock()
	select {
	case <-a.ready:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

func (a *answer[T]) find(ctx context.Context, ask func(context.Context) (T, error)) {
	ctx, stop := context.WithTimeout(ctx, revocationTimeout)
	defer stop()
	defer close(a.ready)
	a.err = hostile.Safely(func() (err error) { // as in Asker.ask
		a.value, err = ask(ctx)
		return err
	})
}
