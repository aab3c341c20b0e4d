package dct_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/notary/tuf/data"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// A row is one thing that can be the case, and what has to come of it.
type row struct {
	name    string
	options dcttest.Options
	make    func(*testing.T, *world)
	want    verify.Reason
	says    []string
}

var (
	past = time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)
	// pastSays is the day of past, however it is written.
	pastSays = "2026-03-04"
)

func expire(role string) func(*testing.T, *world) {
	return func(t *testing.T, w *world) { must(t, w.c.Expire(role, past)) }
}

func foreign(role string) func(*testing.T, *world) {
	return func(t *testing.T, w *world) { must(t, w.c.SignByAnother(role)) }
}

func tampered(file string) func(*testing.T, *world) {
	return func(_ *testing.T, w *world) { w.store.Break(dcttest.Fault{File: file, Change: spoiled}) }
}

// another is the complete trust data of somebody else for the same collection.
func another(t *testing.T) *dcttest.Collection {
	c := collection(t, appGUN, dcttest.Options{})
	must(t, c.Sign("1.0", digestOf("1.0"), "alice"))
	return c
}

// results are the rows of facts/dct.md, "Results", in their order: what Notary's
// own client does, and where it is too kind, what docker does or should.
func results() []row {
	return []row{
		{name: "ok, pinned, required signer present", make: func(*testing.T, *world) {}, want: verify.Verified},
		{name: "no trust data", make: func(_ *testing.T, w *world) { w.store.Put(appGUN, nil) }, want: verify.Unsigned, says: []string{
			"remote trust data does not exist for " + appGUN, host + " does not have trust data for " + appGUN,
		}},
		{name: "tag not signed", make: func(t *testing.T, w *world) { w.img = pinAt(t, appGUN+":9.9", digestOf("1.0")) }, want: verify.Unsigned, says: []string{
			"No valid trust data for 9.9",
		}},
		{name: "required signer missing", make: func(_ *testing.T, w *world) { w.config.Signers = []string{"alice", "bob"} }, want: verify.WrongSigner, says: []string{
			"targets/bob", "1.0",
		}},
		{name: "required signer that nobody delegated to", make: func(_ *testing.T, w *world) { w.config.Signers = []string{"carol"} }, want: verify.WrongSigner, says: []string{
			"targets/carol",
		}},
		{name: "required signer signed another digest", make: func(t *testing.T, w *world) {
			must(t, w.c.AddTarget("targets/bob", "1.0", digestOf("other"), 512))
			w.config.Signers = []string{"alice", "bob"}
		}, want: verify.WrongSigner, says: []string{"targets/bob", digestOf("other"), digestOf("1.0")}},
		{name: "only that signer has the tag", make: func(t *testing.T, w *world) { must(t, w.c.Remove(dcttest.Releases, "1.0")) }, want: verify.WrongSigner, says: []string{
			"1.0", "targets/alice", "targets/releases",
		}},
		{name: "only that signer has the tag, and nobody is required", make: func(t *testing.T, w *world) {
			must(t, w.c.Remove(dcttest.Releases, "1.0"))
			w.config.Signers = nil
		}, want: verify.WrongSigner, says: []string{"1.0", "targets/alice"}},
		{name: "registry serves another digest", make: func(t *testing.T, w *world) { w.img = pinAt(t, appGUN+":1.0", digestOf("moved")) }, want: verify.BadSignature, says: []string{
			"moved", digestOf("moved"), digestOf("1.0"),
		}},
		{name: "wrong pin", make: func(_ *testing.T, w *world) { w.config.RootKeyIDs = []string{strings.Repeat("ab", 32)} }, want: verify.WrongSigner, says: []string{
			strings.Repeat("ab", 32),
		}},
		{name: "wrong CA", make: func(t *testing.T, w *world) {
			w.config.RootKeyIDs = nil
			w.config.RootCA = []*x509.Certificate{collection(t, appGUN, dcttest.Options{Certificate: dcttest.CertificateOptions{Issued: true}}).RootCA()}
		}, want: verify.WrongSigner, says: []string{appGUN}},
		{name: "another party's repository, pinned", make: func(t *testing.T, w *world) { w.store.Put(appGUN, another(t)) }, want: verify.WrongSigner},
		{name: "another party's repository, TOFU on a fresh runner", make: func(t *testing.T, w *world) {
			w.store.Put(appGUN, another(t))
			w.config.RootKeyIDs, w.config.TOFU = nil, true
		}, want: verify.Verified},
		{name: "another party's repository, TOFU with cached root", make: func(t *testing.T, w *world) {
			w.config.RootKeyIDs, w.config.TOFU = nil, true
			w.remember(t)
			w.store.Put(appGUN, another(t))
		}, want: verify.WrongSigner},
		{name: "rollback with cache", make: func(t *testing.T, w *world) {
			before := w.c.Clone()
			must(t, w.c.Sign("2.0", digestOf("2.0"), "alice"))
			w.remember(t)
			w.store.Put(appGUN, before)
		}, want: verify.BadSignature, says: []string{"rollback"}},
		{name: "rollback without cache", make: func(t *testing.T, w *world) {
			before := w.c.Clone()
			must(t, w.c.Sign("1.0", digestOf("better"), "alice"))
			w.store.Put(appGUN, before)
		}, want: verify.Verified},
		{name: "tampered timestamp", make: tampered("timestamp"), want: verify.BadSignature, says: []string{"timestamp"}},
		{name: "tampered snapshot", make: tampered("snapshot"), want: verify.BadSignature, says: []string{"snapshot"}},
		{name: "tampered targets", make: tampered("targets."), want: verify.BadSignature, says: []string{"targets"}},
		{name: "tampered delegation", make: tampered("targets/alice"), want: verify.BadSignature, says: []string{"targets/alice"}},
		{name: "tampered delegation that nobody asks for", make: func(t *testing.T, w *world) {
			must(t, w.c.Sign("2.0", digestOf("2.0"), "bob"))
			w.store.Break(dcttest.Fault{File: "targets/bob", Change: spoiled})
		}, want: verify.BadSignature, says: []string{"targets/bob"}},
		{name: "tampered root", make: tampered("root"), want: verify.BadSignature, says: []string{"root"}},
		{name: "old delegation mixed with new top level", make: func(t *testing.T, w *world) {
			old := w.c.File(dcttest.Releases)
			must(t, w.c.Sign("1.0", digestOf("new"), "alice"))
			w.store.Break(dcttest.Fault{File: dcttest.Releases, Body: old})
		}, want: verify.BadSignature, says: []string{"targets/releases"}},
		{name: "timestamp signed by a foreign key", make: foreign(dcttest.Timestamp), want: verify.BadSignature, says: []string{"timestamp"}},
		{name: "snapshot signed by a foreign key", make: foreign(dcttest.Snapshot), want: verify.BadSignature, says: []string{"snapshot"}},
		{name: "targets signed by a foreign key", make: foreign(dcttest.Targets), want: verify.BadSignature, says: []string{"targets"}},
		{name: "root signed by a foreign key", make: foreign(dcttest.Root), want: verify.BadSignature, says: []string{"root"}},
		{name: "expired timestamp", make: expire(dcttest.Timestamp), want: verify.Expired, says: []string{"timestamp", pastSays}},
		{name: "expired snapshot", make: expire(dcttest.Snapshot), want: verify.Expired, says: []string{"snapshot", pastSays}},
		{name: "expired targets", make: expire(dcttest.Targets), want: verify.Expired, says: []string{"targets", pastSays}},
		{name: "expired root", make: expire(dcttest.Root), want: verify.Expired, says: []string{"root", pastSays}},
		{name: "expired releases", make: expire(dcttest.Releases), want: verify.Expired, says: []string{"targets/releases", pastSays}},
		{name: "mis-signed releases", make: foreign(dcttest.Releases), want: verify.BadSignature, says: []string{"targets/releases"}},
		{name: "expired required signer", make: expire("targets/alice"), want: verify.Expired, says: []string{"targets/alice", pastSays}},
		{name: "mis-signed required signer", make: foreign("targets/alice"), want: verify.BadSignature, says: []string{"targets/alice"}},
		{name: "expired signer whom nobody requires", make: func(t *testing.T, w *world) {
			must(t, w.c.Expire("targets/alice", past))
			w.config.Signers = nil
		}, want: verify.Verified},
		{name: "mis-signed signer whom nobody requires", make: func(t *testing.T, w *world) {
			must(t, w.c.SignByAnother("targets/alice"))
			w.config.Signers = nil
		}, want: verify.Verified},
		{
			name: "root certificate expired", options: dcttest.Options{Certificate: dcttest.CertificateOptions{From: past.AddDate(-10, 0, 0), To: past}},
			make: func(*testing.T, *world) {}, want: verify.Expired, says: []string{"certificate", pastSays},
		},
		{
			name: "root certificate expired, TOFU", options: dcttest.Options{Certificate: dcttest.CertificateOptions{From: past.AddDate(-10, 0, 0), To: past}},
			make: func(_ *testing.T, w *world) { w.config.RootKeyIDs, w.config.TOFU = nil, true }, want: verify.Expired, says: []string{"certificate", pastSays},
		},
		{
			name: "root certificate of another collection", options: dcttest.Options{Certificate: dcttest.CertificateOptions{Name: host + "/other"}},
			make: func(*testing.T, *world) {}, want: verify.WrongSigner, says: []string{host + "/other", appGUN},
		},
		{name: "root rotated, old pin, fresh", make: rotate(false, true, false), want: verify.WrongSigner},
		{name: "root rotated, new pin", make: rotate(false, false, true), want: verify.Verified},
		{name: "root rotated, both pins", make: rotate(false, true, true), want: verify.Verified},
		{name: "root rotated, old pin and cache from before", make: rotate(true, true, false), want: verify.Verified},
		{name: "root rotated, new pin and cache from before", make: rotate(true, false, true), want: verify.Verified},
		{name: "root rotated, both pins and cache from before", make: rotate(true, true, true), want: verify.Verified},
		{name: "503, no cache", make: answer(http.StatusServiceUnavailable, false), want: verify.Unavailable, says: []string{host}},
		{name: "401, no cache", make: answer(http.StatusUnauthorized, false), want: verify.Denied, says: []string{host}},
		{name: "503, cache valid", make: answer(http.StatusServiceUnavailable, true), want: verify.Unavailable, says: []string{host}},
		{name: "401, cache valid", make: answer(http.StatusUnauthorized, true), want: verify.Denied, says: []string{host}},
		{name: "403, cache valid", make: answer(http.StatusForbidden, true), want: verify.Denied, says: []string{host}},
		{name: "connection refused, cache valid", make: answer(0, true), want: verify.Unavailable, says: []string{host}},
		{name: "404 of all, cache valid", make: func(t *testing.T, w *world) {
			w.remember(t)
			w.store.Put(appGUN, nil)
		}, want: verify.Unsigned, says: []string{"remote trust data does not exist for " + appGUN}},
		{name: "HTML with status 200", make: func(_ *testing.T, w *world) {
			w.store.Break(dcttest.Fault{Body: []byte("<!DOCTYPE html><title>Sign in</title>")})
		}, want: verify.Unavailable, says: []string{"no trust data", "a Notary server"}},
		{name: "HTML with status 200, cache valid", make: func(t *testing.T, w *world) {
			w.remember(t)
			w.store.Break(dcttest.Fault{Body: []byte("<!DOCTYPE html><title>Sign in</title>")})
		}, want: verify.Unavailable, says: []string{"no trust data", "a Notary server"}},
	}
}

