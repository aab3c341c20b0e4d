package handover_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/handover"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// digest returns the digest whose digits are all c.
func digest(c string) string { return "sha256:" + strings.Repeat(c, 64) }

// A given is an image that a run admits: what was written, what the registry
// serves for it, and what let it in where nobody verified it.
type given struct {
	ref, digest string
	exempt      *gate.Exemption
}

// until is an exemption up to the end of 2027-01-31, unsigned one without an end.
var (
	until    = gate.Exemption{Until: time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC), Owner: "platform", Reason: "upstream mends it"}
	unsigned = gate.Exemption{Unsigned: true, Reason: "upstream does not sign"}
)

// admitted returns what runs of the gate admit, each of one image, in their
// order. None are no image at all.
func admitted(t testing.TB, images ...given) []gate.Admitted {
	t.Helper()
	var all []gate.Admitted
	for _, g := range images {
		ref, err := image.Parse(g.ref)
		if err != nil {
			t.Fatal(err)
		}
		r := gate.Check(t.Context(), []image.Use{{Text: g.ref, Ref: ref}}, g, g, gate.Options{Now: today})
		if !r.Passed() {
			t.Fatalf("%s at %s was not admitted: %s", g.ref, g.digest, r.Reason())
		}
		all = append(all, r.Admitted()...)
	}
	return all
}

// set returns the Set of what admitted returns.
func set(t testing.TB, images ...given) handover.Set {
	t.Helper()
	s, err := handover.New(admitted(t, images...))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// form returns the Form of that name.
func form(t testing.TB, name string) handover.Form {
	t.Helper()
	for _, f := range handover.Forms() {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no form is called %q", name)
	return handover.Form{}
}

func today() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// Resolve serves g for every reference.
func (g given) Resolve(_ context.Context, ref image.Ref) (image.Pinned, error) {
	return ref.Pin(g.digest)
}

// For asks for nothing where g is exempt, else for what passes.
func (g given) For(image.Use) gate.Terms {
	if g.exempt != nil {
		return gate.Terms{Exempt: g.exempt}
	}
	return gate.Terms{Require: []verify.Verifier{g}}
}

// Verify passes every image.
func (g given) Verify(_ context.Context, img image.Pinned) verify.Verdict {
	return verify.Pass(img, verify.Evidence{System: "fake", Format: "fake", Digest: img.Digest(), Signer: "me"})
}
