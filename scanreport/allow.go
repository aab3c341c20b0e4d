package scanreport

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

// An Allowed is an entry of an allow file: a vulnerability that is known, and is
// let through for a while. One without ID, Until or Reason lets nothing through.
type Allowed struct {
	ID      string         // of the vulnerability, or an alias of it
	Package string         // a name in which * stands for anything; "" for every package
	Until   time.Time      // the beginning of its last day, UTC
	Reason  string         // why it may be there
	At      image.Position // where the entry stands
}

// end returns when the last day of a is over.
func (a Allowed) end() time.Time { return a.Until.AddDate(0, 0, 1) }

// day returns the last day of a.
func (a Allowed) day() string { return a.Until.UTC().Format(time.DateOnly) }

// counts reports whether a lets anything through at the time now. Without a time
// nobody knows.
func (a Allowed) counts(now time.Time) bool {
	return a.ID != "" && a.Reason != "" && !a.Until.IsZero() && !now.IsZero() && now.Before(a.end())
}

// String names the entry and its place, as one printable line.
func (a Allowed) String() string {
	s := "the entry for " + printable(a.ID)
	if a.Package != "" {
		s += " in " + printable(a.Package)
	}
	if a.At.Line > 0 {
		s += fmt.Sprintf(" (%s:%d)", printable(a.At.File), a.At.Line)
	}
	return s
}

// An AllowError is why an allow file cannot be read: everything that is wrong
// with its text.
type AllowError struct{ yamlshape.Refusal }

// What an allow file says. What one field alone cannot say is checked in
// ReadAllow.
type (
	allowText struct {
		At      image.Position
		Version int         `yaml:"version,required" enum:"1" doc:"Version of the form of the file: 1."`
		Allow   []entryText `yaml:"allow" max:"2000" example:"{id: CVE-2026-1234, until: 2026-12-31, reason: …}" doc:"Vulnerabilities that are known and let through for a while."`
	}
	entryText struct {
		At      image.Position
		ID      yamlshape.Text `yaml:"id,required" example:"CVE-2026-1234" doc:"ID of the vulnerability, or an alias of it that the report names. Upper and lower case are the same."`
		Package yamlshape.Text `yaml:"package" example:"openssl*" doc:"Name of the package; * stands for anything. Without it the entry is for every package."`
		Until   yamlshape.Date `yaml:"until,required" example:"2026-12-31" doc:"The last day, such as 2026-12-31 (UTC)."`
		Reason  yamlshape.Text `yaml:"reason,required" example:"not reachable, see issue 12" doc:"Why it may be there."`
	}
)

// SchemaID is what the schema of allow files calls itself.
const SchemaID = "https://github.com/boltseal/boltseal/blob/main/docs/scan-allow.schema.json"

// AllowSchema describes allow files as JSON Schema (draft-07, which YAML editors
// know best). What [ReadAllow] accepts follows it.
func AllowSchema() map[string]any {
	s := yamlshape.Schema(allowText{})
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	s["$id"] = SchemaID
	s["title"] = "boltseal allow file"
	s["description"] = "Vulnerabilities in images that are known, and let through for a while."
	return s
}

// RefineSchema adds what faults checks.
func (entryText) RefineSchema(s map[string]any) {
	all, _ := s["properties"].(map[string]any)
	for name, more := range map[string]map[string]any{
		"id": {"pattern": idForm}, "package": {"maxLength": maxPattern}, "reason": {"maxLength": maxReason},
	} {
		property, _ := all[name].(map[string]any)
		maps.Copy(property, more)
	}
}

const (
	maxPattern = 300  // bytes of a package's name
	maxStars   = 8    // of a package's name
	maxReason  = 1000 // bytes
)

// idForm is the form of the ID of one vulnerability.
const idForm = `^[A-Za-z0-9][A-Za-z0-9._:+-]{0,199}$`

// idPattern matches it.
var idPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(idForm) })

// ReadAllow reads text, an allow file called name, which is YAML or JSON. An
// error is an [*AllowError]. Whether an entry has ended is not looked at:
// [Report.Judge] says so.
func ReadAllow(name string, text []byte) ([]Allowed, error) {
	var file allowText
	faults := yamlshape.Read(name, text, &file)
	all := make([]Allowed, 0, len(file.Allow))
	seen := map[string]int{} // their lines
	for _, e := range file.Allow {
		faults = append(faults, e.faults()...)
		key := upper(e.ID.Value) + " " + e.Package.Value
		if line := seen[key]; line > 0 {
			faults = append(faults, yamlshape.Faultf(e.ID.At, "keep one of them", "%s stands twice, first in line %d", printable(e.ID.Value), line))
		}
		seen[key] = e.ID.At.Line
		all = append(all, Allowed{ID: e.ID.Value, Package: e.Package.Value, Until: e.Until.Time, Reason: e.Reason.Value, At: e.At})
	}
	if len(faults) > 0 {
		yamlshape.Sort(faults)
		return nil, &AllowError{faults}
	}
	return all, nil
}

// faults returns what is wrong with an entry that has all its keys.
func (e entryText) faults() []*yamlshape.Fault {
	var all []*yamlshape.Fault
	switch id := e.ID.Value; {
	case strings.ContainsAny(id, "*?"):
		all = append(all, yamlshape.Faultf(e.ID.At, "write an entry for each vulnerability", "id is %s, and an ID is no pattern", quoted(id)))
	case !idPattern().MatchString(id):
		all = append(all, yamlshape.Faultf(e.ID.At, "write one such as CVE-2026-1234 or GHSA-2fqx-7rv3-94cm", "id is %s, which is no ID of a vulnerability", quoted(id)))
	}
	if p := e.Package.Value; len(p) > maxPattern || strings.Count(p, "*") > maxStars {
		all = append(all, yamlshape.Faultf(e.Package.At, "shorten it", "package has %d bytes and %d *, and may have at most %d and %d", len(p), strings.Count(p, "*"), maxPattern, maxStars))
	}
	if n := len(e.Reason.Value); n > maxReason {
		all = append(all, yamlshape.Faultf(e.Reason.At, "shorten it", "reason has %d bytes, and may have at most %d", n, maxReason))
	}
	return all
}
