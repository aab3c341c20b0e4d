package handover

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
)

// buildContexts returns the form that gives each tag a named context, which is
// its digest. docker/build-push-action reads its input as CSV, without comments,
// and buildx cuts each entry at the first "=". Neither can hit anything else
// here: there are no quotes, commas or "=" in the names.
func buildContexts() Form {
	return Form{
		Name:    "build-contexts",
		Doc:     "lines for build-contexts of docker/build-push-action, each good for docker buildx build --build-context: tags become digests, nothing is refused",
		Refuses: ambiguous,
		Files: func(s Set, o Options) ([]File, error) {
			contexts, err := s.contexts(o.Contexts)
			if err != nil {
				return nil, err
			}
			maps.DeleteFunc(contexts, func(name, _ string) bool { // NAME::PLATFORM, which bake alone takes
				_, err := image.Parse(name)
				return err != nil
			})
			var body []byte
			for _, name := range slices.Sorted(maps.Keys(contexts)) {
				body = append(body, name+"="+contexts[name]+"\n"...)
			}
			return []File{{Body: body, Check: same(body)}}, nil
		},
	}
}

// contexts returns the named contexts that replace tags by digests, by the name
// under which BuildKit looks for them (dockerui, NamedContext). What was written
// with a digest needs none. Own are those that the build has already: where one
// has the name of an image, it stays, for it is what is built from; where one is
// an image of the Set itself, it gets the digest.
//
// It fails for names that stand for something else as well.
func (s Set) contexts(own map[string]string) (map[string]string, error) {
	contexts := map[string]string{}
	at := map[image.Ref]entry{}
	var wrong []error
	for _, e := range s.entries {
		if err := ambiguous(e.ref); err != nil {
			wrong = append(wrong, err)
			continue
		}
		if e.ref.Digest() != "" {
			continue
		}
		at[e.ref] = e
		name := e.ref.Familiar()
		if _, ok := own[name]; !ok {
			contexts[name] = dockerImage + e.pinned()
		}
	}
	for name, value := range own {
		text, ok := strings.CutPrefix(value, dockerImage)
		if !ok || strings.ContainsFunc(name, strange) {
			continue
		}
		if ref, err := image.Parse(text); err == nil {
			if e, ok := at[ref]; ok {
				contexts[name] = dockerImage + e.pinned()
			}
		}
	}
	return contexts, errors.Join(wrong...)
}

// ambiguous says why a context for ref would replace more than that.
func ambiguous(ref image.Ref) error {
	name := ref.Familiar()
	if ref.Digest() != "" {
		return nil
	}
	if err := unreadable(ref); err != nil {
		return err
	}
	if !strings.ContainsAny(name, "/:") {
		// FROM node AS node: the stage would be the image, without an error, and
		// nothing that the stage does would be done (dockerfile2llb/convert.go,
		// buildDispatchStates).
		return fmt.Errorf("%s: a stage can be called %s as well, and a build context replaces what the stage does: write a tag other than latest, or use the form source-policy", ref, name)
	}
	if again, err := image.Parse(name); err != nil || again != ref {
		return fmt.Errorf("%s: BuildKit looks for a build context called %s for another image as well: use the form source-policy", ref, name)
	}
	return nil
}

// strange reports whether no reference has r, so that no context is looked for
// by a name with it.
func strange(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("._-/:@[]", r)
}
