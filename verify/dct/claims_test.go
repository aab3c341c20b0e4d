package dct_test

import (
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/verify"
)

// TestClaims is what evidence tells besides who has signed what.
func TestClaims(t *testing.T) {
	t.Parallel()
	issued := dcttest.Options{Certificate: dcttest.CertificateOptions{Issued: true}}
	soon := time.Now().AddDate(0, 0, 20).UTC().Truncate(time.Second)
	for _, row := range []struct {
		name    string
		options dcttest.Options
		make    func(*testing.T, *world)
		want    map[string]string // "" for a claim that is not made
	}{
		{name: "ID", make: func(*testing.T, *world) {}, want: map[string]string{
			"pin": "root key id", "gun": appGUN, "tag": "1.0", "server": "https://" + host, "rollback": "not checked: no cache", "ignored": "",
		}},
		{name: "public key", make: func(_ *testing.T, w *world) {
			w.config.RootKeyIDs, w.config.RootKeys = nil, [][]byte{w.c.RootKey()}
		}, want: map[string]string{"pin": "root public key"}},
		{name: "authority", options: issued, make: func(_ *testing.T, w *world) {
			w.config.RootKeyIDs, w.config.RootCA = nil, []*x509.Certificate{w.c.RootCA()}
		}, want: map[string]string{"pin": "root ca"}},
		{name: "first use", make: func(_ *testing.T, w *world) { w.config.RootKeyIDs, w.config.TOFU = nil, true }, want: map[string]string{"pin": "first use"}},
		{name: "cache, nothing in it", make: func(t *testing.T, w *world) { w.cache = t.TempDir() }, want: map[string]string{"rollback": "not checked: first seen"}},
		{name: "cache", make: func(t *testing.T, w *world) { w.remember(t) }, want: map[string]string{"rollback": "checked since version 3"}},
		{name: "first use and cache", make: func(t *testing.T, w *world) {
			w.config.RootKeyIDs, w.config.TOFU = nil, true
			w.remember(t)
		}, want: map[string]string{"pin": "first use", "rollback": "checked since version 3"}},
		{name: "digest alone", make: reference("@" + digestOf("1.0")), want: map[string]string{"tag": "1.0"}},
		{name: "the one that ends first", make: func(t *testing.T, w *world) { must(t, w.c.Expire("targets/alice", soon)) }, want: map[string]string{
			"expires": soon.Format(time.RFC3339) + " targets/alice",
		}},
		{name: "one that ends first and whom nobody relies on", make: func(t *testing.T, w *world) {
			must(t, w.c.AddTarget("targets/bob", "1.0", digestOf("1.0"), 512))
			must(t, w.c.Expire("targets/bob", soon))
			must(t, w.c.Expire(dcttest.Targets, soon.AddDate(0, 0, 1)))
		}, want: map[string]string{"expires": soon.AddDate(0, 0, 1).Format(time.RFC3339) + " targets"}},
		{name: "timestamp", make: func(t *testing.T, w *world) { must(t, w.c.Expire(dcttest.Timestamp, soon)) }, want: map[string]string{
			"timestamp": soon.Format(time.RFC3339),
		}},
		{name: "those that do not count", make: func(t *testing.T, w *world) {
			must(t, w.c.AddTarget("targets/bob", "1.0", digestOf("1.0"), 512))
			must(t, w.c.Expire("targets/bob", past))
		}, want: map[string]string{"ignored": "targets/bob: expired"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, row.options)
			row.make(t, w)
			v := w.run(t)
			check(t, v, verify.Verified)
			w.vouched(t, v)
			e := v.Evidence()[0]
			for name, want := range row.want {
				if got := e.Claims[name]; got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if want := w.c.Key(e.Signer).Public.ID(); e.Claims["key-ids"] != want {
				t.Errorf("the keys are %q, want %q", e.Claims["key-ids"], want)
			}
			if want := "root key " + w.c.RootID(); e.Issuer != want {
				t.Errorf("issuer %q, want %q", e.Issuer, want)
			}
		})
	}
}

// TestCandidates lists what was looked at: each role that has the tag, and each
// that does not count.
func TestCandidates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dcttest.Options{Delegations: []string{dcttest.Releases, "targets/alice", "targets/bob", "targets/carol", "targets/dave"}})
	must(t, w.c.AddTarget("targets/bob", "1.0", digestOf("other"), 512))
	must(t, w.c.AddTarget("targets/carol", "1.0", digestOf("1.0"), 512))
	must(t, w.c.Expire("targets/carol", past))
	must(t, w.c.AddTarget("targets/dave", "2.0", digestOf("1.0"), 512))
	list := func(v verify.Verdict) string {
		var out []string
		for _, c := range v.Candidates() {
			if c.System != "dct" || c.Format != "notary-v1" || c.Storage != "notary" || c.Signed != verify.SignedImage || (c.Err == nil) != (c.Reason == verify.Verified) {
				t.Errorf("%+v", c)
			}
			who := c.Signer
			if who == "" {
				who = "-"
				if !strings.Contains(c.Err.Error(), "targets/carol") {
					t.Errorf("%v", c.Err)
				}
			}
			out = append(out, fmt.Sprintf("%s %s", who, c.Reason))
		}
		return strings.Join(out, "\n")
	}
	for _, row := range []struct {
		signers []string
		want    string
	}{
		{[]string{"alice"}, "targets/alice verified\ntargets/bob bad-signature\ntargets/releases wrong-signer\n- expired"},
		{[]string{"alice", "bob"}, "targets/alice verified\ntargets/bob bad-signature\ntargets/releases wrong-signer\n- expired"},
		{nil, "targets/alice wrong-signer\ntargets/bob bad-signature\ntargets/releases verified\n- expired"},
	} {
		w.config.Signers = row.signers
		if got := list(w.run(t)); got != row.want {
			t.Errorf("%q:\n%s\nwant\n%s", row.signers, got, row.want)
		}
	}
}
