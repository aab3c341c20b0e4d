package sigstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/sigstore"
)

// A run that is killed before any one of its requests, or between a write and its
// answer, leaves nothing behind that the next run does not put right: then there
// is one good signature of each format and one attestation, and what others have signed is as it was.
func TestKilled(t *testing.T) {
	t.Parallel()
	for name, o := range both {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, o)
			order := func(img image.Pinned) sign.Order {
				return sign.Order{
					Images: []image.Pinned{img}, Formats: []sign.Format{sign.Bundle, sign.Legacy},
					Attestations: []sign.Statement{{Type: slsaType, Predicate: json.RawMessage(`{"b":1}`)}},
				}
			}
			// The services sign once for all: what is killed is ours.
			prepared := func(seed string) image.Pinned {
				img, d := w.image(seed)
				by := sigstoretest.Options{Identity: audit, Issuer: issuer}
				w.bundle(d, signType, nil, by)
				payload := sigstoretest.Payload("x", d.Digest.String())
				annotations := must[map[string]string](t)(w.in.Legacy(payload, by))
				must[ocispec.Descriptor](t)(w.reg.PutTagged("team/app", d.Digest.String(), ".sig",
					registrytest.Layer{MediaType: registrytest.SimpleSigning, Blob: payload, Annotations: annotations}))
				return img
			}
			w.wire.reset(nil)
			w.signed(order(prepared("whole")), alone)
			whole := w.wire.requests()
			killed, runs := 0, 0
			for n := 1; n <= len(whole)+1; n++ {
				for _, late := range []bool{false, true} {
					read := n > len(whole) || strings.HasPrefix(whole[n-1], "GET ") || strings.HasPrefix(whole[n-1], "HEAD ")
					switch {
					case late && read, raced && n%9 > 0:
						continue // nothing has changed
					case !late && n > 1 && n%3 > 0:
						continue // as after the request before
					}
					runs++
					img := prepared(fmt.Sprint("killed ", n, late))
					theirs := w.foreign(img)
					ctx, cancel := context.WithCancel(context.Background())
					w.wire.reset(func(i int, _ *http.Request) cut {
						switch {
						case i < n:
							return cut{}
						case i == n && late:
							return cut{after: cancel}
						}
						return cut{before: cancel}
					})
					res := w.sign(ctx, order(img), alone)
					cancel()
					if n <= len(whole) && res.Complete() {
						t.Errorf("killed at %d of %d (late: %v), and complete", n, len(whole), late)
					}
					for _, r := range res.Records { // what is recorded is there
						if !slices.Contains(w.sources(img), r.Source) {
							t.Errorf("killed at %d (late: %v): recorded, and not there: %+v", n, late, r)
						}
					}
					killed += len(res.Failures)
					w.wire.reset(nil)
					w.signed(order(img), alone)
					storage := map[bool]string{false: "referrer", true: "fallback-tag"}[o.NoReferrers]
					equal(t, fmt.Sprintf("killed at %d (%s, late: %v), then signed again", n, whole[min(n, len(whole))-1], late),
						w.found(w.by(identity), img), []string{
							"bundle-v0.3 " + storage + " " + slsaType + ` {"b":1}`, "bundle-v0.3 " + storage + " map[]", "cosign-legacy sig-tag map[]",
						})
					equal(t, "what others have signed", w.foreign(img), theirs)
					w.nothingDangles(img)
				}
			}
			if killed < runs-1 {
				t.Errorf("%d failures in %d runs", killed, runs)
			}
			t.Logf("killed %d times in %d requests", runs, len(whole))
		})
	}
}

// alone works on one thing at a time, so that runs have the same requests.
func alone(o *sigstore.Options) { o.Jobs = 1 }

// foreign returns what others have signed, bytes and all.
func (w *world) foreign(img image.Pinned) []string {
	w.t.Helper()
	found := w.found(w.by(audit), img)
	var doc struct{ Layers []json.RawMessage }
	if body, err := w.reg.Manifest("team/app", strings.Replace(img.Digest(), ":", "-", 1)+".sig"); err == nil {
		if err := json.Unmarshal(body, &doc); err != nil {
			w.t.Fatal(err)
		}
		found = append(found, string(doc.Layers[0]))
	}
	if body, err := w.reg.Manifest("team/app", strings.Replace(img.Digest(), ":", "-", 1)); err == nil {
		var index struct{ Manifests []json.RawMessage }
		if err := json.Unmarshal(body, &index); err != nil {
			w.t.Fatal(err)
		}
		found = append(found, string(index.Manifests[0]))
	}
	return found
}

// sources returns where the signatures of the identity are.
func (w *world) sources(img image.Pinned) []string {
	w.t.Helper()
	var at []string
	for _, m := range w.made(img) {
		at = append(at, m.Evidence.Source)
	}
	return at
}

// nothingDangles reports an error for an entry of the fallback tag, or a layer of
// the .sig tag, that leads nowhere.
func (w *world) nothingDangles(img image.Pinned) {
	w.t.Helper()
	tag := strings.Replace(img.Digest(), ":", "-", 1)
	direct := registry.New(registry.Options{Sleep: noSleep})
	if body, err := w.reg.Manifest("team/app", tag); err == nil {
		var index ocispec.Index
		if err := json.Unmarshal(body, &index); err != nil {
			w.t.Fatal(err)
		}
		for _, m := range index.Manifests {
			if _, err := w.reg.Manifest("team/app", m.Digest.String()); err != nil {
				w.t.Errorf("an entry of the fallback tag leads nowhere: %v", err)
			}
		}
	}
	if body, err := w.reg.Manifest("team/app", tag+".sig"); err == nil {
		var m ocispec.Manifest
		if err := json.Unmarshal(body, &m); err != nil {
			w.t.Fatal(err)
		}
		for _, d := range append(m.Layers, m.Config) {
			if _, err := direct.Blob(context.Background(), img.Ref(), d); err != nil {
				w.t.Errorf("a layer of the .sig tag leads nowhere: %v", err)
			}
		}
		var config ocispec.Image
		if err := json.Unmarshal(must[[]byte](w.t)(direct.Blob(context.Background(), img.Ref(), m.Config)), &config); err != nil {
			w.t.Fatal(err)
		}
	}
}

// An answer that gets lost on the way, whichever it is, is asked for again: the
// run ends well, with one signature of each format.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	for name, o := range both {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, o)
			first, _ := w.image("whole")
			order := func(img image.Pinned) sign.Order {
				return sign.Order{Images: []image.Pinned{img}, Formats: []sign.Format{sign.Bundle, sign.Legacy}}
			}
			w.signed(order(first), alone)
			whole := w.wire.requests()
			step := 1
			if raced {
				step = 12
			}
			for n := 1; n <= len(whole); n += step {
				img, _ := w.image(fmt.Sprint("lost ", n))
				w.wire.reset(func(i int, _ *http.Request) cut {
					if i == n {
						return cut{after: func() {}}
					}
					return cut{}
				})
				w.signed(order(img), alone)
				storage := map[bool]string{false: "referrer", true: "fallback-tag"}[o.NoReferrers]
				equal(t, fmt.Sprintf("the answer to %s was lost", whole[n-1]),
					w.found(w.by(identity), img), []string{"bundle-v0.3 " + storage + " map[]", "cosign-legacy sig-tag map[]"})
			}
		})
	}
}
