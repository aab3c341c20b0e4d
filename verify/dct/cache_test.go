package dct_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/theupdateframework/notary/trustpinning"
	"github.com/theupdateframework/notary/tuf/data"
	"github.com/theupdateframework/notary/tuf/signed"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// ask is one run: it asks for 1.0 of the collection, with a cache.
func ask(t *testing.T, store dct.Store, dir string, c dct.Config) verify.Verdict {
	t.Helper()
	v, err := dct.NewSession(store, dir).Require(c)
	if err != nil {
		t.Fatal(err)
	}
	return v.Verify(t.Context(), pinned(t, gun+":1.0", digest("a")))
}

// told is the Reason of a verdict, or what it says of rollbacks.
func told(v verify.Verdict) string {
	if v.Passed() {
		return v.Evidence()[0].Claims["rollback"]
	}
	return string(v.Reason())
}

// expect fails unless a run ends as it should.
func expect(t *testing.T, what string, v verify.Verdict, want string) {
	t.Helper()
	if told(v) != want {
		t.Errorf("%s: %q (%v), want %q", what, told(v), v.Err(), want)
	}
	if !v.Passed() && verify.Hint(v.Err()) == "" {
		t.Errorf("%s: no next step: %v", what, v.Err())
	}
}

func ids(c ...*dcttest.Collection) dct.Config {
	var config dct.Config
	for _, c := range c {
		config.RootKeyIDs = append(config.RootKeyIDs, c.RootID())
	}
	return config
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCacheRequests(t *testing.T) {
	t.Parallel()
	c := signed10(t)
	store, dir := dcttest.NewStore(c), t.TempDir()
	for _, tc := range []struct {
		name   string
		change func()
		told   string
		asked  []string
	}{
		{"cold", func() {}, "not checked: first seen", []string{"root", "timestamp", "snapshot", "targets", "targets/alice", "targets/releases"}},
		{"warm", func() {}, "checked since version 3", []string{"timestamp"}},
		{"one has signed", func() { ok(t, c.Sign("2.0", digest("b"), "alice")) }, "checked since version 3", []string{"timestamp", "snapshot", "targets/alice", "targets/releases"}},
		{"warm again", func() {}, "checked since version 5", []string{"timestamp"}},
		{"a key was rotated", func() { ok(t, c.RotateKey(dcttest.Timestamp)) }, "checked since version 5", []string{"timestamp", "root", "snapshot"}},
		{"and again warm", func() {}, "checked since version 6", []string{"timestamp"}},
	} {
		tc.change()
		store.Reset()
		expect(t, tc.name, ask(t, store, dir, ids(c)), tc.told)
		asked := store.Requests()
		slices.Sort(asked)
		slices.Sort(tc.asked)
		if !slices.Equal(asked, tc.asked) {
			t.Errorf("%s: asked for %v, want %v", tc.name, asked, tc.asked)
		}
	}
}

func signed10(t *testing.T) *dcttest.Collection { return collected(t, dcttest.Options{}) }

func TestCacheRollback(t *testing.T) {
	t.Parallel()
	c := signed10(t)
	store, dir := dcttest.NewStore(c), t.TempDir()
	old := c.Clone()
	ok(t, c.Sign("2.0", digest("b"), "alice"))
	expect(t, "new", ask(t, store, dir, ids(c)), "not checked: first seen")
	store.Put(gun, old)
	got := ask(t, store, dir, ids(c))
	expect(t, "old", got, "bad-signature")
	if low := (signed.ErrLowVersion{}); !errors.As(got.Err(), &low) || !strings.Contains(got.Err().Error(), "rollback") {
		t.Errorf("%v", got.Err())
	}
	expect(t, "old, of which nothing was seen", ask(t, store, "", ids(c)), "not checked: no cache")

	// The keys of what is rolled back may have been rotated.
	for _, role := range []string{dcttest.Timestamp, dcttest.Snapshot} {
		ok(t, c.RotateKey(role))
	}
	store.Put(gun, c)
	expect(t, "rotated", ask(t, store, dir, ids(c)), "checked since version 5")
	store.Put(gun, old)
	expect(t, "before the rotation", ask(t, store, dir, ids(c)), "bad-signature")
}

// Who holds the keys of snapshot and timestamp cannot go back to what targets
// said before there were releases.
func TestCacheWithheld(t *testing.T) {
	t.Parallel()
	c := signed10(t)
	ok(t, c.AddTarget(dcttest.Targets, "1.0", digest("a"), 1))
	store, dir := dcttest.NewStore(c), t.TempDir()
	expect(t, "whole", ask(t, store, dir, ids(c)), "not checked: first seen")
	ok(t, c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Absent = true }))
	expect(t, "withheld", ask(t, store, dir, ids(c)), "bad-signature")
}

