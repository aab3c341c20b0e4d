package registry_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

const (
	gun  = "127.0.0.1:5000/acme/app"
	data = "/v2/" + gun + "/_trust/tuf/"
)

// A notary is a server of trust data that logs what it is asked.
type notary struct {
	*httptest.Server
	answer http.HandlerFunc

	mu  sync.Mutex
	log []string
}

func newNotary(t *testing.T, answer http.HandlerFunc) *notary {
	t.Helper()
	n := &notary{answer: answer}
	n.Server = httptest.NewServer(n)
	t.Cleanup(n.Close)
	return n
}

func (n *notary) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	rec := httptest.NewRecorder()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.log = append(n.log, strings.TrimSpace(fmt.Sprint(req.Method, " ", req.RequestURI, " ", rec.Code, " ", req.Header.Get("Authorization"))))
	}()
	n.answer(rec, req)
	maps.Copy(w.Header(), rec.Header())
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

func (n *notary) requests() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.log)
}

func (n *notary) wantLog(t *testing.T, want ...string) {
	t.Helper()
	if got := n.requests(); !slices.Equal(got, want) {
		t.Errorf("requests\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// echo answers with the path that was asked for.
func echo(w http.ResponseWriter, req *http.Request) { _, _ = io.WriteString(w, req.URL.Path) }

// guarded asks for credentials before next. kind is "Basic", or "Bearer" for
// tokens of the server's own service; with a user they cost a password.
func guarded(kind string, withUser bool, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		u, p, _ := req.BasicAuth()
		known := !withUser || u == user && p == password
		scope := req.URL.Query().Get("scope")
		switch {
		case req.URL.Path == "/token" && known:
			_, _ = io.WriteString(w, `{"token":"`+scope+`"}`)
			return
		case req.URL.Path == "/token":
		case kind == "Basic" && known, kind == "Bearer" && strings.HasPrefix(req.Header.Get("Authorization"), "Bearer "+wanted(req)):
			next(w, req)
			return
		case kind == "Bearer":
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+req.Host+`/token",service="notary",scope="`+wanted(req)+`"`)
		default:
			w.Header().Set("WWW-Authenticate", `Basic realm="notary"`)
		}
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
	}
}

// wanted returns the scope that a request needs.
func wanted(req *http.Request) string {
	name, _, ok := strings.Cut(strings.TrimPrefix(req.URL.Path, "/v2/"), "/_trust/")
	switch {
	case !ok:
		return ""
	case req.Method == http.MethodGet:
		return "repository:" + name + ":pull"
	}
	return "repository:" + name + ":push,pull"
}

func trusted(t *testing.T, address string, ca ...*x509.Certificate) registry.TrustServer {
	t.Helper()
	s, err := registry.ParseTrustServer(address, ca...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParseTrustServer(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://notary.docker.io":                "https://notary.docker.io",
		"HTTPS://Notary.Example.COM:443/":         "https://notary.example.com",
		"https://notary.example.com:4443//":       "https://notary.example.com:4443",
		"https://example.com:80/a/b-c_d~1.0:x/":   "https://example.com:80/a/b-c_d~1.0:x",
		"http://127.0.0.1:4443":                   "http://127.0.0.1:4443",
		"http://example.com:80":                   "http://example.com",
		"https://[::1]:4443/x":                    "https://[::1]:4443/x",
		"https://example.com:":                    "https://example.com",
		"https://" + strings.Repeat("a", 63):      "https://" + strings.Repeat("a", 63),
		"https://under_score.svc.cluster.local:1": "https://under_score.svc.cluster.local:1",
	} {
		s, err := registry.ParseTrustServer(text)
		if err != nil || s.String() != want || s.IsZero() {
			t.Errorf("%q: %q, %v", text, s, err)
			continue
		}
		if again, err := registry.ParseTrustServer(s.String()); err != nil || again != s {
			t.Errorf("%q: again %q, %v", text, again, err)
		}
		if _, rest, _ := strings.Cut(want, "://"); !strings.HasPrefix(rest, s.Host()) {
			t.Errorf("%q: host %q", text, s.Host())
		}
	}
	for _, text := range []string{
		"", "notary.example.com", "notary.example.com:4443", "//notary.example.com", "ftp://notary.example.com", "https://", "https:///x", "https:notary",
		"https://user@notary.example.com", "https://:secret@notary.example.com", "https://user:secret@notary.example.com/",
		"https://notary.example.com/?", "https://notary.example.com/?secret=1", "https://notary.example.com/#", "https://notary.example.com#x",
		"https://notary.example.com/../x", "https://notary.example.com/./x", "https://notary.example.com/a//b", "https://notary.example.com/a%2fb",
		"https://notary.example.com/%2e%2e/x", "https://notary.example.com/a b", "https://notary.example.com/ä", "https://nötary.example.com", "https://-x", "https://x..-",
		"https://a,b", "https://*.example.com", "https://[::1", "https://[::g]", "https://[1:2]", "https://x:0", "https://x:65536", "https://x:99999999999", "https://x:y",
		"https://notary.example.com\n", " https://notary.example.com", "https://notary.example.com/" + strings.Repeat("a", 1024),
		"https://docker.io", "https://index.docker.io/v1/", "https://x/a/_trust/b",
	} {
		s, err := registry.ParseTrustServer(text)
		if err == nil || !s.IsZero() || s.String() != "" {
			t.Errorf("%q: %q, %v", text, s, err)
			continue
		}
		wantNoSecret(t, err)
		if len(err.Error()) > 300 {
			t.Errorf("%q: %v", text, err)
		}
	}
	a, b := authority(t), authority(t)
	same := trusted(t, "https://x", a.cert, b.cert)
	if trusted(t, "https://X/", b.cert, a.cert, b.cert) != same || trusted(t, "https://x", a.cert) == same || trusted(t, "https://x") == same {
		t.Error("servers are equal where they are not asked in the same way, or the other way round")
	}
	if same.String() != "https://x" {
		t.Errorf("%q", same)
	}
}

func TestTrustDataAnonymous(t *testing.T) {
	t.Parallel()
	n := newNotary(t, echo)
	c, _ := client(registry.Options{})
	var counter registry.Counter
	ctx := registry.WithCounter(t.Context(), &counter)
	for _, base := range []string{"", "/notary/", "/a/b"} {
		for _, file := range []string{"root", "2.root", "targets/releases." + hex64} {
			got, err := c.TrustData(ctx, trusted(t, n.URL+base), gun, file, 1000)
			want := strings.TrimRight(base, "/") + data + file + ".json"
			if err != nil || string(got) != want {
				t.Errorf("%s %s: %q, %v", base, file, got, err)
			}
		}
	}
	if c.Requests() != 9 || counter.Requests() != 9 || len(n.requests()) != 9 {
		t.Errorf("%d requests, %d counted, %d came", c.Requests(), counter.Requests(), len(n.requests()))
	}
}

// With whatever credentials: exactly these requests for two files of one
// collection, one of another, and one of the first under another path.
func TestTrustDataAuth(t *testing.T) {
	t.Parallel()
	const (
		other = "docker.io/library/alpine"
		basic = "Basic cm9ib3Q6aHVudGVyMi1zZWNyZXQ="
	)
	token := func(gun, status, auth string) string {
		return strings.TrimSpace("GET /token?scope=" + strings.NewReplacer("/", "%2F", ":", "%3A").Replace("repository:"+gun+":pull") + "&service=notary " + status + " " + auth)
	}
	bearer := func(gun string) string { return " 200 Bearer repository:" + gun + ":pull" }
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		login   bool
		want    []string
	}{
		"anonymous": {echo, false, []string{
			"GET " + data + "root.json 200", "GET " + data + "timestamp.json 200", "GET /v2/" + other + "/_trust/tuf/root.json 200",
		}},
		"credentials that nobody asks for": {echo, true, []string{
			"GET /v2/ 200", "GET " + data + "root.json 200 " + basic, "GET " + data + "timestamp.json 200 " + basic,
			"GET /v2/" + other + "/_trust/tuf/root.json 200 " + basic,
		}},
		"anonymous tokens": {guarded("Bearer", false, echo), false, []string{
			"GET " + data + "root.json 401", token(gun, "200", ""), "GET " + data + "root.json" + bearer(gun), "GET " + data + "timestamp.json" + bearer(gun),
			token(other, "200", ""), "GET /v2/" + other + "/_trust/tuf/root.json" + bearer(other),
		}},
		"tokens": {guarded("Bearer", true, echo), true, []string{
			"GET /v2/ 401", token(gun, "200", basic), "GET " + data + "root.json" + bearer(gun), "GET " + data + "timestamp.json" + bearer(gun),
			token(other, "200", basic), "GET /v2/" + other + "/_trust/tuf/root.json" + bearer(other),
		}},
		"basic": {guarded("Basic", true, echo), true, []string{
			"GET /v2/ 401", "GET " + data + "root.json 200 " + basic, "GET " + data + "timestamp.json 200 " + basic,
			"GET /v2/" + other + "/_trust/tuf/root.json 200 " + basic,
		}},
		"nothing at /v2/": {func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == "/v2/" {
				http.NotFound(w, req)
				return
			}
			guarded("Bearer", true, echo)(w, req)
		}, true, []string{
			"GET /v2/ 404", "GET " + data + "root.json 401 " + basic, token(gun, "200", basic), "GET " + data + "root.json" + bearer(gun),
			"GET " + data + "timestamp.json" + bearer(gun), "GET /v2/" + other + "/_trust/tuf/root.json 401 " + basic, token(other, "200", basic),
			"GET /v2/" + other + "/_trust/tuf/root.json" + bearer(other),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNotary(t, tc.handler)
			o := registry.Options{}
			if tc.login {
				o.Keychain = login(hostOf(n.Server))
			}
			c, sleeps := client(o)
			for _, q := range [][2]string{{gun, "root"}, {gun, "timestamp"}, {other, "root"}} {
				got, err := c.TrustData(t.Context(), trusted(t, n.URL), q[0], q[1], 1000)
				if want := "/v2/" + q[0] + "/_trust/tuf/" + q[1] + ".json"; err != nil || string(got) != want {
					t.Fatalf("%v: %q, %v", q, got, err)
				}
			}
			n.wantLog(t, tc.want...)
			if c.Requests() != len(tc.want) || len(sleeps.all()) != 0 {
				t.Errorf("%d requests, waits %v", c.Requests(), sleeps.all())
			}
		})
	}
}

