package report

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A Consumer is what whoever verifies the signatures of a run has to say besides
// who signed. The zero Consumer is one of the public instance.
type Consumer struct {
	Instance    string // of Sigstore, by name; "" for the public one
	TrustedRoot bool   // whether the instance is one that only its trusted root tells of
	Repository  string // that holds the signatures, "" for the image's own
	Annotations map[string]string
	IgnoreLog   bool     // there is no log entry
	Timestamps  bool     // Notation signatures are countersigned by a timestamp authority
	Insecure    []string // registries that speak plain http, but those of this machine
	Local       []string // those of this machine, which speak plain http, too
	// TrustServer is the address of the Notary server of Docker Content Trust, ""
	// for the one that docker asks, and TrustServerCA whether it has an authority of
	// its own.
	TrustServer   string
	TrustServerCA bool
}

// maxCommands bounds the command lines of a run.
const maxCommands = 40

// Commands returns the command lines with which a consumer verifies what was
// signed, for a POSIX shell: boltseal's and those of cosign, of notation or of
// docker, for each image that was named, at most 40 of them. Files that only the
// consumer has are called cosign.pub and trusted_root.json, root.pem and
// tsa-root.pem, or server-ca.pem.
func (s Signed) Commands() []string {
	if len(s.Items) > 0 && s.Items[0].trustData() {
		return s.Consumer.trustData(s.Items)
	}
	var (
		out      []string
		notation []SignedItem
	)
	for _, m := range s.manifests() {
		if m.head.Platform != "" || len(out) >= maxCommands {
			continue // whoever verifies the index has it
		}
		if m.head.notation() {
			notation = append(notation, m.head)
			continue
		}
		signed := slices.IndexFunc(m.items, func(i SignedItem) bool { return !i.attestation() })
		if signed >= 0 {
			out = append(out, s.Consumer.cosign(m.items[signed]), s.Consumer.boltseal(m.items[signed:signed+1]))
		}
		var attested []SignedItem
		for _, i := range m.items {
			if i.attestation() && !slices.ContainsFunc(attested, func(o SignedItem) bool { return o.PredicateType == i.PredicateType }) {
				attested = append(attested, i)
				out = append(out, s.Consumer.cosign(i))
			}
		}
		if len(attested) > 0 {
			out = append(out, s.Consumer.boltseal(attested))
		}
	}
	return first(append(out, s.Consumer.notation(notation)...), maxCommands)
}

// meant says what the names in the command lines stand for, "" where there are none.
func (s Signed) meant(commands []string) string {
	switch {
	case slices.ContainsFunc(s.Items, SignedItem.trustData):
		note := "The root's key ID has to be known by another way than from the server."
		if s.Consumer.TrustServerCA {
			note += " server-ca.pem is the certificate of the server's authority, for which docker looks in ~/.docker/tls/HOST/ca.crt."
		}
		return note
	case slices.ContainsFunc(s.Items, SignedItem.notation):
		note := "root.pem is the root certificate of the signer"
		if s.Consumer.Timestamps {
			note += ", and tsa-root.pem that of the timestamp authority"
		}
		return note + ", obtained by another way than the image."
	}
	var files []string
	for _, f := range [][2]string{{"cosign.pub", "the public key"}, {"trusted_root.json", "the trusted root of the Sigstore instance"}} {
		if slices.ContainsFunc(commands, func(c string) bool { return strings.Contains(c, " "+f[0]+" ") }) {
			files = append(files, f[0]+" is "+f[1])
		}
	}
	if len(files) == 0 {
		return ""
	}
	return strings.Join(files, ", and ") + ", obtained by another way than the image."
}

// cosign returns the command line of cosign 3 for i.
func (c Consumer) cosign(i SignedItem) string {
	words := []string{"cosign", "verify"}
	if i.attestation() {
		words = []string{"cosign", "verify-attestation", "--type", quoted(i.PredicateType)}
	}
	if c.Repository != "" {
		words = append([]string{"COSIGN_REPOSITORY=" + quoted(c.Repository)}, words...)
	}
	words = append(words, c.signer(i, i.Identity, "certificate-identity")...)
	if i.Hash != "" {
		words = append(words, "--signature-digest-algorithm", quoted(i.Hash))
	}
	if c.TrustedRoot || c.Instance != "" {
		words = append(words, "--trusted-root", "trusted_root.json")
	}
	if c.IgnoreLog {
		words = append(words, "--insecure-ignore-tlog=true")
	}
	if !i.attestation() {
		for _, key := range slices.Sorted(maps.Keys(c.Annotations)) {
			words = append(words, "-a", quoted(listed(key+"="+c.Annotations[key])))
		}
	}
	if slices.Contains(c.Insecure, i.Image.Ref().Registry()) {
		words = append(words, "--allow-http-registry")
	}
	return strings.Join(append(words, quoted(i.Image.String())), " ")
}

// listed returns text as one element of the list that cosign reads each -a as,
// which is a line of CSV.
func listed(text string) string {
	if !strings.ContainsAny(text, `,"`) {
		return text
	}
	return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
}

// boltseal returns ours, for what is known of one image.
func (c Consumer) boltseal(items []SignedItem) string {
	i := items[0]
	words := []string{"boltseal", "verify"}
	if strings.Contains(i.Identity, "*") { // which would stand for others, too
		words = append(words, c.signer(i, regexp.QuoteMeta(i.Identity), "certificate-identity-regexp")...)
	} else {
		words = append(words, c.signer(i, i.Identity, "certificate-identity")...)
	}
	for _, a := range items {
		if a.attestation() {
			words = append(words, "--attestation-type", quoted(a.PredicateType))
		}
	}
	switch {
	case c.TrustedRoot:
		words = append(words, "--trusted-root", "trusted_root.json")
	case c.Instance != "":
		words = append(words, "--sigstore", quoted(c.Instance))
	}
	if c.Repository != "" {
		words = append(words, "--signature-repository", quoted(c.Repository))
	}
	if c.IgnoreLog {
		words = append(words, "--insecure-ignore-tlog")
	}
	if slices.Contains(c.Insecure, i.Image.Ref().Registry()) {
		words = append(words, "--insecure-registry", quoted(i.Image.Ref().Registry()))
	}
	return strings.Join(append(words, quoted(i.Image.String())), " ")
}

// signer returns the flags that say who must have signed.
func (c Consumer) signer(i SignedItem, identity, flag string) []string {
	if i.Issuer == "" {
		return []string{"--key", "cosign.pub"}
	}
	return []string{"--" + flag, quoted(identity), "--certificate-oidc-issuer", quoted(i.Issuer)}
}

// quoted returns s as one word of a POSIX shell.
func quoted(s string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./:@,+%="
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
