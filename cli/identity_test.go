package cli_test

import (
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/registrytest"
)

// Identities are matched as a whole, always in pairs with their issuer.
func TestIdentities(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signBundle(repo, w.image(repo), signType, by())
	const (
		id  = "--certificate-identity"
		re  = "--certificate-identity-regexp"
		iss = "--certificate-oidc-issuer"
		ire = "--certificate-oidc-issuer-regexp"
	)
	for _, tc := range []struct {
		name   string
		args   []string
		passes bool
	}{
		{"exact", []string{id, identity, iss, issuer}, true},
		{"part of it", []string{id, "https://github.com/acme/app", iss, issuer}, false},
		{"other case", []string{id, "https://github.com/Acme/app/.github/workflows/release.yml@refs/heads/main", iss, issuer}, false},
		{"glob", []string{id, "https://github.com/acme/*/.github/workflows/release.yml@refs/heads/*", iss, issuer}, true},
		{"a star stays within a segment", []string{id, "https://github.com/*/release.yml@refs/heads/main", iss, issuer}, false},
		{"two stars do not", []string{id, "https://github.com/**/release.yml@refs/heads/main", iss, issuer}, true},
		{"a glob is anchored", []string{id, "github.com/acme/*/.github/workflows/release.yml@refs/heads/main", iss, issuer}, false},
		{"a dot in a glob is a dot", []string{id, "https://githubXcom/acme/*/.github/workflows/release.yml@refs/heads/main", iss, issuer}, false},
		{"regexp", []string{re, `https://github\.com/acme/.+`, iss, issuer}, true},
		{"a regexp is anchored at its end", []string{re, `https://github\.com/acme/app`, iss, issuer}, false},
		{"a regexp is anchored at its beginning", []string{re, `release\.yml@refs/heads/main`, iss, issuer}, false},
		{"both sides of an alternative are anchored", []string{re, `nobody|https://github\.com/acme`, iss, issuer}, false},
		{"anchors of its own do no harm", []string{re, `^https://github\.com/acme/.+$`, iss, issuer}, true},
		{"issuer regexp", []string{id, identity, ire, `https://token\.actions\..+`}, true},
		{"issuer regexp is anchored", []string{id, identity, ire, `https://token\.actions`}, false},
		{"issuer glob", []string{id, identity, iss, "https://*.githubusercontent.com"}, true},
		{"any of several", []string{id, "a@b.example", id, identity, iss, issuer}, true},
		{"paired in order", []string{id, "a@b.example", iss, "https://accounts.example", id, identity, iss, issuer}, true},
		{"never across pairs", []string{id, "a@b.example", iss, issuer, id, identity, iss, "https://accounts.example"}, false},
		{"exact and regexp keep their order", []string{re, `a@b\.example`, iss, "https://accounts.example", id, identity, iss, issuer}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"verify", w.reg.Host() + "/" + repo + ":v1", "--trusted-root", w.root}, tc.args...)
			if tc.passes {
				run(t, args...).want(t, 0, "verified")
			} else {
				run(t, args...).want(t, 1, "wrong-signer")
			}
		})
	}
}

// A wrong signer is named, with the expectation that came nearest.
func TestNearestIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signBundle(repo, w.image(repo), signType, by())
	const near = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1"
	r := run(t, "verify", w.reg.Host()+"/"+repo+":v1", "--trusted-root", w.root, "--certificate-identity", "somebody@example.com",
		"--certificate-identity", near, "--certificate-identity", "https://gitlab.example/acme", "--certificate-oidc-issuer", issuer)
	r.want(t, 1, "wrong-signer")
	want := `identity is "` + identity + `", expected "` + near + `" (the nearest of 3)`
	if c := r.doc.Images[0].Checks[0].Candidates[0]; c.Message != want || c.Signer != identity {
		t.Errorf("message %q\nwant    %q", c.Message, want)
	}
}

// Who comes from cosign's unanchored expressions is told why they do not match.
func TestPartialMatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signBundle(repo, w.image(repo), signType, by())
	for _, tc := range []struct{ flag, value, iss, says string }{
		{"--certificate-identity-regexp", "^https://github.com/acme/app/", issuer, "it fits a part"},
		{"--certificate-identity", identity, issuer + "/", "the slash at the end differs"},
		{"--certificate-identity", "https://github.com/acme/other", issuer, `expected "https://github.com/acme/other"`},
	} {
		r := run(t, "verify", w.reg.Host()+"/"+repo+":v1", "--trusted-root", w.root, tc.flag, tc.value, "--certificate-oidc-issuer", tc.iss)
		r.want(t, 1, "wrong-signer")
		if m := r.doc.Images[0].Checks[0].Message; !strings.Contains(m, tc.says) {
			t.Errorf("%q does not say %q", m, tc.says)
		}
	}
}
