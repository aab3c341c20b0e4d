package scanreport_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/boltseal/boltseal/scanreport"
	"github.com/boltseal/boltseal/verify"
)

const (
	index  = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	child  = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	config = "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
	other  = "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// trivy returns Trivy's JSON of an image with the given results.
func trivy(results string) string {
	return `{"SchemaVersion":2,"ArtifactName":"acme/app","ArtifactType":"container_image","Results":` + results + `}`
}

// trivyFinding returns it with one vulnerability, an object.
func trivyFinding(v string) string {
	return trivy(`[{"Target":"t","Class":"os-pkgs","Vulnerabilities":[` + v + `]}]`)
}

// grype returns Grype's JSON of an image with the given matches.
func grype(matches string) string {
	return `{"matches":` + matches + `,"source":{"type":"image","target":{"userInput":"acme/app"}},"distro":{"name":"debian"},"descriptor":{"name":"grype","version":"1"}}`
}

// sarif returns a SARIF log of one run.
func sarif(driver, rules, results string) string {
	return `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"` + driver + `","rules":` + rules + `}},"results":` + results + `,"properties":{"imageName":"acme/app"}}]}`
}

// within puts a report into a predicate.
func within(report string) string { return `{"scanner":{"uri":"x","result":` + report + `}}` }

func TestRead(t *testing.T) {
	t.Parallel()
	const target = "registry.example/acme/app:v1 (debian 12.12)"
	for _, tc := range []struct {
		file       string
		format     scanreport.Format
		tool       string
		suppressed int
		want       []scanreport.Finding
	}{
		{"trivy.json", scanreport.Trivy, "Trivy 0.69.1", 1, []scanreport.Finding{
			{ID: "CVE-2026-1001", Aliases: []string{"DSA-6001-1"}, Package: "openssl", Version: "3.0.17-1~deb12u2", FixedIn: []string{"3.0.17-1~deb12u3"}, Fix: scanreport.Fixed, Severity: scanreport.Critical, Location: target},
			{ID: "CVE-2026-1002", Package: "libexpat1", Version: "2.5.0-1", Fix: scanreport.NotFixed, Severity: scanreport.High, Location: target},
			{ID: "CVE-2026-1003", Package: "perl-base", Version: "5.36.0-7", Fix: scanreport.WillNotFix, Severity: scanreport.Low, Location: target},
			{ID: "TEMP-0841856-B18BAF", Package: "bash", Version: "5.2.15-2", Fix: scanreport.NotFixed, Severity: scanreport.Unknown, Location: target},
			{ID: "CVE-2026-1004", Aliases: []string{"GHSA-aaaa-bbbb-cccc"}, Package: "golang.org/x/net", Version: "v0.38.0", FixedIn: []string{"0.38.9", "0.41.0"}, Fix: scanreport.Fixed, Severity: scanreport.Medium, Location: "usr/local/bin/app"},
		}},
		{"grype.json", scanreport.Grype, "Grype 0.104.0", 1, []scanreport.Finding{
			{ID: "GHSA-aaaa-bbbb-cccc", Aliases: []string{"CVE-2026-1004"}, Package: "golang.org/x/net", Version: "v0.38.0", FixedIn: []string{"0.41.0"}, Fix: scanreport.Fixed, Severity: scanreport.Medium, Location: "/usr/local/bin/app"},
			{ID: "CVE-2026-1002", Package: "libexpat1", Version: "2.5.0-1", Fix: scanreport.WillNotFix, Severity: scanreport.Negligible},
			{ID: "CVE-2026-1005", Package: "zlib1g", Version: "1.2.13", Fix: scanreport.NotFixed, Severity: scanreport.Critical},
			{ID: "CVE-2026-1006", Package: "zlib1g", Version: "1.2.13", Fix: scanreport.FixUnknown, Severity: scanreport.Unknown},
			{ID: "CVE-2026-1007", Package: "bash", Version: "5.2.15-2", Fix: scanreport.FixUnknown, Severity: scanreport.High},
		}},
		{"trivy.sarif", scanreport.SARIF, "Trivy 0.69.1", 0, []scanreport.Finding{
			{ID: "CVE-2026-1001", Package: "libssl3", Version: "3.0.17-1~deb12u2", FixedIn: []string{"3.0.17-1~deb12u3"}, Fix: scanreport.Fixed, Severity: scanreport.High, Location: "acme/app"},
			{ID: "CVE-2026-1003", Package: "perl-base", Version: "5.36.0-7", Fix: scanreport.NotFixed, Severity: scanreport.Unknown, Location: "acme/app"},
		}},
		{"grype.sarif", scanreport.SARIF, "grype 0.104.0", 0, []scanreport.Finding{
			{ID: "CVE-2026-1001", Package: "libssl3", Version: "3.0.17-1~deb12u2", FixedIn: []string{"3.0.17-1~deb12u3"}, Fix: scanreport.Fixed, Severity: scanreport.High, Location: "app//var/lib/dpkg/status"},
			{ID: "GHSA-aaaa-bbbb-cccc", Package: "golang.org/x/net", Version: "v0.38.0", Fix: scanreport.FixUnknown, Severity: scanreport.Low},
		}},
		{"scout.sarif", scanreport.SARIF, "docker scout 1.20.0", 0, []scanreport.Finding{
			{ID: "CVE-2026-1001", Package: "openssl", Version: "3.0.17-1~deb12u2", FixedIn: []string{"3.0.17-1~deb12u3"}, Fix: scanreport.Fixed, Severity: scanreport.Critical, Location: "/var/lib/dpkg/status"},
			{ID: "CVE-2026-1003", Package: "perl", Version: "5.36.0-7+deb12u2", Fix: scanreport.NotFixed, Severity: scanreport.Unknown},
		}},
		{"vuln.json", scanreport.Trivy, "Trivy", 0, nil},
	} {
		body := file(t, tc.file)
		if tc.file == "trivy.json" {
			body = append([]byte("\xef\xbb\xbf"), body...)
		}
		r, err := scanreport.Read(body)
		if err != nil {
			t.Errorf("%s: %v", tc.file, err)
			continue
		}
		got := r.Findings()
		for i := range got {
			if len(got[i].Aliases) == 0 {
				got[i].Aliases = nil
			}
		}
		if r.Format() != tc.format || r.Tool() != tc.tool || r.Suppressed() != tc.suppressed || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %s, %q, %d suppressed,\n%+v\nwant\n%+v", tc.file, r.Format(), r.Tool(), r.Suppressed(), got, tc.want)
		}
	}
}

// A report within a predicate says what it says by itself.
func TestReadPredicate(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"trivy.json", "grype.json", "trivy.sarif"} {
		body := file(t, name)
		alone, err := scanreport.Read(body)
		if err != nil {
			t.Fatal(err)
		}
		r, err := scanreport.Read([]byte(within(string(body))))
		if err != nil || !reflect.DeepEqual(r, alone) {
			t.Errorf("%s: %+v (%v)", name, r, err)
		}
	}
}

// kinds are all errors of Read. An error is of one only.
func kinds() []error {
	return []error{
		scanreport.ErrTooLarge, scanreport.ErrEmpty, scanreport.ErrNotJSON, scanreport.ErrAmbiguous, scanreport.ErrNotReport, scanreport.ErrNotImage,
		scanreport.ErrIncomplete, scanreport.ErrNotVulnerabilities, scanreport.ErrMalformed, scanreport.ErrNothingScanned,
	}
}