// Where the server has a path, so has the question for its challenge.
func TestTrustDataBase(t *testing.T) {
	t.Parallel()
	n := newNotary(t, func(w http.ResponseWriter, req *http.Request) {
		req.URL.Path = strings.TrimPrefix(req.URL.Path, "/notary")
		guarded("Bearer", true, echo)(w, req)
	})
	c, _ := client(registry.Options{Keychain: login(hostOf(n.Server))})
	if _, err := c.TrustData(t.Context(), trusted(t, n.URL+"/notary"), "a/b", "root", 1000); err != nil {
		t.Fatal(err)
	}
	got := n.requests()
	if len(got) != 3 || got[0] != "GET /notary/v2/ 401" || !strings.HasPrefix(got[1], "GET /token?") || !strings.HasPrefix(got[2], "GET /notary/v2/a/b/_trust/tuf/root.json 200 Bearer ") {
		t.Errorf("%q", got)
	}
}

// What is known of a host as a registry says nothing of it as a notary.
func TestTrustDataAndRegistry(t *testing.T) {
	t.Parallel()
	n := newNotary(t, func(w http.ResponseWriter, req *http.Request) {
		if strings.Contains(req.URL.Path, "/_trust/") {
			guarded("Bearer", false, echo)(w, req)
			return
		}
		guarded("", false, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })(w, req)
	})
	c, _ := client(registry.Options{})
	if _, err := c.TrustData(t.Context(), trusted(t, n.URL), "a", "root", 1000); err != nil {
		t.Fatal(err)
	}
	_, err := c.Manifest(t.Context(), ref(t, hostOf(n.Server)+"/a"), "v1")
	wantErr(t, err, verify.Denied, registry.ErrDenied) // it wants Basic, and gets no token
	for _, q := range n.requests() {
		if strings.Contains(q, "/manifests/") && strings.Contains(q, "Bearer") {
			t.Errorf("%q", q)
		}
	}
}

