package notation

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	coresig "github.com/notaryproject/notation-core-go/signature"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify"
)

// A written is what a Form says of itself, for whoever is to change it.
type written struct {
	itself, identities image.Position // of the requirement, and of its first identity
}

const (
	// maxClaims bounds the user metadata that evidence repeats, in entries,
	maxClaims = 64
	// and maxClaim a name and a value of it, in bytes.
	maxClaim = 1 << 10
)

// claims returns what evidence says besides who signed: hex SHA-256 of the DER of
// the signing certificate ("certificate") and of the one that vouches for it
// ("root"), "scheme", "expiry", "revocation", and user metadata as
// "metadata.KEY".
func (f facts) claims() map[string]string {
	if len(f.chain) == 0 {
		return nil
	}
	out := map[string]string{"certificate": sum(f.chain[0]), "root": sum(f.root()), "scheme": string(f.scheme)}
	if !f.expiry.IsZero() {
		out["expiry"] = f.expiry.UTC().Format(time.RFC3339)
	}
	if f.revocation != "" {
		out["revocation"] = f.revocation
	}
	for i, key := range slices.Sorted(maps.Keys(f.metadata)) {
		value := f.metadata[key]
		if i == maxClaims {
			break
		}
		if len(key) <= maxClaim && len(value) <= maxClaim {
			out["metadata."+key] = value
		}
	}
	return out
}

// explain returns to with what was proven of the signature, and why it was
// refused: err is what prove said.
func (c Config) explain(to verify.Candidate, f facts, err error) verify.Candidate {
	to.Reason = verify.Verified
	r := (*refusal)(nil)
	if err != nil {
		to.Reason, to.Err = verify.BadSignature, err
		if errors.As(err, &r) {
			to.Reason, to.Differs = r.reason, r.differs
		}
	}
	switch to.Reason {
	case verify.Verified, verify.WrongSigner, verify.WrongType, verify.Expired, verify.Revoked, verify.Unavailable, verify.NoRule:
		to.Signer, to.Issuer = f.signer()
		to.Claims, to.SignedAt = f.claims(), f.signedAt
	}
	if to.Reason == verify.WrongSigner && c.Statement == "" {
		to.Accept = c.accept(f)
	}
	return to
}

// accept returns what would let the signer of f count: exactly this one, vouched
// for by whom it is now. It is nil where that cannot be written.
func (c Config) accept(f facts) *verify.Acceptance {
	if len(f.chain) == 0 {
		return nil
	}
	leaf := f.chain[0]
	text := subjectPrefix + ": " + leaf.Subject.String()
	a := &verify.Acceptance{}
	if len(c.Identities) > 0 {
		a.OfRule = c.String()
	}
	id, err := ParseIdentity(text)
	switch {
	case err == nil && id.matches(leaf.Subject.String()) && utf8.ValidString(text) && yamlshape.Seen(text):
		if id.name["CN"] == "" {
			a.Unwise = "its subject has no CN: every certificate of that organisation would count"
		}
	case leaf.Equal(f.root()): // nobody else is vouched for
		text = anybody
	default:
		return nil
	}
	line := yamlshape.Quote(text)
	a.Alone = c.alone(f, line)
	if f.anchor != nil {
		a.List, a.Line, a.At = "identities", line, c.written.identities
		if a.At.File == "" {
			a.At, a.NewList = c.written.itself, true
		}
		return a
	}
	a.List, a.Line = "require", a.Alone
	a.InRule = "put it in the place of the requirement that trusts other certificates"
	a.Unwise = join(a.Unwise, "nobody vouches for who holds this certificate: get it from its publisher, and see that it is the same")
	return a
}

