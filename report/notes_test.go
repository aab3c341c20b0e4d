package report_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
)

func TestNotesGolden(t *testing.T) {
	t.Parallel()
	for _, s := range summaries() {
		if s.name == "thousand" || strings.HasPrefix(s.name, "colour") {
			continue
		}
		notes := report.Notes(s.report(), report.NotesOptions{Warn: s.mode == "warn", Warnings: s.warnings})
		var b strings.Builder
		for _, n := range notes {
			fmt.Fprintf(&b, "%s at %q %d:%d: %s\n    %s\n", n.Level, n.At.File, n.At.Line, n.At.Col, n.Title, strings.ReplaceAll(n.Text, "\n", "\n    "))
		}
		golden.Equal(t, filepath.Join("testdata", s.name+".notes.txt"), b.String())
		checkNotes(t, notes)
	}
}

// checkNotes fails unless notes keep to what is shown of them, and are harmless.
func checkNotes(t testing.TB, notes []report.Note) {
	t.Helper()
	of := map[string]int{}
	for _, n := range notes {
		if of[n.Level]++; n.Level != "error" && n.Level != "warning" {
			t.Errorf("level %q", n.Level)
		}
		if n.Title == "" || !inert(n.Title) || units(n.Title) > 320 {
			t.Errorf("title %q", n.Title)
		}
		if strings.TrimSpace(n.Text) == "" || units(n.Text) > 4000 {
			t.Errorf("text of %d units: %q", units(n.Text), first(n.Text, 200))
		}
		for line := range strings.SplitSeq(n.Text, "\n") {
			if !inert(line) {
				t.Errorf("line %q can act", line)
			}
		}
	}
	if of["error"] > 10 || of["warning"] > 10 {
		t.Errorf("%v notes", of)
	}
}

func units(s string) int { return len(utf16.Encode([]rune(s))) }

func titles(notes []report.Note) []string {
	var all []string
	for _, n := range notes {
		all = append(all, fmt.Sprintf("%s %s:%d %s", n.Level, n.At.File, n.At.Line, n.Title))
	}
	return all
}

// What the first note says, and which ones follow.
func TestNotes(t *testing.T) {
	t.Parallel()
	signed, base := tagged("ghcr.io/acme/app:v1", "a", pass()), unsigned("ghcr.io/acme/base:v1")
	late, stop := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer stop()
	ended, end := context.WithCancel(context.Background())
	end()
	for _, tc := range []struct {
		name     string
		ctx      context.Context
		subjects []subject
		o        report.NotesOptions
		want     []string
		text     string // of the first
	}{
		{"passed", context.Background(), []subject{signed}, report.NotesOptions{Warn: true}, nil, ""},
		{"passed with a warning", context.Background(), []subject{signed}, report.NotesOptions{Warnings: []report.Warning{{Text: "careful"}}}, []string{"warning :0 image signature gate"}, "careful"},
		{"nothing", context.Background(), nil, report.NotesOptions{}, []string{"error :0 gate closed: there was no image to verify"}, "an empty list of images never passes"},
		{"one failure", context.Background(), []subject{signed, base}, report.NotesOptions{}, []string{"error :0 gate closed: 1 of 2 images did not pass", "error :0 unsigned: ghcr.io/acme/base:v1"}, "unsigned: ghcr.io/acme/base:v1\nthe summary has all that was found"},
		{"warn mode", context.Background(), []subject{signed, base}, report.NotesOptions{Warn: true, Warnings: []report.Warning{{Text: "careful"}}}, []string{"warning :0 gate closed: 1 of 2 images did not pass (not enforced)", "warning :0 unsigned: ghcr.io/acme/base:v1", "warning :0 image signature gate"}, "unsigned: ghcr.io/acme/base:v1\nthe summary has all that was found"},
		{"interrupted, in warn mode too", ended, []subject{signed, base}, report.NotesOptions{Warn: true, Warnings: []report.Warning{{Text: "careful"}}}, []string{"error :0 gate closed: the run was interrupted, 0 of 2 images verified", "warning :0 image signature gate"}, "undecided: ghcr.io/acme/app:v1\nundecided: ghcr.io/acme/base:v1\nthe summary has all that was found"},
		{"late", late, []subject{base}, report.NotesOptions{}, []string{"error :0 gate closed: context deadline exceeded, 0 of 1 image verified", "error :0 undecided: ghcr.io/acme/base:v1"}, "undecided: ghcr.io/acme/base:v1\nthe summary has all that was found"},
		{"late, nothing", late, nil, report.NotesOptions{}, []string{"error :0 gate closed: context deadline exceeded, 0 of 0 images verified"}, "an empty list of images never passes"},
		{
			"places", context.Background(),
			[]subject{base.at("Dockerfile", 3), base, base.at("", 7), base.at("Dockerfile", 3), base.at("Dockerfile", 9), base.at("compose.yml", 0), signed.at("Dockerfile", 1)},
			report.NotesOptions{},
			[]string{"error :0 gate closed: 1 of 2 images did not pass", "error Dockerfile:3 unsigned: ghcr.io/acme/base:v1", "error :0 unsigned: ghcr.io/acme/base:v1", "error Dockerfile:9 unsigned: ghcr.io/acme/base:v1", "error compose.yml:0 unsigned: ghcr.io/acme/base:v1"},
			"unsigned: ghcr.io/acme/base:v1 (Dockerfile:3)\nunsigned: ghcr.io/acme/base:v1\nunsigned: ghcr.io/acme/base:v1 (Dockerfile:9)\nunsigned: ghcr.io/acme/base:v1 (compose.yml)\nthe summary has all that was found",
		},
	} {
		notes := report.Notes(gateReport(tc.ctx, tc.subjects), tc.o)
		if got := titles(notes); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
		if tc.text != "" && (len(notes) == 0 || notes[0].Text != tc.text) {
			t.Errorf("%s: %+v, want the text %q", tc.name, notes, tc.text)
		}
		checkNotes(t, notes)
	}
	if got := titles(report.Notes(gate.Report{}, report.NotesOptions{Warn: true})); !slices.Equal(got, []string{"error :0 gate closed: the run was interrupted, 0 of 0 images verified"}) {
		t.Errorf("the zero Report: %q", got)
	}
}

