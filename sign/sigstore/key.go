package sigstore

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	sgsign "github.com/sigstore/sigstore-go/pkg/sign"
	sgsignature "github.com/sigstore/sigstore/pkg/signature"

	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/verify"
	vsig "github.com/boltseal/boltseal/verify/sigstore"
)

// errNoKey is that of the zero Key.
var errNoKey = errors.New("there is no key to sign with")

// A Key signs. Its private half is not in what it shows of itself. The zero Key
// signs nothing.
type Key struct {
	// sign uses the private half; nil for the zero Key. A function is all that fmt
	// shows no more of than an address, whatever the verb and whatever holds it.
	sign half
	// byCurve says that the hash of an ECDSA key always goes by its curve.
	byCurve bool
	public  crypto.PublicKey
	der     []byte // SubjectPublicKeyInfo
	// verifying is the public half; nobody's for the zero Key.
	verifying vsig.Key
	// how is the algorithm that SignData signs with.
	how sgsignature.AlgorithmDetails
	// unfit says why what is asked for cannot be signed in the way its log takes;
	// nil where it can.
	unfit error
}

// A half signs message, whose digest is given unless the algorithm is plain
// Ed25519.
type half func(ctx context.Context, message, digest []byte, how sgsignature.AlgorithmDetails) ([]byte, error)

var _ sgsign.Keypair = (*Key)(nil)

// ephemeral returns a new ECDSA P-256 key, which is what every Fulcio certifies.
func ephemeral() (*Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return newKey("of this run", private.Public(), inMemory(private), false)
}

// newKey returns the Key of a public key and its other half.
func newKey(name string, public crypto.PublicKey, sign half, byCurve bool) (*Key, error) {
	if err := knownKind(public); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	k := &Key{sign: sign, byCurve: byCurve, public: public, der: der}
	text, err := k.GetPublicKeyPem()
	if err != nil {
		return nil, err
	}
	if k.verifying, err = vsig.ParseKey(name, []byte(text)); err != nil {
		return nil, err
	}
	return k.fitting(true, 0), nil
}

// knownKind returns an error unless public is of a kind that Sigstore's logs and
// verifiers know, see
// https://github.com/sigstore/architecture-docs/blob/main/algorithm-registry.md.
func knownKind(public crypto.PublicKey) error {
	switch k := public.(type) {
	case ed25519.PublicKey:
		return nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
		return fmt.Errorf("it is an ECDSA key on the curve %s; the curves of Sigstore are P-256, P-384 and P-521", k.Curve.Params().Name)
	case *rsa.PublicKey:
		switch bits := k.N.BitLen(); {
		case bits < 2048:
			return fmt.Errorf("it is an RSA key of %d bits, which is too weak; at least 2048 are needed", bits)
		case bits != 2048 && bits != 3072 && bits != 4096:
			return fmt.Errorf("it is an RSA key of %d bits; Sigstore knows those of 2048, 3072 and 4096", bits)
		}
		return nil
	}
	return errors.New("it is neither an ECDSA, an RSA nor an Ed25519 key")
}

// fit returns key as content has to be signed with it for a log of that version
// of Rekor's API, 0 for none: no one hash suits all of them. A keypair that is
// no *Key is returned as it is.
func fit(key sgsign.Keypair, content sgsign.Content, log uint32) sgsign.Keypair {
	k, ok := key.(*Key)
	if !ok || k == nil || k.sign == nil {
		return key
	}
	_, envelope := content.(*sgsign.DSSEData)
	return k.fitting(envelope, log)
}

// fitting is fit for an envelope, or else for a message.
func (k *Key) fitting(envelope bool, log uint32) *Key {
	fitted := *k
	details := protocommon.PublicKeyDetails_PUBLIC_KEY_DETAILS_UNSPECIFIED
	// What cosign verify --key takes without more flags is SHA-256 whatever the
	// curve, and plain Ed25519. It is also all that Rekor v1 takes of an envelope
	// (its type dsse v0.0.1). Rekor v2 takes what the algorithm registry has as
	// the default of a key, and of Ed25519 what can be checked with a hash only,
	// Ed25519ph; so does Rekor v1 of a message (hashedrekord), and cosign 2 signs one
	// so without a log, too.
	byCurve := log >= 2 || k.byCurve
	switch p := k.public.(type) {
	case ed25519.PublicKey:
		details = protocommon.PublicKeyDetails_PKIX_ED25519
		if log >= 2 || !envelope {
			details = protocommon.PublicKeyDetails_PKIX_ED25519_PH
		}
	case *rsa.PublicKey:
		switch p.N.BitLen() {
		case 2048:
			details = protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_2048_SHA256
		case 3072:
			details = protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_3072_SHA256
		case 4096:
			details = protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_4096_SHA256
		}
	case *ecdsa.PublicKey:
		switch {
		case p.Curve == elliptic.P256():
			details = protocommon.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256
		case p.Curve == elliptic.P384() && byCurve:
			details = protocommon.PublicKeyDetails_PKIX_ECDSA_P384_SHA_384
		case p.Curve == elliptic.P384():
			//lint:ignore SA1019 deprecated, and what cosign verify takes
			details = protocommon.PublicKeyDetails_PKIX_ECDSA_P384_SHA_256 //nolint:staticcheck // deprecated, and what cosign verify takes
		case p.Curve == elliptic.P521() && byCurve:
			details = protocommon.PublicKeyDetails_PKIX_ECDSA_P521_SHA_512
		case p.Curve == elliptic.P521():
			//lint:ignore SA1019 deprecated, and what cosign verify takes
			details = protocommon.PublicKeyDetails_PKIX_ECDSA_P521_SHA_256 //nolint:staticcheck // deprecated, and what cosign verify takes
		}
	}
	fitted.how, fitted.unfit = sgsignature.GetAlgorithmDetails(details)
	switch h := fitted.how.GetHashType(); {
	case fitted.unfit != nil || log != 1 || h == 0:
	case envelope && h != crypto.SHA256:
		fitted.unfit = &verify.Error{
			Op: "sign for a Rekor v1 log", Err: order.Refused(verify.Unsupported, "it takes bundles that are signed with SHA-256 only, and this key signs with %s", h),
			Hint: "use a signing config with a Rekor v2 log, or a P-256 key",
		}
	case !envelope && k.largeCurve():
		// Of a message it takes each curve with the hash of its size only (measured
		// with v1.5.4), which cosign cannot read there.
		fitted.unfit = &verify.Error{
			Op: "sign for a Rekor v1 log", Err: order.Refused(verify.Unsupported, "it takes no signature in the legacy format by a key on this curve that cosign could read"),
			Hint: "use a P-256 key, or the format bundle",
		}
	}
	return &fitted
}

