package policy

import (
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

// Advice returns what to do about an image that no rule speaks of and whose
// publisher is known: list a built-in publisher, with what it needs to know, or
// what else there is where none is built in. It is "" where nothing is known,
// and for the zero Ref.
func Advice(r image.Ref) string {
	c, err := builtin()
	if err != nil || r.IsZero() {
		return "" // whoever asks for the publishers is told
	}
	if name := c.knows(r); name != "" {
		return "add the built-in rules for it: `publishers: [" + name + "]`"
	}
	for i := range c.text.Publishers {
		if p := &c.text.Publishers[i]; len(p.Parameters) > 0 {
			if values := p.valuesFor(r); values != nil {
				return p.adviceWith(values)
			}
		}
	}
	if o, ok := c.omitted(r); ok {
		return o.Who + ": " + o.Why + "; " + o.advice(r)
	}
	return ""
}

// KnownOmitted returns the publisher of r that is known and not built in; ok is
// false where there is none.
func KnownOmitted(r image.Ref) (o Omitted, ok bool) {
	c, err := builtin()
	if err != nil || r.IsZero() || c.knows(r) != "" {
		return Omitted{}, false
	}
	return c.omitted(r)
}

// omitted returns the first that speaks of r: of those for the same images the
// catalogue has the narrower before the wider.
func (c catalogue) omitted(r image.Ref) (Omitted, bool) {
	for _, t := range c.text.NotShipped {
		images, _ := ParsePatterns(t.Images)
		if _, ok := images.Match(r); ok {
			return t.omitted(), true
		}
	}
	return Omitted{}, false
}

func (t omittedText) omitted() Omitted {
	return Omitted{Who: t.Who.Value, Images: values(t.Images), Why: t.Why.Value, Signs: t.Signs.Value}
}

// advice says what a policy can say of r.
func (o Omitted) advice(r image.Ref) string {
	name := r.Name()
	switch o.Signs {
	case "key":
		return "get the key from two places that agree, and add a rule: `- {images: [" + name + "], require: [sigstore: {keys: [{file: KEY.pub}]}]}`"
	case "certificate":
		return "boltseal policy init finds out who signed it; compare that with what the publisher says"
	case "nothing":
		return "let it through by its digest, and say why: `- {images: [" + name + "], allow-unsigned: {reason: REASON}}`"
	}
	// What cannot be verified must not pass by a rule that looks as if it were.
	return "use another image, or let it through for a while by an exception: `- {images: [" + name + "], until: DATE, owner: NAME, reason: REASON}`"
}

// valuesFor returns the values of parameters with which a rule of p would speak
// of r: those that the name of r tells. It is nil where no rule could.
func (p *publisherText) valuesFor(r image.Ref) map[string]string {
	name := strings.Split(r.Name(), "/")
	for _, raw := range p.Rules {
		var rule ruleText
		raw.Decode(&rule) // its faults are found where it is used
		for _, t := range rule.Images {
			values, pattern := map[string]string{}, t
			for i, s := range strings.Split(t.Value, "/") {
				key := strings.Trim(s, "{}")
				want := p.parameter(key)
				if want == nil || s != "{"+key+"}" || i >= len(name) {
					continue
				}
				if len(want.check(given{name: t, values: []yamlshape.Text{{Value: name[i]}}})) > 0 {
					return nil
				}
				values[key] = name[i]
				pattern.Value = strings.ReplaceAll(pattern.Value, s, name[i])
			}
			images, faults := ParsePatterns([]yamlshape.Text{pattern})
			if _, ok := images.Match(r); ok && len(faults) == 0 {
				return values
			}
		}
	}
	return nil
}

// adviceWith says how p is listed with the values that are known.
func (p *publisherText) adviceWith(known map[string]string) string {
	var pairs, missing []string
	for _, x := range p.Parameters {
		value := strings.ToUpper(x.Name.Value)
		if v, ok := known[x.Name.Value]; ok {
			value = Quote(v)
		} else {
			missing = append(missing, value)
		}
		pairs = append(pairs, x.Name.Value+": "+value)
	}
	name := p.Name.Value
	with := ""
	if len(missing) > 0 {
		with = ", with your own " + strings.Join(missing, " and ")
	}
	return "if it is your organisation's, add the built-in rules for it" + with + ": `publishers: [{" + name + ": {" + strings.Join(pairs, ", ") + "}}]`; boltseal policy publishers " + name + " says more"
}