func TestTrustDataDenied(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		handler  http.HandlerFunc
		login    bool
		requests int
	}{
		"no password, tokens":    {guarded("Bearer", true, echo), false, 2},
		"no password, basic":     {guarded("Basic", true, echo), false, 2},
		"wrong password, tokens": {guarded("Bearer", true, echo), true, 2},
		"wrong password, basic":  {guarded("Basic", true, echo), true, 2},
		"403":                    {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "{}", http.StatusForbidden) }, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNotary(t, tc.handler)
			o := registry.Options{}
			if tc.login {
				k := login(hostOf(n.Server))
				cfg := k[hostOf(n.Server)]
				cfg.Password += "!"
				k[hostOf(n.Server)] = cfg
				o.Keychain = k
			}
			c, sleeps := client(o)
			_, err := c.TrustData(t.Context(), trusted(t, n.URL), gun, "root", 1000)
			wantErr(t, err, verify.Denied, registry.ErrDenied)
			wantHint(t, hostOf(n.Server), err, "docker login "+hostOf(n.Server))
			if c.Requests() != tc.requests || len(sleeps.all()) != 0 {
				t.Errorf("requests %q, waits %v", n.requests(), sleeps.all())
			}
		})
	}
}

// wantHint checks what is advised, and that it is not about images in registries.
func wantHint(t *testing.T, host string, err error, want string) {
	t.Helper()
	var v *verify.Error
	if !errors.As(registry.Explain("read trust data", host, err), &v) || !strings.Contains(v.Hint, want) || strings.Contains(v.Hint, "packages") || strings.Contains(v.Hint, "--registry-cacert") {
		t.Errorf("%v: hint %q", err, v.Hint)
	}
}

