// Package legible makes text from outside fit to be shown.
package legible

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns text from outside on one line, without what a terminal or a
// runner could act on, and cut after most bytes.
func Text(text string, most int) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			r = ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			r = '?'
		}
		if b.Len()+utf8.RuneLen(r) > most {
			return strings.TrimSpace(b.String()) + "…"
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// Words returns text as Text does, without what looks like a token: a JWT, and
// what follows the name of a scheme of authentication.
func Words(text string, most int) string {
	tokens := regexp.MustCompile(`eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]+)*|(?i:\b(?:bearer|basic)\s+)[^\s"',;]+`)
	return Text(tokens.ReplaceAllString(text, "***"), most)
}
