package verify

import (
	"fmt"
	"time"

	"github.com/boltseal/boltseal/image"
)

// What a signature was made over.
const (
	SignedImage       = "image"                // the manifest or index that was asked for
	SignedPlatform    = "platform"             // a platform manifest of the index
	SignedAttestation = "attestation-manifest" // the BuildKit attestation manifest of a platform
)

// Evidence is one signature that satisfied a requirement.
type Evidence struct {
	System  string // "sigstore", "notation" or "dct"
	Format  string // how it was written, such as "cosign-legacy", "bundle-v0.3" or "notary-v1"
	Storage string // where it lay: "sig-tag", "att-tag", "referrer", "fallback-tag" or "notary"
	// Source is repository and tag or digest of the manifest that carries it; of
	// trust data the address of the server, repository and tag.
	Source string

	// Digest is the digest that was signed, read from the signed payload.
	Digest string
	// Signed says what Digest is: SignedImage, SignedPlatform or SignedAttestation.
	Signed string
	// Covers is the platform manifest that a signed attestation manifest names
	// in its own, signed bytes; "" where Digest vouches for itself.
	Covers   string
	Platform string // "os/arch[/variant]" where Signed is not SignedImage

	// Signer is a certificate identity, "key sha256:…" of a public key, "x509.subject:
	// …", or of trust data a role such as "targets/alice".
	Signer string
	// Issuer is the OIDC issuer, the subject of the certificate that vouches, or of
	// trust data "root key …" with the ID of its certificate; "" for a key.
	Issuer string
	// KeyName is what the policy calls the key; "" where it says nothing, and for
	// a certificate. It tells people which key it is, and proves nothing.
	KeyName string
	// Claims are the certificate's other Fulcio extensions, by the names of
	// https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md. Of Notation
	// they are "certificate" and "root" (hex SHA-256 of the DER), "scheme", "expiry"
	// (RFC 3339), "revocation" ("checked", "none named", "not checked", or "no answer:
	// " and why) and "metadata.KEY". Package verify/dct says what they are of trust data.
	Claims map[string]string

	LogIndex        *int64    // nil where no log entry was required
	SignedAt        time.Time // the earliest time a log or time authority vouches for; zero if none
	PredicateType   string    // in-toto predicate type; "" for a legacy signature
	SignedReference string    // the name the signer gave the image; "" where the format has none
}

// covers returns the digest ev vouches for.
func (ev Evidence) covers() string {
	if ev.Signed == SignedAttestation {
		return ev.Covers
	}
	return ev.Digest
}

func (ev Evidence) complete() error {
	if ev.Signer == "" || ev.System == "" || ev.Format == "" {
		return fmt.Errorf("%s: incomplete evidence", ev.System)
	}
	return nil
}

// A Candidate is one signature that was found, and why it did or did not
// satisfy the requirement. In a Verdict that failed, one that is Verified is as
// required by itself, such as for one of several platforms, and nobody vouches
// for the image by it. What a Candidate says of its signer is proven only where
// Reason is Verified, WrongSigner or WrongType.
type Candidate struct {
	System                  string // as in Evidence; "" where it is not known
	Format, Storage, Source string
	Reason                  Reason
	Err                     error // nil if Reason is Verified

	Signed   string // as in Evidence
	Platform string

	Signer, Issuer string
	KeyName        string            // as in Evidence
	Claims         map[string]string // as in Evidence
	SignedAt       time.Time         // as in Evidence
	LogIndex       *int64            // as in Evidence
	PredicateType  string

	// Differs is what kept it from being accepted, nil where that is not a
	// matter of who signed or what: the nearest of all that was expected.
	Differs *Difference
	// Accept is what a policy would have to say to accept it, nil where nothing
	// would.
	Accept *Acceptance
}

// A Difference is between what a sound signature says and the nearest of what
// was expected of it.
type Difference struct {
	// What is "identity", "issuer", "predicate type", "key", "where", or the name of a
	// certificate extension; of Notation "identity", "certificate" for the one that
	// vouches for the signer, or "metadata KEY"; of trust data "signer".
	What            string
	Found, Expected string // Expected is a pattern where the policy has one
}

// An Acceptance is what would have to stand in a policy for a signature to be
// accepted, and why that may be a mistake. It can be said in two ways: in the
// rule that refused the signature, whose other images it then counts for too, or
// in a rule for the image alone.
type Acceptance struct {
	// List is the list of the requirement that Line is to be added to, such as
	// "identities" or "keys"; "claims" for the requirement's claims, which Line
	// replaces; or "require" for the list of the rule.
	List string
	// Line is one item of that list, or the claims, as YAML on one line, without
	// the dash.
	Line string
	// At is the place of the first item of List in the policy, or, where NewList
	// says that the requirement has no such list, that of the requirement. It is
	// zero where it is not known.
	At      image.Position
	NewList bool
	// InRule says what speaks against Line, and not against Alone; "" if nothing
	// does that is known.
	InRule string

	// Alone is the one item of "require" of a rule that would accept the signature
	// and asks for nothing else, as YAML on one line, without the dash; "" where
	// there is none.
	Alone string
	// OfRule is what Alone stands in the place of, in the words of
	// [Verdict.Requirement]. What else the verdict requires, Alone does not.
	OfRule string
	// AsRule says what speaks against Alone, and not against Line.
	AsRule string

	// Unwise says what speaks against the signer, "" if nothing does that is known.
	Unwise string
	// Later says what would accept later releases too, where the signature is of
	// one release; "" where it is not, or nothing is known that would.
	Later string
}
