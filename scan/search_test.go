package scan_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// formats are like the real ones, which this package cannot import, in what
// they match.
func formats() []*scan.Format {
	yaml := func(name string) bool { return slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name)) }
	return []*scan.Format{
		fake("dockerfile", func(name string) bool {
			base := path.Base(name)
			return base == "Dockerfile" || strings.HasPrefix(base, "Dockerfile.") && base != "Dockerfile.dockerignore" || path.Ext(base) == ".Dockerfile"
		}),
		fake("compose", func(name string) bool { return path.Base(name) == "compose.yaml" }),
		fake("bake", func(name string) bool { return path.Base(name) == "docker-bake.hcl" }),
		fake("workflow", func(name string) bool { return path.Dir(name) == ".github/workflows" && yaml(name) }),
		{Name: "kubernetes", Asked: true, Match: yaml, Scan: read},
	}
}

func fake(name string, match func(string) bool) *scan.Format {
	return &scan.Format{Name: name, Match: match, Scan: read}
}

// read returns the text of a file, or why it cannot be read, as formats do.
func read(s scan.Source, name string) scan.Found {
	at := image.Position{File: name, Line: 1, Col: 1}
	text, err := fs.ReadFile(s.FS, name)
	return scan.Found{Uses: []image.Use{{Text: string(text), At: at, Kind: image.From, Err: err}}}
}

