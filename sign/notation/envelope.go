package notation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/notaryproject/notation-core-go/signature/cose"
	"github.com/notaryproject/notation-core-go/signature/jws"
	"github.com/notaryproject/notation-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/legible"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/verify"
	vnot "github.com/boltseal/boltseal/verify/notation"
)

// How a signature is stored (signature-specification.md, "Storage").
const (
	artifactType         = "application/vnd.cncf.notary.signature"
	annotationThumbprint = "io.cncf.notary.x509chain.thumbprint#S256"
)

// Bounds of user metadata: whoever verifies a signature reads it whole.
const (
	maxMetadata      = 64
	maxMetadataBytes = 32 << 10
)

// reserved is what keys of user metadata do not begin with (notation-go,
// addUserMetadataToDescriptor).
const reserved = "io.cncf.notary"

// CheckMetadata returns an error unless m can be the user metadata of a signature:
// at most 64 values, 32 KiB with their keys; UTF-8; no key that is empty or
// begins with "io.cncf.notary", which is reserved.
func CheckMetadata(m map[string]string) error {
	wrong := func(hint, format string, a ...any) error {
		return &verify.Error{Op: "sign user metadata", Err: order.Refused(verify.Unsupported, format, a...), Hint: hint}
	}
	size := 0
	for k, v := range m {
		size += len(k) + len(v)
		switch shown := legible.Text(k, 100); {
		case k == "":
			return wrong("write KEY=VALUE", "a key is empty")
		case strings.HasPrefix(k, reserved):
			return wrong("take another key", "the key %q begins with %q, which is reserved", shown, reserved)
		case !utf8.ValidString(k), !utf8.ValidString(v): // JSON has no other text
			return wrong("write it as UTF-8", "that of the key %q is not UTF-8", shown)
		}
	}
	if len(m) > maxMetadata || size > maxMetadataBytes {
		return wrong("sign less", "there are more than %d values, or more than %d KiB", maxMetadata, maxMetadataBytes>>10)
	}
	return nil
}

// A sealed is an envelope that is not stored yet.
type sealed struct {
	envelope    []byte
	mediaType   string
	chain       []*x509.Certificate
	signedAt    time.Time         // as the signer says
	annotations map[string]string // of a plugin
}

// mediaType returns that of the envelopes of a format.
func mediaType(f sign.Format) string {
	if f == sign.COSE {
		return cose.MediaTypeEnvelope
	}
	return jws.MediaTypeEnvelope
}

// seal makes the envelope of an item, and checks it with the code that reads
// stored ones.
func (w *work) seal(ctx context.Context, it *item) error {
	o := notation.SignerSignOptions{SignatureMediaType: mediaType(it.format), ExpiryDuration: w.opts.Expiry}
	if w.stamper != nil {
		o.Timestamper, o.TSARootCAs = &stamping{stamper: w.stamper}, w.stamper.pool
	}
	begun := w.opts.Now()
	var err error
	if it.sealed, err = w.opts.Key.seal(ctx, target{w.m.Subject, w.Order.Annotations}, o); err != nil {
		return err
	}
	made, err := w.session().Check(ctx, w.accepts, w.described(), it.sealed.mediaType, it.sealed.envelope)
	leaf := w.opts.Key.leaf()
	switch {
	case err != nil:
	case !leaf.Equal(made.Leaf):
		err = order.Refused(verify.WrongSigner, "it is signed with the certificate of %s (SHA-256 %s), not with that of %s (%s)", titled(made.Leaf), thumbprint(made.Leaf), titled(leaf), thumbprint(leaf))
	case !w.is(made, it):
		err = order.Refused(verify.BadSignature, "it does not say what it was to say")
	case !w.timely(begun, it.sealed.signedAt):
		err = order.Refused(verify.BadSignature, "it says that it was made at %s, which is not now", it.sealed.signedAt.UTC().Format(time.RFC3339))
	case !w.asOrdered(made, it.sealed.signedAt):
		err = order.Refused(verify.BadSignature, "it does not expire when it was to")
	}
	if err != nil {
		return &verify.Error{
			Op: "check the new " + it.String(), Err: err,
			Hint: w.opts.Key.advice(hintOf(err, "nothing was pushed; look whether the clock is right")),
		}
	}
	return nil
}

// is reports whether m is the item, whoever stored it: by the same certificate, in
// the same format, with the same user metadata.
func (w *work) is(m vnot.Made, it *item) bool {
	return w.opts.Key.leaf().Equal(m.Leaf) &&
		m.Evidence.System == vnot.System && m.Evidence.Format == "notation-"+string(it.format) &&
		maps.Equal(m.Metadata, w.Order.Annotations)
}

// maxSkew is how far the clock of a plugin, or of its service, may be from ours.
const maxSkew = 5 * time.Minute

// timely reports whether what a plugin has made since begun says so of itself.
// Otherwise its own expiry, which is measured from there, would bound nothing.
func (w *work) timely(begun, signedAt time.Time) bool {
	return !w.opts.Key.plugin.makesEnvelopes() ||
		!signedAt.Before(begun.Add(-maxSkew)) && !signedAt.After(w.opts.Now().Add(maxSkew))
}

