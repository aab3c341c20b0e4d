package scan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

func scripts(name string) bool { return strings.HasSuffix(name, ".sh") }

// Files that no format takes are listed where folders are walked for all formats,
// and change nothing of what is scanned.
func TestBeside(t *testing.T) {
	t.Parallel()
	fsys := tree("Dockerfile", "Dockerfile.sh", "a.sh", "b.go", "ci/b.sh", "ci/api", "gen/c.sh", "vendor/d.sh", ".gitignore=/gen/\n")
	for _, test := range []struct{ files, exclude, want string }{
		{"", "", "a.sh ci/b.sh"},
		{".", "", "a.sh ci/b.sh"},
		{"ci", "", "ci/b.sh"},
		{"ci ci/ .", "", "a.sh ci/b.sh"},
		{"gen", "", "gen/c.sh"},
		{"vendor", "", "vendor/d.sh"},
		{".", "*.sh", ""},
		{".", "ci", "a.sh"},
		{"Dockerfile", "", ""},
		{"**/*.Dockerfile Dockerfile", "", ""},
		{"ci/*", "", ""},
		{"dockerfile:ci", "", ""},
	} {
		search := scan.Search{Formats: formats(), Files: words(test.files), Exclude: words(test.exclude)}
		without, errWithout := search.Find(fsys)
		search.Beside = scripts
		got, err := search.Find(fsys)
		if strings.Join(got.Beside, " ") != test.want {
			t.Errorf("%q without %q: %q, not %q", test.files, test.exclude, got.Beside, test.want)
		}
		if without.Beside != nil || !slices.Equal(written(got.Files), written(without.Files)) || len(got.Warnings) != len(without.Warnings) || (err == nil) != (errWithout == nil) ||
			got.Ignored.Count != without.Ignored.Count || got.Excluded.Count != without.Excluded.Count || got.Unrecognized.Count != without.Unrecognized.Count {
			t.Errorf("%q: %+v (%v), and without: %+v (%v)", test.files, got, err, without, errWithout)
		}
	}
	got, err := scan.Bounds{Entries: 100, Aside: 100, Depth: 9, Files: 9, Links: 9, Beside: 1}.Find(scan.Search{Formats: formats(), Beside: scripts}, fsys)
	if err != nil || strings.Join(got.Beside, " ") != "a.sh" {
		t.Errorf("%q, %v", got.Beside, err)
	}
}

// A script that a link leads to as well is listed once.
func TestBesideLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "ci/a.sh", "Dockerfile", "again->ci", "vendor/x/b.sh", "own->vendor/x")
	got, err := scan.Search{Formats: formats(), Beside: scripts}.Find(root(t, dir))
	if err != nil || strings.Join(got.Beside, " ") != "ci/a.sh own/b.sh" {
		t.Errorf("%q, %v", got.Beside, err)
	}
}

// What a format reads, somebody else sees as well: all of it, whichever file leads
// to it.
func TestSourceRead(t *testing.T) {
	t.Parallel()
	fsys := tree("a=1", "b=22", "large="+strings.Repeat("x", scan.MaxFile+1))
	reads := &scan.Format{Name: "fake", Scan: func(s scan.Source, name string) scan.Found {
		var found scan.Found
		for _, n := range []string{name, "b", "none", "large"} {
			text, err := scan.ReadFile(s.FS, n)
			found.Uses = append(found.Uses, image.Use{Text: string(text), At: image.Position{File: n}, Err: err})
		}
		return found
	}}
	files := []scan.File{{Path: "a", Format: reads}}
	var seen []string
	got := scan.Scan(scan.Source{FS: fsys, Read: func(name string, text []byte) { seen = append(seen, name+"="+string(text)) }}, files)
	if !slices.Equal(seen, []string{"a=1", "b=22"}) {
		t.Errorf("%.100q", seen)
	}
	if without := scan.Scan(scan.Source{FS: fsys}, files); !slices.Equal(describe(got.Uses), describe(without.Uses)) {
		t.Errorf("%.100q, not %.100q", describe(got.Uses), describe(without.Uses))
	}
}
