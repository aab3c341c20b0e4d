package workflow_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/workflow"
)

var update = flag.Bool("update", false, "rewrite what the cases want")

// froms stands for the Dockerfile scan: every FROM at the beginning of a line.
func froms(body []byte, file string, b scan.Build) scan.Found {
	var found scan.Found
	for i, line := range strings.Split(string(body), "\n") {
		if text, ok := strings.CutPrefix(line, "FROM "); ok {
			use := image.Use{Text: text, Kind: image.From, At: image.Position{File: file, Line: i + 1, Col: 6}}
			use.Ref, use.Err = image.Parse(text)
			found.Uses = append(found.Uses, use)
			if text == "strange" {
				found.Warnings = append(found.Warnings, scan.Warning{At: use.At, Text: "a strange base"})
			}
		}
	}
	for _, target := range b.Targets {
		found.Warnings = append(found.Warnings, scan.Warning{At: image.Position{File: file, Line: 1, Col: 1}, Text: "target " + target})
	}
	return found
}

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
			found := workflow.Format(froms).Scan(scan.Source{FS: fsys, Build: scan.Build{Targets: []string{"users"}}}, first)
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
		kind := ""
		if w.Kind != "" {
			kind = " " + string(w.Kind)
		}
		fmt.Fprintf(&b, "warning%s %s:%d:%d: %s\n", kind, w.At.File, w.At.Line, w.At.Col, w.Text)
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
		if rest := within(w.At); w.Text == "" || !strings.HasPrefix(rest, w.Written) || (w.Kind == "") != (w.Written == "") {
			t.Errorf("warning %+v", w)
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	f := workflow.Format(froms)
	for name, want := range map[string]bool{
		".github/workflows/ci.yml":         true,
		".github/workflows/ci.yaml":        true,
		"action.yml":                       true,
		"action.yaml":                      true,
		".github/actions/x/action.yml":     true,
		".github/workflows/sub/ci.yml":     false,
		"sub/.github/workflows/ci.yml":     false,
		".github/workflows/ci.json":        false,
		".github/workflows/README.md":      false,
		".github/dependabot.yml":           false,
		"reaction.yml":                     false,
		"action.yml/x":                     false,
		"action.json":                      false,
		".github/workflows/sub/action.yml": true,
	} {
		if got := f.Match(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if f.Asked || f.Name != "workflow" {
		t.Errorf("%+v", f)
	}
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
		fsys := fstest.MapFS{"dir/action.yml": {Data: body}, "dir/Dockerfile": {Data: []byte("FROM a")}}
		check(t, fsys, workflow.Format(froms).Scan(scan.Source{FS: fsys}, "dir/action.yml"))
	})
}

