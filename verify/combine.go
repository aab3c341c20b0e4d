package verify

import (
	"context"
	"errors"
	"fmt"
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

// Verify implements Verifier. A failing Verdict has the Reason of the
// alternative that is nearest to passing: one that was not answered might have,
// and so comes first.
func (a anyOf) Verify(ctx context.Context, img image.Pinned) Verdict {
	var (
		nearest      Verdict
		candidates   []Candidate
		requirements []string
		causes       []error
	)
	for i, v := range a {
		got := v.Verify(ctx, img)
		candidates = append(candidates, got.candidates...)
		requirements = append(requirements, got.requirement)
		if got.Passed() && got.image.Digest() == img.Digest() {
			return got.With(candidates)
		}
		if i == 0 || nearness(got.reason) > nearness(nearest.reason) {
			nearest = got
		}
		causes = append(causes, got.err)
	}
	required := "any of: " + strings.Join(requirements, " | ")
	if len(a) == 0 {
		return Fail(img, Undecided, errors.New("any of nothing is required")).For(required)
	}
	err := errors.Join(causes...)
	if hint := Hint(nearest.err); hint != "" {
		err = &Error{Op: fmt.Sprintf("none of %d alternatives passed", len(a)), Err: err, Hint: hint}
	}
	return Fail(img, nearest.reason, err).For(required).With(candidates)
}

// Verify implements Verifier. All are asked, also after one has failed; the
// Reason is that of the first.
func (a allOf) Verify(ctx context.Context, img image.Pinned) Verdict {
	var (
		failed       *Verdict
		evidence     []Evidence
		candidates   []Candidate
		requirements []string
	)
	for _, v := range a {
		got := v.Verify(ctx, img)
		evidence = append(evidence, got.evidence...)
		candidates = append(candidates, got.candidates...)
		requirements = append(requirements, got.requirement)
		if failed == nil && !(got.Passed() && got.image.Digest() == img.Digest()) {
			failed = &got
		}
	}
	required := "all of: " + strings.Join(requirements, " & ")
	switch {
	case len(a) == 0:
		return Fail(img, Undecided, errors.New("all of nothing is required")).For(required)
	case failed != nil:
		return Fail(img, failed.reason, failed.err).For(required).With(candidates)
	}
	return Verdict{image: img, reason: Verified, evidence: evidence, candidates: candidates, requirement: required}
}

// nearness orders the Reasons of refused alternatives by how little is missing.
func nearness(r Reason) int {
	switch r {
	case Unavailable:
		return 9
	case Denied:
		return 8
	case Undecided:
		return 7
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
