package sigstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
	"github.com/boltseal/boltseal/verify/internal/manifests"
)

// Look returns every signature and attestation of img, whoever made it. Where
// the image itself has none that is sound it also returns those of the manifests
// of its platforms and of BuildKit's attestation manifests: of the platforms
// given ("os/arch[/variant]"), or of all. It decides nothing.
//
// Nobody is expected, so that a sound one has the Reason WrongSigner, with its
// signer and the line that would accept it. One by a key has a signer only where
// the key is in its log entry; without, nothing of it is proven. No signatures and no error mean that there
// are none, and that this was asked twice. [registry.Reason] of an error is why
// there was no answer, or that there is no such image.
func (s *Session) Look(ctx context.Context, trust *Trust, img image.Pinned, platforms []string) ([]verify.Candidate, error) {
	if trust == nil {
		return nil, ErrNoTrust
	}
	l := &looker{verifier{Config{Trust: trust}, s.gatherer(image.Ref{})}}
	found, err := l.manifest(ctx, img, verify.SignedImage, "")
	if err != nil || slices.ContainsFunc(found, sound) {
		return found, err
	}
	if img, err = l.described(ctx, img); err != nil {
		return nil, err
	}
	if len(img.Children()) == 0 {
		return found, nil
	}
	wanted, err := manifests.Choose(img, platforms)
	if err != nil {
		return nil, err
	}
	for _, p := range wanted {
		more, err := l.platform(ctx, img, p)
		if err != nil {
			return nil, fmt.Errorf("platform %s: %w", hostile.Clip(p.Platform), err)
		}
		found = append(found, more...)
	}
	return found, nil
}

// sound reports whether a candidate proves who signed something.
func sound(c verify.Candidate) bool { return c.Reason == verify.WrongSigner && c.Signer != "" }

// A looker looks at signatures without asking for any.
type looker struct{ verifier }

// platform looks at the manifest of a platform, and at the attestation manifest
// that the index names for it.
func (l *looker) platform(ctx context.Context, img image.Pinned, p image.Child) ([]verify.Candidate, error) {
	child, err := img.At(p.Digest)
	if err != nil {
		return nil, err
	}
	found, err := l.manifest(ctx, child, verify.SignedPlatform, p.Platform)
	if err != nil || slices.ContainsFunc(found, sound) {
		return found, err
	}
	for _, c := range img.Children() {
		if c.Attests != p.Digest {
			continue
		}
		attestation, err := img.At(c.Digest)
		if err != nil {
			return nil, err
		}
		more, err := l.manifest(ctx, attestation, verify.SignedAttestation, p.Platform)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// manifest looks at the signatures of one manifest.
func (l *looker) manifest(ctx context.Context, img image.Pinned, signed, platform string) ([]verify.Candidate, error) {
	sigs, err := l.gather(ctx, img, []place{sigTag, attTag, allReferrers}, false)
	if len(sigs) == 0 && err == nil {
		sigs, err = l.gather(ctx, img, []place{sigTag, attTag, allReferrers}, true)
	}
	if err != nil {
		return nil, registry.Explain("read signatures of "+img.String(), l.where(img), err)
	}
	if len(sigs) == 0 {
		return nil, nil
	}
	material, err := l.Trust.wait(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoTrust, err)
	}
	p := prover{material: material, rules: l.Trust.rules}
	var found []verify.Candidate
	for _, s := range sigs {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		s = s.parsed()
		c := verify.Candidate{System: System, Format: s.format, Storage: s.storage, Source: s.source, Signed: signed, Platform: platform}
		f, err := p.prove(s, Artifact{Digest: img.Digest()})
		if r := (*refusal)(nil); err == nil || errors.As(err, &r) && r.reason == verify.WrongSigner {
			err = nobody(f)
		}
		found = append(found, l.explain(c, f, err))
	}
	return found, nil
}

// nobody refuses a signature, since nobody in particular is expected.
func nobody(f facts) error {
	switch signer, _ := f.signer(); {
	case f.blob:
		return refuse(verify.WrongType, "it is a signature of a file, not of an image")
	case signer == "":
		return refuse(verify.WrongSigner, "it was made with a key that is not known")
	}
	return &refusal{reason: verify.WrongSigner, err: errors.New("nobody is expected to sign it")}
}
