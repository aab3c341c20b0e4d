package sigstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// hostile are subjects that whoever asks for a certificate might choose.
var hostile = []string{
	"https://github.com/*/x/.github/workflows/a.yml@refs/heads/main",
	"https://github.com/**",
	"**",
	"*@example.com",
	`me@example.com"}, {issuer: "**", subject: "**"}]#`,
	`\u002a\x2a\\@example.com`,
	"%2A,{}[]&!|>'%@`: # x",
	"a\n- b: c\r\t\x00\x7f",
	"(x)+[y]/^$.*",
}

// The line that accepts a refused signer accepts that signer, and nobody who
// only resembles it.
func TestAcceptIsExact(t *testing.T) {
	t.Parallel()
	subjects := append([]string{release, "me@example.com"}, hostile...)
	w := newWorld(t)
	var images []image.Pinned
	for _, s := range subjects {
		img, d := w.image(s)
		w.sign(d, by(s))
		images = append(images, img)
	}
	for i, s := range subjects {
		v := w.require(identities("https://github.com/nobody/x/.github/workflows/a.yml@refs/heads/main")).Verify(t.Context(), images[i])
		check(t, s, v, verify.WrongSigner, "")
		c := v.Candidates()[0]
		if c.Accept == nil || c.Accept.List != "identities" || strings.ContainsAny(c.Accept.Line, "\n\r") {
			t.Errorf("%s: accept %+v", s, c.Accept)
			continue
		}
		if c.Signer != s || c.Issuer != actions || c.SignedAt.IsZero() || c.Claims == nil {
			t.Errorf("%s: candidate %+v", s, c)
		}
		accepting := w.require("identities: [" + c.Accept.Line + "]")
		for j, other := range images {
			want := verify.WrongSigner
			if i == j {
				want = verify.Verified
			}
			check(t, c.Accept.Line+" for "+subjects[j], accepting.Verify(t.Context(), other), want, "")
		}
	}
}

// The line for a key is the key itself, which a fingerprint alone is not.
func TestAcceptKey(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]string{"keys": "keys: [{file: mine.pub}]", "certificates": identities(release)} {
		w := newWorld(t)
		w.key("mine.pub")
		theirs := w.key("theirs.pub")
		img, d := w.image("a")
		w.sign(d, sigstoretest.Options{Key: theirs})
		v := w.require(form).Verify(t.Context(), img)
		check(t, name, v, verify.WrongSigner, "")
		c := v.Candidates()[0]
		if c.Accept == nil || c.Accept.List != "keys" || c.Accept.Unwise == "" || c.Signer != "key sha256:"+w.fingerprint("theirs.pub") {
			t.Fatalf("%s: %+v, accept %+v", name, c, c.Accept)
		}
		check(t, name+" accepted", w.require("keys: ["+c.Accept.Line+"]").Verify(t.Context(), img), verify.Verified, "")
		mine := sigstoretest.Options{Key: w.key("mine.pub")}
		img, d = w.image("b")
		w.sign(d, mine)
		check(t, name+" refused", w.require("keys: ["+c.Accept.Line+"]").Verify(t.Context(), img), verify.WrongSigner, "")

		// Without a log entry nothing says whose key it is, or that it is one.
		img, d = w.image("c")
		w.sign(d, sigstoretest.Options{Key: theirs, NoLog: true})
		if c := w.require(form).Verify(t.Context(), img).Candidates()[0]; c.Accept != nil || c.Signer != "" {
			t.Errorf("%s: unproven key: %+v", name, c)
		}
	}
}

