// Package scanreport reads what a vulnerability scanner found in an image, and
// says whether that is within limits.
//
// A report comes from outside and is signed by nobody: it is bounded, and what
// cannot be told for sure is an error. A file that is no report of a scan for
// vulnerabilities in an image never counts as a report without findings.
package scanreport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/verify"
)

// MaxReport bounds a report, in bytes.
const MaxReport = 64 << 20

// Why [Read] returns no sound Report. Each error of it is one of these.
var (
	ErrTooLarge           = errors.New("it is too large")
	ErrEmpty              = errors.New("it is empty")
	ErrNotJSON            = errors.New("it is not one JSON document")
	ErrAmbiguous          = errors.New("it can be read in two ways")
	ErrNotReport          = errors.New("it is no report of a scanner that is known")
	ErrNotImage           = errors.New("it is not about an image")
	ErrIncomplete         = errors.New("the scan did not come to its end")
	ErrNotVulnerabilities = errors.New("the scan did not look for vulnerabilities")
	ErrMalformed          = errors.New("it is not as the scanner writes it")
	// ErrNothingScanned comes with a Report that [Report.Judge] passes only where
	// [Limits].AllowEmpty says so: nothing shows that there were packages to look at.
	ErrNothingScanned = errors.New("it does not show that anything was scanned")
)

// A Format is what a report is written in.
type Format string

// The Formats.
const (
	Trivy Format = "trivy"
	Grype Format = "grype"
	SARIF Format = "sarif"
)

// A Fix says whether the package has a version without the vulnerability.
type Fix string

// The Fixes.
const (
	FixUnknown Fix = ""          // the report does not say
	Fixed      Fix = "fixed"     // there is one
	NotFixed   Fix = "not-fixed" // there is none yet
	WillNotFix Fix = "wont-fix"  // there will be none
)

// A Finding is one vulnerability of one package. Its texts are as the report has
// them, at most 1,000 bytes each: escape them where they are written.
type Finding struct {
	ID       string   // CVE-…, GHSA-…, or the scanner's own
	Aliases  []string // other IDs of the same, sorted
	Package  string   // "" where the report does not name it
	Version  string   // that is in the image; "" where the report does not name it
	FixedIn  []string // versions without it; may be empty although Fix is Fixed
	Fix      Fix
	Severity Severity
	Location string // file, layer or target, as the scanner names it; may be empty
}

// A Report is what a scanner says of an image. Only [Read] returns one that
// says anything; the zero Report is about nothing, and never passes.
type Report struct {
	format     Format
	tool       string
	sound      bool // Read made it
	empty      bool // nothing shows that anything was scanned
	findings   []Finding
	suppressed int
	// unsupported is whether the scanner says that nobody looks after the
	// distribution any more.
	unsupported bool
	ignored     []string // of SARIF, the runs of other kinds of programs, printable
	about       []about  // of each image that the report says was scanned
}

// Format returns what the report was written in; of a predicate, what its
// scanner's result was.
func (r Report) Format() Format { return r.format }

// Tool returns the name and version of the scanner as far as the report has
// them. Escape it where it is written.
func (r Report) Tool() string { return r.tool }

// Findings returns what was found, in the order of the report.
func (r Report) Findings() []Finding { return slices.Clone(r.findings) }

// Suppressed returns how many findings the scanner was told to leave out, as far
// as the report lists them.
func (r Report) Suppressed() int { return r.suppressed }

// Read reads a report, at most [MaxReport] bytes of it: Trivy's JSON of schema
// version 2, Grype's JSON, SARIF 2.1.0, or a predicate
// https://cosign.sigstore.dev/attestation/vuln/v1 whose scanner.result is one of
// these. An error is a [*verify.Error] of one of this package's errors.
func Read(body []byte) (Report, error) {
	text := bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) // as editors on Windows begin a file
	has, err := document(text)
	if err != nil {
		return Report{}, err
	}
	return read(text, has, true)
}

