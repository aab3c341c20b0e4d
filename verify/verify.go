// Package verify says whether an image is signed by someone it should be.
package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/boltseal/boltseal/image"
)

// A Reason says how a check ended. Its text is stable: it is an output value,
// the SARIF rule ID and what users match on.
type Reason string

// The Reasons. Only Verified passes.
const (
	Undecided    Reason = ""              // no check ran to its end
	Verified     Reason = "verified"      // signed as required
	Exempt       Reason = "exempt"        // let through by a dated exception, never by a check
	Unsigned     Reason = "unsigned"      // there is no signature in any place where its system keeps them
	WrongSigner  Reason = "wrong-signer"  // sound signature, signer not among those expected
	BadSignature Reason = "bad-signature" // signature, certificate, log entry or payload does not hold
	WrongType    Reason = "wrong-type"    // signed, but not with the required predicate, or user metadata
	Expired      Reason = "expired"       // signed outside the validity of its certificate, or no longer meant to count
	Revoked      Reason = "revoked"       // the signing certificate was withdrawn
	NoRule       Reason = "no-rule"       // no requirement speaks of the image
	Unresolved   Reason = "unresolved"    // the reference is not known before the build
	NotFound     Reason = "not-found"     // the registry has no such image
	Denied       Reason = "denied"        // the registry refused the credentials
	Unavailable  Reason = "unavailable"   // registry, log or trust root gave no usable answer
	Unsupported  Reason = "unsupported"   // a format or algorithm this program does not know
)

// NoAnswer reports whether r means that the question could not be asked, as
// opposed to having been answered with no.
func (r Reason) NoAnswer() bool { return r == Unavailable || r == Denied }

// A Verdict is the outcome of one check of one image. The zero Verdict is
// Undecided and does not pass.
type Verdict struct {
	image       image.Pinned
	reason      Reason
	requirement string
	evidence    []Evidence
	candidates  []Candidate
	parts       []Verdict // see Parts; nil where it is one requirement's
	refused     bool      // see Refuse
	err         error
}

// Pass returns a passing Verdict for img. Evidence that is missing, names no
// signer, or is for another digest gives a failing Verdict instead: a
// verifier's mistake keeps the gate shut.
func Pass(img image.Pinned, ev Evidence) Verdict {
	if img.Digest() == "" || ev.Digest != img.Digest() {
		return Fail(img, BadSignature, fmt.Errorf("evidence is for %q, not for %q", ev.Digest, img.Digest()))
	}
	if err := ev.complete(); err != nil {
		return Fail(img, BadSignature, err)
	}
	return Verdict{image: img, reason: Verified, evidence: []Evidence{ev}}
}

// PassTogether returns a passing Verdict for img that several signers vouch for:
// ev must be at least need pieces of evidence that would each do for [Pass], and
// each by another signer. Anything less gives a failing Verdict.
func PassTogether(img image.Pinned, need int, ev []Evidence) Verdict {
	if err := distinct(need, ev); err != nil {
		return Fail(img, BadSignature, err)
	}
	for _, e := range ev {
		if v := Pass(img, e); !v.Passed() {
			return v
		}
	}
	return Verdict{image: img, reason: Verified, evidence: slices.Clone(ev)}
}

// PassPlatforms returns a passing Verdict for an index that is vouched for
// through its platform manifests: each of platforms must be a child of img and
// have its own evidence, in the same order. Anything less gives a failing
// Verdict.
func PassPlatforms(img image.Pinned, platforms []image.Child, ev []Evidence) Verdict {
	each := make([][]Evidence, len(ev))
	for i := range ev {
		each[i] = ev[i : i+1]
	}
	return PassPlatformsTogether(img, platforms, 1, each)
}

// PassPlatformsTogether is [PassPlatforms] for platform manifests that several
// signers vouch for: at least need of them for each, as for [PassTogether].
func PassPlatformsTogether(img image.Pinned, platforms []image.Child, need int, ev [][]Evidence) Verdict {
	if img.Digest() == "" || len(platforms) == 0 || len(platforms) != len(ev) {
		return Fail(img, BadSignature, errors.New("evidence does not cover every platform asked for"))
	}
	children := img.Children()
	var all []Evidence
	for i, p := range platforms {
		listed := slices.ContainsFunc(children, func(c image.Child) bool { return c.Digest == p.Digest && p.Digest != "" })
		if err := distinct(need, ev[i]); err != nil {
			return Fail(img, BadSignature, err)
		}
		for _, e := range ev[i] {
			if !listed || e.covers() != p.Digest {
				return Fail(img, BadSignature, fmt.Errorf("evidence is for %q, not for platform %s %q", e.covers(), p.Platform, p.Digest))
			}
			if err := e.complete(); err != nil {
				return Fail(img, BadSignature, err)
			}
		}
		all = append(all, ev[i]...)
	}
	return Verdict{image: img, reason: Verified, evidence: all}
}

