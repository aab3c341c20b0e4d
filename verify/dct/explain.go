package dct

import (
	"errors"
	"fmt"
	"slices"

	"github.com/theupdateframework/notary/client"
	"github.com/theupdateframework/notary/tuf/data"
	"github.com/theupdateframework/notary/tuf/signed"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// maxCandidates bounds what is told of one image.
const maxCandidates = 64

// candidates are what each role has signed of the tag, and of img where it was
// named by its digest, and what does not count.
func (l *loaded) candidates(c Config, img image.Pinned, tag string) []verify.Candidate {
	var all []verify.Candidate
	add := func(tag, role string, reason verify.Reason, err error, d *verify.Difference, a *verify.Acceptance) {
		to := verify.Candidate{
			System: System, Format: "notary-v1", Storage: "notary", Source: l.source(tag), Signed: verify.SignedImage,
			Reason: reason, Err: err, Signer: role, Issuer: l.issuer(), Differs: d, Accept: a,
		}
		if r, ok := l.role(role); ok {
			to.Claims = map[string]string{"gun": l.GUN, "tag": plain(tag), "server": l.Server, "pin": l.Pin, "key-ids": keyIDs(r)}
		}
		all = append(all, to)
	}
	wanted := map[string]bool{}
	for _, s := range c.Signers {
		wanted["targets/"+s] = true
	}
	list := l.of(tag)
	if img.Ref().Digest() != "" {
		list = slices.DeleteFunc(slices.Clone(l.Targets), func(t Target) bool { return t.Tag != tag && t.Digest != img.Digest() })
	}
	for _, t := range list[:min(len(list), maxCandidates)] {
		decided, err := l.Released(t.Tag)
		reason, why, differs, accept := verify.Verified, error(nil), (*verify.Difference)(nil), (*verify.Acceptance)(nil)
		switch {
		case t.Digest == "":
			reason, why = verify.Unsupported, errors.New("it has no SHA-256")
		case t.Digest != img.Digest():
			reason, why = verify.BadSignature, fmt.Errorf("it is signed for %s", t.Digest)
		case err != nil:
			reason, why = Reason(err), err
		case len(c.Signers) > 0 && !wanted[t.Role]:
			reason, why = verify.WrongSigner, errors.New("its signature is not required")
			differs, accept = l.instead(c, t, decided)
		case len(c.Signers) == 0 && t.Role != decided.Role:
			reason, why = verify.WrongSigner, fmt.Errorf("%s decides what the tag means", decided.Role)
		}
		add(t.Tag, t.Role, reason, why, differs, accept)
	}
	for _, r := range l.Roles {
		if r.Err != nil && len(all) < maxCandidates {
			add(tag, r.Name, Reason(r.Err), fmt.Errorf("%s does not count: %w", r.Name, r.Err), nil, nil)
			all[len(all)-1].Signer = "" // that it has signed the tag is not known
		}
	}
	return all
}

// explained is err for the person who has to mend it.
func (r *requirement) explained(img image.Pinned, err error) error {
	e := &verify.Error{Op: "verify " + img.String(), Err: err}
	if verify.Hint(err) == "" {
		e.Hint = r.hint(err)
	}
	return e
}

// Next returns the next step after an error of [Session.Collection]; "" if there is
// none to tell.
func (c Config) Next(err error) string {
	if hint := verify.Hint(err); hint != "" {
		return hint
	}
	return c.hint(err)
}

// hint is the next step after a refusal that does not say it itself.
func (c Config) hint(err error) string {
	var (
		expired signed.ErrExpired
		sums    data.ErrMismatchedChecksum
	)
	reason := Reason(err)
	switch {
	case errors.Is(err, errNoTrustData):
		return "check that " + c.called("server") + " is the server that has them; if it is, its owner has to begin them (notary init, or docker trust signer add), and to sign"
	case errors.Is(err, errMoved):
		return "find out who moved the tag: if it was meant, have the new image signed, else put the old one back"
	case reason == verify.Unavailable:
		return "check that " + c.called("server") + " is the address of a Notary server, and that nothing in between answers in its place"
	case reason == verify.Unsigned:
		return "sign it (docker trust sign, or boltseal sign --system dct), or use a tag that is signed: boltseal trust inspect lists them"
	case errors.As(err, &expired) && expired.Role == data.CanonicalTimestampRole:
		return "check this machine's clock; if it is right, the server no longer signs its timestamps, or shows old ones"
	case reason == verify.Expired:
		return "have it signed anew by whoever holds its key; check this machine's clock"
	case reason == verify.WrongSigner && is[client.ErrNoSuchTarget](err):
		return "have it signed into targets/releases, too: docker trust sign and boltseal sign do that, notary with --roles targets/releases"
	case reason == verify.WrongSigner:
		return "have all of " + c.called("signers") + " sign it, or change who has to"
	case errors.As(err, &sums):
		return "run it again, as somebody may have been publishing; if it stays so, tell the owner of the server"
	case reason == verify.BadSignature:
		return "do not use the image; tell the owners of the collection and of the server that its trust data are not sound"
	case reason == verify.Unsupported:
		return "have its owner sign it with keys and digests that count today"
	}
	return ""
}
