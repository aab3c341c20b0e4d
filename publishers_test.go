package main_test

import (
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/verify/notation"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// The page says what the catalogue says. With -update it is written anew.
func TestDocsPublishers(t *testing.T) {
	all, err := policy.Publishers()
	if err != nil {
		t.Fatal(err)
	}
	unlisted, err := policy.NotShipped()
	if err != nil {
		t.Fatal(err)
	}
	golden.Equal(t, "docs/publishers.md", publishersPage(all, unlisted))
}

const publishersHead = `# Publishers

<!-- Made of policy/publishers.yaml by "go test . -run DocsPublishers -update". -->

Of these publishers boltseal knows how they sign their images, or that they do not. A policy lists those it trusts:

` + "```yaml" + `
version: 1
publishers:
  - distroless
  - chainguard-private: {organisation: example.com, uidp: "720909c9f5279097d847ad02120b6ce85c14b2b5/4fe8b6d3f3b8a9c1"}
` + "```" + `

Without a policy file, ` + "`boltseal verify --publisher distroless`" + ` does the same, once for each publisher; parameters stand behind a
colon, such as ` + "`--publisher chainguard-private:organisation=example.com,uidp=…`" + `, where a parameter with several values is written
several times. With no trust given at all, all publishers without parameters count for their images, and every other image is ` + "`no-rule`" + `.

A publisher's rules are those of a policy, behind all others: a rule of your own that is as specific wins. They hold for exactly the
images below; a mirror of them needs a rule of its own. Signatures are accepted in every [format](formats.md), whichever the publisher uses today.

What is listed rests on what publishers say of themselves, or on their source, as of the date beside it. **Wide** marks who accepts
more signers than one would like. Keys and certificates are part of the program, and none is fetched: each key was found in the same form
in two independent places, and two confirm the fingerprint of each certificate.
`

func publishersPage(all []policy.Publisher, unlisted []policy.Omitted) string {
	var b strings.Builder
	b.WriteString(publishersHead)
	b.WriteString("\n## Signed\n")
	for _, p := range all {
		if p.Rules[0].Unsigned == "" {
			publisherSection(&b, p)
		}
	}
	b.WriteString("\n## Unsigned upstream\n\nThese images carry no signature that could be verified. They are let through by digest only, and shown as `exempt`, never as\n`verified`: the digest keeps what you once looked at from changing, and says nothing of who made it.\n")
	for _, p := range all {
		if p.Rules[0].Unsigned != "" {
			publisherSection(&b, p)
		}
	}
	b.WriteString("\n## Not shipped\n\nThese are known, and rules for them are yours to write: what would be needed could not be established.\n\n| who | images | why |\n|---|---|---|\n")
	for _, u := range unlisted {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", u.Who, spans(u.Images), u.Why)
	}
	return b.String()
}

func publisherSection(b *strings.Builder, p policy.Publisher) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n| | |\n|---|---|\n", p.Name, p.About)
	row := func(name, value string) { fmt.Fprintf(b, "| %s | %s |\n", name, value) }
	for _, x := range p.Parameters {
		many := ""
		if x.Many {
			many = "; one, or a list"
		}
		row("parameter `"+x.Name+"`", x.About+", such as `"+x.Example+"`"+many)
	}
	for _, r := range p.Rules {
		row("images", spans(r.Images))
		if r.Unsigned != "" {
			row("required", "a digest; "+r.Unsigned)
			continue
		}
		row("required", spans(r.Systems))
		for _, s := range r.Signers {
			row("signed by", signer(s))
		}
		for _, c := range r.Certificates {
			row("`"+c.Store+"`", fmt.Sprintf("%s, SHA-256 `%s`; confirmed by %s", c.Name, c.SHA256, strings.Join(c.Sources, "; by ")))
		}
		if len(r.Terms) > 0 {
			row("with", spans(r.Terms))
		}
	}
	if p.Wide != "" {
		row("**wide**", p.Wide)
	}
	row("formats", p.Formats)
	row("source", fmt.Sprintf("<%s>, as of %s", p.Source, p.Dated))
	row("checked", fmt.Sprintf("%s, confidence %s", p.Checked.Format(time.DateOnly), p.Confidence))
}