// later has a collection that was kept from before be announced anew, as whoever
// holds the keys of snapshot and timestamp can.
func later(t *testing.T, c *dcttest.Collection) *dcttest.Collection {
	t.Helper()
	c = c.Clone()
	for range 10 {
		ok(t, c.Change(dcttest.Snapshot, func(*dcttest.Role) {}))
	}
	return c
}

// rolledBack fails unless a run says that it was shown what is older.
func rolledBack(t *testing.T, what string, v verify.Verdict) {
	t.Helper()
	expect(t, what, v, "bad-signature")
	if low := (signed.ErrLowVersion{}); !errors.As(v.Err(), &low) || !strings.Contains(v.Err().Error(), "rollback") {
		t.Errorf("%s: %v", what, v.Err())
	}
}

// What was seen of a role is not forgotten by a run in which nothing of it counts:
// the files from before would be new.
func TestCacheForgetsNothing(t *testing.T) {
	t.Parallel()
	withhold := func(t *testing.T, c *dcttest.Collection, role string) {
		t.Helper()
		ok(t, c.Change(role, func(r *dcttest.Role) { r.Absent = true }))
	}
	missign := func(t *testing.T, c *dcttest.Collection, role string) {
		t.Helper()
		ok(t, c.SignByAnother(role))
	}
	expire := func(t *testing.T, c *dcttest.Collection, role string) {
		t.Helper()
		ok(t, c.Expire(role, time.Now().Add(-time.Hour)))
	}
	for name, tc := range map[string]struct {
		spoil    func(*testing.T, *dcttest.Collection, string)
		reason   string // where the role is needed
		releases bool
	}{
		"withheld":           {withhold, "bad-signature", false},
		"mis-signed":         {missign, "bad-signature", false},
		"expired":            {expire, "expired", false},
		"releases withheld":  {withhold, "bad-signature", true},
		"releases missigned": {missign, "bad-signature", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := signed10(t)
			old, role := later(t, c), "targets/alice"
			if tc.releases {
				role = dcttest.Releases
			}
			ok(t, c.AddTarget(role, "2.0", digest("b"), 1))
			store, dir := dcttest.NewStore(c), t.TempDir()
			need := ids(c)
			need.Signers = []string{"alice"}
			expect(t, "new", ask(t, store, dir, need), "not checked: first seen")
			spoiled := c.Clone()
			tc.spoil(t, spoiled, role)
			store.Put(gun, spoiled)
			got := ask(t, store, dir, ids(c))
			if tc.releases {
				expect(t, "spoiled", got, tc.reason)
			} else {
				expect(t, "spoiled, not required", got, "checked since version 4")
				if got.Passed() && got.Evidence()[0].Claims["ignored"] != role+": "+tc.reason {
					t.Errorf("ignored: %q", got.Evidence()[0].Claims["ignored"])
				}
			}
			expect(t, "spoiled, required", ask(t, store, dir, need), tc.reason)
			store.Put(gun, old)
			rolledBack(t, "old", ask(t, store, dir, need))
			rolledBack(t, "old, not required", ask(t, store, dir, ids(c)))
		})
	}
}

