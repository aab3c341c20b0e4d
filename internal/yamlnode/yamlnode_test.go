package yamlnode_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/internal/yamlnode"
)

// The value of "image" is found with its text at its bytes, however it is
// written.
func TestScalar(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body  string
		value, text string
		line, col   int
	}{
		{"plain", "image: alpine:3", "alpine:3", "alpine:3", 1, 8},
		{"comment", "image: alpine:3 # yes", "alpine:3", "alpine:3", 1, 8},
		{"double", `image: "alpine:3"`, "alpine:3", "alpine:3", 1, 9},
		{"single", `image: 'alpine:3'`, "alpine:3", "alpine:3", 1, 9},
		{"quote in single", `image: 'it''s'`, "it's", "it''s", 1, 9},
		{"escape", `image: "alp\u0069ne\"3"`, `alpine"3`, `alp\u0069ne\"3`, 1, 9},
		{"json", `{"image":"alpine:3"}`, "alpine:3", "alpine:3", 1, 11},
		{"json tabs", "{\n\t\"image\":\t\"alpine:3\"\n}", "alpine:3", "alpine:3", 2, 12},
		{"flow", "a: [{image: alpine:3}]\n", "alpine:3", "alpine:3", 1, 13},
		{"runes before it", "a: [é€, {image: alpine}]", "alpine", "alpine", 1, 20},
		{"emoji before it", "{\"😀\": 1, image: 'a'}", "a", "a", 1, 21},
		{"bom", "\ufeffimage: alpine", "alpine", "alpine", 1, 11},
		{"bom, second line", "\ufeffa: 1\nimage: alpine", "alpine", "alpine", 2, 8},
		{"crlf", "a: 1\r\nimage: alpine\r\n", "alpine", "alpine", 2, 8},
		{"cr", "a: 1\rimage: alpine\r", "alpine", "alpine", 1, 13},
		{"line separator", "# \u2028\nimage: alpine", "alpine", "alpine", 2, 8},
		{"next line", "a: 1\u0085image: alpine", "alpine", "alpine", 1, 14},
		{"folded", "image: >-\n  alpine\n", "alpine", "alpine", 2, 3},
		{"literal", "image: |\n\n  alpine\n", "\nalpine\n", "alpine", 3, 3},
		{"literal with a comment", "image: |- # c\n  alpine\n", "alpine", "alpine", 2, 3},
		{"literal, crlf", "image: |-\r\n  alpine\r\n", "alpine", "alpine", 2, 3},
		{"empty literal", "image: |\nb: 1", "", "", 1, 9},
		{"next line plain", "image:\n  alpine", "alpine", "alpine", 2, 3},
		{"two lines", "image: alpine\n  edge", "alpine edge", "alpine", 1, 8},
		{"two quoted lines", "image: \"alpine\n  edge\"", "alpine edge", "alpine", 1, 9},
		{"escaped break", "image: \"alpine\\\n  :edge\"", "alpine:edge", "alpine", 1, 9},
		{"anchor", "image: &x alpine", "alpine", "alpine", 1, 11},
		{"tag", "image: !!str 1.10", "1.10", "1.10", 1, 14},
		{"both", "image: &x !!str # c\n  'a'", "a", "a", 2, 4},
		{"anchored block", "image: &x |-\n  a", "a", "a", 2, 3},
		{"alias", "a: &x alpine\nimage: *x", "alpine", "alpine", 1, 7},
		{"merge", "a: &x {image: alpine}\n<<: *x", "alpine", "alpine", 1, 15},
		{"null", "image:\nb: 1", "", "", 1, 7},
		{"tilde", "image: ~", "~", "~", 1, 8},
		{"second document", "--- # x\na: 1\n---\nimage: a", "a", "a", 4, 8},
		{"document on its line", "--- {image: a}", "a", "a", 1, 13},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f, err := yamlnode.Parse("f.yml", []byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			n := image(f.Docs[len(f.Docs)-1])
			s, ok := f.Scalar(n)
			if !ok || s.Value != tc.value || s.Text != tc.text || s.At.Line != tc.line || s.At.Col != tc.col || s.At.File != "f.yml" {
				t.Errorf("%+v, want %q, %q at %d:%d", s, tc.value, tc.text, tc.line, tc.col)
			}
		})
	}
}

