package notation

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/strictjson"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/manifests"
	recent "github.com/boltseal/boltseal/verify/internal/memo"
)

// signatureType is what a signature manifest calls itself, in artifactType or as
// the media type of its config (Notary Project, signature-specification.md,
// "Storage").
const signatureType = "application/vnd.cncf.notary.signature"

const (
	// defaultSignatures is how many signatures of one manifest are examined where
	// nothing is said, as by the notation CLI.
	defaultSignatures = 100
	// mostSignatures bounds what may be said.
	mostSignatures = 256
	// maxEnvelope bounds an envelope, in bytes. Real ones have ten thousand.
	maxEnvelope = 1 << 20
	// maxBytes bounds the envelopes of one manifest, in bytes.
	maxBytes = 16 << 20
	// maxKept bounds what is remembered of one manifest, in bytes. What is larger
	// is fetched again for the next requirement.
	maxKept = 1 << 20
	// maxFetches bounds the requests for one manifest that are under way at once.
	maxFetches = 8
	// keep is how many manifests' findings are remembered, so that several
	// requirements of one image share them. More than images are checked at once.
	keep = 64
)

// A signature is one signature as it was found.
type signature struct {
	storage, source string
	mediaType       string // of the envelope; "" where it is not known
	envelope        []byte

	// Where the signature cannot even be looked at: why.
	reason verify.Reason
	err    error
	lacks  lack
}

// format is how the signature was written.
func (s signature) format() string {
	switch s.mediaType {
	case jwsType:
		return "notation-jws"
	case coseType:
		return "notation-cose"
	}
	return "notation"
}

// A finding is what there is of one manifest. err is set where a question was
// not answered, so that there may be more.
type finding struct {
	once sync.Once
	sigs []signature
	left int // how many signatures were not fetched, being more than asked for
	err  error

	sigstore bool // a referrer is Sigstore's: a signature, or an attestation
}

// A description is a manifest of which media type and size are known.
type description struct {
	once sync.Once
	img  image.Pinned
	err  error
}

// A gatherer finds the signatures of manifests, once for all requirements.
type gatherer struct {
	store     Store
	known     *recent.Memo[finding]
	described *recent.Memo[description]
}

func newGatherer(store Store) *gatherer {
	return &gatherer{store: store, known: recent.New[finding](keep), described: recent.New[description](keep)}
}

// describe returns img with its media type and size.
func (g *gatherer) describe(ctx context.Context, img image.Pinned) (image.Pinned, error) {
	if img.MediaType() != "" && img.Size() > 0 {
		return img, nil
	}
	d := g.described.At(img.String())
	d.once.Do(func() { d.img, d.err = g.store.Describe(ctx, img) })
	if d.err != nil {
		return img, d.err
	}
	return img.Described(d.img.MediaType(), d.img.Children()).Sized(d.img.Size()), nil
}

// find returns what lies in repo about the manifest with the digest, at most so
// many signatures.
func (g *gatherer) find(ctx context.Context, repo image.Ref, digest string, most int) *finding {
	key := fmt.Sprintf("%s@%s %d", repo.Name(), digest, most)
	f := g.known.At(key)
	f.once.Do(func() {
		g.look(ctx, repo, digest, most, f)
		bytes := 0
		for _, s := range f.sigs {
			bytes += len(s.envelope)
		}
		if bytes > maxKept {
			g.known.Forget(key)
		}
	})
	return f
}

// look asks the referrers API, or the fallback tag where there is none (OCI
// distribution-spec, "Listing Referrers"), and fetches what is listed.
func (g *gatherer) look(ctx context.Context, repo image.Ref, digest string, most int, f *finding) {
	list, err := g.store.Referrers(ctx, repo, digest)
	from := signature{storage: "referrer", source: repo.Name() + "@" + digest}
	if errors.Is(err, registry.ErrNoReferrersAPI) {
		tag := strings.Replace(digest, ":", "-", 1)
		from = signature{storage: "fallback-tag", source: repo.Name() + ":" + tag}
		var m registry.Manifest
		if m, err = g.store.Manifest(ctx, repo, tag); errors.Is(err, registry.ErrNotFound) {
			return
		}
		if err == nil {
			if list, err = registry.ParseFallback(m); err != nil && !errors.Is(err, registry.ErrTooMany) {
				f.sigs = []signature{from.unreadable(verify.BadSignature, "list of referrers: %w", err)}
				return
			}
		}
	}
	switch {
	case errors.Is(err, registry.ErrTooMany): // it will be the same the next time
		f.sigs = []signature{from.unreadable(verify.Unsupported, "list of referrers: %w", err)}
	case err != nil:
		f.err = err
	default:
		g.listed(ctx, repo, digest, from.storage, list, most, f)
	}
}

