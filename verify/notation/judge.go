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

	coresig "github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	"github.com/notaryproject/tspclient-go"

	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/certfile"
)

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
	return []*refusal{{reason: verify.WrongSigner, err: fmt.Errorf("%s is not %s", certfile.Title(leaf), identityList(j.config.Identities))}}
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
			return fmt.Errorf("%s is valid from %s to %s, and %s %s", certfile.Title(c), c.NotBefore.UTC().Format(form), c.NotAfter.UTC().Format(form), what, at.UTC().Format(form))
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
			return "no answer: " + certfile.Title(cert) + why
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
