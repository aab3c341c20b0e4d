package report_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
)

// What is exempt is called that by every writer, and never verified.
func TestExemptIsNotVerified(t *testing.T) {
	t.Parallel()
	signed := tagged("ghcr.io/acme/app:v1", "a", pass())
	exempt, never := let("alpine", "b", excepted("upstream is asked to sign")), let("busybox", "c", neverSigned("upstream does not sign"))
	ended, end := context.WithCancel(context.Background())
	defer end()
	for _, tc := range []struct {
		name     string
		subjects []subject
		want     string // of text and, behind "PASSED — ", of Markdown
		reason   verify.Reason
		pinned   int
	}{
		{"one of two", []subject{signed, exempt}, "1 image verified, 1 exempt", verify.Exempt, 1},
		{"all", []subject{exempt, never}, "2 images exempt, none verified", verify.Exempt, 0},
		{"one", []subject{never}, "1 image exempt, none verified", verify.Exempt, 0},
		{"none", []subject{signed}, "1 image verified", verify.Verified, 1},
	} {
		r := gateReport(context.Background(), tc.subjects)
		var text bytes.Buffer
		if err := report.Text(&text, r, report.TextOptions{}); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(text.String(), "\ngate passed: "+tc.want+"\n") {
			t.Errorf("%s: %s", tc.name, text.String())
		}
		markdown := summary{}.of(t, r)
		if !strings.HasPrefix(markdown, "### Image signature gate: PASSED — "+tc.want+"\n") {
			t.Errorf("%s: %s", tc.name, markdown)
		}
		if r.Reason() != tc.reason || len(report.Pinned(r)) != tc.pinned {
			t.Errorf("%s: %s, pinned %q", tc.name, r.Reason(), report.Pinned(r))
		}
		if notes := report.Notes(r, report.NotesOptions{}); len(notes) > 0 {
			t.Errorf("%s: %v", tc.name, notes)
		}
		images, _ := report.Images(r, 1<<20)
		for _, s := range tc.subjects {
			if s.exempt == nil {
				continue
			}
			for what, got := range map[string]string{"text": text.String(), "Markdown": strings.NewReplacer("&#46;", ".", "&#47;", "/", "&#58;", ":", "&#64;", "@").Replace(markdown), "images": images} {
				if name := s.use.Ref.Name(); strings.Contains(got, name+"@") || !strings.Contains(got, name+":latest") || !strings.Contains(got, "exempt") {
					t.Errorf("%s: %s names what nobody has verified:\n%s", tc.name, what, got)
				}
			}
		}
	}
	end()
	var text bytes.Buffer
	if err := report.Text(&text, gateReport(ended, []subject{signed, exempt}), report.TextOptions{}); err != nil || !strings.Contains(text.String(), "0 of 2 images verified\n") {
		t.Errorf("interrupted: %s (%v)", text.String(), err)
	}
	// An exemption is of no use beside a check that fails.
	both := exempt
	both.checks = []check{fail(verify.Unsigned, "there are none", "")}
	if r := gateReport(context.Background(), []subject{both}); r.Passed() || r.Reason() != verify.Unsigned {
		t.Errorf("exempt, and refused: %s", r.Reason())
	}
}

// Only a run that ended by itself goes on without having passed.
func TestLenient(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(context.Background())
	end()
	late, stop := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer stop()
	bad := []subject{unsigned("ghcr.io/acme/base:v1")}
	good := []subject{tagged("ghcr.io/acme/app:v1", "a", pass())}
	for _, tc := range []struct {
		name        string
		r           gate.Report
		warn, empty bool // what it is in warn mode, and with AllowEmpty
	}{
		{"passed", gateReport(context.Background(), good), false, false},
		{"refused", gateReport(context.Background(), bad), true, false},
		{"nothing", gateReport(context.Background(), nil), true, true},
		{"nothing, interrupted", gateReport(ended, nil), false, false},
		{"nothing, late", gateReport(late, nil), true, false},
		{"interrupted", gateReport(ended, bad), false, false},
		{"late", gateReport(late, bad), true, false},
		{"no run", gate.Report{}, false, false},
	} {
		if got := (report.Run{Mode: "warn"}).Lenient(tc.r); got != tc.warn {
			t.Errorf("%s, warn mode: %v", tc.name, got)
		}
		if got := (report.Run{Mode: "enforce", AllowEmpty: true}).Lenient(tc.r); got != tc.empty {
			t.Errorf("%s, empty is allowed: %v", tc.name, got)
		}
		if (report.Run{Mode: "enforce"}).Lenient(tc.r) || (report.Run{}).Lenient(tc.r) {
			t.Errorf("%s: lenient without being told", tc.name)
		}
	}
}

// What fits one part of a requirement is not offered to another: whoever needs
// two signers would give both places to one. Nor is anything where the check
// passed.
func TestNothingToAccept(t *testing.T) {
	t.Parallel()
	twice := func(img image.Pinned) verify.Verdict {
		v := near(verify.Difference{What: "identity", Found: signer, Expected: "https://github.com/acme/b"}, accepting(signer))(img)
		refused := v.Candidates()[0]
		fits := refused
		fits.Reason, fits.Err, fits.Differs, fits.Accept = verify.Verified, nil, nil, nil
		return v.With([]verify.Candidate{fits, refused})
	}
	passed := func(img image.Pinned) verify.Verdict {
		return pass()(img).With(twice(img).Candidates()[1:])
	}
	for name, c := range map[string]check{"twice": twice, "passed": passed} {
		r := gateReport(context.Background(), []subject{tagged("ghcr.io/acme/a:v1", "a", c)})
		var text, doc bytes.Buffer
		if err := errors.Join(report.Text(&text, r, report.TextOptions{}), report.JSON(&doc, r, report.Run{})); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text.String(), "to accept") || strings.Contains(doc.String(), `"accept"`) {
			t.Errorf("%s: %s\n%s", name, &text, &doc)
		}
	}
}
