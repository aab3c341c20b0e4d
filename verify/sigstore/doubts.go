package sigstore

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

// Issuers whose subjects have a form that is known
// (https://github.com/sigstore/fulcio/blob/main/docs/oidc.md).
const (
	actionsIssuer = "https://token.actions.githubusercontent.com"
	gitlabIssuer  = "https://gitlab.com"
	googleIssuer  = "https://accounts.google.com"
	githubLogin   = "https://github.com/login/oauth"
)

// Doubts returns what is allowed in the form and probably a mistake. The form
// has been checked.
func (f *common) Doubts() []yamlshape.Doubt {
	var out []yamlshape.Doubt
	doubt := func(at image.Position, lint, next, format string, args ...any) {
		out = append(out, yamlshape.Doubt{Fault: *yamlshape.Faultf(at, next, format, args...), Lint: lint})
	}
	if f.IgnoreLog.Value {
		doubt(f.IgnoreLog.At, "ignore-tlog", "have signatures logged, and leave ignore-tlog out", "ignore-tlog: a stolen key cannot be noticed in a log")
	}
	if f.made.checked {
		for i, id := range f.made.identities {
			f.doubtIdentity(f.Identities[i], id, doubt)
		}
	}
	doubtClaims(f.Claims, doubt)
	for _, id := range f.Identities {
		doubtClaims(id.Claims, doubt)
	}
	return out
}

type doubter func(at image.Position, lint, next, format string, args ...any)

func (f *common) doubtIdentity(t identityText, id Identity, doubt doubter) {
	subject, issuer := t.Subject, t.Issuer
	if subject == nil {
		subject = t.SubjectRegexp
	}
	if issuer == nil {
		issuer = t.IssuerRegexp
	}
	lints := map[string]bool{}
	misfit := id.misfit()
	for _, w := range id.Warnings() {
		if w.Lint == "no-ref" && (misfit != "" || id.subject.kind() != "regexp" && regexpLike().MatchString(id.subject.text)) {
			continue // there is more to say of it
		}
		lints[w.Lint] = true
		at := subject.At
		if w.Lint == "any-issuer" || w.Lint == "issuer-no-url" {
			at = issuer.At
		}
		doubt(at, w.Lint, narrower(w.Lint), "%s", w.Text)
	}
	if misfit != "" {
		doubt(issuer.At, "issuer-misfit", "write the issuer that vouches for such subjects, or the subject that it vouches for", "%s", misfit)
	}
	if text := id.shared(f.Claims, t.Claims); text != "" {
		doubt(subject.At, "shared-workflow", "add claims: {source-repository: https://github.com/…}, the repository that it builds", "%s", text)
	}
	if text := ownerPrefix(id.subject); text != "" && !lints["other-owners"] && !lints["any-identity"] {
		doubt(subject.At, "owner-prefix", "end the owner with a slash, as in https://github.com/acme/**", "%s", text)
	}
	for _, m := range []struct {
		name string
		Matcher
		at image.Position
	}{{"subject", id.subject, subject.At}, {"issuer", id.issuer, issuer.At}} {
		switch {
		case m.kind() != "regexp" && regexpLike().MatchString(m.text):
			doubt(m.at, "looks-like-regexp", "write it as "+m.name+"-regexp, or without the signs of an expression", "%s %q looks like a regular expression, and is compared as it stands", m.name, m.text)
		case m.kind() == "regexp" && looseDot().MatchString(m.text):
			doubt(m.at, "loose-dot", `write \. where a dot is meant`, "%s-regexp %q has a dot in a host name that stands for any character", m.name, m.text)
		}
	}
}

var (
	// regexpLike matches what expressions have and names do not.
	regexpLike = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\^|\$$|\.[*+]|\\[.dwSs/]|\[[^\]]*\][*+]|\(\?`) })
	// looseDot matches an unescaped dot between letters of a host name.
	looseDot = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`://(?:[a-z0-9-]|\\\.)*[a-z0-9]\.[a-z0-9]`) })
)

