package dct_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/internal/servicetest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/dct"
	"github.com/boltseal/boltseal/verify"
	vdct "github.com/boltseal/boltseal/verify/dct"
)

// cold are the requests for a collection of which alice has signed.
var cold = []string{"root", "timestamp", "snapshot", "targets", "targets/releases", "targets/alice"}

func TestSign(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dcttest.Options{}, dcttest.ServerOptions{})
	begun := time.Now()
	got := records(t, w.sign())
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	r := got[0]
	switch img := w.image("v1", w.digest); {
	case r.Reference != img.Ref().String(), r.Image.String() != img.String(), r.Format != sign.NotaryV1, r.Storage != "notary", r.Existed:
		t.Errorf("%+v", r)
	case r.Identity != "targets/alice", r.Issuer != "root key "+w.c.RootID(), r.Source != w.server.URL()+"/"+w.c.GUN()+":v1":
		t.Errorf("%+v", r)
	case r.Expiry.Before(begun.Add(3*365*24*time.Hour - time.Minute)), r.Expiry.After(time.Now().Add(3 * 365 * 24 * time.Hour)):
		t.Errorf("expires at %v", r.Expiry)
	}
	equal(t, w.asked(), append([]string{"root", "timestamp", "snapshot", "targets", "targets/releases", http.MethodPost}, cold...))
	for _, signers := range [][]string{nil, {"alice"}} {
		if got := w.verifies("v1", w.digest, signers...); got != verify.Verified {
			t.Errorf("for %q it is %s", signers, got)
		}
	}
	if got := w.verifies("v1", w.digest, "bob"); got != verify.WrongSigner {
		t.Errorf("by bob: %s", got)
	}
	for _, role := range []string{"targets/releases", "targets/alice"} {
		if !strings.Contains(string(w.c.File(role)), `"length":`+sizeOf(t, w)) {
			t.Errorf("%s: %s", role, w.c.File(role))
		}
	}

	// What is signed already is not published again, unless it has to be.
	w.server.Reset()
	again := records(t, w.sign())
	if !again[0].Existed || again[0].Expiry != r.Expiry {
		t.Errorf("%+v", again)
	}
	equal(t, w.asked(), cold)
	o := order(w.image("v1", w.digest))
	o.Force = true
	w.server.Reset()
	if forced := records(t, w.signer().Sign(t.Context(), o)); forced[0].Existed {
		t.Errorf("%+v", forced)
	}
	equal(t, w.asked(), append(append(append([]string{}, cold...), http.MethodPost), cold...))
}

// sizeOf is the size of team/app:v1, as its registry serves it.
func sizeOf(t *testing.T, w *world) string {
	t.Helper()
	body, err := w.reg.Manifest("team/app", "v1")
	w.must(err)
	return fmt.Sprint(len(body))
}

// Tags of one repository are published at once, and what others have signed stays.
func TestSignTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dcttest.Options{}, dcttest.ServerOptions{})
	w.must(w.c.Sign("old", w.digest, "bob"))
	second := w.push("v2", "v2")
	_, err := w.reg.PutImage("team/app", "latest", "v2")
	w.must(err)
	var done atomic.Int64
	o := order(w.image("v1", w.digest), w.image("v2", second), w.image("latest", second), w.image("v1", w.digest))
	r := w.signer(func(o *dct.Options) { o.Done = func(n, of int) { done.Store(int64(10*n + of)) } }).Sign(t.Context(), o)
	var names []string
	for _, x := range records(t, r) {
		names = append(names, strings.TrimPrefix(x.Reference, w.c.GUN()))
	}
	equal(t, names, []string{":v1@" + w.digest, ":v2@" + second, ":latest@" + second, ":v1@" + w.digest})
	if w.posts() != 1 || done.Load() != 44 {
		t.Errorf("%d times published, %d done", w.posts(), done.Load())
	}
	for tag, digest := range map[string]string{"v1": w.digest, "v2": second, "latest": second, "old": w.digest} {
		if got := w.verifies(tag, digest); got != verify.Verified {
			t.Errorf("%s: %s", tag, got)
		}
	}
	if got := w.verifies("old", w.digest, "bob"); got != verify.Verified {
		t.Errorf("bob's: %s", got)
	}
}

