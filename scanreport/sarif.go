package scanreport

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// What is read of SARIF 2.1.0 (OASIS, sarif-v2.1.0).
type (
	sarifDoc struct {
		Version string          `json:"version"`
		Runs    list[sarifRun]  `json:"runs"`
		Inline  json.RawMessage `json:"inlineExternalProperties"`
	}
	sarifRun struct {
		Tool struct {
			Driver struct {
				Name    string          `json:"name"`
				Version string          `json:"version"`
				Rules   list[sarifRule] `json:"rules"`
			} `json:"driver"`
			Extensions list[sarifExtension] `json:"extensions"`
		} `json:"tool"`
		Invocations list[sarifInvocation] `json:"invocations"`
		Results     list[sarifResult]     `json:"results"`
		External    json.RawMessage       `json:"externalPropertyFileReferences"`
		Properties  json.RawMessage       `json:"properties"` // of a sarifImage or a sysdigImage
	}
	// What Trivy says of the image that was scanned.
	sarifImage struct {
		ImageName   string       `json:"imageName"`
		ImageID     string       `json:"imageID"`
		RepoTags    list[string] `json:"repoTags"`
		RepoDigests list[string] `json:"repoDigests"`
	}
	// What Sysdig says of it.
	sysdigImage struct {
		PullString string `json:"pullString"`
		Digest     string `json:"digest"`
		ImageID    string `json:"imageId"`
	}
	sarifInvocation struct {
		Successful *bool `json:"executionSuccessful"`
	}
	sarifExtension struct {
		Rules list[sarifRule] `json:"rules"`
	}
	sarifRule struct {
		ID            string    `json:"id"`
		Name          string    `json:"name"`
		Help          sarifText `json:"help"`
		Configuration struct {
			Level string `json:"level"`
		} `json:"defaultConfiguration"`
		Properties sarifBag `json:"properties"`
	}
	sarifResult struct {
		RuleID    string `json:"ruleId"`
		RuleIndex *int   `json:"ruleIndex"`
		Rule      struct {
			ID    string `json:"id"`
			Index *int   `json:"index"`
		} `json:"rule"`
		Kind       string              `json:"kind"`
		Level      string              `json:"level"`
		Message    sarifText           `json:"message"`
		Locations  list[sarifLocation] `json:"locations"`
		Properties sarifBag            `json:"properties"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
		} `json:"physicalLocation"`
	}
	// The properties of a rule or a result. GitHub reads security-severity and
	// tags, Docker Scout writes the rest, Grype purls, and others severities of
	// their own.
	sarifBag struct {
		Score    json.RawMessage `json:"security-severity"`
		Tags     list[string]    `json:"tags"`
		Word     string          `json:"cvssV3_severity"`
		PURLs    list[string]    `json:"purls"`
		FixedIn  string          `json:"fixed_version"`
		Affected string          `json:"affected_version"`

		said Severity // the worst word in a property that is called a severity
	}
)

// sarifOpaque are the names of what is of no interest here, and may have names
// of anybody's own.
func sarifOpaque() []string {
	return []string{
		"artifacts", "taxonomies", "translations", "policies", "addresses", "graphs", "codeFlows", "threadFlowLocations", "webRequests", "webResponses",
		"partialFingerprints", "fingerprints", "originalUriBaseIds", "relatedLocations", "externalPropertyFileReferences", "conversion", "fixes",
		"messageStrings", "globalMessageStrings", "environmentVariables",
	}
}

// vulnerabilityID matches the ID of a vulnerability in the ID of a rule.
var vulnerabilityID = sync.OnceValue(func() *regexp.Regexp {
	ids := strings.Join([]string{
		`(?:CVE|GO)-[0-9]{4}-[0-9]{4,}`,
		`(?:GHSA|CGA)(?:-[0-9a-z]{4}){3}`,
		`(?:RUSTSEC|PYSEC|GMS|DSA|DLA|USN|GLSA)-[0-9][0-9-]*[0-9]`,
		`(?:MAL|OSV|MGASA|PRISMA|WS|SONATYPE)-[0-9]{4}-[0-9]+`,
		`(?:RHSA|RHBA|RHEA|ELSA|ELBA|ALSA|ALBA|RLSA|RXSA|OESA|(?:OPEN)?SUSE-[SR]U)-[0-9]{4}[:-][0-9]+(?:-[0-9]+)?`,
		`ALAS[A-Z0-9.-]*-[0-9]{4}-[0-9]+`,
		`SNYK-[A-Z0-9]+-[A-Z0-9.-]+-[0-9]+`,
		`BIT-[A-Z0-9.-]+-[0-9]{4}-[0-9]+`,
		`TEMP-[0-9]{7}-[0-9A-F]{6}`,
		`XRAY-[0-9]+`,
	}, "|")
	return regexp.MustCompile(`(?i)(?:^|[^A-Z0-9])(` + ids + `)(?:$|[^A-Z0-9])`)
})

// findID returns the first ID of a vulnerability in text, "" if there is none.
func findID(text string) string {
	if m := vulnerabilityID().FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

func readSARIF(text []byte) (Report, error) {
	var doc sarifDoc
	if err := strict(text, &doc, sarifOpaque()...); err != nil {
		return Report{}, err
	}
	if doc.Version != "2.1.0" {
		return Report{}, refuse(ErrNotReport, "write it as SARIF 2.1.0", "it is SARIF of version %s, and only 2.1.0 is known", quoted(doc.Version))
	}
	if present(doc.Inline) {
		return Report{}, refuse(ErrIncomplete, "write all of it into the runs", "a part of what was found is outside of the runs (inlineExternalProperties)")
	}
	r := Report{format: SARIF, sound: true}
	s := sarifReader{report: &r}
	if err := doc.Runs.each("runs", maxRuns, s.run); err != nil {
		return Report{}, err
	}
	r.tool = strings.Join(s.tools, ", ")
	const nextJSON = "give the scanner's own JSON, which says more: " + trivyCommand + ", or grype IMAGE -o json=FILE"
	switch {
	case len(r.findings) > 0 && s.unclear != "":
		return Report{}, refuse(ErrAmbiguous, "give what the scanner of the image wrote in a file of its own, and leave out what others wrote",
			"nothing shows whether what %s found beside the others are vulnerabilities", quoted(s.unclear))
	case len(r.findings) > 0:
		return r, nil
	case s.others > 0:
		return Report{}, refuse(ErrNotVulnerabilities, nextJSON, "none of its %d results is of a vulnerability in a package", s.others)
	case len(s.tools) == 0:
		return Report{}, refuse(ErrNotVulnerabilities, nextJSON, "no run in it is one of a program that is known to look for vulnerabilities in images")
	}
	r.empty = true
	return r, refuse(ErrNothingScanned, nextJSON+"; --allow-empty-scan takes it as it is", "SARIF without results does not tell a clean image from one in which no packages were found")
}

// present reports whether a place has something in it.
func present(at json.RawMessage) bool { return len(at) > 0 && string(at) != "null" }

// errExtension says that an extension has a rule.
var errExtension = errors.New("a rule of an extension")

// A sarifReader reads the runs of a SARIF log.
type sarifReader struct {
	report *Report
	tools  []string // those that look for vulnerabilities
	others int      // results that are something else
	// unclear is the first program whose results may be vulnerabilities or
	// something else; "" for none.
	unclear string
}

// A sarifTool is a program that is known to look for vulnerabilities.
type sarifTool int

const (
	anyTool sarifTool = iota
	trivyTool
	grypeTool
	scoutTool
	osvTool
	sysdigTool
)

func toolOf(driver string) sarifTool {
	switch strings.ToLower(driver) {
	case "trivy":
		return trivyTool
	case "grype":
		return grypeTool
	case "docker scout":
		return scoutTool
	case "osv-scanner":
		return osvTool
	case "sysdig-cli-scanner":
		return sysdigTool
	}
	return anyTool
}

// otherKind reports whether a program is known to look for something else than
// vulnerabilities in packages. Whatever is not known may be one that calls them in
// a way of its own.
func otherKind(driver string) bool {
	switch strings.ToLower(driver) {
	case "codeql", "gosec", "eslint", "bandit", "hadolint", "dockle", "kics", "tfsec", "gitleaks", "shellcheck", "zizmor":
		return true
	}
	return false
}

func (s *sarifReader) run(i int, run sarifRun) error {
	driver := run.Tool.Driver
	tool := toolOf(driver.Name)
	if !run.Results.there() {
		// Null, or nothing: sarif-v2.1.0, 3.14.23.
		return refuse(ErrIncomplete, "look at what the scanner said, and scan again", "run %d in it, of %s, has no results, not even an empty list of them", i+1, quoted(driver.Name))
	}
	err := run.Invocations.each("invocations", maxList, func(_ int, in sarifInvocation) error {
		if in.Successful != nil && !*in.Successful {
			return refuse(ErrIncomplete, "look at what the scanner said, and scan again", "%s says that it failed (executionSuccessful)", quoted(driver.Name))
		}
		return nil
	})
	if err != nil {
		return err
	}
	scanned, err := scannedBy(tool, run.Properties)
	if err != nil {
		return err
	}
	if tool == trivyTool && !scanned.named() {
		return notImage("Trivy", "no image, or it is a version that does not name it", "trivy image --format sarif --output FILE IMAGE")
	}
	rules, err := s.rules(tool, driver.Rules)
	if err != nil {
		return err
	}
	at := len(s.report.findings)
	named := tool != anyTool
	images := []string{}
	others := 0
	err = run.Results.each("results", maxFindings, func(_ int, result sarifResult) error {
		if result.Kind == "pass" || result.Kind == "notApplicable" {
			return nil
		}
		if result.torn() {
			return refuse(ErrAmbiguous, "give the scanner's own JSON", "a result of %s names two rules, in ruleId or ruleIndex and in rule", quoted(driver.Name))
		}
		rule := rules.of(result)
		if tool == trivyTool && slices.Contains([]string{"Misconfiguration", "Secret", "License"}, rule.Name) && !vulnerable(result) {
			others++
			return nil
		}
		f := sarifFinding{tool: tool, result: result, rule: rule}
		finding, err := f.finding()
		if err != nil {
			return err
		}
		named = named || findID(result.id(rule)) != "" || f.tagged("vulnerability")
		if tool == grypeTool {
			if f.elsewhere() {
				return notImage("Grype", "no image", "grype IMAGE -o json=FILE")
			}
			if f.image != "" && !slices.Contains(images, f.image) && len(images) < maxList {
				images = append(images, f.image)
			}
		}
		return s.report.add(finding, nil)
	})
	switch {
	case err != nil:
		return err
	case present(run.External):
		return refuse(ErrIncomplete, "write all of it into one file", "a part of what %s found is in other files (externalPropertyFileReferences)", quoted(driver.Name))
	case !named:
		if n := others + len(s.report.findings) - at; n > 0 {
			s.others += n
			if !otherKind(driver.Name) {
				s.unclear = cmp.Or(s.unclear, driver.Name, "a program without a name")
			}
			if len(s.report.ignored) == maxNamed { // more would say no more
				s.report.ignored = s.report.ignored[:maxNamed-1]
			}
			s.report.ignored = append(s.report.ignored, fmt.Sprintf("%s of %s", count(n, "result"), printable(driver.Name)))
		}
		s.report.findings = s.report.findings[:at]
		return nil
	}
	err = run.Tool.Extensions.each("extensions", maxRules, func(_ int, e sarifExtension) error {
		return e.Rules.each("rules of an extension", 1, func(int, sarifRule) error { return errExtension })
	})
	switch {
	case errors.Is(err, errExtension):
		return refuse(ErrAmbiguous, "give the scanner's own JSON", "%s has rules in extensions, and which rule a result means is not looked for there", quoted(driver.Name))
	case err != nil:
		return err
	}
	s.others += others
	s.tools = append(s.tools, strings.TrimSpace(cut(driver.Name+" "+driver.Version)))
	for _, name := range images {
		scanned.add(name)
	}
	s.report.about = append(s.report.about, scanned)
	return nil
}

// scannedBy reads what the properties of a run say of the image.
func scannedBy(tool sarifTool, properties json.RawMessage) (about, error) {
	if !present(properties) {
		return newAbout("", nil), nil
	}
	if tool == sysdigTool {
		var image sysdigImage
		if err := strict(properties, &image); err != nil {
			return about{}, err
		}
		known := []string{cut(image.PullString)}
		if image.Digest != "" {
			known = append(known, "@"+cut(image.Digest))
		}
		return newAbout(image.ImageID, known), nil
	}
	var image sarifImage
	if err := strict(properties, &image); err != nil {
		return about{}, err
	}
	digests, err := texts(image.RepoDigests, "repoDigests")
	if err != nil {
		return about{}, err
	}
	tags, err := texts(image.RepoTags, "repoTags")
	if err != nil {
		return about{}, err
	}
	return newAbout(image.ImageID, slices.Concat(digests, []string{cut(image.ImageName)}, tags)), nil
}

// vulnerable reports whether Trivy says in a result that it is of a package.
// What its rule says does not tell: results of one ID have one rule, that of the
// last, and the ID of a license has the name of a package, which anybody chooses.
func vulnerable(r sarifResult) bool { return strings.HasPrefix(r.Message.Text, "Package: ") }

func (r sarifResult) id(rule sarifRule) string {
	for _, id := range []string{r.RuleID, r.Rule.ID, rule.ID} {
		if id != "" {
			return id
		}
	}
	return ""
}
