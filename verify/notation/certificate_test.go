package notation_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/pkitest"
	"github.com/boltseal/boltseal/verify/notation"
)

func TestParseCertificates(t *testing.T) {
	t.Parallel()
	a := certified(t, notationtest.AuthorityOptions{Intermediates: 1})
	own := certified(t, notationtest.AuthorityOptions{SelfSigned: true})
	root, middle, leaf := notationtest.PEM(a.Root()), notationtest.PEM(a.Chain[1]), notationtest.PEM(a.Leaf())
	key, err := a.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, body []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: body})
	}
	join := func(texts ...[]byte) []byte { return slices.Concat(texts...) }
	// Its own key signed it, in another name.
	renamed, err := pkitest.Issue(&x509.Certificate{Subject: a.Leaf().Subject, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: a.Leaf().NotBefore, NotAfter: a.Leaf().NotAfter},
		&x509.Certificate{Subject: a.Root().Subject, PublicKey: a.Key.Public()}, a.Key.Public(), a.Key)
	if err != nil {
		t.Fatal(err)
	}
	cut := bytes.Replace(root, []byte("-----END CERTIFICATE-----"), nil, 1)
	for name, tc := range map[string]struct {
		text []byte
		n    int    // of certificates that ParseCertificates gives
		want string // of its error
		tsa  string // of the error of ParseTSACertificates; "same" where it says the same
	}{
		"root":                     {root, 1, "", ""},
		"root, DER":                {a.Root().Raw, 1, "", ""},
		"two, DER":                 {join(a.Root().Raw, a.Root().Raw), 2, "", ""},
		"with text around":         {join([]byte("Acme root\n\n"), root, []byte("# the end\n")), 1, "", ""},
		"with Windows' lines":      {bytes.ReplaceAll(root, []byte("\n"), []byte("\r\n")), 1, "", ""},
		"chain of authorities":     {join(middle, root), 2, "", "is no root"},
		"intermediate":             {middle, 1, "", "is no root"},
		"signed in another's name": {renamed.Raw, 1, "", "is no root"},
		"self-signed":              {notationtest.PEM(own.Leaf()), 1, "", "is no root"},
		"leaf":                     {leaf, 0, "is neither a CA's nor self-signed", "same"},
		"leaf behind a root":       {join(root, leaf), 0, "is neither a CA's nor self-signed", "same"},
		"empty":                    {[]byte(" \n"), 0, "it is empty", "same"},
		"text":                     {[]byte("Acme"), 0, "neither PEM nor DER", "same"},
		"DER and more":             {join(a.Root().Raw, []byte("x")), 0, "neither PEM nor DER", "same"},
		"private key":              {key, 0, "private key", "same"},
		"with its private key":     {join(root, key), 0, "private key", "same"},
		"PKCS #7":                  {block("PKCS7", []byte("x")), 0, "PKCS #7", "same"},
		"request":                  {block("CERTIFICATE REQUEST", []byte("x")), 0, `"CERTIFICATE REQUEST"`, "same"},
		"OpenSSL's trusted":        {block("TRUSTED CERTIFICATE", a.Root().Raw), 0, `"TRUSTED CERTIFICATE"`, "same"},
		"no certificate in it":     {block("CERTIFICATE", []byte("x")), 0, "certificate 1", "same"},
		"the end is missing":       {cut, 0, "block 1 of 1 is damaged", "same"},
		"the second is damaged":    {join(root, cut), 0, "block 2 of 2 is damaged", "same"},
		"the first is damaged":     {join(cut, root), 0, "damaged", "same"},
		"too many":                 {bytes.Repeat(root, 65), 0, "more than 64", "same"},
		"too many, DER":            {bytes.Repeat(a.Root().Raw, 65), 0, "more than 64", "same"},
		"too large":                {join(root, bytes.Repeat([]byte("#"), 1<<20)), 0, "larger than 1048576", "same"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.tsa == "same" {
				tc.tsa = tc.want
			}
			for _, p := range []struct {
				parse func(string, []byte) ([]*x509.Certificate, error)
				want  string
			}{{notation.ParseCertificates, tc.want}, {notation.ParseTSACertificates, tc.tsa}} {
				certs, err := p.parse("acme.crt", tc.text)
				switch {
				case p.want != "":
					refusal(t, name, err, p.want)
					if !strings.Contains(err.Error(), "acme.crt") || certs != nil {
						t.Errorf("%v, %d certificates", err, len(certs))
					}
				case err != nil || len(certs) != tc.n:
					t.Errorf("%d certificates, %v", len(certs), err)
				}
			}
		})
	}
}
