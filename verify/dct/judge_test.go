package dct_test

import (
	"strings"
	"testing"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

const gun = "registry.example/app"

// digest is one that tells letters apart.
func digest(letter string) string { return "sha256:" + strings.Repeat(letter, 64) }

func pinned(t *testing.T, text, digest string) image.Pinned {
	t.Helper()
	ref, err := image.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	img, err := ref.Pin(digest)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// collected is a collection in which alice has signed 1.0, and docker's releases have it.
func collected(t *testing.T, o dcttest.Options) *dcttest.Collection {
	t.Helper()
	c, err := dcttest.NewCollection(gun, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Sign("1.0", digest("a"), "alice"); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSkeleton(t *testing.T) {
	t.Parallel()
	c := collected(t, dcttest.Options{})
	store := dcttest.NewStore(c)
	s := dct.NewSession(store, "")
	v, err := s.Require(dct.Config{RootKeyIDs: []string{c.RootID()}, Signers: []string{"alice"}})
	if err != nil {
		t.Fatal(err)
	}
	got := v.Verify(t.Context(), pinned(t, gun+":1.0", digest("a")))
	if !got.Passed() {
		t.Fatal(got.Reason(), got.Err())
	}
	t.Log(got.Evidence(), store.Requests())
	if got := v.Verify(t.Context(), pinned(t, gun+":1.0", digest("b"))); got.Reason() != verify.BadSignature {
		t.Error(got.Reason(), got.Err())
	}
}
