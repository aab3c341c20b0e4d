package yamlshape_test

import (
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

// rulesDoc is a file as people write them by hand.
type rulesDoc struct {
	At      image.Position
	Version int        `yaml:"version,required"`
	Rules   []ruleItem `yaml:"rules"`
}

type ruleItem struct {
	At      image.Position
	Wrong   bool
	Images  []yamlshape.Text `yaml:"images,required" example:"ghcr.io/acme/**"`
	Require []yamlshape.Raw  `yaml:"require"`
	Allow   *allowItem       `yaml:"allow"`
	Owner   yamlshape.Text   `yaml:"owner"`
	Until   yamlshape.Date   `yaml:"until"`
	Some    yamlshape.Int    `yaml:"some" min:"2"`
	Quick   yamlshape.Flag   `yaml:"quick"`
}

type allowItem struct {
	Reason yamlshape.Text `yaml:"reason,required"`
	Digest *bool          `yaml:"digest"`
}

// What is no YAML is told of at the place of the mistake, with what to do.
func TestSyntax(t *testing.T) {
	t.Parallel()
	const begin = "version: 1\nrules:\n"
	for _, tc := range []struct{ body, want, next string }{
		// Tabs.
		{begin + "\t- images: [a]\n", "3:1: not YAML: there is a tab, and YAML is indented with blanks", "put blanks in place of the tab"},
		{begin + "  - images: [a]\n\trequire: [b]\n", "4:1: not YAML: there is a tab, and YAML is indented with blanks", "put blanks in place of the tab"},
		{begin + "  - images: [a]\n  \trequire: [b]\n", "4:3: not YAML: there is a tab, and YAML is indented with blanks", "put blanks in place of the tab"},
		{begin + "  -\timages: [a]\n\t\trequire: [b]\n", "3:4: not YAML: there is a tab, and YAML is indented with blanks", "put blanks in place of the tab"},
		// What a text cannot begin with.
		{begin + "  - images:\n      - **\n    owner: a\n", "4:9: not YAML: without quotes a text cannot begin with *", `put it in quotes: "**"`},
		{begin + "  - images: [ghcr.io/a, */acme]\n", "3:25: not YAML: without quotes a text cannot begin with *", `put it in quotes: "*/acme"`},
		{begin + "  - owner: *@acme.com # us\n    until: x\n", "3:12: not YAML: without quotes a text cannot begin with *", `put it in quotes: "*@acme.com"`},
		{begin + "  - owner: a*\n  - owner: *acme.com\n", "4:12: not YAML: without quotes a text cannot begin with *", `put it in quotes: "*acme.com"`},
		{begin + "  - images: [ghcr.io/acme/**, !ghcr.io/acme/legacy-*]\n    owner: a\n", "3:31: not YAML: without quotes a text cannot begin with !", `put it in quotes: "!ghcr.io/acme/legacy-*"`},
		{begin + "  - images: [ghcr.io/acme/**, !ghcr.io/acme/legacy]\n    owner: a\n", "3:31: not YAML: without quotes a text cannot begin with !", `put it in quotes: "!ghcr.io/acme/legacy"`},
		{begin + "  - images:\n      - a\n      - !ghcr.io/acme/legacy-*\n", "5:9: an item of images must be a text, and without quotes a text cannot begin with !", `put it in quotes: "!ghcr.io/acme/legacy-*"`},
		{begin + "  - images: [a]\n    owner: @platform\n", "4:12: not YAML: without quotes a text cannot begin with @", `put it in quotes: "@platform"`},
		{begin + "  - {images: [a], owner: @platform, until: x}\n", "3:26: not YAML: without quotes a text cannot begin with @", `put it in quotes: "@platform"`},
		{begin + "  - images: [a]\n    owner: `platform`\n", "4:12: not YAML: without quotes a text cannot begin with `", "put it in quotes: \"`platform`\""},
		{begin + "  - images: [a]\n    owner: %platform\n", "4:12: not YAML: without quotes a text cannot begin with %", `put it in quotes: "%platform"`},
		{begin + "  - images: [a]\n    owner: &platform\n    until: 2027-01-31\n", "4:12: owner has no value", `put it in quotes: "&platform"`},
		{"Version: 1\nsecret: @s3cret\n", "2:9: not YAML: without quotes a text cannot begin with @", "put it in quotes"}, // not one of ours
		// Texts.
		{begin + "  - images: [a]\n    owner: see: the wiki\n    until: x\n", "4:15: not YAML: a text with a colon and a blank in it needs quotes", `put the text in quotes: "see: the wiki"`},
		{begin + "  - {images: [a], owner: see: the wiki, until: x}\n", "3:29: not YAML: a text with a colon and a blank in it needs quotes", `put the text in quotes: "see: the wiki"`},
		{begin + "  - owner: \"a\" b\n", "3:16: not YAML: something follows what is in quotes or brackets", "put all of it in quotes, or a comma between the two"},
		{begin + "  - images: [a], [b]\n", "3:16: not YAML: something follows what is in quotes or brackets", "put all of it in quotes, or a comma between the two"},
		{begin + "  - owner: \"https://a\\.b\"\n", "3:22: not YAML: there is no escape like this in \"…\"", `put it in '…', where \ stands for itself, or write \\`},
		{begin + "  - owner: \"a\n    images: [b]\n", "3:12: not YAML: nothing closes this quote", "close it"},
		{begin + "  - owner: 'a\n", "3:12: not YAML: nothing closes this quote", "close it"},
		{"version:1\nrules:\n  - images: [a]\n", "1:8: not YAML: no blank follows this colon, so that it ends no key", "put a blank behind the colon"},
		{begin + "  - images:[a]\n    owner: b\n", "3:11: not YAML: no blank follows this colon, so that it ends no key", "put a blank behind the colon"},
		{begin + "  - images: [a]\n    require:[b]\n", "4:12: not YAML: no blank follows this colon, so that it ends no key", "put a blank behind the colon"},
		{"version: 1\nrules\n  - images: [a]\n", "2:1: not YAML: there is no key in this line", "write key: value, or indent the line if it belongs to the text above"},
		{begin + "  - images: [a]\n    require\n    owner: a\n", "4:5: not YAML: there is no key in this line", "write key: value, or indent the line if it belongs to the text above"},
		// Lists and brackets.
		{begin + "  - images: [a, ghcr.io/a?p, b]\n", "3:26: not YAML: within brackets a text with ? in it needs quotes", `put the text in quotes: "ghcr.io/a?p"`},
		{"version: 1\nrules: - images: [a]\n", "2:8: not YAML: a list cannot begin behind its key with a dash", "begin the list in a line of its own, or write it as [a, b]"},
		{begin + "  - images: [a, , b]\n", "3:17: not YAML: nothing stands in front of this comma", "take out one comma"},
		{begin + "  - images: [a\n    require: [b]\n", "3:13: not YAML: nothing closes this [", "write ] where it ends, or the comma that is missing in it"},
		{begin + "  - {images: [a], require: [b]\n  - {images: [a]}\n", "3:5: not YAML: nothing closes this {", "write } where it ends, or the comma that is missing in it"},
		{"version: 1\nrules: [\n", "2:8: not YAML: nothing closes this [", "write ] where it ends, or the comma that is missing in it"},
		// Indentation.
		{begin + "  - images: [a]\n   require:\n      - b: {}\n", "4:4: not YAML: this line is indented by 3 blanks, as none that it could stand beside", "indent it by 2 or 4 blanks, as the lines above that it stands beside"},
		{begin + "  - images: [a]\n     require: []\n", "4:6: not YAML: this line is indented by 5 blanks, as none that it could stand beside", "indent it by 4 blanks, as the lines above that it stands beside"},
		{begin + "  - images: [a]\n - images: [b]\n", "4:2: not YAML: this line is indented by 1 blank, as none that it could stand beside", "indent it by 0 or 2 blanks, as the lines above that it stands beside"},
		{begin + strings.Repeat("  - images: [b]\n    require:\n      - c: {}\n", 10) + "    - images: [c]\n      require: []\n", "33:5: not YAML: this is an item of a list, where a key is expected", "indent it as what it belongs to, or write it as what stands above it"},
		{begin + "  - images: [a]\n    require:\n      - x: {}\n  images: [b]\n", "6:3: not YAML: this is a key, where an item of a list is expected", "indent it as what it belongs to, or write it as what stands above it"},
		{begin + "  - owner: a\n      until: b\n", "4:7: not YAML: the text of the line above goes on here, with a colon in it", "indent it as the line above, or put the text that begins there in quotes"},
		{begin + "  - keys:\n    - pem: |\n        *** [ \"\n        a: b: c\n      name: a\n     sha: b\n", "8:6: not YAML: this line is indented by 5 blanks, as none that it could stand beside", "indent it by 4 or 6 blanks, as the lines above that it stands beside"},
		// What is no letter, or is not seen.
		{"%YAML 1.2\n---\nversion: 1\n", "1:1: not YAML: lines that begin with % are not supported, not even %YAML 1.2", "take this line out"},
		{"version: 1\nowner: \"a\x01\"\n", "2:10: not YAML: a control character stands here", `take it out; in "…" it can be written as an escape`},
		{"version: 1\nowner: \"a\xff\"\n", "2:10: not YAML: this is not UTF-8", "save the file as UTF-8"},
		{"# Owned by us.\u2028rules: [{images: [a]}]\nversion: 1\n", "1:15: U+2028 ends a line, and so a comment, for some readers only", "take it out, or begin a new line in its place"},
		{"# Owned by us.\u2029rules: []\nversion: 1\n", "1:15: U+2029 ends a line, and so a comment, for some readers only", "take it out, or begin a new line in its place"},
		{"# Owned by us.\u0085rules: []\nversion: 1\n", "1:15: U+0085 ends a line, and so a comment, for some readers only", "take it out, or begin a new line in its place"},
		{"# Owned by us.\rrules: []\nversion: 1\n", "1:15: U+000D ends a line, and so a comment, for some readers only", "take it out, or begin a new line in its place"},
		{"version: 1 # \u202e x\n", "1:14: U+202E changes the order in which the text is shown", `take it out; in "…" it can be written as an escape`},
		{begin + "  - images: [a]\n    owner: \"\\u200b\"\n", "4:13: owner is an empty text", "write something that can be read, or take it out"},
		{begin + "  - images: [a]\n    owner: \u3164\n", "4:12: owner is an empty text", "write something that can be read, or take it out"},
	} {
		var d rulesDoc
		faults := yamlshape.Read("f.yml", []byte(tc.body), &d)
		if len(faults) < 1 || faults[0].Error() != "f.yml:"+tc.want || faults[0].Next != tc.next {
			t.Errorf("%q:\n got %q\nwant %q", tc.body, faults, tc.want)
			for _, f := range faults {
				t.Errorf("next %q, want %q", f.Next, tc.next)
			}
		}
	}
}

// One mistake does not hide others, and is told of once.
func TestFaultsBesides(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ body, want string }{
		"misspelt, required": {"version: 1\nrules:\n  - image: [a, '']\n    owner: 1\n",
			`3:5: an item of rules has no key image; did you mean images?|3:17: an item of images is an empty text; write something that can be read, or take it out|4:12: owner must be a text, and is the number "1"; write it in quotes: "1"`},
		"misspelt and there": {"version: 1\nrules:\n  - {image: [''], images: [a]}\n", `3:6: an item of rules has no key image; did you mean images?`},
		"beside, not below": {"version: 1\nrules:\n  - images: [a]\n    allow:\n    reason: b\n    digest: no\n    ownr: c\n",
			"4:11: allow has no value; indent what belongs to it by two blanks more: reason, digest|7:5: an item of rules has no key ownr; did you mean owner?"},
		"nothing, then a key of its own": {"version: 1\nrules:\n  - images: [a]\n    allow:\n    owner: b\n", `4:11: allow has no value; write allow: {reason: "…"}, or leave it out`},
		"shapes": {"version: 1\nrules:\n  - images: ghcr.io/acme/**\n    allow: true\n    until: soon\n    some: 1\n    quick: off\n",
			`3:13: images must be a list, and is the text "ghcr.io/acme/**"; write images: [ghcr.io/acme/**]|4:12: allow must be a mapping, and is the boolean "true"; write allow: {reason: "…"}|` +
				`5:12: until is "soon", which is no date; write year, month and day, such as 2027-01-31|6:11: some is 1, and must be at least 2; write 2 or more|7:12: quick must be true or false, and is the text "off"; write false`},
		"a mapping for a list": {"version: 1\nrules:\n  images: [a]\n", `3:3: rules must be a list, and is a mapping; write "- " in front of its first key, and indent the others by two blanks more`},
		"no rule":              {"version: 1\nrules: []\n", "2:8: rules is an empty list; write rules: [{images: [ghcr.io/acme/**]}], or leave it out"},
		"no image":             {"version: 1\nrules: [{images: []}]\n", "2:18: images is an empty list; write images: [ghcr.io/acme/**]"},
		"no version":           {"rules:\n  - owner: a\n", "1:1: the file lacks the key version; write version: 1|2:5: an item of rules lacks the key images; write images: [ghcr.io/acme/**]"},
		"no blank":             {"version: 1\nrules:\n  - images:\n      - a\n    allow:\n      reason:b\n", `6:7: allow must be a mapping, and is the text "reason:b"; put a blank behind the colon`},
	} {
		var d rulesDoc
		var got []string
		for _, f := range yamlshape.Read("f.yml", []byte(tc.body), &d) {
			line := strings.TrimPrefix(f.Error(), "f.yml:")
			if f.Next != "" {
				line += "; " + f.Next
			}
			got = append(got, line)
		}
		if strings.Join(got, "|") != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", name, strings.Join(got, "|"), tc.want)
		}
		for _, r := range d.Rules {
			if !r.Wrong {
				t.Errorf("%s: %+v is said to be right", name, r)
			}
		}
	}
}

