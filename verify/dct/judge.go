package dct

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

const (
	releases = "targets/releases"
	targets  = "targets"
)

// A requirement is a Config that is ready to run.
type requirement struct {
	Config
	session *Session
}

var _ verify.Verifier = (*requirement)(nil)

// Verify implements verify.Verifier.
func (r *requirement) Verify(ctx context.Context, img image.Pinned) verify.Verdict {
	return r.verify(ctx, img).For(r.String())
}

func (r *requirement) verify(ctx context.Context, img image.Pinned) verify.Verdict {
	l, err := r.session.loadFor(ctx, r.Config, img.Ref(), r.session.cache)
	if err != nil {
		return verify.Fail(img, Reason(err), r.explained(img, err))
	}
	f, err := l.find(img, r.Signers)
	candidates := l.candidates(img, f.tag)
	if err != nil {
		return verify.Fail(img, Reason(err), r.explained(img, err)).With(candidates)
	}
	return verify.PassTogether(img, max(1, len(r.Signers)), l.evidence(img, f, r.Signers)).With(candidates)
}

// A finding is the tag that vouches for an image.
type finding struct {
	tag     string
	decided Target
}

// Released returns the target that docker takes for a tag: that of
// targets/releases, else that of targets. It does not look at any other where the
// former is delegated and does not count.
func (c *Collection) Released(tag string) (Target, error) {
	if role, ok := c.role(releases); ok && role.Err != nil {
		return Target{}, &refusal{reason: Reason(role.Err), err: fmt.Errorf("%s decides what tags mean, and does not count: %w", releases, role.Err)}
	}
	for _, name := range []string{releases, targets} {
		if t, ok := c.target(tag, name); ok {
			if t.Digest == "" {
				return t, refuse(verify.Unsupported, "%s has no SHA-256 of %s", name, hostile.Quoted(tag))
			}
			return t, nil
		}
	}
	var others []string
	for _, t := range c.Targets {
		if t.Tag == tag {
			others = append(others, t.Role)
		}
	}
	if len(others) > 0 {
		return Target{}, refuse(verify.WrongSigner, "No valid trust data for %s: it is signed by %s, not by %s or %s, which decide what tags mean", tag, strings.Join(others, ", "), releases, targets)
	}
	return Target{}, refuse(verify.Unsigned, "No valid trust data for %s: %s has trust data, and nobody has signed this tag", tag, c.GUN)
}

func (c *Collection) role(name string) (Role, bool) {
	i := slices.IndexFunc(c.Roles, func(r Role) bool { return r.Name == name })
	if i < 0 {
		return Role{}, false
	}
	return c.Roles[i], true
}

func (c *Collection) target(tag, role string) (Target, bool) {
	i := slices.IndexFunc(c.Targets, func(t Target) bool { return t.Tag == tag && t.Role == role })
	if i < 0 {
		return Target{}, false
	}
	return c.Targets[i], true
}

// find returns the tag that vouches for img: the one by which it was named, or
// any where it was named by its digest.
func (c *Collection) find(img image.Pinned, signers []string) (finding, error) {
	ref := img.Ref()
	if ref.Digest() == "" {
		f := finding{tag: ref.Tag()}
		var err error
		if f.decided, err = c.Released(f.tag); err != nil {
			return f, err
		}
		if f.decided.Digest != img.Digest() {
			return f, refuse(verify.BadSignature, "the registry serves %s for %s, and %s has signed %s: the tag was moved after it was signed, or somebody has changed what the registry serves", img.Digest(), f.tag, f.decided.Role, f.decided.Digest)
		}
		return f, c.signed(f, signers)
	}
	return c.findDigest(img, signers)
}

// findDigest looks for a tag that has the digest of img, the claimed one first.
func (c *Collection) findDigest(img image.Pinned, signers []string) (finding, error) {
	tags := []string{}
	if tag := img.Ref().Tag(); tag != "" {
		tags = append(tags, tag)
	}
	others := false
	for _, t := range c.Targets {
		if t.Digest == img.Digest() && !slices.Contains(tags, t.Tag) {
			tags = append(tags, t.Tag)
		}
		others = others || t.Digest == img.Digest()
	}
	var first error
	for _, tag := range tags {
		f := finding{tag: tag}
		var err error
		if f.decided, err = c.Released(tag); err != nil || f.decided.Digest != img.Digest() {
			if reason := Reason(err); err != nil && reason != verify.Unsigned && reason != verify.WrongSigner {
				return f, err
			}
			continue
		}
		if err = c.signed(f, signers); err == nil {
			return f, nil
		}
		if first == nil {
			first = err
		}
	}
	f := finding{tag: img.Ref().Tag()}
	switch {
	case first != nil:
		return f, first
	case others:
		return f, refuse(verify.WrongSigner, "no tag of %s has the digest %s by %s or %s, which decide what tags mean; others have signed it", c.GUN, img.Digest(), releases, targets)
	}
	return f, refuse(verify.Unsigned, "No valid trust data for %s: no tag of %s is signed with this digest", img.Digest(), c.GUN)
}

