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
	// before anything else, and may prepare the Form for its Verifier.
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
	rules      []rule
	exceptions []exception
}

// The text of a policy file.
type (
	documentText struct {
		Version    int             `yaml:"version,required" doc:"Version of the form of the file: 1."`
		Extends    []extendText    `yaml:"extends" doc:"Policies whose rules and exceptions count as well, behind those of this file."`
		Publishers []yamlshape.Raw `yaml:"publishers" doc:"Built-in rules by name; boltseal policy publishers lists them."`
		Rules      []ruleText      `yaml:"rules" doc:"What is asked of which images. The most specific rule that matches an image decides alone."`
		Exceptions []exceptionText `yaml:"exceptions" doc:"Images that may pass unverified for a while."`
	}
	ruleText struct {
		At            image.Position
		Images        []yamlshape.Text   `yaml:"images,required" doc:"Patterns of image names; * stands for anything within a segment, ** for anything; with ! in front, what the rule does not speak of."`
		Require       []yamlshape.Raw    `yaml:"require" doc:"What the images must have, all of it."`
		AllowUnsigned *allowUnsignedText `yaml:"allow-unsigned" doc:"Lets the images through unverified, because their publisher does not sign."`
	}
	allowUnsignedText struct {
		At            image.Position
		RequireDigest *bool          `yaml:"require-digest" doc:"Whether the reference must have a digest. The default is true."`
		Reason        yamlshape.Text `yaml:"reason,required" doc:"Why this is so."`
	}
	exceptionText struct {
		At     image.Position
		Images []yamlshape.Text `yaml:"images,required" doc:"Patterns of image names, as in rules."`
		Until  yamlshape.Date   `yaml:"until,required" doc:"The last day, such as 2027-01-31 (UTC)."`
		Owner  yamlshape.Text   `yaml:"owner,required" doc:"Who answers for it."`
		Reason yamlshape.Text   `yaml:"reason,required" doc:"Why it is there."`
	}
	extendText struct {
		At       image.Position
		File     *yamlshape.Text `yaml:"file" doc:"A policy file, relative to this one."`
		URL      *yamlshape.Text `yaml:"url" doc:"An https address; needs sha256."`
		SHA256   *yamlshape.Text `yaml:"sha256" doc:"Hex SHA-256 of the text at url."`
		Artifact *yamlshape.Text `yaml:"artifact" doc:"An OCI artifact as registry/repository@sha256:…, which a rule of this file has to cover."`
	}
)
