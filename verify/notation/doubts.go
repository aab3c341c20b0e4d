package notation

import (
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify/internal/certfile"
)

// A Warning is about a requirement that is allowed and probably a mistake.
type Warning struct {
	Lint string // its stable name: docs/notation.md lists them
	Text string

	next string // what to do, in a policy file
}

// Warnings names what c accepts beyond what was likely meant, and what of a trust
// policy's statement never leads to a verified image. Certificates are held to the
// clock of this machine.
func (c Config) Warnings() []Warning {
	var out []Warning
	for _, id := range c.Identities {
		out = append(out, id.warnings()...)
	}
	out = append(out, c.Revocation.warnings()...)
	out = append(out, c.Timestamp.warnings(len(c.TSA))...)
	now := time.Now()
	for _, cert := range slices.Concat(c.Certificates, c.SigningAuthority, c.TSA) {
		out = append(out, expired(cert, now)...)
	}
	return append(out, c.statementWarnings()...)
}

// statementWarnings are those about what enforces less than strict.
func (c Config) statementWarnings() []Warning {
	var out []Warning
	of := fmt.Sprintf("statement %s of the trust policy", quoted(c.Statement))
	switch c.Level {
	case LevelSkip:
		out = append(out, Warning{Lint: "level-skip", Text: of + " has the level skip: no signature is looked at, so that no image is verified by it"})
	case LevelAudit, LevelPermissive:
		out = append(out, Warning{Lint: "level-" + string(c.Level), Text: fmt.Sprintf("%s has the level %s, which only logs what it should refuse, so that no image is verified by it; strict is the level that verifies", of, c.Level)})
	}
	for _, what := range slices.Sorted(maps.Keys(c.Override)) {
		switch action := c.Override[what]; action {
		case "skip":
			out = append(out, Warning{Lint: "revocation-skip", Text: fmt.Sprintf("%s skips %s: what was signed with a stolen key is accepted long after its certificate was revoked", of, what)})
		case "log":
			out = append(out, Warning{Lint: "override-log", Text: fmt.Sprintf("%s only logs %s: an image for which that fails is refused all the same", of, what)})
		}
	}
	return out
}

func (id Identity) warnings() []Warning {
	switch {
	case id.any:
		return []Warning{{"any-identity", "identity * accepts everybody for whom the certificates vouch", "name who signs, such as x509.subject: C=US, ST=WA, O=Acme, CN=release"}}
	case id.name == nil:
		return []Warning{{"nobody", fmt.Sprintf("identity %s is for a verification plugin: none is run, and it accepts nobody", quoted(id.text)), "name the subject of a certificate"}}
	case id.unseen() != "":
		return []Warning{{"nobody", fmt.Sprintf("identity %s accepts nobody: Notation compares no %s", quoted(id.text), quoted(id.unseen())), "leave it out"}}
	case id.name["CN"] == "":
		return []Warning{{"no-common-name", fmt.Sprintf("identity %s has no CN and accepts every certificate of that organisation", quoted(id.text)), "add the CN of the certificate that signs"}}
	}
	return nil
}

func (r Revocation) warnings() []Warning {
	switch r {
	case Skip:
		return []Warning{{"revocation-skip", "revocation: skip accepts what was signed with a stolen key, long after its certificate was revoked", "leave revocation out: servers are asked then"}}
	case Soft:
		return []Warning{{"revocation-soft", "revocation: soft accepts a revoked certificate from whoever keeps the answer away", "leave revocation out, so that no answer is no yes"}}
	}
	return nil
}

// warnings are those of a requirement with that many certificates of time stamp
// authorities.
func (t Timestamp) warnings(authorities int) []Warning {
	if t != AfterExpiry || authorities > 0 {
		return nil
	}
	return []Warning{{"no-tsa", "timestamp: after-expiry means nothing, since no time stamp authority is trusted", "add tsa: [tsa-root.crt], or leave timestamp out"}}
}

func expired(cert *x509.Certificate, now time.Time) []Warning {
	if !now.After(cert.NotAfter) {
		return nil
	}
	return []Warning{{"expired-certificate", fmt.Sprintf("%s has expired on %s", certfile.Title(cert), cert.NotAfter.UTC().Format(time.DateOnly)), "add the certificate that follows it, and tsa if old signatures are to count"}}
}

// Doubts returns what is allowed in the Form and probably a mistake. The Form has
// been checked. Of certificates it knows those that stand in the policy itself.
func (f *Form) Doubts() []yamlshape.Doubt {
	var out []yamlshape.Doubt
	doubt := func(at image.Position, prefix string, warnings []Warning) {
		for _, w := range warnings {
			out = append(out, yamlshape.Doubt{Fault: *yamlshape.Faultf(at, w.next, "%s%s", prefix, w.Text), Lint: w.Lint})
		}
	}
	if f.made.checked {
		for i, id := range f.made.identities {
			doubt(f.Identities[i].At, "", id.warnings())
		}
	}
	if t := f.Revocation; t != nil {
		doubt(t.At, "", Revocation(t.Value).warnings())
	}
	if t := f.Timestamp; t != nil {
		doubt(t.At, "", Timestamp(t.Value).warnings(len(f.TSA)))
	}
	now := time.Now()
	for _, l := range f.lists() {
		for _, t := range l.Texts {
			for _, cert := range f.made.inline[t.At] {
				doubt(t.At, l.Key+": ", expired(cert, now))
			}
		}
	}
	return out
}
