package contenttrust

import "strings"

// maxWords bounds the words that are looked at together. A line that has more is
// taken for several.
const maxWords = 4096

// A row is what the reach of settings needs to know of a line.
type row struct {
	line int    // its number, from 1
	col  int    // the column of its first byte that is no blank, from 0
	key  int    // the same after the dashes of YAML's list items
	item bool   // it begins a list item
	name rowKey // of the key it begins with
}

// A rowKey is a YAML key that has a meaning for the reach of settings.
type rowKey byte

const (
	keyOther rowKey = iota
	keySteps
	keyBefore
	keyRun
)

// A word is what blanks, quotes and punctuation tell apart.
type word struct {
	text  string
	at    int // its offset in the file
	line  int // its number, from 1
	begin int // the offset of that line
	end   int // where what counts of that line ends

	first  bool // a command may begin here: nothing, or what ends one, is before it
	apart  bool // it is of another command than the word before it
	piped  bool // that one's output goes to this one
	target bool // output is written to it
	quoted bool
	shown  bool // it is text for people
}

// read reads all lines.
func (r *reader) read() {
	number, at := r.lines(0, len(r.text)-len(strings.TrimPrefix(r.text, "\ufeff"))) // a byte order mark has no column
	if r.heredoc != "" {                                                            // it has no end, and was none that is understood here
		r.heredoc, r.unended = "", true
		r.lines(number, at)
	}
	r.logical()
}

// lines reads the lines from an offset on, before which there are so many. It
// returns the same of the last text that is only shown.
func (r *reader) lines(number, at int) (before, from int) {
	for at < len(r.text) {
		number++
		end := strings.IndexByte(r.text[at:], '\n')
		next := at + end + 1
		if end < 0 {
			next = len(r.text)
			end = next - at
		}
		inside := r.heredoc != ""
		r.physical(number, at, strings.TrimSuffix(r.text[at:at+end], "\r"))
		at = next
		if !inside {
			before, from = number, at
		}
	}
	return before, from
}

// physical reads one line, which may continue the one before it.
func (r *reader) physical(number, begin int, text string) {
	body := strings.TrimLeft(text, " \t")
	switch {
	case r.heredoc != "":
		if strings.TrimSpace(text) == r.heredoc {
			r.heredoc = ""
		}
		return
	case body == "":
		r.logical()
		return
	case r.comment:
		_, rest, ended := strings.Cut(body, r.style.shut)
		if !ended {
			return
		}
		r.comment = false
		body = rest
	}
	if r.style.comment(body) {
		return // a Dockerfile's line goes on behind it
	}
	at := begin + len(text) - len(body)
	if !r.continued {
		if r.prose >= 0 && at-begin > r.prose {
			return
		}
		r.prose = -1
		r.line, r.begin = row{line: number, col: at - begin, key: at - begin}, begin
	}
	r.continued = r.split(number, begin, at, body)
	if !r.continued {
		r.logical()
	}
}

// comment reports whether a line is nothing but a comment.
func (s style) comment(body string) bool {
	switch {
	case s.hash && body[:min(1, len(body))] == "#", s.slashes && strings.HasPrefix(body, "//"):
		return true
	case s.rem:
		body = strings.TrimPrefix(body, "@")
		return strings.HasPrefix(body, "::") || len(body) >= 3 && strings.EqualFold(body[:3], "rem") && (len(body) == 3 || body[3] == ' ' || body[3] == '\t')
	}
	return false
}

// split adds the words of body, which begins at an offset, and reports whether
// its line goes on with the next one.
func (r *reader) split(number, begin, at int, body string) bool {
	s := splitter{
		body: body, at: at, style: r.style,
		word:   word{line: number, begin: begin, end: at + len(body)},
		last:   len(strings.TrimRight(body, " \t")) - 1,
		double: strings.LastIndexByte(body, '"'), single: strings.LastIndexByte(body, '\''),
		words: r.words, apart: len(r.words) == 0,
	}
	before := len(s.words)
	for s.i < len(body) && !s.ended {
		s.step()
		if len(s.words) >= maxWords {
			r.words = s.words
			r.logical()
			s.words, before = r.words, 0
		}
	}
	s.flush()
	live := at + s.i
	for i := before; i < len(s.words); i++ {
		s.words[i].end = live
	}
	r.words, r.comment = s.words, s.comment
	return s.goesOn
}

