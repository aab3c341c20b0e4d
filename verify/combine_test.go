package verify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// says answers with a Reason, for an image of its own where it has one.
type says struct {
	reason verify.Reason
	about  image.Pinned
	asked  *int
}

func (s says) Verify(_ context.Context, img image.Pinned) verify.Verdict {
	if s.asked != nil {
		*s.asked++
	}
	if s.about.Digest() != "" {
		img = s.about
	}
	c := []verify.Candidate{{Reason: s.reason, Source: string(s.reason)}}
	if s.reason == verify.Verified {
		return verify.Pass(img, verify.Evidence{System: "fake", Format: "fake", Digest: img.Digest(), Signer: "me"}).For("me").With(c)
	}
	return verify.Fail(img, s.reason, &verify.Error{Op: "ask", Err: errors.New("it is " + string(s.reason)), Hint: "mend " + string(s.reason)}).For("not me").With(c)
}

func TestCombine(t *testing.T) {
	t.Parallel()
	img, other := pinned(t, "a"), pinned(t, "b")
	const ok, no = verify.Verified, verify.Unsigned
	for _, tc := range []struct {
		name      string
		alternate []verify.Reason
		any, all  verify.Reason
		asked     int // by AnyOf
	}{
		{"nothing", nil, verify.Undecided, verify.Undecided, 0},
		{"one passes", []verify.Reason{ok}, ok, ok, 1},
		{"one fails", []verify.Reason{no}, no, no, 1},
		{"the first passes", []verify.Reason{ok, no}, ok, no, 1},
		{"the second passes", []verify.Reason{no, ok}, ok, no, 2},
		{"the nearest failure", []verify.Reason{no, verify.WrongSigner, verify.BadSignature}, verify.WrongSigner, no, 3},
		{"no answer is nearer than a refusal", []verify.Reason{verify.Expired, verify.Unavailable, no}, verify.Unavailable, verify.Expired, 3},
		{"a refusal is for good, whatever was not answered", []verify.Reason{verify.Unavailable, verify.Denied, verify.Undecided, verify.WrongSigner, no}, verify.Unavailable, verify.WrongSigner, 5},
		{"no answer at all", []verify.Reason{verify.Denied, verify.Unavailable}, verify.Unavailable, verify.Denied, 2},
		{"a refusal by no answer's side", []verify.Reason{verify.Denied, verify.BadSignature}, verify.Denied, verify.BadSignature, 2},
		{"a fault is nearer than a refusal", []verify.Reason{verify.WrongSigner, verify.Undecided}, verify.Undecided, verify.WrongSigner, 2},
		{"exempt is nothing a check may say", []verify.Reason{verify.Exempt}, verify.Undecided, verify.Undecided, 1},
	} {
		asked := 0
		var each []verify.Verifier
		for _, r := range tc.alternate {
			each = append(each, says{reason: r, asked: &asked})
		}
		v := verify.AnyOf(each...).Verify(t.Context(), img)
		if v.Reason() != tc.any || v.Passed() != (tc.any == ok) || v.Image().Digest() != img.Digest() || asked != tc.asked || len(v.Candidates()) != asked {
			t.Errorf("%s: any of: %q, passed %v, %d asked, %d candidates", tc.name, v.Reason(), v.Passed(), asked, len(v.Candidates()))
		}
		if hint := verify.Hint(v.Err()); !v.Passed() && asked > 0 && tc.any != verify.Undecided && hint != "mend "+string(tc.any) {
			t.Errorf("%s: any of: hint %q", tc.name, hint)
		}
		asked = 0
		v = verify.AllOf(each...).Verify(t.Context(), img)
		if v.Reason() != tc.all || v.Passed() != (tc.all == ok) || asked != len(each) || len(v.Candidates()) != asked {
			t.Errorf("%s: all of: %q, passed %v, %d asked", tc.name, v.Reason(), v.Passed(), asked)
		}
		if len(each) > 1 && !strings.HasPrefix(v.Requirement(), "all of: ") {
			t.Errorf("%s: requires %q", tc.name, v.Requirement())
		}
	}
	two := []verify.Verifier{says{reason: ok}, says{reason: ok}}
	if v := verify.AllOf(two...).Verify(t.Context(), img); !v.Passed() || len(v.Evidence()) != 2 {
		t.Errorf("all of two: %q with %d pieces of evidence", v.Reason(), len(v.Evidence()))
	}
	// A verdict about another image is none about this one.
	stranger := says{reason: ok, about: other}
	if v := verify.AnyOf(stranger).Verify(t.Context(), img); v.Passed() {
		t.Error("any of: passed on another image's evidence")
	}
	if v := verify.AllOf(says{reason: ok}, stranger).Verify(t.Context(), img); v.Passed() {
		t.Error("all of: passed on another image's evidence")
	}
}

