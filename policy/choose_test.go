package policy

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify"
)

var today = time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)

// A fakeForm passes images for which its letter stands in passes, or fails with
// the given error when its Verifier is made.
type fakeForm struct {
	name   string
	passes func(image.Ref) bool
	err    error
	doubts []Doubt
}

func (*fakeForm) Check() []*yamlshape.Fault { return nil }
func (f *fakeForm) Doubts() []Doubt         { return f.doubts }

// A fakeCheck is the Verifier of a fakeForm.
type fakeCheck struct {
	form    *fakeForm
	ref     image.Ref
	foreign bool
}

func (c fakeCheck) Verify(_ context.Context, img image.Pinned) verify.Verdict {
	if c.form.passes == nil || !c.form.passes(img.Ref()) || c.ref != img.Ref() {
		return verify.Fail(img, verify.Unsigned, errors.New(c.form.name)).For(c.form.name)
	}
	return verify.Pass(img, verify.Evidence{System: "fake", Format: "f", Signer: c.form.name, Digest: img.Digest()}).For(c.form.name)
}

var fake = System{Name: "fake", Verifier: func(f Form, u image.Use) (verify.Verifier, error) {
	form := f.(*fakeForm)
	if form.err != nil {
		return nil, form.err
	}
	return fakeCheck{form, u.Ref, u.Foreign}, nil
}}

func needs(line int, name string) requirement {
	return requirement{at: at(line), form: &fakeForm{name: name}, of: System{Name: "fake"}}
}

func at(line int) image.Position { return image.Position{File: "policy.yaml", Line: line, Col: 5} }

var (
	own  = origin{name: "policy"}
	base = origin{name: "policy base.yaml", layer: 1}
	pub  = origin{name: "publisher acme", layer: 9}
)

// ruleFor is a rule at a line that requires what is named like the line.
func ruleFor(t testing.TB, line int, o origin, list string) rule {
	t.Helper()
	return rule{at: at(line), origin: o, images: patterns(t, line, strings.Fields(list)...), require: []requirement{needs(line, fmt.Sprint("line", line))}}
}

func unsignedFor(t testing.TB, line int, list string, needDigest *bool) rule {
	t.Helper()
	r := ruleFor(t, line, own, list)
	r.require = nil
	r.unsigned = &allowUnsignedText{At: at(line + 1), RequireDigest: needDigest, Reason: yamlshape.Text{Value: "upstream does not sign", At: at(line + 1)}}
	return r
}

func exceptionFor(t testing.TB, line int, list, until, owner string) exception {
	t.Helper()
	day, err := time.Parse(time.DateOnly, until)
	if err != nil {
		t.Fatal(err)
	}
	return exception{exceptionText: exceptionText{
		At: at(line), Until: yamlshape.Date{Time: day, At: at(line)}, Owner: yamlshape.Text{Value: owner}, Reason: yamlshape.Text{Value: "because"},
	}, origin: own, match: patterns(t, line, strings.Fields(list)...)}
}

func use(t testing.TB, text string) image.Use {
	t.Helper()
	return image.Use{Text: text, Ref: ref(t, text)}
}

// termsOf is what p asks of the image, with the error of Rules.
func termsOf(t testing.TB, p *Policy, text string) (gate.Terms, error) {
	t.Helper()
	u := use(t, text)
	r, err := p.Rules([]image.Use{u}, []System{fake}, today)
	if err != nil {
		return gate.Terms{}, err
	}
	return r.For(u), nil
}