// A token that is no longer good is asked for again.
func TestTrustDataTokenExpires(t *testing.T) {
	t.Parallel()
	tokens := 0
	n := newNotary(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/token" {
			tokens++
			_, _ = fmt.Fprintf(w, `{"token":"%d"}`, tokens)
			return
		}
		if auth := req.Header.Get("Authorization"); auth == "" || auth == "Bearer 1" && strings.Contains(req.URL.Path, "timestamp") {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+req.Host+`/token",service="notary",scope="repository:a:pull"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		echo(w, req)
	})
	c, _ := client(registry.Options{})
	for _, file := range []string{"root", "timestamp", "snapshot"} {
		if _, err := c.TrustData(t.Context(), trusted(t, n.URL), "a", file, 1000); err != nil {
			t.Fatal(err)
		}
	}
	const token = "GET /token?scope=repository%3Aa%3Apull&service=notary 200"
	n.wantLog(t, "GET /v2/a/_trust/tuf/root.json 401", token, "GET /v2/a/_trust/tuf/root.json 200 Bearer 1",
		"GET /v2/a/_trust/tuf/timestamp.json 401 Bearer 1", token, "GET /v2/a/_trust/tuf/timestamp.json 200 Bearer 2",
		"GET /v2/a/_trust/tuf/snapshot.json 200 Bearer 2")
}

func TestTrustDataFails(t *testing.T) {
	t.Parallel()
	const body = `{"errors":[{"code":"METADATA_NOT_FOUND","message":"You have requested metadata that does not exist. Authorization: Basic c2VjcmV0OnNlY3JldA==","detail":null}]}`
	for _, tc := range []struct {
		status   int
		reason   verify.Reason
		kind     error
		attempts int
		hint     string
	}{
		{404, verify.NotFound, registry.ErrNotFound, 1, "check the names of the image and of the server"},
		{410, verify.Unavailable, registry.ErrUnavailable, 1, "run it again"},
		{400, verify.Unavailable, registry.ErrUnavailable, 1, ""},
		{500, verify.Unavailable, registry.ErrUnavailable, 4, "run it again"},
		{503, verify.Unavailable, registry.ErrUnavailable, 4, "run it again"},
		{429, verify.Unavailable, registry.ErrUnavailable, 4, "rate limit"},
	} {
		n := newNotary(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, body, tc.status) })
		c, sleeps := client(registry.Options{})
		got, err := c.TrustData(t.Context(), trusted(t, n.URL), gun, "root", 1000)
		wantErr(t, err, tc.reason, tc.kind)
		wantHint(t, hostOf(n.Server), err, tc.hint)
		if got != nil || c.Requests() != tc.attempts || len(sleeps.all()) != tc.attempts-1 {
			t.Errorf("%d: %q, %d requests, waits %v", tc.status, got, c.Requests(), sleeps.all())
		}
		if err != nil {
			for _, want := range []string{"fetch root.json of " + gun + " from " + n.URL, fmt.Sprint("server answered ", tc.status), "METADATA_NOT_FOUND: You have"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		}
	}
}

func TestTrustDataRecovers(t *testing.T) {
	t.Parallel()
	asked := 0
	n := newNotary(t, func(w http.ResponseWriter, req *http.Request) {
		if asked++; asked < 3 {
			http.Error(w, "", http.StatusServiceUnavailable)
			return
		}
		echo(w, req)
	})
	c, sleeps := client(registry.Options{})
	if _, err := c.TrustData(t.Context(), trusted(t, n.URL), gun, "root", 1000); err != nil || len(sleeps.all()) != 2 {
		t.Errorf("%v, waits %v", err, sleeps.all())
	}
}

func TestTrustDataUnreachable(t *testing.T) {
	t.Parallel()
	c, sleeps := client(registry.Options{})
	_, err := c.TrustData(t.Context(), trusted(t, "http://"+closed(t)), gun, "root", 1000)
	wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
	wantHint(t, "x.test", err, "can be reached from here")
	if len(sleeps.all()) != 3 {
		t.Errorf("waits %v", sleeps.all())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.TrustData(ctx, trusted(t, "http://"+closed(t)), gun, "root", 1000)
	wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A server's own words are bounded, and hold no credentials.
func TestTrustDataHostile(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"long code":   `{"errors":[{"code":"` + strings.Repeat("A", 5000) + `"}]}`,
		"long":        `{"errors":[{"code":"A","message":"` + strings.Repeat("B", 5000) + `","detail":{"Name":"C","Error":{"Msg":"` + strings.Repeat("C", 5000) + `"}}}]}`,
		"credentials": `{"errors":[{"code":"X","message":"you sent Authorization: Basic c2VjcmV0","detail":{"Name":"X","Error":{"Msg":"basic c2VjcmV0"}}}]}`,
		"no JSON":     strings.Repeat("<html>", 20000),
		"deep":        `{"errors":` + strings.Repeat("[", 30000),
		"not text":    "{\"errors\":[{\"code\":\"\xff\x00\x1b[2J\",\"detail\":{\"Name\":\"\xfe\"}}]}",
	} {
		n := newNotary(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, body, http.StatusBadRequest) })
		c, _ := client(registry.Options{})
		_, err := c.TrustData(t.Context(), trusted(t, n.URL), gun, "root", 1000)
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
		perr := c.PublishTrustData(t.Context(), trusted(t, n.URL), gun, map[string][]byte{"targets": []byte("{}")})
		wantErr(t, perr, verify.Unavailable, registry.ErrUnavailable)
		for _, err := range []error{err, perr} {
			if s := fmt.Sprint(err); len(s) > 1600 || strings.Contains(s, "c2VjcmV0") {
				t.Errorf("%s: %q", name, s)
			}
		}
	}
}

func TestTrustDataTooLarge(t *testing.T) {
	t.Parallel()
	n := newNotary(t, func(w http.ResponseWriter, req *http.Request) {
		if strings.Contains(req.URL.Path, "timestamp") { // without saying so
			w.Header().Set("Transfer-Encoding", "chunked")
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 1001))
	})
	c, _ := client(registry.Options{})
	for _, file := range []string{"root", "timestamp"} {
		for _, limit := range []int64{-1, 0, 1000} {
			got, err := c.TrustData(t.Context(), trusted(t, n.URL), gun, file, limit)
			wantErr(t, err, verify.Unavailable, registry.ErrUnavailable, registry.ErrTooLarge)
			if got != nil {
				t.Errorf("%d bytes", len(got))
			}
		}
		if got, err := c.TrustData(t.Context(), trusted(t, n.URL), gun, file, 1001); err != nil || len(got) != 1001 {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	if c.Requests() != 8 {
		t.Errorf("%d requests: an answer that is too large is asked for again", c.Requests())
	}
}

// What is no name of a collection or of a file is never asked for.
func TestTrustDataNames(t *testing.T) {
	t.Parallel()
	n := newNotary(t, echo)
	c, _ := client(registry.Options{})
	for _, name := range []string{
		"", "/", "a/", "/a", "a//b", "..", "a/../b", "a/./b", "a/..", "a%2fb", "a?b", "a#b", "a b", "a\nb", `a\b`, "ä", "a/_trust/tuf/root.json", "a*",
		strings.Repeat("a", 256),
	} {
		_, err := c.TrustData(t.Context(), trusted(t, n.URL), name, "root", 1000)
		wantErr(t, err, verify.Unsupported, registry.ErrMalformed)
		wantHint(t, hostOf(n.Server), err, "check the names")
		err = c.PublishTrustData(t.Context(), trusted(t, n.URL), name, map[string][]byte{"targets": []byte("{}")})
		wantErr(t, err, verify.Unsupported, registry.ErrMalformed)
	}
	for _, file := range []string{
		"", "other", "root/x", "root.json", "root.", ".root", "root." + hex64[1:], "root." + hex64 + "0", "root." + strings.ToUpper(strings.Repeat("a", 64)),
		"1..root", "12345678901.root", "-1.root", "targets/", "targets//x", "targets/../root", "targets/.", "targets/X", "targets/a b", "targets/a?b", "targets/a%2f",
		"targets/a.b", "targetsx", "../root", "targets/" + strings.Repeat("a", 248),
	} {
		_, err := c.TrustData(t.Context(), trusted(t, n.URL), gun, file, 1000)
		wantErr(t, err, verify.Unsupported, registry.ErrMalformed)
	}
	for _, role := range []string{"", "1.root", "targets." + hex64, "targets/A", "other"} {
		err := c.PublishTrustData(t.Context(), trusted(t, n.URL), gun, map[string][]byte{role: []byte("{}")})
		wantErr(t, err, verify.Unsupported, registry.ErrMalformed)
	}
	_, err := c.TrustData(t.Context(), registry.TrustServer{}, gun, "root", 1000)
	wantErr(t, err, verify.Unsupported, registry.ErrMalformed)
	for _, file := range []string{"root", "0.root", "10.root", "snapshot." + hex64, "targets/a_b-1/c", "1.targets/x." + hex64, "targets/" + strings.Repeat("a", 247)} {
		if got, err := c.TrustData(t.Context(), trusted(t, n.URL), "[::1]:5000/a_b.c-d/e", file, 1000); err != nil || string(got) != "/v2/[::1]:5000/a_b.c-d/e/_trust/tuf/"+file+".json" {
			t.Errorf("%s: %q, %v", file, got, err)
		}
	}
	if c.Requests() != 7 {
		t.Errorf("%q", n.requests())
	}
}

// Plain http is for this machine, and for hosts that are named.
func TestTrustDataPlain(t *testing.T) {
	t.Parallel()
	p := newTunnel(t, closed(t))
	c, _ := client(registry.Options{Proxy: p.proxy, Insecure: []string{"plain.test", "port.test:4443", "secure.test"}})
	for address, want := range map[string]string{
		"http://plain.test":     "GET http://plain.test/v2/a/_trust/tuf/root.json",
		"http://port.test:4443": "GET http://port.test:4443/v2/a/_trust/tuf/root.json",
		"http://port.test":      "", "http://other.test": "", "http://plain.test:4443": "", "http://10.0.0.1": "", "http://127.0.0.1.test": "",
		"https://secure.test": "CONNECT secure.test:443",
	} {
		before := len(p.requests())
		_, err := c.TrustData(t.Context(), trusted(t, address), "a", "root", 1000)
		got := slices.Compact(p.requests()[before:])
		if want == "" {
			wantErr(t, err, verify.Unsupported, registry.ErrMalformed)
			wantHint(t, "x.test", err, "--insecure-registry x.test")
			perr := c.PublishTrustData(t.Context(), trusted(t, address), "a", map[string][]byte{"targets": nil})
			wantErr(t, perr, verify.Unsupported, registry.ErrMalformed)
			if len(got) != 0 {
				t.Errorf("%s: asked %q", address, got)
			}
			continue
		}
		if !slices.Equal(got, []string{want}) {
			t.Errorf("%s: asked %q, %v", address, got, err)
		}
	}
}

// The credentials are for the notary, and not for where it redirects to.
func TestTrustDataRedirects(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"Basic", "Bearer"} {
		s := newStore(t, echo)
		n := newNotary(t, guarded(kind, true, func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, s.URL+"/store?X-Amz-Signature=secret", http.StatusTemporaryRedirect)
		}))
		n.answer = func(answer http.HandlerFunc) http.HandlerFunc {
			return func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Path == "/v2/" {
					guarded(kind, true, func(http.ResponseWriter, *http.Request) {})(w, req)
					return
				}
				answer(w, req)
			}
		}(n.answer)
		c, _ := client(registry.Options{Keychain: login(hostOf(n.Server))})
		if got, err := c.TrustData(t.Context(), trusted(t, n.URL), gun, "root", 1000); err != nil || string(got) != "/store" {
			t.Errorf("%s: %q, %v", kind, got, err)
		}
		if got := s.requests(); !slices.Equal(got, []string{"/store?X-Amz-Signature=secret "}) {
			t.Errorf("the store was sent %q", got)
		}
		s.Close()
		_, err := c.TrustData(t.Context(), trusted(t, n.URL), gun, "root", 1000)
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
		// What is to be written does not become a question.
		n.answer = guarded(kind, true, func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, "/", http.StatusFound) })
		err = c.PublishTrustData(t.Context(), trusted(t, n.URL), gun, map[string][]byte{"targets": []byte("{}")})
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
	}
}

// An authority of the server's own is asked for by name, and for nobody else.
func TestTrustServerAuthority(t *testing.T) {
	t.Parallel()
	plain := newStore(t, echo)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.Contains(req.URL.Path, "timestamp") {
			http.Redirect(w, req, plain.URL+"/x?secret=1", http.StatusTemporaryRedirect)
			return
		}
		echo(w, req)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	other := authority(t)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	for name, tc := range map[string]struct {
		roots *x509.CertPool
		ca    []*x509.Certificate
		good  bool
	}{
		"its own":                    {nil, []*x509.Certificate{s.Certificate()}, true},
		"one of two":                 {nil, []*x509.Certificate{other.cert, s.Certificate()}, true},
		"another":                    {nil, []*x509.Certificate{other.cert}, false},
		"another, of registries too": {pool, []*x509.Certificate{other.cert}, false},
		"that of registries":         {pool, nil, true},
		"the system's":               {nil, nil, false},
	} {
		c, sleeps := client(registry.Options{Roots: tc.roots})
		server := trusted(t, s.URL, tc.ca...)
		got, err := c.TrustData(t.Context(), server, "a", "root", 1000)
		if tc.good {
			if err != nil || string(got) != "/v2/a/_trust/tuf/root.json" {
				t.Errorf("%s: %q, %v", name, got, err)
			}
			_, err = c.TrustData(t.Context(), server, "a", "timestamp", 1000)
			wantErr(t, err, verify.Unavailable, registry.ErrUnavailable) // to plain http
			if c.Requests() != 2 {
				t.Errorf("%s: %d requests", name, c.Requests())
			}
			continue
		}
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
		wantHint(t, "127.0.0.1", err, "--dct-server-ca")
		if c.Requests() != 1 || len(sleeps.all()) != 0 {
			t.Errorf("%s: %d requests, waits %v", name, c.Requests(), sleeps.all())
		}
	}
	if len(plain.requests()) != 0 {
		t.Errorf("the plain host was sent %q", plain.requests())
	}
}

// The token service may be known to the system, or to the registries' own
// authorities, when the notary is not.
func TestTrustServerTokenService(t *testing.T) {
	t.Parallel()
	mine, theirs := authority(t), authority(t)
	tokens := mustTLS(t, theirs, "tokens.test", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"token":"t"}`) })
	n := mustTLS(t, mine, "notary.test", func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "Bearer t" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://tokens.test/token",service="notary"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		echo(w, req)
	})
	p := &router{to: map[string]string{"notary.test:443": hostOf(n), "tokens.test:443": hostOf(tokens)}}
	front := httptest.NewServer(p)
	t.Cleanup(front.Close)
	roots := x509.NewCertPool()
	roots.AddCert(theirs.cert)
	c, _ := client(registry.Options{Roots: roots, Proxy: (&tunnel{server: front}).proxy})
	if _, err := c.TrustData(t.Context(), trusted(t, "https://notary.test", mine.cert), "a", "root", 1000); err != nil {
		t.Error(err)
	}
	if _, err := c.TrustData(t.Context(), trusted(t, "https://notary.test", theirs.cert), "a", "root", 1000); err == nil {
		t.Error("the notary was believed by the token service's authority")
	}
}

