package dcttest_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/theupdateframework/notary/client"
	"github.com/theupdateframework/notary/storage"
	"github.com/theupdateframework/notary/trustpinning"
	"github.com/theupdateframework/notary/tuf/data"
	"github.com/theupdateframework/notary/tuf/signed"
	"github.com/theupdateframework/notary/tuf/utils"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/registry"
)

const gun = "registry.example/app"

func TestMain(m *testing.M) {
	logrus.SetOutput(io.Discard)
	os.Exit(m.Run())
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func collection(t *testing.T, o dcttest.Options) *dcttest.Collection {
	t.Helper()
	c, err := dcttest.NewCollection(gun, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// remote is a Store as the library reads one.
type remote struct {
	storage.OfflineStore
	s *dcttest.Store
}

func (r remote) GetSized(name string, size int64) ([]byte, error) {
	if size < 0 {
		size = 4 << 20
	}
	b, err := r.s.TrustData(context.Background(), registry.TrustServer{}, gun, name, size)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, storage.ErrMetaNotFound{Resource: name}
	}
	return b, err
}

// read reads a tag with the library alone.
func read(s *dcttest.Store, cache storage.MetadataStore, pin trustpinning.TrustPinConfig, tag string) (*client.TargetWithRole, error) {
	repo, _, err := client.LoadTUFRepo(client.TUFLoadOptions{GUN: gun, TrustPinning: pin, Cache: cache, RemoteStore: remote{s: s}})
	if err != nil {
		return nil, err
	}
	target, err := client.NewReadOnly(repo).GetTargetByName(tag, dcttest.Releases, dcttest.Targets)
	if err == nil && target.Role != dcttest.Releases && target.Role != dcttest.Targets {
		return nil, client.ErrNoSuchTarget(tag) // only another role's
	}
	return target, err
}

func pinned(ids ...string) trustpinning.TrustPinConfig {
	return trustpinning.TrustPinConfig{DisableTOFU: true, Certs: map[string][]string{gun: ids}}
}

func empty() storage.MetadataStore { return storage.NewMemoryStore(nil) }

// TestLibrary shows that Notary's own client takes what is made here, and
// refuses what is made wrong.
func TestLibrary(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		make func(*dcttest.Collection) error
		want func(error) bool
	}{
		{"as it is", func(*dcttest.Collection) error { return nil }, func(err error) bool { return err == nil }},
		{"timestamp expired", func(c *dcttest.Collection) error { return c.Expire(dcttest.Timestamp, time.Now().Add(-time.Hour)) }, is[signed.ErrExpired]},
		{"targets expired", func(c *dcttest.Collection) error { return c.Expire(dcttest.Targets, time.Now().Add(-time.Hour)) }, is[signed.ErrExpired]},
		{"snapshot by another", func(c *dcttest.Collection) error { return c.SignByAnother(dcttest.Snapshot) }, is[signed.ErrRoleThreshold]},
		{"root by another", func(c *dcttest.Collection) error { return c.SignByAnother(dcttest.Root) }, is[*trustpinning.ErrValidationFail]},
		{"releases by another", func(c *dcttest.Collection) error { return c.SignByAnother(dcttest.Releases) }, is[client.ErrNoSuchTarget]},
		{"removed", func(c *dcttest.Collection) error { return c.Remove(dcttest.Releases, "1.0") }, is[client.ErrNoSuchTarget]},
		{"targets key rotated", func(c *dcttest.Collection) error { return c.RotateKey(dcttest.Targets) }, func(err error) bool { return err == nil }},
		{"alice's key rotated", func(c *dcttest.Collection) error { return c.RotateKey("targets/alice") }, func(err error) bool { return err == nil }},
		{"below alice", func(c *dcttest.Collection) error {
			return errors.Join(c.Delegate("targets/alice/ci", "ci-"), c.AddTarget("targets/alice/ci", "ci-1", digest("x"), 1))
		}, func(err error) bool { return err == nil }},
		{"root rotated", func(c *dcttest.Collection) error { return c.RotateRoot(dcttest.CertificateOptions{}, true) }, is[*trustpinning.ErrValidationFail]},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := collection(t, dcttest.Options{})
			must(t, c.Sign("1.0", digest("1.0"), "alice"))
			pin := pinned(c.RootID())
			must(t, row.make(c))
			target, err := read(dcttest.NewStore(c), empty(), pin, "1.0")
			if !row.want(err) {
				t.Fatalf("%T %v", err, err)
			}
			if err == nil && "sha256:"+hex.EncodeToString(target.Hashes["sha256"]) != digest("1.0") {
				t.Error("another digest")
			}
		})
	}
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

