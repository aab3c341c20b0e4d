// Package order carries out a [sign.Order], whatever the system: it finds the
// manifests that are to be signed, has each signed once, and puts together what
// became of them.
package order

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/verify"
)

// DefaultJobs is how many manifests are worked on at once where nothing else is
// said.
const DefaultJobs = 16

// A Store is what a Run asks of a registry.
type Store interface {
	Manifest(ctx context.Context, repo image.Ref, reference string) (registry.Manifest, error)
	Describe(ctx context.Context, img image.Pinned) (image.Pinned, error)
	CheckPush(ctx context.Context, repo image.Ref) error
	CheckAttach(ctx context.Context, repo image.Ref, subject string, n int) error
}

// A Run is one Order at work.
type Run struct {
	Order sign.Order
	Store Store
	// Repository is where signatures are stored, if not beside each image; zero
	// for that.
	Repository image.Ref
	// Done, if set, is told how many of the Order's images are finished. It is
	// called by one goroutine at a time.
	Done func(done, of int)

	slots  chan struct{}
	shown  once[struct{}] // that pushing is allowed, by repository
	signed once[[]Result] // by key

	mu   sync.Mutex
	done int
}

// Start makes the Run work on so many manifests at once. It comes before all
// else.
func (r *Run) Start(jobs int) { r.slots = make(chan struct{}, jobs) }

// A Result is what became of one thing that was ordered of a manifest.
type Result struct {
	// Record is what was read back; Reference, Image and Platform are filled in by
	// the Run.
	Record sign.Record
	// Own says that it was ordered of the manifest for itself, and not of it as
	// what an index lists.
	Own bool
	Err error // not nil: there is no Record
}

// Sign has each manifest of the Order signed by f, once. f returns a Result for
// each thing that is to be made of the manifest.
func (r *Run) Sign(ctx context.Context, f func(context.Context, Manifest) []Result) sign.Result {
	found := make([]sign.Result, len(r.Order.Images))
	var wg sync.WaitGroup
	for i, img := range r.Order.Images {
		wg.Go(func() {
			found[i] = r.image(ctx, img, f)
			r.finished()
		})
	}
	wg.Wait()
	var result sign.Result
	for _, one := range found {
		result.Records = append(result.Records, one.Records...)
		result.Failures = append(result.Failures, one.Failures...)
	}
	return result
}

// Failed is the Result of an Order that err kept from being carried out.
func Failed(o sign.Order, err error) sign.Result {
	var result sign.Result
	for _, img := range o.Images {
		result.Failures = append(result.Failures, failure(img, img, err))
	}
	return result
}

func failure(asked, img image.Pinned, err error) sign.Failure {
	return sign.Failure{Reference: asked.Ref().String(), Image: img, Err: explain(img, err)}
}

// explain returns err for the person who has to do something about it.
func explain(img image.Pinned, err error) error {
	hint := verify.Hint(err)
	if h := (interface {
		error
		Hint() string
	})(nil); hint == "" && errors.As(err, &h) {
		hint = h.Hint()
	}
	if hint == "" {
		hint = "run it again: what is signed already is not signed twice"
	}
	what := img.String()
	if what == "" {
		what = "an image that is not named"
	}
	return &verify.Error{Op: "sign " + what, Err: err, Hint: hint}
}

// Home is where the signatures of img are stored.
func (r *Run) Home(img image.Pinned) image.Ref {
	if !r.Repository.IsZero() {
		return r.Repository
	}
	return img.Ref()
}

// Key names a manifest such that what has the same one shares its signatures.
func (r *Run) Key(img image.Pinned) string { return r.Home(img).Name() + "@" + img.Digest() }

// Slot calls f when one of the places for work on a manifest is free.
func (r *Run) Slot(ctx context.Context, f func() error) error { return Within(ctx, r.slots, f) }

// Within calls f when one of the places is free.
func Within(ctx context.Context, places chan struct{}, f func() error) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case places <- struct{}{}:
	}
	defer func() { <-places }()
	if ctx.Err() != nil { // a place may be free as well
		return context.Cause(ctx)
	}
	return f()
}

func (r *Run) finished() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	if r.Done != nil {
		r.Done(r.done, len(r.Order.Images))
	}
}