func signer(s policy.Signer) string {
	if s.Key == "" {
		return fmt.Sprintf("`%s`, vouched for by `%s`", s.Subject, s.Issuer)
	}
	text := fmt.Sprintf("key %s, SHA-256 `%s`, from %s on", s.Key, s.SHA256, s.From.Format(time.DateOnly))
	if !s.Until.IsZero() {
		text += " until " + s.Until.Format(time.DateOnly)
	}
	return text + "; found in " + strings.Join(s.Sources, "; in ")
}

func spans(texts []string) string { return "`" + strings.Join(texts, "`, `") + "`" }

// withExamples is how the command line names p.
func withExamples(p policy.Publisher) string {
	var params []string
	for _, x := range p.Parameters {
		params = append(params, x.Name+"="+x.Example)
	}
	if len(params) == 0 {
		return p.Name
	}
	return p.Name + ":" + strings.Join(params, ",")
}

// The forms that verify read every requirement of the catalogue, keys and their
// fingerprints included, and doubt only what is marked as wide.
func TestPublishersForms(t *testing.T) {
	all, err := policy.Publishers()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		t.Run(p.Name, func(t *testing.T) {
			var forms []policy.Form
			keep := func(f policy.Form) policy.Form {
				forms = append(forms, f)
				return f
			}
			systems := []policy.System{
				{Name: "sigstore", New: func() policy.Form { return keep(&sigstore.SignatureForm{}) }},
				{Name: "attestation", New: func() policy.Form { return keep(&sigstore.AttestationForm{}) }},
				{Name: "notation", New: func() policy.Form { return keep(&notation.Form{}) }},
			}
			if _, err := policy.FromPublishers([]string{withExamples(p)}, systems); err != nil {
				t.Fatal(err)
			}
			required, unlogged, wide := 0, 0, 0
			for _, r := range p.Rules {
				required += len(r.Systems)
				if slices.Contains(r.Terms, "ignore-tlog: true") {
					unlogged++
				}
				if slices.ContainsFunc(r.Signers, func(s policy.Signer) bool { return strings.HasPrefix(s.Subject, "*@") }) {
					wide++ // a whole domain, in which strangers have no address
				}
			}
			if len(forms) != required {
				t.Errorf("%d forms for %d requirements", len(forms), required)
			}
			for _, f := range forms {
				for _, d := range f.Doubts() {
					switch {
					case d.Lint == "ignore-tlog":
						unlogged--
					case p.Wide == "":
						t.Errorf("%s: %v, and it is not marked as wide", d.Lint, d.Err)
					default:
						wide++
					}
				}
			}
			if unlogged != 0 || slices.ContainsFunc(forms, unloggedIn) && !strings.Contains(p.Formats, "log") {
				t.Errorf("%d rules more do without the log than are told, or nothing is said of the log: %s", -unlogged, p.Formats)
			}
			if p.Wide != "" && wide == 0 {
				t.Error("it is marked as wide, and nothing in it is")
			}
		})
	}
}

func unloggedIn(f policy.Form) bool {
	s, ok := f.(*sigstore.SignatureForm)
	return ok && s.IgnoreLog.Value
}

