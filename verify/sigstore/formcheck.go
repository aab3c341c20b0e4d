package sigstore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/spelling"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/condition"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// A checker collects faults.
type checker struct {
	terms
	faults []*yamlshape.Fault
}

func (c *checker) fault(at image.Position, next, format string, args ...any) {
	c.checked = false
	c.faults = append(c.faults, yamlshape.Faultf(at, next, format, args...))
}

func (f *common) check() *checker {
	c := &checker{terms: terms{checked: !f.Wrong}}
	if len(f.Identities) == 0 && len(f.Keys) == 0 && !f.Wrong {
		c.fault(f.At, "add identities or keys, such as identities: [{issuer: …, subject: …}]", "nothing says who must have signed, so nothing could pass")
	}
	if len(f.Identities) > maxEntries || len(f.Keys) > maxEntries {
		c.fault(f.At, "write fewer, or split the rule", "there are more than %d identities or keys", maxEntries)
		return c
	}
	c.checkClaims(f)
	c.checkIdentities(f)
	c.checkKeys(f)
	c.checkAtLeast(f)
	if f.IgnoreLog.Value && len(f.Identities) > 0 {
		c.fault(f.IgnoreLog.At, "leave ignore-tlog out, or put the keys into a requirement of their own", "ignore-tlog: a certificate lives ten minutes and proves nothing without a log entry")
	}
	c.checkPlaces(f)
	return c
}

// checkAtLeast checks how many signers are wanted.
func (c *checker) checkAtLeast(f *common) {
	n := len(f.Identities) + len(f.Keys)
	switch {
	case f.AtLeast == nil:
	case f.AtLeast.Value < 1:
		c.fault(f.AtLeast.At, "write 1 or more, or leave it out", "at-least is %d, and nobody would have to sign", f.AtLeast.Value)
	case f.Wrong: // there may be more of them
	case f.AtLeast.Value > n:
		there, next := fmt.Sprintf("there are only %d identities and keys", n), fmt.Sprintf("write at most %d, or add those that are missing: each counts for one signer", n)
		if n == 1 {
			there, next = "there is only 1 identity or key", "leave at-least out, or add those that are missing: each counts for one signer"
		}
		c.fault(f.AtLeast.At, next, "at-least is %d, but %s", f.AtLeast.Value, there)
	}
}

// checkPlaces checks what says where signatures and trust come from.
func (c *checker) checkPlaces(f *common) {
	if t := f.On; t != nil && t.Value != verify.SignedImage && t.Value != verify.SignedAttestation {
		c.fault(t.At, "write image or attestation-manifest", "signature-on: %q is neither", hostile.Clip(t.Value))
	}
	if t := f.Repository; t != nil {
		var err error
		if c.repository, err = image.ParseRepository(t.Value); err != nil {
			c.fault(t.At, "write it as registry/repository, without a tag", "signature-repository: %w", err)
		}
	}
	if t := f.Instance; t != nil && t.Value != "public-good" && t.Value != "github" && t.Value != "staging" {
		c.fault(t.At, "write public-good, github or staging; a private instance is given by trusted-root", "instance: unknown instance %q", hostile.Clip(t.Value))
	}
	if t := f.TrustedRoot; t != nil && strings.Contains(t.Value, "://") {
		c.fault(t.At, "download it once, and keep it with the policy", "trusted-root: %q is an address: whoever answers there would decide whom to trust", hostile.Clip(t.Value))
	}
}

// checkClaims reads the claims that are for every identity.
func (c *checker) checkClaims(f *common) {
	c.claims = c.readClaims(f.Claims, nil)
	if len(f.Claims) > 0 && len(f.Identities) == 0 && !f.Wrong {
		c.fault(firstAt(f.Claims), "add identities, or leave claims out", "claims narrow identities, and there is none: keys have no claims")
	}
}

