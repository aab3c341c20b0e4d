// Package audit compares what a build says it was made of with what a run of
// the gate let in. It needs nothing of the builder but its word: the provenance
// that BuildKit records of every build. That word is unsigned, and what it
// leaves out is not seen here; docs/audit.md says what that is.
package audit

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// A Reason says how one thing ended that was looked at. Its text is stable.
// Where a registry gave no provenance it is a [verify.Reason] instead.
type Reason string

// The Reasons. Only Admitted and Exempt pass, and Unjudged of what is no image.
const (
	Undecided    Reason = ""              // nobody has looked
	Admitted     Reason = "admitted"      // the gate let in exactly this
	Exempt       Reason = "exempt"        // so it did, though nobody had verified it
	Unjudged     Reason = "unjudged"      // no image: Git, or a file from the web
	NotAdmitted  Reason = "not-admitted"  // the gate did not let this in
	NoProvenance Reason = "no-provenance" // nobody says what the build was made of
	Incomplete   Reason = "incomplete"    // what is said is not all
	Malformed    Reason = "malformed"     // what is said has no certain meaning
)

// An Admission is one image that the gate let in.
type Admission struct {
	Pinned image.Pinned
	Exempt bool // nobody had verified it
}

// A Gate knows what a run let in. The zero Gate let in nothing.
//
// A material costs a few look-ups, however much the run let in: there can be
// many of both, and who writes the materials may want this to take long.
type Gate struct {
	images  map[string]Admission    // by name@digest; exempt if one of its references is
	digests map[string]image.Pinned // by digest: the first image that has it
	listed  map[string]image.Pinned // by name@digest of a manifest: the index that lists it
	tags    map[string]tagged       // by name:tag
	instead map[string][]string     // by name: at most maxInstead of its images, for people
}

// A tagged is what the gate let in for one tag. What the tag itself led to says
// more of it than a digest that somebody wrote beside it.
type tagged struct {
	resolved, written map[string]bool // by digest
	first, last       string          // a digest of each
}

const (
	// maxInstead bounds what is listed beside an image that was refused.
	maxInstead = 100
	// maxListed bounds how many that were refused have such a list.
	maxListed = 1000
)

// NewGate returns the Gate that let in these images.
func NewGate(admitted []Admission) Gate {
	g := Gate{
		images: map[string]Admission{}, digests: map[string]image.Pinned{}, listed: map[string]image.Pinned{},
		tags: map[string]tagged{}, instead: map[string][]string{},
	}
	for _, a := range admitted {
		ref, digest := a.Pinned.Ref(), a.Pinned.Digest()
		if digest == "" { // the zero Pinned names nothing
			continue
		}
		if _, again := g.digests[digest]; !again {
			g.digests[digest] = a.Pinned
		}
		key := ref.Name() + "@" + digest
		first, again := g.images[key]
		if !again {
			first = a
		}
		first.Exempt = first.Exempt || a.Exempt
		g.images[key] = first
		for _, c := range a.Pinned.Children() {
			g.listed[ref.Name()+"@"+c.Digest] = a.Pinned
		}
		if ref.Tag() != "" {
			g.tag(ref, digest)
		}
		g.instead[ref.Name()] = append(g.instead[ref.Name()], alternative(a.Pinned.String(), ref.String()))
	}
	for name, all := range g.instead {
		slices.Sort(all)
		all = slices.Compact(all)
		g.instead[name] = slices.Clip(all[:min(len(all), maxInstead)])
	}
	return g
}

// tag keeps that ref, which has a tag, was let in with this digest.
func (g Gate) tag(ref image.Ref, digest string) {
	key := ref.Name() + ":" + ref.Tag()
	t, again := g.tags[key]
	if !again {
		t = tagged{resolved: map[string]bool{}, written: map[string]bool{}}
	}
	if ref.Digest() == "" {
		t.resolved[digest] = true
		t.first = cmp.Or(t.first, digest)
	} else {
		t.written[digest] = true
		t.last = cmp.Or(t.last, digest)
	}
	g.tags[key] = t
}

