package main_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/verify/notation"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// What the schema and the reader say of policies that verify would read. What
// only the reader refuses is marked: a schema cannot tell, or does not try.
func TestPolicySchemaWithForms(t *testing.T) {
	t.Parallel()
	systems := []policy.System{
		{Name: "sigstore", Doc: "A signature.", New: func() policy.Form { return &sigstore.SignatureForm{} }},
		{Name: "attestation", Doc: "An attestation.", New: func() policy.Form { return &sigstore.AttestationForm{} }},
		{Name: "notation", Doc: "A Notation signature.", New: func() policy.Form { return &notation.Form{} }},
	}
	schema := compilePolicySchema(t, systems)
	const (
		sound = iota
		refused
		onlyRead
	)
	const identity = `{issuer: https://token.actions.githubusercontent.com, subject: "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v*"}`
	const subject = `"x509.subject: C=US, ST=WA, O=Acme, CN=release"`
	rule := func(require string) string {
		return "version: 1\nrules:\n  - images: [ghcr.io/acme/**]\n    require:\n      - " + require + "\n"
	}
	for _, tc := range []struct {
		name, body string
		want       int
	}{
		{"the issue's", `version: 1
publishers: [distroless, kubernetes, chainguard]
rules:
  - images: [ghcr.io/acme/**, "!ghcr.io/acme/legacy-*"]
    require:
      - sigstore:
          identities:
            - ` + identity + `
          claims: {source-repository-owner: https://github.com/acme, runner-environment: github-hosted}
      - attestation: {type: slsaprovenance1, identities: [` + identity + `], where: 'predicate.buildDefinition.buildType == "a"'}
  - images: [docker.io/library/**]
    allow-unsigned: {require-digest: true, reason: "upstream does not sign"}
exceptions:
  - {images: [docker.io/library/alpine:3.22], until: 2027-01-31, owner: platform, reason: "because"}
`, sound},
		{"thresholds", rule("sigstore: {identities: [" + identity + "], keys: [{file: cosign.pub, from: 2026-01-01}], at-least: 2}"), sound},
		{"every key", rule("sigstore: {keys: [{file: cosign.pub, name: ours, sha256: " + "\"" + sha256Text + "\"" + ", until: 2027-01-01}], ignore-tlog: true, signature-on: image, signature-repository: ghcr.io/acme/sigs, instance: public-good, trusted-root: root.json}"), sound},
		{"nested", rule("any-of: [all-of: [sigstore: {keys: [{file: a}]}, sigstore: {keys: [{file: b}]}], sigstore: {keys: [{file: c}]}]"), sound},

		{"Notation's", rule("notation: {certificates: [acme.crt], identities: [" + subject + "]}"), sound},
		{"every key of Notation's", rule("notation: {certificates: [a.crt], signing-authority: [b.crt], tsa: [c.crt], identities: [" + subject + "], timestamp: after-expiry, revocation: soft, metadata: {build: '1'}, max-signatures: 256, signature-repository: ghcr.io/acme/sigs}"), sound},
		{"both systems", rule("all-of: [sigstore: {keys: [{file: a}]}, notation: {certificates: [acme.crt], identities: ['*']}]"), sound},
		{"no certificates", rule("notation: {identities: [" + subject + "]}"), refused},
		{"no identities", rule("notation: {certificates: [acme.crt]}"), refused},
		{"no such revocation", rule("notation: {certificates: [acme.crt], identities: [" + subject + "], revocation: hard}"), refused},
		{"more than are looked at", rule("notation: {certificates: [acme.crt], identities: [" + subject + "], max-signatures: 257}"), refused},
		{"a certificate as a mapping", rule("notation: {certificates: [{file: acme.crt}], identities: [" + subject + "]}"), refused},
		{"anybody, and somebody", rule("notation: {certificates: [acme.crt], identities: ['*', " + subject + "]}"), onlyRead},
		{"a subject without an organisation", rule("notation: {certificates: [acme.crt], identities: ['C=US, ST=WA']}"), onlyRead},
		{"time stamps of nobody", rule("notation: {certificates: [acme.crt], identities: [" + subject + "], timestamp: always}"), onlyRead},

		{"misspelt", rule("sigstore: {identites: [" + identity + "]}"), refused},
		{"misspelt within", rule("sigstore: {identities: [{isuer: a, subject: b}]}"), refused},
		{"no issuer", rule("sigstore: {identities: [{subject: b}]}"), refused},
		{"no subject", rule("sigstore: {identities: [{issuer: https://a.example}]}"), refused},
		{"two subjects", rule("sigstore: {identities: [{issuer: https://a.example, subject: b, subject-regexp: b}]}"), refused},
		{"no such claim of an identity", rule("sigstore: {identities: [{issuer: https://a.example, subject: b, claims: {owner: a}}]}"), refused},
		{"a key from nowhere", rule("sigstore: {keys: [{name: a}]}"), refused},
		{"nobody", rule("sigstore: {signature-on: image}"), refused},
		{"a number", rule("sigstore: {identities: [{issuer: https://a.example, subject: 1}]}"), refused},
		{"at least none", rule("sigstore: {keys: [{file: a}], at-least: 0}"), refused},
		{"no instance", rule("sigstore: {keys: [{file: a}], instance: mine}"), refused},
		{"no type", rule("attestation: {keys: [{file: a}]}"), refused},
		{"not of a signature", rule("sigstore: {type: spdx, keys: [{file: a}]}"), refused},
		{"no keys", rule("sigstore: {keys: []}"), refused},
		{"no claims", rule("sigstore: {identities: [" + identity + "], claims: {}}"), refused},
		{"ignored by a word", rule("sigstore: {keys: [{file: a}], ignore-tlog: 'true'}"), refused},

		{"a word that is a boolean to some", rule("sigstore: {keys: [{file: yes}]}"), onlyRead},
		{"too many signers", rule("sigstore: {keys: [{file: a}], at-least: 2}"), onlyRead},
		{"no CEL", rule("attestation: {type: spdx, keys: [{file: a}], where: '1 +'}"), onlyRead},
		{"no such claim", rule("sigstore: {identities: [" + identity + "], claims: {owner: a}}"), refused},
		{"a pattern of nothing", "version: 1\nrules:\n  - {images: ['a b'], require: [sigstore: {keys: [{file: a}]}]}", onlyRead},
	} {
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(tc.body), &n); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(asJSON(n.Content[0])); (err != nil) != (tc.want == refused) {
			t.Errorf("%s: the schema says %v", tc.name, err)
		}
		if _, err := policy.Read("p.yml", []byte(tc.body), policy.Options{Systems: systems}); (err != nil) != (tc.want != sound) {
			t.Errorf("%s: the reader says %v", tc.name, err)
		}
	}
}

const sha256Text = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func compilePolicySchema(t *testing.T, systems []policy.System) *jsonschema.Schema {
	t.Helper()
	body, err := policy.Schema(systems)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(policy.SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(policy.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asJSON returns what an editor validates: YAML 1.2 as JSON has it.
func asJSON(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!map":
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = asJSON(n.Content[i+1])
		}
		return m
	case "!!seq":
		list := []any{}
		for _, item := range n.Content {
			list = append(list, asJSON(item))
		}
		return list
	case "!!null":
		return nil
	case "!!bool":
		return n.Value == "true"
	case "!!int", "!!float":
		return json.Number(n.Value)
	}
	return n.Value
}
