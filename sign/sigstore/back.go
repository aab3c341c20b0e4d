package sigstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/internal/order"
	vsig "github.com/boltseal/boltseal/verify/sigstore"
)

// readBack decides every item that was pushed: it is there if a new Session,
// which knows nothing of the run, finds and verifies exactly what was written.
func (w *work) readBack(ctx context.Context) {
	if err := order.LookTwice(ctx, w.opts.Sleep, w.undone, func() error { return w.back(ctx) }); err != nil {
		w.giveUp(err)
	}
	for i := range w.results {
		if res := &w.results[i]; errors.Is(res.err, order.ErrUndone) {
			res.err = order.NotListed(res.item.String(), w.made[i].source)
		}
	}
}

// giveUp decides what is left.
func (w *work) giveUp(err error) {
	for i := range w.results {
		if res := &w.results[i]; errors.Is(res.err, order.ErrUndone) {
			res.err = fmt.Errorf("read back the %s: %w", res.item, err)
		}
	}
}

// back looks once.
func (w *work) back(ctx context.Context) error {
	session := vsig.NewSession(w.opts.Store, w.opts.Repository)
	var found error
	asked := map[*signatory]bool{}
	for i := range w.results {
		s := w.made[i]
		if !errors.Is(w.results[i].err, order.ErrUndone) || asked[s.by] {
			continue
		}
		asked[s.by] = true
		var made []vsig.Made
		err := w.Slot(ctx, func() (err error) {
			made, err = session.Made(ctx, s.by.config, w.m.Image)
			return err
		})
		found = errors.Join(found, err)
		for _, m := range made {
			w.found(m, s.by)
		}
		w.heed(made)
	}
	return found
}

// found decides the item that m is.
func (w *work) found(m vsig.Made, by *signatory) {
	for i := range w.results {
		res, s := &w.results[i], w.made[i]
		if !errors.Is(res.err, order.ErrUndone) || s.by != by || m.Evidence.Source != s.source {
			continue
		}
		same := m.Layer.Digest == s.layer.Digest
		if res.item.format == sign.Legacy { // others may have signed the same payload
			same = sameLayer(m.Layer, s.layer)
		}
		if same && by.made(m) && res.item.isThere(m) {
			*res = result{item: res.item, made: m}
			return
		}
	}
}