// A by is a requirement that signer satisfies, and beside would.
type by struct{ signer, beside string }

func (b by) Verify(_ context.Context, img image.Pinned) verify.Verdict {
	c := []verify.Candidate{{Reason: verify.Verified, Signer: b.signer}, {Reason: verify.Verified, Signer: b.beside}}
	return verify.Pass(img, verify.Evidence{System: "fake", Format: "fake", Digest: img.Digest(), Signer: b.signer}).For(b.signer).With(c)
}

// A short is a requirement that signer satisfies for a part.
type short struct{ signer string }

func (s short) Verify(_ context.Context, img image.Pinned) verify.Verdict {
	return verify.Fail(img, verify.Unsigned, errors.New("the other is missing")).With([]verify.Candidate{{Reason: verify.Verified, Signer: s.signer}})
}

// shown is who vouches in each part of v, with the candidates of the part that
// are verified.
func shown(v verify.Verdict) string {
	var parts []string
	for _, p := range v.Parts() {
		text := p.Requirement() + ":"
		for _, ev := range p.Evidence() {
			text += " " + ev.Signer
		}
		parts = append(parts, fmt.Sprintf("%s (%s) of %d", text, verified(p), len(p.Candidates())))
	}
	return strings.Join(parts, ", ")
}

func verified(v verify.Verdict) string {
	var who []string
	for _, c := range v.Candidates() {
		if c.Reason == verify.Verified {
			who = append(who, c.Signer)
		} else if c.Reason == verify.WrongSigner && c.Err == nil {
			who = append(who, c.Signer+" for no cause")
		}
	}
	return strings.Join(who, " ")
}

// Each requirement that was satisfied keeps its own evidence and candidates, and
// what was not enough does not look as if it were.
func TestParts(t *testing.T) {
	t.Parallel()
	img := pinned(t, "a")
	no := says{reason: verify.Unsigned}
	either, all := verify.AnyOf, verify.AllOf
	for _, tc := range []struct {
		name     string
		v        verify.Verifier
		parts    string
		verified string // of all candidates
	}{
		{"one", by{"a", "x"}, "a: a (a x) of 2", "a x"},
		{"one of one", either(by{"a", "x"}), "a: a (a x) of 2", "a x"},
		{"all", all(by{"a", "x"}, by{"b", "y"}), "a: a (a x) of 2, b: b (b y) of 2", "a x b y"},
		{"a part of an alternative that failed", either(short{"s"}, by{"a", "x"}), "a: a (a x) of 2", "a x"},
		{"all of an alternative that failed", either(all(by{"s", "t"}, no), by{"a", "x"}), "a: a (a x) of 2", "a x"},
		{"deeper", all(either(short{"s"}, all(by{"a", "x"}, either(short{"u"}, by{"b", "y"}))), by{"c", "z"}), "a: a (a x) of 2, b: b (b y) of 2, c: c (c z) of 2", "a x b y c z"},
		{"none where it failed", all(by{"a", "x"}, no), "", "a x"},
		{"none of nothing", either(), "", ""},
	} {
		v := tc.v.Verify(t.Context(), img)
		if shown(v) != tc.parts || verified(v) != tc.verified {
			t.Errorf("%s: parts %q, verified %q", tc.name, shown(v), verified(v))
		}
	}
	if (verify.Verdict{}).Parts() != nil {
		t.Error("the zero Verdict has parts")
	}
}

