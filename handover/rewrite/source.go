package rewrite

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/boltseal/boltseal/image"
)

// maxFile bounds a file, in bytes: that of package scan.
const maxFile = 4 << 20

// A source is the text of a file.
type source struct {
	text  []byte
	lines []int // where each begins
	err   error // why it is not to be changed
}

// near bounds how far back a line is looked at, in bytes: whole files stand on
// one line.
const near = 1 << 10

// source returns a file. It is read once.
func (p *planner) source(file string) *source {
	if s, ok := p.sources[file]; ok {
		return s
	}
	s := &source{}
	s.text, s.err = p.read(file)
	switch {
	case s.err != nil:
	case len(s.text) > maxFile:
		s.err = fmt.Errorf("the file is larger than %d MiB", maxFile>>20)
	case !utf8.Valid(s.text):
		s.err = errors.New("the file is not UTF-8")
	}
	s.text = bytes.Clone(s.text)
	s.lines = []int{0}
	for i, b := range s.text {
		if b == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	p.sources[file] = s
	return s
}

var errMoved = errors.New("the text is not at its place any more: the file was changed meanwhile")

// find returns the offset of a literal; -1 and why if that is not what stands
// there.
func (s *source) find(l image.Literal) (int, error) {
	if s.err != nil {
		return -1, s.err
	}
	if l.At.Line < 1 || l.At.Line > len(s.lines) || l.At.Col < 1 {
		return -1, errMoved
	}
	from := s.lines[l.At.Line-1] + l.At.Col - 1
	to := from + len(l.Text)
	switch {
	case to > len(s.text) || string(s.text[from:to]) != l.Text:
		return -1, errMoved
	case to < len(s.text) && goesOn(s.text[to]):
		return -1, fmt.Errorf("%q goes on behind it", s.text[to])
	case from > 0 && word(s.text[from-1]):
		return -1, fmt.Errorf("%q stands before it", s.text[from-1])
	}
	return from, nil
}

// ends reports whether u's text is there, and does not go on behind a line break.
func (s *source) ends(u image.Use) bool {
	from, err := s.find(image.Literal{Text: u.Text, At: u.At})
	return err == nil && !bytes.HasPrefix(s.text[from+len(u.Text):], []byte(`\`))
}

// word reports whether b can be in a name.
func word(b byte) bool {
	return b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9' || b == '_' || b >= utf8.RuneSelf
}

// goesOn reports whether b can be in a reference.
func goesOn(b byte) bool { return word(b) || strings.IndexByte(".-/:@", b) >= 0 }

// with returns the text after edits, which are in order and do not overlap.
func (s *source) with(edits []Edit) []byte {
	var out []byte
	done := 0
	for _, e := range edits {
		from := s.lines[e.At.Line-1] + e.At.Col - 1
		out = append(append(out, s.text[done:from]...), e.New...)
		done = from + len(e.Old)
	}
	return append(out, s.text[done:]...)
}

// before returns what stands before offset on its line. Where that is far, a
// letter stands for most of it.
func (s *source) before(offset int) string {
	begin := s.lines[s.number(offset)-1]
	if offset-begin > near {
		return "x" + string(s.text[offset-near:offset])
	}
	return string(s.text[begin:offset])
}

// number returns the line that offset is on, from 1.
func (s *source) number(offset int) int { return sort.SearchInts(s.lines, offset+1) }

// line returns the n-th line, from 1, without its end.
func (s *source) line(n int) string {
	end := len(s.text)
	if n < len(s.lines) {
		end = s.lines[n]
	}
	return strings.TrimRight(string(s.text[s.lines[n-1]:end]), "\r\n")
}
