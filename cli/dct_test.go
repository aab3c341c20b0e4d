package cli_test

import (
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/internal/servicetest"
)

// A docked is a world whose images are signed with Docker Content Trust, too.
type docked struct {
	*notary
	server *dcttest.Server
}

func newDocked(t *testing.T, o dcttest.ServerOptions) *docked {
	t.Helper()
	server, err := dcttest.Serve(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Down)
	return &docked{newNotary(t), server}
}

// collection makes the trust data of a repository.
func (w *docked) collection(repo string, o dcttest.Options) *dcttest.Collection {
	w.t.Helper()
	c, err := dcttest.NewCollection(w.at(repo), o)
	w.ok(err)
	w.server.Put(c.GUN(), c)
	return c
}

// signed is an image that alice has signed in the collection of its repository.
func (w *docked) signed(repo string, o dcttest.Options) (ocispec.Descriptor, *dcttest.Collection) {
	w.t.Helper()
	d, c := w.image(repo), w.collection(repo, o)
	w.ok(c.Sign("v1", d.Digest.String(), "alice"))
	return d, c
}

func (w *docked) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// An asked is a requirement, which can be written as flags and as a policy.
type asked struct {
	roots, signers, ca, serverCA []string // key IDs and PEM texts; names; PEM texts
	tofu                         bool
}

func (a asked) flags(w *docked) []string {
	flags := []string{"--dct-server", w.server.URL()}
	for _, r := range a.roots {
		if strings.HasPrefix(r, "-----") {
			flags = append(flags, "--dct-root-public-key", r)
		} else {
			flags = append(flags, "--dct-root-key-ids", r)
		}
	}
	for _, c := range a.ca {
		flags = append(flags, "--dct-root-ca", c)
	}
	for _, c := range a.serverCA {
		flags = append(flags, "--dct-server-ca", c)
	}
	if len(a.signers) > 0 {
		flags = append(flags, "--dct-signers", strings.Join(a.signers, ","))
	}
	if a.tofu {
		flags = append(flags, "--dct-tofu")
	}
	return flags
}

// policy is a requirement of a policy.
func (a asked) policy(w *docked) string {
	pairs := []string{"server: " + w.server.URL()}
	list := func(key string, items []string) {
		var quoted []string
		for _, item := range items {
			quoted = append(quoted, strconv.Quote(item))
		}
		if len(quoted) > 0 {
			pairs = append(pairs, key+": ["+strings.Join(quoted, ", ")+"]")
		}
	}
	list("roots", a.roots)
	list("ca", a.ca)
	list("signers", a.signers)
	list("server-ca", a.serverCA)
	if a.tofu {
		pairs = append(pairs, "tofu: true")
	}
	return "dct: {" + strings.Join(pairs, ", ") + "}"
}

// rule is a policy of one rule.
func (w *docked) rule(require string) string {
	return "version: 1\nrules:\n  - images: [\"" + w.reg.Host() + "/**\"]\n    require:\n      - " + require + "\n"
}

// dctJudge runs boltseal verify on references in the registry.
func (w *docked) dctJudge(refs []string, flags ...string) result {
	w.t.Helper()
	args := []string{"verify"}
	for _, ref := range refs {
		args = append(args, w.at(ref))
	}
	return run(w.t, append(args, flags...)...)
}

func certificatePEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// Whether flags or a policy ask for it, the same comes of an image: each refusal
// has its own Reason, and says what was found.
func TestDCT(t *testing.T) {
	t.Parallel()
	w := newDocked(t, dcttest.ServerOptions{})
	strange := strings.Repeat("ab", 32)
	past := time.Now().AddDate(0, -1, 0)
	pinned := func(c *dcttest.Collection) asked { return asked{roots: []string{c.RootID()}} }
	by := func(names ...string) func(*dcttest.Collection) asked {
		return func(c *dcttest.Collection) asked { return asked{roots: []string{c.RootID()}, signers: names} }
	}
	type given struct {
		d    ocispec.Descriptor
		c    *dcttest.Collection
		path string // of the trust data at the server
	}
	for _, tc := range []struct {
		name   string
		o      dcttest.Options
		change func(given) error
		ask    func(*dcttest.Collection) asked
		code   int
		want   string
		says   []string // in the report, or the warnings
		signer string   // of what passes
	}{
		{name: "released", ask: pinned, want: "verified", signer: "targets/releases"},
		{name: "signer", ask: by("alice"), want: "verified", signer: "targets/alice"},
		{name: "written-out", ask: by("targets/alice"), want: "verified", signer: "targets/alice"},
		{name: "public-key", ask: func(c *dcttest.Collection) asked { return asked{roots: []string{string(c.RootKeyPEM())}} }, want: "verified", signer: "targets/releases"},
		{name: "authority", o: dcttest.Options{Certificate: dcttest.CertificateOptions{Issued: true}}, ask: func(c *dcttest.Collection) asked { return asked{ca: []string{certificatePEM(c.RootCA().Raw)}} }, want: "verified", signer: "targets/releases"},
		{name: "any-root", ask: func(c *dcttest.Collection) asked { return asked{roots: []string{strange, c.RootID()}} }, want: "verified", signer: "targets/releases"},
		{name: "tofu", ask: func(*dcttest.Collection) asked { return asked{tofu: true} }, want: "verified", signer: "targets/releases", says: []string{"whoever answers for the server"}},
		{name: "two", change: func(g given) error { return g.c.Sign("v1", g.d.Digest.String(), "bob") }, ask: by("alice", "bob"), want: "verified", signer: "targets/alice"},
		{name: "targets", o: dcttest.Options{Delegations: []string{"targets/alice"}}, change: func(g given) error {
			return g.c.AddTarget(dcttest.Targets, "v1", g.d.Digest.String(), 512)
		}, ask: pinned, want: "verified", signer: "targets"},

		{name: "no-data", change: func(g given) error { w.server.Put(g.c.GUN(), nil); return nil }, ask: pinned, code: 1, want: "unsigned", says: []string{"remote trust data does not exist"}},
		{name: "no-tag", change: func(g given) error { return g.c.Remove(dcttest.Releases, "v1") }, ask: pinned, code: 1, want: "wrong-signer", says: []string{"No valid trust data for v1", "targets/alice"}},
		{name: "revoked-tag", change: func(g given) error {
			if err := g.c.Remove("targets/alice", "v1"); err != nil {
				return err
			}
			return g.c.Remove(dcttest.Releases, "v1")
		}, ask: pinned, code: 1, want: "unsigned", says: []string{"No valid trust data for v1"}},
		{name: "other-root", ask: func(*dcttest.Collection) asked { return asked{roots: []string{strange}} }, code: 1, want: "wrong-signer", says: []string{strange}},
		{name: "canonical", ask: func(c *dcttest.Collection) asked { return asked{roots: []string{c.CanonicalRootID()}} }, code: 1, want: "wrong-signer", says: []string{"notary key list"}},
		{name: "other-signer", ask: by("bob"), code: 1, want: "wrong-signer", says: []string{"targets/bob has not signed v1"}},
		{name: "no-signer", ask: by("carol"), code: 1, want: "wrong-signer", says: []string{"targets/carol is no delegation"}},
		{name: "certificate-of-another", o: dcttest.Options{Certificate: dcttest.CertificateOptions{Name: "elsewhere.example/app"}}, ask: pinned, code: 1, want: "wrong-signer", says: []string{"elsewhere.example/app"}},
		{name: "moved", change: func(g given) error { _, err := w.reg.PutImage("team/moved", "v1", "another"); return err }, ask: pinned, code: 1, want: "bad-signature", says: []string{"moved"}},
		{name: "tampered", change: func(g given) error {
			w.server.Inject(servicetest.Fault{Path: g.path + "targets/releases", Change: func(b []byte) []byte { return append(b, ' ') }})
			return nil
		}, ask: pinned, code: 1, want: "bad-signature", says: []string{"targets/releases"}},
		{name: "foreign-key", change: func(g given) error { return g.c.SignByAnother(dcttest.Timestamp) }, ask: pinned, code: 1, want: "bad-signature", says: []string{"timestamp"}},
		{name: "expired", change: func(g given) error { return g.c.Expire(dcttest.Targets, past) }, ask: pinned, code: 1, want: "expired", says: []string{"targets", past.UTC().Format("2006")}},
		{name: "expired-signer", change: func(g given) error { return g.c.Expire("targets/alice", past) }, ask: by("alice"), code: 1, want: "expired", says: []string{"targets/alice"}},
		{name: "expired-root", o: dcttest.Options{Certificate: dcttest.CertificateOptions{From: past.AddDate(-1, 0, 0), To: past}}, ask: pinned, code: 1, want: "expired", says: []string{"certificate"}},
		{name: "no-sha256", change: func(g given) error {
			return g.c.Change(dcttest.Releases, func(r *dcttest.Role) {
				meta := r.Tags["v1"]
				meta.Hashes = map[string][]byte{"sha512": make([]byte, 64)}
				r.Tags["v1"] = meta
			})
		}, ask: pinned, code: 1, want: "unsupported"},
		{name: "down", change: func(g given) error {
			w.server.Inject(servicetest.Fault{Path: g.path, Status: http.StatusServiceUnavailable})
			return nil
		}, ask: pinned, code: 3, want: "unavailable", says: []string{"503"}},
		{name: "html", change: func(g given) error {
			w.server.Inject(servicetest.Fault{Path: g.path + "timestamp", Body: []byte("<html>")})
			return nil
		}, ask: pinned, code: 3, want: "unavailable"},
		{name: "denied", change: func(g given) error {
			w.server.Inject(servicetest.Fault{Path: g.path, Status: http.StatusForbidden})
			return nil
		}, ask: pinned, code: 3, want: "denied", says: []string{"docker login"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			repo := "team/" + tc.name
			d := w.image(repo)
			c := w.collection(repo, tc.o)
			if tc.o.Delegations == nil {
				w.ok(c.Sign("v1", d.Digest.String(), "alice"))
			}
			if tc.change != nil {
				w.ok(tc.change(given{d, c, "/v2/" + c.GUN() + "/_trust/tuf/"}))
			}
			ask := tc.ask(c)
			policy := filepath.Join(t.TempDir(), "policy.yaml")
			w.ok(os.WriteFile(policy, []byte(w.rule(ask.policy(w))), 0o600))
			for how, flags := range map[string][]string{"flags": ask.flags(w), "policy": {"--policy", policy}} {
				r := w.dctJudge([]string{repo + ":v1"}, flags...)
				r.want(t, tc.code, tc.want)
				for _, s := range tc.says {
					if !strings.Contains(r.stdout, s) {
						t.Errorf("by %s: does not say %q:\n%s", how, s, r.stdout)
					}
				}
				check := r.doc.Images[0].Checks[0]
				if tc.want != "verified" {
					if check.Hint == "" {
						t.Errorf("by %s: no next step:\n%s", how, r.stdout)
					}
					continue
				}
				if len(check.Evidence) == 0 || check.Evidence[0].System != "dct" || check.Evidence[0].Signer != tc.signer || check.Evidence[0].Digest != d.Digest.String() || check.Evidence[0].Issuer != "root key "+c.RootID() || check.Evidence[0].LogIndex != nil {
					t.Errorf("by %s: evidence %+v", how, check.Evidence)
				}
				if !slices.ContainsFunc(r.doc.Warnings, func(s string) bool { return strings.Contains(s, "rollback") && strings.Contains(s, w.at(repo)) }) {
					t.Errorf("by %s: warnings %q", how, r.doc.Warnings)
				}
			}
		})
	}
}

