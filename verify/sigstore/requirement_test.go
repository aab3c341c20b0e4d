package sigstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// identities is the YAML of a list of identities of GitHub's workflows.
func identities(subjects ...string) string {
	var items []string
	for _, s := range subjects {
		items = append(items, fmt.Sprintf("{issuer: %s, subject: %s}", actions, quoted(s)))
	}
	return "identities: [" + strings.Join(items, ", ") + "]\n"
}

// check says the Reason and a part of the error that a verdict must have.
func check(t *testing.T, name string, v verify.Verdict, want verify.Reason, message string) {
	t.Helper()
	if v.Reason() != want || v.Passed() != (want == verify.Verified) {
		t.Errorf("%s: %q, want %q: %v", name, v.Reason(), want, v.Err())
	}
	if message != "" && (v.Err() == nil || !strings.Contains(v.Err().Error(), message)) {
		t.Errorf("%s: %v, want %q", name, v.Err(), message)
	}
}

// N signers count only if they are N, each for an entry of its own.
func TestAtLeast(t *testing.T) {
	t.Parallel()
	const anyone = "https://github.com/acme/**"
	person := func(issuer string) sigstoretest.Options {
		return sigstoretest.Options{Identity: "me@example.com", Issuer: issuer}
	}
	me := "identities: [{issuer: https://accounts.google.com, subject: me@example.com}, {issuer: https://github.com/login/oauth, subject: me@example.com}]\n"
	late := by(audit)
	late.LogAt = started.Add(time.Hour)
	otherRef := by(strings.Replace(release, "heads/main", "tags/v1", 1))
	branch := func(name string) sigstoretest.Options { return by(strings.Replace(release, "main", name, 1)) }
	mail := func(name string) sigstoretest.Options {
		return sigstoretest.Options{Identity: name, Issuer: "https://accounts.google.com"}
	}
	anybody := "identities: [{issuer: https://accounts.google.com, subject: '*@example.com'}, {issuer: https://accounts.google.com, subject: '**@example.com'}]\n"
	for _, tc := range []struct {
		name    string
		form    string
		signers []sigstoretest.Options
		want    verify.Reason
		message string
	}{
		{"two signers", identities(release, audit), []sigstoretest.Options{by(release), by(audit)}, verify.Verified, ""},
		{"one of two", identities(release, audit), []sigstoretest.Options{by(release)}, verify.WrongSigner, "1 of 2 signers"},
		{"none of two", identities(release, audit), []sigstoretest.Options{by("https://github.com/evil/x/.github/workflows/a.yml@refs/heads/main")}, verify.WrongSigner, "identity is"},
		{"one signer twice", identities(release, audit), []sigstoretest.Options{by(release), by(release)}, verify.WrongSigner, "1 of 2 signers"},
		{"one signer for two entries", identities(release, anyone), []sigstoretest.Options{by(release)}, verify.WrongSigner, "1 of 2 signers"},
		{"one signer twice for two entries", identities(release, anyone), []sigstoretest.Options{by(release), by(release)}, verify.WrongSigner, "1 of 2 signers"},
		{"one workflow at two refs", identities("https://github.com/acme/app/**", anyone), []sigstoretest.Options{by(release), otherRef}, verify.WrongSigner, "1 of 2 signers"},
		{"one workflow at two branches, one with an @", identities("https://github.com/acme/app/**", anyone), []sigstoretest.Options{by(release), branch("x@y")}, verify.WrongSigner, "1 of 2 signers"},
		{"one workflow at two branches with an @", identities("https://github.com/acme/app/**", anyone), []sigstoretest.Options{branch("x@refs/heads/y"), branch("z@y")}, verify.WrongSigner, "1 of 2 signers"},
		{"one mailbox with a tag", anybody, []sigstoretest.Options{mail("me@example.com"), mail("me+x@example.com")}, verify.WrongSigner, "1 of 2 signers"},
		{"one mailbox with two tags, and in capitals", anybody, []sigstoretest.Options{mail("me+y@example.com"), mail("Me+x@Example.com")}, verify.WrongSigner, "1 of 2 signers"},
		{"two mailboxes", anybody, []sigstoretest.Options{mail("me@example.com"), mail("you+me@example.com")}, verify.Verified, ""},
		{"one person behind two issuers", me, []sigstoretest.Options{person("https://accounts.google.com"), person("https://github.com/login/oauth")}, verify.WrongSigner, "1 of 2 signers"},
		{"two signers for one entry", identities(anyone, "https://github.com/other/**"), []sigstoretest.Options{by(release), by(audit)}, verify.WrongSigner, "1 of 2 signers"},
		{"two signers, the first for both entries", identities(anyone, release), []sigstoretest.Options{by(release), by(audit)}, verify.Verified, ""},
		{"the same the other way around", identities(release, anyone), []sigstoretest.Options{by(release), by(audit)}, verify.Verified, ""},
		{"one good and one expired", identities(release, audit), []sigstoretest.Options{by(release), late}, verify.Expired, "1 of 2 signers"},
		{"one good and one stranger", identities(release, audit), []sigstoretest.Options{by(release), by("https://github.com/evil/x/.github/workflows/a.yml@refs/heads/main")}, verify.WrongSigner, "1 of 2 signers"},
	} {
		w := newWorld(t)
		img, d := w.image("a")
		w.sign(d, tc.signers...)
		v := w.require(tc.form+"at-least: 2").Verify(t.Context(), img)
		check(t, tc.name, v, tc.want, tc.message)
		if tc.want == verify.Verified {
			ev := v.Evidence()
			if len(ev) != 2 || ev[0].Signer == ev[1].Signer {
				t.Errorf("%s: evidence %+v", tc.name, ev)
			}
		}
		if hint := verify.Hint(v.Err()); strings.Contains(tc.message, "1 of 2") != strings.HasPrefix(hint, "have it signed by 1 more of the signers that are required") {
			t.Errorf("%s: hint %q", tc.name, hint)
		}
		// Who is required and not enough does not look as if they were.
		for _, c := range v.Candidates() {
			if (c.Reason == verify.Verified) != (v.Passed() && c.Err == nil) {
				t.Errorf("%s: candidate %q by %s: %v", tc.name, c.Reason, c.Signer, c.Err)
			}
			if short := c.Reason == verify.WrongSigner && c.Differs == nil; short && (c.Err == nil || !strings.HasSuffix(c.Err.Error(), "not enough: 1 of 2 signers") || c.Accept != nil || c.Signer == "") {
				t.Errorf("%s: candidate by %s: %v, %+v", tc.name, c.Signer, c.Err, c.Accept)
			}
		}
		if !strings.Contains(v.Requirement(), "2 different ones of ") {
			t.Errorf("%s: requires %q", tc.name, v.Requirement())
		}
	}
}