// Only targets take a delegation back. One that is made again begins anew.
func TestCacheDelegatedAgain(t *testing.T) {
	t.Parallel()
	c := signed10(t)
	ok(t, c.Sign("2.0", digest("b"), "alice"))
	store, dir := dcttest.NewStore(c), t.TempDir()
	expect(t, "delegated", ask(t, store, dir, ids(c)), "not checked: first seen")
	ok(t, c.Change("targets/alice", func(r *dcttest.Role) { r.Absent = true }))
	edit(t, c, dcttest.Targets, func(signed map[string]any) {
		all := signed["delegations"].(map[string]any)
		all["roles"] = slices.DeleteFunc(all["roles"].([]any), func(r any) bool { return r.(map[string]any)["name"] == "targets/alice" })
	})
	expect(t, "taken back", ask(t, store, dir, ids(c)), "checked since version 5")
	edit(t, c, dcttest.Targets, nil)
	ok(t, c.Change("targets/alice", func(r *dcttest.Role) { r.Version, r.Absent = 0, false }))
	need := ids(c)
	need.Signers = []string{"alice"}
	if got := ask(t, store, dir, need); !got.Passed() {
		t.Errorf("again: %v", got.Err())
	}
}

// Whoever signs two files of one version has shown something else to others.
func TestCacheTwoOfAVersion(t *testing.T) {
	t.Parallel()
	for _, role := range []string{dcttest.Root, dcttest.Timestamp, dcttest.Snapshot, dcttest.Targets, dcttest.Releases, "targets/alice"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			c := signed10(t)
			other := c.Clone()
			store, dir := dcttest.NewStore(c), t.TempDir()
			expect(t, "one", ask(t, store, dir, ids(c)), "not checked: first seen")
			ok(t, other.Change(role, func(r *dcttest.Role) {
				r.Version--
				r.Expires = r.Expires.Add(-time.Hour)
			}))
			if role != dcttest.Timestamp && role != dcttest.Snapshot {
				other = later(t, other)
			}
			store.Put(gun, other)
			got := ask(t, store, dir, ids(c))
			expect(t, "another", got, "bad-signature")
			if want := "another version"; got.Err() == nil || !strings.Contains(got.Err().Error(), want) || !strings.Contains(verify.Hint(got.Err()), "delete") {
				t.Errorf("%v", got.Err())
			}
		})
	}

	// There are many signatures of one key under one file.
	c := signed10(t)
	store, dir := dcttest.NewStore(c), t.TempDir()
	expect(t, "one", ask(t, store, dir, ids(c)), "not checked: first seen")
	ok(t, c.Change("targets/alice", func(r *dcttest.Role) { r.Version-- }))
	expect(t, "signed again", ask(t, store, dir, ids(c)), "checked since version 3")
}

// A memo of another root is not written over: another requirement may want it.
func TestCacheOfAnotherRoot(t *testing.T) {
	t.Parallel()
	c := signed10(t)
	old := later(t, c)
	ok(t, c.Sign("2.0", digest("b"), "alice"))
	store, dir := dcttest.NewStore(c), t.TempDir()
	expect(t, "pinned", ask(t, store, dir, ids(c)), "not checked: first seen")
	theirs := signed10(t)
	store.Put(gun, theirs)
	for range 2 {
		got := ask(t, store, dir, ids(theirs))
		expect(t, "by their pin", got, "not checked: what is remembered is of another root")
		if got.Passed() && got.Evidence()[0].Claims["cache"] != filepath.Base(remembered(t, dir)) {
			t.Errorf("%q", got.Evidence()[0].Claims["cache"])
		}
	}
	store.Put(gun, old)
	rolledBack(t, "old", ask(t, store, dir, ids(c)))
}

// A during store calls meanwhile when a file was had.
type during struct {
	dct.Store
	file      string
	meanwhile func()
}

func (d during) TrustData(ctx context.Context, server registry.TrustServer, gun, file string, limit int64) ([]byte, error) {
	body, err := d.Store.TrustData(ctx, server, gun, file, limit)
	if strings.HasPrefix(file, d.file) {
		d.meanwhile()
	}
	return body, err
}

