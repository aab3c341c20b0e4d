// Package manifests holds what every signature system does with the manifests of
// an image: which of an index are meant, and what is said of them together.
package manifests

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

const (
	// maxPlatforms bounds how many manifests of one index are checked.
	maxPlatforms = 64
	// maxFetches bounds the manifests of one index that are checked at once.
	maxFetches = 8
)

// An Outcome is what was found about one manifest. The zero Outcome satisfies
// nothing.
type Outcome struct {
	Evidence   []verify.Evidence // of all signers that are needed; nil unless the requirement is satisfied
	Candidates []verify.Candidate
	Reason     verify.Reason
	Err        error
}

// Failed returns the failing Verdict that o is for img.
func (o Outcome) Failed(img image.Pinned) verify.Verdict {
	return verify.Fail(img, o.Reason, o.Err).With(o.Candidates)
}

// Closest returns why the refused candidate was refused that has the highest
// rank, the first of several.
func Closest(candidates []verify.Candidate, rank func(verify.Candidate) int) (verify.Reason, error) {
	reason, err := verify.Undecided, errors.New("no candidate")
	best := -1
	for _, c := range candidates {
		if n := rank(c); n > best {
			best, reason, err = n, c.Reason, c.Err
		}
	}
	return reason, err
}

// Listed turns "not found" into "no usable answer" for what the registry itself
// has listed: a signature that is announced and not served is not an unsigned
// image.
func Listed(err error) error {
	if errors.Is(err, registry.ErrNotFound) {
		return &registry.Error{Op: "read a listed signature", Kind: registry.ErrUnavailable, Err: &unserved{err.Error()}}
	}
	return err
}

// An unserved is a "not found" for what is listed.
type unserved struct{ text string }

func (u *unserved) Error() string { return u.text }

// Unserved reports whether err is all about what is listed and not there, as
// [Listed] says: every question was answered.
func Unserved(err error) bool {
	switch e := err.(type) { //nolint:errorlint // every branch of the tree is looked at
	case *unserved:
		return true
	case *registry.Error:
		return Unserved(e.Err)
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(err error) bool { return !Unserved(err) })
	case interface{ Unwrap() error }:
		return Unserved(e.Unwrap())
	}
	return false
}

// Answerless is the Reason for a place that gave no answer. Not finding is an
// answer, and never comes here.
func Answerless(err error) verify.Reason {
	if r := registry.Reason(err); r == verify.Denied {
		return r
	}
	return verify.Unavailable
}

// Choose returns the children that are meant by the platforms, or all image
// manifests where none is named. "linux/arm" means every variant of it. A child
// whose platform is not said, or only half, is always meant: clients differ in
// what they take it for. [Unchosen] is the Reason for an error.
func Choose(img image.Pinned, platforms []string) ([]image.Child, error) {
	var all, wanted []image.Child
	for _, c := range img.Children() {
		if c.Attests == "" {
			all = append(all, c)
		}
	}
	if wanted = all; len(platforms) > 0 {
		wanted = nil
		found := map[string]bool{}
		for _, c := range all {
			meant := c.Platform == ""
			for _, p := range platforms {
				if c.Platform == p || strings.HasPrefix(c.Platform, p+"/") {
					meant, found[p] = true, true
				}
			}
			if meant {
				wanted = append(wanted, c)
			}
		}
		for _, p := range platforms {
			if !found[p] {
				return nil, &verify.Error{
					Op: "look for platform " + p + " of " + img.String(), Err: errors.New("the index does not list it"),
					Hint: "name only platforms that the image has: " + have(all),
				}
			}
		}
	}
	if len(wanted) > maxPlatforms {
		return nil, &verify.Error{
			Op: "choose platforms of " + img.String(), Err: errTooMany,
			Hint: "name the platforms that you build for with --platform",
		}
	}
	return wanted, nil
}

var errTooMany = fmt.Errorf("the index lists more than %d manifests for them", maxPlatforms)

// Unchosen is the Reason for an error of Choose.
func Unchosen(err error) verify.Reason {
	if errors.Is(err, errTooMany) {
		return verify.Unsupported
	}
	return verify.NotFound
}

func have(all []image.Child) string {
	var names []string
	for _, c := range all {
		names = append(names, hostile.Clip(c.Platform))
	}
	if len(names) == 0 {
		return "it is a single manifest, leave --platform out"
	}
	return strings.Join(names, ", ")
}

// Each checks every wanted child of the index img and passes only if all of them
// do, each by need signers. Before are candidates that were found for the index
// itself.
func Each(img image.Pinned, wanted []image.Child, need int, before []verify.Candidate, check func(image.Child) Outcome) verify.Verdict {
	outcomes := make([]Outcome, len(wanted))
	var group errgroup.Group
	group.SetLimit(maxFetches)
	for i, c := range wanted {
		group.Go(func() error {
			outcomes[i] = check(c)
			return nil
		})
	}
	_ = group.Wait() // failures are outcomes
	candidates := before
	var evidence [][]verify.Evidence
	for _, o := range outcomes {
		candidates = append(candidates, o.Candidates...)
		evidence = append(evidence, o.Evidence)
	}
	for i, o := range outcomes {
		if o.Evidence == nil {
			return verify.Fail(img, o.Reason, fmt.Errorf("platform %s: %w", hostile.Clip(wanted[i].Platform), o.Err)).With(candidates)
		}
	}
	return verify.PassPlatformsTogether(img, wanted, need, evidence).With(candidates)
}
