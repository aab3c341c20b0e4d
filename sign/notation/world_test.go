package notation_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	ngo "github.com/notaryproject/notation-go"
	nregistry "github.com/notaryproject/notation-go/registry"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/notation"
	"github.com/boltseal/boltseal/verify"
	vnot "github.com/boltseal/boltseal/verify/notation"
)

const thumbprintAnnotation = "io.cncf.notary.x509chain.thumbprint#S256"

// registryAPI is a registry that has the referrers API.
var registryAPI = registrytest.Options{}

// both are the kinds of registries.
var both = map[string]registrytest.Options{"referrers API": {}, "fallback tag": {NoReferrers: true}}

// registryless is a descriptor where only a payload counts.
var registryless = ocispec.Descriptor{}

// A world is a registry, and one who signs.
type world struct {
	t         testing.TB
	reg       *registrytest.Registry
	authority *notationtest.Authority
	tsa       *notationtest.TSA
	key       *notation.Key
}

func newWorld(t testing.TB, o registrytest.Options) *world {
	t.Helper()
	w := &world{t: t, reg: registrytest.Start(o), authority: authority(t, notationtest.AuthorityOptions{Intermediates: 1})}
	t.Cleanup(w.reg.Close)
	w.key = keyOf(t, w.authority)
	return w
}

func noSleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func client() *registry.Client { return registry.New(registry.Options{Sleep: noSleep}) }

func (w *world) options(change ...func(*notation.Options)) notation.Options {
	o := notation.Options{Store: client(), Key: w.key, Now: time.Now, Sleep: noSleep}
	for _, c := range change {
		c(&o)
	}
	return o
}

// sign does what is ordered, by a Signer of its own.
func (w *world) sign(ctx context.Context, o sign.Order, change ...func(*notation.Options)) sign.Result {
	w.t.Helper()
	return must[*notation.Signer](w.t)(notation.New(w.options(change...))).Sign(ctx, o)
}

// signed is sign where everything has to go well.
func (w *world) signed(o sign.Order, change ...func(*notation.Options)) []sign.Record {
	w.t.Helper()
	res := w.sign(context.Background(), o, change...)
	for _, f := range res.Failures {
		w.t.Errorf("%s (%s): %v\n  reason %q, hint: %s", f.Reference, f.Image, f.Err, sign.Reason(f.Err), verify.Hint(f.Err))
	}
	if !res.Complete() {
		w.t.Fatalf("not complete: %d records, %d failures\n%v", len(res.Records), len(res.Failures), w.reg.Requests())
	}
	return res.Records
}

// image pushes an image of repository team/app.
func (w *world) image(seed string) (image.Pinned, ocispec.Descriptor) {
	w.t.Helper()
	d := must[ocispec.Descriptor](w.t)(w.reg.PutImage("team/app", "", seed))
	return w.pinned("team/app", d), d
}

func (w *world) pinned(repo string, d ocispec.Descriptor) image.Pinned {
	w.t.Helper()
	ref := must[image.Ref](w.t)(image.Parse(w.reg.Host() + "/" + repo + ":v1"))
	return must[image.Pinned](w.t)(ref.Pin(d.Digest.String()))
}

// jwsOf orders a JWS signature of images.
func jwsOf(images ...image.Pinned) sign.Order {
	return sign.Order{Images: images, Formats: []sign.Format{sign.JWS}}
}

// config is what consumers require.
func (w *world) config(metadata map[string]string) vnot.Config {
	w.t.Helper()
	c := vnot.Config{
		Certificates: []*x509.Certificate{w.authority.Root()}, SigningAuthority: []*x509.Certificate{w.authority.Root()},
		Identities: []vnot.Identity{must[vnot.Identity](w.t)(vnot.ParseIdentity("x509.subject: C=US, ST=WA, O=Acme, CN=release"))},
		Metadata:   metadata, Revocation: vnot.Skip,
	}
	if w.tsa != nil {
		c.TSA = []*x509.Certificate{w.tsa.Root()}
	}
	return c
}

// made returns what is stored of img by the authority.
func (w *world) made(img image.Pinned) []vnot.Made {
	w.t.Helper()
	return must[[]vnot.Made](w.t)(vnot.NewSession(client(), image.Ref{}, nil).Made(context.Background(), w.config(nil), img))
}

// formats returns format and storage of what is stored of img, sorted.
func (w *world) formats(img image.Pinned) []string {
	w.t.Helper()
	var all []string
	for _, m := range w.made(img) {
		all = append(all, m.Evidence.Format+" "+m.Evidence.Storage)
	}
	slices.Sort(all)
	return all
}