func TestChoice(t *testing.T) {
	p := &Policy{rules: []rule{
		ruleFor(t, 1, own, "ghcr.io/**"),
		ruleFor(t, 2, own, "ghcr.io/acme/** !ghcr.io/acme/legacy-*"),
		ruleFor(t, 3, own, "ghcr.io/acme/app quay.io/acme/**"),
		ruleFor(t, 4, own, "ghcr.io/acme/app:prod"),
		ruleFor(t, 5, base, "ghcr.io/acme/** docker.io/library/*"),
		ruleFor(t, 6, pub, "docker.io/library/* cgr.dev/**"),
		ruleFor(t, 7, base, "ghcr.io/acme/app@"+digestA),
		unsignedFor(t, 8, "docker.io/library/alpine", nil),
		ruleFor(t, 20, origin{name: "policy a.yaml", layer: 2}, "far.example/**"), // the layer counts, not the name
		ruleFor(t, 21, origin{name: "policy z.yaml", layer: 1}, "far.example/**"),
	}}
	if f := p.ties(); len(f) > 0 {
		t.Fatal(f[0])
	}
	for _, tt := range []struct {
		ref, name, origin string
		line              int
		why               string
	}{
		{"ghcr.io/other/x", "ghcr.io/**", "policy", 1, "its pattern ghcr.io/** is the only one that matches"},
		{"ghcr.io/acme/x", "ghcr.io/acme/**", "policy", 2, "its pattern ghcr.io/acme/** is as specific as ghcr.io/acme/**, at policy.yaml:5:10, and policy comes before policy base.yaml"},
		{"ghcr.io/acme/legacy-x", "ghcr.io/acme/**", "policy base.yaml", 5, "its pattern ghcr.io/acme/** is the most specific of 2 that match (ghcr.io/**, at policy.yaml:1:10)"},
		{"ghcr.io/acme/app", "ghcr.io/acme/app", "policy", 3, "its pattern ghcr.io/acme/app is the most specific of 4 that match (ghcr.io/acme/**, at policy.yaml:2:10; ghcr.io/acme/**, at policy.yaml:5:10; ghcr.io/**, at policy.yaml:1:10)"},
		{"ghcr.io/acme/app:prod", "ghcr.io/acme/app:prod", "policy", 4, "its pattern ghcr.io/acme/app:prod is the most specific of 5 that match (ghcr.io/acme/app, at policy.yaml:3:10; ghcr.io/acme/**, at policy.yaml:2:10; ghcr.io/acme/**, at policy.yaml:5:10; and 1 more)"},
		{"ghcr.io/acme/app:prod@" + digestB, "ghcr.io/acme/app", "policy", 3, ""},
		{"ghcr.io/acme/app:prod@" + digestA, "ghcr.io/acme/app@" + digestA, "policy base.yaml", 7, ""},
		{"quay.io/acme/x/y", "quay.io/acme/**", "policy", 3, ""},
		{"busybox", "docker.io/library/*", "policy base.yaml", 5, "its pattern docker.io/library/* is as specific as docker.io/library/*, at policy.yaml:6:10, and policy base.yaml comes before publisher acme"},
		{"cgr.dev/x/y", "cgr.dev/**", "publisher acme", 6, ""},
		{"far.example/x", "far.example/**", "policy z.yaml", 21, ""},
	} {
		got, err := termsOf(t, p, tt.ref)
		if err != nil {
			t.Errorf("%s: %v", tt.ref, err)
			continue
		}
		if r := got.Rule; r.Name != tt.name || r.Origin != tt.origin || r.At != at(tt.line) || tt.why != "" && r.Why != tt.why {
			t.Errorf("%s: %+v", tt.ref, r)
		}
		if len(got.Require) != 1 || got.Exempt != nil || got.Err != nil {
			t.Errorf("%s: %+v", tt.ref, got)
		} else if form := got.Require[0].(fakeCheck).form.name; form != fmt.Sprint("line", tt.line) {
			t.Errorf("%s: requires %s", tt.ref, form)
		}
	}
	got, err := termsOf(t, p, "alpine")
	want := &gate.Exemption{Unsigned: true, NeedDigest: true, Reason: "upstream does not sign", At: at(9)}
	if err != nil || len(got.Require) > 0 || !reflect.DeepEqual(got.Exempt, want) || got.Rule.At != at(8) {
		t.Errorf("alpine: %+v, %v", got, err)
	}
}

