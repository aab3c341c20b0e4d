// Package registry asks container registries: tags, manifests, referrers and
// blobs; and it pushes the small things that signatures are made of. It is the only HTTP client of registries in this program. Whatever it
// returns has been bounded, and checked against its digest where it has one.
package registry

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/boltseal/boltseal/image"
)

// MaxBlob bounds a blob that carries a signature or an attestation, in bytes.
// SBOM attestations of real images reach several MiB.
const MaxBlob = 32 << 20

const (
	// maxManifest bounds a manifest, an index and a page of referrers, in
	// bytes: what registries accept (OCI distribution-spec, "Pushing Manifests").
	maxManifest = 4 << 20
	// maxDetail bounds what is kept of a registry's error text, in bytes.
	maxDetail = 300

	maxRedirects = 5
	maxAttempts  = 4
	maxTimeouts  = 2 // one may be a connection that got lost, two are a registry that is down
	firstWait    = 200 * time.Millisecond
	maxPushWait  = 20 * time.Second // the most of Options.Patience for a push
)

// Options say how registries are reached. The zero Options reach public
// registries over https, without credentials.
type Options struct {
	Keychain  authn.Keychain                   // nil: anonymous everywhere
	Insecure  []string                         // hosts spoken to in plain http; loopback hosts always are
	Roots     *x509.CertPool                   // nil: the system's certificate authorities
	Proxy     func(*url.URL) (*url.URL, error) // which proxy to use for an address; nil: none
	UserAgent string

	// Attempt bounds one attempt at a request, answer included. 0 means 30 s.
	Attempt time.Duration
	// Silence bounds, within an attempt, the time until an answer begins. 0 means
	// 12 s. After the second attempt that took too long there is no other.
	Silence time.Duration
	// Patience bounds what is waited before all attempts at one request together,
	// whatever Retry-After asks for. 0 means as long as the context lasts, but
	// for pushes, which never wait for more than 20 s.
	Patience time.Duration
	// Sleep waits between attempts, and before looking again at what was written;
	// nil means until d has passed or ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
}

// A Client asks registries. It is safe for concurrent use. One is made per
// run, so that connections, challenges and tokens are shared.
type Client struct {
	opts Options
	base http.RoundTripper

	mu    sync.Mutex
	hosts map[server]*host
	total Counter
	turns sync.Map // "repository:tag" that is being written -> chan struct{} of one
	blobs sync.Map // "repository@digest" of what is known to be there

	checked sync.Map // repository that could be pushed to
}

// New returns a Client that has asked nothing yet.
func New(opts Options) *Client {
	if opts.Keychain == nil {
		opts.Keychain = authn.NewMultiKeychain()
	}
	if opts.Attempt == 0 {
		opts.Attempt = 30 * time.Second
	}
	if opts.Silence == 0 {
		opts.Silence = 12 * time.Second
	}
	opts.Silence = min(opts.Silence, opts.Attempt)
	if opts.Sleep == nil {
		opts.Sleep = sleep
	}
	c := &Client{opts: opts, hosts: map[server]*host{}}
	c.base = c.transport(opts.Roots)
	return c
}

// transport returns what sends requests, and counts them, to servers for which
// one of roots vouches; nil are those of the system.
func (c *Client) transport(roots *x509.CertPool) http.RoundTripper {
	return transport.NewUserAgent(&counting{total: &c.total, inner: rewinding{&http.Transport{
		Proxy:                  proxy(c.opts.Proxy),
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        128,
		MaxIdleConnsPerHost:    64, // two requests for each of a few dozen images
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		// A compressed answer could hold far more than its size says, and its
		// digest would be that of other bytes.
		DisableCompression: true,
	}}}, c.opts.UserAgent)
}

func proxy(of func(*url.URL) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	if of == nil {
		return nil
	}
	return func(req *http.Request) (*url.URL, error) { return of(req.URL) }
}

// Requests returns how many HTTP requests c has sent: redirects, tokens and
// repeated attempts included.
func (c *Client) Requests() int { return c.total.Requests() }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// A server is who is asked: a registry, or a server of trust data. What is learned
// of one host as the former says nothing of it as the latter.
type server struct {
	name  string      // in the spelling of references: "docker.io", "127.0.0.1:5000"
	trust TrustServer // zero for a registry
}

// A place is where a query is about something: a repository of a registry, or a
// collection of trust data.
type place struct {
	server
	repository string // such as "library/alpine"; whom a token is for
}

func placeOf(repo image.Ref) place { return place{server{name: repo.Registry()}, repo.Repository()} }

func (p place) String() string { return p.name + "/" + p.repository }

// path returns what the paths of p begin with.
func (p place) path() string {
	if p.trust.IsZero() {
		return "/v2/" + p.repository + "/"
	}
	return p.trust.base + "/v2/" + escape(p.repository) + "/_trust/tuf/"
}

