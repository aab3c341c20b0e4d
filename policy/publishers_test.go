package policy

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify"
)

// publisherForm stands for the forms of package verify/sigstore, which this
// package may not import. The test in the module's root reads the catalogue
// with those.
type publisherForm struct{ askedText }

func (f *publisherForm) Check() []*yamlshape.Fault { return nil }
func (f *publisherForm) Doubts() []Doubt           { return nil }

// notationForm is the same for package verify/notation.
type notationForm struct{ askedNotationText }

func (f *notationForm) Check() []*yamlshape.Fault { return nil }
func (f *notationForm) Doubts() []Doubt           { return nil }

func publisherSystems() []System {
	form := func() Form { return &publisherForm{} }
	return []System{{Name: "sigstore", New: form}, {Name: "attestation", New: form}, {Name: "notation", New: func() Form { return &notationForm{} }}}
}

func TestCatalogue(t *testing.T) {
	all, err := Publishers()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range all {
		t.Run(p.Name, func(t *testing.T) {
			switch {
			case seen[p.Name]:
				t.Error("listed twice")
			case !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(p.Name):
				t.Error("its name is not one to write in a policy or a flag")
			case !strings.HasPrefix(p.Source, "https://"):
				t.Errorf("source %q", p.Source)
			case !regexp.MustCompile(`^20\d\d-[01]\d(-[0-3]\d)?$`).MatchString(p.Dated):
				t.Errorf("dated %q", p.Dated)
			case p.Checked.Format("2006-01") < p.Dated[:7]:
				t.Errorf("checked %s, before its source was written (%s)", p.Checked.Format(time.DateOnly), p.Dated)
			case p.Confidence != "high":
				t.Errorf("confidence %q", p.Confidence)
			case !strings.HasSuffix(p.About, ".") || !strings.HasSuffix(p.Formats, "."):
				t.Errorf("no sentence: %q, %q", p.About, p.Formats)
			case len(p.Rules) == 0:
				t.Error("no rules")
			}
			seen[p.Name] = true
			for _, r := range p.Rules {
				if (r.Unsigned == "") != (len(r.Systems) == 1 && len(r.Signers) > 0) {
					t.Errorf("%v: systems %v, %d signers, unsigned %q", r.Images, r.Systems, len(r.Signers), r.Unsigned)
				}
				if slices.Contains(r.Images, "**") {
					t.Errorf("%v is everybody's", r.Images)
				}
			}
		})
	}
	unlisted, err := NotShipped()
	if err != nil || len(unlisted) == 0 {
		t.Fatalf("%d not shipped (%v)", len(unlisted), err)
	}
	for _, u := range unlisted {
		for _, i := range u.Images {
			if name := Known(ref(t, strings.NewReplacer("/**", "/x", "*", "x").Replace(i))); name != "" {
				t.Errorf("%s is not shipped, and %s speaks of it", i, name)
			}
		}
	}
}

func TestCatalogueKeys(t *testing.T) {
	all, err := Publishers()
	if err != nil {
		t.Fatal(err)
	}
	keys := 0
	for _, p := range all {
		for _, r := range p.Rules {
			for _, s := range r.Signers {
				if s.Key == "" {
					continue
				}
				keys++
				block, rest := pem.Decode([]byte(s.PEM))
				if block == nil || block.Type != "PUBLIC KEY" || strings.TrimSpace(string(rest)) != "" {
					t.Fatalf("%s: key %s is not one PEM public key", p.Name, s.Key)
				}
				if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
					t.Errorf("%s: key %s: %v", p.Name, s.Key, err)
				}
				if sum := sha256.Sum256(block.Bytes); hex.EncodeToString(sum[:]) != s.SHA256 {
					t.Errorf("%s: key %s has the fingerprint %x, and the catalogue says %s", p.Name, s.Key, sum, s.SHA256)
				}
				if len(s.Sources) < 2 {
					t.Errorf("%s: key %s was found in %d places, which is not two that agree", p.Name, s.Key, len(s.Sources))
				}
				// Without a log entry nobody vouches for a beginning, and nothing would count.
				unlogged := slices.Contains(r.Terms, "ignore-tlog: true")
				if unlogged != s.From.IsZero() || !s.From.IsZero() && s.From.Year() < 2015 || !s.Until.IsZero() && !s.From.Before(s.Until) {
					t.Errorf("%s: key %s signs from %s until %s", p.Name, s.Key, s.From, s.Until)
				}
			}
		}
	}
	if keys < 2 {
		t.Errorf("%d keys", keys)
	}
}

