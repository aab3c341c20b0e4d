package compose

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// A service is one of a model, or a job.
type service struct {
	name string
	*value
	active bool // by its profiles
}

// services returns the services and jobs of a model.
func (p *project) services(m *value, profiles []string) []service {
	var all []service
	for _, key := range sections() {
		section := m.get(key)
		if section == nil {
			continue
		}
		for _, name := range section.keys {
			if v := section.get(name); v != nil && p.budget.nodes > 0 && take(&p.budget.nodes, v.size()) {
				all = append(all, service{name, v, active(v, profiles)})
			}
		}
	}
	return all
}

// size returns how much there is to look at in a service.
func (v *value) size() int {
	n := 1 + len(v.items)
	for _, sub := range v.of {
		n += sub.size()
	}
	return n
}

// active reports whether a service is started with these profiles. One whose
// own profiles are not known is.
func active(s *value, profiles []string) bool {
	own := s.get("profiles").list()
	return len(own) == 0 || slices.Contains(profiles, "*") || slices.ContainsFunc(own, func(v *value) bool {
		name, err := v.resolved()
		return err != nil || slices.Contains(profiles, name)
	})
}

// resolved returns the text of v; an error where it is none, or one that is not
// known.
func (v *value) resolved() (string, error) {
	switch {
	case v.kind != text:
		return "", fmt.Errorf("%v, where there should be a text", v.kind)
	case v.err != nil:
		return "", v.err
	case len(v.lacking) > 0:
		return "", valueless(v.lacking, v.src.env)
	}
	return v.text, nil
}

// valueless says that variables have no value. Compose would go on with an
// empty one; here, what somebody sets later must not change what was verified.
func valueless(names []string, env *environment) error {
	names = slices.Clone(names)
	slices.Sort(names)
	for _, name := range names {
		if env.isWithheld(name) {
			return scan.WithheldError(name)
		}
	}
	verb, pronoun := "has", "it"
	if names = slices.Compact(names); len(names) > 1 {
		verb, pronoun = "have", "them"
	}
	return fmt.Errorf("%s %s no value: set %s in the environment or in %s", strings.Join(names, ", "), verb, pronoun, env.dotenv)
}

// A label is the name of an image as services have in common that mean the
// same, also where variables in it have no value.
type label struct{ text, lacking string }

func (v *value) label() label { return label{v.text, strings.Join(v.lacking, " ")} }

// maxName bounds the name of an image, in bytes: a repository has up to 255, a
// tag 128 (OCI distribution-spec, "Pulling manifests").
const maxName = 1000

// ref returns the image that a text names.
func (v *value) ref() (image.Ref, error) {
	name, err := v.resolved()
	if err != nil {
		return image.Ref{}, err
	}
	if v.plain {
		return image.Ref{}, errors.New("YAML takes this for something other than a text: put it in quotes")
	}
	if len(name) > maxName {
		return image.Ref{}, fmt.Errorf("a name of more than %d bytes", maxName)
	}
	return image.Parse(name)
}

// A policy is what pull_policy says, with respect to images that can be built.
type policy int

const (
	unsaid policy = iota
	never         // to ask a registry
	pulls
)

// policy returns what pull_policy says; pulls where that is not known.
func (s service) policy() policy {
	v := s.get("pull_policy")
	if v == nil {
		return unsaid
	}
	switch said, err := v.resolved(); {
	case err != nil:
		return pulls
	case said == "":
		return unsaid
	case said == "never", said == "build":
		return never
	}
	return pulls
}
