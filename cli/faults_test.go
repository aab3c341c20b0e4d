package cli_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/registrytest"
)

// A spot is one request of a run that may go wrong.
type spot struct {
	name string
	reg  registrytest.Options
	sign func(w *world, d ocispec.Descriptor) string // returns part of the path that is hit
	ref  func(d ocispec.Descriptor) string           // nil: by tag
	args []string
}

func spots() []spot {
	byDigest := func(d ocispec.Descriptor) string { return repo + "@" + d.Digest.String() }
	return []spot{
		{name: "tag", sign: func(w *world, d ocispec.Descriptor) string { w.signLegacy(repo, d, by()); return "/manifests/v1" }},
		{
			name: "image manifest", ref: byDigest,
			sign: func(w *world, d ocispec.Descriptor) string {
				w.signLegacy(repo, d, by())
				return "/manifests/sha256:"
			},
			args: []string{"--signature-repository", "SELF/team/elsewhere"}, // finds nothing, so that the image itself is read
		},
		{name: "referrers", ref: byDigest, sign: func(w *world, d ocispec.Descriptor) string {
			w.signBundle(repo, d, signType, by())
			return "/referrers/"
		}},
		{name: "fallback tag", reg: registrytest.Options{NoReferrers: true}, sign: func(w *world, d ocispec.Descriptor) string {
			w.signBundle(repo, d, signType, by())
			// The signature tag begins alike; only the end of the path differs.
			return "/manifests/sha256-" + d.Digest.Encoded() + "$"
		}},
		{name: "bundle manifest", sign: func(w *world, d ocispec.Descriptor) string {
			return "/manifests/" + w.signBundle(repo, d, signType, by()).Digest.String()
		}},
		{name: "bundle blob", sign: func(w *world, d ocispec.Descriptor) string { w.signBundle(repo, d, signType, by()); return "/blobs/" }},
		{name: "signature tag", ref: byDigest, sign: func(w *world, d ocispec.Descriptor) string { w.signLegacy(repo, d, by()); return ".sig" }},
		{name: "signature blob", ref: byDigest, sign: func(w *world, d ocispec.Descriptor) string { w.signLegacy(repo, d, by()); return "/blobs/" }},
	}
}

// run verifies the spot's image with a fault on the spot.
func (s spot) run(t *testing.T, f registrytest.Fault, more ...string) (result, *world) {
	t.Helper()
	w := newWorld(t, s.reg)
	d := w.image(repo)
	f.Path = s.sign(w, d)
	w.reg.Break(f)
	ref := repo + ":v1"
	if s.ref != nil {
		ref = s.ref(d)
	}
	var args []string
	for _, a := range s.args {
		args = append(args, strings.ReplaceAll(a, "SELF", w.reg.Host()))
	}
	return w.verify(ref, append(args, more...)...), w
}

// No trouble with a registry comes out as something else, least of all as an
// unsigned image. Where an answer is missing once, another look finds it.
func TestRegistryFaults(t *testing.T) {
	t.Parallel()
	const v, den, nf, un, uns = "verified", "denied", "not-found", "unavailable", "unsigned"
	type row map[string][2]string // by spot: once, for ever
	same := func(once, ever string, except row) row {
		r := row{}
		for _, s := range spots() {
			r[s.name] = [2]string{once, ever}
		}
		// This spot has no signature, so at best it comes out as unsigned.
		if once == v {
			r["image manifest"] = [2]string{uns, ever}
		}
		for k, x := range except {
			r[k] = x
		}
		return r
	}
	table := map[int]row{
		401: same(den, den, nil),
		403: same(den, den, nil),
		404: same(un, un, row{
			"tag": {nf, nf}, "image manifest": {nf, nf},
			// A 404 here is how an unsigned image looks. It is asked twice; one
			// lost answer does not make an image unsigned.
			"referrers": {v, uns}, "fallback tag": {v, uns}, "signature tag": {v, uns},
		}),
		429: same(v, un, nil),
		500: same(v, un, nil),
		503: same(v, un, nil),
	}
	codes := map[string]int{v: 0, den: 3, un: 3, nf: 1, uns: 1}
	for status, row := range table {
		for _, s := range spots() {
			for i, often := range []string{"once", "for ever"} {
				t.Run(fmt.Sprintf("%s %d %s", s.name, status, often), func(t *testing.T) {
					t.Parallel()
					f := registrytest.Fault{Status: status}
					if often == "once" {
						f.Times = 1
					}
					r, w := s.run(t, f)
					want := row[s.name][i]
					r.want(t, codes[want], want)
					if c := r.doc.Images[0].Checks[0]; want != v && (c.Hint == "" || c.Message == "") {
						t.Errorf("no next step: %+v", c)
					}
					if n := len(w.reg.Requests()); n > 16 {
						t.Errorf("%d requests", n)
					}
				})
			}
		}
	}
}