// Docker Hub's notary knows the accounts of its registry, and no other server is
// shown them.
func TestTrustServerCredentials(t *testing.T) {
	t.Parallel()
	ca := authority(t)
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	for _, tc := range []struct {
		host, account string
		good          bool
	}{
		{"notary.docker.io", "index.docker.io", true},
		{"notary.docker.io", "notary.docker.io", true},
		{"notary.test", "notary.test", true},
		{"notary.test", "index.docker.io", false},
		{"notary.test", "registry.test", false},
		{"evil.notary.docker.io", "index.docker.io", false},
	} {
		s := mustTLS(t, ca, tc.host, guarded("Basic", true, echo))
		p := newTunnel(t, hostOf(s))
		c, _ := client(registry.Options{Roots: roots, Proxy: p.proxy, Keychain: login(tc.account)})
		_, err := c.TrustData(t.Context(), trusted(t, "https://"+tc.host), "a", "root", 1000)
		if (err == nil) != tc.good {
			t.Errorf("%+v: %v", tc, err)
		}
	}
}

// A publisher takes what is posted to it.
type publisher struct {
	mu    sync.Mutex
	files map[string][]byte // by role and sha256, as it is asked for
	roles []string          // of each post, in order
	posts int
	bad   error
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if req.Method == http.MethodGet {
		body, ok := p.files[strings.TrimSuffix(strings.TrimPrefix(req.URL.Path, data), ".json")]
		if !ok {
			http.Error(w, `{"errors":[{"code":"METADATA_NOT_FOUND"}]}`, http.StatusNotFound)
			return
		}
		_, _ = w.Write(body)
		return
	}
	p.posts++
	parts, err := req.MultipartReader()
	if err != nil {
		p.bad = err
		return
	}
	p.roles = nil
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			p.bad = err
			return
		}
		body, err := io.ReadAll(part)
		if err != nil {
			p.bad = err
			return
		}
		if part.FormName() != "files" || part.Header.Get("Content-Type") != "application/octet-stream" {
			p.bad = fmt.Errorf("part %v", part.Header)
		}
		_, role, _ := strings.Cut(part.Header.Get("Content-Disposition"), "filename=")
		role = strings.Trim(role, `"`)
		sum := sha256.Sum256(body)
		p.roles = append(p.roles, role)
		p.files[role+"."+hex.EncodeToString(sum[:])] = body
	}
}

