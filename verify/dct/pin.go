package dct

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/go/canonical/json"
	"github.com/theupdateframework/notary/trustpinning"
	"github.com/theupdateframework/notary/tuf/data"
	"github.com/theupdateframework/notary/tuf/utils"

	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// What spoke for a root, as [Collection].Pin and the claim "pin" of evidence say.
const (
	PinKeyID     = "root key id"
	PinPublicKey = "root public key"
	PinAuthority = "root ca"
	PinFirstUse  = "first use"
)

// A rootKey is a key of the role root, as a root.json has it.
type rootKey struct {
	id        string // of the certificate, as docker trust inspect prints it
	canonical string // of the key, as notary key list prints it
	leaf      *x509.Certificate
	between   []*x509.Certificate
	err       error // why it cannot vouch for anything; a *refusal, nil if it can
}

// A root is a root.json of which nothing is checked but its structure.
type root struct {
	version, threshold int
	keys               []rootKey
}

// readRoot reads a root.json for its keys.
func readRoot(gun string, raw []byte, now time.Time) (*root, error) {
	bad := func(err error) (*root, error) {
		return nil, &refusal{reason: verify.BadSignature, err: fmt.Errorf("the file of root: %w", clipped{err})}
	}
	var s data.Signed
	if err := json.Unmarshal(raw, &s); err != nil {
		return bad(err)
	}
	signed, err := data.RootFromSigned(&s)
	if err != nil {
		return bad(err)
	}
	role := signed.Signed.Roles[data.CanonicalRootRole]
	r := &root{version: signed.Signed.Version, threshold: role.Threshold}
	for _, id := range role.KeyIDs {
		r.keys = append(r.keys, readRootKey(gun, signed.Signed.Keys[id], now))
	}
	if len(r.keys) == 0 {
		return bad(errors.New("it has no keys of its own"))
	}
	return r, nil
}

// readRootKey reads a key of the role root: a certificate for the collection, and
// after it those that lead to an authority, as the client reads it.
func readRootKey(gun string, key data.PublicKey, now time.Time) rootKey {
	k := rootKey{id: key.ID()}
	certs, err := utils.LoadCertBundleFromPEM(key.Public())
	if err != nil {
		k.err = refuse(verify.BadSignature, "root key %s is no certificate: %w", k.id, err)
		return k
	}
	k.leaf, k.between = certs[0], certs[1:]
	if k.canonical, err = utils.CanonicalKeyID(key); err != nil {
		k.canonical = ""
	}
	k.err = k.check(gun, now)
	return k
}

