package scan_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/scan"
)

// A build goes through a link to a folder, and so does a walk, unless it comes
// to what is there anyway.
func TestLinkedFolders(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	write(t, outside, "Dockerfile")
	for _, tc := range []struct {
		name, tree, files, exclude string
		want, skipped              string
	}{
		{"into vendor", "vendor/api/Dockerfile services/api->../vendor/api", "", "", "services/api/Dockerfile", "vendor"},
		{"into vendor, by a folder", "vendor/api/Dockerfile services/api->../vendor/api", "services", "", "services/api/Dockerfile", ""},
		{"into vendor, by a glob", "vendor/api/Dockerfile services/api->../vendor/api", "services/*/Dockerfile", "", "services/api/Dockerfile", ""},
		{"into vendor, by a deep glob", "vendor/api/Dockerfile services/api->../vendor/api", "**/Dockerfile", "", "services/api/Dockerfile", "vendor"},
		{"into .git", ".git/x/Dockerfile api->.git/x", "", "", "api/Dockerfile", ""},
		{"out of the folder", "lib/api/Dockerfile services/api->../lib/api", "services", "", "services/api/Dockerfile", ""},
		{"through links", "vendor/api/sub/Dockerfile b->vendor c->b/api services/api->../c", "", "", "b/api/sub/Dockerfile c/sub/Dockerfile", "services/api vendor"},
		{"walked anyway", "lib/api/Dockerfile services/api->../lib/api services/b->api", "", "", "lib/api/Dockerfile", "services/api services/b"},
		{"walked anyway, by a deep glob", "lib/api/Dockerfile services/api->../lib/api self->.", "**/Dockerfile", "", "lib/api/Dockerfile", "self services/api"},
		{"walked anyway, but not matched", "lib/deep/api/Dockerfile api->lib/deep/api", "*/Dockerfile", "", "api/Dockerfile", ""},
		{"walked anyway, and matched", "lib/api/Dockerfile lib/b->api Dockerfile", "{lib,x}/*/Dockerfile", "", "lib/api/Dockerfile", ""},
		{"excluded", "lib/api/Dockerfile services/api->../lib/api", "", "services/api", "lib/api/Dockerfile", ""},
		{"where it leads is excluded", "lib/api/Dockerfile services/api->../lib/api", "", "lib", "services/api/Dockerfile", ""},
		{"below where it leads is excluded", "lib/api/Dockerfile lib/Dockerfile services->lib", "", "lib/api", "lib/Dockerfile services/api/Dockerfile", ""},
		{"excluded under another link", "vendor/x/api/Dockerfile a->vendor/x services->vendor/x", "", "a/api", "services/api/Dockerfile", "vendor"},
		{"excluded by a name", "lib/test/Dockerfile services->lib", "", "**/test/**", "", "services"},
		{"what is called vendor", "lib/Dockerfile web/vendor->../lib", "", "", "lib/Dockerfile", "web/vendor"},
		{"both are called so", "testdata/Dockerfile web/vendor->../testdata", "", "", "", "testdata web/vendor"},
		{"ignored where it leads", "x=1 .gitignore=/gen/ gen/api/Dockerfile api->gen/api", "", "", "api/Dockerfile", ""},
		{"a circle", "vendor/a/Dockerfile vendor/a/up->.. vendor/a/self->. api->vendor/a", "", "", "api/Dockerfile api/up/a/Dockerfile", "api/self api/up/a/self api/up/a/up vendor"},
		{"circles", "vendor/a/Dockerfile vendor/a/b->../b vendor/b/a->../a vendor/b/Dockerfile api->vendor/a", "", "", "api/Dockerfile api/b/Dockerfile", "api/b/a vendor"},
		{"a circle for a glob", "services/Dockerfile services/api->. services/x->.", "services/*/x/Dockerfile", "", "services/api/x/Dockerfile services/x/x/Dockerfile", ""},
		{"out of the workspace", "Dockerfile api->../x b->" + outside + " c->nowhere d->d e/Dockerfile f->../../../..", "", "", "Dockerfile e/Dockerfile", ""},
		{"a start that is a link", "lib/Dockerfile lib/a/Dockerfile lib/b->../lib/a lib/c->../vendor vendor/Dockerfile link->lib", "link", "", "link/Dockerfile link/a/Dockerfile link/c/Dockerfile", "link/b"},
	} {
		dir := t.TempDir()
		write(t, dir, words(tc.tree)...)
		got, err := scan.Search{Formats: formats()[:1], Files: words(tc.files), Exclude: words(tc.exclude)}.Find(root(t, dir))
		if err != nil || got.Wrong != nil {
			t.Errorf("%s: %v, %v", tc.name, err, got.Wrong)
		}
		names := []string{}
		for _, f := range got.Files {
			names = append(names, f.Path)
		}
		equal(t, tc.name, names, words(tc.want))
		equal(t, tc.name+": skipped", got.Skipped.First, words(tc.skipped))
	}
}

