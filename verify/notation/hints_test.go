package notation_test

import (
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/servicetest"
	"github.com/boltseal/boltseal/verify"
)

// Where no server answers, the next step says what would be accepted then, and in
// the words of whoever asked.
func TestHintNoAnswer(t *testing.T) {
	t.Parallel()
	r := revocationOf(t)
	r.Inject(servicetest.Fault{Status: 500})
	w := newWorld(t, registrytest.Options{})
	a := certified(t, notationtest.AuthorityOptions{Revocation: r, CRL: true})
	w.sign(a, notationtest.SignOptions{})
	for _, flags := range []bool{false, true} {
		c := trusting(t, a)
		c.Flags = flags
		v := w.verify(c)
		wantVerdict(t, v, verify.Unavailable)
		want := map[bool]string{false: "accept images of which no server says anything: revocation: soft", true: "accept images of which no server says anything: --notation-revocation soft"}[flags]
		if hint := verify.Hint(v.Err()); !strings.HasSuffix(hint, want) {
			t.Errorf("%q", hint)
		}
	}
}
