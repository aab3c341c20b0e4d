package policy_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/verify"
)

const (
	github  = "https://token.actions.githubusercontent.com"
	release = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/"
	slsa    = "https://slsa.dev/provenance/v1"
	cosign  = "https://sigstore.dev/cosign/sign/v1"
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// A mark is one signature of an image in the tests.
type mark struct {
	signer, issuer, predicate, platform, system string

	source string // the repository, as a URI or, as old certificates have it, without a host
	root   string // the SHA-256 of the trusted certificate, in Notation's
}

func (m mark) claims() map[string]string {
	switch {
	case m.root != "":
		return map[string]string{"root": m.root, "certificate": "of each signature", "scheme": "notary.x509"}
	case m.source == "":
		return nil
	case strings.Contains(m.source, "://"):
		return map[string]string{"source-repository-uri": m.source, "github-workflow-repository": "not/asked", "runner-environment": "github-hosted"}
	}
	return map[string]string{"github-workflow-repository": m.source}
}

func (m mark) evidence(digest string) verify.Evidence {
	return verify.Evidence{System: cmp.Or(m.system, "sigstore"), Format: "bundle-v0.3", Digest: digest, Signer: m.signer, Issuer: m.issuer, PredicateType: m.predicate, Claims: m.claims(), Signed: m.signed(), Platform: m.platform}
}

func (m mark) signed() string {
	if m.platform != "" {
		return verify.SignedPlatform
	}
	return verify.SignedImage
}

func (m mark) candidate(r verify.Reason) verify.Candidate {
	return verify.Candidate{Format: "bundle-v0.3", Reason: r, Signer: m.signer, Issuer: m.issuer, PredicateType: m.predicate, Claims: m.claims(), Signed: m.signed(), Platform: m.platform}
}

// A says is a requirement that by satisfies; others are sound as well, and
// refused are not.
type says struct {
	by      mark
	others  []mark
	refused []mark
}

func (s says) Verify(_ context.Context, img image.Pinned) verify.Verdict {
	if s.by == (mark{}) {
		return verify.Fail(img, verify.Unsigned, errors.New("nobody"))
	}
	var all []verify.Candidate
	for _, m := range append([]mark{s.by}, s.others...) {
		all = append(all, m.candidate(verify.Verified))
	}
	for _, m := range s.refused {
		all = append(all, m.candidate(verify.WrongSigner))
	}
	v := verify.Pass(img, s.by.evidence(img.Digest()))
	if s.by.platform != "" {
		child := image.Child{Digest: img.Digest(), Platform: s.by.platform}
		v = verify.PassPlatforms(img.Described("index", []image.Child{child}), []image.Child{child}, []verify.Evidence{s.by.evidence(img.Digest())})
	}
	return v.For("somebody").With(all)
}

// The signed are images and who vouches for them, by reference.
type signed map[string][]verify.Verifier

func (s signed) For(u image.Use) gate.Terms {
	require, ok := s[u.Text]
	if !ok {
		return gate.Terms{Exempt: &gate.Exemption{Unsigned: true, Reason: "test"}}
	}
	return gate.Terms{Require: require}
}

type resolver struct{}

func (resolver) Resolve(_ context.Context, r image.Ref) (image.Pinned, error) {
	if r.Digest() != "" {
		return r.Pin(r.Digest())
	}
	return r.Pin(digestA)
}

func use(t *testing.T, text string) image.Use {
	t.Helper()
	ref, err := image.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return image.Use{Text: text, Ref: ref}
}

// run checks images, all of s if none are named, with what hold makes of the rules.
func run(t *testing.T, s signed, hold func(gate.Rules) gate.Rules, names ...string) gate.Report {
	t.Helper()
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(s))
	}
	var uses []image.Use
	for _, text := range names {
		uses = append(uses, use(t, text))
	}
	rules := gate.Rules(s)
	if hold != nil {
		rules = hold(rules)
	}
	return gate.Check(t.Context(), uses, rules, resolver{}, gate.Options{})
}

