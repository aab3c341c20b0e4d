package dct

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/notary/client"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

const (
	releases = "targets/releases"
	targets  = "targets"

	// mostIgnored bounds the delegations that evidence says do not count.
	mostIgnored = 8
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
	candidates := l.candidates(r.Config, img, f.tag)
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
	if err := c.decided(); err != nil {
		return Target{}, err
	}
	signed := c.of(tag)
	for _, name := range []string{releases, targets} {
		if t, ok := by(signed, name); ok {
			if t.Digest == "" {
				return t, refuse(verify.Unsupported, "%s has no SHA-256 of %s", name, hostile.Quoted(tag))
			}
			return t, nil
		}
	}
	var others []string
	for _, t := range signed {
		others = append(others, t.Role)
	}
	if len(others) > 0 {
		return Target{}, refuse(verify.WrongSigner, "%w: it is signed by %s, not by %s or %s, which decide what tags mean", noSuch(plain(tag)), some(others), releases, targets)
	}
	return Target{}, refuse(verify.Unsigned, "%w: %s has trust data, and nobody has signed this tag", noSuch(plain(tag)), c.GUN)
}

// decided refuses a collection whose role that decides what tags mean does not
// count.
func (c *Collection) decided() error {
	if role, ok := c.role(releases); ok && role.Err != nil {
		return &refusal{reason: Reason(role.Err), err: fmt.Errorf("%s decides what tags mean, and does not count: %w", releases, role.Err)}
	}
	return nil
}

// noSuch is what the client says of a tag, or a digest, that is not signed: docker's
// words.
func noSuch(tag string) error { return client.ErrNoSuchTarget(hostile.Clip(tag)) }

func (c *Collection) role(name string) (Role, bool) {
	i := slices.IndexFunc(c.Roles, func(r Role) bool { return r.Name == name })
	if i < 0 {
		return Role{}, false
	}
	return c.Roles[i], true
}

// of returns what there is of a tag, by role. Targets are sorted by tag.
func (c *Collection) of(tag string) []Target {
	begin, _ := slices.BinarySearchFunc(c.Targets, tag, func(t Target, tag string) int { return strings.Compare(t.Tag, tag) })
	end := begin
	for end < len(c.Targets) && c.Targets[end].Tag == tag {
		end++
	}
	return c.Targets[begin:end]
}

// by returns the one of some targets that role has signed.
func by(all []Target, role string) (Target, bool) {
	i := slices.IndexFunc(all, func(t Target) bool { return t.Role == role })
	if i < 0 {
		return Target{}, false
	}
	return all[i], true
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
			return f, refuse(verify.BadSignature, "%w: the registry serves %s for %s, and %s has signed %s", errMoved, img.Digest(), f.tag, f.decided.Role, f.decided.Digest)
		}
		return f, c.signed(f, signers)
	}
	return c.findDigest(img, signers)
}

// findDigest looks for a tag that has the digest of img, the claimed one first.
func (c *Collection) findDigest(img image.Pinned, signers []string) (finding, error) {
	if err := c.decided(); err != nil {
		return finding{tag: img.Ref().Tag()}, err // of none can be said what it means
	}
	var tags []string
	if tag := img.Ref().Tag(); tag != "" {
		tags = append(tags, tag)
	}
	others := ""
	for _, t := range c.Targets { // sorted by tag
		if t.Digest == img.Digest() {
			others = t.Role
			if len(tags) == 0 || t.Tag != tags[len(tags)-1] {
				tags = append(tags, t.Tag)
			}
		}
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
	case others != "":
		return f, refuse(verify.WrongSigner, "%w: it is signed by %s, not by %s or %s, which decide what tags mean", noSuch(img.Digest()), others, releases, targets)
	}
	said := ""
	if t, err := c.Released(f.tag); err == nil {
		said = fmt.Sprintf("; %s is signed for %s", f.tag, t.Digest)
	}
	return f, refuse(verify.Unsigned, "%w: no tag of %s is signed with this digest%s", noSuch(img.Digest()), c.GUN, said)
}

