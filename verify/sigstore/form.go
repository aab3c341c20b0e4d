package sigstore

import (
	"errors"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/condition"
)

// A SignatureForm is a requirement "sigstore" of a policy file: a signature. It
// is filled by package yamlshape, checked once, and then makes Configs.
type SignatureForm struct{ common }

// An AttestationForm is a requirement "attestation" of a policy file. It is used
// as a [SignatureForm] is.
type AttestationForm struct {
	Type  yamlshape.Text  `yaml:"type,required" example:"slsaprovenance1" doc:"The predicate type: slsaprovenance1, slsaprovenance, spdx, cyclonedx, vuln, openvex, link, custom, or a URI."`
	Where *yamlshape.Text `yaml:"where" doc:"A CEL expression that must be true. It may use predicate, signer, issuer, claims and image (name, tag, digest)."`
	common
}

// common is what both forms have.
type common struct {
	At          image.Position
	Wrong       bool
	Identities  []identityText            `yaml:"identities" max:"256" example:"{issuer: \"…\", subject: \"…\"}" doc:"Whose certificates count, any of them."`
	Keys        []keyText                 `yaml:"keys" max:"256" example:"{file: cosign.pub}" doc:"Whose public keys count, any of them."`
	Claims      map[string]yamlshape.Text `yaml:"claims" doc:"Certificate extensions that every identity must have, compared exactly; docs/identities.md lists their names."`
	AtLeast     *yamlshape.Int            `yaml:"at-least" min:"1" doc:"How many different signers are needed, each for an identity or key of its own. The default is 1."`
	IgnoreLog   yamlshape.Flag            `yaml:"ignore-tlog" doc:"Accepts a key's signature without a transparency log entry. For keys alone."`
	On          *yamlshape.Text           `yaml:"signature-on" enum:"image,attestation-manifest" doc:"What has to be signed. The default is image; attestation-manifest is BuildKit's of each platform."`
	Repository  *yamlshape.Text           `yaml:"signature-repository" doc:"The repository that holds the signatures, if not the image's own."`
	Instance    *yamlshape.Text           `yaml:"instance" enum:"public-good,github,staging" doc:"The Sigstore instance; github is GitHub's own, for private repositories. The default is that of the command line."`
	TrustedRoot *yamlshape.Text           `yaml:"trusted-root" doc:"A trusted_root.json file, relative to this one, to use instead of asking the instance."`

	made terms
}

type (
	identityText struct {
		At            image.Position
		Issuer        *yamlshape.Text           `yaml:"issuer" doc:"Who vouches for the subject: exactly this, or with * for anything but / and ** for anything."`
		IssuerRegexp  *yamlshape.Text           `yaml:"issuer-regexp" doc:"An RE2 expression for the whole issuer, instead of issuer."`
		Subject       *yamlshape.Text           `yaml:"subject" doc:"Whom the certificate names: exactly this, or with * for anything but / and ** for anything."`
		SubjectRegexp *yamlshape.Text           `yaml:"subject-regexp" doc:"An RE2 expression for the whole subject, instead of subject."`
		Claims        map[string]yamlshape.Text `yaml:"claims" doc:"Certificate extensions that this identity must have, compared exactly."`
	}
	keyText struct {
		At     image.Position
		File   *yamlshape.Text `yaml:"file" doc:"A PEM file, relative to this one."`
		PEM    *yamlshape.Text `yaml:"pem" doc:"The PEM text of the public key, instead of a file."`
		Name   *yamlshape.Text `yaml:"name" doc:"What reports call it."`
		SHA256 *yamlshape.Text `yaml:"sha256" doc:"Hex SHA-256 of the key (its DER SubjectPublicKeyInfo), which must fit."`
		From   *yamlshape.Date `yaml:"from" doc:"The first day on which signatures count (UTC)."`
		Until  *yamlshape.Date `yaml:"until" doc:"The last day on which signatures count (UTC)."`
	}
)

// RefineSchema says that an identity has an issuer and a subject.
func (identityText) RefineSchema(schema map[string]any) {
	either := func(a, b string) map[string]any {
		return map[string]any{"oneOf": []any{map[string]any{"required": []any{a}}, map[string]any{"required": []any{b}}}}
	}
	schema["allOf"] = []any{either("issuer", "issuer-regexp"), either("subject", "subject-regexp")}
	refineClaims(schema)
}

// RefineSchema says that a key comes from one place.
func (keyText) RefineSchema(schema map[string]any) {
	schema["oneOf"] = []any{map[string]any{"required": []any{"file"}}, map[string]any{"required": []any{"pem"}}}
}

// refineClaims says which claims there are.
func refineClaims(schema map[string]any) {
	properties, _ := schema["properties"].(map[string]any)
	claims, _ := properties["claims"].(map[string]any)
	var names []any
	for _, name := range append(ClaimNames(), claimAliases()...) {
		names = append(names, name)
	}
	claims["propertyNames"] = map[string]any{"enum": names}
}

