package scanreport

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A sarifFinding makes a Finding of a result.
type sarifFinding struct {
	tool   sarifTool
	result sarifResult
	rule   sarifRule
	image  string // that Grype names in its message
}

func (s *sarifFinding) tagged(tag string) bool {
	found := false
	for _, bag := range []sarifBag{s.result.Properties, s.rule.Properties} {
		_ = bag.Tags.each("tags", maxTags, func(_ int, t string) error { // severity has read them
			found = found || strings.EqualFold(t, tag)
			return nil
		})
	}
	return found
}

func (s *sarifFinding) finding() (Finding, error) {
	full := s.result.id(s.rule)
	f := Finding{ID: full}
	if len(full) > maxText {
		return f, malformed("the ID of a rule has %d bytes", len(full))
	}
	if id := findID(full); id != "" {
		f.ID, f.Aliases = id, []string{full}
	}
	if err := s.described(&f); err != nil {
		return f, err
	}
	if s.tool == grypeTool && f.Package != "" {
		if id, ok := strings.CutSuffix(full, "-"+f.Package); ok && id != "" {
			f.ID, f.Aliases = id, nil
		}
	}
	err := s.result.Locations.each("locations", maxResults, func(i int, l sarifLocation) error {
		if i == 0 {
			f.Location = l.Physical.Artifact.URI
		}
		return nil
	})
	if err != nil {
		return f, err
	}
	f.Severity, err = s.severity(&f)
	return f, err
}

// grypeMessage matches what Grype's SARIF says of a result.
var grypeMessage = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?s)^An? ([a-z]+) vulnerability in \S+ package: (.+), version (.*?) was found (?:in image (\S+) at: .*|(at: |from ).*)$`)
})

// elsewhere reports whether Grype says that it looked at something that is no
// image.
func (s *sarifFinding) elsewhere() bool {
	m := grypeMessage().FindStringSubmatch(s.result.Message.Text)
	return m != nil && m[5] != ""
}

// described fills in what each program says of a finding in its own way.
func (s *sarifFinding) described(f *Finding) error {
	switch s.tool {
	case trivyTool:
		lines := linesOf(s.result.Message.Text, "Package", "Installed Version", "Fixed Version")
		f.Package, f.Version = lines["Package"], lines["Installed Version"]
		if fixed, ok := lines["Fixed Version"]; ok {
			f.Fix, f.FixedIn = fixOf(fixed)
		}
	case grypeTool:
		lines := linesOf(s.rule.Help.Text, "Package", "Version", "Fix Version")
		f.Package, f.Version = lines["Package"], lines["Version"]
		// Without a version Grype's database may have said that there is no fix,
		// or nothing.
		if fixed := versions(strings.Split(lines["Fix Version"], ",")); len(fixed) > 0 {
			f.Fix, f.FixedIn = Fixed, fixed
		}
		if m := grypeMessage().FindStringSubmatch(s.result.Message.Text); m != nil {
			f.Package, f.Version, s.image = m[2], m[3], grypeInput(m[4])
		}
	default:
		name, version, err := s.onePackage()
		if err != nil {
			return err
		}
		f.Package, f.Version = name, version
		for _, bag := range []sarifBag{s.result.Properties, s.rule.Properties} {
			if f.Fix != FixUnknown || bag.FixedIn == "" {
				continue
			}
			if f.Fix, f.FixedIn = fixOf(bag.FixedIn); strings.EqualFold(bag.FixedIn, "not fixed") {
				f.Fix, f.FixedIn = NotFixed, nil
			}
		}
	}
	return nil
}

// fixOf reads the versions that have a fix, joined by commas; none says that
// there is no fix.
func fixOf(text string) (Fix, []string) {
	if all := versions(strings.Split(text, ",")); len(all) > 0 {
		return Fixed, all
	}
	return NotFixed, nil
}

// linesOf reads lines of "Key: value" with one of the keys. A key that stands
// twice is left out: the name of a package may have been made to look like such
// lines.
func linesOf(text string, keys ...string) map[string]string {
	found := map[string]string{}
	twice := map[string]bool{}
	for line := range strings.SplitSeq(text, "\n") {
		key, value, ok := strings.Cut(line, ":")
		if !ok || !slices.Contains(keys, key) {
			continue
		}
		_, again := found[key]
		twice[key] = twice[key] || again
		found[key] = strings.TrimSpace(value)
	}
	for key, t := range twice {
		if t {
			delete(found, key)
		}
	}
	return found
}

// onePackage returns name and version of the one package that the rule's or the
// result's package URLs name; "" where they name several, or none.
func (s *sarifFinding) onePackage() (name, version string, err error) {
	for _, bag := range []sarifBag{s.result.Properties, s.rule.Properties} {
		several := false
		err := bag.PURLs.each("purls", maxList, func(i int, purl string) error {
			n, v := purlOf(purl)
			several = several || i > 0 && (n != name || v != version)
			name, version = n, v
			return nil
		})
		if err != nil {
			return "", "", err
		}
		if several {
			return "", "", nil
		}
		if name != "" {
			break
		}
	}
	return name, version, nil
}

// purlOf returns the name, behind its namespace, and the version of a package
// URL.
func purlOf(purl string) (name, version string) {
	purl, _, _ = strings.Cut(purl, "#")
	purl, _, _ = strings.Cut(purl, "?")
	i := strings.LastIndexByte(purl, '@')
	if i >= 0 {
		purl, version = purl[:i], unescape(purl[i+1:])
	}
	rest, ok := strings.CutPrefix(purl, "pkg:")
	typ, path, slash := strings.Cut(rest, "/")
	if !ok || !slash {
		return "", ""
	}
	name = unescape(path)
	// Those of distributions have the distribution in front, of which no tool
	// speaks when it names the package.
	if slices.Contains([]string{"deb", "apk", "rpm", "alpm"}, typ) {
		if _, short, ok := strings.Cut(name, "/"); ok {
			name = short
		}
	}
	return name, version
}

// unescape undoes percent-encoding; what is none is kept.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return strings.ToValidUTF8(b.String(), "\ufffd")
}
