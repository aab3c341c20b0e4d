package report

import (
	"fmt"
	"strings"

	"github.com/boltseal/boltseal/gate"
)

// How much the picture shows; more cannot be read.
const (
	maxPictured = 20 // images
	maxVouching = 5  // signers of one image
)

// picture returns the part that draws, in Mermaid, who vouches for which of the
// images that were verified. Nothing else is in it, and without such an image
// there is none.
func (s summary) picture() *part {
	var items []string
	images := 0
	signers := map[string]string{} // ID of the node of each
	for _, f := range s.findings {
		if !f.Verified() {
			continue
		}
		if images++; images <= maxPictured {
			items = append(items, pictured(f, fmt.Sprintf("i%d", images), signers))
		}
	}
	return &part{
		open: "```mermaid\nflowchart LR\n", items: items, shut: "```\n\n",
		rest: func(shown int) string {
			switch {
			case shown == images:
				return ""
			case shown == 0:
				return "The picture of who vouches for which image was left out.\n\n"
			}
			return fmt.Sprintf("… and %s.\n\n", count(images-shown, "more image"))
		},
	}
}

// pictured returns the arrows to the image of f from its signers, each of which
// gets its label where it comes first.
func pictured(f gate.Finding, id string, signers map[string]string) string {
	text, to := "", id+"["+node(shortDigest(f))+"]"
	for _, ev := range first(signersOf(f), maxVouching) {
		key := signer(ev.Signer, ev.Issuer, ev.System) + ev.Claims["root"]
		from, known := signers[key]
		if !known {
			from = fmt.Sprintf("s%d", len(signers)+1)
			signers[key] = from
			from += "(" + node(shortSigner(ev)) + ")"
		}
		text += fmt.Sprintf("  %s --> %s\n", from, to)
		to = id
	}
	return text
}

// shortDigest is the reference with no more of a digest than tells it from
// others.
func shortDigest(f gate.Finding) string {
	text := reference(f)
	if d := f.Use.Ref.Digest(); d != "" {
		text = strings.TrimSuffix(text, d) + cut(d, len("sha256:")+13)
	}
	return text
}