// rotate gives the root a new key, with pins for the old and the new one.
func rotate(cached, old, renewed bool) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		if cached {
			w.remember(t)
		}
		w.config.RootKeyIDs = nil
		if old {
			w.config.RootKeyIDs = append(w.config.RootKeyIDs, w.c.RootID())
		}
		must(t, w.c.RotateRoot(dcttest.CertificateOptions{}, true))
		if renewed {
			w.config.RootKeyIDs = append(w.config.RootKeyIDs, w.c.RootID())
		}
	}
}

// answer has the server answer everything with a status, 0 for not at all.
func answer(status int, cached bool) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		if cached {
			w.remember(t)
		}
		w.store.Break(dcttest.Fault{Err: answered(status)})
	}
}

// decisions are what the facts leave open.
func decisions() []row {
	return []row{
		{name: "releases count before targets", make: func(t *testing.T, w *world) {
			must(t, w.c.AddTarget(dcttest.Targets, "1.0", digestOf("old"), 512))
		}, want: verify.Verified},
		{name: "targets do not count where releases have the tag", make: func(t *testing.T, w *world) {
			must(t, w.c.AddTarget(dcttest.Targets, "1.0", digestOf("old"), 512))
			w.img = pinAt(t, appGUN+":1.0", digestOf("old"))
			w.config.Signers = nil
		}, want: verify.BadSignature, says: []string{digestOf("old"), digestOf("1.0")}},
		{
			name: "targets alone", options: dcttest.Options{Delegations: []string{}},
			make: func(*testing.T, *world) {}, want: verify.Verified,
		},
		{name: "targets, where releases have nothing", make: func(t *testing.T, w *world) {
			must(t, w.c.Remove(dcttest.Releases, "1.0"))
			must(t, w.c.AddTarget(dcttest.Targets, "1.0", digestOf("1.0"), 512))
		}, want: verify.Verified},
		{name: "releases expired, targets have the tag", make: func(t *testing.T, w *world) {
			must(t, w.c.AddTarget(dcttest.Targets, "1.0", digestOf("1.0"), 512))
			must(t, w.c.Expire(dcttest.Releases, past))
			w.config.Signers = nil
		}, want: verify.Expired, says: []string{"targets/releases", pastSays}},
		{name: "releases mis-signed, targets have the tag", make: func(t *testing.T, w *world) {
			must(t, w.c.AddTarget(dcttest.Targets, "1.0", digestOf("1.0"), 512))
			must(t, w.c.SignByAnother(dcttest.Releases))
			w.config.Signers = nil
		}, want: verify.BadSignature, says: []string{"targets/releases"}},
		{name: "404 of releases", make: missing(dcttest.Releases), want: verify.Unavailable, says: []string{"targets/releases"}},
		{name: "404 of targets", make: missing("targets."), want: verify.Unavailable, says: []string{"targets"}},
		{name: "404 of snapshot", make: missing("snapshot"), want: verify.Unavailable, says: []string{"snapshot"}},
		{name: "404 of timestamp", make: missing("timestamp"), want: verify.Unavailable, says: []string{"timestamp"}},
		{name: "404 of timestamp, cache valid", make: func(t *testing.T, w *world) {
			w.remember(t)
			missing("timestamp")(t, w)
		}, want: verify.Unavailable, says: []string{"timestamp"}},
		{name: "reference with tag and digest", make: reference(":1.0@" + digestOf("1.0")), want: verify.Verified},
		{name: "reference with digest alone", make: reference("@" + digestOf("1.0")), want: verify.Verified},
		{name: "reference with another tag and the digest", make: func(t *testing.T, w *world) {
			must(t, w.c.Sign("2.0", digestOf("2.0"), "alice"))
			w.img = pinAt(t, appGUN+":2.0@"+digestOf("1.0"), digestOf("1.0"))
		}, want: verify.Verified},
		{name: "reference with a digest that no tag has", make: func(t *testing.T, w *world) {
			w.img = pinAt(t, appGUN+"@"+digestOf("never"), digestOf("never"))
		}, want: verify.Unsigned, says: []string{digestOf("never")}},
		{name: "reference with a digest that only targets have, behind releases", make: func(t *testing.T, w *world) {
			must(t, w.c.AddTarget(dcttest.Targets, "1.0", digestOf("old"), 512))
			w.img, w.config.Signers = pinAt(t, appGUN+"@"+digestOf("old"), digestOf("old")), nil
		}, want: verify.WrongSigner, says: []string{digestOf("old"), "targets/releases"}},
		{name: "reference with a digest that the signer gave another tag", make: func(t *testing.T, w *world) {
			must(t, w.c.Sign("2.0", digestOf("2.0")))
			must(t, w.c.AddTarget("targets/alice", "3.0", digestOf("2.0"), 512))
			w.img = pinAt(t, appGUN+"@"+digestOf("2.0"), digestOf("2.0"))
		}, want: verify.WrongSigner, says: []string{"targets/alice"}},
		{name: "reference with a digest, of two tags the second is signed by all", make: func(t *testing.T, w *world) {
			must(t, w.c.Sign("a", digestOf("2.0")))
			must(t, w.c.Sign("b", digestOf("2.0"), "alice"))
			w.img = pinAt(t, appGUN+"@"+digestOf("2.0"), digestOf("2.0"))
		}, want: verify.Verified},
		{name: "signed with SHA-512 alone", make: func(t *testing.T, w *world) {
			sum, err := hex.DecodeString(strings.Repeat("ab", 64))
			must(t, err)
			must(t, w.c.Change(dcttest.Releases, func(r *dcttest.Role) {
				r.Tags["1.0"] = data.FileMeta{Length: 512, Hashes: data.Hashes{"sha512": sum}}
			}))
		}, want: verify.Unsupported, says: []string{"1.0", "SHA-256"}},
		{name: "two of two", make: threshold(2, 2), want: verify.Verified},
		{name: "one of two", make: threshold(2, 1), want: verify.BadSignature, says: []string{"targets/alice"}},
		{name: "one of two, where one is enough", make: threshold(1, 1), want: verify.Verified},
		{name: "threshold 0", make: func(t *testing.T, w *world) {
			must(t, w.c.Change("targets/alice", func(r *dcttest.Role) { r.Threshold, r.Signers = 0, []dcttest.Key{} }))
		}, want: verify.BadSignature},
		{name: "the same key twice for two", make: func(t *testing.T, w *world) {
			must(t, w.c.Change("targets/alice", func(r *dcttest.Role) {
				r.Keys, r.Threshold = append(r.Keys, r.Keys[0]), 2
			}))
		}, want: verify.BadSignature},
		{name: "a tag outside of the signer's paths", make: func(t *testing.T, w *world) {
			must(t, w.c.Change("targets/alice", func(r *dcttest.Role) { r.Paths = []string{"2."} }))
		}, want: verify.WrongSigner, says: []string{"targets/alice"}},
		{name: "a tag outside of the paths of releases", make: func(t *testing.T, w *world) {
			must(t, w.c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Paths = []string{"2."} }))
			w.config.Signers = nil
		}, want: verify.WrongSigner, says: []string{"targets/releases"}},
		{name: "a tag within the signer's paths", make: func(t *testing.T, w *world) {
			must(t, w.c.Change("targets/alice", func(r *dcttest.Role) { r.Paths = []string{"1.", "2."} }))
		}, want: verify.Verified},
		{name: "signer below a signer", make: func(t *testing.T, w *world) {
			must(t, w.c.Delegate("targets/alice/ci"))
			must(t, w.c.AddTarget("targets/alice/ci", "1.0", digestOf("1.0"), 512))
			w.config.Signers = []string{"alice/ci", "alice"}
		}, want: verify.Verified},
		{name: "signer below a signer who must not", make: func(t *testing.T, w *world) {
			must(t, w.c.Change("targets/alice", func(r *dcttest.Role) { r.Paths = []string{"2."} }))
			must(t, w.c.Delegate("targets/alice/ci"))
			must(t, w.c.AddTarget("targets/alice/ci", "1.0", digestOf("1.0"), 512))
			w.config.Signers = []string{"alice/ci"}
		}, want: verify.WrongSigner, says: []string{"targets/alice/ci"}},
		{name: "signer's key rotated", make: func(t *testing.T, w *world) { must(t, w.c.RotateKey("targets/alice")) }, want: verify.Verified},
		{name: "signer removed", make: func(t *testing.T, w *world) {
			must(t, w.c.Change(dcttest.Targets, func(r *dcttest.Role) {
				r.Edit = func(signed map[string]any) { undelegate(signed, "targets/alice") }
			}))
		}, want: verify.WrongSigner, says: []string{"targets/alice"}},
		{name: "tag revoked", make: func(t *testing.T, w *world) {
			must(t, w.c.Remove(dcttest.Releases, "1.0"))
			must(t, w.c.Remove("targets/alice", "1.0"))
		}, want: verify.Unsigned, says: []string{"No valid trust data for 1.0"}},
		{name: "signed anew, image as before", make: func(t *testing.T, w *world) {
			must(t, w.c.Sign("1.0", digestOf("new"), "alice"))
		}, want: verify.BadSignature, says: []string{digestOf("new"), digestOf("1.0")}},
		{
			name: "CA pinned", options: dcttest.Options{Certificate: dcttest.CertificateOptions{Issued: true}},
			make: func(_ *testing.T, w *world) {
				w.config.RootKeyIDs, w.config.RootCA = nil, []*x509.Certificate{w.c.RootCA()}
			}, want: verify.Verified,
		},
		{
			name: "CA and ID pinned, only the ID fits", options: dcttest.Options{Certificate: dcttest.CertificateOptions{Issued: true}},
			make: func(t *testing.T, w *world) {
				other := collection(t, appGUN, dcttest.Options{Certificate: dcttest.CertificateOptions{Issued: true}})
				w.config.RootCA = []*x509.Certificate{other.RootCA()}
			}, want: verify.Verified,
		},
		{
			name: "CA pinned, root rotated within it", options: dcttest.Options{Certificate: dcttest.CertificateOptions{Issued: true}},
			make: func(t *testing.T, w *world) {
				w.config.RootKeyIDs, w.config.RootCA = nil, []*x509.Certificate{w.c.RootCA()}
				must(t, w.c.RotateRoot(dcttest.CertificateOptions{Issued: true}, true))
			}, want: verify.Verified,
		},
		{
			name: "CA pinned, certificate expired", options: dcttest.Options{Certificate: dcttest.CertificateOptions{Issued: true, From: past.AddDate(-1, 0, 0), To: past}},
			make: func(_ *testing.T, w *world) {
				w.config.RootKeyIDs, w.config.RootCA = nil, []*x509.Certificate{w.c.RootCA()}
			}, want: verify.Expired, says: []string{pastSays},
		},
		{
			name: "CA pinned, certificate of another collection", options: dcttest.Options{Certificate: dcttest.CertificateOptions{Issued: true, Name: host + "/other"}},
			make: func(_ *testing.T, w *world) {
				w.config.RootKeyIDs, w.config.RootCA = nil, []*x509.Certificate{w.c.RootCA()}
			}, want: verify.WrongSigner, says: []string{host + "/other"},
		},
		{
			name: "certificate for all of a team", options: dcttest.Options{Certificate: dcttest.CertificateOptions{Name: host + "/team/*"}},
			make: func(*testing.T, *world) {}, want: verify.Verified,
		},
		{name: "public key pinned", make: func(_ *testing.T, w *world) {
			w.config.RootKeyIDs, w.config.RootKeys = nil, [][]byte{w.c.RootKey()}
		}, want: verify.Verified},
		{name: "another public key pinned", make: func(t *testing.T, w *world) {
			w.config.RootKeyIDs, w.config.RootKeys = nil, [][]byte{another(t).RootKey()}
		}, want: verify.WrongSigner, says: []string{appGUN}},
		{name: "public key pinned, root rotated", make: func(t *testing.T, w *world) {
			w.config.RootKeyIDs, w.config.RootKeys = nil, [][]byte{w.c.RootKey()}
			must(t, w.c.RotateRoot(dcttest.CertificateOptions{}, true))
		}, want: verify.WrongSigner},
		{name: "public key pinned, root rotated, cache from before", make: func(t *testing.T, w *world) {
			w.config.RootKeyIDs, w.config.RootKeys = nil, [][]byte{w.c.RootKey()}
			w.remember(t)
			must(t, w.c.RotateRoot(dcttest.CertificateOptions{}, true))
		}, want: verify.Verified},
		{name: "canonical ID as a pin", make: func(_ *testing.T, w *world) { w.config.RootKeyIDs = []string{w.c.CanonicalRootID()} }, want: verify.WrongSigner, says: []string{
			"notary key list",
		}},
		{name: "the targets key's ID as a pin", make: func(_ *testing.T, w *world) {
			w.config.RootKeyIDs = []string{w.c.Key(dcttest.Targets).Public.ID()}
		}, want: verify.WrongSigner},
		{name: "root rotated without the old key, cache from before", make: func(t *testing.T, w *world) {
			w.remember(t)
			must(t, w.c.RotateRoot(dcttest.CertificateOptions{}, false))
			w.config.RootKeyIDs = append(w.config.RootKeyIDs, w.c.RootID())
		}, want: verify.WrongSigner},
		{name: "root replaced without the old key, new pin alone, cache from before", make: func(t *testing.T, w *world) {
			w.remember(t)
			must(t, w.c.RotateRoot(dcttest.CertificateOptions{}, false))
			w.config.RootKeyIDs = []string{w.c.RootID()}
		}, want: verify.Verified},
		{name: "root rotated twice, old pin and cache from before", make: func(t *testing.T, w *world) {
			w.remember(t)
			must(t, w.c.RotateRoot(dcttest.CertificateOptions{}, true))
			must(t, w.c.RotateRoot(dcttest.CertificateOptions{}, true))
		}, want: verify.Verified},
		{name: "root rotated twice, seen in between", make: func(t *testing.T, w *world) {
			w.remember(t)
			must(t, w.c.RotateRoot(dcttest.CertificateOptions{}, true))
			check(t, w.run(t), verify.Verified)
			must(t, w.c.RotateRoot(dcttest.CertificateOptions{}, true))
		}, want: verify.Verified},
		{name: "root rotated twice, the first without the old key", make: func(t *testing.T, w *world) {
			w.remember(t)
			must(t, w.c.RotateRoot(dcttest.CertificateOptions{}, false))
			must(t, w.c.RotateRoot(dcttest.CertificateOptions{}, true))
		}, want: verify.WrongSigner},
		{name: "pin taken away, cache from before", make: func(t *testing.T, w *world) {
			w.remember(t)
			w.config.RootKeyIDs = []string{another(t).RootID()}
		}, want: verify.WrongSigner},
		{name: "foreign collection", make: func(t *testing.T, w *world) {
			other := collection(t, host+"/other", dcttest.Options{})
			must(t, other.Sign("1.0", digestOf("1.0"), "alice"))
			w.store.Put(appGUN, other)
			w.config.RootKeyIDs = []string{other.RootID()}
		}, want: verify.WrongSigner, says: []string{host + "/other", appGUN}},
		{name: "rollback of one role within new top level", make: func(t *testing.T, w *world) {
			old := w.c.Clone()
			must(t, w.c.Sign("1.0", digestOf("new"), "alice"))
			w.img = pinAt(t, appGUN+":1.0", digestOf("new"))
			w.remember(t)
			// Who has the keys of snapshot and timestamp announces an old file.
			before := old.File(dcttest.Releases)
			must(t, w.c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Forge = func([]byte) []byte { return before } }))
			w.img = pinAt(t, appGUN+":1.0", digestOf("1.0"))
		}, want: verify.BadSignature, says: []string{"rollback", "targets/releases"}},
		{name: "cache damaged", make: func(t *testing.T, w *world) {
			w.remember(t)
			for _, name := range cached(t, w.cache) {
				must(t, os.WriteFile(name, []byte(`{"half`), 0o600))
			}
		}, want: verify.Unavailable, says: []string{"delete"}},
		{name: "cache of another collection", make: func(t *testing.T, w *world) {
			w.remember(t)
			o := newWorld(t, dcttest.Options{Certificate: dcttest.CertificateOptions{Name: host + "/*"}})
			o.store.Put(host+"/other", o.c)
			o.img = pinAt(t, host+"/other:1.0", digestOf("1.0"))
			o.remember(t)
			swap(t, w.cache, o.cache)
		}, want: verify.Unavailable, says: []string{"delete"}},
		{name: "cache of somebody else's root", make: func(t *testing.T, w *world) {
			w.remember(t)
			o := newWorld(t, dcttest.Options{})
			o.remember(t)
			swap(t, w.cache, o.cache)
		}, want: verify.Verified},
		{name: "cache of somebody else's root, server of the same", make: func(t *testing.T, w *world) {
			w.remember(t)
			o := newWorld(t, dcttest.Options{})
			o.remember(t)
			swap(t, w.cache, o.cache)
			w.store = o.store
		}, want: verify.WrongSigner},
		{name: "cache deleted", make: func(t *testing.T, w *world) {
			w.remember(t)
			must(t, os.RemoveAll(w.cache))
		}, want: verify.Verified},
		{name: "weak root key", options: dcttest.Options{RootKey: weak()}, make: func(*testing.T, *world) {}, want: verify.Unsupported, says: []string{"RSA", "1024"}},
		{
			name: "root certificate by SHA-1", options: dcttest.Options{RootKey: strong(), Certificate: dcttest.CertificateOptions{Template: func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }}},
			make: func(*testing.T, *world) {}, want: verify.Unsupported, says: []string{"SHA-1"},
		},
		{name: "file larger than announced", make: func(t *testing.T, w *world) {
			w.store.Break(dcttest.Fault{File: "targets.", Change: func(b []byte) []byte { return append(b, ' ') }})
		}, want: verify.BadSignature, says: []string{"targets"}},
		{name: "file announced far too large", make: func(t *testing.T, w *world) {
			must(t, w.c.Change(dcttest.Snapshot, func(r *dcttest.Role) {
				r.Edit = func(signed map[string]any) {
					signed["meta"].(map[string]any)["targets"].(map[string]any)["length"] = 1 << 40
				}
			}))
		}, want: verify.Unsupported, says: []string{"targets"}},
		{name: "root far too large", make: func(_ *testing.T, w *world) {
			w.store.Break(dcttest.Fault{File: "root", Body: []byte(`{"signed":{"x":"` + strings.Repeat("x", 5<<20) + `"}}`)})
		}, want: verify.Unavailable},
		{name: "a file of another role", make: func(_ *testing.T, w *world) {
			w.store.Break(dcttest.Fault{File: "timestamp", Body: w.c.File(dcttest.Snapshot)})
		}, want: verify.BadSignature},
		{name: "a type of another role", make: func(t *testing.T, w *world) {
			must(t, w.c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Edit = func(signed map[string]any) { signed["_type"] = "Snapshot" } }))
		}, want: verify.BadSignature, says: []string{"targets/releases"}},
		{name: "a name twice", make: func(t *testing.T, w *world) {
			must(t, w.c.Change(dcttest.Releases, func(r *dcttest.Role) {
				r.Forge = func(b []byte) []byte {
					return []byte(strings.Replace(string(b), `"targets":`, `"targets":{},"targets":`, 1))
				}
			}))
		}, want: verify.BadSignature, says: []string{"targets/releases"}},
		{name: "cancelled", make: func(t *testing.T, w *world) {
			w.store.Break(dcttest.Fault{Err: answered(http.StatusGatewayTimeout)})
		}, want: verify.Unavailable},
	}
}

