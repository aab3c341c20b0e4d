package sigstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
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
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/sigstore"
	"github.com/boltseal/boltseal/verify"
)

// dropping answers the pushing of manifests with 201, and does nothing.
func dropping(_ int, req *http.Request) cut {
	if req.Method == http.MethodPut && strings.Contains(req.URL.Path, "/manifests/") {
		return cut{answer: func(rw http.ResponseWriter) {
			rw.Header().Set("OCI-Subject", "sha256:"+strings.Repeat("0", 64))
			rw.WriteHeader(http.StatusCreated)
		}}
	}
	return cut{}
}

// What the registry says that it took, and does not have, is not signed; an older
// signature of the same identity does not stand in for it.
func TestDropped(t *testing.T) {
	t.Parallel()
	for name, o := range both {
		for _, f := range []sign.Format{sign.Bundle, sign.Legacy} {
			t.Run(name+" "+string(f), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, o)
				img, _ := w.image("dropped")
				order := sign.Order{Images: []image.Pinned{img}, Formats: []sign.Format{f}, Force: true}
				w.wire.reset(dropping)
				fails(t, w.sign(context.Background(), order), verify.Unavailable)
				w.wire.reset(nil)
				w.signed(order)
				w.wire.reset(dropping)
				fails(t, w.sign(context.Background(), order), verify.Unavailable)
			})
		}
	}
}

// A list that has an attestation, and keeps the signature from us, is not one of
// the signature.
func TestListWithoutIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, _ := w.image("list")
	w.signed(sign.Order{Images: []image.Pinned{img}, Attestations: []sign.Statement{{Type: slsaType, Predicate: json.RawMessage(`{}`)}}})
	var list []byte
	w.reg.Break(registrytest.Fault{Path: "/referrers/", Times: 1, Body: func(b []byte) []byte { list = b; return b }})
	if found := w.found(w.by(identity), img); len(found) != 1 {
		t.Fatalf("%q", found)
	}
	w.reg.Break(registrytest.Fault{Path: "/referrers/", Body: func([]byte) []byte { return list }})
	fails(t, w.sign(context.Background(), bundleOnly(img)), verify.Unavailable, "does not list it")
}

// A registry that needs a moment gets one, and no more.
func TestSecondLook(t *testing.T) {
	t.Parallel()
	for _, misses := range []int{1, 2} {
		t.Run(fmt.Sprint(misses), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registrytest.Options{})
			img, d := w.image("moment")
			w.reg.Break(registrytest.Fault{Method: http.MethodPut, Path: "/manifests/sha256:", Header: map[string]string{"OCI-Subject": d.Digest.String()}})
			empty := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
			w.reg.Break(registrytest.Fault{Path: "/referrers/", Skip: 2, Times: misses, Body: func([]byte) []byte { return empty }})
			var waits []time.Duration
			res := w.sign(context.Background(), bundleOnly(img), func(o *sigstore.Options) {
				o.Sleep = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
			})
			if !slices.Equal(waits, []time.Duration{2 * time.Second}) {
				t.Errorf("waited %v", waits)
			}
			if misses == 1 && !res.Complete() {
				t.Errorf("%+v", res)
			}
			if misses == 2 {
				fails(t, res, verify.Unavailable, "does not list it")
			}
		})
	}
}

// Permission to push is shown before anything gets into a log.
func TestMayNotPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	var imgs []image.Pinned
	for i := range 3 {
		img, _ := w.image(fmt.Sprint("denied", i))
		imgs = append(imgs, img)
	}
	w.reg.Break(registrytest.Fault{Method: http.MethodPost, Status: 403})
	res := w.sign(context.Background(), everything(imgs...))
	if len(res.Failures) != 9 || len(res.Records) > 0 {
		t.Fatalf("%+v", res)
	}
	for _, f := range res.Failures {
		if sign.Reason(f.Err) != verify.Denied || !strings.Contains(verify.Hint(f.Err), "push") {
			t.Errorf("%v; hint: %s", f.Err, verify.Hint(f.Err))
		}
	}
	if n := len(w.srv.Rekor1.Requests()) + len(w.srv.Rekor2.Requests()) + len(w.srv.TSA.Requests()); n > 0 {
		t.Errorf("%d requests to log and timestamp authority", n)
	}
	if n := len(w.wire.writes()); n != 2 { // the certificate, and one attempt for the repository
		t.Errorf("writes: %q", w.wire.writes())
	}
}

