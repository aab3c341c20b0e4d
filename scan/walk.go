package scan

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
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
	links   int // to folders, that are followed
	beside  int // files that no format takes, and that are listed
}

// A finder carries out a Search.
type finder struct {
	fsys     fs.FS
	formats  []*Format
	excludes []exclude
	left     bounds
	given    bounds
	tree     *gitfiles.Tree
	inside   map[string]gitfiles.Folder // what git makes of folders that are passed

	files    []File
	taken    map[taken]int // where in files
	wrong    []image.Use
	warnings []Warning
	errs     []error

	asksBeside func(path string) bool
	beside     []string

	ignored, excluded, skipped, unrecognized pathSet
	unscanned                                map[string]*pathSet // files that are left out, by why
	unusable                                 map[string]*pathSet // .gitignore files, by why
	full                                     bool                // there are more files than are scanned
}

func newFinder(fsys fs.FS, formats []*Format, b bounds) *finder {
	return &finder{
		fsys: fsys, formats: formats, left: b, given: b,
		tree:   gitfiles.NewTree(fsys),
		inside: map[string]gitfiles.Folder{},
		taken:  map[taken]int{}, unscanned: map[string]*pathSet{}, unusable: map[string]*pathSet{},
	}
}

// A folder is one that is walked.
type folder struct {
	path     string
	real     string // the same without links, as git knows it
	journey  *journey
	links    []string // where the links on the way led
	covered  bool     // it is walked without the link on the way to it, too
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
	j := &journey{start: start, real: f.resolve(start), entered: map[entry]bool{}}
	f.walk(folder{path: start, real: j.real, journey: j, git: f.around(j.real), requests: requests})
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
		note(f.unusable, path.Join(dir, ".gitignore"), err.Error())
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
	d.git = f.enter(d.git, d.real, repository, ignore)
	for _, e := range entries {
		name := path.Join(d.path, e.Name())
		switch {
		case e.IsDir():
			f.folder(d, name)
		case e.Type()&fs.ModeSymlink != 0 && f.isFolder(name):
			f.follow(d, name)
		default:
			f.file(d, name)
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
	requests := f.entering(d, name)
	if len(requests) == 0 {
		return
	}
	sub := d
	sub.path, sub.real, sub.requests, sub.aside = name, path.Join(d.real, path.Base(name)), requests, false
	if d.git.Ignores(sub.real, true) {
		sub.git = d.git.Ignored()
		sub.aside = !d.git.Tracks(sub.real)
	}
	if strings.Count(name, "/") >= f.given.depth {
		f.deep(sub)
		return
	}
	f.walk(sub)
}

// entering returns the requests for which a folder in d is entered, none if it is
// left out, which it notes.
func (f *finder) entering(d folder, name string) []*request {
	base := path.Base(name)
	requests := below(d.requests, name)
	switch {
	case base == ".git", len(requests) == 0:
		return nil
	case f.isExcluded(name, true):
		f.excluded.add(name)
		return nil
	case unwalked(base):
		f.skip(d, name)
		return nil
	}
	return requests
}

// below returns the requests that may be for something in a folder.
func below(requests []*request, name string) []*request {
	return slices.DeleteFunc(slices.Clone(requests), func(r *request) bool { return r.globs && !r.glob.Below(name) })
}

// skip leaves out a folder that mostly has other people's files, or files for
// tests. What git tracks there may be somebody's own, and part of the build.
func (f *finder) skip(d folder, name string) {
	f.skipped.add(name)
	dest := path.Join(d.real, path.Base(name))
	for _, tracked := range d.git.Tracked(dest) {
		tracked = name + strings.TrimPrefix(tracked, dest)
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
func (f *finder) file(d folder, name string) {
	base := path.Base(name)
	wanted := slices.DeleteFunc(slices.Clone(d.requests), func(r *request) bool {
		return !f.wants(r, name) || f.elsewhere(d, r, base)
	})
	dest := path.Join(d.real, base)
	switch {
	case len(wanted) == 0:
		f.aside(d, name, dest)
	case f.isExcluded(name, false):
		f.excluded.add(name)
	case d.git.Ignores(dest, false) && !d.git.Tracks(dest):
		f.ignore(d, name, wanted)
	default:
		for _, r := range wanted {
			f.found(r, name)
		}
	}
}

// aside lists a file that no request wants, if it is asked for. A folder that
// links lead to has its files once.
func (f *finder) aside(d folder, name, dest string) {
	walked := func(r *request) bool { return !r.globs && r.format == nil }
	switch {
	case f.asksBeside == nil, d.aside, d.covered, len(f.beside) >= f.given.beside, !f.asksBeside(name):
	case !slices.ContainsFunc(d.requests, walked), recognize(f.formats, name) != nil:
	case f.isExcluded(name, false), d.git.Ignores(dest, false) && !d.git.Tracks(dest):
	default:
		f.beside = append(f.beside, name)
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
			f.leave(name, unnamed)
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

// unnamed is why a file is left out that only a glob matches.
const unnamed = "its name does not tell what it is"

// leave notes a file that is not scanned, for a warning.
func (f *finder) leave(name, why string) { note(f.unscanned, name, why) }

func note(all map[string]*pathSet, name, why string) {
	if all[why] == nil {
		all[why] = &pathSet{}
	}
	all[why].add(name)
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

// without returns the paths that are not those of files to scan: one entry of
// Search.Files may have taken what another one left out.
func (s *pathSet) without(files []File) *pathSet {
	rest := &pathSet{paths: maps.Clone(s.paths), more: s.more}
	for _, file := range files {
		delete(rest.paths, file.Path)
	}
	return rest
}

// warnUnscanned says where a file that is left out may be part of the build.
func (f *finder) warnUnscanned() {
	for _, why := range slices.Sorted(maps.Keys(f.unscanned)) {
		out := f.unscanned[why].without(f.files).leftOut()
		if out.Count == 0 {
			continue
		}
		hint := "name with -f what your build uses"
		if why == unnamed {
			hint += ", as in dockerfile:" + out.First[0]
		}
		what := "not scanned: " + why
		if out.Count > 1 {
			what = fmt.Sprintf("%d files are not scanned, of which this is the first: %s", out.Count, why)
		}
		f.warn(out.First[0], what+": "+hint)
	}
	for _, why := range slices.Sorted(maps.Keys(f.unusable)) {
		out := f.unusable[why].leftOut()
		text := why
		if out.Count > 1 {
			text += fmt.Sprintf(" (so it is with %d files of that name, of which this is the first)", out.Count)
		}
		f.warn(out.First[0], text)
	}
	if f.tree.Exhausted() {
		f.warn(".gitignore", "the rules are too many for so many files: from some file on nothing was ignored")
	}
}

// start is where a file or folder begins.
func start(name string) image.Position { return image.Position{File: name, Line: 1, Col: 1} }
