package report_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
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
			Files: []report.File{{Path: ".github/workflows/ci.yml", Format: "workflow"}, {Path: "Dockerfile", Format: "dockerfile"}, {Path: "broken/Dockerfile", Format: "dockerfile"}},
			Uses: []image.Use{
				use("docker/dockerfile:1", image.Syntax, "", at("Dockerfile", 1, 10)),
				use("golang:1.26", image.From, "build", at("Dockerfile", 3, 6)),
				{Text: "alpine:${V}", Kind: image.From, Stage: "1", At: at("Dockerfile", 9, 6), Err: errors.New("ARG V has no value: give --build-arg V=…")},
				use("golang:1.26", image.CopyFrom, "1", at("Dockerfile", 10, 13)),
				{Kind: image.From, At: at("broken/Dockerfile", 2, 1), Err: errors.Join(errors.New("unknown instruction: FRMO"), errors.New("and more"))},
				use("ghcr.io/acme/frontend:1", image.Syntax, "", image.Position{}),
			},
			Warnings: []report.Warning{
				{At: at(".github/workflows/ci.yml", 7, 16), Text: "node:${{ matrix.v }} is known only when the workflow runs; it is not verified", Kind: image.Container, Written: "node:${{ matrix.v }}"},
				{At: at("compose.yaml", 4, 9), Text: "acme/cache is used as a build cache: it is not verified"},
				{Text: "2 files that .gitignore names were left out"},
			},
		},
		"hostile": {
			Files:    []report.File{{Path: hostileText, Format: "dockerfile"}},
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
		Version int
		Uses    []struct {
			Image, Text, Kind, File, Stage, Error string
			Warning                               bool
		}
		Warnings []struct{ Message, File string }
	}
	if err := json.Unmarshal([]byte(doc), &got); err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	doubtful := 0
	var uses []string
	for _, u := range got.Uses {
		if (u.Error == "") != (u.Image != "") {
			t.Errorf("use %+v", u)
		}
		if u.Warning {
			doubtful++
		} else {
			uses = append(uses, valid(u.Text))
		}
	}
	var want []string
	for _, u := range l.Uses {
		want = append(want, valid(u.Text))
	}
	slices.Sort(uses)
	slices.Sort(want)
	if got.Version != 1 || !slices.Equal(uses, want) || len(got.Warnings)+doubtful != len(l.Warnings) {
		t.Errorf("version %d, uses %q, %d warnings, %d doubtful", got.Version, uses, len(got.Warnings), doubtful)
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

// valid is s without what JSON has another spelling of: bytes that are no UTF-8.
func valid(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\ufffd", "") }

func FuzzUses(f *testing.F) {
	for _, s := range hostilePieces() {
		f.Add(s, 1)
	}
	f.Fuzz(func(t *testing.T, s string, line int) {
		l := report.Listing{
			Uses:     []image.Use{{Text: s, Kind: image.From, Stage: s, At: image.Position{File: s, Line: line}, Err: errors.New(s)}},
			Warnings: []report.Warning{{Text: s, At: image.Position{File: s, Line: line}}, {Text: s, Written: s, Kind: image.Service}},
		}
		var text, doc strings.Builder
		if err := errors.Join(report.UsesText(&text, l), report.UsesJSON(&doc, l)); err != nil {
			t.Fatal(err)
		}
		checkUses(t, l, text.String(), doc.String())
	})
}
