package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// dctSystem is Docker Content Trust, the signatures of Notary (v1).
type dctSystem struct {
	*systems

	session *dct.Session               // nil while policies are only read
	configs map[policy.Form]dct.Config // what was made of forms, so that each file is read once
}

func (s *dctSystem) requirements() []policy.System {
	return []policy.System{
		{Name: "dct", Doc: "A tag signed with Docker Content Trust (Notary v1).", New: func() policy.Form { return &dct.Form{} }, Verifier: s.verifier},
	}
}

// bind makes the one session of the run, by which each collection is asked for
// once. What was recorded is not of now, and nothing is remembered of it.
func (s *dctSystem) bind(from store, _ time.Time) {
	cache := ""
	if s.trusts != nil && !s.recorded {
		cache = s.trusts.dctCache()
	}
	s.configs = map[policy.Form]dct.Config{}
	s.session = dct.NewSession(from, cache)
}

// looker looks at nothing: a Notary server is asked only by whoever asks for it.
func (s *dctSystem) looker() (looker, error) {
	return func(context.Context, image.Pinned, []string) ([]verify.Candidate, error) { return nil, nil }, nil
}

// verifier makes the check of a form. Platforms are nothing to it: what is signed
// is the digest of a tag.
func (s *dctSystem) verifier(f policy.Form, _ image.Use) (verify.Verifier, error) {
	form, ok := f.(*dct.Form)
	if !ok || s.session == nil {
		return nil, fmt.Errorf("%T makes no check", f)
	}
	c, made := s.configs[f]
	if !made {
		var err error
		if c, err = form.Config(dct.Env{ReadFile: s.readFile}); err != nil {
			return nil, err
		}
		s.configs[f] = c
	}
	return s.session.Require(c)
}

func (s *dctSystem) lints() []policy.Lint {
	return []policy.Lint{
		{Name: "first-use", Doc: "Whoever answers for a Notary server at first decides who may sign."},
		{Name: "server-ends", Doc: "A Notary server is shut down within half a year, or was."},
		{Name: "one-root", Doc: "There are fewer IDs of roots than repositories, each of which has its own."},
		{Name: "plain-http", Doc: "A Notary server is asked without encryption."},
	}
}

// soonExpired is how long before the end of trust data it is warned of.
const soonExpired = 30 * 24 * time.Hour

// trustDataDoubts warns of what let images pass by Docker Content Trust and will
// not last, or could not be seen: each once.
func trustDataDoubts(r gate.Report, now time.Time) []report.Warning {
	var out []report.Warning
	seen := map[string]bool{}
	add := func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !seen[text] {
			seen[text] = true
			out = append(out, report.Warning{Text: text})
		}
	}
	for _, f := range r.Findings() {
		for _, v := range f.Verdicts {
			for _, ev := range v.Evidence() {
				if ev.System == dct.System {
					doubtData(ev.Issuer, ev.Claims, now, add)
				}
			}
		}
	}
	return out
}

// doubtData says what is doubtful in the claims of a signature under the root key
// that issuer names.
func doubtData(issuer string, claims map[string]string, now time.Time, add func(format string, args ...any)) {
	gun, server := claims["gun"], claims["server"]
	if claims["pin"] == "first use" {
		add("%s (--dct-root-key-ids, or roots in a policy)", onlyShown(issuer, gun, server))
	}
	switch why, not := strings.CutPrefix(claims["rollback"], "not checked: "); {
	case !not:
	case why == "no cache":
		add("%s", unremembered(gun, until(claims)))
	case claims["cache"] != "":
		add("a rollback of the trust data of %s could not be seen (%s), and nothing of them is remembered; if the collection was made anew, delete %s in the folder of --dct-cache-dir", gun, why, claims["cache"])
	default:
		add("a rollback of the trust data of %s could not be seen (%s); from now on it can, by what --dct-cache-dir has", gun, why)
	}
	if claims["releases"] != "" {
		add("targets/releases, which decides what tags of %s mean, has signed nothing that %s shows; a server that holds the key of the snapshot could have left it out: require a signer (--dct-signers, or signers in a policy)", gun, server)
	}
	if text := dct.Ending(server, now); text != "" {
		add("%s: sign with Sigstore or Notation from then on; %sdct.md says how to get there", text, docs)
	}
	if when, role, ok := strings.Cut(claims["expires"], " "); ok {
		if end, err := time.Parse(time.RFC3339, when); err == nil && end.Sub(now) < soonExpired && role != "timestamp" {
			add("the metadata of %s of %s expire on %s: whoever holds its key has to sign them anew before", role, gun, end.UTC().Format(time.DateOnly))
		}
	}
	if ignored := claims["ignored"]; ignored != "" {
		add("of the trust data of %s some do not count: %s", gun, ignored)
	}
}

// onlyShown says that a root is nobody's but the server's to name. How to pin it
// comes after it.
func onlyShown(root, gun, server string) string {
	return fmt.Sprintf("nothing speaks for the %s of %s but that %s showed it: whoever answers for the server decides who may sign, until a root is pinned", root, gun, server)
}

// unremembered says that there is no cache; until says how long what is old counts,
// if that is known.
func unremembered(gun, until string) string {
	return fmt.Sprintf("a rollback of the trust data of %s cannot be seen%s; --dct-cache-dir keeps what was seen, so that older data are refused", gun, until)
}

// until says how long trust data of the past go on to count: by whoever has kept
// them, as long as their timestamp does, and by the server, which signs timestamps,
// as long as what it shows.
func until(claims map[string]string) string {
	end, err := time.Parse(time.RFC3339, claims["timestamp"])
	if err != nil || claims["releases"] != "" {
		return ""
	}
	return ": by who keeps them, until their timestamp ends on " + end.UTC().Format(time.DateOnly) + ", and by the server itself until the metadata do"
}
