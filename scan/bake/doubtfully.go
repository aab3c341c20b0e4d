package bake

import (
	"fmt"
	"maps"
	"slices"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// another is what a doubtful build argument is taken for the second time.
const another = "boltseal-another-value"

// doubtfulArgs returns the names of the build arguments whose values are not
// known.
func (t *target) doubtfulArgs() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(t.args)) {
		if len(t.args[name].doubts) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// doubtfully scans a Dockerfile of which some arguments are not known. Most of
// them name no image (a date, a commit), and those that do are found out by
// giving them another value: what is different then is unresolved.
func doubtfully(t *target, args []string, p scan.Build, run func(scan.Build) scan.Found) scan.Found {
	found := run(p)
	if len(args) == 0 {
		return found
	}
	other := run(vary(p, args))
	if len(differences(found.Uses, other.Uses)) == 0 {
		return found
	}
	const many = 8 // arguments: beyond that, all are named
	var guilty []string
	for _, name := range args {
		if len(args) <= many && len(differences(found.Uses, run(vary(p, []string{name})).Uses)) > 0 {
			guilty = append(guilty, name)
		}
	}
	if len(guilty) == 0 {
		guilty = args
	}
	err := blame(t, guilty)
	found.Uses = slices.Clone(found.Uses)
	for _, d := range differences(found.Uses, other.Uses) {
		first := slices.IndexFunc(found.Uses, d.is)
		found.Uses = slices.DeleteFunc(found.Uses, d.is)
		if first < 0 {
			first = len(found.Uses)
		}
		u := image.Use(d)
		u.Err = err
		found.Uses = slices.Insert(found.Uses, first, u)
	}
	return found
}

func blame(t *target, args []string) error {
	e := &doubtError{what: "image reference"}
	for _, name := range args {
		for _, d := range t.args[name].doubts {
			d.about = fmt.Sprintf("build argument %s: %s", clip(name), d.about)
			e.doubts = append(e.doubts, d)
		}
	}
	return e
}

// vary returns the build with other values for some arguments.
func vary(p scan.Build, args []string) scan.Build {
	p.Args = maps.Clone(p.Args)
	for _, name := range args {
		p.Args[name] = another
	}
	return p
}

// A spot is a use without what it resolves to.
type spot image.Use

func spotOf(u image.Use) spot {
	u.Ref, u.Err = image.Ref{}, nil
	return spot(u)
}

func (s spot) is(u image.Use) bool { return spotOf(u) == s }

// differences returns the spots that do not use the same in both lists.
func differences(a, b []image.Use) []spot {
	var different []spot
	for _, u := range slices.Concat(a, b) {
		s := spotOf(u)
		if slices.Contains(different, s) {
			continue
		}
		if !slices.Equal(refs(a, s), refs(b, s)) {
			different = append(different, s)
		}
	}
	return different
}

// refs returns what a spot resolves to: several images where there are several
// platforms.
func refs(uses []image.Use, s spot) []string {
	var rs []string
	for _, u := range uses {
		if s.is(u) {
			text := u.Ref.String()
			if u.Err != nil {
				text = "error"
			}
			rs = append(rs, text)
		}
	}
	return rs
}
