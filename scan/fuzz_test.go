package scan_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/scan"
)

// Whatever is asked for, the answer is files of the workspace, sorted, or the
// typed error.
func FuzzFind(f *testing.F) {
	for _, s := range []string{"", "api", "**/Dockerfile", "docker/*", "kubernetes:deploy/", "{a,b}/[!c]*", "../x", "vendor/**", `\*`, "bake:", ".git/x", "./a//b/", "dep*/*"} {
		f.Add(s, "x*/", "gen/\n*.yaml\n!a")
	}
	f.Add("a\xff", "**", "[a-")
	f.Fuzz(func(t *testing.T, asked, exclude, ignore string) {
		fsys := tree("Dockerfile", "api/Dockerfile", "api/x.Dockerfile", "docker/api", "docker/a.sh", "deploy/a.yaml=kind: x", "vendor/a/Dockerfile", "gen/Dockerfile", ".git/x", "odd/[a]/*", "a/b/c/d/Dockerfile")
		fsys[".gitignore"] = tree("x=" + ignore)["x"]
		search := scan.Search{Formats: formats(), Files: []string{asked}}
		if exclude != "" {
			search.Exclude = []string{exclude}
		}
		got, err := search.Find(fsys)
		var bad *scan.Error
		if err != nil && (!errors.As(err, &bad) || bad.Err == nil || bad.Hint == "") {
			t.Errorf("no typed error: %v", err)
		}
		names := written(got.Files)
		for _, file := range got.Files {
			if info, err := fs.Stat(fsys, file.Path); err != nil || info.IsDir() {
				t.Errorf("%q: %v, %v", file.Path, info, err)
			}
		}
		sorted := slices.Clone(names)
		slices.SortFunc(sorted, func(a, b string) int { return strings.Compare(pathOf(a), pathOf(b)) })
		if !slices.Equal(names, sorted) || len(slices.Compact(sorted)) != len(names) {
			t.Errorf("not sorted, or twice: %q", names)
		}
		again, err2 := search.Find(fsys)
		if !slices.Equal(written(again.Files), names) || fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Errorf("another answer: %q, %v", written(again.Files), err2)
		}
	})
}

// What a YAML file is taken for has to be written in it.
func FuzzLook(f *testing.F) {
	for _, s := range []string{"kind: x\n", "services:\n  a: b\n---\njobs: {}\n", "{\"kind\": 1}", "\"a\" : 1\n- b\n", "'", ":", "--- #\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := scan.YAMLKeys([]byte(text))
		for _, key := range keys {
			if !strings.Contains(text, key) && !strings.Contains(text, `\`) && err == nil && !strings.Contains(text, "{") {
				t.Errorf("%q is no key of %q", key, text)
			}
		}
	})
}

// BenchmarkFind measures the search of a large workspace on disk.
func BenchmarkFind(b *testing.B) {
	dir := b.TempDir()
	ignore := ".gitignore="
	for i := range 60 {
		ignore += fmt.Sprintf("/build-%d/\n*.o%d\ntmp%d\n!keep%d\n", i, i, i, i)
	}
	write(b, dir, ignore)
	for i := range 500 {
		var files []string
		for j := range 4 {
			files = append(files, fmt.Sprintf("team%d/app%d/Dockerfile.%d=FROM alpine\n", i%20, i, j))
		}
		for j := range 40 {
			files = append(files, fmt.Sprintf("team%d/app%d/src/file%d.go", i%20, i, j))
		}
		write(b, dir, files...)
	}
	if _, err := os.Stat(filepath.Join(dir, "team0/app0/src")); err != nil {
		b.Fatal(err)
	}
	fsys := root(b, dir)
	for b.Loop() {
		got, err := scan.Search{Formats: formats()}.Find(fsys)
		if err != nil || len(got.Files) != 2000 || got.Wrong != nil {
			b.Fatal(len(got.Files), got.Wrong, err)
		}
	}
}
