package notation

import (
	"maps"
	"slices"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify/internal/certfile"
)

// A Form is a requirement "notation" of a policy file. It is filled by package
// yamlshape, checked once, and then makes Configs.
type Form struct {
	At               image.Position
	Wrong            bool
	Certificates     []yamlshape.Text          `yaml:"certificates" max:"64" example:"acme-ca.crt" doc:"Whose signatures count: PEM or DER files, relative to this one, or PEM texts, of authorities or self-signed certificates. Notation calls this a trust store of the type ca."`
	SigningAuthority []yamlshape.Text          `yaml:"signing-authority" max:"64" example:"authority.crt" doc:"The same for signing authorities, services that vouch for the time of signing themselves (the scheme notary.x509.signingAuthority)."`
	TSA              []yamlshape.Text          `yaml:"tsa" max:"64" example:"tsa-root.crt" doc:"Root certificates of the time stamp authorities whose countersignatures count."`
	Identities       []yamlshape.Text          `yaml:"identities,required" max:"256" example:"\"x509.subject: C=US, ST=WA, O=Acme, CN=release\"" doc:"Who may sign, any of them: attributes of the signing certificate's subject, of which C, ST and O are needed; or * alone for whoever the certificates vouch for."`
	Timestamp        *yamlshape.Text           `yaml:"timestamp" enum:"always,after-expiry" doc:"When a countersignature of tsa is needed. The default is always where there is a tsa; after-expiry asks for it once a certificate has expired."`
	Revocation       *yamlshape.Text           `yaml:"revocation" enum:"strict,soft,skip" doc:"What becomes of a signature when nobody says whether its certificate was revoked: strict (the default) refuses it, soft accepts it, skip does not ask."`
	Metadata         map[string]yamlshape.Text `yaml:"metadata" doc:"User metadata that the signature must have, compared exactly."`
	MaxSignatures    *yamlshape.Int            `yaml:"max-signatures" min:"1" max:"256" doc:"How many signatures of an image are looked at. The default is 100."`
	Repository       *yamlshape.Text           `yaml:"signature-repository" doc:"The repository that holds the signatures, if not the image's own."`

	made terms
}

// RefineSchema says that there is somebody to trust.
func (Form) RefineSchema(schema map[string]any) {
	schema["anyOf"] = []any{map[string]any{"required": []any{"certificates"}}, map[string]any{"required": []any{"signing-authority"}}}
}

// terms are what Check makes of a Form.
type terms struct {
	checked    bool // without a fault
	identities []Identity
	inline     certfile.Inline
	repository image.Ref
}

// An Env is what Forms need from outside of their file.
type Env struct {
	// ReadFile returns the content of a file of certificates, whose name is
	// relative to the policy file at its place. It bounds what it reads.
	ReadFile func(file yamlshape.Text) ([]byte, error)
}

func (f *Form) lists() []certfile.List {
	return []certfile.List{f.certificates(), f.signingAuthority(), f.tsa()}
}

func (f *Form) certificates() certfile.List {
	return certfile.List{Key: "certificates", Texts: f.Certificates, Parse: ParseCertificates}
}

func (f *Form) signingAuthority() certfile.List {
	return certfile.List{Key: "signing-authority", Texts: f.SigningAuthority, Parse: ParseCertificates}
}

func (f *Form) tsa() certfile.List {
	return certfile.List{Key: "tsa", Texts: f.TSA, Parse: ParseTSACertificates}
}

// A checker collects faults.
type checker struct {
	terms
	faults []*yamlshape.Fault
}

func (c *checker) fault(at image.Position, next, format string, args ...any) {
	c.add(yamlshape.Faultf(at, next, format, args...))
}

func (c *checker) add(faults ...*yamlshape.Fault) {
	c.checked = c.checked && len(faults) == 0
	c.faults = append(c.faults, faults...)
}

// Check returns what is wrong with the Form beyond its shape.
func (f *Form) Check() []*yamlshape.Fault {
	c := &checker{terms: terms{checked: !f.Wrong, inline: certfile.Inline{}}}
	if len(f.Certificates) == 0 && len(f.SigningAuthority) == 0 && !f.Wrong {
		c.fault(f.At, "add certificates: [acme-ca.crt], those of whom you trust", "there are no certificates, so that nothing could pass")
	}
	for _, l := range f.lists() {
		c.add(l.Check(c.inline)...)
	}
	c.checkIdentities(f.Identities)
	if t := f.Timestamp; t != nil && len(f.TSA) == 0 && t.Value == string(Always) && !f.Wrong {
		c.fault(t.At, "add tsa: [tsa-root.crt], or leave timestamp out", "timestamp: no countersignature could count, since no time stamp authority is trusted")
	}
	for _, key := range slices.Sorted(maps.Keys(f.Metadata)) {
		if t := f.Metadata[key]; len(key) > maxMetadata || len(t.Value) > maxMetadata {
			c.fault(t.At, "write the whole value", "metadata: %s is longer than %d bytes", quoted(key), maxMetadata)
		}
	}
	if t := f.Repository; t != nil {
		var err error
		if c.repository, err = image.ParseRepository(t.Value); err != nil {
			c.fault(t.At, "write it as registry/repository, without a tag", "signature-repository: %w", err)
		}
	}
	f.made = c.terms
	return c.faults
}

// maxMetadata bounds a key, and a value, of user metadata, in bytes.
const maxMetadata = 4096

func (c *checker) checkIdentities(texts []yamlshape.Text) {
	before := len(c.faults)
	if len(texts) > maxIdentities {
		c.fault(texts[maxIdentities].At, "write fewer, or split the rule", "there are more than %d identities", maxIdentities)
		return
	}
	for _, t := range texts {
		id, next, err := parseIdentity(t.Value)
		if err != nil {
			c.fault(t.At, next, "identity %s: %w", quoted(t.Value), err)
		}
		c.identities = append(c.identities, id)
	}
	if len(c.faults) > before {
		return
	}
	if which, next, err := checkIdentities(c.identities); err != nil {
		c.fault(texts[which].At, next, "identity %s: %w", quoted(texts[which].Value), err)
	}
}

// Config returns the requirement that a checked Form makes; its Platforms are for
// the caller to fill. The error is a [*yamlshape.Fault].
func (f *Form) Config(env Env) (Config, error) {
	if !f.made.checked {
		return Config{}, yamlshape.Faultf(f.At, "", "the requirement was not checked, or is not sound")
	}
	c := Config{Identities: f.made.identities, Repository: f.made.repository, Timestamp: Always, Revocation: Strict, written: written{itself: f.At, identities: f.Identities[0].At}}
	if f.Timestamp != nil {
		c.Timestamp = Timestamp(f.Timestamp.Value)
	}
	if f.Revocation != nil {
		c.Revocation = Revocation(f.Revocation.Value)
	}
	if f.MaxSignatures != nil {
		c.MaxSignatures = f.MaxSignatures.Value
	}
	for key, t := range f.Metadata {
		if c.Metadata == nil {
			c.Metadata = map[string]string{}
		}
		c.Metadata[key] = t.Value
	}
	var err error
	if c.Certificates, err = f.certificates().Certificates(f.made.inline, env.ReadFile); err != nil {
		return Config{}, err
	}
	if c.SigningAuthority, err = f.signingAuthority().Certificates(f.made.inline, env.ReadFile); err != nil {
		return Config{}, err
	}
	if c.TSA, err = f.tsa().Certificates(f.made.inline, env.ReadFile); err != nil {
		return Config{}, err
	}
	return c, nil
}
