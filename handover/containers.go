package handover

import (
	"errors"
	"fmt"
	"slices"
)

// containersPolicy returns the form that refuses whatever is pulled, from
// registries or otherwise, and is not admitted: containers-policy.json(5). What
// is in the storage already is used without asking it.
// Signatures are not looked at again, hence insecureAcceptAnything; a scope that
// ends with a digest is one image, whose bytes are checked against it.
//
// A tag is no such scope: what the policy lets through has to be asked for by
// digest.
func containersPolicy() Form {
	return Form{
		Name:    "containers-policy",
		Doc:     "policy.json for buildah --signature-policy and podman: pulls what was admitted and nothing else, and that by digest only: pin the files, or give build contexts; with --pull-always, since what is in the storage is not pulled",
		Denies:  true,
		Refuses: unreadable,
		Files: func(s Set, _ Options) ([]File, error) {
			p := trustPolicy{Default: reject()}
			for _, e := range s.entries {
				if err := unreadable(e.ref); err != nil {
					return nil, err
				}
				if p.Transports == nil {
					p.Transports = map[string]map[string][]requirement{docker: {}}
				}
				p.Transports[docker][e.scope()] = accept()
			}
			body, err := document(p)
			if err != nil {
				return nil, err
			}
			return []File{{Body: body, Check: both(s.checkTrustPolicy, same(body))}}, nil
		},
	}
}

// docker is the transport of registries.
const docker = "docker"

// scope is what containers/image calls the image: nothing but it has this name.
func (e entry) scope() string { return e.ref.Name() + "@" + e.digest }

// A trustPolicy is policy.json. Its reader refuses keys that it does not know,
// so there is no place for a comment.
type trustPolicy struct {
	Default    []requirement                       `json:"default"`
	Transports map[string]map[string][]requirement `json:"transports,omitempty"`
}

type requirement struct {
	Type string `json:"type"`
}

func reject() []requirement { return []requirement{{"reject"}} }
func accept() []requirement { return []requirement{{"insecureAcceptAnything"}} }

// checkTrustPolicy says what is wrong with a policy.json: it refuses by default,
// and has the images of the Set and no others.
func (s Set) checkTrustPolicy(readBack []byte) error {
	var p trustPolicy
	if err := strictly(readBack, &p); err != nil {
		return err
	}
	if !slices.Equal(p.Default, reject()) {
		return errors.New("what it does not name is not refused")
	}
	for transport := range p.Transports {
		if transport != docker {
			return fmt.Errorf("it speaks of transport %q", transport)
		}
	}
	admitted := map[string]bool{}
	for _, e := range s.entries {
		scope := e.scope()
		if !slices.Equal(p.Transports[docker][scope], accept()) {
			return fmt.Errorf("it does not admit %s", scope)
		}
		admitted[scope] = true
	}
	for scope := range p.Transports[docker] {
		if !admitted[scope] {
			return fmt.Errorf("it admits %q, which was not", scope)
		}
	}
	return nil
}
