package report_test

import (
	"slices"
	"testing"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/report"
)

// What is said of many places is said once, with how many there are.
func TestGathered(t *testing.T) {
	t.Parallel()
	at := func(file string) image.Position { return image.Position{File: file, Line: 2, Col: 3} }
	all := []report.Warning{
		{Text: "no manifest", At: at("a.yaml")},
		{Text: "careful"},
		{Text: "no manifest", At: at("b.yaml")},
		{Text: "cache", At: at("a.yaml")},
		{Text: "careful"},
		{Text: "no manifest", At: at("c.yaml")},
		{Text: "to change", At: at("a.yaml"), Apart: true},
		{Text: "to change", At: at("a.yaml"), Apart: true},
		{Text: "to change", At: at("b.yaml"), Apart: true},
	}
	var got []string
	for _, w := range report.Gathered(all) {
		got = append(got, w.String())
	}
	want := []string{"a.yaml:2:3: no manifest (and at 2 more places)", "careful", "a.yaml:2:3: cache", "careful", "a.yaml:2:3: to change (and at 1 more place)", "b.yaml:2:3: to change"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if all[0].Text != "no manifest" {
		t.Error("the warnings that were given changed")
	}
}