// Answers that break off, never end, grow too long or are other bytes.
func TestRegistryDamage(t *testing.T) {
	t.Parallel()
	flip := func(b []byte) []byte {
		b = bytes.Clone(b)
		at := len(b) / 2
		if i := bytes.Index(b, []byte("sha256:")); i >= 0 {
			at = i + 20 // in the list of referrers not every byte means something
		}
		b[at] ^= 1
		return b
	}
	huge := func([]byte) []byte { return bytes.Repeat([]byte(" "), 33<<20) }
	for _, tc := range []struct {
		name   string
		fault  registrytest.Fault
		args   []string
		reason string
		code   int
	}{
		{"reset once", registrytest.Fault{Reset: true, Times: 1}, nil, "verified", 0},
		{"reset for ever", registrytest.Fault{Reset: true}, nil, "unavailable", 3},
		{"truncated once", registrytest.Fault{Truncate: 7, Times: 1}, nil, "verified", 0},
		{"truncated for ever", registrytest.Fault{Truncate: 7}, nil, "unavailable", 3},
		{"no answer", registrytest.Fault{Hang: time.Minute}, []string{"--timeout", "300ms"}, "unavailable", 3},
		{"too long", registrytest.Fault{Body: huge}, nil, "unavailable", 3},
		{"other bytes", registrytest.Fault{Body: flip}, nil, "unavailable", 3},
		{"not what was asked for", registrytest.Fault{Body: func([]byte) []byte { return []byte("<html>") }}, nil, "unavailable", 3},
		{"redirect to nowhere", registrytest.Fault{Redirect: "http://127.0.0.1:1/x"}, nil, "unavailable", 3},
		{"redirect round in circles", registrytest.Fault{Redirect: "/v2/team/app/manifests/v1"}, nil, "unavailable", 3},
	} {
		for _, s := range spots() {
			if s.name != "tag" && tc.name == "redirect round in circles" {
				continue // for the others this leads to the tag, which is no circle
			}
			if raced && s.name != "tag" && tc.name == "too long" {
				continue // much data
			}
			t.Run(tc.name+" "+s.name, func(t *testing.T) {
				t.Parallel()
				start := time.Now()
				r, _ := s.run(t, tc.fault, tc.args...)
				reason, code := tc.reason, tc.code
				if s.name == "image manifest" && reason == "verified" {
					reason, code = "unsigned", 1
				}
				r.want(t, code, reason)
				if tc.fault.Hang > 0 && time.Since(start) > tc.fault.Hang/2 {
					t.Error("the wait was not bounded by --timeout")
				}
			})
		}
	}
}

// A registry may redirect to another host. What comes from there is checked
// like anything else, and sees no credentials.
func TestRedirect(t *testing.T) {
	t.Parallel()
	for _, s := range spots() {
		if s.name == "image manifest" {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.reg.Tokens, s.reg.User, s.reg.Password = true, "user", "secret"
			w := newWorld(t, s.reg)
			d := w.image(repo)
			path := s.sign(w, d)
			mirror := w.reg.Mirror()
			t.Cleanup(mirror.Close)
			w.reg.Break(registrytest.Fault{Path: path, Redirect: "http://" + mirror.Host() + "="})
			ref := repo + ":v1"
			if s.ref != nil {
				ref = s.ref(d)
			}
			r := runIn(t, t.Context(), "secret\n", env, "verify", w.reg.Host()+"/"+ref, "--trusted-root", w.root, "--certificate-identity", identity,
				"--certificate-oidc-issuer", issuer, "--registry-username", "user", "--registry-password-stdin")
			if r.code != 0 {
				t.Errorf("exit %d: %s%s", r.code, r.stdout, r.stderr)
			}
			seen := mirror.Requests()
			if len(seen) == 0 {
				t.Error("the redirect was not followed")
			}
			for _, req := range seen {
				if req.Authorization != "" {
					t.Errorf("%s %s was sent %q", req.Method, req.URI, req.Authorization)
				}
			}
			if strings.Contains(r.stdout+r.stderr, "secret") {
				t.Error("the password was printed")
			}
		})
	}
}

// A trust in the referrers list that its signer did not earn: an entry that
// points nowhere, one that points to another image's signature.
func TestHostileReferrers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{NoReferrers: true})
	d := w.image(repo)
	other := w.must(w.reg.PutImage(repo, "other", "other"))
	m := w.must(w.reg.PutLayers(repo, "", nil, registrytest.BundleV03, registrytest.Layer{MediaType: registrytest.BundleV03, Blob: w.bundle(other, signType, by())}))
	tag := strings.Replace(d.Digest.String(), ":", "-", 1)
	w.must(w.reg.PutIndex(repo, tag, m))
	w.verify(repo+":v1").want(t, 1, "bad-signature")
	w.must(w.reg.PutManifest(repo, tag, ocispec.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"manifests":[],"layers":[]}`)))
	w.verify(repo+":v1").want(t, 1, "bad-signature")
}

// A signature that is announced and not served is not an unsigned image.
func TestMissingReferrer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	m := w.signBundle(repo, w.image(repo), signType, by())
	w.reg.Break(registrytest.Fault{Path: "/referrers/", Body: func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte(m.Digest.Encoded()), []byte(strings.Repeat("00", 32)))
	}})
	r := w.verify(repo + ":v1")
	r.want(t, 3, "unavailable")
	if hint := r.doc.Images[0].Checks[0].Hint; !strings.HasPrefix(hint, "run it again") {
		t.Errorf("the next step is for an image that is not there: %s", hint)
	}
}

// A 404 for the image is not the same as a 404 for its signature.
func TestNoSuchImage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.verify("team/none:v1").want(t, 1, "not-found")
	w.verify("team/none@sha256:"+strings.Repeat("ab", 32)).want(t, 1, "not-found")
}
