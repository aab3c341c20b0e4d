package dct

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/notary/trustpinning"
	"github.com/theupdateframework/notary/tuf"
	"github.com/theupdateframework/notary/tuf/data"
	"github.com/theupdateframework/notary/tuf/signed"

	"github.com/boltseal/boltseal/internal/strictjson"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

// maxRemembered bounds a file of the cache, in bytes: those of one update and a
// root, in base64.
const maxRemembered = (maxBytes+maxRoot)/3*4 + 1<<20

// How long a run waits for another that writes, and looks again. Writing takes a
// moment.
const (
	lockWait = 10 * time.Second
	lockPoll = 10 * time.Millisecond
)

// errLocked says that another run writes what it remembers.
var errLocked = errors.New("another run is writing it")

// What the claim "rollback" says where nothing older was compared.
const (
	notCached   = "not checked: no cache"
	firstSeen   = "not checked: first seen"
	otherRoots  = "not checked: what is remembered is of another root"
	sinceFormat = "checked since version %d"
)

// A memo is what is remembered of one collection. Whoever can write to the folder
// has written it: by itself nothing in it counts. Its files serve where somebody
// who is trusted says by their SHA-256 what they have to be; its roots where they
// satisfy the pins; its versions, which anybody could have raised, refuse.
type memo struct {
	Version int    `json:"version"` // of this form
	Server  string `json:"server"`
	GUN     string `json:"gun"`
	// Anchor is the last root that satisfied the pins by itself, while those after
	// it did not.
	Anchor []byte `json:"anchor"`
	// Files are the newest of each role that a sound update has had, by role. One
	// goes when nobody delegates to its role any more.
	Files map[string][]byte `json:"files"`
}

// A memoFile is where a memo is kept. One without a name keeps nothing.
type memoFile struct {
	name        string // of the file, with its folder; "" for none
	server, gun string
}

// memoFileOf returns the file for a collection in the folder dir, "" for none.
func memoFileOf(dir string, server registry.TrustServer, gun string) memoFile {
	k := memoFile{server: server.String(), gun: gun}
	if dir == "" {
		return k
	}
	plain := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, gun[:min(len(gun), 80)])
	k.name = filepath.Join(dir, fmt.Sprintf("dct-%s-%.16x.json", plain, sha256.Sum256([]byte(k.server+"\n"+gun))))
	return k
}

// broken says that what is remembered cannot be used.
func (k memoFile) broken(err error) error {
	return &refusal{reason: verify.Unavailable, err: &verify.Error{
		Op: "read what is remembered of " + k.gun, Err: fmt.Errorf("%s: %w", k.name, err),
		Hint: "delete it; the next run remembers anew, and until then a rollback is not seen",
	}}
}

// read returns what is remembered; nil if nothing is.
func (k memoFile) read() (*memo, error) {
	if k.name == "" {
		return nil, nil
	}
	info, err := os.Stat(k.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, k.broken(err)
	case !info.Mode().IsRegular(): // a pipe would not end
		return nil, k.broken(errors.New("it is no file"))
	case info.Size() > maxRemembered:
		return nil, k.broken(fmt.Errorf("it is larger than %d bytes", int64(maxRemembered)))
	}
	file, err := os.Open(k.name)
	if err != nil {
		return nil, k.broken(err)
	}
	defer file.Close() //nolint:errcheck // it is only read
	body, err := io.ReadAll(io.LimitReader(file, maxRemembered))
	if err != nil {
		return nil, k.broken(err)
	}
	m, err := k.parse(body)
	if err != nil {
		return nil, k.broken(err)
	}
	return m, nil
}

func (k memoFile) parse(body []byte) (*memo, error) {
	shape := strictjson.Shape{Names: []string{"version", "server", "gun", "anchor", "files"}, Maps: []string{"files"}}
	if err := shape.Check(body); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	var m memo
	if err := dec.Decode(&m); err != nil {
		return nil, err
	}
	switch {
	case m.Version != 1:
		return nil, fmt.Errorf("it is of form %d, known is 1", m.Version)
	case m.Server != k.server || m.GUN != k.gun:
		return nil, errors.New("it is of another collection")
	case len(m.Files) > maxFiles:
		return nil, fmt.Errorf("it has more than %d files", maxFiles)
	}
	for _, name := range []string{"root", "timestamp", "snapshot", "targets"} {
		if m.Files[name] == nil {
			return nil, fmt.Errorf("it has no file of %s", name)
		}
	}
	for name, body := range m.Files {
		if !data.ValidRole(data.RoleName(name)) {
			return nil, errors.New("it has a file of no role")
		}
		if err := sound(file{role: name}, body); err != nil {
			return nil, err
		}
		if m.version(name) < 1 {
			return nil, fmt.Errorf("it has a file of %s without a version", name)
		}
	}
	return &m, sound(file{role: "root"}, m.Anchor)
}

