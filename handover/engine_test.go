package handover_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/handover"
)

// checkEngines holds that our engine and BuildKit's make the same of a source.
func checkEngines(t *testing.T, policy []byte, source string) {
	t.Helper()
	if handover.Beyond(policy) {
		return
	}
	becomes, denied, err := handover.Evaluate(policy, source)
	if err != nil && strings.Contains(err.Error(), "is too long") {
		return // BuildKit would go on, as long as there is memory
	}
	theirs, theirsDenied, theirErr := "", false, error(nil)
	b, theirErr := buildkit(policy)
	if theirErr == nil {
		theirs, theirsDenied, theirErr = b.evaluate(t, source)
	}
	if (err == nil) != (theirErr == nil) || denied != theirsDenied || err == nil && becomes != theirs {
		t.Errorf("%s\n%q becomes %q, denied %v, %v\nby BuildKit %q, denied %v, %v", policy, source, becomes, denied, err, theirs, theirsDenied, theirErr)
	}
}

func TestEngine(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, rules, source, want string }{
		{"no rule", ``, "a", "a"},
		{"no action allows", `{"action":"DENY","selector":{"identifier":"*"}},{"selector":{"identifier":"*"}}`, "a", "a"},
		{"action by number", `{"action":1,"selector":{"identifier":"*"}}`, "a", "denied"},
		{"the number of no action", `{"action":3,"selector":{"identifier":"*"}}`, "a", "error"},
		{"the number of no action, of a rule that says nothing of it", `{"action":3,"selector":{"identifier":"b"}}`, "a", "error"},
		{"the number of no match type, of a rule that does not matter", `{"selector":{"identifier":"a","match_type":3}}`, "a", "error"},
		{"the number of no match type", `{"selector":{"identifier":"*","match_type":-1}}`, "a", "error"},
		{"action null", `{"action":null,"selector":{"identifier":"*"}}`, "a", "a"},
		{"last match wins", `{"action":"ALLOW","selector":{"identifier":"a"}},{"action":"DENY","selector":{"identifier":"*"}}`, "a", "denied"},
		{"matchType is no key", `{"action":"DENY","selector":{"identifier":"^","matchType":"REGEX"}}`, "a", "a"},
		{"MATCH_TYPE is one", `{"action":"DENY","selector":{"identifier":"^","MATCH_TYPE":"REGEX"}}`, "a", "denied"},
		{"the last of two keys", `{"action":"DENY","Action":"ALLOW","selector":{"identifier":"*"}}`, "a", "a"},
		{"regexps have no anchors", `{"action":"DENY","selector":{"identifier":"b","match_type":"REGEX"}}`, "abc", "denied"},
		{"wildcards have", `{"action":"DENY","selector":{"identifier":"b*"}}`, "abc", "abc"},
		{"a wildcard is one line", `{"action":"DENY","selector":{"identifier":"*"}}`, "a\nb", "a\nb"},
		{"a regexp is not", `{"action":"DENY","selector":{"identifier":"^","match_type":"REGEX"}}`, "a\nb", "denied"},
		{"equal, whatever the match type", `{"action":"DENY","selector":{"identifier":"a(","match_type":"REGEX"}}`, "a(", "denied"},
		{"a bad regexp", `{"action":"DENY","selector":{"identifier":"a(","match_type":"REGEX"}}`, "b", "error"},
		{"a bad wildcard", `{"action":"DENY","selector":{"identifier":"a**"}}`, "b", "error"},
		{"exact is exact", `{"action":"DENY","selector":{"identifier":"*","match_type":"EXACT"}}`, "b", "b"},
		{"unknown match type", `{"action":"DENY","selector":{"identifier":"*","match_type":"GLOB"}}`, "b", "error"},
		{"unknown action", `{"action":"BLOCK","selector":{"identifier":"*"}}`, "b", "error"},
		{"no selector", `{"action":"DENY"}`, "b", "error"},
		{"null", `null`, "b", "error"},
		{"convert", `{"action":"CONVERT","selector":{"identifier":"a"},"updates":{"identifier":"b"}},{"action":"DENY","selector":{"identifier":"a"}}`, "a", "b"},
		{"convert, and deny", `{"action":"CONVERT","selector":{"identifier":"a"},"updates":{"identifier":"b"}},{"action":"DENY","selector":{"identifier":"b"}}`, "a", "denied"},
		{"convert to itself", `{"action":"CONVERT","selector":{"identifier":"a"},"updates":{}},{"action":"DENY","selector":{"identifier":"a"}}`, "a", "denied"},
		{"convert to nothing", `{"action":"CONVERT","selector":{"identifier":"a"}}`, "a", "error"},
		{"convert by a template", `{"action":"CONVERT","selector":{"identifier":"a:*"},"updates":{"identifier":"b:${1}c"}}`, "a:1", "b:1c"},
		{"convert by a regexp", `{"action":"CONVERT","selector":{"identifier":"^(.)(.)$","match_type":"REGEX"},"updates":{"identifier":"$2$1!"}}`, "ab", "ba!"},
		{"exact has no templates", `{"action":"CONVERT","selector":{"identifier":"a","match_type":"EXACT"},"updates":{"identifier":"$1"}}`, "a", "$1"},
		{"convert 20 times", chain(20), "a0", "a20"},
		{"convert 21 times", chain(21), "a0", "error"},
		{"convert to ever more", `{"action":"CONVERT","selector":{"identifier":"x","match_type":"REGEX"},"updates":{"identifier":"xxxx"}}`, "x", "error"},
		{"convert without end", `{"action":"CONVERT","selector":{"identifier":"*"},"updates":{"identifier":"a$1"}}`, "a", "error"},
	} {
		policy := []byte(`{"version":1,"rules":[` + tc.rules + `]}`)
		checkEngines(t, policy, tc.source)
		got, denied, err := handover.Evaluate(policy, tc.source)
		switch {
		case err != nil:
			got = "error"
		case denied:
			got = "denied"
		}
		if got != tc.want {
			t.Errorf("%s: %q, %v, want %q", tc.name, got, err, tc.want)
		}
	}
	for _, beyond := range []string{
		`{"rules":[{"action":"DENY","selector":{"identifier":"*","constraints":[{"key":"a","value":"b"}]}}]}`,
		`{"rules":[{"action":"CONVERT","selector":{"identifier":"*"},"updates":{"attrs":{"a":"b"}}}]}`,
	} {
		if got, denied, err := handover.Evaluate([]byte(beyond), "a"); err == nil || !handover.Beyond([]byte(beyond)) {
			t.Errorf("%s: %q, denied %v", beyond, got, denied)
		}
	}
}

