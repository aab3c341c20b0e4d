package scanreport

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// severity returns the worst that is said of the finding: in words, or as a CVSS
// score. Where nothing rates it, its level does.
//
// A rule is shared by the results of many packages, and may have been written for
// another one; its score may be of another opinion than its tool's, as Snyk's is. So
// an error is none of the lower ratings, unless the result itself has one.
func (s *sarifFinding) severity(f *Finding) (Severity, error) {
	own, ownRated, err := s.rating(f, s.result.Properties, s.words(s.result.Message.Text, true))
	if err != nil {
		return Unknown, err
	}
	if own == Unknown && s.tool != trivyTool { // UNKNOWN is no opinion that a level could not better
		ownRated = false
	}
	shared, sharedRated, err := s.rating(f, s.rule.Properties, s.words(s.rule.Help.Text, false))
	switch worst := max(own, shared); {
	case err != nil:
		return Unknown, err
	case sharedRated && !ownRated && worst < High && s.levelText() == levelError:
		return s.level(f)
	case ownRated || sharedRated:
		return worst, nil
	}
	return s.level(f)
}

// rating returns the worst that a rule or a result says of a finding in its
// properties, or in words, and whether it says anything.
func (s *sarifFinding) rating(f *Finding, bag sarifBag, words []string) (worst Severity, rated bool, err error) {
	rate := func(sev Severity) {
		worst, rated = max(worst, sev), true
	}
	score, ok, err := scoreOf(bag.Score)
	switch {
	case err != nil:
		return Unknown, false, malformed("%s: %w", quoted(f.ID), err)
	case ok:
		rate(score)
	}
	// Docker Scout writes UNSPECIFIED of what nobody has rated.
	if bag.Word != "" && !strings.EqualFold(bag.Word, "unspecified") {
		words = append(words, bag.Word)
	}
	for _, word := range words {
		sev, err := ParseSeverity(word)
		if err != nil {
			return Unknown, false, malformed("%s: %w", quoted(f.ID), err)
		}
		rate(sev)
	}
	if bag.said > Unknown {
		rate(bag.said)
	}
	err = bag.Tags.each("tags of "+quoted(f.ID), maxTags, func(_ int, tag string) error {
		if word, err := ParseSeverity(tag); err == nil && word != Unknown {
			rate(word)
		}
		return nil
	})
	return worst, rated, err
}

// UnmarshalJSON reads the properties, and the worst word for a severity in those
// that are called so in any way. Words that are none are of another kind, such as
// CodeQL's problem.severity.
func (b *sarifBag) UnmarshalJSON(text []byte) error {
	type plain sarifBag
	if err := json.Unmarshal(text, (*plain)(b)); err != nil {
		return err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	for name, value := range all {
		var word string
		if !strings.Contains(strings.ToLower(name), "severity") || json.Unmarshal(value, &word) != nil {
			continue
		}
		if sev, err := ParseSeverity(strings.TrimSpace(word)); err == nil {
			b.said = max(b.said, sev)
		}
	}
	return nil
}

// words returns the words for a severity in the message of a result, or else in
// the help of a rule. All of those of one text count.
func (s *sarifFinding) words(text string, message bool) []string {
	var all []string
	switch {
	case s.tool == trivyTool && message:
		for line := range strings.SplitSeq(text, "\n") {
			if word, ok := strings.CutPrefix(line, "Severity: "); ok {
				all = append(all, strings.TrimSpace(word))
			}
		}
	case s.tool == grypeTool && message:
		if m := grypeMessage().FindStringSubmatch(text); m != nil {
			all = append(all, m[1])
		}
	case s.tool != trivyTool && s.tool != grypeTool:
		// Many write lines as Trivy does, some with a score behind the word. What else
		// such a line says is no word for a severity.
		for line := range strings.SplitSeq(text, "\n") {
			key, word, _ := strings.Cut(line, ":")
			if word, _, _ = strings.Cut(strings.TrimSpace(word), " "); !strings.EqualFold(strings.TrimSpace(key), "severity") {
				continue
			}
			if sev, err := ParseSeverity(word); err == nil && sev != Unknown {
				all = append(all, word)
			}
		}
	}
	return all
}

// scoreOf reads a CVSS score, 0 to 10, as GitHub does: a number in a text. It is
// no rating where there is none, or it is 0, as Trivy and Grype write of what
// nobody has rated.
func scoreOf(raw json.RawMessage) (Severity, bool, error) {
	text := strings.Trim(string(raw), `"`)
	if len(raw) == 0 || text == "null" || text == "undefined" || text == "" { // as Snyk's JavaScript writes none
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

// levelError is what Trivy and others write of both high and critical findings.
const levelError = "error"

// levelText is the level of the result, which the rule has where it has none; "" for
// none.
func (s *sarifFinding) levelText() string {
	return cmp.Or(s.result.Level, s.rule.Configuration.Level)
}

// level returns what the level of a result may stand for, at worst. Where nobody
// has written one, nothing says how bad it is; SARIF's default, warning, is no
// opinion of the tool's. osv-scanner writes warning of everything.
func (s *sarifFinding) level(f *Finding) (Severity, error) {
	level := s.levelText()
	if s.tool == osvTool && level == "warning" {
		level = ""
	}
	switch level {
	case levelError, "":
		return Critical, nil
	case "warning":
		return Medium, nil
	case "note":
		return Low, nil
	case "none":
		return Unknown, nil
	}
	return Unknown, malformed("%s: the level %s is not known", quoted(f.ID), quoted(level))
}
