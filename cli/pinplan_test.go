package cli

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/handover/rewrite"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// A plan that changes more than it says, or something else, is not carried out.
func TestPinSpans(t *testing.T) {
	t.Parallel()
	const old = "FROM a\r\nFROM bb\n"
	edit := func(line, col int, old, text string) rewrite.Edit {
		return rewrite.Edit{At: image.Position{File: "f", Line: line, Col: col}, Old: old, New: text}
	}
	other := edit(1, 6, "a", "a@1")
	other.At.File = "g"
	for _, tc := range []struct {
		name  string
		new   string
		edits []rewrite.Edit
		says  string
	}{
		{"both", "FROM a@1\r\nFROM bb@2\n", []rewrite.Edit{edit(1, 6, "a", "a@1"), edit(2, 6, "bb", "bb@2")}, ""},
		{"more than it says", "FROM a@1\r\nFROM bb@2\n", []rewrite.Edit{edit(1, 6, "a", "a@1")}, "more changes than the references"},
		{"less", old, []rewrite.Edit{edit(1, 6, "a", "a@1")}, "more changes than the references"},
		{"a line end", "FROM a@1\nFROM bb\n", []rewrite.Edit{edit(1, 6, "a", "a@1")}, "more changes than the references"},
		{"another text", "FROM c@1\r\nFROM bb\n", []rewrite.Edit{edit(1, 6, "c", "c@1")}, "an edit at 1:6 does not fit"},
		{"another file", "FROM a@1\r\nFROM bb\n", []rewrite.Edit{other}, "an edit at 1:6 does not fit"},
		{"out of order", "FROM a@1\r\nFROM bb@2\n", []rewrite.Edit{edit(2, 6, "bb", "bb@2"), edit(1, 6, "a", "a@1")}, "an edit at 1:6 does not fit"},
		{"overlapping", "FROM a\r\nFROM bb@2b@3\n", []rewrite.Edit{edit(2, 6, "bb", "bb@2"), edit(2, 7, "b", "b@3")}, "an edit at 2:7 does not fit"},
		{"beyond the line", "", []rewrite.Edit{edit(1, 9, "", "x")}, "an edit at 1:9 does not fit"},
		{"beyond the text", "", []rewrite.Edit{edit(9, 1, "", "x")}, "an edit at 9:1 does not fit"},
		{"nowhere", "", []rewrite.Edit{edit(0, 0, "", "x")}, "an edit at 0:0 does not fit"},
	} {
		spans, err := spansOf(rewrite.Change{File: "f", Old: []byte(old), New: []byte(tc.new), Edits: tc.edits})
		if tc.says == "" && (err != nil || len(spans) != len(tc.edits)) || tc.says != "" && (err == nil || err.Error() != tc.says) {
			t.Errorf("%s: %v, %v; want %q", tc.name, spans, err, tc.says)
		}
	}
	// The plan's text has to be the one that was read.
	files := newPinFiles(workspace{dir: "/ws", base: "/ws", inside: "."}, fstest.MapFS{"f": {Data: []byte(old), Mode: 0o644}, "d/x": {}, "p": {Mode: fs.ModeNamedPipe | 0o644}})
	x := rewrite.Change{File: "f", Old: []byte("FROM b\r\nFROM bb\n"), New: []byte("FROM b@1\r\nFROM bb\n"), Edits: []rewrite.Edit{edit(1, 6, "b", "b@1")}}
	if _, err := files.changed(x); err == nil || !strings.Contains(err.Error(), "the plan is for another text: nothing was written") {
		t.Error(err)
	}
	x = rewrite.Change{File: "f", Old: []byte(old), New: []byte("FROM a@1\r\n"), Edits: []rewrite.Edit{edit(1, 6, "a", "a@1")}}
	if _, err := files.changed(x); err == nil || !strings.Contains(err.Error(), "more changes than the references: nothing was written") {
		t.Error(err)
	}
	for file, says := range map[string]string{"d": "it is no regular file", "p": "it is no regular file", "none": "not exist", "../x": "outside of the workspace"} {
		if _, err := files.text(file); err == nil || !strings.Contains(err.Error(), says) || verify.Hint(err) == "" {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// Where places are after edits before, at and behind them.
func TestPinMoved(t *testing.T) {
	t.Parallel()
	const old, text = "FROM a AS b\nFROM cc ; dd\n", "FROM a@123 AS b\nFROM cc@4 ; dd@5\n"
	at := func(line, col int) image.Position { return image.Position{File: "f", Line: line, Col: col} }
	x := pinChange{Change: rewrite.Change{File: "f", Old: []byte(old), New: []byte(text)}, spans: []span{{5, 1, 5}, {17, 2, 4}, {22, 2, 4}}}
	for from, to := range map[image.Position]image.Position{
		at(1, 1): at(1, 1), at(1, 6): at(1, 6), at(1, 7): at(1, 11), at(1, 11): at(1, 15),
		at(2, 1): at(2, 1), at(2, 6): at(2, 6), at(2, 7): at(2, 7), at(2, 8): at(2, 10), at(2, 11): at(2, 13), at(2, 13): at(2, 17),
		at(9, 9): at(9, 9),
	} {
		if got := x.moved(from); got != to {
			t.Errorf("%v is at %v, want %v", from, got, to)
		}
	}
}

// A file system that has another text from some read of one file on.
type changingFS struct {
	fstest.MapFS
	name  string
	opens *int
	from  int
	text  string
}

func (c changingFS) Open(name string) (fs.File, error) {
	if name == c.name {
		if *c.opens++; *c.opens >= c.from {
			return fstest.MapFS{name: {Data: []byte(c.text), Mode: 0o644}}.Open(name)
		}
	}
	return c.MapFS.Open(name)
}

func (c changingFS) Stat(name string) (fs.FileInfo, error)  { return c.MapFS.Stat(name) }
func (c changingFS) Lstat(name string) (fs.FileInfo, error) { return c.MapFS.Lstat(name) }
func (c changingFS) ReadLink(name string) (string, error)   { return c.MapFS.ReadLink(name) }

// In whatever scan somebody else's change shows, nothing is written.
func TestPinSiftChanging(t *testing.T) {
	t.Parallel()
	// With its digest, the name would be the context's.
	ref, err := image.Parse("alpine")
	if err != nil {
		t.Fatal(err)
	}
	img, err := everybody{}.Resolve(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	digest := "@sha256:" + strings.Repeat("0", 64)
	files := fstest.MapFS{
		"docker-bake.hcl":  {Data: []byte("target \"default\" {\n  contexts = {\"alpine:latest@" + img.Digest() + "\" = \"./local\"}\n}\n"), Mode: 0o644},
		"Dockerfile":       {Data: []byte("FROM alpine\n"), Mode: 0o644},
		"sub/Dockerfile":   {Data: []byte("FROM debian\n"), Mode: 0o644},
		"other/Dockerfile": {Data: []byte("FROM debian:1" + digest + "\n"), Mode: 0o644},
	}
	plan := func(from int) (pinPlan, int, error) {
		opens := 0
		p := &pinRun{
			verification: &verification{rules: everybody{}},
			space:        workspace{dir: "/ws", base: "/ws", inside: "."},
			fsys:         changingFS{files, "other/Dockerfile", &opens, from, "FROM debian:2" + digest + "\n"},
		}
		p.flags.scan.allStages, p.flags.scan.gate = true, true
		c := Command{LookupEnv: func(string) (string, bool) { return "", false }}
		if err := p.scan(c); err != nil {
			t.Fatal(err)
		}
		p.ask()
		plan, err := p.plan(c, gate.Check(t.Context(), p.found.uses, everybody{}, everybody{}, gate.Options{}))
		return plan, opens, err
	}
	sound, opens, err := plan(1 << 30)
	if err != nil || len(sound.changes) != 1 || len(sound.refused) != 1 || opens < 5 {
		t.Fatalf("%v, %+v, %d reads", err, sound, opens)
	}
	if refused := sound.refused[0]; refused.Use.At.File != "Dockerfile" || !strings.Contains(refused.Err.Error(), "with it, there would ") || verify.Hint(refused.Err) == "" {
		t.Error(refused)
	}
	saw := map[string]bool{}
	for from := 2; from <= opens; from++ {
		got, _, err := plan(from)
		switch {
		case err != nil && strings.Contains(err.Error(), "somebody changes it meanwhile, so that nothing was written"):
			saw["meanwhile"] = true
		case err != nil && strings.Contains(err.Error(), "look at the new text: ") && strings.Contains(err.Error(), "so that nothing was written"):
			saw["at the end"] = true
		case err != nil:
			t.Errorf("from read %d: %v", from, err)
		default:
			t.Errorf("from read %d: %+v was proven", from, got)
		}
	}
	if !saw["meanwhile"] || !saw["at the end"] {
		t.Errorf("only %v", saw)
	}
}
