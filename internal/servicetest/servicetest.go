// Package servicetest is a server on loopback for tests: it keeps what it was
// asked, and misbehaves on demand. What it answers else is its handler's.
package servicetest

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxRequest bounds what a service reads of a request, in bytes.
const maxRequest = 64 << 20

// A Request is one that a service has seen.
type Request struct {
	Method, Path string // with the query
	Header       http.Header
	Body         []byte
}

// A Fault is what goes wrong with a request. The zero Fault changes nothing.
type Fault struct {
	Method string // requests of this method only; "" for any
	Path   string // requests whose path begins so; "" for any
	Times  int    // how many requests; 0 for all until Reset

	Hold   <-chan struct{}     // wait until it is closed, or the caller gives up
	Late   bool                // do what was asked, and only lose the answer
	Reset  bool                // end the connection without an answer
	Status int                 // answer this instead; 0 means 200 if Body is set
	Header http.Header         // of that answer, such as Retry-After and Location
	Body   []byte              // of that answer
	Change func([]byte) []byte // change the body of the true answer
}

// A Service is one server. It may be used from several goroutines at once.
type Service struct {
	handler http.Handler

	mu     sync.Mutex
	scheme string
	addr   string
	server *http.Server
	faults []*Fault
	seen   []Request
	notify chan struct{} // closed when a request arrives
}

// URL returns the base URL, without a slash at its end.
func (s *Service) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scheme + "://" + s.addr
}

// Host returns the host and the port.
func (s *Service) Host() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Down makes the service refuse connections. It does not come back.
func (s *Service) Down() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		_ = s.server.Close() // so are its connections
		s.server = nil
	}
}

// Start starts a service on a free loopback port.
func Start(handler http.Handler) (*Service, error) { return start(handler, nil) }

// StartTLS starts a service that speaks HTTPS only, with a certificate for
// 127.0.0.1.
func StartTLS(handler http.Handler, certificate tls.Certificate) (*Service, error) {
	return start(handler, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
}

func start(handler http.Handler, t *tls.Config) (*Service, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Service{handler: handler, scheme: "http", addr: l.Addr().String()}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	if t != nil {
		s.scheme, l = "https", tls.NewListener(l, t)
		s.server.ErrorLog = log.New(io.Discard, "", 0) // of callers that do not trust the certificate
	}
	go s.server.Serve(l) //nolint:errcheck // ends with Close
	return s, nil
}

// Inject adds a fault. Of several that fit a request the first counts.
func (s *Service) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// Reset forgets the requests and takes the faults away.
func (s *Service) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.seen = nil, nil
}

// Requests returns the requests since the last Reset, in order.
func (s *Service) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// Await waits until n requests have been seen since the last Reset.
func (s *Service) Await(ctx context.Context, n int) error {
	for {
		s.mu.Lock()
		seen := len(s.seen)
		if s.notify == nil {
			s.notify = make(chan struct{})
		}
		notify := s.notify
		s.mu.Unlock()
		if seen >= n {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("servicetest: %d of %d requests: %w", seen, n, ctx.Err())
		case <-notify:
		}
	}
}

// take notes the request and returns its fault, nil for none.
func (s *Service) take(r Request, path string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, r)
	if s.notify != nil {
		close(s.notify)
		s.notify = nil
	}
	for i, f := range s.faults {
		if f.Method != "" && f.Method != r.Method || !strings.HasPrefix(path, f.Path) {
			continue
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return f
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	f := s.take(Request{r.Method, r.URL.RequestURI(), r.Header.Clone(), body}, r.URL.Path)
	if f == nil {
		s.handler.ServeHTTP(w, r)
		return
	}
	if f.Hold != nil {
		select {
		case <-f.Hold:
		case <-r.Context().Done():
			return
		}
	}
	instead := f.Reset || f.Status != 0 || f.Body != nil
	var answer *httptest.ResponseRecorder
	if !instead || f.Late {
		answer = httptest.NewRecorder()
		s.handler.ServeHTTP(answer, r)
	}
	switch {
	case f.Reset:
		panic(http.ErrAbortHandler)
	case instead:
		maps.Copy(w.Header(), f.Header)
		if f.Status == 0 {
			f.Status = http.StatusOK
		}
		w.WriteHeader(f.Status)
		_, _ = w.Write(f.Body)
	default:
		maps.Copy(w.Header(), answer.Header())
		body = answer.Body.Bytes()
		if f.Change != nil {
			body = f.Change(body)
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body)
	}
}
