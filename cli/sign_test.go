package cli_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/encrypted"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/sign"
)

// now is when the tests sign.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A signWorld is a world with the services of its Sigstore instance.
type signWorld struct {
	*world
	services *sigstoretest.Services
	config   string // signing_config.json
	dir      string
	env      map[string]string
	clock    func() time.Time // nil stands still
}

func newSignWorld(t *testing.T, o registrytest.Options, without sigstoretest.Without) *signWorld {
	t.Helper()
	w := &signWorld{world: newWorld(t, o), dir: t.TempDir()}
	var err error
	if w.services, err = w.sig.Serve(sigstoretest.ServeOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.services.Close)
	body, err := w.services.SigningConfig(without)
	if err != nil {
		t.Fatal(err)
	}
	w.config = w.file("signing_config.json", body)
	w.env = map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push",
		"ACTIONS_ID_TOKEN_REQUEST_URL": w.services.TokenURL(), "ACTIONS_ID_TOKEN_REQUEST_TOKEN": sigstoretest.RequestToken,
	}
	return w
}

// file writes a file of the world's folder.
func (w *signWorld) file(name string, body []byte) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, body, 0o600); err != nil { //nolint:gosec // a folder of the test's
		w.t.Fatal(err)
	}
	return path
}

// flags are those that lead to the world's services.
func (w *signWorld) flags() []string {
	return []string{"--trusted-root", w.root, "--signing-config", w.config}
}

// sign runs boltseal sign.
func (w *signWorld) sign(args ...string) result {
	w.t.Helper()
	return w.run(w.env, append([]string{"sign"}, append(args, w.flags()...)...)...)
}

// run runs boltseal with an environment.
func (w *signWorld) run(env map[string]string, args ...string) result {
	w.t.Helper()
	return w.runWith("", env, args...)
}

// time is when the tests sign.
func (w *signWorld) time() time.Time {
	if w.clock != nil {
		return w.clock()
	}
	return now
}

func (w *signWorld) runWith(stdin string, env map[string]string, args ...string) result {
	w.t.Helper()
	var out, errs bytes.Buffer
	noWait := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	c := cli.Command{
		Dir: w.dir, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs, Sleep: noWait, Now: w.time,
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}
	code := c.Main(w.t.Context(), append([]string{"boltseal"}, args...))
	return result{code: code, stdout: out.String(), stderr: errs.String()}
}

// A signedJSON is the document of boltseal sign --output json.
type signedJSON struct {
	Complete bool
	Checks   []struct {
		What, File, Summary string
		Passed              bool
		Details             []string
	}
	Refused *struct{ Message, Hint string }
	Skipped string
	Signed  []struct {
		Reference, Digest, Pinned, Platform, Format, Storage, Source string
		PredicateType                                                string `json:"predicate_type"`
		Identity, Issuer                                             string
		LogIndex                                                     *int64 `json:"log_index"`
		Log, Bundle                                                  string
		Existed                                                      bool
	}
	Failed  []struct{ Reference, Digest, Reason, Message, Hint string }
	Notices []string
	Verify  []string
}

// signJSON runs boltseal sign --output json.
func (w *signWorld) signJSON(args ...string) (result, signedJSON) {
	w.t.Helper()
	r := w.sign(append(args, "--output", "json")...)
	var doc signedJSON
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil {
		w.t.Fatalf("exit %d, %v\n%s%s", r.code, err, r.stdout, r.stderr)
	}
	return r, doc
}

// at is repo:v1, which is pushed, by its digest.
func (w *signWorld) at(repo string) string {
	w.t.Helper()
	return w.reg.Host() + "/" + repo + "@" + w.image(repo).Digest.String()
}

// asked returns how often the services were, and how often the registry was
// written to.
func (w *signWorld) asked() (services, writes int) {
	for _, r := range w.reg.Requests() {
		if r.Method != "GET" && r.Method != "HEAD" {
			writes++
		}
	}
	return w.services.Requests(), writes
}

// reset forgets the requests, those of what the world pushes included.
func (w *signWorld) reset() {
	w.reg.Reset(0)
	w.services.Reset()
}

