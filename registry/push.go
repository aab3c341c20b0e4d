package registry

import (
	"context"
	"errors"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
)

var errNotYet = errors.New("pushing is not built yet")

// A Pushed is what a registry said of a manifest that it took.
type Pushed struct {
	Digest string
	// Subject is whether the registry says that it lists the manifest among the
	// referrers of its subject (OCI distribution-spec, "Pushing Manifests with
	// Subject"), so that no fallback tag is to be written.
	Subject bool
}

// PushBlob stores body in repo unless it is there, at most [MaxBlob] bytes of
// it. It returns the descriptor by which a manifest may list it.
func (c *Client) PushBlob(ctx context.Context, repo image.Ref, mediaType string, body []byte) (ocispec.Descriptor, error) {
	return ocispec.Descriptor{}, errNotYet
}

// PushManifest stores body, at most 4 MiB, under reference: its own digest, or a
// tag, which then leads to it whatever it led to before.
func (c *Client) PushManifest(ctx context.Context, repo image.Ref, reference, mediaType string, body []byte) (Pushed, error) {
	return Pushed{}, errNotYet
}