func TestAllowUnsigned(t *testing.T) {
	yes, no := true, false
	for _, tt := range []struct {
		set  *bool
		want bool
	}{{nil, true}, {&yes, true}, {&no, false}} {
		got, err := termsOf(t, &Policy{rules: []rule{unsignedFor(t, 1, "alpine", tt.set)}}, "alpine")
		if err != nil || got.Exempt == nil || got.Exempt.NeedDigest != tt.want {
			t.Errorf("%v: %+v, %v", tt.set, got.Exempt, err)
		}
	}
	// A rule that says both asks for what it requires.
	both := unsignedFor(t, 1, "alpine", nil)
	both.require = []requirement{needs(2, "both")}
	if got, err := termsOf(t, &Policy{rules: []rule{both}}, "alpine"); err != nil || got.Exempt != nil || len(got.Require) != 1 {
		t.Errorf("both: %+v, %v", got, err)
	}
	// One that says neither lets nothing pass.
	neither := both
	neither.require, neither.unsigned = nil, nil
	if got, err := termsOf(t, &Policy{rules: []rule{neither}}, "alpine"); err != nil || got.Exempt != nil || len(got.Require) > 0 || got.Err == nil {
		t.Errorf("neither: %+v, %v", got, err)
	}
}

func TestTies(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rules []string // each of the policy itself; with "base " or "pub " of another layer
		image string   // at which it shows when images are checked, "" where it never does
		tie   string   // what the Fault says, "" where none is found in the policy itself
	}{
		{"same", []string{"alpine", "docker.io/library/alpine"}, "alpine",
			"policy.yaml:2:10: the rule for docker.io/library/alpine is as specific as the rule for alpine at policy.yaml:1:10 (policy), and both match docker.io/library/alpine, so that neither decides"},
		{"second pattern", []string{"alpine ghcr.io/acme/**", "busybox quay.io/** ghcr.io/acme/**"}, "ghcr.io/acme/app", "policy.yaml:2:12: the rule for ghcr.io/acme/** is as specific as the rule for ghcr.io/acme/** at policy.yaml:1:11"},
		{"overlap", []string{"ghcr.io/a*/**", "ghcr.io/*a/**"}, "ghcr.io/abba/x", "policy.yaml:2:10"},
		{"overlap in tags", []string{"alpine:3.*", "alpine:*.3"}, "alpine:3.3", "policy.yaml:2:10"},
		{"disjoint tags", []string{"alpine:3*", "alpine:4*"}, "", ""},
		{"disjoint", []string{"ghcr.io/a*", "ghcr.io/b*"}, "", ""},
		{"disjoint ends", []string{"ghcr.io/*a", "ghcr.io/*b"}, "", ""},
		{"disjoint names", []string{"ghcr.io/acme/**", "ghcr.io/beta/**"}, "", ""},
		{"shifted", []string{"ghcr.io/**/a/**/b", "ghcr.io/**/b/**/b"}, "ghcr.io/x/a/b/x/b", "policy.yaml:2:10"},
		{"other layers", []string{"alpine", "base alpine", "pub alpine"}, "", ""},
		{"one other layer", []string{"pub alpine", "pub alpine"}, "alpine", "policy.yaml:2:10"},
		{"a tie below", []string{"base alpine", "base alpine", "alpine"}, "", ""},
		{"taken by a third", []string{"alpine:3*", "alpine:3*", "pub alpine@" + digestA}, "alpine:3", "policy.yaml:2:10"},
		{"wholly taken by a third", []string{"base ghcr.io/*/**", "base ghcr.io/*/**", "ghcr.io/*/**"}, "", ""},
		{"one level taken by a third", []string{"ghcr.io/acme/**", "ghcr.io/acme/**", "ghcr.io/acme/*"}, "ghcr.io/acme/a/b", "policy.yaml:2:10"},
		{"two levels taken", []string{"ghcr.io/acme/**", "ghcr.io/acme/**", "ghcr.io/acme/*", "ghcr.io/acme/*/*"}, "ghcr.io/acme/a/b/c", "policy.yaml:2:10"},
		{"excluded", []string{"ghcr.io/acme/** !ghcr.io/acme/a*", "ghcr.io/acme/a* ghcr.io/acme/a*/**"}, "", ""},
		{"one excluded", []string{"ghcr.io/acme/** !ghcr.io/acme/any", "ghcr.io/acme/**"}, "ghcr.io/acme/app", "policy.yaml:2:10"},
		{"the first guess excluded", []string{"ghcr.io/acme/* !ghcr.io/acme/x", "ghcr.io/acme/*"}, "ghcr.io/acme/app", "policy.yaml:2:10"},
		{"not with itself", []string{"ghcr.io/a*/** ghcr.io/*a/**", "ghcr.io/*a/**"}, "ghcr.io/aa/x", "policy.yaml:2:10"},
		{"any registry", []string{"**", "**", "docker.io/**"}, "quay.io/x", "policy.yaml:2:10"},
		{"any registry's app", []string{"**/app", "**/app"}, "quay.io/app", "policy.yaml:2:10"},
		{"digest", []string{"ghcr.io/**@" + digestA, "ghcr.io/**@" + digestA}, "ghcr.io/a@" + digestA, "policy.yaml:2:10"},
		{"other digest", []string{"ghcr.io/**@" + digestA, "ghcr.io/**@" + digestB}, "", ""},
		// It takes five segments at least to be past the third rules: found when
		// an image is checked.
		{"late", []string{"quay.io/**", "quay.io/**", "quay.io/*", "quay.io/*/*", "quay.io/*/*/*", "quay.io/*/*/*/*"}, "quay.io/a/b/c/d/e", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &Policy{}
			for i, text := range tt.rules {
				o, list := own, text
				if rest, ok := strings.CutPrefix(text, "base "); ok {
					o, list = base, rest
				} else if rest, ok := strings.CutPrefix(text, "pub "); ok {
					o, list = pub, rest
				}
				p.rules = append(p.rules, ruleFor(t, i+1, o, list))
			}
			for range 2 { // in both orders
				faults := p.ties()
				switch {
				case tt.tie == "" && len(faults) > 0:
					t.Errorf("unexpected: %v", faults[0])
				case tt.tie != "" && (len(faults) != 1 || !strings.Contains(faults[0].Error(), tt.tie) || faults[0].Next == ""):
					t.Errorf("%v, want %s", faults, tt.tie)
				}
				if tt.image != "" {
					_, err := termsOf(t, p, tt.image)
					var f *yamlshape.Fault
					if !errors.As(err, &f) || f.At != (image.Position{File: "policy.yaml", Line: 2, Col: f.At.Col}) || !strings.Contains(f.Error(), "so that neither decides") || !strings.Contains(f.Error(), "policy.yaml:1:1") {
						t.Errorf("%s: %v", tt.image, err)
					}
				}
				slices.Reverse(p.rules)
			}
		})
	}
}

