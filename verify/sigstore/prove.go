package sigstore

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// Facts are what a sound signature proves. Whether that is enough is for a
// requirement to judge.
type facts struct {
	cert          *certificate.Summary // nil where a key signed
	key           *Key                 // an accepted one; nil where a certificate signed
	stranger      *Key                 // of the log entry, where no accepted key signed; proves nothing but who it was
	digest        string               // signed, from the payload
	predicateType string
	plain         bool   // a simple-signing claim rather than an in-toto statement
	blob          bool   // a signature over the artifact itself
	reference     string // the name in a simple-signing claim
	logIndex      *int64
	signedAt      time.Time
	statement     []byte // the in-toto statement that was signed; nil where there is none
}

// claims returns the certificate's extensions, nil for a key.
func (f facts) claims() map[string]string {
	if f.cert == nil {
		return nil
	}
	return claimsOf(f.cert.Extensions)
}

// keyName is what the policy calls the key, "" where it does not.
func (f facts) keyName() string {
	if f.key == nil {
		return ""
	}
	return f.key.title
}

// signer names who signed.
func (f facts) signer() (signer, issuer string) {
	switch {
	case f.cert != nil:
		return f.cert.SubjectAlternativeName, f.cert.Extensions.Issuer
	case f.key != nil:
		return f.key.signer(), ""
	case f.stranger != nil:
		return f.stranger.signer(), ""
	}
	return "", ""
}

