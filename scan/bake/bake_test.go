package bake_test

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
	"github.com/boltseal/boltseal/scan/bake"
	"github.com/boltseal/boltseal/scan/dockerfile"
)

// A sample is a file of testdata, whose README says how it is written.
type sample struct {
	name, file, head string
	source           scan.Source
	scan             string
}

func samples(t testing.TB) []sample {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 70 {
		t.Fatalf("%d samples: %v", len(files), err)
	}
	var all []sample
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, _, ok := strings.Cut(string(text), "-- want --\n")
		if !ok {
			t.Fatalf("%s has no want", file)
		}
		s := read(head)
		s.file, s.name = file, strings.TrimSuffix(filepath.Base(file), ".txtar")
		all = append(all, s)
	}
	return all
}

func read(head string) sample {
	files := fstest.MapFS{}
	env := map[string]string{}
	s := sample{head: head}
	s.source.Build.BuildPlatform = "linux/amd64"
	for _, part := range txtar.Parse([]byte(head)).Files {
		lines := strings.Split(strings.TrimSuffix(string(part.Data), "\n"), "\n")
		switch part.Name {
		case "env":
			for _, line := range lines {
				name, value, _ := strings.Cut(line, "=")
				env[name] = value
			}
		case "targets":
			if lines[0] == "*all*" {
				s.source.Build.AllStages = true
			} else {
				s.source.Build.Targets = lines
			}
		case "scan":
			s.scan = lines[0]
		case "builder":
			s.source.Build.BuildPlatform = strings.TrimPrefix(lines[0], "-")
		default:
			files[part.Name] = &fstest.MapFile{Data: part.Data}
		}
	}
	for _, name := range []string{"docker-bake.json", "docker-bake.hcl", "docker-bake.override.json", "docker-bake.override.hcl"} {
		if files[name] != nil && s.scan == "" {
			s.scan = name
		}
	}
	s.source.FS = files
	s.source.Getenv = func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}
	return s
}

func format() *scan.Format { return bake.Format(dockerfile.Scan) }

// want writes what was found as testdata has it.
func want(f scan.Found) string {
	var b strings.Builder
	for _, u := range f.Uses {
		at := fmt.Sprintf("%s:%d:%d", u.At.File, u.At.Line, u.At.Col)
		if u.Err != nil {
			text := strings.ReplaceAll(u.Err.Error(), "\n", "; ")
			if u.Kind != image.BakeContext && !strings.Contains(text, " is unresolved: ") {
				text = "as the Dockerfile's scan says"
			}
			fmt.Fprintf(&b, "error %s %s\n", at, text)
			continue
		}
		stage := u.Stage
		if stage == "" {
			stage = "-"
		}
		fmt.Fprintf(&b, "%s %s %s %s\n", u.Kind, u.Ref, at, stage)
	}
	for _, w := range f.Warnings {
		fmt.Fprintf(&b, "warning %s:%d:%d %s\n", w.At.File, w.At.Line, w.At.Col, w.Text)
	}
	return b.String()
}

func TestScan(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			got := format().Scan(s.source, s.scan)
			golden.Equal(t, s.file, s.head+"-- want --\n"+want(got))
			check(t, s.source.FS, got)
			if again := want(format().Scan(s.source, s.scan)); again != want(got) {
				t.Errorf("the second time:\n%s", again)
			}
		})
	}
}

// check fails t unless every use has an image or an error, and stands where it
// says that it does.
func check(t *testing.T, files fs.FS, f scan.Found) {
	t.Helper()
	for _, u := range f.Uses {
		if (u.Err == nil) == u.Ref.IsZero() {
			t.Errorf("%+v has both image and error, or neither", u)
		}
		if strings.Contains(u.Ref.String(), "boltseal") || u.Err != nil && strings.Contains(u.Err.Error(), "boltseal.invalid") {
			t.Errorf("%+v has a stand-in", u)
		}
		at(t, files, u.At, u.Text)
	}
	for _, w := range f.Warnings {
		at(t, files, w.At, "")
	}
}

// at fails t unless text stands at the position. A file that cannot be read has
// its first byte only.
func at(t *testing.T, files fs.FS, p image.Position, text string) {
	t.Helper()
	body, err := fs.ReadFile(files, p.File)
	if err != nil && (p.Line != 1 || p.Col != 1 || text != "") {
		t.Errorf("%v: %v", p, err)
		return
	}
	lines := bytes.SplitAfter(body, []byte("\n"))
	if p.Line < 1 || p.Line > len(lines) || p.Col < 1 || p.Col > len(lines[p.Line-1])+1 {
		t.Errorf("%v is outside of the file", p)
		return
	}
	if rest := bytes.Join(lines[p.Line-1:], nil)[p.Col-1:]; !bytes.HasPrefix(rest, []byte(text)) {
		t.Errorf("%v: there stands %.60q, not %q", p, rest, text)
	}
}
