package sigstoretest

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"
)

// Every kind of bundle verifies, for certificates and for keys.
func TestBundlesVerify(t *testing.T) {
	in := newInstance(t)
	signers := map[string]Options{
		"uri":   keyless(),
		"email": {Identity: "someone@example.com", Issuer: "https://accounts.google.com"},
		"past":  {Identity: testIdentity, Issuer: testIssuer, At: in.now.Add(-99 * 24 * time.Hour)},
		"later": {Identity: testIdentity, Issuer: testIssuer, LogAt: in.now.Add(5 * time.Minute)},
	}
	for name, k := range newKeys(t) {
		signers[name] = Options{Key: k}
	}
	kinds := map[string]Options{
		"v0.1": {Version: "0.1"}, "v0.2": {Version: "0.2"}, "v0.3": {Version: "0.3"}, "default": {},
		"timestamp": {Timestamp: true}, "rekor2": {RekorV2: true}, "rekor2-v0.2": {RekorV2: true, Version: "0.2"},
	}
	for sn, so := range signers {
		for kn, ko := range kinds {
			o := so
			o.Version, o.Timestamp, o.RekorV2 = ko.Version, ko.Timestamp, ko.RekorV2
			t.Run("dsse/"+sn+"/"+kn, func(t *testing.T) {
				var load []signature.LoadOption
				if o.RekorV2 {
					load = append(load, options.WithED25519ph())
				}
				raw, err := in.Bundle(testType, testHex, nil, o)
				b := parse(t, raw, err)
				res, err := check(t, in, b, digestOption(t), o, load...)
				if err != nil {
					t.Fatalf("%v in %s", err, raw)
				}
				if res.Statement.GetPredicateType() != testType {
					t.Errorf("predicate type %q", res.Statement.GetPredicateType())
				}
				wantTimes(t, in, res, o)
			})
			t.Run("blob/"+sn+"/"+kn, func(t *testing.T) {
				raw, err := in.BlobBundle([]byte("blob"), o)
				b := parse(t, raw, err)
				res, err := check(t, in, b, verify.WithArtifact(strings.NewReader("blob")), o, options.WithED25519ph())
				if err != nil {
					t.Fatalf("%v in %s", err, raw)
				}
				wantTimes(t, in, res, o)
			})
		}
	}
}

func wantTimes(t *testing.T, in *Instance, res *verify.VerificationResult, o Options) {
	t.Helper()
	o, err := o.resolve(in.now)
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	if o.Timestamp {
		want++
	}
	if !o.RekorV2 {
		want++
	}
	if len(res.VerifiedTimestamps) != want {
		t.Errorf("verified timestamps: %v, want %d", res.VerifiedTimestamps, want)
	}
	for _, ts := range res.VerifiedTimestamps {
		if !ts.Timestamp.Equal(o.LogAt) {
			t.Errorf("timestamp %v, want %v", ts.Timestamp, o.LogAt)
		}
	}
}

// Legacy signatures and attestations verify once they are rebuilt as bundles.
func TestLegacyVerifies(t *testing.T) {
	in := newInstance(t)
	signers := map[string]Options{"keyless": keyless()}
	for name, k := range newKeys(t) {
		signers[name] = Options{Key: k}
	}
	payload := Payload("registry.example/app", "sha256:"+testHex)
	for name, o := range signers {
		for _, ts := range []bool{false, true} {
			o.Timestamp = ts
			t.Run("sig/"+name, func(t *testing.T) {
				a, err := in.Legacy(payload, o)
				if err != nil {
					t.Fatal(err)
				}
				if (a[annotationCertificate] != "") != (o.Key == nil) || (a[annotationChain] != "") != (o.Key == nil) {
					t.Errorf("certificates in %v", a)
				}
				res, err := check(t, in, rebuild(t, payload, a), verify.WithArtifact(bytes.NewReader(payload)), o, options.WithED25519ph())
				if err != nil {
					t.Fatalf("%v in %v", err, a)
				}
				wantTimes(t, in, res, o)
			})
			t.Run("att/"+name, func(t *testing.T) {
				env, a, err := in.LegacyAttestation("https://slsa.dev/provenance/v1", testHex, []byte(`{"a":"<b>"}`), o)
				if err != nil {
					t.Fatal(err)
				}
				if s, ok := a[annotationSignature]; !ok || s != "" || a[annotationPredicate] != "https://slsa.dev/provenance/v1" {
					t.Errorf("annotations %v", a)
				}
				res, err := check(t, in, rebuild(t, env, a), digestOption(t), o)
				if err != nil {
					t.Fatalf("%v in %v", err, a)
				}
				// A timestamp over the envelope is none over the signature.
				o := o
				o.Timestamp = false
				wantTimes(t, in, res, o)
			})
		}
	}
}

