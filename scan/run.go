package scan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/boltseal/boltseal/image"
)

// Scan returns what the files use, ordered by file, line and column, each use
// once: several files may lead to the same Dockerfile. What cannot be read is a
// Use with an Err.
//
// A place that one file's reading resolves and another's does not stays
// unresolved, too, for nobody knows which reading the build's is.
//
// It stops after 100,000 uses, or as many warnings or targets, with one more Use,
// where it stopped, that says so.
func Scan(src Source, files []File) Found {
	src.FS = share(src.FS, src.Read)
	var all gathered
	for _, f := range files {
		src.Named = named(files, f.Format)
		if !all.add(scanFile(src, f)) {
			break
		}
	}
	slices.SortStableFunc(all.Uses, func(a, b image.Use) int { return compareAt(a.At, b.At) })
	slices.SortStableFunc(all.Warnings, func(a, b Warning) int { return compareAt(a.At, b.At) })
	slices.SortStableFunc(all.Replaced, func(a, b image.Use) int { return compareAt(a.At, b.At) })
	mention(all.Uses)
	return all.Found
}

// maxUses bounds what the files use together, and the warnings. More than any
// workspace has would take memory for nothing, and nobody would read the report.
const maxUses = 100_000

// gathered is what several files use, each once.
type gathered struct {
	Found
	uses     map[identity]int // where in Uses
	warnings map[Warning]bool
	targets  map[string]bool
	replaced map[image.Use]bool
}

// add adds what a file uses; it returns false when there is more than may be.
func (g *gathered) add(found Found) bool {
	if g.uses == nil {
		g.uses, g.warnings, g.targets = map[identity]int{}, map[Warning]bool{}, map[string]bool{}
		g.replaced = map[image.Use]bool{}
	}
	for _, u := range found.Uses {
		id := identify(u)
		if i, again := g.uses[id]; again {
			if g.Uses[i].Literal != u.Literal {
				g.Uses[i].Literal = image.Literal{} // it comes from two texts
			}
			continue
		}
		if len(g.uses) == maxUses {
			return g.stop(u.At, "images are used")
		}
		g.uses[id] = len(g.Uses)
		g.Uses = append(g.Uses, u)
	}
	for _, w := range found.Warnings {
		if !g.warnings[w] {
			if len(g.warnings) == maxUses {
				return g.stop(w.At, "warnings are due")
			}
			g.warnings[w] = true
			g.Warnings = append(g.Warnings, w)
		}
	}
	for _, u := range found.Replaced {
		if !g.replaced[u] {
			if len(g.replaced) == maxUses {
				return g.stop(u.At, "images are replaced by contexts")
			}
			g.replaced[u] = true
			g.Replaced = append(g.Replaced, u)
		}
	}
	for _, t := range found.Targets {
		if id := fmt.Sprintf("%q %q %v %t %t", t.Name, t.Contexts, t.At, t.Mentioned, t.Service); !g.targets[id] { // fmt sorts maps
			if len(g.targets) == maxUses {
				return g.stop(t.At, "targets are built")
			}
			g.targets[id] = true
			g.Targets = append(g.Targets, t)
		}
	}
	return true
}

func (g *gathered) stop(at image.Position, what string) bool {
	err := fmt.Errorf("scan: more than %d %s, and nobody looked at what comes after this: ask for fewer files with -f, or exclude some", maxUses, what)
	g.Uses = append(g.Uses, image.Use{At: at, Kind: image.File, Err: err})
	return false
}

// named returns the files of a format that were asked for by their path, in
// that order.
func named(files []File, format *Format) []string {
	var all []File
	for _, f := range files {
		if f.Named > 0 && f.Format == format {
			all = append(all, f)
		}
	}
	slices.SortStableFunc(all, func(a, b File) int { return cmp.Compare(a.Named, b.Named) })
	names := make([]string, len(all))
	for i, f := range all {
		names[i] = f.Path
	}
	return names
}

// scanFile scans one file. A format that panics is a bug, and must not keep
// what is wrong elsewhere from being reported.
func scanFile(src Source, f File) (found Found) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case error:
			found = panicked(f, fmt.Errorf("panic: %w", p))
		default:
			found = panicked(f, fmt.Errorf("panic: %v", p))
		}
	}()
	return f.Format.Scan(src, f.Path)
}

func panicked(f File, err error) Found {
	err = fmt.Errorf("scan as %s: %w: report this bug of boltseal, with the file, at https://github.com/boltseal/boltseal/issues", f.Format.Name, err)
	return Found{Uses: []image.Use{{At: start(f.Path), Kind: image.File, Err: err}}}
}

// An identity is what makes a use another one: all of it but its Literal, with
// the text of its error.
type identity struct {
	use image.Use
	err string
}

func identify(u image.Use) identity {
	u.Literal = image.Literal{}
	id := identity{use: u}
	if u.Err != nil {
		id.err = "error " + u.Err.Error()
		id.use.Err = nil
	}
	return id
}

// once returns the first of those that are the same.
func once[T any, K comparable](all []T, key func(T) K) []T {
	seen := make(map[K]bool, len(all))
	return slices.DeleteFunc(all, func(t T) bool {
		k := key(t)
		twice := seen[k]
		seen[k] = true
		return twice
	})
}

// A place is what several readings of a file may resolve differently.
type place struct {
	at   image.Position
	kind image.Kind
	text string
}

// mention adds to the errors of places that another reading resolves that one
// does.
func mention(uses []image.Use) {
	resolved := map[place]bool{}
	for _, u := range uses {
		if u.Err == nil {
			resolved[place{u.At, u.Kind, u.Text}] = true
		}
	}
	for i, u := range uses {
		if u.Err != nil && u.Text != "" && resolved[place{u.At, u.Kind, u.Text}] {
			uses[i].Err = fmt.Errorf("%w; other files build it with a value: name with -f what your build uses", u.Err)
		}
	}
}
