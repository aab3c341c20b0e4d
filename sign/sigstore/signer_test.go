package sigstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/sigstore"
	"github.com/boltseal/boltseal/verify"
	vsig "github.com/boltseal/boltseal/verify/sigstore"
)

// both are registries with and without the referrers API.
var both = map[string]registrytest.Options{"referrers": {}, "fallback": {NoReferrers: true}}

func everything(imgs ...image.Pinned) sign.Order {
	return sign.Order{
		Images: imgs, Formats: []sign.Format{sign.Bundle, sign.Legacy}, Annotations: map[string]string{"env": "prod", "a<b": "c&d"},
		Attestations: []sign.Statement{{Type: slsaType, Predicate: json.RawMessage(`{"b":1,"a":["<"]}`)}},
	}
}

func bundleOnly(imgs ...image.Pinned) sign.Order {
	return sign.Order{Images: imgs, Formats: []sign.Format{sign.Bundle}}
}

func TestSign(t *testing.T) {
	t.Parallel()
	for name, o := range both {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, o)
			img, d := w.image("sign")
			records := w.signed(everything(img))
			storage := map[bool]string{false: "referrer", true: "fallback-tag"}[o.NoReferrers]
			if len(records) != 3 {
				t.Fatalf("%d records", len(records))
			}
			for i, r := range records {
				format, stored, predicate := sign.Bundle, storage, "https://sigstore.dev/cosign/sign/v1"
				switch i {
				case 1:
					format, stored, predicate = sign.Legacy, "sig-tag", ""
				case 2:
					predicate = slsaType
				}
				if r.Format != format || r.Storage != stored || r.PredicateType != predicate || r.Existed || r.Identity != identity || r.Issuer != issuer ||
					r.Image.String() != img.String() || r.Reference != img.Ref().String() || r.LogIndex == nil || r.SignedAt.IsZero() || (r.Bundle == nil) != (format == sign.Legacy) ||
					!strings.HasPrefix(r.Source, img.Ref().Name()) {
					t.Errorf("record %d: %+v", i, r)
				}
			}
			equal(t, "stored", w.found(w.by(identity), img), []string{
				"bundle-v0.3 " + storage + " " + slsaType + ` {"b":1,"a":["<"]}`,
				"bundle-v0.3 " + storage + " map[a<b:c&d env:prod]",
				"cosign-legacy sig-tag map[a<b:c&d env:prod]",
			})
			c := w.by(identity)
			w.verifies(c, img)
			c.Predicate = slsaType
			w.verifies(c, img)

			// The digest refers to the image as cosign writes it.
			_, digest, _ := strings.Cut(records[0].Source, "@")
			var m ocispec.Manifest
			if err := json.Unmarshal(must[[]byte](t)(w.reg.Manifest("team/app", digest)), &m); err != nil {
				t.Fatal(err)
			}
			if m.Subject.Digest != d.Digest || m.Subject.Size != d.Size || m.Subject.MediaType != d.MediaType || m.ArtifactType != registrytest.BundleV03 || m.Config.MediaType != ocispec.MediaTypeEmptyJSON ||
				len(m.Layers) != 1 || m.Layers[0].MediaType != registrytest.BundleV03 ||
				m.Annotations["dev.sigstore.bundle.content"] != "dsse-envelope" || m.Annotations["dev.sigstore.bundle.predicateType"] != "https://sigstore.dev/cosign/sign/v1" ||
				m.Annotations["org.opencontainers.image.created"] != "2026-03-01T12:00:00Z" {
				t.Errorf("manifest %+v", m)
			}
		})
	}
}

// The second run finds it all, and writes and logs nothing.
func TestSignTwice(t *testing.T) {
	t.Parallel()
	for name, o := range both {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, o)
			img, _ := w.image("twice")
			order := everything(img)
			first := w.signed(order)
			w.wire.reset(nil)
			order.Attestations[0].Predicate = json.RawMessage(" {\n\"a\": [\"\\u003c\"], \"b\": 1}")
			second := w.signed(order)
			for _, req := range w.wire.writes() {
				if !strings.Contains(req, "/signingCert") {
					t.Errorf("the second run writes: %s", req)
				}
			}
			for i := range second {
				want := first[i]
				want.Existed = true
				if fmt.Sprintf("%+v", second[i]) == fmt.Sprintf("%+v", want) {
					continue
				}
				a, b := second[i], want
				a.LogIndex, b.LogIndex = nil, nil
				if fmt.Sprintf("%+v", a) != fmt.Sprintf("%+v", b) || *second[i].LogIndex != *want.LogIndex {
					t.Errorf("record %d is %+v, was %+v", i, second[i], first[i])
				}
			}
			order.Force = true
			for _, r := range w.signed(order) {
				if r.Existed {
					t.Errorf("%s existed, and was to be made again", r.Format)
				}
			}
			if n := len(w.found(w.by(identity), img)); n != 6 {
				t.Errorf("%d are there after signing twice by force, want 6", n)
			}
		})
	}
}

