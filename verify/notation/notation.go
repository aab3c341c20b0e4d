// Package notation verifies signatures of the Notary Project (Notary v2): JWS and
// COSE envelopes that refer to an image.
//
// Each manifest goes three steps: gather finds every signature there is, prove
// says what each of them proves and whether that is what is required, and explain
// what would have accepted it.
package notation

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/manifests"
)

// System is the name of this system in evidence and reports.
const System = "notation"

// A Store is where signatures lie. *registry.Client is one.
type Store interface {
	Manifest(ctx context.Context, repo image.Ref, reference string) (registry.Manifest, error)
	Referrers(ctx context.Context, repo image.Ref, digest string) ([]ocispec.Descriptor, error)
	Blob(ctx context.Context, repo image.Ref, d ocispec.Descriptor) ([]byte, error)
	Describe(ctx context.Context, img image.Pinned) (image.Pinned, error)
}

// A Config is one requirement: a statement of a trust policy with the trust
// stores that it names. An image satisfies it with one signature.
type Config struct {
	// Certificates, SigningAuthority and TSA are the trust stores "ca",
	// "signingAuthority" and "tsa" (Notary Project, trust-store-trust-policy.md).
	Certificates, SigningAuthority, TSA []*x509.Certificate
	// Identities are who may sign, any of them.
	Identities []Identity
	// Timestamp says when a signature needs a countersignature of one of TSA;
	// "" is Always. It has no effect without TSA.
	Timestamp Timestamp
	// Revocation says what becomes of a certificate of which it is not known
	// whether it was revoked; "" is Strict.
	Revocation Revocation
	// Metadata is user metadata that must be in the signature.
	Metadata map[string]string
	// MaxSignatures is how many signatures of one manifest are examined; 0 is
	// 100. More than 256 are refused.
	MaxSignatures int
	// Platforms are the platforms ("os/arch[/variant]") whose manifests may
	// vouch, all of them, for an index that carries no signature itself.
	Platforms []string
	// Repository is where the signatures lie, instead of where the Session looks;
	// zero for that.
	Repository image.Ref
	// Flags says that the requirement was made by flags, so that hints speak of
	// them; otherwise they speak of the keys of a policy.
	Flags bool

	// Statement is the name of the trust policy statement that it was made of, ""
	// where it was made of none.
	Statement string
	// Level is the verification level of the statement; "" is strict. By any other
	// nothing is ever verified.
	Level Level
	// Override are the actions ("enforce", "log", "skip") that the statement has
	// instead of those of its level, by type of validation ("authenticity",
	// "authenticTimestamp", "expiry", "revocation"). What is only to be logged
	// refuses all the same.
	Override map[string]string

	written written
}

// level is the level that is meant.
func (c Config) level() Level {
	if c.Level == "" {
		return LevelStrict
	}
	return c.Level
}

// unchecked reports whether nobody is to be asked whether signing certificates
// were revoked.
func (c Config) unchecked() bool { return c.Revocation == Skip || c.Override["revocation"] == "skip" }

// most is how many signatures are examined.
func (c Config) most() int {
	if c.MaxSignatures == 0 {
		return defaultSignatures
	}
	return c.MaxSignatures
}

// String returns the requirement in words.
func (c Config) String() string {
	if c.level() == LevelSkip {
		return fmt.Sprintf("nothing, by the trust policy statement %s of level skip", quoted(c.Statement))
	}
	required := "Notation signature by " + identityList(c.Identities)
	if len(c.Identities) == 1 && c.Identities[0].any {
		required = "Notation signature by whoever is vouched for by " + fingerprints(slices.Concat(c.Certificates, c.SigningAuthority))
	}
	for _, key := range slices.Sorted(maps.Keys(c.Metadata)) {
		required += fmt.Sprintf(", with %s=%s", key, c.Metadata[key])
	}
	if c.Statement != "" {
		required += fmt.Sprintf(", by the trust policy statement %s", quoted(c.Statement))
		if c.level() != LevelStrict {
			required += " of level " + string(c.level())
		}
	}
	return required
}

