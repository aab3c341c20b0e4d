package scanreport

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// severity returns the worst that is said of the finding: in words, or as a CVSS
// score. Where nothing rates it, its level does.
func (s *sarifFinding) severity(f *Finding) (Severity, error) {
	worst, rated := Unknown, false
	rate := func(sev Severity) {
		worst, rated = max(worst, sev), true
	}
	for _, bag := range []sarifBag{s.result.Properties, s.rule.Properties} {
		score, ok, err := scoreOf(bag.Score)
		switch {
		case err != nil:
			return Unknown, malformed("%s: %w", quoted(f.ID), err)
		case ok:
			rate(score)
		}
		// Docker Scout writes UNSPECIFIED of what nobody has rated.
		if bag.Word != "" && !strings.EqualFold(bag.Word, "unspecified") {
			word, err := ParseSeverity(bag.Word)
			if err != nil {
				return Unknown, malformed("%s: %w", quoted(f.ID), err)
			}
			rate(word)
		}
		err = bag.Tags.each("tags of "+quoted(f.ID), maxFindings, func(_ int, tag string) error {
			if word, err := ParseSeverity(tag); err == nil && word != Unknown {
				rate(word)
			}
			return nil
		})
		if err != nil {
			return Unknown, err
		}
	}
	for _, word := range s.words() {
		sev, err := ParseSeverity(word)
		if err != nil {
			return Unknown, malformed("%s: %w", quoted(f.ID), err)
		}
		rate(sev)
	}
	if rated {
		return worst, nil
	}
	return s.level(f)
}

// words returns the words for its severity in Trivy's and Grype's messages. All
// of those of one message count.
func (s *sarifFinding) words() []string {
	var all []string
	switch s.tool {
	case trivyTool:
		for line := range strings.SplitSeq(s.result.Message.Text, "\n") {
			if word, ok := strings.CutPrefix(line, "Severity: "); ok {
				all = append(all, strings.TrimSpace(word))
			}
		}
	case grypeTool:
		if m := grypeMessage().FindStringSubmatch(s.result.Message.Text); m != nil {
			all = append(all, m[1])
		}
	}
	return all
}

// scoreOf reads a CVSS score, 0 to 10, as GitHub does: a number in a text. It is
// no rating where there is none, or it is 0, as Trivy and Grype write of what
// nobody has rated.
func scoreOf(raw json.RawMessage) (Severity, bool, error) {
	text := strings.Trim(string(raw), `"`)
	if len(raw) == 0 || text == "null" || text == "" {
		return Unknown, false, nil
	}
	score, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || !(score >= 0 && score <= 10):
		return Unknown, false, fmt.Errorf("security-severity is %s, and must be a number from 0 to 10", quoted(text))
	case score == 0:
		return Unknown, false, nil
	case score >= 9:
		return Critical, true, nil
	case score >= 7:
		return High, true, nil
	case score >= 4:
		return Medium, true, nil
	}
	return Low, true, nil
}

// level returns what the level of a result may stand for, at worst: error is
// what Trivy and others write of both high and critical findings.
func (s *sarifFinding) level(f *Finding) (Severity, error) {
	level := s.result.Level
	if level == "" {
		level = s.rule.Configuration.Level
	}
	switch level {
	case "error":
		return Critical, nil
	case "warning", "": // the default: sarif-v2.1.0, 3.27.10
		return Medium, nil
	case "note":
		return Low, nil
	case "none":
		return Unknown, nil
	}
	return Unknown, malformed("%s: the level %s is not known", quoted(f.ID), quoted(level))
}