func TestRefused(t *testing.T) {
	in := newInstance(t)
	other := newInstance(t)
	late := in.now.Add(time.Hour)
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"no SCT":            {func(o *Options) { o.NoSCT = true }, "unable to meet threshold of 1"},
		"no log":            {func(o *Options) { o.NoLog, o.Timestamp = true, true }, "not enough verified log entries"},
		"expired":           {func(o *Options) { o.LogAt = late }, "integrated time outside certificate validity"},
		"expired v2":        {func(o *Options) { o.LogAt, o.RekorV2 = late, true }, "leaf certificate verification failed"},
		"before its CA":     {func(o *Options) { o.At = in.now.Add(-101 * 24 * time.Hour) }, "not enough verified log entries"},
		"before its CA, v2": {func(o *Options) { o.At, o.RekorV2 = in.now.Add(-101*24*time.Hour), true }, "threshold not met"},
	} {
		t.Run(name, func(t *testing.T) {
			o := keyless()
			c.change(&o)
			raw, err := in.Bundle(testType, testHex, nil, o)
			if _, err = check(t, in, parse(t, raw, err), digestOption(t), o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("bundle: %v, want %q", err, c.want)
			}
			if o.RekorV2 {
				return
			}
			payload := Payload("app", "sha256:"+testHex)
			a, err := in.Legacy(payload, o)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = check(t, in, rebuild(t, payload, a), verify.WithArtifact(bytes.NewReader(payload)), o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("legacy: %v, want %q", err, c.want)
			}
		})
	}
	t.Run("another instance", func(t *testing.T) {
		raw, err := other.Bundle(testType, testHex, nil, keyless())
		if _, err := check(t, in, parse(t, raw, err), digestOption(t), keyless()); err == nil {
			t.Error("verified")
		}
	})
	t.Run("another identity", func(t *testing.T) {
		raw, err := in.Bundle(testType, testHex, nil, keyless())
		o := keyless()
		o.Identity += "x"
		if _, err := check(t, in, parse(t, raw, err), digestOption(t), o); err == nil {
			t.Error("verified")
		}
	})
}

func TestBadOptions(t *testing.T) {
	in := newInstance(t)
	for name, o := range map[string]Options{
		"nobody":         {},
		"version":        {Identity: "a@b", Version: "0.4"},
		"v2 without SET": {Identity: "a@b", Version: "0.1", RekorV2: true},
		"claim":          {Identity: "a@b", Claims: map[string]string{"1.x": ""}},
		"identity":       {Identity: "https://a b\x00"},
	} {
		if _, err := in.Bundle(testType, testHex, nil, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	o := keyless()
	o.RekorV2 = true
	if _, err := in.Legacy(nil, o); err == nil {
		t.Error("legacy with Rekor v2: no error")
	}
	if _, _, err := in.LegacyAttestation(testType, testHex, nil, o); err == nil {
		t.Error("legacy attestation with Rekor v2: no error")
	}
	if _, err := in.Bundle(testType, testHex, []byte("{"), keyless()); err == nil {
		t.Error("bad predicate: no error")
	}
}