// Where the token says who signs, what is there is found without a certificate,
// which would be in a public log for good.
func TestSignTwiceWithoutCertificate(t *testing.T) {
	t.Parallel()
	github := map[string]any{}
	email := map[string]any{"iss": sigstoretest.EmailIssuer, "sub": "1", "email": "dev@example.com", "email_verified": true}
	fork := map[string]any{"repository": "acme/fork"}
	for _, tc := range []struct {
		name          string
		first, second map[string]any // claims of the tokens
		cert          map[string]any // of the token that Fulcio sees, if another
		force, more   bool
		existed       bool
		asked         int // Fulcio, for the second run
	}{
		{name: "workflow", first: github, second: github, existed: true},
		{name: "workflow, by force", first: github, second: github, force: true, asked: 1},
		{name: "workflow, another image", first: github, second: github, more: true, existed: true, asked: 1},
		{name: "workflow that another repository calls", first: github, second: fork, asked: 1},
		{name: "e-mail", first: email, second: email, existed: true, asked: 1},
		// What the certificate says counts.
		{name: "another caller than the token says", first: fork, second: github, cert: fork, existed: true, asked: 1},
		{name: "the caller that the token does not say", first: github, second: fork, cert: github, existed: true, asked: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registrytest.Options{})
			img, _ := w.image("twice")
			other, _ := w.image("other")
			w.signed(bundleOnly(img), func(o *sigstore.Options) { o.Token = w.token(tc.first) })
			tokens, logged := 0, len(w.srv.Rekor1.Requests())+len(w.srv.Rekor2.Requests())
			order := bundleOnly(img)
			if order.Force = tc.force; tc.more {
				order.Images = append(order.Images, other)
			}
			if tc.cert != nil {
				seen := must[string](t)(w.srv.Token(tc.cert))
				w.wire.reset(func(_ int, req *http.Request) cut {
					if strings.Contains(req.URL.Path, "/signingCert") {
						req.Header.Set("Authorization", "Bearer "+seen)
					}
					return cut{}
				})
			}
			before := len(w.srv.Fulcio.Requests())
			records := w.signed(order, func(o *sigstore.Options) {
				token := w.token(tc.second)
				o.Token = func(ctx context.Context) (sigstore.Token, error) { tokens++; return token(ctx) }
			})
			if records[0].Existed != tc.existed || tokens != 1 {
				t.Errorf("existed %v, %d tokens", records[0].Existed, tokens)
			}
			if n := len(w.srv.Fulcio.Requests()) - before; n != tc.asked {
				t.Errorf("Fulcio was asked %d times, want %d", n, tc.asked)
			}
			if n := len(w.srv.Rekor1.Requests()) + len(w.srv.Rekor2.Requests()) - logged; tc.existed && !tc.more && n > 0 {
				t.Errorf("%d requests to logs", n)
			}
		})
	}
}

