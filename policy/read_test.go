package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/yamlshape"
)

// A stampForm is what the tests sign with.
type stampForm struct {
	By     yamlshape.Text   `yaml:"by,required" doc:"Whose stamp."`
	Ink    *yamlshape.Text  `yaml:"ink" enum:"blue,black" doc:"Its colour."`
	Copies int              `yaml:"copies" min:"1" doc:"How many."`
	Notes  []yamlshape.Text `yaml:"notes" doc:"What it says."`
	Since  *yamlshape.Date  `yaml:"since" doc:"The first day."`
	Wet    *bool            `yaml:"wet" doc:"Whether it may be wet."`
	checks int
}

func (f *stampForm) Check() []*yamlshape.Fault {
	f.checks++
	switch f.By.Value {
	case "nobody":
		return []*yamlshape.Fault{yamlshape.Faultf(f.By.At, "name somebody", "nobody has no stamp")}
	case "placeless":
		return []*yamlshape.Fault{{Err: errors.New("somewhere")}}
	}
	return nil
}

func (f *stampForm) Doubts() []Doubt { return nil }

type sealForm struct {
	Wax map[string]yamlshape.Text `yaml:"wax" doc:"What is in it."`
}

func (f *sealForm) Check() []*yamlshape.Fault { return nil }
func (f *sealForm) Doubts() []Doubt           { return nil }

// fakes are systems that no other package knows.
func fakes() []System {
	return []System{
		{Name: "stamp", Doc: "A stamp.", New: func() Form { return &stampForm{} }},
		{Name: "seal", Doc: "A seal.", New: func() Form { return &sealForm{} }},
	}
}

func read(body string) (*Policy, error) {
	return Read("p.yml", []byte(body), Options{Systems: fakes()})
}

