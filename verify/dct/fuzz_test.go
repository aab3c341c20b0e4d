package dct_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// never fails unless an image that nobody signed was refused, and without a panic
// on the way.
func never(t *testing.T, w *world, store dct.Store, cache string) {
	t.Helper()
	for _, text := range []string{appGUN + ":1.0", appGUN + ":9.9", appGUN + "@" + digestOf("never")} {
		v, err := dct.NewSession(store, cache).Require(w.config)
		must(t, err)
		got := v.Verify(t.Context(), pinAt(t, text, digestOf("never")))
		if got.Passed() || got.Reason() == verify.Undecided {
			t.Fatalf("%s: %q: %v", text, got.Reason(), got.Err())
		}
		if err := got.Err().Error(); strings.Contains(err, "runtime error") || strings.Contains(err, "malformed: ") {
			t.Fatalf("it panicked: %s", err)
		}
	}
}

// FuzzFile puts anything in the place of a file.
func FuzzFile(f *testing.F) {
	if dct.Raced {
		f.Skip("its seeds run without the race detector")
	}
	w := newWorld(f, dcttest.Options{})
	files := w.c.Files()
	roles := []string{dcttest.Root, dcttest.Timestamp, dcttest.Snapshot, dcttest.Targets, dcttest.Releases, "targets/alice"}
	for i, role := range roles {
		f.Add(uint8(i), files[role])
		f.Add(uint8(i), files[roles[(i+1)%len(roles)]])
		for _, text := range []string{"", "null", "{}", "[]", `{"signed":null,"signatures":null}`, `{"signed":{},"signatures":[null]}`, `{"signed":{"_type":"Root","roles":{"root":null},"keys":{"":null}},"signatures":[{}]}`} {
			f.Add(uint8(i), []byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, body []byte) {
		role := roles[int(i)%len(roles)]
		never(t, w, shelf{files: files, role: role, body: body}, "")
		// And so that whoever announces it is content.
		if role == dcttest.Root || role == dcttest.Timestamp {
			return
		}
		c := w.c.Clone()
		must(t, c.Change(role, func(r *dcttest.Role) { r.Forge = func([]byte) []byte { return body } }))
		never(t, w, shelf{files: c.Files()}, "")
	})
}

// FuzzSigned has a role sign anything, and all others go along with it: the server,
// a signer who turned hostile, and the owner of the collection. None of them can
// have alice sign what she has not.
func FuzzSigned(f *testing.F) {
	if dct.Raced {
		f.Skip("its seeds run without the race detector")
	}
	w := newWorld(f, dcttest.Options{})
	must(f, w.c.Sign("2.0", digestOf("2.0"), "bob"))
	roles := []string{dcttest.Root, dcttest.Timestamp, dcttest.Snapshot, dcttest.Targets, dcttest.Releases, "targets/bob"}
	for i, role := range roles {
		var file struct{ Signed json.RawMessage }
		must(f, json.Unmarshal(w.c.File(role), &file))
		f.Add(uint8(i), []byte(file.Signed))
		for _, old := range [][2]string{
			{`"version":`, `"version":-`}, {`"threshold":1`, `"threshold":0`}, {`"threshold":1`, `"threshold":-1`}, {`"paths":[""]`, `"paths":null`},
			{`"targets/alice"`, `"targets/releases"`}, {`"targets/alice"`, `"targets/../root"`}, {`"targets/alice"`, `"targets/"`}, {`"keyids":[`, `"keyids":["",`},
			{`"sha256":"`, `"sha256":"AAAA`}, {`"length":`, `"length":-`}, {`"hashes":{`, `"hashes":null,"x":{`}, {`"roles":`, `"roles":null,"x":`},
			{`"keys":{`, `"keys":{"x":null,`}, {`"keytype":"ecdsa"`, `"keytype":"rsa"`}, {`"keytype":"ecdsa-x509"`, `"keytype":"ecdsa"`}, {`"public":"`, `"public":"AA`},
			{`"meta":{`, `"meta":{"targets/x":null,`}, {`"targets":{`, `"targets":{"1.0":null,`}, {`"expires":"2`, `"expires":"9`},
		} {
			f.Add(uint8(i), []byte(strings.ReplaceAll(string(file.Signed), old[0], old[1])))
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, says []byte) {
		var signed map[string]any
		if json.Unmarshal(says, &signed) != nil {
			return // it would not be signed
		}
		c := w.c.Clone()
		must(t, c.Change(roles[int(i)%len(roles)], func(r *dcttest.Role) {
			r.Edit = func(m map[string]any) {
				clear(m)
				for k, v := range signed {
					m[k] = v
				}
			}
		}))
		never(t, w, dcttest.NewStore(c), "")
	})
}

// FuzzCache puts anything in the place of what is remembered. What passes with it
// passes without it.
func FuzzCache(f *testing.F) {
	w := newWorld(f, dcttest.Options{})
	dir := f.TempDir()
	w.cache = dir
	if v := w.run(f); !v.Passed() {
		f.Fatal(v.Err())
	}
	names := cached(f, dir)
	if len(names) != 1 {
		f.Fatalf("cached in %q", names)
	}
	good, err := os.ReadFile(names[0])
	must(f, err)

	// What a stranger would like to have remembered: his own root.
	stranger := newWorld(f, dcttest.Options{})
	stranger.cache = f.TempDir()
	must(f, stranger.c.Sign("1.0", digestOf("never"), "alice"))
	stranger.img = pinAt(f, appGUN+":1.0", digestOf("never"))
	if v := stranger.run(f); !v.Passed() {
		f.Fatal(v.Err())
	}
	theirs, err := os.ReadFile(cached(f, stranger.cache)[0])
	must(f, err)

	f.Add(good)
	f.Add(theirs)
	for _, text := range []string{"", "{}", "null", "[]", "{", string(good) + "{}", strings.Replace(string(good), `"`, `"x`, 3), strings.ReplaceAll(string(good), "root", "Root")} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		put := func() { must(t, os.WriteFile(names[0], b, 0o600)) }
		put()
		v := w.run(t)
		if v.Passed() {
			want, err := w.without()
			must(t, err)
			if !slices.Equal(signers(v.Evidence()), signers(want)) {
				t.Fatalf("%+v", v.Evidence())
			}
		} else if !slices.Contains([]verify.Reason{verify.Unavailable, verify.BadSignature, verify.WrongSigner}, v.Reason()) {
			t.Fatalf("%q: %v", v.Reason(), v.Err())
		}
		put()
		never(t, w, w.store, dir)
		put() // and where the server is the stranger's, who may have written it
		never(t, w, stranger.store, dir)
	})
}

// without is the evidence of a run that remembers nothing.
func (w *world) without() ([]verify.Evidence, error) {
	v, err := dct.NewSession(w.store, "").Require(w.config)
	if err != nil {
		return nil, err
	}
	got := v.Verify(context.Background(), w.img)
	return got.Evidence(), got.Err()
}
