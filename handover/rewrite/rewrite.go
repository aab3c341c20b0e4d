// Package rewrite says what to change in the text of files so that each
// reference has the digest that was admitted for it. It writes nothing.
//
// It changes what it can read as it stands, byte for byte, and nothing else. A
// place where that is not sure is a [Refusal], never a guess.
package rewrite

import (
	"errors"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// A Target is a place that uses an image, and what is to stand there.
type Target struct {
	Use image.Use
	// To has the reference of Use, and the digest that was admitted for it.
	To gate.Admitted
}

// A Change is the new text of one file. Old and New differ in the Edits only.
type Change struct {
	File     string // as Use.At has it
	Old, New []byte
	Edits    []Edit // in the order of the text, never none
}

// An Edit replaced one reference.
type Edit struct {
	// At is where it stood in Change.Old. That is not where it is used if the
	// text comes from elsewhere: from the default of an ARG, say.
	At       image.Position
	Old, New string // as they stand in the file
	// Exempt is whether nobody has verified the digest.
	Exempt bool
}

// A Refusal is a place that is not rewritten. Err is a [verify.Error] whose Hint
// says what to write there.
type Refusal struct {
	Use image.Use
	Err error
}

// Plan returns the changes to files, in the order of their names, and what is
// refused, in the order of targets. Every target is in a Change, refused, or has
// its digest already. Read returns the file that Use.At names; it is called once
// for each.
func Plan(read func(file string) ([]byte, error), targets []Target) ([]Change, []Refusal) {
	var refused []Refusal
	for _, t := range targets {
		refused = append(refused, Refusal{Use: t.Use, Err: &verify.Error{
			Op:   "pin " + t.Use.Text,
			Err:  errors.New("not rewritten yet"),
			Hint: "write the digest there yourself",
		}})
	}
	return nil, refused
}
