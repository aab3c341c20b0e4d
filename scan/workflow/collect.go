package workflow

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlnode"
	"github.com/boltseal/boltseal/scan"
)

// collected is what a file uses, so far. The same place can give the same
// image many times: to each job that has an alias of it, and to each
// combination of a matrix. It counts once.
type collected struct {
	uses     []placed
	warnings []scan.Warning
	seen     map[once]bool
}

// A placed use stands at a place of the file that is read, though it may be
// that of a Dockerfile.
type placed struct {
	at  image.Position
	use image.Use
}

type once struct {
	at   image.Position
	kind image.Kind
	text string
}

func (c *collected) first(at image.Position, kind image.Kind, text string) bool {
	o := once{at, kind, text}
	if c.seen[o] {
		return false
	}
	if c.seen == nil {
		c.seen = map[once]bool{}
	}
	c.seen[o] = true
	return true
}

func (c *collected) add(at image.Position, use image.Use) {
	c.uses = append(c.uses, placed{at, use})
}

// warn adds a warning. Its text is no reference, so that no kind fits.
func (c *collected) warn(at image.Position, text string) {
	c.doubt(scan.Warning{At: at, Text: text})
}

func (c *collected) doubt(w scan.Warning) {
	if c.first(w.At, "warning", w.Text) {
		c.warnings = append(c.warnings, w)
	}
}

// unknown adds a warning that an image is not known, which format says of what
// is written there.
func (c *collected) unknown(text yamlnode.Scalar, kind image.Kind, format string, args ...any) {
	what := fmt.Sprintf(format, append([]any{short(text)}, args...)...)
	c.doubt(scan.Warning{At: text.At, Text: what, Kind: kind, Written: text.Text})
}

// runtime says why most images are not known.
const runtime = "%s is known only when the workflow runs; it is not verified"

// short returns how text is written, the first 100 bytes of it.
func short(text yamlnode.Scalar) string {
	const most = 100
	if len(text.Text) <= most {
		return text.Text
	}
	return strings.ToValidUTF8(text.Text[:most], "") + "…"
}

// maxReference bounds a reference, in bytes; registries take 255 for the name.
const maxReference = 1024

// use adds the image ref, which is what text stands for.
func (c *collected) use(text yamlnode.Scalar, kind image.Kind, ref string) {
	ref = ref[:min(len(ref), maxReference+1)] // the rest is not worth a look for each combination
	if !c.first(text.At, kind, ref) {
		return
	}
	use := image.Use{Text: text.Text, At: text.At, Kind: kind}
	if len(ref) > maxReference {
		use.Err = fmt.Errorf("a reference of more than %d characters", maxReference)
	} else {
		use.Ref, use.Err = image.Parse(ref)
	}
	if text.Text == ref && text.Value == ref {
		use.Literal = image.Literal{Text: ref, At: text.At}
	}
	c.add(text.At, use)
}

// fail adds a use that is an error, at n.
func (r *reader) fail(n *yaml.Node, kind image.Kind, err error) {
	at := r.file.At(n)
	if r.first(at, kind, err.Error()) {
		r.add(at, image.Use{At: at, Kind: kind, Err: err})
	}
}

// unreadable adds that the file, or the rest of it, cannot be read.
func (r *reader) unreadable(err error) {
	at := image.Position{File: r.file.Name, Line: 1, Col: 1}
	var place *yamlnode.Error
	if errors.As(err, &place) {
		at = place.At
	}
	r.add(at, image.Use{At: at, Kind: image.Container, Err: err})
}

// sorted returns everything in the order of the text.
func (c *collected) sorted() scan.Found {
	slices.SortStableFunc(c.uses, func(a, b placed) int { return before(a.at, b.at) })
	slices.SortStableFunc(c.warnings, func(a, b scan.Warning) int {
		return cmp.Or(cmp.Compare(a.At.File, b.At.File), before(a.At, b.At))
	})
	found := scan.Found{Warnings: c.warnings}
	for _, p := range c.uses {
		found.Uses = append(found.Uses, p.use)
	}
	return found
}

func before(a, b image.Position) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
}
