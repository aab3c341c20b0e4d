package cli

import (
	"context"
	"errors"
	"path"
	"path/filepath"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

// A system is a way of signing, as one run asks for it.
type system interface {
	// requirements returns what a policy may ask of it, for the run.
	requirements() []policy.System
	// bind says where signatures are looked for, and the time of the run.
	bind(store, time.Time)
	// looker returns how to look at everything that it has signed. It comes after
	// bind; the error says that the flags are wrong.
	looker() (looker, error)
	// lints returns what is looked for in who may sign.
	lints() []policy.Lint
}

// A looker returns each signature of an image, whoever made it, or of the
// manifests of its platforms where the image itself has none that is sound. It
// decides nothing.
type looker func(ctx context.Context, img image.Pinned, platforms []string) ([]verify.Candidate, error)

// A store is what images are resolved by and where signatures lie: registries,
// or what they answered.
type store interface {
	gate.Resolver
	Manifest(ctx context.Context, repo image.Ref, reference string) (registry.Manifest, error)
	Referrers(ctx context.Context, repo image.Ref, digest string) ([]ocispec.Descriptor, error)
	Blob(ctx context.Context, repo image.Ref, d ocispec.Descriptor) ([]byte, error)
	TrustData(ctx context.Context, s registry.TrustServer, gun, file string, limit int64) ([]byte, error)
	Describe(ctx context.Context, img image.Pinned) (image.Pinned, error)
}

var _ store = (*registry.Client)(nil)

// systems are the ways of signing that the gate knows, for one run.
type systems struct {
	command   Command
	trusts    *trusts  // nil where nothing is asked
	platforms []string // that are built for
	recorded  bool     // what stores answer was recorded, and nobody else is asked
	unasked   bool     // somebody else would have been asked

	each  []system
	files []string // that requirements were read from
}

// newSystems returns them all. Whoever adds a system adds a line, and one in
// [verifyFlags.flagged] if flags can name its signers.
func newSystems(c Command, t *trusts, platforms []string) *systems {
	s := &systems{command: c, trusts: t, platforms: platforms}
	s.each = []system{
		&sigstoreSystem{systems: s},
		&notationSystem{systems: s},
		&dctSystem{systems: s},
	}
	return s
}

// list returns what a policy can ask for.
func (s *systems) list() []policy.System {
	var all []policy.System
	for _, one := range s.each {
		all = append(all, one.requirements()...)
	}
	return all
}

func (s *systems) bind(from store, now time.Time) {
	for _, one := range s.each {
		one.bind(from, now)
	}
}

// looker looks at what all systems have signed. It needs an answer from each:
// the others say nothing of what one may have.
func (s *systems) looker() (looker, error) {
	var each []looker
	for _, one := range s.each {
		look, err := one.looker()
		if err != nil {
			return nil, err
		}
		each = append(each, look)
	}
	return func(ctx context.Context, img image.Pinned, platforms []string) ([]verify.Candidate, error) {
		var found []verify.Candidate
		for _, look := range each {
			more, err := look(ctx, img, platforms)
			if found = append(found, more...); err != nil {
				return found, err
			}
		}
		return found, nil
	}, nil
}

// readFile returns the text of a file that a policy names.
func (s *systems) readFile(file yamlshape.Text) ([]byte, error) {
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
