package dct

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/verify"
)

const (
	// maxAttempts bounds how often a collection is read and published again where
	// somebody else has published meanwhile.
	maxAttempts = 4
	// pause is how long others get to finish what they publish.
	pause = time.Second
)

// again is the next step of whoever did not get an answer.
const again = "run it again: what is published already is not published twice"

// publish makes a change to a collection, unless there is nothing to change, and
// returns the collection as the server showed it: before where nothing was
// published, and after it otherwise. change is called on a new draft each time that
// somebody else has published meanwhile.
func (s *Signer) publish(ctx context.Context, repo image.Ref, change func(*draft) error) (*draft, error) {
	server, err := s.opts.Config.ServerOf(repo)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		d, err := s.open(ctx, repo)
		if err == nil {
			err = change(d)
		}
		if err != nil {
			return nil, err
		}
		if len(d.changed) == 0 {
			return d, nil
		}
		files, err := d.seal(s.opts.Now())
		if err != nil {
			return nil, err
		}
		err = s.opts.Store.PublishTrustData(ctx, server, d.collection.GUN, files)
		if err == nil {
			return s.shown(ctx, repo, files)
		}
		if attempt == maxAttempts || !overtaken(err) {
			return nil, unpublished(server, d.collection.GUN, attempt, err)
		}
		if err := s.opts.Sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// shown returns the collection as soon as the server shows the files that it took:
// a cache in front of it may be late.
func (s *Signer) shown(ctx context.Context, repo image.Ref, files map[string][]byte) (*draft, error) {
	var after *draft
	late := func() bool { return after == nil || !after.shows(files) }
	err := order.LookTwice(ctx, s.opts.Sleep, late, func() (err error) {
		after, err = s.open(ctx, repo)
		return err
	})
	if err == nil && late() {
		err = order.Refused(verify.Unavailable, "the server took it, and does not show it")
	}
	if err != nil {
		return nil, &verify.Error{Op: "read back what was published", Err: err, Hint: again + "; if it lasts, tell the server's owner"}
	}
	return after, nil
}

// What a notary-server says of what it does not take (its server/errors and
// tuf/validation).
const (
	codeVersion  = "VERSION"        // there is a newer file
	codeInvalid  = "INVALID_UPDATE" // it was looked at, and is not sound
	codeRole     = "INVALID_ROLE"   // a name of a file is no role
	badHierarchy = "ErrBadHierarchy"
	badTargets   = "ErrBadTargets"
)

// overtaken reports whether what was published is not taken since it was made from
// what is no longer there: another version, or other keys.
func overtaken(err error) bool {
	var r *registry.Refusal
	return errors.As(err, &r) && (r.Code == codeVersion || r.Code == codeInvalid && r.Name == badTargets)
}

// unpublished explains why a server did not take what was published.
func unpublished(server registry.TrustServer, gun string, attempts int, err error) error {
	var (
		r      registry.Refusal
		said   *registry.Refusal
		reason = registry.Reason(err)
		hint   = ""
	)
	if errors.As(err, &said) {
		r = *said
	}
	switch {
	case r.Code == codeVersion:
		reason, hint = verify.Unavailable, "run it again when nobody else publishes to "+gun
		err = fmt.Errorf("somebody else was faster, %d times: %w", attempts, err)
	case r.Code == codeInvalid && r.Name == badHierarchy:
		reason, hint = verify.Unsupported, "have the owner of the repository run notary key rotate "+gun+" snapshot -r, which gives the key to the server"
		err = fmt.Errorf("the server does not keep the snapshot key, and there is no other here to sign with: %w", err)
	case r.Code == codeRole:
		reason, hint = verify.Unsupported, "ask the owner of "+server.Host()+" for a server that takes delegations: notary-server 0.7 loses half of their names when it is built with Go 1.17 or later"
		err = fmt.Errorf("the server does not know the role of a delegation: %w", err)
	case said != nil:
		reason, hint = verify.BadSignature, "look at the repository with boltseal trust inspect "+gun
	case errors.Is(err, registry.ErrDenied):
		reason, hint = verify.Denied, "log in with docker login "+server.Host()+", as somebody who may push to "+gun+" (scope repository:push,pull)"
	case errors.Is(err, registry.ErrUnclear):
		reason, hint = verify.Unavailable, again
	case errors.Is(err, registry.ErrNotFound):
		reason, hint = verify.Unavailable, "check the address of the server, and that it takes what is published"
	}
	if hint == "" {
		hint = verify.Hint(registry.Explain("publish", server.Host(), err))
	}
	return &verify.Error{Op: "publish the trust data of " + gun, Err: order.Refused(reason, "%w", err), Hint: hint}
}
