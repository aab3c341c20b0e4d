package dct_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/notary/tuf/data"

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

// Docker's rule, and the one about signers, for images by tag and by digest.
func TestRules(t *testing.T) {
	t.Parallel()
	a, b, x := digest("a"), digest("b"), digest("c")
	c, err := dcttest.NewCollection(gun, dcttest.Options{Delegations: []string{"targets/releases", "targets/alice", "targets/bob", "targets/alice/ci"}})
	ok(t, err)
	for _, s := range []struct{ role, tag, digest string }{
		{"targets", "old", a}, {"targets", "both", b}, {"targets/releases", "both", a},
		{"targets/releases", "1.0", a}, {"targets/alice", "1.0", a}, {"targets/bob", "1.0", b},
		{"targets/releases", "1.1", b}, {"targets/alice", "1.1", b}, {"targets/bob", "1.1", b},
		{"targets/releases", "v2", a}, {"targets/releases", "V2", b},
		{"targets/bob", "bob", x}, {"targets/alice/ci", "1.1", b},
		{"targets/alice", "9.0", a}, {"targets/bob", "9.0", a},
	} {
		ok(t, c.AddTarget(s.role, s.tag, s.digest, 1))
	}
	session := dct.NewSession(dcttest.NewStore(c), "")
	for _, tc := range []struct {
		name, image, digest, signers, want string
	}{
		{"releases", ":1.0", a, "", "targets/releases 1.0"},
		{"targets", ":old", a, "", "targets old"},
		{"releases before targets", ":both", a, "", "targets/releases both"},
		{"not what targets say", ":both", b, "", "bad-signature"},
		{"a moved tag", ":1.0", b, "", "bad-signature"},
		{"no such tag", ":2.0", a, "", "unsigned"},
		{"a tag in small letters", ":v2", a, "", "targets/releases v2"},
		{"a tag in capitals", ":V2", b, "", "targets/releases V2"},
		{"a tag in other letters", ":V2", a, "", "bad-signature"},
		{"of bob alone", ":bob", x, "", "wrong-signer"},
		{"of alice and bob, not released", ":9.0", a, "alice bob", "wrong-signer"},
		{"alice", ":1.0", a, "alice", "targets/alice 1.0"},
		{"bob, who has signed another", ":1.0", a, "bob", "wrong-signer"},
		{"both", ":1.1", b, "alice bob", "targets/alice 1.1, targets/bob 1.1"},
		{"one of both", ":1.0", a, "alice bob", "wrong-signer"},
		{"below alice", ":1.1", b, "alice/ci", "targets/alice/ci 1.1"},
		{"below alice, not signed", ":1.0", a, "alice/ci", "wrong-signer"},
		{"nobody", ":1.0", a, "carol", "wrong-signer"},
		{"a digest", "@" + a, a, "", "targets/releases 1.0"},
		{"a digest with its tag", ":v2@" + a, a, "", "targets/releases v2"},
		{"a digest with another tag", ":1.1@" + a, a, "", "targets/releases 1.0"},
		{"a digest with no tag that there is", ":7@" + b, b, "", "targets/releases 1.1"},
		{"a digest by alice", "@" + a, a, "alice", "targets/alice 1.0"},
		{"a digest by both", "@" + b, b, "alice bob", "targets/alice 1.1, targets/bob 1.1"},
		{"a digest, each of another tag", "@" + a, a, "alice bob", "wrong-signer"},
		{"a digest of bob alone", "@" + x, x, "", "wrong-signer"},
		{"a digest of nobody", "@" + digest("d"), digest("d"), "", "unsigned"},
	} {
		config := ids(c)
		config.Signers = strings.Fields(tc.signers)
		v, err := session.Require(config)
		ok(t, err)
		got := v.Verify(t.Context(), pinned(t, gun+tc.image, tc.digest))
		who := []string{}
		for _, ev := range got.Evidence() {
			who = append(who, ev.Signer+" "+ev.Claims["tag"])
			if ev.Digest != tc.digest || ev.System != "dct" || ev.Issuer != "root key "+c.RootID() || ev.Source != "https://registry.example/"+gun+":"+ev.Claims["tag"] {
				t.Errorf("%s: %+v", tc.name, ev)
			}
		}
		if said := cmp.Or(strings.Join(who, ", "), string(got.Reason())); said != tc.want || got.Passed() != (len(who) > 0) {
			t.Errorf("%s: %s (%v), want %s", tc.name, said, got.Err(), tc.want)
		}
		if !got.Passed() && verify.Hint(got.Err()) == "" {
			t.Errorf("%s: no next step: %v", tc.name, got.Err())
		}
	}
}

