package notation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/notation"
	"github.com/boltseal/boltseal/verify"
	vnot "github.com/boltseal/boltseal/verify/notation"
)

// Every kind of key, in every envelope, in every kind of registry: what is signed
// verifies, with ours and with notation-go, and is not signed twice.
func TestSign(t *testing.T) {
	t.Parallel()
	kinds := map[string]notationtest.KeyKind{
		"EC256": notationtest.EC256, "EC384": notationtest.EC384, "EC521": notationtest.EC521,
		"RSA2048": notationtest.RSA2048, "RSA3072": notationtest.RSA3072, "RSA4096": notationtest.RSA4096,
	}
	for kind, k := range kinds {
		for name, o := range both {
			for _, f := range []sign.Format{sign.JWS, sign.COSE} {
				if raced && kind != "EC256" && kind != "RSA2048" {
					continue
				}
				t.Run(strings.Join([]string{kind, name, string(f)}, " "), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, o)
					w.authority = authority(t, notationtest.AuthorityOptions{Key: k, Intermediates: 1})
					w.key = keyOf(t, w.authority)
					img, d := w.image("x")
					order := sign.Order{Images: []image.Pinned{img}, Formats: []sign.Format{f}, Annotations: map[string]string{"build": "7", "ü": "<&>\n"}}
					before := time.Now().Truncate(time.Second)
					r := w.signed(order)[0]
					storage := map[bool]string{false: "referrer", true: "fallback-tag"}[o.NoReferrers]
					if r.Reference != img.Ref().String() || r.Image.String() != img.String() || r.Platform != "" || r.Format != f || r.Storage != storage ||
						!strings.HasPrefix(r.Source, w.reg.Host()+"/team/app@sha256:") || r.PredicateType != "" ||
						r.Identity != "x509.subject: CN=release,OU=Builds,O=Acme,L=Seattle,ST=WA,C=US" || r.Issuer != "CN=Acme CA,O=Acme,ST=WA,C=US" ||
						r.Certificate != notationtest.Fingerprint(w.authority.Leaf()) || r.LogIndex != nil || !r.SignedAt.IsZero() || !r.Expiry.IsZero() || r.Bundle != nil || r.Existed {
						t.Errorf("record %+v", r)
					}
					w.verifies(img, order.Annotations)
					m := w.manifestOf(r)
					var prints []string
					if err := json.Unmarshal([]byte(m.Annotations[thumbprintAnnotation]), &prints); err != nil || len(prints) != 3 || prints[0] != r.Certificate {
						t.Errorf("thumbprints %v, %v", prints, err)
					}
					created := must[time.Time](t)(time.Parse(time.RFC3339, m.Annotations[ocispec.AnnotationCreated]))
					if created.Before(before) || created.After(time.Now()) || len(m.Annotations) != 2 {
						t.Errorf("annotations %v", m.Annotations)
					}
					mediaType := map[sign.Format]string{sign.JWS: notationtest.JWS, sign.COSE: notationtest.COSE}[f]
					if m.ArtifactType != "" || m.Config.MediaType != notationtest.ArtifactType || m.Config.Size != 2 || len(m.Layers) != 1 || m.Layers[0].MediaType != mediaType || m.Subject.Digest != d.Digest {
						t.Errorf("manifest %+v", m)
					}
					w.reg.Reset(0)
					again := w.signed(order)[0]
					if again.Existed = false; again.Source != r.Source || again.Certificate != r.Certificate || len(w.writes()) > 0 {
						t.Errorf("again: %+v\nwrites %q", again, w.writes())
					}
				})
			}
		}
	}
}

// The requests of a signature, and those of finding it there.
func TestRequests(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		o            registrytest.Options
		first, again int
	}{
		"referrers API": {registrytest.Options{}, 12, 4},
		"fallback tag":  {registrytest.Options{NoReferrers: true}, 20, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tc.o)
			img, _ := w.image("x")
			w.reg.Reset(0)
			w.signed(jwsOf(img))
			if n := len(w.reg.Requests()); n != tc.first {
				t.Errorf("%d requests: %v", n, w.reg.Requests())
			}
			w.reg.Reset(0)
			w.signed(jwsOf(img))
			if n := len(w.reg.Requests()); n != tc.again {
				t.Errorf("%d requests: %v", n, w.reg.Requests())
			}
		})
	}
}

