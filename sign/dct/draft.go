package dct

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/notary"
	"github.com/theupdateframework/notary/tuf"
	"github.com/theupdateframework/notary/tuf/data"
	"github.com/theupdateframework/notary/tuf/signed"
	"github.com/theupdateframework/notary/tuf/utils"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/verify"
	vdct "github.com/boltseal/boltseal/verify/dct"
)

// releases is the role from which docker takes the digest of a tag.
const releases = data.RoleName("targets/releases")

// lifetime is how long what a delegation signs counts, as notary's own client has
// it.
const lifetime = notary.NotaryTargetsExpiry

// A draft is a collection that was found to be sound, and what is to change in it.
// Only files of delegations that the key may sign are changed: root, targets,
// snapshot and timestamp are others' to sign.
type draft struct {
	key        *Key
	session    *vdct.Session // that found it
	collection *vdct.Collection
	repo       *tuf.Repo // a copy, with the key; nothing of it is shared but what is not changed
	mine       []data.DelegationRole
	changed    map[data.RoleName]bool
}

// open asks the server, and returns an unchanged draft.
func (s *Signer) open(ctx context.Context, repo image.Ref) (*draft, error) {
	session := vdct.NewSession(s.opts.Store, s.opts.Cache)
	found, err := session.Collection(ctx, s.opts.Config, repo)
	if err != nil {
		return nil, s.unread(ctx, repo, err)
	}
	base, _, err := session.Repo(ctx, s.opts.Config, repo)
	if err != nil {
		return nil, s.unread(ctx, repo, err)
	}
	d := &draft{key: s.opts.Key, session: session, collection: found, changed: map[data.RoleName]bool{}, repo: tuf.NewRepo(keyring{s.opts.Key})}
	d.repo.Root, d.repo.Snapshot, d.repo.Timestamp = base.Root, base.Snapshot, base.Timestamp
	d.repo.Targets = maps.Clone(base.Targets)
	if d.repo.Root == nil || d.repo.Snapshot == nil || d.repo.Targets[data.CanonicalTargetsRole] == nil {
		return nil, order.Refused(verify.BadSignature, "the trust data of %s have no root, snapshot or targets", found.GUN)
	}
	return d, d.findMine()
}

// unread says, with a Reason and a next step, why there are no trust data to change.
func (s *Signer) unread(ctx context.Context, repo image.Ref, err error) error {
	reason, next := vdct.Reason(err), s.opts.Config.Next(err)
	if reason == verify.Undecided && ctx.Err() != nil { // nobody has answered in time
		reason, next = verify.Unavailable, "check that the server answers, and give it more time; then run it again: what is published already is not published twice"
	}
	return &verify.Error{Op: "read the trust data of " + vdct.GUN(repo), Err: order.Refused(reason, "%w", err), Hint: hintOr(err, next)}
}

// findMine finds the delegations that the key may sign: those directly below
// targets, as docker trust sign does.
func (d *draft) findMine() error {
	targets := d.repo.Targets[data.CanonicalTargetsRole]
	seen := map[data.RoleName]bool{}
	for _, r := range targets.Signed.Delegations.Roles {
		if r == nil || seen[r.Name] || path.Dir(r.Name.String()) != data.CanonicalTargetsRole.String() {
			continue
		}
		seen[r.Name] = true
		role, err := d.repo.GetDelegationRole(r.Name)
		if err != nil || !listed(role.BaseRole, d.key) {
			continue // whoever's role cannot be made up is nobody's
		}
		d.mine = append(d.mine, role)
	}
	slices.SortFunc(d.mine, func(a, b data.DelegationRole) int { return strings.Compare(a.Name.String(), b.Name.String()) })
	if len(d.mine) == 0 {
		return d.stranger()
	}
	return nil
}

// listed reports whether the key is among those of the role.
func listed(role data.BaseRole, key *Key) bool {
	for _, k := range role.Keys {
		if id, err := utils.CanonicalKeyID(k); err == nil && id == key.ID() && id != "" {
			return true
		}
	}
	return false
}

