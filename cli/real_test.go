package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/registrytest"
)

// realDir holds signatures that others made. It is not part of the project.
const realDir = "../../shared/real"

// A realCase is one entry of cases.json there.
type realCase struct {
	Name, System, Format, Layout, Bundle, Digest string
	Identity, Issuer                             string
	TrustedRoot                                  string `json:"trusted_root"`
	PredicateType                                string `json:"predicate_type"`
	Signed                                       bool   `json:"image_signature"`
}

func realCases(t *testing.T) []realCase {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(realDir, "cases.json"))
	if err != nil {
		t.Skip("no real signatures here: ", err)
	}
	var doc struct{ Cases []realCase }
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	var cases []realCase
	for _, c := range doc.Cases {
		if c.System == "sigstore" {
			cases = append(cases, c)
		}
	}
	if len(cases) < 5 {
		t.Fatalf("%d Sigstore cases, there were 5", len(cases))
	}
	return cases
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// serve puts the case's layout, or its bundle as a referrer, into a registry.
// The manifests also go under the name of another digest, where a copied
// signature would be found.
func serve(t *testing.T, c realCase, reg *registrytest.Registry, digestAs string) string {
	t.Helper()
	const repo = "real/image"
	check := func(_ ocispec.Descriptor, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tag := strings.Replace(digestAs, ":", "-", 1)
	if c.Layout == "" || digestAs != c.Digest && strings.HasPrefix(c.Format, "bundle") {
		subject := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.Digest(digestAs), Size: 1}
		check(reg.PutBundle(repo, subject, read(t, filepath.Join(realDir, c.Bundle))))
		return reg.Host() + "/" + repo + "@" + digestAs
	}
	files, err := filepath.Glob(filepath.Join(realDir, c.Layout, "blobs", "sha256", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no blobs in %s (%v)", c.Layout, err)
	}
	var indexes [][]byte // an index goes in after the manifests it names
	for _, f := range files {
		b := read(t, f)
		check(reg.PutBlob(repo, "", b))
		var m struct {
			SchemaVersion int
			MediaType     string
			Manifests     []json.RawMessage
		}
		switch {
		case json.Unmarshal(b, &m) != nil || m.SchemaVersion != 2 || m.MediaType == "":
		case m.Manifests != nil:
			indexes = append(indexes, b)
		case strings.Contains(string(b), registrytest.SimpleSigning):
			check(reg.PutManifest(repo, tag+".sig", m.MediaType, b))
		case strings.Contains(string(b), registrytest.Envelope):
			check(reg.PutManifest(repo, tag+".att", m.MediaType, b))
		default:
			check(reg.PutManifest(repo, "", m.MediaType, b))
		}
	}
	for _, b := range indexes {
		check(reg.PutManifest(repo, "", ocispec.MediaTypeImageIndex, b))
	}
	// What the registry held behind the fallback tag.
	if b, err := os.ReadFile(filepath.Join(realDir, c.Layout, "referrers.json")); err == nil {
		check(reg.PutManifest(repo, tag, ocispec.MediaTypeImageIndex, b))
	}
	return reg.Host() + "/" + repo + "@" + digestAs
}

// Every case verifies as what it is, and is refused, for the right reason, with
// another identity, issuer, digest or trust root.
func TestRealSignatures(t *testing.T) {
	t.Parallel()
	const staging = "trusted-roots/trusted_root.staging.json"
	for _, c := range realCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.Start(registrytest.Options{NoReferrers: strings.Contains(c.Name, "ghcr.io")})
			t.Cleanup(reg.Close)
			ref := serve(t, c, reg, c.Digest)
			otherReg := registrytest.Start(registrytest.Options{})
			t.Cleanup(otherReg.Close)
			other := serve(t, c, otherReg, "sha256:"+strings.Repeat("0123456789abcdef", 4))

			asWhat := []string{}
			if !c.Signed {
				asWhat = []string{"--attestation-type", c.PredicateType}
			}
			for _, tc := range []struct {
				name, ref, identity, issuer, root string
				more                              []string
				reason                            string
				code                              int
			}{
				{"as it is", ref, c.Identity, c.Issuer, c.TrustedRoot, asWhat, "verified", 0},
				{"another identity", ref, c.Identity + "x", c.Issuer, c.TrustedRoot, asWhat, "wrong-signer", 1},
				{"another issuer", ref, c.Identity, c.Issuer + "/x", c.TrustedRoot, asWhat, "wrong-signer", 1},
				{"another digest", other, c.Identity, c.Issuer, c.TrustedRoot, asWhat, "bad-signature", 1},
				{"another trust root", ref, c.Identity, c.Issuer, staging, asWhat, "bad-signature", 1},
				{"another predicate type", ref, c.Identity, c.Issuer, c.TrustedRoot, []string{"--attestation-type", "cyclonedx"}, "wrong-type", 1},
				{"as an image signature", ref, c.Identity, c.Issuer, c.TrustedRoot, nil, map[bool]string{true: "verified", false: "wrong-type"}[c.Signed], map[bool]int{true: 0, false: 1}[c.Signed]},
			} {
				t.Run(tc.name, func(t *testing.T) {
					args := append([]string{
						"verify", tc.ref, "--certificate-identity", tc.identity, "--certificate-oidc-issuer", tc.issuer,
						"--trusted-root", filepath.Join(realDir, tc.root),
					}, tc.more...)
					r := run(t, args...)
					r.want(t, tc.code, tc.reason)
					if tc.reason == "verified" {
						ev := r.doc.Images[0].Checks[0].Evidence
						if len(ev) != 1 || ev[0].Digest != c.Digest || ev[0].Signer != c.Identity || ev[0].Issuer != c.Issuer || ev[0].SignedAt.IsZero() {
							t.Errorf("evidence %+v", ev)
						}
					}
				})
			}
		})
	}
}

// The public suite's protocol reaches the same code.
func TestRealVerifyBundle(t *testing.T) {
	t.Parallel()
	for _, c := range realCases(t) {
		if c.Format == "cosign-legacy-sig" {
			continue // the bundle is rebuilt, and is of the payload
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			args := []string{"verify-bundle", "--bundle", filepath.Join(realDir, c.Bundle), "--certificate-identity", c.Identity,
				"--certificate-oidc-issuer", c.Issuer, "--trusted-root", filepath.Join(realDir, c.TrustedRoot)}
			if code, out := plain(t, append(args, c.Digest)...); code != 0 {
				t.Errorf("exit %d: %s", code, out)
			}
			if code, out := plain(t, append(args, "sha256:"+strings.Repeat("00", 32))...); code != 1 {
				t.Errorf("another digest: exit %d: %s", code, out)
			}
			args[4] = "somebody@else.example"
			if code, out := plain(t, append(args, c.Digest)...); code != 1 {
				t.Errorf("another identity: exit %d: %s", code, out)
			}
		})
	}
}
