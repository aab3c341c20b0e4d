package yamlshape

import (
	"bytes"
	"strings"
)

// A mark is something in a text that YAML may well take otherwise than whoever
// wrote it.
type mark struct {
	kind markKind
	at   int // its offset
	// From and to are around the text that it belongs to.
	from, to int
}

type markKind int

const (
	sign     markKind = iota // a text that begins with one of specials
	colon                    // ": " within a text
	tab                      // a tab where a line is indented
	behind                   // a text behind what is in quotes or brackets
	unclosed                 // a quote that nothing closes
	dash                     // "- " behind a key
	glued                    // a colon that no blank follows, in a text that no colon ends
	comma                    // a comma with nothing in front
	question                 // a question mark in a text within brackets
)

// specials begin what is no text, or nothing at all, unless it is in quotes.
const specials = "*!&@`%"

// A walker goes through a text as a reader does who knows YAML roughly. It knows
// of no mistake in what YAML allows, and is asked only where there is one.
type walker struct {
	body  []byte
	end   int // where it stops
	marks []mark
	open  []int // offsets of the brackets that are open
	above []int // those that were where the last line begins

	p       int
	column  int  // of the last "- " or key, which a block text is indented from
	inValue bool // behind a key, in the same entry
}

// walk goes to the end of the line that offset is in.
func walk(body []byte, offset int) *walker {
	w := &walker{body: body, end: offset + lineLength(body[min(offset, len(body)):])}
	w.end = min(w.end, len(body))
	for w.p < w.end {
		w.line()
	}
	return w
}

// lineLength returns how many bytes of s come before its first line break.
func lineLength(s []byte) int {
	if n := bytes.IndexAny(s, "\r\n"); n >= 0 {
		return n
	}
	return len(s)
}

