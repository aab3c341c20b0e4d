package handover

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"sync"
)

// bake returns the form that gives each tag a named context in all targets that
// are built. A later file's contexts are added to those of the same target, and
// replace those of the same name.
func bake() Form {
	return Form{
		Name:    "bake",
		Doc:     "a file for docker buildx bake, given with -f after the others; its name ends in .json: tags become digests, nothing is refused",
		Refuses: ambiguous,
		Lacks:   Options.noTarget,
		Files: func(s Set, o Options) ([]File, error) {
			doc := bakeDoc{Target: map[string]bakeTarget{}}
			targets := o.bakeTargets()
			for _, t := range targets {
				if !targetPattern().MatchString(t.Name) {
					return nil, fmt.Errorf("%q is not the name of a bake target: bake takes letters, digits, _ and -", t.Name)
				}
				contexts, err := s.contexts(t.Contexts)
				if err != nil {
					return nil, err
				}
				if known, again := doc.Target[t.Name]; again && !maps.Equal(known.Contexts, contexts) {
					return nil, fmt.Errorf("two bake files have a target %s, with other contexts: name one of them with --file, and hand over for each", t.Name)
				}
				if t.Mentioned && len(contexts) > 0 {
					return nil, fmt.Errorf("the bake files refer to target.%s, and an override would hide from them what it says: put that into a variable, or use the form source-policy", t.Name)
				}
				doc.Target[t.Name] = bakeTarget{contexts}
			}
			if err := o.noTarget(); err != nil && len(s.entries) > 0 {
				return nil, err
			}
			maps.DeleteFunc(doc.Target, func(_ string, t bakeTarget) bool { return len(t.Contexts) == 0 })
			doc.Comment = s.exemptIn(doc)
			body, err := document(doc)
			if err != nil {
				return nil, err
			}
			return []File{{Body: body, Check: same(body)}}, nil
		},
	}
}

// bakeTargets returns the targets that an override is for.
func (o Options) bakeTargets() []Target {
	if len(o.Targets) == 0 && !o.Scanned {
		return []Target{{Name: "default"}}
	}
	return o.Targets
}

// noTarget says that there is nothing to override.
func (o Options) noTarget() error {
	if len(o.bakeTargets()) == 0 {
		return errors.New("no bake target is known, and no service that is built: name the file with --file")
	}
	return nil
}

// targetPattern is what bake takes for the name of a target (bake/bake.go).
var targetPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9_-]+$`) })

// A bakeDoc is a bake file. HCL in JSON ignores keys called "//" where blocks
// and attributes are, so at the top, but not in contexts. Strings are templates
// there; there is no "${" in those that contexts returns.
type bakeDoc struct {
	Comment []string              `json:"//,omitempty"`
	Target  map[string]bakeTarget `json:"target,omitempty"` // HCL takes no empty one
}

type bakeTarget struct {
	Contexts map[string]string `json:"contexts"`
}

// exemptIn returns a line for each exempt image that doc names.
func (s Set) exemptIn(doc bakeDoc) []string {
	named := map[string]bool{}
	for _, t := range doc.Target {
		for value := range maps.Values(t.Contexts) {
			named[value] = true
		}
	}
	var lines []string
	for _, e := range s.entries {
		if e.exempt != nil && named[dockerImage+e.pinned()] {
			lines = append(lines, e.ref.String()+": "+until(e.exempt)+", not verified")
		}
	}
	return lines
}
