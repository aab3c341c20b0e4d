package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/notation"
)

// notationSystem is Notation, the signatures of the Notary Project.
type notationSystem struct {
	*systems

	session *notation.Session               // nil while policies are only read
	configs map[policy.Form]notation.Config // what was made of forms, so that each file is read once
}

func (s *notationSystem) requirements() []policy.System {
	return []policy.System{
		{Name: "notation", Doc: "A Notation signature of the image (Notary Project, JWS or COSE).", New: func() policy.Form { return &notation.Form{} }, Verifier: s.verifier},
	}
}

// bind makes the one session of the run, and the one that asks revocation
// servers, each of which is asked once for all images. Recorded evidence has no
// answer of theirs.
func (s *notationSystem) bind(from store, _ time.Time) {
	var asker *notation.Asker
	if !s.recorded {
		asker = s.command.revocationAsker()
	}
	s.session, s.configs = notation.NewSession(from, image.Ref{}, asker), map[policy.Form]notation.Config{}
}

// revocationAsker returns who asks revocation servers.
func (c Command) revocationAsker() *notation.Asker {
	return notation.NewAsker(c.proxy(), "boltseal/"+version())
}

func (s *notationSystem) looker() (looker, error) { return s.session.Look, nil }

// verifier makes the check of a form.
func (s *notationSystem) verifier(f policy.Form, u image.Use) (verify.Verifier, error) {
	form, ok := f.(*notation.Form)
	if !ok || s.session == nil {
		return nil, fmt.Errorf("%T makes no check", f)
	}
	c, made := s.configs[f]
	if !made {
		var err error
		if c, err = form.Config(notation.Env{ReadFile: s.readFile}); err != nil {
			return nil, err
		}
		if s.recorded && c.Revocation != notation.Skip {
			c.Revocation, s.unasked = notation.Skip, true
		}
		s.configs[f] = c
	}
	if !u.Foreign {
		c.Platforms = asListed(s.platforms)
	}
	return s.session.Require(c)
}

func (s *notationSystem) lints() []policy.Lint {
	return []policy.Lint{
		{Name: "no-common-name", Doc: "An identity has no CN and accepts every certificate of an organisation."},
		{Name: "revocation-skip", Doc: "Nobody is asked whether a certificate was revoked."},
		{Name: "revocation-soft", Doc: "A certificate counts where nobody says whether it was revoked."},
		{Name: "no-tsa", Doc: "Countersignatures are asked for, and no time stamp authority is trusted."},
		{Name: "expired-certificate", Doc: "A trusted certificate that stands in the policy has expired."},
	}
}

// notAsked is how a signature says that nobody was asked whether its certificates
// were revoked.
const notAsked = "not checked"

// passedUnasked reports whether a signature let the image of f pass of which
// nobody was asked whether its certificates were revoked.
func passedUnasked(f gate.Finding) bool {
	return slices.ContainsFunc(f.Verdicts, func(v verify.Verdict) bool {
		return slices.ContainsFunc(v.Evidence(), func(ev verify.Evidence) bool {
			return ev.System == notation.System && ev.Claims["revocation"] == notAsked
		})
	})
}

// noRevocationAnswer is how a signature says that it counts although no server
// said whether its certificates were revoked.
const noRevocationAnswer = "no answer"

// unrevoked warns of certificates that count although nobody said whether they
// were revoked, each once.
func unrevoked(r gate.Report) []report.Warning {
	var out []report.Warning
	seen := map[string]bool{}
	for _, f := range r.Findings() {
		for _, v := range f.Verdicts {
			for _, ev := range v.Evidence() {
				said := ev.Claims["revocation"]
				key := said + "\n" + ev.Claims["certificate"]
				if ev.System != notation.System || !strings.HasPrefix(said, noRevocationAnswer) || seen[key] {
					continue
				}
				seen[key] = true
				why := ""
				if rest := strings.TrimPrefix(said, noRevocationAnswer+": "); rest != said {
					why = " (" + rest + ")"
				}
				out = append(out, report.Warning{Text: "nobody said whether the certificate of " + ev.Signer + " was revoked" + why + "; it counts for " + f.Pinned.String() + " since that is not required (revocation: soft)"})
			}
		}
	}
	return out
}
