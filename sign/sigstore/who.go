package sigstore

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	sgsign "github.com/sigstore/sigstore-go/pkg/sign"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/verify"
	vsig "github.com/boltseal/boltseal/verify/sigstore"
)

// A sealer asks the Sigstore services. *Client is one.
type sealer interface {
	issue(ctx context.Context, s Services, key sgsign.Keypair, token Token) (*certificate, error)
	seal(ctx context.Context, content sgsign.Content, key sgsign.Keypair, cert *certificate, s Services) (*protobundle.Bundle, error)
}

var _ sealer = (*Client)(nil)

// A signatory is who signs at a moment of a run.
type signatory struct {
	key    sgsign.Keypair
	cert   *certificate        // nil where a long-lived key signs
	chain  []*x509.Certificate // from who issued it to the root
	config vsig.Config         // what accepts exactly this signatory
	renew  time.Time           // from when on another one is needed; zero for never
}

// A desk has the signatory of a Signer, and gets another certificate when the last
// one is half used up.
type desk struct {
	signer *Signer

	mu   sync.Mutex
	now  *signatory
	err  error      // that of the last request, which is not made again
	held *Token     // the first one, until a certificate is asked for
	told *signatory // whom that names
}

// byKey is what accepts the signatures of the key.
func (s *Signer) byKey() vsig.Config {
	c := s.config()
	c.Keys = []vsig.Key{s.opts.Key.Verifying()}
	return c
}

func (s *Signer) config() vsig.Config {
	return vsig.Config{Trust: s.opts.Trust, IgnoreLog: s.opts.IgnoreLog, Repository: s.opts.Repository, Now: s.opts.Now(), Flags: true}
}

// who returns the signatory. However many wait for it, a certificate is asked
// for once; where that failed, it is not asked for again.
func (d *desk) who(ctx context.Context) (*signatory, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.err != nil:
		return nil, d.err
	case d.now != nil && (d.now.renew.IsZero() || d.signer.opts.Now().Before(d.now.renew)):
		return d.now, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	next, err := d.signer.signatory(ctx)
	if err == nil && d.now != nil {
		err = next.same(d.now)
	}
	if d.err = err; err != nil {
		return nil, err
	}
	d.now = next
	return next, nil
}

// expected returns who will sign, as far as that can be told before a certificate is
// asked for, which gets into a public log for good; nil where it cannot.
func (d *desk) expected(ctx context.Context) (*signatory, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.err != nil:
		return nil, d.err
	case d.now != nil:
		return d.now, nil
	case d.held != nil || d.signer.opts.Key != nil:
		return d.told, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	if d.err = d.signer.trusted(ctx); d.err != nil {
		return nil, d.err
	}
	token, err := d.signer.opts.Token(ctx)
	if d.err = err; err != nil {
		return nil, err
	}
	d.held = &token
	if cert := token.expected(); cert != nil {
		if config, err := d.signer.byCertificate(cert); err == nil { // else the certificate will tell
			d.told = &signatory{cert: cert, config: config}
		}
	}
	return d.told, nil
}

// token returns the one that is held, or asks for another.
func (d *desk) token(ctx context.Context) (Token, error) {
	t := d.held
	d.held = nil
	if t != nil && d.signer.opts.Now().Add(clockSkew).Before(t.expires) { // looking may have taken longer than it lives
		return *t, nil
	}
	return d.signer.opts.Token(ctx)
}

// same returns an error unless both are one person: what was looked for must be
// what is signed.
func (s *signatory) same(before *signatory) error {
	if s == before { // such as the key
		return nil
	}
	unlike, was := s.cert.unlike(before.cert.subject, before.cert.issuer, before.cert.claims)
	if unlike == "" {
		return nil
	}
	now := map[string]string{"subject": s.cert.subject, "issuer": s.cert.issuer}
	return &verify.Error{
		Op:   "renew the certificate",
		Err:  order.Refused(verify.WrongSigner, "its %s is %.200q now, and was %.200q", unlike, cmp.Or(now[unlike], s.cert.claims[unlike]), was),
		Hint: "see to it that all tokens of a run are of one identity",
	}
}

// trusted waits for the trust root, if one is needed: without it nothing that was
// made can be verified, so nobody is asked to make it.
func (s *Signer) trusted(ctx context.Context) error {
	if s.opts.Trust == nil {
		return nil
	}
	switch _, err := s.opts.Trust.Material(ctx); {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx) // nobody else is to blame
	case err != nil:
		return &verify.Error{
			Op: "obtain the trust root", Err: err,
			Hint: "run it again; if it lasts, see that the TUF mirror can be reached from here (proxy, firewall), or give the trust root as a file with --trusted-root",
		}
	}
	return nil
}

