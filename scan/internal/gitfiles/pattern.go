package gitfiles

import (
	"strings"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
)

// A pattern is a line of a .gitignore file. Names are matched byte by byte, as
// git does: text and names are in the form of [bytewise].
type pattern struct {
	negated bool // it takes back what lines before it ignore
	folders bool // it is about folders only
	base    bool // it has no slash: it is about names, at any depth
	literal string
	rest    string // what doublestar matches with what comes after literal; "" for nothing
	tail    string // what every name that rest matches ends with
	steps   int    // what matching rest may take for each byte of a name
	deep    bool   // matching it may begin anew for each folder of a name
}

// compile translates a line that is no comment, without its end; ok is false
// where it can match nothing.
//
// What comes before the first special character is compared, and only the rest
// matched, with all that this means: "a**/b" matches "ax/y/b" in git (dir.c,
// match_pathname).
func compile(line string) (p pattern, ok bool) {
	line, p.negated = strings.CutPrefix(line, "!")
	line, p.folders = strings.CutSuffix(line, "/")
	p.base = !strings.Contains(line, "/")
	line = strings.TrimPrefix(line, "/")
	if line == "" {
		return p, false
	}
	literal := len(line)
	if i := strings.IndexAny(line, `*?[\`); i >= 0 {
		literal = i
	}
	p.literal = bytewise(line[:literal])
	p.rest, ok = translate(line[literal:])
	p.tail = tail(p.rest)
	p.deep = strings.Contains(p.rest, "**")
	p.steps = 1
	if strings.Contains(p.rest, "*") {
		p.steps = len(p.rest)
	}
	return p, ok
}

// tail returns what a pattern of doublestar's has after its last special
// character and its last slash.
func tail(rest string) string {
	i := strings.LastIndexAny(rest, `*?[]{}\/`)
	after := rest[i+1:]
	if i >= 0 && rest[i] == '\\' {
		_, width := utf8.DecodeRuneInString(after)
		after = after[width:]
	}
	return after
}

// matches reports whether the pattern is about a path, relative to the folder
// of its file, or about the path's last element, base. It takes what that costs
// from work.
func (p *pattern) matches(name, base string, folder bool, work *int) bool {
	*work--
	if p.folders && !folder {
		return false
	}
	if p.base {
		name = base
	}
	rest, ok := strings.CutPrefix(name, p.literal)
	if !ok || !strings.HasSuffix(rest, p.tail) {
		return false
	}
	if p.rest == "" {
		return rest == ""
	}
	if *work -= p.cost(rest); *work < 0 {
		return false
	}
	return doublestar.MatchUnvalidated(p.rest, rest)
}

// cost returns what matching rest with a name may cost: doublestar goes back to
// the last star for each byte of the name, and to the last "**" for each folder.
func (p *pattern) cost(name string) int {
	cost := p.steps * len(name)
	if p.deep {
		cost *= 1 + strings.Count(name, "/")
	}
	return 4 + cost/5
}

// translate rewrites what wildmatch.c of git reads into what doublestar does:
// the same, but for braces, which are nothing special; for classes; and for
// "**", which matches no folder itself when it comes last.
func translate(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); {
		switch s[i] {
		case '*':
			text, width := stars(s, i)
			b.WriteString(text)
			i += width
		case '?':
			b.WriteByte('?')
			i++
		case '[':
			set, width, ok := bracket(s[i:])
			if !ok || set.empty() {
				return "", false
			}
			b.WriteString(set.class())
			i += width
		case '\\':
			if i++; i == len(s) {
				return "", false
			}
			fallthrough
		default:
			literal(&b, s[i])
			i++
		}
	}
	return finish(b.String())
}

// finish corrects a translation in which doublestar and git differ about the
// end of a name. "**/" matches nothing at all, too, so that "a**/" and "a**/*"
// match "a" in git; but not "a/**/", for no name ends with a slash.
func finish(text string) (string, bool) {
	folders := strings.Contains(text, "**/")
	switch last := strings.ReplaceAll(text, "**/", ""); {
	case folders && last == "":
		return "", true
	case folders && last == "*":
		return "**", true
	}
	return text, !strings.HasSuffix(text, "/")
}

// stars translates the run of stars that begins at s[i].
func stars(s string, i int) (text string, width int) {
	end := i
	for end < len(s) && s[end] == '*' {
		end++
	}
	after := s[end:]
	folders := end-i >= 2 && (i == 0 || s[i-1] == '/')
	switch {
	case folders && after == "" && i == 0:
		return "**", end - i
	case folders && after == "":
		return "**/*", end - i
	case folders && after[0] == '/':
		return "**/", end - i + 1
	case folders && strings.HasPrefix(after, `\/`): // at least one folder
		return "**/*/", end - i + 2
	}
	return "*", end - i
}

// literal writes a byte that stands for itself.
func literal(b *strings.Builder, c byte) {
	if strings.IndexByte(`*?[]{}\,!^-`, c) >= 0 {
		b.WriteByte('\\')
	}
	b.WriteRune(rune(c))
}

// bytewise returns a text with a character for each byte of s, so that what
// matches characters matches bytes.
func bytewise(s string) string {
	ascii := true
	for i := 0; i < len(s) && ascii; i++ {
		ascii = s[i] < 0x80
	}
	if ascii {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}
