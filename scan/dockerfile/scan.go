package dockerfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
	"github.com/containerd/platforms"
)

// Scan returns what the Dockerfile in body uses when it is built as b says, in
// the order of the text. Positions are in body, under the name file; what a
// build argument names, has none.
//
// Only what the targets need counts. Several targets and platforms give the
// union: a place that comes to different images is a Use of each.
func Scan(body []byte, file string, b scan.Build) scan.Found {
	src := newSource(body, file)
	found := read(src, b)
	slices.SortStableFunc(found.Uses, func(a, b image.Use) int {
		return cmp.Or(cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Col, b.At.Col))
	})
	if len(found.Uses) > maxUses {
		at := found.Uses[maxUses].At
		found.Uses = append(found.Uses[:maxUses:maxUses], failure(at, fmt.Errorf("the Dockerfile uses more than %d images", maxUses)))
	}
	return found
}

func read(src *source, b scan.Build) scan.Found {
	var found scan.Found
	fail := func(line int, err error) {
		found.Uses = append(found.Uses, failure(src.start(line), err))
	}
	builder, err := platform(b.BuildPlatform, "")
	if err != nil {
		fail(1, err)
	}
	u, ok, replaced := frontend(src, b, builder)
	found.Replaced = replaced
	if ok {
		u.Foreign = foreign(b, builder)
		found.Uses = append(found.Uses, u)
		found.Warnings = stranger(u)
	}
	f, err := parse(src)
	if err != nil {
		line := 1
		if at := (*lineError)(nil); errors.As(err, &at) {
			line = at.line
		}
		fail(line, err)
		return found
	}
	c := collector{file: f, build: b, seen: map[outcome]bool{}, replaced: map[image.Use]bool{}, steps: maxSteps, work: maxTotal}
	for _, t := range c.orders(src, fail) {
		t.build = builder
		if err := c.collect(t); err != nil {
			fail(1, err)
			break
		}
	}
	found.Uses = append(found.Uses, c.uses...)
	found.Replaced = slices.AppendSeq(found.Replaced, maps.Keys(c.replaced))
	slices.SortFunc(found.Replaced, func(a, b image.Use) int {
		return cmp.Or(cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Col, b.At.Col), cmp.Compare(a.Stage, b.Stage))
	})
	return found
}

// A collector gathers the uses of all settings, each once.
type collector struct {
	file     *file
	build    scan.Build
	uses     []image.Use
	seen     map[outcome]bool
	replaced map[image.Use]bool // the places that contexts stand in for
	steps    int
	work     int
}

// A target is a stage to build, by number, under the name it was asked for.
type target struct {
	stage int
	name  string
}

// An order is a setting and what to build in it.
type order struct {
	setting
	targets []target
}

// orders returns what is to be built. The file is read once for each
// platform, and for each target only where it can see which one is built.
func (c *collector) orders(src *source, fail func(int, error)) []order {
	targets, err := c.targets()
	if err != nil {
		fail(1, err)
	}
	var orders []order
	for _, name := range c.platforms() {
		p, err := platform(name, c.build.BuildPlatform)
		if err != nil {
			fail(1, err)
			continue
		}
		if !bytes.Contains(src.body, []byte("TARGETSTAGE")) {
			orders = append(orders, order{setting: setting{target: p}, targets: targets})
			continue
		}
		for _, t := range targets {
			orders = append(orders, order{setting: setting{target: p, stage: cmp.Or(t.name, "default")}, targets: []target{t}})
		}
	}
	return orders
}

func (c *collector) platforms() []string {
	if len(c.build.Platforms) == 0 {
		return []string{c.build.BuildPlatform}
	}
	return c.build.Platforms
}

// targets returns the stages to build. BuildKit knows them by name only; of
// several with one name, the last.
func (c *collector) targets() ([]target, error) {
	stages := c.file.stages
	var all []target
	for n, st := range stages {
		all = append(all, target{stage: n, name: st.name})
	}
	if c.build.AllStages {
		return all, nil
	}
	if len(c.build.Targets) == 0 {
		return all[len(all)-1:], nil
	}
	all = nil
	numbers := map[string]int{}
	for n, st := range stages {
		numbers[strconv.Itoa(n)] = n
		if st.name != "" {
			numbers[st.name] = n
		}
	}
	var errs []error
	for _, name := range c.build.Targets {
		n, ok := numbers[strings.ToLower(name)]
		if !ok {
			errs = append(errs, fmt.Errorf("there is no stage %q to build%s", name, c.known()))
			continue
		}
		all = append(all, target{stage: n, name: name})
	}
	return all, errors.Join(errs...)
}

// known lists stages that a target can be, a few of them.
func (c *collector) known() string {
	const few = 8
	var names []string
	for _, st := range c.file.stages {
		if st.name != "" && len(names) < few {
			names = append(names, st.name)
		}
	}
	if len(names) == 0 {
		return ": none has a name"
	}
	return ": there is " + strings.Join(names, ", ")
}

// collect adds what one setting uses.
func (c *collector) collect(t order) error {
	s := newScope(c.file.escape, &c.work)
	s.predefine(t.setting, c.build.Args)
	for _, u := range s.declare(c.file.args, c.build.Args) {
		c.add(u)
	}
	g, err := newGraph(c.file, s, t.setting, c.build, &c.steps)
	if err != nil {
		return err
	}
	targets := make([]*state, 0, len(t.targets))
	for _, t := range t.targets {
		targets = append(targets, g.states[t.stage])
	}
	if len(c.build.Contexts) == 0 {
		return c.gather(g, targets)
	}
	for _, d := range targets {
		if err := c.gather(g, []*state{d}); err != nil {
			return err
		}
	}
	return nil
}

// gather adds what some targets need. A context does not stand in for an image
// of a stage that only an ONBUILD leads to: BuildKit looks for contexts when it
// first meets the image, which no target needed then (convert.go,
// resolveBaseImage, sets "dispatched" of such an image all the same).
func (c *collector) gather(g *graph, targets []*state) error {
	first, err := g.reachFirst(targets)
	if err != nil {
		return err
	}
	reached, err := g.reach(targets)
	if err != nil {
		return err
	}
	for _, d := range g.states {
		if len(c.uses) > maxUses {
			break // Scan says so
		}
		if !reached[d] {
			continue
		}
		for _, u := range d.wrong {
			c.add(u)
		}
		contexts := c.build.Contexts
		if d.stage == nil && !d.fresh && !first[d] {
			if d.idle {
				continue // BuildKit asks for it no more than for a context, and nothing takes from it
			}
			contexts = nil
		}
		u, ok, replaced := resolve(d, contexts)
		if ok {
			u.Foreign = foreign(c.build, d.platform)
			c.add(u)
		}
		if replaced && len(c.replaced) < maxUses {
			c.replaced[d.use] = true
		}
	}
	return nil
}

// An outcome is what a place came to.
type outcome struct {
	at   image.Position
	kind image.Kind
	ref  image.Ref
	err  string

	foreign bool
}

// foreign reports whether an image is pulled for a platform that the user does
// not build for. One that is not known is.
func foreign(b scan.Build, p *platforms.Platform) bool {
	if p == nil {
		return len(b.Given) > 0
	}
	return b.Foreign(platforms.Format(*p))
}

// add takes u unless another setting came to the same.
func (c *collector) add(u image.Use) {
	o := outcome{at: u.At, kind: u.Kind, ref: u.Ref, foreign: u.Foreign}
	if u.Err != nil {
		o.err = u.Err.Error()
	}
	if !c.seen[o] {
		c.seen[o] = true
		c.uses = append(c.uses, u)
	}
}
