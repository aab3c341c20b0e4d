package dockerfile

import (
	"bufio"
	"bytes"
	"slices"
	"strings"
	"unicode"

	"github.com/boltseal/boltseal/image"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// A source is the file as it was given.
type source struct {
	name  string
	body  []byte
	lines []int // where each line begins
}

func newSource(body []byte, name string) *source {
	s := &source{name: name, body: body, lines: []int{0}}
	for i, b := range body {
		if b == '\n' && i+1 < len(body) {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// line returns the n-th line, counted from 1, with its end.
func (s *source) line(n int) []byte {
	if n < len(s.lines) {
		return s.body[s.lines[n-1]:s.lines[n]]
	}
	return s.body[s.lines[n-1]:]
}

// position returns where the byte at offset is.
func (s *source) position(offset int) image.Position {
	n, found := slices.BinarySearch(s.lines, offset)
	if !found {
		n--
	}
	return image.Position{File: s.name, Line: n + 1, Col: offset - s.lines[n] + 1}
}

// start returns the first byte of the n-th line that is no space; lines that
// there are not give the nearest one.
func (s *source) start(n int) image.Position {
	n = max(1, min(n, len(s.lines)))
	line := s.line(n)
	if n == 1 {
		line = bytes.TrimPrefix(line, bom)
	}
	blank := s.lines[n-1] + len(s.line(n)) - len(bytes.TrimLeftFunc(line, unicode.IsSpace))
	if blank >= s.lines[n-1]+len(bytes.TrimRight(s.line(n), "\r\n")) {
		blank = s.lines[n-1]
	}
	return s.position(blank)
}

var bom = []byte("\xef\xbb\xbf")

// A place is a stretch of the file.
type place struct {
	text string // as it stands there, bytes that continue a line and all
	at   image.Position
	rest bool // it is where what was looked for ought to be
}

// literal returns what stands at p if that is name, letter by letter.
func (p place) literal(name string) image.Literal {
	if p.rest || p.text != name {
		return image.Literal{}
	}
	return image.Literal{Text: name, At: p.at}
}

// unquoted returns the place within the quotes, if p has a pair around it.
func (p place) unquoted() place {
	if n := len(p.text); n >= 2 && (p.text[0] == '"' || p.text[0] == '\'') && p.text[n-1] == p.text[0] {
		p.text = p.text[1 : n-1]
		p.at.Col++
	}
	return p
}

// A logical line is an instruction as BuildKit's parser puts it together, and
// where in the file each of its bytes came from.
type logical struct {
	src  *source
	text string
	at   []int
}

// logical returns the instruction that begins in a line. It joins lines as
// parser.Parse does: parser.go, Parse, processLine, trimContinuationCharacter.
func (s *source) logical(first int, escape byte) logical {
	l := logical{src: s}
	var text []byte
	for n := first; n <= len(s.lines); n++ {
		offset, line := s.lines[n-1], s.line(n)
		if n > first && isComment(line) {
			continue
		}
		if n == 1 {
			line = bytes.TrimPrefix(line, bom)
			offset += len(s.line(n)) - len(line)
		}
		line = bytes.TrimRight(line, "\r\n")
		if n == first {
			trimmed := bytes.TrimLeftFunc(line, unicode.IsSpace)
			offset += len(line) - len(trimmed)
			line = trimmed
		} else if len(bytes.TrimLeftFunc(line, unicode.IsSpace)) == 0 {
			continue
		}
		line, more := continued(line, escape)
		text = append(text, line...)
		for i := range line {
			l.at = append(l.at, offset+i)
		}
		if !more {
			break
		}
	}
	l.text = string(text)
	return l
}

func isComment(line []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeftFunc(line, unicode.IsSpace), []byte("#"))
}

// continued cuts the escape character off that continues a line.
func continued(line []byte, escape byte) ([]byte, bool) {
	end := bytes.TrimRight(line, " \t")
	n := len(end)
	if n == 0 || end[n-1] != escape || n > 1 && end[n-2] == escape {
		return line, false
	}
	return end[:n-1], true
}

// place returns that of the bytes from i to j of l.
func (l logical) place(i, j int) place {
	if i >= j || j > len(l.at) {
		return l.head()
	}
	from, to := l.at[i], l.at[j-1]+1
	return place{text: string(l.src.body[from:to]), at: l.src.position(from)}
}

// head returns the place of l's first word: the instruction.
func (l logical) head() place {
	_, end := l.word(0)
	if end == 0 {
		return place{at: image.Position{File: l.src.name, Line: 1, Col: 1}, rest: true}
	}
	p := l.place(0, end)
	p.rest = true
	return p
}

// word returns the bounds of the first word from i on.
func (l logical) word(i int) (int, int) {
	for i < len(l.text) && strings.IndexByte(blanks, l.text[i]) >= 0 {
		i++
	}
	j := i
	for j < len(l.text) && strings.IndexByte(blanks, l.text[j]) < 0 {
		j++
	}
	return i, j
}

// blanks are what parser.go's reWhitespace knows.
const blanks = "\t\v\f\r "

// A flag is a word such as --from=x, without its quotes.
type flag struct {
	text string
	at   []int // where in the logical line each byte came from
}

// flags returns those from i on, and where what follows them begins. It reads
// as parser/split_command.go does, whose bytes are not characters either.
func (l logical) flags(i int, escape byte) ([]flag, int) {
	var all []flag
	for {
		for i < len(l.text) && unicode.IsSpace(rune(l.text[i])) {
			i++
		}
		if !strings.HasPrefix(l.text[i:], "--") {
			return all, i
		}
		var f flag
		f, i = l.flag(i, escape)
		if f.text == "--" {
			return all, i
		}
		all = append(all, f)
	}
}

func (l logical) flag(i int, escape byte) (flag, int) {
	var (
		f     flag
		text  []byte
		quote byte
	)
	for ; i < len(l.text); i++ {
		switch b := l.text[i]; {
		case quote == 0 && unicode.IsSpace(rune(b)):
			f.text = string(text)
			return f, i
		case quote == 0 && (b == '\'' || b == '"'):
			quote = b
			continue
		case quote != 0 && b == quote:
			quote = 0
			continue
		case b == escape:
			if i+1 == len(l.text) {
				continue
			}
			i++
		}
		before := len(text)
		text = append(text, string(rune(l.text[i]))...)
		for range text[before:] {
			f.at = append(f.at, i)
		}
	}
	f.text = string(text)
	return f, i
}

// errorLine returns the line that an error of BuildKit's parser is about.
func (s *source) errorLine(ranges [][]parser.Range) int {
	if len(ranges) == 0 || len(ranges[0]) == 0 {
		return 1
	}
	n := ranges[0][0].Start.Line
	// The parser counts lines from 0 while it looks at directives. Nothing else
	// in a comment can be wrong.
	if n < len(s.lines) && (n == 0 || isComment(s.line(n))) && isComment(s.line(n+1)) {
		n++
	}
	// Nor does it count a line that is too long for it.
	if n < len(s.lines) && len(s.line(n+1)) >= bufio.MaxScanTokenSize {
		n++
	}
	return n
}
