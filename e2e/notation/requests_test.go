package notation_test

import (
	"fmt"
	"strings"
	"testing"
)

// What an image costs, by the registry's log: boltseal asks for nothing twice,
// and for nothing that notation does not ask for. go test -v prints both.
func TestRequests(t *testing.T) {
	t.Parallel()
	for _, kind := range registries {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t, kind.options)
			w.testKey()
			signed, unsigned := w.push("team/signed"), w.push("team/unsigned")
			must(t, w.notation("sign", signed.pinned()))
			api := !kind.options.NoReferrers
			for _, tc := range []struct {
				name, ref string
				passes    bool
				ours      [2]int // boltseal's: without the referrers API, and with it
			}{
				{"signed, by digest", signed.pinned(), true, [2]int{5, 4}},
				{"signed, by tag", signed.tagged(), true, [2]int{5, 4}},
				{"unsigned, by digest", unsigned.pinned(), false, [2]int{3, 2}},
			} {
				asked := func(o outcome) []string {
					if passed := o.code == 0; passed != tc.passes {
						t.Errorf("%s: passed: %t\n%s", tc.name, passed, o)
					}
					var all []string
					for _, r := range w.reg.Requests() {
						all = append(all, r.Method+" "+r.URI)
					}
					w.reg.Reset(0)
					return all
				}
				w.reg.Reset(0)
				theirs := asked(w.notation("verify", tc.ref))
				ours := asked(w.verify(tc.ref, w.byPolicy()...).outcome)
				t.Logf("%s, %s: boltseal %d requests, notation %d\nboltseal\n\t%s\nnotation\n\t%s",
					kind.name, tc.name, len(ours), len(theirs), strings.Join(ours, "\n\t"), strings.Join(theirs, "\n\t"))
				want := tc.ours[0]
				if api {
					want = tc.ours[1]
				}
				if len(ours) != want || len(ours) >= len(theirs) {
					t.Errorf("%s: boltseal sends %d requests, want %d; notation %d", tc.name, len(ours), want, len(theirs))
				}
				if twice := repeated(ours); twice != "" {
					t.Errorf("%s: boltseal sends twice %s", tc.name, twice)
				}
			}
		})
	}
}

// repeated returns a request that was sent more than once, "" if there is none.
func repeated(requests []string) string {
	seen := map[string]bool{}
	for _, r := range requests {
		if seen[r] {
			return fmt.Sprint(r)
		}
		seen[r] = true
	}
	return ""
}
