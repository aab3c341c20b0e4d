package scan

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/scan/internal/gitfiles"
)

// maxHops bounds the links on the way of one path, as Linux does.
const maxHops = 40

// A journey is one walk, from its start.
type journey struct {
	start   string
	real    string // where start is, without links
	entered map[entry]bool
}

// An entry is a folder that was entered through a link for a request that
// need not see it again.
type entry struct {
	real    string
	request *request
}

// resolve returns where a path leads, without links. A path that it cannot
// make out, though the file system could, is taken for one without links.
func (f *finder) resolve(name string) string {
	at, rest, hops := ".", strings.Split(name, "/"), 0
	for len(rest) > 0 {
		next := path.Join(at, rest[0])
		rest = rest[1:]
		if next == ".." {
			return name
		}
		target, err := fs.ReadLink(f.fsys, next)
		if err != nil {
			at = next
			continue
		}
		if hops++; hops > maxHops || path.IsAbs(target) {
			return name
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	if info, err := f.lstat(at); err != nil || !info.IsDir() {
		return name
	}
	return at
}

// follow walks the folder that a link leads to, under the link's name, for the
// requests that may get something by it. What it leads to may be in a folder
// that is not walked, although the build goes there through the link.
func (f *finder) follow(d folder, name string) {
	requests := f.entering(d, name)
	if len(requests) == 0 {
		return
	}
	link := path.Join(d.real, path.Base(name))
	sub := folder{path: name, journey: d.journey, real: f.resolve(link)}
	sub.covered = sub.real != link && f.covers(d.journey, sub.real)
	sub.links = append(slices.Clone(d.links), sub.real)
	sub.requests = slices.DeleteFunc(requests, func(r *request) bool { return f.gains(d, sub, r) == 0 })
	if len(sub.requests) == 0 {
		f.skipped.add(name)
		return
	}
	// What a build leaves behind is not tracked, wherever it leads.
	if d.git.Ignores(link, false) && !d.git.Tracks(link) {
		sub.real, sub.git, sub.aside, sub.covered = link, d.git.Ignored(), true, false
	} else {
		sub.git = f.around(sub.real)
	}
	if !f.mayFollow(sub) {
		return
	}
	for _, r := range sub.requests {
		if f.gains(d, sub, r) == all && !sub.aside {
			d.journey.entered[entry{sub.real, r}] = true
		}
	}
	f.walk(sub)
}

// A gain is what a request has of a folder that a link leads to.
type gain int

const (
	some gain = iota + 1 // what it does not get elsewhere, file by file
	all                  // everything, so that no other link there adds to it
)

// gains returns what a request may have of the folder sub, which a link in d
// leads to; 0 is nothing.
func (f *finder) gains(d, sub folder, r *request) gain {
	turns := r.slashes
	anywhere := r.anywhere
	for _, e := range f.excludes {
		if e.tells(sub.path) || sub.covered && e.tells(d.journey.name(sub.real)) {
			anywhere = false
			turns += e.slashes
		}
	}
	switch seen := count(d.links, sub.real); {
	case sub.covered && anywhere, d.journey.entered[entry{sub.real, r}], anywhere && seen > 0:
		return 0
	// What matches after more turns of a circle than a pattern has elements
	// matches after fewer, too.
	case seen > turns:
		return 0
	case anywhere:
		return all
	}
	return some
}

func count(all []string, one string) int {
	n := 0
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

// mayFollow counts the links that are followed: those that lead to one another
// multiply.
func (f *finder) mayFollow(d folder) bool {
	if d.aside {
		f.left.aside--
		if f.left.aside < 0 || strings.Count(d.path, "/") >= f.given.depth {
			f.ignored.more = true
			return false
		}
		return true
	}
	switch f.left.links--; {
	case f.left.links >= 0 && strings.Count(d.path, "/") < f.given.depth:
		return true
	case f.left.links >= 0:
		f.deep(d)
	case f.left.links == -1:
		f.fail(d.path, fmt.Errorf("more than %d links to folders, and nobody looked where this one and those after it lead: ask for what they lead to with -f, or exclude some", f.given.links))
	default:
		f.skipped.add(d.path)
	}
	return false
}

// name returns what a walk calls what is at a path without links; "" where it
// does not come there.
func (j *journey) name(dest string) string {
	switch {
	case dest == j.real:
		return j.start
	case j.real == ".":
		return path.Join(j.start, dest)
	}
	rest, ok := strings.CutPrefix(dest, j.real+"/")
	if !ok {
		return ""
	}
	return path.Join(j.start, rest)
}

// covers reports whether a walk comes to a folder without following links.
func (f *finder) covers(j *journey, dest string) bool {
	name := j.name(dest)
	if name == "" || f.excludedBy(name, true) != "" {
		return false
	}
	for at := dest; at != j.real; at = path.Dir(at) {
		if base := path.Base(at); base == ".git" || unwalked(base) || f.around(at).Ignores(at, true) {
			return false
		}
	}
	return true
}

// elsewhere reports whether a request gets a file of a linked folder without
// the link.
func (f *finder) elsewhere(d folder, r *request, base string) bool {
	if !d.covered {
		return false
	}
	name := d.journey.name(path.Join(d.real, base))
	return f.excludedBy(name, false) == "" && f.wants(r, name)
}

// unwalked reports whether folders of a name are walked only when they are
// asked for.
func unwalked(base string) bool {
	return base == "vendor" || base == "node_modules" || base == "testdata"
}

// around returns what git makes of the folders that a folder is in.
func (f *finder) around(name string) gitfiles.Folder {
	if name == "." {
		return f.tree.Outside()
	}
	dir := path.Dir(name)
	git, known := f.inside[dir]
	if !known {
		git = f.pass(f.around(dir), dir)
		f.inside[dir] = git
	}
	return git
}
