// Package contenttrust finds what is left of Docker Content Trust (Notary v1) in
// the files of a workspace: variables that switch it on, commands that sign and
// look with it, its servers, and builds that were taken to be verified by it.
//
// It reads lines and words, as somebody who looks for these things would, and
// understands no language: what it finds is for people, says nothing about an
// image, and must decide nothing.
package contenttrust

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// maxPerFile bounds what is said of one file. More than that nobody reads, and
// whoever moves away changes all of it in one go.
const maxPerFile = 20

// Find returns what the text of a file says of Docker Content Trust, in the order
// of the text, each thing once a line: at most 20 warnings, the last of which
// then counts the rest. Comments, and text that is only shown to people, say
// nothing, as far as lines tell. The warnings have no text from the file in them.
//
// It looks at the lines of the first MiB; where words behind them may speak of it
// as well, the last warning says that nobody looked there.
//
// The file's name, slash-separated, tells how it is read. The time is linear in
// the length of text.
func Find(name string, text []byte) []scan.Warning {
	if !mentions(text) {
		return nil
	}
	text, rest := split(text)
	if !mentions(rest) {
		return find(name, text, maxPerFile)
	}
	at := image.Position{File: name, Line: bytes.Count(text, []byte("\n")) + 1, Col: len(text) - bytes.LastIndexByte(text, '\n')}
	return append(find(name, text, maxPerFile-1), scan.Warning{At: at, Text: beyond})
}

// maxText bounds the text of a file that is looked at, in bytes. Nobody writes as
// much by hand, and what a program wrote need not keep everybody waiting.
const maxText = 1 << 20

// split returns what is looked at of a text, whole lines unless there is but one,
// and what is not.
func split(text []byte) (begin, rest []byte) {
	if len(text) <= maxText {
		return text, nil
	}
	end := bytes.LastIndexByte(text[:maxText], '\n') + 1
	if end == 0 {
		end = maxText
	}
	return text[:end], text[end:]
}

// find returns what a text says, at most so many warnings.
func find(name string, text []byte, most int) []scan.Warning {
	r := reader{file: name, text: string(text), style: styleOf(name), prose: -1}
	r.envFile = strings.Contains(r.text, "GITHUB_ENV") || strings.Contains(r.text, "BASH_ENV")
	r.signs = strings.Contains(r.text, "--system dct") || strings.Contains(r.text, "--system=dct") || strings.Contains(r.text, "system: dct")
	r.classic = strings.Contains(r.text, "DOCKER_BUILDKIT=0") || strings.Contains(r.text, "DOCKER_BUILDKIT: 0") || strings.Contains(r.text, `DOCKER_BUILDKIT: "0"`) || strings.Contains(r.text, "DOCKER_BUILDKIT: '0'")
	r.read()
	r.unverified()
	return bounded(inOrder(r.found), most, "speaks of Docker Content Trust here", "speak of Docker Content Trust in this file")
}

// mentions reports whether there is anything to look for: nearly no file has it,
// and no other is to take time.
func mentions(text []byte) bool {
	for _, word := range []string{"CONTENT_TRUST", "content-trust", "NOTARY_", "notary", "trust", "docker-sign"} {
		if bytes.Contains(text, []byte(word)) {
			return bytes.IndexByte(text, 0) < 0 // which no text has
		}
	}
	return false
}

// inOrder returns all by their places.
func inOrder(all []scan.Warning) []scan.Warning {
	return slices.SortedStableFunc(slices.Values(all), func(a, b scan.Warning) int {
		return cmp.Or(cmp.Compare(a.At.File, b.At.File), cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Col, b.At.Col))
	})
}

// bounded returns the first most of all, the last of which counts the rest.
func bounded(all []scan.Warning, most int, one, several string) []scan.Warning {
	if len(all) <= most {
		return all
	}
	rest := len(all) - most + 1
	last := scan.Warning{At: all[most-1].At, Text: fmt.Sprintf("%d more places %s", rest, several)}
	if rest == 1 {
		last.Text = "one more place " + one
	}
	return append(all[:most-1:most-1], last)
}

// A reader reads one file.
type reader struct {
	file  string
	text  string
	style style

	// What is known of the line at hand.
	line      row
	begin     int    // where it begins in text
	words     []word // of it, and of those that it continues
	continued bool   // it goes on with the next one
	comment   bool   // a comment goes on that has an end of its own
	heredoc   string // what ends a text that is only shown
	unended   bool   // such a text had no end: none is skipped any more
	prose     int    // lines that begin after this column are only shown; -1: none are
	named     word   // the variable that a name: has, whose value: the next line may have
	pending   word   // the same of the line before
	variable  word   // the variable whose block in a bake file goes on
	client    int    // the last line on which notary's client was found

	rows     []row // all lines, for the reach of settings
	settings []setting
	builds   []build
	found    []scan.Warning

	envFile bool // something sets variables for later steps
	signs   bool // boltseal signs with Docker Content Trust
	classic bool // a build is asked for that is not BuildKit's
}

// say adds a warning about the word w, or a place in it, unless it was said of
// the line.
func (r *reader) say(w word, at int, text string) {
	place := image.Position{File: r.file, Line: w.line, Col: at - w.begin + 1}
	for i := len(r.found) - 1; i >= 0 && r.found[i].At.Line >= place.Line; i-- {
		if r.found[i].At.Line == place.Line && r.found[i].Text == text {
			return
		}
	}
	r.found = append(r.found, scan.Warning{At: place, Text: text})
}
