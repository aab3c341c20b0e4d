package policy_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// A policy artifact in a real registry, signed by Sigstore, as cli puts the two
// together.
func TestExtendsArtifactOfRegistry(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(registrytest.Options{Tokens: true})
	t.Cleanup(reg.Close)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	in, err := sigstoretest.New(now)
	if err != nil {
		t.Fatal(err)
	}
	root, err := in.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	trust, err := sigstore.TrustJSON(root, sigstore.PublicRules())
	if err != nil {
		t.Fatal(err)
	}
	const rule = "version: 1\nrules:\n  - images: [%s]\n    require: [sigstore: {identities: [{issuer: https://issuer.example, subject: %s}]}]\n"
	text := []byte(fmt.Sprintf(rule, "acme/**", "builder@example.com"))
	must := func(d ocispec.Descriptor, err error) ocispec.Descriptor {
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	// push returns the digest of an artifact that predicate was signed for by who.
	push := func(seed, who, predicate string) string {
		layer := must(reg.PutBlob("policy", policy.ArtifactTypes()[0], text))
		empty := must(reg.PutBlob("policy", "application/vnd.oci.empty.v1+json", []byte("{}")))
		d := must(reg.PutJSON("policy", seed, ocispec.MediaTypeImageManifest, map[string]any{
			"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageManifest, "config": empty, "layers": []any{layer}, "annotations": map[string]string{"seed": seed},
		}))
		if who != "" {
			bundle, err := in.Bundle(predicate, d.Digest.Encoded(), []byte("{}"), sigstoretest.Options{Identity: who, Issuer: "https://issuer.example"})
			if err != nil {
				t.Fatal(err)
			}
			must(reg.PutBundle("policy", d, bundle))
		}
		return d.Digest.String()
	}
	for _, tc := range []struct {
		name, digest string
		break1       registrytest.Fault
		want         string // "" where it is read
		noAnswer     bool
		requests     int
	}{
		{"signed", push("1", "platform@example.com", cosign), registrytest.Fault{}, "", false, 8},
		{"by somebody else", push("2", "mallory@example.com", cosign), registrytest.Fault{}, "wrong-signer", false, 0},
		{"unsigned", push("3", "", ""), registrytest.Fault{}, "unsigned", false, 0},
		{"an attestation only", push("4", "platform@example.com", slsa), registrytest.Fault{}, "wrong-type", false, 0},
		{"other bytes", push("5", "platform@example.com", cosign), registrytest.Fault{Path: "/blobs/" + fmt.Sprintf("sha256:%x", sha256.Sum256(text)), Body: func(b []byte) []byte { return []byte(strings.Replace(string(b), "builder", "mallory", 1)) }}, "does not match its name", false, 0},
		{"no answer", push("6", "platform@example.com", cosign), registrytest.Fault{Path: "/policy/", Status: 500}, "no answer", true, 0},
	} {
		mirror := reg.Mirror()
		t.Cleanup(mirror.Close)
		if tc.break1.Path != "" {
			mirror.Break(tc.break1)
		}
		client := registry.New(registry.Options{Sleep: func(context.Context, time.Duration) error { return nil }})
		session := sigstore.NewSession(client, image.Ref{})
		systems := []policy.System{{
			Name: "sigstore", New: func() policy.Form { return &sigstore.SignatureForm{} },
			Verifier: func(f policy.Form, _ image.Use) (verify.Verifier, error) {
				c, err := f.(*sigstore.SignatureForm).Config(sigstore.Env{Trust: func(string, yamlshape.Text) (*sigstore.Trust, error) { return trust, nil }, Now: now})
				if err != nil {
					return nil, err
				}
				return session.Require(c)
			},
		}}
		body := fmt.Sprintf(rule, mirror.Host()+"/policy", "platform@example.com") + "extends:\n  - artifact: " + mirror.Host() + "/policy@" + tc.digest + "\n"
		p, err := policy.Load(t.Context(), "p.yml", []byte(body), policy.Options{Systems: systems}, policy.Sources{
			Artifact: func(ctx context.Context, img image.Pinned) ([]byte, error) {
				return client.Artifact(ctx, img, policy.MaxText, policy.ArtifactTypes()...)
			},
			Reason: registry.Reason,
		})
		if tc.want == "" {
			ref, _ := image.Parse("acme/app:v1")
			u := image.Use{Ref: ref}
			if err != nil {
				t.Errorf("%s: %v", tc.name, err)
			} else if rules, err := p.Rules([]image.Use{u}, systems, now); err != nil || len(rules.For(u).Require) != 1 || !strings.HasSuffix(rules.For(u).Rule.Origin, tc.digest) {
				t.Errorf("%s: %v", tc.name, err)
			}
			if client.Requests() > tc.requests {
				t.Errorf("%s: %d requests", tc.name, client.Requests())
			}
			continue
		}
		if p != nil || err == nil || !strings.Contains(err.Error(), "p.yml:6:5: ") || !strings.Contains(err.Error(), tc.want) || policy.NoAnswer(err) != tc.noAnswer {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// A policy behind an address, as cli puts the two together.
func TestExtendsAddressOfServer(t *testing.T) {
	t.Parallel()
	const text = "version: 1\nrules:\n  - images: [acme/**]\n    allow-unsigned: {reason: x}\n"
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/http":
			http.Redirect(w, req, "http://"+req.Host+"/good", http.StatusFound)
		case "/huge":
			_, _ = w.Write([]byte(text + strings.Repeat("#", policy.MaxText)))
		case "/down":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/good":
			_, _ = w.Write([]byte(text))
		default:
			http.NotFound(w, req)
		}
	}))
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	client := registry.New(registry.Options{Roots: roots, Sleep: func(context.Context, time.Duration) error { return nil }})
	for _, tc := range []struct {
		path, want string
		noAnswer   bool
	}{
		{"/good", "", false},
		{"/http", "not https", true},
		{"/huge", "larger than the limit", false},
		{"/down", "server answered 503", true},
		{"/none", "server answered 404", false},
	} {
		body := fmt.Sprintf("version: 1\nextends:\n  - {url: '%s', sha256: %x}\n", s.URL+tc.path, sha256.Sum256([]byte(text)))
		p, err := policy.Load(t.Context(), "p.yml", []byte(body), policy.Options{}, policy.Sources{
			URL: func(ctx context.Context, address string) ([]byte, error) {
				return client.Get(ctx, address, policy.MaxText)
			},
			Reason: registry.Reason,
		})
		if (p != nil) != (tc.want == "") || (err == nil) != (tc.want == "") || err != nil && (!strings.Contains(err.Error(), "p.yml:3:5: ") || !strings.Contains(err.Error(), tc.want)) || policy.NoAnswer(err) != tc.noAnswer {
			t.Errorf("%s: %v", tc.path, err)
		}
	}
}
