package predicate_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	vsa1 "github.com/in-toto/attestation/go/predicates/vsa/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/boltseal/boltseal/sign/predicate"
	"github.com/boltseal/boltseal/verify"
)

const resource = "ghcr.io/acme/app@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// checked is what a run with a gate and a scan gives.
func checked() predicate.VSA {
	at := time.Date(2026, 11, 22, 12, 0, 0, 700, time.FixedZone("", 3600))
	return predicate.VSA{
		Resource: resource, Version: "0.7.0", Scanned: true,
		Gates:  []predicate.Checked{{Name: "report.json", Body: []byte("gate\n"), Time: at}},
		Scans:  []predicate.Checked{{Name: "trivy.json", Body: []byte("scan\n"), Time: at.Add(time.Minute)}},
		Limits: predicate.Limits{FailOn: "high", IgnoreUnfixed: true, Allow: []byte("allow\n")},
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	const want = `{"verifier":{"id":"https://github.com/boltseal/boltseal","version":{"boltseal":"0.7.0"}},` +
		`"timeVerified":"2026-11-22T11:01:00Z",` +
		`"resourceUri":"` + resource + `",` +
		`"policy":{"uri":"https://github.com/boltseal/boltseal/blob/main/docs/attestations.md#verification-summary",` +
		`"digest":{"sha256":"POLICY"},` +
		`"annotations":{"allowList":"sha256:ALLOW","failOn":"high","ignoreUnfixed":true,"requireGate":true}},` +
		`"inputAttestations":[INPUTS],` +
		`"verificationResult":"PASSED","verifiedLevels":["SLSA_BUILD_LEVEL_UNEVALUATED","BOLTSEAL_BASES_VERIFIED","BOLTSEAL_SCAN_PASSED"],"slsaVersion":"1.1"}`
	got, unclaimed, err := predicate.Summary(checked())
	if err != nil || len(unclaimed) != 0 {
		t.Fatalf("%v, unclaimed %q", err, unclaimed)
	}
	allow := digestOf("allow\n")
	inputs := []string{`{"name":"report.json","digest":{"sha256":"` + digestOf("gate\n") + `"}}`, `{"name":"trivy.json","digest":{"sha256":"` + digestOf("scan\n") + `"}}`}
	if digestOf("scan\n") < digestOf("gate\n") {
		slices.Reverse(inputs)
	}
	text := strings.NewReplacer("POLICY", digestOf(`{"allowList":"sha256:`+allow+`","failOn":"high","ignoreUnfixed":true,"requireGate":true}`), "ALLOW", allow, "INPUTS", strings.Join(inputs, ",")).Replace(want)
	if string(got) != text {
		t.Errorf("%s\nwant %s", got, text)
	}
	if again, err := predicate.Check(predicate.SummaryType, got); err != nil || !bytes.Equal(again, got) {
		t.Errorf("Check says %s, %v", again, err)
	}
	// The order of the reports, and one of them given twice, change nothing.
	v := checked()
	v.Gates = append(v.Gates, predicate.Checked{Name: "b.json", Body: []byte("b"), Time: v.Gates[0].Time})
	one, _, err1 := predicate.Summary(v)
	slices.Reverse(v.Gates)
	v.Gates = append(v.Gates, v.Gates[0])
	two, _, err2 := predicate.Summary(v)
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(one, two) {
		t.Errorf("%s\nis not\n%s (%v)", one, two, err)
	}
	// What depends on the inputs differs with them.
	for name, change := range map[string]func(*predicate.VSA){
		"image":    func(v *predicate.VSA) { v.Resource = strings.Replace(v.Resource, "app", "web", 1) },
		"report":   func(v *predicate.VSA) { v.Gates[0].Body = []byte("x") },
		"time":     func(v *predicate.VSA) { v.Scans[0].Time = v.Scans[0].Time.Add(time.Second) },
		"severity": func(v *predicate.VSA) { v.Limits.FailOn = "critical" },
		"unfixed":  func(v *predicate.VSA) { v.Limits.IgnoreUnfixed = false },
		"allowed":  func(v *predicate.VSA) { v.Limits.Allow = nil },
		"exempt":   func(v *predicate.VSA) { v.Gates[0].Exempt = 1 },
		"scanned":  func(v *predicate.VSA) { v.Scans[0].About = "sha256:a" },
		"unknown":  func(v *predicate.VSA) { v.Scanned = false },
		"empty":    func(v *predicate.VSA) { v.Limits.AllowEmpty = true },
		"version":  func(v *predicate.VSA) { v.Version = "0.8.0" },
		"no scan":  func(v *predicate.VSA) { v.Scans = nil },
		"no gate":  func(v *predicate.VSA) { v.Gates = nil },
	} {
		v := checked()
		change(&v)
		if other, _, err := predicate.Summary(v); err != nil || bytes.Equal(other, got) {
			t.Errorf("%s: the same summary, %v", name, err)
		}
	}
}

// What was not checked is not claimed, and what nobody asked is not said.
func TestSummaryClaims(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*predicate.VSA)
		levels string
		time   string
		terms  string
		// What is not claimed, and the annotations of the reports.
		unclaimed, reports string
	}{
		{"gate", func(v *predicate.VSA) { v.Scans = nil }, `["SLSA_BUILD_LEVEL_UNEVALUATED","BOLTSEAL_BASES_VERIFIED"]`, `"2026-11-22T11:00:00Z"`, `{"requireGate":true}`, "", ""},
		{"gate that exempts", func(v *predicate.VSA) { v.Scans, v.Gates[0].Exempt = nil, 2 }, `["SLSA_BUILD_LEVEL_UNEVALUATED"]`, `"2026-11-22T11:00:00Z"`, `{"requireGate":true}`, "BOLTSEAL_BASES_VERIFIED", `{"exempt":2}`},
		{"one of two gates exempts", func(v *predicate.VSA) {
			v.Scans, v.Gates = nil, append(v.Gates, predicate.Checked{Name: "b.json", Body: []byte("b"), Exempt: 1})
		}, `["SLSA_BUILD_LEVEL_UNEVALUATED"]`, `"2026-11-22T11:00:00Z"`, `{"requireGate":true}`, "BOLTSEAL_BASES_VERIFIED", `{"exempt":1}`},
		{"scan of a part", func(v *predicate.VSA) {
			v.Scanned, v.Scans[0].About, v.Limits = false, "sha256:a", predicate.Limits{FailOn: "low", AllowEmpty: true, AllowPartial: true}
		}, `["SLSA_BUILD_LEVEL_UNEVALUATED","BOLTSEAL_BASES_VERIFIED"]`, `"2026-11-22T11:01:00Z"`, `{"allowEmptyScan":true,"allowPartialScan":true,"failOn":"low","requireGate":true}`, "BOLTSEAL_SCAN_PASSED", `{"scanned":"sha256:a"}`},
		{"scan", func(v *predicate.VSA) { v.Gates, v.Limits = nil, predicate.Limits{FailOn: "low"} }, `["SLSA_BUILD_LEVEL_UNEVALUATED","BOLTSEAL_SCAN_PASSED"]`, `"2026-11-22T11:01:00Z"`, `{"failOn":"low"}`, "", ""},
		{"scan without a time", func(v *predicate.VSA) {
			v.Gates, v.Scans[0].Time, v.Limits = nil, time.Time{}, predicate.Limits{FailOn: "low"}
		}, `["SLSA_BUILD_LEVEL_UNEVALUATED","BOLTSEAL_SCAN_PASSED"]`, ``, `{"failOn":"low"}`, "", ""},
		{"gate after the scan", func(v *predicate.VSA) { v.Gates[0].Time = v.Gates[0].Time.Add(time.Hour) }, `["SLSA_BUILD_LEVEL_UNEVALUATED","BOLTSEAL_BASES_VERIFIED","BOLTSEAL_SCAN_PASSED"]`, `"2026-11-22T12:00:00Z"`, `{"allowList":"sha256:` + digestOf("allow\n") + `","failOn":"high","ignoreUnfixed":true,"requireGate":true}`, "", ""},
		{"empty allow-list", func(v *predicate.VSA) { v.Limits.Allow = []byte{} }, `["SLSA_BUILD_LEVEL_UNEVALUATED","BOLTSEAL_BASES_VERIFIED","BOLTSEAL_SCAN_PASSED"]`, `"2026-11-22T11:01:00Z"`, `{"allowList":"sha256:` + digestOf("") + `","failOn":"high","ignoreUnfixed":true,"requireGate":true}`, "", ""},
	} {
		v := checked()
		tc.change(&v)
		body, unclaimed, err := predicate.Summary(v)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if got := strings.Join(unclaimed, " "); got != tc.unclaimed {
			t.Errorf("%s: unclaimed %q, want %q", tc.name, got, tc.unclaimed)
		}
		var doc struct {
			TimeVerified, VerifiedLevels json.RawMessage
			Policy                       struct {
				Annotations json.RawMessage
				Digest      map[string]string
			}
			InputAttestations []struct{ Annotations json.RawMessage }
		}
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatal(err)
		}
		if string(doc.VerifiedLevels) != tc.levels || string(doc.TimeVerified) != tc.time || string(doc.Policy.Annotations) != tc.terms || doc.Policy.Digest["sha256"] != digestOf(tc.terms) {
			t.Errorf("%s: %s", tc.name, body)
		}
		reports := ""
		for _, r := range doc.InputAttestations {
			reports += string(r.Annotations)
		}
		if reports != tc.reports {
			t.Errorf("%s: the reports have %s, want %s", tc.name, reports, tc.reports)
		}
		// A reader of the schema that in-toto has for it reads it.
		var proto vsa1.VerificationSummary
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, &proto); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		} else if proto.GetResourceUri() != resource || proto.GetVerificationResult() != "PASSED" || len(proto.GetInputAttestations()) != len(v.Gates)+len(v.Scans) {
			t.Errorf("%s: read as %v", tc.name, &proto)
		}
	}
}

func TestSummaryRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, want string
		change     func(*predicate.VSA)
	}{
		{"zero", "nothing was checked", func(v *predicate.VSA) { *v = predicate.VSA{} }},
		{"nothing checked", "nothing was checked", func(v *predicate.VSA) { v.Gates, v.Scans = nil, []predicate.Checked{} }},
		{"no image", "is not repository@sha256:digest", func(v *predicate.VSA) { v.Resource = "" }},
		{"tag", "is not repository@sha256:digest", func(v *predicate.VSA) { v.Resource = "ghcr.io/acme/app:v1" }},
		{"short digest", "is not repository@sha256:digest", func(v *predicate.VSA) { v.Resource = resource[:len(resource)-1] }},
		{"line break", "is not repository@sha256:digest", func(v *predicate.VSA) { v.Resource = "a\nb" + resource[16:] }},
		{"no limits", "which findings", func(v *predicate.VSA) { v.Limits = predicate.Limits{} }},
		{"no version", "version of this program", func(v *predicate.VSA) { v.Version = "" }},
		{"empty report", "no name or no content", func(v *predicate.VSA) { v.Gates[0].Body = nil }},
		{"nameless report", "no name or no content", func(v *predicate.VSA) { v.Scans[0].Name = "" }},
	} {
		v := checked()
		tc.change(&v)
		body, _, err := predicate.Summary(v)
		e := (*verify.Error)(nil)
		if body != nil || !errors.As(err, &e) || !strings.Contains(err.Error(), tc.want) || e.Hint == "" {
			t.Errorf("%s: %s, %v", tc.name, body, err)
		}
	}
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