// A key and a certificate are two signers, and so are two keys.
func TestAtLeastKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.key("a.pub"), w.key("b.pub")
	img, d := w.image("a")
	w.sign(d, sigstoretest.Options{Key: a}, by(release))
	const both = "keys: [{file: a.pub}, {file: b.pub}]\nat-least: 2"
	check(t, "key and certificate", w.require("keys: [{file: a.pub}]\n"+identities(release)+"at-least: 2").Verify(t.Context(), img), verify.Verified, "")
	check(t, "one of two keys", w.require(both).Verify(t.Context(), img), verify.WrongSigner, "1 of 2 signers")
	w.sign(d, sigstoretest.Options{Key: a})
	check(t, "one key twice", w.require(both).Verify(t.Context(), img), verify.WrongSigner, "1 of 2 signers")
	w.sign(d, sigstoretest.Options{Key: b})
	check(t, "two keys", w.require(both).Verify(t.Context(), img), verify.Verified, "")
}

// Each platform of an index needs as many signers as the index would.
func TestAtLeastPlatforms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, amd := w.image("amd")
	_, arm := w.image("arm")
	amd.Platform, arm.Platform = platform("amd64"), platform("arm64")
	index := w.pinned(must[descriptor](t)(w.reg.PutIndex("team/app", "v1", amd, arm)))
	verifier := w.require(identities(release, audit)+"at-least: 2", func(c *sigstore.Config) { c.Platforms = []string{"linux/amd64", "linux/arm64"} })
	w.sign(amd, by(release), by(audit))
	w.sign(arm, by(release))
	check(t, "one platform with one of two", verifier.Verify(t.Context(), index), verify.WrongSigner, "platform linux/arm64")
	w.sign(arm, by(audit))
	fresh := w.require(identities(release, audit)+"at-least: 2", func(c *sigstore.Config) { c.Platforms = []string{"linux/amd64", "linux/arm64"} })
	v := fresh.Verify(t.Context(), index)
	check(t, "two of two", v, verify.Verified, "")
	if len(v.Evidence()) != 4 {
		t.Errorf("%d pieces of evidence", len(v.Evidence()))
	}
}

