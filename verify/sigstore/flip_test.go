package sigstore

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

const (
	flipSubject = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"
	flipIssuer  = "https://token.actions.githubusercontent.com"
)

// A shelf is a Store in memory. Like the client of registries it never gives
// out bytes that do not have the digest they were asked for by.
type shelf struct {
	manifests map[string][]byte // by tag or digest
	blobs     map[string][]byte
	referrers []byte // the list, as an index
}

func (s shelf) Manifest(_ context.Context, _ image.Ref, reference string) (registry.Manifest, error) {
	b, ok := s.manifests[reference]
	if !ok {
		return registry.Manifest{}, fmt.Errorf("%s: %w", reference, registry.ErrNotFound)
	}
	d := registrytest.Digest(b)
	if image.ValidDigest(reference) && d != reference {
		return registry.Manifest{}, registry.ErrCorrupt
	}
	return registry.Manifest{Digest: d, Body: b}, nil
}

func (s shelf) Referrers(context.Context, image.Ref, string) ([]ocispec.Descriptor, error) {
	if s.referrers == nil {
		return nil, registry.ErrNoReferrersAPI
	}
	return registry.ParseFallback(registry.Manifest{Body: s.referrers})
}

func (s shelf) Blob(_ context.Context, _ image.Ref, d ocispec.Descriptor) ([]byte, error) {
	b, ok := s.blobs[d.Digest.String()]
	if !ok {
		return nil, registry.ErrNotFound
	}
	if int64(len(b)) != d.Size || registrytest.Digest(b) != d.Digest.String() {
		return nil, registry.ErrCorrupt
	}
	return b, nil
}

func (s shelf) Describe(_ context.Context, img image.Pinned) (image.Pinned, error) {
	return img.Described(ocispec.MediaTypeImageManifest, nil), nil
}

// A specimen is a signed image on a shelf, and the things to flip bytes of.
type specimen struct {
	img   image.Pinned
	parts []part
}

// A part is something an attacker may write: its bytes, and the shelf that
// holds other bytes in its place, with every address made to fit again.
type part struct {
	name string
	body []byte
	put  func(body []byte) shelf
	// harmless says which JSON paths may change without changing what is
	// proven, and why. A pass elsewhere is a failure of the test.
	harmless map[string]string
}

// Flip every byte of everything that makes up a signature. Nothing may pass for
// another meaning: a pass has to give the very same evidence, and only where
// the test knows why.
func TestByteFlips(t *testing.T) {
	t.Parallel()
	in, err := sigstoretest.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	root, err := in.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	trust, err := TrustJSON(root, PublicRules())
	if err != nil {
		t.Fatal(err)
	}
	config := Config{Trust: trust, Identities: []Identity{mustIdentity(t, flipSubject, flipIssuer)}}
	for name, s := range map[string]specimen{
		"legacy":   legacySpecimen(t, in),
		"bundle":   bundleSpecimen(t, in, sigstoretest.Options{Identity: flipSubject, Issuer: flipIssuer}),
		"rekor v2": bundleSpecimen(t, in, sigstoretest.Options{Identity: flipSubject, Issuer: flipIssuer, RekorV2: true}),
	} {
		for _, p := range s.parts {
			t.Run(name+" "+p.name, func(t *testing.T) {
				t.Parallel()
				flipAll(t, config, s.img, p)
			})
		}
	}
}

