package report

import (
	"strings"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/verify"
)

// An offer is what a policy would have to say for a signature to be accepted.
type offer struct {
	list string // that gets an item more, as in verify.Acceptance; "rules" for a rule of its own
	item string // that item, or the claims
	text string // the same as it is to be pasted
	in   string // where to, in words

	unwise, later string // "" for nothing
}

// offered returns what a says where f's rule is at hand: an item of one of its
// lists only where the rule is for f's repository alone. Anywhere else it would
// let the signer sign for others, too, and so it is a rule of its own, which is
// more specific.
func offered(a verify.Acceptance, v verify.Verdict, f gate.Finding) offer {
	if a.Alone == "" || f.Use.Ref.IsZero() || f.Rule.Origin == "policy" && !globbed(f.Rule.Name) {
		return added(a, v, f.Rule)
	}
	// A name has no characters that mean anything between double quotes.
	item := `{images: ["` + f.Use.Ref.Name() + `"], require: [` + a.Alone + "]}"
	o := offer{list: "rules", item: item, text: "- " + item, in: "rules of a policy, as a rule of its own", later: a.Later}
	if f.Rule.Origin == "policy" && f.Rule.At.File != "" {
		o.in = "rules of " + f.Rule.At.File + ", as a rule of its own"
	}
	less := ""
	if len(f.Verdicts) > 1 || a.OfRule != v.Requirement() {
		less = "more than this is required now: write the rest into the new rule, too"
	}
	o.unwise = join(a.Unwise, a.AsRule, less)
	return o
}

// acceptable returns what c's Acceptance comes to; ok is false where there is
// nothing to accept: v passed, or the signature counts for another part of it
// already, which whoever needs two signers must not give to one.
func acceptable(c verify.Candidate, v verify.Verdict, f gate.Finding, counts counted) (o offer, ok bool) {
	if c.Accept == nil || v.Passed() || counts[signatureOf(c)] {
		return offer{}, false
	}
	return offered(*c.Accept, v, f), true
}

// counted has the signatures that a part of a verdict accepts.
type counted map[signature]bool

type signature struct{ source, signer, issuer, predicateType string }

func signatureOf(c verify.Candidate) signature {
	return signature{c.Source, c.Signer, c.Issuer, c.PredicateType}
}

func countedIn(all []verify.Candidate) counted {
	counts := counted{}
	for _, c := range all {
		if c.Reason == verify.Verified {
			counts[signatureOf(c)] = true
		}
	}
	return counts
}

// added is the offer of an item in a list of the rule that there is.
func added(a verify.Acceptance, v verify.Verdict, rule gate.Rule) offer {
	o := offer{list: a.List, item: a.Line, text: "- " + a.Line, later: a.Later}
	rulePlace := "a rule for the image"
	if place := policyPlace(rule); place != "" {
		rulePlace = "the rule at " + place
	}
	there := a.At.File != "" && !a.NewList
	switch {
	case a.List == "claims": // which is no list
		o.text, o.in = "claims: "+a.Line, "the requirement of "+rulePlace
		if there {
			o.in = "the place of claims at " + at(a.At)
		}
	case there:
		o.in = a.List + ", beside what is at " + at(a.At)
	case a.List == "keys" || a.List == "identities":
		o.text, o.in = a.List+": ["+a.Line+"]", "the requirement of "+rulePlace
		if a.At.File != "" {
			o.in = "the requirement at " + at(a.At)
		}
	default:
		o.in = a.List + " of " + rulePlace
	}
	others := ""
	if globbed(rule.Name) || rule.Others > 0 {
		others = "the rule is for other images, too: for this one alone, take it out there, and write a rule of its own"
	}
	group := ""
	if a.OfRule != "" && a.OfRule != v.Requirement() {
		group = "this is one requirement of several, and the others may still refuse it"
	}
	o.unwise = join(a.Unwise, a.InRule, group, others)
	return o
}

// globbed reports whether a pattern is for more than one repository.
func globbed(pattern string) bool {
	name, _, _ := strings.Cut(pattern, "@")
	if slash := strings.LastIndexByte(name, '/'); strings.LastIndexByte(name, ':') > slash {
		name = name[:strings.LastIndexByte(name, ':')]
	}
	return strings.Contains(name, "*")
}

func join(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, "; ")
}

// short is o's text if it has no more than that many bytes. Half of it would be
// something else.
func (o offer) short(most int) string {
	if len(o.text) > most-10 {
		return "what is too long to be shown here; the JSON report has it"
	}
	return o.text
}
