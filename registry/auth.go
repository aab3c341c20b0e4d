package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// A host is what one run learns of one registry: whose credentials to use, and
// how it wants to be asked.
//
// The distribution protocol begins with GET /v2/ to learn the challenge. A 401
// on any request carries the same challenge, so without credentials the first
// real request serves: a public registry is asked nothing more than what is
// wanted. With credentials the question is asked once, since a registry may
// answer an anonymous request for a private image with 404.
type host struct {
	reg     name.Registry
	scheme  string
	auth    authn.Authenticator
	secrets []string          // of auth
	base    http.RoundTripper // what sends its requests
	prefix  string            // of the paths that it answers, "" or such as "/notary"
	trust   bool              // it is a server of trust data
	ready   chan struct{}     // closed once all of these and err are there
	err     error

	mu        sync.Mutex // held while the first request settles the challenge
	settled   bool
	challenge *challenge // nil: no authentication

	repos sync.Map // repository -> *repo
}

// A repo holds how one repository is spoken to; its token is good for it alone.
type repo struct {
	mu      sync.Mutex
	session *session
}

// A session is a client and what it was made of. A repository that is only read
// never gets a token with which it could be written to. One that is pushed to
// after it was read gets another session, for which the registry is asked
// nothing: the challenge is known, and only the token service has to answer.
type session struct {
	client    *http.Client
	challenge *challenge // nil: no authentication
	push      bool       // its token is good for pushing too
}

// settled reports whether the registry's demand for credentials was answered, so
// that another 401 is a refusal.
func (s *session) settled() bool {
	return s.challenge != nil && s.challenge.status == http.StatusUnauthorized
}

// A challenge is a recorded 401 (or 200) answer to be given instead of asking
// GET /v2/ again.
type challenge struct {
	scheme string
	status int
	header http.Header
}

func (c *Client) host(ctx context.Context, of server) (*host, error) {
	c.mu.Lock()
	h, ok := c.hosts[of]
	if !ok {
		h = &host{scheme: "https", base: c.base, ready: make(chan struct{})}
		c.hosts[of] = h
		// A credential helper is another program: it may hang, and must not keep
		// other registries, or the end of the run, waiting.
		go func() {
			defer close(h.ready)
			ctx := context.WithoutCancel(ctx)
			if h.err = h.prepare(ctx, c, of); h.err == nil {
				h.err = h.knowSecrets(ctx)
			}
		}()
	}
	c.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("credentials for %s: %w", of.name, ctx.Err())
	case <-h.ready:
		return h, h.err
	}
}

// prepare finds out whose credentials to use.
func (h *host) prepare(ctx context.Context, c *Client, of server) error {
	if !of.trust.IsZero() {
		return h.prepareTrust(ctx, c, of.trust)
	}
	var opts []name.Option
	if c.insecure(of.name) {
		opts = append(opts, name.Insecure)
	}
	if c.insecure(of.name) || Loopback(of.name) {
		h.scheme = "http"
	}
	var err error
	if h.reg, err = name.NewRegistry(of.name, opts...); err != nil {
		return fmt.Errorf("%w: %w", errNoRetry, err)
	}
	if h.auth, err = authn.Resolve(ctx, c.opts.Keychain, h.reg); err != nil {
		return fmt.Errorf("%w: %w", errCredentials, err)
	}
	return nil
}

// knowSecrets finds out what of auth no error may hold.
func (h *host) knowSecrets(ctx context.Context) error {
	config, err := authn.Authorization(ctx, h.auth)
	if err != nil {
		return fmt.Errorf("%w: %w", errCredentials, err)
	}
	h.secrets = secrets(*config)
	return nil
}

// Loopback reports whether a host, with or without a port, is this machine. Other
// private addresses are somebody else's: ggcr would speak plain http to them.
func Loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// do sends req with whatever authentication its repository needs, to be read or
// to be pushed to.
func (h *host) do(ctx context.Context, c *Client, at place, req *http.Request, push bool) (*http.Response, error) {
	if req.URL.Host != h.reg.RegistryStr() {
		// The registry redirected an upload to where it now goes on. Whatever is
		// asked there, the credentials are not for it.
		return h.plain().Do(req)
	}
	v, _ := h.repos.LoadOrStore(at.repository, &repo{})
	r, ok := v.(*repo)
	if !ok {
		return nil, errNoRetry
	}
	s, resp, err := h.session(ctx, c, at, r, req, push)
	if err != nil || resp != nil {
		return resp, err
	}
	resp, err = s.client.Do(req.Clone(ctx))
	if err != nil || resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "" {
		return resp, err
	}
	if resp.Request.URL.Host != req.URL.Host {
		return resp, nil // the host it redirected to wants credentials, and gets none
	}
	if s.settled() {
		return resp, nil // refused even with a fresh token
	}
	// This repository wants what others of the registry did not, or to be pushed
	// to what it did not want to be read.
	discard(resp)
	s, err = h.upgrade(ctx, c, at, r, s, &challenge{req.URL.Scheme, resp.StatusCode, resp.Header}, push)
	if err != nil {
		return nil, err
	}
	return s.client.Do(req.Clone(ctx))
}

// upgrade replaces the repository's session, which was not asked for
// credentials before, unless a concurrent request has done so already.
func (h *host) upgrade(ctx context.Context, c *Client, at place, r *repo, from *session, ch *challenge, push bool) (*session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.session; s != nil && s != from && (s.push || !push) {
		return s, nil
	}
	s, err := h.authenticate(ctx, c, at, ch, push)
	if err == nil {
		r.session = s
	}
	return s, err
}