func mustIdentity(t *testing.T, subject, issuer string) Identity {
	t.Helper()
	s, err := Pattern(subject)
	if err != nil {
		t.Fatal(err)
	}
	i, err := Pattern(issuer)
	if err != nil {
		t.Fatal(err)
	}
	id, err := NewIdentity(s, i, nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func verdictOf(t *testing.T, config Config, img image.Pinned, s shelf) verify.Verdict {
	t.Helper()
	v, err := NewSession(s, image.Ref{}).Require(config)
	if err != nil {
		t.Fatal(err)
	}
	return v.Verify(context.Background(), img)
}

// meaning is what a pass says: its evidence, apart from the address of the
// manifest that carries the signature, and the version that a bundle gives
// itself.
func meaning(v verify.Verdict) verify.Evidence {
	ev := v.Evidence()[0]
	ev.Source, ev.Format = "", ""
	return ev
}

func flipAll(t *testing.T, config Config, img image.Pinned, p part) {
	t.Helper()
	before := verdictOf(t, config, img, p.put(p.body))
	if !before.Passed() {
		t.Fatalf("the specimen itself does not pass: %v", before.Err())
	}
	want := meaning(before)
	where := paths(p.body)
	step := 1
	switch { // plain go test flips every byte
	case Raced:
		step = 31 // the whole of it takes the race detector minutes
	case testing.Short():
		step = 7
	}
	var (
		mu      sync.Mutex
		passes  = map[string]int{}
		reasons = map[verify.Reason]int{}
		wg      sync.WaitGroup
		next    = make(chan int)
	)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				body := bytes.Clone(p.body)
				body[i] ^= 1
				v := verdictOf(t, config, img, p.put(body))
				mu.Lock()
				reasons[v.Reason()]++
				if v.Passed() {
					if !sameBase64(p.body, body, i) {
						passes[where(i)]++
					}
					if got := meaning(v); !reflect.DeepEqual(got, want) {
						t.Errorf("byte %d (%s) flipped from %q to %q: passed with other evidence:\n%+v\n%+v", i, where(i), p.body[i], body[i], got, want)
					}
				}
				mu.Unlock()
			}
		})
	}
	for i := 0; i < len(p.body); i += step {
		next <- i
	}
	close(next)
	wg.Wait()
	for path, n := range passes {
		if why := explained(p.harmless, path); why == "" {
			t.Errorf("%d flips in %q passed, and nothing says why they may", n, path)
		}
	}
	if n := reasons[verify.Unsigned]; n > 0 {
		t.Errorf("%d flips came out as unsigned, which a damaged signature never is", n)
	}
	t.Logf("%d of %d bytes flipped: %v", (len(p.body)+step-1)/step, len(p.body), reasons)
}

