package notation_test

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/notation"
)

// A result is a row of what notation-go makes of signatures: how one is made,
// what is asked for, and how that ends here.
type result struct {
	name      string
	authority notationtest.AuthorityOptions
	sign      notationtest.SignOptions
	only      string // the envelope that the row is about; "" is both
	// ask changes the requirement of a signature by release, for whom the root
	// vouches; nil leaves it as it is.
	ask  func(k *kit, c *notation.Config)
	want verify.Reason
	says []string
}

// A kit is what a row is made of.
type kit struct {
	t          *testing.T
	a          *notationtest.Authority
	clock      *notationtest.TSA // whose tokens a row may have
	revocation *notationtest.Revocation
}

// other is a root that has nothing to do with the row's.
func (k *kit) other() *x509.Certificate {
	return certified(k.t, notationtest.AuthorityOptions{CA: "Other CA"}).Root()
}

func level(l notation.Level) func(*kit, *notation.Config) {
	return func(_ *kit, c *notation.Config) { c.Level, c.Statement = l, "acme" }
}

func tsa(k *kit, c *notation.Config) { c.TSA = []*x509.Certificate{k.clock.Root()} }

// both are several changes.
func both(fs ...func(*kit, *notation.Config)) func(*kit, *notation.Config) {
	return func(k *kit, c *notation.Config) {
		for _, f := range fs {
			f(k, c)
		}
	}
}

func wrongRoot(k *kit, c *notation.Config) { c.Certificates = []*x509.Certificate{k.other()} }

