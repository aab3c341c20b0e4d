package registry_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

// A bundle is an attachment whose content follows from text.
func bundle(text string) registry.Attachment {
	return registry.Attachment{
		ArtifactType: registrytest.BundleV03,
		Layers:       []registry.Layer{{MediaType: registrytest.BundleV03, Body: []byte(text)}},
		Annotations: map[string]string{
			"dev.sigstore.bundle.content":       "dsse-envelope",
			"dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1",
		},
	}
}

func fallbackTag(subject ocispec.Descriptor) string {
	return strings.Replace(subject.Digest.String(), ":", "-", 1)
}

// fallback returns what is listed behind the fallback tag, [] where there is none.
func fallback(t *testing.T, r *registrytest.Registry, subject ocispec.Descriptor) []ocispec.Descriptor {
	t.Helper()
	body, err := r.Manifest("a", fallbackTag(subject))
	if err != nil {
		return nil
	}
	list, err := registry.ParseFallback(registry.Manifest{Body: body})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func digests(list []ocispec.Descriptor) []string {
	var all []string
	for _, d := range list {
		all = append(all, d.Digest.String())
	}
	return all
}

// The manifest is the one that cosign 3.1.3 writes (pkg/oci/remote,
// WriteReferrer).
func TestAttachManifest(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{})
	subject := put(t)(r.PutImage("a", "v1", "seed"))
	given := subject
	given.Annotations = map[string]string{"not": "kept"}
	given.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}
	a := bundle("a bundle")
	a.Layers[0].Annotations = map[string]string{"of": "a layer"}
	c, _ := client(registry.Options{})
	digest, storage, err := c.Attach(t.Context(), ref(t, r.Host()+"/a"), given, a)
	if err != nil || storage != "referrer" {
		t.Fatal(storage, err)
	}
	body, err := r.Manifest("a", digest)
	if err != nil || registrytest.Digest(body) != digest {
		t.Fatalf("%s: %s, %v", digest, body, err)
	}
	want := fmt.Sprintf(`{
		"schemaVersion": 2,
		"mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": {
			"mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
			"digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
			"artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json"
		},
		"layers": [{
			"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "size": 8, "digest": %q,
			"annotations": {"of": "a layer"}
		}],
		"annotations": {
			"dev.sigstore.bundle.content": "dsse-envelope",
			"dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1"
		},
		"subject": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": %d, "digest": %q},
		"artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json"
	}`, registrytest.Digest([]byte("a bundle")), subject.Size, subject.Digest)
	if !equalJSON(t, body, []byte(want)) {
		t.Errorf("manifest %s\nwant %s", body, want)
	}
	list, err := c.Referrers(t.Context(), ref(t, r.Host()+"/a"), subject.Digest.String())
	if err != nil || !slices.Equal(digests(list), []string{digest}) {
		t.Errorf("listed %v, %v", list, err)
	}
}

// The manifest is the one that notation 1.3.2 writes (notation-go,
// registry.Repository.PushSignature), with each kind of registry.
func TestAttachTypeInConfig(t *testing.T) {
	t.Parallel()
	for _, noAPI := range []bool{false, true} {
		r := start(t, registrytest.Options{NoReferrers: noAPI})
		subject := put(t)(r.PutImage("a", "v1", "seed"))
		c, _ := client(registry.Options{})
		digest, storage, err := c.Attach(t.Context(), ref(t, r.Host()+"/a"), subject, registry.Attachment{
			ArtifactType: "application/vnd.cncf.notary.signature", TypeInConfig: true,
			Layers:      []registry.Layer{{MediaType: "application/cose", Body: []byte("envelope")}},
			Annotations: map[string]string{"io.cncf.notary.x509chain.thumbprint#S256": "[]"},
		})
		if err != nil || storage != map[bool]string{false: "referrer", true: "fallback-tag"}[noAPI] {
			t.Fatal(storage, err)
		}
		body, err := r.Manifest("a", digest)
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf(`{
			"schemaVersion": 2,
			"mediaType": "application/vnd.oci.image.manifest.v1+json",
			"config": {
				"mediaType": "application/vnd.cncf.notary.signature", "size": 2,
				"digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
			},
			"layers": [{"mediaType": "application/cose", "size": 8, "digest": %q}],
			"annotations": {"io.cncf.notary.x509chain.thumbprint#S256": "[]"},
			"subject": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": %d, "digest": %q}
		}`, registrytest.Digest([]byte("envelope")), subject.Size, subject.Digest)
		if !equalJSON(t, body, []byte(want)) {
			t.Errorf("manifest %s\nwant %s", body, want)
		}
		list := fallback(t, r, subject)
		if !noAPI {
			list, err = c.Referrers(t.Context(), ref(t, r.Host()+"/a"), subject.Digest.String())
		}
		if err != nil || len(list) != 1 || list[0].Digest.String() != digest || list[0].ArtifactType != "application/vnd.cncf.notary.signature" {
			t.Errorf("no API: %v: listed %+v, %v", noAPI, list, err)
		}
	}
}

func equalJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

// The registry is asked what it did only where it does not say so.
func TestAttachRequests(t *testing.T) {
	t.Parallel()
	blobs := func(digest string) []string {
		return []string{
			"HEAD " + blobURI("{}") + " 404", "POST " + uploads + " 202", "PUT " + uploadURI("{}") + " 201",
			"HEAD " + blobURI("x") + " 404", "POST " + uploads + " 202", "PUT " + uploadURI("x") + " 201",
			"PUT /v2/a/manifests/" + digest + " 201",
		}
	}
	for name, tc := range map[string]struct {
		options registrytest.Options
		storage string
		waits   int
		want    func(subject, tag string) []string
		again   func(subject, tag string) []string // by the same Client, after the manifest
	}{
		"referrers API": {
			registrytest.Options{}, "referrer", 0,
			func(string, string) []string { return nil },
			func(string, string) []string { return nil },
		},
		"referrers API that does not say so": {
			registrytest.Options{NoSubject: true}, "referrer", 0,
			func(subject, _ string) []string { return []string{"GET /v2/a/referrers/" + subject + " 200"} },
			func(subject, _ string) []string { return []string{"GET /v2/a/referrers/" + subject + " 200"} },
		},
		"none": {
			registrytest.Options{NoReferrers: true}, "fallback-tag", 1,
			func(subject, tag string) []string {
				return []string{
					"GET /v2/a/referrers/" + subject + " 404", "GET /v2/a/manifests/" + tag + " 404", "GET /v2/a/manifests/" + tag + " 404",
					"PUT /v2/a/manifests/" + tag + " 201", "GET /v2/a/manifests/" + tag + " 200",
				}
			},
			func(subject, tag string) []string {
				return []string{"GET /v2/a/referrers/" + subject + " 404", "GET /v2/a/manifests/" + tag + " 200"}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, tc.options)
			subject := put(t)(r.PutImage("a", "v1", "seed"))
			c, sleeps := client(registry.Options{})
			repo := ref(t, r.Host()+"/a")
			first, storage, err := c.Attach(t.Context(), repo, subject, bundle("x"))
			if err != nil || storage != tc.storage {
				t.Fatal(storage, err)
			}
			wantPushes(t, r, append(blobs(first), tc.want(subject.Digest.String(), fallbackTag(subject))...)...)
			if len(sleeps.all()) != tc.waits {
				t.Errorf("waits %v", sleeps.all())
			}
			r.Reset(0)
			second, storage, err := c.Attach(t.Context(), repo, subject, bundle("x"))
			if err != nil || storage != tc.storage || second != first {
				t.Errorf("again: %s %s, %v", second, storage, err)
			}
			wantPushes(t, r, append([]string{"PUT /v2/a/manifests/" + first + " 201"}, tc.again(subject.Digest.String(), fallbackTag(subject))...)...)
			if len(sleeps.all()) != tc.waits {
				t.Errorf("waits %v", sleeps.all())
			}
		})
	}
}

// A registry may list a moment later what was pushed; one that never does is
// treated as one without the API.
func TestAttachListedLater(t *testing.T) {
	t.Parallel()
	empty := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
	for _, tc := range []struct {
		times   int
		storage string
		waits   []time.Duration
	}{
		{2, "referrer", []time.Duration{time.Second, 2 * time.Second}},
		{0, "fallback-tag", []time.Duration{time.Second, 2 * time.Second}},
	} {
		r := start(t, registrytest.Options{NoSubject: true})
		subject := put(t)(r.PutImage("a", "v1", "seed"))
		r.Break(registrytest.Fault{Path: "/referrers/", Times: tc.times, Body: func([]byte) []byte { return empty }})
		c, sleeps := client(registry.Options{})
		digest, storage, err := c.Attach(t.Context(), ref(t, r.Host()+"/a"), subject, bundle("x"))
		if err != nil || storage != tc.storage {
			t.Errorf("%s, %v", storage, err)
		}
		if waits := sleeps.all(); !slices.Equal(waits[:2], tc.waits) {
			t.Errorf("waits %v", waits)
		}
		if listed := slices.Contains(digests(fallback(t, r, subject)), digest); listed != (tc.storage == "fallback-tag") {
			t.Errorf("%s: in the fallback tag %t", tc.storage, listed)
		}
	}
}

// A header that names another subject says nothing of ours.
func TestAttachOtherSubject(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{NoReferrers: true})
	subject := put(t)(r.PutImage("a", "v1", "seed"))
	r.Break(registrytest.Fault{Method: "PUT", Path: "/manifests/sha256:", Header: map[string]string{"OCI-Subject": anyDigest}})
	c, _ := client(registry.Options{})
	_, storage, err := c.Attach(t.Context(), ref(t, r.Host()+"/a"), subject, bundle("x"))
	if err != nil || storage != "fallback-tag" {
		t.Error(storage, err)
	}
}

