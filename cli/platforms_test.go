package cli_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/registrytest"
)

const repo = "team/app"

// child pushes a platform manifest.
func (w *world) child(arch, variant string) ocispec.Descriptor {
	w.t.Helper()
	d := w.must(w.reg.PutImage(repo, "", arch+variant))
	d.Platform = &ocispec.Platform{OS: "linux", Architecture: arch, Variant: variant}
	return d
}

// An index's own signature covers its children; where it is unsigned, those
// that are named must be signed, all of them.
func TestPlatforms(t *testing.T) {
	t.Parallel()
	type world3 struct {
		*world
		amd64, arm64, index ocispec.Descriptor
	}
	both := []string{"--platform", "linux/amd64", "--platform", "linux/arm64"}
	for _, tc := range []struct {
		name   string
		sign   func(w world3)
		of     func(w world3) string // what is asked for; nil: the index by tag
		args   []string
		reason string
		signed string // of the first evidence
	}{
		{
			name: "the index is signed", sign: func(w world3) { w.signLegacy(repo, w.index, by()) },
			reason: "verified", signed: "image",
		},
		{
			name: "the index is signed, platforms are named", sign: func(w world3) { w.signBundle(repo, w.index, signType, by()) },
			args: both, reason: "verified", signed: "image",
		},
		{
			name: "only the children are signed", sign: func(w world3) { w.signLegacy(repo, w.amd64, by()); w.signBundle(repo, w.arm64, signType, by()) },
			reason: "unsigned",
		},
		{
			name: "the named children are signed", sign: func(w world3) { w.signLegacy(repo, w.amd64, by()); w.signBundle(repo, w.arm64, signType, by()) },
			args: both, reason: "verified", signed: "platform",
		},
		{
			name: "the named children are signed, index by digest", sign: func(w world3) { w.signLegacy(repo, w.amd64, by()); w.signBundle(repo, w.arm64, signType, by()) },
			of:   func(w world3) string { return "@" + w.index.Digest.String() },
			args: both, reason: "verified", signed: "platform",
		},
		{
			name: "one of the named children is not", sign: func(w world3) { w.signLegacy(repo, w.amd64, by()) },
			args: both, reason: "unsigned",
		},
		{
			name: "one of the named children is signed by a stranger", sign: func(w world3) { w.signLegacy(repo, w.amd64, by()); w.signLegacy(repo, w.arm64, by(stranger)) },
			args: both, reason: "wrong-signer",
		},
		{
			name: "only the child that is not named", sign: func(w world3) { w.signLegacy(repo, w.amd64, by()) },
			args: []string{"--platform", "linux/arm64"}, reason: "unsigned",
		},
		{
			name: "a stranger signed the index", sign: func(w world3) {
				w.signLegacy(repo, w.index, by(stranger))
				w.signLegacy(repo, w.amd64, by())
				w.signLegacy(repo, w.arm64, by())
			},
			args: both, reason: "wrong-signer",
		},
		{
			name: "the index has only an attestation, the children signatures", sign: func(w world3) {
				w.signBundle(repo, w.index, slsaType, by())
				w.signLegacy(repo, w.amd64, by())
				w.signLegacy(repo, w.arm64, by())
			},
			args: both, reason: "verified", signed: "platform",
		},
		{
			name: "a platform that the index does not have", sign: func(w world3) { w.signLegacy(repo, w.amd64, by()) },
			args: []string{"--platform", "linux/s390x"}, reason: "not-found",
		},
		{
			name: "a child by digest is not covered by the index", sign: func(w world3) { w.signLegacy(repo, w.index, by()) },
			of:     func(w world3) string { return "@" + w.amd64.Digest.String() },
			reason: "unsigned",
		},
		{
			name: "a child by digest with its own signature", sign: func(w world3) { w.signLegacy(repo, w.amd64, by()) },
			of:     func(w world3) string { return "@" + w.amd64.Digest.String() },
			reason: "verified", signed: "image",
		},
		{
			name: "platforms of a single manifest", sign: func(world3) {},
			of:   func(w world3) string { return "@" + w.amd64.Digest.String() },
			args: both, reason: "unsigned",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := world3{world: newWorld(t, registrytest.Options{})}
			w.amd64, w.arm64 = w.child("amd64", ""), w.child("arm64", "v8")
			w.index = w.must(w.reg.PutIndex(repo, "v1", w.amd64, w.arm64))
			tc.sign(w)
			ref := ":v1"
			if tc.of != nil {
				ref = tc.of(w)
			}
			code := 1
			if tc.reason == "verified" {
				code = 0
			}
			r := w.verify(repo+ref, tc.args...)
			r.want(t, code, tc.reason)
			if tc.reason != "verified" {
				return
			}
			img := r.doc.Images[0]
			if tc.signed == "platform" {
				if ev := img.Checks[0].Evidence; len(ev) != 2 || ev[0].Digest != w.amd64.Digest.String() || ev[1].Digest != w.arm64.Digest.String() || ev[1].Platform != "linux/arm64" {
					t.Errorf("evidence %+v", ev)
				}
			}
			if img.Checks[0].Evidence[0].Signed != tc.signed {
				t.Errorf("signed %q", img.Checks[0].Evidence[0].Signed)
			}
			if tc.of == nil && len(img.Platforms) != 2 {
				t.Errorf("platforms %+v", img.Platforms)
			}
		})
	}
}