// A log that is not the instance's is found out before anything is pushed.
func TestForeignLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, _ := w.image("log")
	foreign := must[*sigstoretest.Instance](t)(sigstoretest.New(started))
	srv := must[*sigstoretest.Services](t)(foreign.Serve(sigstoretest.ServeOptions{}))
	t.Cleanup(srv.Close)
	text := must[[]byte](t)(w.srv.SigningConfig(sigstoretest.Without{Rekor2: true}))
	mixed := strings.ReplaceAll(string(text), w.srv.Rekor1.URL(), srv.Rekor1.URL())
	config := must[*sigstore.SigningConfig](t)(sigstore.ParseSigningConfig([]byte(mixed)))
	res := w.sign(context.Background(), everything(img), func(o *sigstore.Options) {
		o.Services = must[sigstore.Services](t)(config.Services(started, 1, 2))
		o.Legacy = must[sigstore.Services](t)(config.Services(started, 1))
	})
	if len(res.Failures) != 3 || len(res.Records) > 0 {
		t.Fatalf("%+v", res)
	}
	for _, f := range res.Failures {
		if sign.Reason(f.Err) != verify.BadSignature || !strings.Contains(f.Err.Error(), "check the new") {
			t.Errorf("%v (%s)", f.Err, sign.Reason(f.Err))
		}
	}
	for _, req := range w.wire.writes() {
		if strings.Contains(req, "/manifests/") {
			t.Errorf("pushed: %s", req)
		}
	}
}

// A log that says "you were here before", and leads to somebody else's entry.
func TestConflictOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	victim, _ := w.image("victim")
	img, _ := w.image("conflict")
	var mu sync.Mutex
	var uuid string
	w.srv.Rekor1.Inject(sigstoretest.Fault{Method: http.MethodPost, Times: 1, Change: func(b []byte) []byte {
		var entries map[string]json.RawMessage
		if json.Unmarshal(b, &entries) == nil {
			mu.Lock()
			defer mu.Unlock()
			for id := range entries {
				uuid = id
			}
		}
		return b
	}})
	w.signed(legacyOnly(victim))
	w.srv.Rekor1.Inject(sigstoretest.Fault{
		Method: http.MethodPost, Status: http.StatusConflict, Header: http.Header{"Location": {"/api/v1/log/entries/" + uuid}},
		Body: []byte(`{"code":409,"message":"an equivalent entry already exists"}`),
	})
	res := w.sign(context.Background(), legacyOnly(img))
	if len(res.Failures) != 1 || len(res.Records) > 0 {
		t.Fatalf("%+v", res)
	}
	if _, err := w.reg.Manifest("team/app", sigTag(img.Digest())); err == nil {
		t.Error("it was pushed")
	}
}

// One format may fail for itself; what is signed is recorded, and the rest is not.
func TestHalf(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, _ := w.image("half")
	other, _ := w.image("gone")
	w.srv.Rekor1.Inject(sigstoretest.Fault{Status: 400, Body: []byte(`{"code":400,"message":"no"}`)})
	gone := other.Ref()
	missing := must[image.Pinned](t)(gone.Pin("sha256:" + strings.Repeat("ab", 32)))
	res := w.sign(context.Background(), everything(img, missing))
	if len(res.Records) != 2 || len(res.Failures) != 2 || res.Complete() {
		t.Fatalf("%+v", res)
	}
	for _, r := range res.Records {
		if r.Format != sign.Bundle {
			t.Errorf("record %+v", r)
		}
	}
	if f := res.Failures[0]; sign.Reason(f.Err) != verify.Denied || !strings.Contains(f.Err.Error(), "Rekor") || f.Image.String() != img.String() {
		t.Errorf("%v (%s)", f.Err, sign.Reason(f.Err))
	}
	if f := res.Failures[1]; sign.Reason(f.Err) != verify.NotFound || f.Image.String() != missing.String() {
		t.Errorf("%v (%s)", f.Err, sign.Reason(f.Err))
	}
}

