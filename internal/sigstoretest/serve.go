package sigstoretest

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/boltseal/boltseal/internal/servicetest"
)

// ServeOptions say how the services of an Instance behave.
type ServeOptions struct {
	// Now is the services' clock: certificates begin at it, entries and
	// timestamps get it, and tokens are valid around it. Nil means that the
	// instance's own time stands still.
	Now func() time.Time
	// NoSCT has Fulcio certify without telling the certificate transparency log.
	NoSCT bool
}

// Services are an Instance's servers on loopback. Their addresses differ from
// run to run; what they sign verifies with the Instance's trusted root all the
// same, as a log is known by the key and the origin of its checkpoints.
type Services struct {
	Fulcio, Rekor1, Rekor2, TSA *Service
	// Runner is the endpoint that gives tokens to a GitHub job; see TokenURL.
	Runner *Service

	in     *Instance
	noSCT  bool
	now    func() time.Time
	issuer *ecdsa.PrivateKey // signs tokens

	mu     sync.Mutex
	issued []string
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
		in: in, noSCT: o.NoSCT, now: o.Now, issuer: key, claims: map[string]any{},
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
		if *service.to, err = servicetest.Start(service.handler); err != nil {
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

// What the services are made of.
type (
	// A Service is one server.
	Service = servicetest.Service
	// A Fault is what goes wrong with a request.
	Fault = servicetest.Fault
	// A Request is one that a service has seen.
	Request = servicetest.Request
)

// refuse answers as the gRPC gateways of Fulcio and Rekor v2 do.
func refuse(w http.ResponseWriter, status, code int, message string) {
	writeJSON(w, status, map[string]any{"code": code, "message": message, "details": []any{}})
}

var errNoSuchClaim = errors.New("the token lacks a claim that its issuer always gives")
