package sigstore

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"

	"github.com/boltseal/boltseal/internal/strictjson"
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

// maxKeyFile bounds what is read as a private key, in bytes. That of RSA with
// 4096 bits, encrypted by cosign, takes 5 KiB.
const maxKeyFile = 64 << 10

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
	if len(text) > maxKeyFile {
		return nil, badInput(giveKey, "it is larger than %d KiB", maxKeyFile>>10)
	}
	block, err := onlyBlock(text)
	if err != nil {
		return nil, err
	}
	private, err := parsePrivate(block, password)
	if err != nil {
		return nil, err
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, badInput(newKeyFor, "it is a key that cannot sign")
	}
	k, err := newKey(name, signer.Public(), inMemory(signer), false)
	if err != nil {
		return nil, &refusedInput{err: err, hint: newKeyFor}
	}
	return k, nil
}

const pemBegin = "-----BEGIN "

// onlyBlock returns the one PEM block of text.
func onlyBlock(text []byte) (*pem.Block, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, badInput(giveKey, "it is empty")
	}
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, noBlock(text)
	}
	blocks := bytes.Count(text, []byte(pemBegin))
	if block.Type == "EC PARAMETERS" { // openssl ecparam writes the curve first
		if next, after := pem.Decode(rest); next != nil {
			block, rest, blocks = next, after, blocks-1
		}
	}
	switch {
	case blocks > 1:
		return nil, badInput("give the private key in a file of its own", "it holds %d PEM blocks", blocks)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, badInput("remove what follows the line -----END "+legible(block.Type, 40)+"-----", "something follows the key")
	}
	return block, nil
}

// noBlock says what text is instead of PEM.
func noBlock(text []byte) error {
	if decoded, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text))); err == nil && bytes.Contains(decoded, []byte(pemBegin)) {
		return badInput("decode it with base64 -d before it is given", "it is the base64 of a PEM file")
	}
	if bytes.Contains(text, []byte(pemBegin)) {
		if bytes.Contains(text, []byte(`\n`)) {
			return badInput(`write real line breaks instead of \n`, `its line breaks are written as \n`)
		}
		return badInput(giveKey, "its PEM block is damaged or cut off")
	}
	return badInput(giveKey, "it holds no PEM block")
}

// parsePrivate parses the key in block. What the parsers complain about is not
// repeated, as they see what is secret.
func parsePrivate(block *pem.Block, password []byte) (crypto.PrivateKey, error) {
	if strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") || block.Headers["DEK-Info"] != "" {
		return nil, badInput(reimport, "it is encrypted as OpenSSL did before PKCS #8, which protects it badly and is not read")
	}
	var private crypto.PrivateKey
	var err error
	switch block.Type {
	case "ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY":
		der, err := decrypt(block.Bytes, password)
		if err != nil {
			return nil, err
		}
		private, err = x509.ParsePKCS8PrivateKey(der)
		clear(der)
		if err != nil {
			return nil, badInput(giveKey, "what it holds encrypted is no PKCS #8 private key of a known kind")
		}
		return private, nil
	case "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, badInput(reimport, "it is an encrypted PKCS #8 key, which is not read")
	case "OPENSSH PRIVATE KEY":
		return nil, badInput("write a copy as PKCS #8 with ssh-keygen -p -m PKCS8", "it is a key of OpenSSH")
	case "PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE", "EC PARAMETERS":
		return nil, badInput("give the private key, such as cosign.key", "it is a PEM %s, which cannot sign", block.Type)
	default:
		return nil, badInput(giveKey, "it is a PEM %q, which is no private key of a known kind", legible(block.Type, 40))
	}
	if err != nil {
		return nil, badInput(giveKey, "its PEM %s is damaged, or of a kind that is not known", block.Type)
	}
	return private, nil
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
		return nil, badInput(giveKey, "it is encrypted with %q and %q; cosign does so with scrypt and nacl/secretbox", legible(doc.KDF.Name, 40), legible(doc.Cipher.Name, 40))
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