// RefineSchema says what common says of both forms.
func (common) RefineSchema(schema map[string]any) {
	refineClaims(schema)
	schema["anyOf"] = []any{map[string]any{"required": []any{"identities"}}, map[string]any{"required": []any{"keys"}}}
}

// maxEntries bounds the identities, and the keys, of one requirement.
const maxEntries = 256

// terms are what Check makes of a form.
type terms struct {
	checked    bool // without a fault
	identities []Identity
	keys       []Key // the zero Key where a file is to be read
	claims     map[string]string
	repository image.Ref
	predicate  string
	where      *condition.Condition
}

// An Env is what forms need from outside of their file.
type Env struct {
	// Trust returns the trust root of an instance ("public-good", "github",
	// "staging"; "" is the run's own choice), or of a file that stands in for what
	// the instance says ("" for none). File has the place in the policy file that
	// it is relative to. The same arguments should give the same *Trust, so that
	// it is fetched once.
	Trust func(instance string, file yamlshape.Text) (*Trust, error)
	// ReadKey returns the content of a key file, whose name is relative to the
	// policy file at its place. It bounds what it reads.
	ReadKey func(file yamlshape.Text) ([]byte, error)
	Now     time.Time // of the run
}

// Check returns what is wrong with the form beyond its shape.
func (f *SignatureForm) Check() []*yamlshape.Fault {
	c := f.check()
	f.made = c.terms
	return c.faults
}

// Check returns what is wrong with the form beyond its shape.
func (f *AttestationForm) Check() []*yamlshape.Fault {
	c := f.check()
	var err error
	if c.predicate, err = PredicateType(f.Type.Value); err != nil && (f.Type.Value != "" || !f.Wrong) { // else that is told of
		c.fault(f.Type.At, "write one of those names, or the predicate type's URI", "type: %w", err)
	}
	if f.Where != nil {
		c.condition(*f.Where)
	}
	f.made = c.terms
	return c.faults
}

// text is the value of an optional text, "" where there is none.
func text(t *yamlshape.Text) string {
	if t == nil {
		return ""
	}
	return t.Value
}

// Config returns the requirement that a checked form makes; its Platforms are
// for the caller to fill. The error is a [*yamlshape.Fault].
func (f *common) Config(env Env) (Config, error) {
	made := f.made
	if !made.checked {
		return Config{}, yamlshape.Faultf(f.At, "", "the requirement was not checked, or is not sound")
	}
	c := Config{
		Identities: made.identities, Claims: made.claims, Predicate: made.predicate, Where: made.where,
		On: text(f.On), IgnoreLog: f.IgnoreLog.Value, Repository: made.repository, Now: env.Now, written: f.written(),
	}
	if f.AtLeast != nil {
		c.AtLeast = f.AtLeast.Value
	}
	seen := map[string]bool{}
	for i, k := range f.Keys {
		key := made.keys[i]
		if k.File != nil {
			var err error
			if key, err = k.read(env); err != nil {
				return Config{}, err
			}
		}
		if seen[key.fingerprint] {
			return Config{}, k.twice()
		}
		seen[key.fingerprint] = true
		c.Keys = append(c.Keys, key)
	}
	if len(c.Identities) == 0 && c.IgnoreLog {
		return c, nil // no trust root is needed
	}
	file := yamlshape.Text{}
	if f.TrustedRoot != nil {
		file = *f.TrustedRoot
	}
	var err error
	if c.Trust, err = env.Trust(text(f.Instance), file); err == nil && c.Trust == nil {
		err = errors.New("there is none")
	}
	if err != nil {
		at := f.At
		for _, t := range []*yamlshape.Text{f.TrustedRoot, f.Instance} {
			if t != nil {
				at = t.At
				break
			}
		}
		return Config{}, yamlshape.Faultf(at, verify.Hint(err), "trust root: %w", err)
	}
	return c, nil
}

// A written is what a form says of itself, for whoever is to change it.
type written struct {
	itself                   image.Position
	identities, keys, claims image.Position // of the first of each; zero where there is none
	instance, root           string
	words                    string // of the whole requirement; "" where nobody asks
}

func (f *common) written() written {
	w := written{itself: f.At, claims: firstAt(f.Claims), instance: text(f.Instance), root: text(f.TrustedRoot)}
	if len(f.Identities) > 0 {
		w.identities = f.Identities[0].At
	}
	if len(f.Keys) > 0 {
		w.keys = f.Keys[0].At
	}
	return w
}

// at is the place of the first item of a list; where there is none, that of the
// requirement.
func (w written) at(list string) (at image.Position, none bool) {
	at = w.identities
	if list == "keys" {
		at = w.keys
	}
	if at.File == "" {
		return w.itself, true
	}
	return at, false
}