// What was found says where it differs from the nearest of what was expected,
// and what speaks against accepting it.
func TestDiffers(t *testing.T) {
	t.Parallel()
	const workflow = "/.github/workflows/release.yml@refs/heads/main"
	const google = "https://accounts.google.com"
	for _, tc := range []struct {
		name   string
		sign   sigstoretest.Options
		form   string
		differ verify.Difference
		unwise string // a part of it; "" where nothing speaks against it
	}{
		{"same owner", by("https://github.com/acme/lib" + workflow), identities(release), verify.Difference{What: "identity", Found: "https://github.com/acme/lib" + workflow, Expected: release}, ""},
		{"other owner", by("https://github.com/evil/app" + workflow), identities(release), verify.Difference{What: "identity"}, "it belongs to github.com/evil, not to github.com/acme"},
		{"look-alike", by("https://github.com/acrne/app" + workflow), identities(release), verify.Difference{What: "identity"}, "github.com/acrne only looks like github.com/acme"},
		{"one letter off", by("https://github.com/acne/app" + workflow), identities(release), verify.Difference{What: "identity"}, "only looks like"},
		{"longer name", by("https://github.com/acme-evil/app" + workflow), identities(release), verify.Difference{What: "identity"}, "only looks like"},
		{"branch", by(strings.Replace(release, "main", "fix", 1)), identities(release), verify.Difference{What: "identity"}, "on the branch fix"},
		{"pull request", by(strings.Replace(release, "heads/main", "pull/7/merge", 1)), identities(release), verify.Difference{What: "identity"}, "pull request"},
		{"tag", by(strings.Replace(release, "heads/main", "tags/v1", 1)), identities(release), verify.Difference{What: "identity"}, ""},
		{"issuer", sigstoretest.Options{Identity: release, Issuer: "https://issuer.example"}, identities(release), verify.Difference{What: "issuer", Found: "https://issuer.example", Expected: actions}, "is not one that is known here"},
		{"free mail", sigstoretest.Options{Identity: "acme.releases@gmail.com", Issuer: google}, "identities: [{issuer: " + google + ", subject: releases@acme.example}]", verify.Difference{What: "identity"}, "anybody can have an address at gmail.com"},
		{"self-hosted", sigstoretest.Options{Identity: audit, Issuer: actions, Claims: map[string]string{"1.11": "self-hosted"}}, identities(release), verify.Difference{What: "identity"}, "self-hosted"},
		{"trigger", sigstoretest.Options{Identity: audit, Issuer: actions, Claims: map[string]string{"1.20": "pull_request_target"}}, identities(release), verify.Difference{What: "identity"}, "what strangers propose"},
		{"claim", sigstoretest.Options{Identity: release, Issuer: actions, Claims: map[string]string{"1.11": "self-hosted"}}, identities(release) + "claims: {runner-environment: github-hosted}", verify.Difference{What: "runner-environment", Found: "self-hosted", Expected: "github-hosted"}, "self-hosted"},
		{"key for a certificate", by(release), "keys: [{file: mine.pub}]", verify.Difference{What: "key", Found: release}, ""},
	} {
		w := newWorld(t)
		w.key("mine.pub")
		img, d := w.image("a")
		w.sign(d, tc.sign)
		v := w.require(tc.form).Verify(t.Context(), img)
		check(t, tc.name, v, verify.WrongSigner, "")
		c := v.Candidates()[0]
		if c.Differs == nil || c.Differs.What != tc.differ.What || tc.differ.Found != "" && c.Differs.Found != tc.differ.Found || tc.differ.Expected != "" && c.Differs.Expected != tc.differ.Expected {
			t.Errorf("%s: differs %+v, want %+v", tc.name, c.Differs, tc.differ)
		}
		if c.Accept == nil || (c.Accept.Unwise == "") != (tc.unwise == "") || !strings.Contains(c.Accept.Unwise, tc.unwise) {
			t.Errorf("%s: accept %+v, want %q", tc.name, c.Accept, tc.unwise)
			continue
		}
		form := c.Accept.List + ": [" + c.Accept.Line + "]"
		if c.Accept.List == "claims" {
			if !strings.Contains(c.Accept.InRule, "hold for every identity") {
				t.Errorf("%s: %+v", tc.name, c.Accept)
			}
			form = identities(release) + "claims: " + c.Accept.Line
		}
		check(t, tc.name+" accepted", w.require(form).Verify(t.Context(), img), verify.Verified, "")
	}
}

