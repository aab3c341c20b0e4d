package gitfiles_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/programtest"
	"github.com/boltseal/boltseal/scan/internal/gitfiles"
)

// git runs git in a folder, with nothing of a user's configuration.
func git(t *testing.T, dir, input string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...) //nolint:gosec // of the test itself
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(input)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir), "HOME="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && (cmd.ProcessState.ExitCode() != 1 || args[0] != "check-ignore") { // 1: none is ignored
		t.Fatalf("git %q: %v: %s", args, err, &stderr)
	}
	return string(out)
}

// workspace returns a repository with .gitignore files, by folder, and empty
// files.
func workspace(t *testing.T, ignore map[string]string, files []string) string {
	t.Helper()
	dir := t.TempDir()
	git(t, dir, "", "init", "-q", ".")
	for folder, text := range ignore {
		write(t, dir, path.Join(folder, ".gitignore"), text)
	}
	for _, name := range files {
		write(t, dir, name, "")
	}
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	full := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// byGit returns which of the paths git ignores, tracked or not.
func byGit(t *testing.T, dir string, paths []string) []string {
	t.Helper()
	// "./" keeps a name that begins with a colon from being more than a name.
	out := git(t, dir, "./"+strings.Join(paths, "\x00./")+"\x00", "check-ignore", "--no-index", "-z", "--stdin")
	names := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
	for i := range names {
		names[i] = strings.TrimPrefix(names[i], "./")
	}
	slices.Sort(names)
	return names
}

// byUs walks dir and returns the files and folders that are ignored.
func byUs(t *testing.T, dir string) []string {
	t.Helper()
	ignored := []string{}
	tree := gitfiles.NewTree(os.DirFS(dir))
	walk(t, os.DirFS(dir), tree.Outside(), ".", func(f gitfiles.Folder, name string, folder bool) {
		if f.Ignores(name, folder) {
			ignored = append(ignored, name)
		}
	})
	if len(ignored) == 0 {
		return []string{""} // as git's empty answer is split
	}
	slices.Sort(ignored)
	return ignored
}

func walk(t *testing.T, fsys fs.FS, outer gitfiles.Folder, dir string, visit func(f gitfiles.Folder, name string, folder bool)) {
	t.Helper()
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		t.Fatal(err)
	}
	has := func(name string) bool {
		return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
			return e.Name() == name && (name == ".git" || e.Type().IsRegular())
		})
	}
	f, err := outer.Enter(dir, has(".git"), has(".gitignore"))
	if err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.Name() == ".git" {
			continue
		}
		visit(f, name, e.IsDir())
		if e.IsDir() {
			sub := f
			if f.Ignores(name, true) {
				sub = f.Ignored()
			}
			walk(t, fsys, sub, name, visit)
		}
	}
}

// all returns the paths of files, of .gitignore files and of all folders.
func all(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	tree := gitfiles.NewTree(os.DirFS(dir))
	walk(t, os.DirFS(dir), tree.Outside(), ".", func(_ gitfiles.Folder, name string, _ bool) { names = append(names, name) })
	return names
}

