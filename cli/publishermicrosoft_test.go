package cli_test

import (
	"crypto/x509/pkix"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// Where nobody says whom to trust, Microsoft's images of .NET are held to
// Microsoft's root: whoever makes a certificate with the same subject is a
// stranger, and both roots are named.
func TestPublisherMicrosoft(t *testing.T) {
	t.Parallel()
	const host = "mcr.microsoft.com"
	w := newWorld(t, registrytest.Options{})
	proxy := func(name string) string {
		if name == "HTTP_PROXY" {
			return "http://" + w.reg.Host()
		}
		return ""
	}
	stranger, err := notationtest.NewAuthority(notationtest.AuthorityOptions{Key: notationtest.RSA3072, CA: "Microsoft Supply Chain RSA Root CA 2022", Subject: pkix.Name{
		Country: []string{"US"}, Province: []string{"Washington"}, Locality: []string{"Redmond"}, Organization: []string{"Microsoft Corporation"}, CommonName: "Microsoft SCD Products RSA Signing",
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.image("dotnet/runtime")
	d := w.image("dotnet/sdk")
	envelope, err := stranger.Sign(d, notationtest.SignOptions{Envelope: notationtest.COSE})
	if err != nil {
		t.Fatal(err)
	}
	w.must(notationtest.Push(w.reg, "dotnet/sdk", d, envelope, notationtest.COSE))
	for _, tc := range []struct {
		image string
		says  []string
	}{
		{"dotnet/sdk:v1", []string{"wrong-signer ", notationtest.Fingerprint(stranger.Root()), "23ffe2b8bdb9a1711515d4cffda04bc7f793d513c76c243f1020507d8669b7db"}},
		{"dotnet/runtime:v1", []string{"unsigned ", "CN=Microsoft SCD Products RSA Signing"}},
		{"dotnet/framework/sdk:v1", []string{"no-rule "}}, // of which nobody says who signs it,
	} {
		for _, how := range [][]string{nil, {"--publisher", "microsoft-dotnet"}} {
			r := inWith(t, t.TempDir(), proxy, append([]string{"verify", host + "/" + tc.image, "--insecure-registry", host, "--trusted-root", w.root}, how...)...)
			for _, want := range tc.says {
				if r.code != 1 || !strings.Contains(r.stdout, want) {
					t.Errorf("%s %q: exit %d, no %q in\n%s%s", tc.image, how, r.code, want, r.stdout, r.stderr)
				}
			}
		}
	}
}
