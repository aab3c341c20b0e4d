package sigstore

import (
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
)

// maxPattern bounds an identity or issuer pattern, in bytes.
const maxPattern = 2048

// A Matcher accepts certain strings, always as a whole. The zero Matcher
// accepts none.
type Matcher struct {
	text  string
	exact bool
	re    *regexp.Regexp
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
	re, err := regexp.Compile(`^(?s:` + b.String() + `)$`)
	return Matcher{text: s, re: re}, err
}

// Regexp returns a Matcher for the strings that expr (RE2 syntax) matches from
// beginning to end, whether or not it says so itself.
func Regexp(expr string) (Matcher, error) {
	if err := checkPattern(expr); err != nil {
		return Matcher{}, err
	}
	if _, err := regexp.Compile(expr); err != nil { // before it is wrapped: "a)(b" must not become valid
		return Matcher{}, err
	}
	re, err := regexp.Compile(`^(?:` + expr + `)$`)
	return Matcher{text: expr, re: re}, err
}

func checkPattern(s string) error {
	switch {
	case strings.TrimSpace(s) == "":
		return errors.New("it is empty and would match nothing")
	case len(s) > maxPattern:
		return fmt.Errorf("it is longer than %d bytes", maxPattern)
	}
	return nil
}

// Match reports whether the whole of s is accepted.
func (m Matcher) Match(s string) bool {
	switch {
	case m.exact:
		return s == m.text
	case m.re != nil:
		return s != "" && m.re.MatchString(s)
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
	for name, value := range claims {
		if _, ok := claimOf(certificate.Extensions{}, name); !ok {
			return Identity{}, fmt.Errorf("unknown certificate extension %q", name)
		}
		if value == "" {
			return Identity{}, fmt.Errorf("certificate extension %q: an empty value would match certificates without it", name)
		}
	}
	return Identity{subject, issuer, claims}, nil
}

// match returns nil if the certificate is the identity's, else what differs.
func (id Identity) match(cert certificate.Summary) error {
	switch {
	case id.subject.IsZero() || id.issuer.IsZero():
		return errors.New("no identity")
	case !id.subject.Match(cert.SubjectAlternativeName):
		return fmt.Errorf("identity is %q, expected %q%s", cert.SubjectAlternativeName, id.subject, id.subject.partly(cert.SubjectAlternativeName))
	case !id.issuer.Match(cert.Extensions.Issuer):
		return fmt.Errorf("issuer of %q is %q, expected %q%s", cert.SubjectAlternativeName, cert.Extensions.Issuer, id.issuer, id.issuer.partly(cert.Extensions.Issuer))
	}
	names := make([]string, 0, len(id.claims))
	for name := range id.claims {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if got, ok := claimOf(cert.Extensions, name); !ok || got != id.claims[name] {
			return fmt.Errorf("certificate extension %s of %q is %q, expected %q", name, cert.SubjectAlternativeName, got, id.claims[name])
		}
	}
	return nil
}

func (id Identity) String() string {
	s := fmt.Sprintf("%s (issuer %s)", id.subject, id.issuer)
	names := make([]string, 0, len(id.claims))
	for name := range id.claims {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		s += fmt.Sprintf(", %s=%s", name, id.claims[name])
	}
	return s
}