// What a parameter may be must not have a meaning in image patterns, in
// identities, or for whoever reads them.
func TestParametersCannotInject(t *testing.T) {
	c, err := builtin()
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, p := range c.text.Publishers {
		for _, x := range p.Parameters {
			fits := func(s string) bool {
				return len(x.check(given{values: []yamlshape.Text{{Value: s}}})) == 0
			}
			example := x.Example.Value
			if !fits(example) {
				t.Errorf("%s: the example %q of %s does not fit", p.Name, example, x.Name)
			}
			for _, bad := range []string{"*", "**", "?", "!", "@", ":", "{", "}", "{uidp}", "[", "]", "|", "(", ")", "\\", "^", "$", "+", " ", "\n", "\r", "\t", "\x00", "#", ",", "'", `"`, "&", "%", "//", "é", "\u202e", "|https://evil"} {
				for _, s := range []string{bad, bad + example, example + bad, example[:3] + bad + example[3:]} {
					checked++
					if fits(s) {
						t.Errorf("%s: %s may be %q", p.Name, x.Name, s)
					}
				}
			}
			for _, s := range []string{"", ".", "..", "/", example + "/", "/" + example, example + "/..", strings.Repeat("a", maxValue+1)} {
				if fits(s) {
					t.Errorf("%s: %s may be %q", p.Name, x.Name, s)
				}
			}
		}
	}
	if checked == 0 {
		t.Error("no parameter was looked at")
	}
}