// verifies reports an error unless a gate passes, and notation-go's own verifier
// accepts the same image.
func (w *world) verifies(img image.Pinned, metadata map[string]string) {
	w.t.Helper()
	v := must[verify.Verifier](w.t)(vnot.NewSession(client(), image.Ref{}, nil).Require(w.config(metadata)))
	if verdict := v.Verify(context.Background(), img); !verdict.Passed() {
		w.t.Errorf("%s does not pass: %s, %v", img, verdict.Reason(), verdict.Err())
	}
	if err := w.theirs(img, metadata); err != nil {
		w.t.Errorf("notation-go does not verify %s: %v", img, err)
	}
}

// A trustStore is notation-go's, in memory.
type trustStore map[truststore.Type][]*x509.Certificate

func (s trustStore) GetCertificates(_ context.Context, t truststore.Type, _ string) ([]*x509.Certificate, error) {
	return s[t], nil
}

// theirs verifies img with nothing of ours.
func (w *world) theirs(img image.Pinned, metadata map[string]string) error {
	w.t.Helper()
	stores := []string{"ca:acme", "signingAuthority:acme"}
	root := []*x509.Certificate{w.authority.Root()}
	trust := trustStore{truststore.TypeCA: root, truststore.TypeSigningAuthority: root}
	if w.tsa != nil {
		stores = append(stores, "tsa:clock")
		trust[truststore.TypeTSA] = []*x509.Certificate{w.tsa.Root()}
	}
	doc := &trustpolicy.Document{Version: "1.0", TrustPolicies: []trustpolicy.TrustPolicy{{
		Name: "p", RegistryScopes: []string{"*"}, SignatureVerification: trustpolicy.SignatureVerification{VerificationLevel: "strict"},
		TrustStores: stores, TrustedIdentities: []string{"x509.subject: C=US, ST=WA, O=Acme, CN=release"},
	}}}
	v := must[ngo.Verifier](w.t)(verifier.New(doc, trust, nil))
	repo := must[*remote.Repository](w.t)(remote.NewRepository(img.String()))
	repo.PlainHTTP = true
	_, outcomes, err := ngo.Verify(context.Background(), v, nregistry.NewRepository(repo), ngo.VerifyOptions{
		ArtifactReference: img.String(), MaxSignatureAttempts: 100, UserMetadata: metadata,
	})
	if err == nil && len(outcomes) != 1 {
		err = errors.New("no outcome")
	}
	return err
}

// manifestOf returns the manifest of what was signed.
func (w *world) manifestOf(r sign.Record) ocispec.Manifest {
	w.t.Helper()
	repo, digest, _ := strings.Cut(strings.TrimPrefix(r.Source, w.reg.Host()+"/"), "@")
	var m ocispec.Manifest
	if err := json.Unmarshal(must[[]byte](w.t)(w.reg.Manifest(repo, digest)), &m); err != nil {
		w.t.Fatal(err)
	}
	return m
}

// writes returns the requests that have changed something.
func (w *world) writes() []string {
	var all []string
	for _, r := range w.reg.Requests() {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			all = append(all, r.String())
		}
	}
	return all
}

// nothingPushed reports an error for what was pushed beside the image.
func (w *world) nothingPushed(subject ocispec.Descriptor) {
	w.t.Helper()
	for _, req := range w.reg.Requests() {
		if req.URI != "/v2/team/app/manifests/"+subject.Digest.String() && req.Method == http.MethodPut && strings.HasPrefix(req.URI, "/v2/team/app/manifests/") {
			w.t.Errorf("pushed: %s", req)
		}
	}
}

// fails reports an error unless the Result has nothing but one Failure, of that
// reason, whose text has all of the words.
func fails(t testing.TB, res sign.Result, reason verify.Reason, words ...string) {
	t.Helper()
	if len(res.Records) > 0 || len(res.Failures) != 1 || res.Complete() {
		t.Fatalf("%d records, %d failures: %+v", len(res.Records), len(res.Failures), res.Failures)
	}
	f := res.Failures[0]
	if f.Image.Digest() != "" && !strings.Contains(f.Err.Error(), "sign "+f.Image.String()) {
		t.Errorf("it does not say of which image: %v", f.Err)
	}
	told(t, f.Err, reason, "sign ", "", "")
	for _, word := range words {
		if !strings.Contains(f.Err.Error(), word) {
			t.Errorf("%q is not in %v", word, f.Err)
		}
	}
}
