package scanreport

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/verify"
)

// ErrExceeded says that a report has findings beyond the limits.
var ErrExceeded = errors.New("it has findings that exceed the limits")

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
	By      Allowed // of several entries that would do, the one that ends last
}

// A Judgement says whether a report is within limits, and why. The zero
// Judgement does not pass.
type Judgement struct {
	judged      bool
	err         error
	counts      map[Severity]int
	exceeding   []Finding
	allowed     []AllowedFinding
	unfixed     []Finding
	unrated     []Finding
	expired     []Allowed
	unused      []Allowed
	ending      []Allowed
	suppressed  int
	ignored     []string
	unsupported bool
}

// Passed reports whether nothing was found that is refused.
func (j Judgement) Passed() bool { return j.judged && j.err == nil && len(j.exceeding) == 0 }

// Err returns why j does not pass, a [*verify.Error] of [ErrExceeded] or
// [ErrNothingScanned]; nil if it passes.
func (j Judgement) Err() error {
	if j.err == nil && !j.Passed() {
		return errors.New("the scan report was not judged")
	}
	return j.err
}

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

// Unused returns the entries that count, and that no finding matches.
func (j Judgement) Unused() []Allowed { return slices.Clone(j.unused) }

// Ending returns the entries that let a finding through and end within 14 days.
func (j Judgement) Ending() []Allowed { return slices.Clone(j.ending) }

// Suppressed returns how many findings the scanner was told to leave out, as far
// as the report lists them.
func (j Judgement) Suppressed() int { return j.suppressed }

// maxNamed bounds how many findings or entries a sentence names.
const maxNamed = 5

// Warnings returns what a person should know although it decides nothing, each
// one printable line: entries that have ended, will end soon or match nothing,
// findings that nobody has rated, and what the scanner says it left out.
func (j Judgement) Warnings() []string {
	var all []string
	for _, a := range j.expired {
		all = append(all, fmt.Sprintf("%s ended with %s, and does not count any more", a, a.day()))
	}
	for _, a := range j.ending {
		all = append(all, fmt.Sprintf("%s ends with %s", a, a.day()))
	}
	for _, a := range j.unused {
		all = append(all, fmt.Sprintf("%s matches no finding: take it out", a))
	}
	if n := len(j.unrated); n > 0 {
		all = append(all, fmt.Sprintf("nobody has rated %s yet: %s", count(n, "finding"), named(j.unrated)))
	}
	if j.suppressed > 0 {
		all = append(all, fmt.Sprintf("the scanner was told to leave out %s, which the limits do not see", count(j.suppressed, "finding")))
	}
	for _, what := range j.ignored {
		all = append(all, what+", which looks for other things than vulnerabilities in packages, are left out")
	}
	if j.unsupported {
		all = append(all, "the scanner says that the distribution has reached its end of life: that nothing is found in its packages says little")
	}
	return all
}

// Judge says whether r is within limits at the time now.
//
// A finding is refused if it is at least as severe as FailOn; one of [Unknown]
// severity where FailOn is Unknown or Negligible, that is where everything is.
// It is let through where IgnoreUnfixed is set and the report says that there is
// no fix, or by an entry for its ID or an alias of it. One whose last day is over
// does not count.
func (r Report) Judge(l Limits, now time.Time) Judgement {
	if !r.sound {
		return Judgement{}
	}
	j := Judgement{judged: true, counts: map[Severity]int{}, suppressed: r.suppressed, ignored: r.ignored, unsupported: r.unsupported}
	entries := entriesOf(l.Allow, now)
	for _, f := range r.findings {
		j.counts[f.Severity]++
		by, allowed := entries.match(f)
		refused := f.Severity.exceeds(l.FailOn)
		if f.Severity == Unknown {
			j.unrated = append(j.unrated, f)
		}
		switch {
		case !refused:
		case l.IgnoreUnfixed && (f.Fix == NotFixed || f.Fix == WillNotFix):
			j.unfixed = append(j.unfixed, f)
		case allowed:
			j.allowed = append(j.allowed, AllowedFinding{Finding: f, By: l.Allow[by]})
			entries.needed[by] = true
		default:
			j.exceeding = append(j.exceeding, f)
		}
	}
	for i, a := range l.Allow {
		switch {
		case !entries.counts[i]:
			j.expired = append(j.expired, a)
		case !entries.used[i]:
			j.unused = append(j.unused, a)
		case entries.needed[i] && a.end().Sub(now) < near:
			j.ending = append(j.ending, a)
		}
	}
	slices.SortStableFunc(j.exceeding, worse)
	slices.SortStableFunc(j.unfixed, worse)
	slices.SortStableFunc(j.unrated, worse)
	slices.SortStableFunc(j.allowed, func(a, b AllowedFinding) int { return worse(a.Finding, b.Finding) })
	j.err = j.why(r, l)
	return j
}

