package dct

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"

	"github.com/theupdateframework/notary/tuf/data"
	"github.com/theupdateframework/notary/tuf/utils"

	"github.com/boltseal/boltseal/internal/legible"
	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/sign/internal/privatekey"
	"github.com/boltseal/boltseal/verify"
)

var (
	// ErrPassword is in the error of a private key that its password does not
	// open.
	ErrPassword = errors.New("the password does not open it")
	// ErrNoPassword is in the error of an encrypted private key for which no
	// password is given.
	ErrNoPassword = errors.New("it is encrypted, and no password is given")
)

// A Key is the private key of a delegation. The zero Key cannot be used. It is
// safe for concurrent use, and kept in memory only.
type Key struct {
	private data.PrivateKey
	role    string // what its file says that it is for, such as "alice"; "" for nothing
}

// ID returns the key ID, as docker trust inspect prints it of a signer: 64
// lower-case hexadecimal digits. It is "" for the zero Key.
func (k *Key) ID() string {
	if k == nil || k.private == nil {
		return ""
	}
	return k.private.ID()
}

// The next steps for those whose key cannot be used.
const (
	giveKey = "give the private key of a delegation as PEM, as docker trust key generate makes it (~/.docker/trust/private has it as ID.key)"
	makeKey = "make a key with docker trust key generate NAME, or with openssl: ECDSA on P-256, or RSA of 2048 bits or more"
	unlock  = "decrypt it with openssl pkey, and keep the result in a secret (--key env://NAME)"
)

// advice is the same for package privatekey.
func advice() privatekey.Advice {
	return privatekey.Advice{Give: giveKey, Make: makeKey, Decrypt: unlock}
}

// ReadKey reads the private key of a delegation from PEM: PKCS #8 as notary
// encrypts it, OpenSSL's older encryption, as docker wrote it before, and without
// encryption PKCS #8 and the forms of openssl ec and openssl rsa; ECDSA on P-256,
// P-384 or P-521, RSA of at least 2048 bits, at most 64 KiB of text. name says
// where it came from. password is nil where none is given; it is not looked at
// where the key is not encrypted. The error is a *verify.Error in which neither
// key nor password is quoted; it wraps ErrPassword or ErrNoPassword where that is
// the trouble.
func ReadKey(name string, text, password []byte) (*Key, error) {
	k, err := readKey(text, password)
	if err == nil {
		return k, nil
	}
	e := &verify.Error{Op: "read the private key " + name, Err: err, Hint: giveKey}
	if p := (*privatekey.Error)(nil); errors.As(err, &p) {
		e.Err, e.Hint = order.Refused(verify.Unsupported, "%w", p.Err), p.Hint
	}
	return nil, e
}

func unusable(hint string, err error) error { return &privatekey.Error{Err: err, Hint: hint} }

func readKey(text, password []byte) (*Key, error) {
	block, err := privatekey.Block(text, advice())
	if err != nil {
		return nil, err
	}
	sealed := false
	switch block.Type {
	case "ENCRYPTED PRIVATE KEY":
		sealed = true
		err = checkSealed(block.Bytes)
	case "EC PRIVATE KEY", "RSA PRIVATE KEY":
		_, sealed = block.Headers["DEK-Info"] // as docker once wrote keys (RFC 1423, section 1.1)
	case "PRIVATE KEY":
	default: // which says what is wrong with all other kinds, and reads none of them
		err = otherKind(block)
	}
	switch {
	case err != nil:
		return nil, err
	case sealed && len(password) == 0:
		return nil, unusable("set DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", ErrNoPassword)
	case !sealed:
		password = nil // with one, the library takes every key for an encrypted one
	}
	private, err := utils.ParsePEMPrivateKey(pem.EncodeToMemory(block), string(password))
	switch {
	case err != nil && sealed: // all else was looked at above
		return nil, unusable("set DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE to the password it was made with", ErrPassword)
	case err != nil: // what it complains about is not repeated, as it has seen what is secret
		return nil, unusable(giveKey, errors.New("its PEM "+block.Type+" is damaged, or of a kind that is not known"))
	}
	if err := fitToSign(private); err != nil {
		return nil, unusable(makeKey, err)
	}
	return &Key{private: private, role: legible.Text(block.Headers["role"], maxDetail)}, nil
}

