package policy

import (
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/spelling"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

const (
	// maxRequirements bounds what a rule asks for, groups included.
	maxRequirements = 100
	// maxNested bounds how deep any-of and all-of stand in each other.
	maxNested = 8
	// maxReadFaults bounds the faults of a policy, roughly: a hostile file has one for
	// each of its nodes.
	maxReadFaults = 1000
)

// The keys of a requirement that groups others.
const (
	anyOf = "any-of"
	allOf = "all-of"
)

// Options are what a policy needs besides its text. The zero Options know no
// way of signing, so that no rule can require anything.
type Options struct {
	Systems []System
}

// Read reads body, the text of the policy file called name. Without an error the
// Policy is sound; with one there is none, and the error is an [*Error].
//
// Whether an exception has ended is not looked at. A policy that extends others
// is an error: Load reads those, too.
func Read(name string, body []byte, o Options) (*Policy, error) {
	r := &reader{options: o, name: name}
	r.file(name, body, origin{name: "policy"})
	for _, x := range r.waiting {
		r.fault(yamlshape.Faultf(x.At, "", "what it extends cannot be read here"))
	}
	return r.finish()
}

// finish returns the policy, or what is wrong with it.
func (r *reader) finish() (*Policy, error) {
	if len(r.faults) == 0 {
		r.fault(r.policy.ties()...)
	}
	if len(r.faults) > 0 {
		yamlshape.Sort(r.faults)
		same := func(a, b *yamlshape.Fault) bool { return a.Error() == b.Error() } // through aliases
		return nil, &Error{slices.CompactFunc(r.faults, same)}
	}
	return &r.policy, nil
}

// A reader collects what one policy says, and what is wrong with it, from all
// the texts that belong to it. Its policy counts only where it has no faults.
type reader struct {
	options Options
	name    string // of the policy that is read
	policy  Policy
	faults  []*yamlshape.Fault
	listed  []listed // publishers, whoever lists them

	// Of extends.
	waiting []*extension
	reading *source // the file that is read; nil for the first
	begun   int     // how many rules there were before it
	guard   []rule  // of the nearest local file
}

// fault adds faults, unless there are plenty.
func (r *reader) fault(faults ...*yamlshape.Fault) {
	if len(r.faults) < maxReadFaults {
		r.faults = append(r.faults, faults...)
	}
}

// file reads a whole policy file.
func (r *reader) file(name string, body []byte, from origin) {
	var text documentText
	faults := yamlshape.Read(name, body, &text)
	r.fault(faults...)
	if len(faults) == 0 && len(text.Rules)+len(text.Publishers)+len(text.Extends) == 0 {
		r.fault(yamlshape.Faultf(text.At, "write rules, publishers or extends", "the policy is empty: no image can pass"))
	}
	r.rules(text.Rules, from)
	r.exceptions(text.Exceptions, from)
	r.publishers(text.Publishers, from)
	r.extend(text.Extends, from)
}

// rules reads rules of a policy file, or of a publisher.
func (r *reader) rules(texts []ruleText, from origin) {
	for _, t := range texts {
		if len(r.faults) >= maxReadFaults {
			return
		}
		images, faults := r.images(t.Images, t.Wrong)
		r.fault(faults...)
		switch {
		case len(t.Require) == 0 && t.AllowUnsigned == nil && !t.Wrong:
			r.fault(yamlshape.Faultf(t.At, "say what the images must have, or why they need nothing", "the rule has neither require nor allow-unsigned"))
		case len(t.Require) > 0 && t.AllowUnsigned != nil:
			r.fault(yamlshape.Faultf(t.AllowUnsigned.At, "keep one of them", "the rule has require, and allow-unsigned as well"))
		}
		count := 0
		r.policy.rules = append(r.policy.rules, rule{
			at: t.At, origin: from, images: images,
			require:  r.requirements(t.Require, 0, &count),
			unsigned: t.AllowUnsigned,
		})
	}
}

// images reads a list of patterns; some of a wrong one are missing.
func (r *reader) images(texts []yamlshape.Text, wrong bool) (Patterns, []*yamlshape.Fault) {
	if wrong {
		return parsePatterns(texts)
	}
	return ParsePatterns(texts)
}

func (r *reader) exceptions(texts []exceptionText, from origin) {
	for _, t := range texts {
		match, faults := r.images(t.Images, t.Wrong)
		r.fault(faults...)
		r.policy.exceptions = append(r.policy.exceptions, exception{exceptionText: t, origin: from, match: match})
	}
}

// requirements reads a list of requirements that stands in depth groups. Count
// counts those of the rule.
func (r *reader) requirements(raws []yamlshape.Raw, depth int, count *int) []requirement {
	var all []requirement
	for _, raw := range raws {
		if *count++; *count > maxRequirements {
			if *count == maxRequirements+1 {
				r.fault(yamlshape.Faultf(raw.At, "", "the rule has more than %d requirements", maxRequirements))
			}
			return all
		}
		all = append(all, r.requirement(raw, depth, count))
	}
	return all
}

// requirement reads an item of require, any-of or all-of. What it returns counts
// only where it adds no fault.
func (r *reader) requirement(raw yamlshape.Raw, depth int, count *int) requirement {
	q := requirement{at: raw.At}
	key, value, ok := r.onePair(raw)
	if !ok {
		return q
	}
	switch key.Value {
	case anyOf:
		q.anyOf = r.group(value, depth, count)
	case allOf:
		q.allOf = r.group(value, depth, count)
	default:
		i := slices.IndexFunc(r.options.Systems, func(s System) bool { return s.Name == key.Value })
		if i < 0 {
			r.unknownRequirement(key)
			return q
		}
		q.of, q.form = r.options.Systems[i], r.form(r.options.Systems[i], value)
	}
	return q
}

func (r *reader) group(raw yamlshape.Raw, depth int, count *int) []requirement {
	if depth == maxNested {
		r.fault(yamlshape.Faultf(raw.At, "", "any-of and all-of stand more than %d deep in each other", maxNested))
		return nil
	}
	items, faults := raw.Items()
	r.fault(faults...)
	return r.requirements(items, depth+1, count)
}

func (r *reader) form(s System, raw yamlshape.Raw) Form {
	form := s.New()
	faults := raw.Decode(form)
	if len(faults) == 0 || raw.Kind() == yamlshape.Mapping {
		faults = append(faults, form.Check()...)
	}
	for _, f := range faults {
		if f.At == (image.Position{}) {
			f.At = raw.At
		}
	}
	r.fault(faults...)
	return form
}

// onePair returns the only key of a mapping and its value.
func (r *reader) onePair(raw yamlshape.Raw) (yamlshape.Text, yamlshape.Raw, bool) {
	pairs, faults := raw.Pairs()
	switch {
	case len(faults) == 1 && raw.Kind() == yamlshape.Scalar:
		if text, fault := raw.Text(); fault == nil {
			faults[0].Next = r.nextForName(text.Value)
		}
	case len(faults) > 0:
	case len(pairs) == 0:
		faults = append(faults, yamlshape.Faultf(raw.At, "write one of "+strings.Join(r.requirementKeys(), ", "), "this requirement is empty"))
	case len(pairs) > 1:
		faults = append(faults, yamlshape.Faultf(pairs[1].Key.At, "write it as an item of its own, behind another dash", "this requirement has more than one key"))
	default:
		return pairs[0].Key, pairs[0].Value, true
	}
	r.fault(faults...)
	return yamlshape.Text{}, yamlshape.Raw{}, false
}

// nextForName says how a requirement is written whose name stands there alone.
func (r *reader) nextForName(name string) string {
	for _, s := range r.options.Systems {
		if s.Name == name {
			return "say more of it: " + name + ": " + yamlshape.Example(s.New())
		}
	}
	if name == anyOf || name == allOf {
		return "say of what: " + name + ": […]"
	}
	return "write one of " + strings.Join(r.requirementKeys(), ", ") + " with a colon and what it needs"
}

func (r *reader) unknownRequirement(key yamlshape.Text) {
	names := r.requirementKeys()
	next := "write one of " + strings.Join(names, ", ")
	if near := spelling.Nearest(key.Value, names); near != "" {
		next = "did you mean " + near + "?"
	}
	r.fault(yamlshape.Faultf(key.At, next, "there is no requirement %q", clipText(key.Value)))
}

func (r *reader) requirementKeys() []string {
	var names []string
	for _, s := range r.options.Systems {
		names = append(names, s.Name)
	}
	return append(names, anyOf, allOf)
}
