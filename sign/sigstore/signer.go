// Package sigstore signs container images with Sigstore: keyless or by key, as
// bundles and in the format of cosign 2, with attestations.
//
// A run asks first what is there already, shows that it may push before anything
// but the certificate (which the authority logs) gets into a public log, checks what it has made before it is pushed, and
// records only what it has read back from the registry and verified.
package sigstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/verify"
	vsig "github.com/boltseal/boltseal/verify/sigstore"
)

// A Store is where signatures are written and read. *registry.Client is one.
type Store interface {
	vsig.Store
	CheckPush(ctx context.Context, repo image.Ref) error
	CheckAttach(ctx context.Context, repo image.Ref, subject string, n int) error
	PushBlob(ctx context.Context, repo image.Ref, mediaType string, body []byte) (ocispec.Descriptor, error)
	Attach(ctx context.Context, repo image.Ref, subject ocispec.Descriptor, a registry.Attachment) (digest, storage string, err error)
	Update(ctx context.Context, repo image.Ref, tag string, change func(old *registry.Manifest) (body []byte, mediaType string, holds func(registry.Manifest) bool, err error)) error
}

var _ Store = (*registry.Client)(nil)

// Options say who signs, and with which services.
type Options struct {
	Store Store
	// Trust is what signatures are verified against before and after they are
	// written; nil only for a Key with IgnoreLog.
	Trust *vsig.Trust
	// Services are those for bundles and attestations.
	Services Services
	// Legacy are those for signatures in the legacy format, which needs a Rekor v1
	// log, or none where IgnoreLog is set.
	Legacy Services
	Client *Client
	// Key and Token are who signs, one of them. Token is asked once a certificate
	// is needed, and again when it has to be renewed.
	Key   *Key
	Token func(context.Context) (Token, error)
	// Repository is where signatures are stored, if not beside each image; zero
	// for that.
	Repository image.Ref
	// IgnoreLog makes a Key's signatures without a log entry. A Token cannot.
	IgnoreLog bool
	Now       func() time.Time
	// Sleep waits before a second look; nil means until d has passed or ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
	// Jobs bounds how many manifests are asked about and pushed at once; 0 means
	// 16. Up to four times as many wait for a log, which may take a second each;
	// with 1 it is one.
	Jobs int
	// Done, if set, is told how many of the Order's images are finished. It is
	// called by one goroutine at a time.
	Done func(done, of int)
}

// A Signer signs as its Options say.
type Signer struct {
	opts Options
	// signing is what asks the services: opts.Client, but in tests.
	signing sealer
	desk    desk
}

