package scan

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// Regular returns a view of fsys in which only folders and regular files can be
// opened, so that nobody waits for the other end of a pipe called Dockerfile,
// or reads a device. It should be an [fs.StatFS], as that of an [os.Root] is:
// others are asked about a file by opening it.
func Regular(fsys fs.FS) fs.FS {
	switch fsys.(type) {
	case regular, shared:
		return fsys
	}
	return regular{fsys}
}

// ReadFile returns the text of a file of at most [MaxFile] bytes. It opens
// nothing but a regular file, whatever fsys is.
func ReadFile(fsys fs.FS, name string) (text []byte, err error) {
	f, err := Regular(fsys).Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err = io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err == nil && len(text) > MaxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, MaxFile>>20)
	}
	if s, ok := fsys.(shared); ok && err == nil {
		s.read(name, text)
	}
	return text, err
}

// shared is a view in which somebody else sees what ReadFile returns.
type shared struct {
	regular
	read func(name string, text []byte)
}

// share returns a view as [Regular] does, in which read sees what is read, unless
// it is nil.
func share(fsys fs.FS, read func(name string, text []byte)) fs.FS {
	fsys = Regular(fsys)
	if r, ok := fsys.(regular); ok && read != nil {
		return shared{r, read}
	}
	return fsys
}

type regular struct{ fsys fs.FS }

var (
	_ fs.StatFS     = regular{}
	_ fs.ReadLinkFS = regular{}
	_ fs.ReadLinkFS = shared{}
)

func (r regular) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("%w: it leads out of the workspace, or is not UTF-8: rename it, or exclude it", fs.ErrInvalid)}
	}
	info, err := fs.Stat(r.fsys, name)
	if err != nil {
		return nil, r.explain(name, err)
	}
	if mode := info.Mode(); !mode.IsRegular() && !mode.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("%s is no regular file: put one in its place, or exclude it", kind(mode))}
	}
	f, err := r.fsys.Open(name)
	return f, plainly(err)
}

// plainly names the system call of an [os.Root] as people know it.
func plainly(err error) error {
	p, ok := err.(*fs.PathError) //nolint:errorlint // what is around another error is not to be lost
	if !ok {
		return err
	}
	switch p.Op {
	case "openat", "statat", "lstatat", "readlinkat":
		return &fs.PathError{Op: strings.TrimSuffix(p.Op, "at"), Path: p.Path, Err: p.Err}
	}
	return err
}

// explain says of a link that cannot be followed where it leads.
func (r regular) explain(name string, err error) error {
	err = plainly(err)
	target, none := fs.ReadLink(r.fsys, name)
	if none != nil {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("a link to %q, which is not there: %w", target, err)
	}
	return fmt.Errorf("a link to %q, which cannot be followed within the workspace: %w", target, err)
}

func kind(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "this"
}

func (r regular) Stat(name string) (fs.FileInfo, error) {
	info, err := fs.Stat(r.fsys, name)
	return info, plainly(err)
}

func (r regular) Lstat(name string) (fs.FileInfo, error) {
	info, err := fs.Lstat(r.fsys, name)
	return info, plainly(err)
}

func (r regular) ReadLink(name string) (string, error) { return fs.ReadLink(r.fsys, name) }