func (c *checker) checkIdentities(f *common) {
	seen := map[string]bool{}
	for _, id := range f.Identities {
		before := len(c.faults)
		issuer := c.matcher(id.At, "issuer", "https://token.actions.githubusercontent.com", id.Issuer, id.IssuerRegexp)
		subject := c.matcher(id.At, "subject", "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v*", id.Subject, id.SubjectRegexp)
		claims := c.readClaims(id.Claims, c.claims)
		if len(c.faults) > before {
			continue
		}
		identity, err := NewIdentity(subject, issuer, claims)
		if err != nil {
			c.fault(id.At, "", "%w", err)
			continue
		}
		if key := fmt.Sprintf("%v %v %q", subject.kind(), issuer.kind(), identity); seen[key] {
			c.fault(id.At, "leave one of them out", "the same identity stands twice")
		} else {
			seen[key] = true
		}
		c.identities = append(c.identities, identity)
	}
}

// kind tells apart matchers of the same text.
func (m Matcher) kind() string {
	switch {
	case m.exact:
		return "exact"
	case m.glob:
		return "glob"
	}
	return "regexp"
}

// matcher reads the one of two texts that is given.
func (c *checker) matcher(at image.Position, name, example string, plain, expr *yamlshape.Text) Matcher {
	switch {
	case plain != nil && expr != nil:
		c.fault(expr.At, "leave one of them out", "there are both %s and %s-regexp", name, name)
	case plain != nil:
		m, err := Pattern(plain.Value)
		if err != nil {
			c.fault(plain.At, "write the whole value, such as "+example, "%s: %w", name, err)
		}
		return m
	case expr != nil:
		m, err := Regexp(expr.Value)
		if err != nil {
			c.fault(expr.At, "write an RE2 expression for the whole value (it is anchored for you)", "%s-regexp: %w", name, err)
		}
		return m
	case name == "issuer":
		c.fault(at, "add issuer, such as "+example, "the identity has no issuer: anybody who runs one could claim this name")
	default:
		c.fault(at, "add "+name+", such as "+example, "the identity has no %s: an issuer alone would accept all its users", name)
	}
	return Matcher{}
}

// readClaims reads claims. Those of outer count too, so that another value for
// one of them could never be met.
func (c *checker) readClaims(texts map[string]yamlshape.Text, outer map[string]string) map[string]string {
	claims := map[string]string{}
	for _, written := range slices.Sorted(maps.Keys(texts)) {
		value := texts[written]
		name, ok := claimName(written)
		switch have, twice := claims[name]; {
		case !ok:
			next := "write one of the names that docs/identities.md lists"
			if near := spelling.Nearest(written, ClaimNames()); near != "" {
				next = "write " + near
			}
			c.fault(value.At, next, "claims: there is no claim %q", hostile.Clip(written))
			continue
		case twice && have != value.Value:
			c.fault(value.At, "leave one of them out", "claims: %s stands twice, under two names", name)
		case outer[name] != "" && outer[name] != value.Value:
			c.fault(value.At, "leave one of them out", "claims: %s is %q here and %q for all identities; both would have to be true", name, hostile.Clip(value.Value), hostile.Clip(outer[name]))
		case value.Value == "":
			c.fault(value.At, "write the value, or leave the claim out", "claims: %s is empty", name)
		case len(value.Value) > maxPattern:
			c.fault(value.At, "write the whole value", "claims: %s is longer than %d bytes", name, maxPattern)
		}
		claims[name] = value.Value
	}
	if len(claims) == 0 {
		return nil
	}
	return claims
}

func firstAt(texts map[string]yamlshape.Text) image.Position {
	var at image.Position
	for _, t := range texts {
		if at.Line == 0 || t.At.Line < at.Line || t.At.Line == at.Line && t.At.Col < at.Col {
			at = t.At
		}
	}
	return at
}

func (c *checker) checkKeys(f *common) {
	seen := map[string]bool{}
	for _, k := range f.Keys {
		c.keys = append(c.keys, Key{})
		before := len(c.faults)
		c.checkKeyTexts(k)
		switch {
		case len(c.faults) > before:
			continue
		case k.File != nil && k.PEM != nil:
			c.fault(k.PEM.At, "leave one of them out", "there are both file and pem")
			continue
		case k.File != nil:
			c.checkKeyFile(*k.File)
			if seen["file "+k.File.Value] {
				c.addFault(k.twice())
			}
			seen["file "+k.File.Value] = true
			continue
		case k.PEM == nil:
			c.fault(k.At, "add file: cosign.pub, or pem with the text of the public key", "there is no key")
			continue
		}
		key, err := k.parse([]byte(k.PEM.Value))
		if err != nil {
			c.addFault(err)
			continue
		}
		if seen[key.fingerprint] {
			c.addFault(k.twice())
		}
		seen[key.fingerprint] = true
		c.keys[len(c.keys)-1] = key
	}
}

