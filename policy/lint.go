package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/internal/yamlshape"
)

// A Lint is a kind of Doubt about what a policy says as a whole. Those about one
// requirement come from its System.
type Lint struct {
	Name string // stable
	Doc  string // one sentence
}

// The names of the Lints.
const (
	lintDuplicate  = "duplicate-pattern"
	lintExcluded   = "excluded-pattern"
	lintIdle       = "idle-exclusion"
	lintHub        = "docker-hub-name"
	lintShadowed   = "shadowed-rule"
	lintOverridden = "overridden-rules"
	lintTag        = "tag-needs-digest"
	lintWide       = "wide-allow-unsigned"
	lintMutable    = "unsigned-by-tag"
	lintWideExempt = "wide-exception"
	lintExpired    = "expired-exception"
	lintExpiring   = "expiring-exception"
	lintOpen       = "open-ended-exception"
)

// Lints returns what [Policy.Lint] looks for besides the Doubts of Forms, in the
// order of its documentation.
func Lints() []Lint {
	return []Lint{
		{lintDuplicate, "A list has the same pattern twice."},
		{lintExcluded, "A pattern can never match, because one with ! in its own list excludes all of it."},
		{lintIdle, "A pattern with ! excludes nothing that its list would match, which is often a misspelt name."},
		{lintHub, "A pattern means images of Docker Hub, and looks as if it meant a registry, or those of all registries."},
		{lintShadowed, "A rule can never decide, because others decide for all of its images."},
		{lintOverridden, "No rule of a publisher or of an extended policy ever decides, because the policy's own rules decide for all of their images."},
		{lintTag, "A pattern with a tag matches only references without a digest, and its rule allows only those with one, so that no image can pass."},
		{lintWide, "A rule lets the images of a whole registry, or of registries that anybody may open, through unsigned."},
		{lintMutable, "A rule lets images through unsigned by tag, which whoever may push can move at any time."},
		{lintWideExempt, "An exception is as wide as a registry, or wider."},
		{lintExpired, "An exception has ended."},
		{lintExpiring, "An exception ends in less than 14 days."},
		{lintOpen, "An exception ends in more than 366 days, which is to say that nobody will look at it again."},
	}
}

// maxLintWork bounds what is done to hold patterns against each other, in
// characters of one against those of another. What is left is not doubted,
// however doubtful: nothing is decided by it.
const maxLintWork = 1 << 27

// A linter collects doubts.
type linter struct {
	*chooser
	now    time.Time
	doubts []Doubt
	work   int // done, as maxLintWork counts it
}

// spend reports whether there is enough left for some work.
func (l *linter) spend(n int) bool {
	l.work += n
	return l.work <= maxLintWork
}

// Lint returns what p allows that is probably a mistake, by its place. Built-in
// publishers are not looked into: nobody who reads the Doubts can change them.
func (p *Policy) Lint(now time.Time) []Doubt {
	l := linter{chooser: p.chooser(), now: now}
	for i := range p.rules {
		r := &p.rules[i]
		if r.origin.builtIn() {
			continue
		}
		l.list(r.images)
		l.forms(r.require, r.images.names())
		if r.unsigned != nil {
			l.unsigned(r)
		}
	}
	for i := range p.exceptions {
		if e := &p.exceptions[i]; !e.origin.builtIn() {
			l.list(e.match)
			l.exception(e)
		}
	}
	l.shadows()
	slices.SortStableFunc(l.doubts, func(a, b Doubt) int {
		return cmp.Or(comparePlaces(a.At, b.At), cmp.Compare(a.Lint, b.Lint), cmp.Compare(a.Err.Error(), b.Err.Error()))
	})
	return slices.CompactFunc(l.doubts, func(a, b Doubt) bool {
		return a.At == b.At && a.Lint == b.Lint && a.Err.Error() == b.Err.Error()
	})
}

func (o origin) builtIn() bool { return strings.HasPrefix(o.name, "publisher ") }

func (l *linter) doubt(lint string, f *yamlshape.Fault) {
	l.doubts = append(l.doubts, Doubt{Fault: *f, Lint: lint})
}

