package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
)

// watched is a store that remembers whether an answer was missing from a
// recording. Whatever comes of the others then says nothing.
type watched struct {
	store   store
	missing atomic.Bool
}

func (w *watched) seen(err error) error {
	if errors.Is(err, registry.ErrNotRecorded) {
		w.missing.Store(true)
	}
	return err
}

// Resolve implements store, as the others do.
func (w *watched) Resolve(ctx context.Context, r image.Ref) (image.Pinned, error) {
	img, err := w.store.Resolve(ctx, r)
	return img, w.seen(err)
}

// Manifest implements store.
func (w *watched) Manifest(ctx context.Context, repo image.Ref, reference string) (registry.Manifest, error) {
	m, err := w.store.Manifest(ctx, repo, reference)
	return m, w.seen(err)
}

// Referrers implements store.
func (w *watched) Referrers(ctx context.Context, repo image.Ref, digest string) ([]ocispec.Descriptor, error) {
	list, err := w.store.Referrers(ctx, repo, digest)
	return list, w.seen(err)
}

// Blob implements store.
func (w *watched) Blob(ctx context.Context, repo image.Ref, d ocispec.Descriptor) ([]byte, error) {
	body, err := w.store.Blob(ctx, repo, d)
	return body, w.seen(err)
}

// TrustData implements store.
func (w *watched) TrustData(ctx context.Context, s registry.TrustServer, gun, file string, limit int64) ([]byte, error) {
	body, err := w.store.TrustData(ctx, s, gun, file, limit)
	return body, w.seen(err)
}

// Describe implements store.
func (w *watched) Describe(ctx context.Context, img image.Pinned) (image.Pinned, error) {
	img, err := w.store.Describe(ctx, img)
	return img, w.seen(err)
}

// A caseResult is how a case came out. The zero caseResult is no success.
type caseResult int

const (
	unanswered caseResult = iota // nothing can be said
	differs
	asExpected
)

func (r caseResult) String() string {
	switch r {
	case asExpected:
		return "ok"
	case differs:
		return "FAIL"
	}
	return "no answer"
}

// An outcome is what was found of a case.
type outcome struct {
	text    caseText
	result  caseResult
	got     verify.Reason
	signers []string // who were found to have signed
	err     error    // why it is not verified; may be nil
	report  gate.Report
	unasked bool // it passes, and nobody was asked whether certificates were revoked
}

// note is what has to be known of a case however it came out, "" for nothing.
func (o outcome) note() string {
	if !o.unasked {
		return ""
	}
	return "nobody was asked whether its certificates were revoked, as evidence has no answer to that: boltseal verify asks, and may refuse it"
}

