package handover

import "time"

// imagesLock returns the form for programs: all that is known of what a build
// may use.
func imagesLock() Form {
	return Form{
		Name: "images-lock",
		Doc:  "JSON for programs: each reference with its digest, and whether it was verified or is exempt",
		Files: func(s Set, _ Options) ([]File, error) {
			doc := lockDoc{Version: 1, Images: []lockImage{}}
			for _, e := range s.entries {
				img := lockImage{Reference: e.ref.String(), Digest: e.digest, Pinned: e.pinned(), Verified: e.exempt == nil}
				if x := e.exempt; x != nil {
					img.Exempt = &lockExempt{Owner: x.Owner, Reason: x.Reason}
					if !x.Until.IsZero() {
						img.Exempt.Until = x.Until.UTC().Format(time.RFC3339)
					}
				}
				doc.Images = append(doc.Images, img)
			}
			body, err := document(doc)
			if err != nil {
				return nil, err
			}
			return []File{{Body: body, Check: same(body)}}, nil
		},
	}
}

// A lockDoc is the file. Version is 1 as long as no key changes its meaning or
// goes away; keys may be added. Images are ordered by reference, each once.
type lockDoc struct {
	Version int         `json:"version"`
	Images  []lockImage `json:"images"`
}

// A lockImage is a reference as it was written, with Docker's defaults filled in,
// and what the registry served for it.
type lockImage struct {
	Reference string `json:"reference"`
	Digest    string `json:"digest"` // sha256:, of the index or of the manifest
	Pinned    string `json:"pinned"` // the reference with the digest
	Verified  bool   `json:"verified"`
	// Exempt is there where Verified is false, and says who let the image in
	// although nobody verified it. Its strings are the policy's.
	Exempt *lockExempt `json:"exempt,omitempty"`
}

type lockExempt struct {
	// Until is the first moment at which the exemption no longer holds, in RFC
	// 3339; absent where the publisher does not sign.
	Until  string `json:"until,omitempty"`
	Owner  string `json:"owner,omitempty"`
	Reason string `json:"reason"`
}
