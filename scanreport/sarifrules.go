package scanreport

import (
	"slices"
	"strings"
)

// sarifRules are the rules of a run. IDs need not be unique.
type sarifRules struct {
	all  []sarifRule
	byID map[string]sarifRule
}

// rules reads the rules of a run. Where several have one ID, as Sysdig writes one
// for each package, the worst of them stands for all, and says nothing else: it may
// be of another package.
func (s *sarifReader) rules(tool sarifTool, l list[sarifRule]) (sarifRules, error) {
	rules := sarifRules{byID: map[string]sarifRule{}}
	err := l.each("rules", maxRules, func(_ int, rule sarifRule) error {
		if len(rule.ID) > maxText {
			return malformed("the ID of a rule has %d bytes", len(rule.ID))
		}
		rule.Help.Text = cut(rule.Help.Text)
		rules.all = append(rules.all, rule)
		other, twice := rules.byID[rule.ID]
		if !twice {
			rules.byID[rule.ID] = rule
			return nil
		}
		worst := sarifRule{ID: rule.ID, Name: rule.Name}
		worst.Properties.Tags = rule.Properties.Tags
		switch levels := []string{other.Configuration.Level, rule.Configuration.Level}; {
		case levels[0] == levels[1]:
			worst.Configuration.Level = levels[0]
		case slices.Contains(levels, levelError):
			worst.Configuration.Level = levelError
		}
		var (
			said  [2]Severity
			rated [2]bool
		)
		for i, r := range []sarifRule{other, rule} {
			f := sarifFinding{tool: tool, rule: r}
			var err error
			if said[i], rated[i], err = f.rating(&Finding{ID: rule.ID}, r.Properties, f.words(r.Help.Text, false)); err == nil && !rated[i] {
				said[i], err = f.level(&Finding{ID: rule.ID})
			}
			if err != nil {
				return err
			}
		}
		if rated[0] || rated[1] { // else the level of both says it
			worst.Properties.said = max(said[0], said[1])
		}
		rules.byID[rule.ID] = worst
		return nil
	})
	return rules, err
}

// of returns the rule of a result; the zero rule where it has none. Its index
// counts only where the rule there has the ID of the result, or the result none:
// indexes of old Grypes are all 0. The ID of a result may have more behind that of
// the rule and a slash (sarif-v2.1.0, 3.27.5), where no rule has all of it.
func (r sarifRules) of(result sarifResult) sarifRule {
	id := result.id(sarifRule{})
	indexed, has := r.indexed(result)
	if has && (id == "" || indexed.ID == id) {
		return indexed
	}
	if id == "" {
		return sarifRule{}
	}
	rule, ok := r.byID[id]
	if rest, above := strings.CutPrefix(id, indexed.ID); !ok && has && indexed.ID != "" && above && strings.HasPrefix(rest, "/") {
		return indexed
	}
	for end := strings.LastIndexByte(id, '/'); !ok && end > 0 && len(id) <= maxText; end = strings.LastIndexByte(id[:end], '/') {
		rule, ok = r.byID[id[:end]]
	}
	return rule
}

// indexed returns the rule at the index of a result, if it has one.
func (r sarifRules) indexed(result sarifResult) (sarifRule, bool) {
	for _, i := range []*int{result.RuleIndex, result.Rule.Index} {
		if i != nil && *i >= 0 && *i < len(r.all) {
			return r.all[*i], true
		}
	}
	return sarifRule{}, false
}

// torn reports whether a result names two rules (sarif-v2.1.0, 3.27.5 to 3.27.7
// want them equal).
func (r sarifResult) torn() bool {
	index := func(i *int) int { // -1 is SARIF's for none
		if i == nil {
			return -1
		}
		return max(*i, -1)
	}
	a, b := index(r.RuleIndex), index(r.Rule.Index)
	return r.RuleID != "" && r.Rule.ID != "" && r.RuleID != r.Rule.ID || a >= 0 && b >= 0 && a != b
}
