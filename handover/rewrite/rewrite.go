// Package rewrite says what to change in the text of files so that each
// reference has the digest that was admitted for it. It writes nothing.
//
// It changes references that stand in a file as they are, byte for byte, and
// nothing else. The scanner says which text that is, an [image.Literal]: where
// the image is used, the default of the ARG or of the Compose variable that is
// used there, or the digest in a kustomization. The repository stays as its
// author spelled it; the tag is written out, since digests without one tell
// nobody, and no tool, what to update.
//
// A place where that is not sure is a [Refusal], never a guess: what is made of
// several texts, has escapes, or serves something else, too, such as an ARG that
// a stage has or an anchor that a label repeats. A tag that is a variable stays:
// with a digest behind it, its value would no longer decide anything.
package rewrite

import (
	"cmp"
	"slices"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
)

// A Target is a place that uses an image, and what is to stand there.
type Target struct {
	Use image.Use
	// To has the reference of Use, or that without its digest, and the digest
	// that was admitted for it.
	To gate.Admitted
	// Replaced is whether Use is a place where some build puts a named context
	// instead of what is written there: To is none, and the text stays for the
	// others that read it, too. It is not among the refusals.
	Replaced bool
}

// A Change is the new text of one file. Old and New differ in the Edits only.
type Change struct {
	File     string // as Use.At has it
	Old, New []byte
	Edits    []Edit // in the order of the text, never none
}

// An Edit replaced one reference.
type Edit struct {
	// At is where it stood in Change.Old. That is not where it is used if the
	// text comes from elsewhere: from the default of an ARG, say.
	At       image.Position
	Old, New string // as they stand in the file, without a line break
	// Exempt is whether it was let in without a check for one of its uses.
	Exempt bool
}

// A Refusal is a place that is not rewritten. Err is a [verify.Error] whose Hint
// says what to write, and where.
type Refusal struct {
	Use image.Use
	Err error
}

// Plan returns the changes to files, in the order of their names, and what is
// refused, in the order of targets. Every target is in a Change, refused, or has
// its digest already. Read returns the file that a position names; it is called
// once for each.
//
// What else makes of the new text another build than before is for the caller
// to find: scanned again, the files have to give the same uses with the digests.
func Plan(read func(file string) ([]byte, error), targets []Target) ([]Change, []Refusal) {
	p := planner{read: read, sources: map[string]*source{}, sites: map[image.Position]*site{}}
	errs := make([]error, len(targets))
	for i, t := range targets {
		errs[i] = p.take(i, t)
	}
	p.settle(targets, errs)
	p.declare(targets, errs)
	for _, s := range p.sites {
		for _, i := range s.targets {
			errs[i] = cmp.Or(errs[i], s.err)
		}
	}
	var refused []Refusal
	for i, t := range targets {
		if errs[i] != nil && !t.Replaced {
			refused = append(refused, Refusal{Use: t.Use, Err: t.refusal(errs[i])})
		}
	}
	return p.changes(), refused
}

// A planner gathers what is to be written.
type planner struct {
	read    func(string) ([]byte, error)
	sources map[string]*source
	sites   map[image.Position]*site
}

// A site is a text that is to be replaced.
type site struct {
	Edit
	from, to int   // of Old, in the file; from is -1 if it is not there
	targets  []int // that read it
	err      error
	names    map[string]bool // of ARGs whose default it is
}

func (s *site) fail(err error) { s.err = cmp.Or(s.err, err) }

// take notes what t asks for, or says why it cannot have it.
func (p *planner) take(i int, t Target) error {
	if t.Replaced {
		return errReplaced
	}
	if err := t.fits(); err != nil {
		return err
	}
	digest := t.To.Pinned().Digest()
	if t.Use.Ref.Digest() == digest {
		return nil
	}
	l := t.Use.Literal
	name, isArgument := t.argument()
	if l.Text == "" || l.At.File == "" || !isArgument && !t.own() {
		return p.indirect(t)
	}
	written := pinned(t.Use, digest)
	s, ok := p.sites[l.At]
	if !ok {
		s = &site{Edit: Edit{At: l.At, Old: l.Text, New: written}, names: map[string]bool{}}
		p.sites[l.At] = s
	}
	_, exempt := t.To.Exemption()
	s.Exempt = s.Exempt || exempt
	s.targets = append(s.targets, i)
	if !ok || s.Old != l.Text {
		s.from, s.err = p.source(l.At.File).find(l)
		s.to = s.from + len(l.Text)
	}
	switch {
	case s.New != written:
		s.fail(disagreement(s.New, written))
	case !reads(written, t.Use, digest):
		s.fail(errReference)
	case isArgument:
		s.names[name] = true
	}
	return nil
}

// settle refuses sites that one of those who read them cannot have, whose text
// serves something else, and those that overlap.
func (p *planner) settle(targets []Target, errs []error) {
	places := map[image.Position]*site{} // of uses whose own text it is
	for _, s := range p.sites {
		for _, i := range s.targets {
			if _, isArgument := targets[i].argument(); !isArgument {
				places[targets[i].Use.At] = s
			}
		}
	}
	for i, t := range targets {
		if errs[i] == nil {
			continue
		}
		if s := p.sites[t.Use.Literal.At]; s != nil {
			s.fail(errs[i])
		}
		switch s := places[t.Use.At]; {
		case s == nil:
		case t.Replaced:
			s.fail(errs[i])
		default:
			s.fail(twofold(t.Use))
		}
	}
	ordered := p.ordered()
	for i := 1; i < len(ordered); i++ {
		a, b := ordered[i-1], ordered[i]
		if a.At.File == b.At.File && a.to > b.from {
			a.fail(overlap(b))
			b.fail(overlap(a))
		}
	}
	for file, s := range p.sources {
		var own []*site
		for _, o := range ordered {
			if o.At.File == file {
				own = append(own, o)
			}
		}
		s.arguments(own)
		s.aliases(own, targets)
	}
}

// ordered returns the sites whose text was found, by file and place.
func (p *planner) ordered() []*site {
	var all []*site
	for _, s := range p.sites {
		if s.from >= 0 {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *site) int {
		return cmp.Or(cmp.Compare(a.At.File, b.At.File), cmp.Compare(a.from, b.from))
	})
	return all
}

func (p *planner) changes() []Change {
	var all []Change
	for _, s := range p.ordered() {
		if s.err != nil {
			continue
		}
		if len(all) == 0 || all[len(all)-1].File != s.At.File {
			all = append(all, Change{File: s.At.File, Old: p.sources[s.At.File].text})
		}
		c := &all[len(all)-1]
		c.Edits = append(c.Edits, s.Edit)
	}
	for i := range all {
		all[i].New = p.sources[all[i].File].with(all[i].Edits)
	}
	return all
}