// What is not the same signature does not count as being there, and is no
// obstacle.
func TestSignBeside(t *testing.T) {
	t.Parallel()
	by := func(subject string) sigstoretest.Options {
		o := sigstoretest.GitHubOptions()
		o.Identity = subject
		return o
	}
	// claimed is what the same workflow signs for another caller: oid is what follows
	// Fulcio's arc.
	claimed := func(oid, value string) func(w *world, d ocispec.Descriptor) {
		return func(w *world, d ocispec.Descriptor) {
			o := by(identity)
			o.Claims[oid] = value
			w.bundle(d, signType, nil, o)
		}
	}
	for _, tc := range []struct {
		name string
		put  func(w *world, d ocispec.Descriptor)
	}{
		{"another identity", func(w *world, d ocispec.Descriptor) { w.bundle(d, signType, nil, by(audit)) }},
		{"another issuer", func(w *world, d ocispec.Descriptor) {
			o := by(identity)
			o.Issuer = "https://gitlab.example"
			w.bundle(d, signType, nil, o)
		}},
		{"called by another repository", claimed("1.12", "https://github.com/evil/app")},
		{"called by another repository of that name", claimed("1.15", "666")},
		{"called by another owner", claimed("1.16", "https://github.com/evil")},
		{"called by another owner of that name", claimed("1.17", "666")},
		{"called by another workflow", claimed("1.18", "https://github.com/acme/app/.github/workflows/test.yml@refs/heads/main")},
		{"called for another ref", claimed("1.14", "refs/pull/7/merge")},
		{"on another runner", claimed("1.11", "self-hosted")},
		{"of another repository, as cosign has it", claimed("1.5", "evil/app")},
		{"of another ref, as cosign has it", claimed("1.6", "refs/pull/7/merge")},
		{"without a repository", func(w *world, d ocispec.Descriptor) {
			w.bundle(d, signType, nil, sigstoretest.Options{Identity: identity, Issuer: issuer})
		}},
		{"an identity that is longer", func(w *world, d ocispec.Descriptor) { w.bundle(d, signType, nil, by(identity+"2")) }},
		{"an attestation", func(w *world, d ocispec.Descriptor) { w.bundle(d, slsaType, nil, by(identity)) }},
		{"not logged", func(w *world, d ocispec.Descriptor) {
			o := by(identity)
			o.NoLog, o.Timestamp = true, true
			w.bundle(d, signType, nil, o)
		}},
		{"of another image", func(w *world, d ocispec.Descriptor) {
			_, other := w.image("other")
			body := must[[]byte](w.t)(w.in.Bundle(signType, other.Digest.Encoded(), nil, by(identity)))
			must[ocispec.Descriptor](w.t)(w.reg.PutBundle("team/app", d, body))
		}},
		{"broken", func(w *world, d ocispec.Descriptor) {
			body := must[[]byte](w.t)(w.in.Bundle(signType, d.Digest.Encoded(), nil, by(identity)))
			must[ocispec.Descriptor](w.t)(w.reg.PutBundle("team/app", d, []byte(strings.Replace(string(body), `"sig":"`, `"sig":"AAAA`, 1))))
		}},
		{"with annotations", func(w *world, d ocispec.Descriptor) {
			w.signed(sign.Order{Images: []image.Pinned{w.pinned("team/app", d)}, Formats: []sign.Format{sign.Bundle}, Annotations: map[string]string{"a": "b"}})
		}},
		{"another format", func(w *world, d ocispec.Descriptor) {
			w.signed(sign.Order{Images: []image.Pinned{w.pinned("team/app", d)}, Formats: []sign.Format{sign.Legacy}})
		}},
		{"of an older form", func(w *world, d ocispec.Descriptor) {
			o := by(identity)
			o.Version = "0.2"
			w.bundle(d, signType, nil, o)
		}},
		{"beside another layer", func(w *world, d ocispec.Descriptor) {
			body := must[[]byte](w.t)(w.in.Bundle(signType, d.Digest.Encoded(), nil, by(identity)))
			must[ocispec.Descriptor](w.t)(w.reg.PutReferrer("team/app", d, registrytest.BundleV03,
				registrytest.Layer{MediaType: registrytest.BundleV03, Blob: body}, registrytest.Layer{MediaType: "text/plain", Blob: []byte("x")}))
		}},
		{"of another instance", func(w *world, d ocispec.Descriptor) {
			foreign := must[*sigstoretest.Instance](w.t)(sigstoretest.New(started))
			body := must[[]byte](w.t)(foreign.Bundle(signType, d.Digest.Encoded(), nil, by(identity)))
			must[ocispec.Descriptor](w.t)(w.reg.PutBundle("team/app", d, body))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registrytest.Options{NoReferrers: strings.HasPrefix(tc.name, "an")})
			img, d := w.image("beside")
			tc.put(w, d)
			records := w.signed(bundleOnly(img))
			if len(records) != 1 || records[0].Existed {
				t.Errorf("records %+v", records)
			}
			w.verifies(w.by(identity), img)
			if again := w.signed(bundleOnly(img)); !again[0].Existed || again[0].Source != records[0].Source {
				t.Errorf("the second run has %+v, the first %+v", again[0], records[0])
			}
		})
	}
}

// Another run of the same job finds what the first one has signed: its number and
// its commit are others.
func TestSignInAnotherRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, d := w.image("another run")
	o := sigstoretest.GitHubOptions()
	for oid, value := range map[string]string{
		"1.2": "schedule", "1.3": "ff", "1.4": "nightly", "1.10": "ff", "1.13": "ff", "1.19": "ff", "1.20": "schedule",
		"1.21": "https://github.com/acme/app/actions/runs/1/attempts/1", "1.22": "private",
	} {
		o.Claims[oid] = value
	}
	w.bundle(d, signType, nil, o)
	if r := w.signed(bundleOnly(img)); !r[0].Existed {
		t.Errorf("%+v", r)
	}
}

const signType = "https://sigstore.dev/cosign/sign/v1"

func (w *world) bundle(d ocispec.Descriptor, predicateType string, predicate []byte, o sigstoretest.Options) {
	w.t.Helper()
	body := must[[]byte](w.t)(w.in.Bundle(predicateType, d.Digest.Encoded(), predicate, o))
	must[ocispec.Descriptor](w.t)(w.reg.PutBundle("team/app", d, body))
}

func TestAttestBeside(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, _ := w.image("attest")
	order := func(typ, predicate string) sign.Order {
		return sign.Order{Images: []image.Pinned{img}, Attestations: []sign.Statement{{Type: typ, Predicate: json.RawMessage(predicate)}}}
	}
	for _, tc := range []struct {
		typ, predicate string
		existed        bool
	}{
		{slsaType, `{"a":1,"b":{"c":[1,2],"d":null}}`, false},
		{slsaType, `{ "b": {"d":null,"c":[1,2]}, "a":1 }`, true},
		{vexType, `{"a":1,"b":{"c":[1,2],"d":null}}`, false},
		{slsaType, `{"a":1,"b":{"c":[2,1],"d":null}}`, false},
		{slsaType, `{"a":9007199254740993}`, false},
		{slsaType, `{"a":9007199254740992}`, false},
		{slsaType, `{"a":9007199254740993}`, true},
		{slsaType, `{"a":"1"}`, false},
		{slsaType, `{"a":1}`, false},
	} {
		records := w.signed(order(tc.typ, tc.predicate))
		if len(records) != 1 || records[0].Existed != tc.existed || records[0].PredicateType != tc.typ || records[0].Format != sign.Bundle {
			t.Errorf("%s %s: %+v", tc.typ, tc.predicate, records)
		}
	}
	// The same one twice in an Order is one.
	two := order(slsaType, `{"x":[1]}`)
	two.Attestations = append(two.Attestations, sign.Statement{Type: slsaType, Predicate: json.RawMessage(`{"x" : [1]}`)})
	if records := w.signed(two); len(records) != 1 {
		t.Errorf("%d records for one attestation", len(records))
	}
}

