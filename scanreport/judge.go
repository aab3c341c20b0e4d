package scanreport

import (
	"errors"
	"slices"
	"time"
)

// ErrExceeded says that a report has findings beyond the limits.
var ErrExceeded = errors.New("the scan report has findings that exceed the limits")

// near is how long before its end an entry is warned about.
const near = 14 * 24 * time.Hour

// Limits say which findings are refused. The zero Limits refuse all of them.
type Limits struct {
	FailOn        Severity // the least that is refused
	IgnoreUnfixed bool     // findings that are known to have no fix are not refused
	AllowEmpty    bool     // a report of [ErrNothingScanned] passes
	Allow         []Allowed
}

// An AllowedFinding is one that would be refused, were it not for an entry.
type AllowedFinding struct {
	Finding Finding
	By      Allowed
}

// A Judgement says whether a report is within limits, and why. The zero
// Judgement does not pass.
type Judgement struct {
	judged    bool
	err       error
	counts    map[Severity]int
	exceeding []Finding
	allowed   []AllowedFinding
	unfixed   []Finding
	unrated   []Finding
	expired   []Allowed
	unused    []Allowed
	ending    []Allowed
	ignored   int
}

// Passed reports whether nothing was found that is refused.
func (j Judgement) Passed() bool { return j.judged && j.err == nil && len(j.exceeding) == 0 }

// Err returns why j does not pass, a [*verify.Error] of [ErrExceeded] or
// [ErrNothingScanned]; nil if it passes.
func (j Judgement) Err() error { return j.err }

// Exceeding returns the findings that are refused, the worst first.
func (j Judgement) Exceeding() []Finding { return slices.Clone(j.exceeding) }

// Count returns how many findings have the severity, refused or not.
func (j Judgement) Count(s Severity) int { return j.counts[s] }

// Total returns how many findings there are, refused or not.
func (j Judgement) Total() int {
	n := 0
	for _, c := range j.counts {
		n += c
	}
	return n
}

// Allowed returns the findings that only an entry lets through, the worst first.
func (j Judgement) Allowed() []AllowedFinding { return slices.Clone(j.allowed) }

// Unfixed returns the findings that only IgnoreUnfixed lets through, the worst
// first.
func (j Judgement) Unfixed() []Finding { return slices.Clone(j.unfixed) }

// Unrated returns the findings of [Unknown] severity, refused or not.
func (j Judgement) Unrated() []Finding { return slices.Clone(j.unrated) }

// Expired returns the entries that do not count any more.
func (j Judgement) Expired() []Allowed { return slices.Clone(j.expired) }

// Unused returns the entries that no finding matches.
func (j Judgement) Unused() []Allowed { return slices.Clone(j.unused) }

// Ending returns the entries that let a finding through and end within 14 days.
func (j Judgement) Ending() []Allowed { return slices.Clone(j.ending) }

// Suppressed returns how many findings the scanner was told to leave out.
func (j Judgement) Suppressed() int { return j.ignored }

// Warnings returns what a person should know although it decides nothing, each
// one printable line: entries that have ended, will end soon or match nothing,
// findings that nobody has rated, and what the scanner left out.
func (j Judgement) Warnings() []string { return nil }

// Judge says whether r is within limits at the time now.
func (r Report) Judge(l Limits, now time.Time) Judgement {
	return Judgement{}
}
