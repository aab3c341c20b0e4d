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
	all := policy.Lints()
	for _, s := range newSystems(Command{}, nil, nil).each {
		all = append(all, s.lints()...)
	}
	return all
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
