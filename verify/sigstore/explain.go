package sigstore

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// explain returns c with what was proven of the signature, and why it was
// refused: err is what prove or judge said.
func (c Config) explain(to verify.Candidate, f facts, err error) verify.Candidate {
	to.Reason = verify.Verified
	var r *refusal
	if err != nil {
		to.Reason, to.Err = verify.BadSignature, err
		if errors.As(err, &r) {
			to.Reason, to.Err = r.reason, r.err
		}
	}
	switch to.Reason {
	case verify.Verified, verify.WrongSigner, verify.WrongType, verify.Expired:
		to.Signer, to.Issuer = f.signer()
		to.KeyName = f.keyName()
		to.Claims, to.SignedAt, to.PredicateType = f.claims(), f.signedAt, f.predicateType
		to.LogIndex = f.logIndex
	}
	if r != nil {
		to.Differs = r.differs
	}
	switch to.Reason {
	case verify.WrongSigner:
		if to.Differs == nil {
			to.Differs = c.otherKey(f)
		}
		to.Accept = c.acceptSigner(f, to.Differs)
	case verify.WrongType:
		to.Accept = c.acceptType(f, to.Differs)
	}
	return to
}

// otherKey returns what is different where a key signed that the requirement
// does not have; nil where it is not known which.
func (c Config) otherKey(f facts) *verify.Difference {
	found, _ := f.signer()
	switch {
	case f.stranger == nil:
		return nil
	case len(c.Keys) > 0:
		return &verify.Difference{What: "key", Found: found, Expected: keyList(c.Keys)}
	case len(c.Identities) > 0:
		return &verify.Difference{What: "identity", Found: found, Expected: c.Identities[0].subject.String()}
	}
	return nil
}

// acceptSigner returns what would let the signer of f count: exactly this one.
// It is nil where that cannot be written.
func (c Config) acceptSigner(f facts, d *verify.Difference) *verify.Acceptance {
	e, ok := f.entry(c.demanded(f))
	own, ownOK := f.entry(c.demandedOfAll(f))
	if !ok || !ownOK {
		return nil
	}
	a := c.acceptance(f, e.missing)
	a.List, a.Line = e.list, e.line
	a.At, a.NewList = c.written.at(e.list)
	a.Alone = c.requirement(own, c.Predicate)
	if d != nil && d.Expected != "" && c.Claims[d.What] == d.Expected {
		a.List, a.At, a.NewList, a.InRule = "claims", c.written.claims, false, "the claims hold for every identity of the requirement"
		if a.Line, ok = c.acceptClaims(f); !ok {
			return nil
		}
	} else if f.cert != nil && matchClaims(c.Claims, *f.cert) != nil {
		a.InRule = "the claims that all identities must have would still refuse it"
	}
	return a
}

// acceptance returns what is said of the signer of f wherever it is accepted.
func (c Config) acceptance(f facts, missing []string) *verify.Acceptance {
	unwise := c.unwise(f)
	if len(missing) > 0 {
		unwise = append(unwise, "the certificate does not say what was asked for: "+strings.Join(missing, ", "))
	}
	a := &verify.Acceptance{OfRule: c.written.words, Unwise: strings.Join(unwise, "; "), Later: f.later()}
	if c.need() > 1 {
		a.AsRule = fmt.Sprintf("%d signers are needed now, and then one would do", c.need())
	}
	return a
}

// acceptClaims returns the claims that would have to stand in the requirement.
// It is false where the certificate lacks one.
func (c Config) acceptClaims(f facts) (line string, ok bool) {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(c.Claims)) {
		value := f.claims()[name]
		if !quotable(value) {
			return "", false
		}
		pairs = append(pairs, name+": "+yamlshape.Quote(value))
	}
	return "{" + strings.Join(pairs, ", ") + "}", true
}

