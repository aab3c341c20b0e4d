package sigstore_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/sigstore"
)

const (
	actions  = "https://token.actions.githubusercontent.com"
	release  = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"
	audit    = "https://github.com/acme/audit/.github/workflows/sign.yml@refs/heads/main"
	slsaType = "https://slsa.dev/provenance/v1"
)

// started is the time of every run.
var started = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A world is a registry with one repository, team/app, and a Sigstore instance.
type world struct {
	t     testing.TB
	reg   *registrytest.Registry
	in    *sigstoretest.Instance
	trust *sigstore.Trust
	keys  map[string][]byte // files of public keys
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, reg: registrytest.Start(registrytest.Options{}), keys: map[string][]byte{}}
	t.Cleanup(w.reg.Close)
	var err error
	if w.in, err = sigstoretest.New(started); err != nil {
		t.Fatal(err)
	}
	w.trust = trustOf(t, w.in)
	return w
}

func trustOf(t testing.TB, in *sigstoretest.Instance) *sigstore.Trust {
	t.Helper()
	body, err := in.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	trust, err := sigstore.TrustJSON(body, sigstore.PublicRules())
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// key makes a key pair, whose public key is then a file of that name.
func (w *world) key(name string) crypto.Signer {
	w.t.Helper()
	k := must[*ecdsa.PrivateKey](w.t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der := must[[]byte](w.t)(x509.MarshalPKIXPublicKey(k.Public()))
	w.keys[name] = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return k
}

func (w *world) fingerprint(name string) string {
	block, _ := pem.Decode(w.keys[name])
	sum := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(sum[:])
}

// image pushes an image and returns it, pinned.
func (w *world) image(seed string) (image.Pinned, ocispec.Descriptor) {
	w.t.Helper()
	d := must[ocispec.Descriptor](w.t)(w.reg.PutImage("team/app", "v1", seed))
	return w.pinned(d), d
}

func (w *world) pinned(d ocispec.Descriptor) image.Pinned {
	w.t.Helper()
	ref := must[image.Ref](w.t)(image.Parse(w.reg.Host() + "/team/app:v1"))
	return must[image.Pinned](w.t)(ref.Pin(d.Digest.String()))
}

// sign adds a signature of each of the signers as a referrer.
func (w *world) sign(d ocispec.Descriptor, signers ...sigstoretest.Options) {
	w.t.Helper()
	for _, o := range signers {
		w.attest(d, sigstore.SignPredicate, nil, o)
	}
}

func (w *world) attest(d ocispec.Descriptor, predicateType string, predicate []byte, o sigstoretest.Options) {
	w.t.Helper()
	body := must[[]byte](w.t)(w.in.Bundle(predicateType, d.Digest.Encoded(), predicate, o))
	must[ocispec.Descriptor](w.t)(w.reg.PutBundle("team/app", d, body))
}

type descriptor = ocispec.Descriptor

func platform(arch string) *ocispec.Platform {
	return &ocispec.Platform{OS: "linux", Architecture: arch}
}

// by are the options of a workflow that signs.
func by(subject string) sigstoretest.Options {
	return sigstoretest.Options{Identity: subject, Issuer: actions}
}

// client asks the registry without waiting between attempts.
func client() *registry.Client {
	return registry.New(registry.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
}

// form is what both kinds of requirement are.
type form interface {
	Check() []*yamlshape.Fault
	Doubts() []yamlshape.Doubt
	Config(sigstore.Env) (sigstore.Config, error)
}

// read reads the text of a requirement: an attestation if it has a type.
func read(t testing.TB, text string) (form, []*yamlshape.Fault) {
	t.Helper()
	var f form = &sigstore.SignatureForm{}
	var probe map[string]yamlshape.Raw
	yamlshape.Read("policy.yaml", []byte(text), &probe)
	if _, ok := probe["type"]; ok {
		f = &sigstore.AttestationForm{}
	}
	if faults := yamlshape.Read("policy.yaml", []byte(text), f); len(faults) > 0 {
		return f, faults
	}
	return f, f.Check()
}

func (w *world) env() sigstore.Env {
	return sigstore.Env{
		Trust: func(instance string, file yamlshape.Text) (*sigstore.Trust, error) {
			if instance != "" || file.Value != "" {
				return nil, &verify.Error{Op: "read " + file.Value, Err: errors.New("no such file"), Hint: "look for it"}
			}
			return w.trust, nil
		},
		ReadKey: func(file yamlshape.Text) ([]byte, error) {
			body, ok := w.keys[file.Value]
			if !ok {
				return nil, fmt.Errorf("%s: no such file", file)
			}
			return body, nil
		},
		Now: started,
	}
}

// require makes the Verifier of the text of a requirement.
func (w *world) require(text string, change ...func(*sigstore.Config)) verify.Verifier {
	w.t.Helper()
	f, faults := read(w.t, text)
	for _, fault := range faults {
		w.t.Fatalf("%s\n%s", fault, text)
	}
	c := must[sigstore.Config](w.t)(f.Config(w.env()))
	for _, ch := range change {
		ch(&c)
	}
	return must[verify.Verifier](w.t)(sigstore.NewSession(client(), image.Ref{}).Require(c))
}

// quoted returns s as YAML and JSON have it.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}