// private writes a private key, for which password is asked unless it is "", and
// returns its file and the public key's. With the race detector, which makes
// seconds of every password, none is asked.
func (w *signWorld) private(name, password string) (private, public string) {
	w.t.Helper()
	return w.keyOn(elliptic.P256(), name, password)
}

func (w *signWorld) keyOn(curve elliptic.Curve, name, password string) (private, public string) {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		w.t.Fatal(err)
	}
	public = w.file(name+".pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	if der, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		w.t.Fatal(err)
	}
	block := &pem.Block{Type: "PRIVATE KEY", Bytes: der}
	if password != "" && !raced {
		block.Type = "ENCRYPTED SIGSTORE PRIVATE KEY"
		if block.Bytes, err = encrypted.Encrypt(der, []byte(password)); err != nil {
			w.t.Fatal(err)
		}
	}
	return w.file(name+".key", pem.EncodeToMemory(block)), public
}

const spdx = `{"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "app", "documentNamespace": "https://acme.example/app",
	"creationInfo": {"created": "2026-03-01T10:30:00Z", "creators": ["Tool: none"]}, "packages": []}`

// What was signed is said, and the command line that is printed verifies it.
func TestSign(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	_, public := w.private("cosign", "")
	w.file("sbom.json", []byte(spdx))
	const v2 = "https://spdx.dev/Document"
	t.Cleanup(func() {
		entries, err := os.ReadDir(filepath.Join(w.dir, "bundles"))
		if err != nil || len(entries) == 0 {
			t.Errorf("%d bundles (%v)", len(entries), err)
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".sigstore.json") {
				t.Errorf("left: %s", e.Name())
			}
		}
	})
	for _, tc := range []struct {
		name string
		args []string
		want []string // format, storage, predicate type
		key  bool
	}{
		{"bundle", nil, []string{"bundle referrer " + signType}, false},
		{"legacy", []string{"--format", "legacy"}, []string{"legacy sig-tag "}, false},
		{"both", []string{"--format", "legacy", "--format", "bundle", "--annotation", "run=1"}, []string{"legacy sig-tag ", "bundle referrer " + signType}, false},
		{"with an attestation", []string{"--attest", "spdx=sbom.json"}, []string{"bundle referrer " + signType, "bundle referrer " + v2}, false},
		{"attestation only", []string{"--attest", "spdx=sbom.json", "--attest-only"}, []string{"bundle referrer " + v2}, false},
		{"key", []string{"--key", "cosign.key"}, []string{"bundle referrer " + signType}, true},
		{"key, both", []string{"--key", "cosign.key", "--format=bundle", "--format=legacy"}, []string{"bundle referrer " + signType, "legacy sig-tag "}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			at := w.at("team/" + strings.NewReplacer(" ", "-", ",", "").Replace(tc.name))
			r, doc := w.signJSON(append(tc.args, at, "--bundle-dir", "bundles")...)
			if r.code != 0 || !doc.Complete || len(doc.Failed) != 0 || r.stderr != "" {
				t.Fatalf("exit %d: %s%s", r.code, r.stdout, r.stderr)
			}
			var got []string
			for _, s := range doc.Signed {
				got = append(got, s.Format+" "+s.Storage+" "+s.PredicateType)
				bundle, err := os.ReadFile(s.Bundle)
				switch {
				case s.Reference != at || s.Pinned != at || s.Existed || s.LogIndex == nil || s.Log != "":
					t.Errorf("%+v", s)
				case tc.key && (!strings.HasPrefix(s.Identity, "key sha256:") || s.Issuer != ""), !tc.key && (s.Identity != identity || s.Issuer != issuer):
					t.Errorf("signed by %q (%q)", s.Identity, s.Issuer)
				case s.Format == "bundle" && (err != nil || !json.Valid(bundle) || !strings.HasPrefix(filepath.Base(s.Bundle), strings.Replace(s.Digest, ":", "-", 1)+".")), s.Format != "bundle" && s.Bundle != "":
					t.Errorf("bundle %q (%v): %.100s", s.Bundle, err, bundle)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("signed %q, want %q", got, tc.want)
			}
			for _, command := range doc.Verify {
				args, ours := strings.CutPrefix(command, "boltseal ")
				if !ours {
					continue
				}
				args = strings.NewReplacer("cosign.pub", public, "trusted_root.json", w.root).Replace(args)
				if v := w.run(nil, strings.Fields(args)...); v.code != 0 {
					t.Errorf("%s: exit %d: %s%s", command, v.code, v.stdout, v.stderr)
				}
			}
			if len(doc.Verify) < 2 || len(doc.Verify) > 4 {
				t.Errorf("%q", doc.Verify)
			}

			again, doc := w.signJSON(append(tc.args, at)...)
			if again.code != 0 || !doc.Complete || len(doc.Signed) != len(tc.want) {
				t.Errorf("again: exit %d: %s%s", again.code, again.stdout, again.stderr)
			}
			for _, s := range doc.Signed {
				if !s.Existed {
					t.Errorf("again: %+v", s)
				}
			}
		})
	}
}

