package policy

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/spelling"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify"
)

// Known returns the name of the built-in publisher whose rules would speak of
// r without any parameter, or "".
func Known(r image.Ref) string {
	c, err := builtin()
	if err != nil {
		return "" // whoever asks for the publishers is told
	}
	return c.knows(r)
}

func (c catalogue) knows(r image.Ref) string {
	for _, k := range c.known {
		if _, ok := k.images.Match(r); ok {
			return k.publisher
		}
	}
	return ""
}

// BuiltIn returns the policy of all built-in publishers that have no parameters:
// what counts where nobody says whom to trust. The error is one of this program.
func BuiltIn(systems []System) (*Policy, error) {
	c, err := builtin()
	if err != nil {
		return nil, err
	}
	var all []listed
	for i := range c.text.Publishers {
		if p := &c.text.Publishers[i]; len(p.Parameters) == 0 {
			all = append(all, listed{publisher: p})
		}
	}
	return c.policy(all, systems)
}

// FromPublishers returns the policy of the publishers that the command line
// names, each as NAME, or as NAME:PARAMETER=VALUE,… with a parameter once for
// each of its values. The error says what is wrong; [verify.Hint] has what to
// write instead.
func FromPublishers(names []string, systems []System) (*Policy, error) {
	c, err := builtin()
	if err != nil {
		return nil, err
	}
	all, err := c.fromFlags(names)
	if err != nil {
		return nil, err
	}
	return c.policy(all, systems)
}

func (c catalogue) policy(all []listed, systems []System) (*Policy, error) {
	r := &reader{options: Options{Systems: systems}, policy: Policy{Unlisted: Advice}}
	r.add(c, all, origin{})
	if len(r.faults) == 0 {
		r.fault(r.policy.ties()...)
	}
	if len(r.faults) > 0 {
		return nil, placeless(r.faults[0])
	}
	return &r.policy, nil
}

// placeless returns what f says, for what stands in no file.
func placeless(f *yamlshape.Fault) error {
	if f.Next == "" {
		return f.Err
	}
	return fmt.Errorf("%w; %s", f.Err, f.Next)
}

// publishers adds the rules of the built-in publishers that a policy lists.
func (r *reader) publishers(raws []yamlshape.Raw, from origin) {
	c, err := builtin()
	if err != nil {
		if len(raws) > 0 {
			r.fault(&yamlshape.Fault{At: raws[0].At, Err: err})
		}
		return
	}
	r.policy.Unlisted = Advice
	all, faults := c.list(raws)
	r.fault(faults...)
	r.add(c, all, from)
}

// lastLayer is that of the publishers a policy itself lists. Those that it
// extends another by are behind it, so that both may list the same.
const lastLayer = 1 << 20

// add adds the rules of publishers that from lists. What is wrong with them is
// said of the place where they are listed: nobody can edit the catalogue.
func (r *reader) add(c catalogue, all []listed, from origin) {
	for _, l := range all {
		// The nearest policy that lists a publisher is read first. Another that
		// lists it in the same way means the same, and must not tie with it.
		if slices.ContainsFunc(r.listed, l.same) {
			continue
		}
		r.listed = append(r.listed, l)
		texts, faults := c.rules(l.publisher, l.values, l.at)
		before, rules := len(r.faults), len(r.policy.rules)
		r.fault(faults...)
		r.rules(texts, origin{name: "publisher " + l.publisher.Name.Value, layer: lastLayer + from.layer})
		for _, f := range r.faults[before:] {
			f.Err = fmt.Errorf("publisher %s: %w", l.publisher.Name, f.Err)
			f.At = l.at
		}
		for _, added := range r.policy.rules[rules:] {
			stand(added.require, l.at)
		}
	}
}

// stand says where requirements stand.
func stand(all []requirement, at image.Position) {
	for i := range all {
		all[i].at = at
		stand(all[i].anyOf, at)
		stand(all[i].allOf, at)
	}
}

// A listed publisher is one that a policy names, with sound values for all of
// its parameters.
type listed struct {
	publisher *publisherText
	values    map[string][]string
	at        image.Position
}

func (l listed) same(o listed) bool {
	return l.publisher == o.publisher && maps.EqualFunc(l.values, o.values, slices.Equal)
}

// A given parameter is a value as somebody wrote it.
type given struct {
	name   yamlshape.Text
	values []yamlshape.Text
}

