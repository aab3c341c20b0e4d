package yamlshape_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

type (
	doc struct {
		At     image.Position
		Owner  yamlshape.Text            `yaml:"owner,required" doc:"Who answers."`
		Until  yamlshape.Date            `yaml:"until" doc:"The last day."`
		Count  int                       `yaml:"count" min:"1" max:"9"`
		Level  *int                      `yaml:"level" enum:"1,2"`
		Strict *bool                     `yaml:"strict"`
		Quick  bool                      `yaml:"quick"`
		Kind   *yamlshape.Text           `yaml:"kind" enum:"key,keyless"`
		Names  []yamlshape.Text          `yaml:"names" max:"3"`
		Pets   []yamlshape.Text          `yaml:"pets" enum:"cat,dog" min:"2"`
		Claims map[string]yamlshape.Text `yaml:"claims"`
		People []person                  `yaml:"people"`
		Boss   *person                   `yaml:"boss"`
		Any    yamlshape.Raw             `yaml:"any"`
		Rest   []yamlshape.Raw           `yaml:"rest"`
		Own    string                    // no tag: not read
	}
	person struct {
		At image.Position
		name
		Phone yamlshape.Text `yaml:"phone"`
	}
	name struct {
		Name yamlshape.Text `yaml:"name,required"`
	}
)