// Of a key on a larger curve, cosign has to be told the hash that Rekor v2 takes.
func TestSignHash(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	w.keyOn(elliptic.P384(), "p384", "")
	w.keyOn(elliptic.P521(), "p521", "")
	for _, tc := range []struct {
		key, format string
		hash        string
	}{{"p384", "bundle", "sha384"}, {"p521", "bundle", "sha512"}} {
		r, doc := w.signJSON(w.at("team/"+tc.key), "--key", tc.key+".key", "--format", tc.format)
		if got := strings.Contains(doc.Verify[0], " --signature-digest-algorithm "+tc.hash+" "); r.code != 0 || !got {
			t.Errorf("%s, %s: exit %d: %q", tc.key, tc.format, r.code, doc.Verify)
		}
	}
	logged := len(w.services.Rekor1.Requests())
	if r, doc := w.signJSON(w.at("team/old"), "--key", "p384.key", "--format", "legacy"); r.code != 1 || len(doc.Signed) != 0 || len(doc.Failed) != 1 ||
		doc.Failed[0].Reason != "unsupported" || doc.Failed[0].Hint != "use a P-256 key, or the format bundle" || len(w.services.Rekor1.Requests()) != logged {
		t.Errorf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

// Only entries of the public log that can be searched get a link.
func TestSignLog(t *testing.T) {
	t.Parallel()
	index := int64(7)
	const v1, v2 = `{"verificationMaterial": {"tlogEntries": [{"inclusionPromise": {}}]}}`, `{"verificationMaterial": {"tlogEntries": [{"inclusionProof": {}}]}}`
	for _, tc := range []struct {
		name             string
		x                sign.Record
		instance, config string
		upload           bool
		want             string
	}{
		{"Rekor v1", sign.Record{LogIndex: &index, Format: sign.Bundle, Bundle: []byte(v1)}, "public-good", "", true, "https://search.sigstore.dev/?logIndex=7"},
		{"legacy", sign.Record{LogIndex: &index, Format: sign.Legacy}, "public-good", "", true, "https://search.sigstore.dev/?logIndex=7"},
		{"Rekor v2", sign.Record{LogIndex: &index, Format: sign.Bundle, Bundle: []byte(v2)}, "public-good", "", true, ""},
		{"no entry", sign.Record{Format: sign.Legacy}, "public-good", "", true, ""},
		{"staging", sign.Record{LogIndex: &index, Format: sign.Legacy}, "staging", "", true, ""},
		{"others' services", sign.Record{LogIndex: &index, Format: sign.Legacy}, "public-good", "signing_config.json", true, ""},
		{"without a log", sign.Record{LogIndex: &index, Format: sign.Legacy}, "public-good", "", false, ""},
	} {
		if got, err := cli.LogOf(tc.x, tc.instance, tc.config, tc.upload); err != nil || got != tc.want {
			t.Errorf("%s: %q, %v", tc.name, got, err)
		}
	}
}

// What cosign takes for several annotations is one, and that is said.
func TestSignAnnotationWithComma(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	img := w.at("team/app")
	for text, want := range map[string]bool{"a=1,b=2": true, "a=1,2": false, "who=Doe, Jane": false, "a=b=1,c": false, "a=1, b =2": false, "a=1": false} {
		r, doc := w.signJSON(img, "-a", text)
		told := len(doc.Notices) == 1 && doc.Notices[0] == strconv.Quote(text)+" is one annotation, and the comma a part of its value: if two were meant, as cosign takes them, give each by itself"
		if r.code != 0 || told != want || !want && len(doc.Notices) > 0 {
			t.Errorf("%q: exit %d, notices %q\n%s", text, r.code, doc.Notices, r.stderr)
		}
	}
}

// Who has told cosign where signatures are stored is told that it counts for
// cosign only.
func TestSignCosignRepository(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	img, elsewhere := w.at("team/app"), w.reg.Host()+"/team/signatures"
	w.env["COSIGN_REPOSITORY"] = elsewhere
	r, doc := w.signJSON(img)
	if r.code != 0 || len(doc.Notices) != 1 || !strings.HasPrefix(doc.Notices[0], "COSIGN_REPOSITORY is set and not read: the signatures are stored beside the image") || !strings.Contains(doc.Signed[0].Source, "/team/app@") {
		t.Errorf("exit %d: %s", r.code, r.stdout)
	}
	if r, doc := w.signJSON(img, "--signature-repository", elsewhere); r.code != 0 || len(doc.Notices) != 0 || !strings.HasPrefix(doc.Signed[0].Source, elsewhere) {
		t.Errorf("exit %d: %s", r.code, r.stdout)
	}
}

// A second run writes nothing, a forced one does; a tag is signed by the digest
// that it has, and told of.
func TestSignAgain(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{NoReferrers: true}, sigstoretest.Without{Rekor2: true})
	digest := w.image("team/app").Digest.String()
	tag := w.reg.Host() + "/team/app:v1"
	r, doc := w.signJSON(tag)
	if r.code != 0 || len(doc.Signed) != 1 || doc.Signed[0].Digest != digest || doc.Signed[0].Reference != tag || doc.Signed[0].Storage != "fallback-tag" || doc.Signed[0].Existed {
		t.Fatalf("exit %d: %s", r.code, r.stdout)
	}
	if len(doc.Notices) != 1 || !strings.Contains(doc.Notices[0], tag+" is a tag") {
		t.Errorf("notices %q", doc.Notices)
	}
	first := doc.Signed[0]
	w.reset()
	r, doc = w.signJSON(tag, "--sign-tags")
	if _, writes := w.asked(); r.code != 0 || writes != 0 || !doc.Signed[0].Existed || *doc.Signed[0].LogIndex != *first.LogIndex || len(doc.Notices) != 0 {
		t.Errorf("exit %d, %d writes: %s", r.code, writes, r.stdout)
	}
	w.reset()
	r, doc = w.signJSON(tag, "--force")
	if _, writes := w.asked(); r.code != 0 || writes == 0 || len(doc.Signed) != 1 || doc.Signed[0].Existed || *doc.Signed[0].LogIndex == *first.LogIndex {
		t.Errorf("exit %d, %d writes: %s", r.code, writes, r.stdout)
	}
	w.must(w.reg.PutImage("team/app", "latest", "team/app"))
	for _, more := range [][]string{nil, {"--require-gate", w.gate(), "--vsa"}} {
		r, doc = w.signJSON(append(more, tag, w.reg.Host()+"/team/app", "--sign-tags", "--force")...)
		entries := map[int64]int{}
		for _, s := range doc.Signed {
			entries[*s.LogIndex]++
		}
		if want := 1 + len(more)/3; r.code != 0 || len(doc.Signed) != 2*want || len(entries) != want {
			t.Errorf("two tags: exit %d, entries %v: %s", r.code, entries, r.stdout)
		}
	}
	text := w.sign(tag)
	if text.code != 0 || !strings.Contains(text.stdout, "was there already") || !strings.HasPrefix(text.stderr, "notice: "+tag) || !strings.Contains(text.stdout, "\nsigned: 1 image, all of it was there already\n") {
		t.Errorf("exit %d: %s%s", text.code, text.stdout, text.stderr)
	}
}

// Of three images, one of which cannot be had, two are signed, and the report
// tells them apart.
func TestSignSome(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	good, tagged := w.at("team/a"), w.reg.Host()+"/team/b:v1"
	w.image("team/b")
	r, doc := w.signJSON(good, tagged, w.reg.Host()+"/team/none:v1")
	if r.code != 1 || doc.Complete || len(doc.Signed) != 2 || len(doc.Failed) != 1 || doc.Failed[0].Reason != "not-found" || doc.Failed[0].Reference != w.reg.Host()+"/team/none:v1" {
		t.Errorf("exit %d: %s", r.code, r.stdout)
	}
	w.reg.Break(registrytest.Fault{Path: "/v2/team/down/", Status: 503})
	r, doc = w.signJSON(good, w.reg.Host()+"/team/down:v1")
	if r.code != 3 || doc.Complete || len(doc.Signed) != 1 || len(doc.Failed) != 1 || doc.Failed[0].Reason != "unavailable" || doc.Failed[0].Hint == "" {
		t.Errorf("exit %d: %s", r.code, r.stdout)
	}
}

// Each manifest of an index is signed with --recursive, and the index alone
// without.
func TestSignRecursive(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	amd, arm := w.must(w.reg.PutImage("team/app", "amd64", "amd64")), w.must(w.reg.PutImage("team/app", "arm64", "arm64"))
	amd.Platform, arm.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}, &ocispec.Platform{OS: "linux", Architecture: "arm64"}
	index := w.must(w.reg.PutIndex("team/app", "v1", amd, arm))
	at := w.reg.Host() + "/team/app@" + index.Digest.String()
	for _, tc := range []struct {
		args []string
		want []string
	}{{nil, []string{index.Digest.String() + " "}}, {[]string{"--recursive"}, []string{index.Digest.String() + " ", amd.Digest.String() + " linux/amd64", arm.Digest.String() + " linux/arm64"}}} {
		r, doc := w.signJSON(append(tc.args, at)...)
		var got []string
		for _, s := range doc.Signed {
			got = append(got, s.Digest+" "+s.Platform)
		}
		if r.code != 0 || !slices.Equal(got, tc.want) || len(doc.Verify) != 2 {
			t.Errorf("exit %d: %q, want %q\n%s", r.code, got, tc.want, r.stdout)
		}
	}
}

