package dct_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/internal/servicetest"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/dct"
	"github.com/boltseal/boltseal/verify"
)

// revoke takes tags out of team/app.
func (w *world) revoke(s *dct.Signer, tags ...string) (dct.Revoked, error) {
	w.t.Helper()
	repo, err := image.ParseRepository(w.reg.Host() + "/team/app")
	w.must(err)
	return s.Revoke(w.t.Context(), repo, tags)
}

// told is what became of tags, shortly.
func told(all dct.Revoked) string {
	var out []string
	for _, r := range all.Tags {
		var left []string
		for _, t := range r.Left {
			left = append(left, t.Role)
		}
		out = append(out, fmt.Sprintf("%s from %v left %v signed %v", r.Tag, r.From, left, r.Signed()))
	}
	for _, v := range all.Void {
		out = append(out, fmt.Sprintf("%s is %s", v.Role, sign.Reason(v.Err)))
	}
	if !all.Complete() {
		out = append(out, "not complete")
	}
	return strings.Join(out, "; ")
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	past := time.Now().Add(-time.Hour)
	for _, tc := range []struct {
		name  string
		make  func(*world) error
		tags  []string
		want  string
		posts int
	}{
		{"alice's", func(w *world) error { return w.c.Sign("v1", w.digest, "alice") }, []string{"v1"}, "v1 from [targets/alice targets/releases] left [] signed false", 1},
		{"others stay", func(w *world) error {
			return errors.Join(w.c.Sign("v1", w.digest, "alice"), w.c.Sign("v2", w.digest, "alice"))
		}, []string{"v1"},
			"v1 from [targets/alice targets/releases] left [] signed false", 1},
		{"all", func(w *world) error { return errors.Join(w.c.Sign("v1", w.digest, "alice"), w.c.Sign("v2", w.digest)) }, nil,
			"v1 from [targets/alice targets/releases] left [] signed false; v2 from [targets/releases] left [] signed false", 1},
		{"all of nothing", func(*world) error { return nil }, nil, "", 0},
		{"bob's too", func(w *world) error { return w.c.Sign("v1", w.digest, "alice", "bob") }, []string{"v1"}, "v1 from [targets/alice targets/releases] left [targets/bob] signed false", 1},
		{"the owner's too", func(w *world) error {
			return errors.Join(w.c.Sign("v1", w.digest), w.c.AddTarget("targets", "v1", w.digest, 9))
		}, []string{"v1"}, "v1 from [targets/releases] left [targets] signed true; not complete", 1},
		{"not in releases", func(w *world) error {
			return errors.Join(w.c.Sign("v1", w.digest, "alice"), w.c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Keys = r.Keys[:1] }))
		}, []string{"v1"}, "v1 from [targets/alice] left [targets/releases] signed true; not complete", 1},
		{"not signed", func(*world) error { return nil }, []string{"v1"}, "v1 from [] left [] signed false", 0},
		{"bob's alone", func(w *world) error { return w.c.AddTarget("targets/bob", "v1", w.digest, 9) }, []string{"v1"}, "v1 from [] left [targets/bob] signed false", 0},
		{"alice's expired", func(w *world) error {
			return errors.Join(w.c.Sign("v1", w.digest, "alice"), w.c.Expire("targets/alice", past))
		}, []string{"v1"}, "v1 from [targets/releases] left [] signed false; targets/alice is expired; not complete", 1},
		{"releases expired", func(w *world) error {
			return errors.Join(w.c.Sign("v1", w.digest, "alice"), w.c.Expire(dcttest.Releases, past))
		}, []string{"v1"}, "v1 from [targets/alice] left [] signed false; targets/releases is expired; not complete", 1},
		{"all of what expired", func(w *world) error {
			return errors.Join(w.c.Sign("v1", w.digest, "alice"), w.c.Expire("targets/alice", past), w.c.Expire(dcttest.Releases, past))
		}, nil, "targets/alice is expired; targets/releases is expired; not complete", 0},
		{"others' releases expired", func(w *world) error {
			return errors.Join(w.c.Sign("v1", w.digest, "alice"), w.c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Keys = r.Keys[:1] }), w.c.Expire(dcttest.Releases, past))
		}, []string{"v1"}, "v1 from [targets/alice] left [] signed false; targets/releases is expired; not complete", 1},
		{"bob's expired", func(w *world) error {
			return errors.Join(w.c.Sign("v1", w.digest, "alice", "bob"), w.c.Expire("targets/bob", past))
		}, []string{"v1"}, "v1 from [targets/alice targets/releases] left [] signed false", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, dcttest.Options{}, dcttest.ServerOptions{})
			w.must(tc.make(w))
			got, err := w.revoke(w.signer(), tc.tags...)
			if err != nil || told(got) != tc.want || w.posts() != tc.posts {
				t.Fatalf("%s, %v, %d times published", told(got), err, w.posts())
			}
			if tc.name == "others stay" && (w.verifies("v2", w.digest, "alice") != verify.Verified || w.verifies("v1", w.digest) != verify.Unsigned) {
				t.Error("the wrong one")
			}
			w.server.Reset()
			again, err := w.revoke(w.signer(), tc.tags...)
			if err != nil || w.posts() != 0 || slices.ContainsFunc(again.Tags, func(r dct.Revocation) bool { return len(r.From) > 0 }) {
				t.Errorf("again: %s, %v, %d times published", told(again), err, w.posts())
			}
		})
	}
}

