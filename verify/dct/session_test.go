package dct_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// A Config that could be satisfied by anybody or by nobody makes no Verifier, and
// has no collection.
func TestRequire(t *testing.T) {
	t.Parallel()
	c := signed10(t)
	s := dct.NewSession(dcttest.NewStore(c), "")
	id, key := []string{c.RootID()}, [][]byte{c.RootKey()}
	for name, tc := range map[string]struct {
		config dct.Config
		good   bool
	}{
		"empty":                {dct.Config{}, false},
		"signers alone":        {dct.Config{Signers: []string{"alice"}}, false},
		"no ids":               {dct.Config{RootKeyIDs: []string{}}, false},
		"an empty id":          {dct.Config{RootKeyIDs: []string{""}}, false},
		"half an id":           {dct.Config{RootKeyIDs: []string{id[0][:32]}}, false},
		"an id in capitals":    {dct.Config{RootKeyIDs: []string{"AB" + id[0][2:]}}, false},
		"a key that is none":   {dct.Config{RootKeys: [][]byte{{}}}, false},
		"no authority":         {dct.Config{RootCA: nil, RootKeys: nil}, false},
		"authority of nothing": {dct.Config{RootCA: []*x509.Certificate{nil}}, false},
		"no authority's":       {dct.Config{RootCA: []*x509.Certificate{c.Root()}}, false},
		"first use and a pin":  {dct.Config{TOFU: true, RootKeyIDs: id}, false},
		"an empty signer":      {dct.Config{RootKeyIDs: id, Signers: []string{""}}, false},
		"a signer twice":       {dct.Config{RootKeyIDs: id, Signers: []string{"alice", "alice"}}, false},
		"a signer written out": {dct.Config{RootKeyIDs: id, Signers: []string{"targets/alice"}}, false},
		"releases as a signer": {dct.Config{RootKeyIDs: id, Signers: []string{"releases"}}, false},
		"a signer elsewhere":   {dct.Config{RootKeyIDs: id, Signers: []string{"../root"}}, false},
		"an id":                {dct.Config{RootKeyIDs: id}, true},
		"a key":                {dct.Config{RootKeys: key}, true},
		"first use":            {dct.Config{TOFU: true}, true},
		"signers":              {dct.Config{RootKeyIDs: id, Signers: []string{"alice", "bob"}}, true},
	} {
		v, err := s.Require(tc.config)
		if (err == nil) != tc.good || (v != nil) != tc.good {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Collection(t.Context(), tc.config, pinned(t, gun+":1.0", digest("a")).Ref()); (err == nil) != tc.good {
			t.Errorf("%s: collection: %v", name, err)
		}
		if _, _, err := s.Repo(t.Context(), tc.config, pinned(t, gun+":1.0", digest("a")).Ref()); (err == nil) != tc.good {
			t.Errorf("%s: repo: %v", name, err)
		}
	}
}

// All images of a repository share one update, whoever asks first; what is
// trusted otherwise is loaded otherwise.
func TestOneUpdate(t *testing.T) {
	t.Parallel()
	c := signed10(t)
	store := dcttest.NewStore(c)
	s := dct.NewSession(store, t.TempDir())
	v, err := s.Require(ids(c))
	ok(t, err)
	alice := ids(c)
	alice.Signers = []string{"alice"}
	w, err := s.Require(alice)
	ok(t, err)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			expect(t, "each", v.Verify(t.Context(), pinned(t, gun+":1.0", digest("a"))), "not checked: first seen")
		})
		wg.Go(func() {
			expect(t, "by alice", w.Verify(t.Context(), pinned(t, gun+":1.0", digest("a"))), "not checked: first seen")
		})
		wg.Go(func() { expect(t, "another", w.Verify(t.Context(), pinned(t, gun+":2.0", digest("a"))), "unsigned") })
	}
	wg.Wait()
	if n := len(store.Requests()); n != 6 {
		t.Errorf("%d requests: %v", n, store.Requests())
	}
	other, err := s.Require(dct.Config{RootKeys: [][]byte{c.RootKey()}})
	ok(t, err)
	expect(t, "by its key", other.Verify(t.Context(), pinned(t, gun+":1.0", digest("a"))), "checked since version 3")
	stranger, err := s.Require(dct.Config{RootKeyIDs: []string{c.CanonicalRootID()}})
	ok(t, err)
	expect(t, "by another", stranger.Verify(t.Context(), pinned(t, gun+":1.0", digest("a"))), "wrong-signer")
}