// largeCurve reports whether k is on a curve whose own hash is not SHA-256.
func (k *Key) largeCurve() bool {
	p, ok := k.public.(*ecdsa.PublicKey)
	return ok && p.Curve != elliptic.P256()
}

// Verifying returns the public half, which is nobody's for the zero Key.
func (k *Key) Verifying() vsig.Key {
	if k == nil {
		return vsig.Key{}
	}
	return k.verifying
}

// GetHashAlgorithm returns the hash of what is signed; unspecified for plain
// Ed25519, and for the zero Key.
func (k *Key) GetHashAlgorithm() protocommon.HashAlgorithm {
	if k == nil {
		return protocommon.HashAlgorithm_HASH_ALGORITHM_UNSPECIFIED
	}
	return k.how.GetProtoHashType()
}

// GetSigningAlgorithm returns the algorithm that SignData signs with;
// unspecified for the zero Key.
func (k *Key) GetSigningAlgorithm() protocommon.PublicKeyDetails {
	if k == nil {
		return protocommon.PublicKeyDetails_PUBLIC_KEY_DETAILS_UNSPECIFIED
	}
	return k.how.GetSignatureAlgorithm()
}

// GetHint returns what a bundle calls the public key, which is what cosign calls
// it: the SHA-256 of its DER in base64. It is nil for the zero Key.
func (k *Key) GetHint() []byte {
	if k == nil || k.sign == nil {
		return nil
	}
	sum := sha256.Sum256(k.der)
	return []byte(base64.StdEncoding.EncodeToString(sum[:]))
}

// GetKeyAlgorithm returns the kind of key as Fulcio calls it, "" for the zero
// Key.
func (k *Key) GetKeyAlgorithm() string {
	if k == nil {
		return ""
	}
	switch k.public.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA"
	case *rsa.PublicKey:
		return "RSA"
	case ed25519.PublicKey:
		return "ED25519"
	}
	return ""
}

// GetPublicKey returns the public half, nil for the zero Key.
func (k *Key) GetPublicKey() crypto.PublicKey {
	if k == nil {
		return nil
	}
	return k.public
}

// GetPublicKeyPem returns the public half as a PEM "PUBLIC KEY".
func (k *Key) GetPublicKeyPem() (string, error) {
	if k == nil || k.sign == nil {
		return "", errNoKey
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.der})), nil
}

// SignData signs data, and returns the signature and what of data was signed:
// its digest, or for plain Ed25519 data itself.
func (k *Key) SignData(ctx context.Context, data []byte) (signature, signed []byte, err error) {
	if k == nil || k.sign == nil {
		return nil, nil, errNoKey
	}
	if k.unfit != nil {
		return nil, nil, k.unfit
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	signed = data
	var digest []byte
	if h := k.how.GetHashType(); h != 0 {
		d := h.New()
		d.Write(data)
		digest = d.Sum(nil)
		signed = digest
	}
	if signature, err = k.sign(ctx, data, digest, k.how); err != nil {
		return nil, nil, err
	}
	return signature, signed, nil
}

// String returns what may be shown of k.
func (k Key) String() string {
	if k.sign == nil {
		return "no key"
	}
	return k.verifying.String()
}

// Format writes what may be shown of k, whatever the verb.
func (k Key) Format(f fmt.State, verb rune) { _, _ = fmt.Fprint(f, k.String()) }

// inMemory is the private half that was read or made.
func inMemory(private crypto.Signer) half {
	return func(_ context.Context, message, digest []byte, how sgsignature.AlgorithmDetails) ([]byte, error) {
		if digest == nil {
			return private.Sign(rand.Reader, message, crypto.Hash(0))
		}
		return private.Sign(rand.Reader, digest, how.GetHashType())
	}
}
