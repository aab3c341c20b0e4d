package cli

import (
	"context"

	maker "github.com/boltseal/boltseal/sign/sigstore"
)

// readServices reads what says whom to ask.
func (s *signing) readServices() error {
	f := &s.flags
	if f.trust.instance == "github" {
		return usagef("--sigstore", "use public-good, or attest with GitHub's own actions/attest-build-provenance", "the instance github signs for GitHub's own actions only")
	}
	var err error
	s.trust, err = f.trust.trust(s.command.getenv, s.command.proxy())
	return err
}

// services returns the client of the Sigstore services.
func (s *signing) services() *maker.Client { return &maker.Client{} }

// chosen returns the services for bundles, and those for the legacy format.
func (s *signing) chosen(ctx context.Context) (bundles, legacy maker.Services, err error) {
	return bundles, legacy, ctx.Err()
}