func published() map[string][]byte {
	return map[string][]byte{"targets/releases": []byte("r"), "targets": []byte{0, 255}, "snapshot": []byte("s\r\n--x")}
}

func TestPublishTrustData(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"", "Bearer", "Basic"} {
		for _, read := range []bool{true, false} {
			p := &publisher{files: map[string][]byte{"root": []byte("{}")}}
			h := http.HandlerFunc(p.ServeHTTP)
			o := registry.Options{}
			if kind != "" {
				h = guarded(kind, true, p.ServeHTTP)
			}
			n := newNotary(t, h)
			if kind != "" {
				o.Keychain = login(hostOf(n.Server))
			}
			c, _ := client(o)
			if read {
				if _, err := c.TrustData(t.Context(), trusted(t, n.URL), gun, "root", 1000); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.PublishTrustData(t.Context(), trusted(t, n.URL), gun, published()); err != nil {
				t.Fatal(err)
			}
			if p.bad != nil || p.posts != 1 || !slices.Equal(p.roles, []string{"snapshot", "targets", "targets/releases"}) {
				t.Errorf("%s: %v, %d posts of %q", kind, p.bad, p.posts, p.roles)
			}
			for role, body := range published() {
				sum := sha256.Sum256(body)
				if !bytes.Equal(p.files[role+"."+hex.EncodeToString(sum[:])], body) {
					t.Errorf("%s was not sent as it is", role)
				}
			}
			got := n.requests()
			last := got[len(got)-1]
			switch kind {
			case "Bearer":
				scope := "repository:" + gun + ":push,pull"
				if last != "POST "+data+" 200 Bearer "+scope || strings.Contains(strings.Join(got[:len(got)-2], " "), "push") {
					t.Errorf("%q", got)
				}
			case "":
				if last != "POST "+data+" 200" {
					t.Errorf("%q", got)
				}
			}
		}
	}
}

func TestPublishRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status     int
		body       string
		code, name string
		kind       error
		reason     verify.Reason
		hint       string
	}{
		{400, `{"errors":[{"code":"VERSION","message":"A newer version of metadata is already available.","detail":{}}]}`, "VERSION", "", registry.ErrUnavailable, verify.Unavailable, "somebody else"},
		{
			400, `{"errors":[{"code":"INVALID_UPDATE","message":"Update sent by the client is invalid.","detail":{"Name":"ErrBadHierarchy","Error":{"Missing":"root","Msg":"x"}}}]}`,
			"INVALID_UPDATE", "ErrBadHierarchy", registry.ErrUnavailable, verify.Unavailable, "sound",
		},
		{400, `{"errors":[{"code":"INVALID_ROLE","detail":"targets/x"}]}`, "INVALID_ROLE", "", registry.ErrUnavailable, verify.Unavailable, "sound"},
		{400, `{"errors":[{"code":"to be logged","message":"x"}]}`, "", "", registry.ErrUnavailable, verify.Unavailable, ""},
		{400, `{"errors":[{"code":"X","detail":{"name":"not a name"}}]}`, "X", "", registry.ErrUnavailable, verify.Unavailable, ""},
		{400, "bad", "", "", registry.ErrUnavailable, verify.Unavailable, ""},
		{403, `{"errors":[{"code":"VERSION"}]}`, "", "", registry.ErrDenied, verify.Denied, "docker login"},
		{404, `{"errors":[{"code":"METADATA_NOT_FOUND"}]}`, "", "", registry.ErrNotFound, verify.NotFound, "notary init"},
		{413, "", "", "", registry.ErrUnavailable, verify.Unavailable, ""},
		{501, "", "", "", registry.ErrUnavailable, verify.Unavailable, ""},
	} {
		n := newNotary(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, tc.body, tc.status) })
		c, sleeps := client(registry.Options{})
		err := c.PublishTrustData(t.Context(), trusted(t, n.URL), gun, published())
		wantErr(t, err, tc.reason, tc.kind)
		wantHint(t, hostOf(n.Server), err, tc.hint)
		var r *registry.Refusal
		if errors.As(err, &r) != (tc.code != "") || r != nil && (r.Code != tc.code || r.Name != tc.name || (r.Words == "x") != (r.Name != "")) {
			t.Errorf("%d: %+v, %v", tc.status, r, err)
		}
		if c.Requests() != 1 || len(sleeps.all()) != 0 || errors.Is(err, registry.ErrUnclear) {
			t.Errorf("%d: %q, waits %v, %v", tc.status, n.requests(), sleeps.all(), err)
		}
	}
}

