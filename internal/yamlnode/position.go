package yamlnode

import (
	"bytes"
	"sort"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
)

// At returns where n begins, at its anchor or tag if it has one. Use
// [File.Scalar] for where a text begins.
func (f *File) At(n *yaml.Node) image.Position { return f.position(f.offset(n)) }

// Place returns where the byte of Body at offset stands.
func (f *File) Place(offset int) image.Position { return f.position(offset) }

// Written returns the offset of Body at which n begins, as At does.
func (f *File) Written(n *yaml.Node) int { return f.offset(n) }

// offset returns the byte at which n begins.
func (f *File) offset(n *yaml.Node) int { return f.index.offset(f.Body, n.Line, n.Column) }

// position returns the place of a byte. Lines end at "\n" alone, as in editors
// and annotations.
func (f *File) position(offset int) image.Position {
	line := sort.SearchInts(f.index.newlines, offset) // newlines before offset
	start := 0
	if line > 0 {
		start = f.index.newlines[line-1] + 1
	}
	return image.Position{File: f.Name, Line: line + 1, Col: offset - start + 1}
}

// stride is how many characters are between two that the index knows.
const stride = 64

// An index finds bytes by what the YAML parser counts: lines that end at any
// line break Unicode knows, and columns of characters. It finds each in
// constant time, so that a file of one long line does not take quadratic time.
type index struct {
	newlines []int // offsets of "\n"
	lines    []int // the number of the character that begins each of YAML's lines
	marks    []int // offsets of every stride-th character
}

func newIndex(body []byte) index {
	x := index{}
	i := 0
	if bytes.HasPrefix(body, []byte("\ufeff")) {
		i = len("\ufeff") // the parser does not count it
	}
	x.lines = append(x.lines, 0)
	for n := 0; i < len(body); n++ {
		if n%stride == 0 {
			x.marks = append(x.marks, i)
		}
		r, w := utf8.DecodeRune(body[i:])
		switch r {
		case '\r':
			if i+1 < len(body) && body[i+1] == '\n' {
				break // the line ends behind the \n
			}
			x.lines = append(x.lines, n+1)
		case '\n':
			x.newlines = append(x.newlines, i)
			x.lines = append(x.lines, n+1)
		case '\u0085', '\u2028', '\u2029':
			x.lines = append(x.lines, n+1)
		}
		i += w
	}
	return x
}

// offset returns the byte of body at the parser's line and column, both from
// 1; at most the end of body.
func (x *index) offset(body []byte, line, column int) int {
	if len(x.marks) == 0 || line < 1 || column < 1 {
		return 0
	}
	char := x.lines[min(line, len(x.lines))-1] + column - 1
	mark := min(char/stride, len(x.marks)-1)
	i := x.marks[mark]
	for n := mark * stride; n < char && i < len(body); n++ {
		_, w := utf8.DecodeRune(body[i:])
		i += w
	}
	return i
}
