package handover

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A sourcePolicy is a BuildKit source policy as BuildKit v0.33.0 reads it: with
// encoding/json, so that keys it does not know are skipped, an action that is
// missing is ALLOW and a match type that is missing is WILDCARD. What is here
// is enough to say what a policy of this package does. The tests compare it
// with BuildKit's own package, which would add 0.9 MB to the program.
type sourcePolicy struct {
	Version int64         `json:"version"`
	Rules   []*sourceRule `json:"rules"`
}

// A sourceRule says what becomes of the sources that its Selector matches.
type sourceRule struct {
	Comment  string        `json:"comment,omitempty"` // BuildKit knows no such key
	Action   sourceAction  `json:"action"`
	Selector *selector     `json:"selector"`
	Updates  *sourceUpdate `json:"updates,omitempty"`
}

// equal reports whether BuildKit reads the same rule.
func (r *sourceRule) equal(o *sourceRule) bool {
	if r == nil || r.Selector == nil || (r.Updates == nil) != (o.Updates == nil) {
		return false
	}
	if r.Updates != nil && (r.Updates.Identifier != o.Updates.Identifier || !maps.Equal(r.Updates.Attrs, o.Updates.Attrs)) {
		return false
	}
	return r.Comment == o.Comment && r.Action == o.Action && r.Selector.Identifier == o.Selector.Identifier &&
		r.Selector.MatchType == o.Selector.MatchType && len(r.Selector.Constraints) == len(o.Selector.Constraints)
}

