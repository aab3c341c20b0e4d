package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

type options = sigstoretest.Options

func rekorV2(o *options)   { o.RekorV2 = true }
func noLog(o *options)     { o.NoLog = true }
func noSCT(o *options)     { o.NoSCT = true }
func timestamp(o *options) { o.Timestamp = true }
func expired(o *options)   { o.LogAt = time.Date(2026, 3, 1, 15, 0, 0, 0, time.UTC) }
func stranger(o *options) {
	o.Identity = "https://github.com/evil/app/.github/workflows/release.yml@refs/heads/main"
}

func version(v string) func(*options) { return func(o *options) { o.Version = v } }

// Every storage format is considered for every image, and the verdict says
// which one satisfied; what does not satisfy is refused for its own reason.
func TestFormats(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		reg     registrytest.Options
		sign    func(w *world, d ocispec.Descriptor)
		args    []string
		reason  string
		format  string // of the evidence
		storage string
		found   int // candidates
	}{
		{
			name:   "nothing",
			sign:   func(*world, ocispec.Descriptor) {},
			reason: "unsigned",
		},
		{
			name:   "legacy",
			sign:   func(w *world, d ocispec.Descriptor) { w.signLegacy(repo, d, by()) },
			reason: "verified", format: "cosign-legacy", storage: "sig-tag", found: 1,
		},
		{
			name:   "legacy with timestamp",
			sign:   func(w *world, d ocispec.Descriptor) { w.signLegacy(repo, d, by(timestamp)) },
			reason: "verified", format: "cosign-legacy", storage: "sig-tag", found: 1,
		},
		{
			name:   "bundle v0.1",
			sign:   func(w *world, d ocispec.Descriptor) { w.signBundle(repo, d, signType, by(version("0.1"))) },
			reason: "verified", format: "bundle-v0.1", storage: "referrer", found: 1,
		},
		{
			name:   "bundle v0.2",
			sign:   func(w *world, d ocispec.Descriptor) { w.signBundle(repo, d, signType, by(version("0.2"))) },
			reason: "verified", format: "bundle-v0.2", storage: "referrer", found: 1,
		},
		{
			name:   "bundle v0.3",
			sign:   func(w *world, d ocispec.Descriptor) { w.signBundle(repo, d, signType, by()) },
			reason: "verified", format: "bundle-v0.3", storage: "referrer", found: 1,
		},
		{
			name:   "bundle with a Rekor v2 entry",
			sign:   func(w *world, d ocispec.Descriptor) { w.signBundle(repo, d, signType, by(rekorV2)) },
			reason: "verified", format: "bundle-v0.3", storage: "referrer", found: 1,
		},
		{
			name:   "bundle behind the fallback tag",
			reg:    registrytest.Options{NoReferrers: true},
			sign:   func(w *world, d ocispec.Descriptor) { w.signBundle(repo, d, signType, by()) },
			reason: "verified", format: "bundle-v0.3", storage: "fallback-tag", found: 1,
		},
		{
			name: "bundle that the list calls something else",
			sign: func(w *world, d ocispec.Descriptor) {
				m := w.signBundle(repo, d, signType, by())
				w.reg.Retype(m.Digest.String(), "application/spdx+json")
			},
			reason: "verified", format: "bundle-v0.3", storage: "referrer", found: 1,
		},
		{
			name: "simple-signing referrer",
			sign: func(w *world, d ocispec.Descriptor) {
				w.must(w.reg.PutReferrer(repo, d, "application/vnd.dev.cosign.artifact.sig.v1+json", w.layer(repo, d.Digest.String(), by())))
			},
			reason: "verified", format: "cosign-legacy", storage: "referrer", found: 1,
		},
		{
			name: "fallback tag from before the registry had an API",
			sign: func(w *world, d ocispec.Descriptor) {
				m := w.must(w.reg.PutLayers(repo, "", nil, registrytest.BundleV03, registrytest.Layer{MediaType: registrytest.BundleV03, Blob: w.bundle(d, signType, by())}))
				w.must(w.reg.PutIndex(repo, strings.Replace(d.Digest.String(), ":", "-", 1), m))
			},
			reason: "verified", format: "bundle-v0.3", storage: "fallback-tag", found: 1,
		},
		{
			name: "fallback tag beside a stranger's signature",
			sign: func(w *world, d ocispec.Descriptor) {
				w.signLegacy(repo, d, by(stranger))
				m := w.must(w.reg.PutLayers(repo, "", nil, registrytest.BundleV03, registrytest.Layer{MediaType: registrytest.BundleV03, Blob: w.bundle(d, signType, by())}))
				w.must(w.reg.PutIndex(repo, strings.Replace(d.Digest.String(), ":", "-", 1), m))
			},
			reason: "verified", format: "bundle-v0.3", storage: "fallback-tag", found: 2,
		},
		{
			name: "both formats, the bundle broken",
			sign: func(w *world, d ocispec.Descriptor) {
				w.must(w.reg.PutBundle(repo, d, []byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`)))
				w.signLegacy(repo, d, by())
			},
			reason: "verified", format: "cosign-legacy", storage: "sig-tag", found: 2,
		},
		{
			name: "several signatures, one good",
			sign: func(w *world, d ocispec.Descriptor) {
				bad := w.layer(repo, d.Digest.String(), by())
				bad.Annotations["dev.cosignproject.cosign/signature"] = "AAAA"
				w.must(w.reg.PutTagged(repo, d.Digest.String(), ".sig", bad, w.layer(repo, d.Digest.String(), by(stranger)), w.layer(repo, d.Digest.String(), by())))
			},
			reason: "verified", format: "cosign-legacy", storage: "sig-tag", found: 3,
		},
		{
			name:   "wrong signer, legacy",
			sign:   func(w *world, d ocispec.Descriptor) { w.signLegacy(repo, d, by(stranger)) },
			reason: "wrong-signer", found: 1,
		},
		{
			name:   "wrong signer, bundle",
			sign:   func(w *world, d ocispec.Descriptor) { w.signBundle(repo, d, signType, by(stranger)) },
			reason: "wrong-signer", found: 1,
		},
		{
			name: "right name from another issuer",
			sign: func(w *world, d ocispec.Descriptor) {
				w.signBundle(repo, d, signType, by(func(o *options) { o.Issuer = "https://token.actions.githubusercontent.com.evil.example" }))
			},
			reason: "wrong-signer", found: 1,
		},
		{
			name:   "expired, legacy",
			sign:   func(w *world, d ocispec.Descriptor) { w.signLegacy(repo, d, by(expired)) },
			reason: "expired", found: 1,
		},
		{
			name:   "expired, bundle",
			sign:   func(w *world, d ocispec.Descriptor) { w.signBundle(repo, d, signType, by(expired)) },
			reason: "expired", found: 1,
		},
		{
			name:   "expired, Rekor v2 and timestamp",
			sign:   func(w *world, d ocispec.Descriptor) { w.signBundle(repo, d, signType, by(expired, rekorV2)) },
			reason: "expired", found: 1,
		},
		{
			name:   "no log entry, legacy",
			sign:   func(w *world, d ocispec.Descriptor) { w.signLegacy(repo, d, by(noLog, timestamp)) },
			reason: "bad-signature", found: 1,
		},
		{
			name:   "no log entry, bundle",
			sign:   func(w *world, d ocispec.Descriptor) { w.signBundle(repo, d, signType, by(noLog, timestamp)) },
			reason: "bad-signature", found: 1,
		},
		{
			name:   "no certificate timestamp, legacy",
			sign:   func(w *world, d ocispec.Descriptor) { w.signLegacy(repo, d, by(noSCT)) },
			reason: "bad-signature", found: 1,
		},
		{
			name:   "no certificate timestamp, bundle",
			sign:   func(w *world, d ocispec.Descriptor) { w.signBundle(repo, d, signType, by(noSCT)) },
			reason: "bad-signature", found: 1,
		},
		{
			name: "legacy signature of another image",
			sign: func(w *world, d ocispec.Descriptor) {
				other := w.image("team/other")
				w.must(w.reg.PutTagged(repo, d.Digest.String(), ".sig", w.layer(repo, other.Digest.String(), by())))
			},
			reason: "bad-signature", found: 1,
		},
		{
			name: "bundle of another image",
			sign: func(w *world, d ocispec.Descriptor) {
				other := w.image("team/other")
				w.must(w.reg.PutBundle(repo, d, w.bundle(other, signType, by())))
			},
			reason: "bad-signature", found: 1,
		},
		{
			name: "bundle of another Sigstore",
			sign: func(w *world, d ocispec.Descriptor) {
				sig, _ := newInstance(w.t)
				b, err := sig.Bundle(signType, d.Digest.Encoded(), nil, by())
				if err != nil {
					w.t.Fatal(err)
				}
				w.must(w.reg.PutBundle(repo, d, b))
			},
			reason: "bad-signature", found: 1,
		},
		{
			name: "bundle of a version to come",
			sign: func(w *world, d ocispec.Descriptor) {
				b := strings.Replace(string(w.bundle(d, signType, by())), "bundle.v0.3", "bundle.v0.9", 1)
				w.must(w.reg.PutBundle(repo, d, []byte(b)))
			},
			reason: "unsupported", found: 1,
		},
		{
			name:   "only an attestation, bundle",
			sign:   func(w *world, d ocispec.Descriptor) { w.signBundle(repo, d, slsaType, by()) },
			reason: "wrong-type", found: 1,
		},
		{
			name: "only an attestation, .att tag",
			sign: func(w *world, d ocispec.Descriptor) {
				w.must(w.reg.PutTagged(repo, d.Digest.String(), ".att", w.attLayer(d, slsaType, by())))
			},
			reason: "wrong-type", found: 1,
		},
		{
			name: "an attestation dressed up as a signature",
			sign: func(w *world, d ocispec.Descriptor) {
				// The manifest's annotation says signature, the statement does not.
				w.must(w.reg.PutTagged(repo, d.Digest.String(), ".sig", w.attLayer(d, slsaType, by())))
			},
			reason: "wrong-type", found: 1,
		},
		{
			name: "a signature of the manifest as a file",
			sign: func(w *world, d ocispec.Descriptor) {
				body, err := w.reg.Manifest(repo, "v1")
				if err != nil {
					w.t.Fatal(err)
				}
				b, err := w.sig.BlobBundle(body, by())
				if err != nil {
					w.t.Fatal(err)
				}
				w.must(w.reg.PutBundle(repo, d, b))
			},
			reason: "wrong-type", found: 1,
		},
		{
			name: "SBOM and Notary signature beside it are no candidates",
			sign: func(w *world, d ocispec.Descriptor) {
				for _, m := range []string{"application/spdx+json", "application/jose+json"} {
					w.must(w.reg.PutReferrer(repo, d, m, registrytest.Layer{MediaType: m, Blob: []byte("{}")}))
				}
				w.signBundle(repo, d, signType, by())
			},
			reason: "verified", format: "bundle-v0.3", storage: "referrer", found: 1,
		},
		{
			name:   "attestation wanted, bundle",
			sign:   func(w *world, d ocispec.Descriptor) { w.signBundle(repo, d, slsaType, by()) },
			args:   []string{"--attestation-type", "slsaprovenance1"},
			reason: "verified", format: "bundle-v0.3", storage: "referrer", found: 1,
		},
		{
			name: "attestation wanted, .att tag",
			sign: func(w *world, d ocispec.Descriptor) {
				w.must(w.reg.PutTagged(repo, d.Digest.String(), ".att", w.attLayer(d, slsaType, by())))
			},
			args:   []string{"--attestation-type", slsaType},
			reason: "verified", format: "cosign-legacy", storage: "att-tag", found: 1,
		},
		{
			name:   "attestation wanted, another type there",
			sign:   func(w *world, d ocispec.Descriptor) { w.signBundle(repo, d, slsaType, by()) },
			args:   []string{"--attestation-type", "spdx"},
			reason: "wrong-type", found: 1,
		},
		{
			name:   "attestation wanted, only a signature there",
			sign:   func(w *world, d ocispec.Descriptor) { w.signLegacy(repo, d, by()) },
			args:   []string{"--attestation-type", "slsaprovenance1"},
			reason: "wrong-type", found: 1,
		},
		{
			name:   "attestation and signature wanted, only the attestation there",
			sign:   func(w *world, d ocispec.Descriptor) { w.signBundle(repo, d, slsaType, by()) },
			args:   []string{"--attestation-type", "slsaprovenance1", "--require-signature"},
			reason: "wrong-type", found: 1,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tc.reg)
			d := w.image(repo)
			tc.sign(w, d)
			r := w.verify(repo+":v1", tc.args...)
			code := 1
			if tc.reason == "verified" {
				code = 0
			}
			r.want(t, code, tc.reason)
			check := r.doc.Images[0].Checks[0]
			if len(check.Candidates) != tc.found {
				t.Errorf("%d candidates, want %d: %+v", len(check.Candidates), tc.found, check.Candidates)
			}
			if tc.reason != "verified" {
				if check.Hint == "" || check.Message == "" {
					t.Errorf("no next step: %+v", check)
				}
				return
			}
			ev := check.Evidence
			if len(ev) != 1 || ev[0].Format != tc.format || ev[0].Storage != tc.storage || ev[0].Digest != d.Digest.String() || ev[0].Signer != identity || ev[0].Issuer != issuer || ev[0].Signed != "image" || ev[0].LogIndex == nil || ev[0].SignedAt.IsZero() {
				t.Errorf("evidence %+v", ev)
			}
		})
	}
}

// Attestation and signature together need both.
func TestRequireBoth(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	d := w.image("team/app")
	w.signBundle("team/app", d, slsaType, by())
	w.signBundle("team/app", d, signType, by())
	r := w.verify("team/app:v1", "--attestation-type", "slsaprovenance1", "--require-signature")
	r.want(t, 0, "verified")
	// tag, .sig, .att, referrers once for both, two manifests, two blobs
	if r.doc.Requests != 8 {
		t.Errorf("%d requests, want 8: %v", r.doc.Requests, w.reg.Requests())
	}
}

func keyFile(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cosign.pub")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestKeys(t *testing.T) {
	t.Parallel()
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	key, other := newKey(), newKey()
	mine, theirs := keyFile(t, key), keyFile(t, other)
	withKey := func(o *options) { o.Key, o.Identity, o.Issuer = key, "", "" }
	tagged := func(change ...func(*options)) func(*world, ocispec.Descriptor) {
		return func(w *world, d ocispec.Descriptor) { w.signLegacy("team/app", d, by(change...)) }
	}
	bundled := func(change ...func(*options)) func(*world, ocispec.Descriptor) {
		return func(w *world, d ocispec.Descriptor) { w.signBundle("team/app", d, signType, by(change...)) }
	}
	keyless := []string{"--certificate-identity", identity, "--certificate-oidc-issuer", issuer}
	for _, tc := range []struct {
		name   string
		sign   func(*world, ocispec.Descriptor)
		args   []string
		reason string
	}{
		{"legacy", tagged(withKey), []string{"--key", mine}, "verified"},
		{"bundle", bundled(withKey), []string{"--key", mine}, "verified"},
		{"bundle, Rekor v2", bundled(withKey, rekorV2), []string{"--key", mine}, "verified"},
		{"any of several keys", tagged(withKey), []string{"--key", theirs, "--key", mine}, "verified"},
		{"key or certificate", bundled(), append([]string{"--key", mine}, keyless...), "verified"},
		{"certificate or key", bundled(withKey), append([]string{"--key", mine}, keyless...), "verified"},
		{"another key, legacy", tagged(withKey), []string{"--key", theirs}, "wrong-signer"},
		{"another key, bundle", bundled(withKey), []string{"--key", theirs}, "wrong-signer"},
		{"certificate, where a key is wanted", bundled(), []string{"--key", mine}, "wrong-signer"},
		{"key, where a certificate is wanted", tagged(withKey), keyless, "wrong-signer"},
		{"no log entry", tagged(withKey, noLog), []string{"--key", mine}, "bad-signature"},
		{"no log entry, accepted", tagged(withKey, noLog), []string{"--key", mine, "--insecure-ignore-tlog"}, "verified"},
		{"no log entry, bundle, accepted", bundled(withKey, noLog), []string{"--key", mine, "--insecure-ignore-tlog"}, "verified"},
		{"no log entry, another key", tagged(withKey, noLog), []string{"--key", theirs, "--insecure-ignore-tlog"}, "wrong-signer"},
		{"certificate, key without log wanted", bundled(), []string{"--key", mine, "--insecure-ignore-tlog"}, "wrong-signer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registrytest.Options{})
			d := w.image("team/app")
			tc.sign(w, d)
			code := 1
			if tc.reason == "verified" {
				code = 0
			}
			args := append([]string{"verify", w.reg.Host() + "/team/app:v1", "--trusted-root", w.root}, tc.args...)
			run(t, args...).want(t, code, tc.reason)
		})
	}
}

// A key may also come from a variable.
func TestKeyFromEnvironment(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := string(read(t, keyFile(t, key)))
	w := newWorld(t, registrytest.Options{})
	w.signLegacy("team/app", w.image("team/app"), by(func(o *options) { o.Key = key }))
	getenv := func(name string) string {
		if name == "COSIGN_PUBLIC_KEY" {
			return text
		}
		return ""
	}
	r := runIn(t, t.Context(), "", getenv, "verify", w.reg.Host()+"/team/app:v1", "--trusted-root", w.root, "--key", "env://COSIGN_PUBLIC_KEY")
	if r.code != 0 || !strings.Contains(r.stdout, "signed by key sha256:") {
		t.Errorf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

// Signatures may lie in another repository.
func TestSignatureRepository(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	d := w.image("team/app")
	w.signLegacy("team/signatures", d, by())
	w.verify("team/app:v1").want(t, 1, "unsigned")
	w.verify("team/app:v1", "--signature-repository", w.reg.Host()+"/team/signatures").want(t, 0, "verified")
	e := w.image("team/bundled")
	w.signBundle("team/signatures", e, signType, by())
	w.verify("team/bundled:v1", "--signature-repository", w.reg.Host()+"/team/signatures").want(t, 0, "verified")
}

// Workflow claims narrow an identity.
func TestClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	d := w.image("team/app")
	w.signBundle("team/app", d, signType, by(func(o *options) {
		o.Claims = map[string]string{"1.2": "push", "1.3": "0123abc", "1.4": "release", "1.5": "acme/app", "1.6": "refs/heads/main", "1.11": "github-hosted"}
	}))
	for flag, value := range map[string]string{"repository": "acme/app", "ref": "refs/heads/main", "sha": "0123abc", "name": "release", "trigger": "push"} {
		r := w.verify("team/app:v1", "--certificate-github-workflow-"+flag, value)
		r.want(t, 0, "verified")
		if got := r.doc.Images[0].Checks[0].Evidence[0].Claims["runner-environment"]; got != "github-hosted" {
			t.Errorf("runner environment %q", got)
		}
		w.verify("team/app:v1", "--certificate-github-workflow-"+flag, value+"x").want(t, 1, "wrong-signer")
	}
}
