// Package dcttest keeps trust data as Docker Content Trust does: collections of
// signed metadata, a store that has them in memory, and a Notary server. What it
// makes satisfies Notary's own client, and can be wrong in all the ways that a
// test asks for.
package dcttest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/theupdateframework/notary/tuf/data"
)

// The roles that every collection has, and the delegation whose tags count
// before those of targets.
const (
	Root      = "root"
	Targets   = "targets"
	Snapshot  = "snapshot"
	Timestamp = "timestamp"
	Releases  = "targets/releases"
)

// Options say what a Collection is like. The zero Options make one as docker
// does, whose files and certificate are as long-lived as docker's.
type Options struct {
	// Delegations are roles such as targets/alice, parents before children; nil
	// stands for targets/releases, targets/alice and targets/bob. As with docker,
	// one has no file before it has signed something.
	Delegations []string
	// Expires says when the files of a role expire, by its name. The others
	// expire as docker's do: root in ten years, timestamp in 14 days, and what
	// stands between them in three years.
	Expires map[string]time.Time
	// RootKey is the root's key, and Keys those of other roles: ECDSA, RSA or
	// Ed25519. Those left out are new, with ECDSA.
	RootKey crypto.Signer
	Keys    map[string]crypto.Signer
	// Certificate is the root's.
	Certificate CertificateOptions
	// OwnSnapshot keeps the snapshot's key from the server, as notary init does
	// and docker does not: who publishes has to send a snapshot, too.
	OwnSnapshot bool
}

// A Role is one that signs, and what it says. Of a base role its keys and its
// threshold are named by root, of a delegation by the role above.
type Role struct {
	// Keys are those which may sign.
	Keys []Key
	// Signers are those which do, if they are not the Keys.
	Signers []Key
	// Threshold is how many have to.
	Threshold int
	// Paths are the beginnings of the tags that a delegation may sign.
	Paths []string
	// Version is that of the role's last file.
	Version int
	// Expires is when its files do.
	Expires time.Time
	// Tags are what the role says, if it is targets or a delegation.
	Tags data.Files
	// Edit, if set, changes what is going to be signed.
	Edit func(signed map[string]any)
	// Forge, if set, changes a file that has been signed. Who announces it
	// announces the result.
	Forge func(file []byte) []byte
	// Absent keeps the role's file from being announced.
	Absent bool

	file []byte
}

// A Collection is the trust data of one repository, with all the keys. Whatever
// changes it signs anew what depends on the change. It may be used from several
// goroutines at once.
type Collection struct {
	gun         string
	ownSnapshot bool

	mu      sync.Mutex
	roles   map[string]*Role
	order   []string // of the delegations, parents first
	ca      *authority
	root    *x509.Certificate
	retired []data.PublicKey  // root certificates of the past, which the root still lists
	history map[string][]byte // all files ever, by role.<sha256>, version.role
}

// NewCollection makes the trust data of a repository, such as
// registry.example/app. Nothing has been signed but that it is so.
func NewCollection(gun string, o Options) (*Collection, error) {
	c := &Collection{gun: gun, ownSnapshot: o.OwnSnapshot, roles: map[string]*Role{}, order: o.Delegations, history: map[string][]byte{}}
	if c.order == nil {
		c.order = []string{Releases, "targets/alice", "targets/bob"}
	}
	now := time.Now()
	for _, name := range append([]string{Root, Targets, Snapshot, Timestamp}, c.order...) {
		r := &Role{Threshold: 1, Expires: now.AddDate(3, 0, 0), Tags: data.Files{}}
		signer := o.Keys[name]
		switch name {
		case Root:
			r.Expires = now.AddDate(10, 0, 0)
			if o.RootKey != nil {
				signer = o.RootKey
			}
		case Timestamp:
			r.Expires = now.AddDate(0, 0, 14)
		case Targets, Snapshot:
		default:
			r.Paths = []string{""}
		}
		if at, ok := o.Expires[name]; ok {
			r.Expires = at
		}
		key, err := NewKey(signer)
		if err == nil && name == Root {
			key, err = c.certify(key, o.Certificate)
		}
		if err != nil {
			return nil, fmt.Errorf("dcttest: %s: %w", name, err)
		}
		r.Keys = []Key{key}
		c.roles[name] = r
	}
	return c, c.sign(Root, Targets)
}

// GUN returns the collection's name.
func (c *Collection) GUN() string { return c.gun }

// Clone returns a collection of its own with the same keys and files.
func (c *Collection) Clone() *Collection {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := &Collection{
		gun: c.gun, ownSnapshot: c.ownSnapshot, roles: map[string]*Role{}, order: slices.Clone(c.order), ca: c.ca, root: c.root,
		retired: slices.Clone(c.retired), history: maps.Clone(c.history),
	}
	for name, r := range c.roles {
		d.roles[name] = r.clone()
	}
	return d
}