// What is made to take long ends within a second on a machine with nothing else
// to do. The bound is wide, for those that have; what lacks its limit in the code
// takes far longer.
func TestHostile(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("seconds of work")
	}
	const size = 1 << 20
	axes := "{"
	for i := range 12 {
		axes += fmt.Sprintf("a%d: [1,2,3,4,5,6,7,8],", i)
	}
	axes += "}"
	square := "{a: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16], b: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}"
	fill := func(head, format string) string {
		var b strings.Builder
		b.WriteString(head)
		for i := 0; b.Len() < size; i++ {
			b.WriteString(strings.ReplaceAll(format, "#", fmt.Sprint(i)))
		}
		return b.String()
	}
	many := ""
	for i := range 1000 {
		many += fmt.Sprintf("   s%d: '${{ matrix.a }}'\n", i)
	}
	for name, body := range map[string]string{
		"product":     "jobs: {a: {container: '${{ matrix.a1 }}', strategy: {matrix: " + axes + "}}}",
		"matrices":    fill("x: &s {matrix: "+square+"}\njobs:\n", "  j#: {container: '${{ matrix.a }}', strategy: *s}\n"),
		"own":         fill("jobs:\n", "  j#: {container: '${{ matrix.a }}', strategy: {matrix: "+square+"}}\n"),
		"includes":    fill("jobs: {a: {container: '${{ matrix.a }}', strategy: {matrix: {a: [1,2,3,4,5,6,7,8], include: [", "{b: #},") + "]}}}}",
		"excludes":    fill("jobs: {a: {container: '${{ matrix.a }}', strategy: {matrix: {a: [1,2,3,4,5,6,7,8], exclude: [", "{a: #},") + "]}}}}",
		"keys":        fill("jobs: {a: {container: '${{ matrix.a }}', strategy: {matrix: {a: [1,2,3,4,5,6,7,8], include: [{", "b#: 1,") + "}]}}}}",
		"services":    fill("jobs:\n a:\n  strategy: {matrix: "+square+"}\n  services:\n", "   s#: 'a:${{ matrix.a }}-${{ matrix.b }}'\n"),
		"long":        "jobs: {a: {strategy: {matrix: " + square + "}, container: 'a${{ matrix.a }}" + strings.Repeat("x", size) + "'}}",
		"expressions": "jobs: {a: {container: '" + strings.Repeat("${{ 1 }}", size/8) + "'}}",
		"open":        "jobs: {a: {container: '" + strings.Repeat("${{ ", size/4) + "'}}",
		"nested":      "jobs: {a: {container: '${{ " + strings.Repeat("(", size) + " }}'}}",
		"not":         "jobs: {a: {container: '${{ " + strings.Repeat("!", 20000) + "1 }}'}}",
		"dots":        "jobs: {a: {container: 'a${{ matrix" + strings.Repeat(".a", 10000) + " }}'}}",
		"values":      "jobs:\n a:\n  strategy: {matrix: {b: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16], c: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16], a: [" + strings.Repeat("x", size) + "]}}\n  services:\n" + many,
		"compared":    fill("jobs:\n a:\n  strategy: {matrix: {a: ["+strings.Repeat("x", 4<<10)+"], b: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}}\n  services:\n", "   s#: ${{ contains(matrix.a,'y')||contains(matrix.a,'z')||matrix.a==matrix.a }}\n"),
		"parsed":      fill("jobs:\n a:\n  strategy: {matrix: {a: ['"+strings.Repeat("[1,", 1300)+"'], b: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}}\n  services:\n", "   s#: ${{ fromJSON(matrix.a) || fromJSON(matrix.a) }}\n"),
		"doubling":    "jobs: {a: {container: \"${{ " + strings.Repeat("format('{0}{0}',", 49) + "'a'" + strings.Repeat(")", 49) + " }}\"}}",
		"joined":      "jobs: {a: {strategy: {matrix: {a: [" + strings.Repeat("x", size/2) + "]}}, container: '" + strings.Repeat("${{ matrix.a }}", size/32) + "'}}",
		"json":        "jobs: {a: {container: \"${{ fromJSON('" + strings.Repeat("[", 20000) + "') }}\"}}",
		"texts":       fill("x: &x "+strings.Repeat("y", size/2)+"\njobs: {a: {services: {", "s#: *x,") + "}}}",
		"steps":       fill("jobs: {a: {steps: [", "{uses: 'docker://a'},") + "]}}",
		"aliases":     fill("x: &x {uses: 'docker://a'}\njobs: {a: {steps: [", "*x,") + "]}}",
	} {
		start := time.Now()
		fsys := fstest.MapFS{"action.yml": {Data: []byte(body)}}
		found := workflow.Format(froms).Scan(scan.Source{FS: fsys}, "action.yml")
		took := time.Since(start)
		about := ""
		for _, u := range found.Uses {
			if u.Err != nil {
				about = fmt.Sprintf("%.60s", u.Err.Error())
			}
		}
		for _, w := range found.Warnings {
			about = fmt.Sprintf("…%s", w.Text[max(0, len(w.Text)-60):])
		}
		t.Logf("%-12s %4d ms %d uses, %d warnings %s", name, took.Milliseconds(), len(found.Uses), len(found.Warnings), about)
		if took > 5*time.Second {
			t.Errorf("%s: %v", name, took)
		}
		if len(found.Uses)+len(found.Warnings) == 0 {
			t.Errorf("%s: nothing", name)
		}
	}
}
