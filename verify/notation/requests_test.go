package notation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/servicetest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/notation"
)

// kinds are the registries with the referrers API and without.
func kinds() []registrytest.Options { return []registrytest.Options{{}, {NoReferrers: true}} }

// What is asked is counted: each request costs a round trip for each image.
func TestRequests(t *testing.T) {
	t.Parallel()
	a := certified(t, notationtest.AuthorityOptions{})
	for _, tc := range []struct {
		name        string
		signatures  int
		tag         bool
		with, witho int // with the referrers API, and without
	}{
		{"signed, by digest", 1, false, 4, 5},
		{"signed, by tag", 1, true, 4, 5}, // the answer to the tag is the manifest
		{"unsigned, by digest", 0, false, 2, 3},
		{"unsigned, by tag", 0, true, 2, 3},
		{"signed twice, by digest", 2, false, 6, 7},
	} {
		for i, o := range kinds() {
			t.Run(fmt.Sprintf("%s, %+v", tc.name, o.NoReferrers), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, o)
				for range tc.signatures {
					w.sign(a, notationtest.SignOptions{})
				}
				w.fresh()
				if tc.tag {
					w.img = must[image.Pinned](t)(w.client.Resolve(t.Context(), ref(t, w.name()+":v1")))
				}
				want := verify.Verified
				if tc.signatures == 0 {
					want = verify.Unsigned
				}
				v := w.verify(trusting(t, a))
				wantVerdict(t, v, want)
				if n := []int{tc.with, tc.witho}[i]; len(w.asked()) != n {
					t.Errorf("%d requests, want %d:\n%s", len(w.asked()), n, strings.Join(w.asked(), "\n"))
				}
				if got := v.Image(); got.MediaType() != w.desc.MediaType || got.Size() != w.desc.Size {
					t.Errorf("the verdict is of %s, %d bytes", got.MediaType(), got.Size())
				}
			})
		}
	}
}

// Several requirements of one run share what was found, and what servers said of
// revocation.
func TestRequestsShared(t *testing.T) {
	t.Parallel()
	r := revocationOf(t)
	a := certified(t, notationtest.AuthorityOptions{Revocation: r, OCSP: true, CRL: true})
	for i, o := range kinds() {
		w := newWorld(t, o)
		w.sign(a, notationtest.SignOptions{})
		w.sign(a, notationtest.SignOptions{Envelope: notationtest.COSE})
		w.fresh()
		r.Reset()
		s := w.session()
		for range 3 {
			v := must[verify.Verifier](t)(s.Require(trusting(t, a))).Verify(t.Context(), w.img)
			wantVerdict(t, v, verify.Verified)
			if len(v.Candidates()) != 2 {
				t.Errorf("%d candidates", len(v.Candidates()))
			}
		}
		if n := []int{6, 7}[i]; len(w.asked()) != n {
			t.Errorf("%d requests, want %d:\n%s", len(w.asked()), n, strings.Join(w.asked(), "\n"))
		}
		if n := len(r.Requests()); n != 1 {
			t.Errorf("%d questions about revocation, want 1", n)
		}
	}
}

// Signatures may lie in another repository; the image is described where it is.
func TestSignatureRepository(t *testing.T) {
	t.Parallel()
	a := certified(t, notationtest.AuthorityOptions{})
	w := newWorld(t, registrytest.Options{})
	envelope := must[[]byte](t)(a.Sign(w.desc, notationtest.SignOptions{}))
	must[ocispec.Descriptor](t)(notationtest.Push(w.reg, "team/signatures", w.desc, envelope, notationtest.JWS))
	c := trusting(t, a)
	wantVerdict(t, w.verify(c), verify.Unsigned)
	elsewhere := must[image.Ref](t)(image.ParseRepository(w.reg.Host() + "/team/signatures"))
	c.Repository = elsewhere
	wantVerdict(t, w.verify(c), verify.Verified, "/team/signatures@")
	c.Repository = image.Ref{}
	w.fresh()
	v := must[verify.Verifier](t)(notation.NewSession(w.client, elsewhere, notation.NewAsker(nil, "")).Require(c)).Verify(t.Context(), w.img)
	wantVerdict(t, v, verify.Verified)
	if len(w.asked()) != 4 {
		t.Errorf("%q", w.asked())
	}
}

