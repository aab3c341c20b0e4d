package notation_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/registrytest"
)

// registries are the two kinds that signatures are found in, by the storage that
// reports name.
var registries = []struct {
	name, storage string
	options       registrytest.Options
}{
	{"referrers API", "referrer", registrytest.Options{}},
	{"no referrers API", "fallback-tag", registrytest.Options{NoReferrers: true}},
}

// A place is a folder, which is the home of all that runs in it, and a registry.
type place struct {
	dir string
	reg *registrytest.Registry
}

// path returns the path of a file of the place.
func (p place) path(name ...string) string {
	return filepath.Join(append([]string{p.dir}, name...)...)
}

// config returns the path of a file of notation's.
func (p place) config(name ...string) string {
	return p.path(append([]string{"config", "notation"}, name...)...)
}

// env returns the environment of all that runs here.
func (p place) env() []string {
	return []string{
		"HOME=" + p.dir, "TMPDIR=" + p.dir, "DOCKER_CONFIG=" + p.dir, "XDG_CONFIG_HOME=" + p.path("config"), "XDG_CACHE_HOME=" + p.path("cache"),
		"PATH=" + os.Getenv("PATH"),
	}
}

// configure lets notation speak plain HTTP to the registry, as boltseal does to
// any on loopback.
func (p place) configure() error {
	return p.writeJSON(p.config("config.json"), map[string]any{"insecureRegistries": []string{p.reg.Host()}})
}

func (p place) writeJSON(name string, content any) error {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	return p.write(name, text)
}

// write writes a file, and the folders that it is in.
func (p place) write(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o600) //nolint:gosec // a file of the place
}

// fingerprint returns the SHA-256 of the first certificate of a PEM text.
func fingerprint(text []byte) (string, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return "", errors.New("there is no certificate")
	}
	sum := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(sum[:]), nil
}

// A workplace is the place of one test.
type workplace struct {
	place
	t       *testing.T
	command string // path of notation
}

func newWorkplace(t *testing.T, o registrytest.Options) *workplace {
	t.Helper()
	w := &workplace{place{t.TempDir(), registrytest.Start(o)}, t, notationProgram(t)}
	t.Cleanup(w.reg.Close)
	check(t, w.configure())
	return w
}

// An image is one that was pushed.
type image struct {
	repository, tag string // without the registry
	ocispec.Descriptor
	host string
}

func (i image) pinned() string { return i.host + "/" + i.repository + "@" + i.Digest.String() }
func (i image) tagged() string { return i.host + "/" + i.repository + ":" + i.tag }

// push pushes an image of its own.
func (w *workplace) push(repository string) image {
	w.t.Helper()
	d, err := w.reg.PutImage(repository, "v1", repository)
	check(w.t, err)
	return image{repository, "v1", d, w.reg.Host()}
}

// children returns the images that an index lists.
func (w *workplace) children(index image) []image {
	w.t.Helper()
	body, err := w.reg.Manifest(index.repository, index.Digest.String())
	check(w.t, err)
	var doc ocispec.Index
	check(w.t, json.Unmarshal(body, &doc))
	var all []image
	for _, d := range doc.Manifests {
		all = append(all, image{index.repository, "", d, index.host})
	}
	if len(all) == 0 {
		w.t.Fatalf("%s lists nothing", index.pinned())
	}
	return all
}

// versioned is what manifests begin with.
func versioned() specs.Versioned { return specs.Versioned{SchemaVersion: 2} }

// An outcome is how a process ended.
type outcome struct {
	command        string
	code           int
	stdout, stderr string
}

// String returns what a person would have seen.
func (o outcome) String() string {
	return fmt.Sprintf("%s: exit %d\n%s%s", o.command, o.code, o.stdout, o.stderr)
}

// limit is on any process.
const limit = time.Minute