// What stands for the regexp of our rules takes the same bytes for a tag.
func TestEngineTags(t *testing.T) {
	t.Parallel()
	policy := []byte(`{"rules":[{"action":"DENY","selector":{"identifier":"^a\\.b(:[\\w.-]+)?@d$","match_type":"REGEX"}}]}`)
	matched := 0
	for c := range 256 {
		b := string([]byte{byte(c)})
		for _, tag := range []string{b, b + "1", ":" + b, ":1" + b, ":" + b + "1", "1" + b} {
			checkEngines(t, policy, "a.b"+tag+"@d")
			if _, denied, _ := handover.Evaluate(policy, "a.b"+tag+"@d"); denied {
				matched++
			}
		}
	}
	// To a regexp, a byte that is no UTF-8 is U+FFFD.
	checkEngines(t, []byte("{\"rules\":[{\"action\":\"DENY\",\"selector\":{\"identifier\":\"^a\ufffd(:[\\\\w.-]+)?@d$\",\"match_type\":\"REGEX\"}}]}"), "a\xff@d")
	if want := 3*65 + 1; matched != want { // ":1" is there by ":" as well
		t.Errorf("%d of the tags matched, want %d", matched, want)
	}
}

// chain returns rules that convert a0 to a1, and so on up to a and n.
func chain(n int) string {
	rules := make([]string, n)
	for i := range rules {
		rules[i] = fmt.Sprintf(`{"action":"CONVERT","selector":{"identifier":"a%d"},"updates":{"identifier":"a%d"}}`, i, i+1)
	}
	return strings.Join(rules, ",")
}

