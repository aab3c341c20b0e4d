package policy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify"
)

// soon is how long before its end an exception is warned of.
const soon = 14 * 24 * time.Hour

// Rules are what a policy asks of the images of a run. The zero Rules let
// nothing pass.
type Rules struct {
	terms    map[question]gate.Terms
	warnings []*yamlshape.Fault
}

var _ gate.Rules = (*Rules)(nil)

// A question is an image, and whether it is for another platform.
type question struct {
	ref     image.Ref
	foreign bool
}

// Rules says what is asked of the image of each use at the time now, and makes
// the Verifiers for it with systems. Uses that name no image are passed over.
// An error is an [*Error]: rules of which neither decides for an image, and
// requirements that cannot be checked.
func (p *Policy) Rules(uses []image.Use, systems []System, now time.Time) (*Rules, error) {
	b := binder{
		chooser: p.chooser(), systems: systems, now: now,
		rules: &Rules{terms: map[question]gate.Terms{}}, seen: map[*exception]int{}, faults: map[string]*yamlshape.Fault{},
	}
	for _, u := range uses {
		q := question{u.Ref, u.Foreign}
		if _, again := b.rules.terms[q]; !again && u.Err == nil && !u.Ref.IsZero() {
			b.rules.terms[q] = b.terms(u)
		}
	}
	if len(b.faults) > 0 {
		return nil, &Error{sortedFaults(b.faults)}
	}
	b.rules.warnings = b.warnings()
	return b.rules, nil
}

func sortedFaults(faults map[string]*yamlshape.Fault) []*yamlshape.Fault {
	var all []*yamlshape.Fault
	for _, text := range slices.Sorted(maps.Keys(faults)) { // those of one place in an order
		all = append(all, faults[text])
	}
	yamlshape.Sort(all)
	return all
}

// For implements [gate.Rules]. A use that r was not made for gets Terms that let
// nothing pass.
func (r *Rules) For(u image.Use) gate.Terms {
	if r != nil {
		if t, ok := r.terms[question{u.Ref, u.Foreign}]; ok && u.Err == nil {
			return t
		}
	}
	return gate.Terms{Err: errors.New("the policy was not asked about this image before the run")}
}

// Warnings returns what will need work soon, by its place: exceptions that match
// an image of the run and end in less than 14 days, or have ended.
func (r *Rules) Warnings() []*yamlshape.Fault { return slices.Clone(r.warnings) }

// A binder makes Rules.
type binder struct {
	*chooser
	systems []System
	now     time.Time
	rules   *Rules
	looked  int                // patterns, for messages
	seen    map[*exception]int // how many images of the run each one matches
	faults  map[string]*yamlshape.Fault
}

func (b *binder) fault(f *yamlshape.Fault) { b.faults[f.Error()] = f }

func (b *binder) terms(u image.Use) gate.Terms {
	t := targetOf(u.Ref)
	found := b.matching(t)
	if tied := b.undecided(found); tied != nil {
		f := b.tie(tied[0], tied[1], u.Ref.String())
		b.fault(f)
		return gate.Terms{Err: f}
	}
	holds, pattern, notes, next := b.exceptionFor(t)
	switch {
	case holds != nil:
		return gate.Terms{
			Rule: gate.Rule{Name: pattern.text, Origin: holds.origin.name, At: holds.At, Why: b.whyExempt(holds, found), Notes: notes},
			Exempt: &gate.Exemption{
				Until: holds.end(), Owner: holds.Owner.Value, Reason: holds.Reason.Value, At: holds.At,
			},
		}
	case len(found) == 0:
		return gate.Terms{Rule: gate.Rule{Notes: notes, Next: next}, Err: b.unspoken(u.Ref, t, notes)}
	}
	r := &b.chooser.rules[found[0].list]
	terms := gate.Terms{Rule: gate.Rule{Name: found[0].pattern.text, Origin: r.origin.name, At: r.at, Why: b.why(found), Notes: notes, Others: len(r.images.match) - 1, Next: next}}
	if r.unsigned != nil && len(r.require) == 0 {
		terms.Exempt = &gate.Exemption{
			Unsigned: true, NeedDigest: r.unsigned.needsDigest(), Reason: r.unsigned.Reason.Value, At: r.unsigned.At,
		}
		return terms
	}
	all, ok := b.verifiers(r.require, u)
	if !ok || len(all) == 0 {
		terms.Err = errors.New("the rule for it asks for nothing that can be checked")
		return terms
	}
	terms.Require = all
	return terms
}

