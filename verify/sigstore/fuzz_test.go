package sigstore

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
)

func imageRef(t testing.TB) image.Ref {
	t.Helper()
	ref, err := image.Parse("registry.example/team/app")
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// No layer, whatever it holds, proves anything to nobody, and none trips the
// program.
func FuzzLayer(f *testing.F) {
	f.Add(simpleSigningType, `{"critical":{}}`, `{"dev.cosignproject.cosign/signature":"AAAA","dev.sigstore.cosign/bundle":"{\"Payload\":{\"body\":5}}"}`)
	f.Add(envelopeType, `{"payloadType":"x","payload":"AAAA","signatures":[{"sig":"AAAA"}]}`, `{"dev.sigstore.cosign/rfc3161timestamp":"{\"SignedRFC3161Timestamp\":\"AAAA\"}"}`)
	f.Add("x", "", "{}")
	f.Fuzz(func(t *testing.T, mediaType, blob, annotations string) {
		layer := registrytest.Describe(mediaType, []byte(blob))
		if json.Unmarshal([]byte(annotations), &layer.Annotations) != nil {
			return
		}
		s := parseLayer(signature{}, layer, []byte(blob))
		if _, err := (prover{}).prove(s, Artifact{Digest: registrytest.Digest(nil)}); err == nil {
			t.Fatal("passed without trust root and keys")
		}
	})
}

// The same for bundles.
func FuzzBundle(f *testing.F) {
	f.Add(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`)
	f.Add(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{},"tlogEntries":[{}]},"messageSignature":{}}`)
	f.Add(`{"mediaType":"application/vnd.dev.sigstore.bundle+json;version=0.1","verificationMaterial":{"x509CertificateChain":{"certificates":[]}},"dsseEnvelope":{}}`)
	f.Fuzz(func(t *testing.T, body string) {
		s := parseBundle(signature{}, []byte(body))
		if _, err := (prover{rules: PublicRules()}).prove(s, Artifact{Content: strings.NewReader("x")}); err == nil {
			t.Fatal("passed without trust root and keys")
		}
	})
}

// A glob matches what is equal to it, and nothing that lacks its literal
// beginning.
func FuzzPattern(f *testing.F) {
	f.Add("https://github.com/acme/*", "https://github.com/acme/app")
	f.Add("**", "\n")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		m, err := Pattern(pattern)
		if err != nil {
			return
		}
		if !strings.Contains(pattern, "*") && m.Match(s) != (s == pattern) {
			t.Fatalf("%q matches %q: %v", pattern, s, m.Match(s))
		}
		literal, _, _ := strings.Cut(pattern, "*")
		if m.Match(s) && !strings.HasPrefix(s, literal) {
			t.Fatalf("%q matches %q", pattern, s)
		}
	})
}

var _ Store = shelf{}