// sameBase64 reports whether the text around byte i is base64 of the same bytes
// before and after: its last character has bits that stand for nothing.
func sameBase64(before, after []byte, i int) bool {
	text := func(b []byte) []byte {
		start := max(bytes.LastIndexAny(b[:i], `" `)+1, bytes.LastIndex(b[:i], []byte(`\n`))+2)
		end := bytes.IndexAny(b[i:], `"\`) // a backslash ends a string of JSON within JSON, or a line
		if end < 0 {
			return nil
		}
		decoded, err := base64.StdEncoding.DecodeString(string(b[start : i+end]))
		if err != nil {
			return nil
		}
		return decoded
	}
	old := text(before)
	return old != nil && bytes.Equal(old, text(after))
}

func explained(harmless map[string]string, path string) string {
	for _, prefix := range slices.Sorted(maps.Keys(harmless)) {
		if path == prefix || strings.HasPrefix(path, prefix+"/") {
			return harmless[prefix]
		}
	}
	return ""
}

// paths returns a function from a byte's offset in a JSON document to the path
// of the value or key it belongs to; "" where body is no JSON.
func paths(body []byte) func(int) string {
	type span struct {
		end  int64
		path string
	}
	var spans []span
	dec := json.NewDecoder(bytes.NewReader(body))
	var value func(path string) bool
	value = func(path string) bool {
		tok, err := dec.Token()
		if err != nil {
			return false
		}
		spans = append(spans, span{dec.InputOffset(), path})
		d, ok := tok.(json.Delim)
		if !ok {
			return true
		}
		for i := 0; dec.More(); i++ {
			at := fmt.Sprintf("%s/%d", path, i)
			if d == '{' {
				key, err := dec.Token()
				if err != nil {
					return false
				}
				at = fmt.Sprintf("%s/%s", path, key)
				spans = append(spans, span{dec.InputOffset(), at})
			}
			if !value(at) {
				return false
			}
		}
		if _, err := dec.Token(); err != nil {
			return false
		}
		spans = append(spans, span{dec.InputOffset(), path})
		return true
	}
	if !value("") {
		return func(int) string { return "" }
	}
	return func(i int) string {
		for _, s := range spans {
			if int64(i) < s.end {
				return s.path
			}
		}
		return "end"
	}
}

func specimenImage(t *testing.T) image.Pinned {
	t.Helper()
	ref, err := image.Parse("registry.example/team/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	img, err := ref.Pin(registrytest.Digest([]byte("the image")))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func marshal(t *testing.T, doc any) []byte {
	t.Helper()
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tagOf(img image.Pinned) string { return strings.Replace(img.Digest(), ":", "-", 1) }

// notRead explains the fields of a manifest that say nothing about a signature.
func notRead(more map[string]string) map[string]string {
	const why = "the manifest around a signature is not signed; this field is not read"
	m := map[string]string{"/mediaType": why, "/schemaVersion": why, "/artifactType": why, "/config": why, "/annotations": why, "/subject": why}
	maps.Copy(m, more)
	return m
}

func legacySpecimen(t *testing.T, in *sigstoretest.Instance) specimen {
	t.Helper()
	img := specimenImage(t)
	payload := sigstoretest.Payload("registry.example/team/app", img.Digest())
	annotations, err := in.Legacy(payload, sigstoretest.Options{Identity: flipSubject, Issuer: flipIssuer})
	if err != nil {
		t.Fatal(err)
	}
	manifest := func(payload []byte, annotations map[string]string) []byte {
		layer := registrytest.Describe(simpleSigningType, payload)
		layer.Annotations = annotations
		m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: registrytest.Describe(ocispec.MediaTypeImageConfig, []byte("{}")), Layers: []ocispec.Descriptor{layer}}
		m.SchemaVersion = 2
		return marshal(t, m)
	}
	on := func(manifest, payload []byte) shelf {
		return shelf{manifests: map[string][]byte{tagOf(img) + ".sig": manifest}, blobs: map[string][]byte{registrytest.Digest(payload): payload}}
	}
	block, _ := pem.Decode([]byte(annotations[annotationCertificate]))
	return specimen{img, []part{
		{
			name: "signature manifest", body: manifest(payload, annotations),
			put: func(b []byte) shelf { return on(b, payload) },
			harmless: notRead(map[string]string{
				"/layers/0/annotations/dev.sigstore.cosign/chain": "the chain that a signature brings along is not used",
			}),
		},
		{
			name: "payload", body: payload,
			put: func(b []byte) shelf { return on(manifest(b, annotations), b) },
		},
		{
			name: "certificate", body: block.Bytes,
			put: func(b []byte) shelf {
				changed := maps.Clone(annotations)
				changed[annotationCertificate] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b}))
				return on(manifest(payload, changed), payload)
			},
		},
	}}
}

// inBundle explains the fields of a bundle that may change. sigstore-go works
// out itself what they say from what is signed.
func inBundle(rekorV2 bool) map[string]string {
	const entry = "/verificationMaterial/tlogEntries/0"
	m := map[string]string{
		"/mediaType":           "v0.2 and v0.3 differ in what a bundle may hold, not in what it proves",
		entry + "/kindVersion": "the kind of entry is read from the entry's own, signed body",
	}
	if rekorV2 {
		m[entry+"/canonicalizedBody"] = "the entry is rebuilt from the signature and the certificate, not read"
		m[entry+"/inclusionProof/rootHash"] = "the root hash that counts is in the signed checkpoint"
		m[entry+"/inclusionProof/treeSize"] = "the tree size that counts is in the signed checkpoint"
		m["/verificationMaterial/timestampVerificationData"] = "what surrounds the signed time in its CMS envelope is partly unsigned; the time itself is part of the evidence"
	} else {
		m[entry+"/inclusionProof/checkpoint"] = "the name before a checkpoint's signature is a hint at the key"
	}
	return m
}

func bundleSpecimen(t *testing.T, in *sigstoretest.Instance, o sigstoretest.Options) specimen {
	t.Helper()
	img := specimenImage(t)
	hex := digest.Digest(img.Digest()).Encoded()
	body, err := in.Bundle(SignPredicate, hex, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	manifest := func(bundle []byte) []byte {
		subject := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.Digest(img.Digest()), Size: 9}
		m := ocispec.Manifest{
			MediaType: ocispec.MediaTypeImageManifest, ArtifactType: registrytest.BundleV03,
			Config: registrytest.Describe(ocispec.MediaTypeEmptyJSON, []byte("{}")),
			Layers: []ocispec.Descriptor{registrytest.Describe(registrytest.BundleV03, bundle)}, Subject: &subject,
			Annotations: map[string]string{"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": SignPredicate},
		}
		m.SchemaVersion = 2
		return marshal(t, m)
	}
	index := func(manifest []byte) []byte {
		d := registrytest.Describe(ocispec.MediaTypeImageManifest, manifest)
		d.ArtifactType = registrytest.BundleV03
		i := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{d}}
		i.SchemaVersion = 2
		return marshal(t, i)
	}
	on := func(index, manifest, bundle []byte) shelf {
		return shelf{
			referrers: index, manifests: map[string][]byte{registrytest.Digest(manifest): manifest},
			blobs: map[string][]byte{registrytest.Digest(bundle): bundle},
		}
	}
	behindTag := func(index, manifest, bundle []byte) shelf {
		s := on(nil, manifest, bundle)
		s.manifests[tagOf(img)] = index
		return s
	}
	// within replaces base64 text in the bundle by that of other bytes.
	within := func(find func(doc map[string]any) map[string]any, key string) ([]byte, func([]byte) shelf) {
		var doc map[string]any
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatal(err)
		}
		text, ok := find(doc)[key].(string)
		if !ok {
			t.Fatalf("bundle has no %s", key)
		}
		old, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return old, func(b []byte) shelf {
			changed := bytes.Replace(body, []byte(text), []byte(base64.StdEncoding.EncodeToString(b)), 1)
			return on(index(manifest(changed)), manifest(changed), changed)
		}
	}
	certificate, putCertificate := within(func(doc map[string]any) map[string]any {
		material, _ := doc["verificationMaterial"].(map[string]any)
		c, _ := material["certificate"].(map[string]any)
		return c
	}, "rawBytes")
	statement, putStatement := within(func(doc map[string]any) map[string]any {
		e, _ := doc["dsseEnvelope"].(map[string]any)
		return e
	}, "payload")
	const notFiltered = "the list of referrers is not signed; only the digests in it are followed"
	list := map[string]string{"/schemaVersion": notFiltered, "/mediaType": notFiltered, "/manifests/0/mediaType": notFiltered, "/manifests/0/artifactType": notFiltered, "/manifests/0/size": notFiltered}
	return specimen{img, []part{
		{name: "referrers", body: index(manifest(body)), harmless: list, put: func(b []byte) shelf { return on(b, manifest(body), body) }},
		{name: "fallback tag", body: index(manifest(body)), harmless: list, put: func(b []byte) shelf { return behindTag(b, manifest(body), body) }},
		{
			name: "bundle manifest", body: manifest(body), put: func(b []byte) shelf { return on(index(b), b, body) },
			harmless: notRead(map[string]string{"/layers/0/mediaType": "what kind of bundle it is stands in the bundle itself"}),
		},
		{
			name: "bundle", body: body, put: func(b []byte) shelf { return on(index(manifest(b)), manifest(b), b) },
			harmless: inBundle(o.RekorV2),
		},
		{name: "certificate", body: certificate, put: putCertificate},
		{name: "statement", body: statement, put: putStatement},
	}}
}
