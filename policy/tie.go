package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

// maxWork bounds what is done to find ties when a policy is read, in characters
// of one pattern held against characters of another; a rule that matches an image
// counts as a hundred. What is left is found when
// an image has a tie.
const maxWork = 8 << 20

// maxTies bounds how many are told at a time.
const maxTies = 20

// ties returns a Fault for each rule that leaves some image undecided between
// itself and another rule. Each is proven by an image that the whole policy
// fails to decide, so that none is found where a more specific rule steps in.
func (p *Policy) ties() []*yamlshape.Fault {
	c := p.chooser()
	faults := map[string]*yamlshape.Fault{}
	tied := map[int]bool{}
	work := 0
	for _, group := range p.peers() {
		for i, a := range group {
			for _, b := range group[:i] { // which stands before a
				if a.list == b.list || tied[max(a.list, b.list)] {
					continue
				}
				work += len(a.pattern.text) * len(b.pattern.text)
				if work > maxWork || len(faults) == maxTies {
					return sortedFaults(faults)
				}
				if f := c.witness(a, b, &work); f != nil {
					tied[max(a.list, b.list)] = true
					faults[f.Error()] = f
				}
			}
		}
	}
	return sortedFaults(faults)
}

// peers groups the patterns that are equally specific, of one layer, and agree
// in the segments in front of their first **. No others can tie.
func (p *Policy) peers() [][]match {
	groups := map[string][]match{}
	for i := range p.rules {
		for _, pattern := range p.rules[i].images.match {
			var key strings.Builder
			fmt.Fprint(&key, p.rules[i].origin.layer, pattern.digest, pattern.end())
			deep := false
			for _, s := range pattern.name {
				fmt.Fprint(&key, "/", s.weight)
				if deep = deep || s.deep; !deep && s.literal() {
					key.WriteString(s.text)
				}
			}
			groups[key.String()] = append(groups[key.String()], match{i, pattern})
		}
	}
	var out [][]match
	for _, g := range groups {
		if len(g) > 1 {
			slices.SortFunc(g, func(a, b match) int { return comparePlaces(a.pattern.at, b.pattern.at) })
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b []match) int { return comparePlaces(a[0].pattern.at, b[0].pattern.at) })
	return out
}

// witness returns the tie at an image that a and b match, nil where none is
// found; it adds what it did to work. What the patterns say nothing of is filled in several ways, as some may
// be excluded, or another rule's.
func (c *chooser) witness(a, b match, work *int) *yamlshape.Fault {
	for depth := 1; depth <= 3; depth++ {
		for _, fill := range [...]string{"", "any", "x", "0"} {
			text, ok := meet(a.pattern, b.pattern, fill, depth)
			if !ok {
				return nil // whatever the filling, the two have nothing in common
			}
			ref, err := image.Parse(text)
			if err != nil {
				continue
			}
			found := c.matching(targetOf(ref))
			*work += 100 * len(found)
			if tied := c.undecided(found); has(tied, a) && has(tied, b) {
				return c.tie(b, a, text)
			}
		}
	}
	return nil
}

func has(found []match, m match) bool {
	return slices.ContainsFunc(found, func(f match) bool { return f.list == m.list })
}

// meet returns the text of an image that both a and b match, if their parts have
// something in common; it need not be one that may exist. Depth is how many
// segments each ** takes at least.
func meet(a, b Pattern, fill string, depth int) (string, bool) {
	name, ok := meetNames(a.name, b.name, fill, depth)
	if !ok {
		return "", false
	}
	if a.name[0].deep && b.name[0].deep && !strings.ContainsAny(name[0], ".:") {
		name[0] += ".example" // else it is no registry
	}
	text := strings.Join(name, "/")
	switch {
	case a.digest != "" && b.digest != "" && a.digest != b.digest,
		a.digest != "" && b.tag.text != "", b.digest != "" && a.tag.text != "":
		return "", false
	case a.digest != "" || b.digest != "":
		return text + "@" + max(a.digest, b.digest), true
	}
	tag, ok := meetSegments(cmp.Or(a.tag.text, "*"), cmp.Or(b.tag.text, "*"), fill)
	if tag == "" {
		return text, ok
	}
	return text + ":" + tag, ok
}