// What counts as there already, and what does not.
func TestExisting(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	other := map[string]string{"build": "8"}
	for name, tc := range map[string]struct {
		there  func(*world, ocispec.Descriptor) ([]byte, string) // what is stored beforehand
		expiry time.Duration
		exists bool
	}{
		"the same":            {plain(notationtest.SignOptions{}), 0, true},
		"a COSE envelope":     {plain(notationtest.SignOptions{Envelope: notationtest.COSE}), 0, false},
		"other metadata":      {plain(notationtest.SignOptions{Metadata: other}), 0, false},
		"expires":             {plain(notationtest.SignOptions{Expiry: 100 * day}), 0, false},
		"is to expire":        {plain(notationtest.SignOptions{}), day, false},
		"expires soon":        {plain(notationtest.SignOptions{Expiry: 11 * time.Hour}), day, false},
		"expires well":        {plain(notationtest.SignOptions{Expiry: 13 * time.Hour}), day, true},
		"expires when asked":  {plain(notationtest.SignOptions{Expiry: day - time.Minute}), day, true},
		"expires later":       {plain(notationtest.SignOptions{Expiry: day + time.Hour}), day, false},
		"has expired":         {plain(notationtest.SignOptions{Time: time.Now().Add(-time.Minute), Expiry: time.Second}), 0, false},
		"signing authority":   {plain(notationtest.SignOptions{Scheme: notationtest.SigningAuthority}), 0, false},
		"needs a plugin":      {plain(notationtest.SignOptions{Plugin: "x"}), 0, false},
		"critical attribute":  {plain(notationtest.SignOptions{Attributes: []notationtest.Attribute{{Key: "x", Critical: true, Value: "y"}}}), 0, false},
		"other payload":       {plain(notationtest.SignOptions{Payload: []byte(`{"targetArtifact":{"mediaType":"a","digest":"sha256:` + strings.Repeat("0", 64) + `","size":1}}`)}), 0, false},
		"another certificate": {another(notationtest.AuthorityOptions{}), 0, false},
		"garbage": {func(*world, ocispec.Descriptor) ([]byte, string) {
			return []byte("garbage"), notationtest.JWS
		}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registryAPI)
			img, d := w.image("x")
			envelope, mediaType := tc.there(w, d)
			pushed := must[ocispec.Descriptor](t)(notationtest.Push(w.reg, "team/app", d, envelope, mediaType))
			r := w.signed(jwsOf(img), func(o *notation.Options) { o.Expiry = tc.expiry })[0]
			if r.Existed != tc.exists || strings.HasSuffix(r.Source, pushed.Digest.String()) != tc.exists {
				t.Errorf("record %+v", r)
			}
			if tc.expiry > 0 && !r.Existed && time.Until(r.Expiry).Round(time.Minute) != tc.expiry {
				t.Errorf("expires at %s", r.Expiry)
			}
			if again := w.signed(jwsOf(img), func(o *notation.Options) { o.Expiry = tc.expiry })[0]; !again.Existed {
				t.Errorf("signed once more: %+v", again)
			}
		})
	}
}

// plain is a signature by the world's authority.
func plain(o notationtest.SignOptions) func(*world, ocispec.Descriptor) ([]byte, string) {
	return func(w *world, d ocispec.Descriptor) ([]byte, string) {
		mediaType := o.Envelope
		if mediaType == "" {
			mediaType = notationtest.JWS
		}
		return must[[]byte](w.t)(w.authority.Sign(d, o)), mediaType
	}
}

// another is a signature by one who has a certificate of the same authority.
func another(o notationtest.AuthorityOptions) func(*world, ocispec.Descriptor) ([]byte, string) {
	return func(w *world, d ocispec.Descriptor) ([]byte, string) {
		a := must[*notationtest.Authority](w.t)(w.authority.Another(o))
		return must[[]byte](w.t)(a.Sign(d, notationtest.SignOptions{})), notationtest.JWS
	}
}

