package sigstore

import (
	"context"
	"crypto"
	"errors"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	sgsign "github.com/sigstore/sigstore-go/pkg/sign"

	vsig "github.com/boltseal/boltseal/verify/sigstore"
)

var (
	// ErrPassword is that of a private key which the password does not open.
	ErrPassword = errors.New("the password does not open the key")
	// ErrNoPassword is that of an encrypted private key for which none is given.
	ErrNoPassword = errors.New("the key is encrypted, and no password is given")
)

var errNoKey = errors.New("there is no key to sign with")

// A Key signs. The zero Key signs nothing.
type Key struct{}

var _ sgsign.Keypair = (*Key)(nil)

// ReadKey reads a private key. name says where it came from; password is nil
// where none is given.
func ReadKey(name string, text, password []byte) (*Key, error) {
	if _, err := encrypted.Decrypt(text, password); err != nil {
		return nil, ErrPassword
	}
	return nil, errNoKey
}

func ephemeral() (*Key, error) { return nil, errNoKey }

// Verifying returns the public key.
func (k *Key) Verifying() vsig.Key { return vsig.Key{} }

// GetHashAlgorithm returns the hash of what is signed.
func (k *Key) GetHashAlgorithm() protocommon.HashAlgorithm {
	return protocommon.HashAlgorithm_HASH_ALGORITHM_UNSPECIFIED
}

// GetSigningAlgorithm returns the algorithm.
func (k *Key) GetSigningAlgorithm() protocommon.PublicKeyDetails {
	return protocommon.PublicKeyDetails_PUBLIC_KEY_DETAILS_UNSPECIFIED
}

// GetHint returns what a bundle calls the public key.
func (k *Key) GetHint() []byte { return nil }

// GetKeyAlgorithm returns the kind of key as Fulcio calls it.
func (k *Key) GetKeyAlgorithm() string { return "" }

// GetPublicKey returns the public key.
func (k *Key) GetPublicKey() crypto.PublicKey { return nil }

// GetPublicKeyPem returns the public key as PEM.
func (k *Key) GetPublicKeyPem() (string, error) { return "", errNoKey }

// SignData signs data, and returns the signature and what was signed.
func (k *Key) SignData(ctx context.Context, data []byte) (signature, signed []byte, err error) {
	return nil, nil, errNoKey
}