// check returns why the key cannot vouch for the collection, whoever trusts it.
func (k rootKey) check(gun string, now time.Time) error {
	switch {
	case k.leaf.IsCA:
		return refuse(verify.BadSignature, "root key %s is the certificate of an authority, not of a root", k.id)
	case slices.ContainsFunc(k.between, func(c *x509.Certificate) bool { return !c.IsCA }):
		return refuse(verify.BadSignature, "root key %s has more than one certificate that is no authority's", k.id)
	case !trustpinning.MatchCNToGun(k.leaf.Subject.CommonName, data.GUN(gun)):
		return &refusal{reason: verify.WrongSigner, err: &verify.Error{
			Op: "check root key " + k.id, Err: fmt.Errorf("its certificate is for %s, not for %s", hostile.Quoted(k.leaf.Subject.CommonName), gun),
			Hint: "check the name of the image: these are the trust data of another collection, or of one that was moved",
		}}
	}
	var counted []*x509.Certificate
	for _, c := range append([]*x509.Certificate{k.leaf}, k.between...) {
		if err := utils.ValidateCertificate(c, false); err != nil {
			return &refusal{reason: verify.Unsupported, err: &verify.Error{
				Op: "check root key " + k.id, Err: fmt.Errorf("%s%w", weakness(c), err),
				Hint: "have its owner rotate the root to a key that counts today (notary key rotate " + gun + " root)",
			}}
		}
		if err := utils.ValidateCertificate(c, true); err != nil {
			return &refusal{reason: verify.Expired, err: &verify.Error{
				Op: "check root key " + k.id, Err: fmt.Errorf("its certificate %s counts from %s to %s: %w", hostile.Quoted(c.Subject.CommonName), day(c.NotBefore), day(c.NotAfter), err),
				Hint: "have its owner renew it (notary key rotate " + gun + " root); if nobody does, as for Docker's official images, ask for another kind of signature",
			}}
		}
		if c != k.leaf {
			counted = append(counted, c)
		}
	}
	// The client finds the key by the ID of what it writes itself.
	if key, err := utils.CertBundleToKey(k.leaf, counted); err != nil || key.ID() != k.id {
		return refuse(verify.Unsupported, "root key %s is not written as the client writes certificates of RSA and ECDSA keys", k.id)
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// pinned reports whether c trusts the key, and by what; "" if it does not.
func (c Config) pinned(k rootKey, now time.Time) string {
	switch {
	case c.TOFU:
		return PinFirstUse
	case slices.Contains(c.RootKeyIDs, k.id):
		return PinKeyID
	case k.leaf == nil:
		return ""
	}
	if der, err := x509.MarshalPKIXPublicKey(k.leaf.PublicKey); err == nil && slices.ContainsFunc(c.RootKeys, func(want []byte) bool { return bytes.Equal(want, der) }) {
		return PinPublicKey
	}
	if c.leads(k, now) {
		return PinAuthority
	}
	return ""
}

// leads reports whether the key's certificate leads to an authority of c, or did
// before one of them expired.
func (c Config) leads(k rootKey, now time.Time) bool {
	if len(c.RootCA) == 0 {
		return false
	}
	o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	for _, cert := range c.RootCA {
		o.Roots.AddCert(cert)
	}
	for _, cert := range k.between {
		o.Intermediates.AddCert(cert)
	}
	times := []time.Time{now}
	if Reason(k.err) == verify.Expired {
		times = append(times, k.leaf.NotBefore, k.leaf.NotAfter)
	}
	for _, o.CurrentTime = range times {
		if _, err := k.leaf.Verify(o); err == nil {
			return true
		}
	}
	return false
}

// A vouched is what speaks for a root.
type vouched struct {
	pin string
	ids []string // of the keys that are trusted, and may vouch
}

// vouch returns which keys of r, a root that the server shows or that is
// remembered, c trusts. That they have signed r is for the client to check.
func (c Config) vouch(r *root, now time.Time) (vouched, error) {
	var v vouched
	var why error // the first of those that are trusted and cannot vouch
	for _, k := range r.keys {
		pin := c.pinned(k, now)
		switch {
		case pin == "":
		case k.err != nil && why == nil:
			why = k.err
		case k.err == nil:
			if v.pin == "" {
				v.pin = pin
			}
			v.ids = append(v.ids, k.id)
		}
	}
	switch {
	case len(v.ids) == 0 && why != nil:
		return vouched{}, why
	case len(v.ids) == 0:
		return vouched{}, c.stranger(r)
	case len(v.ids) < r.threshold:
		return vouched{}, c.tooFew(r, v)
	}
	return v, nil
}

// stranger says that nobody who is trusted has a key in r.
func (c Config) stranger(r *root) error {
	var found []string
	for _, k := range r.keys {
		found = append(found, k.id)
		if k.canonical != "" && k.canonical != k.id && slices.Contains(c.RootKeyIDs, k.canonical) {
			return &refusal{reason: verify.WrongSigner, err: &verify.Error{
				Op:   "match the root of the trust data",
				Err:  fmt.Errorf("%s is the ID of the root key itself, as notary key list prints it; what is pinned is the ID of its certificate, which is %s", k.canonical, k.id),
				Hint: "write " + k.id + " in its place",
			}}
		}
	}
	return &refusal{reason: verify.WrongSigner, err: &verify.Error{
		Op:   "match the root of the trust data",
		Err:  fmt.Errorf("its root keys are %s, and none is %s", some(found), c.expected()),
		Hint: "find out from its owner whether the root was rotated; if it was, " + c.adopt(),
	}}
}

// adopt says how to trust another root, in the way in which one is.
func (c Config) adopt() string {
	switch {
	case len(c.RootKeyIDs) > 0 && c.Flags:
		return "add the new ID to " + c.called("roots") + " beside the old one; each repository has an ID of its own: for several, give the public key with --dct-root-public-key"
	case len(c.RootKeyIDs) > 0:
		return "add the new ID to roots beside the old one; each repository has an ID of its own: for several, put the public key into roots"
	case len(c.RootKeys) > 0 && c.Flags:
		return "give its public key with --dct-root-public-key"
	case len(c.RootKeys) > 0:
		return "add its public key to roots beside the old one"
	}
	return "give the authority that issued the new one with " + c.called("ca")
}

// tooFew says that a root wants more keys than are trusted.
func (c Config) tooFew(r *root, v vouched) error {
	return &refusal{reason: verify.WrongSigner, err: &verify.Error{
		Op:   "match the root of the trust data",
		Err:  fmt.Errorf("%d of its keys have to sign the root, and only %s is trusted", r.threshold, some(v.ids)),
		Hint: "name all keys that have to sign it in " + c.called("roots"),
	}}
}

// expected is what c asks of a root, in words.
func (c Config) expected() string {
	var names []string
	if len(c.RootKeyIDs) > 0 {
		names = append(names, some(c.RootKeyIDs))
	}
	if len(c.RootKeys) > 0 {
		names = append(names, "for a public key that is pinned")
	}
	if len(c.RootCA) > 0 {
		var subjects []string
		for _, cert := range c.RootCA {
			subjects = append(subjects, hostile.Quoted(cert.Subject.String()))
		}
		names = append(names, "issued by "+some(subjects))
	}
	return strings.Join(names, " or ")
}

// some names the first few of many.
func some(names []string) string {
	const most = 4
	if more := len(names) - most; more > 0 {
		names = append(slices.Clone(names[:most]), fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, " or ")
}

// called is what the user calls a part of the requirement.
func (c Config) called(key string) string {
	if !c.Flags {
		return key
	}
	switch key {
	case "roots":
		return "--dct-root-key-ids"
	case "ca":
		return "--dct-root-ca"
	}
	return "--dct-" + key
}
