// Package bench makes what the benchmarks verify: signed images in a registry
// on loopback, which can answer as late as one at the other end of a network.
package bench

import (
	"fmt"
	"strings"
	"time"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// Who signed the images: the signer of the distroless images, and somebody with
// a certificate of the Notary Project's kind.
const (
	Identity = "keyless@distroless.iam.gserviceaccount.com"
	Issuer   = "https://accounts.google.com"

	NotationIdentity = "x509.subject: C=US, ST=WA, O=Acme"
)

// The formats that signatures are stored in.
const (
	Legacy = "legacy" // cosign's tag sha256-<hex>.sig
	Bundle = "bundle" // Sigstore bundle v0.3 as a referrer

	Notation = "notation" // JWS envelope as a referrer
)

// A Stage is a registry, and the Sigstore and the authority that its images are
// signed with.
type Stage struct {
	Registry     *registrytest.Registry
	TrustedRoot  []byte // trusted_root.json
	NotationRoot []byte // the authority's certificate, in PEM

	sigstore  *sigstoretest.Instance
	authority *notationtest.Authority
	signed    int // images so far
}

// Images are the same images by tag and by digest, each in a repository of its
// own: what is learned of one helps with no other.
type Images struct{ Tags, Digests []string }

// NewStage starts a registry that has no images yet.
func NewStage() (*Stage, error) {
	in, err := sigstoretest.New(time.Now())
	if err != nil {
		return nil, err
	}
	trusted, err := in.TrustedRoot()
	if err != nil {
		return nil, err
	}
	authority, err := notationtest.NewAuthority(notationtest.AuthorityOptions{})
	if err != nil {
		return nil, err
	}
	return &Stage{
		Registry: registrytest.Start(registrytest.Options{}), TrustedRoot: trusted, NotationRoot: notationtest.PEM(authority.Root()),
		sigstore: in, authority: authority,
	}, nil
}

// Close ends the registry.
func (s *Stage) Close() { s.Registry.Close() }

// Sign pushes n new images that are signed in the format.
func (s *Stage) Sign(format string, n int) (Images, error) {
	var out Images
	for range n {
		s.signed++
		repo := fmt.Sprintf("%s/image-%04d", format, s.signed)
		digest, err := s.sign(format, repo)
		if err != nil {
			return Images{}, fmt.Errorf("sign %s: %w", repo, err)
		}
		name := s.Registry.Host() + "/" + repo
		out.Tags = append(out.Tags, name+":v1")
		out.Digests = append(out.Digests, name+"@"+digest)
	}
	return out, nil
}

func (s *Stage) sign(format, repo string) (string, error) {
	img, err := s.Registry.PutImage(repo, "v1", repo)
	if err != nil {
		return "", err
	}
	digest := img.Digest.String()
	who := sigstoretest.Options{Identity: Identity, Issuer: Issuer}
	switch format {
	case Legacy:
		payload := sigstoretest.Payload(s.Registry.Host()+"/"+repo, digest)
		annotations, err := s.sigstore.Legacy(payload, who)
		if err != nil {
			return "", err
		}
		_, err = s.Registry.PutTagged(repo, digest, ".sig", registrytest.Layer{
			MediaType: registrytest.SimpleSigning, Blob: payload, Annotations: annotations,
		})
		return digest, err
	case Bundle:
		b, err := s.sigstore.Bundle("https://sigstore.dev/cosign/sign/v1", strings.TrimPrefix(digest, "sha256:"), nil, who)
		if err != nil {
			return "", err
		}
		_, err = s.Registry.PutBundle(repo, img, b)
		return digest, err
	case Notation:
		envelope, err := s.authority.Sign(img, notationtest.SignOptions{})
		if err != nil {
			return "", err
		}
		_, err = notationtest.Push(s.Registry, repo, img, envelope, notationtest.JWS)
		return digest, err
	}
	return "", fmt.Errorf("no such format: %q", format)
}
