package notation

import (
	"fmt"

	"github.com/boltseal/boltseal/verify"
)

// A Revocation says what becomes of a signature when no server says whether a
// certificate was revoked. What was revoked is refused by Strict and Soft.
type Revocation string

// The Revocations; "" is Strict.
const (
	Strict Revocation = "strict" // it is refused: verify.Unavailable
	Soft   Revocation = "soft"   // it counts, and the evidence says so
	Skip   Revocation = "skip"   // nobody is asked
)

// ParseRevocation reads a Revocation; "" is Strict.
func ParseRevocation(s string) (Revocation, error) {
	switch r := Revocation(s); r {
	case "":
		return Strict, nil
	case Strict, Soft, Skip:
		return r, nil
	}
	return "", &verify.Error{Op: "read revocation", Hint: "write strict, soft or skip", Err: fmt.Errorf("there is no %s", quoted(s))}
}

// A Timestamp says when a signature needs a time stamp authority's
// countersignature. It has no effect where none is trusted.
type Timestamp string

// The Timestamps; "" is Always.
const (
	Always      Timestamp = "always"
	AfterExpiry Timestamp = "after-expiry" // once a certificate has expired
)

// ParseTimestamp reads a Timestamp; "" is Always.
func ParseTimestamp(s string) (Timestamp, error) {
	switch t := Timestamp(s); t {
	case "":
		return Always, nil
	case Always, AfterExpiry:
		return t, nil
	}
	return "", &verify.Error{Op: "read timestamp", Hint: "write always or after-expiry", Err: fmt.Errorf("there is no %s", quoted(s))}
}
