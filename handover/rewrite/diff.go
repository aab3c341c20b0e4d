package rewrite

import (
	"bytes"
	"fmt"
)

// context is how many lines a diff shows before and after one that differs.
const context = 3

// Diff returns c as a unified diff, with three lines of context, which git apply
// and patch read. The text of the file is in it as it stands, control characters
// and all: whoever shows it to a person has to escape it. Lines that are changed
// have no line break more or less.
func (c Change) Diff() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "--- a/%s\n+++ b/%s\n", c.File, c.File)
	old, changed := bytes.SplitAfter(c.Old, []byte("\n")), bytes.SplitAfter(c.New, []byte("\n"))
	if n := len(old); n == len(changed) && len(old[n-1]) == 0 { // the file ends with a line break
		old, changed = old[:n-1], changed[:n-1]
	}
	for i := 0; i < len(c.Edits); {
		first, last := c.Edits[i].At.Line, c.Edits[i].At.Line
		for i++; i < len(c.Edits) && c.Edits[i].At.Line <= last+2*context+1; i++ {
			last = c.Edits[i].At.Line
		}
		hunk(&b, old, changed, max(1, first-context), min(len(old), last+context))
	}
	return b.Bytes()
}

// hunk writes the lines from first to last, counted from 1. Lines that differ
// and follow each other come together, as they were first.
func hunk(b *bytes.Buffer, old, changed [][]byte, first, last int) {
	n := fmt.Sprintf("%d,%d", first, last-first+1)
	if first == last {
		n = fmt.Sprint(first)
	}
	fmt.Fprintf(b, "@@ -%s +%s @@\n", n, n)
	for i := first - 1; i < last; {
		end := i
		for end < last && !bytes.Equal(old[end], changed[end]) {
			end++
		}
		for _, l := range old[i:end] {
			line(b, '-', l)
		}
		for _, l := range changed[i:end] {
			line(b, '+', l)
		}
		if i = end; i < last {
			line(b, ' ', old[i])
			i++
		}
	}
}

func line(b *bytes.Buffer, sign byte, text []byte) {
	b.WriteByte(sign)
	b.Write(text)
	if !bytes.HasSuffix(text, []byte("\n")) {
		b.WriteString("\n\\ No newline at end of file\n")
	}
}