// Force signs once more; both formats at once are two signatures.
func TestForceAndFormats(t *testing.T) {
	t.Parallel()
	for name, o := range both {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, o)
			img, _ := w.image("x")
			order := jwsOf(img)
			order.Formats = append(order.Formats, sign.COSE, sign.JWS)
			w.signed(order)
			if r := w.signed(order); len(r) != 2 || !r[0].Existed || !r[1].Existed || r[0].Format != sign.JWS || r[1].Format != sign.COSE {
				t.Errorf("%+v", r)
			}
			order.Force, order.Formats = true, []sign.Format{sign.JWS}
			if r := w.signed(order); len(r) != 1 || r[0].Existed {
				t.Errorf("%+v", r)
			}
			storage := map[bool]string{false: " referrer", true: " fallback-tag"}[o.NoReferrers]
			want := []string{"notation-cose" + storage, "notation-jws" + storage, "notation-jws" + storage}
			if got := w.formats(img); !slices.Equal(got, want) {
				t.Errorf("stored: %q", got)
			}
		})
	}
}

// Signatures may be stored in another repository.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registryAPI)
	img, d := w.image("x")
	elsewhere := must[image.Ref](t)(image.Parse(w.reg.Host() + "/team/signatures"))
	at := func(o *notation.Options) { o.Repository = elsewhere }
	r := w.signed(jwsOf(img), at)[0]
	if !strings.HasPrefix(r.Source, w.reg.Host()+"/team/signatures@") {
		t.Errorf("record %+v", r)
	}
	w.nothingPushed(d)
	if again := w.signed(jwsOf(img), at)[0]; !again.Existed {
		t.Errorf("again: %+v", again)
	}
	v := must[verify.Verifier](t)(vnot.NewSession(client(), elsewhere, nil).Require(w.config(nil)))
	if verdict := v.Verify(t.Context(), img); !verdict.Passed() {
		t.Error(verdict.Err())
	}
}

// An index and each manifest that it lists, each once, whoever names it.
func TestRecursive(t *testing.T) {
	t.Parallel()
	for name, o := range both {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, o)
			var children []ocispec.Descriptor
			for _, arch := range []string{"amd64", "arm64"} {
				d := must[ocispec.Descriptor](t)(w.reg.PutImage("team/app", "", arch))
				d.Platform = &ocispec.Platform{OS: "linux", Architecture: arch}
				children = append(children, d)
			}
			index := w.pinned("team/app", must[ocispec.Descriptor](t)(w.reg.PutIndex("team/app", "v1", children...)))
			child := w.pinned("team/app", children[0])
			var dones []string
			order := jwsOf(index, child)
			order.Recursive = true
			records := w.signed(order, func(o *notation.Options) {
				o.Done = func(done, of int) { dones = append(dones, fmt.Sprint(done, "/", of)) }
			})
			var got []string
			for _, r := range records {
				got = append(got, r.Platform+" "+r.Image.Digest())
				w.verifies(r.Image, nil)
			}
			want := []string{" " + index.Digest(), "linux/amd64 " + child.Digest(), "linux/arm64 " + children[1].Digest.String(), " " + child.Digest()}
			if !slices.Equal(got, want) || records[1].Source != records[3].Source || len(w.made(child)) != 1 {
				t.Errorf("%q\nwant %q", got, want)
			}
			if !slices.Equal(dones, []string{"1/2", "2/2"}) {
				t.Errorf("done %q", dones)
			}
			order.Recursive = false
			if r := w.signed(order); len(r) != 2 || !r[0].Existed || !r[1].Existed {
				t.Errorf("%+v", r)
			}
		})
	}
}

