// Package dct signs images by Docker Content Trust: with the key of a delegation it
// adds tags, and what they are, to the trust data of a Notary (v1) server, and
// takes them out again.
//
// A run reads the collection and verifies it by its root first, changes no file but
// those of delegations that the key may sign, looks at what it has made before it
// is published, and records only what it has read back and verified. Nothing is
// written to disk. Root, targets, snapshot and timestamp are never signed here.
package dct

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/verify"
	vdct "github.com/boltseal/boltseal/verify/dct"
)

// A Store is where manifests and trust data are read, and trust data published.
// *registry.Client is one.
type Store interface {
	vdct.Store
	Manifest(ctx context.Context, repo image.Ref, reference string) (registry.Manifest, error)
	PublishTrustData(ctx context.Context, server registry.TrustServer, gun string, files map[string][]byte) error
}

var _ Store = (*registry.Client)(nil)

// Options say who signs, and in which collections.
type Options struct {
	Store Store
	Key   *Key
	// Config says by which roots a collection is believed, and which server has it.
	// Its Signers are none: the Key says whose signatures are made.
	Config vdct.Config
	Now    func() time.Time
	// Sleep waits before a second look; nil means until d has passed or ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
	// Cache is a folder that remembers what was seen of collections, so that a
	// server cannot show older ones; "" for none.
	Cache string
	// Jobs bounds how many requests for manifests, and how many collections, are
	// worked on at once; 0 means 16.
	Jobs int
	// Done, if set, is told how many of the Order's images are finished. It is
	// called by one goroutine at a time.
	Done func(done, of int)
}

// A Signer signs and revokes as its Options say.
type Signer struct{ opts Options }

// New returns a Signer. It refuses Options that could sign nothing, and a Config
// that believes nobody, or has required signers.
func New(o Options) (*Signer, error) {
	switch {
	case o.Store == nil:
		return nil, errors.New("no server to publish to")
	case o.Key.ID() == "":
		return nil, errors.New("nobody signs")
	case o.Now == nil:
		return nil, errors.New("no clock")
	case o.Jobs < 0:
		return nil, fmt.Errorf("%d jobs", o.Jobs)
	case len(o.Config.Signers) > 0:
		return nil, &verify.Error{Op: "sign by Docker Content Trust", Err: order.Refused(verify.Unsupported, "signers are required, and the key says who signs"), Hint: "leave the signers out"}
	}
	if o.Jobs == 0 {
		o.Jobs = order.DefaultJobs
	}
	if o.Sleep == nil {
		o.Sleep = order.Sleep
	}
	if _, err := vdct.NewSession(o.Store, o.Cache).Require(o.Config); err != nil {
		return nil, err
	}
	return &Signer{o}, nil
}

// An item is one image of an Order.
type item struct {
	img     image.Pinned
	mark    mark
	roles   []string // that sign it
	added   bool     // to one of them in this run
	records []sign.Record
	err     error // not nil: there are no records
}

// Sign does what is ordered: the tag of each image gets its digest in all
// delegations of the Key directly below targets, and targets/releases has to be
// among them, or to say the same already. Images of one repository are published
// together. Attestations, annotations, other formats and Recursive are refused, and
// so are images without a tag, and those whose tag the registry has moved. What the
// Result does not record is not signed, or was not found to be, and is among its
// Failures.
//
// What is signed already is recorded as it is, unless the Order says Force, which
// signs anew, for as long as a new signature lasts.
func (s *Signer) Sign(ctx context.Context, o sign.Order) sign.Result {
	if err := takes(o); err != nil {
		return order.Failed(o, err)
	}
	r := &run{Signer: s, order: o, slots: make(chan struct{}, s.opts.Jobs)}
	items := make([]*item, len(o.Images))
	groups := map[string][]*item{}
	for i, img := range o.Images {
		it := &item{img: img, mark: mark{tag: img.Ref().Tag(), digest: img.Digest()}, err: order.ErrUndone}
		items[i] = it
		gun := vdct.GUN(img.Ref())
		groups[gun] = append(groups[gun], it)
	}
	var wg sync.WaitGroup
	for _, group := range groups {
		wg.Go(func() { r.repository(ctx, group) })
	}
	wg.Wait()
	var result sign.Result
	for _, it := range items {
		if it.err != nil {
			one := sign.Order{Images: []image.Pinned{it.img}}
			result.Failures = append(result.Failures, order.Failed(one, it.err).Failures...)
			continue
		}
		result.Records = append(result.Records, it.records...)
	}
	return result
}

// takes refuses what trust data have no place for.
func takes(o sign.Order) error {
	for _, f := range o.Formats {
		if f != sign.NotaryV1 {
			return order.Refused(verify.Unsupported, "format %.100q is not %q", f, sign.NotaryV1)
		}
	}
	no := func(what string) error {
		return &verify.Error{
			Op: "sign by Docker Content Trust", Err: order.Refused(verify.Unsupported, "trust data say which digest a tag has, and there is no place for %s", what),
			Hint: "leave it out, or make it in a run with --system sigstore",
		}
	}
	switch {
	case len(o.Attestations)+len(o.Own) > 0:
		return no("attestations")
	case len(o.Annotations) > 0:
		return no("annotations")
	case o.Recursive:
		return no("what an index lists")
	case len(o.Formats) == 0:
		return order.Refused(verify.Unsupported, "no signature is ordered")
	}
	return nil
}