// Of an index that others wrote nothing is lost: not their entries, not what is
// unknown to us, not a byte.
func TestAttachKeeps(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{NoReferrers: true})
	subject := put(t)(r.PutImage("a", "v1", "seed"))
	other := put(t)(r.PutImage("a", "", "other"))
	head := fmt.Sprintf("{\n  \"annotations\": {\"of\": \"the index\"},\n  \"x-unknown\": [1.0, 12345678901234567890, \"\\u003c\"],\n  \"schemaVersion\": 2,"+
		"\n  \"manifests\" : [ {\"digest\":%q, \"size\": %d, \"x\": {\"manifests\": []},\n  \"mediaType\":%q}", other.Digest, other.Size, other.MediaType)
	const tail = "],\n  \"mediaType\": \"application/vnd.oci.image.index.v1+json\"\n}\n"
	put(t)(r.PutManifest("a", fallbackTag(subject), ocispec.MediaTypeImageIndex, []byte(head+" "+tail)))
	c, _ := client(registry.Options{})
	digest, storage, err := c.Attach(t.Context(), ref(t, r.Host()+"/a"), subject, bundle("x"))
	if err != nil || storage != "fallback-tag" {
		t.Fatal(storage, err)
	}
	manifest, err := r.Manifest("a", digest)
	if err != nil {
		t.Fatal(err)
	}
	body, err := r.Manifest("a", fallbackTag(subject))
	if err != nil {
		t.Fatal(err)
	}
	entry, ok := strings.CutPrefix(string(body), head+",")
	entry, ok2 := strings.CutSuffix(entry, tail)
	want := fmt.Sprintf(`{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": %q, "size": %d,
		"artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
		"annotations": {"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1"}}`,
		digest, len(manifest))
	if !ok || !ok2 || !equalJSON(t, []byte(entry), []byte(want)) {
		t.Errorf("index\n%s\nentry %s\nwant %s", body, entry, want)
	}
}

// What is behind the tag and is not understood is left alone.
func TestAttachRefuses(t *testing.T) {
	t.Parallel()
	const index = ocispec.MediaTypeImageIndex
	entry := `{"mediaType":"m","size":1,"digest":"` + anyDigest + `"}`
	entries := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`{"mediaType":"m","size":1,"digest":"sha256:%064x"}`, i))
		}
		return strings.Join(all, ",")
	}
	for name, tc := range map[string]struct {
		mediaType, body string
		kinds           []error
	}{
		"no JSON":          {index, `<html>`, []error{registry.ErrMalformed}},
		"a list":           {index, `[]`, []error{registry.ErrMalformed}},
		"no list":          {index, `{"schemaVersion":2}`, []error{registry.ErrMalformed}},
		"two lists":        {index, `{"schemaVersion":2,"manifests":[],"manifests":[` + entry + `]}`, []error{registry.ErrMalformed}},
		"other case":       {index, `{"schemaVersion":2,"manifests":[],"Manifests":[` + entry + `]}`, []error{registry.ErrMalformed}},
		"an image":         {ocispec.MediaTypeImageManifest, `{"schemaVersion":2,"config":{},"layers":[]}`, []error{registry.ErrMalformed}},
		"both":             {index, `{"schemaVersion":2,"manifests":[],"layers":[]}`, []error{registry.ErrMalformed}},
		"docker's list":    {"application/vnd.docker.distribution.manifest.list.v2+json", `{"schemaVersion":2,"manifests":[]}`, []error{registry.ErrMalformed}},
		"other type":       {"application/vnd.other+json", `{"schemaVersion":2,"manifests":[]}`, []error{registry.ErrMalformed}},
		"schemaVersion 1":  {index, `{"schemaVersion":1,"manifests":[]}`, []error{registry.ErrMalformed}},
		"no schemaVersion": {index, `{"manifests":[]}`, []error{registry.ErrMalformed}},
		"bad digest":       {index, `{"schemaVersion":2,"manifests":[{"mediaType":"m","size":1,"digest":"sha256:../x"}]}`, []error{registry.ErrMalformed}},
		"two documents":    {index, `{"schemaVersion":2,"manifests":[]}{}`, []error{registry.ErrMalformed}},
		"too many":         {index, `{"schemaVersion":2,"manifests":[` + entries(256) + `]}`, []error{registry.ErrTooMany, registry.ErrUnavailable}},
		"far too many":     {index, `{"schemaVersion":2,"manifests":[` + entries(1025) + `]}`, []error{registry.ErrTooMany, registry.ErrUnavailable}},
		"too large":        {index, `{"schemaVersion":2,"manifests":[]}` + strings.Repeat(" ", 4<<20), []error{registry.ErrTooLarge, registry.ErrUnavailable}},
		"too large then":   {index, `{"schemaVersion":2,"manifests":[]}` + strings.Repeat(" ", 4<<20-100), []error{registry.ErrTooLarge, registry.ErrUnavailable}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if raced && len(tc.body) > 1<<20 {
				t.Skip("slow under the race detector")
			}
			r := start(t, registrytest.Options{NoReferrers: true})
			subject := put(t)(r.PutImage("a", "v1", "seed"))
			r.Break(registrytest.Fault{Method: "GET", Path: fallbackTag(subject) + "$", Body: func([]byte) []byte { return []byte(tc.body) }, Header: map[string]string{
				"Content-Type": tc.mediaType, "Docker-Content-Digest": registrytest.Digest([]byte(tc.body)),
			}})
			put(t)(r.PutIndex("a", fallbackTag(subject)))
			c, _ := client(registry.Options{})
			_, storage, err := c.Attach(t.Context(), ref(t, r.Host()+"/a"), subject, bundle("x"))
			reason := verify.Unavailable
			if slices.Contains(tc.kinds, registry.ErrMalformed) {
				reason = verify.Unsupported
			}
			wantErr(t, err, reason, tc.kinds...)
			if err != nil && !strings.Contains(err.Error(), r.Host()+"/a:"+fallbackTag(subject)) {
				t.Errorf("%q does not name the tag", err)
			}
			if storage != "" {
				t.Errorf("storage %q", storage)
			}
			if name != "too large then" { // which depends on what is to be added
				err = c.CheckAttach(t.Context(), ref(t, r.Host()+"/a"), subject.Digest.String(), 1)
				wantErr(t, err, reason, tc.kinds...)
			}
			for _, q := range r.Requests() {
				if q.Method == "PUT" && strings.HasSuffix(q.URI, fallbackTag(subject)) {
					t.Error("the tag was written")
				}
			}
		})
	}
}