func TestAsGitDoes(t *testing.T) {
	t.Parallel()
	programtest.Found(t, "git")
	files := []string{
		"a", "b", "ab", "a b", "a ", "x/a", "x/b", "x/y/a", "x/y/z/a", "x/ab/b", "foo/bar", "foo/foo", "foobar/baz", "fo/o", "#a", "!a", `back\slash`,
		"{a,b}", "a{", "[", "[a]", "]", "-", "^", "a]b", "*", "?", "a*", "é", "ü", "x/é", "\xff", "a\nb", "a\tb", "~", "A", "Z", "0", "tab\t", "a,b",
		"ax/y/b", "node/a", "node/sub/a", "build/out/keep", "build/out/x", "build/keep", "log/a.log", "log/b.txt", "c.log", "deep/log/a.log", "x/.hidden", ".hidden",
	}
	for _, tc := range []struct {
		name   string
		ignore map[string]string
		want   []string // nil: whatever git says
	}{
		{"none", map[string]string{".": ""}, []string{""}},
		{"name", map[string]string{".": "a\n"}, []string{"a", "x/a", "x/y/a", "x/y/z/a", "node/a", "node/sub/a"}},
		{"anchored", map[string]string{".": "/a"}, []string{"a"}},
		{"anchored by a slash within", map[string]string{".": "x/a"}, []string{"x/a"}},
		{"folder", map[string]string{".": "y/"}, []string{"ax/y", "ax/y/b", "x/y", "x/y/a", "x/y/z", "x/y/z/a"}},
		{"folder that is a file", map[string]string{".": "a/"}, []string{""}},
		{"anchored folder", map[string]string{".": "/x/y/"}, []string{"x/y", "x/y/a", "x/y/z", "x/y/z/a"}},
		{"negation", map[string]string{".": "a\n!/x/a\n"}, []string{"a", "x/y/a", "x/y/z/a", "node/a", "node/sub/a"}},
		{"negation first", map[string]string{".": "!a\na\n"}, nil},
		{"none below an ignored folder", map[string]string{".": "x/\n!x/a\n!x/y/\n"}, nil},
		{"all but one", map[string]string{".": "/*\n!/x\n/x/*\n!/x/a\n"}, nil},
		{"build", map[string]string{".": "build/*\n!build/keep\n!build/out/keep\n"}, nil},
		{"nested", map[string]string{".": "a\n", "x": "!a\n", "x/y": "/a\n"}, []string{"a", "x/y/a", "node/a", "node/sub/a"}},
		{"nested anchored", map[string]string{"x": "/a\nx/a\n/y/z\n"}, []string{"x/a", "x/y/z", "x/y/z/a"}},
		{"nested below ignored", map[string]string{".": "x\n", "x": "!*\n"}, nil},
		{"leading **", map[string]string{".": "**/a\n"}, nil},
		{"leading ** folder", map[string]string{".": "**/y/a\n"}, []string{"x/y/a"}},
		{"trailing **", map[string]string{".": "x/**\n"}, nil},
		{"trailing /**/", map[string]string{".": "x/**/\n"}, nil},
		{"middle **", map[string]string{".": "x/**/a\n"}, []string{"x/a", "x/y/a", "x/y/z/a"}},
		{"** alone", map[string]string{".": "**\n"}, nil},
		{"/**", map[string]string{".": "/**\n"}, nil},
		{"**/", map[string]string{".": "**/\n"}, nil},
		{"** within a name", map[string]string{".": "/a**/b\n"}, nil},
		{"** within a name, and nothing after", map[string]string{".": "/a**/*\n/foo**/**/**/\n"}, nil},
		{"** within a name, and a slash after", map[string]string{".": "/ax**//\n/a**//\n"}, nil},
		{"more slashes", map[string]string{".": "[ax]/**//\nx/y\\//\n"}, []string{""}},
		{"** at the end of a name", map[string]string{".": "/foo**\n"}, nil},
		{"** at the begin of a name", map[string]string{".": "/**bar\n/x/**b\n"}, nil},
		{"***", map[string]string{".": "x/***/a\n"}, nil},
		{"**\\/", map[string]string{".": "x/**\\/a\n"}, nil},
		{"** twice", map[string]string{".": "**/y/**/a\n"}, nil},
		{"star", map[string]string{".": "*.log\n"}, []string{"c.log", "log/a.log", "deep/log/a.log"}},
		{"star does not cross", map[string]string{".": "/x/*a\n"}, []string{"x/a"}},
		{"question", map[string]string{".": "?\n"}, nil},
		{"question and bytes", map[string]string{".": "/??\n"}, nil},
		{"braces", map[string]string{".": "{a,b}\na{\n"}, []string{"{a,b}", "a{"}},
		{"braces after a star", map[string]string{".": "*{a,b}\n"}, []string{"{a,b}"}},
		{"class", map[string]string{".": "/[ab]\n"}, []string{"a", "b"}},
		{"range", map[string]string{".": "/[a-c]\n"}, []string{"a", "b"}},
		{"backward range", map[string]string{".": "/[b-a]\n"}, []string{"b"}},
		{"negated class", map[string]string{".": "/[!a]\n"}, nil},
		{"negated class by ^", map[string]string{".": "/[^a]\n"}, nil},
		{"class with ]", map[string]string{".": "/[]a]\n"}, []string{"]", "a"}},
		{"negated class with ]", map[string]string{".": "/[!]a]\n"}, nil},
		{"class with -", map[string]string{".": "/[-a]\n/[b-]\n"}, []string{"-", "a", "b"}},
		{"class with escapes", map[string]string{".": "/[\\]\\^]\n/[\\a-\\b]\n"}, []string{"]", "^", "a", "b"}},
		{"class with a slash", map[string]string{".": "x[/]a\nx[!b]a\n"}, []string{""}},
		{"class with bytes", map[string]string{".": "/[é]*\n"}, nil},
		{"class of [", map[string]string{".": "/[[]\n/[[:]\n"}, []string{"["}},
		{"named class", map[string]string{".": "/[[:digit:][:upper:]]\n"}, []string{"0", "A", "Z"}},
		{"named class and range", map[string]string{".": "/[[:digit:]-a]\n"}, nil},
		{"unknown named class", map[string]string{".": "/[[:foo:]a]\n/[[::]a]\n"}, []string{""}},
		{"open class", map[string]string{".": "[\n/[a\n/a[\n[]\n"}, []string{""}},
		{"comment", map[string]string{".": "#a\n\\#a\n # a\n"}, []string{"#a"}},
		{"escaped !", map[string]string{".": "\\!a\n"}, []string{"!a"}},
		{"escapes", map[string]string{".": "back\\\\slash\n\\*\n\\?\n\\x\n"}, nil},
		{"backslash at the end", map[string]string{".": "a\\\n"}, []string{""}},
		{"escaped slash at the end", map[string]string{".": "x\\/\n"}, nil},
		{"spaces at the end", map[string]string{".": "/a   \n/b\t\n"}, []string{"a"}},
		{"escaped space", map[string]string{".": "/a\\ \n"}, []string{"a "}},
		{"escaped space and more", map[string]string{".": "/a\\   \n/a b\n"}, []string{"a ", "a b"}},
		{"CRLF", map[string]string{".": "/a\r\n/b\r\r\n\r\n/ab \r\n"}, nil},
		{"BOM", map[string]string{".": "\ufeff/a\n\ufeff/b\n"}, nil},
		{"NUL", map[string]string{".": "/a\x00b\n"}, []string{"a"}},
		{"no end", map[string]string{".": "/b\n/a"}, []string{"a", "b"}},
		{"only signs", map[string]string{".": "!\n/\n//\n!/\n \n"}, []string{""}},
		{"double slash", map[string]string{".": "//a\nx//a\nx/y//\n"}, []string{""}},
		{"dot", map[string]string{".": "./a\n.\n..\n../a\n"}, nil},
		{"bytes", map[string]string{".": "\xff\né\n"}, nil},
		{"prefix", map[string]string{".": "/foo/\n/fo\n"}, nil},
		{"the file itself", map[string]string{".": ".*\n"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := workspace(t, tc.ignore, files)
			got, want := byUs(t, dir), byGit(t, dir, all(t, dir))
			if !slices.Equal(got, want) {
				t.Errorf("%q: only we ignore %q, only git %q", tc.ignore, minus(got, want), minus(want, got))
			}
			if slices.Sort(tc.want); tc.want != nil && !slices.Equal(got, tc.want) {
				t.Errorf("%q: ignored are\n%q, want\n%q", tc.ignore, got, tc.want)
			}
		})
	}
}

