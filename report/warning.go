package report

import (
	"fmt"

	source "github.com/boltseal/boltseal/image" // this package has a function image
)

// A Warning is something to know besides the verdicts.
type Warning struct {
	At   source.Position // where it is about a place in a file
	Text string

	// Kind and Written are those of an image that is used there, and not known;
	// Kind is empty where the warning is about something else.
	Kind    source.Kind
	Written string

	// Apart is whether each file is to be told of, for somebody has to change it.
	Apart bool
}

func (w Warning) String() string {
	if w.At.File == "" {
		return w.Text
	}
	return at(w.At) + ": " + w.Text
}

// Gathered returns all, with those that say the same of several places as one,
// at the first of them: of all files, or of each where they are Apart.
func Gathered(all []Warning) []Warning {
	type saying struct{ text, file string }
	var out []Warning
	first, more := map[saying]int{}, map[int]int{}
	for _, w := range all {
		said := saying{text: w.Text}
		if w.Apart {
			said.file = w.At.File
		}
		i, again := first[said]
		if again && w.At.File != "" {
			more[i]++
			continue
		}
		first[said] = len(out)
		out = append(out, w)
	}
	for i, n := range more {
		out[i].Text += fmt.Sprintf(" (and at %s)", count(n, "more place"))
	}
	return out
}