// Registries delete manifests that the index lists, and then take no index that
// lists them: what is gone, and nothing else, is left out.
func TestAttachGone(t *testing.T) {
	t.Parallel()
	const unknown = `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}`
	layer := func(text string) registrytest.Layer { return registrytest.Layer{MediaType: "m", Blob: []byte(text)} }
	for name, tc := range map[string]struct {
		deleted, late bool
		fault         *registrytest.Fault
		kind          error
		hint          string
	}{
		"gone":                  {deleted: true},
		"only late":             {late: true, fault: &registrytest.Fault{Method: "PUT", Status: 400, Detail: unknown, Times: 1}},
		"as distribution does":  {deleted: true, fault: &registrytest.Fault{Method: "PUT", Status: 400, Detail: unknown, Times: 1}},
		"nothing is gone":       {fault: &registrytest.Fault{Method: "PUT", Status: 400, Detail: unknown}, kind: registry.ErrIncomplete, hint: "look at what the tag leads to"},
		"no answer about one":   {deleted: true, fault: &registrytest.Fault{Method: "GET", Path: "/manifests/sha256:", Status: 503}, kind: registry.ErrUnavailable, hint: "run it again"},
		"no access to the rest": {deleted: true, fault: &registrytest.Fault{Method: "GET", Path: "/manifests/sha256:", Status: 403}, kind: registry.ErrDenied, hint: "log in"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, registrytest.Options{NoReferrers: true})
			subject := put(t)(r.PutImage("a", "v1", "seed"))
			first := put(t)(r.PutReferrer("a", subject, "application/vnd.other", layer("first")))
			second := put(t)(r.PutReferrer("a", subject, "application/vnd.other", layer("second")))
			third := put(t)(r.PutReferrer("a", subject, "application/vnd.other", layer("third")))
			before := fallback(t, r, subject)
			if tc.deleted {
				if err := r.Delete("a", second.Digest.String()); err != nil {
					t.Fatal(err)
				}
			}
			if tc.fault != nil {
				if tc.fault.Method == "PUT" {
					tc.fault.Path = fallbackTag(subject) + "$"
				}
				r.Break(*tc.fault)
			}
			if tc.late {
				r.Break(registrytest.Fault{Method: "GET", Path: "/manifests/" + second.Digest.String() + "$", Status: 404, Times: 1})
			}
			c, _ := client(registry.Options{})
			digest, storage, err := c.Attach(t.Context(), ref(t, r.Host()+"/a"), subject, bundle("x"))
			after := fallback(t, r, subject)
			if tc.late {
				if err != nil || !slices.Equal(digests(after), append(digests(before), digest)) {
					t.Errorf("%v: listed %v, before %v", err, digests(after), digests(before))
				}
				return
			}
			if tc.kind != nil {
				if !errors.Is(err, tc.kind) || !strings.Contains(hintOf(t, err, r.Host()), tc.hint) || registry.Reason(err) == verify.NotFound {
					t.Errorf("%v (%s): %s", err, registry.Reason(err), hintOf(t, err, r.Host()))
				}
				if !reflect.DeepEqual(before, after) {
					t.Errorf("listed %v, before %v", after, before)
				}
				return
			}
			if err != nil || storage != "fallback-tag" || !slices.Equal(digests(after), []string{first.Digest.String(), third.Digest.String(), digest}) {
				t.Errorf("%s, %v: listed %v", storage, err, digests(after))
			}
			if !reflect.DeepEqual(after[:2], []ocispec.Descriptor{before[0], before[2]}) {
				t.Errorf("listed %v, before %v", after, before)
			}
		})
	}
}

