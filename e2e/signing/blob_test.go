package signing_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/e2e/signing/sigstack"
)

// The client protocol of sigstore-conformance: a file, or a statement about one,
// is signed as a bundle, which boltseal and cosign verify.
func TestSignBundle(t *testing.T) {
	t.Parallel()
	const digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae" // of foo
	statement, err := json.Marshal(map[string]any{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://example.com/predicate/v1", "predicate": map[string]any{},
		"subject": []any{map[string]any{"name": "foo", "digest": map[string]string{"sha256": digest}}},
	})
	check(t, err)
	for _, version := range []string{"v1", "v2"} {
		t.Run("Rekor "+version, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t)
			offered := []*sigstack.Service{w.RekorV1}
			if version == "v2" {
				offered = []*sigstack.Service{w.Rekor, w.TSA}
			}
			file, attested := w.write("foo", []byte("foo")), w.write("statement.json", statement)
			sign := func(name string, more ...string) string {
				token, err := w.Tokens.Token("sigstore")
				check(t, err)
				args := []string{
					"sign-bundle", "--identity-token", token, "--bundle", w.path(name), "--trusted-root", stack.TrustedRoot,
					"--signing-config", w.signingConfig(offered...),
				}
				// What is run is said where it fails, and a token is a part of it here.
				if o := w.execute(boltseal, nil, append(args, more...)); o.code != 0 || strings.Contains(o.said(), token) {
					t.Fatal(o)
				}
				return w.path(name)
			}
			plain, envelope := sign("foo.json", file), sign("statement.sigstore.json", "--in-toto", attested)
			for _, bundle := range []string{plain, envelope} {
				w.must(w.boltseal(slices.Concat([]string{"verify-bundle", "--bundle", bundle}, byWorkflow(), []string{file})...))
				if o := w.boltseal(slices.Concat([]string{"verify-bundle", "--bundle", bundle}, byWorkflow(), []string{fmt.Sprintf("sha256:%064d", 0)})...); o.code == 0 {
					t.Errorf("another digest verifies: %s", o)
				}
			}
			w.must(w.cosign(3)(slices.Concat([]string{"verify-blob", "--bundle", plain}, byWorkflow(), []string{file})...))
			w.must(w.cosign(3)(slices.Concat(
				[]string{"verify-blob-attestation", "--type", "https://example.com/predicate/v1", "--bundle", envelope}, byWorkflow(), []string{file})...))
		})
	}
}
