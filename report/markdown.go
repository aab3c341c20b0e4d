package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/gate"
	source "github.com/boltseal/boltseal/image" // this package has a function image
	"github.com/boltseal/boltseal/verify"
)

// DefaultMax bounds the summary, in bytes. GitHub drops a step's summary of
// more than 1 MiB as a whole, and what else the step writes counts too.
const DefaultMax = 900 << 10

// MarkdownOptions say how Markdown writes.
type MarkdownOptions struct {
	Run        Run
	ReportFile string // where the JSON report is, "" if nowhere
	Max        int    // bytes; 0 means DefaultMax
}

// How many of each the summary shows at most.
const (
	maxRows     = 200
	maxFixes    = 50
	maxChecks   = 3 // failed ones of one image
	maxFound    = 5 // signatures, of one check
	maxWarnings = 20
	maxEvidence = 200
	maxClaims   = 16   // of one certificate
	maxPlaces   = 3    // of one image
	maxPasted   = 1200 // of what is to be pasted, in bytes
)

// Markdown writes r as the summary of a job, for GitHub and whatever else shows
// GitHub's Markdown: first the outcome, then the failures and what to do, then
// what was let through unverified, then the rest. It writes at most o.Max bytes whatever r has, leaves out whole rows
// and blocks, and says so.
func Markdown(w io.Writer, r gate.Report, o MarkdownOptions) error {
	_, err := io.WriteString(w, newSummary(r, o).text())
	return err
}

// A summary is what its parts are written from.
type summary struct {
	r        gate.Report
	o        MarkdownOptions
	findings []gate.Finding // failures first, then what is exempt, each in the order of the report
	failed   int
	rest     string // where to look for what is left out
}

func newSummary(r gate.Report, o MarkdownOptions) summary {
	if o.Max <= 0 {
		o.Max = DefaultMax
	}
	s := summary{r: r, o: o}
	var exempt, verified []gate.Finding
	for _, f := range r.Findings() {
		switch {
		case f.Verified():
			verified = append(verified, f)
		case f.Passed():
			exempt = append(exempt, f)
		default:
			s.findings = append(s.findings, f)
		}
	}
	s.failed = len(s.findings)
	s.findings = slices.Concat(s.findings, exempt, verified)
	s.rest = "the JSON report"
	if file := code(o.ReportFile, maxText); o.ReportFile != "" && len(file) <= o.Max/25 { // it is said often
		s.rest = file
	}
	return s
}

func (s summary) text() string {
	notice, table, fixes, exempt, warnings := s.notice(), s.table(), s.fixes(), s.exempt(), s.warnings()
	picture, evidence, pinned, handover, footer := s.picture(), s.evidence(), s.pinned(), s.handover(), s.footer()
	parts := []*part{fixed(s.heading()), notice, table, fixes, exempt, handover, warnings, picture, evidence, pinned, footer}
	const all = 1 << 30
	text := compose(parts, []claim{
		{footer, all, 25},
		{notice, all, 25},
		{handover, all, 25},
		{table, s.failed, 50},
		{warnings, all, 20},
		{exempt, all, 20},
		{fixes, all, 90},
		{table, all, 60},
		{pinned, all, 60},
		{picture, all, 60},
		{evidence, all, 100},
		{fixes, all, 100}, // what the others left
		{exempt, all, 100},
		{warnings, all, 100},
		{table, all, 100},
	}, s.o.Max)
	if text == "" && len(s.heading()) <= s.o.Max {
		return s.heading()
	}
	return text
}

// fixed returns the part that is text whatever else fits.
func fixed(text string) *part { return &part{rest: func(int) string { return text }} }

// either returns the part that is text, or instead if that does not fit.
func either(text, instead string) *part {
	return &part{items: []string{text}, rest: func(shown int) string {
		if shown == 0 {
			return instead
		}
		return ""
	}}
}

func (s summary) warn() bool { return s.o.Run.Lenient(s.r) }

