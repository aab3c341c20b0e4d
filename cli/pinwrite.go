package cli

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/verify"
)

// A replacement is the new text of one file.
type replacement struct {
	name     string      // in the workspace, slash-separated
	old, new []byte      // the text that was read, and what replaces it
	info     fs.FileInfo // of the file when it was read
}

// A disk is what it takes to replace files, and where it can fail. Names are
// slash-separated, and relative to one folder, out of which nothing leads.
type disk interface {
	Lstat(name string) (fs.FileInfo, error)
	Read(name string) ([]byte, error)
	// Create makes a file that is not there yet, for nobody else to read.
	Create(name string) (diskFile, error)
	Link(old, name string) error
	Rename(old, name string) error
	Remove(name string) error
}

// A diskFile is one that is written.
type diskFile interface {
	io.WriteCloser
	Stat() (fs.FileInfo, error)
	Chmod(fs.FileMode) error
	Chown(uid, gid int) error
	Sync() error
}

// A rootDisk is the folder of a workspace.
type rootDisk struct{ root *os.Root }

func (r rootDisk) Lstat(name string) (fs.FileInfo, error) { return r.root.Lstat(name) }
func (r rootDisk) Read(name string) ([]byte, error)       { return scan.ReadFile(r.root.FS(), name) }
func (r rootDisk) Link(old, name string) error            { return r.root.Link(old, name) }
func (r rootDisk) Rename(old, name string) error          { return r.root.Rename(old, name) }
func (r rootDisk) Remove(name string) error               { return r.root.Remove(name) }
func (r rootDisk) Create(name string) (diskFile, error) {
	return r.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}

// A staged replacement has its new text in a file beside the old one.
type staged struct {
	replacement
	next string      // the new text
	back string      // the old text, and the old file itself where that can be had
	made fs.FileInfo // of next
	link bool        // back is the old file itself
}

// replaceFiles replaces all files or none, unless an error says which are not as
// they were. Each is whole at any time, the old or the new: a temporary file in
// its folder takes its place. A file that is no longer what was read is not
// replaced, and neither are the others then. What somebody saves in the moment of
// the replacement is theirs: it stays, or the error says where it is. Litter is
// what could not be removed.
func replaceFiles(on disk, all []replacement) (litter []string, err error) {
	var (
		set  []staged
		kept = map[string]bool{}
	)
	defer func() {
		for _, s := range set {
			for _, name := range []string{s.next, s.back} {
				if name == "" || kept[name] {
					continue
				}
				if err := on.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) { // it has taken its place
					litter = append(litter, name)
				}
			}
		}
	}()
	failed := func(name string, err error, tried []staged) error {
		hint := cmp.Or(verify.Hint(err), "see that the files and their folders may be written, and run it again")
		return &verify.Error{Op: "write " + name, Err: errors.Join(err, restore(on, tried, kept)), Hint: hint}
	}
	for _, r := range all {
		set = append(set, staged{replacement: r})
		if err := stageFile(on, &set[len(set)-1]); err != nil {
			return nil, failed(r.name, err, nil)
		}
	}
	for _, s := range set {
		if err := unchanged(on, s.replacement); err != nil {
			return nil, failed(s.name, err, nil)
		}
	}
	for i, s := range set {
		err := unchanged(on, s.replacement) // it may be long since all were looked at
		if err != nil {
			return nil, failed(s.name, err, set[:i])
		}
		if err = on.Rename(s.next, s.name); err != nil {
			return nil, failed(s.name, err, set[:i+1])
		}
		set[i].next = ""
	}
	for _, s := range set { // the backups are removed
		if err := overtaken(on, s); err != nil {
			return nil, failed(s.name, err, set)
		}
	}
	return nil, nil
}

// overtaken reports an error if somebody wrote to the old file before it was
// replaced: they have it open, or its text is not what was read.
func overtaken(on disk, s staged) error {
	if !s.link {
		return nil // the backup is a copy, which knows nothing of it
	}
	old := s.replacement
	old.name = s.back
	return unchanged(on, old)
}

// stageFile writes both texts of a file beside it.
func stageFile(on disk, s *staged) error {
	next := beside(s.name)
	if err := write(on, next, s.new, s.info, &s.next); err != nil {
		return err
	}
	var err error
	if s.made, err = on.Lstat(next); err != nil {
		return err
	}
	// A link keeps all that the file is. Not every file system has them.
	back := beside(s.name)
	if on.Link(s.name, back) == nil {
		s.back, s.link = back, true
		return nil
	}
	return write(on, back, s.old, s.info, &s.back)
}

// beside returns a new name in the folder of a file.
func beside(name string) string {
	return path.Join(path.Dir(name), ".boltseal-pin-"+rand.Text()[:12])
}

// write makes a file like the one that info is of. Made is its name once it is
// there.
func write(on disk, name string, text []byte, like fs.FileInfo, made *string) error {
	f, err := on.Create(name)
	if err != nil {
		return err
	}
	*made = name
	_, err = f.Write(text)
	if err == nil {
		err = sameOwner(f, like)
	}
	if err == nil {
		err = f.Chmod(like.Mode().Perm())
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// sameOwner gives a file to the owner of another one, as far as that is allowed:
// who may not is the owner of what they write, as with other editors.
func sameOwner(f diskFile, like fs.FileInfo) error {
	uid, gid, ok := owner(like)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if u, g, ok := owner(info); ok && (u != uid || g != gid) {
		if f.Chown(uid, gid) != nil {
			_ = f.Chown(-1, gid)
		}
	}
	return nil
}

var errChanged = errors.New("somebody has changed it meanwhile")

// unchanged reports an error if a file is not what was read.
func unchanged(on disk, r replacement) error { return is(on, r.name, r.info, r.old) }

// is reports an error if what is called name is not the file of info with this
// text.
func is(on disk, name string, like fs.FileInfo, want []byte) error {
	changed := &verify.Error{Op: "look at it again", Err: errChanged, Hint: "run it again"}
	info, err := on.Lstat(name)
	if err != nil {
		return err
	}
	if !os.SameFile(info, like) || info.Mode() != like.Mode() {
		return changed
	}
	text, err := on.Read(name)
	if err == nil && !bytes.Equal(text, want) {
		return changed
	}
	return err
}

// restore gives files that were replaced their old text, also where that has been
// written to meanwhile, and says which it cannot: what somebody else has put in
// the place of what this run wrote stays. What is needed to do the rest by hand is
// kept.
func restore(on disk, tried []staged, kept map[string]bool) error {
	var errs []error
	for _, s := range slices.Backward(tried) {
		if info, err := on.Lstat(s.name); err == nil && os.SameFile(info, s.info) {
			continue // it was not replaced
		}
		err := is(on, s.name, s.made, s.new)
		theirs := errors.Is(err, errChanged) || errors.Is(err, fs.ErrNotExist)
		if err == nil {
			err = on.Rename(s.back, s.name)
		}
		switch {
		case err == nil:
			continue
		case theirs:
			err = fmt.Errorf("%s is somebody else's now and stays, and %s has the old text", s.name, s.back)
		default:
			err = fmt.Errorf("%s may have its new text, and %s has the old one: %w", s.name, s.back, err)
		}
		kept[s.back] = true
		errs = append(errs, err)
	}
	if errs == nil {
		return errors.New("all files are as they were")
	}
	return errors.Join(errs...)
}
