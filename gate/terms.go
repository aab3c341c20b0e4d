package gate

import (
	"errors"
	"fmt"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// Terms are what is asked of one image. The zero Terms let nothing pass.
type Terms struct {
	Rule    Rule
	Require []verify.Verifier // all of them must pass
	// Exempt lets the image through without a check. It counts only where
	// nothing is required.
	Exempt *Exemption
	// Err says why there is neither, and what to do about it; nil will do.
	Err error
}

// A Rule is the part of a policy that was chosen for an image. It serves
// reports; nothing is decided by it.
type Rule struct {
	Name   string         // the pattern that chose it, such as "ghcr.io/acme/**"; "" where none did
	Origin string         // whose it is: "command line", "policy", "publisher distroless"
	At     image.Position // of the rule in the policy; zero where it is in no file
	Why    string         // why it was chosen, in words
	Notes  []string       // what else the policy has to say of the image
	Others int            // how many patterns the rule has besides Name
	Next   string         // what the policy would have done first where the image fails; "" for nothing
}

// An Exemption lets an image through although nobody has verified it. The zero
// Exemption lets none through.
type Exemption struct {
	// Until is the moment from which it no longer holds. It is zero only where
	// Unsigned is set.
	Until time.Time
	// Unsigned is set where a rule says that the publisher does not sign.
	Unsigned bool
	// NeedDigest refuses images that were not written with a digest.
	NeedDigest bool

	Owner  string // who answers for it; "" only where Unsigned is set
	Reason string
	At     image.Position // in the policy
}

// unfit says why the terms let nothing pass, whatever the image is.
func (t Terms) unfit(now time.Time) error {
	switch {
	case len(t.Require) > 0:
		return nil
	case t.Exempt != nil:
		return t.Exempt.unfit(now)
	case t.Err != nil:
		return t.Err
	}
	return errors.New("none speaks of this image")
}

func (e *Exemption) unfit(now time.Time) error {
	switch {
	case e.Reason == "":
		return errors.New("it is exempt for no reason")
	case e.Unsigned:
		return nil
	case e.Owner == "" || e.Until.IsZero():
		return errors.New("it is exempt without an owner or an end")
	case !now.Before(e.Until):
		return fmt.Errorf("the exception for it ended at %s", e.Until.UTC().Format(time.RFC3339))
	}
	return nil
}

// refuses says why img is not let through by e.
func (e *Exemption) refuses(img image.Pinned) error {
	if e.NeedDigest && img.Ref().Digest() == "" {
		return &verify.Error{
			Op:   "let " + img.Ref().String() + " through unsigned",
			Err:  errors.New("the rule for it lets it through by digest only, and the reference has none"),
			Hint: "write " + img.Ref().String() + "@" + img.Digest() + ", after a look at what that is: nobody has signed it",
		}
	}
	return nil
}
