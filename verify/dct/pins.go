package dct

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/theupdateframework/notary/tuf/data"

	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/certfile"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

const (
	// maxPins bounds the keys, and the certificates, of one requirement.
	maxPins = 64
	// maxSigners bounds the signers of one requirement.
	maxSigners = 64
)

// ParseRootKeyID reads the key ID of a root certificate, as docker trust inspect
// prints it: 64 hexadecimal digits in lower case. The error is a [*verify.Error].
func ParseRootKeyID(text string) (string, error) {
	fault := func(hint, problem string) (string, error) {
		return "", &verify.Error{Op: "read the key ID " + hostile.Quoted(text), Hint: hint, Err: errors.New(problem)}
	}
	const next = `copy the ID that docker trust inspect or boltseal trust inspect prints under "Root"`
	id, digest := strings.CutPrefix(text, "sha256:")
	switch _, err := hex.DecodeString(id); {
	case len(id) != 64 || err != nil:
		return fault(next, "it is not 64 hexadecimal digits")
	case digest:
		return fault("write the 64 digits alone", "sha256: is part of a digest, not of a key ID")
	case id != strings.ToLower(id):
		return fault("write it in lower case, as it is printed", "it is in upper case")
	}
	return id, nil
}

// ParseRootKey reads a public key of which a root certificate has to be: PEM, one
// block. It returns its PKIX form. name says where text came from. The error is a
// [*verify.Error].
func ParseRootKey(name string, text []byte) ([]byte, error) {
	fault := func(hint, format string, args ...any) ([]byte, error) {
		return nil, &verify.Error{Op: "read the root key of " + name, Hint: hint, Err: fmt.Errorf(format, args...)}
	}
	const give = "give the public key, as openssl x509 -pubkey -noout prints it of a root certificate"
	if len(text) > certfile.MaxBytes {
		return fault(give, "it is larger than %d bytes", certfile.MaxBytes)
	}
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return fault(give, "it is not PEM")
	case bytes.Count(text, []byte("-----BEGIN ")) > 1:
		return fault("give each key by itself", "it holds more than one PEM block")
	case len(bytes.TrimSpace(rest)) > 0:
		return fault("give the key alone", "something stands behind the key")
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return fault("give the public key alone, and keep the other where nobody else reads it", "it holds a private key")
	case block.Type == "CERTIFICATE":
		return fault("give its public key, as openssl x509 -pubkey -noout prints it; an authority that issued it is given as such", "it is a certificate")
	case block.Type != "PUBLIC KEY":
		return fault(give, "it is a %.40q, not a PUBLIC KEY", block.Type)
	}
	if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
		return fault("copy it again, whole", "%w", err)
	}
	return block.Bytes, nil
}

// ParseAuthorities reads certificates of authorities that root certificates may
// lead to: PEM, one or several, or DER, at most 64 in at most 1 MiB. name says
// where text came from. The error is a [*verify.Error].
func ParseAuthorities(name string, text []byte) ([]*x509.Certificate, error) {
	return certfile.Read(name, text, func(cert *x509.Certificate) error {
		if !cert.BasicConstraintsValid || !cert.IsCA {
			return certfile.Faultf("give the certificate of the authority that issued it; a root certificate itself is trusted by its key ID", "%s is not an authority's", certfile.Title(cert))
		}
		return nil
	})
}

// ParseServerAuthorities reads certificates that a server's has to lead to, as
// [ParseAuthorities] does. A server's own certificate may be among them.
func ParseServerAuthorities(name string, text []byte) ([]*x509.Certificate, error) {
	return certfile.Read(name, text, nil)
}

// ParseSigner reads the name of a signer, "alice" for the delegation targets/alice,
// which may be written out. The error is a [*verify.Error].
func ParseSigner(text string) (string, error) {
	name := strings.TrimPrefix(text, "targets/")
	op := "read the signer " + hostile.Quoted(text)
	switch {
	case name == "releases":
		return "", &verify.Error{Op: op, Hint: "name those who must have signed, such as alice for targets/alice, or nobody", Err: errors.New("targets/releases is where the tags of all signers stand, and nobody's own")}
	case !data.IsDelegation(data.RoleName("targets/" + name)):
		return "", &verify.Error{Op: op, Hint: "write the name as docker trust inspect prints it under \"Signers\", such as alice for targets/alice", Err: errors.New("names are of a-z, 0-9, - and _")}
	}
	return name, nil
}
