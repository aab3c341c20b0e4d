package report_test

import (
	"context"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/report"
)

// What builders get is the end of the text, and a list in the summary, for which
// there is always room; a path in it cannot act.
func TestHandover(t *testing.T) {
	t.Parallel()
	const given = "handed over: pinned in p.txt, 1 image"
	evil := "not handed over: bake, since that failed; x\n::error::y\x1b[2J`<img>` is not there"
	r := gateReport(context.Background(), []subject{tagged("ghcr.io/acme/app:v1", "a", pass())})
	var text, outcome strings.Builder
	o := report.TextOptions{Handover: []string{given, evil}}
	if err := report.Text(&text, r, o); err != nil {
		t.Fatal(err)
	}
	if err := report.Outcome(&outcome, r, o); err != nil {
		t.Fatal(err)
	}
	want := "gate passed: 1 image verified\n" + given + "\nnot handed over: bake, since that failed; x; ::error::y\\x1b[2J`<img>` is not there\n"
	if !strings.HasSuffix(text.String(), "\n"+want) || outcome.String() != want {
		t.Errorf("%q and %q, want %q", text.String(), outcome.String(), want)
	}
	for most, all := range map[int]bool{0: true, 6000: true, 600: false} {
		var summary strings.Builder
		if err := report.Markdown(&summary, r, report.MarkdownOptions{Run: report.Run{Handover: []string{given, evil}}, Max: most}); err != nil {
			t.Fatal(err)
		}
		got := summary.String()
		if all != strings.Contains(got, "**What builds get**\n\n- <code>handed over&#58; pinned in p&#46;txt&#44; 1 image</code>\n- <code>not handed over") || strings.Contains(got, "<img>") || strings.Contains(got, "\x1b") {
			t.Errorf("with %d bytes the summary is\n%s", most, got)
		}
	}
	if got := report.Refusal("a", "b", given, evil); !strings.Contains(got, "handed over&#58; pinned") || strings.Contains(got, "<img>") {
		t.Errorf("the refusal is\n%s", got)
	}
	// A run with nothing to hand over has no word of it.
	var summary strings.Builder
	if err := report.Markdown(&summary, gate.Report{}, report.MarkdownOptions{}); err != nil || strings.Contains(summary.String(), "What builds get") {
		t.Errorf("%v: %s", err, summary.String())
	}
}