// Nobody is told how to let more signers in where nothing is to be mended.
func TestAcceptOfWhatPasses(t *testing.T) {
	t.Parallel()
	img := pinned(t, "a")
	all := []verify.Candidate{{Reason: verify.WrongSigner, Err: errors.New("another"), Accept: &verify.Acceptance{List: "keys", Line: "{}"}}}
	failed := verify.Fail(img, verify.WrongSigner, errors.New("another")).With(all)
	passed := by{"a", "x"}.Verify(t.Context(), img).With(all)
	if failed.Candidates()[0].Accept == nil || passed.Candidates()[0].Accept != nil || all[0].Accept == nil {
		t.Errorf("failed %+v, passed %+v", failed.Candidates(), passed.Candidates())
	}
}

// A refused requirement is satisfied, and kept out by something else.
type refused struct{ verify.Verifier }

func (r refused) Verify(ctx context.Context, img image.Pinned) verify.Verdict {
	return r.Verifier.Verify(ctx, img).Refuse(&verify.Error{Op: "kept", Err: errors.New("out"), Hint: "let it in"})
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	img := pinned(t, "a")
	out := refused{by{"a", "x"}}
	is := func(r verify.Reason) verify.Verifier { return says{reason: r} }
	for _, tc := range []struct {
		name    string
		v       verify.Verifier
		want    verify.Reason
		message string // all of it, or "" for that of others
	}{
		{"one", out, verify.WrongSigner, "kept: out"},
		{"what fails anyway", refused{is(verify.Expired)}, verify.Expired, ""},
		{"an alternative", verify.AnyOf(is(verify.Expired), out, is(verify.Unsupported)), verify.WrongSigner, "kept: out"},
		{"an alternative beside no answer", verify.AnyOf(out, is(verify.Denied)), verify.Denied, ""},
		{"an alternative beside one that passes", verify.AnyOf(out, by{"b", "y"}), verify.Verified, ""},
		{"with others that pass", verify.AllOf(by{"b", "y"}, out), verify.WrongSigner, "kept: out"},
		{"with others that fail", verify.AllOf(out, is(verify.Unsigned)), verify.Unsigned, ""},
		{"with others that were not answered", verify.AllOf(is(verify.Unavailable), out), verify.WrongSigner, "kept: out"},
		// All of it would not have passed: it is not nearer than what else failed.
		{"an alternative of several", verify.AnyOf(verify.AllOf(out, is(verify.Unavailable)), is(verify.Expired)), verify.Expired, ""},
		{"an alternative of several that would pass", verify.AnyOf(verify.AllOf(out, by{"b", "y"}), is(verify.Expired)), verify.WrongSigner, "kept: out"},
	} {
		v := tc.v.Verify(t.Context(), img)
		if v.Reason() != tc.want || v.Passed() != (tc.want == verify.Verified) || v.Requirement() == "" {
			t.Errorf("%s: %q, requires %q", tc.name, v.Reason(), v.Requirement())
		}
		if tc.message != "" && (v.Err() == nil || v.Err().Error() != tc.message || verify.Hint(v.Err()) != "let it in") || !v.Passed() && (len(v.Evidence()) > 0 || len(v.Candidates()) == 0) {
			t.Errorf("%s: %v, %d candidates", tc.name, v.Err(), len(v.Candidates()))
		}
	}
}

func TestMap(t *testing.T) {
	t.Parallel()
	img := pinned(t, "a")
	seen := 0
	count := func(v verify.Verifier) verify.Verifier {
		seen++
		return refused{v}
	}
	deep := verify.AllOf(by{"a", "x"}, verify.AnyOf(verify.AllOf(by{"b", "x"}), by{"c", "x"}))
	if v := verify.Map(deep, count).Verify(t.Context(), img); seen != 3 || v.Passed() || v.Requirement() != "all of: a & any of: all of: b | c" {
		t.Errorf("%d, %q", seen, v.Requirement())
	}
	if v := deep.Verify(t.Context(), img); !v.Passed() {
		t.Error("the one that was mapped has changed")
	}
	if v := verify.Map(verify.AnyOf(), count).Verify(t.Context(), img); v.Passed() {
		t.Error("nothing passes")
	}
}