// The subject of a workflow that others may call is everybody's. What accepts
// it for one repository accepts it for no other, whatever the policy had asked.
func TestAcceptCalled(t *testing.T) {
	t.Parallel()
	const generator = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator.yml@refs/tags/v2.0.0"
	called := func(claims map[string]string) sigstoretest.Options {
		o := by(generator)
		o.Claims = claims
		return o
	}
	evil := map[string]string{"1.12": "https://github.com/evil/app", "1.14": "refs/tags/v3", "1.16": "https://github.com/evil", "1.11": "github-hosted"}
	old := map[string]string{"1.5": "evil/app", "1.6": "refs/heads/main"}
	identity := func(subject, claims string) string {
		return fmt.Sprintf("identities: [{issuer: %s, subject: %q%s}]\n", actions, subject, claims)
	}
	for _, tc := range []struct {
		name, form, list, has, unwise, later string
		claims                               map[string]string
	}{
		{"claim of the identity", identity(generator, ", claims: {source-repository: https://github.com/acme/app}"), "identities", `source-repository-uri: "https://github.com/evil/app"`, "the source repository https://github.com/evil/app belongs to github.com/evil, not to github.com/acme", "source-repository-ref is that of the release v3", evil},
		{"owner of the identity", identity(generator, ", claims: {source-repository-owner: https://github.com/acme}"), "identities", `source-repository-owner-uri: "https://github.com/evil"`, "belongs to github.com/evil, not to github.com/acme", "", evil},
		{"look-alike", identity(generator, ", claims: {source-repository-owner: https://github.com/evi1}"), "identities", "", "belongs to github.com/evil, which only looks like github.com/evi1", "", evil},
		{"other repository", identity(generator, ", claims: {source-repository: https://github.com/evil/lib}"), "identities", "", "the source repository is https://github.com/evil/app, not https://github.com/evil/lib", "", evil},
		{"claim of all", identity(generator, "") + "claims: {source-repository: https://github.com/acme/app}", "claims", `{source-repository-uri: "https://github.com/evil/app"}`, "belongs to github.com/evil, not to github.com/acme", "", evil},
		{"no claim", identities(release), "identities", `source-repository-ref: "refs/tags/v3"`, "was called for https://github.com/evil/app: it belongs to github.com/evil, not to github.com/acme", "@refs/tags/v* in the place of @refs/tags/v2.0.0", evil},
		{"other claim of the identity", identity(release, ", claims: {runner-environment: self-hosted}"), "identities", `runner-environment: "github-hosted"`, "was called for", "", evil},
		{"an older certificate", identities(release), "identities", `github-workflow-repository: "evil/app"`, "was called for https://github.com/evil/app", "", old},
		{"keys", "keys: [{file: mine.pub}]", "identities", `source-repository-uri: "https://github.com/evil/app"`, "was called for", "", evil},
		{"a claim that is missing", identity(generator, ", claims: {build-trigger: push}"), "identities", "source-repository-uri", "does not say what was asked for: build-trigger", "", evil},
	} {
		w := newWorld(t)
		w.key("mine.pub")
		img, d := w.image("a")
		w.sign(d, called(tc.claims))
		c := candidate(t, tc.name, w.require(tc.form).Verify(t.Context(), img), verify.WrongSigner)
		if c.Accept == nil || c.Accept.List != tc.list || !strings.Contains(c.Accept.Line, tc.has) || !strings.Contains(c.Accept.Unwise, tc.unwise) || !strings.Contains(c.Accept.Later, tc.later) {
			t.Errorf("%s: accept %+v", tc.name, c.Accept)
			continue
		}
		alone := w.require(strings.TrimSuffix(strings.TrimPrefix(c.Accept.Alone, "{sigstore: {"), "}}"))
		accepting := []verify.Verifier{alone}
		if tc.list == "identities" {
			accepting = append(accepting, w.require("identities: ["+c.Accept.Line+"]"))
		}
		// The same workflow, called by others and at other refs.
		others := []map[string]string{
			{"1.12": "https://github.com/mallory/app", "1.14": "refs/tags/v3", "1.16": "https://github.com/mallory", "1.11": "github-hosted"},
			{"1.12": "https://github.com/evil/app", "1.14": "refs/heads/x", "1.16": "https://github.com/evil", "1.11": "github-hosted"},
			{"1.5": "mallory/app", "1.6": "refs/heads/main"},
			nil,
		}
		var images []image.Pinned
		for _, claims := range others {
			other, od := w.image(fmt.Sprint(claims))
			w.sign(od, called(claims))
			images = append(images, other)
		}
		for _, v := range accepting {
			check(t, tc.name+" accepted", v.Verify(t.Context(), img), verify.Verified, "")
			for i, other := range images {
				check(t, fmt.Sprintf("%s: %v", tc.name, others[i]), v.Verify(t.Context(), other), verify.WrongSigner, "")
			}
		}
	}
}