// cosign 2 takes bundles first, and needs the log's own time in one of them: Rekor
// v2 gives none. Such a bundle does not do beside a signature for cosign 2, and
// where it is the only one there, users are told.
func TestSignForCosign2(t *testing.T) {
	t.Parallel()
	v1 := sigstoretest.GitHubOptions()
	v2 := v1
	v2.RekorV2 = true
	theirs := v2
	theirs.Identity = audit
	predicate := sign.Statement{Type: slsaType, Predicate: json.RawMessage(`{"a":1}`)}
	for _, tc := range []struct {
		name    string
		put     []sigstoretest.Options
		order   sign.Order
		existed []bool
		notice  bool
	}{
		{"both formats", []sigstoretest.Options{v2}, sign.Order{Formats: []sign.Format{sign.Bundle, sign.Legacy}}, []bool{false, false}, false},
		{"both formats, Rekor v1", []sigstoretest.Options{v1}, sign.Order{Formats: []sign.Format{sign.Bundle, sign.Legacy}}, []bool{true, false}, false},
		{"both formats, both logs", []sigstoretest.Options{v2, v1}, sign.Order{Formats: []sign.Format{sign.Bundle, sign.Legacy}}, []bool{true, false}, false},
		{"bundle", []sigstoretest.Options{v2}, sign.Order{Formats: []sign.Format{sign.Bundle}}, []bool{true}, false},
		{"legacy", []sigstoretest.Options{v2}, sign.Order{Formats: []sign.Format{sign.Legacy}}, []bool{false}, true},
		{"legacy, both logs", []sigstoretest.Options{v2, v1}, sign.Order{Formats: []sign.Format{sign.Legacy}}, []bool{false}, false},
		{"legacy, none there", nil, sign.Order{Formats: []sign.Format{sign.Legacy}}, []bool{false}, false},
		{"legacy, by force", []sigstoretest.Options{v2}, sign.Order{Formats: []sign.Format{sign.Legacy}, Force: true}, []bool{false}, true},
		{"legacy and an attestation", []sigstoretest.Options{v2}, sign.Order{Formats: []sign.Format{sign.Legacy}, Attestations: []sign.Statement{predicate}}, []bool{false, false}, false},
		{"of another", []sigstoretest.Options{theirs}, sign.Order{Formats: []sign.Format{sign.Bundle, sign.Legacy}}, []bool{false, false}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registrytest.Options{})
			img, d := w.image("cosign 2")
			for _, o := range tc.put {
				w.bundle(d, signType, nil, o)
			}
			order := tc.order
			order.Images = []image.Pinned{img}
			by := func(o *sigstore.Options) {
				if slices.Contains(order.Formats, sign.Legacy) { // as cli chooses them
					o.Services = o.Legacy
				}
			}
			for run := range 2 {
				var existed []bool
				for _, r := range w.signed(order, by) {
					existed = append(existed, r.Existed)
					if told := r.Notice != ""; told != (tc.notice && r.Format == sign.Legacy) {
						t.Errorf("run %d: notice of %s: %q", run, r.Format, r.Notice)
					}
				}
				want := tc.existed
				if run > 0 && !order.Force { // nothing is made twice
					want = slices.Repeat([]bool{true}, len(want))
				}
				if !slices.Equal(existed, want) {
					t.Errorf("run %d: existed %v, want %v", run, existed, want)
				}
			}
		})
	}
	// A key's signature needs no time.
	w := newWorld(t, registrytest.Options{})
	img, _ := w.image("by key")
	key := newKey(t)
	byKey := func(o *sigstore.Options) { o.Token, o.Key = nil, key }
	w.signed(bundleOnly(img), byKey)
	order := sign.Order{Images: []image.Pinned{img}, Formats: []sign.Format{sign.Bundle, sign.Legacy}}
	if r := w.signed(order, byKey); !r[0].Existed || r[1].Notice != "" {
		t.Errorf("%+v", r)
	}
}