// locked returns the Lock of a first run, by way of its text.
func locked(t *testing.T, s signed) (*policy.Lock, string) {
	t.Helper()
	text, _, err := (&policy.Lock{}).Update(run(t, s, nil), policy.UpdateLock{})
	if err != nil || text == nil {
		t.Fatalf("no lock was written: %v", err)
	}
	l, err := policy.ReadLock("boltseal.lock", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return l, string(text)
}

func one(m mark, others ...mark) []verify.Verifier {
	return []verify.Verifier{says{by: m, others: others}}
}

func TestLockText(t *testing.T) {
	t.Parallel()
	me := mark{signer: "me@example.com", issuer: "https://accounts.google.com"}
	attested := me
	attested.predicate = slsa
	_, text := locked(t, signed{
		"ghcr.io/acme/app:v1":                  one(mark{signer: release + "v1.2.3", issuer: github, predicate: cosign}, mark{signer: "key sha256:12"}),
		"alpine":                               {says{by: me}, says{by: attested}},
		"ghcr.io/acme/tool@" + digestB:         one(mark{signer: "k\u00fc\u202ey"}),
		"ghcr.io/acme/both:v2@" + digestB:      one(mark{signer: "a"}),
		"ghcr.io/acme/both:v2@" + digestA:      one(mark{signer: "b"}),
		"ghcr.io/acme/two:v1":                  {verify.AllOf(says{by: mark{signer: "a"}, others: []mark{{signer: "b"}}}, says{by: mark{signer: "n", system: "notation"}, others: []mark{{signer: "m"}}})},
		"ghcr.io/acme/called:v1":               one(mark{signer: release + "v1", issuer: github, source: "https://github.com/other/app"}, mark{signer: release + "v1", issuer: github, source: "https://github.com/acme/app"}),
		"acme./app:v1":                         one(mark{signer: "a"}),
		"ghcr.io/acme/rooted:v1":               one(mark{signer: "x509.subject: CN=release", issuer: "CN=root", system: "notation", root: digestA[7:]}, mark{signer: "x509.subject: CN=release", issuer: "CN=root", system: "notation", root: digestB[7:]}),
		"ghcr.io/acme/platforms:v1@" + digestA: one(mark{signer: "p", platform: "linux/arm64"}),
	})
	const want = `{
  "version": 1,
  "images": {
    "acme./app:v1": [
      {"system": "sigstore", "signer": "a"}
    ],
    "docker.io/library/alpine:latest": [
      {"system": "sigstore", "signer": "me@example.com", "issuer": "https://accounts.google.com"},
      {"system": "sigstore", "signer": "me@example.com", "issuer": "https://accounts.google.com", "predicate": "https://slsa.dev/provenance/v1"}
    ],
    "ghcr.io/acme/app:v1": [
      {"system": "sigstore", "signer": "key sha256:12"},
      {"system": "sigstore", "signer": "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*", "issuer": "https://token.actions.githubusercontent.com"}
    ],
    "ghcr.io/acme/both:v2": [
      {"system": "sigstore", "signer": "a"},
      {"system": "sigstore", "signer": "b"}
    ],
    "ghcr.io/acme/called:v1": [
      {"system": "sigstore", "signer": "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*", "issuer": "https://token.actions.githubusercontent.com"},
      {"system": "sigstore", "signer": "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*", "issuer": "https://token.actions.githubusercontent.com", "source": "https://github.com/other/app"}
    ],
    "ghcr.io/acme/platforms:v1": [
      {"system": "sigstore", "signer": "p"}
    ],
    "ghcr.io/acme/rooted:v1": [
      {"system": "notation", "signer": "x509.subject: CN=release", "issuer": "CN=root", "root": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
      {"system": "notation", "signer": "x509.subject: CN=release", "issuer": "CN=root", "root": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}
    ],
    "ghcr.io/acme/tool@sha256:*": [
      {"system": "sigstore", "signer": "k\u00fc\u202ey"}
    ],
    "ghcr.io/acme/two:v1": [
      {"system": "notation", "signer": "m"},
      {"system": "notation", "signer": "n"},
      {"system": "sigstore", "signer": "a"},
      {"system": "sigstore", "signer": "b"}
    ]
  }
}
`
	if text != want {
		t.Errorf("got\n%s", text)
	}
}

// Who is accepted, and who is refused although the requirement is met.
func TestLockHolds(t *testing.T) {
	t.Parallel()
	const app = "ghcr.io/acme/app:v1"
	a, b, c := mark{signer: "a", issuer: "i"}, mark{signer: "b", issuer: "i"}, mark{signer: "c", issuer: "i"}
	slsaBy := func(m mark) mark { m.predicate = slsa; return m }
	on := func(m mark, platform string) mark { m.platform = platform; return m }
	other := func(name string) mark { return mark{signer: name, issuer: "i", system: "notation"} }
	from := func(m mark, source string) mark { m.source = source; return m }
	own := mark{signer: release + "v1", issuer: github}
	rooted := mark{signer: "x509.subject: CN=release", issuer: "CN=root", system: "notation", root: digestA[7:]}
	under := func(m mark, root string) mark { m.root = root; return m }
	called := from(mark{signer: strings.Replace(release, "/app/", "/.github/", 1) + "v1", issuer: github}, "https://github.com/acme/app")
	all := func(v ...verify.Verifier) []verify.Verifier { return []verify.Verifier{verify.AllOf(v...)} }
	for _, tc := range []struct {
		name       string
		before     []verify.Verifier
		text       string // of the second run; "" means app
		now        []verify.Verifier
		refused    string // what the message ends with; "" where it passes
		firstImage string
	}{
		{name: "the same", before: one(a), now: one(a)},
		{name: "another within the pattern", before: one(a), now: one(b), refused: "ghcr.io/acme/app:v1 was signed by a (i), and is now signed by b (i)"},
		{name: "the same name from another issuer", before: one(a), now: one(mark{signer: "a", issuer: "j"}), refused: "now signed by a (j)"},
		{name: "a key with the name of an identity", before: one(a), now: one(mark{signer: "a"}), refused: "now signed by a"},
		{name: "another release", before: one(mark{signer: release + "v1", issuer: github}), now: one(mark{signer: release + "v2.0", issuer: github})},
		{name: "a branch", before: one(mark{signer: release + "v1", issuer: github}), now: one(mark{signer: strings.Replace(release, "tags", "heads", 1) + "v1", issuer: github}), refused: "@refs/heads/v1 (" + github + ")"},
		{name: "another workflow at a tag", before: one(mark{signer: release + "v1", issuer: github}), now: one(mark{signer: strings.Replace(release, "release", "test", 1) + "v1", issuer: github}), refused: "test.yml@refs/tags/* (" + github + ")"},
		{name: "a workflow of another repository, called from the same one", before: one(called), now: one(called)},
		{name: "a workflow of another repository, called from another one", before: one(called), now: one(from(called, "https://github.com/evil/app")), refused: "@refs/tags/* (" + github + ") called from https://github.com/acme/app, and is now signed by " + strings.Replace(release, "/app/", "/.github/", 1) + "* (" + github + ") called from https://github.com/evil/app"},
		{name: "a called workflow, by an old certificate", before: one(called), now: one(from(called, "acme/app"))},
		{name: "a called workflow, by an old certificate of another", before: one(called), now: one(from(called, "evil/app")), refused: "called from https://github.com/evil/app"},
		{name: "a called workflow that does not say from where", before: one(called), now: one(from(called, "")), refused: "now signed by " + strings.Replace(release, "/app/", "/.github/", 1) + "* (" + github + ")"},
		{name: "a called workflow beside one from elsewhere", before: one(called), now: one(from(called, "https://github.com/evil/app"), called)},
		{name: "a workflow of its own repository says no more by its source", before: one(own), now: one(from(own, "https://github.com/Acme/App"))},
		{name: "a repository whose name the source only begins", before: one(own), now: one(from(own, "https://github.com/acme/ap")), refused: "called from https://github.com/acme/ap"},
		{name: "a signature in the other format", before: one(a), now: one(mark{signer: "a", issuer: "i", predicate: cosign})},
		{name: "an attestation for a signature", before: one(a), now: one(slsaBy(a)), refused: "now signed by a (i) in an attestation " + slsa},
		{name: "a signature for an attestation", before: one(slsaBy(a)), now: one(a), refused: "now signed by a (i)"},
		{name: "a subject under the same root", before: one(rooted), now: one(rooted)},
		{name: "a subject under a root of the same name", before: one(rooted), now: one(under(rooted, digestB[7:])), refused: "under the root sha256:" + digestA[7:] + ", and is now signed by x509.subject: CN=release (CN=root) under the root " + digestB},
		{name: "a subject whose root is not known", before: one(rooted), now: one(under(rooted, "")), refused: "is now signed by x509.subject: CN=release (CN=root)"},
		{name: "another beside the locked one, first", before: one(a), now: one(b, a)},
		{name: "another beside the locked one, last", before: one(a), now: one(a, b)},
		{name: "of several only one is left", before: one(a, b), now: one(b)},
		{name: "a locked one that was refused", before: one(a), now: []verify.Verifier{says{by: b, refused: []mark{a}}}, refused: "now signed by b (i)"},
		{name: "a locked one for another platform", before: one(a), now: one(on(b, "linux/amd64"), on(a, "linux/arm64")), refused: "now signed by b (i)"},
		{name: "a locked one for the same platform", before: one(a), now: one(on(b, "linux/amd64"), on(a, "linux/amd64"))},
		{name: "a locked one of another system", before: all(says{by: a}, says{by: other("n")}), now: all(says{by: b}, says{by: other("n"), others: []mark{other("a")}}), refused: "now signed by b (i)"},
		{name: "a locked one on another level", before: one(a), now: one(on(b, "linux/amd64"), a), refused: "now signed by b (i)"},
		{name: "a locked one on an attestation", before: one(a, slsaBy(a)), now: one(b, slsaBy(a)), refused: "now signed by b (i)"},
		{name: "one of two", before: all(says{by: a}, says{by: b}), now: all(says{by: a}, says{by: c}), refused: "was signed by a (i), b (i), and is now signed by c (i)"},
		{name: "one for two", before: all(says{by: a, others: []mark{c}}, says{by: b}), now: all(says{by: a, others: []mark{c}}, says{by: mark{signer: "d"}}), refused: "now signed by d"},
		{name: "the second requirement", before: append(one(a), one(slsaBy(b))...), now: append(one(a), one(slsaBy(c))...), refused: "now signed by c (i) in an attestation " + slsa},
		{name: "a requirement that is new", before: one(a), now: append(one(a), one(slsaBy(a))...), refused: "in an attestation " + slsa},
		{name: "an update by digest", before: one(a), text: app + "@" + digestB, now: one(b), refused: "now signed by b (i)"},
		{name: "many", before: one(a, b, c, mark{signer: "d"}, mark{signer: "e"}), now: one(mark{signer: "f"}), refused: "was signed by d, e, a (i) and 2 more, and is now signed by f"},
		{name: "another digest without a tag", firstImage: "ghcr.io/acme/app@" + digestA, before: one(a), text: "ghcr.io/acme/app@" + digestB, now: one(b), refused: "ghcr.io/acme/app@sha256:* was signed by a (i), and is now signed by b (i)"},
		{name: "the same with the registry in capitals", before: one(a), text: "GHCR.IO/acme/app:v1", now: one(b), refused: "now signed by b (i)"},
		{name: "the same by the name of the root zone and the usual port", before: one(a), text: "ghcr.io.:443/acme/app:v1", now: one(b), refused: "now signed by b (i)"},
		{name: "the same behind another name of Docker Hub", firstImage: "alpine", before: one(a), text: "registry-1.docker.io/library/alpine", now: one(b), refused: "now signed by b (i)"},
		{name: "the same digests behind another name", firstImage: "alpine@" + digestA, before: one(a), text: "Docker.io/alpine@" + digestB, now: one(b), refused: "docker.io/library/alpine@sha256:* was signed by a (i), and is now signed by b (i)"},
		{name: "the same by another spelling", firstImage: "alpine", before: one(a), text: "index.docker.io/library/alpine:latest", now: one(b), refused: "docker.io/library/alpine:latest was signed by a (i), and is now signed by b (i)"},
	} {
		first, second := tc.firstImage, tc.text
		if first == "" {
			first = app
		}
		if second == "" {
			second = first
		}
		l, _ := locked(t, signed{first: tc.before})
		r := run(t, signed{second: tc.now}, l.Hold)
		f := r.Findings()[0]
		if tc.refused == "" {
			if !r.Passed() || len(f.Rule.Notes) > 0 {
				t.Errorf("%s: %q, notes %q", tc.name, f.Reason(), f.Rule.Notes)
			}
			continue
		}
		if r.Passed() || f.Reason() != verify.WrongSigner {
			t.Errorf("%s: %q", tc.name, f.Reason())
			continue
		}
		for _, v := range f.Verdicts {
			if v.Passed() {
				continue
			}
			if text := v.Err().Error(); !strings.HasPrefix(text, "changed: ") || !strings.HasSuffix(text, tc.refused) || !strings.Contains(verify.Hint(v.Err()), "--update-lock") || v.Image().Digest() != f.Pinned.Digest() || v.Requirement() == "" {
				t.Errorf("%s: %q, hint %q", tc.name, text, verify.Hint(v.Err()))
			}
		}
	}
}

// A some is a requirement that least of the listed signers satisfy together, as
// far as they have signed. It is at-least, by what verify.Verdict has of it.
type some struct {
	least  int
	listed []mark
	signed []mark
}

func (s some) Verify(_ context.Context, img image.Pinned) verify.Verdict {
	var ev []verify.Evidence
	var all []verify.Candidate
	for _, m := range s.signed {
		if !slices.Contains(s.listed, m) {
			all = append(all, m.candidate(verify.WrongSigner))
			continue
		}
		all = append(all, m.candidate(verify.Verified))
		if len(ev) < s.least {
			ev = append(ev, m.evidence(img.Digest()))
		}
	}
	if len(ev) < s.least {
		return verify.Fail(img, verify.WrongSigner, errors.New("too few")).For("some").With(all)
	}
	return verify.PassTogether(img, s.least, ev).For("some").With(all)
}

// Each requirement of a group is held by itself: who satisfies one does not
// answer for who satisfies another, nor does who is not enough for one.
func TestLockGroups(t *testing.T) {
	t.Parallel()
	const app = "ghcr.io/acme/app:v1"
	a, b, c := mark{signer: "a"}, mark{signer: "b"}, mark{signer: "c"}
	of := func(least int, listed ...mark) func(signed []mark) verify.Verifier {
		return func(signed []mark) verify.Verifier { return some{least, listed, signed} }
	}
	group := func(combine func(...verify.Verifier) verify.Verifier, of ...func([]mark) verify.Verifier) func([]mark) verify.Verifier {
		return func(signed []mark) verify.Verifier {
			var all []verify.Verifier
			for _, f := range of {
				all = append(all, f(signed))
			}
			return combine(all...)
		}
	}
	down := func([]mark) verify.Verifier { return unanswered{} }
	twoOr := group(verify.AnyOf, of(2, a, b), of(1, c))
	bothOr := group(verify.AnyOf, group(verify.AllOf, of(1, a), of(1, b)), of(1, c))
	either := group(verify.AllOf, of(1, a, c), of(1, b, c))
	for _, tc := range []struct {
		name        string
		require     func([]mark) verify.Verifier
		before, now []mark
		want        verify.Reason
		changed     string // what the message ends with
	}{
		{"the same two", twoOr, []mark{a, b}, []mark{b, a}, verify.Verified, ""},
		{"one of two does not excuse the other alternative", twoOr, []mark{a, b}, []mark{a, c}, verify.WrongSigner, "was signed by a, b, and is now signed by c"},
		{"in another order", twoOr, []mark{a, b}, []mark{c, b}, verify.WrongSigner, "is now signed by c"},
		{"one of all of", bothOr, []mark{a, b}, []mark{a, c}, verify.WrongSigner, "was signed by a, b, and is now signed by c"},
		{"the other of all of", bothOr, []mark{a, b}, []mark{c, b}, verify.WrongSigner, "is now signed by c"},
		{"from the second alternative to the first", bothOr, []mark{c}, []mark{a, b}, verify.WrongSigner, "is now signed by a"},
		{"an alternative that is locked, behind one that is not", bothOr, []mark{c}, []mark{a, b, c}, verify.Verified, ""},
		{"who was not enough is not locked", twoOr, []mark{a, c}, []mark{a, b}, verify.WrongSigner, "was signed by c, and is now signed by a, b"},
		{"all of, as it was", either, []mark{a, b}, []mark{b, a}, verify.Verified, ""},
		{"one requirement's signer does not excuse another's", either, []mark{a, b}, []mark{a, c}, verify.WrongSigner, "was signed by a, b, and is now signed by c"},
		{"in another order, too", either, []mark{a, b}, []mark{c, a}, verify.WrongSigner, "is now signed by c"},
		{"deeper", group(verify.AnyOf, group(verify.AllOf, either)), []mark{a, b}, []mark{c, a}, verify.WrongSigner, "is now signed by c"},
		{"two for the first and one for the second", group(verify.AllOf, of(2, a, b, c), of(1, a, c)), []mark{a, b}, []mark{a, b, c}, verify.Verified, ""},
		{"a stranger as one of two", group(verify.AllOf, of(2, a, b, c)), []mark{a, b}, []mark{c, a, b}, verify.WrongSigner, "is now signed by c"},
		{"what is refused anyway keeps its reason", group(verify.AllOf, of(1, b, c), of(1, a)), []mark{a, b}, []mark{c}, verify.WrongSigner, "too few"},
		{"no answer may be a locked signer's", group(verify.AnyOf, of(1, c, b), down), []mark{b}, []mark{c}, verify.Unavailable, ""},
		{"no answer does not hide a change where all are needed", group(verify.AllOf, group(verify.AnyOf, of(1, b), down), of(1, c, b)), []mark{b}, []mark{c}, verify.WrongSigner, "is now signed by c"},
	} {
		l, _ := locked(t, signed{app: {tc.require(tc.before)}})
		r := run(t, signed{app: {tc.require(tc.now)}}, l.Hold)
		f := r.Findings()[0]
		if f.Reason() != tc.want || r.Passed() != (tc.want == verify.Verified) {
			t.Errorf("%s: %q, want %q", tc.name, f.Reason(), tc.want)
			continue
		}
		if tc.changed == "" {
			continue
		}
		text := f.Verdicts[0].Err().Error()
		if !strings.HasSuffix(text, tc.changed) || strings.HasPrefix(text, "changed: ") != strings.Contains(tc.changed, "signed by") {
			t.Errorf("%s: %q", tc.name, text)
		}
	}
}

// An unanswered requirement is one that nobody could be asked about.
type unanswered struct{}

func (unanswered) Verify(_ context.Context, img image.Pinned) verify.Verdict {
	return verify.Fail(img, verify.Unavailable, errors.New("no answer"))
}

// What the lock does not know passes, and is said to be new; what it says of
// one reference holds for no other.
func TestLockUnknown(t *testing.T) {
	t.Parallel()
	a, b := mark{signer: "a"}, mark{signer: "b"}
	l, _ := locked(t, signed{"ghcr.io/acme/app:v1": one(a)})
	for _, text := range []string{"ghcr.io/acme/app:v2", "ghcr.io/acme/app", "ghcr.io/acme/app@" + digestA, "ghcr.io/acme/app2:v1", "acme/app:v1"} {
		r := run(t, signed{text: one(b)}, l.Hold)
		f := r.Findings()[0]
		if !r.Passed() || len(f.Rule.Notes) != 1 || !strings.Contains(f.Rule.Notes[0], "not in the lock yet") {
			t.Errorf("%s: %q, notes %q", text, f.Reason(), f.Rule.Notes)
		}
	}
	// What fails anyway fails for its own reason, and what is exempt stays so.
	r := run(t, signed{"ghcr.io/acme/app:v1": {says{}}}, l.Hold)
	if got := r.Findings()[0].Reason(); got != verify.Unsigned {
		t.Errorf("unsigned: %q", got)
	}
	r = run(t, signed{}, l.Hold, "ghcr.io/acme/app:v1")
	if got := r.Findings()[0]; got.Reason() != verify.Exempt || len(got.Rule.Notes) > 0 {
		t.Errorf("exempt: %q, notes %q", got.Reason(), got.Rule.Notes)
	}
	// The candidates say who was refused.
	r = run(t, signed{"ghcr.io/acme/app:v1": {says{by: b, refused: []mark{a}}}}, l.Hold)
	c := r.Findings()[0].Verdicts[0].Candidates()
	if c[0].Reason != verify.WrongSigner || c[0].Err == nil || c[0].Differs == nil || *c[0].Differs != (verify.Difference{What: "identity", Found: "b", Expected: "a"}) {
		t.Errorf("candidate %+v", c[0])
	}
}

// What differs from the lock is said of each candidate.
func TestLockDifference(t *testing.T) {
	t.Parallel()
	m := mark{signer: "https://github.com/acme/x", issuer: github, source: "https://github.com/acme/app"}
	l, _ := locked(t, signed{"x/app:v1": one(m)})
	for what, change := range map[string]func(*mark){
		"identity https://github.com/acme/y https://github.com/acme/x": func(m *mark) { m.signer = "https://github.com/acme/y" },
		"issuer i " + github: func(m *mark) { m.issuer = "i" },
		"source-repository-uri https://github.com/evil/app https://github.com/acme/app": func(m *mark) { m.source = "https://github.com/evil/app" },
		"root " + digestB[7:] + " " + digestA[7:]:                                       func(m *mark) { m.source, m.root = "", digestB[7:] },
	} {
		now := m
		change(&now)
		l := l
		if now.root != "" {
			before := now
			before.root = digestA[7:]
			l, _ = locked(t, signed{"x/app:v1": one(before)})
		}
		c := run(t, signed{"x/app:v1": one(now)}, l.Hold).Findings()[0].Verdicts[0].Candidates()[0]
		if d := c.Differs; c.Reason != verify.WrongSigner || d == nil || d.What+" "+d.Found+" "+d.Expected != what {
			t.Errorf("%s: %q, %+v", what, c.Reason, d)
		}
	}
}

func TestLockUpdate(t *testing.T) {
	t.Parallel()
	a, b := mark{signer: "a"}, mark{signer: "b"}
	l, first := locked(t, signed{"x/app:v1": one(a), "x/old:v1": one(a)})
	for _, tc := range []struct {
		name string
		run  gate.Report
		how  policy.UpdateLock
		want policy.LockChanges
		text string // the images and signers that are written; "" for no text
	}{
		{"nothing new", run(t, signed{"x/app:v1": one(a)}, l.Hold), policy.UpdateLock{}, policy.LockChanges{}, ""},
		{"a new one", run(t, signed{"x/app:v1": one(a), "x/new:v1": one(b)}, l.Hold), policy.UpdateLock{}, policy.LockChanges{Added: 1}, "x/app:v1 a, x/new:v1 b, x/old:v1 a"},
		{"a new one in a run that fails", run(t, signed{"x/app:v1": one(b), "x/new:v1": one(b)}, l.Hold), policy.UpdateLock{}, policy.LockChanges{}, ""},
		{"on purpose, in a run that fails", run(t, signed{"x/app:v1": one(b), "x/new:v1": {says{}}}, nil), policy.UpdateLock{Replace: true}, policy.LockChanges{}, ""},
		// A signer beside the locked one is not let in by being there once.
		{"another beside it", run(t, signed{"x/app:v1": one(a, b)}, l.Hold), policy.UpdateLock{}, policy.LockChanges{}, ""},
		{"another beside it, on purpose", run(t, signed{"x/app:v1": one(b, a)}, nil), policy.UpdateLock{Replace: true}, policy.LockChanges{Changed: 1}, "x/app:v1 a b, x/old:v1 a"},
		{"changed, on purpose", run(t, signed{"x/app:v1": one(b)}, nil), policy.UpdateLock{Replace: true}, policy.LockChanges{Changed: 1}, "x/app:v1 b, x/old:v1 a"},
		{"prune", run(t, signed{"x/app:v1": one(a)}, nil), policy.UpdateLock{Replace: true, Prune: true}, policy.LockChanges{Removed: 1}, "x/app:v1 a"},
		{"prune without replace", run(t, signed{"x/app:v1": one(a)}, nil), policy.UpdateLock{Prune: true}, policy.LockChanges{}, ""},
		{"what is exempt is neither recorded nor forgotten", run(t, signed{"x/app:v1": one(a)}, nil, "x/app:v1", "x/old:v1", "x/free:v1"), policy.UpdateLock{Replace: true, Prune: true}, policy.LockChanges{}, ""},
		{"the zero report", gate.Report{}, policy.UpdateLock{Replace: true, Prune: true}, policy.LockChanges{}, ""},
	} {
		text, got, err := l.Update(tc.run, tc.how)
		if err != nil || got != tc.want || (text == nil) != (tc.text == "") {
			t.Errorf("%s: %+v, %v, text\n%s", tc.name, got, err, text)
			continue
		}
		if text == nil {
			continue
		}
		var lines []string
		for image := range strings.SplitSeq(tc.text, ", ") {
			words := strings.Fields(image)
			line := fmt.Sprintf("    %q: [\n", "docker.io/"+words[0])
			for i, s := range words[1:] {
				line += fmt.Sprintf("      {\"system\": \"sigstore\", \"signer\": %q}%s\n", s, map[bool]string{true: ",", false: ""}[i < len(words)-2])
			}
			lines = append(lines, line+"    ]")
		}
		if want := "{\n  \"version\": 1,\n  \"images\": {\n" + strings.Join(lines, ",\n") + "\n  }\n}\n"; string(text) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", tc.name, text, want)
		}
	}
	if _, again := locked(t, signed{"x/old:v1": one(a), "x/app:v1": one(a)}); again != first {
		t.Error("the same run gives another text")
	}
	var many []mark
	for i := range 257 {
		many = append(many, mark{signer: fmt.Sprint("s", i)})
	}
	if text, c, err := l.Update(run(t, signed{"x/app:v2": one(a, many...)}, nil), policy.UpdateLock{}); text != nil || err == nil || c != (policy.LockChanges{}) {
		t.Errorf("more signers than are read were written: %v, %+v", err, c)
	}
}

