package sigstore

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"

	"github.com/boltseal/boltseal/internal/legible"
	"github.com/boltseal/boltseal/internal/strictjson"
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

// ReadKey reads a private key: one that cosign encrypted, or unencrypted PEM
// (PKCS #8, and those of openssl ec and openssl rsa); ECDSA on P-256, P-384 or
// P-521, RSA of 2048, 3072 or 4096 bits, or Ed25519. name says where it came
// from. password is nil where none is given, which is not the same as an empty
// one; it is not looked at where the key is not encrypted. The error is a
// *verify.Error in which neither key nor password is quoted; it wraps
// ErrPassword or ErrNoPassword where that is the trouble.
func ReadKey(name string, text, password []byte) (*Key, error) {
	k, err := readKey(name, text, password)
	if err == nil {
		return k, nil
	}
	e := &verify.Error{Op: "read the private key " + name, Err: err}
	if u := (*refusedInput)(nil); errors.As(err, &u) {
		e.Err, e.Hint = u, u.hint
	}
	return nil, e
}

// A refusedInput says why a key or a token cannot be used, and what to do about it.
type refusedInput struct {
	err     error
	hint    string
	expired bool // it is sound, and not valid now
}

func (u *refusedInput) Error() string { return u.err.Error() }
func (u *refusedInput) Unwrap() error { return u.err }

// Reason tells what is wrong with the input from who did not answer.
func (u *refusedInput) Reason() verify.Reason {
	switch {
	case errors.Is(u.err, ErrKeyService):
		return verify.Unavailable
	case u.expired:
		return verify.Expired
	}
	return verify.Unsupported
}

func badInput(hint, format string, a ...any) error {
	return &refusedInput{err: fmt.Errorf(format, a...), hint: hint}
}

const (
	giveKey   = "give a private key as cosign generate-key-pair writes it, such as cosign.key"
	newKeyFor = "make one with cosign generate-key-pair"
	reimport  = "decrypt it with openssl pkey, and encrypt that again with cosign import-key-pair"
)

func readKey(name string, text, password []byte) (*Key, error) {
	signer, err := privatekey.Parse(text, privatekey.Advice{Give: giveKey, Make: newKeyFor, Decrypt: reimport}, func(block *pem.Block) ([]byte, error) {
		return decrypt(block.Bytes, password)
	})
	if e := (*privatekey.Error)(nil); errors.As(err, &e) {
		return nil, &refusedInput{err: e.Err, hint: e.Hint}
	}
	if err != nil {
		return nil, err
	}
	k, err := newKey(name, signer.Public(), inMemory(signer), false)
	if err != nil {
		return nil, &refusedInput{err: err, hint: newKeyFor}
	}
	return k, nil
}

// decrypt opens what cosign encrypted (go-securesystemslib/encrypted).
func decrypt(box, password []byte) ([]byte, error) {
	var doc struct {
		KDF struct {
			Name   string `json:"name"`
			Params struct {
				N int64 `json:"N"`
				R int64 `json:"r"`
				P int64 `json:"p"`
			} `json:"params"`
			Salt []byte `json:"salt"`
		} `json:"kdf"`
		Cipher struct {
			Name  string `json:"name"`
			Nonce []byte `json:"nonce"`
		} `json:"cipher"`
		Ciphertext []byte `json:"ciphertext"`
	}
	strict := strictjson.Shape{Names: []string{"kdf", "name", "params", "N", "r", "p", "salt", "cipher", "nonce", "ciphertext"}}
	if strict.Check(box) != nil || json.Unmarshal(box, &doc) != nil {
		return nil, badInput(giveKey, "what it holds is not how cosign encrypts a key")
	}
	if doc.KDF.Name != "scrypt" || doc.Cipher.Name != "nacl/secretbox" {
		return nil, badInput(giveKey, "it is encrypted with %q and %q; cosign does so with scrypt and nacl/secretbox", legible.Text(doc.KDF.Name, 40), legible.Text(doc.Cipher.Name, 40))
	}
	// scrypt takes 128·N·r bytes and p times as long: a hostile file could ask
	// for all there is. These are the parameters that the library can write; the
	// largest take 128 MiB.
	switch p := doc.KDF.Params; {
	case p.R == 8 && p.P == 1 && (p.N == 1<<15 || p.N == 1<<16 || p.N == 1<<17):
	default:
		return nil, badInput(giveKey, "it asks for scrypt with N=%d, r=%d, p=%d, which cosign does not", p.N, p.R, p.P)
	}
	const overhead = 16 // of nacl/secretbox
	if len(doc.KDF.Salt) == 0 || len(doc.Cipher.Nonce) != 24 || len(doc.Ciphertext) <= overhead {
		return nil, badInput(giveKey, "what it holds is damaged or cut off")
	}
	if password == nil {
		return nil, badInput("set COSIGN_PASSWORD", "%w", ErrNoPassword)
	}
	der, err := encrypted.Decrypt(box, password)
	if err != nil { // all else was looked at above
		return nil, badInput("set COSIGN_PASSWORD to the password it was made with", "%w (or it was changed)", ErrPassword)
	}
	return der, nil
}