// An image of each publisher, and those that only look like it.
func TestKnown(t *testing.T) {
	for _, tc := range []struct {
		publisher   string
		own, others []string
	}{
		{"distroless", []string{"gcr.io/distroless/static-debian12:nonroot", "gcr.io/distroless/cc@sha256:" + strings.Repeat("a", 64)},
			[]string{"gcr.io/distroless-evil/x", "gcr.io/distroless", "gcr.io/evil/distroless/static", "gcr.io.evil.example/distroless/static", "docker.io/distroless/static", "eu.gcr.io/distroless/static", "evil.example/gcr.io/distroless/static"}},
		{"kubernetes", []string{"registry.k8s.io/pause:3.10", "registry.k8s.io/etcd/etcd:v1"},
			[]string{"registry.k8s.io.evil.example/pause", "k8s.gcr.io/pause", "registry.k8s.io:5000/pause"}},
		{"chainguard", []string{"cgr.dev/chainguard/static", "cgr.dev/chainguard/a/b"},
			[]string{"cgr.dev/chainguard-private/static", "cgr.dev/example.com/static", "cgr.dev/chainguard", "cgr.dev/chainguardx/static"}},
		{"docker-hardened", []string{"dhi.io/golang:1", "dhi.io/a/b"}, []string{"dhi.io.example/golang", "docker.io/dhi/golang", "xdhi.io/golang"}},
		{"docker-build", []string{"docker/dockerfile:1", "docker.io/docker/dockerfile-upstream:master", "moby/buildkit:buildx-stable-1", "docker/buildkit-syft-scanner"},
			[]string{"docker/dockerfile-evil", "docker/dockerfile/x", "dockerx/dockerfile", "moby/buildkitx", "ghcr.io/moby/buildkit", "docker/binfmt"}},
		{"docker-official", []string{"alpine", "docker.io/library/golang:1", "index.docker.io/library/alpine", "docker.io/alpine"},
			[]string{"docker.io/library-evil/alpine", "ghcr.io/library/alpine", "docker.io/libraryx/alpine", "docker.io/evil/library/alpine"}},
		{"redhat", []string{"registry.access.redhat.com/ubi9/ubi", "registry.redhat.io/rhel9/go"}, []string{"quay.io/redhat/x", "registry.redhat.io.example/x", "access.redhat.com/x"}},
		{"microsoft-dotnet", []string{"mcr.microsoft.com/dotnet/sdk:10.0", "mcr.microsoft.com/dotnet/monitor/base"},
			[]string{"mcr.microsoft.com/dotnet/framework/sdk", "mcr.microsoft.com/dotnet/sdk/x", "mcr.microsoft.com/openjdk/jdk", "mcr.microsoft.com.evil.example/dotnet/sdk", "docker.io/dotnet/sdk"}},
		{"cilium", []string{"quay.io/cilium/cilium:v1.18.0"}, []string{"quay.io/cilium-evil/cilium", "docker.io/cilium/cilium"}},
		{"flux", []string{"ghcr.io/fluxcd/source-controller"}, []string{"ghcr.io/fluxcd-evil/x", "ghcr.io/fluxcdx/y", "docker.io/fluxcd/source-controller"}},
		{"trivy", []string{"aquasec/trivy:0.72.0"}, []string{"aquasec/trivy-evil", "aquasecx/trivy", "aquasec/tracee", "ghcr.io/aquasecurity/trivy"}},
		{"prometheus-operator", []string{"quay.io/prometheus-operator/prometheus-operator"}, []string{"quay.io/prometheus-operatorx/y", "quay.io/prometheus/prometheus"}},
		{"envoy-gateway", []string{"envoyproxy/gateway:v1.6.0"}, []string{"envoyproxy/gateway-dev", "envoyproxy/envoy"}},
		{"talos", []string{"ghcr.io/siderolabs/installer"}, []string{"ghcr.io/siderolabsx/installer"}},
		{"dependabot", []string{"ghcr.io/dependabot/dependabot-updater-gomod"}, []string{"ghcr.io/dependabot-evil/x"}},
		{"grafana-operator", []string{"ghcr.io/grafana/grafana-operator"}, []string{"ghcr.io/grafana/grafana-operator-evil", "ghcr.io/grafana/helm-charts/grafana-operator"}},
		{"kong", []string{"kong/kong-gateway:3.10"}, []string{"kong/kong-gateway-evil", "kong/notary", "kong/kuma-cp"}},
	} {
		for _, own := range tc.own {
			if got := Known(ref(t, own)); got != tc.publisher {
				t.Errorf("Known(%s) = %q, want %q", own, got, tc.publisher)
			}
		}
		for _, other := range tc.others {
			if got := Known(ref(t, other)); got != "" {
				t.Errorf("Known(%s) = %q, want none", other, got)
			}
		}
	}
	if all, err := Publishers(); err != nil || len(all) != 18 {
		t.Errorf("%d publishers (%v): one is not in this test", len(all), err)
	}
	if got := Known(image.Ref{}); got != "" {
		t.Errorf("Known of nothing = %q", got)
	}
}

// Two publishers that spoke of one image would leave it to chance, or to a
// tie, which of them decides.
func TestPublishersDoNotOverlap(t *testing.T) {
	c, err := builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range c.known {
		for _, pattern := range k.images.match {
			witness := ref(t, strings.NewReplacer("**", "x/y", "*", "x").Replace(pattern.String()))
			for _, other := range c.known {
				_, both := other.images.Match(witness)
				if same := other.publisher == k.publisher; both && !same {
					t.Errorf("%s is of %s and of %s", witness, k.publisher, other.publisher)
				}
			}
		}
	}
}

