package cli

import "io/fs"

// FailingAt returns c, which fails at the operation number at on the files that
// boltseal pin replaces, counted from 1.
func (c Command) FailingAt(at int, failed *bool) Command {
	c.write = func(d disk) disk {
		f := &faultyDisk{disk: d, at: at}
		f.before = func(string) { *failed = *failed || len(f.ops) == at }
		return f
	}
	return c
}

// Owner returns the ids of the user and the group that a file belongs to.
func Owner(info fs.FileInfo) [2]int {
	uid, gid, _ := owner(info)
	return [2]int{uid, gid}
}
