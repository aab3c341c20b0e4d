package scan_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/programtest"
	"github.com/boltseal/boltseal/scan"
)

// root returns a folder as a workspace.
func root(t testing.TB, dir string) fs.FS {
	t.Helper()
	r, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r.FS()
}

// write writes files, as tree has them, and links: "name->target".
func write(t testing.TB, dir string, files ...string) {
	t.Helper()
	for _, f := range files {
		name, target, link := strings.Cut(f, "->")
		name, text, _ := strings.Cut(name, "=")
		full := filepath.Join(dir, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(full), 0o750)
		switch {
		case err != nil:
		case link:
			err = os.Symlink(target, full)
		default:
			err = os.WriteFile(full, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// git makes a repository of a folder, in which the paths are tracked, if it is
// there.
func git(t *testing.T, dir string, track ...string) {
	t.Helper()
	programtest.Found(t, "git")
	for _, args := range [][]string{{"init", "-q", "."}, append([]string{"add", "-f", "--"}, track...)} {
		cmd := exec.CommandContext(t.Context(), "git", args...) //nolint:gosec // of the test itself
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v: %s", args, err, out)
		}
	}
}

// texts returns what warnings say, with the file before it.
func texts(warnings []scan.Warning) []string {
	all := []string{}
	for _, w := range warnings {
		all = append(all, w.At.File+": "+w.Text)
	}
	return all
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s\n%q, want\n%q", what, got, want)
	}
}

// What is tracked cannot be ignored, wherever the rule stands.
func TestIgnored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, ".gitignore=/Dockerfile\ngen/\nlocal\n*.log\nsub/\n", "Dockerfile", "gen/Dockerfile", "gen/a/Dockerfile", "gen/a/b/Dockerfile", "gen/c/Dockerfile", "gen/c/vendor/Dockerfile",
		"local/Dockerfile", "local/x/Dockerfile", "app/Dockerfile", "app/.gitignore=Dockerfile*", "app/Dockerfile.dev", "app/x.log", "tracked.log", "gen/.gitignore=!*\n",
		"inner/.gitignore=mine/", "inner/mine/Dockerfile", "inner/mine/Dockerfile.two", "inner/local/Dockerfile", "sub/Dockerfile", "sub/Dockerfile.two")
	git(t, filepath.Join(dir, "inner"), "mine/Dockerfile")
	git(t, filepath.Join(dir, "sub"), "Dockerfile")
	git(t, dir, ".gitignore", "Dockerfile", "gen/a/b/Dockerfile", "app/Dockerfile", "tracked.log")
	for _, tc := range []struct {
		name         string
		files        []string
		want, ignore []string
	}{
		{
			"the workspace", nil,
			words("dockerfile:Dockerfile dockerfile:app/Dockerfile dockerfile:gen/a/b/Dockerfile dockerfile:inner/local/Dockerfile dockerfile:inner/mine/Dockerfile dockerfile:sub/Dockerfile"),
			words("app/Dockerfile.dev gen/Dockerfile gen/a/Dockerfile gen/c/Dockerfile inner/mine/Dockerfile.two local/Dockerfile local/x/Dockerfile sub/Dockerfile.two"),
		},
		{"a file", words("local/Dockerfile"), words("dockerfile:local/Dockerfile"), nil},
		{"a folder", words("local"), words("dockerfile:local/Dockerfile dockerfile:local/x/Dockerfile"), nil},
		{"a folder, and rules for what is in it", words("app"), words("dockerfile:app/Dockerfile"), words("app/Dockerfile.dev")},
		{"a glob that leads into it", words("local/**/Dockerfile"), words("dockerfile:local/Dockerfile dockerfile:local/x/Dockerfile"), nil},
		{"a glob that does not", words("*/Dockerfile"), words("dockerfile:app/Dockerfile dockerfile:sub/Dockerfile"), words("gen/Dockerfile local/Dockerfile")},
		{"below a repository of its own", words("inner/mine"), words("dockerfile:inner/mine/Dockerfile dockerfile:inner/mine/Dockerfile.two"), nil},
	} {
		got, err := scan.Search{Formats: formats(), Files: tc.files}.Find(root(t, dir))
		if err != nil || got.Wrong != nil {
			t.Errorf("%s: %v, %v", tc.name, err, got.Wrong)
		}
		equal(t, tc.name, written(got.Files), tc.want)
		warned := []string{}
		if n := len(tc.ignore); n > 0 {
			some, first := "", ""
			if n > 1 {
				some, first = fmt.Sprintf("%d files are ", n), ", of which this is the first"
			}
			warned = append(warned, fmt.Sprintf("%s: %snot scanned%s: git ignores it and does not track it: name with -f what your build uses", tc.ignore[0], some, first))
		}
		equal(t, tc.name+": warnings", texts(got.Warnings), warned)
		equal(t, tc.name+": ignored", got.Ignored.First, append([]string{}, tc.ignore...))
		if got.Ignored.Count != len(tc.ignore) {
			t.Errorf("%s: %d ignored", tc.name, got.Ignored.Count)
		}
	}
}

