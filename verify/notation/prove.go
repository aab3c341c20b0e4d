package notation

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/notaryproject/notation-core-go/revocation"
	"github.com/notaryproject/notation-core-go/revocation/purpose"
	"github.com/notaryproject/notation-core-go/revocation/result"
	coresig "github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	"github.com/notaryproject/tspclient-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// A refusal is a Reason with its cause.
type refusal struct {
	reason  verify.Reason
	err     error
	differs *verify.Difference // nil where it is not a matter of who signed or what
	lacks   lack
}

// A lack is something particular that a signature needs, for the next step.
type lack int

const (
	nothing       lack = iota
	aTimestamp         // a countersignature
	aClock             // whoever made the countersignature is not trusted, or nobody is
	aRoot              // nobody who is trusted issued the certificate
	anAuthority        // the same, where that is a signing authority
	anEnforcement      // the trust policy enforces nothing
	aPlugin            // it cannot be checked without
	aPlace             // other signatures are in its way
	anEnd              // that its signer gave it is over
)

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// Reason returns what r refuses for.
func (r *refusal) Reason() verify.Reason { return r.reason }

func refuse(reason verify.Reason, format string, args ...any) error {
	return &refusal{reason: reason, err: fmt.Errorf(format, args...)}
}

// Facts are what a sound signature proves.
type facts struct {
	payload
	scheme coresig.SigningScheme
	chain  []*x509.Certificate // leaf first; nil where nothing is proven
	// anchor is the trusted certificate in chain; nil where there is none.
	anchor   *x509.Certificate
	expiry   time.Time // zero for never
	signedAt time.Time // what somebody trusted vouches for; zero for nothing
	claimed  time.Time // when it was signed, as it says itself
	// revocation is what is known of it, as evidence says it; "" where nobody was
	// to be asked.
	revocation string
	raw        []byte // the signature in the envelope, which is countersigned
	token      []byte // the countersignature; nil for none. It is not checked
}

// signer names who signed, and who vouches for that.
func (f facts) signer() (signer, issuer string) {
	if len(f.chain) == 0 {
		return "", ""
	}
	return subjectPrefix + ": " + f.chain[0].Subject.String(), f.root().Subject.String()
}

// root is the trusted certificate, or the end of the chain where there is none.
func (f facts) root() *x509.Certificate {
	if f.anchor != nil {
		return f.anchor
	}
	return f.chain[len(f.chain)-1]
}

// A prover checks signatures against one requirement.
type prover struct {
	config Config
	asker  *Asker
	policy *trustpolicy.Document
	stores stores
}

// Stores are the trust stores of one requirement, by type. Each has one name.
type stores map[truststore.Type][]*x509.Certificate

const storeName = "boltseal"

// GetCertificates implements truststore.X509TrustStore.
func (s stores) GetCertificates(_ context.Context, t truststore.Type, name string) ([]*x509.Certificate, error) {
	if name != storeName || len(s[t]) == 0 {
		return nil, fmt.Errorf("there is no trust store %s:%s", t, name)
	}
	return s[t], nil
}

// of returns the certificates that count for a signing scheme, and what notation
// calls their store.
func (s stores) of(scheme coresig.SigningScheme) ([]*x509.Certificate, truststore.Type) {
	t := truststore.TypeCA
	if scheme == coresig.SigningSchemeX509SigningAuthority {
		t = truststore.TypeSigningAuthority
	}
	return s[t], t
}

// anchor returns the certificate of chain that is trusted for the scheme, the
// first of several; nil if none is.
func (s stores) anchor(scheme coresig.SigningScheme, chain []*x509.Certificate) *x509.Certificate {
	trusted, _ := s.of(scheme)
	for _, cert := range chain {
		if slices.ContainsFunc(trusted, cert.Equal) {
			return cert
		}
	}
	return nil
}