// A role that may only sign some tags signs no others.
func TestPaths(t *testing.T) {
	t.Parallel()
	c, err := dcttest.NewCollection(gun, dcttest.Options{Delegations: []string{"targets/releases", "targets/alice", "targets/alice/ci"}})
	ok(t, err)
	ok(t, c.Change("targets/alice", func(r *dcttest.Role) { r.Paths = []string{"1."} }))
	ok(t, c.Change("targets/alice/ci", func(r *dcttest.Role) { r.Paths = []string{"1.1", "2."} }))
	for _, tag := range []string{"1.0", "1.1", "2.0"} {
		ok(t, c.Sign(tag, digest("a"), "alice"))
		ok(t, c.AddTarget("targets/alice/ci", tag, digest("a"), 1))
	}
	session := dct.NewSession(dcttest.NewStore(c), "")
	for _, tc := range []struct {
		tag, signer string
		want        verify.Reason
	}{
		{"1.0", "alice", verify.Verified},
		{"1.1", "alice", verify.Verified},
		{"2.0", "alice", verify.WrongSigner},
		{"1.0", "alice/ci", verify.WrongSigner},
		{"1.1", "alice/ci", verify.Verified},
		{"2.0", "alice/ci", verify.WrongSigner}, // alice could not have allowed it
	} {
		config := ids(c)
		config.Signers = []string{tc.signer}
		v, err := session.Require(config)
		ok(t, err)
		if got := v.Verify(t.Context(), pinned(t, gun+":"+tc.tag, digest("a"))); got.Reason() != tc.want {
			t.Errorf("%s of %s: %q (%v)", tc.tag, tc.signer, got.Reason(), got.Err())
		}
	}
	// Whoever decides is no exception.
	ok(t, c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Paths = []string{"1."} }))
	v, err := dct.NewSession(dcttest.NewStore(c), "").Require(ids(c))
	ok(t, err)
	if got := v.Verify(t.Context(), pinned(t, gun+":2.0", digest("a"))); got.Reason() != verify.Unsigned {
		t.Errorf("%q: %v", got.Reason(), got.Err())
	}
}

// Only a SHA-256 tells images apart.
func TestHashes(t *testing.T) {
	t.Parallel()
	sum := make([]byte, 32)
	for name, tc := range map[string]struct {
		hashes data.Hashes
		want   verify.Reason
	}{
		"sha256":              {data.Hashes{"sha256": sum}, verify.Verified},
		"sha256 and others":   {data.Hashes{"sha256": sum, "sha512": make([]byte, 7), "md5": nil}, verify.Verified},
		"sha512 alone":        {data.Hashes{"sha512": make([]byte, 64)}, verify.Unsupported},
		"none":                {nil, verify.Unsupported},
		"a short one":         {data.Hashes{"sha256": sum[:31]}, verify.Unsupported},
		"a long one":          {data.Hashes{"sha256": make([]byte, 64)}, verify.Unsupported},
		"an empty one":        {data.Hashes{"sha256": {}}, verify.Unsupported},
		"sha256 in capitals":  {data.Hashes{"SHA256": sum}, verify.Unsupported},
		"by the name it had":  {data.Hashes{"sha-256": sum}, verify.Unsupported},
		"sha256 of something": {data.Hashes{"sha256": bytes.Repeat([]byte{1}, 32)}, verify.BadSignature},
	} {
		c := signed10(t)
		ok(t, c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Tags["1.0"] = data.FileMeta{Length: 1, Hashes: tc.hashes} }))
		v, err := dct.NewSession(dcttest.NewStore(c), "").Require(ids(c))
		ok(t, err)
		got := v.Verify(t.Context(), pinned(t, gun+":1.0", digest("0")))
		if got.Reason() != tc.want {
			t.Errorf("%s: %q (%v), want %q", name, got.Reason(), got.Err(), tc.want)
		}
	}
}