func TestBuiltIn(t *testing.T) {
	p, err := BuiltIn(publisherSystems())
	if err != nil {
		t.Fatal(err)
	}
	c, err := builtin()
	if err != nil {
		t.Fatal(err)
	}
	if len(p.rules) != len(c.known) || len(p.exceptions) != 0 {
		t.Errorf("%d rules and %d exceptions, want %d and none", len(p.rules), len(p.exceptions), len(c.known))
	}
	unsigned := 0
	for _, r := range p.rules {
		if r.origin.layer < lastLayer || !strings.HasPrefix(r.origin.name, "publisher ") || r.at != (image.Position{}) {
			t.Errorf("a rule is of %+v, at %+v", r.origin, r.at)
		}
		if _, private := r.images.Match(ref(t, "cgr.dev/example.com/static")); private {
			t.Errorf("%s needs parameters and has none", r.origin.name)
		}
		switch {
		case r.unsigned != nil:
			unsigned++
			if r.unsigned.RequireDigest != nil && !*r.unsigned.RequireDigest {
				t.Errorf("%s lets images through by tag", r.origin.name)
			}
		case len(r.require) == 0:
			t.Errorf("%s asks for nothing", r.origin.name)
		}
	}
	if unsigned != 1 {
		t.Errorf("%d rules let images through unsigned; only Docker Official Images have no signature", unsigned)
	}
	for _, s := range []string{"alpine", "alpine@sha256:" + strings.Repeat("a", 64), "ghcr.io/somebody/else"} {
		rules, err := p.Rules([]image.Use{{Ref: ref(t, s)}}, publisherSystems(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		terms := rules.For(image.Use{Ref: ref(t, s)})
		official := strings.HasPrefix(s, "alpine")
		if official != (terms.Exempt != nil) || official && (!terms.Exempt.Unsigned || !terms.Exempt.NeedDigest) || official != (terms.Err == nil) || len(terms.Require) > 0 {
			t.Errorf("%s: %+v", s, terms)
		}
	}
	if _, err := BuiltIn(nil); err == nil {
		t.Error("without a way to verify there are rules all the same")
	}
}

const listHead = "version: 1\npublishers:\n"

// What the forms of a policy's rules were read from.
func subjectsOf(p *Policy) []string {
	var all []string
	for _, r := range p.rules {
		for _, q := range r.require {
			if f, ok := q.form.(*publisherForm); ok {
				for _, id := range f.Identities {
					all = append(all, id.Subject.Value)
				}
			}
		}
	}
	return all
}

func TestListedPublishers(t *testing.T) {
	body := listHead + `
- distroless
- chainguard-private: {organisation: example.com, uidp: ["aa/bb", "cc/dd"]}
`
	p, err := Read("p.yaml", []byte(body), Options{Systems: publisherSystems()})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"keyless@distroless.iam.gserviceaccount.com", "https://issuer.enforce.dev/aa/bb", "https://issuer.enforce.dev/cc/dd"}
	if got := subjectsOf(p); !slices.Equal(got, want) {
		t.Errorf("signers %q, want %q", got, want)
	}
	if len(p.rules) != 2 {
		t.Fatalf("%d rules", len(p.rules))
	}
	for i, line := range []int{4, 5} {
		r := p.rules[i]
		if r.at.File != "p.yaml" || r.at.Line != line || r.require[0].at != r.at || r.images.match[0].At() != r.at {
			t.Errorf("rule %d stands at %+v, its requirement at %+v, its pattern at %+v", i, r.at, r.require[0].at, r.images.match[0].At())
		}
	}
	if p.Unlisted == nil || !strings.Contains(p.Unlisted(ref(t, "registry.k8s.io/pause")), "[kubernetes]") {
		t.Error("the policy does not know which publisher is not listed")
	}
	private := p.rules[1].images
	for s, want := range map[string]bool{
		"cgr.dev/example.com/static": true, "cgr.dev/example.com/a/b": true,
		"cgr.dev/chainguard/static": false, "cgr.dev/example.com.evil/static": false, "cgr.dev/examplexcom/static": false, "cgr.dev/example.com": false,
	} {
		if _, got := private.Match(ref(t, s)); got != want {
			t.Errorf("%s: %v, want %v", s, got, want)
		}
	}
	if got, _ := Publishers(); !strings.Contains(got[3].Rules[0].Images[0], "{organisation}") {
		t.Errorf("the catalogue was changed: %v", got[3].Rules[0].Images)
	}
}

func TestListedPublishersFaults(t *testing.T) {
	const params = "{organisation: example.com, uidp: aa/bb}"
	for _, tc := range []struct{ name, items, at, text, next string }{
		{"misspelt", "- distrolss", "3:3", `no publisher called "distrolss"`, "did you mean distroless?"},
		{"unknown", "- somebody-else", "3:3", `no publisher called "somebody-else"`, "boltseal policy publishers lists"},
		{"of another case", "- Distroless", "3:3", "no publisher", "did you mean distroless?"},
		{"twice", "- distroless\n- kubernetes\n- distroless", "5:3", "listed before, in line 3", "leave one"},
		{"twice with parameters", "- chainguard-private: " + params + "\n- chainguard-private: " + params, "4:3", "listed before", ""},
		{"without its parameters", "- chainguard-private", "3:3", "needs the parameter organisation", `{chainguard-private: {organisation: "example.com"`},
		{"without one", "- chainguard-private: {organisation: example.com}", "3:3", "needs the parameter uidp", ""},
		{"without any", "- chainguard-private: {}", "3:23", "no parameters here", ""},
		{"nothing behind it", "- chainguard-private:", "", "no value", ""},
		{"parameters it has not", "- distroless: {uidp: aa}", "3:16", `no parameter called "uidp"`, "write distroless alone"},
		{"unknown parameter", "- chainguard-private: {organisation: example.com, uidp: aa, issuer: evil}", "3:61", `no parameter called "issuer"`, ""},
		{"a parameter twice", "- chainguard-private: {organisation: example.com, uidp: aa, uidp: bb}", "", "", ""},
		{"two names", "- {distroless: {a: b}, kubernetes: {a: b}}", "3:3", "has 2 keys", "an item of its own"},
		{"a list", "- [distroless]", "3:3", "must be a text", ""},
		{"a number", "- 1", "3:3", "must be a text", ""},
		{"parameters as a text", "- chainguard-private: example.com", "3:23", "must be a mapping", ""},
		{"several of one", "- chainguard-private: {organisation: [a.example, b.example], uidp: aa}", "3:50", "has 2 values, and may have 1", ""},
		{"too many", "- chainguard-private: {organisation: a.example, uidp: [a1, a2, a3, a4, a5, a6, a7, a8, a9]}", "3:88", "may have 8", ""},
		{"one value twice", "- chainguard-private: {organisation: a.example, uidp: [aa, bb, aa]}", "3:64", "twice", ""},
		{"no values", "- chainguard-private: {organisation: a.example, uidp: []}", "3:55", "empty list", ""},
		{"a mapping as value", "- chainguard-private: {organisation: {a: b}, uidp: aa}", "3:38", "must be a text", ""},
		{"glob", "- chainguard-private: {organisation: '**', uidp: aa}", "3:39", `cannot be "**"`, `"example.com"`},
		{"glob in an identity", "- chainguard-private: {organisation: a.example, uidp: '*'}", "3:56", `cannot be "*"`, ""},
		{"glob among values", "- chainguard-private: {organisation: a.example, uidp: [aa, '**']}", "3:61", `cannot be "**"`, ""},
		{"another image", "- chainguard-private: {organisation: 'a/../chainguard', uidp: aa}", "3:39", "cannot be", ""},
		{"a line break", `- chainguard-private: {organisation: "a\n- '**'", uidp: aa}`, "3:39", "cannot be", ""},
		{"YAML", `- chainguard-private: {organisation: "a/**, docker.io/**", uidp: aa}`, "3:39", "cannot be", ""},
		{"a parameter's name", "- chainguard-private: {organisation: '{uidp}', uidp: aa}", "3:39", "cannot be", ""},
		{"another identity", "- chainguard-private: {organisation: a.example, uidp: 'aa/../../evil'}", "3:56", "cannot be", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Read("p.yaml", []byte(listHead+tc.items+"\n"), Options{Systems: publisherSystems()})
			var all *Error
			if !errors.As(err, &all) {
				t.Fatalf("error %v", err)
			}
			first := all.Faults()[0]
			if at := fmt.Sprintf("%d:%d", first.At.Line, first.At.Col); first.At.File != "p.yaml" || tc.at != "" && at != tc.at {
				t.Errorf("at %s of %s, want %s", at, first.At.File, tc.at)
			}
			if !strings.Contains(first.Err.Error(), tc.text) || !strings.Contains(first.Next, tc.next) {
				t.Errorf("says %q; %q", first.Err, first.Next)
			}
		})
	}
}

