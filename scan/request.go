package scan

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan/internal/glob"
)

// A request is one entry of Search.Files, or one meaning of it.
type request struct {
	asked  string
	number int     // of the entry, from 1
	format *Format // nil where it is not said
	start  string  // the folder that is walked for it
	glob   glob.Pattern
	globs  bool // it is a glob, not a folder
	quiet  bool // it need not match anything

	anywhere bool // what it is for is told by the name of a file alone, in any folder below start
	slashes  int  // of glob

	found, ignored, unrecognized int // files
	failed                       bool
}

var (
	errEmpty    = errors.New("it names nothing")
	errOutside  = errors.New("it leads out of the workspace")
	errNoMatch  = errors.New("no file matches")
	errExcluded = errors.New("it is asked for, and excluded, too")
	errGit      = errors.New("folders named .git are never walked")
	errNoFolder = errors.New("it is no folder")
)

// requests reads Search.Files. Files that are asked for by their path are
// taken at once.
func (f *finder) requests(files []string, within string) (requests []*request, errs []error) {
	if len(files) == 0 {
		return []*request{{start: within, quiet: true, anywhere: true}}, nil
	}
	for i, asked := range files {
		more, err := f.request(asked, i+1)
		if err != nil {
			errs = append(errs, err)
		}
		requests = append(requests, more...)
	}
	return requests, errs
}

func (f *finder) request(asked string, number int) ([]*request, error) {
	r := request{asked: asked, number: number}
	text := asked
	if name, rest, ok := strings.Cut(asked, ":"); ok {
		if r.format = format(f.formats, name); r.format != nil {
			text = rest
		}
	}
	name, err := inside(text)
	if err != nil {
		return nil, &Error{asked, err, "write a path relative to the workspace, with slashes"}
	}
	info, err := f.lstat(name)
	switch {
	case err == nil:
		return f.existing(r, name, info, strings.HasSuffix(text, "/"))
	case glob.Special(text):
		return f.pattern(r, name, strings.HasSuffix(text, "/"))
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Error{asked, err, "correct the path"}
	}
	return nil, &Error{asked, err, "make the path readable, or name another one"}
}

// inside returns what text says, as fs.FS has it.
func inside(text string) (string, error) {
	name := path.Clean(text)
	switch {
	case text == "":
		return "", errEmpty
	case path.IsAbs(name), name == "..", strings.HasPrefix(name, "../"):
		return "", errOutside
	case !fs.ValidPath(name):
		return "", errors.New("it is not UTF-8")
	}
	return name, nil
}

// lstat describes what has a name, without following a link at its end.
func (f *finder) lstat(name string) (fs.FileInfo, error) { return fs.Lstat(f.fsys, name) }

// existing reads an entry that is the path of a file or a folder.
func (f *finder) existing(r request, name string, info fs.FileInfo, slash bool) ([]*request, error) {
	if p := f.excludedBy(name, info.IsDir()); p != "" {
		return nil, &Error{r.asked, fmt.Errorf("%w, by %q", errExcluded, p), "drop one of the two"}
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err := fs.Stat(f.fsys, name); err == nil {
			info = target
		}
	}
	var all []*request
	switch {
	case info.IsDir() && slices.Contains(strings.Split(name, "/"), ".git"):
		return nil, &Error{r.asked, errGit, "name another folder, or files"}
	case info.IsDir():
		walk := r
		walk.start, walk.anywhere = name, true
		all = append(all, &walk)
	case slash:
		return nil, &Error{r.asked, errNoFolder, "leave out the slash at its end"}
	default:
		if err := f.named(r, name); err != nil {
			return nil, err
		}
	}
	// Who may add a file called "docker/*" must not decide what it stands for.
	if glob.Special(name) {
		r.quiet = true
		if more, err := f.pattern(r, name, false); err == nil {
			all = append(all, more...)
		}
	}
	return all, nil
}

// named takes a file that is asked for by its path.
func (f *finder) named(r request, name string) error {
	format, err := f.choose(r, name)
	if err == nil && format == nil {
		format, err = f.dockerfile(r, name)
	}
	if err != nil {
		return err
	}
	f.take(name, format, r.number)
	return nil
}

