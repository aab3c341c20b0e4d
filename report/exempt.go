package report

import (
	"github.com/boltseal/boltseal/gate"
)

// maxExempt is how many exempt images the summary lists.
const maxExempt = 50

// exempt has an entry for each image that passed without having been verified.
func (s summary) exempt() *part {
	var items []string
	n := 0
	for _, f := range s.findings {
		e, ok := f.Exemption()
		if !ok {
			continue
		}
		if n++; n <= maxExempt {
			items = append(items, "- "+s.mark(f)+" "+code(reference(f), maxImage)+" "+exemption(f, e)+"\n")
		}
	}
	return &part{open: "**Exempt, not verified**\n\n", items: items, shut: "\n", rest: func(shown int) string {
		return s.see(s.missing(shown, n, "exempt image"))
	}}
}

// exemption says who answers for it, for how long, why and where that is written.
func exemption(f gate.Finding, e gate.Exemption) string {
	text := until(e)
	if e.Owner != "" {
		text += " · owner " + code(e.Owner, maxText)
	}
	text += " · " + code(e.Reason, maxText)
	if by := exemptBy(f, e); by != "" {
		text += " · by " + code(by, maxText)
	}
	return text
}
