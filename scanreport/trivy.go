package scanreport

import (
	"encoding/json"
	"slices"
	"strings"
)

// What is read of Trivy's JSON (pkg/types of Trivy: Report).
type (
	trivyDoc struct {
		SchemaVersion int    `json:"SchemaVersion"`
		ArtifactName  string `json:"ArtifactName"`
		ArtifactType  string `json:"ArtifactType"`
		Trivy         struct {
			Version string `json:"Version"`
		} `json:"Trivy"`
		Metadata struct {
			OS struct {
				Family string `json:"Family"`
				EOSL   bool   `json:"EOSL"`
			} `json:"OS"`
			ImageID     string       `json:"ImageID"`
			RepoTags    list[string] `json:"RepoTags"`
			RepoDigests list[string] `json:"RepoDigests"`
		} `json:"Metadata"`
		Results list[trivyResult] `json:"Results"`
	}
	trivyResult struct {
		Target          string                   `json:"Target"`
		Class           string                   `json:"Class"`
		Packages        list[json.RawMessage]    `json:"Packages"`
		Vulnerabilities list[trivyVulnerability] `json:"Vulnerabilities"`
		// Those that .trivyignore or VEX left out, with --show-suppressed.
		Modified list[json.RawMessage] `json:"ExperimentalModifiedFindings"`
	}
	trivyVulnerability struct {
		VulnerabilityID  string       `json:"VulnerabilityID"`
		VendorIDs        list[string] `json:"VendorIDs"`
		PkgName          string       `json:"PkgName"`
		PkgPath          string       `json:"PkgPath"`
		InstalledVersion string       `json:"InstalledVersion"`
		FixedVersion     string       `json:"FixedVersion"`
		Status           string       `json:"Status"`
		Severity         string       `json:"Severity"`
	}
)

// trivyOpaque are the names whose values are the image's or another scanner's.
func trivyOpaque() []string {
	return []string{
		"ImageConfig", "Packages", "Misconfigurations", "Secrets", "Licenses", "CustomResources", "CryptoAssets", "Custom", "CVSS",
		"VendorSeverity", "ExperimentalModifiedFindings",
	}
}

const (
	trivyCommand = "trivy image --scanners vuln --list-all-pkgs=false --format json --output FILE IMAGE"
	nextTrivy    = "scan the image for vulnerabilities: " + trivyCommand
)