// What can be placed has its place, and what is wrong is kept where it can say so.
func TestPlaces(t *testing.T) {
	t.Parallel()
	var d rulesDoc
	if faults := yamlshape.Read("f.yml", []byte("version: 1\nrules:\n  - images: [a]\n    some: 3\n    quick: true\n"), &d); len(faults) > 0 {
		t.Fatal(faults)
	}
	if r := d.Rules[0]; r.Wrong || r.Some != (yamlshape.Int{Value: 3, At: image.Position{File: "f.yml", Line: 4, Col: 11}}) || r.Quick != (yamlshape.Flag{Value: true, At: image.Position{File: "f.yml", Line: 5, Col: 12}}) {
		t.Errorf("%+v", r)
	}
	d = rulesDoc{}
	if faults := yamlshape.Read("f.yml", []byte("version: 1\nrules:\n  - images: [a, 1, b]\n    require: [c]\n  - 5\n"), &d); len(faults) != 2 {
		t.Fatal(faults)
	}
	if len(d.Rules) != 1 || !d.Rules[0].Wrong || len(d.Rules[0].Images) != 2 || len(d.Rules[0].Require) != 1 {
		t.Errorf("%+v", d.Rules)
	}
}

// A hostile text that is no YAML costs no more than a large one.
func TestSyntaxTakesNotLong(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("it is about time, and starts no goroutines")
	}
	const size = 1 << 20
	for _, piece := range []string{"! ", "* ", "[!a ", "[", "a: ", "a: [", "&a ", "- ", "\t", "'", "\"", "#", " #", "a", "a\n", " a: |\n", "{a: b: c", ", ", "- \t", "x:y\n", "\\"} {
		body := []byte("version: 1\nrules: " + strings.Repeat(piece, size/len(piece)) + "\n@ ] \"\x01")
		began := time.Now()
		var d rulesDoc
		yamlshape.Read("f.yml", body, &d)
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%q took %s", piece, took)
		}
	}
}
