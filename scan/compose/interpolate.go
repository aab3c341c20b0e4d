package compose

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxDefaults bounds defaults within defaults: ${A:-${B:-…}}.
const maxDefaults = 50

// A filled text is one whose variables were replaced.
type filled struct {
	text    string
	lacking []string // variables without a value that took part
	err     error
	parts   []part
}

// A part of a filled text is copied from the raw text or replaces some of it.
type part struct {
	out, raw int // where it begins
	end      int // of what it replaces in the raw text
	copied   bool
}

// interpolate replaces variables as Compose does (Compose Specification,
// 12-interpolation.md; compose-go, template/template.go, whose regular
// expression this follows in what is odd about it: a default ends on its line).
func interpolate(raw string, env *environment) filled {
	f := filler{env: env}
	f.fill(raw, 0)
	return f.filled()
}

// rawStart returns where in the raw text the byte of the filled text began.
func (f filled) rawStart(out int) int {
	p := f.part(out)
	if p.copied {
		return p.raw + out - p.out
	}
	return p.raw
}

// rawEnd returns where in the raw text the part before a byte ended.
func (f filled) rawEnd(out int) int {
	if out == 0 {
		return 0
	}
	p := f.part(out - 1)
	if p.copied {
		return p.raw + out - p.out
	}
	return p.end
}

// part returns the one that the byte of the filled text is in.
func (f filled) part(out int) part {
	lo, hi := 0, len(f.parts) // parts[:lo] begin at out or before
	for lo < hi {
		mid := (lo + hi) / 2
		if f.parts[mid].out <= out {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return part{copied: true}
	}
	return f.parts[lo-1]
}

// A filler fills a text.
type filler struct {
	env     *environment
	blank   string // stands for variables without a value
	out     strings.Builder
	lacking []string
	err     error
	parts   []part
}

func (f *filler) filled() filled {
	return filled{text: f.out.String(), lacking: f.lacking, err: f.err, parts: f.parts}
}

func (f *filler) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *filler) fill(s string, depth int) {
	if depth > maxDefaults {
		f.fail(fmt.Errorf("defaults within more than %d others", maxDefaults))
		return
	}
	for i := 0; i < len(s) && f.err == nil; {
		n := strings.IndexByte(s[i:], '$')
		if n < 0 {
			n = len(s) - i
		}
		value, end := s[i:i+n], i+n
		copied := n > 0
		if !copied {
			value, end, copied = f.variable(s, i, depth)
		}
		if f.out.Len()+len(value) > maxText {
			f.fail(fmt.Errorf("with its variables it has more than %d KiB", maxText>>10))
			return
		}
		f.parts = append(f.parts, part{out: f.out.Len(), raw: i, end: end, copied: copied})
		f.out.WriteString(value)
		i = end
	}
}

// variable returns what the "$" at s[i] and what belongs to it stand for, and
// where that ends; literal where it is only a "$".
func (f *filler) variable(s string, i, depth int) (value string, end int, literal bool) {
	rest := s[i+1:]
	switch {
	case strings.HasPrefix(rest, "$"):
		return "$", i + 2, false
	case strings.HasPrefix(rest, "{"):
		return f.braced(s, i, depth)
	}
	name := rest[:nameLen(rest)]
	if name == "" {
		return "$", i + 1, true
	}
	return f.value(name), i + 1 + len(name), false
}

var errTemplate = errors.New(`not a variable: write ${NAME}, ${NAME:-default}, or $$ for a "$"`)

func (f *filler) braced(s string, i, depth int) (value string, end int, literal bool) {
	body := s[i+2:]
	name := body[:nameLen(body)]
	after := body[len(name):]
	if name != "" && strings.HasPrefix(after, "}") {
		return f.value(name), i + 2 + len(name) + 1, false
	}
	op := operator(after)
	line, _, _ := strings.Cut(s[i:], "\n")
	last := strings.LastIndexByte(line, '}')
	first := 2 + len(name) + len(op) // of the operand, in line
	if name == "" || op == "" || last < first {
		f.fail(errTemplate)
		return "", len(s), false
	}
	// What is behind the brace that closes this one is looked at by itself.
	if closing := closingBrace(line[:last+1]); closing >= 0 {
		last = closing
	}
	return f.operate(name, op, line[first:last], depth), i + last + 1, false
}

// defaulted returns where the default begins, if s is one variable that has one
// and nothing else: ${NAME:-default} or ${NAME-default}.
func defaulted(s string) (operand int, ok bool) {
	name, ok := strings.CutPrefix(s, "${")
	if !ok || closingBrace(s) != len(s)-1 {
		return 0, false
	}
	n := nameLen(name)
	op := operator(name[n:])
	return len("${") + n + len(op), n > 0 && strings.HasSuffix(op, "-")
}

// operate returns what ${name op operand} stands for.
func (f *filler) operate(name, op, operand string, depth int) string {
	v, ok, lacking := f.env.lookup(name)
	present := ok && (op[0] != ':' || v != "" || len(lacking) > 0)
	switch op[len(op)-1] {
	case '-':
		if !present {
			return f.nested(operand, depth)
		}
	case '+':
		if !present {
			return v // empty: it is asked whether there is a value
		}
		f.known("", lacking)
		return f.nested(operand, depth)
	case '?':
		if !present {
			f.fail(fmt.Errorf("%s has no value, which is required: %s; %s", name, f.nested(operand, depth), f.env.advice()))
			return ""
		}
	}
	return f.known(v, lacking)
}

// nested returns an operand with its variables replaced.
func (f *filler) nested(operand string, depth int) string {
	sub := filler{env: f.env, blank: f.blank}
	sub.fill(operand, depth+1)
	f.lack(sub.lacking)
	if sub.err != nil {
		f.fail(sub.err)
	}
	return sub.out.String()
}

func (f *filler) value(name string) string {
	v, ok, lacking := f.env.lookup(name)
	if !ok {
		lacking = []string{name}
	}
	return f.known(v, lacking)
}

// known returns the value v, which may have come from variables without one.
func (f *filler) known(v string, lacking []string) string {
	if len(lacking) == 0 {
		return v
	}
	f.lack(lacking)
	if f.blank != "" {
		return f.blank
	}
	return v
}

// maxLacking bounds the variables without a value that a text is known to have.
const maxLacking = 10

func (f *filler) lack(names []string) {
	for _, name := range names {
		if len(f.lacking) < maxLacking && !slices.Contains(f.lacking, name) {
			f.lacking = append(f.lacking, name)
		}
	}
}

func operator(s string) string {
	for _, op := range []string{":-", ":+", ":?", "-", "+", "?"} {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	return ""
}

// nameLen returns the length of the variable name that s begins with.
func nameLen(s string) int {
	for i := range len(s) {
		c := s[i] | 0x20
		if c >= 'a' && c <= 'z' && s[i] >= 'A' || s[i] == '_' || i > 0 && s[i] >= '0' && s[i] <= '9' {
			continue
		}
		return i
	}
	return len(s)
}

// closingBrace returns where the first brace of s is closed, or -1. As in
// compose-go, what directly follows an opening brace is not looked at.
func closingBrace(s string) int {
	open := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '}':
			if open--; open == 0 {
				return i
			}
		case '{':
			open++
			i++
		}
	}
	return -1
}
