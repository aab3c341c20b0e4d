package sigstore

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	sgsign "github.com/sigstore/sigstore-go/pkg/sign"
)

// A certificate says for some minutes who has a key.
type certificate struct {
	leaf    *x509.Certificate
	subject string // the subject alternative name: a URI, an e-mail address, or Fulcio's otherName
	issuer  string // of the token
}

// valid reports whether signatures made at t may still go with c.
func (c *certificate) valid(t time.Time) bool {
	return c != nil && c.leaf != nil && !t.Before(c.leaf.NotBefore) && !t.After(c.leaf.NotAfter)
}

// issue asks for a certificate.
func (c *Client) issue(ctx context.Context, s Services, key sgsign.Keypair, token Token) (*certificate, error) {
	return nil, errors.New("nothing is issued yet")
}

// seal signs content.
func (c *Client) seal(ctx context.Context, content sgsign.Content, key sgsign.Keypair, cert *certificate, s Services) (*protobundle.Bundle, error) {
	return nil, errors.New("nothing is sealed yet")
}