// A registry that gives no answer about one of many is not asked about the rest.
func TestAttachGoneGivesUp(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{NoReferrers: true})
	subject := put(t)(r.PutImage("a", "v1", "seed"))
	const listed = 100
	for i := range listed {
		put(t)(r.PutReferrer("a", subject, "m", registrytest.Layer{MediaType: "m", Blob: fmt.Append(nil, i)}))
	}
	r.Break(registrytest.Fault{Method: "PUT", Path: fallbackTag(subject) + "$", Status: 404, Detail: `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`})
	r.Break(registrytest.Fault{Method: "GET", Path: "/manifests/sha256:", Status: 503})
	c, _ := client(registry.Options{})
	_, _, err := c.Attach(t.Context(), ref(t, r.Host()+"/a"), subject, bundle("x"))
	wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
	asked := 0
	for _, q := range r.Requests() {
		if q.Method == "GET" && strings.Contains(q.URI, "/manifests/sha256:") {
			asked++
		}
	}
	if asked == 0 || asked > listed {
		t.Errorf("asked %d times about %d", asked, listed)
	}
}

// How many can be added is told before.
func TestCheckAttach(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]registrytest.Options{"referrers API": {}, "none": {NoReferrers: true}} {
		r := start(t, o)
		subject := put(t)(r.PutImage("a", "v1", "seed"))
		c, _ := client(registry.Options{})
		check := func(n int) error {
			return c.CheckAttach(t.Context(), ref(t, r.Host()+"/a"), subject.Digest.String(), n)
		}
		if err := check(256); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i := range 3 {
			put(t)(r.PutReferrer("a", subject, "m", registrytest.Layer{MediaType: "m", Blob: fmt.Append(nil, i)}))
		}
		if err := check(253); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		err := check(254)
		wantErr(t, err, verify.Unavailable, registry.ErrTooMany, registry.ErrUnavailable)
		if err == nil || !strings.Contains(err.Error(), "there are 3 referrers, at most 256 are read") {
			t.Errorf("%s: %v", name, err)
		}
		if hint := verify.Hint(registry.Explain("sign", r.Host(), err)); !strings.Contains(hint, "delete signatures and attestations that nobody needs") {
			t.Errorf("%s: next step %q", name, hint)
		}
		for _, q := range r.Requests() {
			if q.Method != "GET" {
				t.Errorf("%s: %s %s", name, q.Method, q.URI)
			}
		}
	}
}

// One referrer less than are read can be added to.
func TestAttachLast(t *testing.T) {
	t.Parallel()
	for n, ok := range map[int]bool{255: true, 256: false} {
		r := start(t, registrytest.Options{NoReferrers: true})
		subject := put(t)(r.PutImage("a", "v1", "seed"))
		var all []ocispec.Descriptor
		for i := range n {
			all = append(all, registrytest.Describe("m", []byte{byte(i), byte(i >> 8)}))
		}
		put(t)(r.PutIndex("a", fallbackTag(subject), all...))
		c, _ := client(registry.Options{})
		_, _, err := c.Attach(t.Context(), ref(t, r.Host()+"/a"), subject, bundle("x"))
		if (err == nil) != ok || len(fallback(t, r, subject)) != 256 {
			t.Errorf("%d: %v, %d entries", n, err, len(fallback(t, r, subject)))
		}
	}
}

func TestAttachNothing(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{})
	good := registrytest.Describe(ocispec.MediaTypeImageManifest, []byte(manifest))
	for name, change := range map[string]func(*ocispec.Descriptor, *registry.Attachment){
		"no digest":     func(d *ocispec.Descriptor, _ *registry.Attachment) { d.Digest = "" },
		"other digest":  func(d *ocispec.Descriptor, _ *registry.Attachment) { d.Digest = "sha512:x" },
		"no media type": func(d *ocispec.Descriptor, _ *registry.Attachment) { d.MediaType = "" },
		"no size":       func(d *ocispec.Descriptor, _ *registry.Attachment) { d.Size = 0 },
		"no type":       func(_ *ocispec.Descriptor, a *registry.Attachment) { a.ArtifactType = "" },
		"no layers":     func(_ *ocispec.Descriptor, a *registry.Attachment) { a.Layers = nil },
	} {
		subject, a := good, bundle("x")
		change(&subject, &a)
		c, _ := client(registry.Options{})
		if _, _, err := c.Attach(t.Context(), ref(t, r.Host()+"/a"), subject, a); !errors.Is(err, registry.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantLog(t, r)
}

// hooked returns a Client that calls step instead of the n-th wait, from 1.
func hooked(step func(n int)) *registry.Client {
	n := 0
	return registry.New(registry.Options{Sleep: func(ctx context.Context, _ time.Duration) error {
		n++
		step(n)
		return ctx.Err()
	}})
}

// Another writer who did not know of ours replaced it, at whatever moment: ours is
// added again, and theirs is kept.
func TestAttachOverwritten(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault registrytest.Fault // of writing the tag
		waits int
	}{
		"after it was written":      {registrytest.Fault{Skip: 100}, 3},             // look, before the second round, look
		"while the answer was lost": {registrytest.Fault{Reset: true, Times: 1}, 2}, // repeat, look
		"while it was refused":      {registrytest.Fault{Status: 503, Times: 1}, 2}, // the same
		"while it took a break":     {registrytest.Fault{Status: 429, RetryAfter: "9", Times: 1}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, registrytest.Options{NoReferrers: true})
			subject := put(t)(r.PutImage("a", "v1", "seed"))
			other := put(t)(r.PutImage("a", "", "other"))
			tc.fault.Method, tc.fault.Path = "PUT", fallbackTag(subject)+"$"
			r.Break(tc.fault)
			waits := 0
			c := hooked(func(n int) {
				if waits = n; n == 1 {
					put(t)(r.PutIndex("a", fallbackTag(subject), other))
				}
			})
			digest, _, err := c.Attach(t.Context(), ref(t, r.Host()+"/a"), subject, bundle("x"))
			if err != nil {
				t.Fatal(err)
			}
			if got := digests(fallback(t, r, subject)); !slices.Equal(got, []string{other.Digest.String(), digest}) {
				t.Errorf("entries %v", got)
			}
			if waits != tc.waits {
				t.Errorf("%d waits, want %d", waits, tc.waits)
			}
		})
	}
}

