// Package sigstore verifies Sigstore signatures and attestations of container
// images: cosign's older tags, Sigstore bundles as referrers, keyless and key.
//
// Each manifest goes three steps: gather finds every signature there is, prove
// says what each of them proves, and judge whether that is what is required.
package sigstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/condition"
	"github.com/boltseal/boltseal/verify/internal/hostile"
	"github.com/boltseal/boltseal/verify/internal/manifests"
)

// System is the name of this system in evidence and reports.
const System = "sigstore"

// A Config is one requirement. An image satisfies it with one signature by any
// of the identities or keys.
type Config struct {
	Trust      *Trust // may be nil if there are only Keys and IgnoreLog is set
	Identities []Identity
	Keys       []Key
	// Claims are certificate extensions that every identity must have besides
	// its own, as for [NewIdentity].
	Claims map[string]string
	// AtLeast is how many signers are needed, each for an identity or key of its
	// own; 0 is 1. Nobody counts twice, at whatever ref or through whatever
	// issuer.
	AtLeast int

	// Predicate requires an attestation of this predicate type. "" requires a
	// signature, which no attestation can stand for.
	Predicate string
	// Where is what must be true of the attestation; nil for nothing. It needs a
	// Predicate.
	Where *condition.Condition
	// Platforms are the platforms ("os/arch[/variant]") whose manifests may
	// vouch, all of them, for an index that carries no signature itself.
	Platforms []string
	// On says what has to be signed: verify.SignedImage (also ""), or
	// verify.SignedAttestation for the BuildKit attestation manifest of each
	// platform.
	On string
	// IgnoreLog accepts a key's signature without a transparency log entry. It
	// has no effect on certificates, which mean nothing without a time.
	IgnoreLog bool
	// Repository is where the signatures lie, instead of where the Session looks;
	// zero for that.
	Repository image.Ref
	// Now is the time of the run. It is needed where a Key is bounded in time.
	Now time.Time
	// Flags says that the requirement was made by flags, so that hints speak of
	// them; otherwise they speak of the keys of a policy.
	Flags bool

	written written
}

// need is how many signers are needed.
func (c Config) need() int { return max(c.AtLeast, 1) }

// A Session makes Verifiers that share what they find in one run. It may be used
// by several goroutines.
type Session struct {
	store     Store
	elsewhere image.Ref

	mu        sync.Mutex
	gatherers map[string]*gatherer // by where signatures lie; "" is beside the image
}

// NewSession returns a Session that reads signatures from store: beside each
// image, or all from the repository elsewhere if that is not zero.
func NewSession(store Store, elsewhere image.Ref) *Session {
	return &Session{store: store, elsewhere: elsewhere, gatherers: map[string]*gatherer{}}
}

