package cli

import (
	"context"
	"slices"

	"github.com/boltseal/boltseal/sign"
	maker "github.com/boltseal/boltseal/sign/sigstore"
	"github.com/boltseal/boltseal/verify"
)

// readServices reads what says whom to ask, and whom to trust.
func (m *sigstoreMeans) readServices() error {
	f := &m.run.flags
	switch {
	case f.trust.instance == "github":
		return usagef("--sigstore", "use public-good, or attest with GitHub's own actions/attest-build-provenance", "the instance github signs for GitHub's own actions only")
	case !f.upload && f.config != "":
		return usagef("--signing-config", "leave it out, or leave --tlog-upload=false out", "without the log no service is asked")
	case !f.upload:
		return nil // a key alone vouches for what it has signed
	case f.trust.file != "" && f.config == "":
		return usagef("--trusted-root", "add --signing-config with the services of that instance", "it says whom to trust, and not with which services to sign")
	}
	var err error
	if m.trust, err = f.trust.trust(m.run.command.getenv, m.run.command.proxy()); err != nil {
		return err
	}
	if f.config == "" {
		return nil
	}
	body, err := readBounded(m.run.command.path(f.config), maxText)
	if err != nil {
		return usagef("--signing-config", "give a signing_config.json, as `cosign signing-config create` writes it", "%w", err)
	}
	return m.choose(body)
}

// choose reads a signing config, and selects from it.
func (m *sigstoreMeans) choose(body []byte) error {
	config, err := maker.ParseSigningConfig(body)
	if err != nil {
		return usagef("--signing-config", "give a signing_config.json, as `cosign signing-config create` writes it", "%w", err)
	}
	now, versions := m.run.command.now(), []uint32{1, 2}
	if slices.Contains(m.run.order.Formats, sign.Legacy) {
		// Verifiers on cosign 2 look at bundles first, and do not take those of
		// version 2 unless they are told to.
		versions = versions[:1]
		if m.legacy, err = config.Services(now, versions...); err != nil {
			return usagef("--signing-config", hintOf(err, ""), "%w", bare(err))
		}
	}
	if m.bundles, err = config.Services(now, versions...); err != nil {
		return usagef("--signing-config", hintOf(err, ""), "%w", bare(err))
	}
	m.chosen = true
	return nil
}

// services selects the services, from what the instance's repository says unless
// a file did. An error is bad input, or no answer.
func (m *sigstoreMeans) services(ctx context.Context) error {
	if m.chosen || !m.run.flags.upload {
		return nil
	}
	body, err := m.trust.SigningConfig(ctx)
	if err != nil {
		return &verify.Error{Op: "find the services that sign", Err: err, Hint: hintOf(err, "see that the address can be reached from here (proxy, firewall); or give the files with --trusted-root and --signing-config")}
	}
	return m.choose(body)
}

// asker returns the client of the Sigstore services.
func (c Command) asker() *maker.Client {
	return maker.NewClient(maker.ClientOptions{Proxy: c.proxy(), UserAgent: "boltseal/" + version(), Sleep: c.Sleep})
}
