package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// sigstoreSystem is Sigstore: signatures of images and attestations about them,
// which policies ask for apart.
type sigstoreSystem struct {
	*systems

	session *sigstore.Session               // nil while policies are only read
	configs map[policy.Form]sigstore.Config // what was made of forms, so that each key is read once
	now     time.Time
}

func (s *sigstoreSystem) requirements() []policy.System {
	return []policy.System{
		{Name: "sigstore", Doc: "A Sigstore signature of the image, keyless or by key.", New: func() policy.Form { return &sigstore.SignatureForm{} }, Verifier: s.verifier},
		{Name: "attestation", Doc: "A signed in-toto attestation of the image.", New: func() policy.Form { return &sigstore.AttestationForm{} }, Verifier: s.verifier},
	}
}

func (s *sigstoreSystem) bind(from store, now time.Time) {
	s.session, s.now, s.configs = sigstore.NewSession(from, image.Ref{}), now, map[policy.Form]sigstore.Config{}
}

func (s *sigstoreSystem) looker() (looker, error) {
	trust, err := s.trusts.of("")
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, img image.Pinned, platforms []string) ([]verify.Candidate, error) {
		return s.session.Look(ctx, trust, img, platforms)
	}, nil
}

// verifier makes the check of one of Sigstore's forms.
func (s *sigstoreSystem) verifier(f policy.Form, u image.Use) (verify.Verifier, error) {
	form, ok := f.(interface {
		Config(sigstore.Env) (sigstore.Config, error)
	})
	if !ok || s.session == nil {
		return nil, fmt.Errorf("%T makes no check", f)
	}
	c, made := s.configs[f]
	if !made {
		var err error
		if c, err = form.Config(sigstore.Env{Trust: s.trust, ReadKey: s.readFile, Now: s.now}); err != nil {
			return nil, err
		}
		s.configs[f] = c
	}
	if !u.Foreign {
		c.Platforms = asListed(s.platforms)
	}
	return s.session.Require(c)
}

func (s *sigstoreSystem) trust(instance string, file yamlshape.Text) (*sigstore.Trust, error) {
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

func (s *sigstoreSystem) lints() []policy.Lint {
	return []policy.Lint{
		{Name: "any-issuer", Doc: "An issuer's pattern accepts issuers that anybody can run."},
		{Name: "issuer-no-url", Doc: "An issuer is no address, and every certificate's is."},
		{Name: "issuer-misfit", Doc: "The issuer does not vouch for such subjects, so that nobody can pass, or somebody whom nobody meant."},
		{Name: "any-identity", Doc: "A subject's pattern accepts anybody whom the issuer knows, or an identity of Notation's anybody for whom the certificates vouch."},
		{Name: "email-domain", Doc: "A subject's pattern accepts everybody with an address of a domain."},
		{Name: "other-owners", Doc: "A subject's pattern accepts workflows of other owners."},
		{Name: "owner-prefix", Doc: "A subject's pattern has an owner without a slash behind it, and accepts all owners that begin like it."},
		{Name: "any-workflow", Doc: "A subject's pattern accepts any workflow of a repository."},
		{Name: "any-ref", Doc: "A subject's pattern accepts any ref, branches of anybody with push rights included."},
		{Name: "no-ref", Doc: "A subject fits no certificate of GitHub's workflows, which name a file and a ref."},
		{Name: "pull-request", Doc: "A subject is that of a run for a proposal, which is made of what its author wrote."},
		{Name: "shared-workflow", Doc: "A subject is a workflow that anybody may call, and no claim says who did."},
		{Name: "looks-like-regexp", Doc: "A subject or issuer looks like a regular expression, and is compared as it stands."},
		{Name: "loose-dot", Doc: "A dot in the host name of an expression stands for any character."},
		{Name: "claim-pattern", Doc: "A claim has a *, and claims are compared exactly."},
		{Name: "claim-no-url", Doc: "A claim that is an address in certificates is none."},
		{Name: "ignore-tlog", Doc: "A key's signatures need no log entry, so that nobody notices a stolen key."},
	}
}