// gatherer returns the one for all requirements whose signatures lie in repo, or
// where the Session looks if that is zero.
func (s *Session) gatherer(repo image.Ref) *gatherer {
	if repo.IsZero() {
		repo = s.elsewhere
	}
	name := ""
	if !repo.IsZero() {
		name = repo.Name()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.gatherers[name]
	if !ok {
		g = newGatherer(s.store, repo)
		s.gatherers[name] = g
	}
	return g
}

// Require returns the Verifier of c. It refuses a Config that could be
// satisfied by nobody or by anybody.
func (s *Session) Require(c Config) (verify.Verifier, error) {
	switch {
	case len(c.Identities) == 0 && len(c.Keys) == 0:
		return nil, errors.New("no identity and no key: say who must have signed")
	case len(c.Identities) > 0 && c.IgnoreLog:
		return nil, errors.New("a certificate lives ten minutes and proves nothing without a log entry; only keys can do without")
	case c.Trust == nil && !(len(c.Identities) == 0 && c.IgnoreLog):
		return nil, errors.New("no trust root")
	case c.On != "" && c.On != verify.SignedImage && c.On != verify.SignedAttestation:
		return nil, fmt.Errorf("cannot require a signature on %q", c.On)
	}
	if err := c.sound(); err != nil {
		return nil, err
	}
	return &verifier{c, s.gatherer(c.Repository)}, nil
}

// sound checks what c is made of.
func (c Config) sound() error {
	if n := len(c.Identities) + len(c.Keys); c.AtLeast < 0 || c.AtLeast > n {
		return fmt.Errorf("%d signers are needed of %d identities and keys", c.AtLeast, n)
	}
	if c.Where != nil && c.Predicate == "" {
		return errors.New("a condition is about an attestation, and a signature is required")
	}
	for _, id := range c.Identities {
		if id.subject.IsZero() || id.issuer.IsZero() {
			return errors.New("an identity without subject or issuer")
		}
	}
	for _, k := range c.Keys {
		if len(k.verifiers) == 0 {
			return errors.New("an empty key")
		}
		if k.bounded() && c.Now.IsZero() {
			return fmt.Errorf("%s counts for a time only, and there is no clock", k)
		}
	}
	return checkClaims(c.Claims)
}

type verifier struct {
	Config
	gatherer *gatherer
}

var _ verify.Verifier = (*verifier)(nil)

// Verify implements verify.Verifier.
func (v *verifier) Verify(ctx context.Context, img image.Pinned) verify.Verdict {
	return v.verify(ctx, img).For(v.String())
}

func (v *verifier) verify(ctx context.Context, img image.Pinned) verify.Verdict {
	if v.On == verify.SignedAttestation {
		return v.attested(ctx, img)
	}
	o := v.manifest(ctx, img, verify.SignedImage, "")
	if o.evidence != nil {
		return verify.PassTogether(img, v.need(), o.evidence).With(o.candidates)
	}
	if len(v.Platforms) > 0 && (o.reason == verify.Unsigned || o.reason == verify.WrongType) {
		return v.platforms(ctx, img, o)
	}
	return o.verdict(img)
}

// An outcome is what was found about one manifest.
type outcome struct {
	evidence   []verify.Evidence // of all signers that are needed; nil unless the requirement is satisfied
	candidates []verify.Candidate
	reason     verify.Reason
	err        error
}

func (o outcome) verdict(img image.Pinned) verify.Verdict {
	return verify.Fail(img, o.reason, o.err).With(o.candidates)
}

// places returns where the requirement's signatures lie, and where to look
// before saying that there are none: there once more, behind the fallback tag,
// which a registry may have kept from before it had an API, and where
// signatures of the other kind lie, which explain what is wrong.
func (v *verifier) places() (first, second []place) {
	if v.Predicate == "" {
		return []place{sigTag, referrers}, []place{sigTag, allReferrers, attTag}
	}
	return []place{attTag, referrers}, []place{attTag, allReferrers, sigTag}
}

// manifest checks the signatures of one manifest.
func (v *verifier) manifest(ctx context.Context, img image.Pinned, signed, platform string) outcome {
	first, second := v.places()
	sigs, err := v.gather(ctx, img, first, false)
	if len(sigs) == 0 && err == nil {
		// Nothing at all: "unsigned" is said only after a second look, and after
		// the image itself has been seen to exist. Answers go missing, and
		// registries need a moment after a push.
		var all []signature
		all, err = v.gatherAll(ctx, img, second, true)
		if sigs = own(all); len(sigs) == 0 && err == nil {
			return v.unsigned(ctx, img, len(all) > 0)
		}
	}
	o := v.examine(ctx, img, sigs, signed, platform)
	listed := func(s signature) bool { return s.storage == "referrer" || s.storage == "fallback-tag" }
	if o.evidence == nil && err == nil && !slices.ContainsFunc(sigs, listed) {
		// A signature that does not count must not hide one behind the fallback
		// tag, which is not asked while there seems to be no need.
		var more []signature
		if more, err = v.gather(ctx, img, []place{fallback}, true); len(more) > 0 {
			o = v.examine(ctx, img, append(sigs, more...), signed, platform)
		}
	}
	if o.evidence == nil && err != nil {
		// The signature that is wanted may be where there was no answer.
		o.reason, o.err = manifests.Answerless(err), registry.Explain("read signatures of "+img.String(), v.where(img), err)
	}
	return o
}

func (v *verifier) where(img image.Pinned) string {
	if !v.gatherer.repo.IsZero() {
		return v.gatherer.repo.Registry()
	}
	return img.Ref().Registry()
}

// gather returns the signatures that lie in these places.
func (v *verifier) gather(ctx context.Context, img image.Pinned, where []place, again bool) ([]signature, error) {
	sigs, err := v.gatherAll(ctx, img, where, again)
	return own(sigs), err
}

// own returns those of sigs that are Sigstore's.
func own(sigs []signature) []signature {
	return slices.DeleteFunc(sigs, func(s signature) bool { return s.notation })
}

// gatherAll returns what gather does, and what is Notation's.
func (v *verifier) gatherAll(ctx context.Context, img image.Pinned, where []place, again bool) ([]signature, error) {
	sigs := make([][]signature, len(where))
	errs := make([]error, len(where))
	var wg sync.WaitGroup
	for i, p := range where {
		wg.Go(func() { sigs[i], errs[i] = v.gatherer.at(ctx, img, p, again) })
	}
	wg.Wait()
	return slices.Concat(sigs...), errors.Join(errs...)
}

// unsigned says that img has no signature, and that it has one of Notation's where
// that was seen: whoever uses both systems has likely asked for the other.
func (v *verifier) unsigned(ctx context.Context, img image.Pinned, notation bool) outcome {
	img, err := v.described(ctx, img)
	if err != nil {
		return outcome{reason: registry.Reason(err), err: err}
	}
	hint := "sign the image, use a signed one, or let it through for a while with an exception; if its signatures lie elsewhere, name that repository with signature-repository in the rule for it"
	if v.Flags {
		hint = "sign the image, use a signed one, or say where its signatures lie with --signature-repository"
	}
	if len(img.Children()) > 0 && len(v.Platforms) == 0 {
		hint += "; if the platforms of this index are signed one by one, name those that you build for with --platform"
	}
	none := "there are no Sigstore signatures: no signature tag, and no referrer or fallback tag with one"
	if notation {
		none += "; but there is one of Notation's"
		wanted := "notation: {certificates: [ROOT.crt], identities: [\"x509.subject: …\"]} in the rule for it"
		if v.Flags {
			wanted = "--notation-certificate with --notation-identity in the place of the flags of Sigstore"
		}
		if v.Predicate == "" { // it describes nothing
			hint = "if Notation's signature is the one that counts, require " + wanted + "; if not, " + hint
		}
	}
	return outcome{reason: verify.Unsigned, err: &verify.Error{Op: "look for signatures of " + img.String(), Err: errors.New(none), Hint: hint}}
}

// examine proves and judges every signature. One that satisfies is enough, but
// all are looked at, so that the report is complete.
func (v *verifier) examine(ctx context.Context, img image.Pinned, sigs []signature, signed, platform string) outcome {
	if len(sigs) == 0 {
		return outcome{reason: verify.Unavailable}
	}
	p := prover{keys: v.Keys, noLog: v.IgnoreLog, flags: v.Flags}
	asked := v.Config
	asked.Repository = v.gatherer.repo // which a flag may have named
	asked.written.words = v.String()   // once, as there may be hundreds of each
	if v.Trust != nil {
		material, err := v.Trust.wait(ctx)
		if err != nil {
			return outcome{reason: verify.Unavailable, err: &verify.Error{
				Op: "obtain the trust root", Err: err,
				Hint: "run it again; if it lasts, check that the TUF mirror can be reached, or give the trust root as a file with " + v.called("trusted-root"),
			}}
		}
		p.material, p.rules = material, v.Trust.rules
	}
	var o outcome
	var found []match
	for _, s := range sigs {
		if ctx.Err() != nil { // checking takes time too, and must end with the run
			return outcome{reason: verify.Undecided, err: &verify.Error{Op: "verify " + img.String(), Err: context.Cause(ctx)}}
		}
		s = s.parsed()
		c := verify.Candidate{System: System, Format: s.format, Storage: s.storage, Source: s.source, Signed: signed, Platform: platform}
		f, err := p.prove(s, Artifact{Digest: img.Digest()})
		if err == nil {
			var entries []int
			if entries, err = v.judge(ctx, f, img); err == nil {
				found = append(found, match{f.person(), entries, *v.evidence(s, f, signed, platform)})
			}
		}
		o.candidates = append(o.candidates, asked.explain(c, f, err))
	}
	if ctx.Err() != nil { // a condition was not looked at to its end
		return outcome{reason: verify.Undecided, err: &verify.Error{Op: "verify " + img.String(), Err: context.Cause(ctx)}}
	}
	together := together(found, v.need())
	if len(together) == v.need() {
		o.evidence = together
		return o
	}
	reason, err := closest(o.candidates)
	hint := v.hint(reason, o.candidates)
	if n := len(together); n > 0 {
		reason, err = v.short(together, reason, err)
		o.candidates = v.tooFew(o.candidates, n)
		// Whoever accepted one more signer instead would need fewer of the others.
		hint = fmt.Sprintf("have it signed by %d more of the signers that are required, each another one", v.need()-n)
	}
	o.reason, o.err = reason, &verify.Error{Op: "verify " + img.String(), Err: err, Hint: hint}
	return o
}

// short says that there are too few signers. The Reason is that of a refused
// signature, where that is what there is to mend.
func (v *verifier) short(have []verify.Evidence, reason verify.Reason, refused error) (verify.Reason, error) {
	var who []string
	for _, ev := range have {
		who = append(who, hostile.Clip(ev.Signer))
	}
	err := fmt.Errorf("%d of %d signers that are needed have signed: %s", len(have), v.need(), strings.Join(who, ", "))
	if severity(reason) < severity(verify.WrongSigner) {
		return verify.WrongSigner, err
	}
	return reason, fmt.Errorf("%w; the nearest other signature: %w", err, refused)
}

// tooFew returns candidates such that those which fit an entry do not look as if
// that were enough.
func (v *verifier) tooFew(candidates []verify.Candidate, have int) []verify.Candidate {
	for i, c := range candidates {
		if c.Reason == verify.Verified {
			candidates[i].Reason, candidates[i].Err = verify.WrongSigner, fmt.Errorf("it is by one of those who are required, and not enough: %d of %d signers", have, v.need())
		}
	}
	return candidates
}

func (v *verifier) evidence(s signature, f facts, signed, platform string) *verify.Evidence {
	ev := &verify.Evidence{
		System: System, Format: s.format, Storage: s.storage, Source: s.source,
		Digest: f.digest, Signed: signed, Platform: platform,
		LogIndex: f.logIndex, SignedAt: f.signedAt, PredicateType: f.predicateType, SignedReference: f.reference,
	}
	ev.Signer, ev.Issuer = f.signer()
	ev.KeyName = f.keyName()
	if f.cert != nil {
		ev.Claims = claimsOf(f.cert.Extensions)
	}
	return ev
}

// called returns how whoever wrote the requirement knows one of its keys.
func (c Config) called(key string) string {
	if c.Flags {
		return "--" + key
	}
	return key
}

// hint is the next step where the signatures that were found do not do.
func (c Config) hint(r verify.Reason, found []verify.Candidate) string {
	switch r {
	case verify.WrongSigner:
		return c.hintSigner(found)
	case verify.WrongType:
		switch {
		case slices.ContainsFunc(found, func(f verify.Candidate) bool { return f.Differs != nil && f.Differs.What == "where" }):
			return "look at what the attestation says: the condition for it is not met"
		case c.Predicate != "":
			return "attest the image with this predicate type, or require the type that was found"
		case c.Flags:
			return "an attestation does not stand for a signature: sign the image, or require the attestation with --attestation-type"
		}
		return "an attestation does not stand for a signature: sign the image, or require an attestation in the place of sigstore in the rule for it"
	case verify.Expired:
		return "sign the image again: the certificate had expired before the signature was logged"
	case verify.Unsupported:
		return "use a newer boltseal, or sign in a format it knows (https://github.com/boltseal/boltseal/blob/main/docs/formats.md)"
	}
	elsewhere := "instance or trusted-root in the rule for it"
	if c.Flags {
		elsewhere = "--trusted-root, --sigstore"
	}
	return "do not build from this image; the signature was altered, belongs to another image, or comes from another Sigstore instance (" + elsewhere + ")"
}

// hintSigner is the next step where somebody else has signed.
func (c Config) hintSigner(found []verify.Candidate) string {
	known, unknown := false, false
	for _, f := range found {
		known = known || f.Reason == verify.WrongSigner && f.Signer != ""
		unknown = unknown || f.Reason == verify.WrongSigner && f.Signer == ""
	}
	switch {
	case known && c.Flags:
		return "if this signer is the right one, change the expected identity, issuer or key to what was found; if not, do not build from this image"
	case known:
		return "if this signer is the right one, accept it in the policy; if not, do not build from this image"
	case unknown && c.Flags:
		return "get the public key from the publisher of the image, and give it with --key: its signatures do not prove whose they are"
	case unknown:
		return "get the public key from the publisher of the image, and add it under keys in the rule for it: its signatures do not prove whose they are"
	}
	return "have it signed by those who are required"
}
