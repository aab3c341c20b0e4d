package cli

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
)

// maxLinks bounds the links on the way of one path, as Linux does.
const maxLinks = 40

// realPath returns the path of a file without links. What cannot be made out, it
// returns as it is.
func realPath(fsys fs.FS, name string) string {
	at, rest, hops := ".", strings.Split(name, "/"), 0
	for len(rest) > 0 {
		next := path.Join(at, rest[0])
		rest = rest[1:]
		if next == ".." || strings.HasPrefix(next, "../") {
			return name
		}
		target, err := fs.ReadLink(fsys, next)
		if err != nil {
			at = next
			continue
		}
		if hops++; hops > maxLinks || path.IsAbs(target) {
			return name
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at
}

// An overlay is a file system in which some files have another text. Everything
// else, links and folders among it, is that of the file system below.
type overlay struct {
	fs.FS
	texts map[string][]byte // by path, without links
}

var (
	_ fs.StatFS     = overlay{}
	_ fs.ReadLinkFS = overlay{}
)

// Open implements [fs.FS].
func (o overlay) Open(name string) (fs.File, error) {
	f, err := o.FS.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if info.IsDir() {
		if dir, ok := f.(fs.ReadDirFile); ok {
			return overlaidDir{dir, o, name}, nil
		}
		return f, nil
	}
	if text, ok := o.text(name); ok {
		return &overlaidFile{File: f, info: overlaidInfo{info, int64(len(text))}, text: bytes.NewReader(text)}, nil
	}
	return f, nil
}

// text returns the text of a file that has another one, whatever links lead to
// it.
func (o overlay) text(name string) ([]byte, bool) {
	if !fs.ValidPath(name) {
		return nil, false
	}
	text, ok := o.texts[realPath(o.FS, name)]
	return text, ok
}

// Stat implements [fs.StatFS].
func (o overlay) Stat(name string) (fs.FileInfo, error) {
	info, err := fs.Stat(o.FS, name)
	if err != nil || !info.Mode().IsRegular() {
		return info, err
	}
	if text, ok := o.text(name); ok {
		return overlaidInfo{info, int64(len(text))}, nil
	}
	return info, nil
}

// Lstat implements [fs.ReadLinkFS].
func (o overlay) Lstat(name string) (fs.FileInfo, error) {
	info, err := fs.Lstat(o.FS, name)
	if err != nil || !info.Mode().IsRegular() {
		return info, err
	}
	if text, ok := o.text(name); ok {
		return overlaidInfo{info, int64(len(text))}, nil
	}
	return info, nil
}

// ReadLink implements [fs.ReadLinkFS].
func (o overlay) ReadLink(name string) (string, error) { return fs.ReadLink(o.FS, name) }

// An overlaidInfo has the size of the other text.
type overlaidInfo struct {
	fs.FileInfo
	size int64
}

func (i overlaidInfo) Size() int64 { return i.size }

// An overlaidFile is an open file with another text.
type overlaidFile struct {
	fs.File
	info fs.FileInfo
	text io.Reader
}

func (f *overlaidFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *overlaidFile) Read(b []byte) (int, error) { return f.text.Read(b) }

// An overlaidDir is an open folder whose entries tell the size of other texts.
type overlaidDir struct {
	fs.ReadDirFile
	over overlay
	name string
}

func (d overlaidDir) ReadDir(n int) ([]fs.DirEntry, error) {
	entries, err := d.ReadDirFile.ReadDir(n)
	for i, e := range entries {
		entries[i] = overlaidEntry{e, d.over, path.Join(d.name, e.Name())}
	}
	return entries, err
}

type overlaidEntry struct {
	fs.DirEntry
	over overlay
	name string
}

func (e overlaidEntry) Info() (fs.FileInfo, error) { return e.over.Lstat(e.name) }
