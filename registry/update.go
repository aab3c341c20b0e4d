package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/boltseal/boltseal/image"
)

const (
	// settling is how long what was written to a tag has to stay before it counts
	// as written: longer than another writer takes from reading the tag to having
	// written it. A registry that is slower than that is given twice the time that
	// it took for ourselves, and at most maxSettling.
	settling    = 500 * time.Millisecond
	maxSettling = 10 * time.Second
	// maxRounds bounds how often a tag is written for one change: of twenty writers
	// that begin at once, hardly one needs six. maxQuiet bounds how often it is
	// looked at after each, while others write.
	maxQuiet  = 24
	maxRounds = 12
	// maxUnkept bounds how often what was written may be as if it had not been.
	maxUnkept = 3
)

// Update changes what tag leads to: it reads it, has change say what is to be
// there instead, writes that if the tag still leads to what was read, and looks
// whether it stays there. It begins again
// where another writer got in between, so that what others have added is kept.
//
// change gets nil where there is no such tag, and may be called several times.
// It returns a nil body where nothing is to be written. holds says of a manifest
// whether it has what is to be there.
//
// A registry has no way to change a tag only if nobody else did. So what was
// written counts only when it stood unchanged for longer than another writer
// takes from reading to writing: half a second, or twice the time that reading and
// writing took here. Writers in one Client take turns.
func (c *Client) Update(ctx context.Context, repo image.Ref, tag string, change func(old *Manifest) (body []byte, mediaType string, holds func(Manifest) bool, err error)) error {
	done, err := c.turn(ctx, repo, tag)
	if err != nil {
		return err
	}
	defer done()
	var w written
	unkept := 0
	for round := range maxRounds {
		if round > 0 { // whoever was faster was as fast as we were
			if err := c.pause(ctx, rand.N(settling<<min(round-1, 2))); err != nil { //nolint:gosec // spreads load; nothing depends on it being unpredictable
				return updateError(repo, tag, err)
			}
		}
		if err := c.rewrite(ctx, repo, tag, change, &w); err != nil || w.holds == nil {
			return err
		}
		now, err := c.stays(ctx, repo, tag, w)
		if err != nil || now.stays {
			return err
		}
		if now.digest == w.before { // no other writer would do that
			unkept++
		}
		if unkept == maxUnkept {
			return updateError(repo, tag, fmt.Errorf("%w: %w", ErrCorrupt, errUnkept))
		}
	}
	return updateError(repo, tag, errContended)
}

var (
	// errContended says that others wrote a tag again and again.
	errContended = errors.New("others keep changing it")
	// errUnkept says that a tag leads to what it led to before it was written.
	errUnkept = errors.New("the registry says that it has stored it, and then does not have it")
)

func updateError(repo image.Ref, tag string, err error) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return err
	}
	e := &Error{Op: "change tag " + repo.Name() + ":" + tag, Kind: ErrUnavailable, Err: err, push: true}
	if errors.Is(err, ErrMalformed) {
		e.Kind, e.Err = ErrMalformed, errors.New(strings.TrimPrefix(err.Error(), ErrMalformed.Error()+": "))
	}
	return e
}

// turn waits until no other writer of this Client changes the tag, and returns
// what ends the turn.
func (c *Client) turn(ctx context.Context, repo image.Ref, tag string) (done func(), err error) {
	v, _ := c.turns.LoadOrStore(repo.Name()+":"+tag, make(chan struct{}, 1))
	turn, ok := v.(chan struct{})
	if !ok {
		return nil, errNoRetry
	}
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, updateError(repo, tag, ctx.Err())
	}
}

// A written is what was put behind a tag. The zero written is nothing.
type written struct {
	before string              // the digest of what was behind the tag; "" for nothing
	digest string              // of what was written
	holds  func(Manifest) bool // nil: nothing was written so far
	took   time.Duration       // from reading the tag to having written it
}

