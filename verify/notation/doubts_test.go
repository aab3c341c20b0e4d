package notation_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/verify/notation"
)

func TestWarnings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // begins in 2000
		past := certified(t, notationtest.AuthorityOptions{NotBefore: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(1991, 1, 1, 0, 0, 0, 0, time.UTC), CANotAfter: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)}).Root()
		now := certified(t, notationtest.AuthorityOptions{}).Root()
		config := func(change func(*notation.Config)) notation.Config {
			id, err := notation.ParseIdentity("C=US, ST=WA, O=Acme, CN=release")
			if err != nil {
				t.Fatal(err)
			}
			c := notation.Config{Certificates: certs(now), Identities: []notation.Identity{id}}
			change(&c)
			return c
		}
		identity := func(s string) func(*notation.Config) {
			return func(c *notation.Config) {
				id, err := notation.ParseIdentity(s)
				if err != nil {
					t.Error(err)
				}
				c.Identities = append(c.Identities[:0], id)
			}
		}
		override := func(what, action string) func(*notation.Config) {
			return func(c *notation.Config) {
				c.Statement, c.Level, c.Override = "s", notation.LevelStrict, map[string]string{what: action}
			}
		}
		for name, tc := range map[string]struct {
			change func(*notation.Config)
			want   string
		}{
			"nothing":          {func(*notation.Config) {}, ""},
			"strict":           {func(c *notation.Config) { c.Level, c.Revocation = notation.LevelStrict, notation.Strict }, ""},
			"anybody":          {identity("*"), "any-identity"},
			"no CN":            {identity("C=US, ST=WA, O=Acme"), "no-common-name"},
			"zero identity":    {func(c *notation.Config) { c.Identities = make([]notation.Identity, 1) }, "nobody"},
			"revocation skip":  {func(c *notation.Config) { c.Revocation = notation.Skip }, "revocation-skip"},
			"soft":             {func(c *notation.Config) { c.Revocation = notation.Soft }, "revocation-soft"},
			"no TSA":           {func(c *notation.Config) { c.Timestamp = notation.AfterExpiry }, "no-tsa"},
			"TSA":              {func(c *notation.Config) { c.Timestamp, c.TSA = notation.AfterExpiry, certs(now) }, ""},
			"expired":          {func(c *notation.Config) { c.Certificates = certs(past, now) }, "expired-certificate"},
			"expired TSA":      {func(c *notation.Config) { c.TSA = certs(past) }, "expired-certificate"},
			"expired, of both": {func(c *notation.Config) { c.SigningAuthority, c.TSA = certs(past), certs(past) }, "expired-certificate expired-certificate"},
			"skip":             {func(c *notation.Config) { c.Level = notation.LevelSkip }, "level-skip"},
			"audit":            {func(c *notation.Config) { c.Level = notation.LevelAudit }, "level-audit"},
			"permissive":       {func(c *notation.Config) { c.Level = notation.LevelPermissive }, "level-permissive"},
			"revocation: skip": {override("revocation", "skip"), "revocation-skip"},
			"expiry: log":      {override("expiry", "log"), "override-log"},
			"expiry: enforce":  {override("expiry", "enforce"), ""},
		} {
			var lints []string
			for _, w := range config(tc.change).Warnings() {
				lints = append(lints, w.Lint)
				if w.Text == "" {
					t.Errorf("%s: %s has no text", name, w.Lint)
				}
			}
			if got := strings.Join(lints, " "); got != tc.want {
				t.Errorf("%s: %q, want %q", name, got, tc.want)
			}
		}
	})
}
