package signing_test

import (
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/e2e/signing/sigstack"
)

// What boltseal attests verifies with boltseal and with cosign as what it is, and
// is not attested again. The first way attests every type, and each other one two:
// no way knows the types apart.
func TestAttest(t *testing.T) {
	t.Parallel()
	for i, test := range []struct {
		name    string
		config  func(w *workplace) string // nil where no service is asked
		key     bool
		check   []string // more flags to verify with
		cosign2 []string
	}{
		{name: "Rekor v2", config: (*workplace).newest, cosign2: []string{"--use-signed-timestamps"}},
		{name: "Rekor v1", config: func(w *workplace) string { return w.signingConfig(w.RekorV1) }},
		{name: "key", config: (*workplace).newest, key: true, cosign2: []string{"--use-signed-timestamps"}},
		{name: "key, Rekor v1", config: func(w *workplace) string { return w.signingConfig(w.RekorV1) }, key: true},
		{name: "key, no log", key: true, check: []string{"--insecure-ignore-tlog"}},
	} {
		for _, kind := range []string{"with referrers", "without"} {
			t.Run(test.name+", "+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorkplace(t)
				registry, storage := w.Registry, referrer
				if kind == "without" {
					registry, storage = w.Legacy, fallback
				}
				img := w.push(registry, "acme/app")
				flags, check := []string{img.pinned(), "--tlog-upload=false"}, byWorkflow()
				if test.config != nil {
					flags = []string{img.pinned(), "--signing-config", test.config(w)}
				}
				if test.key {
					flags, check = append(flags, "--key", w.plainKey(newEC(t, elliptic.P256()))), w.byKey(test.check...)
				}
				kinds := slices.Sorted(maps.Keys(predicates))
				if i > 0 {
					kinds = []string{"cyclonedx", kinds[1+i%(len(kinds)-1)]}
				}
				for _, kind := range kinds {
					flags = append(flags, "--attest", kind+"="+w.write(kind+".json", []byte(predicates[kind].text)))
				}
				s := w.signed(flags...)
				if _, all := s.existed(); all != 1+len(kinds) {
					t.Errorf("%d were made:\n%s", all, s)
				}
				w.consume(s.Verify)
				for _, kind := range kinds {
					found := w.verified(img.pinned(), append(check, "--attestation-type", kind)...)
					if len(found) != 1 || found[0].Storage != storage || found[0].PredicateType != predicates[kind].uri || found[0].Digest != img.digest {
						t.Errorf("%s: %+v", kind, found)
					}
					for major, more := range map[int][]string{2: append(test.cosign2, "--new-bundle-format"), 3: nil} {
						o := w.must(w.cosign(major)(slices.Concat([]string{"verify-attestation", "--type", kind}, check, more, []string{img.pinned()})...))
						w.attested(o, img, kind)
					}
				}
				w.verified(img.pinned(), check...)
				w.must(w.cosign(3)(slices.Concat([]string{"verify"}, check, []string{img.pinned()})...))

				w.Forget()
				if there, all := w.signed(flags...).existed(); there != all || all != 1+len(kinds) {
					t.Errorf("of %d %d were there", all, there)
				}
				w.nothingMade()

				// Another predicate of the same type is another attestation.
				other := strings.Replace(predicates["cyclonedx"].text, `"version": 1`, `"version": 2`, 1)
				if there, all := w.signed(append(flags, "--attest", "cyclonedx="+w.write("other.json", []byte(other)))...).existed(); there != all-1 || all != 2+len(kinds) {
					t.Errorf("of %d %d were there", all, there)
				}
			})
		}
	}
}

// newest writes a signing config with all services, and returns its path.
func (w *workplace) newest() string { return w.signingConfig(w.Rekor, w.RekorV1, w.TSA) }

// attested fails the test unless cosign verify-attestation has found the
// predicate of the kind, about the image.
func (w *workplace) attested(o outcome, img image, kind string) {
	w.t.Helper()
	var envelope struct{ Payload string }
	check(w.t, json.NewDecoder(strings.NewReader(o.stdout)).Decode(&envelope))
	payload, err := base64.StdEncoding.DecodeString(envelope.Payload)
	check(w.t, err)
	var statement struct {
		PredicateType string
		Subject       []struct{ Digest map[string]string }
		Predicate     any
	}
	check(w.t, json.Unmarshal(payload, &statement))
	var want any
	check(w.t, json.Unmarshal([]byte(predicates[kind].text), &want))
	if statement.PredicateType != predicates[kind].uri || !reflect.DeepEqual(statement.Predicate, want) ||
		len(statement.Subject) != 1 || "sha256:"+statement.Subject[0].Digest["sha256"] != img.digest {
		w.t.Errorf("cosign finds %s", payload)
	}
}

// An index and all its manifests are signed in one run; what is attested is of the
// index.
func TestSignRecursively(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	for _, registry := range []*sigstack.Service{w.Registry, w.Legacy} {
		img := w.pushIndex(registry, "acme/app")
		flags := []string{
			img.pinned(), "--recursive", "--signing-config", w.newest(), "--format", "bundle", "--format", "legacy",
			"--attest", "cyclonedx=" + w.write("bom.json", []byte(predicates["cyclonedx"].text)),
		}
		const made = 3*2 + 1
		s := w.signed(flags...)
		if _, all := s.existed(); all != made {
			t.Errorf("%s: %d were made:\n%s", registry.Name, all, s)
		}
		w.consume(s.Verify)
		for _, digest := range append(img.platforms, img.digest) {
			w.verified(img.of(digest), byWorkflow()...)
			for _, args := range [][]string{{"verify"}, {"verify", "--new-bundle-format=false"}} {
				w.must(w.cosign(3)(slices.Concat(args, byWorkflow(), []string{img.of(digest)})...))
			}
			w.must(w.cosign(2)(slices.Concat([]string{"verify"}, byWorkflow(), []string{img.of(digest)})...))
		}
		w.must(w.cosign(3)(slices.Concat([]string{"verify-attestation", "--type", "cyclonedx"}, byWorkflow(), []string{img.pinned()})...))
		w.Forget()
		if there, all := w.signed(flags...).existed(); there != made || all != made {
			t.Errorf("%s: of %d %d were there", registry.Name, all, there)
		}
		w.nothingMade()
	}
}

// Signatures may go to another repository, where cosign finds them if it is told.
func TestSignElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	for _, registry := range []*sigstack.Service{w.Registry, w.Legacy} {
		img := w.push(registry, "acme/app")
		elsewhere := registry.Host + "/acme/signatures"
		flags := []string{img.pinned(), "--signing-config", w.newest(), "--format", "bundle", "--format", "legacy", "--signature-repository", elsewhere}
		w.consume(w.signed(flags...).Verify)
		w.refused("unsigned", img.pinned(), byWorkflow()...)
		w.verified(img.pinned(), append(byWorkflow(), "--signature-repository", elsewhere)...)
		for _, major := range []int{2, 3} {
			w.must(w.cosignWith(major, []string{"COSIGN_REPOSITORY=" + elsewhere}, slices.Concat([]string{"verify"}, byWorkflow(), []string{img.pinned()})...))
		}
		w.Forget()
		if there, _ := w.signed(flags...).existed(); there != 2 {
			t.Errorf("%s: %d were there", registry.Name, there)
		}
		w.nothingMade()
	}
}