// An answer that got lost may be that to a write that was done: it is not done
// again, and looked at like any other.
func TestAttachAnswerLost(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{NoReferrers: true})
	subject := put(t)(r.PutImage("a", "v1", "seed"))
	r.Break(registrytest.Fault{Method: "PUT", Path: fallbackTag(subject) + "$", Reset: true, Times: 1})
	c, sleeps := client(registry.Options{})
	digest, _, err := c.Attach(t.Context(), ref(t, r.Host()+"/a"), subject, bundle("x"))
	if err != nil || !slices.Equal(digests(fallback(t, r, subject)), []string{digest}) {
		t.Error(err)
	}
	var got []string
	for _, q := range r.Requests() {
		if strings.HasSuffix(q.URI, fallbackTag(subject)) {
			got = append(got, q.Method)
		}
	}
	if !slices.Equal(got, []string{"GET", "GET", "PUT", "GET", "GET"}) || len(sleeps.all()) != 2 {
		t.Errorf("requests %v, waits %v", got, sleeps.all())
	}
}

// In a list that is longer than what is read, ours is not found.
func TestAttachLost(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{NoReferrers: true})
	subject := put(t)(r.PutImage("a", "v1", "seed"))
	c := hooked(func(n int) {
		if n > 1 {
			return
		}
		all := fallback(t, r, subject)
		for i := range 256 {
			all = append(all, registrytest.Describe("m", []byte{byte(i)}))
		}
		put(t)(r.PutIndex("a", fallbackTag(subject), all...))
	})
	_, storage, err := c.Attach(t.Context(), ref(t, r.Host()+"/a"), subject, bundle("x"))
	wantErr(t, err, verify.Unavailable, registry.ErrUnavailable, registry.ErrTooMany)
	if storage != "" {
		t.Errorf("storage %q", storage)
	}
}

// While others write, what is there may still be replaced by somebody who read the
// tag before: it is looked at until nobody does.
func TestAttachWaitsForOthers(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{NoReferrers: true})
	subject := put(t)(r.PutImage("a", "v1", "seed"))
	looks := 0
	var others []ocispec.Descriptor
	c := hooked(func(n int) {
		looks = n
		if n <= 3 {
			others = append(others, put(t)(r.PutReferrer("a", subject, "m", registrytest.Layer{MediaType: "m", Blob: fmt.Append(nil, n)})))
		}
	})
	digest, _, err := c.Attach(t.Context(), ref(t, r.Host()+"/a"), subject, bundle("x"))
	if err != nil {
		t.Fatal(err)
	}
	if got := digests(fallback(t, r, subject)); !slices.Equal(got, append([]string{digest}, digests(others)...)) {
		t.Errorf("entries %v", got)
	}
	if looks != 4 {
		t.Errorf("%d looks", looks)
	}
}

