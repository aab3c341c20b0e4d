// Package handover tells builders which images a build may use: those that a
// run of the gate admitted, by digest. Some forms make the builder refuse all
// others; some only replace tags by digests. None says more than the gate did:
// what is exempt is marked wherever a form has a place for it.
package handover

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
)

// A Set is what a build may use. The zero Set admits nothing: forms that deny
// then deny every image.
type Set struct{ entries []entry }

// An entry is one reference, as it was written, and what it stands for.
type entry struct {
	ref    image.Ref
	digest string
	// exempt says that nobody has verified it, and why it may be used all the
	// same; nil where it was verified everywhere it is used.
	exempt *gate.Exemption
}

// New returns the Set of what a run admitted, which may be nothing. It fails
// where a reference stands for two digests, since the tag moved while the run
// looked, and on a zero [gate.Admitted].
func New(admitted []gate.Admitted) (Set, error) {
	at := map[image.Ref]int{}
	var s Set
	for _, a := range admitted {
		e := entry{ref: a.Pinned().Ref(), digest: a.Pinned().Digest()}
		if e.digest == "" {
			return Set{}, errors.New("hand over: an image without a digest is among those admitted")
		}
		if x, ok := a.Exemption(); ok {
			e.exempt = &x
		}
		i, again := at[e.ref]
		if !again {
			at[e.ref] = len(s.entries)
			s.entries = append(s.entries, e)
			continue
		}
		known := &s.entries[i]
		if known.digest != e.digest {
			return Set{}, fmt.Errorf("hand over %s: it was %s and then %s within one run: run it again", e.ref, known.digest, e.digest)
		}
		known.exempt = cmp.Or(known.exempt, e.exempt)
	}
	slices.SortFunc(s.entries, func(a, b entry) int { return cmp.Compare(a.ref.String(), b.ref.String()) })
	return s, nil
}

// Len returns how many references the Set has.
func (s Set) Len() int { return len(s.entries) }

// Exempt returns those of them that nobody has verified.
func (s Set) Exempt() []image.Ref {
	var refs []image.Ref
	for _, e := range s.entries {
		if e.exempt != nil {
			refs = append(refs, e.ref)
		}
	}
	return refs
}

// A Form is one way to tell a builder.
type Form struct {
	Name string // "source-policy"
	Doc  string // one line: what reads it
	// Denies is whether the builder refuses what is not admitted. Other forms
	// only pin: what they do not name is built as before. A form that denies
	// has something to say of the empty Set, the others have not.
	Denies bool
	// Refuses says why the form cannot hand over a reference, and what to write
	// instead; it is known before anybody is asked about the image. Nil stands
	// for a form that takes them all. Files refuses the same.
	Refuses func(image.Ref) error
	// Lacks says what the form would have to know of a build and does not; that,
	// too, is known before anybody is asked. Nil stands for a form that needs
	// nothing. Files fails for the same.
	Lacks func(Options) error
	// Files returns what to write, never nothing. It fails where the form
	// cannot say what the Set does, naming what is to be written otherwise.
	Files func(Set, Options) ([]File, error)
}

// Options are what some forms need to know besides. The zero Options are good.
type Options struct {
	// Targets are the bake targets that are built; none means "default", unless
	// files were looked at for them.
	Targets []Target
	Scanned bool
	// Contexts are the named contexts that the command line of the build has
	// already, by the name under which BuildKit looks for them.
	Contexts map[string]string
	// Path is the name that was asked for, with slashes; "" will do for a file
	// called Dockerfile.rego.
	Path string
}

// A Target is a bake target, and the named contexts that it has already. What
// has the name of an image is used instead of that image. A value that is not
// known is "".
type Target struct {
	Name     string
	Contexts map[string]string
	// Mentioned is whether other attributes refer to the target's: to bake,
	// those are the last block's of its name, whatever it has not.
	Mentioned bool
}

// A File is one file of a Form.
type File struct {
	// Suffix is what its name has in addition to the name that was asked for.
	Suffix string
	Body   []byte
	// Check says what is wrong with the file as the builder will read it. It is
	// given what was read back. Nil stands for no doubt.
	Check func([]byte) error
}

// Forms returns all forms, in the order in which they are listed.
func Forms() []Form {
	return []Form{
		sourcePolicyImages(),
		sourcePolicyStrict(),
		buildContexts(),
		bake(),
		regoPolicy(),
		containersPolicy(),
		pinnedLines(),
		imagesLock(),
	}
}