// candidate returns the only one of a verdict with the Reason.
func candidate(t *testing.T, name string, v verify.Verdict, want verify.Reason) verify.Candidate {
	t.Helper()
	check(t, name, v, want, "")
	all := v.Candidates()
	if len(all) != 1 {
		t.Fatalf("%s: %+v", name, all)
	}
	return all[0]
}

// A requirement that stands alone asks for all else that the one asked for
// which refused.
func TestAcceptAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	img, d := w.image("a")
	o := by(audit)
	o.Claims = map[string]string{"1.11": "github-hosted"}
	w.attest(d, slsaType, []byte(`{"x": 1}`), o)
	form := "type: slsaprovenance1\nwhere: predicate.x == 1\n" + identities(release) + "claims: {runner-environment: github-hosted}\nsignature-repository: " + w.reg.Host() + "/team/app"
	c := candidate(t, "attestation", w.require(form).Verify(t.Context(), img), verify.WrongSigner)
	inner, ok := strings.CutPrefix(c.Accept.Alone, "{attestation: {")
	if !ok || !strings.Contains(inner, "where: ") || !strings.Contains(inner, "signature-repository: ") || !strings.Contains(inner, "runner-environment: ") {
		t.Fatalf("alone %s", c.Accept.Alone)
	}
	alone := w.require("{" + strings.TrimSuffix(inner, "}"))
	check(t, "accepted", alone.Verify(t.Context(), img), verify.Verified, "")
	other, od := w.image("b")
	w.attest(od, slsaType, []byte(`{"x": 2}`), o)
	check(t, "another predicate", alone.Verify(t.Context(), other), verify.WrongType, "")

	img, d = w.image("c")
	w.sign(d, by("https://github.com/acme/x/.github/workflows/a.yml@refs/tags/v1.2.3"))
	c = candidate(t, "two needed", w.require(identities(release, audit)+"at-least: 2").Verify(t.Context(), img), verify.WrongSigner)
	if !strings.Contains(c.Accept.AsRule, "2 signers are needed") || c.Accept.At.Line != 1 ||
		c.Accept.Later != "@refs/tags/v* in the place of @refs/tags/v1.2.3 would accept the next releases, too" {
		t.Errorf("%+v", c.Accept)
	}
}

// Hints speak of flags only where flags made the requirement: beside a policy
// they would be refused.
func TestHintsFit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	theirs := sigstoretest.Options{Key: w.key("theirs.pub")}
	w.key("mine.pub")
	for _, tc := range []struct {
		name, form   string
		sign         func(ocispec.Descriptor)
		want         verify.Reason
		policy, flag string
	}{
		{"unsigned", identities(release), func(ocispec.Descriptor) {}, verify.Unsigned, "with an exception; if its signatures lie elsewhere, name that repository with signature-repository in the rule", "--signature-repository"},
		{"signed by Notation", identities(release), func(d ocispec.Descriptor) {
			must[descriptor](t)(w.reg.PutReferrer("team/app", d, "application/vnd.cncf.notary.signature", registrytest.Layer{MediaType: "application/jose+json", Blob: []byte("{}")}))
		}, verify.Unsigned, "there is one of Notation's\nif Notation's signature is the one that counts, require notation: {", "require --notation-certificate with --notation-identity"},
		{"attested", identities(release), func(d ocispec.Descriptor) { w.attest(d, slsaType, nil, by(release)) }, verify.WrongType, "require an attestation in the place of sigstore", "--attestation-type"},
		{"signer", identities(release), func(d ocispec.Descriptor) { w.sign(d, by(audit)) }, verify.WrongSigner, "accept it in the policy", "change the expected identity"},
		{"no log entry", "keys: [{file: mine.pub}]", func(d ocispec.Descriptor) { o := theirs; o.NoLog = true; w.sign(d, o) }, verify.BadSignature, "instance or trusted-root in the rule", "--trusted-root, --sigstore"},
		{"a key that nothing proves", identities(release), func(d ocispec.Descriptor) { o := theirs; o.NoLog = true; w.sign(d, o) }, verify.WrongSigner, "get the public key from the publisher of the image, and add it under keys", "give it with --key"},
		{"a condition", "type: slsaprovenance1\nwhere: predicate.x == 1\n" + identities(release), func(d ocispec.Descriptor) { w.attest(d, slsaType, []byte(`{"x": 2}`), by(release)) }, verify.WrongType, "the condition for it is not met", "the condition for it is not met"},
		{"one of two", identities(release, audit) + "at-least: 2", func(d ocispec.Descriptor) {
			w.sign(d, by(release), by("https://github.com/evil/x/.github/workflows/a.yml@refs/heads/main"))
		}, verify.WrongSigner, "by 1 more of the signers that are required", "by 1 more of the signers that are required"},
		{"not built by BuildKit", identities(release) + "signature-on: attestation-manifest", func(ocispec.Descriptor) {}, verify.Unsupported, "leave out signature-on", "leave out --signature-on"},
	} {
		img, d := w.image(tc.name)
		tc.sign(d)
		for flags, want := range map[bool]string{false: tc.policy, true: tc.flag} {
			v := w.require(tc.form, func(c *sigstore.Config) { c.Flags = flags }).Verify(t.Context(), img)
			check(t, tc.name, v, tc.want, "")
			text := v.Err().Error() + "\n" + verify.Hint(v.Err())
			if !strings.Contains(text, want) || !flags && strings.Contains(text, "--") {
				t.Errorf("%s, flags %v: %s", tc.name, flags, text)
			}
		}
	}
}

