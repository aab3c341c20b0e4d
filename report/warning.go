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
}

func (w Warning) String() string {
	if w.At.File == "" {
		return w.Text
	}
	return at(w.At) + ": " + w.Text
}

// Gathered returns all, with those that say the same of several places as one,
// at the first of them.
func Gathered(all []Warning) []Warning {
	var out []Warning
	first, more := map[string]int{}, map[int]int{}
	for _, w := range all {
		i, again := first[w.Text]
		if again && w.At.File != "" {
			more[i]++
			continue
		}
		first[w.Text] = len(out)
		out = append(out, w)
	}
	for i, n := range more {
		out[i].Text += fmt.Sprintf(" (and at %s)", count(n, "more place"))
	}
	return out
}