// tree returns a file system of names, each a file unless it has a text: that
// is what comes after the first "=".
func tree(files ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for _, f := range files {
		name, text, _ := strings.Cut(f, "=")
		fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return fsys
}

// written writes files as "format:path".
func written(files []scan.File) []string {
	names := []string{}
	for _, f := range files {
		names = append(names, f.Format.Name+":"+f.Path)
	}
	return names
}

func words(s string) []string { return strings.Fields(s) }

func TestFind(t *testing.T) {
	t.Parallel()
	many := tree(
		"Dockerfile", "Dockerfile.dockerignore", "README.md", "api/Dockerfile", "api/api.Dockerfile", "api/main.go", "compose.yaml", "docker-bake.hcl",
		".github/workflows/ci.yml", ".github/dependabot.yml=version: 2", "deploy/app.yaml=kind: Pod", "deploy/values.json={\"a\": 1}", "deploy/notes.txt",
		"deploy/charts/vendor/x.yaml=kind: Pod", "vendor/Dockerfile", "vendor/lib/Dockerfile", "vendor/lib/testdata/Dockerfile", "node_modules/a/Dockerfile",
		"web/node_modules/Dockerfile", "web/testdata/Dockerfile", ".git/Dockerfile", "web/.git/Dockerfile",
		"docker/api", "docker/worker", "docker/entrypoint.sh", "docker/README.md", "docker/.dockerignore", "docker/prod.hcl", "docker/stack.yaml=services: {}",
		"odd/[id]/Dockerfile", "odd/i/Dockerfile", "odd/a*", "odd/ab", "c:/Dockerfile", "bake:x/Dockerfile",
	)
	for _, tc := range []struct {
		name           string
		files, exclude []string
		want           string
		skipped        string
		unrecognized   string
		excluded       string
	}{
		{
			name:    "the workspace",
			want:    "workflow:.github/workflows/ci.yml dockerfile:Dockerfile dockerfile:api/Dockerfile dockerfile:api/api.Dockerfile dockerfile:bake:x/Dockerfile dockerfile:c:/Dockerfile compose:compose.yaml bake:docker-bake.hcl dockerfile:odd/[id]/Dockerfile dockerfile:odd/i/Dockerfile",
			skipped: "deploy/charts/vendor node_modules vendor web/node_modules web/testdata",
		},
		{name: "a file", files: words("api/Dockerfile"), want: "dockerfile:api/Dockerfile"},
		{name: "a file, in other words", files: words("./api//../api/Dockerfile api/Dockerfile"), want: "dockerfile:api/Dockerfile"},
		{name: "a file of any name", files: words("docker/entrypoint.sh docker/api README.md"), want: "dockerfile:README.md dockerfile:docker/api dockerfile:docker/entrypoint.sh"},
		{name: "a file that is looked into", files: words("deploy/app.yaml docker/stack.yaml docker/prod.hcl"), want: "kubernetes:deploy/app.yaml bake:docker/prod.hcl compose:docker/stack.yaml"},
		{name: "a file of a format", files: words("bake:deploy/values.json dockerfile:README.md"), want: "dockerfile:README.md bake:deploy/values.json"},
		{name: "a file of two formats", files: words("workflow:compose.yaml compose.yaml kubernetes:compose.yaml"), want: "compose:compose.yaml kubernetes:compose.yaml workflow:compose.yaml"},
		{name: "a folder", files: words("api"), want: "dockerfile:api/Dockerfile dockerfile:api/api.Dockerfile"},
		{name: "a folder with a slash", files: words("api/"), want: "dockerfile:api/Dockerfile dockerfile:api/api.Dockerfile"},
		{name: "the root", files: words("."), exclude: words("a* b* bake:* c* d* n* o* w* .github"), want: "dockerfile:Dockerfile", skipped: "vendor", excluded: ".github api bake:x c: compose.yaml deploy docker docker-bake.hcl node_modules odd"},
		{name: "a folder, and a file in it", files: words("api api/main.go"), want: "dockerfile:api/Dockerfile dockerfile:api/api.Dockerfile dockerfile:api/main.go"},
		{name: "a folder for a format", files: words("kubernetes:deploy/"), want: "kubernetes:deploy/app.yaml kubernetes:deploy/values.json", skipped: "deploy/charts/vendor"},
		{name: "the workspace for a format", files: words("bake:."), want: "bake:docker-bake.hcl", skipped: "deploy/charts/vendor node_modules vendor web/node_modules web/testdata"},
		{name: "a skipped folder", files: words("vendor"), want: "dockerfile:vendor/Dockerfile dockerfile:vendor/lib/Dockerfile", skipped: "vendor/lib/testdata"},
		{name: "below a skipped folder", files: words("vendor/lib"), want: "dockerfile:vendor/lib/Dockerfile", skipped: "vendor/lib/testdata"},
		{name: "a file in a skipped folder", files: words("node_modules/a/Dockerfile"), want: "dockerfile:node_modules/a/Dockerfile"},
		{name: "a glob into a skipped folder", files: words("vendor/*/Dockerfile"), want: "dockerfile:vendor/lib/Dockerfile"},
		{name: "a file in .git", files: words(".git/Dockerfile"), want: "dockerfile:.git/Dockerfile"},
		{name: "a glob", files: words("*/*.Dockerfile"), want: "dockerfile:api/api.Dockerfile", skipped: "node_modules vendor"},
		{name: "a deep glob", files: words("**/ci.y{a,}ml"), want: "workflow:.github/workflows/ci.yml", skipped: "deploy/charts/vendor node_modules vendor web/node_modules web/testdata"},
		{name: "a glob of any names", files: words("docker/*"), want: "dockerfile:docker/api bake:docker/prod.hcl compose:docker/stack.yaml dockerfile:docker/worker", unrecognized: "docker/.dockerignore docker/README.md docker/entrypoint.sh"},
		{name: "a glob for a format", files: words("dockerfile:docker/*.sh"), want: "dockerfile:docker/entrypoint.sh"},
		{name: "a glob and a folder", files: words("docker/a* api"), want: "dockerfile:api/Dockerfile dockerfile:api/api.Dockerfile dockerfile:docker/api"},
		{name: "a class", files: words("odd/[i]/Dockerfile"), want: "dockerfile:odd/i/Dockerfile"},
		{name: "a folder that looks like a class", files: words("odd/[id]"), want: "dockerfile:odd/[id]/Dockerfile"},
		{name: "a file that looks like a glob, and what it matches", files: words("odd/[id]/Dockerfile odd/a*"), want: "dockerfile:odd/[id]/Dockerfile dockerfile:odd/a* dockerfile:odd/ab dockerfile:odd/i/Dockerfile"},
		{name: "an escaped glob", files: words(`odd/a\*`), want: "dockerfile:odd/a*"},
		{name: "a colon", files: words("c:/Dockerfile"), want: "dockerfile:c:/Dockerfile"},
		{name: "a format as a folder", files: words("bake:bake:x/Dockerfile ./bake:x"), want: "bake:bake:x/Dockerfile dockerfile:bake:x/Dockerfile"},
		{name: "exclude a name", exclude: words("Dockerfile"), files: words("api"), want: "dockerfile:api/api.Dockerfile", excluded: "api/Dockerfile"},
		{name: "exclude a folder", exclude: words("api odd/i"), want: "workflow:.github/workflows/ci.yml dockerfile:Dockerfile dockerfile:bake:x/Dockerfile dockerfile:c:/Dockerfile compose:compose.yaml bake:docker-bake.hcl dockerfile:odd/[id]/Dockerfile", excluded: "api odd/i", skipped: "deploy/charts/vendor node_modules vendor web/node_modules web/testdata"},
		{name: "exclude only folders", exclude: words("api/ worker/"), files: words("docker/[aw]* api/*"), want: "dockerfile:docker/api dockerfile:docker/worker", excluded: "api"},
		{name: "exclude by a deep glob", exclude: words("**/*.{sh,md,hcl}"), files: words("docker/*"), want: "dockerfile:docker/api compose:docker/stack.yaml dockerfile:docker/worker", unrecognized: "docker/.dockerignore", excluded: "docker/README.md docker/entrypoint.sh docker/prod.hcl"},
		{name: "exclude an anchored path", exclude: words("./Dockerfile vendor/**"), files: words("*/Dockerfile Dockerfile*"), want: "dockerfile:api/Dockerfile dockerfile:c:/Dockerfile dockerfile:bake:x/Dockerfile", excluded: "Dockerfile vendor", skipped: "node_modules", unrecognized: "Dockerfile.dockerignore"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := scan.Search{Formats: formats(), Files: tc.files, Exclude: tc.exclude}.Find(many)
			var bad *scan.Error
			if err != nil && tc.name != "exclude only folders" && tc.name != "exclude an anchored path" || errors.As(err, &bad) && tc.name == "a file" {
				t.Error(err)
			}
			want := words(tc.want)
			slices.SortFunc(want, func(a, b string) int { return strings.Compare(pathOf(a), pathOf(b)) })
			if files := written(got.Files); !slices.Equal(files, want) {
				t.Errorf("files\n%q, want\n%q", files, want)
			}
			for what, lists := range map[string][2][]string{
				"skipped":      {got.Skipped.First, words(tc.skipped)},
				"unrecognized": {got.Unrecognized.First, words(tc.unrecognized)},
				"excluded":     {got.Excluded.First, words(tc.excluded)},
			} {
				if !slices.Equal(lists[0], lists[1]) {
					t.Errorf("%s\n%q, want\n%q", what, lists[0], lists[1])
				}
			}
			if got.Wrong != nil || got.Ignored.Count > 0 {
				t.Errorf("wrong %v, ignored %v", got.Wrong, got.Ignored)
			}
		})
	}
}

