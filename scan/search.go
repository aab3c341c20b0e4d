package scan

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/boltseal/boltseal/image"
)

// A Search says which files a scan begins with.
//
// Folders named .git are never walked, and those named vendor, node_modules or
// testdata only where Files leads into them: by its path, or by the part of a
// glob before its first special character. What .gitignore ignores is left out
// unless git tracks it or Files leads to it; the build may use it all the same,
// so the Listing says what it was.
//
// A link to a folder of the workspace is followed where that is not walked
// anyway: because it is not in the folder that is walked, say, or because of
// what it is called. The files then have the link's name before their own, and
// that is what Files, Exclude and the names of folders are about; .gitignore is
// about where they really are. A link that leads nowhere, or out of the
// workspace, is nothing, unless Files or its own name asks for it as a file.
type Search struct {
	// Formats are tried in this order, and the first one whose Match takes a
	// file is its format.
	Formats []*Format

	// Files are what is asked for; none stands for all that is in Within. They
	// are paths of files and of folders, and globs ("docker/**/*.Dockerfile":
	// doublestar's syntax), slash-separated and relative to the workspace.
	// What is there by that very name is taken even if the name looks like a
	// glob, together with what it matches as one.
	//
	// "FORMAT:" before an entry, such as "kubernetes:deploy/", says what the
	// files are: a folder is walked for that format only, and each file that is
	// named or matched is of that format, whatever its name. It wins over a
	// file whose name begins so.
	//
	// Without it a file's name tells its format, or else the extension .hcl
	// (bake), or the keys in a .yaml, .yml or .json. Any other file that is
	// named by its path is a Dockerfile, as for docker build -f. Of those that a
	// glob matches, only one without a dot in its name is: of docker/* that
	// takes docker/api but not docker/entrypoint.sh. Nothing is decided by
	// looking into these, for what they say is up to who wants them passed over.
	Files []string

	// Within is the folder that is walked where Files has nothing; "" is the
	// whole workspace.
	Within string

	// Exclude are globs of what is left out, of files that are matched by globs
	// or found in folders. One without a slash matches at any depth, and one
	// that matches a folder leaves out all below it.
	Exclude []string

	// Gate says that .gitignore counts only where it is known what git tracks.
	// Where there is no .git (an unpacked archive, a checkout without git),
	// nothing is ignored, for who wrote the files may have written it for that.
	Gate bool

	// Beside reports whether a file that a walk of folders finds, and that no
	// format takes, is to be listed all the same. Nil means that none is. What
	// is ignored, excluded or not walked is not listed.
	Beside func(path string) bool
}

// A File is a file to scan.
type File struct {
	Path   string // slash-separated, relative to the workspace
	Format *Format
	Named  int // which entry of Search.Files is its path, counted from 1; 0 if it was found otherwise
}

// A Listing is what a Search found.
type Listing struct {
	Files []File // sorted by path, each once for a format

	// Beside are files for which Search.Beside holds, sorted by path: at most
	// 10,000.
	Beside []string

	// Wrong is what could not be looked into, a folder that cannot be read, say:
	// uses with an Err, at line 1 and column 1 of a file or folder.
	Wrong    []image.Use
	Warnings []Warning

	Ignored      LeftOut // files that .gitignore ignores and git is not known to track
	Excluded     LeftOut // files and folders that Search.Exclude matches
	Skipped      LeftOut // folders that are not walked unless they are asked for, and links to those that are walked anyway
	Unrecognized LeftOut // files that a glob without a format matched, with a name that tells nothing
}

// LeftOut is what a Listing does not have.
type LeftOut struct {
	Count int
	First []string // the first paths, sorted; at most 10
	More  bool     // there may be more: not everything was looked at
}

// An Error is an entry of a Search that asks for nothing that is there, or for
// nothing that makes sense.
type Error struct {
	Asked string // the entry, as it was written
	Err   error  // what is wrong with it
	Hint  string // one imperative sentence
}

func (e *Error) Error() string { return fmt.Sprintf("search for %q: %v: %s", e.Asked, e.Err, e.Hint) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Find returns the files to scan. It walks at most 1,000,000 files and
// folders, 255 deep, follows at most 1,000 links to folders, and returns at most 100,000
// files; what is beyond is Wrong.
//
// The error is an [*Error] for each entry of Files and Exclude that is bad
// input, joined; of what a glob matches the first such file is told. The Listing then is incomplete.
//
// Paths that lead out of fsys are for fsys to refuse, as that of an [os.Root]
// does.
func (s Search) Find(fsys fs.FS) (Listing, error) {
	return s.find(fsys, bounds{entries: 1_000_000, aside: 100_000, depth: 255, files: 100_000, links: 1000, beside: 10_000})
}

func (s Search) find(fsys fs.FS, b bounds) (Listing, error) {
	f := newFinder(Regular(fsys), s.Formats, b)
	excludes, errs := compileExcludes(s.Exclude)
	f.excludes, f.asksBeside = excludes, s.Beside
	f.tree.Known = s.Gate
	requests, more := f.requests(s.Files, cmp.Or(s.Within, "."))
	errs = append(errs, more...)
	if len(errs) == 0 {
		for _, group := range byStart(requests) {
			f.search(group)
		}
		for _, r := range requests {
			f.conclude(r)
		}
	}
	return f.listing(), errors.Join(append(errs, f.errs...)...)
}

// format returns the format of a name; nil where there is none.
func format(formats []*Format, name string) *Format {
	i := slices.IndexFunc(formats, func(f *Format) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return formats[i]
}

// recognize returns the format of a file that a walk finds.
func recognize(formats []*Format, name string) *Format {
	i := slices.IndexFunc(formats, func(f *Format) bool { return !f.Asked && f.Match(name) })
	if i < 0 {
		return nil
	}
	return formats[i]
}

// listing puts what was found in order.
func (f *finder) listing() Listing {
	slices.SortStableFunc(f.files, func(a, b File) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Format.Name, b.Format.Name))
	})
	f.warnUnscanned()
	slices.SortStableFunc(f.warnings, func(a, b Warning) int { return compareAt(a.At, b.At) })
	slices.SortStableFunc(f.wrong, func(a, b image.Use) int { return compareAt(a.At, b.At) })
	return Listing{
		Files:        f.files,
		Beside:       slices.Compact(slices.Sorted(slices.Values(f.beside))),
		Wrong:        once(f.wrong, identify), // a folder may be walked for several requests
		Warnings:     once(f.warnings, func(w Warning) Warning { return w }),
		Ignored:      f.ignored.leftOut(),
		Excluded:     f.excluded.leftOut(),
		Skipped:      f.skipped.leftOut(),
		Unrecognized: f.unrecognized.leftOut(),
	}
}

// A pathSet collects what is left out.
type pathSet struct {
	paths map[string]bool
	more  bool
}

func (s *pathSet) add(name string) {
	if s.paths == nil {
		s.paths = map[string]bool{}
	}
	s.paths[name] = true
}

func (s *pathSet) leftOut() LeftOut {
	names := make([]string, 0, len(s.paths))
	for name := range s.paths {
		names = append(names, name)
	}
	slices.Sort(names)
	first := slices.Clone(names[:min(len(names), 10)])
	return LeftOut{Count: len(names), First: first, More: s.more}
}

func compareAt(a, b image.Position) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
}