// A splitter splits one line.
type splitter struct {
	body  string
	at    int // where it begins in the file
	style style
	word  word // what all words of the line have
	words []word

	i, last        int // the next byte, and the last one that is no blank
	from           int // where a word began, from 1; 0 outside of one
	quote          byte
	double, single int  // where the last quote of the kind is
	lead           byte // what stands directly before the next word; 0 for a blank

	apart, piped, target   bool // of the next word
	ended, goesOn, comment bool
}

// flush ends the word at hand.
func (s *splitter) flush() {
	if s.from == 0 {
		return
	}
	w := s.word
	w.text, w.at = s.body[s.from-1:s.i], s.at+s.from-1
	w.apart, w.piped, w.target, w.quoted = s.apart, s.piped, s.target, s.quote != 0
	w.first = w.apart || strings.IndexByte("({[`\"'", s.lead) >= 0 && s.lead != 0
	s.words = append(s.words, w)
	s.from, s.lead, s.apart, s.piped, s.target = 0, 0, false, false, false
}

// step reads one byte, or a comment.
func (s *splitter) step() {
	if s.quote == 0 && s.from == 0 {
		if n := s.commented(); n > 0 {
			s.i, s.lead = s.i+n, 0
			return
		}
	}
	c := s.body[s.i]
	switch {
	case s.ended:
		return
	case c == ' ', c == '\t':
		s.flush()
		if s.lead == '"' || s.lead == '\'' || s.lead == '[' {
			s.lead = 0
		}
	case s.i == s.last && strings.IndexByte(s.style.goesOn, c) >= 0:
		s.flush()
		s.goesOn, s.ended = true, true
		return
	case c == '\\' && s.i+1 < len(s.body) && (s.body[s.i+1] == '"' || s.body[s.i+1] == '\''):
		s.flush()
		s.lead = s.body[s.i+1]
		s.i++
	case c == '"', c == '\'':
		s.quotes(c)
	case strings.IndexByte("`(){}[],<>;|&", c) >= 0:
		s.punctuation(c)
	case s.from == 0:
		s.from = s.i + 1
	}
	s.i++
}

// commented returns the length of a comment that begins and ends here, behind a
// blank. For one that has all of the rest it returns 0, and says so.
func (s *splitter) commented() int {
	if s.i > 0 && s.body[s.i-1] != ' ' && s.body[s.i-1] != '\t' && s.body[s.i-1] != ';' {
		return 0
	}
	rest := s.body[s.i:]
	if s.style.open != "" && strings.HasPrefix(rest, s.style.open) {
		end := strings.Index(rest[len(s.style.open):], s.style.shut)
		if end < 0 {
			s.comment, s.ended = true, true
			return 0
		}
		return len(s.style.open) + end + len(s.style.shut)
	}
	s.ended = s.style.hash && rest[0] == '#' || s.style.slashes && strings.HasPrefix(rest, "//")
	return 0
}

// quotes opens or shuts a quotation. A quote that none follows on its line is an
// apostrophe, or of a text of several lines.
func (s *splitter) quotes(c byte) {
	last := s.double
	if c == '\'' {
		last = s.single
	}
	switch {
	case s.quote == c:
		s.flush()
		s.quote = 0
	case s.quote == 0 && last > s.i:
		s.flush()
		s.quote, s.lead = c, c
	default:
		s.flush()
		s.lead = c
	}
}

func (s *splitter) punctuation(c byte) {
	s.flush()
	s.lead = c
	next, before := byte(0), byte(0)
	if s.i+1 < len(s.body) {
		next = s.body[s.i+1]
	}
	if s.i > 0 {
		before = s.body[s.i-1]
	}
	switch c {
	case '>':
		s.target = s.quote == 0
	case '&':
		if next != '>' && before != '>' { // &> and >& are no ends
			s.apart = true
		}
	case ';':
		s.apart = true
	case '|':
		if before != '>' {
			s.piped = next != '|' && before != '|'
			s.apart = true
		}
	}
}