// A rule of one's own decides rather than a publisher's that is as specific, and
// a policy may list what one that it extends lists too.
func TestPublishersAreLast(t *testing.T) {
	r := &reader{options: Options{Systems: publisherSystems()}}
	const own = "- images: [gcr.io/distroless/**]\n  require: [{sigstore: {identities: [{issuer: 'https://a.example', subject: me}]}}]\n"
	r.file("own.yaml", []byte(listHead+"- distroless\n- kubernetes\n"), origin{name: "policy"})
	r.file("base.yaml", []byte(listHead+"- distroless\n- kubernetes\nrules:\n"+own), origin{name: "policy base.yaml", layer: 1})
	if faults := append(r.faults, r.policy.ties()...); len(faults) > 0 {
		t.Fatal(faults[0])
	}
	for s, want := range map[string]string{"gcr.io/distroless/static": "policy base.yaml", "registry.k8s.io/pause": "publisher kubernetes"} {
		found := r.policy.chooser().matching(targetOf(ref(t, s)))
		if got := r.policy.rules[found[0].list]; got.origin.name != want || want != "policy base.yaml" && got.at.File != "own.yaml" {
			t.Errorf("%s: %s at %v decides, want %s", s, got.origin.name, got.at, want)
		}
	}
}

// What is wrong with a rule of the catalogue is said where it is listed.
func TestPublisherWithoutItsSystem(t *testing.T) {
	_, err := Read("p.yaml", []byte(listHead+"- distroless\n"), Options{})
	var all *Error
	if !errors.As(err, &all) || len(all.Faults()) != 1 {
		t.Fatalf("error %v", err)
	}
	if got := all.Faults()[0].Error(); !strings.HasPrefix(got, "p.yaml:3:3: publisher distroless: ") {
		t.Errorf("says %q", got)
	}
}