func TestSignRefused(t *testing.T) {
	t.Parallel()
	foreign, err := dcttest.NewKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Hour)
	for _, tc := range []struct {
		name    string
		options dcttest.Options
		server  dcttest.ServerOptions
		change  func(*world) error
		alter   func(*world, *dct.Options)
		reason  verify.Reason
		words   []string
		posts   int
	}{
		{name: "no delegation", change: func(w *world) error { w.key = w.read(foreign); return nil }, reason: verify.WrongSigner,
			words: []string{"is in no delegation of", "targets/alice, targets/bob, targets/releases", "docker trust signer add --key NAME.pub NAME "}},
		{name: "no releases", change: func(w *world) (err error) {
			w.c, err = dcttest.NewCollection(w.c.GUN(), dcttest.Options{Delegations: []string{"targets/alice"}})
			w.server.Put(w.c.GUN(), w.c)
			w.key = w.read(w.c.Key("targets/alice"))
			return err
		}, reason: verify.WrongSigner, words: []string{"has no delegation targets/releases", "docker trust signer add --key alice.pub alice "}},
		{name: "the targets key", change: func(w *world) error { w.key = w.read(w.c.Key("targets")); return nil }, reason: verify.WrongSigner,
			words: []string{"is the targets key of", "keep it offline"}},
		{name: "not in releases", change: func(w *world) error {
			return w.c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Keys = r.Keys[:1] })
		}, reason: verify.WrongSigner, words: []string{"the key may sign targets/alice and not targets/releases", "docker trust signer add --key alice.pub alice "}},
		{name: "below another only", change: func(w *world) error {
			w.key = w.read(foreign)
			w.must(w.c.Delegate("targets/alice/ci"))
			return w.c.Change("targets/alice/ci", func(r *dcttest.Role) { r.Keys = []dcttest.Key{foreign} })
		}, reason: verify.WrongSigner, words: []string{"is in no delegation"}},
		{name: "outside of the paths", change: func(w *world) error {
			return errors.Join(w.c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Paths = []string{"rc-"} }), w.c.Change("targets/alice", func(r *dcttest.Role) { r.Paths = []string{"rc-"} }))
		}, reason: verify.WrongSigner, words: []string{"the tag v1 is outside of the paths of targets/alice, targets/releases", "--paths v1"}},
		{name: "threshold", change: func(w *world) error {
			return w.c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Threshold = 2 })
		}, reason: verify.Unsupported, words: []string{"needs the signatures of 2 keys", "notary witness"}},
		{name: "releases expired", change: func(w *world) error { w.must(w.c.Sign("v0", w.digest)); return w.c.Expire(dcttest.Releases, past) },
			reason: verify.Expired, words: []string{"sign targets/releases", "notary witness"}},
		{name: "alice's expired", change: func(w *world) error {
			w.must(w.c.Sign("v0", w.digest, "alice"))
			return w.c.Expire("targets/alice", past)
		}, reason: verify.Expired, words: []string{"sign targets/alice", "notary witness"}},
		{name: "releases by another key", change: func(w *world) error { w.must(w.c.Sign("v0", w.digest)); return w.c.SignByAnother(dcttest.Releases) },
			reason: verify.BadSignature, words: []string{"notary list"}},
		{name: "targets expired", change: func(w *world) error { return w.c.Expire(dcttest.Targets, past) }, reason: verify.Expired},
		{name: "foreign root", change: func(w *world) error { return w.c.SignByAnother(dcttest.Root) }, reason: verify.BadSignature},
		{name: "another's repository", change: func(w *world) error { return nil }, alter: func(w *world, o *dct.Options) {
			o.Config.RootKeyIDs = []string{strings.Repeat("0", 64)}
		}, reason: verify.WrongSigner},
		{name: "no trust data", change: func(w *world) error { w.server.Put(w.c.GUN(), nil); return nil }, reason: verify.Unsigned, words: []string{"does not have trust data for"}},
		{name: "moved tag", change: func(w *world) error { w.push("v1", "moved"); return nil }, reason: verify.BadSignature, words: []string{"the tag was moved", "push the image once more"}},
		{name: "no such tag", change: func(w *world) error { return w.reg.Delete("team/app", "v1") }, reason: verify.NotFound},
		{name: "registry down", change: func(w *world) error { w.reg.Close(); return nil }, reason: verify.Unavailable},
		{name: "server down", change: func(w *world) error { w.server.Down(); return nil }, reason: verify.Unavailable},
		{name: "login needed", server: dcttest.ServerOptions{Tokens: true, User: "alice", Password: "pw"}, reason: verify.Denied, words: []string{"docker login 127.0.0.1:"}},
		{name: "may not push", server: dcttest.ServerOptions{Tokens: true, NoPush: true}, reason: verify.Denied, words: []string{"docker login 127.0.0.1:", "repository:push,pull"}, posts: -1},
		{name: "snapshot key elsewhere", options: dcttest.Options{OwnSnapshot: true}, reason: verify.Unsupported,
			words: []string{"does not keep the snapshot key", "notary key rotate", "snapshot -r"}, posts: 1},
		{name: "server without delegations", change: func(w *world) error {
			w.inject(servicetest.Fault{Method: http.MethodPost, Status: 400, Body: []byte(`{"errors":[{"code":"INVALID_ROLE","message":"x","detail":"releases"}]}`)})
			return nil
		}, reason: verify.Unsupported, words: []string{"Go 1.17"}, posts: 1},
		{name: "always overtaken", change: func(w *world) error {
			w.inject(servicetest.Fault{Method: http.MethodPost, Status: 400, Body: []byte(`{"errors":[{"code":"VERSION","message":"x"}]}`)})
			return nil
		}, reason: verify.Unavailable, words: []string{"somebody else was faster, 4 times"}, posts: 4},
		{name: "not taken", change: func(w *world) error {
			w.inject(servicetest.Fault{Method: http.MethodPost, Status: 400, Body: []byte(`{"errors":[{"code":"INVALID_UPDATE","message":"x"}]}`)})
			return nil
		}, reason: verify.BadSignature, words: []string{"trust inspect"}, posts: 1},
		{name: "503 when published", change: func(w *world) error {
			w.inject(servicetest.Fault{Method: http.MethodPost, Status: 503})
			return nil
		}, reason: verify.Unavailable, posts: 1},
		{name: "503 when read", change: func(w *world) error { w.inject(servicetest.Fault{Status: 503}); return nil }, reason: verify.Unavailable},
		{name: "taken and not shown", change: func(w *world) error {
			w.inject(servicetest.Fault{Method: http.MethodPost, Status: 200, Body: []byte("{}")})
			return nil
		}, reason: verify.Unavailable, words: []string{"does not show it"}, posts: 1},
		{name: "HTML", change: func(w *world) error { w.inject(servicetest.Fault{Body: []byte("<html>")}); return nil }, reason: verify.Unavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tc.options, tc.server)
			if tc.change != nil {
				w.must(tc.change(w))
			}
			before := w.c.File("snapshot")
			if tc.alter == nil {
				tc.alter = func(*world, *dct.Options) {}
			}
			r := w.sign(func(o *dct.Options) { tc.alter(w, o) })
			failed(t, r, tc.reason, tc.words...)
			if tc.posts >= 0 && w.posts() != tc.posts {
				t.Errorf("%d times published: %q", w.posts(), w.asked())
			}
			if string(w.c.File("snapshot")) != string(before) {
				t.Error("something was changed")
			}
		})
	}
}

