package glob_test

import (
	"strings"
	"testing"

	"github.com/boltseal/boltseal/scan/internal/glob"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ pattern, folder, matches, others string }{
		{"*", ".", "a .a", "a/b"},
		{"docker/*", "docker", "docker/a", "docker a docker/a/b x/docker/a"},
		{"docker/**", "docker", "docker docker/a docker/a/b", "dockers x/docker"},
		{"**/a", ".", "a x/a x/y/a", "a/x xa"},
		{"a/**/b", "a", "a/b a/x/b a/x/y/b", "ab a/xb"},
		{"x/{a,b}.[a-c]?", "x", "x/a.az x/b.cé", "x/c.a x/a.d x/a.a x/{a,b}.aa"},
		{"{a,b/c}/d", ".", "a/d b/c/d", "b/d"},
		{`a\*`, ".", "a*", "ab"},
		{`x/a\b/c`, "x", "x/ab/c", "x/b"},
		{"a/b", "a", "a/b", "a"},
		{"[!a]", ".", "b", "a"},
	} {
		p, err := glob.Compile(tc.pattern)
		if err != nil {
			t.Errorf("%s: %v", tc.pattern, err)
			continue
		}
		if got := p.Folder(); got != tc.folder {
			t.Errorf("folder of %s: %s, want %s", tc.pattern, got, tc.folder)
		}
		for _, name := range strings.Fields(tc.matches) {
			if !p.Match(name) {
				t.Errorf("%s does not match %s", tc.pattern, name)
			}
			for i := range name {
				if name[i] == '/' && !p.Below(name[:i]) {
					t.Errorf("%s matches %s, and nothing in %s", tc.pattern, name, name[:i])
				}
			}
		}
		for _, name := range strings.Fields(tc.others) {
			if p.Match(name) {
				t.Errorf("%s matches %s", tc.pattern, name)
			}
		}
	}
	if p, err := glob.Compile("a/*/c"); err != nil || p.Below("a/b/c") || p.Below("a/b/c/d") || !p.Below("a/b") {
		t.Error("the folders of a/*/c", err)
	}
	if (glob.Pattern{}).Match("") {
		t.Error("the zero Pattern matches")
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"":                             "an empty pattern",
		"[a":                           "not closed",
		"{a":                           "not closed",
		"a}":                           "too many",
		`a\`:                           `a \ at its end`,
		"[]":                           "an empty []",
		"\xff*":                        "not UTF-8",
		strings.Repeat("a", 4097):      "more than 4096 bytes",
		strings.Repeat("{a,b}", 11):    "more than 1024 others",
		strings.Repeat("{a,{b,c}}", 6): "more than 1024 others",
		strings.Repeat("{a,b[}]", 11) + strings.Repeat("}", 11): "more than 1024 others",
	} {
		if _, err := glob.Compile(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", pattern, err, want)
		}
	}
	for _, pattern := range []string{strings.Repeat("{a,b}", 10), strings.Repeat("a", 4096), `{\{,a}`, "[{]", "a,b,c"} {
		if _, err := glob.Compile(pattern); err != nil {
			t.Errorf("%.40q: %v", pattern, err)
		}
	}
}

// Matching comes to an end within the time of a test, whatever the pattern.
func TestCost(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("a/", 200) + strings.Repeat("a", 200)
	for _, pattern := range []string{
		strings.Repeat("*{a,b}", 10) + "x",
		strings.Repeat("**/*a*/", 100) + "x",
		strings.Repeat("a*", 1000) + "x",
		strings.Repeat("**/", 1000) + "{a,b}x",
		"**/" + strings.Repeat("{a,a}", 10) + "x",
	} {
		p, err := glob.Compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if p.Match(name) {
			t.Errorf("%.40s matches", pattern)
		}
	}
}