// Read tells of ties, so that a policy that has one is none.
func TestReadTies(t *testing.T) {
	_, err := read(`version: 1
rules:
  - images: [ghcr.io/acme/**]
    allow-unsigned: {reason: a}
  - images: [quay.io/**, ghcr.io/acme/**]
    allow-unsigned: {reason: b}
`)
	var e *Error
	if !errors.As(err, &e) || len(e.Faults()) != 1 || !strings.Contains(err.Error(), ":5:26: the rule for ghcr.io/acme/** is as specific as the rule for ghcr.io/acme/** at p.yml:3:14 (policy), and both match ghcr.io/acme/x,") {
		t.Error(err)
	}
}

func TestTiesBound(t *testing.T) {
	p := &Policy{}
	for i := range 600 {
		p.rules = append(p.rules, ruleFor(t, i+1, own, "ghcr.io/**/a*b*c*d*e*f*g*h*/**/z"))
	}
	if f := p.ties(); len(f) != maxTies {
		t.Error(len(f))
	}
	// All are alike, and another decides in their place, which is seen of each
	// pair anew.
	for i := range p.rules {
		p.rules[i].origin = base
	}
	p.rules = append(p.rules, ruleFor(t, 900, own, "ghcr.io/**/a*b*c*d*e*f*g*h*/**/z"))
	if f := p.ties(); len(f) != 0 {
		t.Error(f[0])
	}
	p.rules = nil
	for i := range 600 {
		p.rules = append(p.rules, ruleFor(t, i+1, own, "ghcr.io/"+strings.Repeat("*a", 30)+fmt.Sprintf("%03d", i)))
	}
	if f := p.ties(); len(f) != 0 {
		t.Error(f[0])
	}
}