// otherKind returns the error that another package has for a block of a kind that
// is not read here.
func otherKind(block *pem.Block) error {
	_, err := privatekey.Parse(pem.EncodeToMemory(block), advice(), nil)
	if err == nil {
		err = unusable(giveKey, errors.New("it is of a kind that notary does not know"))
	}
	return err
}

// fitToSign refuses keys that Notary or its clients do not take.
func fitToSign(private data.PrivateKey) error {
	signer := private.CryptoSigner()
	if signer == nil { // the library has none for Ed25519
		return errors.New("it is neither an ECDSA nor an RSA key")
	}
	switch key := signer.Public().(type) {
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
		return errors.New("it is an ECDSA key on " + key.Params().Name + ", which is not taken")
	case *rsa.PublicKey:
		if key.N.BitLen() < leastRSA {
			return errors.New("it is an RSA key of less than 2048 bits, which is too weak")
		}
		return nil
	}
	return errors.New("it is neither an ECDSA nor an RSA key")
}

// leastRSA is the least size of an RSA key, in bits, as notary has it.
const leastRSA = 2048

// maxIterations bounds the work to derive a key from a password. notary writes
// 2048.
const maxIterations = 10_000_000

// How notary encrypts PKCS #8 (PKCS #5 v2.0, appendix A): PBES2 with PBKDF2 on
// HMAC-SHA-1, and AES-256-CBC.
var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidSHA1   = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 7}
	oidAES256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

// checkSealed refuses encrypted PKCS #8 that the library would misread: it takes
// every derivation for HMAC-SHA-1, so that the right password looked wrong, any
// number of iterations, and panics where the lengths are not those of AES.
func checkSealed(der []byte) error {
	var sealed struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	var scheme struct{ Derivation, Cipher pkix.AlgorithmIdentifier }
	var derivation struct {
		Salt       []byte
		Iterations int
		Length     int                      `asn1:"optional"`
		Hash       pkix.AlgorithmIdentifier `asn1:"optional"`
	}
	var iv []byte
	damaged := unusable(giveKey, errors.New("its PEM ENCRYPTED PRIVATE KEY is damaged"))
	if rest, err := asn1.Unmarshal(der, &sealed); err != nil || len(rest) > 0 {
		return damaged
	}
	if _, err := asn1.Unmarshal(sealed.Algorithm.Parameters.FullBytes, &scheme); err != nil || !sealed.Algorithm.Algorithm.Equal(oidPBES2) {
		return foreignSeal()
	}
	if !scheme.Derivation.Algorithm.Equal(oidPBKDF2) || !scheme.Cipher.Algorithm.Equal(oidAES256) {
		return foreignSeal()
	}
	if _, err := asn1.Unmarshal(scheme.Derivation.Parameters.FullBytes, &derivation); err != nil {
		return damaged
	}
	if hash := derivation.Hash.Algorithm; len(hash) > 0 && !hash.Equal(oidSHA1) {
		return foreignSeal()
	}
	if _, err := asn1.Unmarshal(scheme.Cipher.Parameters.FullBytes, &iv); err != nil || len(iv) != 16 {
		return damaged
	}
	switch n := len(sealed.Data); {
	case n == 0, n%16 != 0, derivation.Iterations < 1:
		return damaged
	case derivation.Iterations > maxIterations:
		return unusable(giveKey, errors.New("it asks for more than ten million iterations to derive a key from the password, and notary for 2048"))
	}
	return nil
}

// foreignSeal is about an encryption that notary's own tools do not read either.
func foreignSeal() error {
	return unusable(unlock, errors.New("it is encrypted PKCS #8, and not as notary does it (PBKDF2 with HMAC-SHA-1, AES-256-CBC)"))
}

// maxDetail bounds what is kept of others' words, in bytes.
const maxDetail = 300