// A note says why, what was expected, the signature that came closest and what to do.
func TestNotesText(t *testing.T) {
	t.Parallel()
	s := tagged("ghcr.io/acme/app:v1", "a", pass(), fail(verify.WrongSigner, "one\ntwo", "do this", verify.Expired, verify.WrongSigner), fail(verify.Unsigned, "no", ""))
	notes := report.Notes(gateReport(context.Background(), []subject{s.at("Dockerfile", 3)}), report.NotesOptions{})
	want := report.Note{
		Level: "error", Title: "wrong-signer: ghcr.io/acme/app:v1", At: image.Position{File: "Dockerfile", Line: 3, Col: 6},
		Text: "because verify ghcr.io/acme/app@" + digest("a") + ": one; two\nexpected " + required + "\nfound wrong-signer: bundle-v0.3 at ghcr.io/acme/app@" + digest("f") +
			", signed by somebody@example.com (issuer https://accounts.google.com), ref refs/heads/main, 2026-03-01T10:30:00Z: one; two\nnext do this",
	}
	if len(notes) != 2 || notes[1] != want {
		t.Errorf("%+v, want %+v", notes, want)
	}
	mute := tagged("ghcr.io/acme/mute:v1", "c", func(image.Pinned) verify.Verdict { return pass()(stranger()) })
	if notes := report.Notes(gateReport(context.Background(), []subject{mute}), report.NotesOptions{}); len(notes) != 2 || notes[1].Title != "undecided: ghcr.io/acme/mute:v1" || notes[1].Text != "because no check of this image ran to its end" {
		t.Errorf("%+v", notes)
	}
}

// There are never more of a level than are shown, and the last says what is
// missing.
func TestNotesBounds(t *testing.T) {
	t.Parallel()
	for failed := range 25 {
		if raced && failed%6 != 0 {
			continue
		}
		var subjects []subject
		for i := range failed {
			subjects = append(subjects, unsigned(fmt.Sprintf("ghcr.io/acme/app%d:v1", i)).at("Dockerfile", i+1))
		}
		r := gateReport(context.Background(), append(subjects, tagged("ghcr.io/acme/app:v1", "a", pass())))
		for warnings := range 25 {
			for _, warn := range []bool{false, true} {
				o := report.NotesOptions{Warn: warn}
				for i := range warnings {
					o.Warnings = append(o.Warnings, report.Warning{Text: fmt.Sprint("warning ", i)})
				}
				notes := report.Notes(r, o)
				checkNotes(t, notes)
				checkCounts(t, notes, failed, warnings, warn)
			}
		}
		if notes := report.Notes(r, report.NotesOptions{}); failed > 12 && !strings.Contains(notes[0].Text, fmt.Sprintf("\n… and %d more\nthe summary has", failed-12)) {
			t.Errorf("%d failures: %q", failed, notes[0].Text)
		}
	}
}

func checkCounts(t *testing.T, notes []report.Note, failed, warnings int, warn bool) {
	t.Helper()
	about := map[string]int{}
	for _, n := range notes {
		about[strings.SplitN(n.Title, ":", 2)[0]]++
	}
	singles, room := min(failed, 9), 10
	if warn && failed > 0 {
		if warnings > 0 {
			singles = min(failed, 8)
		}
		room -= 1 + singles
	}
	if about["unsigned"] != singles || about["gate closed"] != min(failed, 1) || about["image signature gate"] != min(warnings, room) {
		t.Errorf("%d failures, %d warnings, warn mode %v: %v", failed, warnings, warn, about)
	}
	if warnings > room {
		want := fmt.Sprintf("… and %d more warnings, listed in the summary", warnings-room+1)
		if room == 1 {
			want = fmt.Sprintf("%d warnings, listed in the summary", warnings)
		}
		if got := notes[len(notes)-1].Text; got != want {
			t.Errorf("%d failures, %d warnings: the last note says %q, want %q", failed, warnings, got, want)
		}
	}
}

func TestNotesHostile(t *testing.T) {
	t.Parallel()
	for _, s := range append(hostilePieces(), "", " ") {
		subjects := hostile(s, s, s)
		for i := range subjects {
			subjects[i] = subjects[i].at(s, i)
		}
		subjects = append(subjects, subject{use: image.Use{Text: s, Err: errors.New(s)}})
		checkNotes(t, report.Notes(gateReport(context.Background(), subjects), report.NotesOptions{Warnings: hostileWarnings(s)}))
	}
	// A dozen of the longest references, and as much of everything else.
	long := strings.Repeat("😀", 5000)
	var subjects []subject
	for i := range 30 {
		subjects = append(subjects, hostile(long+fmt.Sprint(i), long, long)...)
	}
	notes := report.Notes(gateReport(context.Background(), subjects), report.NotesOptions{Warnings: []report.Warning{{Text: long}}})
	checkNotes(t, notes)
	for i := range subjects {
		subjects[i] = subjects[i].at(long, 1<<30)
	}
	checkNotes(t, report.Notes(gateReport(context.Background(), subjects), report.NotesOptions{Warn: true, Warnings: []report.Warning{{Text: long}}}))
	if n := units(notes[0].Text); n < 1800 {
		t.Errorf("the first note has %d units", n)
	}
}
