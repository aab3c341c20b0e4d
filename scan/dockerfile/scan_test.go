package dockerfile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/scan"
)

// A sample is a file of testdata, whose README says how it is written.
type sample struct {
	name  string
	file  string
	head  string // all of the file before "want"
	body  []byte
	build scan.Build
}

func samples(t testing.TB) []sample {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 120 {
		t.Fatalf("%d samples: %v", len(files), err)
	}
	var all []sample
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := sample{name: strings.TrimSuffix(filepath.Base(file), ".txtar"), file: file, build: scan.Build{BuildPlatform: "linux/amd64"}}
		head, _, found := strings.Cut(string(text), "-- want --\n")
		if !found {
			t.Fatalf("%s has no want", file)
		}
		s.head = head
		for _, part := range txtar.Parse([]byte(head)).Files {
			switch part.Name {
			case "Dockerfile":
				s.body = part.Data
			case "Dockerfile.quoted":
				text, err := strconv.Unquote(strings.TrimSpace(string(part.Data)))
				if err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				s.body = []byte(text)
			case "build":
				s.build = readBuild(t, file, string(part.Data))
			default:
				t.Fatalf("%s: a part is called %q", file, part.Name)
			}
		}
		all = append(all, s)
	}
	return all
}

func readBuild(t testing.TB, file, text string) scan.Build {
	b := scan.Build{BuildPlatform: "linux/amd64", Args: map[string]string{}, Contexts: map[string]string{}}
	for line := range strings.Lines(text) {
		key, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		name, value, _ := strings.Cut(rest, "=")
		option, stated, _ := strings.Cut(key, "=")
		switch {
		case key == "arg":
			b.Args[name] = value
		case key == "context":
			b.Contexts[name] = value
		case key == "all-stages":
			b.AllStages = true
		case option == "target":
			b.Targets = append(b.Targets, stated)
		case option == "platform":
			b.Platforms = append(b.Platforms, stated)
		case option == "builder":
			b.BuildPlatform = stated
		default:
			t.Fatalf("%s: build says %q", file, line)
		}
	}
	return b
}

// want writes what was found as testdata has it.
func want(f scan.Found) string {
	var b strings.Builder
	for _, u := range f.Uses {
		if u.Err != nil {
			fmt.Fprintf(&b, "error %d:%d %s\n", u.At.Line, u.At.Col, strings.ReplaceAll(u.Err.Error(), "\n", "; "))
			continue
		}
		stage := u.Stage
		if stage == "" {
			stage = "-"
		}
		fmt.Fprintf(&b, "%s %s %d:%d %s\n", u.Kind, u.Ref, u.At.Line, u.At.Col, stage)
	}
	for _, w := range f.Warnings {
		fmt.Fprintf(&b, "warning %d:%d %s\n", w.At.Line, w.At.Col, w.Text)
	}
	return b.String()
}

func TestScan(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			got := Scan(s.body, "Dockerfile", s.build)
			golden.Equal(t, s.file, s.head+"-- want --\n"+want(got))
			check(t, s.body, got)
			if again := Scan(s.body, "Dockerfile", s.build); want(again) != want(got) {
				t.Errorf("the second time:\n%s", want(again))
			}
		})
	}
}

// check fails t unless every use has an image or an error, stands where it says
// that it does, and follows the one before it.
func check(t *testing.T, body []byte, f scan.Found) {
	t.Helper()
	lines := bytes.SplitAfter(body, []byte("\n"))
	starts := make([]int, len(lines))
	for i := 1; i < len(lines); i++ {
		starts[i] = starts[i-1] + len(lines[i-1])
	}
	last := image.Position{}
	for _, u := range f.Uses {
		if (u.Err == nil) == u.Ref.IsZero() {
			t.Errorf("%+v has both image and error, or neither", u)
		}
		if u.At.File == "" && u.Kind == image.Syntax {
			continue
		}
		if u.At.File != "Dockerfile" || u.At.Line < 1 || u.At.Line > len(lines) || u.At.Col < 1 || u.At.Col > len(lines[u.At.Line-1])+1 || starts[u.At.Line-1]+u.At.Col-1 > len(body) {
			t.Errorf("%+v is outside of the file", u)
			continue
		}
		rest := body[starts[u.At.Line-1]+u.At.Col-1:]
		if !bytes.HasPrefix(rest, []byte(u.Text)) {
			t.Errorf("%+v: there stands %.40q", u, rest)
		}
		if u.Text == "" && u.Err == nil {
			t.Errorf("%+v has no text", u)
		}
		if u.At.Line < last.Line || u.At.Line == last.Line && u.At.Col < last.Col {
			t.Errorf("%+v comes after %+v", u, last)
		}
		last = u.At
		if u.Literal != (image.Literal{}) && u.Err == nil {
			l := u.Literal.At
			ref, err := image.Parse(u.Literal.Text)
			if l.File != "Dockerfile" || l.Line < 1 || l.Line > len(lines) || !bytes.HasPrefix(body[min(len(body), starts[l.Line-1]+l.Col-1):], []byte(u.Literal.Text)) || err != nil || ref != u.Ref {
				t.Errorf("%+v: the literal is not there, or another image", u)
			}
		}
	}
}

// Windows line ends change nothing but what stands in continued references.
func TestLineEnds(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		if bytes.Contains(s.body, []byte("\r")) || s.name == "syntax_json" {
			continue
		}
		windows := bytes.ReplaceAll(s.body, []byte("\n"), []byte("\r\n"))
		got := Scan(windows, "Dockerfile", s.build)
		check(t, windows, got)
		if one, two := want(got), want(Scan(s.body, "Dockerfile", s.build)); one != two {
			t.Errorf("%s: with \\r\\n:\n%swithout:\n%s", s.name, one, two)
		}
	}
}
