package report

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/verify"
)

// maxRuleNotes is how many notes of a rule people are shown.
const maxRuleNotes = 5

// ruleLine says which rule was chosen, where it is and why it was chosen; "" if
// nobody says.
func ruleLine(r gate.Rule) string {
	if r.Name == "" && r.Origin == "" && r.Why == "" {
		return ""
	}
	text := r.Name
	if text == "" {
		text = "none"
	}
	var of []string
	for _, part := range []string{r.Origin, policyPlace(r)} {
		if part != "" {
			of = append(of, part)
		}
	}
	if len(of) > 0 {
		text += " (" + strings.Join(of, ", ") + ")"
	}
	if r.Why != "" {
		text += ": " + r.Why
	}
	return text
}

// policyPlace is where r is, "" where it is in no file.
func policyPlace(r gate.Rule) string {
	if r.At.File == "" {
		return ""
	}
	return at(r.At)
}

// nearest returns the signature that came nearest to being accepted: the first
// of those whose difference is known, if there is one that was refused for v's
// own Reason. It is -1 where none is.
func nearest(v verify.Verdict) int {
	differs := func(c verify.Candidate) bool { return c.Differs != nil }
	all := v.Candidates()
	if i := slices.IndexFunc(all, func(c verify.Candidate) bool { return differs(c) && c.Reason == v.Reason() }); i >= 0 {
		return i
	}
	return slices.IndexFunc(all, differs)
}

// cause is why v failed, "" where that says no more than that its nearest
// signature differs, which is shown in a better way.
func cause(v verify.Verdict) string {
	if i := nearest(v); i >= 0 {
		d, inner := v.Candidates()[i].Differs, v.Err()
		for e := (*verify.Error)(nil); errors.As(inner, &e); {
			inner = e.Err
		}
		if inner != nil && inner.Error() == fmt.Sprintf("%s is %q, expected %q", d.What, d.Found, d.Expected) {
			return ""
		}
	}
	return said(v.Err())
}

// acceptedIn says which part of a policy would have to say more for a signature
// to be accepted; rule is the one that did not accept it.
func acceptedIn(a verify.Acceptance, rule gate.Rule) string {
	if place := policyPlace(rule); place != "" {
		return a.List + " of the rule at " + place
	}
	return a.List + " of a rule for the image"
}

// accepted is what a policy would have to say there. Half of it would be
// something else.
func accepted(a verify.Acceptance, most int) string {
	switch {
	case len(a.Line) > most-10:
		return "what is too long to be shown here; the JSON report has it"
	case a.List == "claims": // which is no list
		return "claims: " + a.Line
	}
	return "- " + a.Line
}

// ref is the branch or tag that the certificate of c was issued for; "" where it
// is not known, or the signer's name has it.
func ref(c verify.Candidate) string {
	for _, claim := range []string{"source-repository-ref", "github-workflow-ref"} {
		if r := c.Claims[claim]; r != "" && !strings.HasSuffix(c.Signer, "@"+r) {
			return r
		}
	}
	return ""
}

// until says when an exemption ends.
func until(e gate.Exemption) string {
	end := e.Until.UTC()
	switch {
	case e.Unsigned:
		return "unsigned by its publisher"
	case end.Equal(end.Truncate(24 * time.Hour)):
		return "until the end of " + end.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	return "until " + end.Format(time.RFC3339)
}

// A tally counts what became of the images of a run.
type tally struct{ verified, exempt, failed int }

func talliedOf(r gate.Report) (t tally) {
	for _, f := range r.Findings() {
		_, exempt := f.Exemption()
		switch {
		case f.Verified():
			t.verified++
		case exempt:
			t.exempt++
		default:
			t.failed++
		}
	}
	return t
}

func (t tally) all() int { return t.verified + t.exempt + t.failed }

// passed says how many images passed, and never that one was verified which was
// not.
func (t tally) passed() string {
	switch {
	case t.exempt == 0:
		return count(t.verified, "image") + " verified"
	case t.verified == 0:
		return count(t.exempt, "image") + " exempt, none verified"
	}
	return fmt.Sprintf("%s verified, %d exempt", count(t.verified, "image"), t.exempt)
}

// passedOf says how many of all have passed so far.
func (t tally) passedOf() string {
	text := fmt.Sprintf("%d of %s verified", t.verified, count(t.all(), "image"))
	if t.exempt > 0 {
		text += fmt.Sprintf(", %d exempt", t.exempt)
	}
	return text
}
