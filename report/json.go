package report

import (
	"fmt"
	"io"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/boltseal/boltseal/gate"
	source "github.com/boltseal/boltseal/image" // this package has a function image
	"github.com/boltseal/boltseal/verify"
)

// Version is the version of the JSON report. It grows by one when a field
// changes its meaning or goes; new fields do not change it.
const Version = 1

// The document is described in docs/json.md and docs/report.schema.json.
type document struct {
	Version   int        `json:"version"`
	Tool      tool       `json:"tool"`
	Passed    bool       `json:"passed"`
	Complete  bool       `json:"complete"`
	Mode      string     `json:"mode"`
	Started   time.Time  `json:"started"`
	ElapsedMS int64      `json:"elapsed_ms"`
	Requests  int        `json:"requests"`
	Warnings  []string   `json:"warnings"`
	Images    []imageDoc `json:"images"`
}

type tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type imageDoc struct {
	Reference string       `json:"reference"`
	Digest    string       `json:"digest,omitempty"`
	Pinned    string       `json:"pinned,omitempty"`
	MediaType string       `json:"media_type,omitempty"`
	Platforms []childDoc   `json:"platforms,omitempty"`
	Passed    bool         `json:"passed"`
	Verified  bool         `json:"verified"`
	Reason    string       `json:"reason"`
	Rule      *ruleDoc     `json:"rule,omitempty"`
	Exemption *exemptDoc   `json:"exemption,omitempty"`
	Uses      []useDoc     `json:"uses"`
	Checks    []verdictDoc `json:"checks"`
	ElapsedMS int64        `json:"elapsed_ms"`
	Requests  int          `json:"requests"`
}

type ruleDoc struct {
	Name   string   `json:"name,omitempty"`
	Origin string   `json:"origin,omitempty"`
	File   string   `json:"file,omitempty"`
	Line   int      `json:"line,omitempty"`
	Column int      `json:"column,omitempty"`
	Why    string   `json:"why,omitempty"`
	Notes  []string `json:"notes"`
}

type exemptDoc struct {
	Unsigned bool       `json:"unsigned"`
	Ends     *time.Time `json:"ends,omitempty"`
	Owner    string     `json:"owner,omitempty"`
	Reason   string     `json:"reason"`
	File     string     `json:"file,omitempty"`
	Line     int        `json:"line,omitempty"`
	Column   int        `json:"column,omitempty"`
}

