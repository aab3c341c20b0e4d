package sign_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/notation"
	"github.com/boltseal/boltseal/verify/sigstore"
)

func TestParseFormat(t *testing.T) {
	t.Parallel()
	for _, f := range []sign.Format{sign.Bundle, sign.Legacy, sign.JWS, sign.COSE} {
		if got, err := sign.ParseFormat(string(f)); err != nil || got != f {
			t.Errorf("ParseFormat(%q) = %q, %v", f, got, err)
		}
	}
	for _, s := range []string{"", "Bundle", "both", "bundle,legacy", "JWS", "notation"} {
		if f, err := sign.ParseFormat(s); err == nil {
			t.Errorf("ParseFormat(%q) = %q, want an error", s, f)
		}
	}
}

func TestFormatSystem(t *testing.T) {
	t.Parallel()
	for f, want := range map[sign.Format]string{
		sign.Bundle: sigstore.System, sign.Legacy: sigstore.System, sign.JWS: notation.System, sign.COSE: notation.System, "": "", "JWS": "",
	} {
		if got := f.System(); got != want {
			t.Errorf("%q is of system %q, want %q", f, got, want)
		}
	}
}

func TestComplete(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		r    sign.Result
		want bool
	}{
		{"zero", sign.Result{}, false},
		{"recorded", sign.Result{Records: make([]sign.Record, 1)}, true},
		{"failed too", sign.Result{Records: make([]sign.Record, 1), Failures: make([]sign.Failure, 1)}, false},
		{"failed", sign.Result{Failures: make([]sign.Failure, 1)}, false},
	} {
		if got := tc.r.Complete(); got != tc.want {
			t.Errorf("%s: Complete() = %v", tc.name, got)
		}
	}
}

type reasoned verify.Reason

func (r reasoned) Error() string         { return "reasoned" }
func (r reasoned) Reason() verify.Reason { return verify.Reason(r) }

func TestReason(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		want verify.Reason
	}{
		{fmt.Errorf("sign: %w", reasoned(verify.BadSignature)), verify.BadSignature},
		{reasoned(verify.Verified), verify.Undecided},
		{reasoned(verify.Exempt), verify.Undecided},
		{&registry.Error{Op: "push", Kind: registry.ErrDenied}, verify.Denied},
		{errors.New("other"), verify.Unavailable},
	} {
		if got := sign.Reason(tc.err); got != tc.want {
			t.Errorf("Reason(%v) = %q, want %q", tc.err, got, tc.want)
		}
	}
}
