// Package registrytest is a container registry in memory, for tests and the
// demo: it logs its requests, can ask for tokens, do without the referrers API,
// and misbehave on demand. It listens on loopback only.
package registrytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
)

// Options say what kind of registry it is. The zero Options have the referrers
// API and no authentication.
type Options struct {
	NoReferrers bool   // no referrers API, like GHCR and Docker Hub
	NoSubject   bool   // a referrers API, and no OCI-Subject header in the answer to what is pushed
	Tokens      bool   // ask for a bearer token per repository, like most public registries
	TokenSecret string // what tokens end with, behind what they are for
	// User and Password, if set, are what a token (with Tokens) or each request
	// (without) costs.
	User, Password string
	NoPush         bool          // tokens are for pulling, whatever is asked for; without Tokens, every write is refused
	Delay          time.Duration // before each answer
}

// A Registry serves until it is closed. All methods may be called while it
// serves.
type Registry struct {
	opts   Options
	store  http.Handler
	server *httptest.Server

	mu     sync.Mutex
	log    []Request
	faults []*Fault
	delay  time.Duration
	types  map[string]string // artifactType to report, by manifest digest
}

// A Request is one that the registry answered.
type Request struct {
	Method, URI   string
	Status        int
	Authorization string // the header as it came
	Range         string
}

func (r Request) String() string { return fmt.Sprintf("%s %s %d", r.Method, r.URI, r.Status) }

// Start starts a registry on a free loopback port.
func Start(o Options) *Registry {
	r := &Registry{
		opts: o, delay: o.Delay, types: map[string]string{},
		store: ggcr.New(ggcr.WithReferrersSupport(!o.NoReferrers), ggcr.Logger(log.New(io.Discard, "", 0))),
	}
	r.server = httptest.NewServer(r)
	return r
}

// Mirror starts another registry with the same content on another port. It asks
// for no credentials.
func (r *Registry) Mirror() *Registry {
	m := &Registry{opts: Options{NoReferrers: r.opts.NoReferrers}, store: r.store, types: map[string]string{}}
	m.server = httptest.NewServer(m)
	return m
}

// Close ends the registry.
func (r *Registry) Close() { r.server.Close() }

// Host returns its address, as it stands in references.
func (r *Registry) Host() string { return strings.TrimPrefix(r.server.URL, "http://") }

// Requests returns what was asked since the last Reset, in the order of the answers.
func (r *Registry) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Request(nil), r.log...)
}

// Reset forgets the requests and the faults, and sets the delay of each answer.
func (r *Registry) Reset(delay time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log, r.faults, r.delay = nil, nil, delay
}

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	delay := r.delay
	fault := r.fault(req)
	r.mu.Unlock()
	time.Sleep(delay)
	rec := httptest.NewRecorder()
	switch {
	case fault != nil && fault.before(req, rec):
	case req.URL.Path == "/token":
		r.token(rec, req)
	case !r.authorized(rec, req):
	default:
		subject := r.subject(req)
		r.store.ServeHTTP(rec, req)
		if subject != "" && rec.Code == http.StatusCreated {
			rec.Header().Set("OCI-Subject", subject)
		}
		r.retype(rec, req)
	}
	r.mu.Lock()
	r.log = append(r.log, Request{req.Method, req.URL.RequestURI(), rec.Code, req.Header.Get("Authorization"), req.Header.Get("Range")})
	r.mu.Unlock()
	write(w, req, rec, fault)
}

func write(w http.ResponseWriter, req *http.Request, rec *httptest.ResponseRecorder, fault *Fault) {
	body := rec.Body.Bytes()
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	if fault != nil {
		body = fault.after(w, body)
	}
	w.WriteHeader(rec.Code)
	if req.Method != http.MethodHead {
		_, _ = io.Copy(w, bytes.NewReader(body))
	}
	if fault != nil && fault.Reset {
		panic(http.ErrAbortHandler) // closes the connection in the middle of the answer
	}
}

// subject returns the subject of the manifest that req pushes, "" where it has
// none or the registry does not look.
func (r *Registry) subject(req *http.Request) string {
	if req.Method != http.MethodPut || !strings.Contains(req.URL.Path, "/manifests/") || r.opts.NoReferrers || r.opts.NoSubject {
		return ""
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return ""
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	var doc struct {
		Subject struct{ Digest string }
	}
	_ = json.Unmarshal(body, &doc) // what is no object has no subject
	return doc.Subject.Digest
}

// token gives anybody, or the user, a token for the scope that was asked for.
func (r *Registry) token(w http.ResponseWriter, req *http.Request) {
	if r.opts.User != "" {
		if user, password, _ := req.BasicAuth(); user != r.opts.User || password != r.opts.Password {
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}`, http.StatusUnauthorized)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	scope := req.URL.Query().Get("scope")
	if r.opts.NoPush {
		scope = strings.TrimSuffix(scope, ",push")
	}
	fmt.Fprintf(w, `{"token":%q}`, "for "+scope+r.opts.TokenSecret) //nolint:errcheck,gosec // a recorder; JSON, no page
}

func (r *Registry) authorized(w http.ResponseWriter, req *http.Request) bool {
	reads := req.Method == http.MethodGet || req.Method == http.MethodHead
	switch {
	case r.opts.Tokens:
		repo := repository(req.URL.Path)
		scope := "repository:" + repo + ":pull"
		sent := req.Header.Get("Authorization")
		if repo != "" && (reads && sent == "Bearer for "+scope+r.opts.TokenSecret || sent == "Bearer for "+scope+",push"+r.opts.TokenSecret) {
			return true
		}
		if !reads {
			scope += ",push"
		}
		challenge := fmt.Sprintf(`Bearer realm="%s/token",service="test"`, r.server.URL)
		if repo != "" {
			challenge += fmt.Sprintf(`,scope="%s"`, scope)
			if strings.HasPrefix(sent, "Bearer for repository:"+repo+":") {
				challenge += `,error="insufficient_scope"`
			}
		}
		w.Header().Set("WWW-Authenticate", challenge)
	case r.opts.User != "":
		if user, password, _ := req.BasicAuth(); user == r.opts.User && password == r.opts.Password {
			if r.opts.NoPush && !reads {
				http.Error(w, `{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`, http.StatusForbidden)
				return false
			}
			return true
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
	default:
		return true
	}
	http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
	return false
}

// repository returns the repository that a path below /v2/ belongs to.
func repository(path string) string {
	path = strings.TrimPrefix(path, "/v2/")
	for _, part := range []string{"/manifests/", "/blobs/", "/referrers/", "/tags/"} {
		if repo, _, ok := strings.Cut(path, part); ok {
			return repo
		}
	}
	return ""
}
