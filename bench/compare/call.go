//go:build unix

package main

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/boltseal/boltseal/bench"
)

// files writes what the tools are told to trust.
func (l *lab) files() error {
	if err := os.Mkdir(l.home(), 0o700); err != nil {
		return err
	}
	// cosign v2 takes a trusted root for bundles only; for its own format it
	// takes the parts.
	type key struct{ PublicKey struct{ RawBytes []byte } }
	var doc struct {
		CertificateAuthorities []struct {
			CertChain struct{ Certificates []struct{ RawBytes []byte } }
		}
		TLogs  []key
		CTLogs []key
	}
	if err := json.Unmarshal(l.stage.TrustedRoot, &doc); err != nil {
		return err
	}
	if len(doc.CertificateAuthorities) == 0 || len(doc.TLogs) == 0 || len(doc.CTLogs) == 0 {
		return fmt.Errorf("the trusted root has parts missing: %s", l.stage.TrustedRoot)
	}
	var roots strings.Builder
	for _, c := range doc.CertificateAuthorities[0].CertChain.Certificates {
		roots.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.RawBytes}))
	}
	public := func(k key) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.PublicKey.RawBytes})
	}
	for name, text := range map[string][]byte{
		"trusted_root.json": l.stage.TrustedRoot,
		"fulcio.pem":        []byte(roots.String()),
		"rekor.pem":         public(doc.TLogs[0]), // Rekor v1; the list is sorted by start
		"ctlog.pem":         public(doc.CTLogs[0]),
	} {
		if err := os.WriteFile(l.file(name), text, 0o600); err != nil {
			return err
		}
	}
	return l.notation()
}

// call returns the arguments and the environment that the tool verifies images
// with, all of which stand at the end: by the signer or by somebody who did not
// sign.
func (l *lab) call(t tool, format string, signer bool) (args, env []string) {
	if format == bench.Notation {
		return l.callNotation(t, signer)
	}
	identity := bench.Identity
	if !signer {
		identity = "not-" + identity
	}
	args = []string{t.path, "verify", "--certificate-identity", identity, "--certificate-oidc-issuer", bench.Issuer}
	switch {
	case t.cosign == 2 && format == bench.Legacy:
		return append(args, "--offline"), []string{
			"SIGSTORE_ROOT_FILE=" + l.file("fulcio.pem"),
			"SIGSTORE_REKOR_PUBLIC_KEY=" + l.file("rekor.pem"),
			"SIGSTORE_CT_LOG_PUBLIC_KEY_FILE=" + l.file("ctlog.pem"),
		}
	case t.cosign == 2:
		args = append(args, "--new-bundle-format=true")
	}
	return append(args, "--trusted-root", l.file("trusted_root.json")), nil
}

// The folders that notation keeps its configuration in: with a trust policy that
// names the signer, or somebody else.
const (
	trusting  = "trusting"
	otherwise = "otherwise"
)

// notation writes what that command line is told to trust.
func (l *lab) notation() error {
	if err := os.WriteFile(l.file("notation.pem"), l.stage.NotationRoot, 0o600); err != nil {
		return err
	}
	for folder, identity := range map[string]string{trusting: bench.NotationIdentity, otherwise: bench.NotationIdentity + ", CN=other"} {
		config := filepath.Join(l.file(folder), "notation")
		for name, content := range map[string]any{
			"config.json": map[string]any{"insecureRegistries": []string{l.stage.Registry.Host()}},
			"trustpolicy.json": map[string]any{"version": "1.0", "trustPolicies": []any{map[string]any{
				"name": "bench", "registryScopes": []string{"*"}, "signatureVerification": map[string]string{"level": "strict"},
				"trustStores": []string{"ca:bench"}, "trustedIdentities": []string{identity},
			}}},
		} {
			text, err := json.Marshal(content)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(config, 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(config, name), text, 0o600); err != nil {
				return err
			}
		}
		store := filepath.Join(config, "truststore", "x509", "ca", "bench")
		if err := os.MkdirAll(store, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(store, "root.pem"), l.stage.NotationRoot, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) callNotation(t tool, signer bool) (args, env []string) {
	identity, folder := bench.NotationIdentity, trusting
	if !signer {
		identity, folder = identity+", CN=other", otherwise
	}
	if t.atATime > 0 {
		return []string{t.path, "verify"}, []string{"XDG_CONFIG_HOME=" + l.file(folder)}
	}
	return []string{t.path, "verify", "--notation-certificate", l.file("notation.pem"), "--notation-identity", identity}, nil
}