// image signs one image of the Order, and what it lists.
func (r *Run) image(ctx context.Context, img image.Pinned, f func(context.Context, Manifest) []Result) sign.Result {
	manifests, err := r.manifests(ctx, img)
	if err != nil {
		return sign.Result{Failures: []sign.Failure{failure(img, img, err)}}
	}
	results := make([][]Result, len(manifests))
	var wg sync.WaitGroup
	for i, m := range manifests {
		wg.Go(func() {
			results[i], _ = r.signed.do(r.Key(m.Image), func() ([]Result, error) { return f(ctx, m), nil })
		})
	}
	wg.Wait()
	var o sign.Result
	for i, m := range manifests {
		for _, res := range results[i] {
			switch {
			case m.listed && res.Own:
			case res.Err != nil:
				o.Failures = append(o.Failures, failure(img, m.Image, res.Err))
			default:
				record := res.Record
				record.Reference, record.Image, record.Platform = img.Ref().String(), m.Image, m.platform
				o.Records = append(o.Records, record)
			}
		}
	}
	return o
}

// MayPush shows, once for each repository, that pushing to where the signatures
// of m are stored is allowed.
func (r *Run) MayPush(ctx context.Context, m Manifest) error {
	repo := r.Home(m.Image)
	_, err := r.shown.do(repo.Name(), func() (struct{}, error) {
		return struct{}{}, r.Slot(ctx, func() error { return r.Store.CheckPush(ctx, repo) })
	})
	if err != nil {
		return registry.Explain("push to "+repo.Name(), repo.Registry(), err)
	}
	return nil
}

// MayAttach returns an error where n artifacts could not be added to what refers
// to m already.
func (r *Run) MayAttach(ctx context.Context, m Manifest, n int) error {
	repo := r.Home(m.Image)
	err := r.Store.CheckAttach(ctx, repo, m.Image.Digest(), n)
	if err == nil {
		return nil
	}
	e := registry.Explain("see what refers to "+m.Image.String(), repo.Registry(), err)
	if errors.Is(err, registry.ErrTooMany) || errors.Is(err, registry.ErrMalformed) {
		return Refused(verify.Unsupported, "%w", e)
	}
	return e
}

// Patience is how long a registry gets to show what was just pushed.
const Patience = 2 * time.Second

// LookTwice calls look, and where that leaves something undone once more after a
// moment. It returns the error that kept it from looking.
func LookTwice(ctx context.Context, sleep func(context.Context, time.Duration) error, undone func() bool, look func() error) error {
	for attempt := range 2 {
		if !undone() {
			return nil
		}
		if attempt > 0 {
			if err := sleep(ctx, Patience); err != nil {
				return err
			}
		}
		if err := look(); err != nil && (attempt > 0 || ctx.Err() != nil) {
			return err
		}
	}
	return nil
}

// NotListed says of what was pushed to source that the registry does not list it.
func NotListed(what, source string) error {
	return &verify.Error{
		Op: "read back the " + what, Err: Refused(verify.Unavailable, "the registry took it as %s, and does not list it", source),
		Hint: "run it again; if it lasts, tell the registry's owner",
	}
}

// Sleep waits until d has passed or ctx ends.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// ErrUndone is that of what was not begun.
var ErrUndone = errors.New("it was not begun")

// Refused returns an error that has a Reason.
func Refused(reason verify.Reason, format string, args ...any) error {
	return &refusal{reason, fmt.Errorf(format, args...)}
}

// A refusal is an error with its Reason.
type refusal struct {
	reason verify.Reason
	err    error
}

func (r *refusal) Error() string         { return r.err.Error() }
func (r *refusal) Unwrap() error         { return r.err }
func (r *refusal) Reason() verify.Reason { return r.reason }

// A once does a thing once for each name, whoever asks for it first.
type once[T any] struct {
	mu    sync.Mutex
	calls map[string]func() (T, error)
}

func (o *once[T]) do(name string, f func() (T, error)) (T, error) {
	o.mu.Lock()
	call, ok := o.calls[name]
	if !ok {
		if o.calls == nil {
			o.calls = map[string]func() (T, error){}
		}
		call = sync.OnceValues(f)
		o.calls[name] = call
	}
	o.mu.Unlock()
	return call()
}
