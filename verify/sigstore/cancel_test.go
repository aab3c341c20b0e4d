package sigstore

import (
	"context"
	"testing"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/verify"
)

// A good signature that is there already does not pass in a run that has ended:
// checking stops with it.
func TestNoPassAfterTheEnd(t *testing.T) {
	t.Parallel()
	in, err := sigstoretest.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	root, err := in.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	trust, err := TrustJSON(root, PublicRules())
	if err != nil {
		t.Fatal(err)
	}
	s := legacySpecimen(t, in)
	v, err := NewSession(s.parts[0].put(s.parts[0].body), image.Ref{}).Require(Config{Trust: trust, Identities: []Identity{mustIdentity(t, flipSubject, flipIssuer)}})
	if err != nil {
		t.Fatal(err)
	}
	if got := v.Verify(t.Context(), s.img); !got.Passed() {
		t.Fatalf("the specimen itself does not pass: %v", got.Err())
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if got := v.Verify(ended, s.img); got.Passed() || got.Reason() != verify.Undecided && got.Reason() != verify.Unavailable {
		t.Errorf("%q after the end of the run", got.Reason())
	}
	// Also where nothing has to be waited for.
	sig := NewSession(s.parts[0].put(s.parts[0].body), image.Ref{}).gatherer(image.Ref{})
	found, err := sig.at(ended, s.img, sigTag, false)
	if err != nil || len(found) != 1 {
		t.Fatalf("%d signatures, %v", len(found), err)
	}
	noTrust := &verifier{Config: Config{Keys: []Key{{}}, IgnoreLog: true}, gatherer: sig}
	if o := noTrust.examine(ended, s.img, found, verify.SignedImage, ""); o.evidence != nil || o.reason != verify.Undecided {
		t.Errorf("%q after the end of the run", o.reason)
	}
}
