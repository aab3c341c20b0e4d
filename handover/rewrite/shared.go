package rewrite

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
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
// where they do; comments are none.
func (s *source) mentions(names map[string]bool) map[string][]int {
	if len(names) == 0 {
		return nil
	}
	found := map[string][]int{}
	for n := range s.lines {
		line := s.line(n + 1)
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
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

// anchors refuses sites that have an anchor by which something else than an
// image is read, as far as the keys tell.
func (s *source) anchors(sites []*site) {
	var reads map[string][]int
	for _, at := range sites {
		name, own := s.anchored(at.from)
		if name == "" {
			continue
		}
		if reads == nil {
			reads = s.references()
		}
		if len(reads["*"+name]) == 0 {
			continue
		}
		if o := s.stranger(at, own, reads["&"+name], reads["*"+name]); o >= 0 {
			n := s.number(o)
			at.fail(hintedError{
				fmt.Errorf("it has the anchor &%s, and line %d may use it for something else than an image", name, n),
				fmt.Sprintf("write %s there yourself, if that is right for line %d", at.New, n),
			})
		}
	}
}

// references returns where each anchor and each alias of the file is, by its
// name with the sign before it. In comments and texts are none, but who knows.
func (s *source) references() map[string][]int {
	found := map[string][]int{}
	for _, m := range signs().FindAllIndex(s.text, -1) {
		name := string(s.text[m[0]:m[1]])
		found[name] = append(found[name], m[0])
	}
	return found
}

// stranger returns the offset of the first place that may read an anchored text
// for something else than an image, -1 for none.
func (s *source) stranger(at *site, own string, anchors, aliases []int) int {
	switch {
	case len(anchors) > 1:
		return anchors[len(anchors)-1]
	case !imageKey().MatchString(own) && !s.extension(at.from):
		return at.from
	}
	i := slices.IndexFunc(aliases, func(a int) bool { return !imageKey().MatchString(s.before(a)) })
	if i < 0 {
		return -1
	}
	return aliases[i]
}

// anchored returns the anchor of the scalar at offset, and what stands before
// that on its line.
func (s *source) anchored(offset int) (name, own string) {
	before := beginning().ReplaceAllString(s.before(offset), "")
	for n := s.number(offset) - 1; n > 0 && strings.TrimSpace(before) == ""; n-- {
		before = blockHeader().ReplaceAllString(s.line(n), "")
	}
	m := anchorBefore().FindStringSubmatch(before)
	if m == nil {
		return "", ""
	}
	return m[2], m[1]
}

// extension reports whether offset is below a key at the left margin that
// Compose leaves to its users: x-….
func (s *source) extension(offset int) bool {
	if s.margin == nil {
		for n, begin := range s.lines {
			if begin < len(s.text) && strings.IndexByte(" \t\r\n#-}])", s.text[begin]) < 0 {
				s.margin = append(s.margin, n+1)
			}
		}
	}
	i := sort.SearchInts(s.margin, s.number(offset)+1)
	return i > 0 && strings.HasPrefix(strings.TrimLeft(s.line(s.margin[i-1]), `"'`), "x-")
}

var (
	words = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[A-Za-z0-9_]+`) })
	signs = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[*&][A-Za-z0-9_-]+`) })
	// variable matches a text that is one variable of a Dockerfile.
	variable = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^"?\$\$?(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})"?$`)
	})
	// fromVariable matches a FROM of one variable.
	fromVariable = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^\s*(?i:FROM)\s+(?:--platform=\S+\s+)?"?\$\$?(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})"?(?:\s.*)?$`)
	})
	// beginning matches what of a scalar may stand before a reference.
	beginning = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`["']?(?i:docker://)?(?:\$\{[A-Za-z_][A-Za-z0-9_]*:?-)?$`)
	})
	// blockHeader matches the end of a line before the one where a scalar's
	// text is.
	blockHeader = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?:[ \t]+[|>][-+0-9]*)?[ \t]*(?:(?:^|[ \t])#.*)?$`)
	})
	anchorBefore = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(.*?)&([A-Za-z0-9_-]+)[ \t]*(?:![^\s]*[ \t]*)?$`)
	})
	// imageKey matches what stands before an image, or before its anchor.
	imageKey = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?:^|[\s,{])["']?(?:image|container|reference|uses)["']?[ \t]*:[ \t]+(?:![^\s]*[ \t]+)?$`)
	})
)
