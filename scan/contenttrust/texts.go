package contenttrust

import "strings"

// When what ends. The sources are in docs/dct-migration.md.
const (
	hubEnds   = "Docker Hub's notary ends on 2026-12-08"
	azureEnds = "Azure ends Docker Content Trust on 2028-03-31"
)

// What is said. Each text is the same wherever it is said, so that reports can
// gather the places.
const (
	switchedOn  = "DOCKER_CONTENT_TRUST is set: BuildKit and Compose never looked at it, docker 29 does not, and " + hubEnds + ": have boltseal verify look (boltseal policy init --from-dct writes its policy), and remove this by then"
	switchedOff = "DOCKER_CONTENT_TRUST is switched off, and docker 29 does not know it any more: remove it, and have boltseal verify look"

	buildBlind   = "nothing is verified here: DOCKER_CONTENT_TRUST is set, and BuildKit, which builds this, never looked at it: run boltseal verify before"
	composeBlind = "nothing is verified here: DOCKER_CONTENT_TRUST is set, and Compose never looked at it: run boltseal verify before"

	imageBlind = "this sets DOCKER_CONTENT_TRUST for what runs in the image: no build looks at it, and it vouches for nothing: have boltseal verify look at what the image is built from, and remove this"

	flagOn  = "--disable-content-trust=false asks docker to verify: BuildKit refuses it, docker 29 does not do it, and " + hubEnds + ": have boltseal verify look, and remove this by then"
	flagOff = "--disable-content-trust means nothing to docker 29, and BuildKit refuses it: remove it, and have boltseal verify look"

	serverHub   = "notary.docker.io ends on 2026-12-08: sign with boltseal sign (Sigstore or Notation), have boltseal verify look, and remove this by then"
	serverAzure = "a notary server of Azure, and " + azureEnds + ": sign beside it with boltseal sign (Sigstore or Notation), have the policy demand that, and remove this by then"
	serverOwn   = "a notary server, which docker 29 does not ask any more: boltseal verify does (dct: in a policy) until boltseal sign (Sigstore or Notation) has signed the images as well"

	passphrase = "this unlocks keys of Docker Content Trust, with which docker 29 does not sign any more, and " + hubEnds + ": sign with boltseal sign (Sigstore or Notation, or --system dct where a notary server stays), and delete the secret"

	trustSign    = noTrust + hubEnds + ": sign with boltseal sign (Sigstore or Notation, or --system dct where a notary server stays)"
	trustInspect = noTrust + "its inspect was no gate, for it did not ask the registry: use boltseal verify, or to look, boltseal trust inspect"
	trustRevoke  = noTrust + hubEnds + ": where a notary server stays, use boltseal trust revoke"
	trustKeys    = noTrust + hubEnds + ": with Sigstore, boltseal sign needs no keys; where a notary server stays, notary's own client has these commands"
	noTrust      = "docker 29 has no docker trust, and "

	notaryClient = "notary is archived since 2025-07-30, and "
	notaryNext   = ": use boltseal sign (Sigstore or Notation, or --system dct where a server stays), boltseal trust inspect and boltseal verify"

	azureTrust  = azureEnds + ", and this command with it: sign with boltseal sign (Sigstore or Notation), have the policy demand that, and switch it off by then"
	actionSigns = "this action signs with Docker Content Trust, and " + hubEnds + ": sign with boltseal's action (input sign) or boltseal sign"
)

// What is said of a file that is longer than what is looked at.
const beyond = "nobody looked for Docker Content Trust from here on: the file is larger than 1 MiB"

// trusts returns what is said of a command below docker trust; "" where it is
// none.
func trusts(command string) string {
	switch {
	case command == "sign":
		return trustSign
	case command == "inspect", command == "view":
		return trustInspect
	case command == "revoke":
		return trustRevoke
	case command == "key", command == "signer":
		return trustKeys
	case strings.HasPrefix(command, "$"): // known only when it runs
		return trustSign
	}
	return ""
}

// serverText returns what is said of a notary server that an address names.
func serverText(address string) string {
	switch name := host(address); {
	case name == "notary.docker.io":
		return serverHub
	case strings.HasSuffix(name, ".azurecr.io"):
		return serverAzure
	}
	return serverOwn
}

// notaryText returns what is said of notary's client, which asks the server at an
// address; "" is Docker Hub's.
func notaryText(address string) string {
	switch name := host(address); {
	case strings.HasSuffix(name, ".azurecr.io"):
		return notaryClient + azureEnds + notaryNext
	case address == "", name == "notary.docker.io":
		return notaryClient + hubEnds + notaryNext
	}
	return notaryClient + "docker 29 does not use its servers any more" + notaryNext
}

// host returns the host of an address, whatever else is wrong with that.
func host(address string) string {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		address = rest
	}
	address, _, _ = strings.Cut(address, "/")
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		address = address[at+1:]
	}
	address, _, _ = strings.Cut(address, ":")
	return strings.ToLower(address)
}
