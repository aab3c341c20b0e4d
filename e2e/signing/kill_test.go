package signing_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/boltseal/boltseal/e2e/signing/sigstack"
)

// A run that is killed between two writes leaves nothing that is in the way of
// the next one, after which there is exactly one good signature in each format.
func TestKilledBetweenWrites(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		registry func(w *workplace) *sigstack.Service
		flags    func(w *workplace) []string
		formats  []string
	}{
		{
			name: "bundle, with referrers", formats: []string{"bundle"},
			registry: func(w *workplace) *sigstack.Service { return w.Registry },
			flags:    func(w *workplace) []string { return []string{"--signing-config", w.signingConfig(w.Rekor, w.TSA)} },
		},
		{
			name: "bundle, without", formats: []string{"bundle"},
			registry: func(w *workplace) *sigstack.Service { return w.Legacy },
			flags:    func(w *workplace) []string { return []string{"--signing-config", w.signingConfig(w.Rekor, w.TSA)} },
		},
		{
			name: "legacy", formats: []string{"legacy"},
			registry: func(w *workplace) *sigstack.Service { return w.Legacy },
			flags: func(w *workplace) []string {
				return []string{"--signing-config", w.signingConfig(w.RekorV1), "--format", "legacy"}
			},
		},
		{
			name: "both", formats: []string{"bundle", "legacy"},
			registry: func(w *workplace) *sigstack.Service { return w.Legacy },
			flags: func(w *workplace) []string {
				return []string{"--signing-config", w.newest(), "--format", "bundle", "--format", "legacy"}
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			// How many writes there are is found out first.
			w := newWorkplace(t)
			img := w.push(test.registry(w), "acme/app")
			w.Forget()
			w.signed(append(test.flags(w), img.pinned())...)
			writes := w.writes()
			if len(writes) < 4 {
				t.Fatalf("only %d writes: %v", len(writes), writes)
			}
			for n, write := range writes {
				t.Run(fmt.Sprintf("%d, %s %s", n+1, write.Service, write.Method), func(t *testing.T) {
					t.Parallel()
					w := newWorkplace(t)
					img := w.push(test.registry(w), "acme/app")
					flags := append(test.flags(w), img.pinned())
					w.killAt(n+1, append(flags, "--bundle-dir", w.path("bundles")))
					if bundles, _ := os.ReadDir(w.path("bundles")); len(bundles) > 0 {
						t.Errorf("%d bundles of what is not signed", len(bundles))
					}
					w.signed(flags...)
					w.signatures(img, len(test.formats), byWorkflow())
					for _, format := range test.formats {
						w.must(w.cosign(3)(append(w.cosignVerify(format, byWorkflow(), nil)[3], img.pinned())...))
					}
					if there, all := w.signed(flags...).existed(); there != all || all != len(test.formats) {
						t.Errorf("of %d signatures %d were there", all, there)
					}
				})
			}
		})
	}
}

// killAt has boltseal sign, and kills it when the n-th write is done, before it
// knows.
func (w *workplace) killAt(n int, flags []string) {
	w.t.Helper()
	ctx, kill := context.WithTimeout(w.t.Context(), limit)
	defer kill()
	dead := make(chan struct{})
	w.Forget()
	w.Intercept(func(r sigstack.Request) bool {
		if r.Written < n || r.Method == "GET" || r.Method == "HEAD" {
			return true
		}
		kill()
		<-dead
		return false
	})
	defer w.Intercept(nil)
	type end struct {
		outcome
		err error
	}
	ended := make(chan end, 1)
	go func() {
		defer close(dead)
		o, err := w.start(ctx, boltseal, nil, slices.Concat([]string{"sign", "--trusted-root", stack.TrustedRoot, "--output", "json"}, flags))
		ended <- end{o, err}
	}()
	select {
	case e := <-ended:
		check(w.t, e.err)
		if e.code != -1 || e.stdout != "" {
			w.t.Fatalf("it was not killed at write %d, or has said something:\n%s", n, e)
		}
	case <-time.After(limit):
		w.t.Fatal("it does not end")
	}
}
