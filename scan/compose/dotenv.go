package compose

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// parse reads the text of an env file as Compose does (Docker's documentation,
// "Env file syntax"; compose-go, dotenv/parser.go). It returns the line of an
// error.
func (e *environment) parse(text string, left *budget) (int, error) {
	d := dotenv{env: e, rest: strings.TrimPrefix(text, "\ufeff"), left: left}
	size := len(d.rest)
	all := d.rest
	for d.next() {
		start := size - len(d.rest)
		if err := d.statement(); err != nil {
			return 1 + strings.Count(all[:start], "\n"), err
		}
	}
	return 0, nil
}

// A dotenv is an env file that is being read.
type dotenv struct {
	env  *environment
	rest string
	left *budget
}

// next goes to the next statement, past blanks and comments.
func (d *dotenv) next() bool {
	for {
		d.rest = strings.TrimLeftFunc(d.rest, unicode.IsSpace)
		if !strings.HasPrefix(d.rest, "#") {
			return d.rest != ""
		}
		_, d.rest, _ = strings.Cut(d.rest, "\n")
	}
}

var export = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^export[\t\n\f\r ]+`) })

// statement reads NAME=value, NAME: value, or NAME alone, which is there to
// pass on what the environment has and adds nothing to it.
func (d *dotenv) statement() error {
	if export().MatchString(d.rest) {
		d.rest = strings.TrimLeftFunc(strings.TrimPrefix(d.rest, "export"), blank)
	}
	end := strings.IndexAny(d.rest, "=:\n")
	name := d.rest
	if end >= 0 {
		name = d.rest[:end]
	}
	for _, r := range name {
		if !blank(r) && !strings.ContainsRune("_.-[]", r) && !unicode.IsLetter(r) && !unicode.IsNumber(r) {
			return fmt.Errorf("unexpected %q in the name of a variable", r)
		}
	}
	name = strings.TrimRightFunc(name, unicode.IsSpace)
	if strings.Contains(name, " ") {
		return fmt.Errorf("the name of a variable, %.80q, has a space in it", name)
	}
	if end < 0 || d.rest[end] == '\n' {
		_, d.rest, _ = strings.Cut(d.rest, "\n")
		return nil
	}
	d.rest = strings.TrimLeftFunc(d.rest[end+1:], blank)
	v, err := d.value()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !take(&d.left.texts, len(v.value)) {
		return fmt.Errorf("values of more than %d MiB in one project", maxTexts>>20)
	}
	d.env.vars[name] = v
	return nil
}

func (d *dotenv) value() (variable, error) {
	if strings.HasPrefix(d.rest, `"`) || strings.HasPrefix(d.rest, `'`) {
		return d.quoted(d.rest[0])
	}
	line, rest, _ := strings.Cut(d.rest, "\n")
	d.rest = rest
	line, _, _ = strings.Cut(line, " #")
	return d.expand(strings.TrimRightFunc(line, unicode.IsSpace))
}

func (d *dotenv) quoted(quote byte) (variable, error) {
	var text strings.Builder
	for i := 1; i < len(d.rest); i++ {
		c := d.rest[i]
		switch {
		case c == quote:
			d.rest = d.rest[i+1:]
			if quote == '\'' {
				return variable{value: text.String()}, nil
			}
			return d.expand(unescape(text.String()))
		case c == '\\' && i+1 < len(d.rest):
			i++
			if d.rest[i] != quote {
				text.WriteByte('\\')
			}
			c = d.rest[i]
		}
		text.WriteByte(c)
	}
	return variable{}, fmt.Errorf("the quote %c is not closed", quote)
}

// expand replaces the variables in a value. It sees those of the lines above.
func (d *dotenv) expand(s string) (variable, error) {
	f := interpolate(s, d.env)
	return variable{value: f.text, lacking: f.lacking}, f.err
}

var escape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\\(?:[abcfnrtv$"\\]|0\d{0,3})`) })

// unescape replaces what stands for something in double quotes.
func unescape(s string) string {
	return escape().ReplaceAllStringFunc(s, func(m string) string {
		if m == `\$` {
			return "$$" // which interpolation makes a "$"
		}
		if octal, ok := strings.CutPrefix(m, `\0`); ok {
			m = `\` + octal
		}
		r, _, _, err := strconv.UnquoteChar(m, '"')
		if err != nil {
			return m
		}
		return string(r)
	})
}

// blank reports whether r separates words of a line.
func blank(r rune) bool {
	switch r {
	case '\t', '\v', '\f', '\r', ' ', 0x85, 0xA0:
		return true
	}
	return false
}
