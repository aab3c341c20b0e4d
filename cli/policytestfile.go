package cli

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
)

// The text of a file of cases. What one field alone cannot say is checked by
// read.
type (
	suiteText struct {
		At          image.Position
		Version     int              `yaml:"version,required" enum:"1" doc:"Version of the form of the file: 1."`
		Policy      *yamlshape.Text  `yaml:"policy" doc:"The policy that the cases are about, relative to this file. The default is .boltseal.yaml."`
		Now         *yamlshape.Date  `yaml:"now" doc:"The day on which the cases are judged, by which exceptions end (UTC). The default is today."`
		TrustedRoot *yamlshape.Text  `yaml:"trusted-root" doc:"A trusted_root.json, relative to this file, to use instead of asking the Sigstore instance."`
		Platforms   []yamlshape.Text `yaml:"platforms" max:"20" doc:"The platforms that are built for, as in --platform."`
		Cases       []caseText       `yaml:"cases,required" max:"1000" doc:"What is to be judged, and how."`
	}
	caseText struct {
		At       image.Position
		Name     *yamlshape.Text `yaml:"name" doc:"What the case is called. The default is its image."`
		Image    yamlshape.Text  `yaml:"image,required" doc:"The image, as a build would name it."`
		Expect   yamlshape.Text  `yaml:"expect,required" enum:"verified,exempt,unsigned,wrong-signer,bad-signature,wrong-type,expired,revoked,no-rule,not-found,denied,unavailable,unsupported" doc:"The reason that boltseal verify would give."`
		Signer   *yamlshape.Text `yaml:"signer" doc:"Who must be found to have signed, exactly: for verified and wrong-signer."`
		Evidence *yamlshape.Text `yaml:"evidence" doc:"A file, in or below the folder of this one, with what the registries answered; --record writes it. Without, they are asked."`
	}
)

// read reads the text of the file of cases called name. The error is a
// casesError.
func (s *suite) read(name string, body []byte) error {
	faults := yamlshape.Read(name, body, &s.suiteText)
	for _, t := range s.Cases {
		ref, err := image.Parse(t.Image.Value)
		if err != nil && t.Image.Value != "" {
			faults = append(faults, &yamlshape.Fault{At: t.Image.At, Err: err})
		}
		s.refs = append(s.refs, ref)
		faults = append(faults, t.check()...)
	}
	for _, p := range s.Platforms {
		if err := checkPlatforms([]string{p.Value}); err != nil {
			faults = append(faults, &yamlshape.Fault{At: p.At, Err: err})
		}
	}
	if len(faults) == 0 {
		return nil
	}
	yamlshape.Sort(faults)
	return casesError(faults)
}

// A casesError is what is wrong with a file of cases: one or more, by place.
type casesError []*yamlshape.Fault

// Error returns a line for each fault.
func (e casesError) Error() string {
	var lines []string
	for _, f := range e {
		lines = append(lines, f.Error())
	}
	return strings.Join(lines, "\n")
}

func (t caseText) check() []*yamlshape.Fault {
	var faults []*yamlshape.Fault
	if e := t.Evidence; e != nil && !filepath.IsLocal(filepath.FromSlash(e.Value)) {
		faults = append(faults, yamlshape.Faultf(e.At, "name a file in or below the folder of this one", "evidence: %.60q leads elsewhere", e.Value))
	}
	expect := verify.Reason(t.Expect.Value)
	if t.Evidence != nil && expect == verify.Revoked {
		faults = append(faults, yamlshape.Faultf(t.Expect.At, "leave evidence out, so that they are asked", "expect: nothing is revoked in a case with evidence, as revocation servers are not asked there"))
	}
	if t.Signer != nil && expect != verify.Verified && expect != verify.WrongSigner {
		faults = append(faults, yamlshape.Faultf(t.Signer.At, "leave it out, or expect verified or wrong-signer", "signer: nobody is found to have signed where %s is expected", t.Expect))
	}
	return faults
}

func (t caseText) name() string {
	if t.Name != nil {
		return t.Name.Value
	}
	return t.Image.Value
}

func (s *suite) platforms() []string {
	var all []string
	for _, p := range s.Platforms {
		all = append(all, p.Value)
	}
	return all
}

// place is a place as messages have it.
func place(at image.Position) string {
	return fmt.Sprintf("%s:%d:%d", report.Printable(at.File), at.Line, at.Col)
}

// testSchema describes files of cases as JSON Schema.
func testSchema() map[string]any {
	s := yamlshape.Schema(suiteText{})
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	s["$id"] = docs + "policy-test.schema.json"
	s["title"] = "boltseal policy test"
	return s
}