func TestRead(t *testing.T) {
	t.Parallel()
	p, err := read(`version: 1
rules:
  - images: [ghcr.io/acme/**, "!ghcr.io/acme/legacy-*"]
    require:
      - stamp: {by: me, ink: blue, copies: 2, notes: [a], since: 2026-01-01, wet: false}
      - any-of:
          - seal: {wax: {red: "1"}}
          - all-of: [stamp: {by: you}, stamp: {by: them}]
  - images: [docker.io/library/**]
    allow-unsigned: {require-digest: true, reason: "upstream does not sign"}
exceptions:
  - {images: [alpine:3.22], until: 2027-01-31, owner: platform, reason: why not}
`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.rules[0].describe(), `p.yml:3:5 policy 0 require [stamp@5:9 me blue 2; any-of@6:9 [seal@7:13 map[red:1]; all-of@8:13 [stamp@8:22 you 0; stamp@8:40 them 0]]]`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := p.rules[1].describe(), `p.yml:9:5 policy 0 unsigned 10:21 true upstream does not sign`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	e := p.exceptions[0]
	if got, want := fmt.Sprintln(len(p.rules), len(p.exceptions), e.At, e.origin, e.Until.Time.Format("2006-01-02"), e.Owner, e.Reason), "2 1 {p.yml 12 5} {policy 0} 2027-01-31 platform why not\n"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := p.rules[0].require[0].form.(*stampForm).checks; n != 1 {
		t.Errorf("checked %d times", n)
	}
}

// describe writes all that was read into a rule but its images.
func (r rule) describe() string {
	s := fmt.Sprintf("%s:%d:%d %s %d ", r.at.File, r.at.Line, r.at.Col, r.origin.name, r.origin.layer)
	if r.unsigned != nil {
		return s + fmt.Sprintf("unsigned %d:%d %v %s", r.unsigned.At.Line, r.unsigned.At.Col, *r.unsigned.RequireDigest, r.unsigned.Reason)
	}
	return s + "require " + describeAll(r.require)
}

func describeAll(all []requirement) string {
	var items []string
	for _, q := range all {
		at := fmt.Sprintf("@%d:%d ", q.at.Line, q.at.Col)
		switch f := q.form.(type) {
		case *stampForm:
			s := fmt.Sprint(q.of.Name, at, f.By)
			if f.Ink != nil {
				s += " " + f.Ink.Value
			}
			items = append(items, fmt.Sprint(s, " ", f.Copies))
		case *sealForm:
			items = append(items, fmt.Sprint(q.of.Name, at, f.Wax))
		default:
			if q.anyOf != nil {
				items = append(items, "any-of"+at+describeAll(q.anyOf))
			}
			if q.allOf != nil {
				items = append(items, "all-of"+at+describeAll(q.allOf))
			}
		}
	}
	return "[" + strings.Join(items, "; ") + "]"
}

// A faultCase is a policy with something wrong, and all that is said of it.
type faultCase struct{ name, body, want string }

func faultCases() []faultCase {
	const keys = "stamp, seal, any-of, all-of"
	rule := func(require string) string {
		return "version: 1\nrules:\n  - images: [a]\n    require:\n" + require
	}
	return []faultCase{
		{"empty", "", "1:1: the file is empty"},
		{"no rules", "version: 1", "1:1: the policy is empty: no image can pass; write rules, publishers or extends"},
		{"exceptions alone", "version: 1\nexceptions:\n  - {images: [a], until: 2027-01-31, owner: b, reason: c}", "1:1: the policy is empty: no image can pass; write rules, publishers or extends"},
		{"empty rules", "version: 1\nrules: []", "2:8: rules is an empty list; write rules: [{images: [ghcr.io/acme/**], require: […]}], or leave it out"},
		{"empty exceptions", "version: 1\nexceptions: []", `2:13: exceptions is an empty list; write exceptions: [{images: [ghcr.io/acme/**], until: 2027-01-31, owner: "…", reason: "…"}], or leave it out`},
		{"empty publishers", "version: 1\npublishers: []", "2:13: publishers is an empty list; write publishers: [distroless], or leave it out"},
		{"empty extends", "version: 1\nextends: []", "2:10: extends is an empty list; write extends: [{file: base.yaml}], or leave it out"},
		{"no version", "rules:\n  - {images: [a], require: [stamp: {by: a}]}", "1:1: the file lacks the key version; write version: 1"},
		{"version 2", "version: 2\nrules:\n  - {images: [a], require: [stamp: {by: a}]}", `1:10: version is "2", and must be 1`},
		{"version as text", "version: '1'\nrules:\n  - {images: [a], require: [stamp: {by: a}]}", `1:11: version must be a whole number, and is the text "1"; write 1 without quotes`},
		{"misspelt", "version: 1\nrule:\n  - {images: [a], require: [stamp: {by: a}]}", "2:1: the file has no key rule; did you mean rules?"},
		{"misspelt in a rule", "version: 1\nrules:\n  - {image: [a], require: [stamp: {by: a}]}",
			"3:6: an item of rules has no key image; did you mean images?"},
		{"misspelt, and more", "version: 1\nrules:\n  - image: [a, acme**]\n    require: [stamp: {bye: nobody, ink: red, copies: 0}]\n  - images: ['', acme**, '!']\n    reqire: [stmp: {}]",
			"3:5: an item of rules has no key image; did you mean images?\n" +
				`3:16: image pattern "acme**": ** stands for whole segments, and is glued to something else; write / on both sides of **, or one * for a part of a segment` + "\n" +
				"4:23: stamp has no key bye; did you mean by?\n4:28: nobody has no stamp; name somebody\n" + `4:41: ink is "red", and must be blue or black` + "\n4:54: copies is 0, and must be at least 1; write 1 or more\n" +
				"5:15: an item of images is an empty text; write something that can be read, or take it out\n" +
				`5:18: image pattern "acme**": ** stands for whole segments, and is glued to something else; write / on both sides of **, or one * for a part of a segment` + "\n" +
				`5:27: image pattern "!": it names nothing; write it as registry/repository` + "\n" +
				"6:5: an item of rules has no key reqire; did you mean require?\n" + `6:14: there is no requirement "stmp"; did you mean stamp?`},
		{"only the ! is right", "version: 1\nrules:\n  - images: ['', '!a']\n    require: [stamp: {by: a}]", "3:15: an item of images is an empty text; write something that can be read, or take it out"},
		{"beside, not below", rule("      - stamp:\n        by: me\n        ink: blue"), "5:15: stamp has no value; indent what belongs to it by two blanks more: by, ink"},
		{"another word", rule("      - cosign"), `5:9: an item of require must be a mapping, and is the text "cosign"; write one of stamp, seal, any-of, all-of with a colon and what it needs`},
		{"a group's word", rule("      - any-of"), `5:9: an item of require must be a mapping, and is the text "any-of"; say of what: any-of: […]`},
		{"shape and check", rule("      - stamp: {by: nobody, since: soon}"), "5:21: nobody has no stamp; name somebody\n" + `5:36: since is "soon", which is no date; write year, month and day, such as 2027-01-31`},
		{"both", "version: 1\nrules:\n  - images: [a]\n    require: [stamp: {by: a}]\n    allow-unsigned: {reason: b}",
			"5:21: the rule has require, and allow-unsigned as well; keep one of them"},
		{"neither", "version: 1\nrules:\n  - images: [a]", "3:5: the rule has neither require nor allow-unsigned; say what the images must have, or why they need nothing"},
		{"no images", "version: 1\nrules:\n  - images: []\n    require: [stamp: {by: a}]", "3:13: images is an empty list; write images: [ghcr.io/acme/**]"},
		{"null require", "version: 1\nrules:\n  - images: [a]\n    require:", "4:13: require has no value; write require: […], or leave it out"},
		{"nothing required", "version: 1\nrules:\n  - images: [a]\n    require: []", "4:14: require is an empty list; write an item, or leave it out"},
		{"require is no list", "version: 1\nrules:\n  - images: [a]\n    require: {stamp: {by: a}}", "4:14: require must be a list, and is a mapping; put it in brackets: require: [{…}]"},
		{"unsigned for no reason", "version: 1\nrules:\n  - images: [a]\n    allow-unsigned: {require-digest: false}", `4:21: allow-unsigned lacks the key reason; write reason: "…"`},
		{"unsigned by a word", "version: 1\nrules:\n  - images: [a]\n    allow-unsigned: true", `4:21: allow-unsigned must be a mapping, and is the boolean "true"; write allow-unsigned: {reason: "…"}`},
		{"digest by a word", "version: 1\nrules:\n  - images: [a]\n    allow-unsigned: {require-digest: no, reason: b}", `4:38: require-digest must be true or false, and is the text "no"; write false`},

		{"unknown system", rule("      - stmp: {by: a}"), `5:9: there is no requirement "stmp"; did you mean stamp?`},
		{"system in capitals", rule("      - Stamp: {by: a}"), `5:9: there is no requirement "Stamp"; did you mean stamp?`},
		{"system of another build", rule("      - notation: {by: a}"), `5:9: there is no requirement "notation"; write one of ` + keys},
		{"empty requirement", rule("      - {}"), "5:9: this requirement is empty; write one of " + keys},
		{"two in one", rule("      - stamp: {by: a}\n        seal: {wax: {a: b}}"), "6:9: this requirement has more than one key; write it as an item of its own, behind another dash"},
		{"a word", rule("      - stamp"), `5:9: an item of require must be a mapping, and is the text "stamp"; say more of it: stamp: {by: "…"}`},
		{"null", rule("      -"), "5:8: an item of require has no value; write what it should be, or take it out"},
		{"null form", rule("      - stamp:"), "5:15: stamp has no value; write what it should be, or take it out"},
		{"shape of a form", rule("      - stamp: {by: 1, inc: blue}"), `5:21: by must be a text, and is the number "1"; write it in quotes: "1"` + "\n" + "5:24: stamp has no key inc; did you mean ink?"},
		{"key of a form", rule("      - stamp: {ink: red}"), "5:16: stamp lacks the key by; write by: \"…\"\n" + `5:22: ink is "red", and must be blue or black`},
		{"map of a form", rule("      - seal: {wax: {}}"), `5:21: wax is an empty mapping; write wax: {name: "…"}, or leave it out`},
		{"check of a form", rule("      - stamp: {by: nobody}"), "5:21: nobody has no stamp; name somebody"},
		{"check without a place", rule("      - stamp: {by: placeless}"), "5:16: somewhere"},
		{"check in a group", rule("      - any-of:\n          - stamp: {by: a}\n          - all-of: [stamp: {by: nobody}]"), "7:34: nobody has no stamp; name somebody"},
		{"empty any-of", rule("      - any-of: []"), "5:17: any-of is an empty list; write an item"},
		{"empty all-of", rule("      - any-of: [stamp: {by: a}]\n      - any-of: [all-of: []]"), "6:26: all-of is an empty list; write an item"},
		{"null in a group", rule("      - any-of: [stamp: {by: a}, ~]"), "5:34: an item of any-of has no value; write what it should be, or take it out"},
		{"group of a mapping", rule("      - any-of: {stamp: {by: a}}"), "5:17: any-of must be a list, and is a mapping; put it in brackets: any-of: [{…}]"},
		{"nested 9 deep", nested(9), "5:98: any-of and all-of stand more than 8 deep in each other"},
		{"101 requirements", rule("      - any-of: [" + strings.Repeat("stamp: {by: a}, ", 50) + "]\n      - any-of: [" + strings.Repeat("stamp: {by: a}, ", 50) + "]"),
			"6:786: the rule has more than 100 requirements"},
		{"101 items", rule(strings.Repeat("      - stamp: {by: a}\n", 101)), "105:9: require has 101 items, and may have at most 100"},
		{"1001 images", "version: 1\nrules:\n  - images: [" + strings.Repeat("a,", 1001) + "]\n    require: [stamp: {by: a}]", "3:2014: images has 1001 items, and may have at most 1000"},
		{"2001 rules", "version: 1\nrules:\n" + strings.Repeat("  - {images: [a], require: [stamp: {by: a}]}\n", 2001), "2003:5: rules has 2001 items, and may have at most 2000"},
		{"1001 exceptions", rule("      - stamp: {by: a}\nexceptions:\n") + strings.Repeat("  - {images: [a], until: 2027-01-31, owner: b, reason: c}\n", 1001),
			"1007:5: exceptions has 1001 items, and may have at most 1000"},

		{"no such day", rule("      - stamp: {by: a}\nexceptions:\n  - {images: [a], until: 2027-02-30, owner: b, reason: c}"), `7:26: until is "2027-02-30", which is no date; write year, month and day, such as 2027-01-31`},
		{"no end", rule("      - stamp: {by: a}\nexceptions:\n  - {images: [a], owner: b, reason: c}"), "7:5: an item of exceptions lacks the key until; write until: 2027-01-31"},
		{"no owner", rule("      - stamp: {by: a}\nexceptions:\n  - {images: [a], until: 2027-01-31, owner: ' ', reason: c}"), "7:46: owner is an empty text; write something that can be read, or take it out"},
		{"no reason", rule("      - stamp: {by: a}\nexceptions:\n  - {images: [a], until: 2027-01-31, owner: a, reason: }"), `7:56: reason has no value; write reason: "…"`},
		{"two documents", rule("      - stamp: {by: a}\n---\nversion: 1"), "7:1: a second document begins here, after ---; write one file for each"},
		{"twice", rule("      - stamp: {by: a}\nrules: []"), `6:1: the key "rules" is there twice, first in line 2; take one of them out`},
		{"shape after meaning", "version: 1\nrules:\n  - images: [a]\nrule: 1", "3:5: the rule has neither require nor allow-unsigned; say what the images must have, or why they need nothing\n4:1: the file has no key rule; did you mean rules?"},
		{"once for all aliases", rule("      - &s {stamp: {by: nobody}}\n      - *s\n      - *s"), "5:25: nobody has no stamp; name somebody"},
		{"several, by place", "version: 2\nexceptions:\n  - {images: [a]}\nrules:\n  - {images: [a]}\n  - {images: [a], require: [stmp: {}, stamp: {by: nobody}]}\n",
			`1:10: version is "2", and must be 1
3:5: an item of exceptions lacks the key until; write until: 2027-01-31
3:5: an item of exceptions lacks the key owner; write owner: "…"
3:5: an item of exceptions lacks the key reason; write reason: "…"
5:5: the rule has neither require nor allow-unsigned; say what the images must have, or why they need nothing
6:29: there is no requirement "stmp"; did you mean stamp?
6:51: nobody has no stamp; name somebody`},
	}
}

// nested returns a policy with n groups in each other.
func nested(n int) string {
	return "version: 1\nrules:\n  - images: [a]\n    require:\n      - " + strings.Repeat("{any-of: [", n) + "{stamp: {by: a}}" + strings.Repeat("]}", n)
}

// What is wrong with a policy is said with its place; then there is no policy.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, tc := range faultCases() {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p, err := read(tc.body)
			var e *Error
			if !errors.As(err, &e) || p != nil {
				t.Fatalf("%v, %v", p, err)
			}
			want := "p.yml:" + strings.ReplaceAll(tc.want, "\n", "\np.yml:")
			if err.Error() != want {
				t.Errorf("got  %s\nwant %s", err, want)
			}
			if n := strings.Count(want, "\n") + 1; len(e.Faults()) != n || len(e.Unwrap()) != n {
				t.Errorf("%d faults", len(e.Faults()))
			}
		})
	}
	for n := range 9 {
		if _, err := read(nested(n)); err != nil {
			t.Errorf("%d groups in each other: %v", n, err)
		}
	}
}

