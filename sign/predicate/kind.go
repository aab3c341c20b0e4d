package predicate

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// customType is what cosign attests with --type custom.
const customType = "https://cosign.sigstore.dev/attestation/v1"

// A kind is a type of document that is known by what it holds.
type kind struct {
	name string // for people
	flag string // what to write before =FILE; a short name or a URI
	// types are the URIs of the kind, without the version that may follow as /v….
	types []string
	// like returns what doc calls itself if it looks like the kind, "" if not. It
	// asks for less than is, so that the message about a document with something
	// missing speaks of that.
	like func(doc object) string
	// is returns an error unless doc has what makes it one; version is what
	// follows the URI, "" for none.
	is func(doc object, version string) error
}

func kinds() []kind {
	return []kind{
		{"an SPDX document", "spdx", []string{"https://spdx.dev/Document"}, likeSPDX, isSPDX},
		{"a CycloneDX document", "cyclonedx", []string{"https://cyclonedx.org/bom"}, likeCycloneDX, isCycloneDX},
		{"SLSA provenance v1", "slsaprovenance1", []string{"https://slsa.dev/provenance/v1"}, likeProvenance1, isProvenance1},
		{"SLSA provenance v0.2", "slsaprovenance", []string{"https://slsa.dev/provenance/v0.2"}, likeProvenance02, isProvenance02},
		{"SLSA provenance v0.1", "https://slsa.dev/provenance/v0.1", []string{"https://slsa.dev/provenance/v0.1"}, likeProvenance01, isProvenance01},
		{"a vulnerability scan as cosign has it", "vuln", []string{"https://cosign.sigstore.dev/attestation/vuln/v1"}, likeVuln, isVuln},
		{"an OpenVEX document", "openvex", []string{"https://openvex.dev/ns"}, likeOpenVEX, isOpenVEX},
		{"a verification summary", SummaryType, []string{SummaryType}, likeSummary, isSummary},
		{"a test result", "https://in-toto.io/attestation/test-result/v0.1", []string{"https://in-toto.io/attestation/test-result/v0.1"}, likeTestResult, isTestResult},
		{"an in-toto link", "link", []string{"https://in-toto.io/Link/v1"}, likeLink, isLink},
	}
}

// isA returns an error if uri is the type of a kind, and doc is not of it. What
// other types may hold is not known here.
func isA(uri string, doc object) error {
	wanted, version := kindOf(uri)
	if wanted == nil {
		return nil
	}
	err := wanted.is(doc, version)
	if err == nil {
		return nil
	}
	if wanted.like(doc) == "" {
		if other := otherKind(*wanted, doc); other != nil {
			return other
		}
	}
	return refusef("have the tool that made it write "+wanted.name+", or say another type", "it is not %s: %w", wanted.name, err)
}

// kindOf returns the kind whose type uri is, and the version that uri ends with.
func kindOf(uri string) (k *kind, version string) {
	for _, k := range kinds() {
		for _, t := range k.types {
			if uri == t {
				return &k, ""
			}
			// The versions of SPDX and CycloneDX may be part of the type, as in
			// https://spdx.dev/Document/v2.3.
			if v, ok := strings.CutPrefix(uri, t+"/v"); ok && versionText(v) {
				return &k, v
			}
		}
	}
	return nil, ""
}

func versionText(v string) bool {
	return regexp.MustCompile(`^[0-9]+(\.[0-9]+){0,2}$`).MatchString(v)
}

// otherKind returns an error that says what doc is instead of the kind wanted,
// nil if that is not known.
func otherKind(wanted kind, doc object) error {
	for _, k := range kinds() {
		if what := k.like(doc); what != "" && k.name != wanted.name {
			return refusef("say "+k.flag+"=FILE, or give "+wanted.name, "it is %s, not %s", what, wanted.name)
		}
	}
	if what, next := report(doc); what != "" {
		return refusef(next, "it is %s, not %s", what, wanted.name)
	}
	return nil
}

// report knows what scanners write when they are not asked for a predicate.
func report(doc object) (what, next string) {
	_, results := doc.list("Results")
	_, matches := doc.list("matches")
	_, runs := doc.list("runs")
	_, artifacts := doc.list("artifacts")
	_, statements := doc.list("statements")
	_, signatures := doc.list("signatures")
	_, trivy := doc["ArtifactName"]
	switch {
	case results || trivy && doc["SchemaVersion"] != nil:
		return "a report of Trivy", "write the predicate with trivy image --format cosign-vuln, spdx-json or cyclonedx"
	case matches && doc["descriptor"] != nil:
		return "a report of Grype", "give it with --scan-report, or attest it as custom"
	case runs && doc.has([]string{"version"}):
		return "a SARIF report", "give it with --scan-report, or attest it as custom"
	case artifacts && doc["descriptor"] != nil:
		return "Syft's own JSON", "write it with syft -o spdx-json or cyclonedx-json"
	case doc.in("sbom") != nil && likeSPDX(doc.in("sbom")) != "":
		return "an answer of GitHub that holds an SPDX document", "give the document alone: jq .sbom FILE"
	case signatures && doc.in("signed") != nil:
		return "signed in-toto metadata", "give what was signed alone: jq .signed FILE"
	case doc.in("document") != nil && doc.has([]string{"document", "csaf_version"}):
		return "a CSAF advisory", "give its type as a URI of your own"
	case statements && doc["@context"] == nil && doc["document"] != nil:
		return "a VEX document without an @context", "add the @context of OpenVEX"
	}
	return "", ""
}

