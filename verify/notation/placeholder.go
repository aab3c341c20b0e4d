package notation

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"net/url"
	"time"

	"github.com/notaryproject/notation-core-go/revocation/purpose"
	"github.com/notaryproject/notation-core-go/revocation/result"
	_ "github.com/notaryproject/notation-core-go/signature"
	_ "github.com/notaryproject/notation-go/verifier"
	_ "github.com/notaryproject/notation-plugin-framework-go/plugin"
	_ "github.com/notaryproject/tspclient-go"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

var errNotYet = errors.New("it is not there yet")

// An Identity is who may sign. The zero Identity matches nobody.
type Identity struct{ text string }

// ParseIdentity reads an identity.
func ParseIdentity(s string) (Identity, error) { return Identity{}, errNotYet }

// String returns the identity as a trust policy has it.
func (id Identity) String() string { return id.text }

// ParseCertificates reads certificates.
func ParseCertificates(name string, text []byte) ([]*x509.Certificate, error) { return nil, errNotYet }

// A Revocation says what becomes of a certificate of which it is not known
// whether it was revoked.
type Revocation string

// The Revocations; "" is Strict.
const (
	Strict Revocation = "strict"
	Soft   Revocation = "soft"
	Off    Revocation = "off"
)

// ParseRevocation reads a Revocation.
func ParseRevocation(s string) (Revocation, error) { return "", errNotYet }

// A Timestamp says when a signature needs a countersignature.
type Timestamp string

// The Timestamps; "" is Always.
const (
	Always      Timestamp = "always"
	AfterExpiry Timestamp = "after-expiry"
)

// ParseTimestamp reads a Timestamp.
func ParseTimestamp(s string) (Timestamp, error) { return "", errNotYet }

// A Level is a verification level of a trust policy; "" is strict.
type Level string

// A TrustPolicy is a trustpolicy.json.
type TrustPolicy struct{}

// ReadTrustPolicy reads a trust policy.
func ReadTrustPolicy(name string, body []byte, stores fs.FS) (*TrustPolicy, error) {
	return nil, errNotYet
}

// For returns the requirement for ref.
func (p *TrustPolicy) For(ref image.Ref) (Config, bool) { return Config{}, false }

// Env is what a Form is made with.
type Env struct {
	ReadFile func(yamlshape.Text) ([]byte, error)
}

// A Form is the requirement "notation" of a policy.
type Form struct{}

// Config returns the requirement.
func (f *Form) Config(env Env) (Config, error) { return Config{}, errNotYet }

// An Asker asks servers whether certificates were revoked.
type Asker struct{}

// NewAsker returns an Asker.
func NewAsker(proxy func(*url.URL) (*url.URL, error), userAgent string) *Asker { return &Asker{} }

// ask returns what is known of each certificate of chain.
func (a *Asker) ask(ctx context.Context, what purpose.Purpose, chain []*x509.Certificate, signedAt time.Time) ([]*result.CertRevocationResult, error) {
	return nil, errNotYet
}
