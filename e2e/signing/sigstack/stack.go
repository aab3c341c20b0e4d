// Package sigstack runs a whole Sigstore on loopback: the code of Fulcio, Rekor
// v2, Rekor v1 over Trillian, and the timestamp authority as their projects
// release it, with a CT log, an issuer of tokens in GitHub's name, and registries
// with and without the referrers API.
//
// A [Stack] is the servers; a process has room for one. Tests use it through a
// [Front] each: addresses, registries, claims and faults of their own, so that
// they run at the same time without seeing each other.
//
// Only 127.0.0.1 is listened on. What is not there: a TUF repository (the trusted
// root is a file), witnesses, and registries that ask for credentials.
package sigstack

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/sigstore/rekor-tiles/v2/pkg/note"
	"github.com/sigstore/sigstore-go/pkg/root"
)

// A Stack is the servers of one Sigstore instance. It is made by [Start].
type Stack struct {
	// TrustedRoot is the path of the instance's trusted root, a file
	// (application/vnd.dev.sigstore.trustedroot+json).
	TrustedRoot string

	authority *certificateAuthority
	issuerKey *ecdsa.PrivateKey
	ct        *ctLog
	tsa       http.Handler
	rekor     *rekor
	rekorV1   http.Handler
	ports     portRange
	closers   []func()
}

// Start starts the servers, which keep files in dir, an existing folder.
// It replaces [http.DefaultTransport] for a moment, and silences the loggers of
// the servers.
func Start(ctx context.Context, dir string) (s *Stack, err error) {
	quiet()
	s = &Stack{TrustedRoot: filepath.Join(dir, "trusted_root.json")}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err := s.startIssuer(); err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	if s.ct, err = newCTLog(); err != nil {
		return nil, fmt.Errorf("CT log: %w", err)
	}
	chain, tsa, err := newTSA(ctx)
	if err != nil {
		return nil, fmt.Errorf("timestamp authority: %w", err)
	}
	s.tsa = tsa
	log, err := os.Create(filepath.Join(dir, "rekor.log")) //nolint:gosec // the caller's folder
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, func() { _ = log.Close() })
	if s.rekor, err = startRekor(ctx, dir, log, &s.ports); err != nil {
		return nil, fmt.Errorf("log, Rekor v2: %w", err)
	}
	s.closers = append(s.closers, s.rekor.stop)
	key, rekorV1, stop, err := startRekorV1(ctx, &s.ports)
	if stop != nil {
		s.closers = append(s.closers, stop)
	}
	if err != nil {
		return nil, fmt.Errorf("log, Rekor v1: %w", err)
	}
	s.rekorV1 = rekorV1
	if err := s.writeTrustedRoot(chain, key); err != nil {
		return nil, fmt.Errorf("trusted root: %w", err)
	}
	return s, nil
}

// Close stops the servers. The fronts are closed before.
func (s *Stack) Close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	s.closers = nil
}

// startIssuer starts the issuer of tokens, which only Fulcio asks.
func (s *Stack) startIssuer() error {
	var err error
	if s.issuerKey, err = newKey(); err != nil {
		return err
	}
	authority, err := newAuthority("sigstack TLS", nil)
	if err != nil {
		return err
	}
	config, err := serverTLS(authority, "token.actions.githubusercontent.com")
	if err != nil {
		return err
	}
	handler, err := discovery(&s.issuerKey.PublicKey)
	if err != nil {
		return err
	}
	listener, err := s.ports.listen()
	if err != nil {
		return err
	}
	server := serve(tls.NewListener(listener, config), handler)
	s.closers = append(s.closers, func() { _ = server.Close() })
	s.authority, err = newCertificateAuthority(listener.Addr().String(), authority)
	return err
}

// trustedSince is from when keys are trusted: before every certificate that a
// test has made to look old.
func trustedSince() time.Time { return time.Now().Add(-30 * time.Minute) }

func (s *Stack) writeTrustedRoot(tsa []*x509.Certificate, rekorV1 crypto.PublicKey) error {
	since := trustedSince()
	log := func(id []byte, key crypto.PublicKey) map[string]*root.TransparencyLog {
		return map[string]*root.TransparencyLog{fmt.Sprintf("%x", id): {
			BaseURL: "http://" + rekorOrigin, ID: id, ValidityPeriodStart: since,
			HashFunc: crypto.SHA256, PublicKey: key, SignatureHashFunc: crypto.SHA256,
		}}
	}
	_, id, err := note.KeyHash(rekorOrigin, s.rekor.key)
	if err != nil {
		return err
	}
	logs := log(id, s.rekor.key)
	idV1, err := logID(rekorV1)
	if err != nil {
		return err
	}
	maps.Copy(logs, log(idV1[:], rekorV1))
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{
			Root: s.authority.root.certificate, Intermediates: []*x509.Certificate{s.authority.intermediate.certificate},
			ValidityPeriodStart: since,
		}},
		log(s.ct.id[:], s.ct.key.Public()),
		[]root.TimestampingAuthority{&root.SigstoreTimestampingAuthority{
			Root: tsa[len(tsa)-1], Intermediates: tsa[1 : len(tsa)-1], Leaf: tsa[0], ValidityPeriodStart: since,
		}},
		logs)
	if err != nil {
		return err
	}
	body, err := trusted.MarshalJSON()
	if err != nil {
		return err
	}
	return os.WriteFile(s.TrustedRoot, body, 0o600)
}
