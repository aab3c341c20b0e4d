package sigstack

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	ctclient "github.com/google/certificate-transparency-go/client"
	"github.com/google/certificate-transparency-go/jsonclient"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/sigstore/fulcio/pkg/ca"
	"github.com/sigstore/fulcio/pkg/ca/baseca"
	"github.com/sigstore/fulcio/pkg/config"
	"github.com/sigstore/fulcio/pkg/generated/protobuf"
	"github.com/sigstore/fulcio/pkg/generated/protobuf/legacy"
	"github.com/sigstore/fulcio/pkg/identity"
	"github.com/sigstore/fulcio/pkg/server"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// A certificateAuthority is what all Fulcio servers of a Stack have in common.
type certificateAuthority struct {
	root, intermediate *certified
	issuers            *config.FulcioConfig
}

// newCertificateAuthority takes the tokens of GitHubIssuer, whose keys are at
// the address, behind a certificate of that authority.
func newCertificateAuthority(issuerAddress string, issuerTLS *certified) (*certificateAuthority, error) {
	root, err := newAuthority("sigstack Fulcio root", nil)
	if err != nil {
		return nil, err
	}
	intermediate, err := newAuthority("sigstack Fulcio intermediate", root, x509.ExtKeyUsageCodeSigning)
	if err != nil {
		return nil, err
	}
	issuers, err := readIssuers(issuerAddress, issuerTLS.certificate)
	if err != nil {
		return nil, fmt.Errorf("the issuer: %w", err)
	}
	return &certificateAuthority{root: root, intermediate: intermediate, issuers: issuers}, nil
}

// readIssuers reads Fulcio's configuration. Fulcio keeps the transport that is
// net/http's default while it reads for all questions to the issuer; for so long
// that is one which finds GitHub's name at the address.
func readIssuers(address string, authority *x509.Certificate) (*config.FulcioConfig, error) {
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	usual := http.DefaultTransport
	defer func() { http.DefaultTransport = usual }()
	http.DefaultTransport = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
	}
	return config.Read(fmt.Appendf(nil,
		"oidc-issuers:\n  %[1]s:\n    issuer-url: %[1]s\n    client-id: sigstore\n    type: github-workflow\n", GitHubIssuer))
}

// Window is from when to when certificates are valid, relative to the time when
// they are issued. It may be set while certificates are issued.
type Window struct {
	mu       sync.Mutex
	from, to time.Duration
}

// Set changes it. Two zeros are Fulcio's own: ten minutes from now.
func (w *Window) Set(from, to time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.from, w.to = from, to
}

func (w *Window) get() (from, to time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.from, w.to
}

// windowCA is Fulcio's own authority but for the window.
type windowCA struct {
	baseca.BaseCA
	window *Window
}

// CreatePrecertificate makes what goes to the CT log before the certificate.
func (c *windowCA) CreatePrecertificate(ctx context.Context, who identity.Principal, key crypto.PublicKey) (*ca.CodeSigningPreCertificate, error) {
	from, to := c.window.get()
	if from == 0 && to == 0 {
		return c.BaseCA.CreatePrecertificate(ctx, who, key)
	}
	template, err := ca.MakeX509(ctx, who, key)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template.NotBefore, template.NotAfter = now.Add(from), now.Add(to)
	template.ExtraExtensions = append(template.ExtraExtensions,
		pkix.Extension{Id: baseca.OIDExtensionCTPoison, Critical: true, Value: asn1.NullBytes})
	chain, signer := c.GetSignerWithChain()
	der, err := x509.CreateCertificate(rand.Reader, template, chain[0], key, signer)
	if err != nil {
		return nil, err
	}
	made, err := ca.CreateCSCFromDER(der, chain)
	if err != nil {
		return nil, err
	}
	return &ca.CodeSigningPreCertificate{PreCert: made.FinalCertificate, CertChain: made.FinalChain, PrivateKey: signer}, nil
}

// newFulcio returns Fulcio's own server behind its HTTP gateway.
func (a *certificateAuthority) newFulcio(ctx context.Context, ctURL string, ctKey crypto.PublicKey, window *Window) (http.Handler, error) {
	algorithms, err := signature.NewAlgorithmRegistryConfig([]protocommon.PublicKeyDetails{
		protocommon.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256,
		protocommon.PublicKeyDetails_PKIX_ECDSA_P384_SHA_384,
		protocommon.PublicKeyDetails_PKIX_ED25519,
	})
	if err != nil {
		return nil, err
	}
	ctPEM, err := cryptoutils.MarshalPublicKeyToPEM(ctKey)
	if err != nil {
		return nil, err
	}
	ctLog, err := ctclient.New(ctURL, &http.Client{Timeout: 10 * time.Second}, jsonclient.Options{
		PublicKey: string(ctPEM), Logger: log.New(io.Discard, "", 0),
	})
	if err != nil {
		return nil, err
	}
	authority := &windowCA{window: window, BaseCA: baseca.BaseCA{SignerWithChain: &ca.SignerCerts{
		Certs: []*x509.Certificate{a.intermediate.certificate, a.root.certificate}, Signer: a.intermediate.key,
	}}}
	grpc := server.NewGRPCCAServer(ctLog, authority, algorithms, server.NewIssuerPool(a.issuers))
	mux := runtime.NewServeMux(
		runtime.WithMetadata(func(_ context.Context, r *http.Request) metadata.MD {
			return metadata.Pairs(server.MetadataOIDCTokenKey, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		}),
		runtime.WithForwardResponseOption(answerOfV1))
	if err := protobuf.RegisterCAHandlerServer(ctx, mux, grpc); err != nil {
		return nil, err
	}
	if err := legacy.RegisterCAHandlerServer(ctx, mux, server.NewLegacyGRPCCAServer(grpc)); err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r.WithContext(config.With(r.Context(), a.issuers)))
	}), nil
}

// answerOfV1 turns the status and the timestamp of the log that the v1 API gives
// as metadata of gRPC into those of HTTP, as Fulcio's command does.
func answerOfV1(ctx context.Context, w http.ResponseWriter, _ proto.Message) error {
	md, ok := runtime.ServerMetadataFromContext(ctx)
	if !ok {
		return nil
	}
	for name := range w.Header() {
		if strings.HasPrefix(name, "Grpc-") {
			w.Header().Del(name)
		}
	}
	if v := md.HeaderMD.Get(server.SCTMetadataKey); len(v) > 0 {
		w.Header().Set("SCT", v[0])
	}
	if v := md.HeaderMD.Get(server.HTTPResponseCodeMetadataKey); len(v) > 0 {
		code, err := strconv.Atoi(v[0])
		if err != nil {
			return err
		}
		w.WriteHeader(code)
	}
	return nil
}
