package report

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/verify"
)

// Bounds of JUnit XML, in UTF-16 units.
const (
	maxJUnitName = 1000
	maxJUnitText = 16 << 10
)

// JUnit XML has no standard. This is what the schemas of Ant and Jenkins have in
// common, but for skipped, which is only in that of Jenkins: so the properties
// of an image are those of a suite of its own.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		ID         int             `xml:"id,attr"`
		Name       string          `xml:"name,attr"`
		Package    string          `xml:"package,attr"`
		Hostname   string          `xml:"hostname,attr"`
		Timestamp  string          `xml:"timestamp,attr"`
		Time       string          `xml:"time,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Properties junitProperties `xml:"properties"`
		Case       junitCase       `xml:"testcase"`
		Out        string          `xml:"system-out"`
		Err        string          `xml:"system-err"`
	}
	junitProperties struct { // never empty: the one schema wants the element, the other an item
		All []junitProperty `xml:"property"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Time    string        `xml:"time,attr"`
		Skipped *string       `xml:"skipped"`
		Error   *junitProblem `xml:"error"`
		Failure *junitProblem `xml:"failure"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes r as JUnit XML, for GitLab, Jenkins and whatever else shows test
// results: a suite with one test for each image. A refused image is a failure,
// one about which there was no answer an error, and one that is exempt is
// skipped. A run that did not pass never looks as if it had: where no image says
// why, a test of the run itself does.
func JUnit(w io.Writer, r gate.Report, _ Run) error {
	doc := junitSuites{}
	for i, f := range r.Findings() {
		doc.Suites = append(doc.Suites, junitOf(i, f, r))
	}
	if text := untold(r); text != "" {
		s := junitSuite{ID: len(doc.Suites), Name: "boltseal", Properties: junitProperties{[]junitProperty{{"reason", "undecided"}}}}
		s.Case = junitCase{Name: "the run", Error: &junitProblem{Message: limited(text, maxJUnitName), Type: "undecided"}}
		doc.Suites = append(doc.Suites, s.timed(r.Started(), r.Elapsed()))
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(&b)
	enc.Indent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return err
	}
	b.WriteByte('\n')
	// The only line ends are those of the text report, which begins each line.
	_, err := w.Write(bytes.ReplaceAll(b.Bytes(), []byte("&#xA;"), []byte("\n")))
	return err
}

func junitOf(id int, f gate.Finding, r gate.Report) junitSuite {
	name := cmp.Or(strings.TrimSpace(limited(reference(f), maxJUnitName)), "an image without a name")
	s := junitSuite{ID: id, Name: name, Properties: junitProperties{junitFacts(f)}, Case: junitCase{Name: name}}
	text := junitText(f)
	problem := &junitProblem{Message: headline(f), Type: limited(reason(f.Reason()), maxJUnitName), Text: text}
	e, exempt := f.Exemption()
	switch {
	case exempt:
		line := exemptLine(f, e)
		s.Case.Skipped = &line
	case f.Verified():
		s.Out = text
	case f.Reason().NoAnswer(), f.Reason() == verify.Undecided && !r.Complete():
		s.Case.Error = problem
	default:
		s.Case.Failure = problem
	}
	return s.timed(r.Started(), f.Elapsed)
}

// timed fills in what every suite has to have.
func (s junitSuite) timed(start time.Time, took time.Duration) junitSuite {
	s.Package, s.Hostname, s.Case.Class = "boltseal", "localhost", "boltseal"
	s.Timestamp = start.UTC().Format("2006-01-02T15:04:05") // the schema of Ant forbids a zone
	s.Time = fmt.Sprintf("%.3f", took.Seconds())
	s.Case.Time = s.Time
	s.Tests = 1
	if s.Case.Failure != nil {
		s.Failures = 1
	}
	if s.Case.Error != nil {
		s.Errors = 1
	}
	return s
}

// junitFacts are what others may want to read of f.
func junitFacts(f gate.Finding) []junitProperty {
	out := []junitProperty{{"reason", limited(reason(f.Reason()), maxJUnitName)}}
	add := func(name, value string) {
		if value != "" {
			out = append(out, junitProperty{name, limited(value, maxJUnitName)})
		}
	}
	add("digest", f.Pinned.Digest())
	if vouching := signersOf(f); f.Verified() && len(vouching) > 0 {
		add("signer", vouching[0].Signer)
		add("issuer", vouching[0].Issuer)
	}
	add("rule", f.Rule.Name)
	for _, u := range first(f.Uses(), maxPlaces) {
		if u.At.File != "" {
			add("used-at", at(u.At))
		}
	}
	return out
}

// junitText is what the text report says of f.
func junitText(f gate.Finding) string {
	t := &textWriter{}
	t.finding(f)
	text := t.b.String()
	if len(text) <= maxJUnitText {
		return "\n" + text
	}
	text = text[:maxJUnitText]
	return "\n" + text[:strings.LastIndexByte(text, '\n')+1] + "… the JSON report has the rest\n"
}
