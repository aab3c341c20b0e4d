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
func Scan(src Source, files []File) Found {
	src.FS = Regular(src.FS)
	var all Found
	for _, f := range files {
		src.Named = named(files, f.Format)
		found := scanFile(src, f)
		all.Uses = append(all.Uses, found.Uses...)
		all.Warnings = append(all.Warnings, found.Warnings...)
	}
	slices.SortStableFunc(all.Uses, func(a, b image.Use) int { return compareAt(a.At, b.At) })
	slices.SortStableFunc(all.Warnings, func(a, b Warning) int { return compareAt(a.At, b.At) })
	all.Uses, all.Warnings = once(all.Uses, identify), once(all.Warnings, func(w Warning) Warning { return w })
	mention(all.Uses)
	return all
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

// An identity is all of a use, with the text of its error.
type identity struct {
	use image.Use
	err string
}

func identify(u image.Use) identity {
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