// refusal says what is wrong with err as an error of Read, "" for nothing.
func refusal(err, kind error) string {
	var e *verify.Error
	switch {
	case err == nil:
		return "it was read"
	case !errors.Is(err, kind):
		return "it is another error: " + err.Error()
	case !errors.As(err, &e) || any(e) != any(err):
		return "it is no *verify.Error"
	case e.Op == "" || e.Hint == "":
		return "it has no operation or no next step"
	case strings.ContainsFunc(err.Error()+e.Hint, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "it cannot be printed"
	}
	for _, k := range kinds() {
		if k != kind && errors.Is(err, k) { //nolint:errorlint // both are in one list
			return "it is of two kinds: " + err.Error()
		}
	}
	return ""
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	wide := `{"SchemaVersion":2` + strings.Repeat(`,"a":1`, 11_000) + `}`
	const vulnerability = `{"VulnerabilityID":"CVE-2026-1","PkgName":"p","Severity":"LOW"}`
	cases := []struct {
		name, body string
		kind       error
		says       string
	}{
		// No report at all.
		{"empty", "", scanreport.ErrEmpty, "nothing is in the file"},
		{"blank", " \r\n\t", scanreport.ErrEmpty, "nothing is in the file"},
		{"BOM only", "\xef\xbb\xbf", scanreport.ErrEmpty, "nothing is in the file"},
		{"null", "null\n", scanreport.ErrEmpty, "null"},
		{"empty list", "[ ]", scanreport.ErrEmpty, "empty list"},
		{"empty object", "{ }", scanreport.ErrEmpty, "empty object"},
		{"cut off", `{"SchemaVersion":2,"Results":[{`, scanreport.ErrNotJSON, "it was cut off after 31 bytes"},
		{"cut off in a text", `{"SchemaVersion":2,"Artifact`, scanreport.ErrNotJSON, "cut off"},
		{"two documents", trivy("[]") + "\n" + trivy("[]"), scanreport.ErrNotJSON, "something follows the document"},
		{"lines of JSON", `{"a":1}` + "\n" + `{"a":2}`, scanreport.ErrNotJSON, "something follows"},
		{"HTML", "<!DOCTYPE html>\n<html>", scanreport.ErrNotJSON, "HTML or XML"},
		{"table", "Report Summary\n┌──", scanreport.ErrNotJSON, `it begins with "Report Summary\n`},
		{"UTF-16", "\xff\xfe{\x00}\x00", scanreport.ErrNotJSON, "UTF-16"},
		{"broken", `{"SchemaVersion":2,}`, scanreport.ErrNotJSON, "at byte 20"},
		{"text", `"CVE-2026-1"`, scanreport.ErrNotReport, "no object"},
		{"number", `1`, scanreport.ErrNotReport, "no object"},
		{"schema 1", `[{"Target":"alpine","Vulnerabilities":null}]`, scanreport.ErrNotReport, "before schema version 2"},
		{"schema 3", `{"SchemaVersion":3}`, scanreport.ErrNotReport, `schema version "3"`},
		{"schema text", `{"SchemaVersion":"2"}`, scanreport.ErrNotReport, "schema version"},
		{"CycloneDX", `{"bomFormat":"CycloneDX","specVersion":"1.6","vulnerabilities":[]}`, scanreport.ErrNotReport, "CycloneDX"},
		{"SPDX", `{"spdxVersion":"SPDX-2.3"}`, scanreport.ErrNotReport, "SPDX"},
		{"SPDX 3", `{"@context":"https://spdx.org","@graph":[]}`, scanreport.ErrNotReport, "SPDX"},
		{"Syft", `{"artifacts":[],"artifactRelationships":[]}`, scanreport.ErrNotReport, "Syft"},
		{"statement", `{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://cosign.sigstore.dev/attestation/vuln/v1","predicate":{}}`, scanreport.ErrNotReport, "in-toto"},
		{"envelope", `{"payloadType":"application/vnd.in-toto+json","payload":""}`, scanreport.ErrNotReport, "DSSE"},
		{"GitLab", `{"version":"15.0.7","vulnerabilities":[]}`, scanreport.ErrNotReport, "neither Trivy's nor Grype's"},
		{"npm audit", `{"auditReportVersion":2,"vulnerabilities":{}}`, scanreport.ErrNotReport, "neither"},
		{"report of the gate", `{"version":1,"tool":{"name":"boltseal"},"passed":true,"images":[]}`, scanreport.ErrNotReport, "neither"},
		{"another's matches", `{"matches":[]}`, scanreport.ErrNotReport, "does not say that Grype wrote it"},
		{"name in another case", `{"schemaversion":2,"results":[]}`, scanreport.ErrNotReport, "neither"},

		// Too much.
		{"deep", deep, scanreport.ErrTooLarge, "nested deeper than 64"},
		{"very deep", strings.Repeat("[", 20_000), scanreport.ErrTooLarge, "nested deeper"},
		{"wide", wide, scanreport.ErrTooLarge, "more than 10000 names"},
		{"many runs", `{"version":"2.1.0","runs":[` + strings.Repeat(`{"results":[]},`, 101) + `{"results":[]}]}`, scanreport.ErrTooLarge, "more than 100 items"},
		{"many aliases", trivyFinding(`{"VulnerabilityID":"a","VendorIDs":["b"` + strings.Repeat(`,"b"`, 1001) + `],"Severity":"LOW"}`), scanreport.ErrTooLarge, "more than 1000 items"},

		// Two readings.
		{"name twice", `{"SchemaVersion":2,"ArtifactType":"container_image","Results":[{"Class":"os-pkgs"}],"Results":[]}`, scanreport.ErrAmbiguous, `"Results" stands twice`},
		{"severity twice", trivyFinding(`{"VulnerabilityID":"a","Severity":"CRITICAL","Severity":"LOW"}`), scanreport.ErrAmbiguous, "stands twice"},
		{"severity in another case", trivyFinding(`{"VulnerabilityID":"a","severity":"CRITICAL","Severity":"LOW"}`), scanreport.ErrAmbiguous, `"severity" is not "Severity"`},
		{"another case only", trivyFinding(`{"VulnerabilityID":"a","severity":"LOW"}`), scanreport.ErrAmbiguous, `"severity" is not "Severity"`},
		{"of two scanners", `{"SchemaVersion":2,"matches":[]}`, scanreport.ErrAmbiguous, "SchemaVersion and matches"},
		{"SARIF and predicate", `{"runs":[],"scanner":{}}`, scanreport.ErrAmbiguous, "runs and scanner"},
		{"Grype: twice", strings.Replace(grype("[]"), `"matches":[]`, `"matches":[],"matches":[]`, 1), scanreport.ErrAmbiguous, "twice"},
		{"SARIF: rule twice, and one is wrong", sarif("x", `[{"id":"CVE-2026-10001"},{"id":"CVE-2026-10001","properties":{"security-severity":"99"}}]`, `[{"ruleId":"CVE-2026-10001"}]`), scanreport.ErrMalformed, "security-severity"},
		{"SARIF: two rules", sarif("x", "[]", `[{"ruleId":"CVE-2026-10001","rule":{"id":"CVE-2026-10002"},"level":"note"}]`), scanreport.ErrAmbiguous, "names two rules"},
		{"SARIF: two indexes", sarif("x", `[{"id":"CVE-2026-10001"},{"id":"CVE-2026-10001"}]`, `[{"ruleId":"CVE-2026-10001","ruleIndex":0,"rule":{"index":1},"level":"note"}]`), scanreport.ErrAmbiguous, "names two rules"},
		{"SARIF: an endless ID of a rule", sarif("x", `[{"id":"`+strings.Repeat("a", 2000)+`"}]`, `[]`), scanreport.ErrMalformed, "has 2000 bytes"},
		{"SARIF: tags without end", sarif("x", `[{"id":"CVE-2026-10001","properties":{"tags":["a"`+strings.Repeat(`,"a"`, 100)+`]}}]`, `[{"ruleId":"CVE-2026-10001"}]`), scanreport.ErrTooLarge, "tags of"},
		{"SARIF: twice", sarif("x", "[]", `[{"ruleId":"CVE-2026-10001","level":"error","level":"note"}]`), scanreport.ErrAmbiguous, "twice"},
		{"predicate: twice", `{"scanner":{"result":{},"result":{}}}`, scanreport.ErrAmbiguous, "twice"},

		// No image.
		{"file system", `{"SchemaVersion":2,"ArtifactType":"filesystem"}`, scanreport.ErrNotImage, "a file system"},
		{"repository", `{"SchemaVersion":2,"ArtifactType":"repository"}`, scanreport.ErrNotImage, "a repository"},
		{"scanned SBOM", `{"SchemaVersion":2,"ArtifactType":"cyclonedx"}`, scanreport.ErrNotImage, "an SBOM"},
		{"machine", `{"SchemaVersion":2,"ArtifactType":"vm"}`, scanreport.ErrNotImage, "a virtual machine"},
		{"new kind", `{"SchemaVersion":2,"ArtifactType":"satellite\u001b[2J"}`, scanreport.ErrNotImage, `satellite\x1b[2J`},
		{"no kind", `{"SchemaVersion":2,"Results":[]}`, scanreport.ErrNotImage, "nothing that it names"},
		{"cluster", `{"ClusterName":"prod","Resources":[]}`, scanreport.ErrNotImage, "a cluster"},
		{"Grype: directory", strings.Replace(grype("[]"), `"type":"image","target":{"userInput":"acme/app"}`, `"type":"directory","target":"."`, 1), scanreport.ErrNotImage, `"directory"`},
		{"Grype: unknown", strings.Replace(grype("[]"), `"type":"image","target":{"userInput":"acme/app"}`, `"type":"unknown","target":"unknown"`, 1), scanreport.ErrNotImage, "nothing that it names"},
		{"Grype: no source", `{"matches":[],"descriptor":{"name":"grype"}}`, scanreport.ErrNotImage, "nothing that it names"},
		{"Trivy's SARIF of files", strings.Replace(sarif("Trivy", "[]", "[]"), "imageName", "other", 1), scanreport.ErrNotImage, "no image"},
		{"Grype's SARIF of files", sarif("grype", "[]", `[{"ruleId":"CVE-2026-10001-p","message":{"text":"A low vulnerability in go-module package: p, version 1 was found at: go.mod"}}]`), scanreport.ErrNotImage, "no image"},

		// Not for vulnerabilities.
		{"secrets", trivy(`[{"Target":"k","Class":"secret","Secrets":[{}]}]`), scanreport.ErrNotVulnerabilities, `class "secret"`},
		{"licenses", trivy(`[{"Class":"license"},{"Class":"license-file"}]`), scanreport.ErrNotVulnerabilities, `"license, license-file"`},
		{"configuration", trivy(`[{"Class":"config","Misconfigurations":[]}]`), scanreport.ErrNotVulnerabilities, `"config"`},
		{"SARIF: secrets", sarif("Trivy", `[{"id":"k","name":"Secret"}]`, `[{"ruleId":"k"}]`), scanreport.ErrNotVulnerabilities, "none of its 1 results"},
		{"SARIF: CodeQL", sarif("CodeQL", `[{"id":"js/x","properties":{"security-severity":"9.8"}}]`, `[{"ruleId":"js/x"}]`), scanreport.ErrNotVulnerabilities, "none of its 1 results"},
		{"SARIF: clean CodeQL", sarif("CodeQL", "[]", "[]"), scanreport.ErrNotVulnerabilities, "no run in it"},
		{"SARIF: no runs", `{"version":"2.1.0","runs":[]}`, scanreport.ErrNotVulnerabilities, "no run in it"},

		// Not finished.
		{"SARIF: no results", `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"grype"}}}]}`, scanreport.ErrIncomplete, "not even an empty list"},
		{"SARIF: null results", sarif("grype", "[]", "null"), scanreport.ErrIncomplete, "not even an empty list"},
		{"SARIF: failed", `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"grype"}},"invocations":[{"executionSuccessful":false}],"results":[]}]}`, scanreport.ErrIncomplete, "says that it failed"},

		// Nothing to be seen.
		{"no results", trivy("null"), scanreport.ErrNothingScanned, "no results of the classes"},
		{"results left out", `{"SchemaVersion":2,"ArtifactType":"container_image"}`, scanreport.ErrNothingScanned, "no results of the classes"},
		{"packages only", trivy(`[{"Target":"t","Class":"os-pkgs","Packages":[{"Name":"a"}]}]`), scanreport.ErrNothingScanned, "packages and not one vulnerability"},
		{"packages and licenses", trivy(`[{"Class":"lang-pkgs","Packages":[{}]},{"Class":"license"},{"Class":"os-pkgs"}]`), scanreport.ErrNothingScanned, "packages and not one vulnerability"},
		{"packages, and a secret left out", trivy(`[{"Class":"lang-pkgs","Packages":[{}]},{"Class":"secret","ExperimentalModifiedFindings":[{}]}]`), scanreport.ErrNothingScanned, "packages and not one vulnerability"},
		{"predicate: packages only", within(trivy(`[{"Class":"os-pkgs","Packages":[{}]}]`)), scanreport.ErrNothingScanned, "packages and not one vulnerability"},
		{"Grype: nothing", strings.Replace(grype("[]"), "debian", "", 1), scanreport.ErrNothingScanned, "neither a distribution nor a match"},
		{"SARIF: in other files", `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Grype"}},"externalPropertyFileReferences":{"results":[{"itemCount":5}]},"results":[{"ruleId":"CVE-2026-10001"}]}]}`, scanreport.ErrIncomplete, "in other files"},
		{"SARIF: rules of extensions", `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x","rules":[{"id":"CVE-2020-11111"}]},"extensions":[{"rules":[]},{"rules":[{"id":"CVE-2026-22222"}]}]},"results":[{"rule":{"index":0,"toolComponent":{"index":1}}}]}]}`, scanreport.ErrAmbiguous, "rules in extensions"},
		{"SARIF: nothing", sarif("Trivy", "[]", "[]"), scanreport.ErrNothingScanned, "does not tell a clean image"},
		{"SARIF: nothing by Scout", sarif("docker scout", "[]", "[]"), scanreport.ErrNothingScanned, "does not tell a clean image"},

		// Not as it should be.
		{"no ID", trivyFinding(`{"Severity":"LOW"}`), scanreport.ErrMalformed, "finding 1 has no ID"},
		{"long ID", trivyFinding(`{"VulnerabilityID":"` + strings.Repeat("a", 201) + `","Severity":"LOW"}`), scanreport.ErrMalformed, "201 bytes"},
		{"no severity", trivyFinding(`{"VulnerabilityID":"CVE-2026-1"}`), scanreport.ErrMalformed, `"" is no severity`},
		{"new severity", trivyFinding(`{"VulnerabilityID":"CVE-2026-1","Severity":"BLOCKER"}`), scanreport.ErrMalformed, `"BLOCKER" is no severity`},
		{"misspelt severity", trivyFinding(`{"VulnerabilityID":"CVE-2026-1","Severity":"Critcal"}`), scanreport.ErrMalformed, "did you mean critical?"},
		{"severity is a number", trivyFinding(`{"VulnerabilityID":"CVE-2026-1","Severity":9}`), scanreport.ErrMalformed, "Severity"},
		{"findings are no list", trivy(`[{"Class":"os-pkgs","Vulnerabilities":{}}]`), scanreport.ErrMalformed, "Vulnerabilities is no list"},
		{"results are no list", trivy(`{}`), scanreport.ErrMalformed, "Results is no list"},
		{"finding is a list", trivyFinding(`[]`), scanreport.ErrMalformed, "item 1 of Vulnerabilities"},
		{"one of two is wrong", trivyFinding(vulnerability + `,{"VulnerabilityID":"CVE-2026-2","Severity":"x"}`), scanreport.ErrMalformed, "CVE-2026-2"},
		{"Grype: null", grype("null"), scanreport.ErrMalformed, "matches is null"},
		{"Grype: severity", grype(`[{"vulnerability":{"id":"a","severity":"Serious"}}]`), scanreport.ErrMalformed, `"Serious" is no severity`},
		{"Grype: no ID", grype(`[{"vulnerability":{"severity":"Low"}}]`), scanreport.ErrMalformed, "no ID"},
		{"Grype: target", strings.Replace(grype("[]"), `{"userInput":"acme/app"}`, `"acme/app"`, 1), scanreport.ErrMalformed, "source.target"},
		{"Grype: no target", strings.Replace(grype("[]"), `,"target":{"userInput":"acme/app"}`, ``, 1), scanreport.ErrMalformed, "source.target"},
		{"SARIF: version", `{"version":"2.0.0","runs":[]}`, scanreport.ErrNotReport, `"2.0.0"`},
		{"SARIF: score", sarif("x", `[{"id":"CVE-2026-10001","properties":{"security-severity":"11"}}]`, `[{"ruleId":"CVE-2026-10001"}]`), scanreport.ErrMalformed, "from 0 to 10"},
		{"SARIF: score is no number", sarif("x", `[]`, `[{"ruleId":"CVE-2026-10001","properties":{"security-severity":"NaN"}}]`), scanreport.ErrMalformed, `"NaN"`},
		{"SARIF: level", sarif("x", `[]`, `[{"ruleId":"CVE-2026-10001","level":"fatal"}]`), scanreport.ErrMalformed, `the level "fatal"`},
		{"SARIF: word", sarif("docker scout", `[{"id":"CVE-2026-10001","properties":{"cvssV3_severity":"SEVERE"}}]`, `[{"ruleId":"CVE-2026-10001"}]`), scanreport.ErrMalformed, `"SEVERE"`},
		{"SARIF: Trivy's word", sarif("Trivy", `[]`, `[{"ruleId":"CVE-2026-10001","message":{"text":"Severity: huge"}}]`), scanreport.ErrMalformed, `"huge"`},
		{"SARIF: no ID", sarif("grype", `[]`, `[{"message":{"text":"x"}}]`), scanreport.ErrMalformed, "no ID"},

		// Of a predicate.
		{"predicate: no result", `{"scanner":{"uri":"x"}}`, scanreport.ErrNotReport, "no scanner.result"},
		{"predicate: null", within("null"), scanreport.ErrEmpty, "scanner.result of the predicate"},
		{"predicate: SBOM", within(`{"bomFormat":"CycloneDX"}`), scanreport.ErrNotReport, "CycloneDX"},
		{"predicate in a predicate", within(within(trivy("[]"))), scanreport.ErrNotReport, "neither"},
		{"predicate: nothing scanned", within(trivy("[]")), scanreport.ErrNothingScanned, "scanner.result of the predicate"},
		{"predicate: text", within(`"` + strings.ReplaceAll(trivy("[]"), `"`, `\"`) + `"`), scanreport.ErrNotReport, "no object"},
		{"predicate: scanner is a text", `{"scanner":"trivy"}`, scanreport.ErrMalformed, "scanner"},
	}
	for _, tc := range cases {
		r, err := scanreport.Read([]byte(tc.body))
		if wrong := refusal(err, tc.kind); wrong != "" || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %s; want %v, %q", tc.name, wrong, tc.kind, tc.says)
			if err != nil {
				t.Log(err)
			}
		}
		// Whatever the caller makes of the error, it does not pass.
		if j := r.Judge(scanreport.Limits{FailOn: scanreport.Critical}, today); j.Passed() || j.Err() == nil {
			t.Errorf("%s: it passes", tc.name)
		}
		if j := r.Judge(scanreport.Limits{FailOn: scanreport.Critical, AllowEmpty: true}, today); j.Passed() != (tc.kind == scanreport.ErrNothingScanned) { //nolint:errorlint // it is the table's
			t.Errorf("%s: with AllowEmpty it passes: %t", tc.name, j.Passed())
		}
	}
}

