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

// nearest returns the signature that came nearest to being accepted: of those
// whose difference is known, the first that only a condition refuses, else the
// first that was refused for v's own Reason. What counts for another part of v is
// none of them. It is -1 where there is none.
func nearest(v verify.Verdict) int {
	all := v.Candidates()
	counts := countedIn(all)
	differs := func(c verify.Candidate) bool { return c.Differs != nil && !counts[signatureOf(c)] }
	if i := slices.IndexFunc(all, func(c verify.Candidate) bool {
		return differs(c) && c.Reason == v.Reason() && c.Differs.What == "where"
	}); i >= 0 {
		return i
	}
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

// maxRepeated bounds what is said again of every signature, in bytes.
const maxRepeated = 120

// repeated reports whether why the candidate i was refused is long and has been
// said before: in why, the cause of the whole, or of a candidate before it.
func repeated(all []verify.Candidate, i int, why string) bool {
	if all[i].Err == nil {
		return false
	}
	text := said(all[i].Err)
	if len(text) <= maxRepeated {
		return false
	}
	return strings.Contains(why, text) || slices.ContainsFunc(all[:i], func(c verify.Candidate) bool {
		return c.Reason == all[i].Reason && c.Err != nil && said(c.Err) == text
	})
}

// next is what to do where v failed: what the policy would have done first, and
// what the check itself says.
func next(v verify.Verdict, rule gate.Rule) string {
	hint := verify.Hint(v.Err())
	if rule.Next == "" || v.Passed() {
		return hint
	}
	if hint == "" {
		return rule.Next
	}
	return rule.Next + "; or " + hint
}

// signerName is who signed: a key by what the policy calls it.
func signerName(name, keyName string) string {
	if sum, ok := strings.CutPrefix(name, "key "); ok && keyName != "" {
		return `key "` + strings.ReplaceAll(keyName, `"`, "'") + `" (` + sum + ")"
	}
	return name
}

// signType is the predicate type of what says no more than that it is a
// signature.
const signType = "https://sigstore.dev/cosign/sign/v1"

// exemptBy says which rule or exception lets f through, and where that is.
func exemptBy(f gate.Finding, e gate.Exemption) string {
	place := ""
	if e.At.File != "" {
		place = at(e.At)
	}
	if f.Rule.Name == "" {
		return place
	}
	r := f.Rule
	r.Why, r.At = "", e.At
	return ruleLine(r)
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
