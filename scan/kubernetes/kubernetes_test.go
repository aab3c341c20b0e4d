package kubernetes_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/kubernetes"
)

var update = flag.Bool("update", false, "rewrite what the cases want")

// A case is a txtar file: the comment says what about, the first file is the
// one that is read, the others are there beside it, and "want" is the result.
func TestCases(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal(err, names)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			fsys, want := fstest.MapFS{}, -1
			for i, f := range archive.Files {
				if f.Name == "want" {
					want = i
				} else {
					fsys[f.Name] = &fstest.MapFile{Data: f.Data}
				}
			}
			first := archive.Files[0].Name
			found := kubernetes.Format().Scan(scan.Source{FS: fsys}, first)
			check(t, fsys, found)
			got := render(found)
			if want < 0 || got != string(archive.Files[want].Data) {
				if *update {
					if want < 0 {
						archive.Files = append(archive.Files, txtar.File{Name: "want"})
						want = len(archive.Files) - 1
					}
					archive.Files[want].Data = []byte(got)
					if err := os.WriteFile(name, txtar.Format(archive), 0o600); err != nil {
						t.Fatal(err)
					}
					return
				}
				t.Errorf("found\n%s", got)
			}
		})
	}
}

// render writes what was found, one a line, warnings last.
func render(found scan.Found) string {
	var b strings.Builder
	for _, u := range found.Uses {
		at := fmt.Sprintf("%s:%d:%d", u.At.File, u.At.Line, u.At.Col)
		if u.Err != nil {
			fmt.Fprintf(&b, "error %s %s: %v\n", u.Kind, at, u.Err)
		} else {
			fmt.Fprintf(&b, "%s %s %s %s\n", u.Kind, u.Ref, at, u.Text)
		}
	}
	for _, w := range found.Warnings {
		fmt.Fprintf(&b, "warning %s:%d:%d: %s\n", w.At.File, w.At.Line, w.At.Col, w.Text)
	}
	return b.String()
}