// Too large is said before anything is looked at.
func TestReadTooLarge(t *testing.T) {
	t.Parallel()
	_, err := scanreport.Read(make([]byte, scanreport.MaxReport+1))
	if wrong := refusal(err, scanreport.ErrTooLarge); wrong != "" {
		t.Error(wrong)
	}
}

// A report that was cut off is none, wherever it was.
func TestReadPrefixes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"trivy.json", "grype.json", "trivy.sarif", "vuln.json"} {
		body := bytes.TrimSpace(file(t, name))
		step := 1
		if raced {
			step = 17
		}
		for n := 0; n < len(body); n += step {
			if _, err := scanreport.Read(body[:n]); err == nil || !errors.Is(err, scanreport.ErrNotJSON) && !errors.Is(err, scanreport.ErrEmpty) {
				t.Errorf("%s, %d bytes: %v", name, n, err)
			}
		}
	}
}

// What is not looked at may be as it likes: labels of an image are often there
// in two cases.
func TestReadOpaque(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"SchemaVersion":2,"ArtifactType":"container_image","Metadata":{"ImageConfig":{"config":{"Labels":{"severity":"a","Severity":"b"}}}},"Results":[{"Class":"os-pkgs"}]}`,
		strings.Replace(grype("[]"), `"userInput"`, `"labels":{"tags":1,"Tags":2,"tags":3},"userInput"`, 1),
		sarif("grype", "[]", `[{"ruleId":"CVE-2026-10001","partialFingerprints":{"ID":"a","id":"b"}}]`),
	} {
		if _, err := scanreport.Read([]byte(body)); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// The severity of a SARIF result is the worst that anything says of it.
func TestSARIFSeverity(t *testing.T) {
	t.Parallel()
	trivyText := func(word string) string {
		return `"message":{"text":"Package: p\nSeverity: ` + word + `\nFixed Version: 1"}`
	}
	for _, tc := range []struct {
		name, driver, rule, result string
		want                       scanreport.Severity
	}{
		{"critical", "x", `"properties":{"security-severity":"9.0"}`, ``, scanreport.Critical},
		{"at most", "x", `"properties":{"security-severity":"10.0"}`, ``, scanreport.Critical},
		{"high", "x", `"properties":{"security-severity":"8.9"}`, ``, scanreport.High},
		{"high from", "x", `"properties":{"security-severity":"7.0"}`, ``, scanreport.High},
		{"medium", "x", `"properties":{"security-severity":"6.9"}`, ``, scanreport.Medium},
		{"medium from", "x", `"properties":{"security-severity":"4.0"}`, ``, scanreport.Medium},
		{"low", "x", `"properties":{"security-severity":"3.9"}`, ``, scanreport.Low},
		{"low from", "x", `"properties":{"security-severity":"0.1"}`, ``, scanreport.Low},
		{"number", "x", `"properties":{"security-severity":7.5}`, ``, scanreport.High},
		{"of the result", "x", ``, `"properties":{"security-severity":"7.5"}`, scanreport.High},
		{"of both", "x", `"properties":{"security-severity":"9.5"}`, `"properties":{"security-severity":"7.5"}`, scanreport.Critical},
		{"its own score beats its level", "x", ``, `"level":"error","properties":{"security-severity":"2.0"}`, scanreport.Low},
		{"the rule's score beats another level", "x", `"properties":{"security-severity":"2.0"}`, `"level":"warning"`, scanreport.Low},
		// Snyk's level is of its own severity and the score of another; Sysdig's rule is of the first package.
		{"an error, and a rule of another package", "Snyk Container", `"properties":{"security-severity":"6.5"}`, `"level":"error"`, scanreport.Critical},
		{"an error, and a rule that is as bad", "Snyk Container", `"properties":{"security-severity":"7.5"}`, `"level":"error"`, scanreport.High},
		{"an error of the rule", "x", `"defaultConfiguration":{"level":"error"},"properties":{"security-severity":"6.5"}`, ``, scanreport.Critical},
		{"an error of the rule, and not of the result", "x", `"defaultConfiguration":{"level":"error"},"properties":{"security-severity":"6.5"}`, `"level":"warning"`, scanreport.Medium},
		{"no score of Snyk's", "Snyk Container", `"properties":{"security-severity":"undefined"}`, `"level":"warning"`, scanreport.Medium},
		{"0 is no score", "x", `"properties":{"security-severity":"0.0"}`, `"level":"error"`, scanreport.Critical},
		{"error", "x", ``, `"level":"error"`, scanreport.Critical},
		{"warning", "x", ``, `"level":"warning"`, scanreport.Medium},
		{"note", "x", ``, `"level":"note"`, scanreport.Low},
		{"none", "x", ``, `"level":"none"`, scanreport.Unknown},
		{"nothing at all", "x", ``, ``, scanreport.Critical},
		{"osv-scanner's level", "osv-scanner", ``, `"level":"warning"`, scanreport.Critical},
		{"osv-scanner's score", "osv-scanner", `"properties":{"security-severity":"5.0"}`, `"level":"warning"`, scanreport.Medium},
		{"level of the rule", "x", `"defaultConfiguration":{"level":"error"}`, ``, scanreport.Critical},
		{"own level", "x", `"defaultConfiguration":{"level":"error"}`, `"level":"note"`, scanreport.Low},
		{"tag", "x", `"properties":{"security-severity":"2.0","tags":["security","HIGH"]}`, ``, scanreport.High},
		{"Scout's word", "docker scout", `"properties":{"security-severity":"7.5","cvssV3_severity":"CRITICAL"}`, ``, scanreport.Critical},
		{"Scout's none", "docker scout", `"properties":{"cvssV3_severity":"UNSPECIFIED"}`, `"level":"none"`, scanreport.Unknown},
		{"Trivy's word", "Trivy", `"properties":{"security-severity":"5.5"}`, trivyText("HIGH"), scanreport.High},
		{"Trivy's score", "Trivy", `"properties":{"security-severity":"9.8"}`, trivyText("HIGH"), scanreport.Critical},
		{"Trivy's unknown", "Trivy", `"properties":{"security-severity":"0.0","tags":["UNKNOWN"]}`, `"level":"note",` + trivyText("UNKNOWN"), scanreport.Unknown},
		{"a name like a line", "Trivy", ``, trivyText(`LOW\nSeverity: HIGH`), scanreport.High},
		{"another's message", "x", ``, `"level":"note",` + trivyText("HIGH"), scanreport.High},
		{"another's message in another form", "sysdig-cli-scanner", `"properties":{"security-severity":"5.0"}`, `"level":"note","message":{"text":"Package: p\n.\n    severity : Critical\n"}`, scanreport.Critical},
		{"another's help", "x", `"help":{"text":"Vulnerability\nSeverity: High\n"}`, `"level":"warning"`, scanreport.High},
		{"a word that is no opinion", "x", ``, `"level":"error","properties":{"cvssV3_severity":"UNKNOWN"}`, scanreport.Critical},
		{"a word and a blank", "x", ``, `"level":"warning","properties":{"severity":"CRITICAL "}`, scanreport.Critical},
		{"a word and a score", "x", `"help":{"text":"Severity: CRITICAL (9.8)"}`, `"level":"warning"`, scanreport.Critical},
		{"no word for a severity", "x", ``, `"level":"note","message":{"text":"Severity: see below\nSeverity: unknown"}`, scanreport.Low},
		{"a property", "x", `"properties":{"severity":"CRITICAL"}`, `"level":"warning"`, scanreport.Critical},
		{"a property of the result", "x", `"properties":{"security-severity":"2.0"}`, `"level":"warning","properties":{"Vendor_Severity":"important"}`, scanreport.High},
		{"the worst of two properties", "x", `"properties":{"cvssv3_baseSeverity":"LOW","severity":"HIGH"}`, `"level":"note"`, scanreport.High},
		{"a property that is none", "x", `"properties":{"problem.severity":"error","severity":8}`, `"level":"note"`, scanreport.Low},
		{"Grype's word", "grype", `"properties":{"security-severity":"0.0"}`, `"message":{"text":"A high vulnerability in deb package: p, version 1 was found in image acme/app at: /x"}`, scanreport.High},
	} {
		rule, result := `"id":"CVE-2026-10001"`, `"ruleId":"CVE-2026-10001"`
		if tc.rule != "" {
			rule += "," + tc.rule
		}
		if tc.result != "" {
			result += "," + tc.result
		}
		r, err := scanreport.Read([]byte(sarif(tc.driver, "[{"+rule+"}]", "[{"+result+"}]")))
		if err != nil || len(r.Findings()) != 1 || r.Findings()[0].Severity != tc.want {
			t.Errorf("%s: %+v (%v), want %s", tc.name, r.Findings(), err, tc.want)
		}
	}
}

// The ID of a vulnerability is found in the rules of many tools, and their rules
// where results only have an index.
func TestSARIFIDs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, driver, rules, results, id string
		aliases                          []string
	}{
		{"plain", "x", `[]`, `[{"ruleId":"CVE-2026-10001"}]`, "CVE-2026-10001", nil},
		{"template", "Trivy", `[]`, `[{"ruleId":"[HIGH] CVE-2026-10001"}]`, "CVE-2026-10001", []string{"[HIGH] CVE-2026-10001"}},
		{"old Grype", "Anchore Container Vulnerability Report (T0)", `[]`, `[{"ruleId":"ANCHOREVULN_acme/app_CVE-2026-10001_deb_p_1"}]`, "CVE-2026-10001", []string{"ANCHOREVULN_acme/app_CVE-2026-10001_deb_p_1"}},
		{"Snyk", "Snyk Container", `[]`, `[{"ruleId":"SNYK-DEBIAN12-GLIBC-5927133"}]`, "SNYK-DEBIAN12-GLIBC-5927133", nil},
		{"by index", "x", `[{"id":"a"},{"id":"GHSA-aaaa-bbbb-cccc"}]`, `[{"ruleIndex":1}]`, "GHSA-aaaa-bbbb-cccc", nil},
		{"by rule", "x", `[{"id":"a"},{"id":"GO-2026-1234"}]`, `[{"rule":{"index":1}}]`, "GO-2026-1234", nil},
		{"tagged", "x", `[{"id":"ACME-1","properties":{"tags":["vulnerability"]}}]`, `[{"ruleId":"ACME-1"}]`, "ACME-1", nil},
		{"not at the end of another word", "grype", `[]`, `[{"ruleId":"XCVE-2026-10001"}]`, "XCVE-2026-10001", nil},
		{"a package called like an ID", "grype", `[]`, `[{"ruleId":"CVE-2026-10001-CVE-2026-10002","message":{"text":"A low vulnerability in deb package: CVE-2026-10002, version 1 was found in image a at: /x"}}]`, "CVE-2026-10001", nil},
	} {
		r, err := scanreport.Read([]byte(sarif(tc.driver, tc.rules, tc.results)))
		if err != nil || len(r.Findings()) != 1 {
			t.Errorf("%s: %+v (%v)", tc.name, r.Findings(), err)
			continue
		}
		if f := r.Findings()[0]; f.ID != tc.id || len(f.Aliases) != len(tc.aliases) || len(f.Aliases) > 0 && f.Aliases[0] != tc.aliases[0] {
			t.Errorf("%s: %q, %q", tc.name, f.ID, f.Aliases)
		}
	}
}

// Which rule a result has is told by its ID, and by its index where several rules
// have that ID or the result has none.
func TestSARIFRuleOf(t *testing.T) {
	t.Parallel()
	const rules = `[{"id":"CVE-2026-10001","properties":{"security-severity":"9.8"}},{"id":"CVE-2026-10002","properties":{"security-severity":"2.0"}},{"id":"CVE-2026-10002","properties":{"security-severity":"7.0"}},{"id":"CVE-2026-10004","properties":{"security-severity":"5.0"}},{"id":"","properties":{"security-severity":"9.0"}}]`
	for result, want := range map[string]scanreport.Severity{
		`{"ruleId":"CVE-2026-10001"}`:                              scanreport.Critical,
		`{"ruleId":"CVE-2026-10001","ruleIndex":1}`:                scanreport.Critical, // as old Grypes have it
		`{"ruleId":"CVE-2026-10001","ruleIndex":-1}`:               scanreport.Critical,
		`{"ruleId":"CVE-2026-10002","ruleIndex":1}`:                scanreport.Low,
		`{"ruleId":"CVE-2026-10002","ruleIndex":2}`:                scanreport.High,
		`{"rule":{"id":"CVE-2026-10002","index":2}}`:               scanreport.High,
		`{"ruleIndex":0}`:                                          scanreport.Critical,
		`{"ruleId":"CVE-2026-10001/openssl","ruleIndex":0}`:        scanreport.Critical,
		`{"ruleId":"CVE-2026-10002/a/b","ruleIndex":2}`:            scanreport.High,
		`{"ruleId":"CVE-2026-10004/a/b","level":"note"}`:           scanreport.Medium, // by the rule in front of the slashes
		`{"ruleId":"CVE-2026-10001-x","level":"note"}`:             scanreport.Low,
		`{"ruleId":"/CVE-2026-10005","level":"note"}`:              scanreport.Low,
		`{"ruleId":"CVE-2026-10003","ruleIndex":0}`:                scanreport.Critical, // as nothing rates it
		`{"ruleId":"CVE-2026-10003","level":"note"}`:               scanreport.Low,
		`{"ruleId":"CVE-2026-10003","ruleIndex":9,"level":"none"}`: scanreport.Unknown,
	} {
		r, err := scanreport.Read([]byte(sarif("x", rules, "["+result+"]")))
		if err != nil || len(r.Findings()) != 1 || r.Findings()[0].Severity != want {
			t.Errorf("%s: %+v (%v)", result, r.Findings(), err)
		}
	}
}

// A rule that has all of a result's ID counts before one that has its beginning,
// wherever its index points.
func TestSARIFRuleExact(t *testing.T) {
	t.Parallel()
	const rules = `[{"id":"CVE-2026-10001","properties":{"security-severity":"1.0"}},{"id":"CVE-2026-10001/a/b","properties":{"security-severity":"9.9"}}]`
	for result, want := range map[string]scanreport.Severity{
		`{"ruleId":"CVE-2026-10001/a/b","ruleIndex":0}`: scanreport.Critical,
		`{"ruleId":"CVE-2026-10001/a/b/c"}`:             scanreport.Critical,
		`{"ruleId":"CVE-2026-10001/a","ruleIndex":0}`:   scanreport.Low,
		`{"ruleId":"CVE-2026-10001/a","ruleIndex":1}`:   scanreport.Low,
	} {
		r, err := scanreport.Read([]byte(sarif("x", rules, "["+result+"]")))
		if err != nil || len(r.Findings()) != 1 || r.Findings()[0].Severity != want {
			t.Errorf("%s: %+v (%v)", result, r.Findings(), err)
		}
	}
}

// Where several rules have the ID of a result and nothing says which it means, the
// worst counts, and there may be a fix.
func TestSARIFRuleTwice(t *testing.T) {
	t.Parallel()
	rule := func(text string) string { return `{"id":"CVE-2026-10001"` + text + `}` }
	score := func(s string) string {
		return rule(`,"properties":{"security-severity":"` + s + `","fixed_version":"not fixed","purls":["pkg:deb/debian/a@1"]}`)
	}
	for _, tc := range []struct {
		rules, result string
		want          scanreport.Severity
	}{
		{score("5.0") + "," + score("9.8"), ``, scanreport.Critical},
		{score("9.8") + "," + score("5.0"), ``, scanreport.Critical},
		{score("5.0") + "," + score("9.8") + "," + score("2.0"), `,"level":"note"`, scanreport.Critical},
		{score("5.0") + "," + rule(`,"help":{"text":"Severity: High"}`), ``, scanreport.High},
		{score("5.0") + "," + score("9.8"), `,"ruleIndex":0`, scanreport.Medium},
		{rule(`,"defaultConfiguration":{"level":"note"}`) + "," + rule(`,"defaultConfiguration":{"level":"note"}`), ``, scanreport.Low},
		{rule(`,"defaultConfiguration":{"level":"note"}`) + "," + rule(`,"defaultConfiguration":{"level":"warning"}`), ``, scanreport.Critical},
		{rule(`,"defaultConfiguration":{"level":"error"},"properties":{"security-severity":"5.0"}`) + "," + rule(`,"defaultConfiguration":{"level":"warning"}`), ``, scanreport.Critical},
		{rule("") + "," + rule(""), `,"level":"warning"`, scanreport.Medium},
		// What one of them leaves to its level is not bettered by the other's rating.
		{rule("") + "," + score("1.0"), ``, scanreport.Critical},
		{score("1.0") + "," + rule(""), ``, scanreport.Critical},
		{score("1.0") + "," + rule(`,"defaultConfiguration":{"level":"warning"}`), ``, scanreport.Medium},
		{score("1.0") + "," + score("2.0") + "," + rule(""), ``, scanreport.Critical},
	} {
		r, err := scanreport.Read([]byte(sarif("x", "["+tc.rules+"]", `[{"ruleId":"CVE-2026-10001"`+tc.result+`}]`)))
		if err != nil || len(r.Findings()) != 1 {
			t.Errorf("%s: %+v (%v)", tc.rules, r.Findings(), err)
			continue
		}
		if f := r.Findings()[0]; f.Severity != tc.want || !strings.Contains(tc.result, "ruleIndex") && (f.Fix != scanreport.FixUnknown || f.Package != "") {
			t.Errorf("%s%s: %+v, want %s", tc.rules, tc.result, f, tc.want)
		}
	}
}

// Of several runs all vulnerabilities count, and what another kind of program
// found does not.
func TestSARIFRuns(t *testing.T) {
	t.Parallel()
	body := `{"version":"2.1.0","runs":[
		{"tool":{"driver":{"name":"CodeQL"}},"results":[{"ruleId":"js/x","level":"error"}]},
		{"tool":{"driver":{"name":"grype"}},"results":[{"ruleId":"CVE-2026-10001","level":"note"},{"ruleId":"CVE-2026-10002","kind":"notApplicable"}]},
		{"tool":{"driver":{"name":"acme"}},"results":[{"ruleId":"CVE-2026-10003","level":"note","suppressions":[{"kind":"external"}]},{"ruleId":"ACME-9","level":"error"}]}]}`
	r, err := scanreport.Read([]byte(body))
	var ids []string
	for _, f := range r.Findings() {
		ids = append(ids, f.ID)
	}
	if err != nil || strings.Join(ids, " ") != "CVE-2026-10001 CVE-2026-10003 ACME-9" {
		t.Errorf("%q (%v)", ids, err)
	}
}

// The name of a package that looks like lines of Trivy's message does not say
// that there is no fix.
func TestSARIFNoForgedLines(t *testing.T) {
	t.Parallel()
	body := sarif("Trivy", "[]", `[{"ruleId":"CVE-2026-10001","level":"error","message":{"text":"Package: p\nFixed Version: \nInstalled Version: 1\nSeverity: HIGH\nFixed Version: 2"}}]`)
	for _, body := range []string{body, strings.Replace(body, `Installed Version: 1`, `Installed Version: 1`+strings.Repeat(`\n`, 5000), 1)} {
		r, err := scanreport.Read([]byte(body))
		if err != nil || r.Findings()[0].Fix != scanreport.FixUnknown {
			t.Errorf("%+v (%v)", r.Findings(), err)
		}
	}
}

func TestParseSeverity(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]scanreport.Severity{
		"unknown": scanreport.Unknown, "Negligible": scanreport.Negligible, "LOW": scanreport.Low, "medium": scanreport.Medium, "Moderate": scanreport.Medium,
		"high": scanreport.High, "important": scanreport.High, "CRITICAL": scanreport.Critical,
	} {
		if got, err := scanreport.ParseSeverity(word); got != want || err != nil {
			t.Errorf("%s: %s (%v)", word, got, err)
		}
	}
	for _, word := range []string{"", " low", "none", "5", "info", "hıgh", "unspecified"} {
		if got, err := scanreport.ParseSeverity(word); err == nil {
			t.Errorf("%q: %s", word, got)
		}
	}
	for i, s := range scanreport.Severities() {
		if got, err := scanreport.ParseSeverity(s.String()); got != s || err != nil || i > 0 && s >= scanreport.Severities()[i-1] {
			t.Errorf("%s: %s (%v)", s, got, err)
		}
	}
}

// Trivy lists packages whatever it was asked to look for, unless it is told not
// to: a clean image has to show otherwise that it was looked at.
func TestTrivyClean(t *testing.T) {
	t.Parallel()
	const os = `{"Target":"app (debian 12.12)","Class":"os-pkgs","Packages":[{"Name":"a"}]`
	for name, body := range map[string]string{
		"no list of packages":   trivy(`[{"Target":"app (debian 12.12)","Class":"os-pkgs"},{"Target":"app","Class":"lang-pkgs"}]`),
		"a finding, of another": trivy(`[` + os + `},{"Class":"lang-pkgs","Vulnerabilities":[{"VulnerabilityID":"CVE-2026-1","Severity":"LOW"}]}]`),
		"a finding left out":    trivy(`[` + os + `,"ExperimentalModifiedFindings":[{}]}]`),
		"end of life":           strings.Replace(trivy(`[`+os+`}]`), `"Results"`, `"Metadata":{"OS":{"EOSL":true}},"Results"`, 1),
	} {
		if j := mustRead(t, []byte(body)).Judge(scanreport.Limits{FailOn: scanreport.High}, today); !j.Passed() {
			t.Errorf("%s: %v", name, j.Err())
		}
	}
	_, err := scanreport.Read([]byte(trivy(`[` + os + `}]`)))
	if hint := verify.Hint(err); !strings.Contains(hint, "trivy image --scanners vuln --list-all-pkgs=false --format json") {
		t.Errorf("the next step is %q", hint)
	}
}

// Of a distribution that Trivy knows no vulnerabilities of, or was told to leave
// out, it only lists what else there is.
func TestTrivyDistribution(t *testing.T) {
	t.Parallel()
	const low = `{"Target":"app","Class":"lang-pkgs","Packages":[{"Name":"a"}],"Vulnerabilities":[{"VulnerabilityID":"CVE-2026-1","Severity":"LOW"}]}`
	of := func(family, results string) []byte {
		return []byte(strings.Replace(trivy("["+results+"]"), `"Results"`, `"Metadata":{"OS":{"Family":"`+family+`","Name":"1"}},"Results"`, 1))
	}
	high := scanreport.Limits{FailOn: scanreport.High}
	for name, tc := range map[string]struct {
		body []byte
		says string // "" for nothing wrong
	}{
		"one that is not known":    {of("fedora", low), `Trivy names the distribution "fedora" and has no result of its packages`},
		"one that was not found":   {of("none", low), `the distribution "none"`},
		"one that was looked at":   {of("debian", low+`,{"Class":"os-pkgs"}`), ""},
		"one that has no packages": {of("activestate", low), ""},
		"none at all":              {of("", low), ""},
	} {
		r, err := scanreport.Read(tc.body)
		if tc.says == "" {
			if err != nil || !r.Judge(high, today).Passed() {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if why := refusal(err, scanreport.ErrNothingScanned); why != "" || !strings.Contains(err.Error(), tc.says) || !strings.Contains(verify.Hint(err), "--allow-empty-scan") {
			t.Errorf("%s: %s (%v)", name, why, err)
		}
		j := r.Judge(high, today)
		leave := high
		leave.AllowEmpty = true
		if j.Passed() || !errors.Is(j.Err(), scanreport.ErrNothingScanned) || !r.Judge(leave, today).Passed() || r.Judge(scanreport.Limits{FailOn: scanreport.Low, AllowEmpty: true}, today).Passed() {
			t.Errorf("%s: %v", name, j.Err())
		}
	}
}

// What a run says of the image can be read in one way only.
func TestSARIFImage(t *testing.T) {
	t.Parallel()
	for properties, kind := range map[string]error{
		`"imageId":"` + other + `","imageid":"` + config + `"`: scanreport.ErrAmbiguous,
		`"ImageId":"` + other + `"`:                            scanreport.ErrAmbiguous,
		`"digest":1`:                                           scanreport.ErrMalformed,
	} {
		_, err := scanreport.Read([]byte(sysdig(properties)))
		if why := refusal(err, kind); why != "" {
			t.Errorf("%s: %s", properties, why)
		}
	}
	body := strings.Replace(sarif("Trivy", "[]", `[{"ruleId":"CVE-2026-10001"}]`), `"imageName"`, `"imageId":"x","imageName"`, 1)
	if _, err := scanreport.Read([]byte(body)); refusal(err, scanreport.ErrAmbiguous) != "" {
		t.Errorf("Trivy with another case: %v", err)
	}
}

// Grype says of which packages it knows nothing, and which nobody looks after.
func TestGrypeAlerts(t *testing.T) {
	t.Parallel()
	of := func(types ...string) []byte {
		var all []string
		for _, typ := range types {
			all = append(all, `{"package":{"name":"a","type":"deb"},"alerts":[{"type":"`+typ+`","message":"m","metadata":{"name":"x","Name":"y"}}]}`)
		}
		return []byte(strings.Replace(grype(`[{"vulnerability":{"id":"CVE-2026-1","severity":"Low"}}]`), `"source"`, `"alertsByPackage":[`+strings.Join(all, ",")+`],"source"`, 1))
	}
	high := scanreport.Limits{FailOn: scanreport.High}
	for _, types := range [][]string{nil, {"distro-eol"}, {"package-yanked"}} {
		j := mustRead(t, of(types...)).Judge(high, today)
		if eol := len(j.Warnings()) == 1 && strings.Contains(j.Warnings()[0], "end of life"); !j.Passed() || eol != slices.Contains(types, "distro-eol") {
			t.Errorf("%q: %v, %q", types, j.Err(), j.Warnings())
		}
	}
	for _, types := range [][]string{{"distro-disabled"}, {"distro-eol", "distro-unknown"}, {"distro-next-year"}} {
		r, err := scanreport.Read(of(types...))
		if why := refusal(err, scanreport.ErrNothingScanned); why != "" || !strings.Contains(err.Error(), types[len(types)-1]) {
			t.Errorf("%q: %s (%v)", types, why, err)
		}
		if j := r.Judge(high, today); j.Passed() || !errors.Is(j.Err(), scanreport.ErrNothingScanned) {
			t.Errorf("%q: %v", types, j.Err())
		}
	}
}

// What programs of another kind found is left out with a word.
func TestSARIFOtherRuns(t *testing.T) {
	t.Parallel()
	r := mustRead(t, []byte(`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"ruleId":"CVE-2026-10001","level":"note"}]},
		{"tool":{"driver":{"name":"CodeQL"}},"results":[{"ruleId":"js/1","level":"error"},{"ruleId":"js/2"}]}]}`))
	j := r.Judge(scanreport.Limits{FailOn: scanreport.High}, today)
	if want := []string{`2 results of CodeQL, which looks for other things than vulnerabilities in packages, are left out`}; !j.Passed() || !slices.Equal(j.Warnings(), want) {
		t.Errorf("%v: %q", j.Err(), j.Warnings())
	}
}

// A scanner beside another one is not overlooked because it calls vulnerabilities
// in a way of its own.
func TestSARIFUnclearRuns(t *testing.T) {
	t.Parallel()
	beside := func(run string) []byte {
		return []byte(`{"version":"2.1.0","runs":[` + run + `,{"tool":{"driver":{"name":"grype"}},"results":[{"ruleId":"CVE-2026-10001","level":"note"}]}]}`)
	}
	acme := func(result string) []byte {
		return beside(`{"tool":{"driver":{"name":"Acme\u001b"}},"results":[` + result + `]}`)
	}
	for _, id := range []string{
		"cve-2026-10002", "ALAS2-2026-1234", "ALASKERNEL-5.4-2026-001", "SUSE-SU-2026:1234-1", "openSUSE-SU-2026:1234-1", "MAL-2026-1234", "ELSA-2026-1234", "RHBA-2026:1234",
		"PRISMA-2026-0049", "WS-2026-0123", "sonatype-2026-1234", "CGA-aaaa-bbbb-cccc", "BIT-nginx-2026-7347", "GLSA-202601-01", "XRAY-123456", "TEMP-0841856-B18BAF", "DEBIAN-CVE-2026-1234",
	} {
		r, err := scanreport.Read(acme(`{"ruleId":"` + id + `","level":"error"}`))
		if err != nil || len(r.Findings()) != 2 || r.Judge(scanreport.Limits{FailOn: scanreport.High}, today).Passed() {
			t.Errorf("%s: %+v (%v)", id, r.Findings(), err)
		}
	}
	if r, err := scanreport.Read(acme("")); err != nil || len(r.Findings()) != 1 {
		t.Errorf("nothing: %+v (%v)", r.Findings(), err)
	}
	for name, tc := range map[string]struct {
		body []byte
		kind error
		says string
	}{
		"an ID of its own":   {acme(`{"ruleId":"ACME-1","level":"error"}`), scanreport.ErrAmbiguous, `nothing shows whether what "Acme\x1b" found beside the others are vulnerabilities`},
		"no name":            {beside(`{"tool":{"driver":{}},"results":[{"ruleId":"ACME-1"}]}`), scanreport.ErrAmbiguous, "a program without a name"},
		"in other files":     {beside(`{"tool":{"driver":{"name":"Acme"}},"results":[],"externalPropertyFileReferences":{"results":[{"location":{"uri":"x"}}]}}`), scanreport.ErrIncomplete, "externalPropertyFileReferences"},
		"outside of the run": {bytes.Replace(acme(""), []byte(`"runs"`), []byte(`"inlineExternalProperties":[{"results":[]}],"runs"`), 1), scanreport.ErrIncomplete, "inlineExternalProperties"},
	} {
		_, err := scanreport.Read(tc.body)
		if why := refusal(err, tc.kind); why != "" || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %s (%v)", name, why, err)
		}
	}
}

// The rule of a result that Trivy shares with a license of the same ID, which the
// name of a package makes up, does not hide a vulnerability.
func TestSARIFLicenseRule(t *testing.T) {
	t.Parallel()
	body := func(message string) []byte {
		return []byte(sarif("Trivy", `[{"id":"SUSE-SU-2026:1234-1","name":"License"},{"id":"CVE-2026-10001"}]`,
			`[{"ruleId":"CVE-2026-10001","level":"note"},{"ruleId":"SUSE-SU-2026:1234-1","ruleIndex":0,"level":"error","message":{"text":"`+message+`"}}]`))
	}
	for message, want := range map[string]int{`Package: glibc\nInstalled Version: 1\nSeverity: CRITICAL`: 2, `Artifact: app\nLicense 1234-1\nPkgName: SUSE-SU-2026`: 1} {
		if r, err := scanreport.Read(body(message)); err != nil || len(r.Findings()) != want {
			t.Errorf("%s: %+v (%v)", message, r.Findings(), err)
		}
	}
}
