package sigstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
	"github.com/boltseal/boltseal/verify/internal/manifests"
)

// platforms checks the platform manifests of an index that carries no signature
// itself, each with its own. index is what was found about the index.
func (v *verifier) platforms(ctx context.Context, img image.Pinned, index outcome) verify.Verdict {
	img, err := v.described(ctx, img)
	if err != nil {
		return verify.Fail(img, registry.Reason(err), err)
	}
	if len(img.Children()) == 0 {
		return index.verdict(img)
	}
	wanted, err := manifests.Choose(img, v.Platforms)
	if err != nil {
		return verify.Fail(img, manifests.Unchosen(err), err).With(index.candidates)
	}
	return v.each(img, wanted, index.candidates, func(c image.Child) outcome {
		child, err := img.At(c.Digest)
		if err != nil {
			return outcome{reason: verify.BadSignature, err: err}
		}
		return v.manifest(ctx, child, verify.SignedPlatform, c.Platform)
	})
}

// attested checks the BuildKit attestation manifest of each platform. What is
// signed is that manifest; it vouches for the platform manifest that it names
// in its own bytes. The index also pairs the two, in annotations that whoever
// pushes an index may write as they like.
func (v *verifier) attested(ctx context.Context, img image.Pinned) verify.Verdict {
	img, err := v.described(ctx, img)
	if err != nil {
		return verify.Fail(img, registry.Reason(err), err)
	}
	wanted, err := manifests.Choose(img, v.Platforms)
	if err != nil {
		return verify.Fail(img, manifests.Unchosen(err), err)
	}
	if len(wanted) == 0 {
		return verify.Fail(img, verify.Unsupported, &verify.Error{
			Op: "look for attestation manifests of " + img.String(), Err: errors.New("it is not an index built by BuildKit"),
			Hint: "leave out " + v.called("signature-on") + ", which asks for the signature on the attestation manifest",
		})
	}
	return v.each(img, wanted, nil, func(c image.Child) outcome { return v.attestation(ctx, img, c) })
}

func (v *verifier) attestation(ctx context.Context, img image.Pinned, platform image.Child) outcome {
	for _, c := range img.Children() {
		if c.Attests != platform.Digest {
			continue
		}
		manifest, err := img.At(c.Digest)
		if err != nil {
			return outcome{reason: verify.BadSignature, err: err}
		}
		if err := v.names(ctx, manifest, platform.Digest); err != nil {
			reason := verify.BadSignature
			if r := (*registry.Error)(nil); errors.As(err, &r) {
				reason = manifests.Answerless(err)
			}
			return outcome{reason: reason, err: &verify.Error{
				Op: "read attestation manifest of " + platform.Platform, Err: err,
				Hint: "do not build from this image unless its publisher can explain the index",
			}}
		}
		o := v.manifest(ctx, manifest, verify.SignedAttestation, platform.Platform)
		if o.evidence != nil {
			for i := range o.evidence {
				o.evidence[i].Covers = platform.Digest
			}
		}
		return o
	}
	return outcome{reason: verify.Unsigned, err: &verify.Error{
		Op: "look for the attestation manifest of " + platform.Platform, Err: errors.New("the index has none"),
		Hint: "build with provenance (BuildKit's --attest), or leave out " + v.called("signature-on"),
	}}
}

// names reports an error unless the attestation manifest itself is about the
// platform manifest: by its subject, or by the subjects of its in-toto
// statements, whose digests it carries.
func (v *verifier) names(ctx context.Context, manifest image.Pinned, platform string) error {
	m, err := v.gatherer.store.Manifest(ctx, manifest.Ref(), manifest.Digest())
	if err != nil {
		return manifests.Listed(err)
	}
	var doc ocispec.Manifest
	if err := json.Unmarshal(m.Body, &doc); err != nil {
		return fmt.Errorf("attestation manifest: %w", err)
	}
	if doc.Subject != nil {
		if doc.Subject.Digest.String() != platform {
			return fmt.Errorf("attestation manifest is about %s, not about %s as the index says", hostile.Clip(doc.Subject.Digest.String()), platform)
		}
		return nil
	}
	const enough = 8 // BuildKit writes one statement each for provenance and SBOMs
	for i, l := range doc.Layers {
		if i == enough {
			break
		}
		if l.MediaType != "application/vnd.in-toto+json" {
			continue
		}
		body, err := v.gatherer.store.Blob(ctx, manifest.Ref(), l)
		if err != nil {
			return manifests.Listed(err)
		}
		var statement struct {
			Subject []struct{ Digest map[string]string }
		}
		if err := json.Unmarshal(body, &statement); err != nil {
			return fmt.Errorf("in-toto statement: %w", err)
		}
		for _, s := range statement.Subject {
			if "sha256:"+s.Digest["sha256"] == platform {
				return nil
			}
		}
	}
	return fmt.Errorf("attestation manifest does not name %s, as the index says", platform)
}

func (v *verifier) described(ctx context.Context, img image.Pinned) (image.Pinned, error) {
	if img.MediaType() != "" {
		return img, nil
	}
	return v.gatherer.store.Describe(ctx, img)
}

// each checks every wanted child and passes only if all of them do.
func (v *verifier) each(img image.Pinned, wanted []image.Child, before []verify.Candidate, check func(image.Child) outcome) verify.Verdict {
	return manifests.Each(img, wanted, v.need(), before, func(c image.Child) manifests.Outcome {
		o := check(c)
		return manifests.Outcome{Evidence: o.evidence, Candidates: o.candidates, Reason: o.reason, Err: o.err}
	})
}
