package cli

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// systems are the signature systems that a policy can ask for.
type systems struct {
	command   Command
	trusts    *trusts
	platforms []string // that are built for

	session *sigstore.Session               // nil while policies are only read
	configs map[policy.Form]sigstore.Config // what was made of forms, so that each key is read once
	now     time.Time
	files   []string // that requirements were read from
}

// list returns them all. Whoever adds a system adds a line.
func (s *systems) list() []policy.System {
	return []policy.System{
		{Name: "sigstore", Doc: "A Sigstore signature of the image, keyless or by key.", New: func() policy.Form { return &sigstore.SignatureForm{} }, Verifier: s.verifier},
		{Name: "attestation", Doc: "A signed in-toto attestation of the image.", New: func() policy.Form { return &sigstore.AttestationForm{} }, Verifier: s.verifier},
	}
}

// bind says where signatures are looked for.
func (s *systems) bind(store sigstore.Store, now time.Time) {
	s.session, s.now, s.configs = sigstore.NewSession(store, image.Ref{}), now, map[policy.Form]sigstore.Config{}
}

// verifier makes the check of one of Sigstore's forms.
func (s *systems) verifier(f policy.Form, u image.Use) (verify.Verifier, error) {
	form, ok := f.(interface {
		Config(sigstore.Env) (sigstore.Config, error)
	})
	if !ok || s.session == nil {
		return nil, fmt.Errorf("%T makes no check", f)
	}
	c, made := s.configs[f]
	if !made {
		var err error
		if c, err = form.Config(sigstore.Env{Trust: s.trust, ReadKey: s.readKey, Now: s.now}); err != nil {
			return nil, err
		}
		s.configs[f] = c
	}
	if !u.Foreign {
		c.Platforms = asListed(s.platforms)
	}
	return s.session.Require(c)
}

func (s *systems) trust(instance string, file yamlshape.Text) (*sigstore.Trust, error) {
	if file.Value == "" {
		return s.trusts.of(instance)
	}
	name, err := s.beside(file)
	if err != nil {
		return nil, err
	}
	body, err := s.command.readPolicy(name, givenByPolicy)
	if err != nil {
		return nil, err
	}
	return s.trusts.file(instance, name, body)
}

func (s *systems) readKey(file yamlshape.Text) ([]byte, error) {
	name, err := s.beside(file)
	if err != nil {
		return nil, err
	}
	return s.command.readPolicy(name, givenByPolicy)
}

// beside returns the path of a file that a policy names, which is relative to
// the policy's own.
func (s *systems) beside(file yamlshape.Text) (string, error) {
	from := file.At.File
	if strings.Contains(from, "://") || strings.Contains(from, "@sha256:") {
		return "", errors.New("a policy that was fetched has no files beside it: write the text itself")
	}
	name := filepath.FromSlash(file.Value)
	if !filepath.IsAbs(name) {
		name = s.command.path(filepath.FromSlash(path.Join(path.Dir(from), file.Value)))
	}
	s.files = append(s.files, name)
	return name, nil
}

var _ sigstore.Store = (*registry.Client)(nil)
