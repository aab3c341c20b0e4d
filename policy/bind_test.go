package policy

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

func TestExceptionDays(t *testing.T) {
	p := &Policy{
		rules:      []rule{ruleFor(t, 1, own, "docker.io/library/*")},
		exceptions: []exception{exceptionFor(t, 9, "alpine:3.22", "2027-01-31", "platform")},
	}
	moment := func(text string) time.Time {
		m, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, tt := range []struct {
		now    string
		reason verify.Reason
		warns  string
	}{
		{"2026-06-01T00:00:00Z", verify.Exempt, ""},
		{"2027-01-18T00:00:00Z", verify.Exempt, ""}, // 14 days are left
		{"2027-01-18T00:00:01Z", verify.Exempt, "policy.yaml:9:5: the exception of platform ends with 2027-01-31, in 13 days"},
		{"2027-01-31T23:59:59Z", verify.Exempt, "ends with 2027-01-31, today"},
		{"2027-01-31T23:59:59-05:00", verify.Unsigned, "ended with 2027-01-31"}, // the next day, in UTC
		{"2027-02-01T00:00:00Z", verify.Unsigned, "policy.yaml:9:5: the exception of platform ended with 2027-01-31; images of this run that it matches: 1"},
	} {
		now := moment(tt.now)
		f := run(t, p, now, "alpine:3.22").Findings()[0]
		if f.Reason() != tt.reason {
			t.Errorf("%s: %s", tt.now, f.Reason())
		}
		ended := "the exception for it at policy.yaml:9:5 (owner: platform) ended with 2027-01-31"
		if slices.Contains(f.Rule.Notes, ended) != (tt.reason == verify.Unsigned) {
			t.Errorf("%s: notes %q", tt.now, f.Rule.Notes)
		}
		rules, err := p.Rules([]image.Use{use(t, "alpine:3.22"), use(t, "busybox")}, []System{fake}, now)
		if err != nil {
			t.Fatal(err)
		}
		w := rules.Warnings()
		if (len(w) > 0) != (tt.warns != "") || len(w) > 0 && (!strings.Contains(w[0].Error(), tt.warns) || w[0].Next == "") {
			t.Errorf("%s: warnings %v", tt.now, w)
		}
		// It is of no other image.
		rules, err = p.Rules([]image.Use{use(t, "alpine:3.22@"+digestA), use(t, "alpine"), use(t, "busybox")}, []System{fake}, now)
		if err != nil || len(rules.Warnings()) > 0 {
			t.Errorf("%s: warnings %v, %v", tt.now, rules.Warnings(), err)
		}
	}
}

// What was not read as an image is asked about by nobody, and nothing is said of
// the image that it may have been meant as.
func TestRulesPassOver(t *testing.T) {
	now := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	p := &Policy{
		rules:      []rule{ruleFor(t, 1, own, "docker.io/library/*")},
		exceptions: []exception{exceptionFor(t, 9, "alpine:3.22", "2027-01-31", "platform")},
	}
	u := use(t, "alpine:3.22")
	u.Err = errors.New("it has a variable")
	rules, err := p.Rules([]image.Use{u}, []System{fake}, now)
	if err != nil || len(rules.Warnings()) > 0 {
		t.Fatalf("%v, warnings %v", err, rules.Warnings())
	}
	for _, u := range []image.Use{u, use(t, "alpine:3.22"), {}} {
		if terms := rules.For(u); terms.Err == nil || terms.Exempt != nil || terms.Require != nil {
			t.Errorf("%+v", terms)
		}
	}
}

// What lets images through unverified excludes whatever may be what a ! names:
// the other way to write it is no way around. A rule that requires something
// keeps what is not surely excluded.
func TestExclusionsOfWhatPasses(t *testing.T) {
	const app = "ghcr.io/acme/app"
	byTag := false
	for _, tt := range []struct {
		list     string
		let, not string // through
	}{
		{"ghcr.io/acme/** !" + app + ":v1", app + ":v2 ghcr.io/acme/b@" + digestA, app + ":v1 " + app + ":v1@" + digestA + " " + app + "@" + digestA + " " + app + ":v2@" + digestA},
		{"ghcr.io/acme/** !" + app + ":v*", app + ":x", app + ":v1 " + app + ":x@" + digestA},
		{"ghcr.io/acme/** !" + app + "@" + digestA, app + "@" + digestB + " " + app + ":v1@" + digestB + " ghcr.io/acme/b:v1", app + "@" + digestA + " " + app + ":v1 " + app + ":v1@" + digestA},
		{"ghcr.io/acme/** !ghcr.io/acme/a*:v1", "ghcr.io/acme/b@" + digestA, app + "@" + digestA},
		{"ghcr.io/acme/** !" + app, "ghcr.io/acme/b ghcr.io/acme/b@" + digestA, app + " " + app + "@" + digestA + " " + app + ":v1"},
	} {
		for kind, p := range map[string]*Policy{
			"exception": {rules: []rule{ruleFor(t, 1, own, "ghcr.io/**")}, exceptions: []exception{exceptionFor(t, 9, tt.list, "2027-06-30", "me")}},
			"unsigned":  {rules: []rule{ruleFor(t, 1, own, "ghcr.io/**"), unsignedFor(t, 9, tt.list, &byTag)}},
		} {
			check := func(names string, exempt bool) {
				for name := range strings.FieldsSeq(names) {
					terms, err := termsOf(t, p, name)
					if err != nil || (terms.Exempt != nil) != exempt || (len(terms.Require) > 0) == exempt {
						t.Errorf("%s for %s: %s: %+v %v", kind, tt.list, name, terms, err)
					}
				}
			}
			check(tt.let, true)
			check(tt.not, false)
		}
	}
	// Here a wider ! would hand an image over to a rule that asks for less.
	p := &Policy{rules: []rule{unsignedFor(t, 1, "ghcr.io/**", &byTag), ruleFor(t, 3, own, "ghcr.io/acme/** !"+app+":dev")}}
	for _, name := range []string{app + ":dev@" + digestA, app + "@" + digestA, app + ":v1"} {
		if terms, err := termsOf(t, p, name); err != nil || len(terms.Require) != 1 || terms.Exempt != nil {
			t.Errorf("%s: %+v %v", name, terms, err)
		}
	}
	// And no rule is said never to decide because of one that excludes more.
	p = &Policy{rules: []rule{ruleFor(t, 1, base, "ghcr.io/acme/app@"+digestA), unsignedFor(t, 3, "ghcr.io/acme/app@"+digestA+" !ghcr.io/acme/app:v1", nil)}}
	if doubts := p.Lint(today); strings.Contains(fmt.Sprint(doubts), "ever decide") {
		t.Errorf("%v", doubts)
	}
}

// What is said of images without a rule costs no more than so much.
func TestNearIsBounded(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("it takes long, and nothing in it runs beside something else")
	}
	list := strings.Repeat("ghcr.io/acme/x ", 2000)
	p := &Policy{}
	for i := range 100 {
		p.rules = append(p.rules, ruleFor(t, 1+i, own, list))
	}
	b := binder{chooser: p.chooser()}
	told := 0
	for range 20 {
		if b.near(targetOf(ref(t, "ghcr.io/acme/y"))) != nil {
			told++
		}
	}
	if told != 5 {
		t.Errorf("%d of 20 were looked for", told)
	}
}