// What the list calls Sigstore's is not read, and everything else is, since
// registries give wrong types.
func TestListedTypes(t *testing.T) {
	t.Parallel()
	a := certified(t, notationtest.AuthorityOptions{})
	w := newWorld(t, registrytest.Options{})
	d := w.sign(a, notationtest.SignOptions{})
	bundle := must[ocispec.Descriptor](t)(w.reg.PutBundle("team/app", w.desc, []byte(`{"mediaType":"`+registrytest.BundleV03+`"}`)))
	cosign := must[ocispec.Descriptor](t)(w.reg.PutReferrer("team/app", w.desc, "application/vnd.dev.cosign.artifact.sig.v1+json", registrytest.Layer{MediaType: "application/json", Blob: []byte("{}")}))
	sbom := must[ocispec.Descriptor](t)(w.reg.PutReferrer("team/app", w.desc, "application/spdx+json", registrytest.Layer{MediaType: "application/spdx+json", Blob: []byte("{}")}))
	w.fresh()
	w.reg.Retype(bundle.Digest.String(), registrytest.BundleV03)
	w.reg.Retype(cosign.Digest.String(), "application/vnd.dev.cosign.artifact.sig.v1+json")
	v := w.verify(trusting(t, a))
	wantVerdict(t, v, verify.Verified)
	if len(v.Candidates()) != 1 {
		t.Errorf("%+v", v.Candidates())
	}
	if got := w.asked(); len(got) != 5 || !slices.Contains(got, "manifests/"+sbom.Digest.String()+" 200") {
		t.Errorf("%q", got)
	}
	w.fresh()
	w.reg.Retype(d.Digest.String(), "application/vnd.oci.empty.v1+json")
	wantVerdict(t, w.verify(trusting(t, a)), verify.Verified)
	w.reg.Retype(d.Digest.String(), "application/vnd.dev.sigstore.bundle.v0.3+json")
	w.fresh()
	wantVerdict(t, w.verify(trusting(t, a)), verify.Unsigned)
}

// An image that has only signatures of Sigstore is unsigned, and whoever asks is
// told what there is, whatever the list of referrers calls it; no request more is
// made for that.
func TestUnsignedButBySigstore(t *testing.T) {
	t.Parallel()
	a := certified(t, notationtest.AuthorityOptions{})
	flags, statement := trusting(t, a), trusting(t, a)
	flags.Flags, statement.Statement = true, "all"
	for _, o := range kinds() {
		for _, listed := range []string{registrytest.BundleV03, "application/vnd.oci.empty.v1+json"} {
			w := newWorld(t, o)
			wantVerdict(t, w.verify(flags), verify.Unsigned)
			if hint := verify.Hint(w.verify(flags).Err()); strings.Contains(hint, "Sigstore") {
				t.Errorf("no signature at all: %s", hint)
			}
			d := must[ocispec.Descriptor](t)(w.reg.PutBundle("team/app", w.desc, []byte(`{"mediaType":"`+registrytest.BundleV03+`"}`)))
			w.fresh()
			w.reg.Retype(d.Digest.String(), listed)
			for c, want := range map[*notation.Config]string{
				&flags: "--certificate-identity", &statement: "--certificate-identity", new(trusting(t, a)): "require sigstore in the rule for it",
			} {
				v := w.verify(*c)
				wantVerdict(t, v, verify.Unsigned, "but there is one of Sigstore's")
				if hint := verify.Hint(v.Err()); !strings.Contains(hint, want) || !strings.Contains(hint, "sign the image") {
					t.Errorf("%q, want %q", hint, want)
				}
			}
		}
	}
}

