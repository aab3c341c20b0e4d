package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/internal/yamlshape"
)

// A Publisher is whoever publishes images of which is known how they are
// signed, or that they are not.
type Publisher struct {
	Name       string
	About      string // one sentence
	Source     string // the address that says so
	Dated      string // when Source said so: a month or a day, such as 2026-08
	Checked    time.Time
	Confidence string // "high"; others are not listed
	Formats    string // in what form the signatures are, and were
	Wide       string // why more is accepted than one would like; "" where it is not
	Parameters []Parameter
	Rules      []PublisherRule
}

// A Parameter is what a policy has to say of a publisher that is somebody
// else's for each of its customers.
type Parameter struct {
	Name, About, Example string
	Many                 bool // whether a list of values may be given
}

// A PublisherRule is what is asked of some images, in words.
type PublisherRule struct {
	Images []string
	// Systems are the keys of what is required, such as "sigstore".
	Systems []string
	// Signers are who may sign; any of them will do. They may have the
	// {parameters} of the Publisher.
	Signers []Signer
	// Certificates are those that a signer's certificate, or that of a time
	// stamp authority, has to lead to.
	Certificates []Certificate
	// Terms are what else is asked, such as "type: slsaprovenance1".
	Terms []string
	// Unsigned says why nothing is asked but a digest; "" where something is.
	Unsigned string
}

// A Signer is an identity or a key. One of Subject and Key is set. Issuer is who
// vouches for Subject: an OIDC issuer, or the names of Certificates.
type Signer struct {
	Issuer, Subject string

	Key         string // its name
	SHA256      string // hex, of the DER SubjectPublicKeyInfo
	PEM         string
	From, Until time.Time // the days between which it signs; zero for no bound
	Sources     []string  // where its text was found
}

// A Certificate is one that a rule trusts.
type Certificate struct {
	Store   string // the key of the requirement that it stands under: "certificates" or "tsa"
	Name    string // its common name
	SHA256  string // hex, of its DER
	PEM     string
	Sources []string // what confirms its fingerprint
}

// An Omitted publisher is known and not built in.
type Omitted struct {
	Who    string
	Images []string
	Why    string
	// Signs is how: "key", "certificate", "nothing" or "unknown".
	Signs string
}

// Publishers returns the built-in publishers in the order of the catalogue.
func Publishers() ([]Publisher, error) {
	c, err := builtin()
	if err != nil {
		return nil, err
	}
	var all []Publisher
	for _, t := range c.text.Publishers {
		p := Publisher{
			Name: t.Name.Value, About: t.About.Value, Source: t.Source.Value, Dated: t.Dated.Value, Checked: t.Checked.Time,
			Confidence: t.Confidence.Value, Formats: t.Formats.Value,
		}
		if t.Wide != nil {
			p.Wide = t.Wide.Value
		}
		for _, x := range t.Parameters {
			p.Parameters = append(p.Parameters, Parameter{Name: x.Name.Value, About: x.About.Value, Example: x.Example.Value, Many: x.Many})
		}
		for _, raw := range t.Rules {
			r, faults := describe(raw, t)
			if len(faults) > 0 {
				return nil, fmt.Errorf("built-in publisher %s: %w", p.Name, faultsError(faults))
			}
			p.Rules = append(p.Rules, r)
		}
		all = append(all, p)
	}
	return all, nil
}

// NotShipped returns publishers that are known and not built in, and why.
func NotShipped() ([]Omitted, error) {
	c, err := builtin()
	if err != nil {
		return nil, err
	}
	var all []Omitted
	for _, t := range c.text.NotShipped {
		all = append(all, t.omitted())
	}
	return all, nil
}

func values(list []yamlshape.Text) []string {
	var all []string
	for _, t := range list {
		all = append(all, t.Value)
	}
	return all
}

// The requirements that the catalogue has, to be told in words. What a rule
// asks for is read by the Forms of its Systems; a key that they know and this
// does not is a fault, so that nothing is left untold.
type (
	askedText struct {
		Type                *yamlshape.Text           `yaml:"type"`
		Identities          []identityText            `yaml:"identities"`
		Keys                []publicKeyText           `yaml:"keys"`
		Claims              map[string]yamlshape.Text `yaml:"claims"`
		IgnoreTlog          bool                      `yaml:"ignore-tlog"`
		SignatureOn         *yamlshape.Text           `yaml:"signature-on"`
		SignatureRepository *yamlshape.Text           `yaml:"signature-repository"`
	}
	identityText struct {
		Issuer  yamlshape.Text `yaml:"issuer,required"`
		Subject yamlshape.Text `yaml:"subject,required"`
	}
	publicKeyText struct {
		Name   yamlshape.Text  `yaml:"name,required"`
		SHA256 yamlshape.Text  `yaml:"sha256,required"`
		PEM    yamlshape.Text  `yaml:"pem,required"`
		From   *yamlshape.Date `yaml:"from"`
		Until  *yamlshape.Date `yaml:"until"`
	}
	// askedNotationText is what is asked under "notation".
	askedNotationText struct {
		Certificates []yamlshape.Text `yaml:"certificates,required"`
		TSA          []yamlshape.Text `yaml:"tsa"`
		Identities   []yamlshape.Text `yaml:"identities,required"`
	}
)

