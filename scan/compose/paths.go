package compose

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

var (
	errRemote  = errors.New("it is not in the workspace but fetched: it cannot be scanned; check out a copy and build from that")
	errOutside = errors.New("it leaves the workspace: it cannot be scanned")
)

// remote reports whether Compose fetches a context or file of this name
// (compose-go, paths/context.go).
func remote(name string) bool {
	return strings.Contains(name, "://") || strings.HasPrefix(name, "github.com/") || strings.HasPrefix(name, "git@")
}

// within returns the path in the workspace of a name written in a file whose
// paths are relative to dir.
func within(dir, name string) (string, error) {
	switch {
	case remote(name):
		return "", fmt.Errorf("%q: %w", name, errRemote)
	case strings.HasPrefix(name, "/"), strings.HasPrefix(name, "~"), drive(name):
		return "", fmt.Errorf("%q: %w", name, errOutside)
	}
	full := path.Join(dir, name)
	if full == ".." || strings.HasPrefix(full, "../") {
		return "", fmt.Errorf("%q: %w", name, errOutside)
	}
	return full, nil
}

// drive reports whether a path is absolute on Windows.
func drive(name string) bool {
	return strings.HasPrefix(name, `\`) || len(name) > 2 && name[1] == ':' && (name[2] == '\\' || name[2] == '/')
}
