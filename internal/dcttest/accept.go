package dcttest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/theupdateframework/notary/cryptoservice"
	"github.com/theupdateframework/notary/trustmanager"
	"github.com/theupdateframework/notary/trustpinning"
	"github.com/theupdateframework/notary/tuf"
	"github.com/theupdateframework/notary/tuf/data"
	"github.com/theupdateframework/notary/tuf/signed"
	"github.com/theupdateframework/notary/tuf/validation"
)

// errOldVersion says that a file is no newer than the one there is.
var errOldVersion = errors.New("a newer version of metadata is already available")

// Accept takes in files that somebody has signed, by the names of their roles,
// as notary-server does: they have to be sound and newer than those there are,
// and the server signs what announces them. Errors are those of Notary's package
// validation, and one for an old version.
func (c *Collection) Accept(files map[string][]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := []string{Timestamp}
	if !c.ownSnapshot {
		held = append(held, Snapshot)
	}
	store := trustmanager.NewKeyMemoryStore(func(string, string, bool, int) (string, bool, error) { return "", false, nil })
	for _, role := range held {
		for _, k := range c.roles[role].Keys {
			if err := store.AddKey(trustmanager.KeyInfo{Role: data.RoleName(role), Gun: data.GUN(c.gun)}, k.Private); err != nil {
				return err
			}
		}
	}
	b := tuf.NewRepoBuilder(data.GUN(c.gun), cryptoservice.NewCryptoService(store), trustpinning.TrustPinConfig{})
	if err := c.validate(b, files); err != nil {
		return err
	}
	all := maps.Clone(files)
	if _, ok := all[Snapshot]; !ok {
		prev := &data.SignedSnapshot{}
		if err := json.Unmarshal(c.roles[Snapshot].file, prev); err != nil {
			return err
		}
		made, _, err := b.GenerateSnapshot(prev)
		if err != nil {
			return noSnapshot(err)
		}
		all[Snapshot] = made
	}
	prev := &data.SignedTimestamp{}
	if err := json.Unmarshal(c.roles[Timestamp].file, prev); err != nil {
		return err
	}
	made, _, err := b.GenerateTimestamp(prev)
	if err != nil {
		return validation.ErrBadRoot{Msg: err.Error()}
	}
	all[Timestamp] = made
	return c.take(all)
}

// validate loads what is there, and what has been sent, parents first.
func (c *Collection) validate(b tuf.RepoBuilder, files map[string][]byte) error {
	current := func(role string) error {
		if f := c.roles[role].file; f != nil {
			return b.Load(data.RoleName(role), f, 1, true)
		}
		return nil
	}
	if err := current(Root); err != nil {
		return err
	}
	if _, ok := files[Root]; ok {
		return validation.ErrBadRoot{Msg: "a root is rotated with RotateRoot here"}
	}
	for _, role := range append([]string{Targets}, c.order...) {
		f, sent := files[role]
		if !sent {
			below := slices.ContainsFunc(slices.Collect(maps.Keys(files)), func(s string) bool { return strings.HasPrefix(s, role+"/") })
			if !below {
				continue
			}
			if err := current(role); err != nil {
				return err
			}
			continue
		}
		if err := b.Load(data.RoleName(role), f, 1, false); err != nil {
			return validation.ErrBadTargets{Msg: err.Error()}
		}
	}
	if f, ok := files[Snapshot]; ok {
		if err := b.Load(Snapshot, f, 1, false); err != nil {
			return validation.ErrBadSnapshot{Msg: err.Error()}
		}
	}
	return nil
}

func noSnapshot(err error) error {
	var few signed.ErrInsufficientSignatures
	var none signed.ErrNoKeys
	var threshold signed.ErrRoleThreshold
	if errors.As(err, &few) || errors.As(err, &none) || errors.As(err, &threshold) {
		return validation.ErrBadHierarchy{
			Missing: Snapshot, Msg: "no snapshot was included in update and server does not hold current snapshot key for repository",
		}
	}
	return validation.ErrValidation{Msg: err.Error()}
}

// take keeps files that have been found to be sound.
func (c *Collection) take(files map[string][]byte) error {
	said := map[string]data.SignedTargets{}
	for name, f := range files {
		r, ok := c.roles[name]
		if !ok {
			return validation.ErrBadTargets{Msg: fmt.Sprintf("%s does not exist", name)}
		}
		var s data.SignedTargets
		if err := json.Unmarshal(f, &s); err != nil {
			return err
		}
		if s.Signed.Version <= r.Version {
			return errOldVersion
		}
		said[name] = s
	}
	for name, s := range said {
		r := c.roles[name]
		r.file, r.Version, r.Expires = files[name], s.Signed.Version, s.Signed.Expires
		if strings.HasPrefix(name, Targets) && s.Signed.Targets != nil {
			r.Tags = s.Signed.Targets
		}
		c.keep(name, r)
	}
	return nil
}