// describe tells a rule in words.
func describe(raw yamlshape.Raw, p publisherText) (PublisherRule, []*yamlshape.Fault) {
	var text ruleText
	faults := raw.Decode(&text)
	r := PublisherRule{Images: values(text.Images)}
	if text.AllowUnsigned != nil {
		r.Unsigned = text.AllowUnsigned.Reason.Value
	}
	for _, item := range text.Require {
		pairs, wrong := item.Pairs()
		faults = append(faults, wrong...)
		for _, pair := range pairs {
			r.Systems = append(r.Systems, pair.Key.Value)
			if pair.Key.Value == "notation" {
				var asked askedNotationText
				faults = append(faults, pair.Value.Decode(&asked)...)
				faults = append(faults, r.notation(asked, p.Certs)...)
				continue
			}
			var asked askedText
			faults = append(faults, pair.Value.Decode(&asked)...)
			r.Signers = append(r.Signers, asked.signers(p.Keys)...)
			r.Terms = append(r.Terms, asked.terms()...)
		}
	}
	return r, faults
}

// notation adds what is asked under "notation".
func (r *PublisherRule) notation(a askedNotationText, sources []certSourcesText) []*yamlshape.Fault {
	var faults []*yamlshape.Fault
	var roots []string
	for _, s := range []struct {
		store string
		texts []yamlshape.Text
	}{{"certificates", a.Certificates}, {"tsa", a.TSA}} {
		for _, t := range s.texts {
			block, rest := pem.Decode([]byte(t.Value))
			if block == nil || strings.TrimSpace(string(rest)) != "" {
				faults = append(faults, yamlshape.Faultf(t.At, "", "%s: not one certificate in PEM", s.store))
				continue
			}
			sum := sha256.Sum256(block.Bytes)
			i := slices.IndexFunc(sources, func(c certSourcesText) bool { return c.SHA256.Value == hex.EncodeToString(sum[:]) })
			if i < 0 {
				faults = append(faults, yamlshape.Faultf(t.At, "", "%s: nothing confirms the certificate %x", s.store, sum))
				continue
			}
			c := Certificate{Store: s.store, Name: sources[i].Name.Value, SHA256: sources[i].SHA256.Value, PEM: t.Value, Sources: values(sources[i].Sources)}
			if r.Certificates = append(r.Certificates, c); s.store == "certificates" {
				roots = append(roots, c.Name)
			}
		}
	}
	for _, id := range a.Identities {
		r.Signers = append(r.Signers, Signer{Subject: id.Value, Issuer: strings.Join(roots, ", ")})
	}
	return faults
}

func (a askedText) signers(sources []keySourcesText) []Signer {
	var all []Signer
	for _, id := range a.Identities {
		all = append(all, Signer{Issuer: id.Issuer.Value, Subject: id.Subject.Value})
	}
	for _, k := range a.Keys {
		s := Signer{Key: k.Name.Value, SHA256: k.SHA256.Value, PEM: k.PEM.Value}
		if k.From != nil {
			s.From = k.From.Time
		}
		if k.Until != nil {
			s.Until = k.Until.Time
		}
		for _, from := range sources {
			if from.Name.Value == s.Key {
				s.Sources = values(from.Sources)
			}
		}
		all = append(all, s)
	}
	return all
}

func (a askedText) terms() []string {
	var all []string
	add := func(key, value string) { all = append(all, key+": "+value) }
	if a.Type != nil {
		add("type", a.Type.Value)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Claims)) {
		add(name, a.Claims[name].Value)
	}
	if a.SignatureOn != nil {
		add("signature-on", a.SignatureOn.Value)
	}
	if a.SignatureRepository != nil {
		add("signature-repository", a.SignatureRepository.Value)
	}
	if a.IgnoreTlog {
		add("ignore-tlog", "true")
	}
	return all
}
