package notation_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/notation"
)

// realDir holds signatures that others made. It is not part of the project.
const realDir = "../../../shared/real"

// A realCase is one entry of cases.json there.
type realCase struct {
	Name, System, Layout, Digest, Identity string
	Certificate                            string   `json:"trusted_certificate"`
	Good                                   bool     `json:"image_signature"`
	RefusedBecause                         string   `json:"refuse_because"`
	RefusedWhen                            []string `json:"must_refuse_when"`
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
		if c.System == notation.System {
			cases = append(cases, c)
		}
	}
	if len(cases) < 2 {
		t.Fatalf("%d Notation cases, there were 2", len(cases))
	}
	return cases
}

// config is the requirement that the signature of a case was made for.
func (c realCase) config(t *testing.T) notation.Config {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(realDir, c.Certificate))
	if err != nil {
		t.Fatal(err)
	}
	certs, err := notation.ParseCertificates(c.Certificate, body)
	if err != nil {
		t.Fatal(err)
	}
	id, err := notation.ParseIdentity(c.Identity)
	if err != nil {
		t.Fatal(err)
	}
	return notation.Config{Certificates: certs, Identities: []notation.Identity{id}}
}

// serve puts the layout of a case into a registry, and its signature beside
// another image as well. It returns both, pinned.
func (c realCase) serve(t *testing.T, reg *registrytest.Registry) (img, other image.Pinned) {
	t.Helper()
	const repo = "real/image"
	check := func(d ocispec.Descriptor, err error) ocispec.Descriptor {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	read := func(d ocispec.Descriptor) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(realDir, c.Layout, "blobs", "sha256", d.Digest.Encoded()))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	stranger := check(reg.PutImage(repo, "", "another"))
	body, err := os.ReadFile(filepath.Join(realDir, c.Layout, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var layout ocispec.Index
	if err := json.Unmarshal(body, &layout); err != nil {
		t.Fatal(err)
	}
	for _, d := range layout.Manifests {
		var m ocispec.Manifest
		if err := json.Unmarshal(read(d), &m); err != nil {
			t.Fatal(err)
		}
		for _, blob := range append(m.Layers, m.Config) {
			if blob.Digest != "" { // an index has none
				check(reg.PutBlob(repo, blob.MediaType, read(blob)))
			}
		}
		check(reg.PutManifest(repo, d.Annotations[ocispec.AnnotationRefName], d.MediaType, read(d)))
		if m.Subject == nil {
			continue
		}
		copied := m
		copied.Subject = &stranger
		check(notationtest.PushManifest(reg, repo, copied))
	}
	pin := func(digest string) image.Pinned {
		t.Helper()
		ref, err := image.Parse(reg.Host() + "/" + repo)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ref.Pin(digest)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	return pin(c.Digest), pin(stranger.Digest.String())
}

// What the Notary Project signed for its own tests verifies as what it is, and
// is refused, for the right reason, in every way that it must be.
func TestRealSignatures(t *testing.T) {
	t.Parallel()
	stranger, err := notationtest.NewAuthority(notationtest.AuthorityOptions{})
	if err != nil {
		t.Fatal(err)
	}
	clock, err := notationtest.NewTSA(notationtest.TSAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	type change struct {
		reason verify.Reason
		says   []string // of why the candidate was refused
		do     func(*notation.Config)
	}
	const sum = "e38aea13f2b051f7183cca64a51ee676f4d4456f41d9fecf15eb367efc7343b9"
	refused := map[string]change{
		"trust store holds another certificate": {verify.WrongSigner, []string{"CN=e2e", sum, notationtest.Fingerprint(stranger.Root())},
			func(c *notation.Config) { c.Certificates = []*x509.Certificate{stranger.Root()} }},
		"policy asks for a timestamp (trust store tsa:...) with verifyTimestamp always": {verify.BadSignature, []string{"countersignature"},
			func(c *notation.Config) { c.TSA = []*x509.Certificate{clock.Root()} }},
	}
	more := map[string]change{
		"as it is":                     {verify.Verified, nil, func(*notation.Config) {}},
		"timestamp only when expired":  {verify.Verified, nil, func(c *notation.Config) { c.TSA, c.Timestamp = []*x509.Certificate{clock.Root()}, notation.AfterExpiry }},
		"revocation is not asked for":  {verify.Verified, nil, func(c *notation.Config) { c.Revocation = notation.Skip }},
		"another identity":             {verify.WrongSigner, []string{"CN=e2e", sum}, func(c *notation.Config) { c.Identities = identities(t, "C=US, ST=WA, O=Notary, CN=e2e2") }},
		"user metadata that it lacks":  {verify.WrongType, []string{"commit"}, func(c *notation.Config) { c.Metadata = map[string]string{"commit": "abc"} }},
		"certificate of another store": {verify.WrongSigner, []string{"CN=e2e", sum}, func(c *notation.Config) { c.Certificates, c.SigningAuthority = nil, c.Certificates }},
	}
	for _, level := range []notation.Level{notation.LevelPermissive, notation.LevelAudit} {
		more["level "+string(level)] = change{verify.NoRule, nil, func(c *notation.Config) { c.Statement, c.Level = "p", level }}
	}
	for _, c := range realCases(t) {
		for _, noReferrers := range []bool{false, true} {
			reg := registrytest.Start(registrytest.Options{NoReferrers: noReferrers})
			t.Cleanup(reg.Close)
			img, other := c.serve(t, reg)
			storage := map[bool]string{false: "referrer", true: "fallback-tag"}[noReferrers]
			check := func(name string, of image.Pinned, ch change) {
				t.Run(c.Name+"/"+storage+"/"+name, func(t *testing.T) {
					t.Parallel()
					config := c.config(t)
					ch.do(&config)
					v := verdict(t, config, of)
					if v.Reason() != ch.reason {
						t.Fatalf("%s (%v), want %s", v.Reason(), v.Err(), ch.reason)
					}
					if ch.reason == verify.Verified {
						c.evidence(t, v, storage)
						return
					}
					all := v.Candidates()
					if len(all) != 1 || all[0].Err == nil || all[0].Reason != ch.reason {
						t.Fatalf("candidates %+v", all)
					}
					text := all[0].Err.Error() + " " + verify.Hint(all[0].Err)
					if d := all[0].Differs; d != nil {
						text += " " + d.What + " " + d.Found + " " + d.Expected
					}
					for _, want := range ch.says {
						if !strings.Contains(text, want) {
							t.Errorf("%q does not stand in %q", want, text)
						}
					}
				})
			}
			if !c.Good {
				// Whatever else is asked, it has expired; nobody accepts it.
				if !strings.Contains(c.RefusedBecause, "expired") {
					t.Errorf("%s: %s", c.Name, c.RefusedBecause)
				}
				for name, ch := range more {
					if ch.reason == verify.Verified || ch.reason == verify.NoRule {
						ch.reason, ch.says = verify.Expired, []string{"expired"}
						check(name, img, ch)
					}
				}
			} else {
				for name, ch := range more {
					check(name, img, ch)
				}
			}
			for _, when := range c.RefusedWhen {
				ch, ok := refused[when]
				if !ok {
					t.Errorf("%s: not tested: %s", c.Name, when)
					continue
				}
				check(when, img, ch)
			}
			check("beside another image", other, change{verify.BadSignature, []string{c.Digest}, func(*notation.Config) {}})
		}
	}
}

func identities(t *testing.T, text string) []notation.Identity {
	t.Helper()
	id, err := notation.ParseIdentity(text)
	if err != nil {
		t.Fatal(err)
	}
	return []notation.Identity{id}
}

func verdict(t *testing.T, c notation.Config, img image.Pinned) verify.Verdict {
	t.Helper()
	client := registry.New(registry.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	v, err := notation.NewSession(client, image.Ref{}, notation.NewAsker(nil, "test")).Require(c)
	if err != nil {
		t.Fatal(err)
	}
	return v.Verify(t.Context(), img)
}

func (c realCase) evidence(t *testing.T, v verify.Verdict, storage string) {
	t.Helper()
	all := v.Evidence()
	if len(all) != 1 {
		t.Fatalf("evidence %+v", all)
	}
	ev := all[0]
	if ev.System != "notation" || ev.Format != "notation-jws" || ev.Storage != storage || ev.Digest != c.Digest || ev.Signed != verify.SignedImage ||
		ev.Signer != c.Identity || !strings.Contains(ev.Issuer, "CN=e2e") || !ev.SignedAt.IsZero() || ev.Claims["scheme"] != "notary.x509" {
		t.Errorf("evidence %+v", ev)
	}
}