// The results of notation-go (level strict unless said), each with its Reason.
// audit and permissive, which pass there, never do here.
func TestResults(t *testing.T) {
	t.Parallel()
	now := time.Now()
	past := notationtest.AuthorityOptions{NotBefore: now.Add(-9 * day), NotAfter: now.Add(-7 * day)}
	then := notationtest.SignOptions{Time: now.Add(-8 * day)}
	stampedThen := notationtest.SignOptions{Time: now.Add(-8 * day), StampTime: now.Add(-8 * day), TSA: &notationtest.TSA{}} // the row's
	stamped := notationtest.SignOptions{TSA: &notationtest.TSA{}}
	expired := notationtest.SignOptions{Time: now.Add(-30 * time.Minute), Expiry: time.Minute}
	served := func(ocsp, crl bool) notationtest.AuthorityOptions {
		return notationtest.AuthorityOptions{Revocation: &notationtest.Revocation{}, OCSP: ocsp, CRL: crl}
	}
	say := func(s notationtest.Status, more ...func(*kit, *notation.Config)) func(*kit, *notation.Config) {
		return both(append(more, func(k *kit, _ *notation.Config) { k.revocation.Say(k.a.Leaf(), s) })...)
	}
	down := func(k *kit, _ *notation.Config) { k.revocation.Down() }
	stranger := func(k *kit, c *notation.Config) {
		c.Identities = []notation.Identity{identity(k.t, "C=US, ST=WA, O=Acme, CN=nobody")}
	}
	soft := func(_ *kit, c *notation.Config) { c.Revocation = notation.Soft }

	rows := []result{
		{name: "good", want: verify.Verified, says: []string{"revocation:none named", "scheme:notary.x509", "x509.subject: "}},
		{name: "wrong identity", ask: func(k *kit, c *notation.Config) {
			c.Identities = []notation.Identity{identity(k.t, "C=US, ST=WA, O=Acme, CN=other")}
		}, want: verify.WrongSigner, says: []string{"CN=release", "CN=other", "SHA-256"}},
		{name: "wrong root", ask: wrongRoot, want: verify.WrongSigner, says: []string{"CN=Acme CA", "CN=Other CA", "SHA-256"}},
		{name: "wrong root, permissive", ask: both(wrongRoot, level(notation.LevelPermissive)), want: verify.WrongSigner, says: []string{"CN=Acme CA", "CN=Other CA"}},
		{name: "wrong root, audit", ask: both(wrongRoot, level(notation.LevelAudit)), want: verify.WrongSigner, says: []string{"CN=Other CA", "level of the statement is audit"}},
		{name: "wrong root, authenticity only logged", ask: both(wrongRoot, func(_ *kit, c *notation.Config) {
			c.Override = map[string]string{"authenticity": "log"}
		}), want: verify.WrongSigner, says: []string{"CN=Other CA"}},
		{name: "no trust store of the scheme, audit", ask: both(level(notation.LevelAudit), func(_ *kit, c *notation.Config) {
			c.SigningAuthority, c.Certificates = c.Certificates, nil
		}), want: verify.WrongSigner, says: []string{"no certificates are trusted", "trust store ca"}},
		{name: "everything holds, audit", ask: level(notation.LevelAudit), want: verify.NoRule, says: []string{"audit"}},
		{name: "everything holds, permissive", ask: level(notation.LevelPermissive), want: verify.NoRule, says: []string{"permissive"}},
		{name: "skip", ask: level(notation.LevelSkip), want: verify.NoRule, says: []string{"skip"}},
		{name: "identity without CN", ask: func(k *kit, c *notation.Config) {
			c.Identities = []notation.Identity{identity(k.t, "C=US, ST=WA, O=Acme")}
		}, want: verify.Verified},
		{name: "any identity", ask: func(k *kit, c *notation.Config) { c.Identities = []notation.Identity{identity(k.t, "*")} }, want: verify.Verified},
		{name: "identity of a plugin's kind", ask: func(k *kit, c *notation.Config) {
			p := must[*notation.TrustPolicy](k.t)(notation.ReadTrustPolicy("p", document(statement{"trustedIdentities": []string{"signingProfile:arn:aws:signer:x"}}), stores(k.t)))
			got, _ := p.For(ref(k.t, "registry.example/team/app"))
			c.Identities = got.Identities
		}, want: verify.WrongSigner, says: []string{"signingProfile"}},
		{name: "certificate without ST", authority: notationtest.AuthorityOptions{Subject: pkix.Name{Country: []string{"US"}, Organization: []string{"Acme"}, CommonName: "release"}},
			want: verify.WrongSigner, says: []string{"CN=release,O=Acme,C=US"}},
		{name: "user metadata", sign: notationtest.SignOptions{Metadata: map[string]string{"commit": "abc", "x": "y"}}, ask: func(_ *kit, c *notation.Config) { c.Metadata = map[string]string{"commit": "abc"} },
			want: verify.Verified, says: []string{"metadata.commit:abc", "metadata.x:y"}},
		{name: "user metadata wrong", sign: notationtest.SignOptions{Metadata: map[string]string{"commit": "abc"}}, ask: func(_ *kit, c *notation.Config) { c.Metadata = map[string]string{"commit": "abd"} },
			want: verify.WrongType, says: []string{`"commit"`, `"abc"`, `"abd"`}},
		{name: "user metadata missing", ask: func(_ *kit, c *notation.Config) { c.Metadata = map[string]string{"commit": ""} },
			want: verify.WrongType, says: []string{`no "commit"`}},
		{name: "override revocation: skip", authority: served(true, true), ask: say(notationtest.Revoked, func(_ *kit, c *notation.Config) { c.Override = map[string]string{"revocation": "skip"} }),
			want: verify.Verified, says: []string{"revocation:not checked"}},
		{name: "revocation skipped", authority: served(true, true), ask: say(notationtest.Revoked, func(_ *kit, c *notation.Config) { c.Revocation = notation.Skip }),
			want: verify.Verified, says: []string{"revocation:not checked"}},

		{name: "expires", sign: notationtest.SignOptions{Expiry: time.Hour}, want: verify.Verified, says: []string{"expiry:"}},
		{name: "expired", sign: expired, want: verify.Expired, says: []string{"the signature has expired"}},
		{name: "expired, permissive", sign: expired, ask: level(notation.LevelPermissive), want: verify.Expired, says: []string{"the signature has expired", "permissive"}},
		{name: "expired, which is only logged", sign: expired, ask: func(_ *kit, c *notation.Config) { c.Override = map[string]string{"expiry": "log"} }, want: verify.Expired},
		{name: "everything is wrong, audit", authority: past, sign: notationtest.SignOptions{Time: now.Add(-8 * day), Expiry: time.Hour}, ask: both(wrongRoot, level(notation.LevelAudit)),
			want: verify.WrongSigner, says: []string{"CN=Other CA", "the signature has expired", "is valid from", "nobody was asked", "audit"}},
		{name: "root and identity are wrong, audit", ask: both(wrongRoot, stranger, level(notation.LevelAudit)), want: verify.WrongSigner, says: []string{"CN=Other CA", "CN=nobody"}},
		{name: "root and identity are wrong, which is only logged", ask: both(wrongRoot, stranger, func(_ *kit, c *notation.Config) { c.Override = map[string]string{"authenticity": "log"} }), want: verify.WrongSigner, says: []string{"CN=Other CA", "CN=nobody"}},
		{name: "user metadata missing and expired, audit", sign: expired, ask: both(level(notation.LevelAudit), func(_ *kit, c *notation.Config) { c.Metadata = map[string]string{"commit": "abc"} }), want: verify.Expired, says: []string{"has expired", `no "commit"`}},
		{name: "leaf expired", authority: past, sign: then, want: verify.Expired, says: []string{"CN=release", "is valid from"}},
		{name: "leaf expired, permissive", authority: past, sign: then, ask: level(notation.LevelPermissive), want: verify.Expired, says: []string{"is valid from", "permissive"}},
		{name: "leaf expired, time stamp", authority: past, sign: stampedThen, ask: tsa, want: verify.Verified, says: []string{fmt.Sprint(now.Add(-8 * day).UTC().Format("SignedAt:2006-01-02 15:04:05"))}},
		{name: "leaf expired, time stamp, after-expiry", authority: past, sign: stampedThen, ask: both(tsa, func(_ *kit, c *notation.Config) { c.Timestamp = notation.AfterExpiry }), want: verify.Verified},
		{name: "leaf expired, time stamp of nobody", authority: past, sign: stampedThen, want: verify.Expired, says: []string{"no time stamp authority is trusted"}},
		{name: "leaf not valid yet", authority: notationtest.AuthorityOptions{NotBefore: now.Add(day), NotAfter: now.Add(2 * day)}, sign: notationtest.SignOptions{Time: now.Add(30 * time.Hour)}, want: verify.Expired, says: []string{"is valid from"}},
		{name: "leaf not valid yet, after-expiry", authority: notationtest.AuthorityOptions{NotBefore: now.Add(day), NotAfter: now.Add(2 * day)}, sign: notationtest.SignOptions{Time: now.Add(30 * time.Hour)},
			ask: both(tsa, func(_ *kit, c *notation.Config) { c.Timestamp = notation.AfterExpiry }), want: verify.Expired, says: []string{"is valid from"}},
		{name: "time stamp", sign: stamped, ask: tsa, want: verify.Verified, says: []string{"SignedAt:" + now.UTC().Format("2006-01-02")}},
		{name: "time stamp, which is not asked for", sign: stamped, ask: both(tsa, func(_ *kit, c *notation.Config) { c.Timestamp = notation.AfterExpiry }), want: verify.Verified, says: []string{"SignedAt:0001-01-01"}},
		{name: "time stamp after the leaf had expired", authority: past, sign: notationtest.SignOptions{Time: now.Add(-8 * day), TSA: &notationtest.TSA{}}, ask: tsa, want: verify.Expired, says: []string{"it was countersigned"}},
		{name: "time stamp of another authority", sign: stamped, ask: func(k *kit, c *notation.Config) {
			other := must[*notationtest.TSA](k.t)(notationtest.NewTSA(notationtest.TSAOptions{}))
			c.TSA = []*x509.Certificate{other.Root()}
		}, want: verify.BadSignature, says: []string{"countersignature does not hold"}},
		{name: "time stamp of another signature", sign: notationtest.SignOptions{Token: func(sig []byte) ([]byte, error) {
			clock, err := notationtest.NewTSA(notationtest.TSAOptions{})
			if err != nil {
				return nil, err
			}
			return clock.Token(append(sig, 0), crypto.SHA256, time.Time{})
		}}, ask: tsa, want: verify.BadSignature, says: []string{"mismatched message"}},
		{name: "time stamp is garbage", sign: notationtest.SignOptions{Token: func([]byte) ([]byte, error) { return []byte("x"), nil }}, ask: tsa, want: verify.BadSignature, says: []string{"countersignature cannot be read"}},
		{name: "no time stamp", ask: tsa, want: verify.BadSignature, says: []string{"no countersignature"}},
		{name: "no time stamp, after-expiry", ask: both(tsa, func(_ *kit, c *notation.Config) { c.Timestamp = notation.AfterExpiry }), want: verify.Verified, says: []string{"SignedAt:0001-01-01"}},

		{name: "OCSP", authority: served(true, false), ask: say(notationtest.Good), want: verify.Verified, says: []string{"revocation:checked"}},
		{name: "CRL", authority: served(false, true), ask: say(notationtest.Good), want: verify.Verified, says: []string{"revocation:checked"}},
		{name: "OCSP and CRL", authority: served(true, true), ask: say(notationtest.Good), want: verify.Verified, says: []string{"revocation:checked"}},
		{name: "OCSP, revoked", authority: served(true, false), ask: say(notationtest.Revoked), want: verify.Revoked, says: []string{"CN=release", "OCSP http://"}},
		{name: "CRL, revoked", authority: served(false, true), ask: say(notationtest.Revoked), want: verify.Revoked, says: []string{"CN=release", "CRL http://"}},
		{name: "revoked, soft", authority: served(true, true), ask: say(notationtest.Revoked, soft), want: verify.Revoked},
		{name: "revoked, permissive", authority: served(true, true), ask: say(notationtest.Revoked, level(notation.LevelPermissive)), want: verify.Revoked, says: []string{"was revoked", "permissive"}},
		{name: "revoked, which is only logged", authority: served(true, true), ask: say(notationtest.Revoked, func(_ *kit, c *notation.Config) { c.Override = map[string]string{"revocation": "log"} }), want: verify.Revoked},
		{name: "OCSP does not know", authority: served(true, false), ask: say(notationtest.Unknown), want: verify.Unavailable, says: []string{"nobody says whether", "OCSP http://"}},
		{name: "server is down", authority: served(true, true), ask: down, want: verify.Unavailable, says: []string{"nobody says whether", "connection refused"}},
		{name: "server is down, permissive", authority: served(true, true), ask: both(down, level(notation.LevelPermissive)), want: verify.Unavailable, says: []string{"permissive"}},
		{name: "server is down, soft", authority: served(true, true), ask: both(down, soft), want: verify.Verified, says: []string{"revocation:no answer: ", "connection refused"}},
		{name: "wrong root, revoked", authority: served(true, true), ask: say(notationtest.Revoked, wrongRoot), want: verify.WrongSigner},
		{name: "wrong root, revoked, audit", authority: served(true, true), ask: say(notationtest.Revoked, wrongRoot, level(notation.LevelAudit)), want: verify.WrongSigner, says: []string{"nobody was asked"}},
		{name: "wrong root, revoked, authenticity only logged", authority: served(true, true), ask: say(notationtest.Revoked, wrongRoot, func(_ *kit, c *notation.Config) {
			c.Override = map[string]string{"authenticity": "log"}
		}), want: verify.WrongSigner, says: []string{"nobody was asked"}},
		{name: "time stamp authority revoked", sign: notationtest.SignOptions{TSA: &notationtest.TSA{}}, ask: both(tsa, func(k *kit, _ *notation.Config) { k.revocation.Say(k.clock.Chain[0], notationtest.Revoked) }), want: verify.Revoked, says: []string{"CN=clock"}},
		{name: "time stamp authority not known", sign: notationtest.SignOptions{TSA: &notationtest.TSA{}}, ask: both(tsa, down), want: verify.Unavailable, says: []string{"CN=clock"}},
		{name: "time stamp authority not known, soft", sign: notationtest.SignOptions{TSA: &notationtest.TSA{}}, ask: both(tsa, down, soft), want: verify.Verified, says: []string{"revocation:no answer: ", "CN=clock"}},
		{name: "time stamp authority revoked, skipped", sign: notationtest.SignOptions{TSA: &notationtest.TSA{}}, ask: both(tsa, func(k *kit, c *notation.Config) {
			k.revocation.Say(k.clock.Chain[0], notationtest.Revoked)
			c.Revocation = notation.Skip
		}), want: verify.Verified, says: []string{"revocation:not checked"}},

		{name: "signing authority", sign: notationtest.SignOptions{Scheme: notationtest.SigningAuthority}, ask: func(_ *kit, c *notation.Config) {
			c.SigningAuthority, c.Certificates = c.Certificates, nil
		}, want: verify.Verified, says: []string{"scheme:notary.x509.signingAuthority", "SignedAt:" + now.UTC().Format("2006-01-02")}},
		{name: "signing authority, leaf expired since", authority: past, sign: notationtest.SignOptions{Scheme: notationtest.SigningAuthority, Time: now.Add(-8 * day)}, ask: func(_ *kit, c *notation.Config) {
			c.SigningAuthority, c.Certificates = c.Certificates, nil
		}, want: verify.Verified},
		{name: "signing authority, only ca", sign: notationtest.SignOptions{Scheme: notationtest.SigningAuthority}, want: verify.WrongSigner, says: []string{"no certificates are trusted", "trust store signingAuthority"}},
		{name: "signing authority, other store", sign: notationtest.SignOptions{Scheme: notationtest.SigningAuthority}, ask: func(k *kit, c *notation.Config) { c.SigningAuthority = []*x509.Certificate{k.other()} }, want: verify.WrongSigner, says: []string{"CN=Other CA"}},

		{name: "plugin", sign: notationtest.SignOptions{Plugin: "com.amazonaws.signer", PluginVersion: "1.0.0"}, want: verify.Unsupported, says: []string{`"com.amazonaws.signer"`}},
		{name: "plugin, not critical", sign: attribute("io.cncf.notary.verificationPlugin", false), want: verify.Unsupported, says: []string{"verification plugin"}},
		{name: "plugin, audit", sign: notationtest.SignOptions{Plugin: "x"}, ask: level(notation.LevelAudit), want: verify.Unsupported},
		{name: "unknown critical attribute", sign: attribute("x.acme.foo", true), want: verify.Unsupported, says: []string{`"x.acme.foo"`}},
		{name: "unknown critical attribute, a number", only: notationtest.COSE, sign: attribute(int64(-70001), true), want: verify.Unsupported, says: []string{"-70001"}},
		{name: "unknown attribute, not critical", sign: attribute("x.acme.foo", false), want: verify.Verified},

		{name: "another payload type", sign: notationtest.SignOptions{ContentType: "application/json"}, want: verify.Unsupported, says: []string{"application/json"}},
		{name: "no artifact", sign: notationtest.SignOptions{Payload: []byte(`{"a":1}`)}, want: verify.BadSignature, says: []string{"names no artifact"}},
		{name: "self-signed", authority: notationtest.AuthorityOptions{SelfSigned: true}, want: verify.Verified},
		{name: "intermediates", authority: notationtest.AuthorityOptions{Intermediates: 2}, want: verify.Verified},
		{name: "intermediate trusted", authority: notationtest.AuthorityOptions{Intermediates: 2}, ask: func(k *kit, c *notation.Config) { c.Certificates = k.a.Chain[1:2] }, want: verify.Verified, says: []string{"Issuer:CN=Acme CA 2"}},
		{name: "P-384", authority: notationtest.AuthorityOptions{Key: notationtest.EC384}, want: verify.Verified},
		{name: "P-521", authority: notationtest.AuthorityOptions{Key: notationtest.EC521}, want: verify.Verified},
		{name: "RSA 2048", authority: notationtest.AuthorityOptions{Key: notationtest.RSA2048}, want: verify.Verified},
		{name: "RSA 4096", authority: notationtest.AuthorityOptions{Key: notationtest.RSA4096}, want: verify.Verified},
	}
	for _, row := range rows {
		for _, envelope := range []string{notationtest.JWS, notationtest.COSE} {
			if row.only == "" || row.only == envelope {
				t.Run(row.name+" "+envelope[len("application/"):], func(t *testing.T) {
					t.Parallel()
					row.run(t, envelope)
				})
			}
		}
	}
}

