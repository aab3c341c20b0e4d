package sigstore

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/internal/spelling"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// unwise says what speaks against accepting the signer of f.
func (c Config) unwise(f facts) []string {
	if f.cert == nil {
		return []string{"nobody vouches for who holds this key: get the key from its publisher, and see that it is the same"}
	}
	subject, issuer := f.cert.SubjectAlternativeName, f.cert.Extensions.Issuer
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	known := []string{actionsIssuer, gitlabIssuer, googleIssuer, githubLogin, "https://login.microsoftonline.com", "https://agent.buildkite.com", "https://oidc.codefresh.io"}
	if !slices.Contains(known, issuer) && !c.expects(issuer) {
		say("the issuer %s is not one that is known here; find out who runs it", hostile.Clip(issuer))
	}
	if text := c.otherOwner(owner(subject)); text != "" {
		out = append(out, text)
	}
	if text := c.otherSource(f); text != "" {
		out = append(out, text)
	}
	if text := doubtfulRef(subject); text != "" {
		out = append(out, text)
	}
	claims := f.claims()
	if claims["runner-environment"] == "self-hosted" {
		say("it was signed on a runner of its own (self-hosted), which whoever runs it can change")
	}
	switch trigger := claims["build-trigger"]; trigger {
	case "pull_request_target", "workflow_run", "issue_comment":
		say("it was started by %s, which may run what strangers propose", trigger)
	}
	if _, host, ok := strings.Cut(strings.ToLower(subject), "@"); ok && !strings.Contains(subject, "://") && freeMail(host) {
		say("anybody can have an address at %s", hostile.Clip(host))
	}
	return out
}

// expects reports whether one of the identities expects the issuer by name.
func (c Config) expects(issuer string) bool {
	return slices.ContainsFunc(c.Identities, func(id Identity) bool { return id.issuer.exact && id.issuer.Match(issuer) })
}

// owner returns the account that a subject belongs to: the host and the first
// segment behind it, or what follows the @ of an e-mail address.
func owner(subject string) string {
	if !strings.Contains(subject, "://") {
		if _, host, ok := strings.Cut(subject, "@"); ok {
			return host
		}
		return ""
	}
	u, err := url.Parse(subject)
	if err != nil || u.Host == "" {
		return ""
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	return u.Host + "/" + name
}

// otherOwner says so where found is none of the owners that are expected. Those
// that are expected by a pattern are not known.
func (c Config) otherOwner(found string) string {
	var expected []string
	for _, id := range c.Identities {
		if o := owner(wildcards(id.subject)); o != "" && !strings.Contains(o, "*") {
			expected = append(expected, o)
		}
	}
	return apart("it", found, expected)
}

// otherSource says so where a workflow ran for a repository that is not
// expected, or, where none is, for another than its own.
func (c Config) otherSource(f facts) string {
	source, called := f.source()
	if source == "" {
		return ""
	}
	source = address(source)
	repositories, owners := c.sources()
	switch {
	case slices.Contains(repositories, source), len(repositories) == 0 && slices.Contains(owners, owner(source)):
		return ""
	case len(owners) > 0:
		if text := apart("the source repository "+hostile.Clip(source), owner(source), owners); text != "" {
			return text
		}
		return fmt.Sprintf("the source repository is %s, not %s", hostile.Clip(source), hostile.Clip(strings.Join(repositories, " or ")))
	case called:
		text := "it is a workflow that others can call, too, and was called for " + hostile.Clip(source)
		if other := c.otherOwner(owner(source)); other != "" {
			text += ": " + other
		}
		return text
	}
	return ""
}

// sources returns the repositories that claims expect, and their owners.
func (c Config) sources() (repositories, owners []string) {
	all := []map[string]string{c.Claims}
	for _, id := range c.Identities {
		all = append(all, id.claims)
	}
	for _, claims := range all {
		for _, name := range []string{"source-repository-uri", "github-workflow-repository"} {
			if r := claims[name]; r != "" {
				repositories, owners = append(repositories, address(r)), append(owners, owner(address(r)))
			}
		}
		if o := owner(claims["source-repository-owner-uri"]); o != "" {
			owners = append(owners, o)
		}
	}
	slices.Sort(repositories)
	slices.Sort(owners)
	return slices.Compact(repositories), slices.Compact(owners)
}

// address is a repository of which older certificates name the path alone.
func address(repository string) string {
	if strings.Contains(repository, "://") {
		return repository
	}
	return "https://github.com/" + repository
}

// apart says so where what belongs to found belongs to none of those expected;
// "" where nobody is, or found is not known.
func apart(what, found string, expected []string) string {
	if found == "" || len(expected) == 0 || slices.Contains(expected, found) {
		return ""
	}
	for _, e := range expected {
		if alike(found, e) {
			if what == "it" {
				return fmt.Sprintf("%s only looks like %s, and is somebody else", hostile.Clip(found), hostile.Clip(e))
			}
			return fmt.Sprintf("%s belongs to %s, which only looks like %s, and is somebody else", what, hostile.Clip(found), hostile.Clip(e))
		}
	}
	return fmt.Sprintf("%s belongs to %s, not to %s", what, hostile.Clip(found), hostile.Clip(strings.Join(expected, " or ")))
}

// alike reports whether one name could be taken for the other at a glance.
func alike(a, b string) bool {
	a, b = skeleton(a), skeleton(b)
	return a == b || spelling.Nearest(a, []string{b}) != "" ||
		strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// skeleton returns name with letters that look alike made the same.
func skeleton(name string) string {
	return strings.NewReplacer("rn", "m", "vv", "w", "cl", "d", "0", "o", "1", "l", "i", "l", "5", "s", "-", "", "_", "", ".", "").Replace(strings.ToLower(name))
}

// doubtfulRef says what is unusual about the ref that a workflow ran at.
func doubtfulRef(subject string) string {
	_, ref, ok := strings.Cut(subject, "@refs/")
	if !ok || !strings.Contains(subject, "://") {
		return ""
	}
	branch, isBranch := strings.CutPrefix(ref, "heads/")
	switch {
	case strings.HasPrefix(ref, "pull/"), strings.HasPrefix(ref, "merge-requests/"):
		return "it was signed for a pull request, which anybody can make"
	case isBranch && branch != "main" && branch != "master":
		return fmt.Sprintf("it was signed on the branch %s; releases are rarely made there", hostile.Clip(branch))
	}
	return ""
}

// freeMail reports whether anybody can have an address at the host.
func freeMail(host string) bool {
	return slices.Contains([]string{
		"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com", "icloud.com", "me.com",
		"proton.me", "protonmail.com", "gmx.de", "gmx.net", "gmx.com", "web.de", "mail.ru", "yandex.ru", "yandex.com",
		"qq.com", "163.com", "126.com", "aol.com", "fastmail.com", "tutanota.com", "users.noreply.github.com",
	}, host)
}
