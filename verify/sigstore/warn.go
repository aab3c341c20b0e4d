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
// of the pattern: an unknown owner, workflow and ref in turn, the rest as the
// pattern has it.
func probes(m Matcher) []probe {
	const host = "https://github.com/"
	owner, repo := "boltseal-probe", "boltseal-probe"
	begun := regexp.MustCompile(`github\.com/([A-Za-z0-9-]*)(/?)([A-Za-z0-9_.-]*[A-Za-z0-9_-])?(/?)`).FindStringSubmatch(plainText(m))
	ownerKnown := len(begun) > 0 && begun[2] == "/"
	if ownerKnown {
		owner = begun[1]
		if repo = begun[3]; begun[4] == "" {
			repo += "boltseal-probe"
		}
	}
	workflow := named(m, `[A-Za-z0-9_-]+\.ya?ml`, "release.yml")
	ref := named(m, `refs/(?:heads|tags)/[A-Za-z0-9_.-]*[A-Za-z0-9]`, "refs/heads/main")
	join := func(owner, workflow, ref string) string {
		return host + owner + "/" + repo + "/.github/workflows/" + workflow + "@" + ref
	}
	if !ownerKnown {
		// "acme" without a slash behind it is also the beginning of "acme-evil".
		stranger := "boltseal-probe"
		if len(begun) > 0 {
			owner, stranger = begun[1]+"-probe", begun[1]+"-probe"
		}
		if other := join(stranger, workflow, ref); m.Match(other) {
			return []probe{{"other owners", other}, {"any workflow", join(owner, "boltseal-probe.yml", ref)}, {"any ref", join(owner, workflow, "refs/heads/boltseal-probe")}}
		}
	}
	return []probe{
		{"any workflow", join(owner, "boltseal-probe.yml", ref)},
		{"any ref, branches of anybody with push rights included", join(owner, workflow, "refs/heads/boltseal-probe")},
	}
}

// plainText is m's own text without the escapes of a regular expression.
func plainText(m Matcher) string { return strings.ReplaceAll(m.text, `\`, "") }

// named returns the first part of m's own text that fits expr, so that a probe
// differs from what was meant in one place only.
func named(m Matcher, expr, otherwise string) string {
	if found := regexp.MustCompile(expr).FindString(plainText(m)); found != "" {
		return found
	}
	return otherwise
}
