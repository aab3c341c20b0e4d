package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
)

const (
	// maxReferrers bounds how many referrers of one manifest are read. Who may
	// push to a repository may add any number of them.
	maxReferrers     = 256
	maxReferrerPages = 16
)

// ErrNoReferrersAPI says that the registry has no referrers API, so that the
// fallback tag has to be asked (OCI distribution-spec, "Unavailable Referrers
// API").
var ErrNoReferrersAPI = errors.New("registry has no referrers API")

// Referrers lists the manifests whose subject is digest, from the referrers
// API. It does not filter by artifactType: GHCR and others report a wrong one.
// The error is ErrNoReferrersAPI where the registry has no such API, and only
// there.
func (c *Client) Referrers(ctx context.Context, repo image.Ref, digest string) ([]ocispec.Descriptor, error) {
	path := "referrers/" + digest
	var found []ocispec.Descriptor
	for n := range maxReferrerPages {
		q := query{op: referrersOp(repo, digest), at: placeOf(repo), path: path, limit: maxManifest, accept: []string{ocispec.MediaTypeImageIndex}}
		a, err := c.get(ctx, q)
		if err != nil {
			if n == 0 && noAPI(err) {
				return nil, ErrNoReferrersAPI
			}
			return nil, err
		}
		// Web front ends answer unknown paths with 200 and a page.
		if t := mediaType(a); n == 0 && t != "" && t != ocispec.MediaTypeImageIndex {
			return nil, ErrNoReferrersAPI
		}
		page, err := parseIndex(a.body)
		if errors.Is(err, ErrTooMany) {
			return nil, q.corrupt(err)
		}
		if err != nil {
			return nil, q.corrupt(fmt.Errorf("%w: %w", ErrCorrupt, err))
		}
		found = append(found, page.Manifests...)
		if len(found) > maxReferrers {
			return nil, q.corrupt(fmt.Errorf("%w: more than %d referrers", ErrTooMany, maxReferrers))
		}
		path, err = nextPage(a, q.at.path())
		switch {
		case err != nil:
			return nil, q.corrupt(err)
		case path == "":
			return found, nil
		}
	}
	return nil, &Error{Op: referrersOp(repo, digest), Kind: ErrUnavailable, Err: fmt.Errorf("%w: more than %d pages", ErrTooMany, maxReferrerPages)}
}

func referrersOp(repo image.Ref, digest string) string {
	return "list referrers of " + repo.Name() + "@" + clip(digest)
}

// ParseFallback reads the index behind the tag "sha256-<hex>", in which clients
// keep referrers where the registry has no API for them. Its bytes are only as
// good as the tag, so each manifest it lists must be read by digest.
func ParseFallback(m Manifest) ([]ocispec.Descriptor, error) {
	index, err := parseIndex(m.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if len(index.Manifests) > maxReferrers {
		return nil, fmt.Errorf("%w: more than %d referrers", ErrTooMany, maxReferrers)
	}
	return index.Manifests, nil
}

// noAPI reports whether the registry does not know the request, as opposed to
// refusing or failing to answer it.
func noAPI(err error) bool {
	e := (*Error)(nil)
	if !errors.As(err, &e) || errors.Is(err, errAuthenticating) {
		return false
	}
	switch e.Status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented:
		return true
	case http.StatusBadRequest:
		return strings.HasPrefix(e.Detail, "UNSUPPORTED")
	}
	return false
}

// nextPage returns what follows prefix in the target of the Link header with
// rel="next" (RFC 8288), "" where there is none. Everything behind the
// repository's own prefix is the registry's to choose; another host or
// repository is not.
func nextPage(a answer, prefix string) (string, error) {
	target, params, ok := strings.Cut(a.header.Get("Link"), ">")
	if !ok || !strings.HasPrefix(target, "<") || !(strings.Contains(params, `rel="next"`) || strings.HasSuffix(params, "rel=next")) {
		return "", nil
	}
	next, err := a.url.Parse(target[1:])
	if err != nil || !sameOrigin(a.url, next) || !strings.HasPrefix(next.EscapedPath(), prefix+"referrers/") || strings.Contains(next.Path, "..") {
		return "", fmt.Errorf("%w: the next page is outside the repository", ErrCorrupt)
	}
	return strings.TrimPrefix(next.RequestURI(), prefix), nil
}
