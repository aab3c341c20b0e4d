// Package predicate reads what is attested of an image, and makes the
// verification summary.
package predicate

import (
	"encoding/json"
	"errors"

	vsig "github.com/boltseal/boltseal/verify/sigstore"
)

// Type returns the predicate type that name stands for: one of cosign's short
// names, or a URI, which is returned as it is.
func Type(name string) (string, error) { return vsig.PredicateType(name) }

// Check returns body as compact JSON if it is what uri says.
func Check(uri string, body []byte) (json.RawMessage, error) {
	return nil, errors.New("predicates are not checked yet")
}
