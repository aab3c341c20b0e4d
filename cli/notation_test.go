package cli_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// Whom the tests expect to have signed with Notation, unless one says otherwise.
const acmeIdentity = "C=US, ST=WA, O=Acme, CN=release"

// A notary is a world with somebody who signs with Notation.
type notary struct {
	*world
	acme *notationtest.Authority
	root string // the file of its root
	tsa  *notationtest.TSA
}

func newNotary(t *testing.T) *notary {
	t.Helper()
	w := newWorld(t, registrytest.Options{})
	n := &notary{world: w, acme: authority(t, notationtest.AuthorityOptions{})}
	n.root = n.file("acme.crt", notationtest.PEM(n.acme.Root()))
	var err error
	if n.tsa, err = notationtest.NewTSA(notationtest.TSAOptions{}); err != nil {
		t.Fatal(err)
	}
	return n
}

func authority(t *testing.T, o notationtest.AuthorityOptions) *notationtest.Authority {
	t.Helper()
	a, err := notationtest.NewAuthority(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// file writes a file of a folder of its own.
func (n *notary) file(name string, body []byte) string {
	n.t.Helper()
	full := filepath.Join(n.t.TempDir(), name)
	if err := os.WriteFile(full, body, 0o600); err != nil {
		n.t.Fatal(err)
	}
	return full
}

// sign signs d as who does.
func (n *notary) sign(repo string, d ocispec.Descriptor, who *notationtest.Authority, change ...func(*notationtest.SignOptions)) {
	n.t.Helper()
	o := notationtest.SignOptions{Envelope: notationtest.JWS}
	for _, c := range change {
		c(&o)
	}
	envelope, err := who.Sign(d, o)
	if err != nil {
		n.t.Fatal(err)
	}
	n.must(notationtest.Push(n.reg, repo, d, envelope, o.Envelope))
}

// at returns a reference in the registry.
func (n *notary) at(ref string) string { return n.reg.Host() + "/" + ref }

// judge runs boltseal verify on repo:v1 with flags of Notation, by default for the
// usual signer.
func (n *notary) judge(ref string, flags ...string) result {
	n.t.Helper()
	if len(flags) == 0 {
		flags = []string{"--notation-certificate", n.root, "--notation-identity", acmeIdentity}
	}
	return run(n.t, append([]string{"verify", n.at(ref)}, flags...)...)
}

// The flags are one requirement for all images. Each refusal has its own Reason,
// and says what was found and what was expected.
func TestNotationFlags(t *testing.T) {
	t.Parallel()
	n := newNotary(t)
	stranger := authority(t, notationtest.AuthorityOptions{CA: "Other CA"})
	short := []string{"--notation-certificate", n.root, "--notation-identity", acmeIdentity}
	tsa := n.file("tsa.crt", notationtest.PEM(n.tsa.Root()))
	with := func(more ...string) []string { return append(slices.Clone(short), more...) }
	stamped := func(o *notationtest.SignOptions) { o.TSA = n.tsa }
	for _, tc := range []struct {
		name  string
		who   *notationtest.Authority // nil: nobody
		how   func(*notationtest.SignOptions)
		flags []string
		code  int
		want  string
		says  []string // in the report
	}{
		{name: "jws", who: n.acme, flags: short, want: "verified"},
		{name: "cose", who: n.acme, how: func(o *notationtest.SignOptions) { o.Envelope = notationtest.COSE }, flags: short, want: "verified"},
		{name: "prefix", who: n.acme, flags: []string{"--notation-certificate", n.root, "--notation-identity", "x509.subject: " + acmeIdentity}, want: "verified"},
		{name: "any of them", who: n.acme, flags: []string{"--notation-certificate", n.root, "--notation-identity", "C=US, ST=WA, O=Other", "--notation-identity", acmeIdentity}, want: "verified"},
		{name: "pem", who: n.acme, flags: []string{"--notation-certificate", string(notationtest.PEM(n.acme.Root())), "--notation-identity", acmeIdentity}, want: "verified"},
		{name: "metadata", who: n.acme, how: func(o *notationtest.SignOptions) { o.Metadata = map[string]string{"build": "1"} }, flags: with("--notation-user-metadata", "build=1"), want: "verified"},
		{name: "stamped", who: n.acme, how: stamped, flags: with("--notation-tsa-certificate", tsa), want: "verified"},
		{name: "not-stamped-yet-valid", who: n.acme, flags: with("--notation-tsa-certificate", tsa, "--notation-timestamp", "after-expiry"), want: "verified"},

		{name: "unsigned", flags: short, code: 1, want: "unsigned", says: []string{"no referrer"}},
		{name: "other-root", who: stranger, flags: short, code: 1, want: "wrong-signer", says: []string{notationtest.Fingerprint(stranger.Root()), notationtest.Fingerprint(n.acme.Root()), "Other CA", "Acme CA"}},
		{name: "other-identity", who: n.acme, flags: []string{"--notation-certificate", n.root, "--notation-identity", "C=US, ST=WA, O=Other"}, code: 1, want: "wrong-signer", says: []string{"CN=release", "O=Other"}},
		{name: "expired", who: n.acme, how: func(o *notationtest.SignOptions) { o.Time, o.Expiry = time.Now().Add(-30*time.Minute), time.Minute }, flags: short, code: 1, want: "expired"},
		{name: "plugin", who: n.acme, how: func(o *notationtest.SignOptions) { o.Plugin = "com.amazonaws.signer.notation.plugin" }, flags: short, code: 1, want: "unsupported", says: []string{"com.amazonaws.signer.notation.plugin"}},
		{name: "critical", who: n.acme, how: func(o *notationtest.SignOptions) {
			o.Attributes = []notationtest.Attribute{{Key: "x.acme.foo", Critical: true, Value: "bar"}}
		}, flags: short, code: 1, want: "unsupported", says: []string{"x.acme.foo"}},
		{name: "other-metadata", who: n.acme, flags: with("--notation-user-metadata", "build=1"), code: 1, want: "wrong-type", says: []string{"build"}},
		{name: "no-stamp", who: n.acme, flags: with("--notation-tsa-certificate", tsa), code: 1, want: "bad-signature", says: []string{"--notation-timestamp after-expiry"}},
		{name: "sigstore", flags: short, code: 1, want: "unsigned"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			repo := "team/" + tc.name
			if strings.Contains(repo, " ") {
				repo = "team/any"
			}
			d := n.image(repo)
			if tc.name == "sigstore" {
				n.signBundle(repo, d, signType, by())
			}
			if tc.who != nil {
				change := []func(*notationtest.SignOptions){}
				if tc.how != nil {
					change = append(change, tc.how)
				}
				n.sign(repo, d, tc.who, change...)
			}
			r := n.judge(repo+":v1", tc.flags...)
			r.want(t, tc.code, tc.want)
			for _, s := range tc.says {
				if !strings.Contains(r.stdout, s) {
					t.Errorf("does not say %q:\n%s", s, r.stdout)
				}
			}
			if tc.want != "verified" {
				return
			}
			ev := r.doc.Images[0].Checks[0].Evidence
			if len(ev) != 1 || ev[0].System != "notation" || !strings.HasPrefix(ev[0].Signer, "x509.subject: CN=release") || !strings.HasPrefix(ev[0].Issuer, "CN=Acme CA") ||
				ev[0].Claims["root"] != notationtest.Fingerprint(n.acme.Root()) || ev[0].LogIndex != nil || ev[0].Digest != d.Digest.String() {
				t.Errorf("evidence %+v", ev)
			}
		})
	}
}

// Bad input is exit 2, names the flag, says what to write instead, and asks
// nothing of anybody.
func TestNotationBadInput(t *testing.T) {
	t.Parallel()
	n := newNotary(t)
	cert, id := []string{"--notation-certificate", n.root}, []string{"--notation-identity", acmeIdentity}
	leaf := n.file("leaf.crt", notationtest.PEM(n.acme.Leaf()))
	policy := n.file("trustpolicy.json", []byte(trustPolicy("*", "strict", "")))
	key := n.file("key.pem", []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	short := slices.Concat(cert, id)
	for _, tc := range []struct {
		name string
		args []string
		says []string
	}{
		{"certificate of nobody", cert, []string{"--notation-certificate", "add --notation-identity"}},
		{"identity vouched for by nobody", id, []string{"--notation-identity", "add --notation-certificate"}},
		{"time stamps of nobody", []string{"--notation-tsa-certificate", n.root}, []string{"--notation-tsa-certificate", "they name none", "add --notation-certificate with --notation-identity"}},
		{"revocation of nobody", []string{"--notation-revocation", "soft"}, []string{"--notation-revocation", "they name none"}},
		{"timestamp of nobody", []string{"--notation-timestamp", "always"}, []string{"--notation-timestamp", "they name none"}},
		{"metadata of nobody", []string{"--notation-user-metadata", "a=b"}, []string{"--notation-user-metadata", "they name none"}},
		{"signatures of nobody", []string{"--notation-max-signatures", "5"}, []string{"--notation-max-signatures", "they name none"}},
		{"store without a policy", []string{"--notation-trust-store", "."}, []string{"--notation-trust-store", "add --notation-trust-policy"}},
		{"policy without its store", []string{"--notation-trust-policy", policy}, []string{"--notation-trust-policy", "acme", "--notation-trust-store"}},
		{"policy, and certificate", slices.Concat(cert, []string{"--notation-trust-policy", policy}), []string{"--notation-certificate", "leave it or --notation-trust-policy out"}},
		{"policy, and identity", slices.Concat(id, []string{"--notation-trust-policy", policy}), []string{"--notation-identity", "leave it or"}},
		{"policy, and time stamps", []string{"--notation-trust-policy", policy, "--notation-tsa-certificate", n.root}, []string{"--notation-tsa-certificate", "leave it out"}},
		{"policy, and timestamp", []string{"--notation-trust-policy", policy, "--notation-timestamp", "always"}, []string{"--notation-timestamp", "verifyTimestamp"}},
		{"policy, and revocation", []string{"--notation-trust-policy", policy, "--notation-revocation", "strict"}, []string{"--notation-revocation", "overrides"}},
		{"policy that is not there", []string{"--notation-trust-policy", "none.json"}, []string{"--notation-trust-policy", "none.json", "trustpolicy.json"}},
		{"policy that is none", []string{"--notation-trust-policy", n.root}, []string{"--notation-trust-policy"}},
		{"policy with a field that is not known", []string{"--notation-trust-policy", strings.Replace(trustPolicy("*", "strict", ""), "trustStores", "trustStore", 1), "--notation-trust-store", "."}, []string{"--notation-trust-policy", "trustStore"}},
		{"store that is not there", []string{"--notation-trust-policy", policy, "--notation-trust-store", "none"}, []string{"--notation-trust-store", "none"}},
		{"store without the certificates", []string{"--notation-trust-policy", policy, "--notation-trust-store", n.t.TempDir()}, []string{"--notation-trust-policy", "acme"}},
		{"identity of Sigstore beside it", slices.Concat(short, []string{"--certificate-identity", identity, "--certificate-oidc-issuer", issuer}), []string{"--notation-certificate", "--certificate-identity names a signer of Sigstore", "all-of"}},
		{"key beside it", slices.Concat(short, []string{"--key", n.root}), []string{"--notation-certificate", "--key names a signer of Sigstore"}},
		{"attestation beside it", slices.Concat(short, []string{"--attestation-type", "spdx"}), []string{"--attestation-type", "about signatures of Sigstore", "all-of"}},
		{"signature besides attestations beside it", slices.Concat(short, []string{"--require-signature"}), []string{"--require-signature", "about signatures of Sigstore"}},
		{"attestation manifest beside it", slices.Concat(short, []string{"--signature-on", "attestation-manifest"}), []string{"--signature-on", "about signatures of Sigstore"}},
		{"no log beside it", slices.Concat(short, []string{"--insecure-ignore-tlog"}), []string{"--insecure-ignore-tlog", "about signatures of Sigstore"}},
		{"time stamps beside an identity of Sigstore", []string{"--certificate-identity", identity, "--certificate-oidc-issuer", issuer, "--notation-tsa-certificate", n.root}, []string{"--notation-tsa-certificate", "about signatures of Notation"}},
		{"trust root of Sigstore", slices.Concat(short, []string{"--trusted-root", n.world.root}), []string{"--trusted-root", "leave it out"}},
		{"instance of Sigstore", slices.Concat(short, []string{"--sigstore", "github"}), []string{"--sigstore", "leave it out"}},
		{"policy file beside it", slices.Concat(short, []string{"--policy", "p.yaml"}), []string{"--policy", "leave the policy out"}},
		{"publisher beside it", slices.Concat(short, []string{"--publisher", "distroless"}), []string{"--publisher", "policy init"}},
		{"identity that names too little", slices.Concat(cert, []string{"--notation-identity", "O=Acme"}), []string{"--notation-identity", "add C, ST and O"}},
		{"identity that is an address", slices.Concat(cert, []string{"--notation-identity", "ann@acme.example"}), []string{"--notation-identity", "C=US"}},
		{"anybody, and somebody", slices.Concat(cert, id, []string{"--notation-identity", "*"}), []string{"--notation-certificate", `"*" accepts everybody`}},
		{"the same identity twice", slices.Concat(cert, id, id), []string{"stands twice"}},
		{"leaf as certificate", slices.Concat(id, []string{"--notation-certificate", leaf}), []string{"--notation-certificate", "the authority that issued it"}},
		{"private key as certificate", slices.Concat(id, []string{"--notation-certificate", key}), []string{"--notation-certificate", "private key"}},
		{"certificate that is not there", slices.Concat(id, []string{"--notation-certificate", "none.crt"}), []string{"--notation-certificate", "none.crt", "working directory"}},
		{"certificate at an address", slices.Concat(id, []string{"--notation-certificate", "https://acme.example/root.crt"}), []string{"--notation-certificate", "download the certificate once"}},
		{"certificate variable that is not set", slices.Concat(id, []string{"--notation-certificate", "env://NOPE"}), []string{"--notation-certificate", "NOPE"}},
		{"empty certificate", slices.Concat(id, []string{"--notation-certificate", ""}), []string{"--notation-certificate", "empty"}},
		{"authority as time stamp root", slices.Concat(short, []string{"--notation-tsa-certificate", leaf}), []string{"--notation-tsa-certificate"}},
		{"timestamp without an authority", slices.Concat(short, []string{"--notation-timestamp", "after-expiry"}), []string{"--notation-timestamp", "add --notation-tsa-certificate"}},
		{"timestamp that is none, without an authority", slices.Concat(short, []string{"--notation-timestamp", "never"}), []string{"--notation-timestamp", "always or after-expiry", `"never"`}},
		{"timestamp that is none", slices.Concat(short, []string{"--notation-tsa-certificate", n.root, "--notation-timestamp", "never"}), []string{"--notation-timestamp", "always or after-expiry"}},
		{"revocation that is none", slices.Concat(short, []string{"--notation-revocation", "no"}), []string{"--notation-revocation", "strict, soft or skip"}},
		{"metadata without a value", slices.Concat(short, []string{"--notation-user-metadata", "build"}), []string{"--notation-user-metadata", "KEY=VALUE"}},
		{"metadata that contradicts itself", slices.Concat(short, []string{"--notation-user-metadata", "a=1", "--notation-user-metadata", "a=2"}), []string{"--notation-user-metadata", "twice"}},
		{"no signatures", slices.Concat(short, []string{"--notation-max-signatures", "0"}), []string{"--notation-max-signatures", "from 1 to 256"}},
		{"too many signatures", slices.Concat(short, []string{"--notation-max-signatures", "257"}), []string{"--notation-max-signatures", "from 1 to 256"}},
		{"signatures that lie nowhere", slices.Concat(short, []string{"--signature-repository", "Not A Name"}), []string{"--signature-repository", "registry/repository"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := runIn(t, t.Context(), "", env, append([]string{"verify", n.at("team/app:v1")}, tc.args...)...)
			if r.code != cli.ExitUsage || r.stdout != "" {
				t.Fatalf("exit %d, output %q, want exit 2 and none", r.code, r.stdout)
			}
			for _, s := range append(tc.says, "next: ") {
				if !strings.Contains(r.stderr, s) {
					t.Errorf("does not say %q:\n%s", s, r.stderr)
				}
			}
		})
	}
	t.Cleanup(func() {
		if asked := n.reg.Requests(); len(asked) != 0 {
			t.Errorf("bad input led to requests: %v", asked)
		}
	})
}

// trustPolicy is a trust policy of one statement, about the trust store ca:acme.
func trustPolicy(scope, level, override string) string {
	return `{"version": "1.0", "trustPolicies": [{"name": "acme", "registryScopes": ["` + scope + `"],
		"signatureVerification": {"level": "` + level + `"` + override + `}, "trustStores": ["ca:acme"],
		"trustedIdentities": ["x509.subject: ` + acmeIdentity + `"]}]}`
}

// stores is a trust store directory that has the root as ca:acme, below the
// folder named.
func (n *notary) stores(below string) string {
	n.t.Helper()
	dir := n.t.TempDir()
	store := filepath.Join(dir, filepath.FromSlash(below), "ca", "acme")
	if err := os.MkdirAll(store, 0o750); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(store, "root.crt"), notationtest.PEM(n.acme.Root()), 0o600); err != nil {
		n.t.Fatal(err)
	}
	return dir
}

// A trust policy and its stores are read as Notation keeps them. Only what strict
// enforces is ever verified, and the run warns of everything else.
func TestNotationTrustPolicy(t *testing.T) {
	t.Parallel()
	n := newNotary(t)
	stranger := authority(t, notationtest.AuthorityOptions{CA: "Other CA"})
	for repo, who := range map[string]*notationtest.Authority{"team/good": n.acme, "team/other": stranger, "team/old": n.acme} {
		n.sign(repo, n.image(repo), who, func(o *notationtest.SignOptions) {
			if repo == "team/old" {
				o.Time, o.Expiry = time.Now().Add(-30*time.Minute), time.Minute
			}
		})
	}
	n.image("team/bare")
	name := n.at("team/good")
	for _, tc := range []struct {
		name, policy, below, ref string
		flags                    []string
		code                     int
		want                     string
		says                     []string // in the JSON
		warns                    string
	}{
		{name: "strict", policy: trustPolicy("*", "strict", ""), ref: "team/good:v1", want: "verified", says: []string{`"name": "acme"`, `"origin": "trust policy`}},
		{name: "by name", policy: trustPolicy(name, "strict", ""), ref: "team/good:v1", want: "verified"},
		{name: "truststore/x509", below: "truststore/x509", policy: trustPolicy("*", "strict", ""), ref: "team/good:v1", want: "verified"},
		{name: "x509 itself", below: ".", policy: trustPolicy("*", "strict", ""), ref: "team/good:v1", want: "verified"},
		{name: "stranger", policy: trustPolicy("*", "strict", ""), ref: "team/other:v1", code: 1, want: "wrong-signer", says: []string{"Other CA"}},
		{name: "no statement", policy: trustPolicy(n.at("team/none"), "strict", ""), ref: "team/good:v1", code: 1, want: "no-rule", says: []string{name, "registryScopes"}},
		{name: "another tag's scope", policy: trustPolicy(n.at("team/goo"), "strict", ""), ref: "team/good:v1", code: 1, want: "no-rule"},
		{name: "audit", policy: trustPolicy("*", "audit", ""), ref: "team/good:v1", code: 1, want: "no-rule", says: []string{"audit", "strict"}, warns: "audit"},
		{name: "audit of a stranger", policy: trustPolicy("*", "audit", ""), ref: "team/other:v1", code: 1, want: "wrong-signer", warns: "audit"},
		{name: "permissive", policy: trustPolicy("*", "permissive", ""), ref: "team/old:v1", code: 1, want: "expired", says: []string{"permissive"}, warns: "permissive"},
		{name: "skip", policy: `{"version": "1.0", "trustPolicies": [{"name": "acme", "registryScopes": ["*"], "signatureVerification": {"level": "skip"}}]}`, ref: "team/good:v1", code: 1, want: "no-rule", says: []string{"skip"}, warns: "skip"},
		{name: "no revocation", policy: trustPolicy("*", "strict", `, "override": {"revocation": "skip"}`), ref: "team/good:v1", want: "verified", says: []string{"not checked"}, warns: "revocation"},
		{name: "logged expiry", policy: trustPolicy("*", "strict", `, "override": {"expiry": "log"}`), ref: "team/old:v1", code: 1, want: "expired", warns: "expiry"},
		{name: "unsigned", policy: trustPolicy("*", "strict", ""), ref: "team/bare:v1", code: 1, want: "unsigned"},
		{name: "metadata", policy: trustPolicy("*", "strict", ""), flags: []string{"--notation-user-metadata", "a=b"}, ref: "team/good:v1", code: 1, want: "wrong-type"},
		{name: "elsewhere", policy: trustPolicy("*", "strict", ""), flags: []string{"--signature-repository", n.at("team/signatures")}, ref: "team/good:v1", code: 1, want: "unsigned"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.below == "" {
				tc.below = "x509"
			}
			flags := []string{"--notation-trust-policy", n.file("trustpolicy.json", []byte(tc.policy))}
			if !strings.Contains(tc.policy, "skip\"}}]") {
				flags = append(flags, "--notation-trust-store", n.stores(tc.below))
			}
			r := n.judge(tc.ref, append(flags, tc.flags...)...)
			r.want(t, tc.code, tc.want)
			for _, s := range tc.says {
				if !strings.Contains(r.stdout, s) {
					t.Errorf("does not say %q:\n%s", s, r.stdout)
				}
			}
			warned := slices.ContainsFunc(r.doc.Warnings, func(w string) bool { return tc.warns != "" && strings.Contains(w, tc.warns) })
			if warned != (tc.warns != "") || tc.warns == "" && len(r.doc.Warnings) > 0 {
				t.Errorf("warnings %q", r.doc.Warnings)
			}
		})
	}
	// It may be given itself, as in an input of the Action.
	n.judge("team/good:v1", "--notation-trust-policy", trustPolicy("*", "strict", ""), "--notation-trust-store", n.stores("x509")).want(t, 0, "verified")
}

