package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/boltseal/boltseal/audit"
	"github.com/boltseal/boltseal/verify"
)

// AuditVersion is the version of the JSON that AuditJSON writes. It grows by one
// when a field changes its meaning or goes; new fields do not change it.
const AuditVersion = 1

// The document is described in docs/audit.md.
type auditDoc struct {
	Version int         `json:"version"`
	Tool    tool        `json:"tool"`
	Passed  bool        `json:"passed"`
	Gate    auditedGate `json:"gate"`
	Builds  []auditFind `json:"builds"`
}

type auditedGate struct {
	Started time.Time `json:"started"`
	Version string    `json:"version"`
	Images  int       `json:"images"`
}

type auditFind struct {
	Source   string      `json:"source"`
	Target   string      `json:"target,omitempty"`
	Platform string      `json:"platform,omitempty"`
	Passed   bool        `json:"passed"`
	Reason   string      `json:"reason"`
	Message  string      `json:"message,omitempty"`
	Hint     string      `json:"hint,omitempty"`
	Steps    bool        `json:"steps"`
	Notes    []string    `json:"notes"`
	Used     []auditUsed `json:"used"`
}

type auditUsed struct {
	URI       string   `json:"uri"`
	Kind      string   `json:"kind"`
	Where     string   `json:"where"`
	Reference string   `json:"reference,omitempty"`
	Digest    string   `json:"digest,omitempty"`
	Platform  string   `json:"platform,omitempty"`
	Passed    bool     `json:"passed"`
	Reason    string   `json:"reason"`
	Message   string   `json:"message,omitempty"`
	Hint      string   `json:"hint,omitempty"`
	Instead   []string `json:"instead"`
}

// AuditJSON writes r, an audit by what past let in, as the document of
// docs/audit.md. Its bytes are as harmless as those of [AuditText].
func AuditJSON(w io.Writer, r audit.Result, past Past, toolVersion string) error {
	doc := auditDoc{
		Version: AuditVersion, Tool: tool{"boltseal", toolVersion}, Passed: r.Passed(),
		Gate: auditedGate{past.Started.UTC(), past.ToolVersion, len(past.Images)}, Builds: []auditFind{},
	}
	for _, f := range r.Findings {
		d := auditFind{
			Source: f.Build.Source, Target: f.Build.Target, Platform: f.Build.Platform, Passed: f.Passed(), Reason: ended(f.Reason),
			Message: because(f.Err), Hint: verify.Hint(f.Err), Notes: append([]string{}, f.Notes...), Used: []auditUsed{},
		}
		if f.Build.Provenance != nil {
			d.Steps = f.Build.Provenance.Steps
		}
		for _, u := range f.Used {
			used := auditUsed{
				URI: u.URI, Kind: string(u.Kind), Where: string(u.Where), Digest: u.Digest, Platform: u.Platform, Passed: u.Passed(),
				Reason: ended(u.Reason), Message: because(u.Err), Hint: verify.Hint(u.Err), Instead: append([]string{}, u.Instead...),
			}
			if !u.Ref.IsZero() {
				used.Reference = u.Ref.String()
			}
			d.Used = append(d.Used, used)
		}
		doc.Builds = append(doc.Builds, d)
	}
	return Value(w, doc)
}

func ended(r audit.Reason) string { return reason(verify.Reason(r)) }

// because returns the cause of err, without a word on what was being done, which
// is the audit.
func because(err error) string {
	if err == nil {
		return ""
	}
	return verify.Cause(err).Error()
}

