package sigstack

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"slices"

	"github.com/google/go-containerregistry/pkg/registry"
	prototrust "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
)

// A Front is one way to a [Stack]: services at addresses of their own, whose
// faults befall nobody else, tokens with claims of their own, and two registries
// that are empty at first. Keys and logs are those of the Stack.
type Front struct {
	Tokens *Tokens // issues them
	Window *Window // of certificates

	Runner   *Service // the runner's endpoint for tokens
	Fulcio   *Service
	CT       *Service // the log that Fulcio asks
	TSA      *Service // the timestamp authority
	Rekor    *Service // v2
	RekorV1  *Service
	Registry *Service // with the referrers API of OCI 1.1
	Legacy   *Service // a registry without it

	journal journal
}

// NewFront opens one, which the caller closes.
func (s *Stack) NewFront(ctx context.Context) (f *Front, err error) {
	f = &Front{Tokens: newTokens(s.issuerKey), Window: &Window{}}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	quiet := registry.Logger(log.New(io.Discard, "", 0))
	for _, open := range []struct {
		service **Service
		name    string
		handler http.Handler
	}{
		{&f.Runner, "token endpoint", f.Tokens},
		{&f.CT, "CT log", s.ct},
		{&f.TSA, "timestamp authority", s.tsa},
		{&f.Rekor, "Rekor v2", s.rekor},
		{&f.RekorV1, "Rekor v1", s.rekorV1},
		{&f.Registry, "registry", registry.New(quiet, registry.WithReferrersSupport(true))},
		{&f.Legacy, "registry without referrers", registry.New(quiet)},
	} {
		if *open.service, err = newService(open.name, open.handler, &f.journal, &s.ports); err != nil {
			return nil, err
		}
	}
	fulcio, err := s.authority.newFulcio(ctx, f.CT.URL+"/log", s.ct.key.Public(), f.Window)
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	f.Fulcio, err = newService("Fulcio", fulcio, &f.journal, &s.ports)
	return f, err
}

// Services returns all of them.
func (f *Front) Services() []*Service {
	return []*Service{f.Runner, f.Fulcio, f.CT, f.TSA, f.Rekor, f.RekorV1, f.Registry, f.Legacy}
}

// Close closes the services.
func (f *Front) Close() {
	for _, s := range f.Services() {
		if s != nil {
			s.Down()
		}
	}
}

// Requests returns those that all services have got so far, in their order.
func (f *Front) Requests() []Request {
	f.journal.mu.Lock()
	defer f.journal.mu.Unlock()
	requests := make([]Request, len(f.journal.requests))
	for i, r := range f.journal.requests {
		requests[i] = *r
	}
	return requests
}

// Forget forgets the requests, and counts writes from 0.
func (f *Front) Forget() {
	f.journal.mu.Lock()
	defer f.journal.mu.Unlock()
	f.journal.requests, f.journal.written = nil, 0
}

// Intercept has do called for each request after the service has done what it
// asks, before anything is answered; false drops the connection instead. Nil
// ends that. Requests that meet a fault without an answer are left out.
func (f *Front) Intercept(do func(Request) bool) {
	f.journal.mu.Lock()
	defer f.journal.mu.Unlock()
	f.journal.intercept = do
}

// RunnerEnv returns what a job that may ask for tokens finds in its environment,
// as NAME=VALUE.
func (f *Front) RunnerEnv() []string {
	return []string{
		"ACTIONS_ID_TOKEN_REQUEST_URL=" + f.Runner.URL + "/token?api-version=2.0",
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN=" + f.Tokens.RequestToken,
	}
}

// TSAURL returns the address that timestamps are asked from.
func (f *Front) TSAURL() string { return f.TSA.URL + tsaPath }

// SigningConfig returns a signing config (media type
// application/vnd.dev.sigstore.signingconfig.v0.2+json) that names Fulcio and,
// of f.Rekor, f.RekorV1 and f.TSA, those that are given.
func (f *Front) SigningConfig(offered ...*Service) ([]byte, error) {
	service := func(url string, version uint32) root.Service {
		return root.Service{URL: url, MajorAPIVersion: version, ValidityPeriodStart: trustedSince(), Operator: "sigstack"}
	}
	// A selector without services, and services without one, are refused.
	selected := func(services []root.Service) root.ServiceConfiguration {
		if len(services) == 0 {
			return root.ServiceConfiguration{}
		}
		return root.ServiceConfiguration{Selector: prototrust.ServiceSelector_ANY}
	}
	var logs, tsas []root.Service
	if slices.Contains(offered, f.Rekor) {
		logs = append(logs, service(f.Rekor.URL, 2))
	}
	if slices.Contains(offered, f.RekorV1) {
		logs = append(logs, service(f.RekorV1.URL, 1))
	}
	if slices.Contains(offered, f.TSA) {
		tsas = append(tsas, service(f.TSAURL(), 1))
	}
	config, err := root.NewSigningConfig(root.SigningConfigMediaType02,
		[]root.Service{service(f.Fulcio.URL, 1)}, []root.Service{service(GitHubIssuer, 1)},
		logs, selected(logs), tsas, selected(tsas))
	if err != nil {
		return nil, err
	}
	return config.MarshalJSON()
}