func TestExceptionTerms(t *testing.T) {
	p := &Policy{
		rules: []rule{ruleFor(t, 1, own, "docker.io/library/*")},
		exceptions: []exception{
			exceptionFor(t, 7, "alpine", "2027-01-31", "platform"),
			exceptionFor(t, 8, "docker.io/library/* !busybox", "2027-06-30", "security"),
			exceptionFor(t, 9, "alpine quay.io/x", "2026-12-31", "former"),
		},
	}
	got, err := termsOf(t, p, "alpine")
	if err != nil {
		t.Fatal(err)
	}
	want := gate.Terms{
		Rule: gate.Rule{
			Name: "docker.io/library/*", Origin: "policy", At: at(8),
			Why:   "an exception holds up to and including 2027-06-30; without it the rule for docker.io/library/*, at policy.yaml:1:10, would decide",
			Notes: []string{"the exception for it at policy.yaml:9:5 (owner: former) ended with 2026-12-31"},
		},
		Exempt: &gate.Exemption{Until: time.Date(2027, 7, 1, 0, 0, 0, 0, time.UTC), Owner: "security", Reason: "because", At: at(8)},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %+v", got, got.Exempt)
	}
	if got, _ := termsOf(t, p, "busybox"); len(got.Require) != 1 || got.Exempt != nil {
		t.Errorf("busybox: %+v", got)
	}
	got, _ = termsOf(t, p, "quay.io/x")
	if got.Exempt != nil || got.Err == nil || !strings.Contains(got.Err.Error(), "(owner: former) ended with 2026-12-31") || len(got.Rule.Notes) != 1 {
		t.Errorf("quay.io/x: %+v", got)
	}
	if f := run(t, p, today, "quay.io/x").Findings()[0]; f.Reason() != verify.NoRule || !strings.Contains(f.Verdicts[0].Err().Error(), "ended with 2026-12-31") {
		t.Error(f.Reason(), f.Verdicts)
	}
	// Exceptions are no way around a policy that does not decide.
	p.rules = append(p.rules, ruleFor(t, 2, own, "docker.io/library/*"))
	if _, err := termsOf(t, p, "alpine"); err == nil {
		t.Error("a tie is hidden by an exception")
	}
}

