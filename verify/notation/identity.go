package notation

import (
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"github.com/boltseal/boltseal/verify"
)

const (
	subjectPrefix = "x509.subject"
	// anybody is whoever the trusted certificates vouch for.
	anybody = "*"
	// maxIdentity bounds one identity, in bytes.
	maxIdentity = 2048
	// maxIdentities bounds those of one requirement: they are compared in pairs.
	maxIdentities = 256
)

// An Identity is who may sign: the attributes that the subject of a signing
// certificate must have, among others (Notary Project,
// trust-store-trust-policy.md, "Trusted Identities Constraints"). The zero
// Identity matches nobody.
type Identity struct {
	text string            // as a trust policy has it
	name map[string]string // attribute to value; nil where subjects are not looked at
	any  bool
}

// ParseIdentity reads "x509.subject: C=US, ST=WA, O=Acme", the distinguished name
// alone, or "*": whoever the certificates vouch for, which must stand alone among
// a requirement's identities. A name needs C, ST (or S) and O, each attribute
// once, and none that subjects are not printed with. It has at most 2048 bytes.
// The error is a [*verify.Error].
func ParseIdentity(s string) (Identity, error) {
	id, next, err := parseIdentity(s)
	if err != nil {
		return Identity{}, &verify.Error{Op: "read identity " + quoted(s), Hint: next, Err: err}
	}
	return id, nil
}

func parseIdentity(s string) (id Identity, next string, err error) {
	const example = "write it as x509.subject: C=US, ST=WA, O=Acme, CN=release"
	if strings.TrimSpace(s) == anybody {
		return Identity{text: anybody, any: true}, "", nil
	}
	dn := s
	if prefix, rest, found := strings.Cut(s, ":"); found && !strings.Contains(prefix, "=") {
		if strings.TrimSpace(prefix) != subjectPrefix {
			return Identity{}, example, fmt.Errorf("it begins with %s: identities are subjects of certificates; others need a verification plugin, and none is run", quoted(prefix))
		}
		dn = rest
	}
	name, next, err := distinguishedName(dn)
	if err != nil {
		return Identity{}, next, err
	}
	id = Identity{text: subjectPrefix + ": " + strings.TrimSpace(dn), name: name}
	if key := id.unseen(); key != "" {
		return Identity{}, "leave it out, or write one of " + strings.Join(printed(), ", "), fmt.Errorf("no certificate is found by its %s: Notation compares other attributes only", quoted(key))
	}
	return id, "", nil
}

// unseen returns an attribute of id that no certificate is found by, "" where
// there is none.
func (id Identity) unseen() string {
	for _, key := range slices.Sorted(maps.Keys(id.name)) {
		if !slices.Contains(printed(), key) {
			return key
		}
	}
	return ""
}

// printed are the attributes that crypto/x509/pkix prints by their names. A
// subject with any other is printed with "=#", which Notation refuses.
func printed() []string {
	return []string{"C", "ST", "L", "O", "OU", "CN", "STREET", "POSTALCODE", "SERIALNUMBER"}
}

// documentIdentity reads an identity of a trust policy that notation-go has found
// sound. One of a kind that only plugins know matches nobody.
func documentIdentity(s string) (Identity, error) {
	if s == anybody {
		return Identity{text: s, any: true}, nil
	}
	prefix, dn, found := strings.Cut(s, ":")
	switch {
	case !found || strings.Contains(prefix, "="):
		return Identity{}, fmt.Errorf("it does not begin with %s:, so that it names nobody", subjectPrefix)
	case prefix != subjectPrefix:
		return Identity{text: s}, nil
	}
	name, _, err := distinguishedName(dn)
	return Identity{text: s, name: name}, err
}

// distinguishedName reads a name (RFC 4514) as notation-go does: by go-ldap, with
// the attributes C, ST or S, and O, and each once. It refuses more: what is empty,
// which would be equal to what is missing, and what nobody sees.
func distinguishedName(s string) (name map[string]string, next string, err error) {
	const example = "write it as C=US, ST=WA, O=Acme, CN=release"
	switch {
	case len(s) > maxIdentity:
		return nil, example, fmt.Errorf("it is longer than %d bytes", maxIdentity)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return nil, example, errors.New("it has characters that nobody sees")
	case strings.Contains(s, "=#"):
		return nil, "write the value as text", errors.New(`it has a value in hexadecimal ("=#"), which Notation does not compare`)
	}
	dn, err := ldap.ParseDN(s)
	if err != nil {
		return nil, example, err
	}
	name = map[string]string{}
	for _, rdn := range dn.RDNs {
		if len(rdn.Attributes) > 1 {
			return nil, `write a comma between attributes, and \+ where the sign is part of a value`, errors.New(`it has attributes joined by "+", which Notation does not compare`)
		}
		for _, a := range rdn.Attributes {
			key := a.Type
			if key == "S" {
				key = "ST"
			}
			switch _, twice := name[key]; {
			case twice:
				return nil, "leave one of them out", fmt.Errorf("%s stands twice", quoted(key))
			case a.Value == "":
				return nil, "write its value, or leave it out", fmt.Errorf("%s is empty", quoted(key))
			}
			name[key] = a.Value
		}
	}
	for _, key := range []string{"C", "ST", "O"} {
		if name[key] == "" {
			return nil, "add C, ST and O, as the certificate has them", fmt.Errorf("it has no %s: Notation needs country, state and organisation", key)
		}
	}
	return name, "", nil
}

// String returns the identity as a trust policy has it: "x509.subject: …" or "*".
func (id Identity) String() string { return id.text }

// Any reports whether id is "*".
func (id Identity) Any() bool { return id.any }

// Match reports whether cert, a signing certificate, is id's. Whether anybody
// trusted issued it is another question.
func (id Identity) Match(cert *x509.Certificate) bool { return id.matches(cert.Subject.String()) }

// matches reports whether a certificate with this subject, as
// [x509.Certificate].Subject.String prints it, is id's.
func (id Identity) matches(subject string) bool {
	if id.any || id.name == nil {
		return id.any
	}
	name, _, err := distinguishedName(subject)
	return err == nil && id.within(name)
}

// within reports whether name has every attribute of id.
func (id Identity) within(name map[string]string) bool {
	for key, value := range id.name {
		if name[key] != value {
			return false
		}
	}
	return true
}

// checkIdentities returns what keeps identities from standing together, and which
// of them: "*" beside others, one within another, or too many. It is what
// notation-go refuses, too.
func checkIdentities(ids []Identity) (which int, next string, err error) {
	if len(ids) > maxIdentities {
		return maxIdentities, "write fewer, or split the rule", fmt.Errorf("there are more than %d identities", maxIdentities)
	}
	for i, id := range ids {
		if id.any && len(ids) > 1 {
			return i, "leave it out, or all the others", errors.New(`"*" accepts everybody, so that the other identities mean nothing`)
		}
		for _, other := range ids[:i] {
			switch wider, narrower := other, id; {
			case id.name == nil || other.name == nil:
				continue
			case maps.Equal(id.name, other.name):
				return i, "leave one of them out", errors.New("the same identity stands twice")
			case id.within(other.name):
				wider, narrower = id, other
				fallthrough
			case other.within(id.name):
				return i, "leave the narrower one out, or write more into the wider one", fmt.Errorf("%s accepts everybody whom %s accepts", quoted(wider.text), quoted(narrower.text))
			}
		}
	}
	return 0, "", nil
}
