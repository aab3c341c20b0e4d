package sigstore

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/boltseal/boltseal/internal/legible"
	"github.com/boltseal/boltseal/sign/internal/retry"
	"github.com/boltseal/boltseal/verify"
)

const (
	// attemptLimit bounds one attempt at a request, answer included.
	attemptLimit = 10 * time.Second
	// callLimit bounds all attempts together, and the waits between them.
	callLimit = 20 * time.Second
	// leastAttempt is the time that another attempt has to have.
	leastAttempt = time.Second
	// maxAttempts bounds how often a request is sent.
	maxAttempts = 5
	// firstWait is how long to wait before the second attempt; it doubles.
	firstWait = 500 * time.Millisecond

	// maxAnswer bounds the body of an answer, in bytes.
	maxAnswer = 1 << 20
	// maxDetail bounds what is kept of a service's own words, in bytes.
	maxDetail = 300
)

// A service is a kind of server, as people know it.
type service string

const (
	fulcio service = "Fulcio"
	rekor  service = "Rekor"
	tsa    service = "timestamp authority"
)

// A ServiceError is a service that did not give what signing needs. Its text has
// no secrets: neither the token, nor what a service repeats of it.
type ServiceError struct {
	Service  string // "Fulcio", "Rekor", "timestamp authority"
	Host     string // with the port, if the address has one
	Status   int    // HTTP status of the last answer, 0 if there was none
	Attempts int    // how often it was asked
	// Detail is the service's own words, at most 300 bytes and printable.
	Detail string
	// Err is the cause where there is no status that says it: no connection, no
	// answer in time, an answer that cannot be used.
	Err error

	hint string
}

func (e *ServiceError) Error() string {
	s := e.Service + " at " + e.Host
	switch {
	case e.Status != 0 && e.Err == nil:
		s += " answered " + strings.TrimSpace(strconv.Itoa(e.Status)+" "+http.StatusText(e.Status))
	case e.Err != nil:
		s += ": " + e.Err.Error()
	}
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	if e.Attempts > 1 {
		s += fmt.Sprintf(", asked %d times", e.Attempts)
	}
	return s
}

// Unwrap returns the cause.
func (e *ServiceError) Unwrap() error { return e.Err }

// Reason tells a service that refuses ([verify.Denied]) from one that gives no
// usable answer ([verify.Unavailable]).
func (e *ServiceError) Reason() verify.Reason {
	switch {
	case e.Err != nil, e.Status < 400, e.Status >= 500:
		return verify.Unavailable
	}
	switch e.Status {
	case http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return verify.Unavailable
	}
	return verify.Denied
}

// Hint returns the next step.
func (e *ServiceError) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	return advice(e)
}

// What became of an attempt, for errors.Is.
var (
	errNoAnswer = errors.New("no answer")
	errTooLong  = errors.New("the answer is too long")
	errRedirect = errors.New("the answer is a redirect, which is not followed")
	errUnsafe   = errors.New("the address is neither https nor on this machine")
	errPatience = errors.New("the service asks to wait longer than signing does")
)

const runAgain = "run it again: what is signed already stays as it is"

