package signing_test

import (
	"crypto/elliptic"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/e2e/signing/sigstack"
)

// What boltseal signs verifies with boltseal and with cosign, and is not signed
// again.
func TestSign(t *testing.T) {
	t.Parallel()
	v2 := func(w *workplace) string { return w.signingConfig(w.Rekor, w.TSA) }
	v1 := func(w *workplace) string { return w.signingConfig(w.RekorV1) }
	both := func(w *workplace) string { return w.signingConfig(w.Rekor, w.RekorV1, w.TSA) }
	// Entries of Rekor v2 have no time; cosign 3 sees that for itself.
	stamped := []string{"--use-signed-timestamps"}
	tests := []struct {
		name    string
		config  func(w *workplace) string // nil where no service is asked
		formats []string                  // --format, and what is expected
		key     bool
		flags   []string
		check   []string // more flags to verify with
		cosign2 []string // and more for cosign 2 with bundles
	}{
		{name: "Rekor v2", config: v2, formats: []string{"bundle"}, cosign2: stamped},
		{name: "Rekor v1", config: v1, formats: []string{"bundle"}},
		{name: "both logs", config: both, formats: []string{"bundle"}, cosign2: stamped},
		{name: "legacy", config: v1, formats: []string{"legacy"}},
		{name: "both formats", config: both, formats: []string{"bundle", "legacy"}},
		{name: "annotated", config: both, formats: []string{"bundle", "legacy"}, flags: []string{"-a", "commit=abc", "-a", "stage=release"}},
		{name: "key, Rekor v2", config: v2, formats: []string{"bundle"}, key: true, cosign2: stamped},
		{name: "key, Rekor v1", config: v1, formats: []string{"bundle"}, key: true},
		{name: "key, legacy", config: v1, formats: []string{"legacy"}, key: true},
		{name: "key, both formats", config: both, formats: []string{"bundle", "legacy"}, key: true},
		{
			name: "key, no log", formats: []string{"bundle", "legacy"}, key: true,
			flags: []string{"--tlog-upload=false"}, check: []string{"--insecure-ignore-tlog"},
		},
	}
	for _, test := range tests {
		for _, kind := range []string{"with referrers", "without"} {
			t.Run(test.name+", "+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorkplace(t)
				registry, at := w.Registry, referrer
				if kind == "without" {
					registry, at = w.Legacy, fallback
				}
				img := w.push(registry, "acme/app")
				flags := append([]string{img.pinned()}, test.flags...)
				if test.config != nil {
					flags = append(flags, "--signing-config", test.config(w))
				}
				for _, f := range test.formats {
					flags = append(flags, "--format", f)
				}
				check, identity := byWorkflow(), sigstack.Identity
				if test.key {
					file := w.path("cosign.key")
					if len(test.formats) > 1 {
						w.copyKey()
					} else { // which takes no time to open
						file = w.plainKey(newEC(t, elliptic.P256()))
					}
					flags = append(flags, "--key", file)
					check, identity = w.byKey(), "key sha256:"
				}
				check = append(check, test.check...)

				s := w.signed(flags...)
				if len(s.Signed) != len(test.formats) {
					t.Fatalf("%d signatures:\n%s", len(s.Signed), s)
				}
				for i, format := range test.formats {
					storage := at
					if format == "legacy" {
						storage = sigTag
					}
					r := s.Signed[i]
					if r.Format != format || r.Storage != storage || r.Digest != img.digest || !strings.HasPrefix(r.Identity, identity) ||
						(r.LogIndex != nil) != (test.config != nil) || r.Existed {
						t.Errorf("%+v", r)
					}
				}
				w.consume(s.Verify)
				w.verified(img.tagged(), check...)
				w.signatures(img, len(test.formats), check)
				for _, format := range test.formats {
					for major, args := range w.cosignVerify(format, check, slices.Concat(test.cosign2, annotations(test.flags))) {
						w.must(w.cosign(major)(append(args, img.pinned())...))
					}
				}
				if len(annotations(test.flags)) > 0 {
					// cosign 2 does not look at the annotations of bundles.
					o := w.cosign(3)(slices.Concat([]string{"verify"}, check, []string{"-a", "commit=other", img.pinned()})...)
					if o.code == 0 {
						t.Errorf("cosign 3 finds another annotation:\n%s", o)
					}
				}

				w.Forget()
				again := w.signed(flags...)
				if there, all := again.existed(); there != all || all != len(test.formats) {
					t.Errorf("of %d signatures %d were there:\n%s", all, there, again)
				}
				w.nothingMade()
				forced := w.signed(append(flags, "--force")...)
				if there, all := forced.existed(); there != 0 || all != len(test.formats) {
					t.Errorf("of %d signatures %d were there:\n%s", all, there, forced)
				}
				w.signatures(img, 2*len(test.formats), check)
			})
		}
	}
}

// An annotation with a comma is one annotation, also in the command line that
// consumers are told.
func TestSignAnnotationWithComma(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	img := w.push(w.Registry, "acme/app")
	s := w.signed(img.pinned(), "--signing-config", w.signingConfig(w.RekorV1), "--format", "legacy", "--format", "bundle", "-a", `who="Doe, Jane", role=qa`)
	w.consume(s.Verify)
	if o := w.cosign(3)(slices.Concat([]string{"verify"}, byWorkflow(), []string{"-a", "who=Doe", img.pinned()})...); o.code == 0 {
		t.Errorf("cosign 3 finds another annotation:\n%s", o)
	}
}

// nothingMade fails the test if since the last Forget anything was certified, logged,
// timestamped or pushed.
func (w *workplace) nothingMade() {
	w.t.Helper()
	for _, r := range w.writes() {
		w.t.Errorf("something was made: %s", r)
	}
}

// annotations returns those of flags that cosign verify takes as well.
func annotations(flags []string) []string {
	var found []string
	for i, f := range flags {
		if f == "-a" {
			found = append(found, f, flags[i+1])
		}
	}
	return found
}

// cosignVerify returns the commands by which people verify such a signature, by
// the number of cosign. more is for cosign 2.
func (w *workplace) cosignVerify(format string, check, two []string) map[int][]string {
	if format == "legacy" {
		return map[int][]string{
			// cosign 2.6 takes bundles first where there are some, even if told not to;
			// it must get on with those that are there.
			2: append([]string{"verify"}, check...),
			3: append([]string{"verify", "--new-bundle-format=false"}, check...),
		}
	}
	return map[int][]string{
		2: slices.Concat([]string{"verify", "--new-bundle-format"}, check, two),
		3: append([]string{"verify"}, check...),
	}
}