// signersOf returns whose sound signatures were found.
func signersOf(f gate.Finding) []string {
	var all []string
	for _, v := range f.Verdicts {
		for _, ev := range v.Evidence() {
			all = append(all, ev.Signer)
		}
		for _, c := range v.Candidates() {
			if f.Reason() == verify.WrongSigner && c.Reason == verify.WrongSigner && c.Signer != "" {
				all = append(all, c.Signer)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

type outcomes []outcome

// code is 0 only where there are cases and all are as expected.
func (all outcomes) code() int {
	code := ExitPassed
	for _, o := range all {
		switch {
		case o.result == differs:
			return ExitClosed
		case o.result != asExpected:
			code = ExitNoAnswer
		}
	}
	if len(all) == 0 {
		return ExitUsage
	}
	return code
}

// expected says what a case expects.
func (o outcome) expected() string {
	if o.text.Signer != nil {
		return o.text.Expect.Value + " with the signer " + o.text.Signer.Value
	}
	return o.text.Expect.Value
}

// found says what was found.
func (o outcome) found() string {
	got := string(o.got)
	if got == "" {
		got = "undecided"
	}
	if o.text.Signer != nil && got == o.text.Expect.Value {
		who := strings.Join(o.signers, ", ")
		if who == "" {
			who = "nobody"
		}
		return got + " with the signer " + who
	}
	return got
}

// text writes a line for each case, and for those that are not as expected what
// was found.
func (all outcomes) text(w *bytes.Buffer) error {
	count := map[caseResult]int{}
	for _, o := range all {
		count[o.result]++
		if o.result == asExpected {
			fmt.Fprintf(w, "%-9s  %s: %s\n", o.result, report.Printable(o.text.name()), o.expected())
			o.tellNote(w)
			continue
		}
		fmt.Fprintf(w, "%-9s  %s: expected %s, got %s\n", o.result, report.Printable(o.text.name()), report.Printable(o.expected()), report.Printable(o.found()))
		fmt.Fprintf(w, "           at   %s\n", place(o.text.At))
		o.tellNote(w)
		if o.incomplete() {
			fmt.Fprintf(w, "           why  %s\n", report.Printable(o.err.Error()))
			fmt.Fprintf(w, "           next %s\n", report.Printable(o.next()))
			continue
		}
		detail, err := o.detail()
		if err != nil {
			return err
		}
		for line := range strings.Lines(detail) {
			fmt.Fprintf(w, "           %s", line)
		}
	}
	fmt.Fprintf(w, "%s: %d as expected, %d not, %d without an answer\n", number(len(all), "case"), count[asExpected], count[differs], count[unanswered])
	return nil
}

func (o outcome) tellNote(w *bytes.Buffer) {
	if o.note() != "" {
		fmt.Fprintf(w, "           note %s\n", o.note())
	}
}

// incomplete reports whether the evidence lacks something, so that what came of
// the rest says nothing.
func (o outcome) incomplete() bool { return errors.Is(o.err, registry.ErrNotRecorded) }

// detail is what boltseal verify says of the image, and by which rule it passed,
// which goes without saying there.
func (o outcome) detail() (string, error) {
	var b strings.Builder
	for _, f := range o.report.Findings() {
		if f.Passed() {
			fmt.Fprintf(&b, "by the rule %s\n", ruleText(f.Rule))
		}
	}
	err := report.Findings(&b, o.report, report.TextOptions{}, func(gate.Finding) bool { return true })
	return b.String(), err
}

// ruleText says which rule was chosen, and why.
func ruleText(r gate.Rule) string {
	text := r.Name + " (" + r.Origin
	if r.At.File != "" {
		text += ", " + place(r.At)
	}
	return report.Printable(text + "): " + r.Why)
}

// next says what to do about a case.
func (o outcome) next() string {
	if o.incomplete() {
		return "record the evidence anew, with --record"
	}
	return verify.Hint(o.err)
}

// testsVersion is the version of the JSON of policy test.
const testsVersion = 1

// The JSON of policy test, which docs/policy-commands.md describes.
type (
	testsDoc struct {
		Version int       `json:"version"`
		Passed  bool      `json:"passed"`
		Cases   []caseDoc `json:"cases"`
	}
	caseDoc struct {
		Name     string   `json:"name"`
		Image    string   `json:"image"`
		File     string   `json:"file"`
		Line     int      `json:"line"`
		Column   int      `json:"column"`
		Expected string   `json:"expected"`
		Reason   string   `json:"reason"` // "" where none was found
		Result   string   `json:"result"`
		Signers  []string `json:"signers"`
		Message  string   `json:"message,omitempty"`
		Next     string   `json:"next,omitempty"`
		Note     string   `json:"note,omitempty"`
		Detail   string   `json:"detail,omitempty"` // for people
	}
)

func (all outcomes) json(w *bytes.Buffer) error {
	doc := testsDoc{Version: testsVersion, Passed: all.code() == ExitPassed, Cases: []caseDoc{}}
	for _, o := range all {
		d := caseDoc{
			Name: o.text.name(), Image: o.text.Image.Value, File: o.text.At.File, Line: o.text.At.Line, Column: o.text.At.Col,
			Expected: o.text.Expect.Value, Reason: string(o.got), Result: map[caseResult]string{asExpected: "ok", differs: "differs"}[o.result],
			Signers: append([]string{}, o.signers...), Note: o.note(),
		}
		if d.Result == "" {
			d.Result = "no-answer"
		}
		if o.err != nil && o.result != asExpected {
			d.Message, d.Next = o.err.Error(), o.next()
		}
		if o.result != asExpected && !o.incomplete() {
			var err error
			if d.Detail, err = o.detail(); err != nil {
				return err
			}
		}
		doc.Cases = append(doc.Cases, d)
	}
	return report.Value(w, doc)
}
