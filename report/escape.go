package report

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text from registries, certificates, files and errors is hostile. It is
// escaped where it is written, by one function for each medium:
//
//	Printable   a line of text, a log
//	code        Markdown: a table's cell, a sentence, a list
//	block       Markdown: between <pre> and </pre>
//	node        Mermaid: a node's label
//
// JSON has inert.

// How much of one value Markdown shows, in characters.
const (
	maxImage = 200 // of a reference
	maxText  = 300 // of anything else
	maxLabel = 60  // of a label in the picture
)

// code returns the first most characters of s as they stand in a cell, a
// sentence or a list of Markdown. Entities alone would not do there: GitHub looks
// for @names, #numbers and addresses in what was rendered, except in code.
func code(s string, most int) string {
	return "<code>" + encode(cut(spell(cut(s, most)), most), "&#", " ") + "</code>"
}

// block returns all of s for a line between <pre> and </pre>.
func block(s string) string { return encode(spell(s), "&#", " ") }

// node returns s as a quoted label of Mermaid, whose entities have no "&": at
// most maxLabel characters, the middle left out, because both ends of an
// identity matter. What stands between the quotes cannot end them, and begins no
// directive, no comment and no Markdown, which Mermaid looks for in labels too.
func node(s string) string {
	return `"` + encode(middle(spell(middle(s, maxLabel)), maxLabel), "#", " ./") + `"`
}

// encode writes every character of s that is neither an ASCII letter nor a
// digit nor in safe as an entity: its number between begin and a semicolon.
func encode(s, begin, safe string) string {
	var b strings.Builder
	for _, r := range s {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(safe, r) {
			b.WriteRune(r)
		} else {
			b.WriteString(begin + strconv.Itoa(int(r)) + ";")
		}
	}
	return b.String()
}

// spell returns s with what cannot be seen, or would move what can be seen,
// spelled out: control and format characters, bytes that are no UTF-8.
func spell(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case harmless(r, 0) && r != utf8.RuneError:
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// cut returns the first most characters of s, the last of them an ellipsis if
// there are more.
func cut(s string, most int) string {
	n := 0
	end := 0 // of the first most-1 characters
	for i := range s {
		if n++; n == most {
			end = i
		}
		if n > most {
			return s[:end] + "…"
		}
	}
	return s
}

// middle returns s, or its beginning and end around an ellipsis, most
// characters in all.
func middle(s string, most int) string {
	all := []rune(s)
	if len(all) <= most {
		return s
	}
	tail := (most - 1) / 2
	return string(all[:most-1-tail]) + "…" + string(all[len(all)-tail:])
}

// Printable returns s with everything escaped that a terminal or a log could
// take for something other than text: control and format characters (bare CR,
// escape sequences, bidirectional overrides), bytes that are no UTF-8, and the
// "##" that begins commands of CI systems, which GitHub and Azure obey anywhere
// in a line ("##[add-mask]", "##vso[task.setvariable]").
func Printable(s string) string {
	if clean(s) {
		return s
	}
	var b strings.Builder
	last := rune(0)
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString("; ") // several causes joined
		case harmless(r, last):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		last = r
	}
	return b.String()
}

func clean(s string) bool {
	last := rune(0)
	for _, r := range s {
		if !harmless(r, last) || r == unicode.ReplacementChar {
			return false
		}
		last = r
	}
	return true
}

// harmless reports whether r can stand as it is behind last. Variation selectors
// and the like count as printable, but cannot be seen: with them two names that
// differ look the same.
func harmless(r, last rune) bool {
	return unicode.IsPrint(r) && !(r == '#' && last == '#') && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
