package sigstore

import (
	"strings"
	"testing"

	"github.com/boltseal/boltseal/verify/condition"
)

func TestWarnings(t *testing.T) {
	t.Parallel()
	const actions = "https://token.actions.githubusercontent.com"
	const exact = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"
	for _, tc := range []struct {
		subject, issuer string
		regexp          bool
		want            []string // beginnings of what is accepted, or what is missing, in order
	}{
		{exact, actions, false, nil},
		{"https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v*", actions, false, nil},
		{"https://github.com/acme/*/.github/workflows/release.yml@refs/tags/v*", actions, false, nil},
		{"https://github.com/acme/app/.github/workflows/*@refs/heads/main", actions, false, []string{"any workflow"}},
		{"https://github.com/acme/app/.github/workflows/release.yml@**", actions, false, []string{"any ref"}},
		{"https://github.com/acme/app/.github/workflows/release.yml@refs/heads/*", actions, false, []string{"any ref"}},
		{"https://github.com/acme/app/**", actions, false, []string{"any workflow", "any ref"}},
		{"https://github.com/acme/**", actions, false, []string{"any workflow", "any ref"}},
		{"https://github.com/acme**", actions, false, []string{"other owners", "any workflow", "any ref"}},
		{"**", actions, false, []string{"anybody"}},
		{"*@example.com", "https://accounts.google.com", false, []string{"everybody"}},
		{`https://github\.com/acme/.*`, actions, true, []string{"any workflow", "any ref"}},
		{`https://github.com/acme/.*`, actions, true, []string{"any workflow", "any ref"}},
		{`^https://github\.com/acme.*$`, actions, true, []string{"other owners", "any workflow", "any ref"}},
		{`https://github\.com/acme/app/\.github/workflows/release\.yml@.*`, actions, true, []string{"any ref"}},
		{`https://github\.com/acme/app/\.github/workflows/[a-z.-]+@refs/tags/v1`, actions, true, []string{"any workflow"}},
		{`https://github\.com/acme/app/\.github/workflows/release\.yml@refs/tags/v[0-9.]+`, actions, true, nil},
		{`.+`, actions, true, []string{"anybody"}},
		{exact, "**", false, []string{"issuers that anybody"}},
		{exact, "https://*", false, []string{"issuers that anybody"}},
		{exact, "https://*.com", false, []string{"issuers that anybody"}},
		{exact, "https://token.actions.githubusercontent.com*", false, []string{"issuers that anybody"}},
		{exact, "https://*.githubusercontent.com", false, nil},
		{exact, "https://issuer.example/tenants/*", false, nil},
		{"https://github.com/acme*/app/.github/workflows/release.yml@refs/heads/main", actions, false, []string{"other owners"}},
		{"https://github.com/*/app/.github/workflows/release.yml@refs/heads/main", actions, false, []string{"other owners"}},
		{`https://github\.com/[^/]+/app/\.github/workflows/release\.yml@refs/heads/main`, actions, true, []string{"other owners"}},
		{`https://github\.com/.*/app/\.github/workflows/release\.yml@refs/heads/main`, actions, true, []string{"other owners"}},
		{`https://github\.com/acme/app/\.github/workflows/(release|build)\.yml@refs/tags/v\d+`, actions, true, nil},
		{"*", "https://accounts.google.com", false, []string{"anybody"}},
		{exact, "token.actions.githubusercontent.com", false, []string{"no address"}},
		{"https://github.com/acme/app/.github/workflows/release.yml", actions, false, []string{"no certificate of GitHub"}},
		{"https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main", "https://gitlab.com", false, nil},
		{"*@*", "https://accounts.google.com", false, []string{"anybody"}},
		{"*@gmail.com", "https://accounts.google.com", false, []string{"everybody"}},
	} {
		parse := Pattern
		if tc.regexp {
			parse = Regexp
		}
		s, err := parse(tc.subject)
		if err != nil {
			t.Fatal(err)
		}
		i, err := Pattern(tc.issuer)
		if err != nil {
			t.Fatal(err)
		}
		id, err := NewIdentity(s, i, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := id.Warnings()
		if len(got) != len(tc.want) {
			t.Errorf("%s: %q, want %q", tc.subject, got, tc.want)
			continue
		}
		for n, w := range tc.want {
			if accepts := !strings.HasPrefix(w, "no "); accepts && !strings.Contains(got[n].Text, "accepts "+w) || !strings.Contains(got[n].Text, w) {
				t.Errorf("%s: %q, want %q", tc.subject, got[n], w)
			}
		}
	}
}

func TestZeroMatchesNothing(t *testing.T) {
	t.Parallel()
	if (Matcher{}).Match("") || (Matcher{}).Match("x") {
		t.Error("the zero Matcher matched")
	}
	some, err := Pattern("x")
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]Matcher{{}, {some, {}}, {{}, some}} {
		if _, err := NewIdentity(pair[0], pair[1], nil); err == nil {
			t.Error("half an identity was made")
		}
	}
	if _, err := NewIdentity(some, some, map[string]string{"source-repository-uri": ""}); err == nil {
		t.Error("an empty claim was accepted; it would match certificates without it")
	}
	if _, err := NewIdentity(some, some, map[string]string{"no-such-claim": "x"}); err == nil {
		t.Error("an unknown claim was accepted; it would never be checked")
	}
	session := NewSession(nil, imageRef(t))
	for name, c := range map[string]Config{
		"nobody":                  {},
		"zero identity":           {Identities: []Identity{{}}, Trust: &Trust{}},
		"zero key":                {Keys: []Key{{}}, Trust: &Trust{}},
		"no trust root":           {Identities: []Identity{{some, some, nil}}},
		"no log for certificates": {Identities: []Identity{{some, some, nil}}, Trust: &Trust{}, IgnoreLog: true},
		"more than there are":     {Identities: []Identity{{some, some, nil}}, Trust: &Trust{}, AtLeast: 2},
		"less than nobody":        {Identities: []Identity{{some, some, nil}}, Trust: &Trust{}, AtLeast: -1},
		"condition of nothing":    {Identities: []Identity{{some, some, nil}}, Trust: &Trust{}, Where: &condition.Condition{}},
		"empty claim":             {Identities: []Identity{{some, some, nil}}, Trust: &Trust{}, Claims: map[string]string{"build-trigger": ""}},
		"unknown claim":           {Identities: []Identity{{some, some, nil}}, Trust: &Trust{}, Claims: map[string]string{"trigger": "push"}},
		"nowhere":                 {Identities: []Identity{{some, some, nil}}, Trust: &Trust{}, On: "layer"},
	} {
		if _, err := session.Require(c); err == nil {
			t.Errorf("%s: a Verifier was made", name)
		}
	}
	// What only an image can be asked is not left out for a file.
	for name, c := range map[string]Config{
		"several signers": {Identities: []Identity{{some, some, nil}, {some, some, nil}}, AtLeast: 2},
		"condition":       {Identities: []Identity{{some, some, nil}}, Predicate: "https://slsa.dev/provenance/v1", Where: &condition.Condition{}},
	} {
		if _, err := VerifyBundle(t.Context(), nil, c, Artifact{}); err == nil || !strings.Contains(err.Error(), "of a file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Short texts do not stand for programs that take all memory.
func TestMatcherBounds(t *testing.T) {
	t.Parallel()
	for expr, ok := range map[string]bool{
		`https://github\.com/acme/app/\.github/workflows/release\.yml@refs/tags/v[0-9.]{1,40}`: true,
		`[ab]{1000}`:                        true,
		`([ab]{100}){100}`:                  false,
		`(((a{10}){10}){10}){10}`:           false,
		`a{1000}b{1000}c{1000}` + "(d{9})*": true,
		`a)(b`:                              false,
	} {
		m, err := Regexp(expr)
		if (err == nil) != ok || ok == m.IsZero() {
			t.Errorf("%s: %v", expr, err)
		}
	}
	for _, text := range []string{"\xff", "\xff*", "**\xc3"} {
		if m, err := Pattern(text); err == nil || !m.IsZero() {
			t.Errorf("%q is a pattern", text)
		}
		if m, err := Regexp(text); err == nil || !m.IsZero() {
			t.Errorf("%q is an expression", text)
		}
	}
	if m, _ := Regexp(`a{3}`); !m.Match("aaa") || m.Match("aa") || m.Match("aaaa") {
		t.Error("a{3} does not match what it should")
	}
}