// newProver returns the prover of c: a trust policy of one statement, which is
// for every image.
func newProver(c Config, asker *Asker) (*prover, error) {
	p := &prover{config: c, asker: asker, stores: stores{
		truststore.TypeCA: c.Certificates, truststore.TypeSigningAuthority: c.SigningAuthority, truststore.TypeTSA: c.TSA,
	}}
	statement := trustpolicy.TrustPolicy{
		Name: storeName, RegistryScopes: []string{"*"},
		SignatureVerification: trustpolicy.SignatureVerification{
			VerificationLevel: string(c.level()), Override: map[trustpolicy.ValidationType]trustpolicy.ValidationAction{}, VerifyTimestamp: trustpolicy.OptionAlways,
		},
	}
	for _, t := range truststore.Types {
		if len(p.stores[t]) > 0 {
			statement.TrustStores = append(statement.TrustStores, string(t)+":"+storeName)
		}
	}
	for _, id := range c.Identities {
		statement.TrustedIdentities = append(statement.TrustedIdentities, id.String())
	}
	for what, action := range c.Override {
		statement.SignatureVerification.Override[trustpolicy.ValidationType(what)] = trustpolicy.ValidationAction(action)
	}
	if c.Revocation == Skip {
		statement.SignatureVerification.Override[trustpolicy.TypeRevocation] = trustpolicy.ActionSkip
	}
	if c.Timestamp == AfterExpiry {
		statement.SignatureVerification.VerifyTimestamp = trustpolicy.OptionAfterCertExpiry
	}
	p.policy = &trustpolicy.Document{Version: "1.0", TrustPolicies: []trustpolicy.TrustPolicy{statement}}
	if err := p.policy.Validate(); err != nil {
		return nil, fmt.Errorf("trust policy: %w", err)
	}
	return p, nil
}

// prove returns what s proves about img, which has been described, or a *refusal.
// With a refusal it returns whom it found, where that is proven.
func (p *prover) prove(ctx context.Context, s signature, img image.Pinned) (f facts, err error) {
	// Whatever goes wrong inside is the signature's fault.
	panicked := hostile.Safely(func() error {
		f, err = p.check(ctx, s, img)
		return nil
	})
	if panicked != nil {
		return facts{}, refuse(verify.BadSignature, "%w", panicked)
	}
	return f, err
}

func (p *prover) check(ctx context.Context, s signature, img image.Pinned) (facts, error) {
	f, err := read(s, img)
	if err != nil {
		return f, err
	}
	f.anchor = p.stores.anchor(f.scheme, f.chain)
	return p.hold(ctx, s, img, f)
}

// read returns what s says, where it is whole and about img. Who made it is
// another question, and so is whether it is still valid.
func read(s signature, img image.Pinned) (facts, error) {
	if s.err != nil {
		return facts{}, &refusal{reason: s.reason, err: s.err, lacks: s.lacks}
	}
	if err := peek(s.mediaType, s.envelope); err != nil {
		return facts{}, err
	}
	envelope, err := coresig.ParseEnvelope(s.mediaType, s.envelope)
	if err != nil {
		return facts{}, refuse(verify.BadSignature, "read the envelope: %w", short(err))
	}
	content, err := envelope.Verify()
	if err != nil {
		return facts{}, refuse(verify.BadSignature, "the envelope does not hold: %w", short(err))
	}
	info := content.SignerInfo
	f := facts{
		scheme: info.SignedAttributes.SigningScheme, chain: info.CertificateChain,
		expiry: info.SignedAttributes.Expiry, claimed: info.SignedAttributes.SigningTime,
		raw: info.Signature, token: info.UnsignedAttributes.TimestampSignature,
	}
	if err := unknown(content); err != nil {
		return facts{}, err
	}
	if f.payload, err = readPayload(content); err != nil {
		return facts{}, err
	}
	if err := f.about(img); err != nil {
		return facts{}, err
	}
	if f.scheme == coresig.SigningSchemeX509 && len(f.token) > 0 {
		if _, err := parseToken(f.token); err != nil {
			return facts{}, err
		}
	}
	return f, nil
}

