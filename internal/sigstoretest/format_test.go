package sigstoretest

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"testing"

	ctx509 "github.com/google/certificate-transparency-go/x509"

	"github.com/google/certificate-transparency-go/ctutil"
	"github.com/google/certificate-transparency-go/x509util"
	"github.com/sigstore/rekor/pkg/types"
	_ "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1" // registers the entry kind
	"github.com/sigstore/sigstore-go/pkg/verify"
)

func TestPayload(t *testing.T) {
	want := `{"critical":{"identity":{"docker-reference":"r.example/a"},"image":{"docker-manifest-digest":"sha256:ab"},"type":"cosign container image signature"},"optional":null}`
	if got := string(Payload("r.example/a", "sha256:ab")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The claims arrive under the names that verifiers give them.
func TestClaims(t *testing.T) {
	in := newInstance(t)
	o := keyless()
	o.Claims = map[string]string{"1.2": "push", "1.3": "abc", "1.4": "release", "1.5": "o/r", "1.6": "refs/heads/main",
		"1.12": "https://github.com/o/r", "1.22": "public"}
	raw, err := in.Bundle(testType, testHex, nil, o)
	res, err := check(t, in, parse(t, raw, err), digestOption(t), o)
	if err != nil {
		t.Fatal(err)
	}
	c := res.Signature.Certificate
	for _, f := range [][2]string{{c.Issuer, testIssuer}, {c.SubjectAlternativeName, testIdentity},
		{c.GithubWorkflowTrigger, "push"}, {c.GithubWorkflowSHA, "abc"}, {c.GithubWorkflowName, "release"},
		{c.GithubWorkflowRepository, "o/r"}, {c.GithubWorkflowRef, "refs/heads/main"},
		{c.SourceRepositoryURI, "https://github.com/o/r"}, {c.SourceRepositoryVisibilityAtSigning, "public"}} {
		if f[0] != f[1] {
			t.Errorf("got %q, want %q", f[0], f[1])
		}
	}
}

func TestEmbeddedSCT(t *testing.T) {
	in := newInstance(t)
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	o, err := keyless().resolve(in.now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := in.certify(key.Public(), o)
	if err != nil {
		t.Fatal(err)
	}
	scts, err := x509util.ParseSCTsFromCertificate(cert.Raw)
	if err != nil || len(scts) != 1 {
		t.Fatalf("%d SCTs: %v", len(scts), err)
	}
	chain, err := ctx509.ParseCertificates(append(bytes.Clone(cert.Raw), in.fulcio.intermediate.Raw...))
	if err != nil {
		t.Fatal(err)
	}
	if err := ctutil.VerifySCT(in.ct.key.Public(), chain, scts[0], true); err != nil {
		t.Error(err)
	}
}

// Rekor itself would write the same dsse entry for the same envelope.
func TestEntryIsRekors(t *testing.T) {
	in := newInstance(t)
	env, a, err := in.LegacyAttestation(testType, testHex, nil, keyless())
	if err != nil {
		t.Fatal(err)
	}
	var b struct{ Payload setPayload }
	unmarshal(t, a[annotationBundle], &b)
	ctx := context.Background()
	pe, err := types.NewProposedEntry(ctx, "dsse", "0.0.1", types.ArtifactProperties{
		ArtifactBytes: env, PublicKeyBytes: [][]byte{[]byte(a[annotationCertificate])}, PKIFormat: "x509",
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := types.CreateVersionedEntry(pe)
	if err != nil {
		t.Fatal(err)
	}
	want, err := types.CanonicalizeEntry(ctx, e)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Payload.Body, want) {
		t.Errorf("got  %s\nwant %s", b.Payload.Body, want)
	}
}

// Concurrent signing gives every entry an index and a proof of its own.
func TestConcurrent(t *testing.T) {
	in := newInstance(t)
	const n = 12
	raws := make([][]byte, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			o := keyless()
			o.RekorV2 = i%2 == 0
			raws[i], errs[i] = in.BlobBundle([]byte("x"), o)
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for i := range n {
		b := parse(t, raws[i], errs[i])
		if _, err := check(t, in, b, verify.WithArtifact(bytes.NewReader([]byte("x"))), keyless()); err != nil {
			t.Error(err)
		}
		e := b.VerificationMaterial.TlogEntries[0]
		id, err := json.Marshal([]any{e.LogId.KeyId, e.LogIndex})
		if err != nil {
			t.Fatal(err)
		}
		if seen[string(id)] {
			t.Errorf("log index %d twice", e.LogIndex)
		}
		seen[string(id)] = true
	}
}

func TestTrustedRootIsStable(t *testing.T) {
	in := newInstance(t)
	first, err := in.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if again, err := in.TrustedRoot(); err != nil || !bytes.Equal(first, again) {
			t.Fatalf("differs: %v", err)
		}
	}
}
