package notation

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/notaryproject/notation-core-go/revocation"
	"github.com/notaryproject/notation-core-go/revocation/crl"
	"github.com/notaryproject/notation-core-go/revocation/purpose"
	"github.com/notaryproject/notation-core-go/revocation/result"
	"golang.org/x/crypto/ocsp"

	"github.com/boltseal/boltseal/verify/internal/certfile"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

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
