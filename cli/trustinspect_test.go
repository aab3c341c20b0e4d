package cli_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// acmeSubject is what is seen of the usual signer with Notation.
const acmeSubject = "x509.subject: CN=release,OU=Builds,O=Acme,L=Seattle,ST=WA,C=US"

// A trustWorld is a notary with the trust data of team/app beside its registry.
type trustWorld struct {
	*notary
	data   *dcttest.Collection
	server *dcttest.Server
}

func newTrustWorld(t *testing.T) *trustWorld {
	t.Helper()
	w := &trustWorld{notary: newNotary(t)}
	w.data = w.collection("team/app", dcttest.Options{})
	var err error
	if w.server, err = dcttest.Serve(dcttest.ServerOptions{}, w.data); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.server.Down)
	return w
}

func (w *trustWorld) collection(repo string, o dcttest.Options) *dcttest.Collection {
	w.t.Helper()
	c, err := dcttest.NewCollection(w.at(repo), o)
	w.check(err)
	return c
}

func (w *trustWorld) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// put pushes an image, and has signers sign its tag.
func (w *trustWorld) put(ref string, signers ...string) ocispec.Descriptor {
	w.t.Helper()
	repo, tag, _ := strings.Cut(ref, ":")
	d := w.must(w.reg.PutImage(repo, tag, ref))
	if signers != nil {
		w.check(w.data.Sign(tag, d.Digest.String(), signers...))
	}
	return d
}

// An inspection is what trust inspect writes of one image.
type inspection struct {
	Name       string
	SignedTags []struct {
		SignedTag, Digest string
		Signers           []string
		Role              string `json:"role"`
		Counts            bool   `json:"counts"`
		Registry          struct {
			State, Digest, Message, Hint string
		} `json:"registry"`
	}
	Signers, AdministrativeKeys []struct {
		Name string
		Keys []struct{ ID string }
	}
	Vouched bool `json:"vouched"`
	Trust   struct {
		Found                       bool
		GUN, Server, Ending, Root   string
		Verified                    bool `json:"root_verified"`
		Reason, Message, Hint, Void string
		Omitted                     int `json:"omitted_tags"`
		Unreleased                  []struct {
			Tag, Digest string
			SignedBy    []string `json:"signed_by"`
		} `json:"unreleased_tags"`
		Roles []struct {
			Role, Message string
			Counts        bool
			KeyIDs        []string `json:"key_ids"`
		}
	} `json:"content_trust"`
	Images []struct {
		Reference, Digest, Pinned, Reason, Message, Hint string
		Trusted                                          []string `json:"trusted_tags"`
		Systems                                          []struct {
			System, Reason, Message, Hint string
			Signatures                    []struct {
				Sound          bool
				Reason, Signer string
			}
		}
	} `json:"images"`
}

// inspect runs boltseal trust inspect, with the server and the trust root of w.
func (w *trustWorld) inspect(images ...string) (int, []inspection, string) {
	w.t.Helper()
	args := []string{"trust", "inspect", "--output", "json", "--trusted-root", w.world.root}
	if !slices.Contains(images, "--dct-server") {
		args = append(args, "--dct-server", w.server.URL())
	}
	r := runIn(w.t, w.t.Context(), "", env, append(args, images...)...)
	var docs []inspection
	if err := json.Unmarshal([]byte(r.stdout), &docs); err != nil {
		w.t.Fatalf("exit %d: %v\n%s%s", r.code, err, r.stdout, r.stderr)
	}
	return r.code, docs, r.stderr
}

// tagsOf returns the signed tags as "tag signers state".
func (one inspection) tagsOf() []string {
	var out []string
	for _, tag := range one.SignedTags {
		out = append(out, tag.SignedTag+" "+strings.Join(tag.Signers, ",")+" "+tag.Registry.State)
	}
	return out
}

