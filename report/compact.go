package report

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/boltseal/boltseal/gate"
)

// A compactDoc is one image where there is no room for the whole report.
type compactDoc struct {
	Reference string `json:"reference"`
	Digest    string `json:"digest,omitempty"`
	Pinned    string `json:"pinned,omitempty"`
	Passed    bool   `json:"passed"`
	Reason    string `json:"reason"`
	Signer    string `json:"signer,omitempty"` // with Issuer, of the first evidence
	Issuer    string `json:"issuer,omitempty"`
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"`
}

// Images returns what became of each use as a JSON array of one line, in the
// order of the uses, at most limit bytes of it. If they do not all fit, as many
// failures as do are kept, then, if that was all of them, passes; the last
// element is then {"omitted": N}. Where limit is too small even for that, the
// array is empty.
func Images(r gate.Report, limit int) (text string, omitted int) {
	findings := r.Findings()
	all := make([]string, len(findings))
	size := len("[]")
	for i, f := range findings {
		all[i] = compact(f)
		size += len(all[i]) + len(",")
	}
	if len(all) == 0 || size-len(",") <= limit {
		return "[" + strings.Join(all, ",") + "]", 0
	}
	room := limit - len("[]") - len(more(len(all)))
	if room < 0 {
		return "[]", len(all)
	}
	kept := keep(findings, all, room)
	omitted = len(all) - len(kept)
	return "[" + strings.Join(append(kept, more(omitted)), ",") + "]", omitted
}

// keep returns those of all, each with a comma, that fit into room bytes, in
// order.
func keep(findings []gate.Finding, all []string, room int) []string {
	take := make([]bool, len(all))
	full := false
	for _, passed := range []bool{false, true} {
		for i, f := range findings {
			if f.Passed() != passed || full && passed {
				continue
			}
			need := len(all[i]) + len(",")
			if take[i] = need <= room; take[i] {
				room -= need
			} else {
				full = true // a pass never takes the place of a failure
			}
		}
	}
	var kept []string
	for i, s := range all {
		if take[i] {
			kept = append(kept, s)
		}
	}
	return kept
}

func more(omitted int) string { return fmt.Sprintf(`{"omitted":%d}`, omitted) }

func compact(f gate.Finding) string {
	d := compactDoc{
		Reference: reference(f), Digest: f.Pinned.Digest(), Pinned: pinned(f), Passed: f.Passed(), Reason: reason(f.Reason()),
		File: f.Use.At.File, Line: f.Use.At.Line,
	}
	if vouching := signersOf(f); len(vouching) > 0 {
		d.Signer, d.Issuer = vouching[0].Signer, vouching[0].Issuer
	}
	text, _ := json.Marshal(d) // of strings, a number and a truth value it cannot fail
	return string(inert(text))
}

// pinned is what to build from if f passed; "" of what is exempt: nobody has
// said that these bytes are good.
func pinned(f gate.Finding) string {
	if _, exempt := f.Exemption(); exempt {
		return ""
	}
	return f.Pinned.String()
}

// Pinned returns repository@digest of each image of a run that passed, once, in
// the order of the uses, without those that are exempt; nil if the run did not
// pass.
func Pinned(r gate.Report) []string {
	var out []string
	seen := map[string]bool{}
	for _, a := range r.Admitted() {
		_, exempt := a.Exemption()
		if p := a.Pinned().String(); !exempt && !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}
