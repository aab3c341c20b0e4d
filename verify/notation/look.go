package notation

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	coresig "github.com/notaryproject/notation-core-go/signature"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
	"github.com/boltseal/boltseal/verify/internal/manifests"
)

// Look returns every signature of img, whoever made it. Where the image itself
// has none that is sound it also returns those of the manifests of its platforms:
// of the platforms given ("os/arch[/variant]"), or of all. It decides nothing,
// and asks no server whether a certificate was revoked.
//
// Nobody is expected and nobody is trusted, so that a sound one has the Reason
// WrongSigner, with its signer, the last certificate of its chain as the issuer,
// and the line that would accept it. No signatures and no error mean that there
// are none. [registry.Reason] of an error is why there was no answer, or that
// there is no such image.
func (s *Session) Look(ctx context.Context, img image.Pinned, platforms []string) ([]verify.Candidate, error) {
	l := &looker{requirement{Config: Config{MaxSignatures: mostSignatures}, session: s}}
	img, found, err := l.manifest(ctx, img, verify.SignedImage, "")
	if err != nil || slices.ContainsFunc(found, sound) || len(img.Children()) == 0 {
		return found, err
	}
	wanted, err := manifests.Choose(img, platforms)
	if err != nil {
		return nil, err
	}
	for _, p := range wanted {
		child, err := img.At(p.Digest)
		if err != nil {
			return nil, err
		}
		_, more, err := l.manifest(ctx, child, verify.SignedPlatform, p.Platform)
		if err != nil {
			return nil, fmt.Errorf("platform %s: %w", hostile.Clip(p.Platform), err)
		}
		found = append(found, more...)
	}
	return found, nil
}

// sound reports whether a candidate proves who signed something.
func sound(c verify.Candidate) bool { return c.Reason == verify.WrongSigner }

// A looker looks at signatures without asking for any.
type looker struct{ requirement }

// manifest looks at the signatures of one manifest, and returns it described.
func (l *looker) manifest(ctx context.Context, img image.Pinned, signed, platform string) (image.Pinned, []verify.Candidate, error) {
	img, f, err := l.gather(ctx, img)
	if ctx.Err() != nil {
		return img, nil, context.Cause(ctx)
	}
	if err != nil {
		return img, nil, err
	}
	if f.err != nil {
		return img, nil, registry.Explain("read signatures of "+img.String(), l.where(img).Registry(), f.err)
	}
	var found []verify.Candidate
	for _, s := range f.sigs {
		if ctx.Err() != nil {
			return img, nil, context.Cause(ctx)
		}
		c := verify.Candidate{System: System, Format: s.format(), Storage: s.storage, Source: s.source, Signed: signed, Platform: platform}
		proven, err := safely(s, img)
		if err == nil {
			err = nobody(proven, time.Now())
		}
		found = append(found, l.explain(c, proven, err))
	}
	return img, found, nil
}

// safely is read, of which whatever goes wrong inside is the signature's fault.
func safely(s signature, img image.Pinned) (f facts, err error) {
	panicked := hostile.Safely(func() error {
		f, err = read(s, img)
		return nil
	})
	if panicked != nil {
		return facts{}, refuse(verify.BadSignature, "%w", panicked)
	}
	return f, err
}

// nobody refuses a signature, since nobody in particular is expected.
func nobody(f facts, now time.Time) error {
	expired := func(c *x509.Certificate) bool { return now.Before(c.NotBefore) || now.After(c.NotAfter) }
	switch {
	case !f.expiry.IsZero() && !now.Before(f.expiry):
		return refuse(verify.Expired, "the signature has expired on %s, as its signer wanted", f.expiry.UTC().Format(time.RFC3339))
	case f.scheme == coresig.SigningSchemeX509 && len(f.token) == 0 && slices.ContainsFunc(f.chain, expired):
		return &refusal{reason: verify.Expired, err: outside(f.chain, now, "it is now", errors.New("a certificate has expired"))}
	}
	return &refusal{reason: verify.WrongSigner, err: errors.New("nobody is expected to sign it")}
}