// Of two runs at the same time the slower one does not undo what the faster one
// has remembered.
func TestCacheTwoRuns(t *testing.T) {
	t.Parallel()
	for _, seen := range []bool{true, false} {
		c := signed10(t)
		store, dir := dcttest.NewStore(c), t.TempDir()
		if seen {
			expect(t, "before", ask(t, store, dir, ids(c)), "not checked: first seen")
		}
		ok(t, c.Sign("3.0", digest("c"), "alice"))
		old := c.Clone()
		ok(t, c.AddTarget("targets/bob", "2.0", digest("b"), 1))
		ok(t, c.Sign("2.0", digest("b"), "alice"))
		slow := during{dcttest.NewStore(old), dcttest.Releases, func() {
			if got := ask(t, store, dir, ids(c)); !got.Passed() {
				t.Errorf("the faster: %v", got.Err())
			}
		}}
		if got := ask(t, slow, dir, ids(c)); !got.Passed() {
			t.Errorf("the slower: %v", got.Err())
		}
		expect(t, "after", ask(t, store, dir, ids(c)), "checked since version 8")
		store.Put(gun, old)
		rolledBack(t, "old", ask(t, store, dir, ids(c)))
	}

	// What they have seen does not go together.
	c := signed10(t)
	other, theirs := c.Clone(), signed10(t)
	ok(t, c.Sign("3.0", digest("c"), "alice"))
	ok(t, other.Sign("4.0", digest("c"), "alice"))
	dir, first := t.TempDir(), t.TempDir()
	tofu := dct.Config{TOFU: true}
	expect(t, "two of a version", ask(t, during{dcttest.NewStore(c), dcttest.Releases, func() {
		expect(t, "one", ask(t, dcttest.NewStore(other), dir, ids(c)), "not checked: first seen")
	}}, dir, ids(c)), "bad-signature")
	expect(t, "two first roots", ask(t, during{dcttest.NewStore(c), dcttest.Releases, func() {
		expect(t, "one", ask(t, dcttest.NewStore(theirs), first, tofu), "not checked: first seen")
	}}, first, tofu), "wrong-signer")
}

// Any number of runs write one after the other, and what is newest stays.
func TestCacheManyRuns(t *testing.T) {
	t.Parallel()
	c := signed10(t)
	var all []*dcttest.Collection
	for range 12 {
		ok(t, c.Sign("2.0", digest("b"), "alice"))
		all = append(all, c.Clone())
	}
	dir := t.TempDir()
	var wg sync.WaitGroup
	for _, c := range all {
		wg.Go(func() {
			got := ask(t, dcttest.NewStore(c), dir, ids(c)) // which may come too late
			if low := (signed.ErrLowVersion{}); !got.Passed() && !errors.As(got.Err(), &low) {
				t.Errorf("%v", got.Err())
			}
		})
	}
	wg.Wait()
	expect(t, "newest", ask(t, dcttest.NewStore(c), dir, ids(c)), "checked since version 27")
}

// A run waits for another that writes, and not for ever.
func TestCacheLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := signed10(t)
		store := dcttest.NewStore(c)
		expect(t, "before", ask(t, store, dir, ids(c)), "not checked: first seen")
		ok(t, c.Sign("2.0", digest("b"), "alice"))
		lock, err := os.OpenFile(strings.TrimSuffix(remembered(t, dir), "json")+"lock", os.O_RDWR, 0)
		ok(t, err)
		ok(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
		got := ask(t, store, dir, ids(c))
		expect(t, "locked", got, "unavailable")
		if got.Err() == nil || !strings.Contains(got.Err().Error(), "another run") {
			t.Error(got.Err())
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			expect(t, "unlocked", ask(t, store, dir, ids(c)), "checked since version 3")
		}()
		time.Sleep(time.Second)
		ok(t, lock.Close())
		<-done
	})
}

