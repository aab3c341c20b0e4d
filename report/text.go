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
	source "github.com/boltseal/boltseal/image" // this package has a function image
	"github.com/boltseal/boltseal/verify"
)

// TextOptions say how Text writes.
type TextOptions struct {
	Color   bool // ANSI colours
	Warn    bool // the summary says that the run goes on although it did not pass
	Timings bool // requests and time in the summary line

	Handover []string // [Run.Handover]: the last lines
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

// Outcome writes the last lines of Text: how the run ended, and what builders
// get.
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
	exempt, isExempt := f.Exemption()
	if f.Verified() {
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
	if isExempt {
		t.exemption(f, exempt)
	}
	if line := ruleLine(f.Rule); line != "" && !f.Passed() {
		t.line("rule", line)
	}
	for _, note := range first(f.Rule.Notes, maxRuleNotes) {
		t.line("note", note)
	}
	if more := len(f.Rule.Notes) - maxRuleNotes; more > 0 {
		t.line("note", fmt.Sprintf("… and %d more, listed by --output json", more))
	}
	for _, v := range f.Verdicts {
		t.verdict(v, f)
	}
}

// exemption says why an image passed that nobody verified.
func (t *textWriter) exemption(f gate.Finding, e gate.Exemption) {
	t.line("exempt", until(e))
	if e.Owner != "" {
		t.line("owner", e.Owner)
	}
	t.line("reason", e.Reason)
	if by := exemptBy(f, e); by != "" {
		t.line("by", by)
	}
}

// places says which lines use the image.
func (t *textWriter) places(f gate.Finding) {
	const most = 10
	var all []string
	for _, u := range f.Uses() {
		switch {
		case u.At.File != "":
			all = append(all, fmt.Sprintf("%s (%s)", at(u.At), u.Kind))
		case u.Kind == source.Implicit:
			all = append(all, "no file (implicit)")
		}
	}
	for _, place := range first(all, most) {
		t.line("used at", place)
	}
	if more := len(all) - most; more > 0 {
		t.line("used at", fmt.Sprintf("… and %d more, listed by --output json", more))
	}
}

func (t *textWriter) verdict(v verify.Verdict, f gate.Finding) {
	for _, ev := range v.Evidence() {
		t.line("signed by", signer(signerName(ev.Signer, ev.KeyName), ev.Issuer, ev.System))
		t.line("as", evidenceLine(ev))
		for _, pair := range metadataOf(ev.Claims) {
			t.line("with", pair)
		}
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
	if why := cause(v); why != "" {
		t.line("because", why)
	}
	const most = 10 // an image may carry hundreds; JSON has them all
	all, marked := v.Candidates(), nearest(v)
	for i, c := range all {
		// The one that came nearest is shown wherever it stands.
		if i < most || i == marked {
			t.line("found", candidateLine(c, len(all) > 1, i == marked || repeated(all, i, cause(v))))
		}
		if i == marked {
			t.difference(*c.Differs)
			if o, ok := acceptable(c, v, f, countedIn(all)); ok {
				t.accept(o)
			}
		}
	}
	if len(all) > most {
		shown := most
		if marked >= most {
			shown++
		}
		if more := len(all) - shown; more > 0 {
			t.line("found", fmt.Sprintf("… and %d more, listed by --output json", more))
		}
	}
	if step := next(v, f.Rule); step != "" {
		t.line("next", step)
	}
}

// difference shows two values below each other, and marks where they differ.
func (t *textWriter) difference(d verify.Difference) {
	found, expected := contrasts(d)
	t.line("differs", "in "+d.What)
	begin := max(len(found.before), len(expected.before))
	for _, x := range []struct {
		key   string
		value contrast
	}{{"is", found}, {"wanted", expected}} {
		t.line(x.key, strings.Repeat(" ", begin-len(x.value.before))+x.value.before+x.value.differs+x.value.after)
	}
	t.line("", strings.Repeat(" ", begin)+strings.Repeat("^", max(len(found.differs), len(expected.differs), 1)))
}

// accept shows what would accept a signature on a line of its own, which can be
// copied.
func (t *textWriter) accept(o offer) {
	t.line("to accept", "in "+o.in+":")
	t.line("", o.short(maxValue/2))
	if o.unwise != "" {
		t.line("unwise", o.unwise)
	}
	if o.later != "" {
		t.line("later", o.later)
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
	switch ev.System {
	case notationSystem:
		s += notationLine(ev.Claims)
	case dctSystem:
		s += dctLine(ev.Claims)
	}
	return s
}

// candidateLine describes c, with its own reason where there are others, and
// why unless that is explained beside it.
func candidateLine(c verify.Candidate, others, explained bool) string {
	s := c.Format
	if c.PredicateType != "" && c.PredicateType != signType {
		s += " (an attestation, " + c.PredicateType + ")"
	}
	s += " at " + c.Source
	if others {
		s = string(c.Reason) + ": " + s
	}
	if c.Platform != "" {
		s += " for " + c.Platform
	}
	if c.Signer != "" {
		s += ", signed by " + signer(signerName(c.Signer, c.KeyName), c.Issuer, c.System)
	}
	if r := ref(c); r != "" {
		s += ", ref " + r
	}
	if !c.SignedAt.IsZero() {
		s += ", " + c.SignedAt.UTC().Format(time.RFC3339)
	}
	if c.Err != nil && others && !explained {
		s += ": " + c.Err.Error()
	}
	return s
}

// signer says who signed, and whose word it is that they are.
func signer(name, issuer, system string) string {
	if issuer == "" {
		return name
	}
	return name + " (" + vouchingWord(system) + " " + issuer + ")"
}

// vouchingWord is the word for whoever vouches for a signer: an OIDC issuer, or the
// trusted certificate that the signer's leads to.
func vouchingWord(system string) string {
	switch system {
	case notationSystem, dctSystem:
		return "under"
	}
	return "issuer"
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
	t.b.WriteString(t.paint(r.Reason(), s) + "\n")
	for _, line := range t.o.Handover {
		t.b.WriteString(Printable(clip(line)) + "\n")
	}
}

// outcome says in one line how the run ended.
func outcome(r gate.Report) string {
	t := talliedOf(r)
	all := count(t.all(), "image")
	switch {
	case r.Passed():
		return "gate passed: " + t.passed()
	case r.Interrupted():
		return "gate closed: the run was interrupted, " + t.passedOf()
	case !r.Complete():
		return "gate closed: " + Printable(r.Cause().Error()) + ", " + t.passedOf()
	case t.all() == 0:
		return "gate closed: there was no image to verify"
	case r.NoAnswer():
		return fmt.Sprintf("gate closed, no answer: %d of %s could not be checked", t.failed, all)
	}
	return fmt.Sprintf("gate closed: %d of %s did not pass", t.failed, all)
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
	fmt.Fprintf(&t.b, "%s %s\n", t.paint(r, fmt.Sprintf("%-*s", label, name)), Printable(clip(what)))
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

// paint is green for what is verified, yellow for what is let through, and red.
func (t *textWriter) paint(r verify.Reason, s string) string {
	switch {
	case !t.o.Color:
		return s
	case r == verify.Verified:
		return "\x1b[32m" + s + "\x1b[0m"
	case r == verify.Exempt:
		return "\x1b[33m" + s + "\x1b[0m"
	}
	return "\x1b[31m" + s + "\x1b[0m"
}