// String returns the rule as JSON.
func (r *sourceRule) String() string {
	b, err := json.Marshal(r)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// A selector matches identifiers of sources, such as
// docker-image://docker.io/library/alpine:3.
type selector struct {
	Identifier  string            `json:"identifier"`
	MatchType   matchType         `json:"match_type"`
	Constraints []json.RawMessage `json:"constraints,omitempty"` // never evaluated

	re       *regexp.Regexp // of Identifier, once it was needed
	anyTag   *anyTag        // of Identifier, where it is one
	lookedAt bool           // whether anyTag was looked for
}

// A sourceUpdate is what CONVERT makes of a source.
type sourceUpdate struct {
	Identifier string            `json:"identifier"`
	Attrs      map[string]string `json:"attrs,omitempty"` // never evaluated
}

// A sourceAction is what a rule does.
type sourceAction int32

// The actions, by their numbers in BuildKit.
const (
	allow sourceAction = iota
	deny
	convert
)

func actionNames() []string { return []string{"ALLOW", "DENY", "CONVERT"} }

// A matchType says how a selector is read.
type matchType int32

// The match types, by their numbers in BuildKit.
const (
	wildcard matchType = iota
	exact
	regex
)

func matchTypeNames() []string { return []string{"WILDCARD", "EXACT", "REGEX"} }

// MarshalText returns the action's name.
func (a sourceAction) MarshalText() ([]byte, error) { return enumName(actionNames(), int32(a)) }

// UnmarshalJSON reads the action's name or number.
func (a *sourceAction) UnmarshalJSON(b []byte) (err error) {
	*(*int32)(a), err = enumNumber(actionNames(), b)
	return err
}

// MarshalText returns the match type's name.
func (m matchType) MarshalText() ([]byte, error) { return enumName(matchTypeNames(), int32(m)) }

// UnmarshalJSON reads the match type's name or number.
func (m *matchType) UnmarshalJSON(b []byte) (err error) {
	*(*int32)(m), err = enumNumber(matchTypeNames(), b)
	return err
}

func enumName(names []string, n int32) ([]byte, error) {
	if n < 0 || int(n) >= len(names) {
		return nil, fmt.Errorf("%d is none of %v", n, names)
	}
	return []byte(names[n]), nil
}

func enumNumber(names []string, b []byte) (int32, error) {
	var n int32
	if b[0] == '"' {
		var name string
		if err := json.Unmarshal(b, &name); err != nil {
			return 0, err
		}
		n = int32(slices.Index(names, name)) //nolint:gosec // there are three
	} else if err := json.Unmarshal(b, &n); err != nil {
		return 0, err
	}
	if n < 0 || int(n) >= len(names) {
		return 0, fmt.Errorf("%.40s is none of %v", b, names)
	}
	return n, nil
}

// maxPasses is how often BuildKit goes through the rules for one source. It has
// no bound for the length of what rules convert to, which grows with each pass.
const (
	maxPasses     = 21
	maxIdentifier = 4096
)

// errDenied says that a policy denies a source.
var errDenied = errors.New("denied")

// evaluate returns what BuildKit makes of the source by these rules, which may
// be another one. The error is errDenied where it would refuse the source, and
// another one where the rules make no sense to it, or use attributes of
// sources: no policy of this package does.
func evaluate(rules []*sourceRule, identifier string) (string, error) {
	for range maxPasses {
		next, err := pass(rules, identifier)
		if err != nil || next == identifier {
			return identifier, err
		}
		if len(next) > maxIdentifier {
			return identifier, fmt.Errorf("what %q is converted to is too long", identifier)
		}
		identifier = next
	}
	return identifier, fmt.Errorf("%q is converted without end", identifier)
}

// pass goes through the rules once. The last rule that allows or denies counts,
// but a rule that converts ends the pass.
func pass(rules []*sourceRule, identifier string) (string, error) {
	denied := false
	for _, r := range rules {
		if r == nil || r.Selector == nil {
			return "", errors.New("a rule has no selector")
		}
		matched, err := r.Selector.match(identifier)
		if err != nil {
			return "", err
		}
		if !matched {
			continue
		}
		switch r.Action {
		case allow:
			denied = false
		case deny:
			denied = true
		case convert:
			next, err := r.convert(identifier)
			if err != nil || next != identifier {
				return next, err
			}
		default:
			return "", fmt.Errorf("action %d is none of %v", r.Action, actionNames())
		}
	}
	if denied {
		return "", errDenied
	}
	return identifier, nil
}

// convert returns what r makes of an identifier that it matches.
func (r *sourceRule) convert(identifier string) (string, error) {
	if r.Updates == nil {
		return "", errors.New("a rule converts to nothing")
	}
	if len(r.Updates.Attrs) > 0 {
		return "", errors.New("a rule sets attributes")
	}
	to := cmp.Or(r.Updates.Identifier, r.Selector.Identifier)
	if r.Selector.MatchType != exact { // else "$1" stands for itself
		re, err := r.Selector.compile()
		switch {
		case err != nil:
			return "", err
		case r.Selector.MatchType == regex:
			to = re.ReplaceAllString(identifier, to)
		default:
			m := re.FindStringSubmatchIndex(identifier)
			if m == nil {
				return identifier, nil
			}
			to = string(re.ExpandString(nil, to, identifier, m))
		}
	}
	return cmp.Or(to, identifier), nil
}

// match reports whether s matches. What is equal matches in any case.
func (s *selector) match(identifier string) (bool, error) {
	if len(s.Constraints) > 0 {
		return false, errors.New("a rule has constraints")
	}
	if s.Identifier == identifier {
		return true, nil
	}
	if s.MatchType == exact {
		return false, nil
	}
	if s.MatchType == regex {
		if !s.lookedAt {
			s.anyTag, s.lookedAt = parseAnyTag(s.Identifier), true
		}
		if s.anyTag != nil {
			return s.anyTag.match(identifier), nil
		}
	}
	re, err := s.compile()
	if err != nil {
		return false, err
	}
	return re.MatchString(identifier), nil
}

// compile returns the regexp that a selector stands for that is not exact.
func (s *selector) compile() (*regexp.Regexp, error) {
	if s.re != nil {
		return s.re, nil
	}
	pattern := s.Identifier
	switch s.MatchType {
	case regex:
	case wildcard:
		pattern = regexp.QuoteMeta(pattern)
		if strings.Contains(pattern, `\*\*`) {
			return nil, fmt.Errorf("the wildcard %.80q has two asterisks in a row", s.Identifier)
		}
		pattern = "^" + strings.ReplaceAll(pattern, `\*`, "(.*)") + "$"
	default:
		return nil, fmt.Errorf("match type %d is none of %v", s.MatchType, matchTypeNames())
	}
	re, err := regexp.Compile(pattern)
	s.re = re
	return re, err
}

// optionalTag is the regexp for a tag, colon included, that may be missing.
const optionalTag = `(:[\w.-]+)?`

// An anyTag is what the regexp ^before(:[\w.-]+)?after$ matches. To compile a
// thousand of those takes longer than all else that is done with a policy.
type anyTag struct{ before, after string }

// pattern returns the regexp.
func (a anyTag) pattern() string {
	return "^" + regexp.QuoteMeta(a.before) + optionalTag + regexp.QuoteMeta(a.after) + "$"
}

// parseAnyTag returns the anyTag whose pattern is given, nil if there is none.
func parseAnyTag(pattern string) *anyTag {
	before, after, ok := strings.Cut(pattern, optionalTag)
	if !ok {
		return nil
	}
	a := &anyTag{unquote(strings.TrimPrefix(before, "^")), unquote(strings.TrimSuffix(after, "$"))}
	for _, r := range a.before + a.after {
		if r > '~' { // a regexp takes bytes that are no UTF-8 for U+FFFD
			return nil
		}
	}
	if a.pattern() != pattern {
		return nil
	}
	return a
}

// unquote undoes regexp.QuoteMeta. Of what that did not return, it returns
// something that is quoted otherwise.
func unquote(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (a anyTag) match(s string) bool {
	s, ok := strings.CutPrefix(s, a.before)
	if !ok {
		return false
	}
	tag, ok := strings.CutSuffix(s, a.after)
	if !ok || tag == "" {
		return ok
	}
	for i, c := range []byte(tag) {
		switch {
		case i == 0:
			if c != ':' {
				return false
			}
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return len(tag) > 1
}