func (s summary) heading() string { return "### Image signature gate: " + s.verdict() + "\n\n" }

// verdict is the outcome in a few words, all of them ours.
func (s summary) verdict() string {
	t := talliedOf(s.r)
	all := count(t.all(), "image")
	switch {
	case s.r.Passed():
		return "PASSED — " + t.passed()
	case s.r.Interrupted(): // which is no report, in warn mode neither
		return "INTERRUPTED — " + t.passedOf()
	}
	word, what := "BLOCKED", fmt.Sprintf("%d of %s failed", s.failed, all)
	switch {
	case s.r.NoAnswer() && s.failed == 0: // the time ran out after the last image
		word, what = "NO ANSWER", "the run did not end in time"
	case s.r.NoAnswer():
		word, what = "NO ANSWER", fmt.Sprintf("%d of %s could not be checked", s.failed, all)
	case len(s.findings) == 0:
		what = "there was no image to verify"
	}
	if s.warn() {
		word = "WARNING (not enforced)"
	}
	return word + " — " + what
}

// notice says what else there is to know of a run that did not pass.
func (s summary) notice() *part {
	if s.r.Passed() {
		return fixed("")
	}
	bound := "Nothing is to be built from this: every image has to pass.\n\n"
	if s.warn() {
		bound = "The job goes on, and nothing is handed over as verified: for that every image has to pass.\n\n"
	}
	if s.r.Complete() || s.r.Cause() == nil {
		return fixed(bound)
	}
	return either("The run ended early: "+code(said(s.r.Cause()), maxText)+". "+bound, "The run ended early. "+bound)
}

// table has a row for each image.
func (s summary) table() *part {
	open := "| | Image | Digest | Verified by / Reason |\n|---|---|---|---|\n"
	located := slices.ContainsFunc(s.findings, func(f gate.Finding) bool { return where(f) != "" })
	if located {
		open = "| | Image | Digest | Verified by / Reason | Where |\n|---|---|---|---|---|\n"
	}
	var rows []string
	for _, f := range first(s.findings, maxRows) {
		cells := []string{s.mark(f), code(reference(f), maxImage), digestCell(f), decided(f)}
		if located {
			cells = append(cells, where(f))
		}
		rows = append(rows, "| "+strings.Join(cells, " | ")+" |\n")
	}
	return &part{open: open, items: rows, shut: "\n", rest: func(shown int) string {
		text := s.missing(shown, len(s.findings), "image")
		if failed := s.failed - min(shown, s.failed); failed > 0 {
			text += fmt.Sprintf(", %d of them failed", failed)
		}
		return s.see(text)
	}}
}

// missing says that there are more than were shown; "" if there are not.
func (s summary) missing(shown, of int, what string) string {
	switch shown {
	case of:
		return ""
	case 0:
		return "Left out: " + count(of, what)
	}
	return "… and " + count(of-shown, "more "+what)
}

// see makes a sentence of text that says where the rest is; of "" nothing.
func (s summary) see(text string) string {
	if text == "" {
		return ""
	}
	return text + ": see " + s.rest + ".\n\n"
}

// unanswered reports whether f failed without having been refused.
func (s summary) unanswered(f gate.Finding) bool {
	reason := f.Reason()
	return reason.NoAnswer() || reason == verify.Undecided && !s.r.Complete()
}

func (s summary) mark(f gate.Finding) string {
	switch {
	case f.Verified():
		return "✅"
	case f.Passed():
		return "🟡"
	case s.unanswered(f):
		return "❔"
	}
	return "❌"
}

// reference is the image as JSON names it; what cannot be read has the name of
// its place.
func reference(f gate.Finding) string {
	switch {
	case !f.Use.Ref.IsZero():
		return f.Use.Ref.String()
	case f.Use.Text == "" && f.Use.At.File != "":
		return at(f.Use.At)
	}
	return f.Use.Text
}