func (w *workplace) execute(program string, args []string) outcome {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the programs under test
	cmd.Dir, cmd.Env = w.dir, w.env()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		w.t.Fatalf("%s %q: %v (%v)\n%s", filepath.Base(program), args, err, ctx.Err(), stderr.String())
	}
	return outcome{fmt.Sprintf("%s %q", filepath.Base(program), args), cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// boltseal runs the program under test.
func (w *workplace) boltseal(args ...string) outcome {
	w.t.Helper()
	return w.execute(boltseal, args)
}

// notation runs the other one.
func (w *workplace) notation(args ...string) outcome {
	w.t.Helper()
	return w.execute(w.command, args)
}

// must ends the test if the program has not ended well.
func must(t *testing.T, o outcome) outcome {
	t.Helper()
	if o.code != 0 {
		t.Fatal(o)
	}
	return o
}

// A verdict is what boltseal verify says of one image.
type verdict struct {
	outcome
	Passed bool   `json:"passed"`
	Reason string `json:"reason"`
	Checks []struct {
		Message  string `json:"message"`
		Evidence []struct {
			Format  string            `json:"format"`
			Storage string            `json:"storage"`
			Signer  string            `json:"signer"`
			Claims  map[string]string `json:"claims"`
		} `json:"evidence"`
		Candidates []candidate `json:"candidates"`
	} `json:"checks"`
}

// A candidate is a signature that was found, sound or not.
type candidate struct {
	Storage string `json:"storage"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// candidates returns those of all checks.
func (v verdict) candidates() []candidate {
	var all []candidate
	for _, c := range v.Checks {
		all = append(all, c.Candidates...)
	}
	return all
}

// verify has boltseal verify one image. Where it refuses what it was told to
// trust, there is no report, and the reason is "".
func (w *workplace) verify(ref string, flags ...string) verdict {
	w.t.Helper()
	v := verdict{outcome: w.boltseal(append([]string{"verify", ref, "--output", "json"}, flags...)...)}
	if v.code == 2 {
		return v
	}
	var report struct{ Images []verdict }
	if err := json.Unmarshal([]byte(v.stdout), &report); err != nil || len(report.Images) != 1 {
		w.t.Fatalf("%d images in the report (%v) of\n%s", len(report.Images), err, v)
	}
	report.Images[0].outcome = v.outcome
	v = report.Images[0]
	if passed := v.code == 0; passed != v.Passed || passed != (v.Reason == "verified") {
		w.t.Errorf("passed: %t, reason %q in the report of\n%s", v.Passed, v.Reason, v)
	}
	return v
}

// A statement is one of a trust policy.
type statement map[string]any

// strict returns the statement that trusts that certificate store and whoever
// has that name, with changes, which come in pairs.
func strict(store, identity string, changes ...any) statement {
	s := statement{
		"name": "images", "registryScopes": []string{"*"}, "signatureVerification": map[string]any{"level": "strict"},
		"trustStores": []string{store}, "trustedIdentities": []string{identity},
	}
	for i := 0; i+1 < len(changes); i += 2 {
		name, _ := changes[i].(string)
		s[name] = changes[i+1]
	}
	return s
}

// trust writes the trust policy that both programs read.
func (w *workplace) trust(statements ...statement) {
	w.t.Helper()
	check(w.t, w.writeJSON(w.config("trustpolicy.json"), map[string]any{"version": "1.0", "trustPolicies": statements}))
}

// store puts PEM certificates in a trust store such as "ca/acme".
func (w *workplace) store(name string, certificates []byte) {
	w.t.Helper()
	check(w.t, w.write(w.config("truststore", "x509", name, "certificates.pem"), certificates))
}

// byPolicy returns the flags that have boltseal read what notation reads.
func (w *workplace) byPolicy(flags ...string) []string {
	return append([]string{"--notation-trust-policy", w.config("trustpolicy.json"), "--notation-trust-store", w.config("truststore")}, flags...)
}

// testKey has notation make a key that it trusts, and the trust policy that
// names it. It returns the paths of the key and its certificate, and its name.
func (w *workplace) testKey() (key, certificate, identity string) {
	w.t.Helper()
	const name = "wabbit-networks.io"
	must(w.t, w.notation("cert", "generate-test", "--default", name))
	identity = "x509.subject: C=US, ST=WA, L=Seattle, O=Notary, CN=" + name
	w.trust(strict("ca:"+name, identity))
	return w.config("localkeys", name+".key"), w.config("localkeys", name+".crt"), identity
}

// serve starts a server on loopback and returns its address.
func (w *workplace) serve(h http.Handler) string {
	server := httptest.NewServer(h)
	w.t.Cleanup(server.Close)
	return server.URL
}

// An inspection is what notation says of an image's only signature, less what
// differs from one to the next.
type inspection struct {
	mediaType, algorithm, scheme, leaf, metadata, target string
	certificates, stamped                                int
	expires                                              bool
	manifest                                             string // what is in the registry: types, and the names of annotations
}

// inspect has notation look at an image's only signature.
func (w *workplace) inspect(i image) inspection {
	w.t.Helper()
	o := must(w.t, w.notation("inspect", "--output", "json", i.pinned()))
	var report struct {
		Signatures []struct {
			Digest                        string
			MediaType, SignatureAlgorithm string
			SignedAttributes              map[string]any
			UserDefinedAttributes         map[string]string
			UnsignedAttributes            struct {
				TimestampSignature struct{ Certificates []struct{} }
			}
			Certificates   []struct{ SHA256Fingerprint string }
			SignedArtifact ocispec.Descriptor
		}
	}
	if err := json.Unmarshal([]byte(o.stdout), &report); err != nil || len(report.Signatures) != 1 || len(report.Signatures[0].Certificates) == 0 {
		w.t.Fatalf("%v in %s", err, o)
	}
	s := report.Signatures[0]
	if s.SignedArtifact.Digest != i.Digest || s.SignedArtifact.Size != i.Size {
		w.t.Errorf("%s signs another image: %s", i.pinned(), o)
	}
	_, expires := s.SignedAttributes["expiry"]
	body, err := w.reg.Manifest(i.repository, s.Digest)
	check(w.t, err)
	var m ocispec.Manifest
	check(w.t, json.Unmarshal(body, &m))
	if m.Subject == nil || m.Subject.Digest != i.Digest || len(m.Layers) != 1 {
		w.t.Fatalf("the manifest of the signature of %s is %s", i.pinned(), body)
	}
	manifest := fmt.Sprint(m.SchemaVersion, m.MediaType, m.ArtifactType, m.Config, m.Subject.MediaType, m.Layers[0].MediaType, slices.Sorted(maps.Keys(m.Annotations)))
	return inspection{
		mediaType: s.MediaType, algorithm: s.SignatureAlgorithm, scheme: fmt.Sprint(s.SignedAttributes["signingScheme"]), leaf: s.Certificates[0].SHA256Fingerprint,
		metadata: fmt.Sprint(s.UserDefinedAttributes), target: s.SignedArtifact.MediaType,
		certificates: len(s.Certificates), stamped: len(s.UnsignedAttributes.TimestampSignature.Certificates), expires: expires, manifest: manifest,
	}
}

// check ends the test on an error of what it only prepares or reads.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
