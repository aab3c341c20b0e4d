package signing_test

import (
	"slices"
	"strings"
	"testing"
)

// Whoever has signed for cosign 3 and signs for cosign 2 too gets what cosign 2
// accepts, although it takes the bundle first that is there. It needs a time for
// what a certificate has signed, which Rekor v2 does not give.
func TestSignForCosign2Too(t *testing.T) {
	t.Parallel()
	for _, keyless := range []bool{true, false} {
		t.Run(map[bool]string{true: "keyless", false: "by key"}[keyless], func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t)
			img := w.push(w.Registry, "acme/app")
			check := byWorkflow()
			flags := []string{img.pinned(), "--signing-config", w.signingConfig(w.Rekor, w.RekorV1, w.TSA)}
			if !keyless {
				w.copyKey()
				check, flags = w.byKey(), append(flags, "--key", w.path("cosign.key"))
			}
			cosign2 := func(more ...string) outcome {
				return w.cosign(2)(slices.Concat(w.cosignVerify("legacy", check, nil)[2], more, []string{img.pinned()})...)
			}
			w.signed(flags...)

			alone := w.signed(slices.Concat(flags, []string{"--format", "legacy"})...)
			if o := cosign2(); (o.code != 0) != keyless {
				t.Errorf("beside a bundle of Rekor v2 cosign 2 says:\n%s", o)
			}
			if told := strings.Contains(strings.Join(alone.Notices, "\n"), "cosign 2 takes the bundles of "+img.pinned()); told != keyless {
				t.Errorf("notices %q", alone.Notices)
			}
			w.must(cosign2("--use-signed-timestamps")) // as the notice says

			formats := slices.Concat(flags, []string{"--format", "legacy", "--format", "bundle"})
			both := w.signed(formats...)
			if there, _ := both.existed(); (there == 1) != keyless || len(both.Notices) > 0 {
				t.Errorf("%d signatures were there; notices %q", there, both.Notices)
			}
			w.must(cosign2())
			w.must(w.cosign(3)(append(w.cosignVerify("bundle", check, nil)[3], img.pinned())...))
			if there, all := w.signed(formats...).existed(); there != all {
				t.Errorf("of %d signatures %d were there", all, there)
			}
		})
	}
}
