package sigstore

import (
	"fmt"
	"regexp"
	"strings"
)

// Warnings names what the identity's patterns accept beyond what was likely
// meant: any subject or issuer at all, any workflow of a repository, any ref,
// any repository of any owner. Exact identities give none.
func (id Identity) Warnings() []string {
	var out []string
	if !id.issuer.exact && id.issuer.Match("https://boltseal-probe.example/x") {
		out = append(out, fmt.Sprintf("issuer pattern %q accepts any issuer: anybody can run one and give themselves any name", id.issuer))
	}
	if id.subject.exact {
		return out
	}
	if id.subject.Match("boltseal-probe@example.com") && id.subject.Match("https://boltseal-probe.example/x") {
		return append(out, fmt.Sprintf("identity pattern %q accepts anybody whom the issuer knows", id.subject))
	}
	for _, p := range probes(id.subject) {
		if id.subject.Match(p.text) {
			out = append(out, fmt.Sprintf("identity pattern %q accepts %s, such as %s", id.subject, p.what, p.text))
		}
	}
	return out
}

type probe struct{ what, text string }

// probes returns identities that nobody means, built around the literal parts
// of the pattern: an unknown owner, repository, workflow and ref in turn, the
// rest as the pattern has it.
func probes(m Matcher) []probe {
	const host = "https://github.com/"
	prefix := literalPrefix(m)
	rest := strings.TrimPrefix(prefix, host)
	if !strings.HasPrefix(prefix, host) {
		if !strings.HasPrefix(host, prefix) {
			return nil // not a GitHub identity
		}
		rest = ""
	}
	owner, repo := "boltseal-probe", "boltseal-probe"
	parts := strings.SplitN(rest, "/", 3)
	ownerKnown := len(parts) > 1
	if ownerKnown {
		owner = parts[0]
	}
	if len(parts) > 2 {
		repo = parts[1]
	}
	workflow := named(m, `[A-Za-z0-9_-]+\.ya?ml`, "release.yml")
	ref := named(m, `refs/(?:heads|tags)/[A-Za-z0-9_.-]*[A-Za-z0-9]`, "refs/heads/main")
	join := func(owner, repo, workflow, ref string) string {
		return host + owner + "/" + repo + "/.github/workflows/" + workflow + "@" + ref
	}
	found := []probe{
		{"any workflow of the repository", join(owner, repo, "boltseal-probe.yml", ref)},
		{"any ref, pull requests and branches of anybody with push rights included", join(owner, repo, workflow, "refs/heads/boltseal-probe")},
	}
	// "acme" without a slash behind it is also the beginning of "acme-evil".
	if !ownerKnown {
		found = append(found, probe{"other owners", join(rest+"boltseal-probe", repo, workflow, ref)})
	}
	return found
}

// literalPrefix returns the text that everything m accepts begins with.
func literalPrefix(m Matcher) string {
	if m.re == nil {
		return m.text
	}
	// The anchor hides the prefix from the regexp package.
	inner := strings.TrimSuffix(strings.TrimPrefix(m.re.String(), "^"), "$")
	re, err := regexp.Compile(inner)
	if err != nil {
		return ""
	}
	prefix, _ := re.LiteralPrefix()
	return prefix
}

// named returns the first part of m's own text that fits expr, so that a probe
// differs from what was meant in one place only.
func named(m Matcher, expr, otherwise string) string {
	text := strings.ReplaceAll(m.text, `\`, "")
	if found := regexp.MustCompile(expr).FindString(text); found != "" {
		return found
	}
	return otherwise
}
