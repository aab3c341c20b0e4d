package e2e_test

import (
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// The Action signs as the Notary Project does, and verifies what was signed so,
// by a certificate and a name, without a trust policy or a trust store.
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
		if by == nil {
			return reg.Host() + "/" + repo + "@" + d.Digest.String()
		}
		envelope, err := by.Sign(d, notationtest.SignOptions{Envelope: notationtest.COSE, Metadata: map[string]string{"commit": "abc"}})
		check(t, err)
		_, err = notationtest.Push(reg, repo, d, envelope, notationtest.COSE)
		check(t, err)
		return reg.Host() + "/" + repo + "@" + d.Digest.String()
	}
	good := push("team/app", acme)
	push("team/theirs", mallory)
	pushed := push("team/pushed", nil)
	root, key, chain := r.path("root.pem"), r.path("release.key"), r.path("release.pem")
	write(t, root, string(notationtest.PEM(acme.Root())), 0o600)
	secret, err := acme.KeyPEM()
	check(t, err)
	write(t, key, string(secret), 0o600)
	write(t, chain, string(notationtest.PEM(acme.Chain...)), 0o600)
	step := func(id string, inputs ...string) string {
		return "- uses: boltseal/boltseal@v1\n  id: " + id + "\n  with:\n    download-base: MIRROR\n    " +
			strings.Join(inputs, "\n    ") + "\n  env:\n    ID: " + id + "\n"
	}
	verify := func(id, image string) string {
		return step(id, "images: "+image, "notation-certificate: "+root, "notation-identity: 'x509.subject: C=US, ST=WA, O=Acme'", "notation-user-metadata: commit=abc")
	}
	got := r.run("push", job(
		step("signs", "sign: "+pushed, "system: notation", "key: "+key, "certificate-chain: "+chain, "format: cose", "user-metadata: commit=abc", "expiry: 48h"),
		verify("signed", pushed), verify("good", "REGISTRY/team/app:v1"), verify("bad", "REGISTRY/team/theirs:v1"), goOn, keep,
	))
	if code := got.code("signs"); code != 0 {
		t.Errorf("signing: exit code %d\n%s", code, got.log)
	}
	got.want("signed", 0, "true", "verified", pushed)
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