// What git tracks is what is there without the link.
func TestLinkedTracked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, ".gitignore=sub/\n/left\n", "vendor/api/sub/Dockerfile", "vendor/api/sub/Dockerfile.new", "services/api->../vendor/api", "left->vendor/api", "vendor/.gitignore=Dockerfile.tmp", "vendor/api/Dockerfile.tmp")
	git(t, dir, "vendor/api/sub/Dockerfile", "services/api")
	got, err := scan.Search{Formats: formats()}.Find(root(t, dir))
	if err != nil || got.Wrong != nil {
		t.Error(err, got.Wrong)
	}
	equal(t, "files", written(got.Files), words("dockerfile:services/api/sub/Dockerfile"))
	equal(t, "ignored", got.Ignored.First, words("left/Dockerfile.tmp left/sub/Dockerfile left/sub/Dockerfile.new services/api/Dockerfile.tmp services/api/sub/Dockerfile.new"))
}

// Links that lead to one another multiply, and are not followed for ever.
func TestTooManyLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 5 {
		write(t, dir, fmt.Sprintf("vendor/Dockerfile.%d", i), fmt.Sprintf("l%d->vendor", i))
	}
	got, err := scan.Bounds{Entries: 99, Aside: 9, Depth: 9, Files: 99, Links: 2}.Find(scan.Search{Formats: formats(), Files: words("*/Dockerfile.0")}, root(t, dir))
	if err != nil || len(got.Wrong) != 1 || got.Wrong[0].At.File != "l2" || got.Wrong[0].Err.Error() != "look for files: more than 2 links to folders, and nobody looked where this one and those after it lead: ask for what they lead to with -f, or exclude some" {
		t.Errorf("%v, %v", got.Wrong, err)
	}
	equal(t, "files", written(got.Files), words("dockerfile:l0/Dockerfile.0 dockerfile:l1/Dockerfile.0"))

	var links []string
	for i := range 12 {
		links = append(links, fmt.Sprintf("packages/p%d/Dockerfile", i))
		for j := range 12 {
			links = append(links, fmt.Sprintf("packages/p%d/deps/p%d->../../p%d", i, j, j))
		}
	}
	dir = filepath.Join(t.TempDir(), "w")
	write(t, dir, links...)
	for asked, n := range map[string]int{"": 12, "**/Dockerfile": 12, "packages/*/Dockerfile": 12, "packages/**": 12} {
		got, err := scan.Search{Formats: formats(), Files: words(asked), Exclude: words("**/test/** other/x/y")}.Find(root(t, dir))
		if err != nil || len(got.Files) != n || got.Wrong != nil {
			t.Errorf("%q: %d files, %v, %v", asked, len(got.Files), got.Wrong, err)
		}
	}
}

