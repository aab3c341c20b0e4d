package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// provenanceKey is where buildx's metadata has a build's provenance; with more
// than one platform a slash and the platform follow.
const provenanceKey = "buildx.build.provenance"

// ReadMetadata reads what buildx build and buildx bake write with
// --metadata-file, at most [MaxBytes] bytes. It returns a Build for each
// provenance, and one for each target that has none; there is at least one.
// source is what the file is called in them, and targets are those of bake that
// have to be in it. It fails on what is no such file, ends early, or can be read
// in two ways.
func ReadMetadata(source string, body []byte, targets []string) ([]Build, error) {
	o, err := document(body)
	if err != nil {
		return nil, err
	}
	left := maxAll
	builds, err := provenances(Build{Source: source}, o, &left)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, name := range sorted(o) {
		if strings.Contains(name, ".") || !strings.HasPrefix(string(o[name]), "{") {
			continue // what buildx calls something has a dot, and no target's name has
		}
		found = append(found, name)
		target, err := objectOf(o[name])
		if err != nil {
			return nil, err
		}
		own, err := provenances(Build{Source: source, Target: name}, target, &left)
		if err != nil {
			return nil, err
		}
		if len(own) == 0 {
			own = []Build{without(Build{Source: source, Target: name})}
		}
		builds = append(builds, own...)
	}
	for _, name := range targets {
		if !slices.Contains(found, name) {
			err := flawed(NoProvenance, "build it, or leave out --target "+name, "the metadata has no such target; it has %.300s", listed(found))
			builds = append(builds, Build{Source: source, Target: name}.with(nil, err))
		}
	}
	if len(builds) == 0 {
		builds = []Build{without(Build{Source: source})}
	}
	return builds, nil
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none, as it is of buildx build and not of buildx bake"
	}
	return strings.Join(names, ", ")
}

func without(b Build) Build {
	return b.with(nil, flawed(NoProvenance,
		"build with BUILDX_METADATA_PROVENANCE=max in the environment (min is buildx's default, disabled leaves it out), by a BuildKit that keeps a history",
		"the metadata has no provenance, so nobody says what the build used"))
}

// provenances returns a Build like b for each provenance among the keys of o. It
// takes what they have of left, and fails when nothing is left.
func provenances(b Build, o object, left *int) ([]Build, error) {
	var builds []Build
	for _, name := range sorted(o) {
		if len(name) >= len(provenanceKey) && strings.EqualFold(name[:len(provenanceKey)], provenanceKey) && !strings.HasPrefix(name, provenanceKey) {
			return nil, fmt.Errorf("the name %.100q is not %q", name, provenanceKey)
		}
		platform, ok := strings.CutPrefix(name, provenanceKey)
		if !ok {
			continue
		}
		build := b
		build.Platform = strings.TrimPrefix(platform, "/")
		builds = append(builds, build.with(readProvenance(o[name])))
		if *left -= parts(builds[len(builds)-1:]); *left < 0 {
			return nil, tooMany()
		}
	}
	return builds, nil
}

// document reads a whole document that has one meaning only.
func document(body []byte) (object, error) {
	switch {
	case len(body) == 0:
		return nil, errors.New("it is empty")
	case len(body) > MaxBytes:
		return nil, fmt.Errorf("it has %d bytes, and at most %d are read", len(body), MaxBytes)
	}
	o, err := objectOf(json.RawMessage(body))
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errors.New("it is cut off: the document has no end")
	case err != nil:
		return nil, err
	}
	return o, nil
}

// parts is how many parts builds have together; each is one as well.
func parts(builds []Build) int {
	n := len(builds)
	for _, b := range builds {
		if b.Provenance != nil {
			n += b.Provenance.parts
		}
	}
	return n
}

func tooMany() error {
	return fmt.Errorf("it has more than %d builds, materials, steps and requests together", maxAll)
}

func sorted(o object) []string {
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