// list looks at the patterns of one list.
func (l *linter) list(images Patterns) {
	first := map[string]Pattern{}
	for _, p := range slices.Concat(images.match, images.not) {
		earlier, again := first[p.normal()]
		if !again {
			first[p.normal()] = p
			continue
		}
		l.doubt(lintDuplicate, yamlshape.Faultf(p.at, "take one of them out",
			"%s says the same as %s at %s", clip(p.text), clip(earlier.text), where(earlier.at)))
	}
	for _, p := range slices.Concat(images.match, images.not) {
		if next := p.hub(); next != "" {
			l.doubt(lintHub, yamlshape.Faultf(p.at, next, "%s stands for %s of Docker Hub", clip(p.text), clip(p.path())))
		}
	}
	if !l.spend(length(images.match) * length(images.not)) {
		return
	}
	for _, p := range images.match {
		if by, excluded := images.excluder(p); excluded {
			l.doubt(lintExcluded, yamlshape.Faultf(p.at, "take it out, or narrow the pattern with !",
				"%s never matches: %s at %s excludes all of it", clip(p.text), clip(by.text), where(by.at)))
		}
	}
	for _, n := range images.not {
		if !slices.ContainsFunc(images.match, func(p Pattern) bool { return p.meets(n) }) {
			l.doubt(lintIdle, yamlshape.Faultf(n.at, "correct its name, or take it out",
				"%s excludes nothing that the list would match", clip(n.text)))
		}
	}
}

func length(all []Pattern) (n int) {
	for i := range all {
		n += len(all[i].text)
	}
	return n
}

// normal is the same for patterns that say the same.
func (p *Pattern) normal() string {
	var b strings.Builder
	fmt.Fprint(&b, p.not)
	for _, s := range p.name {
		b.WriteString("/" + s.text)
	}
	return b.String() + ":" + p.tag.text + "@" + p.digest
}

// meets reports whether there may be an image that both p and q match.
func (p Pattern) meets(q Pattern) bool {
	_, ok := meet(p, q, "", 1)
	return ok
}

// A namesForm is a Form in which more is doubtful for some images. Names are those
// of the repositories that a rule is for, the registry first, as patterns have
// them: docker.io/acme/**, *.azurecr.io/app.
type namesForm interface {
	DoubtsOf(names []string) []Doubt
}

// forms collects the doubts of each requirement of a rule for images of those
// names.
func (l *linter) forms(all []requirement, names []string) {
	for _, r := range all {
		if r.form != nil {
			l.doubts = append(l.doubts, r.form.Doubts()...)
		}
		if f, ok := r.form.(namesForm); ok {
			l.doubts = append(l.doubts, f.DoubtsOf(names)...)
		}
		l.forms(r.anyOf, names)
		l.forms(r.allOf, names)
	}
}

