package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/internal/yamlshape"
)

// maxPrinted bounds the faults of an Error's text.
const maxPrinted = 20

// An Error is why there is no policy: everything that is wrong with its text.
type Error struct{ faults []*yamlshape.Fault }

// Faults returns what is wrong, by place. There is at least one.
func (e *Error) Faults() []*yamlshape.Fault { return slices.Clone(e.faults) }

// Error returns a line for each fault, "FILE:LINE:COLUMN: MESSAGE", of which the
// end may say what to do. It has at most twenty, and one that counts the rest.
func (e *Error) Error() string {
	var lines []string
	for i, f := range e.faults {
		if i == maxPrinted {
			lines = append(lines, fmt.Sprintf("… and %d more", len(e.faults)-i))
			break
		}
		line := f.Error()
		if f.Next != "" {
			line += "; " + f.Next
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the faults.
func (e *Error) Unwrap() []error {
	all := make([]error, len(e.faults))
	for i, f := range e.faults {
		all[i] = f
	}
	return all
}