func pathOf(file string) string {
	_, name, _ := strings.Cut(file, ":")
	return name
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	fsys := tree("Dockerfile", "api/Dockerfile", "deploy/values.yaml=a: 1", "deploy/values2.yaml=a: 1", "docker/a.sh", "vendor/Dockerfile", ".git/x/Dockerfile", ".git/HEAD", ".gitignore=gen/", "gen/Dockerfile", "empty/x", "main.tf.json={}",
		"both.yaml=services: {}\nkind: x\n", "[x", "a.hcl")
	for _, tc := range []struct {
		files, exclude, want string // each error's text, with "asked: " before it
	}{
		{files: "nope", want: `search for "nope": lstat nope: file does not exist: correct the path`},
		{files: "Dockerfile nope no/way", want: `search for "nope": lstat nope: file does not exist: correct the path
search for "no/way": lstat no/way: file does not exist: correct the path`},
		{files: "/Dockerfile", want: `search for "/Dockerfile": it leads out of the workspace: write a path relative to the workspace, with slashes`},
		{files: "../x/Dockerfile", want: `search for "../x/Dockerfile": it leads out of the workspace: write a path relative to the workspace, with slashes`},
		{files: "api/../../*", want: `search for "api/../../*": it leads out of the workspace: write a path relative to the workspace, with slashes`},
		{files: "dockerfile:..", want: `search for "dockerfile:..": it leads out of the workspace: write a path relative to the workspace, with slashes`},
		{files: "kubernetes:", want: `search for "kubernetes:": it names nothing: write a path relative to the workspace, with slashes`},
		{files: "a\xff", want: `search for "a\xff": it is not UTF-8: write a path relative to the workspace, with slashes`},
		{files: "Dockerfile/", want: `search for "Dockerfile/": it is no folder: leave out the slash at its end`},
		{files: "*.x", want: `search for "*.x": no file matches: correct it; vendor, node_modules and testdata are entered only where they are written out, as in vendor/**`},
		{files: "nope/*", want: `search for "nope/*": no file matches: correct it; vendor, node_modules and testdata are entered only where they are written out, as in vendor/**`},
		{files: "v*/Dockerfile", want: `search for "v*/Dockerfile": no file matches: correct it; vendor, node_modules and testdata are entered only where they are written out, as in vendor/**`},
		{files: "api/*/", want: `search for "api/*/": a glob is matched with files, not with folders: write /** at its end`},
		{files: "docker/*", want: `search for "docker/*": no file matches with a name that tells what it is: say which format they have: dockerfile:docker/*, compose:docker/*, bake:docker/*, workflow:docker/*, kubernetes:docker/*`},
		{files: "gen*/*", want: `search for "gen*/*": no file matches that .gitignore does not ignore: name the files by their paths`},
		{files: "[y", want: `search for "[y": a pattern with a [ or { that is not closed, an empty [], a } too many, or a \ at its end: correct it, or write \ before a character that stands for itself`},
		{files: "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", want: `search for "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}": a pattern whose braces stand for more than 1024 others: correct it, or write \ before a character that stands for itself`},
		{files: ".git", want: `search for ".git": folders named .git are never walked: name another folder, or files`},
		{files: ".git/x", want: `search for ".git/x": folders named .git are never walked: name another folder, or files`},
		{files: ".git/x/*", want: `search for ".git/x/*": folders named .git are never walked: name another folder, or files`},
		{files: "deploy/values.yaml", want: `search for "deploy/values.yaml": what "deploy/values.yaml" is cannot be told: it has no key at its top that tells: say which format it has: dockerfile:deploy/values.yaml, compose:deploy/values.yaml, bake:deploy/values.yaml, workflow:deploy/values.yaml, kubernetes:deploy/values.yaml`},
		{files: "deploy/*", want: `search for "deploy/*": what "deploy/values.yaml" is cannot be told: it has no key at its top that tells: say which format it has: dockerfile:deploy/*, compose:deploy/*, bake:deploy/*, workflow:deploy/*, kubernetes:deploy/*`},
		{files: "*/*.yaml d*/v*", want: `search for "*/*.yaml": what "deploy/values.yaml" is cannot be told: it has no key at its top that tells: say which format it has: dockerfile:*/*.yaml, compose:*/*.yaml, bake:*/*.yaml, workflow:*/*.yaml, kubernetes:*/*.yaml
search for "d*/v*": what "deploy/values.yaml" is cannot be told: it has no key at its top that tells: say which format it has: dockerfile:d*/v*, compose:d*/v*, bake:d*/v*, workflow:d*/v*, kubernetes:d*/v*`},
		{files: "both.yaml", want: `search for "both.yaml": what "both.yaml" is cannot be told: by its keys it may be compose or kubernetes: say which format it has: dockerfile:both.yaml, compose:both.yaml, bake:both.yaml, workflow:both.yaml, kubernetes:both.yaml`},
		{files: "Dockerfile", exclude: "Dockerfile", want: `search for "Dockerfile": it is asked for, and excluded, too, by "Dockerfile": drop one of the two`},
		{files: "api/Dockerfile", exclude: "x a*/", want: `search for "api/Dockerfile": it is asked for, and excluded, too, by "a*/": drop one of the two`},
		{files: "api/", exclude: "api", want: `search for "api/": it is asked for, and excluded, too, by "api": drop one of the two`},
		{files: "api/*", exclude: "Dockerfile", want: `search for "api/*": no file matches: correct it; vendor, node_modules and testdata are entered only where they are written out, as in vendor/**`},
		{exclude: "/x", want: `search for "/x": it leads out of the workspace: write a glob relative to the workspace, with slashes`},
		{exclude: "../x", want: `search for "../x": it leads out of the workspace: write a glob relative to the workspace, with slashes`},
		{exclude: "{x", want: `search for "{x": a pattern with a [ or { that is not closed, an empty [], a } too many, or a \ at its end: correct it, or write \ before a character that stands for itself`},
		{exclude: "/", want: `search for "/": it names nothing: write a glob relative to the workspace, with slashes`},
	} {
		_, err := scan.Search{Formats: formats(), Files: words(tc.files), Exclude: words(tc.exclude)}.Find(fsys)
		var bad *scan.Error
		if !errors.As(err, &bad) || err.Error() != tc.want {
			t.Errorf("%q, without %q: error\n%v, want\n%s", tc.files, tc.exclude, err, tc.want)
		}
	}
	_, err := scan.Search{Formats: formats(), Files: []string{""}}.Find(fsys)
	if err == nil || err.Error() != `search for "": it names nothing: write a path relative to the workspace, with slashes` {
		t.Error(err)
	}
	if _, err := (scan.Search{Formats: formats(), Files: words("nope")}).Find(fsys); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
	if got, err := (scan.Search{Formats: formats(), Files: words("[x")}).Find(fsys); err != nil || !slices.Equal(written(got.Files), words("dockerfile:[x")) {
		t.Errorf("a file whose name is no valid glob: %q, %v", written(got.Files), err)
	}
	got, err := scan.Search{Formats: formats()[1:2], Files: words("a.hcl")}.Find(fsys)
	if want := `search for "a.hcl": "a.hcl" seems to be for bake, which is not scanned: say which format it has: compose:a.hcl`; err == nil || err.Error() != want {
		t.Errorf("without its format: %q, %v", written(got.Files), err)
	}
	got, err = scan.Search{Formats: formats()[1:2], Files: words("docker/a.sh")}.Find(fsys)
	if want := `search for "docker/a.sh": "docker/a.sh" is of no format that is scanned: say which format it has: compose:docker/a.sh`; err == nil || err.Error() != want {
		t.Errorf("without the format of Dockerfiles: %q, %v", written(got.Files), err)
	}
}