// Who signs for each publisher, and who only looks like it.
func TestPublishersSigners(t *testing.T) {
	all, err := policy.Publishers()
	if err != nil {
		t.Fatal(err)
	}
	const hub = "https://github.com/"
	for name, tc := range map[string]struct{ signs, not []string }{
		"distroless": {[]string{"keyless@distroless.iam.gserviceaccount.com"}, []string{"keyless@distroless.iam.gserviceaccount.com.evil.example", "xkeyless@distroless.iam.gserviceaccount.com", "keyless@distroless-evil.iam.gserviceaccount.com"}},
		"kubernetes": {[]string{"krel-trust@k8s-releng-prod.iam.gserviceaccount.com"}, []string{"krel-staging@k8s-releng-prod.iam.gserviceaccount.com", "krel-trust@k8s-releng-prodx.iam.gserviceaccount.com"}},
		"chainguard": {[]string{hub + "chainguard-images/images/.github/workflows/release.yaml@refs/heads/main"},
			[]string{hub + "chainguard-images/images/.github/workflows/release.yaml@refs/heads/main2", hub + "chainguard-images/images/.github/workflows/release.yaml@refs/pull/1/merge", hub + "evil/images/.github/workflows/release.yaml@refs/heads/main"}},
		"docker-build": {[]string{hub + "docker/github-builder/.github/workflows/bake.yml@5f637c833aa76bc99372a1dc9a6f8bcd8056fb85", hub + "docker/github-builder/.github/workflows/build.yml@refs/tags/v1"},
			[]string{hub + "docker/github-builder-experimental/.github/workflows/bake.yml@refs/heads/main", hub + "evil/docker/github-builder/.github/workflows/bake.yml@refs/tags/v1", hub + "moby/buildkit/.github/workflows/frontend.yml@refs/heads/master"}},
		"cilium": {[]string{hub + "cilium/cilium/.github/workflows/build-images-releases.yaml@refs/tags/v1.18.0"},
			[]string{hub + "cilium/cilium/.github/workflows/build-images-releases.yaml@refs/heads/main", hub + "cilium/cilium/.github/workflows/build-images-ci.yaml@refs/tags/v1.18.0", hub + "cilium/cilium/.github/workflows/build-images-releases.yaml@refs/tags/v1/x"}},
		"flux": {[]string{hub + "fluxcd/gha-workflows/.github/workflows/controller-release.yaml@refs/tags/v0.4.0", hub + "fluxcd/flux2/.github/workflows/release.yaml@refs/tags/v2.8.1"},
			[]string{hub + "fluxcd-evil/x/.github/workflows/release.yaml@refs/tags/v1", hub + "evil/fluxcd/.github/workflows/release.yaml@refs/tags/v1"}},
		"trivy":               {[]string{hub + "aquasecurity/trivy/.github/workflows/reusable-release.yaml@refs/tags/v0.72.0"}, []string{hub + "aquasecurity/trivy-evil/.github/workflows/reusable-release.yaml@refs/tags/v0.72.0", hub + "aquasecurity/trivy/evil/x@refs/tags/v1"}},
		"prometheus-operator": {[]string{hub + "prometheus-operator/prometheus-operator/.github/workflows/publish.yaml@refs/tags/v0.86.2"}, []string{hub + "prometheus-operator/prometheus-operator/.github/workflows/publish.yaml@refs/heads/main", hub + "prometheus-operator/kube-prometheus/.github/workflows/publish.yaml@refs/tags/v0.86.2"}},
		"envoy-gateway":       {[]string{hub + "envoyproxy/gateway/.github/workflows/release.yaml@refs/tags/v1.6.0"}, []string{hub + "envoyproxy/gateway/.github/workflows/release.yaml@refs/heads/main", hub + "envoyproxy/envoy/.github/workflows/release.yaml@refs/tags/v1.6.0"}},
		"talos":               {[]string{"someone@siderolabs.com", "releasemgr-svc@talos-production.iam.gserviceaccount.com"}, []string{"someone@siderolabs.com.evil.example", "someone@evil-siderolabs.com", "siderolabs.com", "releasemgr-svc@talos-evil.iam.gserviceaccount.com"}},
		"dependabot":          {[]string{hub + "dependabot/dependabot-core/.github/workflows/images-latest.yml@refs/heads/main"}, []string{hub + "dependabot/dependabot-core/.github/workflows/images-branch.yml@refs/heads/main", hub + "dependabot/dependabot-core/.github/workflows/images-latest.yml@refs/pull/1/merge"}},
		"grafana-operator":    {[]string{hub + "grafana/grafana-operator/.github/workflows/release.yaml@refs/tags/v5.19.1"}, []string{hub + "grafana/grafana-operator/.github/workflows/pr.yaml@refs/tags/v5.19.1", hub + "grafana/grafana-operator/.github/workflows/release.yaml@refs/heads/master"}},
		"kong":                {[]string{hub + "Kong/kong-ee/.github/workflows/release.yml@refs/heads/next/3.10.x.x"}, []string{hub + "kong/kong-ee/.github/workflows/release.yml@refs/heads/main", hub + "Kong/kong/.github/workflows/release.yml@refs/heads/main", hub + "Kong/kong-ee/.github/workflows/release.yml.evil@x"}},
	} {
		i := slices.IndexFunc(all, func(p policy.Publisher) bool { return p.Name == name })
		if i < 0 {
			t.Errorf("%s is not in the catalogue", name)
			continue
		}
		accepts := func(subject string) bool {
			for _, r := range all[i].Rules {
				for _, s := range r.Signers {
					m, err := sigstore.Pattern(s.Subject)
					if err != nil {
						t.Fatal(err)
					}
					if m.Match(subject) {
						return true
					}
				}
			}
			return false
		}
		for _, s := range tc.signs {
			if !accepts(s) {
				t.Errorf("%s: %s does not count", name, s)
			}
		}
		for _, s := range tc.not {
			if accepts(s) {
				t.Errorf("%s: %s counts", name, s)
			}
		}
	}
	for _, p := range all { // identities are tied to whom they can come from
		for _, r := range p.Rules {
			for _, s := range r.Signers {
				if s.Key != "" {
					continue
				}
				if workflow := strings.HasPrefix(s.Subject, hub); strings.Contains(s.Issuer, "*") || workflow != (s.Issuer == "https://token.actions.githubusercontent.com") {
					t.Errorf("%s: issuer %q of %q", p.Name, s.Issuer, s.Subject)
				}
			}
		}
	}
}