// One image that cannot be signed does not keep others from it.
func TestSeveral(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registryAPI)
	var images []image.Pinned
	for i := range 12 {
		img, _ := w.image(fmt.Sprint(i))
		images = append(images, img)
	}
	ref := images[0].Ref()
	missing := must[image.Pinned](t)(ref.Pin("sha256:" + strings.Repeat("ab", 32)))
	artifact := w.pinned("team/app", must[ocispec.Descriptor](t)(w.reg.PutManifest("team/app", "odd", "application/vnd.oci.artifact.manifest.v1+json", []byte(`{"mediaType":"application/vnd.oci.artifact.manifest.v1+json"}`))))
	res := w.sign(t.Context(), jwsOf(append(images[:12:12], missing, artifact, image.Pinned{})...), func(o *notation.Options) { o.Jobs = 3 })
	if len(res.Records) != 12 || len(res.Failures) != 3 {
		t.Fatalf("%+v", res)
	}
	for i, r := range res.Records {
		if r.Image.String() != images[i].String() {
			t.Errorf("record %d is of %s", i, r.Image)
		}
	}
	told(t, res.Failures[0].Err, verify.NotFound, "sign "+missing.String(), "", "")
	told(t, res.Failures[1].Err, verify.Unsupported, "sign "+artifact.String(), "neither an image nor an index", "")
	told(t, res.Failures[2].Err, verify.Unsupported, "sign an image that is not named", "no digest", "")
}

// What Notation cannot make is refused before anything is asked.
func TestOrderRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registryAPI)
	img, _ := w.image("x")
	for name, tc := range map[string]struct {
		change    func(*sign.Order)
		why, hint string
	}{
		"attestation": {func(o *sign.Order) {
			o.Attestations = []sign.Statement{{Type: "https://x", Predicate: json.RawMessage("{}")}}
		}, "Notation has signatures only", "--system sigstore"},
		"own attestation": {func(o *sign.Order) {
			o.Own = map[string][]sign.Statement{img.String(): {{Type: "https://x"}}}
		}, "Notation has signatures only", "--system sigstore"},
		"no format":       {func(o *sign.Order) { o.Formats = nil }, "no signature is ordered", ""},
		"format of other": {func(o *sign.Order) { o.Formats = append(o.Formats, sign.Bundle) }, `format "bundle" is neither "jws" nor "cose"`, ""},
		"metadata":        {func(o *sign.Order) { o.Annotations = map[string]string{"io.cncf.notary.a": ""} }, "which is reserved", "another key"},
	} {
		order := jwsOf(img)
		tc.change(&order)
		w.reg.Reset(0)
		res := w.sign(t.Context(), order)
		fails(t, res, verify.Unsupported, tc.why)
		if hint := verify.Hint(res.Failures[0].Err); !strings.Contains(hint, tc.hint) {
			t.Errorf("%s: hint %q", name, hint)
		}
		if n := len(w.reg.Requests()); n > 0 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
}

// With a certificate that is revoked nothing is signed; a server that does not
// answer keeps nobody from signing.
func TestRevoked(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status notationtest.Status
		down   bool
		reason verify.Reason
	}{
		"good":    {notationtest.Good, false, ""},
		"revoked": {notationtest.Revoked, false, verify.Revoked},
		"down":    {notationtest.Good, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registryAPI)
			server := must[*notationtest.Revocation](t)(notationtest.NewRevocation())
			t.Cleanup(server.Down)
			w.authority = authority(t, notationtest.AuthorityOptions{Revocation: server, OCSP: true})
			w.key = keyOf(t, w.authority)
			server.Say(w.authority.Leaf(), tc.status)
			if tc.down {
				server.Down()
			}
			asking := func(o *notation.Options) { o.Asker = vnot.NewAsker(nil, "test") }
			img, d := w.image("x")
			res := w.sign(t.Context(), jwsOf(img), asking)
			if tc.reason == "" {
				if !res.Complete() {
					t.Errorf("%+v", res.Failures)
				}
				again := w.sign(t.Context(), jwsOf(img), asking)
				for _, r := range slices.Concat(res.Records, again.Records) {
					if told := strings.Contains(r.Notice, "not known whether the certificates were revoked (") && strings.Contains(r.Notice, strings.TrimPrefix(server.URL(), "http://")); told != tc.down || !tc.down && r.Notice != "" {
						t.Errorf("notice %q", r.Notice)
					}
				}
				return
			}
			fails(t, res, tc.reason, "revoked")
			w.nothingPushed(d)
			w.signed(jwsOf(img)) // nobody is asked
		})
	}
}

