// Command plugin signs for the tests, as the plugin of a key service signs: it
// speaks the Notation plugin protocol, version 1.0, with the capability to make
// raw signatures. The id of a key is the path of its PEM file; its certificates
// are those of the file that plugin configuration "chain" names.
//
// With plugin configuration "log" it adds a line with the command to that file,
// with "fail" it refuses to sign.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// A request is that of any command.
type request struct {
	KeyID         string
	PluginConfig  map[string]string
	HashAlgorithm string
	Payload       []byte
}

func main() {
	answer, err := run(os.Args[1:])
	out := os.Stdout
	if err != nil {
		answer, out = map[string]any{"errorCode": "ERROR", "errorMessage": err.Error()}, os.Stderr
	}
	if encodeErr := json.NewEncoder(out).Encode(answer); err != nil || encodeErr != nil {
		os.Exit(1)
	}
}

func run(args []string) (map[string]any, error) {
	if len(args) != 1 {
		return nil, errors.New("one command is needed")
	}
	var r request
	if err := json.NewDecoder(os.Stdin).Decode(&r); err != nil {
		return nil, err
	}
	if name := r.PluginConfig["log"]; name != "" {
		if err := add(name, args[0]+"\n"); err != nil {
			return nil, err
		}
	}
	switch args[0] {
	case "get-plugin-metadata":
		return map[string]any{
			"name": "e2e", "description": "signs for the tests", "version": "1.0.0", "url": "https://example.com/plugin",
			"supportedContractVersions": []string{"1.0"}, "capabilities": []string{"SIGNATURE_GENERATOR.RAW"},
		}, nil
	case "describe-key":
		key, err := readKey(r.KeyID)
		if err != nil {
			return nil, err
		}
		spec, _, _ := algorithm(key)
		return map[string]any{"keyId": r.KeyID, "keySpec": spec}, nil
	case "generate-signature":
		if r.PluginConfig["fail"] != "" {
			return nil, errors.New("the vault is not open")
		}
		return sign(r)
	}
	return nil, fmt.Errorf("there is no command %q", args[0])
}

func add(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the test's own file
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func readKey(name string) (crypto.Signer, error) {
	text, err := os.ReadFile(name) //nolint:gosec // the test's own file
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM file", name)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s: %T does not sign", name, key)
	}
	return signer, nil
}

// algorithm returns what the protocol calls the key and what it signs with.
func algorithm(key crypto.Signer) (spec, name string, hash crypto.Hash) {
	hashes := map[int]crypto.Hash{256: crypto.SHA256, 384: crypto.SHA384, 521: crypto.SHA512, 2048: crypto.SHA256, 3072: crypto.SHA384, 4096: crypto.SHA512}
	kind, scheme, bits := "RSA", "RSASSA-PSS", 0
	switch key := key.Public().(type) {
	case *rsa.PublicKey:
		bits = key.N.BitLen()
	case *ecdsa.PublicKey:
		kind, scheme, bits = "EC", "ECDSA", key.Curve.Params().BitSize
	}
	hash = hashes[bits]
	return fmt.Sprintf("%s-%d", kind, bits), fmt.Sprintf("%s-SHA-%d", scheme, hash.Size()*8), hash
}

func sign(r request) (map[string]any, error) {
	key, err := readKey(r.KeyID)
	if err != nil {
		return nil, err
	}
	_, name, hash := algorithm(key)
	h := hash.New()
	h.Write(r.Payload)
	var signature []byte
	if ec, ok := key.(*ecdsa.PrivateKey); ok {
		one, two, err := ecdsa.Sign(rand.Reader, ec, h.Sum(nil))
		if err != nil {
			return nil, err
		}
		size := (ec.Params().BitSize + 7) / 8
		signature = append(one.FillBytes(make([]byte, size)), two.FillBytes(make([]byte, size))...)
	} else if signature, err = key.Sign(rand.Reader, h.Sum(nil), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(r.PluginConfig["chain"])
	if err != nil {
		return nil, err
	}
	var chain [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		chain = append(chain, block.Bytes)
	}
	return map[string]any{"keyId": r.KeyID, "signature": signature, "signingAlgorithm": name, "certificateChain": chain}, nil
}