func (r *Role) clone() *Role {
	s := *r
	s.Keys, s.Signers, s.Paths, s.Tags = slices.Clone(r.Keys), slices.Clone(r.Signers), slices.Clone(r.Paths), maps.Clone(r.Tags)
	return &s
}

// Files returns the newest file of every role, by the role's name.
func (c *Collection) Files() map[string][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	files := map[string][]byte{}
	for name, r := range c.roles {
		if r.file != nil {
			files[name] = slices.Clone(r.file)
		}
	}
	return files
}

// File returns a file as a server has it: the newest one of a role ("targets"),
// or one by its digest ("targets.<sha256>") or version ("1.root"). Nil is none.
func (c *Collection) File(name string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.roles[name]; ok {
		return slices.Clone(r.file)
	}
	return slices.Clone(c.history[name])
}

// Change changes a role and signs it anew, together with what depends on it.
func (c *Collection) Change(role string, change func(*Role)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.roles[role]
	if !ok {
		return fmt.Errorf("dcttest: no role is named %s", role)
	}
	before := r.named()
	change(r)
	again := []string{role}
	if r.named() != before && role != Root {
		again = append(again, parent(role))
	}
	return c.sign(again...)
}

// named is what another role says of this one.
func (r *Role) named() string {
	ids := make([]string, len(r.Keys))
	for i, k := range r.Keys {
		ids[i] = k.Public.ID()
	}
	return fmt.Sprintf("%d %q %q", r.Threshold, ids, r.Paths)
}

// parent returns the role which names the keys of another.
func parent(role string) string {
	if dir := path.Dir(role); dir != "." {
		return dir
	}
	return Root
}

// Delegate adds a delegation with a new key, that may sign tags which begin as
// paths do, or all if there are none.
func (c *Collection) Delegate(role string, paths ...string) error {
	key, err := NewKey(nil)
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		paths = []string{""}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.roles[role]; ok || c.roles[parent(role)] == nil {
		return fmt.Errorf("dcttest: %s exists, or the role above it does not", role)
	}
	c.roles[role] = &Role{Keys: []Key{key}, Threshold: 1, Paths: paths, Expires: time.Now().AddDate(3, 0, 0), Tags: data.Files{}}
	c.order = append(c.order, role)
	return c.sign(parent(role))
}

// AddTarget has a role sign a tag, with the digest sha256:<hex> and the size of
// its manifest, in bytes.
func (c *Collection) AddTarget(role, tag, digest string, size int64) error {
	sum, err := hex.DecodeString(strings.TrimPrefix(digest, "sha256:"))
	if err != nil || len(sum) != sha256.Size {
		return fmt.Errorf("dcttest: %q is no sha256 digest", digest)
	}
	return c.Change(role, func(r *Role) {
		r.Tags[tag] = data.FileMeta{Length: size, Hashes: data.Hashes{"sha256": sum}}
	})
}

// Sign signs a tag as docker does for one who has the keys of signers, such as
// alice: into targets/releases and targets/alice.
func (c *Collection) Sign(tag, digest string, signers ...string) error {
	for _, name := range append([]string{Releases}, signers...) {
		role := name
		if !strings.HasPrefix(role, Targets) {
			role = path.Join(Targets, name)
		}
		if err := c.AddTarget(role, tag, digest, 512); err != nil {
			return err
		}
	}
	return nil
}

// Remove takes a tag out of what a role has signed.
func (c *Collection) Remove(role, tag string) error {
	return c.Change(role, func(r *Role) { delete(r.Tags, tag) })
}

// Expire has the file of a role expire at a time, be it in the past.
func (c *Collection) Expire(role string, at time.Time) error {
	return c.Change(role, func(r *Role) { r.Expires = at })
}

// SignByAnother has the file of a role be signed by a key that nobody named.
func (c *Collection) SignByAnother(role string) error {
	key, err := NewKey(nil)
	if err != nil {
		return err
	}
	return c.Change(role, func(r *Role) { r.Signers = []Key{key} })
}

// RotateKey gives a role other than root a new key.
func (c *Collection) RotateKey(role string) error {
	if role == Root {
		return c.RotateRoot(CertificateOptions{}, true)
	}
	key, err := NewKey(nil)
	if err != nil {
		return err
	}
	return c.Change(role, func(r *Role) { r.Keys = []Key{key} })
}

// RotateRoot gives the root a new key and certificate. The new root is signed by
// the old key, too, as clients demand that have seen the old one, unless handed
// is false.
func (c *Collection) RotateRoot(o CertificateOptions, handed bool) error {
	key, err := NewKey(nil)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key, err = c.certify(key, o)
	if err != nil {
		return err
	}
	r := c.roles[Root]
	old := r.Keys
	for _, k := range old {
		c.retired = append(c.retired, k.Public)
	}
	r.Keys, r.Signers = []Key{key}, nil
	if handed {
		r.Signers = append([]Key{key}, old...)
	}
	err = c.sign(Root)
	r.Signers = nil
	return err
}

