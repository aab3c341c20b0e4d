package notation

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/notaryproject/notation-core-go/revocation/purpose"
	"github.com/notaryproject/notation-core-go/revocation/result"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/servicetest"
)

func revocationServer(t *testing.T) *notationtest.Revocation {
	t.Helper()
	r, err := notationtest.NewRevocation()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Down)
	return r
}

func chainOf(t *testing.T, o notationtest.AuthorityOptions) []*x509.Certificate {
	t.Helper()
	a, err := notationtest.NewAuthority(o)
	if err != nil {
		t.Fatal(err)
	}
	return a.Chain
}

// statuses are the results of a chain in words.
func statuses(results []*result.CertRevocationResult) string {
	var out []string
	for _, r := range results {
		out = append(out, r.Result.String())
	}
	return strings.Join(out, " ")
}

func whyUnknown(results []*result.CertRevocationResult) string {
	var out []string
	for _, r := range results {
		for _, s := range r.ServerResults {
			if s.Error != nil {
				out = append(out, s.Server+": "+s.Error.Error())
			}
		}
	}
	return strings.Join(out, "\n")
}

func TestAsk(t *testing.T) {
	t.Parallel()
	large := func(n int) *servicetest.Fault { return &servicetest.Fault{Body: make([]byte, n)} }
	for _, by := range []string{"OCSP", "CRL"} {
		for name, tc := range map[string]struct {
			say   notationtest.Status
			fault *servicetest.Fault
			want  string // of leaf, intermediate and root
			why   string
		}{
			"good":     {notationtest.Good, nil, "OK OK NonRevokable", ""},
			"revoked":  {notationtest.Revoked, nil, "Revoked OK NonRevokable", ""},
			"unknown":  {notationtest.Unknown, nil, "Unknown OK NonRevokable", "http://"},
			"500":      {notationtest.Good, &servicetest.Fault{Status: 500}, "Unknown Unknown NonRevokable", "500"},
			"garbage":  {notationtest.Good, large(100), "Unknown Unknown NonRevokable", "http://"},
			"no reply": {notationtest.Good, &servicetest.Fault{Reset: true}, "Unknown Unknown NonRevokable", "http://"},
			"too long": {notationtest.Good, large(70 << 10), "Unknown Unknown NonRevokable", "longer than 65536 bytes"},
			"elsewhere": {notationtest.Good, &servicetest.Fault{Status: 302, Header: http.Header{"Location": {"ftp://127.0.0.1/"}}},
				"Unknown Unknown NonRevokable", `redirected to "ftp://"`},
		} {
			t.Run(by+"/"+name, func(t *testing.T) {
				t.Parallel()
				server := revocationServer(t)
				chain := chainOf(t, notationtest.AuthorityOptions{Intermediates: 1, Revocation: server, OCSP: by == "OCSP", CRL: by == "CRL"})
				server.Say(chain[0], tc.say)
				want, why := tc.want, tc.why
				switch by + " " + name {
				case "CRL too long":
					why = "x509: " // within its bound, but no list
				case "CRL unknown":
					want = "Unknown Unknown NonRevokable" // the server has no lists then
				}
				if tc.fault != nil {
					server.Inject(*tc.fault)
				}
				a := NewAsker(nil, "boltseal/test")
				for range 3 { // bad answers are remembered as well
					results, err := a.ask(t.Context(), purpose.CodeSigning, chain, time.Time{})
					if err != nil || statuses(results) != want || !strings.Contains(whyUnknown(results), why) {
						t.Errorf("%s, %v, want %s\n%s", statuses(results), err, want, whyUnknown(results))
					}
				}
				if seen := server.Requests(); len(seen) != 2 {
					t.Errorf("%d requests for two certificates", len(seen))
				} else if agent := seen[0].Header.Get("User-Agent"); agent != "boltseal/test" {
					t.Errorf("asked as %q", agent)
				}
			})
		}
	}
}