// session returns the repository's session. Where nothing is known of the
// registry yet and there are no credentials, req itself is sent to find out; an
// answer other than a challenge is then returned in place of a session.
func (h *host) session(ctx context.Context, c *Client, at place, r *repo, req *http.Request, push bool) (*session, *http.Response, error) {
	h.mu.Lock()
	if !h.settled {
		defer h.mu.Unlock()
		return h.settle(ctx, c, at, r, req, push)
	}
	ch := h.challenge
	h.mu.Unlock()

	r.mu.Lock()
	defer r.mu.Unlock()
	switch s := r.session; {
	case s != nil && (s.push || !push || s.challenge == nil):
		return s, nil, nil
	case s != nil: // it was read before
		ch = s.challenge
	case ch == nil:
		r.session = &session{client: h.plain()}
		return r.session, nil, nil
	}
	s, err := h.authenticate(ctx, c, at, ch, push)
	if err == nil {
		r.session = s
	}
	return s, nil, err
}

func (h *host) settle(ctx context.Context, c *Client, at place, r *repo, req *http.Request, push bool) (*session, *http.Response, error) {
	var ch *challenge
	if h.auth == authn.Anonymous {
		resp, err := h.plain().Do(req.Clone(ctx))
		if err != nil {
			return nil, nil, err
		}
		if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "" || resp.Request.URL.Host != req.URL.Host {
			h.settled = !retryable(resp.StatusCode)
			return nil, resp, nil
		}
		discard(resp)
		ch = &challenge{req.URL.Scheme, resp.StatusCode, resp.Header}
	} else {
		// The answer is recorded on its way, for the other repositories.
		ch = &challenge{scheme: h.scheme}
	}
	s, err := h.authenticate(ctx, c, at, ch, push)
	if ch.status != 0 { // the registry answered, whatever the token service said
		h.settled, h.challenge = true, ch
	}
	if err != nil {
		return nil, nil, err
	}
	r.mu.Lock()
	r.session = s
	r.mu.Unlock()
	return s, nil, nil
}

func (h *host) authenticate(ctx context.Context, c *Client, at place, ch *challenge, push bool) (*session, error) {
	rt, err := transport.NewWithContext(ctx, h.reg, h.auth, &ping{of: h, challenge: ch}, []string{at.scope(push)})
	if err != nil {
		return nil, fmt.Errorf("authenticate to %s: %w", at.name, err)
	}
	return &session{client: &http.Client{Transport: rt, CheckRedirect: checkRedirect}, challenge: ch, push: push}, nil
}

// scope returns what a token has to be good for. It is spelled as servers do in
// their challenges: one that is not yet asked for, but for its order, would be
// asked for a second time.
func (p place) scope(push bool) string {
	actions := "pull"
	switch {
	case push && p.trust.IsZero():
		actions = "pull,push"
	case push:
		actions = "push,pull"
	}
	return "repository:" + p.repository + ":" + actions
}

func (h *host) plain() *http.Client {
	return &http.Client{Transport: h.base, CheckRedirect: checkRedirect}
}

// ping answers GET /v2/ from what is already known of the registry.
type ping struct {
	of        *host
	challenge *challenge
}

func (p *ping) RoundTrip(req *http.Request) (*http.Response, error) {
	host := p.of.reg.RegistryStr()
	if p.challenge.scheme == "https" && req.URL.Scheme != "https" {
		return nil, fmt.Errorf("%w: %s leads from https to %s", errNoRetry, host, req.URL.Scheme)
	}
	if req.URL.Path != "/v2/" || req.URL.Host != host {
		return p.of.base.RoundTrip(req)
	}
	if req.URL.Scheme != p.challenge.scheme {
		return nil, fmt.Errorf("%s is asked over %s only", host, p.challenge.scheme)
	}
	if p.challenge.status != 0 {
		return &http.Response{
			StatusCode: p.challenge.status, Header: p.challenge.header.Clone(), Request: req,
			ProtoMajor: 1, ProtoMinor: 1, Body: io.NopCloser(bytes.NewReader(nil)),
		}, nil
	}
	resp, err := p.of.base.RoundTrip(p.of.prefixed(req))
	if err == nil && resp.StatusCode == http.StatusNotFound && p.of.trust {
		// Nobody else asks a server of trust data for this, so that it need not be
		// there. Whether there is a challenge is then seen in the real answers.
		discard(resp)
		resp.StatusCode, resp.Header, resp.Body = http.StatusOK, http.Header{}, http.NoBody
	}
	if err == nil && (resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusUnauthorized) {
		p.challenge.status, p.challenge.header = resp.StatusCode, resp.Header.Clone()
	}
	return resp, err
}

func discard(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // lets the connection be used again
	_ = resp.Body.Close()
}

// Keychain returns the credentials of the docker configuration and its
// helpers, preceded by fixed ones, which maps registry hosts ("ghcr.io",
// "docker.io") to user names and passwords.
func Keychain(fixed map[string]authn.AuthConfig) authn.Keychain {
	return authn.NewMultiKeychain(static(fixed), authn.DefaultKeychain)
}

// Fallback returns credentials that serve where first knows none.
func Fallback(first authn.Keychain, fixed map[string]authn.AuthConfig) authn.Keychain {
	return authn.NewMultiKeychain(first, static(fixed))
}

type static map[string]authn.AuthConfig

func (s static) Resolve(r authn.Resource) (authn.Authenticator, error) {
	key := r.RegistryStr()
	if key == name.DefaultRegistry {
		key = "docker.io"
	}
	if cfg, ok := s[key]; ok {
		return authn.FromConfig(cfg), nil
	}
	return authn.Anonymous, nil
}