// signed returns an error unless all signers have signed what f is.
func (c *Collection) signed(f finding, signers []string) error {
	for _, s := range signers {
		name := "targets/" + s
		t, ok := c.target(f.tag, name)
		role, delegated := c.role(name)
		switch {
		case ok && t.Digest == f.decided.Digest:
		case ok:
			return refuse(verify.WrongSigner, "the required signer %s has signed %s for %s, and %s has signed %s", name, or(t.Digest, "no SHA-256"), f.tag, f.decided.Role, f.decided.Digest)
		case role.Err != nil:
			return &refusal{reason: Reason(role.Err), err: fmt.Errorf("what the required signer %s has signed does not count: %w", name, role.Err)}
		case !delegated:
			return refuse(verify.WrongSigner, "the required signer %s is no delegation of %s", name, c.GUN)
		default:
			return refuse(verify.WrongSigner, "the required signer %s has not signed %s", name, f.tag)
		}
	}
	return nil
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// evidence is what f proves of img: one piece by each required signer, or one by
// the role that decided.
func (l *loaded) evidence(img image.Pinned, f finding, signers []string) []verify.Evidence {
	roles := []string{f.decided.Role}
	if len(signers) > 0 {
		roles = nil
		for _, s := range signers {
			roles = append(roles, "targets/"+s)
		}
	}
	var all []verify.Evidence
	for _, name := range roles {
		t, ok := l.target(f.tag, name)
		if !ok || t.Digest != f.decided.Digest {
			return nil
		}
		all = append(all, verify.Evidence{
			System: System, Format: "notary-v1", Storage: "notary", Source: l.source(f.tag),
			Digest: t.Digest, Signed: verify.SignedImage, Signer: name, Issuer: l.issuer(), Claims: l.claims(f, name, roles),
		})
	}
	return all
}

func (l *loaded) source(tag string) string { return l.Server + "/" + l.GUN + ":" + hostile.Clip(tag) }

func (l *loaded) issuer() string { return "root key " + strings.Join(l.root.ids, ", ") }

// claims are what there is to say of who signed as name, besides.
func (l *loaded) claims(f finding, name string, roles []string) map[string]string {
	claims := map[string]string{"gun": l.GUN, "tag": f.tag, "server": l.Server, "pin": l.Pin, "rollback": l.rollback}
	if role, ok := l.role(name); ok {
		claims["key-ids"] = strings.Join(role.KeyIDs, ", ")
	}
	relied := append([]string{"root", "targets", "snapshot", "timestamp", f.decided.Role}, roles...)
	var earliest Role
	for _, role := range l.Roles {
		if slices.Contains(relied, role.Name) && (earliest.Expires.IsZero() || role.Expires.Before(earliest.Expires)) {
			earliest = role
		}
		if role.Name == "timestamp" {
			claims["timestamp"] = role.Expires.UTC().Format(time.RFC3339)
		}
	}
	claims["expires"] = earliest.Expires.UTC().Format(time.RFC3339) + " " + earliest.Name
	var ignored []string
	for _, role := range l.Roles {
		if role.Err != nil {
			ignored = append(ignored, role.Name+": "+string(Reason(role.Err)))
		}
	}
	if len(ignored) > 0 {
		claims["ignored"] = strings.Join(ignored, "; ")
	}
	return claims
}

// candidates are what each role has signed of the tag, or of img where it was not
// named by one.
func (l *loaded) candidates(img image.Pinned, tag string) []verify.Candidate {
	const most = 64
	var all []verify.Candidate
	for _, t := range l.Targets {
		if t.Tag != tag && (tag != "" || t.Digest != img.Digest()) {
			continue
		}
		c := verify.Candidate{System: System, Format: "notary-v1", Storage: "notary", Source: l.source(t.Tag), Signed: verify.SignedImage, Signer: t.Role, Issuer: l.issuer()}
		if t.Digest != img.Digest() {
			c.Reason, c.Err = verify.BadSignature, fmt.Errorf("it is signed for %s", or(t.Digest, "no SHA-256"))
		} else {
			c.Reason = verify.Verified
		}
		all = append(all, c)
	}
	for _, r := range l.Roles {
		if r.Err != nil {
			all = append(all, verify.Candidate{System: System, Format: "notary-v1", Storage: "notary", Source: l.source(tag), Signed: verify.SignedImage, Signer: r.Name, Issuer: l.issuer(), Reason: Reason(r.Err), Err: r.Err})
		}
	}
	return all[:min(len(all), most)]
}

// explained is err for the person who has to mend it.
func (r *requirement) explained(img image.Pinned, err error) error {
	if verify.Hint(err) != "" {
		return &verify.Error{Op: "verify " + img.String(), Err: err}
	}
	return &verify.Error{Op: "verify " + img.String(), Err: err, Hint: r.hint(Reason(err))}
}

// hint is the next step after a refusal.
func (r *requirement) hint(reason verify.Reason) string {
	switch reason {
	case verify.Unsigned:
		return "sign it with docker trust sign or boltseal sign --system dct, or use a tag that is signed"
	case verify.WrongSigner:
		return "have all of " + r.called("signers") + " sign it"
	}
	return ""
}
