package report

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/boltseal/boltseal/verify"
)

// How much of two values that differ is shown, in characters.
const (
	maxAround  = 28   // beside what differs
	maxDiffers = 60   // of what differs; its middle is left out
	maxAligned = 1024 // of a value that is looked at as a pattern
)

// A contrast is a value, cut where it begins and ceases to differ from another,
// in ASCII: two letters that look the same are then not written the same.
type contrast struct{ before, differs, after string }

// contrasts returns what d says of both sides, so much of it as is around the
// difference.
func contrasts(d verify.Difference) (found, expected contrast) {
	if d.What == "certificate" {
		d.Found, d.Expected = headed(d.Found), headed(d.Expected)
	}
	a, b := []rune(strings.ToValidUTF8(d.Found, "\ufffd")), []rune(strings.ToValidUTF8(d.Expected, "\ufffd"))
	begin, beginB, end, endB := differing(a, b)
	x, y := span{a, begin, end}, span{b, beginB, endB}
	wholeWords(&x, &y)
	return x.cut(), y.cut()
}

// headed returns a certificate, SUBJECT (SHA-256 HEX), with the head of its
// fingerprint first: it is what tells it from all others, and what the rest of a
// report shows.
func headed(certificate string) string {
	const head = 12
	subject, sum, ok := strings.Cut(strings.TrimSuffix(certificate, ")"), " (SHA-256 ")
	if !ok || len(sum) != 64 {
		return certificate
	}
	return "sha256:" + sum[:head] + "... " + subject
}

// cut returns s with as much as is shown around it.
func (s span) cut() contrast {
	if len(s.of) == 0 {
		return contrast{differs: "(none)"}
	}
	c := contrast{ascii(s.of[:s.begin]), middle(ascii(s.of[s.begin:s.end]), maxDiffers), ascii(s.of[s.end:])}
	// Both sides are ASCII by now, so bytes are characters.
	if cut := len(c.before) - maxAround; cut > 3 {
		c.before = "..." + c.before[cut:]
	}
	if len(c.after) > maxAround+3 {
		c.after = c.after[:maxAround] + "..."
	}
	c.differs = strings.ReplaceAll(c.differs, "…", "...")
	return c
}

// ascii writes s with all but printable ASCII spelled out, and so that no CI
// system takes a part of it for a command.
func ascii(s []rune) string {
	var b strings.Builder
	last := rune(0)
	for _, r := range s {
		switch {
		case r < ' ' || r > '~' && r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		case r == '#' && last == '#':
			b.WriteString(`\u0023`)
		default:
			b.WriteRune(r)
		}
		last = r
	}
	return b.String()
}

// A span is a part of a value.
type span struct {
	of         []rune
	begin, end int
}

// wholeWords widens two parts to the words that one of them begins or ends
// within, both in the same way.
func wholeWords(a, b *span) {
	begins := func(s *span) bool { return s.begin < s.end && wordy(s.of[s.begin]) }
	ends := func(s *span) bool { return s.begin < s.end && wordy(s.of[s.end-1]) }
	for a.begin > 0 && b.begin > 0 && a.of[a.begin-1] == b.of[b.begin-1] && wordy(a.of[a.begin-1]) && (begins(a) || begins(b)) {
		a.begin, b.begin = a.begin-1, b.begin-1
	}
	for a.end < len(a.of) && b.end < len(b.of) && a.of[a.end] == b.of[b.end] && wordy(a.of[a.end]) && (ends(a) || ends(b)) {
		a.end, b.end = a.end+1, b.end+1
	}
}

func wordy(r rune) bool {
	return r >= utf8.RuneSelf || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// differing returns the part of text that keeps it from matching pattern, and
// the part of pattern that does.
func differing(text, pattern []rune) (begin, beginP, end, endP int) {
	begin, beginP = matching(text, pattern)
	rest, restP := reversed(text[begin:]), reversed(pattern[beginP:])
	fromEnd, fromEndP := matching(rest, restP)
	return begin, beginP, len(text) - fromEnd, len(pattern) - fromEndP
}

func reversed(s []rune) []rune {
	out := make([]rune, 0, len(s))
	for i := len(s) - 1; i >= 0; i-- {
		out = append(out, s[i])
	}
	return out
}

// matching returns how long the beginnings are that match, the longest of
// pattern, in which * stands for anything but / and ** for anything, and then
// the longest of text. What is too long to be looked at in that way, or has no
// *, is compared letter by letter.
func matching(text, pattern []rune) (n, of int) {
	for n < len(text) && n < len(pattern) && text[n] == pattern[n] && pattern[n] != '*' {
		n++
	}
	if n == len(pattern) || pattern[n] != '*' || len(text) > maxAligned || len(pattern) > maxAligned {
		return n, n
	}
	// at[j] is whether pattern[:j] matches the text up to here.
	at := make([]bool, len(pattern)+1)
	at[n] = true
	of = n
	for i := n; ; i++ {
		for j := range pattern {
			at[j+1] = at[j+1] || at[j] && pattern[j] == '*' // it may stand for nothing
			if at[j+1] && j+1 >= of {
				n, of = i, j+1
			}
		}
		if i == len(text) {
			return n, of
		}
		next := make([]bool, len(at))
		for j, r := range pattern {
			switch double := j > 0 && pattern[j-1] == '*' || j+1 < len(pattern) && pattern[j+1] == '*'; {
			case r == '*':
				next[j+1] = at[j+1] && (double || text[i] != '/')
			case at[j]:
				next[j+1] = r == text[i]
			}
		}
		at = next
	}
}