// Random policies of what real ones, and bad ones, are made of.
func TestEngineRandom(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(6, 1)) // the same in each run
	for range shorter(4000) {
		policy, err := json.Marshal(map[string]any{"version": 1, "rules": randomRules(r)})
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			checkEngines(t, policy, randomText(r, sourcePieces()))
		}
	}
}

// shorter returns how often to repeat something.
func shorter(n int) int {
	if raced || testing.Short() {
		return n / 20
	}
	return n
}

func sourcePieces() []string {
	return []string{"docker-image://", "a.b/c", "axb/c", "/c", ":1", ":", "$1", "*", ".", "@d", "@e", "\n", "(", "\xff", "\ufffd", "é", "A", "-"}
}

func patternPieces() []string {
	return append(sourcePieces(), "^", "$", `(:[\w.-]+)?`, `(:[\w.-]+)?`, "(.*)", `\.`, `\`, "|", "?", "+", ")", "[^@]", `\Q`, "(?i)", "**", "")
}

func randomText(r *rand.Rand, pieces []string) string {
	var b strings.Builder
	for range 1 + r.IntN(5) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

func randomRules(r *rand.Rand) []any {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	rules := make([]any, r.IntN(5))
	for i := range rules {
		selector := map[string]any{"identifier": randomText(r, patternPieces())}
		switch r.IntN(4) {
		case 0:
			selector["match_type"] = pick("EXACT", "WILDCARD", "REGEX", "exact", "")
		case 1: // what our policies have, or almost
			selector["match_type"] = "REGEX"
			selector["identifier"] = pick("^", "^", "^", "") + regexp.QuoteMeta(randomText(r, sourcePieces())) + `(:[\w.-]+)?` +
				regexp.QuoteMeta(randomText(r, sourcePieces())) + pick("$", "$", "$", "", "|x")
		default:
			selector["match_type"] = pick("EXACT", "WILDCARD", "REGEX")
		}
		rule := map[string]any{"selector": selector}
		if a := pick("ALLOW", "DENY", "CONVERT", "DENY", "CONVERT", ""); a != "" {
			rule["action"] = a
		}
		if rule["action"] == "CONVERT" || r.IntN(9) == 0 {
			rule["updates"] = map[string]any{"identifier": pick("", "$1", "${1}x", "$0", randomText(r, sourcePieces()), "docker-image://a.b/c:1@d")}
		}
		rules[i] = rule
	}
	return rules
}

// seeds adds the policies of the golden files.
func seeds(f *testing.F, add func(policy string)) {
	f.Helper()
	files, err := filepath.Glob("testdata/source-policy*.json")
	if err != nil || len(files) != 4 {
		f.Fatal(files, err)
	}
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		add(string(body))
	}
}

// Our engine makes of a source what BuildKit's does, whatever the policy is.
func FuzzEngine(f *testing.F) {
	seeds(f, func(policy string) { f.Add(policy, "docker-image://docker.io/library/alpine:3.22") })
	for _, rules := range []string{
		`{"action":2,"selector":{"identifier":"a*b*","match_type":0},"updates":{"identifier":"$2${1}"}}`,
		`{"ACTION":"DENY","selector":{"identifier":"^a(.*)$","match_type":"REGEX"}},null,{"selector":null}`,
		`{"action":"DENY","selector":{"identifier":"^a(:[\\w.-]+)?b$","match_type":"REGEX"}}`,
	} {
		f.Add(`{"rules":[`+rules+`]}`, "a:1b")
	}
	f.Fuzz(func(t *testing.T, policy, source string) { checkEngines(t, []byte(policy), source) })
}
