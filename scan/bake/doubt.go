package bake

import (
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// A doubt marks a value that is not known before the build, and every value it
// takes part in: cty carries marks along. The value itself is a stand-in.
type doubt struct {
	about string // as in `variable "TAG" has no value`
	hint  string // what to do about it
	empty bool   // bake takes the value for the empty string
}

// unset is the doubt about a variable that bake would take for "".
func unset(name string) doubt {
	return doubt{
		about: "variable " + quote(name) + " has no default and is not set",
		hint:  "set " + name + " in the environment or give the variable a default",
		empty: true,
	}
}

// withheld is the doubt about a variable that files do not see.
func withheld(name string) doubt {
	return doubt{about: "variable " + quote(name) + " is set, but files do not see it", hint: "call it otherwise if it is no secret, or write its value"}
}

// unforeseen is the doubt about what a function returns, or a builder decides.
func unforeseen(what, hint string) doubt {
	return doubt{about: what + " is not known before the build", hint: hint}
}

// A doubtError says why something could not be resolved.
type doubtError struct {
	what   string // such as "image reference"
	doubts []doubt
}

func (e *doubtError) Error() string {
	var about, hints []string
	for _, d := range e.doubts {
		about = append(about, d.about)
		if !slices.Contains(hints, d.hint) {
			hints = append(hints, d.hint)
		}
	}
	return e.what + " is unresolved: " + strings.Join(about, ", ") + "; " + strings.Join(hints, ", ")
}

// settle returns v without its marks, and the doubts that there were about it
// or any part of it.
func settle(v cty.Value) (cty.Value, []doubt) {
	v, marks := v.UnmarkDeep()
	return v, doubtsOf(marks)
}

// surface is settle for v itself, not its parts.
func surface(v cty.Value) (cty.Value, []doubt) {
	v, marks := v.Unmark()
	return v, doubtsOf(marks)
}

func doubtsOf(marks cty.ValueMarks) []doubt {
	var doubts []doubt
	for mark := range marks {
		if d, ok := mark.(doubt); ok {
			doubts = append(doubts, d)
		}
	}
	slices.SortFunc(doubts, func(a, b doubt) int { return strings.Compare(a.about, b.about) })
	return doubts
}

// assumeEmpty drops the doubts about unset variables.
func assumeEmpty(v cty.Value) cty.Value {
	v, marks := v.Unmark()
	if len(marks) == 0 {
		return v
	}
	marks = maps.Clone(marks)
	maps.DeleteFunc(marks, func(mark any, _ struct{}) bool {
		d, ok := mark.(doubt)
		return ok && d.empty
	})
	return v.WithMarks(marks)
}

// quote puts a name into quotation marks. Names come from the file.
func quote(name string) string { return `"` + clip(name) + `"` }

// clip makes text from a file fit into a message.
func clip(text string) string {
	const most = 80
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
