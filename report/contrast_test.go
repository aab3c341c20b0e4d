package report

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/boltseal/boltseal/verify"
)

// What differs is marked, and what a pattern covers is not.
func TestContrasts(t *testing.T) {
	t.Parallel()
	const base = "https://github.com/acme/base/.github/workflows/"
	for _, tc := range []struct{ name, found, expected, is, wanted string }{
		{"one word", "a/build.yml@x", "a/release.yml@x", "a/[build].yml@x", "a/[release].yml@x"},
		{"whole words", "acme-evil", "acme-devil", "acme-[evil]", "acme-[devil]"},
		{"more behind", "refs/heads/main2", "refs/heads/main", "refs/heads/[main2]", "refs/heads/[main]"},
		{"a longer name", "acme-evil/base", "acme/base", "acme[-evil]/base", "acme[]/base"},
		{"nothing there", "", "github-hosted", "[(none)]", "[github-hosted]"},
		{"nothing wanted", "x", "", "[x]", "[(none)]"},
		{"nothing alike", "somebody@example.com", "https://a.b/c", "[somebody@example.com]", "[https://a.b/c]"},
		{"glob", "o/app/w/release.yml@refs/heads/main", "o/*/w/release.yml@refs/tags/v*", "o/app/w/release.yml@refs/[heads/]main", "o/*/w/release.yml@refs/[tags/v]*"},
		{"glob that does not reach", "acme/a/b", "acme/*", "acme/a[/b]", "acme/*[]"},
		{"two stars", "x/a/b/build.yml@m", "x/**/release.yml@m", "x/a/b/[build].yml@m", "x/**/[release].yml@m"},
		{"two stars cover all", "x/a", "**y", "x/a[]", "**[y]"},
		{"star for nothing", "ab/d", "a*b/c", "ab/[d]", "a*b/[c]"},
		{"long", base + "build.yml@refs/tags/v1.2.3-with-a-very-long-suffix", base + "x.yml@refs/tags/v1.2.3-with-a-very-long-suffix", "...acme/base/.github/workflows/[build].yml@refs/tags/v1.2.3-with-a...", "...acme/base/.github/workflows/[x].yml@refs/tags/v1.2.3-with-a..."},
		{"letters that look the same", "\u0430cme", "acme", `[\u0430cme]`, "[acme]"},
		{"what cannot be seen", "a\u200bb", "ab", `[a\u200bb]`, "[ab]"},
		{"no UTF-8", "a\xff/b", "a/b", `[a\ufffd]/b`, "[a]/b"},
		{"commands", "a##[error]", "b##[error]", `[a]#\u0023[error]`, `[b]#\u0023[error]`},
		{"long in the middle", strings.Repeat("x", 200), strings.Repeat("y", 100), "[" + strings.Repeat("x", 30) + "..." + strings.Repeat("x", 29) + "]", "[" + strings.Repeat("y", 30) + "..." + strings.Repeat("y", 29) + "]"},
	} {
		found, expected := contrasts(verify.Difference{Found: tc.found, Expected: tc.expected})
		show := func(c contrast) string { return c.before + "[" + c.differs + "]" + c.after }
		if show(found) != tc.is || show(expected) != tc.wanted {
			t.Errorf("%s:\n%s\n%s\nwant\n%s\n%s", tc.name, show(found), show(expected), tc.is, tc.wanted)
		}
	}
}

func FuzzContrasts(f *testing.F) {
	f.Add("o/app/w/release.yml@refs/heads/main", "o/*/w/release.yml@refs/tags/v*")
	f.Add("##", "#\xff**")
	f.Add("", "***")
	f.Fuzz(func(t *testing.T, found, expected string) {
		a, b := contrasts(verify.Difference{Found: found, Expected: expected})
		for _, c := range []contrast{a, b} {
			for _, part := range []string{c.before, c.differs, c.after} {
				if strings.ContainsFunc(part, func(r rune) bool { return r < ' ' || r > '~' }) || len(part) > maxDiffers+3 {
					t.Errorf("%q, %q: %q", found, expected, part)
				}
			}
		}
		// Two literals that differ are marked in one of them at least.
		if !strings.Contains(expected, "*") && utf8.ValidString(found) && utf8.ValidString(expected) && found != expected && a.differs == "" && b.differs == "" {
			t.Errorf("%q, %q: nothing is marked", found, expected)
		}
		begin, beginP, end, endP := differing([]rune(found), []rune(expected))
		if begin > end || beginP > endP || end > len([]rune(found)) || endP > len([]rune(expected)) {
			t.Errorf("%q, %q: %d to %d, %d to %d", found, expected, begin, end, beginP, endP)
		}
	})
}

// Certificates are told apart by the heads of their fingerprints, as they are
// called in the rest of a report.
func TestContrastsOfCertificates(t *testing.T) {
	t.Parallel()
	const subject = `"CN=root,O=Acme,ST=WA,C=US"`
	found, expected := contrasts(verify.Difference{
		What: "certificate", Found: subject + " (SHA-256 " + strings.Repeat("ab", 32) + ")", Expected: subject + " (SHA-256 " + strings.Repeat("cd", 32) + ")",
	})
	if found.before != "sha256:" || found.differs != "abababababab" || expected.differs != "cdcdcdcdcdcd" || !strings.HasPrefix(found.after, `... "CN=root,O=Acme`) {
		t.Errorf("%+v, %+v", found, expected)
	}
}

// A long sentence is said once, however many signatures it is true of.
func TestRepeated(t *testing.T) {
	t.Parallel()
	long, other := errors.New(strings.Repeat("long ", 30)), errors.New(strings.Repeat("other ", 30))
	all := []verify.Candidate{
		{Reason: verify.Expired, Err: long}, {Reason: verify.Expired, Err: other}, {Reason: verify.Expired, Err: other},
		{Reason: verify.Revoked, Err: other}, {Reason: verify.Expired, Err: errors.New("short")}, {},
	}
	for i, want := range []bool{true, false, true, false, false, false} {
		if repeated(all, i, "verify x: "+long.Error()+"; short") != want {
			t.Errorf("candidate %d: %v", i, !want)
		}
	}
}
