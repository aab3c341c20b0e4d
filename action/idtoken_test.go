package action_test

import (
	"context"
	"encoding/base64"
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
	"testing"
	"time"

	"github.com/boltseal/boltseal/action"
)

const (
	secret = "request-token-5b1c" // what the runner gives the job
	token  = "eyJhbGciOiJ.eyJzdWIiOiJ.c2ln-_0"
)

// job returns a Runner of a job that may have tokens, and the waits it made.
func job(address string) (r *action.Runner, log *strings.Builder, waits *[]time.Duration) {
	r, log = runner(map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": address, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": secret})
	waits = &[]time.Duration{}
	r.Sleep = func(_ context.Context, d time.Duration) error {
		*waits = append(*waits, d)
		return nil
	}
	return r, log, waits
}

func TestIDToken(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, path, audience, want string }{
		{"as GitHub has it", "/idtoken/x?api-version=2.0", "sigstore", "/idtoken/x?api-version=2.0&audience=sigstore"},
		{"no query", "/x", "sigstore", "/x?audience=sigstore"},
		{"no audience", "/x?a=b", "", "/x?a=b"},
		{"an audience to escape", "/x?a=b", "https://a/?b=c&d#é", "/x?a=b&audience=https%3A%2F%2Fa%2F%3Fb%3Dc%26d%23%C3%A9"},
		{"another audience", "/x?audience=a", "b", "/x?audience=b"},
	} {
		var asked []string
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			asked = append(asked, req.Method+" "+req.RequestURI+" "+req.Header.Get("Authorization"))
			_, _ = fmt.Fprintf(w, `{"count":1,"value":%q}`+"\n", token)
		}))
		r, log, waits := job(srv.URL + tc.path)
		got, err := r.IDToken(t.Context(), tc.audience)
		srv.Close()
		if got != token || err != nil || len(*waits) != 0 {
			t.Errorf("%s: %q, %v after %v", tc.name, got, err, *waits)
		}
		if want := []string{"GET " + tc.want + " Bearer " + secret}; !slices.Equal(asked, want) {
			t.Errorf("%s: asked %q, want %q", tc.name, asked, want)
		}
		if log.String() != "::add-mask::"+token+"\n" {
			t.Errorf("%s: log %q", tc.name, log.String())
		}
	}
}

// An exchange is what a server, or the network, does with one request.
type exchange struct {
	status int
	header http.Header
	body   string
	err    error
}

// exchanges answer in turn; the last one goes on.
type exchanges struct {
	list  []exchange
	asked int
}

func (x *exchanges) RoundTrip(req *http.Request) (*http.Response, error) {
	e := x.list[min(x.asked, len(x.list)-1)]
	x.asked++
	if deadline, ok := req.Context().Deadline(); !ok || time.Until(deadline) > 10*time.Second {
		return nil, errors.New("the attempt has no deadline")
	}
	if e.err != nil {
		return nil, e.err
	}
	return &http.Response{StatusCode: e.status, Header: e.header, Body: io.NopCloser(strings.NewReader(e.body)), Request: req}, nil
}