// maxValues bounds the values of one parameter, maxValue the bytes of each.
const (
	maxValues = 8
	maxValue  = 256
)

// list reads the items of publishers:, each a name or a mapping of one name to
// its parameters.
func (c catalogue) list(raws []yamlshape.Raw) ([]listed, []*yamlshape.Fault) {
	var all []listed
	var faults []*yamlshape.Fault
	seen := map[string]image.Position{}
	for _, raw := range raws {
		name, params, wrong := named(raw)
		if len(wrong) == 0 {
			if before, twice := seen[name.Value]; twice {
				wrong = append(wrong, yamlshape.Faultf(name.At, "leave one of them out", "the publisher %s is listed before, in line %d", name.Value, before.Line))
			}
		}
		if len(wrong) > 0 {
			faults = append(faults, wrong...)
			continue
		}
		seen[name.Value] = name.At
		l, wrong := c.choose(name, params, (*publisherText).usage)
		if faults = append(faults, wrong...); len(wrong) == 0 {
			all = append(all, l)
		}
	}
	return all, faults
}

// named reads one item of publishers:.
func named(raw yamlshape.Raw) (name yamlshape.Text, params []given, faults []*yamlshape.Fault) {
	if raw.Kind() != yamlshape.Mapping {
		name, fault := raw.Text()
		if fault != nil {
			return name, nil, []*yamlshape.Fault{fault}
		}
		return name, nil, nil
	}
	pairs, faults := raw.Pairs()
	if len(faults) > 0 {
		return name, nil, faults
	}
	if len(pairs) != 1 {
		return name, nil, []*yamlshape.Fault{yamlshape.Faultf(raw.At, "write each publisher as an item of its own", "an item of publishers has %d keys, and must be one name with its parameters", len(pairs))}
	}
	name = pairs[0].Key
	inner, faults := pairs[0].Value.Pairs()
	if len(inner) == 0 && len(faults) == 0 {
		faults = append(faults, yamlshape.Faultf(pairs[0].Value.At, "write the name alone", "there are no parameters here"))
	}
	for _, p := range inner {
		g := given{name: p.Key}
		if p.Value.Kind() == yamlshape.List {
			faults = append(faults, p.Value.Decode(&g.values)...)
		} else if text, fault := p.Value.Text(); fault != nil {
			faults = append(faults, fault)
		} else {
			g.values = []yamlshape.Text{text}
		}
		params = append(params, g)
	}
	return name, params, faults
}

// choose finds a publisher and checks its parameters. Each fault stands at the
// value that is wrong, or at the name; usage says how the publisher is written
// where these stand.
func (c catalogue) choose(name yamlshape.Text, params []given, usage func(*publisherText) string) (listed, []*yamlshape.Fault) {
	p := c.find(name.Value)
	if p == nil {
		next := "boltseal policy publishers lists those there are"
		if near := spelling.Nearest(name.Value, c.names()); near != "" {
			next = "did you mean " + near + "?"
		}
		return listed{}, []*yamlshape.Fault{yamlshape.Faultf(name.At, next, "no publisher called %.60q is built in", name.Value)}
	}
	l := listed{publisher: p, values: map[string][]string{}, at: name.At}
	var faults []*yamlshape.Fault
	for _, g := range params {
		want := p.parameter(g.name.Value)
		switch {
		case want == nil:
			faults = append(faults, yamlshape.Faultf(g.name.At, usage(p), "the publisher %s has no parameter called %.60q", p.Name, g.name.Value))
			continue
		case l.values[want.Name.Value] != nil:
			faults = append(faults, yamlshape.Faultf(g.name.At, "leave one of them out", "the parameter %s is there twice", want.Name))
			continue
		}
		faults = append(faults, want.check(g)...)
		for _, v := range g.values {
			l.values[want.Name.Value] = append(l.values[want.Name.Value], v.Value)
		}
	}
	for _, want := range p.Parameters {
		if len(l.values[want.Name.Value]) == 0 {
			faults = append(faults, yamlshape.Faultf(name.At, usage(p), "the publisher %s needs the parameter %s: %s", p.Name, want.Name, want.About))
		}
	}
	return l, faults
}

func (p *publisherText) parameter(name string) *parameterText {
	i := slices.IndexFunc(p.Parameters, func(x parameterText) bool { return x.Name.Value == name })
	if i < 0 {
		return nil
	}
	return &p.Parameters[i]
}

