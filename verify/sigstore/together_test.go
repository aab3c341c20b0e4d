package sigstore

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"

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

// One signer has one name, whatever whoever signs may choose of it.
func TestPerson(t *testing.T) {
	t.Parallel()
	const workflow = "https://github.com/acme/app/.github/workflows/release.yml"
	for _, same := range [][]string{
		{workflow + "@refs/heads/main", workflow + "@refs/tags/v1", workflow + "@refs/heads/x@y", workflow + "@refs/heads/a@refs/tags/v1", strings.ToUpper(workflow) + "@refs/heads/main"},
		{"https://github.com/acme/app/.github/workflows/other.yml@refs/heads/release.yml@x"},
		{"https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main", "https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/@"},
		{"me@example.com", "Me@EXAMPLE.com", "me+a@example.com", "me+a+b@example.com", "me+@example.com"},
		{"you@example.com"},
		{"me@example.org"},
		{"a://x@example.com", "a://x+1@example.com"},
		{"a+1://x@example.com", "a+2://y@example.com"},
		{"spiffe://example.com/ns/a/sa/b"},
		{"spiffe://example.com/ns/a/sa/c"},
	} {
		name := func(s string) string {
			return facts{cert: &certificate.Summary{SubjectAlternativeName: s}}.person()
		}
		for _, s := range same {
			if got := name(s); got != name(same[0]) {
				t.Errorf("%s is %q, and %s is %q", s, got, same[0], name(same[0]))
			}
			for _, other := range []string{"us@example.com", workflow + "x@refs/heads/main", "spiffe://example.com/ns/a/sa"} {
				if name(s) == name(other) {
					t.Errorf("%s is %s", s, other)
				}
			}
		}
	}
}

// Who is counted does not depend on the order in which signatures are listed.
func TestTogetherInAnyOrder(t *testing.T) {
	t.Parallel()
	var found []match
	for _, m := range []struct{ person, issuer string }{{"a", "i"}, {"b", "i"}, {"b", "j"}, {"c", "i"}} {
		found = append(found, match{m.person, []int{0, 1}, verify.Evidence{Signer: m.person, Issuer: m.issuer}})
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		r.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
		got := together(found, 2)
		slices.SortFunc(got, func(a, b verify.Evidence) int { return strings.Compare(a.Signer, b.Signer) })
		if len(got) != 2 || got[0].Signer != "a" || got[1].Signer != "b" || got[1].Issuer != "i" {
			t.Fatalf("%+v of %+v", got, found)
		}
	}
}
