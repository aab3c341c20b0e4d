package compose

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/dockerfile"
)

// A sample is a file of testdata, whose README says how it is written.
type sample struct {
	name   string
	file   string
	head   string // all of the file before "want"
	scan   string // the file that is scanned
	files  fstest.MapFS
	source scan.Source
}

func samples(t testing.TB) []sample {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 80 {
		t.Fatalf("%d samples: %v", len(files), err)
	}
	var all []sample
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, _, found := strings.Cut(string(text), "-- want --\n")
		if !found {
			t.Fatalf("%s has no want", file)
		}
		s := readSample(t, file, txtar.Parse([]byte(head)))
		s.head = head
		all = append(all, s)
	}
	return all
}

func readSample(t testing.TB, file string, a *txtar.Archive) sample {
	s := sample{name: strings.TrimSuffix(filepath.Base(file), ".txtar"), file: file, files: fstest.MapFS{}}
	env := map[string]string{}
	s.source.Build = scan.Build{BuildPlatform: "linux/amd64", Args: map[string]string{}, Contexts: map[string]string{}}
	for _, part := range a.Files {
		switch part.Name {
		case "env":
			for line := range strings.Lines(string(part.Data)) {
				name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
				env[name] = value
			}
		case "profiles":
			s.source.Profiles = strings.Fields(string(part.Data))
		case "build":
			readBuild(t, file, string(part.Data), &s.source.Build)
		case "scan":
			s.scan = strings.TrimSpace(string(part.Data))
		default:
			s.files[part.Name] = &fstest.MapFile{Data: part.Data}
			if s.scan == "" && match(part.Name) {
				s.scan = part.Name
			}
		}
	}
	s.source.FS = s.files
	s.source.Getenv = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	return s
}

func readBuild(t testing.TB, file, text string, b *scan.Build) {
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
		default:
			t.Fatalf("%s: build says %q", file, line)
		}
	}
}

// want writes what was found as testdata has it.
func want(f scan.Found) string {
	var b strings.Builder
	for _, u := range f.Uses {
		at := fmt.Sprintf("%s:%d:%d", u.At.File, u.At.Line, u.At.Col)
		if u.Err != nil {
			fmt.Fprintf(&b, "error %s %s\n", at, strings.ReplaceAll(u.Err.Error(), "\n", "; "))
			continue
		}
		fmt.Fprintf(&b, "%s %s %s\n", u.Kind, u.Ref, at)
	}
	for _, w := range f.Warnings {
		fmt.Fprintf(&b, "warning %s:%d:%d %s\n", w.At.File, w.At.Line, w.At.Col, w.Text)
	}
	return b.String()
}

func TestScan(t *testing.T) {
	t.Parallel()
	format := Format(dockerfile.Scan)
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			got := format.Scan(s.source, s.scan)
			golden.Equal(t, s.file, s.head+"-- want --\n"+want(got))
			check(t, s.files, got)
			if again := format.Scan(s.source, s.scan); want(again) != want(got) {
				t.Errorf("the second time:\n%s", want(again))
			}
		})
	}
}

// Windows line ends change nothing.
func TestLineEnds(t *testing.T) {
	t.Parallel()
	format := Format(dockerfile.Scan)
	for _, s := range samples(t) {
		windows := fstest.MapFS{}
		for name, f := range s.files {
			windows[name] = &fstest.MapFile{Data: bytes.ReplaceAll(f.Data, []byte("\n"), []byte("\r\n"))}
		}
		one := want(format.Scan(s.source, s.scan))
		s.source.FS = windows
		got := format.Scan(s.source, s.scan)
		check(t, windows, got)
		// What is quoted in an env file keeps them.
		if two := strings.NewReplacer(`\r\n`, `\n`, "\r", "").Replace(want(got)); one != two {
			t.Errorf("%s: with \\r\\n:\n%swithout:\n%s", s.name, two, one)
		}
	}
}

// check fails t unless every use has an image or an error, and stands where it
// says that it does.
func check(t testing.TB, files fs.FS, f scan.Found) {
	t.Helper()
	from := texts{files: files, lines: map[string][][]byte{}}.from
	for _, u := range f.Uses {
		if (u.Err == nil) == u.Ref.IsZero() {
			t.Errorf("%+v has both image and error, or neither", u)
		}
		rest, ok := from(u.At)
		if !ok {
			t.Errorf("%+v is outside of the file", u)
		} else if !bytes.HasPrefix(rest, []byte(u.Text)) {
			t.Errorf("%+v: there stands %.40q", u, rest)
		}
	}
	for _, w := range f.Warnings {
		if _, ok := from(w.At); !ok {
			t.Errorf("%+v is outside of the file", w)
		}
	}
}

// texts are files by line.
type texts struct {
	files fs.FS
	lines map[string][][]byte
}

// from returns the rest of a line from a place on. A file that is not there or
// cannot be read has a place where that is said.
func (x texts) from(at image.Position) ([]byte, bool) {
	lines, read := x.lines[at.File]
	if !read {
		body, err := fs.ReadFile(x.files, at.File)
		if err != nil && at.Line == 1 && at.Col == 1 {
			return nil, true
		}
		lines = bytes.SplitAfter(body, []byte("\n"))
		x.lines[at.File] = lines
	}
	if at.Line < 1 || at.Line > len(lines) || at.Col < 1 || at.Col > len(lines[at.Line-1])+1 {
		return nil, false
	}
	return lines[at.Line-1][at.Col-1:], true
}
