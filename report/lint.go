package report

import (
	"github.com/boltseal/boltseal/verify"
)

// A lint is a Reason as readers of static analysis know it.
type lint struct {
	reason   verify.Reason
	title    string
	meaning  string
	next     string
	severity string // CVSS, from 0.1 to 10.0
	grade    string // of GitLab's code quality
}

// lints returns those that are shown: every Reason but Verified.
func lints() []lint {
	return []lint{
		{verify.BadSignature, "Bad image signature", "The signature, its certificate, its log entry, its timestamp or its payload does not hold: it was altered, or is of another image or Sigstore instance.", "Do not build from this image.", "9.3", "blocker"},
		{verify.Revoked, "Revoked signing certificate", "The certificate that signed the image was withdrawn.", "Sign the image again with a good certificate.", "9.0", "blocker"},
		{verify.WrongSigner, "Image signed by somebody else", "The image has a sound signature, by nobody who was expected.", "If the signer found is the right one, change the expected identity, issuer, key or certificate. If not, do not build from this image.", "8.8", "critical"},
		{verify.Unsigned, "Unsigned image", "Every place where a signature may lie was asked and holds none; the image exists.", "Sign the image, use a signed one, or say where its signatures lie.", "7.5", "critical"},
		{verify.WrongType, "Image without the required attestation", "The right one signed, but not what is required: an attestation instead of a signature, the reverse, or another predicate.", "Sign or attest as required, or require what is there.", "7.0", "major"},
		{verify.Expired, "Image signed with an expired certificate", "The signature has expired, or was made outside the validity of its certificate.", "Sign the image again.", "6.5", "major"},
		{verify.NoRule, "Image without a rule", "Nothing says who must have signed the image.", "Add a rule for it to the policy.", "6.0", "major"},
		{verify.Unsupported, "Unsupported image signature", "The signature has a format or an algorithm that this version of boltseal does not know.", "Use a newer boltseal, or sign in a format that it knows.", "5.5", "major"},
		{verify.Unresolved, "Image that is not known before the build", "The reference has a variable without a value, or the file cannot be read.", "Give the variable a value, or write the reference out.", "5.0", "minor"},
		{verify.NotFound, "Image not found", "The registry has no such image, or hides it.", "Check the name and the tag, or log in.", "4.0", "minor"},
		{verify.Denied, "Access to the image denied", "The registry refused the credentials, or wants some.", "Log in with an account that may pull the image.", "3.9", "minor"},
		{verify.Unavailable, "No answer about the image", "A registry, the trust root or a server that knows of revoked certificates gave no usable answer, so that nothing can be said of the image.", "Run it again.", "3.9", "minor"},
		{verify.Undecided, "Image not checked", "No check of the image ran to its end.", "Run it again.", "3.9", "minor"},
		{verify.Exempt, "Image let through unverified", "An exception of the policy, or a rule that says that the publisher does not sign, let the image through. Nobody has verified it.", "Before the exception ends, use a signed image.", "1.0", "info"},
	}
}

// lintOf returns the index of r's lint. A Reason that is none of ours has that
// of Undecided.
func lintOf(all []lint, r verify.Reason) int {
	undecided := 0
	for i, l := range all {
		switch l.reason {
		case r:
			return i
		case verify.Undecided:
			undecided = i
		}
	}
	return undecided
}

// reasonsPage explains the Reasons.
const reasonsPage = "https://github.com/boltseal/boltseal/blob/main/docs/reasons.md"
