package cli

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A workspace is a folder, and what is looked for in it.
type workspace struct {
	dir     string   // to open, absolute
	base    string   // the current folder, absolute, that names are shown relative to; "" shows absolute ones
	inside  string   // the current folder's path in dir, slash-separated; "." if they are the same or it is not in it
	files   []string // as scan.Search takes them; none: all of it
	exclude []string
}

// workspaces sorts what somebody asked for by the folder that it belongs to:
// the repository around it, so that a build may lead to another folder of it
// and .gitignore means what it means for git; without one, the current folder,
// and for what is not in that, the folder that is asked for or the file's.
func workspaces(dir string, asked, exclude []string) ([]workspace, error) {
	base, err := filepath.Abs(cmp.Or(dir, "."))
	if err != nil {
		return nil, err
	}
	own := workspace{dir: repository(base, base), base: base, inside: "."}
	own.inside = slashed(own.dir, base)
	own.exclude = own.excludes(exclude)
	if len(asked) == 0 {
		return []workspace{own}, nil
	}
	var all []workspace
	for _, a := range asked {
		format, name := splitFormat(a)
		switch name {
		case "":
			return nil, usagef("--file", "write the path of a file or folder, or a glob", "it names no file: %q", a)
		case "-":
			return nil, usagef("--file", "write it to a file, and name that", "standard input is not read")
		}
		full := name
		if !filepath.IsAbs(name) {
			full = filepath.Join(base, name)
		}
		w := own
		if rel, err := filepath.Rel(base, full); err != nil || !filepath.IsLocal(rel) {
			if w, err = outside(base, name, full, exclude); err != nil {
				return nil, err
			}
		}
		i := slices.IndexFunc(all, func(o workspace) bool { return o.dir == w.dir && o.base == w.base })
		if i < 0 {
			i, all = len(all), append(all, w)
		}
		entry := slashed(w.dir, full)
		if strings.HasSuffix(name, "/") {
			entry += "/" // only of a folder
		}
		all[i].files = append(all[i].files, format+entry)
	}
	return all, nil
}

// byPath is err of a command whose files are its arguments too, flagged being
// those that --file names: where there are none of these, nothing was wrong with
// that flag.
func byPath(err error, flagged []string) error {
	if u := (*usageError)(nil); len(flagged) == 0 && errors.As(err, &u) && u.flag == "--file" {
		return &usageError{"PATH", u.next, u.err}
	}
	return err
}

// outside returns the workspace of a path that is not in the current folder.
func outside(base, name, full string, exclude []string) (workspace, error) {
	info, err := os.Stat(full)
	if err != nil {
		return workspace{}, usagef("--file", "write the path of a file or folder; globs work within the current folder", "%w", err)
	}
	own := full
	if !info.IsDir() {
		own = filepath.Dir(full)
	}
	w := workspace{dir: repository(own, own), base: base, inside: "."}
	if filepath.IsAbs(name) {
		w.base = ""
	}
	w.exclude = w.excludes(exclude)
	return w, nil
}

// repository returns the nearest folder around dir that is a repository, or
// else instead.
func repository(dir, instead string) string {
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Lstat(filepath.Join(d, ".git")); err == nil {
			return d
		}
		if d == filepath.Dir(d) {
			return instead
		}
	}
}

// excludes returns globs that are relative to the current folder as they are
// in w.
func (w workspace) excludes(globs []string) []string {
	if w.inside == "." {
		return globs
	}
	var out []string
	for _, g := range globs {
		if strings.Contains(strings.TrimSuffix(g, "/"), "/") {
			g = literal.Replace(w.inside) + "/" + strings.TrimPrefix(g, "./")
		}
		out = append(out, g)
	}
	return out
}

// literal writes a path as a glob that matches nothing else.
var literal = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "{", `\{`)

// slashed returns the path of full in dir, with slashes.
func slashed(dir, full string) string {
	rel, err := filepath.Rel(dir, full)
	if err != nil {
		return filepath.ToSlash(full)
	}
	return filepath.ToSlash(rel)
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
	switch full := filepath.Join(w.dir, filepath.FromSlash(file)); {
	case file == "":
		return ""
	case w.base == "":
		return filepath.ToSlash(full)
	default:
		return slashed(w.base, full)
	}
}

// asked returns an entry of w's files as the user wrote it, or nearly so.
func (w workspace) asked(entry string) string {
	format, name := splitFormat(entry)
	if w.inside != "." {
		if rest, ok := strings.CutPrefix(name, w.inside+"/"); ok {
			return format + rest
		}
	}
	return entry
}

// open returns the folder's files. Nothing outside of it can be read through
// them, whatever links there are.
func (w workspace) open() (fs.FS, func() error, error) {
	root, err := w.root()
	if err != nil {
		return nil, nil, err
	}
	return root.FS(), root.Close, nil
}

// root opens the folder itself, to read and to write.
func (w workspace) root() (*os.Root, error) {
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		return nil, usagef("--file", "see whether the folder is there and may be read", "%w", err)
	}
	return root, nil
}