// No answer is never replaced by an old one.
func TestCacheNoAnswer(t *testing.T) {
	t.Parallel()
	unavailable := &registry.Error{Op: "get", Kind: registry.ErrUnavailable, Status: 503}
	denied := &registry.Error{Op: "get", Kind: registry.ErrDenied, Status: 401}
	gone := &registry.Error{Op: "get", Kind: registry.ErrNotFound, Status: 404}
	for name, tc := range map[string]struct {
		fault dcttest.Fault
		want  string
	}{
		"503":                   {dcttest.Fault{Err: unavailable}, "unavailable"},
		"401":                   {dcttest.Fault{Err: denied}, "denied"},
		"404":                   {dcttest.Fault{Err: gone}, "unsigned"},
		"503 for the timestamp": {dcttest.Fault{File: "timestamp", Err: unavailable}, "unavailable"},
		"404 for the timestamp": {dcttest.Fault{File: "timestamp", Err: gone}, "unavailable"},
		"a page":                {dcttest.Fault{Body: []byte("<html>")}, "unavailable"},
		"a page, once":          {dcttest.Fault{File: "timestamp", Times: 1, Body: []byte("<html>")}, "unavailable"},
		"503, once":             {dcttest.Fault{File: "timestamp", Times: 1, Err: unavailable}, "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := signed10(t)
			store, dir := dcttest.NewStore(c), t.TempDir()
			expect(t, "before", ask(t, store, dir, ids(c)), "not checked: first seen")
			store.Break(tc.fault)
			expect(t, name, ask(t, store, dir, ids(c)), tc.want)
			store.Reset()
			expect(t, "after", ask(t, store, dir, ids(c)), "checked since version 3")
		})
	}
}

func TestCacheRotation(t *testing.T) {
	t.Parallel()
	c := signed10(t)
	old := ids(c)
	store, dir := dcttest.NewStore(c), t.TempDir()
	expect(t, "before", ask(t, store, dir, old), "not checked: first seen")
	for range 3 { // the server has those between
		ok(t, c.RotateRoot(dcttest.CertificateOptions{}, true))
	}
	expect(t, "without having seen it", ask(t, store, "", old), "wrong-signer")
	expect(t, "having seen it", ask(t, store, dir, old), "checked since version 3")
	expect(t, "ever after", ask(t, store, dir, old), "checked since version 6")
	expect(t, "by the new pin", ask(t, store, dir, ids(c)), "checked since version 6")

	// The new root does not satisfy the old pin, and is what is remembered now.
	expect(t, "by the old pin, later", ask(t, store, dir, old), "wrong-signer")
	expect(t, "by both", ask(t, store, dir, dct.Config{RootKeyIDs: append(old.RootKeyIDs, c.RootID())}), "checked since version 6")
}

// A root that those of before have not signed is somebody else's, whatever else
// vouches for it.
func TestCacheUsurped(t *testing.T) {
	t.Parallel()
	c := signed10(t)
	old := ids(c)
	store, dir := dcttest.NewStore(c), t.TempDir()
	first := t.TempDir()
	expect(t, "before", ask(t, store, dir, old), "not checked: first seen")
	expect(t, "first use", ask(t, store, first, dct.Config{TOFU: true}), "not checked: first seen")
	theirs := signed10(t)
	for range 4 { // theirs is newer
		ok(t, theirs.Sign("1.0", digest("a"), "alice"))
	}
	store.Put(gun, theirs)
	both := ids(theirs)
	both.RootKeyIDs = append(both.RootKeyIDs, old.RootKeyIDs...)
	for name, got := range map[string]verify.Verdict{
		"the pin":   ask(t, store, dir, old),
		"both pins": ask(t, store, dir, both),
		"first use": ask(t, store, first, dct.Config{TOFU: true}),
	} {
		expect(t, name, got, "wrong-signer")
		if rotated := (*trustpinning.ErrRootRotationFail)(nil); !errors.As(got.Err(), &rotated) {
			t.Errorf("%s: %v", name, got.Err())
		}
	}
	expect(t, "their own pin", ask(t, store, dir, ids(theirs)), "not checked: what is remembered is of another root")
	expect(t, "the first use of who remembers nothing", ask(t, store, t.TempDir(), dct.Config{TOFU: true}), "not checked: first seen")
}

// memory is the form of what is remembered.
type memory struct {
	Version int               `json:"version"`
	Server  string            `json:"server"`
	GUN     string            `json:"gun"`
	Anchor  []byte            `json:"anchor"`
	Files   map[string][]byte `json:"files"`
}