// Releases that are there and do not count are not replaced by what targets say.
func TestNoFallback(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoil func(c *dcttest.Collection) error
		want  verify.Reason
	}{
		"expired": {func(c *dcttest.Collection) error { return c.Expire(dcttest.Releases, time.Now().Add(-time.Hour)) }, verify.Expired},
		"forged":  {func(c *dcttest.Collection) error { return c.SignByAnother(dcttest.Releases) }, verify.BadSignature},
		"not signed": {func(c *dcttest.Collection) error {
			return c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Threshold = 2 })
		}, verify.BadSignature},
		"taken away": {func(c *dcttest.Collection) error {
			return c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Absent = true })
		}, verify.Verified},
		"of no sense": {func(c *dcttest.Collection) error {
			return c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Forge = func([]byte) []byte { return []byte("x") } })
		}, verify.BadSignature},
	} {
		c := signed10(t)
		ok(t, c.AddTarget(dcttest.Targets, "1.0", digest("a"), 1))
		ok(t, tc.spoil(c))
		store := dcttest.NewStore(c)
		got := ask(t, store, "", ids(c))
		if got.Reason() != tc.want {
			t.Errorf("%s: %q (%v), want %q", name, got.Reason(), got.Err(), tc.want)
		}
		// Who would show what is there sees all the rest.
		all, err := dct.NewSession(store, "").Collection(t.Context(), ids(c), pinned(t, gun+":1.0", digest("a")).Ref())
		if name == "of no sense" {
			continue
		}
		ok(t, err)
		i := slices.IndexFunc(all.Roles, func(r dct.Role) bool { return r.Name == dcttest.Releases })
		if r := all.Roles[i]; (r.Err != nil) != (tc.want != verify.Verified) || r.Err != nil && dct.Reason(r.Err) != tc.want || len(all.Targets) < 2 {
			t.Errorf("%s: %+v, %d targets", name, r, len(all.Targets))
		}
	}
}

// What is shown says what docker trust inspect does, and candidates say why each
// of them counts or not.
func TestShown(t *testing.T) {
	t.Parallel()
	c := signed10(t)
	ok(t, c.AddTarget("targets/bob", "1.0", digest("b"), 7))
	ok(t, c.Sign("2.0", digest("b"), "alice"))
	store := dcttest.NewStore(c)
	s := dct.NewSession(store, "")
	img := pinned(t, gun+":1.0", digest("a"))
	all, err := s.Collection(t.Context(), ids(c), img.Ref())
	ok(t, err)
	var told []string
	for _, target := range all.Targets {
		told = append(told, target.Tag+" "+target.Role)
	}
	if got := strings.Join(told, ", "); got != "1.0 targets/alice, 1.0 targets/bob, 1.0 targets/releases, 2.0 targets/alice, 2.0 targets/releases" {
		t.Error(got)
	}
	told = nil
	for _, r := range all.Roles {
		told = append(told, fmt.Sprint(r.Name, " ", r.Threshold, " ", r.KeyIDs[0] == c.Key(r.Name).Public.ID(), " ", r.Version > 0, " ", r.Expires.After(time.Now()), " ", r.Err))
	}
	if got := strings.Join(told, "\n"); got != strings.TrimSpace(`
root 1 true true true <nil>
targets 1 true true true <nil>
snapshot 1 true true true <nil>
timestamp 1 true true true <nil>
targets/alice 1 true true true <nil>
targets/bob 1 true true true <nil>
targets/releases 1 true true true <nil>`) {
		t.Error(got)
	}
	all.Targets[0].Digest, all.Roles[0].Err = "", errors.New("changed by who asked")

	config := ids(c)
	config.Signers = []string{"alice"}
	v, err := s.Require(config)
	ok(t, err)
	looked, err := s.Look(t.Context(), dct.Config{}, img)
	ok(t, err)
	for what, tc := range map[string]struct {
		all  []verify.Candidate
		want string
	}{
		"verified": {v.Verify(t.Context(), img).Candidates(), "targets/alice verified, targets/bob bad-signature, targets/releases wrong-signer"},
		"moved":    {v.Verify(t.Context(), pinned(t, gun+":1.0", digest("b"))).Candidates(), "targets/alice bad-signature, targets/bob wrong-signer, targets/releases bad-signature"},
		"looked":   {looked, "targets/alice wrong-signer, targets/bob bad-signature, targets/releases wrong-signer"},
	} {
		told = nil
		for _, c := range tc.all {
			told = append(told, c.Signer+" "+string(c.Reason))
			if (c.Err == nil) != (c.Reason == verify.Verified) || c.Source == "" || c.Issuer == "" {
				t.Errorf("%s: %+v", what, c)
			}
		}
		if got := strings.Join(told, ", "); got != tc.want {
			t.Errorf("%s: %s", what, got)
		}
	}
	// Nothing there is no mistake, and no answer is one.
	if none, err := s.Look(t.Context(), dct.Config{}, pinned(t, "registry.example/other:1", digest("a"))); err != nil || none != nil {
		t.Error(none, err)
	}
	store.Break(dcttest.Fault{Err: errors.New("no")})
	if _, err := dct.NewSession(store, "").Look(t.Context(), dct.Config{}, img); dct.Reason(err) != verify.Unavailable {
		t.Error(err)
	}
}