func TestIDTokenRetries(t *testing.T) {
	t.Parallel()
	const s = time.Second
	after := func(value string) http.Header { return http.Header{"Retry-After": {value}} }
	good := exchange{status: 200, body: `{"value":"` + token + `"}`}
	reset := &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}
	for _, tc := range []struct {
		name  string
		list  []exchange
		asked int
		waits []time.Duration
		err   string // of the error, "" for a token
	}{
		{"at once", []exchange{good}, 1, nil, ""},
		{"server errors", []exchange{{status: 500}, {status: 502}, {status: 503}, {status: 504}, good}, 5, []time.Duration{s, 2 * s, 4 * s, 8 * s}, ""},
		{"too many requests, timeout", []exchange{{status: 429}, {status: 408}, good}, 3, []time.Duration{s, 2 * s}, ""},
		{"no connection, no answer", []exchange{{err: reset}, {err: context.DeadlineExceeded}, {err: io.ErrUnexpectedEOF}, good}, 4, []time.Duration{s, 2 * s, 4 * s}, ""},
		{"for ever", []exchange{{status: 503}}, 5, []time.Duration{s, 2 * s, 4 * s, 8 * s}, "503 Service Unavailable, asked 5 times"},
		{"never a connection", []exchange{{err: reset}}, 5, []time.Duration{s, 2 * s, 4 * s, 8 * s}, "connection reset by peer, asked 5 times"},
		{"refused later", []exchange{{status: 500}, {status: 403}}, 2, []time.Duration{s}, "answered 403 Forbidden"},

		{"Retry-After", []exchange{{status: 429, header: after("7")}, good}, 2, []time.Duration{7 * s}, ""},
		{"a short one", []exchange{{status: 500}, {status: 429, header: after("1")}, good}, 3, []time.Duration{s, 2 * s}, ""},
		{"a long one", []exchange{{status: 503, header: after("18")}, good}, 2, []time.Duration{18 * s}, ""},
		{"one that is too long", []exchange{{status: 503, header: after("20")}, good}, 1, nil, "503 Service Unavailable, and asks to wait 20s"},
		{"one that has no end", []exchange{{status: 503, header: after("99999999999999999999999")}, good}, 1, nil, "asks to wait 1h0m0s"},
		{"too long together", []exchange{{status: 503, header: after("12")}, {status: 500}, {status: 503, header: after("5")}, good}, 3, []time.Duration{12 * s, 2 * s}, "asks to wait 5s"},
		{"odd ones", []exchange{{status: 429, header: after("0")}, {status: 429, header: after("-5")}, {status: 429, header: after("1e9")}, {status: 429, header: after("Wed, 21 Oct 2099 07:28:00 GMT")}, good},
			5, []time.Duration{s, 2 * s, 4 * s, 8 * s}, ""},

		{"bad request", []exchange{{status: 400, body: "no\n::add-mask::a"}}, 1, nil, "answered 400 Bad Request"},
		{"unauthorized", []exchange{{status: 401, body: secret}}, 1, nil, "answered 401 Unauthorized"},
		{"forbidden", []exchange{{status: 403, header: after("1")}}, 1, nil, "answered 403 Forbidden"},
		{"not found", []exchange{{status: 404}}, 1, nil, "answered 404 Not Found"},
		{"a status of the server's own", []exchange{{status: 499}}, 1, nil, "answered 499"},
		{"no content", []exchange{{status: 204, body: good.body}}, 1, nil, "answered 204 No Content"},
		{"not modified", []exchange{{status: 304}}, 1, nil, "answered 304 Not Modified"},

		{"as large as may be", []exchange{{status: 200, body: good.body + strings.Repeat(" ", 64<<10-len(good.body))}}, 1, nil, ""},
		{"too large", []exchange{{status: 200, body: good.body + strings.Repeat(" ", 64<<10-len(good.body)+1)}}, 1, nil, "more than 65536 bytes"},
		{"empty", []exchange{{status: 200}}, 1, nil, "holds no token"},
		{"no JSON", []exchange{{status: 200, body: "<html>" + token}}, 1, nil, "holds no token"},
		{"null", []exchange{{status: 200, body: "null"}}, 1, nil, "holds no token"},
		{"no value", []exchange{{status: 200, body: `{"count":0}`}}, 1, nil, "holds no token"},
		{"an empty value", []exchange{{status: 200, body: `{"value":""}`}}, 1, nil, "holds no token"},
		{"a number", []exchange{{status: 200, body: `{"value":1}`}}, 1, nil, "holds no token"},
		{"a number, too", []exchange{{status: 200, body: `{"value":"a.b.c","value":1}`}}, 1, nil, "holds no token"},
		{"two parts", []exchange{{status: 200, body: `{"value":"a.b"}`}}, 1, nil, "holds no token"},
		{"a line more", []exchange{{status: 200, body: `{"value":"a.b.c\n::set-output name=a::b"}`}}, 1, nil, "holds no token"},
		{"a line end more", []exchange{{status: 200, body: `{"value":"a.b.c\n"}`}}, 1, nil, "holds no token"},
		{"more JSON", []exchange{{status: 200, body: good.body + "{}"}}, 1, nil, "holds no token"},

		{"the request token in an error", []exchange{{err: errors.New("malformed HTTP response " + secret)}}, 5, []time.Duration{s, 2 * s, 4 * s, 8 * s}, "malformed HTTP response ***"},
		{"the request token in base64", []exchange{{err: errors.New("malformed HTTP response " + base64.StdEncoding.EncodeToString([]byte(secret)))}}, 5, []time.Duration{s, 2 * s, 4 * s, 8 * s}, "malformed HTTP response ***"},
	} {
		x := &exchanges{list: tc.list}
		r, log, waits := job("https://runner.test/?" + secret)
		r.Ask(x)
		got, err := r.IDToken(t.Context(), "sigstore")
		if x.asked != tc.asked || !slices.Equal(*waits, tc.waits) {
			t.Errorf("%s: asked %d times with the waits %v, want %d and %v", tc.name, x.asked, *waits, tc.asked, tc.waits)
		}
		if tc.err == "" {
			if got != token || err != nil || log.String() != "::add-mask::"+token+"\n" {
				t.Errorf("%s: %q, %v, log %q", tc.name, got, err, log.String())
			}
			continue
		}
		s := (*action.StatusError)(nil)
		if refused := errors.As(err, &s) && s.Refused(); refused != (strings.Contains(tc.err, "answered 401") || strings.Contains(tc.err, "answered 403")) {
			t.Errorf("%s: refused %t: %v", tc.name, refused, err)
		}
		if got != "" || err == nil || !strings.Contains(err.Error(), "token endpoint at runner.test: ") || !strings.Contains(err.Error(), tc.err) || log.Len() != 0 {
			t.Errorf("%s: %q, %v, want %q; log %q", tc.name, got, err, tc.err, log.String())
		} else if s := err.Error(); strings.Contains(s, secret) || strings.Contains(s, base64.StdEncoding.EncodeToString([]byte(secret))) || strings.Contains(s, token) || strings.Contains(s, "\n") || len(s) > 200 {
			t.Errorf("%s: error %q", tc.name, s)
		}
	}
}

