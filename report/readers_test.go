package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/internal/runnertest"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
)

// A sarif is what the tests read of SARIF.
type sarif struct {
	Version string
	Runs    []struct {
		Tool struct {
			Driver struct {
				Rules []struct {
					ID, HelpURI                             string
					ShortDescription, FullDescription, Help struct{ Text, Markdown string }
					Properties                              struct {
						Tags     []string
						Severity string `json:"security-severity"`
					}
				}
			}
		}
		AutomationDetails struct{ ID string }
		Invocations       []struct {
			ExecutionSuccessful        bool
			ToolExecutionNotifications []struct {
				Level   string
				Message struct{ Text string }
			}
		}
		Results []sarifResult
	}
}

type sarifResult struct {
	RuleID, Level string
	RuleIndex     int
	Message       struct{ Text string }
	Locations     []struct {
		PhysicalLocation struct {
			ArtifactLocation struct{ URI string }
			Region           struct{ StartLine, StartColumn, EndLine, EndColumn int }
		}
	}
	PartialFingerprints map[string]string
}

func (s sarifResult) print() string { return s.PartialFingerprints["primaryLocationLineHash"] }
func (s sarifResult) at() string {
	p := s.Locations[0].PhysicalLocation
	return fmt.Sprintf("%s %d:%d-%d", p.ArtifactLocation.URI, p.Region.StartLine, p.Region.StartColumn, p.Region.EndColumn)
}

