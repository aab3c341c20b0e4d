package notation_test

import (
	"crypto/x509/pkix"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// A trial is an image that both programs are asked about, with the trust policy
// and the trust stores that both read.
type trial struct {
	*workplace
	image
	by       *notationtest.Authority // who is trusted: its root is in the store ca:acme
	tsa      *notationtest.TSA       // whose root is in the store tsa:acme
	servers  *notationtest.Revocation
	envelope string // its media type
}

const acme = "x509.subject: C=US, ST=WA, O=Acme"

// sign signs the image and pushes the signature.
func (t *trial) sign(by *notationtest.Authority, o notationtest.SignOptions) {
	t.t.Helper()
	t.attach(t.signature(by, t.image, o))
}

// signature returns the envelope that signs an image.
func (t *trial) signature(by *notationtest.Authority, i image, o notationtest.SignOptions) []byte {
	t.t.Helper()
	o.Envelope = t.envelope
	envelope, err := by.Sign(i.Descriptor, o)
	check(t.t, err)
	return envelope
}

// attach pushes an envelope as a signature of the image.
func (t *trial) attach(envelope []byte) {
	t.t.Helper()
	_, err := notationtest.Push(t.reg, t.repository, t.Descriptor, envelope, t.envelope)
	check(t.t, err)
}

// authority makes one.
func (t *trial) authority(o notationtest.AuthorityOptions) *notationtest.Authority {
	t.t.Helper()
	a, err := notationtest.NewAuthority(o)
	check(t.t, err)
	return a
}

// A question is one that both programs are asked.
type question struct {
	name     string
	key      notationtest.AuthorityOptions
	sign     notationtest.SignOptions
	stamp    bool     // the signature is countersigned at sign.StampTime
	changes  []any    // of the statement that trusts ca:acme and acme
	metadata []string // that is asked for
	// instead signs, and trusts, otherwise than with key and sign.
	instead func(*trial)
	// says is the Reason of boltseal; "" where it refuses what it is told to trust.
	says string
	// stricter is set where boltseal refuses what notation lets pass, and says why.
	stricter string
	// looser is set where it is the other way round.
	looser string
}

// stores is a change of a statement.
func stores(names ...string) []any { return []any{"trustStores", names} }

// level is a change of a statement; more are pairs of a name and a value.
func level(name string, more ...any) []any {
	verification := map[string]any{"level": name}
	for i := 0; i+1 < len(more); i += 2 {
		verification[fmt.Sprint(more[i])] = more[i+1]
	}
	return []any{"signatureVerification", verification}
}

// scopes is a change of a statement.
func scopes(names ...string) []any { return []any{"registryScopes", names} }

// unsigned signs nothing.
func unsigned(*trial) {}

// gone is whose certificate ran from 40 to 20 days ago.
func gone() notationtest.AuthorityOptions {
	return notationtest.AuthorityOptions{NotBefore: days(-40), NotAfter: days(-20)}
}

func days(n int) time.Time { return time.Now().Add(time.Duration(n) * 24 * time.Hour) }

// questions are asked with both envelopes.
func questions() []question {
	then := days(-30)
	withTSA := stores("ca:acme", "tsa:acme")
	withoutCN := notationtest.AuthorityOptions{Subject: pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{"Acme"}}}
	all := []question{
		{name: "good", says: "verified"},
		{name: "unsigned", instead: unsigned, says: "unsigned"},

		// Who signed.
		{name: "another root with the same name", says: "wrong-signer", instead: func(t *trial) {
			t.sign(t.authority(notationtest.AuthorityOptions{}), notationtest.SignOptions{})
		}},
		{name: "another leaf of the root, same organization", says: "verified", instead: func(t *trial) {
			other, err := t.by.Another(notationtest.AuthorityOptions{})
			check(t.t, err)
			t.sign(other, notationtest.SignOptions{})
		}},
		{name: "identity of another organization", changes: []any{"trustedIdentities", []string{"x509.subject: C=US, ST=WA, O=Other"}}, says: "wrong-signer"},
		{name: "identity with another common name", changes: []any{"trustedIdentities", []string{acme + ", CN=dev"}}, says: "wrong-signer"},
		{name: "identity in full", changes: []any{"trustedIdentities", []string{"x509.subject: CN=release, OU=Builds, O=Acme, L=Seattle, ST=WA, C=US"}}, says: "verified"},
		{name: "identity with more than the certificate has", key: withoutCN, changes: []any{"trustedIdentities", []string{acme + ", CN=release"}}, says: "wrong-signer"},
		{name: "second of two identities", changes: []any{"trustedIdentities", []string{"x509.subject: C=US, ST=WA, O=Other", acme}}, says: "verified"},
		{name: "any identity", changes: []any{"trustedIdentities", []string{"*"}}, says: "verified"},
		{name: "any identity of another root", changes: []any{"trustedIdentities", []string{"*"}}, says: "wrong-signer", instead: func(t *trial) {
			t.sign(t.authority(notationtest.AuthorityOptions{}), notationtest.SignOptions{})
		}},
		{name: "any identity and another one", changes: []any{"trustedIdentities", []string{"*", acme}}},
		{name: "identity without a country", changes: []any{"trustedIdentities", []string{"x509.subject: ST=WA, O=Acme"}}},
		{name: "identities of which one contains the other", changes: []any{"trustedIdentities", []string{acme, acme + ", CN=release"}}},

		// Trust stores.
		{name: "intermediates", key: notationtest.AuthorityOptions{Intermediates: 2}, says: "verified"},
		{name: "only the intermediate is trusted", says: "verified", instead: func(t *trial) {
			a := t.authority(notationtest.AuthorityOptions{Intermediates: 1})
			t.store("ca/acme", notationtest.PEM(a.Chain[1]))
			t.sign(a, notationtest.SignOptions{})
		}},
		{name: "a leaf in the trust store", instead: func(t *trial) {
			t.store("ca/acme", notationtest.PEM(t.by.Leaf()))
			t.sign(t.by, notationtest.SignOptions{})
		}},
		{name: "self-signed", key: notationtest.AuthorityOptions{SelfSigned: true}, says: "verified"},
		{name: "several roots in the trust store", says: "verified", instead: func(t *trial) {
			other := t.authority(notationtest.AuthorityOptions{})
			t.store("ca/acme", notationtest.PEM(other.Root(), t.by.Root()))
			t.sign(t.by, notationtest.SignOptions{})
		}},
		{name: "root in another trust store", says: "wrong-signer", instead: func(t *trial) {
			other := t.authority(notationtest.AuthorityOptions{})
			t.store("ca/other", notationtest.PEM(other.Root()))
			t.sign(other, notationtest.SignOptions{})
		}},
		{name: "no such trust store", changes: stores("ca:none")},
		{name: "no trust store at all", changes: stores()},

		// Statements.
		{name: "scope of the repository", says: "verified", instead: func(t *trial) {
			t.trust(strict("ca:none", acme, "name", "all"), strict("ca:acme", acme, scopes(t.host+"/"+t.repository)...))
			t.store("ca/none", notationtest.PEM(t.authority(notationtest.AuthorityOptions{}).Root()))
			t.sign(t.by, notationtest.SignOptions{})
		}},
		{name: "scope of another repository", says: "no-rule", instead: func(t *trial) {
			t.trust(strict("ca:acme", acme, scopes(t.host+"/"+t.repository+"/other")...))
			t.sign(t.by, notationtest.SignOptions{})
		}},
		{name: "two statements for all", instead: func(t *trial) {
			t.trust(strict("ca:acme", acme), strict("ca:acme", acme, "name", "again"))
			t.sign(t.by, notationtest.SignOptions{})
		}},
		{name: "a misspelt field", changes: []any{"trustStore", []string{"ca:acme"}}, stricter: "what a field says that nobody reads is lost"},

		// What is signed.
		{name: "signature of another image", says: "bad-signature", instead: func(t *trial) {
			t.attach(t.signature(t.by, t.push("team/other"), notationtest.SignOptions{}))
		}},
		{name: "a flipped bit", says: "bad-signature", instead: func(t *trial) {
			envelope := t.signature(t.by, t.image, notationtest.SignOptions{})
			envelope[len(envelope)/2] ^= 1
			t.attach(envelope)
		}},
		{name: "no envelope", says: "bad-signature", instead: func(t *trial) { t.attach([]byte("{}")) }},
		{name: "payload of another type", sign: notationtest.SignOptions{ContentType: "application/json"}, says: "unsupported"},
		{name: "payload that is no descriptor", sign: notationtest.SignOptions{Payload: []byte(`{"targetArtifact":{}}`)}, says: "bad-signature"},
		{name: "a bad one and a good one", says: "verified", instead: func(t *trial) {
			t.sign(t.authority(notationtest.AuthorityOptions{}), notationtest.SignOptions{})
			t.sign(t.by, notationtest.SignOptions{})
		}},

		// Metadata and attributes.
		{name: "metadata that nobody asked for", sign: notationtest.SignOptions{Metadata: map[string]string{"commit": "abc"}}, says: "verified"},
		{name: "metadata", sign: notationtest.SignOptions{Metadata: map[string]string{"commit": "abc", "build": "7"}}, metadata: []string{"commit=abc"}, says: "verified"},
		{name: "other metadata", sign: notationtest.SignOptions{Metadata: map[string]string{"commit": "abc"}}, metadata: []string{"commit=abd"}, says: "wrong-type"},
		{name: "half of the metadata", sign: notationtest.SignOptions{Metadata: map[string]string{"commit": "abc"}}, metadata: []string{"commit=abc", "build=7"}, says: "wrong-type"},
		{name: "no metadata", metadata: []string{"commit=abc"}, says: "wrong-type"},
		{name: "an attribute", sign: notationtest.SignOptions{Attributes: []notationtest.Attribute{{Key: "x.acme.foo", Value: "1"}}}, says: "verified"},
		{
			name: "a critical attribute", sign: notationtest.SignOptions{Attributes: []notationtest.Attribute{{Key: "x.acme.foo", Critical: true, Value: "1"}}},
			says: "unsupported", stricter: "who does not know a critical attribute must refuse",
		},
		{name: "a plugin that is not there", sign: notationtest.SignOptions{Plugin: "com.example.plugin"}, says: "unsupported"},

		// Time.
		{name: "not yet expired", sign: notationtest.SignOptions{Expiry: time.Hour}, says: "verified"},
		{name: "expired", key: notationtest.AuthorityOptions{NotBefore: days(-3)}, sign: notationtest.SignOptions{Time: days(-2), Expiry: 24 * time.Hour}, says: "expired"},
		{name: "expired, with a timestamp", key: notationtest.AuthorityOptions{NotBefore: days(-3)}, changes: withTSA, stamp: true,
			sign: notationtest.SignOptions{Time: days(-2), Expiry: 24 * time.Hour, StampTime: days(-2)}, says: "expired"},
		{name: "expired certificate", key: gone(), sign: notationtest.SignOptions{Time: then}, says: "expired"},
		{name: "expired certificate, with a timestamp", key: gone(), changes: withTSA, stamp: true, sign: notationtest.SignOptions{Time: then, StampTime: then}, says: "verified"},
		{name: "expired certificate, with a timestamp that nobody trusts", key: gone(), stamp: true, sign: notationtest.SignOptions{Time: then, StampTime: then}, says: "expired"},
		{name: "expired certificate, with a later timestamp", key: gone(), changes: withTSA, stamp: true, sign: notationtest.SignOptions{Time: then, StampTime: days(-10)}, says: "expired"},
		{name: "certificate of tomorrow", key: notationtest.AuthorityOptions{NotBefore: days(1), NotAfter: days(3)}, sign: notationtest.SignOptions{Time: days(2)}, says: "expired"},
		{name: "a timestamp", changes: withTSA, stamp: true, says: "verified"},
		{name: "no timestamp", changes: withTSA, says: "bad-signature"},
		{name: "no timestamp before it is needed", changes: append(level("strict", "verifyTimestamp", "afterCertExpiry"), withTSA...), says: "verified"},
		{name: "no timestamp when it is needed", key: gone(), sign: notationtest.SignOptions{Time: then},
			changes: append(level("strict", "verifyTimestamp", "afterCertExpiry"), withTSA...), says: "bad-signature"},
		{name: "timestamp of another authority", changes: withTSA, says: "bad-signature", instead: func(t *trial) {
			tsa, err := notationtest.NewTSA(notationtest.TSAOptions{})
			check(t.t, err)
			t.sign(t.by, notationtest.SignOptions{TSA: tsa})
		}},

		// The other scheme.
		{name: "signing authority", sign: notationtest.SignOptions{Scheme: notationtest.SigningAuthority}, changes: stores("signingAuthority:acme"), says: "verified"},
		{name: "signing authority in the store of authorities", sign: notationtest.SignOptions{Scheme: notationtest.SigningAuthority}, says: "wrong-signer"},
		{name: "authority in the store of signing authorities", changes: stores("signingAuthority:acme"), says: "wrong-signer"},
		{name: "signing authority, expired certificate", key: gone(), sign: notationtest.SignOptions{Scheme: notationtest.SigningAuthority, Time: then},
			changes: stores("signingAuthority:acme"), says: "verified"},
	}
	// Revocation, by both kinds of servers.
	for _, server := range []notationtest.AuthorityOptions{{OCSP: true}, {CRL: true}, {OCSP: true, CRL: true}} {
		asks := fmt.Sprintf("OCSP %t, CRL %t: ", server.OCSP, server.CRL)
		prepare := func(do func(*trial, *notationtest.Authority)) func(*trial) {
			return func(t *trial) {
				o := server
				o.Revocation = t.servers
				a := t.authority(o)
				t.store("ca/acme", notationtest.PEM(a.Root()))
				do(t, a)
				t.sign(a, notationtest.SignOptions{})
			}
		}
		down := prepare(func(t *trial, _ *notationtest.Authority) { t.servers.Down() })
		revoked := prepare(func(t *trial, a *notationtest.Authority) { t.servers.Say(a.Leaf(), notationtest.Revoked) })
		all = append(all,
			question{name: asks + "good", instead: prepare(func(*trial, *notationtest.Authority) {}), says: "verified"},
			question{name: asks + "revoked", instead: revoked, says: "revoked"},
			question{name: asks + "revoked, which nobody asks", instead: revoked, changes: level("strict", "override", map[string]string{"revocation": "skip"}), says: "verified"},
			question{name: asks + "no answer", instead: down, says: "unavailable"},
			question{name: asks + "no answer, which nobody asks", instead: down, changes: level("strict", "override", map[string]string{"revocation": "skip"}), says: "verified"},
		)
	}
	for _, kind := range []struct {
		name string
		notationtest.KeyKind
	}{{"EC 384", notationtest.EC384}, {"EC 521", notationtest.EC521}, {"RSA 2048", notationtest.RSA2048}, {"RSA 3072", notationtest.RSA3072}, {"RSA 4096", notationtest.RSA4096}} {
		all = append(all, question{name: kind.name, key: notationtest.AuthorityOptions{Key: kind.KeyKind}, says: "verified"})
	}
	return all
}