// pattern reads an entry that is a glob.
func (f *finder) pattern(r request, name string, slash bool) ([]*request, error) {
	p, err := glob.Compile(name)
	switch {
	case err != nil:
		return nil, &Error{r.asked, err, `correct it, or write \ before a character that stands for itself`}
	case slash:
		return nil, &Error{r.asked, errors.New("a glob is matched with files, not with folders"), "write /** at its end"}
	}
	r.glob, r.globs, r.start = p, true, p.Folder()
	r.slashes = strings.Count(name, "/")
	below := strings.TrimPrefix(name, r.start+"/")
	rest, deep := strings.CutPrefix(below, "**/")
	r.anywhere = below == "**" || deep && !strings.Contains(rest, "/") && !strings.Contains(rest, "**")
	if slices.Contains(strings.Split(r.start, "/"), ".git") {
		return nil, &Error{r.asked, errGit, "name another folder, or files"}
	}
	return []*request{&r}, nil
}

// byStart groups requests that are walked for together, in the order of their
// folders.
func byStart(requests []*request) [][]*request {
	groups := map[string][]*request{}
	var starts []string
	for _, r := range requests {
		if groups[r.start] == nil {
			starts = append(starts, r.start)
		}
		groups[r.start] = append(groups[r.start], r)
	}
	slices.Sort(starts)
	sorted := make([][]*request, len(starts))
	for i, start := range starts {
		sorted[i] = groups[start]
	}
	return sorted
}

// conclude says what is wrong with a request for which nothing was found.
func (f *finder) conclude(r *request) {
	if r.found > 0 || r.quiet {
		return
	}
	if !r.globs {
		text := fmt.Sprintf("nothing to scan was found in the folder that %q asks for: name the files themselves, or say what they are, as in kubernetes:FOLDER", r.asked)
		f.warnings = append(f.warnings, Warning{At: image.Position{File: r.start}, Text: text})
		return
	}
	e := &Error{r.asked, errNoMatch, "correct it; vendor, node_modules and testdata are entered only where they are written out, as in vendor/**"}
	switch {
	case r.ignored > 0:
		e.Err, e.Hint = fmt.Errorf("%w that .gitignore does not ignore", errNoMatch), "name the files by their paths"
	case r.unrecognized > 0:
		e.Err, e.Hint = fmt.Errorf("%w with a name that tells what it is", errNoMatch), "say which format they have: "+f.prefixes(*r)
	}
	f.errs = append(f.errs, e)
}

// An exclude is one entry of Search.Exclude.
type exclude struct {
	asked   string
	glob    glob.Pattern
	names   bool // it is about names, at any depth
	folders bool // it is about folders only
	parts   bool // it is about the names on the way to a file, whatever their place
	slashes int
}

func compileExcludes(texts []string) (excludes []exclude, errs []error) {
	for _, asked := range texts {
		text, folders := strings.CutSuffix(asked, "/")
		name, err := inside(text)
		if err != nil {
			errs = append(errs, &Error{asked, err, "write a glob relative to the workspace, with slashes"})
			continue
		}
		p, err := glob.Compile(name)
		if err != nil {
			errs = append(errs, &Error{asked, err, `correct it, or write \ before a character that stands for itself`})
			continue
		}
		part := strings.TrimSuffix(strings.TrimPrefix(name, "**/"), "/**")
		excludes = append(excludes, exclude{
			asked: asked, glob: p, names: !strings.Contains(text, "/"), folders: folders,
			parts:   strings.HasPrefix(name, "**/") && !strings.Contains(part, "/") && !strings.Contains(part, "**"),
			slashes: strings.Count(name, "/"),
		})
	}
	return excludes, errs
}

// isExcluded reports whether Search.Exclude matches a path itself.
func (f *finder) isExcluded(name string, folder bool) bool {
	return slices.ContainsFunc(f.excludes, func(e exclude) bool { return e.matches(name, folder) })
}

// tells reports whether it may decide otherwise about what is in a folder than
// about the same in another one.
func (e exclude) tells(folder string) bool {
	in := e.glob.Folder()
	return !e.names && !e.parts && e.glob.Below(folder) && (in == "." || folder == "." || in == folder || strings.HasPrefix(in, folder+"/") || strings.HasPrefix(folder, in+"/"))
}

func (e exclude) matches(name string, folder bool) bool {
	if e.folders && !folder {
		return false
	}
	if e.names {
		name = path.Base(name)
	}
	return e.glob.Match(name)
}

// excludedBy returns the entry of Search.Exclude that leaves out a path, or
// one of the folders it is in; "" where none does.
func (f *finder) excludedBy(name string, folder bool) string {
	for ; name != "."; name, folder = path.Dir(name), true {
		for _, e := range f.excludes {
			if e.matches(name, folder) {
				return e.asked
			}
		}
	}
	return ""
}
