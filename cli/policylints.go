package cli

import (
	"bytes"
	"fmt"

	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/report"
)

// lints are what policy check looks for: in the policy as a whole, and in who
// may sign.
func lints() []policy.Lint {
	return append(policy.Lints(), []policy.Lint{
		{Name: "any-issuer", Doc: "An issuer's pattern accepts issuers that anybody can run."},
		{Name: "issuer-no-url", Doc: "An issuer is no address, and every certificate's is."},
		{Name: "issuer-misfit", Doc: "The issuer does not vouch for such subjects, so that nobody can pass, or somebody whom nobody meant."},
		{Name: "any-identity", Doc: "A subject's pattern accepts anybody whom the issuer knows."},
		{Name: "email-domain", Doc: "A subject's pattern accepts everybody with an address of a domain."},
		{Name: "other-owners", Doc: "A subject's pattern accepts workflows of other owners."},
		{Name: "owner-prefix", Doc: "A subject's pattern has an owner without a slash behind it, and accepts all owners that begin like it."},
		{Name: "any-workflow", Doc: "A subject's pattern accepts any workflow of a repository."},
		{Name: "any-ref", Doc: "A subject's pattern accepts any ref, branches of anybody with push rights included."},
		{Name: "no-ref", Doc: "A subject fits no certificate of GitHub's workflows, which name a file and a ref."},
		{Name: "pull-request", Doc: "A subject is that of a run for a proposal, which is made of what its author wrote."},
		{Name: "shared-workflow", Doc: "A subject is a workflow that anybody may call, and no claim says who did."},
		{Name: "looks-like-regexp", Doc: "A subject or issuer looks like a regular expression, and is compared as it stands."},
		{Name: "loose-dot", Doc: "A dot in the host name of an expression stands for any character."},
		{Name: "claim-pattern", Doc: "A claim has a *, and claims are compared exactly."},
		{Name: "claim-no-url", Doc: "A claim that is an address in certificates is none."},
		{Name: "ignore-tlog", Doc: "A key's signatures need no log entry, so that nobody notices a stolen key."},
	}...)
}

func lintsTable(w *bytes.Buffer) error {
	var lines bytes.Buffer
	for _, l := range lints() {
		fmt.Fprintf(&lines, "%s\t%s\n", l.Name, l.Doc)
	}
	return aligned(w, lines.Bytes())
}

// The JSON of policy check --list.
type lintDoc struct {
	Name string `json:"name"`
	Doc  string `json:"doc"`
}

func lintsJSON(w *bytes.Buffer) error {
	doc := struct {
		Version int       `json:"version"`
		Lints   []lintDoc `json:"lints"`
	}{Version: checkVersion}
	for _, l := range lints() {
		doc.Lints = append(doc.Lints, lintDoc{l.Name, l.Doc})
	}
	return report.Value(w, doc)
}
