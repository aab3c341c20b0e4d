package sigstore

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/verify"
)

// A step is what signing asks of one service.
type step struct {
	name    string
	service func(*sigstack) *sigstoretest.Service
	do      func(*testing.T, *sigstack) error
	words   string // how people know the service
	slow    int    // how often a service that does not answer is asked
}

// steps are those of a signature, in order. Each needs the ones before.
func steps() []step {
	issue := func(t *testing.T, s *sigstack) error {
		key, err := ephemeral()
		must(t, err)
		_, err = s.client.issue(t.Context(), s.both(t, 2), key, s.token(t, nil))
		return err
	}
	seal := func(version uint32) func(*testing.T, *sigstack) error {
		return func(t *testing.T, s *sigstack) error {
			key, err := ephemeral()
			must(t, err)
			b, err := s.client.seal(t.Context(), envelope(), key, nil, s.both(t, version))
			if err == nil {
				s.verifies(t, b, key, nil)
			} else if b != nil {
				t.Error("an error, and yet a bundle")
			}
			return err
		}
	}
	return []step{
		{"Fulcio", func(s *sigstack) *sigstoretest.Service { return s.Fulcio }, issue, "Fulcio", 2},
		{"TSA", func(s *sigstack) *sigstoretest.Service { return s.TSA }, seal(2), "timestamp authority", 2},
		{"Rekor v1", func(s *sigstack) *sigstoretest.Service { return s.Rekor1 }, seal(1), "Rekor", 2},
		{"Rekor v2", func(s *sigstack) *sigstoretest.Service { return s.Rekor2 }, seal(2), "Rekor", 1},
	}
}

const second = time.Second

