package report

import (
	"fmt"
	"strings"

	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/verify"
)

// levelNotice is that of a Note that says what is worth knowing and no trouble.
const levelNotice = "notice"

// SignedNotes returns the notes on s, at most ten of a level: one about the run
// if not everything was signed, one about each image that was not as far as
// there is room, then the notices.
func SignedNotes(s Signed) []Note {
	var notes []Note
	switch {
	case s.Refused != nil:
		text := "because " + limited(said(s.Refused), maxNoteText/2)
		if hint := verify.Hint(s.Refused); hint != "" {
			text += "\nnext " + limited(hint, maxNoteText/3)
		}
		notes = append(notes, Note{Level: levelError, Title: limited(s.outcome(), maxText), Text: text})
	case s.Skipped != "":
		notes = append(notes, Note{Level: levelNotice, Title: "nothing was signed", Text: limited(s.Skipped, maxNoteText)})
	case !s.Complete():
		notes = append(notes, Note{Level: levelError, Title: limited(s.outcome(), maxText), Text: s.overview()})
		for _, f := range first(s.Failures, maxSingle) {
			text := "because " + limited(said(f.Err), maxNoteText/2)
			if hint := verify.Hint(f.Err); hint != "" {
				text += "\nnext " + limited(hint, maxNoteText/3)
			}
			notes = append(notes, Note{Level: levelError, Title: limited(reason(sign.Reason(f.Err)), 20) + ": " + limited(f.Reference, maxImage), Text: text})
		}
	}
	for _, n := range first(s.Notices, maxSingle) {
		notes = append(notes, Note{Level: levelNotice, Title: "image signing", Text: limited(n, maxNoteText)})
	}
	return notes
}

// overview lists what is signed and what is not.
func (s Signed) overview() string {
	var lines []string
	seen := map[string]bool{}
	add := func(word, name string) {
		if key := word + name; !seen[key] {
			seen[key] = true
			lines = append(lines, word+": "+limited(name, maxImage))
		}
	}
	failed := map[string]bool{}
	for _, f := range s.Failures {
		failed[f.Reference] = true
		add(s.unsigned(f), f.Reference)
	}
	for _, i := range s.Items {
		if !failed[i.Reference] {
			add("signed", i.Reference)
		}
	}
	if more := len(lines) - maxListed; more > 0 {
		lines = append(lines[:maxListed:maxListed], fmt.Sprintf("… and %d more", more))
	}
	if len(lines) == 0 {
		return "there was no image"
	}
	return strings.Join(lines, "\n")
}
