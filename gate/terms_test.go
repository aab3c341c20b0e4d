package gate_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// terms gives the same Terms for every image but those called "signed".
type terms gate.Terms

func (t terms) For(u image.Use) gate.Terms {
	if u.Ref.Name() == "ghcr.io/acme/signed" {
		return gate.Terms{Require: []verify.Verifier{yes{}}}
	}
	return gate.Terms(t)
}

// An exemption lets an image through, never as verified, and only while it
// holds.
func TestExemption(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	until := now.Add(time.Second)
	good := gate.Exemption{Until: until, Owner: "platform", Reason: "upstream mends it"}
	unsigned := gate.Exemption{Unsigned: true, Reason: "upstream does not sign"}
	byDigest := gate.Exemption{Unsigned: true, Reason: "upstream does not sign", NeedDigest: true}
	with := func(e gate.Exemption, change func(*gate.Exemption)) *gate.Exemption { change(&e); return &e }
	const tag, pinned = "ghcr.io/acme/a:1", "ghcr.io/acme/a:1@"
	for _, tc := range []struct {
		name   string
		ref    string
		terms  gate.Terms
		reg    *reg
		reason verify.Reason
		says   string
	}{
		{"nothing", tag, gate.Terms{}, &reg{}, verify.NoRule, "none speaks of this image"},
		{"why there is nothing", tag, gate.Terms{Err: errors.New("the nearest is ghcr.io/acme/b")}, &reg{}, verify.NoRule, "the nearest is"},
		{"zero exemption", tag, gate.Terms{Exempt: &gate.Exemption{}}, &reg{}, verify.NoRule, "for no reason"},
		{"holds", tag, gate.Terms{Exempt: &good}, &reg{}, verify.Exempt, ""},
		{"ends now", tag, gate.Terms{Exempt: with(good, func(e *gate.Exemption) { e.Until = now })}, &reg{}, verify.NoRule, "ended at 2026-03-01T12:00:00Z"},
		{"has no end", tag, gate.Terms{Exempt: with(good, func(e *gate.Exemption) { e.Until = time.Time{} })}, &reg{}, verify.NoRule, "without an owner or an end"},
		{"has no owner", tag, gate.Terms{Exempt: with(good, func(e *gate.Exemption) { e.Owner = "" })}, &reg{}, verify.NoRule, "without an owner or an end"},
		{"has no reason", tag, gate.Terms{Exempt: with(good, func(e *gate.Exemption) { e.Reason = "" })}, &reg{}, verify.NoRule, "for no reason"},
		{"unsigned for no reason", tag, gate.Terms{Exempt: &gate.Exemption{Unsigned: true}}, &reg{}, verify.NoRule, "for no reason"},
		{"unsigned", tag, gate.Terms{Exempt: &unsigned}, &reg{}, verify.Exempt, ""},
		{"by digest", pinned + digest("a"), gate.Terms{Exempt: &byDigest}, &reg{}, verify.Exempt, ""},
		{"by digest only", tag, gate.Terms{Exempt: &byDigest}, &reg{}, verify.Unsigned, "by digest only"},
		{"the registry has another digest", pinned + digest("b"), gate.Terms{Exempt: &byDigest}, &reg{}, verify.Unavailable, "registry says"},
		{"what cannot be resolved is not exempt", tag, gate.Terms{Exempt: &good}, &reg{err: errors.New("down")}, verify.Unavailable, "down"},
		{"what is required is checked", tag, gate.Terms{Exempt: &good, Require: []verify.Verifier{yes{digest("b")}}}, &reg{}, verify.BadSignature, "evidence is for"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			uses := []image.Use{{Ref: ref(t, "ghcr.io/acme/signed:1")}, {Ref: ref(t, tc.ref)}}
			if tc.reg.err != nil {
				uses = uses[1:]
			}
			r := gate.Check(context.Background(), uses, terms(tc.terms), tc.reg, gate.Options{Now: func() time.Time { return now }})
			f := r.Findings()[len(uses)-1]
			exempt := tc.reason == verify.Exempt
			if f.Reason() != tc.reason || f.Passed() != exempt || f.Verified() || r.Passed() != exempt || r.Reason() != tc.reason {
				t.Errorf("reason %q, passed %v, verified %v, run %q, want %q", f.Reason(), f.Passed(), f.Verified(), r.Reason(), tc.reason)
			}
			e, ok := f.Exemption()
			if ok != exempt || exempt && e != *tc.terms.Exempt {
				t.Errorf("exemption %v, %v", e, ok)
			}
			for _, a := range r.Admitted() {
				marked, ok := a.Exemption()
				if verified := a.Pinned().Ref().Name() == "ghcr.io/acme/signed"; ok == verified || ok && marked != *tc.terms.Exempt {
					t.Errorf("%s is handed over as exempt: %v, %v", a.Pinned(), ok, marked)
				}
			}
			if n := len(r.Admitted()); exempt && n != len(uses) || !exempt && n != 0 {
				t.Errorf("%d handed over", n)
			}
			if !exempt && !strings.Contains(f.Verdicts[0].Err().Error(), tc.says) {
				t.Errorf("says %q, not %q", f.Verdicts[0].Err(), tc.says)
			}
		})
	}
}

// What is required is checked, and what could be exempt beside it changes
// nothing, whatever state it is in.
func TestRequiredAndExempt(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]gate.Exemption{"zero": {}, "sound": {Unsigned: true, Reason: "none"}, "ended": {Owner: "a", Reason: "b", Until: time.Unix(1, 0)}} {
		r := gate.Check(t.Context(), []image.Use{{Ref: ref(t, "ghcr.io/acme/a")}}, terms{Exempt: &e, Require: []verify.Verifier{yes{}}}, &reg{}, gate.Options{})
		if f := r.Findings()[0]; !f.Verified() || f.Reason() != verify.Verified || len(r.Admitted()) != 1 {
			t.Errorf("%s: %q", name, f.Reason())
		}
	}
}

// Who changes a Finding cannot have it pass as exempt for something else.
func TestChangedFinding(t *testing.T) {
	t.Parallel()
	exempt := gate.Check(t.Context(), []image.Use{{Ref: ref(t, "ghcr.io/acme/a")}}, terms{Exempt: &gate.Exemption{Unsigned: true, Reason: "none"}}, &reg{}, gate.Options{}).Findings()[0]
	if !exempt.Passed() {
		t.Fatal("not exempt")
	}
	refused, nowhere := exempt, exempt
	refused.Verdicts = []verify.Verdict{verify.Fail(exempt.Pinned, verify.BadSignature, errors.New("no"))}
	nowhere.Pinned = image.Pinned{}
	for want, f := range map[verify.Reason]gate.Finding{verify.BadSignature: refused, verify.Undecided: nowhere} {
		if _, ok := f.Exemption(); ok || f.Passed() || f.Reason() != want {
			t.Errorf("%q, want %q", f.Reason(), want)
		}
	}
}

// The hint of Terms is kept, and a way out named where they have none.
func TestNoRuleHint(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"say who must have signed it": nil,
		"add a rule":                  &verify.Error{Op: "look", Err: errors.New("nothing"), Hint: "add a rule"},
	} {
		r := gate.Check(context.Background(), []image.Use{{Ref: ref(t, "ghcr.io/acme/a")}}, terms{Err: err, Rule: gate.Rule{Why: "so"}}, &reg{}, gate.Options{})
		f := r.Findings()[0]
		if got := verify.Hint(f.Verdicts[0].Err()); got != want || f.Rule.Why != "so" {
			t.Errorf("hint %q, want %q, rule %v", got, want, f.Rule)
		}
	}
}