// Folders in which something is tracked are no less looked at for being
// ignored.
func TestTrackedBelowIgnored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, ".gitignore=gen/", "gen/a/Dockerfile", "gen/b/Dockerfile")
	git(t, dir, "gen/a/Dockerfile")
	got, err := scan.Bounds{Entries: 99, Aside: 0, Depth: 9, Files: 9}.Find(scan.Search{Formats: formats()}, root(t, dir))
	if err != nil || got.Wrong != nil || !got.Ignored.More {
		t.Errorf("%v, %v, %+v", err, got.Wrong, got.Ignored)
	}
	equal(t, "files", written(got.Files), words("dockerfile:gen/a/Dockerfile"))
	got, err = scan.Bounds{Entries: 99, Aside: 99, Depth: 1, Files: 9}.Find(scan.Search{Formats: formats()}, root(t, dir))
	if err != nil || len(got.Wrong) != 1 || got.Wrong[0].At.File != "gen/a" {
		t.Errorf("%v, %v", err, got.Wrong)
	}
}

// Where the index says nothing, a warning does, if it matters.
func TestUnknownIndex(t *testing.T) {
	t.Parallel()
	const (
		unversioned = "gen/Dockerfile: not scanned: .gitignore ignores it, and whether git tracks it all the same is not known (there is no .git in the workspace): name with -f what your build uses"

		known   = "gen/Dockerfile: not scanned: git ignores it and does not track it: name with -f what your build uses"
		unknown = ".gitignore: nothing is ignored by it, for it is not known what git tracks all the same: %"
	)
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, dir string)
		want   string // why it is not known; "" for no warning
	}{
		{"missing, as git init leaves it", func(t *testing.T, dir string) { remove(t, dir, ".git/index") }, known},
		{"no repository at all", func(t *testing.T, dir string) { remove(t, dir, ".git"); write(t, dir, ".git/x") }, "stat .git/HEAD: no such file or directory"},
		{"no repository", func(t *testing.T, dir string) { remove(t, dir, ".git") }, unversioned},
		{"empty", func(t *testing.T, dir string) { write(t, dir, ".git/index=") }, "the index cannot be read: EOF"},
		{"no index", func(t *testing.T, dir string) { write(t, dir, ".git/index=0123456789abcdef") }, "the index cannot be read: malformed index signature file"},
		{"too many files", func(t *testing.T, dir string) { write(t, dir, ".git/index=DIRC\x00\x00\x00\x02\x00\x00\x00\x01") }, "the index cannot be read: it is too short for 1 files"},
		{"too long", func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, ".git/index"), 64<<20+1); err != nil {
				t.Fatal(err)
			}
		}, ".git/index is larger than 67108864 bytes"},
		{"a folder", func(t *testing.T, dir string) { remove(t, dir, ".git/index"); write(t, dir, ".git/index/x") }, ".git/index is no regular file"},
		{"worktree", func(t *testing.T, dir string) {
			remove(t, dir, ".git")
			write(t, dir, ".git=gitdir: /x/.git/worktrees/y\n")
		}, `.git leads out of the workspace, to "/x/.git/worktrees/y"`},
		{"submodule of what is outside", func(t *testing.T, dir string) {
			remove(t, dir, ".git")
			write(t, dir, ".git=gitdir: ../.git/modules/y\n")
		}, `.git leads out of the workspace, to "../.git/modules/y"`},
		{"no link", func(t *testing.T, dir string) { remove(t, dir, ".git"); write(t, dir, ".git=x\n") }, ".git is a file that does not say where the repository is"},
		{"nothing ignored", func(t *testing.T, dir string) { remove(t, dir, ".git"); remove(t, dir, "gen/Dockerfile") }, ""},
		{"known", func(*testing.T, string) {}, known},
		{"followed", func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, ".git"), filepath.Join(dir, "elsewhere")); err != nil {
				t.Fatal(err)
			}
			write(t, dir, ".git=gitdir: ./elsewhere\n")
		}, known},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, ".gitignore=gen/", "Dockerfile", "gen/Dockerfile")
			git(t, dir, "Dockerfile")
			tc.change(t, dir)
			got, err := scan.Search{Formats: formats()}.Find(root(t, dir))
			if err != nil || got.Wrong != nil {
				t.Error(err, got.Wrong)
			}
			files, want := "dockerfile:Dockerfile", []string{}
			switch tc.want {
			case "":
			case known, unversioned:
				want = []string{tc.want}
			default:
				files += " dockerfile:gen/Dockerfile"
				want = []string{strings.Replace(unknown, "%", tc.want, 1)}
			}
			equal(t, "files", written(got.Files), words(files))
			equal(t, "warnings", texts(got.Warnings), want)
		})
	}
}