// A signature that others' manifests keep from being reached is listed by the
// registry, and that is not what is said of it.
func TestShutOut(t *testing.T) {
	t.Parallel()
	for name, o := range both {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, o)
			img, d := w.image("x")
			for i := range byte(17) {
				if _, err := notationtest.Push(w.reg, "team/app", d, bytes.Repeat([]byte{i}, 1<<20), notationtest.JWS); err != nil {
					t.Fatal(err)
				}
			}
			order := jwsOf(img)
			order.Force = true
			res := w.sign(t.Context(), order)
			if len(res.Records) > 0 { // the list has it before what others have pushed
				return
			}
			if fails(t, res, sign.Reason(res.Failures[0].Err), "read back the"); strings.Contains(res.Failures[0].Err.Error(), "does not list it") {
				t.Error(res.Failures[0].Err)
			}
		})
	}
}

// Permission to push is shown, once for a repository, before a key is used.
func TestMayNotPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registryAPI)
	w.key = must[*notation.Key](t)(open(t, pluginOf(t, w.authority, "raw")))
	one, d := w.image("1")
	two, _ := w.image("2")
	w.reg.Reset(0)
	w.reg.Break(registrytest.Fault{Method: http.MethodPost, Status: http.StatusForbidden})
	if err := w.key.Close(); err != nil { // whatever would be signed fails
		t.Fatal(err)
	}
	res := w.sign(t.Context(), jwsOf(one, two))
	if len(res.Failures) != 2 || len(res.Records) > 0 {
		t.Fatalf("%+v", res)
	}
	for _, f := range res.Failures {
		told(t, f.Err, verify.Denied, "push to "+one.Ref().Name(), "", "push")
	}
	w.nothingPushed(d)
	if n := len(w.writes()); n != 1 {
		t.Errorf("writes: %q", w.writes())
	}
}