// What was sent is not sent again: the server is asked whether it has it.
func TestPublishAnswerLost(t *testing.T) {
	t.Parallel()
	abort := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	status := func(code int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.WriteHeader(code) }
	}
	for name, tc := range map[string]struct {
		take    bool // the server takes what was sent,
		after   int  // after so many questions,
		answer  func(http.ResponseWriter)
		get     int // and answers questions with this status, 0 for what is so
		good    bool
		unclear bool
		gets    int
	}{
		"taken":                   {take: true, answer: abort, good: true, gets: 3},
		"taken, and a bad answer": {take: true, answer: status(502), good: true, gets: 3},
		"taken late":              {take: true, after: 1, answer: abort, good: true, gets: 4},
		"not taken":               {answer: abort, gets: 3},
		"not taken, unavailable":  {answer: status(503), gets: 3},
		"not taken, rate limit":   {answer: status(429), gets: 3},
		"nobody tells":            {take: true, answer: abort, get: 403, unclear: true, gets: 1},
		"nobody answers":          {take: true, answer: status(504), get: 500, unclear: true, gets: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &publisher{files: map[string][]byte{}}
			var (
				body        []byte
				mediaType   string
				posts, gets int
			)
			take := func() {
				req := httptest.NewRequestWithContext(context.Background(), http.MethodPost, data, bytes.NewReader(body))
				req.Header.Set("Content-Type", mediaType)
				p.ServeHTTP(httptest.NewRecorder(), req)
			}
			n := newNotary(t, func(w http.ResponseWriter, req *http.Request) {
				if req.Method == http.MethodPost {
					posts++
					body, _ = io.ReadAll(req.Body)
					mediaType = req.Header.Get("Content-Type")
					if tc.take && tc.after == 0 {
						take()
					}
					tc.answer(w)
					return
				}
				if gets++; tc.take && gets == tc.after+1 {
					take()
				}
				if tc.get != 0 {
					w.WriteHeader(tc.get)
					return
				}
				p.ServeHTTP(w, req)
			})
			c, _ := client(registry.Options{})
			err := c.PublishTrustData(t.Context(), trusted(t, n.URL), gun, published())
			if (err == nil) != tc.good || errors.Is(err, registry.ErrUnclear) != tc.unclear {
				t.Errorf("%v", err)
			}
			if err != nil {
				wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
			}
			if posts != 1 || gets != tc.gets {
				t.Errorf("%d posts, %d questions", posts, gets)
			}
		})
	}
}

// Where nothing was sent yet, another attempt is harmless; and it is clear that
// nothing was published.
func TestPublishUnsent(t *testing.T) {
	t.Parallel()
	c, sleeps := client(registry.Options{})
	err := c.PublishTrustData(t.Context(), trusted(t, "http://"+closed(t)), gun, published())
	wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
	if errors.Is(err, registry.ErrUnclear) || len(sleeps.all()) != 3 {
		t.Errorf("%v, waits %v", err, sleeps.all())
	}
	// The token service is away, when the server has refused what was sent.
	n := newNotary(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/token" {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.Copy(io.Discard, req.Body)
		guarded("Bearer", true, echo)(w, req)
	})
	err = c.PublishTrustData(t.Context(), trusted(t, n.URL), gun, published())
	wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
	if errors.Is(err, registry.ErrUnclear) || strings.Contains(strings.Join(n.requests(), " "), "GET /v2/") {
		t.Errorf("%v: %q", err, n.requests())
	}
	// Without time to look, nobody knows.
	ctx, cancel := context.WithCancel(t.Context())
	n = newNotary(t, func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		cancel()
		panic(http.ErrAbortHandler)
	})
	err = c.PublishTrustData(ctx, trusted(t, n.URL), gun, published())
	if !errors.Is(err, registry.ErrUnclear) {
		t.Error(err)
	}
	wantHint(t, hostOf(n.Server), err, "trust inspect")
}

func TestPublishBounds(t *testing.T) {
	t.Parallel()
	n := newNotary(t, func(http.ResponseWriter, *http.Request) { t.Error("asked") })
	c, _ := client(registry.Options{})
	many := map[string][]byte{}
	for i := range 257 {
		many[fmt.Sprint("targets/d", i)] = nil
	}
	for name, files := range map[string]map[string][]byte{
		"none": nil, "too many": many, "too large": {"targets": make([]byte, registry.MaxTrustData), "snapshot": {0}},
	} {
		err := c.PublishTrustData(t.Context(), trusted(t, n.URL), gun, files)
		if !errors.Is(err, registry.ErrMalformed) || errors.Is(err, registry.ErrTooLarge) != (name == "too large") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An issuer is a certificate authority.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func authority(t *testing.T) issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	form.Subject.CommonName = serial.String()
	return issue(t, form, form, key, key)
}

func issue(t *testing.T, form, by *x509.Certificate, key, byKey *ecdsa.PrivateKey) issuer {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, form, by, &key.PublicKey, byKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return issuer{cert, key}
}

// mustTLS serves h with a certificate of ca for host.
func mustTLS(t *testing.T, ca issuer, host string, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{host},
	}, ca.cert, key, ca.key)
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.cert.Raw}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// A router is an HTTP proxy through which each address leads to its own server.
type router struct{ to map[string]string }

func (p *router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	to, ok := p.to[req.RequestURI]
	if !ok {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	(&tunnel{to: to}).ServeHTTP(w, req)
}
