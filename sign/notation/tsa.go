package notation

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/tspclient-go"

	"github.com/boltseal/boltseal/internal/legible"
	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/sign/internal/retry"
	"github.com/boltseal/boltseal/verify"
)

const (
	// stampLimit bounds one attempt to get a timestamp, answer included.
	stampLimit = 10 * time.Second
	// stampAttempts bounds how often it is asked for; between two attempts is a
	// wait of half a second, then of a second, or of what the answer asks for.
	stampAttempts = 3
	firstWait     = 500 * time.Millisecond
	// maxStampWait bounds what it may ask for.
	maxStampWait = 30 * time.Second
	// maxStamp bounds what a timestamp authority answers, in bytes. Usual are ten
	// thousand.
	maxStamp = 1 << 20
)

// A TSA is a timestamp authority (RFC 3161).
type TSA struct {
	URL string // http or https: what it answers is signed
	// Roots are its root certificates, at least one: what it answers counts only
	// if it ends in one of them.
	Roots     []*x509.Certificate
	Proxy     func(*url.URL) (*url.URL, error) // which proxy to use for an address; nil: none
	UserAgent string
}

// A stamper asks a TSA. It is safe for concurrent use.
type stamper struct {
	url, host, agent string
	pool             *x509.CertPool
	transport        *http.Transport
	sleep            func(context.Context, time.Duration) error
}

func newStamper(t TSA, sleep func(context.Context, time.Duration) error) (*stamper, error) {
	const give = "give the address of a timestamp authority, such as http://timestamp.example.com"
	wrong := func(hint, format string, a ...any) error {
		return &verify.Error{Op: "ask a timestamp authority", Err: order.Refused(verify.Unsupported, format, a...), Hint: hint}
	}
	u, err := url.Parse(t.URL)
	switch {
	case err != nil, u.Hostname() == "", u.Scheme != "http" && u.Scheme != "https":
		return nil, wrong(give, "%q is no http or https address", legible.Text(t.URL, maxDetail))
	case u.User != nil, u.Fragment != "":
		return nil, wrong(give, "its address on %q has a user or a fragment", legible.Text(u.Host, maxDetail))
	case len(t.Roots) == 0:
		return nil, wrong("give its root certificate", "nobody says which timestamps of %s count", u.Host)
	}
	s := &stamper{url: t.URL, host: u.Host, agent: t.UserAgent, pool: x509.NewCertPool(), sleep: sleep}
	for _, c := range t.Roots {
		s.pool.AddCert(c)
	}
	s.transport = &http.Transport{
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: stampLimit, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: order.DefaultJobs,
		IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
	}
	if t.Proxy != nil {
		s.transport.Proxy = func(req *http.Request) (*url.URL, error) { return t.Proxy(req.URL) }
	}
	return s, nil
}

// A stamping gets the timestamp of one signature. It is a tspclient.Timestamper.
type stamping struct {
	*stamper
	trouble *error
}

// Timestamp returns what the TSA answers. It is for the caller to see who signed
// it.
func (s *stamping) Timestamp(ctx context.Context, req *tspclient.Request) (*tspclient.Response, error) {
	resp, err := s.ask(ctx, req)
	if err != nil {
		*s.trouble = err
	}
	return resp, err
}

func (s *stamper) ask(ctx context.Context, req *tspclient.Request) (*tspclient.Response, error) {
	body, err := req.MarshalBinary()
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		answer, again, asked, err := s.once(ctx, body)
		wait := max(firstWait<<(attempt-1), asked)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err == nil:
			return s.read(answer, req)
		case !again || attempt == stampAttempts:
			return nil, s.unanswered(err, attempt)
		case wait > maxStampWait:
			return nil, s.unanswered(fmt.Errorf("%w, and asks to wait for %s, which is longer than signing does", err, wait.Round(time.Second)), attempt)
		}
		if err := s.sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// once makes one attempt, and says whether another may end better, and how long it
// is asked to wait until then. It asks the transport, not an http.Client, so that a
// redirect is an answer like others.
func (s *stamper) once(ctx context.Context, body []byte) (answer []byte, again bool, wait time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, stampLimit, fmt.Errorf("no answer within %s", stampLimit))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return nil, false, 0, err
	}
	req.Header.Set("Content-Type", tspclient.MediaTypeTimestampQuery)
	if s.agent != "" {
		req.Header.Set("User-Agent", s.agent)
	}
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return nil, true, 0, told(ctx, err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end or given up
	switch status := resp.StatusCode; {
	case status == http.StatusOK:
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return nil, true, retry.After(resp.Header.Get("Retry-After")), answered(status)
	default:
		return nil, status >= 500, retry.After(resp.Header.Get("Retry-After")), answered(status)
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != tspclient.MediaTypeTimestampReply {
		return nil, false, 0, fmt.Errorf("the answer is of type %q, not a timestamp", legible.Text(kind, 60))
	}
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxStamp+1))
	switch {
	case err != nil:
		return nil, true, 0, told(ctx, err)
	case len(answer) > maxStamp:
		return nil, false, 0, fmt.Errorf("the answer is longer than %d bytes", maxStamp)
	}
	return answer, false, 0, nil
}

// told returns err, or what ended ctx in its place.
func told(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.New(legible.Words(err.Error(), maxDetail)) // net/http quotes what is no HTTP
}

func answered(status int) error {
	return errors.New(strings.TrimSpace(fmt.Sprintf("it answered %d %s", status, http.StatusText(status))))
}

// read returns the response in an answer, if it is one to req.
func (s *stamper) read(answer []byte, req *tspclient.Request) (*tspclient.Response, error) {
	var resp tspclient.Response
	err := resp.UnmarshalBinary(answer)
	if err == nil {
		err = resp.Validate(req)
	}
	if err != nil {
		return nil, s.unanswered(fmt.Errorf("the answer cannot be used: %s", legible.Words(err.Error(), maxDetail)), 1)
	}
	return &resp, nil
}

const opStamp = "timestamp the signature"

func (s *stamper) unanswered(err error, attempts int) error {
	times := ""
	if attempts > 1 {
		times = fmt.Sprintf(", asked %d times", attempts)
	}
	return &verify.Error{
		Op: opStamp, Err: order.Refused(verify.Unavailable, "timestamp authority at %s: %w%s", s.host, err, times),
		Hint: "run it again: what is signed already stays as it is; if it lasts, check the address of the timestamp authority, and that it can be reached from here (proxy, firewall, status page)",
	}
}

// unstamped is the error of a timestamp that does not hold.
func unstamped(err *signature.TimestampError) error {
	reason := verify.BadSignature
	if unknown := (x509.UnknownAuthorityError{}); errors.As(err, &unknown) {
		reason = verify.WrongSigner
	}
	return &verify.Error{
		Op: opStamp, Err: order.Refused(reason, "what the timestamp authority answered does not hold: %s", legible.Words(err.Error(), maxDetail)),
		Hint: "give the root certificate of this timestamp authority; nothing was pushed",
	}
}
