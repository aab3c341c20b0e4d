package registry_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/boltseal/boltseal/registry"
)

const gun = "127.0.0.1:5000/acme/app"

// A notary is a server of trust data that logs what it is asked.
type notary struct {
	*httptest.Server
	answer func(w http.ResponseWriter, req *http.Request)

	mu  sync.Mutex
	log []string
}

func newNotary(t *testing.T, answer func(http.ResponseWriter, *http.Request)) *notary {
	t.Helper()
	n := &notary{answer: answer}
	n.Server = httptest.NewServer(n)
	t.Cleanup(n.Close)
	return n
}

func (n *notary) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	rec := httptest.NewRecorder()
	n.answer(rec, req)
	n.mu.Lock()
	n.log = append(n.log, strings.TrimSpace(fmt.Sprint(req.Method, " ", req.RequestURI, " ", rec.Code, " ", req.Header.Get("Authorization"))))
	n.mu.Unlock()
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

func (n *notary) wantLog(t *testing.T, want ...string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Equal(n.log, want) {
		t.Errorf("requests\n%s\nwant\n%s", strings.Join(n.log, "\n"), strings.Join(want, "\n"))
	}
}

func trust(t *testing.T, address string) registry.TrustServer {
	t.Helper()
	s, err := registry.ParseTrustServer(address)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTrustDataAnonymous(t *testing.T) {
	t.Parallel()
	n := newNotary(t, func(w http.ResponseWriter, req *http.Request) { _, _ = w.Write([]byte(req.URL.Path)) })
	c, _ := client(registry.Options{})
	for _, base := range []string{"", "/notary/", "/a/b"} {
		for _, file := range []string{"root", "targets/releases." + strings.Repeat("a", 64)} {
			got, err := c.TrustData(t.Context(), trust(t, n.URL+base), gun, file, 1000)
			want := strings.TrimRight(base, "/") + "/v2/" + gun + "/_trust/tuf/" + file + ".json"
			if err != nil || string(got) != want {
				t.Errorf("%s %s: %q, %v", base, file, got, err)
			}
		}
	}
	if c.Requests() != 6 {
		t.Errorf("%d requests", c.Requests())
	}
}