// signatory returns the key, or a new one with a certificate for whoever the
// token names.
func (s *Signer) signatory(ctx context.Context) (*signatory, error) {
	if err := s.trusted(ctx); err != nil {
		return nil, err
	}
	if s.opts.Key != nil {
		return &signatory{key: s.opts.Key, config: s.byKey()}, nil
	}
	token, err := s.desk.token(ctx)
	if err != nil {
		return nil, err
	}
	key, err := ephemeral()
	if err != nil {
		return nil, err
	}
	asked := s.opts.Now()
	cert, err := s.signing.issue(ctx, s.opts.Services, key, token)
	if err != nil {
		return nil, err
	}
	if err := token.certified(cert); err != nil {
		return nil, err
	}
	return s.certified(ctx, key, cert, asked)
}

// maxAge is how long a certificate is used: half of the ten minutes that they
// live, so that the time of each signature lies well within.
const maxAge = 5 * time.Minute

// certified checks the certificate before anything is logged with it.
func (s *Signer) certified(ctx context.Context, key *Key, cert *certificate, asked time.Time) (*signatory, error) {
	wrong := func(err error) error {
		return &verify.Error{
			Op: "check the certificate", Err: err,
			Hint: "see to it that the signing config and the trusted root are of one Sigstore instance",
		}
	}
	chain, err := s.chain(ctx, cert.leaf)
	if err != nil {
		return nil, wrong(err)
	}
	config, err := s.byCertificate(cert)
	if err != nil {
		return nil, wrong(err)
	}
	age := min(maxAge, cert.leaf.NotAfter.Sub(cert.leaf.NotBefore)/2)
	return &signatory{key: key, cert: cert, chain: chain, config: config, renew: asked.Add(age)}, nil
}

// byCertificate is what accepts the signatures of whoever the certificate is for.
func (s *Signer) byCertificate(cert *certificate) (vsig.Config, error) {
	subject, err := exactly(cert.subject)
	if err != nil {
		return vsig.Config{}, order.Refused(verify.Unsupported, "its identity: %w", err)
	}
	issuer, err := exactly(cert.issuer)
	if err != nil {
		return vsig.Config{}, order.Refused(verify.Unsupported, "its issuer: %w", err)
	}
	id, err := vsig.NewIdentity(subject, issuer, nil)
	if err != nil {
		return vsig.Config{}, err
	}
	c := s.config()
	c.Identities = []vsig.Identity{id}
	return c, nil
}

// chain returns the authorities that vouch for a certificate, the one that issued
// it first, up to the root. It is an error where the trust root knows none, or where
// the certificate is not in a log as the trust wants it.
func (s *Signer) chain(ctx context.Context, leaf *x509.Certificate) ([]*x509.Certificate, error) {
	material, err := s.opts.Trust.Material(ctx)
	if err != nil {
		return nil, err
	}
	// Fulcio's otherName is a subject of which x509 says that it was not understood.
	understood := *leaf
	understood.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(leaf.UnhandledCriticalExtensions), func(oid asn1.ObjectIdentifier) bool {
		return oid.Equal(cryptoutils.SANOID)
	})
	chains, err := sgverify.VerifyLeafCertificate(leaf.NotBefore, &understood, material)
	if err != nil || len(chains) == 0 || len(chains[0]) < 2 {
		return nil, order.Refused(verify.BadSignature, "it was issued by %.200q, which is no authority of the trust root", leaf.Issuer.String())
	}
	if err := s.opts.Trust.CheckSCT(ctx, chains[0]); err != nil {
		return nil, err
	}
	return chains[0][1:], nil
}

// services returns those that make signatures in a format.
func (s *Signer) services(ctx context.Context, f sign.Format) (Services, error) {
	services := s.opts.Services
	if f == sign.Legacy {
		services = s.opts.Legacy
	}
	switch {
	case s.opts.IgnoreLog:
		return services.unlogged(), nil
	case services.logVersion() == 0 || f == sign.Legacy && services.logVersion() != 1:
		return Services{}, &verify.Error{
			Op: "choose a log", Err: order.Refused(verify.Unsupported, "there is none for the format %q", f),
			Hint: "give a signing config with a Rekor log, and with one of version 1 for the format legacy",
		}
	}
	material, err := s.opts.Trust.Material(ctx)
	if err != nil {
		return Services{}, err
	}
	return services.trusting(material), nil
}

// exactly returns the Matcher of s alone, whatever characters it has.
func exactly(s string) (vsig.Matcher, error) {
	if strings.Contains(s, "*") { // which Pattern would take for a glob
		return vsig.Regexp(regexp.QuoteMeta(s))
	}
	m, err := vsig.Pattern(s)
	if err != nil {
		return m, fmt.Errorf("%.200q: %w", s, err)
	}
	return m, nil
}
