package cli

import "maps"

// What people who come from other programs write. None of it is taken for
// something else here: they are told what to write.

// commandElsewhere returns what to write for a command of cosign's, notation's or
// docker's, "" if it is none of those.
func commandElsewhere(name string) string {
	switch name {
	case "attest":
		return "write boltseal sign IMAGE --attest TYPE=FILE --attest-only"
	case "verify-attestation":
		return "write boltseal verify IMAGE --attestation-type TYPE"
	case "generate-key-pair", "import-key-pair":
		return "make the key with cosign generate-key-pair, or with openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
	case "sign-blob", "attest-blob", "verify-blob", "verify-blob-attestation":
		return "use cosign for it: boltseal signs and verifies images"
	case "initialize":
		return "leave it out: the trust root is fetched when it is needed; a private instance is named by --tuf-mirror and --tuf-root"
	case "login":
		return "write docker login: its configuration is read"
	case "tree", "triangulate", "inspect", "list", "ls":
		return "write boltseal trust inspect IMAGE, which shows who has signed it"
	}
	return ""
}

// flagElsewhere returns what to write for a flag of cosign's, or of a scanner's, in
// a command of ours that has no flag of that name; "" if it is none of those.
func flagElsewhere(command, name string) string {
	switch command {
	case "sign":
		return signElsewhere()[name]
	case "verify":
		return verifyElsewhere()[name]
	}
	return ""
}

// inputElsewhere returns what to write for an input of another Action, or a flag of
// cosign's; "" if it is none of those.
func inputElsewhere(name string, signs bool) string {
	const plugin = "put the plugin's program on the runner in a step before, and name it in plugin, its SHA-256 in plugin-sha256"
	switch name {
	case "cosign-release", "install-dir", "use-sudo": // of sigstore/cosign-installer
		return leftOut + "nothing has to be installed before"
	case "target_artifact_reference": // this one and those that follow of notaryproject/notation-action
		return "write sign with the image that was pushed, or images with those to verify"
	case "plugin_name", "plugin_url", "plugin_checksum":
		return plugin
	case "signature_format":
		return "write format"
	case "allow_referrers_api", "force_referrers_tag":
		return leftOut + "the referrers API is used where the registry has it, else the tag"
	case "verbose":
		return leftOut + "the job summary says what was done, and the outputs all of it"
	case "trust_policy":
		return "write notation-trust-policy"
	case "trust_store":
		return "write notation-trust-store"
	}
	command := "verify"
	if signs {
		command = "sign"
	}
	return flagElsewhere(command, name)
}

// What several flags of cosign's come to.
const (
	leftOut      = "leave it out: "
	tokenHere    = leftOut + "the token comes from the GitHub runner, SIGSTORE_ID_TOKEN or --identity-token, and no browser is opened"
	servicesHere = "name the services with --signing-config and whom to trust with --trusted-root; those of the public instance need neither"
	bundleHere   = "write --bundle-dir DIR, which gets each bundle: signature, certificate and log entry"
	pushedHere   = leftOut + "what is signed is pushed, and verified from the registry"
	attestHere   = "write --attest TYPE=FILE, and --attest-only for no signature"
	noTokens     = leftOut + "hardware tokens are not read; a key service is named with --key NAME://…"
	quietHere    = leftOut + "the report says what was done, and --output json all of it"
)

// registryElsewhere are flags that speak of registries, and how programs run.
func registryElsewhere() map[string]string {
	const mutual = leftOut + "registries are asked without a certificate of the client"
	return map[string]string{
		"allow-http-registry":     "write --insecure-registry HOST for that registry; loopback needs nothing",
		"allow-insecure-registry": "write --registry-cacert FILE with the authority of the registry's certificate",
		"k8s-keychain":            leftOut + "the docker configuration and its credential helpers are read; log in before with docker login",
		"registry-client-cert":    mutual,
		"registry-client-key":     mutual,
		"registry-password":       "write --registry-password-stdin, and pipe it in: a command line is no place for secrets",
		"registry-server-name":    mutual,
		"registry-token":          "log in before with docker login, or pipe it in as a password with --registry-username and --registry-password-stdin",
		"sk":                      noTokens,
		"slot":                    noTokens,
		"d":                       quietHere,
		"verbose":                 quietHere,
		"t":                       "write --timeout DURATION",
	}
}

