package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/registrytest"
)

// kinds counts requests by what they ask for.
func kinds(requests []registrytest.Request) string {
	n := map[string]int{}
	for _, r := range requests {
		switch {
		case r.URI == "/v2/":
			n["ping"]++
		case strings.HasPrefix(r.URI, "/token"):
			n["token"]++
		case r.Status == 401:
			n["401"]++
		case strings.Contains(r.URI, "/referrers/"):
			n["referrers"]++
		case strings.HasSuffix(r.URI, ".sig"):
			n["sig"]++
		case strings.Contains(r.URI, "/blobs/"):
			n["blob"]++
		case strings.Contains(r.URI, "/manifests/sha256:"):
			n["manifest"]++
		case strings.Contains(r.URI, "/manifests/sha256-"):
			n["fallback"]++
		default:
			n["tag"]++
		}
	}
	var s []string
	for _, k := range []string{"ping", "401", "token", "tag", "sig", "referrers", "fallback", "manifest", "blob"} {
		if n[k] > 0 {
			s = append(s, fmt.Sprintf("%d %s", n[k], k))
		}
	}
	return strings.Join(s, ", ")
}

// The requests of a run, exactly (design.md section 6): by digest 2 for an older
// signature and 3 for a bundle, one more by tag, plus one for the format that
// is not there; no GET /v2/ without credentials, and one a registry with them.
func TestRequestCounts(t *testing.T) {
	t.Parallel()
	tokens := registrytest.Options{Tokens: true}
	login := registrytest.Options{Tokens: true, User: "user", Password: "secret"}
	basic := registrytest.Options{User: "user", Password: "secret"}
	for _, tc := range []struct {
		name   string
		reg    registrytest.Options
		bundle bool
		digest bool
		images int
		want   string
	}{
		{"legacy by tag", registrytest.Options{}, false, false, 1, "1 tag, 1 sig, 1 referrers, 1 blob"},
		{"legacy by digest", registrytest.Options{}, false, true, 1, "1 sig, 1 referrers, 1 blob"},
		{"bundle by tag", registrytest.Options{}, true, false, 1, "1 tag, 1 sig, 1 referrers, 1 manifest, 1 blob"},
		{"bundle by digest", registrytest.Options{}, true, true, 1, "1 sig, 1 referrers, 1 manifest, 1 blob"},
		{"fallback tag", registrytest.Options{NoReferrers: true}, true, false, 1, "1 tag, 1 sig, 1 referrers, 1 fallback, 1 manifest, 1 blob"},

		{"50 legacy by tag", registrytest.Options{}, false, false, 50, "50 tag, 50 sig, 50 referrers, 50 blob"},
		{"50 legacy by digest", registrytest.Options{}, false, true, 50, "50 sig, 50 referrers, 50 blob"},
		{"50 bundles by tag", registrytest.Options{}, true, false, 50, "50 tag, 50 sig, 50 referrers, 50 manifest, 50 blob"},
		{"50 bundles by digest", registrytest.Options{}, true, true, 50, "50 sig, 50 referrers, 50 manifest, 50 blob"},

		{"tokens, legacy by tag", tokens, false, false, 1, "1 401, 1 token, 1 tag, 1 sig, 1 referrers, 1 blob"},
		{"tokens, legacy by digest", tokens, false, true, 1, "1 401, 1 token, 1 sig, 1 referrers, 1 blob"},
		{"tokens, bundle by tag", tokens, true, false, 1, "1 401, 1 token, 1 tag, 1 sig, 1 referrers, 1 manifest, 1 blob"},
		{"tokens, bundle by digest", tokens, true, true, 1, "1 401, 1 token, 1 sig, 1 referrers, 1 manifest, 1 blob"},
		{"tokens, 50 legacy by tag", tokens, false, false, 50, "1 401, 50 token, 50 tag, 50 sig, 50 referrers, 50 blob"},
		{"tokens, 50 legacy by digest", tokens, false, true, 50, "1 401, 50 token, 50 sig, 50 referrers, 50 blob"},
		{"tokens, 50 bundles by tag", tokens, true, false, 50, "1 401, 50 token, 50 tag, 50 sig, 50 referrers, 50 manifest, 50 blob"},
		{"tokens, 50 bundles by digest", tokens, true, true, 50, "1 401, 50 token, 50 sig, 50 referrers, 50 manifest, 50 blob"},

		{"login, 50 legacy by tag", login, false, false, 50, "1 ping, 50 token, 50 tag, 50 sig, 50 referrers, 50 blob"},
		{"login, 50 bundles by digest", login, true, true, 50, "1 ping, 50 token, 50 sig, 50 referrers, 50 manifest, 50 blob"},
		{"basic, 50 legacy by tag", basic, false, false, 50, "1 ping, 50 tag, 50 sig, 50 referrers, 50 blob"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if raced && tc.images > 8 { // fifty signatures take it long
				tc.want = strings.ReplaceAll(tc.want, fmt.Sprint(tc.images, " "), "8 ")
				tc.images = 8
			}
			w := newWorld(t, tc.reg)
			args := []string{"verify", "--trusted-root", w.root, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer, "--output", "json"}
			if tc.reg.User != "" {
				args = append(args, "--registry-username", tc.reg.User, "--registry-password-stdin")
			}
			for i := range tc.images {
				repo := fmt.Sprintf("team/app%d", i)
				d := w.image(repo)
				if tc.bundle {
					w.signBundle(repo, d, signType, by())
				} else {
					w.signLegacy(repo, d, by())
				}
				if tc.digest {
					args = append(args, w.reg.Host()+"/"+repo+"@"+d.Digest.String())
				} else {
					args = append(args, w.reg.Host()+"/"+repo+":v1")
				}
			}
			r := runIn(t, context.Background(), tc.reg.Password+"\n", env, args...)
			if r.code != 0 {
				t.Fatalf("exit %d: %s%s", r.code, r.stdout, r.stderr)
			}
			asked := w.reg.Requests()
			if got := kinds(asked); got != tc.want {
				t.Errorf("requests: %s\nwant:     %s", got, tc.want)
			}
			if err := json.Unmarshal([]byte(r.stdout), &r.doc); err != nil {
				t.Fatal(err)
			}
			sum := 0
			for _, img := range r.doc.Images {
				sum += img.Requests
			}
			if r.doc.Requests != len(asked) || sum != len(asked) {
				t.Errorf("the report counts %d, and %d by image; %d were sent", r.doc.Requests, sum, len(asked))
			}
			if strings.Contains(r.stdout+r.stderr, "secret") {
				t.Error("the password was printed")
			}
		})
	}
}