// What git tracks in a folder that is not walked may be somebody's own.
func TestSkippedTracked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "Dockerfile", "services/vendor/Dockerfile", "services/vendor/sub/b.Dockerfile", "services/vendor/x.go", "vendor/Dockerfile", "vendor/untracked.Dockerfile", "a/testdata/Dockerfile")
	git(t, dir, "services", "vendor/Dockerfile", "a")
	for _, tc := range []struct {
		files, exclude string
		want           []string
	}{
		{"", "", []string{
			"a/testdata/Dockerfile: not scanned: it is in a folder called testdata: name with -f what your build uses",
			"services/vendor/Dockerfile: 3 files are not scanned, of which this is the first: it is in a folder called vendor: name with -f what your build uses",
		}},
		{"services", "", []string{"services: nothing to scan was found in the folder that \"services\" asks for: name the files themselves, or say what they are, as in kubernetes:FOLDER", "services/vendor/Dockerfile: 2 files are not scanned, of which this is the first: it is in a folder called vendor: name with -f what your build uses"}},
		{"services/vendor", "", []string{}},
		{"", "testdata services/vendor/sub /vendor", nil},
		{"", "testdata vendor", []string{}},
		{"**/Dockerfile", "testdata", []string{"services/vendor/Dockerfile: 2 files are not scanned, of which this is the first: it is in a folder called vendor: name with -f what your build uses"}},
	} {
		got, err := scan.Search{Formats: formats(), Files: words(tc.files), Exclude: words(tc.exclude)}.Find(root(t, dir))
		if tc.want == nil {
			if err == nil {
				t.Errorf("%q, without %q: %v", tc.files, tc.exclude, got)
			}
			continue
		}
		if err != nil {
			t.Error(err)
		}
		equal(t, "warnings", texts(got.Warnings), tc.want)
	}
}

