package yamlshape

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlnode"
)

// syntax says why f is no YAML, at the place of the mistake as far as that can be
// told: the parser names only a line, often that where the list or mapping
// begins that it could not go on with.
func syntax(f *yamlnode.File, err *yamlnode.Error, into any) (fault *Fault) {
	defer func() {
		// It guesses, for people, at what a hostile text may have been meant as.
		// Where it goes astray, the parser's word has to do.
		if recover() != nil {
			fault = Faultf(err.At, "look at the indentation, the quotes and the brackets of this line and of the one above", "not YAML: %s", err.Syntax)
		}
	}()
	s := &scribe{
		f: f, problem: err.Syntax, reached: min(yamlnode.Reached(f.Body), len(f.Body)), begin: lineStart(f.Body, err.At.Line),
		shown: ours(f.Body, into),
	}
	s.walker = walk(f.Body, s.reached)
	for _, explain := range []func() *Fault{s.letter, s.directive, s.special, s.tab, s.quote, s.text, s.bracket, s.indentation} {
		if fault := explain(); fault != nil {
			return fault
		}
	}
	at := s.begin
	if f.Place(s.last()).Line > err.At.Line {
		at = s.indented(s.last())
	}
	return s.fault(at, "look at the indentation, the quotes and the brackets of this line and of the one above", "%s", s.problem)
}

// A scribe finds out what whoever wrote a text that is no YAML had in mind.
type scribe struct {
	*walker
	f       *yamlnode.File
	problem string // what the parser says
	begin   int    // of the line that the parser names
	reached int    // how far the parser looked
	shown   bool   // whether messages may quote the text
}

func (s *scribe) fault(at int, next, format string, args ...any) *Fault {
	return Faultf(s.f.Place(at), next, "not YAML: "+format, args...)
}

func (s *scribe) says(problems ...string) bool {
	return slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(s.problem, p) })
}

// last is the last byte that the parser looked at and that is no blank.
func (s *scribe) last() int {
	i := min(s.reached, len(s.body)) - 1
	for i > 0 && blank(s.body[i]) {
		i--
	}
	return max(i, 0)
}

// lineOf returns where the line of an offset begins.
func (s *scribe) lineOf(i int) int { return bytes.LastIndexByte(s.body[:i], '\n') + 1 }

// indented returns where the text of the line of an offset begins.
func (s *scribe) indented(i int) int {
	i = s.lineOf(i)
	for i < len(s.body) && s.body[i] == ' ' {
		i++
	}
	return i
}

// inQuotes is the text in quotes, for what to write.
func (s *scribe) inQuotes(from, to int) string {
	if !s.shown {
		return ""
	}
	return ": " + strconv.Quote(clipped(string(s.body[from:to])))
}

// nearest returns the last mark of a kind at or before what the parser looked
// at, and not before the line that it names nor that above what it looked at.
func (s *scribe) nearest(which func(mark) bool) (mark, bool) {
	least := min(s.begin, s.lineOf(max(s.lineOf(s.last())-1, 0)))
	for _, m := range slices.Backward(s.marks) {
		if m.at >= least && m.at < s.reached && which(m) {
			return m, true
		}
	}
	return mark{}, false
}

// letter is for what is no letter of a text.
func (s *scribe) letter() *Fault {
	at := max(min(s.reached, len(s.body))-1, 0)
	switch {
	case strings.Contains(s.problem, "control characters"):
		return s.fault(at, `take it out; in "…" it can be written as an escape`, "a control character stands here")
	case strings.Contains(s.problem, "UTF-8"):
		return s.fault(at, "save the file as UTF-8", "this is not UTF-8")
	}
	return nil
}

func (s *scribe) directive() *Fault {
	if !s.says("found incompatible YAML", "found duplicate %YAML", "did not find expected <document start>", "found unknown directive", "could not find expected directive", "found duplicate %TAG") {
		return nil
	}
	for i := 0; i < s.end; i += lineLength(s.body[i:]) + 1 {
		if s.body[i] == '%' {
			return s.fault(i, "take this line out", "lines that begin with %% are not supported, not even %%YAML 1.2")
		}
	}
	return nil
}

