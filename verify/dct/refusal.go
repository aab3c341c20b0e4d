package dct

import (
	"errors"
	"fmt"
	"time"

	"github.com/theupdateframework/notary/trustpinning"
	"github.com/theupdateframework/notary/tuf/signed"

	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// A refusal is why trust data do not count, or do not say what is required.
type refusal struct {
	reason verify.Reason
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }

// Unwrap returns the cause.
func (r *refusal) Unwrap() error { return r.err }

func refuse(reason verify.Reason, format string, args ...any) error {
	return &refusal{reason: reason, err: fmt.Errorf(format, args...)}
}

// A clipped is an error of the client, of which only the beginning is told: there
// may be text of a stranger in it, of any length.
type clipped struct{ error }

func (c clipped) Error() string { return hostile.Clip(c.error.Error()) }

// Unwrap returns the error.
func (c clipped) Unwrap() error { return c.error }

// Reason returns what an error of [Session.Collection] means: of every other error
// it is [verify.Undecided], and so is that of none.
func Reason(err error) verify.Reason {
	if r := (*refusal)(nil); errors.As(err, &r) {
		return r.reason
	}
	return verify.Undecided
}

// judged gives an error of the client its Reason. What it says of trust data
// that were had, and that none of these is, speaks against the data.
func judged(err error) error {
	var (
		r       *refusal
		expired signed.ErrExpired
		rotated *trustpinning.ErrRootRotationFail
	)
	switch {
	case err == nil, errors.As(err, &r):
		return err
	case errors.As(err, &expired):
		return &refusal{reason: verify.Expired, err: fmt.Errorf("%s expired on %s (%w)", expired.Role, dayOf(expired), clipped{err})}
	case errors.As(err, &rotated):
		return &refusal{reason: verify.WrongSigner, err: fmt.Errorf("the root was replaced by one that those of before have not signed: %w", clipped{err})}
	}
	return &refusal{reason: verify.BadSignature, err: clipped{err}}
}

// dayOf is when something expired, of which the client only says it in words.
func dayOf(e signed.ErrExpired) string {
	at, err := time.Parse("Mon Jan 2 15:04:05 MST 2006", e.Expired)
	if err != nil {
		return e.Expired
	}
	return day(at)
}
