package notation_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/veraison/go-cose"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/notation"
)

// on returns what is said of the image on a shelf.
func on(t testing.TB, s shelf, c notation.Config) verify.Verdict {
	t.Helper()
	return must[verify.Verifier](t)(notation.NewSession(s, image.Ref{}, notation.NewAsker(nil, "")).Require(c)).Verify(t.Context(), thePinned(t))
}

// A signature manifest is what the specification says, or it is refused; what is
// no signature is passed over.
func TestManifests(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t, notationtest.JWS)
	const typed = notationtest.ArtifactType
	layer := registrytest.Describe(notationtest.JWS, s.envelope)
	change := func(f func(*ocispec.Manifest)) []byte {
		var m ocispec.Manifest
		if err := json.Unmarshal(s.manifest(t, s.envelope), &m); err != nil {
			t.Fatal(err)
		}
		f(&m)
		return must[[]byte](t)(json.Marshal(m))
	}
	replace := func(old, by string) []byte {
		return []byte(strings.Replace(string(s.manifest(t, s.envelope)), old, by, 1))
	}
	for _, tc := range []struct {
		name string
		body []byte
		want verify.Reason
		says string
	}{
		{"as notation writes it", s.manifest(t, s.envelope), verify.Verified, ""},
		{"typed by artifactType", change(func(m *ocispec.Manifest) { m.ArtifactType, m.Config = typed, ocispec.DescriptorEmptyJSON }), verify.Verified, ""},
		{"untyped", change(func(m *ocispec.Manifest) { m.Config = ocispec.DescriptorEmptyJSON }), verify.BadSignature, "does not call itself"},
		{"SBOM", change(func(m *ocispec.Manifest) {
			m.Config = ocispec.DescriptorEmptyJSON
			m.Layers[0].MediaType = "application/spdx+json"
		}), verify.Unsigned, ""},
		{"no subject", change(func(m *ocispec.Manifest) { m.Subject = nil }), verify.BadSignature, "no subject"},
		{"other subject", change(func(m *ocispec.Manifest) { m.Subject.Digest = digest.FromString("x") }), verify.BadSignature, "it is about"},
		{"no layers", change(func(m *ocispec.Manifest) { m.Layers = nil }), verify.BadSignature, "0 layers"},
		{"two layers", change(func(m *ocispec.Manifest) { m.Layers = append(m.Layers, layer) }), verify.BadSignature, "2 layers"},
		{"a thousand layers", change(func(m *ocispec.Manifest) { m.Layers = make([]ocispec.Descriptor, 1000) }), verify.BadSignature, "1000 layers"},
		{"other envelope", change(func(m *ocispec.Manifest) { m.Layers[0].MediaType = "application/pgp" }), verify.Unsupported, "application/pgp"},
		{"negative size", change(func(m *ocispec.Manifest) { m.Layers[0].Size = -1 }), verify.BadSignature, "cannot be read"},
		{"empty envelope", change(func(m *ocispec.Manifest) { m.Layers[0].Size = 0 }), verify.BadSignature, "cannot be read"},
		{"large envelope", change(func(m *ocispec.Manifest) { m.Layers[0].Size = 1<<20 + 1 }), verify.Unsupported, "at most 1048576"},
		{"huge envelope", change(func(m *ocispec.Manifest) { m.Layers[0].Size = 1 << 62 }), verify.Unsupported, "at most"},
		{"other size", change(func(m *ocispec.Manifest) { m.Layers[0].Size++ }), verify.Unavailable, ""},
		{"other digest", change(func(m *ocispec.Manifest) { m.Layers[0].Digest = digest.FromString("x") }), verify.Unavailable, ""},
		{"SHA-512", change(func(m *ocispec.Manifest) { m.Layers[0].Digest = digest.SHA512.FromString("x") }), verify.BadSignature, "cannot be read"},
		{"hostile digest", change(func(m *ocispec.Manifest) {
			m.Layers[0].Digest = digest.Digest("\x1b[2J\n::error::" + strings.Repeat("x", 1<<16))
		}), verify.BadSignature, `\x1b`},
		{"artifact manifest", change(func(m *ocispec.Manifest) {
			m.MediaType = "application/vnd.oci.artifact.manifest.v1+json"
		}), verify.Unsupported, "artifact.manifest"},
		{"index", change(func(m *ocispec.Manifest) { m.MediaType = ocispec.MediaTypeImageIndex }), verify.Unsupported, "image.index"},
		{"name twice", replace(`"layers"`, `"layers":[],"layers"`), verify.BadSignature, "stands twice"},
		{"name in another case", replace(`"layers"`, `"Layers"`), verify.BadSignature, "layers"},
		{"something behind it", append(s.manifest(t, s.envelope), "{}"...), verify.BadSignature, ""},
		{"broken", s.manifest(t, s.envelope)[1:], verify.BadSignature, ""},
		{"null", []byte("null"), verify.Unsigned, ""},
		{"a list", []byte("[]"), verify.BadSignature, ""},
		{"deep", []byte(strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000)), verify.Unsigned, ""},
		{"layers of another kind", replace(`"layers":[`, `"layers":[1,`), verify.BadSignature, ""},
	} {
		v := on(t, s.put(s.index(t, tc.body), tc.body, s.envelope), s.config)
		if v.Reason() != tc.want || !strings.Contains(fmt.Sprint(v.Err()), tc.says) {
			t.Errorf("%s: %q: %v", tc.name, v.Reason(), v.Err())
		}
		if n := len(fmt.Sprint(v.Err())); n > 2000 {
			t.Errorf("%s: %d bytes of text", tc.name, n)
		}
	}
}