// Claims of the requirement hold for every identity, those of one for that one.
func TestClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	img, d := w.image("a")
	o := by(release)
	o.Claims = map[string]string{"1.11": "github-hosted", "1.16": "https://github.com/acme"}
	w.sign(d, o)
	for name, tc := range map[string]struct {
		form string
		want verify.Reason
	}{
		"alias":          {identities(release) + "claims: {source-repository-owner: https://github.com/acme}", verify.Verified},
		"full name":      {identities(release) + "claims: {source-repository-owner-uri: https://github.com/acme}", verify.Verified},
		"other value":    {identities(release) + "claims: {source-repository-owner: https://github.com/acm}", verify.WrongSigner},
		"a pattern":      {identities(release) + `claims: {source-repository-owner: "https://github.com/*"}`, verify.WrongSigner},
		"absent":         {identities(release) + "claims: {build-trigger: push}", verify.WrongSigner},
		"of an identity": {fmt.Sprintf("identities: [{issuer: %s, subject: %q, claims: {runner-environment: github-hosted}}]", actions, release), verify.Verified},
		"of both":        {fmt.Sprintf("identities: [{issuer: %s, subject: %q, claims: {runner-environment: self-hosted}}]\nclaims: {source-repository-owner: https://github.com/acme}", actions, release), verify.WrongSigner},
	} {
		check(t, name, w.require(tc.form).Verify(t.Context(), img), tc.want, "")
	}
}

// A key counts for what was signed in its time. Whoever finds it later cannot
// date a signature back.
func TestKeyTimes(t *testing.T) {
	t.Parallel()
	const ignore = "\nignore-tlog: true"
	at := func(day int) time.Time { return time.Date(2026, 3, day, 12, 0, 0, 0, time.UTC) }
	for _, tc := range []struct {
		name   string
		sign   sigstoretest.Options
		window string
		more   string
		now    time.Time
		want   verify.Reason
	}{
		{"no window", sigstoretest.Options{}, "", "", at(1), verify.Verified},
		{"inside", sigstoretest.Options{}, ", from: 2026-03-01, until: 2026-03-01", "", at(20), verify.Verified},
		{"the day before", sigstoretest.Options{}, ", from: 2026-03-02", "", at(20), verify.Expired},
		{"the day after", sigstoretest.Options{}, ", until: 2026-02-28", "", at(1), verify.Expired},
		{"inside by a time authority", sigstoretest.Options{RekorV2: true, Timestamp: true}, ", from: 2026-03-01, until: 2026-03-01", "", at(20), verify.Verified},
		{"after by a time authority", sigstoretest.Options{RekorV2: true, Timestamp: true}, ", until: 2026-02-28", "", at(1), verify.Expired},
		{"nobody vouches, now inside", sigstoretest.Options{NoLog: true}, ", until: 2026-03-10", ignore, at(10), verify.Verified},
		{"nobody vouches for a beginning", sigstoretest.Options{NoLog: true}, ", from: 2026-01-01", ignore, at(10), verify.Expired},
		{"nobody vouches for a beginning, now inside", sigstoretest.Options{NoLog: true}, ", from: 2026-01-01, until: 2026-12-31", ignore, at(10), verify.Expired},
		{"nobody vouches, now after", sigstoretest.Options{NoLog: true}, ", until: 2026-03-10", ignore, at(11), verify.Expired},
		{"nobody vouches, now before", sigstoretest.Options{NoLog: true}, ", from: 2026-03-12", ignore, at(11), verify.Expired},
		{"a log entry that is ignored", sigstoretest.Options{}, ", until: 2026-03-10", ignore, at(11), verify.Expired},
		{"a time authority without a log", sigstoretest.Options{NoLog: true, Timestamp: true}, ", until: 2026-03-10", ignore, at(11), verify.Expired},
	} {
		w := newWorld(t)
		tc.sign.Key = w.key("a.pub")
		img, d := w.image("a")
		w.sign(d, tc.sign)
		v := w.require("keys: [{file: a.pub"+tc.window+"}]"+tc.more, func(c *sigstore.Config) { c.Now = tc.now })
		check(t, tc.name, v.Verify(t.Context(), img), tc.want, "")
	}
	// Without a clock there is no Verifier for such a key.
	w := newWorld(t)
	w.key("a.pub")
	f, _ := read(t, "keys: [{file: a.pub, until: 2026-03-01}]")
	c := must[sigstore.Config](t)(f.Config(w.env()))
	c.Now = time.Time{}
	if _, err := sigstore.NewSession(client(), image.Ref{}).Require(c); err == nil {
		t.Error("a Verifier was made")
	}
}