// special is for what begins with a letter that has a meaning of its own.
func (s *scribe) special() *Fault {
	want := ""
	switch {
	case s.says("unknown anchor"):
		name, _, _ := strings.Cut(strings.TrimPrefix(s.problem, "unknown anchor '"), "' referenced")
		i := slices.IndexFunc(s.marks, func(m mark) bool {
			return m.kind == sign && bytes.HasPrefix(s.body[m.at:], []byte("*"+name))
		})
		if i < 0 {
			return nil
		}
		return s.beginsWith(s.marks[i])
	case s.says("found character that cannot start"):
		want = "@`%"
	case s.says("did not find expected alphabetic"):
		want = "*&"
	case s.says("did not find expected whitespace", "did not find expected tag", "did not find expected '!'", "did not find the expected '>'", "did not find URI", "found undefined tag"):
		want = "!"
	case s.says("did not find expected ',' or", "did not find expected key", "did not find expected '-'", "did not find expected node"):
		want = specials
	default:
		return nil
	}
	m, ok := s.nearest(func(m mark) bool { return m.kind == sign && strings.IndexByte(want, s.body[m.at]) >= 0 })
	if !ok || len(want) == len(specials) && s.body[m.at] == '&' {
		return nil
	}
	return s.beginsWith(m)
}

func (s *scribe) beginsWith(m mark) *Fault {
	c := s.body[m.at : m.at+1]
	return s.fault(m.at, "put it in quotes"+s.inQuotes(m.from, m.to), "without quotes a text cannot begin with %s", c)
}

// tab is for tabs, which YAML does not count as indentation.
func (s *scribe) tab() *Fault {
	if m, ok := s.nearest(func(m mark) bool { return m.kind == tab }); ok {
		return s.fault(m.at, "put blanks in place of the tab", "there is a tab, and YAML is indented with blanks")
	}
	return nil
}

// quote is for quotes that are not closed, or closed too early, and for what
// stands in them.
func (s *scribe) quote() *Fault {
	switch {
	case s.says("found unknown escape", "did not find expected hexdecimal", "found invalid Unicode"):
		i := bytes.LastIndexByte(s.body[:s.reached], '\\')
		if i < 0 {
			return nil
		}
		return s.fault(i, `put it in '…', where \ stands for itself, or write \\`, `there is no escape like this in "…"`)
	case s.says("found unexpected end of stream", "found unexpected document indicator"):
		if m, ok := s.nearest(func(m mark) bool { return m.kind == unclosed }); ok {
			return s.fault(m.at, "close it", "nothing closes this quote")
		}
	}
	return nil
}

// text is for texts that need quotes for what is in them, and for keys.
func (s *scribe) text() *Fault {
	if !s.says("did not find expected", "could not find expected ':'", "mapping values are not allowed", "block sequence entries") {
		return nil
	}
	m, ok := s.nearest(func(m mark) bool { return m.kind != sign && m.kind != unclosed })
	if !ok {
		return nil
	}
	switch m.kind {
	case colon:
		return s.fault(m.at, "put the text in quotes"+s.inQuotes(m.from, m.to), "a text with a colon and a blank in it needs quotes")
	case behind:
		return s.fault(m.at, "put all of it in quotes, or a comma between the two", "something follows what is in quotes or brackets")
	case dash:
		return s.fault(m.at, "begin the list in a line of its own, or write it as [a, b]", "a list cannot begin behind its key with a dash")
	case question:
		return s.fault(m.at, "put the text in quotes"+s.inQuotes(m.from, m.to), "within brackets a text with ? in it needs quotes")
	case comma:
		return s.fault(m.at, "take out one comma", "nothing stands in front of this comma")
	case glued:
		if s.says("did not find expected key", "could not find expected ':'", "mapping values", "did not find expected '-'") {
			return s.fault(m.at, "put a blank behind the colon", "no blank follows this colon, so that it ends no key")
		}
	}
	return nil
}

// bracket is for brackets that are not closed.
func (s *scribe) bracket() *Fault {
	if !s.says("did not find expected ',' or", "did not find expected node content", "could not find expected ':'") {
		return nil
	}
	open := s.open
	if len(s.above) > 0 && entry().Match(s.body[s.indented(s.last()):]) { // it is no part of what the brackets hold
		open = s.above
	}
	if len(open) == 0 {
		return nil
	}
	inner := open[len(open)-1]
	closing := map[byte]string{'[': "]", '{': "}"}[s.body[inner]]
	return s.fault(inner, "write "+closing+" where it ends, or the comma that is missing in it", "nothing closes this %c", s.body[inner])
}

