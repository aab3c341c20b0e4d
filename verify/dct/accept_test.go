package dct_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/verify"
)

// Others who have signed the image are told with what would let them count, but
// for whoever only says what tags mean. Where somebody who is required has signed
// another image, nothing is told that would leave them out.
func TestInstead(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		bob     string   // what bob, who is required, has signed; "" for nothing
		differs []string // roles
		accept  string   // part of the line; "" if there is none
	}{
		{"bob has not signed", "", []string{"targets/alice"}, `signers: ["alice"]`},
		{"bob has signed another image", digestOf("another"), []string{"targets/alice"}, ""},
		{"bob has signed it, too", digestOf("1.0"), nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, dcttest.Options{Delegations: []string{dcttest.Releases, "targets/alice", "targets/bob"}})
			if tc.bob != "" {
				must(t, w.c.AddTarget("targets/bob", "1.0", tc.bob, 512))
			}
			w.config.Signers = []string{"bob"}
			v := verdict(t, w, w.store)
			want := verify.WrongSigner
			if tc.bob == digestOf("1.0") {
				want = verify.Verified
			}
			if v.Reason() != want {
				t.Fatalf("%s: %v", v.Reason(), v.Err())
			}
			var differs []string
			accept := ""
			for _, c := range v.Candidates() {
				if c.Differs != nil {
					differs = append(differs, c.Signer)
				}
				if c.Accept != nil {
					accept += c.Accept.Line
				}
			}
			if !slices.Equal(differs, tc.differs) || (accept == "") != (tc.accept == "") || !strings.Contains(accept, tc.accept) {
				t.Errorf("differ: %q, to accept: %s", differs, accept)
			}
		})
	}
}