// remembered returns the file of the cache in dir.
func remembered(t *testing.T, dir string) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	return all[0]
}

// The cache is written by whoever has had the machine before. A root that names
// the pinned key beside his own, and that his own has signed, is not trusted.
func TestCacheHostileAnchor(t *testing.T) {
	t.Parallel()
	c := signed10(t)
	theirs := signed10(t)
	own := theirs.Key(dcttest.Root)
	ok(t, theirs.Change(dcttest.Root, func(r *dcttest.Role) {
		r.Keys = append(r.Keys, dcttest.Key{Public: c.Key(dcttest.Root).Public})
		r.Signers = []dcttest.Key{own}
	}))
	store, dir := dcttest.NewStore(theirs), t.TempDir()
	expect(t, "without a cache", ask(t, store, "", ids(c)), "bad-signature")

	m := memory{Version: 1, Server: "https://registry.example", GUN: gun, Files: map[string][]byte{}}
	for name, body := range theirs.Files() {
		m.Files[name] = body
	}
	m.Anchor = m.Files[dcttest.Root]
	body, err := json.Marshal(m)
	ok(t, err)
	expect(t, "its name", ask(t, dcttest.NewStore(c), dir, ids(c)), "not checked: first seen")
	name := remembered(t, dir)
	ok(t, os.WriteFile(name, body, 0o600))
	expect(t, "with it", ask(t, store, dir, ids(c)), "bad-signature")

	// Nor is one that is only half theirs.
	ok(t, os.Remove(name))
	expect(t, "sound", ask(t, dcttest.NewStore(c), dir, ids(c)), "not checked: first seen")
	raw, err := os.ReadFile(name)
	ok(t, err)
	var sound memory
	ok(t, json.Unmarshal(raw, &sound))
	for role := range sound.Files {
		half := sound
		half.Files = map[string][]byte{}
		for other, body := range sound.Files {
			half.Files[other] = body
		}
		half.Files[role] = m.Files[role]
		body, err := json.Marshal(half)
		ok(t, err)
		ok(t, os.WriteFile(name, body, 0o600))
		if got := ask(t, store, dir, ids(c)); got.Passed() {
			t.Errorf("%s of theirs: passed, %s", role, told(got))
		}
		ok(t, os.WriteFile(name, body, 0o600))
		// That they have raised a version, or have another of it, refuses; all else is
		// not believed.
		got := ask(t, dcttest.NewStore(c), dir, ids(c))
		if low := (signed.ErrLowVersion{}); !got.Passed() && !errors.As(got.Err(), &low) && !strings.Contains(got.Err().Error(), "another version") {
			t.Errorf("%s of theirs, and all that is sound: %v", role, got.Err())
		}
	}
}