// hold has notation-go verify s, of which f was read, and says what came of it.
func (p *prover) hold(ctx context.Context, s signature, img image.Pinned, f facts) (facts, error) {
	signing := &witness{prover: p, purpose: purpose.CodeSigning}
	stamping := &witness{prover: p, purpose: purpose.Timestamping}
	v, err := verifier.NewWithOptions(p.policy, p.stores, nil, verifier.VerifierOptions{
		RevocationCodeSigningValidator: signing, RevocationTimestampingValidator: stamping,
	})
	if err != nil {
		return facts{}, refuse(verify.Undecided, "%w", err)
	}
	now := time.Now()
	about := ocispec.Descriptor{MediaType: img.MediaType(), Digest: f.artifact.Digest, Size: img.Size()}
	// The reference is looked up among the scopes, of which "*" is the only one.
	outcome, err := v.Verify(ctx, about, s.envelope, notation.VerifierVerifyOptions{
		ArtifactReference: "registry.invalid/image@" + img.Digest(), SignatureMediaType: s.mediaType,
	})
	if ctx.Err() != nil { // it ended in the middle of a question
		return facts{}, refuse(verify.Undecided, "%w", context.Cause(ctx))
	}
	if outcome == nil {
		return facts{}, refuse(verify.BadSignature, "it was not verified: %w", short(err))
	}
	j := judge{prover: p, facts: f, now: now, signing: signing, stamping: stamping}
	for _, r := range outcome.VerificationResults {
		if r != nil && r.Error != nil {
			j.failed = append(j.failed, j.diagnose(ctx, r.Type, r.Error))
			if r.Type == trustpolicy.TypeAuthenticity && r.Action == trustpolicy.ActionLog {
				j.failed = append(j.failed, j.stranger()...)
			}
		}
	}
	return j.conclude(ctx, outcome, err)
}

// short bounds what a library says, since it may repeat what strangers wrote.
func short(err error) error {
	if err == nil {
		return errors.New("nothing is said of why")
	}
	return errors.New(hostile.Clip(err.Error()))
}

// A judge turns what notation-go found into a Reason. Its errors are mostly
// without a type, so that what is wrong is found out by looking again.
type judge struct {
	*prover
	facts             facts
	now               time.Time
	signing, stamping *witness
	failed            []*refusal // in the order of the checks
}

// conclude returns the facts if nothing at all speaks against the signature.
func (j *judge) conclude(ctx context.Context, outcome *notation.VerificationOutcome, err error) (facts, error) {
	metadata := j.metadata()
	if metadata != nil && j.config.level() != LevelStrict {
		j.failed = append(j.failed, metadata)
	}
	if len(j.failed) > 0 {
		return j.facts, j.refuse(j.failed[0])
	}
	if err = errors.Join(err, outcome.Error); err != nil {
		return facts{}, refuse(verify.BadSignature, "%w", short(err))
	}
	if missing := j.missing(outcome); missing != "" {
		return facts{}, refuse(verify.BadSignature, "nothing is said of its %s", missing)
	}
	if j.config.level() != LevelStrict {
		return j.facts, j.refuse(&refusal{reason: verify.NoRule, err: errors.New("nothing was found that speaks against the signature"), lacks: anEnforcement})
	}
	if metadata != nil {
		return j.facts, metadata
	}
	j.facts.revocation = j.revocation()
	if j.facts.scheme == coresig.SigningSchemeX509SigningAuthority {
		j.facts.signedAt = j.facts.claimed
	} else if stamp, err := j.stamp(ctx); err == nil && j.stamping.verified {
		j.facts.signedAt = stamp.Value
	}
	return j.facts, nil
}

// missing names a validation that was not made; "" if all were.
func (j *judge) missing(outcome *notation.VerificationOutcome) string {
	wanted := []trustpolicy.ValidationType{
		trustpolicy.TypeIntegrity, trustpolicy.TypeAuthenticity, trustpolicy.TypeExpiry, trustpolicy.TypeAuthenticTimestamp,
	}
	if !j.config.unchecked() {
		wanted = append(wanted, trustpolicy.TypeRevocation)
	}
	if outcome.EnvelopeContent == nil {
		return "content"
	}
	for _, t := range wanted {
		if !slices.ContainsFunc(outcome.VerificationResults, func(r *notation.ValidationResult) bool { return r != nil && r.Type == t && r.Error == nil }) {
			return string(t)
		}
	}
	return ""
}