func TestRotation(t *testing.T) {
	t.Parallel()
	c := collection(t, dcttest.Options{})
	must(t, c.Sign("1.0", digest("1.0")))
	cache, old, stranger := empty(), c.RootID(), c.Clone()
	_, err := read(dcttest.NewStore(c), cache, pinned(old), "1.0")
	must(t, err)
	must(t, c.RotateRoot(dcttest.CertificateOptions{}, true))
	must(t, c.RotateRoot(dcttest.CertificateOptions{}, true))
	_, err = read(dcttest.NewStore(c), cache, pinned(old, c.RootID()), "1.0")
	must(t, err)
	_, err = read(dcttest.NewStore(c), empty(), pinned(c.RootID()), "1.0")
	must(t, err)
	must(t, stranger.RotateRoot(dcttest.CertificateOptions{}, false))
	if _, err := read(dcttest.NewStore(stranger), cache, pinned(old, stranger.RootID()), "1.0"); !is[*trustpinning.ErrRootRotationFail](err) {
		t.Errorf("%T %v", err, err)
	}
}

func TestRollback(t *testing.T) {
	t.Parallel()
	c := collection(t, dcttest.Options{})
	must(t, c.Sign("1.0", digest("old")))
	before := c.Clone()
	must(t, c.Sign("1.0", digest("new")))
	s, cache := dcttest.NewStore(c), empty()
	_, err := read(s, cache, pinned(c.RootID()), "1.0")
	must(t, err)
	s.Put(gun, before)
	if _, err := read(s, cache, pinned(c.RootID()), "1.0"); !is[signed.ErrLowVersion](err) {
		t.Errorf("%T %v", err, err)
	}
}

func TestIssued(t *testing.T) {
	t.Parallel()
	c := collection(t, dcttest.Options{Certificate: dcttest.CertificateOptions{Issued: true}})
	must(t, c.Sign("1.0", digest("1.0")))
	ca := filepath.Join(t.TempDir(), "ca.crt")
	must(t, os.WriteFile(ca, utils.CertToPEM(c.RootCA()), 0o600))
	_, err := read(dcttest.NewStore(c), empty(), pinned(c.RootID()), "1.0")
	must(t, err)
}

func TestStore(t *testing.T) {
	t.Parallel()
	c := collection(t, dcttest.Options{})
	s := dcttest.NewStore(c)
	s.Break(dcttest.Fault{File: "root", Times: 1, Body: []byte("<html>")})
	s.Break(dcttest.Fault{File: "snapshot", Change: func(b []byte) []byte { return b[1:] }})
	s.Break(dcttest.Fault{File: "targets", Err: registry.ErrDenied})
	get := func(file string, limit int64) ([]byte, error) {
		return s.TrustData(t.Context(), registry.TrustServer{}, gun, file, limit)
	}
	if b, err := get("root", 9999); string(b) != "<html>" || err != nil {
		t.Error(string(b), err)
	}
	if b, err := get("root", 9999); string(b) != string(c.Files()["root"]) || err != nil {
		t.Error(string(b), err)
	}
	if b, err := get("snapshot", 9999); string(b) != string(c.Files()["snapshot"][1:]) || err != nil {
		t.Error(string(b), err)
	}
	if _, err := get("targets", 9999); !errors.Is(err, registry.ErrDenied) {
		t.Error(err)
	}
	if _, err := get("targets/none", 9999); !errors.Is(err, registry.ErrDenied) {
		t.Error(err)
	}
	if got := s.Requests(); len(got) != 5 || got[4] != "targets/none" {
		t.Error(got)
	}
	s.Reset()
	if _, err := get("targets/alice", 9999); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a delegation that has signed nothing has a file: %v", err)
	}
	if _, err := get("root", 10); !errors.Is(err, registry.ErrUnavailable) {
		t.Error(err)
	}
}

func TestKeyPEM(t *testing.T) {
	t.Parallel()
	c := collection(t, dcttest.Options{})
	k := c.Key("targets/alice")
	text, err := k.PEM("alice", "secret")
	must(t, err)
	back, err := utils.ParsePEMPrivateKey(text, "secret")
	must(t, err)
	if back.ID() != k.Public.ID() {
		t.Error(back.ID(), k.Public.ID())
	}
	if role, _, err := utils.ExtractPrivateKeyAttributes(text); role != data.RoleName("alice") || err != nil {
		t.Error(role, err)
	}
}
