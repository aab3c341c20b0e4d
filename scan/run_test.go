package scan_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

var errUnset = errors.New("BASE has no value")

func use(file string, line, col int, text, ref string, err error) image.Use {
	u := image.Use{Text: text, At: image.Position{File: file, Line: line, Col: col}, Kind: image.From, Err: err}
	if ref != "" {
		u.Ref, _ = image.Parse(ref)
	}
	return u
}

// finds returns a file of a format that finds what is given.
func finds(name string, uses []image.Use, warnings ...scan.Warning) scan.File {
	return scan.File{Path: name, Format: &scan.Format{Name: "fake", Scan: func(scan.Source, string) scan.Found { return scan.Found{Uses: uses, Warnings: warnings} }}}
}

func describe(uses []image.Use) []string {
	var all []string
	for _, u := range uses {
		text := fmt.Sprintf("%s:%d:%d %s %s", u.At.File, u.At.Line, u.At.Col, u.Text, u.Stage)
		if u.Err != nil {
			text += u.Err.Error()
		} else {
			text += u.Ref.String()
		}
		all = append(all, text)
	}
	return all
}

func TestScan(t *testing.T) {
	t.Parallel()
	staged := use("b", 1, 1, "x", "x", nil)
	staged.Stage = "two "
	copied := use("b", 1, 1, "x", "x", nil)
	copied.Kind, copied.Text = image.CopyFrom, "copied"
	note := scan.Warning{At: image.Position{File: "b", Line: 2, Col: 1}, Text: "note"}
	earlier := scan.Warning{At: image.Position{File: "b", Line: 1, Col: 9}, Text: "earlier"}
	got := scan.Scan(scan.Source{FS: tree()}, []scan.File{
		finds("c", []image.Use{use("c", 10, 1, "late", "late", nil), use("c", 9, 2, "x", "x", nil), use("c", 9, 1, "x", "x", nil), use("b", 1, 1, "x", "x", nil)}, note),
		finds("a", []image.Use{
			use("b", 1, 1, "x", "x", nil), staged, copied, use("b", 1, 1, "x", "x:2", nil), use("b", 1, 1, "x2", "x", nil),
			use("b", 3, 1, "bad", "", errors.New("no")), use("b", 3, 1, "bad", "", errors.New("no")), use("b", 3, 1, "bad", "", errors.New("never")), use("a", 1, 1, "x", "x", nil),
		}, earlier, note),
	})
	equal(t, "uses", describe(got.Uses), []string{
		"a:1:1 x docker.io/library/x:latest",
		"b:1:1 x docker.io/library/x:latest",
		"b:1:1 x two docker.io/library/x:latest",
		"b:1:1 copied docker.io/library/x:latest",
		"b:1:1 x docker.io/library/x:2",
		"b:1:1 x2 docker.io/library/x:latest",
		"b:3:1 bad no",
		"b:3:1 bad never",
		"c:9:1 x docker.io/library/x:latest",
		"c:9:2 x docker.io/library/x:latest",
		"c:10:1 late docker.io/library/late:latest",
	})
	equal(t, "warnings", texts(got.Warnings), []string{"b: earlier", "b: note"})
	if got := scan.Scan(scan.Source{FS: tree()}, nil); got.Uses != nil || got.Warnings != nil {
		t.Errorf("nothing: %v", got)
	}
}

// A place that one reading resolves stays unresolved in the other, which says
// what to do about it.
func TestResolvedElsewhere(t *testing.T) {
	t.Parallel()
	got := scan.Scan(scan.Source{FS: tree()}, []scan.File{
		finds("Dockerfile", []image.Use{use("Dockerfile", 2, 6, "$BASE", "", errUnset), use("Dockerfile", 3, 6, "$BASE", "", errUnset), use("Dockerfile", 1, 1, "", "", errUnset)}),
		finds("compose.yaml", []image.Use{use("Dockerfile", 2, 6, "$BASE", "alpine", nil), use("Dockerfile", 3, 6, "$OTHER", "alpine", nil), use("Dockerfile", 1, 1, "", "alpine", nil)}),
	})
	equal(t, "uses", describe(got.Uses), []string{
		"Dockerfile:1:1  BASE has no value",
		"Dockerfile:1:1  docker.io/library/alpine:latest",
		"Dockerfile:2:6 $BASE BASE has no value; other files build it with a value: name with -f what your build uses",
		"Dockerfile:2:6 $BASE docker.io/library/alpine:latest",
		"Dockerfile:3:6 $BASE BASE has no value",
		"Dockerfile:3:6 $OTHER docker.io/library/alpine:latest",
	})
	if !errors.Is(got.Uses[2].Err, errUnset) {
		t.Error("the error is hidden")
	}
}

