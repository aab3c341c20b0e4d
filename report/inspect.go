package report

import (
	"time"

	"github.com/boltseal/boltseal/verify"
)

// An Inspection is who vouches for what one argument of boltseal trust inspect
// names, in every system. It is no verdict: nobody said who should.
type Inspection struct {
	Name    string // as it was written
	Trust   ContentTrust
	Images  []InspectedImage
	Vouched bool // somebody vouches for it, and nothing that was found speaks against that
}

// ContentTrust is what Docker Content Trust says of a repository.
type ContentTrust struct {
	GUN    string // the collection, such as docker.io/library/alpine
	Server string // its address; "" where none could be derived
	Ending string // when the server ends, in a sentence; "" where that is not known

	// Reason and Err say why there are no trust data that hold; "" and nil where
	// there are.
	Reason verify.Reason
	Err    error

	Pin     string // what spoke for the root, such as "root key id"
	Pinned  bool   // somebody said which root to trust
	Tags    []SignedTag
	Omitted int // signed tags that are not in Tags, being too many
	Others  []UnreleasedTag
	Unshown int // unreleased tags that are not in Others, being too many
	Roles   []TrustRole
	Void    string // why none of the tags counts; "" if they do
}

// Found reports whether there are trust data that hold.
func (c ContentTrust) Found() bool { return c.Err == nil && c.Reason == "" }

// NoAnswer reports whether it could not be asked.
func (c ContentTrust) NoAnswer() bool {
	return c.Err != nil && (c.Reason.NoAnswer() || c.Reason == verify.Undecided)
}

// A SignedTag is a tag with a digest that was signed for it and released.
type SignedTag struct {
	Tag, Digest string // sha256:<hex>
	Role        string // the one that released it: "targets/releases" or "targets"
	Counts      bool   // it is the digest that clients take; another may be released by a role that comes after
	Signers     []string
	Served      Served
}

// What a registry has behind a tag.
const (
	ServedSame     = "same"      // the digest that was signed
	ServedMoved    = "moved"     // another digest
	ServedMissing  = "missing"   // nothing
	ServedNoAnswer = "no-answer" // the registry did not say
	ServedNotAsked = "not-asked"
)

// Served is what the registry has behind a signed tag.
type Served struct {
	State  string // ServedSame and the like
	Digest string // sha256:<hex>; "" where there was no answer
	Err    error  // why there was none
}

// An UnreleasedTag is a tag that somebody has signed and nobody has released: no
// client takes it.
type UnreleasedTag struct {
	Tag, Digest string
	Signers     []string
}

// A TrustRole is who may sign, and until when what they have signed counts.
type TrustRole struct {
	Name      string
	KeyIDs    []string
	Threshold int
	Version   int
	Expires   time.Time
	Err       error // why what it signed does not count; nil if it does
}

// idle reports whether the role has signed nothing yet, as a delegation has at
// first.
func (r TrustRole) idle() bool { return r.Err == nil && r.Version == 0 }

// signedNothing is what is said of a role that is idle.
const signedNothing = "has signed nothing yet"

// nextMoved is the next step where a tag was moved.
const nextMoved = "find out who moved the tag: if it was meant, have the new image signed, else put the old one back"

// An InspectedImage is an image, and what was found beside it in the registry.
type InspectedImage struct {
	Reference string // as it was asked for, with docker's defaults
	Pinned    string // repository@digest; "" where it was not resolved
	Digest    string
	Trusted   []SignedTag // the tags for which docker content trust has signed just this digest
	Reason    verify.Reason
	Err       error // why it was not resolved
	Systems   []InspectedSystem
}

// An InspectedSystem is what one system has for an image. Err says why that is
// not known.
type InspectedSystem struct {
	System     string
	Reason     verify.Reason
	Err        error
	Signatures []verify.Candidate
}

// Sound reports whether c proves who signed. Whoever looks expects nobody, so
// that this is how a sound one is refused.
func Sound(c verify.Candidate) bool { return c.Reason == verify.WrongSigner && c.Signer != "" }