// Where it is not known what is there, nothing is signed.
func TestUnanswered(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]registrytest.Fault{
		"referrers": {Path: "/referrers/", Status: 503},
		"tag":       {Path: ".sig", Status: 500},
		"denied":    {Path: "/referrers/", Status: 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registrytest.Options{})
			img, _ := w.image("unanswered")
			w.reg.Break(f)
			reason := verify.Unavailable
			if f.Status == 403 {
				reason = verify.Denied
			}
			fails(t, w.sign(context.Background(), bundleOnly(img)), reason)
			if n := len(w.srv.Rekor1.Requests()) + len(w.srv.Rekor2.Requests()); n > 0 {
				t.Errorf("%d requests to the log", n)
			}
		})
	}
}

// What is listed and was deleted, as cleanups of registries do, keeps nobody from
// signing; what is only late is there.
func TestUnserved(t *testing.T) {
	t.Parallel()
	theirs := sigstoretest.GitHubOptions()
	theirs.Identity = audit
	for name, tc := range map[string]struct {
		noAPI, layer bool
		times        int
		more         *registrytest.Fault
		fails        verify.Reason
	}{
		"manifest":                        {},
		"manifest behind the tag":         {noAPI: true},
		"layer":                           {layer: true},
		"layer behind the tag":            {noAPI: true, layer: true},
		"manifest, for a moment":          {times: 1},
		"layer, for a moment":             {noAPI: true, layer: true, times: 1},
		"manifest, and another no answer": {more: &registrytest.Fault{Path: ".sig", Status: 503}, fails: verify.Unavailable},
		"manifest, and another no access": {more: &registrytest.Fault{Path: ".sig", Status: 403}, fails: verify.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registrytest.Options{NoReferrers: tc.noAPI})
			img, d := w.image("unserved")
			o := theirs
			if tc.times > 0 {
				o = sigstoretest.GitHubOptions()
			}
			body := must[[]byte](t)(w.in.Bundle(signType, d.Digest.Encoded(), nil, o))
			put := must[ocispec.Descriptor](t)(w.reg.PutBundle("team/app", d, body))
			path := "/manifests/" + put.Digest.String() + "$"
			if tc.layer {
				path = "/blobs/" + registrytest.Digest(body) + "$"
			}
			w.reg.Break(registrytest.Fault{Method: "GET", Path: path, Status: 404, Times: tc.times})
			if tc.more != nil {
				w.reg.Break(*tc.more)
				fails(t, w.sign(context.Background(), bundleOnly(img)), tc.fails)
				if n := len(w.srv.Rekor1.Requests()) + len(w.srv.Rekor2.Requests()); n > 0 {
					t.Errorf("%d requests to the log", n)
				}
				return
			}
			var waits []time.Duration
			records := w.signed(bundleOnly(img), func(o *sigstore.Options) {
				o.Sleep = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
			})
			if records[0].Existed != (tc.times > 0) || len(waits) != 1 || waits[0] != 2*time.Second {
				t.Errorf("%+v after %v", records[0], waits)
			}
			w.verifies(w.by(identity), img)
		})
	}
}

// A signature for cosign 2 is added to others that are gone.
func TestUnservedLegacy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, d := w.image("unserved")
	payload := sigstoretest.Payload("x", d.Digest.String())
	o := sigstoretest.GitHubOptions()
	o.Identity = audit
	annotations := must[map[string]string](t)(w.in.Legacy(payload, o))
	must[ocispec.Descriptor](t)(w.reg.PutTagged("team/app", d.Digest.String(), ".sig", registrytest.Layer{MediaType: registrytest.SimpleSigning, Blob: payload, Annotations: annotations}))
	w.reg.Break(registrytest.Fault{Method: "GET", Path: "/blobs/" + registrytest.Digest(payload) + "$", Status: 404})
	w.signed(legacyOnly(img))
	w.verifies(w.by(identity), img)
}

