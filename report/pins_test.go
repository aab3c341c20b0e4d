package report_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/internal/runnertest"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
)

func pinnings() map[string]report.Pins {
	at := func(file string, line, col int) image.Position {
		return image.Position{File: file, Line: line, Col: col}
	}
	use := func(text string, kind image.Kind, stage string, p image.Position) image.Use {
		u := ref(text)
		u.Kind, u.Stage, u.At = kind, stage, p
		return u
	}
	digest := "@sha256:" + strings.Repeat("a", 64)
	pins := []report.Pin{
		{At: at("Dockerfile", 1, 6), Old: "alpine:3", New: "alpine:3" + digest},
		{At: at("Dockerfile", 4, 13), Old: "busybox", New: "busybox:latest" + digest, Exempt: true},
		{At: at("compose.yaml", 3, 12), Old: "alpine:3@sha256:" + strings.Repeat("b", 64), New: "alpine:3" + digest},
	}
	hint := func(err string) error { return &verify.Error{Op: "pin it", Err: errors.New(err), Hint: "do this"} }
	refused := []report.Left{
		{Use: use("alpine:3", image.From, "0", at("api/Dockerfile", 2, 6)), Err: hint("it is made of variables")},
		{Use: use("busybox", image.Syntax, "", image.Position{}), Err: errors.New("no hint")},
	}
	kept := []report.Left{{Use: use("alpine"+digest, image.Pod, "", at("pod.yaml", 7, 9)), Err: hint("it has no tag")}}
	evil := []report.Left{{Use: image.Use{Text: hostileText, Kind: image.From, Stage: hostileText, At: at(hostileText, 1, 1)}, Err: &verify.Error{Op: hostileText, Err: errors.New(hostileText), Hint: hostileText}}}
	return map[string]report.Pins{
		"none":          {},
		"whole":         {Pinned: 1},
		"whole_updated": {Pinned: 3, Update: true},
		"pinned":        {Rewritten: pins, Pinned: 2},
		"one":           {Rewritten: pins[:1]},
		"check":         {Rewritten: pins, Pinned: 2, Check: true},
		"check_clean":   {Pinned: 2, Check: true},
		"refused":       {Rewritten: pins[:1], Refused: refused},
		"check_refused": {Refused: refused[:1], Check: true},
		"updated":       {Rewritten: pins[2:], Pinned: 1, Kept: kept, Update: true},
		"kept":          {Kept: kept, Update: true},
		"hostile":       {Rewritten: []report.Pin{{At: at(hostileText, 1, 1), Old: hostileText, New: hostileText, Exempt: true}}, Kept: evil, Refused: evil},
	}
}

func TestPins(t *testing.T) {
	t.Parallel()
	for name, p := range pinnings() {
		var text, doc strings.Builder
		if err := errors.Join(report.PinsText(&text, p), report.PinsJSON(&doc, p, gate.Report{}, report.Run{ToolVersion: "0.0.0", Mode: "enforce", Warnings: []report.Warning{{Text: "w"}}})); err != nil {
			t.Fatal(err)
		}
		golden.Equal(t, filepath.Join("testdata", "pins", name+".txt"), text.String())
		golden.Equal(t, filepath.Join("testdata", "pins", name+".json"), doc.String())
		if found := runnertest.Commands(text.String() + "\n" + doc.String()); len(found) > 0 {
			t.Errorf("%s: the runner obeys %+v", name, found)
		}
	}
}

// Passed is what the exit code is: everything has its digest now.
func TestPinsPassed(t *testing.T) {
	t.Parallel()
	for name, p := range pinnings() {
		passed := strings.HasPrefix(name, "whole") || name == "none" || name == "pinned" || name == "one" || name == "check_clean" || name == "updated" || name == "kept"
		clean := strings.HasPrefix(name, "whole") || name == "none" || name == "check_clean" || name == "kept"
		if p.Passed() != passed || p.Clean() != clean {
			t.Errorf("%s: passed %v, clean %v", name, p.Passed(), p.Clean())
		}
	}
}

// A diff is a patch where it can be, and can be shown in any case.
func TestPinsDiff(t *testing.T) {
	t.Parallel()
	const plain = "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n # one # two\n-\tFROM a\r\n+\tFROM a@b\r\n \u00e9\n\\ No newline at end of file\n"
	for text, want := range map[string]string{
		plain:                             plain,
		" a\n ::error::x\n":               " a\n \\x3a:error::x\n",
		"\t::stop-commands::x":            "\t\\x3a:stop-commands::x",
		"::add-mask::x\r\n":               "\\x3a:add-mask::x\r\n",
		" \u00a0 ::error::x\n":            " \\xa0 \\x3a:error::x\n",
		"+::x\n":                          "+::x\n",
		" a\rb\n":                         " a\\x0db\n",
		" a\r":                            " a\\x0d",
		" a\r\r\n":                        " a\\x0d\r\n",
		" ##[error]x\n":                   " #\\x23[error]x\n",
		" \x1b[2J\u202e\xff\n":            " \\x1b[2J\\u202e\ufffd\n",
		" a\u2028::error::x\n":            " a\\u2028::error::x\n",
		" a\x00\vb\x85c\n":                " a\\x00\\x0bb\ufffdc\n",
		strings.Repeat(" a\tb\t\n", 3):    strings.Repeat(" a\tb\t\n", 3),
		" ##vso[task.setvariable]a\n +\n": " #\\x23vso[task.setvariable]a\n +\n",
		"":                                "",
	} {
		var b strings.Builder
		if err := report.PinsDiff(&b, []byte(text)); err != nil || b.String() != want {
			t.Errorf("%q: %q, want %q (%v)", text, b.String(), want, err)
		}
		if found := runnertest.Commands(b.String()); len(found) > 0 {
			t.Errorf("%q: the runner obeys %+v", text, found)
		}
	}
}

func FuzzPinsDiff(f *testing.F) {
	f.Add([]byte(" ::error::x\n\r\n##[a]\t"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var b strings.Builder
		if err := report.PinsDiff(&b, text); err != nil {
			t.Fatal(err)
		}
		if found := runnertest.Commands(b.String()); len(found) > 0 {
			t.Errorf("the runner obeys %+v in %q", found, b.String())
		}
	})
}
