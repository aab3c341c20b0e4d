// Package sign says what is to be signed, and what was. How it is signed is for
// the packages of the systems below it.
package sign

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

// A Format is how a signature is stored. Its text is stable: flags and reports
// have it.
type Format string

// The Formats.
const (
	Bundle Format = "bundle" // a Sigstore bundle that refers to the image
	Legacy Format = "legacy" // a layer behind the tag sha256-<hex>.sig, as cosign 2 reads it
	JWS    Format = "jws"    // a Notation signature, its envelope a JSON Web Signature
	COSE   Format = "cose"   // a Notation signature, its envelope a COSE_Sign1 message
	// NotaryV1 is a tag in the trust data of a Notary (v1) server.
	NotaryV1 Format = "notary-v1"
)

// ParseFormat returns the Format that s names, of whatever system.
func ParseFormat(s string) (Format, error) {
	if f := Format(s); f.System() != "" {
		return f, nil
	}
	return "", fmt.Errorf("format %q is none of %q, %q, %q, %q and %q", s, Bundle, Legacy, JWS, COSE, NotaryV1)
}

// System returns the system whose signatures have the Format, named as in
// [verify.Evidence]; "" for what is no Format.
func (f Format) System() string {
	switch f {
	case Bundle, Legacy:
		return "sigstore"
	case JWS, COSE:
		return "notation"
	case NotaryV1:
		return "dct"
	}
	return ""
}

// A Statement is an attestation that is to be made: what is said of an image.
type Statement struct {
	Type      string          // predicate type, an absolute URI
	Predicate json.RawMessage // one JSON value
}

// An Order is what is to be signed, and how. The zero Order signs nothing.
type Order struct {
	Images []image.Pinned
	// Recursive has every manifest signed that an index lists, besides the index
	// itself.
	Recursive bool
	// Formats are those in which a signature is made; none where only Attestations
	// are.
	Formats      []Format
	Annotations  map[string]string // signed with each signature, and in no attestation
	Attestations []Statement       // made of each of Images, and not of what an index lists
	// Own are attestations besides, each list made of the one of Images whose
	// [image.Pinned.String] is its key.
	Own map[string][]Statement
	// Force makes signatures and attestations that are there already once more.
	Force bool
}

// A Record is a signature or an attestation that was read from the registry
// after the last write, and verified as a consumer would.
type Record struct {
	Reference string       // what was asked to be signed
	Image     image.Pinned // the manifest that is signed; one that an index lists where Recursive says so
	Platform  string       // "os/arch[/variant]" of such a manifest; "" where the index names none
	Format    Format
	// Storage, Source and PredicateType are as in [verify.Evidence].
	Storage, Source, PredicateType string

	Identity string // of the certificate, or "key sha256:…" of a public key; as Signer in [verify.Evidence]
	Issuer   string // OIDC issuer, or whose certificate vouches; "" for a key
	// Certificate is the SHA-256 of the signing certificate's DER, in lower-case
	// hex; "" where that is of no use to consumers, or there is none.
	Certificate string
	// Scheme is the signing scheme of a Notation signature, such as "notary.x509";
	// "" of others.
	Scheme   string
	LogIndex *int64    // nil where there is no log entry
	SignedAt time.Time // as in [verify.Evidence]
	Expiry   time.Time // when it expires; zero for never
	Bundle   []byte    // the bundle as it is stored; nil where Format is another
	Existed  bool      // it was there, and nothing was written
	Notice   string    // why consumers may refuse it for now, a sentence; "" for nothing
}

// A Failure is a signature or an attestation that was not made, or not verified
// afterwards. Records of the same image are of what else was ordered.
type Failure struct {
	Reference string       // as in Record
	Image     image.Pinned // as in Record; zero where the manifests were not known yet
	Err       error        // a *verify.Error
}

// A Result is what became of an Order.
type Result struct {
	Records  []Record // in the order of the Order, whatever was done first
	Failures []Failure
}

// Complete reports whether all that was ordered is signed and verified. The
// zero Result is not.
func (r Result) Complete() bool { return len(r.Records) > 0 && len(r.Failures) == 0 }

// Reason returns why err kept something from being signed: the Reason that err
// or an error it wraps gives by a method "Reason() verify.Reason", or what
// [registry.Reason] says. It is never one that passes.
func Reason(err error) verify.Reason {
	var r interface{ Reason() verify.Reason }
	if errors.As(err, &r) {
		if reason := r.Reason(); reason != verify.Verified && reason != verify.Exempt {
			return reason
		}
		return verify.Undecided
	}
	return registry.Reason(err)
}
