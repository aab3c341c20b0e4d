package dct

import (
	"context"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/verify"
	vdct "github.com/boltseal/boltseal/verify/dct"
)

// A Revocation is what became of one tag that was to be revoked.
type Revocation struct {
	Tag  string
	From []string // roles that it was taken from in this run, such as "targets/releases"
	// Left are those that still have it, as the server shows them afterwards.
	Left []vdct.Target
}

// A Void is a role whose file is there and does not count. Nobody can tell from
// outside what it says, and all of it counts again if one of its keys signs it anew,
// as notary witness does.
type Void struct {
	Role string // such as "targets/releases"
	Err  error  // why, with a [sign.Reason]
}

// Revoked is what became of the tags of one repository.
type Revoked struct {
	Tags []Revocation
	// Void are the roles of the key, and targets/releases, that do not count
	// afterwards: they were left as they are, and may have any of the tags.
	Void []Void
}

// Complete reports whether none of the tags is signed any more, and nothing that
// may have them was left.
func (r Revoked) Complete() bool {
	return len(r.Void) == 0 && !slices.ContainsFunc(r.Tags, Revocation.Signed)
}

// Signed reports whether the tag still has a digest for those who pull it: docker
// takes it from targets/releases, or else from targets.
func (r Revocation) Signed() bool {
	return slices.ContainsFunc(r.Left, func(t vdct.Target) bool { return t.Role == releases.String() || t.Role == "targets" })
}

// Revoke takes tags out of all delegations of the Key in the collection of repo, and
// publishes that; without tags, all of them, and the Tags are those that there
// were. What is not there is not published, and no error. What is returned is what
// the server shows afterwards, which may be that others have signed the tag too, or
// that nobody can tell: see [Revoked.Complete].
func (s *Signer) Revoke(ctx context.Context, repo image.Ref, tags []string) (Revoked, error) {
	gun := vdct.GUN(repo)
	if slices.Contains(tags, "") {
		return Revoked{}, order.Refused(verify.Unsupported, "a tag to revoke has no name")
	}
	var (
		taken removal
		asked []string
	)
	found, err := s.publish(ctx, repo, func(d *draft) (err error) {
		if taken, err = d.remove(tags); err != nil {
			return err
		}
		asked = slices.Clone(tags)
		for tag := range taken {
			asked = append(asked, tag)
		}
		slices.Sort(asked)
		asked = slices.Compact(asked)
		return nil
	})
	if err != nil {
		return Revoked{}, &verify.Error{Op: "revoke what is signed of " + gun, Err: err, Hint: hintOr(err, again)}
	}
	all := Revoked{Void: found.void()}
	for _, tag := range asked {
		r := Revocation{Tag: tag, From: taken[tag]}
		for _, t := range found.collection.Targets {
			if t.Tag == tag {
				r.Left = append(r.Left, t)
			}
		}
		for _, t := range r.Left {
			if slices.Contains(r.From, t.Role) {
				return Revoked{}, &verify.Error{
					Op: "revoke " + gun + ":" + tag, Hint: again,
					Err: order.Refused(verify.Unavailable, "it was taken out of %s, and is there again", strings.Join(r.From, ", ")),
				}
			}
		}
		all.Tags = append(all.Tags, r)
	}
	return all, nil
}

func hintOr(err error, next string) string {
	if hint := verify.Hint(err); hint != "" {
		return hint
	}
	return next
}