func (w *world) inject(f servicetest.Fault) { w.server.Inject(f) }

// Somebody else who publishes meanwhile keeps nobody from signing, and loses
// nothing.
func TestSignOvertaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dcttest.Options{}, dcttest.ServerOptions{})
	var once atomic.Bool
	s := &between{Client: client(), before: func() {
		if once.CompareAndSwap(false, true) {
			w.must(w.c.Sign("other", w.digest, "bob"))
		}
	}}
	records(t, w.sign(func(o *dct.Options) { o.Store = s }))
	if w.posts() != 2 {
		t.Errorf("published %d times", w.posts())
	}
	for tag, signer := range map[string]string{"v1": "alice", "other": "bob"} {
		if got := w.verifies(tag, w.digest, signer); got != verify.Verified {
			t.Errorf("%s: %s", tag, got)
		}
	}
}

// The owner may take the key away meanwhile.
func TestSignKeyTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dcttest.Options{}, dcttest.ServerOptions{})
	s := &between{Client: client(), before: func() { w.must(errors.Join(w.c.RotateKey(dcttest.Releases), w.c.RotateKey("targets/alice"))) }}
	failed(t, w.sign(func(o *dct.Options) { o.Store = s }), verify.WrongSigner, "is in no delegation")
	if w.posts() != 1 {
		t.Errorf("published %d times", w.posts())
	}
}

