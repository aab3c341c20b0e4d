package sigstore_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/sigstore"
	"github.com/boltseal/boltseal/verify"
)

func legacyOnly(imgs ...image.Pinned) sign.Order {
	return sign.Order{Images: imgs, Formats: []sign.Format{sign.Legacy}}
}

func sigTag(digest string) string { return strings.Replace(digest, ":", "-", 1) + ".sig" }

// A .sig manifest is what cosign would write.
func TestLegacyLayout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, d := w.image("layout")
	order := legacyOnly(img)
	order.Annotations = map[string]string{"b": "<x>", "a": "1"}
	w.signed(order)
	var m ocispec.Manifest
	body := must[[]byte](t)(w.reg.Manifest("team/app", sigTag(img.Digest())))
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	if m.SchemaVersion != 2 || m.MediaType != ocispec.MediaTypeImageManifest || m.Config.MediaType != ocispec.MediaTypeImageConfig || len(m.Layers) != 1 || m.Layers[0].MediaType != registrytest.SimpleSigning {
		t.Fatalf("manifest %s", body)
	}
	payload := must[[]byte](t)(w.client().Blob(context.Background(), img.Ref(), m.Layers[0]))
	want := fmt.Sprintf(`{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":{"a":"1","b":"\u003cx\u003e"}}`,
		w.reg.Host()+"/team/app", d.Digest)
	if string(payload) != want {
		t.Errorf("payload\n%s\nwant\n%s", payload, want)
	}
	a := m.Layers[0].Annotations
	if block, rest := pem.Decode([]byte(a["dev.sigstore.cosign/certificate"])); block == nil || len(rest) > 0 {
		t.Errorf("certificate %q", a["dev.sigstore.cosign/certificate"])
	}
	if n := strings.Count(a["dev.sigstore.cosign/chain"], "BEGIN CERTIFICATE"); n != 2 {
		t.Errorf("a chain of %d certificates", n)
	}
	var set struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body           []byte
			IntegratedTime int64
			LogIndex       int64
			LogID          string
		}
	}
	if err := json.Unmarshal([]byte(a["dev.sigstore.cosign/bundle"]), &set); err != nil || len(set.SignedEntryTimestamp) == 0 || len(set.Payload.LogID) != 64 || set.Payload.IntegratedTime == 0 || !bytes.Contains(set.Payload.Body, []byte("hashedrekord")) {
		t.Errorf("log entry %s, %v", a["dev.sigstore.cosign/bundle"], err)
	}
	var config ocispec.Image
	if err := json.Unmarshal(must[[]byte](t)(w.client().Blob(context.Background(), img.Ref(), m.Config)), &config); err != nil ||
		len(config.RootFS.DiffIDs) != 1 || config.RootFS.DiffIDs[0] != m.Layers[0].Digest || len(config.History) != 1 {
		t.Errorf("config %+v, %v", config, err)
	}
}