// newTrial prepares the trial of a question.
func newTrial(t *testing.T, q question, envelope string) *trial {
	t.Helper()
	w := newWorkplace(t, registrytest.Options{})
	tr := &trial{workplace: w, image: w.push("team/app"), envelope: envelope}
	tr.by = tr.authority(q.key)
	var err error
	tr.tsa, err = notationtest.NewTSA(notationtest.TSAOptions{})
	check(t, err)
	tr.servers, err = notationtest.NewRevocation()
	check(t, err)
	t.Cleanup(tr.servers.Down)
	w.store("ca/acme", notationtest.PEM(tr.by.Root()))
	w.store("signingAuthority/acme", notationtest.PEM(tr.by.Root()))
	w.store("tsa/acme", notationtest.PEM(tr.tsa.Root()))
	w.trust(strict("ca:acme", acme, q.changes...))
	if q.instead != nil {
		q.instead(tr)
		return tr
	}
	if q.stamp {
		q.sign.TSA = tr.tsa
	}
	tr.sign(tr.by, q.sign)
	return tr
}

// ask has both programs verify the image.
func (t *trial) ask(q question) (theirs outcome, ours verdict) {
	t.t.Helper()
	args, flags := []string{"verify"}, t.byPolicy()
	for _, pair := range q.metadata {
		args, flags = append(args, "--user-metadata", pair), append(flags, "--notation-user-metadata", pair)
	}
	return t.notation(append(args, t.pinned())...), t.verify(t.pinned(), flags...)
}

