package dct

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/notary/client"
	"github.com/theupdateframework/notary/storage"
	"github.com/theupdateframework/notary/tuf"
	"github.com/theupdateframework/notary/tuf/data"
	"github.com/theupdateframework/notary/tuf/signed"

	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// A loaded is a collection whose trust data were had and found sound.
type loaded struct {
	Collection
	repo, invalid *tuf.Repo
	root          vouched
	rollback      string // the claim
	memo          string // the name of the file that is of another root; "" for none
}

// An update is the loading of one collection, which all who ask for it share.
type update struct {
	done   chan struct{}
	ended  bool // with the context of who began it
	loaded *loaded
	err    error
}

// A question is what one update answers.
type question struct {
	server registry.TrustServer
	gun    string
	pins   string
	cache  string
}

// load returns the collection of gun at server by the pins of c, with the folder
// dir for a cache. It is loaded once for all who ask; ctx ends the wait, and that
// of who asked first the loading, which the next then begins anew.
func (s *Session) load(ctx context.Context, c Config, server registry.TrustServer, gun, dir string) (*loaded, error) {
	key := question{server, gun, c.pins(), dir}
	for {
		u := s.share(key, func(u *update) {
			u.loaded, u.err = s.update(ctx, c, server, gun, dir)
			u.ended = u.err != nil && ctx.Err() != nil
		})
		select {
		case <-u.done:
			if !u.ended || ctx.Err() != nil {
				return u.loaded, u.err
			}
		case <-ctx.Done():
			return nil, &refusal{reason: verify.Undecided, err: context.Cause(ctx)}
		}
	}
}

// share returns the update that answers key, which run begins if nobody has.
func (s *Session) share(key question, run func(*update)) *update {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u, ok := s.updates[key]; ok {
		return u
	}
	u := &update{done: make(chan struct{})}
	s.updates[key] = u
	go func() {
		defer close(u.done)
		run(u)
		if u.ended {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.updates, key)
		}
	}()
	return u
}

// update loads a collection. Whatever trips the client is the fault of the trust
// data, which are hostile until they were found sound.
func (s *Session) update(ctx context.Context, c Config, server registry.TrustServer, gun, dir string) (l *loaded, err error) {
	quiet()
	r := newRemote(ctx, s.store, server, gun)
	r.kept = memoFileOf(dir, server, gun)
	panicked := hostile.Safely(func() error {
		l, err = s.updated(r, c, gun)
		return nil
	})
	if panicked != nil {
		return nil, refuse(verify.BadSignature, "trust data of %s: %w", gun, clipped{panicked})
	}
	if err != nil {
		return nil, judged(err)
	}
	return l, nil
}

func (s *Session) updated(r *remote, c Config, gun string) (*loaded, error) {
	now := time.Now()
	last, err := r.kept.read()
	if err != nil {
		return nil, err
	}
	r.last = last
	from := last.anchor(c, now)
	cache := memory{}
	switch {
	case from != nil:
		cache["root"] = from.raw
	case c.TOFU && last != nil:
		return nil, r.kept.broken(errors.New("the root that was trusted at first no longer counts"))
	default:
		if from, err = c.first(r, gun, now); err != nil {
			return nil, err
		}
	}
	repo, invalid, err := client.LoadTUFRepo(client.TUFLoadOptions{
		GUN:          data.GUN(gun),
		TrustPinning: from.pins(gun),
		Cache:        cache,
		RemoteStore:  r,
	})
	if err != nil {
		return nil, r.told(err, gun, now)
	}
	if !bytes.Equal(cache["timestamp"], r.body("timestamp")) {
		return nil, refuse(verify.BadSignature, "the timestamp that was taken is not the one that the server showed")
	}
	l := &loaded{repo: repo, invalid: invalid, root: from.vouched}
	l.Collection = Collection{GUN: gun, Server: r.server.String(), Pin: from.pin}
	if err := l.read(r); err != nil {
		return nil, err
	}
	return l, s.remember(l, r, c, from, cache, now)
}