// notWrapped returns an error if doc holds a predicate inside of what is made
// for it here: signed once more as it is, no verifier would find it.
func notWrapped(doc object) error {
	if t, _ := doc.text("_type"); strings.HasPrefix(t, "https://in-toto.io/Statement/") {
		what := ""
		if p, ok := doc.text("predicateType"); ok {
			what = fmt.Sprintf(" of type %.200q", p)
		}
		return refusef("give its predicate alone: jq .predicate FILE", "it is a whole in-toto statement%s, not the predicate in it", what)
	}
	_, signatures := doc.list("signatures")
	if _, ok := doc.text("payload"); ok && signatures && doc.has([]string{"payloadType"}) {
		return refusef("give its predicate alone: jq -r .payload FILE | base64 -d | jq .predicate", "it is a signed DSSE envelope, not the predicate in it")
	}
	if m, _ := doc.text("mediaType"); strings.HasPrefix(m, "application/vnd.dev.sigstore.bundle") {
		return refusef("give its predicate alone: jq -r .dsseEnvelope.payload FILE | base64 -d | jq .predicate", "it is a Sigstore bundle, not the predicate in it")
	}
	return nil
}

// missing returns an error that names the first path that leads to no text.
func missing(doc object, paths ...string) error {
	for _, p := range paths {
		if !doc.has(strings.Split(p, ".")) {
			return fmt.Errorf("it has no %s", p)
		}
	}
	return nil
}

func likeSPDX(doc object) string {
	if v, ok := doc.text("spdxVersion"); ok {
		return fmt.Sprintf("SPDX (%.40q)", v)
	}
	if spdx3(doc) {
		return "SPDX 3"
	}
	return ""
}

func spdx3(doc object) bool {
	raw := doc["@context"]
	contexts, isList := doc.list("@context")
	if !isList {
		contexts = []json.RawMessage{raw}
	}
	return slices.ContainsFunc(contexts, func(raw json.RawMessage) bool {
		var c string
		return json.Unmarshal(raw, &c) == nil && strings.HasPrefix(c, "https://spdx.org/rdf/3.")
	})
}

// isSPDX asks for what each version of the specification requires of a document
// (https://spdx.github.io/spdx-spec/v2.3/document-creation-information/).
func isSPDX(doc object, version string) error {
	if _, ok := doc.text("spdxVersion"); !ok && spdx3(doc) {
		if version != "" && version != "3" && !strings.HasPrefix(version, "3.") {
			return fmt.Errorf("it is SPDX 3, and the type says %s", version)
		}
		if graph, ok := doc.list("@graph"); !ok || len(graph) == 0 {
			return errors.New("it has no elements (@graph)")
		}
		return nil
	}
	v, ok := doc.text("spdxVersion")
	if !ok {
		return errors.New("it has no spdxVersion")
	}
	m := regexp.MustCompile(`^SPDX-(2\.[0-9]+)$`).FindStringSubmatch(v)
	if m == nil {
		return fmt.Errorf("its spdxVersion is %.40q; the versions known are SPDX-2.x, and SPDX 3 as JSON-LD", v)
	}
	if version != "" && version != m[1] && version != "2" {
		return fmt.Errorf("it is SPDX %s, and the type says %s", m[1], version)
	}
	if id, _ := doc.text("SPDXID"); id != "SPDXRef-DOCUMENT" {
		return fmt.Errorf("its SPDXID is %.40q, where a document has %q", id, "SPDXRef-DOCUMENT")
	}
	if doc.in("creationInfo") == nil {
		return errors.New("it has no creationInfo")
	}
	return missing(doc, "name", "documentNamespace", "creationInfo.created")
}

func likeCycloneDX(doc object) string {
	if f, _ := doc.text("bomFormat"); f != "CycloneDX" {
		return ""
	}
	v, _ := doc.text("specVersion")
	return strings.TrimSpace(fmt.Sprintf("CycloneDX %.40s", printable(v)))
}

func isCycloneDX(doc object, version string) error {
	if f, _ := doc.text("bomFormat"); f != "CycloneDX" {
		return errors.New("its bomFormat is not CycloneDX")
	}
	v, ok := doc.text("specVersion")
	if !ok || !versionText(v) {
		return errors.New("its specVersion is no version")
	}
	if version != "" && version != v {
		return fmt.Errorf("it is CycloneDX %s, and the type says %s", v, version)
	}
	return nil
}

func likeProvenance1(doc object) string {
	if doc["buildDefinition"] == nil || doc["runDetails"] == nil {
		return ""
	}
	return "SLSA provenance v1"
}

