package gitfiles_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/boltseal/boltseal/scan/internal/gitfiles"
)

// What a line is translated into is a pattern that doublestar understands, and
// a line that negates takes back what it ignores.
func FuzzTranslate(f *testing.F) {
	for _, line := range []string{"a", "/a/", "**/a", "a/**", "a/**/b", "[a-z]", "[]a]", "[[:alpha:]]", "{a,b}", `\*`, `a\`, "!a", "#a", "a ", `a\ `, "\xff", "é*", "a**/b", "**/*"} {
		f.Add(line, "a/b")
	}
	f.Fuzz(func(t *testing.T, line, name string) {
		if rest, ok := gitfiles.Translate(line); ok && !doublestar.ValidatePattern(rest) {
			t.Errorf("%q becomes %q", line, rest)
		}
		if name = path.Clean("/" + name)[1:]; name == "" || strings.ContainsAny(line, "\n") || strings.HasPrefix(line, "!") || strings.HasPrefix(line, "#") {
			return
		}
		if ignores(line, name) && ignores(line+"\n!"+line, name) {
			t.Errorf("%q ignores %q, and its negation does not take it back", line, name)
		}
		if ignores("!"+line, name) {
			t.Errorf("!%q ignores %q", line, name)
		}
	})
}

func ignores(text, name string) bool {
	fsys := fstest.MapFS{".gitignore": {Data: []byte(text)}}
	f, err := gitfiles.NewTree(fsys).Outside().Enter(".", false, true)
	return err == nil && f.Ignores(name, false)
}

// A damaged index is no danger.
func FuzzIndex(f *testing.F) {
	f.Add([]byte("DIRC\x00\x00\x00\x02\x00\x00\x00\x00"))
	f.Add(index(4, "\x00a\x00", "\x00b\x00", "\x02c\x00"))
	f.Add(append(index(4, "\x00a\x00"), "TREE\x00\x00\x00\x05\x00-1 0\n"...))
	f.Fuzz(func(t *testing.T, data []byte) {
		names, err := gitfiles.Decode(data)
		total := 0
		for _, name := range names {
			total += len(name)
		}
		if err == nil && len(names) > len(data) || total > 256<<20 {
			t.Errorf("%d names of %d bytes", len(names), total)
		}
	})
}

// index returns an index with names as they are written.
func index(version uint32, names ...string) []byte {
	data := binary.BigEndian.AppendUint32([]byte("DIRC"), version)
	data = binary.BigEndian.AppendUint32(data, uint32(len(names))) //nolint:gosec // few
	for _, name := range names {
		data = append(data, make([]byte, 62)...)
		data = append(data, name...)
	}
	return data
}

// An index that stands for more than it holds is refused before it unfolds.
func TestIndexBomb(t *testing.T) {
	t.Parallel()
	names := []string{"\x00" + strings.Repeat("a", 1<<20) + "\x00"}
	for range 300 {
		names = append(names, "\x00b\x00")
	}
	got, err := gitfiles.Decode(index(4, names...))
	want := "the index cannot be read: its names are more than 268435456 bytes"
	if err == nil || err.Error() != want || got != nil {
		t.Errorf("%d names, %v; want %s", len(got), err, want)
	}
	got, err = gitfiles.Decode(index(4, names[:200]...))
	if len(got) != 200 || err == nil || !strings.Contains(err.Error(), "EOF") { // no checksum
		t.Errorf("%d names, %v", len(got), err)
	}
	for i := range names {
		names[i] = "\x00\x00" + names[i]
	}
	more := bytes.ReplaceAll(index(4, names...), append(make([]byte, 62), 0, 0), append(make([]byte, 60), 0x40, 0, 0, 0))
	if got, err = gitfiles.Decode(more); err == nil || err.Error() != want || got != nil {
		t.Errorf("with more flags: %d names, %v; want %s", len(got), err, want)
	}
	if got, err = gitfiles.Decode(index(4, "\x00a\x00", "\x02b\x00")); len(got) != 1 || err == nil {
		t.Errorf("%q, %v", got, err)
	}
}

// When too much is to be compared, nothing is ignored any more.
func TestWork(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("long, and nothing in it runs at the same time")
	}
	fsys := fstest.MapFS{".gitignore": {Data: []byte(strings.Repeat("x\n", 1<<19-1) + "a")}}
	tree := gitfiles.NewTree(fsys)
	f, err := tree.Outside().Enter(".", false, true)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for f.Ignores("a", false) {
		n++
	}
	if want := (150_000_000 - 20*(1<<20-1)) / 6; n != want || !tree.Exhausted() {
		t.Errorf("%d times, want %d", n, want)
	}
}

// What a comparison may take depends on the rule and on the path.
func TestWorkOfPatterns(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("long, and nothing in it runs at the same time")
	}
	a := func(n int) string { return strings.Repeat("a", n) }
	for _, tc := range []struct {
		line, name string
		want       int // paths that 15,000 such rules are compared with
	}{
		{"/folder-of-some-name/x", "folder/x", 9_533},
		{strings.Repeat("*a", 20) + "b*a", a(250), 5},
		{"**/*a*a*a*a/**/*a*a*b*a", strings.Repeat("aaaaaaa/", 100) + "a", 1},
	} {
		tree := gitfiles.NewTree(fstest.MapFS{".gitignore": {Data: []byte(strings.Repeat(tc.line+"\n", 15_000))}})
		f, err := tree.Outside().Enter(".", false, true)
		n := 0
		for ; err == nil && !tree.Exhausted(); n++ {
			if f.Ignores(tc.name, true) {
				t.Fatalf("%s ignores %s", tc.line, tc.name)
			}
		}
		if err != nil || n != tc.want {
			t.Errorf("%s: %d paths, %v; want %d", tc.line, n, err, tc.want)
		}
	}
}

// Rules as people write them count for as many files as there may be.
func TestOrdinaryWork(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("it is about much work, and starts no goroutines")
	}
	var text strings.Builder
	for i := range 30 {
		fmt.Fprintf(&text, "/build-%[1]d/\n*.o%[1]d\n*.py%[1]d\ntmp%[1]d\n!keep%[1]d\n**/target%[1]d/*.class\n[Bb]in%[1]d/\n.env%[1]d.*\ndist%[1]d/**\n*~%[1]d\n", i)
	}
	tree := gitfiles.NewTree(fstest.MapFS{".gitignore": {Data: []byte("last.log\n*.py[cod]\n*.sw?\n[Dd]ebug*\n" + text.String())}})
	f, err := tree.Outside().Enter(".", false, true)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100_000 {
		if f.Ignores(fmt.Sprintf("services/team-%d/application/src/main/Dockerfile.%d", i%100, i), false) {
			t.Fatal(i)
		}
	}
	if tree.Exhausted() || !f.Ignores("services/last.log", false) {
		t.Error("the rules are not honoured to the end")
	}
}

// Where it has to be known what is tracked, rules count in repositories only.
func TestKnown(t *testing.T) {
	t.Parallel()
	tree := gitfiles.NewTree(fstest.MapFS{".gitignore": {Data: []byte("a")}, "in/.git/HEAD": {}, "in/.gitignore": {Data: []byte("a")}})
	tree.Known = true
	outer, err := tree.Outside().Enter(".", false, true)
	want := "nothing is ignored by it, for it is not known what git tracks all the same: there is no .git in the workspace"
	if err == nil || err.Error() != want || outer.Ignores("a", false) {
		t.Errorf("%v, want %s", err, want)
	}
	if inner, err := outer.Enter("in", true, true); err != nil || !inner.Ignores("in/a", false) {
		t.Errorf("in a repository: %v", err)
	}
}

// A pipe is not waited for.
func TestIrregularIndex(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{".git/index": {Mode: fs.ModeNamedPipe}}
	f, err := gitfiles.NewTree(fsys).Outside().Enter(".", true, false)
	if why := f.Unknown(); err != nil || why == nil || why.Error() != ".git/index is no regular file" {
		t.Errorf("%v, %v", why, err)
	}
}