func (w *walker) at(i int) byte {
	if i >= 0 && i < w.end {
		return w.body[i]
	}
	return '\n'
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func (w *walker) mark(kind markKind, at, from, to int) {
	w.marks = append(w.marks, mark{kind, at, from, to})
}

// line goes through one line, and what of further lines belongs to its texts.
func (w *walker) line() {
	start := w.p
	firstTab := -1
	for w.p < w.end && (w.at(w.p) == ' ' || w.at(w.p) == '\t') {
		if w.at(w.p) == '\t' && firstTab < 0 {
			firstTab = w.p
		}
		w.p++
	}
	if c := w.at(w.p); c != '\n' && c != '\r' && c != '#' && firstTab >= 0 && len(w.open) == 0 {
		w.mark(tab, firstTab, firstTab, w.p)
	}
	w.inValue = false
	w.column = w.p - start
	w.above = append(w.above[:0], w.open...)
	for w.p < w.end && w.at(w.p) != '\n' {
		w.token(start)
	}
	w.p++
}

// token goes through one part of a line that begins at start; w.p is at a place
// where a value may begin.
func (w *walker) token(start int) {
	c, next := w.at(w.p), w.at(w.p+1)
	switch {
	case blank(c):
		w.p++
	case c == '#':
		w.p += lineLength(w.body[w.p:w.end])
	case (c == '-' || c == '?') && blank(next) && len(w.open) == 0:
		if w.inValue && c == '-' {
			w.mark(dash, w.p, w.p, w.textEnd(w.p))
		}
		w.column = w.p - start
		w.p++
		if next == '\t' {
			w.mark(tab, w.p, w.p, w.p+1)
		}
	case c == '[' || c == '{':
		w.open = append(w.open, w.p)
		w.inValue = false
		w.p++
	case c == ',' && len(w.open) > 0:
		if before := w.before(); before == ',' || before == '[' || before == '{' {
			w.mark(comma, w.p, w.p, w.p+1)
		}
		w.inValue = false
		w.p++
	case c == ']' || c == '}':
		w.close()
		w.after(start)
	case c == '"' || c == '\'':
		w.quoted(c)
		w.after(start)
	case (c == '|' || c == '>') && len(w.open) == 0:
		w.block()
	case strings.IndexByte(specials, c) >= 0:
		to := w.textEnd(w.p)
		w.mark(sign, w.p, w.p, to)
		if c == '&' || c == '!' { // a value may follow
			w.p += max(1, bytes.IndexAny(append(bytes.Clone(w.body[w.p:to]), ' '), " \t"))
			return
		}
		w.p = max(to, w.p+1)
	default:
		w.text(start)
	}
}

// before returns what stands before w.p, blanks aside.
func (w *walker) before() byte {
	i := w.p - 1
	for i > max(0, w.p-maxShown) && blank(w.at(i)) {
		i--
	}
	return w.at(i)
}

func (w *walker) close() {
	if n := len(w.open); n > 0 {
		w.open = w.open[:n-1]
	}
	w.p++
}

// maxShown is how much of a text is looked at to say what it is.
const maxShown = 256

// textEnd returns where the text at from ends, were it one, or is long enough.
func (w *walker) textEnd(from int) int {
	end := from
	for limit := min(w.end, from+maxShown); end < limit && !w.textEnds(end, from); {
		end++
	}
	for end > from && blank(w.at(end-1)) {
		end--
	}
	return end
}

// textEnds reports whether a text that begins at from ends before i.
func (w *walker) textEnds(i, from int) bool {
	switch c := w.at(i); c {
	case '\n':
		return true
	case '#':
		return i > from && blank(w.at(i-1))
	default:
		return len(w.open) > 0 && strings.IndexByte(",]}", c) >= 0
	}
}

// text goes through a text without quotes, up to the end of the line.
func (w *walker) text(start int) {
	from, sticky := w.p, -1
	for ; w.p < w.end && !w.textEnds(w.p, from); w.p++ {
		if w.at(w.p) == '?' && len(w.open) > 0 {
			w.mark(question, w.p, from, w.textEnd(from))
		}
		if w.at(w.p) != ':' {
			continue
		}
		if next := w.at(w.p + 1); !blank(next) && (len(w.open) == 0 || strings.IndexByte(",]}", next) < 0) {
			if sticky < 0 {
				sticky = w.p
			}
			continue
		}
		if !w.inValue {
			w.inValue = true
			if len(w.open) == 0 {
				w.column = from - start
			}
			w.p++
			return
		}
		w.mark(colon, w.p, from, w.textEnd(from))
		for w.p < w.end && !w.textEnds(w.p, from) {
			w.p++
		}
		return
	}
	if sticky >= 0 && !w.inValue {
		w.mark(glued, sticky, from, w.textEnd(from))
	}
}

// after looks at what follows something in quotes or brackets.
func (w *walker) after(start int) {
	for w.p < w.end && (w.at(w.p) == ' ' || w.at(w.p) == '\t') {
		w.p++
	}
	switch c := w.at(w.p); {
	case c == '\n' || c == '\r' || c == '#' || c == ']' || c == '}' || c == ',' && len(w.open) > 0:
	case c == ':' && !w.inValue:
		w.inValue = true
		w.p++
	default:
		from := w.p
		for from > start && w.at(from-1) == ' ' {
			from--
		}
		w.mark(behind, w.p, from, w.textEnd(w.p))
		w.p = max(w.textEnd(w.p), w.p+1)
	}
}

// quoted goes behind the quote that closes the one at w.p.
func (w *walker) quoted(quote byte) {
	from := w.p
	for w.p++; w.p < w.end; w.p++ {
		switch c := w.at(w.p); {
		case c == '\\' && quote == '"':
			w.p++
		case c == quote && quote == '\'' && w.at(w.p+1) == '\'':
			w.p++
		case c == quote:
			w.p++
			return
		}
	}
	w.p = w.end
	w.mark(unclosed, from, from, min(from+lineLength(w.body[from:w.end]), w.end))
}

// block goes behind a text of "|" or ">".
func (w *walker) block() {
	w.p += lineLength(w.body[w.p:w.end])
	for w.p < w.end {
		next := w.p + 1
		if w.at(w.p) == '\r' && w.at(next) == '\n' {
			next++
		}
		next = min(next, w.end) // the end may be within a line break
		i := next
		for i < w.end && w.at(i) == ' ' {
			i++
		}
		if c := w.at(i); c != '\n' && c != '\r' && i-next <= w.column {
			return
		}
		w.p = i + lineLength(w.body[i:w.end])
	}
}
