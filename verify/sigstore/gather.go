package sigstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
	"github.com/boltseal/boltseal/verify/internal/manifests"
	"github.com/boltseal/boltseal/verify/internal/memo"
)

// A Store is where signatures lie. *registry.Client is one.
type Store interface {
	Manifest(ctx context.Context, repo image.Ref, reference string) (registry.Manifest, error)
	Referrers(ctx context.Context, repo image.Ref, digest string) ([]ocispec.Descriptor, error)
	Blob(ctx context.Context, repo image.Ref, d ocispec.Descriptor) ([]byte, error)
	Describe(ctx context.Context, img image.Pinned) (image.Pinned, error)
}

// A place is where signatures of a manifest may lie.
type place int

const (
	sigTag       place = iota // tag sha256-<hex>.sig
	attTag                    // tag sha256-<hex>.att
	referrers                 // referrers API; the fallback tag where there is none
	allReferrers              // the same, and the fallback tag where the API lists nothing
	fallback                  // fallback tag sha256-<hex>
)

const (
	// maxSignatures bounds the signatures that one place holds for one image;
	// distroless images carry a few dozen after years of signing again. Whoever
	// may push could add any number.
	maxSignatures = 256
	// maxBytes bounds what is fetched from one place for one image, in bytes:
	// two attestations of the largest kind.
	maxBytes = 64 << 20
	// maxKept bounds what is remembered of one place, in bytes. What is larger
	// is fetched again for the next requirement.
	maxKept = 1 << 20
	// maxFetches bounds the requests for one image that are under way at once.
	maxFetches = 8
	// keep is how many images' findings are remembered, so that several
	// requirements of one image share them. More than images are checked at once.
	keep = 64
)

// A gatherer finds the signatures of manifests, once for all requirements.
type gatherer struct {
	store Store
	repo  image.Ref // where signatures lie, if not beside the image

	known *memo.Memo[findings]
}

// Findings are what one place holds. err is set where a question was not
// answered, so that there may be more.
type findings struct {
	once sync.Once
	sigs []signature
	err  error
}

// A budget bounds what one look at one place may fetch.
type budget struct {
	mu         sync.Mutex
	signatures int
	bytes      int64
}

// take reports whether l is still within the budget.
func (b *budget) take(l ocispec.Descriptor) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.signatures++
	b.bytes += max(l.Size, 0)
	return b.signatures <= maxSignatures && b.bytes <= maxBytes
}

// errBudget says that a budget was used up. It is a registry.ErrTooMany.
type errBudget struct{}

func (errBudget) Error() string {
	return fmt.Sprintf("there are more than %d signatures or %d MiB of them; the rest was not looked at", maxSignatures, maxBytes>>20)
}

func (errBudget) Unwrap() error { return registry.ErrTooMany }

func newGatherer(store Store, repo image.Ref) *gatherer {
	return &gatherer{store: store, repo: repo, known: memo.New[findings](keep * 3)} // three places an image
}

// at returns what the place holds for img's digest. Findings are remembered,
// unless again asks for a second look.
func (g *gatherer) at(ctx context.Context, img image.Pinned, where place, again bool) ([]signature, error) {
	repo := img.Ref()
	if !g.repo.IsZero() {
		repo = g.repo
	}
	f, key := &findings{}, fmt.Sprintf("%s@%s %d", repo.Name(), img.Digest(), where)
	if !again {
		f = g.known.At(key)
	}
	f.once.Do(func() {
		b := &budget{}
		f.sigs, f.err = g.look(ctx, repo, img.Digest(), where, b)
		if b.bytes > maxKept {
			g.known.Forget(key)
		}
	})
	return f.sigs, f.err
}