// image returns the first value of a key "image" at or below n.
func image(n *yaml.Node) *yaml.Node {
	if found := yamlnode.Find(n, "image"); found != nil {
		return found
	}
	for _, c := range n.Content {
		if found := image(c); found != nil {
			return found
		}
	}
	return nil
}

func TestCut(t *testing.T) {
	t.Parallel()
	f, err := yamlnode.Parse("f", []byte(`["docker://a", "docker\u003a//a", "b"]`))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"a a 12 true", `a docker\u003a//a 17 true`, "b b 36 false"} {
		s, _ := f.Scalar(f.Docs[0].Content[i])
		s, ok := s.Cut("docker://")
		if got := fmt.Sprint(s.Value, " ", s.Text, " ", s.At.Col, " ", ok); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	f, err := yamlnode.Parse("f", []byte("a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2, z: 2}\nc:\n  z: 3\n  <<: [*b, {w: 4, x: 4}]\n  v: &v 5\nd: *v\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range yamlnode.Pairs(yamlnode.Find(f.Docs[0], "c")) {
		got = append(got, p.Key.Value+"="+p.Value.Value)
	}
	if want := "z=3 v=5 y=2 x=1 w=4"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
	if n := yamlnode.Find(f.Docs[0], "c", "x"); n == nil || n.Value != "1" {
		t.Errorf("c.x is %v", n)
	}
	if n := yamlnode.Find(f.Docs[0], "d"); n == nil || n.Value != "5" {
		t.Errorf("d is %v", n)
	}
	if n := yamlnode.Find(f.Docs[0], "c", "x", "none"); n != nil {
		t.Errorf("c.x.none is %v", n)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	laughs := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := range 9 {
		laughs += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 8), i)
	}
	deep := "a0: &a0 [x]\n"
	for i := range 600 {
		deep += fmt.Sprintf("a%d: &a%d [*a%d]\n", i+1, i+1, i)
	}
	for _, tc := range []struct {
		name, body, want string
		line, docs       int
	}{
		{"syntax", "a: 1\nb: [\n", "not YAML", 3, 0},
		{"later document", "a: 1\n---\nb: 2\n---\nc: }\n", "not YAML", 5, 2},
		{"tab", "a:\n\tb: 1", "not YAML", 2, 0},
		{"duplicate", "a: 1\nb: 1\na: 2\n", `the key "a" is there twice`, 3, 0},
		{"duplicate by escape", "{a: 1, \"\\u0061\": 2}", `the key "a" is there twice`, 1, 0},
		{"duplicate by type", "1: x\n'1': y", `the key "1" is there twice`, 2, 0},
		{"two merges", "a: &a {x: 1}\n<<: *a\n<<: *a", `the key "<<" is there twice`, 3, 0},
		{"unknown anchor", "a: *b", "unknown anchor", 1, 0},
		{"part of itself", "a: &a\n  - *a\n", "*a is part of itself", 2, 0},
		{"part of its own merge", "a: &a\n  <<: *a\n", "*a is part of itself", 2, 0},
		{"laughs", laughs, "the aliases stand for more than", 6, 0},
		{"long laughs", "a: &a " + strings.Repeat("x", 1<<16) + "\nb: [" + strings.Repeat("*a,", 300) + "]", "the aliases stand for more than", 2, 0},
		{"deep aliases", deep, "levels deep, with the aliases written out", 499, 0},
		{"deep", strings.Repeat("[", 501) + strings.Repeat("]", 501), "nested more than 500 levels deep", 1, 0},
		{"utf-16", "\xff\xfea\x00", "UTF-16", 1, 0},
		{"not utf-8", "a: \xff", "not YAML", 1, 0},
		{"control character", "a: \x00", "not YAML", 1, 0},
		{"directives", strings.Repeat("\n%TAG !e! x", 65), "lines begin with %", 1, 0},
		{"large", strings.Repeat("#", yamlnode.MaxFile+1), "larger than 4 MiB", 1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f, err := yamlnode.Parse("f.yml", []byte(tc.body))
			var place *yamlnode.Error
			if !errors.As(err, &place) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("%v, want %s", err, tc.want)
			}
			if place.At.File != "f.yml" || place.At.Line != tc.line {
				t.Errorf("at %+v, want line %d", place.At, tc.line)
			}
			if len(f.Docs) != tc.docs {
				t.Errorf("%d documents, want %d", len(f.Docs), tc.docs)
			}
		})
	}
}