// identityList names identities for a message.
func identityList(ids []Identity) string {
	var names []string
	for _, id := range ids {
		names = append(names, id.String())
	}
	return strings.Join(names, " or ")
}

// fingerprint names a certificate for a message, and tells it from all others.
func fingerprint(cert *x509.Certificate) string {
	return fmt.Sprintf("%s (SHA-256 %s)", quoted(cert.Subject.String()), sum(cert))
}

// fingerprints names certificates, the first few of many.
func fingerprints(certs []*x509.Certificate) string {
	const most = 4
	var names []string
	for _, cert := range certs[:min(len(certs), most)] {
		names = append(names, fingerprint(cert))
	}
	if more := len(certs) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, " or ")
}

// A Session makes Verifiers that share what they find in one run. It may be used
// by several goroutines.
type Session struct {
	elsewhere image.Ref
	asker     *Asker
	gatherer  *gatherer
}

// NewSession returns a Session that reads signatures from store: beside each
// image, or all from the repository elsewhere if that is not zero. Servers that
// know of revoked certificates are asked through asker, nobody if that is nil.
func NewSession(store Store, elsewhere image.Ref, asker *Asker) *Session {
	return &Session{elsewhere: elsewhere, asker: asker, gatherer: newGatherer(store)}
}

// Require returns the Verifier of c. It refuses a Config that could be
// satisfied by nobody or by anybody. One whose Level is not strict is taken, and
// verifies nothing: its Verifier says what speaks against each signature.
func (s *Session) Require(c Config) (verify.Verifier, error) {
	r, err := s.require(c)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (s *Session) require(c Config) (*requirement, error) {
	if err := c.sound(); err != nil {
		return nil, err
	}
	r := &requirement{Config: c, session: s}
	if c.level() == LevelSkip {
		return r, nil
	}
	var err error
	if r.prover, err = newProver(c, s.asker); err != nil {
		return nil, err
	}
	return r, nil
}

// sound checks what c is made of.
func (c Config) sound() error {
	if _, err := ParseTimestamp(string(c.Timestamp)); err != nil {
		return err
	}
	if _, err := ParseRevocation(string(c.Revocation)); err != nil {
		return err
	}
	switch {
	case !slices.Contains([]Level{LevelStrict, LevelPermissive, LevelAudit, LevelSkip}, c.level()):
		return fmt.Errorf("there is no verification level %s", quoted(string(c.Level)))
	case c.MaxSignatures < 0 || c.MaxSignatures > mostSignatures:
		return fmt.Errorf("%d signatures cannot be examined; it may be 1 to %d", c.MaxSignatures, mostSignatures)
	case c.level() == LevelSkip:
		return nil
	case len(c.Certificates) == 0 && len(c.SigningAuthority) == 0:
		return errors.New("no certificates: say whose signatures count")
	case len(c.Identities) == 0:
		return errors.New("no identity: say who must have signed")
	}
	for _, id := range c.Identities {
		if id.text == "" {
			return errors.New("an identity that names nobody")
		}
	}
	if which, _, err := checkIdentities(c.Identities); err != nil {
		return fmt.Errorf("identity %d: %w", which+1, err)
	}
	for i, store := range [][]*x509.Certificate{c.Certificates, c.SigningAuthority, c.TSA} {
		check := []func(*x509.Certificate) error{selfOrAuthority, selfOrAuthority, root}[i]
		for _, cert := range store {
			if cert == nil {
				return errors.New("a certificate that is none")
			}
			if err := check(cert); err != nil {
				return err
			}
		}
	}
	return nil
}

// A requirement is a Config that is ready to run.
type requirement struct {
	Config
	session *Session
	prover  *prover // nil where the Level is skip
}

var _ verify.Verifier = (*requirement)(nil)

// Verify implements verify.Verifier.
func (r *requirement) Verify(ctx context.Context, img image.Pinned) verify.Verdict {
	return r.verify(ctx, img).For(r.String())
}

func (r *requirement) verify(ctx context.Context, img image.Pinned) verify.Verdict {
	if r.prover == nil {
		return verify.Fail(img, verify.NoRule, &verify.Error{
			Op: "verify " + img.String(), Err: fmt.Errorf("the trust policy statement %s is of level skip: nothing is verified", quoted(r.Statement)),
			Hint: r.hintLevel(),
		})
	}
	described, o := r.manifest(ctx, img, verify.SignedImage, "")
	if o.Evidence != nil {
		return verify.PassTogether(described, 1, o.Evidence).With(o.Candidates)
	}
	if len(r.Platforms) > 0 && o.Reason == verify.Unsigned && len(described.Children()) > 0 {
		return r.platforms(ctx, described, o)
	}
	return o.Failed(described)
}

// where is the repository that has the signatures of img.
func (r *requirement) where(img image.Pinned) image.Ref {
	switch {
	case !r.Repository.IsZero():
		return r.Repository
	case !r.session.elsewhere.IsZero():
		return r.session.elsewhere
	}
	return img.Ref()
}

// gather describes img and finds its signatures, both at once.
func (r *requirement) gather(ctx context.Context, img image.Pinned) (described image.Pinned, f *finding, err error) {
	var wg sync.WaitGroup
	wg.Go(func() { described, err = r.session.gatherer.describe(ctx, img) })
	f = r.session.gatherer.find(ctx, r.where(img), img.Digest(), r.most())
	wg.Wait()
	return described, f, err
}

// manifest checks the signatures of one manifest, and returns it described. All
// are looked at, so that the report is complete.
func (r *requirement) manifest(ctx context.Context, img image.Pinned, signed, platform string) (image.Pinned, manifests.Outcome) {
	img, f, err := r.gather(ctx, img)
	if err != nil {
		return img, manifests.Outcome{Reason: registry.Reason(err), Err: err}
	}
	o := manifests.Outcome{}
	var ranks []int
	waiting := patient(ctx)
	for _, s := range f.sigs {
		if ctx.Err() != nil { // checking takes time too, and must end with the run
			break
		}
		c := verify.Candidate{System: System, Format: s.format(), Storage: s.storage, Source: s.source, Signed: signed, Platform: platform}
		proven, err := r.prover.prove(waiting, s, img)
		if err == nil && o.Evidence == nil {
			o.Evidence = []verify.Evidence{evidence(s, proven, signed, platform)}
		}
		o.Candidates = append(o.Candidates, r.explain(c, proven, err))
		ranks = append(ranks, rank(err))
	}
	if ctx.Err() != nil && f.err == nil {
		return img, manifests.Outcome{Reason: verify.Undecided, Err: &verify.Error{Op: "verify " + img.String(), Err: context.Cause(ctx)}}
	}
	if o.Evidence == nil {
		r.refused(img, f, ranks, &o)
	}
	return img, o
}

// refused says in o why no signature of img does.
func (r *requirement) refused(img image.Pinned, f *finding, ranks []int, o *manifests.Outcome) {
	switch {
	case f.err != nil:
		// The signature that is wanted may be where there was no answer.
		o.Reason, o.Err = manifests.Answerless(f.err), registry.Explain("read signatures of "+img.String(), r.where(img).Registry(), f.err)
		return
	case f.left > 0:
		o.Reason, o.Err = verify.Unavailable, &verify.Error{
			Op: "verify " + img.String(), Err: fmt.Errorf("none of the first %d signatures is as required, and %d more were not looked at", len(f.sigs), f.left),
			Hint: fmt.Sprintf("look at more with %s (at most %d), or delete the signatures that nobody needs", r.called("max-signatures"), mostSignatures),
		}
		return
	case len(f.sigs) == 0:
		o.Reason, o.Err = verify.Unsigned, r.unsigned(img, f.sigstore)
		return
	}
	i := 0
	reason, err := manifests.Closest(o.Candidates, func(verify.Candidate) int { i++; return ranks[i-1] })
	if level := r.level(); level != LevelStrict {
		err = fmt.Errorf("%w; the level of the statement is %s, which lets through what it finds: nothing is verified by it", err, level)
	}
	o.Reason, o.Err = reason, &verify.Error{Op: "verify " + img.String(), Err: err, Hint: r.hint(reason, err)}
}

// rank orders refusals by how close the signature came: the closest is what there
// is to mend. One by somebody who is trusted comes before what whoever may push
// could have put beside it.
func rank(err error) int {
	r := (*refusal)(nil)
	if !errors.As(err, &r) {
		return 0
	}
	order := []verify.Reason{
		verify.BadSignature, verify.WrongSigner, verify.Unsupported, verify.Expired, verify.WrongType, verify.Revoked, verify.Unavailable, verify.NoRule,
	}
	return slices.Index(order, r.reason)
}

// unsigned says that img has no signature, and that it has one of Sigstore's
// where it was seen: whoever uses both systems has likely asked for the other.
func (r *requirement) unsigned(img image.Pinned, sigstore bool) error {
	none := "there are none: no referrer is one, nor what is behind the fallback tag"
	hint := "sign the image, use a signed one, or let it through for a while with an exception; if its signatures lie elsewhere, name that repository with signature-repository in the rule for it"
	if r.Flags {
		hint = "sign the image, use a signed one, or say where its signatures lie with --signature-repository"
	}
	if len(img.Children()) > 0 && len(r.Platforms) == 0 {
		hint += "; if the platforms of this index are signed one by one, name those that you build for with --platform"
	}
	if sigstore {
		none += "; but there is one of Sigstore's, or an attestation"
		wanted := "sigstore in the rule for it"
		if r.Flags || r.Statement != "" {
			wanted = "--certificate-identity with --certificate-oidc-issuer, or --key, in the place of the flags of Notation"
		}
		hint = "if Sigstore's signature is the one that counts, require " + wanted + "; if not, " + hint
	}
	return &verify.Error{Op: "look for Notation signatures of " + img.String(), Hint: hint, Err: errors.New(none)}
}

// evidence is what s is, of which f is proven.
func evidence(s signature, f facts, signed, platform string) verify.Evidence {
	ev := verify.Evidence{
		System: System, Format: s.format(), Storage: s.storage, Source: s.source,
		Digest: f.artifact.Digest.String(), Signed: signed, Platform: platform,
		SignedAt: f.signedAt, Claims: f.claims(),
	}
	ev.Signer, ev.Issuer = f.signer()
	return ev
}

// RequirePolicy returns a Verifier that holds each image to the statement of p
// that speaks of it. Platforms are as in [Config]. An image that no statement
// speaks of has the Reason NoRule.
func (s *Session) RequirePolicy(p *TrustPolicy, platforms []string) (verify.Verifier, error) {
	if p == nil {
		return nil, errors.New("no trust policy")
	}
	return &policyVerifier{session: s, policy: p, platforms: platforms}, nil
}

type policyVerifier struct {
	session   *Session
	policy    *TrustPolicy
	platforms []string
}

// Verify implements verify.Verifier.
func (v *policyVerifier) Verify(ctx context.Context, img image.Pinned) verify.Verdict {
	c, ok := v.policy.For(img.Ref())
	if !ok {
		return verify.Fail(img, verify.NoRule, &verify.Error{
			Op: "verify " + img.String(), Err: fmt.Errorf("no statement of the trust policy speaks of %s", img.Ref().Name()),
			Hint: "add " + img.Ref().Name() + " to the registryScopes of the statement that is meant for it",
		})
	}
	c.Platforms = v.platforms
	r, err := v.session.require(c)
	if err != nil {
		return verify.Fail(img, verify.Undecided, &verify.Error{Op: "verify " + img.String(), Err: fmt.Errorf("trust policy statement %s: %w", quoted(c.Statement), err)})
	}
	return r.Verify(ctx, img)
}
