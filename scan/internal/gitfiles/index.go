package gitfiles

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/index"
)

const (
	// maxIndex bounds an index, in bytes: half a million files and more.
	maxIndex = 64 << 20
	// maxNames bounds the names of an index together, in bytes. Version 4
	// writes each as a difference, so that a small file may stand for much.
	maxNames = 256 << 20
	// maxLink bounds a .git that is a file, in bytes.
	maxLink = 4096

	entryHeader = 62 // of an index entry, in bytes, before the name
)

// A repository is what is known of one.
type repository struct {
	folder  string
	tracked []string // relative to folder, sorted
	err     error    // why not all is known
}

// open reads the index of the repository whose working tree is in a folder.
// What an index says before it breaks off counts: it can only make more files
// be looked at.
func open(fsys fs.FS, folder string) *repository {
	r := &repository{folder: folder}
	dir, err := gitDir(fsys, folder)
	if err == nil {
		var data []byte
		switch data, err = read(fsys, path.Join(dir, "index"), maxIndex); {
		case err == nil:
			r.tracked, err = decode(data)
		case errors.Is(err, fs.ErrNotExist): // as git init leaves it
			err = isRepository(fsys, dir)
		}
	}
	r.err = err
	slices.Sort(r.tracked)
	return r
}

// isRepository returns an error unless a folder has what every repository has:
// only of one is it known that without an index nothing is tracked.
func isRepository(fsys fs.FS, dir string) error {
	_, err := fs.Stat(fsys, path.Join(dir, "HEAD"))
	return err
}

// gitDir returns the folder that holds a repository's index. Submodules and
// other worktrees have a file instead that says where it is; only those in the
// workspace can be followed.
func gitDir(fsys fs.FS, folder string) (string, error) {
	git := path.Join(folder, ".git")
	if info, err := fs.Stat(fsys, git); err != nil || info.IsDir() {
		return git, err
	}
	data, err := read(fsys, git, maxLink)
	if err != nil {
		return "", err
	}
	link, ok := strings.CutPrefix(strings.TrimRight(string(data), "\r\n"), "gitdir: ")
	if !ok {
		return "", fmt.Errorf("%s is a file that does not say where the repository is", git)
	}
	dir := path.Join(folder, link)
	if path.IsAbs(link) || !fs.ValidPath(dir) {
		return "", fmt.Errorf("%s leads out of the workspace, to %q", git, link)
	}
	return dir, nil
}

// read returns a file of at most limit bytes.
func read(fsys fs.FS, name string, limit int64) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	tooLarge := fmt.Errorf("%s is larger than %d bytes", name, limit)
	if info.Size() > limit { // need not be read to know it
		return nil, tooLarge
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil && int64(len(data)) > limit { // it has grown
		err = tooLarge
	}
	return data, err
}

// decode returns the paths of an index.
func decode(data []byte) ([]string, error) {
	if err := bounded(data); err != nil {
		return nil, err
	}
	var idx index.Index
	err := index.NewDecoder(bytes.NewReader(data)).Decode(&idx)
	names := make([]string, len(idx.Entries))
	for i, e := range idx.Entries {
		names[i] = e.Name
	}
	if errors.Is(err, index.ErrInvalidChecksum) && bytes.HasSuffix(data, make([]byte, 20)) {
		err = nil // index.skipHash: there is none
	}
	if err != nil {
		err = fmt.Errorf("the index cannot be read: %w", err)
	}
	return names, err
}

// bounded checks what an index would unfold to. What is broken is left to the
// decoder.
func bounded(data []byte) error {
	if len(data) < 12 || string(data[:4]) != "DIRC" {
		return nil
	}
	version, count := binary.BigEndian.Uint32(data[4:]), binary.BigEndian.Uint32(data[8:])
	if int64(count) > int64(len(data)/entryHeader) {
		return fmt.Errorf("the index cannot be read: it is too short for %d files", count)
	}
	if version != 4 {
		return nil
	}
	rest, length, total := data[12:], 0, 0
	for range count {
		if len(rest) < entryHeader {
			return nil
		}
		name := rest[entryHeader:]
		if rest[entryHeader-2]&0x40 != 0 && len(name) >= 2 { // more flags
			name = name[2:]
		}
		cut, suffix := strip(name)
		end := bytes.IndexByte(suffix, 0)
		if end < 0 || cut > length {
			return nil
		}
		length += end - cut
		if total += length; total > maxNames {
			return fmt.Errorf("the index cannot be read: its names are more than %d bytes", maxNames)
		}
		rest = suffix[end+1:]
	}
	return nil
}

// strip reads how many bytes of the name before it a name does without: a
// number as in the offsets of pack files (gitformat-index, "Index entry").
func strip(name []byte) (cut int, suffix []byte) {
	for i, c := range name {
		cut |= int(c & 0x7f)
		if c&0x80 == 0 {
			return cut, name[i+1:]
		}
		if cut = (cut + 1) << 7; cut > maxIndex {
			break
		}
	}
	return maxIndex, nil
}

// tracks reports whether git has a file of this path, or files in a folder of
// this path.
func (r *repository) tracks(name string) bool {
	if r == nil {
		return false
	}
	rel := below(r.folder, name)
	if _, found := slices.BinarySearch(r.tracked, rel); found { // a submodule is one, too
		return true
	}
	i, _ := slices.BinarySearch(r.tracked, rel+"/")
	return i < len(r.tracked) && strings.HasPrefix(r.tracked[i], rel+"/")
}

// under returns what is tracked below a folder.
func (r *repository) under(name string) []string {
	if r == nil {
		return nil
	}
	prefix := below(r.folder, name) + "/"
	i, _ := slices.BinarySearch(r.tracked, prefix)
	var out []string
	for ; i < len(r.tracked) && strings.HasPrefix(r.tracked[i], prefix); i++ {
		out = append(out, path.Join(r.folder, r.tracked[i]))
	}
	return out
}
