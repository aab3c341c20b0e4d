package sigstack

import (
	"context"
	"crypto"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/go-openapi/loads"
	"github.com/google/trillian"
	"github.com/google/trillian/extension"
	trillianlog "github.com/google/trillian/log"
	"github.com/google/trillian/quota"
	trillianserver "github.com/google/trillian/server"
	"github.com/google/trillian/server/admin"
	"github.com/google/trillian/storage/memory"
	"github.com/google/trillian/util/clock"
	"github.com/google/trillian/util/election"
	"github.com/google/trillian/util/election2"
	rekorapi "github.com/sigstore/rekor/pkg/api"
	"github.com/sigstore/rekor/pkg/generated/restapi"
	"github.com/sigstore/rekor/pkg/generated/restapi/operations"
	rekortypes "github.com/sigstore/rekor/pkg/types"
	_ "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1"         // a kind of entry
	_ "github.com/sigstore/rekor/pkg/types/hashedrekord/v0.0.1" // a kind of entry
	_ "github.com/sigstore/rekor/pkg/types/intoto/v0.0.2"       // a kind of entry
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/spf13/viper"
	"google.golang.org/grpc"
)

// startTrillian starts Trillian's log server and its sequencer on storage in
// memory, and returns the port of the server.
func startTrillian(ctx context.Context, free *portRange) (port string, stop func(), err error) {
	trees := memory.NewTreeStorage()
	registry := extension.Registry{
		AdminStorage: memory.NewAdminStorage(trees),
		LogStorage:   &distinct{LogStorage: memory.NewLogStorage(trees, nil), leaves: map[string]*trillian.LogLeaf{}},
		QuotaManager: quota.Noop(), ElectionFactory: election2.NoopFactory{},
	}
	listener, err := free.listen()
	if err != nil {
		return "", nil, err
	}
	_, port, err = net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	sequencer := trillianlog.NewOperationManager(trillianlog.OperationInfo{
		Registry: registry, BatchSize: 50, NumWorkers: 1, RunInterval: 50 * time.Millisecond,
		TimeSource: clock.System, ElectionConfig: election.RunnerConfig{TimeSource: clock.System},
	}, trillianlog.NewSequencerManager(registry, 0))
	go sequencer.OperationLoop(ctx)
	server := grpc.NewServer()
	trillian.RegisterTrillianLogServer(server, trillianserver.NewTrillianLogRPCServer(registry, clock.System))
	trillian.RegisterTrillianAdminServer(server, admin.New(registry, nil))
	go func() { _ = server.Serve(listener) }() // the error says that it was stopped
	return port, func() { server.Stop(); cancel() }, nil
}

// startRekorV1 starts Rekor v1 and returns its key. A process has room for one:
// its configuration is viper's, and its log a variable of its package.
func startRekorV1(ctx context.Context, free *portRange) (key crypto.PublicKey, handler http.Handler, stop func(), err error) {
	port, stop, err := startTrillian(ctx, free)
	if err != nil {
		return nil, nil, nil, err
	}
	for name, value := range map[string]any{
		"trillian_log_server.address": "127.0.0.1", "trillian_log_server.port": port,
		"rekor_server.hostname": "127.0.0.1", "rekor_server.signer": "memory",
		"enable_retrieve_api": false, "enable_attestation_storage": false,
		"enabled_api_endpoints": []string{
			"createLogEntry", "getLogEntryByIndex", "getLogEntryByUUID", "searchLogQuery", "getLogInfo", "getLogProof", "getPublicKey",
		},
	} {
		viper.Set(name, value)
	}
	rekortypes.SetAllowedKindsForSubmission([]string{"hashedrekord", "dsse", "intoto"})
	document, err := loads.Embedded(restapi.SwaggerJSON, restapi.FlatSwaggerJSON)
	if err != nil {
		return nil, nil, stop, err
	}
	server := restapi.NewServer(operations.NewRekorServerAPI(document))
	rekorapi.ConfigureAPI(0)
	server.ConfigureAPI()
	handler = server.GetHandler()
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/log/publicKey", nil))
	if answer.Code != http.StatusOK {
		return nil, nil, stop, fmt.Errorf("the log's key: %d %s", answer.Code, answer.Body)
	}
	key, err = cryptoutils.UnmarshalPEMToPublicKey(answer.Body.Bytes())
	return key, handler, stop, err
}