// Bad input is exit 2, names the flag, says what to write instead, and asks
// nothing of anybody.
func TestDCTBadInput(t *testing.T) {
	t.Parallel()
	w := newDocked(t, dcttest.ServerOptions{})
	_, c := w.signed("team/app", dcttest.Options{Certificate: dcttest.CertificateOptions{Issued: true}})
	id, ca := []string{"--dct-root-key-ids", c.RootID()}, w.file("ca.crt", []byte(certificatePEM(c.RootCA().Raw)))
	leaf := w.file("root.crt", []byte(certificatePEM(c.Root().Raw)))
	key := w.file("root.pem", c.RootKeyPEM())
	private := w.file("key.pem", []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	with := func(more ...string) []string { return append(slices.Clone(id), more...) }
	for _, tc := range []struct {
		name string
		args []string
		says []string
	}{
		{"server of nobody", []string{"--dct-server", w.server.URL()}, []string{"--dct-server", "they name none", "--dct-root-key-ids"}},
		{"authority of the server of nobody", []string{"--dct-server-ca", ca}, []string{"--dct-server-ca", "they name none"}},
		{"signers of no collection", []string{"--dct-signers", "alice"}, []string{"--dct-signers", "add --dct-root-key-ids", "--dct-root-ca"}},
		{"signers that are not set", with("--dct-signers", ""), []string{"--dct-signers", "is a variable not set"}},
		{"one of the signers that is not set", with("--dct-signers", "alice,"), []string{"--dct-signers", "is a variable not set"}},
		{"root that is not set", []string{"--dct-root-key-ids", ""}, []string{"--dct-root-key-ids", "is a variable not set"}},
		{"root that is a digest", []string{"--dct-root-key-ids", "sha256:" + c.RootID()}, []string{"--dct-root-key-ids", "write the 64 digits alone"}},
		{"root in upper case", []string{"--dct-root-key-ids", strings.ToUpper(c.RootID())}, []string{"--dct-root-key-ids", "lower case"}},
		{"root that is cut off", []string{"--dct-root-key-ids", c.RootID()[:12]}, []string{"--dct-root-key-ids", "64 hexadecimal digits"}},
		{"root that is a file", []string{"--dct-root-key-ids", key}, []string{"--dct-root-key-ids", "64 hexadecimal digits"}},
		{"first sight, and a root", with("--dct-tofu"), []string{"--dct-tofu", "leave it out", "--dct-root-key-ids"}},
		{"first sight, and an authority", []string{"--dct-root-ca", ca, "--dct-tofu"}, []string{"--dct-tofu", "leave it out", "--dct-root-ca"}},
		{"signer that cannot be one", with("--dct-signers", "Alice"), []string{"--dct-signers", "alice for targets/alice"}},
		{"releases as signer", with("--dct-signers", "releases"), []string{"--dct-signers", "nobody's own"}},
		{"path as signer", with("--dct-signers", "../alice"), []string{"--dct-signers"}},
		{"server that is none", with("--dct-server", "notary.example"), []string{"--dct-server", "https://HOST"}},
		{"server with a password", with("--dct-server", "https://me:secret@notary.example"), []string{"--dct-server", "docker login"}},
		{"server that is a registry", with("--dct-server", "https://docker.io"), []string{"--dct-server", "notary.docker.io"}},
		{"server that is a file", with("--dct-server", "file:///etc/passwd"), []string{"--dct-server", "https://HOST"}},
		{"authority that is none", []string{"--dct-root-ca", leaf}, []string{"--dct-root-ca", "is not an authority's"}},
		{"authority that is a key", []string{"--dct-root-ca", private}, []string{"--dct-root-ca", "private key"}},
		{"authority that is not there", []string{"--dct-root-ca", "none.crt"}, []string{"--dct-root-ca", "none.crt", "working directory"}},
		{"authority at an address", []string{"--dct-root-ca", "https://acme.example/ca.crt"}, []string{"--dct-root-ca", "download the certificate once"}},
		{"authority of the server that is none", with("--dct-server-ca", key), []string{"--dct-server-ca", "not a CERTIFICATE"}},
		{"key that is private", []string{"--dct-root-public-key", private}, []string{"--dct-root-public-key", "private key"}},
		{"key that is a certificate", []string{"--dct-root-public-key", leaf}, []string{"--dct-root-public-key", "openssl x509 -pubkey"}},
		{"key that is not there", []string{"--dct-root-public-key", "none.pem"}, []string{"--dct-root-public-key", "none.pem"}},
		{"key in a variable that is not set", []string{"--dct-root-public-key", "env://NOPE"}, []string{"--dct-root-public-key", "NOPE"}},
		{"key at an address", []string{"--dct-root-public-key", "https://acme.example/root.pem"}, []string{"--dct-root-public-key", "download the key once"}},
		{"identity of Sigstore beside it", with("--certificate-identity", identity, "--certificate-oidc-issuer", issuer), []string{"--dct-root-key-ids", "--certificate-identity names a signer of Sigstore", "all-of"}},
		{"key of Sigstore beside it", with("--key", key), []string{"--dct-root-key-ids", "--key names a signer of Sigstore"}},
		{"attestation beside it", with("--attestation-type", "spdx"), []string{"--attestation-type", "about signatures of Sigstore"}},
		{"attestation manifest beside it", with("--signature-on", "attestation-manifest"), []string{"--signature-on", "about signatures of Sigstore"}},
		{"no log beside it", with("--insecure-ignore-tlog"), []string{"--insecure-ignore-tlog", "about signatures of Sigstore"}},
		{"certificate of Notation beside it", with("--notation-certificate", w.root), []string{"--dct-root-key-ids", "--notation-certificate names a signer of Notation"}},
		{"time stamps of Notation beside it", with("--notation-tsa-certificate", w.root), []string{"--notation-tsa-certificate", "about signatures of Notation"}},
		{"server beside an identity of Sigstore", []string{"--certificate-identity", identity, "--certificate-oidc-issuer", issuer, "--dct-server", w.server.URL()}, []string{"--dct-server", "about signatures of Docker Content Trust"}},
		{"signers beside Notation", []string{"--notation-certificate", w.root, "--notation-identity", acmeIdentity, "--dct-signers", "alice"}, []string{"--dct-signers", "about signatures of Docker Content Trust"}},
		{"policy beside it", with("--policy", "p.yaml"), []string{"--policy", "leave the policy out"}},
		{"server beside a policy", []string{"--policy", "p.yaml", "--dct-server", w.server.URL()}, []string{"--dct-server", "write it into the policy"}},
		{"publisher beside it", with("--publisher", "distroless"), []string{"--publisher", "policy init"}},
		{"trust root of Sigstore", with("--trusted-root", w.world.root), []string{"--trusted-root", "leave it out"}},
		{"instance of Sigstore", with("--sigstore", "github"), []string{"--sigstore", "leave it out"}},
		{"other repository for signatures", with("--signature-repository", "ghcr.io/acme/sigs"), []string{"--signature-repository", "--dct-server"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, out := plain(t, append([]string{"verify", w.at("team/app:v1")}, tc.args...)...)
			if code != 2 {
				t.Errorf("exit %d:\n%s", code, out)
			}
			for _, s := range append(tc.says, "next: ") {
				if !strings.Contains(out, s) {
					t.Errorf("does not say %q:\n%s", s, out)
				}
			}
			if strings.Contains(out, "secret") {
				t.Errorf("tells the password:\n%s", out)
			}
		})
	}
	if n := len(w.server.Requests()) + len(w.reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}

// What is asked for of a server, through the whole program: each collection once
// in a run, and no /v2/ before.
func TestDCTRequests(t *testing.T) {
	t.Parallel()
	w := newDocked(t, dcttest.ServerOptions{})
	_, c := w.signed("team/app", dcttest.Options{})
	_, other := w.signed("team/other", dcttest.Options{})
	second := w.must(w.reg.PutImage("team/app", "v2", "second"))
	w.ok(c.Sign("v2", second.Digest.String(), "alice"))
	for range 3 {
		w.must(w.reg.PutImage("team/app", "bare", "bare"))
	}
	files := func() []string {
		var all []string
		for _, r := range w.server.Requests() {
			path, _ := strings.CutPrefix(r.Path, "/v2/"+w.reg.Host()+"/")
			name, _, _ := strings.Cut(strings.TrimSuffix(path, ".json"), ".")
			all = append(all, r.Method+" "+name)
		}
		slices.Sort(all)
		w.server.Reset()
		return all
	}
	of := func(repo string, names ...string) []string {
		var all []string
		for _, n := range names {
			all = append(all, "GET "+repo+"/_trust/tuf/"+n)
		}
		return all
	}
	cold := []string{"root", "snapshot", "targets", "targets/alice", "targets/releases", "timestamp"}
	cache := t.TempDir()
	flags := asked{roots: []string{c.RootID(), other.RootID()}}.flags(w)
	for _, tc := range []struct {
		name string
		refs []string
		more []string
		want []string
	}{
		{"one image", []string{"team/app:v1"}, nil, of("team/app", cold...)},
		{"its digest", []string{"team/app@" + second.Digest.String()}, nil, of("team/app", cold...)},
		{"three of a repository", []string{"team/app:v1", "team/app:v2", "team/app:bare"}, nil, of("team/app", cold...)},
		{"two repositories", []string{"team/app:v1", "team/other:v1"}, nil, slices.Concat(of("team/app", cold...), of("team/other", cold...))},
		{"no trust data", []string{"team/none:v1"}, nil, of("team/none", "root")},
		{"an empty cache", []string{"team/app:v1"}, []string{"--dct-cache-dir", cache}, of("team/app", cold...)},
		{"a cache", []string{"team/app:v1"}, []string{"--dct-cache-dir", cache}, of("team/app", "timestamp")},
		{"a cache, and a policy", []string{"team/app:v1", "team/app:v2"}, []string{"--dct-cache-dir", cache}, of("team/app", "timestamp")},
		{"another system", []string{"team/app:v1"}, []string{"sigstore"}, nil},
	} {
		if tc.name == "no trust data" {
			w.image("team/none")
		}
		args := append(slices.Clone(flags), tc.more...)
		switch {
		case slices.Contains(tc.more, "sigstore"):
			args = []string{"--trusted-root", w.world.root, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer}
		case tc.name == "a cache, and a policy":
			policy := w.file("policy.yaml", []byte(w.rule(asked{roots: []string{c.RootID()}}.policy(w))))
			args = append([]string{"--policy", policy}, tc.more...)
		}
		before := len(w.reg.Requests())
		r := w.dctJudge(tc.refs, args...)
		if got := files(); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q\nwant %q\n%s", tc.name, got, tc.want, r.stdout)
		} else if asked := len(w.reg.Requests()) - before; r.doc.Requests != asked+len(got) {
			t.Errorf("%s: the report counts %d requests, and there were %d and %d", tc.name, r.doc.Requests, asked, len(got))
		}
	}
}

// Images of three systems in one run, and one that needs all; what is handed over
// has the digests of all, or of none.
func TestDCTMixed(t *testing.T) {
	t.Parallel()
	w := newDocked(t, dcttest.ServerOptions{})
	_, c := w.signed("team/docker", dcttest.Options{})
	w.signLegacy("team/cosign", w.image("team/cosign"), by())
	all, ca := w.signed("team/all", dcttest.Options{})
	w.signBundle("team/all", all, signType, by())
	w.sign("team/all", all, w.acme)
	_, ce := w.signed("team/either", dcttest.Options{})
	fill := strings.NewReplacer(
		"REGISTRY", w.reg.Host(), "SIGSTORE", `sigstore: {identities: [{issuer: "`+issuer+`", subject: "`+identity+`"}]}`,
		"NOTATION", `notation: {certificates: [acme.crt], identities: ["x509.subject: `+acmeIdentity+`"]}`,
		"DOCKER", asked{roots: []string{c.RootID(), ca.RootID(), ce.RootID()}, signers: []string{"alice"}}.policy(w),
	)
	dir := workspaceOf(t, map[string]string{
		"acme.crt": string(must(os.ReadFile(w.root))),
		".boltseal.yaml": fill.Replace(`version: 1
rules:
  - images: [REGISTRY/team/cosign]
    require: [SIGSTORE]
  - images: [REGISTRY/team/docker]
    require: [DOCKER]
  - images: [REGISTRY/team/all]
    require: [{all-of: [SIGSTORE, NOTATION, DOCKER]}]
  - images: [REGISTRY/team/either]
    require: [{any-of: [SIGSTORE, NOTATION, DOCKER]}]
`),
	})
	if r := in(t, dir, "policy", "check"); r.code != 0 {
		t.Fatalf("check: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	handed := filepath.Join(t.TempDir(), "policy.json")
	r := w.judged(dir, w.at("team/cosign:v1"), w.at("team/docker:v1"), w.at("team/all:v1"), w.at("team/either:v1"), "--handover", "source-policy="+handed)
	if r.code != 0 || len(r.doc.Images) != 4 {
		t.Fatalf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	given := string(must(os.ReadFile(handed)))
	for i, systems := range [][]string{{"sigstore"}, {"dct"}, {"sigstore", "notation", "dct"}, {"dct"}} {
		img := r.doc.Images[i]
		var got []string
		for _, check := range img.Checks {
			for _, ev := range check.Evidence {
				got = append(got, ev.System)
			}
		}
		if !slices.Equal(got, systems) || !strings.Contains(given, img.Digest) {
			t.Errorf("%s: by %q\n%s", img.Reference, got, given)
		}
	}

	// One of three is missing: for all-of that is a refusal, for any-of it is not.
	w.ok(ca.Remove("targets/alice", "v1"))
	w.signBundle("team/either", w.must(w.reg.PutImage("team/either", "v1", "team/either")), signType, by())
	w.ok(ce.Remove("targets/alice", "v1"))
	r = w.judged(dir, w.at("team/all:v1"), w.at("team/either:v1"), "--handover", "source-policy="+handed)
	if r.code != 1 || r.doc.Images[0].Reason != "wrong-signer" || r.doc.Images[1].Reason != "verified" {
		t.Errorf("one missing: exit %d\n%s", r.code, r.stdout)
	}
	if given := string(must(os.ReadFile(handed))); strings.Contains(given, r.doc.Images[1].Digest) {
		t.Errorf("what passed alone was handed over:\n%s", given)
	}

	// A server that does not answer is no answer for what needs it, and nothing to
	// what has another signature.
	w.server.Inject(servicetest.Fault{Status: http.StatusBadGateway})
	r = w.judged(dir, w.at("team/all:v1"), w.at("team/either:v1"), w.at("team/cosign:v1"))
	if r.code != 3 || r.doc.Images[0].Reason != "unavailable" || r.doc.Images[1].Reason != "verified" || r.doc.Images[2].Reason != "verified" {
		t.Errorf("no answer: exit %d\n%s", r.code, r.stdout)
	}
}

// What a report says would accept another signer does, and nobody else.
func TestDCTAccept(t *testing.T) {
	t.Parallel()
	w := newDocked(t, dcttest.ServerOptions{})
	d, c := w.signed("team/app", dcttest.Options{Certificate: dcttest.CertificateOptions{Issued: true}})
	w.ok(c.Sign("v1", d.Digest.String(), "bob"))
	w.ok(c.Delegate("targets/carol"))
	_, text := plain(t, append([]string{"verify", w.at("team/app:v1")}, asked{roots: []string{c.RootID(), string(c.RootKeyPEM())}, ca: []string{certificatePEM(c.RootCA().Raw)}, signers: []string{"alice", "carol"}}.flags(w)...)...)
	_, rest, ok := strings.Cut(text, "- {images: [")
	line, _, _ := strings.Cut(rest, "\n")
	if !ok || strings.Count(text, "to accept") != 1 || !strings.Contains(line, `signers: ["alice", "bob"]`) {
		t.Fatalf("the report says\n%s", text)
	}
	policy := w.file("policy.yaml", []byte("version: 1\nrules:\n  - {images: ["+line+"\n"))
	w.dctJudge([]string{"team/app:v1"}, "--policy", policy).want(t, 0, "verified")
	w.ok(c.Remove("targets/bob", "v1"))
	w.dctJudge([]string{"team/app:v1"}, "--policy", policy).want(t, 1, "wrong-signer")
	// Of a root that is not trusted nothing is suggested.
	if _, text := plain(t, append([]string{"verify", w.at("team/app:v1")}, asked{roots: []string{strings.Repeat("ab", 32)}}.flags(w)...)...); strings.Contains(text, "to accept") || !strings.Contains(text, c.RootID()) {
		t.Errorf("the report says\n%s", text)
	}
}

// Where another system is what an image lacks, nobody is said to differ from the
// signer with Docker Content Trust who has signed it.
func TestDCTNotWhatDiffers(t *testing.T) {
	t.Parallel()
	w := newDocked(t, dcttest.ServerOptions{})
	img, c := w.signed("team/app", dcttest.Options{})
	sigstore := `sigstore: {identities: [{issuer: "` + issuer + `", subject: "` + identity + `"}]}`
	policy := w.file("policy.yaml", []byte(w.rule("all-of: [{"+asked{roots: []string{c.RootID()}, signers: []string{"alice"}}.policy(w)+"}, {"+sigstore+"}]")))
	if code, text := plain(t, "verify", w.at("team/app:v1"), "--policy", policy, "--trusted-root", w.world.root); code != 1 || strings.Contains(text, "differs") || strings.Contains(text, "wanted") || !strings.Contains(text, "targets/alice") {
		t.Errorf("exit %d\n%s", code, text)
	}
	// Bob is who differs, as long as alice has not signed.
	w.ok(c.Remove("targets/alice", "v1"))
	w.ok(c.AddTarget("targets/bob", "v1", img.Digest.String(), 512))
	if _, text := plain(t, "verify", w.at("team/app:v1"), "--policy", policy, "--trusted-root", w.world.root); strings.Count(text, "wanted") != 1 || !strings.Contains(text, "targets/bob") {
		t.Errorf("the report says\n%s", text)
	}
}

// What a rule is for makes a requirement doubtful, wherever in the rule it stands.
func TestDCTCheckOfNames(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("ab", 32)
	dir := workspaceOf(t, map[string]string{".boltseal.yaml": `version: 1
rules:
  - images: ["ghcr.io/acme/**"]
    require:
      - any-of:
          - all-of:
              - dct: {roots: ["` + id + `"]}
              - dct: {roots: ["` + id + `"], signers: [alice], server: https://notary.acme.example}
  - images: [ghcr.io/other/app, "ghcr.io/other/app:v1"]
    require: [{dct: {roots: ["` + id + `"]}}]
`})
	r := in(t, dir, "policy", "check")
	if r.code != 1 || strings.Count(r.stdout, "[one-root]") != 2 || !strings.Contains(r.stdout, ".boltseal.yaml:7:32: [one-root]") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// The lock holds the role that signed, under its root, even where whatever the
// server shows is believed.
func TestDCTLock(t *testing.T) {
	t.Parallel()
	w := newDocked(t, dcttest.ServerOptions{})
	d, c := w.signed("team/app", dcttest.Options{})
	lock := filepath.Join(t.TempDir(), "boltseal.lock")
	tofu := append(asked{tofu: true}.flags(w), "--lock", lock)
	w.dctJudge([]string{"team/app:v1"}, tofu...).want(t, 0, "verified")
	if text := string(must(os.ReadFile(lock))); strings.Count(text, `"signer"`) != 1 || !strings.Contains(text, `{"system": "dct", "signer": "targets/releases", "issuer": "root key `+c.RootID()+`"}`) {
		t.Fatalf("the lock has\n%s", text)
	}
	changed := func(what, now string, flags []string) {
		t.Helper()
		r := w.dctJudge([]string{"team/app:v1"}, flags...)
		r.want(t, 1, "wrong-signer")
		if m := r.doc.Images[0].Checks[0].Message; !strings.HasPrefix(m, "changed: ") || !strings.Contains(m, now) {
			t.Errorf("%s: %q", what, m)
		}
	}
	// Alice has signed, too, and is nobody by whom it passed before.
	changed("another requirement", "targets/alice", append(asked{tofu: true, signers: []string{"alice"}}.flags(w), "--lock", lock))
	theirs, err := dcttest.NewCollection(c.GUN(), dcttest.Options{})
	w.ok(err)
	w.ok(theirs.Sign("v1", d.Digest.String(), "alice"))
	w.server.Put(c.GUN(), theirs)
	changed("another root", theirs.RootID(), tofu)
	w.dctJudge([]string{"team/app:v1"}, append(tofu, "--update-lock")...).want(t, 0, "verified")
	w.dctJudge([]string{"team/app:v1"}, tofu...).want(t, 0, "verified")
}

// What is doubtful of a pass is a warning, one of a kind for each collection.
func TestDCTWarnings(t *testing.T) {
	t.Parallel()
	w := newDocked(t, dcttest.ServerOptions{})
	_, c := w.signed("team/app", dcttest.Options{Expires: map[string]time.Time{dcttest.Releases: time.Now().AddDate(0, 0, 20)}})
	second := w.must(w.reg.PutImage("team/app", "v2", "second"))
	w.ok(c.Sign("v2", second.Digest.String(), "bob"))
	w.ok(c.Expire("targets/bob", time.Now().AddDate(0, 0, -1)))
	cache := t.TempDir()
	for _, tc := range []struct {
		name string
		ask  asked
		more []string
		want []string // parts of the warnings, in any order
	}{
		{"no cache", asked{roots: []string{c.RootID()}}, nil, []string{"rollback", "targets/releases", "targets/bob: expired"}},
		{"first sight", asked{tofu: true}, nil, []string{"--dct-tofu", "nothing speaks for the root key " + c.RootID(), "rollback", "targets/releases", "targets/bob: expired"}},
		{"an empty cache", asked{roots: []string{c.RootID()}}, []string{"--dct-cache-dir", cache}, []string{"first seen", "targets/releases", "targets/bob: expired"}},
		{"a cache", asked{roots: []string{c.RootID()}}, []string{"--dct-cache-dir", cache}, []string{"targets/releases", "targets/bob: expired"}},
	} {
		r := w.dctJudge([]string{"team/app:v1", "team/app:v2"}, append(tc.ask.flags(w), tc.more...)...)
		if r.code != 0 || len(r.doc.Warnings) != len(tc.want) {
			t.Errorf("%s: exit %d, warnings %q", tc.name, r.code, r.doc.Warnings)
			continue
		}
		for _, want := range tc.want {
			if !slices.ContainsFunc(r.doc.Warnings, func(s string) bool { return strings.Contains(s, want) }) {
				t.Errorf("%s: no warning of %s: %q", tc.name, want, r.doc.Warnings)
			}
		}
	}
	// --dct-cache-dir is for whatever asks, and says nothing where nobody does.
	w.signLegacy("team/cosign", w.image("team/cosign"), by())
	r := w.world.verify("team/cosign:v1", "--dct-cache-dir", cache)
	if r.want(t, 0, "verified"); len(r.doc.Warnings) > 0 {
		t.Errorf("warnings %q", r.doc.Warnings)
	}
}

// A server's text is shown as text, whatever it is.
func TestDCTHostile(t *testing.T) {
	t.Parallel()
	w := newDocked(t, dcttest.ServerOptions{})
	for i, evil := range hostile {
		repo := "team/evil" + strconv.Itoa(i)
		d := w.image(repo)
		c := w.collection(repo, dcttest.Options{Certificate: dcttest.CertificateOptions{Name: w.at(repo)}})
		w.ok(c.Sign(evil, d.Digest.String(), "alice"))
		named := w.collection(repo+"/named", dcttest.Options{Certificate: dcttest.CertificateOptions{Name: evil}})
		w.image(repo + "/named")
		failing := w.collection(repo+"/failing", dcttest.Options{})
		w.image(repo + "/failing")
		w.server.Inject(servicetest.Fault{Path: "/v2/" + failing.GUN(), Status: http.StatusNotFound, Body: []byte(`{"errors":[{"code":"METADATA_NOT_FOUND","message":` + strconv.Quote(evil) + `}]}`)})
		refs := []string{w.at(repo + "@" + d.Digest.String()), w.at(repo + "/named:v1"), w.at(repo + "/failing:v1")}
		dir := t.TempDir()
		args := append([]string{"verify"}, refs...)
		args = append(args, asked{roots: []string{c.RootID(), named.RootID(), failing.RootID()}}.flags(w)...)
		for _, format := range []string{"markdown", "sarif", "junit", "json"} {
			args = append(args, "--report", format+"="+filepath.Join(dir, format))
		}
		r := runIn(t, t.Context(), "", env, args...)
		if plain := !strings.ContainsFunc(evil, func(r rune) bool { return r < ' ' || r > '~' }); r.code != 1 || plain && !strings.HasPrefix(r.stdout, "verified ") {
			t.Errorf("exit %d:\n%s%s", r.code, r.stdout, r.stderr)
		}
		for name, text := range map[string]string{
			"output": r.stdout, "errors": r.stderr, "markdown": string(must(os.ReadFile(filepath.Join(dir, "markdown")))),
		} {
			if strings.ContainsFunc(text, func(r rune) bool {
				return r < ' ' && r != '\n' || r == 0x7f || 0x80 <= r && r < 0xa0 || 0x202a <= r && r <= 0x202e
			}) {
				t.Errorf("%s has characters that act on a terminal:\n%q", name, text)
			}
			for line := range strings.Lines(text) {
				if strings.HasPrefix(strings.TrimSpace(line), "::") {
					t.Errorf("%s has a line that the runner obeys: %q", name, line)
				}
			}
			if name == "markdown" && (strings.Contains(text, "<img") || strings.Contains(text, "<script")) {
				t.Errorf("%s has HTML:\n%s", name, text)
			}
		}
	}
}
