package dockerfile

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/boltseal/boltseal/image"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// A value is what a word comes to.
type value struct {
	text string // as BuildKit has it
	// traced is text with runes of their own, from trace on, wherever a variable
	// without a value left nothing.
	traced string
	// unknown are variables whose value only the builder knows.
	unknown []string
}

func plain(text string) value { return value{text: text, traced: text} }

// A scope expands words as BuildKit does, and knows which variables without a
// value took part. BuildKit leaves those empty: what is left may well name an
// image, only not the one the author meant.
type scope struct {
	vars    map[string]value
	escape  byte
	lex     *shell.Lex
	missing []string // by trace
	work    *int     // what may still be spent on expansions
	touched []string // unknown variables the lexer asked for

	// defaults are the literals of ARGs with one default, by name: the zero
	// Literal where there are two, or it is made of others.
	defaults map[string]image.Literal
}

func newScope(escape byte, work *int) *scope {
	return &scope{vars: map[string]value{}, defaults: map[string]image.Literal{}, escape: escape, lex: shell.NewLex(rune(escape)), work: work}
}

// trace is the first rune that stands for a missing variable, traces how many
// there are: a private use area, which no reference can have.
const (
	trace       = '\U000F0000'
	traces      = 0xFFFD
	traceLength = 40
)

// defaulted marks a variable whose form says what there is without it. It is a
// letter, so that the lexer takes it for part of the name, and one that nobody
// writes.
const defaulted = "\ua66e"

// expand returns what word comes to, or why BuildKit could not say.
func (s *scope) expand(word string) (value, error) {
	if !strings.ContainsAny(word, "$<'\"") && strings.IndexByte(word, s.escape) < 0 {
		return plain(word), nil
	}
	// The lexer complains on standard error of what is not UTF-8, and then
	// reads it so.
	word = strings.Map(func(r rune) rune {
		if r == 0 {
			return '\uFFFD'
		}
		return r
	}, word)
	if err := s.spend(word); err != nil {
		return value{}, err
	}
	s.touched = nil
	result, err := s.lex.ProcessWordWithMatches(word, exact{s})
	if err != nil {
		return value{}, brief(err)
	}
	if len(result.Result) > maxValue {
		return value{}, fmt.Errorf("a value is longer than %d bytes", maxValue)
	}
	v := value{text: result.Result, traced: result.Result, unknown: slices.Clone(s.touched)}
	if s.complete(result) {
		return v, nil
	}
	marked := forms().ReplaceAllString(word, "${${1}"+defaulted+"${2}${3}")
	v.traced, _, err = s.lex.ProcessWord(marked, traced{s})
	if err != nil || len(v.traced) > 2*maxValue || untraced(v.traced) != v.text {
		// A pattern saw the difference. Then all that has no value counts.
		v.traced = v.text
		for name := range result.Unmatched {
			v.traced += s.trace(name)
		}
		for name := range result.Matched {
			v.traced += traceOf(s.vars[name].traced)
		}
	}
	return v, nil
}

// literal returns the one text that word, which stands at p and came to result,
// was read from: itself, or the default of the ARG that it is.
func (s *scope) literal(p place, word, result string) image.Literal {
	if p.rest || p.text != word {
		return image.Literal{}
	}
	l := p.unquoted().literal(result)
	if m := variable().FindStringSubmatch(word); m != nil {
		l = s.defaults[m[1]+m[2]]
	}
	if l.Text != result {
		return image.Literal{}
	}
	return l
}

// variable matches a word that is one variable, and nothing else.
var variable = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^"?\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})"?$`)
})

// complete reports whether every variable the lexer asked for has a value that
// nothing is missing from.
func (s *scope) complete(r shell.ProcessWordResult) bool {
	for name := range r.Matched {
		if v := s.vars[name]; v.text != v.traced {
			return false
		}
	}
	return len(r.Unmatched) == 0
}

// absent returns the variables without a value that took part in v.
func (s *scope) absent(v value) []string {
	var names []string
	for _, r := range v.traced {
		if i := int(r) - trace; i >= 0 && i < len(s.missing) && !slices.Contains(names, s.missing[i]) {
			names = append(names, s.missing[i])
		}
	}
	slices.Sort(names)
	return names
}

// trace returns what stands for a missing variable: enough of its rune that no
// ${x#??} cuts all of it off.
func (s *scope) trace(name string) string {
	r := trace
	for _, known := range s.missing {
		if known == name {
			return strings.Repeat(string(r), traceLength)
		}
		r++
	}
	if len(s.missing) == traces {
		return string(trace) // so many: any of them will do
	}
	s.missing = append(s.missing, name)
	return strings.Repeat(string(r), traceLength)
}

func isTrace(r rune) bool { return r >= trace && r < trace+traces }

// untraced returns text without what stands for missing variables, and without
// marks of forms that turned out to be none.
func untraced(text string) string {
	return strings.Map(func(r rune) rune {
		if isTrace(r) {
			return -1
		}
		return r
	}, strings.ReplaceAll(text, defaulted, ""))
}

// traceOf returns only what stands for missing variables.
func traceOf(text string) string {
	return strings.Map(func(r rune) rune {
		if isTrace(r) {
			return r
		}
		return -1
	}, text)
}

// exact is the scope as BuildKit sees it.
type exact struct{ *scope }

func (s exact) Keys() []string { return nil }

func (s exact) Get(name string) (string, bool) {
	v, ok := s.vars[name]
	s.touched = append(s.touched, v.unknown...)
	return v.text, ok
}

// traced is the scope with its traces.
type traced struct{ *scope }

func (s traced) Keys() []string { return nil }

func (s traced) Get(name string) (string, bool) {
	name, form := strings.CutSuffix(name, defaulted)
	v, ok := s.vars[name]
	switch {
	case form && (!ok || v.text == ""):
		return "", ok
	case !ok:
		return s.trace(name), true
	}
	return v.traced, true
}

// forms matches the beginning of those that say what there is without a value:
// ${x:-y}, ${x-y}, ${x:+y}, ${x+y}, ${x:?y}, ${x?y}.
var forms = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\$\{(\p{Nd}+|[\pL_][\pL\p{Nd}_]*)(:?)([-+?])`)
})

// spend refuses a word whose expansion would be too much work. Each pattern in
// it can put a value in place of each character of another.
func (s *scope) spend(word string) error {
	most, all, patterns := 0, len(word), 0
	for i := 0; i < len(word); i++ {
		if word[i] != '$' {
			continue
		}
		j := i + 1
		for j < len(word) && (word[j] == '{' || word[j] == '_' || word[j] >= '0' && word[j] <= '9' || word[j]|0x20 >= 'a' && word[j]|0x20 <= 'z' || word[j] >= 0x80) {
			j++
		}
		v := s.vars[strings.TrimLeft(word[i+1:j], "{")]
		n := max(len(v.text), len(v.traced))
		most, all = max(most, n), all+n
		if j < len(word) && strings.IndexByte("#%/", word[j]) >= 0 && word[i+1] == '{' {
			patterns++
		}
	}
	for range patterns {
		if all <= maxWork {
			all *= most + 1
		}
	}
	if *s.work -= all; all > maxWork || *s.work < 0 {
		return fmt.Errorf("variables are expanded too far to follow")
	}
	return nil
}
