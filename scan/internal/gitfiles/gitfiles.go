// Package gitfiles says what git makes of the files of a workspace: which ones
// .gitignore files ignore, and which ones are tracked all the same. It reads
// the workspace only; a user's own ignore files are none of a build's.
package gitfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
)

const (
	// maxIgnore bounds a .gitignore file, in bytes.
	maxIgnore = 1 << 20
	// maxWork bounds what reading patterns and comparing them with paths costs,
	// in all: one for a pattern that is plainly about something else, which
	// takes some ten nanoseconds.
	maxWork = 150_000_000
	// parseWork is the cost of a byte of a .gitignore file: much more than its
	// time, for what is read takes memory, too.
	parseWork = 20
)

// errUnversioned is why nothing is known to be tracked where no .git is.
var errUnversioned = errors.New("there is no .git in the workspace")

// A Tree is a workspace. It remembers the repositories that it has met.
type Tree struct {
	// Known says that rules count only where it is known what git tracks: none
	// do where there is no .git.
	Known bool

	fsys  fs.FS
	repos map[string]*repository
	work  int
}

// NewTree returns a Tree of fsys. Reading through fsys must not block.
func NewTree(fsys fs.FS) *Tree {
	return &Tree{fsys: fsys, repos: map[string]*repository{}, work: maxWork}
}

// Exhausted reports whether so many patterns were read and compared that from
// then on nothing is ignored.
func (t *Tree) Exhausted() bool { return t.work < 0 }

// A Folder is what git knows of a folder of a Tree.
type Folder struct {
	tree    *Tree
	repo    *repository
	rules   *rules
	ignored bool
}

// Outside returns what is known before any folder is entered: nothing.
func (t *Tree) Outside() Folder { return Folder{tree: t} }

// Enter returns what is known in a folder, given what is known of the one
// around it. It is told whether the folder has a .git, which makes it another
// repository, where the rules of the outer one end; and whether it has a
// .gitignore that is a regular file, for git follows no links there. The error
// says why that file is not honoured; the Folder is usable.
func (f Folder) Enter(dir string, git, ignore bool) (Folder, error) {
	if git {
		f.repo, f.rules = f.tree.repository(dir), nil
	}
	if !ignore || f.ignored {
		return f, nil
	}
	if why := f.Unknown(); why != nil && (f.repo != nil || f.tree.Known) {
		return f, fmt.Errorf("nothing is ignored by it, for it is not known what git tracks all the same: %w", why)
	}
	text, err := read(f.tree.fsys, path.Join(dir, ".gitignore"), maxIgnore)
	if err != nil {
		return f, fmt.Errorf("nothing is ignored by it: %w", err)
	}
	if f.tree.work -= parseWork * len(text); f.tree.work >= 0 {
		f.rules = parse(string(text), dir, f.rules)
	}
	return f, nil
}

func (t *Tree) repository(dir string) *repository {
	r, ok := t.repos[dir]
	if !ok {
		r = open(t.fsys, dir)
		t.repos[dir] = r
	}
	return r
}

// Ignores reports whether rules ignore what is in the folder, tracked or not.
func (f Folder) Ignores(name string, folder bool) bool {
	return f.ignored || f.rules.ignores(name, folder, &f.tree.work)
}

// Tracks reports whether a file is known to be tracked, or something below a
// folder, or the submodule that a folder is.
func (f Folder) Tracks(name string) bool { return f.repo.tracks(name) }

// Ignored returns f for a folder in it that is ignored: so is all below it.
func (f Folder) Ignored() Folder {
	f.ignored = true
	return f
}

// Tracked returns the files that are known to be tracked below a folder.
func (f Folder) Tracked(name string) []string { return f.repo.under(name) }

// Unknown returns why a file may be tracked although Tracks denies it; nil
// where it is known.
func (f Folder) Unknown() error {
	if f.repo == nil {
		return errUnversioned
	}
	return f.repo.err // then nothing is ignored
}
