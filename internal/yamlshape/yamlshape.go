// Package yamlshape reads YAML strictly into Go structs, and describes the same
// structs as JSON Schema, so that what editors suggest is what is read.
//
// The structs say what there may be in their field tags:
//
//	Owner Text `yaml:"owner,required" doc:"Who answers for it."`
//
// Fields may be Text, Date, Int, Flag, bool, int, structs, pointers to these (for
// what may be left out and has no zero), slices, maps from string, and Raw. The
// keys of an embedded struct are those of the struct around it. A struct's field
// "At image.Position" without a tag gets the place of its mapping, and "Wrong
// bool" is set where something in it is wrong; other fields without a tag are left
// alone. Further tags:
//
//	enum:"a,b"   the only values of a Text, an int, or the Texts of a slice
//	min:"1"      the least value of an int, or number of items of a slice; max likewise
//	example:"x"  what messages say may be written, of a slice for one item
//
// Nothing is converted and nothing is overlooked: an unknown key, null, an empty
// text, list or map, and a text without quotes that some reader of YAML takes
// for something else, are Faults.
package yamlshape

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/image"
)

// A Text is a string of a file, never empty, and where it stands.
type Text struct {
	Value string
	At    image.Position
}

func (t Text) String() string { return t.Value }

// A Date is a day of a file, written as 2006-01-02, and where it stands.
type Date struct {
	Time time.Time // its beginning, UTC
	At   image.Position
}

// An Int is a whole number of a file, and where it stands.
type Int struct {
	Value int
	At    image.Position
}

// A Flag is true or false in a file, and where that stands. The zero Flag is
// false, and stands nowhere.
type Flag struct {
	Value bool
	At    image.Position
}

// A Fault is what is wrong, or doubtful, at one place of a file.
type Fault struct {
	At   image.Position
	Err  error
	Next string // one imperative sentence; "" where Err says it
}

// Faultf returns the Fault at a place.
func Faultf(at image.Position, next, format string, args ...any) *Fault {
	return &Fault{At: at, Next: next, Err: fmt.Errorf(format, args...)}
}

// Error returns "FILE:LINE:COLUMN: MESSAGE".
func (f *Fault) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", f.At.File, f.At.Line, f.At.Col, f.Err)
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Sort sorts faults by place: by file, line and column.
func Sort(faults []*Fault) {
	slices.SortStableFunc(faults, func(a, b *Fault) int {
		return cmp.Or(cmp.Compare(a.At.File, b.At.File), cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Col, b.At.Col))
	})
}

// A Doubt is something in a file that is allowed and probably a mistake.
type Doubt struct {
	Fault
	Lint string // the stable name of what is doubtful, such as "any-ref"
}

// maxPrinted bounds the faults of a Refusal's text.
const maxPrinted = 20

// A Refusal is why a text cannot be used: everything that is wrong with it. There
// is at least one fault.
type Refusal []*Fault

// Faults returns what is wrong, by place.
func (e Refusal) Faults() []*Fault { return slices.Clone(e) }

// Error returns a line for each fault, "FILE:LINE:COLUMN: MESSAGE", of which the
// end may say what to do. It has at most twenty, and one that counts the rest.
func (e Refusal) Error() string {
	var lines []string
	for i, f := range e {
		if i == maxPrinted {
			lines = append(lines, fmt.Sprintf("… and %d more", len(e)-i))
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
func (e Refusal) Unwrap() []error {
	all := make([]error, len(e))
	for i, f := range e {
		all[i] = f
	}
	return all
}
