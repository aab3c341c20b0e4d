package sigstore

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
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
	if id.nobody() {
		out = append(out, Warning{"no-ref", fmt.Sprintf("identity %q fits no certificate of GitHub's workflows, which end in .github/workflows/FILE@refs/heads/… or @refs/tags/…", id.subject)})
	}
	if strings.Contains(id.subject.String(), "@refs/pull/") {
		out = append(out, Warning{"pull-request", fmt.Sprintf("identity %q is that of a run for a proposal, which is made of what its author wrote", id.subject)})
	}
	if id.subject.exact {
		return out
	}
	anybody := []string{stranger + "@" + stranger + ".example", "https://" + stranger + ".example/x", "https://kubernetes.io/namespaces/" + stranger + "/serviceaccounts/" + stranger}
	if text := wildcards(id.subject); strings.Contains(text, "*") && !strings.Contains(text, "@") {
		anybody = append(anybody, stranger+"@"+stranger+text[strings.LastIndex(text, "*")+1:])
	}
	if probe := first(id.subject, anybody); probe != "" {
		warn("any-identity", "identity", id.subject, "anybody whom the issuer knows", probe)
		return out
	}
	mail := []string{stranger + "@gmail.com", stranger + "@outlook.com", stranger + "@users.noreply.github.com"}
	if text := wildcards(id.subject); !strings.Contains(text, "://") && strings.Contains(text, "@") {
		domain := text[strings.LastIndex(text, "@"):]
		mail = append(mail, stranger+strings.ReplaceAll(domain, "*", ""), stranger+strings.ReplaceAll(domain, "*", stranger))
		if local := text[:len(text)-len(domain)]; strings.Contains(local, "*") && slices.Contains(mailHosts(), domain) {
			mail = append(mail, strings.ReplaceAll(text, "*", stranger))
		}
	}
	if probe := first(id.subject, mail); probe != "" {
		warn("email-domain", "identity", id.subject, "everybody with an address there", probe)
	}
	if probe := first(id.subject, ownerProbes(id.subject)); probe != "" {
		warn("other-owners", "identity", id.subject, "other owners", probe)
		return out
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

// mailHosts are domains where anybody may have an address with a name that is
// free, such as one that begins as a pattern says.
func mailHosts() []string {
	return []string{"@gmail.com", "@googlemail.com", "@outlook.com", "@hotmail.com", "@yahoo.com", "@icloud.com", "@proton.me", "@protonmail.com", "@users.noreply.github.com"}
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
	// Nor if a label is only said by its end.
	if tail != "" && len(parts) > 1 && strings.Count(head, "/") < 3 && !strings.HasPrefix(tail, ".") && !strings.HasPrefix(tail, "/") {
		probes = append(probes, head+stranger+tail, "https://"+stranger+tail)
	}
	return probes
}

// githubSubject matches the subjects of GitHub's workflows.
var githubSubject = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^https://github\.com/[^/]+/[^/]+/\.github/workflows/[^@]+@(?:refs/(?:heads|tags|pull)/.+|[0-9a-f]{40})$`)
})

// nobody reports whether the subject is none that GitHub's issuer vouches for.
// Of patterns it only knows that "*" stands for no slash, of which there are
// nine before a branch or tag, and seven before a commit.
func (id Identity) nobody() bool {
	text := id.subject.text
	ofGitHub := id.issuer.exact && id.issuer.text == actionsIssuer || strings.Contains(text, "/.github/workflows/")
	switch {
	case !ofGitHub:
		return false
	case id.subject.exact:
		return !githubSubject().MatchString(text)
	case id.subject.kind() == "regexp" || strings.Contains(text, "**"):
		return false
	}
	_, ref, _ := strings.Cut(text, "@")
	slashes := strings.Count(text, "/")
	return slashes < 7 || slashes < 9 && (ref == "" || ref == "*" || strings.Contains(ref, "refs/") || len(ref) != 40)
}

// A forge says how the subjects of its workflows are built:
// HOST OWNER / REPOSITORY BETWEEN FILE @ REF.
type forge struct{ host, between, file string }

// forgeOf returns that of the subjects that m may be about: GitHub's unless it
// names another host.
func forgeOf(m Matcher) (f forge, path string) {
	text := wildcards(m)
	rest, isURL := strings.CutPrefix(text, "https://")
	host, path, hasPath := strings.Cut(rest, "/")
	if !isURL || !hasPath || strings.Contains(host, "*") || host == "github.com" {
		_, path, _ := strings.Cut(text, "github.com/")
		return forge{"https://github.com/", "/.github/workflows/", "release.yml"}, path
	}
	return forge{"https://" + host + "/", "//", ".gitlab-ci.yml"}, path
}

// ownerProbes returns subjects of a stranger at another host than GitHub, whose
// form is not known.
func ownerProbes(m Matcher) []string {
	f, path := forgeOf(m)
	if f.between != "//" || strings.Contains(path, "//") {
		return nil
	}
	return []string{f.host + stranger, f.host + stranger + "/" + stranger}
}

// A workflow says which parts of an identity to probe; the others stay as the
// pattern has them.
type workflow struct{ owner, file, ref bool }

func (w workflow) probes(m Matcher) []string {
	text := wildcards(m)
	f, path := forgeOf(m)
	owner, rest, _ := strings.Cut(path, "/")
	repo, _, _ := strings.Cut(rest, "/")
	owners := literal(owner)
	if w.owner {
		owners = []string{stranger, strings.ReplaceAll(stranger, "-", ""), strings.ReplaceAll(owner, "*", "") + "-probe"}
	}
	files := []string{named(path, `[A-Za-z0-9._-]*[A-Za-z0-9_-]+\.ya?ml`, f.file)}
	if w.file {
		files = []string{stranger + ".yml"}
	}
	refs := []string{named(text, `refs/(?:heads|tags)/[A-Za-z0-9_.-]*[A-Za-z0-9]`, "refs/heads/main"), "refs/tags/v1"}
	if w.ref {
		refs = []string{"refs/heads/" + stranger}
		if _, behind, ok := strings.Cut(text, "@refs/*/"); ok { // a branch that is called as a tag
			refs = append(refs, "refs/heads/"+strings.ReplaceAll(behind, "*", "1"))
		}
	}
	var probes []string
	for _, o := range owners {
		for _, r := range literal(repo) {
			for _, file := range files {
				for _, ref := range refs {
					probes = append(probes, f.host+o+"/"+r+f.between+file+"@"+ref)
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