// first returns the root that the server shows, if it satisfies the pins of c.
// That its keys have signed it is for the client to check.
func (c Config) first(r *remote, gun string, now time.Time) (*anchored, error) {
	raw, err := r.GetSized("root", storage.NoSizeLimit)
	if err != nil {
		return nil, err
	}
	root, err := readRoot(gun, raw, now)
	if err != nil {
		return nil, err
	}
	v, err := c.vouch(root, now)
	if err != nil {
		return nil, err
	}
	return &anchored{v, raw}, nil
}

// remember compares l, which was loaded from the root from on, with what is
// remembered, and remembers it.
func (s *Session) remember(l *loaded, r *remote, c Config, from *anchored, cache memory, now time.Time) error {
	if r.kept.name == "" {
		l.rollback = notCached
		return nil
	}
	next := l.remembered(from, cache)
	if _, err := c.satisfied(l.GUN, cache["root"], now); err == nil {
		next.Anchor = cache["root"]
	}
	var err error
	switch {
	case r.last == nil:
		l.rollback = firstSeen
	case !r.last.has(from.raw):
		l.rollback, l.memo = otherRoots, filepath.Base(r.kept.name)
		return nil // whose memo it is may want it
	default:
		if err = r.last.compare(l); err != nil {
			return err
		}
		l.rollback = fmt.Sprintf(sinceFormat, r.last.version("timestamp"))
		if next, err = next.with(r.last, l); err != nil {
			return err
		}
	}
	if next.equal(r.last) {
		return nil
	}
	unlock, err := r.kept.lock(r.ctx)
	if err != nil {
		return err
	}
	defer unlock()
	// Another run may have written since this one has read.
	again, err := r.kept.read()
	switch {
	case err != nil:
		return err
	case again == nil || again.equal(r.last):
	case again.has(from.raw) || again.has(cache["root"]) || !c.TOFU && again.anchor(c, now) != nil:
		if next, err = next.with(again, l); err != nil {
			return err
		}
	case c.TOFU:
		return refuse(verify.WrongSigner, "the server has shown another root to a run at the same time")
	default:
		return nil // of another root: the next run has to do with it
	}
	return r.kept.write(next)
}

// remembered is what there is to remember of l: the files that count.
func (l *loaded) remembered(from *anchored, cache memory) *memo {
	m := &memo{Version: 1, Server: l.Server, GUN: l.GUN, Anchor: from.raw, Files: map[string][]byte{}}
	for _, role := range l.Roles {
		if role.Err == nil && role.Version > 0 {
			m.Files[role.Name] = cache[role.Name]
		}
	}
	return m
}

// read makes what is to be told of what the client has loaded.
func (l *loaded) read(r *remote) error {
	if l.repo == nil || l.repo.Root == nil || l.repo.Timestamp == nil || l.repo.Snapshot == nil || l.repo.Targets[data.CanonicalTargetsRole] == nil || r.body("timestamp") == nil {
		return refuse(verify.BadSignature, "the trust data are not complete")
	}
	common := map[data.RoleName]data.SignedCommon{
		data.CanonicalRootRole:      l.repo.Root.Signed.SignedCommon,
		data.CanonicalTargetsRole:   l.repo.Targets[data.CanonicalTargetsRole].Signed.SignedCommon,
		data.CanonicalSnapshotRole:  l.repo.Snapshot.Signed.SignedCommon,
		data.CanonicalTimestampRole: l.repo.Timestamp.Signed.SignedCommon,
	}
	for _, name := range []data.RoleName{data.CanonicalRootRole, data.CanonicalTargetsRole, data.CanonicalSnapshotRole, data.CanonicalTimestampRole} {
		has := l.repo.Root.Signed.Roles[name]
		role := Role{Name: name.String(), Threshold: has.Threshold, Version: common[name].Version, Expires: common[name].Expires}
		for _, id := range has.KeyIDs {
			role.KeyIDs = append(role.KeyIDs, l.repo.Root.Signed.Keys[id].ID()) // not by what the file calls it
		}
		l.Roles = append(l.Roles, role)
	}
	list, err := client.NewReadOnly(l.repo).GetDelegationRoles()
	if err != nil {
		return err
	}
	if len(list) > maxDelegations {
		return refuse(verify.Unsupported, "there are %d delegations, at most %d are read", len(list), maxDelegations)
	}
	slices.SortFunc(list, func(a, b data.Role) int { return strings.Compare(a.Name.String(), b.Name.String()) })
	for _, d := range list {
		l.Roles = append(l.Roles, l.delegated(r, d))
	}
	return l.targets()
}