// A key's name is for people; who signed is said by its fingerprint.
func TestKeyName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := sigstoretest.Options{Key: w.key("a.pub")}
	img, d := w.image("a")
	w.sign(d, k)
	for form, want := range map[string]string{`keys: [{file: a.pub, name: "the team"}]`: "the team", "keys: [{file: a.pub}]": ""} {
		v := w.require(form).Verify(t.Context(), img)
		check(t, form, v, verify.Verified, "")
		if ev, c := v.Evidence()[0], v.Candidates()[0]; ev.KeyName != want || c.KeyName != want || ev.Signer != "key sha256:"+w.fingerprint("a.pub") {
			t.Errorf("%s: %+v", form, ev)
		}
	}
}

// A requirement for what was found stands in for one for what was not.
func TestAcceptType(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, signed, form, list, accept, item string }{
		{"attestation for a signature", slsaType, identities(release), "require", "{attestation: {type: ", "attestation"},
		{"signature for an attestation", sigstore.SignPredicate, "type: slsaprovenance1\n" + identities(release), "require", "{sigstore: {identities: ", "sigstore"},
		{"attestation for another", "https://spdx.dev/Document", "type: slsaprovenance1\n" + identities(release), "require", "{attestation: {type: \"https://spdx.dev/Document\"", "attestation"},
	} {
		w := newWorld(t)
		img, d := w.image("a")
		w.attest(d, tc.signed, nil, by(release))
		v := w.require(tc.form).Verify(t.Context(), img)
		check(t, tc.name, v, verify.WrongType, "")
		c := v.Candidates()[0]
		if c.Accept == nil || c.Accept.List != tc.list || !strings.HasPrefix(c.Accept.Line, tc.accept) || c.Accept.Unwise == "" || c.Differs == nil || c.Differs.What != "predicate type" {
			t.Errorf("%s: accept %+v, differs %+v", tc.name, c.Accept, c.Differs)
			continue
		}
		inner := strings.TrimSuffix(strings.TrimPrefix(c.Accept.Line, "{"+tc.item+": "), "}")
		check(t, tc.name+" accepted", w.require(inner).Verify(t.Context(), img), verify.Verified, "")
	}
	// Nothing accepts what does not hold.
	w := newWorld(t)
	img, d := w.image("a")
	late := by(release)
	late.LogAt = started.AddDate(0, 0, 1)
	w.sign(d, late)
	v := w.require(identities(release)).Verify(t.Context(), img)
	check(t, "expired", v, verify.Expired, "")
	if c := v.Candidates()[0]; c.Accept != nil || c.Signer != "" {
		t.Errorf("expired: %+v", c)
	}
}