// write remembers m, whole or not at all. The file is locked.
func (k memoFile) write(m *memo) error {
	body, err := json.Marshal(m)
	if err == nil && len(body) > maxRemembered {
		return refuse(verify.Unsupported, "the trust data, and what is remembered of them, have more than %d bytes", int64(maxRemembered))
	}
	if err == nil {
		err = replace(k.name, body)
	}
	if err != nil {
		return k.unwritten(err, "name a folder that may be written")
	}
	return nil
}

func (k memoFile) unwritten(err error, hint string) error {
	return &refusal{reason: verify.Unavailable, err: &verify.Error{Op: "remember the trust data of " + k.gun, Err: err, Hint: hint}}
}

// lock has this run be the only one to write, until unlock is called. Where the
// process ends before, the system unlocks it.
func (k memoFile) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(k.name), 0o700); err != nil {
		return nil, k.unwritten(err, "name a folder that may be written")
	}
	name := strings.TrimSuffix(k.name, ".json") + ".lock"
	for end := time.Now().Add(lockWait); ; {
		file, err := lockFile(name)
		switch {
		case err == nil:
			return func() { _ = file.Close() }, nil // which unlocks it
		case !errors.Is(err, errLocked):
			return nil, k.unwritten(err, "name a folder that may be written, where files can be locked")
		case time.Now().After(end):
			return nil, k.unwritten(fmt.Errorf("%s: %w", name, err), "run it again when the other run has ended")
		}
		select {
		case <-ctx.Done():
			return nil, &refusal{reason: verify.Undecided, err: context.Cause(ctx)}
		case <-time.After(lockPoll):
		}
	}
}

func replace(name string, body []byte) error {
	draft, err := os.CreateTemp(filepath.Dir(name), ".dct-") // for its owner only
	if err != nil {
		return err
	}
	_, err = draft.Write(body)
	err = errors.Join(err, draft.Sync(), draft.Close())
	if err == nil {
		err = os.Rename(draft.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(draft.Name()))
	}
	return nil
}

// file returns a remembered file of a role that has the SHA-256; nil if none has.
func (m *memo) file(f file) []byte {
	if m == nil || f.sha256 == nil {
		return nil
	}
	all := [][]byte{m.Files[f.role]}
	if f.role == "root" {
		all = append(all, m.Anchor)
	}
	for _, body := range all {
		if sum := sha256.Sum256(body); body != nil && bytes.Equal(sum[:], f.sha256) {
			return body
		}
	}
	return nil
}

// anchored is a root that is trusted before the server has said anything.
type anchored struct {
	vouched
	raw []byte
}

// anchor returns the newest of the remembered roots that satisfies the pins of c
// by itself; nil if none does.
func (m *memo) anchor(c Config, now time.Time) *anchored {
	if m == nil {
		return nil
	}
	for _, raw := range [][]byte{m.Files["root"], m.Anchor} {
		if v, err := c.satisfied(m.GUN, raw, now); err == nil {
			return &anchored{v, raw}
		}
	}
	return nil
}

// satisfied returns what speaks for a root that the pins of c are satisfied with
// and that is signed by the keys they trust, whoever else it names.
func (c Config) satisfied(gun string, raw []byte, now time.Time) (vouched, error) {
	r, err := readRoot(gun, raw, now)
	if err != nil {
		return vouched{}, err
	}
	v, err := c.vouch(r, now)
	if err != nil {
		return vouched{}, err
	}
	return v, tuf.NewRepoBuilder(data.GUN(gun), nil, v.pins(gun)).Load(data.CanonicalRootRole, raw, 1, false)
}