// why returns why j does not pass.
func (j Judgement) why(r Report, l Limits) error {
	const judge = "judge the scan report"
	switch {
	case len(j.exceeding) > 0:
		next := "update the packages to versions with a fix, or let each through for a while, with a reason, in a file for --scan-allow"
		if !slices.ContainsFunc(j.exceeding, func(f Finding) bool { return f.Fix == Fixed }) {
			next = "none of them has a fix that the report knows: let each through for a while, with a reason, in a file for --scan-allow"
		}
		return &verify.Error{Op: judge, Hint: next, Err: fmt.Errorf("%w: %s of %s or worse: %s", ErrExceeded, count(len(j.exceeding), "finding"), l.FailOn, named(j.exceeding))}
	case r.empty && !l.AllowEmpty:
		return &verify.Error{Op: judge, Hint: "if the image really has no packages, say so with --allow-empty-scan", Err: ErrNothingScanned}
	}
	return nil
}

// worse orders findings, the worst first, then by their texts.
func worse(a, b Finding) int {
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Package, b.Package), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Location, b.Location))
}

// named names the first findings, for one line.
func named(all []Finding) string {
	var out []string
	for _, f := range all[:min(len(all), maxNamed)] {
		s := fmt.Sprintf("%s (%s", printable(f.ID), f.Severity)
		if f.Package != "" {
			s += ", " + printable(strings.TrimSpace(f.Package+" "+f.Version))
		}
		out = append(out, s+")")
	}
	if more := len(all) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	return strings.Join(out, ", ")
}

// printable returns a text of a report as it may stand in a line.
func printable(s string) string {
	q := quoted(s)
	return q[1 : len(q)-1]
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// entries are those of an allow file, by what they allow.
type entries struct {
	all    []Allowed
	byID   map[string][]int
	counts []bool // whether an entry has not ended
	used   []bool // whether a finding matches it
	needed []bool // whether a finding would be refused without
}

func entriesOf(all []Allowed, now time.Time) *entries {
	e := &entries{all: all, byID: map[string][]int{}, counts: make([]bool, len(all)), used: make([]bool, len(all)), needed: make([]bool, len(all))}
	for i, a := range all {
		if e.counts[i] = a.counts(now); e.counts[i] {
			e.byID[upper(a.ID)] = append(e.byID[upper(a.ID)], i)
		}
	}
	return e
}

// match returns the entry that allows a finding for the longest, and marks all
// that match it.
func (e *entries) match(f Finding) (by int, ok bool) {
	for _, id := range append([]string{f.ID}, f.Aliases...) {
		for _, i := range e.byID[upper(id)] {
			a := e.all[i]
			if a.Package != "" && !glob(a.Package, f.Package) {
				continue
			}
			e.used[i] = true
			if !ok || a.Until.After(e.all[by].Until) {
				by, ok = i, true
			}
		}
	}
	return by, ok
}

// upper returns an ID in upper case, as far as it is ASCII: nothing else is
// equal to anything.
func upper(id string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, id)
}

// glob reports whether name matches a pattern in which * stands for anything.
// The first place of what is between two * is as good as any later one.
func glob(pattern, name string) bool {
	pieces := strings.Split(pattern, "*")
	first, last := pieces[0], pieces[len(pieces)-1]
	if len(pieces) == 1 {
		return pattern == name
	}
	if len(name) < len(first)+len(last) || !strings.HasPrefix(name, first) || !strings.HasSuffix(name, last) {
		return false
	}
	name = name[len(first) : len(name)-len(last)]
	for _, piece := range pieces[1 : len(pieces)-1] {
		_, rest, ok := strings.Cut(name, piece)
		if !ok {
			return false
		}
		name = rest
	}
	return true
}
