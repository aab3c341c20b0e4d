package cli

import (
	"fmt"
	"regexp"
	"sync"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/report"
)

// proven scans the workspace as it would be. There have to be the same uses, where
// they were, of the images that d expects, and the same warnings.
func (p *pinRun) proven(c Command, d *pinDraft) error {
	texts := map[string][]byte{}
	changes := map[string]pinChange{}
	for _, x := range d.written() {
		texts[x.name], changes[x.name] = x.New, x
	}
	got, err := p.flags.scan.over(c, p.space, overlay{p.fsys, texts}, p.build)
	if err != nil {
		return err
	}
	before, after := inventory{}, inventory{}
	expected := d.expected()
	for i, u := range p.found.uses {
		u.Ref = expected[i]
		before.use(u)
	}
	for _, w := range p.found.warnings {
		before.warning(w)
	}
	for _, u := range p.found.replaced {
		before.replaced(u)
	}
	for i, s := range before {
		if x, ok := changes[d.files.file(s.at.File).real]; ok {
			before[i].at = x.moved(s.at)
		}
	}
	for _, u := range got.uses {
		after.use(u)
	}
	for _, w := range got.warnings {
		after.warning(w)
	}
	for _, u := range got.replaced {
		after.replaced(u)
	}
	if x, lacks := after.lacks(before); lacks {
		return fmt.Errorf("with it, there would no longer be %s", x)
	}
	if x, lacks := before.lacks(after); lacks {
		return fmt.Errorf("with it, there would be %s", x)
	}
	return nil
}

// An inventory is what a scan finds, in its order.
type inventory []sighting

// A sighting is one use or one warning, without what a digest may change.
type sighting struct {
	at      image.Position
	kind    image.Kind
	ref     image.Ref
	stage   string
	foreign bool
	text    string // of a warning, or of an error
}

func (v *inventory) use(u image.Use) {
	s := sighting{at: u.At, kind: u.Kind, ref: u.Ref, stage: u.Stage, foreign: u.Foreign}
	if u.Err != nil {
		s.text = u.Err.Error()
	}
	*v = append(*v, s)
}

func (v *inventory) warning(w report.Warning) {
	*v = append(*v, sighting{at: w.At, kind: w.Kind, text: rewritten().ReplaceAllString(w.Text, "")})
}

// replaced notes a place that a context stands in for: of the builds that find
// something there, that may be one, and the use the other's.
func (v *inventory) replaced(u image.Use) {
	*v = append(*v, sighting{at: u.At, kind: u.Kind, stage: u.Stage, text: "a named context"})
}

// rewritten matches what a reference has more when it is pinned: warnings quote
// references.
var rewritten = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`:latest\b|@sha256:[0-9a-f]{64}`)
})

// lacks returns the first of other that v has not.
func (v inventory) lacks(other inventory) (sighting, bool) {
	has := map[sighting]bool{}
	for _, s := range v {
		has[s] = true
	}
	for _, s := range other {
		if !has[s] {
			return s, true
		}
	}
	return sighting{}, false
}

func (s sighting) String() string {
	what := s.text
	if !s.ref.IsZero() {
		what = s.ref.String()
	}
	return fmt.Sprintf("%q at %s:%d:%d", what, s.at.File, s.at.Line, s.at.Col)
}
