package dockerfile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
	"github.com/containerd/platforms"
)

// A state is a stage, or an image that a COPY or RUN names: dispatchState of
// dockerfile2llb/convert.go. Numbers count both.
type state struct {
	stage    *stage   // nil for an image
	number   int      // of the stage
	base     *state   // the stage that it is built FROM
	needs    []*state // of its instructions
	later    []*state // of the ONBUILD instructions it runs
	image    string   // what it is made from, where base is nil
	context  *string  // named context that stands in for the stage, nil for none
	platform *platforms.Platform
	use      image.Use   // of image, less its Ref
	opened   bool        // later is known
	fresh    bool        // of an image: an ONBUILD names it
	idle     bool        // of an image: a context stands in for the stage that names it
	wrong    []image.Use // what in its instructions cannot be read
}

// A graph is the states of one setting.
type graph struct {
	file   *file
	build  scan.Build
	target *platforms.Platform
	states []*state
	byName map[string]*state
	steps  *int // that may still be taken
}

// newGraph has all stages, and what their instructions name.
func newGraph(f *file, s *scope, t setting, b scan.Build, steps *int) (*graph, error) {
	g := &graph{file: f, build: b, byName: map[string]*state{}, target: t.target, steps: steps}
	for i := range f.stages {
		if *g.steps--; *g.steps < 0 {
			return nil, errSteps
		}
		g.add(g.stage(i, s, t))
	}
	for _, d := range g.states[:len(f.stages)] {
		for _, c := range d.stage.commands {
			if c.onbuild {
				continue
			}
			if err := g.link(d, c); err != nil {
				return nil, err
			}
		}
	}
	return g, nil
}

// stage resolves a FROM: convert.go, buildDispatchStates.
func (g *graph) stage(n int, s *scope, t setting) *state {
	st := &g.file.stages[n]
	d := &state{stage: st, number: n, platform: t.target}
	d.use = image.Use{Text: st.place.text, At: st.place.at, Kind: image.From, Stage: st.label}
	v, err := s.expand(st.base)
	if err == nil {
		err = s.unresolved(v, g.file.args, g.build)
	}
	if err == nil && v.text == "" {
		err = errors.New("FROM names no image")
	}
	d.image, d.use.Err = v.text, err
	d.use.Literal = s.literal(st.place, st.base, v.text)
	if st.platform != "" {
		d.platform = nil
		if p, err := s.expand(st.platform); err == nil && s.unresolved(p, nil, g.build) == nil {
			if p, err := platforms.Parse(p.text); err == nil {
				d.platform = &p
			}
		}
	}
	if st.name != "" && !strings.EqualFold(st.name, scratch) && !strings.EqualFold(st.name, "context") {
		d.context, err = g.context(st.name, d.platform)
		d.use.Err = errors.Join(d.use.Err, err)
	}
	return d
}

// add puts d among the states: convert.go, addState.
func (g *graph) add(d *state) {
	g.states = append(g.states, d)
	if d.use.Err == nil && d.context == nil {
		d.base = g.byName[d.image]
	}
	if d.stage != nil && d.stage.name != "" {
		g.byName[d.stage.name] = d
	}
}

// link notes what c, an instruction for d or an ONBUILD that it runs, needs:
// convert.go, toCommand; convert_runmount.go, detectRunMount.
func (g *graph) link(d *state, c command) error {
	label := d.stage.label
	if c.onbuild {
		label = d.base.stage.label // where the text is
	}
	if c.err != nil {
		d.wrong = append(d.wrong, image.Use{Text: c.place.text, At: c.place.at, Kind: image.From, Stage: label, Err: c.err})
	}
	for _, f := range c.from {
		if *g.steps--; *g.steps < 0 {
			return errSteps
		}
		use := image.Use{Text: f.place.text, At: f.place.at, Kind: f.kind, Stage: label, Literal: f.place.literal(f.name), Err: f.err}
		src, err := g.named(f)
		switch {
		case use.Err != nil:
		case err != nil:
			use.Err = err
		case src != nil && tooLate(src, d, c.onbuild):
			use.Err = fmt.Errorf("stage %s has to come before the stage that takes from it", src.stage.label)
		}
		if use.Err != nil {
			d.wrong = append(d.wrong, use)
			continue
		}
		if src == nil {
			src = &state{image: f.name, platform: g.target, use: use, fresh: c.onbuild, idle: d.context != nil}
		}
		if src.stage == nil {
			g.add(src) // once more if it is there: each mention has a number
		}
		if c.onbuild {
			d.later = append(d.later, src)
		} else {
			d.needs = append(d.needs, src)
		}
	}
	return nil
}

// tooLate reports whether BuildKit has not built src when d takes from it. An
// ONBUILD finds the stage it runs in already there, and a stage that a context
// stands in for takes nothing.
func tooLate(src, d *state, onbuild bool) bool {
	if src == d {
		return !onbuild
	}
	return src.stage != nil && src.number > d.number && src.context == nil && d.context == nil
}

// named returns the stage that f names, nil if that is for an image to be.
func (g *graph) named(f from) (*state, error) {
	if f.kind == image.CopyFrom {
		if n, err := strconv.Atoi(f.name); err == nil {
			if n < 0 || n >= len(g.states) {
				return nil, fmt.Errorf("there is no stage %d", n)
			}
			return g.states[n], nil
		}
	}
	return g.byName[strings.ToLower(f.name)], nil
}

// reach returns what the targets need, themselves included. A stage that is
// built FROM another one also runs the ONBUILD instructions of that, but not
// those of a stage further up: convert.go, resolveStages.
func (g *graph) reach(targets []*state) (map[*state]bool, error) {
	return g.follow(targets, func(d *state) ([]*state, error) {
		if d.base == nil || d.opened {
			return d.later, nil
		}
		d.opened = true
		for _, c := range d.base.stage.commands {
			if !c.onbuild {
				continue
			}
			if err := g.link(d, c); err != nil {
				return nil, err
			}
		}
		return d.later, nil
	})
}

// reachFirst returns the same without ONBUILD: what BuildKit finds when it
// looks for the first time.
func (g *graph) reachFirst(targets []*state) (map[*state]bool, error) {
	return g.follow(targets, func(*state) ([]*state, error) { return nil, nil })
}

func (g *graph) follow(todo []*state, also func(*state) ([]*state, error)) (map[*state]bool, error) {
	seen := map[*state]bool{}
	todo = slices.Clone(todo)
	for len(todo) > 0 {
		d := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[d] {
			continue
		}
		if *g.steps--; *g.steps < 0 {
			return nil, errSteps
		}
		seen[d] = true
		more, err := also(d)
		if err != nil {
			return nil, err
		}
		if d.base != nil {
			todo = append(todo, d.base)
		}
		todo = append(append(todo, d.needs...), more...)
	}
	return seen, nil
}
