package notation_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"

	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	notary "github.com/boltseal/boltseal/verify/notation"
)

func TestParseIdentity(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{ // want is of String, or "!" and a part of the error
		"x509.subject: C=US, ST=WA, O=Acme":             "x509.subject: C=US, ST=WA, O=Acme",
		"x509.subject:C=US,ST=WA,O=Acme":                "x509.subject: C=US,ST=WA,O=Acme",
		"C=US, ST=WA, O=Acme, CN=release":               "x509.subject: C=US, ST=WA, O=Acme, CN=release",
		"C=US, S=WA, O=Acme":                            "x509.subject: C=US, S=WA, O=Acme",
		"CN=https://acme.example:8443, C=US, ST=W, O=A": "x509.subject: CN=https://acme.example:8443, C=US, ST=W, O=A",
		`C=US, ST=WA, O=Acme\, Inc.`:                    `x509.subject: C=US, ST=WA, O=Acme\, Inc.`,
		"C=DE, ST=Köln, O=Müller":                       "x509.subject: C=DE, ST=Köln, O=Müller",
		"*":                                             "*",
		" * ":                                           "*",
		"":                                              "!it has no C",
		"x509.subject:":                                 "!it has no C",
		"x509.subject: *":                               "!incomplete type",
		"x509.subjects: C=US, ST=WA, O=Acme":            "!need a verification plugin",
		"signingProfile:arn:aws:signer":                 "!need a verification plugin",
		"Acme":                                          "!incomplete type",
		"O=Acme":                                        "!it has no C",
		"C=US, O=Acme":                                  "!it has no ST",
		"C=US, ST=WA, CN=release":                       "!it has no O",
		"c=US, st=WA, o=Acme":                           "!it has no C",
		"C=US, ST=WA, O=Acme, O=Other":                  `!"O" stands twice`,
		"C=US, ST=WA, S=OR, O=Acme":                     `!"ST" stands twice`,
		"C=US, ST=WA, O=Acme, CN=":                      `!"CN" is empty`,
		"C=, C=US, ST=WA, O=Acme":                       `!"C" is empty`,
		"C=US, ST=WA, O=Acme+OU=Builds":                 `!joined by "+"`,
		"C=US, ST=WA, O=#0c0441636d65":                  "!hexadecimal",
		"C=US, ST=WA, O=Acme, emailAddress=a@b":         `!no certificate is found by its "emailAddress"`,
		"C=US, ST=WA, O=Acme, DC=acme":                  `!no certificate is found by its "DC"`,
		"C=US, ST=WA, O=Ac\nme":                         "!nobody sees",
		"C=US, ST=WA, O=\xff":                           "!nobody sees",
		`C=US, ST=WA, O=Acme\`:                          "!escaped",
		"C=US, ST=WA, O=" + strings.Repeat("a", 2048):   "!longer than 2048",
	} {
		id, err := notary.ParseIdentity(text)
		if part, wrong := strings.CutPrefix(want, "!"); wrong {
			refusal(t, text, err, part)
			if id.String() != "" || id.Any() {
				t.Errorf("%q: made %q", text, id)
			}
		} else if err != nil || id.String() != want || id.Any() != (want == "*") {
			t.Errorf("%q: %q, %v", text, id, err)
		}
	}
}

// subjects are those of signing certificates, with what identities may trip on.
func subjects() []pkix.Name {
	name := func(change func(*pkix.Name)) pkix.Name {
		n := pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{"Acme"}, CommonName: "release"}
		change(&n)
		return n
	}
	return []pkix.Name{
		name(func(*pkix.Name) {}),
		name(func(n *pkix.Name) { n.CommonName = "" }),
		name(func(n *pkix.Name) { n.Organization = []string{"Acme, Inc."} }),
		name(func(n *pkix.Name) { n.Organization = []string{"Müller + Söhne"} }),
		name(func(n *pkix.Name) { n.Organization = []string{"Acme", "Other"} }), // is joined by +
		name(func(n *pkix.Name) { n.Province = nil }),
		name(func(n *pkix.Name) { n.OrganizationalUnit, n.CommonName = []string{" "}, "#release\\" }),
		name(func(n *pkix.Name) { // is printed as =#
			n.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "a@b"}}
		}),
	}
}

func TestIdentityMatch(t *testing.T) {
	t.Parallel()
	var leaves []*x509.Certificate
	for _, s := range subjects() {
		leaves = append(leaves, certified(t, notationtest.AuthorityOptions{Subject: s}).Leaf())
	}
	for text, want := range map[string]string{ // a digit for each of subjects that matches
		"C=US, ST=WA, O=Acme":                 "016",
		"C=US, S=WA, O=Acme":                  "016",
		"O=Acme, CN=release, C=US, ST=WA":     "0",
		"C=US, ST=WA, O=acme":                 "",
		"C=US, ST=WA, O=Acme, L=Seattle":      "",
		`C=US, ST=WA, O=Acme\, Inc.`:          "2",
		`C=US, ST=WA, O=Müller \+ Söhne`:      "3",
		`C=US, ST=WA, O=Acme, CN=\#release\\`: "6",
		`C=US, ST=WA, O=Acme, OU=\ `:          "6",
		"C=US, ST=WA, O=Other":                "",
		"*":                                   "01234567",
	} {
		id, err := notary.ParseIdentity(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := ""
		for i, leaf := range leaves {
			if id.Match(leaf) {
				got += string(rune('0' + i))
			}
		}
		if got != want {
			t.Errorf("%s matches %q, want %q", text, got, want)
		}
	}
	for i, leaf := range leaves {
		if (notary.Identity{}).Match(leaf) {
			t.Errorf("the zero Identity matches %d", i)
		}
	}
}

// verdicts says what notation-go's verifier thinks of identities.
type verdicts struct {
	root      *x509.Certificate
	leaves    []*x509.Certificate
	envelopes [][]byte
	image     ocispec.Descriptor
}

func newVerdicts(t testing.TB) *verdicts {
	t.Helper()
	v := &verdicts{image: registrytest.Describe(ocispec.MediaTypeImageManifest, []byte("image"))}
	a := certified(t, notationtest.AuthorityOptions{})
	v.root = a.Root()
	for _, s := range subjects() {
		b, err := a.Another(notationtest.AuthorityOptions{Subject: s})
		if err != nil {
			t.Fatal(err)
		}
		envelope, err := b.Sign(v.image, notationtest.SignOptions{})
		if err != nil {
			t.Fatal(err)
		}
		v.leaves, v.envelopes = append(v.leaves, b.Leaf()), append(v.envelopes, envelope)
	}
	return v
}

// GetCertificates implements truststore.X509TrustStore.
func (v *verdicts) GetCertificates(context.Context, truststore.Type, string) ([]*x509.Certificate, error) {
	return []*x509.Certificate{v.root}, nil
}

// of returns for each leaf whether notation-go accepts it for identity, and an
// error where it refuses the identity itself.
func (v *verdicts) of(ctx context.Context, identity string) ([]bool, error) {
	check, err := verifier.NewWithOptions(&trustpolicy.Document{Version: "1.0", TrustPolicies: []trustpolicy.TrustPolicy{{
		Name: "p", RegistryScopes: []string{"*"}, TrustStores: []string{"ca:acme"}, TrustedIdentities: []string{identity},
		SignatureVerification: trustpolicy.SignatureVerification{VerificationLevel: "strict"},
	}}}, v, nil, verifier.VerifierOptions{})
	if err != nil {
		return nil, err
	}
	var out []bool
	for _, e := range v.envelopes {
		_, err := check.Verify(ctx, v.image, e, notation.VerifierVerifyOptions{ArtifactReference: "registry.test/a@" + v.image.Digest.String(), SignatureMediaType: notationtest.JWS})
		out = append(out, err == nil)
	}
	return out, nil
}

// An identity that is accepted is one that Notation accepts, and matches the
// certificates that Notation takes for it.
func FuzzIdentity(f *testing.F) {
	for _, s := range []string{
		"*", "C=US, ST=WA, O=Acme", "x509.subject: C=US,S=WA,O=Acme;CN=release", `C=US, ST=WA, O=Acme\, Inc.`, `C=US, ST=WA, O=M\C3\BCller \+ S\C3\B6hne`,
		`CN=\#release\\,OU=\ ,C=US,ST=WA,O=Acme`, "C=US, ST=WA, O=Acme, CN=", "C=US, ST=WA, O=Acme, O=Other", "C=US, ST=WA, O=Acme+CN=release", "C=#0c, ST=WA, O=A", `C=US,ST=WA,O=\41cme`,
	} {
		f.Add(s)
	}
	v := newVerdicts(f)
	f.Fuzz(func(t *testing.T, s string) {
		id, err := notary.ParseIdentity(s)
		if err != nil {
			return
		}
		want, err := v.of(t.Context(), id.String())
		if err != nil {
			t.Fatalf("%q is no identity to Notation: %v", id, err)
		}
		for i, leaf := range v.leaves {
			if got := id.Match(leaf); got != want[i] {
				t.Errorf("%q matches %s: %v; Notation says %v", id, leaf.Subject, got, want[i])
			}
		}
		if again, err := notary.ParseIdentity(id.String()); err != nil || again.String() != id.String() {
			t.Errorf("%q reads as %q, %v", id, again, err)
		}
	})
}