// A folder in which nothing is found may be what was meant, and may be not.
func TestNothingInFolder(t *testing.T) {
	t.Parallel()
	got, err := scan.Search{Formats: formats(), Files: words("bake:api api")}.Find(tree("api/Dockerfile"))
	want := []scan.Warning{{At: image.Position{File: "api"}, Text: `nothing to scan was found in the folder that "bake:api" asks for: name the files themselves, or say what they are, as in kubernetes:FOLDER`}}
	if err != nil || !slices.Equal(got.Warnings, want) {
		t.Errorf("%v, %v; want %v", got.Warnings, err, want)
	}
	if got, err = (scan.Search{Formats: formats()}).Find(tree("x")); err != nil || got.Files != nil || got.Warnings != nil {
		t.Errorf("an empty workspace: %v, %v", got, err)
	}
}

// Names are passed on as they are.
func TestOddNames(t *testing.T) {
	t.Parallel()
	got, err := scan.Search{Formats: formats()}.Find(tree("a b/Dockerfile", "a\nb/Dockerfile", "\x1b[31m/Dockerfile", "ü/Dockerfile", "\"'`$(x)/Dockerfile"))
	want := []string{"dockerfile:\x1b[31m/Dockerfile", "dockerfile:\"'`$(x)/Dockerfile", "dockerfile:a\nb/Dockerfile", "dockerfile:a b/Dockerfile", "dockerfile:ü/Dockerfile"}
	if files := written(got.Files); err != nil || !slices.Equal(files, want) {
		t.Errorf("%q, %v; want %q", files, err, want)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	at := func(file string) image.Position { return image.Position{File: file, Line: 1, Col: 1} }
	for _, tc := range []struct {
		name   string
		bounds scan.Bounds
		files  []string
		want   string
		wrong  []string
		more   bool
	}{
		{"entries reached", scan.Bounds{Entries: 4, Aside: 9, Depth: 9, Files: 9}, words("Dockerfile a/Dockerfile b"), "dockerfile:Dockerfile dockerfile:a/Dockerfile", nil, false},
		{"entries", scan.Bounds{Entries: 3, Aside: 9, Depth: 9, Files: 9}, words("Dockerfile a/Dockerfile b"), "dockerfile:Dockerfile dockerfile:a/Dockerfile", []string{"a: look for files: more than 3 files and folders, the rest of which nobody looked at: ask for fewer with -f, or exclude some"}, false},
		{"depth", scan.Bounds{Entries: 9, Aside: 9, Depth: 2, Files: 9}, words("a/b/Dockerfile a/b/c/Dockerfile"), "dockerfile:a/b/Dockerfile", []string{"a/b/c: look for files: folders are nested more than 2 deep: ask for this one with -f, or exclude it"}, false},
		{"files", scan.Bounds{Entries: 9, Aside: 9, Depth: 9, Files: 1}, words("a/Dockerfile b/Dockerfile c/Dockerfile"), "dockerfile:a/Dockerfile", []string{"b/Dockerfile: look for files: more than 1 files to scan: ask for fewer with -f, or exclude some"}, false},
		{"entries in ignored folders", scan.Bounds{Entries: 9, Aside: 1, Depth: 9, Files: 9}, words(".gitignore=/gen/ Dockerfile gen/Dockerfile gen/b gen/c"), "dockerfile:Dockerfile", nil, true},
		{"depth in ignored folders", scan.Bounds{Entries: 9, Aside: 9, Depth: 1, Files: 9}, words(".gitignore=/gen/ Dockerfile gen/Dockerfile gen/b/c"), "dockerfile:Dockerfile", nil, true},
	} {
		got, err := tc.bounds.Find(scan.Search{Formats: formats()}, tree(tc.files...))
		if files := written(got.Files); err != nil || !slices.Equal(files, words(tc.want)) {
			t.Errorf("%s: %q, %v; want %q", tc.name, files, err, tc.want)
		}
		var wrong []string
		for _, u := range got.Wrong {
			if u.At != at(u.At.File) {
				t.Errorf("%s: at %v", tc.name, u.At)
			}
			wrong = append(wrong, u.At.File+": "+u.Err.Error())
		}
		if !slices.Equal(wrong, tc.wrong) {
			t.Errorf("%s: wrong\n%q, want\n%q", tc.name, wrong, tc.wrong)
		}
		if got.Ignored.More != tc.more {
			t.Errorf("%s: more %t", tc.name, got.Ignored.More)
		}
	}
}

// Only the first names of what is left out are told, but all are counted.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	fsys := tree(".gitignore=gen/\n!gen/3/Dockerfile")
	for i := range 12 {
		fsys[fmt.Sprintf("gen/%x/Dockerfile", i)] = &fstest.MapFile{}
	}
	got, err := scan.Search{Formats: formats()}.Find(fsys)
	if err != nil || got.Ignored.Count != 12 || len(got.Ignored.First) != 10 || got.Ignored.First[9] != "gen/9/Dockerfile" || got.Files != nil {
		t.Errorf("%+v, %v", got.Ignored, err)
	}
	want := `12 files are not scanned, of which this is the first: .gitignore ignores it, and whether git tracks it all the same is not known (there is no .git in the workspace): name with -f what your build uses`
	if len(got.Warnings) != 1 || got.Warnings[0].Text != want || got.Warnings[0].At.File != "gen/0/Dockerfile" {
		t.Errorf("%v, want %q", got.Warnings, want)
	}
}
