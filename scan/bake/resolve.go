package bake

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// A plan resolves names to targets.
type plan struct {
	blocks   *blocks
	targets  map[string]*target // of one name, without what they inherit
	groups   map[string]*group
	order    []string           // of targets, as in the text
	resolved map[string]*target // with what they inherit
}

// A group stands for targets and other groups.
type group struct {
	at      place
	targets []string
	err     error
}

// newPlan merges the blocks of a name. Of groups the last one counts.
func newPlan(bs *blocks) *plan {
	p := &plan{blocks: bs, targets: map[string]*target{}, groups: map[string]*group{}, resolved: map[string]*target{}}
	for _, i := range bs.groups {
		p.groups[i.name] = bs.group(i)
	}
	for _, a := range bs.renamed {
		if p.groups[a.label] == nil { // a group that is written counts
			p.groups[a.label] = &group{targets: a.names}
		}
	}
	for _, i := range bs.targets {
		if !slices.Contains(p.order, i.name) {
			p.order = append(p.order, i.name)
		}
	}
	return p
}

func (bs *blocks) group(i *instance) *group {
	g := &group{at: i.at}
	a := i.attrs["targets"]
	if a == nil {
		g.err = errors.New("a group needs targets")
		return g
	}
	g.at = a.at
	v, err := bs.get(i, "targets")
	if err != nil {
		g.err = err
		return g
	}
	if plain, _ := v.Unmark(); plain.IsNull() {
		return g
	}
	list, doubts, err := listOf(v)
	if err == nil && len(doubts) > 0 {
		err = &doubtError{"targets", doubts}
	}
	g.targets, g.err = list, err
	return g
}

// A wish is a name that something wants built, and where it says so.
type wish struct {
	name string
	at   place
}

// wanted returns the names that a command line asks for, patterns matched:
// without any, "default".
func (p *plan) wanted(names []string, at place) ([]wish, []*problem) {
	if len(names) == 0 {
		names = []string{"default"}
	}
	var wishes []wish
	var problems []*problem
	for _, name := range names {
		name = strings.ReplaceAll(name, ".", "_") // bake does, for Compose's sake
		if !strings.ContainsAny(name, "*?[]") {
			wishes = append(wishes, wish{name, at})
			continue
		}
		n := len(wishes)
		for _, candidate := range append(p.groupNames(), p.order...) {
			if ok, err := path.Match(name, candidate); ok && err == nil {
				wishes = append(wishes, wish{candidate, at})
			}
		}
		if len(wishes) == n {
			problems = append(problems, &problem{at, fmt.Errorf("no target or group matches %s", quote(name))})
		}
	}
	return wishes, problems
}

func (p *plan) groupNames() []string {
	var names []string
	for _, i := range p.blocks.groups {
		names = append(names, i.name)
	}
	for _, a := range p.blocks.renamed {
		names = append(names, a.label)
	}
	return names
}

// flatten returns the targets that wishes come down to, each once.
func (p *plan) flatten(wishes []wish) ([]wish, []*problem) {
	f := flattener{plan: p, visited: map[string][]wish{}}
	var flat []wish
	for _, w := range wishes {
		flat = appendNew(flat, f.members(w)...)
	}
	return flat, f.problems
}

type flattener struct {
	*plan
	visited  map[string][]wish
	problems []*problem
}

// members returns the targets that a name stands for. A group that is being
// looked into, and so contains itself, has none yet: bake then takes its name,
// like that of an empty group, for that of a target.
func (f *flattener) members(w wish) []wish {
	if ws, ok := f.visited[w.name]; ok {
		return ws
	}
	g := f.groups[w.name]
	if g == nil {
		return []wish{w}
	}
	f.visited[w.name] = nil
	if g.err != nil {
		f.problems = append(f.problems, &problem{g.at, g.err})
		return nil
	}
	var ws []wish
	for _, name := range g.targets {
		member := wish{name, w.at}
		if g.at.src != nil {
			member.at = g.at
		}
		if sub := f.members(member); len(sub) > 0 {
			ws = appendNew(ws, sub...)
		} else if broken := f.groups[name]; broken == nil || broken.err == nil {
			ws = appendNew(ws, member)
		}
	}
	f.visited[w.name] = ws
	return ws
}

// appendNew appends the wishes for names that the list does not have.
func appendNew(list []wish, ws ...wish) []wish {
	for _, w := range ws {
		if !slices.ContainsFunc(list, func(v wish) bool { return v.name == w.name }) {
			list = append(list, w)
		}
	}
	return list
}

// target returns a target with what it inherits; nil if there is none of the
// name.
func (p *plan) target(name string) (*target, error) {
	if t, ok := p.resolved[name]; ok {
		return t, nil
	}
	t, err := p.inherit(name, map[string]*target{})
	if err == nil && t != nil {
		p.resolved[name] = t
	}
	return t, err
}

// own returns a target without what it inherits: its blocks, merged.
func (p *plan) own(name string) *target {
	if t, ok := p.targets[name]; ok {
		return t
	}
	var t *target
	for _, i := range p.blocks.named("target", name) {
		u := p.blocks.decode(i)
		if t == nil {
			t = u
			continue
		}
		t.merge(u)
		t.inherits = append(t.inherits, u.inherits...)
		if len(u.inherits) > 0 {
			t.inheritsAt = u.inheritsAt
		}
	}
	p.targets[name] = t
	return t
}

// inherit resolves a target. Visited has those that were met on the way; one
// that is being resolved is nil there and adds nothing, as in bake.
func (p *plan) inherit(name string, visited map[string]*target) (*target, error) {
	if t, ok := visited[name]; ok {
		return t, nil
	}
	visited[name] = nil
	own := p.own(name)
	if own == nil {
		return nil, nil
	}
	if len(visited) > maxNesting {
		return nil, tooMuch("a chain of inherits")
	}
	t := &target{name: own.name, at: own.at}
	for _, parent := range own.inherits {
		_, met := visited[parent]
		u, err := p.inherit(parent, visited)
		if err != nil {
			return nil, err
		}
		if u == nil && !met {
			t.problems = append(t.problems, &problem{own.inheritsAt, fmt.Errorf("inherits: there is no target %s in the bake files%s", quote(parent), elsewhere)})
			continue
		}
		if u != nil {
			t.merge(u)
		}
		if err := p.blocks.scope.meter.spend(t.size()); err != nil {
			return nil, err
		}
	}
	t.merge(own)
	t.normalize()
	visited[name] = t
	return t, nil
}

// elsewhere is where a missing target may come from.
const elsewhere = "; of Compose files and further -f files of bake nothing is read here"
