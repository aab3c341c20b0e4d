// Package policy decides what is asked of each image: by the rules of a policy
// file, by those of well-known publishers, and by dated exceptions.
package policy

import (
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify"
)

// A System is a kind of requirement that rules may have: a way of signing.
// Package cli lists them.
type System struct {
	Name string // its key in the policy file, such as "sigstore"
	Doc  string // one sentence
	// New returns an empty Form, a pointer to a struct that is filled as package
	// yamlshape says.
	New func() Form
	// Verifier makes the check that a Form of New asks for, for the image of a
	// use. It depends on the use's Ref and Foreign only. It is nil where a policy
	// is only read.
	Verifier func(Form, image.Use) (verify.Verifier, error)
}

// A Form is one requirement of a policy file, as its System reads it.
type Form interface {
	// Check returns what is wrong with it beyond its shape. It is called once,
	// before anything else, and may prepare the Form for its Verifier. It is also
	// called where the shape is wrong, to find the rest; what is wrong is missing
	// then, and nothing else is done with the Form.
	Check() []*yamlshape.Fault
	// Doubts returns what is allowed and probably a mistake, such as a pattern
	// that accepts anybody.
	Doubts() []Doubt
}

// A Doubt is something in a policy that is allowed and probably a mistake.
type Doubt = yamlshape.Doubt

// A rule is one item of rules, of a policy file or of a publisher.
type rule struct {
	at       image.Position
	origin   origin
	images   Patterns
	require  []requirement      // all of them; empty where unsigned is set
	unsigned *allowUnsignedText // nil unless the rule lets images through unsigned
}

// An origin says whose a rule or exception is. Of rules that are equally
// specific the one of the lower layer wins.
type origin struct {
	name  string // "policy", "policy base.yaml", "publisher distroless"
	layer int    // 0 for the policy itself, 1 for what it extends, and so on; publishers are last
}

// A requirement is one item of require: exactly one of its three fields is set.
type requirement struct {
	at    image.Position
	form  Form
	of    System // of form
	anyOf []requirement
	allOf []requirement
}

// An exception lets images through for a while.
type exception struct {
	exceptionText
	origin origin
	match  Patterns
}

// A Policy is what was read, sound but not yet bound to anything that could be
// asked.
type Policy struct {
	// Unlisted says what to do about an image that no rule speaks of, "" where
	// nothing is known of its publisher; it serves messages. May be nil.
	Unlisted func(image.Ref) string

	rules      []rule
	exceptions []exception
}
