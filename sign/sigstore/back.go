package sigstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/verify"
	vsig "github.com/boltseal/boltseal/verify/sigstore"
)

// patience is how long a registry gets to show what was just pushed.
const patience = 2 * time.Second

// readBack decides every item that was pushed: it is there if a new Session,
// which knows nothing of the run, finds and verifies exactly what was written.
func (w *work) readBack(ctx context.Context) {
	for attempt := range 2 {
		if !w.undone() {
			return
		}
		if attempt > 0 {
			if err := w.opts.Sleep(ctx, patience); err != nil {
				w.giveUp(err)
				return
			}
		}
		err := w.back(ctx)
		if err != nil && (attempt > 0 || ctx.Err() != nil) {
			w.giveUp(err)
			return
		}
	}
	for i := range w.results {
		if res := &w.results[i]; errors.Is(res.err, errUndone) {
			res.err = &verify.Error{
				Op:   "read back the " + res.item.String(),
				Err:  refused(verify.Unavailable, "the registry took it as %s, and does not list it", w.made[i].source),
				Hint: "run it again; if it lasts, tell the registry's owner",
			}
		}
	}
}

// giveUp decides what is left.
func (w *work) giveUp(err error) {
	for i := range w.results {
		if res := &w.results[i]; errors.Is(res.err, errUndone) {
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
		if !errors.Is(w.results[i].err, errUndone) || asked[s.by] {
			continue
		}
		asked[s.by] = true
		var made []vsig.Made
		err := within(ctx, w.slots, func() (err error) {
			made, err = session.Made(ctx, s.by.config, w.m.img)
			return err
		})
		found = errors.Join(found, err)
		for _, m := range made {
			w.found(m, s.by)
		}
	}
	return found
}

// found decides the item that m is.
func (w *work) found(m vsig.Made, by *signatory) {
	for i := range w.results {
		res, s := &w.results[i], w.made[i]
		if !errors.Is(res.err, errUndone) || s.by != by || m.Evidence.Source != s.source {
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
