package scanreport

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// What is read of Grype's JSON (grype/presenter/models of Grype: Document).
type (
	grypeDoc struct {
		Matches        list[grypeMatch]      `json:"matches"`
		IgnoredMatches list[json.RawMessage] `json:"ignoredMatches"`
		Source         *struct {
			Type   string          `json:"type"`
			Target json.RawMessage `json:"target"` // an object of an image only
		} `json:"source"`
		Distro struct {
			Name string `json:"name"`
		} `json:"distro"`
		Alerts     list[grypeAlerts] `json:"alertsByPackage"`
		Descriptor struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"descriptor"`
	}
	grypeTarget struct {
		UserInput      string       `json:"userInput"`
		ImageID        string       `json:"imageID"`
		ManifestDigest string       `json:"manifestDigest"`
		Tags           list[string] `json:"tags"`
		RepoDigests    list[string] `json:"repoDigests"`
	}
	grypeMatch struct {
		Vulnerability struct {
			ID       string `json:"id"`
			Severity string `json:"severity"`
			Fix      struct {
				Versions list[string] `json:"versions"`
				State    string       `json:"state"`
			} `json:"fix"`
		} `json:"vulnerability"`
		Related  list[grypeRelated] `json:"relatedVulnerabilities"`
		Artifact struct {
			Name      string              `json:"name"`
			Version   string              `json:"version"`
			Locations list[grypeLocation] `json:"locations"`
		} `json:"artifact"`
	}
	grypeAlerts struct {
		Alerts list[grypeAlert] `json:"alerts"`
	}
	grypeAlert struct {
		Type string `json:"type"`
	}
	grypeRelated struct {
		ID string `json:"id"`
	}
	grypeLocation struct {
		Path string `json:"path"`
	}
)

// grypeOpaque are the names whose values are the image's, the package's or the
// database's own.
func grypeOpaque() []string {
	return []string{"matchDetails", "metadata", "annotations", "labels", "configuration", "db", "vendorMetadata", "ignoredMatches"}
}

func readGrype(text []byte) (Report, error) {
	// Of another program's document nothing is known, not even its names.
	var head struct {
		Descriptor struct {
			Name string `json:"name"`
		} `json:"descriptor"`
	}
	if err := json.Unmarshal(text, &head); err != nil || head.Descriptor.Name != "grype" {
		return Report{}, refuse(ErrNotReport, nextFormats, "it has matches, as Grype's JSON has, and does not say that Grype wrote it")
	}
	var doc grypeDoc
	if err := strict(text, &doc, grypeOpaque()...); err != nil {
		return Report{}, err
	}
	const command = "grype IMAGE -o json=FILE"
	switch {
	case doc.Source == nil || doc.Source.Type == "unknown":
		return Report{}, notImage("Grype", "nothing that it names", command)
	case doc.Source.Type != "image":
		return Report{}, notImage("Grype", "a source of the type "+quoted(doc.Source.Type), command)
	case !doc.Matches.there():
		return Report{}, malformed("matches is null")
	}
	if len(doc.Source.Target) == 0 || doc.Source.Target[0] != '{' {
		return Report{}, malformed("source.target is not what Grype says of an image")
	}
	var target grypeTarget
	if err := strict(doc.Source.Target, &target, "labels", "annotations"); err != nil {
		return Report{}, err
	}
	r := Report{format: Grype, tool: strings.TrimSpace("Grype " + cut(doc.Descriptor.Version)), sound: true}
	digests, err := texts(target.RepoDigests, "repoDigests")
	if err != nil {
		return Report{}, err
	}
	tags, err := texts(target.Tags, "tags")
	if err != nil {
		return Report{}, err
	}
	a := newAbout(target.ImageID, slices.Concat(digests, []string{grypeInput(cut(target.UserInput))}, tags))
	if target.ManifestDigest != "" {
		a.digests = append(a.digests, cut(target.ManifestDigest))
	}
	r.about = []about{a}
	err = doc.Matches.each("matches", maxFindings, func(_ int, m grypeMatch) error { return r.add(m.finding()) })
	if err != nil {
		return Report{}, err
	}
	err = doc.IgnoredMatches.each("ignoredMatches", maxFindings, func(int, json.RawMessage) error {
		r.suppressed++
		return nil
	})
	if err != nil {
		return Report{}, err
	}
	overlooked := ""
	err = doc.Alerts.each("alertsByPackage", maxResults, func(_ int, p grypeAlerts) error {
		return p.Alerts.each("alerts", maxList, func(_ int, a grypeAlert) error {
			switch {
			case a.Type == "distro-eol":
				r.unsupported = true
			case strings.HasPrefix(a.Type, "distro-"): // disabled, unknown: it was compared with nothing
				overlooked = cmp.Or(overlooked, a.Type)
			}
			return nil
		})
	})
	switch {
	case err != nil:
		return Report{}, err
	case overlooked != "":
		r.empty = true
		return r, refuse(ErrNothingScanned, "scan it with a program that knows its distribution; if its own packages need not be looked at, say so with --allow-empty-scan",
			"Grype has alerts of the type %s: it knows no vulnerabilities of that distribution, and did not look at its packages", quoted(overlooked))
	case len(r.findings)+r.suppressed == 0 && doc.Distro.Name == "":
		r.empty = true
		return r, refuse(ErrNothingScanned, "scan it with Trivy, whose JSON lists what was looked at; if the image really has no packages, say so with --allow-empty-scan",
			"Grype found neither a distribution nor a match, and does not say whether it found packages")
	}
	return r, nil
}

// grypeInput returns what was scanned without the scheme that says from where,
// such as registry:alpine; "" where that is a
// file.
func grypeInput(input string) string {
	scheme, rest, ok := strings.Cut(input, ":")
	switch {
	case ok && slices.Contains([]string{"docker", "podman", "containerd", "registry"}, scheme):
		return rest
	case ok && slices.Contains([]string{"docker-archive", "oci-archive", "oci-dir", "singularity", "sbom"}, scheme):
		return "" // a file
	}
	return input
}

func (m grypeMatch) finding() (Finding, error) {
	v := m.Vulnerability
	f := Finding{ID: v.ID, Package: m.Artifact.Name, Version: m.Artifact.Version}
	err := m.Related.each("relatedVulnerabilities of "+quoted(v.ID), maxList, func(_ int, r grypeRelated) error {
		f.Aliases = append(f.Aliases, r.ID)
		return nil
	})
	if err != nil {
		return f, err
	}
	// An advisory of several vulnerabilities, as ALAS and ELSA have them, is none of
	// them: whoever lets one through has said nothing of the others.
	slices.Sort(f.Aliases)
	f.Aliases = slices.DeleteFunc(slices.Compact(f.Aliases), func(a string) bool { return a == f.ID })
	if len(f.Aliases) > 1 {
		f.Aliases = nil
	}
	err = m.Artifact.Locations.each("locations of "+quoted(v.ID), maxResults, func(i int, l grypeLocation) error {
		if i == 0 {
			f.Location = l.Path
		}
		return nil
	})
	if err != nil {
		return f, err
	}
	if v.Severity != "" { // Grype leaves it out where its database has nothing on the vulnerability
		if f.Severity, err = ParseSeverity(v.Severity); err != nil {
			return f, malformed("%s: %w", quoted(v.ID), err)
		}
	}
	fixed, err := texts(v.Fix.Versions, "versions of "+quoted(v.ID))
	if err != nil {
		return f, err
	}
	f.FixedIn = versions(fixed)
	switch v.Fix.State {
	case "fixed":
		f.Fix = Fixed
	case "not-fixed":
		f.Fix = NotFixed
	case "wont-fix":
		f.Fix = WillNotFix
	}
	if len(f.FixedIn) > 0 {
		f.Fix = Fixed
	}
	return f, nil
}
