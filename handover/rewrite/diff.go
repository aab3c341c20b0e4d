package rewrite

// Diff returns c as a unified diff, with three lines of context. The text of the
// file is in it as it stands, control characters and all: whoever shows it to a
// person has to escape it.
func (c Change) Diff() []byte { return nil }