// Whoever may not write learns it before anything is in a log.
func TestSignDenied(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{Tokens: true, NoPush: true}, sigstoretest.Without{})
	r, doc := w.signJSON(w.at("team/app"))
	logged := len(w.services.Rekor1.Requests()) + len(w.services.Rekor2.Requests())
	if r.code != 3 || len(doc.Failed) != 1 || doc.Failed[0].Reason != "denied" || logged != 0 || len(doc.Signed) != 0 {
		t.Errorf("exit %d, logged %d: %s", r.code, logged, r.stdout)
	}
}

// A registry that asks to wait for longer than signing does is not waited for, also
// where it is only read: here twice 15 s would be half a minute.
func TestSignRegistryBusy(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	img := w.at("team/app")
	w.reset()
	w.reg.Break(registrytest.Fault{Method: "GET", Status: 503, RetryAfter: "15"})
	r, doc := w.signJSON(img)
	services, writes := w.asked()
	if r.code != 3 || len(doc.Signed) != 0 || len(doc.Failed) != 1 || doc.Failed[0].Reason != "unavailable" ||
		!strings.Contains(doc.Failed[0].Message, w.reg.Host()) || !strings.Contains(doc.Failed[0].Message, "the wait of 15s that it asks for is too long") || doc.Failed[0].Hint == "" {
		t.Errorf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	if n := len(w.reg.Requests()); n != 2 || writes != 0 || len(w.services.Rekor2.Requests()) != 0 {
		t.Errorf("%d requests to the registry, %d of them writes, and %d to services", n, writes, services)
	}
}

// What was checked is attested of each image, with its own scan report, and a
// second run finds it there.
func TestSignSummary(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	gate := w.gate()
	a, b := w.at("team/a"), w.at("team/b")
	args := []string{a, b, "--require-gate", gate, "--scan-report", w.scan("a.json", a, ""), "--scan-report", w.scan("b.json", b, "LOW"), "--vsa", "--bundle-dir", "bundles"}
	for run, existed := range []bool{false, true} {
		r, doc := w.signJSON(args...)
		if r.code != 0 || len(doc.Signed) != 4 || len(doc.Checks) != 3 {
			t.Fatalf("exit %d: %s%s", r.code, r.stdout, r.stderr)
		}
		if asked := len(w.services.Fulcio.Requests()); asked != 1 {
			t.Errorf("run %d: %d certificates in all, want one, for the run that signs", run, asked)
		}
		for _, s := range doc.Signed {
			if s.Existed != existed {
				t.Errorf("existed %v: %+v", s.Existed, s)
			}
			if want := map[string]string{a: "a.json", b: "b.json"}[s.Reference]; s.PredicateType != signType {
				resource, reports := w.summarized(s.Bundle)
				if slices.Sort(reports); resource != s.Pinned || !slices.Equal(reports, []string{want, "gate.json"}) {
					t.Errorf("%s: a summary of %s, from %q", s.Pinned, resource, reports)
				}
			}
		}
		for _, c := range doc.Checks {
			if !c.Passed {
				t.Errorf("%+v", c)
			}
		}
	}
	r := w.run(nil, "verify", a, b, "--attestation-type", "https://slsa.dev/verification_summary/v1", "--trusted-root", w.root, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer)
	if r.code != 0 {
		t.Errorf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

// A summary claims what was checked of this image, and no more.
func TestSignSummaryClaims(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	img := w.at("team/app")
	amd, arm := w.must(w.reg.PutImage("team/multi", "amd64", "amd64")), w.must(w.reg.PutImage("team/multi", "arm64", "arm64"))
	amd.Platform, arm.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}, &ocispec.Platform{OS: "linux", Architecture: "arm64"}
	multi := w.reg.Host() + "/team/multi@"
	index := multi + w.must(w.reg.PutIndex("team/multi", "v1", amd, arm)).Digest.String()
	w.scan("app.json", img, "")
	w.scan("index.json", index, "")
	w.scan("amd64.json", multi+amd.Digest.String(), "")
	w.scan("arm64.json", multi+arm.Digest.String(), "")
	w.scan("nobody.json", "/tmp/app.tar", "")
	w.file("nothing.json", []byte(`{"SchemaVersion": 2, "ArtifactName": "`+img+`", "ArtifactType": "container_image"}`))
	w.gate()
	w.image("team/old")
	w.file("policy.yaml", []byte("version: 1\npublishers: [distroless]\nexceptions:\n  - {images: ["+w.reg.Host()+"/team/old], until: 2026-03-20, owner: me, reason: old}\n"))
	if r := w.run(nil, "verify", w.reg.Host()+"/team/old:v1", "--policy", "policy.yaml", "--trusted-root", w.root, "--report-file", filepath.Join(w.dir, "exempt.json")); r.code != 0 {
		t.Fatalf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	const bases, scan = "BOLTSEAL_BASES_VERIFIED", "BOLTSEAL_SCAN_PASSED"
	for _, tc := range []struct {
		image           string
		args            []string
		claims, silence string
	}{
		{img, []string{"--require-gate", "gate.json", "--scan-report", "app.json"}, bases + " " + scan, ""},
		{img, []string{"--require-gate", "exempt.json", "--scan-report", "app.json"}, scan, bases},
		{img, []string{"--require-gate", "exempt.json", "--require-gate", "gate.json"}, "", bases},
		{img, []string{"--scan-report", "nobody.json"}, "", scan},
		{img, []string{"--scan-report", "nobody.json", "--scan-report", "app.json"}, "", scan},
		{img, []string{"--scan-report", "nothing.json", "--allow-empty-scan"}, "", scan},
		{img, []string{"--scan-report", "app.json", "--allow-empty-scan"}, scan, ""},
		{index, []string{"--scan-report", "amd64.json", "--allow-partial-scan"}, "", scan},
		{index, []string{"--scan-report", "index.json", "--allow-partial-scan"}, "", scan},
		{index, []string{"--scan-report", "index.json", "--scan-report", "arm64.json", "--allow-partial-scan"}, "", scan},
		{index, []string{"--scan-report", "arm64.json", "--scan-report", "amd64.json"}, scan, ""},
	} {
		r, doc := w.signJSON(append(tc.args, tc.image, "--vsa", "--attest-only", "--bundle-dir", "bundles")...)
		if r.code != 0 || len(doc.Signed) != 1 {
			t.Errorf("%q: exit %d: %s%s", tc.args, r.code, r.stdout, r.stderr)
			continue
		}
		levels := strings.Join(w.levels(doc.Signed[0].Bundle), " ")
		if want := strings.TrimSpace("SLSA_BUILD_LEVEL_UNEVALUATED " + tc.claims); levels != want {
			t.Errorf("%q: %s, want %s", tc.args, levels, want)
		}
		var want []string
		if tc.silence != "" {
			want = []string{"the verification summary of " + tc.image + " does not say " + tc.silence + " (docs/attestations.md)"}
		}
		if !slices.Equal(doc.Notices, want) {
			t.Errorf("%q: notices %q, want %q", tc.args, doc.Notices, want)
		}
	}
}

// Each platform of an index has a report about it, whatever the index calls what it
// lists.
func TestSignPlatforms(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	const repo = "team/multi"
	amd, arm, sbom := w.must(w.reg.PutImage(repo, "amd64", "amd64")), w.must(w.reg.PutImage(repo, "arm64", "arm64")), w.must(w.reg.PutImage(repo, "sbom", "sbom"))
	amd.Platform, arm.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}, &ocispec.Platform{OS: "linux", Architecture: "arm64"}
	claim := map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": amd.Digest.String()}
	sbom.Platform, sbom.Annotations = &ocispec.Platform{OS: "unknown", Architecture: "unknown"}, claim
	hidden := arm // which a runtime takes for its platform
	hidden.Annotations = claim
	at := func(d ocispec.Descriptor) string { return w.reg.Host() + "/" + repo + "@" + d.Digest.String() }
	two, attested, hiding := at(w.must(w.reg.PutIndex(repo, "two", amd, arm))), at(w.must(w.reg.PutIndex(repo, "attested", amd, sbom))), at(w.must(w.reg.PutIndex(repo, "hiding", amd, hidden)))
	inner := w.must(w.reg.PutIndex(repo, "inner", amd, arm))
	inner.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}
	nested := at(w.must(w.reg.PutIndex(repo, "nested", inner)))
	disguised := inner
	disguised.MediaType = ocispec.MediaTypeImageManifest
	lying := at(w.must(w.reg.PutIndex(repo, "lying", disguised)))
	w.scan("nested.json", nested, "")
	w.scan("inner.json", at(inner), "")
	w.scan("lying.json", lying, "")
	w.scan("amd64.json", at(amd), "")
	w.scan("arm64.json", at(arm), "")
	w.scan("bad.json", at(arm), "CRITICAL")
	w.scan("two.json", two, "")
	w.scan("name.json", w.reg.Host()+"/"+repo+":two", "")
	one := []string{"look at the scan reports", "of the 2 platforms of ", "none of them says that it is about linux/arm64 (" + arm.Digest.String() + ")", "trivy image --platform OS/ARCH", "--allow-partial-scan"}
	for _, tc := range []struct {
		name, image string
		reports     []string
		code        int
		says        []string
	}{
		{"one of two", two, []string{"amd64.json"}, 1, one},
		{"each", two, []string{"amd64.json", "arm64.json"}, 0, nil},
		{"each, and one is bad", two, []string{"amd64.json", "bad.json"}, 1, []string{"CVE-2026-1001"}},
		{"the index, which says of no platform", two, []string{"two.json"}, 1, []string{"linux/amd64 (" + amd.Digest.String() + "), linux/arm64 ("}},
		{"the name", w.reg.Host() + "/" + repo + ":two", []string{"name.json"}, 1, []string{"linux/amd64 (", "linux/arm64 ("}},
		{"an index in an index", nested, []string{"nested.json"}, 1, []string{"lists another index, " + inner.Digest.String(), "make one index of all platforms"}},
		{"the one inside", nested, []string{"inner.json"}, 1, []string{"lists another index"}},
		{"one that is listed as a manifest", lying, []string{"lying.json"}, 1, []string{"lists another index"}},
		{"beside an attestation", attested, []string{"amd64.json"}, 0, nil},
		{"beside what calls itself one", hiding, []string{"amd64.json"}, 1, one},
	} {
		args := []string{tc.image, "--sign-tags"}
		for _, r := range tc.reports {
			args = append(args, "--scan-report", r)
		}
		w.reset()
		r, doc := w.signJSON(args...)
		if r.code != tc.code || (len(doc.Signed) > 0) != (tc.code == 0) {
			t.Errorf("%s: exit %d, want %d: %s%s", tc.name, r.code, tc.code, r.stdout, r.stderr)
		}
		for _, want := range tc.says {
			if doc.Refused == nil || !strings.Contains(doc.Refused.Message+doc.Refused.Hint, want) {
				t.Errorf("%s: %+v does not say %q", tc.name, doc.Refused, want)
			}
		}
		if services, writes := w.asked(); tc.code != 0 && services+writes != 0 {
			t.Errorf("%s: %d requests to services, %d writes", tc.name, services, writes)
		}
	}
}

// levels reads those of the verification summary in a bundle.
func (w *signWorld) levels(bundle string) []string {
	w.t.Helper()
	var statement struct {
		Predicate struct{ VerifiedLevels []string }
	}
	w.statement(bundle, &statement)
	return statement.Predicate.VerifiedLevels
}

// statement reads the one in a bundle.
func (w *signWorld) statement(bundle string, into any) {
	w.t.Helper()
	body, err := os.ReadFile(bundle)
	if err != nil {
		w.t.Fatal(err)
	}
	var doc struct {
		DSSEEnvelope struct{ Payload []byte } `json:"dsseEnvelope"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(doc.DSSEEnvelope.Payload, into); err != nil {
		w.t.Fatal(err)
	}
}

// summarized reads a bundle: of what its verification summary is, and from which
// reports.
func (w *signWorld) summarized(bundle string) (resource string, reports []string) {
	w.t.Helper()
	var statement struct {
		Predicate struct {
			ResourceURI       string `json:"resourceUri"`
			InputAttestations []struct{ Name string }
		}
	}
	w.statement(bundle, &statement)
	for _, r := range statement.Predicate.InputAttestations {
		reports = append(reports, r.Name)
	}
	return statement.Predicate.ResourceURI, reports
}

// gate runs a gate that passes, and returns the file of its report.
func (w *signWorld) gate() string {
	w.t.Helper()
	w.signLegacy("team/base", w.image("team/base"), by())
	file := filepath.Join(w.dir, "gate.json")
	r := w.run(nil, "verify", w.reg.Host()+"/team/base:v1", "--trusted-root", w.root, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer, "--report-file", file)
	if r.code != 0 {
		w.t.Fatalf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	return file
}

// scan writes Trivy's report about an image, with a finding of the severity
// unless that is "", and returns its file.
func (w *signWorld) scan(name, about, severity string) string {
	w.t.Helper()
	found := ""
	if severity != "" {
		found = `{"VulnerabilityID": "CVE-2026-1001", "PkgName": "openssl", "InstalledVersion": "3.0", "FixedVersion": "3.1", "Status": "fixed", "Severity": "` + severity + `"}`
	}
	return w.file(name, []byte(`{"SchemaVersion": 2, "ArtifactName": "`+about+`", "ArtifactType": "container_image", "Metadata": {"RepoDigests": ["`+about+`"]},
		"Results": [{"Target": "app", "Class": "os-pkgs", "Type": "debian", "Vulnerabilities": [`+found+`]}]}`))
}
