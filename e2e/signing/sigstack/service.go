package sigstack

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync"
	"time"
)

// A Fault is what befalls the requests to a [Service] that it matches. The zero
// Fault matches every one, and serves it.
type Fault struct {
	// Which requests: the zero values match every one.
	Method string         // such as "PUT"; "write" is every method but GET and HEAD
	Path   *regexp.Regexp // found in the path
	Times  int            // how many of them, the first ones; 0 is all

	Delay      time.Duration       // before anything else
	Reset      bool                // the connection is dropped, without an answer
	Status     int                 // what is answered instead of what the service would say; 0 serves
	RetryAfter string              // header of that answer
	Body       string              // of that answer; "" is a text that names the status
	Alter      func([]byte) []byte // changes the body of a good answer (2xx)
}

func (f *Fault) matches(r *http.Request) bool {
	return isMethod(f.Method, r.Method) && (f.Path == nil || f.Path.MatchString(r.URL.Path))
}

// isMethod reports whether a request's method is one of those that want names: ""
// is every one, and "write" every one but GET and HEAD.
func isMethod(want, method string) bool {
	return want == "" || want == method || want == "write" && writes(method)
}

func writes(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// A Request is one that a [Service] has got.
type Request struct {
	Service string // name of the service
	Method  string
	Path    string    // with the query
	Status  int       // what was answered; 0 is nothing: the connection was dropped, or the answer is not there yet
	Written int       // how many requests of the whole [Front] were not GET or HEAD, this one included
	At      time.Time // when it came
}

// Is reports whether the request's method is one of those that a [Fault]'s Method
// stands for.
func (r Request) Is(method string) bool { return isMethod(method, r.Method) }

// String returns the request as a line of a log.
func (r Request) String() string {
	return fmt.Sprintf("%s %s %s %d", r.Service, r.Method, r.Path, r.Status)
}

// A Service is an HTTP server on a port of loopback, which stays the same.
// Its methods may be called at any time, by any goroutine.
type Service struct {
	Name string // for people: "Fulcio"
	URL  string // http://127.0.0.1:PORT
	Host string // 127.0.0.1:PORT

	handler http.Handler
	journal *journal

	mu     sync.Mutex
	server *http.Server // nil while it is down
	faults []*Fault
}

// A journal has the requests to all services of a Front, in their order.
type journal struct {
	mu        sync.Mutex
	requests  []*Request
	written   int
	intercept func(Request) bool
}

func (j *journal) add(service string, r *http.Request) (*Request, func(Request) bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if writes(r.Method) {
		j.written++
	}
	entry := &Request{Service: service, Method: r.Method, Path: r.URL.RequestURI(), Written: j.written, At: time.Now()}
	j.requests = append(j.requests, entry)
	return entry, j.intercept
}

func (j *journal) answered(entry *Request, status int) Request {
	j.mu.Lock()
	defer j.mu.Unlock()
	entry.Status = status
	return *entry
}

// newService starts one on a port of its own.
func newService(name string, handler http.Handler, j *journal, ports *portRange) (*Service, error) {
	listener, err := ports.listen()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	host := listener.Addr().String()
	s := &Service{Name: name, Host: host, URL: "http://" + host, handler: handler, journal: j}
	s.server = serve(listener, http.HandlerFunc(s.serve))
	return s, nil
}

// Up listens again after [Service.Down]; it does nothing if that was not called.
func (s *Service) Up() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		return nil
	}
	listener, err := net.Listen("tcp", s.Host) //nolint:noctx // it listens at once, or not
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	s.server = serve(listener, http.HandlerFunc(s.serve))
	return nil
}

// serve serves until the server is closed.
func serve(l net.Listener, h http.Handler) *http.Server {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }() // the error says that it was closed
	return server
}

// Down closes the port and all connections: callers are refused.
func (s *Service) Down() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		_ = s.server.Close()
		s.server = nil
	}
}

// Inject adds a fault. Of several that match a request, the first one befalls it.
func (s *Service) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// Clear ends all faults.
func (s *Service) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func (s *Service) fault(r *http.Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if !f.matches(r) {
			continue
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			}
		}
		return *f
	}
	return Fault{}
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	entry, intercept := s.journal.add(s.Name, r)
	f := s.fault(r)
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-r.Context().Done():
			return
		}
	}
	if f.Reset {
		panic(http.ErrAbortHandler)
	}
	// The service's answer is complete before any of it is sent: whoever watches
	// knows that what was asked for is done, and that the asker has not seen it.
	answer := httptest.NewRecorder()
	switch {
	case f.Status != 0:
		if f.RetryAfter != "" {
			answer.Header().Set("Retry-After", f.RetryAfter)
		}
		answer.WriteHeader(f.Status)
		_, _ = io.WriteString(answer, cmp.Or(f.Body, fmt.Sprintf("%s was told to answer %d\n", s.Name, f.Status)))
	default:
		s.handler.ServeHTTP(answer, r)
	}
	done := s.journal.answered(entry, answer.Code)
	if intercept != nil && !intercept(done) {
		panic(http.ErrAbortHandler)
	}
	body := answer.Body.Bytes()
	if f.Alter != nil && answer.Code/100 == 2 {
		body = f.Alter(bytes.Clone(body))
		answer.Header().Del("Content-Length")
	}
	maps.Copy(w.Header(), answer.Result().Header)
	w.WriteHeader(answer.Code)
	_, _ = w.Write(body) // an asker that has gone needs none
}