// Where targets decide in the place of releases, evidence says so.
func TestNothingSigned(t *testing.T) {
	t.Parallel()
	c := signed10(t)
	ok(t, c.AddTarget(dcttest.Targets, "1.0", digest("a"), 1))
	said := func(config dct.Config) string {
		got := ask(t, dcttest.NewStore(c), "", config)
		expect(t, "each", got, "not checked: no cache")
		return got.Evidence()[0].Claims["releases"]
	}
	alice := ids(c)
	alice.Signers = []string{"alice"}
	if got := said(ids(c)); got != "" {
		t.Errorf("with releases: %q", got)
	}
	ok(t, c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Absent = true }))
	if got := said(ids(c)); got != dct.NothingSigned {
		t.Errorf("without: %q", got)
	}
	if got := said(alice); got != "" {
		t.Errorf("with a signer: %q", got)
	}
}

// However an image is named, the role that decides and does not count is why it is
// refused.
func TestReasonOfReleases(t *testing.T) {
	t.Parallel()
	missigned, expired := signed10(t), signed10(t)
	ok(t, missigned.SignByAnother(dcttest.Releases))
	ok(t, missigned.SignByAnother("targets/alice"))
	ok(t, expired.Expire(dcttest.Releases, time.Now().Add(-time.Hour)))
	for want, c := range map[string]*dcttest.Collection{"bad-signature": missigned, "expired": expired} {
		v, err := dct.NewSession(dcttest.NewStore(c), "").Require(ids(c))
		ok(t, err)
		for _, ref := range []string{":1.0", "@" + digest("a"), ":1.0@" + digest("a")} {
			got := v.Verify(t.Context(), pinned(t, gun+ref, digest("a")))
			expect(t, ref, got, want)
			for _, c := range got.Candidates() {
				if strings.HasSuffix(c.Source, ":") {
					t.Errorf("%s: %q", ref, c.Source)
				}
			}
		}
	}
}

// A tag is text of a stranger where an image is named by its digest.
func TestTagOfAStranger(t *testing.T) {
	t.Parallel()
	if dct.Raced {
		t.Skip("the race detector makes it long")
	}
	for _, tag := range []string{strings.Repeat("A", 1<<19), "z\u202e", "a b", "-x", "::error::x"} {
		c := signed10(t)
		ok(t, c.AddTarget(dcttest.Releases, tag, digest("e"), 1))
		for _, signers := range [][]string{nil, {"alice"}} {
			config := ids(c)
			config.Signers = signers
			v, err := dct.NewSession(dcttest.NewStore(c), "").Require(config)
			ok(t, err)
			got := v.Verify(t.Context(), pinned(t, gun+"@"+digest("e"), digest("e")))
			if got.Passed() != (signers == nil) {
				t.Errorf("%.20q by %q: %q", tag, signers, got.Reason())
			}
			texts := []string{fmt.Sprint(got.Err())}
			for _, e := range got.Evidence() {
				texts = append(texts, e.Source, e.Claims["tag"])
			}
			for _, e := range got.Candidates() {
				texts = append(texts, e.Source, e.Claims["tag"])
			}
			for _, text := range texts {
				if len(text) > 1000 || strings.Contains(text, "\u202e") || strings.Contains(text, " "+tag+" ") {
					t.Errorf("%.20q by %q: %.400q", tag, signers, text)
				}
			}
		}
	}
}