func TestIDTokenNotAllowed(t *testing.T) {
	t.Parallel()
	for _, env := range []map[string]string{
		nil,
		{"ACTIONS_ID_TOKEN_REQUEST_URL": "https://runner.test"},
		{"ACTIONS_ID_TOKEN_REQUEST_TOKEN": secret},
	} {
		r, _ := runner(env)
		x := &exchanges{list: []exchange{{status: 500}}}
		r.Ask(x)
		_, err := r.IDToken(t.Context(), "sigstore")
		if err == nil || x.asked != 0 || strings.Contains(err.Error(), secret) ||
			!strings.Contains(err.Error(), "give the job `permissions: id-token: write`") || !strings.Contains(err.Error(), "fork") {
			t.Errorf("%v: %v after %d requests", env, err, x.asked)
		}
	}
}

func TestIDTokenAddress(t *testing.T) {
	t.Parallel()
	for address, safe := range map[string]bool{
		"https://runner.test/x":     true,
		"HTTPS://runner.test":       true,
		"http://127.0.0.1:1/x":      true,
		"http://127.9.9.9/x":        true,
		"http://[::1]:1/x":          true,
		"http://localhost/x":        true,
		"http://runner.test/x":      false,
		"http://127.0.0.1.test/x":   false,
		"http://localhost.test/x":   false,
		"http://10.0.0.1/x":         false,
		"http://0.0.0.0/x":          false,
		"http://127.0.0.1@evil.com": false,
		"http:///x":                 false,
		"https:///x":                false,
		"https:x":                   false,
		"ftp://127.0.0.1":           false,
		"//127.0.0.1/x":             false,
		"127.0.0.1":                 false,
		"https://a\nb":              false,
		"://" + secret:              false,
		secret:                      false,
	} {
		r, _, _ := job(address)
		x := &exchanges{list: []exchange{{status: 400}}}
		r.Ask(x)
		_, err := r.IDToken(t.Context(), "")
		if err == nil || (x.asked == 1) != safe || strings.Contains(err.Error(), "no https address") == safe || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v after %d requests", address, err, x.asked)
		}
	}
}

// The request token goes to the runner's server and nowhere else.
func TestIDTokenRedirect(t *testing.T) {
	t.Parallel()
	asked := 0
	var srv *httptest.Server
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked++
		http.Redirect(w, req, srv.URL+"/again", http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	r, _, _ := job(srv.URL)
	if _, err := r.IDToken(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "answered 307") || asked != 1 {
		t.Errorf("%v after %d requests", err, asked)
	}
}

// A server that nobody vouches for is not asked again, nor told the secret.
func TestIDTokenCertificate(t *testing.T) {
	t.Parallel()
	asked, dialled := 0, 0
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			dialled++
		}
	}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	r, _, waits := job(srv.URL)
	_, err := r.IDToken(t.Context(), "")
	srv.Close()
	if err == nil || !strings.Contains(err.Error(), "certificate") || asked != 0 || dialled != 1 || len(*waits) != 0 {
		t.Errorf("%v after %d connections, %d requests, waits %v", err, dialled, asked, *waits)
	}
}

func TestIDTokenProxy(t *testing.T) {
	t.Parallel()
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked = append(asked, req.RequestURI)
		_, _ = fmt.Fprintf(w, `{"value":%q}`, token)
	}))
	defer proxy.Close()
	r, _, _ := job("http://127.0.0.1:1/x")
	r.Proxy = func(u *url.URL) (*url.URL, error) { return url.Parse(proxy.URL) }
	if got, err := r.IDToken(t.Context(), ""); got != token || err != nil || !slices.Equal(asked, []string{"http://127.0.0.1:1/x"}) {
		t.Errorf("%q, %v; the proxy was asked %q", got, err, asked)
	}
}

func TestIDTokenEnds(t *testing.T) {
	t.Parallel()
	gone := errors.New("somebody ended the run")

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	x := &exchanges{list: []exchange{{err: context.Canceled}}}
	r, _, waits := job("https://runner.test")
	r.Ask(x)
	if _, err := r.IDToken(ctx, ""); !errors.Is(err, gone) || x.asked != 1 || len(*waits) != 0 {
		t.Errorf("before: %v after %d requests, waits %v", err, x.asked, *waits)
	}

	ctx, cancel = context.WithCancelCause(t.Context())
	x = &exchanges{list: []exchange{{status: 503}}}
	r, _, _ = job("https://runner.test")
	r.Ask(x)
	r.Sleep = func(context.Context, time.Duration) error { cancel(gone); return gone }
	if _, err := r.IDToken(ctx, ""); !errors.Is(err, gone) || !strings.Contains(err.Error(), "503") || x.asked != 1 {
		t.Errorf("while waiting: %v after %d requests", err, x.asked)
	}

	if err := action.Sleep(ctx, time.Hour); !errors.Is(err, gone) {
		t.Errorf("asleep: %v", err)
	}
	if err := action.Sleep(t.Context(), 0); err != nil {
		t.Errorf("asleep for no time: %v", err)
	}
}