// alone is the requirement that the signer of f and nobody else meets. All else
// is as c says.
func (c Config) alone(f facts, identity string) string {
	list := "certificates"
	if f.scheme == coresig.SigningSchemeX509SigningAuthority {
		list = "signing-authority"
	}
	certificate := func(der []byte) string {
		return yamlshape.Quote(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	}
	pairs := []string{list + ": [" + certificate(f.root().Raw) + "]", "identities: [" + identity + "]"}
	var authorities []string
	for _, cert := range c.TSA {
		authorities = append(authorities, certificate(cert.Raw))
	}
	if len(authorities) > 0 {
		pairs = append(pairs, "tsa: ["+strings.Join(authorities, ", ")+"]")
		if c.Timestamp == AfterExpiry {
			pairs = append(pairs, "timestamp: "+string(AfterExpiry))
		}
	}
	if c.Revocation == Soft || c.Revocation == Skip {
		pairs = append(pairs, "revocation: "+yamlshape.Quote(string(c.Revocation)))
	}
	var metadata []string
	for _, key := range slices.Sorted(maps.Keys(c.Metadata)) {
		metadata = append(metadata, yamlshape.Quote(key)+": "+yamlshape.Quote(c.Metadata[key]))
	}
	if len(metadata) > 0 {
		pairs = append(pairs, "metadata: {"+strings.Join(metadata, ", ")+"}")
	}
	if c.MaxSignatures > 0 {
		pairs = append(pairs, fmt.Sprintf("max-signatures: %d", c.MaxSignatures))
	}
	if !c.Repository.IsZero() {
		pairs = append(pairs, "signature-repository: "+yamlshape.Quote(c.Repository.Name()))
	}
	return "{notation: {" + strings.Join(pairs, ", ") + "}}"
}

// nearest returns the identity that has most in common with the subject of leaf,
// written in the order of that, and as the rest of a sentence where they differ.
func (c Config) nearest(leaf *x509.Certificate) (identity, apart string) {
	subject, _, err := distinguishedName(leaf.Subject.String())
	var fewest []string
	for i, id := range c.Identities {
		var differ []string
		for _, key := range slices.Sorted(maps.Keys(id.name)) {
			switch got, ok := subject[key]; {
			case !ok:
				differ = append(differ, fmt.Sprintf("it has no %s, and needs %s", key, quoted(id.name[key])))
			case got != id.name[key]:
				differ = append(differ, fmt.Sprintf("its %s is %s, not %s", key, quoted(got), quoted(id.name[key])))
			}
		}
		if i == 0 || len(differ) < len(fewest) {
			identity, fewest = id.ordered(), differ
		}
	}
	switch {
	case err != nil:
		return identity, fmt.Sprintf("; its subject cannot be compared: %v", err)
	case len(fewest) > 0:
		return identity, ": " + strings.Join(fewest, ", ")
	}
	return identity, ""
}

// ordered returns id with its attributes in the order in which the subjects of
// certificates are printed.
func (id Identity) ordered() string {
	if id.name == nil {
		return id.text
	}
	one := func(key string) []string {
		if id.name[key] == "" {
			return nil
		}
		return []string{id.name[key]}
	}
	name := pkix.Name{
		Country: one("C"), Organization: one("O"), OrganizationalUnit: one("OU"), Locality: one("L"), Province: one("ST"),
		StreetAddress: one("STREET"), PostalCode: one("POSTALCODE"), CommonName: id.name["CN"], SerialNumber: id.name["SERIALNUMBER"],
	}
	return subjectPrefix + ": " + name.String()
}

// words returns what err says of a server, without the address, which those around
// it have said.
func words(err error, server string) string {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err
	}
	text := err.Error()
	if i := strings.LastIndex(text, server); server != "" && i >= 0 {
		if rest := strings.TrimLeft(text[i+len(server):], `":, `); rest != "" {
			return rest
		}
	}
	return text
}

func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

