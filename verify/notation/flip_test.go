package notation_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/notaryproject/notation-core-go/signature"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/notation"
)

// A shelf is a Store in memory. Like the client of registries it never gives
// out bytes that do not have the digest they were asked for by.
type shelf struct {
	manifests map[string][]byte // by tag or digest
	blobs     map[string][]byte
	referrers []ocispec.Descriptor // nil where there is no such API
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
	return s.referrers, nil
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
	d := theImage()
	return img.Described(d.MediaType, nil).Sized(d.Size), nil
}

func theImage() ocispec.Descriptor {
	return registrytest.Describe(ocispec.MediaTypeImageManifest, []byte("the image"))
}

func thePinned(t testing.TB) image.Pinned {
	t.Helper()
	return must[image.Pinned](t)(ref(t, "registry.example/team/app:v1").Pin(theImage().Digest.String()))
}

// A specimen is one signature, and what trusts it.
type specimen struct {
	config    notation.Config
	mediaType string
	envelope  []byte
}

func newSpecimen(t testing.TB, mediaType string) specimen {
	t.Helper()
	a := certified(t, notationtest.AuthorityOptions{Intermediates: 1})
	clock := must[*notationtest.TSA](t)(notationtest.NewTSA(notationtest.TSAOptions{}))
	s := specimen{config: trusting(t, a), mediaType: mediaType}
	s.config.TSA = []*x509.Certificate{clock.Root()}
	s.envelope = must[[]byte](t)(a.Sign(theImage(), notationtest.SignOptions{
		Envelope: mediaType, TSA: clock, Metadata: map[string]string{"commit": "abc"}, Attributes: []notationtest.Attribute{{Key: "x.acme.foo", Value: "bar"}},
	}))
	return s
}

// token returns the countersignature of the specimen.
func (s specimen) token(t testing.TB) []byte {
	t.Helper()
	envelope := must[signature.Envelope](t)(signature.ParseEnvelope(s.mediaType, s.envelope))
	return must[*signature.EnvelopeContent](t)(envelope.Content()).SignerInfo.UnsignedAttributes.TimestampSignature
}

// manifest returns the signature manifest of an envelope.
func (s specimen) manifest(t testing.TB, envelope []byte) []byte {
	t.Helper()
	m := must[ocispec.Manifest](t)(notationtest.Manifest(theImage(), s.envelope, s.mediaType))
	m.Layers = []ocispec.Descriptor{registrytest.Describe(s.mediaType, envelope)}
	return must[[]byte](t)(json.Marshal(m))
}

// index returns the list behind the fallback tag, which says nothing of types.
func (s specimen) index(t testing.TB, manifest []byte) []byte {
	t.Helper()
	i := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{registrytest.Describe(ocispec.MediaTypeImageManifest, manifest)}}
	i.SchemaVersion = 2
	i.Manifests[0].ArtifactType = "application/vnd.oci.empty.v1+json"
	return must[[]byte](t)(json.Marshal(i))
}

func (s specimen) put(index, manifest, envelope []byte) shelf {
	return shelf{
		manifests: map[string][]byte{strings.Replace(theImage().Digest.String(), ":", "-", 1): index, registrytest.Digest(manifest): manifest},
		blobs:     map[string][]byte{registrytest.Digest(envelope): envelope},
	}
}

// A part is something an attacker may write: its bytes, and the shelf that
// holds other bytes in its place, with every address made to fit again.
type part struct {
	name string
	body []byte
	put  func(body []byte) shelf
	// harmless says which JSON paths, or which texts of what is no JSON, may
	// change without changing what is proven, and why.
	harmless map[string]string
}

func (s specimen) parts(t testing.TB) []part {
	t.Helper()
	manifest := s.manifest(t, s.envelope)
	const (
		around  = "the manifest around an envelope is not signed; this field is not read"
		listing = "the list is not signed, and what it lists is read by its digest"
		agent   = "which program signed is not signed, and is not read"
		token   = "a token has parts that its authority does not sign; none of them is read"
	)
	envelope := map[string]string{
		"/header/io.cncf.notary.signingAgent":       agent,
		"/header/io.cncf.notary.timestampSignature": token,
	}
	if s.mediaType == notationtest.COSE {
		envelope = map[string]string{"io.cncf.notary.signingAgent": agent, "notation-go/1.3.2": agent}
		envelope[string(s.token(t))] = token
	}
	return []part{
		{"envelope", s.envelope, func(b []byte) shelf {
			m := s.manifest(t, b)
			return s.put(s.index(t, m), m, b)
		}, envelope},
		{"manifest", manifest, func(b []byte) shelf { return s.put(s.index(t, b), b, s.envelope) }, map[string]string{
			"/schemaVersion": around, "/mediaType": around, "/annotations": around, "/config/digest": around, "/config/size": around,
			"/subject/mediaType": around, "/subject/size": around,
		}},
		{"index", s.index(t, manifest), func(b []byte) shelf { return s.put(b, manifest, s.envelope) }, map[string]string{
			"/schemaVersion": listing, "/mediaType": listing, "/manifests/0/mediaType": listing, "/manifests/0/size": listing, "/manifests/0/artifactType": listing,
		}},
	}
}

