package signing_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/e2e/signing/sigstack"
)

// The format and storage of evidence, as boltseal reports them.
const (
	bundle = "bundle-v0.3"
	legacy = "cosign-legacy"

	referrer = "referrer"
	fallback = "fallback-tag"
	sigTag   = "sig-tag"
	attTag   = "att-tag"
)

// A way is one to sign with cosign.
type way struct {
	name   string
	cosign int
	flags  func(w *workplace) []string
	by     func(w *workplace) []string // the flags of boltseal verify; nil is byWorkflow
	format string
	// Where signatures lie: on registries with the referrers API, and without.
	storage [2]string
	logged  bool
}

// classic returns the flags that have cosign 3 do as cosign 2 does.
func classic(w *workplace, more ...string) []string {
	return append([]string{
		"--new-bundle-format=false", "--use-signing-config=false", "--fulcio-url", w.Fulcio.URL, "--rekor-url", w.RekorV1.URL,
	}, more...)
}

func (w *workplace) classic2(more ...string) []string {
	return append([]string{"--fulcio-url", w.Fulcio.URL, "--rekor-url", w.RekorV1.URL}, more...)
}

func (w *workplace) keyed(flags ...string) []string {
	return append([]string{"--key", w.path("cosign.key")}, flags...)
}

var (
	asReferrer = [2]string{referrer, fallback}
	asTag      = [2]string{sigTag, sigTag}
)

// ways are those that people sign in.
func ways() []way {
	byKey := func(w *workplace) []string { return w.byKey() }
	byKeyUnlogged := func(w *workplace) []string { return w.byKey("--insecure-ignore-tlog") }
	return []way{
		{
			name: "cosign 3, Rekor v2", cosign: 3, format: bundle, storage: asReferrer, logged: true,
			flags: func(w *workplace) []string { return []string{"--signing-config", w.signingConfig(w.Rekor, w.TSA)} },
		},
		{
			name: "cosign 3, Rekor v1", cosign: 3, format: bundle, storage: asReferrer, logged: true,
			flags: func(w *workplace) []string { return []string{"--signing-config", w.signingConfig(w.RekorV1)} },
		},
		{
			name: "cosign 3, Rekor v1 and timestamp", cosign: 3, format: bundle, storage: asReferrer, logged: true,
			flags: func(w *workplace) []string { return []string{"--signing-config", w.signingConfig(w.RekorV1, w.TSA)} },
		},
		{
			name: "cosign 3, legacy", cosign: 3, format: legacy, storage: asTag, logged: true,
			flags: func(w *workplace) []string { return classic(w) },
		},
		{
			name: "cosign 3, legacy with timestamp", cosign: 3, format: legacy, storage: asTag, logged: true,
			flags: func(w *workplace) []string { return classic(w, "--timestamp-server-url", w.TSAURL()) },
		},
		{
			name: "cosign 3, key, Rekor v2", cosign: 3, by: byKey, format: bundle, storage: asReferrer, logged: true,
			flags: func(w *workplace) []string { return w.keyed("--signing-config", w.signingConfig(w.Rekor, w.TSA)) },
		},
		{
			name: "cosign 3, key, Rekor v1", cosign: 3, by: byKey, format: bundle, storage: asReferrer, logged: true,
			flags: func(w *workplace) []string { return w.keyed("--signing-config", w.signingConfig(w.RekorV1)) },
		},
		{
			name: "cosign 3, key, Rekor v2 without timestamp", cosign: 3, by: byKey, format: bundle, storage: asReferrer, logged: true,
			flags: func(w *workplace) []string { return w.keyed("--signing-config", w.signingConfig(w.Rekor)) },
		},
		{
			name: "cosign 3, key, no log", cosign: 3, by: byKeyUnlogged, format: bundle, storage: asReferrer,
			flags: func(w *workplace) []string { return w.keyed("--signing-config", w.signingConfig()) },
		},
		{
			name: "cosign 3, key, legacy", cosign: 3, by: byKey, format: legacy, storage: asTag, logged: true,
			flags: func(w *workplace) []string { return w.keyed(classic(w)...) },
		},
		{
			name: "cosign 3, key, legacy, no log", cosign: 3, by: byKeyUnlogged, format: legacy, storage: asTag,
			flags: func(w *workplace) []string { return w.keyed(classic(w, "--tlog-upload=false")...) },
		},
		{
			name: "cosign 2, legacy", cosign: 2, format: legacy, storage: asTag, logged: true,
			flags: func(w *workplace) []string { return w.classic2() },
		},
		{
			name: "cosign 2, bundle", cosign: 2, format: bundle, storage: asReferrer, logged: true,
			flags: func(w *workplace) []string {
				return []string{"--new-bundle-format", "--signing-config", w.signingConfig(w.RekorV1, w.TSA)}
			},
		},
		{
			name: "cosign 2, legacy with timestamp", cosign: 2, format: legacy, storage: asTag, logged: true,
			flags: func(w *workplace) []string { return w.classic2("--timestamp-server-url", w.TSAURL()) },
		},
		{
			name: "cosign 2, bundle without timestamp", cosign: 2, format: bundle, storage: asReferrer, logged: true,
			flags: func(w *workplace) []string {
				return []string{"--new-bundle-format", "--signing-config", w.signingConfig(w.RekorV1)}
			},
		},
		{
			name: "cosign 2, key, bundle", cosign: 2, by: byKey, format: bundle, storage: asReferrer, logged: true,
			flags: func(w *workplace) []string {
				return w.keyed("--new-bundle-format", "--signing-config", w.signingConfig(w.RekorV1, w.TSA))
			},
		},
		{
			name: "cosign 2, key, legacy", cosign: 2, by: byKey, format: legacy, storage: asTag, logged: true,
			flags: func(w *workplace) []string { return w.keyed(w.classic2()...) },
		},
		{
			name: "cosign 2, key, bundle, no log", cosign: 2, by: byKeyUnlogged, format: bundle, storage: asReferrer,
			flags: func(w *workplace) []string { return w.keyed("--new-bundle-format", "--tlog-upload=false") },
		},
		{
			name: "cosign 2, key, no log", cosign: 2, by: byKeyUnlogged, format: legacy, storage: asTag,
			flags: func(w *workplace) []string { return w.keyed("--tlog-upload=false") },
		},
	}
}