// stranger is about a key that signs none of the delegations: what its owner has to
// ask of the repository's.
func (d *draft) stranger() error {
	gun := d.collection.GUN
	for _, name := range []data.RoleName{data.CanonicalTargetsRole, data.CanonicalSnapshotRole, data.CanonicalRootRole} {
		if role, err := d.repo.GetBaseRole(name); err == nil && listed(role, d.key) {
			return &verify.Error{
				Op: "find what the key may sign", Hint: "keep it offline, and have a delegation made for the pipeline: docker trust key generate NAME, then docker trust signer add --key NAME.pub NAME " + gun,
				Err: order.Refused(verify.WrongSigner, "the key %s is the %s key of %s, which administers it; images are signed with the keys of delegations", d.key.ID(), name, gun),
			}
		}
	}
	var others []string
	for _, r := range d.collection.Roles {
		if data.IsDelegation(data.RoleName(r.Name)) {
			others = append(others, r.Name)
		}
	}
	which := "it has no delegations"
	if len(others) > 0 {
		which = "its delegations are " + strings.Join(first(others, maxNamed), ", ")
	}
	return &verify.Error{
		Op: "find what the key may sign", Hint: d.ownerAdds("NAME"),
		Err: order.Refused(verify.WrongSigner, "the key %s is in no delegation of %s: %s", d.key.ID(), gun, which),
	}
}

// maxNamed bounds the names of one message.
const maxNamed = 10

func first(names []string, n int) []string {
	if len(names) > n {
		return append(slices.Clone(names[:n]), "…")
	}
	return names
}

// ownerAdds is what the owner of the repository has to run for the signer name.
func (d *draft) ownerAdds(name string) string {
	return "have the owner of the repository run docker trust signer add --key " + name + ".pub " + name + " " + d.collection.GUN + ", with the public key of this key (docker trust key generate wrote it as NAME.pub)"
}

// A mark is a tag that is to have a digest.
type mark struct {
	tag, digest string
	size        int64 // of the manifest, in bytes
}

func (m mark) meta() (data.FileMeta, error) {
	sum, err := hex.DecodeString(strings.TrimPrefix(m.digest, "sha256:"))
	if err != nil || !image.ValidDigest(m.digest) || m.size <= 0 || m.tag == "" {
		return data.FileMeta{}, order.Refused(verify.Unsupported, "%q, %q and %d bytes are no tag, digest and size of a manifest", m.tag, m.digest, m.size)
	}
	return data.FileMeta{Length: m.size, Hashes: data.Hashes{notary.SHA256: sum}}, nil
}

// says reports whether meta is what m says.
func (m mark) says(meta data.FileMeta) bool {
	sum := meta.Hashes[notary.SHA256]
	return len(sum) == 32 && "sha256:"+hex.EncodeToString(sum) == m.digest && meta.Length == m.size
}

// add has the key's delegations sign m: those that do not yet, or, with force, all
// of them. It returns their names, and whether any of them had to.
func (d *draft) add(m mark, force bool) (roles []string, added bool, err error) {
	meta, err := m.meta()
	if err != nil {
		return nil, false, err
	}
	into, err := d.signable(m)
	if err != nil {
		return nil, false, err
	}
	for _, role := range into {
		if err := d.usable(role); err != nil {
			return nil, false, err
		}
	}
	for _, role := range into {
		roles = append(roles, role.Name.String())
		if t := d.repo.Targets[role.Name]; !force && t != nil && m.says(t.Signed.Targets[m.tag]) {
			continue
		}
		added = true
		if err := d.change(role.Name); err != nil {
			return nil, false, err
		}
		if _, err := d.repo.AddTargets(role.Name, data.Files{m.tag: meta}); err != nil {
			return nil, false, order.Refused(verify.Unsupported, "add tag %s to %s: %w", m.tag, role.Name, err)
		}
	}
	return roles, added, nil
}