// Both programs give the same answer at level strict, with the same files: what
// passes and what does not. Where they do not, boltseal is stricter.
func TestAgreement(t *testing.T) {
	t.Parallel()
	for name, envelope := range map[string]string{"JWS": notationtest.JWS, "COSE": notationtest.COSE} {
		for _, q := range append(questions(), oddities()...) {
			t.Run(name+": "+q.name, func(t *testing.T) {
				t.Parallel()
				theirs, ours := newTrial(t, q, envelope).ask(q)
				if ours.Reason != q.says {
					t.Errorf("boltseal says %q, want %q", ours.Reason, q.says)
				}
				passes, pass := ours.code == 0, theirs.code == 0
				if stricter, looser := pass && !passes, passes && !pass; stricter != (q.stricter != "") || looser != (q.looser != "") {
					t.Errorf("passed: boltseal %t, notation %t; stricter because %q, looser because %q", passes, pass, q.stricter, q.looser)
				}
				if t.Failed() {
					t.Logf("%s\n%s", theirs, ours)
				}
			})
		}
	}
}

// Levels that let pass what has failed never make an image verified: notation
// ends well, boltseal says what has failed.
func TestLevelsThatEnforceNothing(t *testing.T) {
	t.Parallel()
	logs := func(what string) []any {
		return level("strict", "override", map[string]string{what: "log"})
	}
	expired := notationtest.SignOptions{Time: days(-2), Expiry: 24 * time.Hour}
	older := notationtest.AuthorityOptions{NotBefore: days(-3)}
	stranger := func(t *trial) {
		t.sign(t.authority(notationtest.AuthorityOptions{CA: "Mallory"}), notationtest.SignOptions{})
	}
	for _, tc := range []struct {
		question
		text []string // of boltseal's message
	}{
		{question{name: "skip", changes: []any{"signatureVerification", map[string]any{"level": "skip"}, "trustStores", []string{}, "trustedIdentities", []string{}}, says: "no-rule"}, []string{"skip"}},
		{question{name: "audit, good", changes: level("audit"), says: "no-rule"}, []string{"audit", "strict"}},
		{question{name: "permissive, good", changes: level("permissive"), says: "no-rule"}, []string{"permissive", "strict"}},
		{question{name: "audit, another root", changes: level("audit"), instead: stranger, says: "wrong-signer"}, []string{"Mallory"}},
		{question{name: "audit, expired", changes: level("audit"), key: older, sign: expired, says: "expired"}, []string{"expired"}},
		{question{name: "permissive, expired", changes: level("permissive"), key: older, sign: expired, says: "expired"}, []string{"expired"}},
		{question{name: "strict, expiry is logged", changes: logs("expiry"), key: older, sign: expired, says: "expired"}, []string{"expired"}},
		{question{name: "strict, authenticity is logged", changes: logs("authenticity"), instead: stranger, says: "wrong-signer"}, []string{"Mallory"}},
		{question{name: "strict, what is logged is good", changes: logs("expiry"), says: "verified"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			theirs, ours := newTrial(t, tc.question, notationtest.JWS).ask(tc.question)
			if theirs.code != 0 || ours.Reason != tc.says {
				t.Errorf("boltseal says %q, want %q\n%s\n%s", ours.Reason, tc.says, theirs, ours)
			}
			for _, text := range tc.text {
				if !strings.Contains(ours.stdout, text) {
					t.Errorf("boltseal does not say %q:\n%s", text, ours)
				}
			}
		})
	}
}