func (a *allowUnsignedText) needsDigest() bool { return a.RequireDigest == nil || *a.RequireDigest }

// end returns the moment from which e no longer holds: its last day counts.
func (e *exception) end() time.Time { return e.Until.Time.AddDate(0, 0, 1) }

// exceptionFor returns the exception that holds for t and ends last, with its
// pattern, and what there is to say and to do of those that have ended.
func (b *binder) exceptionFor(t target) (holds *exception, by Pattern, notes []string, next string) {
	var ended []*exception
	for _, m := range b.byException.find(t) {
		e := &b.exceptions[m.list]
		b.seen[e]++
		switch {
		case !b.now.Before(e.end()):
			ended = append(ended, e)
		case holds == nil || e.rank(holds) < 0:
			holds, by = e, m.pattern
		}
	}
	slices.SortFunc(ended, func(a, b *exception) int { return a.rank(b) })
	for i, e := range ended {
		if i == maxTold {
			notes = append(notes, fmt.Sprintf("%d more exceptions for it have ended", len(ended)-maxTold))
			break
		}
		notes = append(notes, fmt.Sprintf("the exception for it at %s (owner: %s) ended with %s", where(e.At), clipText(e.Owner.Value), day(e.Until)))
	}
	if len(ended) > 0 {
		next = fmt.Sprintf("set until anew in the exception at %s if its owner (%s) agrees, or take it out", where(ended[0].At), clipText(ended[0].Owner.Value))
	}
	return holds, by, notes, next
}

// rank is negative where e counts before o: it ends later, or else its file is
// nearer to the policy.
func (e *exception) rank(o *exception) int {
	return cmp.Or(o.Until.Time.Compare(e.Until.Time), cmp.Compare(e.origin.layer, o.origin.layer),
		cmp.Compare(e.origin.name, o.origin.name), comparePlaces(e.At, o.At))
}

func day(d yamlshape.Date) string { return d.Time.Format(time.DateOnly) }