// Files that are asked for by their path keep the order in which they are.
func TestNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "b.yaml=services: {}", "a.yaml=services: {}", "compose.yaml", "x/compose.yaml", "Dockerfile")
	got, err := scan.Search{Formats: formats(), Files: words("b.yaml *.yaml Dockerfile compose.yaml x b.yaml")}.Find(root(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range got.Files {
		all = append(all, fmt.Sprintf("%s %d", f.Path, f.Named))
	}
	equal(t, "files", all, []string{"Dockerfile 3", "a.yaml 0", "b.yaml 1", "compose.yaml 4", "x/compose.yaml 0"})
	s := scan.Source{Named: words("b.yaml compose.yaml x/c.yaml")}
	equal(t, "together", s.Together("compose.yaml"), words("b.yaml compose.yaml"))
	equal(t, "together", s.Together("x/c.yaml"), words("x/c.yaml"))
	if s.Together("a.yaml") != nil {
		t.Error("a file that was found is read with those that were named")
	}
}

// Where an index is damaged, anything may be tracked: nothing is ignored.
func TestDamagedIndex(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, ".gitignore=gen/", "gen/a/Dockerfile", "gen/z/Dockerfile")
	git(t, dir, "gen/a/Dockerfile", "gen/z/Dockerfile")
	name := filepath.Join(dir, ".git", "index")
	index, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, index[:bytes.Index(index, []byte("gen/z"))], 0o600); err != nil { //nolint:gosec // below t.TempDir
		t.Fatal(err)
	}
	got, err := scan.Search{Formats: formats()}.Find(root(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "files", written(got.Files), words("dockerfile:gen/a/Dockerfile dockerfile:gen/z/Dockerfile"))
	equal(t, "warnings", texts(got.Warnings), []string{".gitignore: nothing is ignored by it, for it is not known what git tracks all the same: the index cannot be read: EOF"})
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// A .gitignore that cannot be honoured ignores nothing, and says so. Links are
// none of git's.
func TestUnusableRules(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "a/.gitignore="+strings.Repeat("#", 1<<20)+"\nDockerfile\n", "a/Dockerfile", "rules=Dockerfile", "b/.gitignore->../rules", "b/Dockerfile")
	got, err := scan.Search{Formats: formats()}.Find(root(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "files", written(got.Files), words("dockerfile:a/Dockerfile dockerfile:b/Dockerfile"))
	equal(t, "warnings", texts(got.Warnings), []string{"a/.gitignore: nothing is ignored by it: a/.gitignore is larger than 1048576 bytes"})
}

// Links are followed within the workspace; those to folders when they are
// asked for.
func TestLinks(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	write(t, outside, "Dockerfile=secret", "folder/Dockerfile=secret")
	dir := t.TempDir()
	write(t, dir, "real/Dockerfile=text", "in/Dockerfile->../real/Dockerfile", "out/Dockerfile->"+filepath.Join(outside, "Dockerfile"), "up/Dockerfile->../../x",
		"dangling/Dockerfile->nowhere", "loop/Dockerfile->Dockerfile", "link->real", "self->.", "escape->"+filepath.Join(outside, "folder"), "named/Dockerfile->../real", "x.yaml->nowhere")
	fsys := root(t, dir)
	got, err := scan.Search{Formats: formats()}.Find(fsys)
	if err != nil || got.Wrong != nil {
		t.Fatal(err, got.Wrong)
	}
	equal(t, "files", written(got.Files), words("dockerfile:dangling/Dockerfile dockerfile:in/Dockerfile dockerfile:loop/Dockerfile dockerfile:out/Dockerfile dockerfile:real/Dockerfile dockerfile:up/Dockerfile"))
	equal(t, "skipped", got.Skipped.First, words("link named/Dockerfile self"))
	var read []string
	for _, u := range scan.Scan(scan.Source{FS: fsys}, got.Files).Uses {
		text := u.At.File + ": " + u.Text
		if u.Err != nil {
			text += u.Err.Error()
		}
		read = append(read, text)
	}
	equal(t, "read", read, []string{
		`dangling/Dockerfile: a link to "nowhere", which is not there: stat dangling/Dockerfile: no such file or directory`,
		`in/Dockerfile: text`,
		`loop/Dockerfile: a link to "Dockerfile", which cannot be followed within the workspace: stat loop/Dockerfile: too many levels of symbolic links`,
		`out/Dockerfile: a link to "` + filepath.Join(outside, "Dockerfile") + `", which cannot be followed within the workspace: stat out/Dockerfile: path escapes from parent`,
		`real/Dockerfile: text`,
		`up/Dockerfile: a link to "../../x", which cannot be followed within the workspace: stat up/Dockerfile: path escapes from parent`,
	})

	for asked, want := range map[string]string{"link": "dockerfile:link/Dockerfile", "link/*": "dockerfile:link/Dockerfile", "self/real": "dockerfile:self/real/Dockerfile", "loop/Dockerfile": "dockerfile:loop/Dockerfile"} {
		got, err := scan.Search{Formats: formats(), Files: words(asked)}.Find(fsys)
		if err != nil {
			t.Error(err)
		}
		equal(t, asked, written(got.Files), words(want))
	}
	for asked, want := range map[string]string{
		"escape/Dockerfile": `search for "escape/Dockerfile": stat escape/Dockerfile: path escapes from parent: make the path readable, or name another one`,
		"x.yaml":            `search for "x.yaml": what "x.yaml" is cannot be told: a link to "nowhere", which is not there: stat x.yaml: no such file or directory: say which format it has: dockerfile:x.yaml, compose:x.yaml, bake:x.yaml, workflow:x.yaml, kubernetes:x.yaml`,
	} {
		_, err := scan.Search{Formats: formats(), Files: words(asked)}.Find(fsys)
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", asked, err, want)
		}
	}
	got, err = scan.Search{Formats: formats(), Files: words("escape/*")}.Find(fsys)
	if err == nil || len(got.Wrong) != 1 || got.Wrong[0].Err.Error() != "look for files: stat escape: path escapes from parent" {
		t.Errorf("below a link out of the workspace: %v, %v", got.Wrong, err)
	}
}