// Look lists who signed, and says when it does not know.
func TestLook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	img, d := w.image("a")
	look := func(img image.Pinned, platforms ...string) ([]verify.Candidate, error) {
		return sigstore.NewSession(client(), image.Ref{}).Look(t.Context(), w.trust, img, platforms)
	}
	if got, err := look(img); err != nil || len(got) != 0 {
		t.Errorf("unsigned: %+v, %v", got, err)
	}
	w.sign(d, by(release), sigstoretest.Options{Key: w.key("a.pub")}, sigstoretest.Options{Key: w.key("b.pub"), NoLog: true})
	w.attest(d, slsaType, nil, by(audit))
	stranger := must[*sigstoretest.Instance](t)(sigstoretest.New(started))
	must[descriptor](t)(w.reg.PutBundle("team/app", d, must[[]byte](t)(stranger.Bundle(sigstore.SignPredicate, d.Digest.Encoded(), nil, by(release)))))
	payload := sigstoretest.Payload("x", d.Digest.String())
	annotations := must[map[string]string](t)(w.in.Legacy(payload, by(release)))
	must[descriptor](t)(w.reg.PutTagged("team/app", d.Digest.String(), ".sig", registrytest.Layer{MediaType: registrytest.SimpleSigning, Blob: payload, Annotations: annotations}))
	got, err := look(img)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, c := range got {
		count[strings.Join([]string{string(c.Reason), c.Format, c.Signer, c.PredicateType}, " ")]++
		if c.Reason == verify.Verified || c.Signer != "" && (c.Accept == nil || c.SignedAt.IsZero()) {
			t.Errorf("%+v", c)
		}
	}
	for _, want := range []string{
		"wrong-signer bundle-v0.3 " + release + " " + sigstore.SignPredicate,
		"wrong-signer cosign-legacy " + release + " ",
		"wrong-signer bundle-v0.3 key sha256:" + w.fingerprint("a.pub") + " " + sigstore.SignPredicate,
		"wrong-signer bundle-v0.3  ",
		"wrong-signer bundle-v0.3 " + audit + " " + slsaType,
		"bad-signature bundle-v0.3  ",
	} {
		if count[want] != 1 {
			t.Errorf("%d of %q: %v", count[want], want, count)
		}
	}
	if len(got) != 6 {
		t.Errorf("%d signatures", len(got))
	}
}

func TestLookPlatforms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, amd := w.image("amd")
	_, arm := w.image("arm")
	amd.Platform, arm.Platform = platform("amd64"), platform("arm64")
	d := must[descriptor](t)(w.reg.PutIndex("team/app", "v1", amd, arm))
	w.sign(amd, by(release))
	w.sign(arm, by(audit))
	look := func(platforms ...string) []verify.Candidate {
		return must[[]verify.Candidate](t)(sigstore.NewSession(client(), image.Ref{}).Look(t.Context(), w.trust, w.pinned(d), platforms))
	}
	if got := look(); len(got) != 2 || got[0].Signed != verify.SignedPlatform || got[0].Platform == got[1].Platform {
		t.Errorf("all platforms: %+v", got)
	}
	if got := look("linux/arm64"); len(got) != 1 || got[0].Signer != audit || got[0].Platform != "linux/arm64" {
		t.Errorf("one platform: %+v", got)
	}
	// A signature that proves nothing does not hide those of the platforms.
	w.sign(d, sigstoretest.Options{Key: w.key("x.pub"), NoLog: true})
	if got := look(); len(got) != 3 {
		t.Errorf("beside an unproven one: %+v", got)
	}
	w.sign(d, by(release))
	if got := look(); len(got) != 2 || got[0].Signed != verify.SignedImage {
		t.Errorf("beside a signed index: %+v", got)
	}
}

// No answer is not the answer that there are no signatures.
func TestLookWithoutAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	img, _ := w.image("a")
	session := func() *sigstore.Session { return sigstore.NewSession(client(), image.Ref{}) }
	w.reg.Break(registrytest.Fault{Path: ".att$", Status: 503})
	if got, err := session().Look(t.Context(), w.trust, img, nil); err == nil || registry.Reason(err) != verify.Unavailable || len(got) != 0 {
		t.Errorf("no answer: %+v, %v", got, err)
	}
	w.reg.Reset(0)
	w.reg.Break(registrytest.Fault{Path: ".sig$", Status: 403})
	if _, err := session().Look(t.Context(), w.trust, img, nil); registry.Reason(err) != verify.Denied {
		t.Errorf("denied: %v", err)
	}
	w.reg.Reset(0)
	gone := must[image.Pinned](t)(img.Ref().Pin(registrytest.Digest([]byte("gone"))))
	if _, err := session().Look(t.Context(), w.trust, gone, nil); registry.Reason(err) != verify.NotFound {
		t.Errorf("not found: %v", err)
	}
	if _, err := session().Look(t.Context(), nil, img, nil); !errors.Is(err, sigstore.ErrNoTrust) {
		t.Errorf("no trust: %v", err)
	}
}
