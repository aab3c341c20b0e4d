package sigstore

import (
	"cmp"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/verify"
)

// A match is a signature that satisfies everything but the number of signers.
type match struct {
	signer   string // as facts.person says
	entries  []int  // of the requirement's identities and keys, which it fits
	evidence verify.Evidence
}

// person names who signed such that one signer has one name only, at the risk
// that two share it: whoever counts signers must not count one twice. A
// workflow is the same one at every ref, and a person behind every issuer and
// with whatever follows a "+" in the name of the mailbox.
func (f facts) person() string {
	if f.cert == nil {
		signer, _ := f.signer()
		return signer
	}
	s, domain := strings.ToLower(f.cert.SubjectAlternativeName), ""
	if at := strings.LastIndexByte(s, '@'); at >= 0 && !strings.Contains(s, "://") {
		s, domain = s[:at], s[at:]
	}
	// The ref of a workflow begins at the first "@": a branch may have one too.
	s, _, _ = strings.Cut(s, "@")
	s, _, _ = strings.Cut(s, "+")
	return s + domain
}

// together returns the evidence of need signers, each for an entry of its own;
// fewer where there are not so many. Of several ways to pair signers with
// entries it finds one that pairs the most (maximum bipartite matching). Which
// one does not depend on the order of found: registries list signatures in any.
func together(found []match, need int) []verify.Evidence {
	found = slices.SortedStableFunc(slices.Values(found), func(a, b match) int {
		return cmp.Or(cmp.Compare(a.evidence.Signer, b.evidence.Signer), cmp.Compare(a.evidence.Issuer, b.evidence.Issuer))
	})
	var signers []string
	edges := map[string]map[int]verify.Evidence{} // signer to entry, with the first signature that fits
	for _, m := range found {
		if edges[m.signer] == nil {
			edges[m.signer] = map[int]verify.Evidence{}
			signers = append(signers, m.signer)
		}
		for _, e := range m.entries {
			if _, ok := edges[m.signer][e]; !ok {
				edges[m.signer][e] = m.evidence
			}
		}
	}
	holder := map[int]string{} // entry to signer
	// place finds signer an entry, and moves others to make room for it.
	var place func(signer string, tried map[int]bool) bool
	place = func(signer string, tried map[int]bool) bool {
		for _, e := range ordered(edges[signer]) {
			if tried[e] {
				continue
			}
			tried[e] = true
			if other, taken := holder[e]; !taken || place(other, tried) {
				holder[e] = signer
				return true
			}
		}
		return false
	}
	for _, s := range signers {
		if len(holder) == need {
			break
		}
		place(s, map[int]bool{})
	}
	var evidence []verify.Evidence
	for _, e := range ordered(holder) {
		evidence = append(evidence, edges[holder[e]][e])
	}
	return evidence
}

// ordered returns the keys of m in their order.
func ordered[V any](m map[int]V) []int {
	keys := make([]int, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
