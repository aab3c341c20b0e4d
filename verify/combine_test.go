package verify_test

import (
	"context"
	"errors"
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
