package sigstore

import (
	"fmt"
	"net/url"
	"strings"
)

// SignPredicate is the predicate type that makes a bundle a signature. Any
// other is an attestation, which must not count as one.
const SignPredicate = "https://sigstore.dev/cosign/sign/v1"

// shortPredicates are the names that cosign --type takes.
func shortPredicates() map[string]string {
	return map[string]string{
		"slsaprovenance":   "https://slsa.dev/provenance/v0.2",
		"slsaprovenance02": "https://slsa.dev/provenance/v0.2",
		"slsaprovenance1":  "https://slsa.dev/provenance/v1",
		"spdx":             "https://spdx.dev/Document",
		"spdxjson":         "https://spdx.dev/Document",
		"cyclonedx":        "https://cyclonedx.org/bom",
		"link":             "https://in-toto.io/Link/v1",
		"vuln":             "https://cosign.sigstore.dev/attestation/vuln/v1",
		"openvex":          "https://openvex.dev/ns",
		"custom":           "https://cosign.sigstore.dev/attestation/v1",
	}
}

// PredicateType returns the predicate type that s names: one of cosign's short
// names, or an absolute URI, which is returned as it is.
func PredicateType(s string) (string, error) {
	if t, ok := shortPredicates()[s]; ok {
		return t, nil
	}
	if u, err := url.Parse(s); err != nil || u.Scheme == "" || (u.Host == "" && u.Opaque == "") || strings.TrimSpace(s) != s {
		return "", fmt.Errorf("%q is neither a URI nor one of slsaprovenance, slsaprovenance1, spdx, cyclonedx, vuln, openvex, link, custom", s)
	}
	if s == SignPredicate {
		return "", fmt.Errorf("%q is a signature, not an attestation", s)
	}
	return s, nil
}