// Signatures are added to those that are there, which stay as they are.
func TestLegacyAppends(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, d := w.image("append")
	payload := sigstoretest.Payload("x", d.Digest.String())
	layer := must[ocispec.Descriptor](t)(w.reg.PutBlob("team/app", registrytest.SimpleSigning, payload))
	layer.Annotations = must[map[string]string](t)(w.in.Legacy(payload, sigstoretest.Options{Identity: audit, Issuer: issuer}))
	theirs := strings.Replace(string(must[[]byte](t)(json.Marshal(layer))), "{", `{"data": "e30=","x<":[1.50, 1e2],`, 1)
	config := must[ocispec.Descriptor](t)(w.reg.PutBlob("team/app", ocispec.MediaTypeImageConfig, fmt.Appendf(nil, `{"created":"2025-01-01T00:00:00Z","author":"them","rootfs":{"type":"layers","diff_ids":[%q]}}`, layer.Digest)))
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s],"annotations":{"<kept>":"yes"}}`,
		ocispec.MediaTypeImageManifest, must[[]byte](t)(json.Marshal(config)), theirs)
	must[ocispec.Descriptor](t)(w.reg.PutManifest("team/app", sigTag(img.Digest()), ocispec.MediaTypeImageManifest, []byte(manifest)))

	w.signed(legacyOnly(img))
	body := string(must[[]byte](t)(w.reg.Manifest("team/app", sigTag(img.Digest()))))
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(theirs)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(body, `"layers":[`+compact.String()+`,{`) || !strings.Contains(body, `"annotations":{"<kept>":"yes"}`) {
		t.Errorf("manifest\n%s\nlacks\n%s", body, compact.String())
	}
	var m ocispec.Manifest
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatal(err)
	}
	var c ocispec.Image
	if err := json.Unmarshal(must[[]byte](t)(w.client().Blob(context.Background(), img.Ref(), m.Config)), &c); err != nil || len(c.RootFS.DiffIDs) != 2 || c.RootFS.DiffIDs[0] != layer.Digest || c.RootFS.DiffIDs[1] != m.Layers[1].Digest || c.Author != "them" || c.Created.Year() != 2025 {
		t.Errorf("config %+v, %v", c, err)
	}
	w.verifies(w.by(audit), img)
	w.verifies(w.by(identity), img)
}

// What the tag leads to is not overwritten where it is not cosign's.
func TestLegacyForeign(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	manifest := func(change func(*ocispec.Manifest)) string {
		config := must[ocispec.Descriptor](t)(w.reg.PutBlob("team/app", ocispec.MediaTypeImageConfig, []byte("{}")))
		m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config}
		m.SchemaVersion = 2
		change(&m)
		return string(must[[]byte](t)(json.Marshal(m)))
	}
	layers := func(types ...string) func(*ocispec.Manifest) {
		return func(m *ocispec.Manifest) {
			for i, typ := range types {
				m.Layers = append(m.Layers, must[ocispec.Descriptor](t)(w.reg.PutBlob("team/app", typ, fmt.Appendf(nil, "%d", i%2))))
			}
		}
	}
	many := make([]string, 256)
	for i := range many {
		many[i] = registrytest.SimpleSigning
	}
	one := manifest(layers(registrytest.SimpleSigning))
	for name, tc := range map[string]struct{ mediaType, body string }{
		"an image":              {ocispec.MediaTypeImageManifest, manifest(layers(ocispec.MediaTypeImageLayerGzip))},
		"one layer of an image": {ocispec.MediaTypeImageManifest, manifest(layers(registrytest.SimpleSigning, ocispec.MediaTypeImageLayerGzip))},
		"attestations":          {ocispec.MediaTypeImageManifest, manifest(layers(registrytest.Envelope))},
		"no layers":             {ocispec.MediaTypeImageManifest, manifest(func(m *ocispec.Manifest) { m.Layers = []ocispec.Descriptor{} })},
		"an index":              {ocispec.MediaTypeImageIndex, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`},
		"two lists of layers":   {ocispec.MediaTypeImageManifest, strings.Replace(one, `"layers":`, `"layers":[],"layers":`, 1)},
		"layers in capitals":    {ocispec.MediaTypeImageManifest, strings.Replace(one, `"layers":`, `"Layers":`, 1)},
		"too many":              {ocispec.MediaTypeImageManifest, manifest(layers(many...))},
	} {
		t.Run(name, func(t *testing.T) {
			img, _ := w.image("foreign " + name)
			must[ocispec.Descriptor](t)(w.reg.PutManifest("team/app", sigTag(img.Digest()), tc.mediaType, []byte(tc.body)))
			fails(t, w.sign(context.Background(), legacyOnly(img)), verify.Unsupported)
			if n := len(w.srv.Rekor1.Requests()); n > 0 {
				t.Errorf("it is in the log already: %d requests", n)
			}
			if body := string(must[[]byte](t)(w.reg.Manifest("team/app", sigTag(img.Digest())))); body != tc.body {
				t.Errorf("it is now\n%s", body)
			}
		})
	}
}

// A log without signed entry timestamps cannot be said in the legacy format, and
// the signature is not stored without.
func TestLegacyNeedsPromise(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, _ := w.image("promise")
	w.srv.Rekor1.Inject(sigstoretest.Fault{Method: "POST", Change: func(b []byte) []byte {
		var entries map[string]map[string]any
		if err := json.Unmarshal(b, &entries); err != nil {
			return b
		}
		for _, e := range entries {
			delete(e["verification"].(map[string]any), "signedEntryTimestamp")
		}
		b, _ = json.Marshal(entries)
		return b
	}})
	res := w.sign(context.Background(), legacyOnly(img))
	if len(res.Failures) != 1 || len(res.Records) > 0 {
		t.Fatalf("%+v", res)
	}
	if _, err := w.reg.Manifest("team/app", sigTag(img.Digest())); err == nil {
		t.Error("it was pushed")
	}
}

// Without a log and with a key there is a signature, and nothing else.
func TestLegacyUnlogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, _ := w.image("unlogged")
	w.signed(legacyOnly(img), func(o *sigstore.Options) {
		o.Token, o.Key, o.IgnoreLog, o.Trust = nil, newKey(t), true, nil
		o.Services, o.Legacy = sigstore.Services{}, sigstore.Services{}
	})
	var m ocispec.Manifest
	if err := json.Unmarshal(must[[]byte](t)(w.reg.Manifest("team/app", sigTag(img.Digest()))), &m); err != nil {
		t.Fatal(err)
	}
	if a := m.Layers[0].Annotations; len(a) != 1 || a["dev.cosignproject.cosign/signature"] == "" {
		t.Errorf("annotations %v", a)
	}
}

