package action

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// What an annotation holds, in UTF-16 code units, an ellipsis included.
const (
	MaxText  = 4096 // the runner cuts there (ExecutionContext.cs)
	MaxTitle = 256  // one line of a list; also of groups
)

// plain returns at most most UTF-16 code units of s, of which every character
// can be seen and none can be taken for something else: no control or format
// character (escape sequences, bidirectional overrides), no bytes that are no
// UTF-8, no white space but the space and, where lines is set, \n. The others
// become \uXXXX. Neither is a "##[" left, which begins a command anywhere in a
// line, and a heading in the log's display.
func plain(s string, most int, lines bool) string {
	var b strings.Builder
	units := 0
	whole := 0 // as many bytes of b leave room for the ellipsis
	for i, r := range s {
		part := visible(s[i:], r, lines)
		if r == '[' && strings.HasSuffix(b.String(), "##") {
			part = `\[`
		}
		n := 0
		for _, r := range part {
			n += utf16.RuneLen(r)
		}
		if units+n > most {
			return b.String()[:whole] + "…"
		}
		b.WriteString(part)
		if units += n; units < most {
			whole = b.Len()
		}
	}
	return b.String()
}

// visible returns what stands for r, the first character of s.
func visible(s string, r rune, lines bool) string {
	switch _, size := utf8.DecodeRuneInString(s); {
	case r == utf8.RuneError && size == 1:
		return `\ufffd`
	case unicode.IsPrint(r), r == '\n' && lines:
		return s[:size]
	case r > 0xffff:
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}