// distinct reports an error unless ev has at least need items, at least one,
// no two of them by one signer.
func distinct(need int, ev []Evidence) error {
	if need < 1 || len(ev) < need {
		return fmt.Errorf("evidence of %d signers, where %d are needed", len(ev), need)
	}
	seen := map[string]bool{}
	for _, e := range ev {
		if seen[e.Signer] {
			return fmt.Errorf("evidence of %q stands twice", e.Signer)
		}
		seen[e.Signer] = true
	}
	return nil
}

// Fail returns a failing Verdict. A Reason that would pass, or that only
// another package may grant, becomes Undecided.
func Fail(img image.Pinned, r Reason, err error) Verdict {
	if r == Verified || r == Exempt {
		r = Undecided
	}
	return Verdict{image: img, reason: r, err: err}
}

// Refuse returns v, which passed, as a failing Verdict of WrongSigner: the
// requirement is satisfied, and err says what else speaks against who did that.
// What did not pass is returned as it is.
func (v Verdict) Refuse(err error) Verdict {
	if !v.Passed() {
		return v
	}
	refused := Fail(v.image, WrongSigner, err).For(v.requirement).With(v.candidates)
	refused.refused = true
	return refused
}

// For returns v with the requirement it answers, in words.
func (v Verdict) For(requirement string) Verdict {
	v.requirement = requirement
	return v
}

// With returns v with the signatures that were looked at. Where v passed, none of
// them says what would accept it: nothing has to be changed for it, and whoever
// did would let more signers in.
func (v Verdict) With(candidates []Candidate) Verdict {
	v.candidates = slices.Clone(candidates)
	for i := range v.candidates {
		if v.Passed() {
			v.candidates[i].Accept = nil
		}
	}
	return v
}

// Passed reports whether the image is signed as required.
func (v Verdict) Passed() bool { return v.reason == Verified && len(v.evidence) > 0 }

// Image returns the image that was checked.
func (v Verdict) Image() image.Pinned { return v.image }

// Reason returns how the check ended.
func (v Verdict) Reason() Reason { return v.reason }

// Requirement returns what was required, in words; "" where nothing was.
func (v Verdict) Requirement() string { return v.requirement }

// Evidence returns what satisfied the requirement: one item for the image
// itself, or one for each platform; where several signers are needed, one for
// each of them. It is empty unless v passed.
func (v Verdict) Evidence() []Evidence { return slices.Clone(v.evidence) }

// Candidates returns every signature that was looked at, with its own Reason. Of
// a Verdict that passed, those that are Verified satisfied a requirement, or
// would have in the place of another.
func (v Verdict) Candidates() []Candidate { return slices.Clone(v.candidates) }

// Parts returns a Verdict for each single requirement that was satisfied where v
// is of several, and v itself where it is of one: each with the evidence and the
// candidates of its own requirement, as those of one say nothing of another. It
// is empty unless v passed.
func (v Verdict) Parts() []Verdict {
	switch {
	case !v.Passed():
		return nil
	case v.parts == nil:
		return []Verdict{v}
	}
	return slices.Clone(v.parts)
}

// Err returns why v fails; nil if it passed.
func (v Verdict) Err() error { return v.err }

// A Verifier is one trust requirement, ready to run. Signers, keys and roots
// are bound when it is made, so Verify cannot be called without them.
type Verifier interface {
	Verify(ctx context.Context, img image.Pinned) Verdict
}

// An Error explains a failing Verdict to the person who has to fix it.
type Error struct {
	Op   string // what was being done, such as "read signatures"
	Hint string // one imperative sentence; may be empty
	Err  error
}

func (e *Error) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint returns the next step that err, or an error it wraps, suggests; "" where
// none does.
func Hint(err error) string {
	for e := (*Error)(nil); errors.As(err, &e); err = e.Err {
		if e.Hint != "" {
			return e.Hint
		}
	}
	return ""
}

// Cause returns what an [*Error] is about, without what was being done, for those
// who say that themselves; err where there is none in it.
func Cause(err error) error {
	if e := (*Error)(nil); errors.As(err, &e) && e.Err != nil {
		return e.Err
	}
	return err
}