// One manifest that is named by two tags, or as part of an index, is signed once
// and recorded for each.
func TestSignRecursive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	child := func(seed, arch string) ocispec.Descriptor {
		d := must[ocispec.Descriptor](t)(w.reg.PutImage("team/app", "", seed))
		d.Platform = &ocispec.Platform{OS: "linux", Architecture: arch}
		return d
	}
	amd, arm := child("amd", "amd64"), child("arm", "arm64")
	provenance := child("provenance", "unknown")
	provenance.Platform.OS = "unknown"
	provenance.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": amd.Digest.String()}
	inner := must[ocispec.Descriptor](t)(w.reg.PutIndex("team/app", "", arm, amd))
	index := must[ocispec.Descriptor](t)(w.reg.PutIndex("team/app", "v1", amd, arm, amd, provenance, inner))
	img := w.pinned("team/app", index)
	latest := must[image.Pinned](t)(must[image.Ref](t)(image.Parse(w.reg.Host() + "/team/app:latest")).Pin(img.Digest()))
	order := sign.Order{
		Images: []image.Pinned{img, latest, w.pinned("team/app", amd)}, Formats: []sign.Format{sign.Bundle}, Recursive: true,
		Attestations: []sign.Statement{{Type: slsaType, Predicate: json.RawMessage(`{}`)}},
	}
	records := w.signed(order)
	var got []string
	for _, r := range records {
		got = append(got, fmt.Sprintf("%s %s %s %s", r.Reference[strings.LastIndex(r.Reference, "/")+1:], r.Image.Digest(), r.Platform, r.PredicateType))
	}
	var want []string
	for _, tag := range []string{"app:v1", "app:latest"} {
		for _, line := range []string{
			index.Digest.String() + "  " + signType, index.Digest.String() + "  " + slsaType,
			amd.Digest.String() + " linux/amd64 " + signType, arm.Digest.String() + " linux/arm64 " + signType,
			provenance.Digest.String() + "  " + signType, inner.Digest.String() + "  " + signType,
		} {
			want = append(want, tag+" "+line)
		}
	}
	want = append(want, "app:v1 "+amd.Digest.String()+"  "+signType, "app:v1 "+amd.Digest.String()+"  "+slsaType)
	equal(t, "records", got, want)
	for _, d := range []ocispec.Descriptor{index, amd, arm, provenance, inner} {
		n := 1
		if d.Digest == index.Digest || d.Digest == amd.Digest {
			n = 2 // with the attestation
		}
		if found := w.found(w.by(identity), w.pinned("team/app", d)); len(found) != n {
			t.Errorf("%s has %q", d.Digest, found)
		}
	}
}

// The digest that was resolved is signed, wherever the tag leads to by then.
func TestSignMovedTag(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	d := must[ocispec.Descriptor](t)(w.reg.PutImage("team/app", "v1", "resolved"))
	img := w.pinned("team/app", d)
	other := must[ocispec.Descriptor](t)(w.reg.PutImage("team/app", "v1", "swapped"))
	w.signed(everything(img))
	if n := len(w.found(w.by(identity), img)); n != 3 {
		t.Errorf("the image that was resolved has %d signatures", n)
	}
	if found := w.found(w.by(identity), w.pinned("team/app", other)); len(found) != 0 {
		t.Errorf("the other image has %q", found)
	}
}

func TestSignElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{NoReferrers: true})
	_, d := w.image("elsewhere")
	must[ocispec.Descriptor](t)(w.reg.PutImage("team/copy", "", "elsewhere"))
	repo := must[image.Ref](t)(image.ParseRepository(w.reg.Host() + "/team/signatures"))
	imgs := []image.Pinned{w.pinned("team/app", d), w.pinned("team/copy", d)}
	records := w.signed(everything(imgs...), func(o *sigstore.Options) { o.Repository = repo })
	if len(records) != 6 {
		t.Fatalf("%d records", len(records))
	}
	for i, r := range records {
		if !strings.HasPrefix(r.Source, repo.Name()) || r.Image.String() != imgs[i/3].String() {
			t.Errorf("record %+v", r)
		}
	}
	c := w.by(identity)
	if found := w.found(c, imgs[0]); len(found) != 0 {
		t.Errorf("beside the image are %q", found)
	}
	c.Repository = repo
	if found := w.found(c, imgs[0]); len(found) != 3 { // the copies share them
		t.Errorf("there are %q", found)
	}
	w.verifies(c, imgs[1])
}

// An identity is taken to the letter, whatever characters it has.
func TestIdentityToTheLetter(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, d := w.image("letter")
	w.bundle(d, signType, nil, sigstoretest.Options{Identity: identity, Issuer: issuer})
	star := w.token(map[string]any{"job_workflow_ref": "acme/app/.github/workflows/*.yml@refs/heads/main"})
	byStar := func(o *sigstore.Options) { o.Token = star }
	records := w.signed(bundleOnly(img), byStar)
	if want := strings.Replace(identity, "release.yml", "*.yml", 1); records[0].Existed || records[0].Identity != want {
		t.Errorf("record %+v", records[0])
	}
	if again := w.signed(bundleOnly(img), byStar); !again[0].Existed || again[0].Identity != records[0].Identity {
		t.Errorf("the second time %+v", again[0])
	}
	for _, claims := range []map[string]any{
		{"iss": sigstoretest.EmailIssuer, "sub": "42", "email": "me+x@example.com", "email_verified": true},
		{"iss": sigstoretest.UsernameIssuer, "sub": "someone"},
	} {
		person := func(o *sigstore.Options) { o.Token = w.token(claims) }
		records := w.signed(bundleOnly(img), person)
		if again := w.signed(bundleOnly(img), person); records[0].Existed || !again[0].Existed || records[0].Issuer != claims["iss"] {
			t.Errorf("%v: %+v, then %+v", claims, records[0], again[0])
		}
	}
}

