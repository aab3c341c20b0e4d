package sigstoretest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
)

// maxRequest bounds what a service reads of a request, in bytes.
const maxRequest = 64 << 20

// ServeOptions say how the services of an Instance behave.
type ServeOptions struct {
	// Now is the services' clock: certificates begin at it, entries and
	// timestamps get it, and tokens are valid around it. Nil means that the
	// instance's own time stands still.
	Now func() time.Time
}

// Services are an Instance's servers on loopback. Their addresses differ from
// run to run; what they sign verifies with the Instance's trusted root all the
// same, as a log is known by the key and the origin of its checkpoints.
type Services struct {
	Fulcio, Rekor1, Rekor2, TSA *Service
	// Runner is the endpoint that gives tokens to a GitHub job; see TokenURL.
	Runner *Service

	in     *Instance
	now    func() time.Time
	issuer *ecdsa.PrivateKey // signs tokens

	mu     sync.Mutex
	claims map[string]any                              // of tokens that Runner gives
	logged map[string]*protorekor.TransparencyLogEntry // Rekor v1, by entry UUID
	index2 map[string]int64                            // Rekor v2, by body
}

// Serve starts the services. Close ends them.
func (in *Instance) Serve(o ServeOptions) (*Services, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	s := &Services{
		in: in, now: o.Now, issuer: key, claims: map[string]any{},
		logged: map[string]*protorekor.TransparencyLogEntry{}, index2: map[string]int64{},
	}
	if s.now == nil {
		s.now = func() time.Time { return in.now }
	}
	for _, service := range []struct {
		to      **Service
		handler http.Handler
	}{
		{&s.Fulcio, s.fulcioHandler()}, {&s.Rekor1, s.rekor1Handler()}, {&s.Rekor2, s.rekor2Handler()},
		{&s.TSA, s.tsaHandler()}, {&s.Runner, s.runnerHandler()},
	} {
		*service.to = &Service{handler: service.handler}
		if err := (*service.to).up(); err != nil {
			s.Close()
			return nil, fmt.Errorf("sigstoretest: %w", err)
		}
	}
	return s, nil
}

// Close ends the services.
func (s *Services) Close() {
	for _, service := range s.all() {
		service.Down()
	}
}

// Reset forgets the requests of all services and takes their faults away.
func (s *Services) Reset() {
	for _, service := range s.all() {
		service.Reset()
	}
}

// Requests returns how many requests all services together have seen.
func (s *Services) Requests() int {
	n := 0
	for _, service := range s.all() {
		n += len(service.Requests())
	}
	return n
}

func (s *Services) all() []*Service {
	return slices.DeleteFunc([]*Service{s.Fulcio, s.Rekor1, s.Rekor2, s.TSA, s.Runner}, func(s *Service) bool { return s == nil })
}

// Without names services that a signing config leaves out.
type Without struct{ Fulcio, Rekor1, Rekor2, TSA bool }

// SigningConfig returns the signing_config.v0.2.json that names the services,
// each valid as long as the instance's keys.
func (s *Services) SigningConfig(w Without) ([]byte, error) {
	services := func(leave bool, version uint32, url string) []root.Service {
		if leave {
			return nil
		}
		return []root.Service{{URL: url, MajorAPIVersion: version, Operator: "sigstore.localhost",
			ValidityPeriodStart: s.in.start(), ValidityPeriodEnd: s.in.end()}}
	}
	anyone := root.ServiceConfiguration{Selector: prototrustroot.ServiceSelector_ANY}
	c, err := root.NewSigningConfig(root.SigningConfigMediaType02,
		services(w.Fulcio, 1, s.Fulcio.URL()), services(false, 1, GitHubIssuer),
		append(services(w.Rekor2, 2, s.Rekor2.URL()), services(w.Rekor1, 1, s.Rekor1.URL())...), anyone,
		services(w.TSA, 1, s.TSA.URL()+"/api/v1/timestamp"), anyone)
	if err != nil {
		return nil, fmt.Errorf("sigstoretest: signing config: %w", err)
	}
	return c.MarshalJSON()
}

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
	return "http://" + s.addr
}

// Host returns the host and the port.
func (s *Service) Host() string { return strings.TrimPrefix(s.URL(), "http://") }

// Down makes the service refuse connections. It does not come back.
func (s *Service) Down() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		_ = s.server.Close() // so are its connections
		s.server = nil
	}
}

func (s *Service) up() error {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.addr = l.Addr().String()
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go s.server.Serve(l) //nolint:errcheck // ends with Close
	return nil
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
			return fmt.Errorf("sigstoretest: %d of %d requests: %w", seen, n, ctx.Err())
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

// refuse answers as the gRPC gateways of Fulcio and Rekor v2 do.
func refuse(w http.ResponseWriter, status, code int, message string) {
	writeJSON(w, status, map[string]any{"code": code, "message": message, "details": []any{}})
}

var errNoSuchClaim = errors.New("the token lacks a claim that its issuer always gives")