func readTrivy(text []byte) (Report, error) {
	var head struct {
		SchemaVersion json.RawMessage `json:"SchemaVersion"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return Report{}, malformed("%w", typeError(err))
	}
	if v := string(head.SchemaVersion); v != "2" {
		return Report{}, refuse(ErrNotReport, "write it with a version of Trivy that writes schema version 2", "it is Trivy's JSON of schema version %s, and only 2 is known", quoted(v))
	}
	var doc trivyDoc
	if err := strict(text, &doc, trivyOpaque()...); err != nil {
		return Report{}, err
	}
	if doc.ArtifactType != "container_image" {
		return Report{}, notImage("Trivy", trivyArtifact(doc.ArtifactType), trivyCommand)
	}
	r := Report{format: Trivy, tool: strings.TrimSpace("Trivy " + cut(doc.Trivy.Version)), sound: true, unsupported: doc.Metadata.OS.EOSL}
	digests, err := texts(doc.Metadata.RepoDigests, "RepoDigests")
	if err != nil {
		return Report{}, err
	}
	tags, err := texts(doc.Metadata.RepoTags, "RepoTags")
	if err != nil {
		return Report{}, err
	}
	r.about = []about{newAbout(doc.Metadata.ImageID, slices.Concat(digests, []string{cut(doc.ArtifactName)}, tags))}
	packages, listed, looked, others := 0, false, doc.Metadata.OS.EOSL, []string{}
	// What calls itself a distribution and has no packages of its own is another matter.
	osMissing := doc.Metadata.OS.Family != "" && doc.Metadata.OS.Family != "activestate"
	err = doc.Results.each("Results", maxResults, func(i int, result trivyResult) error {
		before, suppressed := len(r.findings), r.suppressed
		err := result.Vulnerabilities.each("Vulnerabilities", maxFindings, func(_ int, v trivyVulnerability) error {
			return r.add(v.finding(result.Target))
		})
		if err != nil {
			return err
		}
		err = result.Modified.each("ExperimentalModifiedFindings", maxFindings, func(int, json.RawMessage) error {
			r.suppressed++
			return nil
		})
		switch {
		case result.Class == "os-pkgs", result.Class == "lang-pkgs", len(r.findings) > before:
			packages++
			osMissing = osMissing && result.Class != "os-pkgs"
			listed = listed || result.Packages.there()
			looked = looked || len(r.findings) > before || r.suppressed > suppressed
		case !slices.Contains(others, result.Class) && len(others) < maxList:
			others = append(others, result.Class)
		}
		return err
	})
	switch {
	case err != nil:
		return Report{}, err
	case packages == 0 && len(others) > 0:
		return Report{}, refuse(ErrNotVulnerabilities, nextTrivy, "Trivy looked for other things only: its results are of the class %s", quoted(strings.Join(others, ", ")))
	case packages == 0:
		r.empty = true
		return r, refuse(ErrNothingScanned, nextTrivy+"; if the image really has no packages, say so with --allow-empty-scan",
			"Trivy lists no results of the classes os-pkgs and lang-pkgs: it found no packages, or was not asked to look for vulnerabilities")
	case osMissing:
		// It has such a result of each distribution that it knows, also without any
		// vulnerability; "none" is one that it has packages of and does not find.
		r.empty = true
		return r, refuse(ErrNothingScanned, nextTrivy+"; if its own packages need not be looked at, say so with --allow-empty-scan",
			"Trivy names the distribution %s and has no result of its packages: it knows nothing of their vulnerabilities, or was told to leave them out (--pkg-types)", quoted(cut(doc.Metadata.OS.Family)))
	case listed && !looked:
		// Trivy lists packages whenever it is asked for a list, which is its default,
		// and not otherwise unless it looks for vulnerabilities.
		r.empty = true
		return r, refuse(ErrNothingScanned, "have it list only what it looked at for vulnerabilities: "+trivyCommand,
			"Trivy lists packages and not one vulnerability, as it does where it was not asked to look for any (--scanners)")
	}
	return r, nil
}

func trivyArtifact(typ string) string {
	switch typ {
	case "filesystem":
		return "a file system"
	case "repository":
		return "a repository"
	case "vm":
		return "a virtual machine"
	case "cyclonedx", "spdx":
		return "an SBOM"
	case "":
		return "nothing that it names"
	}
	return quoted(typ)
}

// notImage says that something else was scanned.
func notImage(tool, what, command string) error {
	return refuse(ErrNotImage, "scan the image: "+command, "%s scanned %s", tool, what)
}

func (v trivyVulnerability) finding(target string) (Finding, error) {
	f := Finding{ID: v.VulnerabilityID, Package: v.PkgName, Version: v.InstalledVersion, Location: v.PkgPath}
	if f.Location == "" {
		f.Location = target
	}
	var err error
	if f.Aliases, err = texts(v.VendorIDs, "VendorIDs of "+quoted(v.VulnerabilityID)); err != nil {
		return f, err
	}
	if f.Severity, err = ParseSeverity(v.Severity); err != nil {
		return f, malformed("%s: %w", quoted(v.VulnerabilityID), err)
	}
	// Trivy joins the versions of several branches by commas.
	f.FixedIn = versions(strings.Split(v.FixedVersion, ","))
	switch v.Status {
	case "will_not_fix", "end_of_life":
		f.Fix = WillNotFix
	case "", "unknown", "not_affected", "affected", "fixed", "under_investigation", "fix_deferred":
		f.Fix = NotFixed // as Trivy's --ignore-unfixed has it: what has no fixed version
	}
	if len(f.FixedIn) > 0 || v.Status == "fixed" {
		f.Fix = Fixed
	}
	return f, nil
}

// versions returns texts without blanks around them, and without empty ones.
func versions(texts []string) []string {
	var all []string
	for _, t := range texts {
		if t = strings.TrimSpace(t); t != "" && len(all) < maxList {
			all = append(all, cut(t))
		}
	}
	return all
}