// A list that is too long is no list, and neither is one behind many redirects.
func TestAskBounds(t *testing.T) {
	t.Parallel()
	server := revocationServer(t)
	chain := chainOf(t, notationtest.AuthorityOptions{Revocation: server, CRL: true})
	var n atomic.Int32
	for _, tc := range []struct {
		name   string
		answer func(*http.Request) *http.Response
		want   string
	}{
		{"long list", func(*http.Request) *http.Response { return respond(200, io.LimitReader(zeros{}, 40<<20), "") }, "longer than 33554432 bytes"},
		{"round", func(*http.Request) *http.Response { n.Add(1); return respond(302, strings.NewReader(""), "/again") }, "redirected more than 3 times"},
	} {
		transport := roundTrip(func(r *http.Request) (*http.Response, error) { return tc.answer(r), nil })
		results, err := newAsker(transport, "x").ask(t.Context(), purpose.CodeSigning, chain, time.Time{})
		if err != nil || statuses(results) != "Unknown NonRevokable" || !strings.Contains(whyUnknown(results), tc.want) {
			t.Errorf("%s: %s, %v\n%s", tc.name, statuses(results), err, whyUnknown(results))
		}
	}
	if n.Load() != 4 {
		t.Errorf("%d requests, want one and three redirects", n.Load())
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(status int, body io.Reader, location string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Location": {location}}, Body: io.NopCloser(body)}
}

// Whoever asks what is being asked waits for the same answer, and a server that
// never answers is waited for ten seconds, once.
func TestAskSilence(t *testing.T) {
	t.Parallel()
	for _, o := range []notationtest.AuthorityOptions{{OCSPServers: []string{"http://ocsp.test/"}}, {CRLServers: []string{"http://crl.test/"}}} {
		synctest.Test(t, func(t *testing.T) {
			var asked atomic.Int32
			a := newAsker(roundTrip(func(r *http.Request) (*http.Response, error) {
				asked.Add(1)
				<-r.Context().Done()
				return nil, r.Context().Err()
			}), "x")
			chain := chainOf(t, o)
			began := time.Now()
			ctx, stop := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, stop)
			var all sync.WaitGroup
			for i := range 10 {
				all.Go(func() {
					ctx := ctx
					if i > 0 {
						ctx = t.Context()
					}
					results, err := a.ask(ctx, purpose.CodeSigning, chain, time.Time{})
					if err != nil || statuses(results) != "Unknown NonRevokable" {
						t.Errorf("%s, %v", statuses(results), err)
					}
					if took := time.Since(began); i == 0 && took != time.Second || i > 0 && took != 10*time.Second {
						t.Errorf("%d waited for %v", i, took)
					}
				})
				synctest.Wait() // the first is who asks
			}
			all.Wait()
			if results, err := a.ask(t.Context(), purpose.CodeSigning, chain, time.Time{}); err != nil || statuses(results) != "Unknown NonRevokable" {
				t.Errorf("%s, %v", statuses(results), err)
			}
			if took := time.Since(began); took != 10*time.Second || asked.Load() != 1 {
				t.Errorf("%d requests in %v", asked.Load(), took)
			}
		})
	}
}

// A TSA's chain is asked about as such.
func TestAskTSA(t *testing.T) {
	t.Parallel()
	server := revocationServer(t)
	tsa, err := notationtest.NewTSA(notationtest.TSAOptions{Revocation: server, OCSP: true})
	if err != nil {
		t.Fatal(err)
	}
	server.Say(tsa.Chain[0], notationtest.Revoked)
	a := NewAsker(nil, "x")
	if results, err := a.ask(t.Context(), purpose.Timestamping, tsa.Chain, time.Time{}); err != nil || statuses(results) != "Revoked NonRevokable" {
		t.Errorf("%s, %v", statuses(results), err)
	}
	if results, err := a.ask(t.Context(), purpose.CodeSigning, tsa.Chain, time.Time{}); err == nil {
		t.Errorf("as a signer's: %s", statuses(results))
	}
}

// Nothing is asked without somebody who asks, and where nobody is named.
func TestAskNobody(t *testing.T) {
	t.Parallel()
	server := revocationServer(t)
	chain := chainOf(t, notationtest.AuthorityOptions{Revocation: server, OCSP: true})
	for name, a := range map[string]*Asker{"nil": nil, "zero": {}} {
		if results, err := a.ask(t.Context(), purpose.CodeSigning, chain, time.Time{}); err == nil {
			t.Errorf("%s: %s", name, statuses(results))
		}
	}
	plain := chainOf(t, notationtest.AuthorityOptions{})
	if results, err := NewAsker(nil, "x").ask(t.Context(), purpose.CodeSigning, plain, time.Time{}); err != nil || statuses(results) != "NonRevokable NonRevokable" {
		t.Errorf("%s, %v", statuses(results), err)
	}
	if results, err := NewAsker(nil, "x").ask(t.Context(), purpose.CodeSigning, nil, time.Time{}); err == nil {
		t.Errorf("no chain: %s", statuses(results))
	}
	if len(server.Requests()) > 0 {
		t.Error("the server was asked")
	}
}

// An address that cannot be parsed makes notation-core-go panic; here nothing is
// known then.
func TestAskHostileAddress(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]notationtest.AuthorityOptions{
		"OCSP": {OCSPServers: []string{"http://a b/%zz"}}, "CRL": {CRLServers: []string{"ftp://127.0.0.1/x"}},
		"file": {OCSPServers: []string{"file:///etc/passwd"}},
	} {
		results, err := newAsker(roundTrip(func(*http.Request) (*http.Response, error) {
			t.Error(name + ": asked")
			return nil, errors.New("no")
		}), "x").ask(t.Context(), purpose.CodeSigning, chainOf(t, o), time.Time{})
		if err == nil && statuses(results) != "Unknown NonRevokable" {
			t.Errorf("%s: %s", name, statuses(results))
		}
	}
}

// A panic while an answer is read is one bad answer.
func TestMemoPanics(t *testing.T) {
	t.Parallel()
	m := memo[int]{max: 1}
	for range 2 {
		if _, err := m.get(t.Context(), "a", func(context.Context) (int, error) { panic("no number") }); err == nil || !strings.Contains(err.Error(), "no number") {
			t.Error(err)
		}
	}
	n := 0 // beyond max nothing is remembered
	for range 2 {
		if _, err := m.get(t.Context(), "b", func(context.Context) (int, error) { n++; return n, nil }); err != nil {
			t.Error(err)
		}
	}
	if n != 2 || len(m.answers) != 1 {
		t.Errorf("%d, %d", n, len(m.answers))
	}
}

// Requests go through the proxy that is given.
func TestAskProxy(t *testing.T) {
	t.Parallel()
	server := revocationServer(t)
	chain := chainOf(t, notationtest.AuthorityOptions{OCSPServers: []string{"http://ocsp.acme.invalid/"}})
	proxy, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	var of []string
	a := NewAsker(func(u *url.URL) (*url.URL, error) { of = append(of, u.Host); return proxy, nil }, "x")
	if _, err := a.ask(t.Context(), purpose.CodeSigning, chain, time.Time{}); err != nil {
		t.Error(err)
	}
	if len(server.Requests()) != 1 || len(of) != 1 || of[0] != "ocsp.acme.invalid" {
		t.Errorf("%d requests, for %q", len(server.Requests()), of)
	}
}
