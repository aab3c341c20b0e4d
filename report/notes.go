package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/boltseal/boltseal/gate"
	source "github.com/boltseal/boltseal/image" // this package has a function image
	"github.com/boltseal/boltseal/verify"
)

// How much a reader of notes takes. GitHub shows ten of a level for a step, and
// cuts a text at 4096 UTF-16 units.
const (
	maxNotes    = 10 // of a level
	maxSingle   = maxNotes - 1
	maxNoteText = 4000 // UTF-16 units
	maxListed   = 12   // images, in the first note
)

// The levels of a Note.
const (
	levelError   = "error"
	levelWarning = "warning"
)

// A Note is what a CI system shows beside a line of a file, or, where At is
// zero, beside the run. Title and Text are harmless in a terminal or a log; Text
// has lines, and is never empty.
type Note struct {
	Level       string // "error" or "warning"
	Title, Text string
	At          source.Position
}

// NotesOptions say what Notes returns.
type NotesOptions struct {
	Warn     bool // warn mode: nothing is an error but a run that was interrupted
	Warnings []Warning
}

// Notes returns the notes on r, at most ten of a level: one about the run, if it
// did not pass; one about each place where an image failed, as far as there is
// room; then the warnings. A run that was interrupted has nothing to say of
// single images.
func Notes(r gate.Report, o NotesOptions) []Note {
	level := levelError
	if o.Warn && !r.Interrupted() {
		level = levelWarning
	}
	var notes []Note
	if failed, count := failures(r, maxListed); !r.Passed() {
		title := limited(outcome(r), maxText)
		if level == levelWarning {
			title += " (not enforced)"
		}
		notes = append(notes, Note{Level: level, Title: title, Text: overview(r, failed, count)})
		room := maxSingle
		if level == levelWarning && len(o.Warnings) > 0 {
			room-- // so that the warnings are at least counted
		}
		if r.Interrupted() {
			room = 0
		}
		for _, f := range first(failed, room) {
			notes = append(notes, single(f, level))
		}
	}
	room := maxNotes
	if level == levelWarning {
		room -= len(notes)
	}
	return append(notes, warningNotes(o.Warnings, room)...)
}

// A failure is one place that uses an image that failed.
type failure struct {
	gate.Finding
	at source.Position // zero for all uses without a place
}

// failures returns what failed: the first place of each image, then the second
// ones, and so on, so that what there is room for tells of as many images as
// can be. There are count places in all, of which it returns at most most.
func failures(r gate.Report, most int) (first []failure, count int) {
	type open struct {
		gate.Finding
		places []source.Position
	}
	var failed []open
	for _, f := range r.Findings() {
		if !f.Passed() {
			failed = append(failed, open{f, placesOf(f)})
			count += len(failed[len(failed)-1].places)
		}
	}
	for round := 0; len(first) < min(count, most); round++ {
		for _, f := range failed {
			if round < len(f.places) && len(first) < most {
				first = append(first, failure{f.Finding, f.places[round]})
			}
		}
	}
	return first, count
}

// placesOf returns where the image is used, each place once.
func placesOf(f gate.Finding) []source.Position {
	var out []source.Position
	seen := map[source.Position]bool{}
	for _, u := range f.Uses() {
		at := u.At
		if at.File == "" {
			at = source.Position{}
		}
		if !seen[at] {
			seen[at] = true
			out = append(out, at)
		}
	}
	return out
}

// overview is the text of the first note.
func overview(r gate.Report, failed []failure, count int) string {
	if len(r.Findings()) == 0 {
		return "an empty list of images never passes"
	}
	if len(failed) == 0 {
		return "the run ended before it was complete"
	}
	var lines []string
	for _, f := range first(failed, maxListed) {
		line := heading(f.Finding)
		if at := place(f.at, 60); at != "" {
			line += " (" + limited(at, 80) + ")"
		}
		lines = append(lines, line)
	}
	if rest := count - len(lines); rest > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", rest))
	}
	return strings.Join(append(lines, "the summary has all that was found"), "\n")
}

func heading(f gate.Finding) string {
	return limited(reason(f.Reason()), 20) + ": " + limited(reference(f), maxImage)
}

// single explains one failure.
func single(f failure, level string) Note {
	return Note{Level: level, Title: heading(f.Finding), At: f.at, Text: strings.Join(explanation(f.Finding, maxNoteText), "\n")}
}

// explanation is at most seven lines that say why f failed, of at most that many
// UTF-16 units. Of several checks that failed it speaks of the first, whose
// Reason is that of the image.
func explanation(f gate.Finding, most int) []string {
	var lines []string
	line := func(word, value string) {
		if value != "" {
			lines = append(lines, word+" "+limited(value, most/7-20))
		}
	}
	for _, v := range f.Verdicts {
		if v.Passed() {
			continue
		}
		line("because", said(v.Err()))
		line("expected", v.Requirement())
		line("found", closest(v))
		if i := nearest(v); i >= 0 {
			all := v.Candidates()
			if o, ok := acceptable(all[i], v, f, countedIn(all)); ok {
				line("to accept, in "+limited(o.in, maxText/2)+":", o.short(most/7-20))
				line("unwise", o.unwise)
			}
		}
		line("next", next(v, f.Rule))
		break
	}
	if len(lines) == 0 {
		lines = append(lines, "because no check of this image ran to its end")
	}
	line("rule", ruleLine(f.Rule))
	return lines
}

// closest describes the first signature that was refused for v's own Reason, or
// else the first.
func closest(v verify.Verdict) string {
	all := v.Candidates()
	if len(all) == 0 {
		return ""
	}
	i := max(0, slices.IndexFunc(all, func(c verify.Candidate) bool { return c.Reason == v.Reason() }))
	return candidateLine(all[i], len(all) > 1, false)
}

// warningNotes returns at most room notes. If there are more warnings, the last
// note says how many.
func warningNotes(all []Warning, room int) []Note {
	var notes []Note
	note := func(text string, at source.Position) {
		notes = append(notes, Note{Level: levelWarning, Title: "image signature gate", Text: text, At: at})
	}
	shown := len(all)
	if shown > room {
		shown = max(room-1, 0)
	}
	for _, w := range all[:shown] {
		text := limited(w.Text, maxNoteText)
		if strings.TrimSpace(text) == "" {
			text = "a warning without a text"
		}
		note(text, w.At)
	}
	switch rest := len(all) - shown; {
	case rest > 0 && room > 0 && shown == 0:
		note(count(rest, "warning")+", listed in the summary", source.Position{})
	case rest > 0 && room > 0:
		note("… and "+count(rest, "more warning")+", listed in the summary", source.Position{})
	}
	return notes
}

// limited returns the first most UTF-16 units of what is Printable of s, in
// which an ellipsis stands for more.
func limited(s string, most int) string {
	s = Printable(s)
	n, end := 0, 0
	for i, r := range s {
		if n < most {
			end = i
		}
		if n += utf16.RuneLen(r); n > most {
			return s[:end] + "…"
		}
	}
	return s
}