// signElsewhere has flags of cosign sign and cosign attest, and of Trivy.
func signElsewhere() map[string]string {
	const (
		never  = leftOut + "nothing is asked"
		format = "write --format bundle, which is the default, or --format legacy"
		by     = leftOut + "who signs follows from the token or the key; consumers name it to boltseal verify"
		own    = leftOut + "certificates come from Fulcio; --system notation signs with a certificate of your own"
	)
	all := map[string]string{
		"attachment":                     attestHere,
		"attachment-tag-prefix":          attestHere,
		"bundle":                         bundleHere,
		"cert":                           own,
		"cert-chain":                     own,
		"certificate":                    own,
		"certificate-identity":           by,
		"certificate-oidc-issuer":        by,
		"exit-code":                      leftOut + "the exit code is 1 if findings refuse the signature",
		"fulcio-auth-flow":               tokenHere,
		"fulcio-url":                     servicesHere,
		"ignore-policy":                  "write --scan-allow FILE, of which docs/scan-report.md says what is in it",
		"ignorefile":                     "write --scan-allow FILE, of which docs/scan-report.md says what is in it",
		"insecure-ignore-tlog":           "write --tlog-upload=false, with --key",
		"insecure-skip-verify":           leftOut + "nothing counts as signed before it was verified",
		"issue-certificate":              leftOut + "a key signs by itself, and without --key the identity of the job does",
		"new-bundle-format":              format,
		"no-upload":                      pushedHere,
		"oidc-client-secret-file":        tokenHere,
		"oidc-disable-ambient-providers": tokenHere,
		"oidc-issuer":                    tokenHere,
		"oidc-provider":                  tokenHere,
		"oidc-redirect-url":              tokenHere,
		"output-attestation":             bundleHere,
		"output-certificate":             bundleHere,
		"output-payload":                 bundleHere,
		"output-signature":               bundleHere,
		"payload":                        leftOut + "what is signed is made of the image's digest",
		"predicate":                      attestHere,
		"r":                              "write --recursive",
		"record-creation-timestamp":      leftOut + "the log and the timestamp authority say when it was signed",
		"registry-referrers-mode":        format + "; the referrers API is used where the registry has it",
		"rekor-entry-type":               servicesHere,
		"rekor-url":                      servicesHere,
		"replace":                        leftOut + "what is there already is not made again; --force makes another",
		"sbom":                           attestHere + ", with the type spdx or cyclonedx",
		"severity":                       "write --fail-on SEVERITY, the least that refuses",
		"sign-container-identity":        leftOut + "the name of the repository is signed",
		"statement":                      attestHere + ", where the file has the statement's predicate alone: jq .predicate",
		"timestamp-client-cacert":        servicesHere,
		"timestamp-client-cert":          servicesHere,
		"timestamp-client-key":           servicesHere,
		"timestamp-server-name":          servicesHere,
		"timestamp-server-url":           servicesHere,
		"type":                           attestHere,
		"upload":                         pushedHere,
		"use-signing-config":             leftOut + "it is always so; a file of your own is named by --signing-config",
		"y":                              never,
		"yes":                            never,
	}
	maps.Copy(all, registryElsewhere())
	return all
}

// verifyElsewhere has flags of cosign verify and cosign verify-attestation.
func verifyElsewhere() map[string]string {
	const (
		always  = leftOut + "it is always so"
		formats = leftOut + "every format is considered for every image"
		root    = "describe the instance in a trusted_root.json, and name that with --trusted-root"
		claims  = leftOut + "annotations are not looked at, and the digest always is"
	)
	all := map[string]string{
		"a":                           claims,
		"annotation":                  claims,
		"annotations":                 claims,
		"ca-intermediates":            root,
		"ca-roots":                    root,
		"certificate":                 leftOut + "it stands beside the signature",
		"certificate-chain":           root,
		"check-claims":                claims,
		"experimental-oci11":          formats,
		"insecure-ignore-sct":         root,
		"max-workers":                 "write --jobs N",
		"new-bundle-format":           formats,
		"o":                           "write --output FORMAT",
		"offline":                     always + ": the log is not asked",
		"private-infrastructure":      root,
		"rekor-url":                   leftOut + "the log is not asked; --trusted-root or --tuf-mirror says whose it may be",
		"sct":                         root,
		"signature-digest-algorithm":  leftOut + "the signature says it",
		"timestamp-certificate-chain": root,
		"type":                        "write --attestation-type TYPE",
		"use-signed-timestamps":       always,
	}
	maps.Copy(all, registryElsewhere())
	return all
}