func (g *gatherer) look(ctx context.Context, repo image.Ref, digest string, where place, b *budget) ([]signature, error) {
	tag := strings.Replace(digest, ":", "-", 1)
	switch where {
	case sigTag:
		return g.tagged(ctx, repo, tag+".sig", "sig-tag", b)
	case attTag:
		return g.tagged(ctx, repo, tag+".att", "att-tag", b)
	case referrers, allReferrers:
		list, err := g.store.Referrers(ctx, repo, digest)
		if errors.Is(err, registry.ErrNoReferrersAPI) || err == nil && len(list) == 0 && where == allReferrers {
			return g.look(ctx, repo, digest, fallback, b)
		}
		if errors.Is(err, registry.ErrTooMany) {
			s := signature{format: "unknown", storage: "referrer", source: repo.Name() + "@" + digest}
			return []signature{unreadable(s, verify.Unsupported, err)}, nil
		}
		if err != nil {
			return nil, err
		}
		return g.listed(ctx, repo, list, "referrer", b)
	case fallback:
		m, err := g.store.Manifest(ctx, repo, tag)
		if errors.Is(err, registry.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		list, err := registry.ParseFallback(m)
		if err != nil {
			s := signature{format: "unknown", storage: "fallback-tag", source: repo.Name() + ":" + tag}
			return []signature{unreadable(s, verify.BadSignature, err)}, nil
		}
		return g.listed(ctx, repo, list, "fallback-tag", b)
	}
	return nil, fmt.Errorf("no such place: %d", where)
}

// tagged reads a signature manifest in cosign's older format.
func (g *gatherer) tagged(ctx context.Context, repo image.Ref, tag, storage string, b *budget) ([]signature, error) {
	m, err := g.store.Manifest(ctx, repo, tag)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return g.layers(ctx, repo, m, signature{storage: storage, source: repo.Name() + ":" + tag}, b)
}

// listed reads the manifests that a list of referrers names, all of them: what
// the list says of their type is not reliable.
func (g *gatherer) listed(ctx context.Context, repo image.Ref, list []ocispec.Descriptor, storage string, b *budget) ([]signature, error) {
	found := make([][]signature, len(list))
	failed := make([]error, len(list))
	var group errgroup.Group
	group.SetLimit(maxFetches)
	for i, d := range list {
		group.Go(func() error {
			m, err := g.store.Manifest(ctx, repo, d.Digest.String())
			if err != nil {
				failed[i] = manifests.Listed(err)
				return nil
			}
			found[i], failed[i] = g.layers(ctx, repo, m, signature{storage: storage, source: repo.Name() + "@" + m.Digest}, b)
			return nil
		})
	}
	_ = group.Wait() // the errors are in failed
	var all []signature
	for _, f := range found {
		all = append(all, f...)
	}
	return all, errors.Join(failed...)
}

// notationType is what a signature manifest of the Notary Project calls itself.
const notationType = "application/vnd.cncf.notary.signature"

// layers reads the signatures in one manifest. A manifest of another kind, such
// as an SBOM, holds none. A Notary Project signature is returned as such.
func (g *gatherer) layers(ctx context.Context, repo image.Ref, m registry.Manifest, from signature, b *budget) ([]signature, error) {
	var doc ocispec.Manifest
	if err := json.Unmarshal(m.Body, &doc); err != nil {
		from.format = "unknown"
		return []signature{unreadable(from, verify.BadSignature, fmt.Errorf("signature manifest: %w", err))}, nil
	}
	tagged := from.storage == "sig-tag" || from.storage == "att-tag"
	var layers []ocispec.Descriptor
	for _, l := range doc.Layers {
		if tagged || l.MediaType == simpleSigningType || l.MediaType == envelopeType || isBundle(l) {
			layers = append(layers, l)
		}
	}
	if len(layers) == 0 && (doc.ArtifactType == notationType || doc.Config.MediaType == notationType) && !tagged {
		from.notation = true
		return []signature{from}, nil
	}
	if len(layers) == 0 && (tagged || announced(doc)) {
		from.format = "unknown"
		return []signature{unreadable(from, verify.BadSignature, errors.New("signature manifest holds no signature"))}, nil
	}
	// What is wrong with a manifest that is what was asked for is an answer, not
	// the lack of one: it will be the same the next time.
	var found []signature
	var fetch []ocispec.Descriptor
	for _, l := range layers {
		if !b.take(l) {
			found = append(found, unreadable(from, verify.Unsupported, errBudget{}))
			break
		}
		if !image.ValidDigest(l.Digest.String()) || l.Size < 0 || l.Size > registry.MaxBlob {
			found = append(found, unreadable(from, verify.BadSignature, fmt.Errorf("signature layer of %d bytes with the digest %q cannot be read", l.Size, hostile.Clip(l.Digest.String()))))
			continue
		}
		fetch = append(fetch, l)
	}
	blobs, err := g.blobs(ctx, repo, fetch)
	for _, l := range fetch {
		if body, ok := blobs[l.Digest.String()]; ok { // else err says why
			from.layer, from.beside, from.blob = l, len(doc.Layers)-1, body
			found = append(found, from)
		}
	}
	return found, err
}

// announced reports whether a manifest calls itself one of cosign's, so that it
// is damaged if it holds nothing of cosign's.
func announced(m ocispec.Manifest) bool {
	for _, t := range []string{m.ArtifactType, m.Config.MediaType} {
		if strings.HasPrefix(t, bundleTypePrefix) || strings.HasPrefix(t, "application/vnd.dev.cosign.") {
			return true
		}
	}
	return false
}

func isBundle(l ocispec.Descriptor) bool { return strings.HasPrefix(l.MediaType, bundleTypePrefix) }

// blobs fetches each distinct blob of layers once: signatures that were made
// again share their payload.
func (g *gatherer) blobs(ctx context.Context, repo image.Ref, layers []ocispec.Descriptor) (map[string][]byte, error) {
	distinct := map[string]ocispec.Descriptor{}
	for _, l := range layers {
		distinct[l.Digest.String()] = l
	}
	var (
		mu     sync.Mutex
		got    = map[string][]byte{}
		failed []error
		group  errgroup.Group
	)
	group.SetLimit(maxFetches)
	for digest, l := range distinct {
		group.Go(func() error {
			body, err := g.store.Blob(ctx, repo, l)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = append(failed, manifests.Listed(err))
			} else {
				got[digest] = body
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in failed
	return got, errors.Join(failed...)
}
