package notation

import (
	"errors"
	"io/fs"

	"github.com/boltseal/boltseal/image"
)

// A Level is the verification level of a trust policy statement; "" is
// LevelStrict.
type Level string

// The Levels (Notary Project, trust-store-trust-policy.md, "Signature
// Verification"). Only what LevelStrict enforces is ever verified.
const (
	LevelStrict     Level = "strict"
	LevelPermissive Level = "permissive"
	LevelAudit      Level = "audit"
	LevelSkip       Level = "skip"
)

// A TrustPolicy is Notation's trustpolicy.json, with the trust stores that it
// names.
type TrustPolicy struct{}

// ReadTrustPolicy reads a trust policy.
func ReadTrustPolicy(name string, body []byte, stores fs.FS) (*TrustPolicy, error) {
	return nil, errors.New("trust policies are not read yet")
}

// For returns what the statement asks for that speaks of ref, and whether there
// is one.
func (p *TrustPolicy) For(ref image.Ref) (Config, bool) { return Config{}, false }
