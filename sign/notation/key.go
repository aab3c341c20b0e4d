package notation

import (
	"crypto/x509"
	"errors"
)

// A Key signs, and has the certificates that say whose signatures they are.
type Key struct{ chain []*x509.Certificate }

// ReadKey reads an unencrypted private key (PEM: PKCS #8, and those of openssl ec
// and openssl rsa; ECDSA on P-256, P-384 or P-521, RSA of 2048, 3072 or 4096
// bits) and its certificate chain, PEM, signing certificate first and root last.
// name says where the key came from. The error is a *verify.Error in which nothing
// of the key is quoted.
func ReadKey(name string, key, chain []byte) (*Key, error) {
	return nil, errors.New("signing with Notation is not there yet")
}

// Certificates returns the chain, signing certificate first.
func (k *Key) Certificates() []*x509.Certificate { return k.chain }

// Close removes what a plugin's Key keeps on disk. It is called when all is
// signed; a second call does nothing.
func (k *Key) Close() error { return nil }
