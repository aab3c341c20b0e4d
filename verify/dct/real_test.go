package dct_test

import (
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// realDir holds trust data that others made. It is not part of the project.
const realDir = "../../../shared/real"

// A realCase is the entry of cases.json there.
type realCase struct {
	Name, System, Metadata, GUN string
	Root                        string              `json:"root_key_id"`
	Tags                        map[string][]string // by role
	RefusedBecause              string              `json:"refuse_because"`
	RefusedWhen                 []string            `json:"must_refuse_when"`
}

func realCases(t *testing.T) []realCase {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(realDir, "cases.json"))
	if err != nil {
		t.Skip("no real trust data here: ", err)
	}
	var doc struct{ Cases []realCase }
	must(t, json.Unmarshal(b, &doc))
	var cases []realCase
	for _, c := range doc.Cases {
		if c.System == "docker-content-trust" {
			cases = append(cases, c)
		}
	}
	if len(cases) == 0 {
		t.Fatal("no case of Docker Content Trust, there was one")
	}
	return cases
}

// files are those of the case, by the names of their roles.
func (c realCase) files(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	dir := os.DirFS(filepath.Join(realDir, filepath.FromSlash(c.Metadata)))
	must(t, fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files[strings.TrimSuffix(name, ".json")], err = fs.ReadFile(dir, name)
		}
		return err
	}))
	return files
}

// digest is what a role has signed for a tag.
func (c realCase) digest(t *testing.T, role, tag string) string {
	t.Helper()
	var f struct {
		Signed struct {
			Targets map[string]struct{ Hashes struct{ SHA256 []byte } }
		}
	}
	must(t, json.Unmarshal(c.files(t)[role], &f))
	return "sha256:" + hex.EncodeToString(f.Signed.Targets[tag].Hashes.SHA256)
}

// at runs f at a time. It is for tests without sockets: time stands still.
func at(t *testing.T, when time.Time, f func(*testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(when))
		f(t)
	})
}

// TestRealTrustData verifies the trust data of Notary's own compatibility tests
// (of 2016, by Notary 0.3) while the certificate of their root was valid, and
// refuses them today.
func TestRealTrustData(t *testing.T) {
	t.Parallel()
	valid := time.Date(2020, time.May, 4, 0, 0, 0, 0, time.UTC)
	for _, c := range realCases(t) {
		config := dct.Config{RootKeyIDs: []string{c.Root}}
		verdictAt := func(t *testing.T, when time.Time, config dct.Config, image, digest string, store shelf) (v verify.Verdict) {
			img := pinAt(t, image, digest)
			run := func(t *testing.T) { v = verdict(t, &world{config: config, img: img}, store) }
			if when.IsZero() {
				run(t)
			} else {
				at(t, when, run)
			}
			return v
		}
		files := c.files(t)
		for role, tags := range c.Tags {
			for _, tag := range tags {
				digest := c.digest(t, role, tag)
				t.Run(role+" "+tag, func(t *testing.T) {
					t.Parallel()
					v := verdictAt(t, valid, config, c.GUN+":"+tag, digest, shelf{files: files})
					check(t, v, verify.Verified)
					if e := v.Evidence()[0]; e.Signer != role || e.Digest != digest || !strings.Contains(e.Issuer, c.Root) {
						t.Errorf("%+v", e)
					}
				})
				t.Run(role+" "+tag+", today", func(t *testing.T) {
					t.Parallel()
					v := verdictAt(t, time.Time{}, config, c.GUN+":"+tag, digest, shelf{files: files})
					check(t, v, verify.Expired, "certificate", "2026-07-25", c.Root)
				})
				t.Run(role+" "+tag+", before it began", func(t *testing.T) {
					t.Parallel()
					v := verdictAt(t, time.Date(2012, time.May, 4, 0, 0, 0, 0, time.UTC), config, c.GUN+":"+tag, digest, shelf{files: files})
					check(t, v, verify.Expired, "certificate", c.Root)
				})
				t.Run(role+" "+tag+", another digest", func(t *testing.T) {
					t.Parallel()
					v := verdictAt(t, valid, config, c.GUN+":"+tag, digestOf("another"), shelf{files: files})
					check(t, v, verify.BadSignature, digest, digestOf("another"))
				})
			}
		}
		refused := map[string]func(*testing.T){
			"a pinned root key differs": func(t *testing.T) {
				other := dct.Config{RootKeyIDs: []string{strings.Repeat("ab", 32)}}
				tag := c.Tags["targets/releases"][0]
				v := verdictAt(t, valid, other, c.GUN+":"+tag, c.digest(t, "targets/releases", tag), shelf{files: files})
				check(t, v, verify.WrongSigner, c.Root)
			},
			"the tag asked for is not among the targets": func(t *testing.T) {
				v := verdictAt(t, valid, config, c.GUN+":9.9", digestOf("9.9"), shelf{files: files})
				check(t, v, verify.Unsigned, "No valid trust data for 9.9")
			},
			"a byte of any file changes": func(t *testing.T) {
				at(t, valid, func(t *testing.T) { c.flip(t, config, files) })
			},
		}
		for _, when := range c.RefusedWhen {
			f, ok := refused[when]
			if !ok {
				t.Errorf("%s: not tested: %s", c.Name, when)
				continue
			}
			t.Run(when, f)
		}
		if !strings.Contains(c.RefusedBecause, "expired on 2026-07-25") {
			t.Errorf("%s: %s", c.Name, c.RefusedBecause)
		}
	}
}

// flip changes bytes of every file, as TestFlips does, where time stands still.
func (c realCase) flip(t *testing.T, config dct.Config, files map[string][]byte) {
	t.Helper()
	tag := c.Tags["targets/releases"][0]
	w := &world{config: config, img: pinAt(t, c.GUN+":"+tag, c.digest(t, "targets/releases", tag))}
	for _, role := range slices.Sorted(maps.Keys(files)) {
		file := files[role]
		for i := 0; i < len(file); i += 7 * step() {
			changed := slices.Clone(file)
			changed[i] ^= 1
			if v := verdict(t, w, shelf{files: files, role: role, body: changed}); v.Passed() || !damaged(v.Reason()) {
				t.Errorf("%s: byte %d in place of %q: %s: %v", role, i, around(file, i), v.Reason(), v.Err())
			}
		}
	}
}
