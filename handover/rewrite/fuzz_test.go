package rewrite_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/boltseal/boltseal/handover/rewrite"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// names are those by which each format knows its files.
func names() []string {
	return []string{"Dockerfile", "compose.yaml", "docker-bake.hcl", "docker-bake.json", ".github/workflows/ci.yml", "action.yml", "pod.yaml"}
}

// Whatever a file says, what is rewritten is the references, and scanned again
// it has the same images with their digests. A bake file gives its contexts
// names, by which the new text is known no longer: see entangled.
func FuzzFile(f *testing.F) {
	cases, err := filepath.Glob(filepath.Join("..", "..", "scan", "*", "testdata", "*.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	own, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	for i, name := range slices.Concat(cases, own) {
		if strings.HasPrefix(filepath.Base(name), "bound_") || raced && i%10 != 0 { // nothing in them runs at the same time
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range txtar.Parse(text).Files {
			if i := slices.Index(names(), part.Name); i >= 0 {
				f.Add(i, string(part.Data))
			}
		}
	}
	f.Fuzz(func(t *testing.T, n int, text string) {
		if n < 0 || n >= len(names()) || len(text) > 1<<14 {
			return
		}
		files := fstest.MapFS{names()[n]: {Data: []byte(text)}}
		s := settings{kubernetes: names()[n] == "pod.yaml", build: scan.Build{AllStages: true, BuildPlatform: "linux/amd64"}}
		uses := s.scan(files)
		changes, refused := rewrite.Plan(reader(files), targetsOf(t, uses, false))
		check(t, files, uses, changes, refused, s)
		want, got := rescanned(t, files, uses, changes, refused, s)
		if !slices.Equal(want, got) && !strings.Contains(text, "contexts") {
			t.Errorf("scanned again:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// Whatever a scanner says of a file, the text that is replaced is a reference,
// and nothing stands around it that belongs to it.
func FuzzPlace(f *testing.F) {
	f.Add("FROM alpine:3\n", 1, 6, "alpine:3", "alpine:3", "from")
	f.Add("ARG A=alpine\nFROM $A\n", 1, 7, "alpine", "$A", "from")
	f.Add("image: &a alpine\nx: *a", 1, 11, "alpine", "alpine", "pod")
	f.Add("image: &a\r\n  'alpine'\n", 2, 4, "alpine", "alpine", "compose-image")
	f.Fuzz(func(t *testing.T, text string, line, col int, literal, written, kind string) {
		ref, err := image.Parse(literal)
		if err != nil {
			return
		}
		p := image.Position{File: "f", Line: line, Col: col}
		u := image.Use{Text: written, Ref: ref, At: image.Position{File: "f", Line: 1, Col: 1}, Kind: image.Kind(kind), Literal: image.Literal{Text: literal, At: p}}
		files := fstest.MapFS{"f": {Data: []byte(text)}}
		changes, refused := rewrite.Plan(reader(files), targetsOf(t, []image.Use{u}, false))
		if len(changes) > 1 || len(refused) > 1 || len(changes)+len(refused) > 1 || ref.Digest() == "" && len(changes)+len(refused) == 0 {
			t.Fatalf("changes %v, refused %v", changes, refused)
		}
		for _, c := range changes {
			e := c.Edits[0]
			if len(c.Edits) > 1 || e.At != p || e.Old != literal || !bytes.Equal(replayed(t, c), c.New) || !bytes.Equal(patched(t, c.Old, c.Diff()), c.New) {
				t.Errorf("%+v", c)
			}
			onlyDigest(t, e)
		}
		for _, r := range refused {
			if r.Err == nil || errors.Unwrap(r.Err) == nil {
				t.Errorf("%v", r.Err)
			}
		}
	})
}