// acceptType returns a requirement for what was signed, in the place of the one
// that it does not meet.
func (c Config) acceptType(f facts, d *verify.Difference) *verify.Acceptance {
	e, ok := f.entry(c.demandedOfAll(f))
	if !ok || f.blob || d == nil || d.What != "predicate type" {
		return nil
	}
	a := c.acceptance(f, e.missing)
	a.List, c.Where = "require", nil
	if f.plain || f.predicateType == SignPredicate {
		a.Unwise = "a signature says who signed, and nothing of what the attestation was to say"
		a.InRule = "put it in the place of the attestation"
		a.Line = c.requirement(e, "")
	} else {
		if _, err := PredicateType(f.predicateType); err != nil || len(f.predicateType) > maxPattern {
			return nil
		}
		a.Unwise, a.InRule = "an attestation of one type says nothing of what another was to say", "put it in the place of that"
		if c.Predicate == "" {
			a.Unwise, a.InRule = "an attestation describes the image, and does not release it as a signature does", "put it in the place of the signature"
		}
		a.Line = c.requirement(e, f.predicateType)
	}
	a.Alone = a.Line
	return a
}

// An entry is an item of a list of identities or keys.
type entry struct {
	list, line string
	missing    []string // claims that were asked for and are not in the certificate
}

// requirement returns the requirement that e and nobody else meets, for an
// attestation of the type, or a signature where that is "". All else is as c
// says.
func (c Config) requirement(e entry, predicate string) string {
	name, pairs := "sigstore", []string{}
	add := func(key, value string) {
		if value != "" {
			pairs = append(pairs, key+": "+yamlshape.Quote(value))
		}
	}
	if predicate != "" {
		name = "attestation"
		add("type", predicate)
	}
	pairs = append(pairs, e.list+": ["+e.line+"]")
	if c.Where != nil && predicate != "" {
		add("where", c.Where.String())
	}
	if c.On != verify.SignedImage {
		add("signature-on", c.On)
	}
	if !c.Repository.IsZero() {
		add("signature-repository", c.Repository.Name())
	}
	add("instance", c.written.instance)
	add("trusted-root", c.written.root)
	return "{" + name + ": {" + strings.Join(pairs, ", ") + "}}"
}

// demanded returns the names of the claims that the identity nearest to the
// signer of f asks for itself.
func (c Config) demanded(f facts) []string {
	if len(c.Identities) == 0 {
		return nil
	}
	return slices.Collect(maps.Keys(c.Identities[c.nearest(f)].claims))
}

// demandedOfAll returns these and what the requirement asks of every identity.
func (c Config) demandedOfAll(f facts) []string {
	return append(c.demanded(f), slices.Collect(maps.Keys(c.Claims))...)
}

