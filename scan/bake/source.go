package bake

import (
	"bytes"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/boltseal/boltseal/image"
)

// A source is the text of one file.
type source struct {
	name  string // slash-separated, relative to the workspace
	text  []byte
	lines []int // where each line begins
}

func newSource(name string, text []byte) *source {
	s := &source{name: name, text: text, lines: []int{0}}
	for i, c := range text {
		if c == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// json reports whether the file is in HCL's JSON syntax by its name.
func (s *source) json() bool { return strings.HasSuffix(s.name, ".json") }

// named reports whether the name says which syntax the file is in.
func (s *source) named() bool { return s.json() || strings.HasSuffix(s.name, ".hcl") }

// A place is a stretch of a file, in bytes. The zero place is none.
type place struct {
	src      *source
	from, to int
}

// place returns the stretch that an HCL range names.
func (s *source) place(r hcl.Range) place {
	from := min(max(r.Start.Byte, 0), len(s.text))
	return place{s, from, min(max(r.End.Byte, from), len(s.text))}
}

// start returns the place's first byte as a position.
func (p place) start() image.Position {
	line := sort.SearchInts(p.src.lines, p.from+1)
	return image.Position{File: p.src.name, Line: line, Col: p.from - p.src.lines[line-1] + 1}
}

// bytes returns what stands at the place.
func (p place) bytes() []byte { return p.src.text[p.from:p.to] }

// first returns what stands at the place, to the end of its first line.
func (p place) first() string {
	line, _, _ := bytes.Cut(p.bytes(), []byte("\n"))
	return string(bytes.TrimRight(line, " \t\r"))
}

// unquoted returns the place within its quotation marks, if it has any.
func (p place) unquoted() place {
	if b := p.bytes(); len(b) >= 2 && b[0] == '"' && b[len(b)-1] == '"' {
		return place{p.src, p.from + 1, p.to - 1}
	}
	return p
}

// after returns the place behind a prefix, if it begins with it.
func (p place) after(prefix string) place {
	if bytes.HasPrefix(p.bytes(), []byte(prefix)) {
		p.from += len(prefix)
	}
	return p
}

// before orders places as the text does; files are ordered elsewhere.
func (p place) before(q place) int { return p.from - q.from }