// moved returns another digest that the gate let in for the tag of ref, if there
// is one and this digest is none of that tag; else "". A tag that the gate does
// not know, and none, say nothing.
//
// Where the build asked for the tag alone, it got what the tag led to, and that
// has to be what it had led to for the gate: not what a digest beside the same
// tag, in another file, had let in.
func (g Gate) moved(ref image.Ref, digest string) string {
	t, known := g.tags[ref.Name()+":"+ref.Tag()]
	switch {
	case !known || t.resolved[digest]:
		return ""
	case t.written[digest] && (ref.Digest() != "" || len(t.resolved) == 0):
		return ""
	}
	return cmp.Or(t.first, t.last)
}

// Options say how strict an audit is.
type Options struct {
	// Strict refuses what is otherwise only told of: sources that are no images,
	// the local context aside, and provenance without the build's steps.
	Strict bool
}

// A Build is one build for one platform, and what its provenance says.
type Build struct {
	Source   string // the file or image that the provenance comes with
	Target   string // of bake; "" elsewhere
	Platform string // "" where there is one provenance for the whole build

	// Provenance is nil where there is none to go by; Reason and Err then say
	// why, and Err is never nil.
	Provenance *Provenance
	Reason     Reason
	Err        error
}

// A Finding is what an audit says of one Build.
type Finding struct {
	Build  Build
	Reason Reason   // Admitted or Exempt if it passed
	Err    error    // why it did not pass; nil where that is said of what it used
	Notes  []string // what to know all the same
	Used   []Judged
}

// A Judged is one thing that a build used, and whether it may.
type Judged struct {
	Material
	Reason  Reason
	Err     error    // why it may not
	Instead []string // what was let in of the same repository, at most 100; of the first 1,000 that were refused
}

// Passed reports whether the build may have used it.
func (j Judged) Passed() bool {
	return j.Reason == Admitted || j.Reason == Exempt || j.Reason == Unjudged
}

// Passed reports whether it is known what the build used, and all of it was let
// in.
func (f Finding) Passed() bool { return f.Reason == Admitted || f.Reason == Exempt }

// NoAnswer reports whether f did not pass because a registry did not answer.
func (f Finding) NoAnswer() bool { return verify.Reason(f.Reason).NoAnswer() }

// A Result is a whole audit. The zero Result does not pass.
type Result struct{ Findings []Finding }

// Passed reports whether there was a build, and all of them passed.
func (r Result) Passed() bool {
	for _, f := range r.Findings {
		if !f.Passed() {
			return false
		}
	}
	return len(r.Findings) > 0
}

// NoAnswer reports whether r fails only because registries did not answer.
func (r Result) NoAnswer() bool {
	for _, f := range r.Findings {
		if !f.Passed() && !f.NoAnswer() {
			return false
		}
	}
	return len(r.Findings) > 0 && !r.Passed()
}

// Audit compares every build with what g let in.
func (g Gate) Audit(builds []Build, o Options) Result {
	r := Result{Findings: make([]Finding, 0, len(builds))}
	for _, b := range builds {
		r.Findings = append(r.Findings, g.audit(b, o))
	}
	n := 0
	for _, f := range r.Findings {
		for i, u := range f.Used {
			if u.Kind == Image && !u.Passed() && n < maxListed {
				f.Used[i].Instead = g.alternatives(u.Ref)
				n++
			}
		}
	}
	return r
}

// alternatives returns at most maxInstead images that were let in of the
// repository of ref, the one that its tag led to first.
func (g Gate) alternatives(ref image.Ref) []string {
	all := g.instead[ref.Name()]
	key := ref.Name() + ":" + ref.Tag()
	digest := g.tags[key].first
	if digest == "" {
		return all
	}
	first := alternative(ref.Name()+"@"+digest, key)
	rest := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == first })
	return append([]string{first}, rest[:min(len(rest), maxInstead-1)]...)
}

func alternative(pinned, as string) string { return pinned + " (as " + as + ")" }

const moreSteps = "set BUILDX_METADATA_PROVENANCE=max, or for an image build with provenance mode=max"