func missing(file string) func(*testing.T, *world) {
	return func(_ *testing.T, w *world) {
		w.store.Break(dcttest.Fault{File: file, Err: &registry.Error{
			Op: "fetch " + file + ".json", Status: http.StatusNotFound, Kind: registry.ErrNotFound,
		}})
	}
}

func reference(rest string) func(*testing.T, *world) {
	return func(t *testing.T, w *world) { w.img = pinAt(t, appGUN+rest, digestOf("1.0")) }
}

// threshold has alice's role want so many of two keys, and so many of them sign.
func threshold(want, sign int) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		second, err := dcttest.NewKey(nil)
		must(t, err)
		must(t, w.c.Change("targets/alice", func(r *dcttest.Role) {
			r.Keys, r.Threshold = append(r.Keys, second), want
			r.Signers = r.Keys[:sign]
		}))
	}
}

// undelegate takes a role out of what another delegates, and leaves its file
// where it is.
func undelegate(signed map[string]any, role string) {
	d := signed["delegations"].(map[string]any)
	var kept []any
	for _, r := range d["roles"].([]any) {
		if r.(map[string]any)["name"] != role {
			kept = append(kept, r)
		}
	}
	d["roles"] = kept
}

func weak() *rsa.PrivateKey   { return rsaKey(1024) }
func strong() *rsa.PrivateKey { return rsaKey(2048) }