// advice returns the next step after e.
func advice(e *ServiceError) string {
	var (
		dns    *net.DNSError
		record tls.RecordHeaderError
		cert   *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(e.Err, context.Canceled):
		return runAgain
	case errors.Is(e.Err, errRedirect), errors.Is(e.Err, errUnsafe):
		return "give a signing config with the final https address of the service (--signing-config)"
	case errors.As(e.Err, &dns) && dns.IsNotFound:
		return "check the signing config: there is no host " + e.Host + " here"
	case errors.As(e.Err, &record), errors.Is(e.Err, http.ErrSchemeMismatch):
		return "check the address in the signing config: the service does not speak TLS"
	case errors.As(e.Err, &cert):
		return "check the address in the signing config, and whether a proxy between replaces certificates; its certificate authority has to be one that this machine trusts"
	case errors.Is(e.Err, errNoAnswer) && e.Service == string(fulcio):
		return runAgain + "; Fulcio also does not answer while its certificate transparency log is down, so look at the status pages of both"
	case e.Err != nil:
		return runAgain + "; if it lasts, check that " + e.Host + " can be reached from here (proxy, firewall, status page)"
	}
	switch e.Status {
	case http.StatusTooManyRequests:
		return "wait, and sign fewer images at once (--jobs); " + runAgain
	case http.StatusNotFound:
		return "check the signing config: " + e.Host + " does not have the interface of a " + e.Service
	}
	switch {
	case e.Status >= 500 && e.Service == string(fulcio):
		return runAgain + "; if it lasts, look at the status pages of " + e.Host + " and of its certificate transparency log"
	case e.Status >= 500:
		return runAgain + "; if it lasts, look at the status page of " + e.Host
	case e.Service == string(fulcio) && e.Status == http.StatusForbidden:
		return "ask who runs " + e.Host + " whether this token's issuer and subject may get certificates there"
	case e.Service == string(fulcio):
		return "look into the identity token: it may have expired, be for another audience than \"sigstore\" (--oidc-client-id), or be of an issuer that " + e.Host + " does not know"
	case e.Service == string(rekor) && e.Status == http.StatusMethodNotAllowed:
		return "take the signing config of today: this log is closed"
	case e.Service == string(rekor):
		return "sign with another kind of key, or with another log: this one does not take the entry"
	}
	return "check the signing config: " + e.Host + " refuses the request"
}

// A call is one request to one service.
type call struct {
	service service
	method  string
	url     string
	header  http.Header
	body    []byte

	limit   int64         // of the answer's body; 0 means maxAnswer
	attempt time.Duration // bounds one attempt; 0 means attemptLimit
	// settled reports whether a status is an answer to return; nil: 2xx is.
	settled func(status int) bool
	// again reports whether a status is worth another attempt besides those that
	// always are; nil: none is.
	again func(status int) bool
}

// An answer is the whole of a response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do asks until there is an answer, or until asking again is no use; then it
// returns a *ServiceError. Connection errors, time-outs, 408, 425, 429 and 5xx
// are worth it: what is asked of these services may be asked twice.
func (c *Client) do(ctx context.Context, q call) (answer, error) {
	u, err := url.Parse(q.url)
	if err != nil || u.Host == "" {
		return answer{}, &ServiceError{Service: string(q.service), Host: clean(q.url), Err: errors.New("this is no address")}
	}
	e := &ServiceError{Service: string(q.service), Host: u.Host}
	if !private(u) {
		e.Err = errUnsafe
		return answer{}, e
	}
	if q.limit == 0 {
		q.limit = maxAnswer
	}
	if q.attempt == 0 {
		q.attempt = attemptLimit
	}
	var spent time.Duration // what was waited counts even where a test does not wait
	for {
		e.Attempts++
		limit := min(q.attempt, callLimit-spent)
		begun := time.Now()
		a, err := c.once(ctx, q, limit)
		if errors.Is(err, errNoAnswer) {
			spent += limit
		} else {
			spent += time.Since(begun)
		}
		e.Status, e.Detail, e.Err = a.status, "", q.scrub(err)
		switch {
		case ctx.Err() != nil:
			e.Err = context.Cause(ctx)
			return answer{}, e
		case err == nil && q.accepts(a.status):
			return a, nil
		case err == nil && a.status/100 == 3:
			e.Err = errRedirect
			return answer{}, e
		case err == nil:
			e.Detail = q.detail(a)
			if !retryable(a.status) && (q.again == nil || !q.again(a.status)) {
				return answer{}, e
			}
		case hopeless(err):
			return answer{}, e
		}
		wait := max(backoff(e.Attempts), retry.After(a.header.Get("Retry-After")))
		switch {
		case e.Attempts >= maxAttempts:
			return answer{}, e
		case spent+wait+leastAttempt > callLimit:
			if wait > backoff(e.Attempts) {
				e.Err = fmt.Errorf("answered %d: %w (%s)", e.Status, errPatience, wait.Round(time.Second))
				e.hint = fmt.Sprintf("run it again in %s: what is signed already stays as it is", wait.Round(time.Second))
			}
			return answer{}, e
		}
		if err := c.sleep(ctx, wait); err != nil {
			e.Err = err
			return answer{}, e
		}
		spent += wait
	}
}