// What cosign signs verifies with boltseal, whatever the format and registry.
func TestSignedByCosign(t *testing.T) {
	t.Parallel()
	for _, way := range ways() {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t)
			cosign := w.cosign(way.cosign)
			signer, check := sigstack.Identity, byWorkflow()
			if way.by != nil {
				w.copyKey()
				signer, check = "key sha256:", way.by(w)
			}
			for i, registry := range []*sigstack.Service{w.Registry, w.Legacy} {
				img := w.push(registry, "acme/app")
				w.cosignMakes(cosign, slices.Concat([]string{"sign", "--yes", "--trusted-root", stack.TrustedRoot}, way.flags(w), []string{img.pinned()})...)
				found := w.verified(img.tagged(), check...)
				if len(found) != 1 || found[0].Format != way.format || found[0].Storage != way.storage[i] || found[0].Digest != img.digest ||
					!strings.HasPrefix(found[0].Signer, signer) || (found[0].LogIndex != nil) != way.logged {
					t.Errorf("%s: %+v", registry.Name, found)
				}
				w.refused("wrong-signer", img.pinned(), by(sigstack.Identity+"x")...)
				if !way.logged {
					w.refused("bad-signature", img.pinned(), w.byKey()...)
				}
			}
		})
	}
}

// Attestations of cosign verify as what they are, and not as a signature. Each
// way attests one type, and each type is attested in several ways.
func TestAttestedByCosign(t *testing.T) {
	t.Parallel()
	kinds := slices.Sorted(maps.Keys(predicates))
	for i, way := range ways() {
		kind := kinds[i%len(kinds)]
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t)
			cosign := w.cosign(way.cosign)
			check := byWorkflow()
			if way.by != nil {
				w.copyKey()
				check = way.by(w)
			}
			storage := way.storage
			if way.format == legacy {
				storage = [2]string{attTag, attTag}
			}
			file := w.write("predicate.json", []byte(predicates[kind].text))
			for i, registry := range []*sigstack.Service{w.Registry, w.Legacy} {
				img := w.push(registry, "acme/app")
				w.cosignMakes(cosign, slices.Concat([]string{"attest", "--yes", "--trusted-root", stack.TrustedRoot}, way.flags(w),
					[]string{"--type", kind, "--predicate", file, img.pinned()})...)
				found := w.verified(img.pinned(), append(check, "--attestation-type", kind)...)
				if len(found) != 1 || found[0].Format != way.format || found[0].Storage != storage[i] ||
					found[0].Digest != img.digest || found[0].PredicateType != predicates[kind].uri {
					t.Errorf("%s: %s: %+v", registry.Name, kind, found)
				}
				w.refused("wrong-type", img.pinned(), append(check, "--attestation-type", "https://example.com/other/v1")...)
				// cosign verify passes an image that has a bundle of any kind.
				w.refused("wrong-type", img.pinned(), check...)
			}
		})
	}
}

