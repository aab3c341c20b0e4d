package registry

import (
	"context"
	"net/http"
	"net/url"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
)

// Describe is describe, for the fuzz tests.
func Describe(img image.Pinned, m Manifest) (image.Pinned, error) { return describe(img, m) }

// NextPage is nextPage of an answer from page with the given Link header.
func NextPage(page *url.URL, link, prefix string) (string, error) {
	return nextPage(answer{url: page, header: http.Header{"Link": {link}}}, prefix)
}

// AppendReferrer is appendReferrer, for the fuzz tests.
func AppendReferrer(index Manifest, entry ocispec.Descriptor) ([]byte, error) {
	return appendReferrer(index, entry)
}

// Rewinding is what is below everything that repeats a request.
func Rewinding(inner http.RoundTripper) http.RoundTripper { return rewinding{inner} }

// Pushing returns e as it is where something was to be pushed.
func Pushing(e *Error) *Error {
	e.push = true
	return e
}

// Scrub is scrub, for the fuzz tests.
func Scrub(err error) error { return scrub(err, &shown{}) }

// Remembered returns how many secrets a request with an Authorization header leaves
// to be looked for in what a server says.
func Remembered(authorization string) int {
	s := &shown{}
	req := (&http.Request{Header: http.Header{"Authorization": {authorization}}}).WithContext(remembering(context.Background(), s))
	rememberRequest(req)
	return len(s.secrets)
}