// Where it cannot be done, it is not done for ever, and not said to be done.
func TestUpdateGivesUp(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{NoReferrers: true})
	subject := put(t)(r.PutImage("a", "v1", "seed"))
	waits := 0
	for name, step := range map[string]func(n int){
		"always replaced": func(n int) {
			waits = n
			put(t)(r.PutIndex("a", fallbackTag(subject), put(t)(r.PutImage("a", "", fmt.Sprint(n)))))
		},
		"always added to": func(n int) {
			waits = n
			put(t)(r.PutReferrer("a", subject, "m", registrytest.Layer{MediaType: "m", Blob: fmt.Append(nil, n)}))
		},
	} {
		_, storage, err := hooked(step).Attach(t.Context(), ref(t, r.Host()+"/a"), subject, bundle(name))
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
		if err == nil || !strings.Contains(err.Error(), "others keep changing it") || storage != "" {
			t.Errorf("%s: %s %v", name, storage, err)
		}
		if waits > 32 {
			t.Errorf("%s: %d waits", name, waits)
		}
	}
	// A registry that takes everything and keeps nothing is told from other writers.
	silent := start(t, registrytest.Options{NoReferrers: true})
	for name, before := range map[string]func(){
		"nothing": func() {},
		"others'": func() { put(t)(silent.PutIndex("a", fallbackTag(subject), put(t)(silent.PutImage("a", "", "other")))) },
	} {
		silent.Reset(0)
		before()
		silent.Break(registrytest.Fault{Method: "PUT", Path: fallbackTag(subject) + "$", Status: 201})
		c, sleeps := client(registry.Options{})
		_, storage, err := c.Attach(t.Context(), ref(t, silent.Host()+"/a"), subject, bundle("x"))
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable, registry.ErrCorrupt)
		if err == nil || !strings.Contains(err.Error(), "does not have it") || storage != "" || len(sleeps.all()) != 5 {
			t.Errorf("%s: %s %v, waits %v", name, storage, err, sleeps.all())
		}
	}
	for name, body := range map[string]string{"broken": `{"x":1}`, "gone": ""} {
		c := hooked(func(n int) {
			if n != 1 {
				return
			}
			if body == "" {
				if err := r.Delete("a", fallbackTag(subject)); err != nil {
					t.Error(err)
				}
				return
			}
			put(t)(r.PutManifest("a", fallbackTag(subject), "x", []byte(body)))
		})
		if err := r.Delete("a", fallbackTag(subject)); err != nil {
			t.Error(err)
		}
		digest, _, err := c.Attach(t.Context(), ref(t, r.Host()+"/a"), subject, bundle(name))
		if body == "" { // it is written again
			if err != nil || !slices.Equal(digests(fallback(t, r, subject)), []string{digest}) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		wantErr(t, err, verify.Unsupported, registry.ErrMalformed)
	}
}

// Update is asked what to write each time, with what is there then.
func TestUpdate(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{})
	repo := ref(t, r.Host()+"/a")
	var saw []string
	add := func(line string) func(*registry.Manifest) ([]byte, string, func(registry.Manifest) bool, error) {
		holds := func(m registry.Manifest) bool { return strings.Contains(string(m.Body), line) }
		return func(old *registry.Manifest) ([]byte, string, func(registry.Manifest) bool, error) {
			if old == nil {
				saw = append(saw, "nothing")
				return []byte(line), "text/x", holds, nil
			}
			saw = append(saw, string(old.Body))
			if holds(*old) {
				return nil, "", nil, nil
			}
			return []byte(string(old.Body) + line), old.MediaType, holds, nil
		}
	}
	c := hooked(func(n int) {
		if n == 1 {
			put(t)(r.PutManifest("a", "v1", "text/x", []byte(`{"theirs"}`)))
		}
	})
	for range 2 {
		if err := c.Update(t.Context(), repo, "v1", add(`{"ours"}`)); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"nothing", `{"theirs"}`, `{"theirs"}{"ours"}`}; !slices.Equal(saw, want) {
		t.Errorf("saw %q, want %q", saw, want)
	}
	own := errors.New("not to be")
	err := c.Update(t.Context(), repo, "v1", func(*registry.Manifest) ([]byte, string, func(registry.Manifest) bool, error) {
		return nil, "", nil, own
	})
	if !errors.Is(err, own) || !strings.Contains(err.Error(), r.Host()+"/a:v1") {
		t.Error(err)
	}
}

// However long change takes, what others write meanwhile is kept, although they
// waited for no longer than they thought that it would take.
func TestUpdateSlowChange(t *testing.T) {
	t.Parallel()
	for name, seed := range map[string]string{"nothing": "", "something": "{0}"} {
		r := start(t, registrytest.Options{})
		repo := ref(t, r.Host()+"/a")
		if seed != "" {
			put(t)(r.PutManifest("a", "v1", "text/x", []byte(seed)))
		}
		add := func(line string, meanwhile func()) func(*registry.Manifest) ([]byte, string, func(registry.Manifest) bool, error) {
			holds := func(m registry.Manifest) bool { return strings.Contains(string(m.Body), line) }
			return func(old *registry.Manifest) ([]byte, string, func(registry.Manifest) bool, error) {
				var body []byte
				if old != nil {
					body = old.Body
				}
				meanwhile()
				return append(slices.Clone(body), line...), "text/x", holds, nil
			}
		}
		theirs := 0
		meanwhile := func() {
			if theirs++; theirs <= 2 {
				c, _ := client(registry.Options{})
				if err := c.Update(t.Context(), repo, "v1", add(fmt.Sprintf("{%d}", theirs), func() {})); err != nil {
					t.Error(err)
				}
			}
		}
		c, _ := client(registry.Options{})
		if err := c.Update(t.Context(), repo, "v1", add("{ours}", meanwhile)); err != nil {
			t.Fatal(err)
		}
		m, err := c.Manifest(t.Context(), repo, "v1")
		if err != nil || string(m.Body) != seed+"{1}{2}{ours}" {
			t.Errorf("after %s: %q %v", name, m.Body, err)
		}
	}
}

