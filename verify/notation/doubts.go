package notation

import (
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

// Doubts returns what is allowed in the Form and probably a mistake. The Form has
// been checked.
func (f *Form) Doubts() []yamlshape.Doubt {
	var out []yamlshape.Doubt
	doubt := func(at image.Position, lint, next, format string, args ...any) {
		out = append(out, yamlshape.Doubt{Fault: *yamlshape.Faultf(at, next, format, args...), Lint: lint})
	}
	for i, id := range f.made.identities {
		switch {
		case id.any:
			doubt(f.Identities[i].At, "any-identity", "name who signs, such as x509.subject: C=US, ST=WA, O=Acme, CN=release", "identity * accepts everybody for whom the certificates vouch")
		case id.name != nil && id.name["CN"] == "":
			doubt(f.Identities[i].At, "no-common-name", "add the CN of the certificate that signs", "identity %s has no CN and accepts every certificate of that organisation", quoted(id.text))
		}
	}
	if t := f.Revocation; t != nil {
		switch Revocation(t.Value) {
		case Off:
			doubt(t.At, "revocation-off", "leave revocation out: servers are asked then", "revocation: off accepts what was signed with a stolen key, long after its certificate was revoked")
		case Soft:
			doubt(t.At, "revocation-soft", "leave revocation out, so that no answer is no yes", "revocation: soft accepts a revoked certificate from whoever keeps the answer away")
		}
	}
	if t := f.Timestamp; t != nil && Timestamp(t.Value) == AfterExpiry && len(f.TSA) == 0 {
		doubt(t.At, "no-tsa", "add tsa: [tsa-root.crt], or leave timestamp out", "timestamp: after-expiry means nothing, since no time stamp authority is trusted")
	}
	now := time.Now()
	for _, s := range f.stores() {
		for _, t := range s.texts {
			for _, cert := range f.made.inline[t.At] {
				if now.After(cert.NotAfter) {
					doubt(t.At, "expired-certificate", "add the certificate that follows it, or tsa if old signatures are to count", "%s: %s has expired on %s", s.key, titled(cert), cert.NotAfter.UTC().Format(time.DateOnly))
				}
			}
		}
	}
	return out
}