// Signatures may lie in another repository, one for each requirement, which is
// then the only place that is asked.
func TestSignatureRepository(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	img, d := w.image("a")
	body := must[[]byte](t)(w.in.Bundle(sigstore.SignPredicate, d.Digest.Encoded(), nil, by(release)))
	must[descriptor](t)(w.reg.PutBundle("team/signatures", d, body))
	elsewhere := identities(release) + "signature-repository: " + w.reg.Host() + "/team/signatures"
	check(t, "beside the image", w.require(identities(release)).Verify(t.Context(), img), verify.Unsigned, "")
	check(t, "elsewhere", w.require(elsewhere).Verify(t.Context(), img), verify.Verified, "")

	// Requirements with the same repository share what is found there.
	session := sigstore.NewSession(client(), image.Ref{})
	w.reg.Reset(0)
	for range 2 {
		f, _ := read(t, elsewhere)
		c := must[sigstore.Config](t)(f.Config(w.env()))
		check(t, "shared", must[verify.Verifier](t)(session.Require(c)).Verify(t.Context(), img), verify.Verified, "")
	}
	// Those with other ones do not.
	for form, want := range map[string]verify.Reason{
		identities(release): verify.Unsigned,
		identities(release) + "signature-repository: " + w.reg.Host() + "/team/none": verify.Unsigned,
	} {
		f, _ := read(t, form)
		c := must[sigstore.Config](t)(f.Config(w.env()))
		check(t, form, must[verify.Verifier](t)(session.Require(c)).Verify(t.Context(), img), want, "")
	}
	asked := 0
	for _, r := range w.reg.Requests() {
		if strings.Contains(r.URI, "/team/signatures/referrers/") {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times for referrers", asked)
	}
}

// Conditions are asked last, of what a right signer has signed.
func TestWhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	img, d := w.image("a")
	w.attest(d, slsaType, []byte(`{"buildDefinition":{"buildType":"https://example.com/build"},"n":1}`), by(release))
	w.attest(d, slsaType, []byte(`{"buildDefinition":{"buildType":"https://example.com/evil"},"n":1}`), by("https://github.com/evil/x/.github/workflows/a.yml@refs/heads/main"))
	for _, tc := range []struct {
		where   string
		want    verify.Reason
		message string
	}{
		{`predicate.buildDefinition.buildType == "https://example.com/build"`, verify.Verified, ""},
		{`predicate.buildDefinition.buildType == "https://example.com/evil"`, verify.WrongType, "is not true"},
		{`predicate.n == 1 && signer.startsWith("https://github.com/acme/") && issuer == "` + actions + `"`, verify.Verified, ""},
		{`image.name == "` + w.reg.Host() + `/team/app" && image.tag == "v1" && image.digest == "` + img.Digest() + `"`, verify.Verified, ""},
		{`claims["runner-environment"] == "github-hosted"`, verify.WrongType, "no such key"},
	} {
		v := w.require("type: slsaprovenance1\nwhere: "+quoted(tc.where)+"\n"+identities(release)).Verify(t.Context(), img)
		check(t, tc.where, v, tc.want, tc.message)
		if !strings.Contains(v.Requirement(), "where predicate.") && !strings.Contains(v.Requirement(), "where "+tc.where[:10]) {
			t.Errorf("%s: requires %q", tc.where, v.Requirement())
		}
	}
}

