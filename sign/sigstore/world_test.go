package sigstore_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/sigstore"
	"github.com/boltseal/boltseal/verify"
	vsig "github.com/boltseal/boltseal/verify/sigstore"
)

const (
	issuer   = sigstoretest.GitHubIssuer
	identity = sigstoretest.Identity
	audit    = "https://github.com/acme/audit/.github/workflows/sign.yml@refs/heads/main"
	slsaType = "https://slsa.dev/provenance/v1"
	vexType  = "https://openvex.dev/ns"
)

// started is the time of every run.
var started = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A world is a registry, a Sigstore instance with its services, and the wire
// between them and whoever signs.
type world struct {
	t     testing.TB
	reg   *registrytest.Registry
	in    *sigstoretest.Instance
	srv   *sigstoretest.Services
	trust *vsig.Trust
	wire  *wire
	clock *clock
}

// An instance takes longest to make, and tests change nothing in it.
var instance = sync.OnceValues(func() (*sigstoretest.Instance, error) { return sigstoretest.New(started) })

func newWorld(t testing.TB, o registrytest.Options) *world {
	t.Helper()
	w := &world{t: t, reg: registrytest.Start(o), wire: newWire(t), clock: &clock{now: started}}
	t.Cleanup(w.reg.Close)
	w.in = must[*sigstoretest.Instance](t)(instance())
	w.srv = must[*sigstoretest.Services](t)(w.in.Serve(sigstoretest.ServeOptions{Now: w.clock.Now}))
	t.Cleanup(w.srv.Close)
	w.trust = must[*vsig.Trust](t)(vsig.TrustJSON(must[[]byte](t)(w.in.TrustedRoot()), vsig.PublicRules()))
	return w
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// A clock is the time of the run and of the services.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// A wire is an HTTP proxy through which everything goes. It may cut any request.
type wire struct {
	server *httptest.Server
	out    http.Transport

	mu  sync.Mutex
	log []string
	// cut, if set, is told of every request, counted from 1.
	cut func(n int, req *http.Request) cut
}

// A cut is what happens to a request.
type cut struct {
	before, after func()                    // instead of it, or instead of the answer to it
	answer        func(http.ResponseWriter) // instead of it
}

func newWire(t testing.TB) *wire {
	w := &wire{}
	w.server = httptest.NewServer(w)
	t.Cleanup(func() { w.server.Close(); w.out.CloseIdleConnections() })
	return w
}

func (w *wire) proxy(*url.URL) (*url.URL, error) { return url.Parse(w.server.URL) }

// reset forgets the requests, and sets what cuts them.
func (w *wire) reset(f func(n int, req *http.Request) cut) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log, w.cut = nil, f
}

// requests returns what went through since the last reset.
func (w *wire) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.log)
}

// writes returns the requests that change something.
func (w *wire) writes() []string {
	return slices.DeleteFunc(w.requests(), func(s string) bool {
		return strings.HasPrefix(s, "GET ") || strings.HasPrefix(s, "HEAD ")
	})
}

func (w *wire) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	w.mu.Lock()
	w.log = append(w.log, req.Method+" "+req.URL.Path)
	n, f := len(w.log), w.cut
	w.mu.Unlock()
	var c cut
	if f != nil {
		c = f(n, req)
	}
	if c.before != nil {
		c.before()
		panic(http.ErrAbortHandler)
	}
	if c.answer != nil {
		c.answer(rw)
		return
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	out := req.Clone(context.WithoutCancel(req.Context()))
	out.RequestURI, out.Body = "", io.NopCloser(strings.NewReader(string(body)))
	resp, err := w.out.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(resp.Body)
	if c.after != nil {
		c.after()
	}
	if err != nil || c.after != nil {
		panic(http.ErrAbortHandler)
	}
	for k, v := range resp.Header {
		rw.Header()[k] = v
	}
	rw.WriteHeader(resp.StatusCode)
	_, _ = rw.Write(body)
}

func noSleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// client asks the registry over the wire, without waiting between attempts.
func (w *world) client() *registry.Client {
	return registry.New(registry.Options{Proxy: w.wire.proxy, Sleep: noSleep})
}

// options are those of a keyless run.
func (w *world) options(change ...func(*sigstore.Options)) sigstore.Options {
	w.t.Helper()
	config := must[*sigstore.SigningConfig](w.t)(sigstore.ParseSigningConfig(must[[]byte](w.t)(w.srv.SigningConfig(sigstoretest.Without{}))))
	o := sigstore.Options{
		Store: w.client(), Trust: w.trust,
		Services: must[sigstore.Services](w.t)(config.Services(started, 1, 2)),
		Legacy:   must[sigstore.Services](w.t)(config.Services(started, 1)),
		Client:   sigstore.NewClient(sigstore.ClientOptions{Proxy: w.wire.proxy, Sleep: noSleep}),
		Token:    w.token(nil),
		Now:      w.clock.Now, Sleep: noSleep,
	}
	for _, c := range change {
		c(&o)
	}
	return o
}