// New returns a Signer. It refuses Options that could sign nothing, or what
// nobody would accept.
func New(o Options) (*Signer, error) {
	switch {
	case o.Store == nil:
		return nil, errors.New("no registry to store signatures in")
	case o.Client == nil:
		return nil, errors.New("nobody asks the Sigstore services")
	case o.Now == nil:
		return nil, errors.New("no clock")
	case (o.Key == nil) == (o.Token == nil):
		return nil, errors.New("either a key signs, or whoever a token names")
	case o.Token != nil && o.IgnoreLog:
		return nil, errors.New("a certificate lives ten minutes and proves nothing without a log entry; only a key can do without")
	case o.Trust == nil && !o.IgnoreLog:
		return nil, errors.New("no trust root to verify signatures with")
	case o.Jobs < 0:
		return nil, fmt.Errorf("%d jobs", o.Jobs)
	}
	if o.Jobs == 0 {
		o.Jobs = order.DefaultJobs
	}
	if o.Sleep == nil {
		o.Sleep = order.Sleep
	}
	s := &Signer{opts: o, signing: o.Client}
	s.desk.signer = s
	if o.Key != nil {
		if _, err := vsig.NewSession(o.Store, image.Ref{}).Require(s.byKey()); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Sign does what is ordered. What the Result does not record is not signed, or
// was not found to be, and is among its Failures. A manifest that an Order names
// twice, by two tags or as part of an index, is signed once and recorded for each.
//
// Recursive signs what `cosign sign --recursive` does: BuildKit's attestation
// manifests too. Attestations are made of the Order's own images only, as what
// they say was found out about those.
func (s *Signer) Sign(ctx context.Context, o sign.Order) sign.Result {
	if s.opts.Trust != nil {
		s.opts.Trust.Start(ctx) // beside what comes before it is needed
	}
	r, err := s.newRun(o)
	if err != nil {
		return order.Failed(o, err)
	}
	return r.Sign(ctx, r.manifest)
}

// A run is one Order at work.
type run struct {
	order.Run
	signer *Signer
	opts   Options
	items  []item            // of each manifest that is none of the Order's own images
	own    map[string][]item // of those, by key

	logs chan struct{}
}

func (s *Signer) newRun(o sign.Order) (*run, error) {
	items, err := signatures(o)
	if err != nil {
		return nil, err
	}
	waiting := 4 * s.opts.Jobs
	if s.opts.Jobs == 1 {
		waiting = 1
	}
	r := &run{
		Run:    order.Run{Order: o, Store: s.opts.Store, Repository: s.opts.Repository, Done: s.opts.Done},
		signer: s, opts: s.opts, items: items, own: map[string][]item{}, logs: make(chan struct{}, waiting),
	}
	r.Start(s.opts.Jobs)
	for _, img := range o.Images {
		own, known := r.own[r.Key(img)]
		if !known {
			own = items[:len(items):len(items)]
		}
		if own, err = attestations(own, slices.Concat(o.Attestations, o.Own[img.String()])); err != nil {
			return nil, err
		}
		if len(own) == 0 {
			return nil, order.Refused(verify.Unsupported, "neither a signature nor an attestation is ordered")
		}
		r.own[r.Key(img)] = own
	}
	return r, nil
}

// A result is what became of one item. It is a failure unless made says what was
// read back.
type result struct {
	item    item
	made    vsig.Made
	existed bool
	notice  string // as in [sign.Record]
	err     error
}

// of returns res for the manifest m: it is signed only if what was read back is
// of m.
func (res result) of(m order.Manifest) order.Result {
	ev := res.made.Evidence
	if res.err == nil && (ev.Digest != m.Image.Digest() || m.Image.Digest() == "") {
		res.err = order.ErrUndone
	}
	return order.Result{
		Record: sign.Record{
			Format: res.item.format, Storage: ev.Storage, Source: ev.Source, PredicateType: ev.PredicateType,
			Identity: ev.Signer, Issuer: ev.Issuer, LogIndex: ev.LogIndex, SignedAt: ev.SignedAt,
			Bundle: res.made.Bundle, Existed: res.existed, Notice: res.notice,
		},
		Own: res.item.statement != nil, Err: res.err,
	}
}

// manifest signs one manifest: every item that is not there already. It returns
// a result for each, in order.
func (r *run) manifest(ctx context.Context, m order.Manifest) []order.Result {
	items, own := r.own[r.Key(m.Image)]
	if !own {
		items = r.items
	}
	w := work{run: r, m: m, results: make([]result, len(items))}
	for i, it := range items {
		w.results[i] = result{item: it, err: order.ErrUndone}
	}
	if err := w.do(ctx); err != nil {
		for i := range w.results {
			if errors.Is(w.results[i].err, order.ErrUndone) {
				w.results[i].err = err
			}
		}
	}
	results := make([]order.Result, len(w.results))
	for i, res := range w.results {
		if w.hidden && res.item.format == sign.Legacy {
			res.notice = fmt.Sprintf("cosign 2 takes the bundles of %s first, which are in a log of version 2 only, and does not come to the signature in the legacy format: sign with --format bundle beside --format legacy, or have it verified with --use-signed-timestamps", m.Image)
		}
		results[i] = res.of(m)
	}
	return results
}

// work is what is done about one manifest.
type work struct {
	*run
	m       order.Manifest
	results []result
	made    []sealed // by item, as results are
	hidden  bool     // from cosign 2, see heed
}

// do does it in the order that leaves nothing half done in public: look, show
// that pushing is allowed, sign and log, check, push, read back. Its error is
// that of everything that is not decided yet.
func (w *work) do(ctx context.Context) error {
	if err := w.lookFirst(ctx); err != nil {
		return err
	}
	if !w.undone() {
		return nil
	}
	if err := w.MayPush(ctx, w.m); err != nil {
		return err
	}
	w.mayAppend(ctx)
	w.seal(ctx)
	w.push(ctx)
	w.readBack(ctx)
	return nil
}

// lookFirst decides what is there already, unless all is to be made anew. Where the
// token says who will sign, no certificate is asked for before something is to be
// signed.
func (w *work) lookFirst(ctx context.Context) error {
	expected, err := w.signer.desk.expected(ctx)
	if err != nil {
		return err
	}
	if expected != nil && !w.Order.Force {
		if err := w.look(ctx, expected); err != nil || !w.undone() {
			return err
		}
	}
	who, err := w.signer.desk.who(ctx)
	if err != nil || w.Order.Force || expected != nil && who.same(expected) == nil {
		return err
	}
	for i := range w.results { // what the token's signatory has made is not who's
		w.results[i] = result{item: w.results[i].item, err: order.ErrUndone}
	}
	return w.look(ctx, who)
}

// undone reports whether an item is neither there nor given up.
func (w *work) undone() bool {
	for _, res := range w.results {
		if errors.Is(res.err, order.ErrUndone) {
			return true
		}
	}
	return false
}

// mayAppend gives up what could not be stored beside what is there.
func (w *work) mayAppend(ctx context.Context) {
	for _, legacy := range []bool{false, true} {
		var items []*result
		for i := range w.results {
			if res := &w.results[i]; (res.item.format == sign.Legacy) == legacy && errors.Is(res.err, order.ErrUndone) {
				items = append(items, res)
			}
		}
		if len(items) == 0 {
			continue
		}
		err := w.Slot(ctx, func() error {
			if legacy {
				return w.appendable(ctx)
			}
			return w.MayAttach(ctx, w.m, len(items))
		})
		if err != nil {
			for _, res := range items {
				res.err = err
			}
		}
	}
}

// seal signs and logs every item that is to be, at once, and checks each.
func (w *work) seal(ctx context.Context) {
	w.made = make([]sealed, len(w.results))
	var wg sync.WaitGroup
	for i := range w.results {
		if res := &w.results[i]; errors.Is(res.err, order.ErrUndone) {
			wg.Go(func() {
				err := order.Within(ctx, w.logs, func() (err error) {
					w.made[i], err = w.one(ctx, res.item)
					return err
				})
				if err != nil {
					res.err = err
				}
			})
		}
	}
	wg.Wait()
}

// push stores what was sealed, one after the other: they share tags.
func (w *work) push(ctx context.Context) {
	for i := range w.results {
		if res := &w.results[i]; errors.Is(res.err, order.ErrUndone) {
			err := w.Slot(ctx, func() (err error) {
				if res.item.format == sign.Legacy {
					return w.append(ctx, &w.made[i])
				}
				return w.attach(ctx, &w.made[i])
			})
			if err != nil {
				res.err = err
			}
		}
	}
}