// read reads a document that has the given names.
func read(text []byte, has map[string]first, predicates bool) (Report, error) {
	var found []string
	for _, mark := range []string{"SchemaVersion", "matches", "runs", "scanner"} {
		if has[mark] != 0 {
			found = append(found, mark)
		}
	}
	if len(found) > 1 {
		return Report{}, refuse(ErrAmbiguous, "do not use it: find out who wrote it, and scan again", "it has %s, and may be taken for reports of several scanners", strings.Join(found, " and "))
	}
	if err := foreign(has); err != nil {
		return Report{}, err
	}
	switch {
	case has["SchemaVersion"] != 0:
		return readTrivy(text)
	case has["matches"] != 0:
		return readGrype(text)
	case has["runs"] != 0:
		return readSARIF(text)
	case has["scanner"] != 0 && predicates:
		return readPredicate(text)
	}
	return Report{}, refuse(ErrNotReport, nextFormats, "it is neither Trivy's nor Grype's JSON, nor SARIF, nor a predicate of cosign for vulnerabilities")
}

// foreign returns why a document is none that is read, where that can be told by
// its names.
func foreign(has map[string]first) error {
	const scan = "scan the image, and give what the scanner writes: " + trivyCommand
	switch {
	case has["bomFormat"] != 0:
		return refuse(ErrNotReport, scan, "it is an SBOM (CycloneDX)")
	case has["spdxVersion"] != 0, has["SPDXID"] != 0, has["@graph"] != 0:
		return refuse(ErrNotReport, scan, "it is an SBOM (SPDX)")
	case has["artifacts"] != 0 && has["artifactRelationships"] != 0:
		return refuse(ErrNotReport, scan, "it is an SBOM (Syft)")
	case has["payloadType"] != 0:
		return refuse(ErrNotReport, "give the report itself", "it is a DSSE envelope")
	case has["predicateType"] != 0, has["_type"] != 0:
		return refuse(ErrNotReport, "give what stands in it as predicate: jq .predicate", "it is a whole in-toto statement")
	case has["ClusterName"] != 0:
		return notImage("Trivy", "a cluster", trivyCommand)
	}
	return nil
}

// What is read of the predicate https://cosign.sigstore.dev/attestation/vuln/v1.
type predicateDoc struct {
	Scanner struct {
		Result json.RawMessage `json:"result"`
	} `json:"scanner"`
}

func readPredicate(text []byte) (Report, error) {
	var doc predicateDoc
	if err := strict(text, &doc, "result", "parameters"); err != nil {
		return Report{}, err
	}
	if len(doc.Scanner.Result) == 0 {
		return Report{}, refuse(ErrNotReport, nextFormats, "it has a scanner, as the predicate of cosign has, and no scanner.result")
	}
	has, err := document(doc.Scanner.Result)
	if err != nil {
		return Report{}, within("scanner.result of the predicate", err)
	}
	r, err := read(doc.Scanner.Result, has, false)
	return r, within("scanner.result of the predicate", err)
}

// within says which part of a document an error of refuse is about.
func within(part string, err error) error {
	var e *verify.Error
	if !errors.As(err, &e) {
		return err
	}
	return &verify.Error{Op: e.Op, Hint: e.Hint, Err: fmt.Errorf("%s: %w", part, e.Err)}
}

// add adds a finding, unless there is an error or something is wrong with it.
func (r *Report) add(f Finding, err error) error {
	switch {
	case len(r.findings) == maxFindings:
		return refuse(ErrTooLarge, nextFormats, "it has more than %d findings", maxFindings)
	case f.ID == "":
		return malformed("finding %d has no ID", len(r.findings)+1)
	case err != nil:
		return err
	case len(f.ID) > maxID:
		return malformed("the ID of finding %d has %d bytes", len(r.findings)+1, len(f.ID))
	}
	f.Package, f.Version, f.Location = cut(f.Package), cut(f.Version), cut(f.Location)
	f.Aliases = slices.DeleteFunc(f.Aliases, func(a string) bool { return a == "" || a == f.ID || len(a) > maxID })
	slices.Sort(f.Aliases)
	f.Aliases = slices.Clone(slices.Compact(f.Aliases))
	r.findings = append(r.findings, f)
	return nil
}