func rsaKey(bits int) *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return k
}

// cached lists the files of a cache.
func cached(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	must(t, filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && filepath.Ext(name) == ".json" {
			names = append(names, name)
		}
		return err
	}))
	if len(names) == 0 {
		t.Fatal("nothing was cached")
	}
	return names
}

// swap puts the file of another cache in the place of that of one.
func swap(t *testing.T, dir, other string) {
	t.Helper()
	must(t, os.Rename(cached(t, other)[0], cached(t, dir)[0]))
}

func TestResults(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range append(results(), decisions()...) {
		if seen[r.name] {
			t.Errorf("%s: twice", r.name)
		}
		seen[r.name] = true
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, r.options)
			r.make(t, w)
			v := w.run(t)
			check(t, v, r.want, r.says...)
			if v.Passed() {
				w.vouched(t, v)
			}
		})
	}
}

// vouched checks the evidence: that of each signer who is required, else of the
// role that decided.
func (w *world) vouched(t *testing.T, v verify.Verdict) {
	t.Helper()
	ev := v.Evidence()
	if want := max(1, len(w.config.Signers)); len(ev) != want {
		t.Fatalf("%d pieces of evidence, want %d", len(ev), want)
	}
	for i, e := range ev {
		want := "targets/releases"
		if len(w.config.Signers) > 0 {
			want = "targets/" + w.config.Signers[i]
		} else if e.Signer == "targets" {
			want = "targets"
		}
		if e.Signer != want || e.System != dct.System || e.Format != "notary-v1" || e.Storage != "notary" || e.Digest != w.img.Digest() ||
			e.Source != "https://"+host+"/"+appGUN+":"+e.Claims["tag"] || e.Claims["gun"] != appGUN || e.Claims["pin"] == "" || e.Claims["key-ids"] == "" || e.Claims["rollback"] == "" {
			t.Errorf("%+v", e)
		}
		at, role, _ := strings.Cut(e.Claims["expires"], " ")
		if when, err := time.Parse(time.RFC3339, at); err != nil || !when.After(time.Now()) || role == "" {
			t.Errorf("expires %q", e.Claims["expires"])
		}
	}
}
