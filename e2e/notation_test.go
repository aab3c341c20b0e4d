package e2e_test

import (
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// The Action verifies images of the Notary Project's kind, by a certificate and
// a name, without a trust policy or a trust store.
func TestNotation(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	reg := r.registry(registrytest.Options{NoReferrers: true})
	acme, err := notationtest.NewAuthority(notationtest.AuthorityOptions{})
	check(t, err)
	mallory, err := notationtest.NewAuthority(notationtest.AuthorityOptions{CA: "Mallory CA"})
	check(t, err)
	push := func(repo string, by *notationtest.Authority) string {
		d, err := reg.PutImage(repo, "v1", repo)
		check(t, err)
		envelope, err := by.Sign(d, notationtest.SignOptions{Envelope: notationtest.COSE, Metadata: map[string]string{"commit": "abc"}})
		check(t, err)
		_, err = notationtest.Push(reg, repo, d, envelope, notationtest.COSE)
		check(t, err)
		return reg.Host() + "/" + repo + "@" + d.Digest.String()
	}
	good := push("team/app", acme)
	push("team/theirs", mallory)
	root := r.path("root.pem")
	write(t, root, string(notationtest.PEM(acme.Root())), 0o600)
	step := func(id, image string) string {
		return "- uses: boltseal/boltseal@v1\n  id: " + id + "\n  with:\n    " + strings.Join([]string{
			"images: REGISTRY/" + image, "notation-certificate: " + root, "notation-identity: 'x509.subject: C=US, ST=WA, O=Acme'",
			"notation-user-metadata: commit=abc", "download-base: MIRROR",
		}, "\n    ") + "\n  env:\n    ID: " + id + "\n"
	}
	got := r.run("push", job(step("good", "team/app:v1"), step("bad", "team/theirs:v1"), goOn, keep))
	got.want("good", 0, "true", "verified", good)
	got.want("bad", 1, "false", "wrong-signer", "")
	got.ends(false, false)
	summary := got.summary("bad")
	for _, c := range []string{notationtest.Fingerprint(acme.Root()), notationtest.Fingerprint(mallory.Leaf())} {
		if !strings.Contains(summary+got.log, c) {
			t.Errorf("the certificate %s is not named:\n%s\n%s", c, summary, got.log)
		}
	}
}
