package compose

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// A collection puts what is found in order. It holds each use once: a service
// that others extend is seen several times.
type collection struct {
	order    []string // files, as they were first opened
	uses     []placed[image.Use]
	warnings []placed[scan.Warning]
	targets  []scan.Target
	replaced []image.Use
	seen     map[any]int // how many uses there were before
	full     bool
}

// placed is something at its place in a Compose file: for what a build uses,
// the place of the build.
type placed[T any] struct {
	at   image.Position
	what T
}

// sameUse is what uses have in common that are reported once.
type sameUse struct {
	at    image.Position
	kind  image.Kind
	stage string
	ref   image.Ref
	err   string

	foreign bool
}

func (c *collection) opened(file string) {
	if !slices.Contains(c.order, file) {
		c.order = append(c.order, file)
	}
}

// new reports whether key was not there before.
func (c *collection) new(key any) bool {
	if c.seen == nil {
		c.seen = map[any]int{}
	}
	_, was := c.seen[key]
	if !was {
		c.seen[key] = len(c.uses)
	}
	return !was
}

func (c *collection) use(at image.Position, u image.Use) {
	if u.Err == nil && u.Ref.IsZero() {
		u.Err = fmt.Errorf("%q names no image", u.Text)
	}
	u.Err = short(u.Err)
	key := sameUse{u.At, u.Kind, u.Stage, u.Ref, fmt.Sprint(u.Err), u.Foreign}
	if c.full || !c.new(key) {
		if i := c.seen[key]; i < len(c.uses) && c.uses[i].what.Literal != u.Literal {
			c.uses[i].what.Literal = image.Literal{} // it comes from two texts
		}
		return
	}
	if len(c.uses) >= maxUses {
		c.full = true
		u = image.Use{At: at, Kind: image.ComposeImage, Err: fmt.Errorf("more than %d uses in one project: those from here on are not listed", maxUses)}
	}
	c.uses = append(c.uses, placed[image.Use]{at, u})
}

func (c *collection) warn(at image.Position, w scan.Warning) {
	if len(c.warnings) < maxUses && c.new(w) {
		c.warnings = append(c.warnings, placed[scan.Warning]{at, w})
	}
}

// instead notes a place that a context stands in for.
func (c *collection) instead(u image.Use) {
	type replaced image.Use // no use that is seen
	if len(c.replaced) < maxUses && c.new(replaced(u)) {
		c.replaced = append(c.replaced, u)
	}
}

// sorted returns everything in the order of the text, the file that was opened
// first first.
func (c *collection) sorted() scan.Found {
	return scan.Found{Uses: inOrder(c, c.uses), Warnings: inOrder(c, c.warnings), Targets: c.targets, Replaced: c.replaced}
}

func inOrder[T any](c *collection, list []placed[T]) []T {
	slices.SortStableFunc(list, func(a, b placed[T]) int {
		return cmp.Or(
			cmp.Compare(slices.Index(c.order, a.at.File), slices.Index(c.order, b.at.File)),
			cmp.Compare(a.at.Line, b.at.Line),
			cmp.Compare(a.at.Col, b.at.Col))
	})
	var out []T
	for _, p := range list {
		out = append(out, p.what)
	}
	return out
}

// maxError bounds what an error says, in bytes: texts of the file are in it.
const maxError = 1000

// short returns err, or one that says less.
func short(err error) error {
	if err == nil || len(err.Error()) <= maxError {
		return err
	}
	return errors.New(cut(err.Error()))
}

func cut(s string) string {
	if len(s) <= maxError {
		return s
	}
	return strings.ToValidUTF8(s[:maxError], "") + "…"
}