// A run is one Order at work.
type run struct {
	*Signer
	order sign.Order
	slots chan struct{}

	mu   sync.Mutex
	done int
}

func (r *run) finished(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done += n
	if r.opts.Done != nil {
		r.opts.Done(r.done, len(r.order.Images))
	}
}

// repository signs the images of one repository.
func (r *run) repository(ctx context.Context, items []*item) {
	defer r.finished(len(items))
	tags := map[string]*item{}
	var wg sync.WaitGroup
	for _, it := range items {
		if other := tags[it.mark.tag]; other != nil && other.mark.digest != it.mark.digest {
			it.err = &verify.Error{
				Op: "sign tag " + it.mark.tag, Hint: "name each tag once, with the digest that was pushed",
				Err: order.Refused(verify.Unsupported, "it is to be %s and %s at once", other.mark.digest, it.mark.digest),
			}
			continue
		}
		tags[it.mark.tag] = it
		wg.Go(func() {
			if err := order.Within(ctx, r.slots, func() error { return r.look(ctx, it) }); err != nil {
				it.err = err
			}
		})
	}
	wg.Wait()
	if err := order.Within(ctx, r.slots, func() error { return r.together(ctx, items) }); err != nil {
		for it := range undone(items) {
			it.err = err
		}
	}
}

// undone are the items that are neither signed nor given up.
func undone(items []*item) func(yield func(*item) bool) {
	return func(yield func(*item) bool) {
		for _, it := range items {
			if errors.Is(it.err, order.ErrUndone) && !yield(it) {
				return
			}
		}
	}
}

// look asks the registry what the tag is, so that nothing is signed that is not
// there, or that everybody would refuse.
func (r *run) look(ctx context.Context, it *item) error {
	ref := it.img.Ref()
	if it.mark.tag == "" {
		return &verify.Error{
			Op: "sign " + it.img.String(), Hint: "write it with the tag that was pushed, as " + ref.Name() + ":TAG@" + it.img.Digest(),
			Err: order.Refused(verify.Unsupported, "Docker Content Trust signs tags, and the reference has none"),
		}
	}
	what := ref.Name() + ":" + it.mark.tag
	doc, err := r.opts.Store.Manifest(ctx, ref, it.mark.tag)
	if err != nil {
		return registry.Explain("read manifest of "+what, ref.Registry(), err)
	}
	if doc.Digest != it.mark.digest {
		return &verify.Error{
			Op: "sign " + what, Hint: "push the image once more; or, if the registry's is the one that is meant, sign it by its digest",
			Err: order.Refused(verify.BadSignature, "the tag was moved: the registry has %s there, and %s was to be signed, which everybody would refuse", doc.Digest, it.mark.digest),
		}
	}
	it.mark.size = int64(len(doc.Body))
	return nil
}

// together signs what is undone of a repository. Its error is that of everything
// that is not decided yet.
func (r *run) together(ctx context.Context, items []*item) error {
	var repo image.Ref
	for it := range undone(items) {
		repo = it.img.Ref()
	}
	if repo.IsZero() {
		return nil
	}
	found, err := r.publish(ctx, repo, func(d *draft) error {
		for it := range undone(items) {
			roles, added, err := d.add(it.mark, r.order.Force)
			if err != nil {
				it.err = err
				continue
			}
			it.roles, it.added = roles, added
		}
		return nil
	})
	if err != nil {
		return err
	}
	for it := range undone(items) {
		it.records, it.err = r.back(ctx, found, it)
		for i := range it.records {
			it.records[i].Existed = !it.added
		}
	}
	return nil
}

// byTag is the image by its tag alone: named by its digest, too, any other tag that
// has the digest would vouch for it.
func (it *item) byTag() (image.Pinned, error) {
	ref, err := image.Parse(it.img.Ref().Name() + ":" + it.mark.tag)
	if err != nil {
		return image.Pinned{}, err
	}
	return ref.Pin(it.mark.digest)
}

// back verifies what the server shows, as a consumer would who requires all that
// sign: one Record for each of them.
func (r *run) back(ctx context.Context, found *draft, it *item) ([]sign.Record, error) {
	config := r.opts.Config
	for _, role := range it.roles {
		if role != releases.String() {
			config.Signers = append(slices.Clone(config.Signers), strings.TrimPrefix(role, "targets/"))
		}
	}
	by, err := found.session.Require(config)
	if err != nil {
		return nil, err
	}
	img, err := it.byTag()
	if err != nil {
		return nil, err
	}
	verdict := by.Verify(ctx, img)
	if !verdict.Passed() {
		return nil, &verify.Error{Op: "verify what was signed", Err: order.Refused(verdict.Reason(), "%w", verdict.Err()), Hint: verify.Hint(verdict.Err())}
	}
	var records []sign.Record
	for _, ev := range verdict.Evidence() {
		if ev.Digest != it.mark.digest || ev.Digest != it.img.Digest() {
			return nil, order.ErrUndone
		}
		records = append(records, sign.Record{
			Reference: it.img.Ref().String(), Image: it.img, Format: sign.NotaryV1, Storage: ev.Storage, Source: ev.Source,
			Identity: ev.Signer, Issuer: ev.Issuer, Expiry: found.expiry(it.roles),
			Notice: found.ending(it.roles, r.opts.Now()),
		})
	}
	if len(records) == 0 {
		return nil, order.ErrUndone
	}
	return records, nil
}
