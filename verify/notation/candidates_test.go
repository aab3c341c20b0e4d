package notation_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/notation"
)

// Bad signatures before a good one: by default all are looked at, and who is told
// to look at fewer is told that there are more.
func TestMaxSignatures(t *testing.T) {
	t.Parallel()
	a, other := certified(t, notationtest.AuthorityOptions{}), certified(t, notationtest.AuthorityOptions{CA: "Other CA"})
	for _, o := range kinds() {
		w := newWorld(t, o)
		digests := map[string]bool{}
		for i := range 3 {
			digests[w.sign(other, notationtest.SignOptions{Metadata: map[string]string{"n": fmt.Sprint(i)}}).Digest.String()] = true
		}
		good := w.sign(a, notationtest.SignOptions{})
		c := trusting(t, a)
		// The registry lists them as it likes: the good one has to come last.
		list := must[[]ocispec.Descriptor](t)(listed(t.Context(), w))
		slices.SortStableFunc(list, func(x, y ocispec.Descriptor) int {
			return map[bool]int{true: 1}[x.Digest == good.Digest] - map[bool]int{true: 1}[y.Digest == good.Digest]
		})
		s := notation.NewSession(&reordered{w.client, list}, image.Ref{}, notation.NewAsker(nil, ""))
		check := func(most int) verify.Verdict {
			c.MaxSignatures = most
			return must[verify.Verifier](t)(s.Require(c)).Verify(t.Context(), w.img)
		}
		c.Flags = true
		v := check(3)
		wantVerdict(t, v, verify.Unavailable, "none of the first 3 signatures", "1 more were not looked at")
		if !strings.Contains(verify.Hint(v.Err()), "--notation-max-signatures") || len(v.Candidates()) != 3 {
			t.Errorf("%q, %d candidates", verify.Hint(v.Err()), len(v.Candidates()))
		}
		for _, cd := range v.Candidates() {
			if cd.Reason != verify.WrongSigner || cd.Signer == "" || !digests[cd.Source[strings.Index(cd.Source, "@")+1:]] {
				t.Errorf("%+v", cd)
			}
		}
		c.Flags = false
		if hint := verify.Hint(check(2).Err()); !strings.Contains(hint, "max-signatures") || strings.Contains(hint, "--notation") {
			t.Errorf("%q", hint)
		}
		for _, most := range []int{0, 4, 256} {
			v := check(most)
			wantVerdict(t, v, verify.Verified)
			if len(v.Candidates()) != 4 {
				t.Errorf("%d candidates", len(v.Candidates()))
			}
		}
	}
}

// reordered is a Store that lists what it is told to.
type reordered struct {
	notation.Store
	list []ocispec.Descriptor
}

func (r *reordered) Referrers(context.Context, image.Ref, string) ([]ocispec.Descriptor, error) {
	return r.list, nil
}

// listed are the signatures of the world's image.
func listed(ctx context.Context, w *world) ([]ocispec.Descriptor, error) {
	list, err := w.client.Referrers(ctx, w.img.Ref(), w.img.Digest())
	if err == nil {
		return list, nil
	}
	var index ocispec.Index
	body, err := w.reg.Manifest("team/app", strings.Replace(w.img.Digest(), ":", "-", 1))
	if err != nil {
		return nil, err
	}
	return index.Manifests, json.Unmarshal(body, &index)
}

// The same envelope behind several manifests is one signature, so that copies of
// a bad one take no place from a good one.
func TestCopies(t *testing.T) {
	t.Parallel()
	a, other := certified(t, notationtest.AuthorityOptions{}), certified(t, notationtest.AuthorityOptions{CA: "Other CA"})
	w := newWorld(t, registrytest.Options{})
	bad := must[[]byte](t)(other.Sign(w.desc, notationtest.SignOptions{}))
	for i := range 5 {
		m := must[ocispec.Manifest](t)(notationtest.Manifest(w.desc, bad, notationtest.JWS))
		m.Annotations = map[string]string{"n": fmt.Sprint(i)}
		must[ocispec.Descriptor](t)(notationtest.Push(w.reg, "team/app", w.desc, bad, notationtest.JWS))
		must[ocispec.Descriptor](t)(notationtest.PushManifest(w.reg, "team/app", m))
	}
	w.sign(a, notationtest.SignOptions{})
	c := trusting(t, a)
	c.MaxSignatures = 2
	w.fresh()
	v := w.verify(c)
	wantVerdict(t, v, verify.Verified)
	if len(v.Candidates()) != 2 {
		t.Errorf("%d candidates", len(v.Candidates()))
	}
}

