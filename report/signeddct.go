package report

import (
	"slices"
	"strings"
	"time"
)

// trustData reports whether i is a tag in the trust data of a Notary server.
func (i SignedItem) trustData() bool { return i.Format.System() == dctSystem }

// until says when what was signed expires. All of it is ours.
func (i SignedItem) until() string {
	if i.Expiry.IsZero() {
		return "does not expire"
	}
	return "expires " + i.Expiry.UTC().Format(time.RFC3339)
}

// trustData returns the command lines for tags in trust data: boltseal's, which
// requires all who signed, and docker's, which takes the root as the server shows it
// and has no flag for an authority.
func (c Consumer) trustData(items []SignedItem) []string {
	var out, names []string
	of := map[string][]SignedItem{}
	for _, i := range items {
		if of[i.Reference] == nil {
			names = append(names, i.Reference)
		}
		of[i.Reference] = append(of[i.Reference], i)
	}
	for _, name := range first(names, maxCommands/2) {
		words := []string{"boltseal", "verify"}
		root, known := strings.CutPrefix(of[name][0].Issuer, "root key ")
		if known {
			words = append(words, "--dct-root-key-ids", quoted(strings.ReplaceAll(root, ", ", ",")))
		} else {
			words = append(words, "--dct-root-public-key", "root.pub")
		}
		var signers []string
		for _, i := range of[name] {
			signer, own := strings.CutPrefix(i.Identity, "targets/")
			if own && signer != "releases" && !slices.Contains(signers, signer) {
				signers = append(signers, signer)
			}
		}
		if len(signers) > 0 {
			words = append(words, "--dct-signers", quoted(strings.Join(signers, ",")))
		}
		if c.TrustServer != "" {
			words = append(words, "--dct-server", quoted(c.TrustServer))
		}
		if c.TrustServerCA {
			words = append(words, "--dct-server-ca", "server-ca.pem")
		}
		img := of[name][0].Image
		if slices.Contains(c.Insecure, img.Ref().Registry()) {
			words = append(words, "--insecure-registry", quoted(img.Ref().Registry()))
		}
		tag := img.Ref().Name() + ":" + img.Ref().Tag()
		out = append(out, strings.Join(append(words, quoted(tag+"@"+img.Digest())), " "))
		docker := []string{"DOCKER_CONTENT_TRUST=1"}
		if c.TrustServer != "" {
			docker = append(docker, "DOCKER_CONTENT_TRUST_SERVER="+quoted(c.TrustServer))
		}
		out = append(out, strings.Join(append(docker, "docker", "pull", quoted(tag), "# up to docker 28: 29 does not look"), " "))
	}
	return out
}
