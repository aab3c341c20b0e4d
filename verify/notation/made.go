package notation

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

// A Made is one sound signature, with what it says besides: the word of whoever
// signed it.
type Made struct {
	Evidence verify.Evidence
	// Metadata is the user metadata; nil for none.
	Metadata map[string]string
	// Expiry is when the signature expires; zero for never.
	Expiry time.Time
	// Envelope is the envelope as it is stored.
	Envelope []byte
	// Leaf is the signing certificate.
	Leaf *x509.Certificate
}

// Made returns every sound signature of img itself that satisfies c, and what it
// says. It proves each as a [verify.Verifier] does, and is for those who sign: it
// decides no gate, asks for no platform (c must have none), and an empty list is
// no verdict.
//
// What is broken, expired, made by others, or not as c wants it is left out. An
// error says that a question was not answered, or that there is more than is read,
// so that what is returned with it may not be all.
func (s *Session) Made(ctx context.Context, c Config, img image.Pinned) ([]Made, error) {
	r, err := s.maker(c)
	if err != nil {
		return nil, err
	}
	op := "look at the signatures of " + img.String()
	img, f, err := r.gather(ctx, img)
	switch {
	case ctx.Err() != nil:
		return nil, &verify.Error{Op: op, Err: context.Cause(ctx)}
	case err != nil:
		return nil, err
	}
	var made []Made
	var unread []error
	waiting := patient(ctx)
	for _, sig := range f.sigs {
		one, err := r.made(waiting, sig, img)
		refused := (*refusal)(nil)
		switch {
		case ctx.Err() != nil: // checking takes time too, and must end with the run
			return nil, &verify.Error{Op: op, Err: context.Cause(ctx)}
		case err == nil:
			made = append(made, one)
		case errors.Is(err, registry.ErrTooMany):
			unread = append(unread, err)
		case !errors.As(err, &refused) || refused.reason == verify.Undecided:
			return nil, &verify.Error{Op: op, Err: err}
		case refused.reason.NoAnswer():
			unread = append(unread, err)
		}
	}
	if f.left > 0 {
		unread = append(unread, fmt.Errorf("there are %d more signatures, which were not looked at", f.left))
	}
	switch {
	case f.err != nil:
		return made, registry.Explain(op, r.where(img).Registry(), errors.Join(append(unread, f.err)...))
	case len(unread) > 0:
		return made, &verify.Error{Op: op, Err: errors.Join(unread...), Hint: r.hint(verify.Unavailable, unread[0])}
	}
	return made, nil
}

// Check checks an envelope of img that is not stored yet, with the code that
// proves stored ones. Of c the same is said as for [Session.Made]; img must have
// been described. An error has a method Reason that says what is wrong with the
// signature, where that is what it is.
func (s *Session) Check(ctx context.Context, c Config, img image.Pinned, mediaType string, envelope []byte) (Made, error) {
	r, err := s.maker(c)
	if err != nil {
		return Made{}, err
	}
	if len(envelope) == 0 || len(envelope) > maxEnvelope {
		return Made{}, refuse(verify.Unsupported, "the envelope has %d bytes; 1 to %d are read", len(envelope), maxEnvelope)
	}
	return r.made(ctx, signature{storage: "memory", mediaType: mediaType, envelope: envelope}, img)
}

// maker returns the requirement that says of signatures what c's signers made.
func (s *Session) maker(c Config) (*requirement, error) {
	if len(c.Platforms) > 0 || c.level() != LevelStrict {
		return nil, errors.New("what was made is asked of the image itself, and of nothing but who made it")
	}
	return s.require(c)
}

// made returns what s is, or a *refusal where it is not as required.
func (r *requirement) made(ctx context.Context, s signature, img image.Pinned) (Made, error) {
	f, err := r.prover.prove(ctx, s, img)
	if err != nil {
		return Made{}, err
	}
	return Made{
		Evidence: evidence(s, f, verify.SignedImage, ""), Metadata: f.metadata, Expiry: f.expiry, Envelope: s.envelope, Leaf: f.chain[0],
	}, nil
}