// What a report would be written over is none of the files that are read.
func TestNotationFilesAreRead(t *testing.T) {
	t.Parallel()
	n := newNotary(t)
	n.sign("team/app", n.image("team/app"), n.acme)
	policy, stores := n.file("trustpolicy.json", []byte(trustPolicy("*", "strict", ""))), n.stores("x509")
	for file, flags := range map[string][]string{
		n.root: {"--notation-certificate", n.root, "--notation-identity", acmeIdentity},
		policy: {"--notation-trust-policy", policy, "--notation-trust-store", stores},
		filepath.Join(stores, "x509", "ca", "acme", "root.crt"): {"--notation-trust-policy", policy, "--notation-trust-store", stores},
	} {
		before, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r := runIn(t, t.Context(), "", env, append([]string{"verify", n.at("team/app:v1"), "--report-file", file}, flags...)...)
		if after, err := os.ReadFile(file); err != nil || string(after) != string(before) || r.code != cli.ExitUsage {
			t.Errorf("%s: exit %d, %v\n%s", file, r.code, err, r.stderr)
		}
	}
}

// mixed is a workspace whose Dockerfile uses an image that is signed with cosign,
// one that is signed with Notation and one that has to be signed with both.
func (n *notary) mixed() string {
	n.t.Helper()
	n.signLegacy("team/cosign", n.image("team/cosign"), by())
	n.sign("team/notation", n.image("team/notation"), n.acme)
	both := n.image("team/both")
	n.signBundle("team/both", both, signType, by())
	n.sign("team/both", both, n.acme, func(o *notationtest.SignOptions) { o.Envelope = notationtest.COSE })
	fill := strings.NewReplacer("REGISTRY", n.reg.Host(), "IDENTITY", identity, "ISSUER", issuer, "ACME", acmeIdentity)
	return workspaceOf(n.t, map[string]string{
		"acme.crt": string(notationtest.PEM(n.acme.Root())),
		"Dockerfile": fill.Replace(`FROM REGISTRY/team/cosign:v1 AS a
FROM REGISTRY/team/notation:v1 AS b
FROM REGISTRY/team/both:v1
COPY --from=a / /
COPY --from=b / /
`),
		".boltseal.yaml": fill.Replace(`version: 1
rules:
  - images: [REGISTRY/team/cosign]
    require: [sigstore: {identities: [{issuer: ISSUER, subject: "IDENTITY"}]}]
  - images: [REGISTRY/team/notation]
    require: [notation: {certificates: [acme.crt], identities: ["x509.subject: ACME"]}]
  - images: [REGISTRY/team/both]
    require:
      - all-of:
          - sigstore: {identities: [{issuer: ISSUER, subject: "IDENTITY"}]}
          - notation: {certificates: [acme.crt], identities: ["x509.subject: ACME"]}
  - images: [REGISTRY/team/either]
    require:
      - any-of:
          - sigstore: {identities: [{issuer: ISSUER, subject: "IDENTITY"}]}
          - notation: {certificates: [acme.crt], identities: ["x509.subject: ACME"]}
`),
	})
}