// What is made to take long ends within a second on a machine with nothing else
// to do. The bound is wide, for those that have; what lacks its limit in the code
// takes far longer.
func TestHostile(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("seconds of work")
	}
	const size = 1 << 20
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	number := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for name, body := range map[string]string{
		"[":               fill("["),
		"{a":              fill("{a: "),
		"-":               fill("- "),
		"?":               fill("? "),
		"? lines":         fill("?\n"),
		"&a [*a":          fill("&a [*a,"),
		"aliases":         "a: &a 1\nb: [" + fill("*a,") + "]",
		"anchors":         number("- &a%d x\n"),
		"keys":            number("a%d: x\n"),
		"flow keys":       "{" + number("a%d: x,") + "}",
		"tags":            number("%%TAG !e%d! x\n") + "--- a",
		"documents":       fill("---\n"),
		"items":           "[" + fill("a,") + "]",
		"comments":        fill("a:\n # a\n"),
		"10 MB line":      "a: " + strings.Repeat("x", 10<<20),
		"quoted":          `a: "` + fill("x\n ") + `"`,
		"9998 deep":       "[" + strings.Repeat(strings.Repeat("[", 9997)+strings.Repeat("]", 9997)+",", 50) + "]",
		"9000 deep":       strings.Repeat("[", 9000) + fill("a,"),
		"open, 9999 keys": strings.Repeat("{a,", 9999) + fill("x,"),
	} {
		start := time.Now()
		f, err := yamlnode.Parse("f", []byte(body))
		for _, d := range f.Docs {
			walk(f, d)
		}
		took := time.Since(start)
		t.Logf("%-16s %4d ms %.60v", name, took.Milliseconds(), err)
		if took > 5*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
}

// walk asks for everything and returns how much that was.
func walk(f *yamlnode.File, n *yaml.Node) int {
	visited := 1
	f.At(n)
	f.Scalar(n)
	for _, p := range yamlnode.Pairs(n) {
		visited += walk(f, p.Key) + walk(f, p.Value)
	}
	for _, i := range yamlnode.Items(n) {
		visited += walk(f, i)
	}
	return visited
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "a: &a [b, *a]", "a: &a {x: 1}\nb: {<<: *a}", "--- |\n x\n...\n---\n'y'", "\ufeff{\"a\\u0061\":\t\"b\"}", "? [a]\n: b",
		"a: !!str &x\n  \"q\\\n  r\"", "- >2-\n   x\n", "a: é\u2028b: 'c''d'", "!<tag:x> a: b # c\r\nd: e", "%YAML 1.1\n---\na",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		file, err := yamlnode.Parse("f", body)
		lines := strings.Split(string(body), "\n")
		within := func(line, col int) bool {
			return 1 <= line && line <= len(lines) && 1 <= col && col <= len(lines[line-1])+1
		}
		var place *yamlnode.Error
		if err != nil && (!errors.As(err, &place) || !within(place.At.Line, place.At.Col)) {
			t.Fatalf("%v at %+v", err, place)
		}
		var look func(n *yaml.Node)
		look = func(n *yaml.Node) {
			if at := file.At(n); !within(at.Line, at.Col) {
				t.Fatalf("%+v is outside", at)
			}
			if s, ok := file.Scalar(n); ok {
				if !within(s.At.Line, s.At.Col) || !strings.HasPrefix(lines[s.At.Line-1][s.At.Col-1:], s.Text) {
					t.Fatalf("%q is not at %+v", s.Text, s.At)
				}
			}
			for _, p := range yamlnode.Pairs(n) {
				look(p.Key)
				look(p.Value)
			}
			for _, i := range yamlnode.Items(n) {
				look(i)
			}
		}
		for _, d := range file.Docs {
			look(d)
		}
	})
}
