package cli

import (
	"context"

	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// A signSystem is a way of signing that boltseal sign knows.
type signSystem struct {
	name    string
	formats []sign.Format // of its signatures, two; the first is the default
	// read finds what is signed with, and everything that can be wrong with it. It
	// asks nobody. The order is read.
	read func(*signing) (means, error)
}

// signSystems returns them all. Whoever adds a system adds a line; the first is
// the default.
func signSystems() []signSystem {
	return []signSystem{
		{sigstore.System, []sign.Format{sign.Bundle, sign.Legacy}, readSigstore},
	}
}

// system returns the one of the run.
func (s *signing) system() signSystem { return signSystems()[0] }

// A means is what a run signs with, by one system.
type means interface {
	// missing says why there is nothing to sign with, and nobody minds; "" where
	// there is.
	missing() string
	// consumer adds what consumers have to say for all of what is signed.
	consumer(*report.Consumer)
	// begin fetches what takes time, beside the requests to the registry.
	begin(context.Context)
	// signer makes the signer of the run. An error is bad input, or no answer.
	signer(ctx context.Context, client *registry.Client, done func(done, of int)) (signer, error)
	// misconfigured returns the bad input that failures come from, nil if they come
	// from something else: some of it shows only when it is used.
	misconfigured(failures []sign.Failure) error
	// notices are what users should know when all is done, a sentence each.
	notices() []string
	// item adds to a record what only the system knows of it.
	item(sign.Record) report.SignedItem
}

// A signer signs.
type signer interface {
	Sign(context.Context, sign.Order) sign.Result
}
