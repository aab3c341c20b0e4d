package action

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/boltseal/boltseal/internal/legible"
)

const (
	// maxToken bounds the answer that holds a token, in bytes; real ones have
	// about 2,000.
	maxToken = 64 << 10

	tokenRetries  = 4
	tokenAttempt  = 10 * time.Second // bounds one attempt, answer included
	tokenLimit    = 20 * time.Second // bounds all of them, waits included
	leastAttempt  = time.Second      // that another attempt has to have
	firstWait     = time.Second      // doubles with every attempt
	maxRetryAfter = time.Hour        // longer ones are all the same
)

// IDToken returns a token in which GitHub says to audience which workflow this
// is; "" stands for the owner of the repository. The runner masks it. There is
// none unless the job has the permission "id-token: write", which is an error
// that says so.
//
// The request is repeated, at most four times and for at most 20 s, after 408,
// 429 and 5xx, and where the connection failed or took too long. The wait is
// that of the server's Retry-After in seconds, if it asks for a longer one; for
// one that is not over in time nobody waits.
//
// https://docs.github.com/actions/reference/security/oidc
func (r *Runner) IDToken(ctx context.Context, audience string) (string, error) {
	req, err := r.tokenRequest(audience)
	if err != nil {
		return "", fmt.Errorf("get an identity token: %w", err)
	}
	token, err := r.askForToken(req.WithContext(ctx))
	if err != nil {
		err = fmt.Errorf("get an identity token: token endpoint at %s: %w", req.URL.Host, err)
		// Some errors of net/http quote the server, which knows it.
		if text := legible.Without(err.Error(), false, r.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN")); text != err.Error() {
			err = errors.New(text)
		}
		return "", err
	}
	r.Mask(token)
	return token, nil
}

// GivesIDToken reports whether the runner lets this job ask for an identity
// token: it does where the job has the permission "id-token: write", which
// GitHub takes from pull requests from forks.
func (r *Runner) GivesIDToken() bool {
	return r.env("ACTIONS_ID_TOKEN_REQUEST_URL") != "" && r.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN") != ""
}

func (r *Runner) tokenRequest(audience string) (*http.Request, error) {
	address, secret := r.env("ACTIONS_ID_TOKEN_REQUEST_URL"), r.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
	if !r.GivesIDToken() {
		return nil, errors.New("this job may not have one: give the job `permissions: id-token: write`; a pull request from a fork never gets one")
	}
	u, err := url.Parse(address)
	if err != nil || !safe(u) { // err quotes the address, which nobody has to see
		return nil, errors.New("ACTIONS_ID_TOKEN_REQUEST_URL is no https address")
	}
	if audience != "" {
		q := u.Query()
		q.Set("audience", audience)
		u.RawQuery = q.Encode()
	}
	header := http.Header{}
	header.Set("Accept", "application/json")
	header.Set("Authorization", "Bearer "+secret)
	return &http.Request{Method: http.MethodGet, URL: u, Header: header}, nil
}

// safe reports whether a secret may be sent to u: by https, or to this machine.
func safe(u *url.URL) bool {
	switch host := u.Hostname(); u.Scheme {
	case "https":
		return host != ""
	case "http":
		ip, err := netip.ParseAddr(host)
		return host == "localhost" || err == nil && ip.IsLoopback()
	}
	return false
}

// askForToken does not use go-githubactions: its GetIDToken asks once, hides
// the status and Retry-After that would say whether to ask again, puts the
// answer into the error, follows redirects to plain http, and returns an empty
// token where the answer has none.
func (r *Runner) askForToken(req *http.Request) (string, error) {
	ctx := req.Context()
	transport := r.transport
	if transport == nil {
		t := &http.Transport{
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    tokenAttempt,
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true,
		}
		if r.Proxy != nil {
			t.Proxy = func(req *http.Request) (*url.URL, error) { return r.Proxy(req.URL) }
		}
		defer t.CloseIdleConnections()
		transport = t
	}
	wait := r.Sleep
	if wait == nil {
		wait = sleep
	}
	var spent time.Duration // what was waited counts even where a test does not wait
	for attempt := 0; ; attempt++ {
		begun := time.Now()
		a, err := once(ctx, min(tokenAttempt, tokenLimit-spent), transport, req)
		spent += time.Since(begun)
		if err == nil && a.status == http.StatusOK {
			return readToken(a.body)
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		again := a.again()
		if err != nil {
			again = !hopeless(err)
		} else {
			err = &StatusError{a.status}
		}
		pause := max(firstWait<<attempt, a.retryAfter)
		switch {
		case !again:
			return "", err
		case attempt < tokenRetries && a.retryAfter > firstWait<<attempt && spent+pause+leastAttempt > tokenLimit:
			return "", fmt.Errorf("%w, and asks to wait %s", err, a.retryAfter)
		case attempt == tokenRetries, spent+pause+leastAttempt > tokenLimit:
			return "", fmt.Errorf("%w, asked %d times", err, attempt+1)
		}
		if werr := wait(ctx, pause); werr != nil {
			return "", errors.Join(err, werr)
		}
		spent += pause
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// A StatusError is in the error of a token endpoint that answered, but gave no
// token.
type StatusError struct{ Status int }

func (e *StatusError) Error() string {
	return fmt.Sprintf("it answered %d %s", e.Status, http.StatusText(e.Status))
}

// Refused reports whether the job's credential is not taken.
func (e *StatusError) Refused() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
}

type answer struct {
	status     int
	retryAfter time.Duration // at most maxRetryAfter
	body       []byte        // of a 200 only
}

// again reports whether another attempt may help.
func (a answer) again() bool {
	return a.status == http.StatusRequestTimeout || a.status == http.StatusTooManyRequests || a.status >= 500
}

var errTooLarge = fmt.Errorf("the answer has more than %d bytes", maxToken)

// hopeless reports whether another attempt would fail in the same way.
func hopeless(err error) bool {
	var (
		cert   *tls.CertificateVerificationError
		record tls.RecordHeaderError
	)
	return errors.Is(err, errTooLarge) || errors.As(err, &cert) || errors.As(err, &record)
}

// once makes one attempt, for at most limit. It asks the transport, not a client: a redirect is an
// answer like others, and does not take the secret elsewhere.
func once(ctx context.Context, limit time.Duration, transport http.RoundTripper, req *http.Request) (answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit.Round(time.Second/10)))
	defer cancel()
	resp, err := transport.RoundTrip(req.Clone(ctx))
	if err != nil {
		return answer{}, cmp.Or(context.Cause(ctx), err)
	}
	defer func() { _ = resp.Body.Close() }()
	a := answer{status: resp.StatusCode, retryAfter: retryAfter(resp.Header.Get("Retry-After"))}
	if a.status != http.StatusOK {
		return a, nil
	}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxToken+1))
	switch {
	case err != nil:
		err = cmp.Or(context.Cause(ctx), err)
	case len(a.body) > maxToken:
		err = errTooLarge
	}
	return a, err
}

// retryAfter returns the wait that a Retry-After of seconds asks for, 0 for
// another.
func retryAfter(header string) time.Duration {
	seconds, err := strconv.ParseUint(header, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		seconds = math.MaxUint64
	} else if err != nil {
		return 0
	}
	return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
}

// webToken is the shape of a JWT in its compact form (RFC 7515, section 7.1).
var webToken = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$`) })

func readToken(body []byte) (string, error) {
	var v struct {
		Value string `json:"value"`
	}
	if err := json.Unmarshal(body, &v); err != nil || !webToken().MatchString(v.Value) {
		return "", errors.New("the answer holds no token") // err may quote one
	}
	return v.Value, nil
}