// pins is v for the client.
func (v vouched) pins(gun string) trustpinning.TrustPinConfig {
	return trustpinning.TrustPinConfig{DisableTOFU: true, Certs: map[string][]string{gun: v.ids}}
}

// has reports whether raw is a root that is remembered.
func (m *memo) has(raw []byte) bool {
	return bytes.Equal(raw, m.Files["root"]) || bytes.Equal(raw, m.Anchor)
}

func (m *memo) equal(o *memo) bool {
	return m != nil && o != nil && bytes.Equal(m.Anchor, o.Anchor) && maps.EqualFunc(m.Files, o.Files, bytes.Equal)
}

// compare refuses l if it is older than what is remembered. A delegation of which
// the server shows nothing any more does not count from then on.
func (m *memo) compare(l *loaded) error {
	for _, name := range slices.Sorted(maps.Keys(m.Files)) {
		i := slices.IndexFunc(l.Roles, func(r Role) bool { return r.Name == name })
		if i < 0 || l.Roles[i].Err != nil {
			continue
		}
		role, was := &l.Roles[i], m.version(name)
		switch {
		case role.Version == 0:
			role.Err = rollback(fmt.Errorf("rollback: the server no longer shows what %s has signed, though it is still delegated: %w", name, signed.ErrLowVersion{Current: was}),
				"ask the owner of the server; if the delegation was made anew, delete what is remembered of the collection")
		case role.Version < was:
			return rollback(fmt.Errorf("rollback: the server shows version %d of %s, and has shown version %d before: %w", role.Version, name, was, signed.ErrLowVersion{Actual: role.Version, Current: was}),
				"ask the owner of the server; if the collection was made anew, or restored, delete what is remembered of it")
		}
	}
	return nil
}

func rollback(err error, hint string) error {
	return &refusal{reason: verify.BadSignature, err: &verify.Error{Op: "compare the trust data with those of the last time", Err: err, Hint: hint}}
}

// twoOf refuses a server that shows two files by one name.
func twoOf(name string, version int) error {
	return rollback(fmt.Errorf("the server has shown another version %d of %s before: whoever signs it has signed two", version, name),
		"ask the owner of the collection, and that of the server; if the collection was made anew, or restored, delete what is remembered of it")
}

// sameSigned reports whether two files say the same, whatever signatures they
// have: there may be several of one key.
func sameSigned(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var said [2]bytes.Buffer
	for i, raw := range [][]byte{a, b} {
		s, err := parseSigned(raw)
		if err != nil || json.Compact(&said[i], *s.Signed) != nil {
			return false
		}
	}
	return bytes.Equal(said[0].Bytes(), said[1].Bytes())
}

// with returns m, which is to be remembered of l, with what was remembered before
// and is newer, or of which l has nothing that counts. It refuses two files of one
// version.
func (m *memo) with(was *memo, l *loaded) (*memo, error) {
	both := *m
	both.Files = maps.Clone(m.Files)
	for name, raw := range was.Files {
		now := m.Files[name]
		switch version := was.version(name); {
		case now == nil && was.gone(name, l), now != nil && m.version(name) > version:
			continue
		case now != nil && m.version(name) == version:
			if !sameSigned(now, raw) {
				return nil, twoOf(name, version)
			}
			continue
		}
		both.Files[name] = raw
		if name == "root" {
			both.Anchor = was.Anchor
		}
	}
	if len(both.Files) > maxFiles {
		return nil, refuse(verify.Unsupported, "the trust data, and what is remembered of them, have more than %d files", maxFiles)
	}
	return &both, nil
}

// gone reports whether who has delegated to a role has taken that back since m was
// remembered.
func (m *memo) gone(name string, l *loaded) bool {
	if _, ok := l.role(name); ok || !data.IsDelegation(data.RoleName(name)) {
		return false
	}
	up := path.Dir(name)
	role, ok := l.role(up)
	if !ok {
		return m.gone(up, l)
	}
	return role.Err == nil && role.Version > m.version(up)
}

// version is that of the file that is remembered of a role; 0 if none is.
func (m *memo) version(role string) int {
	var doc struct {
		Signed struct {
			Version int `json:"version"`
		} `json:"signed"`
	}
	if raw := m.Files[role]; raw == nil || json.Unmarshal(raw, &doc) != nil {
		return 0
	}
	return doc.Signed.Version
}
