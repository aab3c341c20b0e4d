package policy

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// A world makes random policies, always the same ones, over a few names, so that
// patterns meet often.
type world struct {
	*rand.Rand
	t     *testing.T
	lines int
}

func worldOf(t *testing.T, seed uint64) *world {
	return &world{Rand: rand.New(rand.NewPCG(seed, 5)), t: t}
}

func pick[T any](w *world, from ...T) T { return from[w.IntN(len(from))] }

func (w *world) pattern() string {
	var b strings.Builder
	b.WriteString(pick(w, "ghcr.io", "ghcr.io", "docker.io", "**", "*.io.example", "acme"))
	for range 1 + w.IntN(3) {
		b.WriteString("/" + pick(w, "a", "b", "a", "*", "a*", "*b", "**"))
	}
	return b.String() + pick(w, "", "", "", "", ":v1", ":v*", ":*", "@"+digestA)
}

func (w *world) image() string {
	var b strings.Builder
	b.WriteString(pick(w, "ghcr.io", "ghcr.io", "docker.io", "x.io.example", "acme"))
	for range 1 + w.IntN(3) {
		b.WriteString("/" + pick(w, "a", "b", "ab", "abb", "c"))
	}
	return b.String() + pick(w, "", ":v1", ":v2", "@"+digestA, ":v1@"+digestA, "@"+digestB)
}

