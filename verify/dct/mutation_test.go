package dct_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// A shelf has the files of one collection, by the names that the client asks
// for: one of them may be another.
type shelf struct {
	files map[string][]byte
	role  string
	body  []byte // in the place of the file of role
}

func (s shelf) TrustData(_ context.Context, _ registry.TrustServer, _, file string, limit int64) ([]byte, error) {
	role, _, _ := strings.Cut(file, ".")
	b, ok := s.files[role]
	if role == s.role {
		b = s.body
	}
	if !ok {
		return nil, registry.ErrNotFound
	}
	if int64(len(b)) > limit {
		return nil, registry.ErrTooLarge
	}
	return b, nil
}

// damaged are the Reasons of trust data that somebody has changed. A root whose
// certificate is for another collection, or that lists other keys, is nobody's
// who is trusted; a date that is in the past has expired.
func damaged(r verify.Reason) bool {
	return slices.Contains([]verify.Reason{verify.BadSignature, verify.Unavailable, verify.WrongSigner, verify.Expired, verify.Unsupported}, r)
}

// flips calls try with a change of one bit of each byte of b, or of each step-th,
// and with some of two more: one that changes the case of a letter, and one that
// makes it none of ASCII.
func flips(b []byte, step int, try func(i int, changed []byte)) {
	var wg sync.WaitGroup
	type flip struct {
		at  int
		bit byte
	}
	next := make(chan flip)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for f := range next {
				changed := bytes.Clone(b)
				changed[f.at] ^= f.bit
				try(f.at, changed)
			}
		})
	}
	begin := rand.IntN(min(step, len(b))) // so that over some runs each byte has its turn
	for at := begin; at < len(b); at += step {
		next <- flip{at, 0x01}
		if at/step%16 == 0 {
			next <- flip{at, 0x20}
			next <- flip{min(at+1, len(b)-1), 0x80}
		}
	}
	close(next)
	wg.Wait()
}

// step is how many bytes there are from one that is flipped to the next: one,
// where there is time.
func step() int {
	switch {
	case dct.Raced:
		return 97
	case testing.Short():
		return 17
	}
	return 1
}

func verdict(t *testing.T, w *world, store dct.Store) verify.Verdict {
	v, err := dct.NewSession(store, "").Require(w.config)
	if err != nil {
		t.Error(err)
		return verify.Verdict{}
	}
	return v.Verify(context.Background(), w.img)
}

// TestFlips changes bytes of every file of a collection, with what else
// there is unchanged: whoever has no key and sits at the server, or before it.
// Nothing of it passes, and nothing of it is taken for a tag that nobody signed.
func TestFlips(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dcttest.Options{Delegations: []string{dcttest.Releases, "targets/alice"}})
	files := w.c.Files()
	if len(files) != 6 {
		t.Fatal(slices.Sorted(maps.Keys(files)))
	}
	if v := verdict(t, w, shelf{files: files}); !v.Passed() {
		t.Fatal(v.Err())
	}
	for role, file := range files {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			reasons := map[verify.Reason]int{}
			flips(file, step(), func(i int, changed []byte) {
				v := verdict(t, w, shelf{files: files, role: role, body: changed})
				mu.Lock()
				defer mu.Unlock()
				reasons[v.Reason()]++
				if v.Passed() || !damaged(v.Reason()) {
					t.Errorf("byte %d, %q, in place of %q: %s: %v", i, changed[i], around(file, i), v.Reason(), v.Err())
				}
			})
			t.Logf("%d bytes: %v", len(file), reasons)
		})
	}
}

// around is what stands before and behind a byte.
func around(b []byte, i int) []byte { return b[max(0, i-12):min(len(b), i+12)] }

// TestFlipsAnnounced does the same where whoever has the keys of snapshot and
// timestamp, as a server has, announces what has been changed. The keys of those
// who sign are not his.
func TestFlipsAnnounced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dcttest.Options{Delegations: []string{dcttest.Releases, "targets/alice"}})
	want := w.run(t).Evidence()
	for _, role := range []string{dcttest.Targets, dcttest.Releases, "targets/alice"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			reasons := map[verify.Reason]int{}
			file := w.c.File(role)
			flips(file, 3*step(), func(i int, changed []byte) {
				c := w.c.Clone()
				must(t, c.Change(dcttest.Snapshot, func(r *dcttest.Role) {
					r.Edit = func(signed map[string]any) { announce(signed, role, changed) }
				}))
				files := c.Files()
				files[role] = changed
				v := verdict(t, w, shelf{files: files})
				mu.Lock()
				defer mu.Unlock()
				reasons[v.Reason()]++
				if v.Passed() && reflect.DeepEqual(signers(v.Evidence()), signers(want)) && same(file, changed) {
					return // a signature of a key that nobody named, which never counted
				}
				if v.Passed() || !damaged(v.Reason()) {
					t.Errorf("byte %d, %q, in place of %q: %s: %v", i, changed[i], around(file, i), v.Reason(), v.Err())
				}
			})
			t.Logf("%d bytes: %v", len(file), reasons)
		})
	}
}

// announce writes the hashes of another file into a snapshot.
func announce(signed map[string]any, role string, file []byte) {
	meta := dcttest.FileMeta(file)
	hashes := map[string]any{}
	for name, sum := range meta.Hashes {
		hashes[name] = sum
	}
	signed["meta"].(map[string]any)[role] = map[string]any{"length": meta.Length, "hashes": hashes}
}

// signers are what evidence proves, without what differs from file to file.
func signers(all []verify.Evidence) []string {
	var out []string
	for _, e := range all {
		out = append(out, fmt.Sprintf("%s %s %s %s", e.Signer, e.Issuer, e.Digest, e.Claims["key-ids"]))
	}
	return out
}

// same reports whether two files say the same in what is signed.
func same(a, b []byte) bool {
	var x, y struct{ Signed any }
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// TestCut takes away the end of every file, and puts something behind it.
func TestCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dcttest.Options{})
	files := w.c.Files()
	for role, file := range files {
		for _, n := range []int{0, 1, len(file) / 2, len(file) - 1} {
			if v := verdict(t, w, shelf{files: files, role: role, body: file[:n]}); v.Passed() || !damaged(v.Reason()) {
				t.Errorf("%s, %d bytes: %s: %v", role, n, v.Reason(), v.Err())
			}
		}
		for _, more := range []string{"{}", "}", "\x00", string(file)} {
			if v := verdict(t, w, shelf{files: files, role: role, body: append(bytes.Clone(file), more...)}); v.Passed() || !damaged(v.Reason()) {
				t.Errorf("%s and %.9q: %s: %v", role, more, v.Reason(), v.Err())
			}
		}
	}
}