// usage says how p is listed.
func (p *publisherText) usage() string {
	if len(p.Parameters) == 0 {
		return "write " + p.Name.Value + " alone"
	}
	var pairs []string
	for _, x := range p.Parameters {
		pairs = append(pairs, fmt.Sprintf("%s: %q", x.Name, x.Example.Value))
	}
	return "write {" + p.Name.Value + ": {" + strings.Join(pairs, ", ") + "}} with values of your own"
}

// flagUsage says how p is named on the command line.
func (p *publisherText) flagUsage() string {
	if len(p.Parameters) == 0 {
		return "write " + p.Name.Value + " alone"
	}
	var pairs []string
	for _, x := range p.Parameters {
		pairs = append(pairs, x.Name.Value+"="+x.Example.Value)
	}
	return "write " + p.Name.Value + ":" + strings.Join(pairs, ",") + " with values of your own"
}

// check returns what is wrong with a value. It has to fit the parameter's
// expression as a whole; none of them admits what patterns or identities have a
// meaning for.
func (p parameterText) check(g given) []*yamlshape.Fault {
	fits, err := regexp.Compile(`^(?:` + p.Pattern.Value + `)$`)
	if err != nil {
		return []*yamlshape.Fault{{At: g.name.At, Err: err}}
	}
	var faults []*yamlshape.Fault
	if most := p.most(); len(g.values) > most {
		faults = append(faults, yamlshape.Faultf(g.values[most].At, "", "the parameter %s has %d values, and may have %d", p.Name, len(g.values), most))
	}
	for i, v := range g.values {
		switch {
		case len(v.Value) > maxValue || !fits.MatchString(v.Value):
			faults = append(faults, yamlshape.Faultf(v.At, fmt.Sprintf("write something like %q", p.Example.Value), "the parameter %s cannot be %.60q", p.Name, v.Value))
		case slices.ContainsFunc(g.values[:i], func(w yamlshape.Text) bool { return w.Value == v.Value }):
			faults = append(faults, yamlshape.Faultf(v.At, "leave one of them out", "the parameter %s has the value %q twice", p.Name, v.Value))
		}
	}
	return faults
}

func (p parameterText) most() int {
	if p.Many {
		return maxValues
	}
	return 1
}

// parseFlag reads a publisher as the command line names it: NAME, or
// NAME:PARAMETER=VALUE,… with a parameter once for each of its values.
func parseFlag(text string) (name yamlshape.Text, params []given, fault *yamlshape.Fault) {
	before, rest, has := strings.Cut(text, ":")
	name = yamlshape.Text{Value: before}
	if first, _, several := strings.Cut(before, ","); several {
		return name, nil, yamlshape.Faultf(image.Position{}, fmt.Sprintf("give each on its own, beginning with %.60q", first), "%.60q is more than one name", before)
	}
	if !has {
		return name, nil, nil
	}
	for _, pair := range strings.Split(rest, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" || value == "" {
			return name, nil, yamlshape.Faultf(image.Position{}, fmt.Sprintf("write %.60s:PARAMETER=VALUE,PARAMETER=VALUE", before), "%.60q is no parameter and its value", pair)
		}
		i := slices.IndexFunc(params, func(g given) bool { return g.name.Value == key })
		if i < 0 {
			i = len(params)
			params = append(params, given{name: yamlshape.Text{Value: key}})
		}
		params[i].values = append(params[i].values, yamlshape.Text{Value: value})
	}
	return name, params, nil
}

// fromFlags returns the publishers that the command line names.
func (c catalogue) fromFlags(texts []string) ([]listed, error) {
	var all []listed
	for _, text := range texts {
		name, params, fault := parseFlag(text)
		if fault != nil {
			return nil, chooseError(fault)
		}
		l, faults := c.choose(name, params, (*publisherText).flagUsage)
		if len(faults) > 0 {
			return nil, chooseError(faults[0])
		}
		if slices.ContainsFunc(all, func(m listed) bool { return m.publisher == l.publisher }) {
			return nil, chooseError(yamlshape.Faultf(image.Position{}, "leave one of them out", "the publisher %s is given twice", l.publisher.Name))
		}
		all = append(all, l)
	}
	if len(all) == 0 {
		return nil, errors.New("no publisher is named")
	}
	return all, nil
}

// chooseError is what is wrong with a publisher that stands in no file.
func chooseError(f *yamlshape.Fault) error {
	return &verify.Error{Op: "choose publishers", Hint: f.Next, Err: f.Err}
}
