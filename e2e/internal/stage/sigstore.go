package stage

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// Who signs.
const (
	Identity = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"
	Issuer   = "https://token.actions.githubusercontent.com"
)

const signType = "https://sigstore.dev/cosign/sign/v1"

// A Sigstore signs images, as anybody.
type Sigstore struct {
	TrustedRoot string // path of its trusted_root.json

	instance *sigstoretest.Instance
}

// NewSigstore makes a Sigstore whose trust root is in dir.
func NewSigstore(dir string) (Sigstore, error) {
	instance, err := sigstoretest.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	if err != nil {
		return Sigstore{}, err
	}
	root, err := instance.TrustedRoot()
	if err != nil {
		return Sigstore{}, err
	}
	s := Sigstore{TrustedRoot: filepath.Join(dir, "trusted_root.json"), instance: instance}
	return s, os.WriteFile(s.TrustedRoot, root, 0o600)
}

// A Format is how a signature is stored.
type Format string

// The formats of cosign before version 3, and of today; and no signature.
const (
	Legacy   Format = "legacy"
	Bundle   Format = "bundle"
	Unsigned Format = ""
)

// Push pushes an image to reg as repo:v1, signed by identity, and returns its
// pinned reference.
func (s Sigstore) Push(reg *registrytest.Registry, repo string, format Format, identity string) (string, error) {
	d, err := reg.PutImage(repo, "v1", repo)
	if err != nil {
		return "", err
	}
	return s.Sign(reg, repo, d, format, identity)
}

// Sign signs the image d, which is in repo, and returns its pinned reference.
func (s Sigstore) Sign(reg *registrytest.Registry, repo string, d ocispec.Descriptor, format Format, identity string) (string, error) {
	o := sigstoretest.Options{Identity: identity, Issuer: Issuer}
	switch format {
	case Unsigned:
	case Bundle:
		b, err := s.instance.Bundle(signType, d.Digest.Encoded(), nil, o)
		if err != nil {
			return "", err
		}
		if _, err := reg.PutBundle(repo, d, b); err != nil {
			return "", err
		}
	case Legacy:
		payload := sigstoretest.Payload(reg.Host()+"/"+repo, d.Digest.String())
		annotations, err := s.instance.Legacy(payload, o)
		if err != nil {
			return "", err
		}
		layer := registrytest.Layer{MediaType: registrytest.SimpleSigning, Blob: payload, Annotations: annotations}
		if _, err := reg.PutTagged(repo, d.Digest.String(), ".sig", layer); err != nil {
			return "", err
		}
	default:
		return "", fmt.Errorf("there is no format %q", format)
	}
	return reg.Host() + "/" + repo + "@" + d.Digest.String(), nil
}