// A query is one request about something in a repository.
type query struct {
	op     string
	at     place
	path   string // below the place's own
	accept []string
	limit  int64
	page   bool // it is no registry that is asked
	trust  bool // it is a server of trust data that is asked

	method    string   // "" is GET
	to        *url.URL // where an upload goes on; nil: path says where
	mediaType string   // of body
	body      []byte
	push      bool              // it takes permission to push
	tag       bool              // a tag is to be changed
	good      func(answer) bool // whether an answer is worth having; nil: 200 is
}

func (q query) isGood(a answer) bool {
	if q.good != nil {
		return q.good(a)
	}
	return a.status == http.StatusOK
}

type answer struct {
	status int
	header http.Header
	url    *url.URL // after redirects
	body   []byte

	redirected bool
}

// get asks until there is an answer worth having: 200 gives it, anything else
// an *Error. A GET may always be repeated.
func (c *Client) get(ctx context.Context, q query) (answer, error) {
	return c.insist(ctx, q, c.once)
}

// insist asks by means of once, again where that may help.
func (c *Client) insist(ctx context.Context, q query, once func(context.Context, query) (answer, error)) (answer, error) {
	waited, seen := time.Duration(0), &shown{}
	ctx = remembering(ctx, seen)
	for attempt := 1; ; attempt++ {
		a, err := once(ctx, q)
		if err == nil && q.isGood(a) {
			return a, nil
		}
		e := q.failure(a, err, seen)
		wait, again := retryAfter(a, err, attempt)
		if !again || ctx.Err() != nil {
			return answer{}, e
		}
		if waited += wait; waited > c.patience(q) {
			e.Err = errors.Join(e.Err, fmt.Errorf("the wait of %s that it asks for is too long", wait.Round(time.Second)))
			return answer{}, e
		}
		if err := c.pause(ctx, wait); err != nil {
			e.Err = errors.Join(e.Err, err)
			return answer{}, e
		}
	}
}

// patience returns how long is waited for q. A job that pushes is to end in half a
// minute where it cannot.
func (c *Client) patience(q query) time.Duration {
	p := cmp.Or(c.opts.Patience, math.MaxInt64)
	if q.push {
		p = min(p, maxPushWait)
	}
	return p
}

// pause waits, unless there is not that much time.
func (c *Client) pause(ctx context.Context, wait time.Duration) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
		return fmt.Errorf("the wait of %s before the next attempt is longer than --timeout leaves", wait.Round(time.Millisecond))
	}
	return c.opts.Sleep(ctx, wait)
}

// retryAfter says whether another attempt may help and how long to wait first.
func retryAfter(a answer, err error, attempt int) (time.Duration, bool) {
	if attempt >= maxAttempts {
		return 0, false
	}
	wait := firstWait << (attempt - 1)
	wait += rand.N(wait / 2) //nolint:gosec // spreads load; nothing depends on it being unpredictable
	if err != nil {
		if te := (*transport.Error)(nil); errors.As(err, &te) { // the ping or the token service
			return wait, retryable(te.StatusCode)
		}
		var ne net.Error
		timeout := errors.As(err, &ne) && ne.Timeout()
		return wait, !hopeless(err) && !(timeout && attempt >= maxTimeouts)
	}
	if s := a.header.Get("Retry-After"); s != "" {
		if n, err := strconv.Atoi(s); err == nil && n >= 0 {
			wait = max(wait, time.Duration(min(n, 24*3600))*time.Second)
		} else if t, err := http.ParseTime(s); err == nil {
			wait = max(wait, time.Until(t))
		}
	}
	return wait, retryable(a.status)
}

func retryable(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500 && status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported &&
		status != http.StatusInsufficientStorage
}

var (
	// errNoRetry marks failures that another attempt would only repeat.
	errNoRetry = errors.New("not retried")
	// errCredentials says that this machine's own configuration gave none.
	errCredentials = errors.New("the docker configuration or its credential helper failed")
)

// hopeless reports whether another attempt would fail in the same way: the name
// does not exist, or the other side does not speak TLS as it should.
func hopeless(err error) bool {
	var (
		dns    *net.DNSError
		record tls.RecordHeaderError
		cert   *tls.CertificateVerificationError
	)
	return errors.Is(err, errNoRetry) || errors.Is(err, errCredentials) || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrCorrupt) ||
		errors.As(err, &dns) && dns.IsNotFound || errors.As(err, &record) || errors.As(err, &cert)
}