// Lists that are no lists, and lists of too much.
func TestLists(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t, notationtest.JWS)
	m := s.manifest(t, s.envelope)
	d := registrytest.Describe(ocispec.MediaTypeImageManifest, m)
	list := func(n int) []byte {
		i := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
		for range n {
			i.Manifests = append(i.Manifests, d)
		}
		return must[[]byte](t)(json.Marshal(i))
	}
	for _, tc := range []struct {
		name string
		body []byte
		want verify.Reason
	}{
		{"empty", list(0), verify.Unsigned},
		{"the same 256 times", list(256), verify.Verified},
		{"more than are read", list(257), verify.Unsupported},
		{"many more", list(2000), verify.Unsupported},
		{"no list", []byte(`{}`), verify.BadSignature},
		{"an image", m, verify.BadSignature},
		{"broken", []byte(`{"manifests":[`), verify.BadSignature},
		{"a digest that is none", []byte(`{"manifests":[{"digest":"sha256:x"}]}`), verify.BadSignature},
		{"what is not there", []byte(`{"manifests":[{"digest":"` + digest.FromString("x").String() + `"}]}`), verify.Unavailable},
	} {
		v := on(t, s.put(tc.body, m, s.envelope), s.config)
		if v.Reason() != tc.want {
			t.Errorf("%s: %q: %v", tc.name, v.Reason(), v.Err())
		}
	}
	shelf := s.put(nil, m, s.envelope)
	shelf.referrers = []ocispec.Descriptor{d, d}
	wantVerdict(t, on(t, shelf, s.config), verify.Verified)
	shelf.referrers[1].Digest = "../../x"
	wantVerdict(t, on(t, shelf, s.config), verify.Verified)
	shelf.referrers = shelf.referrers[1:]
	wantVerdict(t, on(t, shelf, s.config), verify.Unavailable)
}

// Who names a good envelope with another size does not hide it.
func TestEnvelopeOfAnotherSize(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t, notationtest.JWS)
	good := s.manifest(t, s.envelope)
	bad := bytes.Replace(good, fmt.Appendf(nil, `"size":%d`, len(s.envelope)), fmt.Appendf(nil, `"size":%d`, len(s.envelope)-1), 1)
	shelf := s.put(nil, good, s.envelope)
	shelf.manifests[registrytest.Digest(bad)] = bad
	shelf.referrers = []ocispec.Descriptor{registrytest.Describe(ocispec.MediaTypeImageManifest, bad)}
	wantVerdict(t, on(t, shelf, s.config), verify.Unavailable)
	shelf.referrers = append(shelf.referrers, registrytest.Describe(ocispec.MediaTypeImageManifest, good))
	wantVerdict(t, on(t, shelf, s.config), verify.Verified)
}