// A useDoc is one place in a file that uses an image.
type useDoc struct {
	Text   string `json:"text"`
	Kind   string `json:"kind"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Stage  string `json:"stage,omitempty"`
}

type childDoc struct {
	Platform string `json:"platform,omitempty"`
	Digest   string `json:"digest"`
	Attests  string `json:"attests,omitempty"`
}

type verdictDoc struct {
	Requirement string         `json:"requirement,omitempty"`
	Passed      bool           `json:"passed"`
	Reason      string         `json:"reason"`
	Message     string         `json:"message,omitempty"`
	Hint        string         `json:"hint,omitempty"`
	Evidence    []evidenceDoc  `json:"evidence"`
	Candidates  []candidateDoc `json:"candidates"`
}

type evidenceDoc struct {
	System        string            `json:"system"`
	Format        string            `json:"format"`
	Storage       string            `json:"storage"`
	Source        string            `json:"source"`
	Signed        string            `json:"signed"`
	Digest        string            `json:"digest"`
	Covers        string            `json:"covers,omitempty"`
	Platform      string            `json:"platform,omitempty"`
	Signer        string            `json:"signer"`
	Issuer        string            `json:"issuer,omitempty"`
	KeyName       string            `json:"key_name,omitempty"`
	Claims        map[string]string `json:"claims,omitempty"`
	LogIndex      *int64            `json:"log_index,omitempty"`
	SignedAt      *time.Time        `json:"signed_at,omitempty"`
	PredicateType string            `json:"predicate_type,omitempty"`
	SignedName    string            `json:"signed_reference,omitempty"`
}

type candidateDoc struct {
	System        string `json:"system,omitempty"`
	Format        string `json:"format"`
	Storage       string `json:"storage"`
	Source        string `json:"source"`
	Signed        string `json:"signed,omitempty"`
	Platform      string `json:"platform,omitempty"`
	Reason        string `json:"reason"`
	Message       string `json:"message,omitempty"`
	Signer        string `json:"signer,omitempty"`
	Issuer        string `json:"issuer,omitempty"`
	KeyName       string `json:"key_name,omitempty"`
	PredicateType string `json:"predicate_type,omitempty"`

	Claims     map[string]string `json:"claims,omitempty"`
	SignedAt   *time.Time        `json:"signed_at,omitempty"`
	Difference *differenceDoc    `json:"difference,omitempty"`
	Accept     *acceptDoc        `json:"accept,omitempty"`
}

type differenceDoc struct {
	What     string `json:"what"`
	Found    string `json:"found"`
	Expected string `json:"expected"`
}

type acceptDoc struct {
	List   string `json:"list"`
	Line   string `json:"line"`
	In     string `json:"in"`
	Unwise string `json:"unwise,omitempty"`
	Later  string `json:"later,omitempty"`
}

// Run is what reports say besides the findings.
type Run struct {
	ToolVersion string
	Mode        string // "enforce" or "warn"
	Requests    int    // of the whole run
	Warnings    []Warning
	AllowEmpty  bool // a run without any image goes on
	// Handover says what builders get, one sentence each.
	Handover []string

	// Inside is the path of the folder that names of files are relative to in
	// the repository, slash-separated; "" and "." mean its root. Only reports
	// whose readers want paths of the repository use it.
	Inside string
	// GivenIn is the file that stands for the command line in reports that show
	// nothing without a file, slash-separated and relative to the repository's
	// root. "" means ".boltseal.yaml".
	GivenIn string
}

// Lenient reports whether whatever comes next goes on although r did not pass:
// in warn mode, and where there is no image and that is allowed. A run that was
// interrupted is no report.
func (run Run) Lenient(r gate.Report) bool {
	empty := r.Complete() && len(r.Findings()) == 0
	return !r.Passed() && !r.Interrupted() && (run.Mode == "warn" || run.AllowEmpty && empty)
}

// JSON writes r as the document of docs/json.md. Its bytes are as harmless in a
// terminal or a log as those of Text.
func JSON(w io.Writer, r gate.Report, run Run) error {
	doc := document{
		Version: Version, Tool: tool{"boltseal", run.ToolVersion}, Passed: r.Passed(), Complete: r.Complete(), Mode: run.Mode,
		Started: r.Started().UTC(), ElapsedMS: r.Elapsed().Milliseconds(), Requests: run.Requests,
		Warnings: []string{}, Images: []imageDoc{},
	}
	for _, w := range run.Warnings {
		doc.Warnings = append(doc.Warnings, w.String())
	}
	for _, f := range r.Findings() {
		doc.Images = append(doc.Images, image(f))
	}
	return Value(w, doc)
}

// inert writes as \u escapes what Printable does not let through. Outside of
// strings JSON has none of it but line ends, so the document stays the same.
func inert(text []byte) []byte {
	out := make([]byte, 0, len(text))
	last := rune(0)
	for _, r := range string(text) {
		switch {
		case r == '\n' || harmless(r, last):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		last = r
	}
	return out
}

func image(f gate.Finding) imageDoc {
	d := imageDoc{
		Reference: reference(f), Digest: f.Pinned.Digest(), Pinned: pinned(f), MediaType: f.Pinned.MediaType(),
		Passed: f.Passed(), Verified: f.Verified(), Reason: reason(f.Reason()), Rule: rule(f.Rule), Uses: []useDoc{}, Checks: []verdictDoc{},
		ElapsedMS: f.Elapsed.Milliseconds(), Requests: f.Requests,
	}
	if e, ok := f.Exemption(); ok {
		d.Exemption = &exemptDoc{e.Unsigned, instant(e.Until), e.Owner, e.Reason, e.At.File, e.At.Line, e.At.Col}
	}
	for _, u := range f.Uses() {
		if u.Kind != source.Given {
			d.Uses = append(d.Uses, used(u))
		}
	}
	for _, c := range f.Pinned.Children() {
		d.Platforms = append(d.Platforms, childDoc{c.Platform, c.Digest, c.Attests})
	}
	for _, v := range f.Verdicts {
		d.Checks = append(d.Checks, verdict(v, f))
	}
	return d
}

// rule returns what is known of the rule that was chosen; nil if nothing is.
func rule(r gate.Rule) *ruleDoc {
	if ruleLine(r) == "" && len(r.Notes) == 0 {
		return nil
	}
	return &ruleDoc{r.Name, r.Origin, r.At.File, r.At.Line, r.At.Col, r.Why, append([]string{}, r.Notes...)}
}

// instant returns t in UTC, nil if it is zero.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func used(u source.Use) useDoc {
	return useDoc{Text: u.Text, Kind: string(u.Kind), File: u.At.File, Line: u.At.Line, Column: u.At.Col, Stage: u.Stage}
}

func verdict(v verify.Verdict, f gate.Finding) verdictDoc {
	d := verdictDoc{
		Requirement: v.Requirement(), Passed: v.Passed(), Reason: reason(v.Reason()), Hint: next(v, f.Rule),
		Evidence: []evidenceDoc{}, Candidates: []candidateDoc{},
	}
	if v.Err() != nil {
		d.Message = v.Err().Error()
	}
	for _, ev := range v.Evidence() {
		e := evidenceDoc{
			System: ev.System, Format: ev.Format, Storage: ev.Storage, Source: ev.Source, Signed: ev.Signed, Digest: ev.Digest,
			Covers: ev.Covers, Platform: ev.Platform, Signer: ev.Signer, Issuer: ev.Issuer, KeyName: ev.KeyName, Claims: ev.Claims,
			LogIndex: ev.LogIndex, PredicateType: ev.PredicateType, SignedName: ev.SignedReference, SignedAt: instant(ev.SignedAt),
		}
		d.Evidence = append(d.Evidence, e)
	}
	all := v.Candidates()
	counts := countedIn(all)
	for _, c := range all {
		cd := candidateDoc{
			System: c.System, Format: c.Format, Storage: c.Storage, Source: c.Source, Signed: c.Signed, Platform: c.Platform,
			Reason: reason(c.Reason), Signer: c.Signer, Issuer: c.Issuer, KeyName: c.KeyName, PredicateType: c.PredicateType,
			Claims: c.Claims, SignedAt: instant(c.SignedAt),
		}
		if c.Differs != nil {
			cd.Difference = &differenceDoc{c.Differs.What, c.Differs.Found, c.Differs.Expected}
		}
		if o, ok := acceptable(c, v, f, counts); ok {
			cd.Accept = &acceptDoc{o.list, o.item, o.in, o.unwise, o.later}
		}
		if c.Err != nil {
			cd.Message = c.Err.Error()
		}
		d.Candidates = append(d.Candidates, cd)
	}
	return d
}

// reason spells out the empty Reason, which would be easy to overlook.
func reason(r verify.Reason) string {
	if r == verify.Undecided {
		return "undecided"
	}
	return string(r)
}
