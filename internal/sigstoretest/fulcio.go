package sigstoretest

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/boltseal/boltseal/internal/pkitest"
)

func newFulcio(start, end time.Time) (*authority, error) {
	return newAuthority("fulcio.localhost", x509.ExtKeyUsageCodeSigning, start, end)
}

// certify issues the ten minute certificate that Fulcio would give o.Identity.
func (in *Instance) certify(pub crypto.PublicKey, o Options) (*x509.Certificate, error) {
	exts, err := extensions(o)
	if err != nil {
		return nil, err
	}
	start := o.At.Add(-time.Minute)
	t := &x509.Certificate{
		NotBefore:       start,
		NotAfter:        start.Add(10 * time.Minute),
		KeyUsage:        x509.KeyUsageDigitalSignature,
		ExtKeyUsage:     []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: exts,
	}
	if o.OtherName {
		san, err := otherName(o.Identity)
		if err != nil {
			return nil, fmt.Errorf("sigstoretest: identity: %w", err)
		}
		t.ExtraExtensions = append(t.ExtraExtensions, san)
	} else if strings.Contains(o.Identity, "://") {
		u, err := url.Parse(o.Identity)
		if err != nil {
			return nil, fmt.Errorf("sigstoretest: identity: %w", err)
		}
		t.URIs = []*url.URL{u}
	} else {
		t.EmailAddresses = []string{o.Identity}
	}
	cert, err := pkitest.Issue(t, in.fulcio.intermediate, pub, in.fulcio.key)
	if err != nil || o.NoSCT {
		return cert, err
	}
	// The SCT signs the certificate without its SCT list, so the first issue
	// is the precertificate and the second differs only by the last extension.
	sct, err := in.ct.sctList(cert, in.fulcio.intermediate, start)
	if err != nil {
		return nil, fmt.Errorf("sigstoretest: SCT: %w", err)
	}
	t.ExtraExtensions = append(t.ExtraExtensions, sct)
	return pkitest.Issue(t, in.fulcio.intermediate, pub, in.fulcio.key)
}

// otherName is the subject alternative name of an account without an address.
func otherName(name string) (pkix.Extension, error) {
	value, err := asn1.MarshalWithParams(name, "utf8")
	if err != nil {
		return pkix.Extension{}, err
	}
	type other struct {
		ID    asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	id := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 7}
	explicit := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: value}
	inner, err := asn1.MarshalWithParams(other{id, explicit}, "tag:0")
	if err != nil {
		return pkix.Extension{}, err
	}
	names, err := asn1.Marshal([]asn1.RawValue{{FullBytes: inner}})
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: names}, err
}

// extensions are the Fulcio extensions in the order of their OIDs.
func extensions(o Options) ([]pkix.Extension, error) {
	values := map[string]string{}
	if o.Issuer != "" {
		values["1.1"], values["1.8"] = o.Issuer, o.Issuer
	}
	for k, v := range o.Claims {
		values[k] = v
	}
	var out []pkix.Extension
	for suffix, v := range values {
		oid := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264}
		for _, arc := range strings.Split(suffix, ".") {
			n, err := strconv.Atoi(arc)
			if err != nil || n < 0 {
				return nil, fmt.Errorf("sigstoretest: claim %q is not an OID suffix", suffix)
			}
			oid = append(oid, n)
		}
		value := []byte(v)
		if !rawExtension(oid) {
			var err error
			if value, err = asn1.MarshalWithParams(v, "utf8"); err != nil {
				return nil, fmt.Errorf("sigstoretest: claim %q: %w", suffix, err)
			}
		}
		out = append(out, pkix.Extension{Id: oid, Value: value})
	}
	slices.SortFunc(out, func(a, b pkix.Extension) int { return slices.Compare(a.Id, b.Id) })
	return out, nil
}

// rawExtension reports whether oid is one of the deprecated six extensions
// whose value is the bare string.
func rawExtension(oid asn1.ObjectIdentifier) bool {
	return len(oid) == 9 && oid[7] == 1 && oid[8] >= 1 && oid[8] <= 6
}
