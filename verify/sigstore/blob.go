package sigstore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/boltseal/boltseal/verify"
)

// ErrNoTrust says that the trust root could not be obtained.
var ErrNoTrust = errors.New("no trust root")

// VerifyBundle checks one bundle of a file, or of anything that has a digest,
// with the code that checks images. The predicate type does not matter unless
// c.Predicate is set.
func VerifyBundle(ctx context.Context, body []byte, c Config, about Artifact) (verify.Evidence, error) {
	return verifyBundle(ctx, body, c, about, false)
}

// CheckBundle is VerifyBundle for whoever has made the bundle: all of its log entries
// and timestamps have to verify, where others are content with one.
func CheckBundle(ctx context.Context, body []byte, c Config, about Artifact) (verify.Evidence, error) {
	return verifyBundle(ctx, body, c, about, true)
}

func verifyBundle(ctx context.Context, body []byte, c Config, about Artifact, every bool) (verify.Evidence, error) {
	if len(c.Identities) == 0 && len(c.Keys) == 0 {
		return verify.Evidence{}, errors.New("no identity and no key")
	}
	if c.need() > 1 || c.Where != nil {
		return verify.Evidence{}, errors.New("of a file only the signer and the type can be asked")
	}
	if err := c.sound(); err != nil {
		return verify.Evidence{}, err
	}
	p := prover{keys: c.Keys, noLog: c.IgnoreLog, flags: c.Flags, every: every}
	if c.Trust != nil {
		material, err := c.Trust.wait(ctx)
		if err != nil {
			return verify.Evidence{}, fmt.Errorf("%w: %w", ErrNoTrust, err)
		}
		p.material, p.rules = material, c.Trust.rules
	}
	s := parseBundle(signature{storage: "file"}, body)
	f, err := p.prove(s, about)
	if err == nil {
		_, err = c.who(f)
	}
	if err == nil && c.Predicate != "" {
		err = c.what(f)
	}
	if err != nil {
		return verify.Evidence{}, err
	}
	v := verifier{Config: c}
	return *v.evidence(s, f, "file", ""), nil
}

// reader returns the content from its beginning: a bundle may be tried with
// several keys.
func (a Artifact) reader() (io.Reader, error) {
	if s, ok := a.Content.(io.Seeker); ok {
		if _, err := s.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
	}
	return a.Content, nil
}