func TestRead(t *testing.T) {
	t.Parallel()
	body := `# é
owner: &o "a\u0062c"
until: 2027-01-31
count: 9
level: 2
strict: False
quick: true
kind: keyless
names: [x, *o, '1']
pets:
  - cat
  - dog
claims: {b: !!str 1.10, "yes": "no"}
people:
  - &p {name: P, phone: "12:30"}
  - <<: *p
    name: Q
boss: *p
any: [1]
rest: [~x, {a: b}, 3]
`
	var d doc
	if faults := yamlshape.Read("f.yml", []byte(body), &d); len(faults) > 0 {
		t.Fatal(faults)
	}
	at := func(x yamlshape.Text) string { return fmt.Sprintf("%s@%d:%d", x, x.At.Line, x.At.Col) }
	var rest []any
	for _, r := range d.Rest {
		rest = append(rest, r.Kind(), r.At.Line, r.At.Col)
	}
	got := fmt.Sprintln(d.At, at(d.Owner), d.Until.Time.Format(time.RFC3339), d.Until.At, d.Count, *d.Level, *d.Strict, d.Quick, at(*d.Kind)) +
		fmt.Sprintln(at(d.Names[0]), at(d.Names[1]), at(d.Names[2]), d.Pets, at(d.Claims["b"]), at(d.Claims["yes"])) +
		fmt.Sprintln(d.People[0].At, at(d.People[0].Name), d.People[1].At, at(d.People[1].Name), at(d.People[1].Phone), d.Boss.At, at(d.Boss.Name)) +
		fmt.Sprintln(d.Any.Kind(), rest)
	want := `{f.yml 2 1} abc@2:12 2027-01-31T00:00:00Z {f.yml 3 8} 9 2 false true keyless@8:7
x@9:9 abc@2:12 1@9:17 [cat dog] 1.10@13:19 no@13:33
{f.yml 15 5} P@15:15 {f.yml 16 5} Q@17:11 12:30@15:26 {f.yml 15 5} P@15:15
2 [1 20 8 3 20 12 1 20 20]
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Every way to be wrong has its place and says so.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ body, want, next string }{
		{"", "1:1: the file is empty", ""},
		{"# only words\n", "1:1: the file is empty", ""},
		{"~", "1:1: the file is empty", ""},
		{"--- \n---\n", "3:1: a second document begins here, after ---", "write one file for each"},
		{"owner: a\n---\nowner: b\n", "3:1: a second document begins here, after ---", "write one file for each"},
		{"owner: a\nowner: b", `2:1: the key "owner" is there twice, first in line 1`, "take one of them out"},
		{"owner: [", "1:8: not YAML: nothing closes this [", "write ] where it ends, or the comma that is missing in it"},
		{"[a]", "1:1: the file must be a mapping, and is a list", `begin it with owner: "…"`},
		{"a", "1:1: the file must be a mapping, and is a text", `begin it with owner: "…"`},
		{"!!set {owner: a}", `1:1: the file must be a mapping, and is something with the tag "!!set"`, "take the tag out"},
		{"!own {owner: a}", `1:1: the file must be a mapping, and is something with the tag "!own"`, "take the tag out"},
		{"{}", "1:1: the file lacks the key owner", `write owner: "…"`},
		{"quick: true", "1:1: the file lacks the key owner", `write owner: "…"`},
		// Texts.
		{"owner:", "1:7: owner has no value", `write owner: "…"`},
		{"owner: null", "1:8: owner has no value", `write owner: "…"`},
		{"owner: ''", "1:9: owner is an empty text", "write something that can be read, or take it out"},
		{`owner: " \n"`, "1:9: owner is an empty text", "write something that can be read, or take it out"},
		{"owner: 1", `1:8: owner must be a text, and is the number "1"`, `write it in quotes: "1"`},
		{"owner: 1.10", `1:8: owner must be a text, and is the number "1.10"`, `write it in quotes: "1.10"`},
		{"owner: 0x1F", `1:8: owner must be a text, and is the number "0x1F"`, `write it in quotes: "0x1F"`},
		{"owner: true", `1:8: owner must be a text, and is the boolean "true"`, `write it in quotes: "true"`},
		{"owner: No", `1:8: owner is "No", which not every reader of YAML takes for a text`, `write it in quotes: "No"`},
		{"owner: y", `1:8: owner is "y", which not every reader of YAML takes for a text`, `write it in quotes: "y"`},
		{"owner: 12:30", `1:8: owner is "12:30", which not every reader of YAML takes for a text`, `write it in quotes: "12:30"`},
		{"owner: 2027-01-31", `1:8: owner must be a text, and is the date "2027-01-31"`, `write it in quotes: "2027-01-31"`},
		{"owner: !!int 'a'", `1:15: owner must be a text, and is the number "a"`, `write it in quotes: "a"`},
		{"owner: !!binary YQ==", `1:17: owner must be a text, and is something with the tag "!!binary"`, `write it in quotes: "YQ=="`},
		{"owner: !x a", "1:8: owner must be a text, and without quotes a text cannot begin with !", `put it in quotes: "!x a"`},
		{"owner: [a]", "1:8: owner must be a text, and is a list", "write one text in its place"},
		{"owner: {a: b}", "1:8: owner must be a text, and is a mapping", "write one text in its place"},
		{"owner: a\nkind: keyles", `2:7: kind is "keyles", and must be key or keyless`, "did you mean keyless?"},
		{"owner: a\nkind: Key", `2:7: kind is "Key", and must be key or keyless`, "did you mean key?"},
		// Dates.
		{"owner: a\nuntil: 2027-02-29", `2:8: until is "2027-02-29", which is no date`, "write year, month and day, such as 2027-01-31"},
		{"owner: a\nuntil: 31.1.2027", `2:8: until is "31.1.2027", which is no date`, "write year, month and day, such as 2027-01-31"},
		{"owner: a\nuntil: 2027-1-1", `2:8: until is "2027-1-1", which is no date`, "write year, month and day, such as 2027-01-31"},
		{"owner: a\nuntil: 2027-01-31T10:00:00Z", `2:8: until is "2027-01-31T10:00:00Z", which is no date`, "write year, month and day, such as 2027-01-31"},
		{"owner: a\nuntil: 2027", `2:8: until must be a date such as 2027-01-31, and is the number "2027"`, "write year, month and day, such as 2027-01-31"},
		{"owner: a\nuntil: [2027-01-31]", "2:8: until must be a date such as 2027-01-31, and is a list", "write year, month and day, such as 2027-01-31"},
		// Numbers and booleans.
		{"owner: a\ncount: 0", "2:8: count is 0, and must be at least 1", "write 1 or more"},
		{"owner: a\ncount: 10", "2:8: count is 10, and must be at most 9", "write 9 or less"},
		{"owner: a\ncount: '1'", `2:9: count must be a whole number, and is the text "1"`, "write 1 without quotes"},
		{"owner: a\ncount: 1.0", `2:8: count must be a whole number, and is the number "1.0"`, "write a number such as 1"},
		{"owner: a\ncount: 07", `2:8: count must be a whole number, and is the number "07"`, "write a number such as 1"},
		{"owner: a\ncount: 1_0", `2:8: count must be a whole number, and is the number "1_0"`, "write a number such as 1"},
		{"owner: a\ncount: 99999999999999999999", `2:8: count must be a whole number, and is the number "99999999999999999999"`, "write a number such as 1"},
		{"owner: a\ncount:", "2:7: count has no value", "write count: 1, or leave it out"},
		{"owner: a\nlevel: 3", `2:8: level is "3", and must be 1 or 2`, ""},
		{"owner: a\nstrict: yes", `2:9: strict must be true or false, and is the text "yes"`, "write true"},
		{"owner: a\nstrict: 1", `2:9: strict must be true or false, and is the number "1"`, "write true"},
		{"owner: a\nstrict: 'true'", `2:10: strict must be true or false, and is the text "true"`, "write true"},
		{"owner: a\nstrict: !!bool yes", `2:16: strict must be true or false, and is the boolean "yes"`, "write true"},
		// Lists.
		{"owner: a\nnames: []", "2:8: names is an empty list", `write names: ["…"], or leave it out`},
		{"owner: a\nnames: b", `2:8: names must be a list, and is the text "b"`, `write names: ["b"]`},
		{"owner: a\nnames: {b: c}", "2:8: names must be a list, and is a mapping", `write names: ["…"]`},
		{"owner: a\nnames: [b, , c]", "2:12: not YAML: nothing stands in front of this comma", "take out one comma"},
		{"owner: a\nnames:\n  - b\n  -\n  - c", "4:4: an item of names has no value", `write "…"`},
		{"owner: a\nnames: [a, b, c, d]", "2:18: names has 4 items, and may have at most 3", ""},
		{"owner: a\npets: [cat]", "2:7: pets has 1 item, and needs at least 2", ""},
		{"owner: a\npets: [cat, cow]", `2:13: an item of pets is "cow", and must be cat or dog`, "did you mean cat?"},
		// Mappings.
		{"owner: a\nnams: [b]", "2:1: the file has no key nams", "did you mean names?"},
		{"owner: a\nOwner: b", `2:1: the file has no key "Owner"`, "did you mean owner?"},
		{"owner: a\nboss: {name: b, years: 3}", "2:17: boss has no key years", "the keys here are name, phone"},
		{"owner: a\nboss: {phone: b}", "2:7: boss lacks the key name", `write name: "…"`},
		{"owner: a\npeople:\n  - phone: b\n", "3:5: an item of people lacks the key name", `write name: "…"`},
		{"owner: a\npeople:\n  - b\n", `3:5: an item of people must be a mapping, and is the text "b"`, `write {name: "…"}`},
		{"owner: a\n1: b", `2:1: the file has no key 1`, "the keys here are"},
		{"owner: a\n? [b]\n: c", "2:3: a key of the file must be a text, and is a list", ""},
		{"owner: a\n!!binary quick: true", `2:10: the file has no key quick`, "did you mean quick?"},
		{"owner: a\nclaims: {}", "2:9: claims is an empty mapping", `write claims: {name: "…"}, or leave it out`},
		{"owner: a\nclaims: [b]", "2:9: claims must be a mapping, and is a list", `write claims: {name: "…"}`},
		{"owner: a\nclaims: {1: b}", `2:10: a key of claims must be a text, and is the number "1"`, `write it in quotes: "1"`},
		{"owner: a\nclaims: {'': b}", "2:11: a key of claims is an empty text", "write something that can be read, or take it out"},
		{"owner: a\nclaims: {~: b}", "2:10: a key of claims has no value", ""},
		{"owner: a\nclaims: {on: b}", `2:10: a key of claims is "on", which not every reader of YAML takes for a text`, `write it in quotes: "on"`},
		{"owner: a\nclaims: {b: 1}", `2:13: b must be a text, and is the number "1"`, `write it in quotes: "1"`},
		{"owner: a\nclaims: {b c: 1}", `2:15: "b c" must be a text, and is the number "1"`, `write it in quotes: "1"`},
		{"owner: a\nany:", "2:5: any has no value", "write what it should be, or take it out"},
		{"owner: a\nrest: [b, null]", "2:11: an item of rest has no value", "write what it should be, or take it out"},
		{"owner: a\n<<: b", `2:5: what << merges must be a mapping, and is the text "b"`, ""},
		{"owner: a\n<<: [{quick: true}, [c]]", "2:21: what << merges must be a mapping, and is a list", ""},
		{"owner: a\n<<: {<<: 5}", `2:10: what << merges must be a mapping, and is the number "5"`, ""},
		{"owner: a\n<<: {quik: true}", "2:6: the file has no key quik", "did you mean quick?"},
		{"owner: a\n'<<': {quick: true}", `2:2: the file has no key "<<"`, "the keys here are"},
		// Hostile texts are cut and quoted.
		{"owner: a\n" + strings.Repeat("k", 100) + ": 1", `2:1: the file has no key "` + strings.Repeat("k", 60) + `…"`, "the keys here are"},
		{"owner: a\n\"\\e[31m\": 1", `2:2: the file has no key "\x1b[31m"`, "the keys here are"},
	} {
		var d doc
		faults := yamlshape.Read("f.yml", []byte(tc.body), &d)
		if len(faults) != 1 || faults[0].Error() != "f.yml:"+tc.want || tc.next != faults[0].Next && (tc.next == "" || !strings.HasPrefix(faults[0].Next, tc.next)) {
			t.Errorf("%q: got %q", tc.body, faults)
			for _, f := range faults {
				t.Errorf("next %q, want %q", f.Next, tc.next)
			}
		}
	}
}

// All faults come, in the order of the file, and what they are in is left out.
func TestManyFaults(t *testing.T) {
	t.Parallel()
	var d doc
	faults := yamlshape.Read("f.yml", []byte("quik: 1\nnames: [1, b]\nboss: {}\npeople: [{name: a}, {name: 1}, {name: c}]\nclaims: {a: 1, b: b}\n"), &d)
	var places []string
	for _, f := range faults {
		places = append(places, fmt.Sprintf("%d:%d", f.At.Line, f.At.Col))
	}
	if got, want := strings.Join(places, " "), "1:1 1:1 1:7 2:9 3:7 4:28 5:13"; got != want {
		t.Errorf("faults at %s, want %s: %v", got, want, faults)
	}
	if len(d.Names) != 1 || d.Boss != nil || len(d.People) != 2 || d.People[1].Name.Value != "c" || len(d.Claims) != 1 {
		t.Errorf("read %+v", d)
	}
}

func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"people: [" + strings.Repeat("{a: 1},", 5000) + "]",
		"owner: a\nclaims: {" + numbered("k%d: 1,", 5000) + "}",
		"owner: a\n" + numbered("k%d: 1\n", 5000),
		"owner: a\nrest: [" + strings.Repeat("~,", 5000) + "]",
	} {
		var d doc
		if faults := yamlshape.Read("f", []byte(body), &d); len(faults) < 1000 || len(faults) > 1002 || len(d.People)+len(d.Claims)+len(d.Rest) > 0 {
			t.Errorf("%.30q…: %d faults, and %d, %d and %d were read", body, len(faults), len(d.People), len(d.Claims), len(d.Rest))
		}
	}
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestRaw(t *testing.T) {
	t.Parallel()
	var d doc
	if faults := yamlshape.Read("f", []byte("owner: a\nrest:\n  - b\n  - c: {name: e}\n    d: [f]\n  - 5\n  - [g, ~]\n  - {~: x, w: ~, z: 1}\n"), &d); len(faults) > 0 {
		t.Fatal(faults)
	}
	if text, fault := d.Rest[0].Text(); fault != nil || text.Value != "b" || text.At.Line != 3 {
		t.Errorf("%v, %v", text, fault)
	}
	pairs, faults := d.Rest[1].Pairs()
	if len(faults) > 0 || len(pairs) != 2 || pairs[0].Key.Value != "c" || pairs[1].Key.At.Line != 5 || pairs[1].Value.Kind() != yamlshape.List {
		t.Fatalf("%+v, %v", pairs, faults)
	}
	var p person
	if faults := pairs[0].Value.Decode(&p); len(faults) > 0 || p.Name.Value != "e" || p.At.Line != 4 {
		t.Errorf("%+v, %v", p, faults)
	}
	faults = pairs[1].Value.Decode(&p)
	_, fault := d.Rest[2].Text()
	_, more := d.Rest[0].Pairs()
	items, fewer := d.Rest[3].Items()
	some, wrong := d.Rest[4].Pairs()
	faults = append(append(append(append(faults, fault), more...), fewer...), wrong...)
	if len(items) != 1 || len(some) != 1 || some[0].Key.Value != "z" {
		t.Errorf("%v, %v", items, some)
	}
	var zero yamlshape.Raw
	_, fault = zero.Text()
	_, more = zero.Pairs()
	_, fewer = zero.Items()
	if faults = append(append(append(faults, fault), more...), fewer...); zero.Kind() != yamlshape.Nothing {
		t.Error(zero.Kind())
	}
	want := []string{
		"f:5:8: d must be a mapping, and is a list",
		`f:6:5: an item of rest must be a text, and is the number "5"`,
		`f:3:5: an item of rest must be a mapping, and is the text "b"`,
		"f:7:9: an item of an item of rest has no value",
		"f:8:6: a key of an item of rest has no value",
		"f:8:15: w has no value",
		":0:0: nothing is written here", ":0:0: nothing is written here", ":0:0: nothing is written here",
	}
	for i, f := range faults {
		if i >= len(want) || f.Error() != want[i] {
			t.Errorf("fault %d: %v", i, f)
		}
	}
	if len(faults) != len(want) {
		t.Errorf("%d faults", len(faults))
	}
}