// One run verifies images of both systems, and one that needs both; and hands
// over the digests of all, or of none.
func TestNotationMixed(t *testing.T) {
	t.Parallel()
	n := newNotary(t)
	dir := n.mixed()
	handed := filepath.Join(t.TempDir(), "policy.json")
	r := n.judged(dir, "--handover", "source-policy="+handed)
	if r.code != 0 || !r.doc.Passed || len(r.doc.Images) != 3 {
		t.Fatalf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	given, err := os.ReadFile(handed)
	if err != nil {
		t.Fatal(err)
	}
	for i, systems := range [][]string{{"sigstore"}, {"notation"}, {"sigstore", "notation"}} {
		img := r.doc.Images[i]
		var got []string
		for _, ev := range img.Checks[0].Evidence {
			got = append(got, ev.System)
			if ev.Digest != img.Digest {
				t.Errorf("%s: evidence for %s", img.Reference, ev.Digest)
			}
		}
		if !slices.Equal(got, systems) || !strings.Contains(string(given), img.Digest) {
			t.Errorf("%s: by %q\n%s", img.Reference, got, given)
		}
	}
	if r := in(t, dir, "policy", "check"); r.code != 0 {
		t.Errorf("check: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}

	// Half of what is needed is nothing, and nobody gets the others then.
	half := n.must(n.reg.PutImage("team/both", "half", "half"))
	n.sign("team/both", half, n.acme)
	r = n.judged(dir, n.at("team/both@"+half.Digest.String()), n.at("team/notation:v1"), "--handover", "source-policy="+handed)
	if r.code != 1 || r.doc.Images[0].Reason != "unsigned" || r.doc.Images[1].Reason != "verified" {
		t.Errorf("half: exit %d\n%s", r.code, r.stdout)
	}
	if given, err := os.ReadFile(handed); err != nil || strings.Contains(string(given), r.doc.Images[1].Digest) {
		t.Errorf("%v, what passed alone was handed over:\n%s", err, given)
	}
	// In warn mode the same, with exit 0.
	r = n.judged(dir, n.at("team/both@"+half.Digest.String()), "--mode", "warn", "--handover", "source-policy="+handed)
	if given, err := os.ReadFile(handed); r.code != 0 || r.doc.Passed || err != nil || strings.Contains(string(given), half.Digest.String()) {
		t.Errorf("warn mode: exit %d, %v\n%s", r.code, err, given)
	}
	// Either one is enough for any-of.
	for repo, sign := range map[string]func(ocispec.Descriptor){
		"cosign":   func(d ocispec.Descriptor) { n.signLegacy("team/either", d, by()) },
		"notation": func(d ocispec.Descriptor) { n.sign("team/either", d, n.acme) },
	} {
		d := n.must(n.reg.PutImage("team/either", repo, repo))
		sign(d)
		n.judged(dir, n.at("team/either:"+repo)).want(t, 0, "verified")
	}
	n.must(n.reg.PutImage("team/either", "bare", "bare"))
	n.judged(dir, n.at("team/either:bare")).want(t, 1, "unsigned")
	// The reports of people say whose it is, and have no log of it.
	_, text := plain(t, "verify", n.at("team/notation:v1"), "--notation-certificate", n.root, "--notation-identity", acmeIdentity)
	if !strings.Contains(text, "signed by x509.subject: CN=release") || !strings.Contains(text, "(under CN=Acme CA") || strings.Contains(text, "log index") {
		t.Errorf("the report says\n%s", text)
	}
}

// The lock holds a subject under one root: a certificate of the same name under
// another root that the policy trusts is another signer, and a renewed one of the
// same root is the same.
func TestNotationLock(t *testing.T) {
	t.Parallel()
	n := newNotary(t)
	twin := authority(t, notationtest.AuthorityOptions{})
	renewed, err := n.acme.Another(notationtest.AuthorityOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d := n.image("team/app")
	n.sign("team/app", d, n.acme)
	lock := filepath.Join(t.TempDir(), "boltseal.lock")
	flags := []string{"--notation-certificate", n.root, "--notation-certificate", n.file("twin.crt", notationtest.PEM(twin.Root())), "--notation-identity", acmeIdentity, "--lock", lock}
	n.judge("team/app:v1", flags...).want(t, 0, "verified")
	text, err := os.ReadFile(lock)
	if err != nil || !strings.Contains(string(text), `"root": "`+notationtest.Fingerprint(n.acme.Root())+`"`) {
		t.Fatalf("%v\n%s", err, text)
	}
	next := n.must(n.reg.PutImage("team/app", "v1", "next"))
	n.sign("team/app", next, renewed)
	n.judge("team/app:v1", flags...).want(t, 0, "verified")
	other := n.must(n.reg.PutImage("team/app", "v1", "other"))
	n.sign("team/app", other, twin)
	r := n.judge("team/app:v1", flags...)
	r.want(t, 1, "wrong-signer")
	if m := r.doc.Images[0].Checks[0].Message; !strings.HasPrefix(m, "changed: ") || !strings.Contains(m, notationtest.Fingerprint(twin.Root())) {
		t.Errorf("message %q", m)
	}
}

// An image that is signed with Notation alone is not called unsigned: who has
// signed it, and which certificate is to be obtained, is an open item.
func TestNotationPolicyInit(t *testing.T) {
	t.Parallel()
	n := newNotary(t)
	n.signLegacy("team/cosign", n.image("team/cosign"), by())
	n.sign("team/notation", n.image("team/notation"), n.acme)
	both := n.image("team/both")
	n.signLegacy("team/both", both, by())
	n.sign("team/both", both, n.acme)
	self := authority(t, notationtest.AuthorityOptions{SelfSigned: true})
	n.sign("team/self", n.image("team/self"), self)
	old := n.image("team/old")
	n.sign("team/old", old, n.acme, func(o *notationtest.SignOptions) { o.Time, o.Expiry = time.Now().Add(-30*time.Minute), time.Minute })
	dir := workspaceOf(t, map[string]string{"Dockerfile": "FROM " + n.at("team/cosign:v1") + "\nFROM " + n.at("team/notation:v1") + "\nFROM " + n.at("team/both:v1") + "\nFROM " + n.at("team/old:v1") + "\nFROM " + n.at("team/self:v1")})
	text, _ := n.initIn(dir, cli.ExitPassed, "--all-stages")
	root := notationtest.Fingerprint(n.acme.Root())
	for want, times := range map[string]int{
		"It is signed with Notation by x509.subject: CN=release":   2,
		"(SHA-256 " + root + ")":                                   2, // of notation, and of both
		`# - images: ["` + n.at("team/notation:v1") + `"]`:         1,
		`  #     - notation:`:                                      2,
		`  #         certificates: ["root-` + root[:12] + `.crt"]`: 1,
		"It is also signed with Notation by":                       1,
		"A signature does not hold: expired":                       1,
		"Nobody has signed it":                                     0,
		"allow-unsigned":                                           0,
	} {
		if got := strings.Count(text, want); got != times {
			t.Errorf("%d times %q, want %d:\n%s", got, want, times, text)
		}
	}
	// Whoever takes the suggestion and gets the certificate has a rule that holds.
	rule := text[strings.Index(text, "- images: [\""+n.at("team/notation:v1")):]
	lines := strings.SplitAfterN(rule, "\n", 6)
	policy := "version: 1\nrules:\n  " + strings.ReplaceAll(strings.Join(lines[:5], ""), "  # ", "  ")
	if err := os.WriteFile(filepath.Join(dir, ".boltseal.yaml"), []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "root-"+root[:12]+".crt"), notationtest.PEM(n.acme.Root()), 0o600); err != nil {
		t.Fatal(err)
	}
	r := n.judged(dir, n.at("team/notation:v1"))
	if r.code != 0 {
		t.Errorf("exit %d: %s%s\n%s", r.code, r.stdout, r.stderr, policy)
	}
	r.want(t, 0, "verified")
	n.judged(dir, n.at("team/self:v1")).want(t, 1, "no-rule")
}

// Evidence has no answer of revocation servers: nobody is asked in a case that
// has some, which the case says. Without evidence they are asked.
func TestNotationPolicyTest(t *testing.T) {
	t.Parallel()
	n := newNotary(t)
	server, err := notationtest.NewRevocation()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Down)
	revocable := authority(t, notationtest.AuthorityOptions{Revocation: server, OCSP: true})
	n.sign("team/app", n.image("team/app"), revocable)
	n.image("team/bare")
	const cases = "version: 1\ncases:\n  - {image: 'REGISTRY/team/app:v1', expect: verified, signer: 'SIGNER'EVIDENCE}\n  - {image: 'REGISTRY/team/bare:v1', expect: unsigned}\n"
	fill := func(text, evidence string) string {
		return strings.NewReplacer("REGISTRY", n.reg.Host(), "SIGNER", "x509.subject: "+revocable.Leaf().Subject.String(), "EVIDENCE", evidence).Replace(text)
	}
	dir := workspaceOf(t, map[string]string{
		"root.crt":          string(notationtest.PEM(revocable.Root())),
		".boltseal.yaml":    fill("version: 1\nrules:\n  - images: [REGISTRY/team/**]\n    require: [notation: {certificates: [root.crt], identities: ['x509.subject: "+acmeIdentity+"']}]\n", ""),
		"cases.yaml":        fill(cases, ", evidence: app.json"),
		"trusted_root.json": string(must(os.ReadFile(n.world.root))),
	})
	doc, r := runPolicyTest(t, dir, "--record", "--trusted-root", n.world.root)
	recorded := doc.Cases[0]
	if r.code != 0 || len(server.Requests()) != 0 || !strings.Contains(recorded.Note, "boltseal verify asks") || doc.Cases[1].Note != "" {
		t.Errorf("recorded: exit %d, %d questions: %+v\n%s", r.code, len(server.Requests()), recorded, r.stderr)
	}
	n.reg.Close()
	doc, r = runPolicyTest(t, dir, "--trusted-root", n.world.root)
	if again := doc.Cases[0]; again.Result != "ok" || again.Note != recorded.Note || len(server.Requests()) != 0 {
		t.Errorf("replayed: %+v\n%s", again, r.stderr)
	}
	if text := in(t, dir, "policy", "test", "cases.yaml", "--trusted-root", n.world.root).stdout; !strings.Contains(text, "note nobody was asked") {
		t.Errorf("nothing is said to people:\n%s", text)
	}
	// What can never be there is not to be expected.
	for _, evidence := range []string{", evidence: app.json", ""} {
		body := strings.Replace(strings.Replace(fill(cases, evidence), "expect: verified, signer: 'x509.subject: "+revocable.Leaf().Subject.String()+"'", "expect: revoked", 1), "\n  - {image: '"+n.at("team/bare:v1"), "\n#", 1)
		if err := os.WriteFile(filepath.Join(dir, "cases.yaml"), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		r := in(t, dir, "policy", "test", "cases.yaml", "--trusted-root", n.world.root)
		if refused := r.code == cli.ExitUsage && strings.Contains(r.stderr, "leave evidence out"); refused != (evidence != "") {
			t.Errorf("expected revoked, evidence %q: exit %d\n%s%s", evidence, r.code, r.stdout, r.stderr)
		}
	}
}

func must(body []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return body
}

// Revocation servers are asked once in a run, for however many images. That none
// answers is a warning where that is allowed, and no answer where it is not.
func TestNotationRevocation(t *testing.T) {
	t.Parallel()
	n := newNotary(t)
	server, err := notationtest.NewRevocation()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Down)
	revocable := authority(t, notationtest.AuthorityOptions{Revocation: server, OCSP: true})
	root := n.file("root.crt", notationtest.PEM(revocable.Root()))
	var refs []string
	for _, repo := range []string{"team/a", "team/b", "team/c"} {
		n.sign(repo, n.image(repo), revocable)
		refs = append(refs, n.at(repo+":v1"))
	}
	flags := []string{"--notation-certificate", root, "--notation-identity", acmeIdentity}
	args := slices.Concat([]string{"verify"}, refs, flags)
	if r := run(t, args...); r.code != 0 || len(server.Requests()) != 1 || len(r.doc.Warnings) != 0 || r.doc.Images[0].Checks[0].Evidence[0].Claims["revocation"] != "checked" {
		t.Errorf("exit %d, %d questions\n%s", r.code, len(server.Requests()), r.stdout)
	}
	server.Say(revocable.Leaf(), notationtest.Revoked)
	for _, mode := range []string{"strict", "soft"} {
		if r := run(t, append(args, "--notation-revocation", mode)...); r.code != 1 || r.doc.Images[0].Reason != "revoked" {
			t.Errorf("%s, revoked: exit %d\n%s", mode, r.code, r.stdout)
		}
	}
	before := len(server.Requests())
	r := run(t, append(args, "--notation-revocation", "skip")...)
	if r.code != 0 || len(server.Requests()) != before || r.doc.Images[0].Checks[0].Evidence[0].Claims["revocation"] != "not checked" || len(r.doc.Warnings) != 1 {
		t.Errorf("skip: exit %d, %d questions\n%s", r.code, len(server.Requests())-before, r.stdout)
	}
	server.Down()
	if r := run(t, args...); r.code != 3 || r.doc.Images[0].Reason != "unavailable" {
		t.Errorf("no answer: exit %d\n%s", r.code, r.stdout)
	}
	r = run(t, append(args, "--notation-revocation", "soft")...)
	silent := slices.DeleteFunc(r.doc.Warnings, func(w string) bool {
		return !strings.Contains(w, "nobody said whether the certificate of x509.subject: CN=release")
	})
	if r.code != 0 || len(silent) != 1 {
		t.Errorf("soft: exit %d, warnings %q\n%s", r.code, r.doc.Warnings, r.stdout)
	}
}

// The inputs of the Action are the flags.
func TestNotationInputs(t *testing.T) {
	t.Parallel()
	n := newNotary(t)
	n.sign("team/app", n.image("team/app"), n.acme, func(o *notationtest.SignOptions) { o.Metadata = map[string]string{"a": "1", "b": "2"} })
	other := authority(t, notationtest.AuthorityOptions{CA: "Other CA"})
	inputs := map[string]string{
		"images": n.at("team/app:v1"), "handover": "off",
		"notation-certificate":   "# ours\n" + string(notationtest.PEM(other.Root())) + n.root,
		"notation-identity":      "C=US, ST=WA, O=Other\n" + acmeIdentity,
		"notation-user-metadata": "a=1\nb=2", "notation-revocation": "strict", "notation-max-signatures": "7",
	}
	for name, tc := range map[string]struct {
		change map[string]string
		code   int
		says   string
	}{
		"as they are":        {nil, 0, `"signer":"x509.subject: CN=release`},
		"another identity":   {map[string]string{"notation-identity": "C=US, ST=WA, O=Other"}, 1, "wrong-signer"},
		"other metadata":     {map[string]string{"notation-user-metadata": "a=1\nb=3"}, 1, "wrong-type"},
		"no identity":        {map[string]string{"notation-identity": " "}, 2, "add notation-identity"},
		"no number":          {map[string]string{"notation-max-signatures": "many"}, 2, "write a number from 1 to 256"},
		"a trust policy":     {map[string]string{"notation-certificate": "", "notation-identity": "", "notation-revocation": "", "notation-trust-policy": trustPolicy("*", "strict", ""), "notation-trust-store": n.stores("x509")}, 0, `"signer":"x509.subject: CN=release`},
		"both, and Sigstore": {map[string]string{"certificate-identity": identity, "certificate-oidc-issuer": issuer}, 2, "names a signer of Sigstore"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			given := map[string]string{}
			maps.Copy(given, inputs)
			maps.Copy(given, tc.change)
			s := newJob(t).run(given)
			if said := s.log + s.outputs["images"]; s.code != tc.code || !strings.Contains(said, tc.says) {
				t.Errorf("exit %d, want %d and %q\n%s", s.code, tc.code, tc.says, said)
			}
			s.harmless(t)
		})
	}
}

// A private key that was given for a certificate is hidden by the runner, and is
// not repeated.
func TestNotationInputIsPrivate(t *testing.T) {
	t.Parallel()
	key, err := authority(t, notationtest.AuthorityOptions{}).KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"notation-certificate", "notation-tsa-certificate"} {
		s := newJob(t).run(map[string]string{"images": "alpine", "notation-identity": acmeIdentity, "notation-certificate": string(key), name: string(key)})
		line := strings.Split(string(key), "\n")[1]
		if s.code != cli.ExitUsage || !masks(s.log, line) || strings.Contains(shown(s.log), line[:20]) || !strings.Contains(s.log, "private key") {
			t.Errorf("%s: exit %d\n%s", name, s.code, s.log)
		}
	}
}

