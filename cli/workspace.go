package cli

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A workspace is a folder, and what is looked for in it.
type workspace struct {
	dir    string   // to open
	prefix string   // before the names of its files where it is not the current one
	files  []string // as scan.Search takes them; none: all of it
}

// workspaces sorts what somebody asked for by the folder that it belongs to.
// What lies in dir belongs to dir, so that a build in it may lead to another
// folder of dir. Everything else is on its own: a folder is a workspace, and a
// file belongs to the repository around it, or else to its folder.
func workspaces(dir string, asked []string) ([]workspace, error) {
	dir = cmp.Or(dir, ".")
	if len(asked) == 0 {
		return []workspace{{dir: dir}}, nil
	}
	base, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	own := workspace{dir: dir}
	var others []workspace
	for _, a := range asked {
		format, name := splitFormat(a)
		if name == "" {
			return nil, usagef("--file", "write the path of a file or folder, or a glob", "it names no file: %q", a)
		}
		full := name
		if !filepath.IsAbs(name) {
			full = filepath.Join(base, name)
		}
		if rel, err := filepath.Rel(base, full); err == nil && filepath.IsLocal(rel) {
			own.files = append(own.files, format+filepath.ToSlash(rel))
			continue
		}
		other, err := outside(format, name, full)
		if err != nil {
			return nil, err
		}
		others = append(others, other)
	}
	if len(own.files) > 0 {
		others = append([]workspace{own}, others...)
	}
	return others, nil
}

// outside returns the workspace of a path that is not in the current one.
func outside(format, name, full string) (workspace, error) {
	info, err := os.Stat(full)
	if err != nil {
		return workspace{}, usagef("--file", "write the path of a file or folder; globs work within the current folder", "%w", err)
	}
	if info.IsDir() {
		w := workspace{dir: full, prefix: filepath.ToSlash(filepath.Clean(name))}
		if format != "" {
			w.files = []string{format + "."}
		}
		return w, nil
	}
	dir := filepath.Dir(full)
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Lstat(filepath.Join(d, ".git")); err == nil {
			dir = d
			break
		}
		if d == filepath.Dir(d) {
			break
		}
	}
	rel, err := filepath.Rel(dir, full)
	if err != nil {
		return workspace{}, usagef("--file", "run boltseal in the folder of the file", "%w", err)
	}
	rel = filepath.ToSlash(rel)
	// What is left of the name before it is the prefix of all files there; a
	// name that is too short for that, such as ../Dockerfile of a repository
	// further up, makes way for the whole path.
	prefix, ok := strings.CutSuffix(filepath.ToSlash(filepath.Clean(name)), "/"+rel)
	if !ok {
		prefix = filepath.ToSlash(dir)
	}
	return workspace{dir: dir, prefix: prefix, files: []string{format + rel}}, nil
}

// splitFormat splits the format off a name, with the colon.
func splitFormat(text string) (format, name string) {
	before, after, ok := strings.Cut(text, ":")
	if ok && slices.Contains(formatNames(), before) {
		return before + ":", after
	}
	return "", text
}

func formatNames() []string {
	var names []string
	for _, f := range formats() {
		names = append(names, f.Name)
	}
	return names
}

// named returns the path of a file of w as the user knows it.
func (w workspace) named(file string) string {
	if w.prefix == "" || file == "" {
		return file
	}
	return path.Join(w.prefix, file)
}

// open returns the folder's files. Nothing outside of it can be read through
// them, whatever links there are.
func (w workspace) open() (fs.FS, func() error, error) {
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, usagef("--file", "write the path of a folder that exists", "%w", err)
		}
		return nil, nil, usagef("--file", "see whether the folder may be read", "%w", err)
	}
	return root.FS(), root.Close, nil
}