// A tag is generalised only where the ref is the builder's word.
func TestLockTags(t *testing.T) {
	t.Parallel()
	const workflow = "https://github.com/acme/app/.github/workflows/"
	for signer, want := range map[string]string{
		workflow + "release.yml@refs/tags/v1":                                   workflow + "release.yml@refs/tags/*",
		"https://gitlab.com/acme/app//.gitlab-ci.yml@refs/tags/v1":              "https://gitlab.com/acme/app//.gitlab-ci.yml@refs/tags/*",
		workflow + "release.yml@refs/heads/tags/v1":                             "",
		workflow + "release.yml@refs/heads/tags":                                "",
		workflow + "release.yml@refs/heads/refs/tags/v1":                        "",
		workflow + "release.yml@refs/heads/x@refs/tags/v1":                      "",
		workflow + "a@refs/tags/b.yml@refs/heads/main":                          "",
		"https://gitlab.com/acme/app//x@refs/tags/v1/.ci.yml@refs/heads/main":   "",
		"https://example.com/acme/app@refs/tags/v1":                             "",
		"http://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1": "",
		"evil@refs/tags/v1": "",
		"key sha256:12":     "",
	} {
		_, text := locked(t, signed{"x/app:v1": one(mark{signer: signer, issuer: "i"})})
		if want == "" {
			want = signer
		}
		if !strings.Contains(text, fmt.Sprintf("%q", want)) {
			t.Errorf("%s is recorded as\n%s", signer, text)
		}
	}
}

