package bake

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
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
	file, err = b.find(file0, at)
	return file, at, err
}

// find returns the path of a file, relative to the workspace: in the folder in
// which bake is run, as far as that can be told, or else in the other one.
func (b *builder) find(name string, at place) (string, error) {
	named := b.source.Together(b.report.files[0]) != nil
	dirs := []string{b.dir, path.Clean(b.source.Within)}
	if named {
		slices.Reverse(dirs)
	}
	file, err := b.in(dirs[0], name)
	other, otherErr := b.in(dirs[1], name)
	switch {
	case err != nil && otherErr == nil:
		return other, nil
	case err == nil && otherErr == nil && file != other && !named:
		b.report.problem(&problem{at, fmt.Errorf("%s is built if bake is run in its own folder, %s if it is run where boltseal is: name the bake file with -f, in the folder where bake is run", quote(file), quote(other))})
	}
	return file, err
}

// in returns the path of a file in a folder.
func (b *builder) in(dir, name string) (string, error) {
	file := path.Join(dir, name)
	if !fs.ValidPath(file) {
		return "", fmt.Errorf("%s is not in the workspace", quote(file))
	}
	return lowercase(b.source.FS, file)
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
