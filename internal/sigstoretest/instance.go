// Package sigstoretest is a whole Sigstore in memory: a Fulcio certificate
// authority, a certificate transparency log, a Rekor v1 and a Rekor v2 log and
// a timestamp authority. It signs in the formats the real services and cosign
// write, so that a verifier meets nothing made up: certificates carry a real
// embedded SCT, log entries a real inclusion proof under a signed checkpoint.
package sigstoretest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/boltseal/boltseal/internal/pkitest"
)

// Host names of the logs. A checkpoint's origin is derived from them, and a
// verifier derives the origin it expects from the base URL in the trusted root.
const (
	rekorV1Host = "rekor.localhost"
	rekorV2Host = "log2.rekor.localhost"
)

// lifetime is how far before and after Instance.now the services' keys are
// valid, so that a test can choose its signing times freely.
const lifetime = 100 * 24 * time.Hour

// Instance is one Sigstore with keys of its own. It may be used from several
// goroutines at once.
type Instance struct {
	now    time.Time
	fulcio *authority
	tsaCA  *authority
	tsa    *pkitest.TSA
	ct     *ctLog
	rekor1 *rekorLog
	rekor2 *rekorLog
}

// New makes an Instance whose keys are valid from 100 days before now to 100
// days after. Every time it writes derives from now or from Options, with one
// exception that no verifier reports: the CMS signing-time attribute inside an
// RFC 3161 timestamp.
func New(now time.Time) (*Instance, error) {
	now = now.UTC().Truncate(time.Second)
	in := &Instance{now: now}
	var err error
	if in.fulcio, err = newFulcio(in.start(), in.end()); err != nil {
		return nil, fmt.Errorf("sigstoretest: Fulcio: %w", err)
	}
	if in.tsaCA, in.tsa, err = newTSA(in.start(), in.end()); err != nil {
		return nil, fmt.Errorf("sigstoretest: TSA: %w", err)
	}
	if in.ct, err = newCTLog(); err != nil {
		return nil, fmt.Errorf("sigstoretest: CT log: %w", err)
	}
	key1, err := newKey()
	if err != nil {
		return nil, err
	}
	// Log indexes of a sharded Rekor v1 are larger than those in the tree; an
	// offset catches whoever mistakes the one for the other.
	in.rekor1, err = newRekorLog(rekorV1Host, rekorV1Host+" - 123", key1, 1000)
	if err != nil {
		return nil, fmt.Errorf("sigstoretest: Rekor v1: %w", err)
	}
	_, key2, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	in.rekor2, err = newRekorLog(rekorV2Host, rekorV2Host, key2, 0)
	if err != nil {
		return nil, fmt.Errorf("sigstoretest: Rekor v2: %w", err)
	}
	return in, nil
}

func (in *Instance) start() time.Time { return in.now.Add(-lifetime) }
func (in *Instance) end() time.Time   { return in.now.Add(lifetime) }

func newKey() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}
