package notation

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/boltseal/boltseal/verify"
)

// Where the name of a signer differs, both are in one order, and it is said which
// attribute it is.
func TestNearest(t *testing.T) {
	t.Parallel()
	leaf := &x509.Certificate{Subject: pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{"Acme"}, CommonName: "release"}}
	for _, tc := range []struct {
		identities      []string
		identity, apart string
	}{
		{[]string{"C=US, ST=WA, O=Acme, CN=nobody"}, "x509.subject: CN=nobody,O=Acme,ST=WA,C=US", `: its CN is "release", not "nobody"`},
		{[]string{"C=US, ST=WA, O=Acme, CN=release, OU=x"}, "x509.subject: CN=release,OU=x,O=Acme,ST=WA,C=US", `: it has no OU, and needs "x"`},
		{[]string{"C=DE, ST=BY, O=Other", "C=US, ST=WA, O=Acme, CN=near"}, "x509.subject: CN=near,O=Acme,ST=WA,C=US", `: its CN is "release", not "near"`},
	} {
		c := Config{}
		for _, text := range tc.identities {
			id, err := ParseIdentity(text)
			if err != nil {
				t.Fatal(err)
			}
			c.Identities = append(c.Identities, id)
		}
		if identity, apart := c.nearest(leaf); identity != tc.identity || apart != tc.apart {
			t.Errorf("%q: %q, %q", tc.identities, identity, apart)
		}
	}
}

// An address is said once, and not by each who handed on that there was no answer.
func TestWords(t *testing.T) {
	t.Parallel()
	const server = "http://crl.acme.example/a"
	refusedBy := &url.Error{Op: "Get", URL: server, Err: errors.New("connection refused")}
	for err, want := range map[error]string{
		fmt.Errorf("failed to download CRL from %s: failed to retrieve CRL: request failed: %w", server, refusedBy): "connection refused",
		fmt.Errorf("failed to download CRL from %s: status 500", server):                                            "status 500",
		errors.New("the list is too old"): "the list is too old",
		errors.New("asked " + server):     "asked " + server,
	} {
		if got := words(err, server); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
	if got := words(errors.New("no"), ""); got != "no" {
		t.Errorf("%q", got)
	}
}

// User metadata does not look like an attribute of the signer's name.
func TestConfigStringMetadata(t *testing.T) {
	t.Parallel()
	id, err := ParseIdentity("C=US, ST=WA, O=Acme")
	if err != nil {
		t.Fatal(err)
	}
	if got := (Config{Identities: []Identity{id}, Metadata: map[string]string{"build": "1"}}).String(); !strings.HasSuffix(got, "O=Acme, with build=1") {
		t.Error(got)
	}
}

// No time stamp helps where the signer let the signature expire.
func TestHintExpiry(t *testing.T) {
	t.Parallel()
	for lacks, want := range map[lack]bool{anEnd: false, nothing: true} {
		hint := Config{}.hint(verify.Expired, &refusal{reason: verify.Expired, err: errors.New("x"), lacks: lacks})
		if strings.Contains(hint, "with a time stamp") != want {
			t.Error(hint)
		}
	}
}

// What is wrong with a trust policy is told with what to write in its place.
func TestTrustPolicyHints(t *testing.T) {
	t.Parallel()
	const document = `{"version": "1.0", "trustPolicies": [{"name": "a", "registryScopes": ["%s"], "signatureVerification": {"level": "strict"}, "trustStores": ["ca:nope"], "trustedIdentities": ["*"]}]}`
	stores := fstest.MapFS{"truststore/x509/ca/acme/root.crt": {Data: []byte("x")}, "truststore/x509/tsa/clock/root.crt": {Data: []byte("x")}}
	for name, tc := range map[string]struct {
		scope  string
		stores fstest.MapFS
		want   string
	}{
		"scope with a tag": {"r.example/app:v1", stores, `write "r.example/app", a repository without a tag`},
		"no such scope":    {"what is this", stores, "https://github.com/notaryproject/specifications/"},
		"no such store":    {"r.example/app", stores, `or name a trust store that is there: "ca:acme", "tsa:clock"`},
		"no stores":        {"r.example/app", nil, `which is "xdg/notation"`},
	} {
		root := fs.FS(tc.stores)
		if tc.stores == nil {
			root = nil
		}
		_, err := ReadTrustPolicy("xdg/notation/trustpolicy.json", fmt.Appendf(nil, document, tc.scope), root)
		if err == nil || !strings.Contains(verify.Hint(err), tc.want) {
			t.Errorf("%s: %v\n%s", name, err, verify.Hint(err))
		}
	}
}