func TestFromPublishers(t *testing.T) {
	p, err := FromPublishers([]string{"chainguard-private:organisation=example.com,uidp=aa/bb,uidp=cc", "docker-official"}, publisherSystems())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := subjectsOf(p), []string{"https://issuer.enforce.dev/aa/bb", "https://issuer.enforce.dev/cc"}; !slices.Equal(got, want) || len(p.rules) != 2 {
		t.Errorf("signers %q of %d rules, want %q of 2", got, len(p.rules), want)
	}
	for _, tc := range []struct {
		flags []string
		text  string
		next  string
	}{
		{nil, "no publisher is named", ""},
		{[]string{""}, "no publisher called", "boltseal policy publishers lists"},
		{[]string{"distrolss"}, "no publisher called", "did you mean distroless?"},
		{[]string{"distroless", "distroless"}, "given twice", "leave one of them out"},
		{[]string{"distroless:"}, "no parameter and its value", "write distroless:PARAMETER=VALUE"},
		{[]string{"distroless:a=b"}, `no parameter called "a"`, "write distroless alone"},
		{[]string{"distroless,kubernetes"}, "more than one name", `give each on its own, beginning with "distroless"`},
		{[]string{"chainguard-private"}, "needs the parameter organisation", "write chainguard-private:organisation=example.com,uidp=720909"},
		{[]string{"chainguard-private:organisation=example.com"}, "needs the parameter uidp", "write chainguard-private:"},
		{[]string{"chainguard-private:organisation"}, "no parameter and its value", ""},
		{[]string{"chainguard-private:organisation=,uidp=aa"}, "no parameter and its value", ""},
		{[]string{"chainguard-private:organisation=**,uidp=aa"}, `cannot be "**"`, "write something like"},
		{[]string{"chainguard-private:organisation=a,organisation=b,uidp=aa"}, "has 2 values", ""},
		{[]string{"chainguard-private:organisation=a,uidp=aa,"}, "no parameter and its value", ""},
		{[]string{"chainguard", "chainguard-private:organisation=chainguard,uidp=aa"}, "neither decides", ""},
	} {
		if p, err := FromPublishers(tc.flags, publisherSystems()); err == nil || p != nil || !strings.Contains(err.Error(), tc.text) || !strings.Contains(verify.Hint(err), tc.next) || tc.next != "" && strings.Contains(err.Error(), tc.next) {
			t.Errorf("%q: %v, want %q; next %q, want %q", tc.flags, err, tc.text, verify.Hint(err), tc.next)
		}
	}
}