// refuse returns first, with what else was found where the level goes on after
// that.
func (j *judge) refuse(first *refusal) error {
	level := j.config.level()
	if level == LevelStrict && len(j.failed) < 2 {
		return first
	}
	out := &refusal{reason: first.reason, err: first.err, differs: first.differs, lacks: first.lacks}
	var also []string
	for _, f := range j.failed[min(1, len(j.failed)):] {
		also = append(also, fmt.Sprintf("%s (%s)", f.err, f.reason))
	}
	if len(also) > 0 {
		out.err = fmt.Errorf("%w; and %s", out.err, strings.Join(also, "; and "))
	}
	return out
}

// diagnose says why a validation failed.
func (j *judge) diagnose(ctx context.Context, t trustpolicy.ValidationType, err error) *refusal {
	f := j.facts
	r := &refusal{reason: verify.BadSignature, err: short(err)}
	switch t {
	case trustpolicy.TypeAuthenticity:
		j.authenticity(r)
	case trustpolicy.TypeExpiry:
		r.lacks = anEnd
		r.reason, r.err = verify.Expired, fmt.Errorf("the signature has expired on %s, as its signer wanted", f.expiry.UTC().Format(time.RFC3339))
	case trustpolicy.TypeAuthenticTimestamp:
		j.timestamp(ctx, r)
	case trustpolicy.TypeRevocation:
		j.signing.explain(r)
	}
	return r
}

// authenticity says who signed, and who was to.
func (j *judge) authenticity(r *refusal) {
	r.reason = verify.WrongSigner
	leaf := fingerprint(j.facts.chain[0])
	if j.facts.anchor != nil {
		signer, _ := j.facts.signer()
		nearest, apart := j.config.nearest(j.facts.chain[0])
		r.differs = &verify.Difference{What: "identity", Found: signer, Expected: nearest}
		r.err = fmt.Errorf("it is by %s, for whom %s vouches, and has to be by %s%s", leaf, fingerprint(j.facts.anchor), identityList(j.config.Identities), apart)
		return
	}
	r.lacks = aRoot
	if j.facts.scheme == coresig.SigningSchemeX509SigningAuthority {
		r.lacks = anAuthority
	}
	trusted, store := j.stores.of(j.facts.scheme)
	found := fingerprint(j.facts.root())
	if len(trusted) == 0 {
		r.err = fmt.Errorf("it is by %s, for whom %s vouches by the signing scheme %s, and no certificates are trusted for that (trust store %s)", leaf, found, j.facts.scheme, store)
		return
	}
	r.differs = &verify.Difference{What: "certificate", Found: found, Expected: fingerprint(trusted[0])}
	r.err = fmt.Errorf("it is by %s, for whom %s vouches; trusted is %s", leaf, found, fingerprints(trusted))
}

// stranger says that the signer is nobody of the identities, where nobody trusted
// vouches for it either: of the two, notation-go keeps one.
func (j *judge) stranger() []*refusal {
	leaf := j.facts.chain[0]
	if j.facts.anchor != nil || slices.ContainsFunc(j.config.Identities, func(id Identity) bool { return id.any || id.matches(leaf.Subject.String()) }) {
		return nil
	}
	return []*refusal{{reason: verify.WrongSigner, err: fmt.Errorf("%s is not %s", titled(leaf), identityList(j.config.Identities))}}
}

