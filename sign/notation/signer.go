// Package notation signs container images as the Notary Project (Notation) does:
// with a key and its certificate chain, or a plugin that keeps them, as JWS or
// COSE envelopes that refer to the image.
//
// A run asks first what is there already, shows that it may push before anything
// is signed, checks what it has made before it is pushed, and records only what it
// has read back from the registry and verified.
package notation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/legible"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/verify"
	vnot "github.com/boltseal/boltseal/verify/notation"
)

// A Store is where signatures are written and read. *registry.Client is one.
type Store interface {
	vnot.Store
	CheckPush(ctx context.Context, repo image.Ref) error
	CheckAttach(ctx context.Context, repo image.Ref, subject string, n int) error
	Attach(ctx context.Context, repo image.Ref, subject ocispec.Descriptor, a registry.Attachment) (digest, storage string, err error)
}

var _ Store = (*registry.Client)(nil)

// Options say who signs, and how.
type Options struct {
	Store Store
	Key   *Key
	// Expiry is how long a signature is valid, in whole seconds; 0 is for as long
	// as its certificate is, or its timestamp shows that it was. Where a plugin
	// makes the envelopes, 0 leaves it to the plugin, and its clock may be 5 minutes
	// from ours.
	//
	// A signature that is there already counts if it does not outlive what is asked
	// for, and at least half of that is left of it.
	Expiry time.Duration
	// TSA countersigns each signature; nil for none.
	TSA *TSA
	// Repository is where signatures are stored, if not beside each image; zero
	// for that.
	Repository image.Ref
	// Asker asks whether certificates were revoked: with one that is, nothing is
	// signed. What it is not told does not keep from signing, and is the Notice of a
	// Record. nil asks nobody.
	Asker *vnot.Asker
	Now   func() time.Time
	// Sleep waits before a second look; nil means until d has passed or ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
	// Jobs bounds how many manifests are worked on at once; 0 means 16.
	Jobs int
	// Done, if set, is told how many of the Order's images are finished. It is
	// called by one goroutine at a time.
	Done func(done, of int)
}

// A Signer signs as its Options say.
type Signer struct {
	opts    Options
	accepts vnot.Config // exactly what the Key signs
	stamper *stamper    // nil for no timestamps
}

// New returns a Signer. It refuses Options that could sign nothing, or what
// nobody would accept.
func New(o Options) (*Signer, error) {
	switch {
	case o.Store == nil:
		return nil, errors.New("no registry to store signatures in")
	case o.Key.leaf() == nil:
		return nil, errors.New("nobody signs")
	case o.Now == nil:
		return nil, errors.New("no clock")
	case o.Jobs < 0:
		return nil, fmt.Errorf("%d jobs", o.Jobs)
	case o.Expiry < 0, o.Expiry%time.Second != 0:
		return nil, &verify.Error{Op: "sign with an expiry", Err: order.Refused(verify.Unsupported, "%s is not a positive number of whole seconds", o.Expiry), Hint: "write it as 24h or 720h"}
	case o.TSA != nil && o.Key.plugin.makesEnvelopes():
		return nil, &verify.Error{
			Op: "timestamp signatures", Hint: "leave out the timestamp authority, or configure the plugin to ask one",
			Err: order.Refused(verify.Unsupported, "the plugin %s makes the envelopes itself, and none can be added to them", o.Key.plugin.name),
		}
	}
	if err := o.Key.valid(o.Now()); err != nil {
		return nil, err
	}
	if o.Jobs == 0 {
		o.Jobs = order.DefaultJobs
	}
	if o.Sleep == nil {
		o.Sleep = order.Sleep
	}
	s := &Signer{opts: o}
	if o.TSA != nil {
		var err error
		if s.stamper, err = newStamper(*o.TSA, o.Sleep); err != nil {
			return nil, err
		}
	}
	var err error
	if s.accepts, err = o.accepts(); err != nil {
		return nil, err
	}
	if _, err := s.session().Require(s.accepts); err != nil {
		return nil, err
	}
	return s, nil
}

// accepts is what verifies signatures with the chain of the Key. Whose they are is
// for [work.is] to see.
func (o *Options) accepts() (vnot.Config, error) {
	anybody, err := vnot.ParseIdentity("*")
	if err != nil {
		return vnot.Config{}, err
	}
	root := o.Key.chain[len(o.Key.chain)-1:]
	c := vnot.Config{
		Certificates: root, Identities: []vnot.Identity{anybody}, Repository: o.Repository,
		Revocation: vnot.Skip, Flags: true, MaxSignatures: maxSignatures,
	}
	if o.Key.plugin.makesEnvelopes() {
		c.SigningAuthority = root
	}
	if o.Asker != nil {
		c.Revocation = vnot.Soft
	}
	if o.TSA != nil {
		c.TSA = o.TSA.Roots
	}
	return c, nil
}

// maxSignatures is the most that a Config lets be looked at.
const maxSignatures = 256

// session returns a Session that knows nothing yet.
func (s *Signer) session() *vnot.Session {
	return vnot.NewSession(s.opts.Store, s.opts.Repository, s.opts.Asker)
}

// Sign does what is ordered: a signature of each manifest in each of the Formats
// [sign.JWS] and [sign.COSE] that the Order has, with its Annotations as user
// metadata. Attestations are refused. What the Result does not record is not
// signed, or was not found to be, and is among its Failures. A manifest that an
// Order names twice, by two tags or as part of an index, is signed once and
// recorded for each.
//
// A sound signature with the same certificate, format and metadata that is there
// already is recorded as it is, unless the Order says Force; see Options.Expiry
// for how long it must last.
func (s *Signer) Sign(ctx context.Context, o sign.Order) sign.Result {
	formats, err := readOrder(o)
	if err != nil {
		return order.Failed(o, err)
	}
	r := &run{
		Run:    order.Run{Order: o, Store: s.opts.Store, Repository: s.opts.Repository, Done: s.opts.Done},
		Signer: s, formats: formats,
	}
	r.Start(s.opts.Jobs)
	return r.Run.Sign(ctx, r.manifest)
}