func (w *world) images() []string {
	var out []string
	for range 12 {
		out = append(out, w.image())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (w *world) list() string {
	out := []string{w.pattern()}
	for range w.IntN(3) {
		out = append(out, pick(w, "", "!")+w.pattern())
	}
	return strings.Join(out, " ")
}

// requirement passes some images, which ones depends on its name alone.
func (w *world) requirement(depth int) requirement {
	w.lines++
	r := requirement{at: at(w.lines)}
	switch kind := w.IntN(6); {
	case kind > 1 || depth > 2:
		r = needs(w.lines, fmt.Sprint(w.IntN(20)))
		form := r.form.(*fakeForm)
		form.passes = func(ref image.Ref) bool {
			h := fnv.New32a()
			_, _ = h.Write([]byte(form.name + ref.String()))
			return h.Sum32()%3 > 0
		}
	case kind == 0:
		for range 1 + w.IntN(3) {
			r.anyOf = append(r.anyOf, w.requirement(depth+1))
		}
	default:
		for range 1 + w.IntN(3) {
			r.allOf = append(r.allOf, w.requirement(depth+1))
		}
	}
	return r
}

func (w *world) rule() rule {
	w.lines++
	line := w.lines
	if w.IntN(5) == 0 {
		needDigest := w.IntN(2) == 0
		return unsignedFor(w.t, line, w.list(), &needDigest)
	}
	r := ruleFor(w.t, line, pick(w, own, own, base, pub), w.list())
	r.require = nil
	for range 1 + w.IntN(2) {
		r.require = append(r.require, w.requirement(0))
	}
	return r
}

func (w *world) exception() exception {
	w.lines++
	return exceptionFor(w.t, w.lines, w.list(), pick(w, "2027-01-14", "2027-01-15", "2027-01-20", "2027-06-01"), pick(w, "x", "y"))
}

// policy returns one that decides for all of images: where it has ties, rules
// are left out.
func (w *world) policy(images []string) *Policy {
	p := &Policy{}
	for range 1 + w.IntN(10) {
		p.rules = append(p.rules, w.rule())
	}
	for range w.IntN(4) {
		p.exceptions = append(p.exceptions, w.exception())
	}
	for len(p.rules) > 0 {
		if _, err := p.Rules(w.uses(images), []System{fake}, today); err == nil {
			break
		}
		p.rules = p.rules[1:]
	}
	return p
}

func (w *world) uses(images []string) []image.Use {
	var out []image.Use
	for _, text := range images {
		out = append(out, use(w.t, text))
	}
	return out
}

// terms is what p asks, in a form that can be compared; "" where it has a tie.
func (w *world) terms(p *Policy, images []string) []string {
	rules, err := p.Rules(w.uses(images), []System{fake}, today)
	if err != nil {
		return nil
	}
	var out []string
	for _, u := range w.uses(images) {
		out = append(out, fmt.Sprintf("%s %s", u.Ref, tellTerms(rules.For(u))))
	}
	for _, f := range rules.Warnings() {
		out = append(out, f.Error())
	}
	return out
}

func tellTerms(t gate.Terms) string {
	s := fmt.Sprintf("%+v %v %s;", t.Rule, t.Err, verify.Hint(t.Err))
	if t.Exempt != nil {
		s += fmt.Sprintf(" %+v", *t.Exempt)
	}
	for _, v := range t.Require {
		s += " " + tellVerifier(reflect.ValueOf(v))
	}
	return s
}

// tellVerifier spells AnyOf and AllOf out.
func tellVerifier(v reflect.Value) string {
	if c, ok := v.Interface().(fakeCheck); ok {
		return c.form.name + "@" + c.ref.String()
	}
	var parts []string
	for i := range v.Len() {
		parts = append(parts, tellVerifier(v.Index(i).Elem()))
	}
	return v.Type().Name() + "(" + strings.Join(parts, " ") + ")"
}

// verdicts is what the gate says of each image.
func (w *world) verdicts(p *Policy, images []string) map[string]verify.Reason {
	out := map[string]verify.Reason{}
	for _, f := range run(w.t, p, today, images...).Findings() {
		out[f.Use.Text] = f.Reason()
		if passed := f.Reason() == verify.Verified || f.Reason() == verify.Exempt; passed != f.Passed() {
			w.t.Fatalf("%s: %s, passed %v", f.Use.Text, f.Reason(), f.Passed())
		}
	}
	return out
}

// worlds is how many are looked at.
func worlds() uint64 {
	if raced || testing.Short() {
		return 100
	}
	return 2000
}

// Counts of what was seen keep the properties from holding for want of cases.
func need(t *testing.T, what string, n, least int) {
	t.Helper()
	if n < least && worlds() > 100 {
		t.Errorf("only %d × %s", n, what)
	}
}

func TestPropertyException(t *testing.T) {
	changed, same := 0, 0
	for seed := range worlds() {
		w := worldOf(t, seed)
		images := w.images()
		p := w.policy(images)
		before := w.verdicts(p, images)
		e := w.exception()
		p.exceptions = slices.Insert(p.exceptions, w.IntN(len(p.exceptions)+1), e)
		after := w.verdicts(p, images)
		for _, text := range images {
			_, covered := e.match.lettingThrough().Match(ref(t, text))
			switch {
			case covered && today.Before(e.end()):
				if after[text] != verify.Exempt {
					t.Fatalf("%d: %s is covered, and %s", seed, text, after[text])
				}
				changed++
			case after[text] != before[text]:
				t.Fatalf("%d: %s went from %s to %s by an exception for %v", seed, text, before[text], after[text], e.match)
			default:
				same++
			}
		}
	}
	need(t, "covered", changed, 1000)
	need(t, "not covered", same, 1000)
}

func TestPropertyRequirement(t *testing.T) {
	seen := map[string]int{}
	for seed := range worlds() {
		w := worldOf(t, seed)
		images := w.images()
		p := w.policy(images)
		if len(p.rules) == 0 {
			continue
		}
		before := w.verdicts(p, images)
		// A rule that lets images through unsigned has nothing to add to: only a
		// requirement beside what is required is one more.
		r := &p.rules[w.IntN(len(p.rules))]
		added := w.requirement(0)
		switch {
		case r.unsigned != nil:
			continue
		case len(r.require[0].allOf) > 0 && w.IntN(2) == 0:
			r.require[0].allOf = append(r.require[0].allOf, added)
		default:
			r.require = slices.Insert(r.require, w.IntN(len(r.require)+1), added)
		}
		for text, reason := range w.verdicts(p, images) {
			passed := func(r verify.Reason) bool { return r == verify.Verified || r == verify.Exempt }
			if passed(reason) && before[text] != reason {
				t.Fatalf("%d: %s went from %s to %s", seed, text, before[text], reason)
			}
			seen[fmt.Sprint(passed(before[text]), passed(reason))]++
		}
	}
	need(t, "still failing", seen["false false"], 1000)
	need(t, "still passing", seen["true true"], 1000)
	need(t, "passing no more", seen["true false"], 100)
}

func TestPropertyOrder(t *testing.T) {
	decided, ties := 0, 0
	for seed := range worlds() {
		w := worldOf(t, seed)
		images := w.images()
		p := w.policy(images)
		if seed%4 == 0 && len(p.rules) > 0 { // ties stay ties
			again := p.rules[w.IntN(len(p.rules))]
			again.at.Line++
			p.rules = append(p.rules, again)
		}
		before := w.terms(p, images)
		tied := len(p.ties())
		lint := fmt.Sprint(p.Lint(today))
		shuffle := func(n int, swap func(i, j int)) { w.Shuffle(n, swap) }
		shuffle(len(p.rules), func(i, j int) { p.rules[i], p.rules[j] = p.rules[j], p.rules[i] })
		shuffle(len(p.exceptions), func(i, j int) { p.exceptions[i], p.exceptions[j] = p.exceptions[j], p.exceptions[i] })
		if got := fmt.Sprint(p.Lint(today)); got != lint {
			t.Fatalf("%d: %s, then %s", seed, lint, got)
		}
		for _, r := range p.rules {
			for _, list := range [][]Pattern{r.images.match, r.images.not} {
				shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			}
		}
		after := w.terms(p, images)
		if !slices.Equal(before, after) {
			t.Fatalf("%d:\n%s\n%s", seed, strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
		if got := len(p.ties()); (got > 0) != (tied > 0) {
			t.Fatalf("%d: %d ties, then %d", seed, tied, got)
		}
		if before == nil {
			ties++
		} else {
			decided++
		}
	}
	need(t, "decided", decided, 1000)
	need(t, "tied", ties, 20)
}

// A tie that is told of when a policy is read is one of an image, and what is
// found at an image is of the same two rules as when all are compared one by one.
func TestPropertyChoice(t *testing.T) {
	chosen, ties := 0, 0
	for seed := range worlds() {
		w := worldOf(t, seed)
		p := &Policy{}
		for range 1 + w.IntN(10) {
			p.rules = append(p.rules, w.rule())
		}
		c := p.chooser()
		for _, text := range w.images() {
			r := ref(t, text)
			// The same, by what the contract says, without an index.
			var best, equal *rule
			var by Pattern
			for i := range p.rules {
				images := p.rules[i].images
				if p.rules[i].unsigned != nil {
					images = images.lettingThrough()
				}
				got, ok := images.Match(r)
				if !ok {
					continue
				}
				switch d := got.Compare(by); {
				case best == nil || d > 0 || d == 0 && p.rules[i].origin.layer < best.origin.layer:
					best, equal, by = &p.rules[i], nil, got
				case d == 0 && p.rules[i].origin.layer == best.origin.layer:
					equal = &p.rules[i]
				}
			}
			found := c.matching(targetOf(r))
			if (len(found) > 0) != (best != nil) || (c.undecided(found) != nil) != (equal != nil) {
				t.Fatalf("%d: %s: %d found, undecided %v", seed, text, len(found), c.undecided(found) != nil)
			}
			if equal != nil {
				ties++
			} else if best != nil {
				chosen++
				if got := &p.rules[found[0].list]; got != best || found[0].pattern.text != by.text {
					t.Fatalf("%d: %s: %s at %d instead of %s at %d", seed, text, found[0].pattern, got.at.Line, by, best.at.Line)
				}
			}
		}
		for _, f := range p.ties() {
			_, rest, _ := strings.Cut(f.Err.Error(), "both match ")
			text, _, _ := strings.Cut(rest, ", so that")
			if _, err := p.Rules([]image.Use{use(t, text)}, []System{fake}, today); err == nil {
				t.Fatalf("%d: %v, which is decided", seed, f)
			}
		}
	}
	need(t, "chosen", chosen, 1000)
	need(t, "tied", ties, 20)
}

// A pattern with ! takes images from its rule, and gives it none.
func TestPropertyExclusion(t *testing.T) {
	fewer := 0
	for seed := range worlds() {
		w := worldOf(t, seed)
		list := strings.Fields(w.list())
		before := patterns(t, 1, list...)
		after := patterns(t, 1, append(list, "!"+w.pattern())...)
		for _, text := range w.images() {
			was, did := before.Match(ref(t, text))
			is, does := after.Match(ref(t, text))
			if does && (!did || is.text != was.text) {
				t.Fatalf("%d: %v takes %s", seed, after, text)
			}
			if did && !does {
				fewer++
			}
		}
	}
	need(t, "excluded", fewer, 50)
}

// A rule that is told to be shadowed decides nowhere.
func TestPropertyShadow(t *testing.T) {
	shadowed := 0
	for seed := range worlds() {
		w := worldOf(t, seed)
		p := &Policy{}
		for range 2 + w.IntN(6) {
			p.rules = append(p.rules, w.rule())
		}
		for _, d := range p.Lint(today) {
			if d.Lint != lintShadowed {
				continue
			}
			shadowed++
			for _, text := range append(w.images(), sampleRefs...) {
				if found := p.chooser().matching(targetOf(ref(t, text))); len(found) > 0 && p.rules[found[0].list].at == d.At {
					t.Fatalf("%d: %v, and it decides for %s", seed, d.Err, text)
				}
			}
		}
	}
	need(t, "shadowed", shadowed, 5)
}