// timestamp says what is wrong with the time of signing.
func (j *judge) timestamp(ctx context.Context, r *refusal) {
	f := j.facts
	switch {
	case f.scheme == coresig.SigningSchemeX509SigningAuthority:
		r.reason, r.err = verify.Expired, outside(f.chain, f.claimed, "the signing authority says that it signed", r.err)
		return
	case len(j.stores[truststore.TypeTSA]) == 0:
		r.reason, r.err = verify.Expired, outside(f.chain, j.now, "it is now", r.err)
		if len(f.token) > 0 {
			r.lacks, r.err = aClock, fmt.Errorf("%w; it has a countersignature, but no time stamp authority is trusted", r.err)
		}
		return
	case j.config.Timestamp == AfterExpiry && !j.expired():
		r.reason, r.err = verify.Expired, outside(f.chain, j.now, "it is now", r.err)
		return
	case len(f.token) == 0:
		r.lacks, r.err = aTimestamp, errors.New("it has no countersignature of a time stamp authority, and needs one")
		return
	case j.stamping.asked:
		j.stamping.explain(r)
		return
	}
	stamp, err := j.stamp(ctx)
	if err != nil {
		r.lacks, r.err = aClock, fmt.Errorf("its countersignature does not hold: %w", short(err))
		return
	}
	for _, c := range f.chain {
		if !stamp.BoundedAfter(c.NotBefore) || !stamp.BoundedBefore(c.NotAfter) {
			r.reason, r.err = verify.Expired, outside([]*x509.Certificate{c}, stamp.Value, "it was countersigned", r.err)
			return
		}
	}
}

// expired reports whether a certificate has expired.
func (j *judge) expired() bool {
	return slices.ContainsFunc(j.facts.chain, func(c *x509.Certificate) bool { return j.now.After(c.NotAfter) })
}

// outside says which certificate of chain was not valid at the time; where that
// is none, it repeats what else was said.
func outside(chain []*x509.Certificate, at time.Time, what string, said error) error {
	const form = time.RFC3339
	for _, c := range chain {
		if at.Before(c.NotBefore) || at.After(c.NotAfter) {
			return fmt.Errorf("%s is valid from %s to %s, and %s %s", titled(c), c.NotBefore.UTC().Format(form), c.NotAfter.UTC().Format(form), what, at.UTC().Format(form))
		}
	}
	return said
}

// stamp returns the time of the countersignature, as a trusted authority says it.
func (j *judge) stamp(ctx context.Context) (*tspclient.Timestamp, error) {
	if len(j.facts.token) == 0 {
		return nil, errors.New("there is none")
	}
	token, err := parseToken(j.facts.token)
	if err != nil {
		return nil, err
	}
	info, err := token.Info()
	if err != nil {
		return nil, err
	}
	stamp, err := info.Validate(j.facts.raw)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	for _, c := range j.stores[truststore.TypeTSA] {
		roots.AddCert(c)
	}
	_, err = token.Verify(ctx, x509.VerifyOptions{CurrentTime: stamp.Value, Roots: roots})
	return stamp, err
}

// metadata refuses a signature without the user metadata that is required.
func (j *judge) metadata() *refusal {
	for _, key := range slices.Sorted(maps.Keys(j.config.Metadata)) {
		want := j.config.Metadata[key]
		got, ok := j.facts.payload.metadata[key]
		if ok && got == want {
			continue
		}
		r := &refusal{reason: verify.WrongType, differs: &verify.Difference{What: "metadata " + key, Found: got, Expected: want}}
		r.err = fmt.Errorf("its user metadata has %s=%s, not %s", quoted(key), quoted(got), quoted(want))
		if !ok {
			r.err = fmt.Errorf("its user metadata has no %s; required is %s", quoted(key), quoted(want))
		}
		return r
	}
	return nil
}

// revocation says what is known of it, as evidence has it.
func (j *judge) revocation() string {
	for _, w := range []*witness{j.signing, j.stamping} {
		if cert, why := w.silence(); cert != nil {
			return "no answer: " + titled(cert) + why
		}
	}
	switch {
	case !j.signing.asked:
		return "not checked"
	case j.signing.named():
		return "checked"
	}
	return "none named"
}

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
			r.reason, r.err = verify.Revoked, fmt.Errorf("%s was revoked%s", titled(w.chain[i]), said(res, result.ResultRevoked))
			return
		}
	}
	if cert, why := w.silence(); cert != nil {
		r.reason, r.err = verify.Unavailable, fmt.Errorf("nobody says whether %s was revoked%s", titled(cert), why)
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
