package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// Every use points at the text that it came from: what stands there begins with
// Text, and that is the reference itself, or has the variable that it came from.
// So it is for every format, on every case of all formats' tests.
func TestPositions(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob(filepath.Join("..", "scan", "*", "testdata", "*.txtar"))
	if err != nil || len(cases) < 700 {
		t.Fatalf("%d cases (%v)", len(cases), err)
	}
	seen := map[image.Kind]int{}
	for i, name := range cases {
		if strings.HasPrefix(filepath.Base(name), "bound_") || Raced && i%10 != 0 { // nothing in them runs at the same time
			continue
		}
		files := caseFiles(t, name)
		for path := range files {
			for _, f := range formats() {
				src := scan.Source{FS: files, Build: scan.Build{AllStages: true, BuildPlatform: "linux/amd64"}}
				for _, u := range scan.Scan(src, []scan.File{{Path: path, Format: f}}).Uses {
					if placed(t, name, files, u) {
						seen[u.Kind]++
					}
				}
			}
		}
	}
	for _, kind := range []image.Kind{image.From, image.CopyFrom, image.MountFrom, image.Syntax, image.ComposeImage, image.BakeContext, image.Container, image.Service, image.DockerUses, image.Pod} {
		if seen[kind] < 5 && !Raced {
			t.Errorf("%d uses of kind %s", seen[kind], kind)
		}
	}
}

// produced matches what makes a reference and is none: variables, expressions,
// escapes, quotes, the names of stages and contexts.
var produced = regexp.MustCompile("[$\\\\`\"' \n*&]|^<<|^[A-Za-z_][A-Za-z0-9_.]*$")

// caseFiles returns a case's files, less what it wants.
func caseFiles(t *testing.T, name string) fstest.MapFS {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, f := range txtar.Parse(text).Files {
		if body, ok := strings.CutSuffix(f.Name, ".quoted"); ok {
			s, err := strconv.Unquote(strings.TrimSpace(string(f.Data)))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			f = txtar.File{Name: body, Data: []byte(s)}
		}
		if f.Name != "want" {
			files[f.Name] = &fstest.MapFile{Data: f.Data}
		}
	}
	return files
}

// placed reports whether u is in a file, and fails t if it is not where its
// text is.
func placed(t *testing.T, name string, files fstest.MapFS, u image.Use) bool {
	t.Helper()
	if u.At.File == "" {
		return false
	}
	file := files[u.At.File]
	if file == nil {
		if u.Err == nil {
			t.Errorf("%s: %+v is in no file", name, u)
		}
		return false
	}
	lines := bytes.SplitAfter(file.Data, []byte("\n"))
	if u.At.Line < 1 || u.At.Line > len(lines) || u.At.Col < 1 || u.At.Col > len(lines[u.At.Line-1])+1 {
		t.Errorf("%s: %+v is outside of the file", name, u)
		return false
	}
	rest := bytes.Join(lines[u.At.Line-1:], nil)[u.At.Col-1:]
	if !bytes.HasPrefix(rest, []byte(u.Text)) {
		t.Errorf("%s: %q is not at %v, %.40q is", name, u.Text, u.At, rest)
	}
	if u.Err != nil {
		return true
	}
	// An override of a kustomization says a part, and so do several names that
	// are merged. Text without a place of its own is one that stands twice in a
	// scalar with escapes or folded lines: testdata/inline_forms.
	ref, err := image.Parse(u.Text)
	switch {
	case err == nil && ref == u.Ref, produced.MatchString(u.Text), u.Text != "" && strings.Contains(u.Ref.String(), u.Text):
	case u.Text == "" && strings.HasSuffix(name, "inline_forms.txtar"):
	default:
		t.Errorf("%s: %v is written %q", name, u.Ref, u.Text)
	}
	return true
}