// token returns what gives tokens of these claims.
func (w *world) token(claims map[string]any) func(context.Context) (sigstore.Token, error) {
	return func(context.Context) (sigstore.Token, error) {
		text, err := w.srv.Token(claims)
		if err != nil {
			return sigstore.Token{}, err
		}
		return sigstore.ParseToken(text, "sigstore", w.clock.Now())
	}
}

// sign does what is ordered, by a Signer of its own.
func (w *world) sign(ctx context.Context, o sign.Order, change ...func(*sigstore.Options)) sign.Result {
	w.t.Helper()
	return must[*sigstore.Signer](w.t)(sigstore.New(w.options(change...))).Sign(ctx, o)
}

// signed is sign where everything has to go well.
func (w *world) signed(o sign.Order, change ...func(*sigstore.Options)) []sign.Record {
	w.t.Helper()
	res := w.sign(context.Background(), o, change...)
	for _, f := range res.Failures {
		w.t.Errorf("%s (%s): %v\n  reason %q, hint: %s", f.Reference, f.Image, f.Err, sign.Reason(f.Err), verify.Hint(f.Err))
	}
	if !res.Complete() {
		w.t.Fatalf("not complete: %d records, %d failures\n%s", len(res.Records), len(res.Failures), strings.Join(w.wire.requests(), "\n"))
	}
	return res.Records
}

// image pushes an image of repository team/app.
func (w *world) image(seed string) (image.Pinned, ocispec.Descriptor) {
	w.t.Helper()
	d := must[ocispec.Descriptor](w.t)(w.reg.PutImage("team/app", "", seed))
	return w.pinned("team/app", d), d
}

func (w *world) pinned(repo string, d ocispec.Descriptor) image.Pinned {
	w.t.Helper()
	ref := must[image.Ref](w.t)(image.Parse(w.reg.Host() + "/" + repo + ":v1"))
	return must[image.Pinned](w.t)(ref.Pin(d.Digest.String()))
}

// by is what accepts one identity.
func (w *world) by(subject string) vsig.Config {
	w.t.Helper()
	pattern := must[vsig.Matcher](w.t)
	id := must[vsig.Identity](w.t)(vsig.NewIdentity(pattern(vsig.Pattern(subject)), pattern(vsig.Pattern(issuer)), nil))
	return vsig.Config{Trust: w.trust, Identities: []vsig.Identity{id}, Now: started}
}

// found returns what is stored of img by those of c, in one line each, sorted.
func (w *world) found(c vsig.Config, img image.Pinned) []string {
	w.t.Helper()
	var lines []string
	for _, m := range w.madeBy(c, img) {
		line := m.Evidence.Format + " " + m.Evidence.Storage
		if m.Signature() {
			line += fmt.Sprint(" ", m.Annotations)
		} else {
			line += " " + m.Evidence.PredicateType + " " + string(m.Predicate)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

func (w *world) madeBy(c vsig.Config, img image.Pinned) []vsig.Made {
	w.t.Helper()
	direct := registry.New(registry.Options{Sleep: noSleep})
	return must[[]vsig.Made](w.t)(vsig.NewSession(direct, c.Repository).Made(context.Background(), c, img))
}

// made is madeBy for the identity that signs.
func (w *world) made(img image.Pinned) []vsig.Made {
	w.t.Helper()
	return w.madeBy(w.by(identity), img)
}

// verifies reports an error unless a gate that requires the Config passes.
func (w *world) verifies(c vsig.Config, img image.Pinned) {
	w.t.Helper()
	v := must[verify.Verifier](w.t)(vsig.NewSession(registry.New(registry.Options{Sleep: noSleep}), c.Repository).Require(c))
	if verdict := v.Verify(context.Background(), img); !verdict.Passed() {
		w.t.Errorf("%s does not pass: %s, %v", img, verdict.Reason(), verdict.Err())
	}
}

func equal(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n  %s\nwant\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// fails reports an error unless the Result has nothing but one Failure, of that
// reason, whose text has all of the words.
func fails(t testing.TB, res sign.Result, reason verify.Reason, words ...string) {
	t.Helper()
	if len(res.Records) > 0 || len(res.Failures) != 1 || res.Complete() {
		t.Fatalf("%d records, %d failures: %+v", len(res.Records), len(res.Failures), res.Failures)
	}
	f := res.Failures[0]
	e := (*verify.Error)(nil)
	if !errors.As(f.Err, &e) || e.Hint == "" || e.Op == "" {
		t.Errorf("%v has no operation or next step", f.Err)
	}
	if got := sign.Reason(f.Err); got != reason {
		t.Errorf("reason %q, want %q: %v", got, reason, f.Err)
	}
	for _, word := range words {
		if !strings.Contains(f.Err.Error(), word) {
			t.Errorf("%q is not in %v", word, f.Err)
		}
	}
}

func newKey(t testing.TB) *sigstore.Key {
	t.Helper()
	k := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der := must[[]byte](t)(x509.MarshalPKCS8PrivateKey(k))
	return must[*sigstore.Key](t)(sigstore.ReadKey("test.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil))
}