// A layer that is sound, and of which cosign cannot read a certificate, is not there
// for whoever the signature is for.
func TestLegacyUnreadable(t *testing.T) {
	t.Parallel()
	const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	for _, annotation := range []string{"dev.sigstore.cosign/chain", "dev.sigstore.cosign/certificate"} {
		w := newWorld(t, registrytest.Options{})
		img, _ := w.image(annotation)
		w.signed(legacyOnly(img))
		var m ocispec.Manifest
		if err := json.Unmarshal(must[[]byte](t)(w.reg.Manifest("team/app", sigTag(img.Digest()))), &m); err != nil {
			t.Fatal(err)
		}
		m.Layers[0].Annotations[annotation] += broken
		must[ocispec.Descriptor](t)(w.reg.PutManifest("team/app", sigTag(img.Digest()), m.MediaType, must[[]byte](t)(json.Marshal(m))))
		if n := len(w.made(img)); n != 1 {
			t.Errorf("%s: %d are sound", annotation, n)
		}
		for run := range 2 {
			if r := w.signed(legacyOnly(img)); r[0].Existed != (run == 1) {
				t.Errorf("%s, run %d: %+v", annotation, run, r)
			}
		}
		if n := len(w.made(img)); n != 2 { // the first one is left as it is
			t.Errorf("%s: %d are sound", annotation, n)
		}
	}
}

// An RSA key makes the same signature each time. One that lacks its log entry,
// because it was made without or somebody removed it, is made whole again; what
// it has besides is kept beside.
func TestLegacySameSignature(t *testing.T) {
	t.Parallel()
	const logEntry = "dev.sigstore.cosign/bundle"
	private := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	der := must[[]byte](t)(x509.MarshalPKCS8PrivateKey(private))
	key := must[*sigstore.Key](t)(sigstore.ReadKey("rsa.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil))
	byKey := func(o *sigstore.Options) { o.Key, o.Token = key, nil }
	for name, tc := range map[string]struct {
		there  map[string]string // what the first one has besides its signature
		layers int
	}{
		"no log entry":         {nil, 1},
		"another's annotation": {map[string]string{"theirs": "1"}, 2},
		"another log entry":    {map[string]string{logEntry: "{}"}, 2},
	} {
		w := newWorld(t, registrytest.Options{})
		img, _ := w.image(name)
		layers := func() []ocispec.Descriptor {
			var m ocispec.Manifest
			if err := json.Unmarshal(must[[]byte](t)(w.reg.Manifest("team/app", sigTag(img.Digest()))), &m); err != nil {
				t.Fatal(err)
			}
			var c ocispec.Image
			if err := json.Unmarshal(must[[]byte](t)(w.client().Blob(context.Background(), img.Ref(), m.Config)), &c); err != nil || len(c.RootFS.DiffIDs) != len(m.Layers) {
				t.Errorf("%s: %d layers, and the config has %v, %v", name, len(m.Layers), c.RootFS.DiffIDs, err)
			}
			return m.Layers
		}
		w.signed(legacyOnly(img), byKey, func(o *sigstore.Options) { o.IgnoreLog, o.Trust = true, nil })
		if tc.there != nil {
			var m ocispec.Manifest
			if err := json.Unmarshal(must[[]byte](t)(w.reg.Manifest("team/app", sigTag(img.Digest()))), &m); err != nil {
				t.Fatal(err)
			}
			maps.Copy(m.Layers[0].Annotations, tc.there)
			must[ocispec.Descriptor](t)(w.reg.PutManifest("team/app", sigTag(img.Digest()), m.MediaType, must[[]byte](t)(json.Marshal(m))))
		}
		for run := range 2 {
			records := w.signed(legacyOnly(img), byKey)
			if len(records) != 1 || records[0].LogIndex == nil || records[0].Existed != (run == 1) {
				t.Errorf("%s, run %d: %+v", name, run, records)
			}
			got := layers()
			if len(got) != tc.layers || got[tc.layers-1].Annotations[logEntry] == "" {
				t.Errorf("%s, run %d: layers %v", name, run, got)
			}
		}
		if n := len(w.srv.Rekor1.Requests()); n != 1 {
			t.Errorf("%s: %d requests to the log", name, n)
		}
	}
}
