// Package report writes what a gate found, one function per medium. The
// functions are pure: the same report gives the same bytes.
package report

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/verify"
)

// TextOptions say how Text writes.
type TextOptions struct {
	Color   bool // ANSI colours
	Warn    bool // the summary says that the run goes on although it did not pass
	Timings bool // requests and time in the summary line
}

// Text writes r for people. What came from registries, certificates and files
// is escaped and stands behind a word of ours: no byte of it can move the
// cursor, start a line, or be taken for a command by a CI system that reads the
// log.
func Text(w io.Writer, r gate.Report, o TextOptions) error {
	t := &textWriter{o: o}
	for _, f := range r.Findings() {
		t.finding(f)
	}
	if t.b.Len() > 0 {
		t.b.WriteByte('\n')
	}
	t.summary(r)
	_, err := io.WriteString(w, t.b.String())
	return err
}

// Findings writes those of r's findings that show picks, as Text does.
func Findings(w io.Writer, r gate.Report, o TextOptions, show func(gate.Finding) bool) error {
	t := &textWriter{o: o}
	for _, f := range r.Findings() {
		if show(f) {
			t.finding(f)
		}
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

// Outcome writes the last line of Text: how the run ended.
func Outcome(w io.Writer, r gate.Report, o TextOptions) error {
	t := &textWriter{o: o}
	t.summary(r)
	_, err := io.WriteString(w, t.b.String())
	return err
}

type textWriter struct {
	b strings.Builder
	o TextOptions
}

// label is as wide as the longest Reason that can stand before an image.
const label = 14

func (t *textWriter) finding(f gate.Finding) {
	reason := f.Reason()
	written := reference(f)
	if f.Passed() {
		// Only repository@digest is verified; the tag may move at any time.
		t.head(reason, f.Pinned.String())
		if f.Use.Ref.Tag() != "" {
			t.line("from", written)
		}
	} else {
		t.head(reason, written)
		if d := f.Pinned.Digest(); d != "" && f.Use.Ref.Digest() == "" {
			t.line("digest", d)
		}
	}
	t.places(f)
	for _, v := range f.Verdicts {
		t.verdict(v)
	}
}

// places says which lines use the image.
func (t *textWriter) places(f gate.Finding) {
	const most = 10
	var all []string
	for _, u := range f.Uses() {
		if u.At.File != "" {
			all = append(all, fmt.Sprintf("%s (%s)", at(u.At), u.Kind))
		}
	}
	for _, place := range first(all, most) {
		t.line("used at", place)
	}
	if more := len(all) - most; more > 0 {
		t.line("used at", fmt.Sprintf("… and %d more, listed by --output json", more))
	}
}

func (t *textWriter) verdict(v verify.Verdict) {
	for _, ev := range v.Evidence() {
		t.line("signed by", signer(ev.Signer, ev.Issuer))
		t.line("as", evidenceLine(ev))
		if name := otherName(v.Image(), ev); name != "" {
			t.line("for", name+", the name that the signer gave the image; names are not compared")
		}
	}
	if v.Passed() {
		return
	}
	if v.Requirement() != "" {
		t.line("expected", v.Requirement())
	}
	if err := v.Err(); err != nil {
		t.line("because", err.Error())
	}
	const most = 10 // an image may carry hundreds; JSON has them all
	for i, c := range v.Candidates() {
		if i == most {
			t.line("found", fmt.Sprintf("… and %d more, listed by --output json", len(v.Candidates())-most))
			break
		}
		t.line("found", candidateLine(c, len(v.Candidates()) > 1))
	}
	if hint := verify.Hint(v.Err()); hint != "" {
		t.line("next", hint)
	}
}

func evidenceLine(ev verify.Evidence) string {
	s := ev.Format + " (" + ev.Storage + ")"
	switch ev.Signed {
	case verify.SignedPlatform:
		s += ", on platform manifest " + ev.Platform + " " + ev.Digest
	case verify.SignedAttestation:
		s += ", on the attestation manifest " + ev.Digest + " of " + ev.Platform + " " + ev.Covers
	}
	if ev.PredicateType != "" {
		s += ", " + ev.PredicateType
	}
	if !ev.SignedAt.IsZero() {
		s += ", " + ev.SignedAt.UTC().Format(time.RFC3339)
	}
	if ev.LogIndex != nil {
		s += fmt.Sprintf(", log index %d", *ev.LogIndex)
	}
	return s
}

// candidateLine describes c, with its own reason where there are others.
func candidateLine(c verify.Candidate, others bool) string {
	s := c.Format + " at " + c.Source
	if others {
		s = string(c.Reason) + ": " + s
	}
	if c.Platform != "" {
		s += " for " + c.Platform
	}
	if c.Signer != "" {
		s += ", signed by " + signer(c.Signer, c.Issuer)
	}
	if c.Err != nil && others {
		s += ": " + c.Err.Error()
	}
	return s
}

func signer(name, issuer string) string {
	if issuer == "" {
		return name
	}
	return name + " (issuer " + issuer + ")"
}

func (t *textWriter) summary(r gate.Report) {
	s := outcome(r)
	if t.o.Warn && !r.Passed() {
		s += " (not enforced)"
	}
	if t.o.Timings {
		requests := 0
		for _, f := range r.Findings() {
			requests += f.Requests
		}
		s += fmt.Sprintf(", %s in %s", count(requests, "request"), r.Elapsed().Round(time.Millisecond))
	}
	t.b.WriteString(t.paint(r.Passed(), s) + "\n")
}

// outcome says in one line how the run ended.
func outcome(r gate.Report) string {
	passed, failed := 0, 0
	for _, f := range r.Findings() {
		if f.Passed() {
			passed++
		} else {
			failed++
		}
	}
	all := count(passed+failed, "image")
	switch {
	case r.Passed():
		return fmt.Sprintf("gate passed: %s verified", all)
	case r.Interrupted():
		return fmt.Sprintf("gate closed: the run was interrupted, %d of %s verified", passed, all)
	case !r.Complete():
		return fmt.Sprintf("gate closed: %s, %d of %s verified", Printable(r.Cause().Error()), passed, all)
	case passed+failed == 0:
		return "gate closed: there was no image to verify"
	case r.NoAnswer():
		return fmt.Sprintf("gate closed, no answer: %d of %s could not be checked", failed, all)
	}
	return fmt.Sprintf("gate closed: %d of %s did not pass", failed, all)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (t *textWriter) head(r verify.Reason, what string) {
	name := string(r)
	if r == verify.Undecided {
		name = "undecided"
	}
	fmt.Fprintf(&t.b, "%s %s\n", t.paint(r == verify.Verified, fmt.Sprintf("%-*s", label, name)), Printable(clip(what)))
}

func (t *textWriter) line(key, value string) {
	fmt.Fprintf(&t.b, "%*s %-9s %s\n", label, "", key, Printable(clip(value)))
}

// maxValue bounds one value in the text, in bytes. JSON has all of it.
const maxValue = 4096

func clip(s string) string {
	if len(s) <= maxValue {
		return s
	}
	n := maxValue
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return fmt.Sprintf("%s… (%d bytes, listed by --output json)", s[:n], len(s))
}

func (t *textWriter) paint(good bool, s string) string {
	switch {
	case !t.o.Color:
		return s
	case good:
		return "\x1b[32m" + s + "\x1b[0m"
	}
	return "\x1b[31m" + s + "\x1b[0m"
}