func TestRevokeRefused(t *testing.T) {
	t.Parallel()
	foreign, err := dcttest.NewKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*world)
		reason verify.Reason
	}{
		"no delegation": {func(w *world) { w.key = w.read(foreign) }, verify.WrongSigner},
		"no trust data": {func(w *world) { w.server.Put(w.c.GUN(), nil) }, verify.Unsigned},
		"threshold": {func(w *world) {
			bob := w.c.Key("targets/bob")
			w.must(w.c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Keys, r.Threshold = append(r.Keys, bob), 2 }))
		}, verify.Unsupported},
		"not taken":   {func(w *world) { w.inject(servicetest.Fault{Method: http.MethodPost, Status: 403}) }, verify.Denied},
		"server down": {func(w *world) { w.server.Down() }, verify.Unavailable},
		"not shown":   {func(w *world) { w.inject(servicetest.Fault{Method: http.MethodPost, Body: []byte("{}")}) }, verify.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, dcttest.Options{}, dcttest.ServerOptions{})
			w.must(w.c.Sign("v1", w.digest, "alice"))
			tc.change(w)
			got, err := w.revoke(w.signer(), "v1")
			if err == nil || len(got.Tags)+len(got.Void) > 0 || sign.Reason(err) != tc.reason || verify.Hint(err) == "" {
				t.Errorf("%s, %v (%s)\nnext: %s", told(got), err, sign.Reason(err), verify.Hint(err))
			}
		})
	}
	w := newWorld(t, dcttest.Options{}, dcttest.ServerOptions{})
	if _, err := w.revoke(w.signer(), ""); err == nil {
		t.Error("a tag without a name is revoked")
	}
}

// What is said to do next helps: it is verify's, where running it again does not.
func TestUnreadHint(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*world)
		reason verify.Reason
		next   string
	}{
		"no collection": {func(w *world) { w.server.Put(w.c.GUN(), nil) }, verify.Unsigned, "check that --dct-server is the server that has them; if it is, its owner has to begin them"},
		"tampered": {func(w *world) {
			w.must(w.c.Change("targets", func(r *dcttest.Role) {
				r.Forge = func(text []byte) []byte { return append(text[:len(text)-2], 'x', '}') }
			}))
		}, verify.BadSignature, "tell the owner"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, dcttest.Options{}, dcttest.ServerOptions{})
			tc.change(w)
			failed(t, w.sign(), tc.reason, tc.next)
			_, err := w.revoke(w.signer(), "v1")
			if hint := verify.Hint(err); sign.Reason(err) != tc.reason || !strings.Contains(hint, tc.next) || strings.Contains(hint, "run it again:") {
				t.Errorf("%s: %v\nnext: %s", sign.Reason(err), err, hint)
			}
		})
	}
}

// A server that accepts and never answers was not asked: that is no refusal.
func TestNeverAnswers(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(context.Context, *world) error{
		"sign": func(ctx context.Context, w *world) error {
			r := w.signer().Sign(ctx, order(w.image("v1", w.digest)))
			if len(r.Failures) != 1 {
				return nil
			}
			return r.Failures[0].Err
		},
		"revoke": func(ctx context.Context, w *world) error {
			repo, err := image.ParseRepository(w.reg.Host() + "/team/app")
			w.must(err)
			_, err = w.signer().Revoke(ctx, repo, []string{"v1"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, dcttest.Options{}, dcttest.ServerOptions{})
			ctx, cancel := context.WithCancelCause(t.Context())
			asked, done := make(chan struct{}, 9), make(chan struct{})
			silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				asked <- struct{}{}
				<-done
			}))
			t.Cleanup(silent.Close)
			t.Cleanup(func() { close(done) })
			w.silent = silent.URL
			go func() {
				<-asked
				cancel(errors.New("the time ran out"))
			}()
			err := do(ctx, w)
			if sign.Reason(err) != verify.Unavailable || !strings.Contains(err.Error(), "the time ran out") || !strings.Contains(verify.Hint(err), "check that the server answers") {
				t.Errorf("%s: %v\nnext: %s", sign.Reason(err), err, verify.Hint(err))
			}
		})
	}
}
