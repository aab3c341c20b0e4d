package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/strictjson"
)

// Get fetches what is at an https address, at most limit bytes of it, over the
// proxy and with the certificate authorities of the registries, and without any
// credentials. Redirects lead to https addresses only. Errors are as those of
// registries; an address that is never asked, and an answer that is too large,
// are [ErrMalformed].
func (c *Client) Get(ctx context.Context, address string, limit int64) ([]byte, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil: // its text repeats the address
		return nil, &Error{Op: "fetch", Kind: ErrMalformed, Err: errors.New("this is no address"), page: true}
	case u.Scheme != "https" || u.Host == "" || u.Opaque != "" || u.User != nil:
		return nil, &Error{Op: "fetch", Kind: ErrMalformed, Err: errors.New("only https addresses without a user name and password are fetched"), page: true}
	}
	client := &http.Client{Transport: c.base, CheckRedirect: checkPageRedirect}
	q := query{op: "fetch https://" + u.Host + u.EscapedPath(), limit: limit, page: true}
	a, err := c.insist(ctx, q, func(ctx context.Context, q query) (answer, error) {
		attempt, cancel := context.WithTimeout(ctx, c.opts.Attempt)
		defer cancel()
		req, err := http.NewRequestWithContext(attempt, http.MethodGet, u.String(), nil)
		if err != nil {
			return answer{}, err
		}
		resp, err := client.Do(req)
		if err != nil {
			if attempt.Err() != nil && ctx.Err() == nil {
				return answer{}, fmt.Errorf("no answer within %s: %w", c.opts.Attempt, err)
			}
			return answer{}, err
		}
		return q.read(resp)
	})
	if err != nil {
		return nil, settled(err)
	}
	return a.body, nil
}

func checkPageRedirect(req *http.Request, via []*http.Request) error {
	if req.URL.Scheme != "https" || req.URL.User != nil {
		return fmt.Errorf("%w: redirect to an address that is not https, or has a user name", errNoRetry)
	}
	req.Header.Del("Referer") // the query of an address may be a secret between it and its server
	return checkRedirect(req, via)
}

// Artifact fetches the only layer of an OCI artifact: an image manifest with one
// layer, of one of mediaTypes and at most limit bytes. Manifest and layer are
// checked against their digests. An artifact of another form, and bytes that do
// not match, are [ErrMalformed]: img names them by digest, so that nothing else
// would do.
func (c *Client) Artifact(ctx context.Context, img image.Pinned, limit int64, mediaTypes ...string) ([]byte, error) {
	body, err := artifact(ctx, c, img, limit, mediaTypes)
	return body, settled(err)
}

func artifact(ctx context.Context, from Asker, img image.Pinned, limit int64, mediaTypes []string) ([]byte, error) {
	m, err := from.Manifest(ctx, img.Ref(), img.Digest())
	if err != nil {
		return nil, err
	}
	layer, err := onlyLayer(m, limit, mediaTypes)
	if err != nil {
		return nil, &Error{Op: "read artifact " + img.String(), Kind: ErrMalformed, Err: err}
	}
	return from.Blob(ctx, img.Ref(), layer)
}

func onlyLayer(m Manifest, limit int64, mediaTypes []string) (ocispec.Descriptor, error) {
	shape := strictjson.Shape{Names: []string{"schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "digest", "size", "subject"}}
	if err := shape.Check(m.Body); err != nil {
		return ocispec.Descriptor{}, errors.New(clip(err.Error()))
	}
	var doc struct {
		ocispec.Manifest
		Manifests json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(m.Body, &doc); err != nil {
		return ocispec.Descriptor{}, errors.New(clip(err.Error()))
	}
	switch {
	case m.MediaType != ocispec.MediaTypeImageManifest || doc.MediaType != "" && doc.MediaType != m.MediaType || doc.Manifests != nil:
		return ocispec.Descriptor{}, fmt.Errorf("its media type is %q, not %s", clip(m.MediaType), ocispec.MediaTypeImageManifest)
	case len(doc.Layers) != 1:
		return ocispec.Descriptor{}, fmt.Errorf("it has %d layers, not one", len(doc.Layers))
	}
	switch layer := doc.Layers[0]; {
	case !slices.Contains(mediaTypes, layer.MediaType):
		return ocispec.Descriptor{}, fmt.Errorf("the media type of its layer is %q, not %q", clip(layer.MediaType), mediaTypes)
	case layer.Size > limit:
		return ocispec.Descriptor{}, fmt.Errorf("%w: its layer has %d bytes, at most %d are read", ErrTooLarge, layer.Size, limit)
	default:
		return layer, nil
	}
}

// settled makes an answer that is not what was asked for by its digest or size
// one that asking again does not change.
func settled(err error) error {
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrTooLarge) {
		return &unfit{err}
	}
	return err
}

// An unfit answer is an error of registries, and ErrMalformed besides.
type unfit struct{ err error }

func (u *unfit) Error() string   { return u.err.Error() }
func (u *unfit) Unwrap() []error { return []error{u.err, ErrMalformed} }