// A format that panics fails its file, and no other.
func TestPanic(t *testing.T) {
	t.Parallel()
	panics := func(name string, with any) scan.File {
		return scan.File{Path: name, Format: &scan.Format{Name: "fake", Scan: func(scan.Source, string) scan.Found { panic(with) }}}
	}
	got := scan.Scan(scan.Source{FS: tree()}, []scan.File{panics("b", "oh"), finds("a", []image.Use{use("a", 1, 1, "x", "x", nil)}), panics("c", errUnset)})
	equal(t, "uses", describe(got.Uses), []string{
		"a:1:1 x docker.io/library/x:latest",
		"b:1:1  scan as fake: panic: oh: report this bug of boltseal, with the file, at https://github.com/boltseal/boltseal/issues",
		"c:1:1  scan as fake: panic: BASE has no value: report this bug of boltseal, with the file, at https://github.com/boltseal/boltseal/issues",
	})
	if !errors.Is(got.Uses[2].Err, errUnset) {
		t.Error("the error is hidden")
	}
}

// What formats read through is a file system like others, but for what is no
// file.
func TestRegular(t *testing.T) {
	t.Parallel()
	fsys := tree("Dockerfile=text", "a/b", "device", "pipe")
	fsys["device"].Mode, fsys["pipe"].Mode = fs.ModeDevice, fs.ModeIrregular
	r := scan.Regular(fsys)
	if text, err := fs.ReadFile(r, "Dockerfile"); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
	if entries, err := fs.ReadDir(r, "a"); err != nil || len(entries) != 1 {
		t.Error(entries, err)
	}
	for name, want := range map[string]string{
		"device": "open device: a device is no regular file: put one in its place, or exclude it",
		"pipe":   "open pipe: this is no regular file: put one in its place, or exclude it",
		"../x":   "open ../x: invalid argument: it leads out of the workspace, or is not UTF-8: rename it, or exclude it",
		"none":   "open none: file does not exist",
	} {
		if _, err := r.Open(name); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// What formats are told about files comes through the same file system.
func TestScanReadsRegular(t *testing.T) {
	t.Parallel()
	fsys := tree("pipe")
	fsys["pipe"].Mode = fs.ModeNamedPipe
	got := scan.Scan(scan.Source{FS: fsys}, []scan.File{{Path: "pipe", Format: formats()[0]}})
	if len(got.Uses) != 1 || got.Uses[0].Err == nil || !strings.Contains(got.Uses[0].Err.Error(), "a named pipe") {
		t.Errorf("%+v", got.Uses)
	}
}

// A target that several files lead to is told once; one of another definition
// is another.
func TestTargets(t *testing.T) {
	t.Parallel()
	at := image.Position{File: "a", Line: 1, Col: 1}
	elsewhere := image.Position{File: "b", Line: 1, Col: 1}
	file := func(targets ...scan.Target) scan.File {
		return scan.File{Path: "x", Format: &scan.Format{Name: "fake", Scan: func(scan.Source, string) scan.Found { return scan.Found{Targets: targets} }}}
	}
	got := scan.Scan(scan.Source{FS: tree()}, []scan.File{
		file(scan.Target{Name: "app", At: at, Contexts: map[string]string{"a": "b", "c": "d"}}, scan.Target{Name: "lib", At: at}),
		file(scan.Target{Name: "app", At: at, Contexts: map[string]string{"c": "d", "a": "b"}}, scan.Target{Name: "app", At: at}, scan.Target{Name: "app", At: elsewhere}),
	})
	var all []string
	for _, target := range got.Targets {
		all = append(all, fmt.Sprint(target.At.File, target.Name, target.Contexts))
	}
	equal(t, "targets", all, []string{"aappmap[a:b c:d]", "alibmap[]", "aappmap[]", "bappmap[]"})
	many := make([]scan.Target, 100_001)
	for i := range many {
		many[i] = scan.Target{Name: fmt.Sprint(i), At: at}
	}
	got = scan.Scan(scan.Source{FS: tree()}, []scan.File{file(many...)})
	if len(got.Targets) != 100_000 || len(got.Uses) != 1 || got.Uses[0].Err == nil || !strings.Contains(got.Uses[0].Err.Error(), "more than 100000 targets are built") {
		t.Errorf("%d targets, uses %v", len(got.Targets), describe(got.Uses))
	}
}
