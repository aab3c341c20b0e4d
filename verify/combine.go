package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
)

// AnyOf returns the Verifier that one of all satisfies. They are asked in their
// order, up to the first that passes. With nobody to ask it never passes.
func AnyOf(all ...Verifier) Verifier { return anyOf(all) }

// AllOf returns the Verifier that all together satisfy. With nobody to ask it
// never passes.
func AllOf(all ...Verifier) Verifier { return allOf(all) }

type (
	anyOf []Verifier
	allOf []Verifier
)

// Map returns v with f of each single requirement in the place of it: what
// [AnyOf] and [AllOf] were made of, however deep, and f of v itself where it is
// neither.
func Map(v Verifier, f func(Verifier) Verifier) Verifier {
	switch v := v.(type) {
	case anyOf:
		return anyOf(each(v, f))
	case allOf:
		return allOf(each(v, f))
	}
	return f(v)
}

func each(all []Verifier, f func(Verifier) Verifier) []Verifier {
	var mapped []Verifier
	for _, v := range all {
		mapped = append(mapped, Map(v, f))
	}
	return mapped
}

// Verify implements Verifier. A failing Verdict has the Reason of the
// alternative that is nearest to passing: one that was not answered might have,
// and so comes first. One that was refused as by [Verdict.Refuse] is alone to
// blame where nothing was left unanswered.
func (a anyOf) Verify(ctx context.Context, img image.Pinned) Verdict {
	var (
		nearest      Verdict
		candidates   []Candidate
		requirements []string
		causes       []error
	)
	for i, v := range a {
		got := v.Verify(ctx, img)
		requirements = append(requirements, got.requirement)
		if got.Passed() && got.image.Digest() == img.Digest() {
			got.parts = got.Parts() // as they are, without what the others looked at
			return got.With(append(insufficient(candidates), got.candidates...))
		}
		candidates = append(candidates, got.candidates...)
		if i == 0 || nearness(got) > nearness(nearest) {
			nearest = got
		}
		causes = append(causes, got.err)
	}
	required := "any of: " + strings.Join(requirements, " | ")
	if len(a) == 0 {
		return Fail(img, Undecided, errors.New("any of nothing is required")).For(required)
	}
	if nearest.refused {
		return nearest.For(required).With(candidates)
	}
	err := errors.Join(causes...)
	if hint := Hint(nearest.err); hint != "" {
		err = &Error{Op: fmt.Sprintf("none of %d alternatives passed", len(a)), Err: err, Hint: hint}
	}
	return Fail(img, nearest.reason, err).For(required).With(candidates)
}

// insufficient returns the candidates of alternatives that failed for a Verdict
// that passed by another: what would have been one of several that are needed
// must not look like somebody who vouches for the image.
func insufficient(candidates []Candidate) []Candidate {
	for i, c := range candidates {
		if c.Reason == Verified {
			candidates[i].Reason, candidates[i].Err = WrongSigner, errors.New("it is not enough for the alternative that it is for")
		}
	}
	return candidates
}

// Verify implements Verifier. All are asked, also after one has failed. A
// failing Verdict has the Reason of the [Decisive] one.
func (a allOf) Verify(ctx context.Context, img image.Pinned) Verdict {
	var (
		failed       []Verdict
		evidence     []Evidence
		parts        []Verdict
		candidates   []Candidate
		requirements []string
	)
	for _, v := range a {
		got := v.Verify(ctx, img)
		evidence = append(evidence, got.evidence...)
		parts = append(parts, got.Parts()...)
		candidates = append(candidates, got.candidates...)
		requirements = append(requirements, got.requirement)
		if got.Passed() && got.image.Digest() != img.Digest() {
			got = Fail(img, Undecided, fmt.Errorf("the verdict is about %q", got.image.Digest()))
		}
		if !got.Passed() {
			failed = append(failed, got)
		}
	}
	required := "all of: " + strings.Join(requirements, " & ")
	switch {
	case len(a) == 0:
		return Fail(img, Undecided, errors.New("all of nothing is required")).For(required)
	case len(failed) > 0:
		d := Decisive(failed)
		v := Fail(img, d.reason, d.err).For(required).With(candidates)
		v.refused = !slices.ContainsFunc(failed, func(v Verdict) bool { return !v.refused })
		return v
	}
	return Verdict{image: img, reason: Verified, evidence: evidence, parts: parts, candidates: candidates, requirement: required}
}

// Decisive returns which of several Verdicts, all of which have to pass, says
// why they do not: the first that failed for good, as nothing that the others
// may still say changes that; else the first that failed. It is the zero Verdict
// where none failed.
func Decisive(all []Verdict) Verdict {
	rank := func(v Verdict) int {
		switch {
		case v.Passed():
			return 0
		case v.reason.NoAnswer() || v.reason == Undecided:
			return 1
		case v.refused: // what does not meet its requirement at all comes first
			return 2
		}
		return 3
	}
	var d Verdict
	best := 0
	for _, v := range all {
		if r := rank(v); r > best {
			d, best = v, r
		}
	}
	return d
}

// nearness orders alternatives that failed by how little is missing.
func nearness(v Verdict) int {
	if v.refused {
		return 7 // by the requirement alone it passes
	}
	switch v.reason {
	case Unavailable:
		return 10
	case Denied:
		return 9
	case Undecided:
		return 8
	case Unsupported:
		return 6
	case Expired:
		return 5
	case WrongSigner:
		return 4
	case WrongType:
		return 3
	case BadSignature:
		return 2
	case Unsigned:
		return 1
	}
	return 0
}
