package predicate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/verify"
)

// SummaryType is the predicate type of a SLSA verification summary.
const SummaryType = "https://slsa.dev/verification_summary/v1"

const (
	verifierID = "https://github.com/boltseal/boltseal"
	policyURI  = "https://github.com/boltseal/boltseal/blob/main/docs/attestations.md#verification-summary"

	// What was verified besides SLSA's own tracks, of which nothing is claimed.
	levelUnevaluated = "SLSA_BUILD_LEVEL_UNEVALUATED"
	levelBases       = "BOLTSEAL_BASES_VERIFIED"
	levelScan        = "BOLTSEAL_SCAN_PASSED"

	slsaVersion = "1.1" // of the specification that verifier.version is from
)

// A Checked is a report that was read, and passed.
type Checked struct {
	Name string    // what people call it, such as the base name of its file
	Body []byte    // the report, whose digest is attested
	Time time.Time // when the check was made; zero where the report does not say
	// Exempt is how many images a gate let in that nobody verified.
	Exempt int
	// About is the digest by which a scan report knows the image: of the index, a
	// manifest or a config; "" where it names none.
	About string
}

// Limits are what a scan report was held to.
type Limits struct {
	FailOn        string // least severity that is refused, such as "high"
	IgnoreUnfixed bool
	AllowEmpty    bool   // a report that shows nothing that was scanned is within
	AllowPartial  bool   // so are reports that are not about every platform
	Allow         []byte // the allow-list as it was read; nil for none
}

// A VSA is what a verification summary is made from: what was checked of one
// image before it was signed. The zero VSA makes none.
type VSA struct {
	Resource string    // repository@sha256:<hex>, from where the image is pulled
	Gates    []Checked // gate reports, each of a run that passed
	Scans    []Checked // scan reports, each within Limits
	Scanned  bool      // the Scans say that they are of this image, of each platform of it, and that there was something to scan
	Limits   Limits    // looked at only where there are Scans
	Version  string    // of this program
}

// Summary returns the predicate of a SLSA verification summary
// (https://slsa.dev/spec/v1.1/verification_summary), of type SummaryType. It says
// PASSED, which is what the caller vouches for: it must not be called where
// anything that was checked did not pass. It depends on v only, and not on the
// order of the reports. unclaimed are levels that it does not have although that was
// checked: not all bases were verified, or not all of the image is known to have
// been scanned. It is an error if nothing was checked, or if v does not say what was
// checked of which image.
func Summary(v VSA) (predicate json.RawMessage, unclaimed []string, err error) {
	p, unclaimed, err := summary(v)
	if err != nil {
		return nil, nil, &verify.Error{Op: "make the verification summary", Err: err, Hint: "require a gate report or give a scan report"}
	}
	return p, unclaimed, nil
}

// The members of a summary, in the order of the specification.
type (
	summaryDoc struct {
		Verifier struct {
			ID      string            `json:"id"`
			Version map[string]string `json:"version"`
		} `json:"verifier"`
		TimeVerified       string     `json:"timeVerified,omitempty"`
		ResourceURI        string     `json:"resourceUri"`
		Policy             policy     `json:"policy"`
		InputAttestations  []resource `json:"inputAttestations"`
		VerificationResult string     `json:"verificationResult"`
		VerifiedLevels     []string   `json:"verifiedLevels"`
		SLSAVersion        string     `json:"slsaVersion"`
	}
	policy struct {
		URI         string            `json:"uri"`
		Digest      map[string]string `json:"digest"`
		Annotations terms             `json:"annotations"`
	}
	resource struct {
		Name        string            `json:"name"`
		Digest      map[string]string `json:"digest"`
		Annotations *found            `json:"annotations,omitempty"`
	}
	// found is what a report says besides.
	found struct {
		Exempt  int    `json:"exempt,omitempty"`
		Scanned string `json:"scanned,omitempty"`
	}
	// terms are what the policy asks for. The names are sorted, so that jq -S
	// writes the same.
	terms struct {
		AllowEmptyScan   bool   `json:"allowEmptyScan,omitempty"`
		AllowList        string `json:"allowList,omitempty"` // sha256:<hex>
		AllowPartialScan bool   `json:"allowPartialScan,omitempty"`
		FailOn           string `json:"failOn,omitempty"`
		IgnoreUnfixed    bool   `json:"ignoreUnfixed,omitempty"`
		RequireGate      bool   `json:"requireGate,omitempty"`
	}
)

