package dct_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A proxy is what a test's programs take for their notary server: it stands in
// front of the one that all tests share, keeps what was asked, and can be made
// to do what a server does that is out of order or out of its owner's hands.
type proxy struct {
	server  *httptest.Server
	forward *httputil.ReverseProxy

	mu     sync.Mutex
	log    []request
	down   int                 // the status of every answer; 0 forwards
	kept   map[string][]byte   // answers, by path
	old    bool                // what was kept is the answer
	user   string              // "name:password" that a token costs; "" wants none
	users  []string            // who has asked for one
	tokens map[string][]string // the actions that a token is for
}

// A request is one that was answered.
type request struct {
	method, path string
	status       int
}

// startProxy starts one in front of the service, for the length of a test.
func startProxy(t *testing.T) *proxy {
	t.Helper()
	s, err := notaryService()
	check(t, err)
	c, err := authority()
	check(t, err)
	behind, err := url.Parse(s.url)
	check(t, err)
	p := &proxy{kept: map[string][]byte{}, tokens: map[string][]string{}}
	p.forward = httputil.NewSingleHostReverseProxy(behind)
	p.forward.Transport = &http.Transport{TLSClientConfig: c.client()}
	p.server = httptest.NewUnstartedServer(p)
	p.server.TLS = c.serverConfig()
	p.server.StartTLS()
	t.Cleanup(p.server.Close)
	return p
}

func (p *proxy) host() string { return strings.TrimPrefix(p.server.URL, "https://") }

// answer is an http.ResponseWriter that keeps its status.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &answer{w, http.StatusOK}
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.log = append(p.log, request{r.Method, r.URL.Path, a.status})
	}()
	p.mu.Lock()
	down, kept := p.down, p.kept[r.URL.Path]
	if !p.old {
		kept = nil
	}
	p.mu.Unlock()
	switch {
	case down != 0:
		a.WriteHeader(down)
	case r.URL.Path == "/token":
		p.token(a, r)
	case !p.allowed(r):
		a.Header().Set("Www-Authenticate", fmt.Sprintf("Bearer realm=%q,service=%q", p.server.URL+"/token", "notary.example"))
		a.WriteHeader(http.StatusUnauthorized)
	case kept != nil:
		a.Write(kept) //nolint:errcheck,gosec // the client has gone
	default:
		p.forward.ServeHTTP(a, r)
	}
}

// token answers with one for all that is asked for, to those who may.
func (p *proxy) token(w http.ResponseWriter, r *http.Request) {
	name, password, _ := r.BasicAuth()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users = append(p.users, name)
	if name+":"+password != p.user {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	token := rand.Text()
	for _, scope := range r.URL.Query()["scope"] {
		// repository:<GUN>:pull,push, where the GUN may have a colon, too.
		i := strings.LastIndex(scope, ":")
		for _, action := range strings.Split(scope[i+1:], ",") {
			p.tokens[token] = append(p.tokens[token], strings.TrimPrefix(scope[:i], "repository:")+" "+action)
		}
	}
	json.NewEncoder(w).Encode(map[string]string{"token": token}) //nolint:errcheck,errchkjson,gosec // the client has gone
}

// allowed reports whether a request has the token that it needs.
func (p *proxy) allowed(r *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.user == "" {
		return true
	}
	granted := p.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	gun, _, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/_trust/")
	if !ok {
		return granted != nil
	}
	may := func(action string) bool {
		return slices.Contains(granted, gun+" "+action) || slices.Contains(granted, gun+" *")
	}
	switch {
	case r.Method == http.MethodGet:
		return may("pull")
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/_trust/tuf/"):
		return may("push") && may("pull")
	}
	return may("*")
}

// fetch returns a file of the service's, as it is now.
func (p *proxy) fetch(ctx context.Context, gun, name string) (path string, body []byte, err error) {
	s, err := notaryService()
	if err != nil {
		return "", nil, err
	}
	path = "/v2/" + gun + "/_trust/tuf/" + name + ".json"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return "", nil, err
	}
	resp, err := p.forward.Transport.RoundTrip(req)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	body, err = io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	return path, body, err
}

// keep keeps what is not named by its content, as it is now.
func (p *proxy) keep(ctx context.Context, gun string) error {
	for _, name := range []string{"root", "timestamp"} {
		path, body, err := p.fetch(ctx, gun, name)
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.kept[path] = body
		p.mu.Unlock()
	}
	return nil
}

// set changes what the proxy does.
func (p *proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// hash is the part of a file's name that says what is in it.
var hash = regexp.MustCompile(`\.[0-9a-f]{64,}\.json$`)

// asked returns the requests since it was last called: for metadata the role,
// "token", or the method, path and status of anything else.
func (p *proxy) asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, r := range p.log {
		_, file, ok := strings.Cut(r.path, "/_trust/tuf/")
		switch {
		case r.path == "/token":
			all = append(all, "token")
		case ok && r.method == http.MethodGet && r.status == http.StatusOK:
			all = append(all, strings.TrimSuffix(hash.ReplaceAllString(file, ".json"), ".json"))
		default:
			all = append(all, fmt.Sprintf("%s %s %d", r.method, r.path, r.status))
		}
	}
	p.log = nil
	return all
}

// roots returns the IDs of the keys that sign for a collection's root, as its
// newest root says, by the clients' pins.
func (p *proxy) roots(ctx context.Context, gun string) ([]string, error) {
	_, body, err := p.fetch(ctx, gun, "root")
	if err != nil {
		return nil, err
	}
	var root struct {
		Signed struct {
			Roles map[string]struct{ KeyIDs []string }
		}
	}
	err = json.Unmarshal(body, &root)
	return root.Signed.Roles["root"].KeyIDs, err
}