// sign makes new files of roles, and of what announces them. A delegation that
// has signed something has a file; the others have none.
func (c *Collection) sign(roles ...string) error {
	for _, name := range append([]string{Root, Targets}, c.order...) {
		r := c.roles[name]
		if !slices.Contains(roles, name) {
			continue
		}
		var signed any
		switch name {
		case Root:
			signed = c.rootSigned()
		default:
			signed = c.targetsSigned(name)
		}
		if err := c.write(name, r, signed); err != nil {
			return err
		}
	}
	meta := data.Files{}
	for name, r := range c.roles {
		if name != Snapshot && name != Timestamp && r.file != nil && !r.Absent {
			meta[name] = FileMeta(r.file)
		}
	}
	s := c.roles[Snapshot]
	if err := c.write(Snapshot, s, data.Snapshot{SignedCommon: common("Snapshot", s), Meta: meta}); err != nil {
		return err
	}
	t := c.roles[Timestamp]
	return c.write(Timestamp, t, data.Timestamp{
		SignedCommon: common("Timestamp", t), Meta: data.Files{Snapshot: FileMeta(s.file)},
	})
}

func common(kind string, r *Role) data.SignedCommon {
	return data.SignedCommon{Type: kind, Version: r.Version + 1, Expires: r.Expires.UTC()}
}

// FileMeta is what announces a file: its size and its hashes.
func FileMeta(file []byte) data.FileMeta {
	meta, err := data.NewFileMeta(bytes.NewReader(file), data.NotaryDefaultHashes...)
	if err != nil {
		panic(err) // a reader of bytes does not fail
	}
	return meta
}

func (c *Collection) rootSigned() data.Root {
	r := data.Root{SignedCommon: common("Root", c.roles[Root]), Keys: data.Keys{}, Roles: map[data.RoleName]*data.RootRole{}}
	for _, k := range c.retired {
		r.Keys[k.ID()] = k
	}
	for _, name := range []string{Root, Targets, Snapshot, Timestamp} {
		role := c.roles[name]
		r.Roles[data.RoleName(name)] = &data.RootRole{KeyIDs: list(r.Keys, role.Keys), Threshold: role.Threshold}
	}
	return r
}

func (c *Collection) targetsSigned(name string) data.Targets {
	r := c.roles[name]
	t := data.Targets{SignedCommon: common("Targets", r), Targets: r.Tags, Delegations: *data.NewDelegations()}
	for _, child := range c.order {
		if parent(child) != name {
			continue
		}
		role := c.roles[child]
		t.Delegations.Roles = append(t.Delegations.Roles, &data.Role{
			RootRole: data.RootRole{KeyIDs: list(t.Delegations.Keys, role.Keys), Threshold: role.Threshold},
			Name:     data.RoleName(child), Paths: role.Paths,
		})
	}
	return t
}

// list puts keys among all, and returns their IDs.
func list(all data.Keys, keys []Key) []string {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.Public.ID()
		all[ids[i]] = k.Public
	}
	return ids
}

// write signs what a role says and keeps the file.
func (c *Collection) write(name string, r *Role, says any) error {
	signed, err := canonical(says, r.Edit)
	if err != nil {
		return fmt.Errorf("dcttest: %s: %w", name, err)
	}
	signers := r.Signers
	if signers == nil {
		signers = r.Keys
	}
	f := struct {
		Signed     json.RawMessage  `json:"signed"`
		Signatures []data.Signature `json:"signatures"`
	}{Signed: signed, Signatures: []data.Signature{}}
	for _, k := range signers {
		sig, err := k.Private.Sign(rand.Reader, signed, nil)
		if err != nil {
			return fmt.Errorf("dcttest: %s: %w", name, err)
		}
		f.Signatures = append(f.Signatures, data.Signature{KeyID: k.Public.ID(), Method: k.Private.SignatureAlgorithm(), Signature: sig})
	}
	if r.file, err = plain(f); err != nil {
		return fmt.Errorf("dcttest: %s: %w", name, err)
	}
	if r.Forge != nil {
		r.file = r.Forge(r.file)
	}
	r.Version++
	c.keep(name, r)
	return nil
}

func (c *Collection) keep(name string, r *Role) {
	sum := sha256.Sum256(r.file)
	c.history[name+"."+hex.EncodeToString(sum[:])] = r.file
	c.history[fmt.Sprintf("%d.%s", r.Version, name)] = r.file
}

// canonical returns v as it is signed: with sorted names and no space.
func canonical(v any, edit func(map[string]any)) ([]byte, error) {
	b, err := plain(v)
	if err != nil {
		return nil, err
	}
	m := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber() // sizes stay what they are
	if err := d.Decode(&m); err != nil {
		return nil, err
	}
	if edit != nil {
		edit(m)
	}
	return plain(m)
}

// plain marshals v, without escapes that canonical JSON does not have.
func plain(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}