func (c *checker) addFault(f *yamlshape.Fault) {
	c.checked = false
	c.faults = append(c.faults, f)
}

func (c *checker) checkKeyTexts(k keyText) {
	if t := k.SHA256; t != nil {
		if sum, err := hex.DecodeString(t.Value); err != nil || len(sum) != 32 || strings.ToLower(t.Value) != t.Value {
			c.fault(t.At, "write the 64 lower-case hex digits that this prints: openssl pkey -pubin -in KEY -outform DER | sha256sum", "sha256: %q is no such sum", hostile.Clip(t.Value))
		}
	}
	if k.From != nil && k.Until != nil && k.From.Time.After(k.Until.Time) {
		c.fault(k.From.At, "write the earlier day as from", "from is after until, so that no signature could count")
	}
}

// checkKeyFile refuses what is no file: keys are not fetched.
func (c *checker) checkKeyFile(t yamlshape.Text) {
	scheme, _, address := strings.Cut(t.Value, "://")
	switch {
	case strings.HasPrefix(t.Value, "-----BEGIN "):
		c.fault(t.At, "write it as pem: instead of file:", "file: this is a key, not the name of a file")
	case address && (scheme == "https" || scheme == "http"):
		c.fault(t.At, "download the key once, see that it is the right one, and keep it with the policy", "file: a key is not fetched: whoever answers there could exchange it")
	case address:
		c.fault(t.At, "export the public key, as in: cosign public-key --key "+hostile.Clip(t.Value)+" > cosign.pub", "file: key services and addresses are not asked")
	}
}

func (k keyText) twice() *yamlshape.Fault {
	return yamlshape.Faultf(k.At, "leave one of them out", "the same key stands twice")
}

// place is where the key's text comes from.
func (k keyText) place() image.Position {
	if k.File != nil {
		return k.File.At
	}
	return k.PEM.At
}

// read returns the key of a file.
func (k keyText) read(env Env) (Key, error) {
	body, err := env.ReadKey(*k.File)
	if err != nil {
		next := verify.Hint(err)
		if next == "" {
			next = "give the public key, as cosign.pub has it, in a file beside the policy"
		}
		return Key{}, yamlshape.Faultf(k.File.At, next, "key: %w", err)
	}
	key, fault := k.parse(body)
	if fault != nil {
		return Key{}, fault
	}
	return key, nil
}

// parse returns the key of a PEM text.
func (k keyText) parse(body []byte) (Key, *yamlshape.Fault) {
	name := text(k.Name)
	if name == "" {
		name = text(k.File)
	}
	if name == "" {
		name = "of the policy"
	}
	key, err := ParseKey(hostile.Clip(name), body)
	if err != nil {
		return Key{}, yamlshape.Faultf(k.place(), "", "key: %w", err)
	}
	if t := k.SHA256; t != nil && t.Value != key.fingerprint {
		return Key{}, yamlshape.Faultf(t.At, "find out which of the two is right before you change either", "the key has the SHA-256 %s, not %s", key.fingerprint, hostile.Clip(t.Value))
	}
	var from, until time.Time
	if k.From != nil {
		from = k.From.Time
	}
	if k.Until != nil {
		until = k.Until.Time.AddDate(0, 0, 1) // the day itself counts
	}
	key.title = hostile.Clip(text(k.Name))
	return key.Within(from, until), nil
}

// condition compiles where. Its place is exact where the expression is on one
// line and has no escapes.
func (c *checker) condition(t yamlshape.Text) {
	var err error
	if c.where, err = condition.Compile(t.Value); err == nil {
		return
	}
	at, next := t.At, condition.Next(err)
	if next == "" {
		next = "write a CEL expression that is true or false, such as predicate.buildDefinition.buildType == \"…\""
	}
	if e := (*condition.Error)(nil); errors.As(err, &e) && e.Line == 1 && !strings.Contains(t.Value, "\n") {
		at.Col += len(string([]rune(t.Value)[:min(e.Col-1, len([]rune(t.Value)))])) // columns of files count bytes
		err = e.Err
	}
	c.fault(at, next, "where: %w", err)
}
