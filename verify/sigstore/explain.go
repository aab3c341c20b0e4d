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

	"github.com/boltseal/boltseal/verify"
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
		to.Claims, to.SignedAt, to.PredicateType = f.claims(), f.signedAt, f.predicateType
		to.LogIndex = f.logIndex
	}
	if r != nil {
		to.Differs = r.differs
	}
	switch to.Reason {
	case verify.WrongSigner:
		to.Accept = c.acceptSigner(f, to.Differs)
	case verify.WrongType:
		to.Accept = c.acceptType(f, to.Differs)
	}
	return to
}

// acceptSigner returns what would let the signer of f count: exactly this one.
// It is nil where that cannot be written.
func (c Config) acceptSigner(f facts, d *verify.Difference) *verify.Acceptance {
	if d != nil && c.Claims[d.What] == d.Expected && d.Expected != "" {
		return c.acceptClaims(f)
	}
	list, line, ok := f.entry()
	if !ok {
		return nil
	}
	unwise := c.unwise(f)
	if f.cert != nil && matchClaims(c.Claims, *f.cert) != nil {
		unwise = append(unwise, "the claims that all identities must have would still refuse it")
	}
	return &verify.Acceptance{List: list, Line: line, Unwise: strings.Join(unwise, "; ")}
}

// acceptClaims returns the claims that would have to stand in the requirement.
// It is nil where the certificate lacks one.
func (c Config) acceptClaims(f facts) *verify.Acceptance {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(c.Claims)) {
		value := f.claims()[name]
		if value == "" || len(value) > maxPattern || !utf8.ValidString(value) {
			return nil
		}
		pairs = append(pairs, name+": "+quote(value))
	}
	unwise := append([]string{"the claims hold for every identity of the requirement"}, c.unwise(f)...)
	return &verify.Acceptance{List: "claims", Line: "{" + strings.Join(pairs, ", ") + "}", Unwise: strings.Join(unwise, "; ")}
}

// acceptType returns a requirement for what was signed, in the place of the one
// that it does not meet.
func (c Config) acceptType(f facts, d *verify.Difference) *verify.Acceptance {
	list, line, ok := f.entry()
	if !ok || f.blob || d == nil || d.What != "predicate type" {
		return nil
	}
	if f.plain || f.predicateType == SignPredicate {
		unwise := "a signature says who signed, and nothing of what the attestation was to say; put it in the place of the attestation"
		return &verify.Acceptance{List: "require", Line: fmt.Sprintf("{sigstore: {%s: [%s]}}", list, line), Unwise: unwise}
	}
	if _, err := PredicateType(f.predicateType); err != nil || len(f.predicateType) > maxPattern {
		return nil
	}
	unwise := "an attestation of one type says nothing of what another was to say; put it in the place of that"
	if c.Predicate == "" {
		unwise = "an attestation describes the image, and does not release it as a signature does; put it in the place of the signature"
	}
	return &verify.Acceptance{List: "require", Line: fmt.Sprintf("{attestation: {type: %s, %s: [%s]}}", quote(f.predicateType), list, line), Unwise: unwise}
}

// entry returns the list and the item of it that mean the signer of f and nobody
// else.
func (f facts) entry() (list, line string, ok bool) {
	key := f.key
	if key == nil {
		key = f.stranger
	}
	switch {
	case f.cert != nil:
		issuer, subject := f.cert.Extensions.Issuer, f.cert.SubjectAlternativeName
		i, iOK := exactly("issuer", issuer)
		s, sOK := exactly("subject", subject)
		return "identities", "{" + i + ", " + s + "}", iOK && sOK
	case key != nil:
		der, err := x509.MarshalPKIXPublicKey(key.public)
		if err != nil {
			return "", "", false
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		return "keys", fmt.Sprintf("{pem: %s, sha256: %s}", quote(string(text)), quote(key.fingerprint)), true
	}
	return "", "", false
}

// exactly returns the pair that matches value and nothing else. A "*" in it
// would be a pattern, and whoever is asked for a certificate may have chosen it.
func exactly(name, value string) (string, bool) {
	pair := name + ": " + quote(value)
	match := Pattern
	if strings.Contains(value, "*") {
		expr := regexp.QuoteMeta(value)
		pair, value, match = name+"-regexp: "+quote(expr), expr, Regexp
	}
	_, err := match(value)
	return pair, err == nil && utf8.ValidString(value)
}

// quote returns s as a double-quoted YAML scalar, on one line and in ASCII.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