// What Microsoft signs .NET with is accepted, and what only looks like it is not:
// names are compared whole, and count under Microsoft's own root.
func TestPublishersMicrosoft(t *testing.T) {
	var form *notation.Form
	_, err := policy.FromPublishers([]string{"microsoft-dotnet"}, []policy.System{{Name: "notation", New: func() policy.Form {
		form = &notation.Form{}
		return form
	}}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := form.Config(notation.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Certificates) != 1 || len(c.TSA) != 1 || len(c.SigningAuthority) != 0 || len(c.Identities) != 1 || c.Timestamp != notation.Always || c.Revocation != notation.Strict {
		t.Fatalf("%d certificates, %d for timestamps, identities %v, timestamp %s, revocation %s", len(c.Certificates), len(c.TSA), c.Identities, c.Timestamp, c.Revocation)
	}
	for _, tc := range []struct {
		change func(*pkix.Name)
		signs  bool
	}{
		{func(*pkix.Name) {}, true},
		{func(n *pkix.Name) { n.CommonName = "Microsoft SCD Products RSA Signing 2" }, false},
		{func(n *pkix.Name) { n.CommonName = "Microsoft SCD Claimants RSA Signing" }, false},
		{func(n *pkix.Name) { n.Organization[0] = "Microsoft Corporation " }, false},
		{func(n *pkix.Name) { n.Province[0] = "WA" }, false},
		{func(n *pkix.Name) { n.Locality = nil }, false},
	} {
		// As dotnet-docker's page shows the certificate that signed its images.
		subject := pkix.Name{Country: []string{"US"}, Province: []string{"Washington"}, Locality: []string{"Redmond"},
			Organization: []string{"Microsoft Corporation"}, CommonName: "Microsoft SCD Products RSA Signing"}
		tc.change(&subject)
		a, err := notationtest.NewAuthority(notationtest.AuthorityOptions{Subject: subject})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Identities[0].Match(a.Leaf()); got != tc.signs {
			t.Errorf("%s: %t", subject, got)
		}
	}
}