// What is wrong with a lock is said with its place, and nothing of it counts.
func TestReadLockRefuses(t *testing.T) {
	t.Parallel()
	doc := func(images string) string { return "{\"version\": 1,\n\"images\": {" + images + "}}" }
	of := func(signers string) string { return doc("\n\"ghcr.io/a/b:v1\": " + signers) }
	for _, tc := range []struct{ body, want string }{
		{"", "1:1: the text ends"},
		{"[]", "1:1: an object with version and images is expected here"},
		{"{}", "1:1: a lock needs version and images"},
		{`{"version": 1}`, "1:1: a lock needs"},
		{`{"images": {}}`, "1:1: a lock needs"},
		{`{"version": 2, "images": {}}`, "1:13: version 2 is none"},
		{`{"version": "1", "images": {}}`, "1:13: version 1 is none"},
		{`{"version": 1, "images": {}, "version": 1}`, `1:30: "version" is there twice`},
		{`{"Version": 1, "images": {}}`, `1:2: there is no "Version"`},
		{"{\"version\": 1,\n  \"more\": 1}", `2:3: there is no "more"`},
		{`{"version": 1, "images": null}`, "1:26: an object of images is expected"},
		{`{"version": 1, "images": []}`, "1:26: an object of images is expected"},
		{doc("") + " {}", "2:15: something follows"},
		{doc("") + "x", "2:14: something follows"},
		{"{\"version\": 1,\n\"images\": {", "2:12: the text ends here"},
		{"{\"version\": 1,\n\"images\" {}}", "2:10: not JSON"},
		{doc(`"ghcr.io/a/b:v1" []`), "2:29: not JSON"},
		{"{\"version\": 1,\n\"images\": {\"\xff\": []}}", "2:13: the lock is not UTF-8"},
		{of("[]"), "3:19: no signer"},
		{of("null"), "3:19: a list of signers is expected"},
		{of("{}"), "3:19: a list of signers is expected"},
		{of("[{}]"), "3:20: a signer needs system and signer"},
		{of("[null]"), "3:20: a signer is expected"},
		{of(`[{"system": "s"}]`), "3:20: a signer needs"},
		{of(`[{"signer": "s"}]`), "3:20: a signer needs"},
		{of(`[{"system": "s", "signer": ""}]`), "3:46: signer is expected here, a text that is not empty"},
		{of(`[{"system": "s", "signer": 1}]`), "3:46: signer is expected"},
		{of(`[{"system": "s", "signer": "x", "issuer": ""}]`), "3:61: issuer is expected"},
		{of(`[{"system": "s", "signer": "x", "SIGNER": "y"}]`), `3:51: a signer has no "SIGNER"`},
		{of(`[{"system": "s", "signer": "x", "signer": "y"}]`), `3:51: "signer" is there twice`},
		{of(`[{"system": "s", "signer": "x", "sig` + "\\u006e" + `er": "y"}]`), `3:51: "signer" is there twice`},
		{of(`[{"system": "s", "signer": "x"}, {"signer": "x", "system": "s"}]`), "3:52: this signer is there twice"},
		{of(`[{"system": "s", "signer": "` + release + `v1"}]`), "3:46: the tag of a signer is written *"},
		{of(`[{"system": "s", "signer": "x", "predicate": "` + cosign + `"}]`), "3:20: a signature has no predicate"},
		{of(`[{"system": "s", "signer": "https://h/a/b/c", "source": "https://h/A/b"}]`), "3:20: a signer has no source"},
		{of(`[{"system": "s", "signer": "x", "source": ""}]`), "source is expected here"},
		{of(`[{"system": "s", "signer": "x", "root": "sha256:` + digestA[7:] + `"}]`), "3:59: a root is the SHA-256 of a certificate"},
		{of(`[{"system": "s", "signer": "x", "root": "` + strings.Repeat("A", 64) + `"}]`), "3:59: a root is the SHA-256"},
		{of(`[{"system": "s", "signer": "x", "root": "` + digestA[7:69] + `"}]`), "3:59: a root is the SHA-256"},
		{of(`[{"system": "s", "signer": "` + strings.Repeat("x", 4097) + `"}]`), "3:46: signer is longer"},
		{doc(`"alpine": [{"system": "s", "signer": "x"}]`), `2:12: "alpine" is written "docker.io/library/alpine:latest"`},
		{doc(`"ghcr.io/a/b:v1@` + digestA + `": [{"system": "s", "signer": "x"}]`), `2:12: "ghcr.io/a/b:v1@` + digestA + `" is written "ghcr.io/a/b:v1"`},
		{doc(`"ghcr.io/a/b@` + digestA + `": []`), `is written "ghcr.io/a/b@sha256:*"`},
		{doc(`"a/b@sha256:*": []`), `is written "docker.io/a/b@sha256:*"`},
		{doc(`"GHCR.io/a/b@sha256:*": []`), `is written "ghcr.io/a/b@sha256:*"`},
		{doc(`"ghcr.io:443/a/b:v1": []`), `is written "ghcr.io/a/b:v1"`},
		{doc(`"ghcr.io/A/b:v1": []`), "2:12: "},
		{doc(`"ghcr.io/a/b:*": []`), "2:12: "},
		{doc("\n\"ghcr.io/a/b:v1\": [{\"system\": \"s\", \"signer\": \"x\"}],\n\"ghcr.io/a/b:v1\": []"), `4:1: "ghcr.io/a/b:v1" is there twice`},
		{strings.Repeat(" ", 4<<20+1), "1:1: the lock is larger than 4 MiB"},
	} {
		l, err := policy.ReadLock("dir/boltseal.lock", []byte(tc.body))
		fault := (*yamlshape.Fault)(nil)
		if l != nil || !errors.As(err, &fault) || fault.Next == "" {
			t.Errorf("%.120s: %v", tc.body, err)
			continue
		}
		if text, ok := strings.CutPrefix(err.Error(), "dir/boltseal.lock:"); !ok || !strings.Contains(text, tc.want) || strings.Contains(tc.want, ":") && tc.want[0] <= '9' && !strings.HasPrefix(text, tc.want) {
			t.Errorf("%.120s\ngot  %s\nwant %s", tc.body, text, tc.want)
		}
	}
	for n, good := range map[int]bool{10_000: true, 10_001: false} {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%s\"ghcr.io/a/b:v%d\": [{\"system\":\"s\",\"signer\":\"x\"}]", map[bool]string{true: "", false: ","}[i == 0], i)
		}
		if _, err := policy.ReadLock("l", []byte(doc(b.String()))); (err == nil) != good {
			t.Errorf("%d images: %v", n, err)
		}
	}
}

