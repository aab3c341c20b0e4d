package sigstack

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/go-openapi/runtime"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/timestamp-authority/v2/pkg/api"
	"github.com/sigstore/timestamp-authority/v2/pkg/generated/restapi/operations/timestamp"
	"github.com/spf13/viper"
)

// newTSA returns the handlers of the timestamp authority, with a key and chain
// in memory. A process has room for one: the package api keeps its signer in a
// variable. The generated server is left out: it and that of Rekor v1 define the
// same flags, and a program with both panics at once.
func newTSA(ctx context.Context) (chain []*x509.Certificate, handler http.Handler, err error) {
	const policy = "1.3.6.1.4.1.57264.2"
	for name, value := range map[string]any{
		"timestamp-signer": "memory", "timestamp-signer-hash": "sha256",
		"default-policy-oid": policy, "accepted-policy-oids": []string{policy},
	} {
		viper.Set(name, value)
	}
	api.ConfigureAPI()
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+tsaPath, func(w http.ResponseWriter, r *http.Request) {
		api.TimestampResponseHandler(timestamp.GetTimestampResponseParams{
			HTTPRequest: r, Request: http.MaxBytesReader(w, r.Body, 1<<20),
		}).WriteResponse(w, runtime.ByteStreamProducer())
	})
	mux.HandleFunc("GET "+tsaPath+"/certchain", func(w http.ResponseWriter, r *http.Request) {
		api.GetTimestampCertChainHandler(timestamp.GetTimestampCertChainParams{HTTPRequest: r}).WriteResponse(w, runtime.TextProducer())
	})
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodGet, tsaPath+"/certchain", nil))
	chain, err = cryptoutils.LoadCertificatesFromPEM(bytes.NewReader(answer.Body.Bytes()))
	if err == nil && len(chain) < 2 {
		err = fmt.Errorf("its chain has %d certificates", len(chain))
	}
	return chain, mux, err
}

const tsaPath = "/api/v1/timestamp"
