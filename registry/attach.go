package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
)

// maxLooks bounds how often the referrers API is asked for what was just
// pushed: some registries list it a moment later.
const maxLooks = 3

// An Attachment is what Attach stores: an artifact of OCI image-spec 1.1,
// "Guidelines for Artifact Usage".
type Attachment struct {
	ArtifactType string
	// TypeInConfig has the type written as the config's media type, as Notation does
	// (image-spec 1.0), instead of as the manifest's artifactType.
	TypeInConfig bool
	Layers       []Layer
	Annotations  map[string]string // of the manifest
}

// A Layer is one blob of an Attachment.
type Layer struct {
	MediaType   string
	Body        []byte
	Annotations map[string]string
}

// Attach stores a as a referrer of subject in repo, as cosign stores bundles and
// notation envelopes, and returns the digest of its manifest. The same Attachment has the same digest: to
// attach it again changes nothing. storage is "referrer" where the registry lists
// it by itself, and "fallback-tag" where it is in the index behind the tag that
// stands in for the referrers API (OCI distribution-spec, "Pushing Manifests with
// Subject"). Of subject, MediaType, Digest and Size count; the manifest itself
// need not be in repo.
func (c *Client) Attach(ctx context.Context, repo image.Ref, subject ocispec.Descriptor, a Attachment) (digest, storage string, err error) {
	if err := attachable(repo, subject, a); err != nil {
		return "", "", err
	}
	config, err := c.PushBlob(ctx, repo, ocispec.MediaTypeEmptyJSON, emptyConfig())
	if err != nil {
		return "", "", err
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: a.ArtifactType, Config: config, Layers: []ocispec.Descriptor{}, Annotations: a.Annotations,
		Subject: &ocispec.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
	}
	if a.TypeInConfig {
		m.Config.MediaType, m.ArtifactType = a.ArtifactType, ""
	} else {
		m.Config.ArtifactType = a.ArtifactType // cosign writes it there too
	}
	for _, l := range a.Layers {
		d, err := c.PushBlob(ctx, repo, l.MediaType, l.Body)
		if err != nil {
			return "", "", err
		}
		d.Annotations = l.Annotations
		m.Layers = append(m.Layers, d)
	}
	body, err := json.Marshal(m)
	if err != nil {
		return "", "", err
	}
	digest = digestOf(body)
	pushed, err := c.PushManifest(ctx, repo, digest, m.MediaType, body)
	if err != nil {
		return "", "", err
	}
	if !pushed.Subject {
		listed, err := c.lists(ctx, repo, subject.Digest.String(), digest)
		if err != nil {
			return "", "", err
		}
		if !listed {
			if err := c.addReferrer(ctx, repo, m, body); err != nil {
				return "", "", err
			}
			return digest, "fallback-tag", nil
		}
	}
	return digest, "referrer", nil
}

// CheckAttach reports whether n more artifacts can be attached to the manifest
// with the digest subject, as far as it can be told without doing so: that there
// are not too many to be read again, and that the index which stands in for the
// referrers API, where there is none, can be added to.
func (c *Client) CheckAttach(ctx context.Context, repo image.Ref, subject string, n int) error {
	list, err := c.Referrers(ctx, repo, subject)
	if errors.Is(err, ErrNoReferrersAPI) {
		list, err = c.writable(ctx, repo, strings.Replace(subject, ":", "-", 1))
	}
	if err == nil && len(list)+n > maxReferrers {
		err = fmt.Errorf("%w: there are %d referrers, at most %d are read", ErrTooMany, len(list), maxReferrers)
	}
	if errors.Is(err, ErrTooMany) {
		return &Error{Op: "attach to " + repo.Name() + "@" + clip(subject), Kind: ErrUnavailable, Err: err, push: true}
	}
	return err
}

// attachable says why a cannot be attached to subject.
func attachable(repo image.Ref, subject ocispec.Descriptor, a Attachment) error {
	var err error
	switch {
	case !image.ValidDigest(subject.Digest.String()):
		err = fmt.Errorf("the subject's digest is %q", clip(subject.Digest.String()))
	case subject.MediaType == "" || subject.Size <= 0:
		err = errors.New("media type or size of the subject is missing")
	case a.ArtifactType == "":
		err = errors.New("the artifact has no type")
	case len(a.Layers) == 0:
		err = errors.New("the artifact is empty")
	default:
		return nil
	}
	return &Error{Op: "attach to " + repo.Name() + "@" + clip(subject.Digest.String()), Kind: ErrMalformed, Err: err, push: true}
}

// lists reports whether the registry has a referrers API which lists digest.
func (c *Client) lists(ctx context.Context, repo image.Ref, subject, digest string) (bool, error) {
	for look := 1; ; look++ {
		list, err := c.Referrers(ctx, repo, subject)
		switch {
		case errors.Is(err, ErrNoReferrersAPI):
			return false, nil
		case err != nil:
			return false, err
		case lists(list, digest):
			return true, nil
		case look == maxLooks:
			return false, nil
		}
		if err := c.pause(ctx, time.Second<<(look-1)); err != nil {
			return false, &Error{Op: referrersOp(repo, subject), Kind: ErrUnavailable, Err: err, push: true}
		}
	}
}

func lists(list []ocispec.Descriptor, digest string) bool {
	return slices.ContainsFunc(list, func(d ocispec.Descriptor) bool { return d.Digest.String() == digest })
}
