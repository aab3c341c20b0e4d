package sigstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/condition"
	"github.com/boltseal/boltseal/verify/internal/hostile"
	"github.com/boltseal/boltseal/verify/internal/manifests"
)

// judge returns which of the identities and keys the facts satisfy the
// requirement with, keys counted on behind the identities; at least one, or a
// *refusal.
func (c Config) judge(ctx context.Context, f facts, img image.Pinned) ([]int, error) {
	entries, err := c.who(f)
	if err == nil {
		err = c.what(f)
	}
	if err == nil && c.Where != nil {
		err = c.where(ctx, f, img)
	}
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// what returns nil if what was signed is what is required.
func (c Config) what(f facts) error {
	switch {
	case c.Predicate == "" && (f.plain || f.predicateType == SignPredicate):
		return nil
	case c.Predicate != "" && !f.plain && !f.blob && f.predicateType == c.Predicate:
		return nil
	case c.Predicate == "" && f.blob:
		return differ(verify.WrongType, "predicate type", "a file", "a signature", "it is a signature of a file, not of an image")
	case c.Predicate == "":
		return differ(verify.WrongType, "predicate type", f.predicateType, "a signature", "it is an attestation (%s), not a signature", hostile.Clip(f.predicateType))
	case f.plain || f.predicateType == SignPredicate || f.blob:
		return differ(verify.WrongType, "predicate type", "a signature", c.Predicate, "it is a signature, not an attestation of type %s", c.Predicate)
	}
	return differ(verify.WrongType, "predicate type", f.predicateType, c.Predicate, "it is an attestation of type %s, not %s", hostile.Clip(f.predicateType), c.Predicate)
}

// where returns nil if the condition is true of the attestation.
func (c Config) where(ctx context.Context, f facts, img image.Pinned) error {
	var statement struct {
		Predicate json.RawMessage `json:"predicate"`
	}
	if err := json.Unmarshal(f.statement, &statement); err != nil {
		return refuse(verify.BadSignature, "signed statement: %w", err)
	}
	if len(statement.Predicate) == 0 {
		statement.Predicate = json.RawMessage("null")
	}
	ref := img.Ref()
	v := condition.Vars{
		Predicate: statement.Predicate,
		Claims:    f.claims(),
		Image:     condition.Image{Name: strings.ToLower(ref.Name()), Tag: ref.Tag(), Digest: img.Digest()},
	}
	v.Signer, v.Issuer = f.signer()
	ok, err := c.Where.Eval(ctx, v)
	text := hostile.Clip(c.Where.String())
	switch {
	case ok && err == nil:
		return nil
	case errors.Is(err, condition.ErrTooLarge):
		return refuse(verify.Unsupported, "the condition %s: %w", text, err)
	case ctx.Err() != nil:
		return refuse(verify.Undecided, "the condition %s: %w", text, context.Cause(ctx))
	case err != nil:
		return differ(verify.WrongType, "where", hostile.Clip(err.Error()), text, "the condition cannot be answered (%s): %s", hostile.Clip(err.Error()), text)
	}
	return differ(verify.WrongType, "where", "false", text, "the condition is not true of the attestation: %s", text)
}

// who returns which identities or keys the signer is.
func (c Config) who(f facts) ([]int, error) {
	if f.key != nil { // prove found it among the accepted keys
		return c.whichKey(f)
	}
	if f.cert == nil || len(c.Identities) == 0 {
		found, _ := f.signer()
		return nil, differ(verify.WrongSigner, "key", found, keyList(c.Keys), "signed with a certificate, where only keys are accepted")
	}
	var entries []int
	refusals := make([]*refusal, len(c.Identities))
	for i, id := range c.Identities {
		if refusals[i] = id.match(*f.cert); refusals[i] == nil {
			refusals[i] = matchClaims(c.Claims, *f.cert)
		}
		if refusals[i] == nil {
			entries = append(entries, i)
		}
	}
	if len(entries) > 0 {
		return entries, nil
	}
	nearest := refusals[c.nearest(f)]
	if len(c.Identities) > 1 {
		nearest.err = fmt.Errorf("%w (the nearest of %d)", nearest.err, len(c.Identities))
	}
	return nil, nearest
}

// nearest returns which identity the certificate of f comes closest to: the one
// that whoever reads of it most likely meant. There has to be one.
func (c Config) nearest(f facts) int {
	best, nearest := -1, 0
	for i, id := range c.Identities {
		if f.cert == nil {
			break
		}
		if n := similarity(id.subject.String(), f.cert.SubjectAlternativeName) + similarity(id.issuer.String(), f.cert.Extensions.Issuer); n > best {
			best, nearest = n, i
		}
	}
	return nearest
}

func (c Config) whichKey(f facts) ([]int, error) {
	if err := f.key.expired(f.signedAt, c.Now); err != nil {
		return nil, err
	}
	for i, k := range c.Keys {
		if k.fingerprint == f.key.fingerprint {
			return []int{len(c.Identities) + i}, nil
		}
	}
	return nil, refuse(verify.WrongSigner, "%s is not among the accepted keys", f.key)
}

// differ is refuse with what was found and what was expected.
func differ(reason verify.Reason, what, found, expected, format string, args ...any) *refusal {
	return &refusal{reason, fmt.Errorf(format, args...), &verify.Difference{What: what, Found: found, Expected: expected}}
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
	what, how := "signature", ""
	if c.Predicate != "" {
		what = "attestation of type " + c.Predicate
	}
	if c.On == verify.SignedAttestation {
		what += " on the attestation manifest"
	}
	if c.AtLeast > 1 {
		how = fmt.Sprintf("%d different ones of ", c.AtLeast)
	}
	required := what + " by " + how + strings.Join(who, " or ")
	for _, name := range slices.Sorted(maps.Keys(c.Claims)) {
		required += fmt.Sprintf(", %s=%s", name, c.Claims[name])
	}
	if c.Where != nil {
		required += ", where " + hostile.Clip(c.Where.String())
	}
	return required
}

// keyList names keys for a message.
func keyList(keys []Key) string {
	var names []string
	for _, k := range keys {
		names = append(names, k.signer())
	}
	return strings.Join(names, " or ")
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

// closest returns the refused candidate that came closest. One that only the
// condition refused is of the right signer and type: closer than any of another
// signer, which whoever may push could have put beside it.
func closest(candidates []verify.Candidate) (verify.Reason, error) {
	return manifests.Closest(candidates, func(c verify.Candidate) int {
		if c.Differs != nil && c.Differs.What == "where" {
			return 2*severity(verify.WrongSigner) + 1
		}
		return 2 * severity(c.Reason)
	})
}