func (g Gate) audit(b Build, o Options) Finding {
	f := Finding{Build: b, Reason: Admitted}
	p := b.Provenance
	if p == nil {
		f.Reason, f.Err = b.Reason, b.Err
		return f
	}
	images := 0
	for _, m := range p.all() {
		j := g.judge(m, o)
		f.Used = append(f.Used, j)
		if m.Kind != Git && m.Kind != Web {
			images++
		}
		switch {
		case !j.Passed() && f.Passed():
			f.Reason = j.Reason
		case j.Reason == Exempt && f.Reason == Admitted:
			f.Reason = Exempt
		}
	}
	fail := func(reason Reason, text string) Finding {
		if f.Passed() { // what was used says it better
			f.Reason, f.Err = reason, &verify.Error{Op: "audit", Err: errors.New(text), Hint: moreSteps}
		}
		return f
	}
	const hidden = "the build's steps are not in its provenance, and BuildKit leaves an image out of the materials that is named by digest beside its own tag"
	switch {
	case p.Steps && images == 0:
		f.Notes = append(f.Notes, "it used no image: its steps are known, and none of them reads one")
	case p.Steps:
	case images == 0:
		return fail(NoProvenance, "there is nothing to audit: the provenance names no image, and it does not have the build's steps, which would show that there was none")
	case o.Strict:
		return fail(Incomplete, hidden)
	default:
		f.Notes = append(f.Notes, hidden+": "+moreSteps)
	}
	return f
}

// judge says whether a build may have used m.
func (g Gate) judge(m Material, o Options) Judged {
	j := Judged{Material: m}
	switch m.Kind {
	case Image:
		return g.image(j)
	case Git, Web:
		if o.Strict {
			return j.refused("leave out --strict if that is as it should be", "only images are ever admitted, and this is none")
		}
		j.Reason = Unjudged
		return j
	case Layout:
		return j.refused("push it to a registry, and have boltseal verify it there", "it is from an OCI layout on a disk, which the gate has not seen")
	case Blob:
		return j.refused("build from an image instead", "it is a blob that lies in a repository, and only images are ever admitted")
	}
	return j.refused(again, "nobody knows what kind of thing it is")
}

func (j Judged) refused(hint, format string, args ...any) Judged {
	j.Reason, j.Err = NotAdmitted, &verify.Error{Op: "audit", Err: fmt.Errorf(format, args...), Hint: hint}
	return j
}

// image judges an image: its name and its digest must both be those that the
// gate let in, and so must its tag, where the gate knows it.
func (g Gate) image(j Judged) Judged {
	const (
		drop  = "do not use what was built; "
		moved = drop + "if the tag moved since, verify again, and hand the result to the build (--handover), which then cannot use another"
	)
	name := j.Ref.Name()
	if j.Digest == "" {
		j.Reason, j.Err = Incomplete, &verify.Error{
			Op: "audit", Err: fmt.Errorf("the build's %s names it, and it is not among its materials", j.Where),
			Hint: drop + "nobody knows which image this was",
		}
		return j
	}
	if a, ok := g.images[name+"@"+j.Digest]; ok {
		if other := g.moved(j.Ref, j.Digest); other != "" {
			return j.refused(moved, "the gate let in %s:%s as %s, and the build used the digest of %s", name, j.Ref.Tag(), other, a.Pinned.Ref())
		}
		j.Reason = Admitted
		if a.Exempt {
			j.Reason = Exempt
		}
		return j
	}
	if index, ok := g.listed[name+"@"+j.Digest]; ok {
		return j.refused("name the index in the build, or have boltseal verify this manifest by its own digest", "the gate let in an index that lists it, not this manifest by itself: %s", index)
	}
	if same, ok := g.digests[j.Digest]; ok {
		return j.refused(drop+"have the gate verify it under the name that the build uses", "the gate let in this digest as %s, which is another name: others may push there", same)
	}
	if len(g.instead[name]) > 0 {
		return j.refused(moved, "the gate let in another digest of this repository")
	}
	return j.refused(drop+"have the gate verify this image too: give the file that uses it, or --implicit-image", "the gate has not seen this repository")
}

// A flaw is why there is no provenance to go by.
type flaw struct {
	reason Reason
	err    *verify.Error
}

func (f *flaw) Error() string { return f.err.Error() }
func (f *flaw) Unwrap() error { return f.err }

func flawed(reason Reason, hint, format string, args ...any) error {
	return &flaw{reason, &verify.Error{Op: "read provenance", Err: fmt.Errorf(format, args...), Hint: hint}}
}

// with returns b with its provenance, or why it has none.
func (b Build) with(p *Provenance, err error) Build {
	b.Provenance = p
	if err != nil {
		b.Provenance, b.Reason, b.Err = nil, Malformed, err
		if f := (*flaw)(nil); errors.As(err, &f) {
			b.Reason = f.reason
		}
	}
	return b
}
