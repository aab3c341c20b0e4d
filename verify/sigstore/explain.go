package sigstore

import (
	"errors"

	"github.com/boltseal/boltseal/verify"
)

// explain returns c with what was proven of the signature, and why it was
// refused: err is what prove or judge said.
func (v *verifier) explain(c verify.Candidate, f facts, err error) verify.Candidate {
	c.Reason = verify.Verified
	var r *refusal
	if err != nil {
		c.Reason, c.Err = verify.BadSignature, err
		if errors.As(err, &r) {
			c.Reason, c.Err = r.reason, r.err
		}
	}
	switch c.Reason {
	case verify.Verified, verify.WrongSigner, verify.WrongType, verify.Expired:
		c.Signer, c.Issuer = f.signer()
		c.Claims, c.SignedAt, c.PredicateType = f.claims(), f.signedAt, f.predicateType
	}
	if r != nil {
		c.Differs = r.differs
	}
	return c
}