// isProvenance1: https://slsa.dev/spec/v1.1/provenance#schema.
func isProvenance1(doc object, _ string) error {
	if err := missing(doc, "buildDefinition.buildType", "runDetails.builder.id"); err != nil {
		return err
	}
	if doc.in("buildDefinition", "externalParameters") == nil {
		return errors.New("it has no buildDefinition.externalParameters")
	}
	return nil
}

func likeProvenance02(doc object) string {
	if doc["builder"] == nil || doc["buildType"] == nil {
		return ""
	}
	return "SLSA provenance v0.2"
}

// isProvenance02: https://slsa.dev/spec/v0.2/provenance#schema.
func isProvenance02(doc object, _ string) error { return missing(doc, "builder.id", "buildType") }

func likeProvenance01(doc object) string {
	if doc["builder"] == nil || doc["recipe"] == nil {
		return ""
	}
	return "SLSA provenance v0.1"
}

// isProvenance01: https://slsa.dev/spec/v0.1/provenance#schema.
func isProvenance01(doc object, _ string) error { return missing(doc, "builder.id", "recipe.type") }

func likeVuln(doc object) string {
	if doc.in("scanner") == nil || doc.in("metadata") == nil {
		return ""
	}
	return "a vulnerability scan as cosign has it"
}

// isVuln: https://github.com/sigstore/cosign/blob/main/specs/COSIGN_VULN_ATTESTATION_SPEC.md.
func isVuln(doc object, _ string) error {
	if err := missing(doc, "scanner.uri"); err != nil {
		return err
	}
	if result := doc.in("scanner")["result"]; result == nil || string(result) == "null" {
		return errors.New("it has no scanner.result")
	}
	for _, name := range []string{"scanStartedOn", "scanFinishedOn"} {
		if err := isTime(doc, "metadata", name); err != nil {
			return err
		}
	}
	return nil
}

func isTime(doc object, path ...string) error {
	s, _ := doc.text(path...)
	if _, err := time.Parse(time.RFC3339, s); err != nil {
		return fmt.Errorf("its %s is no time (RFC 3339)", strings.Join(path, "."))
	}
	return nil
}

func likeOpenVEX(doc object) string {
	if c, _ := doc.text("@context"); !strings.HasPrefix(c, "https://openvex.dev/ns") {
		return ""
	}
	return "OpenVEX"
}

// isOpenVEX: https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md#document.
func isOpenVEX(doc object, version string) error {
	if likeOpenVEX(doc) == "" {
		return errors.New("its @context is not that of OpenVEX")
	}
	if c, _ := doc.text("@context"); version != "" && c != "https://openvex.dev/ns/v"+version {
		return fmt.Errorf("its @context is %.80q, and the type says v%s", c, version)
	}
	if err := missing(doc, "@id", "author"); err != nil {
		return err
	}
	if _, ok := doc.list("statements"); !ok {
		return errors.New("it has no statements")
	}
	return isTime(doc, "timestamp")
}

func likeSummary(doc object) string {
	if doc["verifier"] == nil || doc["verificationResult"] == nil {
		return ""
	}
	return "a verification summary"
}

// isSummary: https://slsa.dev/spec/v1.1/verification_summary#fields.
func isSummary(doc object, _ string) error {
	if err := missing(doc, "verifier.id", "resourceUri", "policy.uri"); err != nil {
		return err
	}
	if r, _ := doc.text("verificationResult"); r != "PASSED" && r != "FAILED" {
		return errors.New("its verificationResult is neither PASSED nor FAILED")
	}
	if levels, ok := doc.list("verifiedLevels"); !ok || len(levels) == 0 {
		return errors.New("it has no verifiedLevels")
	}
	if doc["timeVerified"] != nil {
		return isTime(doc, "timeVerified")
	}
	return nil
}

func likeTestResult(doc object) string {
	if _, ok := doc.list("configuration"); !ok || doc["result"] == nil {
		return ""
	}
	return "a test result"
}

// isTestResult: https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md.
func isTestResult(doc object, _ string) error {
	if _, ok := doc.list("configuration"); !ok {
		return errors.New("it has no configuration")
	}
	if r, _ := doc.text("result"); !slices.Contains([]string{"PASSED", "WARNED", "FAILED"}, r) {
		return errors.New("its result is none of PASSED, WARNED and FAILED")
	}
	return nil
}

func likeLink(doc object) string {
	if t, _ := doc.text("_type"); t == "link" {
		return "an in-toto link"
	}
	if doc["materials"] == nil || doc["byproducts"] == nil {
		return ""
	}
	return "an in-toto link"
}

// isLink: https://github.com/in-toto/attestation/blob/main/spec/predicates/link.md,
// and what its predecessor Link/v1 has.
func isLink(doc object, _ string) error {
	for _, name := range []string{"command", "materials", "products", "byproducts", "environment"} {
		if doc[name] != nil {
			return missing(doc, "name")
		}
	}
	return errors.New("it has neither command, materials, products, byproducts nor environment")
}

// printable returns text with what is not printable ASCII left out.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
}
