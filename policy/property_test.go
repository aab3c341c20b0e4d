package policy

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/internal/yamlnode"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

// The order of keys and of items, but for the items of a form's own lists,
// changes nothing of what is read.
func TestOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) // the same each time
	for name, body := range soundPolicies() {
		p, err := read(body)
		if err != nil {
			t.Fatal(err)
		}
		want := meaning(p)
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(body), &n); err != nil {
			t.Fatal(err)
		}
		written := expand(&n)
		for range 50 {
			shuffle(written, random)
			again, err := yaml.Marshal(written)
			if err != nil {
				t.Fatal(err)
			}
			q, err := read(string(again))
			if err != nil {
				t.Fatalf("%s: %v in\n%s", name, err, again)
			}
			if got := meaning(q); got != want {
				t.Fatalf("%s: read as\n%swant\n%sin\n%s", name, got, want, again)
			}
		}
	}
}

// expand returns n with nothing but what it says: no aliases, merges and
// comments, so that every order of it can be written.
func expand(n *yaml.Node) *yaml.Node {
	n = yamlnode.Resolve(n)
	c := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value, Style: n.Style}
	switch n.Kind {
	case yaml.MappingNode:
		for _, p := range yamlnode.Pairs(n) {
			c.Content = append(c.Content, expand(p.Key), expand(p.Value))
		}
	default:
		for _, item := range n.Content {
			c.Content = append(c.Content, expand(item))
		}
	}
	return c
}

func shuffle(n *yaml.Node, random *rand.Rand) {
	size := 1
	if n.Kind == yaml.MappingNode {
		size = 2
	}
	random.Shuffle(len(n.Content)/size, func(i, j int) {
		for k := range size {
			a, b := i*size+k, j*size+k
			n.Content[a], n.Content[b] = n.Content[b], n.Content[a]
		}
	})
	for _, c := range n.Content {
		shuffle(c, random)
	}
}

// meaning writes what a policy says, without places and order.
func meaning(p *Policy) string {
	var all []string
	for _, r := range p.rules {
		s := fmt.Sprintf("rule of %v: ", r.origin)
		if r.unsigned != nil {
			digest := r.unsigned.RequireDigest == nil || *r.unsigned.RequireDigest
			s += fmt.Sprintf("unsigned %v %s", digest, r.unsigned.Reason)
		}
		all = append(all, s+meanings(r.require))
	}
	for _, e := range p.exceptions {
		all = append(all, fmt.Sprintf("exception of %v: %v %s %s", e.origin, e.Until.Time, e.Owner, e.Reason)+sortedTexts(e.Images))
	}
	slices.Sort(all)
	return strings.Join(all, "\n") + "\n"
}

func meanings(requirements []requirement) string {
	var all []string
	for _, q := range requirements {
		switch f := q.form.(type) {
		case *stampForm:
			all = append(all, fmt.Sprintf("%s by %s ink %v copies %d notes %s since %v wet %v",
				q.of.Name, f.By, f.Ink != nil && f.Ink.Value == "blue", f.Copies, sortedTexts(f.Notes), f.Since != nil && f.Since.Time.IsZero(), f.Wet != nil && *f.Wet))
		case *sealForm:
			all = append(all, fmt.Sprint(q.of.Name, f.Wax))
		default:
			all = append(all, "any of "+meanings(q.anyOf)+" all of "+meanings(q.allOf))
		}
	}
	slices.Sort(all)
	return "(" + strings.Join(all, "; ") + ")"
}

func sortedTexts(all []yamlshape.Text) string {
	var values []string
	for _, t := range all {
		values = append(values, t.Value)
	}
	slices.Sort(values)
	return fmt.Sprintf("%q", values)
}