func summary(v VSA) (predicate json.RawMessage, unclaimed []string, err error) {
	if len(v.Gates)+len(v.Scans) == 0 {
		return nil, nil, errors.New("nothing was checked")
	}
	if !regexp.MustCompile(`^[a-z0-9][^@\s]*@sha256:[0-9a-f]{64}$`).MatchString(v.Resource) {
		return nil, nil, fmt.Errorf("%.200q is not repository@sha256:digest", v.Resource)
	}
	if v.Version == "" {
		return nil, nil, errors.New("the version of this program is not known")
	}
	var d summaryDoc
	d.Verifier.ID, d.Verifier.Version = verifierID, map[string]string{"boltseal": v.Version}
	d.ResourceURI, d.VerificationResult, d.SLSAVersion = v.Resource, "PASSED", slsaVersion
	d.VerifiedLevels = []string{levelUnevaluated}
	claim := func(level string, all bool) {
		if all {
			d.VerifiedLevels = append(d.VerifiedLevels, level)
		} else {
			unclaimed = append(unclaimed, level)
		}
	}
	var asked terms
	if len(v.Gates) > 0 {
		asked.RequireGate = true
		claim(levelBases, !slices.ContainsFunc(v.Gates, func(c Checked) bool { return c.Exempt > 0 }))
	}
	if len(v.Scans) > 0 {
		if v.Limits.FailOn == "" {
			return nil, nil, errors.New("it is not said which findings a scan report must not have")
		}
		asked.FailOn, asked.IgnoreUnfixed = v.Limits.FailOn, v.Limits.IgnoreUnfixed
		asked.AllowEmptyScan, asked.AllowPartialScan = v.Limits.AllowEmpty, v.Limits.AllowPartial
		if v.Limits.Allow != nil {
			asked.AllowList = "sha256:" + sha256Hex(v.Limits.Allow)
		}
		claim(levelScan, v.Scanned)
	}
	text, err := marshal(asked)
	if err != nil {
		return nil, nil, err
	}
	d.Policy = policy{URI: policyURI, Digest: map[string]string{"sha256": sha256Hex(bytes.TrimSpace(text))}, Annotations: asked}
	var latest time.Time
	for _, c := range slices.Concat(v.Gates, v.Scans) {
		if len(c.Body) == 0 || c.Name == "" {
			return nil, nil, errors.New("a report has no name or no content")
		}
		read := resource{Name: c.Name, Digest: map[string]string{"sha256": sha256Hex(c.Body)}}
		if says := (found{c.Exempt, c.About}); says != (found{}) {
			read.Annotations = &says
		}
		d.InputAttestations = append(d.InputAttestations, read)
		if c.Time.After(latest) {
			latest = c.Time
		}
	}
	slices.SortFunc(d.InputAttestations, func(a, b resource) int {
		if c := strings.Compare(a.Digest["sha256"], b.Digest["sha256"]); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	d.InputAttestations = slices.CompactFunc(d.InputAttestations, func(a, b resource) bool { return a.Digest["sha256"] == b.Digest["sha256"] })
	if !latest.IsZero() {
		d.TimeVerified = latest.UTC().Truncate(time.Second).Format(time.RFC3339)
	}
	body, err := marshal(d)
	if err != nil {
		return nil, nil, err
	}
	predicate, err = Check(SummaryType, body)
	return predicate, unclaimed, err
}

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