// Where the index is unsigned, the manifests of all platforms that are built for
// vouch for it, by flags as by a policy; a stranger's vouches for nothing.
func TestNotationPlatforms(t *testing.T) {
	t.Parallel()
	n := newNotary(t)
	amd64, arm64 := n.child("amd64", ""), n.child("arm64", "")
	index := n.must(n.reg.PutIndex(repo, "v1", amd64, arm64))
	n.sign(repo, amd64, n.acme)
	dir := workspaceOf(t, map[string]string{
		"acme.crt":       string(notationtest.PEM(n.acme.Root())),
		".boltseal.yaml": "version: 1\nrules: [{images: ['" + n.at("team/**") + "'], require: [notation: {certificates: [acme.crt], identities: ['x509.subject: " + acmeIdentity + "']}]}]\n",
	})
	short := []string{"--notation-certificate", n.root, "--notation-identity", acmeIdentity}
	judge := func(code int, reason string, platforms ...string) {
		t.Helper()
		n.judge(repo+":v1", append(slices.Clone(short), platforms...)...).want(t, code, reason)
		n.judged(dir, append([]string{n.at(repo + ":v1")}, platforms...)...).want(t, code, reason)
	}
	judge(1, "unsigned")
	judge(0, "verified", "--platform", "linux/amd64")
	judge(1, "unsigned", "--platform", "linux/amd64", "--platform", "linux/arm64")
	n.sign(repo, arm64, n.acme)
	judge(0, "verified", "--platform", "linux/amd64", "--platform", "linux/arm64")
	judge(1, "not-found", "--platform", "linux/s390x")
	n.sign(repo, index, authority(t, notationtest.AuthorityOptions{CA: "Other CA"}))
	judge(1, "wrong-signer", "--platform", "linux/amd64")
	n.sign(repo, index, n.acme)
	judge(0, "verified")
}

