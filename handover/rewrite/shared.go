package rewrite

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/boltseal/boltseal/image"
)

// argument returns the ARG whose default the literal of t is, if it is one. Where
// a Dockerfile stands in a Compose file, the "$" is doubled.
func (t Target) argument() (name string, ok bool) {
	if t.Use.Kind != image.From {
		return "", false
	}
	m := variable().FindStringSubmatch(t.Use.Text)
	if m == nil {
		return "", false
	}
	return m[1] + m[2], true
}

// own reports whether the literal of t is part of the text where it is used, or
// all of it. What is not, and no ARG's, may serve anything.
func (t Target) own() bool {
	at, l := t.Use.At, t.Use.Literal
	skipped := l.At.Col - at.Col
	return at.File == l.At.File && at.Line == l.At.Line && skipped >= 0 && skipped <= len(t.Use.Text) &&
		strings.HasPrefix(t.Use.Text[skipped:], l.Text)
}

// arguments refuses sites that are the default of an ARG which is used for
// anything but a FROM that is all of it. Every other mention of its name counts,
// but those in comments: what is made of it there, a shell may decide.
func (s *source) arguments(sites []*site) {
	asked := map[string]bool{}
	for _, at := range sites {
		for name := range at.names {
			asked[name] = true
		}
	}
	mentions := s.mentions(asked)
	for _, at := range sites {
		for name := range at.names {
			if n := s.misuse(at, name, mentions[name]); n > 0 {
				at.fail(hintedError{
					fmt.Errorf("it is the default of ARG %s, at %s, which line %d uses, too", name, place(at.At), n),
					fmt.Sprintf("write %s there yourself, if that is right for line %d", at.New, n),
				})
			}
		}
	}
}

// mentions returns the lines that have each of names as a word, more than once
// where they do; comments are none. A word may go on behind the end of a line.
func (s *source) mentions(names map[string]bool) map[string][]int {
	if len(names) == 0 {
		return nil
	}
	found := map[string][]int{}
	open, begun := "", 0 // the word that the line before ends with, and where it began
	for n := range s.lines {
		line := s.line(n + 1)
		if text := strings.TrimSpace(line); text == "" || text[0] == '#' {
			continue // does not end a line that goes on
		}
		head := wordAtStart().FindStringSubmatch(line)[1]
		tail := continued().FindStringSubmatch(line)
		if open += head; names[open] && open != head {
			found[open] = append(found[open], begun)
		}
		switch {
		case tail == nil:
			open = ""
		case tail[1] != head || strings.TrimSpace(line) != head+tail[2]: // not the whole line
			open, begun = tail[1], n+1
		}
		for _, w := range words().FindAllString(line, -1) {
			if names[w] {
				found[w] = append(found[w], n+1)
			}
		}
	}
	return found
}

// misuse returns the first line that uses an ARG in another way, 0 for none.
func (s *source) misuse(at *site, name string, lines []int) int {
	declared := s.number(at.from)
	if !strings.HasSuffix(strings.TrimRight(s.before(at.from), `"'`), name+"=") {
		return declared
	}
	for i, n := range lines {
		switch m := fromVariable().FindStringSubmatch(s.line(n)); {
		case i > 0 && lines[i-1] == n:
			return n
		case n != declared && (m == nil || m[1]+m[2] != name):
			return n
		}
	}
	return 0
}

var (
	words       = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[A-Za-z0-9_]+`) })
	wordAtStart = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[ \t]*([A-Za-z0-9_]*)`) })
	// continued matches the end of a line that goes on.
	continued = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("([A-Za-z0-9_]*)([\\\\`])[ \t]*$") })
	// variable matches a text that is one variable of a Dockerfile.
	variable = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^"?\$\$?(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})"?$`)
	})
	// fromVariable matches a FROM of one variable.
	fromVariable = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^\s*(?i:FROM)\s+(?:--platform=\S+\s+)?"?\$\$?(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})"?(?:\s.*)?$`)
	})
)