// signable returns the delegations of the key whose paths m's tag is within. One of
// them has to be targets/releases, or that has to say the same already: what others
// sign makes no tag that somebody pulls.
func (d *draft) signable(m mark) ([]data.DelegationRole, error) {
	var into []data.DelegationRole
	var closed []string
	released := d.repo.Targets[releases] != nil && m.says(d.repo.Targets[releases].Signed.Targets[m.tag])
	for _, role := range d.mine {
		if !role.CheckPaths(m.tag) {
			closed = append(closed, role.Name.String())
			continue
		}
		into = append(into, role)
		released = released || role.Name == releases
	}
	gun, op := d.collection.GUN, "find what the key may sign"
	switch {
	case released && len(into) > 0:
		return into, nil
	case len(closed) > 0:
		return nil, &verify.Error{
			Op: op, Hint: "have the owner of the repository run notary delegation add " + gun + " " + closed[0] + " --paths " + m.tag + " --publish, or --all-paths",
			Err: order.Refused(verify.WrongSigner, "the tag %s is outside of the paths of %s in %s", m.tag, strings.Join(first(closed, maxNamed), ", "), gun),
		}
	case slices.ContainsFunc(d.collection.Roles, func(r vdct.Role) bool { return r.Name == releases.String() }):
		return nil, &verify.Error{
			Op: op, Hint: d.ownerAdds(path.Base(d.mine[0].Name.String())) + "; or let a key of " + releases.String() + " sign the tag first",
			Err: order.Refused(verify.WrongSigner, "the key may sign %s and not %s, which is where the digest of a tag is taken from", d.mine[0].Name, releases),
		}
	}
	return nil, &verify.Error{
		Op: op, Hint: d.ownerAdds(path.Base(d.mine[0].Name.String())),
		Err: order.Refused(verify.WrongSigner, "%s has no delegation %s, which is where the digest of a tag is taken from", gun, releases),
	}
}

// usable refuses a delegation that one key cannot sign, or whose file would have to
// be made anew although there is one: what it says would be lost, or be vouched for
// by somebody who has not looked at it.
func (d *draft) usable(role data.DelegationRole) error {
	op := "sign " + role.Name.String()
	if role.Threshold != 1 {
		return &verify.Error{
			Op: op, Hint: "let its keys sign together with notary's own client (notary witness), or have the owner of the repository lower the threshold",
			Err: order.Refused(verify.Unsupported, "the role needs the signatures of %d keys at once, and there is one key", role.Threshold),
		}
	}
	if err := d.uncounted(role.Name); err != nil {
		name := role.Name.String()
		return &verify.Error{
			Op: op, Err: err,
			Hint: "look at what it signs (notary list " + d.collection.GUN + " -r " + name + "), and if all of it is still to count, sign it again with notary witness " + d.collection.GUN + " " + name + " --publish; then run this again",
		}
	}
	return nil
}

// uncounted says, with its Reason, why the file of a delegation does not count; nil
// if it does, or if there is none.
func (d *draft) uncounted(role data.RoleName) error {
	for _, r := range d.collection.Roles {
		if r.Name == role.String() && r.Err != nil {
			return order.Refused(vdct.Reason(r.Err), "%w", r.Err)
		}
	}
	if _, announced := d.repo.Snapshot.Signed.Meta[role.String()]; announced && d.repo.Targets[role] == nil {
		return order.Refused(verify.BadSignature, "what it says does not count")
	}
	return nil
}

// void are the delegations of the key whose files do not count, and so is
// targets/releases, whoever signs it: what it says decides what is pulled.
func (d *draft) void() []Void {
	names := []data.RoleName{releases}
	for _, role := range d.mine {
		if role.Name != releases {
			names = append(names, role.Name)
		}
	}
	slices.Sort(names)
	var all []Void
	for _, name := range names {
		if err := d.uncounted(name); err != nil {
			all = append(all, Void{name.String(), err})
		}
	}
	return all
}

// change makes the file of a delegation one of the draft's own.
func (d *draft) change(role data.RoleName) error {
	if d.changed[role] {
		return nil
	}
	own := data.NewTargets()
	if old := d.repo.Targets[role]; old != nil {
		text, err := old.ToSigned()
		if err == nil {
			own, err = data.TargetsFromSigned(text, role)
		}
		if err != nil {
			return order.Refused(verify.BadSignature, "read %s: %w", role, err)
		}
	}
	if own.Signed.Targets == nil { // which a file may leave out
		own.Signed.Targets = data.Files{}
	}
	d.repo.Targets[role], d.changed[role] = own, true
	return nil
}

// A removal is what a draft takes out of the delegations of the key.
type removal map[string][]string // roles by tag

