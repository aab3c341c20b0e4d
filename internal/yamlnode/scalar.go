package yamlnode

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
)

// A Scalar is a scalar's value and how it is written.
type Scalar struct {
	Value string
	// Text is how the value is written, without quotes and indentation; of
	// several lines it is the first. It differs from Value where the file has
	// escapes, or several lines.
	Text string
	At   image.Position // where Text begins
}

// Scalar returns the scalar n, or the one that the alias n stands for. It
// reports false for nil, a mapping or a sequence. Null is a Scalar too.
func (f *File) Scalar(n *yaml.Node) (Scalar, bool) {
	n = Resolve(n)
	if n == nil || n.Kind != yaml.ScalarNode {
		return Scalar{}, false
	}
	i := f.properties(f.offset(n))
	var end int
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0 && f.byteAt(i) == '"':
		i++
		end = f.quoted(i, '"')
	case n.Style&yaml.SingleQuotedStyle != 0 && f.byteAt(i) == '\'':
		i++
		end = f.quoted(i, '\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		i, end = f.block(i, n.Value)
	default:
		end = f.plain(i, n.Value)
	}
	return Scalar{Value: n.Value, Text: string(f.Body[i:end]), At: f.position(i)}, true
}

// Cut returns s without prefix, or s and false where its value does not begin
// with it.
func (s Scalar) Cut(prefix string) (Scalar, bool) {
	rest, ok := strings.CutPrefix(s.Value, prefix)
	if !ok {
		return s, false
	}
	s.Value = rest
	if text, ok := strings.CutPrefix(s.Text, prefix); ok { // not so with escapes in it
		s.Text = text
		s.At.Col += len(prefix)
	}
	return s, true
}

func (f *File) byteAt(i int) byte {
	if i < len(f.Body) {
		return f.Body[i]
	}
	return 0
}

// properties returns the offset behind the anchor and the tag that may stand
// before a node.
func (f *File) properties(i int) int {
	for c := f.byteAt(i); c == '&' || c == '!'; c = f.byteAt(i) {
		i += until(f.Body[i:], " \t\r\n,[]{}")
		for i < len(f.Body) {
			if f.Body[i] == '#' {
				i += until(f.Body[i:], "\r\n")
			} else if strings.IndexByte(" \t\r\n", f.Body[i]) < 0 {
				break
			} else {
				i++
			}
		}
	}
	return i
}

// until returns how many bytes of s come before the first that is in set.
func until(s []byte, set string) int {
	if n := bytes.IndexAny(s, set); n >= 0 {
		return n
	}
	return len(s)
}

// quoted returns where the text from i on ends: before the quote, or the end of
// the line.
func (f *File) quoted(i int, quote byte) int {
	for ; i < len(f.Body); i++ {
		switch c := f.Body[i]; {
		case c == '\r' || c == '\n':
			return i
		case quote == '"' && c == '\\':
			if next := f.byteAt(i + 1); next == '\r' || next == '\n' {
				return i
			}
			i++
		case quote == '\'' && c == '\'' && f.byteAt(i+1) == '\'':
			i++
		case c == quote:
			return i
		}
	}
	return min(i, len(f.Body))
}

// block returns the first line with text of a block scalar whose header, "|" or
// ">", is at i.
func (f *File) block(i int, value string) (start, end int) {
	i += until(f.Body[i:], "\r\n")
	if strings.TrimLeft(value, " \t\r\n\u0085\u2028\u2029") == "" {
		return i, i
	}
	for i < len(f.Body) && strings.IndexByte(" \t\r\n", f.Body[i]) >= 0 {
		i++
	}
	return i, i + until(f.Body[i:], "\r\n")
}

// plain returns where the first line of a plain scalar at i ends: it has the
// characters of value up to a line break, which folding makes a space or "\n".
func (f *File) plain(i int, value string) int {
	for _, r := range value {
		got, w := utf8.DecodeRune(f.Body[i:])
		if got != r || r == '\n' {
			break
		}
		i += w
	}
	return i
}

// Inside returns inner, a scalar of a document that is the value of s, as it
// stands in f: in a literal block, where it does. Where it cannot be followed it
// has the text and the place of s.
func (f *File) Inside(s, inner Scalar) Scalar {
	blank := len(s.Value) - len(strings.TrimLeft(s.Value, "\n"))
	at := inner.At
	at.File = f.Name
	at.Line += s.At.Line - 1 - blank
	at.Col += s.At.Col - 1
	value := inner.Value
	if start, ok := f.bytesAt(at); ok && bytes.HasPrefix(f.Body[start:], []byte(inner.Text)) && inner.Text != "" {
		return Scalar{Value: value, Text: inner.Text, At: at}
	}
	return Scalar{Value: value, Text: s.Text, At: s.At}
}

// bytesAt returns the offset of a place, and whether there is one.
func (f *File) bytesAt(at image.Position) (int, bool) {
	start := 0
	if at.Line > 1 && at.Line-2 < len(f.index.newlines) {
		start = f.index.newlines[at.Line-2] + 1
	} else if at.Line != 1 {
		return 0, false
	}
	if at.Col < 1 || start+at.Col-1 > len(f.Body) {
		return 0, false
	}
	start += at.Col - 1
	return start, f.position(start) == at
}