// The example of the documentation is a lock as it is written.
func TestLockDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/lock.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```json\n")
	example, _, _ = strings.Cut(example, "```")
	l, err := policy.ReadLock("lock.md", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := l.Update(run(t, signed{"x/new:v1": one(mark{signer: "a"})}, nil), policy.UpdateLock{})
	const added = ",\n    \"docker.io/x/new:v1\": [\n      {\"system\": \"sigstore\", \"signer\": \"a\"}\n    ]"
	if got := strings.Replace(string(text), added, "", 1); err != nil || got != example {
		t.Errorf("%v\n%s", err, got)
	}
	for _, m := range []mark{{signer: release + "v9", issuer: github}, {signer: release + "v9", issuer: github, predicate: slsa}} {
		if r := run(t, signed{"ghcr.io/acme/app:v1": one(m)}, l.Hold); !r.Passed() {
			t.Errorf("%+v is refused", m)
		}
	}
}

// A verifier that is held is asked from many goroutines.
func TestLockConcurrent(t *testing.T) {
	t.Parallel()
	a := mark{signer: "a"}
	l, _ := locked(t, signed{"x/app:v1": one(a)})
	rules := l.Hold(signed{"x/app:v1": one(a), "x/new:v1": one(a)})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r := gate.Check(t.Context(), []image.Use{use(t, "x/app:v1"), use(t, "x/new:v1")}, rules, resolver{}, gate.Options{})
			if !r.Passed() {
				t.Error("refused")
			}
		})
	}
	wg.Wait()
}

