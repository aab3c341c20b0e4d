package verify_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

func pinned(t *testing.T, digit string) image.Pinned {
	t.Helper()
	ref, err := image.Parse("ghcr.io/acme/app")
	if err != nil {
		t.Fatal(err)
	}
	p, err := ref.Pin("sha256:" + strings.Repeat(digit, 64))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNothingPassesByDefault(t *testing.T) {
	t.Parallel()
	img, other := pinned(t, "a"), pinned(t, "b")
	good := verify.Evidence{System: "fake", Format: "fake", Digest: img.Digest(), Signer: "me"}
	unsigned, nobody := good, good
	unsigned.Digest, nobody.Signer = "", ""
	you := good
	you.Signer = "you"
	child := image.Child{Digest: other.Digest(), Platform: "linux/amd64"}
	index := img.Described("index", []image.Child{child})
	ofChild := verify.Evidence{System: "fake", Format: "fake", Digest: other.Digest(), Signer: "me", Signed: verify.SignedPlatform}
	attested := ofChild
	attested.Signed, attested.Covers = verify.SignedAttestation, ""

	for _, tc := range []struct {
		name string
		v    verify.Verdict
		want verify.Reason
	}{
		{"zero", verify.Verdict{}, verify.Undecided},
		{"Fail with Verified", verify.Fail(img, verify.Verified, nil), verify.Undecided},
		{"Fail with Exempt", verify.Fail(img, verify.Exempt, nil), verify.Undecided},
		{"zero image", verify.Pass(image.Pinned{}, verify.Evidence{System: "fake", Format: "fake", Signer: "me"}), verify.BadSignature},
		{"another digest", verify.Pass(other, good), verify.BadSignature},
		{"no digest", verify.Pass(img, unsigned), verify.BadSignature},
		{"no signer", verify.Pass(img, nobody), verify.BadSignature},
		{"no platforms", verify.PassPlatforms(index, nil, nil), verify.BadSignature},
		{"platform without evidence", verify.PassPlatforms(index, []image.Child{child}, nil), verify.BadSignature},
		{"platform that is no child", verify.PassPlatforms(img, []image.Child{child}, []verify.Evidence{ofChild}), verify.BadSignature},
		{"platform with evidence for the index", verify.PassPlatforms(index, []image.Child{child}, []verify.Evidence{good}), verify.BadSignature},
		{"attestation manifest that names no platform", verify.PassPlatforms(index, []image.Child{child}, []verify.Evidence{attested}), verify.BadSignature},
		{"platform with an empty digest", verify.PassPlatforms(index.Described("i", []image.Child{{}}), []image.Child{{}}, []verify.Evidence{{System: "f", Format: "f", Signer: "s"}}), verify.BadSignature},
		{"together without evidence", verify.PassTogether(img, 1, nil), verify.BadSignature},
		{"together, and nobody is needed", verify.PassTogether(img, 0, nil), verify.BadSignature},
		{"together, and one is missing", verify.PassTogether(img, 2, []verify.Evidence{good}), verify.BadSignature},
		{"together, and one stands for two", verify.PassTogether(img, 2, []verify.Evidence{good, good}), verify.BadSignature},
		{"together, and one is for another image", verify.PassTogether(img, 2, []verify.Evidence{good, ofChild}), verify.BadSignature},
		{"platform that one of two vouches for", verify.PassPlatformsTogether(index, []image.Child{child}, 2, [][]verify.Evidence{{ofChild}}), verify.BadSignature},
		{"platform and one that stands for two", verify.PassPlatformsTogether(index, []image.Child{child}, 2, [][]verify.Evidence{{ofChild, ofChild}}), verify.BadSignature},
		{"platform and one for the index", verify.PassPlatformsTogether(index, []image.Child{child}, 2, [][]verify.Evidence{{ofChild, you}}), verify.BadSignature},
	} {
		if tc.v.Passed() || tc.v.Reason() != tc.want {
			t.Errorf("%s: passed = %v, reason %q, want %q", tc.name, tc.v.Passed(), tc.v.Reason(), tc.want)
		}
	}
	if !verify.Pass(img, good).Passed() {
		t.Error("complete evidence did not pass")
	}
	if !verify.PassPlatforms(index, []image.Child{child}, []verify.Evidence{ofChild}).Passed() {
		t.Error("evidence for every platform did not pass")
	}
	if v := verify.PassTogether(img, 2, []verify.Evidence{good, you}); !v.Passed() || len(v.Evidence()) != 2 {
		t.Error("two signers together did not pass")
	}
}

func TestHint(t *testing.T) {
	t.Parallel()
	inner := &verify.Error{Op: "ask", Hint: "log in", Err: errors.New("401")}
	if got := verify.Hint(fmt.Errorf("x: %w", &verify.Error{Op: "read", Err: inner})); got != "log in" {
		t.Errorf("Hint = %q", got)
	}
	if got := verify.Hint(errors.New("x")); got != "" {
		t.Errorf("Hint = %q", got)
	}
}