// Flip every byte of everything that makes up a signature. Nothing may pass for
// another meaning: a pass has to give the very same evidence, and only where
// the test knows why. What is damaged is never taken for nothing at all.
func TestByteFlips(t *testing.T) {
	t.Parallel()
	for _, mediaType := range []string{notationtest.JWS, notationtest.COSE} {
		s := newSpecimen(t, mediaType)
		for _, p := range s.parts(t) {
			for _, bit := range []byte{0x01, 0x20} { // the second changes the case of a letter
				t.Run(fmt.Sprintf("%s %s %#x", mediaType[len("application/"):], p.name, bit), func(t *testing.T) {
					t.Parallel()
					flipAll(t, s, p, bit)
				})
			}
		}
	}
}

// meaning is what a pass says: its evidence, apart from the address of the
// manifest that carries the signature.
func meaning(v verify.Verdict) verify.Evidence {
	ev := v.Evidence()[0]
	ev.Source = ""
	return ev
}

func flipAll(t *testing.T, s specimen, p part, bit byte) {
	t.Helper()
	img := thePinned(t)
	verdictOf := func(body []byte) verify.Verdict {
		v, err := notation.NewSession(p.put(body), image.Ref{}, notation.NewAsker(nil, "")).Require(s.config)
		if err != nil {
			t.Error(err)
			return verify.Verdict{}
		}
		return v.Verify(t.Context(), img)
	}
	before := verdictOf(p.body)
	if !before.Passed() {
		t.Fatalf("the specimen itself does not pass: %v", before.Err())
	}
	want, where := meaning(before), places(p)
	step := 1
	switch { // plain go test flips every byte
	case notation.Raced:
		step = 67
	case testing.Short():
		step = 7
	case bit != 1:
		step = 5
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
				body[i] ^= bit
				v := verdictOf(body)
				mu.Lock()
				reasons[v.Reason()]++
				switch v.Reason() {
				case verify.Verified:
					if !sameBase64(p.body, body, i) {
						passes[where(i)]++
					}
					if got := meaning(v); !reflect.DeepEqual(got, want) {
						t.Errorf("byte %d (%s) flipped from %q to %q: passed with other evidence:\n%+v\n%+v", i, where(i), p.body[i], body[i], got, want)
					}
				case verify.BadSignature, verify.Unsupported, verify.Unavailable:
				default:
					t.Errorf("byte %d (%s) flipped from %q to %q: %q: %v", i, where(i), p.body[i], body[i], v.Reason(), v.Err())
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
	t.Logf("%d of %d bytes flipped: %v", (len(p.body)+step-1)/step, len(p.body), reasons)
}

// sameBase64 reports whether the text around byte i is base64 of the same bytes
// before and after: its last character has bits that stand for nothing.
func sameBase64(before, after []byte, i int) bool {
	text := func(b []byte) []byte {
		start := bytes.LastIndexByte(b[:i], '"') + 1
		end := bytes.IndexByte(b[i:], '"')
		if end < 0 {
			return nil
		}
		text := strings.TrimRight(string(b[start:i+end]), "=")
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			if decoded, err := enc.DecodeString(text); err == nil {
				return decoded
			}
		}
		return nil
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

// places returns a function from a byte's offset to the path of the value or key
// it belongs to, where p is JSON, or to the text that p calls harmless.
func places(p part) func(int) string {
	if json.Valid(p.body) {
		return paths(p.body)
	}
	return func(i int) string {
		for text := range p.harmless {
			// A byte or two before it say whether it is text, and how long.
			if at := bytes.Index(p.body, []byte(text)); at >= 0 && i >= at-2 && i < at+len(text) {
				return text
			}
		}
		return fmt.Sprintf("byte %d", i)
	}
}

// paths returns a function from a byte's offset in a JSON document to the path
// of the value or key it belongs to.
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