// Each service in each kind of trouble: what becomes of it, what is said, how
// often it is asked and how long is waited.
func TestServiceFaults(t *testing.T) {
	t.Parallel()
	type fault = sigstoretest.Fault
	backoffs := []time.Duration{second / 2, second, 2 * second, 4 * second}
	after := func(s string) http.Header { return http.Header{"Retry-After": {s}} }
	for _, f := range []struct {
		name   string
		fault  fault
		reason verify.Reason // "" for success
		asked  int
		slept  []time.Duration
		words  string
		hint   string
	}{
		{"500 once", fault{Status: 500, Times: 1}, "", 2, backoffs[:1], "", ""},
		{"429 once", fault{Status: 429, Header: after("3"), Times: 1}, "", 2, []time.Duration{3 * second}, "", ""},
		{"408 once", fault{Status: 408, Times: 1}, "", 2, backoffs[:1], "", ""},
		{"short Retry-After", fault{Status: 503, Header: after("0"), Times: 2}, "", 3, backoffs[:2], "", ""},
		{"odd Retry-After", fault{Status: 503, Header: after("soon"), Times: 1}, "", 2, backoffs[:1], "", ""},
		{"reset once", fault{Reset: true, Times: 1}, "", 2, backoffs[:1], "", ""},
		{"answer cut off once", fault{Status: 201, Header: http.Header{"Content-Length": {"9"}}, Body: []byte("{"), Times: 1}, "", 2, backoffs[:1], "", ""},
		{"503 for long", fault{Status: 503, Body: []byte(`{"message":"we are\nclosed"}`)}, verify.Unavailable, 5, backoffs, "answered 503 Service Unavailable (we are closed), asked 5 times", "status page"},
		{"reset for long", fault{Reset: true}, verify.Unavailable, 5, backoffs, "EOF, asked 5 times", "can be reached"},
		{"long Retry-After", fault{Status: 429, Header: after("60")}, verify.Unavailable, 1, nil, "answered 429: the service asks to wait longer than signing does (1m0s)", "run it again in 1m0s"},
		{"very long Retry-After", fault{Status: 503, Header: after("99999999999999999999")}, verify.Unavailable, 1, nil, "asks to wait longer than signing does (24h0m0s)", "in 24h0m0s"},
		{"several Retry-Afters", fault{Status: 503, Header: after("8")}, verify.Unavailable, 3, []time.Duration{8 * second, 8 * second}, "asks to wait longer", "in 8s"},
		{"no JSON", fault{Status: 201, Body: []byte("<html>")}, verify.Unavailable, 1, nil, " at ", "can be reached"},
		{"another JSON", fault{Status: 200, Body: []byte("{}")}, verify.Unavailable, 1, nil, " at ", "can be reached"},
		{"null", fault{Status: 201, Body: []byte("null")}, verify.Unavailable, 1, nil, " at ", "can be reached"},
		{"nothing", fault{Status: 201}, verify.Unavailable, 1, nil, " at ", "can be reached"},
		{"a huge answer", fault{Status: 201, Body: bytes.Repeat([]byte(" "), maxAnswer+1)}, verify.Unavailable, 1, nil, "the answer is too long: more than 1048576 bytes", "can be reached"},
		{"a huge refusal", fault{Status: 400, Body: bytes.Repeat([]byte("x"), maxAnswer)}, verify.Denied, 1, nil, "answered 400 Bad Request (xxx", ""},
		{"redirect", fault{Status: 307, Header: http.Header{"Location": {"https://elsewhere.example/"}}}, verify.Unavailable, 1, nil, "redirect, which is not followed", "final https address"},
		{"301", fault{Status: 301}, verify.Unavailable, 1, nil, "redirect, which is not followed", "final https address"},
		{"400", fault{Status: 400}, verify.Denied, 1, nil, "answered 400 Bad Request", ""},
		{"401", fault{Status: 401}, verify.Denied, 1, nil, "answered 401 Unauthorized", ""},
		{"403", fault{Status: 403}, verify.Denied, 1, nil, "answered 403 Forbidden", ""},
		{"404", fault{Status: 404}, verify.Unavailable, 1, nil, "answered 404 Not Found", "does not have the interface"},
		{"405", fault{Status: 405}, verify.Denied, 1, nil, "answered 405 Method Not Allowed", ""},
		{"501", fault{Status: 501}, verify.Unavailable, 1, nil, "answered 501 Not Implemented", ""},
		{"299", fault{Status: 299, Body: []byte("[]")}, verify.Unavailable, 1, nil, " at ", ""},
	} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			s := newSigstack(t)
			for _, step := range steps() {
				service := step.service(s)
				s.Reset()
				s.sleeps = nil
				service.Inject(f.fault)
				err := step.do(t, s)
				if n := len(service.Requests()); n != f.asked {
					t.Errorf("%s: asked %d times, want %d", step.name, n, f.asked)
				}
				if slept := s.slept(); !slices.Equal(slept, f.slept) {
					t.Errorf("%s: waited %v, want %v", step.name, slept, f.slept)
				}
				if f.reason == "" {
					if err != nil {
						t.Errorf("%s: %v", step.name, err)
					}
					continue
				}
				checkRefusal(t, step, service, err, f.reason, f.words, f.hint)
			}
		})
	}
}

// checkRefusal checks the error of a step whose service is in trouble.
func checkRefusal(t *testing.T, step step, service *sigstoretest.Service, err error, reason verify.Reason, words, hint string) {
	t.Helper()
	e := (*ServiceError)(nil)
	if !errors.As(err, &e) {
		t.Errorf("%s: %v", step.name, err)
		return
	}
	if e.Reason() != reason || e.Service != step.words || e.Host != service.Host() || e.Attempts < 1 {
		t.Errorf("%s: %s of %+v", step.name, e.Reason(), *e)
	}
	if text := err.Error(); !strings.Contains(text, step.words+" at "+service.Host()) || !strings.Contains(text, words) || len(text) > 700 || strings.ContainsAny(text, "\n\r") {
		t.Errorf("%s: %q, want %q", step.name, text, words)
	}
	if got := verify.Hint(err); got == "" || !strings.Contains(got, hint) {
		t.Errorf("%s: hint %q, want %q", step.name, got, hint)
	}
}

