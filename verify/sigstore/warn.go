package sigstore

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// stranger is a name that nobody means. A pattern that accepts it in some place
// accepts anything there.
const stranger = "boltseal-probe"

// A Warning is about an identity that is allowed and probably a mistake.
type Warning struct {
	Lint string // its stable name: docs/identities.md lists them
	Text string
}

// Warnings names what the identity's patterns accept beyond what was likely
// meant: any or look-alike issuers, anybody whom the issuer knows, other owners,
// any workflow of a repository, any ref. Of exact ones it names those that no
// certificate has.
func (id Identity) Warnings() []Warning {
	var out []Warning
	warn := func(lint, kind string, m Matcher, what, example string) {
		out = append(out, Warning{lint, fmt.Sprintf("%s pattern %q accepts %s, such as %s", kind, m, what, example)})
	}
	if !id.issuer.exact {
		if probe := first(id.issuer, issuerProbes(id.issuer)); probe != "" {
			warn("any-issuer", "issuer", id.issuer, "issuers that anybody can run", probe)
		}
	}
	if issuer := id.issuer.String(); id.issuer.exact && !strings.Contains(issuer, "://") {
		out = append(out, Warning{"issuer-no-url", fmt.Sprintf("issuer %q is no address; certificates name theirs with https://", issuer)})
	}
	if id.subject.exact {
		if subject := id.subject.String(); strings.Contains(subject, "/.github/workflows/") && !strings.Contains(subject, "@") {
			out = append(out, Warning{"no-ref", fmt.Sprintf("identity %q has no @ref, which the certificates of GitHub's workflows have", subject)})
		}
		return out
	}
	if probe := first(id.subject, []string{stranger + "@" + stranger + ".example", "https://" + stranger + ".example/x"}); probe != "" {
		warn("any-identity", "identity", id.subject, "anybody whom the issuer knows", probe)
		return out
	}
	mail := []string{stranger + "@gmail.com", stranger + "@outlook.com", stranger + "@users.noreply.github.com"}
	if text := wildcards(id.subject); !strings.Contains(text, "://") && strings.Contains(text, "@") {
		domain := text[strings.LastIndex(text, "@"):]
		mail = append(mail, stranger+strings.ReplaceAll(domain, "*", ""), stranger+strings.ReplaceAll(domain, "*", stranger))
	}
	if probe := first(id.subject, mail); probe != "" {
		warn("email-domain", "identity", id.subject, "everybody with an address there", probe)
	}
	for _, p := range []struct {
		lint, what string
		w          workflow
	}{
		{"other-owners", "other owners", workflow{owner: true}},
		{"any-workflow", "any workflow", workflow{file: true}},
		{"any-ref", "any ref, branches of anybody with push rights included", workflow{ref: true}},
	} {
		if probe := first(id.subject, p.w.probes(id.subject)); probe != "" {
			warn(p.lint, "identity", id.subject, p.what, probe)
		}
	}
	return out
}

// first returns the first of the probes that m accepts, "" if it accepts none.
func first(m Matcher, probes []string) string {
	if i := slices.IndexFunc(probes, m.Match); i >= 0 {
		return probes[i]
	}
	return ""
}

// issuerProbes returns issuers that a stranger could run, built around the
// literal ends of the pattern.
func issuerProbes(m Matcher) []string {
	parts := strings.Split(wildcards(m), "*")
	head, tail := parts[0], parts[len(parts)-1]
	probes := []string{"https://" + stranger + ".example", "https://" + stranger + ".example/x"}
	// Behind a whole host name, ".evil.example" makes another one of it.
	if strings.Count(head, "/") == 2 && !strings.HasSuffix(head, "/") && len(parts) > 1 && tail == "" {
		probes = append(probes, head+"."+stranger+".example", head+stranger+".example")
	}
	// Before the end of one, anything goes unless two labels of it are said.
	if host, _, _ := strings.Cut(tail, "/"); len(parts) > 1 && strings.Count(head, "/") < 3 && strings.Count(strings.Trim(host, "."), ".") == 0 {
		probes = append(probes, head+stranger+tail)
	}
	return probes
}

// A workflow says which parts of a GitHub Actions identity to probe; the others
// stay as the pattern has them.
type workflow struct{ owner, file, ref bool }

func (w workflow) probes(m Matcher) []string {
	text := wildcards(m)
	_, path, _ := strings.Cut(text, "github.com/")
	owner, rest, _ := strings.Cut(path, "/")
	repo, _, _ := strings.Cut(rest, "/")
	owners := literal(owner)
	if w.owner {
		owners = []string{stranger, strings.ReplaceAll(owner, "*", "") + "-probe"}
	}
	files := []string{named(text, `[A-Za-z0-9_-]+\.ya?ml`, "release.yml")}
	if w.file {
		files = []string{stranger + ".yml"}
	}
	refs := []string{named(text, `refs/(?:heads|tags)/[A-Za-z0-9_.-]*[A-Za-z0-9]`, "refs/heads/main"), "refs/tags/v1"}
	if w.ref {
		refs = []string{"refs/heads/" + stranger}
	}
	var probes []string
	for _, o := range owners {
		for _, r := range literal(repo) {
			for _, f := range files {
				for _, ref := range refs {
					probes = append(probes, "https://github.com/"+o+"/"+r+"/.github/workflows/"+f+"@"+ref)
				}
			}
		}
	}
	return probes
}

// literal returns names that fit a segment of a pattern: itself without
// wildcards, and with a stranger's name in their place.
func literal(segment string) []string {
	names := []string{strings.ReplaceAll(segment, "*", stranger), strings.ReplaceAll(segment, "*", ""), stranger}
	return slices.DeleteFunc(names, func(s string) bool { return s == "" || strings.HasPrefix(s, ".") })
}

// wildcards returns m's own text, a regular expression's with its escapes taken
// off and the usual ways to say "anything" written as "*". It is a guess at what
// the author meant, and only serves to make probes.
func wildcards(m Matcher) string {
	s := m.text
	if m.re != nil {
		s = regexp.MustCompile(`\(\?:|[()^$]`).ReplaceAllString(s, "")
		s = regexp.MustCompile(`(?:\[[^\]]*\]|\\[wdSW]|(?:^|[^\\])\.)[*+?]`).ReplaceAllStringFunc(s, func(found string) string {
			if n := strings.IndexAny(found, `.[\`); n > 0 {
				return found[:n] + "*"
			}
			return "*"
		})
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, `\`, ""), "**", "*")
}

// named returns the first part of text that fits expr, so that a probe differs
// from what was meant in one place only.
func named(text, expr, otherwise string) string {
	if found := regexp.MustCompile(expr).FindString(text); found != "" {
		return found
	}
	return otherwise
}