// A refusal is a Reason with its cause.
type refusal struct {
	reason  verify.Reason
	err     error
	differs *verify.Difference // nil where it is not a matter of who signed or what
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func refuse(reason verify.Reason, format string, args ...any) error {
	return &refusal{reason: reason, err: fmt.Errorf(format, args...)}
}

// An Artifact is what a signature has to be about: a manifest's digest, or the
// content of a file.
type Artifact struct {
	Digest  string    // "sha256:" and hex; "" where Content is given
	Content io.Reader // read to its end; from its beginning if it is an io.Seeker
}

// A prover checks signatures against one trust root.
type prover struct {
	material root.TrustedMaterial
	rules    Rules
	keys     []Key
	noLog    bool // accept a key's signature without a log entry
	flags    bool // as in Config
	every    bool // all log entries and timestamps have to verify, not just one
}

// prove returns what s proves about the artifact, or a *refusal. With a refusal
// that is about the signer it returns whom it found, where that is proven.
func (p prover) prove(s signature, about Artifact) (f facts, err error) {
	if s.err != nil {
		return facts{}, &refusal{reason: s.reason, err: s.err}
	}
	// Whatever goes wrong inside is the signature's fault.
	panicked := hostile.Safely(func() error {
		f, err = p.check(s, about)
		return nil
	})
	if panicked != nil {
		return facts{}, refuse(verify.BadSignature, "%w", panicked)
	}
	return f, err
}

func (p prover) check(s signature, about Artifact) (facts, error) {
	content, err := s.entity.VerificationContent()
	if err != nil {
		return facts{}, refuse(verify.BadSignature, "%w", err)
	}
	if p.every && p.material != nil {
		if err := p.allStamped(s); err != nil {
			return facts{}, refuse(verify.BadSignature, "not every timestamp is by an authority of the trust root: %w", legible(err))
		}
	}
	if content.Certificate() != nil {
		return p.keyless(s, about)
	}
	return p.keyed(s, about)
}

// keyless checks a signature made with a certificate. It leaves the identity
// to the requirement, which then names whom it found; nothing passes without
// one (requirement.judge).
func (p prover) keyless(s signature, about Artifact) (facts, error) {
	if p.material == nil {
		return facts{}, refuse(verify.WrongSigner, "signed with a certificate, where only keys are accepted")
	}
	v, err := sgverify.NewVerifier(p.material, p.rules.options(p.logs(s))...)
	if err != nil {
		return facts{}, refuse(verify.Undecided, "%w", err)
	}
	policy, err := artifactPolicy(s, about)
	if err != nil {
		return facts{}, err
	}
	res, err := v.Verify(s.entity, sgverify.NewPolicy(policy, sgverify.WithoutIdentitiesUnsafe()))
	if err != nil {
		if other := otherSubject(v, s); other != "" {
			return facts{}, refuse(verify.BadSignature, "the signature is for %s", other)
		}
		return facts{}, p.diagnose(s, legible(err))
	}
	f, err := read(s, about, res, p.rules.log)
	if err == nil {
		f.cert = res.Signature.Certificate
	}
	return f, err
}

// keyed checks a signature made with a long-lived key against each accepted one.
func (p prover) keyed(s signature, about Artifact) (facts, error) {
	if len(p.keys) == 0 {
		return p.unknown(s, about), refuse(verify.WrongSigner, "signed with a key, where only certificates are accepted")
	}
	var last error
	for i, k := range p.keys {
		for _, verifier := range k.verifiers {
			f, err := p.withKey(s, about, keyMaterial{p.material, verifier})
			if r := (*refusal)(nil); err == nil || errors.As(err, &r) {
				f.key = &p.keys[i]
				if err == nil && f.signedAt.IsZero() && k.bounded() {
					f.signedAt = p.stamped(s)
				}
				return f, err
			}
			last = err
		}
	}
	err := p.unknownKey(s, last)
	if r := (*refusal)(nil); errors.As(err, &r) && r.reason == verify.WrongSigner {
		return p.unknown(s, about), err
	}
	return facts{}, err
}

// stamped returns the earliest time that a time authority vouches for, zero if
// none does.
func (p prover) stamped(s signature) (earliest time.Time) {
	if p.material == nil {
		return earliest
	}
	stamps, _, err := sgverify.VerifySignedTimestamp(s.entity, p.material)
	if err != nil {
		return earliest
	}
	for _, t := range stamps {
		if earliest.IsZero() || t.Time.Before(earliest) {
			earliest = t.Time
		}
	}
	return earliest
}

// unknown returns the facts of a signature that is sound with the key in its own
// log entry, for the report. Whoever holds that key may be anybody.
func (p prover) unknown(s signature, about Artifact) facts {
	entries, err := s.entity.TlogEntries()
	if err != nil || len(entries) == 0 || p.material == nil {
		return facts{}
	}
	k, err := keyOf("of the log entry", entries[0].PublicKey())
	if err != nil {
		return facts{}
	}
	p.noLog = false
	for _, verifier := range k.verifiers {
		if f, err := p.withKey(s, about, keyMaterial{p.material, verifier}); err == nil {
			f.stranger = &k
			return f
		}
	}
	return facts{}
}

// withKey checks s with one key. The error is a *refusal only if the key fits
// and the signature still cannot count.
func (p prover) withKey(s signature, about Artifact, material keyMaterial) (facts, error) {
	opts := []sgverify.VerifierOption{sgverify.WithNoObserverTimestamps(), sgverify.WithoutStatementPredicate()}
	if !p.noLog {
		opts = append(opts, sgverify.WithTransparencyLog(p.logs(s)))
	}
	if p.material == nil {
		material.TrustedMaterial = &root.BaseTrustedMaterial{}
	}
	v, err := sgverify.NewVerifier(material, opts...)
	if err != nil {
		return facts{}, refuse(verify.Undecided, "%w", err)
	}
	policy, err := artifactPolicy(s, about)
	if err != nil {
		return facts{}, err
	}
	res, err := v.Verify(s.entity, sgverify.NewPolicy(policy, sgverify.WithKey()))
	if err == nil {
		return read(s, about, res, !p.noLog)
	}
	if other := otherSubject(v, s); other != "" {
		return facts{}, refuse(verify.BadSignature, "the signature is for %s", other)
	}
	return facts{}, legible(err)
}

// artifactPolicy ties a signature to what it has to be about.
func artifactPolicy(s signature, about Artifact) (sgverify.ArtifactPolicyOption, error) {
	if s.payload != nil {
		return sgverify.WithArtifact(bytes.NewReader(s.payload)), nil // the payload names the digest, see read
	}
	if about.Digest == "" {
		content, err := about.reader()
		if err != nil {
			return nil, err
		}
		return sgverify.WithArtifact(content), nil
	}
	digest, err := hex.DecodeString(strings.TrimPrefix(about.Digest, "sha256:"))
	if err != nil {
		return nil, refuse(verify.BadSignature, "digest %q: %w", about.Digest, err)
	}
	return sgverify.WithArtifactDigest("sha256", digest), nil
}

// read takes the facts from what was signed, and from the log entry if it was
// checked.
func read(s signature, about Artifact, res *sgverify.VerificationResult, log bool) (facts, error) {
	f := facts{}
	if log {
		f.logIndex, f.signedAt = logged(s.entity)
	}
	for _, t := range res.VerifiedTimestamps {
		if f.signedAt.IsZero() || t.Timestamp.Before(f.signedAt) {
			f.signedAt = t.Timestamp
		}
	}
	switch {
	case s.payload != nil:
		claim, err := parsePayload(s.payload)
		if err != nil {
			return facts{}, refuse(verify.BadSignature, "%w", err)
		}
		f.digest, f.reference, f.plain = claim.Critical.Image.Digest, hostile.Clip(claim.Critical.Identity.Reference), true
	case res.Statement != nil:
		if err := checkStatement(s.entity.GetDsseEnvelope().GetPayload()); err != nil {
			return facts{}, refuse(verify.BadSignature, "%w", err)
		}
		f.predicateType, f.statement = res.Statement.GetPredicateType(), s.entity.GetDsseEnvelope().GetPayload()
		for _, subject := range res.Statement.GetSubject() {
			if d := "sha256:" + subject.GetDigest()["sha256"]; f.digest == "" || d == about.Digest {
				f.digest = d
			}
		}
	default:
		f.blob = true
		f.digest = "sha256:" + hex.EncodeToString(s.entity.GetMessageSignature().GetMessageDigest().GetDigest())
	}
	if about.Digest != "" && f.digest != about.Digest {
		return facts{}, refuse(verify.BadSignature, "the signature is for %s", hostile.Clip(f.digest))
	}
	return f, nil
}

// logged returns the index and time of the log entry, where the log has signed
// them: in a Rekor v1 promise both, in a Rekor v2 proof the index.
func logged(b *bundle.Bundle) (*int64, time.Time) {
	entries, err := b.TlogEntries()
	if err != nil || len(entries) != 1 {
		return nil, time.Time{}
	}
	e := entries[0]
	index := e.LogIndex()
	switch {
	case e.HasInclusionPromise():
		return &index, e.IntegratedTime()
	case e.IsRekorV2():
		return &index, time.Time{}
	}
	return nil, time.Time{}
}

// otherSubject returns the digest that a DSSE envelope is about, if all else
// about it is in order.
func otherSubject(v *sgverify.Verifier, s signature) string {
	if s.entity.GetDsseEnvelope() == nil {
		return ""
	}
	res, err := v.Verify(s.entity, sgverify.NewPolicy(sgverify.WithoutArtifactUnsafe(), sgverify.WithoutIdentitiesUnsafe()))
	if err != nil || res.Statement == nil || len(res.Statement.GetSubject()) == 0 {
		return ""
	}
	return "sha256:" + hostile.Clip(res.Statement.GetSubject()[0].GetDigest()["sha256"])
}

// diagnose says why a certificate's signature does not hold.
func (p prover) diagnose(s signature, cause error) error {
	content, err := s.entity.VerificationContent()
	if err != nil {
		return refuse(verify.BadSignature, "%w", cause)
	}
	cert := content.Certificate()
	for _, t := range p.vouchedTimes(s.entity) {
		if !content.ValidAtTime(t, p.material) {
			return refuse(verify.Expired, "signed at %s, but the certificate is valid from %s to %s: %w",
				t.UTC().Format(time.RFC3339), cert.NotBefore.UTC().Format(time.RFC3339), cert.NotAfter.UTC().Format(time.RFC3339), cause)
		}
	}
	if _, err := sgverify.VerifyLeafCertificate(cert.NotBefore, cert, p.material); err != nil {
		return refuse(verify.BadSignature, "the certificate (%s) was not issued by an authority of the trust root: %w", hostile.Clip(cert.Issuer.String()), cause)
	}
	entries, err := s.entity.TlogEntries()
	if err == nil && p.rules.log && len(entries) == 0 {
		return refuse(verify.BadSignature, "there is no transparency log entry: %w", cause)
	}
	for _, e := range entries {
		if _, ok := p.material.RekorLogs()[hex.EncodeToString([]byte(e.LogKeyID()))]; !ok {
			return refuse(verify.BadSignature, "the log entry is from a log that the trust root does not know: %w", cause)
		}
	}
	return refuse(verify.BadSignature, "%w", cause)
}

// vouchedTimes returns the times that a trusted log or time authority has
// signed for this signature.
func (p prover) vouchedTimes(b *bundle.Bundle) []time.Time {
	var times []time.Time
	if entries, err := b.TlogEntries(); err == nil {
		for _, e := range entries {
			if e.HasInclusionPromise() && tlog.VerifySET(e, p.material.RekorLogs()) == nil {
				times = append(times, e.IntegratedTime())
			}
		}
	}
	if stamps, _, err := sgverify.VerifySignedTimestamp(b, p.material); err == nil {
		for _, s := range stamps {
			times = append(times, s.Time)
		}
	}
	return times
}

// unknownKey tells a signature of somebody else's key from a broken one of an
// accepted key, by the key in its log entry.
func (p prover) unknownKey(s signature, cause error) error {
	entries, err := s.entity.TlogEntries()
	if err == nil && len(entries) == 0 && !p.noLog {
		ignore := "ignore-tlog in its requirement"
		if p.flags {
			ignore = "--insecure-ignore-tlog"
		}
		return refuse(verify.BadSignature, "there is no transparency log entry; %s accepts a key's signature without: %w", ignore, cause)
	}
	for _, e := range entries {
		for _, k := range p.keys {
			if same, ok := k.public.(interface{ Equal(x crypto.PublicKey) bool }); ok && same.Equal(e.PublicKey()) {
				return refuse(verify.BadSignature, "%s: %w", k, cause)
			}
		}
	}
	return refuse(verify.WrongSigner, "none of the accepted keys made this signature: %w", cause)
}