// entry returns the item that means the signer of f and nobody else. A
// certificate is held to the claims that are demanded, and to the repository
// that called the workflow, where that is another one's: its subject alone would
// mean whoever calls it.
func (f facts) entry(demanded []string) (e entry, ok bool) {
	key := f.key
	if key == nil {
		key = f.stranger
	}
	switch {
	case f.cert != nil:
		i, iOK := exactly("issuer", f.cert.Extensions.Issuer)
		s, sOK := exactly("subject", f.cert.SubjectAlternativeName)
		claims, missing, cOK := exactClaims(f.claims(), append(demanded, f.caller()...))
		return entry{"identities", "{" + i + ", " + s + claims + "}", missing}, iOK && sOK && cOK
	case key != nil:
		der, err := x509.MarshalPKIXPublicKey(key.public)
		if err != nil {
			return entry{}, false
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		return entry{"keys", fmt.Sprintf("{pem: %s, sha256: %s}", yamlshape.Quote(string(text)), yamlshape.Quote(key.fingerprint)), nil}, true
	}
	return entry{}, false
}

// exactClaims returns the pair that holds an identity to what have says under
// the names, "" for no names, and the names that it says nothing under. It is
// false where a value cannot be written: without it the rest would mean others,
// too.
func exactClaims(have map[string]string, names []string) (pair string, missing []string, ok bool) {
	slices.Sort(names)
	var pairs []string
	for _, name := range slices.Compact(names) {
		value := have[name]
		switch {
		case value == "":
			missing = append(missing, name)
			continue
		case !quotable(value):
			return "", nil, false
		}
		pairs = append(pairs, name+": "+yamlshape.Quote(value))
	}
	if len(pairs) == 0 {
		return "", missing, true
	}
	return ", claims: {" + strings.Join(pairs, ", ") + "}", missing, true
}

// quotable reports whether a claim can be written into a policy.
func quotable(value string) bool {
	return value != "" && len(value) <= maxPattern && utf8.ValidString(value)
}

// source returns the repository that a workflow ran for, and whether that is not
// its own: then others may call it, too. The repository is an address, or a path
// where an older certificate has no more; "" where it is not known.
func (f facts) source() (repository string, called bool) {
	if f.cert == nil {
		return "", false
	}
	x, subject := f.cert.Extensions, f.cert.SubjectAlternativeName
	if x.SourceRepositoryURI != "" {
		return x.SourceRepositoryURI, !strings.HasPrefix(subject, x.SourceRepositoryURI+"/")
	}
	if x.GithubWorkflowRepository == "" {
		return "", false
	}
	_, path, _ := strings.Cut(subject, "://")
	_, path, _ = strings.Cut(path, "/")
	return x.GithubWorkflowRepository, !strings.HasPrefix(path, x.GithubWorkflowRepository+"/")
}

// caller returns the names of the claims that say who called the workflow of f;
// none where that is not another one.
func (f facts) caller() []string {
	if _, called := f.source(); !called {
		return nil
	}
	x := f.cert.Extensions
	names := []string{"source-repository-uri", "source-repository-ref"}
	if x.SourceRepositoryURI == "" {
		names = []string{"github-workflow-repository", "github-workflow-ref"}
	}
	if x.RunnerEnvironment != "" {
		names = append(names, "runner-environment")
	}
	return names
}

// later says what would accept the next releases, too, where f is of one.
func (f facts) later() string {
	if f.cert == nil {
		return ""
	}
	var out []string
	_, tag, tagged := strings.Cut(f.cert.SubjectAlternativeName, "@refs/tags/")
	if kind := releases(tag); tagged && kind != "" {
		out = append(out, fmt.Sprintf("@refs/tags/%s in the place of @refs/tags/%s would accept the next releases, too", kind, hostile.Clip(tag)))
	}
	for _, name := range f.caller() {
		if ref, ok := strings.CutPrefix(f.claims()[name], "refs/tags/"); ok {
			out = append(out, fmt.Sprintf("%s is that of the release %s; without it the next ones would be accepted, too, and what is built of any branch", name, hostile.Clip(ref)))
		}
	}
	return strings.Join(out, "; ")
}

// releases returns a pattern for tags like the one given: those that begin with
// the same letters. It is "" where there are none in front of a number.
func releases(tag string) string {
	n := strings.IndexAny(tag, "0123456789")
	if n <= 0 || strings.ContainsAny(tag[n:], "/*@") {
		return ""
	}
	letters := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("-_./", r)
	}
	if strings.TrimFunc(tag[:n], letters) != "" {
		return ""
	}
	return tag[:n] + "*"
}

// exactly returns the pair that matches value and nothing else. A "*" in it
// would be a pattern, and whoever is asked for a certificate may have chosen it.
func exactly(name, value string) (string, bool) {
	pair := name + ": " + yamlshape.Quote(value)
	match := Pattern
	if strings.Contains(value, "*") {
		expr := regexp.QuoteMeta(value)
		pair, value, match = name+"-regexp: "+yamlshape.Quote(expr), expr, Regexp
	}
	_, err := match(value)
	return pair, err == nil && utf8.ValidString(value) && yamlshape.Seen(value)
}