// What is read is written again, and means the same.
func FuzzReadLock(f *testing.F) {
	f.Add([]byte(`{"version": 1, "images": {"ghcr.io/a/b:v1": [{"system": "s", "signer": "x", "issuer": "i", "predicate": "p"}]}}`))
	f.Add([]byte(`{"version": 1, "images": {"ghcr.io/a/b@sha256:*": [{"system": "s", "signer": "https://github.com/a/b/.github/workflows/c@refs/tags/*"}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		l, err := policy.ReadLock("f", body)
		if err != nil {
			if fault := (*yamlshape.Fault)(nil); !errors.As(err, &fault) || fault.At.Line < 1 || fault.At.Col < 1 {
				t.Fatalf("%v", err)
			}
			return
		}
		r := gate.Check(t.Context(), []image.Use{use(t, "x/new:v1")}, signed{"x/new:v1": one(mark{signer: "a"})}, resolver{}, gate.Options{})
		text, c, err := l.Update(r, policy.UpdateLock{})
		if err != nil || text == nil {
			return // no room for one more, or it is there
		}
		again, err := policy.ReadLock("f", text)
		if err != nil || c.Added != 1 {
			t.Fatalf("%v\n%s", err, text)
		}
		if more, _, _ := again.Update(r, policy.UpdateLock{}); more != nil {
			t.Fatalf("written twice\n%s", more)
		}
	})
}