// signersOf returns who has signed the only image, as "system signer".
func (one inspection) signersOf() []string {
	var out []string
	for _, img := range one.Images {
		for _, tag := range img.Trusted {
			out = append(out, "dct "+tag)
		}
		for _, s := range img.Systems {
			if s.Reason != "" {
				out = append(out, s.System+" "+s.Reason)
			}
			for _, c := range s.Signatures {
				if c.Sound {
					out = append(out, s.System+" "+c.Signer)
				} else {
					out = append(out, s.System+" not sound: "+c.Reason)
				}
			}
		}
	}
	return out
}

func equal(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// A repository, a tag and a digest show what there is of each, and ask no more
// than that takes.
func TestTrustInspect(t *testing.T) {
	t.Parallel()
	w := newTrustWorld(t)
	one := w.put("team/app:v1", "alice")
	w.put("team/app:v2", "alice", "bob")
	w.signBundle("team/app", one, signType, by())
	w.sign("team/app", one, w.acme)
	w.check(w.data.AddTarget("targets/bob", "v3", one.Digest.String(), 512))
	w.reg.Reset(0)
	w.server.Reset()

	code, docs, said := w.inspect(w.at("team/app"))
	if len(docs) != 1 || code != 0 || !docs[0].Vouched || len(docs[0].Images) != 0 || !docs[0].Trust.Found {
		t.Fatalf("exit %d: %+v", code, docs)
	}
	all := docs[0]
	equal(t, "tags", all.tagsOf(), "v1 alice same", "v2 alice,bob same")
	if all.SignedTags[0].Digest != one.Digest.Encoded() || all.SignedTags[0].Role != "targets/releases" || !all.SignedTags[0].Counts || all.SignedTags[0].Registry.Digest != one.Digest.String() {
		t.Errorf("%+v", all.SignedTags)
	}
	if u := all.Trust.Unreleased; len(u) != 1 || u[0].Tag != "v3" || !slices.Equal(u[0].SignedBy, []string{"bob"}) {
		t.Errorf("unreleased: %+v", u)
	}
	if len(all.Signers) != 2 || all.Signers[0].Name != "bob" || all.Signers[1].Keys[0].ID != w.data.Key("targets/alice").Private.ID() {
		t.Errorf("signers: %+v", all.Signers)
	}
	if k := all.AdministrativeKeys; len(k) != 2 || k[0].Name != "Root" || k[0].Keys[0].ID != w.data.RootID() || k[1].Name != "Repository" || k[1].Keys[0].ID != w.data.Key("targets").Public.ID() {
		t.Errorf("administrative keys: %+v", k)
	}
	if all.Trust.Verified || all.Trust.Root != "first use" || !strings.Contains(said, "NOT VERIFIED") || strings.Count(said, "\n") != 1 {
		t.Errorf("it is not said that nobody checked the root: %+v\n%s", all.Trust, said)
	}
	// root, timestamp, snapshot, targets and three delegations; each tag once.
	if n := len(w.server.Requests()); n != 7 {
		t.Errorf("%d requests of the notary server: %+v", n, w.server.Requests())
	}
	if n := len(w.reg.Requests()); n != 2 {
		t.Errorf("%d requests of the registry: %v", n, w.reg.Requests())
	}

	w.reg.Reset(0)
	w.server.Reset()
	code, docs, said = w.inspect(w.at("team/app:v1"), w.at("team/app@"+one.Digest.String()), "--dct-root-key-ids", w.data.RootID())
	if code != 0 || len(docs) != 2 || said != "" || !docs[0].Trust.Verified || docs[0].Trust.Root != "root key id" {
		t.Fatalf("exit %d: %+v\n%s", code, docs, said)
	}
	for _, doc := range docs {
		equal(t, "tags of "+doc.Name, doc.tagsOf(), "v1 alice same")
		equal(t, "signers of "+doc.Name, doc.signersOf(), "dct v1", "sigstore "+identity, "notation "+acmeSubject)
	}
	if n := len(w.server.Requests()); n != 7 {
		t.Errorf("two images of one repository: %d requests of the notary server", n)
	}
	code, docs, _ = w.inspect(w.at("team/app:v9"))
	if code != 1 || docs[0].Vouched || docs[0].Images[0].Reason != "not-found" {
		t.Errorf("exit %d: %+v", code, docs)
	}
}

// Whatever is wrong with an image is told apart, and has its exit code.
func TestTrustInspectResults(t *testing.T) {
	t.Parallel()
	stranger := strings.Repeat("0", 64)
	for _, tc := range []struct {
		name    string
		prepare func(w *trustWorld) // of team/app:v1, which alice has signed
		image   string              // "team/app:v1"
		flags   func(w *trustWorld) []string
		code    int
		reason  string // of the trust data
		tags    []string
		who     []string
		says    string // in the document
	}{
		{name: "signed", tags: []string{"v1 alice same"}, who: []string{"dct v1"}},
		{name: "repository", image: "team/app", tags: []string{"v1 alice same"}},
		{name: "released by targets", prepare: func(w *trustWorld) {
			w.check(w.data.AddTarget("targets", "v2", w.must(w.reg.PutImage("team/app", "v2", "v2")).Digest.String(), 512))
		}, image: "team/app:v2", tags: []string{"v2 Repo Admin same"}, who: []string{"dct v2"}},
		{name: "moved", prepare: func(w *trustWorld) { w.must(w.reg.PutImage("team/app", "v1", "evil")) }, code: 1, tags: []string{"v1 alice moved"}},
		{name: "moved, and signed by another system", prepare: func(w *trustWorld) {
			w.signBundle("team/app", w.must(w.reg.PutImage("team/app", "v1", "evil")), signType, by())
		}, code: 1, tags: []string{"v1 alice moved"}, who: []string{"sigstore " + identity}},
		{name: "one of several moved", prepare: func(w *trustWorld) {
			w.put("team/app:v2", "bob")
			w.must(w.reg.PutImage("team/app", "v1", "evil"))
		}, image: "team/app", code: 1, tags: []string{"v1 alice moved", "v2 bob same"}},
		{name: "missing", prepare: func(w *trustWorld) { w.check(w.reg.Delete("team/app", "v1")) }, image: "team/app", code: 1, tags: []string{"v1 alice missing"}},
		{name: "registry down", prepare: func(w *trustWorld) { w.reg.Break(registrytest.Fault{Path: "/v2/team/app/manifests/v1", Status: 503}) }, image: "team/app", code: 3, tags: []string{"v1 alice no-answer"}},
		{name: "registry down for the image", prepare: func(w *trustWorld) { w.reg.Break(registrytest.Fault{Path: "/v2/team/app/manifests/v1", Status: 503}) }, code: 3, tags: []string{"v1 alice no-answer"}},
		{name: "signatures not to be had", prepare: func(w *trustWorld) {
			w.reg.Break(registrytest.Fault{Path: "/v2/team/app/manifests/sha256-", Status: 503})
		}, code: 3, tags: []string{"v1 alice same"}, who: []string{"dct v1", "sigstore unavailable"}},
		{name: "another tag", prepare: func(w *trustWorld) { w.put("team/app:v2") }, image: "team/app:v2", code: 1},
		{name: "another tag, signed by another system", prepare: func(w *trustWorld) { w.signBundle("team/app", w.put("team/app:v2"), signType, by()) }, image: "team/app:v2", who: []string{"sigstore " + identity}},
		{name: "no trust data", prepare: func(w *trustWorld) { w.put("team/other:v1") }, image: "team/other:v1", code: 1, reason: "unsigned", says: "remote trust data does not exist"},
		{name: "no trust data, and no tag", prepare: func(w *trustWorld) { w.put("team/other:latest") }, image: "team/other", code: 1, reason: "unsigned"},
		{name: "no trust data, signed by others", prepare: func(w *trustWorld) {
			d := w.put("team/other:v1")
			w.signLegacy("team/other", d, by())
			w.notary.sign("team/other", d, w.acme)
		}, image: "team/other:v1", reason: "unsigned", who: []string{"sigstore " + identity, "notation " + acmeSubject}},
		{name: "notary down", prepare: func(w *trustWorld) {
			w.signBundle("team/app", w.must(w.reg.PutImage("team/app", "v1", "team/app:v1")), signType, by())
			w.server.Down()
		}, code: 3, reason: "unavailable", who: []string{"sigstore " + identity}},
		{name: "right root", flags: func(w *trustWorld) []string { return []string{"--dct-root-key-ids", stranger + "," + w.data.RootID()} }, tags: []string{"v1 alice same"}, who: []string{"dct v1"}},
		{name: "wrong root", flags: func(*trustWorld) []string { return []string{"--dct-root-key-ids", stranger} }, code: 1, reason: "wrong-signer"},
		{name: "wrong root, signed by another system", prepare: func(w *trustWorld) {
			w.signBundle("team/app", w.must(w.reg.PutImage("team/app", "v1", "team/app:v1")), signType, by())
		}, flags: func(*trustWorld) []string { return []string{"--dct-root-key-ids", stranger} }, code: 1, reason: "wrong-signer", who: []string{"sigstore " + identity}},
		{name: "altered", prepare: func(w *trustWorld) { w.check(w.data.SignByAnother("targets")) }, code: 1, reason: "bad-signature"},
		{name: "begun", prepare: func(w *trustWorld) {
			w.check(w.data.Remove("targets/releases", "v1"))
			w.check(w.data.Remove("targets/alice", "v1"))
		}, image: "team/app", code: 1, says: `"Role":"targets/bob"`},
		{name: "expired", prepare: func(w *trustWorld) { w.check(w.data.Expire("timestamp", time.Now().Add(-time.Hour))) }, code: 1, reason: "expired"},
		{name: "a delegation does not count", prepare: func(w *trustWorld) { w.check(w.data.Expire("targets/alice", time.Now().Add(-time.Hour))) }, tags: []string{"v1 Repo Admin same"}, who: []string{"dct v1"}},
		{name: "releases do not count", prepare: func(w *trustWorld) {
			w.check(w.data.AddTarget("targets", "v1", w.must(w.reg.PutImage("team/app", "v1", "team/app:v1")).Digest.String(), 512))
			w.check(w.data.SignByAnother("targets/releases"))
		}, code: 1, tags: []string{"v1 alice same"}, says: "targets/releases does not count"},
		{name: "releases say another digest than targets", prepare: func(w *trustWorld) {
			w.check(w.data.AddTarget("targets", "v1", "sha256:"+stranger, 512))
		}, tags: []string{"v1 Repo Admin moved", "v1 alice same"}, who: []string{"dct v1"}},
		{name: "digest of a tag that moved", prepare: func(w *trustWorld) { w.must(w.reg.PutImage("team/app", "v1", "evil")) }, image: "DIGEST", tags: []string{"v1 alice moved"}, who: []string{"dct v1"}},
		{name: "digest that the registry does not have", prepare: func(w *trustWorld) {
			w.check(w.data.Sign("v2", "sha256:"+stranger, "alice"))
		}, image: "team/app@sha256:" + stranger, code: 1, tags: []string{"v2 alice missing"}},
		{name: "another digest", prepare: func(w *trustWorld) { w.put("team/app:v2") }, image: "team/app:v1@sha256:" + stranger, code: 1, tags: []string{"v1 alice same"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newTrustWorld(t)
			w.t = t
			d := w.put("team/app:v1", "alice")
			if tc.prepare != nil {
				tc.prepare(w)
			}
			image := tc.image
			switch image {
			case "":
				image = "team/app:v1"
			case "DIGEST":
				image = "team/app@" + d.Digest.String()
			}
			args := []string{w.at(image)}
			if tc.flags != nil {
				args = append(args, tc.flags(w)...)
			}
			code, docs, said := w.inspect(args...)
			doc := docs[0]
			if code != tc.code || doc.Trust.Reason != tc.reason || doc.Vouched != (code == 0) && code != 3 {
				t.Errorf("exit %d, want %d; reason %q, want %q\n%+v\n%s", code, tc.code, doc.Trust.Reason, tc.reason, doc, said)
			}
			equal(t, "tags", doc.tagsOf(), tc.tags...)
			equal(t, "signers", doc.signersOf(), tc.who...)
			if text, err := json.Marshal(doc); err != nil || !strings.Contains(string(text), tc.says) {
				t.Errorf("does not say %q: %s", tc.says, text)
			}
			if tc.reason != "" && (doc.Trust.Message == "" || doc.Trust.Hint == "") {
				t.Errorf("no cause, or no next step: %+v", doc.Trust)
			}
		})
	}
}

// A repository has more tags than are asked about: the highest are.
func TestTrustInspectManyTags(t *testing.T) {
	t.Parallel()
	w := newTrustWorld(t)
	for _, tag := range []string{"v9", "v10", "v11", "v1"} {
		w.put("team/app:"+tag, "alice")
	}
	w.reg.Reset(0)
	code, docs, _ := w.inspect(w.at("team/app"), "--max-tags", "2")
	equal(t, "tags", docs[0].tagsOf(), "v1 alice not-asked", "v9 alice not-asked", "v10 alice same", "v11 alice same")
	if n := len(w.reg.Requests()); code != 0 || n != 2 {
		t.Errorf("exit %d, %d requests", code, n)
	}
}

// A server that is gone is asked only by who insists.
func TestTrustInspectEnded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, root := newInstance(t)
	for _, tc := range []struct {
		day  time.Time
		says string
	}{
		{time.Date(2026, 12, 7, 0, 0, 0, 0, time.UTC), `"reason": "unavailable"`},
		{time.Date(2026, 12, 8, 0, 0, 0, 0, time.UTC), `has ended on 2026-12-08: it is not asked any more`},
	} {
		// Nobody answers: there is a proxy in between that is none.
		proxied := func(name string) string {
			if name == "HTTPS_PROXY" {
				return "http://127.0.0.1:1"
			}
			return env(name)
		}
		r := inAt(t, dir, tc.day, proxied, "trust", "inspect", "alpine:3", "--output", "json", "--trusted-root", root)
		if r.code != 3 || !strings.Contains(r.stdout, tc.says) || !strings.Contains(r.stdout, "https://notary.docker.io") {
			t.Errorf("%s: exit %d\n%s%s", tc.day, r.code, r.stdout, r.stderr)
		}
	}
}

