package dct_test

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// A model is a collection as the documentation of docker and of Notary speaks of
// it: https://docs.docker.com/engine/security/trust/trust_delegation/ and
// notary's docs/advanced_usage.md. It knows nothing of files and signatures.
type model struct {
	roles map[string]*modelRole // of the delegations
	base  map[string]string     // the tags of targets
}

// A modelRole is a delegation.
type modelRole struct {
	paths []string
	tags  map[string]string
	state string // "", "empty", "expired" or "missigned"
}

// may reports whether a role may sign a tag: it, and all above it.
func (m model) may(role, tag string) bool {
	return slices.ContainsFunc(m.paths(role), func(p string) bool { return strings.HasPrefix(tag, p) })
}

// paths are those of a role which the one above it has, too.
func (m model) paths(role string) []string {
	if role == dcttest.Targets {
		return []string{""}
	}
	above := m.paths(path.Dir(role))
	return slices.DeleteFunc(slices.Clone(m.roles[role].paths), func(p string) bool {
		return !slices.ContainsFunc(above, func(q string) bool { return strings.HasPrefix(p, q) })
	})
}

// counts returns why what a role says does not count: its own state, or that of
// one above it.
func (m model) counts(role string) string {
	if role == dcttest.Targets {
		return ""
	}
	if above := m.counts(path.Dir(role)); above != "" {
		return above
	}
	return m.roles[role].state
}

// says returns the digest that a role has for a tag.
func (m model) says(role, tag string) (string, bool) {
	if role == dcttest.Targets {
		d, ok := m.base[tag]
		return d, ok
	}
	r, ok := m.roles[role]
	if !ok || m.counts(role) != "" || !m.may(role, tag) {
		return "", false
	}
	d, ok := r.tags[tag]
	return d, ok
}

func reasonOf(state string) verify.Reason {
	switch state {
	case "expired":
		return verify.Expired
	case "missigned":
		return verify.BadSignature
	}
	return verify.WrongSigner
}

// digest returns what a tag means: by targets/releases, else by targets.
func (m model) digest(tag string) (string, verify.Reason) {
	if r, ok := m.roles[dcttest.Releases]; ok {
		if r.state == "expired" || r.state == "missigned" {
			return "", reasonOf(r.state)
		}
		if d, ok := m.says(dcttest.Releases, tag); ok {
			return d, verify.Verified
		}
	}
	if d, ok := m.base[tag]; ok {
		return d, verify.Verified
	}
	for role := range m.roles {
		if _, ok := m.says(role, tag); ok {
			return "", verify.WrongSigner
		}
	}
	return "", verify.Unsigned
}

// signed says whether all who are required have signed a tag as what it means.
func (m model) signed(tag, digest string, required []string) verify.Reason {
	for _, name := range required {
		role := path.Join(dcttest.Targets, name)
		switch d, ok := m.says(role, tag); {
		case ok && d == digest:
		case ok:
			return verify.WrongSigner
		case m.roles[role] == nil && (path.Dir(role) == dcttest.Targets || m.roles[path.Dir(role)] == nil):
			return verify.WrongSigner
		case m.roles[role] == nil: // which who delegates to it may know, if that counts
			return reasonOf(m.counts(path.Dir(role)))
		default:
			return reasonOf(m.counts(role))
		}
	}
	return verify.Verified
}

// judge says what has to come of an image of a tag, "" for one that is named by
// its digest alone.
func (m model) judge(tag, digest string, required []string) verify.Reason {
	if tag != "" {
		d, reason := m.digest(tag)
		switch {
		case reason != verify.Verified:
			return reason
		case d != digest:
			return verify.BadSignature
		}
		return m.signed(tag, digest, required)
	}
	for _, tag := range modelTags() {
		if d, reason := m.digest(tag); reason == verify.Verified && d == digest && m.signed(tag, digest, required) == verify.Verified {
			return verify.Verified
		}
	}
	return verify.Undecided // refused, for one of several reasons
}

func modelTags() []string { return []string{"1.0", "1.1", "2.0", "rc-1"} }

func modelDigests() []string { return []string{digestOf("a"), digestOf("b"), digestOf("c")} }

func modelNames() []string {
	return []string{dcttest.Releases, "targets/alice", "targets/bob", "targets/alice/ci", "targets/bob/ci"}
}

