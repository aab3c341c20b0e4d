package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/boltseal/boltseal/gate"
	source "github.com/boltseal/boltseal/image" // this package has a function image
)

// policyFile is where a policy is, unless somebody says otherwise.
const policyFile = ".boltseal.yaml"

// A spot is a place of a file that a finding is shown at. It has always a file.
type spot struct {
	file           string // relative to the repository's root, slash-separated
	line, col, end int    // from 1; end is behind what is written there
}

// spotsOf returns where f is shown: at each place that uses the image once. What
// is used in no file of the repository is shown where the policy speaks of it,
// else at the file that stands for the command line.
func (run Run) spotsOf(f gate.Finding) []spot {
	var out []spot
	seen := map[spot]bool{}
	for _, u := range f.Uses() {
		s := run.spotAt(u.At, u.Text)
		if s.file == "" {
			s = run.inPolicy(f)
		}
		if s.file == "" {
			s = spot{file: run.givenIn(), line: 1, col: 1, end: 2}
		}
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// inPolicy is where the policy speaks of f.
func (run Run) inPolicy(f gate.Finding) spot {
	if e, ok := f.Exemption(); ok && e.At.File != "" {
		return run.spotAt(e.At, "")
	}
	return run.spotAt(f.Rule.At, "")
}

// shown reports whether a file is one of the repository, by its name.
func shown(file string) bool { return file != "." && fs.ValidPath(file) }

func (run Run) givenIn() string {
	if shown(run.GivenIn) {
		return run.GivenIn
	}
	return policyFile
}

// spotAt is the place where text is written; it has no file where that is not
// one of the repository. Columns count bytes as all of ours, from the line's
// beginning to the text; the text itself is counted in characters.
func (run Run) spotAt(at source.Position, text string) spot {
	s := spot{line: max(at.Line, 1), col: max(at.Col, 1)}
	if file := path.Join(run.Inside, at.File); at.File != "" && !path.IsAbs(at.File) && shown(file) {
		s.file = file
	}
	first, _, _ := strings.Cut(text, "\n")
	s.end = s.col + max(utf8.RuneCountInString(first), 1)
	return s
}

// prints tells results apart across runs: the same image used in the same file,
// for the same reason, is the same result, whatever line it moves to and
// whatever the tag stands for.
type prints map[string]int

func (p prints) of(rule, file string, f gate.Finding) string {
	sum := sha256.Sum256([]byte(rule + "\x00" + file + "\x00" + subjectOf(f)))
	key := hex.EncodeToString(sum[:])
	p[key]++
	return fmt.Sprintf("%s:%d", key, p[key])
}

// subjectOf is the image without its digest.
func subjectOf(f gate.Finding) string {
	r := f.Use.Ref
	switch {
	case r.IsZero():
		return f.Use.Text
	case r.Tag() == "":
		return r.Name()
	}
	return r.Name() + ":" + r.Tag()
}

// headline is what became of f, in one line.
func headline(f gate.Finding) string {
	name := cmp.Or(limited(reference(f), maxImage), "an image without a name")
	return limited(reason(f.Reason()), 20) + ": " + name
}

// untold says how a run ended that did not pass and has no image to show for
// it; "" of any other.
func untold(r gate.Report) string {
	if r.Passed() {
		return ""
	}
	for _, f := range r.Findings() {
		if !f.Passed() {
			return ""
		}
	}
	return outcome(r)
}
