// Package privatekey reads private keys from PEM files.
package privatekey

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/boltseal/boltseal/internal/legible"
)

// MaxFile bounds what is read as a private key, in bytes. That of RSA with 4096
// bits, encrypted by cosign, takes 5 KiB.
const MaxFile = 64 << 10

// Advice is the next step for whoever gave something that cannot be read.
type Advice struct {
	Give    string // another file
	Make    string // another key
	Decrypt string // of a key that is encrypted in a way that is not read
}

// An Error says why a private key cannot be read, and what to do about it.
// Neither quotes anything that is secret.
type Error struct {
	Err  error
	Hint string
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

func refused(hint, format string, a ...any) error {
	return &Error{Err: fmt.Errorf(format, a...), Hint: hint}
}

// Parse reads an unencrypted private key (PEM: PKCS #8, and those of openssl ec and
// openssl rsa), or one that cosign encrypted: sealed returns the PKCS #8 in it;
// nil refuses it. The error is an [*Error], or that of sealed.
func Parse(text []byte, a Advice, sealed func(*pem.Block) (der []byte, err error)) (crypto.Signer, error) {
	block, err := Block(text, a)
	if err != nil {
		return nil, err
	}
	private, err := parsePrivate(block, a, sealed)
	if err != nil {
		return nil, err
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, refused(a.Make, "it is a key that cannot sign")
	}
	return signer, nil
}

const pemBegin = "-----BEGIN "

// Block returns the one PEM block of text, whatever it holds. The error is an
// [*Error].
func Block(text []byte, a Advice) (*pem.Block, error) {
	if len(text) > MaxFile {
		return nil, refused(a.Give, "it is larger than %d KiB", MaxFile>>10)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, refused(a.Give, "it is empty")
	}
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, noBlock(text, a)
	}
	blocks := bytes.Count(text, []byte(pemBegin))
	if block.Type == "EC PARAMETERS" { // openssl ecparam writes the curve first
		if next, after := pem.Decode(rest); next != nil {
			block, rest, blocks = next, after, blocks-1
		}
	}
	switch {
	case blocks > 1:
		return nil, refused("give the private key in a file of its own", "it holds %d PEM blocks", blocks)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, refused("remove what follows the line -----END "+legible.Text(block.Type, 40)+"-----", "something follows the key")
	}
	return block, nil
}

// noBlock says what text is instead of PEM.
func noBlock(text []byte, a Advice) error {
	if decoded, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text))); err == nil && bytes.Contains(decoded, []byte(pemBegin)) {
		return refused("decode it with base64 -d before it is given", "it is the base64 of a PEM file")
	}
	if bytes.Contains(text, []byte(pemBegin)) {
		if bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
			return refused("save it as UTF-8 without a byte order mark, as it was made", "it begins with a byte order mark, which editors put there")
		}
		if bytes.Contains(text, []byte(`\n`)) {
			return refused(`write real line breaks instead of \n`, `its line breaks are written as \n`)
		}
		return refused(a.Give, "its PEM block is damaged or cut off")
	}
	return refused(a.Give, "it holds no PEM block")
}

// parsePrivate parses the key in block. What the parsers complain about is not
// repeated, as they see what is secret.
func parsePrivate(block *pem.Block, a Advice, sealed func(*pem.Block) ([]byte, error)) (crypto.PrivateKey, error) {
	if strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") || block.Headers["DEK-Info"] != "" {
		return nil, refused(a.Decrypt, "it is encrypted as OpenSSL did before PKCS #8, which protects it badly and is not read")
	}
	var private crypto.PrivateKey
	var err error
	switch block.Type {
	case "ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY":
		if sealed == nil {
			return nil, refused(a.Decrypt, "it is encrypted by cosign, which is not read here")
		}
		der, err := sealed(block)
		if err != nil {
			return nil, err
		}
		private, err = x509.ParsePKCS8PrivateKey(der)
		clear(der)
		if err != nil {
			return nil, refused(a.Give, "what it holds encrypted is no PKCS #8 private key of a known kind")
		}
		return private, nil
	case "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, refused(a.Decrypt, "it is an encrypted PKCS #8 key, which is not read")
	case "OPENSSH PRIVATE KEY":
		return nil, refused("write a copy as PKCS #8 with ssh-keygen -p -m PKCS8", "it is a key of OpenSSH")
	case "PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE", "EC PARAMETERS":
		return nil, refused(a.Give, "it is a PEM %s, which cannot sign", block.Type)
	default:
		return nil, refused(a.Give, "it is a PEM %q, which is no private key of a known kind", legible.Text(block.Type, 40))
	}
	if err != nil {
		return nil, refused(a.Give, "its PEM %s is damaged, or of a kind that is not known", block.Type)
	}
	return private, nil
}
