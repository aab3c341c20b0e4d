package sigstore

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/boltseal/boltseal/verify"
)

// Signers and entries are paired as well as can be, in whatever order they come,
// and never one twice.
func TestTogether(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		signers, entries := 1+r.IntN(5), 1+r.IntN(5)
		var found []match
		edges := make([][]bool, signers)
		for s := range signers {
			edges[s] = make([]bool, entries)
		}
		for range r.IntN(9) {
			s, name := r.IntN(signers), ""
			name = strconv.Itoa(s)
			m := match{signer: name, evidence: verify.Evidence{Signer: name}}
			for e := range entries {
				if r.IntN(3) == 0 {
					m.entries = append(m.entries, e)
					edges[s][e] = true
				}
			}
			found = append(found, m)
		}
		most := pairs(edges, 0, map[int]bool{})
		for need := 1; need <= 5; need++ {
			got := together(found, need)
			seen := map[string]bool{}
			for _, ev := range got {
				if seen[ev.Signer] {
					t.Fatalf("%s counts twice: %+v", ev.Signer, found)
				}
				seen[ev.Signer] = true
			}
			if len(got) != min(need, most) {
				t.Fatalf("%d of %d, could be %d: %+v", len(got), need, most, found)
			}
		}
	}
}

// pairs returns the most pairs of signers from s on with entries that are not
// taken, by trying all.
func pairs(edges [][]bool, s int, taken map[int]bool) int {
	if s == len(edges) {
		return 0
	}
	best := pairs(edges, s+1, taken)
	for e, ok := range edges[s] {
		if ok && !taken[e] {
			taken[e] = true
			best = max(best, 1+pairs(edges, s+1, taken))
			delete(taken, e)
		}
	}
	return best
}