func (s signature) unreadable(reason verify.Reason, format string, args ...any) signature {
	s.reason, s.err = reason, fmt.Errorf(format, args...)
	return s
}

// A referrer is a manifest that was listed: a signature of which the envelope is
// not fetched yet, or none.
type referrer struct {
	sig   signature
	layer ocispec.Descriptor
	is    bool
	err   error

	sigstore bool // it is none, but one of Sigstore's
}

// listed reads the manifests that a list of referrers names: what the list says
// of their type is not reliable, but what is called Sigstore's is no signature of
// Notation. Then it fetches the envelopes.
func (g *gatherer) listed(ctx context.Context, repo image.Ref, digest, storage string, list []ocispec.Descriptor, most int, f *finding) {
	seen := map[string]bool{}
	var read []ocispec.Descriptor
	for _, d := range list {
		switch {
		case sigstores(d.ArtifactType):
			f.sigstore = true
		case !seen[d.Digest.String()]:
			seen[d.Digest.String()] = true
			read = append(read, d)
		}
	}
	all := make([]referrer, len(read))
	var group errgroup.Group
	group.SetLimit(maxFetches)
	for i, d := range read {
		group.Go(func() error {
			m, err := g.store.Manifest(ctx, repo, d.Digest.String())
			if err != nil {
				all[i].err = manifests.Listed(err)
				return nil
			}
			all[i] = readManifest(m, digest, d.ArtifactType == signatureType)
			if !all[i].is {
				all[i].sigstore = ofSigstore(m)
				return nil
			}
			all[i].sig.storage, all[i].sig.source = storage, repo.Name()+"@"+m.Digest
			return nil
		})
	}
	_ = group.Wait() // the errors are in all
	f.sigstore = f.sigstore || slices.ContainsFunc(all, func(r referrer) bool { return r.sigstore })
	g.envelopes(ctx, repo, all, most, f)
}

// sigstores reports whether a media type is one of Sigstore's.
func sigstores(mediaType string) bool {
	return strings.HasPrefix(mediaType, "application/vnd.dev.sigstore.bundle") || strings.HasPrefix(mediaType, "application/vnd.dev.cosign.")
}

// ofSigstore reports whether a manifest that was read is one of Sigstore's,
// whatever the list called it.
func ofSigstore(m registry.Manifest) bool {
	var doc ocispec.Manifest
	if json.Unmarshal(m.Body, &doc) != nil {
		return false
	}
	return sigstores(doc.ArtifactType) || sigstores(doc.Config.MediaType) ||
		slices.ContainsFunc(doc.Layers, func(l ocispec.Descriptor) bool { return sigstores(l.MediaType) })
}

