package notation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/notaryproject/notation-core-go/revocation/crl"

	"github.com/boltseal/boltseal/verify/internal/hostile"
)

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