// A registry that drops, swaps or replays what was pushed to it is found out, and
// an older signature by the same certificate does not stand in for a new one.
func TestHostileRegistry(t *testing.T) {
	t.Parallel()
	empty := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`
	for name, tc := range map[string]struct {
		hostile func(*world, ocispec.Descriptor)
		reason  verify.Reason
		words   string
	}{
		"drops manifests": {func(w *world, d ocispec.Descriptor) {
			w.reg.Break(registrytest.Fault{Method: http.MethodPut, Path: "/manifests/", Status: http.StatusCreated})
		}, verify.Unavailable, ""},
		"drops blobs": {func(w *world, d ocispec.Descriptor) {
			w.reg.Break(registrytest.Fault{Method: http.MethodPut, Path: "/blobs/", Status: http.StatusCreated})
		}, verify.Unavailable, ""},
		"lists nothing": {func(w *world, d ocispec.Descriptor) {
			w.reg.Break(registrytest.Fault{Method: http.MethodPut, Path: "/manifests/sha256:", Header: map[string]string{"OCI-Subject": d.Digest.String()}})
			w.reg.Break(registrytest.Fault{Path: "/referrers/", Body: func([]byte) []byte { return []byte(empty) }})
		}, verify.Unavailable, "does not list it"},
		"lists an older one": {func(w *world, d ocispec.Descriptor) {
			var once sync.Once
			var list []byte
			w.reg.Break(registrytest.Fault{Method: http.MethodPut, Path: "/manifests/sha256:", Header: map[string]string{"OCI-Subject": d.Digest.String()}})
			w.reg.Break(registrytest.Fault{Path: "/referrers/", Body: func(b []byte) []byte {
				once.Do(func() { list = b })
				return list
			}})
		}, verify.Unavailable, "does not list it"},
		"swaps the envelope": {func(w *world, d ocispec.Descriptor) {
			old := w.made(w.pinned("team/app", d))[0].Envelope
			w.reg.Break(registrytest.Fault{Method: http.MethodGet, Path: "/blobs/", Body: func([]byte) []byte { return old }})
		}, verify.Unavailable, ""},
		"damages the envelope": {func(w *world, d ocispec.Descriptor) {
			w.reg.Break(registrytest.Fault{Method: http.MethodGet, Path: "/blobs/", Body: func(b []byte) []byte { b[len(b)/2] ^= 1; return b }})
		}, verify.Unavailable, ""},
	} {
		for kind, o := range both {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, o)
				img, d := w.image("x")
				w.signed(jwsOf(img))
				order := jwsOf(img)
				order.Force = true
				tc.hostile(w, d)
				res := w.sign(t.Context(), order)
				if strings.HasPrefix(name, "lists") && o.NoReferrers {
					return // that list is not asked for
				}
				fails(t, res, tc.reason, tc.words)
			})
		}
	}
}

// A registry that needs a moment gets one, and no more. What it lists only when it
// is asked why is read back, too.
func TestSecondLook(t *testing.T) {
	t.Parallel()
	for _, misses := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(misses), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registryAPI)
			img, d := w.image("moment")
			w.reg.Break(registrytest.Fault{Method: http.MethodPut, Path: "/manifests/sha256:", Header: map[string]string{"OCI-Subject": d.Digest.String()}})
			empty := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
			w.reg.Break(registrytest.Fault{Path: "/referrers/", Skip: 2, Times: misses, Body: func([]byte) []byte { return empty }})
			var waits []time.Duration
			res := w.sign(context.Background(), jwsOf(img), func(o *notation.Options) {
				o.Sleep = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
			})
			if !slices.Equal(waits, []time.Duration{2 * time.Second}) {
				t.Errorf("waited %v", waits)
			}
			if misses < 3 && !res.Complete() {
				t.Errorf("%+v", res)
			}
			if misses == 3 {
				fails(t, res, verify.Unavailable, "does not list it")
			}
		})
	}
}

// A run that is killed before any one of its requests, or between a write and its
// answer, leaves nothing behind that the next run does not put right: then there
// is one good signature, and what others have signed is as it was.
func TestKilled(t *testing.T) {
	t.Parallel()
	for name, o := range both {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, o)
			theirs := authority(t, notationtest.AuthorityOptions{CA: "Their CA"})
			prepared := func(seed string) (image.Pinned, []byte) {
				img, d := w.image(seed)
				envelope := must[[]byte](t)(theirs.Sign(d, notationtest.SignOptions{}))
				must[ocispec.Descriptor](t)(notationtest.Push(w.reg, "team/app", d, envelope, notationtest.JWS))
				return img, envelope
			}
			alone := func(o *notation.Options) { o.Jobs = 1 }
			img, _ := prepared("whole")
			w.reg.Reset(0)
			w.signed(jwsOf(img), alone)
			whole := w.reg.Requests()
			step := 1
			if raced {
				step = 5
			}
			for n := 0; n < len(whole); n += step {
				for _, late := range []bool{false, true} {
					if late && (whole[n].Method == http.MethodGet || whole[n].Method == http.MethodHead) {
						continue // nothing has changed
					}
					img, envelope := prepared(fmt.Sprint(n, late))
					ctx, cancel := context.WithCancel(context.Background())
					w.reg.Reset(0)
					if late { // done, and never answered
						w.reg.Break(registrytest.Fault{Skip: n, Reset: true, Body: func(b []byte) []byte { cancel(); return b }})
					} else {
						w.reg.Break(registrytest.Fault{Skip: n, Before: cancel, Status: http.StatusServiceUnavailable})
					}
					res := w.sign(ctx, jwsOf(img), alone)
					cancel()
					if res.Complete() {
						t.Errorf("killed at %d of %d (late: %v), and complete", n, len(whole), late)
					}
					w.reg.Reset(0)
					records := w.signed(jwsOf(img), alone)
					storage := map[bool]string{false: " referrer", true: " fallback-tag"}[o.NoReferrers]
					if got := w.formats(img); !slices.Equal(got, []string{"notation-jws" + storage}) {
						t.Errorf("killed at %s (late: %v), then signed again: %q", whole[n], late, got)
					}
					if m := w.made(img); len(m) != 1 || m[0].Evidence.Source != records[0].Source {
						t.Errorf("recorded %+v", records)
					}
					ours := w.authority
					w.authority = theirs
					if m := w.made(img); len(m) != 1 || string(m[0].Envelope) != string(envelope) {
						t.Errorf("what others have signed: %+v", m)
					}
					w.authority = ours
				}
			}
			t.Logf("killed in %d requests", len(whole))
		})
	}
}
