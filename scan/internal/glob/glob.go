// Package glob matches paths with the patterns that people write on a command
// line: doublestar's syntax, checked beforehand and bounded.
package glob

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
)

const (
	// maxPattern bounds a pattern, in bytes: as Linux does a path.
	maxPattern = 4096
	// maxAlternatives bounds what a pattern's braces stand for. Each of them is
	// matched on its own, and braces multiply.
	maxAlternatives = 1024

	meta = `*?[{\`
)

// A Pattern is a glob: * and ? within a name, ** for any folders, [a-z], and
// {one,another}. The zero Pattern matches nothing.
type Pattern struct{ text string }

// Compile reads a slash-separated pattern.
func Compile(text string) (Pattern, error) {
	switch {
	case text == "":
		return Pattern{}, errors.New("an empty pattern")
	case len(text) > maxPattern:
		return Pattern{}, fmt.Errorf("a pattern of more than %d bytes", maxPattern)
	case !utf8.ValidString(text):
		return Pattern{}, errors.New("a pattern that is not UTF-8")
	case !doublestar.ValidatePattern(text):
		return Pattern{}, errors.New("a pattern with a [ or { that is not closed, an empty [], a } too many, or a \\ at its end")
	case alternatives(text) > maxAlternatives:
		return Pattern{}, fmt.Errorf("a pattern whose braces stand for more than %d others", maxAlternatives)
	}
	return Pattern{text}, nil
}

// alternatives returns at least as many as the braces of a valid pattern stand
// for.
func alternatives(text string) int {
	product, depth := 1, 0
	var commas []int // of each group that is open
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '{':
			depth++
			commas = append(commas, 0)
		case ',':
			if depth > 0 {
				commas[depth-1]++
			}
		case '}':
			if depth == 0 { // in a class
				continue
			}
			depth--
			product = min(product*(commas[depth]+1), maxAlternatives+1)
			commas = commas[:depth]
		}
	}
	for _, n := range commas { // a class had the closing one
		product = min(product*(n+1), maxAlternatives+1)
	}
	return product
}

// Match reports whether the pattern matches the whole of a slash-separated
// path.
func (p Pattern) Match(name string) bool {
	return p.text != "" && doublestar.MatchUnvalidated(p.text, name)
}

// Folder returns the folder that everything the pattern matches is in: that of
// the part before its first special character; "." where that has none.
func (p Pattern) Folder() string {
	literal := p.text
	if i := strings.IndexAny(literal, meta); i >= 0 {
		literal = literal[:i]
	}
	i := strings.LastIndexByte(literal, '/')
	if i < 0 {
		return "."
	}
	return literal[:i]
}

// Below reports whether the pattern can match something in a folder, however
// deep. It may be wrong in saying so, never in denying it.
func (p Pattern) Below(folder string) bool {
	if strings.Contains(p.text, "**") || strings.Contains(p.text, "{") {
		return true
	}
	return strings.Count(folder, "/") < strings.Count(p.text, "/")
}

// Special reports whether text has a character that means something in a
// pattern.
func Special(text string) bool { return strings.ContainsAny(text, meta) }
