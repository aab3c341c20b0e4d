package notationtest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/notaryproject/notation-core-go/signature"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/registrytest"
)

// ArtifactType is the type of Notation's signatures, said of their config.
const ArtifactType = "application/vnd.cncf.notary.signature"

// thumbprint is the annotation that lists the chain's SHA-256 fingerprints.
const thumbprint = "io.cncf.notary.x509chain.thumbprint#S256"

// Push puts an envelope beside the image that it signs, as notation 1.3.2 does:
// where the registry has no referrers API, its fallback tag lists it. Subject
// may be another than the image signed. An envelope that cannot be read is
// pushed all the same, without what the annotations say of it.
func Push(r *registrytest.Registry, repo string, subject ocispec.Descriptor, envelope []byte, mediaType string) (ocispec.Descriptor, error) {
	m, err := Manifest(subject, envelope, mediaType)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	for t, b := range map[string][]byte{ArtifactType: []byte("{}"), mediaType: envelope} {
		if d, err := r.PutBlob(repo, t, b); err != nil {
			return d, err
		}
	}
	return PushManifest(r, repo, m)
}

// Manifest returns the manifest of a signature, for who wants to change it
// before PushManifest.
func Manifest(subject ocispec.Descriptor, envelope []byte, mediaType string) (ocispec.Manifest, error) {
	annotations := map[string]string{}
	if env, err := signature.ParseEnvelope(mediaType, envelope); err == nil {
		if content, err := env.Content(); err == nil {
			var sums []string
			for _, c := range content.SignerInfo.CertificateChain {
				sums = append(sums, Fingerprint(c))
			}
			list, err := json.Marshal(sums)
			if err != nil {
				return ocispec.Manifest{}, fmt.Errorf("notationtest: %w", err)
			}
			annotations[thumbprint] = string(list)
			annotations[ocispec.AnnotationCreated] = content.SignerInfo.SignedAttributes.SigningTime.UTC().Format(time.RFC3339)
		}
	}
	subject.Annotations, subject.Platform = nil, nil
	return ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config:  registrytest.Describe(ArtifactType, []byte("{}")),
		Layers:  []ocispec.Descriptor{registrytest.Describe(mediaType, envelope)},
		Subject: &subject, Annotations: annotations,
	}, nil
}

// PushManifest pushes the manifest of a signature whose blobs are there, and
// lists it in the fallback tag as oras does.
func PushManifest(r *registrytest.Registry, repo string, m ocispec.Manifest) (ocispec.Descriptor, error) {
	d, err := r.PutJSON(repo, "", ocispec.MediaTypeImageManifest, m)
	if err != nil || m.Subject == nil {
		return d, err
	}
	entry := d
	entry.ArtifactType, entry.Annotations = m.ArtifactType, m.Annotations
	if entry.ArtifactType == "" {
		entry.ArtifactType = m.Config.MediaType
	}
	return d, r.List(repo, m.Subject.Digest, entry)
}
