package sigstore

import (
	"errors"
	"fmt"
	"strings"

	"github.com/boltseal/boltseal/verify"
)

// judge returns nil if the facts satisfy the requirement, else a *refusal.
func (c Config) judge(f facts) error {
	if err := c.who(f); err != nil {
		return err
	}
	switch {
	case c.Predicate == "" && (f.plain || f.predicateType == SignPredicate):
		return nil
	case c.Predicate != "" && !f.plain && !f.blob && f.predicateType == c.Predicate:
		return nil
	case c.Predicate == "" && f.blob:
		return refuse(verify.WrongType, "it is a signature of a file, not of an image")
	case c.Predicate == "":
		return refuse(verify.WrongType, "it is an attestation (%s), not a signature", clip(f.predicateType))
	case f.plain || f.predicateType == SignPredicate || f.blob:
		return refuse(verify.WrongType, "it is a signature, not an attestation of type %s", c.Predicate)
	}
	return refuse(verify.WrongType, "it is an attestation of type %s, not %s", clip(f.predicateType), c.Predicate)
}

// who returns nil if the signer is one of those expected.
func (c Config) who(f facts) error {
	if f.key != nil {
		return nil // prove found it among the accepted keys
	}
	if f.cert == nil || len(c.Identities) == 0 {
		return refuse(verify.WrongSigner, "signed with a certificate, where only keys are accepted")
	}
	var nearest error
	best := -1
	for _, id := range c.Identities {
		err := id.match(*f.cert)
		if err == nil {
			return nil
		}
		// The identity that the certificate comes closest to is the one that
		// whoever reads this most likely meant.
		if n := similarity(id.subject.String(), f.cert.SubjectAlternativeName) + similarity(id.issuer.String(), f.cert.Extensions.Issuer); n > best {
			best, nearest = n, err
		}
	}
	if len(c.Identities) > 1 {
		nearest = fmt.Errorf("%w (the nearest of %d)", nearest, len(c.Identities))
	}
	return &refusal{verify.WrongSigner, nearest}
}

// similarity counts the bytes that two strings share at their beginnings and ends.
func similarity(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	a, b = a[n:], b[n:]
	for i := 1; i <= len(a) && i <= len(b) && a[len(a)-i] == b[len(b)-i]; i++ {
		n++
	}
	return n
}

// String says in words what c requires.
func (c Config) String() string {
	var who []string
	for _, id := range c.Identities {
		who = append(who, id.String())
	}
	for _, k := range c.Keys {
		who = append(who, k.String())
	}
	what := "signature"
	if c.Predicate != "" {
		what = "attestation of type " + c.Predicate
	}
	if c.On == verify.SignedAttestation {
		what += " on the attestation manifest"
	}
	return what + " by " + strings.Join(who, " or ")
}

// severity orders the Reasons of refused candidates by how close the candidate
// came to satisfying the requirement: the closest is what there is to mend. What
// could not be read may be the very one.
func severity(r verify.Reason) int {
	switch r {
	case verify.Unsupported:
		return 6
	case verify.Expired:
		return 5
	case verify.WrongSigner:
		return 4
	case verify.WrongType:
		return 3
	case verify.BadSignature:
		return 2
	}
	return 0
}

// closest returns the refused candidate that came closest.
func closest(candidates []verify.Candidate) (verify.Reason, error) {
	reason, err := verify.Undecided, errors.New("no candidate")
	for i, c := range candidates {
		if i == 0 || severity(c.Reason) > severity(reason) {
			reason, err = c.Reason, c.Err
		}
	}
	return reason, err
}