// What boltseal signs passes with notation, of whatever key, with all that can
// be said; and what notation signs so passes with boltseal.
func TestBothWays(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]notationtest.KeyKind{"EC 256": notationtest.EC256, "EC 521": notationtest.EC521, "RSA 3072": notationtest.RSA3072} {
		for _, format := range []string{"jws", "cose"} {
			for _, registry := range registries {
				t.Run(strings.Join([]string{name, format, registry.name}, ", "), func(t *testing.T) {
					t.Parallel()
					bothWays(t, kind, format, registry.options)
				})
			}
		}
	}
}

func bothWays(t *testing.T, kind notationtest.KeyKind, format string, registry registrytest.Options) {
	w := newWorkplace(t, registry)
	by, err := notationtest.NewAuthority(notationtest.AuthorityOptions{Key: kind, Intermediates: 1})
	check(t, err)
	tsa, err := notationtest.NewTSA(notationtest.TSAOptions{})
	check(t, err)
	key, err := by.KeyPEM()
	check(t, err)
	keyFile, chainFile, tsaFile := w.path("release.key"), w.path("release.pem"), w.path("tsa.pem")
	check(t, w.write(keyFile, key))
	check(t, w.write(chainFile, notationtest.PEM(by.Chain...)))
	check(t, w.write(tsaFile, notationtest.PEM(tsa.Root())))
	check(t, w.writeJSON(w.config("signingkeys.json"), map[string]any{
		"default": "release", "keys": []map[string]string{{"name": "release", "keyPath": keyFile, "certPath": chainFile}},
	}))
	w.store("ca/acme", notationtest.PEM(by.Root()))
	w.store("tsa/acme", notationtest.PEM(tsa.Root()))
	w.trust(strict("ca:acme", acme, stores("ca:acme", "tsa:acme")...))
	url := w.serve(tsa)

	theirs, ours := w.push("team/theirs"), w.push("team/ours")
	must(t, w.notation("sign", "--signature-format", format, "--expiry", "48h", "--user-metadata", "commit=abc",
		"--timestamp-url", url, "--timestamp-root-cert", tsaFile, theirs.pinned()))
	must(t, w.boltseal("sign", "--system", "notation", "--key", keyFile, "--certificate-chain", chainFile, "--format", format, "--expiry", "48h", "--user-metadata", "commit=abc",
		"--timestamp-url", url, "--timestamp-root-cert", tsaFile, ours.pinned()))
	var seen []inspection
	for _, i := range []image{theirs, ours} {
		must(t, w.notation("verify", "--user-metadata", "commit=abc", i.pinned()))
		if v := w.verify(i.pinned(), w.byPolicy("--notation-user-metadata", "commit=abc")...); !v.Passed {
			t.Error(v)
		}
		seen = append(seen, w.inspect(i))
	}
	if seen[0] != seen[1] {
		t.Errorf("notation sees other things in what it signs and in what boltseal signs:\n%+v\n%+v", seen[0], seen[1])
	}

	// Both side by side: each finds one that is good.
	must(t, w.notation("sign", "--signature-format", format, "--timestamp-url", url, "--timestamp-root-cert", tsaFile, ours.pinned()))
	must(t, w.notation("verify", ours.pinned()))
	v := w.verify(ours.pinned(), w.byPolicy()...)
	if !v.Passed || len(v.candidates()) != 2 {
		t.Errorf("%d signatures, want 2:\n%s", len(v.candidates()), v)
	}
	for _, c := range v.candidates() {
		if c.Reason != "verified" {
			t.Error(c)
		}
	}
}
