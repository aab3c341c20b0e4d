package legible

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// mostRead bounds the text that is looked at for secrets, in bytes. What is
	// behind is left out; no message has as much.
	mostRead = 16 << 10
	// leastSecret is the length in bytes from which on a secret is one wherever it
	// stands; a shorter one, such as "1", only where no word goes on beside it.
	leastSecret = 4
	// leastEncoded is the length from which on a secret is looked for in base64 and
	// hex.
	leastEncoded = 6
)

// Without returns the beginning of text with "***" for each of the secrets,
// however programs write them: as they are, quoted as in JSON, for a shell, in an
// address or in HTML, and in base64 or hex. Where text is cut off at its end, what
// may be the beginning of a secret there is left out.
func Without(text string, cut bool, secrets ...string) string {
	if len(text) > mostRead {
		text, cut = text[:mostRead], true
	}
	var patterns []pattern
	for _, s := range secrets {
		patterns = append(patterns, patternsOf(s)...)
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		end, begun := -1, false
		for _, p := range patterns {
			to, more := p.match(text, i)
			end, begun = max(end, to), begun || more
		}
		switch {
		case cut && begun: // it may be the longer one of two that begin alike
			return b.String() + "***"
		case end > i:
			b.WriteString("***")
			i = end
		default:
			b.WriteByte(text[i])
			i++
		}
	}
	return b.String()
}

// A pattern is a way to write a secret.
type pattern struct {
	literal string // if this is not "", as it is

	characters     [][]string // how each of its characters may stand in text
	before, behind bool       // no word goes on there
}

func patternsOf(secret string) []pattern {
	if secret == "" {
		return nil
	}
	p := pattern{}
	known := map[string][]string{}
	for rest := secret; rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		raw := rest[:n]
		rest = rest[n:]
		if known[raw] == nil {
			known[raw] = spellings(r, raw)
		}
		p.characters = append(p.characters, known[raw])
	}
	if len(secret) < leastSecret {
		first, _ := utf8.DecodeRuneInString(secret)
		last, _ := utf8.DecodeLastRuneInString(secret)
		p.before, p.behind = inWord(first), inWord(last)
	}
	patterns := []pattern{p}
	if len(secret) < leastEncoded {
		return patterns
	}
	for _, e := range encoded(secret) {
		patterns = append(patterns, pattern{literal: e})
	}
	return patterns
}

func inWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// spellings returns how a character may stand in text; raw are its bytes.
func spellings(r rune, raw string) []string {
	all := []string{raw, html.EscapeString(raw), url.QueryEscape(raw), fmt.Sprintf("&#%d;", r), fmt.Sprintf(`\U%08x`, r)}
	if short := strings.IndexRune("\"\\/'\b\f\n\r\t", r); short >= 0 {
		all = append(all, `\`+(`"\/'bfnrt`)[short:short+1])
	}
	switch r {
	case '\'':
		all = append(all, `'\''`, "&apos;")
	case '"':
		all = append(all, "&quot;")
	}
	units, bytes := "", ""
	for _, u := range utf16.AppendRune(nil, r) {
		units += fmt.Sprintf(`\u%04x`, u)
	}
	for i := range len(raw) {
		bytes += fmt.Sprintf("%%%02x", raw[i])
	}
	all = append(all, units, bytes)
	if r < 0x100 {
		all = append(all, fmt.Sprintf(`\x%02x`, r))
	}
	if len(raw) == 1 {
		all = append(all, fmt.Sprintf(`\x%02x`, raw[0]))
	}
	for _, s := range all {
		if len(s) > 2 && (s[0] == '\\' || s[0] == '%') {
			all = append(all, upperHex(s))
		}
	}
	for _, s := range all { // as JSON in JSON
		if twice := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s); twice != s {
			all = append(all, twice)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// upperHex returns an escape with its hex digits in capitals.
func upperHex(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i : i+1]; i > 0 && s[i-1] == '\\' {
			b.WriteString(c)
		} else {
			b.WriteString(strings.ToUpper(c))
		}
	}
	return b.String()
}

// encoded returns a secret in hex and in base64, there also as it stands behind
// other bytes, such as "user:". What another byte has a part in is left out of
// that.
func encoded(secret string) []string {
	text := hex.EncodeToString([]byte(secret))
	all := []string{text, strings.ToUpper(text)}
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		all = append(all, e.EncodeToString([]byte(secret)))
		for ahead := range 3 {
			text := e.EncodeToString([]byte(strings.Repeat("\x00", ahead) + secret))
			if (ahead+len(secret))%3 != 0 {
				text = text[:len(text)-1]
			}
			all = append(all, text[[]int{0, 2, 3}[ahead]:])
		}
	}
	return all
}

// match returns where the secret ends that begins at i, -1 for none; more says
// that all that is left of text is the beginning of one.
func (p pattern) match(text string, i int) (end int, more bool) {
	if p.literal != "" {
		if strings.HasPrefix(text[i:], p.literal) {
			return i + len(p.literal), false
		}
		return -1, strings.HasPrefix(p.literal, text[i:])
	}
	if before, _ := utf8.DecodeLastRuneInString(text[:i]); p.before && i > 0 && inWord(before) {
		return -1, false
	}
	at, next := append(make([]int, 0, 4), i), make([]int, 0, 4) // where it may be: an escape may begin like what stands for itself
	for _, spelled := range p.characters {
		next = next[:0]
		for _, from := range at {
			rest := text[from:]
			for _, s := range spelled {
				switch {
				case rest != "" && rest[0] != s[0]:
				case strings.HasPrefix(rest, s):
					if !slices.Contains(next, from+len(s)) {
						next = append(next, from+len(s))
					}
				case len(rest) < len(s) && strings.HasPrefix(s, rest):
					more = true
				}
			}
		}
		if at, next = next, at; len(at) == 0 {
			return -1, more
		}
	}
	end = -1
	for _, to := range at {
		if behind, _ := utf8.DecodeRuneInString(text[to:]); p.behind && to < len(text) && inWord(behind) {
			continue
		}
		end = max(end, to)
	}
	return end, more
}