// A service that is not there at all.
func TestServiceDown(t *testing.T) {
	t.Parallel()
	for _, step := range steps() {
		s := newSigstack(t)
		service := step.service(s)
		service.Down()
		checkRefusal(t, step, service, step.do(t, s), verify.Unavailable, "connection refused, asked 5 times", "can be reached")
		if n := len(s.slept()); n != 4 {
			t.Errorf("%s: waited %d times", step.name, n)
		}
	}
}

// A service that takes the request and never answers: 20 s, however often it is
// asked.
func TestServiceHangs(t *testing.T) {
	t.Parallel()
	for _, step := range steps() {
		s := newSigstack(t)
		service := step.service(s)
		service.Inject(sigstoretest.Fault{Hold: make(chan struct{})})
		var limits []time.Duration
		// Time is up as soon as the service has the request.
		s.client.after = func(d time.Duration, strike func()) func() bool {
			if step.name == "Rekor v1" || step.name == "Rekor v2" {
				if len(s.TSA.Requests()) == 0 {
					return func() bool { return true } // it is the TSA's turn
				}
			}
			limits = append(limits, d)
			n := len(limits)
			go func() {
				if service.Await(t.Context(), n) == nil {
					strike()
				}
			}()
			return func() bool { return true }
		}
		err := step.do(t, s)
		checkRefusal(t, step, service, err, verify.Unavailable, "no answer within ", "")
		if !errors.Is(err, errNoAnswer) || len(service.Requests()) != step.slow {
			t.Errorf("%s: %d requests; %v", step.name, len(service.Requests()), err)
		}
		total := time.Duration(0)
		for _, d := range slices.Concat(limits, s.slept()) {
			total += d
		}
		if total != callLimit {
			t.Errorf("%s: %v of time-outs %v and waits %v", step.name, total, limits, s.slept())
		}
		if hint := verify.Hint(err); step.name == "Fulcio" && !strings.Contains(hint, "certificate transparency log is down") {
			t.Errorf("hint %q", hint)
		}
	}
}

// A run that ends ends what is asked.
func TestServiceCancelled(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	key, cert := s.certified(t)
	services := s.both(t, 2)
	s.Rekor2.Inject(sigstoretest.Fault{Hold: make(chan struct{})})
	ctx, cancel := context.WithCancelCause(t.Context())
	over := errors.New("time is up")
	go func() {
		_ = s.Rekor2.Await(t.Context(), 1)
		cancel(over)
	}()
	if _, err := s.client.seal(ctx, envelope(), key, cert, services); !errors.Is(err, over) || len(s.Rekor2.Requests()) != 1 || len(s.slept()) != 0 {
		t.Errorf("%v", err)
	}
	// It ends while it waits for another attempt.
	s.Reset()
	s.Rekor2.Inject(sigstoretest.Fault{Status: 500})
	s.client.sleep = func(context.Context, time.Duration) error { return over }
	if _, err := s.client.seal(t.Context(), envelope(), key, cert, services); !errors.Is(err, over) || len(s.Rekor2.Requests()) != 1 {
		t.Errorf("%v", err)
	}
	// It has ended already.
	if _, err := s.client.issue(ctx, services, key, s.token(t, nil)); !errors.Is(err, over) {
		t.Errorf("%v", err)
	}
}

