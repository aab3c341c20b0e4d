package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// unlinked returns the name of a file, which need not be there, in a folder
// without links: two names of one file are the same.
func unlinked(name string) (string, error) {
	full, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(full))
	if err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", dir)
	}
	return filepath.Join(dir, filepath.Base(full)), err
}

// replaceable says why a file of that name must not be replaced. A link may be:
// it goes itself, and what it leads to stays as it is. Left where it is it would
// lead builders to what somebody else wrote.
func replaceable(name string) error {
	info, err := os.Lstat(name)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		info, err = os.Stat(name)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a folder", name)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is a device or a pipe, and would be replaced by a file", name)
	}
	return nil
}

// sameFile reports whether what is done to the file called name is done to
// other, which may be read through a link.
func sameFile(name, other string) bool {
	if at, err := unlinked(other); err == nil && at == name {
		return true
	}
	a, err := os.Lstat(name)
	if err != nil {
		return false
	}
	b, err := os.Stat(other)
	return err == nil && os.SameFile(a, b)
}
