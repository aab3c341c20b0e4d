//go:build !windows

package dct

import (
	"errors"
	"os"
	"syscall"
)

// lockFile makes the file name if there is none, and locks it until it is closed.
// The error is errLocked if somebody has.
func lockFile(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|syscall.O_NONBLOCK, 0o600) //nolint:gosec // the file is beside the cache; a pipe would not open
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, &os.PathError{Op: "lock", Path: name, Err: err}
	}
	return file, nil
}
