package predicate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/boltseal/boltseal/sign/predicate"
	"github.com/boltseal/boltseal/verify"
	vsig "github.com/boltseal/boltseal/verify/sigstore"
)

// What each type of document has at the least.
const (
	spdx23      = `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","dataLicense":"CC0-1.0","name":"app","documentNamespace":"https://example.com/app","creationInfo":{"created":"2026-11-22T10:00:00Z","creators":["Tool: syft"]},"packages":[]}`
	spdx3       = `{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[{"type":"SpdxDocument"}]}`
	cyclonedx   = `{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[]}`
	provenance1 = `{"buildDefinition":{"buildType":"https://example.com/b","externalParameters":{}},"runDetails":{"builder":{"id":"https://example.com/builder"}}}`
	provenance2 = `{"builder":{"id":"https://example.com/builder"},"buildType":"https://example.com/b"}`
	provenance0 = `{"builder":{"id":"https://example.com/builder"},"recipe":{"type":"https://example.com/b"}}`
	vuln        = `{"invocation":{},"scanner":{"uri":"pkg:github/aquasecurity/trivy@0.60","result":{"Results":[]}},"metadata":{"scanStartedOn":"2026-11-22T10:00:00Z","scanFinishedOn":"2026-11-22T10:00:01.5Z"}}`
	openvex     = `{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.com/vex","author":"me","timestamp":"2026-11-22T10:00:00Z","version":1,"statements":[]}`
	vsa         = `{"verifier":{"id":"https://example.com/v"},"resourceUri":"example.com/app@sha256:00","policy":{"uri":"https://example.com/p"},"verificationResult":"PASSED","verifiedLevels":["SLSA_BUILD_LEVEL_2"]}`
	testResult  = `{"result":"PASSED","configuration":[]}`
	link        = `{"_type":"link","name":"build","materials":{},"byproducts":{}}`
	statement   = `{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"https://spdx.dev/Document","predicate":` + spdx23 + `}`
	envelope    = `{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"sig":"AA=="}]}`
	bundle      = `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":{}}`
)