// With Gate, rules count only where it is known what git tracks.
func TestGate(t *testing.T) {
	t.Parallel()
	const why = "nothing is ignored by it, for it is not known what git tracks all the same: there is no .git in the workspace"
	dir := t.TempDir()
	write(t, dir, ".gitignore=gen/", "gen/Dockerfile", "a/.gitignore=Dockerfile", "a/Dockerfile", "a/b/Dockerfile")
	got, err := scan.Search{Formats: formats(), Gate: true}.Find(root(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "files", written(got.Files), words("dockerfile:a/Dockerfile dockerfile:a/b/Dockerfile dockerfile:gen/Dockerfile"))
	equal(t, "warnings", texts(got.Warnings), []string{".gitignore: " + why + " (so it is with 2 files of that name, of which this is the first)"})
	got, err = scan.Search{Formats: formats(), Gate: true, Files: words("a/b")}.Find(root(t, dir))
	equal(t, "warnings of a folder", texts(got.Warnings), []string{".gitignore: " + why + " (so it is with 2 files of that name, of which this is the first)"})
	if got.Ignored.Count > 0 || err != nil {
		t.Error(got.Ignored, err)
	}
	if got, err = (scan.Search{Formats: formats()}).Find(root(t, dir)); err != nil || got.Files != nil || got.Ignored.Count != 3 {
		t.Errorf("without Gate: %v, %v", got, err)
	}
	git(t, dir, "a/Dockerfile")
	got, err = scan.Search{Formats: formats(), Gate: true}.Find(root(t, dir))
	equal(t, "files of a repository", written(got.Files), words("dockerfile:a/Dockerfile"))
	equal(t, "warnings of a repository", texts(got.Warnings), []string{"a/b/Dockerfile: 2 files are not scanned, of which this is the first: git ignores it and does not track it: name with -f what your build uses"})
	if err != nil {
		t.Error(err)
	}
}

// A glob's files of whose names nothing is known are told, unless they are
// scanned all the same.
func TestUnnamed(t *testing.T) {
	t.Parallel()
	fsys := tree("docker/api.v2", "docker/worker", "docker/README.md")
	for files, want := range map[string][]string{
		"docker/*":                                  {"docker/README.md: 2 files are not scanned, of which this is the first: its name does not tell what it is: name with -f what your build uses, as in dockerfile:docker/README.md"},
		"docker/[!R]*":                              {"docker/api.v2: not scanned: its name does not tell what it is: name with -f what your build uses, as in dockerfile:docker/api.v2"},
		"docker/[!R]* docker/api.v2":                {},
		"docker/* dockerfile:docker/api.v2":         {"docker/README.md: not scanned: its name does not tell what it is: name with -f what your build uses, as in dockerfile:docker/README.md"},
		"docker/* dockerfile:" + "docker/*.{v2,md}": {},
	} {
		for range 3 {
			got, err := scan.Search{Formats: formats(), Files: words(files)}.Find(fsys)
			if err != nil {
				t.Error(err)
			}
			equal(t, files, texts(got.Warnings), want)
		}
	}
}

// What all files use together is bounded, and so is the memory it takes.
func TestMaxUses(t *testing.T) {
	t.Parallel()
	var files []scan.File
	scanned := 0
	for i := range 1000 {
		name := fmt.Sprintf("d%03d/Dockerfile", i)
		files = append(files, scan.File{Path: name, Format: &scan.Format{Name: "fake", Scan: func(scan.Source, string) (f scan.Found) {
			scanned++
			for line := range 1900 {
				f.Uses = append(f.Uses, use(name, line+1, 1, strings.Repeat("x", 40), "", errUnset), use("same", line+1, 1, "x", "", errUnset))
			}
			return f
		}}})
	}
	got := scan.Scan(scan.Source{FS: tree()}, files)
	last := got.Uses[len(got.Uses)-1901] // before those of the file called same
	if len(got.Uses) != 100_001 || scanned != 52 || got.Warnings != nil {
		t.Errorf("%d uses of %d files, and %d warnings", len(got.Uses), scanned, len(got.Warnings))
	}
	equal(t, "last", describe(got.Uses[len(got.Uses)-1901:][:1]), []string{"d051/Dockerfile:1201:1  scan: more than 100000 images are used, and nobody looked at what comes after this: ask for fewer files with -f, or exclude some"})
	if last.Kind != "file" {
		t.Error(last.Kind)
	}
	var notes []scan.Warning
	for i := range 100_001 {
		notes = append(notes, scan.Warning{Text: fmt.Sprint(i)})
	}
	got = scan.Scan(scan.Source{FS: tree()}, []scan.File{finds("a", nil, notes[:100_000]...), finds("b", nil, notes...)})
	if len(got.Warnings) != 100_000 || len(got.Uses) != 1 || got.Uses[0].Err.Error() != "scan: more than 100000 warnings are due, and nobody looked at what comes after this: ask for fewer files with -f, or exclude some" {
		t.Errorf("%d warnings, %v", len(got.Warnings), got.Uses)
	}
}
