package differential_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/distribution/reference"

	"github.com/boltseal/boltseal/scan"
)

// An answer is what one side says of a build: the images it pulls, sorted, and
// why there may be more or none.
type answer struct {
	images []string
	err    error
}

// add returns what both builds pull.
func (a answer) add(b answer) answer {
	images := slices.Concat(a.images, b.images)
	slices.Sort(images)
	return answer{images: slices.Compact(images), err: errors.Join(a.err, b.err)}
}

func (a answer) String() string {
	s := fmt.Sprint(a.images)
	if a.err != nil {
		s += " and " + strings.ReplaceAll(a.err.Error(), "\n", "; ")
	}
	return s
}

// pulled returns what pulling an image by this name comes to.
func pulled(name string) answer {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return answer{err: err}
	}
	return answer{images: []string{reference.TagNameOnly(ref).String()}}
}

// found returns what a scan says.
func found(f scan.Found) answer {
	var a answer
	for _, u := range f.Uses {
		if u.Err != nil {
			a = a.add(answer{err: fmt.Errorf("%v:%d:%d: %w", u.At.File, u.At.Line, u.At.Col, u.Err)})
			continue
		}
		a = a.add(answer{images: []string{u.Ref.String()}})
	}
	return a
}

// An outcome is what comparing two answers comes to.
type outcome string

const (
	equal      outcome = "the same images"
	bothFail   outcome = "both fail"
	failShort  outcome = "both fail, and the scan misses images" // of builds that do not
	weFail     outcome = "only the scan fails"
	theyFail   outcome = "only the builder fails"
	moreFound  outcome = "the scan finds more images"
	fewerFound outcome = "the scan misses images" // what must never be
)

// compare holds the scan's answer against the builder's.
func compare(ours, theirs answer) outcome {
	switch {
	case ours.err != nil && theirs.err != nil && missing(ours, theirs):
		return failShort
	case ours.err != nil && theirs.err != nil:
		return bothFail
	case ours.err != nil:
		return weFail
	case theirs.err != nil:
		return theyFail
	case slices.Equal(ours.images, theirs.images):
		return equal
	case missing(ours, theirs):
		return fewerFound
	}
	return moreFound
}

// missing reports whether the scan lacks an image that the builder pulls.
func missing(ours, theirs answer) bool {
	return slices.ContainsFunc(theirs.images, func(image string) bool {
		return !slices.Contains(ours.images, image)
	})
}

// A difference is one that is meant to be: why, what it comes to, and the cases
// that have it; or, as "case, how", one way to build a case.
type difference struct {
	why   string
	is    outcome
	cases []string
}

// A tally counts what the comparisons of a corpus came to.
type tally struct {
	cases     int
	images    int // in equal answers
	outcomes  map[outcome]int
	explained map[string]difference // by case, or way to build it
	differed  map[string]bool       // those that do
}

func newTally(t *testing.T, explained []difference) *tally {
	t.Helper()
	y := &tally{outcomes: map[outcome]int{}, explained: map[string]difference{}, differed: map[string]bool{}}
	for _, d := range explained {
		for _, name := range d.cases {
			if _, twice := y.explained[name]; twice {
				t.Errorf("%s is explained twice", name)
			}
			y.explained[name] = d
		}
	}
	return y
}

// judge compares two answers to one build of a case. They may differ only as is
// explained.
func (y *tally) judge(t *testing.T, name, how string, ours, theirs answer) {
	t.Helper()
	o := compare(ours, theirs)
	y.outcomes[o]++
	switch o {
	case equal:
		y.images += len(ours.images)
		return
	case bothFail:
		return
	}
	for _, key := range []string{name, name + ", " + how} {
		if d, ok := y.explained[key]; ok && d.is == o {
			y.differed[key] = true
			return
		}
	}
	t.Errorf("%s, %s: %s\nscan:    %v\nbuilder: %v", name, how, o, ours, theirs)
}

// close fails t unless there were enough cases, and enough images that both
// sides found in them, and every explanation was needed.
func (y *tally) close(t *testing.T, cases, images int) {
	t.Helper()
	t.Logf("%d cases, %d explained differences; %d comparisons, %d equal images:", y.cases, len(y.differed), y.compared(), y.images)
	for _, o := range []outcome{equal, bothFail, failShort, weFail, theyFail, moreFound, fewerFound} {
		t.Logf("%6d %s", y.outcomes[o], o)
	}
	if y.cases < cases {
		t.Errorf("%d cases: there should be %d at least", y.cases, cases)
	}
	if y.images < images {
		t.Errorf("%d equal images: there should be %d at least", y.images, images)
	}
	for name, d := range y.explained {
		if !y.differed[name] {
			t.Errorf("%s does not differ as explained: %s", name, d.why)
		}
	}
}

func (y *tally) compared() int {
	n := 0
	for _, count := range y.outcomes {
		n += count
	}
	return n
}