// rewrite reads the tag and writes what it is to be changed to. Where writing
// fails, it reads it again before it writes again: the answer may have got lost
// on the way, and others may have written since.
func (c *Client) rewrite(ctx context.Context, repo image.Ref, tag string, change func(*Manifest) ([]byte, string, func(Manifest) bool, error), w *written) error {
	var (
		stopped bool // writing it again is of no use
		why     error
	)
	stop := func(err error) (answer, error) {
		stopped, why = true, err
		return answer{}, errNoRetry
	}
	q, err := manifestPush(repo, tag, "", nil)
	if err != nil {
		return err
	}
	_, err = c.insist(ctx, q, func(ctx context.Context, _ query) (answer, error) {
		n, err := c.next(ctx, repo, tag, change)
		switch {
		case err != nil:
			return stop(err)
		case n.body == nil:
			w.digest = n.before // it is there: only the answer was lost
			return stop(nil)
		}
		q, err := manifestPush(repo, tag, n.mediaType, n.body)
		if err != nil {
			return stop(err)
		}
		a, err := c.put(ctx, q)
		*w = written{before: n.before, digest: digestOf(n.body), holds: n.holds, took: time.Since(n.began)}
		return a, err
	})
	if stopped {
		return why
	}
	return err
}

// A planned is what a tag is to lead to.
type planned struct {
	began     time.Time // before it was seen what the tag leads to
	before    string    // the digest of that; "" for nothing
	body      []byte    // nil: nothing is to be written
	mediaType string
	holds     func(Manifest) bool
}

// next has change say what the tag is to lead to. That may take any time: it
// pushes what the manifest will name. So the tag is looked at again afterwards,
// and what was made of what is no longer there is made anew. Other writers wait
// for longer than it takes from that look to having written.
func (c *Client) next(ctx context.Context, repo image.Ref, tag string, change func(*Manifest) ([]byte, string, func(Manifest) bool, error)) (planned, error) {
	n := planned{began: time.Now()}
	old, err := c.behind(ctx, repo, tag)
	for look := range maxRounds {
		if err == nil && look > 1 { // many write at once: whoever waits meets fewer of them
			if err = c.pause(ctx, rand.N(settling<<min(look-2, 2))); err != nil { //nolint:gosec // spreads load; nothing depends on it being unpredictable
				return planned{}, updateError(repo, tag, err)
			}
			old, err = c.behind(ctx, repo, tag)
		}
		if err != nil {
			return planned{}, err
		}
		n.before = ""
		if old != nil {
			n.before = old.Digest
		}
		if n.body, n.mediaType, n.holds, err = change(old); err != nil {
			return planned{}, updateError(repo, tag, err)
		}
		if n.body == nil {
			return n, nil
		}
		n.began = time.Now()
		if old, err = c.behind(ctx, repo, tag); err == nil && (old == nil && n.before == "" || old != nil && old.Digest == n.before) {
			return n, nil
		}
	}
	return planned{}, cmp.Or(err, updateError(repo, tag, errContended))
}

// behind returns what the tag leads to, nil where there is no such tag.
func (c *Client) behind(ctx context.Context, repo image.Ref, tag string) (*Manifest, error) {
	m, err := c.Manifest(ctx, repo, tag)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &m, nil
}

// A look is what was found behind a tag that was written. The zero look is
// nothing.
type look struct {
	stays  bool
	digest string
}

// stays says whether what was written is behind the tag for so long that no
// other writer, who does not know of it, can still replace it. Until nobody else
// writes, it looks again.
func (c *Client) stays(ctx context.Context, repo image.Ref, tag string, w written) (look, error) {
	wait := min(max(settling, 2*w.took), maxSettling)
	last := w.digest
	for range maxQuiet {
		if err := c.pause(ctx, wait+rand.N(wait/2)); err != nil { //nolint:gosec // spreads load; nothing depends on it being unpredictable
			return look{}, updateError(repo, tag, err)
		}
		m, err := c.behind(ctx, repo, tag)
		if err != nil || m == nil {
			return look{}, err
		}
		if !w.holds(*m) || m.Digest == last {
			return look{stays: w.holds(*m), digest: m.Digest}, nil
		}
		last = m.Digest
	}
	return look{}, updateError(repo, tag, errContended)
}