// What cannot be read is not taken for nothing.
func TestCacheUnsound(t *testing.T) {
	t.Parallel()
	c := signed10(t)
	store := dcttest.NewStore(c)
	change := func(edit func(m *memory)) func(t *testing.T, name string) {
		return func(t *testing.T, name string) {
			t.Helper()
			raw, err := os.ReadFile(name)
			ok(t, err)
			var m memory
			ok(t, json.Unmarshal(raw, &m))
			edit(&m)
			raw, err = json.Marshal(m)
			ok(t, err)
			ok(t, os.WriteFile(name, raw, 0o600))
		}
	}
	text := func(edit func(body []byte) []byte) func(t *testing.T, name string) {
		return func(t *testing.T, name string) {
			t.Helper()
			raw, err := os.ReadFile(name)
			ok(t, err)
			ok(t, os.WriteFile(name, edit(raw), 0o600))
		}
	}
	for name, spoil := range map[string]func(t *testing.T, name string){
		"nothing in it":    text(func([]byte) []byte { return nil }),
		"half of it":       text(func(b []byte) []byte { return b[:len(b)/2] }),
		"something behind": text(func(b []byte) []byte { return append(b, "{}"...) }),
		"a name twice": text(func(b []byte) []byte {
			return bytes.Replace(b, []byte(`{"version":1`), []byte(`{"version":1,"version":1`), 1)
		}),
		"another name":      text(func(b []byte) []byte { return bytes.Replace(b, []byte(`{"version"`), []byte(`{"x":1,"version"`), 1) }),
		"another form":      change(func(m *memory) { m.Version = 2 }),
		"another server":    change(func(m *memory) { m.Server = "https://other.example" }),
		"of another":        change(func(m *memory) { m.GUN = "registry.example/other" }),
		"no anchor":         change(func(m *memory) { m.Anchor = nil }),
		"no timestamp":      change(func(m *memory) { delete(m.Files, "timestamp") }),
		"no role":           change(func(m *memory) { m.Files["../x"] = m.Files["root"] }),
		"a root as targets": change(func(m *memory) { m.Files["targets"] = m.Files["root"] }),
		"many files": change(func(m *memory) {
			for i := range 300 {
				m.Files[fmt.Sprintf("targets/x%d", i)] = m.Files["targets"]
			}
		}),
		"no end": func(t *testing.T, name string) {
			t.Helper()
			ok(t, os.Remove(name))
			ok(t, syscall.Mkfifo(name, 0o600))
		},
		"a folder": func(t *testing.T, name string) {
			t.Helper()
			ok(t, os.Remove(name))
			ok(t, os.Mkdir(name, 0o700))
		},
		"large": func(t *testing.T, name string) {
			t.Helper()
			ok(t, os.Truncate(name, 1<<30))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "not", "there", "yet")
			expect(t, "before", ask(t, store, dir, ids(c)), "not checked: first seen")
			at := remembered(t, dir)
			spoil(t, at)
			got := ask(t, store, dir, ids(c))
			expect(t, name, got, "unavailable")
			if !strings.Contains(got.Err().Error(), at) || !strings.Contains(verify.Hint(got.Err()), "delete") {
				t.Errorf("%v; %s", got.Err(), verify.Hint(got.Err()))
			}
		})
	}
}

// Where nothing can be remembered, nothing passes: whoever asked for a cache
// would not notice.
func TestCacheReadOnly(t *testing.T) {
	t.Parallel()
	c := signed10(t)
	dir := filepath.Join(t.TempDir(), "file")
	ok(t, os.WriteFile(dir, nil, 0o600))
	expect(t, "a file for a folder", ask(t, dcttest.NewStore(c), dir, ids(c)), "unavailable")
}

// A delegation that was made anew begins at version 1: the next step says so.
func TestCacheMadeAnew(t *testing.T) {
	t.Parallel()
	c := signed10(t)
	store, dir := dcttest.NewStore(c), t.TempDir()
	ok(t, c.Sign("2.0", digest("b"), "alice"))
	expect(t, "before", ask(t, store, dir, ids(c)), "not checked: first seen")
	ok(t, c.Change("targets/alice", func(r *dcttest.Role) { r.Version, r.Tags = 0, data.Files{"3.0": r.Tags["1.0"]} }))
	got := ask(t, store, dir, ids(c))
	expect(t, "anew", got, "bad-signature")
	if !strings.Contains(verify.Hint(got.Err()), "delete") {
		t.Error(verify.Hint(got.Err()))
	}
}

// A root that is remembered and has expired is not followed; with first use there
// is nothing else to trust.
func TestCacheExpiredAnchor(t *testing.T) {
	t.Parallel()
	dir, first := t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := collected(t, dcttest.Options{Expires: map[string]time.Time{dcttest.Root: time.Now().Add(time.Hour)}})
		old := ids(c)
		store := dcttest.NewStore(c)
		expect(t, "before", ask(t, store, dir, old), "not checked: first seen")
		expect(t, "first use", ask(t, store, first, dct.Config{TOFU: true}), "not checked: first seen")
		time.Sleep(2 * time.Hour)
		expect(t, "expired", ask(t, store, dir, old), "expired")
		ok(t, c.Expire(dcttest.Root, time.Now().Add(time.Hour)))
		expect(t, "renewed", ask(t, store, dir, old), "not checked: what is remembered is of another root")
		expect(t, "first use, later", ask(t, store, first, dct.Config{TOFU: true}), "unavailable")
	})
}