// Each class is what git takes it for, byte by byte.
func TestClassesAsGitDoes(t *testing.T) {
	t.Parallel()
	programtest.Found(t, "git")
	var files []string
	for b := 1; b < 256; b++ {
		if b != '/' && b != '.' {
			files = append(files, string([]byte{byte(b)}))
		}
	}
	dir := workspace(t, nil, files)
	for _, class := range []string{"alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "xdigit"} {
		for _, text := range []string{"[[:" + class + ":]]", "[^[:" + class + ":]]", "[x[:" + class + ":]\x80-\xff]"} {
			write(t, dir, ".gitignore", "/"+text+"\n")
			if got, want := byUs(t, dir), byGit(t, dir, all(t, dir)); !slices.Equal(got, want) {
				t.Errorf("%s: only we ignore %q, only git %q", text, minus(got, want), minus(want, got))
			}
		}
	}
}

// Rules made of the pieces that matter, against files made of the same letters.
func TestRandomAsGitDoes(t *testing.T) {
	t.Parallel()
	programtest.Found(t, "git")
	const rounds, lines, seed = 60, 6, 20261122
	r := rand.New(rand.NewPCG(seed, 0))
	pieces := []string{
		"a", "b", "a", "b", "ab", "c", ".", "/", "/", "/", "*", "*", "**", "**/", "/**", "/**/", "***", "?", "[ab]", "[!a]", "[^b-c]", "[a-", "[]a]", "[[:alpha:]]", "[a/b]",
		`\a`, `\*`, `\/`, `\`, "{a,b}", " ", "!", "#", "é", "\r",
	}
	names := []string{"a", "b", "c", "ab", "ba", "a b", "a*", "é", "{a,b}", "a.b", "#a", "!b"}
	random := func(from []string, n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(from[r.IntN(len(from))])
		}
		return b.String()
	}
	var files []string
	for range 60 {
		name := random(names, 1)
		for range r.IntN(4) {
			name = path.Join(random(names, 1), name)
		}
		files = append(files, path.Join(name, "f"))
	}
	dir := workspace(t, map[string]string{".": "", "a": "", "a/b": ""}, files)
	paths, compared := all(t, dir), 0
	for range rounds {
		ignore := map[string]string{}
		for _, folder := range []string{".", "a", "a/b"} {
			var b strings.Builder
			for range r.IntN(lines) {
				if r.IntN(4) == 0 {
					b.WriteByte('!')
				}
				b.WriteString(random(pieces, 1+r.IntN(5)) + "\n")
			}
			ignore[folder] = b.String()
			write(t, dir, path.Join(folder, ".gitignore"), ignore[folder])
		}
		got, want := byUs(t, dir), byGit(t, dir, paths)
		compared += len(paths)
		if !slices.Equal(got, want) {
			t.Errorf("%q: only we ignore %q, only git %q", ignore, minus(got, want), minus(want, got))
		}
	}
	t.Logf("%d paths compared", compared)
}

func minus(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// What is tracked is known, in each version of the index, and through the ways
// to it.
func TestTracks(t *testing.T) {
	t.Parallel()
	programtest.Found(t, "git")
	long := strings.Repeat("long/", 40) + strings.Repeat("n", 200)
	for _, config := range [][]string{
		{"index.version=2"}, {"index.version=3"}, {"index.version=4"}, {"index.skipHash=true"}, {"core.untrackedCache=true"},
	} {
		t.Run(fmt.Sprint(config), func(t *testing.T) {
			t.Parallel()
			dir := workspace(t, nil, []string{"a/Dockerfile", "a/b/c", "untracked", "é", "a.b", long, "later"})
			for _, c := range config {
				name, value, _ := strings.Cut(c, "=")
				git(t, dir, "", "config", name, value)
			}
			git(t, dir, "", "add", "a", "é", long)
			git(t, dir, "", "add", "-N", "later")
			f, err := gitfiles.NewTree(os.DirFS(dir)).Outside().Enter(".", true, false)
			if err != nil || f.Unknown() != nil {
				t.Fatal(err, f.Unknown())
			}
			for name, want := range map[string]bool{
				"a": true, "a/Dockerfile": true, "a/b": true, "a/b/c": true, "é": true, long: true, path.Dir(long): true, "later": true,
				"untracked": false, "a/x": false, "a.b": false, "a/b/c/d": false, "lon": false, "": false,
			} {
				if got := f.Tracks(name); got != want {
					t.Errorf("%s tracked: %t, want %t", name, got, want)
				}
			}
		})
	}
}
