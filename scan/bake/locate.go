package bake

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// localScheme says that a path is of the folder where bake runs, even where
// its files come from elsewhere.
const localScheme = "cwd://"

// locate returns the file of a target's Dockerfile, and the place that says so.
func (b *builder) locate(t *target) (file string, at place, err error) {
	folder, name := ".", "Dockerfile"
	at = t.at
	if t.context != nil {
		at = t.context.at
		if folder, err = t.context.settled("context"); err != nil {
			return "", at, err
		}
	}
	if t.dockerfile != nil {
		if name, err = t.dockerfile.settled("dockerfile"); err != nil {
			return "", t.dockerfile.at, err
		}
		if name == "" {
			name = "Dockerfile"
		} else {
			at = t.dockerfile.at
		}
	}
	var file0 string
	switch local, ok := strings.CutPrefix(name, localScheme); {
	case ok:
		file0 = path.Clean(local)
	case remote(folder):
		return "", at, fmt.Errorf("its context %s is fetched from elsewhere; check it out into the workspace", quote(folder))
	case path.IsAbs(path.Clean(name)):
		file0 = path.Clean(name)
	default:
		file0 = path.Join(path.Clean(strings.TrimPrefix(folder, localScheme)), path.Clean(name))
	}
	if path.IsAbs(file0) {
		return "", at, fmt.Errorf("%s is not in the workspace", quote(file0))
	}
	file, err = b.find(file0)
	return file, at, err
}

// find returns the path of a file, relative to the workspace: in the
// definition's folder, or else in the root, where bake may have been run.
func (b *builder) find(name string) (string, error) {
	var first error
	for _, dir := range []string{b.dir, "."} {
		file := path.Join(dir, name)
		err := fmt.Errorf("%s is not in the workspace", quote(file))
		if fs.ValidPath(file) {
			if file, err = lowercase(b.source.FS, file); err == nil {
				return file, nil
			}
		}
		if first == nil {
			first = err
		}
	}
	return "", first
}

// lowercase returns the file, or where there is no Dockerfile, the dockerfile.
func lowercase(fsys fs.FS, file string) (string, error) {
	info, err := fs.Stat(fsys, file)
	if errors.Is(err, fs.ErrNotExist) && path.Base(file) == "Dockerfile" {
		other := path.Join(path.Dir(file), "dockerfile")
		if info, otherErr := fs.Stat(fsys, other); otherErr == nil && !info.IsDir() {
			return other, nil
		}
	}
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder", quote(file))
	}
	return file, err
}

// remote reports whether a context is fetched: from a web server or with git.
// The forms are those of BuildKit's gitutil.ParseURL.
func remote(context string) bool {
	for _, prefix := range []string{"http://", "https://", "git://", "ssh://", "github.com/"} {
		if strings.HasPrefix(context, prefix) {
			return true
		}
	}
	// git@host:path
	user, rest, ok := strings.Cut(context, "@")
	host, _, colon := strings.Cut(rest, ":")
	return ok && colon && user != "" && !strings.ContainsAny(user, "/:") && host != "" && !strings.Contains(host, "/")
}
