package gate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

func digest(c string) string { return "sha256:" + strings.Repeat(c, 64) }

func ref(t *testing.T, text string) image.Ref {
	t.Helper()
	r, err := image.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A verifier passes with evidence for the image, or for another digest.
type yes struct{ of string }

func (y yes) Verify(_ context.Context, img image.Pinned) verify.Verdict {
	d := img.Digest()
	if y.of != "" {
		d = y.of
	}
	return verify.Pass(img, verify.Evidence{System: "fake", Format: "fake", Digest: d, Signer: "me"})
}

// other passes an image it was not asked about.
type other struct{ img image.Pinned }

func (o other) Verify(ctx context.Context, _ image.Pinned) verify.Verdict {
	return yes{}.Verify(ctx, o.img)
}

type stop struct{ cancel context.CancelFunc }

func (s stop) Verify(ctx context.Context, img image.Pinned) verify.Verdict {
	s.cancel()
	return yes{}.Verify(ctx, img)
}

type rules []verify.Verifier

func (r rules) For(image.Use) gate.Terms { return gate.Terms{Require: r} }

type reg struct {
	err   error
	calls atomic.Int32
}

func (g *reg) Resolve(_ context.Context, r image.Ref) (image.Pinned, error) {
	g.calls.Add(1)
	if g.err != nil {
		return image.Pinned{}, g.err
	}
	return r.Pin(digest("a"))
}

func TestCheck(t *testing.T) {
	t.Parallel()
	one := []image.Use{{Ref: ref(t, "ghcr.io/acme/a:1")}}
	stranger, err := ref(t, "ghcr.io/acme/other").Pin(digest("b"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended, end := context.WithCancel(context.Background())
	end()
	bg := context.Background()
	for _, tc := range []struct {
		name     string
		ctx      context.Context
		uses     []image.Use
		rules    rules
		reg      *reg
		passed   bool
		noAnswer bool
		reason   verify.Reason // of the first finding
	}{
		{"signed", bg, one, rules{yes{}}, &reg{}, true, false, verify.Verified},
		{"no images", bg, nil, rules{yes{}}, &reg{}, false, false, verify.Undecided},
		{"no rule", bg, one, nil, &reg{}, false, false, verify.NoRule},
		{"rule without requirements", bg, one, rules{}, &reg{}, false, false, verify.NoRule},
		{"one of two fails", bg, one, rules{yes{}, yes{digest("b")}}, &reg{}, false, false, verify.BadSignature},
		{"evidence for another digest", bg, one, rules{yes{digest("b")}}, &reg{}, false, false, verify.BadSignature},
		{"verdict about another image", bg, one, rules{other{stranger}}, &reg{}, false, false, verify.Undecided},
		{"registry down", bg, one, rules{yes{}}, &reg{err: errors.New("down")}, false, true, verify.Unavailable},
		{"unresolved text", bg, []image.Use{{Text: "${X}", Err: errors.New("no value")}}, rules{yes{}}, &reg{}, false, false, verify.Unresolved},
		{"written digest differs", bg, []image.Use{{Ref: ref(t, "ghcr.io/acme/a@"+digest("c"))}}, rules{yes{}}, &reg{}, false, true, verify.Unavailable},
		{"stopped after the first", ctx, []image.Use{one[0], {Ref: ref(t, "ghcr.io/acme/b")}}, rules{stop{cancel}}, &reg{}, false, true, verify.Verified},
		{"stopped before", ended, one, rules{yes{}}, &reg{}, false, true, verify.Undecided},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := gate.Check(tc.ctx, tc.uses, tc.rules, tc.reg, gate.Options{Jobs: 1})
			if r.Passed() != tc.passed || (len(r.Admitted()) > 0) != tc.passed {
				t.Errorf("passed = %v, admitted %d, want %v", r.Passed(), len(r.Admitted()), tc.passed)
			}
			if r.NoAnswer() != tc.noAnswer {
				t.Errorf("no answer = %v, want %v", r.NoAnswer(), tc.noAnswer)
			}
			reason := verify.Undecided
			if fs := r.Findings(); len(fs) > 0 {
				reason = fs[0].Reason()
			}
			if reason != tc.reason {
				t.Errorf("reason = %q, want %q", reason, tc.reason)
			}
		})
	}
	if (gate.Report{}).Passed() || (gate.Finding{}).Passed() || (gate.Report{}).Admitted() != nil {
		t.Error("a zero value passed")
	}
}

// The image that is built from and the one that is merely copied from may be
// held to other requirements: neither's verdict is the other's.
func TestForeignApart(t *testing.T) {
	t.Parallel()
	u := image.Use{Ref: ref(t, "ghcr.io/acme/a:1")}
	foreign := u
	foreign.Foreign = true
	r := gate.Check(t.Context(), []image.Use{u, foreign, u, foreign}, onlyOwn{}, &reg{}, gate.Options{})
	f := r.Findings()
	if len(f) != 2 || f[0].Reason() != verify.Verified || f[1].Reason() != verify.NoRule || len(f[0].Uses()) != 2 || len(f[1].Uses()) != 2 {
		t.Errorf("%d findings: %+v", len(f), f)
	}
}

// An onlyOwn is rules for what is built for the platforms of the run.
type onlyOwn struct{}

func (onlyOwn) For(u image.Use) gate.Terms {
	if u.Foreign {
		return gate.Terms{}
	}
	return gate.Terms{Require: []verify.Verifier{yes{}}}
}

// A fails is a requirement that is not met.
type fails verify.Reason

func (f fails) Verify(_ context.Context, img image.Pinned) verify.Verdict {
	return verify.Fail(img, verify.Reason(f), errors.New("no"))
}

// What is refused for good is refused, whatever gave no answer beside it: who
// repeats a run where there was no answer must not be told to.
func TestFindingReason(t *testing.T) {
	t.Parallel()
	const down, denied, wrong, unsigned = fails(verify.Unavailable), fails(verify.Denied), fails(verify.WrongSigner), fails(verify.Unsigned)
	for _, tc := range []struct {
		name     string
		require  rules
		want     verify.Reason
		noAnswer bool
	}{
		{"no answer, and a refusal", rules{down, wrong}, verify.WrongSigner, false},
		{"the same the other way around", rules{wrong, down}, verify.WrongSigner, false},
		{"the first refusal", rules{denied, unsigned, wrong}, verify.Unsigned, false},
		{"the first without an answer", rules{yes{}, denied, down}, verify.Denied, true},
		{"a fault beside a refusal", rules{fails(verify.Undecided), wrong}, verify.WrongSigner, false},
		{"no answer beside a fault", rules{down, fails(verify.Undecided)}, verify.Unavailable, true},
		{"in a group", rules{verify.AllOf(down, wrong)}, verify.WrongSigner, false},
		{"in an alternative, which may be answered", rules{verify.AnyOf(down, wrong)}, verify.Unavailable, true},
	} {
		r := gate.Check(t.Context(), []image.Use{{Ref: ref(t, "ghcr.io/acme/a:1")}}, tc.require, &reg{}, gate.Options{})
		if f := r.Findings()[0]; f.Reason() != tc.want || r.Reason() != tc.want || r.NoAnswer() != tc.noAnswer || r.Passed() {
			t.Errorf("%s: %q, want %q, no answer %v", tc.name, f.Reason(), tc.want, r.NoAnswer())
		}
	}
}

// An image has one verdict, and all its places.
func TestOrderAndRepetition(t *testing.T) {
	t.Parallel()
	var uses []image.Use
	for i := range 40 {
		u := image.Use{Ref: ref(t, fmt.Sprintf("ghcr.io/acme/app%d", i%8)), At: image.Position{Line: i}}
		switch i % 10 {
		case 8:
			u = image.Use{Text: "$A", Err: errors.New("no value"), At: u.At}
		case 9:
			u = image.Use{Text: "$A", Err: fmt.Errorf("value %d", i), At: u.At}
		}
		uses = append(uses, u)
	}
	g := &reg{}
	r := gate.Check(context.Background(), uses, rules{yes{}}, g, gate.Options{})
	if n := g.calls.Load(); n != 8 {
		t.Errorf("8 references were resolved %d times", n)
	}
	first, seen := -1, 0
	for _, f := range r.Findings() {
		last := -1
		for _, u := range f.Uses() {
			if u.At.Line <= last || u.Ref != uses[u.At.Line].Ref || u.Ref != f.Use.Ref || u.Err != uses[u.At.Line].Err { //nolint:errorlint // the same one
				t.Errorf("finding %v has %v", f.Use, u)
			}
			last = u.At.Line
			seen++
		}
		if f.Use.At.Line <= first || f.Passed() != (f.Use.Err == nil) {
			t.Errorf("finding for %v: passed %v", f.Use, f.Passed())
		}
		first = f.Use.At.Line
	}
	if n := len(r.Findings()); n != 8+1+4 || seen != len(uses) {
		t.Errorf("%d findings with %d uses", n, seen)
	}
	if r.Passed() || r.Reason() != verify.Unresolved || r.Admitted() != nil {
		t.Errorf("passed %v, %q", r.Passed(), r.Reason())
	}
	if r := gate.Check(context.Background(), uses[:8], rules{yes{}}, g, gate.Options{}); len(r.Admitted()) != 8 {
		t.Errorf("%d admitted", len(r.Admitted()))
	}
}

// An image that was refused is not made better by another one's silence.
func TestRefusalOutweighsNoAnswer(t *testing.T) {
	t.Parallel()
	uses := []image.Use{{Ref: ref(t, "ghcr.io/acme/a")}, {Text: "$X", Err: errors.New("no value")}}
	r := gate.Check(context.Background(), uses, rules{yes{}}, &reg{err: errors.New("down")}, gate.Options{})
	if r.NoAnswer() || r.Passed() {
		t.Errorf("no answer = %v, passed = %v", r.NoAnswer(), r.Passed())
	}
}

// answers gives each image the Verdict, or the error of Resolve, of its name.
type answers map[string]verify.Reason

func (a answers) For(u image.Use) gate.Terms {
	return gate.Terms{Require: rules{answer(a[u.Ref.Repository()])}}
}

func (a answers) Resolve(_ context.Context, r image.Ref) (image.Pinned, error) {
	return r.Pin(digest("a"))
}

// An answer is a Verifier that says so.
type answer verify.Reason

func (a answer) Verify(ctx context.Context, img image.Pinned) verify.Verdict {
	if a == answer(verify.Verified) {
		return yes{}.Verify(ctx, img)
	}
	return verify.Fail(img, verify.Reason(a), errors.New("so it is"))
}

// One word for the whole run, which agrees with NoAnswer.
func TestReportReason(t *testing.T) {
	t.Parallel()
	const (
		ok, unsigned, stranger = verify.Verified, verify.Unsigned, verify.WrongSigner
		denied, silent, fault  = verify.Denied, verify.Unavailable, verify.Undecided
	)
	for _, tc := range []struct {
		name     string
		found    []verify.Reason
		ended    bool
		want     verify.Reason
		noAnswer bool
	}{
		{"passed", []verify.Reason{ok, ok}, false, ok, false},
		{"nothing", nil, false, verify.Undecided, false},
		{"refused", []verify.Reason{ok, stranger, unsigned}, false, stranger, false},
		{"no answer", []verify.Reason{ok, denied, silent}, false, denied, true},
		{"refused behind no answer", []verify.Reason{silent, ok, unsigned, stranger}, false, unsigned, false},
		{"a fault of the program is a refusal", []verify.Reason{silent, fault, unsigned}, false, verify.Undecided, false},
		{"ended after all passed", []verify.Reason{ok, ok}, true, verify.Undecided, true},
		{"ended, nothing", nil, true, verify.Undecided, true},
		{"ended, then refused", []verify.Reason{fault, silent, stranger}, true, stranger, false},
		{"ended, no answer before", []verify.Reason{ok, fault, denied}, true, denied, true},
		{"ended before anything was known", []verify.Reason{fault, fault}, true, verify.Undecided, true},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		a := answers{}
		var uses []image.Use
		for i, reason := range tc.found {
			r := ref(t, fmt.Sprintf("ghcr.io/acme/app%d", i))
			a[r.Repository()] = reason
			uses = append(uses, image.Use{Ref: r})
		}
		done := func(done, of int) {
			if tc.ended && done == of {
				cancel()
			}
		}
		if tc.ended && len(uses) == 0 {
			cancel()
		}
		r := gate.Check(ctx, uses, a, a, gate.Options{Jobs: 1, Done: done})
		if got := r.Reason(); got != tc.want || r.NoAnswer() != tc.noAnswer || r.Complete() == tc.ended {
			t.Errorf("%s: %q, no answer %v, complete %v; want %q, %v, %v", tc.name, got, r.NoAnswer(), r.Complete(), tc.want, tc.noAnswer, !tc.ended)
		}
		if r.Passed() != (r.Reason() == verify.Verified) {
			t.Errorf("%s: passed %v, reason %q", tc.name, r.Passed(), r.Reason())
		}
	}
	if got := (gate.Report{}).Reason(); got != verify.Undecided {
		t.Errorf("the zero Report: %q", got)
	}
}