func TestNoRule(t *testing.T) {
	p := &Policy{rules: []rule{
		ruleFor(t, 1, own, "ghcr.io/acme/** !ghcr.io/acme/legacy"),
		ruleFor(t, 2, own, "ghcr.io/acne/**"),
		ruleFor(t, 3, own, "ghcr.io/other/app:prod"),
		ruleFor(t, 4, own, "quay.io/**"),
		ruleFor(t, 5, own, "ghcr.io/zeta/app@"+digestA),
	}}
	for _, tt := range []struct{ ref, want, hint string }{
		{"ghcr.io/acm/app", "none matches it; the nearest are ghcr.io/acme/**, at policy.yaml:1:10; ghcr.io/acne/**, at policy.yaml:2:10; ghcr.io/other/app:prod, at policy.yaml:3:10", "`- {images: [ghcr.io/acm/app],"},
		{"ghcr.io/other/app:prod@" + digestA, "the nearest are ghcr.io/other/app:prod, at policy.yaml:3:10 (not for references with a digest); ", "`- {images: [ghcr.io/other/app],"},
		{"ghcr.io/other/app", "the nearest are ghcr.io/other/app:prod, at policy.yaml:3:10 (for other tags); ", "`- {images: [ghcr.io/other/app],"},
		{"ghcr.io/zeta/app", "the nearest are ghcr.io/zeta/app@" + digestA[:60], "`- {images: [ghcr.io/zeta/app],"},
		{"ghcr.io/zeta/app@" + digestB, "at policy.yaml:5:10 (for another digest); ", "`- {images: [ghcr.io/zeta/app],"},
		{"ghcr.io/acme/legacy", "the nearest are ghcr.io/acme/**, at policy.yaml:1:10 (a ! in its list excludes the image); ", "`- {images: [ghcr.io/acme/legacy],"},
		{"alpine", "search the rules of the policy: none matches it", "`- {images: [docker.io/library/alpine],"},
		{"cgr.dev/chainguard/go", "none matches it", "list chainguard"},
	} {
		p.Unlisted = func(r image.Ref) string {
			if r.Registry() == "cgr.dev" {
				return "list chainguard"
			}
			return ""
		}
		got, err := termsOf(t, p, tt.ref)
		if err != nil || len(got.Require) > 0 || got.Exempt != nil || got.Err == nil || got.Rule.Name != "" {
			t.Errorf("%s: %+v, %v", tt.ref, got, err)
			continue
		}
		if !strings.Contains(got.Err.Error(), tt.want) || !strings.Contains(verify.Hint(got.Err), tt.hint) {
			t.Errorf("%s: %v; %s", tt.ref, got.Err, verify.Hint(got.Err))
		}
		if near := strings.Contains(got.Err.Error(), "nearest"); near != strings.HasPrefix(tt.ref, "ghcr.io/") {
			t.Errorf("%s: %v: other registries are not near", tt.ref, got.Err)
		}
		rep := run(t, p, today, tt.ref)
		if f := rep.Findings()[0]; rep.Passed() || f.Reason() != verify.NoRule || !strings.Contains(verify.Hint(f.Verdicts[0].Err()), tt.hint) {
			t.Errorf("%s: %s", tt.ref, f.Reason())
		}
	}
	p.Unlisted = nil
	if got, _ := termsOf(t, p, "cgr.dev/x"); !strings.Contains(verify.Hint(got.Err), "- {images: [cgr.dev/x],") || !strings.Contains(verify.Hint(got.Err), "notation: {certificates: [") {
		t.Error(verify.Hint(got.Err))
	}
}

// served resolves everything, to the digest that was written or to digestA.
type served struct{}

func (served) Resolve(_ context.Context, r image.Ref) (image.Pinned, error) {
	if r.Digest() != "" {
		return r.Pin(r.Digest())
	}
	return r.Pin(digestA)
}

// run is what the gate says of images by p.
func run(t testing.TB, p *Policy, now time.Time, refs ...string) gate.Report {
	t.Helper()
	var uses []image.Use
	for _, text := range refs {
		uses = append(uses, use(t, text))
	}
	rules, err := p.Rules(uses, []System{fake}, now)
	if err != nil {
		t.Fatal(err)
	}
	return gate.Check(t.Context(), uses, rules, served{}, gate.Options{Jobs: 1, Now: func() time.Time { return now }})
}