// readManifest reads a signature manifest, which must be about the manifest with
// the digest subject. Announced is whether the registry's list calls it one.
func readManifest(m registry.Manifest, subject string, announced bool) referrer {
	bad := func(reason verify.Reason, format string, args ...any) referrer {
		return referrer{is: true, sig: signature{}.unreadable(reason, "signature manifest: "+format, args...)}
	}
	var doc ocispec.Manifest
	err := json.Unmarshal(m.Body, &doc)
	envelopes := 0
	for _, l := range doc.Layers {
		if l.MediaType == jwsType || l.MediaType == coseType {
			envelopes++
		}
	}
	typed := doc.ArtifactType == signatureType || doc.Config.MediaType == signatureType
	if !typed && !announced && envelopes == 0 && err == nil {
		return referrer{} // an SBOM, say, or a signature of another kind
	}
	shape := strictjson.Shape{Names: []string{"schemaVersion", "mediaType", "artifactType", "config", "layers", "subject", "digest", "size", "annotations"}, Opaque: []string{"annotations"}}
	if err == nil {
		err = shape.Check(m.Body)
	}
	switch {
	case err != nil:
		return bad(verify.BadSignature, "%w", err)
	case doc.MediaType != "" && doc.MediaType != ocispec.MediaTypeImageManifest:
		return bad(verify.Unsupported, "it is a %s; known is %s", quoted(doc.MediaType), ocispec.MediaTypeImageManifest)
	case !typed:
		return bad(verify.BadSignature, "it does not call itself a %s", signatureType)
	case doc.Subject == nil:
		return bad(verify.BadSignature, "it has no subject, so that it is about nothing")
	case doc.Subject.Digest.String() != subject:
		return bad(verify.BadSignature, "it is about %s, not about %s as the list of referrers says", quoted(doc.Subject.Digest.String()), subject)
	case len(doc.Layers) != 1:
		return bad(verify.BadSignature, "it has %d layers, and needs one, the envelope", len(doc.Layers))
	}
	l := doc.Layers[0]
	switch {
	case envelopes == 0:
		return bad(verify.Unsupported, "its envelope is a %s; known are %s and %s", quoted(l.MediaType), jwsType, coseType)
	case !image.ValidDigest(l.Digest.String()) || l.Size <= 0:
		return bad(verify.BadSignature, "its envelope of %d bytes with the digest %s cannot be read", l.Size, quoted(l.Digest.String()))
	case l.Size > maxEnvelope:
		return bad(verify.Unsupported, "its envelope has %d bytes, at most %d are read", l.Size, maxEnvelope)
	}
	return referrer{is: true, layer: l, sig: signature{mediaType: l.MediaType}}
}

// envelopes fetches the first of the envelopes, each once: signatures that refer
// to the same are one. It puts the signatures into f.
func (g *gatherer) envelopes(ctx context.Context, repo image.Ref, all []referrer, most int, f *finding) {
	var errs []error
	var chosen []referrer
	known := map[string]bool{}
	for _, r := range all {
		// With another size it is another question, which is answered by an error.
		key := fmt.Sprintf("%s %s %d", r.layer.MediaType, r.layer.Digest, r.layer.Size)
		switch {
		case r.err != nil:
			errs = append(errs, r.err)
			continue
		case !r.is, r.sig.err == nil && known[key]:
			continue
		case len(chosen) == most:
			f.left++
			continue
		}
		if r.sig.err == nil {
			known[key] = true
		}
		chosen = append(chosen, r)
	}
	omit(chosen)
	var group errgroup.Group
	group.SetLimit(maxFetches)
	for i := range chosen {
		r := &chosen[i]
		if r.sig.err != nil {
			continue
		}
		group.Go(func() error {
			body, err := g.store.Blob(ctx, repo, r.layer)
			r.sig.envelope, r.err = body, manifests.Listed(err)
			return nil
		})
	}
	_ = group.Wait() // the errors are in chosen
	for _, r := range chosen {
		if r.err != nil {
			errs = append(errs, r.err)
			continue
		}
		f.sigs = append(f.sigs, r.sig)
	}
	f.err = errors.Join(errs...)
}

// omit leaves out the largest envelopes where all have more than maxBytes
// together: whoever may push cannot have large ones take the place of others.
// What is left out may be the signature that is wanted.
func omit(chosen []referrer) {
	smallest := make([]*referrer, len(chosen))
	for i := range chosen {
		smallest[i] = &chosen[i]
	}
	slices.SortStableFunc(smallest, func(a, b *referrer) int { return cmp.Compare(a.layer.Size, b.layer.Size) })
	total := int64(0)
	for _, r := range smallest {
		if r.sig.err != nil {
			continue
		}
		if total += r.layer.Size; total > maxBytes {
			r.sig = r.sig.unreadable(verify.Unavailable, "its envelope of %d bytes was not read: %d MiB of smaller ones are read, and no more", r.layer.Size, maxBytes>>20)
			r.sig.lacks = aPlace
		}
	}
}
