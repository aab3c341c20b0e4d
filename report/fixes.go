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
		text += explain(v)
	}
	switch {
	case len(failed) == 0:
		text += "  - because no check of this image ran to its end\n"
	case len(failed) > maxChecks:
		text += fmt.Sprintf("  - … and %s failed\n", count(len(failed)-maxChecks, "more check"))
	}
	return text
}

// explain says why v failed, what was expected, what was found and what to do.
func explain(v verify.Verdict) string {
	text := ""
	line := func(word, value string) {
		if value != "" {
			text += "  - " + word + " " + code(value, maxText) + "\n"
		}
	}
	line("**next**", verify.Hint(v.Err())) // what to do comes first, for those who read no further
	line("because", said(v.Err()))
	line("expected", v.Requirement())
	all := v.Candidates()
	for _, c := range first(all, maxFound) {
		line("found", strings.ReplaceAll(candidateLine(c, len(all) > 1), "\n", "; "))
	}
	if len(all) > maxFound {
		text += fmt.Sprintf("  - … and %s\n", count(len(all)-maxFound, "more signature"))
	}
	return text
}

// said is what err says, in one line where it is several causes joined.
func said(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
