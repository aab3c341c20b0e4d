package report

import (
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/verify"
)

// Bounds of SARIF.
const (
	maxResults       = 5000 // GitHub shows no more of a run
	maxResultText    = 2000 // UTF-16 units
	maxNotifications = 100
)

// The part of SARIF 2.1.0 that is written here,
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool              sarifTool         `json:"tool"`
		AutomationDetails sarifAutomation   `json:"automationDetails"`
		ColumnKind        string            `json:"columnKind"`
		Invocations       []sarifInvocation `json:"invocations"`
		Results           []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifAutomation struct {
		ID string `json:"id"`
	}
	sarifRule struct {
		ID                   string             `json:"id"`
		ShortDescription     sarifText          `json:"shortDescription"`
		FullDescription      sarifText          `json:"fullDescription"`
		Help                 sarifText          `json:"help"`
		HelpURI              string             `json:"helpUri"`
		DefaultConfiguration sarifConfiguration `json:"defaultConfiguration"`
		Properties           sarifProperties    `json:"properties"`
	}
	sarifConfiguration struct {
		Level string `json:"level"`
	}
	sarifProperties struct {
		Tags             []string `json:"tags"`
		Precision        string   `json:"precision"`
		SecuritySeverity string   `json:"security-severity"`
	}
	sarifText struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool                `json:"executionSuccessful"`
		StartTimeUTC        *time.Time          `json:"startTimeUtc,omitempty"`
		EndTimeUTC          *time.Time          `json:"endTimeUtc,omitempty"`
		Notifications       []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
	}
	sarifResult struct {
		RuleID              string            `json:"ruleId"`
		RuleIndex           int               `json:"ruleIndex"`
		Level               string            `json:"level"`
		Message             sarifText         `json:"message"`
		Locations           []sarifLocation   `json:"locations"`
		PartialFingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		PhysicalLocation sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		ArtifactLocation sarifArtifact `json:"artifactLocation"`
		Region           sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
		EndLine     int `json:"endLine"`
		EndColumn   int `json:"endColumn"`
	}
)

// SARIF writes r as SARIF 2.1.0, as GitHub's code scanning takes it: a result
// for each place that uses an image that failed, or, with the level note, that is
// exempt. An image that is used in no file is at the rule that was chosen for it,
// else at run.GivenIn; so is a run that did not pass and has no image to show for
// it. Of more than 5,000 results the rest is counted in a
// notification. Columns are counted in bytes up to the image, which is exact
// wherever only ASCII stands before it.
func SARIF(w io.Writer, r gate.Report, run Run) error {
	rules := lints()
	end := r.Started().Add(r.Elapsed())
	doc := sarifRun{
		Tool:              sarifTool{sarifDriver{Name: "boltseal", Version: run.ToolVersion, InformationURI: "https://github.com/boltseal/boltseal", Rules: []sarifRule{}}},
		AutomationDetails: sarifAutomation{"boltseal/"},
		// The file is not at hand to count anything else than the bytes.
		ColumnKind: "unicodeCodePoints",
		Results:    []sarifResult{},
	}
	for _, l := range rules {
		doc.Tool.Driver.Rules = append(doc.Tool.Driver.Rules, sarifRuleOf(l))
	}
	results, omitted := run.results(r, rules)
	doc.Results = append(doc.Results, results...)
	doc.Invocations = []sarifInvocation{{
		ExecutionSuccessful: r.Complete() && !r.NoAnswer(), StartTimeUTC: instant(r.Started()), EndTimeUTC: instant(end),
		Notifications: run.notifications(r, omitted),
	}}
	return Value(w, sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{doc}})
}

func sarifRuleOf(l lint) sarifRule {
	level := levelError
	if l.reason == verify.Exempt {
		level = "note"
	}
	return sarifRule{
		ID: reason(l.reason), ShortDescription: sarifText{Text: l.title}, FullDescription: sarifText{Text: l.meaning},
		Help:                 sarifText{Text: l.meaning + " " + l.next, Markdown: l.meaning + "\n\n**What to do:** " + l.next + "\n\n[All reasons](" + reasonsPage + ")"},
		HelpURI:              reasonsPage,
		DefaultConfiguration: sarifConfiguration{level},
		Properties:           sarifProperties{Tags: []string{"security", "supply-chain", "container-image"}, Precision: "very-high", SecuritySeverity: l.severity},
	}
}

