package sigstore

import (
	"crypto/x509"
	"slices"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
)

// A claim is one Fulcio extension of a certificate, under the name used in
// flags and reports (https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md).
type claim struct {
	name  string
	value func(certificate.Extensions) string
}

// claims lists them in the order of their object identifiers. The first five
// are the ones that cosign's flags ask for; Fulcio calls them deprecated and
// still writes them.
func claims() []claim {
	type e = certificate.Extensions
	return []claim{
		{"github-workflow-trigger", func(x e) string { return x.GithubWorkflowTrigger }},
		{"github-workflow-sha", func(x e) string { return x.GithubWorkflowSHA }},
		{"github-workflow-name", func(x e) string { return x.GithubWorkflowName }},
		{"github-workflow-repository", func(x e) string { return x.GithubWorkflowRepository }},
		{"github-workflow-ref", func(x e) string { return x.GithubWorkflowRef }},
		{"build-signer-uri", func(x e) string { return x.BuildSignerURI }},
		{"build-signer-digest", func(x e) string { return x.BuildSignerDigest }},
		{"runner-environment", func(x e) string { return x.RunnerEnvironment }},
		{"source-repository-uri", func(x e) string { return x.SourceRepositoryURI }},
		{"source-repository-digest", func(x e) string { return x.SourceRepositoryDigest }},
		{"source-repository-ref", func(x e) string { return x.SourceRepositoryRef }},
		{"source-repository-identifier", func(x e) string { return x.SourceRepositoryIdentifier }},
		{"source-repository-owner-uri", func(x e) string { return x.SourceRepositoryOwnerURI }},
		{"source-repository-owner-identifier", func(x e) string { return x.SourceRepositoryOwnerIdentifier }},
		{"build-config-uri", func(x e) string { return x.BuildConfigURI }},
		{"build-config-digest", func(x e) string { return x.BuildConfigDigest }},
		{"build-trigger", func(x e) string { return x.BuildTrigger }},
		{"run-invocation-uri", func(x e) string { return x.RunInvocationURI }},
		{"source-repository-visibility", func(x e) string { return x.SourceRepositoryVisibilityAtSigning }},
	}
}

// claimName returns the name of a claim as claims has it. The owner and the
// repository of the source may be written without their "-uri".
func claimName(s string) (name string, ok bool) {
	if slices.Contains(claimAliases(), s) {
		return s + "-uri", true
	}
	_, ok = claimOf(certificate.Extensions{}, s)
	return s, ok
}

// claimAliases are other names for claims, without the -uri at their end.
func claimAliases() []string { return []string{"source-repository", "source-repository-owner"} }

// ClaimNames returns the names of all claims.
func ClaimNames() []string {
	var names []string
	for _, c := range claims() {
		names = append(names, c.name)
	}
	return names
}

// claimOf returns the named extension; ok is false where there is no such name.
func claimOf(x certificate.Extensions, name string) (value string, ok bool) {
	for _, c := range claims() {
		if c.name == name {
			return c.value(x), true
		}
	}
	return "", false
}

// claimsOf returns the extensions that are set.
func claimsOf(x certificate.Extensions) map[string]string {
	set := map[string]string{}
	for _, c := range claims() {
		if v := c.value(x); v != "" {
			set[c.name] = v
		}
	}
	return set
}

// CertificateClaims returns the claims of a certificate by name, as
// [verify.Evidence] has them.
func CertificateClaims(leaf *x509.Certificate) (map[string]string, error) {
	summary, err := certificate.SummarizeCertificate(leaf)
	if err != nil {
		return nil, err
	}
	return claimsOf(summary.Extensions), nil
}