// What is pulled for another platform than is built for has to be signed itself.
func TestNotationForeign(t *testing.T) {
	t.Parallel()
	n := newNotary(t)
	amd64, arm64 := n.child("amd64", ""), n.child("arm64", "")
	n.must(n.reg.PutIndex(repo, "v1", amd64, arm64))
	n.sign(repo, amd64, n.acme)
	dir := workspaceOf(t, map[string]string{
		"Dockerfile":  "FROM --platform=linux/arm64 " + n.at(repo+":v1") + "\n",
		"acme.crt":    string(notationtest.PEM(n.acme.Root())),
		"policy.yaml": "version: 1\nrules: [{images: ['" + n.at("team/**") + "'], require: [notation: {certificates: [acme.crt], identities: ['x509.subject: " + acmeIdentity + "']}]}]\n",
	})
	for _, flags := range [][]string{
		{"--notation-certificate", n.root, "--notation-identity", acmeIdentity},
		{"--notation-trust-policy", n.file("trustpolicy.json", []byte(trustPolicy("*", "strict", ""))), "--notation-trust-store", n.stores("x509")},
		{"--policy", "policy.yaml"},
	} {
		r := in(t, dir, append([]string{"verify", "--file", "Dockerfile", "--platform", "linux/amd64"}, flags...)...)
		if r.code != 1 || !strings.HasPrefix(r.stdout, "unsigned ") {
			t.Errorf("%q: exit %d\n%s%s", flags, r.code, r.stdout, r.stderr)
		}
	}
}

// No more signatures are looked at than is said, and the others are not said to
// be bad.
func TestNotationMaxSignatures(t *testing.T) {
	t.Parallel()
	n := newNotary(t)
	d := n.image("team/app")
	stranger := authority(t, notationtest.AuthorityOptions{CA: "Other CA"})
	for range 3 {
		n.sign("team/app", d, stranger)
	}
	for _, flags := range [][]string{
		{"--notation-certificate", n.root, "--notation-identity", acmeIdentity},
		{"--notation-trust-policy", n.file("trustpolicy.json", []byte(trustPolicy("*", "strict", ""))), "--notation-trust-store", n.stores("x509")},
	} {
		n.judge("team/app:v1", flags...).want(t, 1, "wrong-signer")
		r := n.judge("team/app:v1", append(flags, "--notation-max-signatures", "2")...)
		r.want(t, 3, "unavailable")
		if c := r.doc.Images[0].Checks[0]; len(c.Candidates) != 2 || c.Candidates[0].Reason != "wrong-signer" || !strings.Contains(c.Hint, "--notation-max-signatures") {
			t.Errorf("%+v", c)
		}
	}
}
