package scanreport

import (
	"errors"

	"github.com/boltseal/boltseal/image"
)

// ErrOther says that a report is about another image.
var ErrOther = errors.New("the scan report is about another image")

// A Subject is the image that a report has to be about.
type Subject struct {
	Ref      image.Ref // as it was asked for; may be without a tag
	Digest   string    // of the manifest or the index
	Children []string  // digests of the platform manifests that the index lists, without attestation manifests
	Configs  []string  // digests of the configs of the manifest, or of the children
}

// A Match says how a report and an image belong together. The zero Match is one
// of a report that does not say which image it is about.
type Match struct {
	Known   bool   // the report names a digest of the image
	Digest  string // which; "" unless Known
	Warning string // what a person should know, printable; "" for nothing
}

// about is what a report says of the image that was scanned.
type about struct {
	ids     []string // digests of the content: of the config, or whatever its store calls the image by
	digests []string // digests of manifests or indexes
	names   []string // names without a digest
}

// About compares what the report says of the image that was scanned with an
// image. Where the report has digests and they are others the error is a
// [*verify.Error] of [ErrOther], likewise where it has names only and they are of
// other repositories or tags.
func (r Report) About(s Subject) (Match, error) {
	return Match{}, ErrOther
}
