package bake

import (
	"cmp"
	"maps"
	"slices"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// A report collects what is found, each thing once: several targets can build
// from one Dockerfile, and inherit one mistake.
type report struct {
	files    []string // of the definition, in the order in which they are read
	uses     []image.Use
	warnings []scan.Warning
	targets  []scan.Target
	replaced map[image.Use]bool
}

func (r *report) problem(p *problem) { r.use(p.use()) }

func (r *report) use(u image.Use) {
	i := slices.IndexFunc(r.uses, func(v image.Use) bool { return same(u, v) })
	if i < 0 {
		r.uses = append(r.uses, u)
	} else if r.uses[i].Literal != u.Literal {
		r.uses[i].Literal = image.Literal{} // it comes from two texts
	}
}

func (r *report) warn(w scan.Warning) {
	if !slices.Contains(r.warnings, w) {
		r.warnings = append(r.warnings, w)
	}
}

// instead notes a place that a context stands in for.
func (r *report) instead(u image.Use) {
	if r.replaced == nil {
		r.replaced = map[image.Use]bool{}
	}
	r.replaced[u] = true
}

// same reports whether two uses say the same, of whatever text they are.
func same(u, v image.Use) bool {
	switch {
	case u.Err != nil && v.Err != nil:
		if u.Err.Error() != v.Err.Error() {
			return false
		}
	case u.Err != nil || v.Err != nil:
		return false
	}
	u.Err, v.Err = nil, nil
	u.Literal, v.Literal = image.Literal{}, image.Literal{}
	return u == v
}

// found returns the report in the order of the text: of the definition's
// files, then of the Dockerfiles as they were met.
func (r *report) found() scan.Found {
	files := slices.Clone(r.files)
	for _, u := range r.uses {
		if !slices.Contains(files, u.At.File) {
			files = append(files, u.At.File)
		}
	}
	order := func(a, b image.Position) int {
		return cmp.Or(
			cmp.Compare(slices.Index(files, a.File), slices.Index(files, b.File)),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Col, b.Col),
		)
	}
	slices.SortStableFunc(r.uses, func(a, b image.Use) int { return order(a.At, b.At) })
	slices.SortStableFunc(r.warnings, func(a, b scan.Warning) int { return order(a.At, b.At) })
	replaced := slices.SortedFunc(maps.Keys(r.replaced), func(a, b image.Use) int {
		return cmp.Or(order(a.At, b.At), cmp.Compare(a.At.File, b.At.File), cmp.Compare(a.Stage, b.Stage))
	})
	return scan.Found{Uses: r.uses, Warnings: r.warnings, Targets: r.targets, Replaced: replaced}
}