// remove takes tags from all delegations of the key that have them; without tags,
// all that they have. Files that do not count are left as they are: see void.
func (d *draft) remove(tags []string) (removal, error) {
	r := removal{}
	for _, role := range d.mine {
		t := d.repo.Targets[role.Name]
		if t == nil {
			continue
		}
		these := tags
		if len(tags) == 0 {
			these = slices.Sorted(maps.Keys(t.Signed.Targets))
		}
		for _, tag := range these {
			if _, has := t.Signed.Targets[tag]; !has {
				continue
			}
			if err := d.usable(role); err != nil {
				return nil, err
			}
			if err := d.change(role.Name); err != nil {
				return nil, err
			}
			if err := d.repo.RemoveTargets(role.Name, tag); err != nil {
				return nil, order.Refused(verify.Unsupported, "remove tag %s from %s: %w", tag, role.Name, err)
			}
			r[tag] = append(r[tag], role.Name.String())
		}
	}
	return r, nil
}

// seal signs what has changed, and returns the files by role once they were looked
// at: the library logs some of its errors, and goes on.
func (d *draft) seal(now time.Time) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, role := range slices.Sorted(maps.Keys(d.changed)) {
		want := maps.Clone(d.repo.Targets[role].Signed.Targets)
		file, err := d.repo.SignTargets(role, now.Add(lifetime).UTC().Truncate(time.Second))
		if err != nil {
			return nil, order.Refused(verify.Unsupported, "sign %s: %w", role, err)
		}
		text, err := json.Marshal(file)
		if err == nil {
			err = d.check(role, text, want)
		}
		if err != nil {
			return nil, order.Refused(verify.BadSignature, "look at what was made of %s: %w", role, err)
		}
		files[role.String()] = text
	}
	return files, nil
}

// check returns an error unless text is a file of the role that its delegation
// would be believed, and says what it is to say.
func (d *draft) check(role data.RoleName, text []byte, want data.Files) error {
	made := &data.Signed{}
	if err := json.Unmarshal(text, made); err != nil {
		return err
	}
	delegation, err := d.repo.GetDelegationRole(role)
	if err != nil {
		return err
	}
	if err := signed.VerifySignatures(made, delegation.BaseRole); err != nil {
		return err
	}
	t, err := data.TargetsFromSigned(made, role)
	if err != nil {
		return err
	}
	if !maps.EqualFunc(t.Signed.Targets, want, func(a, b data.FileMeta) bool { return a.Equals(b) }) {
		return errors.New("it does not say what it was to say")
	}
	return nil
}

// shows reports whether the collection has what was published, or what somebody has
// published since.
func (d *draft) shows(files map[string][]byte) bool {
	for role, text := range files {
		var made data.SignedMeta
		now := d.repo.Targets[data.RoleName(role)]
		if json.Unmarshal(text, &made) != nil || now == nil || now.Signed.Version < made.Signed.Version {
			return false
		}
	}
	return len(files) > 0
}

// expiry returns when the first of the roles expires.
func (d *draft) expiry(roles []string) time.Time {
	var least time.Time
	for _, role := range roles {
		if t := d.repo.Targets[data.RoleName(role)]; t != nil && (least.IsZero() || t.Signed.Expires.Before(least)) {
			least = t.Signed.Expires
		}
	}
	return least
}

// soon is how long before the end of what a role has signed that is told.
const soon = 30 * 24 * time.Hour

// ending says what of roles, and of what stands above them, expires soon; "" where
// nothing does. What the server signs is left out: it does so each time.
func (d *draft) ending(roles []string, now time.Time) string {
	for _, r := range d.collection.Roles {
		mine := slices.Contains(roles, r.Name)
		above := r.Name == data.CanonicalRootRole.String() || r.Name == data.CanonicalTargetsRole.String()
		if !mine && !above || r.Expires.Sub(now) > soon {
			continue
		}
		until := fmt.Sprintf("the signatures of %s in %s expire on %s: ", r.Name, d.collection.GUN, r.Expires.UTC().Format(time.DateOnly))
		if mine {
			return until + "sign anew with --force"
		}
		return until + "have the owner of the repository sign it anew before, with notary's own client"
	}
	return ""
}