// What is said of a refusal depends on who refuses.
func TestServiceHints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		service service
		status  int
		err     error
		want    string
	}{
		{fulcio, 400, nil, "look into the identity token"},
		{fulcio, 401, nil, "look into the identity token"},
		{fulcio, 403, nil, "issuer and subject may get certificates"},
		{fulcio, 404, nil, "check the signing config"},
		{fulcio, 429, nil, "sign fewer images at once"},
		{fulcio, 500, nil, "certificate transparency log"},
		{fulcio, 503, nil, "certificate transparency log"},
		{rekor, 400, nil, "sign with another kind of key"},
		{rekor, 405, nil, "this log is closed"},
		{rekor, 500, nil, "status page of host"},
		{tsa, 400, nil, "host refuses the request"},
		{tsa, 500, nil, "status page of host"},
		{tsa, 0, &net.DNSError{IsNotFound: true}, "there is no host host"},
		{tsa, 0, http.ErrSchemeMismatch, "does not speak TLS"},
		{tsa, 0, tls.RecordHeaderError{}, "does not speak TLS"},
		{tsa, 0, &tls.CertificateVerificationError{Err: errors.New("x")}, "certificate authority"},
		{rekor, 0, errNoAnswer, "can be reached"},
		{rekor, 0, context.Canceled, "run it again"},
	} {
		e := &ServiceError{Service: string(c.service), Host: "host", Status: c.status, Err: c.err}
		if !strings.Contains(e.Hint(), c.want) {
			t.Errorf("%s %d %v: %q, want %q", c.service, c.status, c.err, e.Hint(), c.want)
		}
	}
	if e := (&ServiceError{}); e.Reason() != verify.Unavailable || e.Hint() == "" {
		t.Errorf("the zero error: %q, %q", e.Reason(), e.Hint())
	}
}

// Fulcio says the same of whatever is wrong with a token; what is known of it is
// said besides.
func TestTokenHint(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	key, err := ephemeral()
	must(t, err)
	_, err = s.client.issue(t.Context(), s.both(t, 2), key, s.token(t, map[string]any{"iss": "https://unknown.example", "sub": "x"}))
	checkRefusal(t, steps()[0], s.Fulcio, err, verify.Denied, "answered 400 Bad Request (There was an error processing the identity token)",
		`which is from "https://unknown.example" and valid until 2024-02-29T12:05:00Z: it may be too old, for another audience`)
}