// A condition that is not true, or cannot be answered, refuses the attestation.
func TestWhereRefuses(t *testing.T) {
	t.Parallel()
	const one = `predicate.n == 1`
	for _, tc := range []struct {
		name, where, predicate string
		want                   verify.Reason
		message                string
	}{
		{"false", one, `{"n":2}`, verify.WrongType, "is not true of the attestation: " + one},
		{"no such field", one, `{}`, verify.WrongType, "no such key: n"},
		{"no predicate", one, `null`, verify.WrongType, one},
		{"not that field either", `predicate.n != 1`, `{}`, verify.WrongType, "no such key: n"},
		{"a name twice", one, `{"n":1,"n":1}`, verify.WrongType, "stands twice"},
		{"too many steps", `predicate.all(a, predicate.all(b, a == b))`, "[" + strings.Repeat("1,", 5000) + "1]", verify.Unsupported, "too large"},
		{"too deep", `true`, strings.Repeat(`{"a":`, 600) + "1" + strings.Repeat("}", 600), verify.Unsupported, "too large"},
	} {
		if sigstore.Raced && tc.name == "too many steps" {
			continue // as many as there may be take it long
		}
		w := newWorld(t)
		img, d := w.image("a")
		statement := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"x","digest":{"sha256":%q}}],"predicateType":%q,"predicate":%s}`, d.Digest.Encoded(), slsaType, tc.predicate)
		body := must[[]byte](t)(w.in.BundleOf([]byte(statement), by(release)))
		must[descriptor](t)(w.reg.PutBundle("team/app", d, body))
		v := w.require("type: slsaprovenance1\nwhere: "+quoted(tc.where)+"\n"+identities(release)).Verify(t.Context(), img)
		check(t, tc.name, v, tc.want, tc.message)
		if got := v.Candidates()[0].Differs; tc.want == verify.WrongType && (got == nil || got.What != "where" || got.Expected != tc.where) {
			t.Errorf("%s: differs %+v", tc.name, got)
		}
	}
}

// What is asked is what was signed: of an attestation in the older format too,
// and never of one that has two predicates.
func TestWhereReadsWhatIsSigned(t *testing.T) {
	t.Parallel()
	const form = "type: slsaprovenance1\nwhere: predicate.n == 1\n"
	w := newWorld(t)
	img, d := w.image("a")
	put := func(predicate string) {
		envelope, annotations, err := w.in.LegacyAttestation(slsaType, d.Digest.Encoded(), []byte(predicate), by(release))
		if err != nil {
			t.Fatal(err)
		}
		must[descriptor](t)(w.reg.PutTagged("team/app", d.Digest.String(), ".att", registrytest.Layer{MediaType: registrytest.Envelope, Blob: envelope, Annotations: annotations}))
	}
	put(`{"n":2}`)
	check(t, "older format, false", w.require(form+identities(release)).Verify(t.Context(), img), verify.WrongType, "is not true")
	put(`{"n":1}`)
	check(t, "older format, true", w.require(form+identities(release)).Verify(t.Context(), img), verify.Verified, "")

	img, d = w.image("b")
	statement := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"x","digest":{"sha256":%q}}],"predicateType":%q,"predicate":{"n":2},"predicate":{"n":1}}`, d.Digest.Encoded(), slsaType)
	must[descriptor](t)(w.reg.PutBundle("team/app", d, must[[]byte](t)(w.in.BundleOf([]byte(statement), by(release)))))
	check(t, "two predicates", w.require(form+identities(release)).Verify(t.Context(), img), verify.BadSignature, "")
}

// A run that ends while a condition is looked at says so.
func TestWhereEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	img, d := w.image("a")
	w.attest(d, slsaType, []byte(`{}`), by(release))
	v := w.require("type: slsaprovenance1\nwhere: 'true'\n" + identities(release))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := v.Verify(ctx, img); got.Passed() || got.Reason() != verify.Unavailable && got.Reason() != verify.Undecided {
		t.Errorf("%q", got.Reason())
	}
}

// A signature is no attestation, and an attestation of another type is none of
// this one, whoever made them.
func TestAttestationType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	img, d := w.image("a")
	w.sign(d, by(release))
	w.attest(d, "https://spdx.dev/Document", nil, by(release))
	check(t, "another type", w.require("type: slsaprovenance1\n"+identities(release)).Verify(t.Context(), img), verify.WrongType, "")
	check(t, "the type", w.require("type: spdx\n"+identities(release)).Verify(t.Context(), img), verify.Verified, "")
	w2 := newWorld(t)
	img, d = w2.image("a")
	w2.attest(d, slsaType, nil, by(release))
	check(t, "attestation for a signature", w2.require(identities(release)).Verify(t.Context(), img), verify.WrongType, "not a signature")
}
