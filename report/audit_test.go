package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/audit"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
)

func auditMaterial(t *testing.T, ref, hex string) audit.Material {
	t.Helper()
	r, err := image.Parse(ref)
	if err != nil {
		t.Fatal(err)
	}
	return audit.Material{URI: "pkg:docker/" + ref, Kind: audit.Image, Ref: r, Digest: "sha256:" + strings.Repeat(hex, 64), Platform: "linux/amd64", Where: audit.InMaterials}
}

func auditText(t *testing.T, r audit.Result, o report.TextOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.AuditText(&b, r, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What passed, what was let through unverified and what was refused look
// different, and nothing passes that was not looked at.
func TestAuditText(t *testing.T) {
	t.Parallel()
	base, tools := auditMaterial(t, "ghcr.io/acme/base:v3", "a"), auditMaterial(t, "ghcr.io/acme/tools", "b")
	tools.Where = audit.InSteps
	refusal := &verify.Error{Op: "audit", Err: errors.New("the gate has not seen it"), Hint: "do not"}
	build := audit.Build{Source: "build.json", Target: "app", Platform: "linux/amd64", Provenance: &audit.Provenance{Steps: true}}
	good := audit.Finding{Build: build, Reason: audit.Admitted, Notes: []string{"all is well"}, Used: []audit.Judged{{Material: base, Reason: audit.Admitted}}}
	exempt := audit.Finding{Build: audit.Build{Source: "x"}, Reason: audit.Exempt, Used: []audit.Judged{{Material: base, Reason: audit.Exempt}, {Material: audit.Material{URI: "https://x", Kind: audit.Web}, Reason: audit.Unjudged}}}
	bad := audit.Finding{Build: audit.Build{Source: "x"}, Reason: audit.NotAdmitted, Used: []audit.Judged{{Material: tools, Reason: audit.NotAdmitted, Err: refusal, Instead: []string{"1", "2", "3", "4", "5", "6", "7"}}}}
	silent := audit.Finding{Build: audit.Build{Source: "x"}, Reason: "unavailable", Err: refusal}
	digestA, digestB := "sha256:"+strings.Repeat("a", 64), "sha256:"+strings.Repeat("b", 64)
	for _, tc := range []struct {
		name string
		r    audit.Result
		want string
	}{
		{"passed", audit.Result{Findings: []audit.Finding{good}}, "admitted       build.json, target app, linux/amd64\n" +
			"               used      ghcr.io/acme/base@" + digestA + " (tag v3, linux/amd64)\n               note      all is well\n\naudit passed: 1 image in 1 build, all admitted\n"},
		{"exempt", audit.Result{Findings: []audit.Finding{exempt}}, "exempt         x\n" +
			"               exempt    ghcr.io/acme/base@" + digestA + " (tag v3, linux/amd64)\n               unjudged  https://x\n\naudit passed: 1 image in 1 build, all admitted, 1 of them exempt and verified by nobody\n"},
		{"refused", audit.Result{Findings: []audit.Finding{bad}}, "not-admitted   x\n" +
			"               refused   ghcr.io/acme/tools@" + digestB + " (tag latest, linux/amd64, only in the build's steps)\n               because   the gate has not seen it\n" +
			"               admitted  1\n               admitted  2\n               admitted  3\n               admitted  4\n               admitted  5\n               admitted  … and 2 more, listed by --output json\n" +
			"               next      do not\n\naudit failed: 1 of 1 build did not pass\n"},
		{"no answer", audit.Result{Findings: []audit.Finding{good, silent}}, "unavailable    x\n               because   the gate has not seen it\n               next      do not\n\naudit failed, no answer: 1 of 2 builds could not be audited\n"},
		{"no image", audit.Result{Findings: []audit.Finding{{Build: build, Reason: audit.Admitted}}}, "\naudit passed: no image in 1 build\n"},
		{"nobody has looked", audit.Result{Findings: []audit.Finding{{Build: audit.Build{Source: "x"}, Used: []audit.Judged{{Material: base}}}}}, "undecided      x\n" +
			"               refused   ghcr.io/acme/base@" + digestA + " (tag v3, linux/amd64)\n               because   nobody has looked\n\naudit failed: 1 of 1 build did not pass\n"},
		{"nothing", audit.Result{}, "\naudit failed: 0 of 0 builds did not pass\n"},
	} {
		if got := auditText(t, tc.r, report.TextOptions{}); !strings.HasSuffix(got, tc.want) {
			t.Errorf("%s: got\n%s", tc.name, got)
		}
	}
	for colour, r := range map[string]audit.Result{"\x1b[32m": {Findings: []audit.Finding{good}}, "\x1b[33m": {Findings: []audit.Finding{exempt}}, "\x1b[31m": {Findings: []audit.Finding{bad}}} {
		if got := auditText(t, r, report.TextOptions{Color: true}); strings.Count(got, colour) != 2 || strings.Count(got, "\x1b[") != 4 {
			t.Errorf("%q", got)
		}
	}
}

// Long lists are cut, each by itself, and say how much is left out.
func TestAuditTextBounds(t *testing.T) {
	t.Parallel()
	digest := "@sha256:" + strings.Repeat("a", 64)
	m := auditMaterial(t, "ghcr.io/acme/base"+digest, "a")
	m.Platform = ""
	for _, tc := range []struct {
		passed, refused, instead int
		want                     []string // lines of what is left out
	}{
		{100, 100, 5, nil},
		{101, 100, 5, []string{"used      … and 1 more, listed by --output json"}},
		{100, 102, 5, []string{"refused   … and 2 more, listed by --output json"}},
		{1, 1, 6, []string{"admitted  … and 1 more, listed by --output json"}},
	} {
		f := audit.Finding{Build: audit.Build{Source: "x"}, Reason: audit.NotAdmitted}
		for range tc.passed {
			f.Used = append(f.Used, audit.Judged{Material: m, Reason: audit.Admitted})
		}
		for range tc.refused {
			f.Used = append(f.Used, audit.Judged{Material: m, Reason: audit.NotAdmitted, Instead: make([]string, tc.instead)})
		}
		var cut []string
		for line := range strings.Lines(auditText(t, audit.Result{Findings: []audit.Finding{f}}, report.TextOptions{})) {
			switch line = strings.TrimSpace(line); {
			case strings.Contains(line, "…"):
				cut = append(cut, line)
			case strings.Contains(line, digest) && line != "used      ghcr.io/acme/base"+digest && line != "refused   ghcr.io/acme/base"+digest:
				t.Fatalf("%q", line)
			}
		}
		if !slices.Equal(cut, tc.want) {
			t.Errorf("%+v: %q", tc, cut)
		}
	}
}

// JSON has all, and says passed of nothing that did not.
func TestAuditJSON(t *testing.T) {
	t.Parallel()
	m := auditMaterial(t, "ghcr.io/acme/base:v3", "a")
	m.URI = "\u202e::error::##[x]"
	r := audit.Result{Findings: []audit.Finding{{
		Build: audit.Build{Source: "build.json", Provenance: &audit.Provenance{Steps: true}}, Reason: audit.Exempt,
		Used: []audit.Judged{{Material: m, Reason: audit.Exempt}},
	}, {Build: audit.Build{Source: "x"}}}}
	var b bytes.Buffer
	past := report.Past{ToolVersion: "1.2.3", Started: time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("x", 3600)), Images: make([]report.PastImage, 2)}
	if err := report.AuditJSON(&b, r, past, "2.0.0"); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "\u202e") || strings.Contains(b.String(), "##") {
		t.Errorf("%q", b.String())
	}
	var doc struct {
		Version int
		Passed  bool
		Gate    struct {
			Started, Version string
			Images           int
		}
		Builds []struct {
			Source, Reason string
			Passed, Steps  bool
			Notes          []string
			Used           []struct {
				URI, Kind, Where, Reference, Digest, Reason string
				Passed                                      bool
				Instead                                     []string
			}
		}
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Passed || doc.Version != 1 || doc.Gate.Started != "2026-03-01T11:00:00Z" || doc.Gate.Version != "1.2.3" || doc.Gate.Images != 2 || len(doc.Builds) != 2 {
		t.Errorf("%+v", doc)
	}
	first, second := doc.Builds[0], doc.Builds[1]
	if !first.Passed || !first.Steps || first.Reason != "exempt" || first.Notes == nil || first.Used[0].URI != m.URI || !first.Used[0].Passed || first.Used[0].Reference != "ghcr.io/acme/base:v3" || first.Used[0].Instead == nil {
		t.Errorf("%+v", first)
	}
	if second.Passed || second.Steps || second.Reason != "undecided" || second.Used == nil {
		t.Errorf("%+v", second)
	}
}