// A between is a Store in which something happens before each file is published.
type between struct {
	*registry.Client
	before func()
}

func (b *between) PublishTrustData(ctx context.Context, s registry.TrustServer, gun string, files map[string][]byte) error {
	b.before()
	return b.Client.PublishTrustData(ctx, s, gun, files)
}

// An answer that is lost is looked for, and what was published is not published
// twice.
func TestSignLostAnswer(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]servicetest.Fault{
		"connection": {Method: http.MethodPost, Times: 1, Late: true, Reset: true},
		"502":        {Method: http.MethodPost, Times: 1, Late: true, Status: 502},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, dcttest.Options{}, dcttest.ServerOptions{})
			w.server.Inject(f)
			if got := records(t, w.sign()); got[0].Existed {
				t.Errorf("%+v", got)
			}
			if w.posts() != 1 || w.verifies("v1", w.digest, "alice") != verify.Verified {
				t.Errorf("published %d times", w.posts())
			}
		})
	}
}

// A second key of another signer needs no place in targets/releases where that says
// the same already.
func TestSignBesides(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dcttest.Options{}, dcttest.ServerOptions{})
	records(t, w.sign())
	bob := w.read(w.c.Key("targets/bob"))
	got := records(t, w.sign(func(o *dct.Options) { o.Key = bob }))
	if len(got) != 1 || got[0].Identity != "targets/bob" || w.verifies("v1", w.digest, "alice", "bob") != verify.Verified {
		t.Errorf("%+v", got)
	}
}

// Each delegation of the key signs; with none but targets/releases that is who
// signs.
func TestSignRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dcttest.Options{Delegations: []string{dcttest.Releases, "targets/alice", "targets/qa", "targets/bob"}}, dcttest.ServerOptions{})
	alice := w.c.Key("targets/alice")
	w.must(w.c.Change("targets/qa", func(r *dcttest.Role) { r.Keys = []dcttest.Key{alice} }))
	var got []string
	for _, r := range records(t, w.sign()) {
		got = append(got, r.Identity)
	}
	equal(t, got, []string{"targets/alice", "targets/qa"})
	only := newWorld(t, dcttest.Options{}, dcttest.ServerOptions{})
	only.key = only.read(only.c.Key(dcttest.Releases))
	if r := records(t, only.sign()); len(r) != 1 || r[0].Identity != "targets/releases" {
		t.Errorf("%+v", r)
	}
}