// AuditText writes r for people, escaped as [Text] escapes.
func AuditText(w io.Writer, r audit.Result, o TextOptions) error {
	t := &textWriter{o: o}
	images, exempt, failed := map[string]bool{}, map[string]bool{}, 0
	for _, f := range r.Findings {
		t.build(f)
		if !f.Passed() {
			failed++
		}
		for _, u := range f.Used {
			if u.Kind == audit.Image {
				images[u.Ref.Name()+u.Digest] = true
			}
			if u.Reason == audit.Exempt {
				exempt[u.Ref.Name()+u.Digest] = true
			}
		}
	}
	builds := count(len(r.Findings), "build")
	outcome, colour := "", verify.Verified
	switch {
	case r.Passed():
		outcome = fmt.Sprintf("audit passed: %s in %s, all admitted", count(len(images), "image"), builds)
		if len(images) == 0 {
			outcome = "audit passed: no image in " + builds
		}
		if len(exempt) > 0 {
			outcome += fmt.Sprintf(", %d of them exempt and verified by nobody", len(exempt))
			colour = verify.Exempt
		}
	case r.NoAnswer():
		outcome, colour = fmt.Sprintf("audit failed, no answer: %d of %s could not be audited", failed, builds), verify.Unavailable
	default:
		outcome, colour = fmt.Sprintf("audit failed: %d of %s did not pass", failed, builds), verify.Unavailable
	}
	t.b.WriteString("\n" + t.paint(colour, outcome) + "\n")
	_, err := io.WriteString(w, t.b.String())
	return err
}

// build writes what was found of one build.
func (t *textWriter) build(f audit.Finding) {
	what := f.Build.Source
	if f.Build.Target != "" {
		what += ", target " + f.Build.Target
	}
	if f.Build.Platform != "" {
		what += ", " + f.Build.Platform
	}
	colour := verify.Unavailable
	switch {
	case f.Reason == audit.Exempt:
		colour = verify.Exempt
	case f.Passed():
		colour = verify.Verified
	}
	fmt.Fprintf(&t.b, "%s %s\n", t.paint(colour, fmt.Sprintf("%-*s", label, ended(f.Reason))), Printable(clip(what)))
	const most = 100 // of those that passed, and of those that did not; JSON has all
	shown := map[bool]int{}
	for _, u := range f.Used {
		if shown[u.Passed()]++; shown[u.Passed()] <= most {
			t.used(u)
		}
	}
	for _, more := range []struct {
		key string
		n   int
	}{{"used", shown[true] - most}, {"refused", shown[false] - most}} {
		if more.n > 0 {
			t.line(more.key, fmt.Sprintf("… and %d more, listed by --output json", more.n))
		}
	}
	if f.Err != nil {
		t.line("because", because(f.Err))
		if hint := verify.Hint(f.Err); hint != "" {
			t.line("next", hint)
		}
	}
	for _, note := range f.Notes {
		t.line("note", note)
	}
}

// used writes one thing that a build used.
func (t *textWriter) used(u audit.Judged) {
	key, what := "used", u.URI
	if u.Kind == audit.Image {
		what = u.Ref.Name()
		if u.Digest != "" {
			what += "@" + u.Digest
		}
		var more []string
		if u.Ref.Tag() != "" {
			more = append(more, "tag "+u.Ref.Tag())
		}
		if u.Platform != "" {
			more = append(more, u.Platform)
		}
		if u.Where != audit.InMaterials {
			more = append(more, "only in the build's "+string(u.Where))
		}
		if len(more) > 0 {
			what += " (" + strings.Join(more, ", ") + ")"
		}
	}
	switch {
	case u.Reason == audit.Exempt, u.Reason == audit.Unjudged:
		key = string(u.Reason)
	case !u.Passed():
		key = "refused"
	}
	t.line(key, what)
	if u.Passed() {
		return
	}
	const most = 5
	t.line("because", cmp.Or(because(u.Err), "nobody has looked"))
	for _, a := range first(u.Instead, most) {
		t.line("admitted", a)
	}
	if more := len(u.Instead) - most; more > 0 {
		t.line("admitted", fmt.Sprintf("… and %d more, listed by --output json", more))
	}
	if hint := verify.Hint(u.Err); hint != "" {
		t.line("next", hint)
	}
}
