package scan

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan/internal/gitfiles"
)

// bounds limit a Search.
type bounds struct {
	entries int // files and folders that are looked at
	aside   int // those of them in ignored folders, which are only reported
	depth   int // of folders
	files   int // to scan
}

// A finder carries out a Search.
type finder struct {
	fsys     fs.FS
	formats  []*Format
	excludes []exclude
	left     bounds
	given    bounds
	tree     *gitfiles.Tree

	files    []File
	taken    map[taken]int // where in files
	wrong    []image.Use
	warnings []Warning
	errs     []error

	ignored, excluded, skipped, unrecognized pathSet
	unscanned                                map[string]*pathSet // files that are left out, by why
	full                                     bool                // there are more files than are scanned
}

func newFinder(fsys fs.FS, formats []*Format, b bounds) *finder {
	return &finder{
		fsys: fsys, formats: formats, left: b, given: b,
		tree:  gitfiles.NewTree(fsys),
		taken: map[taken]int{}, unscanned: map[string]*pathSet{},
	}
}

// A folder is one that is walked.
type folder struct {
	path     string
	git      gitfiles.Folder
	aside    bool // it is ignored: what would be scanned is only reported
	requests []*request
}

// search walks the folder in which the requests start. What is asked for is
// not ignored, so that only the rules about what is in it count.
func (f *finder) search(requests []*request) {
	start := requests[0].start
	if f.excludedBy(start, true) != "" {
		f.excluded.add(start)
		return
	}
	if info, err := fs.Stat(f.fsys, start); err != nil || !info.IsDir() {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.fail(start, err)
		}
		return
	}
	f.walk(folder{path: start, git: f.around(start), requests: requests})
}

// around returns what git makes of the folders that a folder is in.
func (f *finder) around(name string) gitfiles.Folder {
	if name == "." {
		return f.tree.Outside()
	}
	git := f.pass(f.tree.Outside(), ".")
	for i := range name {
		if name[i] == '/' {
			git = f.pass(git, name[:i])
		}
	}
	return git
}

// pass enters a folder on the way to the one that is walked.
func (f *finder) pass(git gitfiles.Folder, dir string) gitfiles.Folder {
	_, err := f.lstat(path.Join(dir, ".git"))
	info, none := f.lstat(path.Join(dir, ".gitignore"))
	return f.enter(git, dir, err == nil, none == nil && info.Mode().IsRegular())
}

func (f *finder) enter(git gitfiles.Folder, dir string, repository, ignore bool) gitfiles.Folder {
	git, err := git.Enter(dir, repository, ignore)
	if err != nil {
		f.warn(path.Join(dir, ".gitignore"), err.Error())
	}
	return git
}

// walk looks at what is in a folder, and below it.
func (f *finder) walk(d folder) {
	entries, err := f.read(d)
	if err != nil && d.aside {
		f.ignored.more = true
	} else if err != nil {
		f.fail(d.path, err)
	}
	var repository, ignore bool
	for _, e := range entries {
		repository = repository || e.Name() == ".git"
		ignore = ignore || e.Name() == ".gitignore" && e.Type().IsRegular()
	}
	d.git = f.enter(d.git, d.path, repository, ignore)
	for _, e := range entries {
		name := path.Join(d.path, e.Name())
		switch {
		case e.IsDir():
			f.folder(d, name)
		default:
			f.file(d, name, e.Type()&fs.ModeSymlink != 0)
		}
	}
}

// errAside is why the count of ignored files is not complete.
var errAside = errors.New("too many files in ignored folders")