// narrower is the next step for a lint of Warnings.
func narrower(lint string) string {
	switch lint {
	case "any-issuer":
		return "write the issuer out"
	case "issuer-no-url":
		return "put https:// in front of it"
	case "any-identity":
		return "name the workflow or the account that signs"
	case "email-domain":
		return "name each address that signs"
	case "other-owners":
		return "write the owner out, with a slash behind it"
	case "no-ref":
		return "write the workflow's file and the ref, such as https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v*"
	case "pull-request":
		return "have a branch or a tag signed, and write that"
	case "any-workflow":
		return "name the file of the workflow that signs"
	}
	return "end it with the ref that releases are made from, such as @refs/tags/v* or @refs/heads/main"
}

// misfit says in which way the issuer cannot vouch for the subject, "" if it
// may. It judges by what both begin with and says nothing of what it does not
// know.
func (id Identity) misfit() string {
	subject, issuer := wildcards(id.subject), id.issuer.String()
	accepts := func(known string) bool { return id.issuer.Match(known) }
	url := strings.Contains(subject, "://")
	email := !url && strings.Contains(subject, "@")
	workflows := strings.Contains(issuer, "token.actions.")                                   // GitHub's, and those of GitHub Enterprise
	enterprise := strings.HasPrefix(issuer, actionsIssuer+"/") && issuer != actionsIssuer+"/" // an enterprise may have an issuer of its own
	says := func(whose, known string) string {
		return fmt.Sprintf("subject %q is %s, for which %s vouches, not %q", id.subject, whose, known, issuer)
	}
	switch {
	case strings.HasPrefix(subject, "https://github.com/") && strings.Contains(subject, "/.github/workflows/") && !accepts(actionsIssuer) && !enterprise:
		return says("a workflow of GitHub", actionsIssuer)
	case strings.HasPrefix(subject, "https://gitlab.com/") && !accepts(gitlabIssuer):
		return says("a pipeline of GitLab", gitlabIssuer)
	case email && workflows, email && id.issuer.exact && issuer == gitlabIssuer:
		return fmt.Sprintf("subject %q is an e-mail address, and %q vouches for workflows; addresses are vouched for by %s, %s and others", id.subject, issuer, googleIssuer, githubLogin)
	case url && id.issuer.exact && (issuer == googleIssuer || issuer == githubLogin):
		return fmt.Sprintf("subject %q is an address of the web, and %q vouches for e-mail addresses", id.subject, issuer)
	}
	return ""
}

// shared says so where the subject is a workflow that everybody may call, and
// nothing says for which repository.
func (id Identity) shared(claims ...map[string]yamlshape.Text) string {
	text := wildcards(id.subject)
	public := slices.ContainsFunc([]string{"slsa-framework/slsa-github-generator/", "docker/github-builder/"}, func(repo string) bool {
		return strings.HasPrefix(text, "https://github.com/"+repo)
	})
	if !public {
		return ""
	}
	for _, c := range claims {
		for name := range c {
			switch name { // what says whose repository it is, by itself
			case "source-repository", "source-repository-uri", "source-repository-identifier", "source-repository-owner", "source-repository-owner-uri",
				"source-repository-owner-identifier", "build-config-uri", "github-workflow-repository":
				return ""
			}
		}
	}
	return fmt.Sprintf("subject %q is a reusable workflow that anybody can call for a repository of theirs", id.subject)
}

// ownerPrefix says so where an owner has no slash behind it, so that others who
// begin with the same letters are meant too.
func ownerPrefix(m Matcher) string {
	if m.exact {
		return ""
	}
	for _, host := range []string{"https://github.com/", "https://gitlab.com/"} {
		path, ok := strings.CutPrefix(wildcards(m), host)
		if owner, _, _ := strings.Cut(path, "/"); ok && strings.Index(owner, "*") > 0 {
			return fmt.Sprintf("subject %q means every owner that begins with %q, which anybody may register", m, owner[:strings.Index(owner, "*")])
		}
	}
	return ""
}

// doubtClaims doubts values that no certificate has.
func doubtClaims(texts map[string]yamlshape.Text, doubt doubter) {
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		t := texts[name]
		known, _ := claimName(name)
		switch {
		case strings.Contains(t.Value, "*"):
			doubt(t.At, "claim-pattern", "write the whole value", "claims: %s is compared exactly, and %q has a *", name, t.Value)
		case strings.HasSuffix(known, "-uri") && !strings.Contains(t.Value, "://"):
			doubt(t.At, "claim-no-url", "write it as https://github.com/…", "claims: %s is an address in certificates, and %q is none", name, t.Value)
		}
	}
}