// Certificates are authorities' own, valid today, and what is said of each holds.
func TestCatalogueCertificates(t *testing.T) {
	all, err := Publishers()
	if err != nil {
		t.Fatal(err)
	}
	stores := map[string]int{}
	for _, p := range all {
		for _, r := range p.Rules {
			for _, c := range r.Certificates {
				stores[c.Store]++
				block, rest := pem.Decode([]byte(c.PEM))
				if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
					t.Fatalf("%s: %s is not one PEM certificate", p.Name, c.Name)
				}
				cert, err := x509.ParseCertificate(block.Bytes)
				if err != nil {
					t.Fatalf("%s: %s: %v", p.Name, c.Name, err)
				}
				if err := cert.CheckSignatureFrom(cert); err != nil || !cert.IsCA || cert.Subject.CommonName != c.Name {
					t.Errorf("%s: %s is the certificate of %s, an authority: %t (%v)", p.Name, c.Name, cert.Subject, cert.IsCA, err)
				}
				if p.Checked.Before(cert.NotBefore) || cert.NotAfter.Before(p.Checked.AddDate(1, 0, 0)) {
					t.Errorf("%s: %s is valid from %s to %s", p.Name, c.Name, cert.NotBefore, cert.NotAfter)
				}
				if sum := sha256.Sum256(block.Bytes); hex.EncodeToString(sum[:]) != c.SHA256 {
					t.Errorf("%s: %s has the fingerprint %x, and the catalogue says %s", p.Name, c.Name, sum, c.SHA256)
				}
				if len(c.Sources) < 2 {
					t.Errorf("%s: %s is confirmed by %d places, which is not two that agree", p.Name, c.Name, len(c.Sources))
				}
			}
		}
	}
	if stores["certificates"] < 1 || stores["tsa"] < 1 || len(stores) != 2 {
		t.Errorf("certificates by store: %v", stores)
	}
}

// A certificate that nothing confirms is not shipped.
func TestCertificateWithoutSource(t *testing.T) {
	body := strings.Replace(publishersYAML, "sha256: 23ffe2", "sha256: 23ffe3", 1)
	c, err := readCatalogue([]byte(body))
	if err != nil || body == publishersYAML {
		t.Fatal(err)
	}
	p := c.find("microsoft-dotnet")
	if _, faults := describe(p.Rules[0], *p); len(faults) != 1 || !strings.Contains(faults[0].Error(), "nothing confirms the certificate 23ffe2") {
		t.Errorf("%v", faults)
	}
}

// A catalogue that says less than it must is not used at all.
func TestReadCatalogue(t *testing.T) {
	sound := publishersYAML
	for name, body := range map[string]string{
		"empty":             "",
		"two documents":     sound + "\n---\na: b\n",
		"no source":         strings.Replace(sound, "    source: ", "    about2: ", 1),
		"medium confidence": strings.Replace(sound, "confidence: high", "confidence: medium", 1),
		"no pattern":        strings.Replace(sound, "[gcr.io/distroless/**]", `["!gcr.io/distroless/**"]`, 1),
	} {
		if body == sound {
			t.Errorf("%s: nothing was changed", name)
		}
		if c, err := readCatalogue([]byte(body)); err == nil || len(c.known) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := readCatalogue([]byte(sound)); err != nil {
		t.Error(err)
	}
}