// asOrdered reports whether m, of the given time, expires as the Options say.
func (w *work) asOrdered(m vnot.Made, signedAt time.Time) bool {
	switch d := w.opts.Expiry; {
	case d == 0:
		return m.Expiry.IsZero() || w.opts.Key.plugin.makesEnvelopes()
	case w.opts.Key.plugin.makesEnvelopes(): // it may know better, but not longer
		return !m.Expiry.IsZero() && !m.Expiry.After(signedAt.Add(d+time.Second))
	default:
		return m.Expiry.Equal(signedAt.Add(d))
	}
}

// lasts reports whether m, which is there already, saves making another one: see
// Options.Expiry.
func (w *work) lasts(m vnot.Made) bool {
	d, now := w.opts.Expiry, w.opts.Now()
	if d == 0 {
		return m.Expiry.IsZero() || w.opts.Key.plugin.makesEnvelopes() && m.Expiry.After(now)
	}
	skew := time.Duration(0)
	if w.opts.Key.plugin.makesEnvelopes() { // or it would be made again until our clock is there
		skew = maxSkew
	}
	return !m.Expiry.After(now.Add(d+skew)) && !m.Expiry.Before(now.Add(d/2)) // the zero time is before
}

// look decides every item that is there already.
func (w *work) look(ctx context.Context) error {
	made, err := w.made(ctx)
	for it := range w.left() {
		for _, m := range made {
			if w.is(m, it) && w.lasts(m) {
				it.made, it.existed, it.err = m, true, nil
				break
			}
		}
	}
	return err
}

// made returns the sound signatures with the chain of the Key that are there.
func (w *work) made(ctx context.Context) (made []vnot.Made, err error) {
	err = w.Slot(ctx, func() error {
		made, err = w.session().Made(ctx, w.accepts, w.described())
		return err
	})
	return made, err
}

// described is the manifest with what is known of it since it was read: an
// envelope says its size and media type, too.
func (w *work) described() image.Pinned {
	return w.m.Image.Described(w.m.Subject.MediaType, nil).Sized(w.m.Subject.Size)
}

// back decides every item that was pushed: it is there if a new Session, which
// knows nothing of the run, finds and verifies exactly what was written.
func (w *work) back(ctx context.Context) error {
	made, err := w.made(ctx)
	for it := range w.left() {
		for _, m := range made {
			if m.Evidence.Source == it.source && bytes.Equal(m.Envelope, it.sealed.envelope) && w.is(m, it) {
				it.made, it.err = m, nil
				break
			}
		}
	}
	return err
}

// missing is the error of an item that was pushed, and not found to be there; nil
// if it is there by now. Only what the registry really does not list is the
// registry's fault.
func (w *work) missing(ctx context.Context, it *item) error {
	op := "read back the " + it.String()
	list, err := w.referrers(ctx)
	if err != nil {
		return &verify.Error{Op: op, Err: err, Hint: "run it again"}
	}
	repo := w.Home(w.m.Image)
	for _, d := range list {
		if repo.Name()+"@"+d.Digest.String() == it.source {
			if err := w.back(ctx); it.err == nil || err != nil {
				return err
			}
			return &verify.Error{
				Op: op, Err: order.Refused(verify.Unavailable, "it is listed as %s, and was not reached among what else refers to the image", it.source),
				Hint: "remove what refers to the image and does not belong there (`oras discover " + w.m.Image.String() + "` lists it): whoever verifies the image is in the same position",
			}
		}
	}
	return order.NotListed(it.String(), it.source)
}

// referrers returns what the registry lists about the manifest, by its referrers
// API or the fallback tag.
func (w *work) referrers(ctx context.Context) (list []ocispec.Descriptor, err error) {
	repo, digest := w.Home(w.m.Image), w.m.Image.Digest()
	err = w.Slot(ctx, func() error {
		list, err = w.opts.Store.Referrers(ctx, repo, digest)
		if !errors.Is(err, registry.ErrNoReferrersAPI) {
			return err
		}
		m, err := w.opts.Store.Manifest(ctx, repo, strings.Replace(digest, ":", "-", 1))
		if errors.Is(err, registry.ErrNotFound) {
			return nil
		}
		if err == nil {
			list, err = registry.ParseFallback(m)
		}
		return err
	})
	return list, err
}

// attach pushes the envelope of an item, as notation does (notation-go,
// registry.Repository.PushSignature). The manifest follows from the envelope, so
// that to push it again changes nothing.
func (w *work) attach(ctx context.Context, it *item) error {
	annotations := maps.Clone(it.sealed.annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	var prints []string
	for _, c := range it.sealed.chain {
		prints = append(prints, thumbprint(c))
	}
	list, err := json.Marshal(prints)
	if err != nil {
		return err
	}
	annotations[annotationThumbprint] = string(list)
	annotations[ocispec.AnnotationCreated] = it.sealed.signedAt.UTC().Format(time.RFC3339)
	repo := w.Home(w.m.Image)
	digest, _, err := w.opts.Store.Attach(ctx, repo, w.m.Subject, registry.Attachment{
		ArtifactType: artifactType, TypeInConfig: true,
		Layers:      []registry.Layer{{MediaType: it.sealed.mediaType, Body: it.sealed.envelope}},
		Annotations: annotations,
	})
	if err != nil {
		return registry.Explain("push the signature of "+w.m.Image.String(), repo.Registry(), err)
	}
	it.source = repo.Name() + "@" + digest
	return nil
}

// thumbprint returns the SHA-256 of a certificate in hex.
func thumbprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}