// Each signature keeps its own reason, and the verdict has that of the closest.
func TestCandidates(t *testing.T) {
	t.Parallel()
	a, other := certified(t, notationtest.AuthorityOptions{}), certified(t, notationtest.AuthorityOptions{CA: "Other CA"})
	w := newWorld(t, registrytest.Options{})
	w.sign(other, notationtest.SignOptions{})
	w.sign(a, notationtest.SignOptions{Time: time.Now().Add(-30 * time.Minute), Expiry: time.Minute, Envelope: notationtest.COSE})
	w.sign(a, attribute("x.acme.foo", true))
	v := w.verify(trusting(t, a))
	wantVerdict(t, v, verify.Expired, "the signature has expired")
	var got []string
	for _, c := range v.Candidates() {
		got = append(got, string(c.Reason)+" "+c.Format)
		if c.Err == nil || c.Storage != "referrer" || !strings.HasPrefix(c.Source, w.name()+"@sha256:") || c.Signed != verify.SignedImage {
			t.Errorf("%+v", c)
		}
	}
	slices.Sort(got)
	if want := []string{"expired notation-cose", "unsupported notation-jws", "wrong-signer notation-jws"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	w.sign(a, notationtest.SignOptions{})
	w.fresh()
	v = w.verify(trusting(t, a))
	wantVerdict(t, v, verify.Verified)
	if len(v.Candidates()) != 4 || len(v.Evidence()) != 1 {
		t.Errorf("%d candidates, %d pieces of evidence", len(v.Candidates()), len(v.Evidence()))
	}
}

// A signature of one image beside another proves nothing of that.
func TestTransplanted(t *testing.T) {
	t.Parallel()
	a := certified(t, notationtest.AuthorityOptions{})
	for _, o := range kinds() {
		w := newWorld(t, o)
		other := must[ocispec.Descriptor](t)(w.reg.PutImage("team/app", "other", "other"))
		size, typed, none := w.desc, w.desc, w.desc
		size.Size++
		typed.MediaType = "application/vnd.docker.distribution.manifest.v2+json"
		none.MediaType = ""
		for name, signed := range map[string]ocispec.Descriptor{"digest": other, "size": size, "media type": typed, "no media type": none} {
			d := w.signOther(a, signed, w.desc, notationtest.SignOptions{})
			w.fresh()
			v := w.verify(trusting(t, a))
			wantVerdict(t, v, verify.BadSignature, "the signature is for")
			if v.Candidates()[0].Signer != "" {
				t.Errorf("%s: it is said to be by %s", name, v.Candidates()[0].Signer)
			}
			if !o.NoReferrers {
				if err := w.reg.Delete("team/app", d.Digest.String()); err != nil {
					t.Fatal(err)
				}
			} else if err := w.reg.Delete("team/app", strings.Replace(w.desc.Digest.String(), ":", "-", 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What a line offers to accept is accepted by it, and nobody else is.
func TestAccept(t *testing.T) {
	t.Parallel()
	a, other := certified(t, notationtest.AuthorityOptions{}), certified(t, notationtest.AuthorityOptions{CA: "Other CA", SelfSigned: true})
	beside := must[*notationtest.Authority](t)(a.Another(notationtest.AuthorityOptions{Leaf: func(c *x509.Certificate) { c.Subject.CommonName = "dev, \"x\" + y=z" }}))
	clock := must[*notationtest.TSA](t)(notationtest.NewTSA(notationtest.TSAOptions{}))
	nameless := pkix.Name{CommonName: "x"}
	for name, tc := range map[string]struct {
		by   *notationtest.Authority
		list string // "" where there is nothing to accept
		sign notationtest.SignOptions
	}{
		"identity":          {beside, "identities", notationtest.SignOptions{TSA: clock}},
		"root":              {other, "require", notationtest.SignOptions{TSA: clock}},
		"no time stamp":     {other, "require", notationtest.SignOptions{}},
		"signing authority": {other, "require", notationtest.SignOptions{Scheme: notationtest.SigningAuthority}},
		// Without C, ST and O no identity can be written. Who vouches for himself
		// needs none.
		"nameless":              {certified(t, notationtest.AuthorityOptions{Subject: nameless}), "", notationtest.SignOptions{}},
		"nameless, self-signed": {certified(t, notationtest.AuthorityOptions{Subject: nameless, SelfSigned: true}), "require", notationtest.SignOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registrytest.Options{})
			w.sign(tc.by, tc.sign)
			c := trusting(t, a)
			c.MaxSignatures, c.Revocation = 7, notation.Soft
			if tc.sign.TSA != nil {
				c.TSA = []*x509.Certificate{clock.Root()}
			}
			v := w.verify(c)
			wantVerdict(t, v, verify.WrongSigner)
			accept := v.Candidates()[0].Accept
			if tc.list == "" {
				if accept != nil {
					t.Errorf("%+v", accept)
				}
				return
			}
			if accept == nil || accept.List != tc.list || accept.Alone == "" || accept.OfRule != c.String() {
				t.Fatalf("%+v", accept)
			}
			text := strings.TrimSuffix(strings.TrimPrefix(accept.Alone, "{notation: "), "}")
			f, faults := readForm(t, text)
			if len(faults) > 0 {
				t.Fatalf("%s: %v", accept.Alone, faults)
			}
			got := must[notation.Config](t)(f.Config(notation.Env{}))
			w.fresh()
			wantVerdict(t, w.verify(got), verify.Verified)
			if got.MaxSignatures != 7 || got.Revocation != notation.Soft {
				t.Errorf("%s forgets what else was required", accept.Alone)
			}
			if tc.list == "identities" && (!strings.Contains(accept.Alone, accept.Line) || got.Identities[0].Match(a.Leaf())) {
				t.Errorf("%s accepts others, too", accept.Line)
			}
		})
	}
}

// Whoever signed is named, and nobody is asked or believed.
func TestLook(t *testing.T) {
	t.Parallel()
	r := revocationOf(t)
	a := certified(t, notationtest.AuthorityOptions{Revocation: r, OCSP: true, CRL: true})
	old := certified(t, notationtest.AuthorityOptions{NotBefore: time.Now().Add(-9 * day), NotAfter: time.Now().Add(-7 * day)})
	w := newWorld(t, registrytest.Options{})
	if found := must[[]verify.Candidate](t)(w.session().Look(t.Context(), w.img, nil)); len(found) != 0 {
		t.Errorf("%+v", found)
	}
	w.sign(a, notationtest.SignOptions{Metadata: map[string]string{"commit": "abc"}})
	w.sign(old, notationtest.SignOptions{Time: time.Now().Add(-8 * day)})
	w.sign(a, notationtest.SignOptions{Plugin: "x"})
	w.sign(a, notationtest.SignOptions{Time: time.Now().Add(-30 * time.Minute), Expiry: time.Minute})
	w.fresh()
	found := must[[]verify.Candidate](t)(w.session().Look(t.Context(), w.img, nil))
	got := map[verify.Reason]verify.Candidate{}
	for _, c := range found {
		got[c.Reason] = c
	}
	if len(found) != 4 || len(got) != 3 || got[verify.Expired].Err == nil || got[verify.Unsupported].Err == nil {
		t.Fatalf("%+v", found)
	}
	c := got[verify.WrongSigner]
	if c.Signer != "x509.subject: "+a.Leaf().Subject.String() || c.Issuer != a.Root().Subject.String() || c.Claims["root"] != notationtest.Fingerprint(a.Root()) ||
		c.Claims["metadata.commit"] != "abc" || c.Accept == nil || c.Accept.List != "require" || c.System != notation.System {
		t.Errorf("%+v", c)
	}
	if len(r.Requests()) != 0 {
		t.Errorf("%d questions", len(r.Requests()))
	}
	if got := w.asked(); len(got) != 10 {
		t.Errorf("%q", got)
	}
}

// An index is vouched for by itself, or by all the platforms that are named.
func TestPlatforms(t *testing.T) {
	t.Parallel()
	a, other := certified(t, notationtest.AuthorityOptions{}), certified(t, notationtest.AuthorityOptions{CA: "Other CA"})
	for _, o := range kinds() {
		w := newWorld(t, o)
		arm := must[ocispec.Descriptor](t)(w.reg.PutImage("team/app", "", "arm"))
		amd, armd := w.desc, arm
		amd.Platform, armd.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}, &ocispec.Platform{OS: "linux", Architecture: "arm64"}
		index := must[ocispec.Descriptor](t)(w.reg.PutIndex("team/app", "index", amd, armd))
		w.sign(a, notationtest.SignOptions{})
		w.img = w.pinned(index)
		c := trusting(t, a)
		v := w.verify(c)
		wantVerdict(t, v, verify.Unsigned)
		if !strings.Contains(verify.Hint(v.Err()), "--platform") {
			t.Errorf("%q", verify.Hint(v.Err()))
		}
		c.Platforms = []string{"linux/amd64"}
		v = w.verify(c)
		wantVerdict(t, v, verify.Verified, "Platform:linux/amd64", "Signed:platform")
		if v.Image().Digest() != index.Digest.String() {
			t.Errorf("%s", v.Image())
		}
		c.Platforms = []string{"linux/amd64", "linux/arm64"}
		wantVerdict(t, w.verify(c), verify.Unsigned, "platform linux/arm64")
		c.Platforms = []string{"linux/s390x"}
		wantVerdict(t, w.verify(c), verify.NotFound, "linux/s390x")
		found := must[[]verify.Candidate](t)(w.session().Look(t.Context(), w.img, []string{"linux/amd64"}))
		if len(found) != 1 || found[0].Signed != verify.SignedPlatform {
			t.Errorf("%+v", found)
		}
		// A signature of the index that does not count is no reason to ask others.
		c.Platforms = []string{"linux/amd64"}
		w.signOther(other, index, index, notationtest.SignOptions{})
		w.fresh()
		wantVerdict(t, w.verify(c), verify.WrongSigner)
		w.signOther(a, index, index, notationtest.SignOptions{})
		w.fresh()
		wantVerdict(t, w.verify(c), verify.Verified, "Signed:image")
	}
}

// A trust policy speaks of an image, of all, or not.
func TestRequirePolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	a := certified(t, notationtest.AuthorityOptions{})
	w.sign(a, notationtest.SignOptions{})
	read := func(s ...statement) *notation.TrustPolicy {
		files := stores(t)
		for name, f := range files {
			if strings.Contains(name, "x509/ca/acme/") {
				f.Data = notationtest.PEM(a.Root())
			}
		}
		return must[*notation.TrustPolicy](t)(notation.ReadTrustPolicy("trustpolicy.json", document(s...), files))
	}
	level := func(l string) map[string]any { return map[string]any{"level": l} }
	for _, tc := range []struct {
		name     string
		policy   statement
		want     verify.Reason
		says     []string
		requests int
	}{
		{"strict", statement{}, verify.Verified, nil, 4},
		{"this repository", statement{"registryScopes": []string{w.name()}}, verify.Verified, nil, 4},
		{"another repository", statement{"registryScopes": []string{"registry.example/team/app"}}, verify.NoRule, []string{"no statement", w.name()}, 0},
		{"skip", statement{"signatureVerification": level("skip"), "trustStores": nil, "trustedIdentities": nil}, verify.NoRule, []string{"skip", "s0"}, 0},
		{"audit", statement{"signatureVerification": level("audit")}, verify.NoRule, []string{"audit"}, 4},
		{"permissive", statement{"signatureVerification": level("permissive")}, verify.NoRule, []string{"permissive"}, 4},
		{"other identity", statement{"trustedIdentities": []string{"x509.subject: C=US, ST=WA, O=Other"}}, verify.WrongSigner, []string{"O=Other"}, 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.fresh()
			v := must[verify.Verifier](t)(w.session().RequirePolicy(read(tc.policy), nil)).Verify(t.Context(), w.img)
			wantVerdict(t, v, tc.want, tc.says...)
			if len(w.asked()) != tc.requests {
				t.Errorf("%q", w.asked())
			}
			for _, c := range v.Candidates() {
				if c.Accept != nil {
					t.Errorf("a line of a policy is offered where there is none: %+v", c.Accept)
				}
			}
		})
	}
	if _, err := w.session().RequirePolicy(nil, nil); err == nil {
		t.Error("no policy is taken")
	}
}

// What nobody or anybody could satisfy is no requirement.
func TestRequireRefuses(t *testing.T) {
	t.Parallel()
	a := certified(t, notationtest.AuthorityOptions{})
	sound := trusting(t, a)
	for name, change := range map[string]func(*notation.Config){
		"zero":               func(c *notation.Config) { *c = notation.Config{} },
		"no certificates":    func(c *notation.Config) { c.Certificates = nil },
		"only a TSA":         func(c *notation.Config) { c.TSA, c.Certificates = []*x509.Certificate{a.Root()}, nil },
		"nil certificate":    func(c *notation.Config) { c.Certificates = []*x509.Certificate{nil} },
		"leaf as authority":  func(c *notation.Config) { c.Certificates = a.Chain[:1] },
		"leaf as TSA":        func(c *notation.Config) { c.TSA = a.Chain[:1] },
		"no identities":      func(c *notation.Config) { c.Identities = nil },
		"zero identity":      func(c *notation.Config) { c.Identities = []notation.Identity{{}} },
		"anybody and others": func(c *notation.Config) { c.Identities = append(c.Identities, identity(t, "*")) },
		"overlap":            func(c *notation.Config) { c.Identities = append(c.Identities, identity(t, "C=US, ST=WA, O=Acme")) },
		"negative":           func(c *notation.Config) { c.MaxSignatures = -1 },
		"too many":           func(c *notation.Config) { c.MaxSignatures = 257 },
		"level":              func(c *notation.Config) { c.Level = "lax" },
		"revocation":         func(c *notation.Config) { c.Revocation = "x" },
		"timestamp":          func(c *notation.Config) { c.Timestamp = "x" },
		"override":           func(c *notation.Config) { c.Override = map[string]string{"integrity": "log"} },
		"unknown override":   func(c *notation.Config) { c.Override = map[string]string{"x": "log"} },
		"skip expiry":        func(c *notation.Config) { c.Override = map[string]string{"expiry": "skip"} },
	} {
		c := sound
		c.Identities = slices.Clone(sound.Identities)
		change(&c)
		if v, err := notation.NewSession(nil, image.Ref{}, nil).Require(c); err == nil || v != nil {
			t.Errorf("%s: it is taken", name)
		}
	}
}

// Without an Asker nobody is asked, and nobody's silence is a yes.
func TestNoAsker(t *testing.T) {
	t.Parallel()
	r := revocationOf(t)
	a := certified(t, notationtest.AuthorityOptions{Revocation: r, OCSP: true})
	w := newWorld(t, registrytest.Options{})
	w.sign(a, notationtest.SignOptions{})
	for revocation, want := range map[notation.Revocation]verify.Reason{notation.Strict: verify.Unavailable, notation.Soft: verify.Verified, notation.Skip: verify.Verified} {
		c := trusting(t, a)
		c.Revocation = revocation
		v := must[verify.Verifier](t)(notation.NewSession(w.client, image.Ref{}, nil).Require(c)).Verify(t.Context(), w.img)
		wantVerdict(t, v, want)
	}
	if len(r.Requests()) != 0 {
		t.Errorf("%d questions", len(r.Requests()))
	}
}

// Those who sign get what they have made, and what they are about to store is
// checked in the same way.
func TestMade(t *testing.T) {
	t.Parallel()
	a, other := certified(t, notationtest.AuthorityOptions{}), certified(t, notationtest.AuthorityOptions{CA: "Other CA"})
	w := newWorld(t, registrytest.Options{})
	c := trusting(t, a)
	if made := must[[]notation.Made](t)(w.session().Made(t.Context(), c, w.img)); len(made) != 0 {
		t.Errorf("%+v", made)
	}
	w.sign(a, notationtest.SignOptions{Metadata: map[string]string{"commit": "abc", "Commit": "x"}, Expiry: time.Hour})
	w.sign(a, notationtest.SignOptions{Time: time.Now().Add(-30 * time.Minute), Expiry: time.Minute})
	w.sign(other, notationtest.SignOptions{})
	w.fresh()
	made := must[[]notation.Made](t)(w.session().Made(t.Context(), c, w.img))
	if len(made) != 1 {
		t.Fatalf("%d", len(made))
	}
	m := made[0]
	if len(m.Metadata) != 2 || m.Metadata["commit"] != "abc" || m.Metadata["Commit"] != "x" || time.Until(m.Expiry) > time.Hour || !m.Leaf.Equal(a.Leaf()) || m.Evidence.Storage != "referrer" {
		t.Errorf("%+v", m)
	}
	described := must[image.Pinned](t)(w.client.Describe(t.Context(), w.img))
	again := must[notation.Made](t)(w.session().Check(t.Context(), c, described, notationtest.JWS, m.Envelope))
	if again.Evidence.Storage != "memory" || again.Evidence.Signer != m.Evidence.Signer || !bytes.Equal(again.Envelope, m.Envelope) {
		t.Errorf("%+v", again)
	}
	reason := func(err error) verify.Reason {
		t.Helper()
		var r interface{ Reason() verify.Reason }
		if !errors.As(err, &r) {
			t.Fatalf("%v has no reason", err)
		}
		return r.Reason()
	}
	for name, tc := range map[string]struct {
		mediaType string
		envelope  []byte
		want      verify.Reason
	}{
		"empty":        {notationtest.JWS, nil, verify.Unsupported},
		"too large":    {notationtest.JWS, make([]byte, 1<<20+1), verify.Unsupported},
		"garbage":      {notationtest.JWS, []byte("{}"), verify.BadSignature},
		"another type": {"application/json", m.Envelope, verify.Unsupported},
		"COSE":         {notationtest.COSE, m.Envelope, verify.BadSignature},
		"somebody":     {notationtest.JWS, must[[]byte](t)(other.Sign(w.desc, notationtest.SignOptions{})), verify.WrongSigner},
	} {
		if _, err := w.session().Check(t.Context(), c, described, tc.mediaType, tc.envelope); err == nil || reason(err) != tc.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A server that does not answer leaves the question open.
	r := revocationOf(t)
	silent := certified(t, notationtest.AuthorityOptions{Revocation: r, OCSP: true})
	r.Down()
	w.sign(silent, notationtest.SignOptions{})
	w.fresh()
	c.Certificates = append(c.Certificates, silent.Root())
	if made, err := w.session().Made(t.Context(), c, w.img); err == nil || len(made) != 1 {
		t.Errorf("%d, %v", len(made), err)
	}
	c.MaxSignatures = 2
	if _, err := w.session().Made(t.Context(), c, w.img); err == nil || !strings.Contains(err.Error(), "not looked at") {
		t.Errorf("%v", err)
	}
	c.Platforms = []string{"linux/amd64"}
	if _, err := w.session().Made(t.Context(), c, w.img); err == nil {
		t.Error("platforms are taken")
	}
}
