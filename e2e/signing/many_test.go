package signing_test

import (
	"testing"
	"time"
)

// Twenty images are signed in at most twice the time of one. Rekor v2 answers
// when an entry is in its tree, which it looks for once a second, so a run that
// signs them one after the other takes twenty. Each measurement begins where the
// one before it has ended, at the log's stroke, and the least of each kind counts.
func TestManyImages(t *testing.T) {
	const rounds, many = 3, 20
	w := newWorkplace(t)
	config := w.signingConfig(w.Rekor, w.TSA)
	measure := func(n int) time.Duration {
		args := []string{"--signing-config", config, "--jobs", "20"}
		for range n {
			args = append(args, w.push(w.Registry, "acme/app").pinned())
		}
		s := w.signed(args...)
		if there, all := s.existed(); all != n || there != 0 {
			t.Fatalf("%d signatures, %d of them were there:\n%s", all, there, s)
		}
		return s.took
	}
	measure(1)
	var one, twenty []time.Duration
	for range rounds {
		one = append(one, measure(1))
		twenty = append(twenty, measure(many))
	}
	least := func(all []time.Duration) time.Duration {
		d := all[0]
		for _, other := range all[1:] {
			d = min(d, other)
		}
		return d
	}
	t.Logf("one image %s, of %v; %d images %s, of %v", least(one), one, many, least(twenty), twenty)
	if least(twenty) > 2*least(one) {
		t.Errorf("%d images take more than twice as long as one", many)
	}
}