// called returns how whoever wrote the requirement knows one of its keys. A trust
// policy says whom it trusts, and flags the rest.
func (c Config) called(key string) string {
	stated := map[string]string{
		"certificates": "a trust store ca", "signing-authority": "a trust store signingAuthority", "tsa": "a trust store tsa",
		"identities": "trustedIdentities",
	}
	flags := map[string]string{
		"certificates": "--notation-certificate", "tsa": "--notation-tsa-certificate", "identities": "--notation-identity",
		"metadata": "--notation-user-metadata", "max-signatures": "--notation-max-signatures",
	}
	switch {
	case c.Statement != "" && stated[key] != "":
		return stated[key] + " of " + c.statement()
	case (c.Flags || c.Statement != "") && flags[key] != "":
		return flags[key]
	}
	return key
}

// statement names the trust policy statement.
func (c Config) statement() string { return "the trust policy statement " + quoted(c.Statement) }

func (c Config) hintLevel() string {
	return "set the level of " + c.statement() + " to strict, which enforces what it says"
}

// hint is the next step where the signatures that were found do not do; err is
// what the closest of them was refused for.
func (c Config) hint(reason verify.Reason, err error) string {
	lacks := nothing
	if r := (*refusal)(nil); errors.As(err, &r) {
		lacks = r.lacks
	}
	switch reason {
	case verify.WrongSigner:
		return c.hintSigner(lacks)
	case verify.WrongType:
		return "have the image signed with this user metadata, or change " + c.called("metadata") + " to what was found"
	case verify.Expired:
		if lacks == aClock {
			return "add the root certificate of its time stamp authority to " + c.called("tsa") + " if you trust it, or have the image signed again"
		}
		if lacks == anEnd {
			return "have the image signed again: its signer let the signature expire, which no time stamp changes"
		}
		return "have the image signed again, with a time stamp if signatures are to outlive the certificate"
	case verify.Revoked:
		return "do not build from this image: have it built and signed again, with another key"
	case verify.Unavailable:
		if lacks == aPlace {
			return "delete the signatures of the image that nobody needs, the large ones first"
		}
		if c.Statement != "" {
			return "run it again; if it lasts, see that the server can be reached from here (proxy, firewall)"
		}
		return "run it again; if it lasts, see that the server can be reached from here (proxy, firewall), or accept images of which no server says anything: " + c.soft()
	case verify.NoRule:
		return c.hintLevel()
	case verify.Unsupported:
		if lacks == aPlugin {
			return "have the image signed in a way that needs no plugin to be verified: whatever the plugin checks is not checked here"
		}
		return "use a newer boltseal, or have the image signed in a format that it knows (https://github.com/boltseal/boltseal/blob/main/docs/formats.md)"
	case verify.Undecided:
		return ""
	}
	switch lacks {
	case aTimestamp:
		return "have the image signed with a time stamp (boltseal sign --timestamp-url), or ask for one only once the certificate has expired: " + c.afterExpiry()
	case aClock:
		return "add the root certificate of its time stamp authority to " + c.called("tsa") + " if you trust it; if not, have the image signed again"
	}
	return "do not build from this image; the signature was altered, or belongs to another image"
}

func (c Config) soft() string {
	if c.Flags {
		return "--notation-revocation soft"
	}
	return "revocation: soft"
}

func (c Config) afterExpiry() string {
	switch {
	case c.Statement != "":
		return "verifyTimestamp afterCertExpiry in " + c.statement()
	case c.Flags:
		return "--notation-timestamp after-expiry"
	}
	return "timestamp: after-expiry"
}

// hintSigner is the next step where somebody else has signed.
func (c Config) hintSigner(lacks lack) string {
	key := "identities"
	switch lacks {
	case aRoot:
		key = "certificates"
	case anAuthority:
		key = "signing-authority"
	}
	switch {
	case c.Statement != "":
		return "if this signer is the right one, add what was found to " + c.called(key) + "; if not, do not build from this image"
	case c.Flags:
		return "if this signer is the right one, change " + c.called(key) + " to what was found; if not, do not build from this image"
	}
	return "if this signer is the right one, accept it in the policy; if not, do not build from this image"
}