// A log that promises an entry, and shows that it has not kept the promise, is found
// out whatever is stored of it.
func TestPromiseNotKept(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(entry, verification, proof map[string]any){
		"the promise itself":   func(_, v, _ map[string]any) { v["signedEntryTimestamp"] = "AAAA" + v["signedEntryTimestamp"].(string) },
		"its time":             func(e, _, _ map[string]any) { e["integratedTime"] = e["integratedTime"].(float64) + 60 },
		"its index":            func(e, _, _ map[string]any) { e["logIndex"] = e["logIndex"].(float64) + 1 },
		"root hash":            func(_, _, p map[string]any) { p["rootHash"] = strings.Repeat("00", 32) },
		"size of the tree":     func(_, _, p map[string]any) { p["treeSize"] = p["treeSize"].(float64) + 1 },
		"path":                 func(_, _, p map[string]any) { p["hashes"] = []string{strings.Repeat("00", 32)} },
		"origin of checkpoint": func(_, _, p map[string]any) { p["checkpoint"] = "x" + p["checkpoint"].(string) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registrytest.Options{})
			img, _ := w.image(name)
			w.srv.Rekor1.Inject(sigstoretest.Fault{Change: func(body []byte) []byte {
				var doc map[string]map[string]any
				if err := json.Unmarshal(body, &doc); err != nil {
					t.Error(err)
					return body
				}
				for _, entry := range doc {
					v, _ := entry["verification"].(map[string]any)
					p, _ := v["inclusionProof"].(map[string]any)
					change(entry, v, p)
				}
				body, err := json.Marshal(doc)
				if err != nil {
					t.Error(err)
				}
				return body
			}})
			for _, f := range []sign.Format{sign.Legacy, sign.Bundle} {
				w.wire.reset(nil)
				res := w.sign(context.Background(), sign.Order{Images: []image.Pinned{img}, Formats: []sign.Format{f}}, func(o *sigstore.Options) { o.Services = o.Legacy })
				fails(t, res, verify.BadSignature, "check the new "+string(f)+" signature")
				if text := res.Failures[0].Err.Error(); strings.Contains(text, "\n") || strings.Contains(text, "[") {
					t.Errorf("nobody can read %q", text)
				}
				if slices.ContainsFunc(w.wire.writes(), func(q string) bool { return strings.HasPrefix(q, "PUT /v2/team/app/manifests/") }) {
					t.Errorf("pushed: %q", w.wire.writes())
				}
			}
		})
	}
}

// A timestamp or a log entry that nobody believes is found out although verifiers are
// content with another one.
func TestOneOfSeveral(t *testing.T) {
	t.Parallel()
	foreign := must[*sigstoretest.Instance](t)(sigstoretest.New(started))
	srv := must[*sigstoretest.Services](t)(foreign.Serve(sigstoretest.ServeOptions{}))
	t.Cleanup(srv.Close)
	key := newKey(t)
	for name, tc := range map[string]struct {
		change func(w *world, config map[string]any)
		says   string
	}{
		"as it should be": {func(*world, map[string]any) {}, ""},
		"two timestamps at one address": {func(_ *world, config map[string]any) {
			own := config["tsaUrls"].([]any)
			again := maps.Clone(own[0].(map[string]any))
			again["operator"] = "other"
			config["tsaUrls"] = append(own, again)
			config["tsaConfig"] = map[string]any{"selector": "ALL"}
		}, ""},
		"timestamp authority of another instance": {func(w *world, config map[string]any) {
			config["tsaUrls"].([]any)[0].(map[string]any)["url"] = srv.TSA.URL() + "/api/v1/timestamp"
		}, "not every timestamp is by an authority of the trust root"},
		"log of another instance": {func(w *world, config map[string]any) {
			own := config["rekorTlogUrls"].([]any)
			theirs := maps.Clone(own[len(own)-1].(map[string]any))
			theirs["url"], theirs["operator"] = srv.Rekor1.URL(), "other"
			config["rekorTlogUrls"] = append(own, theirs)
			config["rekorTlogConfig"] = map[string]any{"selector": "ALL"}
		}, "not enough verified log entries from transparency log"},
	} {
		for _, keyless := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", keyless: ", keyless), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, registrytest.Options{})
				img, _ := w.image(name)
				var doc map[string]any
				if err := json.Unmarshal(must[[]byte](t)(w.srv.SigningConfig(sigstoretest.Without{Rekor2: true})), &doc); err != nil {
					t.Fatal(err)
				}
				tc.change(w, doc)
				config := must[*sigstore.SigningConfig](t)(sigstore.ParseSigningConfig(must[[]byte](t)(json.Marshal(doc))))
				for _, f := range []sign.Format{sign.Bundle, sign.Legacy} {
					res := w.sign(context.Background(), sign.Order{Images: []image.Pinned{img}, Formats: []sign.Format{f}}, func(o *sigstore.Options) {
						o.Services = must[sigstore.Services](t)(config.Services(started, 1))
						o.Legacy = o.Services
						if !keyless {
							o.Token, o.Key = nil, key
						}
					})
					if tc.says == "" {
						if !res.Complete() {
							t.Errorf("%s: %+v", f, res.Failures)
						}
						continue
					}
					fails(t, res, verify.BadSignature, "check the new "+string(f)+" signature", tc.says)
				}
			})
		}
	}
}