// However many images there are, a certificate is asked for once; and again when
// half of its time is over.
func TestCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	var imgs []image.Pinned
	for i := range 12 {
		img, _ := w.image(fmt.Sprint("certificate", i))
		imgs = append(imgs, img)
	}
	w.signed(bundleOnly(imgs...))
	if n := len(w.srv.Fulcio.Requests()); n != 1 {
		t.Errorf("%d requests to Fulcio for %d images", n, len(imgs))
	}
	w.srv.Reset()
	order := bundleOnly(imgs[:4]...)
	order.Force = true
	var mu sync.Mutex
	var done []int
	w.wire.reset(w.perEntry(3 * time.Minute))
	w.signed(order, func(o *sigstore.Options) {
		o.Jobs = 1
		o.Done = func(n, of int) {
			mu.Lock()
			defer mu.Unlock()
			done = append(done, n*100+of)
		}
	})
	if n := len(w.srv.Fulcio.Requests()); n != 2 {
		t.Errorf("%d requests to Fulcio in twelve minutes", n)
	}
	if fmt.Sprint(done) != "[104 204 304 404]" {
		t.Errorf("done: %v", done)
	}
}

// perEntry lets time pass with each entry that is sent to a log.
func (w *world) perEntry(d time.Duration) func(int, *http.Request) cut {
	return func(_ int, req *http.Request) cut {
		if strings.HasSuffix(req.URL.Path, "/log/entries") {
			w.clock.Add(d)
		}
		return cut{}
	}
}

// Where no certificate is given, Fulcio is not asked for each image anew, and
// nothing is pushed.
func TestNoCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	var imgs []image.Pinned
	for i := range 5 {
		img, _ := w.image(fmt.Sprint("none", i))
		imgs = append(imgs, img)
	}
	w.srv.Fulcio.Inject(sigstoretest.Fault{Status: 403, Body: []byte(`{"code":7,"message":"no"}`)})
	res := w.sign(context.Background(), bundleOnly(imgs...))
	if len(res.Failures) != 5 || len(res.Records) != 0 {
		t.Fatalf("%+v", res)
	}
	for i, f := range res.Failures {
		if f.Image.String() != imgs[i].String() || sign.Reason(f.Err) != verify.Denied || !strings.Contains(f.Err.Error(), "Fulcio") || verify.Hint(f.Err) == "" {
			t.Errorf("%v (%s)", f.Err, sign.Reason(f.Err))
		}
	}
	if n := len(w.srv.Fulcio.Requests()); n != 1 {
		t.Errorf("%d requests to Fulcio", n)
	}
	for _, req := range w.wire.writes() {
		if strings.Contains(req, " /v2/") {
			t.Errorf("pushed: %s", req)
		}
	}
}

// Tokens of two people in one run: what was looked for is not what would be
// signed.
func TestCertificateOfAnother(t *testing.T) {
	t.Parallel()
	for says, claims := range map[string]map[string]any{
		`its subject is "` + audit + `" now, and was "` + identity + `"`:                                         {"job_workflow_ref": "acme/audit/.github/workflows/sign.yml@refs/heads/main"},
		`its source-repository-uri is "https://github.com/acme/fork" now, and was "https://github.com/acme/app"`: {"repository": "acme/fork"},
	} {
		w := newWorld(t, registrytest.Options{})
		a, _ := w.image("one")
		b, _ := w.image("two")
		w.wire.reset(w.perEntry(6 * time.Minute))
		calls := 0
		res := w.sign(context.Background(), bundleOnly(a, b), func(o *sigstore.Options) {
			o.Jobs = 1
			o.Token = func(ctx context.Context) (sigstore.Token, error) {
				calls++
				if calls == 1 {
					return w.token(nil)(ctx)
				}
				return w.token(claims)(ctx)
			}
		})
		if len(res.Failures) == 0 {
			t.Fatalf("%d records; %d tokens", len(res.Records), calls)
		}
		for _, f := range res.Failures {
			if sign.Reason(f.Err) != verify.WrongSigner || !strings.Contains(f.Err.Error(), says) {
				t.Errorf("%v (%s)", f.Err, sign.Reason(f.Err))
			}
		}
		for _, img := range []image.Pinned{a, b} {
			if found := w.found(w.by(audit), img); len(found) > 0 {
				t.Errorf("signed by another: %q", found)
			}
		}
	}
}

