package gitfiles

import (
	"path"
	"strings"
)

// rules are those of a .gitignore file, and of the folders around its own.
// Deeper files decide before outer ones, later lines before earlier ones.
type rules struct {
	folder   string
	patterns []pattern
	outer    *rules
}

// parse reads the text of a .gitignore file (dir.c of git,
// add_patterns_from_buffer).
func parse(text, folder string, outer *rules) *rules {
	r := &rules{folder: folder, outer: outer}
	for line := range strings.SplitSeq(strings.TrimPrefix(text, "\ufeff"), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		line, _, _ = strings.Cut(strings.TrimSuffix(line, "\r"), "\x00")
		if p, ok := compile(trimSpaces(line)); ok {
			r.patterns = append(r.patterns, p)
		}
	}
	return r
}

// trimSpaces cuts the spaces at the end of a line, but for escaped ones.
func trimSpaces(line string) string {
	end := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case ' ':
			continue
		case '\\':
			if i++; i == len(line) {
				return line
			}
		}
		end = i + 1
	}
	return line[:end]
}

// ignores reports whether the rules ignore a path that is in no ignored
// folder. It takes what it compares from work, and ignores nothing when that
// is used up.
func (r *rules) ignores(name string, folder bool, work *int) bool {
	for ; r != nil && *work >= 0; r = r.outer {
		rel := bytewise(below(r.folder, name))
		base := path.Base(rel)
		*work -= 4 + len(rel)
		for i := len(r.patterns) - 1; i >= 0 && *work >= 0; i-- {
			if p := &r.patterns[i]; p.matches(rel, base, folder, work) {
				return !p.negated && *work >= 0
			}
		}
	}
	return false
}

// below returns the path of name, which is in folder, relative to it.
func below(folder, name string) string {
	if folder == "." {
		return name
	}
	return strings.TrimPrefix(name, folder+"/")
}