// signed returns an error unless all signers have signed what f is.
func (c *Collection) signed(f finding, signers []string) error {
	for _, s := range signers {
		name := "targets/" + s
		t, ok := by(c.of(f.tag), name)
		role, delegated := c.role(name)
		switch {
		case ok && t.Digest == f.decided.Digest:
		case ok:
			return refuse(verify.WrongSigner, "the required signer %s has signed %s for %s, and %s has signed %s", name, or(t.Digest, "no SHA-256"), plain(f.tag), f.decided.Role, f.decided.Digest)
		case role.Err != nil:
			return &refusal{reason: Reason(role.Err), err: fmt.Errorf("what the required signer %s has signed does not count: %w", name, role.Err)}
		case !delegated && c.above(name) != nil:
			return c.above(name)
		case !delegated:
			return refuse(verify.WrongSigner, "the required signer %s is no delegation of %s, which has %s", name, c.GUN, c.delegations())
		default:
			return refuse(verify.WrongSigner, "the required signer %s has not signed %s", name, plain(f.tag))
		}
	}
	return nil
}

// above refuses a signer that a role would have to delegate to which does not
// count; nil if there is no such role.
func (c *Collection) above(name string) error {
	for up := path.Dir(name); up != targets && up != "."; up = path.Dir(up) {
		if role, ok := c.role(up); ok && role.Err != nil {
			return &refusal{reason: Reason(role.Err), err: fmt.Errorf("%s delegates to the required signer %s, and does not count: %w", up, name, role.Err)}
		}
	}
	return nil
}

// delegations names who may sign besides targets.
func (c *Collection) delegations() string {
	var names []string
	for _, r := range c.Roles {
		if strings.HasPrefix(r.Name, "targets/") {
			names = append(names, r.Name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return some(names)
}

// errMoved says what happened if nobody can be blamed for worse.
var errMoved = errors.New("the tag was moved after it was signed, or somebody has changed what the registry serves")

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
		t, ok := by(l.of(f.tag), name)
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

func (l *loaded) source(tag string) string {
	if tag == "" { // of an image that is named by its digest alone
		return l.Server + "/" + l.GUN
	}
	return l.Server + "/" + l.GUN + ":" + plain(tag)
}

// keyIDs names the keys of a role, the first few of many.
func keyIDs(r Role) string {
	const most = 16
	return strings.Join(r.KeyIDs[:min(len(r.KeyIDs), most)], ", ")
}

// plain returns a tag for people: one that no image can have is quoted, and not
// told whole.
func plain(tag string) string {
	for i, r := range tag {
		if r != '_' && (i == 0 || r != '.' && r != '-') && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return hostile.Quoted(tag)
		}
	}
	return hostile.Clip(tag)
}

func (l *loaded) issuer() string { return "root key " + strings.Join(l.root.ids, ", ") }

// claims are what there is to say of who signed as name, besides.
func (l *loaded) claims(f finding, name string, roles []string) map[string]string {
	claims := map[string]string{"gun": l.GUN, "tag": plain(f.tag), "server": l.Server, "pin": l.Pin, "rollback": l.rollback}
	if role, ok := l.role(name); ok {
		claims["key-ids"] = keyIDs(role)
	}
	if role, ok := l.role(releases); ok && role.Version == 0 && name == targets {
		claims["releases"] = NothingSigned
	}
	if l.memo != "" {
		claims["cache"] = l.memo
	}
	// The timestamp is always about to expire: its server signs it anew.
	relied := append([]string{"root", "targets", "snapshot", f.decided.Role}, roles...)
	var earliest Role
	for _, role := range l.Roles {
		switch {
		case role.Name == "timestamp":
			claims["timestamp"] = role.Expires.UTC().Format(time.RFC3339)
		case slices.Contains(relied, role.Name) && (earliest.Name == "" || role.Expires.Before(earliest.Expires)):
			earliest = role
		}
	}
	claims["expires"] = earliest.Expires.UTC().Format(time.RFC3339) + " " + earliest.Name
	var ignored []string
	for _, role := range l.Roles {
		if role.Err != nil {
			ignored = append(ignored, role.Name+": "+string(Reason(role.Err)))
		}
	}
	if more := len(ignored) - mostIgnored; more > 0 {
		ignored = append(ignored[:mostIgnored], fmt.Sprintf("%d more", more))
	}
	if len(ignored) > 0 {
		claims["ignored"] = strings.Join(ignored, "; ")
	}
	return claims
}