// Repositories are loaded at the same time, and what they are does not mix.
func TestSeveral(t *testing.T) {
	t.Parallel()
	store := dcttest.NewStore()
	var all []*dcttest.Collection
	for i := range 4 {
		c, err := dcttest.NewCollection(fmt.Sprintf("registry.example/app%d", i), dcttest.Options{})
		ok(t, err)
		ok(t, c.Sign("1.0", digest("a"), "alice"))
		store.Put(c.GUN(), c)
		all = append(all, c)
	}
	s := dct.NewSession(store, t.TempDir())
	var wg sync.WaitGroup
	for _, c := range all {
		for _, of := range all {
			v, err := s.Require(ids(of))
			ok(t, err)
			want := "not checked: first seen"
			if c != of {
				want = "wrong-signer"
			}
			wg.Go(func() { expect(t, c.GUN(), v.Verify(t.Context(), pinned(t, c.GUN()+":1.0", digest("a"))), want) })
		}
	}
	wg.Wait()
}

// A silent store answers when the context has ended, or never.
type silent struct{ deaf chan struct{} }

func (s silent) TrustData(ctx context.Context, _ registry.TrustServer, _, _ string, _ int64) ([]byte, error) {
	if s.deaf != nil {
		<-s.deaf
		return nil, errors.New("it has woken up")
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// Every wait ends with its context: that of who asked first, and of who waits for
// him.
func TestContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, store := range []silent{{}, {make(chan struct{})}} {
			s := dct.NewSession(store, "")
			v, err := s.Require(dct.Config{TOFU: true})
			ok(t, err)
			stop := errors.New("enough")
			first, endFirst := context.WithCancelCause(t.Context())
			second, endSecond := context.WithCancelCause(t.Context())
			var wg sync.WaitGroup
			for _, ctx := range []context.Context{first, second} {
				wg.Go(func() {
					got := v.Verify(ctx, pinned(t, gun+":1.0", digest("a")))
					if got.Reason() != verify.Undecided || !errors.Is(got.Err(), stop) {
						t.Errorf("%q: %v", got.Reason(), got.Err())
					}
				})
				synctest.Wait()
			}
			endSecond(stop)
			synctest.Wait()
			endFirst(stop)
			wg.Wait()
			if store.deaf != nil {
				close(store.deaf)
			}
		}
	})
}

// Who comes after one who gave up is not told what that one was told.
func TestAfterGivingUp(t *testing.T) {
	t.Parallel()
	c := signed10(t)
	s := dct.NewSession(dcttest.NewStore(c), "")
	v, err := s.Require(ids(c))
	ok(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := v.Verify(ctx, pinned(t, gun+":1.0", digest("a"))); got.Passed() {
		t.Error("passed after its time")
	}
	expect(t, "after", v.Verify(t.Context(), pinned(t, gun+":1.0", digest("a"))), "not checked: no cache")
}

func TestDefaultServer(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"alpine":                             "https://notary.docker.io",
		"docker.io/acme/app:1":               "https://notary.docker.io",
		"registry.example/app":               "https://registry.example",
		"registry.example:5000/a/b:1":        "https://registry.example:5000",
		"localhost:5000/app":                 "https://localhost:5000",
		"acme.azurecr.io/app@" + digest("a"): "https://acme.azurecr.io",
	} {
		ref, err := image.Parse(text)
		ok(t, err)
		if got := dct.DefaultServer(ref); got != want {
			t.Errorf("%s: %s", text, got)
		}
		if s, err := (dct.Config{}).ServerOf(ref); err != nil || s.String() != want {
			t.Errorf("%s: %s, %v", text, s, err)
		}
	}
}
