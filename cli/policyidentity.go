package cli

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/verify"
)

// workflowName divides a workflow's name of GitHub or GitLab into what runs and
// the ref it ran at. The ref begins behind the only "@": where there are two, one
// is in a name that whoever may push chooses.
var workflowName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(https://[^@*]+/\.github/workflows/[^@*]+|https://[^@*]+//[^@*]+)@(refs/[^@*]+|[0-9a-f]{40})$`)
})

// release divides the name of a tag before its first digit.
var release = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([A-Za-z._/+-]*)[0-9][A-Za-z0-9._+-]*$`)
})

// signerOf returns the identity of a signature, as narrow as it can be without
// being another one with the next release. A problem says why nobody should
// accept it without a look, an error why it cannot be written.
func signerOf(c verify.Candidate) (s policy.DraftSigner, problem string, err error) {
	s = policy.DraftSigner{Issuer: c.Issuer, Subject: c.Signer, Comments: []string{seenText(c)}}
	switch {
	case !policy.Writable(c.Signer) || !policy.Writable(c.Issuer):
		return s, "", fmt.Errorf("its name or its issuer's is too long, or has characters that cannot be seen: %s of %s", c.Signer, c.Issuer)
	case strings.Contains(c.Issuer, "*"):
		return s, "", fmt.Errorf("its issuer has a *, which stands for others in a pattern: %s", c.Issuer)
	}
	m := workflowName().FindStringSubmatch(c.Signer)
	switch {
	case strings.Contains(c.Signer, "*"): // in a pattern it would stand for others
		s.Subject, s.Expression = regexp.QuoteMeta(c.Signer), true
		return s, "", nil
	case m == nil:
		return s, "", nil
	}
	workflow, ref := m[1], m[2]
	if s.Claims, err = claimsOf(c, workflow); err != nil {
		return s, "", err
	}
	tag, tagged := strings.CutPrefix(ref, "refs/tags/")
	switch {
	case strings.HasPrefix(ref, "refs/pull/"), strings.HasPrefix(ref, "refs/merge-requests/"):
		problem = "It signed for a proposed change, which anybody may make."
	case tagged:
		s.Subject, s.Expression = tagsLike(workflow, tag)
	case !strings.HasPrefix(ref, "refs/"):
		s.Comments = append(s.Comments, "The workflow is called at a commit: whenever its callers update it, this changes.")
	}
	return s, problem, nil
}

// tagsLike returns the subject of a workflow at tags like the one it ran at: with
// the same beginning, and where that is nothing, with a digit. A tag without a
// number is the only one of its kind.
func tagsLike(workflow, tag string) (subject string, expression bool) {
	m := release().FindStringSubmatch(tag)
	switch {
	case m == nil:
		return workflow + "@refs/tags/" + tag, false
	case m[1] == "":
		return regexp.QuoteMeta(workflow+"@refs/tags/") + "[0-9][0-9A-Za-z._+-]*", true
	}
	return workflow + "@refs/tags/" + m[1] + "*", false
}

// claimsOf returns what else the certificate has to say. Where that cannot be
// written there is an error: the rest alone would accept others too.
func claimsOf(c verify.Candidate, workflow string) (map[string]string, error) {
	claims := map[string]string{}
	names := []string{"runner-environment"}
	// Of a workflow that others call, who called it is what matters. Certificates
	// before Fulcio 1.2 name that in another claim, which GitHub's alone have.
	source, caller, ref := c.Claims["source-repository-uri"], "source-repository-uri", "source-repository-ref"
	if old := c.Claims["github-workflow-repository"]; source == "" && old != "" {
		source, caller, ref = "https://github.com/"+old, "github-workflow-repository", "github-workflow-ref"
	}
	if source != "" && !strings.HasPrefix(workflow, source+"/") {
		names = append(names, caller)
		if !strings.HasPrefix(c.Claims[ref], "refs/tags/") { // another one each time, and claims have no patterns
			names = append(names, ref)
		}
	}
	for _, name := range names {
		v := c.Claims[name]
		switch {
		case v == "":
		case !policy.Writable(v):
			return nil, fmt.Errorf("its %s is too long, or has characters that cannot be seen: %s", name, v)
		default:
			claims[name] = v
		}
	}
	return claims, nil
}

// lookTwice adds to a signer what speaks against it. A problem says why nobody
// should accept it without a look.
func lookTwice(s *policy.DraftSigner, c verify.Candidate) (problem string) {
	if c.Accept != nil && c.Accept.Unwise != "" {
		s.Comments = append(s.Comments, "Look twice: "+c.Accept.Unwise+".")
	}
	alone := policy.Draft{Rules: []policy.DraftRule{{Images: []string{"registry.example/image"}, Signers: []policy.DraftSigner{*s}}}}
	p, err := policy.Read("policy", alone.Text(), policy.Options{Systems: newSystems(Command{}, nil, nil).list()})
	if err != nil {
		return "" // the whole policy is read before anybody gets it
	}
	for _, d := range p.Lint(time.Time{}) {
		if d.Lint == "shared-workflow" {
			problem = "Anybody may call this workflow, and nothing in the certificate says who did."
			continue
		}
		s.Comments = append(s.Comments, fmt.Sprintf("Look twice: %s [%s].", d.Err, d.Lint))
	}
	return problem
}

// seenText says what was seen of a signature.
func seenText(c verify.Candidate) string {
	text := c.Format + " in " + c.Source
	if c.Platform != "" {
		text = "on platform " + c.Platform + ": " + text
	}
	if !c.SignedAt.IsZero() {
		text += ", signed " + c.SignedAt.UTC().Format(time.RFC3339)
	}
	if c.LogIndex != nil {
		text += fmt.Sprintf(", log index %d", *c.LogIndex)
	}
	return text + ", as " + c.Signer
}
