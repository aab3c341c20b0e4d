package stage

import (
	"net/http"
	"net/http/httptest"
	"path"
	"sync"
)

// A Mirror serves the program of a release on loopback, for the input
// download-base, and logs its requests.
type Mirror struct {
	server *httptest.Server

	mu   sync.Mutex
	body []byte
	seen []string
}

// NewMirror starts a mirror of r.
func NewMirror(r Release) *Mirror {
	m := &Mirror{body: r.Program}
	m.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		m.mu.Lock()
		m.seen = append(m.seen, req.Method+" "+req.URL.RequestURI())
		body := m.body
		m.mu.Unlock()
		if path.Base(req.URL.Path) != r.Name {
			http.NotFound(w, req)
			return
		}
		_, _ = w.Write(body) // who has gone needs no answer
	}))
	return m
}

// URL returns the mirror's address.
func (m *Mirror) URL() string { return m.server.URL }

// Serve makes the mirror serve body as the program from now on.
func (m *Mirror) Serve(body []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.body = body
}

// Requests returns what was asked since the last call.
func (m *Mirror) Requests() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := m.seen
	m.seen = nil
	return seen
}

// Close ends the mirror.
func (m *Mirror) Close() { m.server.Close() }