// clipText bounds text of the file, which need not be ASCII.
func clipText(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

func (b *binder) whyExempt(e *exception, found []match) string {
	without := "without it no rule would speak of the image"
	if len(found) > 0 {
		without = "without it the rule for " + b.told(found[0]) + ", would decide"
	}
	return "an exception holds up to and including " + day(e.Until) + "; " + without
}

// unspoken says that no rule matches, which are near, and what to add.
func (b *binder) unspoken(ref image.Ref, t target, notes []string) error {
	said, op := []string{"none matches it"}, "search the rules of the policy"
	if !slices.ContainsFunc(b.Policy.rules, func(r rule) bool { return !r.origin.builtIn() }) && len(b.Policy.exceptions) == 0 {
		said[0], op = "none of them is known to publish it, and no policy says who does", "look among the built-in publishers"
	}
	for i, m := range b.near(t) {
		if i == 0 {
			said[0] += "; the nearest are " + b.told(m) + apart(m.pattern, t)
			continue
		}
		said = append(said, b.told(m)+apart(m.pattern, t))
	}
	said = append(said, notes...)
	hint := "add a rule to the policy (.boltseal.yaml), such as `- {images: [" + ref.Name() + "], require: [sigstore: {identities: [{issuer: ISSUER, subject: SUBJECT}]}]}`, or `notation: {certificates: [ROOT.crt], identities: [SUBJECT]}` in the place of sigstore for a signature of the Notary Project; boltseal policy init finds out who signed it"
	if b.Unlisted != nil {
		hint = cmp.Or(b.Unlisted(ref), hint)
	}
	return &verify.Error{Op: op, Err: errors.New(strings.Join(said, "; ")), Hint: hint}
}

// apart says why a rule does not speak of t although the pattern's name does.
func apart(p Pattern, t target) string {
	switch {
	case p.matches(t):
		return " (a ! in its list excludes the image)"
	case !matchName(p.name, t.name):
		return ""
	case p.digest != "":
		return " (for another digest)"
	case t.digest != "":
		return " (not for references with a digest)"
	}
	return " (for other tags)"
}

// A neighbour is a rule that does not speak of an image, and how much of the
// name its pattern shares with it.
type neighbour struct {
	match
	segments, letters int
}

func (n neighbour) compare(o neighbour) int {
	return cmp.Or(cmp.Compare(o.segments, n.segments), cmp.Compare(o.letters, n.letters),
		cmp.Compare(n.pattern.text, o.pattern.text), comparePlaces(n.pattern.at, o.pattern.at))
}

// maxLooked bounds the patterns that are looked at for the sake of messages, in
// all of a run. Many images that no rule speaks of must not make it last.
const maxLooked = 1_000_000

// near returns a few rules for images of t's registry, the nearest first; none
// once too many patterns have been looked at.
func (b *binder) near(t target) []match {
	var nearest []neighbour
	for i := range b.chooser.rules {
		if b.looked += len(b.chooser.rules[i].images.match); b.looked > maxLooked {
			return nil
		}
		for _, p := range b.chooser.rules[i].images.match {
			n := neighbour{match: match{i, p}}
			for n.segments < min(len(p.name), len(t.name)) && !p.name[n.segments].deep && p.name[n.segments].matches(t.name[n.segments]) {
				n.segments++
			}
			if n.segments == 0 {
				continue
			}
			if n.segments < min(len(p.name), len(t.name)) {
				n.letters = shared(p.name[n.segments].text, t.name[n.segments])
			}
			at, _ := slices.BinarySearchFunc(nearest, n, neighbour.compare)
			nearest = slices.Insert(nearest, at, n)
			nearest = nearest[:min(len(nearest), maxTold)]
		}
	}
	var out []match
	for _, n := range nearest {
		out = append(out, n.match)
	}
	return out
}

// shared returns how many bytes a and b begin with together.
func shared(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// verifiers makes the check of each requirement, false where one cannot be made.
// They are made for each image, not for each rule: a System may look at the Ref.
func (b *binder) verifiers(all []requirement, u image.Use) ([]verify.Verifier, bool) {
	var out []verify.Verifier
	for i := range all {
		v := b.verifier(&all[i], u)
		if v == nil {
			return nil, false
		}
		out = append(out, v)
	}
	return out, true
}

// verifier makes the check of one requirement. It is nil where that failed,
// which is then among the faults.
func (b *binder) verifier(r *requirement, u image.Use) verify.Verifier {
	switch {
	case r.form != nil:
		return b.formVerifier(r, u)
	case len(r.anyOf) > 0:
		if all, ok := b.verifiers(r.anyOf, u); ok {
			return verify.AnyOf(all...)
		}
	case len(r.allOf) > 0:
		if all, ok := b.verifiers(r.allOf, u); ok {
			return verify.AllOf(all...)
		}
	default:
		b.fault(yamlshape.Faultf(r.at, "say what is required", "the requirement is empty"))
	}
	return nil
}

func (b *binder) formVerifier(r *requirement, u image.Use) verify.Verifier {
	i := slices.IndexFunc(b.systems, func(s System) bool { return s.Name == r.of.Name && s.Verifier != nil })
	if i < 0 {
		b.fault(yamlshape.Faultf(r.at, "require something else", "%s cannot be checked here", r.of.Name))
		return nil
	}
	v, err := b.systems[i].Verifier(r.form, u)
	placed := (*yamlshape.Fault)(nil)
	switch {
	case errors.As(err, &placed): // it knows the place better
		b.fault(placed)
		return nil
	case err != nil:
		b.fault(&yamlshape.Fault{At: r.at, Err: fmt.Errorf("prepare the check of %s: %w", r.of.Name, err), Next: verify.Hint(err)})
		return nil
	case v == nil:
		b.fault(yamlshape.Faultf(r.at, "", "%s gave no check", r.of.Name))
		return nil
	}
	return v
}

// warnings tells of the exceptions that matched.
func (b *binder) warnings() []*yamlshape.Fault {
	faults := map[string]*yamlshape.Fault{}
	for e, images := range b.seen {
		f := e.warning(b.now)
		if f == nil {
			continue
		}
		f.Err = fmt.Errorf("%w; images of this run that it matches: %d", f.Err, images)
		faults[f.Error()] = f
	}
	return sortedFaults(faults)
}

// warning says that e has ended or ends soon, nil where it does neither.
func (e *exception) warning(now time.Time) *yamlshape.Fault {
	switch left := e.end().Sub(now); {
	case left <= 0:
		return yamlshape.Faultf(e.At, "take it out, or set until anew if its owner agrees",
			"the exception of %s ended with %s", clipText(e.Owner.Value), day(e.Until))
	case left < soon:
		days := "today"
		switch n := int(left / (24 * time.Hour)); n {
		case 0:
		case 1:
			days = "tomorrow"
		default:
			days = fmt.Sprintf("in %d days", n)
		}
		return yamlshape.Faultf(e.At, "end the need for it, or set until anew if its owner agrees",
			"the exception of %s ends with %s, %s", clipText(e.Owner.Value), day(e.Until), days)
	}
	return nil
}
