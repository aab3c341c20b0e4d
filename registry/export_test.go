package registry

import (
	"net/http"
	"net/url"

	"github.com/boltseal/boltseal/image"
)

// Describe is describe, for the fuzz tests.
func Describe(img image.Pinned, m Manifest) (image.Pinned, error) { return describe(img, m) }

// NextPage is nextPage of an answer from page with the given Link header.
func NextPage(page *url.URL, link, prefix string) (string, error) {
	return nextPage(answer{url: page, header: http.Header{"Link": {link}}}, prefix)
}

// Scrub is scrub, for the fuzz tests.
func Scrub(err error) error { return scrub(err) }
