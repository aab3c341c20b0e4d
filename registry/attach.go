package registry

import (
	"context"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
)

// An Attachment is what Attach stores: an artifact of OCI image-spec 1.1,
// "Guidelines for Artifact Usage".
type Attachment struct {
	ArtifactType string
	Layers       []Layer
	Annotations  map[string]string // of the manifest
}

// A Layer is one blob of an Attachment.
type Layer struct {
	MediaType   string
	Body        []byte
	Annotations map[string]string
}

// Attach stores a as a referrer of subject in repo, and returns the digest of
// its manifest. storage is "referrer" where the registry lists it by itself, and
// "fallback-tag" where it is in the index behind the tag that stands in for the
// referrers API.
func (c *Client) Attach(ctx context.Context, repo image.Ref, subject ocispec.Descriptor, a Attachment) (digest, storage string, err error) {
	return "", "", errNotYet
}

// Update changes what tag leads to: it reads it, has change say what is to be
// there instead, writes that, and looks whether it is there. It begins again
// where another writer got in between, so that what others have added is kept.
//
// change gets nil where there is no such tag, and may be called several times.
// It returns a nil body where nothing is to be written. holds says of a manifest
// whether it has what is to be there.
func (c *Client) Update(ctx context.Context, repo image.Ref, tag string, change func(old *Manifest) (body []byte, mediaType string, holds func(Manifest) bool, err error)) error {
	return errNotYet
}