// read returns what is in a folder, sorted; with an error, what could be read.
func (f *finder) read(d folder) ([]fs.DirEntry, error) {
	left := &f.left.entries
	tooMany := fmt.Errorf("more than %d files and folders, the rest of which nobody looked at: ask for fewer with -f, or exclude some", f.given.entries)
	if d.aside {
		left, tooMany = &f.left.aside, errAside
	}
	if *left < 0 {
		return nil, nil // which was said before
	}
	file, err := f.fsys.Open(d.path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	dir, ok := file.(fs.ReadDirFile)
	if !ok {
		return nil, errNoFolder
	}
	var all []fs.DirEntry
	for err == nil && len(all) <= *left {
		var some []fs.DirEntry
		some, err = dir.ReadDir(min(*left+1-len(all), 4096))
		all = append(all, some...)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if *left -= len(all); *left < 0 {
		err = tooMany
	}
	slices.SortFunc(all, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return all, err
}

// folder walks a folder that is in another one, unless it is left out.
func (f *finder) folder(d folder, name string) {
	base := path.Base(name)
	requests := slices.DeleteFunc(slices.Clone(d.requests), func(r *request) bool { return r.globs && !r.glob.Below(name) })
	switch {
	case base == ".git", len(requests) == 0:
		return
	case f.isExcluded(name, true):
		f.excluded.add(name)
		return
	case base == "vendor", base == "node_modules", base == "testdata":
		f.skip(d, name)
		return
	}
	sub := folder{path: name, git: d.git, requests: requests}
	if d.git.Ignores(name, true) {
		sub.git = d.git.Ignored()
		sub.aside = !d.git.Tracks(name)
	}
	if strings.Count(name, "/") >= f.given.depth {
		f.deep(sub)
		return
	}
	f.walk(sub)
}

// skip leaves out a folder that mostly has other people's files, or files for
// tests. What git tracks there may be somebody's own, and part of the build.
func (f *finder) skip(d folder, name string) {
	f.skipped.add(name)
	for _, tracked := range d.git.Tracked(name) {
		if f.excludedBy(tracked, false) == "" && slices.ContainsFunc(d.requests, func(r *request) bool { return f.wants(r, tracked) }) {
			f.leave(tracked, "it is in a folder called "+path.Base(name))
		}
	}
}

// deep reports a folder that is too deep to be walked.
func (f *finder) deep(d folder) {
	if d.aside {
		f.ignored.more = true
		return
	}
	f.fail(d.path, fmt.Errorf("folders are nested more than %d deep: ask for this one with -f, or exclude it", f.given.depth))
}

// file takes a file for each request that wants it, unless it is left out.
func (f *finder) file(d folder, name string, link bool) {
	wanted := slices.DeleteFunc(slices.Clone(d.requests), func(r *request) bool { return !f.wants(r, name) })
	if len(wanted) == 0 {
		if link && !d.aside && f.isFolder(name) {
			f.skipped.add(name)
		}
		return
	}
	switch {
	case link && f.isFolder(name):
		f.skipped.add(name)
	case f.isExcluded(name, false):
		f.excluded.add(name)
	case d.git.Ignores(name, false) && !d.git.Tracks(name):
		f.ignore(d, name, wanted)
	default:
		for _, r := range wanted {
			f.found(r, name)
		}
	}
}

// wants reports whether a request is for a file.
func (f *finder) wants(r *request, name string) bool {
	switch {
	case r.globs:
		return r.glob.Match(name)
	case r.format != nil:
		return r.format.Match(name)
	}
	return recognize(f.formats, name) != nil
}

// isFolder reports whether a link leads to a folder.
func (f *finder) isFolder(link string) bool {
	info, err := fs.Stat(f.fsys, link)
	return err == nil && info.IsDir()
}

// found takes a file that a request is for.
func (f *finder) found(r *request, name string) {
	format, err := f.choose(*r, name)
	if err == nil && format == nil {
		if strings.Contains(path.Base(name), ".") {
			f.unrecognized.add(name)
			r.unrecognized++
			return
		}
		format, err = f.dockerfile(*r, name)
	}
	r.found++
	switch {
	case err == nil:
		f.take(name, format, 0)
	case !r.failed:
		r.failed = true
		f.errs = append(f.errs, err)
	}
}

// ignore notes a file that is not scanned because git ignores it.
func (f *finder) ignore(d folder, name string, wanted []*request) {
	f.ignored.add(name)
	for _, r := range wanted {
		r.ignored++
	}
	why := "git ignores it and does not track it"
	if err := d.git.Unknown(); err != nil {
		why = fmt.Sprintf(".gitignore ignores it, and whether git tracks it all the same is not known (%v)", err)
	}
	f.leave(name, why)
}

// leave notes a file that is not scanned, for a warning.
func (f *finder) leave(name, why string) {
	if f.unscanned[why] == nil {
		f.unscanned[why] = &pathSet{}
	}
	f.unscanned[why].add(name)
}

// A taken file is one to scan as of a format.
type taken struct {
	path   string
	format *Format
}

// take adds a file to scan; named is as in File.
func (f *finder) take(name string, format *Format, named int) {
	if i, again := f.taken[taken{name, format}]; again {
		if f.files[i].Named == 0 {
			f.files[i].Named = named
		}
		return
	}
	if f.full {
		return
	}
	if f.full = len(f.files) >= f.given.files; f.full {
		f.fail(name, fmt.Errorf("more than %d files to scan: ask for fewer with -f, or exclude some", f.given.files))
		return
	}
	f.taken[taken{name, format}] = len(f.files)
	f.files = append(f.files, File{name, format, named})
}

// fail adds what could not be looked into.
func (f *finder) fail(name string, err error) {
	f.wrong = append(f.wrong, image.Use{At: start(name), Kind: image.File, Err: fmt.Errorf("look for files: %w", err)})
}

func (f *finder) warn(name, text string) {
	f.warnings = append(f.warnings, Warning{At: start(name), Text: text})
}

// warnUnscanned says where a file that is left out may be part of the build.
func (f *finder) warnUnscanned() {
	for why, paths := range f.unscanned {
		out := paths.leftOut()
		what := "not scanned: " + why
		if out.Count > 1 {
			what = fmt.Sprintf("%d files are not scanned, of which this is the first: %s", out.Count, why)
		}
		f.warn(out.First[0], what+": name with -f what your build uses")
	}
	if f.tree.Exhausted() {
		f.warn(".gitignore", "the rules are too many for so many files: from some file on nothing was ignored")
	}
}

// start is where a file or folder begins.
func start(name string) image.Position { return image.Position{File: name, Line: 1, Col: 1} }