// An image that is used twice is resolved and verified once, and results keep
// the order of the command line, less what repeats.
func TestOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	args := []string{"--jobs", "3"}
	for i := range 20 {
		repo := fmt.Sprintf("team/app%d", i)
		w.signLegacy(repo, w.image(repo), by())
		args = append(args, w.reg.Host()+"/"+repo+":v1", w.reg.Host()+"/"+repo+":v1")
	}
	r := w.verify("team/app0:v1", args...)
	if r.code != 0 || len(r.doc.Images) != 20 || r.doc.Requests != 80 {
		t.Fatalf("exit %d, %d images, %d requests", r.code, len(r.doc.Images), r.doc.Requests)
	}
	for i, img := range r.doc.Images {
		if want := fmt.Sprintf("%s/team/app%d:v1", w.reg.Host(), i); img.Reference != want {
			t.Errorf("image %d is %s, want %s", i, img.Reference, want)
		}
	}
}

// A tag that moves after it was resolved changes nothing: what was verified is
// what is reported.
func TestMovingTag(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	d := w.image(repo)
	w.signLegacy(repo, d, by())
	evil := w.must(w.reg.PutImage(repo, "evil", "evil"))
	body, err := w.reg.Manifest(repo, evil.Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	moved := false
	w.reg.Break(registrytest.Fault{Path: ".sig", Body: func(b []byte) []byte {
		if !moved {
			moved = true
			w.must(w.reg.PutManifest(repo, "v1", ocispec.MediaTypeImageManifest, body))
		}
		return b
	}})
	r := w.verify(repo + ":v1")
	r.want(t, 0, "verified")
	if r.doc.Images[0].Digest != d.Digest.String() || !moved {
		t.Errorf("verified %s, signed %s", r.doc.Images[0].Digest, d.Digest)
	}
	w.reg.Reset(0)
	w.verify(repo+":v1").want(t, 1, "unsigned")
}