// The envelopes of one image have a bound together, too.
func TestEnvelopeBudget(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t, notationtest.JWS)
	good := s.manifest(t, s.envelope)
	shelf := s.put(nil, good, s.envelope)
	shelf.referrers = []ocispec.Descriptor{}
	for i := range 17 {
		junk := fmt.Appendf(make([]byte, 1<<20-2), "%02d", i)
		m := s.manifest(t, junk)
		shelf.manifests[registrytest.Digest(m)], shelf.blobs[registrytest.Digest(junk)] = m, junk
		shelf.referrers = append(shelf.referrers, registrytest.Describe(ocispec.MediaTypeImageManifest, m))
	}
	v := on(t, shelf, s.config)
	wantVerdict(t, v, verify.Unavailable, "was not read", "16 MiB")
	if hint := verify.Hint(v.Err()); !strings.Contains(hint, "delete the signatures") {
		t.Errorf("%q", hint)
	}
	if len(v.Candidates()) != 17 {
		t.Errorf("%d candidates", len(v.Candidates()))
	}
	shelf.referrers = append(shelf.referrers, registrytest.Describe(ocispec.MediaTypeImageManifest, good)) // a small one is read before them
	made, err := notation.NewSession(shelf, image.Ref{}, notation.NewAsker(nil, "")).Made(t.Context(), s.config, thePinned(t))
	if len(made) != 1 || err == nil || !strings.Contains(err.Error(), "was not read") {
		t.Errorf("%d signatures, %v: there may be more", len(made), err)
	}
	wantVerdict(t, on(t, shelf, s.config), verify.Verified)
}

