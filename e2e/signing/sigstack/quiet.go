package sigstack

import (
	"github.com/go-logr/logr"
	fulciolog "github.com/sigstore/fulcio/pkg/log"
	rekorlog "github.com/sigstore/rekor/pkg/log"
	tsalog "github.com/sigstore/timestamp-authority/v2/pkg/log"
	"go.uber.org/zap"
	"k8s.io/klog/v2"
)

// quiet ends what the servers write to standard error: some 500 lines a second,
// which nobody reads as long as their answers are looked at.
func quiet() {
	nothing := zap.NewNop().Sugar()
	fulciolog.Logger, rekorlog.Logger, tsalog.Logger = nothing, nothing, nothing
	klog.SetLogger(logr.Discard())
}