// once makes one attempt at q: authentication where it is asked for, redirects,
// and the whole body.
func (c *Client) once(ctx context.Context, q query) (answer, error) {
	// What is sent takes its time too: a quarter of a MiB a second is little.
	sending := time.Duration(len(q.body)>>18) * time.Second
	attempt, cancel := context.WithTimeout(ctx, c.opts.Attempt+sending)
	defer cancel()
	h, err := c.host(attempt, q.at.server)
	if err != nil {
		return answer{}, err
	}
	remember(ctx, h.secrets...)
	target := h.scheme + "://" + h.reg.RegistryStr() + q.at.path() + q.path
	if q.to != nil {
		target = q.to.String()
	}
	req, err := http.NewRequestWithContext(attempt, cmp.Or(q.method, http.MethodGet), target, bytes.NewReader(q.body))
	if err != nil {
		return answer{}, err
	}
	if len(q.accept) > 0 {
		req.Header.Set("Accept", strings.Join(q.accept, ", "))
	}
	if q.mediaType != "" {
		req.Header.Set("Content-Type", q.mediaType)
	}
	silence := time.AfterFunc(c.opts.Silence+sending, cancel)
	resp, err := h.do(attempt, c, q.at, req, q.push)
	if !silence.Stop() && ctx.Err() == nil {
		if err == nil {
			_ = resp.Body.Close() // its context has ended
		}
		return answer{}, fmt.Errorf("no answer within %s: %w", c.opts.Silence+sending, context.DeadlineExceeded)
	}
	if err != nil {
		if attempt.Err() != nil && ctx.Err() == nil {
			return answer{}, fmt.Errorf("no answer within %s: %w", c.opts.Attempt+sending, err)
		}
		return answer{}, err
	}
	return q.read(resp)
}

// read reads the whole of an answer.
func (q query) read(resp *http.Response) (answer, error) {
	defer resp.Body.Close() //nolint:errcheck // read to its end or given up
	wanted := resp.StatusCode == http.StatusOK && q.method == ""
	limit := q.limit
	if !wanted {
		limit = 64 << 10
	}
	if wanted && resp.ContentLength > limit {
		return answer{}, fmt.Errorf("%w: %d bytes, at most %d allowed", ErrTooLarge, resp.ContentLength, limit)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("answer cut off: %w", err)
	case wanted && int64(len(body)) > limit:
		return answer{}, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return answer{
		status: resp.StatusCode, header: resp.Header, url: resp.Request.URL, body: body,
		redirected: resp.Request.Response != nil,
	}, nil
}

// failure says what an attempt that gave no 200 means, without what was shown.
func (q query) failure(a answer, err error, seen *shown) *Error {
	e := &Error{Op: q.op, Status: a.status, Kind: ErrUnavailable, Err: scrub(err, seen), page: q.page, trust: q.trust, push: q.push}
	if te := (*transport.Error)(nil); errors.As(err, &te) {
		// The token service or the /v2/ ping refused; its error text is the
		// same kind of hostile text as a registry's.
		e.Status, e.Err = te.StatusCode, errAuthenticating
		for _, d := range te.Errors {
			e.Detail = seen.quote(string(d.Code) + ": " + d.Message)
			break
		}
	} else if err == nil {
		e.Detail = seen.quote(detail(a))
		switch {
		case q.trust:
			if r := refusal(a, seen); r != nil {
				e.Err = r
			}
		case q.push:
			e.Err = q.refusal(a.status, e.Detail)
		}
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Kind = ErrDenied
	case http.StatusNotFound:
		if !errors.Is(e.Err, errAuthenticating) && !errors.Is(e.Err, ErrIncomplete) { // the answer is about something else
			e.Kind = ErrNotFound
		}
	}
	if errors.Is(err, errCredentials) {
		e.Kind = ErrDenied
	}
	return e
}

// errAuthenticating marks a status that answers not the request itself, but the
// question for a token or a challenge before it.
var errAuthenticating = errors.New("while authenticating")

// A cause is an error whose text is fit to be shown. Those of net/http repeat
// the URL, whose query signs the request where a registry redirected to a
// store; those of the token exchange repeat what the token service sent.
type cause struct {
	text string
	err  error
}

func (c *cause) Error() string        { return c.text }
func (c *cause) Is(target error) bool { return errors.Is(c.err, target) }
func (c *cause) As(target any) bool   { return errors.As(c.err, target) }

var (
	// In the text of an error a URL stands in quotes.
	queryPattern    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[?#](?:\\.|[^"\\])*`) })
	userinfoPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`//[^/?#"]*@`) })
)

// scrub returns err without query strings, user names and passwords of URLs, and
// without what was shown: errors of net/http quote what is no HTTP.
func scrub(err error, seen *shown) error {
	if err == nil {
		return nil
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	text = userinfoPattern().ReplaceAllString(queryPattern().ReplaceAllString(text, ""), "//")
	for ue := (*url.Error)(nil); errors.As(err, &ue); {
		err = ue.Err
	}
	return &cause{seen.quote(text), err}
}

// checkRedirect bounds redirects and keeps them from leaving https, and from
// turning what was to be written into a question.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("%w: more than %d redirects", errNoRetry, maxRedirects)
	}
	if req.URL.Scheme != via[0].URL.Scheme && req.URL.Scheme != "https" {
		return fmt.Errorf("%w: redirect from %s to %s", errNoRetry, via[0].URL.Scheme, req.URL.Scheme)
	}
	if req.Method != via[0].Method {
		return fmt.Errorf("%w: redirect from %s to %s", errNoRetry, via[0].Method, req.Method)
	}
	return nil
}

func clip(s string) string {
	if len(s) > maxDetail {
		s = s[:maxDetail] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func (c *Client) insecure(registry string) bool { return slices.Contains(c.opts.Insecure, registry) }