// Whoever may push puts an unsigned child before a signed one, under a platform
// that runtimes take for the one that is asked for, or in a list that they read
// differently. containerd would run the first.
func TestPlatformDisguise(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		asked   string
		good    ocispec.Platform
		evil    *ocispec.Platform
		refused string
	}{
		{"another name for the architecture", "linux/amd64", ocispec.Platform{OS: "linux", Architecture: "amd64"}, &ocispec.Platform{OS: "linux", Architecture: "x86_64"}, "unsigned"},
		{"architecture in upper case", "linux/amd64", ocispec.Platform{OS: "linux", Architecture: "amd64"}, &ocispec.Platform{OS: "linux", Architecture: "AMD64"}, "unsigned"},
		{"system in upper case", "linux/amd64", ocispec.Platform{OS: "linux", Architecture: "amd64"}, &ocispec.Platform{OS: "Linux", Architecture: "amd64"}, "unsigned"},
		{"no system", "linux/amd64", ocispec.Platform{OS: "linux", Architecture: "amd64"}, &ocispec.Platform{Architecture: "amd64"}, "unsigned"},
		{"no platform", "linux/amd64", ocispec.Platform{OS: "linux", Architecture: "amd64"}, nil, "unsigned"},
		{"aarch64", "linux/arm64", ocispec.Platform{OS: "linux", Architecture: "arm64"}, &ocispec.Platform{OS: "linux", Architecture: "aarch64"}, "unsigned"},
		{"variant left out", "linux/arm/v7", ocispec.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}, &ocispec.Platform{OS: "linux", Architecture: "arm"}, "unsigned"},
		{"variant without its v", "linux/arm/v7", ocispec.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}, &ocispec.Platform{OS: "linux", Architecture: "arm", Variant: "7"}, "unsigned"},
		{"default variant", "linux/arm64/v8", ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}, &ocispec.Platform{OS: "linux", Architecture: "arm64"}, "unsigned"},
		{"every variant", "linux/arm", ocispec.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}, &ocispec.Platform{OS: "linux", Architecture: "arm", Variant: "v6"}, "unsigned"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registrytest.Options{})
			evil := w.must(w.reg.PutImage(repo, "", "evil"))
			good := w.must(w.reg.PutImage(repo, "", "good"))
			w.signLegacy(repo, good, by())
			evil.Platform, good.Platform = tc.evil, &tc.good
			w.must(w.reg.PutIndex(repo, "v1", evil, good))
			w.verify(repo+":v1", "--platform", tc.asked).want(t, 1, tc.refused)
			w.must(w.reg.PutIndex(repo, "v1", good))
			w.verify(repo+":v1", "--platform", tc.asked).want(t, 0, "verified")
		})
	}
	t.Run("two lists", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, registrytest.Options{})
		evil, good := w.child("evil", ""), w.child("amd64", "")
		w.signLegacy(repo, good, by())
		entry := `{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` // the platform is left over from the first list
		for _, second := range []string{"manifests", "Manifests"} {
			w.must(w.reg.PutManifest(repo, "v1", ocispec.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",`+
				`"manifests":[`+entry+evil.Digest.String()+`","size":1,"platform":{"os":"linux","architecture":"amd64"}}],`+
				`"`+second+`":[`+entry+evil.Digest.String()+`","size":1},`+entry+good.Digest.String()+`","size":1,"platform":{"os":"linux","architecture":"amd64"}}]}`)))
			w.verify(repo+":v1", "--platform", "linux/amd64").want(t, 1, "unsupported")
		}
	})
}

