package report

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// trustStore is what the command lines call the consumer's trust store, and the
// statement of the trust policy that uses it.
const trustStore = "boltseal"

// maxNotation bounds the images of command lines: each has two, and what is told
// before takes four.
const maxNotation = (maxCommands - 4) / 2

// signingAuthority is the scheme of those who vouch for the time themselves, whose
// trust store is another (Notary Project, signing-scheme.md).
const signingAuthority = "notary.x509.signingAuthority"

// notation returns the command lines for images that are signed with Notation,
// one item of each. notation itself is told whom to trust first, in a folder of
// its own: the trust policy that somebody has stays as it is.
func (c Consumer) notation(items []SignedItem) []string {
	items = first(items, maxNotation)
	authority := slices.ContainsFunc(items, func(i SignedItem) bool { return i.Scheme == signingAuthority })
	var out []string
	for _, i := range items {
		if !authority { // which no flag of ours has
			out = append(out, c.boltsealNotation(i, "--notation-certificate", "root.pem", "--notation-identity", quoted(i.trusted())))
		}
	}
	if len(items) == 0 || c.Repository != "" && !authority { // notation looks beside the image only
		return out
	}
	store := "ca"
	if authority {
		store = "signingAuthority"
	}
	out = append(out, `export XDG_CONFIG_HOME="$(mktemp -d)"`, "notation cert add --type "+store+" --store "+trustStore+" root.pem")
	if c.Timestamps {
		out = append(out, "notation cert add --type tsa --store "+trustStore+" tsa-root.pem")
	}
	out = append(out, "printf '%s\\n' "+quoted(c.trustPolicy(store, items))+` >"$XDG_CONFIG_HOME/notation/trustpolicy.json"`)
	for _, i := range items {
		if authority {
			out = append(out, c.boltsealNotation(i, "--notation-trust-policy", `"$XDG_CONFIG_HOME/notation/trustpolicy.json"`, "--notation-trust-store", `"$XDG_CONFIG_HOME/notation/truststore"`))
		}
		if c.Repository != "" {
			continue
		}
		words := append([]string{"notation", "verify"}, c.metadata("--user-metadata")...)
		if host := i.Image.Ref().Registry(); slices.Contains(c.Insecure, host) || slices.Contains(c.Local, host) {
			words = append(words, "--insecure-registry")
		}
		out = append(out, strings.Join(append(words, quoted(i.Image.String())), " "))
	}
	return out
}

// boltsealNotation returns ours, with the words that say whom to trust.
func (c Consumer) boltsealNotation(i SignedItem, trust ...string) string {
	words := append([]string{"boltseal", "verify"}, trust...)
	if c.Timestamps && i.Scheme != signingAuthority {
		words = append(words, "--notation-tsa-certificate", "tsa-root.pem")
	}
	words = append(words, c.metadata("--notation-user-metadata")...)
	if c.Repository != "" {
		words = append(words, "--signature-repository", quoted(c.Repository))
	}
	if slices.Contains(c.Insecure, i.Image.Ref().Registry()) {
		words = append(words, "--insecure-registry", quoted(i.Image.Ref().Registry()))
	}
	return strings.Join(append(words, quoted(i.Image.String())), " ")
}

// trusted is whom a trust policy names.
func (i SignedItem) trusted() string {
	if i.Trusted != "" {
		return i.Trusted
	}
	return i.Identity
}

// metadata returns the user metadata as uses of a flag.
func (c Consumer) metadata(flag string) []string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(c.Annotations)) {
		words = append(words, flag, quoted(key+"="+c.Annotations[key]))
	}
	return words
}

// trustPolicy returns the trust policy that accepts items, and no more: one
// statement for their repositories
// (https://github.com/notaryproject/specifications/blob/main/specs/trust-store-trust-policy.md).
func (c Consumer) trustPolicy(store string, items []SignedItem) string {
	type level struct {
		Level string `json:"level"`
	}
	type statement struct {
		Name       string   `json:"name"`
		Scopes     []string `json:"registryScopes"`
		Level      level    `json:"signatureVerification"`
		Stores     []string `json:"trustStores"`
		Identities []string `json:"trustedIdentities"`
	}
	one := statement{Name: trustStore, Level: level{"strict"}, Stores: []string{store + ":" + trustStore}}
	if c.Timestamps {
		one.Stores = append(one.Stores, "tsa:"+trustStore)
	}
	for _, i := range items {
		if scope := i.Image.Ref().Name(); !slices.Contains(one.Scopes, scope) {
			one.Scopes = append(one.Scopes, scope)
		}
		if who := i.trusted(); !slices.Contains(one.Identities, who) {
			one.Identities = append(one.Identities, who)
		}
	}
	text, err := json.Marshal(struct {
		Version  string      `json:"version"`
		Policies []statement `json:"trustPolicies"`
	}{"1.0", []statement{one}})
	if err != nil { // of strings there is none
		return ""
	}
	return string(text)
}
