package dct_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// appGUN is the collection of the tests, and host where its images and, unless a
// requirement says otherwise, its trust data are.
const (
	host   = "registry.example"
	appGUN = host + "/team/app"
)

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func collection(t testing.TB, name string, o dcttest.Options) *dcttest.Collection {
	t.Helper()
	c, err := dcttest.NewCollection(name, o)
	must(t, err)
	return c
}

func pinAt(t testing.TB, text, digest string) image.Pinned {
	t.Helper()
	r, err := image.Parse(text)
	must(t, err)
	p, err := r.Pin(digest)
	must(t, err)
	return p
}

// A world is a collection, the server that has it, somebody who asks for
// something, and an image. Alice has signed the tag 1.0 in it.
type world struct {
	c      *dcttest.Collection
	store  *dcttest.Store
	cache  string // a folder; "" for none
	config dct.Config
	img    image.Pinned
}

// newWorld makes a world in which everything is as it should be: the root is
// pinned, alice is required, and the image is what alice has signed.
func newWorld(t testing.TB, o dcttest.Options) *world {
	t.Helper()
	w := &world{c: collection(t, appGUN, o)}
	w.store = dcttest.NewStore(w.c)
	w.config = dct.Config{RootKeyIDs: []string{w.c.RootID()}, Signers: []string{"alice"}}
	if o.Delegations != nil && len(o.Delegations) == 0 { // nobody but who has the key of targets
		must(t, w.c.AddTarget(dcttest.Targets, "1.0", digestOf("1.0"), 512))
		w.config.Signers = nil
	} else {
		must(t, w.c.Sign("1.0", digestOf("1.0"), "alice"))
	}
	w.img = pinAt(t, appGUN+":1.0", digestOf("1.0"))
	return w
}

// run verifies the image in a run of its own.
func (w *world) run(t testing.TB) verify.Verdict {
	t.Helper()
	v, err := dct.NewSession(w.store, w.cache).Require(w.config)
	must(t, err)
	return v.Verify(t.Context(), w.img)
}

// remember has a run that passes fill the cache.
func (w *world) remember(t testing.TB) {
	t.Helper()
	w.cache = t.TempDir()
	if v := w.run(t); !v.Passed() {
		t.Fatalf("%s: %v", v.Reason(), v.Err())
	}
	w.store.Reset()
}

// check says where a verdict is not as it should be.
func check(t testing.TB, v verify.Verdict, reason verify.Reason, says ...string) {
	t.Helper()
	text := ""
	if v.Err() != nil {
		text = v.Err().Error() + "\n" + verify.Hint(v.Err())
	}
	if v.Reason() != reason || v.Passed() != (reason == verify.Verified) {
		t.Fatalf("%s, want %s: %s", v.Reason(), reason, text)
	}
	if v.Passed() != (v.Err() == nil) || v.Passed() != (len(v.Evidence()) > 0) {
		t.Errorf("passed %v with the error %v and %d pieces of evidence", v.Passed(), v.Err(), len(v.Evidence()))
	}
	for _, want := range says {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not stand in\n%s", want, text)
		}
	}
	if !v.Passed() {
		if verify.Hint(v.Err()) == "" {
			t.Errorf("no next step: %s", text)
		}
		for _, c := range v.Candidates() {
			if c.Reason == verify.Verified && len(c.Signer) == 0 {
				t.Errorf("a candidate without a signer: %+v", c)
			}
		}
	}
}

// answered is the error of a server that answered with a status.
func answered(status int) error {
	kind := registry.ErrUnavailable
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		kind = registry.ErrDenied
	}
	return &registry.Error{Op: "get trust data", Status: status, Kind: kind}
}

// spoiled changes a signature, and nothing else.
func spoiled(b []byte) []byte {
	b = slices.Clone(b)
	i := strings.LastIndex(string(b), `"sig":"`) + len(`"sig":"`) + 8
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return b
}
