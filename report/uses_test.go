package report_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/report"
)

func listings() map[string]report.Listing {
	at := func(file string, line, col int) image.Position {
		return image.Position{File: file, Line: line, Col: col}
	}
	use := func(text string, kind image.Kind, stage string, p image.Position) image.Use {
		u := ref(text)
		u.Kind, u.Stage, u.At = kind, stage, p
		return u
	}
	hostileAt := at(hostileText, 1, 1)
	return map[string]report.Listing{
		"none": {},
		"kinds": {
			Uses: []image.Use{
				use("docker/dockerfile:1", image.Syntax, "", at("Dockerfile", 1, 10)),
				use("golang:1.26", image.From, "build", at("Dockerfile", 3, 6)),
				{Text: "alpine:${V}", Kind: image.From, Stage: "1", At: at("Dockerfile", 9, 6), Err: errors.New("ARG V has no value: give --build-arg V=…")},
				use("golang:1.26", image.CopyFrom, "1", at("Dockerfile", 10, 13)),
				{Kind: image.From, At: at("broken/Dockerfile", 2, 1), Err: errors.Join(errors.New("unknown instruction: FRMO"), errors.New("and more"))},
				use("ghcr.io/acme/frontend:1", image.Syntax, "", image.Position{}),
			},
			Warnings: []report.Warning{
				{At: at(".github/workflows/ci.yml", 7, 16), Text: "node:${{ matrix.v }} is known only when the workflow runs; it is not verified"},
				{Text: "2 files that .gitignore names were left out"},
			},
		},
		"hostile": {
			Uses:     []image.Use{{Text: hostileText, Kind: image.From, Stage: hostileText, At: hostileAt, Err: errors.New(hostileText)}},
			Warnings: hostileWarnings(hostileText),
		},
	}
}

func TestUses(t *testing.T) {
	t.Parallel()
	for name, l := range listings() {
		var text, doc strings.Builder
		if err := errors.Join(report.UsesText(&text, l), report.UsesJSON(&doc, l)); err != nil {
			t.Fatal(err)
		}
		golden.Equal(t, filepath.Join("testdata", "uses", name+".txt"), text.String())
		golden.Equal(t, filepath.Join("testdata", "uses", name+".json"), doc.String())
		checkUses(t, l, text.String(), doc.String())
	}
}

// checkUses reads the document back, and looks for what a log would obey.
func checkUses(t *testing.T, l report.Listing, text, doc string) {
	t.Helper()
	var got struct {
		Version  int
		Uses     []struct{ Image, Text, Kind, File, Stage, Error string }
		Warnings []struct{ Message, File string }
	}
	if err := json.Unmarshal([]byte(doc), &got); err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	if got.Version != 1 || len(got.Uses) != len(l.Uses) || len(got.Warnings) != len(l.Warnings) {
		t.Errorf("version %d, %d uses, %d warnings", got.Version, len(got.Uses), len(got.Warnings))
	}
	valid := func(s string) string { return strings.ToValidUTF8(s, "") } // JSON has U+FFFD for other bytes
	for i, u := range got.Uses {
		want := l.Uses[i]
		if (u.Error == "") != (want.Err == nil) || (u.Image == "") != (want.Err != nil) || valid(strings.ReplaceAll(u.Text, "\ufffd", "")) != valid(strings.ReplaceAll(want.Text, "\ufffd", "")) {
			t.Errorf("use %d: %+v", i, u)
		}
	}
	for line := range strings.Lines(text) {
		first, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if _, err := image.Parse(first); err != nil && first != "" && first != "IMAGE" && first != "?" {
			t.Errorf("a line begins with other people's text: %q", line)
		}
	}
	for _, s := range []string{text, doc} {
		if strings.ContainsAny(s, "\x1b\r\u202e\u2028") || strings.Contains(s, "##[") || strings.Contains(s, "\n::") {
			t.Errorf("hostile text: %q", s)
		}
	}
}

func FuzzUses(f *testing.F) {
	for _, s := range hostilePieces() {
		f.Add(s, 1)
	}
	f.Fuzz(func(t *testing.T, s string, line int) {
		l := report.Listing{
			Uses:     []image.Use{{Text: s, Kind: image.From, Stage: s, At: image.Position{File: s, Line: line}, Err: errors.New(s)}},
			Warnings: []report.Warning{{Text: s, At: image.Position{File: s, Line: line}}},
		}
		var text, doc strings.Builder
		if err := errors.Join(report.UsesText(&text, l), report.UsesJSON(&doc, l)); err != nil {
			t.Fatal(err)
		}
		checkUses(t, l, text.String(), doc.String())
	})
}