// What is made to take long ends soon, with a fault.
func TestHostile(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("seconds of work")
	}
	const rule = "version: 1\nrules:\n  - images: [a]\n    require: "
	number := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	doubling := "version: 1\nx0: &x0 [stamp: {by: nobody}]\n" // each list stands for 9 of the one before
	for i := range 8 {
		doubling += fmt.Sprintf("x%d: &x%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("any-of: *x%d,", i), 9), ","))
	}
	for name, body := range map[string]string{
		"100,000 keys":           "version: 1\n" + number("k%d: 1\n", 100_000),
		"100,000 keys of a form": rule + "[stamp: {by: a, " + number("k%d: 1,", 100_000) + "}]",
		"100,000 keys of a map":  rule + "[seal: {wax: {" + number("k%d: 1,", 100_000) + "}}]",
		"100,000 systems":        rule + "[{" + number("k%d: 1,", 100_000) + "}]",
		"100,000 items":          rule + "[" + strings.Repeat("stamp: {by: a},", 100_000) + "]",
		"100,000 images":         "version: 1\nrules:\n  - images: [" + number("a%d,", 100_000) + "]\n    allow-unsigned: {reason: b}",
		"100,000 rules":          "version: 1\nrules:\n" + strings.Repeat("- {images: [a]}\n", 100_000),
		"400 rules, 100 faults":  "version: 1\nrules:\n- images: [a]\n  require: &x [" + strings.Repeat("stamp: {by: nobody},", 100) + "]\n" + strings.Repeat("- {images: [a], require: *x}\n", 400),
		"aliases of aliases":     doubling + "rules: [{images: [a], require: *x8}]",
		"nested":                 rule + strings.Repeat("[any-of: ", 300) + "[stamp: {by: a}]" + strings.Repeat("]", 300),
		"nested too deep":        rule + strings.Repeat("[any-of: ", 100_000),
		"open brackets":          strings.Repeat("[", 1<<20),
		"merges":                 "version: 1\nx: &x {" + number("k%d: 1,", 1000) + "}\nrules:\n" + strings.Repeat("- {<<: *x}\n", 200),
		"a key of a megabyte":    strings.Repeat("k", 1<<20) + ": 1",
		"a text of a megabyte":   rule + "[stamp: {by: a, ink: " + strings.Repeat("x", 1<<20) + "}]",
		"more than 4 MiB":        strings.Repeat("#", yamlnode.MaxFile+1),
	} {
		start := time.Now()
		p, err := read(body)
		took := time.Since(start)
		var e *Error
		if p != nil || !errors.As(err, &e) || len(e.Faults()) > maxReadFaults+2 || len(err.Error()) > 1<<13 {
			t.Errorf("%s: %v, an error of %d bytes", name, p, len(fmt.Sprint(err)))
			continue
		}
		t.Logf("%-24s %4d ms, %4d faults, %.100q", name, took.Milliseconds(), len(e.Faults()), err)
		if took > 5*time.Second { // a second on a machine with nothing else to do
			t.Errorf("%s took %v", name, took)
		}
	}
}

// Nothing panics, a policy comes without faults or not at all, and what is read
// follows the schema.
func FuzzRead(f *testing.F) {
	for _, body := range soundPolicies() {
		f.Add([]byte(body))
	}
	for _, tc := range faultCases() {
		if len(tc.body) < 1<<10 {
			f.Add([]byte(tc.body))
		}
	}
	schema := compileSchema(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := read(string(body))
		var e *Error
		if err != nil {
			if p != nil || !errors.As(err, &e) || len(e.Faults()) == 0 {
				t.Fatalf("%v, %v", p, err)
			}
			lines := bytes.Count(body, []byte("\n")) + 1
			for _, fault := range e.Faults() {
				if fault.At.File != "p.yml" || fault.At.Line < 1 || fault.At.Line > lines || fault.At.Col < 1 {
					t.Fatalf("%v is nowhere", fault)
				}
			}
			return
		}
		for _, r := range p.rules {
			if (len(r.require) == 0) == (r.unsigned == nil) || !asksSomething(r.require) {
				t.Fatalf("a rule of %q asks nothing: %+v", body, r)
			}
		}
		file, err := yamlnode.Parse("p.yml", body)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(asJSON(file.Docs[0])); err != nil {
			t.Fatalf("the schema refuses %q: %v", body, err)
		}
	})
}

// asksSomething reports whether every requirement has a form somewhere.
func asksSomething(all []requirement) bool {
	for _, q := range all {
		set := 0
		for _, is := range []bool{q.form != nil && q.of.Name != "", len(q.anyOf) > 0, len(q.allOf) > 0} {
			if is {
				set++
			}
		}
		if set != 1 || !asksSomething(q.anyOf) || !asksSomething(q.allOf) {
			return false
		}
	}
	return true
}