func TestRulesWarnOfAll(t *testing.T) {
	p := &Policy{exceptions: []exception{
		exceptionFor(t, 9, "alpine", "2027-01-16", "b"),
		exceptionFor(t, 8, "docker.io/library/*", "2027-01-20", "a"),
		exceptionFor(t, 7, "docker.io/library/*", "2027-12-20", "far"),
		exceptionFor(t, 6, "quay.io/**", "2027-01-16", "unused"),
	}}
	uses := []image.Use{use(t, "alpine"), use(t, "alpine"), use(t, "busybox"), {Text: "$X", Err: errors.New("unset")}}
	r, err := p.Rules(uses, []System{fake}, today)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range r.Warnings() {
		got = append(got, w.Error())
	}
	want := []string{
		"policy.yaml:8:5: the exception of a ends with 2027-01-20, in 5 days; images of this run that it matches: 2",
		"policy.yaml:9:5: the exception of b ends with 2027-01-16, tomorrow; images of this run that it matches: 1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestRulesFor(t *testing.T) {
	p := &Policy{rules: []rule{ruleFor(t, 1, own, "**")}}
	here, foreign := use(t, "alpine"), use(t, "alpine")
	foreign.Foreign = true
	bad := image.Use{Text: "$X", Err: errors.New("unset")}
	r, err := p.Rules([]image.Use{here, foreign, bad, {}}, []System{fake}, today)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []image.Use{here, foreign} {
		if got := r.For(u).Require[0].(fakeCheck); got.foreign != u.Foreign || got.ref != u.Ref {
			t.Errorf("%+v", got)
		}
	}
	// What it was not made for lets nothing pass, also where ** matches it.
	broken := here
	broken.Err = errors.New("unset")
	for _, u := range []image.Use{use(t, "busybox"), use(t, "alpine@"+digestA), bad, {}, broken} {
		if got := r.For(u); len(got.Require) > 0 || got.Exempt != nil || got.Err == nil {
			t.Errorf("%+v: %+v", u, got)
		}
	}
	for _, zero := range []*Rules{nil, {}} {
		if got := zero.For(here); len(got.Require) > 0 || got.Exempt != nil || got.Err == nil {
			t.Errorf("zero: %+v", got)
		}
	}
	rep := gate.Check(t.Context(), []image.Use{use(t, "busybox")}, r, served{}, gate.Options{})
	if rep.Passed() || rep.Findings()[0].Reason() != verify.NoRule {
		t.Error(rep.Findings()[0].Reason())
	}
}

func passing(line int, name string, on ...string) requirement {
	r := needs(line, name)
	r.form.(*fakeForm).passes = func(ref image.Ref) bool { return len(on) == 0 || slices.Contains(on, ref.Repository()) }
	return r
}

func TestRequirements(t *testing.T) {
	never := needs
	for _, tt := range []struct {
		name    string
		require []requirement
		passes  bool
	}{
		{"one", []requirement{passing(1, "a")}, true},
		{"one fails", []requirement{never(1, "a")}, false},
		{"all of them", []requirement{passing(1, "a"), passing(2, "b")}, true},
		{"the second fails", []requirement{passing(1, "a"), never(2, "b")}, false},
		{"any-of", []requirement{{anyOf: []requirement{never(1, "a"), passing(2, "b")}}}, true},
		{"any-of none", []requirement{{anyOf: []requirement{never(1, "a"), never(2, "b")}}}, false},
		{"all-of", []requirement{{allOf: []requirement{passing(1, "a"), passing(2, "b")}}}, true},
		{"all-of but one", []requirement{{allOf: []requirement{passing(1, "a"), never(2, "b")}}}, false},
		{"nested", []requirement{{anyOf: []requirement{{allOf: []requirement{passing(1, "a"), never(2, "b")}}, {allOf: []requirement{passing(3, "c")}}}}}, true},
		{"nested fails", []requirement{{allOf: []requirement{passing(1, "a"), {anyOf: []requirement{never(2, "b")}}}}}, false},
		{"none", nil, false},
	} {
		r := ruleFor(t, 1, own, "**")
		r.require = tt.require
		rep := run(t, &Policy{rules: []rule{r}}, today, "alpine")
		if rep.Passed() != tt.passes {
			t.Errorf("%s: %v", tt.name, rep.Reason())
		}
	}
}

func TestRequirementFaults(t *testing.T) {
	broken := needs(4, "broken")
	broken.form.(*fakeForm).err = &verify.Error{Op: "read key", Err: errors.New("no such file"), Hint: "write it"}
	foreign := needs(5, "other")
	foreign.of.Name = "notation"
	for _, tt := range []struct {
		name    string
		require requirement
		systems []System
		want    string
	}{
		{"error", broken, []System{fake}, "policy.yaml:4:5: prepare the check of fake: read key: no such file"},
		{"error within", requirement{anyOf: []requirement{passing(3, "a"), broken}}, []System{fake}, "policy.yaml:4:5: prepare"},
		{"error deep within", requirement{allOf: []requirement{{anyOf: []requirement{broken}}}}, []System{fake}, "policy.yaml:4:5: prepare"},
		{"unknown system", foreign, []System{fake}, "policy.yaml:5:5: notation cannot be checked here"},
		{"no systems", needs(6, "a"), nil, "policy.yaml:6:5: fake cannot be checked here"},
		{"only read", needs(6, "a"), []System{{Name: "fake"}}, "policy.yaml:6:5: fake cannot be checked here"},
		{"no verifier", needs(6, "a"), []System{{Name: "fake", Verifier: func(Form, image.Use) (verify.Verifier, error) { return nil, nil }}}, "policy.yaml:6:5: fake gave no check"},
		{"empty", requirement{at: at(8)}, []System{fake}, "policy.yaml:8:5: the requirement is empty"},
	} {
		good, bad := ruleFor(t, 1, own, "**"), ruleFor(t, 2, own, "alpine")
		good.require = []requirement{passing(3, "good")}
		bad.require = []requirement{tt.require}
		p := &Policy{rules: []rule{good, bad}}
		systems := tt.systems
		rules, err := p.Rules([]image.Use{use(t, "alpine"), use(t, "alpine:3")}, systems, today)
		if rules != nil || err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", tt.name, err)
		}
		// What no image of the run needs is not made.
		if len(systems) > 0 && systems[0].Name == fake.Name && tt.name != "only read" && tt.name != "no verifier" {
			if _, err := p.Rules([]image.Use{use(t, "busybox")}, systems, today); err != nil {
				t.Errorf("%s, unused: %v", tt.name, err)
			}
		}
	}
}

func TestRulesTellsOfMany(t *testing.T) {
	p := &Policy{}
	var uses []image.Use
	for i := range 30 {
		r := ruleFor(t, i+1, own, "quay.io/a"+strings.Repeat("a", i))
		r.require[0].of.Name = "none"
		p.rules = append(p.rules, r)
		uses = append(uses, use(t, "quay.io/a"+strings.Repeat("a", i)))
	}
	_, err := p.Rules(uses, nil, today)
	if n := strings.Count(err.Error(), "\n"); n != 20 || !strings.HasSuffix(err.Error(), "and 10 more") || !errors.As(err, new(*Error)) {
		t.Error(n, err)
	}
}
