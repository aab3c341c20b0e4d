package dct

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/go/canonical/json"
	"github.com/theupdateframework/notary"
	"github.com/theupdateframework/notary/tuf/data"
	"github.com/theupdateframework/notary/tuf/signed"
	"github.com/theupdateframework/notary/tuf/utils"

	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// strong refuses a root by which a role could not sign with keys that count: its
// signatures would look forged.
func strong(raw []byte) error {
	s, err := parseSigned(raw)
	if err != nil {
		return judged(err)
	}
	root, err := data.RootFromSigned(s)
	if err != nil {
		return judged(err)
	}
	for _, name := range []data.RoleName{data.CanonicalTargetsRole, data.CanonicalSnapshotRole, data.CanonicalTimestampRole} {
		role, err := root.BuildBaseRole(name)
		if err == nil {
			err = enough(role)
		}
		if err != nil {
			return judged(err)
		}
	}
	return nil
}

// enough refuses a role that has fewer keys that count than have to sign.
func enough(role data.BaseRole) error {
	count, why := 0, error(nil)
	for _, key := range role.ListKeys() {
		if err := counts(key); err != nil {
			why = err
			continue
		}
		count++
	}
	if why == nil || count >= role.Threshold {
		return nil
	}
	return refuse(verify.Unsupported, "%s needs %d keys, of which %d count: %w", role.Name, role.Threshold, count, why)
}

// counts says why signatures of a key are never taken for sound; nil if they are.
func counts(key data.PublicKey) error {
	var public any
	var err error
	switch key.Algorithm() {
	case data.ED25519Key:
		if len(key.Public()) != ed25519.PublicKeySize {
			return fmt.Errorf("key %s has %d bytes, not %d", key.ID(), len(key.Public()), ed25519.PublicKeySize)
		}
		return nil
	case data.ECDSAKey, data.RSAKey:
		public, err = x509.ParsePKIXPublicKey(key.Public())
	case data.ECDSAx509Key, data.RSAx509Key:
		var cert *x509.Certificate
		if cert, err = utils.LoadCertFromPEM(key.Public()); err == nil {
			public = cert.PublicKey
		}
	default:
		return fmt.Errorf("key %s is a %s; known are ecdsa, rsa and ed25519", key.ID(), hostile.Quoted(key.Algorithm()))
	}
	if err != nil {
		return fmt.Errorf("key %s cannot be read: %w", key.ID(), err)
	}
	switch public := public.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < notary.MinRSABitSize {
			return fmt.Errorf("key %s has %d bits, RSA needs %d", key.ID(), bits, notary.MinRSABitSize)
		}
	case *ecdsa.PublicKey:
	default:
		return fmt.Errorf("key %s is not what it calls itself", key.ID())
	}
	return nil
}

// weakened is err, or the certificate of a delegation that the client does not
// take, of which it only says that.
func (r *remote) weakened(err error) error {
	for _, told := range []bool{is[*refusal](err), is[signed.ErrExpired](err), is[signed.ErrRoleThreshold](err), is[signed.ErrLowVersion](err), is[data.ErrMismatchedChecksum](err)} {
		if told {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, a := range r.known {
		if a.err != nil || !strings.HasPrefix(name, targets) {
			continue
		}
		if why := weakCertificate(a.body); why != nil {
			return refuse(verify.Unsupported, "the certificate of a delegation: %w", why)
		}
	}
	return err
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// weakCertificate returns why the client does not take a certificate that targets
// delegate to; nil if it takes all.
func weakCertificate(raw []byte) error {
	var doc struct {
		Signed struct {
			Delegations data.Delegations `json:"delegations"`
		} `json:"signed"`
	}
	if json.Unmarshal(raw, &doc) != nil {
		return nil
	}
	for _, key := range doc.Signed.Delegations.Keys {
		if !slices.Contains([]string{data.ECDSAx509Key, data.RSAx509Key}, key.Algorithm()) {
			continue
		}
		if cert, err := utils.LoadCertFromPEM(key.Public()); err == nil {
			if err := utils.ValidateCertificate(cert, false); err != nil {
				return fmt.Errorf("%s%w", weakness(cert), err)
			}
		}
	}
	return nil
}

// weakness says what of a certificate does not count, with a colon; "" if that is
// nothing of the kind.
func weakness(cert *x509.Certificate) string {
	switch cert.SignatureAlgorithm {
	case x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return "it is signed with SHA-1: "
	}
	if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < notary.MinRSABitSize {
		return fmt.Sprintf("its RSA key has %d bits, and needs %d: ", key.N.BitLen(), notary.MinRSABitSize)
	}
	return ""
}
