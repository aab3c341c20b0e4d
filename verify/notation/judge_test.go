package notation

import (
	"errors"
	"slices"
	"testing"

	coresig "github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"

	"github.com/boltseal/boltseal/verify"
)

// The zero values of notation-go look like success. Only what says of each
// validation that it was made, and of none that it failed, is one.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	all := func() *notation.VerificationOutcome {
		o := &notation.VerificationOutcome{EnvelopeContent: &coresig.EnvelopeContent{}}
		for _, v := range trustpolicy.ValidationTypes {
			o.VerificationResults = append(o.VerificationResults, &notation.ValidationResult{Type: v})
		}
		return o
	}
	without := func(v trustpolicy.ValidationType) *notation.VerificationOutcome {
		o := all()
		o.VerificationResults = slices.DeleteFunc(o.VerificationResults, func(r *notation.ValidationResult) bool { return r.Type == v })
		return o
	}
	wrong := errors.New("wrong")
	noContent, failed, nils := all(), all(), all()
	noContent.EnvelopeContent, failed.Error, nils.VerificationResults[2] = nil, wrong, nil
	for _, tc := range []struct {
		name    string
		config  Config
		outcome *notation.VerificationOutcome
		err     error
		want    verify.Reason
	}{
		{"all", Config{}, all(), nil, verify.Verified},
		{"zero", Config{}, &notation.VerificationOutcome{}, nil, verify.BadSignature},
		{"no content", Config{}, noContent, nil, verify.BadSignature},
		{"an error", Config{}, all(), wrong, verify.BadSignature},
		{"an error inside", Config{}, failed, nil, verify.BadSignature},
		{"a result that is none", Config{}, nils, nil, verify.BadSignature},
		{"integrity", Config{}, without(trustpolicy.TypeIntegrity), nil, verify.BadSignature},
		{"authenticity", Config{}, without(trustpolicy.TypeAuthenticity), nil, verify.BadSignature},
		{"expiry", Config{}, without(trustpolicy.TypeExpiry), nil, verify.BadSignature},
		{"time", Config{}, without(trustpolicy.TypeAuthenticTimestamp), nil, verify.BadSignature},
		{"revocation", Config{}, without(trustpolicy.TypeRevocation), nil, verify.BadSignature},
		{"revocation, skip", Config{Revocation: Skip}, without(trustpolicy.TypeRevocation), nil, verify.Verified},
		{"revocation, skipped", Config{Override: map[string]string{"revocation": "skip"}}, without(trustpolicy.TypeRevocation), nil, verify.Verified},
		{"all, audit", Config{Level: LevelAudit}, all(), nil, verify.NoRule},
		{"all, another level", Config{Level: "x"}, all(), nil, verify.NoRule},
	} {
		p := &prover{config: tc.config}
		j := judge{prover: p, signing: &witness{prover: p}, stamping: &witness{prover: p}}
		_, err := j.conclude(t.Context(), tc.outcome, tc.err)
		got := verify.Verified
		if r := (*refusal)(nil); errors.As(err, &r) {
			got = r.reason
		}
		if got != tc.want {
			t.Errorf("%s: %q: %v", tc.name, got, err)
		}
	}
}
