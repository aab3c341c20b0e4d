package report

import (
	"io"
	"strings"

	"github.com/boltseal/boltseal/gate"
)

// A qualityDoc is one item of GitLab's code quality report,
// https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format.
type qualityDoc struct {
	Description string          `json:"description"`
	CheckName   string          `json:"check_name"`
	Fingerprint string          `json:"fingerprint"`
	Severity    string          `json:"severity"`
	Location    qualityLocation `json:"location"`
}

type qualityLocation struct {
	Path  string       `json:"path"`
	Lines qualityLines `json:"lines"`
}

type qualityLines struct {
	Begin int `json:"begin"`
}

// CodeQuality writes r as GitLab's code quality report: an item for each place
// that uses an image that failed or is exempt, at most 5,000 and failures first.
// A run that did not pass is never empty.
func CodeQuality(w io.Writer, r gate.Report, run Run) error {
	docs := []qualityDoc{}
	rules, seen := lints(), prints{}
	if text := untold(r); text != "" {
		docs = append(docs, qualityDoc{
			Description: limited(text, maxResultText), CheckName: "undecided", Fingerprint: seen.of("undecided", "", gate.Finding{}), Severity: "minor",
			Location: qualityLocation{run.givenIn(), qualityLines{1}},
		})
	}
	for _, f := range failuresFirst(r) {
		text := headline(f)
		if e, exempt := f.Exemption(); exempt {
			text += ": " + exemptLine(f, e)
		} else {
			text += ": " + strings.Join(explanation(f, maxResultText-maxImage-30), "; ")
		}
		l := rules[lintOf(rules, f.Reason())]
		for _, s := range run.spotsOf(f) {
			if len(docs) == maxResults {
				break
			}
			docs = append(docs, qualityDoc{
				Description: text, CheckName: reason(l.reason), Fingerprint: seen.of(reason(l.reason), s.file, f), Severity: l.grade,
				Location: qualityLocation{s.file, qualityLines{s.line}},
			})
		}
	}
	return Value(w, docs)
}
