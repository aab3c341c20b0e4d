// Package scanreport reads what a vulnerability scanner found in an image, and
// says whether that is within limits.
//
// A report comes from outside and is signed by nobody: it is bounded, and what
// cannot be told for sure is an error. A file that is no report of a scan for
// vulnerabilities in an image never counts as a report without findings.
package scanreport

import (
	"errors"
	"slices"
)

// MaxReport bounds a report, in bytes.
const MaxReport = 64 << 20

// Why [Read] returns no sound Report. Each error of it is one of these.
var (
	ErrTooLarge           = errors.New("the scan report is too large")
	ErrEmpty              = errors.New("the scan report is empty")
	ErrNotJSON            = errors.New("the scan report is not one JSON document")
	ErrAmbiguous          = errors.New("the scan report can be read in two ways")
	ErrNotReport          = errors.New("the file is no vulnerability report that is known")
	ErrNotImage           = errors.New("the scan is not one of an image")
	ErrNotVulnerabilities = errors.New("the scan did not look for vulnerabilities")
	ErrMalformed          = errors.New("the scan report is not as its scanner writes it")
	// ErrNothingScanned comes with a Report that [Report.Judge] passes only where
	// [Limits].AllowEmpty says so: nothing shows that there were packages to look at.
	ErrNothingScanned = errors.New("the scan report does not show that anything was scanned")
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
	about      about
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
	return Report{}, ErrNotReport
}
