package notation_test

import (
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/e2e/internal/stage"
)

// One run verifies an image that cosign has signed, one that notation has, and
// one that needs both; and refuses the one that has only one of them.
func TestBothSystemsInOneRun(t *testing.T) {
	t.Parallel()
	for _, kind := range registries {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t, kind.options)
			_, certificate, identity := w.testKey()
			sigstore, err := stage.NewSigstore(w.dir)
			check(t, err)
			want := map[string]string{} // the Reason, by pinned reference
			for repo, says := range map[string]string{
				"team/cosign": "verified", "team/notation": "verified", "core/both": "verified",
				"core/only-cosign": "unsigned", "core/only-notation": "unsigned", "core/none": "unsigned",
			} {
				i := w.push(repo)
				if strings.Contains(repo, "cosign") || repo == "core/both" {
					_, err := sigstore.Sign(w.reg, repo, i.Descriptor, stage.Bundle, stage.Identity)
					check(t, err)
				}
				if strings.Contains(repo, "notation") || repo == "core/both" {
					must(t, w.notation("sign", i.pinned()))
				}
				want[i.pinned()] = says
			}
			check(t, w.write(w.path("policy.yaml"), []byte(os.Expand(`version: 1
rules:
  - images: [$HOST/core/*]
    require:
      - all-of:
          - sigstore: {identities: [{issuer: "$ISSUER", subject: "$SUBJECT"}]}
          - notation: {certificates: ["$CERTIFICATE"], identities: ["$NAME"]}
  - images: [$HOST/team/*]
    require:
      - any-of:
          - sigstore: {identities: [{issuer: "$ISSUER", subject: "$SUBJECT"}]}
          - notation: {certificates: ["$CERTIFICATE"], identities: ["$NAME"]}
`, func(name string) string {
				return map[string]string{"HOST": w.reg.Host(), "ISSUER": stage.Issuer, "SUBJECT": stage.Identity, "CERTIFICATE": certificate, "NAME": identity}[name]
			}))))
			args := []string{"verify", "--policy", w.path("policy.yaml"), "--trusted-root", sigstore.TrustedRoot, "--output", "json"}
			for ref := range want {
				args = append(args, ref)
			}
			o := w.boltseal(args...)
			var report struct {
				Images []struct{ Pinned, Reason string }
			}
			check(t, json.Unmarshal([]byte(o.stdout), &report))
			got := map[string]string{}
			for _, i := range report.Images {
				got[i.Pinned] = i.Reason
			}
			if !maps.Equal(got, want) || o.code != 1 {
				t.Errorf("got %v, want %v\n%s", got, want, o)
			}
		})
	}
}
