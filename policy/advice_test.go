package policy

import (
	"strings"
	"testing"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// What is known of an image that no rule speaks of is said, and no more: a name
// that only looks like a publisher's gets the advice of everybody.
func TestAdvice(t *testing.T) {
	for _, tc := range []struct{ ref, want string }{
		{"gcr.io/distroless/static", "add the built-in rules for it: `publishers: [distroless]`"},
		{"cgr.dev/chainguard/static", "`publishers: [chainguard]`"},
		{"cgr.dev/acme.com/python", "if it is your organisation's, add the built-in rules for it, with your own UIDP: `publishers: [{chainguard-private: {organisation: \"acme.com\", uidp: UIDP}}]`; boltseal policy publishers chainguard-private"},
		{"cgr.dev/acme/a/b@sha256:" + strings.Repeat("a", 64), "{organisation: \"acme\", uidp: UIDP}"},
		{"cgr.dev/a__b/c", ""}, // no organisation's name
		{"cgr.dev/acme", ""},
		{"cgr.dev:5000/acme/x", ""},
		{"mcr.microsoft.com/dotnet/sdk:10.0", "add the built-in rules for it: `publishers: [microsoft-dotnet]`"},
		{"mcr.microsoft.com/dotnet/framework/sdk", "Microsoft: but for .NET, not all of it is signed, and by whom is not documented; use another image, or let it through for a while by an exception: `- {images: [mcr.microsoft.com/dotnet/framework/sdk], until: DATE, owner: NAME, reason: REASON}`"},
		{"mcr.microsoft.com/dotnetx/sdk", "Microsoft: but for .NET"},
		{"mcr.microsoft.com.evil.example/dotnet/sdk", ""},
		{"bitnami/redis", "Bitnami: signs with Notation"},
		{"bitnamilegacy/redis", "Bitnami: "},
		{"docker.elastic.co/kibana/kibana:9", "Elastic: signs with a key (https://artifacts.elastic.co/cosign.pub)"},
		{"docker.elastic.co/kibana/kibana:9", "get the key from two places that agree, and add a rule: `- {images: [docker.elastic.co/kibana/kibana], require: [sigstore: {keys: [{file: KEY.pub}]}]}`"},
		{"quay.io/argoproj/argocd", "boltseal policy init finds out who signed it"},
		{"quay.io/argoproj/argocd-evil", ""},
		{"almalinux/9-base", "allow-unsigned: {reason: REASON}"},
		{"ghcr.io/acme/app", ""},
	} {
		got := Advice(ref(t, tc.ref))
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q\nwant %q", tc.ref, got, tc.want)
		}
		if _, ok := KnownOmitted(ref(t, tc.ref)); ok != strings.Contains(got, ": signs with ") && ok != strings.Contains(got, "; ") {
			t.Errorf("%s: omitted: %v", tc.ref, ok)
		}
	}
	if got := Advice(image.Ref{}); got != "" {
		t.Errorf("of nothing: %q", got)
	}
	all, err := NotShipped()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		for _, i := range o.Images {
			// A wider one that stands before would hide it.
			text := strings.NewReplacer("/**", "/x", "*", "x").Replace(i)
			if got, ok := KnownOmitted(ref(t, text)); !ok || got.Who != o.Who || got.Signs == "" {
				t.Errorf("%s of %s is %+v", text, o.Who, got)
			}
		}
	}
}

// The hint of an image that no rule speaks of has the advice, with a policy and
// with none; what it suggests is read as a policy would be.
func TestAdviceIsUsed(t *testing.T) {
	const image = "mcr.microsoft.com/openjdk/jdk"
	builtIn, err := BuiltIn(publisherSystems())
	if err != nil {
		t.Fatal(err)
	}
	own, err := Read("p", []byte("version: 1\npublishers: [distroless]\n"), Options{Systems: publisherSystems()})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*Policy{builtIn, own} {
		got, err := termsOf(t, p, image)
		if err != nil || got.Err == nil || !strings.Contains(verify.Hint(got.Err), "Microsoft: but for .NET") {
			t.Errorf("%v: %q (%v)", got.Err, verify.Hint(got.Err), err)
		}
	}
	item := func(text string) string {
		_, after, _ := strings.Cut(text, "`")
		yaml, _, _ := strings.Cut(after, "`")
		return yaml
	}
	exceptions := strings.NewReplacer("DATE", "2027-01-31").Replace(item(Advice(ref(t, image))))
	listed := strings.ReplaceAll(item(Advice(ref(t, "cgr.dev/1e3/x"))), "UIDP", "aa/bb")
	for _, text := range []string{"version: 1\npublishers: [distroless]\nexceptions:\n" + exceptions + "\n", "version: 1\n" + listed + "\n"} {
		if _, err := Read("p", []byte(text), Options{Systems: publisherSystems()}); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}