// A service that repeats the secrets of a request, in every way it can, does not
// get them into an error.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	services := s.both(t, 2)
	token := s.token(t, nil)
	key, err := ephemeral()
	must(t, err)
	for name, answer := range map[string]func(w http.ResponseWriter, token string){
		"message":   func(w http.ResponseWriter, token string) { status(w, 400, `{"message":"bad token `+token+`"}`) },
		"text":      func(w http.ResponseWriter, token string) { status(w, 403, "Authorization: Bearer "+token) },
		"cut":       func(w http.ResponseWriter, token string) { status(w, 401, "token "+token[:len(token)/2]) },
		"payload":   func(w http.ResponseWriter, token string) { status(w, 400, "part "+strings.Split(token, ".")[1]) },
		"signature": func(w http.ResponseWriter, token string) { status(w, 400, "part "+strings.Split(token, ".")[2]) },
		"late":      func(w http.ResponseWriter, token string) { status(w, 400, strings.Repeat("x", maxDetail-20)+token) },
		"success":   func(w http.ResponseWriter, token string) { status(w, 200, token) },
		"no PEM": func(w http.ResponseWriter, token string) {
			status(w, 200, `{"signedCertificateEmbeddedSct":{"chain":{"certificates":["`+token+`"]}}}`)
		},
		"wrong type": func(w http.ResponseWriter, token string) {
			status(w, 200, `{"signedCertificateEmbeddedSct":"`+token+`"}`)
		},
		"redirect": func(w http.ResponseWriter, token string) {
			w.Header().Set("Location", "/?t="+token)
			status(w, 302, "")
		},
		"no HTTP": func(w http.ResponseWriter, token string) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, token+"\r\n\r\n")
				_ = conn.Close()
			}
		},
		"header": func(w http.ResponseWriter, token string) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+token+"\r\n\r\n")
				_ = conn.Close()
			}
		},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer(w, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		}))
		services.ca.URL = server.URL
		_, err := s.client.issue(t.Context(), services, key, token)
		server.Close()
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		text := fmt.Sprintf("%v %+v %s", err, err, verify.Hint(err))
		if e := (*ServiceError)(nil); errors.As(err, &e) {
			text += e.Error() + e.Detail + e.Hint()
		}
		for _, part := range strings.Split(token.secret(), ".") {
			if strings.Contains(text, part[:20]) {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
}

// advised is the hint of a *ServiceError.
func advised(err error) string {
	if e := (*ServiceError)(nil); errors.As(err, &e) {
		return e.Hint()
	}
	return ""
}

func status(w http.ResponseWriter, code int, body string) {
	w.WriteHeader(code)
	_, _ = io.WriteString(w, body)
}

// Text from outside is put on one line, and does not write on a terminal.
func TestDetail(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"message":"a\nb\u001b[31m\u202ec"}`: "a b?[31m?c",
		"line\r\nnext":                        "line  next",
		`{"message":""}`:                      "",
		`{"other":"x"}`:                       "",
		"\xff\xfe":                            "??",
		strings.Repeat("é", 400):              strings.Repeat("é", maxDetail/2) + "…",
		`{"message":"eyJhbGciOi.eyJpc3Mi.c2ln rest"}`:   "*** rest",
		"Authorization: basic dXNlcjpwYXNz, sent":       "Authorization: ***, sent",
		"issuer token.actions.githubusercontent.com no": "issuer token.actions.githubusercontent.com no",
	} {
		if got := (call{}).detail(answer{body: []byte(body)}); got != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
	}
	page := answer{header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}, body: []byte("<html>a page</html>")}
	if got := (call{}).detail(page); got != "" {
		t.Errorf("a page: %q", got)
	}
}

// https is checked against the authorities given; without it, only this machine
// is asked.
func TestTransport(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	var agent string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { agent = r.UserAgent() }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	ask := func(c *Client, url string) error {
		_, err := c.do(t.Context(), call{service: tsa, method: http.MethodPost, url: url})
		return err
	}
	sleep := func(context.Context, time.Duration) error { return errors.New("another attempt") }
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	if err := ask(NewClient(ClientOptions{Roots: roots, UserAgent: "me/1", Sleep: sleep}), server.URL); err != nil || agent != "me/1" {
		t.Errorf("user agent %q, %v", agent, err)
	}
	cert := (*tls.CertificateVerificationError)(nil)
	if err := ask(NewClient(ClientOptions{Sleep: sleep}), server.URL); !errors.As(err, &cert) || strings.Contains(err.Error(), "another attempt") {
		t.Errorf("an authority that is not known: %v", err)
	}
	if err := ask(s.client, "https://"+s.TSA.Host()); !strings.Contains(advised(err), "does not speak TLS") || len(s.slept()) != 0 {
		t.Errorf("no TLS: %v", err)
	}
	old := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10} //nolint:gosec // what must not be spoken
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.StartTLS()
	t.Cleanup(old.Close)
	if err := ask(NewClient(ClientOptions{Roots: roots, Sleep: sleep}), old.URL); err == nil || !strings.Contains(err.Error(), "another attempt") {
		t.Errorf("TLS 1.1: %v", err)
	}
	for _, address := range []string{"http://192.0.2.1/", "http://example.com/", "ftp://127.0.0.1/", "http://localhost.example.com/"} {
		if err := ask(s.client, address); !errors.Is(err, errUnsafe) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"", ":", "/path", "http:///"} {
		if err := ask(s.client, address); err == nil || !strings.Contains(err.Error(), "no address") {
			t.Errorf("%s: %v", address, err)
		}
	}
	asked := ""
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked = r.URL.String() }))
	t.Cleanup(proxy.Close)
	through := func(*url.URL) (*url.URL, error) { return url.Parse(proxy.URL) }
	if err := ask(NewClient(ClientOptions{Proxy: through, Sleep: sleep}), "http://127.0.0.1:1/x"); err != nil || asked != "http://127.0.0.1:1/x" {
		t.Errorf("the proxy was asked for %q: %v", asked, err)
	}
}

// The real clock: what is injected elsewhere works.
func TestSleep(t *testing.T) {
	t.Parallel()
	c := NewClient(ClientOptions{})
	if err := c.sleep(t.Context(), 1); err != nil {
		t.Error(err)
	}
	over := errors.New("over")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(over)
	if err := c.sleep(ctx, time.Hour); !errors.Is(err, over) {
		t.Error(err)
	}
	struck := make(chan struct{})
	c.after(1, sync.OnceFunc(func() { close(struck) }))
	<-struck
}
