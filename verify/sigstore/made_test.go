package sigstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// maker is the Config of one identity.
func (w *world) maker(subject string) sigstore.Config {
	w.t.Helper()
	id := must[sigstore.Identity](w.t)(sigstore.NewIdentity(
		must[sigstore.Matcher](w.t)(sigstore.Pattern(subject)), must[sigstore.Matcher](w.t)(sigstore.Pattern(actions)), nil))
	return sigstore.Config{Trust: w.trust, Identities: []sigstore.Identity{id}, Now: started}
}

func (w *world) made(c sigstore.Config, img image.Pinned) ([]sigstore.Made, error) {
	return sigstore.NewSession(client(), image.Ref{}).Made(context.Background(), c, img)
}

// statement is one about d, with annotations on its subject.
func statement(d descriptor, predicateType, predicate string, annotations map[string]any) []byte {
	subject := map[string]any{"digest": map[string]string{"sha256": d.Digest.Encoded()}}
	if annotations != nil {
		subject["annotations"] = annotations
	}
	other := map[string]any{"name": "other", "digest": map[string]string{"sha256": strings.Repeat("0", 64)}, "annotations": map[string]any{"not": "this"}}
	b, err := json.Marshal(map[string]any{
		"_type": "https://in-toto.io/Statement/v1", "subject": []any{other, subject},
		"predicateType": predicateType, "predicate": json.RawMessage(predicate),
	})
	if err != nil {
		panic(err)
	}
	return b
}

func (w *world) bundle(d descriptor, body []byte) {
	w.t.Helper()
	must[descriptor](w.t)(w.reg.PutBundle("team/app", d, body))
}

func (w *world) legacy(d descriptor, payload []byte, signers ...sigstoretest.Options) {
	w.t.Helper()
	var layers []registrytest.Layer
	for _, o := range signers {
		a := must[map[string]string](w.t)(w.in.Legacy(payload, o))
		layers = append(layers, registrytest.Layer{MediaType: registrytest.SimpleSigning, Blob: payload, Annotations: a})
	}
	must[descriptor](w.t)(w.reg.PutTagged("team/app", d.Digest.String(), ".sig", layers...))
}

// told is what a Made says, in one line.
func told(m sigstore.Made) string {
	s := fmt.Sprintf("%s %s %s by %s", m.Evidence.Format, m.Evidence.Storage, m.Evidence.PredicateType, m.Evidence.Signer)
	if m.Signature() {
		s += fmt.Sprintf(" %v", m.Annotations)
	} else {
		s += " " + string(m.Predicate)
	}
	return s
}

func TestMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	img, d := w.image("made")
	payload := []byte(strings.Replace(string(sigstoretest.Payload("ghcr.io/acme/app", d.Digest.String())), `"optional":null`, `"optional":{"env":"prod","n":1}`, 1))
	w.legacy(d, payload, by(release), by(audit))
	w.bundle(d, must[[]byte](t)(w.in.BundleOf(statement(d, sigstore.SignPredicate, "{}", map[string]any{"env": "prod"}), by(release))))
	w.bundle(d, must[[]byte](t)(w.in.BundleOf(statement(d, slsaType, `{"b": 1, "a": [2]}`, nil), by(release))))
	w.attest(d, sigstore.SignPredicate, nil, by(audit))
	w.attest(d, slsaType, nil, by(audit))
	// What is about another image, broken, not logged, or not about an image.
	_, other := must2(w.image("other"))
	w.bundle(d, must[[]byte](t)(w.in.Bundle(sigstore.SignPredicate, other.Digest.Encoded(), nil, by(release))))
	unlogged := by(release)
	unlogged.NoLog, unlogged.Timestamp = true, true
	w.attest(d, sigstore.SignPredicate, nil, unlogged)
	broken := must[[]byte](t)(w.in.Bundle(sigstore.SignPredicate, d.Digest.Encoded(), nil, by(release)))
	w.bundle(d, []byte(strings.Replace(string(broken), `"sig":"`, `"sig":"AAAA`, 1)))
	w.bundle(d, []byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`))
	w.bundle(d, must[[]byte](t)(w.in.BlobBundle(must[[]byte](t)(w.reg.Manifest("team/app", d.Digest.String())), by(release))))
	foreign := must[*sigstoretest.Instance](t)(sigstoretest.New(started))
	w.bundle(d, must[[]byte](t)(foreign.Bundle(sigstore.SignPredicate, d.Digest.Encoded(), nil, by(release))))

	made, err := w.made(w.maker(release), img)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range made {
		got = append(got, told(m))
		if m.Evidence.Digest != img.Digest() || m.Evidence.LogIndex == nil || (m.Bundle != nil) != strings.HasPrefix(m.Evidence.Format, "bundle") || m.Layer.Digest == "" {
			t.Errorf("%s: evidence %+v, bundle of %d bytes, layer %+v", told(m), m.Evidence, len(m.Bundle), m.Layer)
		}
	}
	slices.Sort(got)
	want := []string{
		`bundle-v0.3 referrer https://sigstore.dev/cosign/sign/v1 by ` + release + ` map[env:prod]`,
		`bundle-v0.3 referrer https://slsa.dev/provenance/v1 by ` + release + ` {"b":1,"a":[2]}`,
		`cosign-legacy sig-tag  by ` + release + ` map[env:prod n:1]`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("made\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for i, m := range made { // Layer tells those of one manifest apart
		if m.Evidence.Format == "cosign-legacy" && m.Layer.Annotations["dev.cosignproject.cosign/signature"] == "" {
			t.Errorf("signature %d: layer %+v", i, m.Layer)
		}
	}
	if made, err := w.made(w.maker("https://github.com/acme/nobody"), img); len(made) != 0 || err != nil {
		t.Errorf("of nobody: %d, %v", len(made), err)
	}
}

