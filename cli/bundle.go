package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// maxBundle bounds a bundle file, in bytes.
const maxBundle = 32 << 20

// verifyBundle is the client that the public suite sigstore-conformance drives
// (https://github.com/sigstore/sigstore-conformance/blob/main/docs/cli_protocol.md).
// It uses the verification code of images, whatever the predicate type.
func (c Command) verifyBundle(code *int) *cobra.Command {
	var (
		signers signerFlags
		trust   trustFlags
		staging bool
		bundle  string
	)
	cmd := &cobra.Command{
		Use:    "verify-bundle FILE_OR_DIGEST",
		Short:  "Verify a Sigstore bundle of a file (client protocol of sigstore-conformance)",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if staging {
				trust.instance = "staging"
			}
			config, err := bundleConfig(c, &signers, &trust)
			if err != nil {
				return err
			}
			about, closeFile, err := artifact(args[0])
			if err != nil {
				return usagef("FILE_OR_DIGEST", "name a file, or write sha256: and 64 hex digits", "%w", err)
			}
			defer closeFile()
			body, err := readBounded(bundle, maxBundle)
			if err != nil {
				return usagef("--bundle", "name the bundle's file", "%w", err)
			}
			*code = c.runBundle(cmd.Context(), body, config, about)
			return nil
		},
	}
	f := cmd.Flags()
	signers.register(f)
	trust.register(f)
	f.BoolVar(&staging, "staging", false, "use the staging instance")
	f.StringVar(&bundle, "bundle", "", "bundle `FILE`")
	return cmd
}

func (c Command) runBundle(ctx context.Context, body []byte, config sigstore.Config, about sigstore.Artifact) int {
	ev, err := sigstore.VerifyBundle(ctx, body, config, about)
	if err == nil {
		fmt.Fprintf(c.Stdout, "verified: %s\n", report.Printable(ev.Signer)) //nolint:errcheck // the exit code is the answer
		return ExitPassed
	}
	fmt.Fprintf(c.Stderr, "boltseal: %s\n", report.Printable(err.Error()))
	if errors.Is(err, sigstore.ErrNoTrust) {
		return ExitNoAnswer
	}
	return ExitClosed
}

func bundleConfig(c Command, signers *signerFlags, trust *trustFlags) (sigstore.Config, error) {
	ids, err := signers.identities()
	if err != nil {
		return sigstore.Config{}, err
	}
	keys, err := signers.publicKeys(c.getenv)
	if err != nil {
		return sigstore.Config{}, err
	}
	if len(ids) == 0 && len(keys) == 0 {
		return sigstore.Config{}, usagef("", "give --certificate-identity with --certificate-oidc-issuer, or --key", "nothing says who must have signed")
	}
	config := sigstore.Config{Identities: ids, Keys: keys, IgnoreLog: signers.ignoreLog, Flags: true}
	if config.Trust, err = trust.trust(c.getenv, c.proxy()); err != nil {
		return sigstore.Config{}, err
	}
	return config, nil
}

// artifact opens what the bundle has to be about.
func artifact(word string) (sigstore.Artifact, func(), error) {
	if image.ValidDigest(word) {
		return sigstore.Artifact{Digest: word}, func() {}, nil
	}
	f, err := os.Open(word) //nolint:gosec // the user names it
	if err != nil {
		return sigstore.Artifact{}, nil, err
	}
	return sigstore.Artifact{Content: f}, func() { _ = f.Close() }, nil
}