// digestCell is short: whoever needs all of it copies it from the pinned
// references or the JSON report.
func digestCell(f gate.Finding) string {
	const enough = len("sha256:") + 12
	if d := f.Pinned.Digest(); len(d) > enough {
		return code(d[:enough], maxText)
	}
	return ""
}

// decided says who vouches for the image, or why it failed.
func decided(f gate.Finding) string {
	if e, ok := f.Exemption(); ok {
		return "**" + word(f.Reason()) + "** " + until(e)
	}
	if !f.Verified() {
		return "**" + word(f.Reason()) + "**"
	}
	vouching := signersOf(f)
	text := code(shortSigner(vouching[0]), maxText) + " " + code(vouching[0].Format, maxText)
	if more := len(vouching) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// word is r as it stands in other reports. A Reason is a word of ours, unless
// a verifier invents one.
func word(r verify.Reason) string {
	s := reason(r)
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-") != "" {
		return code(s, maxText)
	}
	return s
}

// signersOf returns the evidence for f, the first of each signer and whoever
// vouches for that one.
func signersOf(f gate.Finding) []verify.Evidence {
	var out []verify.Evidence
	for _, v := range f.Verdicts {
		for _, ev := range v.Evidence() {
			if !slices.ContainsFunc(out, func(o verify.Evidence) bool {
				return o.Signer == ev.Signer && o.Issuer == ev.Issuer && o.Claims["root"] == ev.Claims["root"]
			}) {
				out = append(out, ev)
			}
		}
	}
	return out
}

// shortKey shortens the fingerprint where name is a key.
func shortKey(name string) string {
	const enough = len("key sha256:") + 12
	if strings.HasPrefix(name, "key sha256:") && len(name) > enough {
		return cut(name, enough+1)
	}
	return name
}

// shortSigner is who signed, shortly.
func shortSigner(ev verify.Evidence) string { return signerName(shortKey(ev.Signer), ev.KeyName) }

// where names places that use the image, a few of them.
func where(f gate.Finding) string {
	var places []string
	for _, u := range f.Uses() {
		if at := place(u.At, maxText-20); at != "" {
			places = append(places, code(at, maxText))
		}
	}
	shown := strings.Join(first(places, maxPlaces), " ")
	if more := len(places) - maxPlaces; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	return shown
}

// place is at, with at most most characters of the file.
func place(at source.Position, most int) string {
	if at.File == "" || at.Line <= 0 {
		return cut(at.File, most)
	}
	return fmt.Sprintf("%s:%d", cut(at.File, most), at.Line)
}

// warnings lists those of the run.
func (s summary) warnings() *part {
	all := s.o.Run.Warnings
	var items []string
	for _, w := range first(all, maxWarnings) {
		items = append(items, "- "+code(w.String(), maxText)+"\n")
	}
	return &part{open: "**Warnings**\n\n", items: items, shut: "\n", rest: func(shown int) string {
		return s.see(s.missing(shown, len(all), "warning"))
	}}
}

// handover lists what builders get.
func (s summary) handover() *part {
	var items []string
	for _, line := range s.o.Run.Handover {
		items = append(items, "- "+code(line, maxText)+"\n")
	}
	return &part{open: "**What builds get**\n\n", items: items, shut: "\n", rest: func(shown int) string {
		return s.see(s.missing(shown, len(items), "line"))
	}}
}

// footer says what wrote the summary, and what it took.
func (s summary) footer() *part {
	const tool = "boltseal"
	version, file := "", ""
	if s.o.Run.ToolVersion != "" {
		version = " " + code(s.o.Run.ToolVersion, maxText)
	}
	if s.o.ReportFile != "" {
		file = " · report: " + code(s.o.ReportFile, maxText)
	}
	ran := fmt.Sprintf(" · %s · %s\n", count(s.o.Run.Requests, "request"), s.r.Elapsed().Round(time.Millisecond))
	return either(tool+version+ran[:len(ran)-1]+file+"\n", tool+ran)
}

// first returns at most n of all.
func first[T any](all []T, n int) []T { return all[:min(n, len(all))] }