// results returns at most maxResults, failures first, and how many there are
// besides.
func (run Run) results(r gate.Report, rules []lint) (out []sarifResult, omitted int) {
	seen := prints{}
	add := func(i int, level, text string, s spot, f gate.Finding) {
		if len(out) == maxResults {
			omitted++
			return
		}
		id, uri := reason(rules[i].reason), relativeURI(s.file)
		out = append(out, sarifResult{
			RuleID: id, RuleIndex: i, Level: level, Message: sarifText{Text: unlinked(text)},
			Locations:           []sarifLocation{sarifAt(s)},
			PartialFingerprints: map[string]string{"primaryLocationLineHash": seen.of(id, uri, f)},
		})
	}
	if text := untold(r); text != "" {
		add(lintOf(rules, verify.Undecided), levelError, limited(text, maxResultText), spot{run.givenIn(), 1, 1, 2}, gate.Finding{})
	}
	for _, f := range failuresFirst(r) {
		level, message := levelError, []string{headline(f)}
		e, exempt := f.Exemption()
		switch {
		case exempt:
			level = "note"
			message = append(message, exemptLine(f, e))
		case run.Lenient(r):
			level = levelWarning
		}
		if !exempt {
			message = append(message, explanation(f, maxResultText-maxImage-30)...)
		}
		for _, s := range run.spotsOf(f) {
			add(lintOf(rules, f.Reason()), level, strings.Join(message, "\n"), s, f)
		}
	}
	return out, omitted
}

func sarifAt(s spot) sarifLocation {
	return sarifLocation{sarifPhysical{sarifArtifact{relativeURI(s.file)}, sarifRegion{s.line, s.col, s.line, s.end}}}
}

// failuresFirst returns what is not verified.
func failuresFirst(r gate.Report) []gate.Finding {
	var failed, exempt []gate.Finding
	for _, f := range r.Findings() {
		switch {
		case !f.Passed():
			failed = append(failed, f)
		case !f.Verified():
			exempt = append(exempt, f)
		}
	}
	return append(failed, exempt...)
}

// exemptLine says why an image passed that nobody verified.
func exemptLine(f gate.Finding, e gate.Exemption) string {
	text := "let through unverified, " + until(e)
	if e.Owner != "" {
		text += "; owner " + limited(e.Owner, 200)
	}
	text += "; reason: " + limited(e.Reason, 800)
	if by := exemptBy(f, e); by != "" {
		text += "; by " + limited(by, 300)
	}
	return text
}

// notifications says what is no result.
func (run Run) notifications(r gate.Report, omitted int) []sarifNotification {
	var out []sarifNotification
	note := func(level, text string) {
		out = append(out, sarifNotification{Level: level, Message: sarifText{Text: unlinked(text)}})
	}
	if !r.Passed() {
		note(levelError, limited(outcome(r), maxResultText))
	}
	if omitted > 0 {
		note(levelWarning, count(omitted, "more result")+" left out: the JSON report has them")
	}
	for _, w := range first(run.Warnings, maxNotifications) {
		text := limited(w.String(), maxResultText)
		if strings.TrimSpace(text) == "" {
			text = "a warning without a text"
		}
		note(levelWarning, text)
		if s := run.spotAt(w.At, w.Written); s.file != "" {
			out[len(out)-1].Locations = []sarifLocation{sarifAt(s)}
		}
	}
	if more := len(run.Warnings) - maxNotifications; more > 0 {
		note(levelWarning, fmt.Sprintf("… and %s", count(more, "more warning")))
	}
	return out
}

// relativeURI is a path of the workspace as a reference that is relative to its
// root. A colon would make a scheme of what stands before it.
func relativeURI(file string) string {
	segments := strings.Split(file, "/")
	for i, s := range segments {
		segments[i] = strings.ReplaceAll(url.PathEscape(s), ":", "%3A")
	}
	return strings.Join(segments, "/")
}

// unlinked escapes what begins a link in a message (SARIF 3.11.6).
func unlinked(s string) string {
	return strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`).Replace(s)
}