// readOrder returns the formats of an Order, each once.
func readOrder(o sign.Order) ([]sign.Format, error) {
	if len(o.Attestations) > 0 || len(o.Own) > 0 {
		return nil, &verify.Error{
			Op: "make attestations", Err: order.Refused(verify.Unsupported, "Notation has signatures only"),
			Hint: "make them with Sigstore, in a run with --system sigstore",
		}
	}
	var formats []sign.Format
	for _, f := range o.Formats {
		if f.System() != vnot.System {
			return nil, order.Refused(verify.Unsupported, "format %.100q is neither %q nor %q", f, sign.JWS, sign.COSE)
		}
		if !slices.Contains(formats, f) {
			formats = append(formats, f)
		}
	}
	if len(formats) == 0 {
		return nil, order.Refused(verify.Unsupported, "no signature is ordered")
	}
	return formats, CheckMetadata(o.Annotations)
}

// A run is one Order at work.
type run struct {
	order.Run
	*Signer
	formats []sign.Format
}

// A target is what is signed.
type target struct {
	subject  ocispec.Descriptor // media type, digest and size
	metadata map[string]string
}

// descriptor returns what an envelope has as its payload (signature-specification.md,
// "Payload").
func (t target) descriptor() ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: t.subject.MediaType, Digest: t.subject.Digest, Size: t.subject.Size}
	if len(t.metadata) > 0 {
		d.Annotations = maps.Clone(t.metadata)
	}
	return d
}

// An item is the signature of one manifest in one format.
type item struct {
	format  sign.Format
	sealed  sealed
	source  string // of what was pushed
	made    vnot.Made
	existed bool
	err     error // nil: made is what was read
}

// work is what is done about one manifest.
type work struct {
	*run
	m     order.Manifest
	items []item
}

// manifest signs one manifest in every format in which it is not signed already.
func (r *run) manifest(ctx context.Context, m order.Manifest) []order.Result {
	w := work{run: r, m: m}
	for _, f := range r.formats {
		w.items = append(w.items, item{format: f, err: order.ErrUndone})
	}
	w.decide(w.do(ctx))
	results := make([]order.Result, len(w.items))
	for i := range w.items {
		results[i] = w.items[i].result(m)
	}
	return results
}

// do does it in an order that leaves nothing half done: look, show that pushing is
// allowed, sign, check, push, read back. Its error is that of everything that is
// not decided yet.
func (w *work) do(ctx context.Context) error {
	if !w.Order.Force {
		if err := w.look(ctx); err != nil {
			return err
		}
	}
	if !w.undone() {
		return nil
	}
	if err := w.MayPush(ctx, w.m); err != nil {
		return err
	}
	err := w.Slot(ctx, func() error {
		if err := w.MayAttach(ctx, w.m, len(w.items)); err != nil {
			return err
		}
		for it := range w.left() {
			it.fail(w.seal(ctx, it))
		}
		for it := range w.left() { // one after the other: they may share a tag
			it.fail(w.attach(ctx, it))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := order.LookTwice(ctx, w.opts.Sleep, w.undone, func() error { return w.back(ctx) }); err != nil {
		return fmt.Errorf("read back the signature: %w", err)
	}
	for it := range w.left() {
		it.fail(w.missing(ctx, it))
	}
	return nil
}

// left are the items that are neither signed nor given up.
func (w *work) left() func(yield func(*item) bool) {
	return func(yield func(*item) bool) {
		for i := range w.items {
			if errors.Is(w.items[i].err, order.ErrUndone) && !yield(&w.items[i]) {
				return
			}
		}
	}
}

func (w *work) undone() bool {
	for range w.left() {
		return true
	}
	return false
}

// decide gives up what is left with err, if that is one.
func (w *work) decide(err error) {
	if err == nil {
		return
	}
	for it := range w.left() {
		it.err = err
	}
}

// String is what the item is called in messages.
func (it *item) String() string { return string(it.format) + " signature" }

// fail gives the item up with err, if that is one.
func (it *item) fail(err error) {
	if err != nil {
		it.err = err
	}
}

// silence is what consumers should know where it is not known whether a
// certificate was revoked: by default they refuse the signature.
func silence(ev verify.Evidence) string {
	who, ok := strings.CutPrefix(ev.Claims["revocation"], "no answer: ")
	if !ok {
		return ""
	}
	return "it is not known whether the certificates were revoked (" + legible.Text(who, maxDetail) + "): consumers refuse the signature as long as they get no answer, unless they say otherwise"
}

// result returns the item for the manifest m: it is signed only if what was read
// is of m.
func (it *item) result(m order.Manifest) order.Result {
	ev := it.made.Evidence
	if it.err == nil && (ev.Digest != m.Image.Digest() || m.Image.Digest() == "") {
		it.err = order.ErrUndone
	}
	record := sign.Record{
		Format: it.format, Storage: ev.Storage, Source: ev.Source, Identity: ev.Signer, Issuer: ev.Issuer, Scheme: ev.Claims["scheme"],
		SignedAt: ev.SignedAt, Expiry: it.made.Expiry, Existed: it.existed, Notice: silence(ev),
	}
	if it.made.Leaf != nil {
		record.Certificate = thumbprint(it.made.Leaf)
	}
	return order.Result{Record: record, Err: it.err}
}
