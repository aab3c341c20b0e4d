package sigstore

import (
	"bytes"
	"context"
	"encoding/json"

	sgsign "github.com/sigstore/sigstore-go/pkg/sign"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/verify"
	vsig "github.com/boltseal/boltseal/verify/sigstore"
)

// SignBlob returns a bundle that signs content: the content itself, or, where
// inToto says so, the in-toto statement that it is. It is verified before it is
// returned.
func (s *Signer) SignBlob(ctx context.Context, content []byte, inToto bool) (bundle []byte, err error) {
	who, err := s.desk.who(ctx)
	if err != nil {
		return nil, err
	}
	about := vsig.Artifact{Content: bytes.NewReader(content)}
	var what sgsign.Content = &sgsign.PlainData{Data: content}
	if inToto {
		var st struct {
			Subject []struct{ Digest map[string]string }
		}
		if err := json.Unmarshal(content, &st); err != nil {
			return nil, &verify.Error{Op: "read the statement", Err: err, Hint: "give an in-toto statement as JSON"}
		}
		if len(st.Subject) > 0 {
			about = vsig.Artifact{Digest: "sha256:" + st.Subject[0].Digest["sha256"]}
		}
		if !image.ValidDigest(about.Digest) {
			return nil, &verify.Error{Op: "read the statement", Err: order.Refused(verify.Unsupported, "its first subject has no sha256 digest"), Hint: "give an in-toto statement about something"}
		}
		what = &sgsign.DSSEData{Data: content, PayloadType: inTotoType}
	}
	services, err := s.services(ctx, sign.Bundle)
	if err != nil {
		return nil, err
	}
	b, err := s.signing.seal(ctx, what, who.key, who.cert, services)
	if err != nil {
		return nil, err
	}
	_, body, err := storeBundle(b)
	if err == nil {
		_, err = vsig.CheckBundle(ctx, body, who.config, about)
	}
	if err != nil {
		return nil, &verify.Error{
			Op: "check the new bundle", Err: err,
			Hint: "see to it that the signing config and the trusted root are of one Sigstore instance, and that the clock is right",
		}
	}
	return body, nil
}