// Orders that trust data have no place for are refused, whatever the server says.
func TestSignOrders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dcttest.Options{}, dcttest.ServerOptions{})
	img := w.image("v1", w.digest)
	untagged, err := img.At(w.digest)
	w.must(err)
	other := w.push("v2", "v2")
	for name, change := range map[string]func(*sign.Order){
		"a format":       func(o *sign.Order) { o.Formats = []sign.Format{sign.JWS} },
		"none":           func(o *sign.Order) { o.Formats = nil },
		"annotations":    func(o *sign.Order) { o.Annotations = map[string]string{"a": "b"} },
		"attestations":   func(o *sign.Order) { o.Attestations = []sign.Statement{{}} },
		"recursive":      func(o *sign.Order) { o.Recursive = true },
		"without a tag":  func(o *sign.Order) { o.Images = []image.Pinned{untagged} },
		"another digest": func(o *sign.Order) { o.Images = append(o.Images, w.image("v1", other)) },
	} {
		o := order(img)
		change(&o)
		r := w.signer().Sign(t.Context(), o)
		if r.Complete() || len(r.Failures) == 0 {
			t.Fatalf("%s: %+v", name, r)
		}
		want := verify.Unsupported
		for _, f := range r.Failures {
			if got := sign.Reason(f.Err); got != want || verify.Hint(f.Err) == "" {
				t.Errorf("%s: %s: %v (%s)", name, got, f.Err, verify.Hint(f.Err))
			}
		}
	}
	if r := w.signer().Sign(t.Context(), sign.Order{Formats: []sign.Format{sign.NotaryV1}}); r.Complete() {
		t.Error("nothing is complete")
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dcttest.Options{}, dcttest.ServerOptions{})
	for name, change := range map[string]func(*dct.Options){
		"no store":  func(o *dct.Options) { o.Store = nil },
		"no key":    func(o *dct.Options) { o.Key = nil },
		"zero key":  func(o *dct.Options) { o.Key = &dct.Key{} },
		"no clock":  func(o *dct.Options) { o.Now = nil },
		"jobs":      func(o *dct.Options) { o.Jobs = -1 },
		"no roots":  func(o *dct.Options) { o.Config.RootKeyIDs = nil },
		"everybody": func(o *dct.Options) { o.Config.TOFU = true },
		"signers":   func(o *dct.Options) { o.Config.Signers = []string{"alice"} },
		"zero":      func(o *dct.Options) { *o = dct.Options{} },
	} {
		o := dct.Options{Store: client(), Key: w.key, Config: w.config(), Now: time.Now}
		change(&o)
		if _, err := dct.New(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// A run that is ended ends, and says so.
func TestSignEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dcttest.Options{}, dcttest.ServerOptions{})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the run took too long"))
	r := w.signer().Sign(ctx, order(w.image("v1", w.digest)))
	if r.Complete() || len(r.Failures) != 1 || !strings.Contains(r.Failures[0].Err.Error(), "the run took too long") {
		t.Errorf("%+v", r)
	}
}

// Whoever does not know the root may take the server's word for it.
func TestSignFirstUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dcttest.Options{}, dcttest.ServerOptions{})
	got := records(t, w.sign(func(o *dct.Options) { o.Config = vdct.Config{Server: o.Config.Server, TOFU: true} }))
	if got[0].Issuer != "root key "+w.c.RootID() {
		t.Errorf("%+v", got)
	}
}

// What was there before is told from what is new, also where both are of one
// repository, and so of one file.
func TestSignExistedByTag(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dcttest.Options{}, dcttest.ServerOptions{})
	records(t, w.sign())
	second := w.push("v2", "v2")
	existed := map[string]bool{}
	for _, r := range records(t, w.signer().Sign(t.Context(), order(w.image("v1", w.digest), w.image("v2", second)))) {
		existed[r.Image.Ref().Tag()] = r.Existed
	}
	if len(existed) != 2 || !existed["v1"] || existed["v2"] {
		t.Errorf("%v", existed)
	}
}