// What is signed with --signature-on attestation-manifest is that manifest. It
// vouches for the platform that it names itself, not for the one that an index
// puts beside it.
func TestAttestationManifest(t *testing.T) {
	t.Parallel()
	statement := func(d digest.Digest) registrytest.Layer {
		return registrytest.Layer{MediaType: "application/vnd.in-toto+json", Blob: []byte(`{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://slsa.dev/provenance/v1","subject":[{"name":"pkg:x","digest":{"sha256":"` + d.Encoded() + `"}}],"predicate":{}}`)}
	}
	for _, tc := range []struct {
		name string
		// about builds the attestation manifest for a platform manifest.
		about  func(w *world, platform, other ocispec.Descriptor) ocispec.Descriptor
		args   []string
		sign   func(w *world, platform, attestation, index ocispec.Descriptor)
		reason string
	}{
		{
			name: "named by subject",
			about: func(w *world, p, _ ocispec.Descriptor) ocispec.Descriptor {
				return w.must(w.reg.PutLayers(repo, "", &ocispec.Descriptor{MediaType: p.MediaType, Digest: p.Digest, Size: p.Size}, "application/vnd.docker.attestation.manifest.v1+json"))
			},
			sign:   func(w *world, _, a, _ ocispec.Descriptor) { w.signBundle(repo, a, signType, by()) },
			reason: "verified",
		},
		{
			name: "named by an in-toto statement",
			about: func(w *world, p, _ ocispec.Descriptor) ocispec.Descriptor {
				return w.must(w.reg.PutLayers(repo, "", nil, "", statement(p.Digest)))
			},
			sign:   func(w *world, _, a, _ ocispec.Descriptor) { w.signBundle(repo, a, signType, by()) },
			reason: "verified",
		},
		{
			// The attack: a signed attestation manifest of an honest image, put
			// into an index beside another one.
			name: "about another image, by subject",
			about: func(w *world, _, o ocispec.Descriptor) ocispec.Descriptor {
				return w.must(w.reg.PutLayers(repo, "", &ocispec.Descriptor{MediaType: o.MediaType, Digest: o.Digest, Size: o.Size}, "application/vnd.docker.attestation.manifest.v1+json"))
			},
			sign:   func(w *world, _, a, _ ocispec.Descriptor) { w.signBundle(repo, a, signType, by()) },
			reason: "bad-signature",
		},
		{
			name: "about another image, by statement",
			about: func(w *world, _, o ocispec.Descriptor) ocispec.Descriptor {
				return w.must(w.reg.PutLayers(repo, "", nil, "", statement(o.Digest)))
			},
			sign:   func(w *world, _, a, _ ocispec.Descriptor) { w.signBundle(repo, a, signType, by()) },
			reason: "bad-signature",
		},
		{
			name: "names nothing",
			about: func(w *world, _, _ ocispec.Descriptor) ocispec.Descriptor {
				return w.must(w.reg.PutLayers(repo, "", nil, ""))
			},
			sign:   func(w *world, _, a, _ ocispec.Descriptor) { w.signBundle(repo, a, signType, by()) },
			reason: "bad-signature",
		},
		{
			name: "not signed",
			about: func(w *world, p, _ ocispec.Descriptor) ocispec.Descriptor {
				return w.must(w.reg.PutLayers(repo, "", nil, "", statement(p.Digest)))
			},
			sign:   func(*world, ocispec.Descriptor, ocispec.Descriptor, ocispec.Descriptor) {},
			reason: "unsigned",
		},
		{
			name: "only the index is signed",
			about: func(w *world, p, _ ocispec.Descriptor) ocispec.Descriptor {
				return w.must(w.reg.PutLayers(repo, "", nil, "", statement(p.Digest)))
			},
			sign:   func(w *world, _, _, i ocispec.Descriptor) { w.signBundle(repo, i, signType, by()) },
			reason: "unsigned",
		},
		{
			name: "signed by a stranger",
			about: func(w *world, p, _ ocispec.Descriptor) ocispec.Descriptor {
				return w.must(w.reg.PutLayers(repo, "", nil, "", statement(p.Digest)))
			},
			sign:   func(w *world, _, a, _ ocispec.Descriptor) { w.signBundle(repo, a, signType, by(stranger)) },
			reason: "wrong-signer",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registrytest.Options{})
			platform, other := w.child("amd64", ""), w.child("honest", "")
			att := tc.about(w, platform, other)
			entry := att
			entry.Platform = &ocispec.Platform{OS: "unknown", Architecture: "unknown"}
			entry.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": platform.Digest.String()}
			index := w.must(w.reg.PutIndex(repo, "v1", platform, entry))
			tc.sign(w, platform, att, index)
			code := 1
			if tc.reason == "verified" {
				code = 0
			}
			r := w.verify(repo+":v1", "--signature-on", "attestation-manifest")
			r.want(t, code, tc.reason)
			if tc.reason == "verified" {
				ev := r.doc.Images[0].Checks[0].Evidence[0]
				if ev.Signed != "attestation-manifest" || ev.Digest != att.Digest.String() || ev.Covers != platform.Digest.String() || ev.Platform != "linux/amd64" {
					t.Errorf("evidence %+v", ev)
				}
				text, _ := plainText(t, w, "--signature-on", "attestation-manifest")
				if !strings.Contains(text, "on the attestation manifest "+att.Digest.String()) {
					t.Errorf("the report does not say what was signed:\n%s", text)
				}
				// Without the flag it counts for nothing.
				w.verify(repo+":v1").want(t, 1, "unsigned")
			}
		})
	}
	t.Run("no index", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, registrytest.Options{})
		w.signLegacy(repo, w.image(repo), by())
		w.verify(repo+":v1", "--signature-on", "attestation-manifest").want(t, 1, "unsupported")
	})
	t.Run("one platform without an attestation manifest", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, registrytest.Options{})
		amd64, arm64 := w.child("amd64", ""), w.child("arm64", "")
		att := w.must(w.reg.PutLayers(repo, "", nil, "", statement(amd64.Digest)))
		w.signBundle(repo, att, signType, by())
		entry := att
		entry.Platform = &ocispec.Platform{OS: "unknown", Architecture: "unknown"}
		entry.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": amd64.Digest.String()}
		w.must(w.reg.PutIndex(repo, "v1", amd64, arm64, entry))
		w.verify(repo+":v1", "--signature-on", "attestation-manifest").want(t, 1, "unsigned")
		w.verify(repo+":v1", "--signature-on", "attestation-manifest", "--platform", "linux/amd64").want(t, 0, "verified")
	})
}

func plainText(t *testing.T, w *world, more ...string) (string, int) {
	t.Helper()
	args := []string{"verify", w.reg.Host() + "/" + repo + ":v1", "--trusted-root", w.root, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer}
	code, text := plain(t, slices.Concat(args, more)...)
	return text, code
}