// backoff returns how long to wait after so many attempts.
func backoff(attempts int) time.Duration { return firstWait << (attempts - 1) }

func retryable(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500 && status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported
}

// hopeless reports whether another attempt would fail in the same way.
func hopeless(err error) bool {
	var (
		dns    *net.DNSError
		record tls.RecordHeaderError
		cert   *tls.CertificateVerificationError
	)
	return errors.Is(err, errTooLong) || errors.As(err, &dns) && dns.IsNotFound || errors.As(err, &record) || errors.As(err, &cert)
}

func (q call) accepts(status int) bool {
	if q.settled != nil && q.settled(status) {
		return true
	}
	return status/100 == 2
}

// once makes one attempt. It asks the transport, not an http.Client, so that a
// redirect is an answer like others.
func (c *Client) once(ctx context.Context, q call, limit time.Duration) (answer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := c.after(limit, func() { cancel(errNoAnswer) })
	defer stop()
	a, err := c.exchange(ctx, q)
	if err != nil && errors.Is(context.Cause(ctx), errNoAnswer) {
		return answer{}, fmt.Errorf("%w within %s", errNoAnswer, limit.Round(time.Second/10))
	}
	return a, err
}

func (c *Client) exchange(ctx context.Context, q call) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, q.method, q.url, bytes.NewReader(q.body))
	if err != nil {
		return answer{}, err
	}
	for name, values := range q.header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", c.agent)
	resp, err := c.base.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end or given up
	a := answer{status: resp.StatusCode, header: resp.Header}
	limit := q.limit
	if !q.accepts(a.status) {
		limit = 64 << 10 // of which some words are kept
	}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case !q.accepts(a.status):
		return a, nil // the status says it
	case err != nil:
		return answer{}, fmt.Errorf("the answer was cut off: %w", err)
	case int64(len(a.body)) > limit:
		return answer{}, fmt.Errorf("%w: more than %d bytes", errTooLong, limit)
	}
	return a, nil
}

// detail returns what a service says of its refusal: the message of the JSON that
// Fulcio, Rekor and the timestamp authority answer, or else the first line.
func (q call) detail(a answer) string {
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	if kind == "text/html" {
		return "" // a proxy's page
	}
	var v struct {
		Message string `json:"message"`
	}
	text := string(a.body)
	if json.Unmarshal(a.body, &v) == nil {
		text = v.Message
	}
	return q.clean(text)
}

// A cause is an error whose text is fit to be shown. Those of net/http quote
// what a server sent that is no HTTP.
type cause struct {
	text string
	err  error
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.err }

func (q call) scrub(err error) error {
	if err == nil {
		return nil
	}
	return &cause{q.clean(err.Error()), err}
}

// clean returns text without the secrets that the request held; see clean.
func (q call) clean(text string) string {
	for _, field := range strings.Fields(q.header.Get("Authorization")) {
		for _, part := range append(strings.Split(field, "."), field) {
			if len(part) >= 16 {
				text = strings.ReplaceAll(text, part, "***")
			}
		}
	}
	return clean(text)
}

// clean returns text from outside on one line, without what looks like a token.
func clean(text string) string { return legible.Words(text, maxDetail) }

// A binding is an http.RoundTripper for the library's clients of one service:
// they neither pass on the context nor say who did not answer. It is for one
// goroutine.
type binding struct {
	c       *Client
	ctx     context.Context //nolint:containedctx // the library's requests have none
	service service
	asked   string // the address that was asked last
}

// RoundTrip implements http.RoundTripper. What is no success is an error.
func (b *binding) RoundTrip(req *http.Request) (*http.Response, error) {
	b.asked = req.URL.String()
	var body []byte
	if req.Body != nil {
		var err error
		body, err = io.ReadAll(req.Body)
		_ = req.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	a, err := b.c.do(b.ctx, call{service: b.service, method: req.Method, url: b.asked, header: req.Header, body: body})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Header: a.header, Request: req,
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}
