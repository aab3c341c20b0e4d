package cli_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// Who signs in the tests, unless a test says otherwise.
const (
	identity = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"
	issuer   = "https://token.actions.githubusercontent.com"
	signType = "https://sigstore.dev/cosign/sign/v1"
	slsaType = "https://slsa.dev/provenance/v1"
)

// A world is a registry, a Sigstore instance and its trust root in a file.
type world struct {
	t    *testing.T
	reg  *registrytest.Registry
	sig  *sigstoretest.Instance
	root string
}

func newWorld(t *testing.T, o registrytest.Options) *world {
	t.Helper()
	w := &world{t: t, reg: registrytest.Start(o)}
	t.Cleanup(w.reg.Close)
	w.sig, w.root = newInstance(t)
	return w
}

func newInstance(t *testing.T) (*sigstoretest.Instance, string) {
	t.Helper()
	sig, err := sigstoretest.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	body, err := sig.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "trusted_root.json")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return sig, file
}

// by are the options of the usual signer, changed by change.
func by(change ...func(*sigstoretest.Options)) sigstoretest.Options {
	o := sigstoretest.Options{Identity: identity, Issuer: issuer}
	for _, c := range change {
		c(&o)
	}
	return o
}

func (w *world) must(d ocispec.Descriptor, err error) ocispec.Descriptor {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// image pushes an image and returns its descriptor.
func (w *world) image(repo string) ocispec.Descriptor {
	w.t.Helper()
	return w.must(w.reg.PutImage(repo, "v1", repo))
}

// layer is a signature of digest in cosign's older format.
func (w *world) layer(repo, digest string, o sigstoretest.Options) registrytest.Layer {
	w.t.Helper()
	payload := sigstoretest.Payload(w.reg.Host()+"/"+repo, digest)
	annotations, err := w.sig.Legacy(payload, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return registrytest.Layer{MediaType: registrytest.SimpleSigning, Blob: payload, Annotations: annotations}
}

// attLayer is an attestation in cosign's older format.
func (w *world) attLayer(d ocispec.Descriptor, predicateType string, o sigstoretest.Options) registrytest.Layer {
	w.t.Helper()
	env, annotations, err := w.sig.LegacyAttestation(predicateType, d.Digest.Encoded(), nil, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return registrytest.Layer{MediaType: registrytest.Envelope, Blob: env, Annotations: annotations}
}

// signLegacy signs d with cosign's older format.
func (w *world) signLegacy(repo string, d ocispec.Descriptor, o sigstoretest.Options) {
	w.t.Helper()
	w.must(w.reg.PutTagged(repo, d.Digest.String(), ".sig", w.layer(repo, d.Digest.String(), o)))
}

// bundle is a bundle about d.
func (w *world) bundle(d ocispec.Descriptor, predicateType string, o sigstoretest.Options) []byte {
	w.t.Helper()
	b, err := w.sig.Bundle(predicateType, d.Digest.Encoded(), nil, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// signBundle signs d with a bundle as referrer and returns the manifest of it.
func (w *world) signBundle(repo string, d ocispec.Descriptor, predicateType string, o sigstoretest.Options) ocispec.Descriptor {
	w.t.Helper()
	return w.must(w.reg.PutBundle(repo, d, w.bundle(d, predicateType, o)))
}

// verify runs boltseal verify on repo:v1 (or another reference in the
// registry) for the usual signer.
func (w *world) verify(ref string, more ...string) result {
	w.t.Helper()
	args := []string{"verify", w.reg.Host() + "/" + ref, "--trusted-root", w.root, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer}
	return run(w.t, append(args, more...)...)
}