// names returns the repositories that the list speaks of, each once, however many
// tags it names.
func (p *Patterns) names() []string {
	var out []string
	for _, m := range p.match {
		var parts []string
		for _, s := range m.name {
			parts = append(parts, s.text)
		}
		if name := strings.Join(parts, "/"); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func (l *linter) unsigned(r *rule) {
	if !r.unsigned.needsDigest() {
		l.doubt(lintMutable, yamlshape.Faultf(r.unsigned.At, "take out require-digest: false, and write the digest where the images are used",
			"nothing says what these images are: they are not signed, and who may push them can move their tags"))
	}
	for _, p := range r.images.match {
		if what := p.wide(); what != "" {
			l.doubt(lintWide, yamlshape.Faultf(p.at, "name the repositories whose publishers do not sign",
				"%s lets %s through unsigned", clip(p.text), what))
		}
		if p.tag.text != "" && r.unsigned.needsDigest() {
			l.doubt(lintTag, yamlshape.Faultf(p.at, "leave out the tag",
				"%s matches only references without a digest, and the rule allows only those with one", clip(p.text)))
		}
	}
}

// hub says what to write where p means images of Docker Hub, as names without a
// registry do, and is not written as people write those: ghcr.io, localhost:5000,
// * and *app. It is "" where nothing is doubtful.
func (p *Pattern) hub() string {
	written, not := strings.CutPrefix(p.text, "!")
	name, _, _ := strings.Cut(written, "@")
	first, rest, more := strings.Cut(name, "/")
	if len(p.name) == 0 || p.name[0].text != dockerHub || strings.HasPrefix(name, dockerHub+"/") {
		return ""
	}
	mark := ""
	if not {
		mark = "!"
	}
	bare, port, hasPort := strings.Cut(first, ":")
	switch {
	case more && !strings.HasPrefix(bare, "*"):
		return ""
	case more: // */app: any namespace, not any registry
		return fmt.Sprintf("write %s**/%s for those of any registry, or %sdocker.io/%s/%s for these", mark, rest, mark, first, rest)
	case bare == "localhost", strings.Contains(bare, "."), hasPort && len(port) >= 4 && strings.Trim(port, "0123456789") == "" && strings.Contains(bare, "-"):
		return fmt.Sprintf("write %s%s/** for the images of that registry, or %sdocker.io/library/%s for this one", mark, first, mark, first)
	case strings.Trim(bare, "*") == "":
		return fmt.Sprintf("write %s*%s for every image, or %sdocker.io/library/%s for these", mark, name, mark, name)
	}
	return ""
}

// path is the name without its registry.
func (p *Pattern) path() string {
	var parts []string
	for _, s := range p.name[1:] {
		parts = append(parts, s.text)
	}
	return strings.Join(parts, "/")
}

// wide says what p matches where that is a whole registry or more, else "".
func (p *Pattern) wide() string {
	host := &p.name[0]
	under := strings.TrimPrefix(host.text, "*.")
	switch {
	case p.digest != "":
		return "" // it is one image, wherever it lies
	case host.deep && len(p.name) == 1 && p.tag.text == "":
		return "every image"
	case host.deep:
		return "images of any registry"
	case !host.literal() && (strings.Contains(under, "*") || !strings.Contains(under, ".")):
		return "images of registries that anybody may open"
	}
	for _, s := range p.name[1:] {
		if s.weight > 1 { // it has a letter
			return ""
		}
	}
	return "the images of all of " + clip(host.text)
}

func (l *linter) exception(e *exception) {
	for _, p := range e.match.match {
		if what := p.wide(); what != "" {
			l.doubt(lintWideExempt, yamlshape.Faultf(p.at, "name the images that need it",
				"%s lets %s through unverified", clip(p.text), what))
		}
	}
	switch left := e.end().Sub(l.now); {
	case left <= 0:
		l.doubt(lintExpired, yamlshape.Faultf(e.Until.At, "take the exception out, or set until anew if its owner agrees",
			"the exception of %s ended with %s", clipText(e.Owner.Value), day(e.Until)))
	case left < soon:
		l.doubt(lintExpiring, yamlshape.Faultf(e.Until.At, "end the need for it, or set until anew if its owner agrees",
			"the exception of %s ends with %s", clipText(e.Owner.Value), day(e.Until)))
	case left > 367*24*time.Hour: // the last day counts as well
		l.doubt(lintOpen, yamlshape.Faultf(e.Until.At, "let it end within a year",
			"the exception of %s ends with %s, which is more than 366 days away", clipText(e.Owner.Value), day(e.Until)))
	}
}

// shadows looks for rules that never decide. That the policy decides instead of
// what it extends is how it is meant to be used; where nothing is left of that,
// it is a doubt.
func (l *linter) shadows() {
	left := map[origin]int{}     // rules that may decide
	winner := map[origin]match{} // the first that decides instead
	for i := range l.rules {
		r := &l.rules[i]
		by, nearer, ok := l.shadow(i)
		if !ok {
			left[r.origin]++
			continue
		}
		if !nearer {
			left[r.origin]++
			if r.origin.builtIn() {
				continue
			}
			l.doubt(lintShadowed, yamlshape.Faultf(r.at, "take it out, or make its patterns more specific",
				"the rule for %s never decides: %s at %s always does", clip(r.images.match[0].text), clip(by.pattern.text), where(by.pattern.at)))
			continue
		}
		if w, ok := winner[r.origin]; !ok || comparePlaces(by.pattern.at, w.pattern.at) < 0 {
			winner[r.origin] = by
		}
	}
	for o, w := range winner {
		if left[o] == 0 && !slices.ContainsFunc(l.exceptions, func(e exception) bool { return e.origin == o }) {
			l.doubt(lintOverridden, yamlshape.Faultf(w.pattern.at, "take out the one or the other",
				"no rule of %s ever decides: those of %s, such as the one for %s, decide for all of its images", o.name, l.rules[w.list].origin.name, clip(w.pattern.text)))
		}
	}
}

// shadow reports whether other rules decide for all that rule i matches: by is
// the first of them, and nearer says that they are of layers in front of its own.
func (l *linter) shadow(i int) (by match, nearer, ok bool) {
	r := &l.rules[i]
	for _, p := range r.images.match {
		if !l.spend(len(p.text) * length(r.images.not)) {
			return match{}, false, false
		}
		if _, excluded := r.images.excluder(p); excluded {
			continue
		}
		winner, won := l.winner(p, i)
		if !won {
			return match{}, false, false
		}
		if !ok {
			by = winner
		}
		ok, nearer = true, nearer || l.origin(winner).layer < r.origin.layer
	}
	return by, nearer, ok
}

// winner returns a rule that decides wherever p, of rule i, matches. Its pattern
// begins with no more literal segments than p does.
func (l *linter) winner(p Pattern, i int) (found match, ok bool) {
	for _, stem := range stems(p.stem()) {
		for _, at := range l.byRule.stems[stem] {
			o := &l.rules[at.list]
			q := o.images.match[at.pattern]
			if !l.spend(len(p.text) * len(q.name)) {
				return match{}, false
			}
			c := q.Compare(p)
			wins := c > 0 || c == 0 && o.origin.layer < l.rules[i].origin.layer
			if wins && at.list != i && q.covers(p) &&
				l.spend(len(p.text)*length(o.images.not)) && !l.byRule.lists[at.list].meetExclusion(p) {
				if m := (match{at.list, q}); !ok || comparePlaces(q.at, found.pattern.at) < 0 {
					found, ok = m, true
				}
			}
		}
	}
	return found, ok
}

func (p Patterns) meetExclusion(q Pattern) bool {
	return slices.ContainsFunc(p.not, func(n Pattern) bool {
		if p.wary { // as in mayBe
			n.tag, n.digest = segment{}, ""
		}
		return n.meets(q)
	})
}

// excluder returns the pattern with ! that excludes all that p matches.
func (p Patterns) excluder(of Pattern) (Pattern, bool) {
	i := slices.IndexFunc(p.not, func(n Pattern) bool { return n.covers(of) })
	if i < 0 {
		return Pattern{}, false
	}
	return p.not[i], true
}

// covers reports whether p matches all that o matches. It may say no where that
// is hard to see.
func (p *Pattern) covers(o Pattern) bool {
	switch {
	case p.digest != "" && p.digest != o.digest,
		p.tag.text != "" && (o.tag.text == "" || !p.tag.matches(o.tag.text)): // a * of o is in a * of p
		return false
	}
	return coversName(stretched(p.name), stretched(o.name))
}

// stretched writes each * next to a ** as **: of both there are as many segments
// as there are of them, at least.
func stretched(name []segment) []segment {
	out := slices.Clone(name)
	stretch := func(i, next int) {
		if out[next].deep && out[i].weight <= 1 {
			out[i] = out[next]
		}
	}
	for i := 1; i < len(out); i++ {
		stretch(i, i-1)
	}
	for i := len(out) - 2; i >= 0; i-- {
		stretch(i, i+1)
	}
	return out
}

// coversName works from the end: rest[j] says whether the segments of q from i on
// cover those of p from j on.
func coversName(q, p []segment) bool {
	rest := make([]bool, len(p)+1)
	rest[len(p)] = true
	for i := len(q) - 1; i >= 0; i-- {
		now := make([]bool, len(p)+1)
		for j := len(p) - 1; j >= 0; j-- {
			if q[i].deep {
				now[j] = rest[j+1] || now[j+1]
			} else {
				now[j] = !p[j].deep && q[i].matches(p[j].text) && rest[j+1]
			}
		}
		rest = now
	}
	return rest[0]
}
