//go:build unix

package main

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
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
	return nil
}

// call returns the arguments and the environment that the tool verifies images
// with, all of which stand at the end.
func (l *lab) call(t tool, format, identity string) (args, env []string) {
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