// Envelopes that two readers would read differently, that are of a kind that is
// not known, or that would keep this program busy.
func TestEnvelopes(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t, notationtest.JWS)
	var doc map[string]any
	if err := json.Unmarshal(s.envelope, &doc); err != nil {
		t.Fatal(err)
	}
	protected, _ := base64.RawURLEncoding.DecodeString(doc["protected"].(string))
	header := func(old, by string) []byte {
		if !strings.Contains(string(protected), old) {
			t.Fatalf("no %s in %s", old, protected)
		}
		again := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(protected), old, by, 1)))
		return []byte(strings.Replace(string(s.envelope), doc["protected"].(string), again, 1))
	}
	chain := func(certs ...[]byte) []byte {
		var texts []string
		for _, c := range certs {
			texts = append(texts, base64.StdEncoding.EncodeToString(c))
		}
		var again map[string]any
		if err := json.Unmarshal(s.envelope, &again); err != nil {
			t.Fatal(err)
		}
		again["header"].(map[string]any)["x5c"] = texts
		return must[[]byte](t)(json.Marshal(again))
	}
	huge := hugeKey(t)
	small := weakLeaf(t)
	one := s.config.Certificates[0].Raw
	started := time.Now()
	for _, tc := range []struct {
		name string
		body []byte
		want verify.Reason
		says string
	}{
		{"empty object", []byte("{}"), verify.BadSignature, ""},
		{"no JSON", []byte("\xff\x00"), verify.BadSignature, ""},
		{"payload twice", []byte(strings.Replace(string(s.envelope), `"payload"`, `"payload":"e30","payload"`, 1)), verify.BadSignature, "stands twice"},
		{"Payload beside payload", []byte(strings.Replace(string(s.envelope), `"payload"`, `"Payload":"e30","payload"`, 1)), verify.BadSignature, "Payload"},
		{"crit twice", header(`"crit"`, `"crit":["x"],"crit"`), verify.BadSignature, "stands twice"},
		{"CRIT", header(`"crit"`, `"CRIT"`), verify.BadSignature, "CRIT"},
		{"algorithm none", header(`"alg":"ES256"`, `"alg":"none"`), verify.Unsupported, `"none"`},
		{"HMAC", header(`"alg":"ES256"`, `"alg":"HS256"`), verify.Unsupported, `"HS256"`},
		{"PKCS #1", header(`"alg":"ES256"`, `"alg":"RS256"`), verify.Unsupported, `"RS256"`},
		{"other algorithm", header(`"alg":"ES256"`, `"alg":"ES384"`), verify.BadSignature, ""},
		{"other scheme", header(`notary.x509"`, `notary.x510"`), verify.Unsupported, "notary.x510"},
		{"no chain", chain(), verify.BadSignature, "0 certificates"},
		{"long chain", chain(func() (all [][]byte) {
			for range 17 {
				all = append(all, one)
			}
			return all
		}()...), verify.BadSignature, "17 certificates"},
		{"garbage in the chain", chain([]byte("x")), verify.BadSignature, "certificate 1"},
		{"large certificate", chain(make([]byte, 16<<10+1)), verify.BadSignature, "16385 bytes"},
		{"huge key", chain(huge), verify.Unsupported, "RSA key of"},
		{"huge key behind", chain(one, huge), verify.Unsupported, "RSA key of"},
		{"small key", chain(small), verify.Unsupported, "no signatures by such keys"},
	} {
		m := s.manifest(t, tc.body)
		v := on(t, s.put(s.index(t, m), m, tc.body), s.config)
		if v.Reason() != tc.want || !strings.Contains(fmt.Sprint(v.Err()), tc.says) {
			t.Errorf("%s: %q: %v", tc.name, v.Reason(), v.Err())
		}
		if len(fmt.Sprint(v.Err())) > 2000 {
			t.Errorf("%s: %d bytes of text", tc.name, len(fmt.Sprint(v.Err())))
		}
	}
	if took := time.Since(started); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}

// The same of COSE.
func TestCOSEEnvelopes(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t, notationtest.COSE)
	change := func(f func(*cose.Sign1Message)) []byte {
		var msg cose.Sign1Message
		if err := msg.UnmarshalCBOR(s.envelope); err != nil {
			t.Fatal(err)
		}
		f(&msg)
		msg.Headers.RawUnprotected = nil // it would be written instead
		return must[[]byte](t)(msg.MarshalCBOR())
	}
	for _, tc := range []struct {
		name string
		body []byte
		want verify.Reason
		says string
	}{
		{"no CBOR", []byte("{}"), verify.BadSignature, ""},
		{"nested", []byte(strings.Repeat("\x81", 100000)), verify.BadSignature, ""},
		{"something behind it", append(s.envelope[:len(s.envelope):len(s.envelope)], 0), verify.BadSignature, ""},
		{"no chain", change(func(m *cose.Sign1Message) { delete(m.Headers.Unprotected, cose.HeaderLabelX5Chain) }), verify.BadSignature, "0 certificates"},
		{"a number in the chain", change(func(m *cose.Sign1Message) {
			m.Headers.Unprotected[cose.HeaderLabelX5Chain] = []any{[]byte("x"), 1}
		}), verify.BadSignature, ""},
		{"huge key", change(func(m *cose.Sign1Message) {
			m.Headers.Unprotected[cose.HeaderLabelX5Chain] = []any{hugeKey(t)}
		}), verify.Unsupported, "RSA key of"},
		{"large countersignature", change(func(m *cose.Sign1Message) {
			m.Headers.Unprotected["io.cncf.notary.timestampSignature"] = make([]byte, 64<<10+1)
		}), verify.BadSignature, "65537 bytes"},
		{"other signature", change(func(m *cose.Sign1Message) { m.Signature[3] ^= 1 }), verify.BadSignature, "does not hold"},
		{"other payload", change(func(m *cose.Sign1Message) { m.Payload = []byte("{}") }), verify.BadSignature, "does not hold"},
	} {
		m := s.manifest(t, tc.body)
		v := on(t, s.put(s.index(t, m), m, tc.body), s.config)
		if v.Reason() != tc.want || !strings.Contains(fmt.Sprint(v.Err()), tc.says) {
			t.Errorf("%s: %q: %v", tc.name, v.Reason(), v.Err())
		}
	}
}

