// Package admit makes sets of images that a run of the gate admitted, for tests
// of what is handed over.
package admit

import (
	"context"
	"testing"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/handover"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// An Image is what was written, and the digest that the registry serves for it.
type Image struct {
	Ref, Digest string
	Exempt      bool // until the end of 2027-01-31
}

// Set returns the Set that has the images and nothing else.
func Set(t testing.TB, images ...Image) handover.Set {
	t.Helper()
	var all []gate.Admitted
	for _, i := range images {
		ref, err := image.Parse(i.Ref)
		if err != nil {
			t.Fatal(err)
		}
		now := func() time.Time { return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC) }
		r := gate.Check(t.Context(), []image.Use{{Text: i.Ref, Ref: ref}}, i, i, gate.Options{Now: now})
		if !r.Passed() {
			t.Fatalf("%s is not admitted: %s", i.Ref, r.Reason())
		}
		all = append(all, r.Admitted()...)
	}
	s, err := handover.New(all)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Files returns what the form of that name writes, by suffix, after a check of
// each file.
func Files(t testing.TB, form string, s handover.Set, o handover.Options) map[string][]byte {
	t.Helper()
	for _, f := range handover.Forms() {
		if f.Name != form {
			continue
		}
		files, err := f.Files(s, o)
		if err != nil {
			t.Fatal(err)
		}
		bodies := map[string][]byte{}
		for _, file := range files {
			if err := file.Check(file.Body); err != nil {
				t.Fatalf("%s%s: %v", form, file.Suffix, err)
			}
			bodies[file.Suffix] = file.Body
		}
		return bodies
	}
	t.Fatalf("there is no form %s", form)
	return nil
}

// Resolve makes an Image the registry: it serves its digest for every reference.
func (i Image) Resolve(_ context.Context, ref image.Ref) (image.Pinned, error) {
	return ref.Pin(i.Digest)
}

// For makes an Image the rules: it has to be what Verify passes, or is exempt.
func (i Image) For(image.Use) gate.Terms {
	if i.Exempt {
		return gate.Terms{Exempt: &gate.Exemption{Until: time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC), Owner: "me", Reason: "it is a test"}}
	}
	return gate.Terms{Require: []verify.Verifier{i}}
}

// Verify passes every image.
func (i Image) Verify(_ context.Context, img image.Pinned) verify.Verdict {
	return verify.Pass(img, verify.Evidence{System: "fake", Format: "fake", Digest: img.Digest(), Signer: "me"})
}
