package notationtest_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/notaryproject/notation-go"
	nregistry "github.com/notaryproject/notation-go/registry"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	"github.com/notaryproject/tspclient-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/servicetest"
)

// store is a trust store in memory, by type.
type store map[truststore.Type][]*x509.Certificate

func (s store) GetCertificates(_ context.Context, t truststore.Type, _ string) ([]*x509.Certificate, error) {
	if len(s[t]) == 0 {
		return nil, fmt.Errorf("no certificates of type %s", t)
	}
	return s[t], truststore.ValidateCertificates(s[t])
}

// trusts returns notation-go's own verifier, at its strictest.
func trusts(t *testing.T, s store) notation.Verifier {
	t.Helper()
	var stores []string
	for kind := range s {
		stores = append(stores, string(kind)+":acme")
	}
	v, err := verifier.NewWithOptions(&trustpolicy.Document{Version: "1.0", TrustPolicies: []trustpolicy.TrustPolicy{{
		Name: "p", RegistryScopes: []string{"*"}, TrustStores: stores, TrustedIdentities: []string{"x509.subject: C=US, ST=WA, O=Acme, CN=release"},
		SignatureVerification: trustpolicy.SignatureVerification{VerificationLevel: "strict"},
	}}}, s, nil, verifier.VerifierOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func authority(t *testing.T, o notationtest.AuthorityOptions) *notationtest.Authority {
	t.Helper()
	a, err := notationtest.NewAuthority(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func tsa(t *testing.T, o notationtest.TSAOptions) *notationtest.TSA {
	t.Helper()
	s, err := notationtest.NewTSA(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func image() ocispec.Descriptor {
	return registrytest.Describe(ocispec.MediaTypeImageManifest, []byte("image"))
}

// check signs and returns what notation-go says of it.
func check(t *testing.T, a *notationtest.Authority, s store, o notationtest.SignOptions, metadata map[string]string) error {
	t.Helper()
	raw, err := a.Sign(image(), o)
	if err != nil {
		t.Fatal(err)
	}
	mediaType := o.Envelope
	if mediaType == "" {
		mediaType = notationtest.JWS
	}
	desc := image()
	_, err = trusts(t, s).Verify(t.Context(), desc, raw, notation.VerifierVerifyOptions{
		ArtifactReference: "registry.test/acme/app@" + desc.Digest.String(), SignatureMediaType: mediaType, UserMetadata: metadata,
	})
	return err
}

func says(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Error(err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%v, want %q", err, want)
	}
}

// What the kit signs is good for notation-go, and what it signs wrongly is
// wrong in that way only.
func TestSign(t *testing.T) {
	t.Parallel()
	clock := tsa(t, notationtest.TSAOptions{})
	day := 24 * time.Hour
	for _, envelope := range []string{notationtest.JWS, notationtest.COSE} {
		for _, tc := range []struct {
			name      string
			authority notationtest.AuthorityOptions
			sign      notationtest.SignOptions
			tsa       bool
			metadata  map[string]string
			want      string
		}{
			{name: "root and leaf"},
			{name: "intermediates", authority: notationtest.AuthorityOptions{Intermediates: 2}},
			{name: "its own root", authority: notationtest.AuthorityOptions{SelfSigned: true}},
			{name: "P-384", authority: notationtest.AuthorityOptions{Key: notationtest.EC384}, sign: notationtest.SignOptions{TSA: clock}, tsa: true},
			{name: "P-521", authority: notationtest.AuthorityOptions{Key: notationtest.EC521}},
			{name: "RSA 2048", authority: notationtest.AuthorityOptions{Key: notationtest.RSA2048}},
			{name: "RSA 3072", authority: notationtest.AuthorityOptions{Key: notationtest.RSA3072}, sign: notationtest.SignOptions{TSA: clock}, tsa: true},
			{name: "RSA 4096", authority: notationtest.AuthorityOptions{Key: notationtest.RSA4096}},
			{name: "metadata", sign: notationtest.SignOptions{Metadata: map[string]string{"commit": "abc"}}, metadata: map[string]string{"commit": "abc"}},
			{name: "other metadata", sign: notationtest.SignOptions{Metadata: map[string]string{"commit": "abc"}}, metadata: map[string]string{"commit": "abd"}, want: "specified metadata"},
			{name: "expires", sign: notationtest.SignOptions{Expiry: time.Hour}},
			{name: "has expired", sign: notationtest.SignOptions{Time: time.Now().Add(-30 * time.Minute), Expiry: time.Minute}, want: "expired"},
			{name: "timestamp", sign: notationtest.SignOptions{TSA: clock}, tsa: true},
			{name: "no timestamp", tsa: true, want: "no timestamp countersignature"},
			{name: "certificate has expired", authority: notationtest.AuthorityOptions{NotBefore: time.Now().Add(-9 * day), NotAfter: time.Now().Add(-7 * day)},
				sign: notationtest.SignOptions{Time: time.Now().Add(-8 * day)}, want: "after certificate"},
			{name: "certificate has expired after the timestamp", authority: notationtest.AuthorityOptions{NotBefore: time.Now().Add(-9 * day), NotAfter: time.Now().Add(-7 * day)},
				sign: notationtest.SignOptions{Time: time.Now().Add(-8 * day), TSA: clock, StampTime: time.Now().Add(-8 * day)}, tsa: true},
			{name: "timestamp of another signature", tsa: true, want: "mismatched message", sign: notationtest.SignOptions{Token: func(sig []byte) ([]byte, error) {
				return clock.Token(append(sig, 0), crypto.SHA256, time.Time{})
			}}},
			{name: "plugin", sign: notationtest.SignOptions{Plugin: "com.example.plugin", PluginVersion: "1.0.0"}, want: "plugin"},
			{name: "attribute", sign: notationtest.SignOptions{Attributes: []notationtest.Attribute{{Key: "x.acme.foo", Critical: true, Value: "bar"}}}},
			{name: "another payload", sign: notationtest.SignOptions{Payload: []byte(`{"a":1}`)}, want: "descriptor mismatch"},
			{name: "another content type", sign: notationtest.SignOptions{ContentType: "application/json"}, want: "content type"},
			{name: "another subject", authority: notationtest.AuthorityOptions{Leaf: func(c *x509.Certificate) { c.Subject.CommonName = "dev" }}, want: "does not match"},
		} {
			t.Run(envelope+"/"+tc.name, func(t *testing.T) {
				t.Parallel()
				a := authority(t, tc.authority)
				s := store{truststore.TypeCA: {a.Root()}}
				if tc.tsa {
					s[truststore.TypeTSA] = []*x509.Certificate{clock.Root()}
				}
				tc.sign.Envelope = envelope
				says(t, check(t, a, s, tc.sign, tc.metadata), tc.want)
			})
		}
	}
}

func TestSigningAuthority(t *testing.T) {
	t.Parallel()
	a := authority(t, notationtest.AuthorityOptions{NotBefore: time.Now().Add(-72 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour)})
	o := notationtest.SignOptions{Scheme: notationtest.SigningAuthority, Time: time.Now().Add(-48 * time.Hour)}
	for _, envelope := range []string{notationtest.JWS, notationtest.COSE} {
		o.Envelope = envelope
		says(t, check(t, a, store{truststore.TypeSigningAuthority: {a.Root()}}, o, nil), "")
		says(t, check(t, a, store{truststore.TypeCA: {a.Root()}}, o, nil), "no trusted certificates")
	}
}

// COSE has labels that are numbers.
func TestIntegerKey(t *testing.T) {
	t.Parallel()
	a := authority(t, notationtest.AuthorityOptions{})
	o := notationtest.SignOptions{Envelope: notationtest.COSE, Attributes: []notationtest.Attribute{{Key: int64(-70001), Critical: true, Value: "bar"}}}
	says(t, check(t, a, store{truststore.TypeCA: {a.Root()}}, o, nil), "")
}

func TestAnother(t *testing.T) {
	t.Parallel()
	a := authority(t, notationtest.AuthorityOptions{Intermediates: 1})
	b, err := a.Another(notationtest.AuthorityOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if b.Leaf().Equal(a.Leaf()) || !b.Root().Equal(a.Root()) || len(b.Chain) != 3 {
		t.Fatalf("%d certificates, root %s", len(b.Chain), b.Root().Subject)
	}
	says(t, check(t, b, store{truststore.TypeCA: {a.Root()}}, notationtest.SignOptions{}, nil), "")
}

// The root of a timestamp authority has expired since; what it signed before
// has not. Only the clock of a bubble can make such a token.
func TestTimeOfTokens(t *testing.T) {
	t.Parallel()
	var a *notationtest.Authority
	var clock *notationtest.TSA
	var raw []byte
	synctest.Test(t, func(t *testing.T) { // in the year 2000
		a = authority(t, notationtest.AuthorityOptions{})
		clock = tsa(t, notationtest.TSAOptions{CANotAfter: time.Now().Add(time.Hour)})
		var err error
		if raw, err = a.Sign(image(), notationtest.SignOptions{TSA: clock}); err != nil {
			t.Fatal(err)
		}
	})
	desc := image()
	_, err := trusts(t, store{truststore.TypeCA: {a.Root()}, truststore.TypeTSA: {clock.Root()}}).Verify(t.Context(), desc, raw,
		notation.VerifierVerifyOptions{ArtifactReference: "registry.test/acme/app@" + desc.Digest.String(), SignatureMediaType: notationtest.JWS})
	says(t, err, "")
}

func TestRevocation(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"OCSP", "CRL"} {
		for _, tc := range []struct {
			name string
			say  notationtest.Status
			of   int // of the chain; -1 is the TSA's leaf
			want string
			f    *servicetest.Fault
		}{
			{"good", notationtest.Good, 0, "", nil},
			{"revoked", notationtest.Revoked, 0, "is revoked", nil},
			{"intermediate revoked", notationtest.Revoked, 1, "is revoked", nil},
			{"unknown", notationtest.Unknown, 0, "status is unknown", nil},
			{"TSA revoked", notationtest.Revoked, -1, "timestamping certificate", nil},
			{"refuses", notationtest.Good, 0, "status is unknown", &servicetest.Fault{Status: 500}},
			{"garbage", notationtest.Good, 0, "status is unknown", &servicetest.Fault{Body: []byte("no DER")}},
		} {
			t.Run(by+"/"+tc.name, func(t *testing.T) {
				t.Parallel()
				r := revocation(t)
				clock := tsa(t, notationtest.TSAOptions{Revocation: r, OCSP: by == "OCSP", CRL: by == "CRL"})
				a := authority(t, notationtest.AuthorityOptions{Intermediates: 1, Revocation: r, OCSP: by == "OCSP", CRL: by == "CRL"})
				if tc.of < 0 {
					r.Say(clock.Chain[0], tc.say)
				} else {
					r.Say(a.Chain[tc.of], tc.say)
				}
				if tc.f != nil {
					r.Inject(*tc.f)
				}
				says(t, check(t, a, store{truststore.TypeCA: {a.Root()}, truststore.TypeTSA: {clock.Root()}}, notationtest.SignOptions{TSA: clock}, nil), tc.want)
				if len(r.Requests()) == 0 {
					t.Error("the server was not asked")
				}
			})
		}
	}
}

func revocation(t *testing.T) *notationtest.Revocation {
	t.Helper()
	r, err := notationtest.NewRevocation()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Down)
	return r
}

// A timestamp over HTTP is one that the library takes.
func TestTSAServes(t *testing.T) {
	t.Parallel()
	clock := tsa(t, notationtest.TSAOptions{})
	server := httptest.NewServer(clock)
	defer server.Close()
	remote, err := tspclient.NewHTTPTimestamper(server.Client(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []tspclient.Timestamper{clock, remote} {
		req, err := tspclient.NewRequest(tspclient.RequestOptions{Content: []byte("signature"), HashAlgorithm: crypto.SHA512})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := from.Timestamp(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Validate(req); err != nil {
			t.Error(err)
		}
	}
	resp, err := server.Client().Post(server.URL, tspclient.MediaTypeTimestampQuery, strings.NewReader("no DER"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 400 {
		t.Errorf("garbage: %s", resp.Status)
	}
}

// notation-go finds what was pushed, where it looks for it.
func TestPush(t *testing.T) {
	t.Parallel()
	for _, o := range []registrytest.Options{{}, {NoReferrers: true}} {
		for _, envelope := range []string{notationtest.JWS, notationtest.COSE} {
			t.Run(fmt.Sprintf("%s, NoReferrers %t", envelope, o.NoReferrers), func(t *testing.T) {
				t.Parallel()
				r := registrytest.Start(o)
				t.Cleanup(r.Close)
				img, err := r.PutImage("acme/app", "v1", "kit")
				if err != nil {
					t.Fatal(err)
				}
				a := authority(t, notationtest.AuthorityOptions{})
				for range 2 { // the second is added to the first
					raw, err := a.Sign(img, notationtest.SignOptions{Envelope: envelope})
					if err != nil {
						t.Fatal(err)
					}
					if _, err := notationtest.Push(r, "acme/app", img, raw, envelope); err != nil {
						t.Fatal(err)
					}
				}
				reference := r.Host() + "/acme/app@" + img.Digest.String()
				repo, err := remote.NewRepository(reference)
				if err != nil {
					t.Fatal(err)
				}
				repo.PlainHTTP = true
				signatures := 0
				err = nregistry.NewRepository(repo).ListSignatures(t.Context(), img, func(ds []ocispec.Descriptor) error {
					signatures += len(ds)
					return nil
				})
				if err != nil || signatures != 2 {
					t.Errorf("%d signatures, %v", signatures, err)
				}
				_, _, err = notation.Verify(t.Context(), trusts(t, store{truststore.TypeCA: {a.Root()}}), nregistry.NewRepository(repo),
					notation.VerifyOptions{ArtifactReference: reference, MaxSignatureAttempts: 2})
				if err != nil {
					t.Error(err, errors.Unwrap(err))
				}
			})
		}
	}
}
