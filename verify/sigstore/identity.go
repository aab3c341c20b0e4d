package sigstore

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"

	"github.com/boltseal/boltseal/verify"
)

// maxPattern bounds an identity or issuer pattern, in bytes.
const maxPattern = 2048

// A Matcher accepts certain strings, always as a whole. The zero Matcher
// accepts none.
type Matcher struct {
	text  string
	exact bool
	glob  bool // where re was made from a glob
	// re is compiled when it is first used: a policy has many that no image of a
	// run asks for.
	re func() *regexp.Regexp
}

// Pattern returns a Matcher for s: exactly s, or, where s has a "*", a glob in
// which "*" stands for any run of characters but "/", and "**" for any run.
func Pattern(s string) (Matcher, error) {
	if err := checkPattern(s); err != nil {
		return Matcher{}, err
	}
	if !strings.Contains(s, "*") {
		return Matcher{text: s, exact: true}, nil
	}
	var b strings.Builder
	for i, part := range strings.Split(s, "**") {
		if i > 0 {
			b.WriteString(`.*`)
		}
		for j, literal := range strings.Split(part, "*") {
			if j > 0 {
				b.WriteString(`[^/]*`)
			}
			b.WriteString(regexp.QuoteMeta(literal))
		}
	}
	return Matcher{text: s, glob: true, re: lazily(`^(?s:` + b.String() + `)$`)}, nil
}

// Regexp returns a Matcher for the strings that expr (RE2 syntax) matches from
// beginning to end, whether or not it says so itself.
func Regexp(expr string) (Matcher, error) {
	if err := checkPattern(expr); err != nil {
		return Matcher{}, err
	}
	parsed, err := syntax.Parse(expr, syntax.Perl) // before it is wrapped: "a)(b" must not become valid
	if err != nil {
		return Matcher{}, err
	}
	if n := steps(parsed); n > maxSteps {
		return Matcher{}, fmt.Errorf("it repeats too much, %d steps written out, of %d", n, maxSteps)
	}
	return Matcher{text: expr, re: lazily(`^(?:` + expr + `)$`)}, nil
}

// lazily returns the expression, which is known to be sound.
func lazily(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// maxSteps bounds an expression with its repetitions written out, which is what
// it takes in memory. Ten bytes can stand for a million.
const maxSteps = 10_000

// steps returns about how large re is with its repetitions written out, or a
// number above maxSteps.
func steps(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n = min(n+steps(sub), maxSteps+1)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, maxSteps+1)
}

func checkPattern(s string) error {
	switch {
	case strings.TrimSpace(s) == "":
		return errors.New("it is empty and would match nothing")
	case len(s) > maxPattern:
		return fmt.Errorf("it is longer than %d bytes", maxPattern)
	case !utf8.ValidString(s):
		return errors.New("it is not UTF-8")
	}
	return nil
}

// Match reports whether the whole of s is accepted.
func (m Matcher) Match(s string) bool {
	switch {
	case m.exact:
		return s == m.text
	case m.re != nil:
		return s != "" && m.re().MatchString(s)
	}
	return false
}

// partly says so where m fits a part of s, which whoever comes from cosign's
// unanchored expressions may have meant to be enough.
func (m Matcher) partly(s string) string {
	if m.exact {
		if strings.TrimSuffix(m.text, "/") == strings.TrimSuffix(s, "/") {
			return " (the slash at the end differs)"
		}
		return ""
	}
	re, err := regexp.Compile(m.text)
	if m.re == nil || err != nil || !re.MatchString(s) {
		return ""
	}
	return " (it fits a part, but has to fit the whole: add the rest, or .* where anything may stand)"
}

// IsZero reports whether m is the Matcher that accepts nothing.
func (m Matcher) IsZero() bool { return !m.exact && m.re == nil }

// String returns what m was made from.
func (m Matcher) String() string { return m.text }

// An Identity is whom a certificate must name: always a subject and the issuer
// that vouches for it, and certificate extensions where they are given. The
// zero Identity matches nobody.
type Identity struct {
	subject, issuer Matcher
	claims          map[string]string
}

// NewIdentity returns the Identity of subject at issuer. claims maps names of
// [ClaimNames] to the exact values a certificate must have.
func NewIdentity(subject, issuer Matcher, claims map[string]string) (Identity, error) {
	if subject.IsZero() || issuer.IsZero() {
		return Identity{}, errors.New("an identity is a subject and an issuer, both of them")
	}
	if err := checkClaims(claims); err != nil {
		return Identity{}, err
	}
	return Identity{subject, issuer, claims}, nil
}

// checkClaims returns an error for claims that would not narrow anything.
func checkClaims(claims map[string]string) error {
	for name, value := range claims {
		if _, ok := claimOf(certificate.Extensions{}, name); !ok {
			return fmt.Errorf("unknown certificate extension %q", name)
		}
		if value == "" {
			return fmt.Errorf("certificate extension %q: an empty value would match certificates without it", name)
		}
	}
	return nil
}

// match returns nil if the certificate is the identity's, else what differs.
func (id Identity) match(cert certificate.Summary) *refusal {
	subject, issuer := cert.SubjectAlternativeName, cert.Extensions.Issuer
	switch {
	case id.subject.IsZero() || id.issuer.IsZero():
		return &refusal{reason: verify.WrongSigner, err: errors.New("no identity")}
	case !id.subject.Match(subject):
		return differ(verify.WrongSigner, "identity", subject, id.subject.String(), "identity is %q, expected %q%s", subject, id.subject, id.subject.partly(subject))
	case !id.issuer.Match(issuer):
		return differ(verify.WrongSigner, "issuer", issuer, id.issuer.String(), "issuer of %q is %q, expected %q%s", subject, issuer, id.issuer, id.issuer.partly(issuer))
	}
	return matchClaims(id.claims, cert)
}

// matchClaims returns nil if the certificate has all of the claims, else the
// first that differs.
func matchClaims(claims map[string]string, cert certificate.Summary) *refusal {
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		if got, ok := claimOf(cert.Extensions, name); !ok || got != claims[name] {
			return differ(verify.WrongSigner, name, got, claims[name], "certificate extension %s of %q is %q, expected %q", name, cert.SubjectAlternativeName, got, claims[name])
		}
	}
	return nil
}

func (id Identity) String() string {
	s := fmt.Sprintf("%s (issuer %s)", id.subject, id.issuer)
	for _, name := range slices.Sorted(maps.Keys(id.claims)) {
		s += fmt.Sprintf(", %s=%s", name, id.claims[name])
	}
	return s
}