// What was signed has to say one thing only, and that of this image. (Of JWS the
// kit signs no such text.)
func TestPayloads(t *testing.T) {
	t.Parallel()
	a := certified(t, notationtest.AuthorityOptions{})
	d := theImage()
	whole := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, d.MediaType, d.Digest, d.Size)
	target := func(more string) string { return `{"targetArtifact":` + whole[:len(whole)-1] + more + `}}` }
	for _, tc := range []struct {
		payload string
		want    verify.Reason
		says    string
	}{
		{target(""), verify.Verified, ""},
		{target(`,"annotations":null`), verify.Verified, ""},
		{target(`,"annotations":{"Digest":"x","digest":"y"}`), verify.Verified, ""},
		{`{"more":1,` + target(`,"urls":["http://x"]`)[1:], verify.Verified, ""},
		{target(`,"annotations":{"a":"x","a":"y"}`), verify.BadSignature, `"a" stands twice`},
		{target(`,"annotations":{"a":1}`), verify.BadSignature, "no text"},
		{target(`,"annotations":{"a":{"b":"c"}}`), verify.BadSignature, "no text"},
		{target(`,"annotations":["a"]`), verify.BadSignature, "no object"},
		{target(`,"digest":"` + d.Digest.String() + `"`), verify.BadSignature, "stands twice"},
		{target(`,"Digest":"` + d.Digest.String() + `"`), verify.BadSignature, "Digest"},
		{`{"targetArtifact":` + whole + `,"targetArtifact":` + whole + `}`, verify.BadSignature, "stands twice"},
		{`{"TargetArtifact":` + whole + `}`, verify.BadSignature, ""},
		{target("") + "{}", verify.BadSignature, ""},
		{strings.Replace(target(""), `"size":`, `"size":1`, 1), verify.BadSignature, "bytes"},
		{strings.Replace(target(""), `"size":`, `"size":-`, 1), verify.BadSignature, "bytes"},
		{strings.Replace(target(""), `"digest":"sha256:`, `"digest":"sha512:`, 1), verify.BadSignature, "no artifact"},
		{`{"targetArtifact":null}`, verify.BadSignature, "no artifact"},
		{`null`, verify.BadSignature, ""},
		{`[]`, verify.BadSignature, ""},
		{"ÿ", verify.BadSignature, ""},
	} {
		s := specimen{config: trusting(t, a), mediaType: notationtest.COSE}
		s.envelope = must[[]byte](t)(a.Sign(d, notationtest.SignOptions{Envelope: notationtest.COSE, Payload: []byte(tc.payload)}))
		m := s.manifest(t, s.envelope)
		v := on(t, s.put(s.index(t, m), m, s.envelope), s.config)
		if v.Reason() != tc.want || !strings.Contains(fmt.Sprint(v.Err()), tc.says) {
			t.Errorf("%s: %q: %v", tc.payload, v.Reason(), v.Err())
		}
	}
}

// hugeKey returns a certificate with an RSA key that takes long to compute with.
func hugeKey(t testing.TB) []byte {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), 100_000)
	return issue(t, &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537})
}

// weakLeaf returns a certificate with a key that Notation does not sign with.
func weakLeaf(t testing.TB) []byte {
	t.Helper()
	return issue(t, &must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).PublicKey)
}

func issue(t testing.TB, key any) []byte {
	t.Helper()
	by := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotAfter: time.Now().Add(time.Hour)}
	return must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, key, by))
}