// What people see, and no more than that of hostile names.
func TestTrustInspectText(t *testing.T) {
	t.Parallel()
	w := newTrustWorld(t)
	d := w.put("team/app:v1", "alice")
	w.signBundle("team/app", d, signType, by())
	w.check(w.data.AddTarget("targets/releases", "v2\u202e##[x]", "sha256:"+strings.Repeat("0", 64), 512))
	r := runIn(t, t.Context(), "", env, "trust", "inspect", w.at("team/app"), w.at("team/app:v1"), "--dct-server", w.server.URL(), "--trusted-root", w.world.root)
	for _, want := range []string{"SIGNED TAG", "serves it", "NOT VERIFIED", "alice", w.data.RootID(), "dct        signed by alice for the tag v1", "sigstore   signed by " + identity, "notation   nobody", `v2\u202e#\x23[x]`, "missing"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if r.code != 0 || strings.ContainsAny(r.stdout, "\u202e\t") || strings.Count(r.stderr, "NOT VERIFIED") != 1 || t.Failed() {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// Bad input asks nobody.
func TestTrustInspectInput(t *testing.T) {
	t.Parallel()
	dir := workspaceOf(t, map[string]string{"app": "x"})
	many := slices.Repeat([]string{"a/b"}, 257)
	for _, tc := range []struct {
		args []string
		says string
	}{
		{nil, "IMAGE: no image was given"},
		{[]string{"https://ghcr.io/acme/app"}, "leave out https://"},
		{[]string{"Not An Image"}, "IMAGE:"},
		{[]string{"app"}, "is a file here"},
		{many, "257 images are more than 256"},
		{[]string{"a/b", "--output", "xml"}, "--output"},
		{[]string{"a/b", "--max-tags", "-1"}, "--max-tags"},
		{[]string{"a/b", "--jobs", "0"}, "--jobs"},
		{[]string{"a/b", "--timeout", "0s"}, "--timeout"},
		{[]string{"a/b", "--platform", "arm64"}, "--platform"},
		{[]string{"a/b", "--dct-root-key-ids", "abc"}, "--dct-root-key-ids"},
		{[]string{"a/b", "--dct-server", "notary"}, "--dct-server"},
		{[]string{"a/b", "--trusted-root", filepath.Join(dir, "none")}, "--trusted-root"},
		{[]string{"a/b", "--dct-tofu"}, "unknown flag: --dct-tofu"},
	} {
		r := in(t, dir, append([]string{"trust", "inspect"}, tc.args...)...)
		if r.code != 2 || r.stdout != "" || !strings.Contains(r.stderr, tc.says) || !strings.Contains(r.stderr, "  next: ") {
			t.Errorf("%.60q: exit %d\n%s%s", tc.args, r.code, r.stdout, r.stderr)
		}
	}
	for args, says := range map[string]string{"": "no command was given", "inspct": "did you mean boltseal trust inspect?"} {
		r := in(t, dir, append([]string{"trust"}, strings.Fields(args)...)...)
		if r.code != 2 || !strings.Contains(r.stderr, says) {
			t.Errorf("%q: exit %d\n%s", args, r.code, r.stderr)
		}
	}
}

// What was seen is kept, so that older trust data are refused.
func TestTrustInspectCache(t *testing.T) {
	t.Parallel()
	w := newTrustWorld(t)
	w.put("team/app:v1", "alice")
	old := w.data.Clone()
	w.put("team/app:v2", "alice")
	dir := filepath.Join(t.TempDir(), "seen")
	flags := []string{w.at("team/app"), "--dct-root-key-ids", w.data.RootID(), "--dct-cache-dir", dir}
	if code, docs, said := w.inspect(flags...); code != 0 {
		t.Fatalf("exit %d: %+v\n%s", code, docs, said)
	}
	w.server.Put(w.data.GUN(), old)
	if code, docs, _ := w.inspect(flags...); code != 1 || docs[0].Trust.Reason != "bad-signature" {
		t.Errorf("exit %d: %+v", code, docs[0].Trust)
	}
}

// A delegation that has signed nothing yet is not said to count, and the next step
// after a tag that was moved is there.
func TestTrustInspectSignedNothing(t *testing.T) {
	t.Parallel()
	w := newTrustWorld(t)
	w.put("team/app:v1", "alice")
	w.must(w.reg.PutImage("team/app", "v1", "evil"))
	_, docs, _ := w.inspect(w.at("team/app"))
	for _, r := range docs[0].Trust.Roles {
		if idle := r.Role == "targets/bob"; r.Counts == idle || idle != (r.Message == "has signed nothing yet") {
			t.Errorf("%+v", r)
		}
	}
	if hint := docs[0].SignedTags[0].Registry.Hint; !strings.Contains(hint, "who moved the tag") {
		t.Errorf("the next step is %q", hint)
	}
}

// Where nobody has named the server, it is perhaps not the one that was asked.
func TestTrustInspectServer(t *testing.T) {
	t.Parallel()
	w := newTrustWorld(t)
	w.put("team/app:v1", "alice")
	r := runIn(t, t.Context(), "", env, "trust", "inspect", w.at("team/app:v1"), "--trusted-root", w.world.root)
	if r.code != 3 || !strings.Contains(r.stdout, "name the server with --dct-server if it is not https://"+w.reg.Host()) {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
