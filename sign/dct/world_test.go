package dct_test

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/dct"
	"github.com/boltseal/boltseal/verify"
	vdct "github.com/boltseal/boltseal/verify/dct"
)

// A world is a registry with team/app:v1, a Notary server that has its trust data,
// and alice, whose key signs targets/releases and targets/alice.
type world struct {
	t      testing.TB
	reg    *registrytest.Registry
	c      *dcttest.Collection
	server *dcttest.Server
	key    *dct.Key
	digest string // of team/app:v1
	silent string // the address of a server in the place of it, "" for none
}

func newWorld(t testing.TB, o dcttest.Options, so dcttest.ServerOptions) *world {
	t.Helper()
	w := &world{t: t, reg: registrytest.Start(registrytest.Options{})}
	t.Cleanup(w.reg.Close)
	w.digest = w.push("v1", "v1")
	var err error
	w.c, err = dcttest.NewCollection(w.reg.Host()+"/team/app", o)
	w.must(err)
	alice := w.c.Key("targets/alice")
	w.must(w.c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Keys = append(r.Keys, alice) }))
	w.server, err = dcttest.Serve(so, w.c)
	w.must(err)
	t.Cleanup(w.server.Down)
	w.key = w.read(alice)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// push makes an image of team/app, and returns its digest.
func (w *world) push(tag, seed string) string {
	w.t.Helper()
	d, err := w.reg.PutImage("team/app", tag, seed)
	w.must(err)
	return d.Digest.String()
}

// read makes a Key of one of the collection's.
func (w *world) read(k dcttest.Key) *dct.Key {
	w.t.Helper()
	text, err := k.PEM("alice", "secret")
	w.must(err)
	key, err := dct.ReadKey("alice.key", text, []byte("secret"))
	w.must(err)
	return key
}

func (w *world) image(tag, digest string) image.Pinned {
	w.t.Helper()
	ref, err := image.Parse(w.reg.Host() + "/team/app:" + tag + "@" + digest)
	w.must(err)
	img, err := ref.Pin(digest)
	w.must(err)
	return img
}

// config believes the collection's root.
func (w *world) config() vdct.Config {
	w.t.Helper()
	server, err := registry.ParseTrustServer(cmp.Or(w.silent, w.server.URL()))
	w.must(err)
	return vdct.Config{Server: server, RootKeyIDs: []string{w.c.RootID()}, Flags: true}
}

func noSleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func client() *registry.Client { return registry.New(registry.Options{Sleep: noSleep}) }

func (w *world) signer(change ...func(*dct.Options)) *dct.Signer {
	w.t.Helper()
	o := dct.Options{Store: client(), Key: w.key, Config: w.config(), Now: time.Now, Sleep: noSleep}
	for _, c := range change {
		c(&o)
	}
	s, err := dct.New(o)
	w.must(err)
	return s
}

func order(images ...image.Pinned) sign.Order {
	return sign.Order{Images: images, Formats: []sign.Format{sign.NotaryV1}}
}

// sign signs team/app:v1.
func (w *world) sign(change ...func(*dct.Options)) sign.Result {
	w.t.Helper()
	return w.signer(change...).Sign(w.t.Context(), order(w.image("v1", w.digest)))
}

// verifies reports how somebody who requires signers finds team/app:TAG.
func (w *world) verifies(tag, digest string, signers ...string) verify.Reason {
	w.t.Helper()
	ref, err := image.Parse(w.reg.Host() + "/team/app:" + tag)
	w.must(err)
	img, err := ref.Pin(digest)
	w.must(err)
	config := w.config()
	config.Signers = signers
	v, err := vdct.NewSession(client(), "").Require(config)
	w.must(err)
	return v.Verify(w.t.Context(), img).Reason()
}

// asked returns what the server was asked since the last Reset.
func (w *world) asked() []string {
	var all []string
	for _, r := range w.server.Requests() {
		path := strings.TrimPrefix(r.Path, "/v2/"+w.c.GUN()+"/_trust/tuf/")
		name, _, _ := strings.Cut(path, ".")
		if r.Method != http.MethodGet {
			name = r.Method
		}
		all = append(all, name)
	}
	return all
}

// posts returns how often something was published.
func (w *world) posts() int {
	n := 0
	for _, name := range w.asked() {
		if name == http.MethodPost {
			n++
		}
	}
	return n
}

// failed fails the test unless the one failure has the Reason, and says all of
// words, with a next step.
func failed(t testing.TB, r sign.Result, reason verify.Reason, words ...string) {
	t.Helper()
	if len(r.Records) != 0 || len(r.Failures) != 1 {
		t.Fatalf("%+v", r)
	}
	err := r.Failures[0].Err
	text := err.Error() + "\nnext: " + verify.Hint(err)
	if got := sign.Reason(err); got != reason {
		t.Errorf("%s: %s", got, text)
	}
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("no %q in %s", word, text)
		}
	}
	if verify.Hint(err) == "" {
		t.Errorf("no next step: %s", text)
	}
}

// records fails the test unless all was signed; it returns the records.
func records(t testing.TB, r sign.Result) []sign.Record {
	t.Helper()
	if len(r.Failures) != 0 || len(r.Records) == 0 {
		for _, f := range r.Failures {
			t.Errorf("%s: %v", f.Reference, f.Err)
		}
		t.Fatal("not signed")
	}
	return r.Records
}

func equal[T comparable](t testing.TB, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
