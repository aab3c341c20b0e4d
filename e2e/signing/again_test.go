package signing_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/boltseal/boltseal/e2e/signing/sigstack"
)

// Keys whose signatures of the same are the same make entries of a log that are
// the same. A run that is killed once the log has its entry is followed by one
// that the log tells so: Rekor v1 answers 409, and the entry that is there counts.
func TestLoggedAlready(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		log   func(w *workplace) *sigstack.Service
		flags []string
		want  int // status of the log's second answer
	}{
		{name: "legacy", log: func(w *workplace) *sigstack.Service { return w.RekorV1 }, flags: []string{"--format", "legacy"}, want: http.StatusConflict},
		{name: "bundle, Rekor v1", log: func(w *workplace) *sigstack.Service { return w.RekorV1 }, want: http.StatusConflict},
		{name: "bundle, Rekor v2", log: func(w *workplace) *sigstack.Service { return w.Rekor }, want: http.StatusConflict},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t)
			log := test.log(w)
			img := w.push(w.Legacy, "acme/app")
			flags := slices.Concat([]string{img.pinned(), "--key", w.plainKey(newRSA(t, 2048)), "--signing-config", w.signingConfig(log, w.TSA)}, test.flags)

			// Which write is that to the log?
			w.Forget()
			w.signed(append(flags, "--signature-repository", w.Legacy.Host+"/acme/other")...)
			at := 1 + slices.IndexFunc(w.writes(), func(r sigstack.Request) bool { return r.Service == log.Name })
			other := w.push(w.Legacy, "acme/app")
			flags[0] = other.pinned()
			w.killAt(at, flags)

			w.Forget()
			w.signed(flags...)
			w.signatures(other, 1, w.byKey())
			statuses := []int{}
			for _, r := range w.writes() {
				if r.Service == log.Name {
					statuses = append(statuses, r.Status)
				}
			}
			if !slices.Equal(statuses, []int{test.want}) {
				t.Errorf("the log has answered %v, want %d", statuses, test.want)
			}
			w.must(w.cosign(3)(append([]string{"verify"}, append(w.byKey(), other.pinned())...)...))
		})
	}
}
