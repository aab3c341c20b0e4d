//go:build unix

package cli

import (
	"io/fs"
	"syscall"
)

// owner returns who owns a file; ok is false where that is not known.
func owner(info fs.FileInfo) (uid, gid int, ok bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(s.Uid), int(s.Gid), true
}