// What a signer says may be hostile, and it is said by somebody trusted or by
// nobody: either way it is bounded.
func TestHostileText(t *testing.T) {
	t.Parallel()
	bomb := "\x1b[2J\r\n::set-output name=x::" + strings.Repeat("A", 3000)
	a := certified(t, notationtest.AuthorityOptions{CA: "Other " + bomb, Leaf: func(c *x509.Certificate) { c.Subject.OrganizationalUnit = []string{bomb} }})
	w := newWorld(t, registrytest.Options{})
	metadata := map[string]string{"bomb": strings.Repeat("A", 2000)}
	for i := range 100 {
		metadata[fmt.Sprintf("k%02d", i)] = "v"
	}
	w.sign(a, notationtest.SignOptions{Metadata: metadata, Attributes: []notationtest.Attribute{{Key: "plain", Value: bomb}}})
	c := trusting(t, certified(t, notationtest.AuthorityOptions{}))
	v := w.verify(c)
	wantVerdict(t, v, verify.WrongSigner)
	if text := v.Err().Error(); strings.ContainsAny(text, "\x1b\r\n") || len(text) > 2000 {
		t.Errorf("%d bytes: %q", len(text), text)
	}
	if n := len(v.Candidates()[0].Claims); n > 70 {
		t.Errorf("%d claims", n)
	}
	c.Certificates = []*x509.Certificate{a.Root()}
	v = w.verify(c)
	wantVerdict(t, v, verify.Verified)
	if ev := v.Evidence()[0]; len(ev.Claims) > 70 || ev.Claims["metadata.bomb"] != "" || ev.Claims["metadata.k01"] != "v" {
		t.Errorf("%d claims, %d bytes", len(ev.Claims), len(ev.Claims["metadata.bomb"]))
	}
}

// Whatever lies there, it is no signature of the image unless somebody made one.
func FuzzEnvelope(f *testing.F) {
	s := map[string]specimen{}
	for _, mediaType := range []string{notationtest.JWS, notationtest.COSE} {
		s[mediaType] = newSpecimen(f, mediaType)
		f.Add(mediaType == notationtest.JWS, s[mediaType].envelope)
	}
	img := thePinned(f)
	described := img.Described(theImage().MediaType, nil).Sized(theImage().Size)
	good := map[string]verify.Evidence{}
	for mediaType, s := range s {
		good[mediaType] = must[notation.Made](f)(notation.NewSession(nil, image.Ref{}, notation.NewAsker(nil, "")).Check(f.Context(), s.config, described, mediaType, s.envelope)).Evidence
	}
	f.Fuzz(func(t *testing.T, isJWS bool, body []byte) {
		mediaType := map[bool]string{true: notationtest.JWS, false: notationtest.COSE}[isJWS]
		made, err := notation.NewSession(nil, image.Ref{}, notation.NewAsker(nil, "")).Check(t.Context(), s[mediaType].config, described, mediaType, body)
		if err == nil && fmt.Sprintf("%+v", made.Evidence) != fmt.Sprintf("%+v", good[mediaType]) {
			t.Errorf("%q is taken:\n%+v", body, made.Evidence)
		}
	})
}

// Whatever lies beside an image, it is refused, or nothing at all.
func FuzzSignatureManifest(f *testing.F) {
	s := newSpecimen(f, notationtest.JWS)
	f.Add(s.manifest(f, s.envelope), true)
	f.Add([]byte(`{"layers":[{"mediaType":"application/cose"}]}`), false)
	f.Fuzz(func(t *testing.T, body []byte, api bool) {
		shelf := s.put(s.index(t, body), body, s.envelope)
		if api {
			shelf.referrers = must[[]ocispec.Descriptor](t)(registry.ParseFallback(registry.Manifest{Body: s.index(t, body)}))
		}
		v := on(t, shelf, s.config)
		switch v.Reason() {
		case verify.Verified, verify.Unsigned, verify.BadSignature, verify.Unsupported, verify.Unavailable:
		default:
			t.Errorf("%q: %q: %v", body, v.Reason(), v.Err())
		}
	})
}