// No system is known unless it is given: what is required then cannot be read.
func TestNoSystems(t *testing.T) {
	t.Parallel()
	p, err := Read("p.yml", []byte("version: 1\nrules:\n  - {images: [a], require: [stamp: {by: a}]}"), Options{})
	if want := `p.yml:3:29: there is no requirement "stamp"; write one of any-of, all-of`; p != nil || err == nil || err.Error() != want {
		t.Errorf("%v, %v", p, err)
	}
}

func TestErrorIsBounded(t *testing.T) {
	t.Parallel()
	_, err := read("version: 1\nrules:\n" + strings.Repeat("  - {images: [a]}\n", 25))
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 21 || lines[20] != "… and 5 more" {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
	_, err = read("version: 1\nrules:\n" + strings.Repeat("- {images: [a], require: ["+strings.Repeat("stamp: {by: nobody},", 100)+"]}\n", 30))
	var e *Error
	if !errors.As(err, &e) || len(e.Faults()) != maxReadFaults {
		t.Errorf("%d faults", len(e.Faults()))
	}
	var f *yamlshape.Fault
	if !errors.As(err, &f) || f.At.Line != 3 {
		t.Errorf("the first fault is %v", f)
	}
}

// soundPolicies are those that Read accepts.
func soundPolicies() map[string]string {
	const rule = "rules: [{images: [a], require: [stamp: {by: a}]}]"
	return map[string]string{
		"small":      "{version: 1, " + rule + "}",
		"allowances": "version: 1\nrules:\n  - images: [a]\n    allow-unsigned: {reason: b}\n  - images: [b]\n    allow-unsigned: {reason: b, require-digest: false}",
		"all of a form": `
version: 1
rules:
  - images: [ghcr.io/acme/**, "!ghcr.io/acme/legacy-*"]
    require:
      - stamp: {by: "1", ink: black, copies: 1, notes: [a, b], since: "2026-01-01", wet: True}
      - seal: {wax: {"1": "2", red: yellow}}
      - seal: {}
`,
		"groups": "{version: 1, rules: [{images: [a], require: [any-of: [all-of: [seal: {}, stamp: {by: b}], stamp: {by: c}]]}]}",
		"exceptions": "version: 1\n" + rule + "\nexceptions:\n" +
			"  - {images: [a], until: 2020-02-29, owner: b, reason: c}\n  - {images: [b], until: '2027-01-31', owner: \"no\", reason: \"x: y\"}",
		"aliases": "version: 1\nrules:\n  - &r {images: &i [a], require: &q [stamp: {by: a}]}\n  - {<<: *r, images: [b]}\n  - {images: [c], require: *q}\n" +
			"exceptions:\n  - {images: *i, until: 2027-01-31, owner: b, reason: &c \"c\"}\n  - images: [d]\n    until: 2027-01-31\n    owner: *c\n    reason: |\n      c\n",
		"json":   `{"version": 1, "rules": [{"images": ["a"], "require": [{"stamp": {"by": "a"}}]}]}`,
		"crlf":   "\ufeffversion: 1\r\n" + rule + "\r\n",
		"marked": "%YAML 1.1\n---\nversion: 1\n" + rule + "\n...\n",
	}
}
