package sigstore

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// legible returns text from outside on one line, without what a terminal or a
// runner could act on, and cut after most bytes.
func legible(text string, most int) string {
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