// Lists that are longer than is ever read are refused before anything is logged.
func TestHuge(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("bounds do not depend on it")
	}
	w := newWorld(t, registrytest.Options{NoReferrers: true})
	var many, deep []ocispec.Descriptor
	for i := range 256 {
		_, d := w.image(fmt.Sprint("many", i))
		many = append(many, d)
	}
	_, leaf := w.image("leaf")
	deep = []ocispec.Descriptor{leaf}
	for range 5 {
		deep = []ocispec.Descriptor{must[ocispec.Descriptor](t)(w.reg.PutIndex("team/app", "", deep...))}
	}
	img, d := w.image("listed")
	must[ocispec.Descriptor](t)(w.reg.PutIndex("team/app", strings.Replace(d.Digest.String(), ":", "-", 1), append(many, leaf)...))
	wide := must[ocispec.Descriptor](t)(w.reg.PutIndex("team/app", "", many...))
	for name, img := range map[string]image.Pinned{
		"wide": w.pinned("team/app", wide), "deep": w.pinned("team/app", deep[0]), "referrers": img,
	} {
		order := bundleOnly(img)
		order.Recursive = true
		res := w.sign(context.Background(), order)
		t.Run(name, func(t *testing.T) { fails(t, res, verify.Unsupported) })
	}
	if n := len(w.srv.Rekor1.Requests()) + len(w.srv.Rekor2.Requests()); n > 0 {
		t.Errorf("%d requests to the log", n)
	}
}

// Manifests that are no images, and indexes that list what is not there, are
// refused as a whole: nobody could say what was signed.
func TestStrangeIndex(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	_, good := w.image("good")
	_, missing := w.image("missing")
	d := must[ocispec.Descriptor](t)(w.reg.PutIndex("team/app", "", good, missing))
	w.reg.Break(registrytest.Fault{Path: missing.Digest.String() + "$", Status: 404})
	order := bundleOnly(w.pinned("team/app", d))
	order.Recursive = true
	fails(t, w.sign(context.Background(), order), verify.NotFound)
	for _, req := range w.wire.writes() {
		t.Errorf("written: %s", req)
	}
	odd := must[ocispec.Descriptor](t)(w.reg.PutManifest("team/app", "", "application/vnd.docker.distribution.manifest.v1+prettyjws", []byte(`{"schemaVersion":1}`)))
	fails(t, w.sign(context.Background(), bundleOnly(w.pinned("team/app", odd))), verify.Unsupported, "neither an image nor an index")
}

// A liar is a registry client that says it has written, and has not: what it
// leads to is an older signature of the same identity, image and text.
type liar struct {
	sigstore.Store
	digest string
}

func (l liar) Attach(context.Context, image.Ref, ocispec.Descriptor, registry.Attachment) (digest, storage string, err error) {
	return l.digest, "referrer", nil
}

func (liar) Update(context.Context, image.Ref, string, func(*registry.Manifest) ([]byte, string, func(registry.Manifest) bool, error)) error {
	return nil
}

func TestOlderSignature(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, _ := w.image("older")
	for _, f := range []sign.Format{sign.Bundle, sign.Legacy} {
		order := sign.Order{Images: []image.Pinned{img}, Formats: []sign.Format{f}, Force: true}
		_, digest, _ := strings.Cut(w.signed(order)[0].Source, "@")
		res := w.sign(context.Background(), order, func(o *sigstore.Options) { o.Store = liar{o.Store, digest} })
		fails(t, res, verify.Unavailable, "does not list it")
	}
}

