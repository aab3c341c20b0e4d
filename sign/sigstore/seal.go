package sigstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"net/url"
	"strings"

	"github.com/digitorus/timestamp"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	sgsign "github.com/sigstore/sigstore-go/pkg/sign"

	"github.com/boltseal/boltseal/verify"
)

// seal signs content with key and has the signature timestamped and logged as s
// says. cert is what [Client.issue] gave for the key, nil for a key that is known
// by itself.
//
// What comes back is checked to be about this signature, so that the fault is
// found where it is; the bundle is to be believed once it verifies.
func (c *Client) seal(ctx context.Context, content sgsign.Content, key sgsign.Keypair, cert *certificate, s Services) (*protobundle.Bundle, error) {
	b, err := c.sealOnce(ctx, content, key, cert, s)
	if errors.Is(err, errTwice) && key.GetKeyAlgorithm() == "ECDSA" {
		// The log has this very signature, and it cannot be read from there. Such
		// a key does not make the same one again.
		return c.sealOnce(ctx, content, key, cert, s)
	}
	return b, err
}

const opStamp = "timestamp the signature"

func (c *Client) sealOnce(ctx context.Context, content sgsign.Content, key sgsign.Keypair, cert *certificate, s Services) (*protobundle.Bundle, error) {
	const op = "make the signature"
	if key == nil || key.GetPublicKey() == nil {
		return nil, &verify.Error{Op: op, Err: errNoKey}
	}
	o := sgsign.BundleOptions{Context: ctx}
	if cert != nil {
		o.CertificateProvider = cert
	}
	stamping := &binding{c: c, ctx: ctx, service: tsa}
	for _, t := range s.tsas {
		o.TimestampAuthorities = append(o.TimestampAuthorities, sgsign.NewTimestampAuthority(&sgsign.TimestampAuthorityOptions{
			URL: t.URL, Timeout: -1, Transport: stamping, // the binding has a time-out
		}))
	}
	for _, l := range s.logs {
		o.TransparencyLogs = append(o.TransparencyLogs, transparency{c, l, s.known})
	}
	key = fit(key, content, s.logVersion())
	b, err := sgsign.Bundle(content, key, o)
	switch {
	case err != nil && stamping.asked != "":
		return nil, blame(opStamp, stamping, "", err)
	case err != nil:
		return nil, blame(op, stamping, "", err)
	}
	for i, t := range b.GetVerificationMaterial().GetTimestampVerificationData().GetRfc3161Timestamps() {
		if !stamps(t.GetSignedTimestamp(), signature(b)) {
			stamping.asked = s.tsas[i].URL
			return nil, blame(opStamp, stamping, "", errors.New("the timestamp is for something else"))
		}
	}
	return b, nil
}

// signature returns that of a bundle with one, nil for any other.
func signature(b *protobundle.Bundle) []byte {
	if m := b.GetMessageSignature(); m != nil {
		return m.GetSignature()
	}
	if s := b.GetDsseEnvelope().GetSignatures(); len(s) == 1 {
		return s[0].GetSig()
	}
	return nil
}

// stamps reports whether a timestamp response is about sig.
func stamps(response, sig []byte) bool {
	t, err := timestamp.ParseResponse(response)
	d := sha256.Sum256(sig)
	return err == nil && bytes.Equal(t.HashedMessage, d[:])
}

// A transparency is a log as the library's Transparency.
type transparency struct {
	c     *Client
	log   root.Service
	known map[string]*root.TransparencyLog
}

// GetTransparencyLogEntry logs the signature of b and adds the entry to b.
func (t transparency) GetTransparencyLogEntry(ctx context.Context, keyOrCert []byte, b *protobundle.Bundle) error {
	o := &sgsign.RekorOptions{Version: t.log.MajorAPIVersion}
	asking := &asking{c: t.c, ctx: ctx, base: strings.TrimRight(t.log.URL, "/")}
	switch o.Version {
	case 1:
		o.Client = &rekor1{asking}
	default:
		o.ClientV2 = &rekor2{asking, t.known}
	}
	err := sgsign.NewRekor(o).GetTransparencyLogEntry(ctx, keyOrCert, b)
	if err == nil {
		entries := b.GetVerificationMaterial().GetTlogEntries()
		err = shape(entries[len(entries)-1])
		if err == nil && o.Version == 1 { // of a later one the leaf's hash was compared
			err = aboutSignature(entries[len(entries)-1].GetCanonicalizedBody(), keyOrCert, b)
		}
	}
	if err != nil {
		return blame("log the signature", &binding{ctx: ctx, service: rekor, asked: asking.asked}, "", err)
	}
	return nil
}

// An asking is a log while an entry is made.
type asking struct {
	c     *Client
	ctx   context.Context //nolint:containedctx // one of the interfaces has no place for it
	base  string          // of the log's address, without a slash at its end
	asked string          // base once it was asked
}

func (a *asking) do(q call) (answer, error) {
	a.asked = a.base
	q.service = rekor
	q.url = a.base + q.url
	return a.c.do(a.ctx, q)
}

// host returns where the log is.
func (a *asking) host() string {
	u, err := url.Parse(a.base)
	if err != nil {
		return ""
	}
	return u.Host
}

// trouble is an answer that cannot be used.
func (a *asking) trouble(err error) error {
	return &ServiceError{Service: string(rekor), Host: a.host(), Attempts: 1, Err: err}
}

const (
	maxEntry      = 1 << 20 // bytes of an entry's body
	maxCheckpoint = 64 << 10
	maxPath       = 64 // hashes of an inclusion proof: a log has fewer than 2^64 entries
	hashSize      = sha256.Size
)

// shape says why an entry is none.
func shape(e *protorekor.TransparencyLogEntry) error {
	proof := e.GetInclusionProof()
	body, sum, path := len(e.GetCanonicalizedBody()), len(proof.GetRootHash()), proof.GetHashes()
	for _, h := range path {
		if len(h) != hashSize {
			return errors.New("the entry's inclusion proof is malformed")
		}
	}
	switch checkpoint := len(proof.GetCheckpoint().GetEnvelope()); {
	case e.GetLogIndex() < 0, body == 0, body > maxEntry:
		return errors.New("the entry is malformed")
	case len(e.GetLogId().GetKeyId()) != hashSize:
		return errors.New("the entry does not say whose log it is in")
	case sum != hashSize, len(path) > maxPath, proof.GetLogIndex() < 0, proof.GetTreeSize() <= proof.GetLogIndex():
		return errors.New("the entry's inclusion proof is malformed")
	case checkpoint == 0, checkpoint > maxCheckpoint:
		return errors.New("the entry's checkpoint is malformed")
	}
	return nil
}

// sameKey reports whether two PEM blocks hold the same key or certificate.
func sameKey(a, b []byte) bool {
	one, _ := pem.Decode(a)
	two, _ := pem.Decode(b)
	return one != nil && two != nil && bytes.Equal(one.Bytes, two.Bytes)
}