// entry matches the beginning of a key, or an item, outside of brackets.
var entry = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:- |[a-z-]+:\s)`) })

// indentation is for lines that are indented like none that they could belong to.
func (s *scribe) indentation() *Fault {
	switch {
	case s.says("mapping values are not allowed"):
		i := s.indented(s.last())
		return s.fault(i, "indent it as the line above, or put the text that begins there in quotes", "the text of the line above goes on here, with a colon in it")
	case s.says("could not find expected ':'"):
		i := s.indented(s.culprit())
		return s.fault(i, "write key: value, or indent the line if it belongs to the text above", "there is no key in this line")
	case !s.says("did not find expected key", "did not find expected '-'", "did not find expected <document start>"):
		return nil
	}
	i := s.indented(s.culprit())
	column := i - s.lineOf(i)
	open := columns(s.body[:s.lineOf(i)])
	if slices.Contains(open, column) {
		what, instead := "an item of a list", "a key"
		if !bytes.HasPrefix(s.body[i:], []byte("- ")) {
			what, instead = instead, what
		}
		return s.fault(i, "indent it as what it belongs to, or write it as what stands above it", "this is %s, where %s is expected", what, instead)
	}
	var near []string
	for _, c := range open {
		if len(near) == 0 || c < column {
			near = []string{strconv.Itoa(c)}
		} else {
			near = append(near, strconv.Itoa(c))
			break
		}
	}
	return s.fault(i, "indent it by "+strings.Join(near, " or ")+" blanks, as the lines above that it stands beside",
		"this line is indented by %s, as none that it could stand beside", count(column, "blank"))
}

// culprit returns a byte of the first line with which the text cannot be read
// any more: the parser may have looked at the one behind it.
func (s *scribe) culprit() int {
	at := s.last()
	for range 3 {
		line := s.lineOf(at)
		if line == 0 || line <= s.begin {
			break
		}
		before := bytes.TrimRight(s.body[:line], " \r\n")
		if _, err := yamlnode.Parse("", before); err == nil || len(before) == 0 {
			break
		}
		at = len(before) - 1
	}
	return at
}

// columns returns how the lists and mappings are indented that are open behind a
// text, from the outside.
func columns(body []byte) []int {
	var open []int
	for line := range bytes.Lines(body) {
		column := 0
		for rest := line; ; {
			text := bytes.TrimLeft(rest, " ")
			column += len(rest) - len(text)
			if len(bytes.TrimSpace(text)) == 0 || text[0] == '#' {
				break
			}
			for len(open) > 0 && open[len(open)-1] > column {
				open = open[:len(open)-1]
			}
			if len(open) == 0 || open[len(open)-1] < column {
				open = append(open, column)
			}
			if !bytes.HasPrefix(text, []byte("- ")) {
				break
			}
			rest = text[1:]
			column++
		}
	}
	return open
}

// lineStart returns where a line begins.
func lineStart(body []byte, line int) int {
	i := 0
	for ; line > 1; line-- {
		n := bytes.IndexByte(body[i:], '\n')
		if n < 0 {
			break
		}
		i += n + 1
	}
	return i
}

// ours reports whether a text looks like one that into is for: a line of it begins
// with one of its keys. What does not is quoted nowhere: a file of somebody
// else's, such as one with passwords, may be named by mistake or on purpose.
func ours(body []byte, into any) bool {
	t := reflect.TypeOf(into)
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return false
	}
	all := fields(t.Elem())
	for line := range bytes.Lines(body) {
		key, _, ok := bytes.Cut(line, []byte(":"))
		if ok && slices.ContainsFunc(all, func(f field) bool { return f.name == string(key) }) {
			return true
		}
	}
	return false
}

// hidden returns what a text has that people do not see, or see as something
// else: a letter that ends the line, and so a comment, for some readers only, or
// that changes the order of what is shown.
func hidden(f *yamlnode.File) *Fault {
	for i := 0; i < len(f.Body); {
		r, w := utf8.DecodeRune(f.Body[i:])
		switch {
		case r == '\r' && (i+1 == len(f.Body) || f.Body[i+1] != '\n'), r == '\u0085', r == '\u2028', r == '\u2029':
			return Faultf(f.Place(i), "take it out, or begin a new line in its place", "%U ends a line, and so a comment, for some readers only", r)
		case unicode.Is(unicode.Bidi_Control, r):
			return Faultf(f.Place(i), "take it out; in \"…\" it can be written as an escape", "%U changes the order in which the text is shown", r)
		}
		i += w
	}
	return nil
}

// count writes n things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// top is where a file begins.
func top(name string) image.Position { return image.Position{File: name, Line: 1, Col: 1} }
