package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/verify"
)

// fixes has an entry for each image that failed.
func (s summary) fixes() *part {
	var items []string
	failed := 0
	for _, f := range s.findings {
		if f.Passed() {
			continue
		}
		if failed++; failed <= maxFixes {
			items = append(items, fix(f))
		}
	}
	return &part{items: items, shut: "\n", rest: func(shown int) string {
		return s.see(s.missing(shown, failed, "failure"))
	}}
}

func fix(f gate.Finding) string {
	text := "- **Fix** " + code(reference(f), maxImage) + ": " + word(f.Reason()) + "\n"
	failed := slices.DeleteFunc(slices.Clone(f.Verdicts), verify.Verdict.Passed)
	for _, v := range first(failed, maxChecks) {
		text += explain(v, f)
	}
	switch {
	case len(failed) == 0:
		text += "  - because no check of this image ran to its end\n"
	case len(failed) > maxChecks:
		text += fmt.Sprintf("  - … and %s failed\n", count(len(failed)-maxChecks, "more check"))
	}
	return text + chosen(f.Rule)
}

// chosen says which rule was chosen, and what else it has to say.
func chosen(r gate.Rule) string {
	text := ""
	if line := ruleLine(r); line != "" {
		text += "  - rule " + code(line, 2*maxText) + "\n"
	}
	for _, note := range first(r.Notes, maxRuleNotes) {
		text += "  - note " + code(note, maxText) + "\n"
	}
	if more := len(r.Notes) - maxRuleNotes; more > 0 {
		text += fmt.Sprintf("  - … and %s\n", count(more, "more note"))
	}
	return text
}

// explain says why v failed, what was expected, what was found and what to do.
func explain(v verify.Verdict, f gate.Finding) string {
	text := ""
	line := func(word, value string) {
		if value != "" {
			text += "  - " + word + " " + code(value, maxText) + "\n"
		}
	}
	line("**next**", next(v, f.Rule)) // what to do comes first, for those who read no further
	line("because", cause(v))
	line("expected", v.Requirement())
	all, marked := v.Candidates(), nearest(v)
	shown := 0
	for i, c := range all {
		if i >= maxFound && i != marked {
			continue
		}
		shown++
		line("found", strings.ReplaceAll(candidateLine(c, len(all) > 1, i == marked || repeated(all, i, cause(v))), "\n", "; "))
		if i == marked {
			text += difference(*c.Differs)
			if o, ok := acceptable(c, v, f, countedIn(all)); ok {
				text += "  - to accept it, in " + code(o.in, maxText) + ":\n    - " + code(o.short(maxPasted), maxPasted) + "\n"
				line("**unwise**:", o.unwise)
				line("later:", o.later)
			}
		}
	}
	if more := len(all) - shown; more > 0 {
		text += fmt.Sprintf("  - … and %s\n", count(more, "more signature"))
	}
	return text
}

// difference shows two values with what differs between ⟦ and ⟧, which are in
// neither: all else is ASCII.
func difference(d verify.Difference) string {
	found, expected := contrasts(d)
	mark := func(c contrast) string { return code(c.before+"⟦"+c.differs+"⟧"+c.after, maxText) }
	return "  - differs in " + code(d.What, maxText) + ": is " + mark(found) + ", wanted " + mark(expected) + "\n"
}

// said is what err says, in one line where it is several causes joined.
func said(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
