package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// What one file may cost. Each bound is far above what people write, and low
// enough that a file of a megabyte takes well under a second.
const (
	maxStages = 2000     // stages of a file
	maxUses   = 2000     // uses of a file
	maxSteps  = 1 << 17  // stages, and what they need, over all targets and platforms
	maxValue  = 64 << 10 // bytes of a value
	maxDepth  = 64       // of ${…${…}…}: BuildKit's lexer copies each level into the next
	maxWork   = 1 << 20  // characters one expansion may have to look at
	maxTotal  = 1 << 22  // the same, of all expansions of a file
	maxText   = 300      // bytes of a message that quotes the file
)

var errSteps = errors.New("the stages need each other in more ways than can be followed")

// refusal returns why BuildKit's parser is not asked to read s, and the line.
func refusal(s *source, escapes string) (int, error) {
	if len(s.body) == 0 {
		return 1, errors.New("the Dockerfile is empty")
	}
	depth := 0
	heredoc := bytes.Contains(s.body, []byte("<<"))
	for n := 1; n <= len(s.lines); n++ {
		line := s.line(n)
		if isComment(line) {
			continue
		}
		for i, b := range line {
			switch {
			case b == '{' && i > 0 && line[i-1] == '$':
				if depth++; depth > maxDepth {
					return n, fmt.Errorf("variables are nested more than %d deep", maxDepth)
				}
			case b == '}' && depth > 0:
				depth--
			}
		}
		end := bytes.TrimRight(line, " \t\r\n")
		if len(end) > 0 && !bytes.ContainsRune([]byte(escapes), rune(end[len(end)-1])) {
			depth = 0
		}
		// The lexer that looks for here-documents complains on standard error,
		// once for each byte that it cannot read.
		if heredoc && (!utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0) {
			return n, errors.New("this line is not UTF-8 text")
		}
	}
	return 0, nil
}

// brief returns err with its text cut to a length that fits a report: BuildKit
// quotes what it cannot read, however long. What it suggests instead goes too:
// of several names as near it takes any.
func brief(err error) error {
	text := err.Error()
	if i := strings.LastIndex(text, " (did you mean "); i >= 0 {
		return brief(errors.New(text[:i]))
	}
	if len(text) <= maxText {
		return err
	}
	end := maxText
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return errors.New(text[:end] + "…")
}
