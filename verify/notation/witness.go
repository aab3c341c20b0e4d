package notation

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/notaryproject/notation-core-go/revocation"
	"github.com/notaryproject/notation-core-go/revocation/purpose"
	"github.com/notaryproject/notation-core-go/revocation/result"
	coresig "github.com/notaryproject/notation-core-go/signature"

	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/certfile"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// A witness says whether the certificates of one chain were revoked, and
// remembers what it was told. It is a revocation.Validator for one signature.
type witness struct {
	*prover
	purpose purpose.Purpose

	chain    []*x509.Certificate
	results  []*result.CertRevocationResult
	err      error // nobody could be asked
	asked    bool  // the chain was found to be sound, and its revocation is what is left
	verified bool  // nothing that counts speaks against the chain
}

var _ revocation.Validator = (*witness)(nil)

// ValidateContext implements revocation.Validator.
func (w *witness) ValidateContext(ctx context.Context, opts revocation.ValidateContextOptions) ([]*result.CertRevocationResult, error) {
	w.chain = opts.CertChain
	asked := opts.CertChain
	if w.purpose == purpose.CodeSigning {
		// Whom to ask stands in the certificates: nobody is asked for a chain that
		// anybody may have made. (The chain of a countersignature has been verified.)
		scheme := coresig.SigningSchemeX509
		if !opts.AuthenticSigningTime.IsZero() {
			scheme = coresig.SigningSchemeX509SigningAuthority
		}
		anchor := w.stores.anchor(scheme, opts.CertChain)
		if anchor == nil {
			return nil, errNotAsked
		}
		asked = upTo(anchor, opts.CertChain)
	}
	w.asked = true
	if w.config.Revocation == Skip {
		w.verified = true
		return allOK(len(w.chain)), nil
	}
	w.results, w.err = w.asker.ask(ctx, w.purpose, asked, opts.AuthenticSigningTime)
	soft := w.config.Revocation == Soft
	if w.err != nil {
		w.results = nil
		if soft {
			w.verified = true
			return allOK(len(w.chain)), nil
		}
		return nil, w.err
	}
	out := slices.Clone(w.results)
	w.verified = true
	for i, r := range out {
		switch {
		case r == nil:
			return nil, errors.New("an answer is missing")
		case r.Result == result.ResultRevoked, r.Result == result.ResultUnknown && !soft:
			w.verified = false
		case r.Result == result.ResultUnknown:
			out[i] = &result.CertRevocationResult{Result: result.ResultOK}
		}
	}
	return out, nil
}

// upTo returns chain without the addresses of those above anchor. Nobody who is
// trusted has issued them, and whoever may push may have put others in their
// place: nobody signs the chain as a whole.
func upTo(anchor *x509.Certificate, chain []*x509.Certificate) []*x509.Certificate {
	out := slices.Clone(chain)
	for i := slices.IndexFunc(out, anchor.Equal) + 1; i < len(out); i++ {
		silent := *out[i]
		silent.OCSPServer, silent.CRLDistributionPoints = nil, nil
		out[i] = &silent
	}
	return out
}

// errNotAsked is why nobody is asked.
var errNotAsked = errors.New("nobody was asked whether its certificates were revoked, since nobody who is trusted issued them")

func allOK(n int) []*result.CertRevocationResult {
	out := make([]*result.CertRevocationResult, n)
	for i := range out {
		out[i] = &result.CertRevocationResult{Result: result.ResultOK}
	}
	return out
}

// explain says in r what speaks against the chain.
func (w *witness) explain(r *refusal) {
	if !w.asked {
		r.reason = verify.WrongSigner
		return
	}
	for i, res := range w.results {
		if res != nil && res.Result == result.ResultRevoked {
			r.reason, r.err = verify.Revoked, fmt.Errorf("%s was revoked%s", certfile.Title(w.chain[i]), said(res, result.ResultRevoked))
			return
		}
	}
	if cert, why := w.silence(); cert != nil {
		r.reason, r.err = verify.Unavailable, fmt.Errorf("nobody says whether %s was revoked%s", certfile.Title(cert), why)
	}
}

// silence returns the certificate of which nothing is known, nil if there is none,
// and who did not say, as the rest of a sentence.
func (w *witness) silence() (cert *x509.Certificate, why string) {
	if w.err != nil {
		return w.chain[0], ": " + hostile.Clip(w.err.Error())
	}
	for i, res := range w.results {
		if res != nil && res.Result == result.ResultUnknown {
			return w.chain[i], said(res, result.ResultUnknown)
		}
	}
	return nil, ""
}

// named reports whether a certificate names who knows of its revocation.
func (w *witness) named() bool {
	return slices.ContainsFunc(w.results, func(r *result.CertRevocationResult) bool { return r != nil && r.Result != result.ResultNonRevokable })
}

// said lists the servers that gave the answer, and their words.
func said(r *result.CertRevocationResult, answer result.Result) string {
	var out []string
	for _, s := range r.ServerResults {
		if s == nil || s.Result != answer || len(out) == 4 {
			continue
		}
		text := s.RevocationMethod.String()
		if s.Server != "" {
			text += " " + hostile.Clip(s.Server)
		}
		if s.Error != nil {
			text += ": " + hostile.Clip(words(s.Error, s.Server))
		}
		out = append(out, text)
	}
	if len(out) == 0 {
		return ""
	}
	return " (" + strings.Join(out, "; ") + ")"
}