// With cosign's recursion every platform's manifest is signed as well.
func TestSignedRecursivelyByCosign(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	cosign := w.cosign(3)
	for _, flags := range [][]string{{"--signing-config", w.signingConfig(w.Rekor, w.TSA)}, classic(w)} {
		img := w.pushIndex(w.Legacy, "acme/app")
		w.cosignMakes(cosign, slices.Concat([]string{"sign", "--yes", "--recursive", "--trusted-root", stack.TrustedRoot}, flags, []string{img.pinned()})...)
		for _, digest := range append(img.platforms, img.digest) {
			if found := w.verified(img.of(digest), byWorkflow()...); len(found) != 1 || found[0].Digest != digest {
				t.Errorf("%+v", found)
			}
		}
	}
}

// Signatures of cosign may lie elsewhere than beside the image.
func TestSignedElsewhereByCosign(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.cosign(2)
	repository := w.Registry.Host + "/acme/signatures"
	img := w.push(w.Registry, "acme/app")
	w.must(w.cosignWith(2, []string{"COSIGN_REPOSITORY=" + repository},
		slices.Concat([]string{"sign", "--yes", "--trusted-root", stack.TrustedRoot}, w.classic2(), []string{img.pinned()})...))
	w.refused("unsigned", img.pinned(), byWorkflow()...)
	if found := w.verified(img.pinned(), append(byWorkflow(), "--signature-repository", repository)...); len(found) != 1 {
		t.Errorf("%+v", found)
	}
}

// cosign 2 can store simple signatures as referrers, as Docker's hardened images
// have them.
func TestSignedAsReferrersByCosign(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	img := w.push(w.Registry, "acme/app")
	w.must(w.cosignWith(2, []string{"COSIGN_EXPERIMENTAL=1"}, slices.Concat(
		[]string{"sign", "--yes", "--registry-referrers-mode=oci-1-1", "--trusted-root", stack.TrustedRoot}, w.classic2(), []string{img.pinned()})...))
	if found := w.verified(img.pinned(), byWorkflow()...); len(found) != 1 || found[0].Format != legacy || found[0].Storage != referrer {
		t.Errorf("%+v", found)
	}
}

// A predicate is one to attest.
type predicate struct{ uri, text string }

// predicates are by the names that cosign and boltseal have for their types.
var predicates = map[string]predicate{
	"slsaprovenance1": {"https://slsa.dev/provenance/v1", `{
		"buildDefinition": {"buildType": "https://example.com/build/v1", "externalParameters": {"ref": "refs/heads/main"}},
		"runDetails": {"builder": {"id": "https://example.com/builder"}}
	}`},
	"spdxjson": {"https://spdx.dev/Document", `{
		"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "app", "dataLicense": "CC0-1.0",
		"documentNamespace": "https://example.com/app", "creationInfo": {"created": "2026-01-01T00:00:00Z", "creators": ["Tool: test"]}
	}`},
	"cyclonedx": {"https://cyclonedx.org/bom", `{"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": []}`},
	"vuln": {"https://cosign.sigstore.dev/attestation/vuln/v1", `{
		"invocation": {"uri": "", "event_id": "", "builder.id": ""},
		"scanner": {"uri": "pkg:generic/scanner@1", "version": "1", "db": {"uri": "", "version": ""}, "result": {"matches": []}},
		"metadata": {"scanStartedOn": "2026-01-01T00:00:00Z", "scanFinishedOn": "2026-01-01T00:00:01Z"}
	}`},
}