// What could not be stored beside what is there is not logged.
func TestNotAttachable(t *testing.T) {
	t.Parallel()
	const index = ocispec.MediaTypeImageIndex
	many := make([]string, 256)
	for i := range many {
		many[i] = fmt.Sprintf(`{"mediaType":"m","size":1,"digest":"sha256:%064x"}`, i)
	}
	for name, tc := range map[string]struct{ mediaType, body, says, hint string }{
		"docker's list": {"application/vnd.docker.distribution.manifest.list.v2+json", `{"schemaVersion":2,"manifests":[]}`, "not an index", "look at what is behind the tag"},
		"no version":    {index, `{"manifests":[]}`, "its schemaVersion is not 2", "look at what is behind the tag"},
		"no list":       {index, `{"schemaVersion":2,"mediaType":"` + index + `"}`, "has no list of manifests", "look at what is behind the tag"},
		"full":          {index, `{"schemaVersion":2,"manifests":[` + strings.Join(many, ",") + `]}`, "there are 256 referrers, at most 256 are read", "delete signatures and attestations"},
	} {
		w := newWorld(t, registrytest.Options{NoReferrers: true})
		img, _ := w.image(name)
		tag := strings.Replace(img.Digest(), ":", "-", 1)
		must[ocispec.Descriptor](t)(w.reg.PutManifest("team/app", tag, tc.mediaType, []byte(tc.body)))
		order := bundleOnly(img)
		order.Force = true // what is there is not read: so many are not
		res := w.sign(context.Background(), order)
		fails(t, res, verify.Unsupported, tc.says)
		if len(res.Failures) == 1 && !strings.Contains(verify.Hint(res.Failures[0].Err), tc.hint) {
			t.Errorf("%s: next step %q", name, verify.Hint(res.Failures[0].Err))
		}
		if n := len(w.srv.Rekor2.Requests()) + len(w.srv.TSA.Requests()); n > 0 {
			t.Errorf("%s: %d requests to the log and the timestamp authority", name, n)
		}
		for _, q := range w.wire.writes() {
			if strings.Contains(q, "/manifests/") {
				t.Errorf("%s: %s", name, q)
			}
		}
	}
}

// A certificate for somebody else than the token is of is not used.
func TestCertificateForAnother(t *testing.T) {
	t.Parallel()
	for name, claims := range map[string]map[string]any{
		"another workflow": {"job_workflow_ref": "acme/app/.github/workflows/other.yml@refs/heads/main"},
		"another issuer":   {"iss": sigstoretest.EmailIssuer, "sub": "1", "email": "repo:acme/app:ref:refs/heads/main", "email_verified": true},
	} {
		w := newWorld(t, registrytest.Options{})
		img, _ := w.image(name)
		other := must[string](t)(w.srv.Token(claims))
		w.wire.reset(func(_ int, req *http.Request) cut {
			if strings.Contains(req.URL.Path, "/signingCert") {
				req.Header.Set("Authorization", "Bearer "+other)
			}
			return cut{}
		})
		fails(t, w.sign(context.Background(), bundleOnly(img)), verify.WrongSigner, "it is for ", `and the token is from "`+issuer+`", for "`+identity+`"`)
		if n := len(w.srv.Rekor1.Requests()) + len(w.srv.Rekor2.Requests()); n > 0 {
			t.Errorf("%s: %d requests to logs", name, n)
		}
		if writes := w.wire.writes(); len(writes) > 1 { // that for the certificate
			t.Errorf("%s: %q", name, writes)
		}
	}
}

// What JSON cannot say is not ordered, and nobody is asked anything.
func TestAnnotationsNotUTF8(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, _ := w.image("text")
	w.wire.reset(nil)
	for _, a := range []map[string]string{{"a": "\xff"}, {"a\xff": "1"}} {
		order := bundleOnly(img)
		order.Annotations = a
		fails(t, w.sign(context.Background(), order), verify.Unsupported, "is not UTF-8")
	}
	if asked := w.wire.requests(); len(asked) > 0 {
		t.Errorf("asked %q", asked)
	}
}

// What nothing is made of is not asked for.
func TestNoAttestationTag(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, _ := w.image("att")
	w.wire.reset(nil)
	w.signed(everything(img))
	for _, req := range w.wire.requests() {
		if strings.HasSuffix(req, ".att") {
			t.Error(req)
		}
	}
}