func must2[A, B any](a A, b B) (A, B) { return a, b }

// What one Config would let a Verifier pass is exactly what Made finds with it.
func TestMadeAgreesWithVerify(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, o := range []sigstoretest.Options{
		by(release), by(audit), {Identity: release, Issuer: "https://elsewhere.example"},
		{Identity: release, Issuer: actions, NoSCT: true}, {Identity: release, Issuer: actions, NoLog: true, Timestamp: true},
		{Identity: release, Issuer: actions, RekorV2: true}, {Identity: release, Issuer: actions, Version: "0.1"},
	} {
		img, d := w.image(fmt.Sprint("agree", i))
		w.sign(d, o)
		made, err := w.made(w.maker(release), img)
		if err != nil {
			t.Fatal(err)
		}
		v := must[verify.Verifier](t)(sigstore.NewSession(client(), image.Ref{}).Require(w.maker(release)))
		if verdict := v.Verify(context.Background(), img); verdict.Passed() != (len(made) == 1) {
			t.Errorf("%d: %d made; verdict %s, %v", i, len(made), verdict.Reason(), verdict.Err())
		}
	}
}

func TestMadeByKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ours, theirs := w.key("ours.pub"), w.key("theirs.pub")
	img, d := w.image("key")
	w.sign(d, sigstoretest.Options{Key: ours}, sigstoretest.Options{Key: theirs}, sigstoretest.Options{Key: ours, NoLog: true})
	c := sigstore.Config{Trust: w.trust, Keys: []sigstore.Key{must[sigstore.Key](t)(sigstore.ParseKey("ours.pub", w.keys["ours.pub"]))}, Now: started}
	for _, tc := range []struct {
		ignore bool
		want   int
	}{{false, 1}, {true, 2}} {
		c.IgnoreLog = tc.ignore
		made, err := w.made(c, img)
		if err != nil || len(made) != tc.want {
			t.Errorf("ignore log %v: %d made, %v; want %d", tc.ignore, len(made), err, tc.want)
		}
		for _, m := range made {
			if m.Evidence.Signer != "key sha256:"+w.fingerprint("ours.pub") {
				t.Errorf("signer %s", m.Evidence.Signer)
			}
		}
	}
}

// No answer, and more than is read, are errors beside what was found.
func TestMadeUnanswered(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		do    func(*world, descriptor)
		found int
		want  error
	}{
		{"referrers silent", func(w *world, _ descriptor) {
			w.reg.Break(registrytest.Fault{Path: "/referrers/", Status: 503})
		}, 1, registry.ErrUnavailable},
		{"tag silent", func(w *world, _ descriptor) { w.reg.Break(registrytest.Fault{Path: ".sig", Status: 503}) }, 1, registry.ErrUnavailable},
		{"denied", func(w *world, _ descriptor) { w.reg.Break(registrytest.Fault{Path: "/referrers/", Status: 403}) }, 1, registry.ErrDenied},
		{"a listed manifest missing", func(w *world, d descriptor) {
			w.reg.Break(registrytest.Fault{Path: "/manifests/sha256:", Status: 404})
		}, 1, registry.ErrUnavailable},
		{"too many layers", func(w *world, d descriptor) {
			payload := sigstoretest.Payload("x", d.Digest.String())
			layers := make([]registrytest.Layer, 257)
			for i := range layers {
				layers[i] = registrytest.Layer{MediaType: registrytest.SimpleSigning, Blob: payload, Annotations: map[string]string{"n": fmt.Sprint(i)}}
			}
			must[descriptor](w.t)(w.reg.PutTagged("team/app", d.Digest.String(), ".sig", layers...))
		}, 1, registry.ErrTooMany},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			img, d := w.image("unanswered")
			w.sign(d, by(release))
			w.legacy(d, sigstoretest.Payload("x", d.Digest.String()), by(release))
			w.reg.Reset(0)
			tc.do(w, d)
			made, err := w.made(w.maker(release), img)
			if !errors.Is(err, tc.want) || len(made) != tc.found {
				t.Errorf("%d made, error %v; want %d, %v", len(made), err, tc.found, tc.want)
			}
			if verify.Hint(err) == "" {
				t.Errorf("no hint in %v", err)
			}
		})
	}
}

func TestMadeRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	img, d := w.image("refuse")
	w.sign(d, by(release))
	for name, change := range map[string]func(*sigstore.Config){
		"nobody":    func(c *sigstore.Config) { c.Identities = nil },
		"predicate": func(c *sigstore.Config) { c.Predicate = slsaType },
		"platforms": func(c *sigstore.Config) { c.Platforms = []string{"linux/amd64"} },
		"several":   func(c *sigstore.Config) { c.Identities = append(c.Identities, c.Identities...); c.AtLeast = 2 },
		"elsewhere": func(c *sigstore.Config) { c.On = verify.SignedAttestation },
		"no trust":  func(c *sigstore.Config) { c.Trust = nil },
		"no log":    func(c *sigstore.Config) { c.IgnoreLog = true },
		"unknown key": func(c *sigstore.Config) {
			c.Identities, c.Keys = nil, []sigstore.Key{{}}
		},
	} {
		c := w.maker(release)
		change(&c)
		if made, err := w.made(c, img); err == nil || len(made) > 0 {
			t.Errorf("%s: %d made, %v; want an error", name, len(made), err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if made, err := sigstore.NewSession(client(), image.Ref{}).Made(ctx, w.maker(release), img); err == nil || len(made) > 0 {
		t.Errorf("cancelled: %d made, %v", len(made), err)
	}
}

func TestCheckLayer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	img, d := w.image("layer")
	other, _ := w.image("another")
	payload := sigstoretest.Payload("x", d.Digest.String())
	legacy := registrytest.Describe(registrytest.SimpleSigning, payload)
	legacy.Annotations = must[map[string]string](t)(w.in.Legacy(payload, by(release)))
	body := must[[]byte](t)(w.in.Bundle(sigstore.SignPredicate, d.Digest.Encoded(), nil, by(release)))
	for _, tc := range []struct {
		name  string
		layer ocispec.Descriptor
		blob  []byte
		img   image.Pinned
		by    string
		want  verify.Reason // "" for none
	}{
		{"legacy", legacy, payload, img, release, ""},
		{"bundle", registrytest.Describe(registrytest.BundleV03, body), body, img, release, ""},
		{"legacy of another image", legacy, payload, other, release, verify.BadSignature},
		{"bundle of another image", registrytest.Describe(registrytest.BundleV03, body), body, other, release, verify.BadSignature},
		{"legacy by another", legacy, payload, img, audit, verify.WrongSigner},
		{"bundle by another", registrytest.Describe(registrytest.BundleV03, body), body, img, audit, verify.WrongSigner},
		{"another payload", legacy, append([]byte(" "), payload...), img, release, verify.BadSignature},
		{"no bundle", registrytest.Describe(registrytest.BundleV03, nil), nil, img, release, verify.BadSignature},
		{"nothing", ocispec.Descriptor{}, nil, img, release, verify.BadSignature},
	} {
		made, err := sigstore.CheckLayer(context.Background(), tc.layer, tc.blob, w.maker(tc.by), tc.img)
		var r interface{ Reason() verify.Reason }
		switch {
		case tc.want == "" && (err != nil || made.Evidence.Signer != release || !made.Signature()):
			t.Errorf("%s: %+v, %v", tc.name, made, err)
		case tc.want != "" && (!errors.As(err, &r) || r.Reason() != tc.want || made.Evidence.Signer != ""):
			t.Errorf("%s: %+v, %v; want %s", tc.name, made, err, tc.want)
		}
	}
	if _, err := sigstore.CheckLayer(context.Background(), legacy, payload, sigstore.Config{Trust: w.trust}, img); err == nil {
		t.Error("nobody's signature was accepted")
	}
}