// newModel makes one, and the collection that is so.
func newModel(t *testing.T, r *rand.Rand) (model, *dcttest.Collection) {
	t.Helper()
	m := model{roles: map[string]*modelRole{}, base: map[string]string{}}
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	tags := func() map[string]string {
		out := map[string]string{}
		for _, tag := range modelTags() {
			if r.IntN(2) == 0 {
				// Most roles agree, or hardly anything would pass.
				out[tag] = modelDigests()[max(0, r.IntN(6)-3)]
			}
		}
		return out
	}
	names := []string{}
	for _, name := range modelNames() {
		if dir := path.Dir(name); r.IntN(5) > 0 && (dir == dcttest.Targets || m.roles[dir] != nil) {
			m.roles[name] = &modelRole{paths: []string{pick([]string{"", "", "", "1.", "rc"})}, tags: tags(), state: pick([]string{"", "", "", "", "", "", "empty", "expired", "missigned"})}
			if r.IntN(3) == 0 {
				m.roles[name].paths = append(m.roles[name].paths, pick([]string{"1.0", "2"}))
			}
			names = append(names, name)
		}
	}
	if r.IntN(2) == 0 {
		m.base = tags()
	}
	c := collection(t, appGUN, dcttest.Options{Delegations: names})
	put := func(role string, tags map[string]string) {
		for tag, d := range tags {
			must(t, c.AddTarget(role, tag, d, 512))
		}
	}
	put(dcttest.Targets, m.base)
	for _, name := range names {
		role := m.roles[name]
		must(t, c.Change(name, func(r *dcttest.Role) { r.Paths, r.Absent = role.paths, role.state == "empty" }))
		put(name, role.tags)
		switch role.state {
		case "expired":
			must(t, c.Expire(name, time.Now().Add(-time.Hour)))
		case "missigned":
			must(t, c.SignByAnother(name))
		}
	}
	return m, c
}

func (m model) String() string {
	var b strings.Builder
	short := strings.NewReplacer(digestOf("a"), "a", digestOf("b"), "b", digestOf("c"), "c")
	fmt.Fprintf(&b, "targets %s\n", short.Replace(fmt.Sprint(m.base)))
	for _, name := range modelNames() {
		if r := m.roles[name]; r != nil {
			fmt.Fprintf(&b, "%s %q %s %s\n", name, r.paths, r.state, short.Replace(fmt.Sprint(r.tags)))
		}
	}
	return b.String()
}

// TestOracle compares what is decided of random collections with what docker's
// rules say of them.
func TestOracle(t *testing.T) {
	t.Parallel()
	rounds := 60
	if dct.Raced || testing.Short() {
		rounds = 12
	}
	var seed [32]byte
	copy(seed[:], "boltseal")
	r := rand.New(rand.NewChaCha8(seed))
	outcomes := map[verify.Reason]int{}
	for round := range rounds {
		m, c := newModel(t, r)
		session := dct.NewSession(dcttest.NewStore(c), "")
		for range 12 {
			var required []string
			for _, name := range []string{"alice", "bob", "alice/ci"} {
				if r.IntN(3) == 0 {
					required = append(required, name)
				}
			}
			tag, digest := modelTags()[r.IntN(4)], modelDigests()[max(0, r.IntN(6)-3)]
			text, asked := appGUN+":"+tag, tag
			switch r.IntN(4) {
			case 0:
				text, asked = appGUN+"@"+digest, ""
			case 1:
				text, asked = text+"@"+digest, ""
			}
			v, err := session.Require(dct.Config{RootKeyIDs: []string{c.RootID()}, Signers: required})
			must(t, err)
			got := v.Verify(t.Context(), pinAt(t, text, digest))
			want := m.judge(asked, digest, required)
			outcomes[got.Reason()]++
			if got.Passed() != (want == verify.Verified) || want != verify.Undecided && got.Reason() != want {
				t.Errorf("round %d: %s by %q: %s, want %s: %v\n%s", round, text, required, got.Reason(), want, got.Err(), m)
			}
			if got.Passed() {
				(&world{config: dct.Config{Signers: required}, img: got.Image()}).vouched(t, got)
			}
		}
	}
	t.Log(outcomes)
	for _, reason := range []verify.Reason{verify.Verified, verify.Unsigned, verify.WrongSigner, verify.BadSignature, verify.Expired} {
		if outcomes[reason] == 0 {
			t.Errorf("%s never came of it", reason)
		}
	}
}