// Where a question was not answered, nobody says that there is no signature.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	a := certified(t, notationtest.AuthorityOptions{})
	for _, o := range kinds() {
		for _, tc := range []struct {
			name   string
			fault  registrytest.Fault
			signed bool
			want   verify.Reason
		}{
			{"image is not there", registrytest.Fault{Path: "/manifests/IMAGE$", Status: http.StatusNotFound}, true, verify.NotFound},
			{"image is refused", registrytest.Fault{Path: "/manifests/IMAGE$", Status: http.StatusForbidden}, true, verify.Denied},
			{"list is refused", registrytest.Fault{Path: "/referrers/", Status: http.StatusForbidden}, true, verify.Denied},
			{"signature manifest is missing", registrytest.Fault{Path: "/manifests/SIGNATURE$", Status: http.StatusNotFound}, true, verify.Unavailable},
			{"signature manifest is another", registrytest.Fault{Path: "/manifests/SIGNATURE$", Body: func(b []byte) []byte { return append(b, ' ') }}, true, verify.Unavailable},
			{"envelope is missing", registrytest.Fault{Path: "/blobs/", Status: http.StatusNotFound}, true, verify.Unavailable},
			{"envelope is another", registrytest.Fault{Path: "/blobs/", Body: func(b []byte) []byte { b[9] ^= 1; return b }}, true, verify.Unavailable},
			{"envelope is refused", registrytest.Fault{Path: "/blobs/", Status: http.StatusUnauthorized}, true, verify.Denied},
		} {
			t.Run(fmt.Sprintf("%s, %+v", tc.name, o.NoReferrers), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, o)
				d := w.sign(a, notationtest.SignOptions{})
				w.fresh()
				w.client = registry.New(registry.Options{Sleep: instantly})
				tc.fault.Path = strings.NewReplacer("IMAGE", w.desc.Digest.String(), "SIGNATURE", d.Digest.String()).Replace(tc.fault.Path)
				w.reg.Break(tc.fault)
				wantVerdict(t, w.verify(trusting(t, a)), tc.want)
			})
		}
	}
}

// A good signature counts although another one is not served.
func TestOneAnswerIsEnough(t *testing.T) {
	t.Parallel()
	a := certified(t, notationtest.AuthorityOptions{})
	w := newWorld(t, registrytest.Options{})
	d := w.sign(a, notationtest.SignOptions{})
	w.sign(a, notationtest.SignOptions{Envelope: notationtest.COSE})
	w.fresh()
	w.client = registry.New(registry.Options{Sleep: instantly})
	w.reg.Break(registrytest.Fault{Path: d.Digest.String() + "$", Status: http.StatusServiceUnavailable})
	wantVerdict(t, w.verify(trusting(t, a)), verify.Verified, "notation-cose")
}

// The end of the run is nobody's fault, whenever it comes.
func TestCancelled(t *testing.T) {
	t.Parallel()
	r := revocationOf(t)
	a := certified(t, notationtest.AuthorityOptions{Revocation: r, OCSP: true})
	w := newWorld(t, registrytest.Options{})
	w.sign(a, notationtest.SignOptions{})
	c := trusting(t, a)
	for _, soft := range []notation.Revocation{notation.Strict, notation.Soft} {
		c.Revocation = soft
		s := w.session()
		ended, end := context.WithCancelCause(t.Context())
		defer end(nil)
		why := errors.New("the run has ended")
		// It ends in the middle of the question about revocation.
		r.Reset()
		r.Inject(servicetest.Fault{Hold: t.Context().Done()})
		go func() {
			_ = r.Await(ended, 1)
			end(why)
		}()
		v := must[verify.Verifier](t)(s.Require(c)).Verify(ended, w.img)
		if v.Reason() != verify.Undecided || v.Passed() || !errors.Is(v.Err(), why) {
			t.Errorf("%q: %v", v.Reason(), v.Err())
		}
		if _, err := s.Made(ended, c, w.img); !errors.Is(err, why) {
			t.Errorf("%v", err)
		}
		described := w.img.Described(w.desc.MediaType, nil).Sized(w.desc.Size)
		envelope := must[[]byte](t)(a.Sign(w.desc, notationtest.SignOptions{}))
		if _, err := s.Check(ended, c, described, notationtest.JWS, envelope); !errors.Is(err, why) {
			t.Errorf("%v", err)
		}
		if _, err := s.Look(ended, w.img, nil); !errors.Is(err, why) {
			t.Errorf("%v", err)
		}
	}
}

// instantly does not wait between attempts.
func instantly(context.Context, time.Duration) error { return nil }