// A folder that cannot be read is told, and the others are scanned.
func TestUnreadableFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, ".gitignore=/data/", "a/Dockerfile", "b/Dockerfile", "c/Dockerfile", "data/Dockerfile", "bad\xff/Dockerfile", "bad\xff.Dockerfile")
	want := []string{"bad\xff: look for files: open bad\xff: invalid argument: it leads out of the workspace, or is not UTF-8: rename it, or exclude it"}
	files := words("dockerfile:a/Dockerfile dockerfile:b/Dockerfile dockerfile:bad\xff.Dockerfile dockerfile:c/Dockerfile")
	if os.Getuid() > 0 {
		for _, name := range []string{"b", "data"} {
			if err := os.Chmod(filepath.Join(dir, name), 0); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, name), 0o700) }) //nolint:gosec // a folder
		}
		want = slices.Insert(want, 0, "b: look for files: openat b: permission denied")
		files = slices.Delete(files, 1, 2)
	}
	got, err := scan.Search{Formats: formats()}.Find(root(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	var wrong []string
	for _, u := range got.Wrong {
		wrong = append(wrong, u.At.File+": "+u.Err.Error())
	}
	equal(t, "wrong", wrong, want)
	equal(t, "files", written(got.Files), files)
	if got.Ignored.More != (os.Getuid() > 0) {
		t.Errorf("%+v", got.Ignored)
	}
	write(t, dir, "s/bad\xff/Dockerfile")
	if got, err = (scan.Search{Formats: formats(), Files: words("s s/bad* dockerfile:s")}).Find(root(t, dir)); len(got.Wrong) != 1 {
		t.Errorf("looked into for several requests: %v, %v", got.Wrong, err)
	}
	if got, err = (scan.Search{Formats: formats(), Files: words(". s")}).Find(root(t, dir)); err != nil || got.Wrong[len(got.Wrong)-1].At.File != "s/bad\xff" || got.Wrong[len(got.Wrong)-2].At.File == "s/bad\xff" {
		t.Errorf("told twice: %v, %v", got.Wrong, err)
	}
	uses := scan.Scan(scan.Source{FS: root(t, dir)}, []scan.File{{Path: "bad\xff.Dockerfile", Format: formats()[0]}}).Uses
	if len(uses) != 1 || !errors.Is(uses[0].Err, fs.ErrInvalid) || uses[0].At != (image.Position{File: "bad\xff.Dockerfile", Line: 1, Col: 1}) {
		t.Errorf("%+v", uses)
	}
}
