package sigstore

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/manifests"
)

// A Made is one sound signature or attestation, with what it says besides: the
// word of whoever signed it.
type Made struct {
	Evidence verify.Evidence
	// Predicate is the predicate of an attestation, null where it has none; nil
	// for a signature.
	Predicate json.RawMessage
	// Annotations are what a signature was made with, as encoding/json decodes
	// them; nil for none, and for an attestation.
	Annotations map[string]any
	// Bundle is the bundle as it is stored; nil for cosign's older formats.
	Bundle []byte
	// Layer is how the manifest that carries it describes it: where there are
	// several beside each other, it says which one this is. Beside is how many
	// others there are.
	Layer  ocispec.Descriptor
	Beside int
}

// Signature reports whether m is a signature, as opposed to an attestation.
func (m Made) Signature() bool { return m.Predicate == nil }

// Made returns every sound signature of img itself by one of those of c, and every
// attestation that is a bundle, and what it says: what cosign 2 keeps behind a
// .att tag is not asked for, as nobody makes it here. It proves each as a [verify.Verifier] does, and
// is for those who sign: it decides no gate, since it asks for no predicate type,
// condition, platform or number of signers (c must have none), and an empty list
// is no verdict.
//
// What is broken, made by others, or without what the trust asks for is left
// out. An error says that a question was not answered, or that there is more
// than is read, so that what is returned with it may not be all.
func (s *Session) Made(ctx context.Context, c Config, img image.Pinned) ([]Made, error) {
	m, err := newMaker(ctx, c)
	if err != nil {
		return nil, err
	}
	v := &verifier{c, s.gatherer(c.Repository)}
	sigs, unread := v.gather(ctx, img, []place{sigTag, allReferrers}, false)
	var made []Made
	for _, s := range sigs {
		if ctx.Err() != nil { // checking takes time too, and must end with the run
			return nil, &verify.Error{Op: "look at the signatures of " + img.String(), Err: context.Cause(ctx)}
		}
		one, err := m.of(s.parsed(), img)
		r := (*refusal)(nil)
		switch {
		case err == nil:
			made = append(made, one)
		case errors.Is(err, registry.ErrTooMany):
			unread = errors.Join(unread, refuse(verify.Unsupported, "%w", err))
		case errors.As(err, &r) && r.reason != verify.Undecided:
		default:
			return nil, &verify.Error{Op: "look at the signatures of " + img.String(), Err: err}
		}
	}
	if unread != nil {
		return made, registry.Explain("read signatures of "+img.String(), v.where(img), unread)
	}
	return made, nil
}

// Unserved reports whether err, of [Session.Made], is only about what the registry
// lists and says it does not have: nobody can read that, and there is no more.
func Unserved(err error) bool { return manifests.Unserved(err) }

// CheckLayer checks a signature or an attestation of img that is not stored yet,
// with the code that reads stored ones: layer is how its manifest will describe
// it, and blob its content. Of c the same is said as for [Session.Made]. An error
// has a method Reason that says what is wrong with it, where that is what it is.
func CheckLayer(ctx context.Context, layer ocispec.Descriptor, blob []byte, c Config, img image.Pinned) (Made, error) {
	m, err := newMaker(ctx, c)
	if err != nil {
		return Made{}, err
	}
	return m.of(signature{storage: "memory", layer: layer, blob: blob}.parsed(), img)
}

// Material returns what t is made of, once it is there, for those who sign:
// services are chosen and checked by it before signatures are.
func (t *Trust) Material(ctx context.Context) (root.TrustedMaterial, error) {
	material, err := t.wait(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoTrust, err)
	}
	return material, nil
}

// CheckSCT returns an error where t asks for a certificate timestamp, and the first
// certificate of a chain has none by a log that t knows. The error has a method
// Reason.
func (t *Trust) CheckSCT(ctx context.Context, chain []*x509.Certificate) error {
	if !t.rules.sct {
		return nil
	}
	material, err := t.Material(ctx)
	if err != nil {
		return err
	}
	if err := sgverify.VerifySignedCertificateTimestamp([][]*x509.Certificate{chain}, 1, material); err != nil {
		return refuse(verify.BadSignature, "no certificate transparency log of the trust root has promised to list it: %w", err)
	}
	return nil
}

// Reason returns what r refuses for.
func (r *refusal) Reason() verify.Reason { return r.reason }

// A maker says of signatures what those of a Config made.
type maker struct {
	Config
	prover prover
}

func newMaker(ctx context.Context, c Config) (*maker, error) {
	if c.Predicate != "" || c.Where != nil || len(c.Platforms) > 0 || c.need() > 1 || c.On != "" && c.On != verify.SignedImage {
		return nil, errors.New("what was made is asked of the image itself, and of nothing but who made it")
	}
	if _, err := NewSession(nil, image.Ref{}).Require(c); err != nil {
		return nil, err
	}
	m := &maker{c, prover{keys: c.Keys, noLog: c.IgnoreLog, flags: c.Flags}}
	if c.Trust != nil {
		material, err := c.Trust.Material(ctx)
		if err != nil {
			return nil, err
		}
		m.prover.material, m.prover.rules = material, c.Trust.rules
	}
	return m, nil
}

// of returns what s is, or a *refusal where it is unsound or somebody else's.
func (m *maker) of(s signature, img image.Pinned) (Made, error) {
	f, err := m.prover.prove(s, Artifact{Digest: img.Digest()})
	if err == nil {
		_, err = m.who(f)
	}
	if err != nil {
		return Made{}, err
	}
	v := verifier{Config: m.Config}
	made := Made{Evidence: *v.evidence(s, f, verify.SignedImage, ""), Layer: s.layer, Beside: s.beside}
	if isBundle(s.layer) {
		made.Bundle = s.blob
	}
	switch {
	case f.plain:
		made.Annotations, err = claimed(s.payload)
	case f.blob || f.predicateType == "":
		return Made{}, refuse(verify.WrongType, "it is neither a signature of an image nor an attestation")
	default:
		made.Predicate, made.Annotations, err = stated(f)
	}
	if err != nil {
		return Made{}, refuse(verify.BadSignature, "%w", err)
	}
	return made, nil
}

// claimed returns the annotations of a simple-signing claim.
func claimed(payload []byte) (map[string]any, error) {
	var doc struct{ Optional map[string]any }
	if err := json.Unmarshal(payload, &doc); err != nil {
		return nil, fmt.Errorf("signed payload: %w", err)
	}
	return doc.Optional, nil
}

// stated returns the predicate of an attestation, or the annotations of a
// signature, which cosign writes to the subject.
func stated(f facts) (json.RawMessage, map[string]any, error) {
	var doc struct {
		Subject []struct {
			Digest      map[string]string
			Annotations map[string]any
		}
		Predicate json.RawMessage
	}
	if err := json.Unmarshal(f.statement, &doc); err != nil {
		return nil, nil, fmt.Errorf("signed statement: %w", err)
	}
	if f.predicateType != SignPredicate {
		if doc.Predicate == nil {
			doc.Predicate = json.RawMessage("null")
		}
		return doc.Predicate, nil, nil
	}
	for _, s := range doc.Subject {
		if "sha256:"+s.Digest["sha256"] == f.digest {
			return nil, s.Annotations, nil
		}
	}
	return nil, nil, errors.New("signed statement: it is about something else")
}