// documents are those of each type that Check knows.
func documents() map[string][]string {
	return map[string][]string{
		"https://spdx.dev/Document":                       {spdx23, spdx3},
		"https://spdx.dev/Document/v2.3":                  {spdx23},
		"https://spdx.dev/Document/v3":                    {spdx3},
		"https://cyclonedx.org/bom":                       {cyclonedx},
		"https://cyclonedx.org/bom/v1.5":                  {cyclonedx},
		"https://slsa.dev/provenance/v1":                  {provenance1},
		"https://slsa.dev/provenance/v0.2":                {provenance2},
		"https://slsa.dev/provenance/v0.1":                {provenance0},
		"https://cosign.sigstore.dev/attestation/vuln/v1": {vuln},
		"https://openvex.dev/ns":                          {openvex},
		"https://openvex.dev/ns/v0.2.0":                   {openvex},
		"https://slsa.dev/verification_summary/v1":        {vsa},
		"https://in-toto.io/attestation/test-result/v0.1": {testResult},
		"https://in-toto.io/Link/v1":                      {link},
		"https://example.com/of/our/own/v1":               {`{}`, `{"a":[1,{"b":null}]}`, spdx23, cyclonedx},
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for uri, docs := range documents() {
		for _, doc := range docs {
			got, err := predicate.Check(uri, []byte(doc))
			if err != nil || string(got) != doc {
				t.Errorf("%s: %s, %v; want %s", uri, got, err, doc)
			}
			spaced := "\uFEFF " + strings.ReplaceAll(strings.ReplaceAll(doc, `":`, "\" :\r\n\t"), `,"`, ` , "`) + "\n"
			if got, err := predicate.Check(uri, []byte(spaced)); err != nil || string(got) != doc {
				t.Errorf("%s with spaces: %s, %v; want %s", uri, got, err, doc)
			}
		}
	}
}

// No document passes for one of another type, and the message says what it is
// and how to say so.
func TestCheckOtherType(t *testing.T) {
	t.Parallel()
	names := map[string][2]string{ // what it is called, and by which flag it would pass
		spdx23: {`SPDX ("SPDX-2.3")`, "spdx=FILE"}, spdx3: {"SPDX 3", "spdx=FILE"}, cyclonedx: {"CycloneDX 1.5", "cyclonedx=FILE"},
		provenance1: {"SLSA provenance v1", "slsaprovenance1=FILE"}, provenance2: {"SLSA provenance v0.2", "slsaprovenance=FILE"},
		provenance0: {"SLSA provenance v0.1", "https://slsa.dev/provenance/v0.1=FILE"}, vuln: {"a vulnerability scan", "vuln=FILE"},
		openvex: {"OpenVEX", "openvex=FILE"}, vsa: {"a verification summary", predicate.SummaryType + "=FILE"},
		testResult: {"a test result", "test-result/v0.1=FILE"}, link: {"an in-toto link", "link=FILE"},
	}
	for uri, own := range documents() {
		if strings.HasPrefix(uri, "https://example.com/") {
			continue
		}
		for doc, name := range names {
			isOwn := false
			for _, o := range own {
				isOwn = isOwn || o == doc
			}
			if isOwn || strings.HasPrefix(uri, "https://spdx.dev/Document/v") && (doc == spdx23 || doc == spdx3) {
				continue
			}
			_, err := predicate.Check(uri, []byte(doc))
			if err == nil || !strings.Contains(err.Error(), "read the predicate of "+uri+": it is "+name[0]) || !strings.Contains(verify.Hint(err), name[1]) {
				t.Errorf("%s as %s: error %v, hint %q", doc, uri, err, verify.Hint(err))
			}
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	const own = "https://example.com/own"
	spdx, cdx, vulns, vex := mustType(t, "spdxjson"), mustType(t, "cyclonedx"), mustType(t, "vuln"), mustType(t, "openvex")
	without := func(doc, part string) string {
		if !strings.Contains(doc, part) {
			t.Fatalf("%s has no %s", doc, part)
		}
		return strings.Replace(doc, part, "", 1)
	}
	for _, tc := range []struct{ name, uri, body, want, hint string }{
		{"no type", "nonsense", `{}`, "neither a URI nor one of", ""},
		{"a signature", vsig.SignPredicate, `{}`, "is a signature, not an attestation", ""},
		{"empty", own, "", "it is empty", "as JSON"},
		{"spaces", own, " \n", "it is empty", "as JSON"},
		{"order mark only", own, "\uFEFF", "it is empty", "as JSON"},
		{"Latin-1", own, "{\"a\":\"\xe9\"}", "it is not UTF-8", "as UTF-8"},
		{"gzip", own, "\x1f\x8b\x08\x00", "it is compressed", "gzip -d"},
		{"cut off", own, `{"a":`, "it is not JSON: byte 5: unexpected end", "as JSON"},
		{"a word", own, "hello", "it is not JSON: byte 1", "as JSON"},
		{"list", own, "[{}]", "not an object", "{…}"},
		{"text", own, `"{}"`, "not an object", "{…}"},
		{"null", own, "null", "not an object", "{…}"},
		{"two documents", own, "{}\n{}", "something follows the JSON document", "one JSON document"},
		{"comment", own, "{} // x", "something follows the JSON document", "one JSON document"},
		{"comma at the end", own, `{"a":1,}`, "it is not JSON: byte 8", "as JSON"},
		{"name twice", own, `{"a":1,"b":{"c":1,"c":2}}`, `the name "c" stands twice`, "remove one"},
		{"name twice, written otherwise", own, `{"a":[{"c":1,"\u0063":2}]}`, `the name "c" stands twice`, "remove one"},
		{"name twice around others", own, `{"a":{"x":[1,"b",{}]},"b":1,"a":2}`, `the name "a" stands twice`, "remove one"},
		{"number", own, `{"a":[-1e400]}`, `a number in it is too large for most readers: "-1e400"`, "as a text"},
		{"long number", own, `{"a":` + strings.Repeat("9", 400) + `}`, `too large for most readers: "9999`, "as a text"},
		{"first half", own, `{"a":"\ud83d"}`, "half of a UTF-16 pair", "as UTF-8"},
		{"first half in a name", own, `{"\ud83dx":1}`, "half of a UTF-16 pair", "as UTF-8"},
		{"first half twice", own, `{"a":"\ud83d\ud83d\ude00"}`, "half of a UTF-16 pair", "as UTF-8"},
		{"second half", own, `{"a":"\ude00"}`, "half of a UTF-16 pair", "as UTF-8"},
		{"pair the other way round", own, `{"a":"\ude00\ud83d"}`, "half of a UTF-16 pair", "as UTF-8"},
		{"pair with a line break between", own, `{"a":"\ud83d\n\ude00"}`, "half of a UTF-16 pair", "as UTF-8"},
		{"deep", own, strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65), "nested deeper than 64", "flatter"},
		{"deep lists", own, `{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + "}", "nested deeper than 64", "flatter"},
		{"statement", spdx, statement, `it is a whole in-toto statement of type "https://spdx.dev/Document"`, "jq .predicate FILE"},
		{"statement v0.1", own, strings.Replace(statement, "/v1", "/v0.1", 1), "it is a whole in-toto statement", "jq .predicate FILE"},
		{"envelope", spdx, envelope, "it is a signed DSSE envelope", "base64 -d | jq .predicate"},
		{"envelope of our own type", own, envelope, "it is a signed DSSE envelope", "base64 -d | jq .predicate"},
		{"bundle", spdx, bundle, "it is a Sigstore bundle", "jq -r .dsseEnvelope.payload FILE"},
		{"SPDX tag-value", spdx, "SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\n", "tag-value format", "syft -o spdx-json"},
		{"SPDX YAML", spdx, "spdxVersion: SPDX-2.3\n", "SPDX as YAML", "syft -o spdx-json"},
		{"SPDX RDF", spdx, `<rdf:RDF xmlns:spdx="http://spdx.org/rdf/terms#">`, "SPDX as RDF", "syft -o spdx-json"},
		{"CycloneDX XML", cdx, `<?xml version="1.0"?><bom xmlns="http://cyclonedx.org/schema/bom/1.5">`, "CycloneDX as XML", "cyclonedx-json"},
		{"other XML", cdx, `<html>`, "it is XML", "as JSON"},
		{"SPDX 1", spdx, strings.Replace(spdx23, "2.3", "1.2", 1), `its spdxVersion is "SPDX-1.2"`, "another type"},
		{"SPDX with another SPDXID", spdx, strings.Replace(spdx23, "-DOCUMENT", "-1", 1), `its SPDXID is "SPDXRef-1"`, "another type"},
		{"SPDX without name", spdx, without(spdx23, `"name":"app",`), "it has no name", "another type"},
		{"SPDX without namespace", spdx, without(spdx23, `"documentNamespace":"https://example.com/app",`), "it has no documentNamespace", "another type"},
		{"SPDX without creation", spdx, without(spdx23, `"creationInfo":{"created":"2026-11-22T10:00:00Z","creators":["Tool: syft"]},`), "it has no creationInfo", "another type"},
		{"SPDX, name in capitals", spdx, strings.Replace(spdx23, `"name"`, `"Name"`, 1), "it has no name", "another type"},
		{"SPDX 2.3 as 2.2", spdx + "/v2.2", spdx23, "it is SPDX 2.3, and the type says 2.2", "another type"},
		{"SPDX 2.3 as 3", spdx + "/v3", spdx23, "it is SPDX 2.3, and the type says 3", "another type"},
		{"SPDX 3 as 2.3", spdx + "/v2.3", spdx3, "it is SPDX 3, and the type says 2.3", "another type"},
		{"SPDX 3 of nothing", spdx, strings.Replace(spdx3, `[{"type":"SpdxDocument"}]`, "[]", 1), "it has no elements", "another type"},
		{"SPDX of GitHub's API", spdx, `{"sbom":` + spdx23 + `}`, "an answer of GitHub that holds an SPDX document", "jq .sbom FILE"},
		{"CycloneDX in small letters", cdx, strings.Replace(cyclonedx, "CycloneDX", "cyclonedx", 1), "its bomFormat is not CycloneDX", "another type"},
		{"CycloneDX without version", cdx, without(cyclonedx, `"specVersion":"1.5",`), "its specVersion is no version", "another type"},
		{"CycloneDX 1.5 as 1.4", cdx + "/v1.4", cyclonedx, "it is CycloneDX 1.5, and the type says 1.4", "another type"},
		{"provenance v1 without builder", mustType(t, "slsaprovenance1"), without(provenance1, `"id":"https://example.com/builder"`), "it has no runDetails.builder.id", "another type"},
		{"provenance v1 without parameters", mustType(t, "slsaprovenance1"), without(provenance1, `,"externalParameters":{}`), "it has no buildDefinition.externalParameters", "another type"},
		{"provenance v0.2 without builder", mustType(t, "slsaprovenance"), strings.Replace(provenance2, `"id"`, `"name"`, 1), "it has no builder.id", "another type"},
		{"provenance v0.2 with an empty type", mustType(t, "slsaprovenance"), strings.Replace(provenance2, `"https://example.com/b"`, `""`, 1), "it has no buildType", "another type"},
		{"provenance v0.1 without type", "https://slsa.dev/provenance/v0.1", strings.Replace(provenance0, `"type"`, `"name"`, 1), "it has no recipe.type", "another type"},
		{"scan without scanner", vulns, strings.Replace(vuln, `"uri"`, `"name"`, 1), "it has no scanner.uri", "another type"},
		{"scan without result", vulns, without(vuln, `,"result":{"Results":[]}`), "it has no scanner.result", "another type"},
		{"scan with a result that is null", vulns, strings.Replace(vuln, `{"Results":[]}`, `null`, 1), "it has no scanner.result", "another type"},
		{"scan without time", vulns, strings.Replace(vuln, "2026-11-22T10:00:00Z", "yesterday", 1), "its metadata.scanStartedOn is no time", "another type"},
		{"Trivy's report", vulns, `{"SchemaVersion":2,"ArtifactName":"app","Results":[]}`, "it is a report of Trivy", "--format cosign-vuln"},
		{"Trivy's report as SPDX", spdx, `{"SchemaVersion":2,"ArtifactName":"app"}`, "it is a report of Trivy", "spdx-json"},
		{"Grype's report", vulns, `{"matches":[],"descriptor":{"name":"grype"}}`, "it is a report of Grype", "--scan-report"},
		{"SARIF", vulns, `{"version":"2.1.0","runs":[]}`, "it is a SARIF report", "--scan-report"},
		{"Syft's JSON", spdx, `{"artifacts":[],"descriptor":{"name":"syft"}}`, "it is Syft's own JSON", "syft -o spdx-json"},
		{"OpenVEX without author", vex, without(openvex, `"author":"me",`), "it has no author", "another type"},
		{"OpenVEX without statements", vex, without(openvex, `,"statements":[]`), "it has no statements", "another type"},
		{"OpenVEX without time", vex, without(openvex, `"timestamp":"2026-11-22T10:00:00Z",`), "its timestamp is no time", "another type"},
		{"OpenVEX of another version", vex + "/v0.0.1", openvex, `its @context is "https://openvex.dev/ns/v0.2.0"`, "another type"},
		{"CSAF", vex, `{"document":{"csaf_version":"2.0"}}`, "it is a CSAF advisory", "URI of your own"},
		{"summary without result", predicate.SummaryType, strings.Replace(vsa, "PASSED", "passed", 1), "neither PASSED nor FAILED", "another type"},
		{"summary without levels", predicate.SummaryType, strings.Replace(vsa, `["SLSA_BUILD_LEVEL_2"]`, "[]", 1), "it has no verifiedLevels", "another type"},
		{"summary without policy", predicate.SummaryType, without(vsa, `"uri":"https://example.com/p"`), "it has no policy.uri", "another type"},
		{"test result", "https://in-toto.io/attestation/test-result/v0.1", strings.Replace(testResult, "PASSED", "OK", 1), "none of PASSED", "another type"},
		{"link without name", mustType(t, "link"), without(link, `"name":"build",`), "it has no name", "another type"},
		{"signed link", mustType(t, "link"), `{"signed":` + link + `,"signatures":[]}`, "it is signed in-toto metadata", "jq .signed FILE"},
		{"nothing at all as a link", mustType(t, "link"), `{}`, "it has neither command", "another type"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := predicate.Check(tc.uri, []byte(tc.body))
			e := (*verify.Error)(nil)
			if got != nil || !errors.As(err, &e) {
				t.Fatalf("%s, %v", got, err)
			}
			if !strings.Contains(err.Error(), tc.want) || !strings.Contains(e.Hint, tc.hint) || (e.Hint == "") != (tc.hint == "") {
				t.Errorf("error %q, hint %q; want %q, %q", err, e.Hint, tc.want, tc.hint)
			}
		})
	}
}

// Messages hold what a document says in a form that no terminal acts on.
func TestCheckEscapes(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"_type":"https://in-toto.io/Statement/v1","predicateType":"\u001b[31m\n::error::` + strings.Repeat("x", 1000) + `"}`,
		`{"spdxVersion":"\u001b[31m\n::error::` + strings.Repeat("x", 1000) + `"}`,
		`{"bomFormat":"CycloneDX","specVersion":"\u001b[31m\n::error::` + strings.Repeat("x", 1000) + `"}`,
		`{"\u001b[31m\n":1,"\u001b[31m\n":2}`,
	} {
		for _, uri := range []string{"https://spdx.dev/Document", "https://cyclonedx.org/bom"} {
			_, err := predicate.Check(uri, []byte(body))
			if err == nil || strings.ContainsAny(err.Error()+verify.Hint(err), "\x1b\n") || len(err.Error()) > 500 {
				t.Errorf("%s: %q", body[:40], err)
			}
		}
	}
}

// Numbers and texts stand as they stood: who signs a document must not change
// what it says.
func TestCheckKeepsWhatIsWritten(t *testing.T) {
	t.Parallel()
	const doc = `{"n":[1.0,1e300,-0,1E-400,123456789012345678901234567890,0.1000],"s":"<a>&\u00e9é\/\u2028\ud83d\uDE00\\ud800","k":{"B":1,"a":1,"A":2},"q":"\",\"q\":{[\\","l":["q","q"]}`
	got, err := predicate.Check("https://example.com/own", []byte(doc))
	if err != nil || string(got) != doc {
		t.Errorf("%s, %v; want %s", got, err, doc)
	}
}

// cosign attest --type custom makes a text of whatever it is given, and its
// users look for it in .Data.
func TestCheckCustom(t *testing.T) {
	t.Parallel()
	uri := mustType(t, "custom")
	for _, tc := range []struct{ name, body, want string }{
		{"JSON", `{"foo": 1.0}` + "\n", `{"Data":"{\"foo\": 1.0}\n","Timestamp":""}`},
		{"text", "hello <world>\n", `{"Data":"hello <world>\n","Timestamp":""}`},
		{"list", "[1]", `{"Data":"[1]","Timestamp":""}`},
		{"name twice", `{"a":1,"a":2}`, `{"Data":"{\"a\":1,\"a\":2}","Timestamp":""}`},
		{"what cosign made", `{"Data": "x", "Timestamp": "2025-02-28T19:18:11Z"}`, `{"Data":"x","Timestamp":"2025-02-28T19:18:11Z"}`},
		{"the same without a time", `{"Data":"x"}`, `{"Data":"x"}`},
		{"more than that", `{"Data":"x","Other":1}`, `{"Data":"{\"Data\":\"x\",\"Other\":1}","Timestamp":""}`},
		{"data that is no text", `{"Data":{}}`, `{"Data":"{\"Data\":{}}","Timestamp":""}`},
	} {
		got, err := predicate.Check(uri, []byte(tc.body))
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: %s, %v; want %s", tc.name, got, err, tc.want)
		}
	}
	for _, body := range []string{statement, envelope, bundle, "", "\xff"} {
		if got, err := predicate.Check(uri, []byte(body)); err == nil {
			t.Errorf("%.30q is attested as %s", body, got)
		}
	}
}

func TestCheckIsBounded(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("the race detector makes this long")
	}
	const own = "https://example.com/own"
	large := func(n int) []byte { return []byte(`{"a":"` + strings.Repeat("x", n-len(`{"a":""}`)) + `"}`) }
	if _, err := predicate.Check(own, large(16<<20)); err != nil {
		t.Error(err)
	}
	if _, err := predicate.Check(own, large(16<<20+1)); err == nil || !strings.Contains(err.Error(), "larger than 16 MiB") {
		t.Errorf("a byte more: %v", err)
	}
	if _, err := predicate.Check("custom", bytes.Repeat([]byte(`"`), 9<<20)); err == nil || !strings.Contains(err.Error(), "as JSON it is larger") {
		t.Errorf("text that grows: %v", err)
	}
	var names strings.Builder
	for i := range 100_001 {
		names.WriteString(`,"` + string(rune('a'+i%26)) + strings.Repeat("z", i/26%26) + strings.Repeat("y", i/676) + `":0`)
	}
	if _, err := predicate.Check(own, []byte("{"+names.String()[1:]+"}")); err == nil || !strings.Contains(err.Error(), "more than 100000 names") {
		t.Errorf("many names: %.100v", err)
	}
}

func mustType(t *testing.T, name string) string {
	t.Helper()
	uri, err := predicate.Type(name)
	if err != nil {
		t.Fatal(err)
	}
	return uri
}

func TestType(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"spdx": "https://spdx.dev/Document", "spdxjson": "https://spdx.dev/Document", "cyclonedx": "https://cyclonedx.org/bom",
		"slsaprovenance": "https://slsa.dev/provenance/v0.2", "slsaprovenance1": "https://slsa.dev/provenance/v1", "link": "https://in-toto.io/Link/v1",
		"vuln": "https://cosign.sigstore.dev/attestation/vuln/v1", "openvex": "https://openvex.dev/ns", "custom": "https://cosign.sigstore.dev/attestation/v1",
		"https://example.com/x": "https://example.com/x",
	} {
		if got, err := predicate.Type(name); err != nil || got != want {
			t.Errorf("Type(%q) = %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "SPDX", "sbom", "example.com/x", vsig.SignPredicate} {
		if got, err := predicate.Type(name); err == nil {
			t.Errorf("Type(%q) = %q", name, got)
		}
	}
}

// What Check returns is the same JSON value, is compact, has no name twice, and
// is what Check returns for it again.
func FuzzCheck(f *testing.F) {
	for uri, docs := range documents() {
		for _, doc := range docs {
			f.Add(uri, []byte(doc))
		}
	}
	for _, doc := range []string{statement, envelope, bundle, "[", "SPDXVersion: x", "<a>", `{"a":1,"\u0061":2}`, "{\"a\":\"\\\\\"}", "custom"} {
		f.Add("https://cosign.sigstore.dev/attestation/v1", []byte(doc))
		f.Add("https://spdx.dev/Document", []byte(doc))
	}
	f.Fuzz(func(t *testing.T, uri string, body []byte) {
		got, err := predicate.Check(uri, body)
		if err != nil {
			if got != nil {
				t.Error("refused, and returned")
			}
			return
		}
		if again, err := predicate.Check(uri, got); err != nil || !bytes.Equal(again, got) {
			t.Errorf("%s, and again %s, %v", got, again, err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, got); err != nil || !bytes.Equal(compact.Bytes(), got) {
			t.Errorf("%s is not compact JSON: %v", got, err)
		}
		if uri, _ := predicate.Type(uri); uri == "https://cosign.sigstore.dev/attestation/v1" {
			return
		}
		var in, out map[string]any
		if err := json.Unmarshal(bytes.TrimPrefix(body, []byte("\uFEFF")), &in); err != nil {
			t.Error(err)
		}
		if err := json.Unmarshal(got, &out); err != nil || !reflect.DeepEqual(in, out) {
			t.Errorf("%s is not %s", got, body)
		}
		// Those who read it into Protocol Buffers can.
		if err := protojson.Unmarshal(got, new(structpb.Struct)); err != nil {
			t.Errorf("%s: %v", got, err)
		}
	})
}
