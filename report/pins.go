package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/boltseal/boltseal/gate"
	source "github.com/boltseal/boltseal/image" // this package has a function image
	"github.com/boltseal/boltseal/verify"
)

// Pins is what boltseal pin did to references, or would do.
type Pins struct {
	Check     bool   // nothing is written, whatever is found
	Update    bool   // digests that tags no longer have are replaced
	Rewritten []Pin  // in the order of the files
	Kept      []Left // that have a digest, which cannot be updated
	Refused   []Left // that cannot be rewritten
	// Pinned is how many places had their digest already.
	Pinned int
	// Unknown is how many places use an image that is not known before the run,
	// about which the run warns. They may be without a digest.
	Unknown int
}

// A Pin is one reference that is rewritten.
type Pin struct {
	At       source.Position
	Old, New string
	Exempt   bool // nobody has verified the digest
}

// A Left is a place that stays as it is, and why.
type Left struct {
	Use source.Use
	Err error
}

// Clean reports whether nothing is left to do.
func (p Pins) Clean() bool { return len(p.Rewritten) == 0 && len(p.Refused) == 0 }

// Passed reports whether every reference that is known has its digest now.
func (p Pins) Passed() bool { return len(p.Refused) == 0 && (!p.Check || len(p.Rewritten) == 0) }

// PinsVersion is the version of the JSON that PinsJSON writes. It grows by one
// when a field changes its meaning or goes; new fields do not change it.
const PinsVersion = 1

// The document is described in docs/pin.md and docs/pin.schema.json.
type pinsDoc struct {
	Version int             `json:"version"`
	Check   bool            `json:"check"`
	Update  bool            `json:"update"`
	Passed  bool            `json:"passed"`
	Pins    []pinDoc        `json:"pins"`
	Kept    []leftDoc       `json:"kept"`
	Refused []leftDoc       `json:"refused"`
	Unknown int             `json:"unknown"`
	Report  json.RawMessage `json:"report"`
}

type pinDoc struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Old    string `json:"old"`
	New    string `json:"new"`
	Exempt bool   `json:"exempt"`
}

type leftDoc struct {
	Image string `json:"image"`
	useDoc
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// PinsJSON writes p, and the run r that decided about it, as the document of
// docs/pin.md. Its bytes are as harmless in a terminal or a log as those of
// [PinsText].
func PinsJSON(w io.Writer, p Pins, r gate.Report, run Run) error {
	var of bytes.Buffer
	if err := JSON(&of, r, run); err != nil {
		return err
	}
	doc := pinsDoc{
		Version: PinsVersion, Check: p.Check, Update: p.Update, Passed: (r.Passed() || run.Lenient(r)) && p.Passed(),
		Pins: []pinDoc{}, Kept: left(p.Kept), Refused: left(p.Refused), Unknown: p.Unknown, Report: of.Bytes(),
	}
	for _, x := range p.Rewritten {
		doc.Pins = append(doc.Pins, pinDoc{x.At.File, x.At.Line, x.At.Col, x.Old, x.New, x.Exempt})
	}
	return Value(w, doc)
}

func left(all []Left) []leftDoc {
	docs := []leftDoc{}
	for _, x := range all {
		docs = append(docs, leftDoc{Image: x.Use.Ref.String(), useDoc: used(x.Use), Message: said(x.Err), Hint: verify.Hint(x.Err)})
	}
	return docs
}

// PinsText writes p for people: a line for each reference, and in the end how
// many there are. As in [Text], what is from outside stands behind a word of
// ours. Where nothing is written, what would be is the business of [PinsDiff].
func PinsText(w io.Writer, p Pins) error {
	var b strings.Builder
	line := func(word, text string) { fmt.Fprintf(&b, "%-8s %s\n", word, Printable(clip(text))) }
	files := map[string]bool{}
	exempt := 0
	for _, x := range p.Rewritten {
		files[x.At.File] = true
		word, mark := "pinned", ""
		if x.Exempt {
			exempt++
			word, mark = "exempt", " (not verified)"
		}
		if !p.Check {
			line(word, at(x.At)+" "+x.Old+" → "+x.New+mark)
		}
	}
	for _, x := range p.Kept {
		line("kept", at(x.Use.At)+" "+said(x.Err))
	}
	for _, x := range p.Refused {
		line("refused", at(x.Use.At)+" "+said(x.Err))
		if hint := verify.Hint(x.Err); hint != "" {
			line("", "next: "+hint)
		}
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(p.summary(len(files), exempt) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// summary says in a line what PinsText listed.
func (p Pins) summary(files, exempt int) string {
	var parts []string
	places := count(len(p.Rewritten), "reference") + " in " + count(files, "file")
	switch {
	case len(p.Rewritten) == 0:
	case p.Check:
		parts = append(parts, places+" to pin: run boltseal pin without --check")
	default:
		parts = append(parts, places+" pinned")
	}
	if exempt > 0 {
		parts = append(parts, fmt.Sprintf("%d of them exempt, not verified", exempt))
	}
	if n := len(p.Refused); n > 0 {
		parts = append(parts, fmt.Sprintf("%s that boltseal cannot rewrite", count(n, "place")))
	}
	if p.Pinned > 0 || len(parts)+len(p.Kept) == 0 {
		has := " with the digest already"
		if p.Update {
			has = " with the digest that the tag has now"
		}
		parts = append(parts, count(p.Pinned, "place")+has)
	}
	if n := len(p.Kept); n > 0 {
		parts = append(parts, count(n, "place")+" not updated")
	}
	if p.Unknown > 0 {
		parts = append(parts, count(p.Unknown, "place")+" whose image is not known, not looked at")
	}
	return strings.Join(parts, "; ")
}

// PinsDiff writes a unified diff, which may hold the text of any file, so that
// it can be shown: what [Printable] escapes is escaped, but for tabs and the CR
// of a line's end, and so is the "::" at the beginning of a line, which the
// GitHub runner obeys behind blanks, too. Where there is nothing of that kind,
// it stays a patch.
func PinsDiff(w io.Writer, diff []byte) error {
	var b strings.Builder
	for line := range strings.Lines(string(diff)) {
		text, end := line, ""
		for _, e := range []string{"\r\n", "\n"} {
			if t, ok := strings.CutSuffix(line, e); ok {
				text, end = t, e
				break
			}
		}
		if rest := strings.TrimLeftFunc(text, unicode.IsSpace); strings.HasPrefix(rest, "::") {
			b.WriteString(printableTabs(text[:len(text)-len(rest)]) + `\x3a`)
			text = rest[1:]
		}
		b.WriteString(printableTabs(text) + end)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printableTabs is Printable, but for tabs.
func printableTabs(s string) string {
	parts := strings.Split(s, "\t")
	for i := range parts {
		parts[i] = Printable(parts[i])
	}
	return strings.Join(parts, "\t")
}
