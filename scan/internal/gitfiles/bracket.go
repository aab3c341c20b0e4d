package gitfiles

import "strings"

// A byteSet is what a bracket expression matches.
type byteSet [256]bool

// bracket reads the expression that s begins with, as wildmatch.c of git does,
// and returns how long it is; ok is false where it is broken. A slash is in no
// set.
func bracket(s string) (set byteSet, width int, ok bool) {
	i := 1
	negated := i < len(s) && (s[i] == '!' || s[i] == '^')
	if negated {
		i++
	}
	last := -1 // what a range would begin with
	for first := true; first || i < len(s) && s[i] != ']'; first = false {
		if i >= len(s) {
			return set, 0, false
		}
		switch c := s[i]; {
		case c == '-' && last >= 0 && i+1 < len(s) && s[i+1] != ']':
			if i++; s[i] == '\\' {
				i++
			}
			if i >= len(s) {
				return set, 0, false
			}
			for b := last; b <= int(s[i]); b++ {
				set[b] = true
			}
			last = -1
		case c == '[' && named(s[i:]) != "":
			name := named(s[i:])
			if !set.add(name) {
				return set, 0, false
			}
			i += len("[:") + len(name) // at the colon that ends it
			i++
			last = -1
		case c == '\\':
			if i++; i >= len(s) {
				return set, 0, false
			}
			fallthrough
		default:
			set[s[i]] = true
			last = int(s[i])
		}
		i++
	}
	if i >= len(s) {
		return set, 0, false
	}
	if negated {
		for b := range set {
			set[b] = !set[b]
		}
	}
	set['/'] = false
	return set, i + 1, true
}

// named returns the NAME of the "[:NAME:]" that s begins with; "?" where it is
// empty, which none is called; "" where s does not begin so.
func named(s string) string {
	rest, ok := strings.CutPrefix(s, "[:")
	if !ok {
		return ""
	}
	name, _, closed := strings.Cut(rest, "]")
	name, colon := strings.CutSuffix(name, ":")
	switch {
	case !closed || !colon:
		return ""
	case name == "":
		return "?"
	}
	return name
}

// add adds the bytes of a named class, which are those of ASCII.
func (set *byteSet) add(name string) bool {
	in := map[string]func(c byte) bool{
		"alnum":  func(c byte) bool { return letter(c) || digit(c) },
		"alpha":  letter,
		"blank":  func(c byte) bool { return c == ' ' || c == '\t' },
		"cntrl":  func(c byte) bool { return c < ' ' || c == 0x7f },
		"digit":  digit,
		"graph":  func(c byte) bool { return c > ' ' && c <= '~' },
		"lower":  func(c byte) bool { return 'a' <= c && c <= 'z' },
		"print":  func(c byte) bool { return c >= ' ' && c <= '~' },
		"punct":  func(c byte) bool { return c > ' ' && c <= '~' && !letter(c) && !digit(c) },
		"space":  func(c byte) bool { return strings.IndexByte(" \t\n\r", c) >= 0 }, // not \v and \f: ctype.c of git
		"upper":  func(c byte) bool { return 'A' <= c && c <= 'Z' },
		"xdigit": func(c byte) bool { return digit(c) || 'a' <= c|' ' && c|' ' <= 'f' },
	}[name]
	if in == nil {
		return false
	}
	for b := range set {
		set[b] = set[b] || in(byte(b))
	}
	return true
}

func letter(c byte) bool { return 'a' <= c|' ' && c|' ' <= 'z' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }

func (set *byteSet) empty() bool { return *set == byteSet{} }

// class writes the set for doublestar.
func (set *byteSet) class() string {
	var b strings.Builder
	b.WriteByte('[')
	for lo := 0; lo < len(set); lo++ {
		if !set[lo] {
			continue
		}
		hi := lo
		for hi+1 < len(set) && set[hi+1] {
			hi++
		}
		b.WriteByte('\\')
		b.WriteRune(rune(lo))
		if hi > lo {
			b.WriteString(`-\`)
			b.WriteRune(rune(hi))
		}
		lo = hi
	}
	b.WriteByte(']')
	return b.String()
}