// endsAgree reports whether the literal beginnings of two globs may be of one
// text, and their ends: most that differ do so there.
func endsAgree(a, b string) bool {
	starA, starB := strings.IndexByte(a, '*'), strings.IndexByte(b, '*')
	if starA < 0 && starB < 0 {
		return a == b
	}
	if starA < 0 {
		starA = len(a)
	}
	if starB < 0 {
		starB = len(b)
	}
	n := min(starA, starB)
	if a[:n] != b[:n] {
		return false
	}
	n = min(len(a)-1-strings.LastIndexByte(a, '*'), len(b)-1-strings.LastIndexByte(b, '*'))
	return a[len(a)-n:] == b[len(b)-n:]
}

// tokens spells ** out as depth single segments, and a loop of any number.
func tokens(segments []segment, depth int) []segment {
	one := segmentOf("*")
	var out []segment
	for _, s := range segments {
		if s.deep {
			for range depth {
				out = append(out, one)
			}
		}
		out = append(out, s)
	}
	return out
}

// meetNames walks both lists at once; what has led nowhere is not tried again.
func meetNames(a, b []segment, fill string, depth int) ([]string, bool) {
	a, b = tokens(a, depth), tokens(b, depth)
	dead := make([]bool, (len(a)+1)*(len(b)+1))
	var walk func(i, j int) ([]string, bool)
	walk = func(i, j int) (rest []string, ok bool) {
		if i == len(a) && j == len(b) {
			return nil, true
		}
		at := i*(len(b)+1) + j
		if dead[at] {
			return nil, false
		}
		dead[at] = true
		loopA, loopB := i < len(a) && a[i].deep, j < len(b) && b[j].deep
		if loopA {
			if rest, ok = walk(i+1, j); ok {
				return rest, true
			}
		}
		if loopB {
			if rest, ok = walk(i, j+1); ok {
				return rest, true
			}
		}
		var head string
		nextA, nextB := i+1, j+1
		switch {
		case loopA && j < len(b) && !loopB:
			nextA = i
			head, ok = meetSegments("*", b[j].text, fill)
		case loopB && i < len(a) && !loopA:
			nextB = j
			head, ok = meetSegments("*", a[i].text, fill)
		case i < len(a) && j < len(b) && !loopA && !loopB:
			head, ok = meetSegments(a[i].text, b[j].text, fill)
		}
		if !ok {
			return nil, false
		}
		if rest, ok = walk(nextA, nextB); !ok {
			return nil, false
		}
		if head == "" {
			head = "x" // a segment is never empty
		}
		return append([]string{head}, rest...), true
	}
	return walk(0, 0)
}

// meetSegments returns a text that both globs match. Where both have a *, it is
// filled.
func meetSegments(a, b, fill string) (string, bool) {
	if !endsAgree(a, b) {
		return "", false
	}
	dead := make([]bool, (len(a)+1)*(len(b)+1))
	var walk func(i, j int) (string, bool)
	walk = func(i, j int) (string, bool) {
		if i == len(a) && j == len(b) {
			return "", true
		}
		at := i*(len(b)+1) + j
		if dead[at] {
			return "", false
		}
		dead[at] = true
		starA, starB := i < len(a) && a[i] == '*', j < len(b) && b[j] == '*'
		head := ""
		if starA && starB {
			head = fill
		}
		if starA {
			if rest, ok := walk(i+1, j); ok {
				return head + rest, true
			}
		}
		if starB {
			if rest, ok := walk(i, j+1); ok {
				return head + rest, true
			}
		}
		switch {
		case starA && j < len(b) && !starB:
			if rest, ok := walk(i, j+1); ok {
				return b[j:j+1] + rest, true
			}
		case starB && i < len(a) && !starA:
			if rest, ok := walk(i+1, j); ok {
				return a[i:i+1] + rest, true
			}
		case i < len(a) && j < len(b) && a[i] == b[j]:
			if rest, ok := walk(i+1, j+1); ok {
				return a[i:i+1] + rest, true
			}
		}
		return "", false
	}
	return walk(0, 0)
}
