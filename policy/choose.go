package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

// An index finds the patterns that may match an image by the literal segments
// that they begin with, so that an image meets few of many rules.
type index struct {
	lists []Patterns
	stems map[string][]place
}

// A place is one pattern of one of several lists.
type place struct{ list, pattern int }

func indexOf(lists []Patterns) index {
	ix := index{lists: lists, stems: map[string][]place{}}
	for i, l := range lists {
		for j, p := range l.match {
			stem := p.stem()
			ix.stems[stem] = append(ix.stems[stem], place{i, j})
		}
	}
	return ix
}

// stem returns the literal segments that the names p matches begin with.
func (p *Pattern) stem() string {
	var b strings.Builder
	for i := range p.name {
		if !p.name[i].literal() {
			break
		}
		b.WriteString(p.name[i].text + "/")
	}
	return b.String()
}

// stems returns the beginnings of a name that end with a slash, "" the first.
func stems(name string) []string {
	out := []string{""}
	for i := range len(name) {
		if name[i] == '/' {
			out = append(out, name[:i+1])
		}
	}
	return out
}

// A match is a list that speaks of an image, and its pattern that does.
type match struct {
	list    int
	pattern Pattern
}

// find returns the lists that match t, each with its most specific pattern, in
// their order.
func (ix index) find(t target) []match {
	if len(t.name) == 0 {
		return nil
	}
	var hits []int
	for _, stem := range stems(t.full + "/") {
		for _, at := range ix.stems[stem] {
			if p := &ix.lists[at.list].match[at.pattern]; p.matches(t) {
				hits = append(hits, at.list)
			}
		}
	}
	slices.Sort(hits)
	var out []match
	for _, i := range slices.Compact(hits) {
		if p, ok := ix.lists[i].best(t); ok {
			out = append(out, match{i, p})
		}
	}
	return out
}

// A chooser says which rules and exceptions of a policy speak of an image.
type chooser struct {
	*Policy
	byRule, byException index
}

func (p *Policy) chooser() *chooser {
	rules, exceptions := make([]Patterns, len(p.rules)), make([]Patterns, len(p.exceptions))
	for i := range p.rules {
		rules[i] = p.rules[i].images
		if p.rules[i].unsigned != nil {
			rules[i] = rules[i].lettingThrough()
		}
	}
	for i := range p.exceptions {
		exceptions[i] = p.exceptions[i].match.lettingThrough()
	}
	return &chooser{p, indexOf(rules), indexOf(exceptions)}
}

// matching returns the rules that speak of t, the one that decides first. Their
// order depends on what they say and where they stand, never on their order in
// the policy.
func (c *chooser) matching(t target) []match {
	found := c.byRule.find(t)
	slices.SortStableFunc(found, func(a, b match) int {
		ra, rb := &c.rules[a.list], &c.rules[b.list]
		return cmp.Or(
			b.pattern.Compare(a.pattern),
			cmp.Compare(ra.origin.layer, rb.origin.layer),
			cmp.Compare(ra.origin.name, rb.origin.name),
			comparePlaces(a.pattern.at, b.pattern.at),
		)
	})
	return found
}

// undecided returns the rules at the front of found that are equally near to the
// image, nil where one decides.
func (c *chooser) undecided(found []match) []match {
	n := 0
	for n < len(found) && found[n].pattern.Compare(found[0].pattern) == 0 && c.origin(found[n]).layer == c.origin(found[0]).layer {
		n++
	}
	if n < 2 {
		return nil
	}
	return found[:n]
}

func (c *chooser) origin(m match) origin { return c.rules[m.list].origin }

// tie says that neither of two rules decides for an image.
func (c *chooser) tie(first, second match, shown string) *yamlshape.Fault {
	return yamlshape.Faultf(second.pattern.at, "make one of the two more specific, or take from one with ! what is the other's",
		"the rule for %s is as specific as the rule for %s at %s (%s), and both match %s, so that neither decides",
		clip(second.pattern.text), clip(first.pattern.text), where(first.pattern.at), c.origin(first).name, clip(shown))
}

// why says in one sentence why the first of found decides.
func (c *chooser) why(found []match) string {
	first, others := found[0], found[1:]
	switch {
	case len(others) == 0:
		return "its pattern " + clip(first.pattern.text) + " is the only one that matches"
	case first.pattern.Compare(others[0].pattern) == 0:
		return fmt.Sprintf("its pattern %s is as specific as %s, and %s comes before %s", clip(first.pattern.text),
			c.told(others[0]), c.origin(first).name, c.origin(others[0]).name)
	}
	return fmt.Sprintf("its pattern %s is the most specific of %d that match (%s)", clip(first.pattern.text), len(found), c.some(others))
}

// maxTold is how many rules a sentence names at most.
const maxTold = 3

// some names a few of found.
func (c *chooser) some(found []match) string {
	var names []string
	for i, m := range found {
		if i == maxTold {
			names = append(names, fmt.Sprintf("and %d more", len(found)-maxTold))
			break
		}
		names = append(names, c.told(m))
	}
	return strings.Join(names, "; ")
}

func (c *chooser) told(m match) string {
	if m.pattern.at.Line == 0 { // of a publisher that no file lists
		return clip(m.pattern.text) + ", of " + c.origin(m).name
	}
	return clip(m.pattern.text) + ", at " + where(m.pattern.at)
}

// clip bounds what a message repeats. Patterns and references are ASCII.
func clip(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

func where(at image.Position) string {
	return fmt.Sprintf("%s:%d:%d", at.File, at.Line, at.Col)
}

func comparePlaces(a, b image.Position) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
}