// A junit is what the tests read of JUnit XML.
type junit struct {
	Suites []struct {
		Name       string `xml:"name,attr"`
		Tests      int    `xml:"tests,attr"`
		Failures   int    `xml:"failures,attr"`
		Errors     int    `xml:"errors,attr"`
		Properties []struct {
			Name  string `xml:"name,attr"`
			Value string `xml:"value,attr"`
		} `xml:"properties>property"`
		Cases []struct {
			Failure *junitProblem `xml:"failure"`
			Error   *junitProblem `xml:"error"`
			Skipped *junitProblem `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// A quality is what the tests read of GitLab's report.
type quality []struct {
	Description, Fingerprint, Severity string
	Check                              string `json:"check_name"`
	Location                           struct {
		Path  string
		Lines struct{ Begin int }
	}
}

// readers writes r for readers that are programs, and checks what holds of every
// report.
func readers(t testing.TB, r gate.Report, about report.Run) (sarif, junit, quality, [3]string) {
	t.Helper()
	s, j, q, texts := decoded(t, r, about)
	for _, text := range texts {
		if !utf8.ValidString(text) || len(runnertest.Commands(text)) > 0 {
			t.Errorf("a runner obeys %q", text)
		}
		for line := range strings.SplitSeq(text, "\n") {
			if !inert(line) || strings.HasPrefix(strings.TrimSpace(line), "::") {
				t.Errorf("line %q can act", line)
			}
		}
	}
	return s, j, q, texts
}

// decoded does so without a look at single lines.
func decoded(t testing.TB, r gate.Report, about report.Run) (sarif, junit, quality, [3]string) {
	t.Helper()
	var a, b, c bytes.Buffer
	if err := errors.Join(report.SARIF(&a, r, about), report.JUnit(&b, r, about), report.CodeQuality(&c, r, about)); err != nil {
		t.Fatal(err)
	}
	var s sarif
	var j junit
	var q quality
	if err := errors.Join(json.Unmarshal(a.Bytes(), &s), json.Unmarshal(c.Bytes(), &q)); err != nil {
		t.Fatal(err)
	}
	dec := xml.NewDecoder(bytes.NewReader(b.Bytes()))
	if err := dec.Decode(&j); err != nil {
		t.Fatalf("%v in %s", err, b.String())
	}
	if _, err := dec.Token(); err == nil && !errors.Is(err, io.EOF) {
		if rest := strings.TrimSpace(b.String()[dec.InputOffset():]); rest != "" {
			t.Errorf("behind the end: %q", rest)
		}
	}
	checkSARIF(t, s)
	checkPassing(t, r, s, j, q)
	return s, j, q, [3]string{a.String(), b.String(), c.String()}
}

// checkSARIF fails unless s has what code scanning wants.
func checkSARIF(t testing.TB, s sarif) {
	t.Helper()
	if s.Version != "2.1.0" || len(s.Runs) != 1 || s.Runs[0].AutomationDetails.ID != "boltseal/" {
		t.Fatalf("%+v", s)
	}
	run := s.Runs[0]
	if n := len(run.Results); n > 5000 {
		t.Errorf("%d results", n)
	}
	prints := map[string]bool{}
	for _, x := range run.Results {
		if x.RuleID == "" || run.Tool.Driver.Rules[x.RuleIndex].ID != x.RuleID || strings.TrimSpace(x.Message.Text) == "" || units(x.Message.Text) > 5000 {
			t.Errorf("result %+v", x)
		}
		if len(x.Locations) != 1 || x.print() == "" || prints[x.print()] {
			t.Errorf("result %+v", x)
			continue
		}
		prints[x.print()] = true
		p := x.Locations[0].PhysicalLocation
		at, err := url.Parse(p.ArtifactLocation.URI)
		if err != nil || at.String() == "" || at.IsAbs() || at.Host != "" || strings.HasPrefix(at.Path, "/") || strings.Contains(at.EscapedPath(), "..") && strings.Contains("/"+at.Path+"/", "/../") || at.RawQuery != "" || at.Fragment != "" {
			t.Errorf("URI %q (%v)", p.ArtifactLocation.URI, err)
		}
		if g := p.Region; g.StartLine < 1 || g.StartColumn < 1 || g.EndLine != g.StartLine || g.EndColumn <= g.StartColumn {
			t.Errorf("region %+v", g)
		}
	}
}

// checkPassing fails unless each of the reports says of r what r says: one that
// did not pass has something wrong in all of them, one that did has not.
func checkPassing(t testing.TB, r gate.Report, s sarif, j junit, q quality) {
	t.Helper()
	wrong := [3]int{}
	for _, x := range s.Runs[0].Results {
		if x.Level != "note" {
			wrong[0]++
		}
	}
	tests := 0
	for _, suite := range j.Suites {
		if tests += suite.Tests; len(suite.Cases) != suite.Tests {
			t.Errorf("%d tests, %d are said", len(suite.Cases), suite.Tests)
		}
		for _, c := range suite.Cases {
			bad := 0
			if c.Failure != nil {
				bad++
			}
			if c.Error != nil {
				bad++
			}
			if wrong[1] += bad; bad != suite.Failures+suite.Errors || bad > 0 && c.Skipped != nil || strings.TrimSpace(suite.Name) == "" {
				t.Errorf("suite %+v", suite)
			}
		}
	}
	for _, x := range q {
		if x.Severity != "info" {
			wrong[2]++
		}
		if x.Location.Path == "" || x.Location.Lines.Begin < 1 || x.Fingerprint == "" || x.Description == "" {
			t.Errorf("item %+v", x)
		}
	}
	for i, n := range wrong {
		if (n == 0) != r.Passed() {
			t.Errorf("report %d of SARIF, JUnit, code quality: %d things are wrong, passed = %v", i, n, r.Passed())
		}
	}
	if want := len(r.Findings()); tests < want {
		t.Errorf("%d tests of %d images", tests, want)
	}
}

func (r run) about() report.Run {
	mode := r.mode
	if mode == "" {
		mode = "enforce"
	}
	return report.Run{ToolVersion: "1.2.3", Mode: mode, Warnings: r.warnings}
}

func TestReadersGolden(t *testing.T) {
	t.Parallel()
	for _, r := range runs() {
		t.Run(r.name, func(t *testing.T) {
			_, _, _, text := readers(t, r.report(), r.about())
			for i, ext := range []string{".sarif", ".junit.xml", ".codequality"} {
				golden.Equal(t, filepath.Join("testdata", r.name+ext), text[i])
			}
			if _, _, _, again := readers(t, r.report(), r.about()); again != text {
				t.Error("the same report gave other bytes")
			}
		})
	}
}

// hostileReaders has s in every field.
func hostileReaders(t testing.TB, s string) {
	t.Helper()
	subjects := hostile(s, s, s)
	for i := range subjects {
		subjects[i] = subjects[i].at(s, i)
	}
	readers(t, gateReport(context.Background(), append(subjects, hostile(s, s, s)...)), report.Run{ToolVersion: s, Mode: s, Warnings: hostileWarnings(s), GivenIn: s, Inside: s})
}

func TestReadersHostile(t *testing.T) {
	t.Parallel()
	for _, s := range append(sample(hostilePieces(), 4), "", " ", "../x", "/etc/passwd", "a:b", "a/../b", "C:\\x", "a b/%41", "http://evil.example/x", "]]>", "<!--", "&amp;", "\ufffe", "\uffff") {
		hostileReaders(t, s)
	}
}

func FuzzReaders(f *testing.F) {
	for _, s := range sample(hostilePieces(), 5) {
		if len(s) < 1000 {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, s string) { hostileReaders(t, s) })
}

// Reports of runs that did not pass are never empty, and none of one that did
// complains.
func TestReadersNeverSilent(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(context.Background())
	end()
	for _, r := range []gate.Report{{}, gateReport(context.Background(), nil), gateReport(ended, nil), gateReport(ended, []subject{tagged("alpine", "a", pass())})} {
		s, j, q, _ := readers(t, r, report.Run{Mode: "warn"})
		if len(s.Runs[0].Results) != 1 || len(j.Suites) != 1 || len(q) != 1 || s.Runs[0].Invocations[0].ExecutionSuccessful && !r.Complete() {
			t.Errorf("%+v\n%+v\n%+v", s, j, q)
		}
	}
}

// Each Reason has its rule, with everything that code scanning shows.
func TestSARIFRules(t *testing.T) {
	t.Parallel()
	s, _, _, _ := readers(t, gate.Report{}, report.Run{})
	known := map[string]bool{}
	for _, rule := range s.Runs[0].Tool.Driver.Rules {
		known[rule.ID] = true
		if rule.ShortDescription.Text == "" || rule.FullDescription.Text == "" || rule.Help.Text == "" || rule.Help.Markdown == "" || rule.HelpURI == "" || rule.Properties.Severity == "" || rule.Properties.Tags[0] != "security" {
			t.Errorf("%+v", rule)
		}
	}
	for _, r := range append([]string{}, reasons...) {
		if r != "verified" && !known[r] {
			t.Errorf("there is no rule %s", r)
		}
	}
	if len(known) != len(reasons)-1 {
		t.Errorf("%d rules", len(known))
	}
}

// Where results are, of what level, and which are the same in another run.
func TestSARIFResults(t *testing.T) {
	t.Parallel()
	base := unsigned("ghcr.io/acme/base:v1")
	results := func(about report.Run, subjects ...subject) (all []sarifResult) {
		s, _, _, _ := readers(t, gateReport(context.Background(), subjects), about)
		return s.Runs[0].Results
	}
	one := func(s subject) sarifResult { return results(report.Run{}, s)[0] }
	places := results(report.Run{}, base.at("Dockerfile", 3), base.at("Dockerfile", 9), base.at("deploy/a b:c#%.yml", 4), base, base.at("../Dockerfile", 3))
	var got []string
	for _, r := range places {
		got = append(got, r.at())
	}
	want := []string{"Dockerfile 3:6-26", "Dockerfile 9:6-26", "deploy/a%20b%3Ac%23%25.yml 4:6-26", ".boltseal.yaml 1:1-2"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", got, want)
	}
	first, second, _ := strings.Cut(places[0].print()+" "+places[1].print(), " ")
	if head, ok := strings.CutSuffix(first, ":1"); !ok || second != head+":2" {
		t.Errorf("fingerprints %q", first+" "+second)
	}
	// A line that moves, or a tag that does, is no other result; another image,
	// file or reason is.
	same := one(base.at("Dockerfile", 3)).print()
	moved := base.at("Dockerfile", 5)
	moved.digest = digest("9")
	if one(moved).print() != same {
		t.Error("another line or digest is another result")
	}
	pinned := base.at("Dockerfile", 3)
	pinned.use.Ref = ref("ghcr.io/acme/base:v1@" + digest("b")).Ref
	if one(pinned).print() != same {
		t.Error("the digest is a part of the fingerprint")
	}
	for name, other := range map[string]subject{
		"image":  unsigned("ghcr.io/acme/base:v2").at("Dockerfile", 3),
		"file":   base.at("Dockerfile2", 3),
		"reason": tagged("ghcr.io/acme/base:v1", "b", fail(verify.Expired, "x", "")).at("Dockerfile", 3),
	} {
		if one(other).print() == same {
			t.Errorf("another %s is the same result", name)
		}
	}
	// Images of the command line.
	if at := results(report.Run{GivenIn: ".github/workflows/ci.yml"}, base)[0].at(); at != ".github/workflows/ci.yml 1:1-2" {
		t.Errorf("at %s", at)
	}
	if at := results(report.Run{GivenIn: "../evil"}, base.with(acme))[0].at(); at != ".boltseal.yaml 4:5-6" {
		t.Errorf("at %s", at)
	}
	if at := results(report.Run{Inside: "services/api"}, base.at("../Dockerfile", 3))[0].at(); at != "services/Dockerfile 3:6-26" {
		t.Errorf("at %s", at)
	}
	if at := results(report.Run{Inside: "services/api"}, base.at("/etc/Dockerfile", 3))[0].at(); at != ".boltseal.yaml 1:1-2" {
		t.Errorf("at %s", at)
	}
	// Levels.
	exempt := let("alpine", "c", excepted("asked"))
	for mode, want := range map[string]string{"enforce": "error note", "warn": "warning note"} {
		all := results(report.Run{Mode: mode}, exempt, base)
		if got := all[0].Level + " " + all[1].Level; got != want || all[1].RuleID != "exempt" {
			t.Errorf("mode %s: %s, want %s", mode, got, want)
		}
	}
	// Links in a message are text.
	link := tagged("a.io/x:v1", "a", fail(verify.Unsigned, `see [here](https://evil.example) \[x`, ""))
	if text := one(link).Message.Text; !strings.Contains(text, `\[here\](https://evil.example) \\\[x`) {
		t.Errorf("message %q", text)
	}
}

// Of too many results the rest is counted.
func TestSARIFLimit(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("it takes long, and nothing in it runs beside something else")
	}
	t.Parallel()
	s := unsigned("ghcr.io/acme/base:v1")
	var uses []subject
	for i := range 5003 {
		uses = append(uses, s.at("Dockerfile", i+1))
	}
	uses = append(uses, let("alpine", "c", excepted("asked")))
	doc, _, q, _ := decoded(t, gateReport(context.Background(), uses), report.Run{})
	notes := doc.Runs[0].Invocations[0].ToolExecutionNotifications
	if len(doc.Runs[0].Results) != 5000 || len(q) != 5000 || len(notes) != 2 || notes[1].Message.Text != "4 more results left out: the JSON report has them" {
		t.Errorf("%d results, %d items, %+v", len(doc.Runs[0].Results), len(q), notes)
	}
}

// What is refused, has no answer or is exempt is told apart.
func TestJUnit(t *testing.T) {
	t.Parallel()
	r := gateReport(context.Background(), []subject{
		tagged("ghcr.io/acme/app:v1", "a", pass(bundled)).at("Dockerfile", 3),
		unsigned("ghcr.io/acme/base:v1"),
		{use: ref("ghcr.io/acme/down:v1"), checks: []check{pass()}, missing: errAnswer},
		let("alpine", "c", excepted("asked")),
		{use: image.Use{Text: "", Err: errors.New("nothing")}},
	})
	_, j, _, _ := readers(t, r, report.Run{})
	var got []string
	for _, s := range j.Suites {
		c := s.Cases[0]
		switch {
		case c.Failure != nil:
			got = append(got, "failure "+c.Failure.Message)
		case c.Error != nil:
			got = append(got, "error "+c.Error.Message)
		case c.Skipped != nil:
			got = append(got, "skipped "+c.Skipped.Text)
		default:
			got = append(got, "passed "+s.Name)
		}
	}
	want := []string{
		"passed ghcr.io/acme/app:v1", "failure unsigned: ghcr.io/acme/base:v1", "error unavailable: ghcr.io/acme/down:v1",
		"skipped let through unverified, until the end of 2026-03-31; owner platform; reason: asked; by ghcr.io/acme/** (policy, .boltseal.yaml:20:5)", "failure unresolved: an image without a name",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	facts := map[string]string{}
	for _, p := range j.Suites[0].Properties {
		facts[p.Name] = p.Value
	}
	if facts["digest"] != digest("a") || facts["signer"] != signer || facts["issuer"] != issuer || facts["reason"] != "verified" || facts["used-at"] != "Dockerfile:3:6" {
		t.Errorf("properties %v", facts)
	}
}

func TestReadersWriteError(t *testing.T) {
	t.Parallel()
	for i, write := range []func(io.Writer, gate.Report, report.Run) error{report.SARIF, report.JUnit, report.CodeQuality} {
		if write(broken{}, gate.Report{}, report.Run{}) == nil {
			t.Errorf("a failed write of report %d went unnoticed", i)
		}
	}
}
