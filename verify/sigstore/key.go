package sigstore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	sgsignature "github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/boltseal/boltseal/verify"
)

// A Key is a public key whose signatures count. The zero Key is nobody's.
type Key struct {
	name        string              // where it came from, for messages
	title       string              // what reports call it; "" for nothing
	fingerprint string              // hex SHA-256 of the DER SubjectPublicKeyInfo
	verifiers   []*root.ExpiringKey // ways to sign with it, one of which has to fit
	public      crypto.PublicKey
	from, until time.Time // between which it counts; zero for no bound
}

// ParseKey reads a PEM public key: ECDSA, RSA of at least 2048 bits, or
// Ed25519. name says where it came from.
func ParseKey(name string, text []byte) (Key, error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return Key{}, errors.New("it holds no PEM block; give the public key, as cosign.pub has it")
	case block.Type != "PUBLIC KEY":
		return Key{}, fmt.Errorf("it is a PEM %q, not a PUBLIC KEY; give the public key, as cosign.pub has it", block.Type)
	}
	if more, _ := pem.Decode(rest); more != nil {
		return Key{}, errors.New("it holds more than one key; give each in a file of its own")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return Key{}, err
	}
	switch k := public.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return Key{}, fmt.Errorf("RSA key of %d bits; at least 2048 are needed", k.N.BitLen())
		}
	default:
		return Key{}, fmt.Errorf("%T is not a kind of key that signs images", public)
	}
	k := Key{name: name, fingerprint: fingerprint(block.Bytes), public: public}
	verifiers, err := verifiersOf(public)
	if err != nil {
		return Key{}, err
	}
	for _, v := range verifiers {
		k.verifiers = append(k.verifiers, root.NewExpiringKey(v, time.Time{}, time.Time{}))
	}
	return k, nil
}

// verifiersOf returns a verifier for each way in which Sigstore's clients and
// logs sign with a key.
func verifiersOf(public crypto.PublicKey) ([]sgsignature.Verifier, error) {
	// SHA-256 is what cosign verify takes whatever the curve, and what a Rekor v1
	// takes of an envelope.
	v, err := sgsignature.LoadVerifier(public, crypto.SHA256)
	if err != nil {
		return nil, err
	}
	verifiers := []sgsignature.Verifier{v}
	// cosign sign and Rekor v2 take the hash that is as long as the curve, and
	// of Ed25519 the signature of a hash (RFC 8032, Ed25519ph).
	own, err := sgsignature.LoadDefaultVerifier(public, options.WithED25519ph())
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P384() || k.Curve == elliptic.P521() {
			return append(verifiers, own), err
		}
	case ed25519.PublicKey:
		return append(verifiers, own), err
	}
	return verifiers, nil
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// Within returns k for signatures that were made at from or later, and before
// until; the zero time is no bound.
func (k Key) Within(from, until time.Time) Key {
	k.from, k.until = from, until
	return k
}

// Fingerprint returns the hex SHA-256 of the DER SubjectPublicKeyInfo.
func (k Key) Fingerprint() string { return k.fingerprint }

func (k Key) bounded() bool { return !k.from.IsZero() || !k.until.IsZero() }

// expired returns nil if a signature made at signed counts; that is zero where
// nobody vouches for a time. Then the end of the key has to be ahead, as whoever
// holds it later may write any date, and a beginning cannot be shown at all.
func (k Key) expired(signed, now time.Time) error {
	const day = "2006-01-02 15:04"
	what, at := "the signature was made", signed
	if signed.IsZero() {
		what, at = "no log or time authority says when the signature was made, and now is", now
	}
	switch {
	case !k.bounded():
		return nil
	case at.IsZero():
		return refuse(verify.Undecided, "%s counts for a time only, and there is no clock", k)
	case !k.until.IsZero() && !at.Before(k.until):
		return refuse(verify.Expired, "%s counts until %s (UTC); %s %s", k, k.until.UTC().Format(day), what, at.UTC().Format(day))
	case !k.from.IsZero() && signed.IsZero():
		return refuse(verify.Expired, "%s counts from %s (UTC); no log or time authority says when the signature was made", k, k.from.UTC().Format(day))
	case !k.from.IsZero() && at.Before(k.from):
		return refuse(verify.Expired, "%s counts from %s (UTC); %s %s", k, k.from.UTC().Format(day), what, at.UTC().Format(day))
	}
	return nil
}

// keyOf returns the Key of a public key.
func keyOf(name string, public crypto.PublicKey) (Key, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Key{}, err
	}
	return ParseKey(name, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// signer is how reports name the holder of k.
func (k Key) signer() string { return "key sha256:" + k.fingerprint }

func (k Key) String() string { return fmt.Sprintf("key %s (sha256:%.12s…)", k.name, k.fingerprint) }

// keyMaterial is a trust root for which every key hint means one key: a hint is
// the signer's word, and says nothing about whom the user trusts.
type keyMaterial struct {
	root.TrustedMaterial
	verifier *root.ExpiringKey
}

func (m keyMaterial) PublicKeyVerifier(string) (root.TimeConstrainedVerifier, error) {
	return m.verifier, nil
}