// check holds for everything that is ever found: each use has a reference or
// an error, and its text is where it says.
func check(t *testing.T, fsys fstest.MapFS, found scan.Found) {
	t.Helper()
	within := func(at image.Position) string {
		file := fsys[at.File]
		if file == nil {
			t.Fatalf("%+v is in no file", at)
		}
		lines := strings.Split(string(file.Data), "\n")
		if at.Line < 1 || at.Line > len(lines) || at.Col < 1 || at.Col > len(lines[at.Line-1])+1 {
			t.Fatalf("%+v is outside of the file", at)
		}
		return lines[at.Line-1][at.Col-1:]
	}
	for _, u := range found.Uses {
		if rest := within(u.At); !strings.HasPrefix(rest, u.Text) {
			t.Errorf("%q is not at %+v, %q is", u.Text, u.At, rest)
		}
		if (u.Err == nil) == u.Ref.IsZero() {
			t.Errorf("%+v has a reference and an error, or neither", u)
		}
		if u.Kind == image.Given {
			t.Errorf("%+v is of no kind", u)
		}
	}
	for _, w := range found.Warnings {
		if within(w.At); w.Text == "" {
			t.Errorf("an empty warning at %+v", w.At)
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	f := kubernetes.Format()
	for name, want := range map[string]bool{
		"a/b.yaml": true, "b.yml": true, "c.json": true, "Kustomization": true, "x/Kustomization": true,
		"yaml": false, "a.yaml/b": false, "a.tpl": false, "Dockerfile": false,
	} {
		if got := f.Match(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if !f.Asked || f.Name != "kubernetes" {
		t.Errorf("%+v", f)
	}
}

// A file that cannot be opened is an error, whatever its name says.
func TestMissing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a.yaml", "kustomization.yaml"} {
		found := kubernetes.Format().Scan(scan.Source{FS: fstest.MapFS{}}, name)
		if len(found.Uses) != 1 || !errors.Is(found.Uses[0].Err, fs.ErrNotExist) || found.Uses[0].At.File != name {
			t.Errorf("%+v", found)
		}
	}
}

// What is made to take long ends within a second on a machine with nothing else
// to do. Where it takes longer, it must not be much longer than a plain file of the
// size takes there; what lacks its limit in the code takes far longer than that.
func TestHostile(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("seconds of work")
	}
	const size = 1 << 20
	fill := func(head, format string) string {
		var b strings.Builder
		b.WriteString(head)
		for i := 0; b.Len() < size; i++ {
			b.WriteString(strings.ReplaceAll(format, "#", fmt.Sprint(i)))
		}
		return b.String()
	}
	const pod = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n"
	pods := fill(pod, "  - {image: a#}\n")
	bases := "resources: [" + strings.Repeat("a,", 1000) + "]"
	for name, files := range map[string]map[string]string{
		"pods":      {"a.yaml": pods},
		"line":      {"a.yaml": strings.ReplaceAll(fill("{kind: é, containers: [", "{image: a#},")+"]}", "\n", "")},
		"aliases":   {"a.yaml": fill("kind: Pod\nx: &x {containers: [{image: a},{image: b},{image: c}]}\ny: [", "*x,") + "]"},
		"long":      {"a.yaml": fill("kind: Pod\nspec: {containers: [{image: ", "aaaaaaaaaaaaaaaa") + "}]}"},
		"merges":    {"a.yaml": fill("kind: Pod\nm0: &m0 {image: a}\n", "m1#: {<<: [*m0, *m0, *m0]}\n")},
		"deep":      {"a.yaml": "kind: Pod\nspec: " + strings.Repeat("{containers: [", size/14)},
		"overrides": {"kustomization.yaml": fill("resources: [a.yaml]\nimages:\n", "- {name: a#, newTag: t}\n"), "a.yaml": pods},
		"patterns":  {"kustomization.yaml": fill("resources: [a.yaml]\nimages:\n", "- {name: '((((a{1,9}){1,9}){1,9})|#)', newTag: t}\n"), "a.yaml": pod + "  - {image: a}"},
		"doubling":  {"kustomization.yaml": fill("resources: [a.yaml]\nimages:\n", "- {name: a, tagSuffix: -x#}\n"), "a.yaml": pod + "  - {image: a}"},
		"longs":     {"kustomization.yaml": fill("images: [{name: a, newName: b}]\nresources:\n", "- a.yaml\n"), "a.yaml": pod + "  - {image: 'a:" + strings.Repeat("x", size) + "'}"},
		"values":    {"kustomization.yaml": fill("resources: [a.yaml]\nimages:\n- {name: a, newTag: ", "xxxxxxxxxxxxxxxx") + "}", "a.yaml": fill(pod, "  - {image: a}\n")},
		"resources": {"kustomization.yaml": fill("resources:\n", "- a.yaml\n"), "a.yaml": pods},
		"remote":    {"kustomization.yaml": fill("resources:\n", "- https://example.com/#\n")},
		"bases":     {"kustomization.yaml": bases, "a/kustomization.yaml": strings.ReplaceAll(bases, "a", "../b"), "b/kustomization.yaml": strings.ReplaceAll(bases, "a", "../c"), "c/kustomization.yaml": "resources: [../a.yaml]", "a.yaml": pods},
		"inline":    {"kustomization.yaml": fill("patches:\n", "- {patch: 'spec: {containers: [{image: a}]}'}\n")},
		"shared":    {"kustomization.yaml": fill("x: &x |\n"+strings.Repeat("  - op: x\n", size/20)+"patches:\n", "- {patch: *x}\n")},
	} {
		found, took := timed(files)
		about := ""
		for _, u := range found.Uses {
			if u.Err != nil {
				about = fmt.Sprintf("%.60s", u.Err.Error())
			}
		}
		t.Logf("%-10s %4d ms %d uses, %d warnings %s", name, took.Milliseconds(), len(found.Uses), len(found.Warnings), about)
		if took > 5*time.Second {
			_, plain := timed(map[string]string{"a.yaml": pods})
			_, again := timed(files)
			if again > 8*plain {
				t.Errorf("%s: %v, then %v, and a plain file %v", name, took, again, plain)
			}
		}
		if len(found.Uses)+len(found.Warnings) == 0 && name != "merges" {
			t.Errorf("%s: nothing", name)
		}
	}
}

// timed scans the kustomization of some files, or else a.yaml.
func timed(files map[string]string) (scan.Found, time.Duration) {
	fsys := fstest.MapFS{}
	first := "a.yaml"
	for file, body := range files {
		fsys[file] = &fstest.MapFile{Data: []byte(body)}
		if file == "kustomization.yaml" {
			first = file
		}
	}
	start := time.Now()
	found := kubernetes.Format().Scan(scan.Source{FS: fsys}, first)
	return found, time.Since(start)
}

func FuzzScan(f *testing.F) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fsys := fstest.MapFS{
			"dir/kustomization.yaml":  {Data: body},
			"dir/a.yaml":              {Data: body},
			"dir/deployment.yaml":     {Data: []byte("kind: Pod\nspec: {containers: [{image: app:1}], volumes: [{image: {reference: data:1}}]}")},
			"base/kustomization.yaml": {Data: []byte("resources: [../dir/deployment.yaml]\nimages: [{name: app, newTag: v2}]")},
		}
		for _, name := range []string{"dir/kustomization.yaml", "dir/a.yaml"} {
			check(t, fsys, kubernetes.Format().Scan(scan.Source{FS: fsys}, name))
		}
	})
}