func attribute(key any, critical bool) notationtest.SignOptions {
	return notationtest.SignOptions{Attributes: []notationtest.Attribute{{Key: key, Critical: critical, Value: "x"}}}
}

func (r result) run(t *testing.T, envelope string) {
	k := &kit{t: t, revocation: revocationOf(t)}
	if r.authority.Revocation != nil {
		r.authority.Revocation = k.revocation
	}
	k.a = certified(t, r.authority)
	k.clock = must[*notationtest.TSA](t)(notationtest.NewTSA(notationtest.TSAOptions{Revocation: k.revocation, OCSP: r.sign.TSA != nil}))
	if r.sign.TSA != nil {
		r.sign.TSA = k.clock
	}
	r.sign.Envelope = envelope
	w := newWorld(t, registrytest.Options{})
	w.sign(k.a, r.sign)
	c := trusting(t, k.a)
	if r.ask != nil {
		r.ask(k, &c)
	}
	w.fresh()
	v := w.verify(c)
	wantVerdict(t, v, r.want, r.says...)
	switch {
	case c.Level == notation.LevelSkip:
		if n := len(w.asked()); n != 0 {
			t.Errorf("%d requests, and nothing was to be verified", n)
		}
	case len(v.Candidates()) != 1:
		t.Errorf("%d candidates", len(v.Candidates()))
	case v.Candidates()[0].Reason != r.want || v.Candidates()[0].System != notation.System:
		t.Errorf("%+v", v.Candidates()[0])
	}
	for _, asked := range k.revocation.Requests() {
		if r.want == verify.WrongSigner || c.Revocation == notation.Skip {
			t.Errorf("%s %s was asked", asked.Method, asked.Path)
		}
	}
	if v.Passed() {
		if ev := v.Evidence()[0]; ev.Format != "notation-"+map[string]string{notationtest.JWS: "jws", notationtest.COSE: "cose"}[envelope] || ev.Storage != "referrer" ||
			ev.Claims["certificate"] != notationtest.Fingerprint(k.a.Leaf()) || ev.Signer != "x509.subject: "+k.a.Leaf().Subject.String() || ev.Digest != w.desc.Digest.String() {
			t.Errorf("%+v", ev)
		}
	}
}

func revocationOf(t *testing.T) *notationtest.Revocation {
	t.Helper()
	r := must[*notationtest.Revocation](t)(notationtest.NewRevocation())
	t.Cleanup(r.Down)
	return r
}
