package notation_test

import (
	"crypto"
	"crypto/x509/pkix"
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// oddities are questions about what few people write, and others might.
func oddities() []question {
	identity := func(text string) []any { return []any{"trustedIdentities", []string{text}} }
	named := func(change func(*pkix.Name)) notationtest.AuthorityOptions {
		n := pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{"Acme"}, CommonName: "release"}
		change(&n)
		return notationtest.AuthorityOptions{Subject: n}
	}
	comma := named(func(n *pkix.Name) { n.Organization = []string{"Acme, Inc."} })
	two := named(func(n *pkix.Name) { n.OrganizationalUnit = []string{"One", "Two"} })
	inStore := func(prepare func(t *trial, folder string)) func(*trial) {
		return func(t *trial) {
			prepare(t, t.config("truststore", "x509", "ca", "acme"))
			t.sign(t.by, notationtest.SignOptions{})
		}
	}
	verbatim := func(text string) func(*trial) {
		return func(t *trial) {
			check(t.t, t.write(t.config("trustpolicy.json"), []byte(text)))
			t.sign(t.by, notationtest.SignOptions{})
		}
	}
	const before, after = `{"version":"1.0","trustPolicies":[{"name":"images","registryScopes":["*"],"signatureVerification":{"level":"strict"},`,
		`"trustStores":["ca:acme"],"trustedIdentities":["` + acme + `"]}]}`
	// manifest pushes a good signature with a changed manifest, and returns its digest.
	manifest := func(change func(*trial, *ocispec.Manifest)) func(*trial) string {
		return func(t *trial) string {
			envelope := t.signature(t.by, t.image, notationtest.SignOptions{})
			m, err := notationtest.Manifest(t.Descriptor, envelope, t.envelope)
			check(t.t, err)
			for _, blob := range []struct {
				kind    string
				content []byte
			}{{notationtest.ArtifactType, []byte("{}")}, {t.envelope, envelope}} {
				_, err := t.reg.PutBlob(t.repository, blob.kind, blob.content)
				check(t.t, err)
			}
			change(t, &m)
			d, err := notationtest.PushManifest(t.reg, t.repository, m)
			check(t.t, err)
			return d.Digest.String()
		}
	}
	changed := func(change func(*trial, *ocispec.Manifest)) func(*trial) {
		return func(t *trial) { manifest(change)(t) }
	}
	return []question{
		// Names.
		{name: "S stands for ST", changes: identity("x509.subject: C=US, S=WA, O=Acme"), says: "verified"},
		{name: "no blanks in a name", changes: identity("x509.subject:C=US,ST=WA,O=Acme"), says: "verified"},
		{name: "many blanks in a name", changes: identity("x509.subject:   C = US ,  ST = WA , O = Acme"), says: "verified"},
		{name: "a name in small letters", changes: identity("x509.subject: c=US, st=WA, o=Acme")},
		{name: "a value in small letters", changes: identity("x509.subject: C=US, ST=WA, O=acme"), says: "wrong-signer"},
		{name: "a comma in a value", key: comma, changes: identity(`x509.subject: C=US, ST=WA, O=Acme\, Inc.`), says: "verified"},
		{name: "a comma that is not escaped", key: comma, changes: identity("x509.subject: C=US, ST=WA, O=Acme, Inc.")},
		{name: "a value with a comma is not the value before it", key: comma, says: "wrong-signer"},
		{name: "a plus in a name", changes: identity("x509.subject: C=US, ST=WA, O=Acme+CN=release")},
		{name: "an attribute twice in a name", changes: identity("x509.subject: C=US, ST=WA, O=Acme, O=Other")},
		{name: "an attribute twice in the certificate", key: two, says: "wrong-signer"},
		{name: "an empty value", changes: identity("x509.subject: C=US, ST=WA, O=Acme, CN=")},
		{name: "letters beyond ASCII", key: named(func(n *pkix.Name) { n.Organization = []string{"Ärger GmbH"} }), changes: identity("x509.subject: C=US, ST=WA, O=Ärger GmbH"), says: "verified"},
		{name: "a star in a name", changes: identity("x509.subject: C=US, ST=WA, O=*"), says: "wrong-signer"},
		{name: "another kind of identity", changes: identity("x509.san: example.com"), says: "wrong-signer"},
		{name: "no prefix", changes: identity("C=US, ST=WA, O=Acme")},
		{name: "no identity", changes: []any{"trustedIdentities", []string{}}},

		// The trust policy.
		{name: "another version", instead: verbatim(`{"version":"2.0","trustPolicies":[{"name":"images","registryScopes":["*"],"signatureVerification":{"level":"strict"},` + after)},
		{name: "no version", instead: verbatim(`{"trustPolicies":[{"name":"images","registryScopes":["*"],"signatureVerification":{"level":"strict"},` + after)},
		{name: "no statement", instead: verbatim(`{"version":"1.0","trustPolicies":[]}`)},
		{name: "no JSON", instead: verbatim("version: 1.0\n")},
		{name: "a field twice", instead: verbatim(before + `"trustStores":["ca:none"],` + after), stricter: "of two fields only one counts, and not everybody's is the same"},
		{name: "a field with a capital", instead: verbatim(before + `"TrustStores":["ca:none"],` + after), stricter: "as if it was there twice"},
		{name: "more after the end", instead: verbatim(before + after + "{}"), stricter: "somebody meant it to be read"},
		{name: "a statement without a name", changes: []any{"name", ""}},
		{name: "two statements of one name", instead: func(t *trial) {
			t.trust(strict("ca:acme", acme), strict("ca:acme", acme, scopes("example.com/app")...))
			t.sign(t.by, notationtest.SignOptions{})
		}},
		{name: "another level", changes: level("STRICT")},
		{name: "no level", changes: level("")},
		{name: "another override", changes: level("strict", "override", map[string]string{"everything": "skip"})},
		{name: "an override of the integrity", changes: level("strict", "override", map[string]string{"integrity": "log"})},
		{name: "an override that skips authenticity", changes: level("strict", "override", map[string]string{"authenticity": "skip"})},
		{name: "another time of timestamps", changes: level("strict", "verifyTimestamp", "never")},
		{name: "a pattern as a scope", changes: scopes("127.0.0.1:*/team/*")},
		{name: "a scope besides all", changes: scopes("*", "example.com/app")},
		{name: "a scope with a tag", changes: scopes("example.com/app:v1")},
		{name: "no scope", changes: scopes()},
		{name: "a store of no kind", changes: stores("acme")},
		{name: "a store of another kind", changes: stores("root:acme")},
		{name: "a store elsewhere", changes: stores("ca:../ca/acme")},
		{name: "only a store of time stamp authorities", changes: stores("tsa:acme")},

		// The trust store.
		{name: "a text in the trust store", instead: inStore(func(t *trial, folder string) { check(t.t, t.write(folder+"/README.txt", []byte("our roots\n"))) })},
		{name: "an empty file in the trust store", instead: inStore(func(t *trial, folder string) { check(t.t, t.write(folder+"/empty.pem", nil)) })},
		{name: "a folder in the trust store", instead: inStore(func(t *trial, folder string) { check(t.t, os.Mkdir(folder+"/old", 0o700)) })},
		{name: "a link in the trust store", instead: inStore(func(t *trial, folder string) {
			check(t.t, os.Symlink("certificates.pem", folder+"/link.pem"))
		})},
		{name: "a trust store that is a link", instead: inStore(func(t *trial, folder string) {
			check(t.t, os.Rename(folder, folder+"-real"))
			check(t.t, os.Symlink(folder+"-real", folder))
		})},
		{name: "an empty trust store", instead: inStore(func(t *trial, folder string) { check(t.t, os.Remove(folder+"/certificates.pem")) })},
		{name: "DER in the trust store", says: "verified", instead: inStore(func(t *trial, folder string) {
			check(t.t, t.write(folder+"/certificates.pem", t.by.Root().Raw))
		})},
		{name: "another ending in the trust store", says: "verified", instead: inStore(func(t *trial, folder string) {
			check(t.t, os.Rename(folder+"/certificates.pem", folder+"/root"))
		})},
		{name: "text before a certificate in the trust store", says: "verified", instead: inStore(func(t *trial, folder string) {
			check(t.t, t.write(folder+"/certificates.pem", append([]byte("Acme CA\n"), notationtest.PEM(t.by.Root())...)))
		})},
		{name: "a key in the trust store", instead: inStore(func(t *trial, folder string) {
			key, err := t.by.KeyPEM()
			check(t.t, err)
			check(t.t, t.write(folder+"/key.pem", key))
		})},
		{name: "a leaf besides the root in the trust store", instead: inStore(func(t *trial, folder string) {
			check(t.t, t.write(folder+"/certificates.pem", notationtest.PEM(t.by.Root(), t.by.Leaf())))
		})},
		{name: "an intermediate in the store of time stamp authorities", changes: stores("ca:acme", "tsa:acme"), instead: func(t *trial) {
			between := t.authority(notationtest.AuthorityOptions{Intermediates: 1}).Chain[1]
			t.store("tsa/acme", notationtest.PEM(between))
			t.sign(t.by, notationtest.SignOptions{TSA: t.tsa})
		}},

		// Certificates.
		{name: "an expired root", key: notationtest.AuthorityOptions{NotBefore: days(-3), CANotAfter: days(-1), CANotBefore: days(-100)}, sign: notationtest.SignOptions{Time: days(-2)}, says: "expired"},
		{name: "timestamp of another signature", changes: stores("ca:acme", "tsa:acme"), says: "bad-signature", instead: func(t *trial) {
			t.sign(t.by, notationtest.SignOptions{Token: func(sig []byte) ([]byte, error) {
				return t.tsa.Token(append([]byte{0}, sig...), crypto.SHA256, days(0))
			}})
		}},
		{name: "a timestamp that is none", changes: stores("ca:acme", "tsa:acme"), says: "bad-signature", instead: func(t *trial) {
			t.sign(t.by, notationtest.SignOptions{Token: func([]byte) ([]byte, error) { return []byte("noon"), nil }})
		}},

		// What is in the registry.
		{name: "the type of artifacts of today", says: "verified", instead: func(t *trial) {
			digest := manifest(func(t *trial, m *ocispec.Manifest) {
				_, err := t.reg.PutBlob(t.repository, ocispec.MediaTypeEmptyJSON, []byte("{}"))
				check(t.t, err)
				m.Config, m.ArtifactType = registrytest.Describe(ocispec.MediaTypeEmptyJSON, []byte("{}")), notationtest.ArtifactType
			})(t)
			t.reg.Retype(digest, notationtest.ArtifactType) // this one goes by the config
		}},
		{name: "an SBOM", says: "unsigned", instead: func(t *trial) {
			const spdx = "application/spdx+json"
			_, err := t.reg.PutReferrer(t.repository, t.Descriptor, spdx, registrytest.Layer{MediaType: spdx, Blob: []byte(`{"spdxVersion":"SPDX-2.3"}`)})
			check(t.t, err)
		}},
		{name: "an SBOM and a signature", says: "verified", instead: func(t *trial) {
			const spdx = "application/spdx+json"
			_, err := t.reg.PutReferrer(t.repository, t.Descriptor, spdx, registrytest.Layer{MediaType: spdx, Blob: []byte(`{"spdxVersion":"SPDX-2.3"}`)})
			check(t.t, err)
			t.sign(t.by, notationtest.SignOptions{})
		}},
		{name: "another type of artifact", says: "bad-signature", instead: changed(func(_ *trial, m *ocispec.Manifest) { m.Config.MediaType = "application/vnd.acme.sbom" })},
		{name: "two envelopes in a manifest", says: "bad-signature", instead: changed(func(_ *trial, m *ocispec.Manifest) { m.Layers = append(m.Layers, m.Layers[0]) })},
		{name: "no envelope in a manifest", says: "bad-signature", instead: changed(func(_ *trial, m *ocispec.Manifest) { m.Layers = nil })},
		{name: "an envelope of another type", says: "unsupported", instead: changed(func(_ *trial, m *ocispec.Manifest) { m.Layers[0].MediaType = "application/vnd.acme.envelope" })},
		{name: "an envelope of the other type", says: "bad-signature", instead: changed(func(t *trial, m *ocispec.Manifest) {
			m.Layers[0].MediaType = map[string]string{notationtest.JWS: notationtest.COSE, notationtest.COSE: notationtest.JWS}[t.envelope]
		})},
		{name: "an envelope of another size", says: "unavailable", instead: changed(func(_ *trial, m *ocispec.Manifest) { m.Layers[0].Size++ })},
		{name: "an envelope that is not there", says: "unavailable", instead: changed(func(t *trial, m *ocispec.Manifest) {
			m.Layers[0] = registrytest.Describe(t.envelope, []byte("gone"))
		})},
		{name: "a list that says another type", says: "verified", looser: "GHCR says in its lists that artifacts have other types than they have", instead: func(t *trial) {
			envelope := t.signature(t.by, t.image, notationtest.SignOptions{})
			d, err := notationtest.Push(t.reg, t.repository, t.Descriptor, envelope, t.envelope)
			check(t.t, err)
			t.reg.Retype(d.Digest.String(), ocispec.MediaTypeEmptyJSON)
		}},
	}
}