// delegated is what is to be told of a delegation.
func (l *loaded) delegated(r *remote, d data.Role) Role {
	is := Role{Name: d.Name.String(), KeyIDs: d.KeyIDs, Threshold: d.Threshold}
	if t := l.repo.Targets[d.Name]; t != nil {
		is.Version, is.Expires = t.Signed.Version, t.Signed.Expires
		return is
	}
	meta, announced := l.repo.Snapshot.Signed.Meta[d.Name.String()]
	if !announced {
		return is // it has signed nothing yet, or that is withheld
	}
	is.Err = refuse(verify.BadSignature, "%s does not count", d.Name)
	if l.invalid == nil || l.invalid.Targets[d.Name] == nil {
		return is
	}
	t := l.invalid.Targets[d.Name]
	is.Version, is.Expires = t.Signed.Version, t.Signed.Expires
	is.Err = l.invalidated(r, d.Name, meta)
	return is
}

// invalidated is why the client did not take the file of a delegation.
func (l *loaded) invalidated(r *remote, name data.RoleName, meta data.FileMeta) error {
	role, err := l.repo.GetDelegationRole(name)
	if err != nil {
		return judged(err)
	}
	raw := r.body(fmt.Sprintf("%s.%x", name, meta.Hashes["sha256"]))
	s, err := parseSigned(raw)
	if err != nil {
		return judged(err)
	}
	if err := signed.VerifySignatures(s, role.BaseRole); err != nil {
		if weak := enough(role.BaseRole); weak != nil {
			return weak
		}
		return judged(err)
	}
	if err := signed.VerifyExpiry(&l.invalid.Targets[name].Signed.SignedCommon, name); err != nil {
		return judged(err)
	}
	return refuse(verify.BadSignature, "%s does not count", name)
}

// targets lists what the roles that count have signed.
func (l *loaded) targets() error {
	n := 0
	for _, t := range l.repo.Targets {
		n += len(t.Signed.Targets)
	}
	if n > maxTargets {
		return tooMany(l.GUN, n)
	}
	all, err := client.NewReadOnly(l.repo).GetAllTargetMetadataByName("")
	if none := client.ErrNoSuchTarget(""); errors.As(err, &none) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, t := range all {
		if !t.Role.CheckPaths(t.Target.Name) {
			continue // it may not speak of that tag
		}
		target := Target{Tag: t.Target.Name, Size: t.Target.Length, Role: t.Role.Name.String()}
		if sum := t.Target.Hashes["sha256"]; len(sum) == 32 {
			target.Digest = "sha256:" + hex.EncodeToString(sum)
		}
		l.Targets = append(l.Targets, target)
	}
	slices.SortFunc(l.Targets, func(a, b Target) int {
		if n := strings.Compare(a.Tag, b.Tag); n != 0 {
			return n
		}
		return strings.Compare(a.Role, b.Role)
	})
	return nil
}

// memory is the client's cache for one update.
type memory map[string][]byte

var _ storage.MetadataStore = memory{}

// GetSized implements storage.MetadataStore.
func (m memory) GetSized(name string, _ int64) ([]byte, error) {
	if body, ok := m[name]; ok {
		return body, nil
	}
	return nil, storage.ErrMetaNotFound{Resource: name}
}

// Set implements storage.MetadataStore.
func (m memory) Set(name string, body []byte) error {
	m[name] = body
	return nil
}

// SetMulti implements storage.MetadataStore.
func (m memory) SetMulti(files map[string][]byte) error {
	for name, body := range files {
		m[name] = body
	}
	return nil
}

// Remove implements storage.MetadataStore.
func (m memory) Remove(name string) error {
	delete(m, name)
	return nil
}

// RemoveAll implements storage.MetadataStore.
func (m memory) RemoveAll() error {
	clear(m)
	return nil
}

// Location implements storage.MetadataStore.
func (m memory) Location() string { return "memory" }