// Writers of one Client take turns: each sees what the one before has written,
// and writes once.
func TestUpdateTurns(t *testing.T) {
	t.Parallel()
	const n = 10
	r := start(t, registrytest.Options{NoReferrers: true})
	subject := put(t)(r.PutImage("a", "v1", "seed"))
	c, _ := client(registry.Options{})
	parallel(n, func(i int) {
		if _, _, err := c.Attach(t.Context(), ref(t, r.Host()+"/a"), subject, bundle(fmt.Sprint(i))); err != nil {
			t.Error(err)
		}
	})
	written := 0
	for _, q := range r.Requests() {
		if q.Method == "PUT" && strings.HasSuffix(q.URI, fallbackTag(subject)) {
			written++
		}
	}
	if got := len(fallback(t, r, subject)); got != n || written != n {
		t.Errorf("%d entries, written %d times", got, written)
	}

	// Who no longer waits is told so, and holds nobody up.
	ctx, cancel := context.WithCancel(t.Context())
	change := func(*registry.Manifest) ([]byte, string, func(registry.Manifest) bool, error) {
		cancel()
		err := c.Update(ctx, ref(t, r.Host()+"/a"), "v2", nil)
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		return nil, "", nil, nil
	}
	if err := c.Update(t.Context(), ref(t, r.Host()+"/a"), "v2", change); err != nil {
		t.Error(err)
	}
}

// What did not stand for long enough, since there was no time, was not written.
func TestUpdateTimeout(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{NoReferrers: true})
	subject := put(t)(r.PutImage("a", "v1", "seed"))
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	c, sleeps := client(registry.Options{})
	_, storage, err := c.Attach(ctx, ref(t, r.Host()+"/a"), subject, bundle("x"))
	wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
	if storage != "" || len(sleeps.all()) != 0 {
		t.Errorf("%s, waits %v", storage, sleeps.all())
	}
}

// A simulation is a clock for writers that run at once. Time passes only while
// all of them wait, so that what they do takes no time but the time that it is
// made to take.
type simulation struct {
	mu      sync.Mutex
	now     time.Duration
	running int
	waiting []waiter
}

type waiter struct {
	until time.Duration
	wake  chan struct{}
}

// begin says that n writers run.
func simulate(n int) *simulation { return &simulation{running: n} }

func (s *simulation) sleep(ctx context.Context, d time.Duration) error {
	s.mu.Lock()
	w := waiter{s.now + d, make(chan struct{})}
	s.waiting = append(s.waiting, w)
	s.advance()
	s.mu.Unlock()
	select {
	case <-w.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end says that a writer is done.
func (s *simulation) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	s.advance()
}

func (s *simulation) advance() {
	if len(s.waiting) == 0 || len(s.waiting) < s.running {
		return
	}
	slices.SortFunc(s.waiting, func(a, b waiter) int { return cmp.Compare(a.until, b.until) })
	s.now = s.waiting[0].until
	close(s.waiting[0].wake)
	s.waiting = s.waiting[1:]
}

func (s *simulation) elapsed() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Twenty writers that know nothing of each other, on a registry where writing
// takes its time and nothing is conditional: all that they write is there in the
// end.
func TestAttachConcurrently(t *testing.T) {
	t.Parallel()
	const n = 20
	r := start(t, registrytest.Options{NoReferrers: true})
	subject := put(t)(r.PutImage("a", "v1", "seed"))
	foreign := put(t)(r.PutReferrer("a", subject, "application/vnd.other", registrytest.Layer{MediaType: "m", Blob: []byte("foreign")}))
	s := simulate(n)
	// Reading the tag and writing it take up to 100 ms each.
	slow := func(b []byte) []byte {
		_ = s.sleep(t.Context(), rand.N(100*time.Millisecond))
		return b
	}
	r.Break(registrytest.Fault{Path: fallbackTag(subject) + "$", Before: func() { slow(nil) }, Body: slow})
	repo := ref(t, r.Host()+"/a")
	want := make([]string, n)
	parallel(n, func(i int) {
		defer s.end()
		c, _ := client(registry.Options{Sleep: s.sleep})
		digest, storage, err := c.Attach(t.Context(), repo, subject, bundle(fmt.Sprint("bundle ", i)))
		if err != nil || storage != "fallback-tag" {
			t.Errorf("%d: %s, %v", i, storage, err)
		}
		want[i] = digest
	})
	want = append(want, foreign.Digest.String())
	got := digests(fallback(t, r, subject))
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%d entries\n%s\nwant %d\n%s", len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
	}
	t.Logf("took %s and %d requests", s.elapsed(), len(r.Requests()))
}
