package cli

import (
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/bake"
	"github.com/boltseal/boltseal/scan/compose"
	"github.com/boltseal/boltseal/scan/dockerfile"
	"github.com/boltseal/boltseal/scan/kubernetes"
	"github.com/boltseal/boltseal/scan/workflow"
)

// formats are the kinds of file that use images, in the order in which a file's
// name is tried.
func formats() []*scan.Format {
	return []*scan.Format{
		dockerfile.Format(),
		compose.Format(dockerfile.Scan),
		bake.Format(dockerfile.Scan),
		workflow.Format(dockerfile.Scan),
		kubernetes.Format(),
	}
}