// Without a trust root nobody is asked for a token or a certificate, and nothing
// is logged: it could not be verified.
func TestNoTrustRoot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, _ := w.image("trustless")
	key := newKey(t)
	for name, by := range map[string]func(*sigstore.Options){
		"keyless": func(o *sigstore.Options) {
			o.Token = func(context.Context) (sigstore.Token, error) {
				t.Error("a token was asked for")
				return sigstore.Token{}, errors.New("none")
			}
		},
		"key": func(o *sigstore.Options) { o.Key, o.Token = key, nil },
	} {
		res := w.sign(context.Background(), bundleOnly(img), by, func(o *sigstore.Options) {
			o.Trust = vsig.TrustTUF(vsig.TUFOptions{Mirror: "https://tuf.example", Root: []byte("{}")})
		})
		fails(t, res, verify.Unavailable, "obtain the trust root: no trust root: trust root from https://tuf.example")
		if hint := verify.Hint(res.Failures[0].Err); !strings.Contains(hint, "--trusted-root") {
			t.Errorf("%s: next: %s", name, hint)
		}
	}
	if n := w.srv.Requests(); n > 0 {
		t.Errorf("the services were asked %d times", n)
	}
}

// The certificate of another authority, in no log of certificates, or for another
// key, is found out before anything is logged.
func TestForeignCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, _ := w.image("foreign")
	foreign := must[*sigstoretest.Instance](t)(sigstoretest.New(started))
	srv := must[*sigstoretest.Services](t)(foreign.Serve(sigstoretest.ServeOptions{}))
	t.Cleanup(srv.Close)
	config := must[*sigstore.SigningConfig](t)(sigstore.ParseSigningConfig(must[[]byte](t)(srv.SigningConfig(sigstoretest.Without{}))))
	res := w.sign(context.Background(), bundleOnly(img), func(o *sigstore.Options) {
		o.Services = must[sigstore.Services](t)(config.Services(started, 1, 2))
		o.Token = func(context.Context) (sigstore.Token, error) {
			return sigstore.ParseToken(must[string](t)(srv.Token(nil)), "sigstore", started)
		}
	})
	fails(t, res, verify.BadSignature, "no authority of the trust root")
	if n := len(srv.Rekor1.Requests()) + len(srv.Rekor2.Requests()); n > 0 {
		t.Errorf("%d requests to the log", n)
	}

	// Fulcio has told no certificate transparency log.
	secretly := must[*sigstoretest.Services](t)(w.in.Serve(sigstoretest.ServeOptions{Now: w.clock.Now, NoSCT: true}))
	t.Cleanup(secretly.Close)
	config = must[*sigstore.SigningConfig](t)(sigstore.ParseSigningConfig(must[[]byte](t)(secretly.SigningConfig(sigstoretest.Without{}))))
	res = w.sign(context.Background(), bundleOnly(img), func(o *sigstore.Options) {
		o.Services = must[sigstore.Services](t)(config.Services(started, 1, 2))
		o.Token = func(context.Context) (sigstore.Token, error) {
			return sigstore.ParseToken(must[string](t)(secretly.Token(nil)), "sigstore", started)
		}
	})
	fails(t, res, verify.BadSignature, "check the certificate", "no certificate transparency log of the trust root has promised to list it")
	if n := len(secretly.Rekor1.Requests()) + len(secretly.Rekor2.Requests()); n > 0 {
		t.Errorf("%d requests to the log", n)
	}

	// Fulcio answers with a certificate that it gave somebody else.
	var stale []byte
	w.srv.Fulcio.Inject(sigstoretest.Fault{Times: 1, Change: func(b []byte) []byte { stale = b; return b }})
	other, _ := w.image("not foreign")
	w.signed(bundleOnly(other))
	w.srv.Reset()
	w.srv.Fulcio.Inject(sigstoretest.Fault{Body: stale, Header: map[string][]string{"Content-Type": {"application/json"}}})
	fails(t, w.sign(context.Background(), bundleOnly(img)), verify.Unavailable)
	if n := len(w.srv.Rekor1.Requests()) + len(w.srv.Rekor2.Requests()); n > 0 {
		t.Errorf("%d requests to the log", n)
	}
}

func TestByKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	key := newKey(t)
	byKey := func(o *sigstore.Options) { o.Token, o.Key = nil, key }
	unlogged := func(o *sigstore.Options) { byKey(o); o.IgnoreLog = true }
	img, _ := w.image("key")
	records := w.signed(everything(img), byKey)
	signer := "key sha256:" + key.Verifying().Fingerprint()
	for _, r := range records {
		if r.Identity != signer || r.Issuer != "" || r.LogIndex == nil {
			t.Errorf("record %+v", r)
		}
	}
	if n := len(w.srv.Fulcio.Requests()); n != 0 {
		t.Errorf("%d requests to Fulcio", n)
	}
	for _, r := range w.signed(everything(img), byKey) {
		if !r.Existed {
			t.Errorf("made again: %+v", r)
		}
	}
	// Without a log nothing is asked of a service but of a timestamp authority; and
	// what is not logged does not count where a log entry is demanded.
	plain, _ := w.image("plain")
	w.srv.Reset()
	w.signed(everything(plain), unlogged)
	if n := len(w.srv.Rekor1.Requests()) + len(w.srv.Rekor2.Requests()) + len(w.srv.Fulcio.Requests()); n != 0 {
		t.Errorf("%d requests to services", n)
	}
	for _, r := range w.signed(everything(plain), unlogged) {
		if !r.Existed {
			t.Errorf("made again: %+v", r)
		}
	}
	for _, r := range w.signed(everything(plain), byKey) {
		if r.Existed || r.LogIndex == nil {
			t.Errorf("not logged, and taken for logged: %+v", r)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	for name, change := range map[string]func(*sigstore.Options){
		"no store":            func(o *sigstore.Options) { o.Store = nil },
		"no client":           func(o *sigstore.Options) { o.Client = nil },
		"no clock":            func(o *sigstore.Options) { o.Now = nil },
		"nobody":              func(o *sigstore.Options) { o.Token = nil },
		"both":                func(o *sigstore.Options) { o.Key = newKey(t) },
		"an empty key":        func(o *sigstore.Options) { o.Token, o.Key = nil, &sigstore.Key{} },
		"no trust":            func(o *sigstore.Options) { o.Trust = nil },
		"no trust for a key":  func(o *sigstore.Options) { o.Trust, o.Token, o.Key = nil, nil, newKey(t) },
		"no log for a token":  func(o *sigstore.Options) { o.IgnoreLog = true },
		"less than no job":    func(o *sigstore.Options) { o.Jobs = -1 },
		"nothing whatsoever ": func(o *sigstore.Options) { *o = sigstore.Options{} },
	} {
		if _, err := sigstore.New(w.options(change)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := sigstore.New(w.options(func(o *sigstore.Options) { o.Trust, o.Token, o.Key, o.IgnoreLog = nil, nil, newKey(t), true })); err != nil {
		t.Errorf("a key without a log needs no trust root: %v", err)
	}
}

func TestBadOrders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, _ := w.image("orders")
	gone := w.pinned("team/app", ocispec.Descriptor{Digest: "sha256:" + "00000000000000000000000000000000000000000000000000000000000000aa"})
	for _, tc := range []struct {
		name   string
		order  sign.Order
		change func(*sigstore.Options)
		reason verify.Reason
		words  string
	}{
		{"nothing", sign.Order{Images: []image.Pinned{img}}, nil, verify.Unsupported, "neither a signature nor an attestation"},
		{"a format", sign.Order{Images: []image.Pinned{img}, Formats: []sign.Format{"both"}}, nil, verify.Unsupported, `"both"`},
		{"a format of another system", sign.Order{Images: []image.Pinned{img}, Formats: []sign.Format{sign.JWS}}, nil, verify.Unsupported, `"jws"`},
		{"a predicate", sign.Order{Images: []image.Pinned{img}, Attestations: []sign.Statement{{Type: slsaType, Predicate: []byte("{")}}}, nil, verify.Unsupported, slsaType},
		{"two predicates", sign.Order{Images: []image.Pinned{img}, Attestations: []sign.Statement{{Type: slsaType, Predicate: []byte("{}]")}}}, nil, verify.Unsupported, slsaType},
		{"no type", sign.Order{Images: []image.Pinned{img}, Attestations: []sign.Statement{{Predicate: []byte("{}")}}}, nil, verify.Unsupported, "predicate type"},
		{"a signature's type", sign.Order{Images: []image.Pinned{img}, Attestations: []sign.Statement{{Type: signType, Predicate: []byte("{}")}}}, nil, verify.Unsupported, "predicate type"},
		{"no image", bundleOnly(image.Pinned{}), nil, verify.Unsupported, "no digest"},
		{"a predicate that is a list", sign.Order{Images: []image.Pinned{img}, Attestations: []sign.Statement{{Type: slsaType, Predicate: []byte("[]")}}}, nil, verify.Unsupported, "not a JSON object"},
		{"an image that is not there", bundleOnly(gone), nil, verify.NotFound, "read manifest"},
		{"no log", bundleOnly(img), func(o *sigstore.Options) { o.Services = sigstore.Services{} }, verify.Unavailable, ""},
		{"no log for legacy", sign.Order{Images: []image.Pinned{img}, Formats: []sign.Format{sign.Legacy}}, func(o *sigstore.Options) { o.Legacy = o.Services }, verify.Unsupported, "legacy"},
	} {
		w.wire.reset(nil)
		change := tc.change
		if change == nil {
			change = func(*sigstore.Options) {}
		}
		res := w.sign(context.Background(), tc.order, change)
		t.Run(tc.name, func(t *testing.T) {
			fails(t, res, tc.reason, tc.words)
			for _, req := range w.wire.writes() {
				if strings.Contains(req, "/manifests/") {
					t.Errorf("pushed: %s", req)
				}
			}
		})
	}
	if res := w.sign(context.Background(), sign.Order{Formats: []sign.Format{sign.Bundle}}); res.Complete() {
		t.Error("no image is complete")
	}
}

// A run that is cancelled before it begins does nothing, and says so of each.
func TestCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	a, _ := w.image("a")
	b, _ := w.image("b")
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("enough")
	cancel(why)
	res := w.sign(ctx, bundleOnly(a, b))
	if len(res.Failures) != 2 || len(res.Records) != 0 {
		t.Fatalf("%+v", res)
	}
	for _, f := range res.Failures {
		if !errors.Is(f.Err, why) || sign.Reason(f.Err) != verify.Unavailable {
			t.Errorf("%v", f.Err)
		}
	}
	if n := len(w.wire.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}
