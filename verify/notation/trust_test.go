package notation_test

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/verify"
)

// certified returns an authority, of which the tests of who is trusted need the
// certificates only.
func certified(t testing.TB, o notationtest.AuthorityOptions) *notationtest.Authority {
	t.Helper()
	a, err := notationtest.NewAuthority(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func certs(all ...*x509.Certificate) []*x509.Certificate { return all }

func stampRoot(t testing.TB) *x509.Certificate {
	t.Helper()
	tsa, err := notationtest.NewTSA(notationtest.TSAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return tsa.Root()
}

// refusal checks that err says what was being done, why it failed and what to
// do.
func refusal(t testing.TB, what string, err error, want string) {
	t.Helper()
	e := (*verify.Error)(nil)
	switch {
	case !errors.As(err, &e):
		t.Errorf("%s: %v, want an error with %q", what, err, want)
	case !strings.Contains(err.Error(), want) || e.Op == "" || verify.Hint(err) == "":
		t.Errorf("%s: %v (next: %q), want %q and a next step", what, err, verify.Hint(err), want)
	case len(err.Error()) > 2000:
		t.Errorf("%s: %d bytes of text", what, len(err.Error()))
	}
}
