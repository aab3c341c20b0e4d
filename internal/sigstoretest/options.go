package sigstoretest

import (
	"crypto"
	"errors"
	"fmt"
	"time"
)

// Options says how to sign. The zero value lacks an Identity or a Key.
type Options struct {
	// Identity is the certificate's subject alternative name: a URI if it
	// contains "://", an e-mail address otherwise. Unused with Key.
	Identity string
	// OtherName writes Identity as the otherName that Fulcio gives to accounts
	// without an address (1.3.6.1.4.1.57264.1.7).
	OtherName bool
	// Issuer is the OIDC issuer, written in both the raw extension 1.1 and the
	// DER extension 1.8.
	Issuer string
	// Claims are further Fulcio extensions by what follows
	// 1.3.6.1.4.1.57264. in their OID. "1.2" to "1.6" are written as raw
	// strings, all others as DER UTF8String. An entry replaces what Issuer wrote.
	Claims map[string]string
	// Key, if set, signs instead of a certified ephemeral key: ECDSA, RSA or
	// Ed25519. Ed25519 signs messages and everything that goes to Rekor v2
	// prehashed (Ed25519ph), as hashedrekord demands, but other DSSE plainly.
	Key crypto.Signer
	// At is the signing time; zero means the instance's now. A certificate is
	// valid from a minute before it for ten minutes.
	At time.Time
	// LogAt is the time that the log and the timestamp authority give; zero
	// means At.
	LogAt time.Time
	// RekorV2 logs a hashedrekord 0.0.2 in Rekor v2, which has no time of its
	// own and so implies Timestamp.
	RekorV2 bool
	// Timestamp attaches an RFC 3161 timestamp.
	Timestamp bool
	// NoLog leaves out the transparency log entry.
	NoLog bool
	// NoSCT leaves out the SCT embedded in the certificate.
	NoSCT bool
	// Version is the bundle version "0.1", "0.2" or "0.3"; "" means "0.3".
	Version string
}

// resolve fills in the defaults and refuses what no Sigstore can write.
func (o Options) resolve(now time.Time) (Options, error) {
	if o.At.IsZero() {
		o.At = now
	}
	if o.LogAt.IsZero() {
		o.LogAt = o.At
	}
	if o.Version == "" {
		o.Version = "0.3"
	}
	if o.RekorV2 {
		o.Timestamp = true
	}
	switch {
	case o.Key == nil && o.Identity == "":
		return o, errors.New("sigstoretest: neither Identity nor Key is set")
	case o.Version != "0.1" && o.Version != "0.2" && o.Version != "0.3":
		return o, fmt.Errorf("sigstoretest: unknown bundle version %q", o.Version)
	case o.RekorV2 && !o.NoLog && o.Version == "0.1":
		return o, errors.New("sigstoretest: a version 0.1 bundle needs an inclusion promise, which Rekor v2 does not give")
	}
	return o, nil
}

func (o Options) mediaType() string {
	if o.Version == "0.3" {
		return "application/vnd.dev.sigstore.bundle.v0.3+json"
	}
	return "application/vnd.dev.sigstore.bundle+json;version=" + o.Version
}
