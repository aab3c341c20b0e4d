package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/sign"
	maker "github.com/boltseal/boltseal/sign/sigstore"
	"github.com/boltseal/boltseal/verify"
)

// maxBlob bounds a file that sign-bundle signs, in bytes.
const maxBlob = 256 << 20

// signBundle is the other half of the client that the public suite
// sigstore-conformance drives
// (https://github.com/sigstore/sigstore-conformance/blob/main/docs/cli_protocol.md).
// The token stands on its command line, since the protocol has it so. It uses
// the code that signs images.
func (c Command) signBundle(code *int) *cobra.Command {
	var (
		f               = signFlags{upload: true}
		staging, inToto bool
		token, bundle   string
	)
	cmd := &cobra.Command{
		Use:    "sign-bundle FILE",
		Short:  "Sign a file as a Sigstore bundle (client protocol of sigstore-conformance)",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if staging {
				f.trust.instance = "staging"
			}
			if bundle == "" {
				return usagef("--bundle", "name the file that gets the bundle", "it is missing")
			}
			f.by = signerChoice{tokenText: token, audience: defaultAudience}
			if token == "" {
				return usagef("--identity-token", "give the token", "it is missing")
			}
			content, err := readBounded(c.path(args[0]), maxBlob)
			if err != nil {
				return usagef("FILE", "name the file to sign", "%w", err)
			}
			if err := writableDir(filepath.Dir(c.path(bundle))); err != nil { // what is logged is logged for good
				return usagef("--bundle", "name a file in a folder that may be written", "%w", err)
			}
			if inToto && !json.Valid(content) {
				return usagef("FILE", "give an in-toto statement", "%s is no JSON", args[0])
			}
			m := &sigstoreMeans{run: &signing{command: c, flags: f, started: c.now(), order: sign.Order{Formats: []sign.Format{sign.Bundle}}}}
			if err := m.readServices(); err != nil {
				return err
			}
			if m.by, err = f.by.read(c, true); err != nil {
				return err
			}
			body, err := m.blob(cmd.Context(), content, inToto)
			if u := (*usageError)(nil); errors.As(err, &u) {
				return err
			}
			if err == nil {
				err = writeWhole(c.path(bundle), body)
			}
			if err != nil {
				*code = c.unsignedBlob(err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	f.trust.register(flags)
	flags.StringVar(&f.config, "signing-config", "", "signing_config.json `FILE` that names the services")
	flags.BoolVar(&staging, "staging", false, "use the staging instance")
	flags.BoolVar(&inToto, "in-toto", false, "the file is an in-toto statement, which is signed as one")
	flags.StringVar(&token, "identity-token", "", "OpenID Connect `TOKEN`")
	flags.StringVar(&bundle, "bundle", "", "`FILE` that gets the bundle")
	return cmd
}

// blob signs content.
func (m *sigstoreMeans) blob(ctx context.Context, content []byte, inToto bool) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, defaultTimeout, timeoutError{defaultTimeout})
	defer cancel()
	m.trust.Start(ctx)
	if err := m.services(ctx); err != nil {
		return nil, err
	}
	signer, err := maker.New(maker.Options{
		Store: registry.New(registry.Options{}), Trust: m.trust, Services: m.bundles, Client: m.run.command.asker(),
		Token: m.by.token, Now: m.run.command.now, Sleep: m.run.command.Sleep,
	})
	if err != nil {
		return nil, usagef("", hintOf(err, ""), "%w", err)
	}
	return signer.SignBlob(ctx, content, inToto)
}

// unsignedBlob says why nothing was signed, and returns the exit code.
func (c Command) unsignedBlob(err error) int {
	c.warn(err.Error())
	if hint := verify.Hint(err); hint != "" {
		fmt.Fprintf(c.Stderr, "  next: %s\n", report.Printable(hint))
	}
	if sign.Reason(err).NoAnswer() {
		return ExitNoAnswer
	}
	return ExitClosed
}

// writableDir returns an error unless files can be made in a folder.
func writableDir(dir string) error {
	file, err := os.CreateTemp(dir, ".boltseal-bundle-")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// writeWhole writes a file that everybody may read, whole or not at all.
func writeWhole(name string, body []byte) error {
	file, err := os.CreateTemp(filepath.Dir(name), ".boltseal-bundle-")
	if err != nil {
		return err
	}
	_, err = file.Write(body)
	err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
